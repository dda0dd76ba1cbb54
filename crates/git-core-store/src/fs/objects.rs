//! The objects of a repository and of those it borrows from: packs, loose objects, alternates.
//!
//! [`FsObjects`] is the live view, which every snapshot shares; a snapshot holds the packs of its moment. What
//! is found in neither is looked for again if a pack directory has changed since it was read.

use super::alternates::alternates;
use super::commit_graph::{self, GraphUse};
use super::loose::{FlushNow, LooseObjects, LooseWriter};
use super::packs::{OpenOptions, PackDir, PackList};
use super::sys::Disk;
use crate::object_reader::{HeldObject, ObjectReader};
use crate::overlay::{Singles, append_least};
use crate::pack_set::{PackSet, Readers, Sink};
use crate::{ReceiveError, StoredPack};
use arc_swap::ArcSwap;
use git_core_idx::SharedBytes;
use git_core_idx::graph::CommitGraph;
use git_core_object::loose::Level;
use git_core_object::{Header, IdPrefix, Kind, Limits, ObjectFormat, ObjectId, Objects, ReadError};
use git_core_pack::DeltaCache;
use std::collections::HashSet;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// How objects are read and written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ObjectsOptions {
    /// Object directories to borrow from beside those that `info/alternates` names
    /// (`GIT_ALTERNATE_OBJECT_DIRECTORIES`).
    pub alternates: Vec<PathBuf>,
    /// How hard loose objects are compressed (`core.looseCompression`).
    pub loose_level: Level,
    /// Memory, in bytes, for bases of deltas (`core.deltaBaseCacheLimit`).
    pub delta_cache_bytes: usize,
    /// The largest object, in bytes, that is read into memory.
    pub object_bytes: u64,
    /// Whether multi-pack indexes are used (`core.multiPackIndex`).
    pub multi_pack_index: bool,
    /// What is read of the commit-graph.
    pub commit_graph: GraphUse,
}

impl Default for ObjectsOptions {
    fn default() -> Self {
        let limits = Limits::default();
        ObjectsOptions {
            alternates: Vec::new(),
            loose_level: Level::default(),
            delta_cache_bytes: usize::try_from(limits.delta_cache_bytes).unwrap_or(usize::MAX),
            object_bytes: limits.object_bytes,
            multi_pack_index: true,
            commit_graph: GraphUse::default(),
        }
    }
}

/// The objects of a repository on disk, as they are at each moment.
pub struct FsObjects {
    dir: PathBuf,
    format: ObjectFormat,
    disk: Arc<dyn Disk>,
    options: ObjectsOptions,
    open: OpenOptions,
    /// The repository's own directory first.
    loose: Vec<LooseObjects>,
    dirs: Vec<PackDir>,
    packs: ArcSwap<PackList>,
    scanning: Mutex<()>,
    readers: Arc<Readers>,
}

impl FsObjects {
    /// The objects below `dir` (`objects`). Alternates are looked up now, packs when first needed.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when `info/alternates` cannot be read.
    pub fn open(
        dir: impl Into<PathBuf>,
        format: ObjectFormat,
        disk: Arc<dyn Disk>,
        options: ObjectsOptions,
    ) -> Result<Self, ReadError> {
        let dir = dir.into();
        let others = alternates(&dir, &options.alternates)?;
        let all = || std::iter::once(&dir).chain(&others);
        let loose = all().map(|dir| LooseObjects::new(dir.clone(), format, options.object_bytes)).collect();
        let dirs =
            all().enumerate().map(|(n, dir)| PackDir { path: dir.join("pack"), local: n == 0 }).collect();
        let open = OpenOptions {
            format,
            cache: Arc::new(DeltaCache::new(options.delta_cache_bytes)),
            object_bytes: options.object_bytes,
            multi_pack_index: options.multi_pack_index,
        };
        let readers = Arc::new(Readers::default());
        let packs = ArcSwap::from_pointee(PackList::empty(readers.clone()));
        Ok(FsObjects {
            dir,
            format,
            disk,
            options,
            open,
            loose,
            dirs,
            packs,
            scanning: Mutex::new(()),
            readers,
        })
    }

    /// The directory (`objects`).
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How objects are read and written.
    pub fn options(&self) -> &ObjectsOptions {
        &self.options
    }

    /// The object directories that this one borrows from, in the order in which they are searched.
    pub fn alternates(&self) -> Vec<PathBuf> {
        self.dirs
            .iter()
            .filter(|dir| !dir.local)
            .filter_map(|dir| dir.path.parent())
            .map(Path::to_path_buf)
            .collect()
    }

    /// The packs there are now, those of alternates too.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when a pack directory cannot be read.
    pub fn pack_snapshot(&self) -> Result<Vec<Arc<StoredPack>>, ReadError> {
        Ok(self.current_packs()?.set().packs().to_vec())
    }

    /// Writes one loose object, flushes it, and gives its id. One that is there already is only marked as
    /// recent.
    ///
    /// # Errors
    /// [`ReceiveError`] when it cannot be written, or bears the marks of a collision attack.
    pub fn write_loose(&self, kind: Kind, content: &[u8]) -> Result<ObjectId, ReceiveError> {
        let id = ObjectId::hash(self.format, kind, content).map_err(super::loose::refused)?;
        if self.contains(&id)? {
            self.freshen(&id, &mut HashSet::new())?;
            return Ok(id);
        }
        let writer = self.writer(&self.dir);
        let (id, scratch) = writer.write(kind, content, FlushNow::Yes)?;
        self.publish_flushed(&writer, &scratch, &id)?;
        Ok(id)
    }

    /// Writes an object that is packed as a loose one too, last changed at `modified`; gives its path. Flushing is
    /// left to the caller. One that is loose already stays as it is.
    pub(crate) fn loosen(
        &self,
        id: &ObjectId,
        kind: Kind,
        content: &[u8],
        modified: i64,
    ) -> Result<Option<PathBuf>, ReceiveError> {
        if self.loose.first().map_or(Ok(false), |own| own.contains(id))? {
            return Ok(None);
        }
        let writer = self.writer(&self.dir);
        let (written, scratch) = writer.write(kind, content, FlushNow::Later)?;
        if written != *id {
            let _ = self.disk.remove_file(&scratch);
            return Err(
                ReadError::corrupt(format_args!("packed object {id}"), "its content has another id").into()
            );
        }
        let failed = |error: std::io::Error| ReceiveError::unavailable(self.dir.display(), error);
        // Before it has its name: nobody is to find it younger than it is, nor older once it was needed again.
        self.disk.set_modified(&scratch, modified).map_err(failed)?;
        writer.publish(&scratch, id).map(Some).map_err(failed)
    }

    /// As [`write_loose`](Self::write_loose), for an object that is too large to be held: exactly
    /// `header.size` bytes of `content` are taken.
    ///
    /// # Errors
    /// As [`write_loose`](Self::write_loose); also when `content` fails or ends early.
    pub fn write_loose_stream(
        &self,
        header: Header,
        content: &mut dyn Read,
    ) -> Result<ObjectId, ReceiveError> {
        let writer = self.writer(&self.dir);
        let (id, scratch) = writer.write_stream(header, content, FlushNow::Yes)?;
        if self.contains(&id)? {
            let _ = self.disk.remove_file(&scratch);
            self.freshen(&id, &mut HashSet::new())?;
            return Ok(id);
        }
        self.publish_flushed(&writer, &scratch, &id)?;
        Ok(id)
    }

    fn publish_flushed(
        &self,
        writer: &LooseWriter<'_>,
        scratch: &Path,
        id: &ObjectId,
    ) -> Result<(), ReceiveError> {
        let publish = || {
            let path = writer.publish(scratch, id)?;
            let fan_out = path.parent().unwrap_or(&self.dir).to_path_buf();
            self.disk.sync_dirs(&[fan_out, self.dir.clone()])
        };
        publish().map_err(|error| ReceiveError::unavailable(self.dir.display(), error))
    }

    pub(crate) fn writer<'a>(&'a self, dir: &'a Path) -> LooseWriter<'a> {
        LooseWriter { disk: &*self.disk, dir, format: self.format, level: self.options.loose_level }
    }

    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    pub(crate) fn open_options(&self) -> &OpenOptions {
        &self.open
    }

    pub(crate) fn readers(&self) -> &Arc<Readers> {
        &self.readers
    }

    /// Marks an object that is to be used again as recent, so that nobody prunes it meanwhile. `touched` are
    /// the files that need no second time.
    pub(crate) fn freshen(&self, id: &ObjectId, touched: &mut HashSet<PathBuf>) -> Result<(), ReadError> {
        for loose in &self.loose {
            if loose.contains(id)? {
                let _ = self.disk.touch(&loose.path(id));
                return Ok(());
            }
        }
        let list = self.packs.load();
        if let Some((at, _)) = list.set().find(id)? {
            let path = PathBuf::from(&list.set().packs()[at].name);
            if touched.contains(&path) {
                return Ok(());
            }
            if path.with_extension("mtimes").exists() {
                // A cruft pack says of each object how old it is, so this one needs a younger copy.
                return self.copy_loose(&list, id);
            }
            let _ = self.disk.touch(&path);
            touched.insert(path);
        }
        Ok(())
    }

    /// The object directories, the repository's own first.
    pub(crate) fn dirs(&self) -> impl Iterator<Item = &Path> {
        self.dirs.iter().map(|dir| dir.path.parent().unwrap_or(&self.dir))
    }

    /// The commit-graph as it is now, as far as it is to be used.
    pub(crate) fn load_commit_graph(&self) -> Option<CommitGraph<SharedBytes>> {
        if self.options.commit_graph == GraphUse::Off {
            return None;
        }
        let dirs: Vec<_> = self.dirs().collect();
        let (found, mut problems) = commit_graph::load(&dirs, self.format);
        problems.extend(found.iter().flat_map(|found| &found.problems).cloned());
        for problem in problems {
            tracing::warn!(directory = %self.dir.display(), problem, "a commit-graph is passed over");
        }
        let graph = found?.graph;
        Some(if self.options.commit_graph == GraphUse::Levels { graph.with_levels_only() } else { graph })
    }

    /// Writes a packed object as a loose one too.
    fn copy_loose(&self, list: &Arc<PackList>, id: &ObjectId) -> Result<(), ReadError> {
        let mut content = Vec::new();
        let Some(kind) = self.read_in(list, id, &mut content)? else { return Ok(()) };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        match self.loosen(id, kind, &content, now) {
            Ok(_) => Ok(()),
            Err(ReceiveError::Read(error)) => Err(error),
            Err(error) => Err(ReadError::unavailable(self.dir.display(), error)),
        }
    }

    /// All loose objects, those of alternates too.
    pub(crate) fn loose_ids(&self) -> Result<HashSet<ObjectId>, ReadError> {
        let mut ids = HashSet::new();
        for loose in &self.loose {
            let _ = loose.for_each_id(&mut |id| {
                ids.insert(id);
                ControlFlow::Continue(())
            })?;
        }
        Ok(ids)
    }

    /// The packs there are now.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when a pack directory cannot be read.
    pub(crate) fn current_packs(&self) -> Result<Arc<PackList>, ReadError> {
        let list = self.packs.load_full();
        if list.is_current(&self.dirs) {
            return Ok(list);
        }
        // One thread reads the directories, others wait for what it finds.
        let _scanning = self.scanning.lock().unwrap_or_else(PoisonError::into_inner);
        let list = self.packs.load_full();
        if list.is_current(&self.dirs) {
            return Ok(list);
        }
        let new = Arc::new(list.rescan(&self.dirs, &self.open)?);
        self.packs.store(new.clone());
        Ok(new)
    }

    /// Asks the packs of a snapshot, then the loose objects, then the packs that came since.
    fn ask<T>(
        &self,
        list: &Arc<PackList>,
        in_packs: &mut dyn FnMut(&PackList) -> Result<Option<T>, ReadError>,
        in_loose: &mut dyn FnMut(&LooseObjects) -> Result<Option<T>, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        let damage = match in_packs(list) {
            Ok(Some(found)) => return Ok(Some(found)),
            Ok(None) => None,
            // A loose object may make up for a damaged pack.
            Err(error @ ReadError::Corrupt { .. }) => Some(error),
            Err(error) => return Err(error),
        };
        for loose in &self.loose {
            match in_loose(loose) {
                Ok(None) => {}
                Ok(Some(found)) => return Ok(Some(found)),
                Err(error) => return Err(damage.unwrap_or(error)),
            }
        }
        let current = self.current_packs()?;
        if !Arc::ptr_eq(list, &current)
            && let Some(found) = in_packs(&current)?
        {
            return Ok(Some(found));
        }
        damage.map_or(Ok(None), Err)
    }

    pub(crate) fn read_in(
        &self,
        list: &Arc<PackList>,
        id: &ObjectId,
        out: &mut Vec<u8>,
    ) -> Result<Option<Kind>, ReadError> {
        let out = std::cell::RefCell::new(out);
        self.ask(list, &mut |packs| packs.set().read(id, &mut out.borrow_mut()), &mut |loose| {
            loose.read(id, &mut out.borrow_mut())
        })
    }

    pub(crate) fn header_in(&self, list: &Arc<PackList>, id: &ObjectId) -> Result<Option<Header>, ReadError> {
        self.ask(list, &mut |packs| packs.set().header(id), &mut |loose| loose.header(id))
    }

    pub(crate) fn contains_in(&self, list: &Arc<PackList>, id: &ObjectId) -> Result<bool, ReadError> {
        let found =
            self.ask(list, &mut |packs| Ok(packs.set().contains(id).then_some(())), &mut |loose| {
                Ok(loose.contains(id)?.then_some(()))
            })?;
        Ok(found.is_some())
    }

    pub(crate) fn stream_in(
        &self,
        list: &Arc<PackList>,
        id: &ObjectId,
        sink: Sink<'_>,
    ) -> Result<Option<Header>, ReadError> {
        // After the first piece there is no second source.
        let given = std::cell::Cell::new(false);
        let sink = std::cell::RefCell::new(|header: Header, piece: &[u8]| {
            given.set(true);
            sink(header, piece)
        });
        let settle = |result: Result<Option<Header>, ReadError>| match result {
            Err(error) if given.get() => Ok(Some(Err(error))),
            other => Ok(other?.map(Ok)),
        };
        self.ask(list, &mut |packs| settle(packs.set().stream(id, &mut *sink.borrow_mut())), &mut |loose| {
            settle(loose.stream(id, &mut *sink.borrow_mut()))
        })?
        .transpose()
    }

    /// Opens an object for reading piece by piece; a small one, or one that is stored as a delta, is held.
    pub(crate) fn open_in(
        &self,
        list: &Arc<PackList>,
        id: &ObjectId,
    ) -> Result<Option<Box<dyn ObjectReader>>, ReadError> {
        let large =
            self.ask(list, &mut |packs| packs.set().open_large(id), &mut |loose| loose.open_large(id));
        // Whatever hinders this is met again below, where all copies are tried.
        if let Ok(Some(reader)) = large {
            return Ok(Some(reader));
        }
        let mut content = Vec::new();
        Ok(self.read_in(list, id, &mut content)?.map(|kind| HeldObject::boxed(kind, content)))
    }

    pub(crate) fn find_prefix_in(
        &self,
        list: &PackList,
        prefix: &IdPrefix,
        limit: usize,
        found: &mut Vec<ObjectId>,
    ) -> Result<(), ReadError> {
        let mut all = Vec::new();
        list.set().find_prefix(prefix, limit, &mut all);
        for loose in &self.loose {
            loose.find_prefix(prefix, &mut all)?;
        }
        if let Some(newer) = self.packs_since(list)? {
            newer.find_prefix(prefix, limit, &mut all);
        }
        append_least(all, limit, found);
        Ok(())
    }

    pub(crate) fn for_each_id_in(
        &self,
        list: &PackList,
        visit: &mut dyn FnMut(ObjectId) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        if list.set().for_each_id(visit).is_break() {
            return Ok(());
        }
        for loose in &self.loose {
            if loose.for_each_id(visit)?.is_break() {
                return Ok(());
            }
        }
        if let Some(newer) = self.packs_since(list)? {
            let _ = newer.for_each_id(visit);
        }
        Ok(())
    }

    /// The packs that were made since `list` was, which may hold what was loose then.
    fn packs_since(&self, list: &PackList) -> Result<Option<PackSet>, ReadError> {
        let current = self.current_packs()?;
        let known = |pack: &Arc<StoredPack>| list.set().packs().iter().any(|old| Arc::ptr_eq(old, pack));
        let newer: Vec<_> = current.set().packs().iter().filter(|pack| !known(pack)).cloned().collect();
        Ok((!newer.is_empty()).then(|| PackSet::new(newer, self.readers.clone())))
    }
}

impl Objects for FsObjects {
    fn format(&self) -> ObjectFormat {
        self.format
    }

    fn read(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Option<Kind>, ReadError> {
        self.read_in(&self.packs.load(), id, out)
    }

    fn header(&self, id: &ObjectId) -> Result<Option<Header>, ReadError> {
        self.header_in(&self.packs.load(), id)
    }

    fn contains(&self, id: &ObjectId) -> Result<bool, ReadError> {
        self.contains_in(&self.packs.load(), id)
    }

    fn require(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Kind, ReadError> {
        match self.read(id, out)? {
            Some(kind) => Ok(kind),
            None => Err(self.packs.load().broken().unwrap_or(ReadError::Missing { id: *id })),
        }
    }
}

impl std::fmt::Debug for FsObjects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FsObjects")
            .field("dir", &self.dir)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
