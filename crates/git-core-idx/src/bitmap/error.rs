//! Why a bitmap file cannot be used.

use crate::ewah::EwahError;
use git_core_object::ErrorKind;

/// What is wrong with a bitmap file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BitmapError {
    /// It is shorter than its fixed parts.
    #[error("bitmap file of {len} bytes is too small")]
    TooSmall {
        /// Its length.
        len: u64,
    },
    /// It is another kind of file.
    #[error("bitmap file has a wrong signature")]
    Signature,
    /// Its version is not known.
    #[error("bitmap file version {version} is not supported")]
    Version {
        /// The version it gives.
        version: u16,
    },
    /// It has a feature that is not known, or lacks one that is required.
    #[error("bitmap file has unsupported flags {flags:#06x}")]
    Flags {
        /// The flags it gives.
        flags: u16,
    },
    /// It belongs to another pack or multi-pack index.
    #[error("bitmap file belongs to another pack")]
    Mismatch,
    /// A part that the header announces does not fit.
    #[error("{what} of the bitmap file does not fit into its {len} bytes")]
    Length {
        /// Which part.
        what: &'static str,
        /// The length of the file.
        len: u64,
    },
    /// A bit map in it is damaged.
    #[error("bitmap file is damaged at offset {offset}")]
    Ewah {
        /// Where the bit map begins.
        offset: u64,
        /// What is wrong with it.
        #[source]
        source: EwahError,
    },
    /// An entry refers to an entry that does not exist, or to itself in a circle.
    #[error("entry {entry} of the bitmap file is based on an entry that cannot be its base")]
    Base {
        /// The entry.
        entry: u32,
    },
    /// An entry is about an object that the index does not have.
    #[error("entry {entry} of the bitmap file is about row {position}, which the index does not have")]
    Position {
        /// The entry.
        entry: u32,
        /// The row.
        position: u32,
    },
    /// The lookup table disagrees with the entries.
    #[error("row {row} of the lookup table of the bitmap file points to no entry for its commit")]
    Lookup {
        /// The row of the table.
        row: u32,
    },
    /// The order of the objects is no permutation.
    #[error("the order of the objects names row {row} twice, or not at all")]
    Order {
        /// The row.
        row: u32,
    },
    /// The pseudo-merges are damaged.
    #[error("the pseudo-merges of the bitmap file are damaged: {detail}")]
    PseudoMerges {
        /// In what.
        detail: &'static str,
    },
    /// Its own checksum does not match its content.
    #[error("bitmap file checksum mismatch")]
    Checksum,
}

impl BitmapError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            BitmapError::Version { .. } | BitmapError::Flags { .. } => ErrorKind::Invalid,
            _ => ErrorKind::Corrupt,
        }
    }
}
