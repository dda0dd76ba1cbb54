//! Fetching: what is asked for, and what became of it. `run` finds out what is missing and takes it in, `follow`
//! lets the refs here follow; which refs those are is found in `plan`.

mod follow;
mod head;
mod plan;
mod run;
mod uris;

use super::fetch_head::FetchHeadEntry;
use super::peer::Peer;
use super::{Link, Remote, RemoteError, Tags};
use bstr::BString;
use git_core_object::{BoxError, Context, ObjectId};
pub use git_core_protocol::Deepen;
use git_core_protocol::Service;
use git_core_ref::refspec::{self, FetchSource};
use git_core_ref::{RefName, Refspec};
use git_core_store::walk::Haves;
pub use git_core_store::walk::Negotiator;
use git_core_transport::client::{
    AdvertisedRef, FetchOptions as WireOptions, GraphWalker, LsRefsOptions, NegotiateOptions,
    ObjectInfoOptions, fetch, ls_refs, negotiate, object_info,
};
pub use head::{HeadDiffers, HeadHere, head_branches};
pub(super) use plan::kind_of;
use plan::{Asked, AskedKind};
use run::{Reflogs, Run};
use std::collections::HashSet;

/// What is fetched, and how refs follow.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FetchOptions {
    /// What is fetched instead of what the remote's configuration says.
    pub refspecs: Vec<Refspec>,
    /// How refs that the refspecs name are stored beside what these say (`--refmap`): by default as the remote's
    /// configuration says, not at all if none.
    pub refmap: Option<Vec<Refspec>>,
    /// Which tags come along; by default what the configuration says.
    pub tags: Option<Tags>,
    /// Whether refs here go away that the remote does not have any more.
    pub prune: Prune,
    /// Whether all tags of the remote are fetched, and here are none but those if refs are pruned (`--prune-tags`).
    pub prune_tags: PruneTags,
    /// Whether nothing is changed, only found out; objects come all the same, and are dropped.
    pub dry_run: super::DryRun,
    /// Whether every update is made, fast-forward or not.
    pub force: super::Force,
    /// Whether it is found out which updates are no fast-forward.
    pub forced_updates: ForcedUpdates,
    /// Whether all refs follow or none.
    pub atomic: super::Atomic,
    /// Packs of fewer objects are stored object by object (`fetch.unpackLimit`).
    pub unpack_below: u64,
    /// Whether what comes stays a pack (`--keep`).
    pub keep_pack: KeepPack,
    /// What is said to the server beside the request (`--server-option`); version 2 only.
    pub server_options: Vec<BString>,
    /// Which of the commits here the server is told of.
    pub negotiator: Negotiator,
    /// What the commits that the server is told of are reached from; by default all refs.
    pub negotiation_tips: Option<Vec<ObjectId>>,
    /// Whether the branch that the working tree is on may be updated (`--update-head-ok`).
    pub update_head_ok: UpdateHead,
    /// How deep the history is to be.
    pub deepen: Deepen,
    /// Whether refs are taken whose history ends where that of the remote does.
    pub remote_ends: RemoteEnds,
    /// Which objects are left out.
    pub filter: FilterChoice,
    /// Whether everything is fetched anew.
    pub refetch: Refetch,
    /// What reflogs say; `fetch` by default.
    pub reflog_message: Option<BString>,
    /// Whether `refs/remotes/<name>/HEAD` follows the remote's `HEAD` where no refspecs are given.
    pub follow_head: FollowHead,
}

/// How `refs/remotes/<name>/HEAD` follows the `HEAD` of a remote (`remote.<name>.followRemoteHEAD`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FollowHead {
    /// It stays what it is, or is not.
    #[default]
    Never,
    /// It is made where there is none.
    Create,
    /// It is made where there is none, and [`Fetched::head`] tells when it differs.
    Warn,
    /// The same, but nothing is told while the remote's `HEAD` is on this branch.
    WarnIfNot(BString),
    /// It is made, and follows.
    Always,
}

/// What happens to the branch that the working tree is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpdateHead {
    /// It stays: the working tree would no longer match.
    #[default]
    Refuse,
    /// It is updated like any other.
    Allow,
}

/// Which objects a fetch leaves out, if the server can do so; they are fetched when they are needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FilterChoice {
    /// Those that the remote's configuration says (`remote.<name>.partialCloneFilter`).
    #[default]
    Configured,
    /// None (`--no-filter`).
    None,
    /// Those that this filter leaves out, from now on, too (`--filter`).
    By(BString),
}

/// Whether objects are fetched that are here already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refetch {
    /// Only what is missing.
    #[default]
    No,
    /// All of it, as in a clone (`--refetch`): for who has changed the filter.
    All,
}

/// What happens to refs whose history the remote has not all of, when no depth was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RemoteEnds {
    /// They stay: the history here does not become shallow unless asked.
    #[default]
    Refuse,
    /// They follow, and the history here ends there, too (`--update-shallow`).
    Accept,
}

/// Whether refs go away that their remote does not have any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prune {
    /// They stay.
    #[default]
    Keep,
    /// They go.
    Remove,
}

/// Whether tags are pruned as branches are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PruneTags {
    /// Only if a refspec is about them.
    #[default]
    No,
    /// As if `refs/tags/*:refs/tags/*` were among the refspecs of the remote; not where other refspecs are given.
    Yes,
}

/// Whether it is found out which updates are no fast-forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForcedUpdates {
    /// It is: the histories are compared.
    #[default]
    Checked,
    /// It is not: all updates are taken for fast-forwards.
    Unchecked,
}

/// Whether what comes stays a pack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeepPack {
    /// If it is not too small.
    #[default]
    IfLarge,
    /// However small it is.
    Always,
    /// However small it is, and maintenance leaves it alone: a `.keep` file is stored beside it.
    Locked,
}

/// What became of a fetch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fetched {
    /// What became of each ref, in the order of the refspecs, tags that came along behind them.
    pub updates: Vec<RefUpdate>,
    /// All refs that the remote has shown.
    pub advertised: Vec<AdvertisedRef>,
    /// What `FETCH_HEAD` says.
    pub fetch_head: Vec<FetchHeadEntry>,
    /// How many objects came, if a pack came.
    pub objects: Option<u64>,
    /// The checksum that a pack is named by, if one came.
    pub pack: Option<ObjectId>,
    /// Whether a filter was asked for that the server does not know, so that nothing was left out.
    pub filter_ignored: bool,
    /// What there is to be said.
    pub warnings: Vec<FetchWarning>,
    /// Why nothing of an atomic fetch was stored after all.
    pub aborted: Option<FailedUpdate>,
    /// The remote's `HEAD`, if it is on another branch than here and that is to be told.
    pub head: Option<HeadDiffers>,
}

/// Something that was odd about a fetch and did not hinder it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchWarning {
    /// A ref was stored where the configuration stores another one.
    #[error("{tracking} usually tracks {usual}, not {source_name}")]
    UsuallyTracks {
        /// The ref here.
        tracking: RefName,
        /// What the configuration says.
        usual: String,
        /// What was fetched.
        source_name: String,
    },
}

/// What became of one ref.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefUpdate {
    /// What of the remote; none for a ref that was pruned.
    pub source: Option<FetchSource>,
    /// The ref here; none if it was stored in `FETCH_HEAD` only.
    pub local: Option<RefName>,
    /// What the ref here was.
    pub old: Option<ObjectId>,
    /// What the remote has.
    pub new: Option<ObjectId>,
    /// What happened.
    pub status: UpdateStatus,
    /// The symbolic refs here that pointed to a ref which was pruned, and lead nowhere now.
    pub dangling: Vec<RefName>,
}

/// An update that could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedUpdate {
    /// What it would have been.
    pub intended: Box<UpdateStatus>,
    /// What hindered it.
    pub reason: String,
    /// Whether that was a ref whose name is a directory of this one, or the other way round.
    pub name_conflict: bool,
}

/// What happened to a ref here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateStatus {
    /// It was that already.
    UpToDate,
    /// It was made.
    Created,
    /// It moved forward.
    FastForward,
    /// It moved otherwise, as asked.
    Forced,
    /// It was removed.
    Pruned,
    /// It stayed, since it would not have moved forward.
    NonFastForward,
    /// It stayed, since tags do not move unless asked.
    TagClobbered,
    /// It stayed, since its history would end where the remote's does. Git does not count this as a failure.
    Shallow,
    /// It could not be changed.
    Failed(FailedUpdate),
}

impl UpdateStatus {
    /// Whether the ref is not what the remote says, and that is a failure.
    pub const fn is_rejected(&self) -> bool {
        matches!(self, UpdateStatus::NonFastForward | UpdateStatus::TagClobbered | UpdateStatus::Failed(_))
    }
}

impl Remote {
    /// The refs that the remote shows, `HEAD` first. With `prefixes`, only those that begin with one of them.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub fn list(
        &self,
        prefixes: &[BString],
        link: Link,
        cx: &Context,
    ) -> Result<Vec<AdvertisedRef>, RemoteError> {
        let mut peer = Peer::open(link, &self.url, cx)?;
        let mut options = LsRefsOptions::default();
        options.prefixes = prefixes.to_vec();
        let refs = peer.list(&options, cx)?;
        peer.hang_up();
        Ok(refs)
    }

    /// The sizes in bytes of objects that the remote has, in their order, without fetching them; none for one that it
    /// does not have.
    ///
    /// # Errors
    /// [`RemoteError`], also when the remote does not tell sizes (`transfer.advertiseObjectInfo`).
    pub fn object_sizes(
        &self,
        ids: &[ObjectId],
        link: Link,
        cx: &Context,
    ) -> Result<Vec<Option<u64>>, RemoteError> {
        let mut connection = link.open(&self.url, Service::UploadPack, cx)?;
        let sizes = object_info(&mut connection, ids.iter().copied(), &ObjectInfoOptions::default(), cx)?;
        connection.hang_up();
        Ok(sizes)
    }

    /// The refs that the remote shows to who pushes.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub fn list_for_push(&self, link: Link, cx: &Context) -> Result<Vec<AdvertisedRef>, RemoteError> {
        let connection = link.open(self.push_url(), Service::ReceivePack, cx)?;
        let refs = connection.advertisement().refs.clone();
        connection.hang_up();
        Ok(refs)
    }

    /// The refs here that the remote's configuration stores to, and that no ref which it shows is stored in.
    ///
    /// # Errors
    /// [`RemoteError::Read`] when the refs here cannot be read.
    pub fn stale(&self, shown: &[AdvertisedRef]) -> Result<Vec<RefUpdate>, RemoteError> {
        let live: HashSet<&RefName> =
            shown.iter().filter(|one| one.id.is_some()).map(|one| &one.name).collect();
        Ok(follow::stale_refs(&*self.repository.snapshot()?, &self.fetch, |name| live.contains(name))?)
    }

    /// Which of the commits that `options.negotiation_tips` reach the remote has, as far as it has to be asked: nothing is
    /// fetched.
    ///
    /// # Errors
    /// [`RemoteError`], also when the server cannot be asked without fetching.
    pub fn negotiate(
        &self,
        options: &FetchOptions,
        link: Link,
        cx: &Context,
    ) -> Result<Vec<ObjectId>, RemoteError> {
        self.negotiate_at(&self.url, options, link, cx)
    }

    /// As [`negotiate`](Self::negotiate), with the server at `url`.
    pub(super) fn negotiate_at(
        &self,
        url: &[u8],
        options: &FetchOptions,
        link: Link,
        cx: &Context,
    ) -> Result<Vec<ObjectId>, RemoteError> {
        let mut connection = link.open(url, Service::UploadPack, cx)?;
        let snapshot = self.repository.snapshot()?;
        let tips = options.negotiation_tips.clone().unwrap_or_default();
        let haves = Haves::new(snapshot.clone(), snapshot.shallow(), tips, cx)?.by(options.negotiator);
        let mut wire = NegotiateOptions::default();
        wire.server_options.clone_from(&options.server_options);
        let common = negotiate(&mut connection, &wire, &mut run::Walker(haves), cx)?;
        connection.hang_up();
        Ok(common)
    }

    /// Fetches what the refspecs name, and lets the refs here follow.
    ///
    /// # Errors
    /// [`RemoteError`] when the fetch failed as a whole; nothing has changed then.
    pub fn fetch(&self, options: &FetchOptions, link: Link, cx: &Context) -> Result<Fetched, RemoteError> {
        let asked = Asked::of(self, options)?;
        let tags = options.tags.unwrap_or(self.tags);
        let mut peer = Peer::open(link, &self.url, cx)?;
        let mut list = LsRefsOptions::default();
        list.prefixes = refspec::ref_prefixes(&asked.specs);
        list.prefixes.extend(asked.merges.iter().filter(|_| asked.kind != AskedKind::Given).cloned());
        if !list.prefixes.is_empty() && tags != Tags::None {
            list.prefixes.push("refs/tags/".into());
        }
        if !list.prefixes.is_empty() && options.follow_head.concerns(self, options) {
            list.prefixes.push("HEAD".into());
        }
        list.server_options.clone_from(&options.server_options);
        let named = asked.specs.iter().any(|spec| spec.exact_id().is_none());
        let advertised = match named || tags != Tags::None {
            true => peer.list(&list, cx)?,
            false => peer.shown(),
        };
        self.run(peer, advertised, asked, options, Reflogs::Written, cx)
    }

    /// Fetches from a peer whose refs have been listed already, as a clone does: into a repository where
    /// nothing is, so that reflogs would say nothing.
    pub(super) fn fetch_over(
        &self,
        peer: Peer,
        advertised: Vec<AdvertisedRef>,
        options: &FetchOptions,
        cx: &Context,
    ) -> Result<Fetched, RemoteError> {
        let specs = options.refspecs.clone();
        let asked = Asked { specs, kind: AskedKind::Given, merges: Vec::new() };
        self.run(peer, advertised, asked, options, Reflogs::Omitted, cx)
    }

    fn run(
        &self,
        peer: Peer,
        advertised: Vec<AdvertisedRef>,
        asked: Asked,
        options: &FetchOptions,
        reflogs: Reflogs,
        cx: &Context,
    ) -> Result<Fetched, RemoteError> {
        let filter = match &options.filter {
            FilterChoice::Configured => self.filter.clone(),
            FilterChoice::None => None,
            FilterChoice::By(filter) => Some(filter.clone()),
        };
        if let (FilterChoice::By(filter), Some(name), Reflogs::Written) =
            (&options.filter, &self.name, reflogs)
        {
            self.repository.register_promisor(name, filter)?;
        }
        let run = Run {
            promised: self.promisor || filter.is_some(),
            partial: !self.repository.promisor_remotes()?.is_empty() || filter.is_some(),
            filter,
            remote: self,
            repository: &self.repository,
            options,
            reflogs,
            tags: options.tags.unwrap_or(self.tags),
            snapshot: self.repository.snapshot()?,
            cx,
        };
        run.fetch(peer, advertised, &asked)
    }
}

/// Fetches a raw pack from `url`: `wants` chooses among the refs that the remote shows, `walker` says what is
/// here, `sink` takes the bytes. Nothing of it is checked or stored. Gives the refs that were shown.
///
/// # Errors
/// [`RemoteError`], also when the sink or the walker fails.
pub fn fetch_pack(
    url: impl AsRef<[u8]>,
    wants: impl FnOnce(&[AdvertisedRef]) -> Vec<ObjectId>,
    walker: &mut dyn GraphWalker,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), BoxError>,
    link: Link,
    cx: &Context,
) -> Result<Vec<AdvertisedRef>, RemoteError> {
    let mut connection = link.open(url.as_ref(), Service::UploadPack, cx)?;
    let mut list = LsRefsOptions::default();
    list.peel = true;
    list.symrefs = true;
    let refs = ls_refs(&mut connection, &list, cx)?;
    let wants = wants(&refs);
    if wants.is_empty() {
        connection.hang_up();
        return Ok(refs);
    }
    let mut options = WireOptions::default();
    options.thin_pack = false;
    options.include_tag = false;
    options.progress = cx.has_progress();
    fetch(&mut connection, wants, &options, walker, sink, cx)?;
    Ok(refs)
}
