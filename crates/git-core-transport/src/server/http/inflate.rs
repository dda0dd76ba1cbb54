//! Compressed request bodies: gzip, inflated piece by piece and only so far.

use flate2::write::MultiGzDecoder;
use std::io::{self, Write as _};

/// Inflates a gzip stream that arrives in pieces.
pub(crate) struct Inflater {
    decoder: MultiGzDecoder<Vec<u8>>,
    left: u64,
}

/// How much compressed input goes in at once: what comes out is at most about a thousand times as long.
const STEP: usize = 512;

impl Inflater {
    /// An inflater that gives out this many bytes at most.
    pub(crate) fn new(bound: u64) -> Self {
        Inflater { decoder: MultiGzDecoder::new(Vec::new()), left: bound }
    }

    /// Inflates the front of `input`, not all of it at once: returns how much was used. What came out is
    /// appended.
    pub(crate) fn inflate(&mut self, input: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
        let start = out.len();
        let mut used = 0;
        while used < input.len() && out.len() - start < 64 << 10 {
            used += self.decoder.write(&input[used..input.len().min(used + STEP)])?;
            self.decoder.flush()?;
            self.hand_out(out)?;
        }
        Ok(used)
    }

    /// The input is over; an error when the stream is not.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.decoder.try_finish()?;
        self.hand_out(out)
    }

    fn hand_out(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let inflated = self.decoder.get_mut();
        match self.left.checked_sub(inflated.len() as u64) {
            Some(left) => self.left = left,
            None => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the request body inflates too far"));
            }
        }
        out.append(inflated);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn pieces_of_any_size() {
        let plain: Vec<u8> = (0..20_000u32).flat_map(u32::to_le_bytes).collect();
        let packed = gzip(&plain);
        for size in [1, 7, 4096, packed.len()] {
            let (mut inflater, mut out) = (Inflater::new(1 << 30), Vec::new());
            for mut piece in packed.chunks(size) {
                while !piece.is_empty() {
                    piece = &piece[inflater.inflate(piece, &mut out).unwrap()..];
                }
            }
            inflater.finish(&mut out).unwrap();
            assert_eq!(out, plain);
        }
    }

    #[test]
    fn a_bomb_is_stopped_early() {
        let packed = gzip(&vec![0; 64 << 20]);
        let mut inflater = Inflater::new(1 << 20);
        let (mut out, mut rest) = (Vec::new(), &packed[..]);
        let error = loop {
            match inflater.inflate(rest, &mut out) {
                Ok(used) => rest = &rest[used..],
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("too far"));
        assert!(out.capacity() < 4 << 20);
    }

    #[test]
    fn what_is_cut_or_no_gzip_is_an_error() {
        let packed = gzip(b"hello");
        let (mut inflater, mut out) = (Inflater::new(100), Vec::new());
        inflater.inflate(&packed[..packed.len() - 5], &mut out).unwrap();
        assert!(inflater.finish(&mut out).is_err());
        assert!(Inflater::new(100).inflate(b"plain text, no gzip", &mut out).is_err());
    }
}
