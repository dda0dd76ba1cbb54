//! S1: creating repositories, objects built in memory, identities and zones, ids as git has them.
#![allow(clippy::unwrap_used)]

mod support;

use git_core::object::{
    Blob, Commit, EntryKind, Ident, IdentRef, Kind, Object, ObjectFormat, Tag, Time, Tree, Zone, parse_date,
};
use git_core::{InitOptions, Repository};
use std::path::Path;
use support::{FORMATS, bytes, feed, git, run, sound};

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap().trim_end().to_owned()
}

#[test]
fn s01_a_created_repository_is_what_git_creates() {
    let dir = tempfile::tempdir().unwrap();
    for format in FORMATS {
        for (kind, mut options) in [("--bare", InitOptions::bare()), ("--no-bare", InitOptions::work_tree())]
        {
            options.object_format = format;
            let (ours, theirs) = (dir.path().join("ours"), dir.path().join("theirs"));
            let repository = Repository::init(&ours, &options).unwrap();
            assert_eq!(repository.format(), format);
            let object_format = format!("--object-format={}", format.name());
            let bare: &[&str] = if kind == "--bare" { &["--bare"] } else { &[] };
            run(dir.path(), &[&["init", "-q", "-b", "master", &object_format, "theirs"], bare].concat());
            let config = |path: &Path| run(path, &["config", "--local", "--list"]);
            assert_eq!(config(&ours), config(&theirs));
            for path in [&ours, &theirs] {
                assert_eq!(run(path, &["symbolic-ref", "HEAD"]), "refs/heads/master");
            }
            assert_eq!(run(&ours, &["rev-parse", "--show-object-format"]), format.name());
            sound(&ours);
            // Once more changes nothing.
            assert!(Repository::init(&ours, &options).is_ok());
            assert_eq!(config(&ours), config(&theirs));
            std::fs::remove_dir_all(&ours).unwrap();
            std::fs::remove_dir_all(&theirs).unwrap();
        }
    }
}

#[test]
fn s01_ids_are_those_of_git() {
    let dir = tempfile::tempdir().unwrap();
    for format in FORMATS {
        let path = support::bare(dir.path(), format.name(), format);
        let big = vec![b'x'; 300_000];
        for content in [&b""[..], b"hello\n", b"\0binary\xff", &big] {
            let theirs = text(feed(&path, &["hash-object", "-w", "--stdin"], content));
            assert_eq!(Blob::from_bytes(content).id(format).unwrap().to_hex(), theirs);
        }
        let file = dir.path().join("a file");
        std::fs::write(&file, "from a file\n").unwrap();
        let blob = Blob::from_reader(std::fs::File::open(&file).unwrap()).unwrap();
        assert_eq!(
            blob.id(format).unwrap().to_hex(),
            run(&path, &["hash-object", "-w", file.to_str().unwrap()])
        );

        // Names that sort otherwise as files than as directories.
        let id = blob.id(format).unwrap();
        let empty = Tree::new(format).id().unwrap();
        assert_eq!(empty.to_hex(), text(feed(&path, &["mktree"], b"")));
        let mut tree = Tree::new(format);
        let mut lines = String::new();
        for (name, kind, mode, what, id) in [
            ("a.b", EntryKind::Blob, "100644", "blob", id),
            ("a", EntryKind::Tree, "040000", "tree", empty),
            ("a-b", EntryKind::Executable, "100755", "blob", id),
            ("a0", EntryKind::Link, "120000", "blob", id),
            ("ä ö", EntryKind::Blob, "100644", "blob", id),
        ] {
            tree.add(name, kind, id).unwrap();
            lines.push_str(&format!("{mode} {what} {id}\t{name}\0"));
        }
        assert_eq!(tree.id().unwrap().to_hex(), text(feed(&path, &["mktree", "-z"], lines.as_bytes())));

        let author = Ident::new("A U Thor", "author@example.com", Time::new(1_700_000_000, -120)).unwrap();
        let committer = Ident::new("C O Mitter", "committer@example.com", author.time()).unwrap();
        let root = Commit::new(tree.id().unwrap(), &author, &committer, "Initial commit\n");
        let tree_hex = tree.id().unwrap().to_hex();
        let root_id = text(feed(&path, &["commit-tree", &tree_hex], b"Initial commit\n"));
        assert_eq!(root.id().unwrap().to_hex(), root_id);
        let second = Commit::new(tree.id().unwrap(), &author, &committer, "Zweiter, größer\n")
            .with_parent(root.id().unwrap());
        let theirs = feed(&path, &["commit-tree", &tree_hex, "-p", &root_id], "Zweiter, größer\n".as_bytes());
        assert_eq!(second.id().unwrap().to_hex(), text(theirs));

        let tag = Tag::new(root.id().unwrap(), Kind::Commit, "v1", &committer, "The first\n").unwrap();
        assert_eq!(tag.id().unwrap().to_hex(), text(feed(&path, &["mktag"], &tag.to_bytes())));
        run(&path, &["tag", "-a", "-m", "The first", "v1", &root_id]);
        assert_eq!(tag.id().unwrap().to_hex(), run(&path, &["rev-parse", "v1"]));
    }
}

#[test]
fn s01_objects_come_back_as_they_were_built() {
    for format in FORMATS {
        let repository = Repository::in_memory(format);
        let author = Ident::new("Ann", "ann@example.com", Time::new(0, 330)).unwrap();
        let mut blob = Blob::from_bytes("one");
        let first = repository.write(&blob).unwrap();
        blob.data.extend_from_slice(b" and more");
        let second = repository.write(&blob).unwrap();
        assert_ne!(first, second);
        let mut tree = Tree::new(format);
        tree.add("f", EntryKind::Blob, second).unwrap();
        let tree = repository.write(&tree).unwrap();
        let mut commit = Commit::new(tree, &author, &author, "m\n");
        commit.push_header("gpgsig", "line one\nline two").unwrap();
        commit.push_header("x-unknown", "kept").unwrap();
        let id = repository.write(&commit).unwrap();
        assert_eq!(id, commit.id().unwrap());
        let Object::Commit(read) = repository.object(&id).unwrap() else { panic!("a commit") };
        assert_eq!(read.to_bytes(), commit.to_bytes());
        assert_eq!(read.headers(), commit.headers());
        let Object::Blob(read) = repository.object(&second).unwrap() else { panic!("a blob") };
        assert_eq!(read.data, b"one and more");
        let tag = Tag::new(id, Kind::Commit, "t", &author, "").unwrap();
        let tag_id = repository.write(&tag).unwrap();
        assert!(matches!(repository.object(&tag_id).unwrap(), Object::Tag(read) if read == tag));
        let missing = git_core::object::ObjectId::null(format);
        assert!(repository.object(&missing).unwrap_err().to_string().contains(&missing.to_hex()));
    }
}

#[test]
fn s01_identities_times_and_zones_are_read_as_git_reads_them() {
    assert_eq!(Zone::parse(b"-0200").unwrap().minutes(), -120);
    assert_eq!(Zone::parse(b"+0530").unwrap().minutes(), 330);
    assert_eq!(Zone::from_minutes(-120).to_string(), "-0200");
    assert_eq!(Zone::parse(b"-0000").unwrap().to_string(), "-0000");
    let line = IdentRef::parse(b"A U Thor <author@example.com> 1700000000 -0200");
    assert_eq!((line.name, line.email), ("A U Thor".into(), "author@example.com".into()));
    assert_eq!(line.time().unwrap(), Time::new(1_700_000_000, -120));

    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &["init", "-q"]);
    for (name, email) in [("  .Ann,  ", " ann@example.com "), ("B \"Q\" b", "<b@x>"), ("Ö", "")] {
        let theirs = git(dir.path())
            .args(["var", "GIT_AUTHOR_IDENT"])
            .env("GIT_AUTHOR_NAME", name)
            .env("GIT_AUTHOR_EMAIL", email)
            .output()
            .unwrap();
        let ours = Ident::new(name, email, Time::new(1_700_000_000, -120)).unwrap();
        assert_eq!(ours.to_line(), text(theirs.stdout), "{name} {email}");
    }
    for date in [
        "1700000000 -0200",
        "@12345 +0100",
        "2005-04-07T22:13:13 -0200",
        "Thu, 07 Apr 2005 22:13:13 +0200",
        "2005-04-07 22:13:13",
        "2005.04.07T22:13:13+0530",
    ] {
        let theirs =
            git(dir.path()).args(["var", "GIT_AUTHOR_IDENT"]).env("GIT_AUTHOR_DATE", date).output().unwrap();
        let theirs = text(theirs.stdout);
        let ours = parse_date(date, Zone::utc()).unwrap().to_string();
        assert!(theirs.ends_with(&format!("> {ours}")), "{date}: {theirs}, not {ours}");
    }
    // A zone of either sign as a commit shows it.
    let repository = Repository::open(dir.path()).unwrap();
    for (minutes, shown) in [(-120, "-0200"), (330, "+0530"), (0, "+0000"), (-1, "-0001")] {
        let who = Ident::new("Ann", "a@x", Time::new(1_700_000_000, minutes)).unwrap();
        let tree = repository.write(&Tree::new(ObjectFormat::Sha1)).unwrap();
        let id = repository.write(&Commit::new(tree, &who, &who, "m\n")).unwrap().to_hex();
        let format = "--format=%an <%ae> %ad";
        let theirs = bytes(dir.path(), &["show", "-s", format, "--date=raw", &id]);
        assert_eq!(text(theirs), format!("Ann <a@x> 1700000000 {shown}"));
    }
}
