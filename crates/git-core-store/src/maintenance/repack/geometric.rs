//! Which packs are rolled up into one, so that the number of objects grows geometrically from pack to pack.

/// How many of the packs, which are ascending by their number of objects, become one pack.
///
/// First the packs up to the last one that is smaller than `factor` times its predecessor; then as many more as are
/// smaller than `factor` times all before them together.
pub(super) fn rolled_up(counts: &[u64], factor: u32) -> usize {
    let factor = u64::from(factor.max(2));
    let in_order = |small: u64, large: u64| large >= small.saturating_mul(factor);
    let broken = (1..counts.len()).rev().find(|at| !in_order(counts[at - 1], counts[*at]));
    let Some(broken) = broken else { return 0 };
    let mut end = broken + 1;
    let mut total = counts[..end].iter().fold(0u64, |sum, count| sum.saturating_add(*count));
    while end < counts.len() && !in_order(total, counts[end]) {
        total = total.saturating_add(counts[end]);
        end += 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_progression_is_restored_with_as_few_packs_as_possible() {
        for (counts, factor, expected) in [
            (&[][..], 2, 0),
            (&[5], 2, 0),
            (&[3, 6, 12], 2, 0),
            (&[3, 5], 2, 2),
            (&[1, 1, 1, 100], 2, 3),
            (&[3, 3, 7, 20], 2, 4),
            (&[3, 3, 11, 40], 2, 3),
            (&[3, 3, 12, 36], 2, 2),
            (&[10, 10, 30, 59], 2, 4),
            (&[1, 3, 9, 26], 3, 4),
        ] {
            assert_eq!(rolled_up(counts, factor), expected, "{counts:?} by {factor}");
        }
    }
}
