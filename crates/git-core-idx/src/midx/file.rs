//! Reading a multi-pack index of either object format.
//!
//! Opening reads the header, the table of chunks, the fan-out table and the names of the packs, and checks that
//! the tables fit the file, so that every later access stays inside it. The checksum, the order of the ids and
//! the rows are checked by [`MidxFile::verify`] only, which reads everything.

use super::chunks::Chunks;
use super::{MidxError, MidxPosition, PackNumber};
use crate::file::be32;
use crate::{PackOffset, search};
use git_core_hash::{Checksum, Digest};
use git_core_object::{IdPrefix, ObjectFormat, ObjectId};
use std::ops::Range;

pub(super) const MAGIC: [u8; 4] = *b"MIDX";
pub(super) const HEADER_LEN: usize = 12;
pub(super) const FANOUT_LEN: usize = 256 * 4;
pub(super) const PACK_NAMES: [u8; 4] = *b"PNAM";
pub(super) const OID_FANOUT: [u8; 4] = *b"OIDF";
pub(super) const OID_LOOKUP: [u8; 4] = *b"OIDL";
pub(super) const OFFSETS: [u8; 4] = *b"OOFF";
pub(super) const LARGE_OFFSETS: [u8; 4] = *b"LOFF";
pub(super) const ORDER: [u8; 4] = *b"RIDX";
pub(super) const BITMAPPED: [u8; 4] = *b"BTMP";

/// A multi-pack index over the bytes that `B` holds.
#[derive(Clone, Debug)]
pub struct MidxFile<B> {
    pub(super) bytes: B,
    format: ObjectFormat,
    count: u32,
    names: Vec<Range<usize>>,
    fanout_at: usize,
    ids_at: usize,
    offsets_at: usize,
    large: Option<Range<usize>>,
    pub(super) order_at: Option<usize>,
    pub(super) bitmapped_at: Option<usize>,
}

/// Where a multi-pack index says that an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MidxLocation {
    /// The pack.
    pub pack: PackNumber,
    /// Where the entry begins in it.
    pub offset: PackOffset,
}

impl<B: AsRef<[u8]>> MidxFile<B> {
    /// Takes the bytes of a whole file and checks its structure, in time that grows with the number of packs
    /// only.
    ///
    /// # Errors
    /// [`MidxError`] when the file is no multi-pack index of `format`, or its tables do not fit its length.
    pub fn open(bytes: B, format: ObjectFormat) -> Result<Self, MidxError> {
        let data = bytes.as_ref();
        let too_small = MidxError::TooSmall { len: data.len() as u64 };
        let hash = format.raw_len();
        let Some(end) = data.len().checked_sub(hash).filter(|end| *end >= HEADER_LEN) else {
            return Err(too_small);
        };
        if !data.starts_with(&MAGIC) {
            return Err(MidxError::Signature { found: be32(data, 0).unwrap_or(0) });
        }
        let [version, number, chunk_count, _base_files] = data[4..8] else { return Err(too_small) };
        if !(1..=2).contains(&version) {
            return Err(MidxError::Version { version });
        }
        if number != format.number() {
            return Err(MidxError::Format { number, wanted: format });
        }
        let chunks = Chunks::parse(data, HEADER_LEN, chunk_count, end)?;
        let chunk = |id, name| chunks.find(id).ok_or(MidxError::Missing { name });

        let names_at = chunk(PACK_NAMES, "pack-name")?;
        let pack_count = be32(data, 8).unwrap_or(0);
        let names = pack_names(data, names_at, pack_count, version)?;

        let fanout = sized(chunk(OID_FANOUT, "OID fanout")?, FANOUT_LEN, "OID fanout")?;
        let mut count = 0;
        for at in 0..=255u8 {
            let next = be32(data, fanout.start + usize::from(at) * 4).unwrap_or(0);
            if next < count {
                return Err(MidxError::Fanout { at });
            }
            count = next;
        }
        let rows = |id, row_len: usize, name| {
            let range = chunk(id, name)?;
            let wrong = MidxError::ChunkSize { name, len: range.len() as u64 };
            sized(range, (count as usize).checked_mul(row_len).ok_or(wrong)?, name)
        };
        let ids = rows(OID_LOOKUP, hash, "OID lookup")?;
        let offsets = rows(OFFSETS, 8, "object offsets")?;
        let order = chunks.find(ORDER).map(|_| rows(ORDER, 4, "reverse-index")).transpose()?;
        let bitmapped = chunks
            .find(BITMAPPED)
            .map(|range| sized(range, names.len() * 8, "bitmapped packs"))
            .transpose()?;
        Ok(MidxFile {
            format,
            count,
            names,
            fanout_at: fanout.start,
            ids_at: ids.start,
            offsets_at: offsets.start,
            large: chunks.find(LARGE_OFFSETS),
            order_at: order.map(|range| range.start),
            bitmapped_at: bitmapped.map(|range| range.start),
            bytes,
        })
    }

    /// The object format of the packs.
    pub const fn format(&self) -> ObjectFormat {
        self.format
    }

    /// The number of objects.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The number of packs.
    pub fn pack_count(&self) -> u32 {
        self.names.len() as u32
    }

    /// The name of a pack's index, `pack-….idx`: a name within the directory, never a path.
    ///
    /// # Panics
    /// When the pack is not below [`pack_count`](Self::pack_count).
    pub fn pack_name(&self, pack: PackNumber) -> &str {
        let name = &self.data()[self.names[pack.0 as usize].clone()];
        std::str::from_utf8(name).expect("names were checked when the file was opened")
    }

    /// The names of all packs, in the order of their numbers.
    pub fn pack_names(&self) -> impl ExactSizeIterator<Item = &str> + '_ {
        (0..self.names.len()).map(|pack| self.pack_name(PackNumber(pack as u32)))
    }

    /// Where the object stands, if it is there.
    pub fn lookup(&self, id: &ObjectId) -> Option<MidxPosition> {
        if id.format() != self.format {
            return None;
        }
        let rows = self.bucket(id.first_byte());
        search::find(&self.data()[self.ids_at..], self.format.raw_len(), rows, id.as_bytes())
            .map(MidxPosition)
    }

    /// The rows whose ids begin with the prefix.
    pub fn lookup_prefix(&self, prefix: &IdPrefix) -> Range<u32> {
        let bound = prefix.lower_bound();
        if bound.format() != self.format {
            return 0..0;
        }
        let start = search::partition(0..self.count, |row| self.id_at(MidxPosition(row)) < *bound);
        let end = search::partition(start..self.count, |row| prefix.matches(&self.id_at(MidxPosition(row))));
        start..end
    }

    /// The id in a row.
    ///
    /// # Panics
    /// When the row is not below [`count`](Self::count).
    pub fn id_at(&self, at: MidxPosition) -> ObjectId {
        assert!(at.0 < self.count, "row {} of a multi-pack-index of {}", at.0, self.count);
        let hash = self.format.raw_len();
        let start = self.ids_at + at.0 as usize * hash;
        ObjectId::from_bytes(self.format, &self.data()[start..start + hash]).expect("a row holds a whole id")
    }

    /// All ids, ascending.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = ObjectId> + Clone + '_ {
        (0..self.count as usize).map(|at| self.id_at(MidxPosition(at as u32)))
    }

    /// Where the object of a row is.
    ///
    /// # Errors
    /// [`MidxError::Pack`] or [`MidxError::LargeOffset`] when the row names what the file does not have.
    ///
    /// # Panics
    /// As [`id_at`](Self::id_at).
    pub fn location_at(&self, at: MidxPosition) -> Result<MidxLocation, MidxError> {
        assert!(at.0 < self.count, "row {} of a multi-pack-index of {}", at.0, self.count);
        let data = self.data();
        let row = self.offsets_at + at.0 as usize * 8;
        let pack = PackNumber(be32(data, row).unwrap_or(u32::MAX));
        if pack.0 >= self.pack_count() {
            return Err(MidxError::Pack { position: at, pack });
        }
        let value = be32(data, row + 4).unwrap_or(0);
        let offset = match &self.large {
            Some(large) if value & 0x8000_0000 != 0 => {
                let row = (value & 0x7fff_ffff) as usize * 8;
                let found = data[large.clone()].get(row..).and_then(|rest| rest.first_chunk::<8>());
                u64::from_be_bytes(*found.ok_or(MidxError::LargeOffset { position: at })?)
            }
            _ => value.into(),
        };
        Ok(MidxLocation { pack, offset: PackOffset(offset) })
    }

    /// The checksum that the file ends in; its bitmap is named after it.
    pub fn checksum(&self) -> Digest {
        let data = self.data();
        Digest::from_bytes(self.format, &data[data.len() - self.format.raw_len()..])
            .expect("the file ends in a whole digest")
    }

    /// Whether the checksum is that of the content.
    pub fn checksum_matches(&self) -> bool {
        let data = self.data();
        let mut checksum = Checksum::new(self.format);
        checksum.update(&data[..data.len() - self.format.raw_len()]);
        checksum.finish() == self.checksum()
    }

    /// Reads the whole file: its checksum, the order of its ids and their agreement with the fan-out table,
    /// every location, and the pseudo-pack order if there is one. What the packs themselves say is not asked.
    ///
    /// # Errors
    /// [`MidxError`] for the first of these that fails.
    pub fn verify(&self) -> Result<(), MidxError> {
        if !self.checksum_matches() {
            return Err(MidxError::Checksum);
        }
        let mut last = None;
        for at in (0..self.count).map(MidxPosition) {
            let id = self.id_at(at);
            if last.is_some_and(|last| id <= last) || !self.bucket(id.first_byte()).contains(&at.0) {
                return Err(MidxError::Unsorted { id });
            }
            last = Some(id);
            let location = self.location_at(at)?;
            if location.offset.0 < 12 {
                return Err(MidxError::Offset { position: at, offset: location.offset });
            }
        }
        self.verify_order()
    }

    /// The holder of the bytes.
    pub fn bytes(&self) -> &B {
        &self.bytes
    }

    pub(super) fn data(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    fn bucket(&self, first: u8) -> Range<u32> {
        search::bucket(self.data(), self.fanout_at, first)
    }
}

fn sized(range: Range<usize>, len: usize, name: &'static str) -> Result<Range<usize>, MidxError> {
    match range.len() == len {
        true => Ok(range),
        false => Err(MidxError::ChunkSize { name, len: range.len() as u64 }),
    }
}

/// Finds the names, each ended by a NUL; padding may follow them.
fn pack_names(
    data: &[u8],
    chunk: Range<usize>,
    count: u32,
    version: u8,
) -> Result<Vec<Range<usize>>, MidxError> {
    let mut names: Vec<Range<usize>> = Vec::new();
    let mut at = chunk.start;
    for pack in (0..count).map(PackNumber) {
        let invalid = |detail: &str| MidxError::Name { pack, detail: detail.to_owned() };
        let rest = &data[at..chunk.end];
        let len = rest.iter().position(|byte| *byte == 0).ok_or_else(|| invalid("the list is too short"))?;
        let name = &rest[..len];
        // It becomes part of a path.
        if name.is_empty() || name.contains(&b'/') || name.contains(&b'\\') || !name.is_ascii() {
            return Err(invalid("it is not the name of a file"));
        }
        if version == 1 && names.last().is_some_and(|last| data[last.clone()] >= *name) {
            return Err(invalid("the names are out of order"));
        }
        names.push(at..at + len);
        at += len + 1;
    }
    Ok(names)
}
