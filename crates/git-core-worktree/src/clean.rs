//! Bringing a working tree without changes from one tree to another: what a push may do to a tree that it updates.
//!
//! Contents are compared as they are; where a [`Converter`](crate::Converter) would change them, files look
//! changed and the tree is left alone.

use crate::checkout::{CheckoutOptions, plan, stale::parent};
use crate::index::Stage;
use crate::sys::{Blocked, Dirs, Enter, Root};
use crate::{Checkout, CheckoutError, Existing, Index, IndexEntry, checkout};
use bstr::{BStr, BString, ByteSlice as _};
use git_core_object::{Context, EntryKind, Kind, ObjectId, Objects};
use std::path::{Path, PathBuf};

/// Why a working tree was left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unclean {
    /// A file is not what the staging index says.
    Unstaged {
        /// Its path.
        path: BString,
    },
    /// The staging index is not what the old tree says.
    Staged,
    /// A file that is not in the staging index is in the place of one that the new tree brings.
    Untracked {
        /// Its path.
        path: BString,
    },
}

/// Updates the files from `old` (nothing, when it is none) to `new`, and gives what to store as the index; or says
/// what changes are in the way, of which nothing is lost.
///
/// # Errors
/// [`CheckoutError`] when files cannot be read or written; some may be updated then.
pub fn update_clean(
    objects: &dyn Objects,
    (old, new): (Option<&ObjectId>, &ObjectId),
    directory: &Path,
    index: &Index,
    options: &CheckoutOptions<'_>,
    context: &Context,
) -> Result<Result<Checkout, Unclean>, CheckoutError> {
    let root = Root::open(directory).map_err(|source| {
        let path = directory.as_os_str().as_encoded_bytes().into();
        CheckoutError::Io { action: "open the directory", path, source }
    })?;
    let mut look = Look { directory, dirs: Dirs::new(&root), index };
    for (at, entry) in index.entries().iter().enumerate() {
        if at % 1024 == 0 {
            context.check()?;
        }
        if !look.is_unchanged(entry)? {
            return Ok(Err(Unclean::Unstaged { path: entry.path.clone() }));
        }
    }
    let staged = match old {
        Some(old) => plan::plan(objects, old, options, context)?.entries,
        None => Vec::new(),
    };
    let same = |a: &IndexEntry, b: &IndexEntry| {
        a.path == b.path && a.mode == b.mode && a.id == b.id && !a.flags.intent_to_add
    };
    let is_staged =
        index.entries().len() == staged.len() && index.entries().iter().zip(&staged).all(|(a, b)| same(a, b));
    if !is_staged {
        return Ok(Err(Unclean::Staged));
    }
    for entry in plan::plan(objects, new, options, context)?.entries {
        if index.get(&entry.path).is_none()
            && let Some(path) = look.untracked(entry.path.as_bstr())?
        {
            return Ok(Err(Unclean::Untracked { path }));
        }
    }
    let mut options = options.clone();
    (options.existing, options.previous) = (Existing::Replace, Some(index));
    checkout(objects, new, directory, &options, context).map(Ok)
}

struct Look<'a> {
    directory: &'a Path,
    dirs: Dirs<'a>,
    index: &'a Index,
}

impl Look<'_> {
    fn is_unchanged(&mut self, entry: &IndexEntry) -> Result<bool, CheckoutError> {
        if entry.flags.stage != Stage::Normal {
            return Ok(false);
        }
        if entry.flags.assume_valid || entry.flags.skip_worktree || entry.mode.is_submodule() {
            return Ok(true);
        }
        let found = match self.find(&entry.path) {
            Ok(Some(found)) if !found.is_directory => found,
            Ok(_) | Err(Blocked::InTheWay | Blocked::Missing) => return Ok(false),
            Err(Blocked::Failed(source)) => return Err(failure(&entry.path, source)),
        };
        // A file that is as young as the index may have changed without its times telling.
        let is_old = self.index.timestamp().is_some_and(|written| entry.stat.mtime < written);
        if found.stat == entry.stat && is_old {
            return Ok(true);
        }
        self.has_content(entry).map_err(|source| failure(&entry.path, source))
    }

    fn has_content(&self, entry: &IndexEntry) -> std::io::Result<bool> {
        let path = self.path(&entry.path);
        let metadata = path.symlink_metadata()?;
        let content = match entry.mode.kind() {
            EntryKind::Link if metadata.is_symlink() => {
                std::fs::read_link(&path)?.into_os_string().into_encoded_bytes()
            }
            kind if metadata.is_file() && is_executable(&metadata, kind) => std::fs::read(&path)?,
            _ => return Ok(false),
        };
        let id = ObjectId::hash(entry.id.format(), Kind::Blob, &content);
        Ok(id.is_ok_and(|id| id == entry.id))
    }

    /// What would be lost where a new file comes.
    fn untracked(&mut self, path: &BStr) -> Result<Option<BString>, CheckoutError> {
        match self.find(path) {
            // A directory is only replaced when there is nothing in it.
            Ok(Some(found)) if found.is_directory => Ok(None),
            Ok(Some(_)) => Ok(Some(path.to_owned())),
            Ok(None) | Err(Blocked::Missing) => Ok(None),
            Err(Blocked::InTheWay) => {
                let ends = path.find_iter("/").map(|end| path[..end].as_bstr());
                let is_file = |end: &&BStr| self.path(end).symlink_metadata().is_ok_and(|m| !m.is_dir());
                let obstacle = ends.into_iter().find(is_file);
                Ok(obstacle.filter(|end| self.index.get(end).is_none()).map(BStr::to_owned))
            }
            Err(Blocked::Failed(source)) => Err(failure(path, source)),
        }
    }

    fn find(&mut self, path: &[u8]) -> Result<Option<crate::sys::Found>, Blocked> {
        let name = &path[path.rfind_byte(b'/').map_or(0, |slash| slash + 1)..];
        self.dirs.enter(parent(path), Enter::Existing)?;
        self.dirs.stat(name)
    }

    fn path(&self, path: &[u8]) -> PathBuf {
        #[cfg(unix)]
        let path: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(path.to_vec());
        #[cfg(not(unix))]
        let path = String::from_utf8_lossy(path).into_owned();
        self.directory.join(path)
    }
}

#[cfg(unix)]
fn is_executable(metadata: &std::fs::Metadata, kind: EntryKind) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    (metadata.permissions().mode() & 0o100 != 0) == (kind == EntryKind::Executable)
}

#[cfg(not(unix))]
fn is_executable(_: &std::fs::Metadata, _: EntryKind) -> bool {
    true
}

fn failure(path: &[u8], source: std::io::Error) -> CheckoutError {
    CheckoutError::Io { action: "look at", path: path.into(), source }
}
