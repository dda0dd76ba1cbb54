//! EWAH: bit maps whose long runs of equal words are stored as a count, as `.bitmap` files hold them.
//!
//! A stored map is never trusted: its words are bounded by the bytes that are there, and what it says beyond the
//! end of the map it is combined with is an error. Sets that are worked with are plain words; this module reads
//! stored maps into them and compresses them again.

use crate::file::be32;

const RUN_BITS: u32 = 32;
const LITERALS_SHIFT: u32 = 1 + RUN_BITS;

/// Why a stored bit map cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EwahError {
    /// It is longer than the bytes that are there.
    #[error("a compressed bit map of {words} words does not fit into the {left} bytes that are left")]
    Cut {
        /// The words it declares.
        words: u64,
        /// The bytes that are left.
        left: u64,
    },
    /// A marker announces more literal words than follow.
    #[error("word {at} of a compressed bit map announces more literal words than follow")]
    Literals {
        /// The index of the marker.
        at: u64,
    },
    /// It has a bit beyond the objects it is about.
    #[error("a compressed bit map has bits beyond the {bits} it may have")]
    TooLong {
        /// The bits that it may have.
        bits: u64,
    },
}

/// A stored bit map.
#[derive(Clone, Copy, Debug)]
pub struct Ewah<'a> {
    bits: u32,
    words: &'a [[u8; 8]],
    stored: &'a [u8],
}

/// A stretch of a stored bit map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretch<'a> {
    /// So many words with all bits clear or all bits set.
    Run {
        /// Whether the bits are set.
        set: bool,
        /// How many words.
        words: u64,
    },
    /// Words as they stand, in network byte order.
    Literal(&'a [[u8; 8]]),
}

impl<'a> Ewah<'a> {
    /// The bit map that `bytes` begin with; what follows it is not looked at. Takes time in proportion to the
    /// number of its runs.
    ///
    /// # Errors
    /// [`EwahError`] when it is cut off, or does not add up.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EwahError> {
        let this = Ewah::skim(bytes)?;
        let mut at = 0usize;
        while let Some(marker) = this.words.get(at) {
            let literals = (u64::from_be_bytes(*marker) >> LITERALS_SHIFT) as usize;
            at = at
                .checked_add(1 + literals)
                .filter(|next| *next <= this.words.len())
                .ok_or(EwahError::Literals { at: at as u64 })?;
        }
        Ok(this)
    }

    /// As [`parse`](Self::parse), without looking at the words; what is wrong with them shows when they are
    /// used: a stretch that is cut off ends with the map.
    ///
    /// # Errors
    /// [`EwahError::Cut`] when it is cut off.
    pub(crate) fn skim(bytes: &'a [u8]) -> Result<Self, EwahError> {
        let left = bytes.len() as u64;
        let words = be32(bytes, 4).unwrap_or(0);
        let cut = EwahError::Cut { words: words.into(), left };
        let bits = be32(bytes, 0).ok_or(cut)?;
        let end = 8 + u64::from(words) * 8 + 4;
        let stored = usize::try_from(end).ok().and_then(|end| bytes.get(..end)).ok_or(cut)?;
        let (words, _) = stored[8..stored.len() - 4].as_chunks::<8>();
        Ok(Ewah { bits, words, stored })
    }

    /// The bytes it takes in the file.
    pub const fn stored(&self) -> &'a [u8] {
        self.stored
    }

    /// The number of bits it says to have when it is not compressed.
    pub const fn bits(&self) -> u32 {
        self.bits
    }

    /// Its stretches, from the first bit on.
    pub fn stretches(&self) -> Stretches<'a> {
        Stretches { words: self.words, literals: 0 }
    }

    /// Adds its bits to a set.
    ///
    /// # Errors
    /// [`EwahError::TooLong`] when it has bits beyond the set.
    pub fn or_into(&self, set: &mut [u64]) -> Result<(), EwahError> {
        self.combine(
            set,
            |words, on| {
                if on {
                    words.fill(u64::MAX);
                }
            },
            |word, literal| *word |= literal,
        )
    }

    /// Flips its bits in a set.
    ///
    /// # Errors
    /// As [`or_into`](Self::or_into).
    pub fn xor_into(&self, set: &mut [u64]) -> Result<(), EwahError> {
        self.combine(
            set,
            |words, on| {
                if on {
                    words.iter_mut().for_each(|word| *word = !*word);
                }
            },
            |word, literal| *word ^= literal,
        )
    }

    /// Takes its bits out of a set.
    ///
    /// # Errors
    /// As [`or_into`](Self::or_into).
    pub fn and_not_into(&self, set: &mut [u64]) -> Result<(), EwahError> {
        self.combine(
            set,
            |words, on| {
                if on {
                    words.fill(0);
                }
            },
            |word, literal| *word &= !literal,
        )
    }

    /// Leaves only its bits in a set; bits that it does not reach are cleared.
    ///
    /// # Errors
    /// As [`or_into`](Self::or_into).
    pub fn and_into(&self, set: &mut [u64]) -> Result<(), EwahError> {
        let reached = self.stretches().map(|stretch| stretch.words()).fold(0u64, u64::saturating_add);
        self.combine(
            set,
            |words, on| {
                if !on {
                    words.fill(0);
                }
            },
            |word, literal| *word &= literal,
        )?;
        if let Some(rest) = usize::try_from(reached).ok().and_then(|reached| set.get_mut(reached..)) {
            rest.fill(0);
        }
        Ok(())
    }

    /// Its bits as a set of `bits` bits.
    ///
    /// # Errors
    /// As [`or_into`](Self::or_into).
    pub fn to_words(&self, bits: u32) -> Result<Vec<u64>, EwahError> {
        let mut set = vec![0; words_for(bits)];
        self.or_into(&mut set)?;
        Ok(set)
    }

    fn combine(
        &self,
        set: &mut [u64],
        run: impl Fn(&mut [u64], bool),
        literal: impl Fn(&mut u64, u64),
    ) -> Result<(), EwahError> {
        let too_long = EwahError::TooLong { bits: set.len() as u64 * 64 };
        let mut at = 0usize;
        for stretch in self.stretches() {
            match stretch {
                Stretch::Run { set: on, words } => {
                    let words = usize::try_from(words).unwrap_or(usize::MAX);
                    let room = set.len() - at;
                    if on && words > room {
                        return Err(too_long);
                    }
                    let end = at + words.min(room);
                    run(&mut set[at..end], on);
                    at = end;
                }
                Stretch::Literal(words) => {
                    let (inside, beyond) = words.split_at(words.len().min(set.len() - at));
                    for (word, stored) in set[at..].iter_mut().zip(inside) {
                        literal(word, u64::from_be_bytes(*stored));
                    }
                    at += inside.len();
                    if beyond.iter().any(|word| *word != [0; 8]) {
                        return Err(too_long);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Stretch<'_> {
    /// The words it stands for.
    pub fn words(&self) -> u64 {
        match self {
            Stretch::Run { words, .. } => *words,
            Stretch::Literal(words) => words.len() as u64,
        }
    }
}

/// The stretches of a stored bit map.
#[derive(Clone, Debug)]
pub struct Stretches<'a> {
    words: &'a [[u8; 8]],
    /// Literal words that come before the next marker.
    literals: usize,
}

impl<'a> Iterator for Stretches<'a> {
    type Item = Stretch<'a>;

    fn next(&mut self) -> Option<Stretch<'a>> {
        if self.literals > 0 {
            let (literals, rest) = self.words.split_at(self.literals.min(self.words.len()));
            (self.words, self.literals) = (rest, 0);
            return Some(Stretch::Literal(literals));
        }
        let (marker, rest) = self.words.split_first()?;
        let marker = u64::from_be_bytes(*marker);
        self.words = rest;
        self.literals = (marker >> LITERALS_SHIFT) as usize;
        Some(Stretch::Run { set: marker & 1 != 0, words: marker >> 1 & ((1 << RUN_BITS) - 1) })
    }
}

/// How many words a set of so many bits takes.
pub const fn words_for(bits: u32) -> usize {
    (bits as usize).div_ceil(64)
}

/// Appends a set of `bits` bits, compressed. Bits of the last word beyond them must be clear.
///
/// # Panics
/// When the set has not as many words as the bits need.
pub fn write_ewah(set: &[u64], bits: u32, out: &mut Vec<u8>) {
    assert_eq!(set.len(), words_for(bits), "words for {bits} bits");
    out.extend_from_slice(&bits.to_be_bytes());
    let count_at = out.len();
    out.extend_from_slice(&[0; 4]);
    let (mut at, mut marker_at) = (0, 0u32);
    let mut count = 0u32;
    // Even the empty map has a marker.
    while at < set.len() || count == 0 {
        let on = set.get(at) == Some(&u64::MAX);
        let value = if on { u64::MAX } else { 0 };
        let run = set[at..].iter().take_while(|word| **word == value).count();
        at += run;
        let literals = set[at..].iter().take_while(|word| **word != 0 && **word != u64::MAX).count();
        marker_at = count;
        let marker = u64::from(on) | (run as u64) << 1 | (literals as u64) << LITERALS_SHIFT;
        out.extend_from_slice(&marker.to_be_bytes());
        for word in &set[at..at + literals] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        at += literals;
        count += 1 + literals as u32;
    }
    out[count_at..count_at + 4].copy_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&marker_at.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(words: &[u64], bits: u32) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&bits.to_be_bytes());
        out.extend_from_slice(&(words.len() as u32).to_be_bytes());
        words.iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
        out.extend_from_slice(&0u32.to_be_bytes());
        out
    }

    #[test]
    fn the_layout_of_a_map() {
        let mut out = Vec::new();
        write_ewah(&[0, 0, 5, u64::MAX, 7], 300, &mut out);
        assert_eq!(out, {
            let mut expected = stored(&[2 << 1 | 1 << 33, 5, 1 | 1 << 1 | 1 << 33, 7], 300);
            let len = expected.len();
            expected[len - 1] = 2;
            expected
        });
    }

    #[test]
    fn damage_is_found() {
        assert_eq!(Ewah::parse(&[0; 11]).unwrap_err(), EwahError::Cut { words: 0, left: 11 });
        let mut huge = stored(&[0], 1);
        huge[4..8].fill(0xff);
        assert!(matches!(Ewah::parse(&huge), Err(EwahError::Cut { .. })));
        assert_eq!(Ewah::parse(&stored(&[2 << 33, 1], 64)).unwrap_err(), EwahError::Literals { at: 0 });
        let beyond = stored(&[1 << 33, 1], 64);
        assert!(matches!(Ewah::parse(&beyond).unwrap().to_words(0), Err(EwahError::TooLong { .. })));
        let run = stored(&[1 | 0xffff_ffff << 1], 64);
        assert!(matches!(Ewah::parse(&run).unwrap().to_words(64), Err(EwahError::TooLong { .. })));
        let zeros = stored(&[0xffff_ffff << 1], 64);
        assert_eq!(Ewah::parse(&zeros).unwrap().to_words(64).unwrap(), [0]);
    }
}
