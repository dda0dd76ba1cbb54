//! Putting commits in an order in which none comes before its children.

use super::{History, HistoryOrder, IN_LIST, Node};
use git_core_object::{CommitRef, ReadError};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// What can come next.
enum Ready {
    /// The last that became ready comes first.
    Stack(Vec<Node>),
    /// The newest comes first; of equal ones the one that became ready first.
    Dates(BinaryHeap<(i64, Reverse<u64>, Node)>, u64),
}

impl History<'_> {
    pub(super) fn sort(
        &mut self,
        list: VecDeque<Node>,
        order: HistoryOrder,
    ) -> Result<VecDeque<Node>, ReadError> {
        // One more than the children that are in the list and have not come yet.
        let mut waiting = vec![0u32; self.graph.len()];
        for node in &list {
            waiting[*node as usize] = 1;
            self.flags.set(*node, IN_LIST);
        }
        for node in &list {
            self.for_parents_in_list(*node, |parent| waiting[parent as usize] += 1);
        }
        let mut ready = match order {
            HistoryOrder::Topological | HistoryOrder::Met => Ready::Stack(Vec::new()),
            HistoryOrder::Date | HistoryOrder::AuthorDate => Ready::Dates(BinaryHeap::new(), 0),
        };
        for node in &list {
            if waiting[*node as usize] == 1 {
                self.becomes_ready(&mut ready, *node, order)?;
            }
        }
        if let Ready::Stack(stack) = &mut ready {
            stack.reverse();
        }
        let mut sorted = VecDeque::with_capacity(list.len());
        let mut parents = Vec::new();
        while let Some(node) = ready.pop() {
            parents.clear();
            self.for_parents_in_list(node, |parent| parents.push(parent));
            for parent in &parents {
                let left = &mut waiting[*parent as usize];
                *left = left.saturating_sub(1);
                if *left == 1 {
                    self.becomes_ready(&mut ready, *parent, order)?;
                }
            }
            sorted.push_back(node);
        }
        for node in &sorted {
            self.flags.clear(*node, IN_LIST);
        }
        Ok(sorted)
    }

    fn for_parents_in_list(&self, node: Node, mut visit: impl FnMut(Node)) {
        match self.rewritten.get(&node) {
            Some(parents) => parents.iter().filter(|p| self.flags.has(**p, IN_LIST)).for_each(|p| visit(*p)),
            None => self
                .graph
                .parents(node)
                .map(|at| self.graph.parent(at))
                .filter(|parent| self.flags.has(*parent, IN_LIST))
                .for_each(visit),
        }
    }

    fn becomes_ready(&self, ready: &mut Ready, node: Node, order: HistoryOrder) -> Result<(), ReadError> {
        let time = match order {
            HistoryOrder::AuthorDate => self.author_time(node)?,
            _ => self.graph.time(node),
        };
        match ready {
            Ready::Stack(stack) => stack.push(node),
            Ready::Dates(heap, added) => {
                heap.push((time, Reverse(*added), node));
                *added += 1;
            }
        }
        Ok(())
    }

    /// When the change was written; 0 when the commit does not say it.
    fn author_time(&self, node: Node) -> Result<i64, ReadError> {
        let (id, mut content) = (self.graph.id(node), Vec::new());
        self.snapshot.require(&id, &mut content)?;
        let commit = CommitRef::parse(id.format(), &content)
            .map_err(|error| ReadError::corrupt(format_args!("commit {id}"), error))?;
        Ok(commit.author().time().map_or(0, |time| time.seconds))
    }
}

impl Ready {
    fn pop(&mut self) -> Option<Node> {
        match self {
            Ready::Stack(stack) => stack.pop(),
            Ready::Dates(heap, _) => heap.pop().map(|(.., node)| node),
        }
    }
}
