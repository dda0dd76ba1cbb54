//! Time, processor time and peak memory of a process and its children.
//!
//! Memory is sampled from `/proc` every few milliseconds, summed over the tree, since git does much of its work in
//! children. Processor time is what the system accounts for a child that has ended, with its own children; for a
//! server that lives on it is sampled too. Where there is no `/proc`, memory is not known.

use crate::Outcome;
use crate::run::{output, shown, tail};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two samples.
const PAUSE: Duration = Duration::from_millis(5);
/// The unit of processor time in `/proc`; 100 on every Linux in use.
const TICKS_PER_SECOND: u64 = 100;

/// What one run took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    /// Seconds on the clock.
    pub(crate) wall: f64,
    /// Seconds until the first byte of the pack, where that was watched.
    pub(crate) first: Option<f64>,
    /// Seconds of processor time.
    pub(crate) cpu: Option<f64>,
    /// Peak resident memory, MiB, mapped files included.
    pub(crate) resident: Option<f64>,
    /// Peak of the part of it that is no mapped file, MiB.
    pub(crate) anonymous: Option<f64>,
    /// Size of what was made, where that is part of the job.
    pub(crate) bytes: Option<f64>,
}

/// Watches a process and its children until told to stop.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
    start: Instant,
}

#[derive(Default)]
struct Seen {
    resident: u64,
    anonymous: u64,
    /// For each process: ticks when it was first and last seen.
    ticks: BTreeMap<u32, (u64, u64)>,
}

impl Watch {
    /// Processor time that the process has used before does not count; that of children born later does.
    pub(crate) fn start(pid: u32) -> Watch {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let mut first = Seen::default();
        first.sample(pid, true);
        let thread = std::thread::spawn(move || {
            let mut all = first;
            loop {
                // One more sample after the end, for a server that lives on.
                let last = seen.load(Ordering::Relaxed);
                all.sample(pid, false);
                if last {
                    return all;
                }
                std::thread::sleep(PAUSE);
            }
        });
        Watch { stop, thread, start: Instant::now() }
    }

    /// What was seen until now.
    pub(crate) fn stop(self) -> Sample {
        let wall = self.start.elapsed().as_secs_f64();
        self.stop.store(true, Ordering::Relaxed);
        let seen = self.thread.join().unwrap_or_default();
        let known = seen.resident > 0;
        let mebibytes = |kibibytes: u64| known.then_some(kibibytes as f64 / 1024.0);
        let ticks: u64 = seen.ticks.values().map(|(first, last)| last.saturating_sub(*first)).sum();
        Sample {
            wall,
            first: None,
            cpu: known.then_some(ticks as f64 / TICKS_PER_SECOND as f64),
            resident: mebibytes(seen.resident),
            anonymous: mebibytes(seen.anonymous),
            bytes: None,
        }
    }
}

impl Seen {
    fn sample(&mut self, root: u32, first: bool) {
        let (mut resident, mut anonymous) = (0, 0);
        let mut open = vec![root];
        while let Some(pid) = open.pop() {
            open.extend(children(pid));
            if let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/status")) {
                let field = |name: &str| {
                    let line = text.lines().find_map(|line| line.strip_prefix(name));
                    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0)
                };
                resident += field("VmRSS:");
                anonymous += field("RssAnon:");
            }
            if let Some(ticks) = ticks(pid) {
                let start = if first { ticks } else { 0 };
                self.ticks.entry(pid).or_insert((start, ticks)).1 = ticks;
            }
        }
        self.resident = self.resident.max(resident);
        self.anonymous = self.anonymous.max(anonymous);
    }
}

fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| text.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<u32>>())
        .collect()
}

/// User and system time of the process itself.
fn ticks(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in parentheses, may hold anything.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// Runs a command to its good end under watch.
pub(crate) fn command(command: &mut Command) -> Outcome<Sample> {
    let file = tempfile::NamedTempFile::new()?;
    command.stdout(std::process::Stdio::null()).stderr(file.reopen()?);
    let mut child =
        crate::run::Running(command.spawn().map_err(|error| format!("{}: {error}", shown(command)))?);
    let before = spent();
    let watch = Watch::start(child.0.id());
    // A child that is waited for leaves /proc at once, so the watch ends with its last sample.
    let status = child.0.wait()?;
    let mut sample = watch.stop();
    if let (Some(before), Some(after)) = (before, spent()) {
        sample.cpu = Some(after - before);
    }
    if status.success() {
        return Ok(sample);
    }
    let words = std::fs::read_to_string(file.path()).unwrap_or_default();
    Err(failed(command, status, &words))
}

/// The error for a command that ended badly with these last words.
pub(crate) fn failed(
    command: &Command,
    status: std::process::ExitStatus,
    words: &str,
) -> Box<dyn std::error::Error + Send + Sync> {
    format!("{} ended with {status}: {}", shown(command), tail(words, 8)).into()
}

/// Seconds of processor time of all children that have been waited for, with theirs.
#[cfg(unix)]
pub(crate) fn spent() -> Option<f64> {
    use nix::sys::resource::{UsageWho, getrusage};
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Some(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// Not known here.
#[cfg(not(unix))]
pub(crate) fn spent() -> Option<f64> {
    None
}

/// Whether the process has children, ended ones that it has not waited for included.
pub(crate) fn has_children(pid: u32) -> bool {
    !children(pid).is_empty()
}

/// Waits for a command that is not measured itself.
pub(crate) fn unwatched(command: &mut Command, limit: Duration) -> Outcome {
    let done = output(command, limit).map_err(|error| format!("{}: {error}", shown(command)))?;
    if done.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&done.stderr);
    Err(format!("{} ended with {}: {}", shown(command), done.status, tail(&words, 8)).into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_watched() {
        let sample = command(Command::new("sh").args(["-c", "sleep 0.05; sleep 0.05; true"])).unwrap();
        assert!(sample.wall > 0.0);
        assert!(sample.resident.is_some_and(|mebibytes| mebibytes > 0.0));
        assert!(command(Command::new("sh").args(["-c", "echo no >&2; exit 1"])).is_err());
    }
}
