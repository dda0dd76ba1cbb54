//! A pack of the repository sent as it lies there: when it is, and above all when it must not be.

use super::support::{self, fails, git};
use super::support::{
    FORMATS, SCHEMES, Serving, VERSIONS, bare, feed, history, output, rev, run, run_version,
};
use git_core::Repository;
use git_core::object::{Context, ErrorKind, ObjectFormat, ObjectId};
use git_core::pack::{EntryKind, WriteError};
use git_core::send::{PackFeed, PackWish, SendOptions, WholePacks};
use git_core::store::{Alterations, Altered, Snapshot};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// git keeps even a small pack as a pack.
pub(super) const KEEP: [&str; 2] = ["-c", "fetch.unpackLimit=1"];

/// The usual history in one pack of many deltas.
pub(super) fn packed(dir: &Path, format: ObjectFormat) -> PathBuf {
    let path = history::source(dir, "source", format);
    run(&path, &["repack", "-adfq"]);
    path
}

/// The only pack of a bare repository.
pub(super) fn pack_path(repository: &Path) -> PathBuf {
    let files = std::fs::read_dir(repository.join("objects/pack")).unwrap();
    let mut packs: Vec<_> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pack"))
        .collect();
    assert_eq!(packs.len(), 1, "{packs:?}");
    packs.remove(0)
}

pub(super) fn pack_bytes(repository: &Path) -> Vec<u8> {
    std::fs::read(pack_path(repository)).unwrap()
}

/// All that the refs hold.
pub(super) fn tips(repository: &Path) -> Vec<ObjectId> {
    let list = run(repository, &["for-each-ref", "--format=%(objectname)"]);
    list.lines().map(|line| line.parse().unwrap()).collect()
}

pub(super) fn snapshot(repository: &Path) -> Arc<dyn Snapshot> {
    Repository::open(repository).unwrap().storage().snapshot().unwrap()
}

pub(super) fn wish(wants: Vec<ObjectId>) -> PackWish {
    PackWish { wants, ofs_delta: true, ..PackWish::default() }
}

pub(super) fn prepare(repository: &Path, wish: &PackWish) -> PackFeed {
    PackFeed::prepare(snapshot(repository), wish, &Context::new()).unwrap()
}

pub(super) fn drain(mut feed: PackFeed) -> Result<Vec<u8>, (WriteError, Vec<u8>)> {
    let mut out = Vec::new();
    loop {
        match feed.fill(&mut out, &Context::new()) {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => return Ok(out),
            Err(error) => return Err((error, out)),
        }
    }
}

/// The ids that git finds in a pack, sorted.
pub(super) fn ids_in(dir: &Path, format: ObjectFormat, pack: &[u8]) -> Vec<String> {
    let _ = std::fs::remove_dir_all(dir.join("into"));
    let into = bare(dir, "into", format);
    feed(&into, &["index-pack", "--stdin", "--strict"], pack);
    let list = run(&into, &["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]);
    list.lines().map(str::to_owned).collect()
}

/// The ids that git reaches from some objects, sorted.
pub(super) fn reached(repository: &Path, tips: &[&str]) -> Vec<String> {
    let list = run(repository, &[&["rev-list", "--objects", "--no-object-names"], tips].concat());
    let mut ids: Vec<_> = list.lines().map(str::to_owned).collect();
    ids.sort();
    ids
}

pub(super) fn has(repository: &Path, id: &ObjectId) -> bool {
    output(repository, &["cat-file", "-e", &id.to_hex()]).status.success()
}

fn kinds(repository: &Path) -> Vec<EntryKind> {
    let snapshot = snapshot(repository);
    let pack = &snapshot.packs()[0].pack;
    pack.idx().ids().map(|id| pack.raw_entry(pack.find(&id).unwrap().unwrap()).unwrap().header.kind).collect()
}

#[test]
fn s06_a_pack_of_exactly_what_is_wanted_is_sent_as_it_lies() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = packed(dir.path(), format);
        let stored = pack_bytes(&path);
        let feed = prepare(&path, &wish(tips(&path)));
        assert!(feed.is_copy());
        assert_eq!(feed.objects(), u32::from_be_bytes(stored[8..12].try_into().unwrap()));
        assert_eq!(drain(feed).unwrap(), stored);
        // Put together anew it is another one: that it is the same is no chance.
        let mut options = SendOptions::default();
        options.whole = WholePacks::Rewrite;
        let feed = prepare(&path, &PackWish { options, ..wish(tips(&path)) });
        assert!(!feed.is_copy());
        assert_ne!(drain(feed).unwrap(), stored);

        let serving = Serving::paths([("project", path.as_path())]);
        for scheme in SCHEMES {
            for version in VERSIONS {
                let name = format!("{scheme}-{}", version.number());
                let url = serving.url(scheme, "project");
                run_version(
                    dir.path(),
                    version,
                    &[&KEEP[..], &["clone", "-q", "--mirror", &url, &name]].concat(),
                );
                let clone = dir.path().join(name);
                assert_eq!(pack_bytes(&clone), stored, "{scheme} {version:?}");
                support::sound(&clone);
            }
        }
        run(&path, &["config", "pack.allowPackReuse", "false"]);
        let serving = Serving::as_configured("project", &path);
        let url = serving.url("git", "project");
        run(dir.path(), &[&KEEP[..], &["clone", "-q", "--mirror", &url, "rewritten"]].concat());
        let clone = dir.path().join("rewritten");
        assert_ne!(pack_bytes(&clone), stored);
        support::sound(&clone);
    }
}

#[test]
fn s06_a_pack_with_something_unreachable_is_not() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = packed(dir.path(), format);
        let secret = feed(&path, &["hash-object", "-w", "--stdin"], b"nobody refers to this\n");
        let secret: ObjectId = std::str::from_utf8(&secret).unwrap().trim().parse().unwrap();
        run(&path, &["repack", "-adkq"]);
        let stored = pack_bytes(&path);
        assert!(ids_in(dir.path(), format, &stored).contains(&secret.to_hex()));
        let feed = prepare(&path, &wish(tips(&path)));
        assert!(!feed.is_copy());
        let sent = drain(feed).unwrap();
        assert_eq!(ids_in(dir.path(), format, &sent), reached(&path, &["--all"]));

        let serving = Serving::paths([("project", path.as_path())]);
        run(dir.path(), &["clone", "-q", "--mirror", &serving.url("git", "project"), "clone"]);
        let clone = dir.path().join("clone");
        assert!(!has(&clone, &secret) && has(&path, &secret));
        support::sound(&clone);
    }
}

#[test]
fn s06_a_pack_with_what_was_not_asked_for_is_not() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = packed(dir.path(), format);
        let private = history::grow(&path, "private", Some("refs/heads/topic"), 300..302);
        run(&path, &["update-ref", "refs/private/one", &private.to_hex()]);
        run(&path, &["update-ref", "-d", "refs/heads/private"]);
        run(&path, &["repack", "-adfq"]);
        let blob = rev(&path, &format!("{private}:README"));
        let serving = Serving::paths([("project", path.as_path())]);
        let url = serving.url("http", "project");
        // A clone asks for branches and tags only.
        run(dir.path(), &["clone", "-q", "--bare", &url, "clone"]);
        let clone = dir.path().join("clone");
        assert!(!has(&clone, &private) && !has(&clone, &blob));
        support::sound(&clone);
        run(dir.path(), &["clone", "-q", "--bare", "--single-branch", "-b", "topic", &url, "one"]);
        let one = dir.path().join("one");
        assert!(!has(&one, &rev(&path, "master")) && has(&one, &rev(&path, "topic")));
        support::sound(&one);
        // It is when all is asked for.
        run(dir.path(), &[&KEEP[..], &["clone", "-q", "--mirror", &url, "mirror"]].concat());
        assert_eq!(pack_bytes(&dir.path().join("mirror")), pack_bytes(&path));
    }
}

#[test]
fn s06_tags_that_come_along_count() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = packed(dir.path(), format);
        let branches = || wish(vec![rev(&path, "master"), rev(&path, "topic")]);
        assert!(!prepare(&path, &branches()).is_copy());
        let with_tags = PackWish { include_tag: true, ..branches() };
        assert_eq!(drain(prepare(&path, &with_tags)).unwrap(), pack_bytes(&path));
        // What the client has is not sent again, whether the pack could be read or not.
        let haves = PackWish { haves: vec![rev(&path, "master~2")], thin: true, ..with_tags.clone() };
        assert!(!prepare(&path, &haves).is_copy());
        // A tag beside the pack is missing in it.
        run(&path, &["tag", "-a", "-m", "a loose one", "v3", "master"]);
        let sent = drain(prepare(&path, &with_tags)).unwrap();
        assert_eq!(ids_in(dir.path(), format, &sent), reached(&path, &["--all"]));
    }
}

/// A history that goes on in a second pack: what a fetch lacks may be just that.
#[test]
fn s06_a_fetch_may_be_sent_a_pack_too() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = packed(dir.path(), format);
        let (old, before) = (rev(&path, "master"), pack_path(&path));
        let new = history::grow(&path, "master", None, 40..43);
        run(&path, &["repack", "-dq"]);
        let files = std::fs::read_dir(path.join("objects/pack")).unwrap();
        let is_pack = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "pack");
        let second = files.map(|file| file.unwrap().path()).find(|path| is_pack(path) && *path != before);
        let stored = std::fs::read(second.unwrap()).unwrap();
        let fetch = PackWish { haves: vec![old], thin: true, ..wish(vec![new]) };
        let sent = drain(prepare(&path, &fetch)).unwrap();
        assert_eq!(sent, stored);
        let missing = reached(&path, &[&new.to_hex(), &format!("^{old}")]);
        let into = bare(dir.path(), "into", format);
        feed(&into, &["index-pack", "--stdin"], &sent);
        assert_eq!(support::count_objects(&into), missing.len());
    }
}

#[test]
fn s06_a_client_without_ofs_delta() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = packed(dir.path(), format);
        let is_ofs = |kind: &EntryKind| matches!(kind, EntryKind::OfsDelta { .. });
        assert!(kinds(&path).iter().any(is_ofs));
        let serving = Serving::paths([("project", path.as_path())]);
        for version in VERSIONS {
            let (url, name) = (serving.url("git", "project"), version.number().to_string());
            let options = [&KEEP[..], &["-c", "repack.useDeltaBaseOffset=false"]].concat();
            run_version(
                dir.path(),
                version,
                &[&options, &["clone", "-q", "--mirror", &url, &name][..]].concat(),
            );
            let clone = dir.path().join(name);
            let kinds = kinds(&clone);
            assert!(!kinds.iter().any(is_ofs), "{version:?}");
            assert!(kinds.iter().any(|kind| matches!(kind, EntryKind::RefDelta { .. })));
            assert_eq!(support::refs(&clone), support::refs(&path));
            support::sound(&clone);
        }
        let plain = PackWish { ofs_delta: false, ..wish(tips(&path)) };
        assert!(!prepare(&path, &plain).is_copy());
    }
}

/// As many objects as the pack holds, and all but one of them the same.
#[test]
fn s06_as_many_objects_but_others() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = bare(dir.path(), "source", format);
        let line = |args: &[&str], input: &[u8]| {
            String::from_utf8(feed(&path, args, input)).unwrap().trim_end().to_owned()
        };
        let blob = line(&["hash-object", "-w", "--stdin"], b"in both\n");
        let secret = line(&["hash-object", "-w", "--stdin"], b"in the pack only\n");
        let tree = line(&["mktree"], format!("100644 blob {blob}\tfile\n").as_bytes());
        let first = line(&["commit-tree", &tree], b"first\n");
        let ids = [&first, &tree, &blob, &secret].map(|id| format!("{id}\n")).concat();
        line(&["pack-objects", "-q", "objects/pack/pack"], ids.as_bytes());
        run(&path, &["prune-packed"]);
        let second = line(&["commit-tree", &tree, "-p", &first], b"second\n");
        run(&path, &["update-ref", "refs/heads/master", &second]);

        let feed = prepare(&path, &wish(tips(&path)));
        assert_eq!(feed.objects(), u32::from_be_bytes(pack_bytes(&path)[8..12].try_into().unwrap()));
        assert!(!feed.is_copy());
        assert_eq!(ids_in(dir.path(), format, &drain(feed).unwrap()), reached(&path, &["master"]));
        let serving = Serving::paths([("project", path.as_path())]);
        run(dir.path(), &["clone", "-q", "--mirror", &serving.url("git", "project"), "clone"]);
        let clone = dir.path().join("clone");
        assert!(has(&clone, &second.parse().unwrap()) && !has(&clone, &secret.parse().unwrap()));
        support::sound(&clone);
    }
}

/// A pack that was damaged where the count does not look never arrives as a complete one.
#[test]
fn s06_a_damaged_pack_is_told_of() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        // A blob of which most of the pack consists, in several pieces.
        history::grow_with(&path, "master", None, 50..51, 100_000);
        run(&path, &["repack", "-adfq"]);
        let (file, stored) = (pack_path(&path), pack_bytes(&path));
        assert!(stored.len() > 600_000, "{}", stored.len());
        for index in ["1", "2"] {
            for extension in ["pack", "idx", "rev"] {
                let _ = std::fs::remove_file(file.with_extension(extension));
            }
            std::fs::write(&file, &stored).unwrap();
            let version = format!("--index-version={index}");
            run(&path, &["index-pack", &version, file.to_str().unwrap()]);
            assert_eq!(drain(prepare(&path, &wish(tips(&path)))).unwrap(), stored);
            let mut damaged = stored.clone();
            damaged[stored.len() / 2] ^= 0x10;
            std::fs::remove_file(&file).unwrap();
            std::fs::write(&file, &damaged).unwrap();

            let feed = prepare(&path, &wish(tips(&path)));
            assert!(feed.is_copy());
            let (error, sent) = drain(feed).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(error.to_string().contains(name), "{error}");
            assert!(damaged[..stored.len() - format.raw_len()].starts_with(&sent));
            if index == "1" {
                // It has no CRCs: only the end tells.
                assert!(error.to_string().contains("checksum"), "{error}");
                assert_eq!(sent.len(), stored.len() - format.raw_len());
            } else {
                assert!(error.to_string().contains("CRC mismatch of object"), "{error}");
            }
        }
        let serving = Serving::paths([("project", path.as_path())]);
        for scheme in SCHEMES {
            let url = serving.url(scheme, "project");
            let said = fails(dir.path(), &["clone", "-q", "--mirror", &url, "clone"]);
            assert!(said.contains("internal server error"), "{said}");
            assert!(!dir.path().join("clone").exists());
        }
    }
}

/// What is reached where history is altered is not what the objects of a pack refer to.
#[test]
fn s06_no_pack_is_taken_where_history_is_altered() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = packed(dir.path(), format);
        let mut alterations = Alterations::default();
        let (first, second) = (rev(&path, "master~11"), rev(&path, "master~10"));
        alterations.add_grafts(format, format!("{second} {first}\n").as_bytes());
        let altered = Altered::over(snapshot(&path), alterations);
        let feed = PackFeed::prepare(altered, &wish(tips(&path)), &Context::new()).unwrap();
        assert!(!feed.is_copy());
    }
}

/// A pack in which an object lies twice, which git reads.
#[test]
fn s06_a_pack_with_an_object_twice() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = packed(dir.path(), format);
        let (file, stored) = (pack_path(&path), pack_bytes(&path));
        let pack = snapshot(&path).packs()[0].pack.clone();
        let mut entries =
            pack.idx().ids().map(|id| pack.raw_entry(pack.find(&id).unwrap().unwrap()).unwrap());
        // One that may stand anywhere.
        let entry = entries.find(|entry| matches!(entry.header.kind, EntryKind::Whole(_))).unwrap().range;
        let count = pack.count() + 1;
        let content = stored.len() - format.raw_len();
        let mut twice = [&stored[..8], &count.to_be_bytes(), &stored[12..content]].concat();
        twice.extend_from_slice(&stored[entry.start as usize..entry.end as usize]);
        let mut checksum = git_core::idx::Checksum::new(format);
        checksum.update(&twice);
        twice.extend_from_slice(checksum.finish().as_bytes());
        for extension in ["pack", "idx", "rev"] {
            let _ = std::fs::remove_file(file.with_extension(extension));
        }
        let twice_file = path.join("objects/pack/pack-twice.pack");
        std::fs::write(&twice_file, &twice).unwrap();
        assert!(git(&path).arg("index-pack").arg(&twice_file).output().unwrap().status.success());

        let feed = prepare(&path, &wish(tips(&path)));
        assert!(!feed.is_copy());
        assert_eq!(feed.objects(), count - 1);
        assert_eq!(ids_in(dir.path(), format, &drain(feed).unwrap()), reached(&path, &["--all"]));
    }
}
