//! One state of a repository on disk.

use super::objects::FsObjects;
use super::packs::PackList;
use super::refs::RefsSnapshot;
use super::shallow::read_shallow;
use crate::{Location, ObjectReader, Reference, Snapshot, StoredBitmap, StoredMidx, StoredPack};
use git_core_idx::SharedBytes;
use git_core_idx::graph::CommitGraph;
use git_core_object::{Header, IdPrefix, Kind, ObjectFormat, ObjectId, Objects, ReadError};
use git_core_ref::{RefName, ReflogLine};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// The refs and packs of one moment, and loose objects whenever they came.
pub(crate) struct FsSnapshot {
    objects: Arc<FsObjects>,
    packs: Arc<PackList>,
    refs: RefsSnapshot,
    shallow: Vec<ObjectId>,
    /// Opened when it is first asked for.
    graph: OnceLock<Option<Arc<CommitGraph<SharedBytes>>>>,
}

impl FsSnapshot {
    pub(crate) fn new(
        objects: Arc<FsObjects>,
        refs: RefsSnapshot,
        shallow: Option<&Path>,
    ) -> Result<Self, ReadError> {
        let shallow = match shallow {
            Some(shallow) => read_shallow(shallow, objects.format())?,
            None => Vec::new(),
        };
        let packs = objects.current_packs()?;
        Ok(FsSnapshot { objects, packs, refs, shallow, graph: OnceLock::new() })
    }
}

impl Objects for FsSnapshot {
    fn format(&self) -> ObjectFormat {
        self.objects.format()
    }

    fn read(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Option<Kind>, ReadError> {
        self.objects.read_in(&self.packs, id, out)
    }

    fn header(&self, id: &ObjectId) -> Result<Option<Header>, ReadError> {
        self.objects.header_in(&self.packs, id)
    }

    fn contains(&self, id: &ObjectId) -> Result<bool, ReadError> {
        self.objects.contains_in(&self.packs, id)
    }

    fn require(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Kind, ReadError> {
        match self.read(id, out)? {
            Some(kind) => Ok(kind),
            None => self.objects.require(id, out),
        }
    }
}

impl Snapshot for FsSnapshot {
    fn find_ref(&self, name: &RefName) -> Result<Option<Reference>, ReadError> {
        self.refs.find(name)
    }

    fn for_each_ref_after(
        &self,
        prefix: &[u8],
        after: Option<&RefName>,
        visit: &mut dyn FnMut(Reference) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.refs.for_each_after(prefix, after, visit)
    }

    fn for_each_reflog_entry(
        &self,
        name: &RefName,
        visit: &mut dyn FnMut(ReflogLine<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.refs.for_each_reflog_entry(name, visit)
    }

    fn packs(&self) -> &[Arc<StoredPack>] {
        self.packs.set().packs()
    }

    fn multi_pack_indexes(&self) -> &[Arc<StoredMidx>] {
        self.packs.set().indexes()
    }

    fn locate(&self, id: &ObjectId) -> Result<Option<Location>, ReadError> {
        self.packs.set().locate(id)
    }

    fn find_prefix(
        &self,
        prefix: &IdPrefix,
        limit: usize,
        found: &mut Vec<ObjectId>,
    ) -> Result<(), ReadError> {
        self.objects.find_prefix_in(&self.packs, prefix, limit, found)
    }

    fn for_each_id(&self, visit: &mut dyn FnMut(ObjectId) -> ControlFlow<()>) -> Result<(), ReadError> {
        self.objects.for_each_id_in(&self.packs, visit)
    }

    fn stream(
        &self,
        id: &ObjectId,
        sink: &mut dyn FnMut(Header, &[u8]) -> ControlFlow<()>,
    ) -> Result<Option<Header>, ReadError> {
        self.objects.stream_in(&self.packs, id, sink)
    }

    fn open_object(&self, id: &ObjectId) -> Result<Option<Box<dyn ObjectReader>>, ReadError> {
        self.objects.open_in(&self.packs, id)
    }

    fn commit_graph(&self) -> Option<Arc<CommitGraph<SharedBytes>>> {
        if !self.shallow.is_empty() {
            return None;
        }
        self.graph.get_or_init(|| self.objects.load_commit_graph().map(Arc::new)).clone()
    }

    fn bitmap(&self) -> Option<Arc<StoredBitmap>> {
        // A bitmap knows nothing of where a shallow history ends.
        if self.shallow.is_empty() { self.packs.bitmap() } else { None }
    }

    fn shallow(&self) -> &[ObjectId] {
        &self.shallow
    }
}
