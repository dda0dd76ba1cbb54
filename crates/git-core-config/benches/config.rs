//! Reading and writing configuration, and matching globs.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use git_core_config::{Document, Key, WildOptions, wildmatch};
use std::fmt::Write;
use std::hint::black_box;

fn config(c: &mut Criterion) {
    let mut text = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n".to_owned();
    for number in 0..100 {
        let _ = write!(
            text,
            "# branch {number}\n[branch \"topic/{number}\"]\n\tremote = origin\n\tmerge = refs/heads/topic/{number}\n"
        );
    }
    let document = Document::parse(text.as_bytes()).expect("sound");
    let key = Key::parse("branch.topic/50.merge").expect("sound");
    let mut group = c.benchmark_group("config");
    group.bench_function("get", |b| b.iter(|| black_box(&document).get(black_box("branch.topic/50.merge"))));
    group.bench_function("set", |b| {
        b.iter_batched(
            || document.clone(),
            |mut document| document.set(&key, "refs/heads/x"),
            criterion::BatchSize::SmallInput,
        )
    });
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("parse", |b| b.iter(|| Document::parse(black_box(text.as_bytes())).expect("sound")));
    group.bench_function("write", |b| b.iter(|| black_box(&document).to_bytes().len()));
    group.finish();
    c.bench_function("wildmatch/path", |b| {
        let options = WildOptions { pathname: true, ..WildOptions::default() };
        b.iter(|| {
            wildmatch(black_box(b"src/**/[a-m]*.rs"), black_box(b"src/some/where/below/lib.rs"), options)
        })
    });
}

criterion_group!(benches, config);
criterion_main!(benches);
