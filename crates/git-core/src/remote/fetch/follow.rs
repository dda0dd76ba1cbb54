//! The refs that follow a fetch: which may move, what their reflogs say, and which are gone at the remote.

use super::plan::Asked;
use super::run::{Reflogs, Run, Wanted};
use super::{FailedUpdate, ForcedUpdates, Prune, RefUpdate, UpdateStatus};
use crate::remote::{Atomic, DryRun, Force, RemoteError};
use git_core_object::{Kind, ObjectId, ReadError};
use git_core_ref::refspec::{self, FetchSource};
use git_core_ref::{Expected, LogMessage, RefName, RefTransaction, Target};
use git_core_store::{CommitError, Quarantine, Snapshot, revision, walk};
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

/// What became of the refs here.
pub(super) struct Followed {
    /// Of those that were pruned, then of those that were wanted, one for each.
    pub(super) updates: Vec<RefUpdate>,
    /// How many of them were pruned.
    pub(super) pruned: usize,
    pub(super) aborted: Option<FailedUpdate>,
}

impl Run<'_> {
    /// Lets the refs here follow, together with the objects that came.
    pub(super) fn update_refs(
        &self,
        asked: &Asked,
        wanted: &[Wanted],
        cut: &HashSet<ObjectId>,
        quarantine: Option<Box<dyn Quarantine>>,
        view: &dyn Snapshot,
    ) -> Result<Followed, RemoteError> {
        let whole = self.options.atomic == Atomic::Whole;
        let dry = self.options.dry_run == DryRun::Yes;
        let mut updates = Vec::new();
        let mut edits = RefTransaction::new();
        let mut places = Vec::new();
        if self.options.prune == Prune::Remove {
            for update in self.stale(asked, wanted)? {
                edits.delete(update.local.clone().unwrap_or_else(RefName::head), Expected::Any);
                places.push(updates.len());
                updates.push(update);
            }
        }
        let pruned = updates.len();
        let storage = self.repository.storage();
        // What is gone must not be in the way of what comes.
        if !whole && !dry && !edits.is_empty() {
            let committed = storage.commit(Vec::new(), &std::mem::take(&mut edits).each(), self.cx)?;
            for (edit, error) in committed.rejected {
                fail(&mut updates[places[edit]], &error);
            }
            places.clear();
        }
        for one in wanted {
            let mut update = RefUpdate {
                source: Some(one.source.clone()),
                local: one.local.clone(),
                old: None,
                new: Some(one.id),
                status: UpdateStatus::Created,
                dangling: Vec::new(),
            };
            if cut.contains(&one.id) {
                update.status = UpdateStatus::Shallow;
            } else if let Some(name) = &one.local {
                update.old = self.value_here(name)?;
                update.status = self.judge(one, name, update.old, view)?;
                if matches!(
                    update.status,
                    UpdateStatus::Created | UpdateStatus::FastForward | UpdateStatus::Forced
                ) {
                    let expected =
                        update.old.map_or(Expected::MustNotExist, |old| Expected::Is(Target::Id(old)));
                    edits.update(name.clone(), expected, one.id, self.log(&update));
                    places.push(updates.len());
                }
            }
            updates.push(update);
        }
        let mut followed = Followed { updates, pruned, aborted: None };
        let rejected = followed.updates.iter().any(|update| update.status.is_rejected());
        if dry || whole && rejected {
            return Ok(followed);
        }
        let received = quarantine.into_iter().collect();
        let edits = if whole { edits } else { edits.each() };
        match storage.commit(received, &edits, self.cx) {
            Ok(committed) => {
                for (edit, error) in committed.rejected {
                    let update = &mut followed.updates[places[edit]];
                    let Some(name) = &update.local else { continue };
                    // Somebody else who fetched the same was first: it is as it should be.
                    match revision::follow(&*committed.snapshot, name)?.1 {
                        now if now == update.new => update.status = UpdateStatus::UpToDate,
                        _ => fail(update, &error),
                    }
                }
            }
            Err(error) if whole && error.ref_name().is_some() => {
                followed.aborted = Some(failed(UpdateStatus::Created, &error));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(followed)
    }

    fn judge(
        &self,
        one: &Wanted,
        name: &RefName,
        old: Option<ObjectId>,
        view: &dyn Snapshot,
    ) -> Result<UpdateStatus, RemoteError> {
        let Some(old) = old else { return Ok(UpdateStatus::Created) };
        if old == one.id {
            return Ok(UpdateStatus::UpToDate);
        }
        let force = one.force || self.options.force == Force::All;
        if name.is_tag() {
            return Ok(if force { UpdateStatus::Forced } else { UpdateStatus::TagClobbered });
        }
        let commit = |id| match walk::peel(view, id, &mut Vec::new(), &mut Vec::new()) {
            Ok((id, Kind::Commit)) => Ok(Some(id)),
            Ok(_) | Err(ReadError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        };
        // Only histories of commits move forward; anything else is replaced.
        let (Some(old), Some(new)) = (commit(old)?, commit(one.id)?) else {
            return Ok(UpdateStatus::Created);
        };
        if self.options.forced_updates == ForcedUpdates::Unchecked {
            return Ok(UpdateStatus::FastForward);
        }
        let forward = match walk::is_ancestor(view, view.shallow(), &old, &new, self.cx) {
            Err(ReadError::Missing { .. } | ReadError::WrongKind { .. }) => false,
            result => result?,
        };
        Ok(match (forward, force) {
            (true, _) => UpdateStatus::FastForward,
            (false, true) => UpdateStatus::Forced,
            (false, false) => UpdateStatus::NonFastForward,
        })
    }

    fn log(&self, update: &RefUpdate) -> Option<LogMessage> {
        if self.reflogs == Reflogs::Omitted {
            return None;
        }
        let committer = self.repository.committer_line()?;
        let mut message = self.options.reflog_message.clone().unwrap_or_else(|| "fetch".into());
        let tag = update.local.as_ref().is_some_and(|name| name.is_tag());
        message.extend_from_slice(match (&update.status, &update.source) {
            (UpdateStatus::Forced, _) if tag => b": updating tag",
            (UpdateStatus::Forced, _) => b": forced-update",
            (UpdateStatus::FastForward, _) => b": fast-forward",
            (_, Some(FetchSource::Ref(name))) if name.is_tag() => b": storing tag",
            (_, Some(FetchSource::Ref(name))) if name.is_branch() => b": storing head",
            _ => &b": storing ref"[..],
        });
        Some(LogMessage::new(committer, message))
    }

    /// Refs here that the specs would store to, and that the remote does not have.
    fn stale(&self, asked: &Asked, wanted: &[Wanted]) -> Result<Vec<RefUpdate>, RemoteError> {
        let live: HashSet<&RefName> = wanted
            .iter()
            .filter_map(|one| match &one.source {
                FetchSource::Ref(name) => Some(name),
                FetchSource::Id(_) => None,
            })
            .collect();
        let mut updates = stale_refs(&*self.snapshot, &asked.specs, |name| live.contains(name))?;
        for update in &mut updates {
            let Some(name) = &update.local else { continue };
            update.old = revision::follow(&*self.snapshot, name)?.1;
        }
        Ok(updates)
    }
}

/// The refs here that the specs store to, and of whose sources none is `live`, as refs that are pruned.
pub(in crate::remote) fn stale_refs(
    snapshot: &dyn Snapshot,
    specs: &[git_core_ref::Refspec],
    live: impl Fn(&RefName) -> bool,
) -> Result<Vec<RefUpdate>, ReadError> {
    let mut updates = Vec::new();
    let mut pointing: HashMap<RefName, Vec<RefName>> = HashMap::new();
    snapshot.for_each_ref(b"", &mut |found| {
        if let Some(target) = found.target.symbolic() {
            pointing.entry(target.clone()).or_default().push(found.name);
            return ControlFlow::Continue(());
        }
        let sources = refspec::sources(specs, &found.name);
        if !sources.is_empty() && !sources.iter().any(&live) {
            updates.push(RefUpdate {
                source: None,
                local: Some(found.name),
                old: found.target.id(),
                new: None,
                status: UpdateStatus::Pruned,
                dangling: Vec::new(),
            });
        }
        ControlFlow::Continue(())
    })?;
    for update in &mut updates {
        if let Some(name) = &update.local {
            update.dangling = pointing.remove(name).unwrap_or_default();
        }
    }
    Ok(updates)
}

fn failed(intended: UpdateStatus, error: &CommitError) -> FailedUpdate {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        reason.push_str(": ");
        reason.push_str(&cause.to_string());
        source = cause.source();
    }
    let name_conflict = matches!(error, CommitError::NameConflict { .. });
    FailedUpdate { intended: Box::new(intended), reason, name_conflict }
}

fn fail(update: &mut RefUpdate, error: &CommitError) {
    update.status = UpdateStatus::Failed(failed(update.status.clone(), error));
}
