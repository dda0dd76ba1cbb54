//! The commit-graph of a repository on a disk.

use super::{Repository, Seen};
use git_core_object::{Context, ErrorKind, ReadError};
use git_core_store::config::ConfigError;
use git_core_store::fs::commit_graph::{
    GraphFinding, GraphSource, GraphWriteError, GraphWriteOptions, GraphWritten, SplitOptions, VerifyDepth,
    verify_commit_graph, write_commit_graph,
};
use git_core_store::fs::sys::{Disk, RealDisk};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the commit-graph was not written or verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// The repository is not on a disk, or does not have this object directory.
    #[error("could not find object directory matching {0}")]
    NoDirectory(String),
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] GraphWriteError),
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The configuration is not as it must be.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl GraphError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            GraphError::NoDirectory(_) => ErrorKind::NotFound,
            GraphError::Write(error) => error.kind(),
            GraphError::Read(error) => error.kind(),
            GraphError::Config(error) => error.kind(),
        }
    }
}

impl Repository {
    /// Writes the commit-graph; `directory` names another object directory than the repository's own, one that it
    /// borrows from.
    ///
    /// # Errors
    /// [`GraphError`].
    pub fn write_commit_graph(
        &self,
        directory: Option<&Path>,
        options: &GraphWriteOptions,
        cx: &Context,
    ) -> Result<GraphWritten, GraphError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::default());
        let (objects, alternates) = self.object_directories(directory)?;
        let mut options = options.clone();
        options.alternates.extend(alternates);
        options.ignore_replacements = self.inner.replace == super::ReplaceRefs::Ignored;
        Ok(write_commit_graph(&objects, &disk, &*self.seen(Seen::History)?, &options, cx)?)
    }

    /// Adds everything that refs reach to a commit-graph in several files: what `fetch` does when it is told to
    /// (`fetch.writeCommitGraph`).
    ///
    /// # Errors
    /// [`GraphError`].
    pub fn extend_commit_graph(&self, cx: &Context) -> Result<GraphWritten, GraphError> {
        let mut options = GraphWriteOptions::configured(self.config())?;
        options.source = GraphSource::Reachable;
        options.split = Some(SplitOptions::default());
        self.write_commit_graph(None, &options, cx)
    }

    /// Compares the commit-graph with the commits; gives what is wrong with it.
    ///
    /// # Errors
    /// [`GraphError`].
    pub fn verify_commit_graph(
        &self,
        directory: Option<&Path>,
        depth: VerifyDepth,
        cx: &Context,
    ) -> Result<Vec<GraphFinding>, GraphError> {
        let (objects, alternates) = self.object_directories(directory)?;
        Ok(verify_commit_graph(&objects, &alternates, &*self.snapshot()?, depth, cx)?)
    }

    /// The object directory of the repository, or the one of its alternates that is named.
    ///
    /// # Errors
    /// [`GraphError::NoDirectory`] when it is neither; [`GraphError::Read`] when the alternates cannot be read.
    pub fn object_directory(&self, named: Option<&Path>) -> Result<PathBuf, GraphError> {
        self.object_directories(named).map(|(objects, _)| objects)
    }

    fn object_directories(&self, named: Option<&Path>) -> Result<(PathBuf, Vec<PathBuf>), GraphError> {
        let unknown = || GraphError::NoDirectory(named.unwrap_or(Path::new("objects")).display().to_string());
        let layout = self.layout().ok_or_else(unknown)?;
        let Some(named) = named else { return Ok((layout.objects_dir.clone(), layout.alternates.clone())) };
        let real = |path: &Path| path.canonicalize().ok();
        let wanted = real(named).ok_or_else(unknown)?;
        if real(&layout.objects_dir).is_some_and(|own| own == wanted) {
            return Ok((layout.objects_dir.clone(), layout.alternates.clone()));
        }
        let others = git_core_store::fs::alternate_directories(&layout.objects_dir, &layout.alternates)?;
        match others.into_iter().find(|other| real(other).is_some_and(|other| other == wanted)) {
            Some(found) => Ok((found, Vec::new())),
            None => Err(unknown()),
        }
    }
}
