//! The commit-graph of a repository on disk: finding and opening its files, and writing them.
//!
//! A graph is a help that nothing depends on: files that are missing or damaged are passed over with a warning.

mod chain;
mod collect;
mod filters;
mod verify;
mod write;

pub use chain::{SplitOptions, SplitStrategy};
pub use verify::{FindingClass, GraphFinding, VerifyDepth, verify_commit_graph};
pub use write::{
    ChangedPaths, GraphSource, GraphWriteError, GraphWriteOptions, GraphWritten, write_commit_graph,
};

use super::map::Mapped;
use git_core_idx::SharedBytes;
use git_core_idx::graph::{CommitGraph, GraphError, GraphFile};
use git_core_object::ObjectFormat;
use std::io;
use std::path::{Path, PathBuf};

/// What is read of the commit-graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum GraphUse {
    /// Nothing (`core.commitGraph=false`).
    Off,
    /// Everything but corrected commit dates (`commitGraph.generationVersion=1`).
    Levels,
    /// Everything.
    #[default]
    Full,
}

/// The one file of a graph that is not divided.
pub(super) fn single_path(objects: &Path) -> PathBuf {
    objects.join("info/commit-graph")
}

/// The directory of the files of a chain.
pub(super) fn chain_dir(objects: &Path) -> PathBuf {
    objects.join("info/commit-graphs")
}

/// The file that lists the files of a chain, the lowest first.
pub(super) fn chain_path(objects: &Path) -> PathBuf {
    chain_dir(objects).join("commit-graph-chain")
}

/// A file of a chain; its name is its checksum.
pub(super) fn layer_path(objects: &Path, hash: &str) -> PathBuf {
    chain_dir(objects).join(format!("graph-{hash}.graph"))
}

/// A graph, and which object directory each of its files lies in.
pub(super) struct Found {
    pub(super) graph: CommitGraph<SharedBytes>,
    /// The lowest file first.
    pub(super) paths: Vec<PathBuf>,
    /// Whether it was listed as a chain.
    pub(super) chained: bool,
    /// What was wrong with files that were passed over.
    pub(super) problems: Vec<String>,
}

/// The graph of the first of these object directories that has one; `None` when there is none that can be used.
pub(super) fn load(dirs: &[&Path], format: ObjectFormat) -> (Option<Found>, Vec<String>) {
    let mut problems = Vec::new();
    for dir in dirs {
        if let Some(found) = load_single(dir, format, &mut problems) {
            return (Some(found), Vec::new());
        }
        if let Some(mut found) = load_chain(dir, dirs, format, &mut problems) {
            found.problems = std::mem::take(&mut problems);
            return (Some(found), Vec::new());
        }
    }
    (None, problems)
}

fn load_single(dir: &Path, format: ObjectFormat, problems: &mut Vec<String>) -> Option<Found> {
    let path = single_path(dir);
    let opened = open(&path, format, problems)?;
    match CommitGraph::new(vec![opened]) {
        Ok(graph) => Some(Found { graph, paths: vec![path], chained: false, problems: Vec::new() }),
        Err(error) => {
            problems.push(error.to_string());
            None
        }
    }
}

fn load_chain(dir: &Path, dirs: &[&Path], format: ObjectFormat, problems: &mut Vec<String>) -> Option<Found> {
    let list = read_chain(dir, format, problems)?;
    let (mut layers, mut paths) = (Vec::new(), Vec::new());
    for hash in &list {
        let here = dirs.iter().map(|dir| layer_path(dir, hash)).find(|path| path.exists());
        let Some(path) = here else {
            problems.push("unable to find all commit-graph files".to_owned());
            break;
        };
        let Some(layer) = open(&path, format, problems) else { break };
        if layer.checksum().to_string() != *hash {
            problems.push(GraphError::Chain.to_string());
            break;
        }
        layers.push(layer);
        paths.push(path);
        // What is below a file that does not fit is of use without it.
        if let Err(error) = CommitGraph::new(layers.clone()) {
            problems.push(error.to_string());
            layers.pop();
            paths.pop();
            break;
        }
    }
    let graph = CommitGraph::new(layers).ok()?;
    Some(Found { graph, paths, chained: true, problems: Vec::new() })
}

/// The names that a chain lists.
pub(super) fn read_chain(
    dir: &Path,
    format: ObjectFormat,
    problems: &mut Vec<String>,
) -> Option<Vec<String>> {
    let path = chain_path(dir);
    let content = match std::fs::read_to_string(&path) {
        Ok(content) => content,
        Err(error) if absent(&error) => return None,
        Err(error) => {
            problems.push(format!("cannot read {}: {error}", path.display()));
            return None;
        }
    };
    let mut list = Vec::new();
    for line in content.lines() {
        if line.len() != format.hex_len() || !line.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            problems.push(format!("invalid commit-graph chain: line '{line}' not a hash"));
            break;
        }
        list.push(line.to_owned());
    }
    Some(list)
}

fn open(path: &Path, format: ObjectFormat, problems: &mut Vec<String>) -> Option<GraphFile<SharedBytes>> {
    let bytes = match Mapped::open(path) {
        Ok(bytes) => bytes,
        Err(error) if absent(&error) => return None,
        Err(error) => {
            problems.push(format!("cannot read {}: {error}", path.display()));
            return None;
        }
    };
    match GraphFile::open(SharedBytes::new(bytes), format) {
        Ok(file) => Some(file),
        Err(error) => {
            problems.push(error.to_string());
            None
        }
    }
}

fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
