//! Why a server machine ended a conversation.

use bstr::ByteSlice as _;
use git_core_object::{ErrorKind, InvalidId, ObjectFormat, ObjectId};

/// A violation by the peer, an overrun, or the driver's refusal. Its text is what the peer is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// A packet that is none.
    #[error("protocol error: {0}")]
    Packet(String),
    /// The peer stopped in the middle of a request.
    #[error("the remote end hung up unexpectedly")]
    UnexpectedEnd,
    /// A special packet (flush, delim, response-end) where the phase has none.
    #[error("protocol error: unexpected {0} packet")]
    UnexpectedPacket(&'static str),
    /// A line that the phase does not know.
    #[error("unexpected line: '{}'", .0.escape_ascii())]
    UnexpectedLine(Vec<u8>),
    /// A line whose object id is none.
    #[error("protocol error, expected to get object ID, not '{}'", line.escape_ascii())]
    ObjectId {
        /// The line.
        line: Vec<u8>,
        /// What is wrong with the id.
        source: InvalidId,
    },
    /// A line of the command list of a push that is no command.
    #[error("protocol error: expected old/new/ref, got '{}'", .0.escape_ascii())]
    Command(Vec<u8>),
    /// A push certificate that is none.
    #[error(transparent)]
    Certificate(#[from] crate::certificate::InvalidCertificate),
    /// Commands beside a push certificate, which would not be signed, or a second certificate.
    #[error("protocol error: got both push certificate and unsigned commands")]
    Unsigned,
    /// The peer asked for another object format than the repository's.
    #[error("mismatched object format: server {server}; client {}", client.escape_ascii())]
    ObjectFormat {
        /// The repository's.
        server: ObjectFormat,
        /// What the peer named.
        client: Vec<u8>,
    },
    /// A v2 request without a command.
    #[error("no command requested")]
    NoCommand,
    /// A v2 request for a command that was not advertised.
    #[error("invalid command '{}'", .0.escape_ascii())]
    UnknownCommand(Vec<u8>),
    /// A v2 request with a capability that was not advertised.
    #[error("unknown capability '{}'", .0.escape_ascii())]
    UnknownCapability(Vec<u8>),
    /// A request for a depth that cannot be: the line.
    #[error("Invalid {}: {}", String::from_utf8_lossy(.0.split(|b| *b == b' ').next().unwrap_or_default()), .0.escape_ascii())]
    Deepen(Vec<u8>),
    /// Requests for a depth that exclude one another.
    #[error("git upload-pack: deepen and deepen-since (or deepen-not) cannot be used together")]
    DeepenTwice,
    /// More than one filter.
    #[error("multiple filter-specs cannot be combined")]
    Filters,
    /// An object was wanted that this peer may not have, or that is not there.
    #[error("upload-pack: not our ref {0}")]
    NotOurRef(ObjectId),
    /// A ref was wanted by name that is not shown to this peer, or that is not there.
    #[error("unknown ref {}", .0.as_bstr())]
    UnknownRef(Vec<u8>),
    /// A ref was wanted by name twice.
    #[error("duplicate want-ref {}", .0.as_bstr())]
    DuplicateWantRef(Vec<u8>),
    /// A push option with a control byte in it, which would let it forge lines where options are logged.
    #[error("protocol error: control character in push option")]
    PushOption,
    /// The peer sent more than it may.
    #[error("too many {what}: at most {bound} are accepted")]
    Limit {
        /// What there was too much of, in the plural.
        what: &'static str,
        /// How much is accepted.
        bound: u64,
    },
    /// The driver could not or would not go on.
    #[error("{0}")]
    Refused(String),
    /// The driver answered another question than the one asked, or with a list of another length.
    #[error("internal error: the answer does not fit the question")]
    MismatchedAnswer,
}

impl ServerError {
    /// What sort of failure this is.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            ServerError::NotOurRef(_) | ServerError::UnknownRef(_) => ErrorKind::Denied,
            ServerError::Limit { .. } => ErrorKind::Limit,
            ServerError::UnexpectedEnd => ErrorKind::Unavailable,
            ServerError::Refused(_) | ServerError::MismatchedAnswer => ErrorKind::Other,
            _ => ErrorKind::Invalid,
        }
    }

    pub(super) fn line(line: &[u8]) -> Self {
        ServerError::UnexpectedLine(shown(line))
    }
}

/// As much of a foreign line as an error repeats.
pub(super) fn shown(line: &[u8]) -> Vec<u8> {
    line[..line.len().min(200)].to_vec()
}
