//! `repack`: packs the objects of the repository anew.

use super::Command;
use super::pack_objects_islands as islands;
use super::pack_objects_options::{configured_version, delta_search, threads};
use super::rev_list::filter_spec;
use crate::args::{Arg, Args};
use crate::fail::{Failure, chain};
use crate::globals::Globals;
use crate::repo;
use crate::when;
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::object::{Context, ObjectId, ReadError};
use git_core::pack::{DeltaForm, Reuse};
use git_core::store::filter::{FilterSpec, ObjectFilter};
use git_core::store::fs::bitmap_options;
use git_core::store::maintenance::{
    Borrowed, CruftOptions, FilterOptions, KeptObjects, MaintenanceError, MultiPackIndex, Redundant,
    RepackOptions, RepackReport, ReverseFiles, Scope, ServerInfo, Unreachable, repack,
};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) const COMMAND: Command = Command {
    name: "repack",
    summary: "Pack unpacked objects in a repository",
    usage: "git-core repack [<options>]

    -a                    pack everything in a single pack
    -A                    same as -a, and turn unreachable objects loose
    --cruft               same as -a, pack unreachable cruft objects separately
    --cruft-expiration <approxidate>
                          with --cruft, expire objects older than this
    --expire-to <dir>     pack prefix to store a pack containing pruned objects
    -f                    search all deltas anew
    -F                    compress all objects anew
    --window <n>          size of the window used for delta compression
    --window-memory <bytes>
                          limit the memory of the window
    --depth <n>           limits the maximum delta depth
    -d                    remove redundant packs and loose objects
    -n                    do not update the files that dumb transports read
    -q, --quiet           be quiet
    -l, --local           leave out what alternates have
    -k, --keep-unreachable
                          with -a, repack unreachable objects
    --unpack-unreachable <approxidate>
                          with -A, do not loosen objects older than this
    --threads <n>         limits the maximum number of threads
    --pack-kept-objects   repack objects in packs marked with .keep
    --keep-pack <name>    do not repack this pack
    --max-pack-size <n>   maximum size of each packfile
    --max-cruft-size <n>  with --cruft, limit the size of new cruft packs
    -i, --delta-islands   keep deltas within the islands of pack.island
    --filter <filter-spec>
                          put what the filter leaves out into a pack of its own
    --filter-to <dir>     pack prefix to store a pack containing filtered out objects
    -b, --[no-]write-bitmap-index
                          write bitmap index
    -m, --write-midx      write a multi-pack index of the resulting packs
    -g, --geometric <n>   find a geometric progression with factor <n>",
    run,
};

/// What the arguments say, before it is known whether they fit together.
#[derive(Default)]
struct Request {
    all: bool,
    loosen: bool,
    cruft: bool,
    keep_unreachable: bool,
    remove: bool,
    quiet: bool,
    local: bool,
    no_server_info: bool,
    pack_kept: Option<bool>,
    geometric: Option<u32>,
    unpack_expire: Option<i64>,
    cruft_expire: Option<i64>,
    expire_to: Option<PathBuf>,
    keep_packs: Vec<String>,
    threads: Option<usize>,
    midx: bool,
    bitmap: Option<bool>,
    max_size: Option<u64>,
    max_cruft_size: Option<u64>,
    reuse: Reuse,
    window: Option<usize>,
    depth: Option<u32>,
    islands: Option<bool>,
    window_bytes: Option<u64>,
    filter: Option<FilterSpec>,
    filter_to: Option<PathBuf>,
}

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let request = read(&mut args)?;
    let repository = repo::open(globals)?;
    if request.remove && repo::is_precious(&repository)? {
        return Err(Failure::fatal("cannot delete packs in a precious-objects repo"));
    }
    let mut options = request.options(&repository)?;
    let mut cx = crate::reach::context(crate::progress::wanted(None, request.quiet));
    if let Some(threads) = request.threads.filter(|threads| *threads > 0).or(threads(repository.config())?) {
        let mut limits = cx.limits().clone();
        limits.threads = threads;
        cx = cx.with_limits(limits);
    }
    let wanted = match request.islands {
        Some(wanted) => wanted,
        None => repository.config().bool("repack.useDeltaIslands")?.unwrap_or(false),
    };
    if wanted {
        options.islands = islands::find(&repository, &*repository.snapshot()?, &cx)?;
    }
    keep_whole(globals, &repository, &mut options, &cx)?;
    let report = repack(repo::on_disk(&repository)?, &options, &cx).map_err(|error| match error {
        MaintenanceError::Read(ReadError::Missing { id }) => {
            Failure::fatal(format_args!("unable to read {id}"))
        }
        error => error.into(),
    })?;
    tell(&report, request.quiet);
    Ok(ExitCode::SUCCESS)
}

/// What git says at the end.
fn tell(report: &RepackReport, quiet: bool) {
    if report.written.is_empty() && !quiet {
        println!("Nothing new to pack.");
    }
}

fn read(args: &mut Args) -> Result<Request, Failure> {
    let usage = args.usage();
    let mut request = Request::default();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('a') => request.all = true,
            Arg::Short('A') => (request.all, request.loosen) = (true, true),
            Arg::Long("cruft") => request.cruft = true,
            Arg::Long("no-cruft") => request.cruft = false,
            Arg::Long("cruft-expiration") => request.cruft_expire = Some(when::expiry(&args.text()?)?),
            Arg::Long("no-cruft-expiration") => request.cruft_expire = None,
            Arg::Long("expire-to") => request.expire_to = Some(args.value()?.into()),
            Arg::Long("no-expire-to") => request.expire_to = None,
            Arg::Short('d') => request.remove = true,
            Arg::Short('n') => request.no_server_info = true,
            Arg::Short('q') | Arg::Long("quiet") => request.quiet = true,
            Arg::Long("no-quiet") => request.quiet = false,
            Arg::Short('l') | Arg::Long("local") => request.local = true,
            Arg::Long("no-local") => request.local = false,
            Arg::Short('k') | Arg::Long("keep-unreachable") => request.keep_unreachable = true,
            Arg::Long("no-keep-unreachable") => request.keep_unreachable = false,
            Arg::Long("unpack-unreachable") => request.unpack_expire = Some(when::expiry(&args.text()?)?),
            Arg::Long("no-unpack-unreachable") => request.unpack_expire = None,
            Arg::Short('f') => request.reuse = request.reuse.max(Reuse::Whole),
            Arg::Short('F') => request.reuse = Reuse::Nothing,
            Arg::Long("window") => {
                request.window = Some(usize::try_from(args.number()?).unwrap_or(usize::MAX));
            }
            Arg::Long("depth") => request.depth = Some(u32::try_from(args.number()?).unwrap_or(u32::MAX)),
            Arg::Long("window-memory") => request.window_bytes = Some(args.number()?),
            Arg::Long("max-pack-size") => request.max_size = Some(pack_size(args.number()?)),
            Arg::Long("max-cruft-size") => request.max_cruft_size = Some(pack_size(args.number()?)),
            Arg::Long("threads") => {
                request.threads = Some(usize::try_from(args.number()?).unwrap_or(usize::MAX));
            }
            Arg::Long("pack-kept-objects") => request.pack_kept = Some(true),
            Arg::Long("no-pack-kept-objects") => request.pack_kept = Some(false),
            Arg::Long("keep-pack") => request.keep_packs.push(args.text()?),
            Arg::Long("no-keep-pack") => request.keep_packs.clear(),
            Arg::Short('g') | Arg::Long("geometric") => {
                let text = args.text()?;
                let factor = text.parse().map_err(|_| {
                    args.bad(format_args!(
                        "option `geometric' expects an integer value with an optional k/m/g suffix"
                    ))
                })?;
                request.geometric = Some(factor).filter(|factor| *factor != 0);
            }
            Arg::Short('b') | Arg::Long("write-bitmap-index") => request.bitmap = Some(true),
            Arg::Long("no-write-bitmap-index") => request.bitmap = Some(false),
            Arg::Short('m') => request.midx = true,
            Arg::Long("write-midx") => match args.optional_value() {
                None => request.midx = true,
                Some(_) => return Err(args.bad("option `write-midx' takes no value")),
            },
            Arg::Long("no-write-midx") => request.midx = false,
            Arg::Long("filter") => {
                let spec = filter_spec(&repo::operand(args.value()?))?;
                request.filter = Some(match request.filter.take() {
                    Some(before) => before.and(spec),
                    None => spec,
                });
            }
            Arg::Long("no-filter") => request.filter = None,
            Arg::Long("filter-to") => request.filter_to = Some(args.value()?.into()),
            Arg::Long("no-filter-to") => request.filter_to = None,
            Arg::Short('i') | Arg::Long("delta-islands") => request.islands = Some(true),
            Arg::Long("no-delta-islands") => request.islands = Some(false),
            Arg::Long("no-geometric") => request.geometric = None,
            // As git does it.
            Arg::Value(_) => {}
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    request.check()?;
    Ok(request)
}

/// The longest chain of deltas that anybody makes.
const MAX_DEPTH: u32 = 4095;

/// What the configuration says of how packs are written: `pack.*`, `repack.*`.
pub(super) fn configure(repository: &Repository, options: &mut RepackOptions) -> Result<(), Failure> {
    let config = repository.config();
    let mut search = delta_search(config)?;
    search.depth = search.depth.min(MAX_DEPTH);
    let number = |key: &str| -> Result<Option<u64>, Failure> {
        Ok(config.int(key)?.and_then(|number| u64::try_from(number).ok()))
    };
    let mut cruft = search.clone();
    if let Some(window) = number("repack.cruftWindow")? {
        cruft.window = usize::try_from(window).unwrap_or(usize::MAX);
    }
    if let Some(depth) = number("repack.cruftDepth")? {
        cruft.depth = u32::try_from(depth).unwrap_or(MAX_DEPTH).min(MAX_DEPTH);
    }
    cruft.window_bytes = number("repack.cruftWindowMemory")?.unwrap_or(cruft.window_bytes);
    options.compression = Some(search.compression);
    options.search = Some(search);
    options.cruft_search = Some(cruft);
    options.max_size = number("pack.packSizeLimit")?.filter(|size| *size > 0);
    options.idx_version = configured_version(config)?.unwrap_or_default();
    if config.bool("pack.writeReverseIndex")? == Some(false) {
        options.reverse = ReverseFiles::Leave;
    }
    options.delta_form = match config.bool("repack.useDeltaBaseOffset")? {
        Some(false) => DeltaForm::Ref,
        _ => DeltaForm::Ofs,
    };
    Ok(())
}

/// What `gc.recentObjectsHook` says is still needed. Each of these commands prints ids.
pub(super) fn recent_objects(repository: &Repository) -> Result<Vec<ObjectId>, Failure> {
    let mut ids = Vec::new();
    let failed = || Failure::fatal("unable to enumerate additional recent objects");
    for entry in repository.config().get_all("gc.recentObjectsHook") {
        let command = entry.to_text()?.to_string();
        let done = std::process::Command::new("sh")
            .args(["-c", &command])
            .stdin(std::process::Stdio::null())
            .stderr(std::process::Stdio::inherit())
            .output()
            .map_err(|_| failed())?;
        for line in done.stdout.lines() {
            let id = ObjectId::from_hex_of(repository.format(), line).map_err(|_| {
                eprintln!("error: invalid extra cruft tip: '{}'", line.as_bstr());
                failed()
            })?;
            ids.push(id);
        }
        if !done.status.success() {
            return Err(failed());
        }
    }
    Ok(ids)
}

/// Makes no deltas of what the attribute `delta` is unset for.
pub(super) fn keep_whole(
    globals: &Globals,
    repository: &Repository,
    options: &mut RepackOptions,
    cx: &Context,
) -> Result<(), Failure> {
    if let (Some(search), Some(whole)) =
        (&mut options.search, crate::undeltified::find_in_all(globals, repository, cx)?)
    {
        search.whole = Some(whole);
    }
    Ok(())
}

/// How objects are divided by a filter.
pub(super) fn divide(
    repository: &Repository,
    spec: &FilterSpec,
    to: Option<PathBuf>,
) -> Result<FilterOptions, Failure> {
    let filter =
        ObjectFilter::new(&*repository.snapshot()?, spec).map_err(|error| Failure::fatal(chain(&error)))?;
    Ok(FilterOptions { filter: Arc::new(filter), to })
}

/// A limit on the size of packs, which cannot be small.
fn pack_size(size: u64) -> u64 {
    const LEAST: u64 = 1 << 20;
    if (1..LEAST).contains(&size) {
        eprintln!("warning: minimum pack size limit is 1 MiB");
        return LEAST;
    }
    size
}

impl Request {
    /// Options that cannot stand together.
    fn check(&self) -> Result<(), Failure> {
        let clash = |left: &str, right: &str| {
            Err(Failure::fatal(format_args!("options '{left}' and '{right}' cannot be used together")))
        };
        if self.keep_unreachable && (self.loosen || self.unpack_expire.is_some()) {
            return clash("-A", "-k/--keep-unreachable");
        }
        if self.cruft && self.loosen {
            return clash("-A", "--cruft");
        }
        if self.cruft && self.keep_unreachable {
            return clash("-k/--keep-unreachable", "--cruft");
        }
        if self.geometric.is_some() && (self.all || self.cruft) {
            return clash("--geometric", "-A/-a");
        }
        if self.filter_to.is_some() && self.filter.is_none() {
            return Err(Failure::fatal("option '--filter-to' can only be used along with '--filter'"));
        }
        if self.geometric.is_some() && self.filter.is_some() {
            return Err(Failure::fatal("cannot use --filter with --stdin-packs"));
        }
        Ok(())
    }

    fn options(&self, repository: &Repository) -> Result<RepackOptions, Failure> {
        let config = repository.config();
        let mut options = RepackOptions::default();
        configure(repository, &mut options)?;
        options.scope = match (self.geometric, self.all || self.cruft) {
            (Some(factor), _) => Scope::Geometric(factor),
            (None, true) => Scope::All,
            (None, false) => Scope::Unpacked,
        };
        options.unreachable = if self.cruft {
            let mut cruft = CruftOptions::default();
            cruft.expire = self.cruft_expire.unwrap_or(i64::MIN);
            cruft.expire_to.clone_from(&self.expire_to);
            Unreachable::Cruft(cruft)
        } else if self.keep_unreachable {
            Unreachable::Keep
        } else if self.loosen || self.unpack_expire.is_some() {
            Unreachable::Loosen { expire: self.unpack_expire.unwrap_or(i64::MIN) }
        } else {
            Unreachable::Drop
        };
        if self.remove {
            options.redundant = Redundant::Remove;
        }
        if self.local {
            options.borrowed = Borrowed::Leave;
        }
        let bitmap = match self.bitmap {
            Some(bitmap) => Some(bitmap),
            None => config.bool("repack.writeBitmaps")?,
        };
        let whole = options.scope == Scope::All;
        if bitmap == Some(true) && !whole && !self.midx {
            return Err(Failure::fatal(
                "Incremental repacks are incompatible with bitmap indexes.  Use\n\
                 --no-write-bitmap-index or disable the pack.writeBitmaps configuration.",
            ));
        }
        let wants_bitmap = match self.midx {
            true => bitmap == Some(true),
            false => whole && bitmap.unwrap_or(repository.work_tree().is_none()),
        };
        if wants_bitmap {
            options.bitmap = Some(bitmap_options(config, &*repository.snapshot()?)?);
        }
        let pack_kept = match self.pack_kept {
            Some(pack) => pack,
            None => config.bool("repack.packKeptObjects")?.unwrap_or(bitmap == Some(true) && !self.midx),
        };
        if pack_kept {
            options.kept = KeptObjects::Pack;
        }
        if self.midx {
            options.midx = MultiPackIndex::Write;
        }
        options.keep_packs.clone_from(&self.keep_packs);
        options.keep = repository.indexed_objects()?;
        if !self.no_server_info && config.bool("repack.updateServerInfo")? != Some(false) {
            options.server_info = ServerInfo::Update;
        }
        if self.cruft_expire.is_some() && self.cruft || self.unpack_expire.is_some() {
            options.recent = recent_objects(repository)?;
        }
        options.max_size = self.max_size.or(options.max_size).filter(|size| *size > 0);
        options.max_cruft_size = self.max_cruft_size.filter(|size| *size > 0);
        options.filter = match &self.filter {
            Some(spec) => Some(divide(repository, spec, self.filter_to.clone())?),
            None => None,
        };
        options.reuse = self.reuse;
        for search in [&mut options.search, &mut options.cruft_search].into_iter().flatten() {
            search.window = self.window.unwrap_or(search.window);
            search.depth = self.depth.unwrap_or(search.depth).min(MAX_DEPTH);
            search.window_bytes = self.window_bytes.unwrap_or(search.window_bytes);
        }
        Ok(options)
    }
}
