//! Removing the packs in which a multi-pack index finds nothing (`multi-pack-index expire`).
//!
//! All their objects are in other packs, or the index would find one there. That is looked at once more, object by
//! object, in the index that is written without them, before the first of their files goes.

use super::listed::Listed;
use super::remove;
use crate::fs::FsStorage;
use crate::fs::midx::{MidxFileError, WriteMidx, open_idx, open_midx, write_multi_pack_index};
use crate::maintenance::MaintenanceError;
use git_core_idx::SharedBytes;
use git_core_idx::midx::MidxFile;
use git_core_object::{Context, Objects as _};
use std::path::{Path, PathBuf};

/// Removes the packs of `objects/pack` in the object directory `directory`, that of the repository or one that it
/// borrows from, in which the multi-pack index finds no object, and writes the index anew without them. Gives the
/// packs that are gone. Packs with a `.keep` file stay, as do cruft packs and those of a promisor, whose files say
/// what no other pack says of their objects.
///
/// # Errors
/// [`MaintenanceError`]: every object is still there.
pub fn expire_packs(
    storage: &FsStorage,
    directory: &Path,
    cx: &Context,
) -> Result<Vec<PathBuf>, MaintenanceError> {
    let (format, disk) = (storage.objects().format(), storage.objects().disk());
    let dir = directory.join("pack");
    let refusal = "cannot expire packs from an incremental multi-pack-index";
    let Some(listed) = Listed::read(&dir, format, refusal, cx)? else { return Ok(Vec::new()) };
    let stays = ["keep", "mtimes", "promisor"];
    let unused = listed.packs.into_iter().filter(|pack| pack.referenced == 0);
    let mut going: Vec<PathBuf> = unused
        .filter(|pack| !stays.iter().any(|extension| pack.has(extension)))
        .map(|pack| pack.path)
        .collect();
    if going.is_empty() || listed.midx.count() == 0 {
        return Ok(Vec::new());
    }
    let mut wanted = WriteMidx::default();
    let names = going.iter().filter_map(|path| path.with_extension("idx").file_name().map(ToOwned::to_owned));
    wanted.without = names.filter_map(|name| name.into_string().ok()).collect();
    let written = match write_multi_pack_index(&dir, format, disk, &wanted) {
        // What the index leads to is gone: nothing is without use.
        Err(MidxFileError::NoPacks) => return Ok(Vec::new()),
        written => written?,
    };

    let current: Vec<MidxFile<SharedBytes>> =
        open_midx(&dir, format)?.into_iter().map(|(_, midx)| midx).collect();
    let is_there = current.iter().all(|midx| {
        midx.checksum() == written.checksum
            && midx.pack_names().all(|name| dir.join(name).with_extension("pack").exists())
    });
    if current.is_empty() || !is_there {
        tracing::warn!("another multi-pack-index is there by now; no pack is removed");
        return Ok(Vec::new());
    }
    going.retain(|path| {
        let spared = path.with_extension("keep").exists() || !is_covered(path, &current);
        if spared {
            tracing::warn!(pack = %path.display(), "a pack is not removed: it is needed by now");
        }
        !spared
    });
    cx.check()?;
    remove::files(&**disk, &dir, &going)?;
    Ok(going)
}

/// Whether every object of a pack is found by one of these indexes. A pack without an index has none.
fn is_covered(path: &Path, indexes: &[MidxFile<SharedBytes>]) -> bool {
    let path = path.with_extension("idx");
    let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return false;
    };
    if !path.exists() {
        return true;
    }
    let idx = indexes.first().and_then(|midx| open_idx(dir, name, midx.format()));
    idx.is_some_and(|idx| idx.ids().all(|id| indexes.iter().any(|midx| midx.lookup(&id).is_some())))
}
