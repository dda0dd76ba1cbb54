//! Where a history is cut off for a peer that does not want all of it, and where one that was cut off ends.

use super::commits::{CommitWalk, Exclusion, MissingExcludes, Query};
use super::graph::{Flags, Graph, Node};
use super::history::{History, HistoryQuery, HistoryTip, TipRole};
use super::peel;
use crate::Snapshot;
use git_core_object::{Context, Kind, ObjectId, ReadError};
use std::collections::HashSet;

/// A history that ends at some commits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The commits at which it ends: they belong to it, and their parents do not. Sorted.
    pub ends: Vec<ObjectId>,
    /// Those of the commits that were asked about which belong to it with their parents.
    pub inside: Vec<ObjectId>,
}

/// The last commits of what reached from `tips` in so many steps, the tips being the first, and those of `asked`
/// that are not among the last. The commits at which the snapshot itself ends are ends at any depth.
///
/// # Errors
/// [`ReadError`] when a commit is missing or damaged, or the walk was cancelled.
pub fn bounds_at_depth(
    snapshot: &dyn Snapshot,
    tips: &[ObjectId],
    depth: u32,
    asked: &[ObjectId],
    cx: &Context,
) -> Result<Bounds, ReadError> {
    const SEEN: u8 = 1;
    const INSIDE: u8 = 2;
    let mut graph = Graph::new(snapshot, snapshot.shallow());
    let (mut flags, mut visited) = (Flags::default(), 0u64);
    let mut level = Vec::new();
    for id in commits_of(snapshot, tips)? {
        let node = graph.node(&id);
        if flags.set(node, SEEN) {
            level.push(node);
        }
    }
    let (mut bounds, mut at, mut next) = (Bounds::default(), 1, Vec::new());
    // Level by level, so that each commit is met by the shortest way first.
    while !level.is_empty() {
        for node in level.drain(..) {
            visited += 1;
            if visited.is_multiple_of(1024) {
                cx.check()?;
            }
            graph.require(node)?;
            let id = graph.id(node);
            if at >= depth || snapshot.shallow().binary_search(&id).is_ok() {
                bounds.ends.push(id);
                continue;
            }
            flags.set(node, INSIDE);
            for link in graph.parents(node) {
                let parent: Node = graph.parent(link);
                if flags.set(parent, SEEN) {
                    next.push(parent);
                }
            }
        }
        std::mem::swap(&mut level, &mut next);
        at = at.saturating_add(1);
    }
    bounds.ends.sort_unstable();
    for id in asked {
        let node = graph.node(id);
        if flags.has(node, INSIDE) {
            bounds.inside.push(*id);
        }
    }
    Ok(bounds)
}

/// The last commits of what `tips` reach, `not` does not, and was made at `since` or later, as `git rev-list` lists
/// them; and those of `asked` that are not among the last. `None` when there are no commits at all.
///
/// # Errors
/// [`ReadError`] when a commit is missing or damaged, or the walk was cancelled.
pub fn bounds_of_list(
    snapshot: &dyn Snapshot,
    tips: &[ObjectId],
    since: Option<i64>,
    not: &[ObjectId],
    asked: &[ObjectId],
    cx: &Context,
) -> Result<Option<Bounds>, ReadError> {
    let tip = |role| move |id| HistoryTip { id, role };
    let mut query = HistoryQuery { since, ..HistoryQuery::default() };
    query.tips.extend(commits_of(snapshot, not)?.into_iter().map(tip(TipRole::Hidden)));
    query.tips.extend(commits_of(snapshot, tips)?.into_iter().map(tip(TipRole::Shown)));
    let mut history = History::new(snapshot, query, cx)?;
    let (mut listed, mut ids) = (Vec::new(), HashSet::new());
    while let Some(commit) = history.next_commit()? {
        ids.insert(commit.id);
        listed.push((commit.id, commit.parents));
    }
    if listed.is_empty() {
        return Ok(None);
    }
    let mut bounds = Bounds::default();
    for (id, parents) in listed {
        let cut = parents.iter().any(|parent| !ids.contains(parent));
        if cut || snapshot.shallow().binary_search(&id).is_ok() {
            bounds.ends.push(id);
        }
    }
    bounds.ends.sort_unstable();
    let inside = |id: &&ObjectId| ids.contains(*id) && bounds.ends.binary_search(id).is_err();
    bounds.inside = asked.iter().filter(inside).copied().collect();
    Ok(Some(bounds))
}

/// Those of `commits` that `tips` reach.
///
/// # Errors
/// [`ReadError`] when a commit is missing or damaged, or the walk was cancelled.
pub fn reached_of(
    snapshot: &dyn Snapshot,
    commits: &[ObjectId],
    tips: &[ObjectId],
    cx: &Context,
) -> Result<Vec<ObjectId>, ReadError> {
    let query = Query {
        include: commits.to_vec(),
        exclude: commits_of(snapshot, tips)?,
        ignore_missing: MissingExcludes::Ignore,
        exclusion: Exclusion::Exact,
        ..Query::default()
    };
    let mut walk = CommitWalk::new(snapshot, snapshot.shallow(), &query, cx)?;
    let mut unreached = HashSet::new();
    while let Some(commit) = walk.next_commit()? {
        unreached.insert(commit.id);
    }
    Ok(commits.iter().filter(|id| !unreached.contains(*id)).copied().collect())
}

/// Those of `candidates` (sorted) at which a history ends that begins at `tips` and of which all is known that
/// `known` reach: where it can only be kept if they become shallow here.
///
/// # Errors
/// [`ReadError`] when a commit is missing or damaged, or the walk was cancelled.
pub fn ends_met(
    snapshot: &dyn Snapshot,
    tips: &[ObjectId],
    known: &[ObjectId],
    candidates: &[ObjectId],
    cx: &Context,
) -> Result<Vec<ObjectId>, ReadError> {
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let mut shallow = [snapshot.shallow(), candidates].concat();
    shallow.sort_unstable();
    shallow.dedup();
    let query = Query {
        include: commits_of(snapshot, tips)?,
        exclude: commits_of(snapshot, known)?,
        ignore_missing: MissingExcludes::Ignore,
        exclusion: Exclusion::Exact,
        ..Query::default()
    };
    let mut walk = CommitWalk::new(snapshot, &shallow, &query, cx)?;
    let mut met = Vec::new();
    while let Some(commit) = walk.next_commit()? {
        if candidates.binary_search(&commit.id).is_ok() {
            met.push(commit.id);
        }
    }
    met.sort_unstable();
    Ok(met)
}

/// The commits that these ids lead to; what leads to none, or is not there, is left out.
fn commits_of(snapshot: &dyn Snapshot, ids: &[ObjectId]) -> Result<Vec<ObjectId>, ReadError> {
    let (mut buf, mut tags, mut commits) = (Vec::new(), Vec::new(), Vec::new());
    for id in ids {
        match peel(snapshot, *id, &mut buf, &mut tags) {
            Ok((id, Kind::Commit)) => commits.push(id),
            Ok(_) | Err(ReadError::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(commits)
}
