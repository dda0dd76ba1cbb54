//! Searching sorted ids behind a fan-out table: shared by the indexes of one pack and of many.

use crate::file::be32;
use std::cmp::Ordering;
use std::ops::Range;

/// The rows whose ids begin with this byte.
pub(crate) fn bucket(data: &[u8], fanout_at: usize, first: u8) -> Range<u32> {
    let at = fanout_at + usize::from(first) * 4;
    let start = if first == 0 { 0 } else { be32(data, at - 4).unwrap_or(0) };
    start..be32(data, at).unwrap_or(0)
}

/// How often a place is guessed before the search goes on step by step.
const GUESSES: usize = 3;
/// So few rows are not worth a guess.
const FEW: u32 = 8;

/// The row among `rows`, which all begin with the same byte, that holds `wanted`; of several equal ones, any.
/// `table` begins with row 0, rows are `stride` apart, each row of `rows` lies inside.
///
/// Ids are digests, so the bytes behind the first tell nearly where an id stands: each guess leaves about the
/// square root of the distance before it. Ids that somebody has chosen make the guesses useless, and cost little
/// more than halving all.
pub(crate) fn find(table: &[u8], stride: usize, rows: Range<u32>, wanted: &[u8]) -> Option<u32> {
    let Range { start: mut low, end: mut high } = rows;
    let row = |at: u32| &table[at as usize * stride..][..wanted.len()];
    let key = |id: &[u8]| {
        id.get(1..).and_then(|rest| rest.first_chunk()).map_or(0, |k| u64::from(u32::from_be_bytes(*k)))
    };
    let wanted_key = key(wanted);
    // Few ids have the first eight bytes in common, and comparing those takes no call.
    let head = |id: &[u8]| id.first_chunk().map_or(0, |head| u64::from_be_bytes(*head));
    let wanted_head = head(wanted);
    let compare = |found: &[u8]| head(found).cmp(&wanted_head).then_with(|| found.cmp(wanted));
    // What the keys of the rows from `low` to `high` lie between: the key searched for too, unless they are
    // not sorted.
    let (mut from, mut to) = (0u64, 1u64 << 32);
    let mut above = true;
    for _ in 0..GUESSES {
        let spread = u64::from(high - low);
        if spread < u64::from(FEW) || !(from..to).contains(&wanted_key) {
            break;
        }
        // Both factors have at most 32 bits, and the quotient is less than the spread.
        let guess = low + ((wanted_key - from) * spread / (to - from)) as u32;
        let found = row(guess);
        match compare(found) {
            Ordering::Less => (low, from, above) = (guess + 1, key(found), true),
            Ordering::Greater => (high, to, above) = (guess, key(found) + 1, false),
            Ordering::Equal => return Some(guess),
        }
    }
    // From the last guess outwards, doubling the step, until the id is behind; then halving what is left.
    let mut step = FEW / 2;
    while high - low > step {
        let probe = if above { low + step } else { high - step };
        match compare(row(probe)) {
            Ordering::Less => {
                low = probe + 1;
                if !above {
                    break;
                }
            }
            Ordering::Greater => {
                high = probe;
                if above {
                    break;
                }
            }
            Ordering::Equal => return Some(probe),
        }
        step = step.saturating_mul(2);
    }
    while low < high {
        let middle = low + (high - low) / 2;
        match compare(row(middle)) {
            Ordering::Less => low = middle + 1,
            Ordering::Greater => high = middle,
            Ordering::Equal => return Some(middle),
        }
    }
    None
}

/// The first row of `rows` that fails the test, which holds for a leading part of them.
pub(crate) fn partition(rows: Range<u32>, test: impl Fn(u32) -> bool) -> u32 {
    let Range { start: mut low, end: mut high } = rows;
    while low < high {
        let middle = low + (high - low) / 2;
        if test(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_row_is_found_and_nothing_else(
            mut keys in proptest::collection::btree_set(
                prop_oneof![any::<u32>(), 0u32..300, (u32::MAX - 300)..=u32::MAX], 0..600),
            other: u32,
        ) {
            keys.remove(&other);
            let id = |key: u32| [&[7][..], &key.to_be_bytes(), &[1, 2, 3]].concat();
            let table: Vec<u8> = keys.iter().flat_map(|key| id(*key)).collect();
            let rows = 0..keys.len() as u32;
            for (row, key) in (0..).zip(&keys) {
                prop_assert_eq!(find(&table, 8, rows.clone(), &id(*key)), Some(row));
            }
            prop_assert_eq!(find(&table, 8, rows.clone(), &id(other)), None);
            prop_assert_eq!(partition(rows, |row| table[row as usize * 8..][..8] < *id(other)) as usize,
                keys.range(..other).count());
        }

        #[test]
        fn rows_out_of_order_do_no_harm(
            table in proptest::collection::vec(any::<u8>(), 0..2000),
            wanted: [u8; 8],
        ) {
            let _ = find(&table, 8, 0..(table.len() / 8) as u32, &wanted);
        }
    }
}
