//! `pack-objects`, its arguments and the configuration they stand for.

use super::pack_objects_missing::Missing;
use super::rev_list::filter_spec;
use crate::args::{Arg, Args, parse_number};
use crate::fail::Failure;
use crate::progress;
use crate::repo;
use git_core::idx::Version;
use git_core::object::Limits;
use git_core::pack::{Islands, Reuse, SearchOptions};
use git_core::store::config::Config;
use git_core::store::filter::FilterSpec;
use git_core::store::walk::PromisedObjects;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Where the objects come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Source {
    /// Each line names one.
    #[default]
    List,
    /// Lines are revisions; what they reach.
    Revisions,
    /// Lines are packs; what is in them.
    Packs,
    /// Lines are packs; what is in none of those that stay.
    Cruft,
}

/// What becomes of what nothing reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unreachable {
    /// Packed objects are packed too.
    pub(super) keep: bool,
    /// Loose objects are packed too.
    pub(super) pack_loose: bool,
    /// Packed objects become loose; not those of packs last changed at this time or before.
    pub(super) loosen: Option<i64>,
}

/// Whether a bitmap is written beside the pack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum WriteBitmap {
    /// None is.
    #[default]
    No,
    /// One is where it can be; why it cannot is not said.
    Quietly,
    /// One is, or a warning says why not.
    Yes,
}

/// What the arguments ask for.
#[derive(Default)]
pub(super) struct Request {
    pub(super) source: Source,
    pub(super) all_refs: bool,
    pub(super) reflogs: bool,
    /// What the index names is packed too.
    pub(super) indexed: bool,
    pub(super) include_tag: bool,
    /// What is in a pack is left out.
    pub(super) incremental: bool,
    pub(super) unpacked: bool,
    pub(super) honor_keep: bool,
    pub(super) keep_packs: HashSet<String>,
    pub(super) local: bool,
    pub(super) non_empty: bool,
    pub(super) thin: bool,
    pub(super) ofs_delta: bool,
    pub(super) unreachable: Unreachable,
    pub(super) cruft_expiration: Option<i64>,
    pub(super) filter: Option<FilterSpec>,
    pub(super) missing: Missing,
    /// Whether what promisors have is packed.
    pub(super) promised: PromisedObjects,
    pub(super) islands: bool,
    pub(super) marks: Option<Arc<dyn Islands>>,
    pub(super) reuse: Reuse,
    pub(super) search: SearchOptions,
    pub(super) limits: Limits,
    /// Version 2 unless another one is asked for.
    pub(super) index_version: Option<Version>,
    pub(super) max_size: Option<u64>,
    pub(super) reverse_index: bool,
    pub(super) bitmap: WriteBitmap,
    pub(super) stdout: bool,
    pub(super) base: Option<PathBuf>,
    pub(super) report: bool,
    /// Whether the writing is reported too where it goes to standard output.
    pub(super) report_writing: bool,
}

/// The deepest chains that git reads without complaint.
const MAX_DEPTH: u32 = 4095;
/// The least `--max-pack-size`.
const MIN_PACK_SIZE: u64 = 1 << 20;

impl Request {
    /// What the configuration says; arguments come after it.
    fn configured(config: &Config) -> Result<Self, Failure> {
        let mut request = Request { search: delta_search(config)?, ..Request::default() };
        request.limits.threads = threads(config)?.unwrap_or(0);
        request.max_size = number(config, "pack.packSizeLimit")?.filter(|size| *size > 0);
        request.reverse_index = config.bool("pack.writeReverseIndex")?.unwrap_or(true);
        request.index_version = configured_version(config)?;
        Ok(request)
    }
}

fn number(config: &Config, key: &str) -> Result<Option<u64>, Failure> {
    Ok(config.int(key)?.map(|value| u64::try_from(value).unwrap_or(0)))
}

/// `pack.threads`, where it is not left to the machine.
pub(super) fn threads(config: &Config) -> Result<Option<usize>, Failure> {
    match config.int("pack.threads")? {
        None | Some(0) => Ok(None),
        Some(threads) => match usize::try_from(threads) {
            Ok(threads) => Ok(Some(threads)),
            Err(_) => Err(Failure::fatal(format_args!("invalid number of threads specified ({threads})"))),
        },
    }
}

/// `pack.indexVersion`, unless it is the usual one.
pub(super) fn configured_version(config: &Config) -> Result<Option<Version>, Failure> {
    match config.int("pack.indexVersion")? {
        Some(1) => Ok(Some(Version::V1)),
        None | Some(2) => Ok(None),
        Some(other) => Err(Failure::fatal(format_args!("bad pack.indexVersion={other}"))),
    }
}

/// How the configuration wants deltas searched and objects compressed: `pack.*` and `core.*`.
pub(super) fn delta_search(config: &Config) -> Result<SearchOptions, Failure> {
    let mut search = SearchOptions::default();
    if let Some(window) = number(config, "pack.window")? {
        search.window = usize::try_from(window).unwrap_or(usize::MAX);
    }
    if let Some(depth) = number(config, "pack.depth")? {
        search.depth = u32::try_from(depth).unwrap_or(u32::MAX);
    }
    search.window_bytes = number(config, "pack.windowMemory")?.unwrap_or(search.window_bytes);
    search.kept_bytes = match number(config, "pack.deltaCacheSize")? {
        Some(0) => u64::MAX,
        Some(bytes) => bytes,
        None => search.kept_bytes,
    };
    if let Some(limit) = number(config, "pack.deltaCacheLimit")? {
        search.kept_result = usize::try_from(limit).unwrap_or(usize::MAX);
    }
    search.big_object = number(config, "core.bigFileThreshold")?.unwrap_or(search.big_object);
    for key in ["core.compression", "pack.compression"] {
        if let Some(level) = config.int(key)? {
            search.compression = self::level(level)?;
        }
    }
    Ok(search)
}

/// Reads the arguments.
pub(super) fn parse(config: &Config, args: &mut Args) -> Result<Request, Failure> {
    let usage = args.usage();
    let mut request = Request::configured(config)?;
    let (mut quiet, mut asked, mut implied) = (false, None, false);
    let (mut lists, mut from_packs, mut cruft, mut sized) = (false, false, false, false);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('q') | Arg::Long("quiet") => (quiet, asked) = (true, None),
            Arg::Long("progress") => asked = Some(true),
            Arg::Long("all-progress") => (asked, request.report_writing) = (Some(true), true),
            Arg::Long("no-progress" | "no-all-progress") => asked = Some(false),
            Arg::Long("all-progress-implied") => implied = true,
            Arg::Long("no-all-progress-implied") => implied = false,
            Arg::Long("stdout") => request.stdout = true,
            Arg::Long("no-stdout") => request.stdout = false,
            Arg::Long("revs") => lists = true,
            Arg::Long("no-revs") => lists = false,
            Arg::Long("all") => (lists, request.all_refs) = (true, true),
            Arg::Long("reflog") => (lists, request.reflogs) = (true, true),
            Arg::Long("indexed-objects") => (lists, request.indexed) = (true, true),
            Arg::Long("unpacked") => request.unpacked = true,
            Arg::Long("incremental") => request.incremental = true,
            Arg::Long("no-incremental") => request.incremental = false,
            Arg::Long("stdin-packs") => {
                from_packs = true;
                if args.optional_value().is_some() {
                    return Err(Failure::error(129, "option `stdin-packs' takes no value"));
                }
            }
            Arg::Long("no-stdin-packs") => from_packs = false,
            Arg::Long("cruft") => cruft = true,
            Arg::Long("no-cruft") => cruft = false,
            Arg::Long("cruft-expiration") => {
                request.cruft_expiration = Some(crate::when::parse(&args.text()?)?);
            }
            Arg::Long("no-cruft-expiration") => request.cruft_expiration = None,
            Arg::Long("thin") => (lists, request.thin) = (true, true),
            Arg::Long("no-thin") => request.thin = false,
            Arg::Long("include-tag") => request.include_tag = true,
            Arg::Long("no-include-tag") => request.include_tag = false,
            Arg::Long("honor-pack-keep") => request.honor_keep = true,
            Arg::Long("no-honor-pack-keep") => request.honor_keep = false,
            Arg::Long("keep-pack") => drop(request.keep_packs.insert(args.text()?)),
            Arg::Long("no-keep-pack") => request.keep_packs.clear(),
            Arg::Long("keep-unreachable") => (lists, request.unreachable.keep) = (true, true),
            Arg::Long("no-keep-unreachable") => request.unreachable.keep = false,
            Arg::Long("pack-loose-unreachable") => (lists, request.unreachable.pack_loose) = (true, true),
            Arg::Long("no-pack-loose-unreachable") => request.unreachable.pack_loose = false,
            Arg::Long("unpack-unreachable") => {
                request.unreachable.loosen = Some(match args.optional_value() {
                    Some(time) => crate::when::expiry(&time.to_string_lossy())?,
                    None => i64::MIN,
                });
                lists = true;
            }
            Arg::Long("no-unpack-unreachable") => request.unreachable.loosen = None,
            Arg::Long("local") => request.local = true,
            Arg::Long("no-local") => request.local = false,
            Arg::Long("non-empty") => request.non_empty = true,
            Arg::Long("no-non-empty") => request.non_empty = false,
            Arg::Long("delta-base-offset") => request.ofs_delta = true,
            Arg::Long("no-delta-base-offset") => request.ofs_delta = false,
            Arg::Long("delta-islands") => request.islands = true,
            Arg::Long("no-delta-islands") => request.islands = false,
            Arg::Long("no-reuse-delta") => request.reuse = request.reuse.max(Reuse::Whole),
            Arg::Long("reuse-delta" | "reuse-object") => request.reuse = Reuse::All,
            Arg::Long("no-reuse-object") => request.reuse = Reuse::Nothing,
            Arg::Long("compression") => request.search.compression = level(integer(args, "compression")?)?,
            Arg::Long("threads") => {
                request.limits.threads = usize::try_from(integer(args, "threads")?).unwrap_or(0);
            }
            Arg::Long("window") => {
                request.search.window = usize::try_from(integer(args, "window")?).unwrap_or(0);
            }
            Arg::Long("depth") => request.search.depth = u32::try_from(integer(args, "depth")?).unwrap_or(0),
            Arg::Long("window-memory") => request.search.window_bytes = unsigned(args, "window-memory")?,
            Arg::Long("max-pack-size") => {
                let size = unsigned(args, "max-pack-size")?;
                (request.max_size, sized) = ((size > 0).then_some(size), size > 0);
            }
            Arg::Long("index-version") => request.index_version = Some(index_version(&args.text()?)?),
            Arg::Long("filter") => {
                let spec = filter_spec(&repo::operand(args.value()?))?;
                request.filter = Some(match request.filter.take() {
                    Some(before) => before.and(spec),
                    None => spec,
                });
            }
            Arg::Long("no-filter") => request.filter = None,
            Arg::Long("missing") => {
                let text = args.text()?;
                request.missing = Missing::parse(&text)
                    .ok_or_else(|| Failure::fatal(format_args!("invalid value for '--missing': '{text}'")))?;
            }
            Arg::Long("exclude-promisor-objects") => {
                (lists, request.promised) = (true, PromisedObjects::LeftOut);
            }
            Arg::Long("no-exclude-promisor-objects") => request.promised = PromisedObjects::Required,
            Arg::Long("write-bitmap-index") => request.bitmap = WriteBitmap::Yes,
            Arg::Long("write-bitmap-index-quiet") => request.bitmap = WriteBitmap::Quietly,
            Arg::Long("no-write-bitmap-index" | "no-write-bitmap-index-quiet") => {
                request.bitmap = WriteBitmap::No;
            }
            // Nothing is configured to be fetched from elsewhere.
            Arg::Long("uri-protocol") => drop(args.text()?),
            Arg::Long(
                "shallow"
                | "no-shallow"
                | "keep-true-parents"
                | "no-keep-true-parents"
                | "sparse"
                | "no-sparse"
                | "use-bitmap-index"
                | "no-use-bitmap-index"
                | "no-uri-protocol",
            ) => {}
            Arg::Value(base) if request.base.is_none() => request.base = Some(base.into()),
            Arg::Value(_) => return Err(Failure::usage("", usage)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    if request.stdout == request.base.is_some() {
        return Err(Failure::usage("", usage));
    }
    if request.search.depth > MAX_DEPTH {
        eprintln!("warning: delta chain depth {} is too deep, forcing {MAX_DEPTH}", request.search.depth);
        request.search.depth = MAX_DEPTH;
    }
    if request.stdout && sized {
        return Err(Failure::fatal("--max-pack-size cannot be used to build a pack for transfer"));
    }
    request.max_size = request.max_size.filter(|_| !request.stdout);
    if request.max_size.is_some_and(|size| size < MIN_PACK_SIZE) {
        eprintln!("warning: minimum pack size limit is 1 MiB");
        request.max_size = Some(MIN_PACK_SIZE);
    }
    if request.thin && !request.stdout {
        return Err(Failure::fatal("--thin cannot be used to build an indexable pack"));
    }
    // Git takes what is old for unneeded only where it has looked at everything that may need it.
    if !(request.all_refs && request.reflogs && request.indexed) {
        request.unreachable.loosen = request.unreachable.loosen.map(|_| i64::MIN);
    }
    if request.unreachable.keep && request.unreachable.loosen.is_some() {
        let both = "options '--keep-unreachable' and '--unpack-unreachable' cannot be used together";
        return Err(Failure::fatal(both));
    }
    if from_packs && request.filter.is_some() {
        return Err(Failure::fatal("cannot use --filter with --stdin-packs"));
    }
    if from_packs && lists {
        return Err(Failure::fatal("cannot use internal rev list with --stdin-packs"));
    }
    if cruft && lists {
        return Err(Failure::fatal("cannot use internal rev list with --cruft"));
    }
    if cruft && from_packs {
        return Err(Failure::fatal("cannot use --stdin-packs with --cruft"));
    }
    request.source = match (cruft, from_packs, lists || request.unpacked) {
        (true, _, _) => Source::Cruft,
        (_, true, _) => Source::Packs,
        (_, _, true) => Source::Revisions,
        _ => Source::List,
    };
    // Only a pack of all that the refs reach can have one.
    if request.stdout || !request.all_refs || request.source != Source::Revisions {
        request.bitmap = WriteBitmap::No;
    }
    request.report = progress::wanted(asked, quiet);
    request.report_writing |= implied || !request.stdout;
    Ok(request)
}

fn level(level: i64) -> Result<u8, Failure> {
    match level {
        -1 => Ok(6),
        0..=9 => Ok(level as u8),
        _ => Err(Failure::fatal(format_args!("bad pack compression level {level}"))),
    }
}

fn integer(args: &mut Args, name: &str) -> Result<i64, Failure> {
    let text = args.text()?;
    let (sign, digits) = text.strip_prefix('-').map_or((1, text.as_str()), |rest| (-1, rest));
    let value = parse_number(digits).and_then(|value| i64::try_from(value).ok()).map(|value| sign * value);
    value.ok_or_else(|| Failure::error(129, format_args!("option `{name}' expects a numerical value")))
}

fn unsigned(args: &mut Args, name: &str) -> Result<u64, Failure> {
    parse_number(&args.text()?).ok_or_else(|| {
        let wish = "expects a non-negative integer value with an optional k/m/g suffix";
        Failure::error(129, format_args!("option `{name}' {wish}"))
    })
}

/// `<version>[,<offset>]`; where 64-bit offsets begin is git's own affair.
fn index_version(text: &str) -> Result<Version, Failure> {
    let (version, offset) =
        text.split_once(',').map_or((text, None), |(version, rest)| (version, Some(rest)));
    let hex = |text: &str| match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).is_ok(),
        None => text.parse::<u64>().is_ok(),
    };
    let number = version.parse::<u64>();
    match number {
        Ok(number) if number > 2 => Err(Failure::fatal(format_args!("unsupported index version {version}"))),
        Ok(number) if offset.is_none_or(hex) => Ok(if number == 1 { Version::V1 } else { Version::V2 }),
        _ => Err(Failure::fatal(format_args!("bad index version '{text}'"))),
    }
}
