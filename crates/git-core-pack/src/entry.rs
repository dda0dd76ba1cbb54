//! The header of a pack, and the header that stands before each of its entries.
//!
//! See `gitformat-pack(5)`, "pack-*.pack files have the following format" and "Size encoding".

use git_core_idx::PackOffset;
use git_core_object::{Kind, ObjectFormat, ObjectId};

/// The length of a pack's header: signature, version, number of objects.
pub const PACK_HEADER_LEN: usize = 12;

/// The longest entry header of any kind: ten bytes of size and an id.
pub const MAX_ENTRY_HEADER_LEN: usize = 10 + ObjectFormat::MAX_LEN;

const SIGNATURE: [u8; 4] = *b"PACK";

/// What is wrong with a header in a pack.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The first four bytes are not `PACK`.
    #[error("pack signature mismatch")]
    Signature,
    /// The version is neither 2 nor 3.
    #[error("pack version {0} unsupported")]
    Version(u32),
    /// The bytes end before the header does.
    #[error("the entry header is cut off")]
    Truncated,
    /// The type is 0 or 5, which no entry has.
    #[error("unknown object type {0}")]
    Type(u8),
    /// The size does not fit 64 bits.
    #[error("the size of the entry does not fit 64 bits")]
    Size,
    /// The distance to the base of an ofs-delta does not fit 64 bits.
    #[error("the delta base distance does not fit 64 bits")]
    Distance,
}

/// Writes the header of a pack of so many objects, version 2.
pub fn pack_header(objects: u32) -> [u8; PACK_HEADER_LEN] {
    let mut out = [0; PACK_HEADER_LEN];
    out[..4].copy_from_slice(&SIGNATURE);
    out[4..8].copy_from_slice(&2u32.to_be_bytes());
    out[8..].copy_from_slice(&objects.to_be_bytes());
    out
}

/// Reads the header of a pack: how many objects it declares.
///
/// # Errors
/// [`HeaderError::Signature`] or [`HeaderError::Version`].
pub fn parse_pack_header(bytes: &[u8; PACK_HEADER_LEN]) -> Result<u32, HeaderError> {
    let [s0, s1, s2, s3, v0, v1, v2, v3, n0, n1, n2, n3] = *bytes;
    if [s0, s1, s2, s3] != SIGNATURE {
        return Err(HeaderError::Signature);
    }
    match u32::from_be_bytes([v0, v1, v2, v3]) {
        2 | 3 => Ok(u32::from_be_bytes([n0, n1, n2, n3])),
        version => Err(HeaderError::Version(version)),
    }
}

/// How an entry stores its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Whole, as an object of this kind.
    Whole(Kind),
    /// As a delta on the entry that begins so many bytes before this one.
    OfsDelta {
        /// The distance, more than 0 in a valid pack.
        distance: u64,
    },
    /// As a delta on the object of this id.
    RefDelta {
        /// The base.
        base: ObjectId,
    },
}

impl EntryKind {
    /// Whether the entry is a delta.
    pub const fn is_delta(&self) -> bool {
        !matches!(self, EntryKind::Whole(_))
    }

    /// The offset of an ofs-delta's base, given the offset of the entry; `None` for other kinds and for a
    /// distance that leads out of the pack.
    pub fn base_offset(&self, entry: PackOffset) -> Option<PackOffset> {
        match self {
            EntryKind::OfsDelta { distance } if *distance > 0 => {
                let base = entry.0.checked_sub(*distance)?;
                (base >= PACK_HEADER_LEN as u64).then_some(PackOffset(base))
            }
            _ => None,
        }
    }
}

/// The header of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHeader {
    /// How the object is stored.
    pub kind: EntryKind,
    /// The number of bytes that the entry inflates to: the object itself, or the delta.
    pub size: u64,
}

impl EntryHeader {
    /// Reads a header from the beginning of `bytes`; gives it and its length.
    ///
    /// # Errors
    /// [`HeaderError::Truncated`] when `bytes` end before the header does (more bytes may help), others when
    /// it is invalid.
    pub fn parse(format: ObjectFormat, bytes: &[u8]) -> Result<(Self, usize), HeaderError> {
        let first = *bytes.first().ok_or(HeaderError::Truncated)?;
        let mut size = u64::from(first & 0x0f);
        let mut used = 1;
        let mut shift = 4;
        let mut more = first & 0x80 != 0;
        while more {
            let byte = *bytes.get(used).ok_or(HeaderError::Truncated)?;
            let part = u64::from(byte & 0x7f);
            if shift > 60 || (shift == 60 && part > 0x0f) {
                return Err(HeaderError::Size);
            }
            size |= part << shift;
            shift += 7;
            used += 1;
            more = byte & 0x80 != 0;
        }
        let kind = match (first >> 4) & 7 {
            1 => EntryKind::Whole(Kind::Commit),
            2 => EntryKind::Whole(Kind::Tree),
            3 => EntryKind::Whole(Kind::Blob),
            4 => EntryKind::Whole(Kind::Tag),
            6 => {
                let (distance, len) = parse_distance(&bytes[used..])?;
                used += len;
                EntryKind::OfsDelta { distance }
            }
            7 => {
                let raw = bytes.get(used..used + format.raw_len()).ok_or(HeaderError::Truncated)?;
                used += raw.len();
                let base = ObjectId::from_bytes(format, raw).map_err(|_| HeaderError::Truncated)?;
                EntryKind::RefDelta { base }
            }
            other => return Err(HeaderError::Type(other)),
        };
        Ok((EntryHeader { kind, size }, used))
    }

    /// Appends the header to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let kind = match self.kind {
            EntryKind::Whole(Kind::Commit) => 1u8,
            EntryKind::Whole(Kind::Tree) => 2,
            EntryKind::Whole(Kind::Blob) => 3,
            EntryKind::Whole(Kind::Tag) => 4,
            EntryKind::OfsDelta { .. } => 6,
            EntryKind::RefDelta { .. } => 7,
        };
        let mut byte = kind << 4 | (self.size & 0x0f) as u8;
        let mut rest = self.size >> 4;
        while rest != 0 {
            out.push(byte | 0x80);
            byte = (rest & 0x7f) as u8;
            rest >>= 7;
        }
        out.push(byte);
        match self.kind {
            EntryKind::Whole(_) => {}
            EntryKind::OfsDelta { distance } => write_distance(distance, out),
            EntryKind::RefDelta { base } => out.extend_from_slice(base.as_bytes()),
        }
    }
}

/// Each byte but the last has its high bit set, and every further byte counts one more than its digits say,
/// so that no distance has two encodings.
fn parse_distance(bytes: &[u8]) -> Result<(u64, usize), HeaderError> {
    let mut byte = *bytes.first().ok_or(HeaderError::Truncated)?;
    let mut used = 1;
    let mut distance = u64::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        byte = *bytes.get(used).ok_or(HeaderError::Truncated)?;
        used += 1;
        distance =
            distance.checked_add(1).filter(|distance| *distance >> 57 == 0).ok_or(HeaderError::Distance)?;
        distance = distance << 7 | u64::from(byte & 0x7f);
    }
    Ok((distance, used))
}

fn write_distance(distance: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 10];
    let mut at = digits.len() - 1;
    digits[at] = (distance & 0x7f) as u8;
    let mut rest = distance >> 7;
    while rest != 0 {
        rest -= 1;
        at -= 1;
        digits[at] = 0x80 | (rest & 0x7f) as u8;
        rest >>= 7;
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds(format: ObjectFormat) -> impl Strategy<Value = EntryKind> {
        prop_oneof![
            Just(EntryKind::Whole(Kind::Commit)),
            Just(EntryKind::Whole(Kind::Tree)),
            Just(EntryKind::Whole(Kind::Blob)),
            Just(EntryKind::Whole(Kind::Tag)),
            any::<u64>().prop_map(|n| EntryKind::OfsDelta { distance: n }),
            (0u32..60).prop_map(|n| EntryKind::OfsDelta { distance: 1 << n }),
            any::<[u8; 32]>().prop_map(move |raw| EntryKind::RefDelta {
                base: ObjectId::from_bytes(format, &raw[..format.raw_len()]).unwrap()
            }),
        ]
    }

    proptest! {
        #[test]
        fn headers_survive(
            (format, kind) in prop_oneof![Just(ObjectFormat::Sha1), Just(ObjectFormat::Sha256)]
                .prop_flat_map(|format| (Just(format), kinds(format))),
            size in prop_oneof![any::<u64>(), 0u64..5000],
        ) {
            let header = EntryHeader { kind, size };
            let mut bytes = Vec::new();
            header.write(&mut bytes);
            prop_assert!(bytes.len() <= MAX_ENTRY_HEADER_LEN);
            prop_assert_eq!(EntryHeader::parse(format, &bytes), Ok((header, bytes.len())));
            for len in 0..bytes.len() {
                prop_assert_eq!(EntryHeader::parse(format, &bytes[..len]), Err(HeaderError::Truncated));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = EntryHeader::parse(ObjectFormat::Sha1, &bytes);
        }
    }

    #[test]
    fn sizes_and_distances_that_overflow_are_refused() {
        let mut long = vec![0xbf; 10];
        long.push(0x01);
        assert_eq!(EntryHeader::parse(ObjectFormat::Sha1, &long), Err(HeaderError::Size));
        let mut far = vec![0x60];
        far.extend([0xff; 12]);
        far.push(0);
        assert_eq!(EntryHeader::parse(ObjectFormat::Sha1, &far), Err(HeaderError::Distance));
        for kind in [0u8, 5] {
            assert_eq!(EntryHeader::parse(ObjectFormat::Sha1, &[kind << 4]), Err(HeaderError::Type(kind)));
        }
    }

    #[test]
    fn a_base_lies_inside_the_pack_and_before_its_delta() {
        let at = |distance| EntryKind::OfsDelta { distance }.base_offset(PackOffset(100));
        assert_eq!(at(88), Some(PackOffset(12)));
        assert_eq!(at(0), None);
        assert_eq!(at(89), None);
        assert_eq!(at(u64::MAX), None);
    }
}
