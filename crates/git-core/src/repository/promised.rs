//! Partial clones: what they have left out is fetched when it is needed, from the remotes that promised to have it
//! (`git-clone(1)` on `--filter`, `partial-clone` in Git's technical documents).

use super::Repository;
use crate::remote::{Link, RemoteError, fetch_promised};
use bstr::{BStr, BString, ByteSlice as _};
use git_core_config::Key;
use git_core_object::{ObjectId, Objects as _, ReadError};
use git_core_store::config::{ConfigError, EditOptions, edit_file};
use git_core_store::fs::sys::{Disk, RealDisk};
use git_core_store::{Altered, Promisor, Snapshot};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// How remotes are reached, for as many connections as it takes.
#[derive(Clone)]
pub struct Links(Arc<dyn Fn() -> Link + Send + Sync>);

impl Links {
    /// Links that are made by a function, which may be called from any thread.
    pub fn new(make: impl Fn() -> Link + Send + Sync + 'static) -> Self {
        Links(Arc::new(make))
    }

    pub(crate) fn link(&self) -> Link {
        (self.0)()
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").finish_non_exhaustive()
    }
}

impl Repository {
    /// The remotes that have promised to have what is missing here: `extensions.partialClone`, and each
    /// `remote.<name>.promisor`.
    ///
    /// # Errors
    /// [`ConfigError`] when a variable makes no sense.
    pub fn promisor_remotes(&self) -> Result<Vec<BString>, ConfigError> {
        let config = self.config();
        let mut names = Vec::new();
        for name in config.subsections("remote") {
            if config.bool([b"remote.", name.as_bytes(), b".promisor"].concat())? == Some(true) {
                names.push(name.to_owned());
            }
        }
        // The one of the extension is asked last.
        if let Some(name) = config.text("extensions.partialClone")?.map(BStr::to_owned) {
            names.retain(|other| *other != name);
            names.push(name);
        }
        Ok(names)
    }

    /// The same repository, which fetches what is missing when it is read through [`whole`](Self::whole) and
    /// [`seen`](Self::seen); the same as it is where no remote has promised anything. For who works in a repository,
    /// never for who serves it.
    ///
    /// # Errors
    /// [`ConfigError`] when the configuration of promisor remotes makes no sense.
    pub fn fetching_lazily(&self, links: Links) -> Result<Self, ConfigError> {
        let remotes = self.promisor_remotes()?;
        if remotes.is_empty() {
            return Ok(self.clone());
        }
        let plain = self.changed(|inner| inner.promisor = None);
        let promisor = Remotes { repository: plain, remotes, links, fetching: Mutex::new(()) };
        Ok(self.changed(|inner| inner.promisor = Some(Arc::new(promisor))))
    }

    /// Its present state, with what a partial clone has left out if this handle
    /// [fetches that](Self::fetching_lazily).
    ///
    /// # Errors
    /// [`ReadError`] when the storage cannot be read.
    pub fn whole(&self) -> Result<Arc<dyn Snapshot>, ReadError> {
        let snapshot = self.snapshot()?;
        Ok(match &self.inner.promisor {
            Some(promisor) => Altered::lazily(snapshot, promisor.clone()),
            None => snapshot,
        })
    }

    /// Writes down that a remote has what is missing here, and by which filter it is left out from now on.
    ///
    /// # Errors
    /// [`ConfigError`] when the configuration cannot be written.
    pub(crate) fn register_promisor(&self, remote: &[u8], filter: &[u8]) -> Result<(), RemoteError> {
        let Some(layout) = self.layout() else { return Ok(()) };
        let key = |variable: &str| Key::parse([b"remote.", remote, b".", variable.as_bytes()].concat());
        let (promisor, by) = (key("promisor")?, key("partialclonefilter")?);
        let version = Key::parse("core.repositoryformatversion")?;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::default());
        edit_file(&disk, &layout.common_dir.join("config"), &EditOptions::default(), |document| {
            document.set(&version, "1")?;
            document.set(&promisor, "true")?;
            document.set(&by, filter)
        })?;
        Ok(())
    }
}

/// The promisor remotes of a repository.
struct Remotes {
    /// Which does not fetch by itself what it lacks.
    repository: Repository,
    remotes: Vec<BString>,
    links: Links,
    /// One fetch at a time: what another thread waits for may come with it.
    fetching: Mutex<()>,
}

impl Promisor for Remotes {
    fn fetch(&self, ids: &[ObjectId]) -> Result<(), ReadError> {
        let _fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing = ids.to_vec();
        let mut failed = None;
        for name in &self.remotes {
            let snapshot = self.repository.snapshot()?;
            let mut left = Vec::new();
            for id in missing {
                if !snapshot.contains(&id)? {
                    left.push(id);
                }
            }
            missing = left;
            if missing.is_empty() {
                return Ok(());
            }
            let asked = self
                .repository
                .remote(name)
                .and_then(|remote| fetch_promised(&remote, &missing, &snapshot, self.links.link()));
            match asked {
                Ok(()) => return Ok(()),
                Err(error) => failed = Some(error),
            }
        }
        match (failed, missing.first()) {
            (Some(error), Some(id)) => {
                Err(ReadError::unavailable(format_args!("{id} from promisor remote"), error))
            }
            _ => Ok(()),
        }
    }
}
