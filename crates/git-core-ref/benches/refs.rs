//! Finding and listing packed refs, applying a refspec, checking names: 50,000 refs each.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use git_core_object::{ObjectFormat, ObjectId};
use git_core_ref::refspec::{self, Direction, Refspec};
use git_core_ref::{PackedRefs, PackedRefsWriter, RefName};
use std::hint::black_box;

const COUNT: usize = 50_000;

fn refs(c: &mut Criterion) {
    let id = ObjectId::empty_tree(ObjectFormat::Sha1);
    let names = (0..COUNT)
        .map(|n| RefName::branch(format!("topic-{n:06}")).expect("a valid name"))
        .collect::<Vec<_>>();
    let write = || {
        let mut writer = PackedRefsWriter::new(ObjectFormat::Sha1);
        for name in &names {
            writer.add(name, &id, None).expect("in order");
        }
        writer.finish()
    };
    let file = write();
    let packed = PackedRefs::parse(ObjectFormat::Sha1, &file).expect("what was written");

    let mut group = c.benchmark_group("packed-refs");
    group.throughput(Throughput::Elements(COUNT as u64));
    group.bench_function("write", |b| b.iter(write));
    group.bench_function("list", |b| b.iter(|| packed.iter().filter(|entry| entry.is_ok()).count()));
    group.throughput(Throughput::Elements(1));
    group.bench_function("find", |b| {
        let mut at = 0;
        b.iter(|| {
            at = (at + 7919) % COUNT;
            black_box(packed.find(names[at].as_bytes()).is_ok())
        });
    });
    group.finish();

    let mut group = c.benchmark_group("refspec");
    group.throughput(Throughput::Elements(COUNT as u64));
    let spec = Refspec::parse(Direction::Fetch, "+refs/heads/*:refs/remotes/origin/*").expect("a refspec");
    group.bench_function("map", |b| {
        b.iter(|| refspec::fetch(std::slice::from_ref(&spec), &names).map(|m| m.len()))
    });
    group.bench_function("check", |b| {
        b.iter(|| names.iter().filter(|name| RefName::new(name.as_bytes()).is_ok()).count());
    });
    group.finish();
}

criterion_group!(benches, refs);
criterion_main!(benches);
