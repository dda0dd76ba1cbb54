//! A byte-bounded cache of what chains of deltas are resolved from, which readers of many packs share.
//!
//! Three quarters of it hold *entries* that are bases of others, as they inflate: whole objects, and deltas, which
//! are small beside the objects they stand for, so that far more of them fit. A quarter holds *objects* that were
//! put together: the bases used last, which serve walks from one object to its neighbour, and some in the
//! middle of chains that are dear to go through.
//!
//! Looking up takes no lock: readers neither wait for one another nor for who adds or drops something.

use arc_swap::ArcSwapOption;
use git_core_object::Kind;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Keeps what was used as bases of deltas, up to a number of bytes.
pub struct DeltaCache {
    entries: Table,
    objects: Table,
    kinds: OnceLock<Box<[AtomicU64]>>,
    bytes: usize,
    next_pack: AtomicU32,
}

/// What is kept of one entry.
pub(crate) struct Node {
    key: CacheKey,
    pub(crate) form: Form,
    pub(crate) content: Vec<u8>,
}

/// What the content of a [`Node`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The object.
    Object(Kind),
    /// A delta on the object at this offset of the same pack.
    Delta { base: u64 },
}

/// Why something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// It is what an entry inflates to.
    Entry,
    /// It was put together from others.
    Object,
}

/// Names an entry within one cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CacheKey {
    pub(crate) pack: u32,
    pub(crate) offset: u64,
}

impl CacheKey {
    /// Never 0, which marks a free place.
    fn tag(self) -> u64 {
        let mixed = (self.offset ^ u64::from(self.pack).rotate_right(20)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ mixed >> 29) | 1
    }

    /// Whether objects in the middle of chains are kept here: one place in four, the same for all chains.
    pub(crate) fn is_landmark(self) -> bool {
        self.tag() >> 62 == 0
    }
}

/// What is booked for a node beside its content.
const OVERHEAD: usize = 128;
/// Kinds that are remembered.
const KINDS: usize = 1 << 16;

impl DeltaCache {
    /// A cache that holds at most so many bytes; 0 keeps nothing.
    pub fn new(bytes: usize) -> Self {
        DeltaCache {
            entries: Table::new(bytes / 4 * 3, 512),
            objects: Table::new(bytes / 4, 4096),
            kinds: OnceLock::new(),
            bytes,
            next_pack: AtomicU32::new(0),
        }
    }

    /// A number that no other pack of this cache has.
    pub(crate) fn register(&self) -> u32 {
        self.next_pack.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn get(&self, keep: Keep, key: CacheKey) -> Option<Arc<Node>> {
        self.table(keep).get(key)
    }

    /// Whether so many bytes would be kept.
    pub(crate) fn takes(&self, keep: Keep, len: usize) -> bool {
        // One node may take a part of the cache, not all of it.
        len.saturating_add(OVERHEAD) <= self.table(keep).bound / 16
    }

    /// Keeps a node if it is not too large; gives it back to be used either way.
    pub(crate) fn put(&self, keep: Keep, key: CacheKey, form: Form, content: Vec<u8>) -> Arc<Node> {
        let takes = self.takes(keep, content.capacity());
        let node = Arc::new(Node { key, form, content });
        if takes {
            self.table(keep).put(node.clone());
        }
        node
    }

    /// The kind of the object at the end of the chain that begins here, if it was found out before.
    pub(crate) fn kind(&self, key: CacheKey) -> Option<Kind> {
        let exact = exact(key)?;
        let value = self.kinds.get()?[kind_slot(key)].load(Ordering::Relaxed);
        let kinds = [Kind::Commit, Kind::Tree, Kind::Blob, Kind::Tag];
        kinds.get((value ^ exact) as usize).copied()
    }

    /// Remembers a kind, in the place of another one.
    pub(crate) fn remember_kind(&self, key: CacheKey, kind: Kind) {
        if let (Some(exact), true) = (exact(key), self.bytes > 0) {
            let number = match kind {
                Kind::Commit => 0,
                Kind::Tree => 1,
                Kind::Blob => 2,
                Kind::Tag => 3,
            };
            let kinds = self.kinds.get_or_init(|| (0..KINDS).map(|_| AtomicU64::new(0)).collect());
            kinds[kind_slot(key)].store(exact | number, Ordering::Relaxed);
        }
    }

    fn table(&self, keep: Keep) -> &Table {
        match keep {
            Keep::Entry => &self.entries,
            Keep::Object => &self.objects,
        }
    }
}

/// A key in one number, with two bits left for the kind; `None` for what does not fit.
fn exact(key: CacheKey) -> Option<u64> {
    let pack = u64::from(key.pack) + 1;
    (pack < 1 << 16 && key.offset < 1 << 46).then_some(pack << 48 | key.offset << 2)
}

fn kind_slot(key: CacheKey) -> usize {
    (key.tag() >> 40) as usize % KINDS
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

const WAYS: usize = 8;
const SHARDS: usize = 64;

/// Places for nodes: a key may stand in any of the eight places of one set. What is not used for a round of the
/// hand goes first.
struct Table {
    /// Sets, made when first needed.
    shards: Box<[OnceLock<Box<[Set]>>]>,
    sets_per_shard: usize,
    bound: usize,
    used: AtomicUsize,
    hand: AtomicUsize,
}

#[derive(Default)]
struct Set {
    tags: [AtomicU64; WAYS],
    nodes: [ArcSwapOption<Node>; WAYS],
    /// A bit for each place that was used since the hand came by.
    touched: AtomicU8,
}

impl Table {
    /// Room for `bound` bytes of nodes that take about `each`.
    fn new(bound: usize, each: usize) -> Self {
        let sets = bound / each / WAYS;
        Table {
            shards: (0..SHARDS).map(|_| OnceLock::new()).collect(),
            sets_per_shard: (sets / SHARDS).max(1),
            bound,
            used: AtomicUsize::new(0),
            hand: AtomicUsize::new(0),
        }
    }

    fn place(&self, tag: u64) -> (usize, usize) {
        ((tag >> 58) as usize % SHARDS, (tag >> 20) as usize % self.sets_per_shard)
    }

    fn get(&self, key: CacheKey) -> Option<Arc<Node>> {
        let tag = key.tag();
        let (shard, set) = self.place(tag);
        let set = &self.shards[shard].get()?[set];
        let way = set.tags.iter().position(|there| there.load(Ordering::Relaxed) == tag)?;
        let node = set.nodes[way].load();
        // Between the tag and the node somebody may have put another one here.
        let node = node.as_ref().filter(|node| node.key == key)?;
        let bit = 1 << way;
        if set.touched.load(Ordering::Relaxed) & bit == 0 {
            set.touched.fetch_or(bit, Ordering::Relaxed);
        }
        Some(node.clone())
    }

    fn put(&self, node: Arc<Node>) {
        let tag = node.key.tag();
        let (shard, at) = self.place(tag);
        let sets =
            self.shards[shard].get_or_init(|| (0..self.sets_per_shard).map(|_| Set::default()).collect());
        let set = &sets[at];
        let tags = set.tags.each_ref().map(|there| there.load(Ordering::Relaxed));
        let touched = set.touched.load(Ordering::Relaxed);
        let way = tags
            .iter()
            .position(|there| *there == tag)
            .or_else(|| tags.iter().position(|there| *there == 0))
            .or_else(|| (0..WAYS).find(|way| touched & 1 << way == 0))
            .unwrap_or((tag >> 50) as usize % WAYS);
        self.used.fetch_add(cost(&node), Ordering::Relaxed);
        set.tags[way].store(tag, Ordering::Relaxed);
        set.touched.fetch_and(!(1 << way), Ordering::Relaxed);
        self.forget(set.nodes[way].swap(Some(node)));
        // Two rounds clear all marks and then everything.
        let most = 2 * SHARDS * self.sets_per_shard + 1;
        for _ in 0..most {
            if self.used.load(Ordering::Relaxed) <= self.bound {
                break;
            }
            self.sweep();
        }
    }

    /// Drops what was not used in the next set.
    fn sweep(&self) {
        let hand = self.hand.fetch_add(1, Ordering::Relaxed) % (SHARDS * self.sets_per_shard);
        let Some(sets) = self.shards[hand / self.sets_per_shard].get() else { return };
        let set = &sets[hand % self.sets_per_shard];
        let touched = set.touched.swap(0, Ordering::Relaxed);
        for way in (0..WAYS).filter(|way| touched & 1 << way == 0) {
            if set.tags[way].swap(0, Ordering::Relaxed) != 0 {
                self.forget(set.nodes[way].swap(None));
            }
        }
    }

    fn forget(&self, node: Option<Arc<Node>>) {
        if let Some(node) = node {
            self.used.fetch_sub(cost(&node), Ordering::Relaxed);
        }
    }
}

impl Drop for Table {
    /// A place that is given up asks all threads whether they are reading from it. Nearly all of them are free, and
    /// those need not ask.
    fn drop(&mut self) {
        for sets in self.shards.iter_mut().filter_map(OnceLock::take) {
            for node in sets.into_iter().flat_map(|set| set.nodes) {
                if node.load().is_none() {
                    // There is nothing in it that could be lost.
                    std::mem::forget(node);
                }
            }
        }
    }
}

fn cost(node: &Node) -> usize {
    node.content.capacity() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(offset: u64) -> CacheKey {
        CacheKey { pack: 3, offset }
    }

    #[test]
    fn bytes_stay_within_the_bound_and_what_is_used_stays() {
        let cache = DeltaCache::new(4 << 20);
        for keep in [Keep::Entry, Keep::Object] {
            for n in 1..20_000u64 {
                cache.put(keep, key(n * 77), Form::Delta { base: n }, vec![n as u8; 1000]);
                // The first one is in use all the time.
                assert!(cache.get(keep, key(77)).is_some(), "{n}");
                let used = cache.table(keep).used.load(Ordering::Relaxed);
                assert!(used <= cache.table(keep).bound, "{used}");
            }
            let found = (1..20_000u64).filter(|n| cache.get(keep, key(n * 77)).is_some()).count();
            assert!(found * 1128 > cache.table(keep).bound / 2, "{found}");
            let node = cache.get(keep, key(77)).unwrap();
            assert!(node.form == Form::Delta { base: 1 } && node.content == [1; 1000]);
        }
        assert!(cache.get(Keep::Entry, CacheKey { pack: 4, offset: 77 }).is_none());
        assert!(!cache.takes(Keep::Object, 1 << 20));
        let large = cache.put(Keep::Object, key(1), Form::Object(Kind::Blob), vec![0; 1 << 20]);
        assert!(large.content.len() == 1 << 20 && cache.get(Keep::Object, key(1)).is_none());
        let nothing = DeltaCache::new(0);
        nothing.put(Keep::Entry, key(1), Form::Object(Kind::Blob), vec![0; 1]);
        assert!(nothing.get(Keep::Entry, key(1)).is_none());
    }

    #[test]
    fn kinds_are_those_of_the_very_entry() {
        let cache = DeltaCache::new(1 << 20);
        let kinds = [Kind::Commit, Kind::Tree, Kind::Blob, Kind::Tag];
        assert_eq!(cache.kind(key(0)), None);
        for n in 0..200_000u64 {
            cache.remember_kind(key(n), kinds[n as usize % 4]);
            assert_eq!(cache.kind(key(n)), Some(kinds[n as usize % 4]));
            assert_eq!(cache.kind(CacheKey { pack: 2, offset: n }), None);
            assert_eq!(cache.kind(key(n + 1)), None);
        }
        let right = (0..200_000u64).filter(|n| cache.kind(key(*n)).is_some()).count();
        assert!(right > KINDS / 2);
        assert!((0..200_000u64).all(|n| cache.kind(key(n)).is_none_or(|kind| kind == kinds[n as usize % 4])));
    }

    #[test]
    fn threads_see_whole_nodes_only() {
        let cache = DeltaCache::new(1 << 20);
        std::thread::scope(|scope| {
            for seed in 0..4u64 {
                let cache = &cache;
                scope.spawn(move || {
                    for n in 0..20_000u64 {
                        let offset = (n * 31 + seed * 7) % 3000;
                        match cache.get(Keep::Entry, key(offset)) {
                            Some(node) => {
                                assert_eq!(node.form, Form::Delta { base: offset });
                                assert!(node.content.iter().all(|byte| *byte == offset as u8));
                            }
                            None => {
                                let content = vec![offset as u8; 600];
                                cache.put(Keep::Entry, key(offset), Form::Delta { base: offset }, content);
                            }
                        }
                    }
                });
            }
        });
        // Whatever was lost to races, what is booked is what is there.
        let there: usize =
            (0..3000).filter_map(|n| cache.get(Keep::Entry, key(n))).map(|node| cost(&node)).sum();
        let used = cache.entries.used.load(Ordering::Relaxed);
        assert!(there <= used && used <= cache.entries.bound);
    }
}
