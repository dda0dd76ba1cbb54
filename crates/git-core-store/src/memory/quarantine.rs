//! Objects on their way into a repository in memory.

use super::Shared;
use super::objects::MemoryObjects;
use crate::overlay::{Overlay, Singles};
use crate::receive::{from_index, index_options};
use crate::{PackOptions, PackReceived, Quarantine, ReceiveError, Snapshot, StoredPack};
use git_core_idx::{IdxFile, ReverseIndex};
use git_core_object::{Context, Kind, ObjectId, Objects, ReadError};
use git_core_pack::{Indexed, Indexer, Pack};
use std::any::Any;
use std::path::Path;
use std::sync::Arc;

/// Packs and objects that no snapshot of the repository shows.
pub(super) struct MemoryQuarantine {
    shared: Arc<Shared>,
    base: Arc<dyn Snapshot>,
    singles: Arc<MemoryObjects>,
    packs: Vec<Arc<StoredPack>>,
    incoming: Option<(Indexer<Vec<u8>>, PackOptions)>,
    shallow: Option<Vec<ObjectId>>,
}

impl MemoryQuarantine {
    pub(super) fn new(shared: Arc<Shared>, base: Arc<dyn Snapshot>) -> Self {
        let singles = Arc::new(MemoryObjects::new(shared.format));
        MemoryQuarantine { shared, base, singles, packs: Vec::new(), incoming: None, shallow: None }
    }

    pub(super) fn belongs_to(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    pub(super) fn is_receiving(&self) -> bool {
        self.incoming.is_some()
    }

    /// What `base` will be with the objects received here.
    pub(super) fn over(&self, base: Arc<dyn Snapshot>) -> Arc<dyn Snapshot> {
        let singles = Some(self.singles.clone() as Arc<dyn Singles>);
        let overlay = Overlay::new(base, self.packs.clone(), singles, self.shared.readers.clone());
        Arc::new(overlay.ending_at(self.shallow.clone()))
    }

    /// Where the history ended when this was opened, and where it is to end, if that changes.
    pub(super) fn bounds(&self) -> Option<(&[ObjectId], &[ObjectId])> {
        Some((self.base.shallow(), self.shallow.as_ref()?))
    }

    pub(super) fn into_parts(self) -> (Vec<Arc<StoredPack>>, Arc<MemoryObjects>) {
        (self.packs, self.singles)
    }

    fn has(&self, id: &ObjectId) -> Result<bool, ReadError> {
        Ok(self.singles.contains(id)?
            || self.packs.iter().any(|stored| stored.pack.idx().lookup(id).is_some())
            || self.base.contains(id)?)
    }

    fn open(&self, indexed: &Indexed, data: Vec<u8>) -> Result<Pack, ReceiveError> {
        let bad = |error: &dyn std::error::Error| ReceiveError::BadPack(error.to_string());
        let idx = indexed.idx().map_err(|error| bad(&error))?;
        let idx = IdxFile::open(idx.into(), self.shared.format).map_err(|error| bad(&error))?;
        let reverse = ReverseIndex::build(&idx).map_err(|error| bad(&error))?;
        let options = git_core_pack::PackOptions {
            name: format!("pack-{}", indexed.checksum()),
            reverse: Some(reverse),
            cache: self.shared.cache.clone(),
            ..git_core_pack::PackOptions::default()
        };
        Pack::open(Arc::new(data), idx, options).map_err(|error| bad(&error))
    }
}

impl Quarantine for MemoryQuarantine {
    fn write(&mut self, kind: Kind, content: &[u8]) -> Result<ObjectId, ReceiveError> {
        let id = ObjectId::hash(self.singles.format(), kind, content).map_err(|collision| {
            ReceiveError::Refused {
                id: collision.0.into(),
                reason: "it looks like a SHA-1 collision attack".to_owned(),
            }
        })?;
        if !self.has(&id)? {
            self.singles.insert(id, kind, content);
        }
        Ok(id)
    }

    fn begin_pack(&mut self, options: &PackOptions) -> Result<(), ReceiveError> {
        if self.incoming.is_some() {
            return Err(ReceiveError::Misuse("a pack is being received already"));
        }
        let index_options = index_options(options, Arc::new(self.base.clone()));
        self.incoming = Some((Indexer::new(self.shared.format, Vec::new(), index_options), options.clone()));
        Ok(())
    }

    fn feed(&mut self, bytes: &[u8], cx: &Context) -> Result<usize, ReceiveError> {
        let Some((indexer, _)) = &mut self.incoming else {
            return Err(ReceiveError::Misuse("no pack is being received"));
        };
        indexer.feed(bytes, cx).map_err(|error| from_index(error, &"memory"))
    }

    fn is_complete(&self) -> bool {
        self.incoming.as_ref().is_some_and(|(indexer, _)| indexer.is_complete())
    }

    fn finish_pack(&mut self, cx: &Context) -> Result<PackReceived, ReceiveError> {
        let Some((indexer, options)) = self.incoming.take() else {
            return Err(ReceiveError::Misuse("no pack is being received"));
        };
        let (objects, bytes) = (u64::from(indexer.declared()), indexer.bytes());
        let base = self.snapshot()?;
        let (indexed, data) =
            indexer.finish(Some(&base), cx).map_err(|error| from_index(error, &"memory"))?;
        let received = PackReceived::new(indexed.checksum().into(), objects, bytes);
        let pack = self.open(&indexed, data)?;
        if objects < options.unpack_below {
            let mut content = Vec::new();
            for id in pack.idx().ids() {
                cx.check()?;
                if !self.has(&id)? {
                    let kind = pack.require(&id, &mut content)?;
                    self.singles.insert(id, kind, &content);
                }
            }
        } else {
            self.packs.push(Arc::new(StoredPack {
                name: pack.name().to_owned(),
                pack: Arc::new(pack),
                kept: options.keep.is_some(),
                promisor: options.promisor.is_some(),
                local: true,
            }));
        }
        Ok(received)
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
        None
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}
