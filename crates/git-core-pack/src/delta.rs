//! Deltas: reading their instructions, applying them to a base, and writing them.
//!
//! See `gitformat-pack(5)`, "Deltified representation". [`DeltaIndex`] finds what two objects have in common;
//! [`DeltaWriter`] only encodes instructions that somebody chose.

mod create;

pub use create::DeltaIndex;
pub(crate) use create::Ends;

use std::ops::Range;

/// What is wrong with a delta.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// The delta ends in the middle of its header or of an instruction.
    #[error("the delta is cut off")]
    Truncated,
    /// A size in its header does not fit 64 bits.
    #[error("a size in the delta does not fit 64 bits")]
    Size,
    /// The base is not of the length that the delta was made for.
    #[error("the delta is for a base of {expected} bytes, not of {actual}")]
    BaseSize {
        /// What the delta says.
        expected: u64,
        /// What the base has.
        actual: u64,
    },
    /// It copies from beyond the end of the base.
    #[error("the delta copies bytes {}..{} of a base of {base} bytes", .range.start, .range.end)]
    Copy {
        /// What it wants to copy.
        range: Range<u64>,
        /// The length of the base.
        base: u64,
    },
    /// It uses the reserved instruction 0.
    #[error("the delta has a reserved instruction")]
    Reserved,
    /// Its instructions give more or fewer bytes than it says.
    #[error("the delta does not give the {expected} bytes that it declares")]
    ResultSize {
        /// What it says.
        expected: u64,
    },
    /// The result is larger than the caller allows.
    #[error("the delta gives {size} bytes, more than the {bound} allowed")]
    TooLarge {
        /// What it says.
        size: u64,
        /// What is allowed.
        bound: u64,
    },
}

/// The sizes at the beginning of a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaHeader {
    /// The length of the base in bytes.
    pub base_size: u64,
    /// The length of the result in bytes.
    pub result_size: u64,
}

impl DeltaHeader {
    /// The longest header in bytes.
    pub const MAX_LEN: usize = 20;

    /// Reads the sizes; gives them and the number of bytes they took.
    ///
    /// # Errors
    /// [`DeltaError::Truncated`] or [`DeltaError::Size`].
    pub fn parse(delta: &[u8]) -> Result<(Self, usize), DeltaError> {
        let (base_size, first) = parse_size(delta)?;
        let (result_size, second) = parse_size(&delta[first..])?;
        Ok((DeltaHeader { base_size, result_size }, first + second))
    }
}

/// One instruction of a delta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instruction<'a> {
    /// Append these bytes of the base.
    Copy(Range<u64>),
    /// Append bytes that stand in the delta.
    Insert(&'a [u8]),
}

/// Walks the instructions that follow a delta's header.
#[derive(Clone, Debug)]
pub struct Instructions<'a> {
    rest: &'a [u8],
}

impl<'a> Instructions<'a> {
    /// Walks `delta`, whose header took `header_len` bytes.
    pub fn new(delta: &'a [u8], header_len: usize) -> Self {
        Instructions { rest: delta.get(header_len..).unwrap_or_default() }
    }

    #[inline]
    fn decode(&mut self) -> Result<Instruction<'a>, DeltaError> {
        let (op, mut rest) = self.rest.split_first().ok_or(DeltaError::Truncated)?;
        let instruction = if op & 0x80 != 0 {
            let mut operand = [0u8; 8];
            for (bit, slot) in operand[..7].iter_mut().enumerate() {
                if op & (1 << bit) != 0 {
                    let (byte, after) = rest.split_first().ok_or(DeltaError::Truncated)?;
                    *slot = *byte;
                    rest = after;
                }
            }
            let [o0, o1, o2, o3, s0, s1, s2, _] = operand;
            let offset = u64::from(u32::from_le_bytes([o0, o1, o2, o3]));
            let size = match u32::from_le_bytes([s0, s1, s2, 0]) {
                0 => 0x1_0000,
                size => u64::from(size),
            };
            Instruction::Copy(offset..offset + size)
        } else if *op == 0 {
            return Err(DeltaError::Reserved);
        } else {
            let (bytes, after) = rest.split_at_checked(usize::from(*op)).ok_or(DeltaError::Truncated)?;
            rest = after;
            Instruction::Insert(bytes)
        };
        self.rest = rest;
        Ok(instruction)
    }
}

impl<'a> Iterator for Instructions<'a> {
    type Item = Result<Instruction<'a>, DeltaError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let next = self.decode();
        if next.is_err() {
            self.rest = &[];
        }
        Some(next)
    }
}

/// Replaces `out` with the result of applying `delta` to `base`.
///
/// Memory for the result grows with what the instructions really give, at most `bound` bytes.
///
/// # Errors
/// [`DeltaError`] when the delta is invalid or does not belong to this base; `out` is unspecified then.
pub fn apply(base: &[u8], delta: &[u8], bound: u64, out: &mut Vec<u8>) -> Result<(), DeltaError> {
    let size = DeltaHeader::parse(delta).map_or(0, |(header, _)| header.result_size.min(bound));
    out.clear();
    // Most results are about as long as their base; a result that claims more has to earn it.
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    out.reserve(size.min(base.len().saturating_add(delta.len())));
    each_piece(base, delta, bound, |piece| out.extend_from_slice(piece))
}

/// Gives the result of applying `delta` to `base` piece by piece, for results that are not to be held.
///
/// # Errors
/// As [`apply`]; what was given before is not the result then.
pub fn each_piece<'b>(
    base: &'b [u8],
    delta: &'b [u8],
    bound: u64,
    mut each: impl FnMut(&'b [u8]),
) -> Result<(), DeltaError> {
    let (header, used) = DeltaHeader::parse(delta)?;
    if header.base_size != base.len() as u64 {
        return Err(DeltaError::BaseSize { expected: header.base_size, actual: base.len() as u64 });
    }
    if header.result_size > bound {
        return Err(DeltaError::TooLarge { size: header.result_size, bound });
    }
    let wrong_size = DeltaError::ResultSize { expected: header.result_size };
    let mut left = header.result_size;
    let mut instructions = Instructions::new(delta, used);
    while !instructions.rest.is_empty() {
        let bytes = match instructions.decode()? {
            Instruction::Copy(range) => base
                .get(range.start as usize..range.end as usize)
                .ok_or(DeltaError::Copy { range, base: base.len() as u64 })?,
            Instruction::Insert(bytes) => bytes,
        };
        left = left.checked_sub(bytes.len() as u64).ok_or_else(|| wrong_size.clone())?;
        each(bytes);
    }
    if left == 0 { Ok(()) } else { Err(wrong_size) }
}

/// Writes a delta, instruction by instruction.
#[derive(Clone, Debug)]
pub struct DeltaWriter {
    out: Vec<u8>,
    /// Where the pending insert instruction stands, if the last one is an insert with room left.
    insert_at: Option<usize>,
}

/// The most bytes of one insert instruction.
const MAX_INSERT: usize = 0x7f;
/// The most bytes that git's readers of every age accept in one copy instruction.
const MAX_COPY: u64 = 0x1_0000;

impl DeltaWriter {
    /// Begins a delta from a base to a result of these lengths.
    pub fn new(header: DeltaHeader) -> Self {
        Self::reuse(header, Vec::new())
    }

    /// As [`new`](Self::new), in the memory of `out`, whose content is dropped.
    pub(crate) fn reuse(header: DeltaHeader, mut out: Vec<u8>) -> Self {
        out.clear();
        write_size(header.base_size, &mut out);
        write_size(header.result_size, &mut out);
        DeltaWriter { out, insert_at: None }
    }

    /// Appends bytes of the base; long ranges become several instructions.
    ///
    /// # Panics
    /// When the range ends beyond 4 GiB, which the format cannot express.
    pub fn copy(&mut self, range: Range<u64>) {
        assert!(range.end <= 1 << 32, "a delta copies from the first 4 GiB of its base only");
        self.insert_at = None;
        let mut start = range.start;
        while start < range.end {
            let len = (range.end - start).min(MAX_COPY);
            let [o0, o1, o2, o3, ..] = start.to_le_bytes();
            let [s0, s1, ..] = if len == MAX_COPY { [0; 8] } else { len.to_le_bytes() };
            let op_at = self.out.len();
            self.out.push(0x80);
            for (bit, byte) in [o0, o1, o2, o3, s0, s1].into_iter().enumerate() {
                if byte != 0 {
                    self.out[op_at] |= 1 << bit;
                    self.out.push(byte);
                }
            }
            start += len;
        }
    }

    /// Appends bytes of its own; neighbouring inserts share instructions.
    pub fn insert(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let at = match self.insert_at {
                Some(at) if usize::from(self.out[at]) < MAX_INSERT => at,
                _ => {
                    self.out.push(0);
                    self.out.len() - 1
                }
            };
            let room = MAX_INSERT - usize::from(self.out[at]);
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.out[at] += now.len() as u8;
            self.out.extend_from_slice(now);
            self.insert_at = Some(at);
            bytes = later;
        }
    }

    /// The length of the delta so far, in bytes.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing was written; never, as the header is there from the beginning.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// The delta.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }
}

fn parse_size(bytes: &[u8]) -> Result<(u64, usize), DeltaError> {
    let mut size = 0u64;
    for (at, byte) in bytes.iter().enumerate() {
        let part = u64::from(byte & 0x7f);
        let shift = at * 7;
        if shift > 63 || (shift == 63 && part > 1) {
            return Err(DeltaError::Size);
        }
        size |= part << shift;
        if byte & 0x80 == 0 {
            return Ok((size, at + 1));
        }
    }
    Err(DeltaError::Truncated)
}

fn write_size(mut size: u64, out: &mut Vec<u8>) {
    while size >= 0x80 {
        out.push(size as u8 | 0x80);
        size >>= 7;
    }
    out.push(size as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Copy(usize, usize),
        Insert(Vec<u8>),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Step::Copy(a, b)),
            proptest::collection::vec(any::<u8>(), 1..300).prop_map(Step::Insert),
        ];
        proptest::collection::vec(step, 0..20)
    }

    proptest! {
        #[test]
        fn what_is_written_applies(base_len in 1usize..200_000, steps in steps()) {
            let base: Vec<u8> = (0..base_len).map(|n| (n * 7 + n / 251) as u8).collect();
            let mut result = Vec::new();
            let ranges: Vec<_> = steps.iter().map(|step| match step {
                Step::Copy(a, b) => {
                    let (a, b) = (a % base_len, b % base_len);
                    a.min(b)..a.max(b)
                }
                Step::Insert(_) => 0..0,
            }).collect();
            for (step, range) in steps.iter().zip(&ranges) {
                match step {
                    Step::Copy(..) => result.extend_from_slice(&base[range.clone()]),
                    Step::Insert(bytes) => result.extend_from_slice(bytes),
                }
            }
            let header = DeltaHeader { base_size: base.len() as u64, result_size: result.len() as u64 };
            let mut writer = DeltaWriter::new(header);
            for (step, range) in steps.iter().zip(ranges) {
                match step {
                    Step::Copy(..) => writer.copy(range.start as u64..range.end as u64),
                    Step::Insert(bytes) => writer.insert(bytes),
                }
            }
            let delta = writer.finish();
            let mut out = vec![1, 2, 3];
            prop_assert_eq!(apply(&base, &delta, u64::MAX, &mut out), Ok(()));
            prop_assert_eq!(&out, &result);
            if !result.is_empty() {
                let bound = result.len() as u64 - 1;
                prop_assert!(matches!(apply(&base, &delta, bound, &mut out), Err(DeltaError::TooLarge { .. })), "bound");
            }
        }

        #[test]
        fn any_bytes_are_applied_or_refused(delta in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = apply(&[0; 40], &delta, 1 << 20, &mut Vec::new());
        }
    }

    #[test]
    fn lies_are_refused_without_memory() {
        let mut out = Vec::new();
        let huge = DeltaWriter::new(DeltaHeader { base_size: 1, result_size: 1 << 40 }).finish();
        assert_eq!(apply(b"x", &huge, u64::MAX, &mut out), Err(DeltaError::ResultSize { expected: 1 << 40 }));
        assert!(out.capacity() < 1000);
        let other = DeltaWriter::new(DeltaHeader { base_size: 2, result_size: 0 }).finish();
        assert_eq!(apply(b"x", &other, 10, &mut out), Err(DeltaError::BaseSize { expected: 2, actual: 1 }));
        assert_eq!(apply(b"x", &[1, 1, 0], 10, &mut out), Err(DeltaError::Reserved));
        assert!(matches!(apply(b"x", &[1, 1, 0x91, 5, 1], 10, &mut out), Err(DeltaError::Copy { .. })));
        assert_eq!(apply(b"x", &[0xff; 12], 10, &mut out), Err(DeltaError::Size));
        assert_eq!(apply(b"x", &[1, 9, 2, b'a'], 10, &mut out), Err(DeltaError::Truncated));
    }
}
