//! What a ref points at, and the content of a file that holds one loose ref.

use crate::{InvalidRefName, RefName};
use git_core_object::{ErrorKind, InvalidId, ObjectFormat, ObjectId};
use std::fmt;

/// What a ref points at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// An object.
    Id(ObjectId),
    /// Another ref.
    Symbolic(RefName),
}

/// The content of a loose ref that is neither an id nor `ref: ` and a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTarget {
    /// It has no content: what a crash leaves behind on some file systems.
    #[error("a ref file without content")]
    Empty,
    /// It does not hold an object id.
    #[error("a ref file that holds no object id")]
    Id(#[from] InvalidId),
    /// It is symbolic, and what it names cannot be a ref.
    #[error("a symbolic ref to a name that cannot be")]
    Name(#[from] InvalidRefName),
    /// It is symbolic and points neither below `refs/` nor at a root ref, or goes on after its id.
    #[error("a ref file with something after the object id")]
    Trailing,
}

impl InvalidTarget {
    /// The class of the error: always [`ErrorKind::Corrupt`].
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Corrupt
    }
}

impl Target {
    /// The id, if it is one.
    pub const fn id(&self) -> Option<ObjectId> {
        match self {
            Target::Id(id) => Some(*id),
            Target::Symbolic(_) => None,
        }
    }

    /// The name of the other ref, if it is one.
    pub const fn symbolic(&self) -> Option<&RefName> {
        match self {
            Target::Symbolic(name) => Some(name),
            Target::Id(_) => None,
        }
    }

    /// Reads the content of a loose ref (`gitrepository-layout(5)`): an id of `format`, or `ref:` and a name.
    ///
    /// As in git, white space may follow an id, then anything (which `FETCH_HEAD` needs).
    ///
    /// # Errors
    /// [`InvalidTarget`].
    pub fn parse_loose(format: ObjectFormat, content: &[u8]) -> Result<Self, InvalidTarget> {
        if content.is_empty() {
            return Err(InvalidTarget::Empty);
        }
        if let Some(name) = content.strip_prefix(b"ref:") {
            return Ok(Target::Symbolic(RefName::new(name.trim_ascii())?));
        }
        let digits = content.len().min(format.hex_len());
        let id = ObjectId::from_hex_of(format, &content[..digits])?;
        match content.get(digits) {
            None => Ok(Target::Id(id)),
            Some(byte) if byte.is_ascii_whitespace() => Ok(Target::Id(id)),
            Some(_) => Err(InvalidTarget::Trailing),
        }
    }

    /// The content of a loose ref, exactly as git writes it.
    pub fn format_loose(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ObjectFormat::MAX_LEN * 2 + 1);
        match self {
            Target::Id(id) => id.write_hex(&mut out),
            Target::Symbolic(name) => {
                out.extend_from_slice(b"ref: ");
                out.extend_from_slice(name.as_bytes());
            }
        }
        out.push(b'\n');
        out
    }
}

impl From<ObjectId> for Target {
    fn from(id: ObjectId) -> Self {
        Target::Id(id)
    }
}

impl From<RefName> for Target {
    fn from(name: RefName) -> Self {
        Target::Symbolic(name)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Id(id) => fmt::Display::fmt(id, f),
            Target::Symbolic(name) => write!(f, "ref: {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loose_refs_of_both_formats() {
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            let target = Target::Id(ObjectId::empty_tree(format));
            let content = target.format_loose();
            assert_eq!(Target::parse_loose(format, &content), Ok(target.clone()));
            assert_eq!(Target::parse_loose(format, content.trim_ascii()), Ok(target));
            let mut trailing = content.trim_ascii().to_vec();
            trailing.push(b'0');
            assert_eq!(Target::parse_loose(format, &trailing), Err(InvalidTarget::Trailing));
            assert!(Target::parse_loose(format, &content[1..]).is_err());
        }
    }

    #[test]
    fn symbolic_refs() {
        let format = ObjectFormat::Sha1;
        let target = Target::Symbolic(RefName::branch("main").unwrap());
        assert_eq!(target.format_loose(), b"ref: refs/heads/main\n");
        for content in [&b"ref: refs/heads/main\n"[..], b"ref:refs/heads/main", b"ref:\t refs/heads/main  \n"]
        {
            assert_eq!(Target::parse_loose(format, content), Ok(target.clone()));
        }
        assert!(Target::parse_loose(format, b"ref: ../config\n").is_err());
        assert!(Target::parse_loose(format, b"ref: config\n").is_err());
        assert_eq!(Target::parse_loose(format, b""), Err(InvalidTarget::Empty));
    }
}
