//! A snapshot as if its history ended at some commits, or all blobs were there: what `--shallow` lines and `--missing`
//! ask of `pack-objects`.

use git_core::object::{Header, IdPrefix, Kind, ObjectFormat, ObjectId, Objects, ReadError};
use git_core::refs::{RefName, ReflogLine};
use git_core::store::{Location, Reference, Snapshot, StoredMidx, StoredPack};
use std::ops::ControlFlow;
use std::sync::Arc;

/// A snapshot that says something else of some things.
pub(crate) struct Shallowed {
    inner: Arc<dyn Snapshot>,
    /// Sorted.
    shallow: Vec<ObjectId>,
    /// Whether all objects are taken to be there, as long as they are not read.
    trusting: bool,
}

impl Shallowed {
    /// The snapshot, ending at these commits too.
    pub(crate) fn new(inner: Arc<dyn Snapshot>, mut shallow: Vec<ObjectId>) -> Self {
        shallow.extend_from_slice(inner.shallow());
        shallow.sort_unstable();
        shallow.dedup();
        Shallowed { inner, shallow, trusting: false }
    }

    /// The snapshot as if it had whatever it is asked for, as long as that is not read.
    pub(crate) fn trusting(inner: Arc<dyn Snapshot>) -> Self {
        Shallowed { trusting: true, ..Shallowed::new(inner, Vec::new()) }
    }
}

impl Objects for Shallowed {
    fn format(&self) -> ObjectFormat {
        self.inner.format()
    }

    fn read(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Option<Kind>, ReadError> {
        self.inner.read(id, out)
    }

    fn header(&self, id: &ObjectId) -> Result<Option<Header>, ReadError> {
        self.inner.header(id)
    }

    fn contains(&self, id: &ObjectId) -> Result<bool, ReadError> {
        Ok(self.trusting || self.inner.contains(id)?)
    }

    fn prefetch(&self, ids: &[ObjectId]) -> Result<(), ReadError> {
        self.inner.prefetch(ids)
    }
}

impl Snapshot for Shallowed {
    fn find_ref(&self, name: &RefName) -> Result<Option<Reference>, ReadError> {
        self.inner.find_ref(name)
    }

    fn for_each_ref(
        &self,
        prefix: &[u8],
        visit: &mut dyn FnMut(Reference) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.inner.for_each_ref(prefix, visit)
    }

    fn for_each_reflog_entry(
        &self,
        name: &RefName,
        visit: &mut dyn FnMut(ReflogLine<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.inner.for_each_reflog_entry(name, visit)
    }

    fn packs(&self) -> &[Arc<StoredPack>] {
        self.inner.packs()
    }

    fn multi_pack_indexes(&self) -> &[Arc<StoredMidx>] {
        self.inner.multi_pack_indexes()
    }

    fn locate(&self, id: &ObjectId) -> Result<Option<Location>, ReadError> {
        self.inner.locate(id)
    }

    fn find_prefix(
        &self,
        prefix: &IdPrefix,
        limit: usize,
        found: &mut Vec<ObjectId>,
    ) -> Result<(), ReadError> {
        self.inner.find_prefix(prefix, limit, found)
    }

    fn for_each_id(&self, visit: &mut dyn FnMut(ObjectId) -> ControlFlow<()>) -> Result<(), ReadError> {
        self.inner.for_each_id(visit)
    }

    fn stream(
        &self,
        id: &ObjectId,
        sink: &mut dyn FnMut(Header, &[u8]) -> ControlFlow<()>,
    ) -> Result<Option<Header>, ReadError> {
        self.inner.stream(id, sink)
    }

    fn shallow(&self) -> &[ObjectId] {
        &self.shallow
    }
}
