//! `rev-list --cherry-pick` and `--cherry-mark`: commits of either side of `a...b` that make the same change.

use super::rev_list_history::walked;
use crate::fail::Failure;
use bstr::ByteSlice as _;
use git_core::diff::{PatchOptions, PatchWriter, TreeOptions, diff_trees};
use git_core::object::{Context, ObjectId, ReadError};
use git_core::store::Snapshot;
use git_core::store::walk::{History, HistoryCommit, HistoryMark, HistoryQuery, PathSpec};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::ControlFlow;

/// What is done about such commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cherry {
    /// They are left out.
    Pick,
    /// They are marked.
    Mark,
}

/// The commits of the list whose change a commit of the other side makes too. Merges are not looked at.
pub(super) fn equivalent(
    snapshot: &dyn Snapshot,
    mut query: HistoryQuery,
) -> Result<HashSet<ObjectId>, Failure> {
    let cx = Context::new();
    // Both sides, whatever is shown of them.
    (query.side, query.skip, query.max_count, query.boundary, query.reverse) = (None, 0, None, false, false);
    (query.min_parents, query.max_parents) = (0, Some(1));
    let paths = query.paths.clone();
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut history = walked(History::new(snapshot, query, &cx))?;
    while let Some(commit) = walked(history.next_commit())? {
        match commit.mark {
            HistoryMark::Left => left.push(commit),
            _ => right.push(commit),
        }
    }
    if left.is_empty() || right.is_empty() {
        return Ok(HashSet::new());
    }
    let change = |commit: &HistoryCommit| change_of(snapshot, commit, &paths, &cx);
    let (few, many) = if left.len() < right.len() { (left, right) } else { (right, left) };
    let mut known: HashMap<[u64; 2], Vec<ObjectId>> = HashMap::new();
    for commit in &few {
        if let Some(change) = change(commit)? {
            known.entry(change).or_default().push(commit.id);
        }
    }
    let mut found = HashSet::new();
    for commit in &many {
        if let Some(change) = change(commit)?
            && let Some(others) = known.get(&change)
        {
            found.insert(commit.id);
            found.extend(others);
        }
    }
    Ok(found)
}

/// A hash of what a commit changes, whatever the lines are numbered and however they are spaced; `None` where it
/// changes nothing.
fn change_of(
    snapshot: &dyn Snapshot,
    commit: &HistoryCommit,
    paths: &[PathSpec],
    cx: &Context,
) -> Result<Option<[u64; 2]>, Failure> {
    let mut content = Vec::new();
    let mut links = |id: &ObjectId| -> Result<(ObjectId, Option<ObjectId>), ReadError> {
        snapshot.require(id, &mut content)?;
        let links = git_core::object::commit::links(id.format(), &content)
            .map_err(|error| ReadError::corrupt(format_args!("commit {id}"), error))?;
        Ok((links.tree, links.parents().next()))
    };
    // The parent that the commit has, not one that the list shows.
    let old = match links(&commit.id)?.1 {
        Some(parent) => Some(links(&parent)?.0),
        None => None,
    };
    // Two of them, so that chance does not make equals.
    let mut hashes = [0u64, 1].map(|seed| {
        let mut hasher = DefaultHasher::new();
        seed.hash(&mut hasher);
        hasher
    });
    let mut writer = PatchWriter::new(snapshot, PatchOptions::default());
    let (mut patch, mut changes) = (Vec::new(), false);
    diff_trees(snapshot, old.as_ref(), Some(&commit.tree), &TreeOptions::recursive(), cx, &mut |change| {
        if !paths.is_empty() && !paths.iter().any(|spec| spec.matches(change.path)) {
            return Ok(ControlFlow::Continue(()));
        }
        changes = true;
        patch.clear();
        writer.write(change, cx, &mut patch)?;
        // Of what is no text, the ids say what it is.
        let is_text = !patch.lines().any(|line| line.starts_with(b"Binary files "));
        for line in patch.lines() {
            if is_text && (line.starts_with(b"@@ ") || line.starts_with(b"index ")) {
                continue;
            }
            for byte in line.iter().filter(|byte| !byte.is_ascii_whitespace()) {
                hashes.iter_mut().for_each(|hasher| hasher.write_u8(*byte));
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if !changes {
        return Ok(None);
    }
    Ok(Some(hashes.map(|hasher| hasher.finish())))
}
