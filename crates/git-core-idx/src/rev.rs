//! Reading a reverse index (`.rev`): the rows of a pack index in the order of their offsets.

use crate::file::be32;
use crate::{IdxError, IdxPosition};
use git_core_hash::{Checksum, Digest};
use git_core_object::ObjectFormat;

const WHAT: &str = "reverse index";
const HEADER_LEN: usize = 12;
pub(crate) const MAGIC: [u8; 4] = *b"RIDX";

/// A reverse index over the bytes that `B` holds.
#[derive(Clone, Debug)]
pub struct RevFile<B> {
    bytes: B,
    format: ObjectFormat,
    count: u32,
}

impl<B: AsRef<[u8]>> RevFile<B> {
    /// Takes the bytes of a whole `.rev` file that belongs to an index of `count` rows, in constant time.
    ///
    /// # Errors
    /// [`IdxError`] when the file is no reverse index of `format`, or not one of so many rows.
    pub fn open(bytes: B, format: ObjectFormat, count: u32) -> Result<Self, IdxError> {
        let data = bytes.as_ref();
        let too_small = IdxError::TooSmall { what: WHAT, len: data.len() as u64 };
        let (Some(version), Some(number)) = (be32(data, 4), be32(data, 8)) else {
            return Err(too_small);
        };
        if !data.starts_with(&MAGIC) {
            return Err(IdxError::Signature { what: WHAT });
        }
        if version != 1 {
            return Err(IdxError::Version { what: WHAT, version });
        }
        if number != u32::from(format.number()) {
            return Err(IdxError::Format { number });
        }
        let expected = HEADER_LEN as u64 + u64::from(count) * 4 + 2 * format.raw_len() as u64;
        if data.len() as u64 != expected {
            return Err(IdxError::Length { what: WHAT, len: data.len() as u64, count: count.into() });
        }
        Ok(RevFile { bytes, format, count })
    }

    /// The number of rows.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The row of the index whose entry is the `rank`-th in the pack.
    ///
    /// # Errors
    /// [`IdxError::Row`] when what stands there is no row of the index.
    ///
    /// # Panics
    /// When `rank` is not below [`count`](Self::count).
    pub fn position(&self, rank: u32) -> Result<IdxPosition, IdxError> {
        assert!(rank < self.count, "row {rank} of a reverse index of {}", self.count);
        let position = be32(self.bytes.as_ref(), HEADER_LEN + rank as usize * 4).unwrap_or(u32::MAX);
        if position >= self.count {
            return Err(IdxError::Row { rank, position });
        }
        Ok(IdxPosition(position))
    }

    /// The checksum that the pack ends in.
    pub fn pack_checksum(&self) -> Digest {
        self.trailer(2)
    }

    /// The checksum that the file itself ends in.
    pub fn checksum(&self) -> Digest {
        self.trailer(1)
    }

    /// Reads the whole file and checks its checksum and that every row is one of the index.
    ///
    /// # Errors
    /// [`IdxError`] for the first that fails.
    pub fn verify(&self) -> Result<(), IdxError> {
        let data = self.bytes.as_ref();
        let mut checksum = Checksum::new(self.format);
        checksum.update(&data[..data.len() - self.format.raw_len()]);
        if checksum.finish() != self.checksum() {
            return Err(IdxError::Checksum { what: WHAT });
        }
        (0..self.count).try_for_each(|rank| self.position(rank).map(|_| ()))
    }

    fn trailer(&self, from_end: usize) -> Digest {
        let data = self.bytes.as_ref();
        let hash = self.format.raw_len();
        let at = data.len() - from_end * hash;
        Digest::from_bytes(self.format, &data[at..at + hash]).expect("the trailer holds two whole digests")
    }
}
