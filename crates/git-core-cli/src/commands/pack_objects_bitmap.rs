//! `pack-objects --write-bitmap-index`: the bitmap of a pack that has just been written.
//!
//! It is made before the index of the pack is there, so that a pack which cannot have one leaves nothing behind.

use super::pack_objects_options::WriteBitmap;
use crate::fail::{Failure, chain};
use git_core::Repository;
use git_core::object::Context;
use git_core::pack::Written;
use git_core::store::fs::{bitmap_options, bitmap_tips};
use git_core::store::walk::{BitmapOptions, BitmapWriteError, write_bitmap};
use git_core::store::{Snapshot, WrittenRows};
use std::sync::Arc;

/// How the bitmap of the pack is made.
pub(super) struct Bitmap {
    wish: WriteBitmap,
    /// As the repository is, without what standard input says of it.
    snapshot: Arc<dyn Snapshot>,
    options: BitmapOptions,
}

impl Bitmap {
    /// `None` when none is asked for.
    pub(super) fn new(
        repository: &Repository,
        snapshot: &Arc<dyn Snapshot>,
        wish: WriteBitmap,
    ) -> Result<Option<Self>, Failure> {
        if wish == WriteBitmap::No {
            return Ok(None);
        }
        let options = bitmap_options(repository.config(), &**snapshot)?;
        Ok(Some(Bitmap { wish, snapshot: snapshot.clone(), options }))
    }

    /// Says that no bitmap is written, and why.
    pub(super) fn give_up(self, why: &str) {
        if self.wish == WriteBitmap::Yes {
            eprintln!("warning: disabling bitmap writing, {why}");
        }
    }

    /// The bytes of the `.bitmap` file; `None` when the pack has no commit that a ref leads to.
    pub(super) fn of(&self, pack: &Written, cx: &Context) -> Result<Option<Vec<u8>>, Failure> {
        let tips = bitmap_tips(&*self.snapshot)?;
        match write_bitmap(&*self.snapshot, &WrittenRows::new(pack), &tips, &self.options, cx) {
            Ok(bytes) => Ok(bytes),
            Err(BitmapWriteError::NotClosed { id }) => {
                eprintln!(
                    "warning: Failed to write bitmap index. \
                     Packfile doesn't have full closure (object {id} is missing)"
                );
                Err(Failure::fatal("failed to write bitmap index"))
            }
            Err(error) => Err(Failure::fatal(chain(&error))),
        }
    }
}
