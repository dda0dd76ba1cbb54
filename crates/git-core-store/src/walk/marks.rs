//! Sets of object numbers that several threads fill at once.

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

    /// The words of the set, 64 numbers each.
    pub(super) fn words(&self) -> Vec<u64> {
        let fixed = self.fixed.iter().map(|word| word.load(Ordering::Relaxed));
        let more = self.more.read().unwrap_or_else(PoisonError::into_inner);
        fixed.chain(more.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beyond_the_first_size_are_kept() {
        let marks = Marks::new(70);
        for number in [0, 63, 64, 69, 127, 128, 4096] {
            assert!(marks.insert(number), "{number}");
            assert!(!marks.insert(number), "{number}");
        }
        assert_eq!(marks.words().iter().map(|w| w.count_ones()).sum::<u32>(), 7);
    }
}
