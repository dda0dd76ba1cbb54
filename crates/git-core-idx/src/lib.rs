//! Where an object is: pack indexes, reverse indexes, multi-pack indexes and bitmaps, as pure functions on bytes.
//!
//! Nothing here opens a file: whoever has the bytes of an `.idx` or `.rev` file (mapped, read or received)
//! hands them in. What stands at an offset of a pack is left to `git-core-pack`. [`graph`] holds what walks need
//! of commits.
//!
//! The formats are those of `gitformat-pack(5)` and `gitformat-commit-graph(5)`.
#![forbid(unsafe_code)]

pub mod bitmap;
mod bytes;
mod error;
pub mod ewah;
mod file;
pub mod graph;
pub mod midx;
mod mtimes;
mod order;
mod rev;
mod search;
mod write;

pub use bytes::SharedBytes;
pub use error::IdxError;
pub use file::{IdxFile, Version};
pub use git_core_hash::{Checksum, Digest};
pub use mtimes::{MtimesFile, write_mtimes};
pub use order::ReverseIndex;
pub use rev::RevFile;
pub use write::{IdxEntry, pack_order, write_idx, write_idx_wide_above, write_rev};

/// A row of a pack index: the rank of an object among the sorted ids of its pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdxPosition(pub u32);

/// Where an entry begins in its pack, in bytes from the start of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackOffset(pub u64);

impl std::fmt::Display for PackOffset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
