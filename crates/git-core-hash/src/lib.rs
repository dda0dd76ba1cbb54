//! SHA-1 with collision detection and SHA-256, behind one hasher chosen at run time.
//!
//! Content that names itself by its hash goes through [`Hasher`], which for SHA-1 reports a collision
//! attack as an error; a batch of independent messages is hashed by [`hash_many`]. Trailers of files (packs, indexes) go through [`Checksum`], which does not look.
//! What the bytes mean, and the header that an object is hashed with, is left to `git-core-object`.
#![forbid(unsafe_code)]

mod format;
mod many;
mod stream;

pub use format::{Digest, ObjectFormat, UnknownFormat};
pub use many::{Message, hash_many};
pub use stream::{Checksum, CollisionDetected, Hasher};
