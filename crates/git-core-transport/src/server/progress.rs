//! Progress events as the lines that a client prints behind `remote: `.
//!
//! The lines collect here until the driver, which alone may write to the peer, comes for them.

use git_core_object::{Phase, Progress, ProgressEvent};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A running line is written anew no more often than this.
const INTERVAL: Duration = Duration::from_millis(200);
/// What waits for a slow peer is bounded. Beyond it bars are dropped, and whoever has a message waits while the
/// driver attends to what collects.
const PENDING: usize = 64 << 10;

/// Collects lines.
#[derive(Default)]
pub(super) struct ProgressText {
    state: Mutex<State>,
    changed: Condvar,
    wake: Option<Box<dyn Fn() + Send + Sync>>,
}

#[derive(Default)]
struct State {
    pending: Vec<u8>,
    totals: Vec<(Phase, Option<u64>)>,
    written: Option<Instant>,
    finished: bool,
    /// Only messages are wanted, no bars.
    quiet: bool,
    /// Whether the driver comes for what collects while the operation runs.
    attended: bool,
}

/// What [`ProgressText::wait`] waited for.
pub(super) enum Waited {
    Text(Vec<u8>),
    Idle,
    Finished,
}

impl ProgressText {
    /// Calls `wake` whenever there is something to take.
    #[cfg(feature = "server")]
    pub(super) fn waking(wake: impl Fn() + Send + Sync + 'static) -> Self {
        ProgressText { wake: Some(Box::new(wake)), ..Self::default() }
    }

    /// The next operation begins; whether the peer shows bars.
    pub(super) fn begin(&self, bars: bool) {
        let mut state = self.lock();
        (state.finished, state.quiet) = (false, !bars);
    }

    /// The operation that the driver waits for is over.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        (state.finished, state.attended) = (true, false);
        drop(state);
        self.changed.notify_all();
    }

    /// The driver will come for what collects, until [`finish`](Self::finish).
    pub(super) fn attend(&self) {
        self.lock().attended = true;
    }

    /// What collected.
    pub(super) fn take(&self) -> Vec<u8> {
        let pending = std::mem::take(&mut self.lock().pending);
        self.changed.notify_all();
        pending
    }

    /// Waits for text, for the end of the operation, or for this long.
    pub(super) fn wait(&self, timeout: Duration) -> Waited {
        let idle = |state: &mut State| state.pending.is_empty() && !state.finished;
        let (mut state, _) = self
            .changed
            .wait_timeout_while(self.lock(), timeout, idle)
            .unwrap_or_else(PoisonError::into_inner);
        match (state.pending.is_empty(), state.finished) {
            (false, _) => {
                let pending = std::mem::take(&mut state.pending);
                drop(state);
                self.changed.notify_all();
                Waited::Text(pending)
            }
            (true, true) => Waited::Finished,
            (true, false) => Waited::Idle,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for ProgressText {
    fn event(&self, event: ProgressEvent<'_>) {
        let mut state = self.lock();
        match event {
            ProgressEvent::Begin { phase, total } => {
                state.totals.retain(|(other, _)| *other != phase);
                state.totals.push((phase, total));
                return;
            }
            ProgressEvent::Advance { phase, done, .. } => {
                let now = Instant::now();
                if state.written.is_some_and(|last| now - last < INTERVAL) {
                    return;
                }
                state.written = Some(now);
                state.bar(phase, done, "\r");
            }
            ProgressEvent::End { phase, done } => {
                state.bar(phase, done, ", done.\n");
                state.totals.retain(|(other, _)| *other != phase);
            }
            ProgressEvent::Note { line } => {
                if !state.quiet && state.pending.len() <= PENDING {
                    state.pending.extend_from_slice(line.as_bytes());
                    state.pending.push(b'\n');
                }
            }
            ProgressEvent::Remote { text } => {
                let is_full = |state: &mut State| {
                    state.attended && !state.pending.is_empty() && state.pending.len() + text.len() > PENDING
                };
                state = self.changed.wait_while(state, is_full).unwrap_or_else(PoisonError::into_inner);
                if state.attended || state.pending.len() + text.len() <= PENDING {
                    state.pending.extend_from_slice(text);
                }
            }
            _ => return,
        }
        if state.pending.is_empty() {
            return;
        }
        drop(state);
        self.changed.notify_all();
        if let Some(wake) = &self.wake {
            wake();
        }
    }
}

impl State {
    fn bar(&mut self, phase: Phase, done: u64, end: &str) {
        // What crosses the wire is shown by the client itself, and unpacking is not shown by git either.
        let hidden = matches!(phase, Phase::Writing | Phase::Receiving | Phase::Unpacking);
        if self.quiet || self.pending.len() > PENDING || hidden {
            return;
        }
        let total = self.totals.iter().find(|(other, _)| *other == phase).and_then(|(_, total)| *total);
        let bar = |phase: Phase, total: Option<u64>| {
            let title = phase.title();
            match total {
                Some(total) if total > 0 => {
                    let percent = u128::from(done) * 100 / u128::from(total);
                    format!("{title}: {percent:3}% ({done}/{total}){end}")
                }
                _ => format!("{title}: {done}{end}"),
            }
        };
        let line = match (phase, total) {
            // What git does in two steps is one here.
            (Phase::Counting, None) => {
                let counted = (end.ends_with('\n') && done > 0).then(|| bar(Phase::Counting, Some(done)));
                bar(Phase::Enumerating, None) + &counted.unwrap_or_default()
            }
            _ => bar(phase, total),
        };
        self.pending.extend_from_slice(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use git_core_object::Context;
    use std::sync::Arc;

    #[test]
    fn lines_as_git_writes_them() {
        let text = Arc::new(ProgressText::default());
        let cx = Context::new().with_progress(text.clone());
        text.begin(true);
        let mut task = cx.task(Phase::Counting, Some(4));
        task.add(4);
        drop(task);
        let mut task = cx.task(Phase::Enumerating, None);
        task.add(7);
        drop(task);
        drop(cx.task(Phase::Writing, Some(1)));
        cx.remote_message(b"hello\n");
        let lines = String::from_utf8(text.take()).unwrap();
        assert_eq!(lines, "Counting objects: 100% (4/4), done.\nEnumerating objects: 7, done.\nhello\n");
        let mut task = cx.task(Phase::Counting, None);
        task.add(2);
        drop(task);
        cx.note("Total 2");
        let lines = String::from_utf8(text.take()).unwrap();
        let expected = "Enumerating objects: 2, done.\nCounting objects: 100% (2/2), done.\nTotal 2\n";
        assert!(lines.ends_with(expected), "{lines}");
        text.begin(false);
        cx.note("Total 2");
        drop(cx.task(Phase::Counting, Some(4)));
        assert!(text.take().is_empty());
    }

    #[test]
    fn messages_wait_for_a_slow_peer_and_none_is_lost() {
        let text = ProgressText::default();
        text.begin(false);
        text.attend();
        let line = [b'x'; 1000];
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..500 {
                    text.event(ProgressEvent::Remote { text: &line });
                }
                text.finish();
            });
            let mut seen = 0;
            loop {
                match text.wait(Duration::from_secs(60)) {
                    Waited::Text(piece) => {
                        assert!(piece.len() <= PENDING);
                        seen += piece.len();
                    }
                    Waited::Finished => break,
                    Waited::Idle => panic!("woken for nothing"),
                }
            }
            assert_eq!(seen, 500 * line.len());
        });
    }

    #[test]
    fn waiting_ends_with_the_operation() {
        let text = ProgressText::default();
        text.begin(true);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                text.event(ProgressEvent::Remote { text: b"x" });
                text.finish();
            });
            let mut seen = Vec::new();
            loop {
                match text.wait(Duration::from_secs(60)) {
                    Waited::Text(piece) => seen.extend(piece),
                    Waited::Finished => break,
                    Waited::Idle => panic!("woken for nothing"),
                }
            }
            assert_eq!(seen, b"x");
        });
    }
}
