//! Fetching: what the remote has, what is missing here, and which refs follow.

use super::fetch_head::FetchHeadEntry;
use super::{Link, Remote, RemoteError, Tags};
use crate::Repository;
use bstr::BString;
use git_core_object::{BoxError, Context, Kind, ObjectId, Objects as _, ReadError};
use git_core_protocol::Service;
use git_core_ref::refspec::{self, Direction, FetchMapping, FetchSource};
use git_core_ref::{Expected, LogMessage, RefName, RefTransaction, Refspec, Target};
use git_core_store::walk::{self, Haves};
use git_core_store::{PackOptions, Quarantine, Snapshot, revision};
use git_core_transport::client::{
    Ack, AdvertisedRef, Connection, FetchOptions as WireOptions, GraphWalker, LsRefsOptions, fetch, ls_refs,
};
use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// What is fetched, and how refs follow.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FetchOptions {
    /// What is fetched instead of what the remote's configuration says.
    pub refspecs: Vec<Refspec>,
    /// Which tags come along; by default what the configuration says.
    pub tags: Option<Tags>,
    /// Whether refs here go away that the remote does not have any more.
    pub prune: Prune,
    /// Whether every update is made, fast-forward or not.
    pub force: super::Force,
    /// Whether all refs follow or none.
    pub atomic: super::Atomic,
    /// Packs of fewer objects are stored object by object (`fetch.unpackLimit`).
    pub unpack_below: u64,
    /// Whether the branch that the working tree is on may be updated (`--update-head-ok`).
    pub update_head_ok: UpdateHead,
    /// What reflogs say; `fetch` by default.
    pub reflog_message: Option<BString>,
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

/// Whether refs go away that their remote does not have any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prune {
    /// They stay.
    #[default]
    Keep,
    /// They go.
    Remove,
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
    /// It stayed, since it is what the working tree is on.
    CheckedOut,
    /// It could not be changed.
    Failed(String),
}

impl UpdateStatus {
    /// Whether the ref is not what the remote says.
    pub const fn is_rejected(&self) -> bool {
        matches!(
            self,
            UpdateStatus::NonFastForward
                | UpdateStatus::TagClobbered
                | UpdateStatus::CheckedOut
                | UpdateStatus::Failed(_)
        )
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
        let mut connection = link.open(&self.url, Service::UploadPack, cx)?;
        let mut options = LsRefsOptions::default();
        options.prefixes = prefixes.to_vec();
        let refs = ls_refs(&mut connection, &options, cx)?;
        connection.hang_up();
        Ok(refs)
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

    /// Fetches what the refspecs name, and lets the refs here follow.
    ///
    /// # Errors
    /// [`RemoteError`] when the fetch failed as a whole; nothing has changed then.
    pub fn fetch(&self, options: &FetchOptions, link: Link, cx: &Context) -> Result<Fetched, RemoteError> {
        let specs = if options.refspecs.is_empty() { &self.fetch } else { &options.refspecs };
        let head_only;
        let specs = if specs.is_empty() {
            head_only = [Refspec::parse(Direction::Fetch, "HEAD")?];
            &head_only[..]
        } else {
            &specs[..]
        };
        let tags = options.tags.unwrap_or(self.tags);
        let mut connection = link.open(&self.url, Service::UploadPack, cx)?;
        let mut list = LsRefsOptions::default();
        list.prefixes = refspec::ref_prefixes(specs);
        if !list.prefixes.is_empty() {
            list.prefixes.push("HEAD".into());
            if tags != Tags::None {
                list.prefixes.push("refs/tags/".into());
            }
        }
        list.peel = true;
        list.symrefs = true;
        let advertised = ls_refs(&mut connection, &list, cx)?;
        self.run(connection, advertised, specs, options, Reflogs::Written, cx)
    }

    /// Fetches over a connection whose refs have been listed already, as a clone does: into a repository where
    /// nothing is, so that reflogs would say nothing.
    pub(super) fn fetch_over(
        &self,
        connection: Connection,
        advertised: Vec<AdvertisedRef>,
        options: &FetchOptions,
        cx: &Context,
    ) -> Result<Fetched, RemoteError> {
        self.run(connection, advertised, &options.refspecs, options, Reflogs::Omitted, cx)
    }

    fn run(
        &self,
        connection: Connection,
        advertised: Vec<AdvertisedRef>,
        specs: &[Refspec],
        options: &FetchOptions,
        reflogs: Reflogs,
        cx: &Context,
    ) -> Result<Fetched, RemoteError> {
        let run = Run {
            remote: self,
            repository: &self.repository,
            options,
            reflogs,
            tags: options.tags.unwrap_or(self.tags),
            snapshot: self.repository.snapshot()?,
            cx,
        };
        run.fetch(connection, advertised, specs)
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

struct Run<'a> {
    remote: &'a Remote,
    repository: &'a Repository,
    options: &'a FetchOptions,
    reflogs: Reflogs,
    tags: Tags,
    snapshot: Arc<dyn Snapshot>,
    cx: &'a Context,
}

/// Whether the refs that follow get entries in their reflogs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reflogs {
    Written,
    Omitted,
}

/// Something that is fetched: from where, to where, and which object it is.
struct Wanted {
    source: FetchSource,
    local: Option<RefName>,
    force: bool,
    id: ObjectId,
}

impl Run<'_> {
    fn fetch(
        &self,
        mut connection: Connection,
        advertised: Vec<AdvertisedRef>,
        specs: &[Refspec],
    ) -> Result<Fetched, RemoteError> {
        let there = connection.advertisement().format;
        let here = self.repository.format();
        if here != there && !advertised.is_empty() {
            return Err(RemoteError::Format { here, there });
        }
        let mut wanted = self.map(specs, &advertised)?;
        if self.tags == Tags::Follow && wanted.iter().any(|one| one.local.is_some()) {
            wanted.extend(self.following_tags(&advertised, &wanted, &*self.snapshot)?);
        }

        let ids: HashSet<ObjectId> = wanted.iter().map(|one| one.id).collect();
        let mut objects = None;
        let mut quarantine = None;
        let missing = self.missing(&ids)?;
        if !missing.is_empty() {
            let (received, count) = self.receive(&mut connection, &missing, &advertised)?;
            objects = Some(count);
            quarantine = Some(received);
        } else {
            connection.hang_up();
        }
        let view = match &quarantine {
            Some(received) => received.snapshot()?,
            None => self.snapshot.clone(),
        };
        if quarantine.is_some() {
            self.check_connected(&*view, &ids)?;
            if self.tags == Tags::Follow && wanted.iter().any(|one| one.local.is_some()) {
                // Tags that have come along, now that what they point to is here. A server need not send
                // them; the next fetch asks for those that did not come.
                for tag in self.following_tags(&advertised, &wanted, &*view)? {
                    if view.contains(&tag.id)? {
                        wanted.push(tag);
                    }
                }
            }
        }
        let updates = self.update_refs(specs, &wanted, &advertised, quarantine, &*view)?;
        let fetch_head = super::fetch_head::entries(self.remote, self.options, specs, &updates);
        Ok(Fetched { updates, advertised, fetch_head, objects })
    }

    fn map(&self, specs: &[Refspec], advertised: &[AdvertisedRef]) -> Result<Vec<Wanted>, RemoteError> {
        let by_name: BTreeMap<&RefName, ObjectId> =
            advertised.iter().filter_map(|one| Some((&one.name, one.id?))).collect();
        let names = advertised.iter().filter(|one| one.id.is_some()).map(|one| &one.name);
        let mut mappings = refspec::fetch(specs, names.clone())?;
        if self.tags == Tags::All {
            let all = [Refspec::parse(Direction::Fetch, "refs/tags/*:refs/tags/*")?];
            for mapping in refspec::fetch(&all, names)? {
                if !mappings.iter().any(|known| known.src == mapping.src && known.dst == mapping.dst) {
                    mappings.push(mapping);
                }
            }
        }
        let wanted = |FetchMapping { src, dst, force, .. }: FetchMapping| {
            let id = match &src {
                FetchSource::Id(id) => *id,
                FetchSource::Ref(name) => *by_name.get(name)?,
            };
            Some(Wanted { source: src, local: dst, force, id })
        };
        Ok(mappings.into_iter().filter_map(wanted).collect())
    }

    /// The tags that are not here and whose objects are, or are wanted.
    fn following_tags(
        &self,
        advertised: &[AdvertisedRef],
        wanted: &[Wanted],
        view: &dyn Snapshot,
    ) -> Result<Vec<Wanted>, RemoteError> {
        let mut tags = Vec::new();
        let known: HashSet<&RefName> = wanted.iter().filter_map(|one| one.local.as_ref()).collect();
        let coming: HashSet<ObjectId> = wanted.iter().map(|one| one.id).collect();
        for one in advertised.iter().filter(|one| one.name.is_tag()) {
            let Some(id) = one.id else { continue };
            if known.contains(&one.name) || self.snapshot.find_ref(&one.name)?.is_some() {
                continue;
            }
            let target = one.peeled.unwrap_or(id);
            if coming.contains(&target) || view.contains(&target)? && self.is_reachable_here(view, &target)? {
                tags.push(Wanted {
                    source: FetchSource::Ref(one.name.clone()),
                    local: Some(one.name.clone()),
                    force: false,
                    id,
                });
            }
        }
        Ok(tags)
    }

    /// Objects that nothing refers to may be incomplete; a tag must not follow those. A tagged commit that is
    /// here with its parents is taken for part of a history.
    fn is_reachable_here(&self, view: &dyn Snapshot, id: &ObjectId) -> Result<bool, ReadError> {
        let mut buf = Vec::new();
        match view.read(id, &mut buf)? {
            Some(Kind::Commit) => {
                let Ok(links) = git_core_object::commit::links(id.format(), &buf) else { return Ok(false) };
                for parent in links.parents() {
                    if view.shallow().binary_search(id).is_err() && !view.contains(&parent)? {
                        return Ok(false);
                    }
                }
                view.contains(&links.tree)
            }
            Some(_) => Ok(true),
            None => Ok(false),
        }
    }

    /// What has to be asked for: what is here and complete does not.
    fn missing(&self, ids: &HashSet<ObjectId>) -> Result<HashSet<ObjectId>, RemoteError> {
        let (mut missing, mut here) = (HashSet::new(), Vec::new());
        for id in ids {
            match self.snapshot.contains(id)? {
                true => here.push(*id),
                false => missing.extend([*id]),
            }
        }
        match walk::check_connected(&*self.snapshot, &here, &self.known()?, self.cx) {
            Ok(()) => {}
            // What it is missing from is not known: the server is asked for all.
            Err(ReadError::Missing { .. }) => missing.extend(here),
            Err(error) => return Err(error.into()),
        }
        Ok(missing)
    }

    /// What refs here point to.
    fn known(&self) -> Result<Vec<ObjectId>, ReadError> {
        let mut known = Vec::new();
        self.snapshot.for_each_ref(b"", &mut |found| {
            known.extend(found.target.id());
            ControlFlow::Continue(())
        })?;
        known.extend(revision::follow(&*self.snapshot, &RefName::head())?.1);
        Ok(known)
    }

    fn receive(
        &self,
        connection: &mut Connection,
        ids: &HashSet<ObjectId>,
        advertised: &[AdvertisedRef],
    ) -> Result<(Box<dyn Quarantine>, u64), RemoteError> {
        let objects = self.snapshot.clone();
        let mut haves = Haves::new(objects, self.snapshot.shallow(), self.known()?, self.cx)?;
        for one in advertised {
            if let Some(id) = one.peeled.or(one.id)
                && self.snapshot.contains(&id)?
            {
                haves.known_common(id)?;
            }
        }
        let mut quarantine = self.repository.storage().receive(&self.snapshot)?;
        let mut pack = PackOptions::default();
        pack.unpack_below = self.options.unpack_below;
        quarantine.begin_pack(&pack)?;

        let mut wants: Vec<_> = ids.iter().copied().collect();
        wants.sort_unstable();
        let mut options = WireOptions::default();
        options.progress = self.cx.has_progress();
        options.include_tag = self.tags != Tags::None;
        let cx = self.cx;
        let mut sink = |bytes: &[u8]| -> Result<(), BoxError> {
            let taken = quarantine.feed(bytes, cx)?;
            if taken < bytes.len() {
                return Err("the server sent more than a pack".into());
            }
            Ok(())
        };
        fetch(connection, wants, &options, &mut Walker(haves), &mut sink, cx)?;
        let received = quarantine.finish_pack(cx)?;
        Ok((quarantine, received.objects))
    }

    fn check_connected(&self, view: &dyn Snapshot, ids: &HashSet<ObjectId>) -> Result<(), RemoteError> {
        let tips: Vec<_> = ids.iter().copied().collect();
        match walk::check_connected(view, &tips, &self.known()?, self.cx) {
            Err(ReadError::Missing { id }) => Err(RemoteError::Incomplete { id }),
            result => Ok(result?),
        }
    }

    fn update_refs(
        &self,
        specs: &[Refspec],
        wanted: &[Wanted],
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
                update.status = self.judge(one, name, update.old, current.as_ref(), view)?;
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
        let whole = self.options.atomic == super::Atomic::Whole;
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
        let force = one.force || self.options.force == super::Force::All;
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

/// The history here, offered to a server.
struct Walker(Haves);

impl GraphWalker for Walker {
    fn next_have(&mut self) -> Result<Option<ObjectId>, BoxError> {
        Ok(self.0.next_have()?)
    }

    fn ack(&mut self, ack: &Ack) -> Result<(), BoxError> {
        self.0.ack(&ack.id)?;
        Ok(())
    }
}
