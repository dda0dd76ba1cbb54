//! Indexing packs that git made: the same index and reverse index, byte for byte.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{FORMATS, Repo, complete, context, index, run, tight, try_run};
use git_core_object::{BoxError, Context, ErrorKind, Kind, Limits, ObjectId, Objects};
use git_core_pack::{Duplicates, EntryKind, FileSpool, IndexError, IndexOptions, Indexer, Observer, Spool};
use std::sync::{Arc, Mutex};

fn same_as_git(repo: &Repo) {
    let path = repo.pack_path();
    let pack = repo.pack_bytes();
    run(repo.path(), &["index-pack", "--rev-index", "-o", "git.idx", path.to_str().unwrap()], b"");
    let idx = std::fs::read(repo.path().join("git.idx")).unwrap();
    let rev = std::fs::read(repo.path().join("git.rev")).unwrap();
    for (threads, budget) in [(1, 1 << 20), (2, 1 << 20), (2, 0), (3, 9000)] {
        let cx = tight(threads, budget);
        let (indexed, spool) =
            common::index_with(repo.format, &pack, 1000, IndexOptions::default(), &cx).unwrap();
        assert!(indexed.idx().unwrap() == idx, "threads {threads}, budget {budget}");
        assert!(indexed.rev() == rev);
        assert_eq!(indexed.pack_size(), pack.len() as u64);
        assert!(spool == pack);
    }
}

#[test]
fn packs_of_git_get_the_indexes_of_git() {
    for format in FORMATS {
        let repo = Repo::new(format, 150, &[]);
        same_as_git(&repo);
        repo.repack(&["-c", "pack.window=20", "-c", "pack.depth=100"]);
        same_as_git(&repo);
        repo.repack(&["-c", "repack.useDeltaBaseOffset=false"]);
        same_as_git(&repo);
        repo.repack(&["-c", "pack.window=0"]);
        same_as_git(&repo);
    }
}

#[test]
fn deep_chains_of_git_are_resolved() {
    let repo = Repo::new(common::FORMATS[0], 1500, &["--depth=4000"]);
    same_as_git(&repo);
}

#[test]
fn pieces_of_any_size_give_the_same() {
    for format in FORMATS {
        let repo = Repo::new(format, 40, &[]);
        let mut pack = repo.pack_bytes();
        let len = pack.len();
        let expected = index(format, &pack, usize::MAX).unwrap().0.idx().unwrap();
        pack.extend_from_slice(b"what follows is not taken");
        for piece in [1, 2, 3, 7, 61, 4096, 65_536] {
            let cx = context(1);
            let mut indexer = Indexer::new(format, Vec::new(), IndexOptions::default());
            let mut taken = 0;
            for bytes in pack.chunks(piece) {
                taken += indexer.feed(bytes, &cx).unwrap();
            }
            assert_eq!(taken, len);
            assert!(indexer.is_complete());
            assert_eq!(indexer.received(), indexer.declared());
            let (indexed, spool) = indexer.finish(None, &cx).unwrap();
            assert!(indexed.idx().unwrap() == expected, "pieces of {piece}");
            assert_eq!(spool.len(), len);
        }
    }
}

#[test]
fn an_empty_pack_is_a_pack() {
    for format in FORMATS {
        let pack = common::Builder::new(format).finish();
        let (indexed, _) = index(format, &pack, 5).unwrap();
        assert_eq!(indexed.count(), 0);
        assert_eq!(indexed.idx().unwrap().len(), 8 + 1024 + 2 * format.raw_len());
    }
}

#[test]
fn a_file_is_a_spool() {
    let repo = Repo::new(FORMATS[0], 40, &[]);
    let pack = repo.pack_bytes();
    let cx = context(2);
    let mut indexer =
        Indexer::new(repo.format, FileSpool::new(tempfile::tempfile().unwrap()), IndexOptions::default());
    for piece in pack.chunks(777) {
        indexer.feed(piece, &cx).unwrap();
    }
    let (indexed, spool) = indexer.finish(None, &cx).unwrap();
    assert!(indexed.idx().unwrap() == index(repo.format, &pack, 1 << 20).unwrap().0.idx().unwrap());
    let mut back = vec![0; pack.len()];
    spool.read_at(0, &mut back).unwrap();
    assert!(back == pack);
    assert!(spool.read_at(1, &mut back).is_err());
}

/// A thin pack of the last commits, and what its receiver has.
fn thin(format: git_core_object::ObjectFormat, extra: &[&str]) -> (Repo, Vec<u8>, Arc<git_core_pack::Pack>) {
    let repo = Repo::new(format, 120, &[]);
    repo.repack(&[]);
    // With a bitmap at hand, git does not look for bases that the receiver has.
    let mut args = vec!["-c", "pack.useBitmaps=false", "pack-objects", "--thin", "--stdout", "--revs", "-q"];
    args.extend_from_slice(extra);
    let thin = run(repo.path(), &args, b"main\n^main~10\n");
    let old = run(repo.path(), &["pack-objects", "--stdout", "--revs", "-q"], b"main~10\n");
    let (indexed, old) = index(format, &old, 1 << 16).unwrap();
    let old = common::open(format, old, indexed.idx().unwrap());
    (repo, thin, old)
}

#[test]
fn thin_packs_are_completed() {
    for (format, extra) in FORMATS.into_iter().zip([&[][..], &["--delta-base-offset"]]) {
        let (repo, pack, old) = thin(format, extra);
        for threads in [1, 2] {
            let cx = context(threads);
            let mut indexer = Indexer::new(format, Vec::new(), complete());
            indexer.feed(&pack, &cx).unwrap();
            let (indexed, whole) = indexer.finish(Some(&*old), &cx).unwrap();
            assert!(indexed.appended() > 0);
            assert_eq!(indexed.pack_size(), whole.len() as u64);
            let at = repo.path().join("ours.pack");
            std::fs::write(&at, &whole).unwrap();
            run(repo.path(), &["index-pack", "--strict", "-o", "git.idx", at.to_str().unwrap()], b"");
            let idx = indexed.idx().unwrap();
            assert!(std::fs::read(repo.path().join("git.idx")).unwrap() == idx);
            let pack = common::open(format, whole, idx);
            let mut content = Vec::new();
            for id in pack.idx().ids() {
                let kind = pack.require(&id, &mut content).unwrap();
                assert_eq!(ObjectId::hash(format, kind, &content).unwrap(), id);
            }
        }
    }
}

#[test]
fn thin_packs_without_their_bases_are_refused() {
    let (_, pack, old) = thin(FORMATS[0], &[]);
    let cx = context(2);
    let error = index(FORMATS[0], &pack, 1 << 16).unwrap_err();
    assert!(error.to_string().starts_with("pack has ") && error.to_string().contains("unresolved delta"));
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    // The bases are at hand, but completing is not asked for.
    let mut indexer = Indexer::new(FORMATS[0], Vec::new(), IndexOptions::default());
    indexer.feed(&pack, &cx).unwrap();
    assert!(matches!(indexer.finish(Some(&*old), &cx), Err(IndexError::Unresolved { .. })));
    // Completing is asked for, but the bases are elsewhere.
    let empty = common::Builder::new(FORMATS[0]).finish();
    let idx = index(FORMATS[0], &empty, 99).unwrap().0.idx().unwrap();
    let empty = common::open(FORMATS[0], empty, idx);
    let mut indexer = Indexer::new(FORMATS[0], Vec::new(), complete());
    indexer.feed(&pack, &cx).unwrap();
    let error = indexer.finish(Some(&*empty), &cx).unwrap_err();
    assert!(matches!(error, IndexError::Unresolved { base: Some(_), .. }));
}

#[derive(Default)]
struct Log(Mutex<Vec<(ObjectId, String, Vec<u8>)>>);

impl Observer for Log {
    fn object(&self, id: &ObjectId, kind: Kind, content: &[u8]) -> Result<(), BoxError> {
        self.0.lock().unwrap().push((*id, kind.name().to_owned(), content.to_vec()));
        Ok(())
    }

    fn large_blob(&self, id: &ObjectId, size: u64) -> Result<(), BoxError> {
        self.0.lock().unwrap().push((*id, "large".to_owned(), size.to_be_bytes().to_vec()));
        Ok(())
    }
}

#[test]
fn an_observer_sees_every_object_once() {
    for format in FORMATS {
        let repo = Repo::new(format, 60, &[]);
        let log = Arc::new(Log::default());
        let options = IndexOptions { observer: Some(log.clone()), ..IndexOptions::default() };
        common::index_with(format, &repo.pack_bytes(), 4096, options, &context(2)).unwrap();
        let mut seen = std::mem::take(&mut *log.0.lock().unwrap());
        seen.sort();
        assert!(seen == repo.contents());
    }
}

#[test]
fn an_observer_can_refuse() {
    struct NoTags;
    impl Observer for NoTags {
        fn object(&self, id: &ObjectId, kind: Kind, _: &[u8]) -> Result<(), BoxError> {
            if kind == Kind::Tag { common::refuse(id) } else { Ok(()) }
        }
    }
    let repo = Repo::new(FORMATS[0], 5, &[]);
    let options = IndexOptions { observer: Some(Arc::new(NoTags)), ..IndexOptions::default() };
    let error = common::index_with(repo.format, &repo.pack_bytes(), 4096, options, &context(2)).unwrap_err();
    assert!(matches!(error, IndexError::Observer { .. }));
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[test]
fn large_blobs_are_hashed_as_they_come() {
    for format in FORMATS {
        let content: Vec<u8> = (0..300_000u32).flat_map(|n| (n / 3).to_le_bytes()).collect();
        let id = ObjectId::hash(format, Kind::Blob, &content).unwrap();
        let mut builder = common::Builder::new(format);
        builder.entry(EntryKind::Whole(Kind::Blob), &content);
        let pack = builder.finish();
        let log = Arc::new(Log::default());
        let options =
            IndexOptions { observer: Some(log.clone()), large_blob: 1000, ..IndexOptions::default() };
        let (indexed, _) = common::index_with(format, &pack, 3000, options, &context(1)).unwrap();
        assert_eq!(indexed.entries().next().unwrap().id, id);
        let seen = std::mem::take(&mut *log.0.lock().unwrap());
        assert_eq!(seen, [(id, "large".to_owned(), (content.len() as u64).to_be_bytes().to_vec())]);
    }
}

/// Claims to have every object of a pack, with other content.
struct Impostor(Arc<git_core_pack::Pack>);

impl Objects for Impostor {
    fn format(&self) -> git_core_object::ObjectFormat {
        Objects::format(&*self.0)
    }
    fn read(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Option<Kind>, git_core_object::ReadError> {
        let kind = Objects::read(&*self.0, id, out)?;
        if let Some(last) = out.last_mut() {
            *last ^= 1;
        }
        Ok(kind)
    }
}

#[test]
fn an_object_with_the_id_of_another_is_refused() {
    let repo = Repo::new(FORMATS[0], 20, &[]);
    let pack = repo.pack_bytes();
    for large_blob in [10, 1 << 20] {
        let options = IndexOptions { existing: Some(repo.open()), large_blob, ..IndexOptions::default() };
        common::index_with(repo.format, &pack, 4096, options, &context(2)).unwrap();
        let existing = Some(Arc::new(Impostor(repo.open())) as Arc<dyn Objects>);
        let options = IndexOptions { existing, large_blob, ..IndexOptions::default() };
        let error = common::index_with(repo.format, &pack, 4096, options, &context(2)).unwrap_err();
        assert!(matches!(error, IndexError::Collision { .. }), "{error}");
    }
}

#[test]
fn objects_that_occur_twice_are_as_the_options_say() {
    for format in FORMATS {
        let mut builder = common::Builder::new(format);
        for content in [b"one".as_slice(), b"two", b"one"] {
            builder.entry(EntryKind::Whole(Kind::Blob), content);
        }
        let pack = builder.finish();
        let (indexed, _) = index(format, &pack, 99).unwrap();
        assert_eq!(indexed.count(), 3);
        let repo = Repo::new(format, 1, &[]);
        let at = repo.path().join("twice.pack");
        std::fs::write(&at, &pack).unwrap();
        run(repo.path(), &["index-pack", "-o", "git.idx", at.to_str().unwrap()], b"");
        let theirs = std::fs::read(repo.path().join("git.idx")).unwrap();
        assert_eq!(indexed.idx().unwrap().len(), theirs.len());
        assert!(
            try_run(repo.path(), &["index-pack", "--strict", "-o", "x.idx", at.to_str().unwrap()], b"")
                .is_err()
        );
        let options = IndexOptions { duplicates: Duplicates::Refuse, ..IndexOptions::default() };
        let error = common::index_with(format, &pack, 99, options, &context(1)).unwrap_err();
        assert!(matches!(error, IndexError::Duplicate { .. }));
    }
}

#[test]
fn limits_hold() {
    let repo = Repo::new(FORMATS[0], 20, &[]);
    let pack = repo.pack_bytes();
    let with = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        let cx = Context::new().with_limits(limits);
        common::index_with(repo.format, &pack, 1000, IndexOptions::default(), &cx).unwrap_err()
    };
    let error = with(|limits| limits.pack_bytes = 2000);
    assert_eq!(error.to_string(), "pack exceeds maximum allowed size (2000 bytes)");
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(matches!(with(|limits| limits.pack_objects = 3), IndexError::TooManyObjects { bound: 3, .. }));
    assert_eq!(with(|limits| limits.object_bytes = 100).kind(), ErrorKind::Limit);
    let cx = context(2);
    cx.cancel().cancel();
    let error = common::index_with(repo.format, &pack, 1000, IndexOptions::default(), &cx).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}
