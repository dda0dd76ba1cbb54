//! Writing a pack as a pulled stream: entries of other packs copied as they stand, other objects deflated.
//!
//! What goes into the pack, and in which order, is decided by the caller: see [`PackPlan`]. The search for deltas
//! is in `search`.

mod copy;
mod error;
mod fill;
mod plan;
mod run;
mod split;
mod stream;

pub use copy::PackCopy;
pub use error::WriteError;
pub use fill::{HasObject, PackWriter, WriteOptions, Written};
pub(crate) use plan::{Finder, Source};
pub use plan::{Islands, PackPlan, Reuse};
pub use stream::StreamObject;

/// How deltas on objects of the same pack are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeltaForm {
    /// As ofs-deltas; the receiver must know them (`ofs-delta`).
    #[default]
    Ofs,
    /// As ref-deltas, which every receiver knows.
    Ref,
}
