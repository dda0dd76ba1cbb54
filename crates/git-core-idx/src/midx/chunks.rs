//! The table of chunks in front of a chunk-based file (`gitformat-chunk(5)`).

use super::MidxError;
use crate::file::be32;
use std::ops::Range;

/// One row: a four-byte id and the offset at which the chunk begins.
pub(super) const ROW_LEN: usize = 12;

/// Where the chunks of a file lie.
#[derive(Clone, Debug)]
pub(super) struct Chunks(Vec<([u8; 4], Range<usize>)>);

impl Chunks {
    /// Reads the table of `count` chunks at `table_at`; they must lie in order between it and `end`.
    pub(super) fn parse(data: &[u8], table_at: usize, count: u8, end: usize) -> Result<Self, MidxError> {
        let damaged = |detail: String| MidxError::Table { detail };
        let first = table_at + (usize::from(count) + 1) * ROW_LEN;
        if first > end {
            return Err(MidxError::TooSmall { len: data.len() as u64 });
        }
        let row = |row: usize| {
            let at = table_at + row * ROW_LEN;
            let id = data.get(at..)?.first_chunk::<4>()?;
            let offset = u64::from(be32(data, at + 4)?) << 32 | u64::from(be32(data, at + 8)?);
            Some((*id, usize::try_from(offset).unwrap_or(usize::MAX)))
        };
        let short = || MidxError::TooSmall { len: data.len() as u64 };
        let mut chunks: Vec<([u8; 4], Range<usize>)> = Vec::with_capacity(usize::from(count));
        let (mut id, mut start) = row(0).ok_or_else(short)?;
        for next in 1..=usize::from(count) {
            let (next_id, stop) = row(next).ok_or_else(short)?;
            let name = id.escape_ascii();
            if id == [0; 4] {
                return Err(damaged("terminating chunk id appears earlier than expected".to_owned()));
            }
            if start < first || stop < start || stop > end {
                return Err(damaged(format!("improper chunk offset(s) {start:#x} and {stop:#x} of {name}")));
            }
            if chunks.iter().any(|(known, _)| *known == id) {
                return Err(damaged(format!("duplicate chunk ID {name} found")));
            }
            chunks.push((id, start..stop));
            (id, start) = (next_id, stop);
        }
        if id != [0; 4] {
            return Err(damaged(format!("final chunk has non-zero id {}", id.escape_ascii())));
        }
        Ok(Chunks(chunks))
    }

    /// Where a chunk lies, if there is one of this id.
    pub(super) fn find(&self, id: [u8; 4]) -> Option<Range<usize>> {
        self.0.iter().find(|(known, _)| *known == id).map(|(_, range)| range.clone())
    }
}

/// Appends the table for chunks of these lengths, which follow it.
pub(super) fn write_table(chunks: &[([u8; 4], usize)], out: &mut Vec<u8>) {
    let mut at = (out.len() + (chunks.len() + 1) * ROW_LEN) as u64;
    for (id, len) in chunks {
        out.extend_from_slice(id);
        out.extend_from_slice(&at.to_be_bytes());
        at += *len as u64;
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&at.to_be_bytes());
}
