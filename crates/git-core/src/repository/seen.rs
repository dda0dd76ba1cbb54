//! History as it is to be seen: with replacements and grafts.

use super::Repository;
use git_core_object::ReadError;
use git_core_store::{Alterations, Altered, Snapshot};
use std::io;
use std::sync::Arc;

/// Which refs replace objects.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplaceRefs {
    /// None do (`--no-replace-objects`).
    Ignored,
    /// Those below this prefix, which ends in a slash.
    Below(String),
}

impl Default for ReplaceRefs {
    fn default() -> Self {
        ReplaceRefs::Below("refs/replace/".to_owned())
    }
}

impl ReplaceRefs {
    /// Those below a prefix, with or without a slash at its end.
    pub fn below(prefix: &str) -> Self {
        ReplaceRefs::Below(format!("{}/", prefix.trim_end_matches('/')))
    }
}

/// What is looked at through replacements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The content of objects; grafts do not show in it.
    Content,
    /// How commits hang together.
    History,
}

impl Repository {
    /// The same repository under other replacements.
    #[must_use]
    pub fn with_replace_refs(&self, replace: ReplaceRefs) -> Self {
        self.changed(|inner| inner.replace = replace)
    }

    /// Its present state with replacements and grafts in the place of what they stand for: for who lists or shows
    /// it. What packs, checks or transfers objects takes [`snapshot`](Self::snapshot). In a partial clone, what is missing is
    /// fetched, as [`whole`](Self::whole) has it.
    ///
    /// # Errors
    /// [`ReadError`] when the storage cannot be read.
    pub fn seen(&self, what: Seen) -> Result<Arc<dyn Snapshot>, ReadError> {
        let snapshot = self.whole()?;
        let mut alterations = match &self.inner.replace {
            ReplaceRefs::Ignored => Alterations::default(),
            ReplaceRefs::Below(base) => Alterations::replacements(&*snapshot, base.as_bytes())?,
        };
        if let (Seen::History, Some(layout)) = (what, self.layout()) {
            let path = layout.common_dir.join("info/grafts");
            match std::fs::read(&path) {
                Ok(content) => alterations.add_grafts(snapshot.format(), &content),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(ReadError::unavailable(path.display(), error)),
            }
        }
        Ok(Altered::over(snapshot, alterations))
    }
}
