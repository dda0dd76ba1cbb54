//! Many threads at once.

use super::{add_commit, branch, content_of, cx, id_of, write_commit};
use crate::Storage;
use git_core_object::{ErrorKind, ObjectFormat, ObjectId};
use git_core_ref::{Expected, RefTransaction, Target};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

const THREADS: usize = 6;

pub(super) fn one_wins(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let mut tip = add_commit(&*storage, "start");
    let mut refs = RefTransaction::new();
    refs.create(branch("main"), tip, None);
    storage.commit(Vec::new(), &refs, &cx()).unwrap();
    for round in 0..5 {
        let barrier = Barrier::new(THREADS);
        let push = |n: usize| -> Result<ObjectId, crate::CommitError> {
            let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
            let [_, _, id] = write_commit(&mut *quarantine, format, &format!("{round} {n}"));
            let mut refs = RefTransaction::new();
            refs.update(branch("main"), Expected::Is(Target::Id(tip)), id, None);
            barrier.wait();
            storage.commit(vec![quarantine], &refs, &cx()).map(|_| id)
        };
        let push = &push;
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || push(n))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut winners = Vec::new();
        for result in results {
            match result {
                Ok(id) => winners.push(id),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
                    assert_eq!(error.ref_name(), Some(&branch("main")));
                }
            }
        }
        assert_eq!(winners.len(), 1, "exactly one wins");
        let snapshot = storage.snapshot().unwrap();
        assert_eq!(id_of(&*snapshot, &branch("main")), Some(winners[0]));
        assert!(content_of(&*snapshot, &winners[0]).is_some());
        tip = winners[0];
    }
}

pub(super) fn all_win(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let barrier = Barrier::new(THREADS);
    let push = |n: usize| {
        barrier.wait();
        (0..5)
            .map(|round| {
                let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
                let [_, _, id] = write_commit(&mut *quarantine, format, &format!("{round} {n}"));
                let name = branch(&format!("dir{round}/{n}"));
                let mut refs = RefTransaction::new();
                refs.create(name.clone(), id, None);
                storage.commit(vec![quarantine], &refs, &cx()).unwrap();
                (name, id)
            })
            .collect::<Vec<_>>()
    };
    let push = &push;
    let pushed: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || push(n))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let snapshot = storage.snapshot().unwrap();
    for (name, id) in pushed {
        assert_eq!(id_of(&*snapshot, &name), Some(id));
        assert!(content_of(&*snapshot, &id).is_some());
    }
}

pub(super) fn readers(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let first = add_commit(&*storage, "first");
    let mut refs = RefTransaction::new();
    refs.create(branch("main"), first, None);
    storage.commit(Vec::new(), &refs, &cx()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let snapshot = storage.snapshot().unwrap();
                    let tip = id_of(&*snapshot, &branch("main")).expect("the branch is always there");
                    assert!(content_of(&*snapshot, &tip).is_some(), "what a ref leads to is there");
                    // Readers that never rest would take all processors from the committer.
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        let mut tip = first;
        for n in 0..20 {
            let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
            let [_, _, id] = write_commit(&mut *quarantine, format, &format!("commit {n}"));
            let mut refs = RefTransaction::new();
            refs.update(branch("main"), Expected::Is(Target::Id(tip)), id, None);
            let result = storage.commit(vec![quarantine], &refs, &cx());
            done.store(result.is_err() || n == 19, Ordering::Release);
            result.unwrap();
            tip = id;
        }
    });
}
