//! Objects that are read piece by piece, as whoever reads them asks for more.

use git_core_object::{Header, Kind, ReadError};

/// How much of an object that is held in memory is given at once, in bytes.
const PIECE: usize = 128 << 10;

/// An object that is read piece by piece: see [`Snapshot::open_object`](crate::Snapshot::open_object).
pub trait ObjectReader: Send {
    /// Kind and size.
    fn header(&self) -> Header;

    /// Appends the next bytes to `out`, some 64 or 128 KiB; says whether more follow.
    ///
    /// # Errors
    /// [`ReadError`] when the object turns out to be damaged, or the storage fails.
    fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, ReadError>;
}

/// An object that is held in memory.
pub(crate) struct HeldObject {
    kind: Kind,
    content: Vec<u8>,
    given: usize,
}

impl HeldObject {
    pub(crate) fn boxed(kind: Kind, content: Vec<u8>) -> Box<dyn ObjectReader> {
        Box::new(HeldObject { kind, content, given: 0 })
    }
}

impl ObjectReader for HeldObject {
    fn header(&self) -> Header {
        Header { kind: self.kind, size: self.content.len() as u64 }
    }

    fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, ReadError> {
        let end = self.content.len().min(self.given + PIECE);
        out.extend_from_slice(&self.content[self.given..end]);
        self.given = end;
        Ok(end < self.content.len())
    }
}
