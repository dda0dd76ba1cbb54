//! Commits in the order of `git rev-list`: the newest first, those that some tips reach and others do not.

use super::graph::{ByTime, Flags, Graph, Node};
use super::promised::{PromisedObjects, PromisorPacks};
use super::settle::{Ended, Follow};
use crate::Snapshot;
use crate::filter::ObjectFilter;
use git_core_object::{Context, ObjectId, ReadError};
use std::collections::VecDeque;
use std::sync::Arc;

/// Which commits a walk is about.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Commits to start from; they and what they reach are walked.
    pub include: Vec<ObjectId>,
    /// Commits that are left out, with all they reach. Ones that are not there are ignored if
    /// [`ignore_missing`](Self::ignore_missing) says so.
    pub exclude: Vec<ObjectId>,
    /// What happens when a commit to exclude is not there.
    pub ignore_missing: MissingExcludes,
    /// How sure it is that nothing is walked that is to be left out.
    pub exclusion: Exclusion,
    /// What else of the objects is left out of sets and listings. Which commits a walk goes through does not depend
    /// on it.
    pub filter: Option<Arc<ObjectFilter>>,
    /// What happens to objects that a remote has promised to have.
    pub promised: PromisedObjects,
}

/// How a walk finds out what it leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exclusion {
    /// Whatever the clocks of committers said. Without a commit-graph this may take a walk down to where all that
    /// is excluded has met what is not, and to the roots for histories that never meet.
    #[default]
    Exact,
    /// By the dates of the commits: where clocks were wrong, some that an excluded one reaches may be walked. For
    /// those who lose nothing but time by that.
    ByDate,
}

/// What a walk does about commits to exclude that the repository does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingExcludes {
    /// They are an error.
    #[default]
    Refuse,
    /// They exclude nothing.
    Ignore,
}

/// A commit that a walk came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkedCommit {
    /// Its id.
    pub id: ObjectId,
    /// The id of its root tree.
    pub tree: ObjectId,
    /// When it was made, in seconds since 1970.
    pub time: i64,
    /// The parents that the walk sees: none at a shallow boundary.
    pub parents: Vec<ObjectId>,
}

const SEEN: u8 = 1;
const HIDDEN: u8 = 2;
const QUEUED: u8 = 4;
const WALKED: u8 = 8;
/// A promised commit that was reached, and is not followed unless it is hidden otherwise.
const PASSED: u8 = 16;
/// Is not there, and was told of.
const GONE: u8 = 32;

/// How many commits more are visited after only hidden ones are left, in case the clocks of their committers
/// were wrong.
const SLOP: u32 = 5;

/// Goes through the commits of a [`Query`].
pub struct CommitWalk<'a> {
    graph: Graph<&'a dyn Snapshot>,
    flags: Flags,
    queue: ByTime,
    /// Commits in the queue that are not hidden.
    open: usize,
    hiding: bool,
    exclusion: Exclusion,
    promised: PromisedObjects,
    /// Their commits are not followed.
    passed: Option<PromisorPacks>,
    /// Commits that are not there, where they may be missing.
    lacking: Vec<ObjectId>,
    /// What a walk with hidden commits has found, once it has been through them all.
    found: Option<VecDeque<Node>>,
    visited: u64,
    cx: &'a Context,
}

impl<'a> CommitWalk<'a> {
    /// Prepares a walk. `shallow` is sorted: commits in it are walked as if they had no parents.
    ///
    /// # Errors
    /// [`ReadError`] when a commit of the query is missing, damaged, or no commit.
    pub fn new(
        snapshot: &'a dyn Snapshot,
        shallow: &[ObjectId],
        query: &Query,
        cx: &'a Context,
    ) -> Result<Self, ReadError> {
        let mut walk = CommitWalk {
            graph: Graph::new(snapshot, shallow),
            flags: Flags::default(),
            queue: ByTime::default(),
            open: 0,
            hiding: !query.exclude.is_empty(),
            exclusion: query.exclusion,
            promised: query.promised,
            passed: (query.promised == PromisedObjects::LeftOut).then(|| PromisorPacks::of(snapshot)),
            lacking: Vec::new(),
            found: None,
            visited: 0,
            cx,
        };
        for id in &query.exclude {
            let node = walk.graph.node(id);
            match walk.graph.load(node)? {
                true => walk.hide(node),
                false if query.ignore_missing == MissingExcludes::Ignore => continue,
                false => return Err(ReadError::Missing { id: *id }),
            }
            walk.enqueue(node);
        }
        for id in &query.include {
            let node = walk.graph.node(id);
            if walk.is_followed(node)? {
                walk.enqueue(node);
            }
        }
        Ok(walk)
    }

    /// The next commit; the newest first.
    ///
    /// # Errors
    /// [`ReadError`] when a commit is missing or damaged, or the walk was cancelled.
    pub fn next_commit(&mut self) -> Result<Option<WalkedCommit>, ReadError> {
        Ok(self.next_node()?.map(|node| self.commit(node)))
    }

    /// The hidden parents of the commits that were walked: where what is new meets what is not. Complete once
    /// [`next_commit`](Self::next_commit) has given `None`.
    pub fn edges(&self) -> Vec<ObjectId> {
        let mut edges = Flags::default();
        let mut out = Vec::new();
        for node in 0..self.graph.len() as Node {
            if !self.flags.has(node, WALKED) {
                continue;
            }
            for at in self.graph.parents(node) {
                let parent = self.graph.parent(at);
                if self.flags.has(parent, HIDDEN) && edges.set(parent, SEEN) {
                    out.push(self.graph.id(parent));
                }
            }
        }
        out
    }

    pub(super) fn next_node(&mut self) -> Result<Option<Node>, ReadError> {
        if !self.hiding {
            return self.step();
        }
        if self.found.is_none() {
            self.found = Some(self.limit()?);
            if self.exclusion == Exclusion::Exact {
                self.settle()?;
            }
        }
        while let Some(node) = self.found.as_mut().and_then(VecDeque::pop_front) {
            if !self.flags.has(node, HIDDEN) {
                self.flags.set(node, WALKED);
                return Ok(Some(node));
            }
        }
        Ok(None)
    }

    pub(super) fn graph(&self) -> &Graph<&'a dyn Snapshot> {
        &self.graph
    }

    fn commit(&self, node: Node) -> WalkedCommit {
        let graph = &self.graph;
        WalkedCommit {
            id: graph.id(node),
            tree: graph.tree(node).expect("what is walked has been read"),
            time: graph.time(node),
            parents: graph.parents(node).map(|at| graph.id(graph.parent(at))).collect(),
        }
    }

    /// One commit of a walk that hides nothing.
    fn step(&mut self) -> Result<Option<Node>, ReadError> {
        let Some(node) = self.pop()? else {
            return Ok(None);
        };
        for at in self.graph.parents(node) {
            let parent = self.graph.parent(at);
            if !self.flags.has(parent, SEEN) && self.is_followed(parent)? {
                self.enqueue(parent);
            }
        }
        self.flags.set(node, WALKED);
        Ok(Some(node))
    }

    /// Reads a commit that is reached; `false` when the walk does not go there.
    fn is_followed(&mut self, node: Node) -> Result<bool, ReadError> {
        if let Some(passed) = &self.passed
            && passed.hold(&self.graph.id(node))
        {
            self.flags.set(node, HIDDEN | SEEN | PASSED);
            return Ok(false);
        }
        if self.promised == PromisedObjects::Required {
            return self.graph.require(node).map(|()| true);
        }
        let there = self.graph.load(node)?;
        if !there && self.flags.set(node, GONE) {
            self.lacking.push(self.graph.id(node));
        }
        Ok(there)
    }

    /// The commits that were reached and are not there, as far as the walk has come.
    pub(super) fn lacking(&self) -> &[ObjectId] {
        &self.lacking
    }

    /// All commits of a walk that hides some: what is found early may turn out to be hidden later.
    fn limit(&mut self) -> Result<VecDeque<Node>, ReadError> {
        let (mut found, mut oldest, mut slop) = (VecDeque::new(), i64::MAX, SLOP);
        while let Some(node) = self.pop()? {
            let hidden = self.flags.has(node, HIDDEN);
            for at in self.graph.parents(node) {
                let parent = self.graph.parent(at);
                if hidden {
                    // What the hidden side lacks does not matter to anybody.
                    if !self.graph.load(parent)? {
                        continue;
                    }
                    self.hide(parent);
                    if self.flags.has(parent, PASSED) {
                        self.flags.clear(parent, PASSED | SEEN);
                    }
                } else if !self.flags.has(parent, SEEN) && !self.is_followed(parent)? {
                    continue;
                }
                if !self.flags.has(parent, SEEN) {
                    self.enqueue(parent);
                }
            }
            if !hidden {
                oldest = oldest.min(self.graph.time(node));
                found.push_back(node);
            }
            if self.open > 0 {
                slop = SLOP;
                continue;
            }
            match self.queue.newest() {
                None => break,
                Some((time, _)) if !found.is_empty() && time >= oldest => slop = SLOP,
                Some(_) if found.is_empty() || slop == 0 => break,
                Some(_) => slop -= 1,
            }
        }
        Ok(found)
    }

    /// Hides what dates have not shown to be hidden.
    fn settle(&mut self) -> Result<(), ReadError> {
        let flags = &self.flags;
        let hidden = Ended {
            found: &|node| flags.get(node) & (SEEN | HIDDEN | QUEUED) == SEEN,
            pending: &|node| match flags.get(node) {
                state if state & HIDDEN == 0 => false,
                state => state & (SEEN | QUEUED) != SEEN,
            },
            follow: Follow::All,
            cx: self.cx,
        }
        .settle(&mut self.graph)?;
        hidden.into_iter().for_each(|node| self.hide(node));
        Ok(())
    }

    fn pop(&mut self) -> Result<Option<Node>, ReadError> {
        self.visited += 1;
        if self.visited.is_multiple_of(1024) {
            self.cx.check()?;
        }
        let node = self.queue.pop();
        if let Some(node) = node {
            self.flags.clear(node, QUEUED);
            self.open -= usize::from(!self.flags.has(node, HIDDEN));
        }
        Ok(node)
    }

    fn enqueue(&mut self, node: Node) {
        if self.flags.set(node, SEEN) {
            self.flags.set(node, QUEUED);
            self.open += usize::from(!self.flags.has(node, HIDDEN));
            self.queue.push(self.graph.time(node), node);
        }
    }

    /// Hides a commit, and all it reaches as far as the walk has come.
    fn hide(&mut self, node: Node) {
        let mut stack = vec![node];
        while let Some(node) = stack.pop() {
            if !self.flags.set(node, HIDDEN) {
                continue;
            }
            if self.flags.has(node, QUEUED) {
                self.open -= 1;
            } else if self.flags.has(node, SEEN) {
                stack.extend(self.graph.parents(node).map(|at| self.graph.parent(at)));
            }
        }
    }
}
