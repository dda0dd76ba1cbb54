//! Where the file of a ref and its reflog lie, for a main and for a linked working tree.
//!
//! `HEAD` and the other root refs, `refs/bisect/`, `refs/worktree/` and `refs/rewritten/` belong to one working
//! tree (`gitrepository-layout(5)`); everything else is shared.

use bstr::ByteSlice as _;
use git_core_ref::RefName;
use std::path::{Path, PathBuf};

/// Names below these belong to one working tree.
pub(super) const PRIVATE: [&[u8]; 3] = [b"refs/bisect/", b"refs/rewritten/", b"refs/worktree/"];

/// The two directories of a repository; they are the same one outside of linked working trees.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub(super) git_dir: PathBuf,
    pub(super) common_dir: PathBuf,
}

impl Places {
    /// Whether this is a linked working tree, whose private refs lie elsewhere than the shared ones.
    pub(super) fn is_linked(&self) -> bool {
        self.git_dir != self.common_dir
    }

    /// The directory that the ref's name is relative to.
    pub(super) fn root(&self, name: &[u8]) -> &Path {
        if is_private(name) { &self.git_dir } else { &self.common_dir }
    }

    /// The file of the loose ref.
    pub(super) fn loose(&self, name: &RefName) -> PathBuf {
        join(self.root(name.as_bytes()), name.as_bytes())
    }

    /// The file of the reflog.
    pub(super) fn log(&self, name: &RefName) -> PathBuf {
        let mut path = self.root(name.as_bytes()).join("logs");
        push(&mut path, name.as_bytes());
        path
    }

    /// `packed-refs`.
    pub(super) fn packed(&self) -> PathBuf {
        self.common_dir.join("packed-refs")
    }
}

/// Whether the name belongs to one working tree.
pub(super) fn is_private(name: &[u8]) -> bool {
    !name.starts_with(b"refs/") || PRIVATE.iter().any(|prefix| name.starts_with(prefix))
}

/// `root` and a name with slashes below it.
pub(super) fn join(root: &Path, name: &[u8]) -> PathBuf {
    let mut path = PathBuf::with_capacity(root.as_os_str().len() + name.len() + 8);
    path.push(root);
    push(&mut path, name);
    path
}

/// Where paths are not bytes, bytes that are no text become replacement characters: such a ref cannot be made
/// there, and is not found.
fn push(path: &mut PathBuf, name: &[u8]) {
    path.push(name.to_path_lossy());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_refs_lie_in_the_working_trees_directory() {
        let places = Places { git_dir: "/r/worktrees/w".into(), common_dir: "/r".into() };
        let place = |name: &str| places.loose(&RefName::new(name).unwrap());
        assert_eq!(place("HEAD"), Path::new("/r/worktrees/w/HEAD"));
        assert_eq!(place("refs/bisect/bad"), Path::new("/r/worktrees/w/refs/bisect/bad"));
        assert_eq!(place("refs/heads/a/b"), Path::new("/r/refs/heads/a/b"));
        assert_eq!(places.log(&RefName::head()), Path::new("/r/worktrees/w/logs/HEAD"));
        assert_eq!(places.log(&RefName::branch("x").unwrap()), Path::new("/r/logs/refs/heads/x"));
    }
}
