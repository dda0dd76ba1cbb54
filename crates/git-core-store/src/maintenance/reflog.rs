//! Old entries of reflogs go (`git-reflog(1)`, `expire --all`).

use super::MaintenanceError;
use super::roots::working_trees;
use crate::fs::FsStorage;
use crate::fs::refs::FilesRefs;
use crate::walk::{CommitWalk, Query};
use crate::{Snapshot, Storage as _};
use git_core_config::wildmatch::Pattern;
use git_core_object::{Context, IdentRef, Kind, ObjectId};
use git_core_ref::{RefName, ReflogLine, Target};
use std::collections::HashSet;
use std::ops::ControlFlow;

/// How far the clocks of committers may differ, in seconds.
const SLOP: i64 = 86_400;

/// When entries of reflogs expire.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ReflogExpiry {
    /// For refs that no pattern is about.
    pub usual: ReflogAges,
    /// For refs that match a pattern: the first counts.
    pub special: Vec<(Pattern, ReflogAges)>,
}

/// Before which time entries expire, in seconds since 1970; [`i64::MIN`] for never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReflogAges {
    /// All entries.
    pub total: i64,
    /// Entries that tell of commits which the ref does not reach.
    pub unreachable: i64,
}

impl Default for ReflogAges {
    fn default() -> Self {
        ReflogAges { total: i64::MIN, unreachable: i64::MIN }
    }
}

impl ReflogExpiry {
    fn ages(&self, name: &RefName) -> ReflogAges {
        let special = self.special.iter().find(|(pattern, _)| pattern.matches(name.as_bytes()));
        special.map_or(self.usual, |(_, ages)| *ages)
    }
}

/// Takes expired entries out of all reflogs; gives how many. A log whose ref somebody holds locked is left for the
/// next time.
///
/// # Errors
/// [`MaintenanceError`] when a log or a commit cannot be read.
pub fn expire_reflogs(
    storage: &FsStorage,
    expiry: &ReflogExpiry,
    cx: &Context,
) -> Result<u64, MaintenanceError> {
    let snapshot = storage.snapshot()?;
    let (mut gone, mut seen) = (0, HashSet::new());
    for refs in working_trees(storage)? {
        for name in refs.reflogs()? {
            cx.check()?;
            let own = name.is_root() || refs.git_dir() != refs.common_dir();
            // Logs that all working trees share come once.
            if !seen.insert((own.then(|| refs.git_dir().to_path_buf()), name.clone())) {
                continue;
            }
            let ages = expiry.ages(&name);
            if ages.total == i64::MIN && ages.unreachable == i64::MIN {
                continue;
            }
            gone += expire(&*snapshot, &refs, &name, ages, cx)?;
        }
    }
    Ok(gone)
}

fn expire(
    snapshot: &dyn Snapshot,
    refs: &FilesRefs,
    name: &RefName,
    ages: ReflogAges,
    cx: &Context,
) -> Result<u64, MaintenanceError> {
    let (mut doubtful, mut any) = (HashSet::new(), false);
    refs.for_each_reflog_entry(name, &mut |entry| {
        let time = time_of(&entry);
        any |= time < ages.total || time < ages.unreachable;
        if time >= ages.total && time < ages.unreachable {
            doubtful.extend([entry.old, entry.new].into_iter().filter(|id| !id.is_null()));
        }
        ControlFlow::Continue(())
    })?;
    if !any {
        return Ok(0);
    }
    let reached = reached(snapshot, refs, name, &doubtful, cx)?;
    let is_reached = |id: &ObjectId| id.is_null() || reached.contains(id);
    let result = refs.expire_reflog(name, &mut |entry| {
        let time = time_of(&entry);
        time >= ages.total && (time >= ages.unreachable || is_reached(&entry.old) && is_reached(&entry.new))
    });
    match result {
        Ok(gone) => Ok(gone),
        Err(crate::CommitError::Locked { lock, .. }) => {
            tracing::warn!(%name, lock, "a reflog is left since its ref is locked");
            Ok(0)
        }
        Err(error) => Err(error.into()),
    }
}

/// When an entry was made; one that does not say so is as old as can be.
fn time_of(entry: &ReflogLine<'_>) -> i64 {
    IdentRef::parse(entry.committer).time().map_or(0, |time| time.seconds)
}

/// Which of the commits the ref reaches; those of `HEAD` may be reached by any ref.
fn reached(
    snapshot: &dyn Snapshot,
    refs: &FilesRefs,
    name: &RefName,
    doubtful: &HashSet<ObjectId>,
    cx: &Context,
) -> Result<HashSet<ObjectId>, MaintenanceError> {
    let (mut found, mut content) = (HashSet::new(), Vec::new());
    let mut oldest = i64::MAX;
    for id in doubtful {
        if snapshot.header(id)?.is_some_and(|header| header.kind == Kind::Commit) {
            snapshot.require(id, &mut content)?;
            let links = git_core_object::commit::links(id.format(), &content);
            oldest = oldest.min(links.map_or(i64::MIN, |links| links.time));
        }
    }
    if oldest == i64::MAX {
        return Ok(found);
    }
    let mut tips: HashSet<ObjectId> = refs.resolve(name)?.1.into_iter().collect();
    if name.is_head() {
        refs.for_each(b"", &mut |reference| {
            if let Target::Id(id) = reference.target {
                tips.insert(id);
            }
            ControlFlow::Continue(())
        })?;
    }
    let mut include = Vec::new();
    for tip in tips {
        if let Ok((commit, Kind::Commit)) = crate::walk::peel(snapshot, tip, &mut content, &mut Vec::new()) {
            include.push(commit);
        }
    }
    let query = Query { include, ..Query::default() };
    let mut walk = CommitWalk::new(snapshot, snapshot.shallow(), &query, cx)?;
    while let Some(commit) = walk.next_commit()? {
        if doubtful.contains(&commit.id) {
            found.insert(commit.id);
        }
        if found.len() == doubtful.len() || commit.time < oldest.saturating_sub(SLOP) {
            break;
        }
    }
    Ok(found)
}
