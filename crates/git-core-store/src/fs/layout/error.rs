//! Why a repository was not opened.

use git_core_object::{BoxError, ErrorKind};
use std::path::{Path, PathBuf};

/// Why a repository was not opened. The texts are git's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Neither the directory nor one above it is a repository.
    #[error("not a git repository (or any of the parent directories): .git")]
    NotFound {
        /// Where the search began.
        start: PathBuf,
    },
    /// Nor is one up to where the file system ends.
    #[error(
        "not a git repository (or any parent up to mount point {})\n\
         Stopping at filesystem boundary (GIT_DISCOVERY_ACROSS_FILESYSTEM not set).", .mount.display()
    )]
    Boundary {
        /// The topmost directory that was looked at.
        mount: PathBuf,
    },
    /// The path that was given is no repository.
    #[error("not a git repository: '{}'", .path.display())]
    NotARepository {
        /// The path.
        path: PathBuf,
    },
    /// A server was asked for a path that is no repository.
    #[error("'{}' does not appear to be a git repository", .path.display())]
    NotOurs {
        /// The path.
        path: PathBuf,
    },
    /// A `.git` file, or a `commondir` file, holds no path.
    #[error("invalid gitfile format: {}", .path.display())]
    InvalidGitFile {
        /// The file.
        path: PathBuf,
    },
    /// The repository's configuration is damaged.
    #[error("bad config line {line} in file {}", .path.display())]
    BadConfig {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// A variable of the repository's configuration has a value that makes no sense.
    #[error("{reason} for '{key}' in file {}", .path.display())]
    BadValue {
        /// The file.
        path: PathBuf,
        /// The variable.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `core.repositoryFormatVersion` is too high.
    #[error("Expected git repo version <= 1, found {found}")]
    Version {
        /// The version.
        found: i64,
    },
    /// The repository uses extensions that are not known.
    #[error("unknown repository extension{} found:\n\t{}", plural(.names), .names.join("\n\t"))]
    UnknownExtensions {
        /// Their names.
        names: Vec<String>,
    },
    /// The repository is of version 0 and uses extensions that need version 1.
    #[error("repo version is 0, but v1-only extension{} found:\n\t{}", plural(.names), .names.join("\n\t"))]
    VersionTooLow {
        /// Their names.
        names: Vec<String>,
    },
    /// The repository uses an extension that git knows and this library does not support.
    #[error("repository extension '{name}' with value '{value}' is not supported")]
    Unsupported {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// A bare repository has a working tree configured.
    #[error("core.bare and core.worktree do not make sense: {}", .path.display())]
    BareWithWorkTree {
        /// The git directory.
        path: PathBuf,
    },
    /// The repository belongs to somebody else.
    #[error(
        "detected dubious ownership in repository at '{path}'\n\
         To add an exception for this directory, call:\n\n\
         \tgit config --global --add safe.directory {path}", path = .path.display()
    )]
    DubiousOwnership {
        /// The directory.
        path: PathBuf,
    },
    /// A bare repository was found that nobody named.
    #[error("cannot use bare repository '{}' (safe.bareRepository is 'explicit')", .path.display())]
    ImplicitBare {
        /// The directory.
        path: PathBuf,
    },
    /// The file system failed.
    #[error("cannot read {}", .path.display())]
    Unavailable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: BoxError,
    },
}

fn plural(names: &[String]) -> &'static str {
    if names.len() == 1 { "" } else { "s" }
}

impl OpenError {
    pub(super) fn unavailable(path: &Path, source: impl Into<BoxError>) -> Self {
        OpenError::Unavailable { path: path.to_path_buf(), source: source.into() }
    }

    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            OpenError::NotFound { .. }
            | OpenError::Boundary { .. }
            | OpenError::NotARepository { .. }
            | OpenError::NotOurs { .. } => ErrorKind::NotFound,
            OpenError::InvalidGitFile { .. } | OpenError::BadConfig { .. } | OpenError::BadValue { .. } => {
                ErrorKind::Corrupt
            }
            OpenError::Version { .. }
            | OpenError::UnknownExtensions { .. }
            | OpenError::VersionTooLow { .. }
            | OpenError::Unsupported { .. }
            | OpenError::BareWithWorkTree { .. } => ErrorKind::Invalid,
            OpenError::DubiousOwnership { .. } | OpenError::ImplicitBare { .. } => ErrorKind::Denied,
            OpenError::Unavailable { .. } => ErrorKind::Unavailable,
        }
    }
}
