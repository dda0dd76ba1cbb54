//! Reading the entries of a tree in place, as leniently as `git diff-tree` does: modes are reduced to the
//! ones Git knows, and what names mean is left to the object checks.

use crate::{DiffError, Mode};
use git_core_object::ObjectId;
use std::cmp::Ordering;

/// One entry, borrowed from the content of its tree.
#[derive(Clone, Copy)]
pub(crate) struct TreeEntry<'a> {
    pub(crate) mode: Mode,
    pub(crate) name: &'a [u8],
    pub(crate) id: ObjectId,
}

/// The content of a tree and how far it has been read.
pub(crate) struct Entries {
    id: ObjectId,
    content: Vec<u8>,
    /// Where the present entry begins; equal to the length of the content at the end.
    at: usize,
    /// Its mode, the range of its name, and its id, which ends the entry; meaningless at the end.
    mode: Mode,
    name: std::ops::Range<usize>,
}

impl Entries {
    /// Stands before the first entry of the tree `id`.
    pub(crate) fn new(id: ObjectId, content: Vec<u8>) -> Result<Self, DiffError> {
        let mut entries = Entries { id, content, at: 0, mode: Mode::Regular, name: 0..0 };
        entries.parse()?;
        Ok(entries)
    }

    /// The present entry, or nothing behind the last one.
    pub(crate) fn current(&self) -> Option<TreeEntry<'_>> {
        if self.at == self.content.len() {
            return None;
        }
        let raw = &self.content[self.name.end + 1..][..self.id.format().raw_len()];
        let id = ObjectId::from_bytes(self.id.format(), raw).ok()?;
        Some(TreeEntry { mode: self.mode, name: &self.content[self.name.clone()], id })
    }

    /// Goes on to the next entry.
    pub(crate) fn advance(&mut self) -> Result<(), DiffError> {
        if self.at < self.content.len() {
            self.at = self.name.end + 1 + self.id.format().raw_len();
            self.parse()?;
        }
        Ok(())
    }

    /// Gives the buffer back.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.content
    }

    fn parse(&mut self) -> Result<(), DiffError> {
        let rest = &self.content[self.at..];
        if rest.is_empty() {
            return Ok(());
        }
        let bad = |detail| DiffError::CorruptTree { id: self.id, offset: self.at, detail };
        let space = rest.iter().take(8).position(|b| *b == b' ').ok_or_else(|| bad("no mode"))?;
        let bits = rest[..space].iter().try_fold(0u32, |bits, digit| match digit {
            b'0'..=b'7' => Some(bits << 3 | u32::from(digit - b'0')),
            _ => None,
        });
        let bits = bits.filter(|_| space > 0).ok_or_else(|| bad("malformed mode"))?;
        let name = &rest[space + 1..];
        let len = name.iter().position(|b| *b == 0).ok_or_else(|| bad("no end of the name"))?;
        if len == 0 {
            return Err(bad("empty name"));
        }
        if name.len() - len - 1 < self.id.format().raw_len() {
            return Err(bad("no room for the id"));
        }
        self.mode = Mode::from_bits(bits);
        self.name = self.at + space + 1..self.at + space + 1 + len;
        Ok(())
    }
}

/// Git's order of tree entries: as bytes, a directory as though its name ended in a slash.
pub(crate) fn compare(a: &TreeEntry<'_>, b: &TreeEntry<'_>) -> Ordering {
    let common = a.name.len().min(b.name.len());
    a.name[..common].cmp(&b.name[..common]).then_with(|| next_byte(a, common).cmp(&next_byte(b, common)))
}

fn next_byte(entry: &TreeEntry<'_>, at: usize) -> u8 {
    match entry.name.get(at) {
        Some(byte) => *byte,
        None if entry.mode == Mode::Directory => b'/',
        None => 0,
    }
}
