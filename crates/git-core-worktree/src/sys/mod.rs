//! What the file system is asked for, so that nothing outside one directory is ever touched: every component of
//! a path is opened without following links, every file is created anew. One implementation for systems with
//! `openat(2)`, one for the others; both have the same items.

#[cfg(any(not(unix), test))]
#[cfg_attr(unix, allow(dead_code))]
mod portable;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(crate) use portable::{Dirs, Root};
#[cfg(unix)]
pub(crate) use unix::{Dirs, Root};

use crate::Stat;
use std::io;

/// What names a file whatever paths lead to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileKey(pub(crate) u64, pub(crate) u64);

/// What is known of something that is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) stat: Stat,
    pub(crate) key: FileKey,
    pub(crate) is_directory: bool,
}

/// What to do about a directory that is not there.
#[derive(Clone, Copy)]
pub(crate) enum Enter<'a> {
    /// Nothing.
    Existing,
    /// Make it.
    Create,
    /// Make it, and if there is something else of which this is true, remove that first.
    Replace(&'a dyn Fn(FileKey) -> bool),
}

/// Whether a file may be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runnable {
    Yes,
    No,
}

/// Why something could not be done.
#[derive(Debug)]
pub(crate) enum Blocked {
    /// Something else is there: a file or a link in the place of a directory, or anything in the place of
    /// something new.
    InTheWay,
    /// It is not there.
    Missing,
    /// The system said so.
    Failed(io::Error),
}
