//! Object filters: which of the objects that are reached a partial clone or a listing leaves out.
//!
//! [`FilterSpec`] is the text, as `git-rev-list(1)` describes it under `--filter` and the wire carries it;
//! [`ObjectFilter`] is what a walk asks, with the blobs that a spec names read. Applying it is the walks' matter:
//! see [`Query::filter`](crate::walk::Query::filter).

mod sparse;
mod spec;

pub(crate) use sparse::SparsePatterns;
pub use spec::{FilterSpec, FilterSpecError};

use crate::Snapshot;
use crate::revision;
use git_core_object::{ErrorKind, Kind, ObjectId, ReadError};
use std::sync::Arc;

/// What is left out of a walk over objects. All its conditions must be met by an object that is let through.
///
/// The default lets everything through.
#[derive(Clone, Debug, Default)]
pub struct ObjectFilter {
    /// The one kind that is let through, or all.
    kinds: Kinds,
    /// Blobs must be smaller than this.
    blobs_below: Option<u64>,
    /// Trees and blobs must lie less deep than this; the root tree of a commit lies at 0.
    depth_below: Option<u64>,
    sparse: Vec<Arc<SparsePatterns>>,
    named: Named,
}

/// Whether a filter is applied to the objects that were named, and to the tags on the way from these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Named {
    /// They are let through.
    #[default]
    Kept,
    /// They are filtered too, as with `--filter-provided-objects`.
    Filtered,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kinds {
    #[default]
    All,
    Only(Kind),
    None,
}

impl ObjectFilter {
    /// The filter that a spec describes, applied to the objects of a snapshot.
    ///
    /// # Errors
    /// [`FilterError`] when a blob that it names cannot be read.
    pub fn new(snapshot: &dyn Snapshot, spec: &FilterSpec) -> Result<Self, FilterError> {
        let mut filter = ObjectFilter::default();
        for part in spec.parts() {
            filter.add(snapshot, part)?;
        }
        Ok(filter)
    }

    /// The filter with another rule for what was named.
    #[must_use]
    pub fn with_named(self, named: Named) -> Self {
        ObjectFilter { named, ..self }
    }

    fn add(&mut self, snapshot: &dyn Snapshot, part: &FilterSpec) -> Result<(), FilterError> {
        let least = |old: Option<u64>, new: u64| Some(old.map_or(new, |old| old.min(new)));
        match part {
            FilterSpec::BlobNone => self.blobs_below = Some(0),
            FilterSpec::BlobLimit(limit) => self.blobs_below = least(self.blobs_below, *limit),
            FilterSpec::TreeDepth(depth) => self.depth_below = least(self.depth_below, *depth),
            FilterSpec::ObjectType(kind) => {
                self.kinds = match self.kinds {
                    Kinds::All => Kinds::Only(*kind),
                    Kinds::Only(other) if other == *kind => Kinds::Only(other),
                    _ => Kinds::None,
                };
            }
            FilterSpec::SparseOid(name) => {
                let unreadable = || FilterError::SparseBlob { name: name.clone() };
                let id = revision::resolve(snapshot, name).map_err(|_| unreadable())?;
                let mut content = Vec::new();
                let kind = snapshot.read(&id, &mut content)?.ok_or_else(unreadable)?;
                if kind != Kind::Blob {
                    return Err(FilterError::NoPatterns { id });
                }
                self.sparse.push(Arc::new(SparsePatterns::parse(&content)));
            }
            // `parts` gives none within another.
            FilterSpec::Combine(_) => {}
        }
        Ok(())
    }

    /// Whether what was named is let through whatever it is.
    pub(crate) fn keeps_named(&self) -> bool {
        self.named == Named::Kept
    }

    /// Whether objects of a kind may be let through at all.
    pub fn admits(&self, kind: Kind) -> bool {
        let by_kind = match self.kinds {
            Kinds::All => true,
            Kinds::Only(only) => only == kind,
            Kinds::None => false,
        };
        by_kind
            && match kind {
                Kind::Blob => self.blobs_below != Some(0) && self.depth_below != Some(0),
                Kind::Tree => self.depth_below != Some(0),
                Kind::Commit | Kind::Tag => true,
            }
    }

    /// The size that a blob must be smaller than.
    pub(crate) fn blobs_below(&self) -> Option<u64> {
        self.blobs_below
    }

    /// The depth that a tree or blob must lie less deep than, where some may lie less deep.
    pub(crate) fn depth_below(&self) -> Option<u64> {
        self.depth_below
    }

    pub(crate) fn sparse(&self) -> &[Arc<SparsePatterns>] {
        &self.sparse
    }

    /// Whether it depends on where an object is met, rather than on the object alone.
    pub(crate) fn asks_for_place(&self) -> bool {
        !self.sparse.is_empty() || self.depth_below.is_some_and(|depth| depth > 0)
    }

    /// Whether a condition other than that on kinds speaks of trees and blobs: what such a condition leaves out can
    /// be listed.
    pub(crate) fn omits(&self, kind: Kind) -> bool {
        match kind {
            Kind::Blob => self.blobs_below.is_some() || self.depth_below.is_some() || !self.sparse.is_empty(),
            Kind::Tree => self.depth_below.is_some(),
            Kind::Commit | Kind::Tag => false,
        }
    }
}

/// Why a filter cannot be applied to a repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// `sparse:oid` names nothing that is there.
    #[error("unable to access sparse blob in '{}'", bstr::BStr::new(name))]
    SparseBlob {
        /// The name.
        name: Vec<u8>,
    },
    /// `sparse:oid` names something that is no blob.
    #[error("unable to parse sparse filter data in {id}")]
    NoPatterns {
        /// What it names.
        id: ObjectId,
    },
    /// A blob cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl FilterError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            FilterError::SparseBlob { .. } => ErrorKind::NotFound,
            FilterError::NoPatterns { .. } => ErrorKind::Invalid,
            FilterError::Read(error) => error.kind(),
        }
    }
}
