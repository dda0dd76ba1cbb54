//! What a bitmap knows of the objects that some tips reach, and the commits that it does not cover.
//!
//! The sets here are of bits, in the order of the bitmap. The trees of the commits that are not covered are left
//! to the caller.

use super::commits::MissingExcludes;
use super::graph::{ByTime, Flags, Graph, Node};
use super::marks::Marks;
use super::numbers::Numbers;
use super::sieve::Rule;
use super::tag_target;
use crate::filter::ObjectFilter;
use crate::{Snapshot, StoredBitmap};
use git_core_idx::SharedBytes;
use git_core_idx::bitmap::{BitOrder, BitmapError, Expander, ObjectType};
use git_core_idx::ewah::words_for;
use git_core_object::{Context, Kind, ObjectId, ReadError};
use std::sync::Arc;

/// What some tips reach.
#[derive(Default)]
pub(super) struct Side {
    /// What the bitmap says they reach, and the commits among its objects that were walked.
    pub(super) bits: Vec<u64>,
    /// What was met that has no bit: commits that were walked, tags and blobs that were named.
    pub(super) others: Vec<ObjectId>,
    /// Trees whose content may not be in it yet: those of the walked commits, and those that were named.
    pub(super) roots: Vec<ObjectId>,
    /// What was named.
    pub(super) named: Vec<ObjectId>,
}

impl Side {
    fn insert(&mut self, bit: Option<u32>, id: &ObjectId) {
        match bit {
            Some(bit) => self.bits[bit as usize / 64] |= 1 << (bit % 64),
            None => self.others.push(*id),
        }
    }

    /// Marks what has been found, under its numbers.
    pub(super) fn mark(&self, bitmap: &StoredBitmap, order: &BitOrder, numbers: &Numbers, marks: &Marks) {
        let rows = bitmap.rows();
        // Where the pack of a bitmap is the first that has numbers, rows are numbers.
        let first = numbers.packs().first().zip(rows.packs().first());
        let direct = rows.is_pack() && first.is_some_and(|(first, own)| Arc::ptr_eq(first, own));
        for_each_bit(&self.bits, |bit| {
            let row = order.row(bit);
            let number = if direct { row } else { numbers.number(&rows.id_at(row)) };
            marks.insert(number);
        });
        for id in &self.others {
            marks.insert(numbers.number(id));
        }
    }

    /// The part of what has been found that a filter lets through.
    pub(super) fn sift(
        &self,
        snapshot: &dyn Snapshot,
        bitmap: &StoredBitmap,
        order: &BitOrder,
        filter: &ObjectFilter,
    ) -> Result<Side, ReadError> {
        let (rule, rows) = (Rule::new(filter), bitmap.rows());
        let mut side = Side { bits: vec![0; self.bits.len()], ..Side::default() };
        let kinds = [
            (ObjectType::Commit, Kind::Commit),
            (ObjectType::Tree, Kind::Tree),
            (ObjectType::Blob, Kind::Blob),
            (ObjectType::Tag, Kind::Tag),
        ];
        for (of_type, kind) in kinds {
            if filter.admits(kind) {
                let words = bitmap.of_type(of_type).unwrap_or_default();
                let words = words.iter().zip(&self.bits).map(|(of_type, found)| of_type & found);
                if kind == Kind::Blob && filter.blobs_below().is_some() {
                    let mut blobs = Vec::new();
                    for_each_bit(&words.collect::<Vec<_>>(), |bit| blobs.push(bit));
                    for bit in blobs {
                        if rule.weigh(snapshot, &rows.id_at(order.row(bit)))? {
                            side.bits[bit as usize / 64] |= 1 << (bit % 64);
                        }
                    }
                } else {
                    side.bits.iter_mut().zip(words).for_each(|(to, from)| *to |= from);
                }
            }
        }
        for id in &self.others {
            let kind = snapshot.header(id)?.ok_or(ReadError::Missing { id: *id })?.kind;
            if filter.admits(kind) && (kind != Kind::Blob || rule.weigh(snapshot, id)?) {
                side.others.push(*id);
            }
        }
        if filter.keeps_named() {
            side.others.extend(&self.named);
        }
        Ok(side)
    }
}

/// A bitmap at work for one query.
pub(super) struct Cover<'a> {
    snapshot: &'a dyn Snapshot,
    pub(super) bitmap: &'a StoredBitmap,
    pub(super) order: &'a BitOrder,
    commits: &'a [u64],
    trees: &'a [u64],
    tags: &'a [u64],
    expander: Expander<'a, SharedBytes>,
    graph: Graph<&'a dyn Snapshot>,
    /// What turned out to be damaged.
    pub(super) damage: Option<BitmapError>,
}

impl<'a> Cover<'a> {
    /// `None` when the bitmap cannot be used.
    pub(super) fn open(snapshot: &'a dyn Snapshot, bitmap: &'a StoredBitmap) -> Option<Self> {
        Some(Cover {
            snapshot,
            bitmap,
            order: bitmap.order()?,
            commits: bitmap.of_type(ObjectType::Commit)?,
            trees: bitmap.of_type(ObjectType::Tree)?,
            tags: bitmap.of_type(ObjectType::Tag)?,
            expander: Expander::new(bitmap.file()),
            graph: Graph::new(snapshot, &[]),
            damage: None,
        })
    }

    /// Everything that the tips reach, except what only commits in `known` lead to, and trees not covered.
    /// `missing` is about the tips, `deeper` about what they reach.
    pub(super) fn side(
        &mut self,
        tips: &[ObjectId],
        [missing, deeper]: [MissingExcludes; 2],
        known: &[u64],
        cx: &Context,
    ) -> Result<Side, ReadError> {
        let mut side = Side { bits: vec![0; words_for(self.order.count())], ..Side::default() };
        let mut commits = Vec::new();
        for id in tips {
            match self.named(id, &mut side) {
                Ok(commit) => commits.extend(commit),
                Err(ReadError::Missing { .. }) if missing == MissingExcludes::Ignore => {}
                Err(error) => return Err(error),
            }
        }
        for (_, bit) in &commits {
            if let Some(bit) = *bit
                && !has(&side.bits, bit)
                && let Some(entry) = self.entry(bit)
            {
                self.or(entry, &mut side)?;
            }
        }
        self.pseudo_merges(&commits, &mut side)?;
        let (mut seen, mut queue) = (Flags::default(), ByTime::default());
        for (id, bit) in commits {
            if bit.is_none_or(|bit| !has(&side.bits, bit) && !has(known, bit)) {
                self.enqueue(&id, missing, &mut seen, &mut queue)?;
            }
        }
        let mut visited = 0u64;
        while let Some(node) = queue.pop() {
            visited += 1;
            if visited.is_multiple_of(1024) {
                cx.check()?;
            }
            let id = self.graph.id(node);
            let bit = self.bitmap.bit(&id);
            if let Some(bit) = bit {
                if has(&side.bits, bit) || has(known, bit) {
                    continue;
                }
                if let Some(entry) = self.entry(bit) {
                    self.or(entry, &mut side)?;
                    continue;
                }
            }
            side.insert(bit, &id);
            side.roots.extend(self.graph.tree(node));
            for at in self.graph.parents(node) {
                let parent = self.graph.id(self.graph.parent(at));
                let bit = self.bitmap.bit(&parent);
                if bit.is_none_or(|bit| !has(&side.bits, bit) && !has(known, bit)) {
                    self.enqueue(&parent, deeper, &mut seen, &mut queue)?;
                }
            }
        }
        Ok(side)
    }

    fn enqueue(
        &mut self,
        id: &ObjectId,
        missing: MissingExcludes,
        seen: &mut Flags,
        queue: &mut ByTime,
    ) -> Result<(), ReadError> {
        let node: Node = self.graph.node(id);
        if !seen.set(node, 1) {
            return Ok(());
        }
        match self.graph.load(node)? {
            true => queue.push(self.graph.time(node), node),
            false if missing == MissingExcludes::Ignore => {}
            false => return Err(ReadError::Missing { id: *id }),
        }
        Ok(())
    }

    /// Puts what was named where it belongs; gives the commit that it leads to, if it does.
    fn named(&self, id: &ObjectId, side: &mut Side) -> Result<Option<(ObjectId, Option<u32>)>, ReadError> {
        let mut at = *id;
        loop {
            let bit = self.bitmap.bit(&at);
            let kind = match bit {
                Some(bit) if has(self.commits, bit) => Kind::Commit,
                Some(bit) if has(self.trees, bit) => Kind::Tree,
                Some(bit) if has(self.tags, bit) => Kind::Tag,
                Some(_) => Kind::Blob,
                None => self.snapshot.header(&at)?.ok_or(ReadError::Missing { id: at })?.kind,
            };
            side.named.push(at);
            match kind {
                Kind::Commit => return Ok(Some((at, bit))),
                Kind::Tree => side.roots.push(at),
                _ => side.insert(bit, &at),
            }
            if kind != Kind::Tag {
                return Ok(None);
            }
            let mut content = Vec::new();
            self.snapshot.require(&at, &mut content)?;
            at = tag_target(self.snapshot.format(), at, &content)?;
        }
    }

    fn entry(&self, bit: u32) -> Option<u32> {
        self.bitmap.file().entry_of(self.order.row(bit))
    }

    fn or(&mut self, entry: u32, side: &mut Side) -> Result<(), ReadError> {
        self.expander.or_into(entry, &mut side.bits).map_err(|error| {
            let read = ReadError::corrupt(self.bitmap.name(), &error);
            self.damage = Some(error);
            read
        })
    }

    /// Adds the groups of commits that lie in the set once the tips do.
    fn pseudo_merges(&mut self, tips: &[(ObjectId, Option<u32>)], side: &mut Side) -> Result<(), ReadError> {
        let bitmap = self.bitmap;
        let mut work = || {
            let groups = bitmap.file().pseudo_merges()?;
            if groups.is_empty() {
                return Ok(());
            }
            let mut within = side.bits.clone();
            for bit in tips.iter().filter_map(|(_, bit)| *bit) {
                within[bit as usize / 64] |= 1 << (bit % 64);
            }
            for group in groups {
                let damaged = |_| BitmapError::PseudoMerges { detail: "one is longer than the bitmap" };
                let commits = group.commits.to_words(self.order.count()).map_err(damaged)?;
                if commits.iter().zip(&within).all(|(commits, within)| commits & !within == 0) {
                    group.objects.or_into(&mut side.bits).map_err(damaged)?;
                }
            }
            Ok(())
        };
        work().map_err(|error: BitmapError| {
            let read = ReadError::corrupt(bitmap.name(), &error);
            self.damage = Some(error);
            read
        })
    }
}

pub(super) fn has(words: &[u64], bit: u32) -> bool {
    words.get(bit as usize / 64).is_some_and(|word| word >> (bit % 64) & 1 != 0)
}

pub(super) fn for_each_bit(words: &[u64], mut visit: impl FnMut(u32)) {
    for (at, word) in (0u32..).zip(words) {
        let mut left = *word;
        while left != 0 {
            visit(at * 64 + left.trailing_zeros());
            left &= left - 1;
        }
    }
}
