//! Walking over commits, from their objects and from a commit-graph.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use git_core_object::{Context, Kind, ObjectFormat, ObjectId};
use git_core_ref::RefTransaction;
use git_core_store::fs::commit_graph::{GraphSource, GraphWriteOptions, write_commit_graph};
use git_core_store::fs::sys::{Disk, Flush, RealDisk};
use git_core_store::fs::{FsOptions, FsStorage};
use git_core_store::walk::{
    CommitWalk, History, HistoryQuery, HistoryTip, MergeBases, Query, TipRole, is_ancestor,
};
use git_core_store::{Snapshot, Storage as _};
use std::sync::Arc;

const COMMITS: usize = 5000;

fn walk(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a scratch directory");
    std::fs::create_dir_all(dir.path().join("objects/info")).expect("directories");
    std::fs::create_dir_all(dir.path().join("refs")).expect("directories");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk { flush: Flush::Never });
    let mut options = FsOptions::default();
    options.disk = disk.clone();
    let storage = FsStorage::open(dir.path(), dir.path(), options).expect("a repository");
    let mut quarantine = storage.receive(&storage.snapshot().expect("a snapshot")).expect("a quarantine");
    let tree = quarantine.write(Kind::Tree, b"").expect("a tree");
    let mut ids: Vec<ObjectId> = Vec::new();
    for n in 0..COMMITS {
        let mut content = format!("tree {tree}\n");
        for back in [1, if n % 7 == 0 { 5 } else { n + 1 }] {
            if let Some(parent) = n.checked_sub(back) {
                content.push_str(&format!("parent {}\n", ids[parent]));
            }
        }
        content.push_str(&format!("author A <a@b> {n} +0000\ncommitter A <a@b> {n} +0000\n\nc\n"));
        ids.push(quarantine.write(Kind::Commit, content.as_bytes()).expect("a commit"));
    }
    storage.commit(vec![quarantine], &RefTransaction::new(), &Context::new()).expect("a commit");
    measure(c, "objects", &*storage.snapshot().expect("a snapshot"), &ids);
    let mut options = GraphWriteOptions::default();
    options.source = GraphSource::Commits(vec![ids[COMMITS - 1]]);
    let snapshot = storage.snapshot().expect("a snapshot");
    write_commit_graph(&dir.path().join("objects"), &disk, &*snapshot, &options, &Context::new())
        .expect("a graph");
    let snapshot = storage.snapshot().expect("a snapshot");
    let graph = snapshot.commit_graph().expect("a graph");
    assert_eq!((graph.count() as usize, graph.format()), (COMMITS, ObjectFormat::Sha1));
    measure(c, "graph", &*snapshot, &ids);
    let mut group = c.benchmark_group("commit-graph");
    group.throughput(Throughput::Elements(COMMITS as u64));
    group.bench_function("lookup", |b| b.iter(|| ids.iter().filter(|id| graph.lookup(id).is_some()).count()));
    group.finish();
}

fn measure(c: &mut Criterion, from: &str, snapshot: &dyn Snapshot, ids: &[ObjectId]) {
    let cx = Context::new();
    let (first, tip) = (ids[10], ids[COMMITS - 1]);
    let mut group = c.benchmark_group(format!("walk-from-{from}"));
    group.sample_size(10);
    group.throughput(Throughput::Elements(COMMITS as u64));
    group.bench_function("newest-first", |b| {
        b.iter(|| {
            let query = Query { include: vec![tip], ..Query::default() };
            let mut walk = CommitWalk::new(snapshot, &[], &query, &cx).expect("a walk");
            std::iter::from_fn(|| walk.next_commit().expect("a commit")).count()
        });
    });
    group.bench_function("count", |b| {
        b.iter(|| {
            let mut query = HistoryQuery::default();
            query.tips = vec![HistoryTip { id: tip, role: TipRole::Shown }];
            History::new(snapshot, query, &cx).expect("a walk").count().expect("a count")
        });
    });
    group.bench_function("is-ancestor", |b| {
        b.iter(|| is_ancestor(snapshot, &[], &first, &tip, &cx).expect("an answer"))
    });
    group.bench_function("merge-base", |b| {
        b.iter(|| MergeBases::new(snapshot, &cx).of(ids[COMMITS - 2], &[tip]).expect("an answer"));
    });
    group.finish();
}

criterion_group!(benches, walk);
criterion_main!(benches);
