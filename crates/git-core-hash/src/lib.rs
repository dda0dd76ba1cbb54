//! SHA-1 with collision detection and SHA-256, behind one hasher chosen at run time.
//!
//! Content that names itself by its hash goes through [`Hasher`], which for SHA-1 reports a collision attack as an
//! error. Whoever has many small messages at hand, as a pack has objects, gives them to [`hash_many`] together: they
//! are hashed side by side, several times as fast as one after the other, and watched for attacks all the same.
//! Keyed digests are made by [`hmac`]. Trailers of files (packs, indexes) go through [`Checksum`], which does not look. What the bytes mean, and the
//! header that an object is hashed with, is left to `git-core-object`.
#![deny(unsafe_code)]

mod format;
mod hmac;
mod many;
mod stream;

pub use format::{Digest, ObjectFormat, UnknownFormat};
pub use hmac::hmac;
pub use many::{Backend, ManyHasher, Message, hash_many};
pub use stream::{Checksum, CollisionDetected, Hasher};
