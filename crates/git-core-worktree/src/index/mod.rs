//! The staging index: what the next commit will hold, and what the files looked like when that was last known
//! to be true. The format is that of `gitformat-index(5)`, versions 2, 3 and 4 when reading, 2 and 3 when
//! writing. The working tree itself is left to [`checkout`](crate::checkout).

mod entry;
mod error;
mod file;
mod read;
mod tree;
mod write;

pub use entry::{EntryFlags, IndexEntry, Stage, Stat, Timestamp};
pub use error::IndexError;
pub use file::IndexLock;
pub use read::MAX_EXPANSION;
pub use tree::{CachedTree, CachedTrees};

use bstr::{BStr, ByteSlice};
use git_core_object::ObjectFormat;
use std::cmp::Ordering;
use std::path::Path;

/// The content of an index file. Entries are in order of path, as bytes, then of stage, and no two are equal
/// in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    format: ObjectFormat,
    entries: Vec<IndexEntry>,
    trees: Option<CachedTrees>,
    timestamp: Option<Timestamp>,
}

impl Index {
    /// An index without entries.
    pub fn new(format: ObjectFormat) -> Self {
        Index { format, entries: Vec::new(), trees: None, timestamp: None }
    }

    /// An index of these entries, in whatever order they come; of two for the same path and stage the later
    /// one stays.
    pub fn from_entries(format: ObjectFormat, mut entries: Vec<IndexEntry>) -> Self {
        if !entries.is_sorted_by(|a, b| order(a, b).is_lt()) {
            entries.reverse();
            entries.sort_by(order);
            entries.dedup_by(|a, b| order(a, b).is_eq());
        }
        Index { format, entries, trees: None, timestamp: None }
    }

    /// Reads the bytes of an index file.
    ///
    /// # Errors
    /// [`IndexError::Corrupt`], [`IndexError::Unsupported`], [`IndexError::TooLarge`].
    pub fn parse(format: ObjectFormat, bytes: &[u8]) -> Result<Self, IndexError> {
        read::parse(format, bytes)
    }

    /// Reads an index file; a file that is not there is an empty index, as it is to git.
    ///
    /// # Errors
    /// [`IndexError::Io`], and what [`parse`](Self::parse) answers.
    pub fn open(format: ObjectFormat, path: &Path) -> Result<Self, IndexError> {
        file::open(format, path)
    }

    /// The hash function of the ids in it.
    pub fn format(&self) -> ObjectFormat {
        self.format
    }

    /// All entries, in order.
    pub fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// The entry of a path that is not in conflict.
    pub fn get(&self, path: impl AsRef<[u8]>) -> Option<&IndexEntry> {
        self.position(path.as_ref().as_bstr(), Stage::Normal).ok().map(|at| &self.entries[at])
    }

    /// Puts an entry in its place, in place of one that is equal in path and stage.
    pub fn insert(&mut self, entry: IndexEntry) {
        self.invalidate(entry.path.as_bstr());
        match self.position(entry.path.as_bstr(), entry.flags.stage) {
            Ok(at) => self.entries[at] = entry,
            Err(at) => self.entries.insert(at, entry),
        }
    }

    /// Takes the entries of a path out, all stages of it, and answers whether there were any.
    pub fn remove(&mut self, path: impl AsRef<[u8]>) -> bool {
        let path = path.as_ref();
        let start = self.entries.partition_point(|entry| &entry.path[..] < path);
        let len = self.entries[start..].iter().take_while(|entry| entry.path == path).count();
        self.entries.drain(start..start + len);
        if len > 0 {
            self.invalidate(path.as_bstr());
        }
        len > 0
    }

    /// The trees that parts of the index are known to be equal to.
    pub fn trees(&self) -> Option<&CachedTrees> {
        self.trees.as_ref()
    }

    /// Says which trees parts of the index are equal to. Nothing checks that they are.
    pub fn set_trees(&mut self, trees: Option<CachedTrees>) {
        self.trees = trees;
    }

    /// When the file that this was read from was last written. An entry whose file is not older may have
    /// changed since without its [`Stat`] telling; see `racy-git` in git's technical documentation.
    pub fn timestamp(&self) -> Option<Timestamp> {
        self.timestamp
    }

    /// Appends the bytes of the index file: version 3 if an entry needs it, version 2 otherwise.
    pub fn encode(&self, out: &mut Vec<u8>) {
        write::encode(self, out);
    }

    fn position(&self, path: &BStr, stage: Stage) -> Result<usize, usize> {
        self.entries
            .binary_search_by(|entry| entry.path[..].cmp(path).then_with(|| entry.flags.stage.cmp(&stage)))
    }

    fn invalidate(&mut self, path: &BStr) {
        if let Some(trees) = &mut self.trees {
            trees.invalidate(path);
        }
    }
}

fn order(a: &IndexEntry, b: &IndexEntry) -> Ordering {
    a.path.cmp(&b.path).then_with(|| a.flags.stage.cmp(&b.flags.stage))
}
