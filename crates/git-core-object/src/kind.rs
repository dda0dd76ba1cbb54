//! The four kinds of object.

use std::fmt;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A commit: a tree, its parents, who and when, a message.
    Commit,
    /// A tree: one level of a directory.
    Tree,
    /// A blob: the content of a file.
    Blob,
    /// An annotated tag.
    Tag,
}

/// A name that is none of `commit`, `tree`, `blob`, `tag`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid object type \"{}\"", .0.escape_ascii())]
pub struct InvalidKind(pub Vec<u8>);

impl Kind {
    /// The name as object headers spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Commit => "commit",
            Kind::Tree => "tree",
            Kind::Blob => "blob",
            Kind::Tag => "tag",
        }
    }

    /// Reads a name as object headers spell it.
    ///
    /// # Errors
    /// [`InvalidKind`] for any other.
    pub fn from_name(name: &[u8]) -> Result<Self, InvalidKind> {
        match name {
            b"commit" => Ok(Kind::Commit),
            b"tree" => Ok(Kind::Tree),
            b"blob" => Ok(Kind::Blob),
            b"tag" => Ok(Kind::Tag),
            other => Err(InvalidKind(other[..other.len().min(32)].to_vec())),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
