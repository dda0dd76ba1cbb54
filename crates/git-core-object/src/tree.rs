//! Trees: one level of a directory. Reading is done in place, building sorts and checks.
//!
//! An entry is the mode in octal digits, a space, the name, a NUL and the raw id. Whether a tree is one git
//! would call sound is left to [`check`](crate::check); which names a working tree may have, to
//! [`path`](crate::path).

mod build;
mod mode;

pub use build::{InvalidEntry, Tree, TreeEntry};
pub use mode::{EntryKind, EntryMode};

use crate::{DecodeError, Kind, ObjectFormat, ObjectId, Objects, ReadError};
use bstr::{BStr, ByteSlice};
use std::cmp::Ordering;

/// A tree as it stands in its object; nothing is read before it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeRef<'a> {
    format: ObjectFormat,
    content: &'a [u8],
}

/// An entry of a tree as it stands in its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeEntryRef<'a> {
    /// What the entry is.
    pub mode: EntryMode,
    /// The digits of the mode as they stand: historic trees have leading zeros.
    pub mode_text: &'a BStr,
    /// The name, without any `/` in sound trees.
    pub name: &'a BStr,
    /// The id of what the entry names.
    pub id: ObjectId,
}

impl TreeEntryRef<'_> {
    /// The same, owned. Leading zeros of the mode are not kept.
    pub fn to_owned(&self) -> TreeEntry {
        TreeEntry { mode: self.mode, name: self.name.into(), id: self.id }
    }
}

impl<'a> TreeRef<'a> {
    /// Takes the content of a tree object.
    pub const fn new(format: ObjectFormat, content: &'a [u8]) -> Self {
        TreeRef { format, content }
    }

    /// The content it was made of.
    pub const fn raw(&self) -> &'a [u8] {
        self.content
    }

    /// The hash function of the ids in it.
    pub const fn format(&self) -> ObjectFormat {
        self.format
    }

    /// The entries as they stand. An error ends the iteration.
    pub fn iter(&self) -> Entries<'a> {
        Entries { format: self.format, rest: self.content, whole: self.content.len() }
    }

    /// The entry of this name, if there is one.
    ///
    /// # Errors
    /// [`DecodeError`] when an entry before it cannot be read.
    pub fn find(&self, name: impl AsRef<[u8]>) -> Result<Option<TreeEntryRef<'a>>, DecodeError> {
        let name = name.as_ref().as_bstr();
        for entry in self.iter() {
            let entry = entry?;
            if entry.name == name {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// An owned tree of the same entries.
    ///
    /// # Errors
    /// [`DecodeError`] when an entry cannot be read, or could not be in any sound tree: a name twice, empty, or
    /// with a `/` inside.
    pub fn to_owned(&self) -> Result<Tree, DecodeError> {
        let mut tree = Tree::new(self.format);
        let mut entries = self.iter();
        loop {
            let offset = entries.offset();
            let Some(entry) = entries.next() else { return Ok(tree) };
            tree.insert(entry?.to_owned()).map_err(|invalid| DecodeError::TreeEntry {
                offset,
                detail: match invalid {
                    InvalidEntry::Duplicate { .. } => "its name was there before",
                    _ => "its name is empty or has a slash",
                },
            })?;
        }
    }
}

impl<'a> IntoIterator for TreeRef<'a> {
    type Item = Result<TreeEntryRef<'a>, DecodeError>;
    type IntoIter = Entries<'a>;

    fn into_iter(self) -> Entries<'a> {
        self.iter()
    }
}

/// The entries of a tree as they stand.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    format: ObjectFormat,
    rest: &'a [u8],
    whole: usize,
}

impl<'a> Entries<'a> {
    /// Where the next entry begins, in bytes from the start of the content.
    pub const fn offset(&self) -> usize {
        self.whole - self.rest.len()
    }

    fn entry(&mut self) -> Result<TreeEntryRef<'a>, &'static str> {
        let mut mode = 0u32;
        let mut digits = 0;
        loop {
            match self.rest.get(digits) {
                Some(digit @ b'0'..=b'7') if mode < 1 << 18 => mode = mode << 3 | u32::from(digit - b'0'),
                Some(b' ') if digits > 0 => break,
                Some(b'0'..=b'7') => return Err("its mode is too large"),
                Some(_) => return Err("its mode is not a number"),
                None => return Err("it ends within its mode"),
            }
            digits += 1;
        }
        let behind = &self.rest[digits + 1..];
        let end = behind.find_byte(0).ok_or("its name has no end")?;
        let id_end = end + 1 + self.format.raw_len();
        let raw = behind.get(end + 1..id_end).ok_or("it ends within its id")?;
        let entry = TreeEntryRef {
            mode: EntryMode::from_raw(mode),
            mode_text: self.rest[..digits].as_bstr(),
            name: behind[..end].as_bstr(),
            id: ObjectId::from_bytes(self.format, raw).expect("as many bytes as the format has"),
        };
        self.rest = &behind[id_end..];
        Ok(entry)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<TreeEntryRef<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let offset = self.offset();
        let entry = self.entry();
        if entry.is_err() {
            self.rest = &[];
        }
        Some(entry.map_err(|detail| DecodeError::TreeEntry { offset, detail }))
    }
}

impl std::iter::FusedIterator for Entries<'_> {}

/// The order of entries in a tree: as bytes, where the name of a tree counts as if a `/` stood behind it.
pub fn entry_order(left: (&[u8], EntryKind), right: (&[u8], EntryKind)) -> Ordering {
    let common = left.0.len().min(right.0.len());
    let end = |(name, kind): (&[u8], EntryKind)| match name.get(common) {
        Some(byte) => Some(*byte),
        None => (kind == EntryKind::Tree).then_some(b'/'),
    };
    left.0[..common].cmp(&right.0[..common]).then_with(|| end(left).cmp(&end(right)))
}

/// Follows `path`, whose components are parted by `/`, down from the tree `root`. Gives the entry it leads to,
/// or `None` when a component is not there or is no tree. An empty component (as of a trailing `/`) is skipped;
/// an empty path leads nowhere.
///
/// # Errors
/// [`ReadError`] when a tree on the way is missing, is no tree, or cannot be read.
pub fn lookup<O: Objects + ?Sized>(
    objects: &O,
    root: &ObjectId,
    path: impl AsRef<[u8]>,
) -> Result<Option<TreeEntry>, ReadError> {
    let mut content = Vec::new();
    let mut found: Option<TreeEntry> = None;
    for component in path.as_ref().split(|b| *b == b'/').filter(|c| !c.is_empty()) {
        let id = match &found {
            Some(entry) if !entry.mode.is_tree() => return Ok(None),
            Some(entry) => entry.id,
            None => *root,
        };
        let actual = objects.require(&id, &mut content)?;
        if actual != Kind::Tree {
            return Err(ReadError::WrongKind { id, expected: Kind::Tree, actual });
        }
        let tree = TreeRef::new(id.format(), &content);
        match tree.find(component).map_err(|err| ReadError::corrupt(format!("tree {id}"), err))? {
            Some(entry) => found = Some(entry.to_owned()),
            None => return Ok(None),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(mode: &str, name: &str, format: ObjectFormat) -> Vec<u8> {
        [mode.as_bytes(), b" ", name.as_bytes(), b"\0", &vec![7; format.raw_len()][..]].concat()
    }

    #[test]
    fn entries_are_read_as_they_stand() {
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            let content = [entry("100664", "a", format), entry("040000", "b/\n", format)].concat();
            let entries: Vec<_> = TreeRef::new(format, &content).iter().map(Result::unwrap).collect();
            assert_eq!(entries[0].mode.raw(), 0o100_664);
            assert_eq!((entries[1].mode_text, entries[1].name), ("040000".into(), "b/\n".into()));
            assert_eq!(entries[1].mode.kind(), EntryKind::Tree);
        }
    }

    #[test]
    fn every_cut_is_an_error_that_ends_the_iteration() {
        let format = ObjectFormat::Sha1;
        let content = entry("100644", "file", format);
        for cut in 1..content.len() {
            let mut entries = TreeRef::new(format, &content[..cut]).iter();
            assert!(matches!(entries.next(), Some(Err(DecodeError::TreeEntry { offset: 0, .. }))));
            assert!(entries.next().is_none());
        }
        for bad in ["", "8", "10064a", "7777777777", " "] {
            assert!(TreeRef::new(format, &entry(bad, "x", format)).iter().next().unwrap().is_err());
        }
    }

    #[test]
    fn trees_are_ordered_as_if_a_slash_stood_behind_them() {
        use EntryKind::{Blob, Tree};
        let order = |l: (&str, EntryKind), r: (&str, EntryKind)| {
            entry_order((l.0.as_bytes(), l.1), (r.0.as_bytes(), r.1))
        };
        assert_eq!(order(("a", Tree), ("a.b", Blob)), Ordering::Greater);
        assert_eq!(order(("a", Blob), ("a.b", Blob)), Ordering::Less);
        assert_eq!(order(("a", Tree), ("a0", Blob)), Ordering::Less);
        assert_eq!(order(("a", Blob), ("a", Tree)), Ordering::Less);
        assert_eq!(order(("a", Tree), ("a", Tree)), Ordering::Equal);
    }
}
