//! Removing what the repository knows of working trees that are gone (`git-worktree(1)`, `prune`).

use super::MaintenanceError;
use super::files::{modified, names_if_any};
use crate::fs::FsStorage;
use crate::fs::sys::remove_tree;
use bstr::ByteSlice as _;
use std::path::{Path, PathBuf};

/// Removes the directories below `worktrees` of linked working trees that are not where they were, unless they are
/// locked or were in use after `expire`, in seconds since 1970. What is no such directory goes whatever its age.
///
/// # Errors
/// [`MaintenanceError`] when the directory cannot be read.
pub fn prune_worktrees(storage: &FsStorage, expire: i64) -> Result<(), MaintenanceError> {
    let (disk, dir) = (&**storage.objects().disk(), storage.common_dir().join("worktrees"));
    let mut living: Vec<(PathBuf, PathBuf)> = Vec::new();
    for name in names_if_any(&dir)? {
        let path = dir.join(name);
        match home(&path, expire) {
            State::Kept => {}
            State::At(home) => living.push((home, path)),
            State::Gone if path.is_dir() => remove_tree(disk, &path),
            State::Gone => drop(disk.remove_file(&path)),
        }
    }
    // Of several records of one working tree, the first by name stays.
    living.sort();
    for pair in living.windows(2) {
        if let [(first, _), (second, path)] = pair
            && first == second
        {
            remove_tree(disk, path);
        }
    }
    // As long as something is in it, it stays.
    let _ = disk.remove_dir(&dir);
    Ok(())
}

enum State {
    /// It says that it is to be left alone, or is too young to go.
    Kept,
    /// The `.git` file of the working tree, which is there.
    At(PathBuf),
    Gone,
}

fn home(path: &Path, expire: i64) -> State {
    if !path.is_dir() {
        return State::Gone;
    }
    if path.join("locked").exists() {
        return State::Kept;
    }
    let Ok(text) = std::fs::read(path.join("gitdir")) else { return State::Gone };
    let text = text.trim_end_with(|c| c == '\n' || c == '\r');
    if text.is_empty() {
        return State::Gone;
    }
    let home = path.join(text.to_os_str_lossy());
    if home.exists() {
        return State::At(home);
    }
    // The index tells when it was last used.
    match path.join("index").metadata() {
        Ok(metadata) if modified(&metadata) > expire => State::Kept,
        _ => State::Gone,
    }
}
