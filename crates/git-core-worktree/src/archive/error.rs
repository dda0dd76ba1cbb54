//! Why an archive could not be made.

use bstr::BString;
use git_core_config::pathspec::PathspecError;
use git_core_object::{BoxError, DecodeError, ErrorKind, ObjectId, ReadError, Stopped};

/// Why an archive could not be made. What was given of it until then is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// An object could not be read.
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
    /// A tree holds a name that could lead out of the directory that the archive is unpacked in.
    #[error("invalid path '{path}'")]
    Path {
        /// The path.
        path: BString,
    },
    /// Directories are nested too deep.
    #[error("'{path}' is nested deeper than {bound} directories")]
    TooDeep {
        /// The directory that was not entered.
        path: BString,
        /// The bound.
        bound: usize,
    },
    /// A pathspec could not be read.
    #[error(transparent)]
    Pathspec(#[from] PathspecError),
    /// Nothing is meant by a pathspec.
    #[error("pathspec '{0}' did not match any files")]
    NoMatch(BString),
    /// What is meant by a pathspec is not below the directory that is archived.
    #[error("pathspec '{0}' matches files outside the current directory")]
    Outside(BString),
    /// Something cannot be told in the format.
    #[error("{0}")]
    Format(&'static str),
    /// The content of a file could not be changed as its attributes ask for.
    #[error("cannot convert '{path}'")]
    Convert {
        /// The path.
        path: BString,
        /// What hindered it.
        #[source]
        source: BoxError,
    },
    /// A file beside those of the tree, or an attributes file, could not be read.
    #[error("cannot read '{path}'")]
    Io {
        /// The file.
        path: BString,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Compressing failed.
    #[error("cannot compress")]
    Deflate(#[source] BoxError),
    /// The operation was cancelled, or met a limit.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl ArchiveError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ArchiveError::Read(error) => error.kind(),
            ArchiveError::Tree { .. } | ArchiveError::Path { .. } => ErrorKind::Corrupt,
            ArchiveError::TooDeep { .. } => ErrorKind::Limit,
            ArchiveError::Pathspec(_) | ArchiveError::Format(_) => ErrorKind::Invalid,
            ArchiveError::NoMatch(_) | ArchiveError::Outside(_) => ErrorKind::NotFound,
            ArchiveError::Convert { .. } | ArchiveError::Deflate(_) => ErrorKind::Other,
            ArchiveError::Io { .. } => ErrorKind::Unavailable,
            ArchiveError::Stopped(stopped) => stopped.kind(),
        }
    }
}
