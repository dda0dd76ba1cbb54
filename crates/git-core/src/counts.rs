//! Counts that requests for the same objects share while they run at the same time: many clients clone at once what
//! has just been pushed or announced.
//!
//! One of them counts, the others wait for it. What was counted is gone when the last of them has been served.

use git_core_idx::Checksum;
use git_core_object::{Context, ObjectFormat, ObjectId, ReadError};
use git_core_store::Snapshot;
use git_core_store::walk::ObjectSet;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

/// How many different counts are kept track of; beyond them everybody counts alone.
const MOST: usize = 256;
/// How often who waits looks whether he is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// The counts that are under way or in use. Each server has one of these.
#[derive(Default)]
pub struct SharedCounts {
    slots: Mutex<HashMap<CountKey, Arc<Slot>>>,
    made: AtomicU64,
}

impl std::fmt::Debug for SharedCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedCounts").field("made", &self.made()).finish_non_exhaustive()
    }
}

/// Stands for everything that a count depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CountKey([u8; 32]);

/// What was counted.
pub(crate) struct Counted {
    pub(crate) set: ObjectSet,
    whole: OnceLock<Option<usize>>,
}

impl Counted {
    pub(crate) fn new(set: ObjectSet) -> Self {
        Counted { set, whole: OnceLock::new() }
    }

    /// The pack that holds just these objects.
    pub(crate) fn whole_pack(&self) -> Option<usize> {
        *self.whole.get_or_init(|| self.set.whole_pack())
    }
}

#[derive(Default)]
struct Slot {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
enum State {
    /// Nobody is at it: it has not begun, failed, or its result is not needed any more.
    #[default]
    Vacant,
    Running,
    Done(Weak<Counted>),
}

impl CountKey {
    /// Of a count of what `wants` reach and `haves` do not, with these tags where they fit, on other terms that the
    /// words in `terms` tell apart. `None` where a count depends on more than the objects and is not shared.
    pub(crate) fn new(
        snapshot: &dyn Snapshot,
        [wants, haves, tags]: [&[ObjectId]; 3],
        terms: &str,
    ) -> Option<Self> {
        if snapshot.alters_history() {
            return None;
        }
        let mut digest = Checksum::new(ObjectFormat::Sha256);
        let mut part = |count: usize, bytes: &mut dyn Iterator<Item = &[u8]>| {
            digest.update(&(count as u64).to_be_bytes());
            bytes.for_each(|bytes| digest.update(bytes));
        };
        part(terms.len(), &mut [terms.as_bytes()].into_iter());
        let packs: Vec<_> = snapshot.packs().iter().map(|stored| stored.pack.checksum()).collect();
        part(packs.len(), &mut packs.iter().map(|checksum| checksum.as_bytes()));
        for ids in [snapshot.shallow(), wants, haves, tags] {
            part(ids.len(), &mut ids.iter().map(|id| id.as_bytes()));
        }
        digest.finish().as_bytes().try_into().ok().map(CountKey)
    }
}

impl SharedCounts {
    /// How many counts were made, whoever used them.
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// How many results are in use.
    pub fn in_use(&self) -> usize {
        let slots = lock(&self.slots);
        slots
            .values()
            .filter(|slot| matches!(&*lock(&slot.state), State::Done(set) if set.strong_count() > 0))
            .count()
    }

    /// The result of an equal request that is running, or of `count`.
    pub(crate) fn get(
        &self,
        key: Option<CountKey>,
        cx: &Context,
        count: impl FnOnce() -> Result<ObjectSet, ReadError>,
    ) -> Result<Arc<Counted>, ReadError> {
        let count = || {
            self.made.fetch_add(1, Ordering::Relaxed);
            count().map(|set| Arc::new(Counted::new(set)))
        };
        let Some(slot) = key.and_then(|key| self.slot(key)) else { return count() };
        let mut state = lock(&slot.state);
        loop {
            match &*state {
                State::Running => {
                    let waited = slot.changed.wait_timeout(state, LOOK);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                    cx.check()?;
                }
                State::Done(set) => match set.upgrade() {
                    Some(set) => return Ok(set),
                    None => *state = State::Vacant,
                },
                State::Vacant => {
                    *state = State::Running;
                    break;
                }
            }
        }
        drop(state);
        // Whatever becomes of this count, somebody else can go on.
        let mut turn = Turn { slot: &slot, next: State::Vacant };
        let counted = count()?;
        turn.next = State::Done(Arc::downgrade(&counted));
        Ok(counted)
    }

    /// The slot of a key, if there is room for it.
    fn slot(&self, key: CountKey) -> Option<Arc<Slot>> {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.get(&key) {
            return Some(slot.clone());
        }
        // Who holds a slot is about to look at it.
        slots.retain(|_, slot| {
            Arc::strong_count(slot) > 1
                || matches!(&*lock(&slot.state), State::Done(set) if set.strong_count() > 0)
        });
        (slots.len() < MOST).then(|| slots.entry(key).or_default().clone())
    }
}

struct Turn<'a> {
    slot: &'a Slot,
    next: State,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.slot.state) = std::mem::take(&mut self.next);
        self.slot.changed.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
