//! Refspecs: which refs of one side become which refs of the other.
//!
//! `gitglossary(7)`, `git-fetch(1)` and `git-push(1)` describe them. A [`Refspec`] is parsed once; [`fetch`]
//! and [`push`] apply a list of them to the refs that exist. Reading them from configuration is left to others.

mod fetch;
mod parse;
mod push;
mod short;

pub use fetch::{FetchMapping, FetchSource, excludes, fetch, ref_prefixes, sources, tracking};
pub use parse::InvalidRefspec;
pub use push::{PushMapping, PushSource, push, source_of};
pub use short::{SHORT_NAME_RULES, expand, resolve};

use crate::RefName;
use bstr::{BStr, BString, ByteSlice as _};
use git_core_object::{ErrorKind, ObjectId};
use std::fmt;

/// Which way objects go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The source is on the other side, the destination is ours.
    Fetch,
    /// The source is ours, the destination on the other side.
    Push,
}

/// One refspec.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refspec {
    direction: Direction,
    force: bool,
    side: Side,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Side {
    /// `^src`: what the others select, but not this.
    Negative { src: BString },
    /// `:` in a push: branches of the same name on both sides.
    Matching,
    /// `:dst` in a push.
    Delete { dst: BString },
    /// An object id, in a fetch.
    Id { src: ObjectId, dst: Option<BString> },
    /// One name.
    Name { src: BString, dst: Option<BString> },
    /// Names with one `*`.
    Pattern { src: Pattern, dst: Option<Pattern> },
}

/// A name with one `*`, which stands for any bytes, slashes included.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pattern {
    text: BString,
    star: usize,
}

impl Pattern {
    fn new(text: &[u8]) -> Option<Self> {
        Some(Pattern { star: text.find_byte(b'*')?, text: text.into() })
    }

    /// What the `*` stands for in `name`, if that matches.
    fn matched<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        let (before, after) = (&self.text[..self.star], &self.text[self.star + 1..]);
        name.strip_prefix(before)?.strip_suffix(after)
    }

    fn fill(&self, star: &[u8]) -> Vec<u8> {
        [&self.text[..self.star], star, &self.text[self.star + 1..]].concat()
    }
}

impl Refspec {
    /// Which way it is meant.
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// Whether it began with `+`: updates that are no fast-forward are wanted too.
    pub const fn is_force(&self) -> bool {
        self.force
    }

    /// Whether it began with `^`: it only takes away from what the others select.
    pub const fn is_negative(&self) -> bool {
        matches!(self.side, Side::Negative { .. })
    }

    /// Whether it is `:` in a push: branches that both sides have.
    pub const fn is_matching(&self) -> bool {
        matches!(self.side, Side::Matching)
    }

    /// Whether it deletes its destination.
    pub const fn is_deletion(&self) -> bool {
        matches!(self.side, Side::Delete { .. })
    }

    /// Whether it has a `*`.
    pub fn is_pattern(&self) -> bool {
        match &self.side {
            Side::Pattern { .. } => true,
            Side::Negative { src } => src.contains(&b'*'),
            _ => false,
        }
    }

    /// The object id, when that is the source of a fetch.
    pub const fn exact_id(&self) -> Option<ObjectId> {
        match &self.side {
            Side::Id { src, .. } => Some(*src),
            _ => None,
        }
    }

    /// The source as it was written; `HEAD` where a fetch names none. None for an id, `:` and deletions.
    pub fn src(&self) -> Option<&BStr> {
        match &self.side {
            Side::Negative { src } | Side::Name { src, .. } => Some(src.as_bstr()),
            Side::Pattern { src, .. } => Some(src.text.as_bstr()),
            Side::Matching | Side::Delete { .. } | Side::Id { .. } => None,
        }
    }

    /// The destination as it was written, if there is one.
    pub fn dst(&self) -> Option<&BStr> {
        match &self.side {
            Side::Delete { dst } => Some(dst.as_bstr()),
            Side::Id { dst, .. } | Side::Name { dst, .. } => dst.as_ref().map(|dst| dst.as_bstr()),
            Side::Pattern { dst, .. } => dst.as_ref().map(|dst| dst.text.as_bstr()),
            Side::Negative { .. } | Side::Matching => None,
        }
    }

    /// Whether this negative refspec takes `name` away.
    fn excludes(&self, name: &[u8]) -> bool {
        match &self.side {
            Side::Negative { src } => match Pattern::new(src) {
                Some(pattern) => pattern.matched(name).is_some(),
                None => src == name,
            },
            _ => false,
        }
    }
}

fn excluded(specs: &[Refspec], name: &[u8]) -> bool {
    specs.iter().any(|spec| spec.excludes(name))
}

impl fmt::Display for Refspec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.force {
            f.write_str("+")?;
        }
        match &self.side {
            Side::Negative { src } => return write!(f, "^{src}"),
            Side::Matching => return f.write_str(":"),
            Side::Delete { .. } => {}
            Side::Id { src, .. } => write!(f, "{src}")?,
            Side::Name { src, .. } => write!(f, "{src}")?,
            Side::Pattern { src, .. } => write!(f, "{}", src.text)?,
        }
        match self.dst() {
            Some(dst) => write!(f, ":{dst}"),
            None => Ok(()),
        }
    }
}

/// Refspecs that do not fit the refs that exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// The other side has no such ref.
    #[error("couldn't find remote ref {name}")]
    NoRemoteRef {
        /// As the refspec spells it.
        name: BString,
    },
    /// Two refs would be stored in one.
    #[error("Cannot fetch both {first} and {second} to {dst}")]
    Collision {
        /// The destination.
        dst: RefName,
        /// One source.
        first: String,
        /// The other.
        second: String,
    },
    /// The destination is short, and nothing says what it is short for.
    #[error(
        "the destination '{dst}' is not a full ref name, and neither it nor the source says which is meant"
    )]
    Unqualified {
        /// As the refspec spells it.
        dst: BString,
    },
    /// A short name stands for more than one ref.
    #[error("'{name}' matches more than one ref")]
    Ambiguous {
        /// As the refspec spells it.
        name: BString,
    },
    /// The source of a push is no local ref, so that its destination has to be named.
    #[error("src refspec {src} does not match any")]
    NoLocalRef {
        /// As the refspec spells it.
        src: BString,
    },
    /// A destination that no ref can be called.
    #[error(transparent)]
    Name(#[from] crate::InvalidRefName),
}

impl MappingError {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            MappingError::NoRemoteRef { .. } | MappingError::NoLocalRef { .. } => ErrorKind::NotFound,
            _ => ErrorKind::Invalid,
        }
    }
}
