//! Leaving out merges that tie nothing together (`--simplify-merges`): each commit is replaced by the nearest that
//! says as much as it does, the oldest first.

use super::{HIDDEN, History, HistoryOrder, Node, PULL, SAME};
use git_core_object::ReadError;
use hashbrown::{HashMap, HashSet};
use std::collections::VecDeque;

impl History<'_> {
    /// Replaces the parents of what was found by what stands for them, and keeps what stands for itself.
    pub(super) fn simplify_merges(&mut self, found: VecDeque<Node>) -> Result<VecDeque<Node>, ReadError> {
        // Parents before their children.
        let sorted = self.sort(found.clone(), HistoryOrder::Topological)?;
        let order: HashMap<Node, usize> = sorted.iter().rev().copied().zip(0..).collect();
        let mut stands: HashMap<Node, Node> = HashMap::new();
        for (done, node) in sorted.iter().rev().enumerate() {
            if done.is_multiple_of(1024) {
                self.cx.check()?;
            }
            let simplified = self.simplify_one(*node, &stands, &order)?;
            stands.insert(*node, simplified);
        }
        Ok(found.into_iter().filter(|node| stands.get(node) == Some(node)).collect())
    }

    /// What stands for a commit, once that is known of its parents.
    fn simplify_one(
        &mut self,
        node: Node,
        stands: &HashMap<Node, Node>,
        order: &HashMap<Node, usize>,
    ) -> Result<Node, ReadError> {
        let own = self.parents(node);
        if own.is_empty() || self.flags.has(node, HIDDEN) {
            return Ok(node);
        }
        let most = if self.query.first_parent { 1 } else { usize::MAX };
        let before = own.len();
        let mut same = self.same.remove(&node).unwrap_or_default();
        same.resize(own.len(), false);
        let mut parents: Vec<(Node, bool)> = Vec::new();
        for (parent, same) in own.into_iter().zip(same) {
            let parent = match parents.len() < most {
                true => stands.get(&parent).copied().unwrap_or(parent),
                false => parent,
            };
            if !parents.iter().any(|(other, _)| *other == parent) || self.query.first_parent {
                parents.push((parent, same));
            }
        }
        if parents.len() > 1 && !self.query.first_parent {
            self.drop_redundant(&mut parents, order);
        }
        let ids: Vec<Node> = parents.iter().map(|(parent, _)| *parent).collect();
        // What is left is judged anew only if something is gone.
        if parents.len() < before && !self.query.first_parent {
            let same: Vec<bool> = parents.iter().map(|(_, same)| *same).collect();
            let nothing = match same[..] {
                [] => self.is_same(node, None)?,
                [only] => only,
                _ => self.changes_nothing(&ids, &same),
            };
            match nothing {
                true => drop(self.flags.set(node, SAME)),
                false => self.flags.clear(node, SAME),
            }
        }
        let stays = !self.flags.has(node, SAME) || self.query.show_pulls && self.flags.has(node, PULL);
        let follow = match ids[..] {
            [only] => Some(only),
            _ => {
                let mut relevant = ids.iter().copied().filter(|parent| self.is_relevant(*parent));
                match (relevant.next(), relevant.next()) {
                    (Some(only), None) => Some(only),
                    _ => None,
                }
            }
        };
        self.rewritten.insert(node, ids);
        Ok(match follow {
            Some(parent) if !stays => stands.get(&parent).copied().unwrap_or(parent),
            _ => node,
        })
    }

    /// Takes out parents that others reach, and roots that bring nothing; one that agrees with the merge stays.
    fn drop_redundant(&self, parents: &mut Vec<(Node, bool)>, order: &HashMap<Node, usize>) {
        let ids: Vec<Node> = parents.iter().map(|(parent, _)| *parent).collect();
        let reached = self.reached_by_others(&ids, order);
        let mut goes: Vec<bool> = ids
            .iter()
            .map(|id| reached.contains(id) || self.parents(*id).is_empty() && self.flags.has(*id, SAME))
            .collect();
        if !goes.contains(&true) {
            return;
        }
        let agrees = |goes: &[bool], gone: bool| {
            parents.iter().zip(goes).position(|((_, same), goes)| *same && *goes == gone)
        };
        if let (Some(first), None) = (agrees(&goes, true), agrees(&goes, false)) {
            goes[first] = false;
        }
        let mut goes = goes.into_iter();
        parents.retain(|_| !goes.next().unwrap_or(false));
    }

    /// Those of some commits that others of them reach.
    fn reached_by_others(&self, ids: &[Node], order: &HashMap<Node, usize>) -> HashSet<Node> {
        let place = |node: &Node| order.get(node).copied().unwrap_or(0);
        let lowest = ids.iter().map(place).min().unwrap_or(0);
        let (mut seen, mut stack) = (HashSet::new(), Vec::new());
        for id in ids {
            stack.extend(self.parents(*id));
        }
        while let Some(node) = stack.pop() {
            if place(&node) >= lowest && seen.insert(node) {
                stack.extend(self.parents(node));
            }
        }
        ids.iter().copied().filter(|id| seen.contains(id)).collect()
    }
}
