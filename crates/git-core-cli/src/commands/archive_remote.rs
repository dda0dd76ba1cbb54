//! `archive --remote`: the archive that another repository makes.

use crate::fail::{Failure, chain};
use crate::globals::{Globals, os_string};
use crate::{output, reach};
use bstr::{BString, ByteSlice as _};
use git_core::archive::{ArchiveArguments, ArgumentError, Formats};
use git_core::object::{Context, Progress, ProgressEvent};
use git_core::remote::RemoteError;
use git_core::transport::client::{ClientError, TransportError};
use std::io::Write;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

/// Passes the arguments on, and the archive back.
pub(super) fn run(
    globals: &Globals,
    ours: &ArchiveArguments,
    all: Vec<BString>,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let here = reach::open_if_any(globals)?;
    let mut link = reach::link(globals)?;
    if let Some(program) = &ours.exec {
        link.options.upload_archive = os_string(program.to_vec());
    }
    let mut passed: Vec<BString> = Vec::new();
    // The server does not know what the file is called that the archive goes to.
    if let Some(output) = &ours.output
        && let Some(format) = Formats::of(here.config())?.for_file(output.as_bstr())
    {
        passed.push([b"--format=", format.name.as_slice()].concat().into());
    }
    passed.extend(all);
    let remote = here.remote(ours.remote.as_deref().map_or(&b""[..], Vec::as_slice))?;
    let messages = Arc::new(Messages::default());
    let cx = Context::new().with_progress(messages.clone());
    let mut failed = None;
    let mut sink = |bytes: &[u8]| {
        out.write_all(bytes).map_err(|error| {
            let text = error.to_string();
            failed = Some(error);
            text.into()
        })
    };
    let done = remote.archive(&passed, link, &mut sink, &cx);
    messages.finish();
    if let Some(error) = failed {
        output::written(Err(error))?;
    }
    match done {
        Ok(()) => {
            output::finish(out)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(RemoteError::Transport(TransportError::Protocol(ClientError::Remote(message)))) => {
            let text = message.to_string();
            match text.strip_prefix("NACK ") {
                Some(reason) => Err(Failure::fatal(format_args!("git archive: NACK {reason}"))),
                // What came on a side band is shown as it is; anything else was said before there was one.
                None if messages.is_any() || text.starts_with("git upload-archive: ") => {
                    Err(Failure::plain(1, format!("remote: {text}")))
                }
                None => Err(Failure::fatal(format_args!("remote error: {text}"))),
            }
        }
        Err(RemoteError::Transport(TransportError::Protocol(ClientError::Unexpected {
            expected: "ACK",
            got,
        }))) => Err(Failure::fatal(format_args!("git archive: expected ACK/NAK, got {got}"))),
        // What a server on this machine would have said of the path.
        Err(RemoteError::Open(error)) => {
            show(format!("fatal: {}", chain(&error)).as_bytes());
            Err(Failure::plain(1, "remote: git upload-archive: archiver died with error"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Takes out what is for this side, `--output`, `--remote` and `--exec`; what is left is for the server to judge.
/// Nothing when there is no `--remote`.
pub(super) fn split(all: &[BString]) -> Result<Option<(ArchiveArguments, Vec<BString>)>, ArgumentError> {
    let (mut ours, mut kept) = (Vec::new(), Vec::new());
    let mut rest = all.iter();
    while let Some(one) = rest.next() {
        let long = one.strip_prefix(b"--").map(|long| long.split(|b| *b == b'=').next().unwrap_or_default());
        let is_ours = |name: &[u8]| {
            !name.is_empty()
                && ["output", "remote", "exec"].iter().any(|full| full.as_bytes().starts_with(name))
        };
        let (mine, takes_next) = match long {
            Some(b"") => {
                kept.push(one.clone());
                kept.extend(rest.by_ref().cloned());
                break;
            }
            Some(name) if is_ours(name) => (true, !one.contains(&b'=')),
            Some(name) => (name.strip_prefix(b"no-").is_some_and(is_ours), false),
            None => (one.starts_with(b"-o"), one.len() == 2),
        };
        let list = if mine { &mut ours } else { &mut kept };
        list.push(one.clone());
        if takes_next {
            list.extend(rest.next().cloned());
        }
    }
    let ours = ArchiveArguments::parse(ours)?;
    Ok(ours.remote.is_some().then_some((ours, kept)))
}

/// Shows what the server says line by line, each behind `remote: `, as git does.
#[derive(Default)]
struct Messages {
    line: Mutex<(Vec<u8>, bool)>,
}

impl Messages {
    fn is_any(&self) -> bool {
        self.line.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    fn finish(&self) {
        let mut state = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = std::mem::take(&mut state.0);
        if !rest.is_empty() {
            show(&rest);
        }
    }
}

impl Progress for Messages {
    fn event(&self, event: ProgressEvent<'_>) {
        let ProgressEvent::Remote { text } = event else { return };
        let mut state = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 = true;
        state.0.extend_from_slice(text);
        while let Some(end) = state.0.find_byte(b'\n') {
            let line: Vec<u8> = state.0.drain(..=end).collect();
            show(&line[..end]);
        }
    }
}

fn show(line: &[u8]) {
    let clean: Vec<u8> = line.iter().map(|b| if b.is_ascii_control() { b'?' } else { *b }).collect();
    // git puts blanks behind, which would cover what a progress bar left.
    let blanks: &[u8] = if line.is_empty() { b"" } else { b"        " };
    let _ = std::io::stderr().write_all(&[b"remote: ", &clean[..], blanks, b"\n"].concat());
}
