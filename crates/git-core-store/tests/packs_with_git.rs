//! Many packs: through the multi-pack indexes of git and our own, stale and damaged ones, beside repacking.
#![allow(clippy::unwrap_used, reason = "a test that fails is a panic")]

mod support;

use git_core_idx::midx::PseudoPackOrder;
use git_core_object::{Kind, ObjectFormat, ObjectId, Objects as _};
use git_core_store::fs::midx::{WriteMidx, write_multi_pack_index};
use git_core_store::fs::{FsOptions, FsStorage};
use git_core_store::{Snapshot, Storage};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use support::{FORMATS, git, git_command, unflushed};

/// A bare repository with blobs in packs that overlap.
struct Many {
    dir: tempfile::TempDir,
    format: ObjectFormat,
    contents: Vec<(ObjectId, Vec<u8>)>,
    packs: Vec<String>,
}

impl Many {
    fn new(format: ObjectFormat, packs: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "-q", "--bare", "-b", "main", "--object-format", format.name(), "."]);
        let mut many = Many { dir, format, contents: Vec::new(), packs: Vec::new() };
        for number in 0..packs {
            many.add(number);
        }
        many
    }

    /// One more pack of six blobs, two of which the pack before has too.
    fn add(&mut self, number: usize) {
        let contents: Vec<_> = (number * 4..number * 4 + 6)
            .map(|n| {
                let content = format!("line of file {n}\n").repeat(20 + n % 7).into_bytes();
                (ObjectId::hash(self.format, Kind::Blob, &content).unwrap(), content)
            })
            .collect();
        for (_, content) in &contents {
            self.feed(&["hash-object", "-w", "--stdin"], content);
        }
        let list: String = contents.iter().map(|(id, _)| format!("{id}\n")).collect();
        let hash = self.feed(&["pack-objects", "-q", "objects/pack/pack"], list.as_bytes());
        self.packs.push(format!("pack-{hash}"));
        git(self.path(), &["prune-packed", "-q"]);
        self.contents.extend(contents);
    }

    fn feed(&self, args: &[&str], input: &[u8]) -> String {
        use std::io::Write as _;
        let mut child =
            git_command(self.path()).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "git {args:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn pack_dir(&self) -> PathBuf {
        self.path().join("objects/pack")
    }

    /// Gives every pack a time of its own: which copy is taken of several depends on it.
    fn set_times(&self) {
        for (number, name) in (0..).zip(&self.packs) {
            let pack = self.pack_dir().join(format!("{name}.pack"));
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000 + number);
            fs::File::options().read(true).open(pack).unwrap().set_modified(time).unwrap();
        }
    }

    fn storage(&self) -> FsStorage {
        let mut options = FsOptions::default();
        options.format = self.format;
        options.disk = unflushed();
        FsStorage::open(self.path(), self.path(), options).unwrap()
    }

    fn snapshot(&self) -> std::sync::Arc<dyn Snapshot> {
        self.storage().snapshot().unwrap()
    }

    /// Every object is there, and nothing else.
    fn check(&self, snapshot: &dyn Snapshot) {
        let mut out = Vec::new();
        for (id, content) in &self.contents {
            assert_eq!(snapshot.read(id, &mut out).unwrap(), Some(Kind::Blob), "{id}");
            assert!(out == *content);
            assert!(snapshot.contains(id).unwrap());
            assert_eq!(snapshot.header(id).unwrap().unwrap().size, content.len() as u64);
            let found = snapshot.locate(id).unwrap().unwrap();
            let pack = &snapshot.packs()[found.pack as usize].pack;
            assert_eq!(pack.find(id).unwrap(), Some(found.offset));
        }
        let absent = ObjectId::hash(self.format, Kind::Blob, b"absent").unwrap();
        assert!(!snapshot.contains(&absent).unwrap());
        let mut all: Vec<ObjectId> = self.contents.iter().map(|(id, _)| *id).collect();
        all.sort();
        all.dedup();
        let mut seen = Vec::new();
        let mut found = Vec::new();
        snapshot
            .for_each_id(&mut |id| {
                seen.push(id);
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        seen.sort();
        seen.dedup();
        assert_eq!(seen, all);
        for digit in b"0123456789abcdef" {
            let prefix = git_core_object::IdPrefix::from_hex(self.format, &[*digit]).unwrap();
            snapshot.find_prefix(&prefix, 1000, &mut found).unwrap();
        }
        assert_eq!(found, all);
    }
}

#[test]
fn objects_are_found_through_the_multi_pack_index() {
    for format in FORMATS {
        let mut many = Many::new(format, 6);
        git(many.path(), &["multi-pack-index", "write"]);
        let storage = many.storage();
        let snapshot = storage.snapshot().unwrap();
        let [index] = snapshot.multi_pack_indexes() else { panic!("one index") };
        assert!(index.packs.len() == 6 && index.packs.iter().all(Option::is_some) && index.local);
        many.check(&*snapshot);
        // A pack that came later is searched beside it, by who had looked before too.
        many.add(6);
        many.check(&*storage.snapshot().unwrap());
        let (id, content) = many.contents.last().unwrap();
        let mut out = Vec::new();
        assert!(snapshot.read(id, &mut out).unwrap().is_some() && out == *content);
        // Somebody who wants none has none.
        let mut options = FsOptions::default();
        options.format = format;
        options.objects.multi_pack_index = false;
        let without = FsStorage::open(many.path(), many.path(), options).unwrap().snapshot().unwrap();
        assert!(without.multi_pack_indexes().is_empty());
        many.check(&*without);
    }
}

#[test]
fn a_chain_of_indexes_is_used() {
    for format in FORMATS {
        let mut many = Many::new(format, 3);
        git(many.path(), &["multi-pack-index", "write", "--incremental"]);
        many.add(3);
        git(many.path(), &["multi-pack-index", "write", "--incremental"]);
        many.add(4);
        let snapshot = many.snapshot();
        let sizes: Vec<usize> = snapshot.multi_pack_indexes().iter().map(|index| index.packs.len()).collect();
        assert_eq!(sizes, [3, 1]);
        many.check(&*snapshot);
    }
}

#[test]
fn an_index_that_lies_hides_nothing() {
    for format in FORMATS {
        let many = Many::new(format, 5);
        git(many.path(), &["multi-pack-index", "write"]);
        let path = many.pack_dir().join("multi-pack-index");
        let good = fs::read(&path).unwrap();
        // All objects of a pack are in another one; the pack goes, and the index does not know.
        let list: String = many.contents[6..12].iter().map(|(id, _)| format!("{id}\n")).collect();
        many.feed(
            &["pack-objects", "-q", "--window=0", "--compression=0", "objects/pack/more"],
            list.as_bytes(),
        );
        for extension in ["idx", "pack", "rev"] {
            let _ = fs::remove_file(many.pack_dir().join(&many.packs[1]).with_extension(extension));
        }
        let snapshot = many.snapshot();
        let [index] = snapshot.multi_pack_indexes() else { panic!("one index") };
        assert_eq!(index.packs.iter().filter(|pack| pack.is_none()).count(), 1);
        many.check(&*snapshot);
        // The same pack, written again with everything elsewhere: the index must not be believed.
        let stem = many.pack_dir().join(&many.packs[3]);
        let other = many.feed(
            &["pack-objects", "-q", "--compression=0", "--window=0", "objects/pack/other"],
            many.contents[18..24]
                .iter()
                .rev()
                .map(|(id, _)| format!("{id}\n"))
                .collect::<String>()
                .as_bytes(),
        );
        for extension in ["idx", "pack", "rev"] {
            let target = stem.with_extension(extension);
            let _ = fs::remove_file(&target);
            fs::rename(many.pack_dir().join(format!("other-{other}.{extension}")), target).unwrap();
        }
        let snapshot = many.snapshot();
        assert_eq!(snapshot.multi_pack_indexes()[0].packs.iter().filter(|pack| pack.is_none()).count(), 2);
        many.check(&*snapshot);
        // Damaged files are ignored, or what they say is, wherever the damage is.
        for at in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= 0x41;
            fs::write(&path, &bad).unwrap();
            let snapshot = many.snapshot();
            let mut out = Vec::new();
            let mut read = 0;
            for (id, content) in &many.contents {
                // A damaged table of ids or of the fan-out hides objects; nothing is given out for another.
                if let Ok(Some(_)) = snapshot.read(id, &mut out) {
                    assert!(out == *content, "byte {at}");
                    read += 1;
                }
            }
            assert!(read > 0, "byte {at}");
        }
    }
}

#[test]
fn what_is_written_is_what_git_writes() {
    for format in FORMATS {
        let many = Many::new(format, 5);
        let path = many.pack_dir().join("multi-pack-index");
        let disk = unflushed();
        let mut wanted = WriteMidx::default();
        for (args, order) in [
            (&["multi-pack-index", "write"][..], PseudoPackOrder::Omitted),
            (&["multi-pack-index", "write", "--bitmap"], PseudoPackOrder::Written),
        ] {
            let _ = fs::remove_file(&path);
            // A bitmap needs something to reach.
            let tree = many.feed(&["mktree"], b"");
            let commit = git(many.path(), &["commit-tree", "-m", "one", &tree]);
            git(many.path(), &["update-ref", "refs/heads/main", commit.trim()]);
            git(many.path(), &["repack", "-q"]);
            many.set_times();
            git(many.path(), args);
            let expected = fs::read(&path).unwrap();
            wanted.order = order;
            let written = write_multi_pack_index(&many.pack_dir(), format, &disk, &wanted).unwrap();
            assert!(fs::read(&path).unwrap() == expected);
            assert_eq!(written.packs, 6);
            git(many.path(), &["multi-pack-index", "verify"]);
            let bitmaps = fs::read_dir(many.pack_dir()).unwrap().flatten();
            let bitmaps = bitmaps.filter(|entry| entry.path().extension().is_some_and(|e| e == "bitmap"));
            // That of the same file stays.
            assert_eq!(bitmaps.count(), usize::from(order == PseudoPackOrder::Written));
        }
        wanted.only = Some(many.packs[..2].iter().map(|name| format!("{name}.idx")).collect());
        wanted.preferred = Some(format!("{}.pack", many.packs[0]));
        let written = write_multi_pack_index(&many.pack_dir(), format, &disk, &wanted).unwrap();
        assert!(written.packs == 2 && !written.unknown_preferred);
        many.check(&*many.snapshot_without_commit());
        git(many.path(), &["fsck"]);
    }
}

impl Many {
    /// The commit and its tree are loose or packed; the check wants blobs only.
    fn snapshot_without_commit(&self) -> std::sync::Arc<dyn Snapshot> {
        git(self.path(), &["update-ref", "-d", "refs/heads/main"]);
        for name in fs::read_dir(self.pack_dir()).unwrap().flatten().map(|entry| entry.file_name()) {
            let name = name.to_str().unwrap();
            if name.starts_with("pack-") && !self.packs.iter().any(|pack| name.starts_with(pack)) {
                fs::remove_file(self.pack_dir().join(name)).unwrap();
            }
        }
        git(self.path(), &["prune", "--expire=now"]);
        self.snapshot()
    }
}

#[test]
fn packs_go_and_come_under_readers() {
    let format = ObjectFormat::Sha1;
    let many = Many::new(format, 8);
    git(many.path(), &["multi-pack-index", "write"]);
    let storage = many.storage();
    // What is not reachable goes loose otherwise.
    let all: String = many.contents.iter().map(|(id, _)| format!("{id}\n")).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for seed in 0..3usize {
            let (storage, many, done) = (&storage, &many, &done);
            scope.spawn(move || {
                let mut out = Vec::new();
                let mut at = seed;
                let held = storage.snapshot().unwrap();
                while !done.load(Ordering::Relaxed) {
                    let (id, content) = &many.contents[at % many.contents.len()];
                    at = at.wrapping_mul(7).wrapping_add(seed + 1);
                    // One that was made long ago keeps its packs, one that is made now finds others.
                    for snapshot in [&held, &storage.snapshot().unwrap()] {
                        assert_eq!(snapshot.require(id, &mut out).unwrap(), Kind::Blob);
                        assert!(out == *content);
                    }
                }
            });
        }
        let mut last = many.packs.clone();
        for round in 0..6 {
            let depth = format!("--depth={}", round + 1);
            let args = ["pack-objects", "-q", &depth, "--no-reuse-delta", "--no-reuse-object"];
            let hash = many.feed(&[&args[..], &["objects/pack/pack"]].concat(), all.as_bytes());
            let made = format!("pack-{hash}");
            for pack in last.iter().filter(|pack| **pack != made) {
                for extension in ["idx", "rev", "pack"] {
                    let _ = fs::remove_file(many.pack_dir().join(pack).with_extension(extension));
                }
            }
            if round % 2 == 0 {
                git(many.path(), &["multi-pack-index", "write"]);
            }
            last = vec![made];
        }
        done.store(true, Ordering::Relaxed);
    });
}
