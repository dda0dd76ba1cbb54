//! Bundles and lists of bundles from elsewhere: what they hold is here before a server is asked for the rest.
//!
//! Their branches become refs below `refs/bundles/`, so that a server hears of what is here.

use super::list::{directory, resolve};
use super::{BundleFile, BundleFileError, BundleList, BundleListError, BundleMode};
use crate::Repository;
use bstr::{BStr, BString, ByteSlice as _};
use git_core_config::Key;
use git_core_object::{Context, ErrorKind};
use git_core_protocol::bundle::{BundleError, BundleHeader};
use git_core_ref::{Expected, RefName, RefTransaction};
use git_core_store::CommitError;
use git_core_store::config::{ConfigError, EditOptions, edit_file};
use git_core_store::fs::sys::{Disk, RealDisk};
use git_core_transport::client::{ConnectOptions, TransportError, download};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Lists within lists are followed so far.
const DEPTH: u32 = 4;
/// Larger files are no lists, in bytes.
const LIST: u64 = 4 << 20;

/// Why nothing came from a bundle or a list of bundles.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleUriError {
    /// It could not be had.
    #[error("failed to download bundle from URI '{uri}'")]
    Download {
        /// What.
        uri: BString,
        /// Why.
        #[source]
        source: Option<Box<TransportError>>,
    },
    /// It is no bundle and no list of them.
    #[error("file at URI '{uri}' is not a bundle or bundle list")]
    List {
        /// What.
        uri: BString,
        /// Why.
        #[source]
        source: BundleListError,
    },
    /// Lists lead to lists for too long.
    #[error("exceeded bundle URI recursion limit ({DEPTH})")]
    Deep,
    /// None of the bundles could be used.
    #[error("no bundle of the list could be used")]
    Nothing,
    /// A bundle is damaged.
    #[error(transparent)]
    Bundle(#[from] BundleFileError),
    /// The refs of a bundle could not be made.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// What was fetched could not be remembered.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file for what is downloaded could not be made.
    #[error("cannot write '{}'", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl BundleUriError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            BundleUriError::Download { .. } | BundleUriError::Io { .. } => ErrorKind::Unavailable,
            BundleUriError::List { source, .. } => source.kind(),
            BundleUriError::Deep => ErrorKind::Limit,
            BundleUriError::Nothing => ErrorKind::NotFound,
            BundleUriError::Bundle(error) => error.kind(),
            BundleUriError::Commit(error) => error.kind(),
            BundleUriError::Config(_) => ErrorKind::Other,
        }
    }
}

/// What was found at a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BundleSource {
    /// A bundle, or a list of which all or any are needed.
    Once,
    /// A list whose bundles say how new they are, to be looked at again before later fetches.
    Incremental,
}

impl Repository {
    /// Takes in what a bundle, or a list of bundles, at a URI holds: a path, `file://`, `http://` or `https://`. A
    /// bundle that builds on what is not here is passed over.
    ///
    /// # Errors
    /// [`BundleUriError`].
    pub fn fetch_bundle_uri(
        &self,
        uri: &BStr,
        options: &ConnectOptions,
        cx: &Context,
    ) -> Result<BundleSource, BundleUriError> {
        Fetcher { repository: self, options, cx }.uri(uri, 0)
    }

    /// As [`fetch_bundle_uri`](Self::fetch_bundle_uri), for a list that a server at `base` has told of.
    ///
    /// # Errors
    /// As [`fetch_bundle_uri`](Self::fetch_bundle_uri).
    pub fn fetch_bundle_list(
        &self,
        list: &BundleList,
        base: &BStr,
        options: &ConnectOptions,
        cx: &Context,
    ) -> Result<BundleSource, BundleUriError> {
        Fetcher { repository: self, options, cx }.list(list, base, 0)
    }
}

struct Fetcher<'a> {
    repository: &'a Repository,
    options: &'a ConnectOptions,
    cx: &'a Context,
}

/// A file that is here, for good or until it has been read.
struct Fetched {
    path: PathBuf,
    temporary: bool,
}

impl Drop for Fetched {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// What a file is.
enum Content {
    Bundle,
    List(BundleList),
}

/// What became of a bundle.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Taken,
    /// It builds on what is not here.
    Lacking,
}

impl Fetcher<'_> {
    fn uri(&self, uri: &BStr, depth: u32) -> Result<BundleSource, BundleUriError> {
        let file = self.fetch(uri)?;
        match self.content(&file, uri)? {
            Content::Bundle => self.unbundle(&file).map(|_| BundleSource::Once),
            Content::List(list) => self.list(&list, directory(uri).as_bstr(), depth + 1),
        }
    }

    fn list(&self, list: &BundleList, base: &BStr, depth: u32) -> Result<BundleSource, BundleUriError> {
        if depth > DEPTH {
            return Err(BundleUriError::Deep);
        }
        match (list.mode, list.by_token) {
            (BundleMode::All, true) => self.by_token(list, base).map(|()| BundleSource::Incremental),
            (BundleMode::All, false) => self.all(list, base, depth),
            (BundleMode::Any, _) => self.any(list, base, depth),
        }
    }

    /// Every bundle, in an order in which each finds what it builds on.
    fn all(&self, list: &BundleList, base: &BStr, depth: u32) -> Result<BundleSource, BundleUriError> {
        let mut waiting = Vec::new();
        for one in &list.bundles {
            let uri = self.place(base, one.uri.as_bstr())?;
            let file = self.fetch(uri.as_bstr())?;
            match self.content(&file, uri.as_bstr())? {
                Content::Bundle => waiting.push(file),
                Content::List(inner) => {
                    self.list(&inner, directory(uri.as_bstr()).as_bstr(), depth + 1)?;
                }
            }
        }
        loop {
            let before = waiting.len();
            let mut left = Vec::new();
            for file in waiting {
                if self.unbundle(&file)? == Outcome::Lacking {
                    left.push(file);
                }
            }
            if left.is_empty() || left.len() == before {
                return Ok(BundleSource::Once);
            }
            waiting = left;
        }
    }

    /// The first that is of use.
    fn any(&self, list: &BundleList, base: &BStr, depth: u32) -> Result<BundleSource, BundleUriError> {
        let mut failed = None;
        for one in &list.bundles {
            let place = self.place(base, one.uri.as_bstr());
            match place.and_then(|uri| self.uri(uri.as_bstr(), depth)) {
                Ok(_) => return Ok(BundleSource::Once),
                Err(error @ BundleUriError::Deep) => return Err(error),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or(BundleUriError::Nothing))
    }

    /// From the newest back to one that builds on what is here, and forward again: what is old and here already is
    /// not fetched. How new the newest was is remembered.
    fn by_token(&self, list: &BundleList, base: &BStr) -> Result<(), BundleUriError> {
        const KEY: &str = "fetch.bundleCreationToken";
        let seen = self.repository.config().int(KEY)?.map_or(0, |token| u64::try_from(token).unwrap_or(0));
        let mut bundles: Vec<_> = list.bundles.iter().filter(|one| one.token > seen).collect();
        bundles.sort_by_key(|one| std::cmp::Reverse(one.token));
        let Some(newest) = bundles.first().map(|one| one.token) else { return Ok(()) };
        let (mut files, mut done) = (Vec::new(), vec![false; bundles.len()]);
        files.resize_with(bundles.len(), || None);
        let mut at = Some(0);
        // Each step back fetches a bundle, each step forward follows one that was taken: there are few of either.
        while let Some(now) = at
            && now < bundles.len()
        {
            let mut taken = done[now];
            if !taken {
                if files[now].is_none() {
                    let uri = self.place(base, bundles[now].uri.as_bstr());
                    let fetched = uri.and_then(|uri| {
                        let file = self.fetch(uri.as_bstr())?;
                        match self.content(&file, uri.as_bstr())? {
                            Content::Bundle => Ok(file),
                            // Within a list that says how new things are, there are no others.
                            Content::List(_) => Err(BundleUriError::Nothing),
                        }
                    });
                    files[now] = fetched.ok();
                }
                if let Some(file) = &files[now] {
                    taken = self.unbundle(file)? == Outcome::Taken;
                }
                done[now] = taken;
            }
            at = if taken { now.checked_sub(1) } else { Some(now + 1) };
        }
        if at.is_some() {
            return Err(BundleUriError::Nothing);
        }
        self.remember(KEY, newest.to_string().as_bytes())
    }

    fn place(&self, base: &BStr, uri: &BStr) -> Result<BString, BundleUriError> {
        resolve(base, uri).ok_or_else(|| BundleUriError::Download { uri: uri.to_owned(), source: None })
    }

    /// Brings a file here, or finds it where it lies.
    fn fetch(&self, uri: &BStr) -> Result<Fetched, BundleUriError> {
        let failed = |source| BundleUriError::Download { uri: uri.to_owned(), source };
        if !uri.starts_with(b"http://") && !uri.starts_with(b"https://") {
            let path = uri.strip_prefix(b"file://").unwrap_or(uri);
            let path = path.to_path().map_err(|_| failed(None))?.to_path_buf();
            return match path.is_file() {
                true => Ok(Fetched { path, temporary: false }),
                false => Err(failed(None)),
            };
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let below = self.repository.layout().map(|layout| layout.objects_dir.join("bundles"));
        let below = below.unwrap_or_else(std::env::temp_dir);
        let name = format!("tmp_bundle_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = below.join(name);
        let io = |source| BundleUriError::Io { path: path.clone(), source };
        std::fs::create_dir_all(&below).map_err(io)?;
        let mut file = File::create_new(&path).map_err(io)?;
        let fetched = Fetched { path: path.clone(), temporary: true };
        let mut sink = |bytes: &[u8]| file.write_all(bytes).map_err(Into::into);
        download(&uri.to_str_lossy(), self.options, &mut sink, self.cx)
            .map_err(|error| failed(Some(error.into())))?;
        Ok(fetched)
    }

    fn content(&self, file: &Fetched, uri: &BStr) -> Result<Content, BundleUriError> {
        match BundleFile::open(&file.path) {
            Ok(_) => return Ok(Content::Bundle),
            Err(
                BundleFileError::Invalid { source: BundleError::Signature, .. } | BundleFileError::Cut { .. },
            ) => {}
            Err(error) => return Err(error.into()),
        }
        let io = |source| BundleUriError::Io { path: file.path.clone(), source };
        let invalid = |source| BundleUriError::List { uri: uri.to_owned(), source };
        if std::fs::metadata(&file.path).map_err(io)?.len() > LIST {
            return Err(invalid(BundleListError::Long));
        }
        let text = std::fs::read(&file.path).map_err(io)?;
        BundleList::parse(&text).map(Content::List).map_err(invalid)
    }

    /// Takes in a bundle, if what it builds on is here.
    fn unbundle(&self, file: &Fetched) -> Result<Outcome, BundleUriError> {
        let bundle = BundleFile::open(&file.path)?;
        let header = match bundle.unbundle(self.repository, self.cx) {
            Ok(header) => header,
            Err(BundleFileError::Lacking { .. } | BundleFileError::Disconnected) => {
                return Ok(Outcome::Lacking);
            }
            Err(error) => return Err(error.into()),
        };
        self.name(&header)?;
        Ok(Outcome::Taken)
    }

    /// Its branches, below `refs/bundles/`.
    fn name(&self, header: &BundleHeader) -> Result<(), BundleUriError> {
        let mut edits = RefTransaction::new();
        for one in &header.references {
            if let Some(short) = one.name.as_bytes().strip_prefix(b"refs/heads/")
                && let Ok(name) = RefName::new([b"refs/bundles/", short].concat())
            {
                edits.update(name, Expected::Any, one.id, None);
            }
        }
        if !edits.is_empty() {
            self.repository.storage().commit(Vec::new(), &edits, self.cx)?;
        }
        Ok(())
    }

    fn remember(&self, key: &str, value: &[u8]) -> Result<(), BundleUriError> {
        let Some(layout) = self.repository.layout() else { return Ok(()) };
        remember(&layout.common_dir, key, value).map_err(Into::into)
    }
}

/// Sets a variable of a repository.
pub(crate) fn remember(common_dir: &Path, key: &str, value: &[u8]) -> Result<(), ConfigError> {
    let Ok(key) = Key::parse(key) else { return Ok(()) };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::default());
    edit_file(&disk, &common_dir.join("config"), &EditOptions::default(), |document| {
        document.set(&key, value)
    })
}
