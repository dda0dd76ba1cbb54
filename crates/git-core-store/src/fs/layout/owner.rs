//! Whose repositories are opened: the owner check and `safe.directory`, `safe.bareRepository` (`git-config(1)`).
//!
//! A repository's hooks and configuration run commands; one that somebody else put in the way is not opened.

use super::{Found, OpenError};
use crate::config::{Config, ConfigError};
use bstr::{BStr, BString, ByteSlice as _};
use git_core_config::InvalidValue;
use std::path::{Path, PathBuf};

/// Whose repositories are opened.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Trust {
    /// Who has to own a repository.
    pub owner: Owner,
    /// `safe.directory` of the system, global and command scopes, in order: repositories to open whoever owns
    /// them. `*` means all, a final `/*` everything below, an empty one forgets those before it.
    pub safe_directories: Vec<BString>,
    /// What `~/` in them stands for.
    pub home: Option<PathBuf>,
    /// Whether a bare repository may be discovered.
    pub bare: BareRepositories,
}

/// Who has to own a repository for it to be opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Owner {
    /// The user this process runs as; for root, also the user given (`SUDO_UID`). Not checked on Windows.
    #[default]
    Process,
    /// As [`Process`](Self::Process), and if that is root, also this user id (`SUDO_UID`).
    ProcessOrSudo(u32),
    /// Anybody.
    Anyone,
}

/// `safe.bareRepository`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BareRepositories {
    /// Any may be discovered.
    #[default]
    All,
    /// Only when it is named, by `GIT_DIR` or a path.
    Explicit,
}

impl Trust {
    /// A trust in everything, for callers that have checked by themselves.
    pub fn anyone() -> Self {
        Trust { owner: Owner::Anyone, ..Self::default() }
    }

    /// Takes `safe.directory` and `safe.bareRepository` from the scopes where they count.
    ///
    /// # Errors
    /// [`ConfigError`] when one of them has a value that makes no sense.
    pub fn with_config(mut self, config: &Config) -> Result<Self, ConfigError> {
        for entry in config.get_protected("safe.directory") {
            self.safe_directories.push(entry.value().text().unwrap_or_default().to_owned());
        }
        if let Some(entry) = config.get_protected("safe.bareRepository").last() {
            self.bare = match entry.to_text()?.as_bytes() {
                b"all" => BareRepositories::All,
                b"explicit" => BareRepositories::Explicit,
                _ => return Err(entry.bad(InvalidValue::Bool(entry.to_text()?.to_owned()))),
            };
        }
        Ok(self)
    }

    /// Checks the owner of all that was found on the way.
    pub(super) fn check(&self, found: &Found) -> Result<(), OpenError> {
        let is_file = found.link.as_ref().is_some_and(|link| link.is_file());
        let link = found.link.as_deref().filter(|_| is_file);
        let paths = [link, found.work_tree.as_deref(), Some(&found.git_dir)];
        if paths.into_iter().flatten().all(|path| self.owned(path)) {
            return Ok(());
        }
        let shown = found.work_tree.as_deref().unwrap_or(&found.git_dir);
        if self.is_safe(shown) {
            return Ok(());
        }
        Err(OpenError::DubiousOwnership { path: shown.to_path_buf() })
    }

    #[cfg(unix)]
    fn owned(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        if self.owner == Owner::Anyone {
            return true;
        }
        let Ok(metadata) = path.symlink_metadata() else { return false };
        let me = rustix::process::geteuid();
        metadata.uid() == me.as_raw()
            || matches!(self.owner, Owner::ProcessOrSudo(uid) if me.is_root() && uid == metadata.uid())
    }

    /// The owners of files are another matter there.
    #[cfg(not(unix))]
    fn owned(&self, _path: &Path) -> bool {
        true
    }

    /// Whether `safe.directory` names the path.
    fn is_safe(&self, path: &Path) -> bool {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let Some(path) = <[u8]>::from_path(&real) else { return false };
        let mut safe = false;
        for value in &self.safe_directories {
            if value.is_empty() {
                safe = false;
            } else {
                safe |= value == "*" || self.names(value.as_bstr(), path);
            }
        }
        safe
    }

    fn names(&self, value: &BStr, path: &[u8]) -> bool {
        let expanded = match (value.strip_prefix(b"~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest.to_path_lossy()),
            (Some(_), None) => return false,
            (None, _) => value.to_path_lossy().into_owned(),
        };
        let below = expanded.ends_with("*");
        let named = if below { expanded.parent().unwrap_or(Path::new("")).to_path_buf() } else { expanded };
        let named = named.canonicalize().unwrap_or(named);
        let Some(named) = <[u8]>::from_path(&named) else { return false };
        if below {
            let named = named.strip_suffix(b"/").unwrap_or(named);
            return path.strip_prefix(named).is_some_and(|rest| rest.starts_with(b"/"));
        }
        named == path
    }

    /// Whether a bare repository that was discovered may be used. One that belongs to a working tree (`.git`
    /// itself, or below `.git/modules` or `.git/worktrees`) always may.
    pub(super) fn check_bare(&self, git_dir: &Path) -> Result<(), OpenError> {
        let implied = || {
            let names = git_dir.iter().collect::<Vec<_>>();
            names.last().is_some_and(|name| *name == ".git")
                || names
                    .windows(2)
                    .any(|pair| pair[0] == ".git" && (pair[1] == "modules" || pair[1] == "worktrees"))
        };
        if self.bare == BareRepositories::All || implied() {
            return Ok(());
        }
        Err(OpenError::ImplicitBare { path: git_dir.to_path_buf() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safe_directories_as_git_reads_them() {
        let safe = |values: &[&str], path: &str| {
            let trust = Trust {
                safe_directories: values.iter().map(|value| BString::from(*value)).collect(),
                home: Some("/nowhere/home".into()),
                ..Trust::default()
            };
            trust.is_safe(Path::new(path))
        };
        assert!(!safe(&[], "/nowhere/a"));
        assert!(safe(&["*"], "/nowhere/a"));
        assert!(safe(&["/nowhere/a"], "/nowhere/a"));
        assert!(!safe(&["/nowhere/a"], "/nowhere/a/b"));
        assert!(safe(&["/nowhere/*"], "/nowhere/a/b"));
        assert!(!safe(&["/nowhere/*"], "/nowhere"));
        assert!(!safe(&["*", ""], "/nowhere/a"));
        assert!(safe(&["", "*"], "/nowhere/a"));
        assert!(safe(&["~/x"], "/nowhere/home/x"));
    }
}
