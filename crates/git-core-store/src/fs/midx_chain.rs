//! Extending a multi-pack index by a file of the packs that came since (`multi-pack-index write --incremental`).
//!
//! The chain is a list of files, the oldest first. A file is in place before the list names it, and a single file that
//! the chain takes over goes last: until then it is the one that readers look at.

use super::map::Mapped;
use super::midx::{
    CHAIN_DIR, CHAIN_NAME, FILE_NAME, MidxFileError, WriteMidx, candidates, companion_name, open_midx, same,
    unavailable,
};
use super::sys::{Access, Disk};
use crate::lock::LockFile;
use git_core_idx::midx::{MidxFile, MidxOptions, MidxPack, write_midx_layer};
use git_core_idx::{Digest, SharedBytes};
use git_core_object::{ObjectFormat, ObjectId};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Adds a file to the multi-pack index of the directory `objects/pack`, for the packs that it does not name and the
/// objects that it does not find; gives the file, or nothing where there is nothing to add. An index of one file becomes
/// the first of the chain. One that names a pack which is gone, or that is damaged, is made anew instead.
///
/// # Errors
/// [`MidxFileError`]; what was there is untouched then.
pub fn write_multi_pack_layer(
    pack_dir: &Path,
    format: ObjectFormat,
    disk: &Arc<dyn Disk>,
    wanted: &WriteMidx,
) -> Result<Option<PathBuf>, MidxFileError> {
    let single = pack_dir.join(FILE_NAME);
    let chain_dir = pack_dir.join(CHAIN_DIR);
    disk.create_dir_all(&chain_dir).map_err(unavailable(&chain_dir))?;
    // Others replace the single file under this lock.
    let single_lock = LockFile::acquire(disk, &single, Duration::ZERO)?;
    let mut list_lock = LockFile::acquire(disk, &chain_dir.join(CHAIN_NAME), Duration::ZERO)?;

    let base = usable(pack_dir, format);
    let mut wanted = wanted.clone();
    wanted.without.extend(base.iter().flat_map(MidxFile::pack_names).map(str::to_owned));
    let new = candidates(pack_dir, format, &wanted)?;
    let preferred =
        wanted.preferred.as_ref().and_then(|name| new.iter().position(|pack| same(&pack.name, name)));
    if let Some(at) = preferred
        && new[at].idx.count() == 0
    {
        return Err(MidxFileError::EmptyPreferred { name: new[at].name.clone() });
    }
    let packs: Vec<MidxPack<'_, SharedBytes>> = new
        .iter()
        .map(|pack| MidxPack { name: &pack.name, idx: &pack.idx, modified: pack.modified })
        .collect();
    let options = MidxOptions { preferred, order: wanted.order };
    let damaged = |source| MidxFileError::Midx { path: chain_dir.clone(), source };
    let known = |id: &ObjectId| base.iter().any(|midx| midx.lookup(id).is_some());
    let bytes = write_midx_layer(format, &packs, &options, &known).map_err(damaged)?;
    let layer = MidxFile::open(SharedBytes::from(bytes), format).map_err(damaged)?;
    // A file without objects would be refused by whoever verifies it.
    if layer.count() == 0 {
        return Ok(None);
    }
    drop(packs);
    drop(new);

    let mut names = HashSet::new();
    for midx in base.iter().chain([&layer]) {
        let name = put(&chain_dir, &**disk, midx)?;
        names.insert(name);
        writeln!(list_lock, "{}", midx.checksum()).map_err(unavailable(&chain_dir))?;
    }
    disk.sync_dir(&chain_dir).map_err(unavailable(&chain_dir))?;
    list_lock.commit().map_err(unavailable(&chain_dir))?;
    disk.sync_dir(&chain_dir).map_err(unavailable(&chain_dir))?;
    match disk.remove_file(&single) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unavailable(&single)(error)),
        _ => {}
    }
    drop(single_lock);
    disk.sync_dir(pack_dir).map_err(unavailable(pack_dir))?;
    remove_others(pack_dir, &**disk, &HashSet::new(), &["bitmap", "rev"]);
    remove_others(&chain_dir, &**disk, &names, &["midx", "bitmap", "rev"]);
    Ok(Some(layer_path(&chain_dir, &layer.checksum())))
}

/// The files that can be built on: all that are there, or none.
fn usable(pack_dir: &Path, format: ObjectFormat) -> Vec<MidxFile<SharedBytes>> {
    let Ok(files) = open_midx(pack_dir, format) else { return Vec::new() };
    let is_whole = files.iter().all(|(_, midx)| {
        midx.checksum_matches()
            && midx.pack_names().all(|name| {
                let path = pack_dir.join(name);
                path.exists() && path.with_extension("pack").exists()
            })
    });
    if is_whole { files.into_iter().map(|(_, midx)| midx).collect() } else { Vec::new() }
}

fn layer_path(chain_dir: &Path, checksum: &Digest) -> PathBuf {
    chain_dir.join(companion_name(checksum)).with_added_extension("midx")
}

/// Puts a file where the chain finds it, unless it is there; gives its name.
fn put(chain_dir: &Path, disk: &dyn Disk, midx: &MidxFile<SharedBytes>) -> Result<OsString, MidxFileError> {
    let path = layer_path(chain_dir, &midx.checksum());
    let name = path.file_name().map(ToOwned::to_owned).unwrap_or_default();
    let bytes: &[u8] = midx.bytes().as_ref();
    if Mapped::open(&path).is_ok_and(|known| known.as_ref() == bytes) {
        return Ok(name);
    }
    let (scratch, mut file) = super::create_scratch(disk, chain_dir, "tmp_midx_", Access::ReadOnly)
        .map_err(|error| MidxFileError::Unavailable { path: path.clone(), source: error.into() })?;
    let done = file.write_all(bytes).and_then(|()| file.sync());
    drop(file);
    match done.and_then(|()| disk.rename(&scratch, &path)) {
        Ok(()) => Ok(name),
        Err(error) => {
            let _ = disk.remove_file(&scratch);
            Err(unavailable(&path)(error))
        }
    }
}

/// Removes what belongs to indexes that are no longer in use; what stays behind does no harm.
fn remove_others(dir: &Path, disk: &dyn Disk, current: &HashSet<OsString>, extensions: &[&str]) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for name in entries.flatten().map(|entry| entry.file_name()) {
        let extension = Path::new(&name).extension().and_then(OsStr::to_str);
        let ours = name.as_encoded_bytes().starts_with(b"multi-pack-index-");
        if ours && !current.contains(&name) && extension.is_some_and(|found| extensions.contains(&found)) {
            let _ = disk.remove_file(&dir.join(&name));
        }
    }
}
