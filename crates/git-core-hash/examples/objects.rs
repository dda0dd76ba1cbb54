//! Times every way to hash on the objects of a repository.
//!
//! ```text
//! git cat-file --batch --batch-all-objects --unordered >objects
//! cargo run --release -p git-core-hash --example objects -- objects [MEGABYTES]
//! ```
//!
//! The file is read as `git cat-file --batch` writes it (it may be cut off at its end), up to so many megabytes
//! (64 unless given) of objects from all over it. The objects lie in memory, a thousand are hashed at a time, in each of nine rounds every way
//! has its turn, and the median counts.

use git_core_hash::{Backend, Hasher, ManyHasher, Message, ObjectFormat};
use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 9;
const BATCH: usize = 1000;

/// A header and a content.
type Object<'a> = (String, &'a [u8]);

type Way = (String, Box<dyn FnMut(&[Message<'_>])>);

fn ways(format: ObjectFormat) -> Vec<Way> {
    let mut ways: Vec<Way> = Vec::new();
    match format {
        ObjectFormat::Sha1 => {
            ways.push(("crate sha1-checked".into(), Box::new(each::<sha1_checked::Sha1>)));
            ways.push(("crate sha1, no detection".into(), Box::new(each_plain::<sha1::Sha1>)));
        }
        _ => ways.push(("crate sha2".into(), Box::new(each_plain::<sha2::Sha256>))),
    }
    ways.push((
        "Hasher".into(),
        Box::new(move |messages| {
            for message in messages {
                let mut hasher = Hasher::new(format);
                hasher.update(message.head);
                hasher.update(message.body);
                let _ = black_box(hasher.finish());
            }
        }),
    ));
    for backend in Backend::ALL {
        if let Some(mut hasher) = ManyHasher::with(format, backend).filter(|_| backend != Backend::OneByOne) {
            let way = move |messages: &[Message<'_>]| {
                hasher.hash(messages, &mut |_, result| drop(black_box(result)));
            };
            ways.push((format!("hash_many, {backend}"), Box::new(way)));
        }
    }
    ways
}

fn each<D: sha1_checked::Digest>(messages: &[Message<'_>]) {
    for message in messages {
        black_box(D::new().chain_update(message.head).chain_update(message.body).finalize());
    }
}

fn each_plain<D: sha1::Digest>(messages: &[Message<'_>]) {
    for message in messages {
        black_box(D::new().chain_update(message.head).chain_update(message.body).finalize());
    }
}

/// The objects of a `cat-file --batch` stream, each with the header it is hashed with.
fn objects(stream: &[u8], most: usize) -> Result<Vec<Object<'_>>, Box<dyn Error>> {
    let mut rest = stream;
    let mut all = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = std::str::from_utf8(&rest[..end])?;
        let [_, kind, size] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("not the start of an object: '{line}'").into());
        };
        let content = &rest[end + 1..];
        let Some((content, after)) = content.split_at_checked(size.parse()?) else { break };
        all.push((format!("{kind} {size}\0"), content));
        rest = after.get(1..).unwrap_or_default();
    }
    // Every so many-th run of objects, so that the sample is from everywhere.
    let share = stream.len() / most + 1;
    let runs = all.chunks(BATCH).step_by(share);
    Ok(runs.flatten().cloned().collect())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("which file of `git cat-file --batch`?")?;
    let megabytes: usize = arguments.next().map_or(Ok(64), |number| number.parse())?;
    let stream = std::fs::read(file)?;
    let objects = objects(&stream, megabytes << 20)?;
    let messages: Vec<_> =
        objects.iter().map(|(head, body)| Message { head: head.as_bytes(), body }).collect();
    let bytes: usize = messages.iter().map(|message| message.head.len() + message.body.len()).sum();
    println!("{} objects, {} bytes", messages.len(), bytes);
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        let mut ways = ways(format);
        let mut times = vec![Vec::new(); ways.len()];
        for _ in 0..ROUNDS {
            for ((_, way), times) in ways.iter_mut().zip(&mut times) {
                let start = Instant::now();
                messages.chunks(BATCH).for_each(&mut *way);
                times.push(start.elapsed().as_secs_f64());
            }
        }
        let medians: Vec<f64> = times
            .into_iter()
            .map(|mut times| {
                times.sort_by(f64::total_cmp);
                times[ROUNDS / 2]
            })
            .collect();
        for ((name, _), median) in ways.iter().zip(&medians) {
            println!(
                "{format:6} {name:26} {:6.0} MB/s {:5.2}×",
                bytes as f64 / median / 1e6,
                medians[0] / median
            );
        }
    }
    Ok(())
}
