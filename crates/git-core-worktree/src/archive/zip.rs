//! The zip format (APPNOTE.TXT), as git writes it: entries, the central directory, the commit as a comment.
//!
//! Numbers that do not fit 32 bits stand in Zip64 fields. An entry whose content is not held has its sizes behind it.

use super::{ArchiveError, Entry};
use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use git_core_object::{EntryKind, ObjectId};

const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Sizes stand behind the content.
const STREAMED: u16 = 1 << 3;
/// The path is UTF-8.
const UTF8: u16 = 1 << 11;
const SMALL: u16 = 10;
const ZIP64: u16 = 45;
/// Unix, version 2.3: the upper half of the attributes is a Unix mode.
const UNIX: u16 = 0x0317;
const MAX32: u64 = 0xffff_ffff;
const PIECE: usize = 64 << 10;

/// Writes a zip file piece by piece.
pub(super) struct ZipWriter {
    time: DosTime,
    mtime: u32,
    level: u32,
    comment: Vec<u8>,
    written: u64,
    count: u64,
    directory: Vec<u8>,
    open: Option<Open>,
}

/// An entry whose content is being given.
struct Open {
    central: Central,
    deflate: Option<Compress>,
    crc: Crc,
    size: u64,
    compressed: u64,
    path: Vec<u8>,
}

struct Central {
    creator: u16,
    flags: u16,
    method: u16,
    text: u16,
    attributes: u32,
    offset: u64,
}

/// A date and a time as MS-DOS had them.
#[derive(Clone, Copy)]
struct DosTime {
    date: u16,
    time: u16,
}

impl ZipWriter {
    pub(super) fn new(mtime: i64, local_offset: i64, level: u32, commit: Option<&ObjectId>) -> Self {
        ZipWriter {
            time: DosTime::of(mtime.saturating_add(local_offset)),
            mtime: mtime as u32,
            level,
            comment: commit.map_or_else(Vec::new, |id| id.to_hex().into_bytes()),
            written: 0,
            count: 0,
            directory: Vec::new(),
            open: None,
        }
    }

    /// An entry whose whole content is at hand. `binary` says whether it is other than text.
    pub(super) fn whole(
        &mut self,
        entry: &Entry,
        content: &[u8],
        binary: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), ArchiveError> {
        let is_file = matches!(entry.kind, EntryKind::Blob | EntryKind::Executable);
        let mut packed = Vec::new();
        let mut method = STORED;
        if is_file && self.level > 0 && !content.is_empty() {
            packed = deflated(content, self.level)?;
            // What does not become smaller is stored.
            if packed.len() < content.len() {
                method = DEFLATED;
            }
        }
        let body = if method == DEFLATED { &packed[..] } else { content };
        let mut crc = Crc::new();
        crc.update(content);
        let central = self.central(entry, method, 0, binary)?;
        let sizes = Sizes { crc: crc.sum(), size: content.len() as u64, compressed: body.len() as u64 };
        self.local(entry, &central, &sizes, out);
        self.put(body, out);
        self.remember(&entry.path, &central, &sizes);
        Ok(())
    }

    /// Begins an entry whose content, of `size` bytes, is given piece by piece.
    pub(super) fn begin(
        &mut self,
        entry: &Entry,
        size: u64,
        binary: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), ArchiveError> {
        let method = if self.level > 0 { DEFLATED } else { STORED };
        let central = self.central(entry, method, STREAMED, binary)?;
        let sizes = Sizes { crc: 0, size, compressed: if method == STORED { size } else { 0 } };
        self.local(entry, &central, &sizes, out);
        let deflate = (method == DEFLATED).then(|| Compress::new(Compression::new(self.level), false));
        let path = entry.path.to_vec();
        self.open = Some(Open { central, deflate, crc: Crc::new(), size: 0, compressed: 0, path });
        Ok(())
    }

    /// The next bytes of the entry that was begun.
    pub(super) fn content(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        open.crc.update(bytes);
        open.size += bytes.len() as u64;
        let before = out.len();
        match &mut open.deflate {
            None => out.extend_from_slice(bytes),
            Some(deflate) => run(deflate, bytes, FlushCompress::None, out)?,
        }
        let added = (out.len() - before) as u64;
        open.compressed += added;
        self.written += added;
        Ok(())
    }

    /// Ends the entry that was begun.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        if let Some(deflate) = &mut open.deflate {
            let before = out.len();
            run(deflate, b"", FlushCompress::Finish, out)?;
            let added = (out.len() - before) as u64;
            open.compressed += added;
            self.written += added;
        }
        let sizes = Sizes { crc: open.crc.sum(), size: open.size, compressed: open.compressed };
        let mut descriptor = Fields::new(b"PK\x07\x08");
        descriptor.u32(sizes.crc);
        match is_large(open.size) || open.compressed > MAX32 {
            true => descriptor.u64(sizes.compressed).u64(sizes.size),
            false => descriptor.u32(sizes.compressed as u32).u32(sizes.size as u32),
        };
        self.put(&descriptor.0, out);
        self.remember(&open.path, &open.central, &sizes);
        Ok(())
    }

    /// Ends the file: the central directory, and where it is.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        let start = self.written;
        let directory = std::mem::take(&mut self.directory);
        let length = directory.len() as u64;
        self.put(&directory, out);
        if self.count > 0xffff || length > MAX32 || start > MAX32 {
            let at = self.written;
            let mut end = Fields::new(b"PK\x06\x06");
            end.u64(44).u16(ZIP64).u16(ZIP64).u32(0).u32(0);
            end.u64(self.count).u64(self.count).u64(length).u64(start);
            end.bytes(b"PK\x06\x07").u32(0).u64(at).u32(1);
            self.put(&end.0, out);
        }
        let mut end = Fields::new(b"PK\x05\x06");
        let count = self.count.min(0xffff) as u16;
        end.u16(0).u16(0).u16(count).u16(count);
        end.u32(length.min(MAX32) as u32).u32(start.min(MAX32) as u32);
        end.u16(self.comment.len() as u16).bytes(&self.comment);
        self.put(&end.0, out);
    }

    fn central(&self, entry: &Entry, method: u16, flags: u16, binary: bool) -> Result<Central, ArchiveError> {
        if entry.path.len() > 0xffff {
            return Err(ArchiveError::Format("path too long"));
        }
        let path_is_utf8 = !entry.path.is_ascii() && std::str::from_utf8(&entry.path).is_ok();
        let (creator, attributes) = match entry.kind {
            EntryKind::Tree | EntryKind::Commit => (0, 16),
            EntryKind::Link => (UNIX, 0o120_777 << 16),
            EntryKind::Executable => (UNIX, 0o100_755 << 16),
            EntryKind::Blob => (0, 0),
        };
        let flags = flags | if path_is_utf8 { UTF8 } else { 0 };
        let text = u16::from(!binary);
        Ok(Central { creator, flags, method, text, attributes, offset: self.written })
    }

    fn local(&mut self, entry: &Entry, central: &Central, sizes: &Sizes, out: &mut Vec<u8>) {
        let streamed = central.flags & STREAMED != 0;
        let large = is_large(sizes.size) && streamed || sizes.size.max(sizes.compressed) > MAX32;
        let mut header = Fields::new(b"PK\x03\x04");
        header.u16(if large { ZIP64 } else { SMALL }).u16(central.flags).u16(central.method);
        header.u16(self.time.time).u16(self.time.date);
        match (streamed, large) {
            (true, false) => header.u32(0).u32(0).u32(0),
            (_, true) => header.u32(if streamed { 0 } else { sizes.crc }).u32(MAX32 as u32).u32(MAX32 as u32),
            (false, false) => header.u32(sizes.crc).u32(sizes.compressed as u32).u32(sizes.size as u32),
        };
        header.u16(entry.path.len() as u16).u16(if large { 9 + 20 } else { 9 });
        header.bytes(&entry.path).mtime(self.mtime);
        if large {
            let (size, compressed) = if streamed { (0, 0) } else { (sizes.size, sizes.compressed) };
            header.u16(1).u16(16).u64(size).u64(compressed);
        }
        self.put(&header.0, out);
    }

    /// Adds an entry to the central directory.
    fn remember(&mut self, path: &[u8], central: &Central, sizes: &Sizes) {
        let mut large = Fields(Vec::new());
        let mut clamp = |number: u64| {
            if number > MAX32 {
                large.u64(number);
            }
            number.min(MAX32) as u32
        };
        let (size, compressed) = (clamp(sizes.size), clamp(sizes.compressed));
        let offset = clamp(central.offset);
        let needed = if large.0.is_empty() { SMALL } else { ZIP64 };
        let extra = 9 + if large.0.is_empty() { 0 } else { 4 + large.0.len() as u16 };
        let mut header = Fields::new(b"PK\x01\x02");
        header.u16(central.creator).u16(needed).u16(central.flags).u16(central.method);
        header.u16(self.time.time).u16(self.time.date);
        header.u32(sizes.crc).u32(compressed).u32(size);
        header.u16(path.len() as u16).u16(extra).u16(0).u16(0);
        header.u16(central.text).u32(central.attributes).u32(offset);
        header.bytes(path).mtime(self.mtime);
        if !large.0.is_empty() {
            header.u16(1).u16(large.0.len() as u16).bytes(&large.0);
        }
        self.directory.extend_from_slice(&header.0);
        self.count += 1;
    }

    fn put(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(bytes);
        self.written += bytes.len() as u64;
    }
}

struct Sizes {
    crc: u32,
    size: u64,
    compressed: u64,
}

/// Whether a content may become larger than 32 bits can say by being compressed.
fn is_large(size: u64) -> bool {
    size > 0x7fff_ffff
}

/// Numbers, the least significant byte first.
struct Fields(Vec<u8>);

impl Fields {
    fn new(signature: &[u8; 4]) -> Self {
        Fields(signature.to_vec())
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The extra field that says when something was changed, in UTC.
    fn mtime(&mut self, mtime: u32) -> &mut Self {
        self.u16(0x5455).u16(5).bytes(&[1]).u32(mtime)
    }
}

impl DosTime {
    /// From seconds of local time since 1970; times before 1980 are the first that can be told, those after 2107 the
    /// last.
    fn of(seconds: i64) -> Self {
        let first = 315_532_800;
        let last = 4_354_819_198;
        let seconds = seconds.clamp(first, last);
        let (days, of_day) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days);
        let date = (year - 1980) << 9 | month << 5 | day;
        let time = (of_day / 3600) << 11 | (of_day / 60 % 60) << 5 | (of_day % 60 / 2);
        DosTime { date: date as u16, time: time as u16 }
    }
}

/// Year, month and day of a number of days after 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

fn deflated(content: &[u8], level: u32) -> Result<Vec<u8>, ArchiveError> {
    let mut packed = Vec::new();
    let mut deflate = Compress::new(Compression::new(level), false);
    run(&mut deflate, content, FlushCompress::Finish, &mut packed)?;
    Ok(packed)
}

/// Compresses all of `bytes`.
fn run(
    deflate: &mut Compress,
    mut bytes: &[u8],
    flush: FlushCompress,
    out: &mut Vec<u8>,
) -> Result<(), ArchiveError> {
    loop {
        out.reserve(PIECE.min(bytes.len() + 64));
        let (room, taken) = (out.capacity() - out.len(), deflate.total_in());
        let before = out.len();
        let status =
            deflate.compress_vec(bytes, out, flush).map_err(|error| ArchiveError::Deflate(error.into()))?;
        bytes = &bytes[(deflate.total_in() - taken) as usize..];
        let filled = out.len() - before == room;
        let done = match flush {
            FlushCompress::Finish => status == Status::StreamEnd,
            _ => bytes.is_empty() && !filled,
        };
        if done {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_dos() {
        let at = |seconds| {
            let DosTime { date, time } = DosTime::of(seconds);
            (date, time)
        };
        assert_eq!(at(1_112_924_594), (0x3288, 0x0d67), "2005-04-08 01:43:14");
        assert_eq!(at(0), (0x21, 0));
        assert_eq!(at(i64::MAX), (0xff9f, 0xbf7d));
    }

    #[test]
    fn what_was_deflated_in_pieces_can_be_inflated() {
        let content: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8 ^ (n / 997) as u8).collect();
        let mut packed = Vec::new();
        let mut deflate = Compress::new(Compression::new(6), false);
        for piece in content.chunks(7001) {
            run(&mut deflate, piece, FlushCompress::None, &mut packed).unwrap();
        }
        run(&mut deflate, b"", FlushCompress::Finish, &mut packed).unwrap();
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::DeflateDecoder::new(&packed[..]), &mut plain).unwrap();
        assert_eq!(plain, content);
    }
}
