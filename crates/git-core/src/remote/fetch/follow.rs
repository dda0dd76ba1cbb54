//! The refs that follow a fetch: which may move, what their reflogs say, and which are gone at the remote.

use super::run::{Reflogs, Run, Wanted};
use super::{Prune, RefUpdate, UpdateHead, UpdateStatus};
use crate::remote::{Atomic, Force, RemoteError, Tags};
use git_core_object::{ObjectId, ReadError};
use git_core_ref::refspec::{self, Direction};
use git_core_ref::{Expected, LogMessage, RefName, RefTransaction, Refspec, Target};
use git_core_store::{Quarantine, Snapshot, revision, walk};
use git_core_transport::client::AdvertisedRef;
use std::collections::HashSet;
use std::ops::ControlFlow;

impl Run<'_> {
    /// Lets the refs here follow, together with the objects that came.
    pub(super) fn update_refs(
        &self,
        specs: &[Refspec],
        wanted: &[Wanted],
        cut: &HashSet<ObjectId>,
        advertised: &[AdvertisedRef],
        quarantine: Option<Box<dyn Quarantine>>,
        view: &dyn Snapshot,
    ) -> Result<Vec<RefUpdate>, RemoteError> {
        let mut updates = Vec::new();
        let mut edits = RefTransaction::new();
        let mut places = Vec::new();
        let current = match self.repository.work_tree() {
            Some(_) if self.options.update_head_ok == UpdateHead::Refuse => {
                Some(revision::follow(&*self.snapshot, &RefName::head())?.0)
            }
            _ => None,
        };
        if self.options.prune == Prune::Remove {
            for name in self.stale(specs, advertised)? {
                let old = revision::follow(&*self.snapshot, &name)?.1;
                edits.delete(name.clone(), Expected::Any);
                places.push(updates.len());
                let status = UpdateStatus::Pruned;
                updates.push(RefUpdate { source: None, local: Some(name), old, new: None, status });
            }
        }
        for one in wanted {
            let mut update = RefUpdate {
                source: Some(one.source.clone()),
                local: one.local.clone(),
                old: None,
                new: Some(one.id),
                status: UpdateStatus::Created,
            };
            if let Some(name) = &one.local {
                update.old = revision::follow(&*self.snapshot, name)?.1;
                update.status = match cut.contains(&one.id) {
                    true => UpdateStatus::Shallow,
                    false => self.judge(one, name, update.old, current.as_ref(), view)?,
                };
                if matches!(
                    update.status,
                    UpdateStatus::Created | UpdateStatus::FastForward | UpdateStatus::Forced
                ) {
                    let expected =
                        update.old.map_or(Expected::MustNotExist, |old| Expected::Is(Target::Id(old)));
                    edits.update(name.clone(), expected, one.id, self.log(&update.status));
                    places.push(updates.len());
                }
            }
            updates.push(update);
        }
        let whole = self.options.atomic == Atomic::Whole;
        if whole && updates.iter().any(|update| update.status.is_rejected()) {
            return Ok(updates);
        }
        let edits = if whole { edits } else { edits.each() };
        let received = quarantine.into_iter().collect();
        let committed = self.repository.storage().commit(received, &edits, self.cx)?;
        for (edit, error) in committed.rejected {
            updates[places[edit]].status = UpdateStatus::Failed(error.to_string());
        }
        Ok(updates)
    }

    fn judge(
        &self,
        one: &Wanted,
        name: &RefName,
        old: Option<ObjectId>,
        current: Option<&RefName>,
        view: &dyn Snapshot,
    ) -> Result<UpdateStatus, RemoteError> {
        let Some(old) = old else { return Ok(UpdateStatus::Created) };
        if old == one.id {
            return Ok(UpdateStatus::UpToDate);
        }
        if current == Some(name) {
            return Ok(UpdateStatus::CheckedOut);
        }
        let force = one.force || self.options.force == Force::All;
        if name.is_tag() {
            return Ok(if force { UpdateStatus::Forced } else { UpdateStatus::TagClobbered });
        }
        let forward = match walk::is_ancestor(view, view.shallow(), &old, &one.id, self.cx) {
            Err(ReadError::Missing { .. } | ReadError::WrongKind { .. }) => false,
            result => result?,
        };
        Ok(match (forward, force) {
            (true, _) => UpdateStatus::FastForward,
            (false, true) => UpdateStatus::Forced,
            (false, false) => UpdateStatus::NonFastForward,
        })
    }

    fn log(&self, status: &UpdateStatus) -> Option<LogMessage> {
        if self.reflogs == Reflogs::Omitted {
            return None;
        }
        let committer = self.repository.committer_line()?;
        let mut message = self.options.reflog_message.clone().unwrap_or_else(|| "fetch".into());
        message.extend_from_slice(match status {
            UpdateStatus::Created => b": storing head",
            UpdateStatus::Forced => b": forced-update",
            _ => b": fast-forward",
        });
        Some(LogMessage::new(committer, message))
    }

    /// Refs here that the specs would store to, and that the remote does not have.
    fn stale(&self, specs: &[Refspec], advertised: &[AdvertisedRef]) -> Result<Vec<RefName>, RemoteError> {
        let mut all = specs.to_vec();
        if self.tags == Tags::All && !self.options.refspecs.is_empty() {
            all.push(Refspec::parse(Direction::Fetch, "refs/tags/*:refs/tags/*")?);
        }
        let names = advertised.iter().filter(|one| one.id.is_some()).map(|one| &one.name);
        let patterns: Vec<_> = all.into_iter().filter(|spec| spec.is_pattern()).collect();
        let live: HashSet<RefName> =
            refspec::fetch(&patterns, names)?.into_iter().filter_map(|mapping| mapping.dst).collect();
        let mut stale = Vec::new();
        let head = RefName::head();
        self.snapshot.for_each_ref(b"", &mut |found| {
            let stored =
                patterns.iter().filter_map(|spec| spec.dst()).any(|dst| matches(dst, found.name.as_bytes()));
            let symbolic = found.target.symbolic().is_some();
            if stored && !symbolic && found.name != head && !live.contains(&found.name) {
                stale.push(found.name);
            }
            ControlFlow::Continue(())
        })?;
        Ok(stale)
    }
}

/// Whether a name fits a pattern with one `*`.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.iter().position(|b| *b == b'*') {
        Some(star) => {
            let (before, after) = (&pattern[..star], &pattern[star + 1..]);
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        }
        None => pattern == name,
    }
}
