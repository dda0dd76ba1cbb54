//! Why a multi-pack index cannot be used.

use super::{MidxPosition, PackNumber};
use crate::PackOffset;
use git_core_object::{ErrorKind, ObjectFormat, ObjectId};

/// What is wrong with a multi-pack index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MidxError {
    /// The file is shorter than its fixed parts.
    #[error("multi-pack-index of {len} bytes is too small")]
    TooSmall {
        /// Its length in bytes.
        len: u64,
    },
    /// The signature is that of another kind of file.
    #[error("multi-pack-index signature {found:#010x} does not match signature 0x4d494458")]
    Signature {
        /// What stands there.
        found: u32,
    },
    /// The version is not one this library knows.
    #[error("multi-pack-index version {version} not recognized")]
    Version {
        /// The version it gives.
        version: u8,
    },
    /// The file is for another hash function.
    #[error("multi-pack-index hash version {number} does not match version {}", .wanted.number())]
    Format {
        /// The number it gives.
        number: u8,
        /// What was asked for.
        wanted: ObjectFormat,
    },
    /// The table of chunks is damaged.
    #[error("multi-pack-index chunk table is damaged: {detail}")]
    Table {
        /// What is wrong with it.
        detail: String,
    },
    /// A chunk that must be there is not.
    #[error("multi-pack-index required {name} chunk missing or corrupted")]
    Missing {
        /// What git calls it.
        name: &'static str,
    },
    /// A chunk is not as long as the number of objects or packs demands.
    #[error("multi-pack-index {name} chunk is the wrong size: {len} bytes")]
    ChunkSize {
        /// What git calls it.
        name: &'static str,
        /// Its length in bytes.
        len: u64,
    },
    /// The list of pack names ends early, is not sorted, or holds something that cannot be a file's name.
    #[error("multi-pack-index pack name {} is invalid: {detail}", .pack.0)]
    Name {
        /// Which name.
        pack: PackNumber,
        /// What is wrong with it.
        detail: String,
    },
    /// The fan-out table decreases.
    #[error("multi-pack-index fan-out table is not monotonic at {at:#04x}")]
    Fanout {
        /// The first byte at which it does.
        at: u8,
    },
    /// An object is said to be in a pack that the list does not have.
    #[error("multi-pack-index row {} names pack {}, which it does not list", .position.0, .pack.0)]
    Pack {
        /// The row.
        position: MidxPosition,
        /// The pack.
        pack: PackNumber,
    },
    /// A row of the table of 64-bit offsets is asked for that the file does not have.
    #[error("multi-pack-index row {} points outside of the large offset chunk", .position.0)]
    LargeOffset {
        /// The row.
        position: MidxPosition,
    },
    /// The pseudo-pack order names a row that is none, or names one twice.
    #[error("multi-pack-index reverse-index row {rank} names row {}", .position.0)]
    Order {
        /// The rank in pseudo-pack order.
        rank: u32,
        /// What stands there.
        position: MidxPosition,
    },
    /// The part of the pseudo-pack that a pack is said to have is not the one it has.
    #[error("multi-pack-index bitmapped-pack row {} does not match the reverse index", .pack.0)]
    Bitmapped {
        /// The pack.
        pack: PackNumber,
    },
    /// The file's own checksum does not match its content.
    #[error("multi-pack-index checksum mismatch")]
    Checksum,
    /// Ids are not in ascending order.
    #[error("multi-pack-index is not sorted at {id}")]
    Unsorted {
        /// The first id that is not greater than the one before it.
        id: ObjectId,
    },
    /// The index of a pack is damaged.
    #[error("index of {pack} is damaged: {source}")]
    Idx {
        /// The name of the index.
        pack: String,
        /// What is wrong with it.
        source: crate::IdxError,
    },
    /// More packs, objects or large offsets than the format can hold.
    #[error("{what} is too large for a multi-pack-index")]
    TooLarge {
        /// What is.
        what: &'static str,
    },
    /// A list of the files of a chain holds a line that is no checksum.
    #[error("invalid multi-pack-index chain: line {line} is not a hash")]
    Chain {
        /// The line, from 1.
        line: usize,
    },
    /// An entry is where no pack can have one.
    #[error("multi-pack-index row {} has the offset {offset}", .position.0)]
    Offset {
        /// The row.
        position: MidxPosition,
        /// The offset.
        offset: PackOffset,
    },
}

impl MidxError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            MidxError::Version { .. } | MidxError::Format { .. } | MidxError::TooLarge { .. } => {
                ErrorKind::Invalid
            }
            _ => ErrorKind::Corrupt,
        }
    }
}
