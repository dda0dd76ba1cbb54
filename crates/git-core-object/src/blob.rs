//! Blobs: the content of files.

use crate::{BoxError, CollisionDetected, ErrorKind, Kind, ObjectFormat, ObjectId};
use std::io::Read;

/// The content of a file, held in memory; it can be altered at any time, and has the id of what it then holds.
///
/// ```
/// use git_core_object::{Blob, ObjectFormat};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut blob = Blob::from_bytes("hello\n");
/// assert_eq!(blob.id(ObjectFormat::Sha1)?.to_hex(), "ce013625030ba8dba906f756967f9e9ca394464a");
/// blob.data.extend_from_slice(b"world\n");
/// assert_eq!(blob.id(ObjectFormat::Sha1)?.to_hex(), "94954abda49de8615a048f8d2e64b5de848e27a1");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blob {
    /// The content.
    pub data: Vec<u8>,
}

/// Why a blob could not be made from a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// The reader failed.
    #[error("cannot read the content of a blob after {offset} bytes")]
    Read {
        /// How much had been read by then.
        offset: u64,
        /// What the reader said.
        #[source]
        source: BoxError,
    },
}

impl BlobError {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            BlobError::Read { .. } => ErrorKind::Unavailable,
        }
    }
}

impl Blob {
    /// A blob of these bytes.
    pub fn from_bytes(data: impl Into<Vec<u8>>) -> Self {
        Blob { data: data.into() }
    }

    /// A blob of everything the reader gives, a [`std::fs::File`] for instance.
    ///
    /// # Errors
    /// [`BlobError::Read`] when the reader fails.
    pub fn from_reader(mut reader: impl Read) -> Result<Self, BlobError> {
        let mut data = Vec::new();
        match reader.read_to_end(&mut data) {
            Ok(_) => Ok(Blob { data }),
            Err(source) => Err(BlobError::Read { offset: data.len() as u64, source: source.into() }),
        }
    }

    /// The id of the blob as it is now.
    ///
    /// # Errors
    /// [`CollisionDetected`] when the content bears the marks of a SHA-1 collision attack.
    pub fn id(&self, format: ObjectFormat) -> Result<ObjectId, CollisionDetected> {
        ObjectId::hash(format, Kind::Blob, &self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_come_from_readers_and_errors_say_how_far() {
        assert_eq!(Blob::from_reader(&b"abc"[..]).unwrap(), Blob::from_bytes("abc"));
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("gone"))
            }
        }
        let err = Blob::from_reader((&b"abc"[..]).chain(Broken)).unwrap_err();
        assert!(matches!(err, BlobError::Read { offset: 3, .. }));
        assert_eq!(err.kind(), ErrorKind::Unavailable);
    }
}
