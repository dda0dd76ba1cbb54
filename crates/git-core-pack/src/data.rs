//! Where the bytes of a pack come from: the seam between this crate and a storage.
//!
//! The mapped file and the bucket live with their storages; memory is here.

use git_core_idx::SharedBytes;
use git_core_object::ReadError;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// The most bytes that one [`PackData::read`] is asked for.
pub const MAX_READ: u64 = 1 << 20;

/// The bytes of one immutable pack.
pub trait PackData: Send + Sync {
    /// The length of the pack in bytes, trailer included.
    fn size(&self) -> u64;

    /// Exactly the bytes of `range`, which lies inside the pack and is at most [`MAX_READ`] long; larger
    /// entries are read window by window.
    ///
    /// # Errors
    /// [`ReadError`] when the storage fails, or the range lies outside of the pack.
    fn read(&self, range: Range<u64>) -> Result<PackBytes<'_>, ReadError>;

    /// Which ranges will be read soon, ascending: a hint, never waits.
    fn prefetch(&self, _sorted: &[Range<u64>]) {}

    /// Whether reading more than is needed costs nothing, since the pack is mapped or in memory.
    fn is_resident(&self) -> bool {
        false
    }
}

/// Bytes read from a pack.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PackBytes<'a> {
    /// In place: mapped, or memory that the pack itself holds.
    Mapped(&'a [u8]),
    /// A part of a block that a cache shares.
    Cached {
        /// The block.
        block: Arc<[u8]>,
        /// The part of it that was asked for.
        range: Range<usize>,
    },
    /// Put together for this read.
    Joined(Box<[u8]>),
}

impl Deref for PackBytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            PackBytes::Mapped(bytes) => bytes,
            PackBytes::Cached { block, range } => &block[range.clone()],
            PackBytes::Joined(bytes) => bytes,
        }
    }
}

fn in_memory(bytes: &[u8], range: Range<u64>) -> Result<PackBytes<'_>, ReadError> {
    let part = usize::try_from(range.start)
        .ok()
        .zip(usize::try_from(range.end).ok())
        .and_then(|(start, end)| bytes.get(start..end));
    part.map(PackBytes::Mapped).ok_or_else(|| {
        ReadError::corrupt("pack", format_args!("bytes {}..{} are outside of it", range.start, range.end))
    })
}

impl PackData for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }
    fn read(&self, range: Range<u64>) -> Result<PackBytes<'_>, ReadError> {
        in_memory(self, range)
    }
    fn is_resident(&self) -> bool {
        true
    }
}

impl PackData for SharedBytes {
    fn size(&self) -> u64 {
        self.as_ref().len() as u64
    }
    fn read(&self, range: Range<u64>) -> Result<PackBytes<'_>, ReadError> {
        in_memory(self.as_ref(), range)
    }
    fn is_resident(&self) -> bool {
        true
    }
}
