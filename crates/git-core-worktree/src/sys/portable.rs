//! The same with the standard library only: every component is looked at before it is gone through. Weaker than
//! descriptors against somebody who changes the directory at the same time, as strong against hostile trees.

use crate::Stat;
use crate::index::Timestamp;
use crate::sys::{Blocked, Enter, FileKey, Found, Runnable};
use std::fs::{DirBuilder, Metadata, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The top of the working tree.
pub(crate) struct Root(PathBuf);

impl Root {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Root(path.canonicalize()?))
    }
}

/// A directory below the root that is worked in.
pub(crate) struct Dirs<'r> {
    root: &'r Root,
    current: PathBuf,
    made: Vec<FileKey>,
}

impl<'r> Dirs<'r> {
    pub(crate) fn new(root: &'r Root) -> Self {
        Dirs { root, current: root.0.clone(), made: Vec::new() }
    }

    pub(crate) fn take_made(&mut self) -> impl Iterator<Item = FileKey> {
        self.made.drain(..)
    }

    pub(crate) fn enter(&mut self, path: &[u8], how: Enter<'_>) -> Result<(), Blocked> {
        self.current.clone_from(&self.root.0);
        for name in path.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
            let mut there = self.stat(name)?;
            if let (Some(found), Enter::Replace(may_replace)) = (&there, how)
                && !found.is_directory
                && may_replace(found.key)
            {
                self.remove(name)?;
                there = None;
            }
            match there {
                Some(found) if found.is_directory => {}
                Some(_) => return Err(Blocked::InTheWay),
                None if matches!(how, Enter::Existing) => return Err(Blocked::Missing),
                None => match DirBuilder::new().create(self.path(name)?) {
                    Ok(()) => self.made.extend(self.stat(name)?.map(|found| found.key)),
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                        if !self.stat(name)?.is_some_and(|found| found.is_directory) {
                            return Err(Blocked::InTheWay);
                        }
                    }
                    Err(error) => return Err(blocked(error)),
                },
            }
            self.current = self.path(name)?;
        }
        Ok(())
    }

    pub(crate) fn create_file(
        &self,
        name: &[u8],
        runnable: Runnable,
        content: &[u8],
    ) -> Result<Found, Blocked> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(
            &mut options,
            if runnable == Runnable::Yes { 0o777 } else { 0o666 },
        );
        let _ = runnable;
        let mut file = options.open(self.path(name)?).map_err(blocked)?;
        file.write_all(content).map_err(Blocked::Failed)?;
        drop(file);
        self.stat(name)?.ok_or(Blocked::Missing)
    }

    pub(crate) fn create_link(&self, name: &[u8], target: &[u8]) -> Result<Found, Blocked> {
        let target = std::str::from_utf8(target).map_err(|error| failed(ErrorKind::InvalidInput, error))?;
        #[cfg(unix)]
        std::os::unix::fs::symlink(target, self.path(name)?).map_err(blocked)?;
        #[cfg(windows)]
        {
            let target = target.replace('/', "\\");
            if self.current.join(&target).is_dir() {
                std::os::windows::fs::symlink_dir(target, self.path(name)?).map_err(blocked)?;
            } else {
                std::os::windows::fs::symlink_file(target, self.path(name)?).map_err(blocked)?;
            }
        }
        #[cfg(not(any(unix, windows)))]
        return Err(failed(ErrorKind::Unsupported, format!("cannot link to {target}")));
        #[cfg(any(unix, windows))]
        self.stat(name)?.ok_or(Blocked::Missing)
    }

    pub(crate) fn create_directory(&self, name: &[u8]) -> Result<Found, Blocked> {
        DirBuilder::new().create(self.path(name)?).map_err(blocked)?;
        self.stat(name)?.ok_or(Blocked::Missing)
    }

    pub(crate) fn stat(&self, name: &[u8]) -> Result<Option<Found>, Blocked> {
        let path = self.path(name)?;
        match path.symlink_metadata() {
            Ok(meta) => Ok(Some(found(&path, &meta))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(blocked(error)),
        }
    }

    pub(crate) fn remove(&self, name: &[u8]) -> Result<(), Blocked> {
        let path = self.path(name)?;
        let result = match self.stat(name)? {
            None => return Ok(()),
            Some(found) if found.is_directory => std::fs::remove_dir(&path),
            Some(_) => std::fs::remove_file(&path).or_else(|error| {
                // A link to a directory is a directory to some systems.
                std::fs::remove_dir(&path).map_err(|_| error)
            }),
        };
        match result {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other.map_err(blocked),
        }
    }

    fn path(&self, name: &[u8]) -> Result<PathBuf, Blocked> {
        let name = std::str::from_utf8(name).map_err(|error| failed(ErrorKind::InvalidInput, error))?;
        Ok(self.current.join(name))
    }
}

fn failed(kind: ErrorKind, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Blocked {
    Blocked::Failed(io::Error::new(kind, error))
}

fn blocked(error: io::Error) -> Blocked {
    match error.kind() {
        ErrorKind::AlreadyExists
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::DirectoryNotEmpty => Blocked::InTheWay,
        ErrorKind::NotFound => Blocked::Missing,
        _ => Blocked::Failed(error),
    }
}

/// Where nothing better is known, a file is named by its real path.
fn found(path: &Path, meta: &Metadata) -> Found {
    let mut hasher = DefaultHasher::new();
    let real =
        if meta.is_symlink() { path.to_owned() } else { path.canonicalize().unwrap_or(path.to_owned()) };
    real.hash(&mut hasher);
    Found {
        stat: Stat {
            ctime: timestamp(meta.created()),
            mtime: timestamp(meta.modified()),
            size: meta.len() as u32,
            ..Stat::default()
        },
        key: FileKey(0, hasher.finish()),
        is_directory: meta.is_dir(),
    }
}

fn timestamp(time: io::Result<SystemTime>) -> Timestamp {
    let age = time.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    Timestamp { seconds: age.as_secs() as u32, nanoseconds: age.subsec_nanos() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn works_below_its_root_and_follows_no_link() {
        let outside = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let mut dirs = Dirs::new(&root);
        dirs.enter(b"a/b", Enter::Create).unwrap();
        assert_eq!(dirs.take_made().count(), 2);
        dirs.create_file(b"file", Runnable::No, b"text").unwrap();
        assert!(matches!(dirs.create_file(b"file", Runnable::No, b"x"), Err(Blocked::InTheWay)));
        assert_eq!(std::fs::read(dir.path().join("a/b/file")).unwrap(), b"text");
        dirs.enter(b"a", Enter::Existing).unwrap();
        assert!(matches!(dirs.remove(b"b"), Err(Blocked::InTheWay)));
        assert!(matches!(dirs.enter(b"a/b/file/c", Enter::Create), Err(Blocked::InTheWay)));
        assert!(matches!(dirs.enter(b"missing", Enter::Existing), Err(Blocked::Missing)));
        dirs.enter(b"", Enter::Existing).unwrap();
        dirs.create_link(b"link", outside.path().to_str().unwrap().as_bytes()).unwrap();
        assert!(matches!(dirs.enter(b"link/x", Enter::Create), Err(Blocked::InTheWay)));
        assert!(matches!(dirs.create_file(b"link", Runnable::Yes, b""), Err(Blocked::InTheWay)));
        dirs.enter(b"link/x", Enter::Replace(&|_| true)).unwrap();
        assert!(dir.path().join("link/x").is_dir());
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
