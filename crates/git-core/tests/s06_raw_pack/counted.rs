//! How what is sent was counted makes no difference to what is sent: with a bitmap, with a damaged one, and for
//! many at once.

use super::support::{self, FORMATS, SCHEMES, Serving, history, link, rev, run};
use super::whole::{
    KEEP, drain, has, ids_in, pack_bytes, pack_path, packed, prepare, reached, snapshot, tips, wish,
};
use git_core::Repository;
use git_core::counts::SharedCounts;
use git_core::idx::Checksum;
use git_core::object::{Context, ErrorKind, ObjectFormat, ObjectId, Objects as _};
use git_core::protocol::ProtocolVersion;
use git_core::remote::fetch_pack;
use git_core::send::{PackFeed, PackWish, SendOptions, WholePacks};
use git_core::store::walk::CountOptions;
use git_core::transport::client::NoHistory;
use std::path::{Path, PathBuf};
use std::sync::Barrier;

/// How many come at once.
const MANY: usize = 20;

fn with_bitmap() -> SendOptions {
    let mut options = SendOptions::default();
    options.count = CountOptions::with_bitmap();
    options
}

/// More objects than are counted by walking whatever there is, in one pack with a bitmap.
fn large(dir: &Path, format: ObjectFormat) -> PathBuf {
    let path = support::bare(dir, "large", format);
    let mut stream = String::new();
    for commit in 0..300 {
        stream.push_str("commit refs/heads/master\ncommitter C <c@example.com> ");
        stream.push_str(&format!("{} +0000\ndata 1\nx\n", 1_700_000_000 + commit));
        for file in 0..70 {
            let content = format!("{commit} {file}\n");
            stream.push_str(&format!(
                "M 644 inline {}/{file}\ndata {}\n{content}\n",
                file % 7,
                content.len()
            ));
        }
        if commit == 200 {
            stream.push_str("\nreset refs/heads/old\nfrom refs/heads/master\n\n");
        }
    }
    support::feed(&path, &["fast-import", "--quiet"], stream.as_bytes());
    run(&path, &["repack", "-adbq", "--threads=1"]);
    let count = u32::from_be_bytes(pack_bytes(&path)[8..12].try_into().unwrap());
    assert!(count > 20_000, "{count}");
    assert!(pack_path(&path).with_extension("bitmap").exists());
    path
}

#[test]
fn s06_a_bitmap_and_a_whole_pack_together() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = large(dir.path(), format);
        let stored = pack_bytes(&path);
        let feed = prepare(&path, &PackWish { options: with_bitmap(), ..wish(tips(&path)) });
        assert!(feed.is_copy());
        assert!(drain(feed).unwrap() == stored);
        let serving = Serving::as_configured("project", &path);
        for scheme in SCHEMES {
            let url = serving.url(scheme, "project");
            run(dir.path(), &[&KEEP[..], &["clone", "-q", "--mirror", &url, scheme]].concat());
            assert!(pack_bytes(&dir.path().join(scheme)) == stored, "{scheme}");
        }

        // What no ref leads to any more still lies in the pack, and has its bits.
        let private = rev(&path, "master");
        run(&path, &["update-ref", "-d", "refs/heads/master"]);
        run(&path, &["symbolic-ref", "HEAD", "refs/heads/old"]);
        let feed = prepare(&path, &PackWish { options: with_bitmap(), ..wish(tips(&path)) });
        assert!(!feed.is_copy());
        let sent = drain(feed).unwrap();
        assert!(ids_in(dir.path(), format, &sent) == reached(&path, &["--all"]));
        let serving = Serving::as_configured("project", &path);
        run(dir.path(), &["clone", "-q", "--mirror", &serving.url("git", "project"), "clone"]);
        let clone = dir.path().join("clone");
        assert!(has(&path, &private) && !has(&clone, &private));
        support::sound(&clone);
    }
}

/// A bitmap with a wrong bit is not used, whichever bit it is.
#[test]
fn s06_a_wrong_bitmap_loses_nothing() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = large(dir.path(), format);
        run(&path, &["update-ref", "refs/heads/master", "master~3"]);
        let expected = reached(&path, &["--all"]).len();
        let file = pack_path(&path).with_extension("bitmap");
        let whole = std::fs::read(&file).unwrap();
        for part in 0..12 {
            let mut wrong = whole.clone();
            wrong[(whole.len() - 1) * part / 11] ^= 1 << (part % 8);
            std::fs::remove_file(&file).unwrap();
            std::fs::write(&file, &wrong).unwrap();
            let feed = prepare(&path, &PackWish { options: with_bitmap(), ..wish(tips(&path)) });
            assert_eq!(feed.objects() as usize, expected, "{part}");
        }
    }
}

/// What a client had once and has no more in its newest commit is known to a bitmap only.
#[test]
fn s06_a_bitmap_knows_what_a_client_had_long_ago() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = support::bare(dir.path(), "source", format);
        let mut stream = String::new();
        for (at, content) in ["one", "two", "one"].iter().enumerate() {
            stream.push_str("commit refs/heads/master\ncommitter C <c@example.com> ");
            stream.push_str(&format!("{} +0000\ndata 1\nx\n", 1_700_000_000 + at));
            stream.push_str(&format!("M 644 inline file\ndata 3\n{content}\n"));
        }
        support::feed(&path, &["fast-import", "--quiet"], stream.as_bytes());
        run(&path, &["repack", "-adbq"]);
        let (old, new) = (rev(&path, "master~1"), rev(&path, "master"));
        for thin in [false, true] {
            let fetch = PackWish { haves: vec![old], thin, ..wish(vec![new]) };
            assert_eq!(prepare(&path, &fetch).objects(), 3);
            let fetch = PackWish { options: with_bitmap(), ..fetch };
            let feed = prepare(&path, &fetch);
            assert_eq!(feed.objects(), 1);
            let into = support::bare(dir.path(), if thin { "thin" } else { "full" }, format);
            let url = path.to_str().unwrap();
            run(&into, &["fetch", "-q", url, &format!("{old}:refs/heads/master")]);
            support::feed(&into, &["index-pack", "--stdin", "--fix-thin"], &drain(feed).unwrap());
            run(&into, &["update-ref", "refs/heads/master", &new.to_hex()]);
            support::sound(&into);
        }
    }
}

#[test]
fn s06_equal_requests_at_once_count_once() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = packed(dir.path(), format);
        let repository = Repository::open(&path).unwrap();
        let (counts, cx) = (SharedCounts::default(), Context::new());
        let prepare = |wish: &PackWish| {
            let snapshot = repository.storage().snapshot().unwrap();
            PackFeed::prepare_shared(snapshot, wish, &counts, &cx)
        };
        let mut rewritten = wish(tips(&path));
        rewritten.options.whole = WholePacks::Rewrite;
        let barrier = Barrier::new(MANY);
        let feeds: Vec<PackFeed> = std::thread::scope(|scope| {
            let one = |n: usize| {
                let wish = if n.is_multiple_of(2) { wish(tips(&path)) } else { rewritten.clone() };
                barrier.wait();
                prepare(&wish).unwrap()
            };
            let threads: Vec<_> = (0..MANY).map(|n| scope.spawn(move || one(n))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!((counts.made(), counts.in_use()), (1, 1));

        // Another request has another count.
        let fetch = PackWish { haves: vec![rev(&path, "master~2")], thin: true, ..wish(tips(&path)) };
        let missing = reached(&path, &["--all", "^master~2"]).len();
        let other = prepare(&fetch).unwrap();
        assert_eq!(other.objects() as usize, missing);
        assert_eq!((counts.made(), counts.in_use()), (2, 2));
        drop(other);
        assert_eq!(counts.in_use(), 1);

        let stored = pack_bytes(&path);
        let expected = reached(&path, &["--all"]);
        for (n, feed) in feeds.into_iter().enumerate() {
            let sent = drain(feed).unwrap();
            assert_eq!(sent == stored, n.is_multiple_of(2));
            assert_eq!(ids_in(dir.path(), format, &sent), expected);
        }
        // Nothing is kept for those who come later.
        assert_eq!(counts.in_use(), 0);
        drop(prepare(&rewritten).unwrap());
        assert_eq!((counts.made(), counts.in_use()), (3, 0));
    }
}

#[test]
fn s06_a_count_that_fails_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = packed(dir.path(), FORMATS[0]);
    let (counts, gone) = (SharedCounts::default(), Context::new());
    gone.cancel().cancel();
    let all = wish(tips(&path));
    let error = PackFeed::prepare_shared(snapshot(&path), &all, &counts, &gone).err().unwrap();
    assert_eq!((error.kind(), counts.in_use()), (ErrorKind::Cancelled, 0));
    let feed = PackFeed::prepare_shared(snapshot(&path), &all, &counts, &Context::new()).unwrap();
    assert_eq!((counts.made(), counts.in_use()), (2, 1));
    assert!(drain(feed).unwrap() == pack_bytes(&path));
    let strange = wish(vec![ObjectId::empty_tree(FORMATS[0])]);
    for _ in 0..2 {
        let result = PackFeed::prepare_shared(snapshot(&path), &strange, &counts, &Context::new());
        assert_eq!(result.err().unwrap().kind(), ErrorKind::NotFound);
    }
    assert_eq!((counts.made(), counts.in_use()), (4, 0));
}

#[test]
fn s06_many_clones_at_once() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = packed(dir.path(), format);
        let (stored, wants) = (pack_bytes(&path), tips(&path));
        let serving = Serving::paths([("project", path.as_path())]);
        let barrier = Barrier::new(MANY);
        std::thread::scope(|scope| {
            for n in 0..MANY {
                let url = serving.url(SCHEMES[n % SCHEMES.len()], "project");
                let (barrier, stored, wants) = (&barrier, &stored, &wants);
                scope.spawn(move || {
                    let mut pack = Vec::new();
                    let mut sink = |bytes: &[u8]| {
                        pack.extend_from_slice(bytes);
                        Ok(())
                    };
                    barrier.wait();
                    let (link, cx) = (link(ProtocolVersion::V2), Context::new());
                    fetch_pack(&url, |_| wants.clone(), &mut NoHistory, &mut sink, link, &cx).unwrap();
                    assert!(pack == *stored);
                });
            }
        });
    }
}

/// Version 3 of the format differs from version 2 in nothing but its number.
#[test]
fn s06_a_pack_of_version_3_is_read_and_sent_as_version_2() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = packed(dir.path(), format);
        let file = pack_path(&path);
        let mut bytes = pack_bytes(&path);
        bytes.truncate(bytes.len() - format.raw_len());
        bytes[7] = 3;
        let mut checksum = Checksum::new(format);
        checksum.update(&bytes);
        bytes.extend_from_slice(checksum.finish().as_bytes());
        for extension in ["pack", "idx", "rev"] {
            let _ = std::fs::remove_file(file.with_extension(extension));
        }
        let file = path.join("objects/pack/pack-three.pack");
        std::fs::write(&file, &bytes).unwrap();
        run(&path, &["index-pack", file.to_str().unwrap()]);

        let (expected, there) = (reached(&path, &["--all"]), snapshot(&path));
        let mut content = Vec::new();
        for id in &expected {
            let kind = there.require(&id.parse().unwrap(), &mut content).unwrap();
            assert_eq!(content, support::bytes(&path, &["cat-file", &kind.to_string(), id]), "{id}");
        }
        let feed = prepare(&path, &wish(tips(&path)));
        assert!(!feed.is_copy());
        let sent = drain(feed).unwrap();
        assert_eq!(sent[7], 2);
        assert_eq!(ids_in(dir.path(), format, &sent), expected);
        let serving = Serving::paths([("project", path.as_path())]);
        run(dir.path(), &["clone", "-q", "--mirror", &serving.url("git", "project"), "clone"]);
        support::sound(&dir.path().join("clone"));
        let grown = history::grow(&path, "master", None, 60..62);
        run(&dir.path().join("clone"), &["fetch", "-q"]);
        assert!(has(&dir.path().join("clone"), &grown));
    }
}
