//! The index file: what git writes is read, what we write git reads, and nothing hostile gets through.
#![allow(clippy::unwrap_used)]

mod support;

use git_core_hash::Checksum;
use git_core_object::{EntryMode, ErrorKind, ObjectFormat, ObjectId};
use git_core_worktree::index::{EntryFlags, Stage, Timestamp};
use git_core_worktree::{Index, IndexEntry, IndexError, IndexLock, Stat};
use proptest::prelude::*;
use support::Repo;

const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];

/// What `git ls-files -s` prints.
fn listing(index: &Index) -> String {
    let line = |entry: &IndexEntry| {
        format!("{:o} {} {}\t{}\n", entry.mode, entry.id, entry.flags.stage as u8, entry.path)
    };
    index.entries().iter().map(line).collect()
}

fn read(repo: &Repo, format: ObjectFormat) -> Index {
    Index::open(format, &repo.path().join(".git/index")).unwrap()
}

#[test]
fn versions_and_flags_of_git_are_read_and_written_back() {
    for format in FORMATS {
        let repo = Repo::new(format);
        for n in 0..40 {
            repo.write(&format!("dir-{}/sub/file-{n}", n % 3), format!("{n}\n"));
        }
        repo.write("assumed", "1");
        repo.write("skipped", "1");
        repo.tree();
        // Longer than the length that an entry can tell.
        let blob = ObjectId::empty_blob(format);
        let long =
            |len: usize| format!("100644 {blob}\t{}\n", "long/".repeat(1000).split_off(5000 - len) + "name");
        let lines: String = [4090, 4091, 4092, 5000].map(long).concat();
        repo.git_with(&["update-index", "--index-info"], lines.as_bytes()).unwrap();
        repo.git(&["update-index", "--assume-unchanged", "assumed"]);
        repo.git(&["update-index", "--skip-worktree", "skipped"]);
        repo.write("intended", "later");
        repo.git(&["add", "-N", "intended"]);
        for version in ["2", "3", "4"] {
            repo.git(&["update-index", "--index-version", version]);
            let index = read(&repo, format);
            let theirs = String::from_utf8(repo.git(&["ls-files", "-s"])).unwrap();
            assert_eq!(listing(&index), theirs);
            assert!(index.get("assumed").unwrap().flags.assume_valid);
            assert!(index.get("skipped").unwrap().flags.skip_worktree);
            assert!(index.get("intended").unwrap().flags.intent_to_add);
            let debug = repo.git(&["ls-files", "--debug"]);
            harmless_when_damaged(format, &std::fs::read(repo.path().join(".git/index")).unwrap());

            let lock = IndexLock::acquire(&repo.path().join(".git/index")).unwrap();
            lock.commit(&index).unwrap();
            assert_eq!(repo.git(&["ls-files", "--debug"]), debug);
            assert_eq!(read(&repo, format).entries(), index.entries());
            assert_eq!(String::from_utf8(repo.git(&["ls-files", "-t", "skipped"])).unwrap(), "S skipped\n");
        }
    }
}

/// Changes one byte after the other, with a checksum that is not looked at. What can be read nevertheless can
/// be written and read again.
fn harmless_when_damaged(format: ObjectFormat, bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    let body_len = bytes.len() - format.raw_len();
    bytes[body_len..].fill(0);
    for at in (0..body_len).step_by(211).chain(0..120) {
        let before = bytes[at];
        for damage in [0, 0xff, before ^ 0x40, before.wrapping_add(1)] {
            bytes[at] = damage;
            if let Ok(index) = Index::parse(format, &bytes) {
                let mut written = Vec::new();
                index.encode(&mut written);
                assert_eq!(Index::parse(format, &written).unwrap(), index);
            }
        }
        bytes[at] = before;
    }
}

#[test]
fn conflicts_have_stages() {
    for format in FORMATS {
        let repo = Repo::new(format);
        let id =
            ObjectId::from_hex(repo.git_with(&["hash-object", "-w", "--stdin"], b"x").unwrap().trim_ascii());
        let id = id.unwrap();
        let lines: String = (1..=3).map(|stage| format!("100644 {id} {stage}\tfile\n")).collect();
        repo.git_with(&["update-index", "--index-info"], lines.as_bytes()).unwrap();
        let mut index = read(&repo, format);
        assert_eq!(listing(&index), lines);
        assert!(index.get("file").is_none());
        assert_eq!(index.entries()[1].flags.stage, Stage::Ours);
        assert!(index.remove("file") && !index.remove("file"));
        assert!(index.entries().is_empty());
    }
}

#[test]
fn cached_trees_of_git_survive_until_something_changes() {
    for format in FORMATS {
        let repo = Repo::new(format);
        for path in ["top", "a/x", "a/b/y", "c/z", "longer-name/w"] {
            repo.write(path, path);
        }
        let tree = repo.tree();
        let mut index = read(&repo, format);
        let trees = index.trees().unwrap();
        assert_eq!(trees.nodes()[0].known, Some((5, tree)));
        assert_eq!(trees.nodes().len(), 5);
        assert!(trees.nodes().iter().all(|node| node.known.is_some()));

        let entry = IndexEntry { path: "a/b/new".into(), ..index.get("a/b/y").unwrap().clone() };
        index.insert(entry);
        IndexLock::acquire(&repo.path().join(".git/index")).unwrap().commit(&index).unwrap();
        let unknown: Vec<_> = {
            let index = read(&repo, format);
            let nodes = index.trees().unwrap().nodes().to_vec();
            nodes.into_iter().filter(|node| node.known.is_none()).map(|node| node.name.to_string()).collect()
        };
        assert_eq!(unknown, ["", "a", "b"]);
        repo.git(&["fsck", "--strict"]);
        assert_ne!(repo.index_tree(), tree);
        assert_eq!(
            repo.git(&["ls-tree", "-r", "--name-only", &repo.index_tree().to_hex(), "a/b/"]),
            b"a/b/new\na/b/y\n"
        );
    }
}

#[test]
fn only_one_may_change_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let lock = IndexLock::acquire(&path).unwrap();
    let second = IndexLock::acquire(&path).unwrap_err();
    assert_eq!(second.kind(), ErrorKind::Conflict);
    drop(lock);
    assert!(!dir.path().join("index.lock").exists() && !path.exists());
    assert_eq!(Index::open(ObjectFormat::Sha1, &path).unwrap(), Index::new(ObjectFormat::Sha1));
    IndexLock::acquire(&path).unwrap().commit(&Index::new(ObjectFormat::Sha256)).unwrap();
    assert!(Index::open(ObjectFormat::Sha256, &path).unwrap().timestamp().is_some());
    assert!(!dir.path().join("index.lock").exists());
}

/// Puts the right checksum behind a body.
fn sealed(format: ObjectFormat, body: &[u8]) -> Vec<u8> {
    let mut checksum = Checksum::new(format);
    checksum.update(body);
    [body, checksum.finish().as_bytes()].concat()
}

#[test]
fn damage_is_found() {
    for format in FORMATS {
        let mut index = Index::new(format);
        for name in ["a", "b/c", "b/d"] {
            index.insert(entry(format, name, 7));
        }
        let mut bytes = Vec::new();
        index.encode(&mut bytes);
        for cut in 0..bytes.len() {
            assert!(Index::parse(format, &bytes[..cut]).is_err());
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x20;
            assert!(Index::parse(format, &damaged).is_err(), "{at}");
        }
        let body = &bytes[..bytes.len() - format.raw_len()];
        let skipped = [body, &vec![0; format.raw_len()]].concat();
        assert_eq!(Index::parse(format, &skipped).unwrap(), index);
        let mut many = body.to_vec();
        many[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(Index::parse(format, &sealed(format, &many)).unwrap_err().kind(), ErrorKind::Corrupt);
        let link = [body, b"link\0\0\0\0"].concat();
        assert!(matches!(Index::parse(format, &sealed(format, &link)), Err(IndexError::Unsupported { .. })));
        let optional = [body, b"ZZZZ\0\0\0\x01x"].concat();
        assert_eq!(Index::parse(format, &sealed(format, &optional)).unwrap(), index);
        let beyond = [body, b"ZZZZ\0\0\0\x02x"].concat();
        assert_eq!(Index::parse(format, &sealed(format, &beyond)).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn shared_prefixes_cannot_fill_the_memory() {
    let format = ObjectFormat::Sha1;
    let count = 4000u32;
    let mut body = [&b"DIRC"[..], &4u32.to_be_bytes(), &count.to_be_bytes()].concat();
    for n in 0..count {
        let suffix = if n == 0 { "x".repeat(60_000) } else { "y".into() };
        body.extend([0; 24]);
        body.extend(0o100644u32.to_be_bytes());
        body.extend([0; 12]);
        body.extend([0; 20]);
        body.extend(0xfffu16.to_be_bytes());
        body.extend([0]);
        body.extend(suffix.bytes().chain([0]));
    }
    let error = Index::parse(format, &sealed(format, &body)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
}

fn entry(format: ObjectFormat, path: &str, byte: u8) -> IndexEntry {
    IndexEntry {
        path: path.into(),
        mode: EntryMode::BLOB,
        id: ObjectId::from_bytes(format, &vec![byte; format.raw_len()]).unwrap(),
        stat: Stat::default(),
        flags: EntryFlags::default(),
    }
}

prop_compose! {
    fn any_entry(format: ObjectFormat)(
        path in "[a-c]{1,3}(/[a-c.]{1,9}){0,3}",
        mode in prop::sample::select(vec![EntryMode::BLOB, EntryMode::EXECUTABLE, EntryMode::LINK, EntryMode::COMMIT]),
        byte in any::<u8>(),
        numbers in any::<[u32; 9]>(),
        stage in prop::sample::select(vec![Stage::Normal, Stage::Base, Stage::Ours, Stage::Theirs]),
        (assume_valid, skip_worktree, intent_to_add) in any::<(bool, bool, bool)>(),
    ) -> IndexEntry {
        let [cs, cn, ms, mn, dev, ino, uid, gid, size] = numbers;
        let time = |seconds, nanoseconds| Timestamp { seconds, nanoseconds };
        IndexEntry {
            mode,
            stat: Stat { ctime: time(cs, cn), mtime: time(ms, mn), dev, ino, uid, gid, size },
            flags: EntryFlags { stage, assume_valid, skip_worktree, intent_to_add },
            ..entry(format, &path, byte)
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        (format, entries) in prop::sample::select(FORMATS.to_vec())
            .prop_flat_map(|format| (Just(format), prop::collection::vec(any_entry(format), 0..30)))
    ) {
        let index = Index::from_entries(format, entries.clone());
        let mut one_by_one = Index::new(format);
        entries.into_iter().for_each(|entry| one_by_one.insert(entry));
        prop_assert_eq!(&index, &one_by_one);
        let mut bytes = Vec::new();
        index.encode(&mut bytes);
        prop_assert_eq!(Index::parse(format, &bytes).unwrap(), index);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(
        version in 2u32..5,
        count in 0u32..4,
        rest in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let body = [&b"DIRC"[..], &version.to_be_bytes(), &count.to_be_bytes(), &rest].concat();
        let _ = Index::parse(ObjectFormat::Sha1, &sealed(ObjectFormat::Sha1, &body));
    }
}
