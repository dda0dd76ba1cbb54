//! Making a delta: an index over the blocks of a base, and a greedy search in it.
//!
//! Which base is worth trying is decided elsewhere; see the search of deltas.

use super::{DeltaHeader, DeltaWriter};

/// The length of the blocks that are looked up, and so of the shortest match.
const BLOCK: usize = 16;
/// How many blocks of one hash are compared at each place of the result.
const PROBES: usize = 32;
/// A match of this length is not improved on.
const GOOD_MATCH: usize = 4096;
/// A slot holds the number of a block in its low bits and a part of the hash in the others.
const NUMBER_BITS: u32 = 26;
const NUMBER: u32 = (1 << NUMBER_BITS) - 1;
/// Copies name offsets of 32 bits.
const MAX_OFFSET: usize = u32::MAX as usize;

/// Where each block of a base stands, for making deltas against it.
///
/// It takes about three quarters of the base's length in memory; see [`DeltaIndex::bytes`]. Blocks beyond the
/// first GiB are not indexed.
#[derive(Clone, Debug, Default)]
pub struct DeltaIndex {
    base_len: usize,
    /// By the upper bits of the hash: the first block, with a part of its hash; 0 where there is none.
    heads: Vec<u32>,
    /// By number of the block: the next one of the same slot.
    next: Vec<u32>,
    shift: u32,
}

impl DeltaIndex {
    /// Indexes a base.
    pub fn new(base: &[u8]) -> Self {
        let mut index = DeltaIndex::default();
        index.rebuild(base);
        index
    }

    /// Indexes another base in the memory of this index.
    pub fn rebuild(&mut self, base: &[u8]) {
        let blocks = (base.len() / BLOCK).min(NUMBER as usize - 1);
        let bits = (blocks.next_power_of_two().trailing_zeros() + 1).clamp(4, 26);
        self.base_len = base.len();
        self.shift = 64 - bits;
        self.heads.clear();
        self.heads.resize(1 << bits, 0);
        self.next.clear();
        self.next.resize(blocks + 1, 0);
        // From the end, so that of equal blocks the first comes first. In a run of them only the first counts:
        // the longest match begins there.
        let mut last = None;
        for (at, block) in base.as_chunks::<BLOCK>().0[..blocks].iter().enumerate().rev() {
            let hash = hash(block);
            let number = at as u32 + 1;
            let head = &mut self.heads[(hash >> self.shift) as usize];
            let slot = tag(hash) | number;
            self.next[number as usize] = match last {
                Some(last) if last == hash => self.next[number as usize + 1],
                _ => *head,
            };
            *head = slot;
            last = Some(hash);
        }
    }

    /// How much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        (self.heads.capacity() + self.next.capacity()) * size_of::<u32>()
    }

    /// Replaces `out` with a delta that makes `result` from `base`; `false`, with `out` unspecified, when it
    /// would be longer than `max` bytes.
    ///
    /// # Panics
    /// When `base` is not as long as the base that was indexed. One of other content gives a poor delta, but
    /// never a wrong one.
    pub fn delta(&self, base: &[u8], result: &[u8], max: usize, out: &mut Vec<u8>) -> bool {
        assert_eq!(base.len(), self.base_len, "the index is of another base");
        Ends::of(base, result).delta(self, base, result, max, out)
    }

    /// The longest match of the bytes from `at` on: where it begins in the base, and its length.
    #[inline]
    fn find(&self, base: &[u8], result: &[u8], at: usize, block: &[u8; BLOCK]) -> Option<(usize, usize)> {
        let hash = hash(block);
        let mut slot = self.heads[(hash >> self.shift) as usize];
        let (mut best, mut probes) = (None, 0);
        let mut best_len = BLOCK - 1;
        while slot != 0 && probes < PROBES {
            let number = slot & NUMBER;
            if slot & !NUMBER == tag(hash) {
                probes += 1;
                let from = (number as usize - 1) * BLOCK;
                // What does not reach beyond the best so far need not be measured.
                if base.get(from + best_len) == result.get(at + best_len) {
                    let len = common_prefix(&base[from..], &result[at..]);
                    if len > best_len {
                        (best, best_len) = (Some((from, len)), len);
                        if len >= GOOD_MATCH {
                            break;
                        }
                    }
                }
            }
            slot = self.next[number as usize];
        }
        best
    }
}

/// What two objects have in common at their beginnings and, apart from that, at their ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    prefix: usize,
    suffix: usize,
}

impl Ends {
    /// Compares two objects.
    pub(crate) fn of(base: &[u8], result: &[u8]) -> Self {
        let prefix = common_prefix(base, result).min(MAX_OFFSET);
        let suffix = match base.len() <= MAX_OFFSET {
            true => common_suffix(&base[prefix..], &result[prefix..]),
            false => 0,
        };
        Ends { prefix, suffix }
    }

    /// Whether what lies between is so short that nothing of it would be found in an index.
    pub(crate) fn settle(&self, result: &[u8]) -> bool {
        result.len() - self.prefix - self.suffix < BLOCK
    }

    /// Replaces `out` with a delta, as [`DeltaIndex::delta`] does. When the ends [settle](Self::settle) it, any
    /// index will do.
    pub(crate) fn delta(
        &self,
        index: &DeltaIndex,
        base: &[u8],
        result: &[u8],
        max: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        let header = DeltaHeader { base_size: base.len() as u64, result_size: result.len() as u64 };
        let mut writer = DeltaWriter::reuse(header, std::mem::take(out));
        let fits = if self.settle(result) {
            let end = result.len() - self.suffix;
            if self.prefix > 0 {
                writer.copy(0..self.prefix as u64);
            }
            writer.insert(&result[self.prefix..end]);
            if self.suffix > 0 {
                writer.copy((base.len() - self.suffix) as u64..base.len() as u64);
            }
            true
        } else {
            self.greedy(index, base, result, max, &mut writer)
        };
        *out = writer.finish();
        fits && out.len() <= max
    }

    fn greedy(
        &self,
        index: &DeltaIndex,
        base: &[u8],
        result: &[u8],
        max: usize,
        writer: &mut DeltaWriter,
    ) -> bool {
        let tail = result.len() - self.suffix;
        // A copy waits for the literal bytes behind it, of which the next one may take some.
        let mut held = (0, self.prefix);
        let (mut at, mut literal) = (self.prefix, self.prefix);
        while at < tail {
            let Some(block) = result.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>()) else { break };
            let Some((from, len)) = index.find(base, result, at, block) else {
                at += 1;
                // Literal bytes cost what they are; the check need not be exact.
                if (at - literal) & 0x3f == 0 && writer.len() + (at - literal) > max {
                    return false;
                }
                continue;
            };
            let back = common_suffix(&base[..from], &result[literal..at]);
            let start = at - back;
            write(writer, held, &result[literal..start]);
            held = (from - back, (len + back).min(MAX_OFFSET - (from - back)));
            at = start + held.1;
            literal = at;
            if writer.len() > max {
                return false;
            }
        }
        if literal < tail || at == tail {
            let end = tail.max(literal);
            write(writer, held, &result[literal..end]);
            held = (base.len() - self.suffix, result.len() - end);
        } else {
            // The last match has run into the common end. Its other half goes on where the base ends.
            let left = result.len() - literal;
            if left > 0 {
                write(writer, held, &[]);
                held = (base.len() - left, left);
            }
        }
        write(writer, held, &[]);
        true
    }
}

/// Writes a copy of so many bytes from an offset, then literal bytes.
fn write(writer: &mut DeltaWriter, (from, len): (usize, usize), literal: &[u8]) {
    if len > 0 {
        writer.copy(from as u64..(from + len) as u64);
    }
    writer.insert(literal);
}

#[inline]
fn hash(block: &[u8; BLOCK]) -> u64 {
    let [low, high] = [0, 8].map(|at| {
        let half = block[at..].first_chunk::<8>().expect("a block has 16 bytes");
        u64::from_le_bytes(*half)
    });
    let mixed = low.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ high.wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    (mixed ^ mixed >> 29).wrapping_mul(0xff51_afd7_ed55_8ccd)
}

/// A part of the hash that does not choose the slot.
#[inline]
fn tag(hash: u64) -> u32 {
    (hash as u32) & !NUMBER
}

/// How many bytes two slices have in common at their beginning.
#[inline]
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let len = a.len().min(b.len());
    let (a, b) = (&a[..len], &b[..len]);
    let mut at = 0;
    for (x, y) in a.as_chunks::<32>().0.iter().zip(b.as_chunks::<32>().0) {
        if x != y {
            break;
        }
        at += 32;
    }
    for (x, y) in a[at..].as_chunks::<8>().0.iter().zip(b[at..].as_chunks::<8>().0) {
        let differ = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differ != 0 {
            return at + (differ.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    at + a[at..].iter().zip(&b[at..]).take_while(|(x, y)| x == y).count()
}

/// How many bytes two slices have in common at their end.
#[inline]
fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    let len = a.len().min(b.len());
    let (a, b) = (&a[a.len() - len..], &b[b.len() - len..]);
    let mut left = len;
    for (x, y) in a.as_rchunks::<32>().1.iter().rev().zip(b.as_rchunks::<32>().1.iter().rev()) {
        if x != y {
            break;
        }
        left -= 32;
    }
    for (x, y) in a[..left].as_rchunks::<8>().1.iter().rev().zip(b[..left].as_rchunks::<8>().1.iter().rev()) {
        let differ = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differ != 0 {
            return len - left + (differ.leading_zeros() / 8) as usize;
        }
        left -= 8;
    }
    let more = a[..left].iter().rev().zip(b[..left].iter().rev()).take_while(|(x, y)| x == y).count();
    len - left + more
}

#[cfg(test)]
mod tests {
    use super::super::apply;
    use super::*;
    use proptest::prelude::*;

    /// Bytes with repetitions of all kinds: pieces of one alphabet, runs, noise.
    fn content() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            (any::<u8>(), 1usize..200).prop_map(|(byte, len)| vec![byte; len]),
            (0u8..6, 1usize..12).prop_map(|(seed, times)| {
                let word: Vec<u8> = (0..37).map(|n| seed.wrapping_mul(31).wrapping_add(n * 7)).collect();
                word.repeat(times)
            }),
            proptest::collection::vec(any::<u8>(), 0..60),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    /// Edits: cut out a part, put bytes in, repeat a part.
    fn edited(base: &[u8], edits: &[(usize, usize, Vec<u8>)]) -> Vec<u8> {
        let mut result = base.to_vec();
        for (at, len, bytes) in edits {
            let at = at % (result.len() + 1);
            let end = (at + len % 40).min(result.len());
            result.splice(at..end, bytes.iter().copied());
        }
        result
    }

    proptest! {
        #[test]
        fn what_is_made_applies(
            base in content(),
            edits in proptest::collection::vec(
                (any::<usize>(), any::<usize>(), proptest::collection::vec(any::<u8>(), 0..20)), 0..5),
            other in content(),
        ) {
            let index = DeltaIndex::new(&base);
            let (mut out, mut back) = (vec![7; 9], Vec::new());
            for result in [edited(&base, &edits), other] {
                prop_assert!(index.delta(&base, &result, usize::MAX, &mut out));
                prop_assert_eq!(apply(&base, &out, u64::MAX, &mut back), Ok(()));
                prop_assert!(back == result);
                let (whole, len) = (out.clone(), out.len());
                // The bound is kept, and what is made within it is the same.
                prop_assert!(index.delta(&base, &result, len, &mut out));
                prop_assert!(out == whole);
                prop_assert!(!index.delta(&base, &result, len - 1, &mut out));
            }
        }

        #[test]
        fn ends_are_measured_exactly(a in content(), b in content(), cut in any::<usize>()) {
            let joined = [&a[..cut % (a.len() + 1)], &b[..]].concat();
            let plain = |x: &[u8], y: &[u8]| x.iter().zip(y).take_while(|(x, y)| x == y).count();
            let plain_end = |x: &[u8], y: &[u8]| {
                x.iter().rev().zip(y.iter().rev()).take_while(|(x, y)| x == y).count()
            };
            for (x, y) in [(&a, &joined), (&b, &joined), (&a, &b)] {
                prop_assert_eq!(common_prefix(x, y), plain(x, y));
                prop_assert_eq!(common_suffix(x, y), plain_end(x, y));
            }
        }
    }

    #[test]
    fn one_changed_place_costs_two_copies_and_itself() {
        let base: Vec<u8> =
            (0..40_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
        let mut result = base.clone();
        result.splice(5000..5003, *b"twelve bytes");
        let index = DeltaIndex::new(&base);
        let mut out = Vec::new();
        assert!(index.delta(&base, &result, usize::MAX, &mut out));
        assert!(out.len() < 50, "{}", out.len());
        // Pieces that change places are found wherever they are.
        let swapped = [&base[90_001..], &base[..90_001]].concat();
        assert!(index.delta(&base, &swapped, 60, &mut out), "{}", out.len());
    }

    #[test]
    fn runs_and_hostile_bases_end() {
        let index = DeltaIndex::new(&vec![0; 1 << 20]);
        let mut out = Vec::new();
        assert!(index.delta(&vec![0; 1 << 20], &vec![0; 3 << 20], usize::MAX, &mut out));
        assert!(out.len() < 1000, "{}", out.len());
        // Every second block is the same: long chains are cut off.
        let base: Vec<u8> =
            (0..1u32 << 16).flat_map(|n| [[0; 16], u128::from(n).to_be_bytes()]).flatten().collect();
        let index = DeltaIndex::new(&base);
        let result: Vec<u8> = (0..1u32 << 14).flat_map(|n| [n as u8; 33]).collect();
        assert!(index.delta(&base, &result, usize::MAX, &mut out));
        let mut back = Vec::new();
        assert_eq!(apply(&base, &out, u64::MAX, &mut back), Ok(()));
        assert!(back == result);
    }
}
