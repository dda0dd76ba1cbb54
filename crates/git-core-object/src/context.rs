//! How a long operation is watched, bounded and stopped.
//!
//! Every operation that may take long takes a `&Context` and calls [`Context::check`] once per batch, about
//! every 1,024 objects or 64 KiB, so that it costs nothing measurable.

use crate::ErrorKind;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Cancellation, progress and limits of one operation; cheap to clone, and clones share all three.
#[derive(Clone, Default)]
pub struct Context {
    cancel: Cancel,
    progress: Option<Arc<dyn Progress>>,
    limits: Limits,
}

impl Context {
    /// A context that is never cancelled, reports nothing and has the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same context, stopped by `cancel`.
    pub fn with_cancel(self, cancel: Cancel) -> Self {
        Context { cancel, ..self }
    }

    /// The same context, reporting to `progress`.
    pub fn with_progress(self, progress: Arc<dyn Progress>) -> Self {
        Context { progress: Some(progress), ..self }
    }

    /// The same context without progress reports.
    pub fn quiet(self) -> Self {
        Context { progress: None, ..self }
    }

    /// The same context under other limits.
    pub fn with_limits(self, limits: Limits) -> Self {
        Context { limits, ..self }
    }

    /// The handle that stops this operation from another thread.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// The bounds this operation keeps to.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether anybody listens to progress.
    pub fn has_progress(&self) -> bool {
        self.progress.is_some()
    }

    /// To be called once per batch of work.
    ///
    /// # Errors
    /// [`Stopped`] once the operation was cancelled or its deadline has passed.
    pub fn check(&self) -> Result<(), Stopped> {
        self.cancel.check()
    }

    /// Begins to report a phase of work; the [`Task`] ends it when dropped.
    pub fn task(&self, phase: Phase, total: Option<u64>) -> Task {
        if let Some(progress) = &self.progress {
            progress.event(ProgressEvent::Begin { phase, total });
        }
        Task { progress: self.progress.clone(), phase, done: 0, reported: 0 }
    }

    /// Says in a line what was done, to people who watch how it goes on.
    pub fn note(&self, line: &str) {
        if let Some(progress) = &self.progress {
            progress.event(ProgressEvent::Note { line });
        }
    }

    /// Passes on a message of the other side, as it came, escape sequences included.
    pub fn remote_message(&self, text: &[u8]) {
        if let Some(progress) = &self.progress {
            progress.event(ProgressEvent::Remote { text });
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("cancel", &self.cancel)
            .field("progress", &self.progress.is_some())
            .field("limits", &self.limits)
            .finish()
    }
}

/// Stops an operation from outside. Clones stop the same operations.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicU8>);

impl Cancel {
    /// A handle nobody has pulled yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the operation at its next check; it ends with [`Stopped::Cancelled`].
    pub fn cancel(&self) {
        let _ = self.0.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Stops the operation because its time is over; it ends with [`Stopped::Deadline`]. Whoever keeps the
    /// clock (a driver of a transport, say) calls this.
    pub fn deadline(&self) {
        let _ = self.0.compare_exchange(0, 2, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Whether it has been stopped, and why.
    ///
    /// # Errors
    /// [`Stopped`] if it has.
    pub fn check(&self) -> Result<(), Stopped> {
        match self.0.load(Ordering::Acquire) {
            0 => Ok(()),
            1 => Err(Stopped::Cancelled),
            _ => Err(Stopped::Deadline),
        }
    }
}

/// Why an operation ended before its work was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// The caller asked for it.
    #[error("the operation was cancelled")]
    Cancelled,
    /// Its time was over.
    #[error("the operation took longer than it may")]
    Deadline,
    /// It met one of the [`Limits`].
    #[error("the limit '{name}' of {bound} was exceeded")]
    Limit {
        /// The field of [`Limits`], or the option, that holds the bound.
        name: &'static str,
        /// The bound that was met.
        bound: u64,
    },
}

impl Stopped {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Stopped::Cancelled | Stopped::Deadline => ErrorKind::Cancelled,
            Stopped::Limit { .. } => ErrorKind::Limit,
        }
    }
}

/// Bounds of one operation. [`Default`] suits a client or a command; a server takes narrower ones.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest object, in bytes of content, that is held in memory at all.
    pub object_bytes: u64,
    /// The largest pack, in bytes, that is received.
    pub pack_bytes: u64,
    /// The most objects that one received pack may declare.
    pub pack_objects: u64,
    /// Memory, in bytes, that resolving deltas may use for bases it keeps.
    pub delta_cache_bytes: u64,
    /// Threads that one operation may use; 0 means as many as there are processors.
    pub threads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            object_bytes: 4 << 30,
            pack_bytes: u64::MAX,
            pack_objects: u64::from(u32::MAX),
            delta_cache_bytes: 96 << 20,
            threads: 0,
        }
    }
}

impl Limits {
    /// [`threads`](Self::threads) with 0 replaced by the number of processors.
    pub fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        }
    }
}

/// What an operation is doing; [`title`](Self::title) is the text that git shows for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Walking history to find what to send.
    Enumerating,
    /// Counting what to send.
    Counting,
    /// Searching deltas.
    Compressing,
    /// Writing a pack.
    Writing,
    /// Taking a pack from a peer; counted in objects.
    Receiving,
    /// Taking a pack from a local source; counted in objects.
    Indexing,
    /// Resolving the deltas of a pack.
    Resolving,
    /// Unpacking a pack into loose objects.
    Unpacking,
    /// Checking that everything reachable is there.
    Connectivity,
    /// Writing the files of a working tree.
    Checkout,
    /// Finding the commits of a commit-graph.
    GraphCommits,
    /// Computing the generations of a commit-graph.
    GraphGenerations,
    /// Making the changed-path filters of a commit-graph.
    GraphFilters,
    /// Comparing a commit-graph with the commits.
    GraphVerify,
}

impl Phase {
    /// The text that git shows for this phase.
    pub const fn title(self) -> &'static str {
        match self {
            Phase::Enumerating => "Enumerating objects",
            Phase::Counting => "Counting objects",
            Phase::Compressing => "Compressing objects",
            Phase::Writing => "Writing objects",
            Phase::Receiving => "Receiving objects",
            Phase::Indexing => "Indexing objects",
            Phase::Resolving => "Resolving deltas",
            Phase::Unpacking => "Unpacking objects",
            Phase::Connectivity => "Checking connectivity",
            Phase::Checkout => "Updating files",
            Phase::GraphCommits => "Expanding reachable commits in commit graph",
            Phase::GraphGenerations => "Computing commit graph generation numbers",
            Phase::GraphFilters => "Computing commit changed paths Bloom filters",
            Phase::GraphVerify => "Verifying commits in commit graph",
        }
    }
}

/// Something that happened while an operation ran.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ProgressEvent<'a> {
    /// A phase began; `total` is known for most.
    Begin {
        /// Which one.
        phase: Phase,
        /// How many steps it will take.
        total: Option<u64>,
    },
    /// So many steps of the phase are done, and so many bytes went through where that makes sense.
    Advance {
        /// Which one.
        phase: Phase,
        /// Steps done since it began.
        done: u64,
        /// Bytes since it began, 0 where bytes are not counted.
        bytes: u64,
    },
    /// The phase ended.
    End {
        /// Which one.
        phase: Phase,
        /// Steps done in all.
        done: u64,
    },
    /// What was done, in a line without its end.
    Note {
        /// The line.
        line: &'a str,
    },
    /// The other side said something to the user. The bytes are as they came: mask control characters
    /// before they reach a terminal.
    Remote {
        /// What it said, a piece of a line or several.
        text: &'a [u8],
    },
}

/// Takes progress events; called from any thread that works on the operation.
pub trait Progress: Send + Sync {
    /// Something happened.
    fn event(&self, event: ProgressEvent<'_>);
}

/// A phase that is being reported. Dropping it ends the phase.
pub struct Task {
    progress: Option<Arc<dyn Progress>>,
    phase: Phase,
    done: u64,
    reported: u64,
}

impl Task {
    /// Sets the number of steps done; reports once per 256 steps at most.
    pub fn set(&mut self, done: u64, bytes: u64) {
        self.done = done;
        if done.wrapping_sub(self.reported) >= 256 {
            self.report(bytes);
        }
    }

    /// Counts `steps` more.
    pub fn add(&mut self, steps: u64) {
        self.set(self.done + steps, 0);
    }

    /// Reports the present state, however little has happened.
    pub fn report(&mut self, bytes: u64) {
        self.reported = self.done;
        if let Some(progress) = &self.progress {
            progress.event(ProgressEvent::Advance { phase: self.phase, done: self.done, bytes });
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(progress) = &self.progress {
            progress.event(ProgressEvent::End { phase: self.phase, done: self.done });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn clones_are_stopped_together_and_the_first_reason_stays() {
        let context = Context::new();
        let clone = context.clone();
        assert_eq!(clone.check(), Ok(()));
        context.cancel().deadline();
        context.cancel().cancel();
        assert_eq!(clone.check(), Err(Stopped::Deadline));
    }

    #[test]
    fn a_task_reports_its_beginning_its_steps_and_its_end() {
        #[derive(Default)]
        struct Log(Mutex<Vec<String>>);
        impl Progress for Log {
            fn event(&self, event: ProgressEvent<'_>) {
                self.0.lock().unwrap().push(format!("{event:?}"));
            }
        }
        let log = Arc::new(Log::default());
        let context = Context::new().with_progress(log.clone());
        let mut task = context.task(Phase::Writing, Some(300));
        for _ in 0..300 {
            task.add(1);
        }
        drop(task);
        let seen = log.0.lock().unwrap();
        assert_eq!(seen.len(), 3);
        assert!(seen[1].contains("done: 256"));
        assert!(seen[2].contains("End") && seen[2].contains("done: 300"));
    }
}
