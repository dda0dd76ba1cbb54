//! Dense numbers for objects, so that sets of them are bit maps.

use crate::{Snapshot, StoredPack};
use git_core_idx::IdxPosition;
use git_core_object::ObjectId;
use hashbrown::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Gives every object a number: packed ones by pack and position in its index, others as they are met.
///
/// An object that several packs hold has the number of the first of them.
pub struct Numbers {
    packs: Vec<Arc<StoredPack>>,
    /// The number of each pack's first object; one more entry than packs.
    bases: Vec<u32>,
    loose: RwLock<Loose>,
}

#[derive(Default)]
struct Loose {
    numbers: HashMap<ObjectId, u32>,
    ids: Vec<ObjectId>,
}

impl Numbers {
    /// Numbers the packed objects of a snapshot.
    ///
    /// Packs whose objects together are more than a `u32` can count are left to the numbers given as met.
    pub fn new(snapshot: &dyn Snapshot) -> Self {
        Numbers::beginning_with(&[], snapshot)
    }

    /// As [`new`](Self::new), but some of the packs come before the others.
    pub(super) fn beginning_with(first: &[Arc<StoredPack>], snapshot: &dyn Snapshot) -> Self {
        let (mut packs, mut bases, mut next) = (Vec::new(), vec![0u32], 0u32);
        let is_first = |pack: &Arc<StoredPack>| first.iter().any(|first| Arc::ptr_eq(first, pack));
        let rest = snapshot.packs().iter().filter(|pack| !is_first(pack));
        for pack in first.iter().chain(rest) {
            // The upper half is for objects that are not packed.
            let Some(sum) = next.checked_add(pack.pack.idx().count()).filter(|n| *n <= u32::MAX / 2) else {
                break;
            };
            next = sum;
            packs.push(pack.clone());
            bases.push(next);
        }
        Numbers { packs, bases, loose: RwLock::default() }
    }

    /// How many numbers belong to packed objects: they are below this.
    pub fn packed(&self) -> u32 {
        self.bases.last().copied().unwrap_or(0)
    }

    /// All numbers that were given out so far are below this.
    pub(super) fn end(&self) -> u32 {
        self.packed() + self.loose.read().unwrap_or_else(PoisonError::into_inner).ids.len() as u32
    }

    /// The packs that have numbers: in the order of the snapshot, but for those of a bitmap, which come first.
    pub fn packs(&self) -> &[Arc<StoredPack>] {
        &self.packs
    }

    /// The number of an object, a new one if it has none yet.
    pub fn number(&self, id: &ObjectId) -> u32 {
        if let Some(number) = self.lookup_packed(id) {
            return number;
        }
        let read = self.loose.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = read.numbers.get(id) {
            return *number;
        }
        drop(read);
        let mut loose = self.loose.write().unwrap_or_else(PoisonError::into_inner);
        let next = self.packed() + loose.ids.len() as u32;
        let number = *loose.numbers.entry(*id).or_insert(next);
        if number == next {
            loose.ids.push(*id);
        }
        number
    }

    /// The number of an object, if it has one.
    pub fn lookup(&self, id: &ObjectId) -> Option<u32> {
        self.lookup_packed(id)
            .or_else(|| self.loose.read().unwrap_or_else(PoisonError::into_inner).numbers.get(id).copied())
    }

    fn lookup_packed(&self, id: &ObjectId) -> Option<u32> {
        self.packs.iter().zip(&self.bases).find_map(|(pack, base)| Some(base + pack.pack.idx().lookup(id)?.0))
    }

    /// Where a packed object is: index of its pack, and position in the pack's index.
    pub fn position(&self, number: u32) -> Option<(usize, IdxPosition)> {
        if number >= self.packed() {
            return None;
        }
        let pack = self.bases.partition_point(|base| *base <= number) - 1;
        Some((pack, IdxPosition(number - self.bases[pack])))
    }

    /// The numbers of one pack's objects, in the order of its index.
    pub fn range(&self, pack: usize) -> std::ops::Range<u32> {
        self.bases[pack]..self.bases[pack + 1]
    }

    /// The object that has this number.
    ///
    /// # Panics
    /// For a number that was not given out.
    pub fn id(&self, number: u32) -> ObjectId {
        match self.position(number) {
            Some((pack, position)) => self.packs[pack].pack.idx().id_at(position),
            None => {
                let loose = self.loose.read().unwrap_or_else(PoisonError::into_inner);
                loose.ids[(number - self.packed()) as usize]
            }
        }
    }
}
