//! The commits of a commit-graph file on its way: read once, closed under parents, numbered by their ids.

use super::write::GraphWriteError;
use crate::Snapshot;
use git_core_idx::SharedBytes;
use git_core_idx::graph::{CommitGraph, GraphEntry, GraphPosition, MAX_LEVEL};
use git_core_object::{Context, Kind, ObjectId, Phase, ReadError, commit};
use hashbrown::HashMap;

/// Marks a parent that lies in a file below: the rest is its position.
const BELOW: u32 = 0x8000_0000;

/// Commits, and what a graph says of them.
#[derive(Default)]
pub(super) struct Commits {
    rows: Vec<Row>,
    /// Of all rows: before [`finish`](Self::finish) indexes of rows, or positions with [`BELOW`]; then positions.
    parents: Vec<u32>,
}

struct Row {
    id: ObjectId,
    tree: ObjectId,
    time: u64,
    parents: (u32, u32),
    level: u32,
    corrected: u64,
}

impl Commits {
    /// The commits that `tips` name, and what they reach, without what is in `base`. What `known` has is taken
    /// from there.
    pub(super) fn collect(
        snapshot: &dyn Snapshot,
        known: Option<&CommitGraph<SharedBytes>>,
        base: Option<&CommitGraph<SharedBytes>>,
        tips: &[ObjectId],
        cx: &Context,
    ) -> Result<Self, GraphWriteError> {
        let mut commits = Commits::default();
        let mut index: HashMap<ObjectId, u32> = HashMap::new();
        let mut task = cx.task(Phase::GraphCommits, None);
        let (mut pending, mut found, mut buf) = (Vec::new(), Vec::new(), Vec::new());
        for tip in tips {
            if base.is_none_or(|base| base.lookup(tip).is_none()) && !index.contains_key(tip) {
                index.insert(*tip, commits.push(*tip));
                pending.push(commits.rows.len() - 1);
            }
            while let Some(at) = pending.pop() {
                found.clear();
                commits.read(snapshot, known, at, &mut found, &mut buf)?;
                let start = commits.parents.len() as u32;
                for parent in &found {
                    let number = match base.and_then(|base| base.lookup(parent)) {
                        Some(GraphPosition(position)) => BELOW | position,
                        None => *index.entry(*parent).or_insert_with(|| {
                            pending.push(commits.rows.len());
                            commits.push(*parent)
                        }),
                    };
                    commits.parents.push(number);
                }
                commits.rows[at].parents = (start, commits.parents.len() as u32);
                task.add(1);
                if at.is_multiple_of(1024) {
                    cx.check()?;
                }
            }
        }
        Ok(commits)
    }

    fn push(&mut self, id: ObjectId) -> u32 {
        self.rows.push(Row { id, tree: id, time: 0, parents: (0, 0), level: 0, corrected: 0 });
        self.rows.len() as u32 - 1
    }

    fn read(
        &mut self,
        snapshot: &dyn Snapshot,
        known: Option<&CommitGraph<SharedBytes>>,
        at: usize,
        parents: &mut Vec<ObjectId>,
        buf: &mut Vec<u8>,
    ) -> Result<(), GraphWriteError> {
        let row = &mut self.rows[at];
        if let Some((graph, position)) = known.and_then(|graph| Some((graph, graph.lookup(&row.id)?))) {
            (row.tree, row.time) = (graph.tree(position), graph.time(position) as u64);
            for parent in graph.parents(position) {
                parents.push(graph.id(parent?));
            }
            return Ok(());
        }
        let id = row.id;
        match snapshot.require(&id, buf)? {
            Kind::Commit => {}
            actual => return Err(ReadError::WrongKind { id, expected: Kind::Commit, actual }.into()),
        }
        let links = commit::links(id.format(), buf)
            .map_err(|error| ReadError::corrupt(format_args!("commit {id}"), error))?;
        // A time before 1970 cannot be stored; it counts as none, as elsewhere.
        (row.tree, row.time) = (links.tree, u64::try_from(links.time).unwrap_or(0));
        parents.extend(links.parents());
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Computes generations, sorts by id and turns parents into positions.
    pub(super) fn finish(
        &mut self,
        base: Option<&CommitGraph<SharedBytes>>,
        cx: &Context,
    ) -> Result<(), GraphWriteError> {
        self.generations(base, cx)?;
        let first = base.map_or(0, CommitGraph::count);
        let mut order: Vec<u32> = (0..self.rows.len() as u32).collect();
        order.sort_unstable_by_key(|at| self.rows[*at as usize].id);
        let mut places = vec![0u32; order.len()];
        for (place, at) in order.iter().enumerate() {
            places[*at as usize] = first + place as u32;
        }
        for parent in &mut self.parents {
            *parent = if *parent & BELOW == 0 { places[*parent as usize] } else { *parent ^ BELOW };
        }
        self.rows.sort_unstable_by_key(|row| row.id);
        Ok(())
    }

    /// Parents before children, without recursion.
    fn generations(
        &mut self,
        base: Option<&CommitGraph<SharedBytes>>,
        cx: &Context,
    ) -> Result<(), GraphWriteError> {
        let mut task = cx.task(Phase::GraphGenerations, Some(self.rows.len() as u64));
        let mut stack: Vec<(u32, u32)> = Vec::new();
        for at in 0..self.rows.len() as u32 {
            if self.rows[at as usize].level == 0 {
                stack.push((at, 0));
            }
            while let Some((at, next)) = stack.last_mut() {
                let (start, end) = self.rows[*at as usize].parents;
                let parent = self.parents.get((start + *next) as usize).filter(|_| start + *next < end);
                *next += 1;
                match parent {
                    Some(parent) if parent & BELOW == 0 && self.rows[*parent as usize].level == 0 => {
                        stack.push((*parent, 0));
                    }
                    Some(_) => {}
                    None => {
                        let at = *at as usize;
                        (self.rows[at].level, self.rows[at].corrected) = self.above_parents(at, base)?;
                        stack.pop();
                        task.add(1);
                    }
                }
            }
            if at.is_multiple_of(1024) {
                cx.check()?;
            }
        }
        Ok(())
    }

    fn above_parents(
        &self,
        at: usize,
        base: Option<&CommitGraph<SharedBytes>>,
    ) -> Result<(u32, u64), GraphWriteError> {
        let row = &self.rows[at];
        let (mut level, mut corrected) = (0, 0);
        for parent in &self.parents[row.parents.0 as usize..row.parents.1 as usize] {
            let (below, date) = match base {
                Some(base) if parent & BELOW != 0 => {
                    let position = GraphPosition(parent ^ BELOW);
                    let date = if base.has_corrected_dates() { base.generation(position)? } else { 0 };
                    (base.level(position), date)
                }
                _ => (self.rows[*parent as usize].level, self.rows[*parent as usize].corrected),
            };
            level = level.max(below);
            corrected = corrected.max(date);
        }
        Ok(((level + 1).min(MAX_LEVEL), row.time.max(corrected.saturating_add(1))))
    }

    /// What is written.
    pub(super) fn entries(&self) -> impl ExactSizeIterator<Item = GraphEntry<'_>> + Clone {
        self.rows.iter().map(|row| GraphEntry {
            id: row.id,
            tree: row.tree,
            parents: &self.parents[row.parents.0 as usize..row.parents.1 as usize],
            time: row.time,
            level: row.level,
            corrected: row.corrected,
        })
    }

    /// The entry at a place.
    pub(super) fn tree(&self, place: usize) -> ObjectId {
        self.rows[place].tree
    }

    /// The id at a place.
    pub(super) fn id(&self, place: usize) -> ObjectId {
        self.rows[place].id
    }

    /// The first parent's position of the commit at a place.
    pub(super) fn first_parent(&self, place: usize) -> Option<u32> {
        let (start, end) = self.rows[place].parents;
        (start < end).then(|| self.parents[start as usize])
    }

    /// The places from the lowest generation to the highest, of equal ones the older first.
    pub(super) fn by_generation(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.rows.len() as u32).collect();
        order.sort_by_key(|at| (self.rows[*at as usize].corrected, self.rows[*at as usize].time));
        order
    }
}
