//! Where a pack is kept while it is received and indexed.

use git_core_object::BoxError;

/// Takes the bytes of a pack as they come, and gives them back while deltas are resolved.
pub trait Spool: Send + Sync {
    /// Adds bytes at the end.
    ///
    /// # Errors
    /// Whatever the storage says; the pack is lost then.
    fn append(&mut self, bytes: &[u8]) -> Result<(), BoxError>;

    /// Fills `out` from bytes that were appended before.
    ///
    /// # Errors
    /// As [`append`](Self::append); also when the bytes are not there.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), BoxError>;

    /// Replaces bytes that were appended before.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    fn overwrite(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BoxError>;

    /// Drops everything from `len` on.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    fn truncate(&mut self, len: u64) -> Result<(), BoxError>;

    /// The number of bytes held.
    fn len(&self) -> u64;

    /// Whether nothing is held.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

pub(super) fn outside() -> BoxError {
    "the pack is read outside of what was received".into()
}

impl Spool for Vec<u8> {
    fn append(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), BoxError> {
        let start = usize::try_from(offset)?;
        let end = start.checked_add(out.len()).ok_or_else(outside)?;
        out.copy_from_slice(self.get(start..end).ok_or_else(outside)?);
        Ok(())
    }

    fn overwrite(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BoxError> {
        let start = usize::try_from(offset)?;
        let end = start.checked_add(bytes.len()).ok_or_else(outside)?;
        self.get_mut(start..end).ok_or_else(outside)?.copy_from_slice(bytes);
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> Result<(), BoxError> {
        Vec::truncate(self, usize::try_from(len)?);
        Ok(())
    }

    fn len(&self) -> u64 {
        Vec::len(self) as u64
    }
}
