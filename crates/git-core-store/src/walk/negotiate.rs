//! Finding out what two repositories have in common: what to tell a server, and when a client has told enough.

use super::graph::{ByTime, Flags, Graph, Node};
use super::peel;
use crate::Snapshot;
use git_core_object::{Context, Kind, ObjectId, ReadError};
use std::collections::HashMap;
use std::sync::Arc;

const SEEN: u8 = 1;
const COMMON: u8 = 2;
const QUEUED: u8 = 4;
/// Common as the server has shown, which it has yet to be told.
const SHOWN: u8 = 8;

/// Which of the commits that a client has are offered (`fetch.negotiationAlgorithm`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Negotiator {
    /// One after the other: the pack that comes is as small as it can be.
    #[default]
    Consecutive,
    /// Ever fewer of those that lie behind one another, so that what is common is found sooner and less precisely.
    Skipping,
    /// None: everything is sent.
    Noop,
}

/// How many commits are passed over before the next is offered.
#[derive(Clone, Copy, Debug, Default)]
struct Skip {
    left: u64,
    whole: u64,
}

impl Skip {
    /// For the parents of a commit: one less, or, behind one that was offered, half as many again.
    fn behind(self) -> Self {
        match self.left {
            0 => {
                let whole = self.whole.saturating_mul(3) / 2 + 1;
                Skip { left: whole, whole }
            }
            left => Skip { left: left - 1, whole: self.whole },
        }
    }
}

/// What a client has, commit by commit, the newest first.
///
/// Commits that turn out to be common, and all that they reach, are not offered; what the server has shown to be
/// common is offered once, since the server cannot know that we have it, too, and what it reaches is not.
pub struct Haves {
    graph: Graph<Arc<dyn Snapshot>>,
    flags: Flags,
    queue: ByTime,
    /// Commits in the queue that may have to be offered.
    open: usize,
    visited: u64,
    negotiator: Negotiator,
    /// Of commits in the queue, when some are passed over.
    skips: HashMap<Node, Skip>,
    cx: Context,
}

impl Haves {
    /// Offers what these objects reach. Tags are followed; what is no commit, or not there, is left out.
    ///
    /// # Errors
    /// [`ReadError`] when a commit is damaged.
    pub fn new(
        objects: Arc<dyn Snapshot>,
        shallow: &[ObjectId],
        tips: impl IntoIterator<Item = ObjectId>,
        cx: &Context,
    ) -> Result<Self, ReadError> {
        let graph = Graph::new(objects, shallow);
        let (flags, queue) = (Flags::default(), ByTime::default());
        let mut haves = Haves {
            graph,
            flags,
            queue,
            open: 0,
            visited: 0,
            negotiator: Negotiator::default(),
            skips: HashMap::new(),
            cx: cx.clone(),
        };
        haves.tips(tips)?;
        Ok(haves)
    }

    /// Offers what these objects reach, too. Of commits made in the same second, those that were named first come first.
    ///
    /// # Errors
    /// [`ReadError`] when a commit is damaged.
    pub fn tips(&mut self, tips: impl IntoIterator<Item = ObjectId>) -> Result<(), ReadError> {
        for tip in tips {
            if let Some(node) = self.commit(tip)? {
                self.enqueue(node);
            }
        }
        Ok(())
    }

    /// The same, by another choice; to be said before anything is offered.
    #[must_use]
    pub fn by(self, negotiator: Negotiator) -> Self {
        Haves { negotiator, ..self }
    }

    /// Says beforehand that the server has this object, since it advertised it.
    ///
    /// # Errors
    /// [`ReadError`] when a commit is damaged.
    pub fn known_common(&mut self, id: ObjectId) -> Result<(), ReadError> {
        if let Some(node) = self.commit(id)? {
            self.flags.set(node, SHOWN);
            self.enqueue(node);
        }
        Ok(())
    }

    /// The next commit to offer; `None` when there is nothing left that the server might not have.
    ///
    /// # Errors
    /// [`ReadError`] when a commit is damaged, or the walk was cancelled.
    pub fn next_have(&mut self) -> Result<Option<ObjectId>, ReadError> {
        if self.negotiator == Negotiator::Noop {
            return Ok(None);
        }
        while self.open > 0
            && let Some(node) = self.queue.pop()
        {
            self.visited += 1;
            if self.visited.is_multiple_of(1024) {
                self.cx.check()?;
            }
            let common = self.flags.has(node, COMMON);
            self.flags.clear(node, QUEUED);
            self.open -= usize::from(!common);
            let skip = self.skips.remove(&node).unwrap_or_default();
            let mut goes_on = false;
            for at in self.graph.parents(node) {
                let parent = self.graph.parent(at);
                if !self.graph.load(parent)? {
                    continue;
                }
                let passed = self.flags.has(parent, SEEN) && !self.flags.has(parent, QUEUED);
                goes_on |= !passed;
                if common || self.flags.has(node, SHOWN) {
                    self.mark_common(parent);
                } else if self.negotiator == Negotiator::Skipping && !passed {
                    let (skip, known) = (skip.behind(), self.skips.entry(parent).or_default());
                    if known.whole < skip.whole {
                        *known = skip;
                    }
                }
                self.enqueue(parent);
            }
            // Where nothing lies behind it, a commit is the last chance to find what is common.
            if !common && (skip.left == 0 || !goes_on) {
                return Ok(Some(self.graph.id(node)));
            }
        }
        Ok(None)
    }

    /// Takes the server's word that it has a commit. Says whether that was known before.
    ///
    /// # Errors
    /// [`ReadError`] when the commit is damaged.
    pub fn ack(&mut self, id: &ObjectId) -> Result<bool, ReadError> {
        let node = self.graph.node(id);
        if !self.graph.load(node)? {
            return Ok(false);
        }
        let known = self.flags.has(node, COMMON);
        self.mark_common(node);
        Ok(known)
    }

    fn commit(&mut self, id: ObjectId) -> Result<Option<Node>, ReadError> {
        let (mut buf, mut tags) = (Vec::new(), Vec::new());
        match peel(self.graph.objects(), id, &mut buf, &mut tags) {
            Ok((id, Kind::Commit)) => {
                let node = self.graph.node(&id);
                self.graph.require(node)?;
                Ok(Some(node))
            }
            Ok(_) | Err(ReadError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn enqueue(&mut self, node: Node) {
        if self.flags.set(node, SEEN) {
            self.flags.set(node, QUEUED);
            self.open += usize::from(!self.flags.has(node, COMMON));
            self.queue.push(self.graph.time(node), node);
        }
    }

    /// Marks a commit and what was seen of its history.
    fn mark_common(&mut self, node: Node) {
        let mut stack = vec![node];
        while let Some(node) = stack.pop() {
            if !self.flags.set(node, COMMON) {
                continue;
            }
            if self.flags.has(node, QUEUED) {
                self.open -= 1;
                // Who offers one after the other gets to its parents by and by.
                if self.negotiator != Negotiator::Skipping {
                    continue;
                }
            }
            if self.flags.has(node, SEEN) {
                stack.extend(self.graph.parents(node).map(|at| self.graph.parent(at)));
            }
        }
    }
}

/// The server's part: collects what the client has, and says when that is enough to build a pack from.
pub struct Ready {
    graph: Graph<Arc<dyn Snapshot>>,
    flags: Flags,
    common: Vec<ObjectId>,
    /// Times of the oldest commit known to be common.
    oldest: i64,
    /// The commits that are wanted; whatever else is wanted never keeps a client going.
    wants: Vec<Node>,
    cx: Context,
}

impl Ready {
    /// Prepares for a client that wants these objects.
    ///
    /// # Errors
    /// [`ReadError`] when a want is missing or damaged.
    pub fn new(
        objects: Arc<dyn Snapshot>,
        shallow: &[ObjectId],
        wants: &[ObjectId],
        cx: &Context,
    ) -> Result<Self, ReadError> {
        let (mut buf, mut tags, mut nodes) = (Vec::new(), Vec::new(), Vec::new());
        let mut graph = Graph::new(objects.clone(), shallow);
        for want in wants {
            let (id, kind) = peel(&*objects, *want, &mut buf, &mut tags)?;
            if kind == Kind::Commit {
                let node = graph.node(&id);
                graph.require(node)?;
                nodes.push(node);
            }
        }
        Ok(Ready {
            graph,
            flags: Flags::default(),
            common: Vec::new(),
            oldest: i64::MAX,
            wants: nodes,
            cx: cx.clone(),
        })
    }

    /// Takes an object that the client has; says whether we have it too.
    ///
    /// # Errors
    /// [`ReadError`] when the object is damaged.
    pub fn have(&mut self, id: &ObjectId) -> Result<bool, ReadError> {
        let Some(header) = self.graph.objects().header(id)? else {
            return Ok(false);
        };
        let node = self.graph.node(id);
        if header.kind == Kind::Commit {
            self.graph.require(node)?;
            self.oldest = self.oldest.min(self.graph.time(node));
        }
        if self.flags.set(node, COMMON) {
            self.common.push(*id);
        }
        Ok(true)
    }

    /// What both sides have, as far as the client has said.
    pub fn common(&self) -> &[ObjectId] {
        &self.common
    }

    /// Whether every commit that is wanted has a common one among its ancestors, so that nothing more the
    /// client could say would make the pack much smaller.
    ///
    /// # Errors
    /// [`ReadError`] when a commit is missing or damaged, or the walk was cancelled.
    pub fn is_ready(&mut self) -> Result<bool, ReadError> {
        if self.common.is_empty() {
            return Ok(false);
        }
        // Depth first; a commit that was left without an answer has none. Commits older than every common one
        // cannot lead to one.
        let mut visited = Flags::default();
        let mut reaches = Flags::default();
        let mut steps = 0u64;
        for want in self.wants.clone() {
            let mut stack = vec![(want, self.graph.parents(want))];
            visited.set(want, SEEN);
            while let Some((node, parents)) = stack.last_mut() {
                let node = *node;
                steps += 1;
                if steps.is_multiple_of(1024) {
                    self.cx.check()?;
                }
                if self.flags.has(node, COMMON) || reaches.has(node, SEEN) {
                    // Everything on the stack leads here.
                    for (above, _) in &stack {
                        reaches.set(*above, SEEN);
                    }
                    break;
                }
                let Some(at) = parents.next() else {
                    stack.pop();
                    continue;
                };
                let parent = self.graph.parent(at);
                self.graph.require(parent)?;
                let known = self.flags.has(parent, COMMON) || reaches.has(parent, SEEN);
                if known || self.graph.time(parent) >= self.oldest && visited.set(parent, SEEN) {
                    stack.push((parent, self.graph.parents(parent)));
                }
            }
            if !reaches.has(want, SEEN) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
