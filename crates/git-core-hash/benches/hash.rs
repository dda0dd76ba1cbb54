//! Hashing of content, with and without looking for attacks.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use git_core_hash::{Checksum, Hasher, ObjectFormat};
use std::hint::black_box;

fn hash(c: &mut Criterion) {
    let data: Vec<u8> = (0..1 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (name, size) in [("200B", 200), ("1MiB", 1 << 20)] {
        let mut group = c.benchmark_group(format!("hash-{name}"));
        group.throughput(Throughput::Bytes(size as u64));
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            group.bench_with_input(BenchmarkId::new("content", format), &format, |b, format| {
                b.iter(|| {
                    let mut hasher = Hasher::new(*format);
                    hasher.update(black_box(&data[..size]));
                    hasher.finish()
                })
            });
            group.bench_with_input(BenchmarkId::new("checksum", format), &format, |b, format| {
                b.iter(|| {
                    let mut checksum = Checksum::new(*format);
                    checksum.update(black_box(&data[..size]));
                    checksum.finish()
                })
            });
        }
        group.finish();
    }
}

criterion_group!(benches, hash);
criterion_main!(benches);
