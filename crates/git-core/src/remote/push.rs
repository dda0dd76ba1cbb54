//! Pushing: which refs of the remote change, what it lacks for that, and what became of each.

mod certify;
mod lease;
mod negotiate;
mod plan;

pub use certify::{CertificateSigner, SignPush};
pub use lease::{IfIncludes, Lease, LeaseAll, LeaseValue, Leases};
pub use negotiate::NegotiatePush;

use super::{Link, Remote, RemoteError};
use crate::send::PackFeed;
use bstr::BString;
use git_core_object::{Context, ObjectId};
use git_core_protocol::Service;
use git_core_ref::refspec::{self, PushSource};
use git_core_ref::{LogMessage, RefName, RefTransaction, Refspec};
use git_core_transport::client::{Command, PushOptions as WireOptions, RefStatus, push};
use plan::Plan;
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
    /// Refs of the remote that only change if they are what is expected; these may move otherwise than forward.
    pub leases: Leases,
    /// Whether what a lease takes from a remote-tracking ref must have been looked at.
    pub if_includes: IfIncludes,
    /// What happens to refs of the remote that the refspecs cover and that are not here.
    pub absent: Absent,
    /// Whether annotated tags of what is pushed are pushed, too.
    pub follow_tags: FollowTags,
    /// Whether the commands are signed.
    pub sign: SignPush,
    /// Is shown what is about to happen, and may refuse it.
    pub before: Option<BeforePush>,
    /// How it is found out what the remote has beside what its refs show, if it is.
    pub negotiate: Option<NegotiatePush>,
}

/// What happens to refs of the remote that the refspecs cover and that are not here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Absent {
    /// They stay.
    #[default]
    Keep,
    /// They are deleted.
    Delete,
}

/// Whether annotated tags of what is pushed are pushed, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FollowTags {
    /// They are not.
    #[default]
    No,
    /// Those that the remote lacks are.
    Yes,
}

/// Is shown a push before it happens: what git's `pre-push` hook sees.
#[derive(Clone)]
pub struct BeforePush(Arc<Ask>);

type Ask = dyn Fn(&[PushedRef]) -> bool + Send + Sync;

impl BeforePush {
    /// Asks this function; it says whether the push may go on. [`PushStatus::Unreported`] marks what would be sent.
    pub fn new(ask: impl Fn(&[PushedRef]) -> bool + Send + Sync + 'static) -> Self {
        BeforePush(Arc::new(ask))
    }
}

impl std::fmt::Debug for BeforePush {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BeforePush")
    }
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
    /// What the remote did otherwise than it was told, if it says so.
    pub otherwise: Option<Otherwise>,
}

/// What a remote did otherwise than it was told (`report-status-v2`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Otherwise {
    /// Another ref was changed.
    pub name: Option<RefName>,
    /// It was this before.
    pub old: Option<ObjectId>,
    /// It is this now.
    pub new: Option<ObjectId>,
    /// It did not move forward.
    pub forced: bool,
    /// What else it did for the same ref.
    pub further: Vec<Otherwise>,
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
    /// It was not sent: what it is or was to be is no commit.
    NeedsForce,
    /// It was not sent: the remote has something else than expected.
    StaleInfo,
    /// It was not sent: what the remote has was fetched, and the branch here was never built upon it.
    RemoteUpdated,
    /// It was not sent: the remote deletes nothing.
    DeletionUnsupported,
    /// It was not sent, since another one of an atomic push could not be.
    AtomicFailed,
    /// The remote refused it.
    RemoteRejected(BString),
    /// The remote did not say.
    Unreported,
}

impl PushStatus {
    /// Whether the ref is not what the push wants.
    pub const fn is_rejected(&self) -> bool {
        !matches!(self, PushStatus::UpToDate | PushStatus::Ok)
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
        let certify = options.sign.agreed(&server)?;
        let plan = Plan { remote: self, snapshot: &snapshot, server: &server, options, cx };
        let mut refs = plan.refs(specs)?;
        if let Some(before) = &options.before
            && !(before.0)(&refs)
        {
            connection.hang_up();
            return Err(RemoteError::Declined);
        }
        let common = options.negotiate.as_ref().map(|how| how.common(self, &refs, cx)).unwrap_or_default();
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
        wire.shallow = snapshot.shallow().to_vec();
        if let Some(signer) = certify {
            let certificate = certify::certificate(signer, self, &server, &wire.push_options, &commands)?;
            wire.certificate = Some(certificate);
        }
        let ofs_delta = server.capabilities.has("ofs-delta");
        let mut feed = None;
        if commands.iter().any(|command| command.new.is_some()) {
            feed = Some(PackFeed::prepare(snapshot.clone(), &plan.wish(&commands, &common, ofs_delta)?, cx)?);
        }
        let mut source = |out: &mut Vec<u8>| match &mut feed {
            Some(feed) => Ok(feed.fill(out, cx)?),
            None => Ok(ControlFlow::Break(())),
        };
        let report = push(&mut connection, &commands, &wire, &mut source, cx)?;
        let sent = refs.iter_mut().filter(|one| one.status == PushStatus::Unreported);
        for (one, status) in sent.zip(report.statuses) {
            one.status = match status {
                RefStatus::Ok { name, old, new, forced, further } => {
                    let further = further.into_iter().map(|one| Otherwise {
                        name: one.name,
                        old: one.old,
                        new: one.new,
                        forced: one.forced,
                        further: Vec::new(),
                    });
                    let said = Otherwise { name, old, new, forced, further: further.collect() };
                    one.otherwise = (said != Otherwise::default()).then_some(said);
                    PushStatus::Ok
                }
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
