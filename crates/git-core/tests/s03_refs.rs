//! S3: the refs of a repository as a map.
#![allow(clippy::unwrap_used)]

mod support;

use git_core::Repository;
use git_core::object::ErrorKind;
use git_core::refs::{Expected, RefName, RefTransaction, Target};
use support::{FORMATS, history, output, refs, rev, run};

#[test]
fn s03_refs_are_a_map() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        let repository = Repository::open(&path).unwrap();
        let map = repository.refs();
        let (tip, older) = (rev(&path, "master"), rev(&path, "master~3"));

        assert_eq!(map.get("refs/heads/master").unwrap(), Some(Target::Id(tip)));
        assert_eq!(map.get("refs/heads/nothing").unwrap(), None);
        assert!(map.contains("refs/tags/v1").unwrap() && !map.contains("refs/tags/v9").unwrap());
        let ours: Vec<String> = map.list("").unwrap().iter().map(|one| one.name.to_string()).collect();
        let theirs = run(&path, &["for-each-ref", "--format=%(refname)"]);
        assert_eq!(ours, theirs.lines().collect::<Vec<_>>());
        assert_eq!(map.list("refs/tags/").unwrap().len(), 3);

        for packed in [false, true] {
            if packed {
                run(&path, &["pack-refs", "--all", "--prune"]);
            }
            map.set("refs/heads/new/one", older).unwrap();
            assert_eq!(rev(&path, "refs/heads/new/one"), older);
            map.set("refs/heads/new/one", tip).unwrap();
            assert_eq!(rev(&path, "refs/heads/new/one"), tip);
            if packed {
                run(&path, &["pack-refs", "--all", "--prune"]);
                assert_eq!(map.id("refs/heads/new/one").unwrap(), Some(tip));
            }
            map.delete("refs/heads/new/one").unwrap();
            assert!(!map.contains("refs/heads/new/one").unwrap());
            assert!(!refs(&path).contains("new/one"));
            map.delete("refs/heads/new/one").unwrap();
            // The directory is gone as well, so that a ref may have its name.
            map.set("refs/heads/new", tip).unwrap();
            assert!(map.set("refs/heads/new/one", tip).is_err());
            map.delete("refs/heads/new").unwrap();
        }
        // What git changes is seen at once.
        run(&path, &["update-ref", "refs/heads/master", &older.to_hex()]);
        assert_eq!(map.id("refs/heads/master").unwrap(), Some(older));
        for bad in ["refs/heads/a..b", "refs/heads/.x", "refs/heads/x.lock", "refs/heads/a b", ""] {
            assert_eq!(map.set(bad, tip).unwrap_err().kind(), ErrorKind::Invalid, "{bad}");
        }
        support::sound(&path);
    }
}

#[test]
fn s03_head_is_a_symbolic_ref() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        let repository = Repository::open(&path).unwrap();
        let map = repository.refs();
        let raw = map.get("HEAD").unwrap().unwrap();
        assert_eq!(raw.to_string(), "ref: refs/heads/master");
        assert_eq!(raw.symbolic().unwrap().to_string(), "refs/heads/master");
        assert_eq!(map.id("HEAD").unwrap(), Some(rev(&path, "master")));

        // Pointed elsewhere: to a branch, to one that is yet to be born, back again.
        for (branch, id) in
            [("topic", Some(rev(&path, "topic"))), ("unborn", None), ("master", Some(rev(&path, "master")))]
        {
            map.set_symbolic("HEAD", format!("refs/heads/{branch}")).unwrap();
            assert_eq!(run(&path, &["symbolic-ref", "HEAD"]), format!("refs/heads/{branch}"));
            let content = std::fs::read_to_string(path.join("HEAD")).unwrap();
            assert_eq!(content, format!("ref: refs/heads/{branch}\n"));
            assert_eq!(map.id("HEAD").unwrap(), id);
        }
        // Set through it: the branch moves, HEAD stays symbolic.
        let older = rev(&path, "master~2");
        map.set("HEAD", older).unwrap();
        assert_eq!(rev(&path, "refs/heads/master"), older);
        assert_eq!(run(&path, &["symbolic-ref", "HEAD"]), "refs/heads/master");
        // Any ref can be symbolic.
        map.set_symbolic("refs/remotes/origin/HEAD", "refs/heads/topic").unwrap();
        assert_eq!(rev(&path, "refs/remotes/origin/HEAD"), rev(&path, "topic"));
        assert!(output(&path, &["fsck", "--strict"]).status.success());
    }
}

#[test]
fn s03_edits_expect_old_values() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        let repository = Repository::open(&path).unwrap();
        let map = repository.refs();
        let (tip, older) = (rev(&path, "master"), rev(&path, "master~1"));
        let name = |text: &str| RefName::new(text).unwrap();
        let mut edit = RefTransaction::new();
        edit.update(name("refs/heads/master"), Expected::Is(Target::Id(tip)), older, None);
        edit.create(name("refs/heads/topic"), tip, None);
        let error = map.edit(&edit).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("refs/heads/topic"), "{error}");
        assert_eq!(rev(&path, "master"), tip, "all or nothing");
        let mut edit = RefTransaction::new();
        edit.update(name("refs/heads/master"), Expected::Is(Target::Id(older)), tip, None);
        let error = map.edit(&edit).unwrap_err();
        assert!(error.to_string().contains(&tip.to_hex()), "{error}");
        let mut edit = RefTransaction::new();
        edit.update(name("refs/heads/master"), Expected::Is(Target::Id(tip)), older, None);
        edit.create(name("refs/heads/fresh"), tip, None);
        edit.delete(name("refs/tags/light"), Expected::Any);
        map.edit(&edit).unwrap();
        assert_eq!((rev(&path, "master"), rev(&path, "fresh")), (older, tip));
        assert!(!refs(&path).contains("refs/tags/light"));
        // A lock that somebody else holds is respected.
        let lock = path.join("refs/heads/fresh.lock");
        std::fs::write(&lock, "").unwrap();
        assert!(map.set("refs/heads/fresh", older).is_err());
        assert!(lock.exists());
        std::fs::remove_file(&lock).unwrap();
        assert_eq!(rev(&path, "fresh"), tip);
    }
}
