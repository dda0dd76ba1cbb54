//! Tree differences and patches, as `git diff-tree` prints them.
//!
//! [`diff_trees`] walks two trees side by side and yields each [`Change`] in Git's order; [`write_raw`],
//! [`write_name`] and [`write_name_status`] print one as a line, [`PatchWriter`] prints it as a patch that
//! `git apply` takes, byte for byte what `git diff-tree -p` prints. Matching the lines of two texts is the
//! work of `gix-imara-diff`. Renames, statistics, merges, attributes and the choice of revisions are left to
//! others, and nothing here touches a disk: objects are read through [`git_core_object::Objects`].
//!
//! ```no_run
//! # use git_core_diff::{PatchOptions, PatchWriter, TreeOptions, diff_trees};
//! # use git_core_object::{Context, ObjectId, Objects};
//! # use std::ops::ControlFlow;
//! # fn print(objects: &dyn Objects, old: ObjectId, new: ObjectId) -> Result<Vec<u8>, git_core_diff::DiffError> {
//! let context = Context::new();
//! let mut patch = Vec::new();
//! let mut writer = PatchWriter::new(objects, PatchOptions::default());
//! diff_trees(objects, Some(&old), Some(&new), &TreeOptions::recursive(), &context, &mut |change| {
//!     writer.write(change, &context, &mut patch)?;
//!     Ok(ControlFlow::Continue(()))
//! })?;
//! # Ok(patch)
//! # }
//! ```
#![forbid(unsafe_code)]

mod entries;
mod error;
mod hunks;
mod lines;
mod patch;
mod quote;
mod raw;
mod walk;

pub use error::DiffError;
pub use hunks::{HunkOptions, write_hunks};
pub use lines::MAX_TEXT_BYTES;
pub use patch::{Abbreviation, PatchOptions, PatchWriter};
pub use quote::{PathStyle, write_path};
pub use raw::{write_name, write_name_status, write_raw};
pub use walk::{Change, Entry, Recursion, Status, TreeOptions, diff_trees};
