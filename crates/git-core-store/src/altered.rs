//! A snapshot with some objects in the place of others: replacement refs (`git-replace(1)`) and grafts
//! (`info/grafts`, `gitrepository-layout(5)`); with a history that ends elsewhere; or with
//! what a partial clone has left out.
//!
//! Whoever lists or shows history looks through this. What packs, checks or transfers objects does not: it needs
//! them as they are.

use crate::{Location, ObjectReader, Promisor, Reference, Snapshot, StoredBitmap, StoredMidx, StoredPack};
use bstr::ByteSlice as _;
use git_core_idx::SharedBytes;
use git_core_idx::graph::CommitGraph;
use git_core_object::{Header, IdPrefix, Kind, ObjectFormat, ObjectId, Objects, ReadError};
use git_core_ref::{RefName, ReflogLine};
use hashbrown::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// How many replacements may follow one another, as in git.
const MAX_DEPTH: usize = 5;

/// What is seen in the place of what is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alterations {
    replaced: HashMap<ObjectId, ObjectId>,
    grafts: HashMap<ObjectId, Vec<ObjectId>>,
}

impl Alterations {
    /// The replacements that stand below `base` (`refs/replace/`): each ref is named after the object that its
    /// target replaces. Refs of other names are passed over.
    ///
    /// # Errors
    /// [`ReadError`] when a ref cannot be read.
    pub fn replacements(snapshot: &dyn Snapshot, base: &[u8]) -> Result<Self, ReadError> {
        let (mut altered, format) = (Alterations::default(), snapshot.format());
        snapshot.for_each_ref(base, &mut |found| {
            let name = found.name.as_bytes();
            if let Some(hex) = name.strip_prefix(base)
                && let Ok(old) = ObjectId::from_hex_of(format, hex)
                && let Some(new) = found.target.id()
            {
                altered.replaced.insert(old, new);
            }
            ControlFlow::Continue(())
        })?;
        Ok(altered)
    }

    /// Adds the lines of a grafts file: a commit, then the parents that it is to have. Lines that begin with `#`,
    /// and ones that cannot be read, are passed over.
    pub fn add_grafts(&mut self, format: ObjectFormat, content: &[u8]) {
        for line in content.lines().filter(|line| !line.starts_with(b"#")) {
            let ids = line
                .split(u8::is_ascii_whitespace)
                .filter(|word| !word.is_empty())
                .map(|hex| ObjectId::from_hex_of(format, hex))
                .collect::<Result<Vec<_>, _>>();
            match ids.as_deref() {
                Ok([commit, parents @ ..]) => drop(self.grafts.insert(*commit, parents.to_vec())),
                Ok([]) => {}
                Err(_) => tracing::warn!(line = %line.as_bstr(), "bad graft data"),
            }
        }
    }

    /// Whether nothing is altered.
    pub fn is_empty(&self) -> bool {
        self.replaced.is_empty() && self.grafts.is_empty()
    }

    fn follow(&self, id: &ObjectId) -> Result<ObjectId, ReadError> {
        let mut at = *id;
        for _ in 0..=MAX_DEPTH {
            match self.replaced.get(&at) {
                Some(next) => at = *next,
                None => return Ok(at),
            }
        }
        Err(ReadError::corrupt(format_args!("object {id}"), "replace depth too high"))
    }

    /// The content of a commit with the parents of its graft.
    fn graft(&self, id: &ObjectId, content: &mut Vec<u8>) {
        let Some(parents) = self.grafts.get(id) else { return };
        let line = |rest: &[u8]| rest.find_byte(b'\n').map_or(rest.len(), |at| at + 1);
        let start = line(&content[..]);
        let mut end = start;
        while content[end..].starts_with(b"parent ") {
            end += line(&content[end..]);
        }
        let mut lines = Vec::new();
        for parent in parents {
            lines.extend_from_slice(b"parent ");
            parent.write_hex(&mut lines);
            lines.push(b'\n');
        }
        content.splice(start..end, lines);
    }
}

/// A snapshot as alterations make it look.
pub struct Altered {
    inner: Arc<dyn Snapshot>,
    alterations: Alterations,
    /// Where the history ends, if not where that of the inner one does; sorted.
    shallow: Option<Vec<ObjectId>>,
    promisor: Option<Arc<dyn Promisor>>,
}

impl Altered {
    /// The snapshot under these alterations; the same one if there are none.
    pub fn over(inner: Arc<dyn Snapshot>, alterations: Alterations) -> Arc<dyn Snapshot> {
        match alterations.is_empty() {
            true => inner,
            false => Arc::new(Altered { inner, alterations, shallow: None, promisor: None }),
        }
    }

    /// The snapshot as if its history ended at these commits, whatever it says of that itself; the same one if it
    /// says the same.
    pub fn ending_at(inner: Arc<dyn Snapshot>, mut shallow: Vec<ObjectId>) -> Arc<dyn Snapshot> {
        shallow.sort_unstable();
        shallow.dedup();
        match shallow == inner.shallow() {
            true => inner,
            false => Arc::new(Altered {
                inner,
                alterations: Alterations::default(),
                shallow: Some(shallow),
                promisor: None,
            }),
        }
    }

    /// The snapshot with what is missing in it: that is fetched from the promisor when it is read, or all at once
    /// when it is announced ([`Objects::prefetch`]). Asking whether an object is there fetches nothing.
    pub fn lazily(inner: Arc<dyn Snapshot>, promisor: Arc<dyn Promisor>) -> Arc<dyn Snapshot> {
        let (alterations, promisor) = (Alterations::default(), Some(promisor));
        Arc::new(Altered { inner, alterations, shallow: None, promisor })
    }

    /// Reads, and once more when the object had to be fetched.
    fn ask<T>(
        &self,
        id: &ObjectId,
        read: &mut dyn FnMut() -> Result<Option<T>, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        match (read()?, &self.promisor) {
            (None, Some(promisor)) => {
                promisor.fetch(std::slice::from_ref(id))?;
                read()
            }
            (found, _) => Ok(found),
        }
    }
}

impl Objects for Altered {
    fn format(&self) -> ObjectFormat {
        self.inner.format()
    }

    fn read(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Option<Kind>, ReadError> {
        let actual = self.alterations.follow(id)?;
        let kind = self.ask(&actual, &mut || self.inner.read(&actual, out))?;
        if kind == Some(Kind::Commit) {
            self.alterations.graft(id, out);
        }
        // What a ref names must be there.
        if kind.is_none() && actual != *id {
            return Err(ReadError::Missing { id: actual });
        }
        Ok(kind)
    }

    fn header(&self, id: &ObjectId) -> Result<Option<Header>, ReadError> {
        let actual = self.alterations.follow(id)?;
        self.ask(&actual, &mut || self.inner.header(&actual))
    }

    fn contains(&self, id: &ObjectId) -> Result<bool, ReadError> {
        self.inner.contains(&self.alterations.follow(id)?)
    }

    fn prefetch(&self, ids: &[ObjectId]) -> Result<(), ReadError> {
        if let Some(promisor) = &self.promisor {
            let mut missing = Vec::new();
            for id in ids {
                if !self.inner.contains(id)? {
                    missing.push(*id);
                }
            }
            missing.sort_unstable();
            missing.dedup();
            if !missing.is_empty() {
                promisor.fetch(&missing)?;
            }
        }
        self.inner.prefetch(ids)
    }
}

impl Snapshot for Altered {
    fn find_ref(&self, name: &RefName) -> Result<Option<Reference>, ReadError> {
        self.inner.find_ref(name)
    }

    fn for_each_ref_after(
        &self,
        prefix: &[u8],
        after: Option<&RefName>,
        visit: &mut dyn FnMut(Reference) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.inner.for_each_ref_after(prefix, after, visit)
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
        let actual = self.alterations.follow(id)?;
        self.ask(&actual, &mut || self.inner.stream(&actual, sink))
    }

    fn open_object(&self, id: &ObjectId) -> Result<Option<Box<dyn ObjectReader>>, ReadError> {
        let actual = self.alterations.follow(id)?;
        self.ask(&actual, &mut || self.inner.open_object(&actual))
    }

    fn commit_graph(&self) -> Option<Arc<CommitGraph<SharedBytes>>> {
        if self.alters_history() { None } else { self.inner.commit_graph() }
    }

    fn alters_history(&self) -> bool {
        !self.alterations.is_empty() || self.shallow.is_some() || self.inner.alters_history()
    }

    fn bitmap(&self) -> Option<Arc<StoredBitmap>> {
        if self.alters_history() { None } else { self.inner.bitmap() }
    }

    fn shallow(&self) -> &[ObjectId] {
        self.shallow.as_deref().unwrap_or(self.inner.shallow())
    }
}
