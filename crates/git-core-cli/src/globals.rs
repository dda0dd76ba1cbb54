//! Options before the command, and the environment: read once, here, and handed down.

use crate::fail::Failure;
use lexopt::{Arg, Parser};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// What stands between `git-core` and the command, over what the environment says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Globals {
    /// `-C`, joined.
    directory: Option<PathBuf>,
    /// `--git-dir` or `GIT_DIR`.
    pub(crate) git_dir: Option<PathBuf>,
    /// `--work-tree` or `GIT_WORK_TREE`.
    pub(crate) work_tree: Option<PathBuf>,
    /// `--bare`.
    pub(crate) bare: bool,
    /// `-c name=value` and `--config-env=name=VARIABLE`, in order; a name without value is true.
    pub(crate) config: Vec<(String, Option<OsString>)>,
    /// `--namespace` or `GIT_NAMESPACE`.
    pub(crate) namespace: Option<OsString>,
    /// `--no-replace-objects` or `GIT_NO_REPLACE_OBJECTS`.
    pub(crate) no_replace_objects: bool,
    /// `--shallow-file` or `GIT_SHALLOW_FILE`.
    pub(crate) shallow_file: Option<PathBuf>,
    /// The command's name.
    pub(crate) command: String,
    environment: HashMap<OsString, OsString>,
}

impl Globals {
    /// Reads the options before the command; gives the command's name and its own arguments.
    pub(crate) fn parse(
        arguments: impl Iterator<Item = OsString>,
    ) -> Result<(Self, String, Vec<OsString>), Failure> {
        let environment: HashMap<_, _> = std::env::vars_os().collect();
        let path = |name: &str| {
            environment.get(OsStr::new(name)).filter(|value| !value.is_empty()).map(PathBuf::from)
        };
        let mut globals = Globals {
            git_dir: path("GIT_DIR"),
            work_tree: path("GIT_WORK_TREE"),
            namespace: path("GIT_NAMESPACE").map(PathBuf::into_os_string),
            no_replace_objects: environment.contains_key(OsStr::new("GIT_NO_REPLACE_OBJECTS")),
            shallow_file: path("GIT_SHALLOW_FILE"),
            ..Globals::default()
        };
        globals.environment = environment;
        let mut parser = Parser::from_args(arguments);
        let mut command = None;
        while command.is_none()
            && let Some(arg) = parser.next().map_err(|error| usage(&error.to_string()))?
        {
            match arg {
                Arg::Value(name) => command = Some(name),
                arg => {
                    let option = match arg {
                        Arg::Short(c) => c.to_string(),
                        Arg::Long(name) => name.to_owned(),
                        Arg::Value(_) => unreachable!("matched above"),
                    };
                    match globals.option(&option, &mut parser)? {
                        Some(instead) => command = Some(instead.into()),
                        None => continue,
                    }
                }
            }
        }
        let rest = parser.raw_args().map_err(|error| usage(&error.to_string()))?.collect();
        let command = command.unwrap_or_else(|| "help".into());
        let command = command.into_string().map_err(|_| usage("the command's name is not valid UTF-8"))?;
        globals.command.clone_from(&command);
        Ok((globals, command, rest))
    }

    /// One option; gives a command when the option stands for one.
    fn option(&mut self, option: &str, parser: &mut Parser) -> Result<Option<&'static str>, Failure> {
        let mut value = || parser.value().map_err(|error| usage(&error.to_string()));
        match option {
            "C" => {
                let path = PathBuf::from(value()?);
                self.directory = Some(self.directory.take().unwrap_or_default().join(path));
            }
            "c" => {
                let text = value()?;
                self.config.push(split_assignment(&text)?);
            }
            "config-env" => {
                let text = value()?;
                let (name, variable) = split_assignment(&text)?;
                let variable = variable.filter(|v| !v.is_empty()).ok_or_else(|| {
                    Failure::fatal(format_args!(
                        "missing environment variable name for configuration '{name}'"
                    ))
                })?;
                let value = self.environment.get(&variable).cloned().ok_or_else(|| {
                    Failure::fatal(format_args!(
                        "missing environment variable '{}' for configuration '{name}'",
                        variable.to_string_lossy()
                    ))
                })?;
                self.config.push((name, Some(value)));
            }
            "git-dir" => self.git_dir = Some(value()?.into()),
            "work-tree" => self.work_tree = Some(value()?.into()),
            "namespace" => self.namespace = Some(value()?),
            "shallow-file" => self.shallow_file = Some(value()?.into()),
            "bare" => self.bare = true,
            "no-replace-objects" => self.no_replace_objects = true,
            "exec-path" => {
                // Commands are built in; a path given is for helpers that are looked up there.
                if let Some(path) = parser.optional_value() {
                    self.environment.insert("GIT_EXEC_PATH".into(), path);
                } else {
                    let program = std::env::current_exe().unwrap_or_default();
                    println!("{}", program.parent().unwrap_or(Path::new("")).display());
                    std::process::exit(0);
                }
            }
            "v" | "version" => return Ok(Some("version")),
            "h" | "help" => return Ok(Some("help")),
            "p" | "paginate" | "P" | "no-pager" | "no-optional-locks" | "no-advice" | "literal-pathspecs" => {
            }
            "no-lazy-fetch" => {
                self.environment.insert("GIT_NO_LAZY_FETCH".into(), "1".into());
            }
            other => {
                let dashes = if other.chars().count() == 1 { "-" } else { "--" };
                return Err(Failure::plain(129, format!("unknown option: {dashes}{other}\nusage: {USAGE}")));
            }
        }
        Ok(None)
    }

    /// Goes where `-C` says. This is the program's one use of the current directory beyond reading it.
    pub(crate) fn apply(&self) -> Result<(), Failure> {
        match &self.directory {
            Some(directory) if !directory.as_os_str().is_empty() => std::env::set_current_dir(directory)
                .map_err(|error| {
                    let reason = error.to_string();
                    let reason = reason.split(" (os error").next().unwrap_or(&reason).to_owned();
                    Failure::fatal(format_args!("cannot change to '{}': {reason}", directory.display()))
                }),
            _ => Ok(()),
        }
    }

    /// A variable of the environment.
    pub(crate) fn var(&self, name: &str) -> Option<&OsStr> {
        self.environment.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// A variable of the environment that is text and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.var(name).and_then(OsStr::to_str).filter(|value| !value.is_empty())
    }
}

/// `name=value`, or a name alone.
fn split_assignment(text: &OsStr) -> Result<(String, Option<OsString>), Failure> {
    let bytes = text.as_encoded_bytes();
    let (name, value) = match bytes.iter().position(|b| *b == b'=') {
        Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
        None => (bytes, None),
    };
    let name =
        std::str::from_utf8(name).map_err(|_| Failure::fatal("a configuration key is not valid UTF-8"))?;
    let value = value.map(|value| os_string(value.to_vec()));
    Ok((name.to_owned(), value))
}

/// Bytes as the operating system would give them.
pub(crate) fn os_string(bytes: Vec<u8>) -> OsString {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt as _;
        OsString::from_vec(bytes)
    }
    #[cfg(not(unix))]
    {
        OsString::from(String::from_utf8_lossy(&bytes).into_owned())
    }
}

const USAGE: &str = "git-core [-v | --version] [-h | --help] [-C <path>] [-c <name>=<value>]
           [--exec-path[=<path>]] [--no-replace-objects] [--bare]
           [--git-dir=<path>] [--work-tree=<path>] [--namespace=<name>]
           [--config-env=<name>=<envvar>] <command> [<args>]";

fn usage(text: &str) -> Failure {
    Failure::plain(129, format!("{text}\nusage: {USAGE}"))
}
