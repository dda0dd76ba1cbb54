//! Pushing: which refs of the remote change, what it lacks for that, and what became of each.

use super::{Link, Remote, RemoteError};
use crate::send::{PackFeed, PackWish};
use bstr::BString;
use git_core_object::{Context, ObjectId, Objects as _, ReadError};
use git_core_protocol::Service;
use git_core_ref::refspec::{self, PushMapping, PushSource};
use git_core_ref::{LogMessage, RefName, RefTransaction, Refspec, Target};
use git_core_store::{Snapshot, revision, walk};
use git_core_transport::client::{Advertisement, Command, PushOptions as WireOptions, RefStatus, push};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Whether refs move otherwise than forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Force {
    /// Where a refspec begins with `+`.
    #[default]
    AsSpecified,
    /// Everywhere.
    All,
}

/// Whether refs stand together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Atomic {
    /// Each for itself.
    #[default]
    Each,
    /// All or none.
    Whole,
}

/// What is pushed, and how.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PushOptions {
    /// What is pushed instead of what the remote's configuration says.
    pub refspecs: Vec<Refspec>,
    /// Whether refs of the remote move otherwise than forward.
    pub force: Force,
    /// Whether the remote changes all refs or none.
    pub atomic: Atomic,
    /// Whether nothing is changed, only found out.
    pub dry_run: DryRun,
    /// Texts for the hooks of the remote.
    pub push_options: Vec<BString>,
    /// Whether the remote is asked to be quiet.
    pub quiet: Quiet,
}

/// Whether a push is only tried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DryRun {
    /// It is carried out.
    #[default]
    No,
    /// It is only tried out.
    Yes,
}

/// Whether the remote talks about its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quiet {
    /// It does.
    #[default]
    No,
    /// It does not.
    Yes,
}

/// What became of a push.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pushed {
    /// What became of each ref, in the order of the refspecs.
    pub refs: Vec<PushedRef>,
    /// Why the remote could not take the objects, if so.
    pub unpack_error: Option<BString>,
}

impl Pushed {
    /// Whether the remote is now as the push wants it.
    pub fn is_ok(&self) -> bool {
        self.unpack_error.is_none() && self.refs.iter().all(|one| !one.status.is_rejected())
    }
}

/// What became of one ref of the remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedRef {
    /// What was pushed.
    pub source: PushSource,
    /// The ref of the remote.
    pub remote: RefName,
    /// What it was.
    pub old: Option<ObjectId>,
    /// What it was to become; none for a deletion.
    pub new: Option<ObjectId>,
    /// Whether the update was no fast-forward and was asked for all the same.
    pub forced: bool,
    /// What happened.
    pub status: PushStatus,
}

/// What happened to a ref of the remote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PushStatus {
    /// It was that already.
    UpToDate,
    /// It was changed.
    Ok,
    /// It was not sent: it would not have moved forward.
    NonFastForward,
    /// It was not sent: what the remote has is not here, so whether it would move forward is unknown.
    FetchFirst,
    /// It was not sent: a tag of that name is there already.
    AlreadyExists,
    /// It was not sent, since another one of an atomic push could not be.
    AtomicFailed,
    /// It was not sent: there is nothing of that name to delete.
    NothingToDelete,
    /// The remote refused it.
    RemoteRejected(BString),
    /// The remote did not say.
    Unreported,
}

impl PushStatus {
    /// Whether the ref is not what the push wants.
    pub const fn is_rejected(&self) -> bool {
        !matches!(self, PushStatus::UpToDate | PushStatus::Ok | PushStatus::NothingToDelete)
    }
}

impl Remote {
    /// Pushes what the refspecs name.
    ///
    /// # Errors
    /// [`RemoteError`] when the push failed as a whole. What became of each ref is in the result.
    pub fn push(&self, options: &PushOptions, link: Link, cx: &Context) -> Result<Pushed, RemoteError> {
        let specs = if options.refspecs.is_empty() { &self.push } else { &options.refspecs };
        let snapshot = self.repository.snapshot()?;
        let mut connection = link.open(self.push_url(), Service::ReceivePack, cx)?;
        let server = connection.advertisement().clone();
        let (here, there) = (self.repository.format(), server.format);
        if here != there {
            return Err(RemoteError::Format { here, there });
        }
        let plan = Plan { snapshot: &snapshot, server: &server, options, cx };
        let mut refs = plan.refs(specs)?;
        let commands: Vec<Command> = refs
            .iter()
            .filter(|one| one.status == PushStatus::Unreported)
            .map(|one| Command { name: one.remote.clone(), old: one.old, new: one.new })
            .collect();
        if commands.is_empty() || options.dry_run == DryRun::Yes {
            refs.iter_mut().filter(|one| one.status == PushStatus::Unreported).for_each(|one| {
                one.status = PushStatus::Ok;
            });
            connection.hang_up();
            return Ok(Pushed { refs, unpack_error: None });
        }

        let mut wire = WireOptions::default();
        wire.atomic = options.atomic == Atomic::Whole;
        wire.quiet = options.quiet == Quiet::Yes;
        wire.push_options.clone_from(&options.push_options);
        let ofs_delta = server.capabilities.has("ofs-delta");
        let mut feed = None;
        if commands.iter().any(|command| command.new.is_some()) {
            feed = Some(PackFeed::prepare(snapshot.clone(), &plan.wish(&commands, ofs_delta)?, cx)?);
        }
        let mut source = |out: &mut Vec<u8>| match &mut feed {
            Some(feed) => Ok(feed.fill(out, cx)?),
            None => Ok(ControlFlow::Break(())),
        };
        let report = push(&mut connection, &commands, &wire, &mut source, cx)?;
        let sent = refs.iter_mut().filter(|one| one.status == PushStatus::Unreported);
        for (one, status) in sent.zip(report.statuses) {
            one.status = match status {
                RefStatus::Ok { .. } => PushStatus::Ok,
                RefStatus::Rejected(reason) => PushStatus::RemoteRejected(reason.as_bytes().into()),
                _ => PushStatus::Unreported,
            };
        }
        let unpack_error = report.unpack_error.map(|text| text.as_bytes().into());
        self.track(&refs, cx)?;
        Ok(Pushed { refs, unpack_error })
    }

    /// Lets the refs here that follow the remote's follow what was pushed.
    fn track(&self, refs: &[PushedRef], cx: &Context) -> Result<(), RemoteError> {
        let mut edits = RefTransaction::new();
        for one in refs.iter().filter(|one| matches!(one.status, PushStatus::Ok | PushStatus::UpToDate)) {
            let Some(name) = refspec::tracking(&self.fetch, &one.remote) else { continue };
            let before = self.repository.snapshot()?.find_ref(&name)?.and_then(|found| found.target.id());
            let log = self.repository.committer_line().map(|who| LogMessage::new(who, "update by push"));
            match one.new {
                Some(new) if before != Some(new) => drop(edits.set(name, new, log)),
                None if before.is_some() => drop(edits.delete(name, git_core_ref::Expected::Any)),
                _ => {}
            }
        }
        if !edits.is_empty() {
            self.repository.storage().commit(Vec::new(), &edits.each(), cx)?;
        }
        Ok(())
    }
}

struct Plan<'a> {
    snapshot: &'a Arc<dyn Snapshot>,
    server: &'a Advertisement,
    options: &'a PushOptions,
    cx: &'a Context,
}

impl Plan<'_> {
    /// What is to be asked of the remote: [`PushStatus::Unreported`] marks what is to be sent.
    fn refs(&self, specs: &[Refspec]) -> Result<Vec<PushedRef>, RemoteError> {
        let mut local = BTreeMap::new();
        self.snapshot.for_each_ref(b"", &mut |found| {
            local.insert(found.name, found.target);
            ControlFlow::Continue(())
        })?;
        let head = RefName::head();
        if let Some(found) = self.snapshot.find_ref(&head)? {
            local.insert(head, found.target);
        }
        let there: BTreeMap<&RefName, ObjectId> =
            self.server.refs.iter().filter_map(|one| Some((&one.name, one.id?))).collect();
        let mut refs = Vec::new();
        for mapping in refspec::push(specs, &local, there.keys().copied())? {
            refs.push(self.judge(&local, &there, mapping)?);
        }
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

    fn judge(
        &self,
        local: &BTreeMap<RefName, Target>,
        there: &BTreeMap<&RefName, ObjectId>,
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
        let force = force || self.options.force == Force::All;
        let mut forced = false;
        let status = match (old, new) {
            (None, None) => PushStatus::NothingToDelete,
            (Some(old), Some(new)) if old == new => PushStatus::UpToDate,
            (Some(old), Some(new)) => match self.obstacle(&dst, &old, &new)? {
                Some(_) if force => {
                    forced = true;
                    PushStatus::Unreported
                }
                Some(obstacle) => obstacle,
                None => PushStatus::Unreported,
            },
            _ => PushStatus::Unreported,
        };
        Ok(PushedRef { source: src, remote: dst, old, new, forced, status })
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
        if !self.snapshot.contains(old)? {
            return Ok(Some(PushStatus::FetchFirst));
        }
        let forward = match walk::is_ancestor(&**self.snapshot, self.snapshot.shallow(), old, new, self.cx) {
            Err(ReadError::Missing { .. } | ReadError::WrongKind { .. }) => false,
            result => result?,
        };
        Ok((!forward).then_some(PushStatus::NonFastForward))
    }

    /// The pack that the commands need, over what the remote has.
    fn wish(&self, commands: &[Command], ofs_delta: bool) -> Result<PackWish, ReadError> {
        let wants = commands.iter().filter_map(|command| command.new).collect();
        let mut haves = Vec::new();
        for id in self.server.refs.iter().filter_map(|one| one.id).chain(self.server.haves.iter().copied()) {
            if self.snapshot.contains(&id)? {
                haves.push(id);
            }
        }
        haves.sort_unstable();
        haves.dedup();
        Ok(PackWish { wants, haves, thin: true, ofs_delta, ..PackWish::default() })
    }
}
