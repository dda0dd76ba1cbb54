//! Pack indexes, multi-pack indexes, bitmaps and commit-graphs, read and written: `cargo bench -p git-core-idx`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use git_core_idx::bitmap::{BitmapBuilder, BitmapFile, Expander, ObjectType};
use git_core_idx::ewah::{Ewah, words_for, write_ewah};
use git_core_idx::graph::{CommitGraph, GraphEntry, GraphFile, GraphOptions, write_graph};
use git_core_idx::midx::{MidxFile, MidxOptions, MidxPack, write_midx};
use git_core_idx::{Checksum, Digest, IdxEntry, IdxFile, PackOffset, RevFile, Version};
use git_core_idx::{pack_order, write_idx, write_rev};
use git_core_object::{ObjectFormat, ObjectId};
use std::hint::black_box;

/// Objects of an index.
const OBJECTS: u64 = 200_000;
/// Ids that are looked up in one go, in no order.
const ASKED: u64 = 10_000;
const FORMAT: ObjectFormat = ObjectFormat::Sha1;

/// An id without a pattern for each number.
fn id(number: u64) -> ObjectId {
    let mut bytes = [0; 20];
    let mut state = number;
    for part in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        part.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes()[..part.len()]);
    }
    ObjectId::from_bytes(FORMAT, &bytes).expect("20 bytes are an id")
}

fn checksum() -> Digest {
    Checksum::new(FORMAT).finish()
}

/// A row for each of these numbers, in the order of their ids, as if every entry took 400 bytes.
fn entries(numbers: std::ops::Range<u64>) -> Vec<IdxEntry> {
    let start = numbers.start;
    let row = |number| IdxEntry { id: id(number), offset: PackOffset(12 + (number - start) * 400), crc: 7 };
    let mut entries: Vec<IdxEntry> = numbers.map(row).collect();
    entries.sort_by_key(|entry| entry.id);
    entries
}

fn index(numbers: std::ops::Range<u64>) -> IdxFile<Vec<u8>> {
    let bytes = write_idx(Version::V2, entries(numbers).into_iter(), &checksum()).expect("sorted");
    IdxFile::open(bytes, FORMAT).expect("just written")
}

/// Some that are there, each far from the one before it, and as many that are not.
fn asked() -> (Vec<ObjectId>, Vec<ObjectId>) {
    let there = (0..ASKED).map(|number| id(number * 7_919 % OBJECTS)).collect();
    (there, (0..ASKED).map(|number| id(OBJECTS + number)).collect())
}

fn idx(c: &mut Criterion) {
    let rows = entries(0..OBJECTS);
    let idx = index(0..OBJECTS);
    let (there, absent) = asked();
    let mut group = c.benchmark_group("idx");
    group.throughput(Throughput::Elements(ASKED));
    group.bench_function("lookup", |b| {
        b.iter(|| {
            let offset = |id| idx.offset_at(idx.lookup(black_box(id))?).ok();
            there.iter().filter_map(offset).map(|offset| offset.0).sum::<u64>()
        });
    });
    group.bench_function("absent", |b| {
        b.iter(|| absent.iter().filter(|id| idx.lookup(black_box(id)).is_some()).count());
    });
    group.sample_size(20);
    group.throughput(Throughput::Elements(OBJECTS));
    group.bench_function("write", |b| {
        b.iter(|| write_idx(Version::V2, black_box(&rows).iter().copied(), &checksum()).map(|all| all.len()));
    });
    group.bench_function("verify", |b| b.iter(|| black_box(&idx).verify().is_ok()));
    group.finish();

    let offsets = || rows.iter().map(|row| row.offset);
    let order = pack_order(offsets());
    let rev = RevFile::open(write_rev(order.iter().copied(), &checksum()), FORMAT, OBJECTS as u32);
    let rev = rev.expect("just written");
    let mut group = c.benchmark_group("rev");
    group.sample_size(20);
    group.throughput(Throughput::Elements(OBJECTS));
    group.bench_function("order", |b| b.iter(|| pack_order(black_box(&offsets)()).len()));
    group.bench_function("write", |b| b.iter(|| write_rev(black_box(&order).iter().copied(), &checksum())));
    group.bench_function("verify", |b| b.iter(|| black_box(&rev).verify().is_ok()));
    group.finish();
}

fn midx(c: &mut Criterion) {
    const PACKS: u64 = 8;
    let each = OBJECTS / PACKS;
    // Every pack but the first holds a tenth of the one before it, too.
    let indexes: Vec<IdxFile<Vec<u8>>> =
        (0..PACKS).map(|pack| index((pack * each).saturating_sub(each / 10)..(pack + 1) * each)).collect();
    let names: Vec<String> = (0..PACKS).map(|pack| format!("pack-{pack}.idx")).collect();
    let packs: Vec<MidxPack<'_, Vec<u8>>> = names
        .iter()
        .zip(&indexes)
        .zip(0..)
        .map(|((name, idx), modified)| MidxPack { name, idx, modified })
        .collect();
    let write = || write_midx(FORMAT, &packs, &MidxOptions::default()).expect("the indexes are sound");
    let midx = MidxFile::open(write(), FORMAT).expect("just written");
    let (there, absent) = asked();
    let mut group = c.benchmark_group("midx");
    group.throughput(Throughput::Elements(ASKED));
    group.bench_function("lookup", |b| {
        b.iter(|| {
            let place = |id| midx.location_at(midx.lookup(black_box(id))?).ok();
            there.iter().filter_map(place).map(|place| place.offset.0).sum::<u64>()
        });
    });
    group.bench_function("absent", |b| {
        b.iter(|| absent.iter().filter(|id| midx.lookup(black_box(id)).is_some()).count());
    });
    group.sample_size(20);
    group.throughput(Throughput::Elements(OBJECTS));
    group.bench_function("write", |b| b.iter(|| write().len()));
    group.finish();
}

/// What a commit reaches: nearly all that is older, in stretches, with what other branches brought left out.
fn reached(until: u64, lacking: u64) -> Vec<u64> {
    let mut set = vec![0; words_for(OBJECTS as u32)];
    for bit in (0..until).filter(|bit| bit % 4_096 > 40 + lacking || bit % 3 == 0) {
        set[bit as usize / 64] |= 1 << (bit % 64);
    }
    set
}

fn bitmaps(c: &mut Criterion) {
    let set = reached(OBJECTS - 1_000, 60);
    let mut bytes = Vec::new();
    write_ewah(&set, OBJECTS as u32, &mut bytes);
    let mut group = c.benchmark_group("ewah");
    group.throughput(Throughput::Elements(OBJECTS));
    let mut out = Vec::new();
    group.bench_function("encode", |b| {
        b.iter(|| {
            out.clear();
            write_ewah(black_box(&set), OBJECTS as u32, &mut out);
        });
    });
    let mut into = vec![0; set.len()];
    group.bench_function("decode", |b| {
        b.iter(|| {
            into.fill(0);
            Ewah::parse(black_box(&bytes)).is_ok_and(|ewah| ewah.or_into(&mut into).is_ok())
        });
    });
    group.finish();

    const COMMITS: u32 = 200;
    let build = || {
        let mut builder = BitmapBuilder::new(OBJECTS as u32, checksum());
        for bit in 0..OBJECTS as u32 {
            let kind = [ObjectType::Commit, ObjectType::Tree, ObjectType::Blob][bit as usize % 3];
            builder.set_type(bit, kind);
        }
        for commit in 0..COMMITS {
            let until = OBJECTS - u64::from(COMMITS - commit) * 900;
            builder.add(commit, reached(until, u64::from(commit % 7)));
        }
        builder.finish()
    };
    let file = BitmapFile::open(build(), OBJECTS as u32, &checksum()).expect("just written");
    let bytes = build();
    let mut group = c.benchmark_group("bitmap");
    group.throughput(Throughput::Elements(u64::from(COMMITS)));
    group.sample_size(20);
    group.bench_function("open", |b| {
        b.iter(|| BitmapFile::open(black_box(&bytes[..]), OBJECTS as u32, &checksum()).is_ok());
    });
    group.bench_function("expand", |b| {
        b.iter(|| {
            into.fill(0);
            let mut expander = Expander::new(&file);
            (0..COMMITS).filter(|entry| expander.or_into(*entry, &mut into).is_ok()).count()
        });
    });
    group.finish();
}

fn graph(c: &mut Criterion) {
    const COMMITS: u64 = 100_000;
    let mut ids: Vec<(ObjectId, u64)> = (0..COMMITS).map(|number| (id(number), number)).collect();
    ids.sort();
    let mut rows = vec![0; COMMITS as usize];
    for (row, (_, number)) in (0..).zip(&ids) {
        rows[*number as usize] = row;
    }
    // Every tenth commit is a merge.
    let parents: Vec<Vec<u32>> = ids
        .iter()
        .map(|(_, number)| {
            let back = |by: u64| number.checked_sub(by).map(|parent| rows[parent as usize]);
            back(1).into_iter().chain(back(7).filter(|_| number % 10 == 0)).collect()
        })
        .collect();
    let entry = |row: usize| {
        let (commit, number) = ids[row];
        let time = 1_300_000_000 + number * 600;
        let level = number as u32 + 1;
        GraphEntry {
            id: commit,
            tree: id(COMMITS + number),
            parents: &parents[row],
            time,
            level,
            corrected: time,
        }
    };
    let entries = (0..ids.len()).map(entry);
    let write = || write_graph(FORMAT, entries.clone(), &GraphOptions::default()).expect("sorted");
    let bytes = write();
    let open = || CommitGraph::new(vec![GraphFile::open(&bytes[..], FORMAT).expect("just written")]);
    let graph = open().expect("one file is a chain");
    let mut group = c.benchmark_group("commit-graph-file");
    group.bench_function("open", |b| b.iter(|| open().is_ok()));
    group.throughput(Throughput::Elements(ASKED));
    let asked: Vec<ObjectId> = (0..ASKED).map(|number| id(number * 7_919 % COMMITS)).collect();
    group.bench_function("lookup", |b| {
        b.iter(|| asked.iter().filter(|id| graph.lookup(black_box(id)).is_some()).count());
    });
    group.throughput(Throughput::Elements(COMMITS));
    group.sample_size(20);
    let tip = graph.lookup(&id(COMMITS - 1)).expect("it is there");
    group.bench_function("first-parents", |b| {
        b.iter(|| {
            let (mut at, mut sum) = (Some(tip), 0);
            while let Some(commit) = at {
                sum += graph.time(commit);
                at = graph.parents(commit).next().and_then(Result::ok);
            }
            sum
        });
    });
    group.bench_function("write", |b| b.iter(|| write().len()));
    group.finish();
}

criterion_group!(benches, idx, midx, bitmaps, graph);
criterion_main!(benches);
