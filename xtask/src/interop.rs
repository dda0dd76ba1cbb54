//! `cargo xtask interop`: our program and git as each other's peers, in all roles.
//!
//! Without `--repo` every cell of a matrix (server, client, object format, protocol version) runs the same
//! scenario on made-up repositories; a sample in which every pair of values occurs, or with `--full` all. With
//! `--repo` a real history is cloned, fetched and pushed, and time and memory are set beside git's.

mod cgi;
pub(crate) mod client;
pub(crate) mod fixture;
mod journal;
pub(crate) mod lab;
pub(crate) mod matrix;
pub(crate) mod measure;
mod others;
mod patches;
pub(crate) mod raw;
mod real;
pub(crate) mod report;
mod scenario;
pub(crate) mod server;

use crate::Outcome;
use crate::run::Clean;
use crate::summary::Count;
use crate::tools;
use crate::workspace::Workspace;
use lab::Lab;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Every cell of the matrix instead of a sample in which every pair of values occurs.
    #[arg(long)]
    full: bool,
    /// Run on this repository, which is only read, and measure.
    #[arg(long)]
    repo: Option<PathBuf>,
    /// What to call the repository in docs/performance.md; without it nothing is written there.
    #[arg(long, requires = "repo")]
    name: Option<String>,
    /// How often each measurement is repeated, ours and git's by turns.
    #[arg(long, default_value_t = 3, requires = "repo")]
    rounds: usize,
    /// How many clients clone at once in the last measurement; 0 leaves it out.
    #[arg(long, default_value_t = 50, requires = "repo")]
    clients: usize,
    /// Go on where an earlier run with the same program and `--repo` was interrupted.
    #[arg(long, requires = "repo")]
    resume: bool,
    /// Only cells whose name contains this, or checks and measurements whose name does.
    #[arg(long)]
    only: Option<String>,
    /// Run against dulwich, libgit2 and gitoxide instead, and write down who works with whom.
    #[arg(long, conflicts_with_all = ["repo", "full", "only"])]
    others: bool,
    /// The git-core program to run, instead of building it.
    #[arg(long)]
    program: Option<PathBuf>,
}

/// Runs what the options ask for; true when everything passed.
pub(crate) fn main(options: &Options) -> Outcome<bool> {
    let workspace = Workspace::load()?;
    let home = tempfile::tempdir()?;
    let git = tools::git(&workspace.target)?;
    let clean = Clean::new(home.path(), git.folder.as_deref())?;
    let program = match &options.program {
        Some(program) => std::path::absolute(program)?,
        None => lab::build(&workspace, lab::Build::Released)?,
    };
    let lab = Lab::new(clean, program)?;
    let count = match &options.repo {
        None if options.others => {
            others::run(&lab, &workspace, Some(&workspace.root.join("docs/compatibility.md")))?
        }
        Some(repo) => real::run(&lab, &workspace, options, repo)?,
        None => cells(&lab, options.full, options.only.as_deref())?,
    };
    println!("{count}");
    Ok(count.failed == 0)
}

/// The matrix, as `cargo xtask test` runs it.
pub(crate) fn matrix(workspace: &Workspace, clean: &Clean, full: bool) -> Outcome<Count> {
    let lab = Lab::new(clean.clone(), lab::build(workspace, lab::Build::Checked)?)?;
    cells(&lab, full, None)
}

/// Other implementations than git, as `cargo xtask test` runs them.
pub(crate) fn others(workspace: &Workspace, clean: &Clean) -> Outcome<Count> {
    let lab = Lab::new(clean.clone(), lab::build(workspace, lab::Build::Checked)?)?;
    others::run(&lab, workspace, None)
}

fn cells(lab: &Lab, full: bool, only: Option<&str>) -> Outcome<Count> {
    let mut cells = if full { matrix::all() } else { matrix::sample(&matrix::all()) };
    if let Some(part) = only {
        cells = matrix::all();
        cells.retain(|cell| cell.to_string().contains(part));
    }
    let next = AtomicUsize::new(0);
    let total = Mutex::new(Count::default());
    let workers = std::thread::available_parallelism().map_or(2, usize::from).min(8);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let results = scenario::run(lab, *cell);
                    let failed = results.iter().filter(|(_, result)| result.is_err()).count();
                    let mut text =
                        format!("{cell}: {} of {} passed\n", results.len() - failed, results.len());
                    for (step, result) in &results {
                        if let Err(error) = result {
                            let error = error.to_string().replace('\n', "\n      ");
                            text.push_str(&format!("  FAILED {step}: {error}\n"));
                        }
                    }
                    print!("{text}");
                    if let Ok(mut total) = total.lock() {
                        *total += Count { passed: results.len() - failed, failed, skipped: 0 };
                    }
                }
            });
        }
    });
    total.into_inner().map_err(|_| "a scenario panicked".into())
}
