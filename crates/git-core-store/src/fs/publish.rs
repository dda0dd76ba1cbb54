//! Making received objects part of the repository: flushed, then named, then the names flushed.
//!
//! A pack becomes visible by its index, which is therefore the last of its files to get its name. Whatever is
//! there already under the same name stays, since names say the content.

use super::quarantine::FsQuarantine;
use super::sys::{Access, Disk};
use crate::ReceiveError;
use git_core_object::ReadError;
use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The files of a pack in the order in which they get their names.
const ORDER: [&str; 5] = ["keep", "promisor", "pack", "rev", "idx"];

/// Packs that are protected from maintenance by a `.keep` file until this is dropped.
pub(super) struct Protected<'a> {
    disk: &'a dyn Disk,
    keeps: Vec<PathBuf>,
}

impl Drop for Protected<'_> {
    fn drop(&mut self) {
        for keep in &self.keeps {
            let _ = self.disk.remove_file(keep);
        }
    }
}

/// Publishes what the quarantines hold and flushes it. With `protect`, new packs get a `.keep` file for as
/// long as the result lives, since no ref leads to their objects yet.
pub(super) fn publish<'a>(
    quarantines: &[FsQuarantine],
    objects_dir: &Path,
    disk: &'a dyn Disk,
    protect: Protect,
) -> Result<Protected<'a>, ReceiveError> {
    let mut files = Vec::new();
    for quarantine in quarantines {
        files.extend(quarantine.written().iter().map(|id| quarantine.loose().path(id)));
        files.extend(quarantine.stems().iter().flat_map(|stem| files_of(stem)));
    }
    let failed = |error: io::Error| ReceiveError::unavailable(objects_dir.display(), error);
    disk.sync_files(&files).map_err(failed)?;

    let mut protected = Protected { disk, keeps: Vec::new() };
    let mut changed = BTreeSet::new();
    for quarantine in quarantines {
        let writer = quarantine.objects().writer(objects_dir);
        for id in quarantine.written() {
            let path = writer.publish(&quarantine.loose().path(id), id).map_err(failed)?;
            changed.extend(path.parent().map(Path::to_path_buf));
        }
        for stem in quarantine.stems() {
            let pack_dir = objects_dir.join("pack");
            disk.create_dir_all(&pack_dir).map_err(failed)?;
            publish_pack(stem, &pack_dir, disk, protect, &mut protected.keeps)?;
            changed.insert(pack_dir);
        }
    }
    if !changed.is_empty() {
        // Fan-out directories may be new themselves.
        changed.insert(objects_dir.to_path_buf());
        let changed: Vec<PathBuf> = changed.into_iter().collect();
        disk.sync_dirs(&changed).map_err(failed)?;
    }
    Ok(protected)
}

/// Whether packs need protection between the moment they are visible and the one refs lead to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protect {
    UntilDropped,
    No,
}

fn files_of(stem: &Path) -> impl Iterator<Item = PathBuf> + '_ {
    ORDER.into_iter().map(|extension| stem.with_added_extension(extension)).filter(|path| path.exists())
}

fn publish_pack(
    stem: &Path,
    pack_dir: &Path,
    disk: &dyn Disk,
    protect: Protect,
    keeps: &mut Vec<PathBuf>,
) -> Result<(), ReceiveError> {
    let Some(name) = stem.file_name() else { return Ok(()) };
    let target = pack_dir.join(name);
    let keep = target.with_added_extension("keep");
    let is_new = !target.with_added_extension("idx").exists();
    if is_new && protect == Protect::UntilDropped && !stem.with_added_extension("keep").exists() {
        match disk.create_new(&keep, Access::Writable) {
            Ok(mut file) => {
                keeps.push(keep);
                let _ = file.write_all(b"git-core receiving\n");
            }
            // Somebody else protects a pack of this name.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(ReceiveError::unavailable(keep.display(), error)),
        }
    }
    for from in files_of(stem) {
        let Some(extension) = from.extension() else { continue };
        let to = target.with_added_extension(extension);
        match disk.publish(&from, &to) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check_equal(&from, &to)?,
            Err(error) => return Err(ReceiveError::unavailable(to.display(), error)),
        }
    }
    Ok(())
}

/// A pack of the same name has the same content; one that has not is damaged.
fn check_equal(ours: &Path, theirs: &Path) -> Result<(), ReceiveError> {
    let length = |path: &Path| path.metadata().map(|metadata| metadata.len()).ok();
    let by_content =
        !ours.extension().is_some_and(|extension| extension == "keep" || extension == "promisor");
    let (expected, actual) = (length(ours), length(theirs));
    if by_content && expected.is_some() && actual.is_some() && expected != actual {
        let detail = "a file of this name is there already, and is not of the same length";
        return Err(ReadError::corrupt(theirs.display(), detail).into());
    }
    Ok(())
}
