//! Why a request is not satisfied: what the peer is told, what the log is told, and what it means over HTTP.

use git_core_object::{BoxError, ErrorKind};
use std::time::Duration;

/// The sort of a [`Refusal`], which decides how each carrier says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalKind {
    /// Not there, or not for this peer to know of. HTTP 404.
    NotFound,
    /// The peer should say who it is. HTTP 401.
    Unauthorized,
    /// The peer may not. HTTP 403.
    Forbidden,
    /// What the peer sent is not acceptable: a pack that is damaged, a want that is unknown. HTTP 400.
    Invalid,
    /// The peer asked for more than it may. HTTP 413.
    Limit,
    /// Not now; a later attempt may succeed. HTTP 503.
    Busy,
    /// Cancelled, or timed out. HTTP 503.
    Cancelled,
    /// The server's own fault. HTTP 500.
    Internal,
}

/// A request that is not satisfied.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    kind: RefusalKind,
    message: String,
    retry_after: Option<Duration>,
    #[source]
    source: Option<BoxError>,
}

impl Refusal {
    /// A refusal with the text that the peer is told: no paths of the server, no inner workings.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Refusal { kind, message: message.into(), retry_after: None, source: None }
    }

    /// The one answer for a repository that is not there and for one that this peer may not know of.
    pub fn not_found() -> Self {
        Self::new(RefusalKind::NotFound, "repository not found")
    }

    /// The peer should come back with credentials.
    pub fn unauthorized() -> Self {
        Self::new(RefusalKind::Unauthorized, "authentication required")
    }

    /// The peer may not do this here.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Forbidden, message)
    }

    /// Not now; come back after this time.
    pub fn busy(retry_after: Duration) -> Self {
        let refusal = Self::new(RefusalKind::Busy, "the server is busy, please try again later");
        Refusal { retry_after: Some(retry_after), ..refusal }
    }

    /// A failure of the server's own: the peer is told no more than that, the log gets `source`.
    pub fn internal(source: impl Into<BoxError>) -> Self {
        Self::new(RefusalKind::Internal, "internal server error").with_source(source)
    }

    /// A refusal of the sort that an error's kind suggests.
    pub fn from_kind(kind: ErrorKind, message: impl Into<String>) -> Self {
        let kind = match kind {
            ErrorKind::NotFound => RefusalKind::NotFound,
            ErrorKind::Invalid => RefusalKind::Invalid,
            ErrorKind::Denied | ErrorKind::Conflict => RefusalKind::Forbidden,
            ErrorKind::Limit => RefusalKind::Limit,
            ErrorKind::Cancelled => RefusalKind::Cancelled,
            ErrorKind::Unavailable => RefusalKind::Busy,
            _ => RefusalKind::Internal,
        };
        Self::new(kind, message)
    }

    /// Adds what the log should say beside the message.
    #[must_use]
    pub fn with_source(self, source: impl Into<BoxError>) -> Self {
        Refusal { source: Some(source.into()), ..self }
    }

    /// The sort of it.
    pub const fn kind(&self) -> RefusalKind {
        self.kind
    }

    /// What the peer is told.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// When the peer may try again.
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The status of an HTTP response that says it.
    pub const fn http_status(&self) -> u16 {
        match self.kind {
            RefusalKind::NotFound => 404,
            RefusalKind::Unauthorized => 401,
            RefusalKind::Forbidden => 403,
            RefusalKind::Invalid => 400,
            RefusalKind::Limit => 413,
            RefusalKind::Busy | RefusalKind::Cancelled => 503,
            RefusalKind::Internal => 500,
        }
    }
}

impl From<git_core_object::Stopped> for Refusal {
    fn from(stopped: git_core_object::Stopped) -> Self {
        Refusal::from_kind(stopped.kind(), stopped.to_string())
    }
}
