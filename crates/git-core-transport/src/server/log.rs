//! One event for each request, whatever carried it.

use super::{RefusalKind, Request, ServeError, Served};
use std::time::Instant;

/// Writes the event at the end of a request that began at `start`.
pub(super) fn log<T>(request: &Request, served: Served, result: &Result<T, ServeError>, start: Instant) {
    let error = result.as_ref().err().map(|error| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    });
    tracing::info!(
        service = request.service.short_name(),
        carrier = request.carrier.name(),
        path = %request.path.escape_ascii(),
        version = request.version.number(),
        peer = request.peer.map(tracing::field::display),
        user = request.user.as_deref(),
        status = outcome(result.as_ref().err()),
        received = served.received,
        sent = served.sent,
        ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        error,
        "request"
    );
}

fn outcome(error: Option<&ServeError>) -> &'static str {
    match error {
        None => "ok",
        Some(ServeError::Refused(refusal)) => match refusal.kind() {
            RefusalKind::NotFound => "not found",
            RefusalKind::Unauthorized | RefusalKind::Forbidden => "denied",
            RefusalKind::Internal => "failed",
            _ => "refused",
        },
        Some(ServeError::Read(_) | ServeError::Write(_)) => "disconnected",
        Some(ServeError::TimedOut(_)) => "timed out",
        Some(ServeError::Conversation(_)) => "protocol error",
        Some(ServeError::Worker(_)) => "failed",
    }
}
