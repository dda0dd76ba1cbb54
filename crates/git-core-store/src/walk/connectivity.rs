//! Whether everything that new refs need has come.

use super::commits::{Exclusion, MissingExcludes, Query};
use super::reachable::reachable;
use super::tag_target;
use crate::Snapshot;
use git_core_object::{Context, Kind, ObjectId, ReadError, commit};
use std::collections::HashSet;

/// So many ids are worth finding out which of them matter.
const MANY: usize = 64;

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
        ..Query::default()
    };
    reachable(snapshot, &query, &cx.clone().quiet()).map(drop)
}

/// As [`check_connected`], for objects that have come on top of a repository: `snapshot` shows them, `before` does not,
/// and `known` is what its refs hold.
///
/// # Errors
/// As [`check_connected`].
pub fn check_received(
    snapshot: &dyn Snapshot,
    before: &dyn Snapshot,
    tips: &[ObjectId],
    known: &[ObjectId],
    cx: &Context,
) -> Result<(), ReadError> {
    match foundation(snapshot, before, tips, known, cx)? {
        Some(foundation) => check_connected(snapshot, tips, &foundation, cx),
        None => check_connected(snapshot, tips, known, cx),
    }
}

/// Those of `known` that commits which have just come stand on, if they stand on nothing else. Nothing that was there
/// before leads to such a commit, so the other ones, of which there may be very many, need not be read.
fn foundation(
    snapshot: &dyn Snapshot,
    before: &dyn Snapshot,
    tips: &[ObjectId],
    known: &[ObjectId],
    cx: &Context,
) -> Result<Option<Vec<ObjectId>>, ReadError> {
    if known.len() < MANY || !snapshot.shallow().is_empty() || snapshot.alters_history() {
        return Ok(None);
    }
    let known: HashSet<&ObjectId> = known.iter().collect();
    let (mut seen, mut stack, mut found) = (HashSet::new(), tips.to_vec(), Vec::new());
    let mut buf = Vec::new();
    while let Some(id) = stack.pop() {
        if !seen.insert(id) {
            continue;
        }
        // Reading all that is known is less work by now.
        if seen.len() > known.len() {
            return Ok(None);
        }
        if seen.len().is_multiple_of(1024) {
            cx.check()?;
        }
        if known.contains(&id) {
            found.push(id);
            continue;
        }
        // It was there, and whether a ref leads to it shows only when all are followed.
        if before.contains(&id)? {
            return Ok(None);
        }
        match snapshot.read(&id, &mut buf)? {
            Some(Kind::Commit) => {
                let links = commit::links(id.format(), &buf)
                    .map_err(|error| ReadError::corrupt(format_args!("commit {id}"), error))?;
                stack.extend(links.parents());
            }
            Some(Kind::Tag) => stack.push(tag_target(id.format(), id, &buf)?),
            Some(_) => {}
            // Who checks says so.
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}
