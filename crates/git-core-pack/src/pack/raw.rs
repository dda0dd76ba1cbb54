//! Entries as they stand, for copying them into another pack.

use crate::{EntryHeader, Pack};
use git_core_idx::{IdxPosition, PackOffset};
use git_core_object::ReadError;
use std::ops::Range;

/// An entry as it stands in a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEntry {
    /// Its header: how the object is stored, and the inflated size.
    pub header: EntryHeader,
    /// The length of the header in bytes.
    pub header_len: usize,
    /// Its bytes in the pack, header included.
    pub range: Range<u64>,
    /// CRC-32 of these bytes, if the index has it.
    pub crc: Option<u32>,
}

impl RawEntry {
    /// The deflated bytes, without the header.
    pub fn body(&self) -> Range<u64> {
        self.range.start + self.header_len as u64..self.range.end
    }
}

impl Pack {
    /// The entry that begins at `offset`. Its bytes are read with [`Pack::data`].
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] when no entry begins there, or its header is damaged.
    pub fn raw_entry(&self, offset: PackOffset) -> Result<RawEntry, ReadError> {
        let position =
            self.position_of(offset)?.ok_or_else(|| self.corrupt(offset, "no entry begins here"))?;
        self.raw_entry_near(position, &mut 0)
    }

    /// The entry of a row of the index. `rank` is a guess at its place in the pack, and is set to the place
    /// of the entry that follows it: entries are mostly asked for in pack order.
    pub(crate) fn raw_entry_near(
        &self,
        position: IdxPosition,
        rank: &mut u32,
    ) -> Result<RawEntry, ReadError> {
        let offset = self.offset(position)?;
        let reverse = self.reverse()?;
        let damaged = |error| self.damaged_idx(&error);
        *rank = self.rank_near(position, *rank)?;
        let range = reverse.entry_range(self.idx(), *rank, self.trailer_at()).map_err(damaged)?;
        *rank += 1;
        let (header, header_len) = self.entry_header(offset)?;
        if range.start != offset.0 || range.end - range.start < header_len as u64 {
            return Err(self.corrupt(offset, "its header runs into the next entry"));
        }
        Ok(RawEntry { header, header_len, range, crc: self.idx().crc_at(position) })
    }

    /// The place in the pack of the entry of a row of the index; `guess` says where it probably is.
    pub(crate) fn rank_near(&self, position: IdxPosition, guess: u32) -> Result<u32, ReadError> {
        let reverse = self.reverse()?;
        let damaged = |error| self.damaged_idx(&error);
        if guess < reverse.count() && reverse.position(guess).map_err(damaged)? == position {
            return Ok(guess);
        }
        let offset = self.offset(position)?;
        let found = reverse.rank_of(self.idx(), offset).map_err(damaged)?;
        found.ok_or_else(|| self.corrupt(offset, "the reverse index does not have it"))
    }
}
