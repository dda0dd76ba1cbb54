//! Removing loose objects that nothing needs, and what was left behind by who died (`git-prune(1)`).

use super::files::{DryRun, fan_out, is_temporary, modified, names_if_any};
use super::{MaintenanceError, prune_packed, reachable, roots};
use crate::fs::FsStorage;
use crate::fs::sys::{Disk, remove_tree};
use crate::walk::ObjectSet;
use crate::{Snapshot, Storage as _};
use git_core_object::{Context, Kind, ObjectFormat, ObjectId, Objects};
use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};

/// What is pruned. [`Default`] removes everything unreachable, however young.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PruneOptions {
    /// Only what was last changed at this time or before, in seconds since 1970, is removed. What is younger
    /// stays, with everything it reaches.
    pub expire: i64,
    /// Objects that are kept beside those that refs and reflogs reach, with all they reach: of the staging
    /// index, or named by the caller.
    pub keep: Vec<ObjectId>,
    /// Objects that count as just changed (`gc.recentObjectsHook`).
    pub recent: Vec<ObjectId>,
    /// Whether anything changes.
    pub dry_run: DryRun,
}

impl Default for PruneOptions {
    fn default() -> Self {
        PruneOptions { expire: i64::MAX, keep: Vec::new(), recent: Vec::new(), dry_run: DryRun::No }
    }
}

/// Something that is removed, or would be.
#[derive(Debug)]
#[non_exhaustive]
pub enum Pruned<'a> {
    /// An unreachable loose object; its kind, unless it is damaged.
    Object(ObjectId, Option<Kind>),
    /// A file that was never completed.
    TemporaryFile(&'a Path),
    /// A directory of a transfer that was never completed.
    TemporaryDirectory(&'a Path),
}

/// Removes loose objects that nothing reaches, loose objects that are packed too, files that were never
/// completed, and shallow commits that nothing reaches. `shown` sees each before it goes; the objects of one
/// fan-out directory come in the order of their ids.
///
/// # Errors
/// [`MaintenanceError`] when something that is reachable cannot be read: then no object was removed.
pub fn prune(
    storage: &FsStorage,
    options: &PruneOptions,
    cx: &Context,
    shown: &mut dyn FnMut(Pruned<'_>),
) -> Result<(), MaintenanceError> {
    let objects = storage.objects();
    let (disk, dir) = (&**objects.disk(), objects.dir());
    let snapshot = storage.snapshot()?;
    let roots = roots(storage, &*snapshot, cx)?;
    let mut alive = reachable::from_roots(&snapshot, &roots, &options.keep, cx)?;
    if options.expire != i64::MAX || !options.recent.is_empty() {
        let mut recent = recent(&*snapshot, dir, objects.format(), options.expire, &alive)?;
        recent.extend_from_slice(&options.recent);
        reachable::add_with_history(&*snapshot, &mut alive, recent, cx)?;
    }
    let mut at = 0u64;
    // A directory that was empty before may just have been made by somebody who is about to write to it.
    let emptied = Cell::new(false);
    fan_out(
        dir,
        objects.format(),
        &mut |file| {
            at += 1;
            if at.is_multiple_of(1 << 10) {
                cx.check()?;
            }
            let Some(id) = file.id else {
                temporary(disk, &file.path, options, shown);
                return Ok(());
            };
            // Looked at again: whoever needs an object that is there already marks it as young.
            if alive.contains(&id) || !is_old(&file.path, options.expire) {
                return Ok(());
            }
            shown(Pruned::Object(id, snapshot.header(&id).ok().flatten().map(|header| header.kind)));
            if options.dry_run == DryRun::No {
                remove(disk, &file.path);
                emptied.set(true);
            }
            Ok(())
        },
        &mut |dir| {
            if emptied.take() {
                let _ = disk.remove_dir(dir);
            }
        },
    )?;
    prune_packed(objects, options.dry_run, cx, &mut |_| {})?;
    for dir in [dir.to_path_buf(), dir.join("pack")] {
        for name in names_if_any(&dir)? {
            if is_temporary(&name) {
                temporary(disk, &dir.join(name), options, shown);
            }
        }
    }
    if options.dry_run == DryRun::No {
        storage.prune_shallow(&|id| alive.contains(id))?;
    }
    Ok(())
}

/// Loose objects that are too young to go, and those of young packs, as far as they are not alive anyway.
fn recent(
    snapshot: &dyn Snapshot,
    dir: &Path,
    format: ObjectFormat,
    expire: i64,
    alive: &ObjectSet,
) -> Result<Vec<ObjectId>, MaintenanceError> {
    let mut found = Vec::new();
    fan_out(
        dir,
        format,
        &mut |file| {
            if let Some(id) = file.id
                && !alive.contains(&id)
                && !is_old(&file.path, expire)
            {
                found.push(id);
            }
            Ok(())
        },
        &mut |_| {},
    )?;
    for pack in snapshot.packs().iter().filter(|pack| pack.local) {
        let times = super::mtimes::of_pack(pack, format)?;
        let young = times.is_none() && !is_old(Path::new(&pack.name), expire);
        for (row, id) in (0u32..).zip(pack.pack.idx().ids()) {
            let is_young = times.as_ref().map_or(young, |times| times.at(row) > expire);
            if is_young && !alive.contains(&id) {
                found.push(id);
            }
        }
    }
    Ok(found)
}

fn is_old(path: &Path, expire: i64) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| modified(&metadata) <= expire)
}

/// Removes a file or directory that was never completed, if it is old enough and its name is that of one.
fn temporary(disk: &dyn Disk, path: &Path, options: &PruneOptions, shown: &mut dyn FnMut(Pruned<'_>)) {
    let Ok(metadata) = path.symlink_metadata() else { return };
    if modified(&metadata) > options.expire || !path.file_name().is_some_and(is_temporary) {
        return;
    }
    if metadata.is_dir() {
        shown(Pruned::TemporaryDirectory(path));
    } else {
        shown(Pruned::TemporaryFile(path));
    }
    if options.dry_run == DryRun::Yes {
        return;
    }
    if metadata.is_dir() {
        remove_tree(disk, path);
    } else {
        remove(disk, path);
    }
}

fn remove(disk: &dyn Disk, path: &Path) {
    match disk.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %PathBuf::from(path).display(), %error, "cannot remove a file");
        }
        _ => {}
    }
}
