//! The arithmetic of both hash functions over several lanes: one text, compiled once for every vector type.
//!
//! A lane is one 32-bit element of a vector, and belongs to one message. The text is a macro because a function
//! may use the instructions of a CPU only if it is compiled for that CPU, which a generic function is not. The
//! place where `kernel!` is used says what a vector `V` of `N` lanes is and gives the operations on it by name:
//! `add`, `sub`, `xor`, `xor3`, `and`, `or`, `and_not` (the first one inverted), `choose`, `majority`,
//! `rotate::<L, R>` (left by L; R is 32 - L), `left`, `right`, `splat`, `signs` (the top bits of all lanes as a
//! mask) and `load` (the 16 big-endian words of every lane's block).

use super::vectors::{MIDWAY, VECTORS};

/// A block of a message, in either hash function.
pub(super) type Block = [u8; 64];

/// The words of the expanded message that conditions are on.
pub(super) const FIRST: usize = 35;
/// The last of them.
pub(super) const LAST: usize = 65;

/// The bit at which conditions are evaluated: one that most of them are on, so that little has to be shifted.
pub(super) const HIT: u32 = 29;

/// What the lanes hold between and during blocks.
#[repr(C, align(64))]
pub(super) struct Registers<V> {
    /// The chaining values: five words of SHA-1, eight of SHA-256.
    pub(super) chain: [V; 8],
    /// The expanded message of the last block.
    pub(super) words: [V; 80],
    /// SHA-1's state before each of the steps [`MIDWAY`] of the last block.
    pub(super) midway: [[V; 5]; MIDWAY.len()],
    /// The words that conditions are on, turned so that bit 4 comes to where bit 29 is.
    pub(super) fours: [V; LAST - FIRST + 1],
    /// For each disturbance vector, bit [`HIT`] of a lane says whether the last block satisfies its conditions.
    pub(super) hits: [V; VECTORS],
}

/// Blocks to be compressed again, each with the difference of one disturbance vector applied.
#[repr(C, align(64))]
pub(super) struct Suspects<V> {
    /// The message, of which the first 16 words are given.
    pub(super) words: [V; 80],
    /// The states that both messages would share; a lane has one of the three.
    pub(super) midway: [[V; 5]; MIDWAY.len()],
    /// All ones in the lanes that have this one of the three states.
    pub(super) joins: [V; MIDWAY.len()],
    /// The chaining value that comes out.
    pub(super) out: [V; 5],
}

/// One CPU's way to work on `N` lanes.
pub(super) trait Kernel<const N: usize> {
    /// SHA-1 of a block in every lane. The mask says in which lanes the conditions of some vector are met.
    fn sha1(&mut self, blocks: &[&Block; N]) -> u32;
    /// Compresses the suspects backwards and forwards from the state they have; gives the chaining values.
    fn sha1_again(&mut self);
    /// SHA-256 of a block in every lane.
    fn sha256(&mut self, blocks: &[&Block; N]);
    /// The registers and the suspects, word by word and then lane by lane.
    fn parts(&mut self) -> (&mut Registers<[u32; N]>, &mut Suspects<[u32; N]>);
}

/// SHA-1's constants, for 20 steps each.
pub(super) const SHA1_K: [u32; 4] = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6];

/// SHA-256's constants, one for each step (FIPS 180-4, 4.2.2).
#[rustfmt::skip]
pub(super) const SHA256_K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

/// Evaluates all conditions of all vectors on the expanded message; gives the lanes in which some vector has all
/// of its conditions met, and notes which one. Each condition's two bits are brought to the place [`HIT`].
macro_rules! conditions {
    (($words:ident, $fours:ident, $hits:ident)
     $($kind:ident($k:literal, $b:literal): $($s:literal[$i:literal] $op:tt $t:literal[$j:literal]),+;)+) => {{
        let mut any = splat(0);
        let mut hits = $hits.iter_mut();
        $({
            let (mut ones, mut zeros) = (splat(u32::MAX), splat(0));
            $(
                let differ = xor(
                    $crate::many::kernel::conditions!(@bit $words, $fours, $s, $i),
                    $crate::many::kernel::conditions!(@bit $words, $fours, $t, $j),
                );
                $crate::many::kernel::conditions!(@$op ones, zeros, differ);
            )+
            let hit = and_not(zeros, ones);
            if let Some(note) = hits.next() {
                *note = hit;
            }
            any = or(any, hit);
        })+
        any
    }};
    (@bit $words:ident, $fours:ident, $s:literal, $i:literal) => {
        match $i {
            HIT => $words[$s],
            4 => $fours[$s - FIRST],
            30 => right::<1>($words[$s]),
            _ => left::<{ HIT.saturating_sub($i) as _ }>($words[$s]),
        }
    };
    (@== $ones:ident, $zeros:ident, $differ:ident) => { $zeros = or($zeros, $differ) };
    (@!= $ones:ident, $zeros:ident, $differ:ident) => { $ones = and($ones, $differ) };
}
pub(super) use conditions;

macro_rules! kernel {
    ($(#[$feature:meta])*) => {
        /// One of SHA-1's four Boolean functions, one for each 20 steps.
        $(#[$feature])*
        #[inline]
        fn boolean<const PHASE: usize>(b: V, c: V, d: V) -> V {
            match PHASE {
                0 => choose(b, c, d),
                2 => majority(b, c, d),
                _ => xor3(b, c, d),
            }
        }

        /// Steps of one phase; five at a time, after which every part of the state is in its place again.
        $(#[$feature])*
        #[inline]
        fn steps<const PHASE: usize>(state: [V; 5], words: &[V]) -> [V; 5] {
            let [mut a, mut b, mut c, mut d, mut e] = state;
            let k = splat(SHA1_K[PHASE]);
            macro_rules! step {
                ($a:ident $b:ident $c:ident $d:ident $e:ident $w:expr) => {
                    $e = add(add(add($e, add($w, k)), boolean::<PHASE>($b, $c, $d)), rotate::<5, 27>($a));
                    $b = rotate::<30, 2>($b);
                };
            }
            for w in words.as_chunks::<5>().0 {
                step!(a b c d e w[0]);
                step!(e a b c d w[1]);
                step!(d e a b c w[2]);
                step!(c d e a b w[3]);
                step!(b c d e a w[4]);
            }
            [a, b, c, d, e]
        }

        /// The same steps undone, the last one first.
        $(#[$feature])*
        #[inline]
        fn steps_back<const PHASE: usize>(state: [V; 5], words: &[V]) -> [V; 5] {
            let [mut a, mut b, mut c, mut d, mut e] = state;
            let k = splat(SHA1_K[PHASE]);
            macro_rules! step {
                ($a:ident $b:ident $c:ident $d:ident $e:ident $w:expr) => {
                    $b = rotate::<2, 30>($b);
                    $e = sub(sub($e, add($w, k)), add(boolean::<PHASE>($b, $c, $d), rotate::<5, 27>($a)));
                };
            }
            for w in words.as_chunks::<5>().0.iter().rev() {
                step!(b c d e a w[4]);
                step!(c d e a b w[3]);
                step!(d e a b c w[2]);
                step!(e a b c d w[1]);
                step!(a b c d e w[0]);
            }
            [a, b, c, d, e]
        }

        $(#[$feature])*
        #[inline]
        fn expand<const FROM: usize, const TO: usize>(words: &mut [V; 80]) {
            for t in FROM..TO {
                let early = xor3(words[t - 16], words[t - 14], words[t - 8]);
                words[t] = rotate::<1, 31>(xor(early, words[t - 3]));
            }
        }

        $(#[$feature])*
        #[inline]
        fn sum(one: [V; 5], other: [V; 5]) -> [V; 5] {
            let mut sum = one;
            for (sum, other) in sum.iter_mut().zip(other) {
                *sum = add(*sum, other);
            }
            sum
        }

        /// The state of those lanes that join here, of the others the state they had.
        $(#[$feature])*
        #[inline]
        fn join(state: [V; 5], joining: &[V; 5], mask: V) -> [V; 5] {
            let mut joined = state;
            for (state, joining) in joined.iter_mut().zip(joining) {
                *state = choose(mask, *joining, *state);
            }
            joined
        }

        $(#[$feature])*
        pub(super) fn sha1(registers: &mut Registers<V>, blocks: &[&Block; N]) -> u32 {
            let Registers { chain, words, midway, fours, hits } = registers;
            load(blocks, words.first_chunk_mut().expect("a message of 80 words has 16"));
            let &mut [a, b, c, d, e, ..] = chain;
            let start = [a, b, c, d, e];
            // Expansion and steps by turns, so that a CPU finds independent work of both kinds close together.
            expand::<16, 20>(words);
            let state = steps::<0>(start, &words[..20]);
            expand::<20, 40>(words);
            let state = steps::<1>(state, &words[20..40]);
            expand::<40, 60>(words);
            midway[0] = steps::<2>(state, &words[40..MIDWAY[0]]);
            midway[1] = steps::<2>(midway[0], &words[MIDWAY[0]..MIDWAY[1]]);
            expand::<60, 80>(words);
            midway[2] = steps::<3>(midway[1], &words[MIDWAY[1]..MIDWAY[2]]);
            let state = steps::<3>(midway[2], &words[MIDWAY[2]..]);
            chain[..5].copy_from_slice(&sum(start, state));
            for (four, word) in fours.iter_mut().zip(&words[FIRST..=LAST]) {
                *four = left::<{ (HIT - 4) as _ }>(*word);
            }
            // Out of the compiler's sight, or it would shift after each exclusive or instead, three times as often.
            let fours = std::hint::black_box(&*fours);
            let words = &*words;
            signs(left::<{ (31 - HIT) as _ }>($crate::many::vectors::with_vectors!(conditions(words, fours, hits))))
        }

        $(#[$feature])*
        pub(super) fn sha1_again(suspects: &mut Suspects<V>) {
            let Suspects { words, midway, joins, out } = suspects;
            expand::<16, 80>(words);
            let state = steps_back::<3>(midway[2], &words[MIDWAY[1]..MIDWAY[2]]);
            let state = join(state, &midway[1], joins[1]);
            let state = steps_back::<2>(state, &words[MIDWAY[0]..MIDWAY[1]]);
            let state = join(state, &midway[0], joins[0]);
            let state = steps_back::<2>(state, &words[40..MIDWAY[0]]);
            let state = steps_back::<1>(state, &words[20..40]);
            let start = steps_back::<0>(state, &words[..20]);

            let state = steps::<2>(midway[0], &words[MIDWAY[0]..MIDWAY[1]]);
            let state = join(state, &midway[1], joins[1]);
            let state = steps::<3>(state, &words[MIDWAY[1]..MIDWAY[2]]);
            let state = join(state, &midway[2], joins[2]);
            *out = sum(start, steps::<3>(state, &words[MIDWAY[2]..]));
        }

        $(#[$feature])*
        pub(super) fn sha256(registers: &mut Registers<V>, blocks: &[&Block; N]) {
            let Registers { chain, words, .. } = registers;
            load(blocks, words.first_chunk_mut().expect("a message of 80 words has 16"));
            for t in 16..64 {
                let (w2, w15) = (words[t - 2], words[t - 15]);
                let s1 = xor3(rotate::<15, 17>(w2), rotate::<13, 19>(w2), right::<10>(w2));
                let s0 = xor3(rotate::<25, 7>(w15), rotate::<14, 18>(w15), right::<3>(w15));
                words[t] = add(add(words[t - 16], s0), add(words[t - 7], s1));
            }
            let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *chain;
            macro_rules! step {
                ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident $w:expr) => {
                    let s1 = xor3(rotate::<26, 6>($e), rotate::<21, 11>($e), rotate::<7, 25>($e));
                    let s0 = xor3(rotate::<30, 2>($a), rotate::<19, 13>($a), rotate::<10, 22>($a));
                    let t1 = add(add($h, $w), add(s1, choose($e, $f, $g)));
                    $d = add($d, t1);
                    $h = add(t1, add(s0, majority($a, $b, $c)));
                };
            }
            for (w, k) in words[..64].as_chunks::<8>().0.iter().zip(SHA256_K.as_chunks::<8>().0) {
                step!(a b c d e f g h add(w[0], splat(k[0])));
                step!(h a b c d e f g add(w[1], splat(k[1])));
                step!(g h a b c d e f add(w[2], splat(k[2])));
                step!(f g h a b c d e add(w[3], splat(k[3])));
                step!(e f g h a b c d add(w[4], splat(k[4])));
                step!(d e f g h a b c add(w[5], splat(k[5])));
                step!(c d e f g h a b add(w[6], splat(k[6])));
                step!(b c d e f g h a add(w[7], splat(k[7])));
            }
            for (chain, state) in chain.iter_mut().zip([a, b, c, d, e, f, g, h]) {
                *chain = add(*chain, state);
            }
        }
    };
}
pub(super) use kernel;
