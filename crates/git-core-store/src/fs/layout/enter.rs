//! Finding the repository that a client of a server asks for by a path.

use super::{Found, Layout, OpenError, OpenOptions, found, is_git_dir, read_git_file};
use std::path::{Path, PathBuf};

/// How literally a path is taken (`git upload-pack --strict`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// `.git` may be missing from the path.
    #[default]
    Lenient,
    /// The path is that of the git directory.
    Strict,
}

pub(super) fn enter(path: &Path, strictness: Strictness, options: &OpenOptions) -> Result<Layout, OpenError> {
    let suffixes: &[&str] = match strictness {
        Strictness::Lenient => &["/.git", "", ".git/.git", ".git"],
        Strictness::Strict => &[""],
    };
    let not_ours = || OpenError::NotOurs { path: path.to_path_buf() };
    for suffix in suffixes {
        let mut candidate = trimmed(path).into_os_string();
        candidate.push(suffix);
        let candidate = PathBuf::from(candidate);
        let is_file = candidate.is_file();
        if !is_file && !is_git_dir(&candidate) {
            continue;
        }
        // A file ends the search, as it does in git.
        let git_dir =
            if is_file { read_git_file(&candidate).map_err(|_| not_ours())? } else { candidate.clone() };
        if !is_git_dir(&git_dir) {
            return Err(not_ours());
        }
        let work_tree = candidate.file_name().filter(|name| *name == ".git").and_then(|_| candidate.parent());
        let work_tree = work_tree.map(Path::to_path_buf);
        return found(Found { git_dir, work_tree, link: is_file.then_some(candidate) }, options);
    }
    Err(not_ours())
}

/// The path without slashes at its end.
fn trimmed(path: &Path) -> PathBuf {
    path.components().collect()
}
