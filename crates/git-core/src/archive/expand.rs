//! `$Format:…$` in files with `export-subst`.

use crate::Repository;
use crate::pretty::PrettyCommit;
use bstr::BStr;
use git_core_object::{BoxError, ObjectId};
use git_core_store::Snapshot;
use git_core_worktree::archive::Expand;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Says what formats say of one commit.
pub(super) struct OfCommit {
    pub(super) repository: Repository,
    pub(super) snapshot: Arc<dyn Snapshot>,
    pub(super) id: ObjectId,
    /// One in an archive, as in git: it walks through the history.
    pub(super) describes: AtomicU32,
}

impl Expand for OfCommit {
    fn expand(&self, format: &BStr, out: &mut Vec<u8>) -> Result<(), BoxError> {
        let left = self.describes.load(Ordering::Relaxed);
        let commit = PrettyCommit::new(&self.repository, &*self.snapshot, &self.id, left)?;
        commit.expand(format, out)?;
        self.describes.store(commit.describes_left(), Ordering::Relaxed);
        Ok(())
    }
}
