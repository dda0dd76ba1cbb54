//! The commit-graph: parents, dates, root trees and generations of commits in tables, and filters that tell which
//! paths a commit did not change (`gitformat-commit-graph(5)`, docs/formats/commit-graph.md).
//!
//! A [`GraphFile`] is one file, a [`CommitGraph`] the chain of files that a repository has: one or more, each
//! building on those below. [`write_graph`] makes the bytes of a file. Which commits a graph is made of, what
//! their trees changed, and where the files lie is left to `git-core-store`.

mod bloom;
mod chain;
mod chunks;
mod error;
mod file;
#[cfg(test)]
mod tests;
mod write;

pub use bloom::{FilterBuilder, FilterKey, FilterRef, FilterSettings, FilterTable};
pub use chain::{CommitGraph, GraphParents};
pub use error::GraphError;
pub use file::GraphFile;
pub use write::{Generations, GraphEntry, GraphOptions, write_graph};

/// A commit in a chain: its rank among the sorted ids of its file, plus the commits of all files below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GraphPosition(pub u32);

pub(crate) const SIGNATURE: [u8; 4] = *b"CGPH";
/// Where a parent would stand, and there is none.
pub(crate) const NO_PARENT: u32 = 0x7000_0000;
/// Marks an octopus in the second parent, the last parent in the list of extra edges, and an offset of a
/// generation that stands in the overflow table.
pub(crate) const MARK: u32 = 0x8000_0000;
/// The greatest topological level that is stored; commits above it all have it.
pub const MAX_LEVEL: u32 = 0x3fff_ffff;
/// The greatest offset of a corrected commit date that needs no row of the overflow table.
pub(crate) const MAX_OFFSET: u64 = 0x7fff_ffff;
/// Bits of a commit's date that the format has room for.
pub(crate) const DATE_BITS: u32 = 34;

pub(crate) mod chunk_id {
    pub(crate) const FANOUT: [u8; 4] = *b"OIDF";
    pub(crate) const IDS: [u8; 4] = *b"OIDL";
    pub(crate) const COMMITS: [u8; 4] = *b"CDAT";
    pub(crate) const GENERATIONS: [u8; 4] = *b"GDA2";
    pub(crate) const OVERFLOW: [u8; 4] = *b"GDO2";
    pub(crate) const EDGES: [u8; 4] = *b"EDGE";
    pub(crate) const FILTER_INDEX: [u8; 4] = *b"BIDX";
    pub(crate) const FILTER_DATA: [u8; 4] = *b"BDAT";
    pub(crate) const BASES: [u8; 4] = *b"BASE";
}
