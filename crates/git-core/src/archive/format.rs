//! Which formats a repository knows: tar and zip, and tar files behind the commands that `tar.<format>.command` names.

use bstr::{BStr, BString, ByteSlice as _};
use git_core_store::config::{Config, ConfigError};

/// The built-in command behind `tar.gz` and `tgz`.
const GZIP: &str = "git archive gzip";

/// The formats, in the order in which `git archive --list` has them.
#[derive(Clone, Debug)]
pub struct Formats(Vec<NamedFormat>);

/// One format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFormat {
    /// Its name, which is also the suffix of its files.
    pub name: BString,
    /// Whether others may ask for it (`tar.<format>.remote`).
    pub remote: bool,
    pub(super) form: Form,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Tar,
    Gzip,
    /// Tar through a command of the shell.
    Filter(BString),
    Zip,
}

impl NamedFormat {
    /// Whether files of this format may be compressed at this level.
    pub(super) fn takes_level(&self, level: u32) -> bool {
        match self.form {
            Form::Tar => false,
            Form::Zip => level <= 9,
            Form::Gzip | Form::Filter(_) => true,
        }
    }
}

impl Formats {
    /// The formats that a configuration knows.
    ///
    /// # Errors
    /// [`ConfigError`] when a variable makes no sense.
    pub fn of(config: &Config) -> Result<Self, ConfigError> {
        let mut filters: Vec<(BString, Option<BString>, bool)> = Vec::new();
        for name in ["tgz", "tar.gz"] {
            filters.push((name.into(), Some(GZIP.into()), true));
        }
        for entry in config.entries() {
            let key = entry.key();
            let Some(rest) = key.strip_prefix(b"tar.") else { continue };
            let Some(dot) = rest.rfind_byte(b'.') else { continue };
            let (name, variable) = (&rest[..dot], &rest[dot + 1..]);
            let at = match filters.iter().position(|(known, ..)| known == name) {
                Some(at) => at,
                None => {
                    filters.push((name.into(), None, false));
                    filters.len() - 1
                }
            };
            match variable {
                b"command" => filters[at].1 = Some(entry.to_text()?.into()),
                b"remote" => filters[at].2 = entry.to_bool()?,
                _ => {}
            }
        }
        let mut formats = vec![NamedFormat { name: "tar".into(), remote: true, form: Form::Tar }];
        for (name, command, remote) in filters {
            let Some(command) = command else { continue };
            let form = if command == GZIP { Form::Gzip } else { Form::Filter(command) };
            formats.push(NamedFormat { name, remote, form });
        }
        formats.push(NamedFormat { name: "zip".into(), remote: true, form: Form::Zip });
        Ok(Formats(formats))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &NamedFormat> {
        self.0.iter()
    }

    /// The format of this name.
    pub fn find(&self, name: &[u8]) -> Option<&NamedFormat> {
        self.0.iter().find(|format| format.name == name)
    }

    /// The format that the name of a file suggests.
    pub fn for_file(&self, file: &BStr) -> Option<&NamedFormat> {
        self.0.iter().find(|format| {
            let stem = file.strip_suffix(format.name.as_slice()).and_then(|stem| stem.strip_suffix(b"."));
            stem.is_some_and(|stem| !stem.is_empty())
        })
    }
}
