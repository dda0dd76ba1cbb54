//! Reading and writing `.mtimes` files: when each object of a cruft pack was last needed.
//!
//! See `gitformat-pack(5)`, "pack-*.mtimes files have the format".

use crate::file::be32;
use crate::{IdxError, IdxPosition};
use git_core_hash::{Checksum, Digest};
use git_core_object::ObjectFormat;

const WHAT: &str = "mtimes file";
const HEADER_LEN: usize = 12;
const MAGIC: [u8; 4] = *b"MTME";

/// The times of a cruft pack's objects, over the bytes that `B` holds.
#[derive(Clone, Debug)]
pub struct MtimesFile<B> {
    bytes: B,
    format: ObjectFormat,
    count: u32,
}

impl<B: AsRef<[u8]>> MtimesFile<B> {
    /// Takes the bytes of a whole `.mtimes` file that belongs to an index of `count` rows, in constant time.
    ///
    /// # Errors
    /// [`IdxError`] when the file is no such file of `format`, or not one of so many rows.
    pub fn open(bytes: B, format: ObjectFormat, count: u32) -> Result<Self, IdxError> {
        let data = bytes.as_ref();
        let (Some(version), Some(number)) = (be32(data, 4), be32(data, 8)) else {
            return Err(IdxError::TooSmall { what: WHAT, len: data.len() as u64 });
        };
        if !data.starts_with(&MAGIC) {
            return Err(IdxError::Signature { what: WHAT });
        }
        if version != 1 {
            return Err(IdxError::Version { what: WHAT, version });
        }
        if number != u32::from(format.number()) {
            return Err(IdxError::Format { number });
        }
        let expected = HEADER_LEN as u64 + u64::from(count) * 4 + 2 * format.raw_len() as u64;
        if data.len() as u64 != expected {
            return Err(IdxError::Length { what: WHAT, len: data.len() as u64, count: count.into() });
        }
        Ok(MtimesFile { bytes, format, count })
    }

    /// The number of rows.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// When the object in this row of the index was last needed, in seconds since 1970.
    ///
    /// # Panics
    /// When the row is not below [`count`](Self::count).
    pub fn mtime(&self, row: IdxPosition) -> u32 {
        assert!(row.0 < self.count, "row {} of {} times", row.0, self.count);
        be32(self.bytes.as_ref(), HEADER_LEN + row.0 as usize * 4).unwrap_or(0)
    }

    /// The checksum that the pack ends in.
    pub fn pack_checksum(&self) -> Digest {
        self.trailer(2)
    }

    /// Reads the whole file and checks its checksum.
    ///
    /// # Errors
    /// [`IdxError::Checksum`] when it differs.
    pub fn verify(&self) -> Result<(), IdxError> {
        let data = self.bytes.as_ref();
        let mut checksum = Checksum::new(self.format);
        checksum.update(&data[..data.len() - self.format.raw_len()]);
        match checksum.finish() == self.trailer(1) {
            true => Ok(()),
            false => Err(IdxError::Checksum { what: WHAT }),
        }
    }

    fn trailer(&self, from_end: usize) -> Digest {
        let data = self.bytes.as_ref();
        let hash = self.format.raw_len();
        let at = data.len() - from_end * hash;
        Digest::from_bytes(self.format, &data[at..at + hash]).expect("the trailer holds two whole digests")
    }
}

/// The bytes of an `.mtimes` file: the times in the order of the index.
pub fn write_mtimes(times: impl ExactSizeIterator<Item = u32>, pack_checksum: &Digest) -> Vec<u8> {
    let format = pack_checksum.format();
    let mut out = Vec::with_capacity(HEADER_LEN + times.len() * 4 + 2 * format.raw_len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&1u32.to_be_bytes());
    out.extend_from_slice(&u32::from(format.number()).to_be_bytes());
    for time in times {
        out.extend_from_slice(&time.to_be_bytes());
    }
    out.extend_from_slice(pack_checksum.as_bytes());
    let mut checksum = Checksum::new(format);
    checksum.update(&out);
    out.extend_from_slice(checksum.finish().as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digest(format: ObjectFormat) -> Digest {
        let mut checksum = Checksum::new(format);
        checksum.update(b"pack");
        checksum.finish()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(times in proptest::collection::vec(any::<u32>(), 0..50), wide in any::<bool>()) {
            let format = if wide { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
            let bytes = write_mtimes(times.iter().copied(), &digest(format));
            let file = MtimesFile::open(&bytes[..], format, times.len() as u32).unwrap();
            file.verify().unwrap();
            prop_assert_eq!(file.pack_checksum(), digest(format));
            let read: Vec<u32> = (0..file.count()).map(|row| file.mtime(IdxPosition(row))).collect();
            prop_assert_eq!(read, times);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..90), count in 0u32..9) {
            for head in [&b""[..], b"MTME\0\0\0\x01\0\0\0\x01"] {
                let all = [head, &bytes].concat();
                if let Ok(file) = MtimesFile::open(&all[..], ObjectFormat::Sha1, count) {
                    let _ = file.verify();
                    let sum: u64 = (0..count).map(|row| u64::from(file.mtime(IdxPosition(row)))).sum();
                    prop_assert!(sum <= u64::from(count) * u64::from(u32::MAX));
                }
            }
        }
    }

    #[test]
    fn every_kind_of_damage_is_named() {
        let format = ObjectFormat::Sha1;
        let good = write_mtimes([1, 2, 3].into_iter(), &digest(format));
        let open = |bytes: &[u8], count| MtimesFile::open(bytes.to_vec(), format, count);
        assert!(matches!(open(&good, 4), Err(IdxError::Length { .. })));
        assert!(matches!(open(&good[..11], 3), Err(IdxError::TooSmall { .. })));
        for (at, byte) in [(0, b'R'), (7, 2), (11, 2)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert!(open(&bad, 3).is_err(), "byte {at}");
        }
        let mut bad = good.clone();
        bad[14] ^= 1;
        assert_eq!(open(&bad, 3).unwrap().verify(), Err(IdxError::Checksum { what: WHAT }));
    }
}
