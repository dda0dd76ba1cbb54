//! What the environment of a program says about configuration, as plain data.

use super::{ConfigError, Scope};
use bstr::{BString, ByteSlice as _};
use git_core_config::Key;
use git_core_config::params::{self, Parameter};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Which files there are outside of a repository, and what the command line adds. The default has none: what a
/// server wants that is to be independent of the machine it runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Environment {
    /// The file of the whole system; none with `GIT_CONFIG_NOSYSTEM`.
    pub system: Option<PathBuf>,
    /// The files of the user, the strongest last.
    pub global: Vec<PathBuf>,
    /// The user's home, for `~/`.
    pub home: Option<PathBuf>,
    /// Variables of the command scope, the strongest last.
    pub parameters: Vec<Parameter>,
}

impl Environment {
    /// The system's file where `GIT_CONFIG_SYSTEM` does not say otherwise.
    #[cfg(not(windows))]
    pub const SYSTEM: &str = "/etc/gitconfig";
    /// The system's file where `GIT_CONFIG_SYSTEM` does not say otherwise.
    #[cfg(windows)]
    pub const SYSTEM: &str = "C:/Program Files/Git/etc/gitconfig";

    /// Puts together what the variables `HOME`, `XDG_CONFIG_HOME`, `GIT_CONFIG_SYSTEM`, `GIT_CONFIG_NOSYSTEM`,
    /// `GIT_CONFIG_GLOBAL`, `GIT_CONFIG_COUNT` (with `GIT_CONFIG_KEY_<n>` and `GIT_CONFIG_VALUE_<n>`) and
    /// `GIT_CONFIG_PARAMETERS` say, by the rules of `git-config(1)`. A program passes `&|name| std::env::var_os(name)`.
    ///
    /// # Errors
    /// [`ConfigError`] when the count or the parameters are malformed.
    pub fn from_variables(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        let path = |name: &str| variable(name).map(PathBuf::from);
        let set = |path: PathBuf| (!path.as_os_str().is_empty()).then_some(path);
        let home = path("HOME").and_then(set);
        let no_system = variable("GIT_CONFIG_NOSYSTEM").is_some_and(|value| truth(&value));
        let system = match path("GIT_CONFIG_SYSTEM") {
            _ if no_system => None,
            Some(path) => set(path),
            None => Some(PathBuf::from(Self::SYSTEM)),
        };
        let global = match path("GIT_CONFIG_GLOBAL") {
            Some(path) => set(path).into_iter().collect(),
            None => {
                let xdg = path("XDG_CONFIG_HOME").and_then(set).map(|dir| dir.join("git/config"));
                let xdg = xdg.or_else(|| home.as_ref().map(|home| home.join(".config/git/config")));
                xdg.into_iter().chain(home.as_ref().map(|home| home.join(".gitconfig"))).collect()
            }
        };
        let mut parameters = counted(variable)?;
        if let Some(text) = variable("GIT_CONFIG_PARAMETERS") {
            parameters.extend(params::parse(bytes(&text))?);
        }
        Ok(Environment { system, global, home, parameters })
    }

    /// Adds a variable as `-c` takes it: `key=value`, or `key` for `true`.
    ///
    /// # Errors
    /// [`ConfigError::Parameters`] when there is no such key.
    pub fn with_override(mut self, text: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        self.parameters.push(Parameter::parse(text)?);
        Ok(self)
    }

    /// The file that `git config --system` or `--global` edits. None for other scopes, or where there is none:
    /// for the user's files the first one is taken if it is the only one there.
    pub fn file_to_edit(&self, scope: Scope) -> Option<&Path> {
        match scope {
            Scope::System => self.system.as_deref(),
            Scope::Global => {
                let last = self.global.last()?;
                let first = self.global.first().filter(|first| !last.exists() && first.exists());
                Some(first.unwrap_or(last))
            }
            Scope::Local | Scope::Worktree | Scope::Command => None,
        }
    }
}

/// `GIT_CONFIG_COUNT` pairs.
fn counted(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Vec<Parameter>, ConfigError> {
    /// More would not fit into an environment.
    const MOST: usize = 1 << 20;
    let Some(count) = variable("GIT_CONFIG_COUNT").filter(|count| !count.is_empty()) else {
        return Ok(Vec::new());
    };
    let bogus = || ConfigError::Count("bogus count in GIT_CONFIG_COUNT".to_owned());
    let count = count.to_str().and_then(|text| text.trim().parse::<usize>().ok()).ok_or_else(bogus)?;
    if count > MOST {
        return Err(ConfigError::Count("too many entries in GIT_CONFIG_COUNT".to_owned()));
    }
    let mut found = Vec::new();
    for at in 0..count {
        let missing = |name: &str| ConfigError::Count(format!("missing config {} {name}{at}", kind(name)));
        let get = |name: &str| variable(&format!("{name}{at}")).ok_or_else(|| missing(name));
        let key = get("GIT_CONFIG_KEY_")?;
        let value = get("GIT_CONFIG_VALUE_")?;
        let key = Key::parse(bytes(&key)).map_err(params::ParamsError::from)?;
        found.push(Parameter { key, value: Some(BString::from(bytes(&value))) });
    }
    Ok(found)
}

fn kind(name: &str) -> &'static str {
    if name.starts_with("GIT_CONFIG_KEY") { "key" } else { "value" }
}

fn truth(value: &OsStr) -> bool {
    git_core_config::parse_bool(bytes(value)).unwrap_or(true)
}

fn bytes(text: &OsStr) -> Vec<u8> {
    <[u8]>::from_os_str(text).map_or_else(|| text.to_string_lossy().into_owned().into_bytes(), <[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Result<Environment, ConfigError> {
        let get = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(*value))
        };
        Environment::from_variables(&get)
    }

    #[test]
    fn files_follow_the_variables() {
        let found = environment(&[("HOME", "/h")]).unwrap();
        assert_eq!(found.global, [PathBuf::from("/h/.config/git/config"), "/h/.gitconfig".into()]);
        assert_eq!(found.system, Some(Environment::SYSTEM.into()));
        let found =
            environment(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x"), ("GIT_CONFIG_NOSYSTEM", "1")]).unwrap();
        assert_eq!(found.global, [PathBuf::from("/x/git/config"), "/h/.gitconfig".into()]);
        assert_eq!(found.system, None);
        let found =
            environment(&[("HOME", "/h"), ("GIT_CONFIG_GLOBAL", ""), ("GIT_CONFIG_SYSTEM", "/s")]).unwrap();
        assert!(found.global.is_empty());
        assert_eq!(found.system, Some("/s".into()));
        assert!(environment(&[]).unwrap().global.is_empty());
    }

    #[test]
    fn counted_parameters_come_before_others() {
        let found = environment(&[
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_KEY_0", "a.b"),
            ("GIT_CONFIG_VALUE_0", "1"),
            ("GIT_CONFIG_PARAMETERS", "'a.b'='2'"),
        ])
        .unwrap();
        let values = found.parameters.iter().map(|p| p.value.clone().unwrap()).collect::<Vec<_>>();
        assert_eq!(values, ["1", "2"]);
        assert!(environment(&[("GIT_CONFIG_COUNT", "1")]).is_err());
        assert!(environment(&[("GIT_CONFIG_COUNT", "x")]).is_err());
        assert!(environment(&[("GIT_CONFIG_COUNT", "")]).is_ok());
    }
}
