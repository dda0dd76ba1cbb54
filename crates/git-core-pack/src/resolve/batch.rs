//! Objects that were derived and wait to be hashed, many side by side.

use crate::name::name_all;
use git_core_hash::CollisionDetected;
use git_core_object::{Kind, ObjectFormat, ObjectId};
use std::sync::Arc;

/// An object without a name yet. Its content may be a base on a stack at the same time.
pub(super) struct Nameless {
    pub(super) entry: u32,
    pub(super) kind: Kind,
    pub(super) content: Arc<Vec<u8>>,
}

/// A batch of them.
pub(super) struct Batch {
    objects: Vec<Nameless>,
    bytes: usize,
    max_bytes: usize,
}

impl Batch {
    /// With so many objects, all lanes are in use nearly all of the time,
    const ENOUGH: usize = 64;
    /// and with so many bytes, starting them costs nothing; what is more should still be in the cache.
    const ENOUGH_BYTES: usize = 256 << 10;
    const MAX: usize = 1024;
    const MAX_BYTES: usize = 8 << 20;

    /// A batch that is full with so many bytes at the latest.
    pub(super) fn new(budget: usize) -> Self {
        Batch { objects: Vec::new(), bytes: 0, max_bytes: budget.min(Self::MAX_BYTES) }
    }

    pub(super) fn push(&mut self, object: Nameless) {
        self.bytes += object.content.len();
        self.objects.push(object);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        let count = self.objects.len();
        (count >= Self::ENOUGH && self.bytes >= Self::ENOUGH_BYTES)
            || count >= Self::MAX
            || self.bytes >= self.max_bytes
    }

    /// Names all objects of the batch and takes them out of it.
    pub(super) fn name(
        &mut self,
        format: ObjectFormat,
        names: &mut Vec<Option<Result<ObjectId, CollisionDetected>>>,
    ) -> Vec<Nameless> {
        names.clear();
        names.resize(self.objects.len(), None);
        let objects = self.objects.iter().map(|object| (object.kind, &object.content[..]));
        name_all(format, objects, &mut |at, name| names[at] = Some(name));
        self.bytes = 0;
        std::mem::take(&mut self.objects)
    }

    /// Gives back the memory of what [`name`](Self::name) took out.
    pub(super) fn reuse(&mut self, mut objects: Vec<Nameless>) {
        objects.clear();
        if self.objects.is_empty() {
            self.objects = objects;
        }
    }
}
