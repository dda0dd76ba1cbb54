//! Finding and reading packed objects of a repository made for this.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use git_core_object::{Context, Kind, ObjectId, Objects as _};
use git_core_ref::RefTransaction;
use git_core_store::Storage as _;
use git_core_store::fs::sys::{Flush, RealDisk};
use git_core_store::fs::{FsOptions, FsStorage};
use std::hint::black_box;
use std::sync::Arc;

const OBJECTS: usize = 2000;

fn lookup(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a scratch directory");
    std::fs::create_dir_all(dir.path().join("objects/pack")).expect("directories");
    std::fs::create_dir_all(dir.path().join("refs")).expect("directories");
    let mut options = FsOptions::default();
    options.disk = Arc::new(RealDisk { flush: Flush::Never });
    let storage = FsStorage::open(dir.path(), dir.path(), options).expect("a repository");
    let mut quarantine = storage.receive(&storage.snapshot().expect("a snapshot")).expect("a quarantine");
    let ids: Vec<ObjectId> = (0..OBJECTS)
        .map(|n| {
            quarantine.write(Kind::Blob, format!("object {n} ").repeat(20).as_bytes()).expect("an object")
        })
        .collect();
    storage.commit(vec![quarantine], &RefTransaction::new(), &Context::new()).expect("a commit");
    let list: Vec<u8> =
        ids.iter().flat_map(|id| [id.to_hex().into_bytes(), b"\n".to_vec()].concat()).collect();
    pack(dir.path(), &list);
    let snapshot = storage.snapshot().expect("a snapshot");
    assert_eq!(snapshot.packs().len(), 1);

    let mut group = c.benchmark_group("lookup");
    group.throughput(Throughput::Elements(OBJECTS as u64));
    let mut content = Vec::new();
    group.bench_function("contains", |b| {
        b.iter(|| ids.iter().filter(|id| snapshot.contains(black_box(id)).unwrap_or(false)).count())
    });
    group.bench_function("header", |b| {
        b.iter(|| ids.iter().filter(|id| snapshot.header(black_box(id)).is_ok()).count())
    });
    group.bench_function("read", |b| {
        b.iter(|| ids.iter().filter(|id| snapshot.read(black_box(id), &mut content).is_ok()).count())
    });
    let absent: Vec<ObjectId> = (0..OBJECTS)
        .filter_map(|n| ObjectId::hash(snapshot.format(), Kind::Blob, format!("absent {n}").as_bytes()).ok())
        .collect();
    group.bench_function("absent", |b| {
        b.iter(|| absent.iter().filter(|id| snapshot.contains(black_box(id)).unwrap_or(true)).count())
    });
    group.finish();
}

/// `git repack -a -d` would leave out what no ref reaches.
fn pack(dir: &std::path::Path, list: &[u8]) {
    use std::io::Write as _;
    let _ = std::fs::write(dir.join("HEAD"), "ref: refs/heads/main\n");
    let mut git = std::process::Command::new("git")
        .arg("--git-dir")
        .arg(dir)
        .args(["pack-objects", "-q"])
        .arg(dir.join("objects/pack/pack"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("git runs");
    git.stdin.take().expect("a pipe").write_all(list).expect("git takes the list");
    assert!(git.wait().expect("git ends").success());
}

criterion_group!(benches, lookup);
criterion_main!(benches);
