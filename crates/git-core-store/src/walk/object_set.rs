//! A set of objects, and the pack that it makes.

use super::covered::has;
use super::marks::{Sighting, Sightings};
use super::numbers::Numbers;
use git_core_idx::{IdxPosition, PackOffset};
use git_core_object::{ObjectFormat, ObjectId, ReadError};
use git_core_pack::{PackPlan, name_hash};
use std::collections::HashSet;

/// Objects of one snapshot.
pub struct ObjectSet {
    pub(super) numbers: Numbers,
    pub(super) words: Vec<u64>,
    /// What was met on the excluded side.
    pub(super) excluded: Vec<u64>,
    /// What is known to be on it from elsewhere; empty where nothing is.
    pub(super) beyond: Vec<u64>,
    pub(super) len: u64,
    pub(super) seen: Option<Sightings>,
}

impl ObjectSet {
    /// The objects whose numbers have their bits set, and how they were met.
    pub(super) fn of_numbers(numbers: Numbers, words: Vec<u64>, seen: Sightings) -> Self {
        let len = words.iter().map(|word| u64::from(word.count_ones())).sum();
        ObjectSet { numbers, words, excluded: Vec::new(), beyond: Vec::new(), len, seen: Some(seen) }
    }

    /// How many objects are in it.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether none is.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether an object is in it.
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.numbers.lookup(id).is_some_and(|number| self.has(number))
    }

    /// Whether an object is known to be on the excluded side: the trees and blobs at its edge, and what was
    /// excluded by name; all that a bitmap knows to be. A thin pack may have deltas on these.
    pub fn is_excluded(&self, id: &ObjectId) -> bool {
        let known = |number| has(&self.excluded, number) || has(&self.beyond, number);
        self.numbers.lookup(id).is_some_and(known)
    }

    /// Adds an object; says whether it was new.
    pub fn insert(&mut self, id: &ObjectId) -> bool {
        let number = self.numbers.number(id);
        let (word, bit) = (number as usize / 64, 1u64 << (number % 64));
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.len += u64::from(new);
        new
    }

    /// Takes out what is known to be on the excluded side.
    pub(super) fn leave_out(&mut self, beyond: Vec<u64>) {
        self.words.iter_mut().zip(&beyond).for_each(|(word, beyond)| *word &= !beyond);
        self.len = self.words.iter().map(|word| u64::from(word.count_ones())).sum();
        self.beyond = beyond;
    }

    /// Takes out objects by their numbers.
    pub(super) fn take_out(&mut self, numbers: &[u32]) {
        for number in numbers {
            if let Some(word) = self.words.get_mut(*number as usize / 64) {
                let bit = 1u64 << (number % 64);
                self.len -= u64::from(*word & bit != 0);
                *word &= !bit;
            }
        }
    }

    /// Takes out every object that `keep` does not want.
    pub fn retain(&mut self, mut keep: impl FnMut(&Numbers, u32) -> bool) {
        for word in 0..self.words.len() {
            let mut left = self.words[word];
            while left != 0 {
                let bit = left.trailing_zeros();
                left &= left - 1;
                if !keep(&self.numbers, word as u32 * 64 + bit) {
                    self.words[word] &= !(1 << bit);
                    self.len -= 1;
                }
            }
        }
    }

    /// The numbers that stand for the objects.
    pub const fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// Whether the object with this number is in it.
    pub fn has(&self, number: u32) -> bool {
        has(&self.words, number)
    }

    /// The objects of one pack of [`numbers`](Self::numbers), by their place in the pack.
    ///
    /// # Errors
    /// [`ReadError`] when the pack's index is damaged.
    pub fn in_pack(&self, pack: usize) -> Result<Vec<(PackOffset, IdxPosition)>, ReadError> {
        let range = self.numbers.range(pack);
        let stored = &self.numbers.packs()[pack];
        let offset = |position| stored.pack.idx().offset_at(position);
        let damaged = |error| ReadError::corrupt(&stored.name, error);
        let count = range.clone().filter(|number| self.has(*number)).count();
        let mut out = Vec::with_capacity(count);
        // Going through the pack costs less than sorting a good part of it.
        if count > range.len() / 16 {
            let reverse = stored.pack.reverse()?;
            for rank in 0..reverse.count() {
                let position = reverse.position(rank).map_err(damaged)?;
                if self.has(range.start + position.0) {
                    out.push((offset(position).map_err(damaged)?, position));
                }
            }
        } else {
            for number in range.clone().filter(|number| self.has(*number)) {
                let position = IdxPosition(number - range.start);
                out.push((offset(position).map_err(damaged)?, position));
            }
            out.sort_unstable();
        }
        Ok(out)
    }

    /// The pack that holds these objects, all of them, each once, and nothing else.
    pub fn whole_pack(&self) -> Option<usize> {
        (0..self.numbers.packs().len()).find(|pack| {
            let mut range = self.numbers.range(*pack);
            !range.is_empty()
                && range.len() as u64 == self.len
                && range.all(|number| self.has(number))
                && self.holds_each_once(*pack)
        })
    }

    /// Whether no two rows of a pack's index are of the same object. A bitmap may count both, a walk one.
    fn holds_each_once(&self, pack: usize) -> bool {
        let idx = self.numbers.packs()[pack].pack.idx();
        (1..idx.count()).all(|row| idx.id_at(IdxPosition(row - 1)) < idx.id_at(IdxPosition(row)))
    }

    /// The hash of the name under which an object was met; 0 for commits, root trees, and where names were not
    /// recorded.
    pub fn name_hash(&self, number: u32) -> u32 {
        self.seen.as_ref().map_or(0, |seen| seen.get(number).name_hash)
    }

    /// Records the name of an object that [`insert`](Self::insert) has added, as a help for finding deltas, and its
    /// place among the others: [`plan`](Self::plan) puts those of a low rank first.
    pub fn set_name(&mut self, id: &ObjectId, name: &[u8], rank: u32) {
        let number = self.numbers.number(id);
        let sighting = Sighting { name_hash: name_hash(name), rank };
        self.seen.get_or_insert_with(|| Sightings::new(0)).set(number, sighting);
    }

    /// A pack of these objects.
    ///
    /// Where names were recorded, in the order in which they were met: commits, the newest first, tags, then what
    /// each commit brings. Otherwise those that are in no pack, which are the newest, come first, then the others in
    /// the order of their packs.
    ///
    /// # Errors
    /// [`ReadError`] when the index of a pack is damaged.
    pub fn plan(&self, format: ObjectFormat) -> Result<PackPlan, ReadError> {
        let mut plan = PackPlan::new(format);
        let mut places: Vec<Place> =
            self.unpacked_numbers().map(|number| Place { rank: 0, pack: None, number }).collect();
        let unpacked = places.len();
        for (at, stored) in self.numbers.packs().iter().enumerate() {
            let entries = self.in_pack(at)?;
            if entries.is_empty() {
                continue;
            }
            let pack = plan.add_pack(stored.pack.clone());
            let first = self.numbers.range(at).start;
            places.extend(entries.iter().map(|(_, row)| Place {
                rank: 0,
                pack: Some(pack),
                number: first + row.0,
            }));
        }
        if let Some(seen) = &self.seen {
            // Numbers are given out as objects are met, by whichever thread meets them first.
            places[..unpacked].sort_by_cached_key(|place| self.numbers.id(place.number));
            places.iter_mut().for_each(|place| place.rank = seen.get(place.number).rank);
            places.sort_by_key(|place| place.rank);
        }
        for Place { pack, number, .. } in places {
            match (pack, self.numbers.position(number)) {
                (Some(pack), Some((_, row))) => plan.reuse(pack, row),
                _ => plan.fresh(self.numbers.id(number)),
            }
            plan.named(self.name_hash(number));
        }
        Ok(plan)
    }

    /// Adds what the receiver of a thin pack has as bases for deltas: of the trees and blobs at the edge of what is
    /// excluded those whose names are among the names in the set. Names must have been recorded.
    pub fn add_outer_bases(&self, plan: &mut PackPlan) {
        let Some(seen) = &self.seen else { return };
        let wanted: HashSet<u32> = bits(&self.words).map(|number| seen.get(number).name_hash).collect();
        for number in bits(&self.excluded) {
            let name = seen.get(number).name_hash;
            if wanted.contains(&name) {
                plan.add_outer_base(self.numbers.id(number), name);
            }
        }
    }

    fn unpacked_numbers(&self) -> impl Iterator<Item = u32> + '_ {
        let first = self.numbers.packed();
        let end = (self.words.len() as u32).saturating_mul(64).max(first);
        (first..end).filter(|number| self.has(*number))
    }

    /// The objects that are in no pack, in the order they were met.
    pub fn unpacked(&self) -> impl Iterator<Item = ObjectId> + '_ {
        self.unpacked_numbers().map(|number| self.numbers.id(number))
    }

    /// All ids, in no useful order.
    pub fn ids(&self) -> impl Iterator<Item = ObjectId> + '_ {
        self.words.iter().enumerate().flat_map(move |(at, word)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 != 0)
                .map(move |bit| self.numbers.id(at as u32 * 64 + bit))
        })
    }
}

/// Where an object goes in a plan.
struct Place {
    rank: u32,
    /// The number of its pack in the plan.
    pack: Option<u32>,
    number: u32,
}

/// The numbers whose bits are set.
pub(super) fn bits(words: &[u64]) -> impl Iterator<Item = u32> + '_ {
    (0u32..)
        .step_by(64)
        .zip(words)
        .flat_map(|(first, word)| (0..64).filter(move |bit| word >> bit & 1 != 0).map(move |bit| first + bit))
}
