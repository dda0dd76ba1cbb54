//! Writing loose objects: content is compressed and hashed as it comes.

use super::{Level, write_header};
use crate::{CollisionDetected, Header, Kind, ObjectFormat, ObjectId};
use flate2::{Compress, FlushCompress, Status};
use git_core_hash::Hasher;

/// Compresses and hashes one object whose size is known beforehand.
pub struct LooseEncoder {
    deflate: Compress,
    hasher: Hasher,
    left: u64,
}

impl LooseEncoder {
    /// Begins an object and appends the first compressed bytes to `out`.
    pub fn new(format: ObjectFormat, header: Header, level: Level, out: &mut Vec<u8>) -> Self {
        let mut encoder = LooseEncoder {
            deflate: Compress::new(level.compression(), true),
            hasher: ObjectId::hasher(format, header.kind, header.size),
            left: header.size,
        };
        let mut plain = Vec::with_capacity(super::MAX_HEADER_LEN);
        write_header(header, &mut plain);
        encoder.deflate(&plain, FlushCompress::None, out);
        encoder
    }

    /// Takes the next bytes of content and appends compressed bytes to `out`.
    ///
    /// # Panics
    /// When more content comes than the header says: a mistake of the caller, who gave both.
    pub fn write(&mut self, content: &[u8], out: &mut Vec<u8>) {
        self.left = self.left.checked_sub(content.len() as u64).expect("no more content than declared");
        self.hasher.update(content);
        self.deflate(content, FlushCompress::None, out);
    }

    /// Ends the object: appends the last compressed bytes to `out` and gives its id.
    ///
    /// # Errors
    /// [`CollisionDetected`] when the content bears the marks of a SHA-1 collision attack.
    ///
    /// # Panics
    /// When less content came than the header says.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<ObjectId, CollisionDetected> {
        assert_eq!(self.left, 0, "as much content as declared");
        self.deflate(&[], FlushCompress::Finish, out);
        self.hasher.finish().map(ObjectId::from)
    }

    fn deflate(&mut self, mut plain: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
        loop {
            out.reserve((plain.len() / 2).clamp(64, 64 << 10));
            let before = self.deflate.total_in();
            let status = self.deflate.compress_vec(plain, out, flush).expect("deflate takes any bytes");
            plain = &plain[(self.deflate.total_in() - before) as usize..];
            let done = match flush {
                FlushCompress::Finish => status == Status::StreamEnd,
                _ => plain.is_empty(),
            };
            if done {
                return;
            }
        }
    }
}

/// A whole loose object: its compressed bytes and its id.
///
/// # Errors
/// [`CollisionDetected`] when the content bears the marks of a SHA-1 collision attack.
pub fn encode(
    format: ObjectFormat,
    kind: Kind,
    content: &[u8],
    level: Level,
) -> Result<(Vec<u8>, ObjectId), CollisionDetected> {
    let mut out = Vec::with_capacity(content.len() / 2 + 64);
    let header = Header { kind, size: content.len() as u64 };
    let mut encoder = LooseEncoder::new(format, header, level, &mut out);
    encoder.write(content, &mut out);
    let id = encoder.finish(&mut out)?;
    Ok((out, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_that_of_the_object_at_every_level() {
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            for level in [0, 1, 9, 99] {
                let (_, id) = encode(format, Kind::Tag, b"content", Level::new(level)).unwrap();
                assert_eq!(id, ObjectId::hash(format, Kind::Tag, b"content").unwrap());
            }
        }
    }
}
