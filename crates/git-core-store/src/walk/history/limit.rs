//! Going through the commits that may be listed.

use super::{
    ABOVE, BELOW, Bits, EXPANDED, HIDDEN, History, LEFT, Node, QUEUED, SEEN, Side, Simplification, TIP,
    TipRole,
};
use crate::walk::settle::{Ended, Follow};
use git_core_object::ReadError;
use std::collections::VecDeque;

/// How many commits more are visited after only hidden ones are left, in case the clocks of their committers
/// were wrong.
const SLOP: u32 = 5;

impl History<'_> {
    /// All commits of a walk that must know them before it lists any: what is found early may be hidden later.
    pub(super) fn limit(&mut self) -> Result<(), ReadError> {
        let targets = self.ancestry_targets()?;
        let (mut found, mut newest, mut slop) = (VecDeque::new(), i64::MAX, SLOP);
        while let Some(node) = self.pop()? {
            if self.query.since.is_some_and(|since| self.graph.time(node) < since) {
                self.hide(node);
            }
            self.expand(node)?;
            if self.flags.has(node, HIDDEN) {
                match self.queue.newest() {
                    None => break,
                    Some((time, _)) if newest <= time => slop = SLOP,
                    Some(_) if self.open > 0 => slop = SLOP,
                    Some(_) if slop <= 1 => break,
                    Some(_) => slop -= 1,
                }
                continue;
            }
            if self.query.until.is_some_and(|until| self.graph.time(node) > until) {
                continue;
            }
            newest = self.graph.time(node);
            found.push_back(node);
        }
        self.settle()?;
        found.retain(|node| !self.flags.has(*node, HIDDEN));
        if self.query.exclude_first_parent_only {
            let reached = self.reached_past_hidden();
            found.retain(|node| reached.has(*node, SEEN));
        }
        if let Some(side) = self.query.side.filter(|_| self.divides()) {
            found.retain(|node| self.flags.has(*node, LEFT) == (side == Side::Left));
        }
        if let Some(targets) = targets {
            self.keep_ways(&targets, &found);
        }
        found.retain(|node| !self.flags.has(*node, HIDDEN));
        found.iter().for_each(|node| self.reconsider(*node));
        let found = match self.query.order {
            super::HistoryOrder::Met => found,
            order => self.sort(found, order)?,
        };
        let found = match self.query.simplification {
            Simplification::Merges if self.prunes() => self.simplify_merges(found)?,
            _ => found,
        };
        if self.query.children {
            for node in &found {
                for parent in self.parents(*node) {
                    self.children.entry(parent).or_default().insert(0, *node);
                }
            }
        }
        self.list = Some(found);
        Ok(())
    }

    /// Hides what dates have not shown to be hidden.
    fn settle(&mut self) -> Result<(), ReadError> {
        if !self.query.tips.iter().any(|tip| tip.role == TipRole::Hidden) {
            return Ok(());
        }
        let (flags, rewritten) = (&self.flags, &self.rewritten);
        let hidden = Ended {
            found: &|node| flags.has(node, EXPANDED) && !flags.has(node, HIDDEN),
            // Of a commit with fewer parents than it names, not all have been hidden.
            pending: &|node| {
                flags.has(node, HIDDEN) && (!flags.has(node, EXPANDED) || rewritten.contains_key(&node))
            },
            follow: if self.query.exclude_first_parent_only { Follow::First } else { Follow::All },
            cx: self.cx,
        }
        .settle(&mut self.graph)?;
        hidden.into_iter().for_each(|node| self.hide(node));
        Ok(())
    }

    /// What the shown tips reach without passing through a hidden commit. Only where the second parents of hidden
    /// commits are not hidden may that be less than was found: they may have been followed too early.
    fn reached_past_hidden(&self) -> Bits {
        let mut reached = Bits::default();
        let mut stack: Vec<Node> =
            (0..self.graph.len() as Node).filter(|node| self.flags.has(*node, TIP)).collect();
        let most = if self.query.first_parent { 1 } else { usize::MAX };
        while let Some(node) = stack.pop() {
            if !self.flags.has(node, HIDDEN) && reached.set(node, SEEN) {
                stack.extend(self.parents(node).into_iter().take(most));
            }
        }
        reached
    }

    /// The commits that `--ancestry-path` is about.
    fn ancestry_targets(&mut self) -> Result<Option<Vec<Node>>, ReadError> {
        let Some(ids) = self.query.ancestry_path.clone() else { return Ok(None) };
        if ids.is_empty() {
            let hidden = self.query.tips.iter().filter(|tip| tip.role == TipRole::Hidden);
            return Ok(Some(
                hidden.map(|tip| tip.id).collect::<Vec<_>>().iter().map(|id| self.graph.node(id)).collect(),
            ));
        }
        let mut targets = Vec::new();
        for id in &ids {
            let node = self.graph.node(id);
            self.graph.require(node)?;
            self.flags.set(node, ABOVE | BELOW);
            targets.push(node);
        }
        Ok(Some(targets))
    }

    /// Hides what is neither on a way from the targets nor, where they were given, on one to them.
    fn keep_ways(&mut self, targets: &[Node], found: &VecDeque<Node>) {
        for target in targets {
            self.flags.set(*target, ABOVE);
        }
        // The older first; once is enough unless clocks were wrong.
        let mut progress = true;
        while progress {
            progress = false;
            for node in found.iter().rev() {
                if !self.flags.has(*node, ABOVE)
                    && self.parents(*node).iter().any(|p| self.flags.has(*p, ABOVE))
                {
                    progress |= self.flags.set(*node, ABOVE);
                }
            }
        }
        for node in found {
            if !self.flags.has(*node, ABOVE | BELOW) {
                self.flags.set(*node, HIDDEN);
            }
        }
    }

    /// Puts the parents of a commit into the queue.
    pub(super) fn expand(&mut self, node: Node) -> Result<(), ReadError> {
        if !self.flags.set(node, EXPANDED) {
            return Ok(());
        }
        if self.flags.has(node, HIDDEN) {
            for at in self.graph.parents(node) {
                let parent = self.graph.parent(at);
                // What the hidden side lacks does not matter to anybody.
                if !self.graph.load(parent)? {
                    continue;
                }
                self.hide(parent);
                self.enqueue(parent);
                if self.query.exclude_first_parent_only {
                    break;
                }
            }
            return Ok(());
        }
        if self.prunes() {
            self.simplify(node)?;
            for parent in self.parents(node) {
                self.follow(node, parent)?;
                if self.query.first_parent {
                    break;
                }
            }
            return Ok(());
        }
        for at in self.graph.parents(node) {
            self.follow(node, self.graph.parent(at))?;
            if self.query.first_parent {
                break;
            }
        }
        Ok(())
    }

    fn follow(&mut self, node: Node, parent: Node) -> Result<(), ReadError> {
        if !self.is_there(parent)? || self.is_left_to_promisors(parent) {
            return Ok(());
        }
        for passed in [LEFT, BELOW] {
            if self.flags.has(node, passed) {
                self.pass(parent, passed);
            }
        }
        self.enqueue(parent);
        Ok(())
    }

    /// Passes a flag on to a commit, and on along what was followed from it before.
    fn pass(&mut self, node: Node, flag: u32) {
        let most = if self.query.first_parent { 1 } else { usize::MAX };
        let mut stack = vec![node];
        while let Some(node) = stack.pop() {
            if self.flags.set(node, flag) && self.flags.has(node, EXPANDED) {
                stack.extend(self.parents(node).into_iter().take(most));
            }
        }
    }

    pub(super) fn pop(&mut self) -> Result<Option<Node>, ReadError> {
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

    pub(super) fn enqueue(&mut self, node: Node) {
        if self.flags.set(node, SEEN) {
            self.flags.set(node, QUEUED);
            self.open += usize::from(!self.flags.has(node, HIDDEN));
            self.queue.push(self.graph.time(node), node);
        }
    }

    /// Hides a commit, and all it reaches as far as the walk has come.
    pub(super) fn hide(&mut self, node: Node) {
        let mut stack = vec![node];
        while let Some(node) = stack.pop() {
            if !self.flags.set(node, HIDDEN) {
                continue;
            }
            if self.flags.has(node, QUEUED) {
                self.open -= 1;
            }
            let most = if self.query.exclude_first_parent_only { 1 } else { usize::MAX };
            // Parents that did not matter are not hidden by way of this commit.
            match self.rewritten.get(&node) {
                Some(parents) => stack.extend(parents.iter().take(most)),
                None => {
                    stack.extend(self.graph.parents(node).map(|at| self.graph.parent(at)).take(most));
                }
            }
        }
    }
}
