//! Which hash function a repository uses, and the value such a function gives.

use std::fmt;
use std::str::FromStr;

/// The hash function that names a repository's objects: a value read from the repository or the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ObjectFormat {
    /// SHA-1, 20 bytes, always with collision detection where content is hashed.
    #[default]
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
}

/// A name of a hash function that is neither `sha1` nor `sha256`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown object format '{0}' (known are 'sha1' and 'sha256')")]
pub struct UnknownFormat(pub String);

impl ObjectFormat {
    /// The longest digest of any format, in bytes.
    pub const MAX_LEN: usize = 32;

    /// The length of a digest in bytes.
    pub const fn raw_len(self) -> usize {
        match self {
            ObjectFormat::Sha1 => 20,
            ObjectFormat::Sha256 => 32,
        }
    }

    /// The length of a digest in hexadecimal digits.
    pub const fn hex_len(self) -> usize {
        self.raw_len() * 2
    }

    /// The name that `extensions.objectFormat` and the `object-format` capability use.
    pub const fn name(self) -> &'static str {
        match self {
            ObjectFormat::Sha1 => "sha1",
            ObjectFormat::Sha256 => "sha256",
        }
    }

    /// The number that pack companions (`.rev`, multi-pack-index, commit-graph) store: 1 or 2.
    pub const fn number(self) -> u8 {
        match self {
            ObjectFormat::Sha1 => 1,
            ObjectFormat::Sha256 => 2,
        }
    }

    /// The format whose digests have this many hexadecimal digits, if any.
    pub const fn from_hex_len(digits: usize) -> Option<Self> {
        match digits {
            40 => Some(ObjectFormat::Sha1),
            64 => Some(ObjectFormat::Sha256),
            _ => None,
        }
    }
}

impl FromStr for ObjectFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        match name {
            "sha1" => Ok(ObjectFormat::Sha1),
            "sha256" => Ok(ObjectFormat::Sha256),
            other => Err(UnknownFormat(other.to_owned())),
        }
    }
}

impl fmt::Display for ObjectFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The value a hash function gave: 20 or 32 bytes, with the format they belong to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    bytes: [u8; ObjectFormat::MAX_LEN],
    format: ObjectFormat,
}

impl Digest {
    /// Takes exactly `format.raw_len()` bytes; any other length gives `None`.
    pub fn from_bytes(format: ObjectFormat, raw: &[u8]) -> Option<Self> {
        if raw.len() != format.raw_len() {
            return None;
        }
        let mut bytes = [0; ObjectFormat::MAX_LEN];
        bytes[..raw.len()].copy_from_slice(raw);
        Some(Digest { bytes, format })
    }

    /// The digest's bytes, as many as its format has.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.format.raw_len()]
    }

    /// The format the digest belongs to.
    pub const fn format(&self) -> ObjectFormat {
        self.format
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.as_bytes() {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}
