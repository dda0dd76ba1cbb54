//! The index as a file: read whole, and replaced under a lock as git takes it (`index.lock`, then a rename).

use crate::index::{Index, IndexError, Timestamp};
use git_core_object::ObjectFormat;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

pub(crate) fn open(format: ObjectFormat, path: &Path) -> Result<Index, IndexError> {
    let io = |source| failure("read", path, source);
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Index::new(format)),
        other => other.map_err(io)?,
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(io)?;
    let mut index = Index::parse(format, &bytes)?;
    let modified = file.metadata().and_then(|meta| meta.modified()).map_err(io)?;
    index.timestamp = modified
        .duration_since(UNIX_EPOCH)
        .ok()
        .map(|age| Timestamp { seconds: age.as_secs() as u32, nanoseconds: age.subsec_nanos() });
    Ok(index)
}

/// The right to replace an index file. Dropping it without [`commit`](Self::commit) leaves the index as it is.
#[derive(Debug)]
pub struct IndexLock {
    target: PathBuf,
    lock: PathBuf,
    file: Option<File>,
}

impl IndexLock {
    /// Takes the lock of the index at `path`, usually `.git/index`.
    ///
    /// # Errors
    /// [`IndexError::Locked`] when somebody else has it, [`IndexError::Io`].
    pub fn acquire(path: &Path) -> Result<Self, IndexError> {
        let mut lock = path.as_os_str().to_owned();
        lock.push(".lock");
        let lock = PathBuf::from(lock);
        match OpenOptions::new().write(true).create_new(true).open(&lock) {
            Ok(file) => Ok(IndexLock { target: path.to_owned(), lock, file: Some(file) }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(IndexError::Locked { path: lock }),
            Err(error) => Err(failure("create", &lock, error)),
        }
    }

    /// Puts `index` in place of the one that is there, and gives the lock back.
    ///
    /// # Errors
    /// [`IndexError::Io`]; the old index stays.
    pub fn commit(mut self, index: &Index) -> Result<(), IndexError> {
        let mut bytes = Vec::new();
        index.encode(&mut bytes);
        if let Some(mut file) = self.file.take() {
            let written = file.write_all(&bytes).and_then(|()| file.sync_all());
            drop(file);
            let renamed = written.and_then(|()| std::fs::rename(&self.lock, &self.target));
            if let Err(error) = renamed {
                let _ = std::fs::remove_file(&self.lock);
                return Err(failure("write", &self.lock, error));
            }
        }
        Ok(())
    }
}

impl Drop for IndexLock {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = std::fs::remove_file(&self.lock);
        }
    }
}

fn failure(action: &'static str, path: &Path, source: std::io::Error) -> IndexError {
    IndexError::Io { action, path: path.to_owned(), source: source.into() }
}
