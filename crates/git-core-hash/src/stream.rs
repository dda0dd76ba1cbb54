//! One stream of bytes in, one digest out.

use crate::{Digest, ObjectFormat};
use sha2::Digest as _;

/// The bytes hashed bear the marks of a SHA-1 collision attack.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("content looks like a SHA-1 collision attack (its digest would be {0})")]
pub struct CollisionDetected(pub Digest);

/// Hashes the content of objects; SHA-1 is watched for collision attacks.
#[derive(Clone)]
pub struct Hasher(Stream);

#[derive(Clone)]
enum Stream {
    Sha1(Box<sha1dc::Hasher>),
    Sha256(sha2::Sha256),
}

impl Hasher {
    /// A hasher that has seen nothing yet.
    pub fn new(format: ObjectFormat) -> Self {
        Hasher(match format {
            ObjectFormat::Sha1 => Stream::Sha1(Box::new(sha1dc::Hasher::new())),
            _ => Stream::Sha256(sha2::Sha256::new()),
        })
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Stream::Sha1(state) => state.update(bytes),
            Stream::Sha256(state) => state.update(bytes),
        }
    }

    /// The digest of everything taken.
    ///
    /// # Errors
    /// [`CollisionDetected`] when the bytes are the product of a known kind of attack on SHA-1.
    pub fn finish(self) -> Result<Digest, CollisionDetected> {
        match self.0 {
            Stream::Sha1(state) => match state.finalize() {
                Ok(bytes) => Ok(digest(ObjectFormat::Sha1, bytes.as_ref())),
                Err(collision) => {
                    Err(CollisionDetected(digest(ObjectFormat::Sha1, collision.digest().as_ref())))
                }
            },
            Stream::Sha256(state) => Ok(digest(ObjectFormat::Sha256, &state.finalize())),
        }
    }
}

/// Hashes the content of files that end in their own checksum; never looks for attacks.
#[derive(Clone)]
pub struct Checksum(Plain);

#[derive(Clone)]
enum Plain {
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

impl Checksum {
    /// A checksum of nothing yet.
    pub fn new(format: ObjectFormat) -> Self {
        Checksum(match format {
            ObjectFormat::Sha1 => Plain::Sha1(sha1::Sha1::new()),
            _ => Plain::Sha256(sha2::Sha256::new()),
        })
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Plain::Sha1(state) => state.update(bytes),
            Plain::Sha256(state) => state.update(bytes),
        }
    }

    /// The digest of everything taken.
    pub fn finish(self) -> Digest {
        match self.0 {
            Plain::Sha1(state) => digest(ObjectFormat::Sha1, &state.finalize()),
            Plain::Sha256(state) => digest(ObjectFormat::Sha256, &state.finalize()),
        }
    }
}

fn digest(format: ObjectFormat, bytes: &[u8]) -> Digest {
    Digest::from_bytes(format, bytes).expect("a hash function gives as many bytes as its format has")
}
