//! Directories held open by descriptor, entered component by component without following links.

use crate::index::Timestamp;
use crate::sys::{Blocked, Enter, FileKey, Found, Runnable};
use crate::{Stat, sys};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// The top of the working tree.
pub(crate) struct Root(OwnedFd);

impl Root {
    /// Opens the directory, following links in the path: the caller chose it.
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Root(rustix::fs::open(path, flags, Mode::empty())?))
    }
}

/// How many levels keep their descriptors, beside the one that is worked in.
const KEPT_OPEN: usize = 24;

/// A directory below the root that is worked in; goes from one to the next along what they share.
pub(crate) struct Dirs<'r> {
    root: &'r Root,
    levels: Vec<Level>,
    made: Vec<FileKey>,
}

struct Level {
    name: Vec<u8>,
    fd: Option<OwnedFd>,
}

impl<'r> Dirs<'r> {
    /// Works in the root itself.
    pub(crate) fn new(root: &'r Root) -> Self {
        Dirs { root, levels: Vec::new(), made: Vec::new() }
    }

    /// Directories that were made since this was last asked.
    pub(crate) fn take_made(&mut self) -> impl Iterator<Item = FileKey> {
        self.made.drain(..)
    }

    /// Goes to the directory at `path`, from the root; an empty path is the root.
    pub(crate) fn enter(&mut self, path: &[u8], how: Enter<'_>) -> Result<(), Blocked> {
        let names = || path.split(|b| *b == b'/').filter(|name| !name.is_empty());
        let shared = names().zip(&self.levels).take_while(|(name, level)| *name == level.name).count();
        self.levels.truncate(shared);
        self.reopen()?;
        for name in names().skip(shared) {
            let fd = self.child(name, how)?;
            if let Some(above) = self.levels.len().checked_sub(1).filter(|above| *above >= KEPT_OPEN) {
                self.levels[above].fd = None;
            }
            self.levels.push(Level { name: name.to_owned(), fd: Some(fd) });
        }
        Ok(())
    }

    /// Makes a file of this content. How it may be used is up to the process's umask.
    pub(crate) fn create_file(
        &self,
        name: &[u8],
        runnable: Runnable,
        content: &[u8],
    ) -> Result<Found, Blocked> {
        let mode = if runnable == Runnable::Yes { 0o777 } else { 0o666 };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(self.fd()?, name, flags, Mode::from_raw_mode(mode)).map_err(blocked)?;
        let mut file = File::from(fd);
        file.write_all(content).map_err(Blocked::Failed)?;
        Ok(found(&rustix::fs::fstat(&file).map_err(blocked)?))
    }

    /// Makes a symbolic link.
    pub(crate) fn create_link(&self, name: &[u8], target: &[u8]) -> Result<Found, Blocked> {
        rustix::fs::symlinkat(target, self.fd()?, name).map_err(blocked)?;
        self.stat(name)?.ok_or(Blocked::Missing)
    }

    /// Makes a directory.
    pub(crate) fn create_directory(&self, name: &[u8]) -> Result<Found, Blocked> {
        rustix::fs::mkdirat(self.fd()?, name, Mode::from_raw_mode(0o777)).map_err(blocked)?;
        self.stat(name)?.ok_or(Blocked::Missing)
    }

    /// What is there, links themselves and not what they point to.
    pub(crate) fn stat(&self, name: &[u8]) -> Result<Option<Found>, Blocked> {
        match rustix::fs::statat(self.fd()?, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(found(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(blocked(error)),
        }
    }

    /// Removes a file, a link, or a directory that is empty; a directory that is not is in the way.
    pub(crate) fn remove(&self, name: &[u8]) -> Result<(), Blocked> {
        let flags = match self.stat(name)? {
            None => return Ok(()),
            Some(found) if found.is_directory => AtFlags::REMOVEDIR,
            Some(_) => AtFlags::empty(),
        };
        match rustix::fs::unlinkat(self.fd()?, name, flags) {
            Err(Errno::NOENT) => Ok(()),
            other => other.map_err(blocked),
        }
    }

    /// The directory that is worked in. One that could not be opened again is never taken for another.
    fn fd(&self) -> Result<BorrowedFd<'_>, Blocked> {
        match self.levels.last() {
            None => Ok(self.root.0.as_fd()),
            Some(level) => level.fd.as_ref().map(AsFd::as_fd).ok_or(Blocked::Missing),
        }
    }

    /// Opens the level that is worked in again, if it was closed when another was entered from it.
    fn reopen(&mut self) -> Result<(), Blocked> {
        let open = self.levels.iter().rposition(|level| level.fd.is_some()).map_or(0, |at| at + 1);
        let mut walked: Option<OwnedFd> = None;
        for at in open..self.levels.len() {
            let above = at.checked_sub(1).and_then(|above| self.levels[above].fd.as_ref());
            let parent = walked.as_ref().or(above).unwrap_or(&self.root.0);
            walked = Some(open_directory(parent.as_fd(), &self.levels[at].name)?);
        }
        if let (Some(fd), Some(level)) = (walked, self.levels.last_mut()) {
            level.fd = Some(fd);
        }
        Ok(())
    }

    fn child(&mut self, name: &[u8], how: Enter<'_>) -> Result<OwnedFd, Blocked> {
        let mut result = open_directory(self.fd()?, name);
        if let (Err(Blocked::InTheWay), Enter::Replace(may_replace)) = (&result, how)
            && self.stat(name)?.is_some_and(|found| may_replace(found.key))
        {
            self.remove(name)?;
            result = Err(Blocked::Missing);
        }
        if !matches!(result, Err(Blocked::Missing)) || matches!(how, Enter::Existing) {
            return result;
        }
        match rustix::fs::mkdirat(self.fd()?, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => {
                let fd = open_directory(self.fd()?, name)?;
                self.made.push(found(&rustix::fs::fstat(&fd).map_err(blocked)?).key);
                Ok(fd)
            }
            // Somebody, perhaps another thread of ours, was faster.
            Err(Errno::EXIST) => open_directory(self.fd()?, name),
            Err(error) => Err(blocked(error)),
        }
    }
}

fn open_directory(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Blocked> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(blocked)
}

fn blocked(error: Errno) -> Blocked {
    match error {
        Errno::EXIST | Errno::NOTDIR | Errno::LOOP | Errno::NOTEMPTY | Errno::ISDIR => Blocked::InTheWay,
        Errno::NOENT => Blocked::Missing,
        other => Blocked::Failed(other.into()),
    }
}

/// Cuts every number to 32 bits, as the index does. Their types differ from system to system.
#[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
fn found(stat: &rustix::fs::Stat) -> Found {
    let time = |seconds, nanoseconds| Timestamp { seconds, nanoseconds };
    Found {
        stat: Stat {
            ctime: time(stat.st_ctime as u32, stat.st_ctime_nsec as u32),
            mtime: time(stat.st_mtime as u32, stat.st_mtime_nsec as u32),
            dev: stat.st_dev as u32,
            ino: stat.st_ino as u32,
            uid: stat.st_uid as u32,
            gid: stat.st_gid as u32,
            size: stat.st_size as u32,
        },
        key: sys::FileKey(stat.st_dev as u64, stat.st_ino as u64),
        is_directory: FileType::from_raw_mode(stat.st_mode) == FileType::Directory,
    }
}
