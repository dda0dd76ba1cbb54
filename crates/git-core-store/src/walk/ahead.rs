//! Reading trees ahead of a listing, on several threads, without changing its order.
//!
//! The trees of the commits are divided into runs of neighbours. Each thread goes through one run after the other as a
//! listing would that begins there, and hands on what it meets; whoever lists takes the runs in their order and passes over
//! what an earlier run has brought. What has been listed is not gone into again by any thread, so little is read
//! twice. How far a thread may be ahead is bounded, and with it the memory.

use super::marks::Marks;
use super::numbers::Numbers;
use super::sieve::Rule;
use super::trees::{Origin, Trees, Visit};
use crate::Snapshot;
use git_core_object::{Kind, ObjectId, ReadError};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The trees of a run. Neighbours in history share most of what they hold.
const RUN: usize = 192;
/// From so many trees on it is worth it.
pub(super) const MANY: usize = 4 * RUN;
/// Runs that may be begun ahead of the one that is being listed, for each thread.
const AHEAD: usize = 4;
/// Objects that are handed on at once.
const BATCH: usize = 512;
/// Batches that may wait in a run.
const WAITING: usize = 16;

/// What was met, in the order of a listing.
#[derive(Default)]
pub(super) struct Batch {
    objects: Vec<Met>,
    paths: Vec<u8>,
}

struct Met {
    id: ObjectId,
    number: u32,
    kind: Kind,
    /// Where its path ends; it begins where that of the one before ends.
    end: usize,
}

/// What the threads share.
struct Runs<'a> {
    roots: &'a [ObjectId],
    count: usize,
    ahead: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The next run to be begun.
    next: usize,
    /// The run that is being listed.
    listed: usize,
    runs: BTreeMap<usize, Run>,
    spare: Vec<Batch>,
    stopped: bool,
    panicked: bool,
}

#[derive(Default)]
struct Run {
    batches: VecDeque<Batch>,
    done: Option<Result<(), ReadError>>,
}

/// Shows what is below the trees in the order of a listing; `marks` are what is not to be shown, and what has been.
pub(super) fn walk(
    (snapshot, numbers, marks): (&dyn Snapshot, &Numbers, &Marks),
    rule: Rule,
    roots: &[ObjectId],
    threads: usize,
    visit: &mut dyn Visit,
) -> Result<(), ReadError> {
    let runs = Runs {
        roots,
        count: roots.len().div_ceil(RUN),
        ahead: threads * AHEAD,
        state: Mutex::default(),
        changed: Condvar::new(),
    };
    std::thread::scope(|scope| {
        // Threads end when nobody takes what they bring, however that comes.
        let _stop = Stop { runs: &runs, only_in_panic: false };
        for _ in 0..threads {
            scope.spawn(|| {
                let _alarm = Stop { runs: &runs, only_in_panic: true };
                let own = Marks::new(numbers.packed());
                let mut trees = Trees::new(snapshot, numbers, &own);
                trees.set_filter(rule, None);
                trees.pass_over(marks);
                runs.work(&mut trees);
            });
        }
        for number in 0..runs.count {
            while let Some(batch) = runs.take(number)? {
                let mut start = 0;
                for met in &batch.objects {
                    let path = &batch.paths[start..met.end];
                    start = met.end;
                    if marks.insert(met.number) {
                        visit.object(&met.id, met.number, met.kind, path)?;
                    }
                }
                if visit.is_over() {
                    return Ok(());
                }
                runs.give_back(batch);
            }
        }
        Ok(())
    })
}

/// Stops the others when it is dropped.
struct Stop<'r, 'a> {
    runs: &'r Runs<'a>,
    only_in_panic: bool,
}

impl Drop for Stop<'_, '_> {
    fn drop(&mut self) {
        let panicked = std::thread::panicking();
        if panicked || !self.only_in_panic {
            let mut state = self.runs.state();
            state.stopped = true;
            state.panicked |= panicked;
            drop(state);
            self.runs.changed.notify_all();
        }
    }
}

impl Runs<'_> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while<'s>(
        &self,
        state: MutexGuard<'s, State>,
        condition: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'s, State> {
        self.changed.wait_while(state, condition).unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, trees: &mut Trees<'_>) {
        while let Some(number) = self.begin() {
            let roots = &self.roots[number * RUN..((number + 1) * RUN).min(self.roots.len())];
            let mut out = Gather { runs: self, number, batch: self.state().spare.pop().unwrap_or_default() };
            let mut done = Ok(());
            for root in roots {
                done = trees.walk(root, b"", Origin::Commit, &mut out);
                if done.is_err() || self.state().stopped {
                    break;
                }
            }
            out.hand_on();
            self.state().runs.entry(number).or_default().done = Some(done);
            self.changed.notify_all();
        }
    }

    /// The next run, once it is not too far ahead.
    fn begin(&self) -> Option<usize> {
        let mut state = self.wait_while(self.state(), |state| {
            !state.stopped && state.next < self.count && state.next >= state.listed + self.ahead
        });
        if state.stopped || state.next == self.count {
            return None;
        }
        state.next += 1;
        Some(state.next - 1)
    }

    /// What comes next in a run; `None` at its end.
    fn take(&self, number: usize) -> Result<Option<Batch>, ReadError> {
        let mut state = self.wait_while(self.state(), |state| {
            let run = state.runs.get(&number);
            !state.panicked && run.is_none_or(|run| run.batches.is_empty() && run.done.is_none())
        });
        let run = state.runs.entry(number).or_default();
        if let Some(batch) = run.batches.pop_front() {
            drop(state);
            self.changed.notify_all();
            return Ok(Some(batch));
        }
        let done = run.done.take();
        state.runs.remove(&number);
        state.listed = number + 1;
        drop(state);
        self.changed.notify_all();
        // Without an end, a thread has panicked: that is raised again where it is joined.
        done.unwrap_or(Ok(())).map(|()| None)
    }

    fn give_back(&self, mut batch: Batch) {
        batch.objects.clear();
        batch.paths.clear();
        self.state().spare.push(batch);
    }
}

/// Collects what a thread meets in a run.
struct Gather<'r, 'a> {
    runs: &'r Runs<'a>,
    number: usize,
    batch: Batch,
}

impl Gather<'_, '_> {
    fn hand_on(&mut self) {
        if self.batch.objects.is_empty() {
            return;
        }
        let number = self.number;
        let mut state = self.runs.wait_while(self.runs.state(), |state| {
            !state.stopped && state.runs.get(&number).is_some_and(|run| run.batches.len() >= WAITING)
        });
        let spare = state.spare.pop().unwrap_or_default();
        let full = std::mem::replace(&mut self.batch, spare);
        state.runs.entry(number).or_default().batches.push_back(full);
        drop(state);
        self.runs.changed.notify_all();
    }
}

impl Visit for Gather<'_, '_> {
    fn object(&mut self, id: &ObjectId, number: u32, kind: Kind, path: &[u8]) -> Result<(), ReadError> {
        self.batch.paths.extend_from_slice(path);
        self.batch.objects.push(Met { id: *id, number, kind, end: self.batch.paths.len() });
        if self.batch.objects.len() == BATCH {
            self.hand_on();
        }
        Ok(())
    }
}
