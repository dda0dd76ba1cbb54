//! What maintenance needs of a repository: its storage on a disk, and what staging indexes keep alive.

use super::Repository;
use git_core_object::ObjectId;
use git_core_store::fs::FsStorage;
use git_core_worktree::index::{Index, IndexError};
use std::collections::BTreeSet;
use std::path::PathBuf;

impl Repository {
    /// The storage, if it is files on a disk, for the calls of [`git_core_store::maintenance`].
    pub fn on_disk(&self) -> Option<&FsStorage> {
        self.inner.files.as_ref()
    }

    /// The blobs and trees that the staging indexes of all working trees hold, sorted. Nothing else keeps them
    /// alive until they are committed.
    ///
    /// # Errors
    /// [`IndexError`] when an index cannot be read.
    pub fn indexed_objects(&self) -> Result<Vec<ObjectId>, IndexError> {
        let Some(layout) = self.layout() else { return Ok(Vec::new()) };
        let mut directories = vec![layout.common_dir.clone(), layout.git_dir.clone()];
        if let Ok(linked) = std::fs::read_dir(layout.common_dir.join("worktrees")) {
            directories.extend(linked.flatten().map(|entry| entry.path()));
        }
        let files: BTreeSet<PathBuf> = directories.iter().map(|dir| dir.join("index")).collect();
        let mut ids = BTreeSet::new();
        for file in files.into_iter().filter(|file| file.exists()) {
            let index = Index::open(self.format(), &file)?;
            let own = index.entries().iter().filter(|entry| !entry.mode.is_submodule());
            ids.extend(own.map(|entry| entry.id).filter(|id| !id.is_null()));
            let trees = index.trees().into_iter().flat_map(|trees| trees.nodes());
            ids.extend(trees.filter_map(|tree| tree.known.map(|(_, id)| id)));
        }
        Ok(ids.into_iter().collect())
    }
}
