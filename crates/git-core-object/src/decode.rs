//! Why the content of an object could not be read as what it claims to be.

use crate::{ErrorKind, Kind};

/// Content that does not follow the format of its kind. Offsets count bytes from the start of the content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A header that must stand here does not, or stands elsewhere.
    #[error("{kind} has no '{header}' header where it belongs, at byte {offset}")]
    MissingHeader {
        /// What was being read.
        kind: Kind,
        /// The header's name.
        header: &'static str,
        /// Where it had to stand.
        offset: usize,
    },
    /// The value of a header that must be an object id or a kind is not one.
    #[error("{kind} has an invalid value in its '{header}' header at byte {offset}")]
    InvalidHeader {
        /// What was being read.
        kind: Kind,
        /// The header's name.
        header: &'static str,
        /// Where the header stands.
        offset: usize,
    },
    /// A line of the headers is not ended by a newline, or continues nothing.
    #[error("{kind} has an unterminated or dangling header line at byte {offset}")]
    Unterminated {
        /// What was being read.
        kind: Kind,
        /// Where the line begins.
        offset: usize,
    },
    /// An entry of a tree is cut short, or its mode is no octal number.
    #[error("tree has a malformed entry at byte {offset}: {detail}")]
    TreeEntry {
        /// Where the entry begins.
        offset: usize,
        /// What is wrong with it.
        detail: &'static str,
    },
}

impl DecodeError {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Corrupt
    }
}
