//! Negotiators on histories made at random: whatever is offered, the result is right.
#![allow(clippy::unwrap_used, reason = "tests")]

use git_core_object::{Context, Kind, ObjectFormat, ObjectId};
use git_core_ref::RefTransaction;
use git_core_store::memory::{MemoryOptions, MemoryStorage};
use git_core_store::walk::{Haves, Negotiator};
use git_core_store::{Snapshot, Storage};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A history: each commit with its parents, which come before it, and the time it was made at.
#[derive(Clone, Debug)]
struct History {
    parents: Vec<Vec<usize>>,
    times: Vec<i64>,
}

fn histories() -> impl Strategy<Value = History> {
    let commit = (prop::collection::vec(any::<prop::sample::Index>(), 0..3), 0..100i64, any::<bool>());
    prop::collection::vec(commit, 1..60).prop_map(|commits| {
        let (mut parents, mut times): (Vec<Vec<usize>>, _) = (Vec::new(), Vec::new());
        for (at, (chosen, skew, odd)) in commits.into_iter().enumerate() {
            let mut found: Vec<usize> =
                if at == 0 { Vec::new() } else { chosen.iter().map(|index| index.index(at)).collect() };
            if found.is_empty() && at > 0 && !odd {
                found.push(at - 1);
            }
            found.sort_unstable();
            found.dedup();
            parents.push(found);
            // Clocks go wrong now and then.
            times.push(at as i64 * 10 + if skew > 90 { skew * 20 - 1900 } else { skew % 10 });
        }
        History { parents, times }
    })
}

impl History {
    fn store(&self) -> (Arc<dyn Snapshot>, Vec<ObjectId>) {
        let format = ObjectFormat::Sha1;
        let storage = MemoryStorage::new(MemoryOptions::default());
        let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
        let tree = quarantine.write(Kind::Tree, b"").unwrap();
        assert_eq!(tree, ObjectId::empty_tree(format));
        let mut ids: Vec<ObjectId> = Vec::new();
        for (at, parents) in self.parents.iter().enumerate() {
            let lines: String = parents.iter().map(|parent| format!("parent {}\n", ids[*parent])).collect();
            let who = format!("A <a@b> {} +0000", 1_000_000 + self.times[at]);
            let content = format!("tree {tree}\n{lines}author {who}\ncommitter {who}\n\n{at}\n");
            ids.push(quarantine.write(Kind::Commit, content.as_bytes()).unwrap());
        }
        storage.commit(vec![quarantine], &RefTransaction::new(), &Context::new()).unwrap();
        (storage.snapshot().unwrap(), ids)
    }

    fn reached(&self, tips: &[usize]) -> HashSet<usize> {
        let (mut reached, mut stack) = (HashSet::new(), tips.to_vec());
        while let Some(at) = stack.pop() {
            if reached.insert(at) {
                stack.extend(&self.parents[at]);
            }
        }
        reached
    }
}

/// What was offered, and which of it the other side has.
fn negotiate(
    history: &History,
    (ours, theirs): (&[usize], &HashSet<usize>),
    shown: &[usize],
    negotiator: Negotiator,
) -> (Vec<usize>, Vec<usize>) {
    let (snapshot, ids) = history.store();
    let numbers: HashMap<ObjectId, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    let tips = ours.iter().map(|at| ids[*at]);
    let mut haves = Haves::new(snapshot, &[], tips, &Context::new()).unwrap().by(negotiator);
    for at in shown {
        haves.known_common(ids[*at]).unwrap();
    }
    let (mut offered, mut common) = (Vec::new(), Vec::new());
    while let Some(id) = haves.next_have().unwrap() {
        let at = numbers[&id];
        offered.push(at);
        if theirs.contains(&at) {
            common.push(at);
            haves.ack(&id).unwrap();
        }
    }
    (offered, common)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_offered_leads_to_what_is_common(
        history in histories(),
        ours in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        theirs in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        show in any::<bool>(),
    ) {
        let count = history.parents.len();
        let ours: Vec<usize> = ours.iter().map(|index| index.index(count)).collect();
        let tips: Vec<usize> = theirs.iter().map(|index| index.index(count)).collect();
        let (here, there) = (history.reached(&ours), history.reached(&tips));
        // A server shows its tips; those that are here are known to be common.
        let shown: Vec<usize> = tips.iter().copied().filter(|at| show && here.contains(at)).collect();
        let told: HashSet<usize> = history.reached(&shown);
        for negotiator in [Negotiator::Consecutive, Negotiator::Skipping, Negotiator::Noop] {
            let (offered, common) = negotiate(&history, (&ours, &there), &shown, negotiator);
            let distinct: HashSet<_> = offered.iter().collect();
            prop_assert_eq!(distinct.len(), offered.len());
            prop_assert!(offered.iter().all(|at| here.contains(at)));
            let found: HashSet<usize> = history.reached(&common).union(&told).copied().collect();
            let both: HashSet<usize> = here.intersection(&there).copied().collect();
            prop_assert!(found.is_subset(&both), "{:?}: {:?} of {:?}", negotiator, found, both);
            match negotiator {
                Negotiator::Consecutive => prop_assert_eq!(&found, &both),
                // What is common is found as far as its roots at least: whatever both have descends from those.
                Negotiator::Skipping => {
                    let roots = both.iter().filter(|at| history.parents[**at].is_empty());
                    for root in roots {
                        prop_assert!(found.contains(root), "root {} of {:?}", root, offered);
                    }
                }
                Negotiator::Noop => prop_assert!(offered.is_empty()),
            }
        }
        let nothing = (ours.as_slice(), &HashSet::new());
        let all = negotiate(&history, nothing, &[], Negotiator::Consecutive).0;
        let fewer = negotiate(&history, nothing, &[], Negotiator::Skipping).0;
        prop_assert_eq!(all.len(), here.len());
        prop_assert!(fewer.len() <= all.len());
    }
}

#[test]
fn long_lines_of_commits_are_skipped_over() {
    let count = 20_000;
    let parents = (0..count).map(|at: usize| at.checked_sub(1).into_iter().collect()).collect();
    let history = History { parents, times: (0..count as i64).collect() };
    let (offered, _) = negotiate(&history, (&[count - 1], &HashSet::new()), &[], Negotiator::Skipping);
    assert_eq!(offered[..4], [count - 1, count - 3, count - 6, count - 11]);
    assert!(offered.len() < 30 && offered.last() == Some(&0), "{offered:?}");
}
