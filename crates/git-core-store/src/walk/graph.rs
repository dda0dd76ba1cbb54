//! Commits as they are met, under small numbers of their own.

use git_core_object::{Context, Kind, ObjectId, Objects, ReadError, commit};
use hashbrown::HashTable;
use std::collections::BinaryHeap;
use std::ops::{Deref, Range};

/// Index of a commit in a [`Graph`].
pub(super) type Node = u32;

/// The commits that one walk has met. Each is read once, when it is first needed.
pub(super) struct Graph<O> {
    objects: O,
    shallow: Vec<ObjectId>,
    ids: Vec<ObjectId>,
    loaded: Vec<Loaded>,
    index: HashTable<Node>,
    parents: Vec<Node>,
    buf: Vec<u8>,
}

#[derive(Clone)]
struct Loaded {
    time: i64,
    tree: Option<ObjectId>,
    parents: Range<u32>,
}

impl<O: Deref<Target: Objects>> Graph<O> {
    /// `shallow` is sorted: commits in it have no parents here, whatever they say.
    pub(super) fn new(objects: O, shallow: &[ObjectId]) -> Self {
        Graph {
            objects,
            shallow: shallow.to_vec(),
            ids: Vec::new(),
            loaded: Vec::new(),
            index: HashTable::new(),
            parents: Vec::new(),
            buf: Vec::new(),
        }
    }

    pub(super) fn objects(&self) -> &O::Target {
        &self.objects
    }

    /// How many commits have a number.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The number of a commit, which need not have been read.
    pub(super) fn node(&mut self, id: &ObjectId) -> Node {
        let ids = &self.ids;
        let found = self.index.find(hash(id), |node| ids[*node as usize] == *id);
        if let Some(node) = found {
            return *node;
        }
        let node = self.ids.len() as Node;
        self.ids.push(*id);
        self.loaded.push(Loaded { time: 0, tree: None, parents: 0..0 });
        let ids = &self.ids;
        self.index.insert_unique(hash(id), node, |node| hash(&ids[*node as usize]));
        node
    }

    pub(super) fn id(&self, node: Node) -> ObjectId {
        self.ids[node as usize]
    }

    /// Reads the commit unless it was read before. `false` when it is not there.
    pub(super) fn load(&mut self, node: Node) -> Result<bool, ReadError> {
        if self.loaded[node as usize].tree.is_some() {
            return Ok(true);
        }
        let id = self.ids[node as usize];
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
        let start = self.parents.len() as u32;
        if self.shallow.is_empty() || self.shallow.binary_search(id).is_err() {
            for parent in links.parents() {
                let parent = self.node(&parent);
                self.parents.push(parent);
            }
        }
        self.loaded[node as usize] =
            Loaded { time: links.time, tree: Some(links.tree), parents: start..self.parents.len() as u32 };
        Ok(())
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
        self.loaded[node as usize].time
    }

    /// The root tree; `None` before the commit was read.
    pub(super) fn tree(&self, node: Node) -> Option<ObjectId> {
        self.loaded[node as usize].tree
    }

    /// Indexes into which [`parent`](Self::parent) looks; empty before the commit was read.
    pub(super) fn parents(&self, node: Node) -> Range<u32> {
        self.loaded[node as usize].parents.clone()
    }

    pub(super) fn parent(&self, at: u32) -> Node {
        self.parents[at as usize]
    }
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

/// Whether `descendant` is `ancestor` or has it among its ancestors: whether moving a branch from the latter
/// to the former is a fast-forward.
///
/// # Errors
/// [`ReadError`] when a commit on the way is missing or damaged.
pub fn is_ancestor(
    objects: &dyn Objects,
    shallow: &[ObjectId],
    ancestor: &ObjectId,
    descendant: &ObjectId,
    cx: &Context,
) -> Result<bool, ReadError> {
    const OURS: u8 = 1;
    const THEIRS: u8 = 2;
    const QUEUED: u8 = 4;
    if ancestor == descendant {
        return Ok(true);
    }
    // Both sides are walked at once, the newest commit first. Once every commit left to visit is reached from
    // the ancestor's side, nothing of the descendant's side can lead to it any more.
    let mut graph = Graph::new(objects, shallow);
    let (target, start) = (graph.node(ancestor), graph.node(descendant));
    let (mut flags, mut queue) = (Flags::default(), ByTime::default());
    for (node, side) in [(target, THEIRS), (start, OURS)] {
        graph.require(node)?;
        flags.set(node, side | QUEUED);
        queue.push(graph.time(node), node);
    }
    let (mut visited, mut open) = (0u64, 1usize);
    while open > 0
        && let Some(node) = queue.pop()
    {
        visited += 1;
        if visited.is_multiple_of(1024) {
            cx.check()?;
        }
        let sides = flags.get(node) & (OURS | THEIRS);
        flags.clear(node, QUEUED);
        open -= usize::from(sides == OURS);
        for at in graph.parents(node) {
            let parent = graph.parent(at);
            if sides & OURS != 0 && parent == target {
                return Ok(true);
            }
            let before = flags.get(parent);
            if before & sides == sides {
                continue;
            }
            graph.require(parent)?;
            flags.set(parent, sides | QUEUED);
            open += usize::from(flags.get(parent) == OURS | QUEUED);
            open -= usize::from(before == OURS | QUEUED);
            if before & QUEUED == 0 {
                queue.push(graph.time(parent), parent);
            }
        }
    }
    Ok(false)
}
