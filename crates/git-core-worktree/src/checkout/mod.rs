//! Writing the files of a tree.
//!
//! The whole tree is read and its names are checked before anything is written. Then files are written side by
//! side, links last. Every directory is entered component by component without following links, and every file
//! is created anew, so nothing that the tree or the directory holds can lead outside.

mod error;
pub(crate) mod plan;
mod run;
pub(crate) mod stale;

pub use error::CheckoutError;

use crate::sys::Root;
use crate::{Converter, Index, Unchanged};
use bstr::BString;
use git_core_object::path::PathRules;
use git_core_object::{Context, ObjectId, Objects};
use std::path::Path;

/// How a tree is checked out. The default suits a clone into an empty directory.
#[derive(Clone)]
#[non_exhaustive]
pub struct CheckoutOptions<'a> {
    /// For which systems names are checked.
    pub rules: PathRules,
    /// Whether links are links.
    pub symlinks: Symlinks,
    /// What happens to files that are there already.
    pub existing: Existing,
    /// What was checked out before. Its paths that the tree does not hold are removed, changed or not, and so
    /// are the directories that this leaves empty. With [`Existing::Replace`], files that are still what it
    /// says are not written again.
    pub previous: Option<&'a Index>,
    /// Changes contents on their way.
    pub converter: &'a dyn Converter,
    /// The most directories within one another; `core.maxTreeDepth`, 2048.
    pub max_depth: usize,
}

impl Default for CheckoutOptions<'_> {
    fn default() -> Self {
        CheckoutOptions {
            rules: PathRules::default(),
            symlinks: Symlinks::default(),
            existing: Existing::default(),
            previous: None,
            converter: &Unchanged,
            max_depth: 2048,
        }
    }
}

/// Whether symbolic links are made: `core.symlinks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Symlinks {
    /// They are.
    Native,
    /// Plain files are made that hold where the links point.
    PlainFiles,
}

impl Default for Symlinks {
    fn default() -> Self {
        if cfg!(unix) { Symlinks::Native } else { Symlinks::PlainFiles }
    }
}

/// What happens to files that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Existing {
    /// They stay, and the checkout fails.
    #[default]
    Refuse,
    /// They are replaced, as `git checkout -f` does, links among them; directories with something in them stay
    /// and the checkout fails.
    Replace,
}

/// What a checkout did.
#[derive(Debug)]
#[non_exhaustive]
pub struct Checkout {
    /// What was checked out, with what the files look like now.
    pub index: Index,
    /// Paths that could not be written because the file system takes them for others that were: names that
    /// differ in case only, say. Their entries know nothing of a file, so `git status` will show them.
    pub collisions: Vec<BString>,
    /// How many files and links were written.
    pub written: u64,
}

/// Writes the files of a tree below `directory`, which is made if it is not there.
///
/// # Errors
/// [`CheckoutError`]. Names that are refused are found before anything is written.
pub fn checkout(
    objects: &dyn Objects,
    tree: &ObjectId,
    directory: &Path,
    options: &CheckoutOptions<'_>,
    context: &Context,
) -> Result<Checkout, CheckoutError> {
    let plan = plan::plan(objects, tree, options, context)?;
    let root = std::fs::create_dir_all(directory).and_then(|()| Root::open(directory)).map_err(|source| {
        let path = directory.as_os_str().as_encoded_bytes().into();
        CheckoutError::Io { action: "open the directory", path, source }
    })?;
    if let Some(previous) = options.previous {
        stale::remove(&root, previous, &plan.entries, options, context)?;
    }
    let outcome = run::run(objects, &root, &plan.entries, options, context)?;
    let mut entries = plan.entries;
    for (at, stat) in outcome.stats {
        entries[at].stat = stat;
    }
    let collisions = outcome.collisions.into_iter().map(|at| entries[at].path.clone()).collect();
    let mut index = Index::from_entries(tree.format(), entries);
    index.set_trees(plan.trees);
    Ok(Checkout { index, collisions, written: outcome.written })
}
