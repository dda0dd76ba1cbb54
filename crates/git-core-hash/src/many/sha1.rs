//! SHA-1 over many lanes, watched for collision attacks.
//!
//! A block that satisfies all conditions of a disturbance vector is a *suspect*: it is one half of an attack if
//! the block that differs from it as the vector says has the same state midway and the same result. That is found
//! out by compressing the other half, backwards and forwards from that state. Suspects of all lanes are collected
//! until there is one for every lane, and then compressed side by side as well; the digest of a message that is
//! still under suspicion is held back until then.

use super::Each;
use super::kernel::{Block, FIRST, HIT, Kernel, LAST, Registers, Suspects};
use super::schedule::{Function, IDLE};
use super::vectors::{DIFFERENCES, MIDWAY, TABLE, VECTORS};
use crate::{CollisionDetected, Digest, ObjectFormat};

/// The chaining value that SHA-1 starts with.
const START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// Which of the steps [`MIDWAY`] has equal states, for every vector.
static MEETS: [usize; VECTORS] = {
    let mut meets = [0; VECTORS];
    let mut index = 0;
    while index < VECTORS {
        meets[index] = TABLE[index].meets();
        index += 1;
    }
    meets
};

/// SHA-1 on a kernel.
pub(super) struct Sha1<'a, K, const N: usize> {
    kernel: &'a mut K,
    /// The suspects' messages and the chaining values they gave; as many as are to be checked.
    suspects: Vec<(u32, [u32; 5])>,
    /// Messages that ended while they were under suspicion.
    waiting: Vec<(u32, Digest)>,
    /// Messages, not yet given, that an attack was found in.
    caught: Vec<u32>,
}

impl<'a, K: Kernel<N>, const N: usize> Sha1<'a, K, N> {
    pub(super) fn new(kernel: &'a mut K) -> Self {
        Sha1 { kernel, suspects: Vec::new(), waiting: Vec::new(), caught: Vec::new() }
    }

    /// Puts a lane's last block under suspicion.
    fn suspect(&mut self, lane: usize, vector: usize, owner: u32) {
        let slot = self.suspects.len();
        let (registers, suspects) = self.kernel.parts();
        for (t, difference) in DIFFERENCES[vector].iter().enumerate() {
            suspects.words[t][slot] = registers.words[t][lane] ^ difference;
        }
        for at in 0..MIDWAY.len() {
            suspects.joins[at][slot] = 0;
        }
        let meets = MEETS[vector];
        suspects.joins[meets][slot] = u32::MAX;
        let mut chain = START;
        for (i, chain) in chain.iter_mut().enumerate() {
            suspects.midway[meets][i][slot] = registers.midway[meets][i][lane];
            *chain = registers.chain[i][lane];
        }
        self.suspects.push((owner, chain));
    }

    /// Finds out about all suspects.
    fn check(&mut self, each: Each<'_>) {
        self.kernel.sha1_again();
        let out = &self.kernel.parts().1.out;
        for (slot, (owner, chain)) in self.suspects.drain(..).enumerate() {
            if chain.iter().zip(out).all(|(word, other)| *word == other[slot])
                && !self.caught.contains(&owner)
            {
                self.caught.push(owner);
            }
        }
        for (message, digest) in std::mem::take(&mut self.waiting) {
            self.give(message, digest, each);
        }
    }

    fn give(&mut self, message: u32, digest: Digest, each: Each<'_>) {
        let caught = self.caught.iter().position(|caught| *caught == message);
        let result = match caught {
            Some(place) => {
                self.caught.swap_remove(place);
                Err(CollisionDetected(digest))
            }
            None => Ok(digest),
        };
        each(message as usize, result);
    }
}

impl<K: Kernel<N>, const N: usize> Function<N> for Sha1<'_, K, N> {
    fn begin(&mut self, lane: usize) {
        for (chain, start) in self.kernel.parts().0.chain.iter_mut().zip(START) {
            chain[lane] = start;
        }
    }

    fn block(&mut self, blocks: &[&Block; N], owners: &[u32; N], each: Each<'_>) {
        let mut hits = self.kernel.sha1(blocks);
        while hits != 0 {
            let lane = hits.trailing_zeros() as usize;
            hits &= hits - 1;
            if owners[lane] == IDLE {
                continue;
            }
            for vector in 0..VECTORS {
                if self.kernel.parts().0.hits[vector][lane] >> HIT & 1 != 0 {
                    self.suspect(lane, vector, owners[lane]);
                    if self.suspects.len() == N {
                        self.check(each);
                    }
                }
            }
        }
    }

    fn end(&mut self, lane: usize, message: u32, each: Each<'_>) {
        let digest = digest(ObjectFormat::Sha1, &self.kernel.parts().0.chain[..5], lane);
        if self.suspects.iter().any(|(owner, _)| *owner == message) {
            self.waiting.push((message, digest));
        } else {
            self.give(message, digest, each);
        }
    }

    fn settle(&mut self, each: Each<'_>) {
        if !self.suspects.is_empty() {
            self.check(each);
        }
    }
}

/// A lane's chaining value as bytes.
pub(super) fn digest<const N: usize>(format: ObjectFormat, chain: &[[u32; N]], lane: usize) -> Digest {
    let mut bytes = [0; ObjectFormat::MAX_LEN];
    for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(chain) {
        *bytes = word[lane].to_be_bytes();
    }
    Digest::from_bytes(format, &bytes[..format.raw_len()]).expect("as many bytes as the format has")
}

impl<const N: usize> Default for Registers<[u32; N]> {
    fn default() -> Self {
        Registers {
            chain: [[0; N]; 8],
            words: [[0; N]; 80],
            midway: [[[0; N]; 5]; MIDWAY.len()],
            fours: [[0; N]; LAST - FIRST + 1],
            hits: [[0; N]; VECTORS],
        }
    }
}

impl<const N: usize> Default for Suspects<[u32; N]> {
    fn default() -> Self {
        Suspects {
            words: [[0; N]; 80],
            midway: [[[0; N]; 5]; MIDWAY.len()],
            joins: [[0; N]; MIDWAY.len()],
            out: [[0; N]; 5],
        }
    }
}
