//! The disturbance vectors of the known attacks on SHA-1, and what a message must satisfy for one of them.
//!
//! An attack on SHA-1 is a pair of blocks whose difference follows one of 32 *disturbance vectors*: the types I and
//! II of Manuel's classification with the parameters (K, b) that Stevens and Shumow list ("Speeding up detection of
//! SHA-1 collision attacks using unavoidable attack conditions", USENIX Security 2017). A vector is a solution of
//! SHA-1's linear message expansion, and says where the state is disturbed by one bit; from it follows the
//! difference of the expanded messages, since each disturbance has to be corrected in the five steps after it.
//!
//! For such a correction to happen, bits of the expanded message have to agree or to differ: a disturbance of bit
//! 31 in step t, say, comes back rotated to bit 4 in step t + 1 and to bit 29 in step t + 5, with one sign, so the
//! message must have equal bits there. These are the *unavoidable conditions*. The table below has for every
//! vector a basis of all conditions on two bits that follow, in steps 35 to 65, from the arithmetic of the steps
//! one by one, whatever the signs of the disturbances, the carries (up to three bits long) and the outcomes of
//! the Boolean functions. Of random blocks, one in 22 satisfies all conditions of some vector.

/// What sort of disturbance vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One disturbance, in step K + 15, and none in the 15 steps before it.
    I,
    /// Disturbances in the steps K + 1, K + 3 and K + 15.
    II,
}

/// Two bits of the expanded message, each as (word, bit), and whether they have to differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) one: (usize, u32),
    pub(super) other: (usize, u32),
    pub(super) differ: bool,
}

/// A disturbance vector with its conditions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vector {
    pub(super) kind: Kind,
    pub(super) k: usize,
    pub(super) b: u32,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the kernels have the conditions as straight-line code")
    )]
    pub(super) conditions: &'static [Condition],
}

/// How many disturbance vectors there are.
pub(super) const VECTORS: usize = 32;

/// Calls a macro with the arguments given and the whole table of vectors and conditions.
///
/// `43[4] != 45[29]` reads: bit 4 of word 43 of the expanded message differs from bit 29 of word 45.
macro_rules! with_vectors {
    ($callback:ident $arguments:tt) => {
        $callback! { $arguments
            I(43, 0): 37[4] != 39[4], 37[4] == 40[29], 39[4] != 41[4], 39[4] == 42[29], 41[4] != 43[4],
                41[4] == 44[29], 43[4] == 46[29], 46[29] == 47[29], 58[0] != 59[5], 59[5] == 63[30],
                61[1] != 62[6], 64[2] != 65[7];
            I(44, 0): 38[4] != 40[4], 38[4] == 41[29], 40[4] != 42[4], 40[4] == 43[29], 40[29] == 41[29],
                42[4] != 44[4], 42[4] == 45[29], 44[4] == 47[29], 47[29] == 48[29], 59[0] != 60[5],
                60[5] == 64[30], 62[1] != 63[6];
            I(45, 0): 35[4] == 39[29], 39[4] != 41[4], 39[4] == 42[29], 41[4] != 43[4], 41[4] == 44[29],
                41[29] == 42[29], 43[4] != 45[4], 43[4] == 46[29], 45[4] == 48[29], 48[29] == 49[29],
                60[0] != 61[5], 61[5] == 65[30], 63[1] != 64[6];
            I(46, 0): 36[4] == 40[29], 40[4] != 42[4], 40[4] == 43[29], 42[4] != 44[4], 42[4] == 45[29],
                42[29] == 43[29], 44[4] != 46[4], 44[4] == 47[29], 46[4] == 49[29], 49[29] == 50[29],
                61[0] != 62[5], 64[1] != 65[6];
            I(47, 0): 37[4] == 40[29], 40[29] == 41[29], 41[4] != 43[4], 41[4] == 44[29], 43[4] != 45[4],
                43[4] == 46[29], 43[29] == 44[29], 45[4] != 47[4], 45[4] == 48[29], 47[4] == 50[29],
                50[29] == 51[29], 62[0] != 63[5];
            I(48, 0): 35[4] == 39[29], 38[4] == 41[29], 40[29] == 41[29], 41[29] == 42[29], 42[4] != 44[4],
                42[4] == 45[29], 44[4] != 46[4], 44[4] == 47[29], 44[29] == 45[29], 46[4] != 48[4],
                46[4] == 49[29], 48[4] == 51[29], 51[29] == 52[29], 63[0] != 64[5];
            I(49, 0): 36[4] == 40[29], 39[4] == 42[29], 41[29] == 42[29], 42[29] == 43[29], 43[4] != 45[4],
                43[4] == 46[29], 45[4] != 47[4], 45[4] == 48[29], 45[29] == 46[29], 47[4] != 49[4],
                47[4] == 50[29], 49[4] == 52[29], 52[29] == 53[29], 64[0] != 65[5];
            I(50, 0): 36[4] != 41[29], 37[4] == 41[29], 40[4] == 43[29], 42[29] == 43[29], 43[29] == 44[29],
                44[4] != 46[4], 44[4] == 47[29], 46[4] != 48[4], 46[4] == 49[29], 46[29] == 47[29],
                48[4] != 50[4], 48[4] == 51[29], 50[4] == 53[29], 53[29] == 54[29];
            I(51, 0): 35[3] == 39[28], 37[4] != 42[29], 38[4] == 42[29], 41[4] == 44[29], 43[29] == 44[29],
                44[29] == 45[29], 45[4] != 47[4], 45[4] == 48[29], 47[4] != 49[4], 47[4] == 50[29],
                47[29] == 48[29], 49[4] == 52[29], 51[4] == 54[29], 52[29] != 55[29], 54[29] == 55[29];
            I(52, 0): 38[4] != 43[29], 39[4] == 43[29], 42[4] == 45[29], 44[29] == 45[29], 45[29] == 46[29],
                46[4] != 48[4], 46[4] == 49[29], 48[4] != 50[4], 48[4] == 51[29], 48[29] == 49[29],
                50[4] == 53[29], 52[4] == 55[29], 53[29] != 56[29], 55[29] == 56[29];
            I(46, 2): 35[1] != 36[6], 39[1] != 40[6], 40[6] == 42[6], 42[6] == 44[6], 44[6] == 46[6],
                46[6] == 47[1], 61[2] != 62[7];
            I(47, 2): 36[1] != 37[6], 40[1] != 41[6], 41[6] == 43[6], 43[6] == 45[6], 45[6] == 47[6],
                47[6] == 48[1], 62[2] != 63[7];
            I(48, 2): 37[1] != 38[6], 41[1] != 42[6], 42[6] == 44[6], 44[6] == 46[6], 46[6] == 48[6],
                48[6] == 49[1], 63[2] != 64[7];
            I(49, 2): 35[1] != 36[6], 38[1] != 39[6], 38[1] != 40[1], 42[1] != 43[6], 43[6] == 45[6],
                45[6] == 47[6], 47[6] == 49[6], 49[6] == 50[1], 64[2] != 65[7];
            I(50, 2): 36[1] != 37[6], 39[1] != 40[6], 39[1] != 41[1], 43[1] != 44[6], 44[6] == 46[6],
                46[6] == 48[6], 48[6] == 50[6], 50[6] == 51[1];
            I(51, 2): 35[5] == 39[30], 37[1] != 38[6], 37[6] != 38[6], 40[1] != 41[6], 40[1] != 42[1],
                44[1] != 45[6], 45[6] == 47[6], 47[6] == 49[6], 49[6] == 51[6], 51[6] == 52[1];
            II(45, 0): 36[4] == 40[29], 41[4] == 44[29], 43[29] == 44[29], 44[29] == 45[29], 47[4] != 49[4],
                47[4] == 50[29], 49[4] == 52[29], 49[29] == 50[29], 52[29] == 53[29], 60[0] != 61[5],
                61[5] == 65[30], 63[1] != 64[6], 64[0] != 65[5];
            II(46, 0): 37[4] == 40[29], 40[29] == 41[29], 42[4] == 45[29], 44[29] == 45[29], 45[29] == 46[29],
                48[4] != 50[4], 48[4] == 51[29], 50[4] == 53[29], 50[29] == 51[29], 53[29] == 54[29],
                61[0] != 62[5], 64[1] != 65[6];
            II(47, 0): 35[3] == 39[28], 35[4] == 39[29], 38[4] == 41[29], 40[29] == 41[29], 41[29] == 42[29],
                43[4] == 46[29], 45[29] == 46[29], 46[29] == 47[29], 49[4] == 52[29], 51[4] == 54[29],
                51[29] == 52[29], 51[29] != 54[29], 54[29] == 55[29], 62[0] != 63[5];
            II(48, 0): 35[30] != 36[3], 36[3] == 40[28], 36[4] == 40[29], 39[4] == 42[29], 41[29] == 42[29],
                42[29] == 43[29], 44[4] == 47[29], 46[29] == 47[29], 47[29] == 48[29], 50[4] == 53[29],
                52[4] == 55[29], 52[29] == 53[29], 52[29] != 55[29], 55[29] == 56[29], 63[0] != 64[5];
            II(49, 0): 36[30] != 37[3], 37[3] == 41[28], 37[4] == 41[29], 40[4] == 43[29], 42[29] == 43[29],
                43[29] == 44[29], 45[4] == 48[29], 47[29] == 48[29], 48[29] == 49[29], 51[4] == 54[29],
                53[4] == 56[29], 53[29] == 54[29], 53[29] != 56[29], 56[29] == 57[29], 64[0] != 65[5];
            II(50, 0): 37[30] != 38[3], 38[3] == 42[28], 38[4] == 42[29], 41[4] == 44[29], 43[29] == 44[29],
                44[29] == 45[29], 46[4] == 49[29], 48[29] == 49[29], 49[29] == 50[29], 52[4] == 55[29],
                54[4] == 57[29], 54[29] == 55[29], 54[29] != 57[29], 57[29] == 58[29];
            II(51, 0): 38[30] != 39[3], 39[3] == 43[28], 39[4] == 43[29], 42[4] == 45[29], 44[29] == 45[29],
                45[29] == 46[29], 47[4] == 50[29], 49[29] == 50[29], 50[29] == 51[29], 53[4] == 56[29],
                55[4] == 58[29], 55[29] == 56[29], 55[29] != 58[29], 58[29] == 59[29];
            II(52, 0): 36[4] != 38[4], 39[30] != 40[3], 40[3] == 44[28], 40[4] == 44[29], 43[4] == 46[29],
                45[29] == 46[29], 46[29] == 47[29], 48[4] == 51[29], 50[29] == 51[29], 51[29] == 52[29],
                54[4] == 57[29], 56[4] == 59[29], 56[29] == 57[29], 56[29] != 59[29], 59[29] == 60[29];
            II(53, 0): 37[4] != 39[4], 37[4] == 40[29], 41[3] == 45[28], 41[4] == 45[29], 44[4] == 47[29],
                46[29] == 47[29], 47[29] == 48[29], 49[4] == 52[29], 51[29] == 52[29], 52[29] == 53[29],
                55[4] != 57[4], 55[4] == 58[29], 57[29] == 58[29], 58[29] != 61[29];
            II(54, 0): 36[4] != 38[4], 38[4] != 40[4], 38[4] == 41[29], 42[3] == 46[28], 42[4] == 46[29],
                45[4] == 48[29], 47[29] == 48[29], 48[29] == 49[29], 50[4] == 53[29], 52[29] == 53[29],
                53[29] == 54[29], 56[4] == 59[29], 58[4] == 62[29], 58[29] == 59[29];
            II(55, 0): 37[4] != 39[4], 37[4] == 40[29], 39[4] != 41[4], 39[4] == 42[29], 43[3] == 47[28],
                43[4] == 47[29], 46[4] == 49[29], 48[29] == 49[29], 49[29] == 50[29], 51[4] == 54[29],
                53[29] == 54[29], 54[29] == 55[29], 57[4] == 59[29], 59[4] == 63[29];
            II(56, 0): 38[4] != 40[4], 38[4] == 41[29], 40[4] != 42[4], 40[4] == 43[29], 40[29] == 41[29],
                44[3] == 48[28], 44[4] == 48[29], 47[4] == 50[29], 49[29] == 50[29], 50[29] == 51[29],
                52[4] == 55[29], 54[29] == 55[29], 55[29] == 56[29], 60[4] == 64[29];
            II(46, 2): 36[1] != 37[6], 41[1] != 42[6], 41[1] != 43[1], 47[1] != 51[1], 48[6] == 50[6],
                50[6] == 51[1], 61[2] != 62[7];
            II(49, 2): 36[0] != 37[5], 37[5] == 41[30], 39[1] != 40[6], 39[1] != 41[1], 44[1] != 45[6],
                44[1] != 46[1], 50[1] != 51[6], 50[1] != 54[1], 51[6] == 53[6], 64[2] != 65[7];
            II(50, 2): 37[0] != 38[5], 38[5] == 42[30], 40[1] != 41[6], 40[1] != 42[1], 45[1] != 47[1],
                46[6] == 47[1], 51[1] != 52[6], 51[1] != 55[1], 52[6] == 54[6];
            II(51, 2): 38[0] != 39[5], 39[5] == 43[30], 41[1] != 42[6], 41[1] != 43[1], 46[1] != 48[1],
                47[6] == 48[1], 52[1] != 53[6], 52[1] != 56[1], 53[6] == 55[6];
        }
    };
}
pub(super) use with_vectors;

macro_rules! as_table {
    (() $($kind:ident($k:literal, $b:literal): $($s:literal[$i:literal] $op:tt $t:literal[$j:literal]),+;)+) => {
        [$(Vector {
            kind: Kind::$kind,
            k: $k,
            b: $b,
            conditions: &[$(Condition {
                one: ($s, $i),
                other: ($t, $j),
                differ: as_table!($op),
            }),+],
        }),+]
    };
    (==) => { false };
    (!=) => { true };
}

/// All vectors, in the order in which the kernels report them.
pub(super) const TABLE: [Vector; VECTORS] = with_vectors!(as_table());

/// The differences that the vectors put on the first 16 words of a message.
pub(super) static DIFFERENCES: [[u32; 16]; VECTORS] = {
    let mut all = [[0; 16]; VECTORS];
    let mut index = 0;
    while index < VECTORS {
        let difference = TABLE[index].difference();
        let mut t = 0;
        while t < 16 {
            all[index][t] = difference[t];
            t += 1;
        }
        index += 1;
    }
    all
};

impl Vector {
    /// The disturbances of the steps -5 to 79, at indexes 0 to 84.
    pub(super) const fn disturbances(&self) -> [u32; 85] {
        let mut d = [0u32; 85];
        let first = self.k + 5;
        d[first + 15] = 1 << self.b;
        if matches!(self.kind, Kind::II) {
            d[first + 1] = 1u32.rotate_left(31 + self.b);
            d[first + 3] = d[first + 1];
        }
        let mut i = first + 16;
        while i < 85 {
            d[i] = (d[i - 3] ^ d[i - 8] ^ d[i - 14] ^ d[i - 16]).rotate_left(1);
            i += 1;
        }
        let mut i = first;
        while i > 0 {
            i -= 1;
            d[i] = d[i + 16].rotate_right(1) ^ d[i + 13] ^ d[i + 8] ^ d[i + 2];
        }
        d
    }

    /// The difference of the expanded messages: every disturbance, and its corrections in the five steps after it.
    pub(super) const fn difference(&self) -> [u32; 80] {
        let d = self.disturbances();
        let mut difference = [0; 80];
        let mut t = 0;
        while t < 80 {
            let i = t + 5;
            difference[t] =
                d[i] ^ d[i - 1].rotate_left(5) ^ d[i - 2] ^ (d[i - 3] ^ d[i - 4] ^ d[i - 5]).rotate_left(30);
            t += 1;
        }
        difference
    }

    /// Which of the steps [`MIDWAY`] has equal states for both messages of an attack with this vector.
    pub(super) const fn meets(&self) -> usize {
        let quiet_from = match self.kind {
            Kind::I => self.k + 5,
            Kind::II => self.k + 9,
        };
        let mut at = 0;
        while MIDWAY[at] < quiet_from || MIDWAY[at] > self.k + 15 {
            at += 1;
        }
        at
    }
}

/// Steps before which the states of both messages of an attack are equal, each for some of the vectors.
pub(super) const MIDWAY: [usize; 3] = [55, 60, 65];
