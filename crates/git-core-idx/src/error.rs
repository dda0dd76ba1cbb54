//! Why an index cannot be used.

use git_core_object::{ErrorKind, ObjectId};

/// What is wrong with a pack index or a reverse index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdxError {
    /// The file is shorter than its fixed parts.
    #[error("{what} of {len} bytes is too small")]
    TooSmall {
        /// Which kind of file.
        what: &'static str,
        /// Its length in bytes.
        len: u64,
    },
    /// The signature is that of another kind of file.
    #[error("{what} has a wrong signature")]
    Signature {
        /// Which kind of file was expected.
        what: &'static str,
    },
    /// The version is not one this library knows.
    #[error("{what} version {version} is not supported")]
    Version {
        /// Which kind of file.
        what: &'static str,
        /// The version it gives.
        version: u32,
    },
    /// The file is for the other hash function.
    #[error("reverse index is for hash function {number}")]
    Format {
        /// The number it gives.
        number: u32,
    },
    /// The tables do not add up to the length of the file.
    #[error("{what} of {len} bytes cannot hold {count} objects")]
    Length {
        /// Which kind of file.
        what: &'static str,
        /// Its length in bytes.
        len: u64,
        /// The objects it claims to hold.
        count: u64,
    },
    /// The fan-out table decreases.
    #[error("fan-out table of the pack index is not monotonic at {at:#04x}")]
    Fanout {
        /// The first byte at which it does.
        at: u8,
    },
    /// A row of the 64-bit offset table is asked for that the file does not have.
    #[error("pack index row {position} points outside of the 64-bit offset table")]
    LargeOffset {
        /// The row.
        position: u32,
    },
    /// A row of a reverse index is no row of the index.
    #[error("reverse index row {rank} names row {position}, which the pack index does not have")]
    Row {
        /// The rank in pack order.
        rank: u32,
        /// What stands there.
        position: u32,
    },
    /// The file's own checksum does not match its content.
    #[error("{what} checksum mismatch")]
    Checksum {
        /// Which kind of file.
        what: &'static str,
    },
    /// Ids are not in ascending order.
    #[error("pack index is not sorted at {id}")]
    Unsorted {
        /// The first id that is less than the one before it.
        id: ObjectId,
    },
    /// More objects or a larger offset than the version of the format can hold.
    #[error("{what} is too large for this version of the pack index")]
    TooLarge {
        /// What is.
        what: &'static str,
    },
}

impl IdxError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            IdxError::Version { .. } | IdxError::Format { .. } | IdxError::TooLarge { .. } => {
                ErrorKind::Invalid
            }
            _ => ErrorKind::Corrupt,
        }
    }
}
