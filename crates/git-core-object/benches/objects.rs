//! Encoding and decoding of objects: commits, trees, tags, identities, loose headers.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use git_core_object::check::{CheckOptions, check};
use git_core_object::loose::{self, Level};
use git_core_object::{
    Blob, Commit, CommitRef, EntryKind, Ident, IdentRef, Kind, ObjectFormat, Tag, TagRef, Time, Tree,
    TreeRef, commit,
};
use std::hint::black_box;

const FORMAT: ObjectFormat = ObjectFormat::Sha1;

fn ident() -> Ident {
    Ident::new("A U Thor", "author@example.com", Time::new(1_112_911_993, -420)).expect("sound")
}

fn sample_commit() -> Commit {
    let id = Blob::from_bytes("x").id(FORMAT).expect("no attack");
    let mut commit =
        Commit::new(id, &ident(), &ident(), "Subject of the commit\n\nBody of several words.\n".repeat(4));
    commit.parents = vec![id, id];
    commit
        .push_header("gpgsig", "-----BEGIN PGP SIGNATURE-----\n\n".to_owned() + &"abcdefgh\n".repeat(60))
        .expect("sound");
    commit
}

fn commits(c: &mut Criterion) {
    let commit = sample_commit();
    let content = commit.to_bytes();
    let mut group = c.benchmark_group("commit");
    group.bench_function("parse", |b| {
        b.iter(|| CommitRef::parse(FORMAT, black_box(&content)).expect("sound").parents().len())
    });
    group.bench_function("links", |b| {
        b.iter(|| commit::links(FORMAT, black_box(&content)).expect("sound").parents().count())
    });
    let mut out = Vec::new();
    group.bench_function("encode", |b| {
        b.iter(|| {
            out.clear();
            black_box(&commit).encode(&mut out);
            out.len()
        })
    });
    group.bench_function("check", |b| {
        let options = CheckOptions::strict();
        b.iter(|| check(FORMAT, Kind::Commit, black_box(&content), &options).len())
    });
    group.finish();
}

fn trees(c: &mut Criterion) {
    let mut tree = Tree::new(FORMAT);
    let id = Blob::from_bytes("x").id(FORMAT).expect("no attack");
    for number in 0..1000 {
        let kind = if number % 10 == 0 { EntryKind::Tree } else { EntryKind::Blob };
        tree.add(format!("some-file-{number:04}.rs"), kind, id).expect("sound");
    }
    let content = tree.to_bytes();
    let mut group = c.benchmark_group("tree");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("iterate", |b| {
        b.iter(|| {
            TreeRef::new(FORMAT, black_box(&content))
                .iter()
                .map(|e| e.expect("sound").name.len())
                .sum::<usize>()
        })
    });
    group.bench_function("encode", |b| b.iter(|| black_box(&tree).to_bytes().len()));
    group.bench_function("check", |b| {
        let options = CheckOptions::strict();
        b.iter(|| check(FORMAT, Kind::Tree, black_box(&content), &options).len())
    });
    group.finish();
}

fn tags(c: &mut Criterion) {
    let id = Blob::from_bytes("x").id(FORMAT).expect("no attack");
    let tag = Tag::new(id, Kind::Commit, "v1.2.3", &ident(), "Version 1.2.3\n").expect("sound");
    let content = tag.to_bytes();
    let mut group = c.benchmark_group("tag");
    group.bench_function("parse", |b| {
        b.iter(|| TagRef::parse(FORMAT, black_box(&content)).expect("sound").target())
    });
    group.bench_function("encode", |b| b.iter(|| black_box(&tag).to_bytes().len()));
    group.finish();
}

fn idents(c: &mut Criterion) {
    let line = ident().to_line();
    let mut group = c.benchmark_group("ident");
    group.bench_function("parse", |b| b.iter(|| IdentRef::parse(black_box(&line)).time()));
    group.bench_function("encode", |b| b.iter(|| black_box(ident()).to_line().len()));
    group.finish();
}

fn loose_objects(c: &mut Criterion) {
    let text = "All work and no play makes a dull benchmark.\n".repeat(200);
    let (bytes, _) = loose::encode(FORMAT, Kind::Blob, text.as_bytes(), Level::default()).expect("no attack");
    let mut group = c.benchmark_group("loose");
    group
        .bench_function("parse-header", |b| b.iter(|| loose::parse_header(black_box(b"commit 12345\0tree"))));
    group.bench_function("inflate-header", |b| {
        b.iter(|| loose::decode_header(black_box(&bytes)).expect("sound").size)
    });
    group.throughput(Throughput::Bytes(text.len() as u64));
    let mut out = Vec::new();
    group.bench_function("decode", |b| {
        b.iter(|| loose::decode(black_box(&bytes), 1 << 20, &mut out).expect("sound").size)
    });
    group.bench_function("encode", |b| {
        b.iter(|| {
            loose::encode(FORMAT, Kind::Blob, black_box(text.as_bytes()), Level::default())
                .expect("no attack")
                .0
                .len()
        })
    });
    group.finish();
}

criterion_group!(benches, commits, trees, tags, idents, loose_objects);
criterion_main!(benches);
