//! A pack's entries in the order in which they stand: from a `.rev` file, or sorted in memory without one.

use crate::{IdxError, IdxFile, IdxPosition, PackOffset, RevFile, SharedBytes};
use std::ops::Range;

/// Maps between ranks in pack order and rows of the pack index.
#[derive(Clone, Debug)]
pub struct ReverseIndex(Source);

#[derive(Clone, Debug)]
enum Source {
    File(RevFile<SharedBytes>),
    Memory(Vec<u32>),
}

impl ReverseIndex {
    /// Uses a `.rev` file.
    pub fn from_file(file: RevFile<SharedBytes>) -> Self {
        ReverseIndex(Source::File(file))
    }

    /// Sorts the offsets of an index: 4 bytes per object, 16 while sorting.
    ///
    /// # Errors
    /// [`IdxError::LargeOffset`] when an offset cannot be read.
    pub fn build<B: AsRef<[u8]>>(idx: &IdxFile<B>) -> Result<Self, IdxError> {
        let mut rows = (0..idx.count())
            .map(|row| idx.offset_at(IdxPosition(row)).map(|offset| (offset, row)))
            .collect::<Result<Vec<_>, _>>()?;
        rows.sort_unstable();
        Ok(ReverseIndex(Source::Memory(rows.into_iter().map(|(_, row)| row).collect())))
    }

    /// The number of entries.
    pub fn count(&self) -> u32 {
        match &self.0 {
            Source::File(file) => file.count(),
            Source::Memory(rows) => rows.len() as u32,
        }
    }

    /// The row of the index whose entry is the `rank`-th in the pack.
    ///
    /// # Errors
    /// [`IdxError::Row`] when the file holds a number that is no row.
    ///
    /// # Panics
    /// When `rank` is not below [`count`](Self::count).
    pub fn position(&self, rank: u32) -> Result<IdxPosition, IdxError> {
        match &self.0 {
            Source::File(file) => file.position(rank),
            Source::Memory(rows) => Ok(IdxPosition(rows[rank as usize])),
        }
    }

    /// The rank of the entry that begins at `offset`, if one does. `idx` must be the index this belongs to.
    ///
    /// # Errors
    /// [`IdxError`] when one of the two files is damaged where it is read.
    pub fn rank_of<B: AsRef<[u8]>>(
        &self,
        idx: &IdxFile<B>,
        offset: PackOffset,
    ) -> Result<Option<u32>, IdxError> {
        let (mut low, mut high) = (0, self.count().min(idx.count()));
        while low < high {
            let middle = low + (high - low) / 2;
            let found = idx.offset_at(self.position(middle)?)?;
            match found.cmp(&offset) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(Some(middle)),
            }
        }
        Ok(None)
    }

    /// The bytes of the `rank`-th entry: up to the next entry, the last one up to the pack's trailer, which
    /// begins at `trailer_at`. Empty or reversed only if the files are damaged; then it is an empty range.
    ///
    /// # Errors
    /// As [`rank_of`](Self::rank_of).
    pub fn entry_range<B: AsRef<[u8]>>(
        &self,
        idx: &IdxFile<B>,
        rank: u32,
        trailer_at: u64,
    ) -> Result<Range<u64>, IdxError> {
        let start = idx.offset_at(self.position(rank)?)?.0;
        let end = match rank.checked_add(1) {
            Some(next) if next < self.count() => idx.offset_at(self.position(next)?)?.0,
            _ => trailer_at,
        };
        Ok(start..end.max(start).min(trailer_at.max(start)))
    }
}
