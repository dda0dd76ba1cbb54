//! Many independent messages in, one digest for each out.
//!
//! A pack is full of small objects that have nothing to do with one another; whoever has a batch of them at
//! hand gives the whole batch here. The bytes of one long stream are the business of [`crate::Hasher`].

use crate::{CollisionDetected, Digest, Hasher, ObjectFormat};

/// One message to hash, in two parts so that an object's header need not be copied before its content.
#[derive(Clone, Copy, Debug, Default)]
pub struct Message<'a> {
    /// The first part.
    pub head: &'a [u8],
    /// What follows it.
    pub body: &'a [u8],
}

/// Hashes independent messages; calls `each(index, result)` once for every message, in any order.
///
/// `index` is the message's place in `messages`. The result is what [`Hasher`] gives for the same bytes.
pub fn hash_many(
    format: ObjectFormat,
    messages: &[Message<'_>],
    each: &mut dyn FnMut(usize, Result<Digest, CollisionDetected>),
) {
    for (index, message) in messages.iter().enumerate() {
        let mut hasher = Hasher::new(format);
        hasher.update(message.head);
        hasher.update(message.body);
        each(index, hasher.finish());
    }
}
