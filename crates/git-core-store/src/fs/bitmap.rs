//! The bitmap of the packs of a repository: that of their multi-pack index, or `<pack>.bitmap` beside one of them.

use super::map::Mapped;
use super::midx::{FILE_NAME, companion_name};
use super::packs::open_pack;
use crate::config::Config;
use crate::walk::{BitmapOptions, BitmapWriteError, write_bitmap};
use crate::{MidxRows, PackRows, Snapshot, StoredBitmap, StoredMidx, StoredPack};
use git_core_idx::{RevFile, SharedBytes};
use git_core_object::{Context, ObjectId, ReadError};
use git_core_ref::RefName;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// The first bitmap that can be used: multi-pack indexes are asked first, then packs, in their order. One that cannot
/// is passed over with a warning: everything it says can be had without it.
pub(super) fn find(packs: &[Arc<StoredPack>], indexes: &[Arc<StoredMidx>]) -> Option<Arc<StoredBitmap>> {
    indexes.iter().find_map(|index| of_midx(index, packs)).or_else(|| packs.iter().find_map(of_pack))
}

fn of_pack(pack: &Arc<StoredPack>) -> Option<Arc<StoredBitmap>> {
    open(&Path::new(&pack.name).with_extension("bitmap"), |name, bytes| {
        StoredBitmap::of_pack(name, bytes, pack.clone()).map_err(|error| error.to_string())
    })
}

/// The bitmap of a multi-pack index that is one file. It holds for all of its packs or not at all.
fn of_midx(index: &StoredMidx, packs: &[Arc<StoredPack>]) -> Option<Arc<StoredBitmap>> {
    let path = Path::new(&index.name);
    if path.file_name().is_none_or(|name| name != FILE_NAME) {
        return None;
    }
    let companion = |extension| {
        path.with_file_name(companion_name(&index.midx.checksum())).with_added_extension(extension)
    };
    open(&companion("bitmap"), |name, bytes| {
        // Where the index does not hold the order itself, a file does.
        let rev = match index.midx.has_order() {
            true => None,
            false => Mapped::open(&companion("rev"))
                .ok()
                .and_then(|map| {
                    let (format, count) = (index.midx.format(), index.midx.count());
                    RevFile::open(SharedBytes::new(map), format, count).ok()
                })
                .filter(|rev| rev.pack_checksum() == index.midx.checksum()),
        };
        if rev.is_none() && !index.midx.has_order() {
            return Err("the order of the pseudo-pack is not there".to_owned());
        }
        let rows = MidxRows::of_stored(index, packs, rev).ok_or("a pack of its index is not there")?;
        StoredBitmap::of_midx(name, bytes, rows).map_err(|error| error.to_string())
    })
}

/// Opens a file with `make`, if it is there.
fn open(
    path: &Path,
    make: impl FnOnce(String, SharedBytes) -> Result<StoredBitmap, String>,
) -> Option<Arc<StoredBitmap>> {
    let name = path.display().to_string();
    let opened = match Mapped::open(path) {
        Ok(map) => make(name.clone(), SharedBytes::new(map)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => Err(error.to_string()),
    };
    opened.inspect_err(|why| tracing::warn!(bitmap = name, why, "a bitmap is not used")).ok().map(Arc::new)
}

/// The bytes of a bitmap for the pack at `path`, whose objects the snapshot can read, whether it knows the pack or
/// not; to be stored as `<pack>.bitmap`. Its commits are chosen from what the refs reach. `None` when no ref leads
/// to a commit of the pack.
///
/// # Errors
/// [`BitmapWriteError`] when the pack lacks something that it refers to, or cannot be read.
pub fn bitmap_of_pack(
    snapshot: &dyn Snapshot,
    path: &Path,
    options: &BitmapOptions,
    cx: &Context,
) -> Result<Option<Vec<u8>>, BitmapWriteError> {
    let pack = Arc::new(open_pack(path, snapshot.format())?);
    let name = path.display().to_string();
    let stored = StoredPack { pack, name, kept: false, promisor: false, local: true };
    write_bitmap(snapshot, &PackRows::new(Arc::new(stored)), &bitmap_tips(snapshot)?, options, cx)
}

/// How the configuration wants bitmaps to be written: `pack.writeBitmapHashCache`, `pack.writeBitmapLookupTable`
/// and `pack.preferBitmapTips`.
///
/// # Errors
/// [`BitmapWriteError`] when a variable makes no sense, or the refs cannot be read.
pub fn bitmap_options(config: &Config, snapshot: &dyn Snapshot) -> Result<BitmapOptions, BitmapWriteError> {
    let mut options = BitmapOptions::default();
    options.hash_cache = config.bool("pack.writeBitmapHashCache")?.unwrap_or(options.hash_cache);
    options.lookup_table = config.bool("pack.writeBitmapLookupTable")?.unwrap_or(options.lookup_table);
    for entry in config.get_all("pack.preferBitmapTips") {
        let mut prefix = entry.to_text()?.to_vec();
        if !prefix.ends_with(b"/") {
            prefix.push(b'/');
        }
        snapshot.for_each_ref(&prefix, &mut |found| {
            options.preferred.extend(found.target.id());
            ControlFlow::Continue(())
        })?;
    }
    Ok(options)
}

/// The tips from which the commits of a bitmap are chosen: what `HEAD` and the refs hold.
///
/// # Errors
/// [`ReadError`] when the refs cannot be read.
pub fn bitmap_tips(snapshot: &dyn Snapshot) -> Result<Vec<ObjectId>, ReadError> {
    let mut tips = Vec::new();
    tips.extend(snapshot.find_ref(&RefName::head())?.and_then(|head| head.target.id()));
    snapshot.for_each_ref(b"", &mut |found| {
        tips.extend(found.target.id());
        ControlFlow::Continue(())
    })?;
    Ok(tips)
}
