//! Reading a pack that may be damaged, entry by entry, and going on behind what is broken.
//!
//! Entries do not say how long they are: behind one that is damaged, reading goes on where inflating stopped, which
//! is the next entry only when nothing but the content was changed. What is whole is told apart from what is not
//! by whoever reads; so is resolving deltas.

use crate::entry::{MAX_ENTRY_HEADER_LEN, PACK_HEADER_LEN, parse_pack_header};
use crate::inflate::{InflateError, Pieces};
use crate::{EntryHeader, HeaderError};
use git_core_hash::Checksum;
use git_core_idx::PackOffset;
use git_core_object::ObjectFormat;
use std::io::{self, BufRead};

/// Why nothing more can be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SalvageError {
    /// The input ended within the pack.
    #[error("early EOF")]
    End,
    /// The header is not that of a pack.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The pack is larger than allowed.
    #[error("pack exceeds maximum allowed size")]
    TooLarge,
    /// The checksum at the end is not that of what stands before it.
    #[error("the checksum of the pack does not match")]
    Checksum,
    /// The input cannot be read.
    #[error("read error on input")]
    Input(#[from] io::Error),
}

/// An entry, as far as it could be read.
#[derive(Debug)]
pub struct SalvagedEntry {
    /// Where it begins.
    pub offset: PackOffset,
    /// What it says of itself.
    pub header: Result<EntryHeader, HeaderError>,
    /// What it inflates to; nothing where the header could not be read.
    pub content: Result<Vec<u8>, InflateError>,
}

/// Reads the entries of a pack one after the other, whatever is wrong with them.
pub struct Salvage<R> {
    input: R,
    format: ObjectFormat,
    checksum: Checksum,
    objects: u32,
    at: u64,
    bound: u64,
    pieces: Pieces,
}

/// So much input is inflated at once: where an error is, is found by taking so much apart again.
const STEP: usize = 4096;

impl<R: BufRead> Salvage<R> {
    /// Reads the header of a pack of at most `bound` bytes.
    ///
    /// # Errors
    /// [`SalvageError`] when it is none.
    pub fn new(input: R, format: ObjectFormat, bound: u64) -> Result<Self, SalvageError> {
        let mut salvage = Self::behind_header(input, format, bound, 0);
        salvage.checksum = Checksum::new(format);
        salvage.at = 0;
        let mut header = [0; PACK_HEADER_LEN];
        salvage.exact(&mut header)?;
        salvage.objects = parse_pack_header(&header)?;
        Ok(salvage)
    }

    /// Goes on behind a header that somebody else has read, and that declared so many objects.
    pub fn behind_header(input: R, format: ObjectFormat, bound: u64, objects: u32) -> Self {
        let mut checksum = Checksum::new(format);
        checksum.update(&crate::pack_header(objects));
        let (at, pieces) = (PACK_HEADER_LEN as u64, Pieces::new());
        Salvage { input, format, checksum, objects, at, bound, pieces }
    }

    /// How many objects the pack declares.
    pub fn declared(&self) -> u32 {
        self.objects
    }

    /// Reads the next entry. There are as many as the pack [declares](Self::declared).
    ///
    /// # Errors
    /// [`SalvageError`] when there is nothing more to be read.
    pub fn entry(&mut self) -> Result<SalvagedEntry, SalvageError> {
        let offset = PackOffset(self.at);
        let mut bytes = Vec::with_capacity(MAX_ENTRY_HEADER_LEN);
        let header = loop {
            bytes.push(self.byte()?);
            match EntryHeader::parse(self.format, &bytes) {
                Err(HeaderError::Truncated) => {}
                Ok((header, _)) => break Ok(header),
                Err(error) => break Err(error),
            }
        };
        let content = match &header {
            Ok(header) => self.content(header.size)?,
            Err(_) => Ok(Vec::new()),
        };
        Ok(SalvagedEntry { offset, header, content })
    }

    /// Checks what stands at the end, and gives the input back.
    ///
    /// # Errors
    /// [`SalvageError`] when it is not the checksum of the pack.
    pub fn finish(mut self) -> Result<R, SalvageError> {
        let computed = std::mem::replace(&mut self.checksum, Checksum::new(self.format)).finish();
        let mut trailer = [0; ObjectFormat::MAX_LEN];
        let trailer = &mut trailer[..self.format.raw_len()];
        self.exact(trailer)?;
        if *trailer != *computed.as_bytes() {
            return Err(SalvageError::Checksum);
        }
        Ok(self.input)
    }

    fn content(&mut self, declared: u64) -> Result<Result<Vec<u8>, InflateError>, SalvageError> {
        let mut content = Vec::new();
        self.pieces.reset();
        // What the first step began with is known without a copy.
        let mut before = None;
        loop {
            let input = match self.input.fill_buf() {
                Ok(input) => &input[..input.len().min(STEP)],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            if input.is_empty() && !self.pieces.is_full() {
                return Err(SalvageError::End);
            }
            let (used, done) = match self.pieces.step(input) {
                Ok(piece) => {
                    content.extend_from_slice(piece.output);
                    (piece.used, piece.done)
                }
                Err(error) => {
                    let used = broken_at(before.unwrap_or_else(Pieces::new), input);
                    self.take(used)?;
                    return Ok(Err(error));
                }
            };
            self.take(used)?;
            match content.len() as u64 {
                given if given > declared => return Ok(Err(InflateError::Long { declared })),
                given if done && given < declared => return Ok(Err(InflateError::Short { declared })),
                _ if done => return Ok(Ok(content)),
                _ => before = Some(self.pieces.clone()),
            }
        }
    }

    /// So many bytes of the input are read.
    fn take(&mut self, count: usize) -> Result<(), SalvageError> {
        self.checksum.update(&self.input.fill_buf()?[..count]);
        self.input.consume(count);
        self.at += count as u64;
        if self.at > self.bound { Err(SalvageError::TooLarge) } else { Ok(()) }
    }

    fn byte(&mut self) -> Result<u8, SalvageError> {
        let mut byte = [0];
        self.exact(&mut byte)?;
        Ok(byte[0])
    }

    fn exact(&mut self, out: &mut [u8]) -> Result<(), SalvageError> {
        match self.input.read_exact(out) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(SalvageError::End),
            result => result?,
        }
        self.checksum.update(out);
        self.at += out.len() as u64;
        if self.at > self.bound { Err(SalvageError::TooLarge) } else { Ok(()) }
    }
}

/// How many bytes of the input are taken until it shows that it is damaged.
fn broken_at(mut pieces: Pieces, input: &[u8]) -> usize {
    let mut at = 0;
    while at < input.len() {
        match pieces.step(&input[at..at + 1]) {
            Ok(piece) => at += piece.used,
            Err(_) => return at + 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EntryKind;
    use crate::inflate::Deflater;
    use git_core_object::Kind;
    use proptest::prelude::*;

    fn pack(contents: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
        let (mut pack, mut ends) = (crate::pack_header(contents.len() as u32).to_vec(), Vec::new());
        for content in contents {
            let kind = EntryKind::Whole(Kind::Blob);
            EntryHeader { kind, size: content.len() as u64 }.write(&mut pack);
            Deflater::new(6).whole(content, &mut pack);
            ends.push(pack.len());
        }
        let mut checksum = Checksum::new(ObjectFormat::Sha1);
        checksum.update(&pack);
        pack.extend_from_slice(checksum.finish().as_bytes());
        (pack, ends)
    }

    proptest! {
        #[test]
        fn what_is_whole_is_read_and_what_follows_a_wrong_checksum_too(
            contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9000), 1..5),
            bad in any::<prop::sample::Index>(),
            buffer in 1usize..6000,
        ) {
            let (mut pack, ends) = pack(&contents);
            let open = |pack: &[u8]| {
                let input = io::BufReader::with_capacity(buffer, io::Cursor::new(pack.to_vec()));
                Salvage::new(input, ObjectFormat::Sha1, u64::MAX).unwrap()
            };
            let mut whole = open(&pack);
            for content in &contents {
                prop_assert_eq!(&whole.entry().unwrap().content.unwrap(), content);
            }
            prop_assert!(whole.finish().is_ok());
            let bad = bad.index(contents.len());
            pack[ends[bad] - 1] ^= 1;
            let mut damaged = open(&pack);
            for (at, content) in contents.iter().enumerate() {
                let entry = damaged.entry().unwrap();
                let read = entry.content.ok();
                prop_assert_eq!(read.as_ref(), (at != bad).then_some(content));
            }
            prop_assert!(matches!(damaged.finish(), Err(SalvageError::Checksum)));
        }

        #[test]
        fn any_bytes_come_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut salvage = Salvage::behind_header(&bytes[..], ObjectFormat::Sha1, u64::MAX, u32::MAX);
            while salvage.entry().is_ok() {}
        }
    }
}
