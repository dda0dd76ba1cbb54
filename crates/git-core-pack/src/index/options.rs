//! How a received pack is indexed, who watches, and what comes out.

use git_core_idx::{Digest, IdxEntry, IdxError, PackOffset, Version, pack_order, write_idx, write_rev};
use git_core_object::{BoxError, Kind, ObjectFormat, ObjectId, Objects};
use std::fmt;
use std::sync::Arc;

/// Sees every object of a pack while it is indexed: object checks, links for a connectivity check.
///
/// Called once for every entry, in no particular order, from any thread. The bases that complete a thin pack
/// are objects that the repository has already, and are not shown.
pub trait Observer: Send + Sync {
    /// An object with its content.
    ///
    /// # Errors
    /// Refuses the pack, with a reason.
    fn object(&self, id: &ObjectId, kind: Kind, content: &[u8]) -> Result<(), BoxError>;

    /// A blob of more than [`IndexOptions::large_blob`] bytes, which was hashed as it came and never held.
    ///
    /// # Errors
    /// As [`object`](Self::object).
    fn large_blob(&self, _id: &ObjectId, _size: u64) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Whether one pack may hold an object twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// As git does by default: both entries are in the index.
    #[default]
    Allow,
    /// As git does with `--strict`.
    Refuse,
}

/// What is done with deltas whose bases the pack lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Thin {
    /// The pack is refused.
    #[default]
    Refuse,
    /// The bases are read from the repository and appended to the pack.
    Complete,
}

/// How a pack is indexed.
#[derive(Clone)]
pub struct IndexOptions {
    /// What is done with deltas whose bases the pack lacks.
    pub thin: Thin,
    /// Whether the pack may hold an object twice.
    pub duplicates: Duplicates,
    /// Sees every object.
    pub observer: Option<Arc<dyn Observer>>,
    /// Objects that are there already: one of the same id must have the same content.
    pub existing: Option<Arc<dyn Objects>>,
    /// Undeltified blobs of more bytes than this are hashed as they come and never held in memory.
    pub large_blob: u64,
    /// How hard appended bases are compressed, 0 to 9.
    pub compression: u8,
}

impl Default for IndexOptions {
    fn default() -> Self {
        IndexOptions {
            thin: Thin::default(),
            duplicates: Duplicates::default(),
            observer: None,
            existing: None,
            large_blob: 16 << 20,
            compression: 6,
        }
    }
}

impl fmt::Debug for IndexOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexOptions")
            .field("thin", &self.thin)
            .field("duplicates", &self.duplicates)
            .field("observer", &self.observer.is_some())
            .field("existing", &self.existing.is_some())
            .field("large_blob", &self.large_blob)
            .field("compression", &self.compression)
            .finish()
    }
}

/// A pack that was received, checked and indexed.
#[derive(Clone)]
pub struct Indexed {
    pub(crate) checksum: Digest,
    pub(crate) size: u64,
    pub(crate) deltas: u32,
    pub(crate) appended: u32,
    /// Raw ids, offsets and CRCs in pack order.
    pub(crate) ids: Vec<u8>,
    pub(crate) offsets: Vec<u64>,
    pub(crate) crcs: Vec<u32>,
    /// Entries in the order of their ids.
    pub(crate) sorted: Vec<u32>,
}

impl Indexed {
    /// The checksum that the pack ends in; packs are named by it.
    pub fn checksum(&self) -> Digest {
        self.checksum
    }

    /// The object format.
    pub fn format(&self) -> ObjectFormat {
        self.checksum.format()
    }

    /// The length of the pack in bytes, trailer and appended bases included.
    pub fn pack_size(&self) -> u64 {
        self.size
    }

    /// The number of objects, appended bases included.
    pub fn count(&self) -> u32 {
        self.sorted.len() as u32
    }

    /// How many of them are stored as deltas.
    pub fn deltas(&self) -> u32 {
        self.deltas
    }

    /// How many bases were appended to complete a thin pack.
    pub fn appended(&self) -> u32 {
        self.appended
    }

    /// The objects, ascending by id.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = IdxEntry> + Clone + '_ {
        self.sorted.iter().map(|&entry| IdxEntry {
            id: self.id(entry),
            offset: PackOffset(self.offsets[entry as usize]),
            crc: self.crcs[entry as usize],
        })
    }

    /// The bytes of the `.idx` file, version 2.
    ///
    /// # Errors
    /// [`IdxError::TooLarge`] beyond what the format can hold.
    pub fn idx(&self) -> Result<Vec<u8>, IdxError> {
        write_idx(Version::V2, self.entries(), &self.checksum)
    }

    /// The bytes of the `.rev` file.
    pub fn rev(&self) -> Vec<u8> {
        let rows = pack_order(self.sorted.iter().map(|&entry| PackOffset(self.offsets[entry as usize])));
        write_rev(rows.into_iter(), &self.checksum)
    }

    fn id(&self, entry: u32) -> ObjectId {
        let len = self.format().raw_len();
        let at = entry as usize * len;
        ObjectId::from_bytes(self.format(), &self.ids[at..at + len]).expect("every entry has a whole id")
    }
}

impl fmt::Debug for Indexed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Indexed")
            .field("checksum", &self.checksum)
            .field("size", &self.size)
            .field("objects", &self.count())
            .field("deltas", &self.deltas)
            .field("appended", &self.appended)
            .finish_non_exhaustive()
    }
}
