//! SHA-256 over many lanes.

use super::Each;
use super::kernel::{Block, Kernel};
use super::schedule::Function;
use super::sha1::digest;
use crate::ObjectFormat;

/// The chaining value that SHA-256 starts with.
const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// SHA-256 on a kernel.
pub(super) struct Sha256<'a, K, const N: usize>(pub(super) &'a mut K);

impl<K: Kernel<N>, const N: usize> Function<N> for Sha256<'_, K, N> {
    fn begin(&mut self, lane: usize) {
        for (chain, start) in self.0.parts().0.chain.iter_mut().zip(START) {
            chain[lane] = start;
        }
    }

    fn block(&mut self, blocks: &[&Block; N], _owners: &[u32; N], _each: Each<'_>) {
        self.0.sha256(blocks);
    }

    fn end(&mut self, lane: usize, message: u32, each: Each<'_>) {
        each(message as usize, Ok(digest(ObjectFormat::Sha256, &self.0.parts().0.chain, lane)));
    }

    fn settle(&mut self, _each: Each<'_>) {}
}
