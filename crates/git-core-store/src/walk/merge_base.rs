//! The best common ancestors of commits (`git-merge-base(1)`).

use super::graph::{ByGeneration, Flags, Graph, Node, UNKNOWN};
use crate::Snapshot;
use git_core_object::{Context, ObjectId, ReadError};

const OURS: u8 = 1;
const THEIRS: u8 = 2;
/// What a common ancestor reaches is common as well, and not the best.
const STALE: u8 = 4;
const QUEUED: u8 = 8;
const FOUND: u8 = 16;

/// Finds common ancestors; keeps what it has read of the history.
pub struct MergeBases<'a> {
    graph: Graph<&'a dyn Snapshot>,
    cx: &'a Context,
}

impl<'a> MergeBases<'a> {
    /// Prepares to look in the history of a snapshot.
    pub fn new(snapshot: &'a dyn Snapshot, cx: &'a Context) -> Self {
        MergeBases { graph: Graph::new(snapshot, snapshot.shallow()), cx }
    }

    /// The best common ancestors of `one` and a merge of all `others`, the newest first: those that no other
    /// common ancestor reaches.
    ///
    /// # Errors
    /// [`ReadError`] when a commit is missing or damaged, or the walk was cancelled.
    pub fn of(&mut self, one: ObjectId, others: &[ObjectId]) -> Result<Vec<ObjectId>, ReadError> {
        if others.contains(&one) {
            return Ok(vec![one]);
        }
        let one = self.require(&one)?;
        let others = others.iter().map(|id| self.require(id)).collect::<Result<Vec<_>, _>>()?;
        let mut found = self.common(one, &others)?;
        if found.len() > 1 {
            found = self.best(&found)?;
            self.by_date(&mut found);
        }
        Ok(found.into_iter().map(|node| self.graph.id(node)).collect())
    }

    /// The best common ancestors of all these commits at once, for a merge of many.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn of_all(&mut self, commits: &[ObjectId]) -> Result<Vec<ObjectId>, ReadError> {
        let Some((first, rest)) = commits.split_first() else { return Ok(Vec::new()) };
        let mut found = vec![*first];
        for next in rest {
            let mut bases = Vec::new();
            for one in &found {
                bases.extend(self.of(*next, std::slice::from_ref(one))?);
            }
            found = bases;
        }
        self.independent(&found)
    }

    /// Those of the commits that no other of them reaches, each once, in their order.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn independent(&mut self, commits: &[ObjectId]) -> Result<Vec<ObjectId>, ReadError> {
        let mut nodes: Vec<Node> = Vec::with_capacity(commits.len());
        let mut seen = Flags::default();
        for id in commits {
            let node = self.require(id)?;
            if seen.set(node, FOUND) {
                nodes.push(node);
            }
        }
        let best = self.best(&nodes)?;
        Ok(best.into_iter().map(|node| self.graph.id(node)).collect())
    }

    fn require(&mut self, id: &ObjectId) -> Result<Node, ReadError> {
        let node = self.graph.node(id);
        self.graph.require(node)?;
        Ok(node)
    }

    /// Common ancestors, some of which may reach others, the newest first.
    fn common(&mut self, one: Node, others: &[Node]) -> Result<Vec<Node>, ReadError> {
        let graph = &mut self.graph;
        let (mut flags, mut queue) = (Flags::default(), ByGeneration::default());
        // Commits in the queue that are not stale.
        let mut open = 0usize;
        for (node, side) in std::iter::once((one, OURS)).chain(others.iter().map(|node| (*node, THEIRS))) {
            if flags.get(node) & QUEUED == 0 {
                queue.push(graph.generation(node)?, graph.time(node), node);
                open += 1;
            }
            flags.set(node, side | QUEUED);
        }
        let (mut found, mut visited) = (Vec::new(), 0u64);
        while open > 0
            && let Some(node) = queue.pop()
        {
            visited += 1;
            if visited.is_multiple_of(1024) {
                self.cx.check()?;
            }
            flags.clear(node, QUEUED);
            let mut passed = flags.get(node) & (OURS | THEIRS | STALE);
            open -= usize::from(passed & STALE == 0);
            if passed == OURS | THEIRS {
                if flags.set(node, FOUND) {
                    found.push(node);
                }
                passed |= STALE;
            }
            for at in graph.parents(node) {
                let parent = graph.parent(at);
                let before = flags.get(parent);
                if before & passed == passed {
                    continue;
                }
                graph.require(parent)?;
                flags.set(parent, passed | QUEUED);
                if before & QUEUED == 0 {
                    queue.push(graph.generation(parent)?, graph.time(parent), parent);
                    open += usize::from((before | passed) & STALE == 0);
                } else if before & STALE == 0 && passed & STALE != 0 {
                    open -= 1;
                }
            }
        }
        found.retain(|node| !flags.has(*node, STALE));
        self.by_date(&mut found);
        Ok(found)
    }

    fn by_date(&self, nodes: &mut [Node]) {
        nodes.sort_by_key(|node| std::cmp::Reverse(self.graph.time(*node)));
    }

    /// Those that no other reaches, in their order.
    fn best(&mut self, nodes: &[Node]) -> Result<Vec<Node>, ReadError> {
        let mut lowest = UNKNOWN;
        for node in nodes {
            lowest = lowest.min(self.graph.generation(*node)?);
        }
        if lowest != UNKNOWN {
            let reached = self.reached(nodes, lowest)?;
            return Ok(nodes.iter().copied().filter(|node| !reached.has(*node, FOUND)).collect());
        }
        // Without generations, walking both sides at once ends where they meet.
        let mut best: Vec<Node> = nodes.to_vec();
        for node in nodes {
            let others: Vec<Node> = best.iter().copied().filter(|other| other != node).collect();
            if !others.is_empty() && self.common(*node, &others)?.contains(node) {
                best = others;
            }
        }
        Ok(best)
    }

    /// What is below these commits, down to a generation.
    fn reached(&mut self, nodes: &[Node], lowest: u64) -> Result<Flags, ReadError> {
        let (mut reached, mut stack, mut visited) = (Flags::default(), nodes.to_vec(), 0u64);
        while let Some(node) = stack.pop() {
            visited += 1;
            if visited.is_multiple_of(1024) {
                self.cx.check()?;
            }
            self.graph.require(node)?;
            for at in self.graph.parents(node) {
                let parent = self.graph.parent(at);
                if self.graph.generation(parent)? >= lowest && reached.set(parent, FOUND) {
                    stack.push(parent);
                }
            }
        }
        Ok(reached)
    }
}
