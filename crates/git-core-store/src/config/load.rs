//! Reading all files of all scopes, and those that they include.

use super::include::{Condition, Facts};
use super::{ConfigEntry, ConfigError, Environment, Origin, Scope};
use crate::fs::layout::{self, Layout};
use bstr::{BStr, BString, ByteSlice as _};
use git_core_config::Document;
use git_core_ref::RefName;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How deep files may include one another.
pub(super) const MAX_DEPTH: usize = 10;

/// The repository whose configuration is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// Its git directory, absolute: what `includeIf.gitdir` compares.
    pub git_dir: PathBuf,
    /// Its common directory, where `config` lies.
    pub common_dir: PathBuf,
    /// What `HEAD` points at: what `includeIf.onbranch` compares.
    pub head: Option<RefName>,
}

impl Place {
    /// The place of a repository; its `HEAD` is read.
    pub fn of(layout: &Layout) -> Self {
        Place {
            git_dir: layout.git_dir.clone(),
            common_dir: layout.common_dir.clone(),
            head: layout::head_branch(&layout.git_dir),
        }
    }
}

/// Reads everything, in the order in which it counts.
pub(super) fn load(
    environment: &Environment,
    place: Option<&Place>,
) -> Result<Vec<ConfigEntry>, ConfigError> {
    let mut loader = Loader { environment, place, urls: Urls::NotYet, found: Vec::new() };
    loader.all()?;
    Ok(loader.found)
}

struct Loader<'a> {
    environment: &'a Environment,
    place: Option<&'a Place>,
    urls: Urls,
    found: Vec<ConfigEntry>,
}

/// The URLs of all remotes, which `hasconfig` conditions need before everything is read.
enum Urls {
    /// Nobody has asked.
    NotYet,
    /// They are being collected; `hasconfig` conditions do not hold.
    Collecting,
    /// These are all.
    Known(Vec<BString>),
}

/// How a file came to be read.
#[derive(Clone, Copy)]
struct Inclusion {
    scope: Scope,
    depth: usize,
    /// Because of a remote's URL, so that it must not have any.
    by_url: bool,
}

impl Loader<'_> {
    fn all(&mut self) -> Result<(), ConfigError> {
        let environment = self.environment;
        if let Some(path) = &environment.system {
            self.file(path, Inclusion::in_scope(Scope::System))?;
        }
        for path in &environment.global {
            self.file(path, Inclusion::in_scope(Scope::Global))?;
        }
        if let Some(place) = self.place {
            let before = self.found.len();
            self.file(&place.common_dir.join("config"), Inclusion::in_scope(Scope::Local))?;
            let wanted = self.found[before..].iter().rfind(|entry| entry.key == "extensions.worktreeconfig");
            if wanted.map(ConfigEntry::to_bool).transpose()?.unwrap_or(false) {
                self.file(&place.git_dir.join("config.worktree"), Inclusion::in_scope(Scope::Worktree))?;
            }
        }
        let origin = Arc::new(Origin::CommandLine);
        for parameter in &environment.parameters {
            let entry = ConfigEntry {
                key: parameter.key.canonical(),
                value: parameter.value.clone(),
                scope: Scope::Command,
                origin: origin.clone(),
                line: 0,
            };
            self.take(entry, None, Inclusion::in_scope(Scope::Command))?;
        }
        Ok(())
    }

    /// Reads one file; one that is not there has nothing in it.
    fn file(&mut self, path: &Path, how: Inclusion) -> Result<(), ConfigError> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(());
            }
            Err(error) => return Err(ConfigError::unavailable(path, error)),
        };
        let document = Document::parse(&text)
            .map_err(|error| ConfigError::Syntax { path: path.to_path_buf(), line: error.line })?;
        let origin = Arc::new(Origin::File(path.to_path_buf()));
        for entry in document.entries() {
            let entry = ConfigEntry {
                key: entry.key(),
                value: entry.value().text().map(BString::from),
                scope: how.scope,
                origin: origin.clone(),
                line: entry.line(),
            };
            self.take(entry, Some(path), how)?;
        }
        Ok(())
    }

    /// Adds a variable and, if it includes a file, what is in it.
    fn take(&mut self, entry: ConfigEntry, from: Option<&Path>, how: Inclusion) -> Result<(), ConfigError> {
        if how.by_url && is_remote_url(entry.key()) {
            return Err(ConfigError::RemoteUrl { path: from.map(Path::to_path_buf).unwrap_or_default() });
        }
        let condition = match included(entry.key()) {
            None => {
                self.found.push(entry);
                return Ok(());
            }
            Some(condition) => condition.map(BString::from),
        };
        let path = entry.to_path(self.environment.home.as_deref());
        self.found.push(entry);
        let mut how = Inclusion { depth: how.depth + 1, ..how };
        if let Some(condition) = condition {
            let condition = Condition::parse(condition.as_bstr());
            if matches!(condition, Condition::RemoteUrl(_)) {
                how.by_url = true;
                self.collect_urls()?;
            }
            if !condition.holds(&self.facts(from)) {
                return Ok(());
            }
        }
        let path = path?;
        let path = match from.and_then(Path::parent) {
            _ if path.is_absolute() => path,
            Some(dir) => dir.join(path),
            None => return Err(ConfigError::RelativeInclude { path }),
        };
        if how.depth > MAX_DEPTH {
            return Err(ConfigError::IncludeDepth {
                path,
                from: from.map(Path::to_path_buf).unwrap_or_default(),
            });
        }
        self.file(&path, how)
    }

    fn facts<'f>(&'f self, from: Option<&'f Path>) -> Facts<'f> {
        Facts {
            git_dir: self.place.map(|place| place.git_dir.as_path()),
            head: self.place.and_then(|place| place.head.as_ref()),
            home: self.environment.home.as_deref(),
            file: from,
            urls: match &self.urls {
                Urls::Known(urls) => urls,
                Urls::NotYet | Urls::Collecting => &[],
            },
        }
    }

    /// Reads everything once without the files that depend on URLs.
    fn collect_urls(&mut self) -> Result<(), ConfigError> {
        if matches!(self.urls, Urls::NotYet) {
            let mut scan = Loader {
                environment: self.environment,
                place: self.place,
                urls: Urls::Collecting,
                found: Vec::new(),
            };
            scan.all()?;
            let urls = scan.found.into_iter().filter(|entry| is_remote_url(entry.key()));
            self.urls = Urls::Known(urls.filter_map(|entry| entry.value).collect());
        }
        Ok(())
    }
}

impl Inclusion {
    fn in_scope(scope: Scope) -> Self {
        Inclusion { scope, depth: 0, by_url: false }
    }
}

/// Whether the variable includes a file; and the condition, if there is one.
fn included(key: &BStr) -> Option<Option<&BStr>> {
    if key == "include.path" {
        return Some(None);
    }
    let condition = key.strip_prefix(b"includeif.")?.strip_suffix(b".path")?;
    Some(Some(condition.as_bstr()))
}

fn is_remote_url(key: &BStr) -> bool {
    key.strip_prefix(b"remote.").is_some_and(|rest| rest.len() > 4 && rest.ends_with(b".url"))
}
