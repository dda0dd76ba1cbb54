//! Reading objects out of packs that git made.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{FORMATS, Repo, context, text};
use git_core_idx::{IdxFile, PackOffset, RevFile, ReverseIndex, SharedBytes};
use git_core_object::{IdPrefix, Kind, Objects, ReadError};
use git_core_pack::{DeltaCache, EntryKind, Pack, PackBytes, PackData, PackOptions, Reader, verify};
use std::ops::Range;
use std::sync::Arc;

fn check(repo: &Repo, pack: &Pack) {
    let (mut reader, mut content) = (Reader::new(), Vec::new());
    let contents = repo.contents();
    assert_eq!(contents.len(), pack.count() as usize);
    for (id, kind, expected) in &contents {
        let offset = pack.find(id).unwrap().unwrap();
        let header = reader.header(pack, offset, None).unwrap();
        assert_eq!((header.kind.name(), header.size), (kind.as_str(), expected.len() as u64));
        assert_eq!(reader.read(pack, offset, None, &mut content).unwrap().name(), kind);
        assert!(content == *expected, "{id}");
        let raw = pack.raw_entry(offset).unwrap();
        let bytes = pack.data().read(raw.range.clone()).unwrap();
        assert_eq!(raw.crc, Some(crc32fast::hash(&bytes)));
        if let Some(mut stream) = pack.stream(offset).unwrap() {
            assert_eq!(raw.header.kind, EntryKind::Whole(stream.header().kind));
            let mut streamed = Vec::new();
            while stream.fill(&mut streamed).unwrap() {}
            assert!(streamed == *expected);
        }
    }
}

#[test]
fn every_object_is_read_as_git_reads_it() {
    for format in FORMATS {
        let repo = Repo::new(format, 150, &[]);
        for config in ["pack.depth=50", "repack.useDeltaBaseOffset=false", "pack.window=0", "pack.depth=400"]
        {
            repo.repack(&["-c", config]);
            check(&repo, &repo.open());
        }
    }
}

/// A storage that gives pieces it has put together, and nothing beyond 1 MiB.
struct Remote(Vec<u8>);

impl PackData for Remote {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }
    fn read(&self, range: Range<u64>) -> Result<PackBytes<'_>, ReadError> {
        assert!(range.end - range.start <= git_core_pack::MAX_READ);
        Ok(PackBytes::Joined(self.0[range.start as usize..range.end as usize].into()))
    }
}

#[test]
fn storage_reverse_index_and_cache_make_no_difference() {
    let repo = Repo::new(FORMATS[0], 100, &[]);
    repo.repack(&[]);
    let path = repo.pack_path();
    let idx =
        || IdxFile::open(std::fs::read(path.with_extension("idx")).unwrap().into(), repo.format).unwrap();
    let rev: SharedBytes = std::fs::read(path.with_extension("rev")).unwrap().into();
    let rev = RevFile::open(rev, repo.format, idx().count()).unwrap();
    rev.verify().unwrap();
    for cache in [0, 20_000, 1 << 20] {
        let options = PackOptions {
            reverse: Some(ReverseIndex::from_file(rev.clone())),
            cache: Arc::new(DeltaCache::new(cache)),
            ..PackOptions::default()
        };
        check(&repo, &Pack::open(Arc::new(Remote(repo.pack_bytes())), idx(), options).unwrap());
    }
}

#[test]
fn entries_larger_than_a_window_are_read() {
    for format in FORMATS {
        let mut state = 1u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(3 << 20)
        .collect();
        let mut builder = common::Builder::new(format);
        builder.entry(EntryKind::Whole(Kind::Blob), &noise);
        builder.entry(EntryKind::Whole(Kind::Blob), &vec![7; 5 << 20]);
        let pack = builder.finish();
        let indexed = common::index(format, &pack, 1 << 16).unwrap().0;
        let idx = || IdxFile::open(indexed.idx().unwrap().into(), format).unwrap();
        let stores: [Arc<dyn PackData>; 2] = [Arc::new(pack.clone()), Arc::new(Remote(pack))];
        for data in stores {
            let pack = Pack::open(data, idx(), PackOptions::default()).unwrap();
            let mut content = Vec::new();
            let mut streamed = Vec::new();
            for id in pack.idx().ids() {
                pack.require(&id, &mut content).unwrap();
                assert!(content == noise || content == vec![7; 5 << 20]);
                streamed.clear();
                let mut stream = pack.stream(pack.find(&id).unwrap().unwrap()).unwrap().unwrap();
                while stream.fill(&mut streamed).unwrap() {}
                assert!(streamed == content);
            }
            verify(&pack, None, &context(2)).unwrap();
        }
    }
}

#[test]
fn verifying_says_what_git_verify_pack_says() {
    for format in FORMATS {
        let repo = Repo::new(format, 100, &[]);
        for config in ["pack.depth=50", "repack.useDeltaBaseOffset=false"] {
            repo.repack(&["-c", config]);
            let verified = verify(&repo.open(), None, &context(2)).unwrap();
            let mut ours = String::new();
            for entry in verified.entries() {
                ours +=
                    &format!("{} {:<6} {} {}", entry.id, entry.kind.name(), entry.size, entry.size_in_pack);
                ours += &format!(" {}", entry.offset);
                ours += &entry.base.map_or("\n".to_owned(), |base| format!(" {} {base}\n", entry.depth));
            }
            let path = repo.pack_path();
            let theirs = text(repo.path(), &["verify-pack", "-v", path.to_str().unwrap()]);
            let end = theirs.find("non delta").unwrap();
            assert_eq!(ours, theirs[..end]);
            for (depth, count) in verified.chain_lengths().into_iter().enumerate().skip(1) {
                if count > 0 {
                    assert!(theirs.contains(&format!("chain length = {depth}: {count} object")));
                }
            }
        }
    }
}

#[test]
fn objects_are_found_by_prefix() {
    for format in FORMATS {
        let repo = Repo::new(format, 100, &[]);
        let pack = repo.open();
        let ids: Vec<_> = repo.contents().into_iter().map(|(id, ..)| id).collect();
        for id in &ids {
            for digits in [1, 2, 3, 5, 16, format.hex_len()] {
                let prefix = IdPrefix::from_hex(format, &id.to_hex().as_bytes()[..digits]).unwrap();
                let expected: Vec<_> = ids.iter().filter(|id| prefix.matches(id)).copied().collect();
                assert_eq!(pack.find_prefix(&prefix).collect::<Vec<_>>(), expected);
            }
        }
    }
}

#[test]
fn offsets_that_are_no_entries_are_refused() {
    let repo = Repo::new(FORMATS[0], 10, &[]);
    let pack = repo.open();
    let mut reader = Reader::new();
    for offset in (0..pack.data().size() + 50).chain([u64::MAX]) {
        let offset = PackOffset(offset);
        let _ = reader.read(&pack, offset, None, &mut Vec::new());
        let _ = reader.header(&pack, offset, None);
        if pack.position_of(offset).unwrap().is_none() {
            assert!(pack.raw_entry(offset).is_err() && pack.entry_range(offset).is_err());
        }
    }
    let missing = git_core_object::ObjectId::null(repo.format);
    assert!(pack.read(&missing, &mut Vec::new()).unwrap().is_none());
}
