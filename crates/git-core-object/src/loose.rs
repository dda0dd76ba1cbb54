//! Loose objects: one object in one zlib stream, its kind and size in front of its content.
//!
//! Bytes in, bytes out: files and their names are left to storage. The experimental form that git wrote for a
//! while in 2006 and 2007 is not read.

mod decode;
mod encode;

pub use decode::{LooseDecoder, LooseError, Step, decode, decode_header};
pub use encode::{LooseEncoder, encode};

use crate::{Header, Kind};

/// The longest header there can be: `commit `, twenty digits and the NUL, with some room.
pub const MAX_HEADER_LEN: usize = 32;

/// How hard to compress; git's `core.looseCompression`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(u32);

impl Level {
    /// A level from 0 (none) to 9 (best); others are clamped to these.
    pub fn new(level: u32) -> Self {
        Level(level.min(9))
    }

    pub(crate) fn compression(self) -> flate2::Compression {
        flate2::Compression::new(self.0)
    }
}

/// 1: the fastest, which is git's default for loose objects.
impl Default for Level {
    fn default() -> Self {
        Level(1)
    }
}

/// Appends `<kind> <size>` and a NUL to `out`: what loose objects begin with, and what every object's id covers.
pub fn write_header(header: Header, out: &mut Vec<u8>) {
    out.extend_from_slice(header.kind.name().as_bytes());
    out.push(b' ');
    out.extend_from_slice(header.size.to_string().as_bytes());
    out.push(0);
}

/// Reads `<kind> <size>` and the NUL from the start of `bytes`, and says how many bytes that was. `None` when
/// it is not such a header; sizes with a leading zero are none, as in git.
pub fn parse_header(bytes: &[u8]) -> Option<(Header, usize)> {
    let end = bytes.iter().take(MAX_HEADER_LEN).position(|b| *b == 0)?;
    let space = bytes[..end].iter().position(|b| *b == b' ')?;
    let kind = Kind::from_name(&bytes[..space]).ok()?;
    let digits = &bytes[space + 1..end];
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) || (digits.len() > 1 && digits[0] == b'0')
    {
        return None;
    }
    let size = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((Header { kind, size }, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_written_and_read() {
        for kind in [Kind::Commit, Kind::Tree, Kind::Blob, Kind::Tag] {
            for size in [0, 1, 10, u64::MAX] {
                let header = Header { kind, size };
                let mut out = Vec::new();
                write_header(header, &mut out);
                assert!(out.len() <= MAX_HEADER_LEN);
                assert_eq!(parse_header(&out), Some((header, out.len())));
            }
        }
        for bad in [
            "blob 1",
            "blob  1\0",
            "blob 01\0",
            "blob \0",
            "blob -1\0",
            "blob +1\0",
            "blog 1\0",
            "blob1\0",
            "blob 99999999999999999999\0",
        ] {
            assert_eq!(parse_header(bad.as_bytes()), None, "{bad}");
        }
    }
}
