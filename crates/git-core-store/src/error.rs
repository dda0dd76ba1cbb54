//! What can go wrong when a repository is written to.

use git_core_object::{BoxError, ErrorKind, ObjectId, ReadError, Stopped};
use git_core_ref::RefName;

/// Why objects could not be taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The pack is not one, is cut off, contradicts itself, or lacks a base.
    #[error("{0}")]
    BadPack(String),
    /// An object was refused: by a check, or because it bears the marks of a collision attack.
    #[error("object {id} was refused: {reason}")]
    Refused {
        /// Its id.
        id: ObjectId,
        /// Why.
        reason: String,
    },
    /// Calls came in an order that makes no sense, such as bytes before [`begin_pack`](crate::Quarantine::begin_pack).
    #[error("{0}")]
    Misuse(&'static str),
    /// An object of the repository that was needed could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The storage failed.
    #[error("cannot write {location}")]
    Unavailable {
        /// The file or key.
        location: String,
        /// What the storage said.
        #[source]
        source: BoxError,
    },
    /// The operation was cancelled, or met a limit.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl ReceiveError {
    /// A failure of the storage at `location`.
    pub fn unavailable(location: impl ToString, source: impl Into<BoxError>) -> Self {
        ReceiveError::Unavailable { location: location.to_string(), source: source.into() }
    }

    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ReceiveError::BadPack(_) => ErrorKind::Corrupt,
            ReceiveError::Refused { .. } => ErrorKind::Denied,
            ReceiveError::Misuse(_) => ErrorKind::Invalid,
            ReceiveError::Read(read) => read.kind(),
            ReceiveError::Unavailable { .. } => ErrorKind::Unavailable,
            ReceiveError::Stopped(stopped) => stopped.kind(),
        }
    }
}

/// Why a commit of objects and refs, or one edit of it, did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The ref does not hold what the edit expects: somebody else was first.
    #[error("cannot lock ref '{name}': is at {actual} but expected {expected}")]
    Lost {
        /// The ref.
        name: RefName,
        /// What it holds: an id, `ref: <name>`, or `nothing`.
        actual: String,
        /// What the edit expects, likewise.
        expected: String,
    },
    /// The ref had to exist and does not, or must not exist and does.
    #[error("cannot lock ref '{name}': {reason}")]
    Existence {
        /// The ref.
        name: RefName,
        /// Which of the two.
        reason: &'static str,
    },
    /// Another ref's name is a directory of this one, or the other way round.
    #[error("cannot lock ref '{name}': '{other}' exists; cannot create '{name}'")]
    NameConflict {
        /// The ref.
        name: RefName,
        /// The ref in its way.
        other: RefName,
    },
    /// Somebody holds the lock.
    #[error("cannot lock ref '{name}': Unable to create '{lock}': File exists.")]
    Locked {
        /// The ref.
        name: RefName,
        /// The lock file.
        lock: String,
    },
    /// The edit makes no sense: the object is missing or is no commit for a branch, names repeat.
    #[error("cannot update ref '{name}': {reason}")]
    Invalid {
        /// The ref.
        name: RefName,
        /// Why.
        reason: String,
    },
    /// A hook refused the transaction.
    #[error("ref updates aborted by hook")]
    Hook {
        /// The first ref of it.
        name: RefName,
        /// What became of the hook.
        cause: BoxError,
    },
    /// Somebody else changes, or has changed, where the history ends.
    #[error("shallow file has changed since we read it")]
    Shallow,
    /// What is stored could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The received objects could not be published.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// The storage failed, and nothing changed.
    #[error("cannot write {location}")]
    Unavailable {
        /// The file or key.
        location: String,
        /// What the storage said.
        #[source]
        source: BoxError,
    },
    /// The storage failed, and it cannot be told whether the change happened.
    #[error("it is unknown whether the change of {location} happened")]
    OutcomeUnknown {
        /// The file or key.
        location: String,
        /// What the storage said.
        #[source]
        source: BoxError,
    },
    /// The operation was cancelled.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl CommitError {
    /// A failure of the storage at `location`.
    pub fn unavailable(location: impl ToString, source: impl Into<BoxError>) -> Self {
        CommitError::Unavailable { location: location.to_string(), source: source.into() }
    }

    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            CommitError::Lost { .. }
            | CommitError::Existence { .. }
            | CommitError::NameConflict { .. }
            | CommitError::Shallow
            | CommitError::Locked { .. } => ErrorKind::Conflict,
            CommitError::Invalid { .. } => ErrorKind::Invalid,
            CommitError::Hook { .. } => ErrorKind::Denied,
            CommitError::Read(read) => read.kind(),
            CommitError::Receive(receive) => receive.kind(),
            CommitError::Unavailable { .. } => ErrorKind::Unavailable,
            CommitError::OutcomeUnknown { .. } => ErrorKind::OutcomeUnknown,
            CommitError::Stopped(stopped) => stopped.kind(),
        }
    }

    /// The ref that is to blame, if one is.
    pub fn ref_name(&self) -> Option<&RefName> {
        match self {
            CommitError::Lost { name, .. }
            | CommitError::Existence { name, .. }
            | CommitError::NameConflict { name, .. }
            | CommitError::Locked { name, .. }
            | CommitError::Hook { name, .. }
            | CommitError::Invalid { name, .. } => Some(name),
            _ => None,
        }
    }
}
