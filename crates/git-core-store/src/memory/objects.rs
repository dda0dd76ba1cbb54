//! Objects one by one in a map, which grows and never shrinks.

use crate::overlay::Singles;
use git_core_object::{Header, IdPrefix, Kind, ObjectFormat, ObjectId, ReadError};
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

type Map = BTreeMap<ObjectId, (Kind, Arc<[u8]>)>;

/// Objects of one format. Shared by reference; whatever was added stays.
pub(super) struct MemoryObjects {
    format: ObjectFormat,
    map: RwLock<Map>,
}

impl MemoryObjects {
    pub(super) fn new(format: ObjectFormat) -> Self {
        MemoryObjects { format, map: RwLock::default() }
    }

    pub(super) fn format(&self) -> ObjectFormat {
        self.format
    }

    pub(super) fn insert(&self, id: ObjectId, kind: Kind, content: &[u8]) {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        map.entry(id).or_insert_with(|| (kind, content.into()));
    }

    /// Takes over what another map holds.
    pub(super) fn absorb(&self, other: &MemoryObjects) {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        for (id, object) in other.map().iter() {
            map.entry(*id).or_insert_with(|| object.clone());
        }
    }

    fn map(&self) -> RwLockReadGuard<'_, Map> {
        // Every change is a single insertion: a map left by a panicking thread is whole.
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: &ObjectId) -> Option<(Kind, Arc<[u8]>)> {
        self.map().get(id).cloned()
    }
}

impl Singles for MemoryObjects {
    fn read(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Option<Kind>, ReadError> {
        Ok(self.get(id).map(|(kind, content)| {
            out.clear();
            out.extend_from_slice(&content);
            kind
        }))
    }

    fn header(&self, id: &ObjectId) -> Result<Option<Header>, ReadError> {
        Ok(self.map().get(id).map(|(kind, content)| Header { kind: *kind, size: content.len() as u64 }))
    }

    fn contains(&self, id: &ObjectId) -> Result<bool, ReadError> {
        Ok(self.map().contains_key(id))
    }

    fn find_prefix(&self, prefix: &IdPrefix, found: &mut Vec<ObjectId>) -> Result<(), ReadError> {
        let map = self.map();
        found
            .extend(map.range(prefix.lower_bound()..).map(|(id, _)| *id).take_while(|id| prefix.matches(id)));
        Ok(())
    }

    fn for_each_id(
        &self,
        visit: &mut dyn FnMut(ObjectId) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ReadError> {
        // In batches, so that a visitor may do with the storage what it likes.
        let mut after = Bound::Unbounded;
        loop {
            let batch: Vec<ObjectId> =
                self.map().range((after, Bound::Unbounded)).map(|(id, _)| *id).take(1024).collect();
            let Some(last) = batch.last() else { return Ok(ControlFlow::Continue(())) };
            after = Bound::Excluded(*last);
            if batch.into_iter().try_for_each(&mut *visit).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
}
