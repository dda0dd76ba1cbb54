//! The file `multi-pack-index-chain`: which files an incremental multi-pack index consists of.

use super::MidxError;
use git_core_hash::Digest;
use git_core_object::{ObjectFormat, ObjectId};

/// The checksums of the files of a chain, the oldest first: one in hexadecimal digits on each line.
///
/// # Errors
/// [`MidxError::Chain`] for a line that is no checksum of `format`.
pub fn parse_chain(text: &[u8], format: ObjectFormat) -> Result<Vec<Digest>, MidxError> {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    (1..)
        .zip(lines)
        .map(|(line, hex)| {
            ObjectId::from_hex_of(format, hex)
                .ok()
                .and_then(|id| Digest::from_bytes(format, id.as_bytes()))
                .ok_or(MidxError::Chain { line })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_checksum_on_each_line() {
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            let (a, b) = (ObjectId::empty_blob(format), ObjectId::empty_tree(format));
            let read = parse_chain(format!("{a}\n{b}\n").as_bytes(), format).unwrap();
            assert_eq!(read.iter().map(|d| d.as_bytes()).collect::<Vec<_>>(), [a.as_bytes(), b.as_bytes()]);
            assert_eq!(parse_chain(b"", format), Ok(vec![]));
            assert_eq!(
                parse_chain(format!("{a}\nx\n").as_bytes(), format),
                Err(MidxError::Chain { line: 2 })
            );
            assert_eq!(
                parse_chain(format!("{a}\n\n{b}").as_bytes(), format),
                Err(MidxError::Chain { line: 2 })
            );
        }
    }
}
