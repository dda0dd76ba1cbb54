//! Writing a bitmap: which commits get one, and what each of them reaches.
//!
//! What a commit reaches is what its tree adds to that of its first parent, and what its parents reach. So the
//! trees are compared once for every commit, on several threads, and the bitmap of a commit is then a matter of
//! joining short lists and earlier bitmaps.

use super::commits::{CommitWalk, Query};
use super::covered::{for_each_bit, has};
use super::graph::Node;
use super::introduced::{Introduced, Meet};
use super::marks::{Marks, Sighting, Sightings};
use super::peel;
use crate::config::ConfigError;
use crate::{BitmapRows, Snapshot};
use git_core_idx::bitmap::{BitOrder, BitmapBuilder, BitmapError, ObjectType};
use git_core_idx::ewah::{Ewah, words_for, write_ewah};
use git_core_object::{Context, EntryKind, ErrorKind, Kind, ObjectId, Phase, ReadError};
use git_core_pack::name_hash;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

/// How a bitmap is written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BitmapOptions {
    /// Whether the hashes of the paths are kept too (`pack.writeBitmapHashCache`).
    pub hash_cache: bool,
    /// Whether a lookup table is added (`pack.writeBitmapLookupTable`).
    pub lookup_table: bool,
    /// Tips whose commits are chosen before others near them (`pack.preferBitmapTips`).
    pub preferred: Vec<ObjectId>,
}

impl Default for BitmapOptions {
    fn default() -> Self {
        BitmapOptions { hash_cache: true, lookup_table: false, preferred: Vec::new() }
    }
}

/// Why a bitmap cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BitmapWriteError {
    /// The packs lack something that an object in them refers to.
    #[error("the packs do not have all that their objects refer to: object {id} is missing")]
    NotClosed {
        /// What is not there.
        id: ObjectId,
    },
    /// The order of the objects makes no sense.
    #[error(transparent)]
    Order(#[from] BitmapError),
    /// An object cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A variable makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl BitmapWriteError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            BitmapWriteError::NotClosed { .. } => ErrorKind::NotFound,
            BitmapWriteError::Order(error) => error.kind(),
            BitmapWriteError::Read(error) => error.kind(),
            BitmapWriteError::Config(_) => ErrorKind::Invalid,
        }
    }
}

/// The bytes of a `.bitmap` file for a pack or a multi-pack index. `tips` are what the refs hold; those that are
/// not among the objects are passed over. `None` when no commit is left to write a bitmap for.
///
/// # Errors
/// [`BitmapWriteError::NotClosed`] when what a tip reaches is not all there, and others.
pub fn write_bitmap(
    snapshot: &dyn Snapshot,
    rows: &dyn BitmapRows,
    tips: &[ObjectId],
    options: &BitmapOptions,
    cx: &Context,
) -> Result<Option<Vec<u8>>, BitmapWriteError> {
    let order = BitOrder::new(rows.order()?)?;
    let bit_of = |id: &ObjectId| rows.lookup(id).map(|row| order.bit(row));
    let tips = Tips::among(snapshot, tips, &options.preferred, &bit_of)?;
    let history = History::walk(snapshot, &tips.commits, cx, &|id| {
        bit_of(id).ok_or(BitmapWriteError::NotClosed { id: *id })
    })?;
    let recorder = Recorder::new(rows, &order, options.hash_cache);
    let task = cx.task(Phase::Counting, None);
    let parents = history.first_parents();
    let introduced = Introduced::find(snapshot, &history.trees, &parents, &recorder, task, cx)?;
    let gathered = Gathered {
        history,
        introduced,
        tags: tips.tags.iter().copied().collect(),
        trees: recorder.trees.words(),
        blobs: recorder.blobs.words(),
        hashes: recorder.into_hashes(),
    };
    put_together(snapshot, rows, &order, gathered, &tips, options, cx)
}

/// What is learned of objects on the way, by bit.
struct Recorder<'a> {
    rows: &'a dyn BitmapRows,
    order: &'a BitOrder,
    trees: Marks,
    blobs: Marks,
    names: Option<Sightings>,
}

impl<'a> Recorder<'a> {
    fn new(rows: &'a dyn BitmapRows, order: &'a BitOrder, names: bool) -> Self {
        let count = order.count();
        let names = names.then(|| Sightings::new(count));
        Recorder { rows, order, trees: Marks::new(count), blobs: Marks::new(count), names }
    }

    /// The hashes of the paths, by row.
    fn into_hashes(self) -> Option<Vec<u32>> {
        let names = self.names?;
        Some((0..self.order.count()).map(|row| names.get(self.order.bit(row)).name_hash).collect())
    }
}

impl Meet for Recorder<'_> {
    type Error = BitmapWriteError;

    fn met(&self, id: &ObjectId, kind: EntryKind, path: &[u8], commit: u32) -> Result<u32, BitmapWriteError> {
        let row = self.rows.lookup(id).ok_or(BitmapWriteError::NotClosed { id: *id })?;
        let bit = self.order.bit(row);
        if kind == EntryKind::Tree {
            self.trees.insert(bit);
        } else {
            self.blobs.insert(bit);
        }
        if let Some(names) = &self.names {
            names.note(bit, Sighting { name_hash: name_hash(path), rank: commit });
        }
        Ok(bit)
    }
}

/// What the refs lead to.
#[derive(Default)]
pub(super) struct Tips {
    commits: Vec<ObjectId>,
    /// The bits of the commits, and of those that are preferred.
    bits: HashSet<u32>,
    preferred: HashSet<u32>,
    /// The bits of the annotated tags on the way.
    tags: HashSet<u32>,
}

impl Tips {
    pub(super) fn among(
        snapshot: &dyn Snapshot,
        tips: &[ObjectId],
        preferred: &[ObjectId],
        bit_of: &dyn Fn(&ObjectId) -> Option<u32>,
    ) -> Result<Self, ReadError> {
        let (mut found, mut buf, mut passed) = (Tips::default(), Vec::new(), Vec::new());
        let prefers: HashSet<&ObjectId> = preferred.iter().collect();
        for tip in tips.iter().filter(|tip| bit_of(tip).is_some()) {
            passed.clear();
            let (id, kind) = peel(snapshot, *tip, &mut buf, &mut passed)?;
            found.tags.extend(passed.iter().filter_map(bit_of));
            if kind == Kind::Commit
                && let Some(bit) = bit_of(&id)
            {
                found.commits.push(id);
                found.bits.insert(bit);
                if prefers.contains(tip) {
                    found.preferred.insert(bit);
                }
            }
        }
        Ok(found)
    }
}

/// What was learned of objects, by bit.
pub(super) struct Gathered {
    pub(super) history: History,
    pub(super) introduced: Introduced,
    pub(super) tags: Vec<u32>,
    pub(super) trees: Vec<u64>,
    pub(super) blobs: Vec<u64>,
    /// The hashes of paths, by row.
    pub(super) hashes: Option<Vec<u32>>,
}

/// Makes the file of what was learned.
pub(super) fn put_together(
    snapshot: &dyn Snapshot,
    rows: &dyn BitmapRows,
    order: &BitOrder,
    gathered: Gathered,
    tips: &Tips,
    options: &BitmapOptions,
    cx: &Context,
) -> Result<Option<Vec<u8>>, BitmapWriteError> {
    let Gathered { history, introduced, .. } = &gathered;
    if history.numbers.is_empty() {
        return Ok(None);
    }
    let rank = |at: usize| {
        let bit = history.numbers[at];
        (tips.preferred.contains(&bit), tips.bits.contains(&bit), history.parents_of(at).len() > 1)
    };
    let chosen = choose(history.numbers.len(), rank);
    let mut builder = BitmapBuilder::new(order.count(), rows.checksum());
    let mut told = vec![0u64; words_for(order.count())];
    let mut say = |told: &mut [u64], bit: u32, kind: ObjectType| {
        if !has(told, bit) {
            told[bit as usize / 64] |= 1 << (bit % 64);
            builder.set_type(bit, kind);
        }
    };
    history.numbers.iter().for_each(|bit| say(&mut told, *bit, ObjectType::Commit));
    gathered.tags.iter().for_each(|bit| say(&mut told, *bit, ObjectType::Tag));
    for_each_bit(&gathered.trees, |bit| say(&mut told, bit, ObjectType::Tree));
    for_each_bit(&gathered.blobs, |bit| say(&mut told, bit, ObjectType::Blob));
    // What no tip reaches.
    let rest: Vec<u32> = (0..order.count()).filter(|bit| !has(&told, *bit)).collect();
    for bit in rest {
        let id = rows.id_at(order.row(bit));
        let kind = snapshot.header(&id)?.ok_or(ReadError::Missing { id })?.kind;
        let kind = match kind {
            Kind::Commit => ObjectType::Commit,
            Kind::Tree => ObjectType::Tree,
            Kind::Tag => ObjectType::Tag,
            _ => ObjectType::Blob,
        };
        say(&mut told, bit, kind);
    }
    if let Some(hashes) = &gathered.hashes {
        builder = builder.with_hashes(hashes.clone());
    }
    if options.lookup_table {
        builder = builder.with_lookup_table();
    }
    join(history, introduced, &chosen, order, &mut builder, cx)?;
    Ok(Some(builder.finish()))
}

/// The commits that the tips reach, the newest first, by the order of the walk.
pub(super) struct History {
    /// What stands for each: bits, once the bitmap is made.
    pub(super) numbers: Vec<u32>,
    pub(super) trees: Vec<ObjectId>,
    /// Where the parents of each begin; one more than commits.
    starts: Vec<u32>,
    parents: Vec<u32>,
}

impl History {
    pub(super) fn walk<E: From<ReadError>>(
        snapshot: &dyn Snapshot,
        tips: &[ObjectId],
        cx: &Context,
        number: &dyn Fn(&ObjectId) -> Result<u32, E>,
    ) -> Result<Self, E> {
        let query = Query { include: tips.to_vec(), ..Query::default() };
        let mut walk = CommitWalk::new(snapshot, snapshot.shallow(), &query, cx)?;
        let mut place: HashMap<Node, u32> = HashMap::new();
        let (mut numbers, mut trees, mut nodes) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(node) = walk.next_node()? {
            numbers.push(number(&walk.graph().id(node))?);
            trees.push(walk.graph().tree(node).expect("what is walked has been read"));
            place.insert(node, nodes.len() as u32);
            nodes.push(node);
        }
        let graph = walk.graph();
        let (mut starts, mut parents) = (vec![0], Vec::new());
        for node in nodes {
            // A walk that excludes nothing comes to every parent.
            parents.extend(graph.parents(node).filter_map(|at| place.get(&graph.parent(at))));
            starts.push(parents.len() as u32);
        }
        Ok(History { numbers, trees, starts, parents })
    }

    /// The places of the commits, each after all that have it as a parent, whatever their clocks said.
    pub(super) fn children_first(&self) -> Vec<u32> {
        let count = self.numbers.len();
        let mut children = vec![0u32; count];
        self.parents.iter().for_each(|parent| children[*parent as usize] += 1);
        let mut order: Vec<u32> = (0..count as u32).filter(|at| children[*at as usize] == 0).collect();
        let mut next = 0;
        while let Some(at) = order.get(next).copied() {
            next += 1;
            for parent in self.parents_of(at as usize) {
                children[*parent as usize] -= 1;
                if children[*parent as usize] == 0 {
                    order.push(*parent);
                }
            }
        }
        order
    }

    pub(super) fn parents_of(&self, at: usize) -> &[u32] {
        &self.parents[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    pub(super) fn first_parents(&self) -> Vec<Option<u32>> {
        (0..self.numbers.len()).map(|at| self.parents_of(at).first().copied()).collect()
    }
}

/// How many of the newest commits all get a bitmap.
const ALL_OF: usize = 100;
/// The least and the greatest distance between older ones.
const WINDOW: std::ops::RangeInclusive<usize> = 100..=5000;

/// The commits that get a bitmap, by their places: all the newest, then one of a window that grows with the
/// distance from them, the one of the highest rank.
fn choose<R: Ord>(count: usize, rank: impl Fn(usize) -> R) -> Vec<usize> {
    let mut chosen: Vec<usize> = (0..count.min(ALL_OF)).collect();
    let mut from = chosen.len();
    while from < count {
        let window = (from / 100).clamp(*WINDOW.start(), *WINDOW.end());
        let to = count.min(from + window);
        // The oldest of several equal ones: then the windows are evenly spaced.
        chosen.extend((from..to).max_by_key(|at| rank(*at)));
        from = to;
    }
    chosen
}

/// Builds the bitmaps, the oldest commit first.
fn join(
    history: &History,
    introduced: &Introduced,
    chosen: &[usize],
    order: &BitOrder,
    builder: &mut BitmapBuilder,
    cx: &Context,
) -> Result<(), BitmapWriteError> {
    let damaged = |error| BitmapWriteError::Read(ReadError::corrupt("a bitmap in memory", error));
    let mut progress = cx.task(Phase::Writing, Some(chosen.len() as u64));
    let mut done: HashMap<u32, Vec<u8>> = HashMap::new();
    let mut queue = BinaryHeap::new();
    for at in chosen.iter().rev() {
        cx.check().map_err(ReadError::from)?;
        let mut set = vec![0u64; words_for(order.count())];
        // The newest first: what a bitmap covers then needs no walk.
        queue.push(Reverse(*at as u32));
        while let Some(Reverse(commit)) = queue.pop() {
            let bit = history.numbers[commit as usize];
            if has(&set, bit) {
                continue;
            }
            if let Some(stored) = done.get(&commit) {
                Ewah::parse(stored).and_then(|map| map.or_into(&mut set)).map_err(damaged)?;
                continue;
            }
            set[bit as usize / 64] |= 1 << (bit % 64);
            for bit in introduced.of(commit as usize) {
                set[*bit as usize / 64] |= 1 << (bit % 64);
            }
            let parents = history.parents_of(commit as usize).iter();
            queue.extend(
                parents.filter(|at| !has(&set, history.numbers[**at as usize])).map(|at| Reverse(*at)),
            );
        }
        let mut stored = Vec::new();
        write_ewah(&set, order.count(), &mut stored);
        done.insert(*at as u32, stored);
        builder.add(order.row(history.numbers[*at]), set);
        progress.add(1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_prefer_the_highest_rank() {
        let chosen = choose(1000, |at| at == 150);
        assert_eq!(&chosen[..100], (0..100).collect::<Vec<_>>());
        assert_eq!(&chosen[100..], [150, 299, 399, 499, 599, 699, 799, 899, 999]);
        assert_eq!(choose(3, |_| ()), [0, 1, 2]);
        assert!(choose(0, |_| ()).is_empty());
        assert!(choose(1_000_000, |_| ()).len() < 1000);
    }
}
