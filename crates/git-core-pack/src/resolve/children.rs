//! Which deltas are based on which object.

use super::Table;
use git_core_object::ObjectId;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// The deltas of a pack, grouped by their bases.
pub(crate) struct Children {
    /// Where the group of each entry begins in `deltas`; one more than there are entries.
    starts: Vec<u32>,
    deltas: Vec<u32>,
    /// Ref-deltas, sorted by the ids of their bases.
    refs: Vec<(ObjectId, u32)>,
    /// Whether the group that begins at this ref-delta has been taken: an id may occur twice.
    claimed: Vec<AtomicBool>,
}

/// Deltas that wait for one base: a part of each list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting {
    deltas: Range<u32>,
    refs: Range<u32>,
}

impl Children {
    /// Groups the deltas of a table; takes its list of ref-deltas.
    pub(crate) fn new(table: &mut Table) -> Self {
        let count = table.len();
        let mut starts = vec![0u32; count as usize + 1];
        let bases = |entry: u32| table.base(entry);
        for base in (0..count).filter_map(bases) {
            starts[base as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut deltas = vec![0u32; starts.last().copied().unwrap_or(0) as usize];
        // Filled from the end of each group, so that `starts` is right when all are in.
        let mut ends: Vec<u32> = starts[1..].to_vec();
        for entry in (0..count).rev() {
            if let Some(base) = table.base(entry) {
                let end = &mut ends[base as usize];
                *end -= 1;
                deltas[*end as usize] = entry;
            }
        }
        let mut refs = std::mem::take(&mut table.refs);
        refs.sort_unstable();
        let claimed = refs.iter().map(|_| AtomicBool::new(false)).collect();
        Children { starts, deltas, refs, claimed }
    }

    /// The ofs-deltas on an entry.
    pub(crate) fn of_entry(&self, entry: u32) -> Waiting {
        match self.starts.get(entry as usize..entry as usize + 2) {
            Some(&[start, end]) => Waiting { deltas: start..end, refs: 0..0 },
            _ => Waiting::default(),
        }
    }

    /// Adds the ref-deltas on an id, unless somebody else has taken them.
    pub(crate) fn claim(&self, id: &ObjectId, waiting: &mut Waiting) {
        if self.refs.is_empty() {
            return;
        }
        let start = self.refs.partition_point(|(base, _)| base < id);
        if self.refs.get(start).is_none_or(|(base, _)| base != id) {
            return;
        }
        if !self.claimed[start].swap(true, Ordering::AcqRel) {
            let len = self.refs[start..].partition_point(|(base, _)| base == id);
            waiting.refs = start as u32..(start + len) as u32;
        }
    }

    /// Whether a ref-delta waits for this id.
    pub(crate) fn is_wanted(&self, id: &ObjectId) -> bool {
        !self.refs.is_empty() && self.refs.binary_search_by(|(base, _)| base.cmp(id)).is_ok()
    }

    /// Whether there are ref-deltas at all.
    pub(crate) fn has_refs(&self) -> bool {
        !self.refs.is_empty()
    }

    /// The bases of ref-deltas that nobody has taken, ascending, each once.
    pub(crate) fn unclaimed(&self) -> Vec<ObjectId> {
        let first_of_group = |at: &usize| *at == 0 || self.refs[at - 1].0 != self.refs[*at].0;
        let waits = |at: &usize| !self.claimed[*at].load(Ordering::Acquire);
        (0..self.refs.len()).filter(first_of_group).filter(waits).map(|at| self.refs[at].0).collect()
    }

    /// The next delta of a group.
    pub(crate) fn next(&self, waiting: &mut Waiting) -> Option<u32> {
        if let Some(at) = waiting.deltas.next() {
            return Some(self.deltas[at as usize]);
        }
        waiting.refs.next().map(|at| self.refs[at as usize].1)
    }
}

impl Waiting {
    pub(crate) fn len(&self) -> u32 {
        (self.deltas.end - self.deltas.start) + (self.refs.end - self.refs.start)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives away the latter half, rounded up.
    pub(crate) fn split(&mut self) -> Waiting {
        let deltas = split(&mut self.deltas);
        let refs = split(&mut self.refs);
        Waiting { deltas, refs }
    }
}

fn split(range: &mut Range<u32>) -> Range<u32> {
    let middle = range.start + (range.end - range.start) / 2;
    let given = middle..range.end;
    range.end = middle;
    given
}
