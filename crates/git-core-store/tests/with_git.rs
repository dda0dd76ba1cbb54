//! Repositories that git writes are read, and those written here are accepted by git.
#![allow(clippy::unwrap_used, reason = "a test that fails is a panic")]

use git_core_object::{Context, Kind, ObjectFormat, ObjectId, Objects as _};
use git_core_ref::{LogMessage, RefName, RefTransaction};
use git_core_store::fs::{FsOptions, FsStorage};
use git_core_store::{PackOptions, Snapshot, Storage};
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

#[path = "with_git/exclusion.rs"]
mod exclusion;

#[path = "with_git/bitmaps.rs"]
mod bitmaps;

const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.current_dir(dir).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{who}_NAME"), "A U Thor").env(format!("GIT_{who}_EMAIL"), "author@example.com");
        git.env(format!("GIT_{who}_DATE"), "1112911993 -0700");
    }
    git
}

fn git_with(dir: &Path, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = command(dir, args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn git(dir: &Path, args: &[&str]) -> String {
    String::from_utf8(git_with(dir, args, b"")).unwrap()
}

fn init(dir: &Path, format: ObjectFormat) {
    std::fs::create_dir_all(dir).unwrap();
    git(dir, &["init", "-q", "-b", "main", "--object-format", format.name()]);
}

fn open(dir: &Path, format: ObjectFormat) -> FsStorage {
    let mut options = FsOptions::default();
    options.format = format;
    FsStorage::open(dir, dir, options).unwrap()
}

/// History with several versions of a growing file, directories and tags.
fn make_history(dir: &Path, rounds: usize) {
    let mut text = String::new();
    for round in 0..rounds {
        for line in 0..50 {
            text.push_str(&format!("line {line} of round {round}\n"));
        }
        std::fs::create_dir_all(dir.join(format!("dir{}", round % 3))).unwrap();
        std::fs::write(dir.join("file"), &text).unwrap();
        std::fs::write(dir.join(format!("dir{}/file", round % 3)), format!("{round}")).unwrap();
        git(dir, &["add", "."]);
        git(dir, &["commit", "-q", "-m", &format!("round {round}")]);
        git(dir, &["tag", "-a", "-m", "a tag", &format!("v{rounds}-{round}")]);
    }
}

/// Compares every object with what `git cat-file` gives.
fn compare_all(dir: &Path, snapshot: &dyn Snapshot) -> usize {
    let format = snapshot.format();
    let batch = git_with(dir, &["cat-file", "--batch-all-objects", "--batch", "--unordered"], b"");
    let mut rest = &batch[..];
    let mut count = 0;
    let mut content = Vec::new();
    let mut ids = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|b| *b == b'\n').unwrap();
        let line = std::str::from_utf8(&rest[..end]).unwrap();
        let [id, kind, size] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (id, size): (ObjectId, usize) = (id.parse().unwrap(), size.parse().unwrap());
        let expected = &rest[end + 1..end + 1 + size];
        rest = &rest[end + 2 + size..];
        let found = snapshot.read(&id, &mut content).unwrap().unwrap();
        assert_eq!(found.name(), kind);
        assert!(content == expected, "{id}");
        let header = snapshot.header(&id).unwrap().unwrap();
        assert_eq!((header.kind, header.size), (found, size as u64));
        assert!(snapshot.contains(&id).unwrap());
        let mut streamed = Vec::new();
        snapshot
            .stream(&id, &mut |_, piece| {
                streamed.extend_from_slice(piece);
                ControlFlow::Continue(())
            })
            .unwrap()
            .unwrap();
        assert!(streamed == expected);
        ids.push(id);
        count += 1;
    }
    let mut seen = Vec::new();
    snapshot
        .for_each_id(&mut |id| {
            seen.push(id);
            ControlFlow::Continue(())
        })
        .unwrap();
    seen.sort();
    seen.dedup();
    ids.sort();
    assert_eq!(ids, seen);
    assert!(ids.iter().all(|id| id.format() == format));
    count
}

#[test]
fn loose_packed_kept_and_borrowed_objects_are_read() {
    let root = tempfile::tempdir().unwrap();
    for format in FORMATS {
        let dir = root.path().join(format.name());
        init(&dir, format);
        make_history(&dir, 4);
        let git_dir = dir.join(".git");
        let storage = open(&git_dir, format);
        let loose = compare_all(&dir, &*storage.snapshot().unwrap());
        assert!(loose > 20);
        assert!(storage.snapshot().unwrap().packs().is_empty());

        // Packed, with deltas; the same storage notices, and an older snapshot goes on.
        let before = storage.snapshot().unwrap();
        git(&dir, &["repack", "-q", "-a", "-d", "--window=50", "--depth=50"]);
        assert_eq!(compare_all(&dir, &*before), loose);
        let packed = storage.snapshot().unwrap();
        assert_eq!(packed.packs().len(), 1);
        assert!(packed.packs()[0].local && !packed.packs()[0].kept);
        assert_eq!(compare_all(&dir, &*packed), loose);

        // A kept pack, another one, and loose objects beside them.
        let stem = std::path::PathBuf::from(&packed.packs()[0].name).with_extension("keep");
        std::fs::write(stem, "").unwrap();
        make_history(&dir, 6);
        git(&dir, &["repack", "-q", "-d"]);
        make_history(&dir, 7);
        let mixed = storage.snapshot().unwrap();
        assert_eq!(mixed.packs().len(), 2);
        assert_eq!(mixed.packs().iter().filter(|pack| pack.kept).count(), 1);
        let all = compare_all(&dir, &*mixed);
        assert!(all > loose);

        // Whoever holds packs that were deleted reads on.
        std::fs::remove_file(std::path::PathBuf::from(&packed.packs()[0].name).with_extension("keep"))
            .unwrap();
        git(&dir, &["repack", "-q", "-a", "-d", "-f"]);
        assert!(!Path::new(&packed.packs()[0].name).exists());
        assert_eq!(compare_all(&dir, &*mixed), all);

        // Borrowed by a clone, and by a clone of that.
        let (clone, again) =
            (root.path().join(format!("{format}-clone")), root.path().join(format!("{format}-2")));
        for (from, to) in [(&dir, &clone), (&clone, &again)] {
            let paths = [from.to_str().unwrap(), to.to_str().unwrap()];
            git(root.path(), &["clone", "-q", "--shared", "--bare", paths[0], paths[1]]);
        }
        let borrowed = open(&again, format).snapshot().unwrap();
        assert_eq!(compare_all(&again, &*borrowed), all);
        assert!(borrowed.packs().iter().all(|pack| !pack.local));
        let by_option = root.path().join(format!("{format}-3"));
        init(&by_option, format);
        let mut options = FsOptions::default();
        options.format = format;
        options.objects.alternates = vec![again.join("objects")];
        let git_dir = by_option.join(".git");
        let storage = FsStorage::open(&git_dir, &git_dir, options).unwrap();
        let tip: ObjectId = git(&dir, &["rev-parse", "HEAD"]).trim().parse().unwrap();
        assert!(storage.objects().contains(&tip).unwrap());
    }
}

#[test]
fn what_is_written_passes_fsck() {
    let root = tempfile::tempdir().unwrap();
    for format in FORMATS {
        let dir = root.path().join(format.name());
        init(&dir, format);
        let git_dir = dir.join(".git");
        let storage = open(&git_dir, format);
        let who = "A U Thor <author@example.com> 1112911993 -0700";
        let mut parent = String::new();
        for n in 0..3 {
            let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
            let waiting = quarantine.path().unwrap().to_path_buf();
            let blob = quarantine.write(Kind::Blob, format!("content {n}\n").as_bytes()).unwrap();
            let tree = [b"100644 file\0", blob.as_bytes()].concat();
            let tree = quarantine.write(Kind::Tree, &tree).unwrap();
            let commit = format!("tree {tree}\n{parent}author {who}\ncommitter {who}\n\nround {n}\n");
            let commit = quarantine.write(Kind::Commit, commit.as_bytes()).unwrap();
            parent = format!("parent {commit}\n");
            // As hooks see it.
            let seen = command(&dir, &["cat-file", "-t", &commit.to_hex()])
                .env("GIT_OBJECT_DIRECTORY", &waiting)
                .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", git_dir.join("objects"))
                .output()
                .unwrap();
            assert_eq!(seen.stdout, b"commit\n");
            assert!(!command(&dir, &["cat-file", "-e", &commit.to_hex()]).output().unwrap().status.success());
            let mut refs = RefTransaction::new();
            refs.set(RefName::head(), commit, Some(LogMessage::new(who, "commit: round")));
            storage.commit(vec![quarantine], &refs, &Context::new()).unwrap();
            assert!(!waiting.exists());
        }
        check_with_git(&dir);
        git(&dir, &["checkout", "-q", "-f"]);
        assert_eq!(git(&dir, &["status", "--porcelain"]), "");
        assert_eq!(git(&dir, &["log", "--format=%s"]), "round 2\nround 1\nround 0\n");
        assert!(git(&dir, &["show", "HEAD"]).contains("+content 2"));
        assert_eq!(std::fs::read(dir.join("file")).unwrap(), b"content 2\n");
        compare_all(&dir, &*storage.snapshot().unwrap());
        let big = vec![b'z'; 5 << 20];
        let header = git_core_object::Header { kind: Kind::Blob, size: big.len() as u64 };
        let id = storage.objects().write_loose_stream(header, &mut &big[..]).unwrap();
        assert_eq!(storage.objects().write_loose(Kind::Blob, &big).unwrap(), id);
        assert_eq!(git(&dir, &["cat-file", "-s", &id.to_hex()]).trim(), big.len().to_string());
        check_with_git(&dir);
        only_read_only(&git_dir.join("objects"));
    }
}

fn check_with_git(dir: &Path) {
    let output = command(dir, &["fsck", "--full", "--strict", "--no-dangling"]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.is_empty(), "{out}{err}");
    let leftover =
        |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("tmp"));
    for entry in std::fs::read_dir(dir.join(".git/objects")).unwrap() {
        assert!(!leftover(&entry.unwrap().path()));
    }
}

/// Objects and packs are never written again.
#[cfg(unix)]
fn only_read_only(objects: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    for dir in std::fs::read_dir(objects).unwrap() {
        for file in std::fs::read_dir(dir.unwrap().path()).unwrap() {
            let mode = file.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o7333, 0, "{mode:o}");
        }
    }
}

#[cfg(not(unix))]
fn only_read_only(_: &Path) {}

#[test]
fn packs_of_git_are_received() {
    let root = tempfile::tempdir().unwrap();
    for format in FORMATS {
        let dir = root.path().join(format.name());
        init(&dir, format);
        make_history(&dir, 5);
        let all = git_with(&dir, &["pack-objects", "-q", "--all", "--revs", "--stdout"], b"");
        let old: ObjectId = git(&dir, &["rev-parse", "HEAD~2"]).trim().parse().unwrap();
        let tip: ObjectId = git(&dir, &["rev-parse", "HEAD"]).trim().parse().unwrap();
        let pack = |args: &[&str], revs: String| git_with(&dir, args, revs.as_bytes());
        let first = pack(&["pack-objects", "-q", "--revs", "--stdout"], format!("{old}\n"));
        let thin = pack(
            &["pack-objects", "-q", "--revs", "--stdout", "--thin", "--delta-base-offset"],
            format!("{tip}\n^{old}\n"),
        );

        for unpack_below in [0, 100_000] {
            let target = root.path().join(format!("{format}-{unpack_below}"));
            init(&target, format);
            let storage = open(&target.join(".git"), format);
            for (pack, tip) in [(&first, old), (&thin, tip), (&all, tip)] {
                let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
                let mut options = PackOptions::default();
                options.unpack_below = unpack_below;
                quarantine.begin_pack(&options).unwrap();
                for piece in pack.chunks(1000) {
                    quarantine.feed(piece, &Context::new()).unwrap();
                }
                let received = quarantine.finish_pack(&Context::new()).unwrap();
                assert_eq!(received.path.is_some(), unpack_below == 0);
                let mut refs = RefTransaction::new();
                refs.set(RefName::branch("main").unwrap(), tip, None);
                let committed = storage.commit(vec![quarantine], &refs, &Context::new()).unwrap();
                assert!(committed.snapshot.packs().iter().all(|pack| !pack.kept));
                assert_eq!(committed.snapshot.packs().is_empty(), unpack_below > 0);
            }
            check_with_git(&target);
            compare_all(&target, &*storage.snapshot().unwrap());
            only_read_only(&target.join(".git/objects"));
            if unpack_below == 0 {
                for pack in storage.snapshot().unwrap().packs() {
                    git(&target, &["verify-pack", &pack.name]);
                }
            }
        }
    }
}

#[test]
fn keep_and_promisor_files_stand_beside_the_pack() {
    let root = tempfile::tempdir().unwrap();
    let format = ObjectFormat::Sha1;
    let dir = root.path().join("repository");
    init(&dir, format);
    make_history(&dir, 1);
    let pack = git_with(&dir, &["pack-objects", "-q", "--all", "--revs", "--stdout"], b"");
    let target = root.path().join("target");
    init(&target, format);
    let storage = open(&target.join(".git"), format);
    let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
    let mut options = PackOptions::default();
    options.keep = Some("index-pack 1 on host".to_owned());
    options.promisor = Some(String::new());
    quarantine.begin_pack(&options).unwrap();
    quarantine.feed(&pack, &Context::new()).unwrap();
    quarantine.finish_pack(&Context::new()).unwrap();
    let committed = storage.commit(vec![quarantine], &RefTransaction::new(), &Context::new()).unwrap();
    let stored = &committed.snapshot.packs()[0];
    assert!(stored.kept && stored.promisor);
    let keep = Path::new(&stored.name).with_extension("keep");
    assert_eq!(std::fs::read(keep).unwrap(), b"index-pack 1 on host\n");
}

#[test]
fn damage_is_named_and_contained() {
    let root = tempfile::tempdir().unwrap();
    let format = ObjectFormat::Sha1;
    let dir = root.path().join("repository");
    init(&dir, format);
    make_history(&dir, 4);
    git(&dir, &["repack", "-q", "-a", "-d"]);
    let storage = open(&dir.join(".git"), format);
    let healthy = storage.snapshot().unwrap();
    let stored = &healthy.packs()[0];
    let path = Path::new(&stored.name).to_path_buf();
    let victim: ObjectId = git(&dir, &["rev-parse", "HEAD:file"]).trim().parse().unwrap();
    let offset = stored.pack.find(&victim).unwrap().unwrap();
    let total = stored.pack.count();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[offset.0 as usize + 20] ^= 0x55;
    drop(healthy);
    drop(storage);
    // Another file under the same name: what is mapped elsewhere stays as it was.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let storage = open(&dir.join(".git"), format);
    let snapshot = storage.snapshot().unwrap();
    let mut content = Vec::new();
    let error = snapshot.read(&victim, &mut content).unwrap_err().to_string();
    assert!(error.contains(&victim.to_hex()), "{error}");
    assert!(error.contains(&path.file_name().unwrap().to_string_lossy().into_owned()), "{error}");
    assert!(error.contains(&offset.to_string()), "{error}");
    let mut readable = 0;
    snapshot
        .for_each_id(&mut |id| {
            readable += u32::from(snapshot.read(&id, &mut content).is_ok());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(readable > 0 && readable < total);
    // A loose copy heals it.
    let text = std::fs::read(dir.join("file")).unwrap();
    let mut scratch = FsOptions::default();
    scratch.objects_dir = Some(root.path().join("scratch"));
    std::fs::create_dir_all(root.path().join("scratch")).unwrap();
    let other = FsStorage::open(dir.join(".git"), dir.join(".git"), scratch).unwrap();
    assert_eq!(other.objects().write_loose(Kind::Blob, &text).unwrap(), victim);
    let hex = victim.to_hex();
    let place = dir.join(".git/objects").join(&hex[..2]);
    std::fs::create_dir_all(&place).unwrap();
    std::fs::rename(root.path().join("scratch").join(&hex[..2]).join(&hex[2..]), place.join(&hex[2..]))
        .unwrap();
    assert_eq!(snapshot.read(&victim, &mut content).unwrap(), Some(Kind::Blob));
    assert_eq!(content, text);
    // An index that is none hides its pack only.
    let pack_dir = path.parent().unwrap();
    for (name, content) in
        [("pack-x.idx", &b"nothing"[..]), ("pack-x.pack", b"nothing"), ("pack-y.idx", b"alone")]
    {
        std::fs::write(pack_dir.join(name), content).unwrap();
    }
    let snapshot = storage.snapshot().unwrap();
    assert_eq!(snapshot.packs().len(), 1);
    assert!(snapshot.read(&victim, &mut content).unwrap().is_some());
    let missing = snapshot.require(&ObjectId::null(format), &mut content).unwrap_err();
    assert!(missing.to_string().contains("pack-x.pack"), "{missing}");
}

#[test]
fn snapshots_are_shared_by_threads() {
    fn is_shared<T: Send + Sync + ?Sized>() {}
    is_shared::<dyn Snapshot>();
    is_shared::<FsStorage>();
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("repository");
    init(&dir, ObjectFormat::Sha1);
    make_history(&dir, 5);
    git(&dir, &["repack", "-q", "-a", "-d"]);
    let snapshot: Arc<dyn Snapshot> = open(&dir.join(".git"), ObjectFormat::Sha1).snapshot().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut content = Vec::new();
                snapshot
                    .for_each_id(&mut |id| {
                        let kind = snapshot.require(&id, &mut content).unwrap();
                        assert_eq!(ObjectId::hash(ObjectFormat::Sha1, kind, &content).unwrap(), id);
                        ControlFlow::Continue(())
                    })
                    .unwrap();
            });
        }
    });
}
