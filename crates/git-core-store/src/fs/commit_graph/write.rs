//! Writing the commit-graph: which commits are in it, and in how many files.

use super::chain::{SplitOptions, publish};
use super::collect::Commits;
use super::filters::{self, FilterWish};
use super::{Found, load};
use crate::config::{Config, ConfigError};
use crate::fs::alternates::alternates;
use crate::fs::sys::Disk;
use crate::lock::LockError;
use crate::walk::peel;
use crate::{Alterations, Snapshot};
use git_core_idx::SharedBytes;
use git_core_idx::graph::{
    CommitGraph, FilterSettings, Generations, GraphError, GraphOptions, GraphPosition, write_graph,
};
use git_core_object::{BoxError, Context, ErrorKind, Kind, ObjectId, ReadError, Stopped};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a commit-graph is made of, and how it is stored.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct GraphWriteOptions {
    /// Where commits are taken from.
    pub source: GraphSource,
    /// Also keeps the commits that are in the graph already.
    pub append: bool,
    /// Writes a chain of files; `None` for one file.
    pub split: Option<SplitOptions>,
    /// Which generations are stored (`commitGraph.generationVersion`).
    pub generations: Generations,
    /// Whether filters of changed paths are stored.
    pub changed_paths: ChangedPaths,
    /// The version of the filters; `None` for that of the present graph, or 1
    /// (`commitGraph.changedPathsVersion`).
    pub filter_version: Option<u32>,
    /// How many filters are made anew at most (`commitGraph.maxNewFilters`).
    pub max_new_filters: Option<u64>,
    /// Writes it in spite of replacement refs, for who does not look through them.
    pub ignore_replacements: bool,
    /// Object directories that are borrowed from, beside those that `info/alternates` names.
    pub alternates: Vec<PathBuf>,
}

impl GraphWriteOptions {
    /// What the configuration says: `commitGraph.*`.
    ///
    /// # Errors
    /// [`ConfigError`] when a value is not of its kind.
    pub fn configured(config: &Config) -> Result<Self, ConfigError> {
        let mut options = GraphWriteOptions::default();
        if config.int("commitGraph.generationVersion")? == Some(1) {
            options.generations = Generations::Levels;
        }
        if let Some(most) = config.int("commitGraph.maxNewFilters")? {
            options.max_new_filters = u64::try_from(most).ok();
        }
        if config.bool("commitGraph.changedPaths")? == Some(true) {
            options.changed_paths = ChangedPaths::Store;
        }
        options.filter_version = match config.int("commitGraph.changedPathsVersion")? {
            Some(2) => Some(2),
            Some(0 | 1) => Some(1),
            _ => None,
        };
        Ok(options)
    }
}

/// Where the commits of a graph are taken from; what they reach is in it too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum GraphSource {
    /// All packs.
    #[default]
    Packs,
    /// These packs, by the file names of their indexes.
    NamedPacks(Vec<String>),
    /// All refs.
    Reachable,
    /// These commits, or tags of commits; objects of other kinds are passed over.
    Commits(Vec<ObjectId>),
}

/// Whether filters of changed paths are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChangedPaths {
    /// If the present graph has them.
    #[default]
    AsBefore,
    /// Yes.
    Store,
    /// No.
    Omit,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GraphWritten {
    /// A file of so many commits was written.
    File {
        /// The commits in it, without those of the files below.
        commits: u32,
    },
    /// There was nothing to write.
    Nothing,
    /// The history is not to be seen as the commits tell it: shallow commits, grafts or replacements.
    Unsuitable,
}

/// Why a commit-graph could not be written. The one that was there is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphWriteError {
    /// An object could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The format has no room for it.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Somebody else is writing it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A pack that was named is not there.
    #[error("error adding pack {0}")]
    NoSuchPack(String),
    /// A commit that was named is not there.
    #[error("invalid object: {0}")]
    NoSuchCommit(ObjectId),
    /// The file system refused.
    #[error("unable to write {}", .path.display())]
    Unavailable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: BoxError,
    },
    /// It was cancelled.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl GraphWriteError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            GraphWriteError::Read(error) => error.kind(),
            GraphWriteError::Graph(error) => error.kind(),
            GraphWriteError::Lock(error) => error.kind(),
            GraphWriteError::NoSuchPack(_) | GraphWriteError::NoSuchCommit(_) => ErrorKind::NotFound,
            GraphWriteError::Unavailable { .. } => ErrorKind::Unavailable,
            GraphWriteError::Stopped(stopped) => stopped.kind(),
        }
    }
}

pub(super) fn unavailable(path: &Path, source: impl Into<BoxError>) -> GraphWriteError {
    GraphWriteError::Unavailable { path: path.to_owned(), source: source.into() }
}

/// Writes the commit-graph of the object directory `objects`, whose state is `snapshot`.
///
/// # Errors
/// [`GraphWriteError`].
pub fn write_commit_graph(
    objects: &Path,
    disk: &Arc<dyn Disk>,
    snapshot: &dyn Snapshot,
    options: &GraphWriteOptions,
    cx: &Context,
) -> Result<GraphWritten, GraphWriteError> {
    let altered = snapshot.alters_history()
        || !options.ignore_replacements && !Alterations::replacements(snapshot, b"refs/replace/")?.is_empty();
    if altered || !snapshot.shallow().is_empty() {
        return Ok(GraphWritten::Unsuitable);
    }
    let others = alternates(objects, &options.alternates)?;
    let dirs: Vec<&Path> = std::iter::once(objects).chain(others.iter().map(PathBuf::as_path)).collect();
    let (existing, problems) = load(&dirs, snapshot.format());
    for problem in problems {
        tracing::warn!(problem, "the commit-graph that is there is passed over");
    }
    let existing = existing.as_ref();
    let graph = existing.map(|found| &found.graph);

    let mut tips = tips(snapshot, &options.source, cx)?;
    let (mut kept, mut commits);
    match &options.split {
        None => {
            if let Some(graph) = graph.filter(|_| options.append) {
                add_layers(snapshot, graph, 0, &mut tips)?;
            }
            (kept, commits) = (0, Commits::collect(snapshot, graph, None, &tips, cx)?);
        }
        Some(split) => {
            kept = existing.map_or(0, |found| split.kept(found, objects, 0).max(found.graph.layers().len()));
            if split.strategy == super::SplitStrategy::Replace {
                kept = 0;
            }
            commits = Commits::collect(snapshot, graph, base(existing, kept)?.as_ref(), &tips, cx)?;
            if commits.len() > 0
                && let Some(found) = existing
            {
                let keep = split.kept(found, objects, commits.len() as u64);
                if keep < kept {
                    add_layers(snapshot, &found.graph, keep, &mut tips)?;
                    kept = keep;
                    commits = Commits::collect(snapshot, graph, base(existing, kept)?.as_ref(), &tips, cx)?;
                }
            }
        }
    }
    if commits.len() == 0 {
        return Ok(GraphWritten::Nothing);
    }
    let base = base(existing, kept)?;
    let generations = match &base {
        Some(base) if !base.has_corrected_dates() => Generations::Levels,
        _ => options.generations,
    };
    commits.finish(base.as_ref(), cx)?;
    let wish = filter_wish(graph, options);
    let filters = match wish {
        Some(wish) => Some(filters::make(snapshot, graph, base.as_ref(), &commits, &wish, cx)?),
        None => None,
    };
    let bases: Vec<_> = base.iter().flat_map(|base| base.layers()).map(|layer| layer.checksum()).collect();
    let graph_options = GraphOptions { generations, filters: filters.as_ref(), bases: &bases };
    let bytes = write_graph(snapshot.format(), commits.entries(), &graph_options)?;
    let hash = git_core_idx::graph::GraphFile::open(&bytes[..], snapshot.format())?.checksum().to_string();
    let split = options.split.as_ref().map(|split| (split, kept));
    publish(objects, disk, existing, split, &hash, &bytes)?;
    Ok(GraphWritten::File { commits: commits.len() as u32 })
}

/// The lowest files of the graph.
fn base(existing: Option<&Found>, kept: usize) -> Result<Option<CommitGraph<SharedBytes>>, GraphError> {
    match existing {
        Some(found) if kept > 0 => CommitGraph::new(found.graph.layers()[..kept].to_vec()).map(Some),
        _ => Ok(None),
    }
}

/// The commits of the files from `from` on, as far as they are still there.
fn add_layers(
    snapshot: &dyn Snapshot,
    graph: &CommitGraph<SharedBytes>,
    from: usize,
    tips: &mut Vec<ObjectId>,
) -> Result<(), ReadError> {
    let first: u32 = graph.layers()[..from].iter().map(|layer| layer.count()).sum();
    for at in first..graph.count() {
        let id = graph.id(GraphPosition(at));
        if snapshot.contains(&id)? {
            tips.push(id);
        }
    }
    Ok(())
}

fn filter_wish(graph: Option<&CommitGraph<SharedBytes>>, options: &GraphWriteOptions) -> Option<FilterWish> {
    let before = graph.and_then(|graph| graph.layers().last()?.filter_settings());
    let wanted = match options.changed_paths {
        ChangedPaths::AsBefore => before.is_some(),
        ChangedPaths::Store => true,
        ChangedPaths::Omit => false,
    };
    let version = options.filter_version.or_else(|| Some(before?.version)).unwrap_or(1);
    let settings = match before {
        Some(before) if before.version == version => before,
        _ => FilterSettings::with_version(version),
    };
    wanted.then_some(FilterWish { settings, max_new: options.max_new_filters.unwrap_or(u64::MAX) })
}

/// The commits that the source names.
fn tips(
    snapshot: &dyn Snapshot,
    source: &GraphSource,
    cx: &Context,
) -> Result<Vec<ObjectId>, GraphWriteError> {
    let (mut tips, mut buf) = (Vec::new(), Vec::new());
    match source {
        GraphSource::Reachable => {
            let mut ids = Vec::new();
            snapshot.for_each_ref(b"refs/", &mut |found| {
                ids.extend(found.peeled.flatten().or(found.target.id()));
                ControlFlow::Continue(())
            })?;
            ids.sort_unstable();
            ids.dedup();
            for id in ids {
                match commit_of(snapshot, id, &mut buf) {
                    // A ref that leads nowhere is the business of others.
                    Err(ReadError::Missing { .. }) => {}
                    other => tips.extend(other?),
                }
            }
        }
        GraphSource::Commits(ids) => {
            for id in ids {
                match commit_of(snapshot, *id, &mut buf) {
                    Err(ReadError::Missing { id }) => return Err(GraphWriteError::NoSuchCommit(id)),
                    other => tips.extend(other?),
                }
            }
        }
        GraphSource::Packs => {
            for pack in snapshot.packs() {
                add_pack(snapshot, pack, &mut tips, cx)?;
            }
        }
        GraphSource::NamedPacks(names) => {
            for name in names {
                let stem = name.strip_suffix(".idx").unwrap_or(name);
                let named = |pack: &&Arc<crate::StoredPack>| {
                    let path = Path::new(&pack.name);
                    path.file_stem().is_some_and(|found| found == stem)
                };
                let pack = snapshot.packs().iter().find(named);
                let pack = pack.ok_or_else(|| GraphWriteError::NoSuchPack(name.clone()))?;
                add_pack(snapshot, pack, &mut tips, cx)?;
            }
        }
    }
    Ok(tips)
}

fn add_pack(
    snapshot: &dyn Snapshot,
    pack: &crate::StoredPack,
    tips: &mut Vec<ObjectId>,
    cx: &Context,
) -> Result<(), GraphWriteError> {
    for (at, id) in pack.pack.idx().ids().enumerate() {
        if at.is_multiple_of(1024) {
            cx.check()?;
        }
        if snapshot.header(&id)?.is_some_and(|header| header.kind == Kind::Commit) {
            tips.push(id);
        }
    }
    Ok(())
}

fn commit_of(
    snapshot: &dyn Snapshot,
    id: ObjectId,
    buf: &mut Vec<u8>,
) -> Result<Option<ObjectId>, ReadError> {
    let (id, kind) = peel(snapshot, id, buf, &mut Vec::new())?;
    Ok((kind == Kind::Commit).then_some(id))
}
