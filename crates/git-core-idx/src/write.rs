//! Writing pack indexes and reverse indexes, byte for byte as git writes them.

use crate::{Digest, IdxError, PackOffset, Version};
use git_core_hash::Checksum;
use git_core_object::{ObjectFormat, ObjectId};

/// What a pack index says of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdxEntry {
    /// The object.
    pub id: ObjectId,
    /// Where its entry begins.
    pub offset: PackOffset,
    /// CRC-32 of the entry as it stands in the pack; not stored by version 1.
    pub crc: u32,
}

/// The bytes of an `.idx` file. `entries` are ascending by id; they are walked several times.
///
/// # Errors
/// [`IdxError::Unsorted`] when an id is less than the one before it, [`IdxError::TooLarge`] for more than
/// 2^32 - 1 objects, more than 2^31 offsets above 2 GiB, or with version 1 an offset of 4 GiB or more.
pub fn write_idx<I>(version: Version, entries: I, pack_checksum: &Digest) -> Result<Vec<u8>, IdxError>
where
    I: ExactSizeIterator<Item = IdxEntry> + Clone,
{
    write_idx_wide_above(version, entries, pack_checksum, LARGEST_SMALL)
}

/// The largest offset that is stored with 31 bits.
const LARGEST_SMALL: u32 = 0x7fff_ffff;

/// As [`write_idx`], but with version 2 offsets above `wide_above` take 64 bits: to try readers with small packs.
///
/// # Errors
/// As [`write_idx`].
pub fn write_idx_wide_above<I>(
    version: Version,
    entries: I,
    pack_checksum: &Digest,
    wide_above: u32,
) -> Result<Vec<u8>, IdxError>
where
    I: ExactSizeIterator<Item = IdxEntry> + Clone,
{
    let format = pack_checksum.format();
    let hash = format.raw_len();
    let count = entries.len();
    if u32::try_from(count).is_err() {
        return Err(IdxError::TooLarge { what: "the number of objects" });
    }
    let mut out = Vec::with_capacity(8 + 1024 + count * (hash + 8) + 2 * hash);
    if version == Version::V2 {
        out.extend_from_slice(&crate::file::MAGIC);
        out.extend_from_slice(&2u32.to_be_bytes());
    }
    write_fanout(&mut out, entries.clone())?;
    match version {
        Version::V1 => {
            for entry in entries {
                let offset =
                    u32::try_from(entry.offset.0).map_err(|_| IdxError::TooLarge { what: "an offset" })?;
                out.extend_from_slice(&offset.to_be_bytes());
                out.extend_from_slice(entry.id.as_bytes());
            }
        }
        Version::V2 => {
            for entry in entries.clone() {
                out.extend_from_slice(entry.id.as_bytes());
            }
            for entry in entries.clone() {
                out.extend_from_slice(&entry.crc.to_be_bytes());
            }
            write_offsets(&mut out, entries, wide_above.min(LARGEST_SMALL))?;
        }
    }
    out.extend_from_slice(pack_checksum.as_bytes());
    finish(format, &mut out);
    Ok(out)
}

/// The bytes of a `.rev` file: the rows of the index in the order of their offsets, see [`pack_order`].
pub fn write_rev(rows: impl ExactSizeIterator<Item = u32>, pack_checksum: &Digest) -> Vec<u8> {
    let format = pack_checksum.format();
    let mut out = Vec::with_capacity(12 + rows.len() * 4 + 2 * format.raw_len());
    out.extend_from_slice(&crate::rev::MAGIC);
    out.extend_from_slice(&1u32.to_be_bytes());
    out.extend_from_slice(&u32::from(format.number()).to_be_bytes());
    for row in rows {
        out.extend_from_slice(&row.to_be_bytes());
    }
    out.extend_from_slice(pack_checksum.as_bytes());
    finish(format, &mut out);
    out
}

/// The rows of an index in the order of their offsets, given the offsets in the order of the rows.
pub fn pack_order(offsets: impl ExactSizeIterator<Item = PackOffset>) -> Vec<u32> {
    let mut rows: Vec<(PackOffset, u32)> = offsets.zip(0..).collect();
    rows.sort_unstable();
    rows.into_iter().map(|(_, row)| row).collect()
}

fn write_fanout(out: &mut Vec<u8>, entries: impl Iterator<Item = IdxEntry>) -> Result<(), IdxError> {
    let mut fanout = [0u32; 256];
    let mut last: Option<ObjectId> = None;
    for entry in entries {
        if last.is_some_and(|last| entry.id < last) {
            return Err(IdxError::Unsorted { id: entry.id });
        }
        last = Some(entry.id);
        fanout[usize::from(entry.id.first_byte())] += 1;
    }
    let mut total = 0u32;
    for in_bucket in fanout {
        total += in_bucket;
        out.extend_from_slice(&total.to_be_bytes());
    }
    Ok(())
}

fn write_offsets(
    out: &mut Vec<u8>,
    entries: impl Iterator<Item = IdxEntry>,
    wide_above: u32,
) -> Result<(), IdxError> {
    let mut large: Vec<u64> = Vec::new();
    for entry in entries {
        let value = match u32::try_from(entry.offset.0) {
            Ok(small) if small <= wide_above => small,
            _ => {
                large.push(entry.offset.0);
                match u32::try_from(large.len() - 1) {
                    Ok(row) if row < 0x8000_0000 => row | 0x8000_0000,
                    _ => return Err(IdxError::TooLarge { what: "the number of 64-bit offsets" }),
                }
            }
        };
        out.extend_from_slice(&value.to_be_bytes());
    }
    for offset in large {
        out.extend_from_slice(&offset.to_be_bytes());
    }
    Ok(())
}

fn finish(format: ObjectFormat, out: &mut Vec<u8>) {
    let mut checksum = Checksum::new(format);
    checksum.update(out);
    out.extend_from_slice(checksum.finish().as_bytes());
}
