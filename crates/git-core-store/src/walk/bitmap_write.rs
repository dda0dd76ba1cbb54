//! Writing a bitmap: which commits get one, and what each of them reaches.
//!
//! What a commit reaches is what its tree adds to that of its first parent, and what its parents reach. So the
//! trees are compared once for every commit, on several threads, and the bitmap of a commit is then a matter of
//! joining short lists and earlier bitmaps.

use super::commits::{CommitWalk, Query};
use super::covered::has;
use super::graph::Node;
use super::introduced::{Introduced, Recorder};
use super::peel;
use crate::config::ConfigError;
use crate::{BitmapRows, Snapshot};
use git_core_idx::bitmap::{BitOrder, BitmapBuilder, BitmapError, ObjectType};
use git_core_idx::ewah::{Ewah, words_for, write_ewah};
use git_core_object::{Context, ErrorKind, Kind, ObjectId, Phase, ReadError};
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
    let (mut starts, mut tags, mut buf) = (Vec::new(), HashSet::new(), Vec::new());
    let (mut passed, mut preferred) = (Vec::new(), HashSet::new());
    let prefers: HashSet<&ObjectId> = options.preferred.iter().collect();
    for tip in tips {
        if bit_of(tip).is_none() {
            continue;
        }
        passed.clear();
        let (id, kind) = peel(snapshot, *tip, &mut buf, &mut passed)?;
        tags.extend(passed.iter().filter_map(bit_of));
        if kind == Kind::Commit && bit_of(&id).is_some() {
            starts.push(id);
            if prefers.contains(tip) {
                preferred.insert(id);
            }
        }
    }
    let history = History::walk(snapshot, &starts, &bit_of, cx)?;
    if history.bits.is_empty() {
        return Ok(None);
    }
    let starts: HashSet<ObjectId> = starts.into_iter().collect();
    let rank = |at: usize| {
        let id = rows.id_at(order.row(history.bits[at]));
        let merge = history.parents_of(at).len() > 1;
        (preferred.contains(&id), starts.contains(&id), merge)
    };
    let chosen = choose(history.bits.len(), rank);

    let recorder = Recorder::new(rows, &order, options.hash_cache);
    let introduced = Introduced::find(snapshot, &history.trees, &history.first_parents(), &recorder, cx)?;
    let mut builder = BitmapBuilder::new(order.count(), rows.checksum());
    let mut known = vec![0u64; words_for(order.count())];
    let mut say = |known: &mut [u64], bit: u32, kind: ObjectType| {
        if !has(known, bit) {
            known[bit as usize / 64] |= 1 << (bit % 64);
            builder.set_type(bit, kind);
        }
    };
    history.bits.iter().for_each(|bit| say(&mut known, *bit, ObjectType::Commit));
    tags.iter().for_each(|bit| say(&mut known, *bit, ObjectType::Tag));
    recorder.for_each_tree(|bit| say(&mut known, bit, ObjectType::Tree));
    recorder.for_each_blob(|bit| say(&mut known, bit, ObjectType::Blob));
    // What no tip reaches.
    let rest: Vec<u32> = (0..order.count()).filter(|bit| !has(&known, *bit)).collect();
    for bit in rest {
        let id = rows.id_at(order.row(bit));
        let kind = snapshot.header(&id)?.ok_or(ReadError::Missing { id })?.kind;
        let kind = match kind {
            Kind::Commit => ObjectType::Commit,
            Kind::Tree => ObjectType::Tree,
            Kind::Tag => ObjectType::Tag,
            _ => ObjectType::Blob,
        };
        say(&mut known, bit, kind);
    }
    if let Some(hashes) = recorder.into_hashes() {
        builder = builder.with_hashes(hashes);
    }
    if options.lookup_table {
        builder = builder.with_lookup_table();
    }
    join(&history, &introduced, &chosen, &order, &mut builder, cx)?;
    Ok(Some(builder.finish()))
}

/// The commits that the tips reach, the newest first, by the order of the walk.
struct History {
    bits: Vec<u32>,
    trees: Vec<ObjectId>,
    /// Where the parents of each begin; one more than commits.
    starts: Vec<u32>,
    parents: Vec<u32>,
}

impl History {
    fn walk(
        snapshot: &dyn Snapshot,
        tips: &[ObjectId],
        bit_of: &dyn Fn(&ObjectId) -> Option<u32>,
        cx: &Context,
    ) -> Result<Self, BitmapWriteError> {
        let query = Query { include: tips.to_vec(), ..Query::default() };
        let mut walk = CommitWalk::new(snapshot, snapshot.shallow(), &query, cx)?;
        let mut place: HashMap<Node, u32> = HashMap::new();
        let (mut bits, mut trees, mut nodes) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(node) = walk.next_node()? {
            let id = walk.graph().id(node);
            bits.push(bit_of(&id).ok_or(BitmapWriteError::NotClosed { id })?);
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
        Ok(History { bits, trees, starts, parents })
    }

    fn parents_of(&self, at: usize) -> &[u32] {
        &self.parents[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    fn first_parents(&self) -> Vec<Option<u32>> {
        (0..self.bits.len()).map(|at| self.parents_of(at).first().copied()).collect()
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
            let bit = history.bits[commit as usize];
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
            queue.extend(parents.filter(|at| !has(&set, history.bits[**at as usize])).map(|at| Reverse(*at)));
        }
        let mut stored = Vec::new();
        write_ewah(&set, order.count(), &mut stored);
        done.insert(*at as u32, stored);
        builder.add(order.row(history.bits[*at]), set);
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
