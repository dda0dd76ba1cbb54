//! Removing packs whose objects are elsewhere by now.

use super::RepackReport;
use crate::StoredPack;
use crate::fs::FsObjects;
use crate::fs::midx::{WrittenMidx, open_midx, remove_multi_pack_index};
use crate::fs::sys::Disk;
use crate::maintenance::MaintenanceError;
use git_core_object::Objects as _;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of a pack in the order in which they go: without its index nobody looks for the others.
const ORDER: [&str; 6] = ["idx", "rev", "bitmap", "mtimes", "promisor", "pack"];

/// The packs that go: those that were replaced, unless one was written again or somebody protects it by now.
pub(super) fn going(replaced: &[Arc<StoredPack>], report: &RepackReport) -> Vec<PathBuf> {
    replaced
        .iter()
        .map(|pack| PathBuf::from(&pack.name))
        .filter(|path| !report.written.contains(path) && !path.with_extension("keep").exists())
        .collect()
}

/// Removes a multi-pack index that names one of the packs that were replaced, or cannot be read.
pub(super) fn midx_of(objects: &FsObjects, replaced: &[Arc<StoredPack>]) -> Result<(), MaintenanceError> {
    let dir = objects.dir().join("pack");
    let names: HashSet<_> = replaced.iter().filter_map(|pack| Path::new(&pack.name).file_stem()).collect();
    let named = match open_midx(&dir, objects.format()) {
        Ok(files) => files.iter().any(|(_, midx)| {
            midx.pack_names().any(|name| Path::new(name).file_stem().is_some_and(|stem| names.contains(stem)))
        }),
        Err(_) => !replaced.is_empty(),
    };
    if named { Ok(remove_multi_pack_index(&dir, &**objects.disk())?) } else { Ok(()) }
}

/// Removes the bitmaps of the packs of a multi-pack index that has one itself.
pub(super) fn bitmaps_of(written: &WrittenMidx, disk: &dyn Disk) -> Result<(), MaintenanceError> {
    let (Some(dir), Some(bitmap)) = (written.path.parent(), &written.bitmap) else { return Ok(()) };
    if bitmap.exists() {
        for name in &written.names {
            remove(disk, &dir.join(name).with_extension("bitmap"))?;
        }
    }
    Ok(())
}

/// Removes packs.
pub(super) fn packs(
    objects: &FsObjects,
    going: Vec<PathBuf>,
    report: &mut RepackReport,
) -> Result<(), MaintenanceError> {
    files(&**objects.disk(), &objects.dir().join("pack"), &going)?;
    report.removed.extend(going);
    Ok(())
}

/// Removes the files of packs of a directory, which no multi-pack index names any more.
pub(super) fn files(disk: &dyn Disk, dir: &Path, going: &[PathBuf]) -> Result<(), MaintenanceError> {
    if going.is_empty() {
        return Ok(());
    }
    for path in going {
        for extension in ORDER {
            remove(disk, &path.with_extension(extension))?;
        }
    }
    disk.sync_dir(dir).map_err(|error| MaintenanceError::unavailable(dir, error))
}

fn remove(disk: &dyn Disk, path: &Path) -> Result<(), MaintenanceError> {
    match disk.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(MaintenanceError::unavailable(path, error))
        }
        _ => Ok(()),
    }
}
