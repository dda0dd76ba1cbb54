//! Why a commit-graph cannot be used.

use git_core_object::{ErrorKind, ObjectId};

/// What is wrong with a commit-graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// The file is shorter than its fixed parts.
    #[error("commit-graph file is too small ({len} bytes)")]
    TooSmall {
        /// Its length in bytes.
        len: u64,
    },
    /// It does not begin as a commit-graph does.
    #[error("commit-graph signature {signature:X} does not match signature 43475048")]
    Signature {
        /// The first four bytes, as a number.
        signature: u32,
    },
    /// The version is not one this library knows.
    #[error("commit-graph version {version:X} does not match version 1")]
    Version {
        /// The version it gives.
        version: u8,
    },
    /// The file is for the other hash function.
    #[error("commit-graph hash version {number:X} does not match version {expected:X}")]
    Format {
        /// The number it gives.
        number: u8,
        /// That of the repository.
        expected: u8,
    },
    /// The table of chunks is not sound.
    #[error("commit-graph table of contents: {reason}")]
    Contents {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A chunk that must be there is not.
    #[error("commit-graph required {chunk} chunk missing or corrupted")]
    MissingChunk {
        /// What it holds.
        chunk: &'static str,
    },
    /// A chunk has a length that does not fit what it must hold.
    #[error("commit-graph {chunk} chunk is of the wrong size")]
    ChunkSize {
        /// What it holds.
        chunk: &'static str,
    },
    /// The fan-out table decreases.
    #[error("commit-graph fanout values out of order at {at:#04x}")]
    Fanout {
        /// The first byte at which it does.
        at: u8,
    },
    /// Ids are not in ascending order.
    #[error("commit-graph has incorrect OID order: {previous} then {id}")]
    Unsorted {
        /// The id before.
        previous: ObjectId,
        /// The first id that is not greater.
        id: ObjectId,
    },
    /// A parent is no commit of the graph.
    #[error("commit-graph parent {position:#x} of row {row} is not in the graph")]
    Parent {
        /// The commit, counted over the whole chain.
        row: u32,
        /// What stands for its parent.
        position: u32,
    },
    /// The parents of an octopus do not end inside of the list.
    #[error("commit-graph extra-edges pointer of row {row} is out of bounds")]
    Edges {
        /// The commit, counted over the whole chain.
        row: u32,
    },
    /// A generation stands in a row of the overflow table that is not there.
    #[error("commit-graph overflow generation data of row {row} is out of bounds")]
    Overflow {
        /// The commit, counted over the whole chain.
        row: u32,
    },
    /// The file builds on other files than those it was found with.
    #[error("commit-graph chain does not match")]
    Chain,
    /// The file's own checksum does not match its content.
    #[error("the commit-graph file has incorrect checksum and is likely corrupt")]
    Checksum,
    /// More commits, or larger filters, than the format can hold.
    #[error("{what} is too large for a commit-graph")]
    TooLarge {
        /// What is.
        what: &'static str,
    },
}

impl GraphError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            GraphError::Version { .. } | GraphError::Format { .. } | GraphError::TooLarge { .. } => {
                ErrorKind::Invalid
            }
            _ => ErrorKind::Corrupt,
        }
    }
}
