//! How a reader of objects looks from outside, whatever it reads from.

use crate::{BoxError, ErrorKind, Kind, ObjectFormat, ObjectId, Stopped};

/// What is known of an object before its content is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the object is.
    pub kind: Kind,
    /// The length of its content in bytes.
    pub size: u64,
}

/// Reads objects by id: from a disk, from memory, from a bucket, from several of them.
///
/// An object that is not there is `Ok(None)`; an object that is there and damaged is an error.
pub trait Objects: Send + Sync {
    /// The hash function that names the objects.
    fn format(&self) -> ObjectFormat;

    /// Replaces `out` with the content of the object and says what it is. On anything but `Ok(Some(_))` the
    /// content of `out` is unspecified.
    ///
    /// # Errors
    /// [`ReadError`] when the object is there and cannot be read.
    fn read(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Option<Kind>, ReadError>;

    /// Kind and size, without the content where that is cheaper.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn header(&self, id: &ObjectId) -> Result<Option<Header>, ReadError> {
        let mut content = Vec::new();
        Ok(self.read(id, &mut content)?.map(|kind| Header { kind, size: content.len() as u64 }))
    }

    /// Whether the object is there.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn contains(&self, id: &ObjectId) -> Result<bool, ReadError> {
        Ok(self.header(id)?.is_some())
    }

    /// Says which objects will be read next: a bucket fetches their blocks, a promisor asks for the missing
    /// ones at once. Others ignore it.
    ///
    /// # Errors
    /// [`ReadError`] when fetching failed.
    fn prefetch(&self, _ids: &[ObjectId]) -> Result<(), ReadError> {
        Ok(())
    }

    /// The content of an object that must be there.
    ///
    /// # Errors
    /// [`ReadError::Missing`] when it is not, otherwise as [`read`](Self::read).
    fn require(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Kind, ReadError> {
        self.read(id, out)?.ok_or(ReadError::Missing { id: *id })
    }
}

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// An object that had to be there is not.
    #[error("object {id} is missing")]
    Missing {
        /// Its id.
        id: ObjectId,
    },
    /// An object is not of the kind that it had to be.
    #[error("object {id} is a {actual}, not a {expected}")]
    WrongKind {
        /// Its id.
        id: ObjectId,
        /// What it had to be.
        expected: Kind,
        /// What it is.
        actual: Kind,
    },
    /// What is stored contradicts itself.
    #[error("{location} is corrupt: {detail}")]
    Corrupt {
        /// The object, or the file and offset.
        location: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The storage failed.
    #[error("cannot read {location}")]
    Unavailable {
        /// The file or key.
        location: String,
        /// What the storage said.
        #[source]
        source: BoxError,
    },
    /// The operation was cancelled, or met a limit.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl ReadError {
    /// Damage found at `location`.
    pub fn corrupt(location: impl ToString, detail: impl ToString) -> Self {
        ReadError::Corrupt { location: location.to_string(), detail: detail.to_string() }
    }

    /// A failure of the storage at `location`.
    pub fn unavailable(location: impl ToString, source: impl Into<BoxError>) -> Self {
        ReadError::Unavailable { location: location.to_string(), source: source.into() }
    }

    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ReadError::Missing { .. } => ErrorKind::NotFound,
            ReadError::WrongKind { .. } | ReadError::Corrupt { .. } => ErrorKind::Corrupt,
            ReadError::Unavailable { .. } => ErrorKind::Unavailable,
            ReadError::Stopped(stopped) => stopped.kind(),
        }
    }
}

impl<T: Objects + ?Sized> Objects for std::sync::Arc<T> {
    fn format(&self) -> ObjectFormat {
        (**self).format()
    }
    fn read(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Option<Kind>, ReadError> {
        (**self).read(id, out)
    }
    fn header(&self, id: &ObjectId) -> Result<Option<Header>, ReadError> {
        (**self).header(id)
    }
    fn contains(&self, id: &ObjectId) -> Result<bool, ReadError> {
        (**self).contains(id)
    }
    fn prefetch(&self, ids: &[ObjectId]) -> Result<(), ReadError> {
        (**self).prefetch(ids)
    }
    fn require(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Kind, ReadError> {
        (**self).require(id, out)
    }
}
