//! Why a received pack is refused.

use crate::resolve::ResolveError;
use crate::{HeaderError, InflateError};
use git_core_idx::PackOffset;
use git_core_object::{BoxError, ErrorKind, ObjectId, ReadError, Stopped};

/// Why a pack cannot be indexed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The pack's header is invalid.
    #[error(transparent)]
    PackHeader(HeaderError),
    /// The stream ended too early.
    #[error("pack ends early, at offset {at}: {objects} of {declared} objects were complete")]
    Truncated {
        /// The bytes received.
        at: u64,
        /// The objects that were complete.
        objects: u32,
        /// The objects that the header declares.
        declared: u32,
    },
    /// An entry's header is invalid.
    #[error("pack has a bad object at offset {offset}")]
    EntryHeader {
        /// Where the entry begins.
        offset: PackOffset,
        /// What is wrong.
        #[source]
        source: HeaderError,
    },
    /// An entry's compressed data is invalid.
    #[error("pack has a bad object at offset {offset}: inflate failed")]
    Inflate {
        /// Where the entry begins.
        offset: PackOffset,
        /// What is wrong.
        #[source]
        source: InflateError,
    },
    /// An ofs-delta refers to a place where no entry begins.
    #[error("delta base offset is out of bound at offset {offset}")]
    BaseOffset {
        /// Where the delta begins.
        offset: PackOffset,
    },
    /// The pack's checksum does not match.
    #[error("pack is corrupted (checksum mismatch)")]
    Checksum,
    /// Deltas refer to objects that are nowhere to be found.
    #[error("pack has {count} unresolved {}", if *.count == 1 { "delta" } else { "deltas" })]
    Unresolved {
        /// How many deltas.
        count: u32,
        /// The base of the first of them, if it says one.
        base: Option<ObjectId>,
    },
    /// Bases were added to the pack that depend on the pack itself.
    #[error("the delta base {id} depends on itself")]
    BaseCycle {
        /// The base.
        id: ObjectId,
    },
    /// An object occurs twice, and the options refuse that.
    #[error("the same object {id} appears twice in the pack")]
    Duplicate {
        /// The object.
        id: ObjectId,
    },
    /// The pack is larger than allowed.
    #[error("pack exceeds maximum allowed size ({bound} bytes)")]
    PackTooLarge {
        /// What is allowed, in bytes.
        bound: u64,
    },
    /// The pack declares more objects than allowed.
    #[error("pack declares {declared} objects, more than the {bound} allowed")]
    TooManyObjects {
        /// What it declares.
        declared: u32,
        /// What is allowed.
        bound: u64,
    },
    /// An object is larger than allowed.
    #[error("object at offset {offset} has {size} bytes, more than the {bound} allowed")]
    ObjectTooLarge {
        /// Where its entry begins.
        offset: PackOffset,
        /// What it declares, in bytes.
        size: u64,
        /// What is allowed, in bytes.
        bound: u64,
    },
    /// Content bears the marks of an attack on SHA-1.
    #[error("object at offset {offset} looks like a SHA-1 collision attack")]
    Attack {
        /// Where its entry begins.
        offset: PackOffset,
    },
    /// The repository has an object of the same id with other content.
    #[error("SHA1 COLLISION FOUND WITH {id} !")]
    Collision {
        /// The id.
        id: ObjectId,
    },
    /// The observer refused an object.
    #[error("object {id} was refused")]
    Observer {
        /// The object.
        id: ObjectId,
        /// What the observer said.
        #[source]
        source: BoxError,
    },
    /// Deltas could not be resolved.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// Storing the pack failed.
    #[error("cannot store the pack")]
    Spool(#[source] BoxError),
    /// An object of the repository could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The operation was cancelled, or met a limit.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl IndexError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            IndexError::PackTooLarge { .. }
            | IndexError::TooManyObjects { .. }
            | IndexError::ObjectTooLarge { .. } => ErrorKind::Limit,
            IndexError::Observer { .. } => ErrorKind::Denied,
            IndexError::Spool(_) => ErrorKind::Unavailable,
            IndexError::Resolve(error) => error.kind(),
            IndexError::Read(error) => error.kind(),
            IndexError::Stopped(stopped) => stopped.kind(),
            _ => ErrorKind::Corrupt,
        }
    }
}
