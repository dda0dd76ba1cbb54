//! Commits: the commit-graph, merge bases, and lists of commits, beside git on histories that are made at random.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;
mod history_choice;
mod history_graph;
mod history_objects;
mod history_walk;

use common::{Program, git, output};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// How the dates of a history run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    /// Every commit is younger than its parents.
    Right,
    /// Many commits have the same date.
    Coarse,
    /// Dates mean nothing.
    Wrong,
    /// As right, but some dates are very early or late.
    Extreme,
}

/// A bare repository with a history made at random: `b1` is its first commit, each of `count` has a branch.
struct History {
    _scratch: tempfile::TempDir,
    path: PathBuf,
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

impl History {
    fn new(format: &str, clock: Clock, seed: u64, count: u64) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("history.git");
        git(
            scratch.path(),
            &["init", "-q", "--bare", &format!("--object-format={format}"), path.to_str().unwrap()],
        );
        let history = History { _scratch: scratch, path };
        history.grow(clock, seed, 1, count);
        git(&history.path, &["symbolic-ref", "HEAD", &format!("refs/heads/b{count}")]);
        history
    }

    /// Adds the commits `first..=last`.
    fn grow(&self, clock: Clock, seed: u64, first: u64, last: u64) {
        const PATHS: [&str; 8] =
            ["a", "d/a", "d/e/f", "d/\\303\\244/x", "\\377\\376", "z/y/x/w", "d-x", "d.x"];
        let mut dice = Dice(seed);
        let mut stream = String::new();
        for n in first..=last {
            let mut parents: Vec<u64> = Vec::new();
            if n > 1 && dice.below(50) > 0 {
                let lowest = n.saturating_sub(12).max(1);
                for _ in 0..[1, 1, 1, 1, 2, 2, 3, 4][dice.below(8) as usize] {
                    let parent = lowest + dice.below(n - lowest);
                    if !parents.contains(&parent) {
                        parents.push(parent);
                    }
                }
            }
            let right = 1_000_000_000 + n * 10;
            let time = match clock {
                Clock::Right => right,
                Clock::Coarse => 1_000_000_000 + n / 4 * 10,
                Clock::Wrong => 1_000_000_000 + dice.below(last) * 10,
                Clock::Extreme => match dice.below(12) {
                    0 => [0, 1, (1 << 31) + 5, (1 << 32) - 100_000][dice.below(4) as usize],
                    _ => right,
                },
            };
            let author = time + dice.below(100);
            write!(
                stream,
                "commit refs/heads/b{n}\nmark :{n}\nauthor A <a@b> {author} +0000\n\
                 committer C <c@d> {time} +0000\ndata 2\nc\n"
            )
            .unwrap();
            for (at, parent) in parents.iter().enumerate() {
                let word = if at == 0 { "from" } else { "merge" };
                if *parent < first {
                    writeln!(stream, "{word} refs/heads/b{parent}^0").unwrap();
                } else {
                    writeln!(stream, "{word} :{parent}").unwrap();
                }
            }
            for _ in 0..dice.below(3) {
                let path = PATHS[dice.below(8) as usize];
                match dice.below(7) {
                    0 => writeln!(stream, "D \"{path}\"").unwrap(),
                    _ => writeln!(stream, "M 100644 inline \"{path}\"\ndata 3\n{:02}\n", dice.below(30))
                        .unwrap(),
                }
            }
            stream.push('\n');
        }
        stream.push_str("done\n");
        output(Program::Git, &self.path, &["fast-import", "--quiet", "--done", "--force"], stream.as_bytes());
    }
}

/// The files below a directory, with their content, sorted.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(dir) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(
                files(&path).into_iter().map(|(below, content)| (format!("{name}/{below}"), content)),
            );
        } else {
            found.push((name, std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}
