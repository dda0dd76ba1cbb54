//! The packs of the object directories: finding them, opening them, noticing that there are others by now.
//!
//! A [`PackList`] never changes; when packs came or went, [`PackList::rescan`] makes another one that shares
//! the packs both have. Whoever holds a list keeps its packs readable, even after their files are gone.

use super::map::Mapped;
use super::midx::{agrees, open_midx};
use crate::pack_set::{PackSet, Readers};
use crate::{StoredBitmap, StoredMidx, StoredPack};
use git_core_idx::midx::{MidxFile, PackNumber};
use git_core_idx::{IdxFile, RevFile, ReverseIndex, SharedBytes};
use git_core_object::{ObjectFormat, ReadError};
use git_core_pack::{DeltaCache, Pack, PackOptions};
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

/// How packs are opened.
#[derive(Clone, Debug)]
pub(crate) struct OpenOptions {
    pub(crate) format: ObjectFormat,
    pub(crate) cache: Arc<DeltaCache>,
    pub(crate) object_bytes: u64,
    /// Whether multi-pack indexes are used.
    pub(crate) multi_pack_index: bool,
}

/// A directory that packs lie in.
#[derive(Clone, Debug)]
pub(crate) struct PackDir {
    /// `objects/pack`.
    pub(crate) path: PathBuf,
    /// Whether it belongs to the repository itself rather than to an alternate.
    pub(crate) local: bool,
}

/// The packs there were at one moment: those of the repository first, younger ones before older ones.
pub(crate) struct PackList {
    set: PackSet,
    /// What each pack was opened from, in the same order.
    origins: Vec<Origin>,
    /// Packs that could not be opened, and why.
    broken: Vec<(Origin, String)>,
    /// How each directory looked when it was read.
    states: Vec<DirState>,
    /// Opened when it is first asked for.
    bitmap: OnceLock<Option<Arc<StoredBitmap>>>,
}

/// The files of one pack. A pack is opened anew when any of this changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Origin {
    /// The path without `.pack`.
    stem: PathBuf,
    idx_len: u64,
    idx_modified: Option<SystemTime>,
    kept: bool,
    promisor: bool,
    local: bool,
}

/// What of a directory tells that files came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DirState {
    Missing,
    /// Its time of change, long enough before it was read that every later change gets another time.
    Settled(SystemTime),
    /// Changed so recently that a further change might leave the same time.
    Unsettled,
}

impl PackList {
    /// The list of no directory, to [`rescan`](Self::rescan) from.
    pub(crate) fn empty(readers: Arc<Readers>) -> Self {
        let set = PackSet::new(Vec::new(), readers);
        PackList { set, origins: Vec::new(), broken: Vec::new(), states: Vec::new(), bitmap: OnceLock::new() }
    }

    pub(crate) fn set(&self) -> &PackSet {
        &self.set
    }

    /// The bitmap of these packs, if there is one that can be used.
    pub(crate) fn bitmap(&self) -> Option<Arc<StoredBitmap>> {
        self.bitmap.get_or_init(|| super::bitmap::find(self.set.packs(), self.set.indexes())).clone()
    }

    /// Packs that are there and cannot be opened.
    pub(crate) fn broken(&self) -> Option<ReadError> {
        self.broken.first().map(|(origin, why)| ReadError::corrupt(pack_path(&origin.stem).display(), why))
    }

    /// Whether no directory has changed since this list was made.
    pub(crate) fn is_current(&self, dirs: &[PackDir]) -> bool {
        self.states.len() == dirs.len()
            && self.states.iter().zip(dirs).all(|(state, dir)| match state {
                DirState::Unsettled => false,
                DirState::Missing | DirState::Settled(_) => *state == look(&dir.path),
            })
    }

    /// Reads the directories again and opens the packs that `self` does not have.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when a directory cannot be read. A pack that cannot be opened is left out with
    /// a warning, so that the others stay readable.
    pub(crate) fn rescan(&self, dirs: &[PackDir], options: &OpenOptions) -> Result<PackList, ReadError> {
        let mut states = Vec::with_capacity(dirs.len());
        let mut found = Vec::new();
        for dir in dirs {
            // Before the listing, so that what changes meanwhile is noticed by the next look.
            states.push(look(&dir.path));
            list(dir, &mut found)?;
        }
        found.sort_by(|a, b| {
            b.local
                .cmp(&a.local)
                .then_with(|| b.idx_modified.cmp(&a.idx_modified))
                .then_with(|| a.stem.cmp(&b.stem))
        });
        let known: HashMap<&Origin, &Arc<StoredPack>> = self.origins.iter().zip(self.set.packs()).collect();
        let (mut packs, mut origins, mut broken) = (Vec::new(), Vec::new(), Vec::new());
        for origin in found {
            if let Some(pack) = known.get(&origin) {
                packs.push(Arc::clone(pack));
                origins.push(origin);
                continue;
            }
            if let Some((_, why)) = self.broken.iter().find(|(broken, _)| *broken == origin) {
                broken.push((origin, why.clone()));
                continue;
            }
            match open(&origin, options) {
                Ok(Some(pack)) => {
                    packs.push(Arc::new(pack));
                    origins.push(origin);
                }
                Ok(None) => {}
                Err(why) => {
                    tracing::warn!(pack = %pack_path(&origin.stem).display(), why, "a pack cannot be opened");
                    broken.push((origin, why));
                }
            }
        }
        let indexes = match options.multi_pack_index {
            true => dirs.iter().flat_map(|dir| indexes(dir, options.format, &packs, &origins)).collect(),
            false => Vec::new(),
        };
        let set = PackSet::with_indexes(packs, indexes, self.set.readers().clone());
        Ok(PackList { set, origins, broken, states, bitmap: OnceLock::new() })
    }
}

/// The multi-pack indexes of a directory. One that cannot be used is left out with a warning: the packs have
/// indexes of their own.
fn indexes(
    dir: &PackDir,
    format: ObjectFormat,
    packs: &[Arc<StoredPack>],
    origins: &[Origin],
) -> Vec<Arc<StoredMidx>> {
    let files = match open_midx(&dir.path, format) {
        Ok(files) if files.is_empty() => return Vec::new(),
        Ok(files) => files,
        Err(error) => {
            tracing::warn!(%error, "a multi-pack-index is ignored");
            return Vec::new();
        }
    };
    let by_stem: HashMap<&Path, u32> =
        (0..).zip(origins).map(|(at, origin)| (origin.stem.as_path(), at)).collect();
    let here = |midx: &MidxFile<SharedBytes>, pack: PackNumber| {
        let stem = dir.path.join(midx.pack_name(pack).trim_end_matches(".idx"));
        let at = *by_stem.get(stem.as_path())?;
        agrees(midx, pack, packs[at as usize].pack.idx()).then_some(at)
    };
    files
        .into_iter()
        .map(|(path, midx)| {
            let packs = (0..midx.pack_count()).map(|pack| here(&midx, PackNumber(pack))).collect();
            Arc::new(StoredMidx { midx, packs, name: path.display().to_string(), local: dir.local })
        })
        .collect()
}

/// How the directory looks now.
fn look(dir: &Path) -> DirState {
    let Ok(modified) = dir.metadata().and_then(|metadata| metadata.modified()) else {
        return DirState::Missing;
    };
    // Times come from a coarse clock; file systems without fractions of seconds need two whole ones.
    let whole = modified.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since.subsec_nanos() == 0);
    let granularity = if whole { Duration::from_secs(2) } else { Duration::from_millis(50) };
    match SystemTime::now().duration_since(modified) {
        Ok(age) if age > granularity => DirState::Settled(modified),
        _ => DirState::Unsettled,
    }
}

/// Appends every index of the directory that has a pack beside it.
fn list(dir: &PackDir, found: &mut Vec<Origin>) -> Result<(), ReadError> {
    let unavailable = |error: io::Error| ReadError::unavailable(dir.path.display(), error);
    let entries = match std::fs::read_dir(&dir.path) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(error) => return Err(unavailable(error)),
    };
    let mut names = HashSet::<OsString>::new();
    for entry in entries {
        names.insert(entry.map_err(unavailable)?.file_name());
    }
    let with =
        |stem: &Path, extension: &str| names.contains(stem.with_added_extension(extension).as_os_str());
    for name in &names {
        let name = Path::new(name);
        if name.extension().is_none_or(|extension| extension != "idx") {
            continue;
        }
        let stem = name.with_extension("");
        if !with(&stem, "pack") {
            continue;
        }
        // Removed since it was listed, otherwise.
        let Ok(metadata) = dir.path.join(name).metadata() else { continue };
        found.push(Origin {
            idx_len: metadata.len(),
            idx_modified: metadata.modified().ok(),
            kept: with(&stem, "keep"),
            promisor: with(&stem, "promisor"),
            local: dir.local,
            stem: dir.path.join(stem),
        });
    }
    Ok(())
}

fn pack_path(stem: &Path) -> PathBuf {
    stem.with_added_extension("pack")
}

/// `None` when a file has gone since the directory was listed.
fn open(origin: &Origin, options: &OpenOptions) -> Result<Option<StoredPack>, String> {
    let map = |extension: &str| {
        let path = origin.stem.with_added_extension(extension);
        match Mapped::open(&path) {
            Ok(map) => Ok(Some(SharedBytes::new(map))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("cannot open {}: {error}", path.display())),
        }
    };
    let (Some(idx), Some(data)) = (map("idx")?, map("pack")?) else { return Ok(None) };
    let rev = map("rev").unwrap_or_default();
    let name = pack_path(&origin.stem).display().to_string();
    let pack = Arc::new(open_mapped(name.clone(), data, idx, rev, options)?);
    Ok(Some(StoredPack { pack, name, kept: origin.kept, promisor: origin.promisor, local: origin.local }))
}

fn open_mapped(
    name: String,
    data: SharedBytes,
    idx: SharedBytes,
    rev: Option<SharedBytes>,
    options: &OpenOptions,
) -> Result<Pack, String> {
    let idx = IdxFile::open(idx, options.format).map_err(|error| error.to_string())?;
    // What a `.rev` file says can be had without it.
    let reverse = rev
        .and_then(|rev| RevFile::open(rev, options.format, idx.count()).ok())
        .filter(|rev| rev.pack_checksum() == idx.pack_checksum())
        .map(ReverseIndex::from_file);
    let pack_options =
        PackOptions { name, reverse, cache: options.cache.clone(), object_bytes: options.object_bytes };
    Pack::open(Arc::new(data), idx, pack_options).map_err(|error| {
        let source =
            std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        format!("{error}{source}")
    })
}

/// Opens one pack by its path, whether a repository knows of it or not. The index lies beside it.
///
/// # Errors
/// [`ReadError::Unavailable`] when one of the two files is not there or cannot be read, [`ReadError::Corrupt`]
/// when they make no sense.
pub fn open_pack(path: &Path, format: ObjectFormat) -> Result<Pack, ReadError> {
    let map = |path: &Path| {
        let mapped = Mapped::open(path).map_err(|error| ReadError::unavailable(path.display(), error))?;
        Ok::<_, ReadError>(SharedBytes::new(mapped))
    };
    let idx = map(&path.with_extension("idx"))?;
    let data = map(path)?;
    let options = OpenOptions {
        format,
        cache: Arc::default(),
        object_bytes: git_core_object::Limits::default().object_bytes,
        multi_pack_index: false,
    };
    open_mapped(path.display().to_string(), data, idx, None, &options)
        .map_err(|why| ReadError::corrupt(path.display(), why))
}

/// Opens the pack `<stem>.pack` that lies outside of the directories that are searched: a received one.
pub(crate) fn open_received(
    stem: &Path,
    flags: Received,
    options: &OpenOptions,
) -> Result<StoredPack, ReadError> {
    let origin = Origin {
        stem: stem.to_path_buf(),
        idx_len: 0,
        idx_modified: None,
        kept: flags.kept,
        promisor: flags.promisor,
        local: true,
    };
    let location = pack_path(stem);
    match open(&origin, options) {
        Ok(Some(pack)) => Ok(pack),
        Ok(None) => Err(ReadError::unavailable(location.display(), io::Error::from(io::ErrorKind::NotFound))),
        Err(why) => Err(ReadError::corrupt(location.display(), why)),
    }
}

/// What is known of a received pack.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Received {
    pub(crate) kept: bool,
    pub(crate) promisor: bool,
}

/// Opens a pack whose index is in memory.
pub(crate) fn open_with_idx(path: &Path, idx: Vec<u8>, options: &OpenOptions) -> Result<Pack, ReadError> {
    let data = Mapped::open(path).map_err(|error| ReadError::unavailable(path.display(), error))?;
    let name = path.display().to_string();
    open_mapped(name, SharedBytes::new(data), idx.into(), None, options)
        .map_err(|why| ReadError::corrupt(path.display(), why))
}
