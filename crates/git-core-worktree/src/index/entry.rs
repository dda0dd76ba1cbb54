//! One entry of the index: a path, what is staged there, and what its file looked like.

use bstr::BString;
use git_core_object::{EntryMode, ObjectId};

/// A path that is staged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// From the top of the working tree, with slashes.
    pub path: BString,
    /// What it is; never a tree, except in a sparse index.
    pub mode: EntryMode,
    /// The blob, or the commit of a submodule.
    pub id: ObjectId,
    /// What the file looked like when it was last known to hold that blob.
    pub stat: Stat,
    /// The stage, and remarks.
    pub flags: EntryFlags,
}

/// What is known of an entry beside path and content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct EntryFlags {
    /// Which side of a conflict it is.
    pub stage: Stage,
    /// The file is taken for unchanged unseen: `git update-index --assume-unchanged`.
    pub assume_valid: bool,
    /// The file is not in the working tree, nor is it missed.
    pub skip_worktree: bool,
    /// Only the path is staged, the content is still to come: `git add -N`.
    pub intent_to_add: bool,
}

impl EntryFlags {
    /// Whether the entry takes version 3 of the format.
    pub(crate) fn is_extended(self) -> bool {
        self.skip_worktree || self.intent_to_add
    }
}

/// Which side of a conflict an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Stage {
    /// No conflict.
    #[default]
    Normal,
    /// What both sides come from.
    Base,
    /// This side.
    Ours,
    /// The other side.
    Theirs,
}

impl Stage {
    pub(crate) const fn from_bits(bits: u16) -> Self {
        match bits & 3 {
            0 => Stage::Normal,
            1 => Stage::Base,
            2 => Stage::Ours,
            _ => Stage::Theirs,
        }
    }
}

/// A time as the index stores it: seconds since 1970, cut to 32 bits, and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Timestamp {
    /// Seconds.
    pub seconds: u32,
    /// Nanoseconds of the second.
    pub nanoseconds: u32,
}

/// What `lstat(2)` says of a file, each number cut to 32 bits. All zero means that nothing is known, and git
/// will compare the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Stat {
    /// When name, owner or mode were last changed.
    pub ctime: Timestamp,
    /// When the content was last changed.
    pub mtime: Timestamp,
    /// The device.
    pub dev: u32,
    /// The inode.
    pub ino: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Bytes of content.
    pub size: u32,
}
