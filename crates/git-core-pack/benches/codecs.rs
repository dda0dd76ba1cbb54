//! Entry headers, deltas, inflating and reading: `cargo bench -p git-core-pack`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use git_core_object::{Context, Kind, ObjectFormat, Objects};
use git_core_pack::delta::{DeltaHeader, DeltaIndex, DeltaWriter, apply};
use git_core_pack::{EntryHeader, EntryKind, IndexOptions, Indexer, Pack, PackOptions, pack_header};
use std::hint::black_box;
use std::sync::Arc;

/// Text in which every version differs from the one before in a line.
fn version(n: usize) -> Vec<u8> {
    let mut text = String::new();
    for line in 0..200 {
        let changed = if line <= n % 200 { n - n % 200 + 200 } else { n - n % 200 };
        text += &format!("line {line} as it was written in version {changed}\n");
    }
    text.into_bytes()
}

fn delta(base: &[u8], result: &[u8]) -> Vec<u8> {
    let mut writer =
        DeltaWriter::new(DeltaHeader { base_size: base.len() as u64, result_size: result.len() as u64 });
    let start = base.iter().zip(result).take_while(|(a, b)| a == b).count();
    let end =
        base[start..].iter().rev().zip(result[start..].iter().rev()).take_while(|(a, b)| a == b).count();
    writer.copy(0..start as u64);
    writer.insert(&result[start..result.len() - end]);
    writer.copy((base.len() - end) as u64..base.len() as u64);
    writer.finish()
}

/// A pack of so many versions, in chains of fifty.
fn pack(versions: usize) -> Vec<u8> {
    let mut bytes = pack_header(versions as u32).to_vec();
    let mut last = 0;
    for n in 0..versions {
        let at = bytes.len();
        let (kind, content) = match n % 50 {
            0 => (EntryKind::Whole(Kind::Blob), version(n)),
            _ => {
                let distance = (at - last) as u64;
                (EntryKind::OfsDelta { distance }, delta(&version(n - 1), &version(n)))
            }
        };
        EntryHeader { kind, size: content.len() as u64 }.write(&mut bytes);
        let level = sirocco::deflate::Level::DEFAULT;
        bytes.extend(sirocco::compress(sirocco::Format::Zlib, level, &content));
        last = at;
    }
    let mut checksum = git_core_hash::Checksum::new(ObjectFormat::Sha1);
    checksum.update(&bytes);
    bytes.extend_from_slice(checksum.finish().as_bytes());
    bytes
}

fn codecs(c: &mut Criterion) {
    let header = EntryHeader { kind: EntryKind::OfsDelta { distance: 123_456 }, size: 7890 };
    let mut bytes = Vec::new();
    header.write(&mut bytes);
    c.bench_function("pack/entry_header/parse", |b| {
        b.iter(|| EntryHeader::parse(ObjectFormat::Sha1, black_box(&bytes)));
    });
    let mut out = Vec::new();
    c.bench_function("pack/entry_header/write", |b| {
        b.iter(|| {
            out.clear();
            black_box(&header).write(&mut out);
        });
    });
    let (base, result) = (version(100), version(101));
    let small = delta(&base, &result);
    let mut group = c.benchmark_group("pack/delta");
    group.throughput(Throughput::Bytes(result.len() as u64));
    group.bench_function("apply", |b| b.iter(|| apply(&base, black_box(&small), u64::MAX, &mut out)));
    group.bench_function("write", |b| b.iter(|| delta(&base, black_box(&result))));
    let (mut index, far) = (DeltaIndex::new(&base), version(333));
    let mut made = Vec::new();
    group.bench_function("index", |b| b.iter(|| index.rebuild(black_box(&base))));
    for (name, result) in [("create/near", &result), ("create/far", &far)] {
        group.bench_function(name, |b| {
            b.iter(|| index.delta(&base, black_box(result), usize::MAX, &mut made));
        });
    }
    group.finish();
}

fn packs(c: &mut Criterion) {
    let pack = pack(2000);
    let cx = Context::new();
    let index = || {
        let mut indexer = Indexer::new(ObjectFormat::Sha1, Vec::new(), IndexOptions::default());
        indexer.feed(&pack, &cx).expect("the pack is good");
        indexer.finish(None, &cx).expect("the pack is good").0
    };
    let mut group = c.benchmark_group("pack");
    group.sample_size(10);
    group.throughput(Throughput::Elements(2000));
    group.bench_function("index", |b| b.iter(index));
    let idx = index().idx().expect("the pack is small");
    let idx = git_core_idx::IdxFile::open(idx.into(), ObjectFormat::Sha1).expect("it was just made");
    let opened = Pack::open(Arc::new(pack.clone()), idx, PackOptions::default()).expect("it is good");
    let ids: Vec<_> = opened.idx().ids().collect();
    let mut content = Vec::new();
    group.bench_function("read", |b| {
        b.iter(|| ids.iter().map(|id| opened.require(id, &mut content).is_ok() as usize).sum::<usize>());
    });
    group.bench_function("header", |b| {
        b.iter(|| ids.iter().map(|id| Objects::header(&opened, id).is_ok() as usize).sum::<usize>());
    });
    group.bench_function("lookup", |b| {
        b.iter(|| ids.iter().map(|id| opened.contains(id) as usize).sum::<usize>());
    });
    group.finish();
}

/// Text of which no two are alike, as large as most entries are.
fn small_text(n: usize) -> Vec<u8> {
    let word = |at: usize| (n * 31 + at * at * 17) % 997;
    (0..160).flat_map(|at| format!("word{} ", word(at)).into_bytes()).take(953).collect()
}

fn entries(c: &mut Criterion) {
    use sirocco::inflate::Decoder;
    let content = small_text(7);
    let level = sirocco::deflate::Level::DEFAULT;
    let deflated = sirocco::compress(sirocco::Format::Zlib, level, &content);
    let mut decoder = Decoder::new(sirocco::Format::Zlib);
    let mut out = vec![0; content.len()];
    let mut group = c.benchmark_group("pack/entry");
    group.throughput(Throughput::Bytes(content.len() as u64));
    group.bench_function("inflate", |b| {
        b.iter(|| {
            decoder.reset();
            decoder.decompress(black_box(&deflated), &mut out, true).map(|step| step.done)
        });
    });
    let mut encoder = sirocco::deflate::Encoder::new(sirocco::Format::Zlib, level);
    let mut space = vec![0; 64 << 10];
    group.bench_function("deflate", |b| {
        b.iter(|| {
            encoder.compress(black_box(&content), &mut space, sirocco::deflate::Flush::Finish).output.len()
        });
    });
    group.finish();
}

/// Indexing by one thread and by two: whole objects, which the first pass hashes, and chains of deltas.
fn index_in_bursts(c: &mut Criterion) {
    let mut whole = pack_header(20_000).to_vec();
    for n in 0..20_000 {
        let content = small_text(n);
        EntryHeader { kind: EntryKind::Whole(Kind::Blob), size: content.len() as u64 }.write(&mut whole);
        let level = sirocco::deflate::Level::FASTEST;
        whole.extend(sirocco::compress(sirocco::Format::Zlib, level, &content));
    }
    let mut checksum = git_core_hash::Checksum::new(ObjectFormat::Sha1);
    checksum.update(&whole);
    whole.extend_from_slice(checksum.finish().as_bytes());
    let mut group = c.benchmark_group("pack/index");
    group.sample_size(10);
    for (name, pack) in [("whole", &whole), ("chains", &pack(10_000))] {
        group.throughput(Throughput::Bytes(pack.len() as u64));
        for threads in [1, 2] {
            let mut limits = git_core_object::Limits::default();
            limits.threads = threads;
            let cx = Context::new().with_limits(limits);
            group.bench_function(format!("{name}/{threads} threads"), |b| {
                b.iter(|| {
                    let mut indexer = Indexer::new(ObjectFormat::Sha1, Vec::new(), IndexOptions::default());
                    indexer.feed(pack, &cx).expect("the pack is good");
                    indexer.finish(None, &cx).expect("the pack is good").0.count()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, codecs, entries, packs, index_in_bursts);
criterion_main!(benches);
