//! Archives for others: what `git upload-archive` does with the arguments that a client sent.

use crate::Repository;
use crate::archive::{
    ArchiveArguments, ArchiveSource, ArgumentError, Asker, EntryListener, Formats, PrepareError, SourceError,
    USAGE,
};
use bstr::BStr;
use git_core_object::{Context, ErrorKind, Zone, parse_date};
use git_core_transport::server::{PackStream, Refusal, RefusalKind};
use std::fmt::Display;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

/// Whether archives are made for others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArchivePolicy {
    /// None are.
    #[default]
    Refuse,
    /// Of what refs name, or of anything where `uploadArchive.allowUnreachable` says so.
    Give,
}

/// Begins the archive, or the list of formats, that the arguments ask for.
pub(super) fn begin<T: AsRef<[u8]>>(
    repository: &Repository,
    arguments: &[T],
    cx: &Context,
) -> Result<Box<dyn PackStream>, Refusal> {
    let arguments = ArchiveArguments::parse(arguments).map_err(misused)?;
    if arguments.remote.is_some() {
        return Err(invalid("fatal: Unexpected option --remote"));
    }
    if arguments.list {
        if let Some(first) = arguments.operands.first() {
            return Err(invalid(format_args!("fatal: extra command line parameter '{first}'")));
        }
        let formats = Formats::of(repository.config()).map_err(Refusal::internal)?;
        let shown = formats.iter().filter(|format| format.remote);
        let list = shown.map(|format| format!("{}\n", format.name)).collect();
        return Ok(Box::new(Listing(list)));
    }
    let told = Told::default();
    let mtime = arguments.mtime.as_ref().map(|text| {
        let text = String::from_utf8_lossy(text).into_owned();
        let read = parse_date(&text, Zone::utc()).map(|time| time.seconds);
        read.or_else(|_| text.parse()).unwrap_or_else(|_| crate::repository::now().seconds)
    });
    let telling = told.clone();
    let on_entry = Some(EntryListener::new(move |path| telling.add(path)));
    let asker = Asker { remote: true, mtime, on_entry, ..Asker::default() };
    let source = repository.archive(&arguments, asker, cx).map_err(unprepared)?;
    Ok(Box::new(Stream { source, told }))
}

fn misused(error: ArgumentError) -> Refusal {
    match error {
        ArgumentError::Usage(text) if text.is_empty() => invalid(USAGE),
        ArgumentError::Usage(text) => invalid(format_args!("error: {text}\n{USAGE}")),
        error => invalid(format_args!("fatal: {error}")),
    }
}

fn unprepared(error: PrepareError) -> Refusal {
    match error {
        PrepareError::NoTree => invalid(USAGE),
        PrepareError::Source(error) => broken(error),
        PrepareError::Archive(error) => broken(error.into()),
        PrepareError::Refused(text) => invalid(format_args!("fatal: {text}")),
        error => Refusal::new(RefusalKind::Internal, "fatal: internal server error").with_source(error),
    }
}

/// What a client may know: nothing of the server's own paths and commands.
fn broken(error: SourceError) -> Refusal {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::Invalid | ErrorKind::Limit => {
            invalid(format_args!("fatal: {error}"))
        }
        ErrorKind::Cancelled => Refusal::new(RefusalKind::Cancelled, "fatal: the archive was cancelled"),
        _ => Refusal::new(RefusalKind::Internal, "fatal: internal server error").with_source(error),
    }
}

fn invalid(text: impl Display) -> Refusal {
    Refusal::new(RefusalKind::Invalid, text.to_string())
}

/// Paths that the client is yet to be told of.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Told {
    fn add(&self, path: &BStr) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.extend_from_slice(path);
        text.push(b'\n');
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Stream {
    source: ArchiveSource,
    told: Told,
}

impl PackStream for Stream {
    fn fill(&mut self, out: &mut Vec<u8>, cx: &Context) -> Result<ControlFlow<()>, Refusal> {
        let wanted = out.capacity().saturating_sub(out.len()).clamp(1, 256 << 10);
        let before = out.len();
        loop {
            let filled = self.source.fill(out, cx).map_err(broken);
            let text = self.told.take();
            if !text.is_empty() {
                cx.remote_message(&text);
            }
            let flow = filled?;
            if flow.is_break() || out.len() - before >= wanted {
                return Ok(flow);
            }
        }
    }
}

/// The names of formats.
struct Listing(String);

impl PackStream for Listing {
    fn fill(&mut self, out: &mut Vec<u8>, _cx: &Context) -> Result<ControlFlow<()>, Refusal> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(ControlFlow::Break(()))
    }
}
