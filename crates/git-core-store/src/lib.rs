//! Storage of repositories: traits, file system and memory, lookup, walks, quarantine, discovery.
//!
//! [`Storage`], [`Snapshot`] and [`Quarantine`] are the seam; [`fs`] keeps a repository as git does, [`memory`]
//! keeps it in memory, and [`conformance`] is the suite that every implementation passes. [`walk`] answers
//! questions about history on any of them. The wire is unknown here.
#![deny(unsafe_code)]

mod altered;
mod bitmap;
pub mod config;
pub mod conformance;
mod error;
pub mod filter;
pub mod fs;
pub mod lock;
pub mod maintenance;
pub mod memory;
mod object_reader;
mod overlay;
mod pack_set;
mod promisor;
mod receive;
pub mod revision;
mod storage;
mod trusting;
pub mod walk;

pub use altered::{Alterations, Altered};
pub use bitmap::{BitmapRows, MidxRows, PackRows, StoredBitmap, WrittenRows};
pub use error::{CommitError, ReceiveError};
pub use object_reader::ObjectReader;
pub use promisor::Promisor;
pub use storage::{
    Committed, Location, ObjectObserver, PackOptions, PackReceived, Quarantine, Reference, Snapshot, Storage,
    StoredMidx, StoredPack, Thin,
};
pub use trusting::Trusting;
