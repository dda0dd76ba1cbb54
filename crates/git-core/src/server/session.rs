//! One repository, open for one peer: the answers that upload-pack and receive-pack ask for.

use super::archives::{self, ArchivePolicy};
use super::certificate::PushedCertificate;
use super::filters::FilterPolicy;
use super::haves::AlternateTips;
use super::listing::Listing;
use super::policy::ReceivePolicy;
use super::receive;
use super::shallow;
use super::sink::QuarantineSink;
use super::{HiddenRefs, Namespace, PackHook, SignedPushes};
use crate::Repository;
use crate::counts::SharedCounts;
use crate::send::{PackFeed, PackWish, SendOptions};
use bstr::BString;
use git_core_object::{Context, ObjectId, Objects as _, ReadError};
use git_core_protocol::server::{
    Answer, ArchiveRequest, Haves, HavesQuery, PackRequest, Question, ReceivePackOptions, RefsPurpose,
    UpdateReport, UpdateRequest, UploadPackOptions, WantPolicy, Wants, WantsQuery,
};
use git_core_ref::RefName;
use git_core_store::filter::{FilterSpec, ObjectFilter};
use git_core_store::walk::{self, Query, Ready};
use git_core_store::{Snapshot, Storage, revision};
use git_core_transport::server::{PackSink, PackStream, Received, Refusal, RefusalKind, Session};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// What a peer may do with a repository, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionOptions {
    /// What upload-pack offers. The object format is the repository's, whatever this says.
    pub upload: UploadPackOptions,
    /// What receive-pack offers; the object format likewise.
    pub receive: ReceivePackOptions,
    /// Which updates of refs are refused, and how packs are taken in.
    pub policy: ReceivePolicy,
    /// Which filters are applied, if the client may ask for any.
    pub filters: FilterPolicy,
    /// How packs are made that are sent.
    pub send: SendOptions,
    /// A program that makes them instead.
    pub pack_hook: Option<PackHook>,
    /// Refs that are not shown to who fetches.
    pub hidden: HiddenRefs,
    /// Refs that are not shown to who pushes; [`ReceivePolicy::hidden`] says which may not be pushed to.
    pub receive_hidden: HiddenRefs,
    /// The part of the repository that is served.
    pub namespace: Namespace,
    /// On which terms pushes may be signed, if they may.
    pub signed: Option<SignedPushes>,
    /// How often an idle client that fetches hears something (`uploadpack.keepAlive`); for who drives the session.
    pub upload_keep_alive: Duration,
    /// How often an idle client that pushes hears something (`receive.keepAlive`); likewise.
    pub receive_keep_alive: Duration,
    /// Whether archives are made.
    pub archives: ArchivePolicy,
    /// What archives are made of.
    pub(super) repository: Option<Repository>,
    /// Where tips of other repositories are found, whose objects are here too.
    pub(super) alternates: Option<AlternateTips>,
    /// Why no push can be taken in, if the configuration makes no sense.
    pub(super) unusable: Option<String>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        let keep_alive = Duration::from_secs(5);
        SessionOptions {
            upload: UploadPackOptions::default(),
            receive: ReceivePackOptions::default(),
            policy: ReceivePolicy::default(),
            filters: FilterPolicy::default(),
            send: SendOptions::default(),
            pack_hook: None,
            hidden: HiddenRefs::default(),
            receive_hidden: HiddenRefs::default(),
            namespace: Namespace::default(),
            signed: None,
            upload_keep_alive: keep_alive,
            receive_keep_alive: keep_alive,
            archives: ArchivePolicy::default(),
            repository: None,
            alternates: None,
            unusable: None,
        }
    }
}

/// A [`Session`] over any storage.
pub struct StorageSession {
    storage: Arc<dyn Storage>,
    snapshot: Arc<dyn Snapshot>,
    options: SessionOptions,
    counts: Arc<SharedCounts>,
    /// The state of a negotiation, with the wants it is about.
    ready: Option<(Arc<Vec<ObjectId>>, Ready)>,
    /// The state of a list of refs that is asked for page by page.
    listing: Listing,
}

impl StorageSession {
    /// Opens a session on the present state of a storage.
    ///
    /// # Errors
    /// [`ReadError`] when the storage cannot be read.
    pub fn new(storage: Arc<dyn Storage>, mut options: SessionOptions) -> Result<Self, ReadError> {
        let storage = options.namespace.over(storage);
        let snapshot = storage.snapshot()?;
        options.upload.object_format = snapshot.format();
        options.receive.object_format = snapshot.format();
        let shallow = Arc::new(snapshot.shallow().to_vec());
        options.upload.shallow = shallow.clone();
        options.receive.shallow = shallow;
        if let Some(signed) = &options.signed {
            let now = crate::repository::now().seconds;
            options.receive.push_cert_nonce = Some(signed.nonce(snapshot.format(), now));
        }
        Ok(StorageSession {
            storage,
            snapshot,
            options,
            counts: Arc::default(),
            ready: None,
            listing: Listing::default(),
        })
    }

    /// Shares what is counted with the sessions that have the same of these.
    #[must_use]
    pub fn with_counts(self, counts: Arc<SharedCounts>) -> Self {
        StorageSession { counts, ..self }
    }

    fn sizes(&self, ids: &[ObjectId], cx: &Context) -> Result<Vec<Option<u64>>, ReadError> {
        ids.iter()
            .map(|id| {
                cx.check()?;
                Ok(self.snapshot.header(id)?.map(|header| header.size))
            })
            .collect()
    }

    /// What these refs are, as far as they are shown to who fetches.
    fn want_refs(&self, names: &[RefName]) -> Result<Vec<Option<ObjectId>>, ReadError> {
        names
            .iter()
            .map(|name| match self.options.hidden.hides(name) {
                true => Ok(None),
                false => Ok(revision::follow(&*self.snapshot, name)?.1),
            })
            .collect()
    }

    fn wants(&self, query: &WantsQuery, cx: &Context) -> Result<Wants, ReadError> {
        let tips = match query.policy {
            WantPolicy::Any => HashSet::new(),
            WantPolicy::Advertised => self.tips(&self.options.hidden)?,
            _ => self.tips(&HiddenRefs::default())?,
        };
        let mut beyond = Vec::new();
        for want in &query.wants {
            if tips.contains(want) {
                continue;
            }
            let there = query.policy >= WantPolicy::Reachable && self.snapshot.contains(want)?;
            if !there {
                return Ok(Wants::NotOurRef(*want));
            }
            beyond.push(*want);
        }
        if query.policy == WantPolicy::Reachable && !beyond.is_empty() {
            // Whatever of it no ref reaches is not to be had.
            let walk =
                Query { include: beyond.clone(), exclude: tips.into_iter().collect(), ..Query::default() };
            let unreached = walk::reachable(&*self.snapshot, &walk, &cx.clone().quiet())?;
            if let Some(want) = beyond.into_iter().find(|want| unreached.contains(want)) {
                return Ok(Wants::NotOurRef(want));
            }
        }
        Ok(Wants::Accepted)
    }

    /// The filter that a client asks for, if it may.
    fn filter(&self, text: Option<&BString>) -> Result<Option<Arc<ObjectFilter>>, Refusal> {
        let Some(text) = text else { return Ok(None) };
        let invalid = |error: String| Refusal::new(RefusalKind::Invalid, error);
        let spec = FilterSpec::parse(text).map_err(|error| invalid(error.to_string()))?;
        if let Some(objection) = self.options.filters.objection(&spec) {
            return Err(invalid(objection));
        }
        let filter = ObjectFilter::new(&*self.snapshot, &spec).map_err(|error| invalid(error.to_string()))?;
        Ok(Some(Arc::new(filter)))
    }

    /// The ids that refs hold that are not hidden, `HEAD` included.
    fn tips(&self, hidden: &HiddenRefs) -> Result<HashSet<ObjectId>, ReadError> {
        let mut tips = HashSet::new();
        tips.extend(revision::follow(&*self.snapshot, &RefName::head())?.1);
        self.snapshot.for_each_ref(b"", &mut |found| {
            tips.extend(found.target.id().filter(|_| !hidden.hides(&found.name)));
            ControlFlow::Continue(())
        })?;
        Ok(tips)
    }

    fn haves(&mut self, query: &HavesQuery, cx: &Context) -> Result<Haves, ReadError> {
        if self.ready.as_ref().is_none_or(|(wants, _)| **wants != *query.wants) {
            let objects = self.snapshot.clone();
            let mut ready = Ready::new(objects, self.snapshot.shallow(), &query.wants, cx)?;
            for id in query.common.iter() {
                ready.have(id)?;
            }
            self.ready = Some((query.wants.clone(), ready));
        }
        let (_, ready) = self.ready.as_mut().expect("it has just been made");
        let common = query.haves.iter().map(|id| ready.have(id)).collect::<Result<_, _>>()?;
        Ok(Haves { common, ready: query.readiness && ready.is_ready()? })
    }
}

impl Session for StorageSession {
    fn upload_pack(&self) -> UploadPackOptions {
        self.options.upload.clone()
    }

    fn receive_pack(&self) -> ReceivePackOptions {
        self.options.receive.clone()
    }

    fn answer(&mut self, question: Question, cx: &Context) -> Result<Answer, Refusal> {
        match question {
            Question::Refs(query) => {
                let hidden = match query.purpose {
                    RefsPurpose::Fetch => &self.options.hidden,
                    RefsPurpose::Push => &self.options.receive_hidden,
                };
                let alternates = self.options.alternates.as_ref();
                self.listing.page(&self.snapshot, hidden, alternates, &query).map(Answer::Refs)
            }
            Question::WantRefs(query) => self.want_refs(&query.names).map(Answer::WantRefs),
            Question::Wants(query) => {
                self.filter(query.filter.as_ref())?;
                self.wants(&query, cx).map(Answer::Wants)
            }
            Question::Haves(query) => self.haves(&query, cx).map(Answer::Haves),
            Question::Shallow(query) => {
                return shallow::bounds(&*self.snapshot, &query, cx).map(Answer::Shallow);
            }
            Question::ObjectInfo(query) => self.sizes(&query.ids, cx).map(Answer::ObjectInfo),
            _ => return Err(Refusal::new(RefusalKind::Internal, "a question without an answer")),
        }
        .map_err(refusal)
    }

    fn send(&mut self, request: PackRequest, cx: &Context) -> Result<Box<dyn PackStream>, Refusal> {
        self.ready = None;
        if let Some(hook) = &self.options.pack_hook {
            self.filter(request.filter.as_ref())?;
            return hook.start(&self.snapshot, &request, cx);
        }
        let shallow::Cut { snapshot, wants, haves } =
            shallow::cut(self.snapshot.clone(), &request).map_err(refusal)?;
        let wish = PackWish {
            wants,
            haves,
            thin: request.thin,
            ofs_delta: request.ofs_delta,
            include_tag: request.include_tag,
            filter: self.filter(request.filter.as_ref())?,
            options: self.options.send,
        };
        let feed = PackFeed::prepare_shared(snapshot, &wish, &self.counts, cx).map_err(refusal)?;
        Ok(Box::new(feed))
    }

    fn archive(&mut self, request: ArchiveRequest, cx: &Context) -> Result<Box<dyn PackStream>, Refusal> {
        match (self.options.archives, &self.options.repository) {
            (ArchivePolicy::Give, Some(repository)) => archives::begin(repository, &request.arguments, cx),
            _ => Err(Refusal::forbidden("fatal: no archives are made here")),
        }
    }

    fn receive(&mut self, _cx: &Context) -> Result<Box<dyn PackSink>, Refusal> {
        if let Some(why) = &self.options.unusable {
            return Err(Refusal::new(RefusalKind::Internal, why.clone()));
        }
        let sink = QuarantineSink::open(&*self.storage, &self.snapshot, &self.options.policy);
        Ok(Box::new(sink.map_err(receive::refused)?))
    }

    fn update(
        &mut self,
        mut request: UpdateRequest,
        received: Option<Received>,
        cx: &Context,
    ) -> Result<UpdateReport, Refusal> {
        // Hooks are told that there are none, too.
        request.push_options.get_or_insert_default();
        let certificate = request.certificate.take().map(|certificate| {
            let nonce = self.options.receive.push_cert_nonce.as_deref();
            let signed = self.options.signed.as_ref().zip(nonce);
            PushedCertificate::of(certificate, signed, request.mode, self.snapshot.format())
        });
        let quarantine = received.and_then(|received| QuarantineSink::into_quarantine(received.state));
        let push = receive::Pushing { request: &request, certificate, quarantine };
        receive::update(&self.storage, &self.snapshot, &self.options.policy, push, cx).map_err(refusal)
    }
}

/// What a peer is told when a repository cannot be read: which object is to blame, and no path of the server.
pub(super) fn refusal(error: ReadError) -> Refusal {
    match &error {
        ReadError::Stopped(stopped) => Refusal::from(stopped.clone()),
        ReadError::Missing { .. } | ReadError::WrongKind { .. } => {
            Refusal::new(RefusalKind::Internal, error.to_string())
        }
        _ => Refusal::internal(error),
    }
}
