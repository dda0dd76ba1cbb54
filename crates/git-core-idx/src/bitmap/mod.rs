//! Reachability bitmaps (`.bitmap`): for some commits of a pack or of a multi-pack index, every object that each
//! of them reaches.
//!
//! The layout is that of `bitmap-format` in Git's technical documentation. A bitmap counts objects by *bits*, in
//! the order in which they stand in the pack (or in the pseudo-pack of a multi-pack index); [`BitOrder`] relates
//! bits to rows of the index. Which commits get a bitmap, and what they reach, is decided by whoever walks them.

mod error;
mod expand;
mod file;
mod numbering;
mod pseudo;
mod write;

#[cfg(test)]
mod tests;

pub use error::BitmapError;
pub use expand::Expander;
pub use file::{BitmapEntry, BitmapFile, Flags, ObjectType};
pub use numbering::BitOrder;
pub use pseudo::PseudoMerge;
pub use write::{BitmapBuilder, name_hash};

/// How many entries back another may stand on which an entry is based.
pub const MAX_XOR_OFFSET: u8 = 160;
