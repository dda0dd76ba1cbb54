//! Commits as they are met, under small numbers of their own: their place in the commit-graph, or numbers behind
//! all of it.

use crate::Snapshot;
use git_core_idx::SharedBytes;
use git_core_idx::graph::{CommitGraph, GraphError, GraphPosition};
use git_core_object::{Kind, ObjectId, Objects as _, ReadError, commit};
use hashbrown::HashTable;
use std::collections::BinaryHeap;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Index of a commit in a [`Graph`].
pub(super) type Node = u32;

/// The generation of a commit that is not in the commit-graph: nothing that is there reaches it.
pub(super) const UNKNOWN: u64 = u64::MAX;

/// The commits that one walk has met. Each is read once, when it is first needed: from the commit-graph, or else
/// from its object.
pub(super) struct Graph<O> {
    objects: O,
    stored: Option<Arc<CommitGraph<SharedBytes>>>,
    /// Numbers below this are positions in the commit-graph.
    base: u32,
    shallow: Vec<ObjectId>,
    /// Of the commits that are not in the commit-graph.
    ids: Vec<ObjectId>,
    trees: Vec<Option<ObjectId>>,
    index: HashTable<Node>,
    /// Of all commits; zero before they were read.
    times: Vec<i64>,
    /// Where the parents begin, and one more than their number; zero before they were read.
    links: Vec<u64>,
    parents: Vec<Node>,
    buf: Vec<u8>,
}

impl<O: Deref<Target: Snapshot>> Graph<O> {
    /// `shallow` is sorted: commits in it have no parents here, whatever they say.
    pub(super) fn new(objects: O, shallow: &[ObjectId]) -> Self {
        // The commit-graph knows nothing of shallow commits.
        let stored = if shallow.is_empty() { objects.commit_graph() } else { None };
        let base = stored.as_ref().map_or(0, |graph| graph.count());
        Graph {
            objects,
            stored,
            base,
            shallow: shallow.to_vec(),
            ids: Vec::new(),
            trees: Vec::new(),
            index: HashTable::new(),
            times: vec![0; base as usize],
            links: vec![0; base as usize],
            parents: Vec::new(),
            buf: Vec::new(),
        }
    }

    pub(super) fn objects(&self) -> &O::Target {
        &self.objects
    }

    /// All numbers are below this.
    pub(super) fn len(&self) -> usize {
        self.base as usize + self.ids.len()
    }

    /// The number of a commit, which need not have been read.
    pub(super) fn node(&mut self, id: &ObjectId) -> Node {
        if let Some(at) = self.stored.as_ref().and_then(|graph| graph.lookup(id)) {
            return at.0;
        }
        let (ids, base) = (&self.ids, self.base);
        let found = self.index.find(hash(id), |node| ids[(*node - base) as usize] == *id);
        if let Some(node) = found {
            return *node;
        }
        let node = base + self.ids.len() as Node;
        self.ids.push(*id);
        self.trees.push(None);
        self.times.push(0);
        self.links.push(0);
        let ids = &self.ids;
        self.index.insert_unique(hash(id), node, |node| hash(&ids[(*node - base) as usize]));
        node
    }

    pub(super) fn id(&self, node: Node) -> ObjectId {
        match &self.stored {
            Some(graph) if node < self.base => graph.id(GraphPosition(node)),
            _ => self.ids[(node - self.base) as usize],
        }
    }

    /// Reads the commit unless it was read before. `false` when it is not there.
    pub(super) fn load(&mut self, node: Node) -> Result<bool, ReadError> {
        if self.links[node as usize] != 0 {
            return Ok(true);
        }
        if let Some(graph) = &self.stored
            && node < self.base
        {
            let start = self.parents.len();
            for parent in graph.parents(GraphPosition(node)) {
                self.parents.push(parent.map_err(damaged)?.0);
            }
            self.times[node as usize] = graph.time(GraphPosition(node));
            self.linked(node, start);
            return Ok(true);
        }
        let id = self.ids[(node - self.base) as usize];
        let mut buf = std::mem::take(&mut self.buf);
        let found = self.objects.read(&id, &mut buf);
        let result = match found {
            Ok(None) => Ok(false),
            Ok(Some(Kind::Commit)) => self.link(node, &id, &buf).map(|()| true),
            Ok(Some(actual)) => Err(ReadError::WrongKind { id, expected: Kind::Commit, actual }),
            Err(error) => Err(error),
        };
        self.buf = buf;
        result
    }

    fn link(&mut self, node: Node, id: &ObjectId, content: &[u8]) -> Result<(), ReadError> {
        let links = commit::links(id.format(), content)
            .map_err(|e| ReadError::corrupt(format_args!("commit {id}"), e))?;
        let start = self.parents.len();
        if self.shallow.is_empty() || self.shallow.binary_search(id).is_err() {
            for parent in links.parents() {
                let parent = self.node(&parent);
                self.parents.push(parent);
            }
        }
        self.times[node as usize] = links.time;
        self.trees[(node - self.base) as usize] = Some(links.tree);
        self.linked(node, start);
        Ok(())
    }

    fn linked(&mut self, node: Node, start: usize) {
        self.links[node as usize] = (start as u64) << 32 | (self.parents.len() - start + 1) as u64;
    }

    /// Like [`load`](Self::load), for a commit that must be there.
    pub(super) fn require(&mut self, node: Node) -> Result<(), ReadError> {
        match self.load(node)? {
            true => Ok(()),
            false => Err(ReadError::Missing { id: self.id(node) }),
        }
    }

    /// Seconds since 1970; 0 before the commit was read.
    pub(super) fn time(&self, node: Node) -> i64 {
        self.times[node as usize]
    }

    /// The root tree; `None` before the commit was read.
    pub(super) fn tree(&self, node: Node) -> Option<ObjectId> {
        match &self.stored {
            Some(graph) if node < self.base => Some(graph.tree(GraphPosition(node))),
            _ => self.trees[(node - self.base) as usize],
        }
    }

    /// A number that is greater than that of every ancestor, as far as the commit-graph knows one: a commit
    /// reaches none whose number is greater than its own. [`UNKNOWN`] outside of the commit-graph.
    pub(super) fn generation(&self, node: Node) -> Result<u64, ReadError> {
        match &self.stored {
            Some(graph) if node < self.base => graph.generation(GraphPosition(node)).map_err(damaged),
            _ => Ok(UNKNOWN),
        }
    }

    /// Indexes into which [`parent`](Self::parent) looks; empty before the commit was read.
    pub(super) fn parents(&self, node: Node) -> Range<u32> {
        let link = self.links[node as usize];
        let (start, count) = ((link >> 32) as u32, link as u32);
        start..start + count.saturating_sub(1)
    }

    pub(super) fn parent(&self, at: u32) -> Node {
        self.parents[at as usize]
    }
}

fn damaged(error: GraphError) -> ReadError {
    ReadError::corrupt("the commit-graph", error)
}

fn hash(id: &ObjectId) -> u64 {
    id.as_bytes().first_chunk::<8>().map_or(0, |head| u64::from_le_bytes(*head))
}

/// Bit sets per node that grow with the graph.
#[derive(Default)]
pub(super) struct Flags(Vec<u8>);

impl Flags {
    pub(super) fn get(&self, node: Node) -> u8 {
        self.0.get(node as usize).copied().unwrap_or(0)
    }

    pub(super) fn has(&self, node: Node, flag: u8) -> bool {
        self.get(node) & flag != 0
    }

    /// Sets the flags; says whether any of them was not set before.
    pub(super) fn set(&mut self, node: Node, flags: u8) -> bool {
        if self.0.len() <= node as usize {
            self.0.resize(node as usize + 1, 0);
        }
        let old = self.0[node as usize];
        self.0[node as usize] |= flags;
        old & flags != flags
    }

    pub(super) fn clear(&mut self, node: Node, flags: u8) {
        if let Some(old) = self.0.get_mut(node as usize) {
            *old &= !flags;
        }
    }
}

/// Commits to visit, the newest first, and of equal ones the one that was added first.
#[derive(Default)]
pub(super) struct ByTime {
    heap: BinaryHeap<(i64, std::cmp::Reverse<u64>, Node)>,
    added: u64,
}

impl ByTime {
    pub(super) fn push(&mut self, time: i64, node: Node) {
        self.heap.push((time, std::cmp::Reverse(self.added), node));
        self.added += 1;
    }

    pub(super) fn pop(&mut self) -> Option<Node> {
        self.heap.pop().map(|(_, _, node)| node)
    }

    pub(super) fn newest(&self) -> Option<(i64, Node)> {
        self.heap.peek().map(|(time, _, node)| (*time, *node))
    }
}

/// Commits to visit, the highest generation first, of equal ones the newest, then the one that was added first.
#[derive(Default)]
pub(super) struct ByGeneration {
    heap: BinaryHeap<(u64, i64, std::cmp::Reverse<u64>, Node)>,
    added: u64,
}

impl ByGeneration {
    pub(super) fn push(&mut self, generation: u64, time: i64, node: Node) {
        self.heap.push((generation, time, std::cmp::Reverse(self.added), node));
        self.added += 1;
    }

    pub(super) fn pop(&mut self) -> Option<Node> {
        self.heap.pop().map(|(.., node)| node)
    }
}
