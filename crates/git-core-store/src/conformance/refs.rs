//! Refs, their transactions and their logs.

use super::{add_commit, all_ids, branch, content_of, cx, id_of, log, write_commit};
use crate::{CommitError, Snapshot, Storage};
use git_core_object::{ErrorKind, Kind, ObjectFormat, ObjectId, Objects as _};
use git_core_ref::{Change, Deref, Expected, RefEdit, RefName, RefTransaction, Target};
use std::ops::ControlFlow;
use std::sync::Arc;

fn commit(storage: &dyn Storage, refs: &RefTransaction) -> Result<Arc<dyn Snapshot>, CommitError> {
    let committed = storage.commit(Vec::new(), refs, &cx())?;
    assert!(committed.rejected.is_empty());
    Ok(committed.snapshot)
}

/// Carries out one edit that must fail, and gives why.
fn fail(storage: &dyn Storage, edit: impl FnOnce(&mut RefTransaction)) -> CommitError {
    let mut refs = RefTransaction::new();
    edit(&mut refs);
    let error = storage.commit(Vec::new(), &refs, &cx()).err().expect("the transaction fails");
    // Each edit for itself is not made either.
    let committed = storage.commit(Vec::new(), &refs.each(), &cx()).unwrap();
    let (index, rejected) = &committed.rejected[0];
    assert_eq!((*index, rejected.to_string()), (0, error.to_string()));
    error
}

fn is(id: ObjectId) -> Expected {
    Expected::Is(Target::Id(id))
}

pub(super) fn compare_and_swap(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let (a, b) = (add_commit(&*storage, "a"), add_commit(&*storage, "b"));
    let (main, null) = (branch("main"), ObjectId::null(format));
    let mut refs = RefTransaction::new();
    refs.create(main.clone(), a, None);
    let snapshot = commit(&*storage, &refs).unwrap();
    assert_eq!(id_of(&*snapshot, &main), Some(a));

    let exists = fail(&*storage, |refs| {
        refs.create(main.clone(), b, None);
    });
    assert!(matches!(exists, CommitError::Existence { ref name, .. } if *name == main), "{exists}");
    let exists = fail(&*storage, |refs| {
        refs.update(main.clone(), is(null), b, None);
    });
    assert_eq!((exists.kind(), exists.ref_name()), (ErrorKind::Conflict, Some(&main)));
    let lost = fail(&*storage, |refs| {
        refs.update(main.clone(), is(b), b, None);
    });
    match &lost {
        CommitError::Lost { name, actual, expected } => {
            assert_eq!((name, actual, expected), (&main, &a.to_hex(), &b.to_hex()));
        }
        other => panic!("{other}"),
    }
    assert_eq!(lost.to_string(), format!("cannot lock ref 'refs/heads/main': is at {a} but expected {b}"));
    fail(&*storage, |refs| {
        refs.delete(main.clone(), is(b));
    });
    fail(&*storage, |refs| {
        refs.verify(main.clone(), is(b));
    });
    fail(&*storage, |refs| {
        refs.verify(main.clone(), Expected::MustNotExist);
    });
    let missing = fail(&*storage, |refs| {
        refs.update(branch("other"), Expected::MustExist, b, None);
    });
    assert!(matches!(missing, CommitError::Existence { .. }), "{missing}");
    let missing = fail(&*storage, |refs| {
        refs.update(branch("other"), is(a), b, None);
    });
    assert_eq!(missing.ref_name(), Some(&branch("other")));
    assert_eq!(id_of(&*storage.snapshot().unwrap(), &main), Some(a));

    let mut refs = RefTransaction::new();
    refs.update(main.clone(), is(a), b, None).create(branch("other"), a, None);
    refs.verify(branch("absent"), Expected::MustNotExist);
    let snapshot = commit(&*storage, &refs).unwrap();
    assert_eq!((id_of(&*snapshot, &main), id_of(&*snapshot, &branch("other"))), (Some(b), Some(a)));
    assert_eq!(id_of(&*snapshot, &branch("absent")), None);
    let mut refs = RefTransaction::new();
    refs.delete(main.clone(), is(b)).delete(branch("other"), Expected::Any);
    let snapshot = commit(&*storage, &refs).unwrap();
    assert_eq!((id_of(&*snapshot, &main), id_of(&*snapshot, &branch("other"))), (None, None));
}

pub(super) fn whole(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let a = add_commit(&*storage, "a");
    let mut refs = RefTransaction::new();
    refs.create(branch("kept"), a, None);
    commit(&*storage, &refs).unwrap();
    let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
    let [_, _, new] = write_commit(&mut *quarantine, format, "new");
    let mut refs = RefTransaction::new();
    refs.create(branch("one"), new, log("one"))
        .delete(branch("kept"), Expected::Any)
        .create(branch("two"), new, None)
        .update(branch("three"), is(a), new, None);
    let error = storage.commit(vec![quarantine], &refs, &cx()).err().unwrap();
    assert_eq!(error.ref_name(), Some(&branch("three")));
    let snapshot = storage.snapshot().unwrap();
    assert_eq!(listed(&*snapshot, b""), ["refs/heads/kept"]);
    assert!(!snapshot.contains(&new).unwrap(), "what lost its race is not published");
    // The same name twice.
    for twice in [RefTransaction::new(), RefTransaction::new().each()] {
        let mut refs = twice;
        refs.create(branch("x"), a, None).set(branch("x"), a, None);
        let each = refs.atomicity() == git_core_ref::Atomicity::Each;
        match storage.commit(Vec::new(), &refs, &cx()) {
            Ok(_) => assert!(each),
            Err(error) => assert!(!each && error.kind() == ErrorKind::Invalid, "{error}"),
        }
        assert_eq!(id_of(&*storage.snapshot().unwrap(), &branch("x")).is_some(), each);
    }
}

pub(super) fn each(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let a = add_commit(&*storage, "a");
    let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
    let [_, _, new] = write_commit(&mut *quarantine, format, "new");
    let mut refs = RefTransaction::new().each();
    refs.create(branch("one"), new, None)
        .update(branch("lost"), is(a), new, None)
        .create(branch("dir/file"), new, None)
        .create(branch("dir"), new, None)
        .create(branch("two"), a, None);
    let committed = storage.commit(vec![quarantine], &refs, &cx()).unwrap();
    let rejected: Vec<_> = committed.rejected.iter().map(|(at, error)| (*at, error.kind())).collect();
    assert_eq!(rejected.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(rejected[0].1, ErrorKind::Conflict);
    assert_eq!(
        listed(&*committed.snapshot, b""),
        ["refs/heads/dir/file", "refs/heads/one", "refs/heads/two"]
    );
    assert!(committed.snapshot.contains(&new).unwrap());
    // When nothing of it happens, nothing is published.
    let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
    let [_, _, unseen] = write_commit(&mut *quarantine, format, "unseen");
    let mut refs = RefTransaction::new().each();
    refs.create(branch("one"), unseen, None).update(branch("two"), is(new), unseen, None);
    let committed = storage.commit(vec![quarantine], &refs, &cx()).unwrap();
    assert_eq!(committed.rejected.len(), 2);
    assert!(!storage.snapshot().unwrap().contains(&unseen).unwrap());
}

pub(super) fn name_conflicts(make: &dyn Fn() -> Arc<dyn Storage>, _: ObjectFormat) {
    let storage = make();
    let a = add_commit(&*storage, "a");
    let mut refs = RefTransaction::new();
    refs.create(branch("a/b"), a, None).create(branch("a-b"), a, None).create(branch("ab"), a, None);
    commit(&*storage, &refs).unwrap();
    for name in ["a", "a/b/c", "a/b/c/d"] {
        let error = fail(&*storage, |refs| {
            refs.create(branch(name), a, None);
        });
        match &error {
            CommitError::NameConflict { name: ours, other } => {
                assert_eq!((ours, other), (&branch(name), &branch("a/b")));
            }
            other => panic!("{other}"),
        }
    }
    let mut both = RefTransaction::new();
    both.create(branch("x/y"), a, None).create(branch("x"), a, None);
    assert!(storage.commit(Vec::new(), &both, &cx()).is_err());
    // Once it is gone, its directory is not in the way.
    let mut refs = RefTransaction::new();
    refs.delete(branch("a/b"), is(a));
    commit(&*storage, &refs).unwrap();
    let mut refs = RefTransaction::new();
    refs.create(branch("a"), a, log("a")).create(branch("x/y"), a, None);
    let snapshot = commit(&*storage, &refs).unwrap();
    assert_eq!(
        listed(&*snapshot, b"refs/heads/"),
        ["refs/heads/a", "refs/heads/a-b", "refs/heads/ab", "refs/heads/x/y"]
    );
}

pub(super) fn symbolic(make: &dyn Fn() -> Arc<dyn Storage>, _: ObjectFormat) {
    let storage = make();
    let (a, b) = (add_commit(&*storage, "a"), add_commit(&*storage, "b"));
    let (head, main, other) = (RefName::head(), branch("main"), branch("other"));
    let target =
        |name: &RefName| storage.snapshot().unwrap().find_ref(name).unwrap().map(|found| found.target);
    assert_eq!(target(&head), Some(Target::Symbolic(main.clone())));
    assert_eq!(target(&main), None);
    // Through HEAD to its branch, which is created by that.
    let mut refs = RefTransaction::new();
    refs.update(head.clone(), Expected::MustNotExist, a, None);
    commit(&*storage, &refs).unwrap();
    assert_eq!((target(&head), target(&main)), (Some(main.clone().into()), Some(a.into())));
    let mut refs = RefTransaction::new();
    refs.update(head.clone(), is(a), b, None);
    commit(&*storage, &refs).unwrap();
    assert_eq!((target(&head), target(&main)), (Some(main.clone().into()), Some(b.into())));
    let lost = fail(&*storage, |refs| {
        refs.update(head.clone(), is(a), b, None);
    });
    assert!(matches!(lost, CommitError::Lost { .. }), "{lost}");
    // HEAD itself: to another branch, then to a commit.
    let direct = |expected: Expected, target: Target| RefEdit {
        name: head.clone(),
        expected,
        change: Change::Update { target, log: None },
        deref: Deref::Direct,
    };
    let from_main = Expected::Is(main.clone().into());
    commit(&*storage, &RefTransaction::from_iter([direct(from_main.clone(), other.clone().into())])).unwrap();
    assert_eq!((target(&head), target(&main)), (Some(other.clone().into()), Some(b.into())));
    let lost = fail(&*storage, |refs| {
        refs.push(direct(from_main, main.clone().into()));
    });
    assert!(matches!(&lost, CommitError::Lost { actual, .. } if actual == "ref: refs/heads/other"), "{lost}");
    commit(&*storage, &RefTransaction::from_iter([direct(Expected::Any, a.into())])).unwrap();
    assert_eq!((target(&head), target(&other)), (Some(a.into()), None));
    let mut refs = RefTransaction::new();
    refs.set(head.clone(), b, None);
    commit(&*storage, &refs).unwrap();
    assert_eq!((target(&head), target(&main)), (Some(b.into()), Some(b.into())));
    // A ref and a symbolic ref to it cannot change at once.
    let mut refs = RefTransaction::new();
    refs.set_symbolic(head.clone(), main.clone(), None);
    commit(&*storage, &refs).unwrap();
    let mut both = RefTransaction::new();
    both.set(head.clone(), a, None).set(main.clone(), a, None);
    assert!(storage.commit(Vec::new(), &both, &cx()).is_err());
    // A symbolic ref below refs/, and a loop.
    let alias = RefName::new("refs/remotes/origin/HEAD").unwrap();
    let mut refs = RefTransaction::new();
    refs.set_symbolic(alias.clone(), main.clone(), None);
    refs.set_symbolic(branch("l1"), branch("l2"), None).set_symbolic(branch("l2"), branch("l1"), None);
    commit(&*storage, &refs).unwrap();
    assert_eq!(target(&alias), Some(main.clone().into()));
    let endless = fail(&*storage, |refs| {
        refs.set(branch("l1"), a, None);
    });
    assert_eq!(endless.kind(), ErrorKind::Corrupt, "{endless}");
    let mut refs = RefTransaction::new();
    refs.set(alias.clone(), a, None);
    commit(&*storage, &refs).unwrap();
    assert_eq!(target(&main), Some(a.into()));
}

pub(super) fn values(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let a = add_commit(&*storage, "a");
    let blob = ObjectId::hash(format, Kind::Blob, b"a").unwrap();
    let absent = ObjectId::hash(format, Kind::Commit, b"absent").unwrap();
    let tag = RefName::tag("blob").unwrap();
    for (name, id) in [
        (branch("x"), absent),
        (tag.clone(), absent),
        (branch("x"), blob),
        (branch("x"), ObjectId::null(format)),
    ] {
        let error = fail(&*storage, |refs| {
            refs.set(name.clone(), id, None);
        });
        assert!(matches!(&error, CommitError::Invalid { name: at, .. } if *at == name), "{error}");
    }
    let mut refs = RefTransaction::new();
    refs.set(tag.clone(), blob, None).set(branch("x"), a, None);
    let snapshot = commit(&*storage, &refs).unwrap();
    assert_eq!(id_of(&*snapshot, &tag), Some(blob));
}

fn listed(snapshot: &dyn Snapshot, prefix: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    snapshot
        .for_each_ref(prefix, &mut |found| {
            names.push(found.name.to_string());
            ControlFlow::Continue(())
        })
        .unwrap();
    names
}

pub(super) fn listing(make: &dyn Fn() -> Arc<dyn Storage>, _: ObjectFormat) {
    let storage = make();
    let a = add_commit(&*storage, "a");
    let names =
        ["refs/heads/a", "refs/heads/b-c", "refs/heads/b/c", "refs/heads/b0", "refs/notes/n", "refs/tags/a"];
    let mut refs = RefTransaction::new();
    for name in names.iter().rev() {
        refs.create(RefName::new(name).unwrap(), a, None);
    }
    let snapshot = commit(&*storage, &refs).unwrap();
    assert_eq!(listed(&*snapshot, b""), names);
    assert_eq!(listed(&*snapshot, b"refs/"), names);
    assert_eq!(listed(&*snapshot, b"refs/heads/"), names[..4]);
    assert_eq!(listed(&*snapshot, b"refs/heads/b"), names[1..4]);
    assert_eq!(listed(&*snapshot, b"refs/heads/b/"), names[2..3]);
    assert_eq!(listed(&*snapshot, b"refs/x"), [""; 0]);
    assert_eq!(listed(&*snapshot, b"HEAD"), [""; 0]);
    // Behind any of them, and behind names that no ref has, below the prefix and elsewhere.
    for prefix in ["", "refs/heads/", "refs/heads/b", "refs/notes/"] {
        for after in names.iter().chain(&["HEAD", "refs/a", "refs/heads/b", "refs/heads/b/a", "refs/z"]) {
            let expected: Vec<_> =
                names.iter().filter(|name| name.starts_with(prefix) && *name > after).collect();
            let mut found = Vec::new();
            let after = RefName::new(after).unwrap();
            snapshot
                .for_each_ref_after(prefix.as_bytes(), Some(&after), &mut |one| {
                    found.push(one.name.to_string());
                    ControlFlow::Continue(())
                })
                .unwrap();
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{prefix} after {after}");
        }
    }
    let mut first = None;
    snapshot
        .for_each_ref(b"refs/tags/", &mut |found| {
            assert!(first.is_none());
            first = Some(found);
            ControlFlow::Break(())
        })
        .unwrap();
    assert_eq!(first.unwrap().target, Target::Id(a));
}

pub(super) fn reflogs(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let (a, b, null) = (add_commit(&*storage, "a"), add_commit(&*storage, "b"), ObjectId::null(format));
    let (head, main) = (RefName::head(), branch("main"));
    let entries = |name: &RefName| {
        let mut entries = Vec::new();
        let snapshot = storage.snapshot().unwrap();
        snapshot
            .for_each_reflog_entry(name, &mut |entry| {
                assert_eq!(entry.committer, "A U Thor <author@example.com> 1112911993 -0700");
                entries.push((entry.old, entry.new, entry.message.to_string()));
                ControlFlow::Continue(())
            })
            .unwrap();
        entries
    };
    let run = |edit: &dyn Fn(&mut RefTransaction)| {
        let mut refs = RefTransaction::new();
        edit(&mut refs);
        commit(&*storage, &refs).unwrap();
    };
    assert_eq!(entries(&main), []);
    run(&|refs| {
        refs.set(main.clone(), a, log("created"));
    });
    run(&|refs| {
        refs.set(head.clone(), b, log("through HEAD"));
    });
    run(&|refs| {
        refs.set(branch("quiet"), a, None);
    });
    run(&|refs| {
        refs.set(RefName::tag("t").unwrap(), a, log("tags have none"));
    });
    let both = [(a, b, "through HEAD".to_owned()), (null, a, "created".to_owned())];
    assert_eq!(entries(&main), both);
    assert_eq!(entries(&head), both);
    assert_eq!(entries(&branch("quiet")), []);
    assert_eq!(entries(&RefName::tag("t").unwrap()), []);
    let mut first = Vec::new();
    let snapshot = storage.snapshot().unwrap();
    snapshot
        .for_each_reflog_entry(&main, &mut |entry| {
            first.push(entry.new);
            ControlFlow::Break(())
        })
        .unwrap();
    assert_eq!(first, [b]);
    run(&|refs| {
        refs.delete(main.clone(), Expected::Any);
    });
    assert_eq!(entries(&main), []);
    run(&|refs| {
        refs.set(main.clone(), a, log("again"));
    });
    assert_eq!(entries(&main), [(null, a, "again".to_owned())]);
}

pub(super) fn isolation(make: &dyn Fn() -> Arc<dyn Storage>, _: ObjectFormat) {
    let storage = make();
    let (a, b) = (add_commit(&*storage, "a"), add_commit(&*storage, "b"));
    let mut refs = RefTransaction::new();
    refs.set(branch("main"), a, None).set(branch("gone"), a, None);
    let old = commit(&*storage, &refs).unwrap();
    let mut refs = RefTransaction::new();
    refs.set(branch("main"), b, None).delete(branch("gone"), Expected::Any).set(branch("new"), b, None);
    refs.set_symbolic(RefName::head(), branch("new"), None);
    let new = commit(&*storage, &refs).unwrap();
    assert_eq!(listed(&*old, b""), ["refs/heads/gone", "refs/heads/main"]);
    assert_eq!((id_of(&*old, &branch("main")), id_of(&*old, &branch("new"))), (Some(a), None));
    assert_eq!(old.find_ref(&RefName::head()).unwrap().unwrap().target, Target::Symbolic(branch("main")));
    assert_eq!(listed(&*new, b""), ["refs/heads/main", "refs/heads/new"]);
    assert_eq!(id_of(&*new, &branch("main")), Some(b));
    assert_eq!(new.find_ref(&RefName::head()).unwrap().unwrap().target, Target::Symbolic(branch("new")));
    // Objects that came later may be found, and are whole then.
    let later = add_commit(&*storage, "later");
    let _ = content_of(&*old, &later);
    assert!(content_of(&*old, &b).is_some());
}

pub(super) fn together(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let mut tip: Option<ObjectId> = None;
    for n in 0..5 {
        let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
        let [_, _, id] = write_commit(&mut *quarantine, format, &format!("commit {n}"));
        let mut refs = RefTransaction::new();
        let expected = tip.map_or(Expected::MustNotExist, is);
        refs.update(branch("main"), expected, id, log("push"));
        let waiting = quarantine.snapshot().unwrap();
        assert_eq!(id_of(&*waiting, &branch("main")), tip, "refs are those of the base");
        assert!(waiting.contains(&id).unwrap());
        let committed = storage.commit(vec![quarantine], &refs, &cx()).unwrap();
        assert_eq!(id_of(&*committed.snapshot, &branch("main")), Some(id));
        assert!(content_of(&*committed.snapshot, &id).is_some());
        assert_eq!(all_ids(&*committed.snapshot).len(), 3 * (n + 1));
        tip = Some(id);
    }
}
