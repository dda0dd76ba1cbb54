//! Pseudo-merges: bitmaps of groups of commits, as if one commit merged them all.
//!
//! They are found through the table of positions at the end of their part. The table that leads from a commit
//! to its groups is not needed to ask whether a group lies inside a set.

use super::file::{be64, parse};
use super::{BitmapError, BitmapFile, Flags};
use crate::ewah::Ewah;
use crate::file::be32;

/// The number of groups, the number of commits, where the table of commits begins, and the size of the part.
const TAIL: usize = 4 + 4 + 8 + 8;

/// A group of commits.
#[derive(Clone, Copy, Debug)]
pub struct PseudoMerge<'a> {
    /// The commits of the group, by bit.
    pub commits: Ewah<'a>,
    /// What they reach together.
    pub objects: Ewah<'a>,
}

impl<B: AsRef<[u8]>> BitmapFile<B> {
    /// The groups; none in most files.
    ///
    /// # Errors
    /// [`BitmapError`] when they are damaged.
    pub fn pseudo_merges(&self) -> Result<Vec<PseudoMerge<'_>>, BitmapError> {
        if !self.flags().has(Flags::PSEUDO_MERGES) {
            return Ok(Vec::new());
        }
        let damaged = |detail| BitmapError::PseudoMerges { detail };
        let data = &self.data()[..self.extra_end];
        let tail = data.len().checked_sub(TAIL).ok_or(damaged("they are cut off"))?;
        let size = be64(data, tail + 16).and_then(|size| usize::try_from(size).ok());
        let start = size.and_then(|size| data.len().checked_sub(size)).filter(|start| *start <= tail);
        let start = start.ok_or(damaged("their size is wrong"))?;
        let count = be32(data, tail).unwrap_or(0) as usize;
        let table = count.checked_mul(8).and_then(|bytes| tail.checked_sub(bytes));
        let table = table.filter(|table| *table >= start).ok_or(damaged("their table does not fit"))?;
        let mut out = Vec::with_capacity(count);
        for row in 0..count {
            let at = be64(data, table + row * 8).and_then(|at| usize::try_from(at).ok());
            let at =
                at.filter(|at| (start..table).contains(at)).ok_or(damaged("one lies outside of them"))?;
            let commits = parse(&data[..table], at)?;
            let objects = parse(&data[..table], at + commits.stored().len())?;
            out.push(PseudoMerge { commits, objects });
        }
        Ok(out)
    }
}
