//! Ref names, refspecs, packed-refs, reflog lines and ref transactions, as values and pure functions on bytes.
//!
//! Where refs are stored, locked and flushed is left to the storage; how refs travel, to the protocol.
#![forbid(unsafe_code)]

mod name;
mod target;
mod transaction;

pub use name::{InvalidRefName, RefName, RefNameProblem, check_format, check_pattern};
pub use target::{InvalidTarget, Target};
pub use transaction::{Change, Deref, Expected, InvalidTransaction, LogMessage, RefEdit, RefTransaction};
