//! A pack with its index: finding objects, and what is known of them without reading their content.
//!
//! Reading content is in `read`, whole entries as they stand in `raw`, large objects piece by piece in
//! `stream`.

mod raw;
mod read;
mod stream;

pub use raw::RawEntry;
pub use read::Reader;
pub use stream::BlobStream;

use crate::cache::DeltaCache;
use crate::entry::{PACK_HEADER_LEN, parse_pack_header};
use crate::{HeaderError, PackData};
use git_core_idx::{Digest, IdxError, IdxFile, IdxPosition, PackOffset, ReverseIndex, SharedBytes};
use git_core_object::{ErrorKind, IdPrefix, ObjectFormat, ObjectId, ReadError};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A pack, its index, and the order of its entries: opened once, shared by all readers.
pub struct Pack {
    name: String,
    data: Arc<dyn PackData>,
    idx: IdxFile<SharedBytes>,
    reverse: OnceLock<Result<ReverseIndex, IdxError>>,
    cache: Arc<DeltaCache>,
    cache_number: u32,
    trailer_at: u64,
    object_bytes: u64,
    readers: Mutex<Vec<Reader>>,
}

/// How a pack is opened.
#[derive(Clone, Debug)]
pub struct PackOptions {
    /// What errors call the pack; a file name, say.
    pub name: String,
    /// The order of the entries, if a `.rev` file says it; otherwise offsets are sorted when first needed.
    pub reverse: Option<ReverseIndex>,
    /// Where bases of deltas are kept; share it between packs.
    pub cache: Arc<DeltaCache>,
    /// The largest object that is read into memory, in bytes.
    pub object_bytes: u64,
}

impl Default for PackOptions {
    fn default() -> Self {
        PackOptions {
            name: "pack".to_owned(),
            reverse: None,
            cache: Arc::new(DeltaCache::default()),
            object_bytes: git_core_object::Limits::default().object_bytes,
        }
    }
}

/// Why a pack cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It is too small to be a pack.
    #[error("{pack} is far too short to be a packfile")]
    TooSmall {
        /// Its name.
        pack: String,
    },
    /// Its header is invalid.
    #[error("{pack} is not a pack")]
    Header {
        /// Its name.
        pack: String,
        /// What is wrong.
        #[source]
        source: HeaderError,
    },
    /// The pack and its index are not of the same pack.
    #[error("{pack} does not match its index: {detail}")]
    Mismatch {
        /// Its name.
        pack: String,
        /// In what they differ.
        detail: String,
    },
    /// The storage failed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl OpenError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            OpenError::Read(error) => error.kind(),
            _ => ErrorKind::Corrupt,
        }
    }
}

impl Pack {
    /// Joins a pack with its index; reads the pack's header and trailer, no more.
    ///
    /// # Errors
    /// [`OpenError`] when the two do not belong together.
    pub fn open(
        data: Arc<dyn PackData>,
        idx: IdxFile<SharedBytes>,
        options: PackOptions,
    ) -> Result<Self, OpenError> {
        let PackOptions { name, reverse, cache, object_bytes } = options;
        let format = idx.format();
        let hash = format.raw_len() as u64;
        let Some(trailer_at) = data.size().checked_sub(hash).filter(|at| *at >= PACK_HEADER_LEN as u64)
        else {
            return Err(OpenError::TooSmall { pack: name });
        };
        let header = data.read(0..PACK_HEADER_LEN as u64)?.first_chunk().copied().unwrap_or_default();
        let declared = match parse_pack_header(&header) {
            Ok(declared) => declared,
            Err(source) => return Err(OpenError::Header { pack: name, source }),
        };
        if declared != idx.count() {
            let detail = format!("it declares {declared} objects, its index has {}", idx.count());
            return Err(OpenError::Mismatch { pack: name, detail });
        }
        let trailer = Digest::from_bytes(format, &data.read(trailer_at..data.size())?);
        if trailer != Some(idx.pack_checksum()) {
            return Err(OpenError::Mismatch { pack: name, detail: "the checksums differ".to_owned() });
        }
        let reverse = match reverse {
            Some(reverse) if reverse.count() == idx.count() => OnceLock::from(Ok(reverse)),
            _ => OnceLock::new(),
        };
        let cache_number = cache.register();
        Ok(Pack {
            name,
            data,
            idx,
            reverse,
            cache,
            cache_number,
            trailer_at,
            object_bytes,
            readers: Mutex::default(),
        })
    }

    /// What errors call the pack.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The object format.
    pub fn format(&self) -> ObjectFormat {
        self.idx.format()
    }

    /// The number of objects.
    pub fn count(&self) -> u32 {
        self.idx.count()
    }

    /// The index.
    pub fn idx(&self) -> &IdxFile<SharedBytes> {
        &self.idx
    }

    /// The bytes.
    pub fn data(&self) -> &Arc<dyn PackData> {
        &self.data
    }

    /// The checksum that the pack ends in.
    pub fn checksum(&self) -> Digest {
        self.idx.pack_checksum()
    }

    /// Where the object's entry begins, if the object is in the pack.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] when the index is damaged there.
    pub fn find(&self, id: &ObjectId) -> Result<Option<PackOffset>, ReadError> {
        self.idx.lookup(id).map(|position| self.offset(position)).transpose()
    }

    /// Whether the object is in the pack.
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.idx.lookup(id).is_some()
    }

    /// The ids that begin with the prefix, ascending.
    pub fn find_prefix(&self, prefix: &IdPrefix) -> impl Iterator<Item = ObjectId> + '_ {
        self.idx.lookup_prefix(prefix).map(|row| self.idx.id_at(IdxPosition(row)))
    }

    /// Where the entry of a row of the index begins.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] when the index is damaged there.
    ///
    /// # Panics
    /// When the index has no such row.
    pub fn offset(&self, position: IdxPosition) -> Result<PackOffset, ReadError> {
        let offset = self.idx.offset_at(position).map_err(|error| self.damaged_idx(&error))?;
        if offset.0 < PACK_HEADER_LEN as u64 || offset.0 >= self.trailer_at {
            return Err(self.corrupt(offset, "the index points outside of the pack"));
        }
        Ok(offset)
    }

    /// The entries in the order in which they stand. Without a `.rev` file, offsets are sorted on first use.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] when the index is damaged.
    pub fn reverse(&self) -> Result<&ReverseIndex, ReadError> {
        self.reverse
            .get_or_init(|| ReverseIndex::build(&self.idx))
            .as_ref()
            .map_err(|error| self.damaged_idx(error))
    }

    /// The row of the index whose entry begins at `offset`, if one does.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] when the index is damaged.
    pub fn position_of(&self, offset: PackOffset) -> Result<Option<IdxPosition>, ReadError> {
        let reverse = self.reverse()?;
        let rank = reverse.rank_of(&self.idx, offset).map_err(|error| self.damaged_idx(&error))?;
        rank.map(|rank| reverse.position(rank).map_err(|error| self.damaged_idx(&error))).transpose()
    }

    /// The bytes of the entry that begins at `offset`, its header included.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] when no entry of the index begins there.
    pub fn entry_range(&self, offset: PackOffset) -> Result<Range<u64>, ReadError> {
        let reverse = self.reverse()?;
        let range = reverse.rank_of(&self.idx, offset).and_then(|rank| match rank {
            Some(rank) => reverse.entry_range(&self.idx, rank, self.trailer_at).map(Some),
            None => Ok(None),
        });
        range
            .map_err(|error| self.damaged_idx(&error))?
            .ok_or_else(|| self.corrupt(offset, "no entry begins here"))
    }

    /// Lends a reader that an earlier call has left.
    fn with_reader<T>(&self, work: impl FnOnce(&mut Reader) -> T) -> T {
        let readers = || self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reader = readers().pop().unwrap_or_default();
        let result = work(&mut reader);
        readers().push(reader);
        result
    }

    /// Where the trailer begins: the end of the last entry.
    pub(crate) fn trailer_at(&self) -> u64 {
        self.trailer_at
    }

    pub(crate) fn corrupt(&self, offset: PackOffset, detail: impl ToString) -> ReadError {
        ReadError::corrupt(format_args!("{}, entry at {offset}", self.name), detail)
    }

    pub(crate) fn damaged_idx(&self, error: &IdxError) -> ReadError {
        ReadError::corrupt(format_args!("index of {}", self.name), error)
    }
}

impl fmt::Debug for Pack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pack").field("name", &self.name).field("count", &self.count()).finish_non_exhaustive()
    }
}
