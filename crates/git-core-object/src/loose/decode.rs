//! Reading loose objects, as their compressed bytes come.

use super::{MAX_HEADER_LEN, parse_header};
use crate::{BoxError, ErrorKind, Header, Stopped};
use flate2::{Decompress, FlushDecompress, Status};

/// Why bytes are not a loose object, or not one that may be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LooseError {
    /// The zlib stream is damaged.
    #[error("loose object cannot be inflated after {offset} bytes")]
    Inflate {
        /// How many compressed bytes were taken before.
        offset: u64,
        /// What the decompressor said.
        #[source]
        source: BoxError,
    },
    /// The stream does not begin with a kind and a size.
    #[error("loose object has an invalid header")]
    Header,
    /// The content is shorter or longer than the header says.
    #[error("loose object declares {declared} bytes and has {}{actual}", if *.actual > *.declared { "at least " } else { "" })]
    Size {
        /// What the header says.
        declared: u64,
        /// What is there.
        actual: u64,
    },
    /// The compressed bytes end before the stream does.
    #[error("loose object ends after {offset} bytes, within its zlib stream")]
    Truncated {
        /// How many compressed bytes there were.
        offset: u64,
    },
    /// There are bytes behind the stream.
    #[error("garbage at the end of a loose object, after {offset} bytes")]
    TrailingGarbage {
        /// Where the stream ends.
        offset: u64,
    },
    /// The object is larger than may be read.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl LooseError {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            LooseError::Stopped(stopped) => stopped.kind(),
            _ => ErrorKind::Corrupt,
        }
    }
}

/// What one call of [`LooseDecoder::inflate`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Compressed bytes taken from the input.
    pub consumed: usize,
    /// Bytes of content written to the output.
    pub written: usize,
    /// Whether the object is complete; its size has been checked then.
    pub done: bool,
}

/// Inflates one loose object; its memory does not grow with the object.
pub struct LooseDecoder {
    inflate: Decompress,
    prefix: [u8; MAX_HEADER_LEN],
    /// How much of `prefix` is filled, and how much of that has been handed out or was header.
    filled: usize,
    taken: usize,
    header: Option<Header>,
    written: u64,
    ended: bool,
}

impl Default for LooseDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl LooseDecoder {
    /// A decoder that has seen nothing yet.
    pub fn new() -> Self {
        LooseDecoder {
            inflate: Decompress::new(true),
            prefix: [0; MAX_HEADER_LEN],
            filled: 0,
            taken: 0,
            header: None,
            written: 0,
            ended: false,
        }
    }

    /// Kind and size, once so many bytes have come. Nothing has been checked against the content by then.
    pub const fn header(&self) -> Option<Header> {
        self.header
    }

    /// How many compressed bytes have been taken.
    pub fn consumed(&self) -> u64 {
        self.inflate.total_in()
    }

    /// Takes compressed bytes and writes content. Call it with the rest of the input, or more of it, until it is
    /// [`done`](Step::done); a call that neither consumes nor writes anything needs more input. With an empty
    /// `out` it goes no further than the header.
    ///
    /// # Errors
    /// [`LooseError`] when the stream or the header is damaged, or the content has another size than declared.
    pub fn inflate(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, LooseError> {
        let mut consumed = 0;
        while self.header.is_none() {
            let (taken, progress) = self.fill_prefix(&input[consumed..])?;
            consumed += taken;
            if let Some((header, len)) = parse_header(&self.prefix[..self.filled]) {
                self.header = Some(header);
                self.taken = len;
            } else if self.filled == MAX_HEADER_LEN || self.prefix[..self.filled].contains(&0) || self.ended {
                return Err(LooseError::Header);
            } else if !progress {
                return Ok(Step { consumed, written: 0, done: false });
            }
        }
        let from_prefix = (self.filled - self.taken).min(out.len());
        out[..from_prefix].copy_from_slice(&self.prefix[self.taken..self.taken + from_prefix]);
        self.taken += from_prefix;
        self.written += from_prefix as u64;
        let mut written = from_prefix;
        if self.taken == self.filled && !self.ended {
            let (taken, put) = self.step(&input[consumed..], &mut out[written..])?;
            consumed += taken;
            written += put;
            self.written += put as u64;
        }
        let declared = self.header.map_or(0, |header| header.size);
        let done = self.ended && self.taken == self.filled;
        if self.written > declared || (done && self.written < declared) {
            return Err(LooseError::Size { declared, actual: self.written });
        }
        Ok(Step { consumed, written, done })
    }

    fn fill_prefix(&mut self, input: &[u8]) -> Result<(usize, bool), LooseError> {
        let mut prefix = self.prefix;
        let (taken, put) = self.step(input, &mut prefix[self.filled..])?;
        self.prefix = prefix;
        self.filled += put;
        Ok((taken, taken > 0 || put > 0))
    }

    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<(usize, usize), LooseError> {
        let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(input, out, FlushDecompress::None)
            .map_err(|err| LooseError::Inflate { offset: before_in, source: err.into() })?;
        self.ended |= status == Status::StreamEnd;
        let taken = (self.inflate.total_in() - before_in) as usize;
        let put = (self.inflate.total_out() - before_out) as usize;
        Ok((taken, put))
    }
}

/// Kind and size of the loose object that begins with `compressed`, of which the first 64 bytes are enough.
///
/// # Errors
/// [`LooseError`] when there is no such header.
pub fn decode_header(compressed: &[u8]) -> Result<Header, LooseError> {
    let mut decoder = LooseDecoder::new();
    decoder.inflate(compressed, &mut [])?;
    decoder.header().ok_or(LooseError::Truncated { offset: decoder.consumed() })
}

/// Reads a whole loose object and replaces `out` with its content, which may have `limit` bytes at most. Memory
/// grows as content appears, never on the declared size alone.
///
/// # Errors
/// [`LooseError`] when it is damaged, cut short, larger than `limit`, or when anything stands behind it.
pub fn decode(compressed: &[u8], limit: u64, out: &mut Vec<u8>) -> Result<Header, LooseError> {
    const CHUNK: usize = 64 << 10;
    out.clear();
    let mut decoder = LooseDecoder::new();
    let first = decoder.inflate(compressed, &mut [])?;
    let mut rest = &compressed[first.consumed..];
    let header = decoder.header().ok_or(LooseError::Truncated { offset: decoder.consumed() })?;
    if header.size > limit {
        return Err(Stopped::Limit { name: "object_bytes", bound: limit }.into());
    }
    loop {
        let start = out.len();
        // One byte more than declared, so that content that is too long shows itself.
        let wanted = usize::try_from(header.size - start as u64).map_or(CHUNK, |left| left.saturating_add(1));
        out.resize(start + wanted.min(CHUNK.max(start)), 0);
        let step = decoder.inflate(rest, &mut out[start..])?;
        out.truncate(start + step.written);
        rest = &rest[step.consumed..];
        if step.done {
            break;
        }
        if step.consumed == 0 && step.written == 0 {
            return Err(LooseError::Truncated { offset: decoder.consumed() });
        }
    }
    match rest {
        [] => Ok(header),
        _ => Err(LooseError::TrailingGarbage { offset: decoder.consumed() }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Level, encode, write_header};
    use super::*;
    use crate::{Kind, ObjectFormat};
    use std::io::Write;

    fn compress(plain: &[u8]) -> Vec<u8> {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
        zlib.write_all(plain).unwrap();
        zlib.finish().unwrap()
    }

    #[test]
    fn every_size_comes_back_whole_and_byte_by_byte() {
        for size in [0usize, 1, 20, 24, 25, 31, 32, 33, 1000, 200_000] {
            let content: Vec<u8> = (0..size).map(|i| ((i * i) >> 3) as u8).collect();
            let (compressed, _) = encode(ObjectFormat::Sha1, Kind::Blob, &content, Level::default()).unwrap();
            let mut out = vec![1, 2, 3];
            let header = decode(&compressed, size as u64, &mut out).unwrap();
            assert_eq!((header.size, &out), (size as u64, &content));
            assert_eq!(decode_header(&compressed[..compressed.len().min(64)]).unwrap(), header);

            let (mut decoder, mut out, mut at) = (LooseDecoder::new(), Vec::new(), 0);
            loop {
                let mut byte = [0];
                let step = decoder.inflate(&compressed[at..compressed.len().min(at + 1)], &mut byte).unwrap();
                out.extend_from_slice(&byte[..step.written]);
                at += step.consumed;
                if step.done {
                    break;
                }
            }
            assert_eq!((out, at), (content, compressed.len()));
        }
    }

    #[test]
    fn damage_is_named() {
        let (compressed, _) = encode(ObjectFormat::Sha1, Kind::Blob, &[7; 5000], Level::default()).unwrap();
        let mut out = Vec::new();
        for cut in 0..compressed.len() {
            let err = decode(&compressed[..cut], 1 << 20, &mut out).unwrap_err();
            assert!(matches!(err, LooseError::Truncated { .. }), "{cut}: {err:?}");
        }
        let err = decode(&[&compressed[..], b"x"].concat(), 1 << 20, &mut out).unwrap_err();
        assert!(matches!(err, LooseError::TrailingGarbage { .. }));
        assert_eq!(decode(&compressed, 4999, &mut out).unwrap_err().kind(), ErrorKind::Limit);
        assert!(matches!(decode(b"not zlib", 9, &mut out), Err(LooseError::Inflate { .. })));
        assert!(matches!(decode(&compress(b"blob x\0"), 9, &mut out), Err(LooseError::Header)));
        assert!(matches!(decode(&compress(b""), 9, &mut out), Err(LooseError::Header)));
        assert!(matches!(decode(&compress(&[b'b'; 100]), 9, &mut out), Err(LooseError::Header)));
        for plain in [&b"blob 3\0ab"[..], b"blob 1\0ab", b"blob 0\0a"] {
            let err = decode(&compress(plain), 9, &mut out).unwrap_err();
            assert!(matches!(err, LooseError::Size { .. }), "{err:?}");
        }
    }

    #[test]
    fn memory_does_not_follow_a_declared_size() {
        let mut plain = Vec::new();
        write_header(Header { kind: Kind::Blob, size: u64::MAX }, &mut plain);
        let mut out = Vec::new();
        assert!(decode(&compress(&plain), u64::MAX, &mut out).is_err());
        assert!(out.capacity() <= 256 << 10);
    }
}
