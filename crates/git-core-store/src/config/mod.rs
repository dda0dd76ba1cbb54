//! Configuration of all scopes: system, global, local, worktree and command, with what they include
//! (`git-config(1)`).
//!
//! Which files there are is said by an [`Environment`] that the caller fills in; nothing of the process's
//! environment is read here. The grammar of one file is `git-core-config`'s.

mod edit;
mod environment;
mod error;
mod include;
mod load;

pub use edit::{EditOptions, edit_file};
pub use environment::Environment;
pub use error::ConfigError;
pub use load::Place;

use bstr::{BStr, BString, ByteSlice as _};
use git_core_config::{InvalidValue, Value};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a variable counts, from the weakest to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `/etc/gitconfig`, for all users.
    System,
    /// `~/.gitconfig` and `$XDG_CONFIG_HOME/git/config`, for one user.
    Global,
    /// `config` in the repository.
    Local,
    /// `config.worktree` in the working tree's directory, where `extensions.worktreeConfig` is set.
    Worktree,
    /// The command line and the environment.
    Command,
}

impl Scope {
    /// The name that `git config --show-scope` prints.
    pub const fn name(self) -> &'static str {
        match self {
            Scope::System => "system",
            Scope::Global => "global",
            Scope::Local => "local",
            Scope::Worktree => "worktree",
            Scope::Command => "command",
        }
    }

    /// Whether whoever made the repository could not have written it: `safe.*` and `uploadpack.packObjectsHook`
    /// count in these only.
    pub const fn is_protected(self) -> bool {
        matches!(self, Scope::System | Scope::Global | Scope::Command)
    }
}

/// Where a variable was written. Displays as `git config --show-origin` does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// In this file.
    File(PathBuf),
    /// On the command line, or in the environment.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(path) => write!(f, "file:{}", path.display()),
            Origin::CommandLine => f.write_str("command line:"),
        }
    }
}

/// A variable, where it was written, and where it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    key: BString,
    value: Option<BString>,
    scope: Scope,
    origin: Arc<Origin>,
    line: usize,
}

impl ConfigEntry {
    /// The whole key: section and name in lower case, the subsection as it is.
    pub fn key(&self) -> &BStr {
        self.key.as_bstr()
    }

    /// The value.
    pub fn value(&self) -> Value<'_> {
        self.value.as_ref().map_or(Value::implicit(), |text| Value::new(text.as_bytes()))
    }

    /// Where it counts.
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// Where it was written.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The line it begins on, counted from 1; 0 on the command line.
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The value as a boolean.
    ///
    /// # Errors
    /// [`ConfigError::Value`], which names the variable, the file and the line.
    pub fn to_bool(&self) -> Result<bool, ConfigError> {
        self.value().to_bool().map_err(|error| self.bad(error))
    }

    /// The value as a number.
    ///
    /// # Errors
    /// As [`to_bool`](Self::to_bool).
    pub fn to_int(&self) -> Result<i64, ConfigError> {
        self.value().to_int().map_err(|error| self.bad(error))
    }

    /// The value as text.
    ///
    /// # Errors
    /// As [`to_bool`](Self::to_bool).
    pub fn to_text(&self) -> Result<&BStr, ConfigError> {
        self.value().require().map_err(|error| self.bad(error))
    }

    /// The value as a path, `~/` standing for `home`.
    ///
    /// # Errors
    /// As [`to_bool`](Self::to_bool).
    pub fn to_path(&self, home: Option<&Path>) -> Result<PathBuf, ConfigError> {
        self.value().to_path(home).map_err(|error| self.bad(error))
    }

    /// The error that this value makes no sense.
    pub fn bad(&self, reason: InvalidValue) -> ConfigError {
        ConfigError::Value { key: self.key.clone(), origin: self.origin.clone(), line: self.line, reason }
    }
}

/// All variables of all scopes, in the order in which they count: of several the last one wins.
///
/// ```
/// use git_core_store::config::{Config, Environment};
/// let environment = Environment::default().with_override("core.bare=true")?;
/// let config = Config::load(&environment, None)?;
/// assert_eq!(config.bool("core.bare")?, Some(true));
/// # Ok::<(), git_core_store::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Config {
    entries: Vec<ConfigEntry>,
    by_key: HashMap<BString, Vec<usize>>,
    home: Option<PathBuf>,
}

impl Config {
    /// Reads all scopes: those of the environment, and if `place` is given those of the repository there.
    ///
    /// # Errors
    /// [`ConfigError`] when a file cannot be read or is damaged, or includes go in circles.
    pub fn load(environment: &Environment, place: Option<&Place>) -> Result<Self, ConfigError> {
        let entries = load::load(environment, place)?;
        Ok(Self::of(entries, environment.home.clone()))
    }

    fn of(entries: Vec<ConfigEntry>, home: Option<PathBuf>) -> Self {
        let mut by_key: HashMap<BString, Vec<usize>> = HashMap::new();
        for (at, entry) in entries.iter().enumerate() {
            by_key.entry(entry.key.clone()).or_default().push(at);
        }
        Config { entries, by_key, home }
    }

    /// Every variable, in order.
    pub fn entries(&self) -> &[ConfigEntry] {
        &self.entries
    }

    /// The entry that counts.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&ConfigEntry> {
        self.get_all(key).last()
    }

    /// Every entry of a variable, the strongest last. Section and name are spelled in any case.
    pub fn get_all(&self, key: impl AsRef<[u8]>) -> impl DoubleEndedIterator<Item = &ConfigEntry> {
        let found = self.by_key.get(canonical(key.as_ref()).as_bstr());
        found.into_iter().flatten().map(|at| &self.entries[*at])
    }

    /// Every entry of a variable that whoever made the repository could not have written.
    pub fn get_protected(&self, key: impl AsRef<[u8]>) -> impl DoubleEndedIterator<Item = &ConfigEntry> {
        self.get_all(key).filter(|entry| entry.scope.is_protected())
    }

    /// A boolean variable.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when it is none.
    pub fn bool(&self, key: impl AsRef<[u8]>) -> Result<Option<bool>, ConfigError> {
        self.get(key).map(ConfigEntry::to_bool).transpose()
    }

    /// A number.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when it is none.
    pub fn int(&self, key: impl AsRef<[u8]>) -> Result<Option<i64>, ConfigError> {
        self.get(key).map(ConfigEntry::to_int).transpose()
    }

    /// A text.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when it stands without a `=`.
    pub fn text(&self, key: impl AsRef<[u8]>) -> Result<Option<&BStr>, ConfigError> {
        self.get(key).map(ConfigEntry::to_text).transpose()
    }

    /// A path; `~/` stands for the home of the [`Environment`].
    ///
    /// # Errors
    /// [`ConfigError::Value`] when it is none, or there is no home.
    pub fn path(&self, key: impl AsRef<[u8]>) -> Result<Option<PathBuf>, ConfigError> {
        self.get(key).map(|entry| entry.to_path(self.home.as_deref())).transpose()
    }

    /// The names of the subsections of a section that have variables, each once, in order of appearance: remotes,
    /// branches, ….
    pub fn subsections(&self, section: impl AsRef<[u8]>) -> Vec<&BStr> {
        let mut prefix = section.as_ref().to_ascii_lowercase();
        prefix.push(b'.');
        let mut seen = std::collections::HashSet::new();
        let of_section = self.entries.iter().filter_map(|entry| {
            let rest = entry.key.strip_prefix(prefix.as_slice())?;
            rest.rfind_byte(b'.').map(|dot| rest[..dot].as_bstr())
        });
        of_section.filter(|name| seen.insert(*name)).collect()
    }
}

/// Section and name in lower case, the subsection as it is.
fn canonical(key: &[u8]) -> BString {
    let mut key = BString::from(key);
    let (first, last) = (key.find_byte(b'.').unwrap_or(key.len()), key.rfind_byte(b'.').unwrap_or(0));
    key[..first].make_ascii_lowercase();
    key[last..].make_ascii_lowercase();
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(overrides: &[&str]) -> Config {
        let mut environment = Environment::default();
        for text in overrides {
            environment = environment.with_override(text).unwrap();
        }
        Config::load(&environment, None).unwrap()
    }

    #[test]
    fn the_last_one_wins_and_all_are_kept() {
        let config =
            config(&["remote.A.b.url=1", "REMOTE.A.b.URL=2", "remote.a.B.url=3", "core.x", "core.n=1k"]);
        assert_eq!(config.text("remote.A.b.Url").unwrap(), Some("2".into()));
        assert_eq!(config.get_all("remote.A.b.url").count(), 2);
        assert_eq!(config.subsections("Remote"), ["A.b", "a.B"]);
        assert_eq!(config.bool("core.x").unwrap(), Some(true));
        assert_eq!(config.int("core.n").unwrap(), Some(1024));
        assert_eq!(config.int("core.none").unwrap(), None);
    }

    #[test]
    fn errors_name_the_place() {
        let error = config(&["core.bare=maybe"]).bool("core.bare").unwrap_err();
        assert_eq!(error.to_string(), "bad boolean config value 'maybe' for 'core.bare' in command line");
    }
}
