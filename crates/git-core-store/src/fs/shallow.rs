//! The file `shallow` of `gitrepository-layout(5)`: the commits at which the history of a repository ends.

use super::sys::{Access, Disk, scratch_name};
use crate::CommitError;
use crate::lock::{LockError, LockFile};
use git_core_object::{ObjectFormat, ObjectId, ReadError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// One id per line, sorted here.
pub(super) fn read_shallow(path: &Path, format: ObjectFormat) -> Result<Vec<ObjectId>, ReadError> {
    let content = match std::fs::read(path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ReadError::unavailable(path.display(), error)),
    };
    let mut ids = content
        .split(|b| *b == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .map(|line| {
            ObjectId::from_hex_of(format, line).map_err(|error| {
                ReadError::corrupt(path.display(), format_args!("bad shallow line: {error}"))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// A change of the file under its lock.
///
/// Commits are added before the objects are published of which they are the ends, and taken out when everything
/// behind them is there: at no time does the file promise more than there is.
pub(super) struct ShallowEdit {
    disk: Arc<dyn Disk>,
    lock: LockFile,
    path: PathBuf,
    before: Vec<ObjectId>,
    after: Vec<ObjectId>,
}

impl ShallowEdit {
    /// Locks the file, which must still say what it said at `base`.
    pub(super) fn begin(
        disk: &Arc<dyn Disk>,
        path: &Path,
        base: &[ObjectId],
        after: &[ObjectId],
        format: ObjectFormat,
    ) -> Result<Self, CommitError> {
        let lock = LockFile::acquire(disk, path, Duration::from_secs(1)).map_err(|error| match error {
            LockError::Held { .. } => CommitError::Shallow,
            error => CommitError::unavailable(path.display(), error),
        })?;
        let before = read_shallow(path, format)?;
        if before != base {
            return Err(CommitError::Shallow);
        }
        Ok(ShallowEdit { disk: disk.clone(), lock, path: path.to_owned(), before, after: after.to_vec() })
    }

    /// Adds what is added.
    pub(super) fn add(&self) -> Result<(), CommitError> {
        let mut all = [self.before.as_slice(), &self.after].concat();
        all.sort_unstable();
        all.dedup();
        if all == self.before {
            return Ok(());
        }
        let scratch = scratch_name(self.path.parent().unwrap_or(Path::new("")), "tmp_shallow_");
        let written = self.disk.create_new(&scratch, Access::Writable).and_then(|mut file| {
            file.write_all(&text(&all))?;
            file.sync()
        });
        written
            .and_then(|()| self.disk.rename(&scratch, &self.path))
            .map_err(|error| CommitError::unavailable(self.path.display(), error))
    }

    /// Takes out what is taken out.
    pub(super) fn finish(mut self) -> Result<(), CommitError> {
        let location = self.path.display().to_string();
        let failed = |error: io::Error| CommitError::unavailable(&location, error);
        if self.before.iter().any(|id| self.after.binary_search(id).is_err()) {
            if self.after.is_empty() {
                self.disk.remove_file(&self.path).map_err(failed)?;
            } else {
                self.lock.write_all(&text(&self.after)).map_err(failed)?;
                self.lock.commit().map_err(failed)?;
            }
        }
        let dir = self.path.parent().map(Path::to_path_buf).unwrap_or_default();
        self.disk.sync_dir(&dir).map_err(failed)
    }
}

fn text(ids: &[ObjectId]) -> Vec<u8> {
    let mut text = Vec::new();
    for id in ids {
        id.write_hex(&mut text);
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::sys::RealDisk;
    use super::*;

    #[test]
    fn shallow_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shallow");
        let format = ObjectFormat::Sha256;
        assert_eq!(read_shallow(&path, format).unwrap(), []);
        let (a, b) = (ObjectId::empty_blob(format), ObjectId::empty_tree(format));
        std::fs::write(&path, format!("{a}\n{b}\n{a}\n")).unwrap();
        let mut expected = vec![a, b];
        expected.sort();
        assert_eq!(read_shallow(&path, format).unwrap(), expected);
        assert!(read_shallow(&path, ObjectFormat::Sha1).is_err());
    }

    #[test]
    fn an_edit_first_adds_and_then_takes_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shallow");
        let format = ObjectFormat::Sha1;
        let (a, b) = (ObjectId::empty_blob(format), ObjectId::empty_tree(format));
        let mut both = vec![a, b];
        both.sort();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::default());
        let begin =
            |base: &[ObjectId], after: &[ObjectId]| ShallowEdit::begin(&disk, &path, base, after, format);
        let read = || read_shallow(&path, format).unwrap();

        let edit = begin(&[], &[a]).unwrap();
        edit.add().unwrap();
        assert_eq!(read(), [a]);
        assert!(begin(&[a], &[b]).is_err(), "it is locked");
        edit.finish().unwrap();
        assert_eq!(read(), [a]);

        let edit = begin(&[a], &[b]).unwrap();
        edit.add().unwrap();
        assert_eq!(read(), both);
        edit.finish().unwrap();
        assert_eq!(read(), [b]);

        assert!(begin(&[a], &[]).is_err(), "it has changed");
        let edit = begin(&[b], &[]).unwrap();
        edit.add().unwrap();
        edit.finish().unwrap();
        assert!(!path.exists());
        assert_eq!(dir.path().read_dir().unwrap().count(), 0);

        drop(begin(&[], &both).unwrap());
        assert_eq!(dir.path().read_dir().unwrap().count(), 0);
    }
}
