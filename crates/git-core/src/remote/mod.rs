//! Other repositories: connecting to them, fetching from them, pushing to them, cloning them.

mod archive;
mod clone;
mod connect;
mod error;
mod fetch;
mod fetch_head;
mod peer;
mod promised;
mod push;
mod tags;

pub use clone::{CheckoutMode, CloneOptions, Cloned, RejectShallow, clone};
pub use connect::Link;
pub use error::RemoteError;
pub use fetch::{
    Deepen, FailedUpdate, FetchOptions, FetchWarning, Fetched, FilterChoice, FollowHead, ForcedUpdates,
    HeadDiffers, HeadHere, KeepPack, Negotiator, Prune, PruneTags, RefUpdate, Refetch, RemoteEnds,
    UpdateHead, UpdateStatus, fetch_pack, head_branches,
};
pub use fetch_head::FetchHeadEntry;
pub(crate) use promised::fetch_promised;
pub use push::{
    Absent, Atomic, BeforePush, CertificateSigner, DryRun, FollowTags, Force, IfIncludes, Lease, LeaseAll,
    LeaseValue, Leases, NegotiatePush, Otherwise, PushOptions, PushStatus, Pushed, PushedRef, Quiet,
    SignPush,
};
pub use tags::Tags;

use crate::Repository;
use bstr::{BStr, BString, ByteSlice as _};
use git_core_ref::refspec::Direction;
use git_core_ref::{RefName, Refspec};
use git_core_store::config::Config;
use git_core_transport::url::GitUrl;

/// Another repository, as seen from one: where it is, and what is usually fetched and pushed.
#[derive(Clone)]
pub struct Remote {
    repository: Repository,
    /// The name or the URL by which it was asked for.
    label: BString,
    name: Option<BString>,
    url: BString,
    push_urls: Vec<BString>,
    fetch: Vec<Refspec>,
    push: Vec<Refspec>,
    tags: Tags,
    mirror: bool,
    /// Whether it has promised to have what is missing here, and by which filter that is left out.
    promisor: bool,
    filter: Option<BString>,
}

impl Repository {
    /// The remote of this name, as the configuration describes it, or the repository at this URL or path.
    ///
    /// # Errors
    /// [`RemoteError`] when its configuration makes no sense.
    pub fn remote(&self, name_or_url: impl AsRef<[u8]>) -> Result<Remote, RemoteError> {
        let text = name_or_url.as_ref();
        let config = self.config();
        let key = |variable: &str| [b"remote.", text, b".", variable.as_bytes()].concat();
        let mut urls = texts(config, &key("url"))?;
        let named = !urls.is_empty()
            || !text.starts_with(b"/") && config.subsections("remote").contains(&text.as_bstr());
        if !named {
            return Ok(Remote {
                repository: self.clone(),
                label: text.into(),
                name: None,
                url: rewritten(config, text, "insteadOf")?,
                push_urls: Vec::new(),
                fetch: Vec::new(),
                push: Vec::new(),
                tags: Tags::Follow,
                mirror: false,
                promisor: false,
                filter: None,
            });
        }
        if urls.is_empty() {
            urls.push(text.into());
        }
        let specs = |variable: &str, direction| {
            config
                .get_all(key(variable))
                .map(|entry| Ok(Refspec::parse(direction, entry.to_text()?)?))
                .collect::<Result<Vec<_>, RemoteError>>()
        };
        let mut push_urls = Vec::new();
        for url in texts(config, &key("pushUrl"))? {
            push_urls.push(rewritten(config, &url, "insteadOf")?);
        }
        if push_urls.is_empty() {
            for url in &urls {
                let rewritten_for_push = rewritten(config, url, "pushInsteadOf")?;
                push_urls.push(match rewritten_for_push == *url {
                    true => rewritten(config, url, "insteadOf")?,
                    false => rewritten_for_push,
                });
            }
        }
        let tags = match config.text(key("tagOpt"))?.map(|text| text.as_bytes()) {
            Some(b"--no-tags") => Tags::None,
            Some(b"--tags") => Tags::All,
            _ => Tags::Follow,
        };
        let promisor = self.promisor_remotes()?.iter().any(|name| name.as_bytes() == text);
        Ok(Remote {
            repository: self.clone(),
            label: text.into(),
            name: Some(text.into()),
            url: rewritten(config, &urls[0], "insteadOf")?,
            push_urls,
            fetch: specs("fetch", Direction::Fetch)?,
            push: specs("push", Direction::Push)?,
            tags,
            mirror: config.bool(key("mirror"))?.unwrap_or(false),
            promisor,
            filter: config.text(key("partialCloneFilter"))?.map(|text| text.to_owned()).filter(|_| promisor),
        })
    }
}

impl Remote {
    /// Its name in the configuration, if it has one.
    pub fn name(&self) -> Option<&BStr> {
        self.name.as_ref().map(|name| name.as_bstr())
    }

    /// The name or the URL by which it was asked for.
    pub fn label(&self) -> &BStr {
        self.label.as_bstr()
    }

    /// Where it is fetched from, as text with `url.<base>.insteadOf` applied.
    pub fn url(&self) -> &BStr {
        self.url.as_bstr()
    }

    /// Where it is pushed to, likewise; the first of several places.
    pub fn push_url(&self) -> &BStr {
        self.push_urls.first().unwrap_or(&self.url).as_bstr()
    }

    /// All places that it is fetched from, of which the first one counts.
    ///
    /// # Errors
    /// [`RemoteError::Config`] when the configuration makes no sense.
    pub fn urls(&self) -> Result<Vec<BString>, RemoteError> {
        let config = self.repository.config();
        let urls = match &self.name {
            Some(name) => texts(config, &[b"remote.", name.as_bytes(), b".url"].concat())?,
            None => Vec::new(),
        };
        if urls.is_empty() {
            return Ok(vec![self.url.clone()]);
        }
        urls.iter().map(|url| rewritten(config, url, "insteadOf")).collect()
    }

    /// All places that it is pushed to.
    pub fn push_urls(&self) -> Vec<BString> {
        if self.push_urls.is_empty() { vec![self.url.clone()] } else { self.push_urls.clone() }
    }

    /// The same remote, pushed to at one place only.
    #[must_use]
    pub fn with_push_url(&self, url: BString) -> Self {
        Remote { push_urls: vec![url], ..self.clone() }
    }

    /// The repository that it is a remote of.
    pub const fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The ref here that follows a ref of it.
    pub fn tracking(&self, name: &RefName) -> Option<RefName> {
        git_core_ref::refspec::tracking(&self.fetch, name)
    }

    /// What is fetched when nothing else is asked for.
    pub fn fetch_specs(&self) -> &[Refspec] {
        &self.fetch
    }

    /// What is pushed when nothing else is asked for.
    pub fn push_specs(&self) -> &[Refspec] {
        &self.push
    }

    /// Whether pushes make it a mirror of the repository here (`remote.<name>.mirror`).
    pub const fn is_mirror(&self) -> bool {
        self.mirror
    }

    /// The URL as messages may show it: without a password.
    pub fn shown_url(&self) -> BString {
        shown(&self.url)
    }

    /// The URL of pushes as messages may show it.
    pub fn shown_push_url(&self) -> BString {
        shown(self.push_url())
    }
}

/// All values of a variable, of which an empty one takes those before it away.
fn texts(config: &Config, key: &[u8]) -> Result<Vec<BString>, RemoteError> {
    let mut values = Vec::new();
    for entry in config.get_all(key) {
        match entry.to_text()? {
            text if text.is_empty() => values.clear(),
            text => values.push(text.to_owned()),
        }
    }
    Ok(values)
}

/// A URL without its password; text that is no URL as it is.
fn shown(url: &[u8]) -> BString {
    match GitUrl::parse(url) {
        Ok(parsed) if parsed.password().is_some() => parsed.without_credentials().to_string().into(),
        _ => url.into(),
    }
}

/// Applies `url.<base>.insteadOf`, or another variable of the kind: the longest match wins.
fn rewritten(config: &Config, url: &[u8], variable: &str) -> Result<BString, RemoteError> {
    let mut best: Option<(usize, BString)> = None;
    for base in config.subsections("url") {
        let key = [b"url.", base.as_bytes(), b".", variable.as_bytes()].concat();
        for entry in config.get_all(key) {
            let prefix = entry.to_text()?;
            if url.starts_with(prefix) && best.as_ref().is_none_or(|(len, _)| prefix.len() > *len) {
                best = Some((prefix.len(), [base.as_bytes(), &url[prefix.len()..]].concat().into()));
            }
        }
    }
    Ok(best.map_or_else(|| url.into(), |(_, rewritten)| rewritten))
}
