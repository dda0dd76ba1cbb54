//! The times of the objects of cruft packs, as they lie beside the packs.

use super::MaintenanceError;
use crate::StoredPack;
use git_core_idx::{IdxPosition, MtimesFile};
use git_core_object::{ObjectFormat, ReadError};
use std::io;
use std::path::{Path, PathBuf};

/// When each object of a pack was last needed.
pub(super) struct Times(MtimesFile<Vec<u8>>);

impl Times {
    /// The time of the object in this row of the pack's index, in seconds since 1970.
    pub(super) fn at(&self, row: u32) -> i64 {
        self.0.mtime(IdxPosition(row)).into()
    }
}

/// The file of a pack.
pub(super) fn path(pack: &StoredPack) -> PathBuf {
    Path::new(&pack.name).with_extension("mtimes")
}

/// The times of a cruft pack; `None` for any other pack.
pub(super) fn of_pack(pack: &StoredPack, format: ObjectFormat) -> Result<Option<Times>, MaintenanceError> {
    let path = path(pack);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ReadError::unavailable(path.display(), error).into()),
    };
    let file = MtimesFile::open(bytes, format, pack.pack.count())
        .and_then(|file| file.verify().map(|()| file))
        .map_err(|error| ReadError::corrupt(path.display(), error))?;
    Ok(Some(Times(file)))
}

/// Whether a pack is a cruft pack.
pub(super) fn is_cruft(pack: &StoredPack) -> bool {
    path(pack).exists()
}
