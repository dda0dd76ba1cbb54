//! The search for deltas: which objects of a pack are stored as differences from which others.
//!
//! Candidates are sorted so that objects which are likely to be alike are neighbours; each is compared with the
//! few before it, its window, and takes the base that gives the shortest delta, where a longer chain has to be
//! worth it (`git-pack-objects(1)`, `--window` and `--depth`). Deltas that are there already are kept.
//!
//! Stretches of the list are searched by several threads; the result does not depend on how many there are.

mod candidates;
mod chunks;
mod found;
mod window;

pub use found::Found;
pub(crate) use found::{Form, Held};

use crate::write::{HasObject, PackPlan, WriteError};
use git_core_object::{Context, Objects, Phase, Task};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How deltas are searched. The default values are those of git.
#[derive(Clone)]
pub struct SearchOptions {
    /// How many objects each one is compared with (`pack.window`); with 0 no new deltas are made.
    pub window: usize,
    /// How long a chain of deltas may be (`pack.depth`); with 0 there are none.
    pub depth: u32,
    /// About how many bytes one thread's window may take; the window is narrowed to keep to it
    /// (`pack.windowMemory`). 0 stands for [`DEFAULT_WINDOW_BYTES`](Self::DEFAULT_WINDOW_BYTES).
    pub window_bytes: u64,
    /// Objects of at least so many bytes are never made deltas or bases (`core.bigFileThreshold`).
    pub big_object: u64,
    /// How many bytes of results may be held until they are written (`pack.deltaCacheSize`); what exceeds it is
    /// made twice.
    pub kept_bytes: u64,
    /// The longest result that is held (`pack.deltaCacheLimit`), deflated.
    pub kept_result: usize,
    /// How hard results are compressed, 0 to 9. [`WriteOptions`](crate::WriteOptions) should say the same.
    pub compression: u8,
    /// For a thin pack: which objects the receiver has, so that stored deltas on them are kept.
    /// [`WriteOptions`](crate::WriteOptions) must say the same.
    pub thin: Option<HasObject>,
    /// Which objects are to be no deltas, not even where they are stored as such (the attribute `delta`, unset).
    pub whole: Option<HasObject>,
}

impl SearchOptions {
    /// What a thread's window takes at most, unless something else is asked for.
    pub const DEFAULT_WINDOW_BYTES: u64 = 256 << 20;
}

impl Default for SearchOptions {
    fn default() -> Self {
        SearchOptions {
            window: 10,
            depth: 50,
            window_bytes: 0,
            big_object: 512 << 20,
            kept_bytes: 256 << 20,
            kept_result: 1 << 20,
            compression: 6,
            thin: None,
            whole: None,
        }
    }
}

impl fmt::Debug for SearchOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SearchOptions")
            .field("window", &self.window)
            .field("depth", &self.depth)
            .field("window_bytes", &self.window_bytes)
            .field("big_object", &self.big_object)
            .field("kept_bytes", &self.kept_bytes)
            .field("kept_result", &self.kept_result)
            .field("compression", &self.compression)
            .field("thin", &self.thin.is_some())
            .field("whole", &self.whole.is_some())
            .finish()
    }
}

/// What all threads of a search share.
struct Shared<'a> {
    plan: &'a PackPlan,
    objects: &'a dyn Objects,
    options: &'a SearchOptions,
    cx: &'a Context,
    task: Mutex<Task>,
    /// Bytes of results held.
    kept: AtomicU64,
    failed: AtomicBool,
}

impl Shared<'_> {
    fn task(&self) -> MutexGuard<'_, Task> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Searches deltas among the objects of a plan. The plan takes the result with it to the writer: see
/// [`PackPlan::find_deltas`].
pub(crate) fn search(
    plan: &PackPlan,
    objects: &dyn Objects,
    options: &SearchOptions,
    cx: &Context,
) -> Result<Found, WriteError> {
    let candidates::Sorted { mut found, list, tails } = candidates::sort(plan, objects, options, cx)?;
    if options.window == 0 || options.depth == 0 || list.is_empty() {
        return Ok(found);
    }
    let chunks = chunks::split(&list, options.window);
    let shared = Shared {
        plan,
        objects,
        options,
        cx,
        task: Mutex::new(cx.task(Phase::Compressing, Some(list.len() as u64))),
        kept: AtomicU64::new(0),
        failed: AtomicBool::new(false),
    };
    let next = AtomicUsize::new(0);
    let results = Mutex::new(&mut found);
    parallel(cx.limits().thread_count().min(chunks.len()), &|| {
        let mut worker = window::Worker::new(&shared, &tails);
        while !shared.failed.load(Ordering::Relaxed)
            && let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed))
        {
            let made = worker
                .run(&list[chunk.clone()])
                .inspect_err(|_| shared.failed.store(true, Ordering::Relaxed))?;
            results.lock().unwrap_or_else(PoisonError::into_inner).take(made);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Runs the same work on so many threads, this one among them.
fn parallel(threads: usize, work: &(dyn Fn() -> Result<(), WriteError> + Sync)) -> Result<(), WriteError> {
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
