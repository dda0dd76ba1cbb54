//! The mode of a tree entry: what it names, and whether a file may be run.

use crate::Kind;
use std::fmt;

/// The number that stands before an entry's name. Historic numbers such as `100664` are kept as they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EntryMode(u32);

/// What an entry names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// A subdirectory.
    Tree,
    /// A file.
    Blob,
    /// A file that may be run.
    Executable,
    /// A symbolic link; the blob holds its target.
    Link,
    /// A commit of another repository: a submodule.
    Commit,
}

impl EntryMode {
    /// `40000`
    pub const TREE: Self = EntryMode(0o040_000);
    /// `100644`
    pub const BLOB: Self = EntryMode(0o100_644);
    /// `100755`
    pub const EXECUTABLE: Self = EntryMode(0o100_755);
    /// `120000`
    pub const LINK: Self = EntryMode(0o120_000);
    /// `160000`
    pub const COMMIT: Self = EntryMode(0o160_000);

    /// Any number that was read from a tree.
    pub const fn from_raw(mode: u32) -> Self {
        EntryMode(mode)
    }

    /// Reads octal digits, as `mktree` and the index show them.
    pub fn parse(digits: &[u8]) -> Option<Self> {
        let octal =
            !digits.is_empty() && digits.len() <= 7 && digits.iter().all(|d| matches!(d, b'0'..=b'7'));
        octal.then(|| EntryMode(digits.iter().fold(0, |n, d| n << 3 | u32::from(d - b'0'))))
    }

    /// The number as it stands.
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// What git takes the number for: the type bits decide, and for files the owner's right to run them.
    /// A type that is none of the known ones is taken for a submodule, as git does.
    pub const fn kind(self) -> EntryKind {
        match self.0 & 0o170_000 {
            0o040_000 => EntryKind::Tree,
            0o120_000 => EntryKind::Link,
            0o100_000 if self.0 & 0o100 != 0 => EntryKind::Executable,
            0o100_000 => EntryKind::Blob,
            _ => EntryKind::Commit,
        }
    }

    /// The number git writes today for the same kind.
    pub const fn canonical(self) -> Self {
        self.kind().mode()
    }

    /// Whether the entry names a subdirectory.
    pub const fn is_tree(self) -> bool {
        matches!(self.kind(), EntryKind::Tree)
    }

    /// Whether the entry names a file, runnable or not.
    pub const fn is_file(self) -> bool {
        matches!(self.kind(), EntryKind::Blob | EntryKind::Executable)
    }

    /// Whether the entry names a commit of another repository, which is not in this one.
    pub const fn is_submodule(self) -> bool {
        matches!(self.kind(), EntryKind::Commit)
    }
}

impl EntryKind {
    /// The number git writes for it.
    pub const fn mode(self) -> EntryMode {
        match self {
            EntryKind::Tree => EntryMode::TREE,
            EntryKind::Blob => EntryMode::BLOB,
            EntryKind::Executable => EntryMode::EXECUTABLE,
            EntryKind::Link => EntryMode::LINK,
            EntryKind::Commit => EntryMode::COMMIT,
        }
    }

    /// The kind of object the id names.
    pub const fn object(self) -> Kind {
        match self {
            EntryKind::Tree => Kind::Tree,
            EntryKind::Blob | EntryKind::Executable | EntryKind::Link => Kind::Blob,
            EntryKind::Commit => Kind::Commit,
        }
    }
}

impl From<EntryKind> for EntryMode {
    fn from(kind: EntryKind) -> Self {
        kind.mode()
    }
}

/// Octal digits without leading zeros: as trees hold them.
impl fmt::Display for EntryMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:o}", self.0)
    }
}

/// Six octal digits: as `ls-tree` and diffs show them.
impl fmt::Octal for EntryMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06o}", self.0)
    }
}

impl fmt::Debug for EntryMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Octal::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn historic_modes_are_kept_and_understood() {
        for (digits, kind, canonical) in [
            ("100664", EntryKind::Blob, "100644"),
            ("100775", EntryKind::Executable, "100755"),
            ("40755", EntryKind::Tree, "40000"),
            ("120777", EntryKind::Link, "120000"),
            ("160000", EntryKind::Commit, "160000"),
        ] {
            let mode = EntryMode::parse(digits.as_bytes()).unwrap();
            assert_eq!((mode.kind(), mode.to_string()), (kind, digits.to_owned()));
            assert_eq!(mode.canonical().to_string(), canonical);
        }
        assert_eq!(format!("{:o}", EntryMode::TREE), "040000");
        for bad in ["", "8", "12345670", "-1", "x"] {
            assert_eq!(EntryMode::parse(bad.as_bytes()), None);
        }
    }
}
