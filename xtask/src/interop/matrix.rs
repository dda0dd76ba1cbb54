//! The cells of the matrix, and a sample of them in which every pair of values occurs.

use super::fixture::Format;
use std::collections::BTreeSet;
use std::fmt;

/// Who serves, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Serving {
    /// `git-core serve`, over HTTP.
    ServeHttp,
    /// `git-core serve`, over git://.
    ServeGit,
    /// `git-core daemon`.
    Daemon,
    /// `git-core http-backend` under a small web server.
    Backend,
    /// A local path: for git as client, `git-core upload-pack` and `receive-pack` over pipes.
    Path,
    /// `git daemon`.
    GitDaemon,
    /// `git http-backend` under the same web server.
    GitBackend,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asking {
    Ours,
    Git,
}

/// One combination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    pub(crate) serving: Serving,
    pub(crate) asking: Asking,
    pub(crate) format: Format,
    /// `protocol.version` of the client.
    pub(crate) version: u8,
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let serving = match self.serving {
            Serving::ServeHttp => "ours serve http",
            Serving::ServeGit => "ours serve git",
            Serving::Daemon => "ours daemon",
            Serving::Backend => "ours http-backend",
            Serving::Path => "ours path",
            Serving::GitDaemon => "git daemon",
            Serving::GitBackend => "git http-backend",
        };
        let asking = match self.asking {
            Asking::Ours => "ours",
            Asking::Git => "git",
        };
        write!(out, "{serving} -> {asking}, {}, v{}", self.format.name(), self.version)
    }
}

/// All cells in which we take part, and git with itself once per transport to show that the scenario is right.
pub(crate) fn all() -> Vec<Cell> {
    use Serving::*;
    let mut cells = Vec::new();
    for serving in [ServeHttp, ServeGit, Daemon, Backend, Path, GitDaemon, GitBackend] {
        for asking in [Asking::Ours, Asking::Git] {
            for format in [Format::Sha1, Format::Sha256] {
                for version in [2, 1, 0] {
                    let theirs = matches!(serving, GitDaemon | GitBackend) && asking == Asking::Git;
                    if !theirs || (version, format) == (2, Format::Sha1) {
                        cells.push(Cell { serving, asking, format, version });
                    }
                }
            }
        }
    }
    cells
}

/// As few cells as a greedy choice needs for every pair of values that occurs in `cells`.
pub(crate) fn sample(cells: &[Cell]) -> Vec<Cell> {
    let mut open: BTreeSet<(String, String)> = cells.iter().flat_map(pairs).collect();
    let mut chosen = Vec::new();
    while !open.is_empty() {
        let gain = |cell: &Cell| pairs(cell).iter().filter(|pair| open.contains(pair)).count();
        // The first of equals, so that the sample does not change from run to run.
        let Some(best) = cells.iter().rev().max_by_key(|cell| gain(cell)) else { break };
        for pair in pairs(best) {
            open.remove(&pair);
        }
        chosen.push(*best);
    }
    chosen
}

fn pairs(cell: &Cell) -> Vec<(String, String)> {
    let values = [
        format!("{:?}", cell.serving),
        format!("{:?}", cell.asking),
        format!("{:?}", cell.format),
        format!("v{}", cell.version),
    ];
    let mut pairs = Vec::new();
    for (index, first) in values.iter().enumerate() {
        for second in &values[index + 1..] {
            pairs.push((first.clone(), second.clone()));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_holds_every_pair_and_is_small() {
        let all = all();
        let sample = sample(&all);
        let wanted: BTreeSet<_> = all.iter().flat_map(pairs).collect();
        let held: BTreeSet<_> = sample.iter().flat_map(pairs).collect();
        assert_eq!(wanted, held);
        assert!(sample.len() <= 26, "{} of {}", sample.len(), all.len());
    }
}
