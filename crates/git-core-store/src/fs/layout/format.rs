//! The format of a repository, from its own configuration file: `core.repositoryFormatVersion`, `extensions.*`
//! and what tells a bare repository (`gitrepository-layout(5)`, `git-config(1)` on `extensions`).
//!
//! Includes do not count here, and other scopes neither, just as in git.

use super::OpenError;
use bstr::ByteSlice as _;
use git_core_config::{Document, Entry, InvalidValue};
use git_core_object::ObjectFormat;
use std::io;
use std::path::{Path, PathBuf};

/// What a repository's own configuration says about its format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepositoryFormat {
    /// `core.repositoryFormatVersion`, 0 or 1.
    pub version: i64,
    /// `extensions.objectFormat`.
    pub object_format: ObjectFormat,
    /// `extensions.partialClone`: the promisor remote.
    pub partial_clone: Option<String>,
    /// `extensions.preciousObjects`: objects must not be removed.
    pub precious_objects: bool,
    /// `extensions.worktreeConfig`: `config.worktree` is read too.
    pub worktree_config: bool,
    /// `core.bare`.
    pub bare: Option<bool>,
    /// `core.worktree`, relative to the git directory.
    pub work_tree: Option<PathBuf>,
}

impl RepositoryFormat {
    /// Reads `config`, and `config.worktree` where that counts. A file that is not there says nothing.
    ///
    /// # Errors
    /// [`OpenError`] for a damaged file, a version above 1, extensions that are not known or not supported.
    pub fn read(git_dir: &Path, common_dir: &Path) -> Result<Self, OpenError> {
        let mut format = RepositoryFormat::default();
        let path = common_dir.join("config");
        let Some(config) = document(&path)? else { return Ok(format) };
        let mut extensions = Extensions::default();
        for entry in config.entries() {
            match entry.section().as_bytes() {
                b"core" if entry.subsection().is_none() => format.core(&entry, &path)?,
                b"extensions" if entry.subsection().is_none() => {
                    extensions.take(&mut format, &entry, &path)?
                }
                _ => {}
            }
        }
        // Without a version, extensions mean nothing.
        if config.get("core.repositoryformatversion").is_none() {
            format = RepositoryFormat { bare: format.bare, work_tree: format.work_tree, ..Self::default() };
        } else {
            extensions.judge(&format)?;
        }
        if format.worktree_config {
            // There these two belong to one working tree.
            let path = git_dir.join("config.worktree");
            if let Some(own) = document(&path)? {
                for entry in own.entries() {
                    if entry.section() == "core" && entry.subsection().is_none() {
                        format.core(&entry, &path)?;
                    }
                }
            }
        }
        Ok(format)
    }

    fn core(&mut self, entry: &Entry<'_>, path: &Path) -> Result<(), OpenError> {
        match entry.name().as_bytes() {
            b"repositoryformatversion" => self.version = entry.value().to_int().map_err(bad(entry, path))?,
            b"bare" => self.bare = Some(entry.value().to_bool().map_err(bad(entry, path))?),
            b"worktree" => self.work_tree = Some(entry.value().to_path(None).map_err(bad(entry, path))?),
            _ => {}
        }
        Ok(())
    }
}

/// Extensions that need a judgement once the version is known.
#[derive(Default)]
struct Extensions {
    unknown: Vec<String>,
    version_1_only: Vec<String>,
    unsupported: Option<(&'static str, String)>,
}

impl Extensions {
    fn take(
        &mut self,
        format: &mut RepositoryFormat,
        entry: &Entry<'_>,
        path: &Path,
    ) -> Result<(), OpenError> {
        let text = || entry.value().text().unwrap_or_default().to_string();
        match entry.name().as_bytes() {
            b"noop" => {}
            b"preciousobjects" => {
                format.precious_objects = entry.value().to_bool().map_err(bad(entry, path))?
            }
            b"partialclone" => format.partial_clone = Some(text()),
            b"worktreeconfig" => {
                format.worktree_config = entry.value().to_bool().map_err(bad(entry, path))?
            }
            name @ (b"noop-v1"
            | b"objectformat"
            | b"refstorage"
            | b"compatobjectformat"
            | b"relativeworktrees") => {
                self.version_1_only.push(entry.name().to_string());
                match name {
                    b"objectformat" => {
                        format.object_format = text().parse().map_err(|_| invalid(entry, path))?;
                    }
                    b"refstorage" if text() == "reftable" => {
                        self.unsupported = Some(("refStorage", text()));
                    }
                    b"refstorage" if text() != "files" => return Err(invalid(entry, path)),
                    b"compatobjectformat" => self.unsupported = Some(("compatObjectFormat", text())),
                    _ => {}
                }
            }
            _ => self.unknown.push(entry.name().to_string()),
        }
        Ok(())
    }

    /// Version 0 knows only the first four, and does not mind others.
    fn judge(self, format: &RepositoryFormat) -> Result<(), OpenError> {
        match format.version {
            ..=0 if !self.version_1_only.is_empty() => {
                return Err(OpenError::VersionTooLow { names: self.version_1_only });
            }
            ..=0 => {}
            1 if !self.unknown.is_empty() => {
                return Err(OpenError::UnknownExtensions { names: self.unknown });
            }
            1 => {}
            found => return Err(OpenError::Version { found }),
        }
        match self.unsupported {
            Some((name, value)) => Err(OpenError::Unsupported { name, value }),
            None => Ok(()),
        }
    }
}

fn document(path: &Path) -> Result<Option<Document>, OpenError> {
    match std::fs::read(path) {
        Ok(text) => Document::parse(&text)
            .map(Some)
            .map_err(|error| OpenError::BadConfig { path: path.to_path_buf(), line: error.line }),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(OpenError::unavailable(path, error)),
    }
}

fn bad<'a>(entry: &'a Entry<'_>, path: &'a Path) -> impl FnOnce(InvalidValue) -> OpenError + 'a {
    move |error| OpenError::BadValue {
        path: path.to_path_buf(),
        key: entry.key().to_string(),
        reason: error.to_string(),
    }
}

fn invalid(entry: &Entry<'_>, path: &Path) -> OpenError {
    let value = entry.value().text().unwrap_or_default();
    OpenError::BadValue {
        path: path.to_path_buf(),
        key: entry.key().to_string(),
        reason: format!("invalid value '{value}'"),
    }
}
