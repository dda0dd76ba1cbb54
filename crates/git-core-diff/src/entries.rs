//! Reading the entries of a tree in place and one after the other, as leniently as `git diff-tree` does: what
//! modes and names mean is left to the object checks.

use crate::DiffError;
use git_core_object::{DecodeError, EntryKind, ObjectId, TreeRef};
use std::ops::Range;

/// One entry, borrowed from the content of its tree.
#[derive(Clone, Copy)]
pub(crate) struct NamedEntry<'a> {
    pub(crate) kind: EntryKind,
    pub(crate) name: &'a [u8],
    pub(crate) id: ObjectId,
}

/// The content of a tree and how far it has been read.
pub(crate) struct Entries {
    tree: ObjectId,
    content: Vec<u8>,
    current: Option<Position>,
    /// Where the entry behind the current one begins.
    next: usize,
}

/// An entry, its name as a range of the content.
struct Position {
    kind: EntryKind,
    name: Range<usize>,
    id: ObjectId,
}

impl Entries {
    /// Stands at the first entry of the tree.
    pub(crate) fn new(tree: ObjectId, content: Vec<u8>) -> Result<Self, DiffError> {
        let mut entries = Entries { tree, content, current: None, next: 0 };
        entries.advance()?;
        Ok(entries)
    }

    /// The present entry, or nothing behind the last one.
    pub(crate) fn current(&self) -> Option<NamedEntry<'_>> {
        let Position { kind, name, id } = self.current.as_ref()?;
        Some(NamedEntry { kind: *kind, name: &self.content[name.clone()], id: *id })
    }

    /// Goes on to the next entry.
    pub(crate) fn advance(&mut self) -> Result<(), DiffError> {
        let start = self.next;
        let mut rest = TreeRef::new(self.tree.format(), &self.content[start..]).iter();
        self.current = match rest.next() {
            None => None,
            Some(Ok(entry)) if !entry.name.is_empty() => {
                let name = start + entry.mode_text.len() + 1;
                Some(Position { kind: entry.mode.kind(), name: name..name + entry.name.len(), id: entry.id })
            }
            Some(Ok(_)) => return Err(self.corrupt("its name is empty")),
            Some(Err(DecodeError::TreeEntry { detail, .. })) => return Err(self.corrupt(detail)),
            Some(Err(_)) => return Err(self.corrupt("it is not an entry")),
        };
        self.next += rest.offset();
        Ok(())
    }

    /// Gives the buffer back.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.content
    }

    fn corrupt(&self, detail: &'static str) -> DiffError {
        DiffError::CorruptTree { id: self.tree, offset: self.next, detail }
    }
}
