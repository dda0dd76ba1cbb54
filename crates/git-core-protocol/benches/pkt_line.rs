//! Framing: decoding and writing pkt-lines, a banded pack through the fetch machine's decoder, a list of refs.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use git_core_protocol::Service;
use git_core_protocol::advertisement::Reader;
use git_core_protocol::pkt_line::{Decoder, Packet, decode, write_flush, write_text};
use git_core_protocol::sideband::{self, Band, PacketSize};

const REFS: usize = 50_000;
const PACK: usize = 64 << 20;

fn lines(c: &mut Criterion) {
    let write = || {
        let mut out = Vec::new();
        for n in 0..REFS {
            let line = format!("{n:040x} refs/heads/topic-{n:06}");
            write_text(&mut out, line.as_bytes()).expect("a short line");
        }
        write_flush(&mut out);
        out
    };
    let wire = write();
    let mut group = c.benchmark_group("pkt-line");
    group.throughput(Throughput::Elements(REFS as u64));
    group.bench_function("write", |b| b.iter(write));
    group.bench_function("decode", |b| {
        b.iter(|| {
            let (mut rest, mut count) = (wire.as_slice(), 0);
            while let Ok(Some((_, length))) = decode(rest) {
                rest = &rest[length..];
                count += 1;
            }
            count
        });
    });
    group.bench_function("advertisement", |b| {
        b.iter(|| {
            let mut reader = Reader::new(Service::UploadPack, u64::MAX);
            let mut rest = wire.as_slice();
            while let Ok(Some((packet, length))) = decode(rest) {
                reader.packet(packet).expect("a ref");
                rest = &rest[length..];
            }
            reader.finish().refs.len()
        });
    });
    group.finish();
}

fn bands(c: &mut Criterion) {
    let pack = vec![b'x'; PACK];
    let mut wire = Vec::new();
    sideband::write(&mut wire, PacketSize::Large, Band::Data(&pack));
    let mut group = c.benchmark_group("sideband");
    group.sample_size(20).throughput(Throughput::Bytes(PACK as u64));
    group.bench_function("write", |b| {
        let mut out = Vec::with_capacity(wire.len());
        b.iter(|| {
            out.clear();
            sideband::write(&mut out, PacketSize::Large, Band::Data(&pack));
            out.len()
        });
    });
    group.bench_function("read", |b| {
        b.iter(|| {
            let (mut decoder, mut count) = (Decoder::new(), 0);
            for mut piece in wire.chunks(64 << 10) {
                while !piece.is_empty() {
                    piece = &piece[decoder.feed(piece)..];
                    while let Ok(Some(packet)) = decoder.packet() {
                        if let Packet::Data(payload) = packet {
                            count += Band::demux(payload).map_or(0, |band| band.bytes().len());
                        }
                    }
                }
            }
            count
        });
    });
    group.finish();
}

criterion_group!(benches, lines, bands);
criterion_main!(benches);
