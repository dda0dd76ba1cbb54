//! The vectors and their conditions against SHA-1 itself, and the kernels against the plain definition.

use super::cpu;
use super::kernel::{Block, HIT, Kernel, SHA1_K};
use super::vectors::{Condition, DIFFERENCES, Kind, MIDWAY, TABLE, VECTORS, Vector};
use proptest::prelude::*;

type Words = [u32; 80];
type State = [u32; 5];

struct Noise(u64);

impl Noise {
    fn word(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as u32
    }

    fn block(&mut self) -> Block {
        std::array::from_fn(|_| self.word() as u8)
    }
}

fn expand(message: [u32; 16]) -> Words {
    let mut words = [0; 80];
    words[..16].copy_from_slice(&message);
    for t in 16..80 {
        words[t] = (words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16]).rotate_left(1);
    }
    words
}

fn words(block: &[u8]) -> Words {
    expand(std::array::from_fn(|t| u32::from_be_bytes(block.as_chunks().0[t])))
}

fn step([a, b, c, d, e]: State, t: usize, word: u32) -> State {
    let f = match t / 20 {
        0 => (b & c) | (!b & d),
        2 => (b & c) | (b & d) | (c & d),
        _ => b ^ c ^ d,
    };
    let new =
        a.rotate_left(5).wrapping_add(f).wrapping_add(e).wrapping_add(word).wrapping_add(SHA1_K[t / 20]);
    [new, a, b.rotate_left(30), c, d]
}

fn met(condition: &Condition, words: &Words) -> bool {
    let bit = |(word, bit): (usize, u32)| words[word] >> bit & 1;
    (bit(condition.one) != bit(condition.other)) == condition.differ
}

fn all_met(vector: &Vector, words: &Words) -> bool {
    vector.conditions.iter().all(|condition| met(condition, words))
}

fn published() -> Vec<[Vec<u8>; 2]> {
    let unhex = |text: &str| -> Vec<u8> {
        let digits: Vec<_> = text.chars().filter_map(|c| c.to_digit(16)).collect();
        digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
    };
    vec![
        [
            include_str!("../../tests/attacks/shattered-1.hex"),
            include_str!("../../tests/attacks/shattered-2.hex"),
        ]
        .map(unhex),
        [
            include_str!("../../tests/attacks/shambles-1.hex"),
            include_str!("../../tests/attacks/shambles-2.hex"),
        ]
        .map(unhex),
    ]
}

#[test]
fn differences_follow_the_message_expansion() {
    for (vector, first) in TABLE.iter().zip(DIFFERENCES) {
        assert_eq!(vector.difference(), expand(first), "{:?}({}, {})", vector.kind, vector.k, vector.b);
        let met_at = MIDWAY[vector.meets()];
        let quiet = match vector.kind {
            Kind::I => vector.k + 5,
            Kind::II => vector.k + 9,
        };
        // From the first step that is quiet to the first disturbance the messages, hence the states, are equal.
        assert!(vector.difference()[quiet..vector.k + 15].iter().all(|word| *word == 0));
        assert!((quiet..=vector.k + 15).contains(&met_at));
    }
}

#[test]
fn published_attacks_follow_a_vector_and_meet_its_conditions() {
    let vector = TABLE.iter().find(|vector| vector.kind == Kind::II && vector.k == 52).unwrap();
    let mut blocks = 0;
    for [one, other] in published() {
        for (one, other) in one.chunks(64).zip(other.chunks(64)) {
            let (one, other) = (words(one), words(other));
            let difference: Vec<_> = one.iter().zip(other).map(|(one, other)| one ^ other).collect();
            if difference == vector.difference() {
                blocks += 1;
                assert!(all_met(vector, &one) && all_met(vector, &other));
            }
        }
    }
    assert_eq!(blocks, 2 + 9);
}

/// A word's difference as a number is one that some signs of the difference's bits give.
fn some_signs(number: u32, bits: u32) -> bool {
    if bits == 0 {
        return number == 0;
    }
    let lowest = bits & bits.wrapping_neg();
    let rest = bits ^ lowest;
    some_signs(number.wrapping_sub(lowest), rest) || some_signs(number.wrapping_add(lowest), rest)
}

/// The conditions are unavoidable: wherever two messages and two states with a vector's differences go through some
/// steps and keep the differences, the conditions are met on the words of these steps, but for those words whose
/// disturbances are not all there or not yet corrected.
#[test]
fn conditions_are_met_whenever_the_differences_are_kept() {
    const STEPS: usize = 16;
    let mut noise = Noise(0x1234_5678_9abc_def1);
    let mut untried = 0;
    for vector in &TABLE {
        let (disturbed, difference) = (vector.disturbances(), vector.difference());
        // The disturbance of step t is in the state word that the step makes.
        let disturbance = |t: usize| disturbed[t + 5];
        let mut tried = vec![false; vector.conditions.len()];
        for first in 35..=66 - STEPS {
            let end = first + STEPS - 1;
            for _ in 0..TRIES {
                if let Some(words) = kept(first..=end, &disturbance, &difference, &mut noise) {
                    for (condition, tried) in vector.conditions.iter().zip(&mut tried) {
                        if (first == 35 || condition.one.0 >= first + 5)
                            && (end == 65 || condition.other.0 + 5 <= end)
                        {
                            assert!(met(condition, &words), "{:?}({}): {condition:?}", vector.kind, vector.k);
                            *tried = true;
                        }
                    }
                }
            }
        }
        untried += tried.iter().filter(|tried| !**tried).count();
    }
    // Some would take longer to come across than a test may.
    let all: usize = TABLE.iter().map(|vector| vector.conditions.len()).sum();
    assert!(untried * 10 <= all, "{untried} of {all} conditions not tried");
    println!("{untried} of {all} conditions not tried");
}

/// How often to look for a message in [`kept`], for each vector and place.
const TRIES: usize = 40;

/// Words for some steps that keep the differences: a walk that takes some steps back where it does not get on.
fn kept(
    steps: std::ops::RangeInclusive<usize>,
    disturbance: &dyn Fn(usize) -> u32,
    difference: &Words,
    noise: &mut Noise,
) -> Option<Words> {
    let (first, end) = (*steps.start(), *steps.end());
    let turned = |i: usize, t: usize| disturbance(t - i).rotate_left(if i < 2 { 0 } else { 30 });
    let mut words = [0; 80];
    let mut states = Vec::new();
    for _ in 0..3000 {
        if states.is_empty() {
            let one: State = std::array::from_fn(|_| noise.word());
            states.push([one, std::array::from_fn(|i| one[i] ^ turned(i, first - 1))]);
        }
        let [one, other] = states[states.len() - 1];
        let t = first + states.len() - 1;
        if t > end {
            // Carries may have spread differences on the way, but none may be left.
            if (0..5).all(|i| one[i] ^ other[i] == turned(i, end)) {
                return Some(words);
            }
        } else {
            let next = (0..16).find_map(|_| {
                words[t] = noise.word();
                let next = [step(one, t, words[t]), step(other, t, words[t] ^ difference[t])];
                some_signs(next[1][0].wrapping_sub(next[0][0]), disturbance(t)).then_some(next)
            });
            if let Some(next) = next {
                states.push(next);
                continue;
            }
        }
        let back = 1 + noise.word() as usize % 5;
        states.truncate(states.len().saturating_sub(back));
    }
    None
}

/// A random message that meets all conditions of a vector: a solution of linear equations over its 512 bits.
fn forced(vector: &Vector, noise: &mut Noise) -> Block {
    type Row = ([u64; 8], bool);
    fn plus(one: Row, other: Row) -> Row {
        (std::array::from_fn(|i| one.0[i] ^ other.0[i]), one.1 ^ other.1)
    }
    let mut bits = vec![[([0u64; 8], false); 32]; 80];
    for t in 0..80 {
        for bit in 0..32 {
            bits[t][bit] = if t < 16 {
                let mut row = [0; 8];
                row[t / 2] = 1 << (t % 2 * 32 + bit);
                (row, false)
            } else {
                let from = (bit + 31) % 32;
                [t - 3, t - 8, t - 14].iter().fold(bits[t - 16][from], |sum, t| plus(sum, bits[*t][from]))
            };
        }
    }
    let has = |row: &Row, bit: usize| row.0[bit / 64] >> (bit % 64) & 1 != 0;
    let mut solved: Vec<(usize, Row)> = Vec::new();
    for condition in vector.conditions {
        let bit = |(word, bit): (usize, u32)| bits[word][bit as usize];
        let mut row = plus(bit(condition.one), bit(condition.other));
        row.1 = condition.differ;
        for (pivot, other) in &solved {
            if has(&row, *pivot) {
                row = plus(row, *other);
            }
        }
        let pivot = (0..512).find(|bit| has(&row, *bit)).expect("conditions are independent");
        for (_, other) in &mut solved {
            if has(other, pivot) {
                *other = plus(*other, row);
            }
        }
        solved.push((pivot, row));
    }
    let mut message: [u64; 8] =
        std::array::from_fn(|_| u64::from(noise.word()) << 32 | u64::from(noise.word()));
    for (pivot, row) in solved {
        let sum = row.0.iter().zip(message).fold(0, |sum, (row, message)| sum + (row & message).count_ones());
        if (sum % 2 == 1) != row.1 {
            message[pivot / 64] ^= 1 << (pivot % 64);
        }
    }
    let mut block = [0; 64];
    for (t, bytes) in block.as_chunks_mut().0.iter_mut().enumerate() {
        *bytes = ((message[t / 2] >> (t % 2 * 32)) as u32).to_be_bytes();
    }
    block
}

/// The kernel says of every lane which vectors' conditions are met, and finds its way from midway to both ends.
fn kernel_is_right<K: Kernel<N>, const N: usize>(kernel: Option<K>, seed: u64) {
    let Some(mut kernel) = kernel else { return };
    let mut noise = Noise(seed | 1);
    for round in 0..2 * VECTORS {
        let blocks: [Block; N] = std::array::from_fn(|lane| match lane % 3 {
            0 => noise.block(),
            _ => forced(&TABLE[(round + lane) % VECTORS], &mut noise),
        });
        let start: State = std::array::from_fn(|_| noise.word());
        let (registers, _) = kernel.parts();
        for (chain, start) in registers.chain.iter_mut().zip(start) {
            *chain = [start; N];
        }
        let hits = kernel.sha1(&blocks.each_ref());
        let (registers, suspects) = kernel.parts();
        for (lane, block) in blocks.iter().enumerate() {
            let words = words(block);
            let mut any = false;
            for (vector, hits) in TABLE.iter().zip(&registers.hits) {
                assert_eq!(hits[lane] >> HIT & 1 != 0, all_met(vector, &words), "{vector:?} in lane {lane}");
                any |= all_met(vector, &words);
            }
            assert_eq!(hits >> lane & 1 != 0, any);
            // The state that the lane starts from midway, each lane at another one of the steps.
            for (word_of_lanes, word) in suspects.words.iter_mut().zip(words).take(16) {
                word_of_lanes[lane] = word;
            }
            for at in 0..MIDWAY.len() {
                suspects.joins[at][lane] = if at == (lane + round) % MIDWAY.len() { u32::MAX } else { 0 };
                for i in 0..5 {
                    suspects.midway[at][i][lane] = registers.midway[at][i][lane] & suspects.joins[at][lane];
                }
            }
            let end = (0..80).fold(start, |state, t| step(state, t, words[t]));
            for i in 0..5 {
                assert_eq!(registers.chain[i][lane], start[i].wrapping_add(end[i]));
            }
        }
        kernel.sha1_again();
        let (registers, suspects) = kernel.parts();
        assert_eq!(suspects.out[..], registers.chain[..5]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]
    #[test]
    fn kernels_are_right(seed: u64) {
        kernel_is_right(cpu::Portable::detect(), seed);
        #[cfg(target_arch = "aarch64")]
        kernel_is_right(cpu::Neon::detect(), seed);
        #[cfg(target_arch = "x86_64")]
        kernel_is_right(cpu::Avx2::detect(), seed);
        #[cfg(target_arch = "x86_64")]
        kernel_is_right(cpu::Avx512::detect(), seed);
    }
}
