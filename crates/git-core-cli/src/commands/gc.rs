//! `gc`: collects garbage, as the configuration says.

use super::Command;
use crate::args::{Arg, Args};
use crate::fail::{Failure, chain};
use crate::globals::Globals;
use crate::repo;
use crate::when;
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::config::WildOptions;
use git_core::config::wildmatch::Pattern;
use git_core::object::{ObjectId, ReadError};
use git_core::pack::Reuse;
use git_core::store::fs::bitmap_options;
use git_core::store::fs::commit_graph::{GraphSource, GraphWriteOptions};
use git_core::store::fs::{FsObjects, FsStorage};
use git_core::store::maintenance::{
    Borrowed, CruftOptions, GcLock, GcNeed, GcOptions, GcRefs, MaintenanceError, RecentObjects, Redundant,
    ReflogAges, ReflogExpiry, Scope, ServerInfo, Unreachable, gc, needs_gc,
};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::SystemTime;

pub(crate) const COMMAND: Command = Command {
    name: "gc",
    summary: "Cleanup unnecessary files and optimize the local repository",
    usage: "git-core gc [<options>]

    -q, --quiet           suppress progress reporting
    --[no-]prune[=<date>] prune unreferenced objects
    --[no-]cruft          pack unreferenced objects separately
    --expire-to <dir>     pack prefix to store a pack containing pruned objects
    --[no-]aggressive     be more thorough (increased runtime)
    --[no-]auto           enable auto-gc mode
    --[no-]detach         perform garbage collection in the background
    --force               force running gc even if there may be another gc running
    --keep-largest-pack   repack all other packs except the largest pack",
    run,
};

/// What the arguments say.
struct Request {
    quiet: bool,
    auto: bool,
    aggressive: bool,
    max_cruft_size: Option<u64>,
    force: bool,
    detach: Option<bool>,
    cruft: Option<bool>,
    keep_largest: Option<bool>,
    expire_to: Option<PathBuf>,
    /// `None` without a word, `Some(None)` for `--no-prune`.
    prune: Option<Option<String>>,
}

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let request = read(&mut args)?;
    let repository = repo::open(globals)?;
    let storage = repo::on_disk(&repository)?;
    let config = repository.config();
    if repo::is_precious(&repository)? {
        return Err(Failure::fatal("cannot delete packs in a precious-objects repo"));
    }
    let prune = prune_time(&repository, &request)?;
    let mut scope = Scope::All;
    if request.auto {
        let loose = config.int("gc.auto")?.unwrap_or(6700);
        let packs = config.int("gc.autoPackLimit")?.unwrap_or(50);
        let (Ok(loose @ 1..), packs) = (u64::try_from(loose), u64::try_from(packs).unwrap_or(0)) else {
            return Ok(ExitCode::SUCCESS);
        };
        match needs_gc(storage.objects(), loose, packs)? {
            None => return Ok(ExitCode::SUCCESS),
            Some(GcNeed::Loose) => scope = Scope::Unpacked,
            Some(_) => {}
        }
        if !hook_agrees(&repository)? {
            return Ok(ExitCode::SUCCESS);
        }
        let configured = match config.bool("maintenance.autoDetach")? {
            Some(detach) => Some(detach),
            None => config.bool("gc.autoDetach")?,
        };
        let detach = request.detach.or(configured).unwrap_or(true);
        if !request.quiet {
            let place = if detach { " in background" } else { "" };
            eprintln!("Auto packing the repository{place} for optimum performance.");
            eprintln!("See \"git help gc\" for manual housekeeping.");
        }
        if detach {
            return in_background(globals, &repository);
        }
    }
    let lock = if request.force { GcLock::seize(storage)? } else { GcLock::acquire(storage)? };
    let _lock = match lock {
        Ok(lock) => lock,
        // Somebody else does what is needed.
        Err(_) if request.auto => return Ok(ExitCode::SUCCESS),
        Err((host, pid)) => {
            return Err(Failure::fatal(format_args!(
                "gc is already running on machine '{host}' pid {pid} (use --force if not)"
            )));
        }
    };
    let mut options = options(&repository, storage, &request, scope, prune)?;
    let mut cx = crate::reach::context(crate::progress::wanted(None, request.quiet));
    if let Some(threads) = super::pack_objects_options::threads(config)? {
        let mut limits = cx.limits().clone();
        limits.threads = threads;
        cx = cx.with_limits(limits);
    }
    super::repack::keep_whole(globals, &repository, &mut options.repack, &cx)?;
    let report = gc(storage, &options, &cx).map_err(failed)?;
    for (_, error) in report.refs.iter().flat_map(|refs| &refs.left) {
        eprintln!("error: {}", chain(error));
    }
    if request.auto
        && needs_gc(storage.objects(), u64::try_from(config.int("gc.auto")?.unwrap_or(6700)).unwrap_or(1), 0)?
            .is_some()
    {
        eprintln!("warning: There are too many unreachable loose objects; run 'git prune' to remove them.");
    }
    // An empty log of a run in the background tells nobody anything.
    if let Some(log) = repository.layout().map(|layout| layout.common_dir.join("gc.log"))
        && log.metadata().is_ok_and(|metadata| metadata.len() == 0)
    {
        let _ = std::fs::remove_file(log);
    }
    Ok(ExitCode::SUCCESS)
}

/// In git's words, what hindered a part of it.
fn failed(error: MaintenanceError) -> Failure {
    match error {
        MaintenanceError::Read(ReadError::Missing { id }) => {
            Failure::fatal(format_args!("unable to read {id}")).and("fatal: failed to run repack")
        }
        error => error.into(),
    }
}

/// The hook that says what is recent, asked once more before loose objects go, as git does.
struct Hook(Repository);

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").finish_non_exhaustive()
    }
}

impl RecentObjects for Hook {
    fn ask(&self) -> Result<Vec<ObjectId>, MaintenanceError> {
        super::repack::recent_objects(&self.0).map_err(|failure| {
            let text = failure.shown().unwrap_or_default();
            let text = text.strip_prefix("fatal: ").unwrap_or(&text);
            MaintenanceError::Invalid(format!("{text}\nfatal: failed to run prune"))
        })
    }
}

/// What `receive.autogc` asks for when a push is over: `gc --auto`, by a process of its own, if that is needed.
pub(super) fn after_receiving(repository: &Repository) -> Result<(), Failure> {
    match repository.config().bool("receive.autogc")? {
        Some(false) => Ok(()),
        _ => if_needed(repository, Talk::Quiet),
    }
}

/// What `maintenance.auto` asks for when a fetch is over.
pub(super) fn after_fetching(repository: &Repository, talk: Talk) -> Result<(), Failure> {
    match repository.config().bool("maintenance.auto")? {
        Some(false) => Ok(()),
        _ => if_needed(repository, talk),
    }
}

/// Whether a run of `gc --auto` says what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Talk {
    /// It does.
    Usual,
    /// It does not.
    Quiet,
}

fn if_needed(repository: &Repository, talk: Talk) -> Result<(), Failure> {
    let config = repository.config();
    let Some(layout) = repository.layout() else { return Ok(()) };
    let loose = u64::try_from(config.int("gc.auto")?.unwrap_or(6700)).unwrap_or(0);
    let packs = u64::try_from(config.int("gc.autoPackLimit")?.unwrap_or(50)).unwrap_or(0);
    if loose == 0 {
        return Ok(());
    }
    if needs_gc(repo::on_disk(repository)?.objects(), loose, packs)?.is_some() {
        let mut command = std::process::Command::new(std::env::current_exe()?);
        command.arg("--git-dir").arg(&layout.git_dir).args(["gc", "--auto"]);
        if talk == Talk::Quiet {
            command.arg("--quiet");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    }
    Ok(())
}

fn read(args: &mut Args) -> Result<Request, Failure> {
    let usage = args.usage();
    let mut request = Request {
        quiet: false,
        auto: false,
        aggressive: false,
        max_cruft_size: None,
        force: false,
        detach: None,
        cruft: None,
        keep_largest: None,
        expire_to: None,
        prune: None,
    };
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('q') | Arg::Long("quiet") => request.quiet = true,
            Arg::Long("no-quiet") => request.quiet = false,
            Arg::Long("auto") => request.auto = true,
            Arg::Long("no-auto") => request.auto = false,
            Arg::Long("aggressive") => request.aggressive = true,
            Arg::Long("no-aggressive") => request.aggressive = false,
            Arg::Long("force") => request.force = true,
            Arg::Long("no-force") => request.force = false,
            Arg::Long("detach") => request.detach = Some(true),
            Arg::Long("no-detach") => request.detach = Some(false),
            Arg::Long("cruft") => request.cruft = Some(true),
            Arg::Long("no-cruft") => request.cruft = Some(false),
            Arg::Long("keep-largest-pack") => request.keep_largest = Some(true),
            Arg::Long("no-keep-largest-pack") => request.keep_largest = Some(false),
            Arg::Long("expire-to") => request.expire_to = Some(args.value()?.into()),
            Arg::Long("max-cruft-size") => request.max_cruft_size = Some(args.number()?),
            Arg::Long("no-expire-to") => request.expire_to = None,
            Arg::Long("prune") => {
                let date = args.optional_value().map(|date| date.to_string_lossy().into_owned());
                request.prune = Some(Some(date.unwrap_or_else(|| "2.weeks.ago".to_owned())));
            }
            Arg::Long("no-prune") => request.prune = Some(None),
            Arg::Value(_) => return Err(Failure::usage("", usage)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    Ok(request)
}

/// The time before which what nothing reaches goes; `None` when it all stays.
fn prune_time(repository: &Repository, request: &Request) -> Result<Option<i64>, Failure> {
    let text = match &request.prune {
        Some(None) => return Ok(None),
        Some(Some(text)) => text.clone(),
        None => match repository.config().text("gc.pruneExpire")? {
            Some(text) => text.to_string(),
            None => "2.weeks.ago".to_owned(),
        },
    };
    match when::expiry(&text) {
        Ok(i64::MIN) => Ok(None),
        Ok(time) => Ok(Some(time)),
        Err(_) => Err(Failure::fatal(format_args!("failed to parse prune expiry value {text}"))),
    }
}

fn options(
    repository: &Repository,
    storage: &FsStorage,
    request: &Request,
    scope: Scope,
    prune: Option<i64>,
) -> Result<GcOptions, Failure> {
    let config = repository.config();
    let mut options = GcOptions::default();
    let bare = repository.work_tree().is_none();
    let pack_refs = match config.get("gc.packRefs") {
        Some(entry) if entry.to_text().is_ok_and(|text| text == "notbare") => !bare,
        Some(entry) => entry.to_bool()?,
        None => true,
    };
    if pack_refs {
        options.pack_refs = if request.auto { GcRefs::PackMany } else { GcRefs::Pack };
    }
    options.reflogs = Some(reflogs(repository)?);
    options.prune = prune;
    let worktrees = config.text("gc.worktreePruneExpire")?.map(ToString::to_string);
    options.worktrees = Some(when::expiry(worktrees.as_deref().unwrap_or("3.months.ago"))?);
    options.keep = repository.indexed_objects()?;
    if config.bool("gc.writeCommitGraph")? != Some(false) && config.bool("core.commitGraph")? != Some(false) {
        let mut graph = GraphWriteOptions::configured(config)?;
        graph.source = GraphSource::Reachable;
        options.commit_graph = Some(graph);
    }
    let repack = &mut options.repack;
    repack.scope = scope;
    repack.redundant = Redundant::Remove;
    repack.borrowed = Borrowed::Leave;
    super::repack::configure(repository, repack)?;
    if config.bool("repack.updateServerInfo")? != Some(false) {
        repack.server_info = ServerInfo::Update;
    }
    let cruft = match request.cruft {
        Some(cruft) => cruft,
        None => config.bool("gc.cruftPacks")?.unwrap_or(true),
    };
    repack.unreachable = match (cruft, prune) {
        // Nothing that is unreachable stays.
        (_, Some(i64::MAX)) if request.expire_to.is_none() => Unreachable::Drop,
        (true, _) => {
            let mut cruft = CruftOptions::default();
            cruft.expire = prune.unwrap_or(i64::MIN);
            cruft.expire_to.clone_from(&request.expire_to);
            Unreachable::Cruft(cruft)
        }
        (false, _) => Unreachable::Loosen { expire: prune.unwrap_or(i64::MIN) },
    };
    let filter = config.text("gc.repackFilter")?.filter(|text| !text.is_empty());
    let filter_to = config.path("gc.repackFilterTo")?.filter(|path| !path.as_os_str().is_empty());
    match filter {
        Some(text) => {
            let failed = |failure: Failure| failure.and("fatal: failed to run repack");
            let spec = super::rev_list::filter_spec(text).map_err(failed)?;
            repack.filter = Some(super::repack::divide(repository, &spec, filter_to).map_err(failed)?);
        }
        None if filter_to.is_some() => {
            return Err(Failure::fatal(
                "option '--filter-to' can only be used along with '--filter'\nfatal: failed to run repack",
            ));
        }
        None => {}
    }
    let bitmap = config.bool("repack.writeBitmaps")?.unwrap_or(bare);
    if bitmap && scope == Scope::All {
        repack.bitmap = Some(bitmap_options(config, &*repository.snapshot()?)?);
    }
    let max_cruft_size = match request.max_cruft_size {
        Some(size) => Some(size),
        None => config.int("gc.maxCruftSize")?.and_then(|size| u64::try_from(size).ok()),
    };
    repack.max_cruft_size = max_cruft_size.filter(|size| *size > 0);
    if prune.is_some() {
        let failed = |failure: Failure| failure.and("fatal: failed to run repack");
        if repack.unreachable != Unreachable::Drop {
            repack.recent = super::repack::recent_objects(repository).map_err(failed)?;
        }
        options.recent = Some(Arc::new(Hook(repository.clone())));
    }
    let repack = &mut options.repack;
    if request.aggressive {
        let number =
            |key: &str, default: i64| -> Result<i64, Failure> { Ok(config.int(key)?.unwrap_or(default)) };
        repack.reuse = Reuse::Whole;
        let window = usize::try_from(number("gc.aggressiveWindow", 250)?).unwrap_or(0);
        let depth = u32::try_from(number("gc.aggressiveDepth", 50)?).unwrap_or(0).min(4095);
        for search in [&mut repack.search, &mut repack.cruft_search].into_iter().flatten() {
            (search.window, search.depth) = (window, depth);
        }
    }
    if scope == Scope::All {
        repack.keep_packs = kept_packs(repository, storage.objects(), request)?;
    }
    Ok(options)
}

/// The packs that are too large to be packed again.
fn kept_packs(
    repository: &Repository,
    objects: &FsObjects,
    request: &Request,
) -> Result<Vec<String>, Failure> {
    let threshold = repository.config().int("gc.bigPackThreshold")?.unwrap_or(0);
    let largest_only = request.keep_largest == Some(true);
    if !largest_only && threshold <= 0 {
        return Ok(Vec::new());
    }
    let mut packs = Vec::new();
    for pack in objects.pack_snapshot()?.into_iter().filter(|pack| pack.local) {
        let path = Path::new(&pack.name);
        if path.with_extension("mtimes").exists() {
            continue;
        }
        let size = path.metadata().map_or(0, |metadata| metadata.len());
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        packs.push((size, name));
    }
    packs.sort_unstable();
    if largest_only {
        return Ok(packs.pop().into_iter().map(|(_, name)| name).collect());
    }
    let large = packs.iter().filter(|(size, _)| *size >= threshold.unsigned_abs());
    let kept: Vec<String> = large.map(|(_, name)| name.clone()).collect();
    let limit = repository.config().int("gc.autoPackLimit")?.unwrap_or(50);
    if limit > 0 && kept.len() as u64 >= limit.unsigned_abs() {
        // Too many of them: only the largest stays.
        return Ok(packs.pop().into_iter().map(|(_, name)| name).collect());
    }
    Ok(kept)
}

/// `gc.reflogExpire` and its like, for all refs and for those of patterns.
fn reflogs(repository: &Repository) -> Result<ReflogExpiry, Failure> {
    let config = repository.config();
    let time = |key: &str, default: &str| -> Result<i64, Failure> {
        match config.text(key)? {
            Some(text) => when::expiry(&text.to_string()),
            None => when::expiry(default),
        }
    };
    let mut expiry = ReflogExpiry::default();
    expiry.usual = ReflogAges {
        total: time("gc.reflogExpire", "90.days.ago")?,
        unreachable: time("gc.reflogExpireUnreachable", "30.days.ago")?,
    };
    for pattern in config.subsections("gc") {
        let text = pattern.to_str_lossy();
        let ages = ReflogAges {
            total: time(&format!("gc.{text}.reflogExpire"), "90.days.ago")?,
            unreachable: time(&format!("gc.{text}.reflogExpireUnreachable"), "30.days.ago")?,
        };
        expiry.special.push((Pattern::new(pattern, WildOptions::default()), ages));
    }
    // The stash is a reflog and nothing else.
    let never = ReflogAges { total: i64::MIN, unreachable: i64::MIN };
    expiry.special.push((Pattern::new(b"refs/stash", WildOptions::default()), never));
    Ok(expiry)
}

/// Whether the hook `pre-auto-gc` has nothing against it.
fn hook_agrees(repository: &Repository) -> Result<bool, Failure> {
    let Some(layout) = repository.layout() else { return Ok(true) };
    let directory = match repository.config().path("core.hooksPath")? {
        Some(path) => layout.work_tree.as_deref().unwrap_or(&layout.git_dir).join(path),
        None => layout.common_dir.join("hooks"),
    };
    let hook = directory.join("pre-auto-gc");
    if !is_executable(&hook) {
        return Ok(true);
    }
    let status = std::process::Command::new(&hook)
        .current_dir(layout.work_tree.as_deref().unwrap_or(&layout.git_dir))
        .env("GIT_DIR", &layout.git_dir)
        .stdin(Stdio::null())
        .status();
    match status {
        Ok(status) => Ok(status.success()),
        Err(error) => Err(Failure::fatal(format_args!("cannot run {}: {error}", hook.display()))),
    }
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

/// Starts another process that does the work, and leaves what it says in `gc.log`. What an earlier one has left
/// there, if it is young, is shown instead.
fn in_background(globals: &Globals, repository: &Repository) -> Result<ExitCode, Failure> {
    let Some(layout) = repository.layout() else { return Ok(ExitCode::SUCCESS) };
    let log = layout.common_dir.join("gc.log");
    if let Ok(metadata) = log.metadata()
        && metadata.len() > 0
    {
        let expiry = repository.config().text("gc.logExpiry")?.map(ToString::to_string);
        let expire = when::expiry(expiry.as_deref().unwrap_or("1.day.ago"))?;
        let modified = metadata.modified().unwrap_or_else(|_| SystemTime::now());
        let seconds = modified.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if i64::try_from(seconds).is_ok_and(|seconds| seconds > expire) {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            eprintln!(
                "warning: The last gc run reported the following. Please correct the root cause\n\
                 and remove {}\nAutomatic cleanup will not be performed until the file is removed.\n\n{text}",
                repo::shown_path(globals, repository, &log).display()
            );
            return Ok(ExitCode::SUCCESS);
        }
    }
    let output = std::fs::File::create(&log)?;
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.arg("--git-dir").arg(&layout.git_dir);
    if let Some(tree) = &layout.work_tree {
        command.arg("--work-tree").arg(tree);
    }
    for (name, value) in &globals.config {
        let mut text = std::ffi::OsString::from(name);
        if let Some(value) = value {
            text.push("=");
            text.push(value);
        }
        command.arg("-c").arg(text);
    }
    command.args(["gc", "--auto", "--quiet", "--no-detach"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output).spawn()?;
    Ok(ExitCode::SUCCESS)
}
