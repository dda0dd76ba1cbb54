//! The staging index, a checkout that stays inside its directory, and archives of trees.
//!
//! [`checkout`] writes the files of a tree and answers the [`Index`] that describes them; [`IndexLock`] stores
//! an index as git does, so that `git status` finds nothing to do afterwards. What a working tree needs beyond
//! `clone` and `checkout` (attributes, line endings, merging, sparse paths) is left to others: contents pass
//! through a [`Converter`], which leaves them alone by default.
//!
//! ```no_run
//! # use git_core_object::{Context, ObjectId, Objects};
//! # use git_core_worktree::{CheckoutOptions, IndexLock, checkout};
//! # fn clone_files(objects: &dyn Objects, tree: &ObjectId) -> Result<(), Box<dyn std::error::Error>> {
//! let lock = IndexLock::acquire("work/.git/index".as_ref())?;
//! let done = checkout(objects, tree, "work".as_ref(), &CheckoutOptions::default(), &Context::new())?;
//! lock.commit(&done.index)?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod archive;
pub mod attributes;
mod checkout;
mod clean;
mod convert;
pub mod index;
mod sys;
pub mod text;

pub use checkout::{Checkout, CheckoutError, CheckoutOptions, Existing, Symlinks, checkout};
pub use clean::{Unclean, update_clean};
pub use convert::{Converter, Unchanged};
pub use index::{Index, IndexEntry, IndexError, IndexLock, Stat};
