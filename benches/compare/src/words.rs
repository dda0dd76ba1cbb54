//! Git's own words for the jobs, as far as `cargo xtask bench` says them, and what every program here does around a
//! job: saying its version, or that it cannot.

use std::error::Error;
use std::io::{BufRead, BufReader, Lines, StdinLock};
use std::num::NonZeroU32;
use std::path::Path;
use std::process::ExitCode;

pub type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// What is to be done in the current folder.
pub enum Job<'a> {
    /// Write the index of the pack `from` to `to`.
    IndexPack { to: &'a Path, from: &'a Path },
    /// Check every object of the pack beside this index.
    VerifyPack(&'a Path),
    /// Print the ids of all that can be reached from the refs.
    Objects,
    /// Print how many commits can be reached from the refs.
    Count,
    /// Print each object whose id is read, with its header.
    Batch,
    /// Print only the headers.
    BatchCheck,
    /// A bare clone, perhaps of so many commits of each branch alone.
    Clone { url: &'a str, to: &'a Path, depth: Option<NonZeroU32> },
    /// Fetch branches and tags into the same places.
    Fetch(&'a str),
    /// Print all refs with their ids.
    ListRefs,
    /// Create the refs that are read as lines `create NAME ID`, all or none.
    CreateRefs,
    /// Pack all refs, and remove the loose ones.
    PackRefs,
    /// One pack in the place of all packs, its deltas searched for anew.
    Repack,
}

/// Whether a library can do a job at all.
#[derive(PartialEq, Eq)]
pub enum Answer {
    Done,
    Cannot,
}

/// Runs the job that the arguments name.
pub fn main(package: &str, run: impl FnOnce(&Job<'_>) -> Outcome<Answer>) -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if words == ["version"] {
        println!("{package} {}", version(package));
        return ExitCode::SUCCESS;
    }
    match job(&words).map_or(Ok(Answer::Cannot), |job| run(&job)) {
        Ok(Answer::Done) => ExitCode::SUCCESS,
        Ok(Answer::Cannot) => {
            eprintln!("usage: {package} is not asked to {}", words.join(" "));
            ExitCode::from(129)
        }
        Err(error) => {
            eprintln!("fatal: {error}");
            ExitCode::from(128)
        }
    }
}

fn job<'a>(words: &[&'a str]) -> Option<Job<'a>> {
    Some(match *words {
        ["index-pack", "-o", to, from] => Job::IndexPack { to: Path::new(to), from: Path::new(from) },
        ["verify-pack", index] => Job::VerifyPack(Path::new(index)),
        ["rev-list", "--objects", "--all"] => Job::Objects,
        ["rev-list", "--count", "--all"] => Job::Count,
        ["cat-file", "--batch", "--buffer"] => Job::Batch,
        ["cat-file", "--batch-check", "--buffer"] => Job::BatchCheck,
        ["clone", "--quiet", "--bare", url, to] => Job::Clone { url, to: Path::new(to), depth: None },
        ["clone", "--quiet", "--bare", "--depth=1", url, to] => {
            Job::Clone { url, to: Path::new(to), depth: Some(NonZeroU32::MIN) }
        }
        ["fetch", "--quiet", url] => Job::Fetch(url),
        ["for-each-ref", "--format=%(objectname) %(refname)"] => Job::ListRefs,
        ["update-ref", "--stdin"] => Job::CreateRefs,
        ["pack-refs", "--all"] => Job::PackRefs,
        ["repack", "-a", "-d", "-q", "-f", "--window=10", "--depth=50"] => Job::Repack,
        _ => return None,
    })
}

/// Of the package, as it was locked when this was built.
fn version(package: &str) -> &'static str {
    let start = format!("name = \"{package}\"\nversion = \"");
    let lock = include_str!("../Cargo.lock");
    lock.split_once(&start[..]).and_then(|(_, rest)| rest.split('"').next()).unwrap_or("?")
}

/// The lines of the standard input.
pub fn lines() -> Lines<BufReader<StdinLock<'static>>> {
    BufReader::with_capacity(1 << 16, std::io::stdin().lock()).lines()
}

/// Name and id of a line `create NAME ID`.
pub fn creation(line: &str) -> Outcome<(&str, &str)> {
    let mut words = line.split(' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some("create"), Some(name), Some(id), None) => Ok((name, id)),
        _ => Err(format!("not a creation: {line}").into()),
    }
}
