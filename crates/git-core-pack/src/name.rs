//! Naming objects side by side: the one place that gathers what `git_core_hash` hashes in lanes.

use git_core_hash::CollisionDetected;
use git_core_object::{Kind, ObjectFormat, ObjectId};

/// The longest header that an object is hashed with: `commit`, a space, twenty digits and a zero.
const HEAD: usize = 6 + 1 + 20 + 1;

/// Computes the ids of objects and gives them in the order of the objects.
///
/// Lanes are used best when there are many objects of about the same length.
pub(crate) fn name_all<'c>(
    format: ObjectFormat,
    objects: impl Iterator<Item = (Kind, &'c [u8])> + Clone,
    each: &mut dyn FnMut(usize, Result<ObjectId, CollisionDetected>),
) {
    for (at, (kind, content)) in objects.enumerate() {
        each(at, ObjectId::hash(format, kind, content));
    }
}
