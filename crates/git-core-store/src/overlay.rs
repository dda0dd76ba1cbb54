//! What a repository will hold once received objects are committed: a snapshot with more in front of it.

use crate::pack_set::{PackSet, Readers};
use crate::{Location, Reference, Snapshot, StoredBitmap, StoredPack};
use git_core_idx::SharedBytes;
use git_core_idx::graph::CommitGraph;
use git_core_object::{Header, IdPrefix, Kind, ObjectFormat, ObjectId, Objects, ReadError};
use git_core_ref::{RefName, ReflogLine};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Objects kept one by one: loose ones, or a map.
pub(crate) trait Singles: Send + Sync {
    fn read(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Option<Kind>, ReadError>;
    fn header(&self, id: &ObjectId) -> Result<Option<Header>, ReadError>;
    fn contains(&self, id: &ObjectId) -> Result<bool, ReadError>;
    fn find_prefix(&self, prefix: &IdPrefix, found: &mut Vec<ObjectId>) -> Result<(), ReadError>;
    fn for_each_id(
        &self,
        visit: &mut dyn FnMut(ObjectId) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ReadError>;
}

/// A snapshot, and received packs and objects that it does not know of.
pub(crate) struct Overlay {
    base: Arc<dyn Snapshot>,
    received: PackSet,
    singles: Option<Arc<dyn Singles>>,
    /// The received packs, then those of the base.
    packs: Vec<Arc<StoredPack>>,
    /// Where the history ends, if not where that of the base does.
    shallow: Option<Vec<ObjectId>>,
}

impl Overlay {
    pub(crate) fn new(
        base: Arc<dyn Snapshot>,
        received: Vec<Arc<StoredPack>>,
        singles: Option<Arc<dyn Singles>>,
        readers: Arc<Readers>,
    ) -> Self {
        let packs = received.iter().chain(base.packs()).cloned().collect();
        Overlay { base, received: PackSet::new(received, readers), singles, packs, shallow: None }
    }

    /// The same with a history that ends at these commits, which are sorted.
    pub(crate) fn ending_at(mut self, shallow: Option<Vec<ObjectId>>) -> Self {
        self.shallow = shallow;
        self
    }
}

impl Objects for Overlay {
    fn format(&self) -> ObjectFormat {
        self.base.format()
    }

    fn read(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Option<Kind>, ReadError> {
        if let Some(kind) = self.received.read(id, out)? {
            return Ok(Some(kind));
        }
        if let Some(singles) = &self.singles
            && let Some(kind) = singles.read(id, out)?
        {
            return Ok(Some(kind));
        }
        self.base.read(id, out)
    }

    fn header(&self, id: &ObjectId) -> Result<Option<Header>, ReadError> {
        if let Some(header) = self.received.header(id)? {
            return Ok(Some(header));
        }
        if let Some(singles) = &self.singles
            && let Some(header) = singles.header(id)?
        {
            return Ok(Some(header));
        }
        self.base.header(id)
    }

    fn contains(&self, id: &ObjectId) -> Result<bool, ReadError> {
        if self.received.contains(id) {
            return Ok(true);
        }
        match &self.singles {
            Some(singles) if singles.contains(id)? => Ok(true),
            _ => self.base.contains(id),
        }
    }

    fn prefetch(&self, ids: &[ObjectId]) -> Result<(), ReadError> {
        self.base.prefetch(ids)
    }

    fn require(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Kind, ReadError> {
        match self.read(id, out)? {
            Some(kind) => Ok(kind),
            // Which knows why it may be missing.
            None => self.base.require(id, out),
        }
    }
}

impl Snapshot for Overlay {
    fn find_ref(&self, name: &RefName) -> Result<Option<Reference>, ReadError> {
        self.base.find_ref(name)
    }

    fn for_each_ref_after(
        &self,
        prefix: &[u8],
        after: Option<&RefName>,
        visit: &mut dyn FnMut(Reference) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.base.for_each_ref_after(prefix, after, visit)
    }

    fn for_each_reflog_entry(
        &self,
        name: &RefName,
        visit: &mut dyn FnMut(ReflogLine<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.base.for_each_reflog_entry(name, visit)
    }

    fn packs(&self) -> &[Arc<StoredPack>] {
        &self.packs
    }

    fn locate(&self, id: &ObjectId) -> Result<Option<Location>, ReadError> {
        if let Some(location) = self.received.locate(id)? {
            return Ok(Some(location));
        }
        let received = self.received.packs().len() as u32;
        Ok(self.base.locate(id)?.map(|found| Location { pack: found.pack + received, ..found }))
    }

    fn find_prefix(
        &self,
        prefix: &IdPrefix,
        limit: usize,
        found: &mut Vec<ObjectId>,
    ) -> Result<(), ReadError> {
        let mut all = Vec::new();
        self.received.find_prefix(prefix, limit, &mut all);
        if let Some(singles) = &self.singles {
            singles.find_prefix(prefix, &mut all)?;
        }
        self.base.find_prefix(prefix, limit, &mut all)?;
        append_least(all, limit, found);
        Ok(())
    }

    fn for_each_id(&self, visit: &mut dyn FnMut(ObjectId) -> ControlFlow<()>) -> Result<(), ReadError> {
        if self.received.for_each_id(visit).is_break() {
            return Ok(());
        }
        if let Some(singles) = &self.singles
            && singles.for_each_id(visit)?.is_break()
        {
            return Ok(());
        }
        self.base.for_each_id(visit)
    }

    fn stream(
        &self,
        id: &ObjectId,
        sink: &mut dyn FnMut(Header, &[u8]) -> ControlFlow<()>,
    ) -> Result<Option<Header>, ReadError> {
        if let Some(header) = self.received.stream(id, sink)? {
            return Ok(Some(header));
        }
        if let Some(singles) = &self.singles {
            let mut content = Vec::new();
            if let Some(kind) = singles.read(id, &mut content)? {
                let header = Header { kind, size: content.len() as u64 };
                let _ = sink(header, &content);
                return Ok(Some(header));
            }
        }
        self.base.stream(id, sink)
    }

    fn commit_graph(&self) -> Option<Arc<CommitGraph<SharedBytes>>> {
        if self.shallow().is_empty() { self.base.commit_graph() } else { None }
    }

    fn alters_history(&self) -> bool {
        self.base.alters_history()
    }

    fn bitmap(&self) -> Option<Arc<StoredBitmap>> {
        if self.shallow().is_empty() { self.base.bitmap() } else { None }
    }

    fn shallow(&self) -> &[ObjectId] {
        self.shallow.as_deref().unwrap_or(self.base.shallow())
    }
}

/// Appends the `limit` least of `all`, each once, sorted.
pub(crate) fn append_least(mut all: Vec<ObjectId>, limit: usize, found: &mut Vec<ObjectId>) {
    all.sort_unstable();
    all.dedup();
    all.truncate(limit);
    found.append(&mut all);
}
