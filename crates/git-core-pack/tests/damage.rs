//! Packs that are cut off, altered or made to mislead: an error each time, never a panic, a hang or much memory.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{Builder, FORMATS, Repo, context, index, tight};
use git_core_idx::PackOffset;
use git_core_object::{Kind, ObjectFormat, ObjectId, Objects};
use git_core_pack::delta::{DeltaHeader, DeltaWriter};
use git_core_pack::{EntryKind, IndexError, Reader, verify};

#[test]
fn a_pack_cut_off_anywhere_is_refused() {
    for format in FORMATS {
        let repo = Repo::new(format, 3, &[]);
        let pack = repo.pack_bytes();
        for len in 0..pack.len() {
            let error = index(format, &pack[..len], 512).unwrap_err();
            assert!(matches!(error, IndexError::Truncated { .. }), "{len}: {error}");
        }
    }
}

#[test]
fn a_pack_with_any_byte_altered_is_refused() {
    for format in FORMATS {
        let repo = Repo::new(format, 2, &[]);
        let pack = repo.pack_bytes();
        for at in 0..pack.len() {
            for bit in [0, 7] {
                let mut damaged = pack.clone();
                damaged[at] ^= 1 << bit;
                // Version 3 is another version that git reads; the checksum says no all the same.
                assert!(index(format, &damaged, 4096).is_err(), "byte {at}");
                // And with a checksum that matches, it is either refused or another pack.
                damaged.truncate(pack.len() - format.raw_len());
                common::seal(format, &mut damaged);
                let _ = index(format, &damaged, 4096);
            }
        }
    }
}

#[test]
fn a_stored_pack_with_any_byte_altered_is_found_out() {
    let format = ObjectFormat::Sha1;
    let repo = Repo::new(format, 6, &[]);
    let pack = repo.pack_bytes();
    let idx = index(format, &pack, 4096).unwrap().0.idx().unwrap();
    let cx = context(2);
    verify(&common::open(format, pack.clone(), idx.clone()), None, &cx).unwrap();
    for at in (12..pack.len() - 20).step_by(3) {
        let mut damaged = pack.clone();
        damaged[at] ^= 0x10;
        let opened = common::open(format, damaged, idx.clone());
        assert!(verify(&opened, None, &cx).is_err(), "byte {at}");
        let (mut content, mut reader) = (Vec::new(), Reader::new());
        for id in opened.idx().ids() {
            let offset = opened.find(&id).unwrap().unwrap();
            let _ = reader.read(&opened, offset, None, &mut content);
            let _ = reader.header(&opened, offset, None);
        }
    }
}

fn delta_to(base: &[u8], result: &[u8]) -> Vec<u8> {
    let header = DeltaHeader { base_size: base.len() as u64, result_size: result.len() as u64 };
    let mut writer = DeltaWriter::new(header);
    let same = base.iter().zip(result).take_while(|(a, b)| a == b).count();
    writer.copy(0..same as u64);
    writer.insert(&result[same..]);
    writer.finish()
}

fn blob(format: ObjectFormat, content: &[u8]) -> ObjectId {
    ObjectId::hash(format, Kind::Blob, content).unwrap()
}

#[test]
fn what_entries_claim_is_checked() {
    let format = ObjectFormat::Sha1;
    let whole = EntryKind::Whole(Kind::Blob);
    let lies: Vec<(&str, Vec<u8>)> = vec![
        ("a size too small", {
            let mut pack = Builder::new(format);
            pack.entry_declaring(whole, 4, b"hello");
            pack.finish()
        }),
        ("a size too large", {
            let mut pack = Builder::new(format);
            pack.entry_declaring(whole, 6, b"hello");
            pack.finish()
        }),
        ("a size of a terabyte", {
            let mut pack = Builder::new(format);
            pack.entry_declaring(EntryKind::Whole(Kind::Commit), 1 << 40, b"hello");
            pack.finish()
        }),
        ("more objects than there are", {
            let mut pack = Builder::new(format);
            pack.entry(whole, b"hello");
            pack.finish_declaring(2)
        }),
        ("four thousand million objects", Builder::new(format).finish_declaring(u32::MAX)),
        ("fewer objects than there are", {
            let mut pack = Builder::new(format);
            pack.entry(whole, b"hello");
            pack.entry(whole, b"there");
            pack.finish_declaring(1)
        }),
        ("a base before the pack", {
            let mut pack = Builder::new(format);
            pack.entry(EntryKind::OfsDelta { distance: 5000 }, &delta_to(b"a", b"b"));
            pack.finish()
        }),
        ("a delta on itself", {
            let mut pack = Builder::new(format);
            pack.entry(EntryKind::OfsDelta { distance: 0 }, &delta_to(b"a", b"b"));
            pack.finish()
        }),
        ("a base in the middle of an entry", {
            let mut pack = Builder::new(format);
            let first = pack.entry(whole, b"hello");
            let distance = pack.bytes.len() as u64 - first - 1;
            pack.entry(EntryKind::OfsDelta { distance }, &delta_to(b"hello", b"help"));
            pack.finish()
        }),
        ("two deltas on one another", {
            let (a, b) = (blob(format, b"a"), blob(format, b"b"));
            let mut pack = Builder::new(format);
            pack.entry(EntryKind::RefDelta { base: b }, &delta_to(b"b", b"a"));
            pack.entry(EntryKind::RefDelta { base: a }, &delta_to(b"a", b"b"));
            pack.finish()
        }),
        ("a delta for another base", {
            let mut pack = Builder::new(format);
            let first = pack.entry(whole, b"hello");
            let distance = pack.bytes.len() as u64 - first;
            pack.entry(EntryKind::OfsDelta { distance }, &delta_to(b"hallo!", b"help"));
            pack.finish()
        }),
        ("a delta to a terabyte", {
            let mut pack = Builder::new(format);
            let first = pack.entry(whole, b"hello");
            let distance = pack.bytes.len() as u64 - first;
            let huge = DeltaWriter::new(DeltaHeader { base_size: 5, result_size: 1 << 40 }).finish();
            pack.entry(EntryKind::OfsDelta { distance }, &huge);
            pack.finish()
        }),
    ];
    for (what, pack) in lies {
        for threads in [1, 2] {
            let cx = context(threads);
            let result = common::index_with(format, &pack, 100, Default::default(), &cx);
            assert!(result.is_err(), "{what}");
        }
    }
}

#[test]
fn a_cycle_through_an_index_is_found() {
    let format = ObjectFormat::Sha1;
    let (a, b) = (blob(format, b"a"), blob(format, b"b"));
    let mut builder = Builder::new(format);
    let first = builder.entry(EntryKind::RefDelta { base: b }, &delta_to(b"b", b"a"));
    let second = builder.entry(EntryKind::RefDelta { base: a }, &delta_to(b"a", b"b"));
    let pack = builder.finish();
    let checksum = git_core_idx::Digest::from_bytes(format, &pack[pack.len() - 20..]).unwrap();
    let mut entries = [(a, first), (b, second)].map(|(id, offset)| git_core_idx::IdxEntry {
        id,
        offset: PackOffset(offset),
        crc: 0,
    });
    entries.sort_by_key(|entry| entry.id);
    let idx = git_core_idx::write_idx(git_core_idx::Version::V1, entries.into_iter(), &checksum).unwrap();
    let pack = common::open(format, pack, idx);
    assert!(pack.read(&a, &mut Vec::new()).unwrap_err().to_string().contains("cycle"));
    assert!(Objects::header(&*pack, &b).unwrap_err().to_string().contains("cycle"));
    assert!(verify(&pack, None, &context(2)).is_err());
}

#[test]
fn a_base_that_depends_on_the_pack_is_refused() {
    // Whoever has `a` can resolve both deltas, but the pack completed without it could not be read.
    let format = ObjectFormat::Sha1;
    let (a, b) = (blob(format, b"a"), blob(format, b"b"));
    let mut builder = Builder::new(format);
    builder.entry(EntryKind::RefDelta { base: a }, &delta_to(b"a", b"b"));
    builder.entry(EntryKind::RefDelta { base: b }, &delta_to(b"b", b"a"));
    let pack = builder.finish();
    let mut builder = Builder::new(format);
    builder.entry(EntryKind::Whole(Kind::Blob), b"a");
    let have = builder.finish();
    let idx = index(format, &have, 99).unwrap().0.idx().unwrap();
    let have = common::open(format, have, idx);
    let cx = context(1);
    let mut indexer = git_core_pack::Indexer::new(format, Vec::new(), common::complete());
    indexer.feed(&pack, &cx).unwrap();
    assert!(matches!(indexer.finish(Some(&*have), &cx), Err(IndexError::BaseCycle { .. })));
}

/// A chain, or a bush in which every object has a few deltas, each on the one before.
fn tree(format: ObjectFormat, objects: usize, parent: impl Fn(usize) -> usize) -> (Vec<u8>, usize) {
    let content = |n: usize| {
        let mut content = vec![b'.'; 200];
        content.extend(format!("object {n}").into_bytes());
        content
    };
    let mut pack = Builder::new(format);
    let mut offsets = vec![pack.entry(EntryKind::Whole(Kind::Blob), &content(0))];
    for n in 1..objects {
        let base = parent(n);
        let distance = pack.bytes.len() as u64 - offsets[base];
        let delta = delta_to(&content(base), &content(n));
        offsets.push(pack.entry(EntryKind::OfsDelta { distance }, &delta));
    }
    (pack.finish(), objects)
}

#[test]
fn a_chain_of_100_000_deltas_needs_no_stack() {
    let work = || {
        let format = ObjectFormat::Sha1;
        let (pack, objects) = tree(format, 100_000, |n| n - 1);
        let cx = tight(1, 1 << 16);
        let (indexed, _) = common::index_with(format, &pack, 1 << 20, Default::default(), &cx).unwrap();
        assert_eq!(indexed.count() as usize, objects);
        let last = indexed.entries().max_by_key(|entry| entry.offset).unwrap();
        let pack = common::open(format, pack, indexed.idx().unwrap());
        let mut content = Vec::new();
        pack.require(&last.id, &mut content).unwrap();
        assert!(content.ends_with(b"object 99999"));
        assert_eq!(Objects::header(&*pack, &last.id).unwrap().unwrap().size, content.len() as u64);
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(work).unwrap().join().unwrap();
}

#[test]
fn trees_of_any_shape_are_resolved_within_any_budget() {
    let format = ObjectFormat::Sha1;
    type Parent = fn(usize) -> usize;
    let shapes: [(&str, Parent); 4] = [
        ("wide", |_| 0),
        ("binary", |n| (n - 1) / 2),
        ("comb", |n| if n % 2 == 0 { n - 2 } else { n - 1 }),
        ("two deep branches", |n| n.saturating_sub(2)),
    ];
    for (name, parent) in shapes {
        let (pack, objects) = tree(format, 2000, parent);
        let expected = index(format, &pack, 1 << 20).unwrap().0.idx().unwrap();
        for (threads, budget) in [(1, 0), (1, 3000), (2, 0), (4, 5000), (8, 1 << 20)] {
            let cx = tight(threads, budget);
            let (indexed, _) = common::index_with(format, &pack, 1 << 20, Default::default(), &cx).unwrap();
            assert_eq!(indexed.deltas() as usize, objects - 1);
            assert!(indexed.idx().unwrap() == expected, "{name}, {threads} threads, {budget} bytes");
        }
    }
}

/// A pack of all kinds of entries, among them blobs that hold, byte by byte, what looks like entries: whoever
/// begins to read inside of one finds something, but not what is there.
fn decoys(format: ObjectFormat) -> Vec<u8> {
    let mut random = 1u32;
    let mut text = |len: usize| -> Vec<u8> {
        let mut next = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b'a' + (random >> 27) as u8 % 20
        };
        (0..len).map(|_| next()).collect()
    };
    let mut decoy = Builder::new(format);
    for n in 0..1500 {
        decoy.entry(EntryKind::Whole(Kind::Blob), &text(300 + n % 200));
    }
    let mut pack = Builder::new(format);
    let mut last: Option<(u64, Vec<u8>)> = None;
    for n in 0..2500usize {
        let content = text(n * 37 % 1500);
        match &last {
            Some((offset, base)) if n % 3 > 0 => {
                let distance = pack.bytes.len() as u64 - offset;
                let delta = delta_to(base, &content);
                pack.entry(EntryKind::OfsDelta { distance }, &delta);
            }
            _ => last = Some((pack.entry(EntryKind::Whole(Kind::Blob), &content), content)),
        }
        if n % 1000 == 500 {
            pack.entry(EntryKind::Whole(Kind::Blob), &decoy.bytes[n..]);
        }
    }
    pack.finish()
}

#[test]
fn a_guess_never_changes_what_is_found() {
    for format in common::FORMATS {
        let pack = decoys(format);
        assert!(pack.len() > 1 << 20);
        let of = |piece, threads| {
            let cx = context(threads);
            common::index_with(format, &pack, piece, Default::default(), &cx).unwrap().0.idx().unwrap()
        };
        let one_by_one = of(1000, 1);
        for (piece, threads) in [(1 << 30, 1), (1 << 30, 2), (1 << 30, 7), (300_000, 2), (150_001, 3)] {
            assert!(of(piece, threads) == one_by_one, "pieces of {piece}, {threads} threads");
        }
        // Damage anywhere is found however the pack is read.
        for at in (12..pack.len()).step_by(pack.len() / 20) {
            let mut damaged = pack.clone();
            damaged[at] ^= 0x10;
            let cx = context(3);
            assert!(common::index_with(format, &damaged, 1 << 30, Default::default(), &cx).is_err(), "{at}");
        }
    }
}

#[test]
fn ref_deltas_before_their_bases_are_resolved_within_any_budget() {
    for format in common::FORMATS {
        let content = |n: usize| format!("the beginning of all of them, then number {n}").into_bytes();
        let mut pack = Builder::new(format);
        // A bush with a long chain in it, the farthest first.
        let parent = |n: usize| if n < 1000 { n - 1 } else { n % 1000 };
        for n in (1..3000).rev() {
            let base = blob(format, &content(parent(n)));
            pack.entry(EntryKind::RefDelta { base }, &delta_to(&content(parent(n)), &content(n)));
        }
        pack.entry(EntryKind::Whole(Kind::Blob), &content(0));
        let pack = pack.finish();
        for (threads, budget) in [(1, 0), (1, 1 << 20), (3, 3000), (2, 96 << 20)] {
            let cx = tight(threads, budget);
            let (indexed, _) = common::index_with(format, &pack, 1 << 20, Default::default(), &cx).unwrap();
            let mut found: Vec<ObjectId> = indexed.entries().map(|entry| entry.id).collect();
            let mut expected: Vec<ObjectId> = (0..3000).map(|n| blob(format, &content(n))).collect();
            found.sort_unstable();
            expected.sort_unstable();
            assert!(found == expected, "{threads} threads, {budget} bytes");
        }
    }
}

#[test]
fn a_base_may_have_very_many_deltas() {
    let format = ObjectFormat::Sha1;
    let (pack, objects) = tree(format, 150_000, |_| 0);
    for (threads, budget) in [(1, 0), (4, 1 << 20)] {
        let cx = tight(threads, budget);
        let (indexed, _) = common::index_with(format, &pack, 1 << 20, Default::default(), &cx).unwrap();
        assert_eq!((indexed.count() as usize, indexed.deltas() as usize), (objects, objects - 1));
    }
}

/// Remembers large blobs, and refuses to be shown their content.
#[derive(Default)]
struct Large(std::sync::Mutex<Vec<(ObjectId, u64)>>);

impl git_core_pack::Observer for Large {
    fn object(&self, _: &ObjectId, _: Kind, content: &[u8]) -> Result<(), git_core_object::BoxError> {
        if content.len() > 16 << 20 { Err("its content was held".into()) } else { Ok(()) }
    }
    fn large_blob(&self, id: &ObjectId, size: u64) -> Result<(), git_core_object::BoxError> {
        self.0.lock().unwrap().push((*id, size));
        Ok(())
    }
}

#[test]
fn large_blobs_made_by_deltas_are_hashed_without_being_held() {
    for format in common::FORMATS {
        let mut pack = Builder::new(format);
        let base = vec![b'x'; 17 << 20];
        let first = pack.entry(EntryKind::Whole(Kind::Blob), &base);
        let mut result = base.clone();
        result.extend_from_slice(b"and more");
        let distance = pack.bytes.len() as u64 - first;
        pack.entry(EntryKind::OfsDelta { distance }, &delta_to(&base, &result));
        let pack = pack.finish();
        let seen = std::sync::Arc::new(Large::default());
        let options = git_core_pack::IndexOptions { observer: Some(seen.clone()), ..Default::default() };
        let (indexed, _) = common::index_with(format, &pack, 1 << 20, options, &context(2)).unwrap();
        let expected = [&base, &result].map(|content| (blob(format, content), content.len() as u64));
        assert_eq!(*seen.0.lock().unwrap(), expected);
        assert!(expected.iter().all(|(id, _)| indexed.entries().any(|entry| entry.id == *id)));
    }
}
