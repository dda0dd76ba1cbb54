//! What lies in an object directory: loose objects, and files that are none.

use super::MaintenanceError;
use bstr::ByteSlice as _;
use git_core_object::{ObjectFormat, ObjectId};
use std::io;
use std::path::{Path, PathBuf};

/// Whether files are removed, or it is only told which ones would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DryRun {
    /// They are removed.
    #[default]
    No,
    /// Nothing changes.
    Yes,
}

/// A file in a fan-out directory.
pub(super) struct FanOutFile {
    pub(super) path: PathBuf,
    /// The object it is named after; none for other files.
    pub(super) id: Option<ObjectId>,
}

/// Visits the files of the fan-out directories in order: first those of `00`, objects sorted by id before
/// others. `left` is called after each directory that is there.
pub(super) fn fan_out(
    objects_dir: &Path,
    format: ObjectFormat,
    visit: &mut dyn FnMut(FanOutFile) -> Result<(), MaintenanceError>,
    left: &mut dyn FnMut(&Path),
) -> Result<(), MaintenanceError> {
    for first in 0..=255u8 {
        let name = format!("{first:02x}");
        let dir = objects_dir.join(&name);
        let mut files = Vec::new();
        match names(&dir) {
            Ok(found) => {
                for file in found {
                    let mut hex = name.clone().into_bytes();
                    hex.extend_from_slice(file.as_encoded_bytes());
                    let lower = !hex.iter().any(u8::is_ascii_uppercase);
                    let id = ObjectId::from_hex_of(format, &hex).ok().filter(|_| lower);
                    files.push((id.is_none(), id, dir.join(file)));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(MaintenanceError::unavailable(&dir, error)),
        }
        files.sort_unstable();
        for (_, id, path) in files {
            visit(FanOutFile { path, id })?;
        }
        left(&dir);
    }
    Ok(())
}

/// The names in a directory, in no order.
pub(super) fn names(dir: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    std::fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
}

/// As [`names`]; none for a directory that is not there.
pub(super) fn names_if_any(dir: &Path) -> Result<Vec<std::ffi::OsString>, MaintenanceError> {
    match names(dir) {
        Ok(mut names) => {
            names.sort_unstable();
            Ok(names)
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(MaintenanceError::unavailable(dir, error)),
    }
}

/// When a file was changed last, in seconds since 1970.
pub(super) fn modified(metadata: &std::fs::Metadata) -> i64 {
    match metadata.modified().map(|time| time.duration_since(std::time::UNIX_EPOCH)) {
        Ok(Ok(since)) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Ok(Err(before)) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
        // What does not tell its age is young.
        Err(_) => i64::MAX,
    }
}

/// Whether the name is that of a file or directory which is being made, or was left behind.
pub(super) fn is_temporary(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().as_bstr().starts_with(b"tmp_")
}
