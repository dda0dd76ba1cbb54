//! Reading a bundle: its head at once, its pack when a repository takes it in.

use crate::Repository;
use bstr::BString;
use git_core_object::{BoxError, Context, ErrorKind, Kind, ObjectFormat, ReadError};
use git_core_protocol::bundle::{BundleError, BundleHeader, BundleReader, BundledRef, Prerequisite};
use git_core_ref::{RefName, RefTransaction};
use git_core_store::{CommitError, PackOptions, Quarantine, ReceiveError, Snapshot, revision, walk};
use git_core_transport::client::AdvertisedRef;
use std::fs::File;
use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much of the file is read at a time.
const PIECE: usize = 256 << 10;

/// A bundle whose head has been read.
#[derive(Debug)]
pub struct BundleFile {
    path: PathBuf,
    header: BundleHeader,
    file: File,
    /// What was read beyond the head: the pack begins here.
    ahead: Vec<u8>,
}

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleFileError {
    /// The file cannot be opened.
    #[error("could not open '{}'", .path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: BoxError,
    },
    /// The file cannot be read to its end.
    #[error("could not read '{}'", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: BoxError,
    },
    /// The file is no bundle, or one that is not understood.
    #[error("'{}' {source}", .path.display())]
    Invalid {
        /// Which.
        path: PathBuf,
        /// What is wrong with its head.
        source: BundleError,
    },
    /// The file ends within its head.
    #[error("'{}' ends too early", .path.display())]
    Cut {
        /// Which.
        path: PathBuf,
    },
    /// The repository has another object format.
    #[error("mismatched algorithms: client {here}; bundle {there}")]
    Format {
        /// Of the repository.
        here: ObjectFormat,
        /// Of the bundle.
        there: ObjectFormat,
    },
    /// The repository does not have what the bundle builds on.
    #[error("Repository lacks these prerequisite commits:{}", listed(.missing))]
    Lacking {
        /// What is missing.
        missing: Vec<Prerequisite>,
    },
    /// What the bundle builds on is there, but not all that it reaches.
    #[error(
        "some prerequisite commits exist in the object store, but are not connected to the repository's history"
    )]
    Disconnected,
    /// There are bytes behind the pack.
    #[error("pack has junk at the end")]
    Junk,
    /// The repository cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The pack is damaged, or refused.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// What came could not be made part of the repository.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

fn listed(missing: &[Prerequisite]) -> String {
    missing.iter().map(|one| format!("\nerror: {} {}", one.id, one.comment)).collect()
}

impl BundleFileError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            BundleFileError::Open { .. } => ErrorKind::NotFound,
            BundleFileError::Io { .. } => ErrorKind::Unavailable,
            BundleFileError::Invalid { source, .. } => source.kind(),
            BundleFileError::Cut { .. } | BundleFileError::Junk => ErrorKind::Corrupt,
            BundleFileError::Format { .. } => ErrorKind::Invalid,
            BundleFileError::Lacking { .. } | BundleFileError::Disconnected => ErrorKind::Conflict,
            BundleFileError::Read(error) => error.kind(),
            BundleFileError::Receive(error) => error.kind(),
            BundleFileError::Commit(error) => error.kind(),
        }
    }
}

impl BundleFile {
    /// Opens a bundle and reads its head.
    ///
    /// # Errors
    /// [`BundleFileError`] when the file cannot be read or is no bundle.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, BundleFileError> {
        let path = path.as_ref().to_owned();
        let mut file = File::open(&path)
            .map_err(|source| BundleFileError::Open { path: path.clone(), source: source.into() })?;
        let (mut reader, mut ahead) = (BundleReader::default(), Vec::new());
        while !reader.is_complete() {
            ahead.clear();
            if read_piece(&mut file, &path, &mut ahead)? == 0 {
                return Err(BundleFileError::Cut { path });
            }
            let taken = reader
                .feed(&ahead)
                .map_err(|source| BundleFileError::Invalid { path: path.clone(), source })?;
            ahead.drain(..taken);
        }
        match reader.finish() {
            Some(header) => Ok(BundleFile { path, header, file, ahead }),
            None => Err(BundleFileError::Cut { path }),
        }
    }

    /// The bundle at `path`, or `None` when there is something else.
    ///
    /// # Errors
    /// [`BundleFileError`] when it is a bundle that cannot be read.
    pub fn probe(path: &Path) -> Result<Option<Self>, BundleFileError> {
        if !path.is_file() {
            return Ok(None);
        }
        match BundleFile::open(path) {
            Err(
                BundleFileError::Invalid { source: BundleError::Signature, .. }
                | BundleFileError::Open { .. }
                | BundleFileError::Cut { .. },
            ) => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// What the bundle says of itself.
    pub const fn header(&self) -> &BundleHeader {
        &self.header
    }

    /// Its refs, as a server would show them.
    pub fn advertised(&self) -> Vec<AdvertisedRef> {
        let shown = |one: &BundledRef| AdvertisedRef {
            name: one.name.clone(),
            id: Some(one.id),
            peeled: None,
            symref: None,
        };
        // In the order in which git lists them, `HEAD` usually first.
        self.header.references.iter().rev().map(shown).collect()
    }

    /// Checks that a repository has what the bundle builds on, reached by its refs.
    ///
    /// # Errors
    /// [`BundleFileError::Lacking`] and [`BundleFileError::Disconnected`] when it has not.
    pub fn check(&self, snapshot: &dyn Snapshot, cx: &Context) -> Result<(), BundleFileError> {
        let (here, there) = (snapshot.format(), self.header.format);
        if here != there {
            return Err(BundleFileError::Format { here, there });
        }
        let mut missing = Vec::new();
        for one in &self.header.prerequisites {
            if snapshot.header(&one.id)?.is_none_or(|header| header.kind != Kind::Commit) {
                missing.push(Prerequisite { id: one.id, comment: BString::default() });
            }
        }
        if !missing.is_empty() {
            return Err(BundleFileError::Lacking { missing });
        }
        let needed: Vec<_> = self.header.prerequisites.iter().map(|one| one.id).collect();
        let mut known = Vec::new();
        snapshot.for_each_ref(b"", &mut |found| {
            known.extend(found.target.id());
            ControlFlow::Continue(())
        })?;
        known.extend(revision::follow(snapshot, &RefName::head())?.1);
        match walk::check_connected(snapshot, &needed, &known, cx) {
            Err(ReadError::Missing { .. }) => Err(BundleFileError::Disconnected),
            result => Ok(result?),
        }
    }

    /// Takes the pack into a quarantine, after [`check`](Self::check). No refs follow.
    ///
    /// # Errors
    /// [`BundleFileError`] when the repository lacks something or the pack is damaged.
    pub fn receive(
        mut self,
        repository: &Repository,
        options: &PackOptions,
        cx: &Context,
    ) -> Result<(Box<dyn Quarantine>, u64), BundleFileError> {
        let snapshot: Arc<dyn Snapshot> = repository.snapshot()?;
        self.check(&*snapshot, cx)?;
        let mut options = options.clone();
        if self.header.filter.is_some() {
            // Where git comes from a filtered bundle, it leaves the file empty.
            options.promisor.get_or_insert_default();
        }
        let mut quarantine = repository.storage().receive(&snapshot)?;
        quarantine.begin_pack(&options)?;
        loop {
            if quarantine.feed(&self.ahead, cx)? < self.ahead.len() {
                return Err(BundleFileError::Junk);
            }
            self.ahead.clear();
            if read_piece(&mut self.file, &self.path, &mut self.ahead)? == 0 {
                break;
            }
        }
        let received = quarantine.finish_pack(cx)?;
        Ok((quarantine, received.objects))
    }

    /// Takes the pack into a repository for good; refs are left to the caller, who gets the head.
    ///
    /// # Errors
    /// [`BundleFileError`]; nothing of the pack is in the repository then.
    pub fn unbundle(self, repository: &Repository, cx: &Context) -> Result<BundleHeader, BundleFileError> {
        let header = self.header.clone();
        let (quarantine, _) = self.receive(repository, &PackOptions::default(), cx)?;
        repository.storage().commit(vec![quarantine], &RefTransaction::new(), cx)?;
        Ok(header)
    }
}

/// Appends the next piece of the file; gives how long it is, 0 at the end.
fn read_piece(file: &mut File, path: &Path, out: &mut Vec<u8>) -> Result<usize, BundleFileError> {
    let read = file.take(PIECE as u64).read_to_end(out);
    read.map_err(|source| BundleFileError::Io { path: path.to_owned(), source: source.into() })
}
