//! Writing the bytes of an index file: version 2, or 3 when an entry has extended flags.

use crate::index::{Index, IndexEntry, tree};
use git_core_hash::Checksum;

/// What marks an index file.
pub(crate) const SIGNATURE: &[u8; 4] = b"DIRC";
/// Longer names have this for a length, and end where their NUL is.
pub(crate) const NAME_MASK: usize = 0xfff;
/// Bits of the flags.
pub(crate) const ASSUME_VALID: u16 = 1 << 15;
pub(crate) const EXTENDED: u16 = 1 << 14;
pub(crate) const STAGE_SHIFT: u32 = 12;
/// Bits of the extended flags.
pub(crate) const SKIP_WORKTREE: u16 = 1 << 14;
pub(crate) const INTENT_TO_ADD: u16 = 1 << 13;

pub(crate) fn encode(index: &Index, out: &mut Vec<u8>) {
    let start = out.len();
    let version = if index.entries.iter().any(|entry| entry.flags.is_extended()) { 3u32 } else { 2 };
    out.extend_from_slice(SIGNATURE);
    out.extend(version.to_be_bytes());
    out.extend((index.entries.len() as u32).to_be_bytes());
    for entry in &index.entries {
        write_entry(entry, out);
    }
    if let Some(trees) = &index.trees {
        out.extend_from_slice(tree::SIGNATURE);
        let size_at = out.len();
        out.extend([0; 4]);
        trees.encode(out);
        let size = (out.len() - size_at - 4) as u32;
        out[size_at..size_at + 4].copy_from_slice(&size.to_be_bytes());
    }
    let mut checksum = Checksum::new(index.format);
    checksum.update(&out[start..]);
    out.extend_from_slice(checksum.finish().as_bytes());
}

fn write_entry(entry: &IndexEntry, out: &mut Vec<u8>) {
    let start = out.len();
    let stat = &entry.stat;
    let numbers = [
        stat.ctime.seconds,
        stat.ctime.nanoseconds,
        stat.mtime.seconds,
        stat.mtime.nanoseconds,
        stat.dev,
        stat.ino,
        entry.mode.raw(),
        stat.uid,
        stat.gid,
        stat.size,
    ];
    out.extend(numbers.into_iter().flat_map(u32::to_be_bytes));
    out.extend_from_slice(entry.id.as_bytes());
    let flags = &entry.flags;
    let mut bits = (flags.stage as u16) << STAGE_SHIFT | entry.path.len().min(NAME_MASK) as u16;
    bits |= if flags.assume_valid { ASSUME_VALID } else { 0 };
    bits |= if flags.is_extended() { EXTENDED } else { 0 };
    out.extend(bits.to_be_bytes());
    if flags.is_extended() {
        let mut bits = if flags.skip_worktree { SKIP_WORKTREE } else { 0 };
        bits |= if flags.intent_to_add { INTENT_TO_ADD } else { 0 };
        out.extend(bits.to_be_bytes());
    }
    out.extend_from_slice(&entry.path);
    let padding = 8 - (out.len() - start) % 8;
    out.extend(std::iter::repeat_n(0, padding));
}
