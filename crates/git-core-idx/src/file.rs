//! Reading a pack index, version 1 or 2, of either object format.
//!
//! Opening checks that the tables fit the file, so that every later access stays inside it; the checksum and
//! the order of the ids are checked by [`IdxFile::verify`] only, which reads everything.

use crate::{IdxError, IdxPosition, PackOffset, search};
use git_core_hash::{Checksum, Digest};
use git_core_object::{IdPrefix, ObjectFormat, ObjectId};
use std::ops::Range;

const WHAT: &str = "pack index";
const FANOUT_LEN: usize = 256 * 4;
/// `\377tOc`, a first fan-out value that version 1 could not sensibly have.
pub(crate) const MAGIC: [u8; 4] = [0xff, b't', b'O', b'c'];

/// The version of a pack index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// Offsets of at most 32 bits, no checksums of entries.
    V1,
    /// Offsets of up to 64 bits, a CRC-32 for every entry.
    #[default]
    V2,
}

/// A pack index over the bytes that `B` holds.
#[derive(Clone, Debug)]
pub struct IdxFile<B> {
    bytes: B,
    format: ObjectFormat,
    version: Version,
    count: u32,
    fanout_at: usize,
    ids_at: usize,
    id_stride: usize,
    crcs_at: usize,
    offsets_at: usize,
    large_at: usize,
    large_count: u32,
}

impl<B: AsRef<[u8]>> IdxFile<B> {
    /// Takes the bytes of a whole `.idx` file and checks its structure, in constant time.
    ///
    /// # Errors
    /// [`IdxError`] when the file is no pack index of `format`, or its tables do not fit its length.
    pub fn open(bytes: B, format: ObjectFormat) -> Result<Self, IdxError> {
        let data = bytes.as_ref();
        let len = data.len();
        let hash = format.raw_len();
        let version = match data.first_chunk::<4>() {
            Some(&MAGIC) => match be32(data, 4) {
                Some(2) => Version::V2,
                Some(version) => return Err(IdxError::Version { what: WHAT, version }),
                None => return Err(IdxError::TooSmall { what: WHAT, len: len as u64 }),
            },
            _ => Version::V1,
        };
        let fanout_at = if version == Version::V2 { 8 } else { 0 };
        let tables_at = fanout_at + FANOUT_LEN;
        if len < tables_at + 2 * hash {
            return Err(IdxError::TooSmall { what: WHAT, len: len as u64 });
        }
        let mut count = 0;
        for at in 0..=255u8 {
            let next = be32(data, fanout_at + usize::from(at) * 4).unwrap_or(0);
            if next < count {
                return Err(IdxError::Fanout { at });
            }
            count = next;
        }
        let wrong_length = IdxError::Length { what: WHAT, len: len as u64, count: count.into() };
        let rows = count as usize;
        let room = len - tables_at - 2 * hash;
        let row_len = if version == Version::V2 { hash + 8 } else { hash + 4 };
        let rest = rows.checked_mul(row_len).and_then(|n| room.checked_sub(n)).ok_or(wrong_length.clone())?;
        let file = match version {
            Version::V1 if rest == 0 => IdxFile {
                format,
                version,
                count,
                fanout_at,
                ids_at: tables_at + 4,
                id_stride: row_len,
                crcs_at: 0,
                offsets_at: tables_at,
                large_at: 0,
                large_count: 0,
                bytes,
            },
            Version::V2 if rest.is_multiple_of(8) && rest / 8 <= rows => {
                let crcs_at = tables_at + rows * hash;
                let offsets_at = crcs_at + rows * 4;
                IdxFile {
                    format,
                    version,
                    count,
                    fanout_at,
                    ids_at: tables_at,
                    id_stride: hash,
                    crcs_at,
                    offsets_at,
                    large_at: offsets_at + rows * 4,
                    large_count: (rest / 8) as u32,
                    bytes,
                }
            }
            _ => return Err(wrong_length),
        };
        Ok(file)
    }

    /// The object format of the pack.
    pub const fn format(&self) -> ObjectFormat {
        self.format
    }

    /// The version of the file.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The number of rows.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Where the object stands in the index, if it is there. Of several equal rows, any.
    pub fn lookup(&self, id: &ObjectId) -> Option<IdxPosition> {
        if id.format() != self.format {
            return None;
        }
        let rows = self.bucket(id.first_byte());
        search::find(&self.data()[self.ids_at..], self.id_stride, rows, id.as_bytes()).map(IdxPosition)
    }

    /// The rows whose ids begin with the prefix; equal rows count each.
    pub fn lookup_prefix(&self, prefix: &IdPrefix) -> Range<u32> {
        let bound = prefix.lower_bound();
        if bound.format() != self.format {
            return 0..0;
        }
        let start = search::partition(0..self.count, |row| self.id_at(IdxPosition(row)) < *bound);
        let end = search::partition(start..self.count, |row| prefix.matches(&self.id_at(IdxPosition(row))));
        start..end
    }

    /// The id in a row.
    ///
    /// # Panics
    /// When the row is not below [`count`](Self::count).
    pub fn id_at(&self, at: IdxPosition) -> ObjectId {
        assert!(at.0 < self.count, "row {} of a pack index of {}", at.0, self.count);
        ObjectId::from_bytes(self.format, self.raw_id(self.data(), at.0)).expect("a row holds a whole id")
    }

    /// The offset in a row.
    ///
    /// # Errors
    /// [`IdxError::LargeOffset`] when the row refers to a 64-bit offset that the file does not have.
    ///
    /// # Panics
    /// As [`id_at`](Self::id_at).
    pub fn offset_at(&self, at: IdxPosition) -> Result<PackOffset, IdxError> {
        assert!(at.0 < self.count, "row {} of a pack index of {}", at.0, self.count);
        let data = self.data();
        let stride = if self.version == Version::V1 { self.id_stride } else { 4 };
        let value = be32(data, self.offsets_at + at.0 as usize * stride).unwrap_or(0);
        if self.version == Version::V1 || value & 0x8000_0000 == 0 {
            return Ok(PackOffset(value.into()));
        }
        let row = value & 0x7fff_ffff;
        if row >= self.large_count {
            return Err(IdxError::LargeOffset { position: at.0 });
        }
        let at = self.large_at + row as usize * 8;
        let high = be32(data, at).unwrap_or(0);
        let low = be32(data, at + 4).unwrap_or(0);
        Ok(PackOffset(u64::from(high) << 32 | u64::from(low)))
    }

    /// The CRC-32 of the entry as it stands in the pack; version 1 has none.
    ///
    /// # Panics
    /// As [`id_at`](Self::id_at).
    pub fn crc_at(&self, at: IdxPosition) -> Option<u32> {
        assert!(at.0 < self.count, "row {} of a pack index of {}", at.0, self.count);
        match self.version {
            Version::V1 => None,
            Version::V2 => be32(self.data(), self.crcs_at + at.0 as usize * 4),
        }
    }

    /// All ids, ascending.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = ObjectId> + Clone + '_ {
        (0..self.count as usize).map(|at| self.id_at(IdxPosition(at as u32)))
    }

    /// The checksum that the pack ends in.
    pub fn pack_checksum(&self) -> Digest {
        self.trailer(2)
    }

    /// The checksum that the index itself ends in.
    pub fn checksum(&self) -> Digest {
        self.trailer(1)
    }

    /// Reads the whole file: its checksum, the order of its ids, their agreement with the fan-out table, and
    /// that every offset can be read.
    ///
    /// # Errors
    /// [`IdxError`] for the first of these that fails.
    pub fn verify(&self) -> Result<(), IdxError> {
        let data = self.data();
        let mut checksum = Checksum::new(self.format);
        checksum.update(&data[..data.len() - self.format.raw_len()]);
        if checksum.finish() != self.checksum() {
            return Err(IdxError::Checksum { what: WHAT });
        }
        let mut last: &[u8] = &[];
        for at in 0..self.count {
            let id = self.raw_id(data, at);
            if id < last || !self.bucket(id[0]).contains(&at) {
                return Err(IdxError::Unsorted { id: self.id_at(IdxPosition(at)) });
            }
            last = id;
            self.offset_at(IdxPosition(at))?;
        }
        Ok(())
    }

    /// The holder of the bytes.
    pub fn bytes(&self) -> &B {
        &self.bytes
    }

    fn data(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    fn trailer(&self, from_end: usize) -> Digest {
        let data = self.data();
        let hash = self.format.raw_len();
        let at = data.len() - from_end * hash;
        Digest::from_bytes(self.format, &data[at..at + hash]).expect("the trailer holds two whole digests")
    }

    fn raw_id<'a>(&self, data: &'a [u8], at: u32) -> &'a [u8] {
        let at = self.ids_at + at as usize * self.id_stride;
        &data[at..at + self.format.raw_len()]
    }

    pub(crate) fn bucket(&self, first: u8) -> Range<u32> {
        search::bucket(self.data(), self.fanout_at, first)
    }
}

pub(crate) fn be32(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))
}
