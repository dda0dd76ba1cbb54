//! Removing what was checked out before and is not to be there any more.

use crate::checkout::{CheckoutError, CheckoutOptions};
use crate::sys::{Blocked, Dirs, Enter, Root};
use crate::{Index, IndexEntry};
use bstr::{BString, ByteSlice};
use git_core_object::Context;
use git_core_object::path::check_path;
use std::collections::BTreeSet;

/// Removes the files of `previous` that are not in `entries`, then the directories that are empty for that.
pub(crate) fn remove(
    root: &Root,
    previous: &Index,
    entries: &[IndexEntry],
    options: &CheckoutOptions<'_>,
    context: &Context,
) -> Result<(), CheckoutError> {
    let mut dirs = Dirs::new(root);
    let mut emptied = BTreeSet::new();
    for (at, stale) in previous.entries().iter().enumerate() {
        if at % 1024 == 0 {
            context.check()?;
        }
        let stays = entries.binary_search_by(|entry| entry.path.cmp(&stale.path)).is_ok();
        if stays || check_path(&stale.path, stale.mode.kind(), &options.rules).is_err() {
            continue;
        }
        if remove_one(&mut dirs, stale.path.as_ref())? {
            let mut above = parent(&stale.path);
            while !above.is_empty() && emptied.insert(above.to_owned()) {
                above = parent(above);
            }
        }
    }
    // What is in a directory stands behind it.
    for directory in emptied.iter().rev() {
        remove_one(&mut dirs, directory)?;
    }
    Ok(())
}

/// Removes a file, a link or an empty directory. What is not there, or not reached without following a link, or
/// not empty, is left alone.
fn remove_one(dirs: &mut Dirs<'_>, path: &[u8]) -> Result<bool, CheckoutError> {
    let name = &path[path.rfind_byte(b'/').map_or(0, |slash| slash + 1)..];
    match dirs.enter(parent(path), Enter::Existing).and_then(|()| dirs.remove(name)) {
        Ok(()) => Ok(true),
        Err(Blocked::Missing | Blocked::InTheWay) => Ok(false),
        Err(Blocked::Failed(source)) => {
            Err(CheckoutError::Io { action: "remove", path: BString::from(path), source })
        }
    }
}

/// The path of the directory that holds `path`; empty for the root.
pub(crate) fn parent(path: &[u8]) -> &[u8] {
    &path[..path.rfind_byte(b'/').unwrap_or(0)]
}
