//! The table of contents of a file that is made of chunks (`gitformat-chunk(5)`).

use super::GraphError;
use crate::file::be32;
use std::ops::Range;

/// Bytes of a row: four of the chunk's name, eight of its offset.
pub(crate) const ROW_LEN: usize = 12;

/// Where the chunks of a file lie.
pub(crate) struct Chunks(Vec<([u8; 4], Range<usize>)>);

impl Chunks {
    /// Reads `count` rows and the one that ends them from offset `at`. Every chunk lies behind the table and
    /// before `end`.
    pub(crate) fn read(data: &[u8], at: usize, count: u8, end: usize) -> Result<Self, GraphError> {
        let wrong = |reason| GraphError::Contents { reason };
        let body = at + (usize::from(count) + 1) * ROW_LEN;
        if body > end {
            return Err(GraphError::TooSmall { len: data.len() as u64 });
        }
        let row = |index: usize| -> ([u8; 4], usize) {
            let at = at + index * ROW_LEN;
            let id = be32(data, at).unwrap_or(0).to_be_bytes();
            let (high, low) = (be32(data, at + 4).unwrap_or(0), be32(data, at + 8).unwrap_or(0));
            // What does not fit an address lies behind every end.
            (id, usize::try_from(u64::from(high) << 32 | u64::from(low)).unwrap_or(usize::MAX))
        };
        let mut chunks: Vec<([u8; 4], Range<usize>)> = Vec::with_capacity(count.into());
        for index in 0..usize::from(count) {
            let ((id, start), (_, next)) = (row(index), row(index + 1));
            if id == [0; 4] {
                return Err(wrong("terminating chunk id appears earlier than expected"));
            }
            if start < body || start > next || next > end {
                return Err(wrong("improper chunk offset"));
            }
            if chunks.iter().any(|(other, _)| *other == id) {
                return Err(wrong("duplicate chunk id"));
            }
            chunks.push((id, start..next));
        }
        match row(count.into()) {
            ([0, 0, 0, 0], _) => Ok(Chunks(chunks)),
            _ => Err(wrong("final chunk has non-zero id")),
        }
    }

    /// The chunk of this name.
    pub(crate) fn get(&self, id: [u8; 4]) -> Option<Range<usize>> {
        self.0.iter().find(|(other, _)| *other == id).map(|(_, range)| range.clone())
    }
}
