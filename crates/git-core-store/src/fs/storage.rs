//! A repository on disk as a [`Storage`]: objects and refs joined.

use super::objects::{FsObjects, ObjectsOptions};
use super::publish::{Protect, publish};
use super::quarantine::FsQuarantine;
use super::refs::{FilesRefs, RefsCommit, RefsOptions};
use super::shallow::{ShallowEdit, read_shallow};
use super::snapshot::FsSnapshot;
use super::sys::{Disk, RealDisk};
use crate::lock::LockFile;
use crate::maintenance::MaintenanceError;
use crate::{CommitError, Committed, Quarantine, ReceiveError, Snapshot, Storage};
use git_core_object::{Context, ObjectFormat, ObjectId, ReadError};
use git_core_ref::{Atomicity, RefTransaction};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How a repository on disk is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FsOptions {
    /// The hash function of the repository (`extensions.objectFormat`).
    pub format: ObjectFormat,
    /// Where objects are, if not in `objects` (`GIT_OBJECT_DIRECTORY`).
    pub objects_dir: Option<PathBuf>,
    /// Which file lists the commits at which the history ends, if not `shallow` (`GIT_SHALLOW_FILE`); the empty
    /// path is none. Changes go to `shallow` all the same.
    pub shallow_file: Option<PathBuf>,
    /// How objects are read and written.
    pub objects: ObjectsOptions,
    /// How refs are written.
    pub refs: RefsOptions,
    /// What changes go through.
    pub disk: Arc<dyn Disk>,
}

impl Default for FsOptions {
    fn default() -> Self {
        FsOptions {
            format: ObjectFormat::default(),
            objects_dir: None,
            shallow_file: None,
            objects: ObjectsOptions::default(),
            refs: RefsOptions::default(),
            disk: Arc::new(RealDisk::default()),
        }
    }
}

/// A repository on disk. Cheap to clone; clones share caches and open packs.
#[derive(Clone, Debug)]
pub struct FsStorage {
    objects: Arc<FsObjects>,
    refs: FilesRefs,
    shallow: PathBuf,
    shallow_file: Option<PathBuf>,
}

impl FsStorage {
    /// The repository at `git_dir`, whose shared files lie in `common_dir`: the same directory unless it is a
    /// linked working tree. Whether there is one, and what its configuration says, was looked at before.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when `objects/info/alternates` cannot be read.
    pub fn open(
        git_dir: impl Into<PathBuf>,
        common_dir: impl Into<PathBuf>,
        options: FsOptions,
    ) -> Result<Self, ReadError> {
        let (git_dir, common_dir) = (git_dir.into(), common_dir.into());
        let FsOptions { format, objects_dir, shallow_file, objects, refs, disk } = options;
        let objects_dir = objects_dir.unwrap_or_else(|| common_dir.join("objects"));
        let objects = Arc::new(FsObjects::open(objects_dir, format, disk.clone(), objects)?);
        let shallow = common_dir.join("shallow");
        let refs = FilesRefs::new(git_dir, common_dir, format, disk, refs);
        Ok(FsStorage { objects, refs, shallow, shallow_file })
    }

    /// The objects, for who needs no refs: nothing of these is read for it.
    pub fn objects(&self) -> &Arc<FsObjects> {
        &self.objects
    }

    /// The refs, as they are at each moment.
    pub fn refs(&self) -> &FilesRefs {
        &self.refs
    }

    /// The directory of everything that working trees share: the repository.
    pub fn common_dir(&self) -> &Path {
        self.refs.common_dir()
    }

    /// Takes commits out of the file `shallow` that `needed` does not know. Nothing happens when there are none.
    pub(crate) fn prune_shallow(&self, needed: &dyn Fn(&ObjectId) -> bool) -> Result<(), MaintenanceError> {
        let disk = self.objects.disk();
        let unavailable = |error: std::io::Error| MaintenanceError::unavailable(&self.shallow, error);
        if !self.shallow.exists() {
            return Ok(());
        }
        let mut lock = LockFile::acquire(disk, &self.shallow, Duration::from_secs(1))?;
        let all = read_shallow(&self.shallow, self.refs.format())?;
        let mut text = Vec::new();
        for id in all.iter().filter(|id| needed(id)) {
            id.write_hex(&mut text);
            text.push(b'\n');
        }
        if text.is_empty() && !all.is_empty() {
            disk.remove_file(&self.shallow).map_err(unavailable)?;
        } else if text.len() < all.len() * (self.refs.format().hex_len() + 1) {
            lock.write_all(&text).map_err(unavailable)?;
            lock.commit().map_err(unavailable)?;
        }
        Ok(())
    }

    fn take_back(&self, received: Vec<Box<dyn Quarantine>>) -> Result<Vec<FsQuarantine>, ReceiveError> {
        received
            .into_iter()
            .map(|quarantine| match quarantine.into_any().downcast::<FsQuarantine>() {
                Ok(quarantine) if Arc::ptr_eq(quarantine.objects(), &self.objects) => Ok(*quarantine),
                _ => Err(ReceiveError::Misuse(
                    "a quarantine can only be committed to the storage that made it",
                )),
            })
            .collect()
    }
}

impl Storage for FsStorage {
    fn format(&self) -> ObjectFormat {
        self.refs.format()
    }

    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, ReadError> {
        // Refs before packs: what a ref leads to was there before it.
        let refs = self.refs.snapshot()?;
        let shallow = match &self.shallow_file {
            Some(file) if file.as_os_str().is_empty() => None,
            other => Some(other.as_deref().unwrap_or(&self.shallow)),
        };
        Ok(Arc::new(FsSnapshot::new(self.objects.clone(), refs, shallow)?))
    }

    fn receive(&self, base: &Arc<dyn Snapshot>) -> Result<Box<dyn Quarantine>, ReceiveError> {
        Ok(Box::new(FsQuarantine::open(self.objects.clone(), base.clone())?))
    }

    fn commit(
        &self,
        received: Vec<Box<dyn Quarantine>>,
        refs: &RefTransaction,
        cx: &Context,
    ) -> Result<Committed, CommitError> {
        let received = self.take_back(received)?;
        if received.iter().any(FsQuarantine::is_receiving) {
            return Err(ReceiveError::Misuse("a pack has not been received to its end").into());
        }
        cx.check()?;
        let (dir, disk) = (self.objects.dir(), &**self.objects.disk());
        let bounds = match received.iter().rev().find_map(FsQuarantine::bounds) {
            Some((before, after)) => {
                Some(ShallowEdit::begin(self.objects.disk(), &self.shallow, before, after, self.format())?)
            }
            None => None,
        };
        let add = || bounds.as_ref().map_or(Ok(()), ShallowEdit::add);
        if refs.is_empty() {
            add()?;
            drop(publish(&received, dir, disk, Protect::No)?);
            bounds.map_or(Ok(()), ShallowEdit::finish)?;
            drop(received);
            return Ok(Committed { snapshot: self.snapshot()?, rejected: Vec::new() });
        }
        let how = match refs.atomicity() {
            Atomicity::Whole => RefsCommit::atomic(),
            Atomicity::Each => RefsCommit::each(),
        };
        // The refs are locked and compared before anything is published, so that who loses leaves nothing.
        let view = received.iter().fold(self.snapshot()?, |base, quarantine| quarantine.over(base));
        let prepared = self.refs.prepare(refs, Some(&view), &how, cx)?;
        let protected = match prepared.has_edits() {
            true => {
                add()?;
                Some(publish(&received, dir, disk, Protect::UntilDropped)?)
            }
            false => None,
        };
        let rejected = prepared.commit()?;
        if protected.is_some() {
            bounds.map_or(Ok(()), ShallowEdit::finish)?;
        }
        drop(protected);
        drop(view);
        drop(received);
        Ok(Committed { snapshot: self.snapshot()?, rejected })
    }
}
