//! Who is fetched from: a server at the end of a connection, or a bundle in a file.

use super::{Link, RemoteError};
use crate::bundle::BundleFile;
use bstr::{BString, ByteSlice as _};
use git_core_object::{Context, ObjectFormat};
use git_core_protocol::Service;
use git_core_transport::client::{AdvertisedRef, Connection, LsRefsOptions, bundle_uris, ls_refs};
use git_core_transport::url::{GitUrl, Scheme};
use std::path::PathBuf;

/// The other side of a fetch.
pub(super) enum Peer {
    Server(Box<Connection>),
    Bundle(Box<BundleFile>),
}

impl Peer {
    /// Opens the bundle that `url` is the path of, or connects to the server there.
    pub(super) fn open(link: Link, url: &[u8], cx: &Context) -> Result<Self, RemoteError> {
        let parsed = GitUrl::parse(url)?;
        if parsed.scheme() == Scheme::File
            && let Ok(path) = parsed.path().to_path()
            && let Some(bundle) = BundleFile::probe(path)?
        {
            return Ok(Peer::Bundle(Box::new(bundle)));
        }
        Ok(Peer::Server(Box::new(link.open(url, Service::UploadPack, cx)?)))
    }

    /// The hash function that names its objects.
    pub(super) fn format(&self) -> ObjectFormat {
        match self {
            Peer::Server(connection) => connection.advertisement().format,
            Peer::Bundle(bundle) => bundle.header().format,
        }
    }

    /// Its refs, `HEAD` first.
    pub(super) fn list(
        &mut self,
        options: &LsRefsOptions,
        cx: &Context,
    ) -> Result<Vec<AdvertisedRef>, RemoteError> {
        match self {
            Peer::Server(connection) => Ok(ls_refs(connection, options, cx)?),
            Peer::Bundle(bundle) => Ok(bundle.advertised()),
        }
    }

    /// The refs that it has shown without being asked.
    pub(super) fn shown(&self) -> Vec<AdvertisedRef> {
        match self {
            Peer::Server(connection) => connection.advertisement().refs.clone(),
            Peer::Bundle(bundle) => bundle.advertised(),
        }
    }

    /// Whether it is a bundle that lacks what a filter left out.
    pub(super) fn is_filtered_bundle(&self) -> bool {
        matches!(self, Peer::Bundle(bundle) if bundle.header().filter.is_some())
    }

    /// Whether it can leave objects out.
    pub(super) fn can_filter(&self) -> bool {
        match self {
            Peer::Server(connection) => connection.advertisement().can_filter(),
            Peer::Bundle(_) => false,
        }
    }

    /// The bundles that may be had elsewhere, as a server tells them.
    pub(super) fn bundle_uris(&mut self, cx: &Context) -> Result<Option<Vec<BString>>, RemoteError> {
        match self {
            Peer::Server(connection) => Ok(bundle_uris(connection, cx)?),
            Peer::Bundle(_) => Ok(None),
        }
    }

    /// Ends it; nothing more is wanted.
    pub(super) fn hang_up(self) {
        if let Peer::Server(connection) = self {
            connection.hang_up();
        }
    }
}

/// The bundle that is meant by a path without its suffix, as `git clone` has it.
pub(super) fn bundle_beside(url: &[u8]) -> Option<PathBuf> {
    let path = url.to_path().ok()?;
    if path.exists() {
        return None;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".bundle");
    Some(PathBuf::from(name)).filter(|path| path.is_file())
}
