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
use crate::input::stdin;
use crate::output::{finish, stdout};
use crate::pack_checks::{Checks, check_links};
use crate::repo;
use git_core::Repository;
use git_core::idx::Version;
use git_core::object::{Context, Limits, ObjectFormat};
use git_core::pack::{PACK_HEADER_LEN, pack_header};
use git_core::refs::RefTransaction;
use git_core::store::{PackOptions, Quarantine, Thin};
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) const COMMAND: Command = Command {
    name: "index-pack",
    summary: "Build pack index file for an existing packed archive",
    usage: "git-core index-pack [-v] [-o <index-file>] [--keep | --keep=<msg>] [--[no-]rev-index]
                  [--verify] [--strict] [--fsck-objects] (<pack-file> | --stdin [--fix-thin] [<pack-file>])",
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
    pub(super) checks: Checks,
    pub(super) header: Option<u32>,
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
        checks: Checks::None,
        header: None,
    };
    let (mut verify, mut verbose, mut format, mut limits) = (None, false, None, Limits::default());
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("stdin") => request.stdin = true,
            Arg::Long("fix-thin") => request.thin = true,
            Arg::Long("keep") => request.keep = Some(optional_text(&mut args)?),
            Arg::Long("promisor") => request.promisor = Some(optional_text(&mut args)?),
            Arg::Long("rev-index") => request.rev_index = Some(true),
            Arg::Long("no-rev-index") => request.rev_index = Some(false),
            Arg::Long("strict") => {
                drop(args.optional_value());
                request.checks = Checks::ObjectsAndLinks;
            }
            Arg::Long("fsck-objects") => {
                drop(args.optional_value());
                request.checks = request.checks.max(Checks::Objects);
            }
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
            Arg::Long("index-version") => request.version = parse_version(&args.text()?)?,
            Arg::Long("object-format") => {
                let name = args.text()?;
                format = Some(
                    name.parse::<ObjectFormat>()
                        .map_err(|_| Failure::fatal(format_args!("unknown hash algorithm '{name}'")))?,
                );
            }
            Arg::Long("progress-title") => drop(args.value()?),
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
    let format = repository.as_ref().map(Repository::format).or(format).unwrap_or_default();
    if let Some(detail) = verify {
        let path = request.pack.ok_or_else(|| Failure::fatal("--verify with no packfile name given"))?;
        let mut out = stdout();
        let verified = verify_pack::check(&path, format).map_err(|why| Failure::plain(128, why))?;
        verify_pack::print(&verified, detail, &mut out)?;
        finish(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let cx = crate::reach::context(verbose).with_limits(limits);
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
            let usual =
                request.version == Version::V2 && request.rev_index != Some(false) && request.index.is_none();
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
        .ok_or_else(|| Failure::fatal(format_args!("bad --pack_header: {text}")))
}

fn parse_version(text: &str) -> Result<Version, Failure> {
    // Behind a comma stands from where on offsets are written with 64 bits, which is for tests of git.
    match text.split(',').next() {
        Some("1") => Ok(Version::V1),
        Some("2") => Ok(Version::V2),
        _ => Err(Failure::fatal(format_args!("unsupported index version {text}"))),
    }
}

/// Feeds a pack, header first, until it ends or `input` does.
pub(super) fn feed_all<E: Into<Failure>>(
    header: Option<u32>,
    input: &mut dyn Read,
    mut feed: impl FnMut(&[u8]) -> Result<usize, E>,
) -> Result<(), Failure> {
    if let Some(objects) = header {
        let bytes: [u8; PACK_HEADER_LEN] = pack_header(objects);
        feed(&bytes).map_err(Into::into)?;
    }
    let mut buf = vec![0; 256 << 10];
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

/// Receives a pack from standard input into the quarantine.
pub(super) fn receive(
    quarantine: &mut dyn Quarantine,
    options: &PackOptions,
    header: Option<u32>,
    cx: &Context,
) -> Result<git_core::store::PackReceived, Failure> {
    quarantine.begin_pack(options)?;
    feed_all(header, &mut stdin(), |bytes| quarantine.feed(bytes, cx))?;
    Ok(quarantine.finish_pack(cx)?)
}

fn into_repository(repository: &Repository, request: &Request, cx: &Context) -> Result<ExitCode, Failure> {
    let storage = repository.storage();
    let mut quarantine = storage.receive(&repository.snapshot()?)?;
    let mut options = PackOptions::default();
    options.thin = if request.thin { Thin::Complete } else { Thin::Refuse };
    options.keep.clone_from(&request.keep);
    options.promisor.clone_from(&request.promisor);
    options.observer = request
        .checks
        .observer(repository.format(), repository.config())?
        .map(|checks| -> Arc<dyn git_core::store::ObjectObserver> { checks });
    let received = receive(&mut *quarantine, &options, request.header, cx)?;
    if request.checks == Checks::ObjectsAndLinks {
        let snapshot = quarantine.snapshot()?;
        let is_ours = |stored: &&Arc<git_core::store::StoredPack>| {
            git_core::object::ObjectId::from(stored.pack.checksum()) == received.checksum
        };
        if let Some(stored) = snapshot.packs().iter().find(is_ours) {
            check_links(&stored.pack, &*snapshot, cx)?;
        }
    }
    let kept = request.keep.is_some() && !file::keep_path(repository, &received.checksum).exists();
    storage.commit(vec![quarantine], &RefTransaction::new(), cx)?;
    println!("{}\t{}", if kept { "keep" } else { "pack" }, received.checksum);
    Ok(ExitCode::SUCCESS)
}
