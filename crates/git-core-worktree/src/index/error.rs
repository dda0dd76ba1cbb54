//! Why an index could not be read or stored.

use git_core_object::{BoxError, ErrorKind};
use std::path::PathBuf;

/// Why an index could not be read or stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The bytes are not what `gitformat-index(5)` says.
    #[error("the index is corrupt at byte {offset}: {detail}")]
    Corrupt {
        /// From the start of the file.
        offset: usize,
        /// What is wrong there.
        detail: &'static str,
    },
    /// A version or a mandatory extension that is not known here.
    #[error("the index needs {what}, which is not supported")]
    Unsupported {
        /// What it needs.
        what: String,
    },
    /// The paths of a version 4 index would take far more memory than the file has bytes.
    #[error("the paths of the index take more than {bound} bytes")]
    TooLarge {
        /// How many would have been accepted.
        bound: usize,
    },
    /// Somebody else holds the lock.
    #[error("'{}' exists: another process is changing the index, or one has died doing so", .path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("cannot {action} '{}'", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: BoxError,
    },
}

impl IndexError {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            IndexError::Corrupt { .. } => ErrorKind::Corrupt,
            IndexError::Unsupported { .. } => ErrorKind::Invalid,
            IndexError::TooLarge { .. } => ErrorKind::Limit,
            IndexError::Locked { .. } => ErrorKind::Conflict,
            IndexError::Io { .. } => ErrorKind::Unavailable,
        }
    }
}
