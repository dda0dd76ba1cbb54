//! Hashing of content, with and without looking for attacks, one stream at a time and many messages at once.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use git_core_hash::{Backend, Checksum, Hasher, ManyHasher, Message, ObjectFormat};
use sha1_checked::Digest as _;
use std::hint::black_box;

const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];

fn noise(length: usize) -> Vec<u8> {
    (0..length as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn hash(c: &mut Criterion) {
    let data = noise(1 << 20);
    for (name, size) in [("200B", 200), ("1MiB", 1 << 20)] {
        let mut group = c.benchmark_group(format!("hash-{name}"));
        group.throughput(Throughput::Bytes(size as u64));
        for format in FORMATS {
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

/// Sizes like those of a repository's objects: 50 bytes to 20 KB, as many in each doubling.
fn sizes() -> impl Iterator<Item = usize> {
    (0..1000u32).map(|i| {
        let place = f64::from(i.wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24);
        (50.0 * (20_000.0f64 / 50.0).powf(place)) as usize
    })
}

fn small_objects(c: &mut Criterion) {
    let data = noise(40_000);
    let messages: Vec<_> = sizes()
        .enumerate()
        .map(|(i, size)| Message { head: b"blob 1234\0", body: &data[i..i + size] })
        .collect();
    let bytes: usize = messages.iter().map(|message| message.head.len() + message.body.len()).sum();
    for format in FORMATS {
        let mut group = c.benchmark_group(format!("small-objects-{format}"));
        group.throughput(Throughput::Bytes(bytes as u64));
        for backend in Backend::ALL {
            if let Some(mut hasher) = ManyHasher::with(format, backend) {
                group.bench_function(backend.to_string(), |b| {
                    b.iter(|| hasher.hash(black_box(&messages), &mut |_, result| drop(black_box(result))))
                });
            }
        }
        group.bench_function("checksum", |b| {
            b.iter(|| {
                for message in black_box(&messages) {
                    let mut checksum = Checksum::new(format);
                    checksum.update(message.head);
                    checksum.update(message.body);
                    black_box(checksum.finish());
                }
            })
        });
        if format == ObjectFormat::Sha1 {
            group.bench_function("sha1-checked", |b| {
                b.iter(|| {
                    for message in black_box(&messages) {
                        let hasher = sha1_checked::Sha1::new().chain_update(message.head);
                        black_box(hasher.chain_update(message.body).try_finalize());
                    }
                })
            });
        }
        group.finish();
    }
}

criterion_group!(benches, hash, small_objects);
criterion_main!(benches);
