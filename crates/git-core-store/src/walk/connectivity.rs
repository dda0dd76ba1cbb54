//! Whether everything that new refs need has come.

use super::commits::{Exclusion, MissingExcludes, Query};
use super::reachable::reachable;
use crate::Snapshot;
use git_core_object::{Context, ObjectId, ReadError};

/// Checks that everything `tips` reach is there, as far as it is not reached by `known`, whose history is
/// complete because refs point to it.
///
/// # Errors
/// [`ReadError::Missing`] names the first object found missing; other errors as they come.
pub fn check_connected(
    snapshot: &dyn Snapshot,
    tips: &[ObjectId],
    known: &[ObjectId],
    cx: &Context,
) -> Result<(), ReadError> {
    if tips.is_empty() {
        return Ok(());
    }
    // Checking a little too much does no harm.
    let query = Query {
        include: tips.to_vec(),
        exclude: known.to_vec(),
        ignore_missing: MissingExcludes::Ignore,
        exclusion: Exclusion::ByDate,
        filter: None,
    };
    reachable(snapshot, &query, &cx.clone().quiet()).map(drop)
}
