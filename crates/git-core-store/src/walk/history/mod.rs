//! Lists of commits as `git rev-list` makes them: which commits of a history, and in which order
//! (`git-rev-list(1)`).
//!
//! A walk that hides nothing and keeps the order of dates gives commits as it meets them; any other first goes
//! through all that may be listed (`limit`), then puts it in order (`order`). With paths, commits that
//! change none of them are passed over and histories that brought nothing are not followed (`paths`).

mod limit;
mod order;
mod paths;
mod query;
mod simplify;

pub use paths::PathSpec;
pub use query::{
    CommitTest, HistoryCommit, HistoryMark, HistoryOrder, HistoryQuery, HistoryTip, NoWalk, Side,
    Simplification, TipRole,
};

use super::graph::{ByTime, Graph, Node};
use super::promised::{PromisedObjects, PromisorPacks};
use crate::Snapshot;
use git_core_object::{Context, ObjectId, ReadError};
use hashbrown::HashMap;
use paths::Paths;
use std::collections::VecDeque;

const SEEN: u32 = 1;
const HIDDEN: u32 = 1 << 1;
const QUEUED: u32 = 1 << 2;
/// Its parents are in the queue.
const EXPANDED: u32 = 1 << 3;
const LISTED: u32 = 1 << 4;
const LEFT: u32 = 1 << 5;
/// A tip that was given to be hidden.
const BOTTOM: u32 = 1 << 6;
/// Has the same paths as the parents that matter.
const SAME: u32 = 1 << 7;
const CHILD_LISTED: u32 = 1 << 8;
const BOUNDARY: u32 = 1 << 9;
/// On a way from a commit of `--ancestry-path`.
const ABOVE: u32 = 1 << 10;
/// On a way to one.
const BELOW: u32 = 1 << 11;
const WALKED: u32 = 1 << 12;
/// Is in a list that is being put in order.
const IN_LIST: u32 = 1 << 13;
/// A tip that was given to be listed.
const TIP: u32 = 1 << 14;
/// Is not there, and was told of.
const GONE: u32 = 1 << 15;
/// A merge that has other paths than its first parent.
const PULL: u32 = 1 << 16;

/// Makes the list of a [`HistoryQuery`].
pub struct History<'a> {
    snapshot: &'a dyn Snapshot,
    graph: Graph<&'a dyn Snapshot>,
    query: HistoryQuery,
    flags: Bits,
    queue: ByTime,
    /// Commits in the queue that are not hidden.
    open: usize,
    /// What is left to be listed, of a walk that does not list as it goes.
    list: Option<VecDeque<Node>>,
    paths: Paths<'a>,
    /// Parents that are not those that the commit names.
    rewritten: HashMap<Node, Vec<Node>>,
    children: HashMap<Node, Vec<Node>>,
    /// Which parents of a merge have the same paths, where all are followed.
    same: HashMap<Node, Vec<bool>>,
    content: Vec<u8>,
    /// Parents of listed commits, in the order in which they were met.
    borders: Vec<Node>,
    /// What was reached and is not there.
    missing: Vec<ObjectId>,
    /// Their commits are hidden.
    promisors: Option<PromisorPacks>,
    skip: u64,
    left: u64,
    ended: bool,
    visited: u64,
    cx: &'a Context,
}

impl<'a> History<'a> {
    /// Prepares a list.
    ///
    /// # Errors
    /// [`ReadError`] when a tip is missing, damaged or no commit, or the walk was cancelled.
    pub fn new(snapshot: &'a dyn Snapshot, query: HistoryQuery, cx: &'a Context) -> Result<Self, ReadError> {
        let mut history = History {
            snapshot,
            graph: Graph::new(snapshot, snapshot.shallow()),
            flags: Bits::default(),
            queue: ByTime::default(),
            open: 0,
            list: None,
            paths: Paths::new(snapshot, &query.paths),
            rewritten: HashMap::new(),
            children: HashMap::new(),
            same: HashMap::new(),
            content: Vec::new(),
            borders: Vec::new(),
            missing: Vec::new(),
            promisors: (query.promised == PromisedObjects::LeftOut).then(|| PromisorPacks::of(snapshot)),
            skip: query.skip,
            left: query.max_count.unwrap_or(u64::MAX),
            ended: false,
            visited: 0,
            query,
            cx,
        };
        let given = history.tips()?;
        if let Some(order) = history.query.no_walk {
            let sorted = std::iter::from_fn(|| history.queue.pop());
            let list = if order == NoWalk::Sorted { sorted.collect() } else { given.into() };
            history.list = Some(list);
        } else if history.limited() {
            history.limit()?;
        }
        if history.query.reverse {
            let mut all = VecDeque::new();
            while let Some(node) = history.next_listed()? {
                all.push_front(node);
            }
            history.list = Some(all);
        }
        Ok(history)
    }

    /// The next commit of the list.
    ///
    /// # Errors
    /// [`ReadError`] when a commit is missing or damaged, or the walk was cancelled.
    pub fn next_commit(&mut self) -> Result<Option<HistoryCommit>, ReadError> {
        let next = match self.query.reverse {
            true => self.list.as_mut().and_then(VecDeque::pop_front),
            false => self.next_listed()?,
        };
        Ok(next.map(|node| self.commit(node)))
    }

    /// How many commits are left in the list: on the left side of `a...b`, and elsewhere.
    ///
    /// # Errors
    /// As [`next_commit`](Self::next_commit).
    pub fn count(&mut self) -> Result<(u64, u64), ReadError> {
        if self.counts_all() {
            return self.count_all();
        }
        let (mut left, mut right) = (0, 0);
        loop {
            let next = match self.query.reverse {
                true => self.list.as_mut().and_then(VecDeque::pop_front),
                false => self.next_listed()?,
            };
            match next.map(|node| self.mark(node)) {
                None => return Ok((left, right)),
                Some(HistoryMark::Left) => left += 1,
                Some(_) => right += 1,
            }
        }
    }

    /// Whether everything that the tips reach is listed, in whatever order.
    fn counts_all(&self) -> bool {
        let query = &self.query;
        self.list.is_none()
            && self.promisors.is_none()
            && !self.prunes()
            && query.test.is_none()
            && query.passed_over.is_none()
            && query.max_count.is_none()
            && query.since.or(query.until).is_none()
            && query.max_parents.is_none()
            && (query.min_parents, query.skip) == (0, 0)
            && !(query.boundary || query.first_parent)
            && query.tips.iter().all(|tip| tip.role == TipRole::Shown)
    }

    fn count_all(&mut self) -> Result<(u64, u64), ReadError> {
        let mut stack: Vec<Node> = std::iter::from_fn(|| self.queue.pop()).collect();
        let mut count = 0u64;
        while let Some(node) = stack.pop() {
            count += 1;
            if count.is_multiple_of(1024) {
                self.cx.check()?;
            }
            if !self.is_there(node)? {
                count -= 1;
                continue;
            }
            for at in self.graph.parents(node) {
                let parent = self.graph.parent(at);
                if self.flags.set(parent, SEEN) {
                    stack.push(parent);
                }
            }
        }
        Ok((0, count))
    }

    /// The commits that were reached and are not there, as far as the list has come.
    pub fn missing(&self) -> &[ObjectId] {
        &self.missing
    }

    /// Reads a commit that is reached; `false` when it is not there and that does not matter.
    fn is_there(&mut self, node: Node) -> Result<bool, ReadError> {
        if self.query.missing_reached == super::MissingObjects::Refuse {
            return self.graph.require(node).map(|()| true);
        }
        let there = self.graph.load(node)?;
        if !there && self.flags.set(node, GONE) {
            self.missing.push(self.graph.id(node));
        }
        Ok(there)
    }

    /// Whether a commit lies in a promisor's pack, and such are left out: then it is hidden.
    fn is_left_to_promisors(&mut self, node: Node) -> bool {
        let left = self.promisors.as_ref().is_some_and(|packs| packs.hold(&self.graph.id(node)));
        if left && !self.flags.has(node, SEEN) {
            self.flags.set(node, HIDDEN | SEEN | EXPANDED);
        }
        left
    }

    /// The hidden parents of what was walked: where what is new meets what is not. Complete once
    /// [`next_commit`](Self::next_commit) has given `None`.
    pub fn edges(&self) -> Vec<ObjectId> {
        let (mut seen, mut edges) = (Bits::default(), Vec::new());
        for node in (0..self.graph.len() as Node).filter(|node| self.flags.has(*node, WALKED)) {
            for at in self.graph.parents(node) {
                let parent = self.graph.parent(at);
                if self.flags.has(parent, HIDDEN) && seen.set(parent, SEEN) {
                    edges.push(self.graph.id(parent));
                }
            }
        }
        edges
    }

    /// Whether a commit is hidden, as far as the list has come.
    pub fn hides(&mut self, id: &ObjectId) -> bool {
        let node = self.graph.node(id);
        self.flags.has(node, HIDDEN)
    }

    fn tips(&mut self) -> Result<Vec<Node>, ReadError> {
        let mut given = Vec::new();
        for tip in std::mem::take(&mut self.query.tips) {
            let node = self.graph.node(&tip.id);
            let there = self.graph.load(node)?;
            match tip.role {
                _ if there => {}
                TipRole::Hidden if self.query.missing == super::MissingExcludes::Ignore => continue,
                _ => return Err(ReadError::Missing { id: tip.id }),
            }
            if tip.role != TipRole::Hidden && self.is_left_to_promisors(node) {
                continue;
            }
            match tip.role {
                TipRole::Shown => {
                    self.flags.set(node, TIP);
                }
                TipRole::Left => {
                    self.flags.set(node, TIP | LEFT);
                }
                TipRole::Hidden => {
                    self.flags.set(node, BOTTOM);
                    self.hide(node);
                }
            }
            if !self.flags.has(node, SEEN) || self.query.no_walk == Some(NoWalk::Repeated) {
                given.push(node);
            }
            self.enqueue(node);
            self.query.tips.push(tip);
        }
        Ok(given)
    }

    /// Whether all is walked before anything is listed.
    fn limited(&self) -> bool {
        let query = &self.query;
        query.order != HistoryOrder::Met
            || query.simplification == Simplification::Merges
            || query.children
            || query.ancestry_path.is_some()
            || query.side.is_some() && self.has_left()
            || query.tips.iter().any(|tip| tip.role == TipRole::Hidden)
    }

    /// Whether sides are told apart: not by a walk of one side that only puts in order what a commit-graph has.
    fn divides(&self) -> bool {
        let query = &self.query;
        self.has_left()
            || query.children
            || query.ancestry_path.is_some()
            || self.snapshot.commit_graph().is_none()
            || query.tips.iter().any(|tip| tip.role == TipRole::Hidden)
    }

    /// Whether paths or decorations choose the commits.
    fn prunes(&self) -> bool {
        !self.query.paths.is_empty() || self.query.decorated.is_some()
    }

    fn has_left(&self) -> bool {
        self.query.tips.iter().any(|tip| tip.role == TipRole::Left)
    }

    fn next_listed(&mut self) -> Result<Option<Node>, ReadError> {
        if self.ended {
            return Ok(self.list.as_mut().and_then(VecDeque::pop_front));
        }
        while self.left > 0
            && let Some(node) = self.next_chosen()?
        {
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            self.left -= 1;
            self.flags.set(node, LISTED);
            if self.query.boundary {
                self.collect_borders(node);
            }
            return Ok(Some(node));
        }
        self.ended = true;
        self.list = Some(if self.query.boundary { self.boundary()? } else { VecDeque::new() });
        self.next_listed()
    }

    /// The next commit that is neither hidden nor passed over.
    fn next_chosen(&mut self) -> Result<Option<Node>, ReadError> {
        loop {
            let streams = self.list.is_none();
            let next = match &mut self.list {
                Some(list) => list.pop_front(),
                None => self.pop()?,
            };
            let Some(node) = next else { return Ok(None) };
            let walks = streams || self.query.no_walk.is_some();
            if walks && self.query.since.is_some_and(|since| self.graph.time(node) < since) {
                continue;
            }
            if streams {
                self.expand(node)?;
            } else if self.query.no_walk.is_some() {
                self.simplify(node)?;
            }
            let again = self.flags.has(node, LISTED) && self.query.no_walk != Some(NoWalk::Repeated);
            if again || self.flags.has(node, HIDDEN) {
                continue;
            }
            self.flags.set(node, WALKED);
            if self.is_chosen(node)? {
                if self.query.rewrite_parents && self.prunes() && !self.query.sparse {
                    self.rewrite(node)?;
                }
                return Ok(Some(node));
            }
        }
    }

    fn is_chosen(&mut self, node: Node) -> Result<bool, ReadError> {
        if self.query.until.is_some_and(|until| self.graph.time(node) > until) {
            return Ok(false);
        }
        let parents = match self.rewritten.get(&node) {
            Some(parents) => parents.len(),
            None => self.graph.parents(node).len(),
        };
        if parents < self.query.min_parents || self.query.max_parents.is_some_and(|most| parents > most) {
            return Ok(false);
        }
        if let Some(passed) = &self.query.passed_over
            && passed.contains(&self.graph.id(node))
        {
            return Ok(false);
        }
        if let Some(test) = &self.query.test {
            self.snapshot.require(&self.graph.id(node), &mut self.content)?;
            if !(test.0)(&self.content) {
                return Ok(false);
            }
        }
        if self.query.sparse || !self.flags.has(node, SAME) {
            return Ok(true);
        }
        // A merge of two lines that both matter holds them together.
        let ties = self.query.rewrite_parents || self.query.children;
        Ok(ties
            && (self.query.show_pulls && self.flags.has(node, PULL)
                || self.parents(node).into_iter().filter(|parent| self.is_relevant(*parent)).count() >= 2))
    }

    fn is_relevant(&self, node: Node) -> bool {
        !self.flags.has(node, HIDDEN) || self.flags.has(node, BOTTOM)
    }

    fn parents(&self, node: Node) -> Vec<Node> {
        match self.rewritten.get(&node) {
            Some(parents) => parents.clone(),
            None => self.graph.parents(node).map(|at| self.graph.parent(at)).collect(),
        }
    }

    fn mark(&self, node: Node) -> HistoryMark {
        if self.flags.has(node, BOUNDARY) {
            HistoryMark::Boundary
        } else if self.flags.has(node, LEFT) {
            HistoryMark::Left
        } else {
            HistoryMark::Right
        }
    }

    fn commit(&self, node: Node) -> HistoryCommit {
        let ids = |nodes: &[Node]| nodes.iter().map(|node| self.graph.id(*node)).collect();
        HistoryCommit {
            id: self.graph.id(node),
            tree: self.graph.tree(node).expect("what is listed has been read"),
            time: self.graph.time(node),
            parents: ids(&self.parents(node)),
            children: self.children.get(&node).map(|children| ids(children)).unwrap_or_default(),
            mark: self.mark(node),
        }
    }

    fn collect_borders(&mut self, node: Node) {
        for parent in self.parents(node) {
            if !self.flags.has(parent, CHILD_LISTED | LISTED) {
                self.flags.set(parent, CHILD_LISTED);
                self.borders.push(parent);
            }
        }
    }

    /// Parents of listed commits that were not listed themselves.
    fn boundary(&mut self) -> Result<VecDeque<Node>, ReadError> {
        let mut list = VecDeque::new();
        for node in std::mem::take(&mut self.borders) {
            if !self.flags.has(node, LISTED | BOUNDARY) && self.graph.load(node)? {
                self.flags.set(node, BOUNDARY);
                list.push_front(node);
            }
        }
        // Whatever order was asked for, unless it was one by dates.
        let order = match self.query.order {
            HistoryOrder::Met => HistoryOrder::Topological,
            order => order,
        };
        self.sort(list, order)
    }
}

/// Sets of flags per commit that grow with the graph.
#[derive(Default)]
struct Bits(Vec<u32>);

impl Bits {
    fn has(&self, node: Node, flags: u32) -> bool {
        self.0.get(node as usize).is_some_and(|old| old & flags != 0)
    }

    /// Sets the flags; says whether any of them was not set before.
    fn set(&mut self, node: Node, flags: u32) -> bool {
        if self.0.len() <= node as usize {
            self.0.resize(node as usize + 1, 0);
        }
        let old = self.0[node as usize];
        self.0[node as usize] |= flags;
        old & flags != flags
    }

    fn clear(&mut self, node: Node, flags: u32) {
        if let Some(old) = self.0.get_mut(node as usize) {
            *old &= !flags;
        }
    }
}
