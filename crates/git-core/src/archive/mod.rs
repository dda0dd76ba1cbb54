//! Archives of a repository: what `git archive` and `git upload-archive` ask for, by its configuration.
//!
//! [`ArchiveArguments`] reads what both are told, [`Repository::archive`] makes the archive. How an archive looks is
//! the business of [`worktree::archive`](git_core_worktree::archive).

mod arguments;
mod expand;
mod filter;
mod format;
mod options;
mod source;

pub(crate) use filter::{ShellFilters, shell};
pub(crate) use options::line_ends;

pub use arguments::{ArchiveArguments, ArgumentError, Extra, ExtraSource, USAGE};
pub use format::{Formats, NamedFormat};
pub use options::{Asker, EntryListener, PrepareError};
pub use source::{ArchiveSource, SourceError};

use crate::Repository;
use git_core_object::Context;

impl Repository {
    /// Makes the archive that some arguments ask for, to be pulled piece by piece.
    ///
    /// # Errors
    /// [`PrepareError`], whose text is what git says.
    pub fn archive(
        &self,
        arguments: &ArchiveArguments,
        asker: Asker,
        cx: &Context,
    ) -> Result<ArchiveSource, PrepareError> {
        options::prepare(self, arguments, asker, cx)
    }
}
