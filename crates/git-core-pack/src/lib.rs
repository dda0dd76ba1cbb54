//! Pack entries, deltas, reading objects, indexing a received pack, verifying and writing packs.
//!
//! - [`Pack`] and [`Reader`] read objects through an index, whatever the bytes of the pack lie in ([`PackData`]).
//! - [`Indexer`] takes a pack as it comes in, piece by piece, and makes its index ([`Indexed`]).
//! - [`PackWriter`] gives a pack piece by piece, with entries of other packs copied as they stand.
//! - [`Salvage`] reads what is whole of a damaged pack.
//! - [`verify()`] checks a pack against its index.
//! - [`PackPlan::find_deltas`] searches which objects are best stored as deltas of which others.
//!
//! The formats are those of `gitformat-pack(5)`. Where packs are stored, and which objects go into one, is left to
//! others.
#![forbid(unsafe_code)]

mod cache;
mod data;
pub mod delta;
mod entry;
mod index;
mod inflate;
mod name;
mod name_hash;
mod pack;
mod resolve;
mod salvage;
mod search;
mod verify;
mod write;

pub use cache::DeltaCache;
pub use data::{MAX_READ, PackBytes, PackData};
pub use entry::{
    EntryHeader, EntryKind, HeaderError, MAX_ENTRY_HEADER_LEN, PACK_HEADER_LEN, pack_header,
    parse_pack_header,
};
#[cfg(any(unix, windows))]
pub use index::FileSpool;
pub use index::{Duplicates, IndexError, IndexOptions, Indexed, Indexer, Observer, Spool, Thin};
pub use inflate::InflateError;
pub use name_hash::name_hash;
pub use pack::{BlobStream, OpenError, Pack, PackOptions, RawEntry, Reader};
pub use resolve::ResolveError;
pub use salvage::{Salvage, SalvageError, SalvagedEntry};
pub use search::{Found, SearchOptions};
pub use verify::{Verified, VerifiedEntry, VerifyError, verify};
pub use write::{
    DeltaForm, HasObject, Islands, PackCopy, PackPlan, PackWriter, Reuse, StreamObject, WriteError,
    WriteOptions, Written,
};
