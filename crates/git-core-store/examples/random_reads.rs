//! Reads objects of a repository in random order, and lets `git cat-file --batch` do the same.
//!
//! `cargo run --release -p git-core-store --example random_reads -- <git-dir> [reads] [threads]`

use git_core_object::{ObjectFormat, ObjectId, Objects as _};
use git_core_store::fs::{FsOptions, FsStorage};
use git_core_store::{Snapshot, Storage as _};
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("which repository?")?;
    let reads: usize = args.next().map_or(Ok(200_000), |arg| arg.parse())?;
    let threads: usize = args.next().map_or(Ok(1), |arg| arg.parse())?;
    let dir = Path::new(&dir);

    let mut options = FsOptions::default();
    let config = std::fs::read_to_string(dir.join("config")).unwrap_or_default();
    if config.to_lowercase().replace(' ', "").contains("objectformat=sha256") {
        options.format = ObjectFormat::Sha256;
    }
    let start = Instant::now();
    let snapshot = FsStorage::open(dir, dir, options)?.snapshot()?;
    println!("opened in {:?}, {} packs", start.elapsed(), snapshot.packs().len());
    let ids = shuffled(&*snapshot, reads)?;

    for round in ["cold caches", "warm caches"] {
        let start = Instant::now();
        let bytes = AtomicU64::new(0);
        let (snapshot, total) = (&snapshot, &bytes);
        std::thread::scope(|scope| {
            for part in ids.chunks(ids.len().div_ceil(threads.max(1))) {
                scope.spawn(move || {
                    let mut content = Vec::new();
                    for id in part {
                        if let Err(error) = snapshot.require(id, &mut content) {
                            eprintln!("{error}");
                        }
                        total.fetch_add(content.len() as u64, Ordering::Relaxed);
                    }
                });
            }
        });
        report(round, start.elapsed(), ids.len(), bytes.into_inner());
    }
    let start = Instant::now();
    for id in &ids {
        snapshot.header(id)?;
    }
    report("headers only", start.elapsed(), ids.len(), 0);
    let start = Instant::now();
    let found = ids.iter().filter(|id| snapshot.contains(id).unwrap_or(false)).count();
    report("look-ups only", start.elapsed(), found, 0);

    let start = Instant::now();
    let bytes = cat_file(dir, &ids)?;
    report("git cat-file --batch", start.elapsed(), ids.len(), bytes);
    Ok(())
}

fn report(what: &str, took: Duration, reads: usize, bytes: u64) {
    let each = took.as_secs_f64() * 1e6 / reads.max(1) as f64;
    println!("{what}: {reads} in {took:.2?}, {each:.2} µs each, {} MiB", bytes >> 20);
}

fn shuffled(snapshot: &dyn Snapshot, count: usize) -> Result<Vec<ObjectId>, Box<dyn Error>> {
    let mut ids = Vec::new();
    snapshot.for_each_id(&mut |id| {
        ids.push(id);
        ControlFlow::Continue(())
    })?;
    let mut state = 0x2545_f491_4f6c_dd1du64;
    for at in (1..ids.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ids.swap(at, (state % (at as u64 + 1)) as usize);
    }
    ids.truncate(count);
    Ok(ids)
}

fn cat_file(dir: &Path, ids: &[ObjectId]) -> Result<u64, Box<dyn Error>> {
    let mut child = Command::new("git")
        .arg("-C")
        .arg(dir)
        .args(["cat-file", "--batch", "--buffer"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().ok_or("no stdin")?;
    let mut stdout = child.stdout.take().ok_or("no stdout")?;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut list = Vec::new();
            for id in ids {
                id.write_hex(&mut list);
                list.push(b'\n');
            }
            stdin.write_all(&list)
        });
        let (mut bytes, mut buffer) = (0, vec![0; 1 << 20]);
        loop {
            match stdout.read(&mut buffer)? {
                0 => break,
                n => bytes += n as u64,
            }
        }
        child.wait()?;
        Ok(bytes)
    })
}
