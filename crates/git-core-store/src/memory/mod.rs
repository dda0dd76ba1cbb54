//! A repository in memory: for tests, for short-lived work, for serving what was generated.
//!
//! Objects that come one by one are kept in a map that all snapshots share; received packs stay packs. Refs and
//! reflogs are a map that is replaced as a whole by each commit, so that a snapshot is a few pointers.

mod objects;
mod quarantine;
mod refs;
mod snapshot;

use crate::fs::refs::LogUpdates;
use crate::pack_set::{PackSet, Readers};
use crate::{CommitError, Committed, Quarantine, ReceiveError, Snapshot, Storage, StoredPack};
use arc_swap::ArcSwap;
use git_core_object::{Context, Limits, ObjectFormat, ObjectId, ReadError};
use git_core_pack::DeltaCache;
use git_core_ref::{RefName, RefTransaction, Target};
use objects::MemoryObjects;
use quarantine::MemoryQuarantine;
use refs::Refs;
use snapshot::MemorySnapshot;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// How a repository in memory behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MemoryOptions {
    /// The hash function.
    pub format: ObjectFormat,
    /// What `HEAD` points at in the beginning.
    pub head: RefName,
    /// Which refs get a reflog.
    pub logs: LogUpdates,
    /// The commits whose parents are not there.
    pub shallow: Vec<ObjectId>,
    /// Memory, in bytes, for bases of deltas.
    pub delta_cache_bytes: usize,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        MemoryOptions {
            format: ObjectFormat::default(),
            head: RefName::branch("main").expect("a branch may be called main"),
            logs: LogUpdates::default(),
            shallow: Vec::new(),
            delta_cache_bytes: usize::try_from(Limits::default().delta_cache_bytes).unwrap_or(usize::MAX),
        }
    }
}

/// A repository in memory. Cheap to clone; clones are the same repository.
#[derive(Clone)]
pub struct MemoryStorage {
    shared: Arc<Shared>,
}

struct Shared {
    format: ObjectFormat,
    logs: LogUpdates,
    objects: Arc<MemoryObjects>,
    readers: Arc<Readers>,
    cache: Arc<DeltaCache>,
    state: ArcSwap<State>,
    /// Held by whoever makes the next state.
    committing: Mutex<()>,
}

/// Packs and refs of one moment.
struct State {
    packs: PackSet,
    refs: Arc<Refs>,
    shallow: Arc<[ObjectId]>,
}

impl MemoryStorage {
    /// A repository without objects, whose `HEAD` points at a branch that is not there yet.
    pub fn new(options: MemoryOptions) -> Self {
        let MemoryOptions { format, head, logs, mut shallow, delta_cache_bytes } = options;
        shallow.sort_unstable();
        shallow.dedup();
        let readers = Arc::new(Readers::default());
        let mut refs = Refs::default();
        refs.insert(RefName::head(), Target::Symbolic(head));
        let state = State {
            packs: PackSet::new(Vec::new(), readers.clone()),
            refs: Arc::new(refs),
            shallow: shallow.into(),
        };
        MemoryStorage {
            shared: Arc::new(Shared {
                format,
                logs,
                objects: Arc::new(MemoryObjects::new(format)),
                readers,
                cache: Arc::new(DeltaCache::new(delta_cache_bytes)),
                state: ArcSwap::from_pointee(state),
                committing: Mutex::new(()),
            }),
        }
    }

    fn current(&self) -> Arc<dyn Snapshot> {
        Arc::new(MemorySnapshot::new(self.shared.clone(), self.shared.state.load_full()))
    }

    fn take_back(&self, received: Vec<Box<dyn Quarantine>>) -> Result<Vec<MemoryQuarantine>, ReceiveError> {
        received
            .into_iter()
            .map(|quarantine| match quarantine.into_any().downcast::<MemoryQuarantine>() {
                Ok(quarantine) if quarantine.is_receiving() => {
                    Err(ReceiveError::Misuse("a pack has not been received to its end"))
                }
                Ok(quarantine) if quarantine.belongs_to(&self.shared) => Ok(*quarantine),
                _ => Err(ReceiveError::Misuse(
                    "a quarantine can only be committed to the storage that made it",
                )),
            })
            .collect()
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        MemoryStorage::new(MemoryOptions::default())
    }
}

impl std::fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStorage").field("format", &self.shared.format).finish_non_exhaustive()
    }
}

impl Storage for MemoryStorage {
    fn format(&self) -> ObjectFormat {
        self.shared.format
    }

    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, ReadError> {
        Ok(self.current())
    }

    fn receive(&self, base: &Arc<dyn Snapshot>) -> Result<Box<dyn Quarantine>, ReceiveError> {
        Ok(Box::new(MemoryQuarantine::new(self.shared.clone(), base.clone())))
    }

    fn commit(
        &self,
        received: Vec<Box<dyn Quarantine>>,
        transaction: &RefTransaction,
        cx: &Context,
    ) -> Result<Committed, CommitError> {
        let received = self.take_back(received)?;
        cx.check()?;
        let shared = &self.shared;
        let _committing = shared.committing.lock().unwrap_or_else(PoisonError::into_inner);
        let state = shared.state.load_full();
        let view = received.iter().fold(self.current(), |base, quarantine| quarantine.over(base));
        let mut shallow = state.shallow.clone();
        if let Some((before, after)) = received.iter().rev().find_map(MemoryQuarantine::bounds) {
            if before != &shallow[..] {
                return Err(CommitError::Shallow);
            }
            shallow = after.into();
        }
        let mut refs = Arc::clone(&state.refs);
        let mut rejected = Vec::new();
        if !transaction.is_empty() {
            let (new, failed) = refs.apply(transaction, &view, shared.logs)?;
            (refs, rejected) = (Arc::new(new), failed);
        }
        if transaction.is_empty() || rejected.len() < transaction.len() {
            let mut packs = Vec::new();
            for quarantine in received {
                let (received, singles) = quarantine.into_parts();
                packs.extend(received);
                // Objects before refs: whoever sees the new state finds them.
                shared.objects.absorb(&singles);
            }
            packs.extend(state.packs.packs().iter().cloned());
            // The same pack twice is one pack; the one that was there first stays.
            let mut seen = HashSet::new();
            packs.reverse();
            packs.retain(|stored: &Arc<StoredPack>| seen.insert(stored.pack.checksum()));
            packs.reverse();
            let packs = PackSet::new(packs, shared.readers.clone());
            shared.state.store(Arc::new(State { packs, refs, shallow }));
        }
        Ok(Committed { snapshot: self.current(), rejected })
    }
}
