//! Contents as they are outside of the repository: changed as for a working tree, or put into words by a command.

use crate::Repository;
use crate::archive::{ShellFilters, line_ends, shell};
use crate::attributes::{PathAttributes, SharedAttributes, outer_attributes};
use bstr::{BStr, BString, ByteSlice as _};
use git_core_object::{BoxError, ObjectId};
use git_core_store::config::ConfigError;
use git_core_worktree::archive::Smudge as _;
use git_core_worktree::attributes::Attributes;
use git_core_worktree::text::{Conversion, LineEnds};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

/// What attributes and configuration say is done to the contents of files.
pub struct Conversions {
    paths: PathAttributes,
    ends: LineEnds,
    filters: ShellFilters,
    /// The commands of `diff.<driver>.textconv`.
    drivers: Vec<(BString, BString)>,
    /// Where commands run.
    directory: Option<PathBuf>,
}

impl Conversions {
    /// Those of a repository.
    ///
    /// # Errors
    /// [`ConfigError`] when the configuration cannot be understood.
    pub fn new(repository: &Repository, shared: &SharedAttributes) -> Result<Self, ConfigError> {
        let config = repository.config();
        let outer = outer_attributes(repository, shared)?;
        let directory = repository.work_tree().map(Into::into);
        let mut drivers = Vec::new();
        for name in config.subsections("diff") {
            let key = [b"diff.", name.as_bytes(), b".textconv"].concat();
            if let Some(command) = config.text(key)? {
                drivers.push((name.into(), command.into()));
            }
        }
        Ok(Conversions {
            paths: PathAttributes::new(repository, &outer),
            ends: line_ends(config)?,
            filters: ShellFilters::of(config, directory.clone())?,
            drivers,
            directory,
        })
    }

    /// The content of a file as a checkout would write it.
    ///
    /// # Errors
    /// Whatever hinders a filter that is required, in git's words.
    pub fn to_worktree(&mut self, path: &BStr, id: &ObjectId, content: Vec<u8>) -> Result<Vec<u8>, BoxError> {
        let conversion = Conversion::of(&self.paths.of_file(path), self.ends);
        let content = conversion.text(&content, id).into_owned();
        if let Some(name) = conversion.filter()
            && let Some(filtered) = self.filters.smudge(name.as_bstr(), path, &content)?
        {
            return Ok(filtered);
        }
        Ok(content)
    }

    /// The content of a file as its diff driver puts it into words; as it is, if none does.
    ///
    /// # Errors
    /// Whatever hinders the command, in git's words.
    pub fn in_words(&mut self, path: &BStr, id: &ObjectId, content: Vec<u8>) -> Result<Vec<u8>, BoxError> {
        let Some(command) = driver(&self.drivers, &self.paths.of_file(path)) else { return Ok(content) };
        // A file as the command would find it in a working tree.
        let content = self.to_worktree(path, id, content)?;
        let unable = || BoxError::from("unable to read files to diff");
        let folder = tempfile::Builder::new().prefix("git-blob-").tempdir().map_err(|_| unable())?;
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let file = folder.path().join(name.to_path().map_err(|_| unable())?);
        std::fs::File::create_new(&file)
            .and_then(|mut file| file.write_all(&content))
            .map_err(|_| unable())?;
        let mut shell = shell(&[command.as_slice(), b" \"$@\""].concat())?;
        if let Some(directory) = &self.directory {
            shell.current_dir(directory);
        }
        let done = shell.arg("textconv").arg(&file).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        match done {
            Ok(done) if done.status.success() => Ok(done.stdout),
            _ => Err(unable()),
        }
    }
}

fn driver(drivers: &[(BString, BString)], attributes: &Attributes<'_>) -> Option<BString> {
    let name = attributes.value("diff")?;
    drivers.iter().find(|(driver, _)| driver == name).map(|(_, command)| command.clone())
}
