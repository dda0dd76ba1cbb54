//! Running one hook as a program: finding it, its place and environment, its input, what it prints.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;

/// Whether the executables of a repository are run.
#[derive(Clone, Debug, Default)]
pub enum HookUse {
    /// They are not: right for who opens repositories of others.
    #[default]
    Ignored,
    /// They are, as git does it.
    Run(HookNotice),
}

/// Takes what is to be said to the person who runs this program, such as that a hook is not executable.
#[derive(Clone)]
pub struct HookNotice(Arc<dyn Fn(&str) + Send + Sync>);

impl HookNotice {
    /// Text goes to this function: whole lines without the last line end.
    pub fn new(say: impl Fn(&str) + Send + Sync + 'static) -> Self {
        HookNotice(Arc::new(say))
    }

    pub(crate) fn say(&self, text: &str) {
        (self.0)(text);
    }
}

/// Notices go to the log.
impl Default for HookNotice {
    fn default() -> Self {
        HookNotice::new(|text| tracing::warn!("{text}"))
    }
}

impl fmt::Debug for HookNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookNotice")
    }
}

/// A hook that is to be run.
pub(super) struct Program {
    pub(super) path: PathBuf,
    /// Where it runs.
    pub(super) directory: PathBuf,
    pub(super) arguments: Vec<OsString>,
    /// Variables beside those of this process; none takes one away.
    pub(super) variables: Vec<(OsString, Option<OsString>)>,
    /// What it reads; without it its input is empty.
    pub(super) input: Vec<u8>,
}

/// What stands at the path of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Executable,
    /// A file that may not be executed.
    Plain,
    Nothing,
}

pub(super) fn find(path: &Path) -> Found {
    let Ok(metadata) = path.metadata() else { return Found::Nothing };
    if is_executable(&metadata) { Found::Executable } else { Found::Plain }
}

#[cfg(unix)]
fn is_executable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(metadata: &std::fs::Metadata) -> bool {
    metadata.is_file()
}

impl Program {
    /// Runs it; what it prints, on either stream, goes to `say` piece by piece.
    pub(super) fn run(&self, say: &mut dyn FnMut(&[u8])) -> io::Result<ExitStatus> {
        let (mut output, writer) = io::pipe()?;
        let mut child = self.spawn(|command| {
            command.stdout(writer.try_clone()?).stderr(writer.try_clone()?);
            Ok(())
        })?;
        drop(writer);
        let feeder = self.feed(&mut child);
        let mut piece = vec![0; 8 << 10];
        loop {
            match output.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => say(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let status = child.wait();
        drop(feeder.map(|feeder| feeder.join()));
        status
    }

    /// Runs it and talks to it over its standard streams; what it says beside that goes to `say`.
    pub(super) fn talk<T>(
        &self,
        say: &(dyn Fn(&[u8]) + Sync),
        talk: impl FnOnce(ChildStdin, &mut ChildStdout) -> io::Result<T>,
    ) -> io::Result<(ExitStatus, io::Result<T>)> {
        let mut child = self.spawn(|command| {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            Ok(())
        })?;
        let taken = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(mut stdout), Some(mut stderr)) = taken else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let said = std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut piece = vec![0; 8 << 10];
                while let Ok(count @ 1..) = stderr.read(&mut piece) {
                    say(&piece[..count]);
                }
            });
            let said = talk(stdin, &mut stdout);
            drop(stdout);
            said
        });
        Ok((child.wait()?, said))
    }

    /// Runs it; what it prints goes where the messages of this process go.
    pub(super) fn run_aside(&self) -> io::Result<ExitStatus> {
        self.run_beside(|command| {
            command.stdout(io::stderr()).stderr(Stdio::inherit());
            Ok(())
        })
    }

    /// Runs it with the streams of this process.
    pub(super) fn run_along(&self) -> io::Result<ExitStatus> {
        self.run_beside(|command| {
            command.stdout(Stdio::inherit()).stderr(Stdio::inherit());
            Ok(())
        })
    }

    fn run_beside(&self, streams: impl Fn(&mut Command) -> io::Result<()>) -> io::Result<ExitStatus> {
        let mut child = self.spawn(streams)?;
        let feeder = self.feed(&mut child);
        let status = child.wait();
        drop(feeder.map(|feeder| feeder.join()));
        status
    }

    /// Writes the input on a thread: the hook may print before it reads, or not read at all.
    fn feed(&self, child: &mut Child) -> Option<std::thread::JoinHandle<()>> {
        let mut stdin = child.stdin.take()?;
        let input = self.input.clone();
        Some(std::thread::spawn(move || drop(stdin.write_all(&input))))
    }

    fn spawn(&self, streams: impl Fn(&mut Command) -> io::Result<()>) -> io::Result<Child> {
        let start = |program: &OsStr, first: Option<&Path>| {
            let mut command = Command::new(program);
            command.args(first).args(&self.arguments).current_dir(&self.directory);
            command.stdin(if self.input.is_empty() { Stdio::null() } else { Stdio::piped() });
            for (name, value) in &self.variables {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
            streams(&mut command)?;
            command.spawn()
        };
        match start(self.path.as_os_str(), None) {
            // A script without a line that says what runs it is one of the shell.
            Err(error) if error.raw_os_error() == Some(EXEC_FORMAT) => {
                start(OsStr::new("/bin/sh"), Some(&self.path))
            }
            other => other,
        }
    }
}

/// `ENOEXEC`.
const EXEC_FORMAT: i32 = 8;
