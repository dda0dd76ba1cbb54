//! What the lanes need of each kind of CPU, and the only unsafe code of this crate.
//!
//! A value of one of the machines below exists only where its instructions do; that, and that a vector is as many
//! `u32` as it has lanes, is all that the unsafe code relies on. The arithmetic is in `kernel.rs`.
#![allow(clippy::wildcard_imports, reason = "a few dozen intrinsics, and all that the kernel's text names")]

use super::kernel::{
    Block, FIRST, HIT, Kernel, LAST, Registers, SHA1_K, SHA256_K, Suspects, conditions, kernel,
};
use super::vectors::MIDWAY;

/// A machine: registers for `$lanes` lanes, and functions of the module `$module` to work on them.
macro_rules! machine {
    ($(#[$doc:meta])* $name:ident, $module:ident, $lanes:literal, $present:expr) => {
        $(#[$doc])*
        pub(super) struct $name {
            registers: Box<Registers<[u32; $lanes]>>,
            suspects: Box<Suspects<[u32; $lanes]>>,
        }

        impl $name {
            /// `None` where the CPU does not have the instructions.
            pub(super) fn detect() -> Option<Self> {
                $present.then(|| $name { registers: Box::default(), suspects: Box::default() })
            }
        }

        #[expect(unsafe_code, reason = "instructions that only some CPUs have, and vectors seen as words")]
        impl Kernel<$lanes> for $name {
            fn sha1(&mut self, blocks: &[&Block; $lanes]) -> u32 {
                let registers = (&raw mut *self.registers).cast::<Registers<$module::V>>();
                // SAFETY: `detect` saw the instructions. The registers are borrowed exclusively, as aligned as
                // vectors have to be, and laid out alike (`repr(C)`, `V` asserted to be as large as its lanes).
                unsafe { $module::sha1(&mut *registers, blocks) }
            }

            fn sha1_again(&mut self) {
                let suspects = (&raw mut *self.suspects).cast::<Suspects<$module::V>>();
                // SAFETY: as above.
                unsafe { $module::sha1_again(&mut *suspects) }
            }

            fn sha256(&mut self, blocks: &[&Block; $lanes]) {
                let registers = (&raw mut *self.registers).cast::<Registers<$module::V>>();
                // SAFETY: as above.
                unsafe { $module::sha256(&mut *registers, blocks) }
            }

            fn parts(&mut self) -> (&mut Registers<[u32; $lanes]>, &mut Suspects<[u32; $lanes]>) {
                (&mut self.registers, &mut self.suspects)
            }
        }

        const _: () = {
            assert!(size_of::<$module::V>() == 4 * $lanes && align_of::<$module::V>() <= 64);
            assert!(size_of::<Registers<$module::V>>() == size_of::<Registers<[u32; $lanes]>>());
            assert!(size_of::<Suspects<$module::V>>() == size_of::<Suspects<[u32; $lanes]>>());
        };
    };
}

#[cfg(target_arch = "x86_64")]
machine! {
    /// Eight lanes with AVX2.
    Avx2, avx2, 8, is_x86_feature_detected!("avx2")
}

#[cfg(target_arch = "x86_64")]
machine! {
    /// Sixteen lanes with AVX-512 (F, BW and DQ).
    Avx512, avx512, 16,
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
}

#[cfg(target_arch = "aarch64")]
machine! {
    /// Four lanes with NEON, which every such CPU has.
    Neon, neon, 4, true
}

machine! {
    /// Four lanes in plain Rust, which compilers turn into what vectors the target always has.
    Portable, portable, 4, true
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::*;
    use std::arch::x86_64::*;

    pub(super) type V = __m256i;
    const N: usize = 8;

    macro_rules! operations {
        ($($name:ident$(<$($g:ident),+>)?($($x:ident),+) = $body:expr;)+) => {$(
            #[target_feature(enable = "avx2")]
            #[inline]
            fn $name$(<$(const $g: i32),+>)?($($x: V),+) -> V { $body }
        )+};
    }
    operations! {
        add(a, b) = _mm256_add_epi32(a, b);
        sub(a, b) = _mm256_sub_epi32(a, b);
        xor(a, b) = _mm256_xor_si256(a, b);
        and(a, b) = _mm256_and_si256(a, b);
        or(a, b) = _mm256_or_si256(a, b);
        and_not(a, b) = _mm256_andnot_si256(a, b);
        xor3(a, b, c) = xor(a, xor(b, c));
        choose(a, b, c) = xor(c, and(a, xor(b, c)));
        majority(a, b, c) = or(and(a, b), and(c, or(a, b)));
        left<L>(a) = _mm256_slli_epi32::<L>(a);
        right<R>(a) = _mm256_srli_epi32::<R>(a);
        rotate<L, R>(a) = or(left::<L>(a), right::<R>(a));
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn splat(word: u32) -> V {
        _mm256_set1_epi32(word.cast_signed())
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn signs(a: V) -> u32 {
        _mm256_movemask_ps(_mm256_castsi256_ps(a)).cast_unsigned()
    }

    /// Half a block as eight words.
    #[target_feature(enable = "avx2")]
    #[inline]
    #[expect(unsafe_code, reason = "a load takes a pointer")]
    fn row(half: &[u8; 32]) -> V {
        // SAFETY: the array has the 32 bytes that an unaligned load reads.
        let bytes = unsafe { _mm256_loadu_si256(half.as_ptr().cast()) };
        let order = _mm256_broadcastsi128_si256(_mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203));
        _mm256_shuffle_epi8(bytes, order)
    }

    /// Eight words of eight lanes, from lane by lane to word by word.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn transpose(r: [V; 8]) -> [V; 8] {
        let mut pairs = [r[0]; 8];
        for i in 0..4 {
            pairs[2 * i] = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
            pairs[2 * i + 1] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
        }
        let mut fours = [r[0]; 8];
        for i in 0..2 {
            for half in 0..2 {
                let (low, high) = (pairs[4 * i + half], pairs[4 * i + 2 + half]);
                fours[4 * i + 2 * half] = _mm256_unpacklo_epi64(low, high);
                fours[4 * i + 2 * half + 1] = _mm256_unpackhi_epi64(low, high);
            }
        }
        let mut words = [r[0]; 8];
        for i in 0..4 {
            words[i] = _mm256_permute2x128_si256::<0x20>(fours[i], fours[4 + i]);
            words[4 + i] = _mm256_permute2x128_si256::<0x31>(fours[i], fours[4 + i]);
        }
        words
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn load(blocks: &[&Block; N], words: &mut [V; 16]) {
        for half in 0..2 {
            let mut rows = [splat(0); 8];
            for (row_of_lane, block) in rows.iter_mut().zip(blocks) {
                *row_of_lane = row(&block.as_chunks().0[half]);
            }
            words[8 * half..8 * half + 8].copy_from_slice(&transpose(rows));
        }
    }

    kernel!(#[target_feature(enable = "avx2")]);
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::*;
    use std::arch::x86_64::*;

    pub(super) type V = __m512i;
    const N: usize = 16;

    macro_rules! operations {
        ($($name:ident$(<$($g:ident),+>)?($($x:ident),+) = $body:expr;)+) => {$(
            #[target_feature(enable = "avx512f,avx512bw,avx512dq")]
            #[inline]
            fn $name$(<$(const $g: u32),+>)?($($x: V),+) -> V { $body }
        )+};
    }
    operations! {
        add(a, b) = _mm512_add_epi32(a, b);
        sub(a, b) = _mm512_sub_epi32(a, b);
        xor(a, b) = _mm512_xor_si512(a, b);
        and(a, b) = _mm512_and_si512(a, b);
        or(a, b) = _mm512_or_si512(a, b);
        and_not(a, b) = _mm512_andnot_si512(a, b);
        xor3(a, b, c) = _mm512_ternarylogic_epi32::<0x96>(a, b, c);
        choose(a, b, c) = _mm512_ternarylogic_epi32::<0xca>(a, b, c);
        majority(a, b, c) = _mm512_ternarylogic_epi32::<0xe8>(a, b, c);
        left<L>(a) = _mm512_slli_epi32::<L>(a);
        right<R>(a) = _mm512_srli_epi32::<R>(a);
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq")]
    #[inline]
    fn rotate<const L: i32, const R: i32>(a: V) -> V {
        _mm512_rol_epi32::<L>(a)
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq")]
    #[inline]
    fn splat(word: u32) -> V {
        _mm512_set1_epi32(word.cast_signed())
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq")]
    #[inline]
    fn signs(a: V) -> u32 {
        u32::from(_mm512_movepi32_mask(a))
    }

    /// A block as sixteen words.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq")]
    #[inline]
    #[expect(unsafe_code, reason = "a load takes a pointer")]
    fn row(block: &Block) -> V {
        // SAFETY: the array has the 64 bytes that an unaligned load reads.
        let bytes = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        let order = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203));
        _mm512_shuffle_epi8(bytes, order)
    }

    /// The words of sixteen lanes, from lane by lane to word by word.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq")]
    #[inline]
    fn load(blocks: &[&Block; N], words: &mut [V; 16]) {
        let mut rows = [splat(0); 16];
        for (row_of_lane, block) in rows.iter_mut().zip(blocks) {
            *row_of_lane = row(block);
        }
        // Four lanes at a time: word `4 q + w` of them, for every quarter q, in `fours[4 i + w]`.
        let mut fours = [splat(0); 16];
        for i in 0..4 {
            let r = &rows[4 * i..4 * i + 4];
            let (low, high) = (_mm512_unpacklo_epi32(r[0], r[1]), _mm512_unpackhi_epi32(r[0], r[1]));
            let (low2, high2) = (_mm512_unpacklo_epi32(r[2], r[3]), _mm512_unpackhi_epi32(r[2], r[3]));
            fours[4 * i] = _mm512_unpacklo_epi64(low, low2);
            fours[4 * i + 1] = _mm512_unpackhi_epi64(low, low2);
            fours[4 * i + 2] = _mm512_unpacklo_epi64(high, high2);
            fours[4 * i + 3] = _mm512_unpackhi_epi64(high, high2);
        }
        for w in 0..4 {
            let even = _mm512_shuffle_i32x4::<0b10_00_10_00>(fours[w], fours[4 + w]);
            let odd = _mm512_shuffle_i32x4::<0b11_01_11_01>(fours[w], fours[4 + w]);
            let even2 = _mm512_shuffle_i32x4::<0b10_00_10_00>(fours[8 + w], fours[12 + w]);
            let odd2 = _mm512_shuffle_i32x4::<0b11_01_11_01>(fours[8 + w], fours[12 + w]);
            words[w] = _mm512_shuffle_i32x4::<0b10_00_10_00>(even, even2);
            words[8 + w] = _mm512_shuffle_i32x4::<0b11_01_11_01>(even, even2);
            words[4 + w] = _mm512_shuffle_i32x4::<0b10_00_10_00>(odd, odd2);
            words[12 + w] = _mm512_shuffle_i32x4::<0b11_01_11_01>(odd, odd2);
        }
    }

    kernel!(#[target_feature(enable = "avx512f,avx512bw,avx512dq")]);
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use super::*;
    use std::arch::aarch64::*;

    pub(super) type V = uint32x4_t;
    const N: usize = 4;

    macro_rules! operations {
        ($($name:ident$(<$($g:ident),+>)?($($x:ident),+) = $body:expr;)+) => {$(
            #[target_feature(enable = "neon")]
            #[inline]
            fn $name$(<$(const $g: i32),+>)?($($x: V),+) -> V { $body }
        )+};
    }
    operations! {
        add(a, b) = vaddq_u32(a, b);
        sub(a, b) = vsubq_u32(a, b);
        xor(a, b) = veorq_u32(a, b);
        and(a, b) = vandq_u32(a, b);
        or(a, b) = vorrq_u32(a, b);
        and_not(a, b) = vbicq_u32(b, a);
        xor3(a, b, c) = xor(a, xor(b, c));
        choose(a, b, c) = vbslq_u32(a, b, c);
        majority(a, b, c) = vbslq_u32(xor(a, b), c, a);
        left<L>(a) = vshlq_n_u32::<L>(a);
        right<R>(a) = vshrq_n_u32::<R>(a);
        rotate<L, R>(a) = vsriq_n_u32::<R>(vshlq_n_u32::<L>(a), a);
    }

    #[target_feature(enable = "neon")]
    #[inline]
    fn splat(word: u32) -> V {
        vdupq_n_u32(word)
    }

    #[target_feature(enable = "neon")]
    #[inline]
    fn signs(a: V) -> u32 {
        let top = vshrq_n_u32::<31>(a);
        vgetq_lane_u32::<0>(top)
            | vgetq_lane_u32::<1>(top) << 1
            | vgetq_lane_u32::<2>(top) << 2
            | vgetq_lane_u32::<3>(top) << 3
    }

    /// A quarter of a block as four words.
    #[target_feature(enable = "neon")]
    #[inline]
    #[expect(unsafe_code, reason = "a load takes a pointer")]
    fn row(quarter: &[u8; 16]) -> V {
        // SAFETY: the array has the 16 bytes that the load reads.
        let bytes = unsafe { vld1q_u8(quarter.as_ptr()) };
        vreinterpretq_u32_u8(vrev32q_u8(bytes))
    }

    #[target_feature(enable = "neon")]
    #[inline]
    fn load(blocks: &[&Block; N], words: &mut [V; 16]) {
        for quarter in 0..4 {
            let mut r = [splat(0); 4];
            for (row_of_lane, block) in r.iter_mut().zip(blocks) {
                *row_of_lane = row(&block.as_chunks().0[quarter]);
            }
            let (a, b) = (vtrn1q_u32(r[0], r[1]), vtrn2q_u32(r[0], r[1]));
            let (c, d) = (vtrn1q_u32(r[2], r[3]), vtrn2q_u32(r[2], r[3]));
            let [a, b, c, d] = [a, b, c, d].map(|v| vreinterpretq_u64_u32(v));
            words[4 * quarter] = vreinterpretq_u32_u64(vtrn1q_u64(a, c));
            words[4 * quarter + 1] = vreinterpretq_u32_u64(vtrn1q_u64(b, d));
            words[4 * quarter + 2] = vreinterpretq_u32_u64(vtrn2q_u64(a, c));
            words[4 * quarter + 3] = vreinterpretq_u32_u64(vtrn2q_u64(b, d));
        }
    }

    kernel!(#[target_feature(enable = "neon")]);
}

mod portable {
    use super::*;

    #[derive(Clone, Copy)]
    #[repr(transparent)]
    pub(super) struct V([u32; N]);
    const N: usize = 4;

    macro_rules! operations {
        ($($name:ident$(<$($g:ident),+>)?($first:ident$(, $x:ident)*) = $body:expr;)+) => {$(
            #[inline(always)]
            fn $name$(<$(const $g: u32),+>)?($first: V$(, $x: V)*) -> V {
                let mut lanes = $first;
                for lane in 0..N {
                    let ($first, $($x,)*) = ($first.0[lane], $($x.0[lane],)*);
                    lanes.0[lane] = $body;
                }
                lanes
            }
        )+};
    }
    operations! {
        add(a, b) = a.wrapping_add(b);
        sub(a, b) = a.wrapping_sub(b);
        xor(a, b) = a ^ b;
        and(a, b) = a & b;
        or(a, b) = a | b;
        and_not(a, b) = !a & b;
        xor3(a, b, c) = a ^ b ^ c;
        choose(a, b, c) = c ^ (a & (b ^ c));
        majority(a, b, c) = (a & b) | (c & (a | b));
        left<L>(a) = a << L;
        right<R>(a) = a >> R;
        rotate<L, R>(a) = a << L | a >> R;
    }

    fn splat(word: u32) -> V {
        V([word; N])
    }

    fn signs(a: V) -> u32 {
        a.0.iter().rev().fold(0, |mask, lane| mask << 1 | lane >> 31)
    }

    fn load(blocks: &[&Block; N], words: &mut [V; 16]) {
        for (lane, block) in blocks.iter().enumerate() {
            for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
                word.0[lane] = u32::from_be_bytes(*bytes);
            }
        }
    }

    kernel!();
}
