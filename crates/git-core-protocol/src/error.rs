//! What can be wrong with bytes from the wire, and how much of it a message may repeat.
//!
//! The machines have their own errors, one per conversation, in which these are sources.

use git_core_object::ErrorKind;
use std::fmt;

/// Text of the other side as far as a message may repeat it: at most [`MAX`](Self::MAX) bytes.
///
/// `Display` gives it as lossy UTF-8 with control characters replaced by `?`, tabs and line ends kept: it may
/// go to a terminal.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt(Box<[u8]>);

impl Excerpt {
    /// The most bytes that are kept.
    pub const MAX: usize = 4096;

    /// Keeps the first bytes of `text`, without white space at its end.
    pub fn new(text: &[u8]) -> Self {
        Excerpt(text[..text.len().min(Self::MAX)].trim_ascii_end().into())
    }

    /// The bytes as they came.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for char in String::from_utf8_lossy(&self.0).chars() {
            f.write_char(if char.is_control() && !matches!(char, '\n' | '\t') { '?' } else { char })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Bytes that are no pkt-line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PktLineError {
    /// The length is not four hexadecimal digits.
    #[error("bad line length characters: '{}'", .0.escape_ascii())]
    Digits([u8; 4]),
    /// The length 3, which means nothing.
    #[error("bad line length 3")]
    Reserved,
    /// A packet that exceeds 65,520 bytes.
    #[error("a packet of {length} bytes, where at most 65520 are allowed")]
    Length {
        /// Its length, four digits included.
        length: usize,
    },
}

impl PktLineError {
    pub(crate) fn digits(input: &[u8]) -> Self {
        let mut digits = [0; 4];
        let shown = input.len().min(4);
        digits[..shown].copy_from_slice(&input[..shown]);
        PktLineError::Digits(digits)
    }

    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Corrupt
    }
}

/// A packet that belongs to no side band.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SidebandError {
    /// A packet without the byte that names its band.
    #[error("a packet without a side band")]
    Empty,
    /// A band that is not 1, 2 or 3.
    #[error("unknown side band {0}")]
    Band(u8),
}

impl SidebandError {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Corrupt
    }
}
