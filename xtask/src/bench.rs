//! `cargo xtask bench`: small operations by criterion, or whole jobs beside other implementations.
//!
//! Without `--repo` and `--generated` the criterion benchmarks run. With one of them our program and every peer that
//! is there do the same jobs on the same history by turns; what they took goes to `benches/jobs.csv`, and
//! `docs/performance.md` is drawn anew from that file, so that jobs can be measured one at a time.

mod bed;
mod generate;
mod jobs;
mod micro;
mod page;
mod peers;
mod plot;
mod results;
mod targets;
mod whole;

use crate::Outcome;
use crate::run::read;
use crate::workspace::root;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    micro: micro::Chosen,
    /// Do whole jobs on this repository, which is only read.
    #[arg(long)]
    repo: Option<PathBuf>,
    /// What to call that repository; its folder's name unless given.
    #[arg(long, requires = "repo")]
    name: Option<String>,
    /// Do whole jobs on made-up histories of about so many objects, such as 10k,100k,1M.
    #[arg(long, value_delimiter = ',', value_parser = generate::size)]
    generated: Vec<u32>,
    /// Only these jobs; `--list` names them.
    #[arg(long, value_delimiter = ',')]
    job: Vec<String>,
    /// Only these peers beside git-core and git: gix, git2, grit; none for an empty name. All that are built
    /// otherwise.
    #[arg(long, value_delimiter = ',')]
    peer: Option<Vec<String>>,
    /// Build these peers, or all; takes some minutes.
    #[arg(long)]
    build_peers: bool,
    /// How often each job is done, by turns.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Leave out the first, uncounted time in which the results of all are compared.
    #[arg(long)]
    unchecked: bool,
    /// Make ready what the jobs need, and measure nothing.
    #[arg(long)]
    prepare: bool,
    /// Draw docs/performance.md from benches/jobs.csv, and measure nothing.
    #[arg(long)]
    draw: bool,
    /// Name the jobs.
    #[arg(long)]
    list: bool,
    /// The git-core program to run, instead of building it.
    #[arg(long)]
    program: Option<PathBuf>,
}

/// Does what the options ask for; true when all went well.
pub(crate) fn main(options: &Options) -> Outcome<bool> {
    if options.list {
        for job in jobs::JOBS {
            println!("{:24} {}", job.key, job.title);
        }
        return Ok(true);
    }
    if options.draw {
        page::draw(&crate::workspace::root())?;
        return Ok(true);
    }
    if options.build_peers && !peers::build(&crate::workspace::root(), options.peer.as_deref())? {
        return Ok(false);
    }
    if options.repo.is_some() || !options.generated.is_empty() {
        return whole::run(options);
    }
    if options.build_peers {
        return Ok(true);
    }
    micro::run(&options.micro)
}

/// The commit measured, with a `+` when there are changes on top of it.
fn commit(root: &Path) -> Outcome<String> {
    let git = |arguments: &[&str]| read(Command::new("git").current_dir(root).args(arguments));
    let id = git(&["rev-parse", "--short=10", "HEAD"])?;
    let dirty = !git(&["status", "--porcelain", "--untracked-files=no", "--", "crates"])?.is_empty();
    Ok(format!("{}{}", id.trim(), if dirty { "+" } else { "" }))
}

/// Where the program of a peer is, once it was built.
pub(crate) fn peer_program(name: &str) -> Option<PathBuf> {
    peers::OTHERS.iter().find(|other| other.name == name).map(|other| other.program(&root()))
}

/// The day in UTC, as `2026-11-20`.
pub(crate) fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // Days since 1 March of the year 0, so that a leap day ends a year.
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{of_month:02}", era * 400 + year + later)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn days_are_named() {
        let day = |days: u64| date(UNIX_EPOCH + Duration::from_secs(days * 86_400 + 5));
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(19_782), "2024-02-29");
        assert_eq!(day(19_783), "2024-03-01");
        assert_eq!(day(20_453), "2025-12-31");
    }
}
