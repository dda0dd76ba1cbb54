//! Child processes: a clean environment for git, output that is shown and kept, time limits, clean ends.

use crate::Outcome;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a single child may take before it counts as stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Surroundings that show nothing of the person who runs the tests: no configuration, no identity, no proxy,
/// no locale.
#[derive(Clone)]
pub(crate) struct Clean {
    /// An empty folder; a file `gitconfig` in it, where there is one, is the whole configuration of git.
    pub(crate) home: PathBuf,
    /// Where programs are looked for.
    path: OsString,
}

impl Clean {
    /// `first` is searched before what is on PATH.
    pub(crate) fn new(home: &Path, first: Option<&Path>) -> Outcome<Clean> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let parts = first.map(Path::to_path_buf).into_iter().chain(std::env::split_paths(&path));
        Ok(Clean { home: home.to_path_buf(), path: std::env::join_paths(parts)? })
    }

    /// The same with another home.
    pub(crate) fn at(&self, home: &Path) -> Clean {
        Clean { home: home.to_path_buf(), path: self.path.clone() }
    }

    /// A command whose whole environment is ours.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(self.find(program.as_ref()));
        command.env_clear().env("PATH", &self.path).stdin(Stdio::null());
        for name in ["SYSTEMROOT", "SYSTEMDRIVE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        self.settings(&mut command);
        command
            .env("TMPDIR", std::env::temp_dir())
            .env("GIT_AUTHOR_NAME", "A U Thor")
            .env("GIT_AUTHOR_EMAIL", "author@example.org")
            .env("GIT_AUTHOR_DATE", "1700000000 +0130")
            .env("GIT_COMMITTER_NAME", "C O Mitter")
            .env("GIT_COMMITTER_EMAIL", "committer@example.org")
            .env("GIT_COMMITTER_DATE", "1700000100 -0200")
            .env("LC_ALL", "C")
            .env("TZ", "UTC");
        command
    }

    /// The same for a command that keeps the rest of its environment, such as cargo.
    pub(crate) fn calm<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GIT_") {
                command.env_remove(name);
            }
        }
        // Cargo and rustup find their own folders through HOME when these are not set.
        if let Some(real) = std::env::home_dir() {
            for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
                if std::env::var_os(name).is_none() {
                    command.env(name, real.join(folder));
                }
            }
        }
        self.settings(command.env("PATH", &self.path));
        command
    }

    fn settings(&self, command: &mut Command) {
        let file = self.home.join("gitconfig");
        command
            .env("HOME", &self.home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", if file.exists() { file.as_os_str() } else { OsStr::new("/dev/null") })
            .env("GIT_TERMINAL_PROMPT", "0");
    }

    /// The program in our own PATH, since a child is looked for in that of its parent.
    fn find(&self, program: &OsStr) -> PathBuf {
        if Path::new(program).components().count() > 1 {
            return program.into();
        }
        let name = Path::new(program).with_extension(std::env::consts::EXE_EXTENSION);
        let mut places = std::env::split_paths(&self.path).map(|folder| folder.join(&name));
        places.find(|path| path.is_file()).unwrap_or_else(|| program.into())
    }
}

/// Runs to the end with all output kept; a child that takes longer than `limit` is killed, which is an error.
pub(crate) fn output(command: &mut Command, limit: Duration) -> io::Result<Output> {
    let mut child = Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
    let out = keep(child.0.stdout.take());
    let err = keep(child.0.stderr.take());
    let status = wait(&mut child.0, limit)?;
    let (stdout, stderr) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
    Ok(Output { status, stdout, stderr })
}

/// Runs to a good end and answers what it printed; otherwise an error that holds its last words.
pub(crate) fn read(command: &mut Command) -> Outcome<String> {
    read_within(command, PATIENCE)
}

/// [`read`] with a limit of one's own.
pub(crate) fn read_within(command: &mut Command, limit: Duration) -> Outcome<String> {
    let done = output(command, limit).map_err(|error| format!("{}: {error}", shown(command)))?;
    if !done.status.success() {
        let words = String::from_utf8_lossy(&done.stderr);
        return Err(format!("{} ended with {}: {}", shown(command), done.status, tail(&words, 12)).into());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Shows the output as it comes, and answers it together with whether the end was good.
pub(crate) fn tee(command: &mut Command, limit: Duration) -> Outcome<(bool, String)> {
    let name = shown(command);
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = Running(started.map_err(|error| format!("{name}: {error}"))?);
    let kept = Arc::new(Mutex::new(Vec::new()));
    let threads = [
        copy(child.0.stdout.take(), io::stdout(), Arc::clone(&kept)),
        copy(child.0.stderr.take(), io::stderr(), Arc::clone(&kept)),
    ];
    let status = wait(&mut child.0, limit).map_err(|error| format!("{name}: {error}"))?;
    for thread in threads {
        thread.join().map_err(|_| "the thread that copies output panicked")?;
    }
    let kept = kept.lock().map_err(|_| "the thread that copies output panicked")?;
    Ok((status.success(), String::from_utf8_lossy(&kept).into_owned()))
}

/// The command as one would type it, for messages.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(|part| part.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The last lines of a text.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.trim_end().lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// A child that does not outlive its owner.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Failing means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait(child: &mut Child, limit: Duration) -> io::Result<std::process::ExitStatus> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if start.elapsed() > limit {
            let message = format!("killed, since it was not done after {} s", limit.as_secs());
            child.kill()?;
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

fn keep(from: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        if let Some(mut from) = from {
            // What was read before a failure is all that can be told.
            let _ = from.read_to_end(&mut all);
        }
        all
    })
}

fn copy(
    from: Option<impl Read + Send + 'static>,
    mut to: impl Write + Send + 'static,
    kept: Arc<Mutex<Vec<u8>>>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let Some(mut from) = from else { return };
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            // A closed terminal is no reason to stop the tests.
            let _ = to.write_all(&buffer[..count]);
            let _ = to.flush();
            if let Ok(mut kept) = kept.lock() {
                kept.extend_from_slice(&buffer[..count]);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_kept_and_failures_are_told() {
        let home = tempfile::tempdir().unwrap();
        let clean = Clean::new(home.path(), None).unwrap();
        let said = read(clean.command("sh").args(["-c", "echo $GIT_AUTHOR_NAME"])).unwrap();
        assert_eq!(said, "A U Thor\n");
        let error = read(clean.command("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("why"), "{error}");
    }

    #[test]
    fn a_stuck_child_is_killed() {
        let error = output(Command::new("sleep").arg("60"), Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn the_tail_of_a_text() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("", 2), "");
    }
}
