//! Graphs that are written and read again; files that are damaged.

use super::*;
use git_core_hash::Checksum;
use git_core_object::{ObjectFormat, ObjectId};
use proptest::prelude::*;

/// A commit before it has an id: how far back its parents are, its date.
type Plan = (Vec<usize>, u64);

struct Made {
    ids: Vec<ObjectId>,
    parents: Vec<Vec<u32>>,
    levels: Vec<u32>,
    corrected: Vec<u64>,
    times: Vec<u64>,
}

fn id(format: ObjectFormat, n: usize) -> ObjectId {
    let raw: Vec<u8> =
        (0..format.raw_len()).map(|at| if at == 1 { n as u8 } else { (n * 37 + at) as u8 }).collect();
    ObjectId::from_bytes(format, &raw).unwrap()
}

/// Commits in the order of their ids, each with parents of lower plans.
fn made(format: ObjectFormat, plans: &[Plan], first: usize, below: Option<&Made>) -> Made {
    let mut order: Vec<usize> = (0..plans.len()).collect();
    order.sort_by_key(|n| id(format, first + n));
    let place = |n: usize| order.iter().position(|at| *at == n).unwrap();
    let (mut levels, mut corrected) = (vec![0; plans.len()], vec![0; plans.len()]);
    let mut parents = vec![Vec::new(); plans.len()];
    for (n, (back, time)) in plans.iter().enumerate() {
        let (mut level, mut date) = (0, 0);
        for back in back {
            if let Some(parent) = n.checked_sub(back + 1) {
                parents[place(n)].push((first + place(parent)) as u32);
                level = level.max(levels[place(parent)]);
                date = date.max(corrected[place(parent)]);
            } else if let Some(below) = below {
                let parent = back % below.ids.len();
                parents[place(n)].push(parent as u32);
                level = level.max(below.levels[parent]);
                date = date.max(below.corrected[parent]);
            }
        }
        levels[place(n)] = level + 1;
        corrected[place(n)] = (date + 1).max(*time);
    }
    let times = order.iter().map(|n| plans[*n].1).collect();
    Made { ids: order.iter().map(|n| id(format, first + n)).collect(), parents, levels, corrected, times }
}

fn entries(made: &Made) -> impl ExactSizeIterator<Item = GraphEntry<'_>> + Clone {
    (0..made.ids.len()).map(|at| GraphEntry {
        id: made.ids[at],
        tree: made.ids[made.ids.len() - 1 - at],
        parents: &made.parents[at],
        time: made.times[at],
        level: made.levels[at],
        corrected: made.corrected[at],
    })
}

fn check(graph: &CommitGraph<Vec<u8>>, made: &Made, first: usize) {
    for at in 0..made.ids.len() {
        let position = GraphPosition((first + at) as u32);
        assert_eq!(graph.id(position), made.ids[at]);
        assert_eq!(graph.lookup(&made.ids[at]), Some(position));
        assert_eq!(graph.tree(position), made.ids[made.ids.len() - 1 - at]);
        assert_eq!(graph.time(position) as u64, made.times[at]);
        assert_eq!(graph.level(position), made.levels[at]);
        let generation = graph.generation(position).unwrap();
        assert_eq!(
            generation,
            if graph.has_corrected_dates() { made.corrected[at] } else { made.levels[at].into() }
        );
        let parents: Vec<u32> = graph.parents(position).map(|parent| parent.unwrap().0).collect();
        assert_eq!(parents, made.parents[at]);
    }
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let time = prop_oneof![0u64..2_000_000_000, 0u64..1 << 34];
    prop::collection::vec((prop::collection::vec(0usize..6, 0..5), time), 1..60)
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        lower in plans(), upper in plans(), sha256: bool, levels: bool, filtered: bool
    ) {
        let format = if sha256 { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
        let below = made(format, &lower, 0, None);
        let above = made(format, &upper, lower.len(), Some(&below));
        let filters = FilterTable {
            settings: FilterSettings::with_version(2),
            ends: (1..=lower.len() as u32).collect(),
            data: (0..lower.len() as u8).collect(),
        };
        let options = GraphOptions {
            generations: if levels { Generations::Levels } else { Generations::Corrected },
            filters: filtered.then_some(&filters),
            bases: &[],
        };
        let low = GraphFile::open(write_graph(format, entries(&below), &options).unwrap(), format).unwrap();
        low.verify().unwrap();
        let bases = [low.checksum()];
        let options = GraphOptions { filters: None, bases: &bases, ..options };
        let high = GraphFile::open(write_graph(format, entries(&above), &options).unwrap(), format).unwrap();
        high.verify().unwrap();
        assert_eq!(high.bases().collect::<Vec<_>>(), bases);
        assert!(matches!(CommitGraph::new(vec![high.clone()]), Err(GraphError::Chain)));
        let chain = CommitGraph::new(vec![low, high]).unwrap();
        assert_eq!(chain.has_corrected_dates(), !levels);
        check(&chain, &below, 0);
        check(&chain, &above, lower.len());
        assert_eq!(chain.lookup(&id(format, 250)), None);
        let filter = chain.filter(GraphPosition(0)).map(|(_, filter)| filter.as_bytes().to_vec());
        assert_eq!(filter, filtered.then(|| vec![0]));
    }

    #[test]
    fn damage_does_not_panic(plans in plans(), at in 0usize..4000, value: u8, cut in 0usize..4000) {
        let format = ObjectFormat::Sha1;
        let commits = made(format, &plans, 0, None);
        let mut bytes = write_graph(format, entries(&commits), &GraphOptions::default()).unwrap();
        let len = bytes.len();
        bytes[at % len] = value;
        read_all(&bytes, format);
        bytes.truncate(cut % len);
        read_all(&bytes, format);
    }
}

fn read_all(bytes: &[u8], format: ObjectFormat) {
    let Ok(file) = GraphFile::open(bytes, format) else { return };
    let _ = file.verify();
    let Ok(graph) = CommitGraph::new(vec![file]) else { return };
    for at in (0..graph.count()).map(GraphPosition) {
        let _ = (
            graph.lookup(&graph.id(at)),
            graph.tree(at),
            graph.time(at),
            graph.generation(at),
            graph.filter(at),
        );
        assert!(graph.parents(at).take(10_000).count() < 10_000);
    }
}

#[test]
fn what_is_wrong_is_named() {
    let format = ObjectFormat::Sha1;
    let commits = made(format, &[(vec![], 5), (vec![0], 3), (vec![0, 1], 9)], 0, None);
    let good = write_graph(format, entries(&commits), &GraphOptions::default()).unwrap();
    let open = |bytes: &[u8]| GraphFile::open(bytes.to_vec(), format).map(drop);
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        open(&bytes).unwrap_err()
    };
    assert_eq!(open(&good), Ok(()));
    assert!(matches!(open(b"CGPH"), Err(GraphError::TooSmall { len: 4 })));
    assert!(matches!(with(0, b'X'), GraphError::Signature { .. }));
    assert!(matches!(with(4, 2), GraphError::Version { version: 2 }));
    assert!(matches!(with(5, 2), GraphError::Format { number: 2, expected: 1 }));
    assert!(matches!(with(7, 1), GraphError::MissingChunk { chunk: "base graphs" }));
    assert!(matches!(with(8, b'o'), GraphError::MissingChunk { chunk: "OID fanout" }));
    assert!(matches!(with(6, 3), GraphError::Contents { .. }));
    assert!(matches!(GraphFile::open(good.clone(), ObjectFormat::Sha256), Err(GraphError::Format { .. })));
    let mut wrong = good.clone();
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(GraphFile::open(wrong, format).unwrap().verify(), Err(GraphError::Checksum));
    // A parent that is not there, under a checksum that is right.
    let mut wrong = good[..good.len() - 20].to_vec();
    let commit = 8 + 5 * 12 + 1024 + 3 * 20;
    let row = (0..3).find(|row| !commits.parents[*row].is_empty()).unwrap();
    let parent = commit + row * 36 + 20;
    wrong[parent..parent + 4].copy_from_slice(&77u32.to_be_bytes());
    let mut checksum = Checksum::new(format);
    checksum.update(&wrong);
    wrong.extend_from_slice(checksum.finish().as_bytes());
    let graph = CommitGraph::new(vec![GraphFile::open(wrong, format).unwrap()]).unwrap();
    let first = graph.parents(GraphPosition(row as u32)).next();
    assert_eq!(first, Some(Err(GraphError::Parent { row: row as u32, position: 77 })));
}
