//! Progress events as lines on standard error, in the form git gives them.

use git_core::object::{Phase, Progress, ProgressEvent};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a line that changes is written anew.
const INTERVAL: Duration = Duration::from_millis(200);

/// Shows the phases of an operation and what the other side says.
pub(crate) struct Terminal {
    state: Mutex<State>,
    /// What one of the phases is called instead of its own title.
    title: Option<(Phase, String)>,
    /// Only what the other side says is shown.
    messages_only: bool,
}

#[derive(Default)]
struct State {
    phases: HashMap<Phase, Line>,
    /// What the remote has said of a line that is not at its end.
    remote: Vec<u8>,
}

struct Line {
    total: Option<u64>,
    started: Instant,
    shown: Option<Instant>,
    bytes: u64,
}

/// Whether progress is shown, given `--progress`/`--no-progress`/`--quiet`: by default when standard error is
/// a terminal.
pub(crate) fn wanted(asked: Option<bool>, quiet: bool) -> bool {
    asked.unwrap_or(!quiet && std::io::stderr().is_terminal())
}

impl Terminal {
    pub(crate) fn new() -> Self {
        Terminal { state: Mutex::default(), title: None, messages_only: false }
    }

    /// One that only shows what the other side says.
    pub(crate) fn of_messages() -> Self {
        Terminal { messages_only: true, ..Self::new() }
    }

    /// The same, with another title for one of the phases.
    pub(crate) fn titled(phase: Phase, title: &str) -> Self {
        Terminal { title: Some((phase, title.to_owned())), ..Self::new() }
    }

    fn title(&self, phase: Phase) -> &str {
        match &self.title {
            Some((titled, title)) if *titled == phase => title,
            _ => phase.title(),
        }
    }
}

impl Progress for Terminal {
    fn event(&self, event: ProgressEvent<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            ProgressEvent::Remote { text } => state.remote(text),
            _ if self.messages_only => {}
            ProgressEvent::Begin { phase, total } => {
                state.phases.insert(phase, Line { total, started: Instant::now(), shown: None, bytes: 0 });
            }
            ProgressEvent::Advance { phase, done, bytes } => {
                let Some(line) = state.phases.get_mut(&phase) else { return };
                line.bytes = line.bytes.max(bytes);
                if line.shown.unwrap_or(line.started).elapsed() >= INTERVAL {
                    line.shown = Some(Instant::now());
                    show(&format!("{}\r", line.text(self.title(phase), done)));
                }
            }
            ProgressEvent::End { phase, done } => {
                let Some(line) = state.phases.remove(&phase) else { return };
                if done > 0 || line.total.is_some_and(|total| total > 0) {
                    show(&format!("{}, done.\n", line.text(self.title(phase), done)));
                }
            }
            _ => {}
        }
    }
}

impl Line {
    fn text(&self, title: &str, done: u64) -> String {
        let mut text = format!("{title}: ");
        match self.total {
            Some(total) if total > 0 => {
                let _ = write!(text, "{:3}% ({done}/{total})", done * 100 / total);
            }
            _ => {
                let _ = write!(text, "{done}");
            }
        }
        if self.bytes > 0 {
            let rate = self.bytes as f64 / self.started.elapsed().as_secs_f64().max(0.001);
            let _ = write!(text, ", {} | {}/s", human(self.bytes), human(rate as u64));
        }
        text
    }
}

impl State {
    /// Lines of the remote are shown with `remote: ` before them; control characters are masked.
    fn remote(&mut self, text: &[u8]) {
        for byte in text {
            match byte {
                b'\n' | b'\r' => {
                    let line = masked(&self.remote);
                    // What stood on the line before must not show behind shorter text.
                    let rest = match (line.is_empty(), std::io::stderr().is_terminal()) {
                        (true, _) => "",
                        (false, true) => "\x1b[K",
                        (false, false) => "        ",
                    };
                    show(&format!("remote: {line}{rest}{}", char::from(*byte)));
                    self.remote.clear();
                }
                other if self.remote.len() < 8192 => self.remote.push(*other),
                _ => {}
            }
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if !self.remote.is_empty() {
            show(&format!("remote: {}\n", masked(&self.remote)));
        }
    }
}

fn show(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Text of the other side with everything that could steer a terminal replaced.
pub(crate) fn masked(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().map(|c| if c.is_control() && c != '\t' { '?' } else { c }).collect()
}

/// A number of bytes as git shows it: two decimals, rounded by adding a little less than half of the last one.
pub(crate) fn human(bytes: u64) -> String {
    let (shift, half, unit) = match bytes {
        0..=0x3ff => return format!("{bytes} bytes"),
        0x400..=0xf_ffff => (10, 5, "KiB"),
        0x10_0000..=0x3fff_ffff => (20, 5_243, "MiB"),
        _ => (30, 5_368_709, "GiB"),
    };
    let bytes = u128::from(bytes) + half;
    let part = ((bytes & ((1 << shift) - 1)) * 100) >> shift;
    format!("{}.{part:02} {unit}", bytes >> shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_text_cannot_steer_the_terminal() {
        assert_eq!(masked(b"ok \x1b[31mred\x07\xff"), "ok ?[31mred?\u{fffd}");
    }

    #[test]
    fn sizes_read_as_git_writes_them() {
        assert_eq!(human(10), "10 bytes");
        assert_eq!(human(2048), "2.00 KiB");
        assert_eq!(human(5 << 20), "5.00 MiB");
        // Recorded from `git rev-list --disk-usage=human`.
        assert_eq!(human(33_959_746), "32.39 MiB");
    }
}
