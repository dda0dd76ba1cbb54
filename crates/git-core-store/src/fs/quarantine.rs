//! Objects on their way in: a directory inside `objects`, laid out like it, that nobody searches.
//!
//! Hooks see it when `GIT_QUARANTINE_PATH` and `GIT_OBJECT_DIRECTORY` name it and
//! `GIT_ALTERNATE_OBJECT_DIRECTORIES` names the repository's own (`git-receive-pack(1)`). How it becomes part of
//! the repository is in [`publish`](super::publish).

use super::loose::{FlushNow, LooseObjects, create_scratch, refused};
use super::objects::FsObjects;
use super::packs::{PackList, Received, open_received};
use super::spool::DiskSpool;
use super::sys::{Access, remove_tree, scratch_name};
use crate::overlay::{Overlay, Singles};
use crate::receive::{from_index, index_options};
use crate::{PackOptions, PackReceived, Quarantine, ReceiveError, Snapshot, StoredPack};
use git_core_object::{Context, Header, Kind, ObjectFormat, ObjectId, Objects, Phase, ReadError};
use git_core_pack::{Indexed, Indexer};
use std::any::Any;
use std::collections::HashSet;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The objects that were received into one directory.
pub(crate) struct FsQuarantine {
    objects: Arc<FsObjects>,
    base: Arc<dyn Snapshot>,
    dir: PathBuf,
    loose: LooseObjects,
    /// The loose objects written, in the order of writing, each once.
    written: Vec<ObjectId>,
    known: HashSet<ObjectId>,
    packs: Vec<Arc<StoredPack>>,
    /// Where each of them lies, without `.pack`.
    stems: Vec<PathBuf>,
    incoming: Option<Incoming>,
    touched: HashSet<PathBuf>,
    shallow: Option<Vec<ObjectId>>,
}

struct Incoming {
    indexer: Indexer<DiskSpool>,
    path: PathBuf,
    options: PackOptions,
}

impl FsQuarantine {
    pub(crate) fn open(objects: Arc<FsObjects>, base: Arc<dyn Snapshot>) -> Result<Self, ReceiveError> {
        let dir = loop {
            let dir = scratch_name(objects.dir(), "tmp_objdir-incoming-");
            match objects.disk().create_dir(&dir) {
                Ok(()) => break dir,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(ReceiveError::unavailable(dir.display(), error)),
            }
        };
        let loose = LooseObjects::new(dir.clone(), objects.format(), objects.options().object_bytes);
        Ok(FsQuarantine {
            objects,
            base,
            loose,
            dir,
            written: Vec::new(),
            known: HashSet::new(),
            packs: Vec::new(),
            stems: Vec::new(),
            incoming: None,
            touched: HashSet::new(),
            shallow: None,
        })
    }

    pub(crate) fn objects(&self) -> &Arc<FsObjects> {
        &self.objects
    }

    /// Whether a pack has begun to come in and was not finished.
    pub(crate) fn is_receiving(&self) -> bool {
        self.incoming.is_some()
    }

    pub(crate) fn loose(&self) -> &LooseObjects {
        &self.loose
    }

    pub(crate) fn written(&self) -> &[ObjectId] {
        &self.written
    }

    pub(crate) fn stems(&self) -> &[PathBuf] {
        &self.stems
    }

    /// What `base` will be with the objects received here.
    pub(crate) fn over(&self, base: Arc<dyn Snapshot>) -> Arc<dyn Snapshot> {
        let singles = (!self.written.is_empty()).then(|| Arc::new(self.loose.clone()) as Arc<dyn Singles>);
        let overlay = Overlay::new(base, self.packs.clone(), singles, self.objects.readers().clone());
        Arc::new(overlay.ending_at(self.shallow.clone()))
    }

    /// Where the history ended when this was opened, and where it is to end, if that changes.
    pub(crate) fn bounds(&self) -> Option<(&[ObjectId], &[ObjectId])> {
        Some((self.base.shallow(), self.shallow.as_ref()?))
    }

    fn has(&mut self, id: &ObjectId) -> Result<bool, ReceiveError> {
        if self.known.contains(id) || self.packs.iter().any(|stored| stored.pack.idx().lookup(id).is_some()) {
            return Ok(true);
        }
        if self.base.contains(id)? {
            self.objects.freshen(id, &mut self.touched)?;
            return Ok(true);
        }
        Ok(false)
    }

    fn store(
        &mut self,
        write: impl FnOnce(&super::loose::LooseWriter<'_>) -> Result<(ObjectId, PathBuf), ReceiveError>,
    ) -> Result<ObjectId, ReceiveError> {
        let writer = self.objects.writer(&self.dir);
        let (id, scratch) = write(&writer)?;
        writer
            .publish(&scratch, &id)
            .map_err(|error| ReceiveError::unavailable(self.loose.path(&id).display(), error))?;
        if self.known.insert(id) {
            self.written.push(id);
        }
        Ok(id)
    }

    fn finish_incoming(&mut self, incoming: Incoming, cx: &Context) -> Result<PackReceived, ReceiveError> {
        let Incoming { indexer, path, options } = incoming;
        let (objects, bytes) = (u64::from(indexer.declared()), indexer.bytes());
        let base = self.snapshot()?;
        let (indexed, spool) =
            indexer.finish(Some(&base), cx).map_err(|error| from_index(error, &path.display()))?;
        spool.close().map_err(|error| ReceiveError::unavailable(path.display(), error))?;
        let mut received = PackReceived::new(indexed.checksum().into(), objects, bytes);
        if objects < options.unpack_below {
            self.unpack(&path, &indexed, cx)?;
        } else {
            self.keep_pack(&path, &indexed, &options)?;
            received.path = self.stems.last().map(|stem| stem.with_added_extension("pack"));
        }
        Ok(received)
    }

    /// Gives the pack its name and writes what belongs beside it.
    fn keep_pack(
        &mut self,
        scratch: &Path,
        indexed: &Indexed,
        options: &PackOptions,
    ) -> Result<(), ReceiveError> {
        let disk = self.objects.disk().clone();
        let stem = self.dir.join("pack").join(format!("pack-{}", indexed.checksum()));
        if self.stems.contains(&stem) {
            let _ = disk.remove_file(scratch);
            return Ok(());
        }
        let idx = indexed.idx().map_err(|error| ReceiveError::BadPack(error.to_string()))?;
        let beside = [
            ("idx", Some(idx), Access::ReadOnly),
            ("rev", Some(indexed.rev()), Access::ReadOnly),
            ("keep", options.keep.as_deref().map(note), Access::Writable),
            ("promisor", options.promisor.as_deref().map(note), Access::Writable),
        ];
        for (extension, content, access) in beside {
            let Some(content) = content else { continue };
            let path = stem.with_added_extension(extension);
            let written = disk.create_new(&path, access).and_then(|mut file| file.write_all(&content));
            written.map_err(|error| ReceiveError::unavailable(path.display(), error))?;
        }
        let pack = stem.with_added_extension("pack");
        disk.rename(scratch, &pack).map_err(|error| ReceiveError::unavailable(pack.display(), error))?;
        let received = Received { kept: options.keep.is_some(), promisor: options.promisor.is_some() };
        self.packs.push(Arc::new(open_received(&stem, received, self.objects.open_options())?));
        self.stems.push(stem);
        Ok(())
    }

    /// Stores the objects of a pack one by one, and removes the pack.
    fn unpack(&mut self, scratch: &Path, indexed: &Indexed, cx: &Context) -> Result<(), ReceiveError> {
        let idx = indexed.idx().map_err(|error| ReceiveError::BadPack(error.to_string()))?;
        let stored = super::packs::open_with_idx(scratch, idx, self.objects.open_options())?;
        let mut task = cx.task(Phase::Unpacking, Some(indexed.count().into()));
        let mut content = Vec::new();
        for entry in indexed.entries() {
            cx.check()?;
            task.add(1);
            if self.has(&entry.id)? {
                continue;
            }
            // Large blobs were never held in memory, and are not now.
            match stored.stream(entry.offset)? {
                Some(stream) if stream.header().size > super::loose::READ_AT_ONCE => {
                    let header = stream.header();
                    let mut pieces = Pieces { stream, piece: Vec::new(), given: 0, more: true };
                    self.store(|writer| writer.write_stream(header, &mut pieces, FlushNow::Later))?;
                }
                _ => {
                    let kind = stored.require(&entry.id, &mut content)?;
                    self.store(|writer| writer.write(kind, &content, FlushNow::Later))?;
                }
            }
        }
        drop(stored);
        self.objects
            .disk()
            .remove_file(scratch)
            .map_err(|error| ReceiveError::unavailable(scratch.display(), error))
    }
}

impl Quarantine for FsQuarantine {
    fn write(&mut self, kind: Kind, content: &[u8]) -> Result<ObjectId, ReceiveError> {
        let id = ObjectId::hash(self.objects.format(), kind, content).map_err(refused)?;
        if self.has(&id)? {
            return Ok(id);
        }
        self.store(|writer| writer.write(kind, content, FlushNow::Later))
    }

    fn begin_pack(&mut self, options: &PackOptions) -> Result<(), ReceiveError> {
        if self.incoming.is_some() {
            return Err(ReceiveError::Misuse("a pack is being received already"));
        }
        let disk = self.objects.disk();
        let dir = self.dir.join("pack");
        disk.create_dir_all(&dir).map_err(|error| ReceiveError::unavailable(dir.display(), error))?;
        let (path, file) = create_scratch(&**disk, &dir, "tmp_pack_", Access::ReadOnly)?;
        let existing = Arc::new(Existing::new(self.objects.clone())?);
        let indexer =
            Indexer::new(self.objects.format(), DiskSpool::new(file), index_options(options, existing));
        self.incoming = Some(Incoming { indexer, path, options: options.clone() });
        Ok(())
    }

    fn feed(&mut self, bytes: &[u8], cx: &Context) -> Result<usize, ReceiveError> {
        let Some(incoming) = &mut self.incoming else {
            return Err(ReceiveError::Misuse("no pack is being received"));
        };
        incoming.indexer.feed(bytes, cx).map_err(|error| from_index(error, &incoming.path.display()))
    }

    fn is_complete(&self) -> bool {
        self.incoming.as_ref().is_some_and(|incoming| incoming.indexer.is_complete())
    }

    fn finish_pack(&mut self, cx: &Context) -> Result<PackReceived, ReceiveError> {
        let Some(incoming) = self.incoming.take() else {
            return Err(ReceiveError::Misuse("no pack is being received"));
        };
        let scratch = incoming.path.clone();
        self.finish_incoming(incoming, cx).inspect_err(|_| {
            let _ = self.objects.disk().remove_file(&scratch);
        })
    }

    fn set_shallow(&mut self, mut shallow: Vec<ObjectId>) {
        shallow.sort_unstable();
        shallow.dedup();
        self.shallow = Some(shallow);
    }

    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, ReadError> {
        Ok(self.over(self.base.clone()))
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.dir)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

impl Drop for FsQuarantine {
    fn drop(&mut self) {
        // Before the files are removed: some systems do not remove what is open or mapped.
        self.incoming = None;
        self.packs.clear();
        remove_tree(&**self.objects.disk(), &self.dir);
    }
}

/// The text of a file that a person may read, with its line end.
fn note(text: &str) -> Vec<u8> {
    let mut note = text.as_bytes().to_vec();
    if !note.is_empty() && !note.ends_with(b"\n") {
        note.push(b'\n');
    }
    note
}

/// The objects there were when a pack began to come in: asked about every object of the pack, so that a miss
/// must not cost a look at the disk.
struct Existing {
    objects: Arc<FsObjects>,
    packs: Arc<PackList>,
    loose: OnceLock<HashSet<ObjectId>>,
}

impl Existing {
    fn new(objects: Arc<FsObjects>) -> Result<Self, ReadError> {
        Ok(Existing { packs: objects.current_packs()?, objects, loose: OnceLock::new() })
    }
}

impl Objects for Existing {
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
        if self.packs.set().contains(id) {
            return Ok(true);
        }
        let loose = match self.loose.get() {
            Some(loose) => loose,
            None => {
                let ids = self.objects.loose_ids()?;
                self.loose.get_or_init(|| ids)
            }
        };
        Ok(loose.contains(id))
    }
}

/// A streamed entry as a reader.
struct Pieces<'p> {
    stream: git_core_pack::BlobStream<&'p git_core_pack::Pack>,
    piece: Vec<u8>,
    given: usize,
    more: bool,
}

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.piece.len() && self.more {
            self.piece.clear();
            self.given = 0;
            self.more = self.stream.fill(&mut self.piece).map_err(io::Error::other)?;
        }
        let n = out.len().min(self.piece.len() - self.given);
        out[..n].copy_from_slice(&self.piece[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}
