//! Why a driver ended a conversation.

use super::{Refusal, RefusalKind};
use git_core_object::ErrorKind;
use git_core_protocol::server::ServerError;
use std::time::Duration;

/// A conversation that did not end as the protocol foresees. The peer has been told where that was possible.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The peer could not be read from.
    #[error("cannot read from the client")]
    Read(#[source] std::io::Error),
    /// The peer could not be written to: mostly, it is gone.
    #[error("cannot write to the client")]
    Write(#[source] std::io::Error),
    /// The peer said nothing, or took nothing, for too long.
    #[error("the client was idle for more than {0:?}, or slower than it may be")]
    TimedOut(Duration),
    /// The repository side refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The peer violated the protocol or a limit of it.
    #[error(transparent)]
    Conversation(#[from] ServerError),
    /// A worker panicked.
    #[error("internal error: a worker stopped: {0}")]
    Worker(String),
}

impl ServeError {
    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ServeError::Read(_) | ServeError::Write(_) => ErrorKind::Unavailable,
            ServeError::TimedOut(_) => ErrorKind::Cancelled,
            ServeError::Refused(refusal) => match refusal.kind() {
                RefusalKind::NotFound => ErrorKind::NotFound,
                RefusalKind::Unauthorized | RefusalKind::Forbidden => ErrorKind::Denied,
                RefusalKind::Invalid => ErrorKind::Invalid,
                RefusalKind::Limit => ErrorKind::Limit,
                RefusalKind::Busy => ErrorKind::Unavailable,
                RefusalKind::Cancelled => ErrorKind::Cancelled,
                RefusalKind::Internal => ErrorKind::Other,
            },
            ServeError::Conversation(error) => error.kind(),
            ServeError::Worker(_) => ErrorKind::Other,
        }
    }
}

/// What a conversation amounted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// Bytes read from the peer.
    pub received: u64,
    /// Bytes written to the peer.
    pub sent: u64,
}
