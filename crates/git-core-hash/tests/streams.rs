//! Digests do not depend on how the bytes come, and are those of the plain hash functions.
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]

use git_core_hash::{Checksum, Digest, Hasher, ObjectFormat};
use proptest::collection::vec;
use proptest::prelude::*;
use sha1::Digest as _;

const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];

fn plain(format: ObjectFormat, bytes: &[u8]) -> Vec<u8> {
    match format {
        ObjectFormat::Sha1 => sha1::Sha1::digest(bytes).to_vec(),
        _ => sha2::Sha256::digest(bytes).to_vec(),
    }
}

proptest! {
    #[test]
    fn pieces_hash_as_the_whole(bytes in vec(any::<u8>(), 0..3000), cuts in vec(any::<prop::sample::Index>(), 0..6)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        for format in FORMATS {
            let (mut hasher, mut checksum) = (Hasher::new(format), Checksum::new(format));
            for cut in cuts.windows(2) {
                hasher.update(&bytes[cut[0]..cut[1]]);
                checksum.update(&bytes[cut[0]..cut[1]]);
            }
            let expected = plain(format, &bytes);
            let (content, plain) = (hasher.finish().unwrap(), checksum.finish());
            prop_assert_eq!(content.as_bytes(), &expected[..]);
            prop_assert_eq!(plain.as_bytes(), &expected[..]);
        }
    }
}

#[test]
fn known_digests() {
    for (format, text, hex) in [
        (ObjectFormat::Sha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (ObjectFormat::Sha256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ] {
        let mut hasher = Hasher::new(format);
        hasher.update(text.as_bytes());
        assert_eq!(hasher.finish().unwrap().to_string(), hex);
    }
}

#[test]
fn digests_have_the_length_of_their_format() {
    for format in FORMATS {
        assert!(Digest::from_bytes(format, &vec![0; format.raw_len()]).is_some());
        assert!(Digest::from_bytes(format, &vec![0; format.raw_len() + 1]).is_none());
        assert_eq!(ObjectFormat::from_hex_len(format.hex_len()), Some(format));
        assert_eq!(format.name().parse(), Ok(format));
    }
    assert!("md5".parse::<ObjectFormat>().is_err());
}
