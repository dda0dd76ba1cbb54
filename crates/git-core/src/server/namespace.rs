//! Namespaces: one repository that looks like several, each with the refs below a prefix (`gitnamespaces(7)`).

use crate::store::{
    CommitError, Committed, Location, ObjectReader, PackOptions, PackReceived, Quarantine, ReceiveError,
    Reference, Snapshot, Storage, StoredBitmap, StoredMidx, StoredPack,
};
use bstr::BString;
use git_core_idx::SharedBytes;
use git_core_idx::graph::CommitGraph;
use git_core_object::{Context, Header, IdPrefix, Kind, ObjectFormat, ObjectId, Objects, ReadError};
use git_core_ref::{Change, Expected, RefEdit, RefName, RefTransaction, ReflogLine, Target};
use std::any::Any;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// A namespace: what stands before every name in it, such as `refs/namespaces/a/refs/namespaces/b/` for `a/b`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    prefix: BString,
}

impl Namespace {
    /// The namespace of this name (`GIT_NAMESPACE`); none for a name that could not be part of a ref's.
    pub fn new(name: &[u8]) -> Option<Self> {
        let mut prefix = Vec::new();
        for part in name.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
            prefix.extend_from_slice(b"refs/namespaces/");
            prefix.extend_from_slice(part);
            prefix.push(b'/');
        }
        let fits = RefName::new([&prefix[..], b"refs/heads/x"].concat()).is_ok();
        fits.then(|| Namespace { prefix: prefix.into() })
    }

    /// What stands before the names; nothing for a repository without namespaces.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// The storage as it looks from inside.
    pub(super) fn over(&self, storage: Arc<dyn Storage>) -> Arc<dyn Storage> {
        match self.prefix.is_empty() {
            true => storage,
            false => Arc::new(Inside { storage, namespace: self.clone() }),
        }
    }

    fn outer(&self, name: &RefName) -> RefName {
        let name = [&self.prefix[..], name.as_bytes()].concat();
        RefName::new(name).expect("the prefix of a namespace fits before every name")
    }

    fn inner(&self, name: &RefName) -> Option<RefName> {
        RefName::new(name.as_bytes().strip_prefix(self.prefix.as_slice())?).ok()
    }

    fn inner_target(&self, target: Target) -> Target {
        match target {
            Target::Symbolic(name) => Target::Symbolic(self.inner(&name).unwrap_or(name)),
            id => id,
        }
    }

    fn outer_target(&self, target: &Target) -> Target {
        match target {
            Target::Symbolic(name) => Target::Symbolic(self.outer(name)),
            id => id.clone(),
        }
    }

    fn outer_edit(&self, edit: &RefEdit) -> RefEdit {
        let mut edit = edit.clone();
        edit.name = self.outer(&edit.name);
        if let Expected::Is(target) = &mut edit.expected {
            *target = self.outer_target(target);
        }
        if let Change::Update { target, .. } = &mut edit.change {
            *target = self.outer_target(target);
        }
        edit
    }
}

struct Inside {
    storage: Arc<dyn Storage>,
    namespace: Namespace,
}

impl Inside {
    fn wrap(&self, snapshot: Arc<dyn Snapshot>) -> Arc<dyn Snapshot> {
        Arc::new(InsideSnapshot { inner: snapshot, namespace: self.namespace.clone() })
    }
}

impl Storage for Inside {
    fn format(&self) -> ObjectFormat {
        self.storage.format()
    }

    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, ReadError> {
        Ok(self.wrap(self.storage.snapshot()?))
    }

    fn receive(&self, _base: &Arc<dyn Snapshot>) -> Result<Box<dyn Quarantine>, ReceiveError> {
        let quarantine = self.storage.receive(&self.storage.snapshot()?)?;
        Ok(Box::new(InsideQuarantine { inner: quarantine, namespace: self.namespace.clone() }))
    }

    fn commit(
        &self,
        received: Vec<Box<dyn Quarantine>>,
        refs: &RefTransaction,
        cx: &Context,
    ) -> Result<Committed, CommitError> {
        let own = |quarantine: Box<dyn Quarantine>| match quarantine.into_any().downcast::<InsideQuarantine>()
        {
            Ok(quarantine) => Ok(quarantine.inner),
            Err(_) => Err(ReceiveError::Misuse("a quarantine of another storage")),
        };
        let received = received.into_iter().map(own).collect::<Result<_, _>>()?;
        let edits: RefTransaction = refs.edits().iter().map(|edit| self.namespace.outer_edit(edit)).collect();
        let edits = match refs.atomicity() {
            git_core_ref::Atomicity::Whole => edits,
            git_core_ref::Atomicity::Each => edits.each(),
        };
        let mut committed = self.storage.commit(received, &edits, cx)?;
        committed.snapshot = self.wrap(committed.snapshot);
        Ok(committed)
    }
}

struct InsideQuarantine {
    inner: Box<dyn Quarantine>,
    namespace: Namespace,
}

impl Quarantine for InsideQuarantine {
    fn write(&mut self, kind: Kind, content: &[u8]) -> Result<ObjectId, ReceiveError> {
        self.inner.write(kind, content)
    }

    fn begin_pack(&mut self, options: &PackOptions) -> Result<(), ReceiveError> {
        self.inner.begin_pack(options)
    }

    fn feed(&mut self, bytes: &[u8], cx: &Context) -> Result<usize, ReceiveError> {
        self.inner.feed(bytes, cx)
    }

    fn is_complete(&self) -> bool {
        self.inner.is_complete()
    }

    fn finish_pack(&mut self, cx: &Context) -> Result<PackReceived, ReceiveError> {
        self.inner.finish_pack(cx)
    }

    fn set_shallow(&mut self, shallow: Vec<ObjectId>) {
        self.inner.set_shallow(shallow);
    }

    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, ReadError> {
        Ok(Arc::new(InsideSnapshot { inner: self.inner.snapshot()?, namespace: self.namespace.clone() }))
    }

    fn path(&self) -> Option<&Path> {
        self.inner.path()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

struct InsideSnapshot {
    inner: Arc<dyn Snapshot>,
    namespace: Namespace,
}

impl Objects for InsideSnapshot {
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
        self.inner.contains(id)
    }

    fn prefetch(&self, ids: &[ObjectId]) -> Result<(), ReadError> {
        self.inner.prefetch(ids)
    }
}

impl Snapshot for InsideSnapshot {
    fn find_ref(&self, name: &RefName) -> Result<Option<Reference>, ReadError> {
        let found = self.inner.find_ref(&self.namespace.outer(name))?;
        Ok(found.map(|found| Reference {
            name: name.clone(),
            target: self.namespace.inner_target(found.target),
            peeled: found.peeled,
        }))
    }

    fn for_each_ref_after(
        &self,
        prefix: &[u8],
        after: Option<&RefName>,
        visit: &mut dyn FnMut(Reference) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        // What is below the namespace without `refs/`, such as its `HEAD`, is no ref to those inside.
        let prefix = if prefix.is_empty() { b"refs/" } else { prefix };
        let outer = [self.namespace.prefix(), prefix].concat();
        let after = after.map(|name| self.namespace.outer(name));
        self.inner.for_each_ref_after(&outer, after.as_ref(), &mut |found| match self
            .namespace
            .inner(&found.name)
        {
            Some(name) => {
                let target = self.namespace.inner_target(found.target);
                visit(Reference { name, target, peeled: found.peeled })
            }
            None => ControlFlow::Continue(()),
        })
    }

    fn for_each_reflog_entry(
        &self,
        name: &RefName,
        visit: &mut dyn FnMut(ReflogLine<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.inner.for_each_reflog_entry(&self.namespace.outer(name), visit)
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

    fn open_object(&self, id: &ObjectId) -> Result<Option<Box<dyn ObjectReader>>, ReadError> {
        self.inner.open_object(id)
    }

    fn commit_graph(&self) -> Option<Arc<CommitGraph<SharedBytes>>> {
        self.inner.commit_graph()
    }

    fn alters_history(&self) -> bool {
        self.inner.alters_history()
    }

    fn bitmap(&self) -> Option<Arc<StoredBitmap>> {
        self.inner.bitmap()
    }

    fn shallow(&self) -> &[ObjectId] {
        self.inner.shallow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_name_nests() {
        let namespace = Namespace::new(b"a//b/").unwrap();
        assert_eq!(namespace.prefix(), b"refs/namespaces/a/refs/namespaces/b/");
        let name = RefName::branch("x").unwrap();
        assert_eq!(namespace.inner(&namespace.outer(&name)), Some(name));
        assert_eq!(namespace.inner(&RefName::branch("x").unwrap()), None);
        assert_eq!(Namespace::new(b"").unwrap(), Namespace::default());
        assert!(Namespace::new(b"a..b").is_none());
    }
}
