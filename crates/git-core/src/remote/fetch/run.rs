//! A fetch under way: what the refspecs select, what of it is missing here, and taking that in. Which refs follow
//! is left to `follow`.

use super::plan::{Asked, Mark};
use super::uris;
use super::{FetchOptions, Fetched, KeepPack, Refetch, RemoteEnds, UpdateHead};
use crate::Repository;
use crate::remote::peer::Peer;
use crate::remote::{Remote, RemoteError, Tags, fetch_head};
use bstr::BString;
use git_core_object::{BoxError, Context, Kind, ObjectId, Objects as _, ReadError};
use git_core_protocol::ShallowUpdate;
use git_core_ref::RefName;
use git_core_ref::refspec::FetchSource;
use git_core_store::walk::{self, Haves};
use git_core_store::{PackOptions, Quarantine, Snapshot, revision};
use git_core_transport::client::{
    Ack, AdvertisedRef, FetchOptions as WireOptions, GraphWalker, WantedRef, fetch_parts,
};
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// One fetch under way.
pub(super) struct Run<'a> {
    pub(super) remote: &'a Remote,
    pub(super) repository: &'a Repository,
    pub(super) options: &'a FetchOptions,
    pub(super) reflogs: Reflogs,
    pub(super) tags: Tags,
    pub(super) snapshot: Arc<dyn Snapshot>,
    /// Which objects are left out.
    pub(super) filter: Option<BString>,
    /// Whether the remote promises to have what it does not send.
    pub(super) promised: bool,
    /// Whether anything may be missing here.
    pub(super) partial: bool,
    pub(super) cx: &'a Context,
}

/// Whether the refs that follow get entries in their reflogs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reflogs {
    Written,
    Omitted,
}

/// Something that is fetched: from where, to where, and which object it is.
pub(super) struct Wanted {
    pub(super) source: FetchSource,
    pub(super) local: Option<RefName>,
    pub(super) force: bool,
    pub(super) id: ObjectId,
    pub(super) mark: Mark,
}

impl Run<'_> {
    /// Does all of it.
    pub(super) fn fetch(
        &self,
        peer: Peer,
        advertised: Vec<AdvertisedRef>,
        asked: &Asked,
    ) -> Result<Fetched, RemoteError> {
        let there = peer.format();
        let here = self.repository.format();
        if here != there && !advertised.is_empty() {
            return Err(RemoteError::Format { here, there });
        }
        let plan = self.plan(asked, &advertised)?;
        let mut wanted = plan.wanted;
        if self.options.update_head_ok == UpdateHead::Refuse {
            self.spare_work_trees(&wanted)?;
        }

        let mut advertised = advertised;
        let mut ids: HashSet<ObjectId> = wanted.iter().map(|one| one.id).collect();
        let (mut objects, mut pack) = (None, None);
        let mut quarantine = None;
        // Another depth concerns what is here as well.
        let deepens = self.options.deepen.is_asked();
        let anew = deepens || self.options.refetch == Refetch::All;
        let missing = if anew { ids.clone() } else { self.missing(&ids)? };
        let filter_ignored = self.filter.is_some() && !peer.can_filter();
        let mut cut = HashSet::new();
        if !missing.is_empty() {
            let mut came = self.receive(peer, &missing, &wanted, &advertised, plan.follows_tags)?;
            if !came.wanted_refs.is_empty() {
                rename(&came.wanted_refs, &mut wanted, &mut advertised);
                ids = wanted.iter().map(|one| one.id).collect();
            }
            cut = self.bound(&mut *came.quarantine, &came.shallow, &ids)?;
            (objects, pack) = (Some(came.objects), came.pack);
            quarantine = Some(came.quarantine);
        } else {
            peer.hang_up();
        }
        let view = match &quarantine {
            Some(received) => received.snapshot()?,
            None => self.snapshot.clone(),
        };
        if quarantine.is_some() {
            let known = if deepens { Vec::new() } else { self.known()? };
            self.check_connected(&*view, ids.difference(&cut).copied().collect(), &known)?;
            if plan.follows_tags {
                // Tags that have come along, now that what they point to is here. A server need not send
                // them; the next fetch asks for those that did not come.
                for tag in self.following_tags(&advertised, &wanted, &*view)? {
                    if view.contains(&tag.id)? {
                        wanted.push(tag);
                    }
                }
            }
        }
        let followed = self.update_refs(asked, &wanted, &cut, quarantine, &*view)?;
        let mut entries = Vec::new();
        for (one, update) in wanted.iter().zip(&followed.updates[followed.pruned..]) {
            if one.mark != Mark::Omit && update.status != super::UpdateStatus::Shallow {
                let merge = one.mark == Mark::Merge && self.is_mergeable(&*view, one.id);
                entries.push(fetch_head::entry(self.remote, one.id, &one.source, merge));
            }
        }
        let mut fetched = Fetched {
            updates: followed.updates,
            advertised,
            fetch_head: entries,
            objects,
            pack,
            filter_ignored,
            warnings: plan.warnings,
            aborted: followed.aborted,
            head: None,
        };
        fetched.head = self.follow_head(&fetched)?;
        Ok(fetched)
    }

    /// The tags that are not here and whose objects are, or are wanted.
    pub(super) fn following_tags(
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
                    mark: Mark::Keep,
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
                Ok(self.partial || view.contains(&links.tree)?)
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
        // What a partial clone lacks has been promised.
        if self.partial {
            return Ok(missing);
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
        peer: Peer,
        ids: &HashSet<ObjectId>,
        wanted: &[Wanted],
        advertised: &[AdvertisedRef],
        follows_tags: bool,
    ) -> Result<Came, RemoteError> {
        let mut pack = PackOptions::default();
        pack.unpack_below = self.options.unpack_below;
        if self.options.keep_pack != KeepPack::IfLarge {
            pack.unpack_below = 0;
        }
        if self.options.keep_pack == KeepPack::Locked {
            pack.keep = Some(format!("fetch-pack {}\n", std::process::id()));
        }
        if self.promised {
            // Only a pack can say that it was promised.
            pack.unpack_below = 0;
            pack.promisor = Some(promise(ids, advertised));
        }
        let mut connection = match peer {
            Peer::Bundle(bundle) => {
                let (quarantine, objects) = bundle.receive(self.repository, &pack, self.cx)?;
                let (shallow, wanted_refs) = (ShallowUpdate::default(), Vec::new());
                return Ok(Came { quarantine, objects, pack: None, shallow, wanted_refs });
            }
            Peer::Server(connection) => connection,
        };
        let objects = self.snapshot.clone();
        let known = match (&self.options.negotiation_tips, self.options.refetch) {
            (_, Refetch::All) => Vec::new(),
            (Some(tips), _) => tips.clone(),
            (None, _) => self.known()?,
        };
        let mut haves =
            Haves::new(objects, self.snapshot.shallow(), [], self.cx)?.by(self.options.negotiator);
        for one in advertised.iter().filter(|_| self.options.refetch == Refetch::No) {
            if let Some(id) = one.peeled.or(one.id)
                && self.snapshot.contains(&id)?
            {
                haves.known_common(id)?;
            }
        }
        haves.tips(known)?;
        let mut quarantine = self.repository.storage().receive(&self.snapshot)?;
        quarantine.begin_pack(&pack)?;

        let by_name = connection.advertisement().takes_want_refs();
        let asked = wanted.iter().filter(|one| ids.contains(&one.id));
        let (named, wants): (Vec<_>, Vec<_>) =
            asked.partition(|one| by_name && matches!(one.source, FetchSource::Ref(_)));
        let wants: Vec<_> = wants.iter().map(|one| one.id).collect();
        let mut options = WireOptions::default();
        if !named.is_empty() {
            let names: HashSet<&RefName> = named.iter().filter_map(|one| one.source.name()).collect();
            let in_order = advertised.iter().map(|one| &one.name).filter(|name| names.contains(name));
            options.want_refs = in_order.cloned().collect();
        }
        options.progress = self.cx.has_progress();
        options.include_tag = follows_tags;
        options.server_options.clone_from(&self.options.server_options);
        options.shallow = self.snapshot.shallow().to_vec();
        options.deepen = self.options.deepen.clone();
        options.filter.clone_from(&self.filter);
        options.uri_protocols = uris::protocols(self.repository.config())?;
        let cx = self.cx;
        let mut sink = |bytes: &[u8]| -> Result<(), BoxError> {
            let taken = quarantine.feed(bytes, cx)?;
            if taken < bytes.len() {
                return Err("the server sent more than a pack".into());
            }
            Ok(())
        };
        let fetched = fetch_parts(&mut connection, wants, &options, &mut Walker(haves), &mut sink, cx)?;
        let received = quarantine.finish_pack(cx)?;
        for part in &fetched.parts {
            uris::receive(part, &options.uri_protocols, &pack, &mut *quarantine, cx)?;
        }
        let (shallow, wanted_refs) = (fetched.shallow, fetched.wanted_refs);
        let (objects, pack) = (received.objects, Some(received.checksum));
        Ok(Came { quarantine, objects, pack, shallow, wanted_refs })
    }

    /// Lets the history here end where it is to, and gives what cannot be taken since its history ends where only
    /// that of the remote does.
    fn bound(
        &self,
        received: &mut dyn Quarantine,
        update: &ShallowUpdate,
        ids: &HashSet<ObjectId>,
    ) -> Result<HashSet<ObjectId>, RemoteError> {
        let before = self.snapshot.shallow();
        if self.options.deepen.is_asked() {
            let after = update.apply(before);
            if after != before {
                received.set_shallow(after);
            }
            return Ok(HashSet::new());
        }
        let view = received.snapshot()?;
        let mut ends = Vec::new();
        for id in &update.shallow {
            if before.binary_search(id).is_err() && view.contains(id)? {
                ends.push(*id);
            }
        }
        ends.sort_unstable();
        let (known, mut cut) = (self.known()?, HashSet::new());
        if self.options.remote_ends == RemoteEnds::Accept {
            let tips: Vec<_> = ids.iter().copied().collect();
            let met = walk::ends_met(&*view, &tips, &known, &ends, self.cx)?;
            if !met.is_empty() {
                received.set_shallow([before, &met].concat());
            }
            return Ok(cut);
        }
        for id in ids {
            if !walk::ends_met(&*view, &[*id], &known, &ends, self.cx)?.is_empty() {
                cut.insert(*id);
            }
        }
        Ok(cut)
    }

    fn check_connected(
        &self,
        view: &dyn Snapshot,
        tips: Vec<ObjectId>,
        known: &[ObjectId],
    ) -> Result<(), RemoteError> {
        if self.promised {
            // What these lead to is here or promised.
            for id in tips {
                if !view.contains(&id)? {
                    return Err(RemoteError::Incomplete { id });
                }
            }
            return Ok(());
        }
        match walk::check_received(view, &*self.snapshot, &tips, known, self.cx) {
            Err(ReadError::Missing { id }) => Err(RemoteError::Incomplete { id }),
            result => Ok(result?),
        }
    }
}

/// What has come.
struct Came {
    quarantine: Box<dyn Quarantine>,
    objects: u64,
    /// What the pack is named by, where it came as one.
    pack: Option<ObjectId>,
    /// What changes about where the history ends.
    shallow: ShallowUpdate,
    /// What the refs are that were wanted by name.
    wanted_refs: Vec<WantedRef>,
}

/// Refs may have moved since they were listed: what counts is what was sent for them.
fn rename(told: &[WantedRef], wanted: &mut [Wanted], advertised: &mut [AdvertisedRef]) {
    let told: HashMap<&RefName, ObjectId> = told.iter().map(|one| (&one.name, one.id)).collect();
    for one in wanted {
        if let Some(id) = one.source.name().and_then(|name| told.get(name)) {
            one.id = *id;
        }
    }
    for one in advertised {
        if let Some(id) = told.get(&one.name).filter(|id| one.id != Some(**id)) {
            // What a moved tag leads to was not told.
            one.id = Some(*id);
            one.peeled = None;
        }
    }
}

/// What the file beside a promised pack says: the refs that it was fetched for.
fn promise(ids: &HashSet<ObjectId>, advertised: &[AdvertisedRef]) -> String {
    let mut text = String::new();
    for one in advertised {
        if let Some(id) = one.id.filter(|id| ids.contains(id)) {
            text.push_str(&format!("{id} {}\n", one.name));
        }
    }
    text
}

/// The history here, offered to a server.
pub(super) struct Walker(pub(super) Haves);

impl GraphWalker for Walker {
    fn next_have(&mut self) -> Result<Option<ObjectId>, BoxError> {
        Ok(self.0.next_have()?)
    }

    fn ack(&mut self, ack: &Ack) -> Result<(), BoxError> {
        self.0.ack(&ack.id)?;
        Ok(())
    }
}
