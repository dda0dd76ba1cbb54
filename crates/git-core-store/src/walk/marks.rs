//! Sets of object numbers, and what is known of their names, that several threads fill at once.

use hashbrown::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

/// A growing set of numbers. Those below the size it was made with cost no lock.
pub(super) struct Marks {
    fixed: Vec<AtomicU64>,
    more: RwLock<Vec<u64>>,
}

impl Marks {
    /// An empty set, sized for numbers below `numbers`.
    pub(super) fn new(numbers: u32) -> Self {
        let words = (numbers as usize).div_ceil(64);
        Marks { fixed: (0..words).map(|_| AtomicU64::new(0)).collect(), more: RwLock::default() }
    }

    /// The set with these [words](Self::words), sized for numbers below `numbers`.
    pub(super) fn of_words(numbers: u32, words: &[u64]) -> Self {
        let (fixed, more) = words.split_at(words.len().min((numbers as usize).div_ceil(64)));
        let mut fixed: Vec<_> = fixed.iter().copied().map(AtomicU64::new).collect();
        fixed.resize_with((numbers as usize).div_ceil(64), || AtomicU64::new(0));
        Marks { fixed, more: RwLock::new(more.to_vec()) }
    }

    /// Adds a number; says whether it was new.
    pub(super) fn insert(&self, number: u32) -> bool {
        let (word, bit) = (number as usize / 64, 1u64 << (number % 64));
        if let Some(word) = self.fixed.get(word) {
            // Most are there already, and reading does not take the line from other processors.
            return word.load(Ordering::Relaxed) & bit == 0
                && word.fetch_or(bit, Ordering::Relaxed) & bit == 0;
        }
        let mut more = self.more.write().unwrap_or_else(PoisonError::into_inner);
        let word = word - self.fixed.len();
        if more.len() <= word {
            more.resize(word + 1, 0);
        }
        let new = more[word] & bit == 0;
        more[word] |= bit;
        new
    }

    /// Whether a number is in the set.
    pub(super) fn contains(&self, number: u32) -> bool {
        let (word, bit) = (number as usize / 64, 1u64 << (number % 64));
        if let Some(word) = self.fixed.get(word) {
            return word.load(Ordering::Relaxed) & bit != 0;
        }
        let more = self.more.read().unwrap_or_else(PoisonError::into_inner);
        more.get(word - self.fixed.len()).is_some_and(|word| word & bit != 0)
    }

    /// The words of the set, 64 numbers each.
    pub(super) fn words(&self) -> Vec<u64> {
        let fixed = self.fixed.iter().map(|word| word.load(Ordering::Relaxed));
        let more = self.more.read().unwrap_or_else(PoisonError::into_inner);
        fixed.chain(more.iter().copied()).collect()
    }
}

/// Under which name each object was met, and how early. Nothing is known of numbers that were not set.
pub(super) struct Sightings {
    fixed: Vec<AtomicU64>,
    more: RwLock<HashMap<u32, u64>>,
}

/// How an object was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sighting {
    /// The hash of its path.
    pub(super) name_hash: u32,
    /// Its place in the order of git: commits from the newest on, tags, then what each commit brings.
    pub(super) rank: u32,
}

impl Sighting {
    /// Of an object that was not met: the last of all.
    pub(super) const NONE: Sighting = Sighting { name_hash: 0, rank: u32::MAX };

    fn pack(self) -> u64 {
        u64::from(!self.rank) << 32 | u64::from(self.name_hash)
    }

    fn unpack(word: u64) -> Self {
        Sighting { name_hash: word as u32, rank: !((word >> 32) as u32) }
    }
}

impl Sightings {
    /// None, with a place for each of the numbers below `numbers`; others take memory when they are met.
    pub(super) fn new(numbers: u32) -> Self {
        Sightings { fixed: (0..numbers).map(|_| AtomicU64::new(0)).collect(), more: RwLock::default() }
    }

    pub(super) fn set(&self, number: u32, sighting: Sighting) {
        if let Some(slot) = self.fixed.get(number as usize) {
            slot.store(sighting.pack(), Ordering::Relaxed);
            return;
        }
        self.more.write().unwrap_or_else(PoisonError::into_inner).insert(number, sighting.pack());
    }

    /// As [`set`](Self::set), but of several sightings of an object the first one counts, and among those of one
    /// rank that with the greatest hash, whichever thread comes first.
    pub(super) fn note(&self, number: u32, sighting: Sighting) {
        let word = sighting.pack();
        if let Some(slot) = self.fixed.get(number as usize) {
            // Most are known already, and reading does not take the line from other processors.
            if slot.load(Ordering::Relaxed) < word {
                slot.fetch_max(word, Ordering::Relaxed);
            }
            return;
        }
        let mut more = self.more.write().unwrap_or_else(PoisonError::into_inner);
        let slot = more.entry(number).or_insert(0);
        *slot = word.max(*slot);
    }

    pub(super) fn get(&self, number: u32) -> Sighting {
        if let Some(slot) = self.fixed.get(number as usize) {
            return Sighting::unpack(slot.load(Ordering::Relaxed));
        }
        let more = self.more.read().unwrap_or_else(PoisonError::into_inner);
        more.get(&number).map_or(Sighting::NONE, |word| Sighting::unpack(*word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sightings_are_kept_where_they_belong() {
        let seen = Sightings::new(3);
        assert_eq!((seen.get(1), seen.get(70)), (Sighting::NONE, Sighting::NONE));
        let one = Sighting { name_hash: 0xffff_fffe, rank: 0 };
        let other = Sighting { name_hash: 0, rank: 7 };
        seen.set(1, one);
        seen.set(70, other);
        assert_eq!((seen.get(1), seen.get(70), seen.get(69)), (one, other, Sighting::NONE));
        let later = Sighting { name_hash: 9, rank: 8 };
        let alike = Sighting { name_hash: 3, rank: 7 };
        for number in [2, 71] {
            [later, alike, other, later].into_iter().for_each(|one| seen.note(number, one));
            assert_eq!(seen.get(number), alike);
        }
    }

    #[test]
    fn numbers_beyond_the_first_size_are_kept() {
        let marks = Marks::new(70);
        for number in [0, 63, 69, 127, 4096, 128, 64] {
            assert!(!marks.contains(number), "{number}");
            assert!(marks.insert(number), "{number}");
            assert!(!marks.insert(number), "{number}");
            assert!(marks.contains(number), "{number}");
        }
        assert_eq!(marks.words().iter().map(|w| w.count_ones()).sum::<u32>(), 7);
        let copy = Marks::of_words(70, &marks.words());
        assert_eq!(copy.words(), marks.words());
        assert!(copy.contains(4096) && !copy.contains(4097) && copy.insert(4097) && !marks.contains(4097));
        assert!(Marks::of_words(70, &[]).insert(69));
    }
}
