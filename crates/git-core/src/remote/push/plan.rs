//! What a push asks of the remote, ref by ref, and what stands against it.

use super::lease::expected;
use super::{Absent, Atomic, FollowTags, Force, IfIncludes, PushOptions, PushStatus, PushedRef};
use crate::remote::{Remote, RemoteError};
use crate::send::PackWish;
use git_core_object::{Context, Kind, ObjectId, Objects as _, ReadError};
use git_core_ref::refspec::{self, PushMapping, PushSource};
use git_core_ref::{RefName, Refspec, Target};
use git_core_store::{Snapshot, revision, walk};
use git_core_transport::client::{Advertisement, Command};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

pub(super) struct Plan<'a> {
    pub(super) remote: &'a Remote,
    pub(super) snapshot: &'a Arc<dyn Snapshot>,
    pub(super) server: &'a Advertisement,
    pub(super) options: &'a PushOptions,
    pub(super) cx: &'a Context,
}

/// The refs of the remote.
type There<'a> = BTreeMap<&'a RefName, ObjectId>;

impl Plan<'_> {
    /// What is to be asked of the remote, in the order of its own refs, new ones last: [`PushStatus::Unreported`]
    /// marks what is to be sent.
    pub(super) fn refs(&self, specs: &[Refspec]) -> Result<Vec<PushedRef>, RemoteError> {
        let mut local = BTreeMap::new();
        self.snapshot.for_each_ref(b"", &mut |found| {
            local.insert(found.name, found.target);
            ControlFlow::Continue(())
        })?;
        let head = RefName::head();
        if let Some(found) = self.snapshot.find_ref(&head)? {
            local.insert(head, found.target);
        }
        let there: There<'_> = self.server.refs.iter().filter_map(|one| Some((&one.name, one.id?))).collect();
        let mut mappings = refspec::push(specs, &local, there.keys().copied())?;
        if self.options.absent == Absent::Delete {
            self.add_absent(specs, &local, &there, &mut mappings);
        }
        let mut refs = Vec::new();
        for mapping in mappings {
            refs.push(self.judge(&local, &there, mapping)?);
        }
        if self.options.follow_tags == FollowTags::Yes {
            self.add_tags(&local, &there, &mut refs)?;
        }
        let places: HashMap<&RefName, usize> =
            self.server.refs.iter().enumerate().map(|(at, one)| (&one.name, at)).collect();
        refs.sort_by_key(|one| places.get(&one.remote).copied().unwrap_or(usize::MAX));
        if self.options.atomic == Atomic::Whole && refs.iter().any(|one| self.blocks(&one.status)) {
            for one in refs.iter_mut().filter(|one| one.status == PushStatus::Unreported) {
                one.status = PushStatus::AtomicFailed;
            }
        }
        Ok(refs)
    }

    fn blocks(&self, status: &PushStatus) -> bool {
        status.is_rejected() && *status != PushStatus::Unreported
    }

    /// Deletes what the refspecs cover there and what is not here.
    fn add_absent(
        &self,
        specs: &[Refspec],
        local: &BTreeMap<RefName, Target>,
        there: &There<'_>,
        mappings: &mut Vec<PushMapping>,
    ) {
        let mapped: HashSet<RefName> = mappings.iter().map(|mapping| mapping.dst.clone()).collect();
        for name in there.keys().filter(|name| !mapped.contains(**name)) {
            let mut covered = false;
            let is_here = specs.iter().any(|spec| {
                let source = refspec::source_of(spec, name);
                covered |= source.is_some();
                source.is_some_and(|source| local.contains_key(&source))
            });
            if covered && !is_here {
                mappings.push(PushMapping { src: PushSource::Nothing, dst: (*name).clone(), force: false });
            }
        }
    }

    /// Adds the annotated tags that the remote lacks and that lead to what it has or gets.
    fn add_tags(
        &self,
        local: &BTreeMap<RefName, Target>,
        there: &There<'_>,
        refs: &mut Vec<PushedRef>,
    ) -> Result<(), RemoteError> {
        let mut tips: HashSet<ObjectId> = refs.iter().filter_map(|one| one.new).collect();
        for id in there.values() {
            if self.snapshot.contains(id)? {
                tips.insert(*id);
            }
        }
        let tips: Vec<ObjectId> = tips.into_iter().collect();
        for (name, target) in local.iter().filter(|(name, _)| name.is_tag() && !there.contains_key(name)) {
            let Some(id) = target.id().filter(|_| refs.iter().all(|one| one.remote != *name)) else {
                continue;
            };
            if self.kind(&id)? != Some(Kind::Tag) {
                continue;
            }
            let (commit, kind) = walk::peel(&**self.snapshot, id, &mut Vec::new(), &mut Vec::new())?;
            let mut leads = false;
            for tip in tips.iter().filter(|_| kind == Kind::Commit) {
                leads = leads || self.is_ancestor(&commit, tip)?;
            }
            if leads {
                refs.push(PushedRef {
                    source: PushSource::Ref(name.clone()),
                    remote: name.clone(),
                    old: None,
                    new: Some(id),
                    forced: false,
                    status: PushStatus::Unreported,
                    otherwise: None,
                });
            }
        }
        Ok(())
    }

    fn judge(
        &self,
        local: &BTreeMap<RefName, Target>,
        there: &There<'_>,
        mapping: PushMapping,
    ) -> Result<PushedRef, RemoteError> {
        let PushMapping { src, dst, force, .. } = mapping;
        let new = match &src {
            PushSource::Nothing => None,
            PushSource::Ref(name) if local.contains_key(name) => revision::follow(&**self.snapshot, name)?.1,
            PushSource::Ref(name) => Some(revision::resolve(&**self.snapshot, name.as_bytes())?),
            PushSource::Revision(text) => Some(revision::resolve(&**self.snapshot, text)?),
        };
        let old = there.get(&dst).copied();
        let mut force = force || self.options.force == Force::All;
        let mut forced = false;
        let mut status = PushStatus::Unreported;
        if new.is_none() && !self.server.capabilities.has("delete-refs") {
            status = PushStatus::DeletionUnsupported;
        } else if new.is_some() && old == new {
            status = PushStatus::UpToDate;
        } else {
            let mut leased = None;
            if let Some(lease) = expected(self.remote, self.snapshot, &self.options.leases, &dst)? {
                if lease.expected != old {
                    leased = Some(PushStatus::StaleInfo);
                } else if lease.by_tracking
                    && self.options.if_includes == IfIncludes::Yes
                    && !self.is_included(&dst, lease.expected)?
                {
                    leased = Some(PushStatus::RemoteUpdated);
                } else {
                    force = true;
                }
            }
            let obstacle = match (leased, old, new) {
                (Some(leased), ..) => Some(leased),
                (None, Some(old), Some(new)) => self.obstacle(&dst, &old, &new)?,
                _ => None,
            };
            match obstacle {
                Some(_) if force => forced = true,
                Some(obstacle) => status = obstacle,
                None => {}
            }
        }
        Ok(PushedRef { source: src, remote: dst, old, new, forced, status, otherwise: None })
    }

    /// Whether the branch of the same name here was at some time built upon what the remote has.
    fn is_included(&self, name: &RefName, tip: Option<ObjectId>) -> Result<bool, ReadError> {
        let Some(tip) = tip else { return Ok(true) };
        if self.snapshot.find_ref(name)?.is_none() {
            return Ok(true);
        }
        let (mut was, mut values) = (false, Vec::new());
        self.snapshot.for_each_reflog_entry(name, &mut |entry| {
            was = entry.new == tip;
            values.push(entry.new);
            if was { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        values.dedup();
        for value in values.iter().filter(|value| !value.is_null()) {
            was = was || self.is_ancestor(&tip, value)?;
        }
        Ok(was)
    }

    fn kind(&self, id: &ObjectId) -> Result<Option<Kind>, ReadError> {
        Ok(self.snapshot.header(id)?.map(|header| header.kind))
    }

    fn is_ancestor(&self, old: &ObjectId, new: &ObjectId) -> Result<bool, ReadError> {
        match walk::is_ancestor(&**self.snapshot, self.snapshot.shallow(), old, new, self.cx) {
            Err(ReadError::Missing { .. } | ReadError::WrongKind { .. }) => Ok(false),
            result => result,
        }
    }

    /// Why an update wants force.
    fn obstacle(
        &self,
        dst: &RefName,
        old: &ObjectId,
        new: &ObjectId,
    ) -> Result<Option<PushStatus>, RemoteError> {
        if dst.is_tag() {
            return Ok(Some(PushStatus::AlreadyExists));
        }
        let Some(kind) = self.kind(old)? else { return Ok(Some(PushStatus::FetchFirst)) };
        let is_commit = |kind| matches!(kind, Some(Kind::Commit | Kind::Tag));
        if !is_commit(Some(kind)) || !is_commit(self.kind(new)?) {
            return Ok(Some(PushStatus::NeedsForce));
        }
        Ok((!self.is_ancestor(old, new)?).then_some(PushStatus::NonFastForward))
    }

    /// The pack that the commands need, over what the remote has: its refs, and what is known to be `common`.
    pub(super) fn wish(
        &self,
        commands: &[Command],
        common: &[ObjectId],
        ofs_delta: bool,
    ) -> Result<PackWish, ReadError> {
        let wants = commands.iter().filter_map(|command| command.new).collect();
        let mut haves = Vec::new();
        let shown = self.server.refs.iter().filter_map(|one| one.id);
        for id in shown.chain(self.server.haves.iter().copied()).chain(common.iter().copied()) {
            if self.snapshot.contains(&id)? {
                haves.push(id);
            }
        }
        haves.sort_unstable();
        haves.dedup();
        Ok(PackWish { wants, haves, thin: true, ofs_delta, ..PackWish::default() })
    }
}
