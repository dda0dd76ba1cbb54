//! What walks leave out, on histories made at random whose dates mean nothing: against what the parents say.

use super::{FORMATS, git, git_with, init, open};
use git_core_object::{Context, ObjectId};
use git_core_store::walk::{
    self, CommitWalk, History, HistoryMark, HistoryOrder, HistoryQuery, HistoryTip, MergeBases, Query, Side,
    TipRole,
};
use git_core_store::{Snapshot, Storage};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

const COUNT: usize = 120;

type Set = BTreeSet<usize>;

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn some(&mut self) -> Vec<usize> {
        (0..=self.below(3)).map(|_| self.below(COUNT)).collect()
    }
}

/// How much of a history the commit-graph has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coverage {
    Nothing,
    /// In one file, with corrected dates or topological levels.
    All(u8),
    /// The older half.
    Half(u8),
    /// Nearly all, in two files, the first of which has levels only.
    Mixed,
}

const COVERAGES: [Coverage; 6] = [
    Coverage::Nothing,
    Coverage::All(2),
    Coverage::All(1),
    Coverage::Half(2),
    Coverage::Half(1),
    Coverage::Mixed,
];

struct Dag {
    parents: Vec<Vec<usize>>,
    ids: Vec<ObjectId>,
}

impl Dag {
    fn make(dir: &Path, dice: &mut Dice, coverage: Coverage) -> Self {
        let mut parents: Vec<Vec<usize>> = Vec::new();
        let mut stream = String::new();
        for n in 0..COUNT {
            let lowest = if dice.below(10) == 0 { 0 } else { n.saturating_sub([3, 12][dice.below(2)]) };
            let mut own = Vec::new();
            for _ in 0..if n == 0 || dice.below(50) == 0 { 0 } else { [1, 1, 1, 1, 2, 2, 3][dice.below(7)] } {
                let parent = lowest + dice.below(n - lowest);
                if !own.contains(&parent) {
                    own.push(parent);
                }
            }
            let date = 1_000_000_000 + dice.below(COUNT) * 10;
            write!(
                stream,
                "commit refs/heads/b{n}\nmark :{}\ncommitter C <c@d> {date} +0000\ndata <<.\n{n}\n.\n",
                n + 1
            )
            .unwrap();
            for (at, parent) in own.iter().enumerate() {
                writeln!(stream, "{} :{}", if at == 0 { "from" } else { "merge" }, parent + 1).unwrap();
            }
            stream.push_str("M 100644 inline file\ndata 1\nx\n");
            parents.push(own);
        }
        git_with(dir, &["fast-import", "--quiet"], stream.as_bytes());
        let names = git(dir, &["for-each-ref", "--sort=version:refname", "--format=%(objectname)"]);
        let ids: Vec<ObjectId> = names.lines().map(|line| line.parse().unwrap()).collect();
        let dag = Dag { parents, ids };
        match coverage {
            Coverage::Nothing => {}
            Coverage::All(version) => dag.cover(dir, COUNT, version, &[]),
            Coverage::Half(version) => dag.cover(dir, COUNT / 2, version, &[]),
            Coverage::Mixed => {
                dag.cover(dir, COUNT / 2, 1, &["--split=no-merge"]);
                dag.cover(dir, COUNT - 10, 2, &["--split=no-merge"]);
            }
        }
        dag
    }

    /// Writes a commit-graph of the first commits.
    fn cover(&self, dir: &Path, count: usize, version: u8, options: &[&str]) {
        let ids: String = self.ids[..count].iter().map(|id| format!("{id}\n")).collect();
        let setting = format!("commitGraph.generationVersion={version}");
        let args = [&["-c", &setting, "commit-graph", "write", "--stdin-commits"], options].concat();
        git_with(dir, &args, ids.as_bytes());
    }

    /// What some commits reach by their first so many parents.
    fn reach(&self, tips: &[usize], most: usize) -> Set {
        self.reach_past(&Set::new(), tips, most)
    }

    /// As [`reach`](Self::reach), never by way of some other commits.
    fn reach_past(&self, others: &Set, tips: &[usize], most: usize) -> Set {
        let (mut reached, mut stack) = (Set::new(), tips.to_vec());
        while let Some(n) = stack.pop() {
            if !others.contains(&n) && reached.insert(n) {
                stack.extend(self.parents[n].iter().take(most));
            }
        }
        reached
    }

    fn set(&self, ids: impl IntoIterator<Item = ObjectId>) -> Set {
        ids.into_iter().map(|id| self.ids.iter().position(|known| *known == id).unwrap()).collect()
    }

    fn ids(&self, commits: &[usize]) -> Vec<ObjectId> {
        commits.iter().map(|n| self.ids[*n]).collect()
    }

    fn query(&self, shown: &[usize], role: TipRole, hidden: &[usize]) -> HistoryQuery {
        let tips = |commits: &[usize], role| -> Vec<HistoryTip> {
            commits.iter().map(|n| HistoryTip { id: self.ids[*n], role }).collect()
        };
        let mut query = HistoryQuery::default();
        query.tips = [tips(shown, role), tips(hidden, TipRole::Hidden)].concat();
        query
    }
}

fn listed(snapshot: &dyn Snapshot, query: HistoryQuery) -> Vec<(ObjectId, HistoryMark)> {
    let cx = Context::new();
    let mut history = History::new(snapshot, query, &cx).unwrap();
    std::iter::from_fn(|| history.next_commit().unwrap()).map(|commit| (commit.id, commit.mark)).collect()
}

fn check_lists(dag: &Dag, snapshot: &dyn Snapshot, shown: &[usize], hidden: &[usize]) {
    let (all, cx) = (usize::MAX, Context::new());
    let out = dag.reach(hidden, all);
    let expected: Set = dag.reach(shown, all).difference(&out).copied().collect();
    let base = dag.query(shown, TipRole::Shown, hidden);
    let found = |query: &HistoryQuery| {
        let list = listed(snapshot, query.clone());
        let wanted = list.iter().filter(|(_, mark)| *mark != HistoryMark::Boundary).map(|(id, _)| *id);
        dag.set(wanted)
    };
    for order in [HistoryOrder::Met, HistoryOrder::Date, HistoryOrder::AuthorDate, HistoryOrder::Topological]
    {
        let mut query = base.clone();
        query.order = order;
        query.boundary = true;
        assert_eq!(found(&query), expected, "{shown:?} without {hidden:?}, {order:?}");
        let ends = listed(snapshot, query).into_iter().filter(|(_, mark)| *mark == HistoryMark::Boundary);
        let parents: Set = expected.iter().flat_map(|n| &dag.parents[*n]).copied().collect();
        let border: Set = parents.difference(&expected).copied().collect();
        assert_eq!(dag.set(ends.map(|(id, _)| id)), border, "{shown:?} without {hidden:?}, {order:?}");
    }
    let mut between = base.clone();
    between.ancestry_path = Some(Vec::new());
    let mut ways: Set = hidden.iter().copied().collect();
    for n in &expected {
        if dag.parents[*n].iter().any(|parent| ways.contains(parent)) {
            ways.insert(*n);
        }
    }
    assert_eq!(found(&between), &ways & &expected, "on ways from {hidden:?} to {shown:?}");
    // With a commit named, on ways to it as well; nothing is hidden, so that all is on a way that counts.
    let named = hidden[0];
    let mut through = dag.query(shown, TipRole::Shown, &[]);
    through.ancestry_path = Some(dag.ids(&[named]));
    let reached = dag.reach(shown, all);
    let around: Set = reached.iter().copied().filter(|n| dag.reach(&[*n], all).contains(&named)).collect();
    let below = if reached.contains(&named) { dag.reach(&[named], all) } else { Set::new() };
    assert_eq!(found(&through), &around | &below, "on ways through {named} from {shown:?}");
    let mut first = base.clone();
    first.first_parent = true;
    let along: Set = dag.reach(shown, 1).difference(&out).copied().collect();
    assert_eq!(found(&first), along, "first parents of {shown:?} without {hidden:?}");
    let mut first = base;
    first.exclude_first_parent_only = true;
    let some = dag.reach_past(&dag.reach(hidden, 1), shown, all);
    assert_eq!(found(&first), some, "{shown:?} without first parents of {hidden:?}");

    let query = Query { include: dag.ids(shown), exclude: dag.ids(hidden), ..Query::default() };
    let mut walk = CommitWalk::new(snapshot, &[], &query, &cx).unwrap();
    let walked = std::iter::from_fn(|| walk.next_commit().unwrap()).map(|commit| commit.id);
    assert_eq!(dag.set(walked), expected, "{shown:?} without {hidden:?}");
    let objects = walk::reachable(snapshot, &query, &cx).unwrap();
    let counted = objects.ids().filter(|id| dag.ids.contains(id));
    assert_eq!(dag.set(counted), expected, "{shown:?} without {hidden:?}");
}

fn check_pair(dag: &Dag, snapshot: &dyn Snapshot, one: usize, other: usize) {
    let (all, cx) = (usize::MAX, Context::new());
    let (left, right) = (dag.reach(&[one], all), dag.reach(&[other], all));
    let answer = walk::is_ancestor(snapshot, &[], &dag.ids[other], &dag.ids[one], &cx).unwrap();
    assert_eq!(answer, left.contains(&other), "{other} before {one}");
    let common: Vec<usize> = left.intersection(&right).copied().collect();
    let below: Vec<usize> = common.iter().flat_map(|n| dag.parents[*n].clone()).collect();
    let below = dag.reach(&below, all);
    let best: Set = common.into_iter().filter(|n| !below.contains(n)).collect();
    let bases = MergeBases::new(snapshot, &cx).of(dag.ids[one], &[dag.ids[other]]).unwrap();
    assert_eq!(dag.set(bases), best, "where {one} and {other} meet");
    let hidden: Vec<usize> = best.into_iter().collect();
    for (side, expected) in [(Side::Left, &left - &right), (Side::Right, &right - &left)] {
        let mut query = dag.query(&[one], TipRole::Left, &hidden);
        query.tips.push(HistoryTip { id: dag.ids[other], role: TipRole::Shown });
        query.side = Some(side);
        let list = listed(snapshot, query);
        assert_eq!(dag.set(list.into_iter().map(|(id, _)| id)), expected, "{side:?} of {one}...{other}");
    }
}

#[test]
fn what_is_left_out_does_not_depend_on_clocks() {
    for (round, coverage) in COVERAGES.iter().cycle().take(12).enumerate() {
        let format = FORMATS[round / COVERAGES.len()];
        let scratch = tempfile::tempdir().unwrap();
        init(scratch.path(), format);
        let mut dice = Dice(round as u64 + 77);
        let dag = Dag::make(scratch.path(), &mut dice, *coverage);
        let storage = open(&scratch.path().join(".git"), format);
        let snapshot = storage.snapshot().unwrap();
        assert_eq!(snapshot.commit_graph().is_some(), *coverage != Coverage::Nothing, "{coverage:?}");
        for _ in 0..60 {
            let (shown, hidden) = (dice.some(), dice.some());
            check_lists(&dag, &*snapshot, &shown, &hidden);
            check_pair(&dag, &*snapshot, shown[0], hidden[0]);
        }
    }
}
