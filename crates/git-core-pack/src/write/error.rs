//! Why a pack cannot be written.

use git_core_idx::{IdxError, PackOffset};
use git_core_object::{ErrorKind, ObjectId, ReadError, Stopped};

/// Why a pack cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// More objects than a pack can hold.
    #[error("a pack cannot hold {count} objects")]
    TooMany {
        /// How many the plan has.
        count: u64,
    },
    /// An entry that is to be copied differs from what its index was made for.
    #[error("{pack}: CRC mismatch of object {id} at offset {offset}")]
    Crc {
        /// The pack it is copied from.
        pack: String,
        /// The object.
        id: ObjectId,
        /// Where its entry begins.
        offset: PackOffset,
    },
    /// Reading an object or an entry failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The index of what was written could not be made.
    #[error(transparent)]
    Idx(#[from] IdxError),
    /// The operation was cancelled, or met a limit.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl WriteError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            WriteError::TooMany { .. } => ErrorKind::Limit,
            WriteError::Crc { .. } => ErrorKind::Corrupt,
            WriteError::Read(error) => error.kind(),
            WriteError::Idx(error) => error.kind(),
            WriteError::Stopped(stopped) => stopped.kind(),
        }
    }
}
