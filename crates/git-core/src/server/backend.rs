//! Joins resolver, access and storage into what the drivers of the transports ask for.

use super::access::{Access, PushAccess};
use super::resolve::Resolver;
use super::session::{SessionOptions, StorageSession};
use super::{ArchivePolicy, CurrentBranch, ObjectChecks, UnbornHead, session_options};
use crate::Repository;
use crate::counts::SharedCounts;
use git_core_protocol::Service;
use git_core_store::walk::CountOptions;
use git_core_transport::server::{Backend, BoxFuture, Refusal, Request, Session};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Decides, for each request, which repository it gets and on which terms.
#[derive(Clone)]
pub struct Backing {
    resolver: Arc<dyn Resolver>,
    access: Arc<dyn Access>,
    terms: Terms,
    counts: Arc<SharedCounts>,
}

/// On which terms repositories are served.
#[derive(Clone, Debug)]
pub enum Terms {
    /// The same for all; whether a working tree is in the way is looked at for each.
    Same(Box<SessionOptions>),
    /// Those of each one's own configuration, as git's own programs serve it.
    OfRepository,
}

impl Terms {
    /// The terms for strangers: every object of a push is [checked](ObjectChecks), and packs are kept as packs.
    pub fn strict() -> Self {
        let mut options = SessionOptions::default();
        options.policy.observer = Some(Arc::new(ObjectChecks::default()));
        options.send.count = CountOptions::with_bitmap();
        Terms::Same(Box::new(options))
    }
}

impl Backing {
    /// Also makes archives, if served on the same terms for all.
    #[must_use]
    pub fn with_archives(mut self) -> Self {
        if let Terms::Same(options) = &mut self.terms {
            options.archives = ArchivePolicy::Give;
        }
        self
    }

    /// Serves what the resolver finds on [strict terms](Terms::strict): open to fetch from, closed to pushes.
    pub fn new(resolver: impl Resolver) -> Self {
        Backing {
            resolver: Arc::new(resolver),
            access: Arc::new(PushAccess::Nobody),
            terms: Terms::strict(),
            counts: Arc::default(),
        }
    }

    /// Asks this about every request.
    #[must_use]
    pub fn with_access(self, access: impl Access) -> Self {
        Backing { access: Arc::new(access), ..self }
    }

    /// Serves on these terms.
    #[must_use]
    pub fn with_terms(self, terms: Terms) -> Self {
        Backing { terms, ..self }
    }

    /// What is counted at present for the packs that are sent.
    pub fn counts(&self) -> &Arc<SharedCounts> {
        &self.counts
    }
}

impl From<BTreeMap<String, Repository>> for Backing {
    fn from(repositories: BTreeMap<String, Repository>) -> Self {
        Backing::new(repositories)
    }
}

impl Backend for Backing {
    fn open<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Box<dyn Session>, Refusal>> {
        Box::pin(async move {
            self.access.check(request)?;
            let repository = self.resolver.resolve(request).await?;
            let options = match &self.terms {
                Terms::Same(options) => {
                    let mut options = (**options).clone();
                    if request.service == Service::UploadArchive && options.archives == ArchivePolicy::Refuse
                    {
                        return Err(Refusal::forbidden("no archives are made here"));
                    }
                    options.repository = Some(repository.clone());
                    if repository.work_tree().is_none() {
                        options.policy.unborn_head = UnbornHead::Follow;
                    }
                    if repository.work_tree().is_some() {
                        options.policy.current_branch = CurrentBranch::Refuse;
                    }
                    if options.policy.hooks.is_none() {
                        options.policy.hooks = repository.hooks().map(|hooks| Arc::new(hooks.clone()) as _);
                    }
                    options
                }
                Terms::OfRepository => session_options(&repository).map_err(Refusal::internal)?,
            };
            let session = StorageSession::new(repository.storage().clone(), options);
            let session = session.map_err(super::session::refusal)?.with_counts(self.counts.clone());
            Ok(Box::new(session) as Box<dyn Session>)
        })
    }
}
