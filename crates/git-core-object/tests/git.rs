//! Objects that git made, read by us, and objects that we made, read by git.
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]

mod common;

use common::Repo;
use git_core_object::loose::{self, Level};
use git_core_object::{
    Blob, Commit, CommitRef, EntryKind, EntryMode, Ident, Kind, ObjectFormat, ObjectId, Tag, TagRef, Time,
    Tree, TreeRef, Zone, commit, parse_date,
};

const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];

#[test]
fn git_accepts_what_we_build() {
    for format in FORMATS {
        let repo = Repo::new(format);
        let store = |kind: Kind, content: &[u8], id: ObjectId| {
            let theirs = repo.ok(&["hash-object", "-t", kind.name(), "-w", "--stdin"], content);
            assert_eq!(theirs, id.to_hex());
        };
        let blob = Blob::from_bytes("hello\n");
        let blob_id = blob.id(format).unwrap();
        store(Kind::Blob, &blob.data, blob_id);
        let mut inner = Tree::new(format);
        inner.add("x", EntryKind::Executable, blob_id).unwrap();
        store(Kind::Tree, &inner.to_bytes(), inner.id().unwrap());
        let mut tree = Tree::new(format);
        for (name, kind) in [("a", EntryKind::Tree), ("a.c", EntryKind::Blob), ("a0", EntryKind::Link)] {
            let id = if kind == EntryKind::Tree { inner.id().unwrap() } else { blob_id };
            tree.add(name, kind, id).unwrap();
        }
        store(Kind::Tree, &tree.to_bytes(), tree.id().unwrap());

        let me = Ident::new("Jorg", "j@example.com", Time::new(1_112_911_993, -420)).unwrap();
        let first = Commit::new(tree.id().unwrap(), &me, &me, "first\n");
        store(Kind::Commit, &first.to_bytes(), first.id().unwrap());
        let mut second =
            Commit::new(tree.id().unwrap(), &me, &me, "second\n").with_parent(first.id().unwrap());
        second.push_header("encoding", "ISO-8859-1").unwrap();
        second.push_header("gpgsig", "-----BEGIN\n\nx\n-----END\n").unwrap();
        store(Kind::Commit, &second.to_bytes(), second.id().unwrap());
        let tag = Tag::new(second.id().unwrap(), Kind::Commit, "v1", &me, "tagged\n").unwrap();
        store(Kind::Tag, &tag.to_bytes(), tag.id().unwrap());
        repo.ok(&["update-ref", "refs/tags/v1", &tag.id().unwrap().to_hex()], b"");
        repo.ok(&["fsck", "--strict", "--no-dangling"], b"");
        let signature = repo.ok(&["log", "-1", "--format=%an|%ae|%at|%ai|%s", "v1"], b"");
        assert_eq!(signature, "Jorg|j@example.com|1112911993|2005-04-07 15:13:13 -0700|second");
    }
}

#[test]
fn we_read_what_git_builds() {
    for format in FORMATS {
        let repo = Repo::new(format);
        let blob = repo.ok(&["hash-object", "-w", "--stdin"], b"content");
        let tree = repo.ok(&["mktree"], format!("100644 blob {blob}\tb\n120000 blob {blob}\ta\n").as_bytes());
        let parent = repo.ok(&["commit-tree", &tree, "-m", "one"], b"");
        let encoding = "i18n.commitEncoding=latin1";
        let child = repo.ok(&["-c", encoding, "commit-tree", &tree, "-p", &parent, "-m", "two"], b"");
        repo.ok(&["tag", "-a", "-m", "tagged", "v1", &child], b"");
        let cat = |kind: &str, id: &str| repo.git(&["cat-file", kind, id], b"").stdout;

        let content = cat("commit", &child);
        let read = CommitRef::parse(format, &content).unwrap();
        assert_eq!(read.tree().to_hex(), tree);
        assert_eq!(read.parents(), [parent.parse().unwrap()]);
        assert_eq!(read.encoding().unwrap(), "latin1");
        assert_eq!(
            (read.author().name, read.committer().email),
            ("A U Thor".into(), "committer@example.com".into())
        );
        assert_eq!(read.committer().time(), Some(Time::new(1_112_912_053, 330)));
        assert_eq!(read.to_owned().to_bytes(), content);
        let links = commit::links(format, &content).unwrap();
        assert_eq!((links.time, links.parents().next().unwrap().to_hex()), (1_112_912_053, parent));

        let content = cat("tag", "v1");
        let read = TagRef::parse(format, &content).unwrap();
        assert_eq!((read.target().to_hex(), read.name()), (child, "v1".into()));
        assert_eq!((read.message(), read.to_owned().to_bytes()), ("tagged\n".into(), content.clone()));

        let content = cat("tree", &tree);
        let read = TreeRef::new(format, &content);
        assert_eq!(read.find("a").unwrap().unwrap().mode, EntryMode::LINK);
        assert_eq!(read.to_owned().unwrap().to_bytes(), content);
    }
}

#[test]
fn loose_objects_go_both_ways() {
    for format in FORMATS {
        let repo = Repo::new(format);
        let content: Vec<u8> = (0..100_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
        let id = repo.ok(&["hash-object", "-w", "--stdin"], &content);
        let place = |id: &str| {
            let root = repo.ok(&["rev-parse", "--absolute-git-dir"], b"");
            std::path::PathBuf::from(root).join("objects").join(&id[..2]).join(&id[2..])
        };
        let mut out = Vec::new();
        let header = loose::decode(&std::fs::read(place(&id)).unwrap(), 1 << 20, &mut out).unwrap();
        assert_eq!((header.kind, &out), (Kind::Blob, &content));

        for level in [0, 1, 6, 9] {
            let content = format!("level {level}").repeat(1000);
            let (bytes, id) =
                loose::encode(format, Kind::Blob, content.as_bytes(), Level::new(level)).unwrap();
            let path = place(&id.to_hex());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
            assert_eq!(repo.ok(&["cat-file", "blob", &id.to_hex()], b""), content);
        }
        repo.ok(&["fsck", "--no-dangling"], b"");
    }
}

#[test]
fn dates_are_read_as_git_reads_them() {
    let repo = Repo::new(ObjectFormat::Sha1);
    let tree = repo.ok(&["mktree"], b"");
    for date in [
        "@7 +0100",
        "2020-02-29T23:59:60Z",
        "Mon, 29 Feb 2016 00:00:00 -0330",
        "1999.12.31 23:59:59 +0000",
        "@1700000000 -1145",
    ] {
        let id = repo.ok(&["-c", "user.name=x", "commit-tree", &tree, "-m", date], b"");
        assert!(!id.is_empty());
        let theirs = std::process::Command::new("git")
            .args(["var", "GIT_AUTHOR_IDENT"])
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "x")
            .env("GIT_AUTHOR_EMAIL", "y")
            .env("GIT_AUTHOR_DATE", date)
            .output()
            .unwrap();
        let ours = format!("x <y> {}", parse_date(date, Zone::utc()).unwrap());
        assert_eq!(String::from_utf8_lossy(&theirs.stdout).trim_end(), ours, "{date}");
    }
}
