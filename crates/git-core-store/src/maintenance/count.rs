//! How many objects there are, how much room they take, and which files do not belong.

use super::MaintenanceError;
use super::files::{fan_out, names_if_any};
use crate::fs::FsObjects;
use git_core_object::{Context, Objects as _};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::path::{Component, Path, PathBuf};

/// What is in the object directory of a repository, alternates left out.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ObjectCounts {
    /// Loose objects.
    pub loose: u64,
    /// Bytes that the loose objects take on the disk.
    pub loose_bytes: u64,
    /// Entries of packs; an object in two packs counts twice.
    pub packed: u64,
    /// Packs.
    pub packs: u64,
    /// Bytes of the packs and their indexes.
    pub pack_bytes: u64,
    /// Loose objects that are packed too, alternates' packs included.
    pub prune_packable: u64,
    /// Files that are no part of the object database, those among the packs of alternates too.
    pub garbage: Vec<Garbage>,
    /// The object directories that objects are borrowed from.
    pub alternates: Vec<PathBuf>,
}

/// A file that is no part of the object database.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Garbage {
    /// Where it lies.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// What is wrong with it.
    pub kind: GarbageKind,
}

/// Why a file is no part of the object database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum GarbageKind {
    /// Its name says nothing.
    Unknown,
    /// A pack, or what belongs to one, without its index.
    NoIdx,
    /// An index, or what belongs to one, without its pack.
    NoPack,
    /// What belongs to a pack, without pack and index.
    NoIdxOrPack,
}

/// Counts the objects of a repository.
///
/// # Errors
/// [`MaintenanceError`] when a directory or an index cannot be read.
pub fn count_objects(objects: &FsObjects, cx: &Context) -> Result<ObjectCounts, MaintenanceError> {
    let mut counts = ObjectCounts {
        alternates: objects.alternates().iter().map(|path| normal(path)).collect(),
        ..ObjectCounts::default()
    };
    let snapshot = objects.pack_snapshot()?;
    for dir in std::iter::once(objects.dir().to_path_buf()).chain(counts.alternates.clone()) {
        let (pack_dir, mut sets) = (dir.join("pack"), PackFiles::default());
        for name in names_if_any(&pack_dir)? {
            sets.add(&pack_dir, &name, &mut counts.garbage);
        }
        sets.garbage(&mut counts.garbage);
    }
    for pack in snapshot.iter().filter(|pack| pack.local) {
        counts.packs += 1;
        counts.packed += u64::from(pack.pack.count());
        let stem = Path::new(&pack.name).with_extension("");
        for extension in ["pack", "idx"] {
            // Removed meanwhile, otherwise.
            if let Ok(metadata) = stem.with_added_extension(extension).metadata() {
                counts.pack_bytes += metadata.len();
            }
        }
    }
    let mut at = 0u64;
    fan_out(
        objects.dir(),
        objects.format(),
        &mut |file| {
            at += 1;
            if at.is_multiple_of(1 << 10) {
                cx.check()?;
            }
            let Ok(metadata) = file.path.symlink_metadata() else { return Ok(()) };
            match file.id {
                Some(id) => {
                    counts.loose += 1;
                    counts.loose_bytes += on_disk(&metadata);
                    let packed = snapshot.iter().any(|pack| pack.pack.idx().lookup(&id).is_some());
                    counts.prune_packable += u64::from(packed);
                }
                None => counts.garbage.push(Garbage {
                    path: file.path,
                    bytes: metadata.len(),
                    kind: GarbageKind::Unknown,
                }),
            }
            Ok(())
        },
        &mut |_| {},
    )?;
    Ok(counts)
}

/// The path without `.` and `..`, as far as its text tells.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some() => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(unix)]
fn on_disk(metadata: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.blocks().saturating_mul(512)
}

#[cfg(not(unix))]
fn on_disk(metadata: &Metadata) -> u64 {
    metadata.len()
}

/// The files of `objects/pack` by what they belong to.
#[derive(Default)]
struct PackFiles {
    by_stem: BTreeMap<PathBuf, Vec<PathBuf>>,
}

impl PackFiles {
    fn add(&mut self, dir: &Path, name: &OsStr, garbage: &mut Vec<Garbage>) {
        const EXTENSIONS: [&str; 7] = ["bitmap", "idx", "keep", "mtimes", "pack", "promisor", "rev"];
        let path = dir.join(name);
        let bytes = name.as_encoded_bytes();
        if bytes.starts_with(b"multi-pack-index") {
            return;
        }
        match path.extension().and_then(OsStr::to_str) {
            Some(extension) if EXTENSIONS.contains(&extension) => {
                self.by_stem.entry(path.with_extension("")).or_default().push(path);
            }
            _ => garbage.extend(Garbage::of(path, GarbageKind::Unknown)),
        }
    }

    fn garbage(self, garbage: &mut Vec<Garbage>) {
        for files in self.by_stem.into_values() {
            let has = |wanted: &str| {
                files.iter().any(|file| file.extension().is_some_and(|extension| extension == wanted))
            };
            let kind = match (has("pack"), has("idx")) {
                (true, true) => continue,
                (true, false) => GarbageKind::NoIdx,
                (false, true) => GarbageKind::NoPack,
                (false, false) => GarbageKind::NoIdxOrPack,
            };
            garbage.extend(files.into_iter().filter_map(|file| Garbage::of(file, kind)));
        }
    }
}

impl Garbage {
    /// `None` for what is gone by now, and for directories.
    fn of(path: PathBuf, kind: GarbageKind) -> Option<Self> {
        let metadata = path.symlink_metadata().ok()?;
        (!metadata.is_dir()).then_some(Garbage { bytes: metadata.len(), path, kind })
    }
}
