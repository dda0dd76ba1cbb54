//! Archives of a tree: tar, compressed tar and zip, as `git archive` writes them.
//!
//! [`Archive`] is pulled: each call of [`Archive::fill`] gives the next piece, and no file is held in memory that
//! need not be changed on its way. Which names a caller may ask for, the placeholders of `export-subst`, filters
//! and compressing commands are left to others.

mod content;
mod error;
mod options;
mod stream;
mod tar;
mod walk;
mod zip;

pub use error::ArchiveError;
pub use options::{ArchiveFormat, ArchiveOptions, AttributeFiles, Expand, ExtraContent, ExtraFile, Smudge};
pub use stream::Archive;

use bstr::BString;
use git_core_object::{EntryKind, ObjectId};

/// What stands in an archive before the content of one entry.
#[derive(Debug)]
struct Entry {
    /// Its whole path; a directory's ends in `/`.
    path: BString,
    kind: EntryKind,
    /// What names the extended header of a tar file; zeros for what is in no repository.
    id: ObjectId,
}
