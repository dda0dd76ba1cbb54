//! Why a conversation ended without its result.

use crate::advertisement::AdvertisementError;
use crate::capability::CapabilityError;
use crate::error::{Excerpt, PktLineError, SidebandError};
use git_core_object::ErrorKind;

/// Why a client machine gave up. After an error a machine is of no further use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server refused or failed, and said so.
    #[error("remote error: {0}")]
    Remote(Excerpt),
    /// The server hung up before it was done.
    #[error("the remote end hung up unexpectedly")]
    HungUp,
    /// The server's greeting cannot be.
    #[error(transparent)]
    Advertisement(#[from] AdvertisementError),
    /// Bytes that are no pkt-line.
    #[error("protocol error")]
    PktLine(#[from] PktLineError),
    /// A packet outside of the side bands.
    #[error("protocol error")]
    Sideband(#[from] SidebandError),
    /// A list of capabilities that cannot be.
    #[error(transparent)]
    Capability(#[from] CapabilityError),
    /// A line or section that does not belong there.
    #[error("protocol error: expected {expected}, got '{got}'")]
    Unexpected {
        /// What would have belonged there.
        expected: &'static str,
        /// What came.
        got: Excerpt,
    },
    /// What was asked for needs something that the server cannot do.
    #[error("the server does not support {0}")]
    Unsupported(&'static str),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Request(&'static str),
    /// The server's answer exceeds a limit.
    #[error("the limit '{name}' of {bound} was exceeded by the server's answer")]
    Limit {
        /// The field of [`ClientLimits`](super::ClientLimits).
        name: &'static str,
        /// The bound.
        bound: u64,
    },
}

impl ClientError {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            ClientError::Remote(_) => ErrorKind::Other,
            ClientError::HungUp => ErrorKind::Unavailable,
            ClientError::Advertisement(error) => error.kind(),
            ClientError::PktLine(error) => error.kind(),
            ClientError::Sideband(error) => error.kind(),
            ClientError::Capability(error) => error.kind(),
            ClientError::Unexpected { .. } => ErrorKind::Corrupt,
            ClientError::Unsupported(_) | ClientError::Request(_) => ErrorKind::Invalid,
            ClientError::Limit { .. } => ErrorKind::Limit,
        }
    }
}
