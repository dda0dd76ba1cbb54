//! What a partial clone has left out, and who is asked for it.
//!
//! A promisor is no part of a storage: who lists, shows or checks out objects looks through
//! [`Altered::lazily`](crate::Altered::lazily); who packs, checks or serves them does not, and finds what is there.

use git_core_object::{ObjectId, ReadError};

/// Whoever has promised to have the objects that are missing.
pub trait Promisor: Send + Sync {
    /// Brings these objects, none of which is there, with one request where that can be, and stores them.
    ///
    /// # Errors
    /// [`ReadError`] when they could not be had.
    fn fetch(&self, ids: &[ObjectId]) -> Result<(), ReadError>;
}
