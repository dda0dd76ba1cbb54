//! Deltas that were inflated when they came in, and are kept so that they need not be inflated again.

/// Memory is taken in pieces of this size, so that growing never holds the same bytes twice.
const CHUNK: usize = 1 << 20;
/// Stands for an entry of which nothing is kept.
const NOTHING: u32 = u32::MAX;
/// Positions are counted in units of so many bytes.
const UNIT: usize = 4;

/// Inflated deltas within a budget of bytes.
#[derive(Default)]
pub(crate) struct Kept {
    chunks: Vec<Vec<u8>>,
    /// Where the delta of each entry lies; entries beyond its end have none.
    places: Vec<u32>,
    budget: usize,
}

impl Kept {
    /// Keeps nothing until there is a budget.
    pub(crate) fn set_budget(&mut self, budget: usize) {
        // What a position can express.
        self.budget = budget.min((NOTHING as usize - 1) * UNIT);
    }

    /// The memory that is in use, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    /// Keeps a delta if it is worth its memory, given how many entries may still come.
    ///
    /// Inflating takes about as long for a hundred bytes as for a thousand, so that small deltas are worth
    /// most; what is large for the budget that is left has to be inflated again.
    pub(crate) fn keep(&mut self, entry: u32, delta: &[u8], to_come: u32) {
        let used = self.chunks.len().saturating_sub(1) * CHUNK + self.chunks.last().map_or(0, Vec::len);
        let left = self.budget.saturating_sub(used);
        let fair = left / (to_come as usize + 1);
        let need = (delta.len() + 4).next_multiple_of(UNIT);
        if need > left || need > CHUNK || need > fair.saturating_mul(4) {
            return;
        }
        if self.chunks.last().is_none_or(|chunk| CHUNK - chunk.len() < need) {
            if (self.chunks.len() + 1) * CHUNK > self.budget {
                return;
            }
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let first = (self.chunks.len() - 1) * CHUNK;
        let Some(chunk) = self.chunks.last_mut() else { return };
        let place = (first + chunk.len()) / UNIT;
        chunk.extend_from_slice(&(delta.len() as u32).to_le_bytes());
        chunk.extend_from_slice(delta);
        chunk.resize(chunk.len().next_multiple_of(UNIT), 0);
        if self.places.len() <= entry as usize {
            self.places.resize(entry as usize + 1, NOTHING);
        }
        self.places[entry as usize] = place as u32;
    }

    /// The delta of an entry, if it was kept.
    pub(crate) fn get(&self, entry: u32) -> Option<&[u8]> {
        let place = *self.places.get(entry as usize)?;
        if place == NOTHING {
            return None;
        }
        let at = place as usize * UNIT;
        let (head, rest) = self.chunks.get(at / CHUNK)?.get(at % CHUNK..)?.split_first_chunk::<4>()?;
        rest.get(..u32::from_le_bytes(*head) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_the_budget_is_kept_and_nothing_else() {
        let mut kept = Kept::default();
        kept.keep(0, b"without a budget", 10);
        assert_eq!(kept.get(0), None);
        kept.set_budget(3 * CHUNK + 77);
        let delta = |n: u32| vec![n as u8; n as usize % 999];
        for n in 1..20_000 {
            kept.keep(n, &delta(n), 0);
        }
        let bytes: usize = kept.chunks.iter().map(Vec::capacity).sum();
        assert_eq!(bytes, 3 * CHUNK);
        let mut there = 0;
        for n in 1..20_000 {
            if let Some(found) = kept.get(n) {
                assert_eq!(found, delta(n));
                there += 1;
            }
        }
        assert!(there > 5000 && there < 7000, "{there}");
        assert_eq!(kept.get(1_000_000), None);
    }

    #[test]
    fn small_deltas_are_preferred_while_many_may_come() {
        let mut kept = Kept::default();
        kept.set_budget(4 * CHUNK);
        kept.keep(5, &[1; 10_000], 100_000);
        kept.keep(6, &[2; 100], 100_000);
        kept.keep(7, &[], 100_000);
        assert_eq!(kept.get(5), None);
        assert_eq!(kept.get(6), Some(&[2; 100][..]));
        assert_eq!(kept.get(7), Some(&[][..]));
    }
}
