//! A snapshot that takes every object for there until it is read: for walks that need not know about blobs.
//!
//! What `--missing` asks of `pack-objects`, and how git prunes.

use crate::{Location, Reference, Snapshot, StoredMidx, StoredPack};
use git_core_object::{Header, IdPrefix, Kind, ObjectFormat, ObjectId, Objects, ReadError};
use git_core_ref::{RefName, ReflogLine};
use std::ops::ControlFlow;
use std::sync::Arc;

/// A snapshot as if it had whatever it is asked for, as long as that is not read.
pub struct Trusting(Arc<dyn Snapshot>);

impl Trusting {
    /// What `inner` shows, and the belief that there is more.
    pub const fn new(inner: Arc<dyn Snapshot>) -> Self {
        Trusting(inner)
    }
}

impl Objects for Trusting {
    fn format(&self) -> ObjectFormat {
        self.0.format()
    }

    fn read(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Option<Kind>, ReadError> {
        self.0.read(id, out)
    }

    fn header(&self, id: &ObjectId) -> Result<Option<Header>, ReadError> {
        self.0.header(id)
    }

    fn contains(&self, _id: &ObjectId) -> Result<bool, ReadError> {
        Ok(true)
    }

    fn prefetch(&self, ids: &[ObjectId]) -> Result<(), ReadError> {
        self.0.prefetch(ids)
    }
}

impl Snapshot for Trusting {
    fn find_ref(&self, name: &RefName) -> Result<Option<Reference>, ReadError> {
        self.0.find_ref(name)
    }

    fn for_each_ref_after(
        &self,
        prefix: &[u8],
        after: Option<&RefName>,
        visit: &mut dyn FnMut(Reference) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.0.for_each_ref_after(prefix, after, visit)
    }

    fn for_each_reflog_entry(
        &self,
        name: &RefName,
        visit: &mut dyn FnMut(ReflogLine<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.0.for_each_reflog_entry(name, visit)
    }

    fn packs(&self) -> &[Arc<StoredPack>] {
        self.0.packs()
    }

    fn multi_pack_indexes(&self) -> &[Arc<StoredMidx>] {
        self.0.multi_pack_indexes()
    }

    fn locate(&self, id: &ObjectId) -> Result<Option<Location>, ReadError> {
        self.0.locate(id)
    }

    fn find_prefix(
        &self,
        prefix: &IdPrefix,
        limit: usize,
        found: &mut Vec<ObjectId>,
    ) -> Result<(), ReadError> {
        self.0.find_prefix(prefix, limit, found)
    }

    fn for_each_id(&self, visit: &mut dyn FnMut(ObjectId) -> ControlFlow<()>) -> Result<(), ReadError> {
        self.0.for_each_id(visit)
    }

    fn stream(
        &self,
        id: &ObjectId,
        sink: &mut dyn FnMut(Header, &[u8]) -> ControlFlow<()>,
    ) -> Result<Option<Header>, ReadError> {
        self.0.stream(id, sink)
    }

    fn shallow(&self) -> &[ObjectId] {
        self.0.shallow()
    }
}
