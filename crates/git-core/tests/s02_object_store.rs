//! S2: objects stored one by one or many at once make a repository in which git finds nothing unusual.
#![allow(clippy::unwrap_used)]

mod support;

use git_core::object::{Blob, Commit, EntryKind, Ident, ObjectId, Time, Tree};
use git_core::refs::{Expected, RefName, RefTransaction};
use git_core::{InitOptions, Repository};
use support::{FORMATS, count_objects, feed, output, run, sound};

fn author() -> Ident {
    Ident::new("A U Thor", "author@example.com", Time::new(1_700_000_000, -120)).unwrap()
}

#[test]
fn s02_git_sees_a_regular_repository() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let mut options = InitOptions::work_tree();
        options.object_format = format;
        let repository = Repository::init(dir.path(), &options).unwrap();

        let mut blob = Blob::from_bytes("My file content\n");
        let mut tree = Tree::new(format);
        tree.add("spam", EntryKind::Blob, repository.write(&blob).unwrap()).unwrap();
        let commit = Commit::new(repository.write(&tree).unwrap(), &author(), &author(), "Initial commit\n");
        let first = repository.write(&commit).unwrap();
        let refs = repository.refs();
        refs.set("refs/heads/master", first).unwrap();
        refs.set_symbolic("HEAD", "refs/heads/master").unwrap();

        let status = run(dir.path(), &["status"]);
        assert!(status.starts_with("On branch master\n"), "{status}");
        assert!(status.contains("deleted:    spam"), "{status}");
        run(dir.path(), &["checkout", "-q", "-f"]);
        assert_eq!(std::fs::read(dir.path().join("spam")).unwrap(), b"My file content\n");
        assert!(run(dir.path(), &["status"]).contains("nothing to commit, working tree clean"));

        blob.data = b"My new file content\n".to_vec();
        let mut tree = Tree::new(format);
        tree.add("spam", EntryKind::Blob, repository.write(&blob).unwrap()).unwrap();
        let tree = repository.write(&tree).unwrap();
        let second = Commit::new(tree, &author(), &author(), "Change \"spam\"\n").with_parent(first);
        refs.set("HEAD", repository.write(&second).unwrap()).unwrap();

        let log = run(dir.path(), &["log", "-p", "--format=%h %an %s", "--date=raw"]);
        assert!(log.contains("Change \"spam\"") && log.contains("Initial commit"), "{log}");
        assert!(log.contains("-My file content\n+My new file content"), "{log}");
        let show = run(dir.path(), &["show", "--format=fuller", "HEAD"]);
        assert!(show.contains("AuthorDate: Tue Nov 14 20:13:20 2023 -0200"), "{show}");
        run(dir.path(), &["checkout", "-q", "-f"]);
        assert_eq!(run(dir.path(), &["status", "--porcelain"]), "");
        assert_eq!(std::fs::read(dir.path().join("spam")).unwrap(), b"My new file content\n");
        sound(dir.path());
    }
}

#[test]
fn s02_many_objects_become_visible_at_once_with_a_ref() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = support::bare(dir.path(), "many", format);
        let repository = Repository::open(&path).unwrap();
        let mut writer = repository.writer().unwrap();
        let mut tree = Tree::new(format);
        let mut blobs = Vec::new();
        for number in 0..300_usize {
            let id = writer.add(&Blob::from_bytes(format!("blob {number}\n"))).unwrap();
            tree.add(format!("file{number:03}"), EntryKind::Blob, id).unwrap();
            blobs.push(id);
        }
        let tree = writer.add(&tree).unwrap();
        let commit = writer.add(&Commit::new(tree, &author(), &author(), "Many\n")).unwrap();
        assert_eq!(count_objects(&path), 0, "nothing may be seen before the end");
        let mut edit = RefTransaction::new();
        let master = RefName::branch("master").unwrap();
        edit.update(master, Expected::MustNotExist, commit, None);
        writer.finish_with(&edit).unwrap();

        assert_eq!(count_objects(&path), 302);
        assert_eq!(run(&path, &["rev-parse", "master"]), commit.to_hex());
        assert_eq!(run(&path, &["show", "master:file123"]), "blob 123");
        sound(&path);

        // What is there already is not stored again.
        let before = run(&path, &["count-objects", "-v"]);
        let mut writer = repository.writer().unwrap();
        for (number, blob) in blobs.iter().enumerate() {
            assert_eq!(writer.add(&Blob::from_bytes(format!("blob {number}\n"))).unwrap(), *blob);
        }
        writer.finish().unwrap();
        let after = run(&path, &["count-objects", "-v"]);
        assert_eq!(count_objects(&path), 302, "{before}\n{after}");
        sound(&path);

        // A writer that is dropped leaves nothing.
        let mut writer = repository.writer().unwrap();
        writer.add(&Blob::from_bytes("dropped")).unwrap();
        drop(writer);
        assert_eq!(count_objects(&path), 302);
        sound(&path);
    }
}

#[test]
fn s02_what_git_writes_is_read_at_once() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = support::history::source(dir.path(), "source", format);
        let repository = Repository::open(&path).unwrap();
        let all =
            run(&path, &["cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)"]);
        let mut kinds = Vec::new();
        for line in all.lines() {
            let (id, kind) = line.split_once(' ').unwrap();
            let id: ObjectId = id.parse().unwrap();
            let object = repository.object(&id).unwrap();
            assert_eq!(object.kind().name(), kind);
            kinds.push(id);
        }
        assert!(kinds.len() > 60);
        // Loose, then in a pack while the repository stays open.
        let late = feed(&path, &["hash-object", "-w", "--stdin"], b"late\n");
        let late: ObjectId = String::from_utf8(late).unwrap().trim().parse().unwrap();
        assert!(repository.object(&late).is_ok());
        run(&path, &["repack", "-adq"]);
        run(&path, &["pack-refs", "--all"]);
        for id in &kinds {
            repository.object(id).unwrap();
        }
        assert_eq!(repository.resolve("v1^{commit}").unwrap(), support::rev(&path, "master~6"));
        assert!(output(&path, &["fsck"]).status.success());
    }
}
