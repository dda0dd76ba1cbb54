//! A byte-bounded cache of delta bases that readers of many packs share.

use git_core_object::Kind;
use hashbrown::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An object's kind and content, shared.
pub(crate) type Cached = (Kind, Arc<Vec<u8>>);

/// Keeps objects that were used as bases of deltas, up to a number of bytes.
///
/// Two thirds go to *landmarks*, one base in several of each chain: enough of them stay to shorten every chain
/// when objects are read at random. The rest goes to the bases that were used last, which serve walks from
/// one object to its neighbour.
pub struct DeltaCache {
    shards: Box<[Mutex<Lists>]>,
    bytes: usize,
    next_pack: AtomicU32,
}

/// Why an object is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// It shortens the chain of many.
    Landmark,
    /// It was the base of the object that was read.
    Recent,
}

/// Both lists of one shard.
#[derive(Default)]
struct Lists {
    landmarks: Shard,
    recent: Shard,
}

/// Names a pack within one cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    pub(crate) pack: u32,
    pub(crate) offset: u64,
}

/// What is booked for an entry beside its content.
const OVERHEAD: usize = 128;
const SHARDS: usize = 16;
const NONE: u32 = u32::MAX;

impl DeltaCache {
    /// A cache that holds at most so many bytes; 0 keeps nothing.
    pub fn new(bytes: usize) -> Self {
        DeltaCache {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            bytes,
            next_pack: AtomicU32::new(0),
        }
    }

    /// A number that no other pack of this cache has.
    pub(crate) fn register(&self) -> u32 {
        self.next_pack.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn get(&self, key: CacheKey) -> Option<Cached> {
        let mut lists = self.shard(key);
        lists.landmarks.get(key).or_else(|| lists.recent.get(key))
    }

    /// Whether an object of so many bytes would be kept.
    pub(crate) fn takes(&self, keep: Keep, len: usize) -> bool {
        // One object may take a good part of its list, not all of it.
        len + OVERHEAD <= self.bound(keep) / 2
    }

    pub(crate) fn put(&self, key: CacheKey, keep: Keep, kind: Kind, content: &Arc<Vec<u8>>) {
        if self.takes(keep, content.capacity()) {
            let (bound, cost) = (self.bound(keep), content.capacity() + OVERHEAD);
            let mut lists = self.shard(key);
            let list = match keep {
                Keep::Landmark => &mut lists.landmarks,
                Keep::Recent => &mut lists.recent,
            };
            list.put(key, (kind, content.clone()), cost, bound);
        }
    }

    /// The bytes that one list of one shard may hold.
    fn bound(&self, keep: Keep) -> usize {
        match keep {
            Keep::Landmark => self.bytes / SHARDS / 3 * 2,
            Keep::Recent => self.bytes / SHARDS / 3,
        }
    }

    fn shard(&self, key: CacheKey) -> MutexGuard<'_, Lists> {
        let mixed = (key.offset ^ u64::from(key.pack) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // A shard left by a panicking thread is consistent: its operations do not call out.
        self.shards[(mixed >> 60) as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for DeltaCache {
    /// 96 MiB, as git has it.
    fn default() -> Self {
        DeltaCache::new(96 << 20)
    }
}

impl std::fmt::Debug for DeltaCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeltaCache").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// A list of one shard: a map into slots that form a list from the most to the least recently used.
#[derive(Default)]
struct Shard {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_key: HashMap<CacheKey, u32>,
    ends: Option<(u32, u32)>,
    bytes: usize,
}

struct Slot {
    key: CacheKey,
    value: Option<Cached>,
    cost: usize,
    newer: u32,
    older: u32,
}

impl Shard {
    fn get(&mut self, key: CacheKey) -> Option<Cached> {
        let at = *self.by_key.get(&key)?;
        self.unlink(at);
        self.link_newest(at);
        self.slots[at as usize].value.clone()
    }

    fn put(&mut self, key: CacheKey, value: Cached, cost: usize, bound: usize) {
        if self.by_key.contains_key(&key) {
            return;
        }
        while self.bytes + cost > bound
            && let Some((_, oldest)) = self.ends
        {
            self.remove(oldest);
        }
        let slot = Slot { key, value: Some(value), cost, newer: NONE, older: NONE };
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        };
        self.by_key.insert(key, at);
        self.bytes += cost;
        self.link_newest(at);
    }

    fn remove(&mut self, at: u32) {
        self.unlink(at);
        let slot = &mut self.slots[at as usize];
        slot.value = None;
        self.bytes -= slot.cost;
        self.by_key.remove(&slot.key);
        self.free.push(at);
    }

    fn link_newest(&mut self, at: u32) {
        self.ends = match self.ends {
            None => Some((at, at)),
            Some((newest, oldest)) => {
                self.slots[newest as usize].newer = at;
                self.slots[at as usize].older = newest;
                Some((at, oldest))
            }
        };
    }

    fn unlink(&mut self, at: u32) {
        let (newer, older) = {
            let slot = &mut self.slots[at as usize];
            (std::mem::replace(&mut slot.newer, NONE), std::mem::replace(&mut slot.older, NONE))
        };
        if newer != NONE {
            self.slots[newer as usize].older = older;
        }
        if older != NONE {
            self.slots[older as usize].newer = newer;
        }
        self.ends = self.ends.and_then(|(newest, oldest)| match (newest == at, oldest == at) {
            (true, true) => None,
            (true, false) => Some((older, oldest)),
            (false, true) => Some((newest, newer)),
            (false, false) => Some((newest, oldest)),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(offset: u64) -> CacheKey {
        CacheKey { pack: 0, offset }
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut shard = Shard::default();
        let value = || (Kind::Blob, Arc::new(vec![0u8; 10]));
        for n in 0..3 {
            shard.put(key(n), value(), 10, 30);
        }
        assert!(shard.get(key(0)).is_some());
        shard.put(key(3), value(), 10, 30);
        assert!(shard.get(key(1)).is_none());
        shard.put(key(4), value(), 20, 30);
        assert!(shard.get(key(0)).is_none() && shard.get(key(2)).is_none());
        assert!(shard.get(key(3)).is_some() && shard.get(key(4)).is_some());
        assert_eq!((shard.bytes, shard.slots.len()), (30, 3));
        shard.put(key(5), value(), 30, 30);
        assert_eq!((shard.bytes, shard.by_key.len()), (30, 1));
    }

    #[test]
    fn bytes_stay_within_the_bound() {
        let cache = DeltaCache::new(1 << 20);
        for n in 0..5000 {
            cache.put(key(n * 77), Keep::Landmark, Kind::Blob, &Arc::new(vec![0; 1000]));
            cache.put(key(n * 77), Keep::Recent, Kind::Blob, &Arc::new(vec![0; 1000]));
        }
        let held = |shard: &Mutex<Lists>| {
            let lists = shard.lock().unwrap();
            lists.landmarks.bytes + lists.recent.bytes
        };
        let held: usize = cache.shards.iter().map(held).sum();
        assert!(held <= 1 << 20 && held > 1 << 19);
        assert!(!cache.takes(Keep::Landmark, 1 << 19));
        cache.put(key(1), Keep::Recent, Kind::Blob, &Arc::new(vec![0; 1 << 19]));
        assert!(cache.get(key(1)).is_none());
    }
}
