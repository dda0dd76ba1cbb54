//! What can go wrong with configuration.

use super::Origin;
use bstr::BString;
use git_core_config::params::ParamsError;
use git_core_config::{EditError, InvalidValue};
use git_core_object::{BoxError, ErrorKind};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What can go wrong with configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file does not follow the grammar.
    #[error("bad config line {line} in file {}", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// A variable has a value that makes no sense.
    #[error("{reason} for '{key}' in {}", Place(.origin, *.line))]
    Value {
        /// The variable.
        key: BString,
        /// Where it was written.
        origin: Arc<Origin>,
        /// On which line, counted from 1; 0 on the command line.
        line: usize,
        /// What is wrong with it.
        reason: InvalidValue,
    },
    /// Files include one another without an end.
    #[error(
        "exceeded maximum include depth ({}) while including\n\t{}\nfrom\n\t{}\n\
         This might be due to circular includes.", super::load::MAX_DEPTH, .path.display(), .from.display()
    )]
    IncludeDepth {
        /// The file that was not included.
        path: PathBuf,
        /// The file that includes it.
        from: PathBuf,
    },
    /// The command line includes a file by a path that is relative to nothing.
    #[error("relative config includes must come from files: '{}'", .path.display())]
    RelativeInclude {
        /// The path.
        path: PathBuf,
    },
    /// A file that is included because of a remote's URL has a remote's URL.
    #[error(
        "remote URLs cannot be configured in file directly or indirectly included by \
         includeIf.hasconfig:remote.*.url: {}", .path.display()
    )]
    RemoteUrl {
        /// The file.
        path: PathBuf,
    },
    /// The parameters of the command line are malformed.
    #[error(transparent)]
    Parameters(#[from] ParamsError),
    /// `GIT_CONFIG_COUNT`, or what it counts, is malformed.
    #[error("{0}")]
    Count(String),
    /// Somebody else is changing the file.
    #[error("could not lock config file {}: File exists", .path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The change that was asked for is impossible.
    #[error("{}: {reason}", .path.display())]
    Edit {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: EditError,
    },
    /// The file system failed.
    #[error("cannot access {}", .path.display())]
    Unavailable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: BoxError,
    },
}

/// A file and a line, for messages.
struct Place<'a>(&'a Origin, usize);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Origin::File(path) => write!(f, "file {} at line {}", path.display(), self.1),
            Origin::CommandLine => f.write_str("command line"),
        }
    }
}

impl ConfigError {
    pub(super) fn unavailable(path: &Path, source: impl Into<BoxError>) -> Self {
        ConfigError::Unavailable { path: path.to_path_buf(), source: source.into() }
    }

    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            ConfigError::Syntax { .. } => ErrorKind::Corrupt,
            ConfigError::Value { .. }
            | ConfigError::IncludeDepth { .. }
            | ConfigError::RelativeInclude { .. }
            | ConfigError::RemoteUrl { .. }
            | ConfigError::Parameters(_)
            | ConfigError::Count(_)
            | ConfigError::Edit { .. } => ErrorKind::Invalid,
            ConfigError::Locked { .. } => ErrorKind::Conflict,
            ConfigError::Unavailable { .. } => ErrorKind::Unavailable,
        }
    }
}
