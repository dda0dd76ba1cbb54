//! What promisor remotes have promised to have: all that their packs hold, and what that refers to (`partial-clone`
//! in Git's technical documents).

use super::marks::Marks;
use super::numbers::Numbers;
use crate::{Snapshot, StoredPack};
use git_core_object::{Context, Kind, ObjectId, ReadError, TagRef, TreeRef, commit};
use hashbrown::HashSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a walk does about objects that a remote has promised to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PromisedObjects {
    /// They have to be there as all others.
    #[default]
    Required,
    /// Those that are not there are passed over, and what only they reach.
    MayLack,
    /// What a promisor's packs hold is left out and not followed, what else was promised may be missing.
    LeftOut,
}

/// What is not there and was promised.
#[derive(Debug, Default)]
pub struct Promised {
    ids: HashSet<ObjectId>,
}

/// How many entries of a pack a thread takes at a time. Neighbours share their deltas.
const CHUNK: u32 = 4096;

impl Promised {
    /// Collects everything that the objects of promisors' packs refer to and that is in no pack. Memory is what that
    /// takes; each tree, commit and tag of these packs is read.
    ///
    /// # Errors
    /// [`ReadError`] when an object is damaged, or the search was cancelled.
    pub fn find(snapshot: &dyn Snapshot, cx: &Context) -> Result<Self, ReadError> {
        let ids = Mutex::new(HashSet::new());
        let packed = |id: &ObjectId| snapshot.packs().iter().any(|stored| stored.pack.contains(id));
        scan(snapshot, cx, &|referred| {
            let mut missing: Vec<_> = referred.iter().filter(|id| !packed(id)).copied().collect();
            if !missing.is_empty() {
                ids.lock().unwrap_or_else(PoisonError::into_inner).extend(missing.drain(..));
            }
            ControlFlow::Continue(())
        })?;
        Ok(Promised { ids: ids.into_inner().unwrap_or_else(PoisonError::into_inner) })
    }

    /// Whether the object, which is not there, was promised.
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.ids.contains(id)
    }
}

/// Makes sure that all these objects, none of which is there, were promised. Looks no further than it has to.
///
/// # Errors
/// [`ReadError::Missing`] names one that was not; others as they come.
pub fn check_promised(
    snapshot: &dyn Snapshot,
    missing: impl IntoIterator<Item = ObjectId>,
    cx: &Context,
) -> Result<(), ReadError> {
    let wanted: HashSet<ObjectId> = missing.into_iter().collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let left = Mutex::new(wanted.clone());
    scan(snapshot, cx, &|referred| {
        let mut found = referred.iter().filter(|id| wanted.contains(*id)).peekable();
        if found.peek().is_none() {
            return ControlFlow::Continue(());
        }
        let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
        found.for_each(|id| {
            left.remove(id);
        });
        if left.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    let left = left.into_inner().unwrap_or_else(PoisonError::into_inner);
    match left.into_iter().min() {
        Some(id) => Err(ReadError::Missing { id }),
        None => Ok(()),
    }
}

/// Whether there is a promisor's pack at all.
pub fn has_promises(snapshot: &dyn Snapshot) -> bool {
    snapshot.packs().iter().any(|stored| stored.promisor)
}

/// The packs of promisors.
pub(super) struct PromisorPacks(Vec<Arc<StoredPack>>);

impl PromisorPacks {
    pub(super) fn of(snapshot: &dyn Snapshot) -> Self {
        PromisorPacks(snapshot.packs().iter().filter(|stored| stored.promisor).cloned().collect())
    }

    pub(super) fn hold(&self, id: &ObjectId) -> bool {
        self.0.iter().any(|stored| stored.pack.contains(id))
    }

    /// Marks all that they hold.
    pub(super) fn mark(&self, numbers: &Numbers, marks: &Marks) {
        for stored in &self.0 {
            stored.pack.idx().ids().for_each(|id| {
                marks.insert(numbers.number(&id));
            });
        }
    }
}

/// Hands on what each tree, commit and tag of promisors' packs refers to, from several threads at once, until `visit`
/// has enough.
fn scan(
    snapshot: &dyn Snapshot,
    cx: &Context,
    visit: &(dyn Fn(&[ObjectId]) -> ControlFlow<()> + Sync),
) -> Result<(), ReadError> {
    let mut chunks = Vec::new();
    for stored in snapshot.packs().iter().filter(|stored| stored.promisor) {
        let count = stored.pack.count();
        chunks.extend((0..count).step_by(CHUNK as usize).map(|from| (stored, from..count.min(from + CHUNK))));
    }
    let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || -> Result<(), ReadError> {
        let (mut content, mut referred) = (Vec::new(), Vec::new());
        while !over.load(Ordering::Relaxed)
            && let Some((stored, rows)) = chunks.get(next.fetch_add(1, Ordering::Relaxed))
        {
            cx.check()?;
            let order = stored.pack.reverse()?;
            for rank in rows.clone() {
                let row = order.position(rank).map_err(|error| ReadError::corrupt(&stored.name, error))?;
                let id = stored.pack.idx().id_at(row);
                referred.clear();
                refers_to(snapshot, &id, &mut content, &mut referred)?;
                if !referred.is_empty() && visit(&referred).is_break() {
                    over.store(true, Ordering::Relaxed);
                    return Ok(());
                }
            }
        }
        Ok(())
    };
    let work = || work().inspect_err(|_| over.store(true, Ordering::Relaxed));
    let threads = cx.limits().thread_count().min(chunks.len());
    if threads <= 1 {
        return work();
    }
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let ours = work();
        others.into_iter().fold(ours, |result, thread| {
            result.and(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    })
}

/// What an object refers to by itself; of what is damaged, what can be read.
fn refers_to(
    snapshot: &dyn Snapshot,
    id: &ObjectId,
    content: &mut Vec<u8>,
    referred: &mut Vec<ObjectId>,
) -> Result<(), ReadError> {
    if snapshot.header(id)?.is_none_or(|header| header.kind == Kind::Blob) {
        return Ok(());
    }
    let format = snapshot.format();
    match snapshot.require(id, content)? {
        Kind::Commit => {
            if let Ok(links) = commit::links(format, content) {
                referred.push(links.tree);
                referred.extend(links.parents());
            }
        }
        Kind::Tag => referred.extend(TagRef::parse(format, content).map(|tag| tag.target())),
        _ => {
            let entries = TreeRef::new(format, content).iter().map_while(Result::ok);
            referred.extend(entries.filter(|entry| !entry.mode.is_submodule()).map(|entry| entry.id));
        }
    }
    Ok(())
}
