//! Trees to be written: entries are kept by name, checked when they come and sorted when they are written.

use super::{EntryMode, entry_order};
use crate::{CollisionDetected, ErrorKind, Kind, ObjectFormat, ObjectId};
use bstr::{BStr, BString, ByteSlice};
use std::collections::BTreeMap;

/// An entry of a tree, owned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TreeEntry {
    /// What the entry is.
    pub mode: EntryMode,
    /// One component of a path.
    pub name: BString,
    /// The id of what the entry names.
    pub id: ObjectId,
}

/// An entry that no tree can have, or not beside those it has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEntry {
    /// The name is empty, or has a `/` or NUL inside.
    #[error("'{}' cannot be the name of a tree entry", .name.escape_ascii())]
    Name {
        /// The name.
        name: BString,
    },
    /// An entry of this name is there already.
    #[error("the tree has an entry '{name}' already")]
    Duplicate {
        /// The name.
        name: BString,
    },
    /// The id is not one of the tree's format.
    #[error("the id {id} of entry '{name}' is not a {format} id")]
    Format {
        /// The name.
        name: BString,
        /// The id.
        id: ObjectId,
        /// The format of the tree.
        format: ObjectFormat,
    },
}

impl InvalidEntry {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            InvalidEntry::Duplicate { .. } => ErrorKind::Conflict,
            _ => ErrorKind::Invalid,
        }
    }
}

/// A tree to be written.
///
/// ```
/// use git_core_object::{Blob, EntryKind, ObjectFormat, Tree};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let format = ObjectFormat::Sha1;
/// let mut tree = Tree::new(format);
/// tree.add("greeting", EntryKind::Blob, Blob::from_bytes("hello\n").id(format)?)?;
/// assert_eq!(tree.id()?.to_hex(), "9fbac661424a5e1e7fb9c1a6a516b58fc701f2f0");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    format: ObjectFormat,
    entries: BTreeMap<BString, (EntryMode, ObjectId)>,
}

impl Tree {
    /// A tree without entries.
    pub const fn new(format: ObjectFormat) -> Self {
        Tree { format, entries: BTreeMap::new() }
    }

    /// A tree of these entries, which may come in any order.
    ///
    /// # Errors
    /// [`InvalidEntry`] as [`insert`](Self::insert).
    pub fn from_entries(
        format: ObjectFormat,
        entries: impl IntoIterator<Item = TreeEntry>,
    ) -> Result<Self, InvalidEntry> {
        let mut tree = Tree::new(format);
        for entry in entries {
            tree.insert(entry)?;
        }
        Ok(tree)
    }

    /// Adds an entry of a name that is not there yet.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn add(
        &mut self,
        name: impl AsRef<[u8]>,
        mode: impl Into<EntryMode>,
        id: ObjectId,
    ) -> Result<(), InvalidEntry> {
        self.insert(TreeEntry { mode: mode.into(), name: name.as_ref().into(), id })
    }

    /// Adds an entry of a name that is not there yet.
    ///
    /// # Errors
    /// [`InvalidEntry`] when the name or the id cannot be, or the name is there already.
    pub fn insert(&mut self, entry: TreeEntry) -> Result<(), InvalidEntry> {
        if self.entries.contains_key(&entry.name) {
            return Err(InvalidEntry::Duplicate { name: entry.name });
        }
        self.replace(entry).map(drop)
    }

    /// Adds an entry in the place of whatever had its name; gives back what had it.
    ///
    /// # Errors
    /// [`InvalidEntry`] when the name or the id cannot be.
    pub fn replace(&mut self, entry: TreeEntry) -> Result<Option<TreeEntry>, InvalidEntry> {
        let TreeEntry { mode, name, id } = entry;
        if name.is_empty() || name.iter().any(|b| matches!(b, b'/' | 0)) {
            return Err(InvalidEntry::Name { name });
        }
        if id.format() != self.format {
            return Err(InvalidEntry::Format { name, id, format: self.format });
        }
        let before = self.entries.insert(name.clone(), (mode, id));
        Ok(before.map(|(mode, id)| TreeEntry { mode, name, id }))
    }

    /// Takes the entry of this name away.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> Option<TreeEntry> {
        let (name, (mode, id)) = self.entries.remove_entry(name.as_ref().as_bstr())?;
        Some(TreeEntry { mode, name, id })
    }

    /// Mode and id of the entry of this name.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<(EntryMode, ObjectId)> {
        self.entries.get(name.as_ref().as_bstr()).copied()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The hash function of the ids in it.
    pub const fn format(&self) -> ObjectFormat {
        self.format
    }

    /// The entries, ordered by name as bytes (which differs from the order they are written in).
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&BStr, EntryMode, ObjectId)> {
        self.entries.iter().map(|(name, (mode, id))| (name.as_bstr(), *mode, *id))
    }

    /// Appends the content of the tree object to `out`, entries in git's order.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut entries: Vec<_> = self.iter().collect();
        entries.sort_by(|l, r| entry_order((l.0, l.1.kind()), (r.0, r.1.kind())));
        for (name, mode, id) in entries {
            write_mode(mode, out);
            out.push(b' ');
            out.extend_from_slice(name);
            out.push(0);
            out.extend_from_slice(id.as_bytes());
        }
    }

    /// The content of the tree object.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len() * (self.format.raw_len() + 24));
        self.encode(&mut out);
        out
    }

    /// The id of the tree as it is now.
    ///
    /// # Errors
    /// [`CollisionDetected`] when the content bears the marks of a SHA-1 collision attack.
    pub fn id(&self) -> Result<ObjectId, CollisionDetected> {
        ObjectId::hash(self.format, Kind::Tree, &self.to_bytes())
    }
}

fn write_mode(mode: EntryMode, out: &mut Vec<u8>) {
    let mode = mode.raw();
    let digits = (32 - mode.leading_zeros()).div_ceil(3).max(1);
    out.extend((0..digits).rev().map(|digit| b'0' + (mode >> (3 * digit) & 7) as u8));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EntryKind, TreeRef};

    #[test]
    fn entries_are_sorted_as_git_does() {
        let id = ObjectId::empty_blob(ObjectFormat::Sha256);
        let mut tree = Tree::new(ObjectFormat::Sha256);
        for (name, kind) in [("a", EntryKind::Tree), ("a.b", EntryKind::Blob), ("a0", EntryKind::Link)] {
            tree.add(name, kind, id).unwrap();
        }
        let content = tree.to_bytes();
        let read = TreeRef::new(ObjectFormat::Sha256, &content);
        let names: Vec<_> = read.iter().map(|e| e.unwrap().name.to_string()).collect();
        assert_eq!(names, ["a.b", "a", "a0"]);
        assert_eq!(read.to_owned().unwrap(), tree);
    }

    #[test]
    fn what_no_tree_can_have_is_refused() {
        let id = ObjectId::empty_blob(ObjectFormat::Sha1);
        let mut tree = Tree::new(ObjectFormat::Sha1);
        tree.add("a", EntryKind::Blob, id).unwrap();
        assert!(matches!(tree.add("a", EntryKind::Tree, id), Err(InvalidEntry::Duplicate { .. })));
        for name in ["", "a/b", "a\0"] {
            assert!(matches!(tree.add(name, EntryKind::Blob, id), Err(InvalidEntry::Name { .. })));
        }
        let other = ObjectId::empty_blob(ObjectFormat::Sha256);
        assert!(matches!(tree.add("b", EntryKind::Blob, other), Err(InvalidEntry::Format { .. })));
        assert_eq!(tree.remove("a").unwrap().id, id);
        assert!(tree.is_empty());
    }
}
