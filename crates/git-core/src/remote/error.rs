//! What can go wrong with another repository.

use crate::repository::OpenError;
use crate::signing::SignError;
use bstr::BString;
use git_core_object::{BoxError, ErrorKind, ObjectId, ReadError, Stopped};
use git_core_pack::WriteError;
use git_core_ref::refspec::{InvalidRefspec, MappingError};
use git_core_store::config::ConfigError;
use git_core_store::revision::RevisionError;
use git_core_store::{CommitError, ReceiveError};
use git_core_transport::client::TransportError;
use git_core_transport::url::UrlError;
use git_core_worktree::{CheckoutError, IndexError};

/// Why a fetch, a push or a clone failed as a whole. What became of single refs is in their results.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The address is not one.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A refspec is not one.
    #[error(transparent)]
    Refspec(#[from] InvalidRefspec),
    /// The refspecs do not fit the refs that exist.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// What is to be pushed is not there.
    #[error(transparent)]
    Revision(#[from] RevisionError),
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key of configuration cannot be one.
    #[error(transparent)]
    Key(#[from] git_core_config::InvalidKey),
    /// A local repository could not be opened or made.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The conversation with the server failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A repository could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The bundle that was fetched from cannot be used.
    #[error(transparent)]
    Bundle(#[from] crate::bundle::BundleFileError),
    /// The pack that came was refused.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// A part of the pack that the remote keeps elsewhere cannot be used.
    #[error("cannot use the pack at '{uri}': {reason}")]
    PackUri {
        /// Where it is.
        uri: BString,
        /// Why not.
        reason: String,
    },
    /// What came lacks an object that it needs.
    #[error("the remote did not send all necessary objects: {id} is missing")]
    Incomplete {
        /// The first object found missing.
        id: ObjectId,
    },
    /// Refs could not be changed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The pack to be pushed could not be made.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The object formats of the two repositories differ.
    #[error("mismatched algorithms: client {here}; server {there}")]
    Format {
        /// Ours.
        here: git_core_object::ObjectFormat,
        /// Theirs.
        there: git_core_object::ObjectFormat,
    },
    /// What is fetched would be stored in a branch that a working tree is on.
    #[error("refusing to fetch into branch '{branch}' checked out at '{}'", .path.display())]
    CheckedOut {
        /// The branch.
        branch: git_core_ref::RefName,
        /// The working tree.
        path: std::path::PathBuf,
    },
    /// The branch that a clone was asked for is not there.
    #[error("Remote branch {branch} not found in upstream {remote}")]
    NoBranch {
        /// The branch.
        branch: BString,
        /// The name of the remote.
        remote: BString,
    },
    /// The remote is shallow, and shallow ones are refused.
    #[error("source repository is shallow, reject to clone.")]
    ShallowSource,
    /// The bundle lacks what a filter left out, and there is nobody to ask for it.
    #[error("cannot clone from filtered bundle")]
    FilteredBundle,
    /// The directory of a clone is there and not empty.
    #[error("destination path '{}' already exists and is not an empty directory.", .path.display())]
    Occupied {
        /// The directory.
        path: std::path::PathBuf,
    },
    /// The files of a clone could not be written.
    #[error(transparent)]
    Checkout(#[from] CheckoutError),
    /// The index of a clone could not be written.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A file beside refs and objects could not be written.
    #[error("cannot write {location}")]
    Unavailable {
        /// The file.
        location: String,
        /// What the system said.
        #[source]
        source: BoxError,
    },
    /// Who was asked before the push said no.
    #[error("the push was declined before anything was sent")]
    Declined,
    /// The certificate of the push could not be signed.
    #[error("failed to sign the push certificate")]
    Sign(#[from] SignError),
    /// The operation was cancelled.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl RemoteError {
    /// A failure of the disk at `location`.
    pub(super) fn unavailable(location: impl ToString, source: impl Into<BoxError>) -> Self {
        RemoteError::Unavailable { location: location.to_string(), source: source.into() }
    }

    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            RemoteError::Url(_) | RemoteError::Refspec(_) | RemoteError::Key(_) => ErrorKind::Invalid,
            RemoteError::Mapping(error) => error.kind(),
            RemoteError::Revision(error) => error.kind(),
            RemoteError::Config(error) => error.kind(),
            RemoteError::Open(error) => error.kind(),
            RemoteError::Transport(error) => error.kind(),
            RemoteError::Read(error) => error.kind(),
            RemoteError::Bundle(error) => error.kind(),
            RemoteError::Receive(error) => error.kind(),
            RemoteError::PackUri { .. } => ErrorKind::Corrupt,
            RemoteError::Incomplete { .. } => ErrorKind::Corrupt,
            RemoteError::Commit(error) => error.kind(),
            RemoteError::Write(error) => error.kind(),
            RemoteError::Format { .. }
            | RemoteError::ShallowSource
            | RemoteError::FilteredBundle
            | RemoteError::Occupied { .. } => ErrorKind::Invalid,
            RemoteError::NoBranch { .. } => ErrorKind::NotFound,
            RemoteError::Checkout(error) => error.kind(),
            RemoteError::Index(error) => error.kind(),
            RemoteError::Unavailable { .. } => ErrorKind::Unavailable,
            RemoteError::Sign(error) => error.kind(),
            RemoteError::CheckedOut { .. } => ErrorKind::Conflict,
            RemoteError::Declined => ErrorKind::Denied,
            RemoteError::Stopped(stopped) => stopped.kind(),
        }
    }
}
