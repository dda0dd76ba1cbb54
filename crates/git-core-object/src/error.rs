//! What every error of the workspace can say about itself.

/// A foreign error carried as a source.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// The class of an error: what a caller can do about it. Every error enum answers `kind()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was asked for is not there.
    NotFound,
    /// The request or the input makes no sense.
    Invalid,
    /// What is stored or was received contradicts itself.
    Corrupt,
    /// Not allowed, by policy or by permission.
    Denied,
    /// Somebody else changed it first.
    Conflict,
    /// A bound was reached; see the error for its name.
    Limit,
    /// The operation was cancelled, or its deadline passed.
    Cancelled,
    /// The disk, the network or the peer failed; a retry may help.
    Unavailable,
    /// It cannot be told whether the operation took effect.
    OutcomeUnknown,
    /// None of the above.
    Other,
}

impl ErrorKind {
    /// Whether the same call may succeed later without anything else being changed.
    pub const fn is_retryable(self) -> bool {
        matches!(self, ErrorKind::Unavailable | ErrorKind::Conflict)
    }
}
