//! Commands of the shell that contents pass through: `filter.<driver>.smudge`, as the configuration has them.

use bstr::{BStr, BString, ByteSlice as _};
use git_core_object::BoxError;
use git_core_store::config::{Config, ConfigError};
use git_core_worktree::archive::Smudge;
use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The filters of a repository.
pub(crate) struct ShellFilters {
    drivers: Vec<Driver>,
    /// Where commands run.
    directory: Option<PathBuf>,
}

struct Driver {
    name: BString,
    smudge: Option<BString>,
    process: bool,
    required: bool,
}

impl ShellFilters {
    pub(crate) fn of(config: &Config, directory: Option<PathBuf>) -> Result<Self, ConfigError> {
        let mut drivers = Vec::new();
        for name in config.subsections("filter") {
            let key = |variable: &str| [b"filter.", name.as_bytes(), b".", variable.as_bytes()].concat();
            let smudge = config.text(key("smudge"))?.filter(|text| !text.is_empty());
            drivers.push(Driver {
                name: name.into(),
                smudge: smudge.map(Into::into),
                process: config.text(key("process"))?.is_some_and(|text| !text.is_empty()),
                required: config.bool(key("required"))?.unwrap_or(false),
            });
        }
        Ok(ShellFilters { drivers, directory })
    }
}

impl Smudge for ShellFilters {
    fn smudge(&self, filter: &BStr, path: &BStr, content: &[u8]) -> Result<Option<Vec<u8>>, BoxError> {
        let Some(driver) = self.drivers.iter().find(|driver| driver.name == filter) else { return Ok(None) };
        let failed = || format!("{path}: smudge filter {filter} failed");
        if driver.process && driver.smudge.is_none() {
            // Filters that stay are not spoken with.
            return if driver.required { Err(failed().into()) } else { Ok(None) };
        }
        let Some(command) = &driver.smudge else {
            return if driver.required { Err(failed().into()) } else { Ok(None) };
        };
        let mut shell = shell(&expand(command, path))?;
        if let Some(directory) = &self.directory {
            shell.current_dir(directory);
        }
        match run(&mut shell, content) {
            Ok(out) => Ok(Some(out)),
            Err(error) if driver.required => Err(format!("{}: {error}", failed()).into()),
            Err(_) => Ok(None),
        }
    }
}

/// `%f` becomes the path, quoted for the shell.
fn expand(command: &[u8], path: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = command;
    while let Some((&byte, behind)) = rest.split_first() {
        match (byte, behind.first()) {
            (b'%', Some(b'f')) => {
                out.push(b'\'');
                for &byte in path {
                    match byte {
                        b'\'' | b'!' => out.extend([b'\'', b'\\', byte, b'\'']),
                        _ => out.push(byte),
                    }
                }
                out.push(b'\'');
                rest = &behind[1..];
            }
            (b'%', Some(b'%')) => {
                out.push(b'%');
                rest = &behind[1..];
            }
            _ => {
                out.push(byte);
                rest = behind;
            }
        }
    }
    out
}

/// A command line for the shell.
pub(crate) fn shell(line: &[u8]) -> Result<Command, BoxError> {
    let mut command = Command::new("sh");
    let line: &OsStr = line.to_os_str().map_err(|error| BoxError::from(error.to_string()))?;
    command.arg("-c").arg(line);
    Ok(command)
}

/// Runs a command that is given all of `input`.
fn run(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, BoxError> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (Some(mut stdin), Some(mut stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("no pipes".into());
    };
    let mut out = Vec::new();
    let read = std::thread::scope(|scope| {
        // A command that does not read all of it is none the worse for that.
        scope.spawn(move || drop(stdin.write_all(input)));
        stdout.read_to_end(&mut out)
    });
    let status = child.wait()?;
    read?;
    if !status.success() {
        return Err(status.to_string().into());
    }
    Ok(out)
}
