//! One state of a repository in memory.

use super::{Shared, State};
use crate::overlay::{Singles as _, append_least};
use crate::{Location, Reference, Snapshot, StoredPack};
use git_core_object::{Header, IdPrefix, Kind, ObjectFormat, ObjectId, Objects, ReadError};
use git_core_ref::{RefName, ReflogLine};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Packs and refs of one moment, and single objects whenever they came.
pub(super) struct MemorySnapshot {
    shared: Arc<Shared>,
    state: Arc<State>,
}

impl MemorySnapshot {
    pub(super) fn new(shared: Arc<Shared>, state: Arc<State>) -> Self {
        MemorySnapshot { shared, state }
    }
}

impl Objects for MemorySnapshot {
    fn format(&self) -> ObjectFormat {
        self.shared.format
    }

    fn read(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Option<Kind>, ReadError> {
        match self.state.packs.read(id, out)? {
            Some(kind) => Ok(Some(kind)),
            None => self.shared.objects.read(id, out),
        }
    }

    fn header(&self, id: &ObjectId) -> Result<Option<Header>, ReadError> {
        match self.state.packs.header(id)? {
            Some(header) => Ok(Some(header)),
            None => self.shared.objects.header(id),
        }
    }

    fn contains(&self, id: &ObjectId) -> Result<bool, ReadError> {
        Ok(self.state.packs.contains(id) || self.shared.objects.contains(id)?)
    }
}

impl Snapshot for MemorySnapshot {
    fn find_ref(&self, name: &RefName) -> Result<Option<Reference>, ReadError> {
        Ok(self.state.refs.get(name).map(|target| Reference {
            name: name.clone(),
            target: target.clone(),
            peeled: None,
        }))
    }

    fn for_each_ref_after(
        &self,
        prefix: &[u8],
        after: Option<&RefName>,
        visit: &mut dyn FnMut(Reference) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        for (name, target) in self.state.refs.below(prefix, after) {
            if visit(Reference { name: name.clone(), target: target.clone(), peeled: None }).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn for_each_reflog_entry(
        &self,
        name: &RefName,
        visit: &mut dyn FnMut(ReflogLine<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        for entry in self.state.refs.log(name) {
            if visit(entry).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn packs(&self) -> &[Arc<StoredPack>] {
        self.state.packs.packs()
    }

    fn locate(&self, id: &ObjectId) -> Result<Option<Location>, ReadError> {
        self.state.packs.locate(id)
    }

    fn find_prefix(
        &self,
        prefix: &IdPrefix,
        limit: usize,
        found: &mut Vec<ObjectId>,
    ) -> Result<(), ReadError> {
        let mut all = Vec::new();
        self.state.packs.find_prefix(prefix, limit, &mut all);
        self.shared.objects.find_prefix(prefix, &mut all)?;
        append_least(all, limit, found);
        Ok(())
    }

    fn for_each_id(&self, visit: &mut dyn FnMut(ObjectId) -> ControlFlow<()>) -> Result<(), ReadError> {
        if self.state.packs.for_each_id(visit).is_continue() {
            let _ = self.shared.objects.for_each_id(visit)?;
        }
        Ok(())
    }

    fn stream(
        &self,
        id: &ObjectId,
        sink: &mut dyn FnMut(Header, &[u8]) -> ControlFlow<()>,
    ) -> Result<Option<Header>, ReadError> {
        if let Some(header) = self.state.packs.stream(id, sink)? {
            return Ok(Some(header));
        }
        let mut content = Vec::new();
        let Some(kind) = self.shared.objects.read(id, &mut content)? else { return Ok(None) };
        let header = Header { kind, size: content.len() as u64 };
        let _ = sink(header, &content);
        Ok(Some(header))
    }

    fn shallow(&self) -> &[ObjectId] {
        &self.state.shallow
    }
}
