//! Why two trees could not be compared.

use bstr::BString;
use git_core_object::{BoxError, ErrorKind, ObjectId, ReadError, Stopped};

/// Why a comparison ended before its work was done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffError {
    /// A tree or a blob could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The content of a tree is not what `git-mktree(1)` would write.
    #[error("tree {id} is corrupt at the entry at byte {offset}: {detail}")]
    CorruptTree {
        /// The tree.
        id: ObjectId,
        /// Where in its content.
        offset: usize,
        /// What is wrong there.
        detail: &'static str,
    },
    /// Directories are nested deeper than [`TreeOptions::max_depth`](crate::TreeOptions::max_depth).
    #[error("'{path}' is nested deeper than {bound} directories")]
    TooDeep {
        /// The directory that was not entered.
        path: BString,
        /// The bound.
        bound: usize,
    },
    /// The operation was cancelled, or met a limit.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// Whoever takes the changes could not.
    #[error("the changes could not be taken")]
    Sink(#[source] BoxError),
}

impl DiffError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            DiffError::Read(error) => error.kind(),
            DiffError::CorruptTree { .. } => ErrorKind::Corrupt,
            DiffError::TooDeep { .. } => ErrorKind::Limit,
            DiffError::Stopped(stopped) => stopped.kind(),
            DiffError::Sink(_) => ErrorKind::Other,
        }
    }
}
