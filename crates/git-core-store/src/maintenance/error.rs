//! Why maintenance did not come to its end.

use crate::fs::commit_graph::GraphWriteError;
use crate::fs::midx::MidxFileError;
use crate::fs::refs::PackRefsError;
use crate::lock::LockError;
use crate::walk::BitmapWriteError;
use crate::{CommitError, ReceiveError};
use git_core_object::{BoxError, ErrorKind, ReadError, Stopped};
use git_core_pack::WriteError;
use std::path::Path;

/// Why maintenance of a repository did not come to its end. Whatever it is, every object that is reachable is
/// there, and every ref.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaintenanceError {
    /// An object, an index or a ref cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A pack cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A loose object cannot be written.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// Refs cannot be packed.
    #[error(transparent)]
    Refs(#[from] PackRefsError),
    /// A reflog cannot be rewritten.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A lock cannot be taken.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The file system refused.
    #[error("cannot change {location}")]
    Unavailable {
        /// The file or directory.
        location: String,
        /// What the system said.
        #[source]
        source: BoxError,
    },
    /// A bitmap cannot be written.
    #[error(transparent)]
    Bitmap(#[from] BitmapWriteError),
    /// The multi-pack index cannot be read or written.
    #[error(transparent)]
    Midx(#[from] MidxFileError),
    /// The commit-graph cannot be written.
    #[error(transparent)]
    Graph(#[from] GraphWriteError),
    /// What was asked for contradicts itself, or the repository.
    #[error("{0}")]
    Invalid(String),
    /// The operation was cancelled, or met a limit.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl MaintenanceError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            MaintenanceError::Read(error) => error.kind(),
            MaintenanceError::Write(error) => error.kind(),
            MaintenanceError::Receive(error) => error.kind(),
            MaintenanceError::Refs(error) => error.kind(),
            MaintenanceError::Commit(error) => error.kind(),
            MaintenanceError::Lock(error) => error.kind(),
            MaintenanceError::Graph(error) => error.kind(),
            MaintenanceError::Bitmap(error) => error.kind(),
            MaintenanceError::Midx(error) => error.kind(),
            MaintenanceError::Unavailable { .. } => ErrorKind::Unavailable,
            MaintenanceError::Invalid(_) => ErrorKind::Invalid,
            MaintenanceError::Stopped(stopped) => stopped.kind(),
        }
    }

    pub(crate) fn unavailable(path: &Path, source: impl Into<BoxError>) -> Self {
        MaintenanceError::Unavailable { location: path.display().to_string(), source: source.into() }
    }
}
