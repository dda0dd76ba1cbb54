//! Joins resolver, access and storage into what the drivers of the transports ask for.

use super::CurrentBranch;
use super::access::{Access, PushAccess};
use super::resolve::Resolver;
use super::session::{SessionOptions, StorageSession};
use crate::Repository;
use git_core_transport::server::{Backend, BoxFuture, Refusal, Request, Session};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Decides, for each request, which repository it gets and on which terms.
#[derive(Clone)]
pub struct Backing {
    resolver: Arc<dyn Resolver>,
    access: Arc<dyn Access>,
    options: SessionOptions,
}

impl Backing {
    /// Serves what the resolver finds: open to fetch from, closed to pushes.
    pub fn new(resolver: impl Resolver) -> Self {
        Backing {
            resolver: Arc::new(resolver),
            access: Arc::new(PushAccess::Nobody),
            options: SessionOptions::default(),
        }
    }

    /// Asks this about every request.
    #[must_use]
    pub fn with_access(self, access: impl Access) -> Self {
        Backing { access: Arc::new(access), ..self }
    }

    /// Sets the terms; those that follow from a repository's own configuration are added for each.
    #[must_use]
    pub fn with_options(self, options: SessionOptions) -> Self {
        Backing { options, ..self }
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
            let mut options = self.options.clone();
            if repository.work_tree().is_some() {
                options.policy.current_branch = CurrentBranch::Refuse;
            }
            let session = StorageSession::new(repository.storage().clone(), options);
            Ok(Box::new(session.map_err(super::session::refusal)?) as Box<dyn Session>)
        })
    }
}
