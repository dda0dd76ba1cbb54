//! Why a checkout ended before its work was done.

use bstr::BString;
use git_core_object::path::PathError;
use git_core_object::{BoxError, DecodeError, ErrorKind, ObjectId, ReadError, Stopped};

/// Why a checkout ended before its work was done. Files that were written until then stay; nothing outside the
/// directory was touched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckoutError {
    /// A tree or a blob could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The content of a tree cannot be read.
    #[error("tree {id} is corrupt")]
    Tree {
        /// The tree.
        id: ObjectId,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
    /// A name that must not be in a working tree; nothing was written at all.
    #[error("refusing to check out '{path}'")]
    Path {
        /// The path.
        path: BString,
        /// What is wrong with one of its components.
        #[source]
        source: PathError,
    },
    /// The tree holds a path twice, or a file and a directory of the same name; nothing was written at all.
    #[error("the tree holds '{path}' more than once")]
    Conflict {
        /// The path.
        path: BString,
    },
    /// Directories are nested deeper than [`CheckoutOptions::max_depth`](crate::CheckoutOptions::max_depth);
    /// nothing was written at all.
    #[error("'{path}' is nested deeper than {bound} directories")]
    TooDeep {
        /// The directory that was not entered.
        path: BString,
        /// The bound.
        bound: usize,
    },
    /// Something that is not ours is there already, and is to stay.
    #[error("'{path}' exists already")]
    Exists {
        /// The path that was to be written.
        path: BString,
    },
    /// The converter could not convert.
    #[error("cannot convert '{path}'")]
    Convert {
        /// The path.
        path: BString,
        /// What it said.
        #[source]
        source: BoxError,
    },
    /// A file or directory could not be written or removed.
    #[error("cannot {action} '{path}'")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The path.
        path: BString,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The operation was cancelled, or met a limit.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl CheckoutError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            CheckoutError::Read(error) => error.kind(),
            CheckoutError::Tree { .. } | CheckoutError::Conflict { .. } => ErrorKind::Corrupt,
            CheckoutError::Path { source, .. } => source.kind(),
            CheckoutError::TooDeep { .. } => ErrorKind::Limit,
            CheckoutError::Exists { .. } => ErrorKind::Conflict,
            CheckoutError::Convert { .. } => ErrorKind::Other,
            CheckoutError::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                ErrorKind::Denied
            }
            CheckoutError::Io { .. } => ErrorKind::Unavailable,
            CheckoutError::Stopped(stopped) => stopped.kind(),
        }
    }
}
