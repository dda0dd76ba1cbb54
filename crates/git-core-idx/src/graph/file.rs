//! Reading one commit-graph file, of either object format.
//!
//! Opening checks that every table lies in the file and has the length that its rows need, so that every later
//! access stays inside; checksum and order are checked by [`GraphFile::verify`] only, which reads everything.

use super::chunks::Chunks;
use super::{DATE_BITS, FilterRef, FilterSettings, GraphError, MARK, NO_PARENT, SIGNATURE, chunk_id};
use crate::file::be32;
use git_core_hash::{Checksum, Digest};
use git_core_object::{IdPrefix, ObjectFormat, ObjectId};
use std::cmp::Ordering;
use std::ops::Range;

const HEADER_LEN: usize = 8;
const FANOUT_LEN: usize = 256 * 4;
const FILTER_HEADER_LEN: usize = 12;

/// One commit-graph file over the bytes that `B` holds. Rows are counted from its own first one.
#[derive(Clone, Debug)]
pub struct GraphFile<B> {
    bytes: B,
    format: ObjectFormat,
    count: u32,
    fanout_at: usize,
    ids_at: usize,
    commits_at: usize,
    generations_at: Option<usize>,
    overflow: Range<usize>,
    edges: Range<usize>,
    filters: Option<Filters>,
    bases: Range<usize>,
}

#[derive(Clone, Debug)]
struct Filters {
    settings: FilterSettings,
    index_at: usize,
    data: Range<usize>,
}

/// What stands for the parents of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawParents {
    pub(crate) first: u32,
    pub(crate) second: u32,
}

impl<B: AsRef<[u8]>> GraphFile<B> {
    /// Takes the bytes of a whole file and checks its structure, in constant time.
    ///
    /// # Errors
    /// [`GraphError`] when the file is no commit-graph of `format`, or its tables do not fit.
    pub fn open(bytes: B, format: ObjectFormat) -> Result<Self, GraphError> {
        let (data, hash) = (bytes.as_ref(), format.raw_len());
        let too_small = GraphError::TooSmall { len: data.len() as u64 };
        let Some(header) = data.first_chunk::<HEADER_LEN>() else { return Err(too_small) };
        let end = data.len().checked_sub(hash).filter(|end| *end >= HEADER_LEN).ok_or(too_small)?;
        if header[..4] != SIGNATURE {
            return Err(GraphError::Signature { signature: be32(data, 0).unwrap_or(0) });
        }
        let [.., version, number, chunks, bases] = *header;
        if version != 1 {
            return Err(GraphError::Version { version });
        }
        let expected = format.number();
        if number != expected {
            return Err(GraphError::Format { number, expected });
        }
        let chunks = Chunks::read(data, HEADER_LEN, chunks, end)?;
        let required = |id, chunk| chunks.get(id).ok_or(GraphError::MissingChunk { chunk });

        let fanout = required(chunk_id::FANOUT, "OID fanout")?;
        if fanout.len() != FANOUT_LEN {
            return Err(GraphError::ChunkSize { chunk: "OID fanout" });
        }
        let mut count = 0;
        for at in 0..=255u8 {
            let next = be32(data, fanout.start + usize::from(at) * 4).unwrap_or(0);
            if next < count {
                return Err(GraphError::Fanout { at });
            }
            count = next;
        }
        if count >= NO_PARENT {
            return Err(GraphError::TooLarge { what: "the number of commits" });
        }
        let table = |id, row_len: usize, chunk| -> Result<Option<usize>, GraphError> {
            let Some(range) = chunks.get(id) else { return Ok(None) };
            match (count as usize).checked_mul(row_len) {
                Some(len) if len == range.len() => Ok(Some(range.start)),
                _ => Err(GraphError::ChunkSize { chunk }),
            }
        };
        let required_table =
            |id, row_len, chunk| table(id, row_len, chunk)?.ok_or(GraphError::MissingChunk { chunk });
        let ids_at = required_table(chunk_id::IDS, hash, "OID lookup")?;
        let commits_at = required_table(chunk_id::COMMITS, hash + 16, "commit data")?;
        let generations_at = table(chunk_id::GENERATIONS, 4, "generations")?;
        let bases = match chunks.get(chunk_id::BASES) {
            _ if bases == 0 => 0..0,
            Some(range) if range.len() == usize::from(bases) * hash => range,
            Some(_) => return Err(GraphError::ChunkSize { chunk: "base graphs" }),
            None => return Err(GraphError::MissingChunk { chunk: "base graphs" }),
        };
        Ok(GraphFile {
            format,
            count,
            fanout_at: fanout.start,
            ids_at,
            commits_at,
            generations_at,
            overflow: chunks.get(chunk_id::OVERFLOW).unwrap_or_default(),
            edges: chunks.get(chunk_id::EDGES).unwrap_or_default(),
            filters: filters(data, &chunks, count),
            bases,
            bytes,
        })
    }

    /// The object format of the repository.
    pub const fn format(&self) -> ObjectFormat {
        self.format
    }

    /// The commits in this file.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The checksums of the files that this one builds on, the lowest first.
    pub fn bases(&self) -> impl ExactSizeIterator<Item = Digest> + '_ {
        self.data()[self.bases.clone()]
            .chunks_exact(self.format.raw_len())
            .map(|raw| Digest::from_bytes(self.format, raw).expect("cut to the length of a digest"))
    }

    /// The checksum that the file ends in, which is also its name in a chain.
    pub fn checksum(&self) -> Digest {
        let data = self.data();
        let raw = &data[data.len() - self.format.raw_len()..];
        Digest::from_bytes(self.format, raw).expect("cut to the length of a digest")
    }

    /// Whether it has corrected commit dates.
    pub const fn has_corrected_dates(&self) -> bool {
        self.generations_at.is_some()
    }

    /// How its changed-path filters were made, if it has some.
    pub fn filter_settings(&self) -> Option<FilterSettings> {
        self.filters.as_ref().map(|filters| filters.settings)
    }

    /// The row of a commit, if it is here.
    pub fn lookup(&self, id: &ObjectId) -> Option<u32> {
        if id.format() != self.format {
            return None;
        }
        let (data, wanted) = (self.data(), id.as_bytes());
        let Range { start: mut low, end: mut high } = self.bucket(id.first_byte());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.raw_id(data, middle).cmp(wanted) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    /// The first rows whose ids begin with the prefix.
    pub fn lookup_prefix(&self, prefix: &IdPrefix) -> Range<u32> {
        let bound = prefix.lower_bound();
        if bound.format() != self.format {
            return 0..0;
        }
        let Range { start: mut low, end: mut high } = self.bucket(bound.first_byte());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.raw_id(self.data(), middle) < bound.as_bytes() { low = middle + 1 } else { high = middle }
        }
        let end = (low..self.count).find(|row| !prefix.matches(&self.id(*row))).unwrap_or(self.count);
        low..end
    }

    /// The id of a commit.
    ///
    /// # Panics
    /// When the row is not below [`count`](Self::count); as do all that take a row.
    pub fn id(&self, row: u32) -> ObjectId {
        self.check(row);
        ObjectId::from_bytes(self.format, self.raw_id(self.data(), row)).expect("a row holds a whole id")
    }

    /// The root tree of a commit.
    pub fn tree(&self, row: u32) -> ObjectId {
        let at = self.commit_at(row);
        let raw = &self.data()[at..at + self.format.raw_len()];
        ObjectId::from_bytes(self.format, raw).expect("a row holds a whole id")
    }

    /// When a commit was made, in seconds since 1970; of larger numbers the lowest 34 bits.
    pub fn time(&self, row: u32) -> i64 {
        let (_, [.., level, low]) = self.commit(row);
        (i64::from(level & 3) << 32 | i64::from(low)) & ((1 << DATE_BITS) - 1)
    }

    /// The topological level of a commit; 0 when it was not computed.
    pub fn level(&self, row: u32) -> u32 {
        let (_, [.., level, _]) = self.commit(row);
        level >> 2
    }

    /// The corrected commit date of a commit; `None` when the file has none, or the row is out of bounds.
    pub fn corrected_date(&self, row: u32) -> Option<u64> {
        self.check(row);
        let data = self.data();
        let offset = be32(data, self.generations_at? + row as usize * 4)?;
        let offset = match offset & MARK {
            0 => u64::from(offset),
            _ => {
                let rows = &data[self.overflow.clone()];
                let at = (offset ^ MARK) as usize * 8;
                u64::from_be_bytes(*rows.get(at..)?.first_chunk::<8>()?)
            }
        };
        (self.time(row) as u64).checked_add(offset)
    }

    /// The changed-path filter of a commit, if one was made.
    pub fn filter(&self, row: u32) -> Option<FilterRef<'_>> {
        self.check(row);
        let (filters, data) = (self.filters.as_ref()?, self.data());
        let end_of = |row: u32| be32(data, filters.index_at + row as usize * 4);
        let start = if row == 0 { 0 } else { end_of(row - 1)? };
        let filter = data[filters.data.clone()].get(start as usize..end_of(row)? as usize)?;
        (!filter.is_empty()).then_some(FilterRef(filter))
    }

    /// Reads the whole file and checks its checksum and the order of its ids, and that the fan-out table and
    /// every row of a table of generations or filters can be read.
    ///
    /// # Errors
    /// [`GraphError`] for the first that fails.
    pub fn verify(&self) -> Result<(), GraphError> {
        self.verify_checksum()?;
        let data = self.data();
        let mut last: Option<&[u8]> = None;
        for row in 0..self.count {
            let id = self.raw_id(data, row);
            if last.is_some_and(|last| id <= last) {
                return Err(GraphError::Unsorted { previous: self.id(row - 1), id: self.id(row) });
            }
            last = Some(id);
            if !self.bucket(id[0]).contains(&row) {
                return Err(GraphError::Fanout { at: id[0] });
            }
            if self.generations_at.is_some() && self.corrected_date(row).is_none() {
                return Err(GraphError::Overflow { row });
            }
        }
        Ok(())
    }

    /// Checks the checksum alone.
    ///
    /// # Errors
    /// [`GraphError::Checksum`].
    pub fn verify_checksum(&self) -> Result<(), GraphError> {
        let data = self.data();
        let mut checksum = Checksum::new(self.format);
        checksum.update(&data[..data.len() - self.format.raw_len()]);
        if checksum.finish() == self.checksum() { Ok(()) } else { Err(GraphError::Checksum) }
    }

    /// The holder of the bytes.
    pub fn bytes(&self) -> &B {
        &self.bytes
    }

    pub(crate) fn parents(&self, row: u32) -> RawParents {
        let (_, [first, second, ..]) = self.commit(row);
        RawParents { first, second }
    }

    /// The extra edges from a row of their table on.
    pub(crate) fn edges(&self, from: u32) -> &[u8] {
        self.data()[self.edges.clone()].get(from as usize * 4..).unwrap_or_default()
    }

    fn commit(&self, row: u32) -> (usize, [u32; 4]) {
        let at = self.commit_at(row);
        let hash = self.format.raw_len();
        let words = &self.data()[at + hash..at + hash + 16];
        (at, [0, 4, 8, 12].map(|word| be32(words, word).unwrap_or(0)))
    }

    fn commit_at(&self, row: u32) -> usize {
        self.check(row);
        self.commits_at + row as usize * (self.format.raw_len() + 16)
    }

    fn check(&self, row: u32) {
        assert!(row < self.count, "row {row} of a commit-graph file of {}", self.count);
    }

    fn data(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    fn raw_id<'a>(&self, data: &'a [u8], row: u32) -> &'a [u8] {
        let hash = self.format.raw_len();
        let at = self.ids_at + row as usize * hash;
        &data[at..at + hash]
    }

    fn bucket(&self, first: u8) -> Range<u32> {
        let data = self.data();
        let at = self.fanout_at + usize::from(first) * 4;
        let start = if first == 0 { 0 } else { be32(data, at - 4).unwrap_or(0) };
        start..be32(data, at).unwrap_or(0)
    }
}

/// The filters, unless something about them is not as it must be: a graph is of use without.
fn filters(data: &[u8], chunks: &Chunks, count: u32) -> Option<Filters> {
    let (index, whole) = (chunks.get(chunk_id::FILTER_INDEX)?, chunks.get(chunk_id::FILTER_DATA)?);
    if index.len() != count as usize * 4 || whole.len() < FILTER_HEADER_LEN {
        return None;
    }
    let word = |n: usize| be32(data, whole.start + n * 4);
    let settings = FilterSettings { version: word(0)?, hashes: word(1)?, bits_per_path: word(2)? };
    let known =
        matches!(settings.version, 1 | 2) && (1..=FilterSettings::MAX_HASHES).contains(&settings.hashes);
    known.then_some(Filters {
        settings,
        index_at: index.start,
        data: whole.start + FILTER_HEADER_LEN..whole.end,
    })
}
