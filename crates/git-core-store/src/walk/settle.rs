//! What a walk by date took for wanted although something excluded reaches it.
//!
//! Such a walk ends when only excluded commits are left to visit, and a little later. Where clocks were wrong, one
//! of those may still lead to a commit that was found before. Here that is settled from the parents alone: by
//! generations where a commit-graph has them; elsewhere an excluded commit that lies below everything that was
//! found needs no look at what it reaches, since no commit reaches its descendants.

use super::graph::{ByTime, Flags, Graph, Node, UNKNOWN};
use crate::Snapshot;
use git_core_object::{Context, ReadError};

/// How many found commits one pass tells apart.
const GROUP: usize = 64;
/// With more groups than this, everything is walked once instead.
const MAX_GROUPS: usize = 16;

/// Which parents exclude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follow {
    All,
    First,
}

/// The state that a walk has ended in.
pub(super) struct Ended<'a> {
    /// Whether a commit was visited and is not known to be excluded.
    pub(super) found: &'a dyn Fn(Node) -> bool,
    /// Whether a commit is excluded and its parents may not be known to be.
    pub(super) pending: &'a dyn Fn(Node) -> bool,
    pub(super) follow: Follow,
    pub(super) cx: &'a Context,
}

impl Ended<'_> {
    /// Commits that turn out to be excluded, every found one of them included.
    ///
    /// # Errors
    /// [`ReadError`] when a commit is damaged, or the walk was cancelled. Excluded commits that are not there
    /// exclude nothing more.
    pub(super) fn settle(&self, graph: &mut Graph<&dyn Snapshot>) -> Result<Vec<Node>, ReadError> {
        let nodes = 0..graph.len() as Node;
        let pending: Vec<Node> = nodes.clone().filter(|node| (self.pending)(*node)).collect();
        if pending.is_empty() {
            return Ok(Vec::new());
        }
        // What reaches a commit reaches all that it reaches: the lowest tell of the others.
        let is_lowest = |node: &Node| {
            (self.found)(*node) && !self.links(graph, *node).any(|at| (self.found)(graph.parent(at)))
        };
        let lowest: Vec<Node> = nodes.filter(is_lowest).collect();
        let (mut unknown, mut cut) = (Vec::new(), UNKNOWN);
        for node in &lowest {
            match graph.generation(*node)? {
                UNKNOWN => unknown.push(*node),
                generation => cut = cut.min(generation),
            }
        }
        if lowest.is_empty() || cut == UNKNOWN && self.are_clear(graph, &unknown, &pending)? {
            return Ok(Vec::new());
        }
        self.reached(graph, pending, cut)
    }

    fn links(&self, graph: &Graph<&dyn Snapshot>, node: Node) -> impl Iterator<Item = u32> + use<> {
        let most = if self.follow == Follow::First { 1 } else { usize::MAX };
        graph.parents(node).take(most)
    }

    /// Everything below these commits that has at least this generation.
    fn reached(
        &self,
        graph: &mut Graph<&dyn Snapshot>,
        mut stack: Vec<Node>,
        cut: u64,
    ) -> Result<Vec<Node>, ReadError> {
        let (mut seen, mut reached) = (Flags::default(), Vec::new());
        let mut visited = 0u64;
        while let Some(node) = stack.pop() {
            visited += 1;
            if visited.is_multiple_of(1024) {
                self.cx.check()?;
            }
            if graph.generation(node)? < cut || !graph.load(node)? {
                continue;
            }
            for at in self.links(graph, node) {
                let parent = graph.parent(at);
                if seen.set(parent, 1) {
                    reached.push(parent);
                    stack.push(parent);
                }
            }
        }
        Ok(reached)
    }

    /// Whether it is certain that none of the pending commits leads to one of these, none of which the
    /// commit-graph has.
    fn are_clear(
        &self,
        graph: &mut Graph<&dyn Snapshot>,
        lowest: &[Node],
        pending: &[Node],
    ) -> Result<bool, ReadError> {
        let groups = lowest.chunks(GROUP);
        if groups.len() > MAX_GROUPS {
            return Ok(false);
        }
        for group in groups {
            if !self.is_clear(graph, group, pending)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Goes down from both: what all of the group reach leads to none of them.
    fn is_clear(
        &self,
        graph: &mut Graph<&dyn Snapshot>,
        group: &[Node],
        pending: &[Node],
    ) -> Result<bool, ReadError> {
        let all = u64::MAX >> (GROUP - group.len());
        let mut both = BothSides { all, ..BothSides::default() };
        for (bit, node) in group.iter().enumerate() {
            both.flags.set(*node, LOWEST);
            both.meet(graph, *node, 1 << bit, 0);
        }
        for node in pending {
            if graph.generation(*node)? == UNKNOWN && graph.load(*node)? {
                both.meet(graph, *node, 0, EXCLUDED);
            }
        }
        let mut visited = 0u64;
        while both.open > 0
            && let Some((node, below, excluded)) = both.pop()
        {
            visited += 1;
            if visited.is_multiple_of(1024) {
                self.cx.check()?;
            }
            for (nth, at) in graph.parents(node).enumerate() {
                let parent = graph.parent(at);
                let excluded = if nth > 0 && self.follow == Follow::First { 0 } else { excluded };
                if excluded != 0 && both.flags.has(parent, LOWEST) {
                    return Ok(false);
                }
                // What the commit-graph has does not lead to what it does not have.
                if graph.generation(parent)? == UNKNOWN && graph.load(parent)? {
                    both.meet(graph, parent, below, excluded);
                }
            }
        }
        Ok(true)
    }
}

const LOWEST: u8 = 1;
const EXCLUDED: u8 = 2;
const QUEUED: u8 = 4;

/// A walk down from found and from excluded commits.
#[derive(Default)]
struct BothSides {
    flags: Flags,
    /// By which of the group each commit is reached.
    below: Vec<u64>,
    all: u64,
    queue: ByTime,
    /// Commits in the queue that may lead to one of the group.
    open: usize,
}

impl BothSides {
    fn is_open(&self, node: Node) -> bool {
        self.flags.has(node, EXCLUDED) && self.below[node as usize] != self.all
    }

    fn meet(&mut self, graph: &Graph<&dyn Snapshot>, node: Node, below: u64, excluded: u8) {
        if self.below.len() <= node as usize {
            self.below.resize(graph.len(), 0);
        }
        let queued = self.flags.has(node, QUEUED);
        let was_open = queued && self.is_open(node);
        let known = self.below[node as usize];
        if !self.flags.set(node, excluded) && known | below == known {
            return;
        }
        self.below[node as usize] |= below;
        self.open -= usize::from(was_open);
        self.open += usize::from(self.is_open(node));
        if !queued {
            self.flags.set(node, QUEUED);
            self.queue.push(graph.time(node), node);
        }
    }

    fn pop(&mut self) -> Option<(Node, u64, u8)> {
        let node = self.queue.pop()?;
        let open = self.is_open(node);
        self.open -= usize::from(open);
        self.flags.clear(node, QUEUED);
        Some((node, self.below[node as usize], if open { EXCLUDED } else { 0 }))
    }
}
