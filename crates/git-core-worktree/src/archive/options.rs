//! What goes into an archive, and how it looks.

use crate::attributes::OuterAttributes;
use crate::text::LineEnds;
use bstr::{BStr, BString};
use git_core_config::pathspec::Pathspec;
use git_core_object::{BoxError, ObjectId};
use std::path::PathBuf;
use std::sync::Arc;

/// How an archive is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArchiveFormat {
    /// `tar`, with extended headers (pax) where they are needed.
    #[default]
    Tar,
    /// `tar` in gzip, compressed at a level from 0 to 9.
    TarGz {
        /// The level.
        level: u32,
    },
    /// `zip`, compressed at a level from 0 to 9.
    Zip {
        /// The level; nothing is compressed at 0.
        level: u32,
    },
}

/// What goes into an archive, and how it looks.
#[derive(Clone)]
#[non_exhaustive]
pub struct ArchiveOptions {
    /// The form of the archive.
    pub format: ArchiveFormat,
    /// Stands before every path of the tree. One that ends in `/` also becomes an entry.
    pub prefix: BString,
    /// The directory of the tree that is archived, with a `/` at its end; everything if empty. Paths lose it.
    pub within: BString,
    /// Which paths of the tree are archived.
    pub pathspec: Pathspec,
    /// When everything was last changed: seconds since 1970.
    pub mtime: i64,
    /// How far local time is ahead of UTC, in seconds: zip files record times of the place where they are made.
    pub local_offset: i64,
    /// Permissions that entries of a tar file do not have: `tar.umask`.
    pub umask: u32,
    /// The commit, which the archive names.
    pub commit: Option<ObjectId>,
    /// Attributes from outside of the tree.
    pub attributes: OuterAttributes,
    /// Which attributes files count beside those from outside.
    pub attribute_files: AttributeFiles,
    /// What the configuration says of line ends.
    pub line_ends: LineEnds,
    /// Runs filters; files stay as they are without.
    pub filters: Option<Arc<dyn Smudge>>,
    /// Expands `$Format:…$` in files with `export-subst`; they stay as they are without.
    pub expand: Option<Arc<dyn Expand>>,
    /// Larger files are archived as they are stored, whatever their attributes (`core.bigFileThreshold`), in bytes.
    pub big_file: u64,
    /// Drivers of differences that say whether files are binary (`diff.<driver>.binary`), which zip records.
    pub binary_drivers: Vec<(BString, bool)>,
    /// Files beside those of the tree, which come last.
    pub extra: Vec<ExtraFile>,
    /// The most directories within one another; `core.maxTreeDepth`, 2048.
    pub max_depth: usize,
}

impl Default for ArchiveOptions {
    fn default() -> Self {
        ArchiveOptions {
            format: ArchiveFormat::default(),
            prefix: BString::default(),
            within: BString::default(),
            pathspec: Pathspec::default(),
            mtime: 0,
            local_offset: 0,
            umask: 0o002,
            commit: None,
            attributes: OuterAttributes::default(),
            attribute_files: AttributeFiles::default(),
            line_ends: LineEnds::default(),
            filters: None,
            expand: None,
            big_file: 512 << 20,
            binary_drivers: Vec::new(),
            extra: Vec::new(),
            max_depth: 2048,
        }
    }
}

/// Where `.gitattributes` are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AttributeFiles {
    /// In the tree that is archived.
    #[default]
    Tree,
    /// In this working tree: `--worktree-attributes`.
    WorkTree(PathBuf),
    /// Nowhere: `--worktree-attributes` without a working tree.
    None,
}

/// A file that is not in the tree.
#[derive(Clone, Debug)]
pub struct ExtraFile {
    /// Its whole path in the archive.
    pub path: BString,
    /// What it holds.
    pub content: ExtraContent,
}

/// What a file holds that is not in the tree.
#[derive(Clone, Debug)]
pub enum ExtraContent {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What a file on the disk holds; it can be run if that can.
    File(PathBuf),
}

/// Runs filters on contents that leave the repository (`filter` in `gitattributes(5)`).
pub trait Smudge: Send + Sync {
    /// What the filter of this name makes of a file; `None` when there is none of that name, or it failed and need
    /// not succeed.
    ///
    /// # Errors
    /// Whatever hinders a filter that has to succeed.
    fn smudge(&self, filter: &BStr, path: &BStr, content: &[u8]) -> Result<Option<Vec<u8>>, BoxError>;
}

/// Expands placeholders (`export-subst` in `gitattributes(5)`).
pub trait Expand: Send + Sync {
    /// Appends what `format`, which stood between `$Format:` and `$`, says of the commit.
    ///
    /// # Errors
    /// Whatever hinders it.
    fn expand(&self, format: &BStr, out: &mut Vec<u8>) -> Result<(), BoxError>;
}
