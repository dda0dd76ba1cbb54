//! Multi-pack indexes: one index over the objects of many packs (`gitformat-pack(5)`, "multi-pack-index").
//!
//! [`MidxFile`] reads one file, [`write_midx`] makes one, [`write_midx_layer`] one that builds on others,
//! [`parse_chain`] reads the list of files that an incremental multi-pack index consists of. Where the files lie, and
//! which packs exist, is left to storages.

mod chain;
mod chunks;
mod error;
mod file;
mod order;
mod write;

pub use chain::parse_chain;
pub use error::MidxError;
pub use file::{MidxFile, MidxLocation};
pub use order::BitmappedPack;
pub use write::{MidxOptions, MidxPack, PseudoPackOrder, write_midx, write_midx_layer};

/// The rank of an object among the sorted ids of a multi-pack index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MidxPosition(pub u32);

/// The rank of a pack among the names of a multi-pack index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackNumber(pub u32);
