//! Files that are written here are read again; damaged ones are refused or give wrong answers, never a panic.

use super::{BitOrder, BitmapBuilder, BitmapError, BitmapFile, Expander, Flags, ObjectType, name_hash};
use crate::Digest;
use crate::ewah::{Ewah, words_for, write_ewah};
use git_core_object::ObjectFormat;
use proptest::prelude::*;

const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];

/// Sets with long runs, short ones and noise; the last word has no bits beyond the set.
fn sets() -> impl Strategy<Value = (u32, Vec<u64>)> {
    let stretch =
        prop_oneof![(Just(0u64), 0usize..90), (Just(u64::MAX), 0usize..90), (any::<u64>(), 0usize..4),];
    (proptest::collection::vec(stretch, 0..8), 0u32..64).prop_map(|(stretches, rest)| {
        let mut words: Vec<u64> = stretches.into_iter().flat_map(|(word, times)| vec![word; times]).collect();
        let bits = (words.len() as u32 * 64).saturating_sub(rest);
        clip(&mut words, bits);
        (bits, words)
    })
}

fn clip(words: &mut [u64], bits: u32) {
    if let Some(last) = words.last_mut()
        && !bits.is_multiple_of(64)
    {
        *last &= (1 << (bits % 64)) - 1;
    }
}

fn compressed(words: &[u64], bits: u32) -> Vec<u8> {
    let mut out = Vec::new();
    write_ewah(words, bits, &mut out);
    out
}

/// A file of some entries with everything that can be in it.
fn build(format: ObjectFormat, objects: u32, entries: &[(u32, Vec<u64>)], flags: Flags) -> (Vec<u8>, Digest) {
    let checksum = Digest::from_bytes(format, &vec![7; format.raw_len()]).unwrap();
    let mut builder = BitmapBuilder::new(objects, checksum);
    for bit in 0..objects {
        builder.set_type(bit, ObjectType::ALL[bit as usize % 4]);
    }
    if flags.has(Flags::HASH_CACHE) {
        builder = builder.with_hashes((0..objects).map(|row| row.wrapping_mul(77)).collect());
    }
    if flags.has(Flags::LOOKUP_TABLE) {
        builder = builder.with_lookup_table();
    }
    for (position, set) in entries {
        builder.add(*position, set.clone());
    }
    (builder.finish(), checksum)
}

/// Entries whose sets grow and change like those of a history.
fn histories() -> impl Strategy<Value = (u32, Vec<(u32, Vec<u64>)>)> {
    (1u32..900).prop_flat_map(|objects| {
        let flips = proptest::collection::vec(proptest::collection::vec(0..objects, 0..20), 0..40);
        (Just(objects), flips).prop_map(|(objects, flips)| {
            let mut set = vec![0u64; words_for(objects)];
            let entries = flips.into_iter().zip(0..objects).map(|(flips, at)| {
                for bit in flips {
                    set[bit as usize / 64] ^= 1 << (bit % 64);
                }
                // Not in the order of the rows.
                ((at * 7919) % objects, set.clone())
            });
            let mut entries: Vec<_> = entries.collect();
            let mut seen = std::collections::HashSet::new();
            entries.retain(|(position, _)| seen.insert(*position));
            (objects, entries)
        })
    })
}

proptest! {
    #[test]
    fn maps_come_back((bits, words) in sets(), tail in proptest::collection::vec(any::<u8>(), 0..9)) {
        let mut stored = compressed(&words, bits);
        let len = stored.len();
        stored.extend_from_slice(&tail);
        let map = Ewah::parse(&stored).unwrap();
        prop_assert_eq!(map.stored().len(), len);
        prop_assert_eq!(map.bits(), bits);
        prop_assert_eq!(map.to_words(bits).unwrap(), words);
    }

    #[test]
    fn maps_combine_as_words_do((bits, words) in sets(), seed in any::<u64>()) {
        let stored = compressed(&words, bits);
        let map = Ewah::parse(&stored).unwrap();
        let mut noise = seed | 1;
        let other: Vec<u64> = words.iter().map(|word| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if noise >> 60 == 0 { *word } else { noise }
        }).collect();
        type Combine = fn(&Ewah<'_>, &mut [u64]) -> Result<(), crate::ewah::EwahError>;
        type Word = fn(u64, u64) -> u64;
        let cases: [(Combine, Word); 4] = [
            (|map, set| map.or_into(set), |a, b| a | b),
            (|map, set| map.xor_into(set), |a, b| a ^ b),
            (|map, set| map.and_into(set), |a, b| a & b),
            (|map, set| map.and_not_into(set), |a, b| a & !b),
        ];
        for (combine, expected) in cases {
            let mut set = other.clone();
            combine(&map, &mut set).unwrap();
            let expected: Vec<u64> = other.iter().zip(&words).map(|(a, b)| expected(*a, *b)).collect();
            prop_assert_eq!(set, expected);
        }
        // A set that is longer: nothing is there but what the map has.
        let mut longer = vec![u64::MAX; words.len() + 3];
        map.and_into(&mut longer).unwrap();
        prop_assert_eq!(&longer[..words.len()], &words[..]);
        prop_assert!(longer[words.len()..].iter().all(|word| *word == 0));
    }

    #[test]
    fn files_come_back((objects, entries) in histories(), extensions in 0u8..4, sha256 in any::<bool>()) {
        let format = FORMATS[usize::from(sha256)];
        let mut flags = Flags::FULL_DAG;
        if extensions & 1 != 0 { flags = flags.with(Flags::HASH_CACHE); }
        if extensions & 2 != 0 { flags = flags.with(Flags::LOOKUP_TABLE); }
        let (bytes, checksum) = build(format, objects, &entries, flags);
        let file = BitmapFile::open(&bytes, objects, &checksum).unwrap();
        file.verify_checksum().unwrap();
        prop_assert_eq!(file.flags(), flags);
        prop_assert_eq!(file.entries().len(), entries.len());
        let mut expander = Expander::new(&file);
        for (position, set) in &entries {
            let entry = file.entry_of(*position).unwrap();
            prop_assert_eq!(&expander.words(entry).unwrap(), set);
        }
        for row in 0..objects {
            let expected = (extensions & 1 != 0).then(|| row.wrapping_mul(77));
            prop_assert_eq!(file.name_hash(row), expected);
            let kind = ObjectType::ALL[row as usize % 4];
            let words = file.of_type(kind).unwrap().to_words(objects).unwrap();
            prop_assert!(words[row as usize / 64] >> (row % 64) & 1 == 1);
        }
        prop_assert_eq!(file.name_hash(objects), None);
    }

    #[test]
    fn damage_does_no_harm(
        (objects, entries) in histories(),
        table in any::<bool>(),
        place in any::<proptest::sample::Index>(),
        value in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let flags = Flags::FULL_DAG.with(Flags::HASH_CACHE);
        let flags = if table { flags.with(Flags::LOOKUP_TABLE) } else { flags };
        let (mut bytes, checksum) = build(ObjectFormat::Sha1, objects, &entries, flags);
        let at = place.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = value }
        if let Ok(file) = BitmapFile::open(&bytes, objects, &checksum) {
            let mut expander = Expander::new(&file);
            for entry in 0..file.entries().len() as u32 {
                let _ = expander.words(entry);
            }
            let _ = (file.pseudo_merges(), file.verify_checksum());
        }
    }
}

#[test]
fn entries_that_are_based_on_one_another() {
    let (mut bytes, checksum) = build(
        ObjectFormat::Sha1,
        64,
        &[(3, vec![0xff]), (5, vec![0xfe]), (9, vec![0xef])],
        Flags::FULL_DAG.with(Flags::LOOKUP_TABLE),
    );
    let table = bytes.len() - 20 - 3 * 16;
    bytes[table + 12..table + 16].copy_from_slice(&1u32.to_be_bytes());
    bytes[table + 28..table + 32].copy_from_slice(&0u32.to_be_bytes());
    let file = BitmapFile::open(&bytes, 64, &checksum).unwrap();
    assert!(matches!(Expander::new(&file).words(0), Err(BitmapError::Base { entry: 0 })));
}

#[test]
fn counts_are_bounded_by_the_file() {
    let (bytes, checksum) = build(ObjectFormat::Sha256, 8, &[(0, vec![1])], Flags::FULL_DAG);
    let mut huge = bytes.clone();
    huge[8..12].fill(0xff);
    assert!(matches!(BitmapFile::open(&huge, 8, &checksum), Err(BitmapError::Length { .. })));
    huge[7] |= 0x10;
    assert!(matches!(BitmapFile::open(&huge, 8, &checksum), Err(BitmapError::Length { .. })));
    huge[7] = 0x05;
    assert!(matches!(BitmapFile::open(&huge, u32::MAX, &checksum), Err(BitmapError::Length { .. })));
    for (place, value) in [(0, b'X'), (5, 2), (7, 0), (7, 0x81), (12, 0)] {
        let mut other = bytes.clone();
        other[place] = value;
        assert!(BitmapFile::open(&other, 8, &checksum).is_err(), "{place}");
    }
    // An entry about a row that is not there, and one that is based on what comes before the first.
    let head = bytes.len() - 32 - (6 + 8 + 16 + 4);
    for (place, value) in [(head + 3, 8), (head + 4, 1)] {
        let mut other = bytes.clone();
        other[place] = value;
        assert!(BitmapFile::open(&other, 8, &checksum).is_err(), "{place}");
    }
}

#[test]
fn orders_are_permutations() {
    let order = BitOrder::new(vec![2, 0, 1]).unwrap();
    assert_eq!((0..3).map(|bit| order.bit(order.row(bit))).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(BitOrder::new(vec![1, 1]).unwrap_err(), BitmapError::Order { row: 1 });
    assert_eq!(BitOrder::new(vec![2, 0]).unwrap_err(), BitmapError::Order { row: 2 });
}

#[test]
fn hashes_of_paths() {
    assert_eq!(name_hash(b""), 0);
    assert_eq!(name_hash(b"a"), 0x6100_0000);
    assert_eq!(name_hash(b"a b"), name_hash(b"ab"));
    assert_eq!(name_hash(b"ab"), (0x6100_0000 >> 2) + 0x6200_0000);
}
