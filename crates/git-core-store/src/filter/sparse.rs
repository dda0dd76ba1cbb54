//! The patterns of a sparse checkout, as `sparse:oid` reads them from a blob.

use git_core_config::ignore::{self, IgnoreOptions, IgnorePattern, PathKind};

/// Patterns of `gitignore(5)`, which here say what is *in*.
#[derive(Debug)]
pub(crate) struct SparsePatterns(Vec<IgnorePattern>);

impl SparsePatterns {
    pub(crate) fn parse(text: &[u8]) -> Self {
        SparsePatterns(ignore::parse(text, IgnoreOptions::default()))
    }

    /// Whether a path is in: as the last pattern that matches it says, otherwise as the directory that it lies in.
    pub(crate) fn includes(&self, path: &[u8], kind: PathKind, parent: bool) -> bool {
        self.0
            .iter()
            .rev()
            .find(|pattern| pattern.matches(path, kind))
            .map_or(parent, |pattern| !pattern.negated)
    }
}
