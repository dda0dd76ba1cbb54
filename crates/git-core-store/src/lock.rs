//! Lock files, as git takes them: `<file>.lock`, created exclusively, written, then renamed over the file.
//!
//! Whoever holds the lock of a file is the only one who may replace it. Which files are locked, and in which
//! order, is left to the callers.

use crate::fs::sys::{Access, Disk, DiskFile, scratch_name};
use git_core_object::{BoxError, ErrorKind};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A lock that is held. Dropping it gives the file up unchanged.
#[derive(Debug)]
pub struct LockFile {
    disk: Arc<dyn Disk>,
    target: PathBuf,
    lock: PathBuf,
    file: Option<Box<dyn DiskFile>>,
    held: bool,
    /// Whether other locks may be names of the same file.
    shared: bool,
}

/// Why a lock could not be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else holds it, or died holding it.
    #[error("Unable to create '{}': File exists.", .lock.display())]
    Held {
        /// The lock file.
        lock: PathBuf,
    },
    /// The file system refused.
    #[error("cannot create {}", .lock.display())]
    Unavailable {
        /// The lock file.
        lock: PathBuf,
        /// What the system said.
        #[source]
        source: BoxError,
    },
}

impl LockError {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            LockError::Held { .. } => ErrorKind::Conflict,
            LockError::Unavailable { .. } => ErrorKind::Unavailable,
        }
    }

    /// The lock file.
    pub fn lock(&self) -> &Path {
        match self {
            LockError::Held { lock } | LockError::Unavailable { lock, .. } => lock,
        }
    }

    /// What the system said, where it said something other than that the lock is taken.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            LockError::Held { .. } => None,
            LockError::Unavailable { source, .. } => source.downcast_ref::<io::Error>().map(io::Error::kind),
        }
    }
}

/// Makes a lock file, and gives it if it is a file of its own.
type Create<'a> = &'a mut dyn FnMut(&Path) -> io::Result<Option<Box<dyn DiskFile>>>;

impl LockFile {
    /// Takes the lock of `target`, whose directory is there; tries again for as long as `wait` while somebody
    /// else holds it.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn acquire(disk: &Arc<dyn Disk>, target: &Path, wait: Duration) -> Result<Self, LockError> {
        Self::acquire_as(disk, target, wait, Access::Writable)
    }

    /// As [`acquire`](Self::acquire), for a file that the lock file's access is right for.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn acquire_as(
        disk: &Arc<dyn Disk>,
        target: &Path,
        wait: Duration,
        access: Access,
    ) -> Result<Self, LockError> {
        Self::take(disk, target, wait, &mut |lock| disk.create_new(lock, access).map(Some))
    }

    /// As [`acquire`](Self::acquire), for one of many locks that only keep others away: it is another name of
    /// `other`, an empty lock file that is held, which costs less than a file. Gives a file where there is no
    /// `other`, or it can have no more names.
    ///
    /// # Errors
    /// [`LockError`].
    pub(crate) fn acquire_empty(
        disk: &Arc<dyn Disk>,
        target: &Path,
        wait: Duration,
        other: Option<&Path>,
    ) -> Result<Self, LockError> {
        let mut taken =
            Self::take(disk, target, wait, &mut |lock| match other.map(|other| disk.link(other, lock)) {
                Some(Ok(())) => Ok(None),
                Some(Err(error)) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
                _ => disk.create_new(lock, Access::Writable).map(Some),
            })?;
        taken.shared = true;
        Ok(taken)
    }

    fn take(
        disk: &Arc<dyn Disk>,
        target: &Path,
        wait: Duration,
        create: Create<'_>,
    ) -> Result<Self, LockError> {
        let mut lock = target.as_os_str().to_owned();
        lock.push(".lock");
        let lock = PathBuf::from(lock);
        let mut until = None;
        let mut pause = Duration::from_millis(1);
        loop {
            match create(&lock) {
                Ok(file) => {
                    return Ok(LockFile {
                        disk: disk.clone(),
                        target: target.to_path_buf(),
                        lock,
                        file,
                        held: true,
                        shared: false,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let until = *until.get_or_insert_with(|| Instant::now() + wait);
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(LockError::Held { lock });
                    }
                    std::thread::sleep(pause.min(left));
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
                Err(error) => return Err(LockError::Unavailable { lock, source: error.into() }),
            }
        }
    }

    /// Whether the lock is a file that [`acquire_empty`](Self::acquire_empty) made, of which other locks can be
    /// names.
    pub(crate) fn can_be_linked(&self) -> bool {
        self.shared && self.file.is_some()
    }

    /// Gives the lock a file of its own to write to, open, if it may share one with others.
    ///
    /// # Errors
    /// As the system says; the lock is held all the time.
    pub(crate) fn make_writable(&mut self) -> io::Result<()> {
        if self.shared {
            // Names that begin with a dot are nothing to who lists refs.
            let scratch = scratch_name(self.lock.parent().unwrap_or(Path::new("")), ".tmp-lock-");
            let file = self.disk.create_new(&scratch, Access::Writable)?;
            if let Err(error) = self.disk.rename(&scratch, &self.lock) {
                let _ = self.disk.remove_file(&scratch);
                return Err(error);
            }
            self.file = Some(file);
            self.shared = false;
        } else if self.file.is_none() {
            self.file = Some(self.disk.append(&self.lock)?);
        }
        Ok(())
    }

    /// The file that is locked.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The lock file itself.
    pub fn path(&self) -> &Path {
        &self.lock
    }

    /// Flushes what was written and closes the file; the lock is still held. Saves descriptors where many
    /// locks are held at once.
    ///
    /// # Errors
    /// As the system says.
    pub fn close(&mut self) -> io::Result<()> {
        match self.file.take() {
            Some(mut file) => file.sync(),
            None => Ok(()),
        }
    }

    /// Closes the file without flushing: for locks that only keep others away.
    pub fn close_unwritten(&mut self) {
        self.file = None;
    }

    /// Flushes what was written and puts it in the place of the file. Flushing the directory is left to the
    /// caller, who may have more to do there.
    ///
    /// # Errors
    /// As the system says; the file is unchanged then.
    pub fn commit(mut self) -> io::Result<()> {
        self.close()?;
        self.disk.rename(&self.lock, &self.target)?;
        self.held = false;
        Ok(())
    }
}

impl Write for LockFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => Err(io::Error::other("the lock file is closed")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        if self.held {
            self.file = None;
            let _ = self.disk.remove_file(&self.lock);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::sys::RealDisk;

    #[test]
    fn one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::default());
        let target = dir.path().join("config");
        let mut first = LockFile::acquire(&disk, &target, Duration::ZERO).unwrap();
        let second = LockFile::acquire(&disk, &target, Duration::from_millis(5)).unwrap_err();
        assert_eq!(second.kind(), ErrorKind::Conflict);
        assert!(second.to_string().ends_with("config.lock': File exists."));
        first.write_all(b"new").unwrap();
        assert!(!target.exists());
        first.commit().unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");

        let mut given_up = LockFile::acquire(&disk, &target, Duration::ZERO).unwrap();
        given_up.write_all(b"newer").unwrap();
        drop(given_up);
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
        assert_eq!(dir.path().read_dir().unwrap().count(), 1);

        // Locks that share a file, one of which is written to after all.
        let mut anchor = LockFile::acquire_empty(&disk, &dir.path().join("a"), Duration::ZERO, None).unwrap();
        assert!(anchor.can_be_linked());
        anchor.close_unwritten();
        let link = |name: &str| {
            LockFile::acquire_empty(&disk, &dir.path().join(name), Duration::ZERO, Some(anchor.path()))
        };
        let (mut b, c) = (link("b").unwrap(), link("c").unwrap());
        assert!(!b.can_be_linked());
        assert_eq!(link("c").unwrap_err().kind(), ErrorKind::Conflict);
        b.make_writable().unwrap();
        b.write_all(b"b").unwrap();
        b.commit().unwrap();
        assert_eq!(std::fs::read(c.path()).unwrap(), b"");
        drop((anchor, c));
        assert_eq!(std::fs::read(dir.path().join("b")).unwrap(), b"b");
        assert_eq!(dir.path().read_dir().unwrap().count(), 2);

        let nowhere = LockFile::acquire(&disk, &dir.path().join("a/b"), Duration::ZERO).unwrap_err();
        assert_eq!(nowhere.kind(), ErrorKind::Unavailable);
        assert_eq!(nowhere.io_kind(), Some(io::ErrorKind::NotFound));
    }
}
