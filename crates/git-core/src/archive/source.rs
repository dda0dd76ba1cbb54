//! The bytes of an archive, made here or by a command that the tar file passes through.

use super::filter::shell;
use bstr::BString;
use git_core_object::{BoxError, Context, ErrorKind};
use git_core_worktree::archive::{Archive, ArchiveError};
use std::io::{Read as _, Write as _};
use std::ops::ControlFlow;
use std::process::{Child, ChildStdout, Stdio};
use std::thread::JoinHandle;

/// How much is asked of a command at once.
const PIECE: usize = 64 << 10;

/// An archive, to be pulled piece by piece.
pub struct ArchiveSource {
    inner: Inner,
}

enum Inner {
    Own(Box<Archive>),
    Filtered(Filtered),
}

/// A tar file on its way through a command.
struct Filtered {
    command: BString,
    child: Child,
    output: ChildStdout,
    feeder: Option<JoinHandle<Result<(), ArchiveError>>>,
}

/// Why an archive ended before it was whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It could not be made.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The command could not be run, or failed.
    #[error("{text}")]
    Filter {
        /// What git says of it.
        text: String,
        /// Why.
        #[source]
        source: Option<BoxError>,
    },
}

impl SourceError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            SourceError::Archive(error) => error.kind(),
            SourceError::Filter { .. } => ErrorKind::Other,
        }
    }
}

impl ArchiveSource {
    pub(super) fn own(archive: Archive) -> Self {
        ArchiveSource { inner: Inner::Own(Box::new(archive)) }
    }

    /// Pipes a tar file through a command of the shell.
    pub(super) fn filtered(
        mut archive: Archive,
        command: BString,
        level: Option<u32>,
        cx: &Context,
    ) -> Result<Self, SourceError> {
        let start = |source: BoxError| SourceError::Filter {
            text: format!("unable to start '{command}' filter"),
            source: Some(source),
        };
        let line = match level {
            Some(level) => [command.as_slice(), format!(" -{level}").as_bytes()].concat(),
            None => command.to_vec(),
        };
        if line.is_empty() {
            return Err(start("No such file or directory".into()));
        }
        let mut shell = shell(&line).map_err(start)?;
        let mut child = shell
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| start(error.into()))?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(start("no pipes".into()));
        };
        let cx = cx.clone();
        let feed = move || {
            let mut piece = Vec::new();
            loop {
                piece.clear();
                let flow = archive.fill(&mut piece, &cx)?;
                // A command that has seen enough says so by its exit code.
                if input.write_all(&piece).is_err() || flow.is_break() {
                    return Ok(());
                }
            }
        };
        let feeder = std::thread::Builder::new().name("git-archive".into()).spawn(feed);
        let feeder = Some(feeder.map_err(|error| start(error.into()))?);
        Ok(ArchiveSource { inner: Inner::Filtered(Filtered { command, child, output, feeder }) })
    }

    /// Appends the next bytes to `out`, some 64 KiB; `Break` with the last of them.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn fill(&mut self, out: &mut Vec<u8>, cx: &Context) -> Result<ControlFlow<()>, SourceError> {
        match &mut self.inner {
            Inner::Own(archive) => Ok(archive.fill(out, cx)?),
            Inner::Filtered(filtered) => filtered.fill(out),
        }
    }
}

impl Filtered {
    fn fill(&mut self, out: &mut Vec<u8>) -> Result<ControlFlow<()>, SourceError> {
        let failed = |command: &BString, source: Option<BoxError>| SourceError::Filter {
            text: format!("'{command}' filter reported error"),
            source,
        };
        let before = out.len();
        let read = (&mut self.output).take(PIECE as u64).read_to_end(out);
        read.map_err(|error| failed(&self.command, Some(error.into())))?;
        if out.len() > before {
            return Ok(ControlFlow::Continue(()));
        }
        if let Some(feeder) = self.feeder.take() {
            feeder.join().map_err(|_| failed(&self.command, None))??;
        }
        let status = self.child.wait().map_err(|error| failed(&self.command, Some(error.into())))?;
        if !status.success() {
            return Err(failed(&self.command, None));
        }
        Ok(ControlFlow::Break(()))
    }
}

impl Drop for Filtered {
    fn drop(&mut self) {
        // Whoever pulls no more does not want the rest; the feeder ends with the pipe that it writes to.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
