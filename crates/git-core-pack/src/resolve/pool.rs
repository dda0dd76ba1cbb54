//! What workers get their work from: a list of roots, then what others give away.

use super::Cursor;
use super::stack::Frame;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(super) struct Pool<'a, E> {
    roots: &'a [u32],
    cursor: Cursor,
    threads: usize,
    shared: Mutex<Shared<E>>,
    changed: Condvar,
    /// Workers that wait and for whom nothing lies ready.
    hungry: AtomicUsize,
    stopped: AtomicBool,
}

struct Shared<E> {
    given: Vec<Frame>,
    waiting: usize,
    error: Option<E>,
}

/// A piece of work.
pub(super) enum Job {
    /// Begin with this root.
    Root(u32),
    /// Go on with what another worker gave away.
    Frame(Frame),
}

impl<'a, E> Pool<'a, E> {
    pub(super) fn new(roots: &'a [u32], threads: usize) -> Self {
        Pool {
            roots,
            cursor: Cursor { next: AtomicU32::new(0), end: roots.len() as u32 },
            threads,
            shared: Mutex::new(Shared { given: Vec::new(), waiting: 0, error: None }),
            changed: Condvar::new(),
            hungry: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    /// The next root; never waits.
    pub(super) fn root(&self) -> Option<u32> {
        if self.is_stopped() {
            return None;
        }
        self.cursor.take().map(|at| self.roots[at as usize])
    }

    /// The next piece of work; waits while others may still give some away. `None` when all is done.
    pub(super) fn next(&self) -> Option<Job> {
        if let Some(root) = self.root() {
            return Some(Job::Root(root));
        }
        let mut shared = self.lock();
        shared.waiting += 1;
        loop {
            if self.is_stopped() {
                return None;
            }
            if let Some(frame) = shared.given.pop() {
                shared.waiting -= 1;
                self.count_hungry(&shared);
                return Some(Job::Frame(frame));
            }
            if shared.waiting == self.threads {
                self.stop();
                return None;
            }
            self.count_hungry(&shared);
            shared = self.changed.wait(shared).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether somebody would take work.
    pub(super) fn is_hungry(&self) -> bool {
        self.hungry.load(Ordering::Relaxed) > 0
    }

    pub(super) fn give(&self, frame: Frame) {
        let mut shared = self.lock();
        shared.given.push(frame);
        self.count_hungry(&shared);
        self.changed.notify_one();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Ends the work of all; the first error stays.
    pub(super) fn fail(&self, error: E) {
        let mut shared = self.lock();
        shared.error.get_or_insert(error);
        self.stop();
    }

    pub(super) fn finish(self) -> Result<(), E> {
        let shared = self.shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        shared.error.map_or(Ok(()), Err)
    }

    /// Wakes the others when a worker ends, however it does.
    pub(super) fn guard(&self) -> impl Drop + use<'_, 'a, E> {
        struct Guard<'p, 'a, E>(&'p Pool<'a, E>);
        impl<E> Drop for Guard<'_, '_, E> {
            fn drop(&mut self) {
                let _shared = self.0.lock();
                self.0.stop();
            }
        }
        Guard(self)
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.changed.notify_all();
    }

    fn count_hungry(&self, shared: &Shared<E>) {
        self.hungry.store(shared.waiting.saturating_sub(shared.given.len()), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Shared<E>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
