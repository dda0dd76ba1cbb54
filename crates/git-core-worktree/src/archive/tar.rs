//! The tar format: POSIX ustar headers, and extended ones (pax) for what does not fit, as git writes them.

use super::{ArchiveError, Entry};
use git_core_object::{EntryKind, ObjectId};

const RECORD: usize = 512;
/// Archives are padded to a multiple of this.
const BLOCK: u64 = 20 * RECORD as u64;
const NAME: usize = 100;
const PREFIX: usize = 155;
/// The largest number that eleven octal digits hold.
const MAX: u64 = 0o77_777_777_777;

/// Writes a tar file piece by piece.
#[derive(Debug)]
pub(super) struct TarWriter {
    mtime: u64,
    umask: u32,
    written: u64,
    /// What the present entry has left to be padded with.
    padding: usize,
}

impl TarWriter {
    /// Begins with the header that names the commit, if there is one.
    pub(super) fn new(mtime: i64, umask: u32, commit: Option<&ObjectId>, out: &mut Vec<u8>) -> Self {
        let mtime = u64::try_from(mtime).unwrap_or(0);
        let mut writer = TarWriter { mtime: mtime.min(MAX), umask, written: 0, padding: 0 };
        let mut global = Vec::new();
        if let Some(commit) = commit {
            record(&mut global, "comment", commit.to_hex().as_bytes());
        }
        if mtime > MAX {
            record(&mut global, "mtime", mtime.to_string().as_bytes());
        }
        if !global.is_empty() {
            let header = Header { name: b"pax_global_header", mode: 0o666, kind: b'g', ..Header::default() };
            writer.special(&header, &global, out);
        }
        writer
    }

    /// Begins an entry whose content, of `size` bytes, follows. A link's content is given here, and none follows.
    pub(super) fn begin(
        &mut self,
        entry: &Entry,
        size: u64,
        target: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ArchiveError> {
        let (kind, mode) = match entry.kind {
            EntryKind::Tree | EntryKind::Commit => (b'5', 0o777 & !self.umask),
            EntryKind::Link => (b'2', 0o777),
            EntryKind::Executable => (b'0', 0o777 & !self.umask),
            EntryKind::Blob => (b'0', 0o666 & !self.umask),
        };
        let mut extended = Vec::new();
        let mut header = Header { mode, kind, size, ..Header::default() };
        let (data_name, link_name);
        if let Some((prefix, name)) = divide(&entry.path) {
            (header.prefix, header.name) = (prefix, name);
        } else {
            data_name = format!("{}.data", entry.id);
            header.name = data_name.as_bytes();
            record(&mut extended, "path", &entry.path);
        }
        if entry.kind == EntryKind::Link {
            if target.len() > NAME {
                link_name = format!("see {}.paxheader", entry.id);
                header.link = link_name.as_bytes();
                record(&mut extended, "linkpath", target);
            } else {
                header.link = target;
            }
        }
        if size > MAX {
            record(&mut extended, "size", size.to_string().as_bytes());
            header.size = 0;
        }
        if !extended.is_empty() {
            let name = format!("{}.paxheader", entry.id);
            let own = Header { name: name.as_bytes(), mode: 0o666, kind: b'x', ..Header::default() };
            self.special(&own, &extended, out);
        }
        self.put(&header.bytes(self.mtime), out);
        self.padding = usize::try_from(size.next_multiple_of(RECORD as u64) - size).unwrap_or(0);
        Ok(())
    }

    /// The next bytes of the entry's content.
    pub(super) fn content(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.put(bytes, out);
    }

    /// Ends an entry, all of whose content was given.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        let padding = std::mem::take(&mut self.padding);
        self.zeros(padding as u64, out);
    }

    /// Ends the file: at least two empty records, up to a whole block.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        let left = BLOCK - self.written % BLOCK;
        self.zeros(if left < 2 * RECORD as u64 { left + BLOCK } else { left }, out);
    }

    fn special(&mut self, header: &Header<'_>, content: &[u8], out: &mut Vec<u8>) {
        let header = Header { size: content.len() as u64, ..*header };
        self.put(&header.bytes(self.mtime), out);
        self.put(content, out);
        self.zeros((content.len().next_multiple_of(RECORD) - content.len()) as u64, out);
    }

    fn put(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(bytes);
        self.written += bytes.len() as u64;
    }

    fn zeros(&mut self, count: u64, out: &mut Vec<u8>) {
        out.resize(out.len() + count as usize, 0);
        self.written += count;
    }
}

#[derive(Clone, Copy, Default)]
struct Header<'a> {
    name: &'a [u8],
    prefix: &'a [u8],
    link: &'a [u8],
    mode: u32,
    kind: u8,
    size: u64,
}

impl Header<'_> {
    fn bytes(&self, mtime: u64) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, self.name);
        put(100, format!("{:07o}", self.mode & 0o7777).as_bytes());
        put(108, b"0000000");
        put(116, b"0000000");
        put(124, format!("{:011o}", self.size).as_bytes());
        put(136, format!("{mtime:011o}").as_bytes());
        put(156, &[self.kind]);
        put(157, self.link);
        put(257, b"ustar\x0000");
        put(265, b"root");
        put(297, b"root");
        put(329, b"0000000");
        put(337, b"0000000");
        put(345, self.prefix);
        // The sum is taken with blanks in its own place.
        let sum = bytes.iter().map(|b| u32::from(*b)).sum::<u32>() + 8 * u32::from(b' ');
        bytes[148..155].copy_from_slice(format!("{sum:07o}").as_bytes());
        bytes
    }
}

/// A path as prefix and name, if it fits so.
fn divide(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= NAME {
        return Some((b"", path));
    }
    let whole = path.strip_suffix(b"/").unwrap_or(path);
    let slash = whole[..whole.len().min(PREFIX)].iter().rposition(|b| *b == b'/')?;
    (slash > 0 && path.len() - slash - 1 <= NAME).then(|| (&path[..slash], &path[slash + 1..]))
}

/// A record of an extended header: `<length> <keyword>=<value>\n`, where the length counts its own digits.
fn record(out: &mut Vec<u8>, keyword: &str, value: &[u8]) {
    let rest = 1 + keyword.len() + 1 + value.len() + 1;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(format!("{length} {keyword}=").as_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use git_core_object::{Kind, ObjectFormat};

    #[test]
    fn records_count_their_own_digits() {
        for (value, length) in [(1, 6), (4, 9), (5, 11), (93, 99), (94, 101), (991, 998)] {
            let mut out = Vec::new();
            record(&mut out, "k", &vec![b'v'; value]);
            assert_eq!(out.len(), length, "{value}");
            assert!(out.starts_with(format!("{length} k=").as_bytes()));
        }
    }

    #[test]
    fn long_paths_are_divided() {
        let path = |head: usize, tail: usize| [vec![b'a'; head], vec![b'/'], vec![b'b'; tail]].concat();
        assert_eq!(divide(&path(98, 1)).unwrap().0, b"");
        assert_eq!(divide(&path(99, 1)).unwrap().0.len(), 99);
        assert_eq!(divide(&path(154, 100)).unwrap().1.len(), 100);
        assert!(divide(&path(155, 1)).is_none() && divide(&path(10, 101)).is_none());
    }

    #[test]
    fn sizes_beyond_eleven_digits_stand_in_an_extended_header() {
        let id = ObjectId::hash(ObjectFormat::Sha1, Kind::Blob, b"").unwrap();
        let entry = Entry { path: "x".into(), kind: EntryKind::Blob, id };
        let mut out = Vec::new();
        let mut writer = TarWriter::new(1 << 40, 0o002, None, &mut out);
        assert_eq!(out.len(), 1024);
        assert!(out[512..].starts_with(b"23 mtime=1099511627776\n"));
        writer.begin(&entry, MAX + 1, b"", &mut out).unwrap();
        assert!(out[1536..].starts_with(b"19 size=8589934592\n"));
        assert_eq!(&out[2048 + 124..2048 + 136], b"00000000000\0");
    }
}
