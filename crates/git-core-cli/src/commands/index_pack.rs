//! `index-pack`: takes a pack in, checks it, and writes its index.
//!
//! A pack that comes on standard input without a name of its own goes into the repository, through the same
//! quarantine as every other pack that is received; anything else is indexed where it lies.

use super::Command;
use super::index_pack_file::{self as file, Target};
use super::verify_pack::{self, Detail};
use crate::args::{Arg, Args};
use crate::fail::Failure;
use crate::globals::Globals;
use crate::output::{finish, stdout};
use crate::pack_checks::{Checks, verdict};
use crate::progress::Terminal;
use crate::repo;
use git_core::Repository;
use git_core::idx::Version;
use git_core::object::{Context, Limits, ObjectFormat, Phase};
use git_core::pack::{PACK_HEADER_LEN, pack_header};
use git_core::refs::RefTransaction;
use git_core::store::{PackOptions, Quarantine, Thin};
use std::io::{Read, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};

pub(crate) const COMMAND: Command = Command {
    name: "index-pack",
    summary: "Build pack index file for an existing packed archive",
    usage: "git-core index-pack [-v] [-o <index-file>] [--keep | --keep=<msg>] [--[no-]rev-index]
                  [--verify] [--strict[=<msg-id>=<severity>...]] [--fsck-objects[=<msg-id>=<severity>...]]
                  (<pack-file> | --stdin [--fix-thin] [<pack-file>])",
    run,
};

/// What the arguments ask for.
pub(super) struct Request {
    pub(super) pack: Option<PathBuf>,
    pub(super) index: Option<PathBuf>,
    pub(super) stdin: bool,
    pub(super) thin: bool,
    pub(super) keep: Option<String>,
    pub(super) promisor: Option<String>,
    pub(super) rev_index: Option<bool>,
    pub(super) version: Version,
    /// Offsets above this one take 64 bits in the index, however small they are.
    pub(super) wide_above: u32,
    pub(super) checks: Checks,
    pub(super) header: Option<u32>,
    /// A zero byte on standard error says when all input was read.
    pub(super) report_end: bool,
}

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let mut request = Request {
        pack: None,
        index: None,
        stdin: false,
        thin: false,
        keep: None,
        promisor: None,
        rev_index: None,
        version: Version::V2,
        wide_above: u32::MAX,
        checks: Checks::default(),
        header: None,
        report_end: false,
    };
    let (mut verify, mut verbose, mut format, mut limits) = (None, false, None, Limits::default());
    let mut title = None;
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("stdin") => request.stdin = true,
            Arg::Long("fix-thin") => request.thin = true,
            Arg::Long("keep") => request.keep = Some(optional_text(&mut args)?),
            Arg::Long("promisor") => request.promisor = Some(optional_text(&mut args)?),
            Arg::Long("rev-index") => request.rev_index = Some(true),
            Arg::Long("no-rev-index") => request.rev_index = Some(false),
            Arg::Long("strict") => {
                (request.checks.form, request.checks.links) = (true, true);
                request.checks.set_severities(&optional_text(&mut args)?)?;
            }
            Arg::Long("fsck-objects") => {
                request.checks.form = true;
                request.checks.set_severities(&optional_text(&mut args)?)?;
            }
            Arg::Long("check-self-contained-and-connected") => request.checks.links = true,
            Arg::Long("report-end-of-input") => request.report_end = true,
            Arg::Long("verify") => verify = Some(Detail::Nothing),
            Arg::Long("verify-stat") => verify = Some(Detail::Objects),
            Arg::Long("verify-stat-only") => verify = Some(Detail::Chains),
            Arg::Long("threads") => limits.threads = usize::try_from(args.number()?).unwrap_or(0),
            Arg::Long("max-input-size") => {
                limits.pack_bytes = match args.number()? {
                    0 => u64::MAX,
                    n => n,
                }
            }
            Arg::Long("pack_header") => request.header = Some(parse_header(&args.text()?)?),
            Arg::Long("index-version") => {
                (request.version, request.wide_above) = parse_version(&args.text()?)?;
            }
            Arg::Long("object-format") => {
                let name = args.text()?;
                format = Some(
                    name.parse::<ObjectFormat>()
                        .map_err(|_| Failure::fatal(format_args!("unknown hash algorithm '{name}'")))?,
                );
            }
            Arg::Long("progress-title") => title = Some(args.text()?),
            Arg::Long("show-resolving-progress") => {}
            Arg::Short('v') => verbose = true,
            Arg::Short('o') => request.index = Some(args.value()?.into()),
            Arg::Value(path) if request.pack.is_none() => request.pack = Some(path.into()),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    if request.pack.is_none() && !request.stdin {
        return Err(Failure::usage("", usage));
    }
    if request.thin && !request.stdin {
        return Err(Failure::fatal("the option '--fix-thin' requires '--stdin'"));
    }
    let repository = repo::open_optional(globals)?;
    if format.is_some() && request.stdin && repository.is_some() {
        return Err(Failure::fatal("options '--object-format' and '--stdin' cannot be used together"));
    }
    let format = repository.as_ref().map(Repository::format).or(format).unwrap_or_default();
    if let Some(detail) = verify {
        let path = request.pack.ok_or_else(|| Failure::fatal("--verify with no packfile name given"))?;
        let mut out = stdout();
        let verified = verify_pack::check(&path, format).map_err(|why| Failure::plain(128, why))?;
        verify_pack::print(&verified, detail, &mut out)?;
        finish(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(repository) = &repository
        && let Some(bytes) = repository.config().int("core.deltaBaseCacheLimit")?
    {
        limits.delta_cache_bytes = u64::try_from(bytes).unwrap_or(0);
    }
    let mut cx = Context::new().with_limits(limits);
    if verbose {
        let default = if request.stdin { "Receiving objects" } else { "Indexing objects" };
        cx = cx
            .with_progress(Arc::new(Terminal::titled(Phase::Receiving, title.as_deref().unwrap_or(default))));
    }
    if request.rev_index.is_none()
        && let Some(repository) = &repository
    {
        request.rev_index = repository.config().bool("pack.writeReverseIndex")?;
    }
    let target = match (&request.pack, request.stdin) {
        (None, _) => {
            let Some(repository) = &repository else {
                return Err(Failure::fatal("--stdin requires a git repository"));
            };
            // What the quarantine does not write is left to the other way.
            let usual = request.version == Version::V2
                && request.wide_above == u32::MAX
                && request.rev_index != Some(false)
                && request.index.is_none();
            if usual {
                return into_repository(repository, &request, &cx);
            }
            Target::Repository(repository.clone())
        }
        (Some(path), true) => Target::Named(path.clone()),
        (Some(path), false) => Target::InPlace(path.clone()),
    };
    file::index(&request, target, repository.as_ref(), format, &cx)
}

fn optional_text(args: &mut Args) -> Result<String, Failure> {
    let text = args.optional_value().unwrap_or_default();
    text.into_string().map_err(|_| args.bad("an argument is not valid UTF-8"))
}

/// `<version>,<objects>`: the pack's header, which somebody else has read already. Gives the number of objects.
pub(super) fn parse_header(text: &str) -> Result<u32, Failure> {
    text.split_once(',')
        .filter(|(version, _)| matches!(*version, "2" | "3"))
        .and_then(|(_, objects)| objects.parse().ok())
        .ok_or_else(|| Failure::fatal(format_args!("bad --pack_header={text}")))
}

/// `<version>[,<offset>]`, where offsets above that one are to take 64 bits.
fn parse_version(text: &str) -> Result<(Version, u32), Failure> {
    let bad = || Failure::fatal(format_args!("bad --index-version={text}"));
    let (version, above) =
        text.split_once(',').map_or((text, None), |(version, above)| (version, Some(above)));
    let version = match version {
        "1" => Version::V1,
        "2" => Version::V2,
        _ => return Err(bad()),
    };
    let above = match above.filter(|above| !above.is_empty()) {
        None => u32::MAX,
        Some(text) => {
            let (digits, radix) = match text.strip_prefix("0x") {
                Some(digits) => (digits, 16),
                None if text.starts_with('0') => (text, 8),
                None => (text, 10),
            };
            u32::try_from(u64::from_str_radix(digits, radix).map_err(|_| bad())?).unwrap_or(u32::MAX)
        }
    };
    Ok((version, above))
}

/// How much is fed at once, if there is so much.
const FEED: usize = 4 << 20;

/// Feeds a pack until it ends or `input` does.
pub(super) fn feed_all<E: Into<Failure>>(
    input: &mut dyn Read,
    mut feed: impl FnMut(&[u8]) -> Result<usize, E>,
) -> Result<(), Failure> {
    let mut buf = vec![0; FEED];
    loop {
        let count = match input.read(&mut buf) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::fatal(format_args!("read error on input: {error}"))),
        };
        if feed(&buf[..count]).map_err(Into::into)? < count {
            return Ok(());
        }
    }
}

/// Feeds a pack from standard input, header first.
///
/// A thread of its own reads ahead: what comes in while objects are inflated and hashed is fed all at once,
/// and what comes slowly is fed as it comes.
pub(super) fn feed_stdin<E: Into<Failure>>(
    header: Option<u32>,
    mut feed: impl FnMut(&[u8]) -> Result<usize, E>,
) -> Result<(), Failure> {
    if let Some(objects) = header {
        let bytes: [u8; PACK_HEADER_LEN] = pack_header(objects);
        feed(&bytes).map_err(Into::into)?;
    }
    const PIECE: usize = 64 << 10;
    let (pieces, read) = mpsc::sync_channel::<std::io::Result<Vec<u8>>>(FEED / PIECE);
    let (give_back, used) = mpsc::channel::<Vec<u8>>();
    // Not joined: it may still wait for input that nobody needs.
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut piece = used.try_recv().unwrap_or_default();
            piece.resize(PIECE, 0);
            let result = input.read(&mut piece).map(|count| {
                piece.truncate(count);
                piece
            });
            let last = match &result {
                Ok(piece) => piece.is_empty(),
                Err(error) => error.kind() != std::io::ErrorKind::Interrupted,
            };
            if pieces.send(result).is_err() || last {
                return;
            }
        }
    });
    let mut gathered = Vec::new();
    while let Ok(first) = read.recv() {
        gathered.clear();
        let mut failed = None;
        for piece in std::iter::once(first).chain(std::iter::from_fn(|| read.try_recv().ok())) {
            match piece {
                Ok(piece) => {
                    gathered.extend_from_slice(&piece);
                    let _ = give_back.send(piece);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => failed = Some(error),
            }
            if gathered.len() >= FEED {
                break;
            }
        }
        if feed(&gathered).map_err(Into::into)? < gathered.len() {
            return Ok(());
        }
        if let Some(error) = failed {
            return Err(Failure::fatal(format_args!("read error on input: {error}")));
        }
    }
    Ok(())
}

/// Receives a pack from standard input into the quarantine.
pub(super) fn receive(
    quarantine: &mut dyn Quarantine,
    options: &PackOptions,
    header: Option<u32>,
    at_end: impl FnOnce(),
    cx: &Context,
) -> Result<git_core::store::PackReceived, Failure> {
    quarantine.begin_pack(options)?;
    feed_stdin(header, |bytes| quarantine.feed(bytes, cx))?;
    at_end();
    Ok(quarantine.finish_pack(cx)?)
}

impl Request {
    /// Says that all input was read, if that is wanted.
    pub(super) fn end_of_input(&self) {
        if self.report_end {
            let _ = std::io::stderr().write_all(&[0]);
        }
    }
}

fn into_repository(repository: &Repository, request: &Request, cx: &Context) -> Result<ExitCode, Failure> {
    let storage = repository.storage();
    let mut quarantine = storage.receive(&repository.snapshot()?)?;
    let mut options = PackOptions::default();
    options.thin = if request.thin { Thin::Complete } else { Thin::Refuse };
    options.keep.clone_from(&request.keep);
    options.promisor.clone_from(&request.promisor);
    let checks = request.checks.observer(repository.format())?;
    options.observer = checks.clone().map(|checks| -> Arc<dyn git_core::store::ObjectObserver> { checks });
    let received = receive(&mut *quarantine, &options, request.header, || request.end_of_input(), cx)
        .map_err(|failure| verdict(checks.as_ref(), failure))?;
    let mut missing = Vec::new();
    if let Some(checks) = checks {
        let snapshot = quarantine.snapshot()?;
        missing = checks.finish(&*snapshot, &*snapshot)?;
    }
    let kept = request.keep.is_some() && !file::keep_path(repository, &received.checksum).exists();
    storage.commit(vec![quarantine], &RefTransaction::new(), cx)?;
    println!("{}\t{}", if kept { "keep" } else { "pack" }, received.checksum);
    missing.iter().for_each(|id| println!("{id}"));
    Ok(ExitCode::SUCCESS)
}
