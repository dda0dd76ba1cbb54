//! The pseudo-pack: the order in which a bitmap over many packs counts their objects.
//!
//! The objects of the preferred pack come first, then those of the other packs by their numbers; within a pack
//! they come by offset. An object that several packs have stands where the multi-pack index found it.

use super::{MidxError, MidxFile, MidxPosition, PackNumber};
use crate::file::be32;

/// What a multi-pack index says of one pack's part of the pseudo-pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitmappedPack {
    /// The rank of its first object.
    pub first: u32,
    /// How many objects were taken from it; they stand one after the other.
    pub count: u32,
}

impl<B: AsRef<[u8]>> MidxFile<B> {
    /// Whether the file has the pseudo-pack order; those without a bitmap mostly do not.
    pub fn has_order(&self) -> bool {
        self.order_at.is_some()
    }

    /// The row of the object that is the `rank`-th of the pseudo-pack; `None` when the file has no such order
    /// or no such rank.
    ///
    /// # Errors
    /// [`MidxError::Order`] when what stands there is no row.
    pub fn position(&self, rank: u32) -> Result<Option<MidxPosition>, MidxError> {
        let Some(at) = self.order_at.filter(|_| rank < self.count()) else { return Ok(None) };
        let position = MidxPosition(be32(self.data(), at + rank as usize * 4).unwrap_or(u32::MAX));
        match position.0 < self.count() {
            true => Ok(Some(position)),
            false => Err(MidxError::Order { rank, position }),
        }
    }

    /// The pack whose objects come first in the pseudo-pack, where there is one.
    ///
    /// # Errors
    /// [`MidxError`] when the file is damaged where it is read.
    pub fn preferred_pack(&self) -> Result<Option<PackNumber>, MidxError> {
        match self.position(0)? {
            Some(first) => Ok(Some(self.location_at(first)?.pack)),
            None => Ok(None),
        }
    }

    /// The rank in the pseudo-pack of the object in a row: the other way round of [`position`](Self::position),
    /// by searching. `None` when the file has no such order.
    ///
    /// # Errors
    /// [`MidxError`] when the file is damaged where it is read.
    ///
    /// # Panics
    /// When the row is not below [`count`](Self::count).
    pub fn rank_of(&self, position: MidxPosition) -> Result<Option<u32>, MidxError> {
        let Some(preferred) = self.preferred_pack()? else { return Ok(None) };
        let key = |at: MidxPosition| {
            self.location_at(at).map(|found| (found.pack != preferred, found.pack, found.offset))
        };
        let wanted = key(position)?;
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(found) = self.position(middle)? else { return Ok(None) };
            match key(found)?.cmp(&wanted) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(Some(middle)),
            }
        }
        Ok(None)
    }

    /// Which part of the pseudo-pack was taken from a pack; `None` when the file does not say.
    ///
    /// # Panics
    /// When the pack is not below [`pack_count`](Self::pack_count).
    pub fn bitmapped_pack(&self, pack: PackNumber) -> Option<BitmappedPack> {
        assert!(pack.0 < self.pack_count(), "pack {} of {}", pack.0, self.pack_count());
        let at = self.bitmapped_at? + pack.0 as usize * 8;
        Some(BitmappedPack { first: be32(self.data(), at)?, count: be32(self.data(), at + 4)? })
    }

    /// Every row once, ascending by the order's own key, and the parts of the packs as they really are.
    pub(super) fn verify_order(&self) -> Result<(), MidxError> {
        let Some(preferred) = self.preferred_pack()? else { return Ok(()) };
        let mut last = None;
        let mut parts = vec![BitmappedPack { first: 0, count: 0 }; self.pack_count() as usize];
        for rank in 0..self.count() {
            let Some(position) = self.position(rank)? else { return Ok(()) };
            let found = self.location_at(position)?;
            let key = (found.pack != preferred, found.pack, found.offset);
            if last.is_some_and(|last| last >= key) {
                return Err(MidxError::Order { rank, position });
            }
            last = Some(key);
            let part = &mut parts[found.pack.0 as usize];
            if part.count == 0 {
                part.first = rank;
            }
            part.count += 1;
        }
        for (pack, part) in (0..).map(PackNumber).zip(parts) {
            if self.bitmapped_pack(pack).is_some_and(|said| said != part) {
                return Err(MidxError::Bitmapped { pack });
            }
        }
        Ok(())
    }
}
