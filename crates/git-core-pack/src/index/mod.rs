//! Indexing a pack while it is received.
//!
//! [`Indexer::feed`] takes bytes as they come: it inflates every entry once, hashes whole objects on the way
//! and keeps the bytes in a [`Spool`]. [`Indexer::finish`] resolves the deltas on all processors, completes a
//! thin pack and gives the index.

mod burst;
mod error;
#[cfg(any(unix, windows))]
mod file_spool;
mod finish;
mod options;
mod spool;
mod stream;
mod thin;

pub use error::IndexError;
#[cfg(any(unix, windows))]
pub use file_spool::FileSpool;
pub use options::{Duplicates, IndexOptions, Indexed, Observer, Thin};
pub use spool::Spool;
pub use stream::Indexer;
