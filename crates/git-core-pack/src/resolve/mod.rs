//! Resolving all deltas of a pack, in parallel and with bounded memory.
//!
//! The entries of a pack form trees: a whole object is a root, deltas are the children of their bases. Workers
//! walk these trees depth first, each with a stack of its own, and give away the lower part of a stack when
//! another worker has nothing to do. Used by indexing and by verification, which differ in their [`Sink`].

mod batch;
mod children;
mod kept;
mod load;
mod pool;
mod stack;
mod table;
mod worker;

pub(crate) use children::Children;
use children::Waiting;
pub(crate) use kept::Kept;
pub(crate) use table::{NO_BASE, Table};

use crate::data::{MAX_READ, PackBytes};
use crate::delta::DeltaError;
use crate::{HeaderError, InflateError, PackData};
use git_core_idx::PackOffset;
use git_core_object::{
    BoxError, Context, ErrorKind, Kind, ObjectId, Objects, Phase, ReadError, Stopped, Task,
};
use pool::Pool;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use worker::Worker;

/// Why the objects of a pack could not be derived from its entries.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// An entry's header is invalid.
    #[error("pack has a bad object at offset {offset}")]
    Header {
        /// Where the entry begins.
        offset: PackOffset,
        /// What is wrong.
        #[source]
        source: HeaderError,
    },
    /// An entry's compressed data is invalid.
    #[error("pack has a bad object at offset {offset}: inflate failed")]
    Inflate {
        /// Where the entry begins.
        offset: PackOffset,
        /// What is wrong.
        #[source]
        source: InflateError,
    },
    /// A delta is invalid, or does not belong to its base.
    #[error("failed to apply the delta at offset {offset}")]
    Delta {
        /// Where the entry begins.
        offset: PackOffset,
        /// What is wrong.
        #[source]
        source: DeltaError,
    },
    /// An object is too large to be held in memory.
    #[error("object at offset {offset} has {size} bytes, more than the {bound} allowed")]
    TooLarge {
        /// Where the entry begins.
        offset: PackOffset,
        /// Its size in bytes.
        size: u64,
        /// What is allowed, in bytes.
        bound: u64,
    },
    /// Content bears the marks of an attack on SHA-1.
    #[error("object at offset {offset} looks like a SHA-1 collision attack")]
    Attack {
        /// Where the entry begins.
        offset: PackOffset,
    },
    /// What holds the pack failed.
    #[error("cannot read the pack")]
    Storage(#[source] BoxError),
    /// Reading a pack or a base failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The operation was cancelled.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl ResolveError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ResolveError::TooLarge { .. } => ErrorKind::Limit,
            ResolveError::Storage(_) => ErrorKind::Unavailable,
            ResolveError::Read(error) => error.kind(),
            ResolveError::Stopped(stopped) => stopped.kind(),
            _ => ErrorKind::Corrupt,
        }
    }
}

/// Gives the bytes of entries, to several threads.
pub(crate) trait EntrySource: Sync {
    /// The bytes of `range`, perhaps put together in `scratch`.
    fn raw<'s>(&'s self, range: Range<u64>, scratch: &'s mut Vec<u8>) -> Result<&'s [u8], ResolveError>;
}

/// The entries of a stored pack.
pub(crate) struct Stored<'a>(pub(crate) &'a dyn PackData);

impl EntrySource for Stored<'_> {
    fn raw<'s>(&'s self, range: Range<u64>, scratch: &'s mut Vec<u8>) -> Result<&'s [u8], ResolveError> {
        if range.end - range.start <= MAX_READ
            && let PackBytes::Mapped(bytes) = self.0.read(range.clone())?
        {
            return Ok(bytes);
        }
        scratch.clear();
        let mut at = range.start;
        while at < range.end {
            let end = range.end.min(at + MAX_READ);
            scratch.extend_from_slice(&self.0.read(at..end)?);
            at = end;
        }
        Ok(scratch)
    }
}

/// Takes the objects as they are resolved, from any thread.
pub(crate) trait Sink: Sync {
    /// What it, or resolving, may fail with.
    type Error: From<ResolveError> + Send;

    /// An object with its content.
    fn object(&self, entry: u32, id: &ObjectId, kind: Kind, content: &[u8]) -> Result<(), Self::Error>;

    /// A large blob, whose content was never held.
    fn large_blob(&self, entry: u32, id: &ObjectId, size: u64) -> Result<(), Self::Error>;

    /// Whether the content of a large blob is wanted all the same.
    fn wants_content(&self, id: &ObjectId) -> Result<bool, Self::Error>;
}

/// Whether roots are objects that have to be hashed and shown, too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Roots {
    /// They have their ids already.
    Known,
    /// They are treated like the rest.
    Unknown,
}

/// All that workers share.
pub(crate) struct Forest<'a, S> {
    pub(crate) table: &'a Table,
    pub(crate) children: &'a Children,
    pub(crate) source: &'a dyn EntrySource,
    pub(crate) trailer_at: u64,
    pub(crate) sink: &'a S,
    pub(crate) roots: Roots,
    /// Deltas that were inflated before.
    pub(crate) kept: Option<&'a Kept>,
    /// Objects outside of the pack that are roots as well, numbered from the pack's last entry on.
    pub(crate) outside: Option<(&'a dyn Objects, &'a [ObjectId])>,
    /// Ids in pack order, moved out of the table while they change.
    pub(crate) ids: Mutex<Vec<u8>>,
    pub(crate) cx: &'a Context,
}

impl<S: Sink> Forest<'_, S> {
    /// Resolves everything that grows from these roots, which are entries, or objects outside.
    pub(crate) fn run(&self, roots: &[u32], deltas: u32) -> Result<(), S::Error> {
        let threads = self.cx.limits().thread_count().clamp(1, roots.len().max(1).saturating_mul(4));
        let kept = self.kept.map_or(0, Kept::bytes);
        let budget = usize::try_from(self.cx.limits().delta_cache_bytes).unwrap_or(usize::MAX);
        let budget = budget.saturating_sub(kept) / threads;
        let progress = Mutex::new(self.cx.task(Phase::Resolving, Some(deltas.into())));
        let pool = Pool::new(roots, threads);
        let work = || {
            let _guard = pool.guard();
            if let Err(error) = Worker::new(self, &pool, budget, &progress).run() {
                pool.fail(error);
            }
        };
        if threads == 1 {
            work();
        } else {
            std::thread::scope(|scope| {
                for _ in 1..threads {
                    scope.spawn(work);
                }
                work();
            });
        }
        pool.finish()
    }

    /// Stores ids that a worker has found.
    fn store(&self, found: &mut Vec<(u32, ObjectId)>, progress: &Mutex<Task>) {
        let len = self.table.format.raw_len();
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        for (entry, id) in found.iter() {
            let at = *entry as usize * len;
            ids[at..at + len].copy_from_slice(id.as_bytes());
        }
        drop(ids);
        progress.lock().unwrap_or_else(PoisonError::into_inner).add(found.len() as u64);
        found.clear();
    }
}

/// Hands out numbers up to a bound, to several threads.
struct Cursor {
    next: AtomicU32,
    end: u32,
}

impl Cursor {
    fn take(&self) -> Option<u32> {
        // Never beyond the end by more than the number of threads.
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        (at < self.end).then_some(at).or_else(|| {
            self.next.store(self.end, Ordering::Relaxed);
            None
        })
    }
}
