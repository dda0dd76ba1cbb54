//! Dividing the answers of `cat-file` between threads, and taking them back in their order.
//!
//! A share is a few answers. Threads work at most so many shares ahead of what was taken, which bounds the
//! memory.

use super::cat_file_answer::{Answer, Answers};
use crate::fail::Failure;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Answers with content that one thread gives before it looks for more.
pub(super) const SHARE: usize = 16;
/// Lines without content; each takes little more than a microsecond, so that few would cost more in handing them over.
pub(super) const LINES: usize = 256;

/// Answers one of many.
pub(super) type AnswerOne<'a> = &'a (dyn Fn(&Answers<'_>, usize, &mut Answer) -> Result<(), Failure> + Sync);

/// Work that is divided between threads, and done in order for who takes it.
pub(super) struct Shares {
    items: usize,
    /// How many items are in one.
    size: usize,
    pub(super) count: usize,
    ahead: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    next: usize,
    taken: usize,
    done: BTreeMap<usize, (Answer, Result<(), Failure>)>,
    spare: Vec<Answer>,
    stopped: bool,
    failed: bool,
}

/// Ends the work when it is dropped.
pub(super) struct Stop<'a>(pub(super) &'a Shares);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.stopped = true;
        state.failed |= std::thread::panicking();
        drop(state);
        self.0.changed.notify_all();
    }
}

impl Shares {
    /// So many items in shares of `size`, and shares that may be worked ahead.
    pub(super) fn new(items: usize, size: usize, ahead: usize) -> Self {
        let count = items.div_ceil(size);
        Shares { items, size, count, ahead, state: Mutex::default(), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while<'a>(
        &self,
        state: MutexGuard<'a, State>,
        condition: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'a, State> {
        self.changed.wait_while(state, condition).unwrap_or_else(PoisonError::into_inner)
    }

    /// The next share to work at, once it is not too far ahead.
    fn claim(&self) -> Option<(usize, Range<usize>, Answer)> {
        let mut state = self.wait_while(self.state(), |state| {
            !state.stopped && state.next < self.count && state.next >= state.taken + self.ahead
        });
        if state.stopped || state.next >= self.count {
            return None;
        }
        let number = state.next;
        state.next += 1;
        let items = number * self.size..((number + 1) * self.size).min(self.items);
        Some((number, items, state.spare.pop().unwrap_or_default()))
    }

    /// Works at one share after the other until none is left.
    pub(super) fn work(&self, answers: &Answers<'_>, answer: AnswerOne<'_>) {
        // A panic here would leave the writer waiting.
        let _stop = Stop(self);
        while let Some((number, mut items, mut share)) = self.claim() {
            share.clear();
            let done = items.try_for_each(|at| answer(answers, at, &mut share));
            self.state().done.insert(number, (share, done));
            self.changed.notify_all();
        }
    }

    /// Waits for a share.
    pub(super) fn take(&self, number: usize) -> (Answer, Result<(), Failure>) {
        let mut state =
            self.wait_while(self.state(), |state| !state.done.contains_key(&number) && !state.failed);
        state.taken = number + 1;
        let found = state.done.remove(&number);
        drop(state);
        self.changed.notify_all();
        found.unwrap_or_else(|| (Answer::default(), Err(Failure::fatal("a thread has failed"))))
    }

    /// Hands in what was taken, to be filled again.
    pub(super) fn give_back(&self, share: Answer) {
        /// What is kept for the next share.
        const KEPT: usize = 4 << 20;
        if share.bytes.capacity() <= KEPT {
            self.state().spare.push(share);
        }
    }
}
