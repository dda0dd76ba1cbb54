//! Reading a whole entry piece by piece, for objects that should not be held in memory.

use crate::data::MAX_READ;
use crate::inflate::{InflateError, Pieces};
use crate::{EntryKind, Pack};
use git_core_idx::PackOffset;
use git_core_object::{Header, ReadError};
use std::ops::Deref;

/// An undeltified object that is read piece by piece. See [`Pack::stream`]; `P` is how the pack is held.
pub struct BlobStream<P> {
    pack: P,
    offset: PackOffset,
    header: Header,
    at: u64,
    end: u64,
    given: u64,
    pieces: Pieces,
    done: bool,
}

impl Pack {
    /// Kind and size of the object at `offset` if it is stored whole; `None` when it is stored as a delta.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] when the entry's header is damaged.
    pub fn whole(&self, offset: PackOffset) -> Result<Option<Header>, ReadError> {
        let (entry, _) = self.entry_header(offset)?;
        Ok(match entry.kind {
            EntryKind::Whole(kind) => Some(Header { kind, size: entry.size }),
            _ => None,
        })
    }

    /// Opens the object at `offset` for reading piece by piece; `None` when it is stored as a delta, which
    /// can only be read as a whole. Checks nothing but lengths and the entry's own checksum.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] when no entry begins there, or its header is damaged.
    pub fn stream(&self, offset: PackOffset) -> Result<Option<BlobStream<&Pack>>, ReadError> {
        BlobStream::open(self, offset)
    }
}

impl<P: Deref<Target = Pack>> BlobStream<P> {
    /// As [`Pack::stream`], for a pack that is held in any way.
    ///
    /// # Errors
    /// As [`Pack::stream`].
    pub fn open(pack: P, offset: PackOffset) -> Result<Option<Self>, ReadError> {
        let (entry, header_len) = pack.entry_header(offset)?;
        let EntryKind::Whole(kind) = entry.kind else { return Ok(None) };
        let end = pack.entry_range(offset)?.end;
        Ok(Some(BlobStream {
            pack,
            offset,
            header: Header { kind, size: entry.size },
            at: offset.0 + header_len as u64,
            end,
            given: 0,
            pieces: Pieces::new(),
            done: false,
        }))
    }

    /// Kind and size.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Appends the next bytes, at most 128 KiB, to `out`; says whether more follow.
    ///
    /// # Errors
    /// [`ReadError`] when the entry is damaged or the storage fails.
    pub fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, ReadError> {
        let declared = self.header.size;
        let corrupt = |error: InflateError| self.pack.corrupt(self.offset, error);
        let before = out.len();
        while !self.done && out.len() == before {
            if self.at >= self.end && !self.pieces.is_full() {
                return Err(corrupt(InflateError::Short { declared }));
            }
            let bytes = self.pack.data.read(self.at..self.end.min(self.at + MAX_READ / 8))?;
            let piece = self.pieces.step(&bytes).map_err(corrupt)?;
            self.at += piece.used as u64;
            self.given += piece.output.len() as u64;
            self.done = piece.done;
            out.extend_from_slice(piece.output);
            if self.given > declared {
                return Err(corrupt(InflateError::Long { declared }));
            }
        }
        if self.done && self.given != declared {
            return Err(corrupt(InflateError::Short { declared }));
        }
        Ok(!self.done)
    }
}
