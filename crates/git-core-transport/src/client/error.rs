//! Why a connection could not be made, or broke.

use crate::url::{GitUrl, UrlError};
use git_core_object::{BoxError, ErrorKind, Stopped};
use git_core_protocol::client::ClientError;
use git_core_protocol::error::Excerpt;
use std::time::Duration;

/// Why a client's conversation with a server failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The address is not one.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// There is no way to this address from here: a local path, or a feature that is not built in.
    #[error("no transport for '{url}': {reason}")]
    Unsupported {
        /// The address.
        url: GitUrl,
        /// Why.
        reason: &'static str,
    },
    /// The server could not be reached.
    #[error("unable to connect to {to}")]
    Connect {
        /// The host, or the program.
        to: String,
        /// What the system said.
        #[source]
        source: BoxError,
    },
    /// The connection broke.
    #[error("the connection broke while {during}")]
    Broken {
        /// What was going on.
        during: &'static str,
        /// What the system said.
        #[source]
        source: BoxError,
    },
    /// The other side was silent for too long.
    #[error("the server was silent for {} seconds while {during}", .after.as_secs())]
    Silent {
        /// What was going on.
        during: &'static str,
        /// The limit.
        after: Duration,
    },
    /// The program that carries the connection ended in failure.
    #[error("{program} failed: {message}")]
    Program {
        /// The program.
        program: String,
        /// The last it wrote to its standard error.
        message: Excerpt,
        /// What the conversation made of it.
        #[source]
        source: ClientError,
    },
    /// The server refused, or what it said cannot be.
    #[error(transparent)]
    Protocol(#[from] ClientError),
    /// Status 401: there were no credentials, or they were refused.
    #[error("authentication failed for '{url}'")]
    Unauthorized {
        /// The address, without credentials.
        url: String,
    },
    /// Status 403.
    #[error("access to '{url}' is forbidden{}", detail(message))]
    Forbidden {
        /// The address, without credentials.
        url: String,
        /// The beginning of what the server said, if that was text.
        message: Excerpt,
    },
    /// Status 404 or 410.
    #[error("repository '{url}' not found")]
    NotFound {
        /// The address, without credentials.
        url: String,
    },
    /// Another status than 200.
    #[error("the server answers '{url}' with status {status}{}", detail(message))]
    Status {
        /// The address, without credentials.
        url: String,
        /// The status.
        status: u16,
        /// The beginning of what the server said, if that was text.
        message: Excerpt,
    },
    /// An answer that is not of the smart protocol.
    #[error("'{url}' does not speak git's smart protocol (its content type is '{content_type}')")]
    NotSmart {
        /// The address, without credentials.
        url: String,
        /// What the server says it sent.
        content_type: String,
    },
    /// A redirect that is not followed.
    #[error("not following a redirect from '{from}' to '{to}': {reason}")]
    Redirect {
        /// Where it was met.
        from: String,
        /// Where it leads.
        to: String,
        /// Why not.
        reason: &'static str,
    },
    /// The caller's walk, sink or source failed.
    #[error(transparent)]
    Caller(BoxError),
    /// The operation was cancelled, or met a limit.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

fn detail(message: &Excerpt) -> String {
    match message.as_bytes() {
        [] => String::new(),
        _ => format!(": {message}"),
    }
}

impl TransportError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            TransportError::Url(error) => error.kind(),
            TransportError::Unsupported { .. } => ErrorKind::Invalid,
            TransportError::Connect { .. }
            | TransportError::Broken { .. }
            | TransportError::Silent { .. }
            | TransportError::Program { .. } => ErrorKind::Unavailable,
            TransportError::Protocol(error) => error.kind(),
            TransportError::Unauthorized { .. }
            | TransportError::Forbidden { .. }
            | TransportError::Redirect { .. } => ErrorKind::Denied,
            TransportError::NotFound { .. } => ErrorKind::NotFound,
            TransportError::Status { status: 500.., .. } => ErrorKind::Unavailable,
            TransportError::Status { status: 429, .. } => ErrorKind::Unavailable,
            TransportError::Status { .. } | TransportError::NotSmart { .. } => ErrorKind::Invalid,
            TransportError::Caller(_) => ErrorKind::Other,
            TransportError::Stopped(stopped) => stopped.kind(),
        }
    }
}
