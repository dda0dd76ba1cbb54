//! Lock files, as git takes them: `<file>.lock`, created exclusively, written, then renamed over the file.
//!
//! Whoever holds the lock of a file is the only one who may replace it. Which files are locked, and in which
//! order, is left to the callers.

use crate::fs::sys::{Access, Disk, DiskFile};
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
        let mut lock = target.as_os_str().to_owned();
        lock.push(".lock");
        let lock = PathBuf::from(lock);
        let until = Instant::now() + wait;
        let mut pause = Duration::from_millis(1);
        loop {
            match disk.create_new(&lock, access) {
                Ok(file) => {
                    return Ok(LockFile {
                        disk: disk.clone(),
                        target: target.to_path_buf(),
                        lock,
                        file: Some(file),
                        held: true,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
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

        let nowhere = LockFile::acquire(&disk, &dir.path().join("a/b"), Duration::ZERO).unwrap_err();
        assert_eq!(nowhere.kind(), ErrorKind::Unavailable);
        assert_eq!(nowhere.io_kind(), Some(io::ErrorKind::NotFound));
    }
}
