//! All of maintenance in one go (`git-gc(1)`), one at a time in a repository.

use super::repack::{RepackOptions, RepackReport, repack};
use super::{MaintenanceError, PruneOptions, ReflogExpiry, expire_reflogs, prune, prune_worktrees};
use crate::Storage as _;
use crate::fs::commit_graph::{GraphWriteOptions, write_commit_graph};
use crate::fs::refs::{PackRefsOptions, PackRefsReport, PackSelect, PackWhen};
use crate::fs::sys::{Disk, host_name, is_running};
use crate::fs::{FsObjects, FsStorage};
use crate::lock::LockFile;
use git_core_object::{Context, ObjectId, Objects as _};
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What is done. [`Default`] repacks incrementally and nothing else.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct GcOptions {
    /// Whether loose refs are packed first.
    pub pack_refs: GcRefs,
    /// When entries of reflogs expire; `None` leaves them.
    pub reflogs: Option<ReflogExpiry>,
    /// How objects are packed.
    pub repack: RepackOptions,
    /// The time, in seconds since 1970, until which unreachable loose objects are removed; `None` leaves all.
    pub prune: Option<i64>,
    /// The time, in seconds since 1970, until which records of working trees that are gone are removed; `None` leaves
    /// all.
    pub worktrees: Option<i64>,
    /// How the commit-graph is written in the end; `None` leaves it.
    pub commit_graph: Option<GraphWriteOptions>,
    /// Objects that are alive beside those that refs and reflogs reach.
    pub keep: Vec<ObjectId>,
    /// Asked for objects that count as just needed before loose ones are pruned; without it they are those of
    /// [`repack`](Self::repack).
    pub recent: Option<Arc<dyn RecentObjects>>,
}

/// Knows which unreachable objects are not to go (`gc.recentObjectsHook`).
pub trait RecentObjects: fmt::Debug + Send + Sync {
    /// These count as just needed.
    ///
    /// # Errors
    /// [`MaintenanceError::Invalid`] when they cannot be found out: nothing is pruned then.
    fn ask(&self) -> Result<Vec<ObjectId>, MaintenanceError>;
}

/// Whether refs are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GcRefs {
    /// They stay.
    #[default]
    Leave,
    /// All of them are.
    Pack,
    /// All of them are, if they are many.
    PackMany,
}

/// What was done.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct GcReport {
    /// Of refs, if they were packed.
    pub refs: Option<PackRefsReport>,
    /// Entries of reflogs that are gone.
    pub reflog_entries: u64,
    /// Of objects.
    pub repack: RepackReport,
}

/// Packs refs, takes old entries out of reflogs, repacks, and prunes objects and working trees, in this order. Whoever calls it holds a
/// [`GcLock`].
///
/// # Errors
/// [`MaintenanceError`].
pub fn gc(storage: &FsStorage, options: &GcOptions, cx: &Context) -> Result<GcReport, MaintenanceError> {
    let mut report = GcReport::default();
    if options.pack_refs != GcRefs::Leave {
        let mut how = PackRefsOptions { select: PackSelect::All, ..PackRefsOptions::default() };
        if options.pack_refs == GcRefs::PackMany {
            how.when = PackWhen::Needed;
        }
        report.refs = Some(storage.refs().pack(&**storage.objects(), &how, cx)?);
    }
    if let Some(expiry) = &options.reflogs {
        report.reflog_entries = expire_reflogs(storage, expiry, cx)?;
    }
    let mut how = options.repack.clone();
    how.keep.clone_from(&options.keep);
    report.repack = repack(storage, &how, cx)?;
    if let Some(expire) = options.prune {
        let mut how = PruneOptions { expire, ..PruneOptions::default() };
        how.keep.clone_from(&options.keep);
        how.recent = match &options.recent {
            Some(recent) => recent.ask()?,
            None => options.repack.recent.clone(),
        };
        prune(storage, &how, cx, &mut |_| {})?;
    }
    if let Some(expire) = options.worktrees {
        prune_worktrees(storage, expire)?;
    }
    if let Some(how) = &options.commit_graph {
        let objects = storage.objects();
        write_commit_graph(objects.dir(), objects.disk(), &*storage.snapshot()?, how, cx)?;
    }
    Ok(report)
}

/// Why a repository needs collecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GcNeed {
    /// It has more packs than it should.
    Packs,
    /// It has more loose objects than it should.
    Loose,
}

/// Whether a repository has about more than so many loose objects, or more than so many packs that are not kept; 0
/// packs stands for any number. Looks at one fan-out directory of 256.
///
/// # Errors
/// [`MaintenanceError`] when a directory cannot be read.
pub fn needs_gc(objects: &FsObjects, loose: u64, packs: u64) -> Result<Option<GcNeed>, MaintenanceError> {
    /// Any would do; this one is git's.
    const SAMPLE: &str = "17";
    let own = objects.pack_snapshot()?.into_iter().filter(|pack| pack.local && !pack.kept).count();
    if packs > 0 && own as u64 > packs {
        return Ok(Some(GcNeed::Packs));
    }
    let names = super::files::names_if_any(&objects.dir().join(SAMPLE))?;
    let digits = objects.format().hex_len() - 2;
    let found = names.iter().filter(|name| {
        let name = name.as_encoded_bytes();
        name.len() == digits && name.iter().all(u8::is_ascii_hexdigit)
    });
    Ok((found.count() as u64 > loose.div_ceil(256)).then_some(GcNeed::Loose))
}

/// The right to collect garbage in a repository: the file `gc.pid`, which goes when this is dropped.
#[derive(Debug)]
pub struct GcLock {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

/// After so long whoever took the lock is thought dead, wherever he is.
const STALE: Duration = Duration::from_secs(12 * 3600);

impl GcLock {
    /// Takes the lock, unless somebody holds it: then the machine and the process are given.
    ///
    /// # Errors
    /// [`MaintenanceError`] when the file cannot be written.
    pub fn acquire(storage: &FsStorage) -> Result<Result<Self, (String, u64)>, MaintenanceError> {
        Self::take(storage, true)
    }

    /// Takes the lock, whoever holds it.
    ///
    /// # Errors
    /// [`MaintenanceError`] when the file cannot be written.
    pub fn seize(storage: &FsStorage) -> Result<Result<Self, (String, u64)>, MaintenanceError> {
        Self::take(storage, false)
    }

    fn take(storage: &FsStorage, ask: bool) -> Result<Result<Self, (String, u64)>, MaintenanceError> {
        let disk = storage.objects().disk().clone();
        let path = storage.common_dir().join("gc.pid");
        let failed = |error: std::io::Error| MaintenanceError::unavailable(&path, error);
        let mut lock = LockFile::acquire(&disk, &path, Duration::ZERO)?;
        if ask && let Some(holder) = holder(&path) {
            return Ok(Err(holder));
        }
        write!(lock, "{} {}", std::process::id(), host_name()).map_err(failed)?;
        lock.commit().map_err(failed)?;
        Ok(Ok(GcLock { disk, path }))
    }
}

impl Drop for GcLock {
    fn drop(&mut self) {
        let _ = self.disk.remove_file(&self.path);
    }
}

/// Who holds the lock, if he can be alive.
fn holder(path: &Path) -> Option<(String, u64)> {
    let modified = path.metadata().and_then(|metadata| metadata.modified()).ok()?;
    if SystemTime::now().duration_since(modified).is_ok_and(|age| age > STALE) {
        return None;
    }
    let text = std::fs::read_to_string(path).ok()?;
    let (pid, host) = text.trim_end().split_once(' ')?;
    let pid: u64 = pid.parse().ok()?;
    (host != host_name() || is_running(pid)).then(|| (host.to_owned(), pid))
}
