//! Refs written by git and read here, and the other way round; messages, logs and locks as git has them.
#![allow(clippy::unwrap_used)]

mod support;

use git_core_object::{Context, ObjectId};
use git_core_ref::{Deref, Expected, LogMessage, RefEdit, RefName, RefTransaction, Target};
use git_core_store::CommitError;
use git_core_store::fs::refs::{FilesRefs, LogUpdates, RefsCommit, RefsOptions};
use std::ops::ControlFlow;
use std::time::Duration;
use support::{FORMATS, Repo, complaint, git};

fn branch(name: &str) -> RefName {
    RefName::branch(name).unwrap()
}

fn log(message: &str) -> Option<LogMessage> {
    Some(LogMessage::new("C O Mitter <committer@example.com> 1112911993 -0700", message))
}

/// What `git for-each-ref` prints.
fn listing(refs: &FilesRefs, prefix: &str) -> String {
    let mut out = String::new();
    let mut visit = |reference: git_core_store::Reference| {
        let (_, id) = refs.resolve(&reference.name).unwrap();
        out.push_str(&format!("{} {}\n", id.unwrap(), reference.name));
        ControlFlow::Continue(())
    };
    refs.for_each(prefix.as_bytes(), &mut visit).unwrap();
    out
}

fn commit(refs: &FilesRefs, repo: &Repo, tx: &RefTransaction) -> Result<(), CommitError> {
    refs.commit(tx, Some(&repo.objects()), &RefsCommit::atomic(), &Context::new()).map(|_| ())
}

const ALL: [&str; 2] = ["for-each-ref", "--format=%(objectname) %(refname)"];

#[test]
fn what_git_wrote_is_read() {
    for format in FORMATS {
        let repo = Repo::bare(format);
        let [one, two, three] = [0, 1, 2].map(|at| repo.commits[at].to_hex());
        for (name, id) in [("refs/heads/main", &one), ("refs/heads/a/b", &two), ("refs/heads/a-b", &one)] {
            repo.git(&["update-ref", name, id]);
        }
        repo.git(&["update-ref", "refs/tags/v", &repo.tag.to_hex()]);
        repo.git(&["pack-refs", "--all"]);
        let refs = repo.refs();
        let tag = refs.find(&RefName::tag("v").unwrap()).unwrap().unwrap();
        assert_eq!(tag.peeled, Some(Some(repo.commits[0])));
        assert_eq!(refs.find(&branch("main")).unwrap().unwrap().peeled, Some(None));
        repo.git(&["update-ref", "refs/heads/a/b", &three]);
        repo.git(&["update-ref", "refs/heads/z", &three]);
        repo.git(&["symbolic-ref", "refs/heads/link", "refs/heads/a/b"]);
        assert_eq!(listing(&refs, ""), repo.git(&ALL));
        for prefix in ["refs/heads/", "refs/heads/a", "refs/heads/a/", "refs/tags/", "refs/x", "refs", "HEAD"]
        {
            let expected = repo.git(&ALL);
            let expected =
                expected.lines().filter(|line| line.split(' ').nth(1).unwrap().starts_with(prefix));
            assert_eq!(
                listing(&refs, prefix).lines().collect::<Vec<_>>(),
                expected.collect::<Vec<_>>(),
                "{prefix}"
            );
        }
        let head = refs.find(&RefName::head()).unwrap().unwrap();
        assert_eq!(head.target, Target::Symbolic(branch("main")));
        assert_eq!(refs.resolve(&RefName::head()).unwrap(), (branch("main"), Some(repo.commits[0])));

        // A snapshot stays what it was.
        let before = refs.snapshot().unwrap();
        repo.git(&["update-ref", "-d", "refs/heads/z"]);
        repo.git(&["update-ref", "refs/heads/main", &three]);
        assert!(before.find(&branch("z")).unwrap().is_some());
        assert_eq!(before.find(&branch("main")).unwrap().unwrap().target, Target::Id(repo.commits[0]));
        assert!(refs.find(&branch("z")).unwrap().is_none());
        let mut count = 0;
        before
            .for_each(b"", &mut |_| {
                count += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(count, 6);
    }
}

#[test]
fn what_is_written_git_reads() {
    for format in FORMATS {
        let repo = Repo::bare(format);
        let [one, two, three] = [0, 1, 2].map(|at| repo.commits[at]);
        let refs = repo.refs();
        let mut tx = RefTransaction::new();
        tx.create(branch("main"), one, None).create(branch("dir/x"), two, None);
        tx.create(RefName::tag("v").unwrap(), repo.tag, None);
        tx.set_symbolic(branch("link"), branch("main"), None);
        commit(&refs, &repo, &tx).unwrap();
        assert_eq!(listing(&refs, ""), repo.git(&ALL));
        repo.git(&["pack-refs", "--all"]);

        // Deleted from packed-refs and loose, followed, moved.
        let mut tx = RefTransaction::new();
        tx.delete(branch("dir/x"), Expected::Is(two.into()));
        tx.update(branch("link"), Expected::Is(one.into()), three, None);
        tx.verify(RefName::tag("v").unwrap(), Expected::Is(repo.tag.into()));
        commit(&refs, &repo, &tx).unwrap();
        assert_eq!(listing(&refs, ""), repo.git(&ALL));
        assert_eq!(repo.git(&["rev-parse", "refs/heads/main"]).trim(), three.to_hex());
        assert_eq!(repo.git(&["symbolic-ref", "refs/heads/link"]).trim(), "refs/heads/main");
        // A directory that is free again.
        let mut tx = RefTransaction::new();
        tx.create(branch("dir"), one, None);
        commit(&refs, &repo, &tx).unwrap();
        assert_eq!(repo.git(&["rev-parse", "refs/heads/dir"]).trim(), one.to_hex());
        git(&repo.path, &["fsck", "--strict", "--no-dangling"]);
        assert!(!repo.path.join("packed-refs.lock").exists());
    }
}

#[test]
fn many_new_refs_go_into_packed_refs() {
    for format in FORMATS {
        let repo = Repo::bare(format);
        let mut options = RefsOptions::default();
        options.pack_from = 20;
        let refs = repo.refs_with(options);
        repo.git(&["update-ref", "refs/heads/n/000", &repo.commits[1].to_hex()]);
        let mut tx = RefTransaction::new();
        for count in 0..100 {
            tx.set(branch(&format!("n/{count:03}")), repo.commits[0], None);
        }
        tx.create(RefName::tag("v").unwrap(), repo.tag, None);
        commit(&refs, &repo, &tx).unwrap();
        assert_eq!(listing(&refs, ""), repo.git(&ALL));
        assert!(!repo.path.join("refs/heads/n/050").exists());
        assert!(!repo.path.join("refs/tags/v").exists());
        let packed = std::fs::read(repo.path.join("packed-refs")).unwrap();
        repo.git(&["pack-refs", "--all"]);
        let by_git = std::fs::read(repo.path.join("packed-refs")).unwrap();
        // The one that was loose before is all that git had to add.
        assert!(by_git.len() > packed.len());
        assert!(String::from_utf8(packed).unwrap().contains(&format!("\n^{}\n", repo.commits[0])));

        // A repository that was just made takes them without locks of their own.
        let other = Repo::bare(format);
        let refs = other.refs();
        let mut tx = RefTransaction::new();
        tx.create(branch("x/y"), other.commits[0], log("clone")).create(
            branch("main"),
            other.commits[1],
            None,
        );
        tx.set_symbolic(RefName::head(), branch("x/y"), None);
        let how = RefsCommit::atomic().initial();
        refs.commit(&tx, Some(&other.objects()), &how, &Context::new()).unwrap();
        assert_eq!(listing(&refs, ""), other.git(&ALL));
        assert_eq!(other.git(&["rev-parse", "HEAD"]).trim(), other.commits[0].to_hex());
        assert!(!other.path.join("refs/heads/x").exists());
        git(&other.path, &["fsck", "--strict", "--no-dangling"]);
    }
}

#[test]
fn refusals_in_the_words_of_git() {
    let repo = Repo::bare(FORMATS[0]);
    let refs = repo.refs();
    let [one, two] = [0, 1].map(|at| repo.commits[at]);
    repo.git(&["update-ref", "refs/heads/a", &one.to_hex()]);
    repo.git(&["update-ref", "refs/heads/p/q", &one.to_hex()]);
    repo.git(&["pack-refs", "--all"]);
    repo.git(&["update-ref", "refs/heads/l/m", &one.to_hex()]);
    std::fs::write(repo.path.join("refs/heads/z.lock"), "").unwrap();
    std::fs::write(repo.path.join("refs/heads/broken"), "").unwrap();
    let tree = ObjectId::empty_tree(repo.format);
    let missing: ObjectId = "1".repeat(40).parse().unwrap();
    let zero = ObjectId::null(repo.format);
    let before = repo.git(&ALL);
    let cases = [
        ("a", Expected::Is(two.into()), two, vec![two.to_hex()]),
        ("a", Expected::MustNotExist, two, vec![zero.to_hex()]),
        ("a/b", Expected::Any, one, vec![]),
        ("p", Expected::Any, one, vec![]),
        ("l", Expected::Any, one, vec![]),
        ("l/m/n", Expected::Any, one, vec![]),
        ("z", Expected::Any, one, vec![]),
        ("q", Expected::Any, missing, vec![]),
        ("q", Expected::Any, tree, vec![]),
    ];
    for (name, expected, new, old) in cases {
        let name = branch(name);
        let mut tx = RefTransaction::new();
        tx.create(branch("other"), one, None).update(name.clone(), expected, new, None);
        let error = commit(&refs, &repo, &tx).unwrap_err();
        let (full, new) = (name.to_string(), new.to_hex());
        let mut arguments = vec!["update-ref", full.as_str(), new.as_str()];
        arguments.extend(old.iter().map(String::as_str));
        let theirs = complaint(&repo.path, &arguments).replace("/./", "/");
        assert!(theirs.contains(&error.to_string()), "ours: {error}\ntheirs: {theirs}");
        assert_eq!(error.ref_name(), Some(&name));
        assert_eq!(repo.git(&ALL), before, "{error}");
        assert!(!repo.path.join("refs/heads/other.lock").exists());
    }
    let mut tx = RefTransaction::new();
    tx.update(branch("none"), Expected::Is(one.into()), two, None);
    assert!(
        matches!(commit(&refs, &repo, &tx), Err(CommitError::Lost { actual, .. }) if actual == "nothing")
    );
    let mut tx = RefTransaction::new();
    tx.set(branch("broken"), one, None);
    assert!(matches!(commit(&refs, &repo, &tx), Err(CommitError::Read(_))));
    let mut tx = RefTransaction::new();
    tx.delete(branch("a"), Expected::Any).create(branch("a/b"), one, None);
    assert!(matches!(commit(&refs, &repo, &tx), Err(CommitError::Invalid { .. })));
    let mut tx = RefTransaction::new();
    tx.delete(branch("broken"), Expected::Any).delete(branch("none"), Expected::Any);
    commit(&refs, &repo, &tx).unwrap();
    assert!(!repo.path.join("refs/heads/broken").exists());

    // packed-refs is locked: nothing can be deleted.
    let mut options = RefsOptions::default();
    options.packed_lock_wait = Duration::from_millis(5);
    let refs = repo.refs_with(options);
    std::fs::write(repo.path.join("packed-refs.lock"), "").unwrap();
    let mut tx = RefTransaction::new();
    tx.delete(branch("a"), Expected::Any);
    let error = commit(&refs, &repo, &tx).unwrap_err();
    assert!(error.to_string().contains("packed-refs.lock': File exists."), "{error}");
    assert_eq!(repo.git(&ALL), before);
}

#[test]
fn each_edit_on_its_own() {
    let repo = Repo::bare(FORMATS[1]);
    let refs = repo.refs();
    let [one, two] = [0, 1].map(|at| repo.commits[at]);
    repo.git(&["update-ref", "refs/heads/a", &one.to_hex()]);
    let mut tx = RefTransaction::new();
    tx.create(branch("a"), two, None); // is there
    tx.create(branch("b"), two, None);
    tx.delete(branch("a"), Expected::Is(one.into()));
    tx.create(branch("a/b"), one, None); // builds on the one before
    tx.create(branch("a/b/c"), one, None); // contradicts it
    tx.set(branch("b"), one, None); // again
    let rejected = refs.commit(&tx, Some(&repo.objects()), &RefsCommit::each(), &Context::new()).unwrap();
    assert_eq!(rejected.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 4], "{rejected:?}");
    assert_eq!(repo.git(&ALL), format!("{one} refs/heads/a/b\n{one} refs/heads/b\n"));
    assert_eq!(listing(&refs, ""), repo.git(&ALL));
}

#[test]
fn reflogs_as_git_writes_them() {
    for format in FORMATS {
        // The same changes by git and here.
        let (theirs, ours) = (Repo::bare(format), Repo::bare(format));
        let [one, two] = [0, 1].map(|at| ours.commits[at]);
        theirs.git(&["config", "core.logAllRefUpdates", "true"]);
        let mut options = RefsOptions::default();
        options.logs = LogUpdates::Usual;
        let refs = ours.refs_with(options);
        let edit = |name: &str, id: ObjectId, message: &str| {
            let mut tx = RefTransaction::new();
            tx.set(RefName::new(name).unwrap(), id, log(message));
            commit(&refs, &ours, &tx).unwrap();
            theirs.git(&["update-ref", "-m", message, name, &id.to_hex()]);
        };
        edit("refs/heads/main", one, "one");
        edit("refs/heads/main", one, "same");
        edit("HEAD", one, "same by head");
        edit("HEAD", two, "two");
        edit("refs/tags/t", one, "no log");
        edit("refs/remotes/o/x", one, "remote");
        let mut tx = RefTransaction::new();
        tx.set_symbolic(branch("s"), branch("main"), log("sym"));
        commit(&refs, &ours, &tx).unwrap();
        theirs.git(&["symbolic-ref", "-m", "sym", "refs/heads/s", "refs/heads/main"]);
        edit("refs/heads/s", one, "by s");
        edit("refs/heads/gone/x", one, "gone");
        let mut tx = RefTransaction::new();
        tx.delete(branch("gone/x"), Expected::Any);
        commit(&refs, &ours, &tx).unwrap();
        theirs.git(&["update-ref", "-d", "refs/heads/gone/x"]);
        edit("refs/heads/gone", two, "back as a file");
        let tree = |repo: &Repo| {
            let mut found = Vec::new();
            let mut pending = vec![repo.path.join("logs")];
            while let Some(dir) = pending.pop() {
                for entry in std::fs::read_dir(dir).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() {
                        pending.push(path);
                    } else {
                        let name = path.strip_prefix(&repo.path).unwrap().to_path_buf();
                        found.push((name, std::fs::read_to_string(&path).unwrap()));
                    }
                }
            }
            found.sort();
            found
        };
        assert_eq!(tree(&ours), tree(&theirs));
        assert_eq!(ours.git(&ALL), theirs.git(&ALL));
        let mut messages = Vec::new();
        let head = RefName::head();
        refs.for_each_reflog_entry(&head, &mut |entry| {
            messages.push(entry.message.to_string());
            ControlFlow::Continue(())
        })
        .unwrap();
        let expected = ours.git(&["log", "-g", "--format=%gs", "HEAD"]);
        assert_eq!(messages, expected.lines().collect::<Vec<_>>());

        // Deleting the branch that HEAD points at is told in HEAD's log.
        let mut tx = RefTransaction::new();
        tx.push(RefEdit {
            name: branch("main"),
            expected: Expected::Any,
            change: git_core_ref::Change::Delete { log: log("del") },
            deref: Deref::Direct,
        });
        commit(&refs, &ours, &tx).unwrap();
        theirs.git(&["update-ref", "-m", "del", "-d", "refs/heads/main"]);
        assert_eq!(tree(&ours), tree(&theirs));
    }
}

#[test]
fn one_of_many_wins_each_round() {
    let repo = Repo::bare(FORMATS[0]);
    let objects = repo.objects();
    let mut options = RefsOptions::default();
    options.lock_wait = Duration::from_secs(20);
    options.packed_lock_wait = Duration::from_secs(20);
    let refs = repo.refs_with(options);
    let name = branch("race/x");
    repo.git(&["update-ref", name.to_string().as_str(), &repo.commits[0].to_hex()]);
    for round in 0..6 {
        let (old, new) = (repo.commits[round % 3], repo.commits[(round + 1) % 3]);
        if round % 2 == 1 {
            repo.git(&["pack-refs", "--all"]);
        }
        let wins = std::thread::scope(|scope| {
            let ours = (0..4).map(|_| {
                scope.spawn(|| {
                    let mut tx = RefTransaction::new();
                    tx.update(name.clone(), Expected::Is(old.into()), new, None);
                    match refs.commit(&tx, Some(&objects), &RefsCommit::atomic(), &Context::new()) {
                        Ok(_) => 1,
                        Err(CommitError::Lost { .. }) => 0,
                        Err(error) => panic!("{error}"),
                    }
                })
            });
            let theirs = (0..2).map(|_| {
                scope.spawn(|| {
                    let full = name.to_string();
                    let (new, old) = (new.to_hex(), old.to_hex());
                    let output = support::git_command(&repo.path)
                        .args(["-c", "core.filesRefLockTimeout=20000", "update-ref", &full, &new, &old])
                        .output()
                        .unwrap();
                    let text = String::from_utf8_lossy(&output.stderr).into_owned();
                    assert!(output.status.success() || text.contains("but expected"), "{text}");
                    u32::from(output.status.success())
                })
            });
            let all = ours.chain(theirs).collect::<Vec<_>>();
            all.into_iter().map(|thread| thread.join().unwrap()).sum::<u32>()
        });
        assert_eq!(wins, 1, "round {round}");
    }
}

#[test]
fn creations_and_deletions_beside_git() {
    let repo = Repo::bare(FORMATS[0]);
    let objects = repo.objects();
    let mut options = RefsOptions::default();
    options.lock_wait = Duration::from_secs(20);
    options.packed_lock_wait = Duration::from_secs(20);
    options.pack_from = 4;
    let refs = repo.refs_with(options);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (refs, repo, objects) = (&refs, &repo, &objects);
            scope.spawn(move || {
                for round in 0..8 {
                    let mut tx = RefTransaction::new();
                    for count in 0..if round % 2 == 0 { 6 } else { 1 } {
                        tx.create(branch(&format!("t{thread}/{round}/{count}")), repo.commits[0], None);
                    }
                    refs.commit(&tx, Some(objects), &RefsCommit::atomic(), &Context::new()).unwrap();
                    let mut tx = RefTransaction::new();
                    tx.delete(branch(&format!("t{thread}/{round}/0")), Expected::Is(repo.commits[0].into()));
                    refs.commit(&tx, Some(objects), &RefsCommit::atomic(), &Context::new()).unwrap();
                }
            });
        }
        let repo = &repo;
        scope.spawn(move || {
            for _ in 0..10 {
                repo.git(&["-c", "core.packedRefsTimeout=20000", "pack-refs", "--all"]);
            }
        });
    });
    let expected = (0..3).flat_map(|thread| {
        (0..8)
            .filter(|round| round % 2 == 0)
            .flat_map(move |round| (1..6).map(move |count| format!("refs/heads/t{thread}/{round}/{count}")))
    });
    let found = repo.git(&["for-each-ref", "--format=%(refname)"]);
    assert_eq!(found.lines().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert_eq!(listing(&refs, ""), repo.git(&ALL));
}
