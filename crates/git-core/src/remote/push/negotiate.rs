//! Finding out before a push what the remote has beside what its refs show (`push.negotiate`): a conversation with its
//! upload-pack, which takes a connection of its own.

use super::PushedRef;
use crate::remote::fetch::FetchOptions;
use crate::remote::{Link, Remote, RemoteError};
use git_core_object::{Context, ObjectId};
use std::sync::{Arc, Mutex, PoisonError};

/// How a push finds out what the remote has. Good for one push; the next one needs another.
#[derive(Clone)]
pub struct NegotiatePush {
    link: Arc<Mutex<Option<Link>>>,
    options: FetchOptions,
    failed: Arc<Failed>,
}

type Failed = dyn Fn(&RemoteError) + Send + Sync;

impl NegotiatePush {
    /// Asks over `link`, on these terms, of which those count that [`Remote::negotiate`] heeds. A push goes on where
    /// this fails: `failed` is told why.
    pub fn new(
        link: Link,
        options: FetchOptions,
        failed: impl Fn(&RemoteError) + Send + Sync + 'static,
    ) -> Self {
        NegotiatePush { link: Arc::new(Mutex::new(Some(link))), options, failed: Arc::new(failed) }
    }

    /// What the remote has of what is pushed.
    pub(super) fn common(&self, remote: &Remote, refs: &[PushedRef], cx: &Context) -> Vec<ObjectId> {
        let tips: Vec<_> = refs.iter().filter_map(|one| one.new).collect();
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(link) = link.filter(|_| !tips.is_empty()) else { return Vec::new() };
        let options = FetchOptions { negotiation_tips: Some(tips), ..self.options.clone() };
        remote.negotiate_at(remote.push_url(), &options, link, cx).unwrap_or_else(|error| {
            (self.failed)(&error);
            Vec::new()
        })
    }
}

impl std::fmt::Debug for NegotiatePush {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NegotiatePush")
    }
}
