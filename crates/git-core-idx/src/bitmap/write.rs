//! Writing a bitmap file.

use super::file::{FIXED_LEN, Flags, LOOKUP_ROW, MAGIC, NO_BASE, ObjectType};
use crate::ewah::{words_for, write_ewah};
use git_core_hash::{Checksum, Digest};
use std::collections::VecDeque;

/// How many earlier entries are tried as the base of one. Neighbours in history differ least.
const TRIED: usize = 8;

/// Puts a bitmap file together. Entries are added in the order in which they are to stand; neighbours in history
/// should be neighbours here.
pub struct BitmapBuilder {
    checksum: Digest,
    objects: u32,
    types: [Vec<u64>; 4],
    entries: Vec<u8>,
    rows: Vec<Row>,
    recent: VecDeque<Vec<u64>>,
    hashes: Option<Vec<u32>>,
    lookup_table: bool,
}

/// What the lookup table says of an entry.
struct Row {
    position: u32,
    /// From the beginning of the entries.
    offset: usize,
    base: Option<usize>,
}

impl BitmapBuilder {
    /// A file for a pack or multi-pack index of so many objects with this checksum.
    pub fn new(objects: u32, checksum: Digest) -> Self {
        BitmapBuilder {
            checksum,
            objects,
            types: std::array::from_fn(|_| vec![0; words_for(objects)]),
            entries: Vec::new(),
            rows: Vec::new(),
            recent: VecDeque::new(),
            hashes: None,
            lookup_table: false,
        }
    }

    /// Adds the cache of hashes of paths, one for each row of the index.
    ///
    /// # Panics
    /// When it is not one for each object.
    #[must_use]
    pub fn with_hashes(mut self, hashes: Vec<u32>) -> Self {
        assert_eq!(hashes.len(), self.objects as usize, "one hash for each object");
        self.hashes = Some(hashes);
        self
    }

    /// Adds the table that leads to an entry without reading those before it.
    #[must_use]
    pub fn with_lookup_table(mut self) -> Self {
        self.lookup_table = true;
        self
    }

    /// Says of what kind an object is; each object must be said to be of exactly one.
    ///
    /// # Panics
    /// When the bit is not below the number of objects.
    pub fn set_type(&mut self, bit: u32, kind: ObjectType) {
        assert!(bit < self.objects, "bit {bit} of {}", self.objects);
        self.types[kind as usize][bit as usize / 64] |= 1 << (bit % 64);
    }

    /// Adds what the commit in a row of the index reaches, itself included. A commit is added once.
    ///
    /// # Panics
    /// When the set has not a bit for each object, or the index has no such row.
    pub fn add(&mut self, position: u32, set: Vec<u64>) {
        assert!(position < self.objects, "row {position} of {}", self.objects);
        let (mut best, mut tried, mut delta) = (Vec::new(), Vec::new(), Vec::new());
        write_ewah(&set, self.objects, &mut best);
        let mut back = 0;
        for (distance, base) in (1u8..).zip(&self.recent) {
            delta.clear();
            delta.extend(set.iter().zip(base).map(|(word, base)| word ^ base));
            tried.clear();
            write_ewah(&delta, self.objects, &mut tried);
            if tried.len() < best.len() {
                std::mem::swap(&mut best, &mut tried);
                back = distance;
            }
        }
        let base = (back > 0).then(|| self.rows.len() - usize::from(back));
        self.rows.push(Row { position, offset: self.entries.len(), base });
        self.entries.extend_from_slice(&position.to_be_bytes());
        self.entries.extend_from_slice(&[back, 0]);
        self.entries.extend_from_slice(&best);
        self.recent.truncate(TRIED - 1);
        self.recent.push_front(set);
    }

    /// The bytes of the file.
    pub fn finish(self) -> Vec<u8> {
        let mut flags = Flags::FULL_DAG;
        if self.hashes.is_some() {
            flags = flags.with(Flags::HASH_CACHE);
        }
        if self.lookup_table {
            flags = flags.with(Flags::LOOKUP_TABLE);
        }
        let hashes = self.hashes.as_ref().map_or(0, |hashes| hashes.len() * 4);
        let mut out = Vec::with_capacity(
            FIXED_LEN + self.entries.len() + self.rows.len() * LOOKUP_ROW + hashes + (64 << 10),
        );
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&1u16.to_be_bytes());
        out.extend_from_slice(&flags.number().to_be_bytes());
        out.extend_from_slice(&(self.rows.len() as u32).to_be_bytes());
        out.extend_from_slice(self.checksum.as_bytes());
        for set in &self.types {
            write_ewah(set, self.objects, &mut out);
        }
        let entries_at = out.len();
        out.extend_from_slice(&self.entries);
        if self.lookup_table {
            self.write_table(entries_at, &mut out);
        }
        for hash in self.hashes.iter().flatten() {
            out.extend_from_slice(&hash.to_be_bytes());
        }
        let mut checksum = Checksum::new(self.checksum.format());
        checksum.update(&out);
        out.extend_from_slice(checksum.finish().as_bytes());
        out
    }

    fn write_table(&self, entries_at: usize, out: &mut Vec<u8>) {
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        order.sort_unstable_by_key(|entry| self.rows[*entry].position);
        let mut row_of = vec![0u32; order.len()];
        for (row, entry) in (0u32..).zip(&order) {
            row_of[*entry] = row;
        }
        for entry in order {
            let row = &self.rows[entry];
            out.extend_from_slice(&row.position.to_be_bytes());
            out.extend_from_slice(&((entries_at + row.offset) as u64).to_be_bytes());
            let base = row.base.map_or(NO_BASE, |base| row_of[base]);
            out.extend_from_slice(&base.to_be_bytes());
        }
    }
}

/// The hash of a path that the cache keeps: its last characters weigh most, white space does not count.
pub fn name_hash(path: &[u8]) -> u32 {
    path.iter()
        .filter(|byte| !is_space(**byte))
        .fold(0u32, |hash, byte| (hash >> 2).wrapping_add(u32::from(*byte) << 24))
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}
