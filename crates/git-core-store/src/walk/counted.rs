//! Everything that some roots reach, together with how history brought it about: what packing a whole repository
//! wants to know, from one walk. The order of a pack, the names for a search of deltas and the bitmap come of it.

use super::bitmap_write::{
    BitmapOptions, BitmapWriteError, Gathered, History, Tips as BitmapTips, put_together,
};
use super::commits::MissingExcludes;
use super::covered::for_each_bit;
use super::introduced::{Introduced, Meet};
use super::marks::{Marks, Sighting, Sightings};
use super::numbers::Numbers;
use super::object_set::ObjectSet;
use super::reachable::Tips;
use crate::{BitmapRows, Snapshot};
use git_core_idx::bitmap::BitOrder;
use git_core_idx::ewah::words_for;
use git_core_object::{Context, EntryKind, ObjectId, Phase, ReadError};
use git_core_pack::name_hash;
use hashbrown::HashMap;

/// The order in which a pack gets its objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PackOrder {
    /// Commits, tags, then trees and blobs; what lies in a pack in the order of that pack, what does not before it,
    /// the newest first. Long stretches of a pack stay together.
    #[default]
    Stored,
    /// Commits, the newest first, tags, what the newest commit has, then what each commit brought.
    History,
}

/// What roots reach, and how history brought it about.
pub struct Counted {
    /// The objects, with their names and their order.
    pub set: ObjectSet,
    story: Story,
}

/// How history brought objects about, for the bitmap of a pack that has them all. Objects are named by their numbers.
pub struct Story {
    history: History,
    introduced: Introduced,
    tags: Vec<u32>,
    trees: Vec<u64>,
    blobs: Vec<u64>,
}

/// Counts everything that the roots reach, which may be of any kind. The result, order included, depends on the
/// repository only.
///
/// # Errors
/// [`ReadError`] when something on the way is missing or damaged, or the walk was cancelled. Every blob that is in
/// no pack is looked for too; a pack's index is believed.
pub fn count_for_pack(
    snapshot: &dyn Snapshot,
    roots: &[ObjectId],
    order: PackOrder,
    cx: &Context,
) -> Result<Counted, ReadError> {
    let numbers = Numbers::new(snapshot);
    let named = Tips::sort(snapshot, roots, MissingExcludes::Refuse)?;
    let history = History::walk::<ReadError>(snapshot, &named.commits, cx, &|id| Ok(numbers.number(id)))?;
    let meeting = Meeting {
        snapshot,
        trees: Marks::new(numbers.packed()),
        blobs: Marks::new(numbers.packed()),
        seen: Sightings::new(numbers.packed()),
        numbers: &numbers,
    };
    // Trees that were named stand behind the commits, as if commits without parents had them.
    let mut trees = history.trees.clone();
    trees.extend(&named.trees);
    let mut parents = history.first_parents();
    // All that the newest commit has comes first in its order.
    if let Some(newest) = parents.first_mut() {
        *newest = None;
    }
    parents.resize(trees.len(), None);
    let task = cx.task(Phase::Counting, None);
    let introduced = Introduced::find(snapshot, &trees, &parents, &meeting, task, cx)?;
    let Meeting { trees, blobs, seen, .. } = meeting;
    for id in &named.blobs {
        blobs.insert(numbers.number(id));
    }
    let mut tags: Vec<u32> = named.tags.iter().map(|id| numbers.number(id)).collect();
    tags.sort_unstable();
    tags.dedup();

    let (trees, blobs) = (trees.words(), blobs.words());
    let all = Marks::new(numbers.packed());
    for number in history.numbers.iter().chain(&tags) {
        all.insert(*number);
    }
    let mut words = all.words();
    words.resize(words.len().max(trees.len()).max(blobs.len()), 0);
    for more in [&trees, &blobs] {
        words.iter_mut().zip(more).for_each(|(word, more)| *word |= more);
    }
    let story = Story { history, introduced, tags, trees, blobs };
    rank(&seen, &story, order, numbers.packed());
    Ok(Counted { set: ObjectSet::of_numbers(numbers, words, seen), story })
}

/// Takes down the place of every object in the order of a pack.
fn rank(seen: &Sightings, story: &Story, order: PackOrder, packed: u32) {
    let commits = story.history.numbers.len() as u32;
    let stored = |number: u32| order == PackOrder::Stored && number < packed;
    for (at, number) in (0..).zip(&story.history.numbers) {
        seen.set(*number, Sighting { name_hash: 0, rank: if stored(*number) { commits } else { at } });
    }
    for number in &story.tags {
        seen.set(*number, Sighting { name_hash: 0, rank: commits });
    }
    for words in [&story.trees, &story.blobs] {
        for_each_bit(words, |number| {
            let Sighting { name_hash, rank } = seen.get(number);
            let rank =
                if stored(number) { u32::MAX - 1 } else { commits.saturating_add(1).saturating_add(rank) };
            seen.set(number, Sighting { name_hash, rank: rank.min(u32::MAX - 1) });
        });
    }
}

impl Counted {
    /// The objects, and how history brought them about.
    pub fn into_parts(self) -> (ObjectSet, Story) {
        (self.set, self.story)
    }
}

/// Which of some groups of tips reach an object: objects that the same ones reach are of one class.
#[derive(Debug)]
pub struct Groups {
    /// By number.
    classes: Vec<u32>,
    /// By class: its groups, ascending.
    members: Vec<Vec<u32>>,
}

impl Groups {
    /// The class of an object, by its number; `None` for what no group reaches.
    pub fn class(&self, number: u32) -> Option<u32> {
        self.classes.get(number as usize).copied().filter(|class| *class != 0)
    }

    /// The groups that reach the objects of a class, ascending.
    ///
    /// # Panics
    /// When there is no such class.
    pub fn of_class(&self, class: u32) -> &[u32] {
        &self.members[class as usize]
    }
}

/// Classes as they come into being.
#[derive(Default)]
struct Classes {
    members: Vec<Vec<u32>>,
    known: HashMap<Vec<u32>, u32>,
    /// What joining two classes gave, the smaller one first.
    joined: HashMap<(u32, u32), u32>,
}

impl Classes {
    fn class(&mut self, members: Vec<u32>) -> u32 {
        let next = self.members.len() as u32;
        *self.known.entry(members).or_insert_with_key(|members| {
            self.members.push(members.clone());
            next
        })
    }

    fn join(&mut self, one: u32, other: u32) -> u32 {
        let pair = (one.min(other), one.max(other));
        if pair.0 == pair.1 || pair.0 == 0 {
            return pair.1;
        }
        if let Some(joined) = self.joined.get(&pair) {
            return *joined;
        }
        let mut members = [&self.members[one as usize][..], &self.members[other as usize][..]].concat();
        members.sort_unstable();
        members.dedup();
        let joined = self.class(members);
        self.joined.insert(pair, joined);
        joined
    }
}

impl Story {
    /// Which groups of tips, given as the number of the group and a tip, reach what was counted: `set`.
    ///
    /// # Errors
    /// [`ReadError`] when a tip is missing or damaged, or the walk was cancelled.
    pub fn groups(
        &self,
        snapshot: &dyn Snapshot,
        set: &ObjectSet,
        tips: &[(u32, ObjectId)],
        cx: &Context,
    ) -> Result<Groups, ReadError> {
        let numbers = set.numbers();
        let mut classes = Classes::default();
        // Class 0 is that of no group.
        classes.class(Vec::new());
        let mut of = vec![0u32; numbers.end() as usize];
        let (mut buf, mut passed) = (Vec::new(), Vec::new());
        for (group, tip) in tips {
            passed.clear();
            let (id, _) = super::peel(snapshot, *tip, &mut buf, &mut passed)?;
            let own = classes.class(vec![*group]);
            for id in passed.iter().chain([&id]) {
                if let Some(number) = numbers.lookup(id) {
                    of[number as usize] = classes.join(of[number as usize], own);
                }
            }
        }
        // Whoever reaches a commit reaches its parents, which come after all of their children here.
        let history = &self.history;
        for at in history.children_first() {
            let class = of[history.numbers[at as usize] as usize];
            for parent in history.parents_of(at as usize) {
                let parent = history.numbers[*parent as usize] as usize;
                of[parent] = classes.join(of[parent], class);
            }
        }
        // What has an object in common with its first parent, the parent gives to more of them.
        for (at, number) in history.numbers.iter().enumerate() {
            if at.is_multiple_of(1 << 10) {
                cx.check()?;
            }
            let class = of[*number as usize];
            for number in self.introduced.of(at) {
                of[*number as usize] = classes.join(of[*number as usize], class);
            }
        }
        Ok(Groups { classes: of, members: classes.members })
    }

    /// The bytes of a `.bitmap` file for a pack that has all that was counted. `set` is what was
    /// counted, `tips` what the refs hold, as for [`write_bitmap`](super::write_bitmap).
    ///
    /// # Errors
    /// [`BitmapWriteError::NotClosed`] when the pack lacks some of it, and others.
    pub fn bitmap(
        mut self,
        snapshot: &dyn Snapshot,
        set: &ObjectSet,
        rows: &dyn BitmapRows,
        tips: &[ObjectId],
        options: &BitmapOptions,
        cx: &Context,
    ) -> Result<Option<Vec<u8>>, BitmapWriteError> {
        let order = BitOrder::new(rows.order()?)?;
        let bit_of = |id: &ObjectId| rows.lookup(id).map(|row| order.bit(row));
        let tips = BitmapTips::among(snapshot, tips, &options.preferred, &bit_of)?;
        // By number; those that are not asked about yet are worked out when they are.
        const UNKNOWN: u32 = u32::MAX;
        let mut bits = vec![UNKNOWN; set.numbers().end() as usize];
        let mut bit = |number: u32| -> Result<u32, BitmapWriteError> {
            let known = &mut bits[number as usize];
            if *known == UNKNOWN {
                let id = set.numbers().id(number);
                *known = bit_of(&id).ok_or(BitmapWriteError::NotClosed { id })?;
            }
            Ok(*known)
        };
        for number in self.history.numbers.iter_mut().chain(&mut self.tags) {
            *number = bit(*number)?;
        }
        self.introduced.renumber(&mut bit)?;
        let mut renamed = [&self.trees, &self.blobs].map(|_| vec![0u64; words_for(order.count())]);
        for (to, from) in renamed.iter_mut().zip([&self.trees, &self.blobs]) {
            let mut result = Ok(());
            for_each_bit(from, |number| match bit(number) {
                Ok(bit) => to[bit as usize / 64] |= 1 << (bit % 64),
                Err(error) => result = Err(error),
            });
            result?;
        }
        let [trees, blobs] = renamed;
        let hashes = options.hash_cache.then(|| {
            let mut hashes = vec![0; order.count() as usize];
            for (number, bit) in (0u32..).zip(&bits).filter(|(_, bit)| **bit != UNKNOWN) {
                hashes[order.row(*bit) as usize] = set.name_hash(number);
            }
            hashes
        });
        let Story { history, introduced, tags, .. } = self;
        let gathered = Gathered { history, introduced, tags, trees, blobs, hashes };
        put_together(snapshot, rows, &order, gathered, &tips, options, cx)
    }
}

struct Meeting<'a> {
    snapshot: &'a dyn Snapshot,
    numbers: &'a Numbers,
    trees: Marks,
    blobs: Marks,
    seen: Sightings,
}

impl Meet for Meeting<'_> {
    type Error = ReadError;

    fn met(&self, id: &ObjectId, kind: EntryKind, path: &[u8], commit: u32) -> Result<u32, ReadError> {
        let number = self.numbers.number(id);
        if kind == EntryKind::Tree {
            self.trees.insert(number);
        } else if self.blobs.insert(number)
            && number >= self.numbers.packed()
            && !self.snapshot.contains(id)?
        {
            return Err(ReadError::Missing { id: *id });
        }
        self.seen.note(number, Sighting { name_hash: name_hash(path), rank: commit });
        Ok(number)
    }
}
