//! The multi-pack index of a directory of packs: reading the file or the chain of files, and replacing it.
//!
//! How lookups use one is the business of `pack_set`; what the bytes mean, that of `git_core_idx::midx`.

pub use super::midx_chain::write_multi_pack_layer;
pub(crate) use super::midx_verify::open_idx;
pub use super::midx_verify::{MidxFinding, verify_multi_pack_index};

use super::map::Mapped;
use super::sys::{Access, Disk};
use crate::lock::{LockError, LockFile};
use crate::walk::{BitmapOptions, BitmapWriteError, write_bitmap};
use crate::{MidxRows, Snapshot};
use git_core_idx::bitmap::BitmapFile;
use git_core_idx::midx::{
    MidxError, MidxFile, MidxOptions, MidxPack, PackNumber, PseudoPackOrder, parse_chain, write_midx,
};
use git_core_idx::{Digest, IdxError, IdxFile, SharedBytes};
use git_core_object::{BoxError, Context, ErrorKind, ObjectFormat, ObjectId, Stopped};
use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The name of the file, in the directory of the packs.
pub const FILE_NAME: &str = "multi-pack-index";

/// The directory of a chain of files, in that of the packs.
pub(super) const CHAIN_DIR: &str = "multi-pack-index.d";
/// The list of the files of a chain, in its directory.
pub(super) const CHAIN_NAME: &str = "multi-pack-index-chain";

/// What a new multi-pack index is to hold.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WriteMidx {
    /// The names of the packs' indexes (`pack-….idx`), if not all that are there.
    pub only: Option<Vec<String>>,
    /// Names of indexes to leave out.
    pub without: Vec<String>,
    /// The pack whose copies of objects are taken before others: the name of its index.
    pub preferred: Option<String>,
    /// Whether the pseudo-pack order is written, which a bitmap needs. The oldest pack is preferred then, if
    /// nobody asks for another.
    pub order: PseudoPackOrder,
}

/// A multi-pack index that was written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WrittenMidx {
    /// The file.
    pub path: PathBuf,
    /// The checksum that it ends in.
    pub checksum: Digest,
    /// The number of packs in it.
    pub packs: u32,
    /// The names of their indexes.
    pub names: Vec<String>,
    /// Its bitmap, if it has one.
    pub bitmap: Option<PathBuf>,
    /// The number of objects in it.
    pub objects: u32,
    /// Whether the preferred pack that was asked for is not among the packs.
    pub unknown_preferred: bool,
}

/// How the bitmap of a new multi-pack index is made.
#[derive(Clone, Copy)]
pub struct MidxBitmap<'a> {
    /// Where the objects are read. It may know packs that are not indexed, and need not know all that are.
    pub snapshot: &'a dyn Snapshot,
    /// The tips that its commits are chosen from; those that are not indexed are passed over.
    pub tips: &'a [ObjectId],
    /// How it is written.
    pub options: &'a BitmapOptions,
}

/// Why a multi-pack index could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MidxFileError {
    /// There is no pack to index.
    #[error("no pack files to index.")]
    NoPacks,
    /// The preferred pack has no objects.
    #[error("cannot select preferred pack {name} with no objects")]
    EmptyPreferred {
        /// The name of its index.
        name: String,
    },
    /// The index of a pack cannot be used.
    #[error("{}: {source}", .path.display())]
    Idx {
        /// The index.
        path: PathBuf,
        /// What is wrong with it.
        source: IdxError,
    },
    /// The multi-pack index itself cannot be used.
    #[error("{}: {source}", .path.display())]
    Midx {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: MidxError,
    },
    /// Its bitmap cannot be made.
    #[error(transparent)]
    Bitmap(#[from] BitmapWriteError),
    /// Somebody else is replacing it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The operation was cancelled, or met a limit.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The file system refused.
    #[error("{}", .path.display())]
    Unavailable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: BoxError,
    },
}

impl MidxFileError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            MidxFileError::NoPacks => ErrorKind::NotFound,
            MidxFileError::EmptyPreferred { .. } => ErrorKind::Invalid,
            MidxFileError::Idx { source, .. } => source.kind(),
            MidxFileError::Midx { source, .. } => source.kind(),
            MidxFileError::Bitmap(error) => error.kind(),
            MidxFileError::Lock(error) => error.kind(),
            MidxFileError::Stopped(stopped) => stopped.kind(),
            MidxFileError::Unavailable { .. } => ErrorKind::Unavailable,
        }
    }
}

pub(super) fn unavailable(path: &Path) -> impl FnOnce(io::Error) -> MidxFileError + '_ {
    |source| MidxFileError::Unavailable { path: path.to_path_buf(), source: source.into() }
}

/// The multi-pack index of the directory `objects/pack`: one file, the files of a chain (the oldest first), or
/// nothing.
///
/// # Errors
/// [`MidxFileError`] when a file is there and cannot be used.
pub fn open_midx(
    pack_dir: &Path,
    format: ObjectFormat,
) -> Result<Vec<(PathBuf, MidxFile<SharedBytes>)>, MidxFileError> {
    let open = |path: PathBuf| {
        let map = match Mapped::open(&path) {
            Ok(map) => SharedBytes::new(map),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unavailable(&path)(error)),
        };
        match MidxFile::open(map, format) {
            Ok(midx) => Ok(Some((path, midx))),
            Err(source) => Err(MidxFileError::Midx { path, source }),
        }
    };
    if let Some(single) = open(pack_dir.join(FILE_NAME))? {
        return Ok(vec![single]);
    }
    let chain_dir = pack_dir.join(CHAIN_DIR);
    let list = chain_dir.join(CHAIN_NAME);
    let text = match std::fs::read(&list) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(unavailable(&list)(error)),
    };
    let checksums =
        parse_chain(&text, format).map_err(|source| MidxFileError::Midx { path: list, source })?;
    let mut files = Vec::with_capacity(checksums.len());
    for checksum in checksums {
        // A file that is missing takes those that build on it with it.
        match open(chain_dir.join(format!("multi-pack-index-{checksum}.midx")))? {
            Some(file) => files.push(file),
            None => break,
        }
    }
    Ok(files)
}

/// A pack that is there to be indexed.
pub(super) struct Candidate {
    pub(super) name: String,
    pub(super) idx: IdxFile<SharedBytes>,
    pub(super) modified: i64,
}

/// Makes the multi-pack index of the directory `objects/pack` anew and puts it in the place of the one that is
/// there. Bitmaps that belong to another one are removed, as are the files of a chain.
///
/// # Errors
/// [`MidxFileError`]; the old one is untouched then.
pub fn write_multi_pack_index(
    pack_dir: &Path,
    format: ObjectFormat,
    disk: &Arc<dyn Disk>,
    wanted: &WriteMidx,
) -> Result<WrittenMidx, MidxFileError> {
    replace(pack_dir, format, disk, wanted, &|_| Ok(NewBitmap::Omitted))
}

/// As [`write_multi_pack_index`], with the pseudo-pack order and the bitmap of it, which is in place first. Where no tip
/// leads to a commit that is indexed, there is no bitmap; one that is there already is not made again.
///
/// # Errors
/// [`MidxFileError`], [`MidxFileError::Bitmap`] when the packs lack something that a tip among their objects reaches;
/// the old index is untouched then.
pub fn write_multi_pack_bitmap(
    pack_dir: &Path,
    format: ObjectFormat,
    disk: &Arc<dyn Disk>,
    wanted: &WriteMidx,
    bitmap: MidxBitmap<'_>,
    cx: &Context,
) -> Result<WrittenMidx, MidxFileError> {
    let wanted = WriteMidx { order: PseudoPackOrder::Written, ..wanted.clone() };
    replace(pack_dir, format, disk, &wanted, &|midx| {
        let path = pack_dir.join(companion_name(&midx.checksum())).with_added_extension("bitmap");
        let known = Mapped::open(&path).ok();
        if known.is_some_and(|map| {
            BitmapFile::open(map, midx.count(), &midx.checksum())
                .is_ok_and(|file| file.verify_checksum().is_ok())
        }) {
            return Ok(NewBitmap::Kept(path));
        }
        let rows = MidxRows::new(midx.clone(), path.display().to_string());
        let bytes = write_bitmap(bitmap.snapshot, &rows, bitmap.tips, bitmap.options, cx)?;
        Ok(bytes.map_or(NewBitmap::Omitted, NewBitmap::Made))
    })
}

/// What becomes of the bitmap of a new multi-pack index.
enum NewBitmap {
    /// It has none.
    Omitted,
    /// It is there already.
    Kept(PathBuf),
    /// The bytes of a new one.
    Made(Vec<u8>),
}

/// Writes the index, and before it the bitmap that `bitmap` makes for it.
fn replace(
    pack_dir: &Path,
    format: ObjectFormat,
    disk: &Arc<dyn Disk>,
    wanted: &WriteMidx,
    bitmap: &dyn Fn(&MidxFile<SharedBytes>) -> Result<NewBitmap, MidxFileError>,
) -> Result<WrittenMidx, MidxFileError> {
    let path = pack_dir.join(FILE_NAME);
    let mut lock = LockFile::acquire(disk, &path, Duration::ZERO)?;
    let candidates = candidates(pack_dir, format, wanted)?;
    if candidates.is_empty() {
        return Err(MidxFileError::NoPacks);
    }
    let mut preferred =
        wanted.preferred.as_ref().and_then(|name| candidates.iter().position(|pack| same(&pack.name, name)));
    let unknown_preferred = wanted.preferred.is_some() && preferred.is_none();
    if let Some(at) = preferred
        && candidates[at].idx.count() == 0
    {
        return Err(MidxFileError::EmptyPreferred { name: candidates[at].name.clone() });
    }
    if preferred.is_none() && wanted.order == PseudoPackOrder::Written {
        preferred = (0..candidates.len())
            .filter(|at| candidates[*at].idx.count() > 0)
            .min_by_key(|at| candidates[*at].modified);
    }
    let packs: Vec<MidxPack<'_, SharedBytes>> = candidates
        .iter()
        .map(|pack| MidxPack { name: &pack.name, idx: &pack.idx, modified: pack.modified })
        .collect();
    let bytes = write_midx(format, &packs, &MidxOptions { preferred, order: wanted.order })
        .map_err(|source| MidxFileError::Midx { path: path.clone(), source })?;
    let midx = MidxFile::open(SharedBytes::from(bytes), format)
        .map_err(|source| MidxFileError::Midx { path: path.clone(), source })?;
    drop(packs);
    drop(candidates);
    let mut written = WrittenMidx {
        checksum: midx.checksum(),
        packs: midx.pack_count(),
        names: midx.pack_names().map(str::to_owned).collect(),
        bitmap: None,
        objects: midx.count(),
        unknown_preferred,
        path: path.clone(),
    };
    written.bitmap = match bitmap(&midx)? {
        NewBitmap::Omitted => None,
        NewBitmap::Kept(path) => Some(path),
        NewBitmap::Made(bytes) => Some(put_bitmap(pack_dir, &**disk, &written.checksum, &bytes)?),
    };
    lock.write_all(midx.bytes().as_ref()).map_err(unavailable(&path))?;
    lock.commit().map_err(unavailable(&path))?;
    disk.sync_dir(pack_dir).map_err(unavailable(pack_dir))?;
    remove_companions(pack_dir, &**disk, Some(&written.checksum));
    Ok(written)
}

/// The name, without an ending, of the files that belong to a multi-pack index.
pub(super) fn companion_name(checksum: &Digest) -> String {
    format!("multi-pack-index-{checksum}")
}

/// Puts a bitmap in place, which nobody reads before its index is there.
fn put_bitmap(
    pack_dir: &Path,
    disk: &dyn Disk,
    checksum: &Digest,
    bytes: &[u8],
) -> Result<PathBuf, MidxFileError> {
    let path = pack_dir.join(companion_name(checksum)).with_added_extension("bitmap");
    let (scratch, mut file) = super::create_scratch(disk, pack_dir, "tmp_bitmap_", Access::ReadOnly)
        .map_err(|error| MidxFileError::Unavailable { path: path.clone(), source: error.into() })?;
    let done = file.write_all(bytes).and_then(|()| file.sync());
    drop(file);
    match done.and_then(|()| disk.rename(&scratch, &path)) {
        Ok(()) => Ok(path),
        Err(error) => {
            let _ = disk.remove_file(&scratch);
            Err(unavailable(&path)(error))
        }
    }
}

/// Whether two names mean one pack: that of its index, of the pack, or without an ending.
pub(super) fn same(name: &str, other: &str) -> bool {
    let stem = |name: &str| {
        let stem = name.strip_suffix(".idx").or_else(|| name.strip_suffix(".pack"));
        stem.unwrap_or(name).to_owned()
    };
    stem(name) == stem(other)
}

pub(super) fn candidates(
    pack_dir: &Path,
    format: ObjectFormat,
    wanted: &WriteMidx,
) -> Result<Vec<Candidate>, MidxFileError> {
    let entries = match std::fs::read_dir(pack_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unavailable(pack_dir)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(unavailable(pack_dir))?.file_name();
        let Some(name) = name.to_str().filter(|name| name.ends_with(".idx")) else { continue };
        let chosen = wanted.only.as_ref().is_none_or(|only| only.iter().any(|one| one == name));
        if !chosen || wanted.without.iter().any(|other| other == name) {
            continue;
        }
        let path = pack_dir.join(name);
        // Without its pack an index is worth nothing.
        let Ok(metadata) = path.with_extension("pack").metadata() else { continue };
        let modified = metadata.modified().ok().map_or(0, seconds);
        let map = match Mapped::open(&path) {
            Ok(map) => SharedBytes::new(map),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(unavailable(&path)(error)),
        };
        let idx =
            IdxFile::open(map, format).map_err(|source| MidxFileError::Idx { path: path.clone(), source })?;
        found.push(Candidate { name: name.to_owned(), idx, modified });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Whole seconds, as git compares them.
fn seconds(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    }
}

/// Removes the multi-pack index and all that belongs to it.
///
/// # Errors
/// [`MidxFileError`] when it is there and cannot be removed.
pub fn remove_multi_pack_index(pack_dir: &Path, disk: &dyn Disk) -> Result<(), MidxFileError> {
    let path = pack_dir.join(FILE_NAME);
    match disk.remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unavailable(&path)(error)),
        _ => {}
    }
    remove_companions(pack_dir, disk, None);
    Ok(())
}

/// Removes bitmaps and reverse indexes of multi-pack indexes other than that of `current`, and what is left of
/// a chain: all of it is found by the checksum in its name, so what stays behind does no harm.
fn remove_companions(pack_dir: &Path, disk: &dyn Disk, current: Option<&Digest>) {
    let current = current.map(companion_name);
    let remove_in = |dir: &Path, extensions: &[&str]| {
        let Ok(entries) = std::fs::read_dir(dir) else { return };
        for name in entries.flatten().map(|entry| entry.file_name()) {
            let path = Path::new(&name);
            let ours = name.as_encoded_bytes().starts_with(b"multi-pack-index-");
            let is_current =
                current.as_ref().is_some_and(|stem| path.file_stem() == Some(OsStr::new(&stem[..])));
            let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
            if ours && !is_current && extensions.contains(&extension) {
                let _ = disk.remove_file(&dir.join(path));
            }
        }
    };
    remove_in(pack_dir, &["bitmap", "rev"]);
    let chain_dir = pack_dir.join(CHAIN_DIR);
    if disk.remove_file(&chain_dir.join(CHAIN_NAME)).is_ok() {
        remove_in(&chain_dir, &["midx", "bitmap", "rev"]);
        let _ = disk.remove_dir(&chain_dir);
    }
}

/// Whether what a multi-pack index says of a pack is true of this index, as far as a few rows tell: a pack can
/// be written again under its name with its entries in other places.
pub(crate) fn agrees<A: AsRef<[u8]>, B: AsRef<[u8]>>(
    midx: &MidxFile<A>,
    pack: PackNumber,
    idx: &IdxFile<B>,
) -> bool {
    let Some(last) = idx.count().checked_sub(1) else { return true };
    [0, last / 3, last / 3 * 2, last].into_iter().map(git_core_idx::IdxPosition).all(|row| {
        // Every object of a pack that the file knows is in the file, from this pack or another one.
        let Some(position) = midx.lookup(&idx.id_at(row)) else { return false };
        match midx.location_at(position) {
            Ok(found) => found.pack != pack || Ok(found.offset) == idx.offset_at(row),
            Err(_) => false,
        }
    })
}
