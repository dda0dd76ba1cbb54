//! Reading a bitmap file.
//!
//! Opening goes once through the heads of the entries, or only through the lookup table where there is one; the
//! bit maps themselves are looked at when they are asked for.

use super::{BitmapError, MAX_XOR_OFFSET};
use crate::ewah::{Ewah, EwahError};
use crate::file::be32;
use git_core_hash::{Checksum, Digest};
use git_core_object::ObjectFormat;

pub(super) const MAGIC: [u8; 4] = *b"BITM";
/// Signature, version, flags and number of entries; the checksum of the pack follows.
pub(super) const FIXED_LEN: usize = 12;
/// Position, XOR offset and flags of an entry; its bit map follows.
pub(super) const ENTRY_HEAD: usize = 6;
pub(super) const LOOKUP_ROW: usize = 16;
pub(super) const NO_BASE: u32 = u32::MAX;

/// What a bitmap file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// Everything that an object of the pack refers to is in the pack: always set.
    pub const FULL_DAG: Flags = Flags(0x1);
    /// A hash of the path for every object.
    pub const HASH_CACHE: Flags = Flags(0x4);
    /// A table that leads to an entry without reading those before it.
    pub const LOOKUP_TABLE: Flags = Flags(0x10);
    /// Bit maps of groups of commits.
    pub const PSEUDO_MERGES: Flags = Flags(0x20);

    const KNOWN: u16 = 0x1 | 0x4 | 0x10 | 0x20;

    /// Whether all of these are set.
    pub const fn has(self, flags: Flags) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// These and those.
    #[must_use]
    pub const fn with(self, flags: Flags) -> Self {
        Flags(self.0 | flags.0)
    }

    pub(super) const fn number(self) -> u16 {
        self.0
    }
}

/// The kinds of object, in the order of the bit maps that say which objects are of which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectType {
    /// Commits.
    Commit,
    /// Trees.
    Tree,
    /// Blobs.
    Blob,
    /// Annotated tags.
    Tag,
}

impl ObjectType {
    /// All of them, in the order of the file.
    pub const ALL: [ObjectType; 4] =
        [ObjectType::Commit, ObjectType::Tree, ObjectType::Blob, ObjectType::Tag];
}

/// An entry: the bitmap of one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitmapEntry {
    /// The row of the commit in the index.
    pub position: u32,
    /// The entry whose bitmap this one is XORed with.
    pub base: Option<u32>,
    /// Where it begins in the file.
    pub(super) offset: usize,
}

/// A bitmap file over the bytes that `B` holds.
#[derive(Clone, Debug)]
pub struct BitmapFile<B> {
    bytes: B,
    format: ObjectFormat,
    objects: u32,
    flags: Flags,
    types: [usize; 4],
    entries: Vec<BitmapEntry>,
    /// Row and entry, ascending by row.
    by_position: Vec<(u32, u32)>,
    hashes_at: usize,
    /// The end of the part for pseudo-merges.
    pub(super) extra_end: usize,
}

impl<B: AsRef<[u8]>> BitmapFile<B> {
    /// Takes the bytes of a whole `.bitmap` file that belongs to a pack or multi-pack index of so many objects
    /// with this checksum.
    ///
    /// # Errors
    /// [`BitmapError`] when it does not belong there, or its parts do not fit.
    pub fn open(bytes: B, objects: u32, checksum: &Digest) -> Result<Self, BitmapError> {
        let data = bytes.as_ref();
        let (len, format) = (data.len(), checksum.format());
        let hash = format.raw_len();
        if len < FIXED_LEN + 2 * hash {
            return Err(BitmapError::TooSmall { len: len as u64 });
        }
        if !data.starts_with(&MAGIC) {
            return Err(BitmapError::Signature);
        }
        let word = be32(data, 4).unwrap_or(0);
        let (version, flags) = ((word >> 16) as u16, word as u16);
        if version != 1 {
            return Err(BitmapError::Version { version });
        }
        if flags & 1 == 0 || flags & !Flags::KNOWN != 0 {
            return Err(BitmapError::Flags { flags });
        }
        let flags = Flags(flags);
        if &data[FIXED_LEN..FIXED_LEN + hash] != checksum.as_bytes() {
            return Err(BitmapError::Mismatch);
        }
        let count = be32(data, 8).unwrap_or(0);
        let fits = |what, end: usize, bytes: Option<usize>| {
            bytes
                .and_then(|bytes| end.checked_sub(bytes))
                .filter(|at| *at >= FIXED_LEN + hash)
                .ok_or(BitmapError::Length { what, len: len as u64 })
        };
        let mut end = len - hash;
        let mut hashes_at = 0;
        if flags.has(Flags::HASH_CACHE) {
            end = fits("the hash cache", end, (objects as usize).checked_mul(4))?;
            hashes_at = end;
        }
        if flags.has(Flags::LOOKUP_TABLE) {
            end = fits("the lookup table", end, (count as usize).checked_mul(LOOKUP_ROW))?;
        }
        let lookup_at = end;
        let extra_end = end;
        if flags.has(Flags::PSEUDO_MERGES) {
            let size = end.checked_sub(8).and_then(|at| be64(data, at)).unwrap_or(u64::MAX);
            end = fits("the part for pseudo-merges", end, usize::try_from(size).ok())?;
        }
        let body = &data[..end];
        let mut at = FIXED_LEN + hash;
        let mut types = [0; 4];
        for place in &mut types {
            *place = at;
            at += parse(body, at)?.stored().len();
        }
        let (entries, by_position) = match flags.has(Flags::LOOKUP_TABLE) {
            true => from_table(body, &data[lookup_at..lookup_at + count as usize * LOOKUP_ROW], at, objects)?,
            false => in_sequence(body, count, at, objects)?,
        };
        Ok(BitmapFile { bytes, format, objects, flags, types, entries, by_position, hashes_at, extra_end })
    }

    /// The object format.
    pub const fn format(&self) -> ObjectFormat {
        self.format
    }

    /// The number of objects that it counts.
    pub const fn objects(&self) -> u32 {
        self.objects
    }

    /// What the file has.
    pub const fn flags(&self) -> Flags {
        self.flags
    }

    /// The entries; with a lookup table in its order, else in that of the file.
    pub fn entries(&self) -> &[BitmapEntry] {
        &self.entries
    }

    /// The entry of the commit in a row of the index, if it has one.
    pub fn entry_of(&self, position: u32) -> Option<u32> {
        let at = self.by_position.binary_search_by_key(&position, |(position, _)| *position).ok()?;
        Some(self.by_position[at].1)
    }

    /// Which objects are of a kind.
    ///
    /// # Errors
    /// [`BitmapError::Ewah`] when it is damaged.
    pub fn of_type(&self, kind: ObjectType) -> Result<Ewah<'_>, BitmapError> {
        parse(self.data(), self.types[kind as usize])
    }

    /// The hash of the path of the object in a row of the index, if the file has the cache.
    pub fn name_hash(&self, position: u32) -> Option<u32> {
        (self.flags.has(Flags::HASH_CACHE) && position < self.objects)
            .then(|| be32(self.data(), self.hashes_at + position as usize * 4))?
    }

    /// The stored bit map of an entry; what it means depends on the entry's base.
    ///
    /// # Errors
    /// [`BitmapError`] when it is damaged, or there is no such entry.
    pub fn stored(&self, entry: u32) -> Result<Ewah<'_>, BitmapError> {
        let found = self.entries.get(entry as usize).ok_or(BitmapError::Base { entry })?;
        parse(self.data(), found.offset + ENTRY_HEAD)
    }

    /// Whether its checksum is that of its content.
    ///
    /// # Errors
    /// [`BitmapError::Checksum`] when it is not.
    pub fn verify_checksum(&self) -> Result<(), BitmapError> {
        let data = self.data();
        let (content, trailer) = data.split_at(data.len() - self.format.raw_len());
        let mut checksum = Checksum::new(self.format);
        checksum.update(content);
        match checksum.finish().as_bytes() == trailer {
            true => Ok(()),
            false => Err(BitmapError::Checksum),
        }
    }

    pub(super) fn data(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

type Table = (Vec<BitmapEntry>, Vec<(u32, u32)>);

/// Goes from entry to entry.
fn in_sequence(body: &[u8], count: u32, mut at: usize, objects: u32) -> Result<Table, BitmapError> {
    // Head and the smallest bit map.
    bounded(body, at, count, ENTRY_HEAD + 12)?;
    let mut entries = Vec::with_capacity(count as usize);
    for entry in 0..count {
        let head = body.get(at..).and_then(|rest| rest.first_chunk::<ENTRY_HEAD>());
        let head = head.ok_or(BitmapError::Length { what: "an entry", len: body.len() as u64 })?;
        let position = be32(head, 0).unwrap_or(u32::MAX);
        if position >= objects {
            return Err(BitmapError::Position { entry, position });
        }
        let base = match head[4] {
            0 => None,
            back if back <= MAX_XOR_OFFSET && u32::from(back) <= entry => Some(entry - u32::from(back)),
            _ => return Err(BitmapError::Base { entry }),
        };
        entries.push(BitmapEntry { position, base, offset: at });
        at += ENTRY_HEAD;
        at += Ewah::skim(body.get(at..).unwrap_or_default())
            .map_err(|source| damaged(at, source))?
            .stored()
            .len();
    }
    let mut by_position: Vec<_> = entries.iter().map(|entry| entry.position).zip(0u32..).collect();
    by_position.sort_unstable();
    Ok((entries, by_position))
}

/// Takes the entries from the lookup table.
fn from_table(body: &[u8], table: &[u8], first: usize, objects: u32) -> Result<Table, BitmapError> {
    let rows = (table.len() / LOOKUP_ROW) as u32;
    bounded(body, first, rows, ENTRY_HEAD + 12)?;
    let mut entries: Vec<BitmapEntry> = Vec::with_capacity(rows as usize);
    for (row, bytes) in (0u32..).zip(table.chunks_exact(LOOKUP_ROW)) {
        let wrong = BitmapError::Lookup { row };
        let position = be32(bytes, 0).unwrap_or(u32::MAX);
        if position >= objects || entries.last().is_some_and(|last| last.position >= position) {
            return Err(wrong);
        }
        let offset = be64(bytes, 4).and_then(|offset| usize::try_from(offset).ok()).unwrap_or(usize::MAX);
        if offset < first || be32(body, offset) != Some(position) {
            return Err(wrong);
        }
        let base = match be32(bytes, 12) {
            Some(NO_BASE) => None,
            Some(base) if base < rows && base != row => Some(base),
            _ => return Err(BitmapError::Base { entry: row }),
        };
        entries.push(BitmapEntry { position, base, offset });
    }
    let by_position = entries.iter().map(|entry| entry.position).zip(0u32..).collect();
    Ok((entries, by_position))
}

/// Refuses a count that the bytes cannot hold, before anything is allocated for it.
fn bounded(body: &[u8], at: usize, count: u32, least: usize) -> Result<(), BitmapError> {
    let room = body.len().saturating_sub(at);
    match (count as usize).checked_mul(least).is_some_and(|bytes| bytes <= room) {
        true => Ok(()),
        false => Err(BitmapError::Length { what: "the list of entries", len: body.len() as u64 }),
    }
}

pub(super) fn parse(data: &[u8], at: usize) -> Result<Ewah<'_>, BitmapError> {
    Ewah::parse(data.get(at..).unwrap_or_default()).map_err(|source| damaged(at, source))
}

pub(super) fn damaged(at: usize, source: EwahError) -> BitmapError {
    BitmapError::Ewah { offset: at as u64, source }
}

pub(super) fn be64(data: &[u8], at: usize) -> Option<u64> {
    data.get(at..)?.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}
