//! Comparing a commit-graph with the commits it tells of.

use super::{Found, load};
use crate::Snapshot;
use crate::fs::alternates::alternates;
use git_core_idx::graph::{GraphError, GraphPosition};
use git_core_object::{Context, Kind, ObjectId, Phase, ReadError, commit};
use std::path::{Path, PathBuf};

/// How much of a chain is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerifyDepth {
    /// All of its files.
    #[default]
    Chain,
    /// The highest file alone.
    Tip,
}

/// Something that is wrong with a commit-graph.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GraphFinding {
    /// Of what class it is.
    pub class: FindingClass,
    /// What, in words.
    pub text: String,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingClass {
    /// A file that cannot be opened.
    Open,
    /// A checksum.
    Checksum,
    /// What the file says.
    Content,
}

/// Reads the commit-graph of the object directory `objects` and every commit that it tells of. Gives what is
/// wrong; nothing when there is no graph.
///
/// # Errors
/// [`ReadError`] when the walk was cancelled or the storage cannot be read.
pub fn verify_commit_graph(
    objects: &Path,
    more_alternates: &[PathBuf],
    snapshot: &dyn Snapshot,
    depth: VerifyDepth,
    cx: &Context,
) -> Result<Vec<GraphFinding>, ReadError> {
    let others = alternates(objects, more_alternates)?;
    let dirs: Vec<&Path> = std::iter::once(objects).chain(others.iter().map(PathBuf::as_path)).collect();
    let (found, problems) = load(&dirs, snapshot.format());
    let mut verify = Verify { snapshot, findings: Vec::new(), buf: Vec::new(), cx };
    problems.iter().for_each(|problem| verify.add(FindingClass::Open, problem));
    if let Some(found) = found {
        found.problems.iter().for_each(|problem| verify.add(FindingClass::Open, problem));
        verify.graph(&found, depth)?;
    }
    Ok(verify.findings)
}

struct Verify<'a> {
    snapshot: &'a dyn Snapshot,
    findings: Vec<GraphFinding>,
    buf: Vec<u8>,
    cx: &'a Context,
}

impl Verify<'_> {
    fn finding(&mut self, text: impl std::fmt::Display) {
        self.add(FindingClass::Content, text);
    }

    fn add(&mut self, class: FindingClass, text: impl std::fmt::Display) {
        self.findings.push(GraphFinding { class, text: text.to_string() });
    }

    fn graph(&mut self, found: &Found, depth: VerifyDepth) -> Result<(), ReadError> {
        let graph = &found.graph;
        let layers = graph.layers();
        let lowest = if depth == VerifyDepth::Tip { layers.len() - 1 } else { 0 };
        for layer in &layers[lowest..] {
            if let Err(error) = layer.verify() {
                let class = match error {
                    GraphError::Checksum => FindingClass::Checksum,
                    _ => FindingClass::Content,
                };
                self.add(class, error);
            }
        }
        let first: u32 = layers[..lowest].iter().map(|layer| layer.count()).sum();
        let mut task = self.cx.task(Phase::GraphVerify, Some(u64::from(graph.count() - first)));
        for at in first..graph.count() {
            self.commit(found, GraphPosition(at))?;
            task.add(1);
            if at.is_multiple_of(1024) {
                self.cx.check()?;
            }
        }
        Ok(())
    }

    fn commit(&mut self, found: &Found, at: GraphPosition) -> Result<(), ReadError> {
        let graph = &found.graph;
        let id = graph.id(at);
        if graph.lookup(&id) != Some(at) {
            self.finding(format_args!("failed to parse commit {id} from commit-graph"));
            return Ok(());
        }
        let mut content = std::mem::take(&mut self.buf);
        let read = match self.snapshot.read(&id, &mut content) {
            Ok(Some(Kind::Commit)) => commit::links(id.format(), &content).ok(),
            Ok(_) | Err(ReadError::Corrupt { .. }) => None,
            Err(error) => return Err(error),
        };
        match read {
            None => self
                .finding(format_args!("failed to parse commit {id} from object database for commit-graph")),
            Some(links) => {
                let parents: Vec<ObjectId> = links.parents().collect();
                self.compare(found, at, &links.tree, links.time, &parents);
            }
        }
        self.buf = content;
        Ok(())
    }

    fn compare(
        &mut self,
        found: &Found,
        at: GraphPosition,
        tree: &ObjectId,
        time: i64,
        parents: &[ObjectId],
    ) {
        let graph = &found.graph;
        let id = graph.id(at);
        if graph.tree(at) != *tree {
            self.finding(format_args!(
                "root tree OID for commit {id} in commit-graph is {} != {tree}",
                graph.tree(at)
            ));
        }
        let (mut level, mut corrected, mut count) = (0, 0, 0);
        for parent in graph.parents(at) {
            let parent = match parent {
                Ok(parent) => parent,
                Err(error) => return self.finding(error),
            };
            match parents.get(count) {
                None => {
                    return self
                        .finding(format_args!("commit-graph parent list for commit {id} is too long"));
                }
                Some(expected) if *expected != graph.id(parent) => self.finding(format_args!(
                    "commit-graph parent for {id} is {} != {expected}",
                    graph.id(parent)
                )),
                Some(_) => {}
            }
            count += 1;
            level = level.max(graph.level(parent));
            corrected = corrected.max(graph.generation(parent).unwrap_or(u64::MAX - 1));
        }
        if count < parents.len() {
            self.finding(format_args!("commit-graph parent list for commit {id} terminates early"));
        }
        let stored = graph.level(at);
        let expected = (level + 1).min(git_core_idx::graph::MAX_LEVEL);
        if stored != 0 && !graph.has_corrected_dates() && stored != expected {
            self.finding(format_args!("commit-graph generation for commit {id} is {stored} < {expected}"));
        }
        if graph.has_corrected_dates()
            && let Ok(stored) = graph.generation(at)
            && stored < corrected.saturating_add(1)
        {
            let expected = corrected.saturating_add(1);
            self.finding(format_args!("commit-graph generation for commit {id} is {stored} < {expected}"));
        }
        let time = time.max(0);
        if graph.time(at) != time & ((1 << 34) - 1) {
            self.finding(format_args!(
                "commit date for commit {id} in commit-graph is {} != {time}",
                graph.time(at)
            ));
        }
    }
}
