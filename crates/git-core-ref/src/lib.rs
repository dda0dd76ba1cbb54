//! Ref names, refspecs, packed-refs, reflog lines and ref transactions, as values and pure functions on bytes.
//!
//! Where refs are stored, locked and flushed is left to the storage; how refs travel, to the protocol.
#![forbid(unsafe_code)]

mod name;
mod packed;
pub mod reflog;
pub mod refspec;
mod target;
mod transaction;

pub use name::{InvalidRefName, RefName, RefNameProblem, check_format, check_pattern};
pub use packed::{PackedIter, PackedRef, PackedRefs, PackedRefsError, PackedRefsWriter, Peeled};
pub use reflog::{InvalidReflogLine, ReflogLine};
pub use refspec::Refspec;
pub use target::{InvalidTarget, Target};
pub use transaction::{
    Atomicity, Change, Deref, Expected, InvalidTransaction, LogMessage, RefEdit, RefTransaction,
};
