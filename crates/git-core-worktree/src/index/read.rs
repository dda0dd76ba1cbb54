//! Reading the bytes of an index file, versions 2 to 4. Nothing is allocated on the word of a count: entries
//! are bounded by the bytes that are there, and the paths of version 4 by [`MAX_EXPANSION`].

use crate::index::write::{
    ASSUME_VALID, EXTENDED, INTENT_TO_ADD, NAME_MASK, SIGNATURE, SKIP_WORKTREE, STAGE_SHIFT,
};
use crate::index::{
    CachedTrees, EntryFlags, Index, IndexEntry, IndexError, Stage, Stat, Timestamp, order, tree,
};
use bstr::ByteSlice;
use git_core_hash::Checksum;
use git_core_object::{EntryKind, EntryMode, ObjectFormat, ObjectId};

/// How many times as long as the file the paths of a version 4 index may be in all, beyond a megabyte.
pub const MAX_EXPANSION: usize = 16;

/// Bytes of an entry before its id.
const STAT_LEN: usize = 40;

pub(crate) fn parse(format: ObjectFormat, bytes: &[u8]) -> Result<Index, IndexError> {
    let corrupt = |offset, detail| IndexError::Corrupt { offset, detail };
    let body_len = bytes.len().checked_sub(format.raw_len()).ok_or(corrupt(0, "it is too short"))?;
    let (body, trailer) = bytes.split_at(body_len);
    let mut input = Input { bytes: body, at: 0 };
    if input.take(4)? != SIGNATURE {
        return Err(corrupt(0, "it does not begin with DIRC"));
    }
    let version = input.number()?;
    if !(2..=4).contains(&version) {
        return Err(IndexError::Unsupported { what: format!("version {version} of the format") });
    }
    // All zero where index.skipHash is set.
    if trailer.iter().any(|b| *b != 0) {
        let mut checksum = Checksum::new(format);
        checksum.update(body);
        if checksum.finish().as_bytes() != trailer {
            return Err(corrupt(body_len, "its checksum is wrong"));
        }
    }
    let count = input.number()? as usize;
    let least = STAT_LEN + format.raw_len() + 2 + 2;
    if count > body.len() / least {
        return Err(corrupt(8, "it cannot hold so many entries"));
    }
    let entries = Reader { format, version, bound: (1 << 20) + bytes.len().saturating_mul(MAX_EXPANSION) }
        .entries(&mut input, count)?;
    let mut index = Index { format, entries, trees: None, timestamp: None };
    while input.at < body.len() {
        let offset = input.at;
        let signature = input.take(4)?;
        let len = input.number()? as usize;
        let data = input.take(len)?;
        if signature == tree::SIGNATURE {
            index.trees = CachedTrees::parse(format, data, count);
        } else if !signature[0].is_ascii_uppercase() {
            if !signature.iter().all(u8::is_ascii_graphic) {
                return Err(corrupt(offset, "it goes on with what is no extension"));
            }
            return Err(IndexError::Unsupported { what: format!("the extension '{}'", signature.as_bstr()) });
        }
    }
    Ok(index)
}

struct Reader {
    format: ObjectFormat,
    version: u32,
    /// Bytes that the paths may still have.
    bound: usize,
}

impl Reader {
    fn entries(&self, input: &mut Input<'_>, count: usize) -> Result<Vec<IndexEntry>, IndexError> {
        let mut entries: Vec<IndexEntry> = Vec::with_capacity(count);
        let mut path_bytes = 0;
        for _ in 0..count {
            let start = input.at;
            let previous = entries.last();
            let entry = self.entry(input, previous.map_or(&[], |entry| &entry.path[..]))?;
            path_bytes += entry.path.len();
            if path_bytes > self.bound {
                return Err(IndexError::TooLarge { bound: self.bound });
            }
            if previous.is_some_and(|previous| order(previous, &entry).is_ge()) {
                return Err(IndexError::Corrupt { offset: start, detail: "its entries are out of order" });
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    fn entry(&self, input: &mut Input<'_>, previous: &[u8]) -> Result<IndexEntry, IndexError> {
        let start = input.at;
        let corrupt = |detail| IndexError::Corrupt { offset: start, detail };
        let mut numbers = [0u32; STAT_LEN / 4];
        for number in &mut numbers {
            *number = input.number()?;
        }
        let [ctime, ctime_nsec, mtime, mtime_nsec, dev, ino, mode, uid, gid, size] = numbers;
        let id = ObjectId::from_bytes(self.format, input.take(self.format.raw_len())?)
            .map_err(|_| corrupt("an entry has no id"))?;
        let bits = input.short()?;
        let more = match bits & EXTENDED {
            0 => 0,
            _ if self.version == 2 => return Err(corrupt("a version 2 entry has extended flags")),
            _ => input.short()?,
        };
        let path = match self.version {
            4 => {
                let strip = input.offset()?;
                let keep =
                    previous.len().checked_sub(strip).ok_or(corrupt("an entry drops more than there is"))?;
                let suffix = input.until_nul()?;
                [&previous[..keep], suffix].concat()
            }
            _ => {
                let path = input.until_nul()?.to_vec();
                // One NUL is behind the path already; up to seven more fill the entry.
                let padding = 8 - (input.at - 1 - start) % 8 - 1;
                if input.take(padding)?.iter().any(|b| *b != 0) {
                    return Err(corrupt("an entry is not padded with NUL"));
                }
                path
            }
        };
        if usize::from(bits) & NAME_MASK != path.len().min(NAME_MASK) {
            return Err(corrupt("the path of an entry has another length than it says"));
        }
        let mode = EntryMode::from_raw(mode);
        let is_directory = mode.kind() == EntryKind::Tree;
        if path.is_empty() || path[0] == b'/' || (path.ends_with(b"/") != is_directory) {
            return Err(corrupt("the path of an entry cannot be"));
        }
        Ok(IndexEntry {
            path: path.into(),
            mode,
            id,
            stat: Stat {
                ctime: Timestamp { seconds: ctime, nanoseconds: ctime_nsec },
                mtime: Timestamp { seconds: mtime, nanoseconds: mtime_nsec },
                dev,
                ino,
                uid,
                gid,
                size,
            },
            flags: EntryFlags {
                stage: Stage::from_bits(bits >> STAGE_SHIFT),
                assume_valid: bits & ASSUME_VALID != 0,
                skip_worktree: more & SKIP_WORKTREE != 0,
                intent_to_add: more & INTENT_TO_ADD != 0,
            },
        })
    }
}

/// Bytes and how far they have been read.
struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], IndexError> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(IndexError::Corrupt { offset: self.at, detail: "it ends too soon" })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, IndexError> {
        Ok(self.take(4)?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn short(&mut self) -> Result<u16, IndexError> {
        Ok(self.take(2)?.iter().fold(0, |number, byte| number << 8 | u16::from(*byte)))
    }

    /// What stands before the next NUL, which is skipped.
    fn until_nul(&mut self) -> Result<&'a [u8], IndexError> {
        let len = self.bytes[self.at..].find_byte(0);
        let len = len.ok_or(IndexError::Corrupt { offset: self.at, detail: "a path has no end" })?;
        let taken = self.take(len)?;
        self.at += 1;
        Ok(taken)
    }

    /// A number in the encoding of pack offsets.
    fn offset(&mut self) -> Result<usize, IndexError> {
        let start = self.at;
        let mut value = 0usize;
        loop {
            let byte = self.take(1)?[0];
            value |= usize::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            value = value.checked_add(1).filter(|value| *value < 1 << 40).map(|value| value << 7).ok_or(
                IndexError::Corrupt { offset: start, detail: "a path drops more bytes than can be counted" },
            )?;
        }
    }
}
