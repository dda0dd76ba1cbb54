//! `cargo xtask fuzz`: every fuzz target for a while.
//!
//! The targets are the programs of `fuzz/Cargo.toml`; their corpus grows in `fuzz/corpus/`, and seeds that are
//! kept lie in `fuzz/seeds/<target>/`. The crates hold no unsafe code of their own, so the targets are built
//! without a sanitizer, which makes them several times faster.

use crate::Outcome;
use crate::run::{output, tail, tee};
use crate::summary::Count;
use crate::tools;
use crate::workspace::{Workspace, cargo, cargo_nightly, root};
use std::process::Command;
use std::time::Duration;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Seconds for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only the targets whose name contains this.
    #[arg(long)]
    target: Option<String>,
}

/// Runs the targets; true when none found anything.
pub(crate) fn main(options: &Options) -> Outcome<bool> {
    ready()?;
    let mut targets = targets()?;
    if let Some(part) = &options.target {
        targets.retain(|name| name.contains(&part[..]));
    }
    let count = run(&Workspace::load()?, &targets, options.seconds)?;
    println!("{count}");
    Ok(count.failed == 0)
}

/// Nightly and cargo-fuzz, installed if need be.
pub(crate) fn ready() -> Outcome {
    tools::nightly()?;
    tools::subcommand("fuzz")
}

/// The names of the targets, sorted; none where there is no `fuzz/Cargo.toml`.
pub(crate) fn targets() -> Outcome<Vec<String>> {
    let manifest = root().join("fuzz/Cargo.toml");
    if !manifest.exists() {
        return Ok(Vec::new());
    }
    let mut metadata = cargo();
    metadata.args(["metadata", "--format-version", "1", "--no-deps", "--manifest-path"]).arg(&manifest);
    let value: serde_json::Value = serde_json::from_str(&crate::run::read(&mut metadata)?)?;
    let mut names: Vec<String> = value["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|package| package["targets"].as_array().into_iter().flatten())
        .filter(|target| {
            target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "bin"))
        })
        .filter_map(|target| target["name"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

/// Builds all, then runs one after the other, and prints the executions of each.
pub(crate) fn run(workspace: &Workspace, targets: &[String], seconds: u64) -> Outcome<Count> {
    let fuzz = |verb: &str| -> Command {
        let mut command = cargo_nightly();
        command
            .args(["fuzz", verb, "--sanitizer", "none"])
            .env("CARGO_TARGET_DIR", workspace.target.join("fuzz"));
        command
    };
    // All at once is quickest. A target that does not build fails on its own below.
    let mut build = fuzz("build");
    if let [only] = targets {
        build.arg(only);
    }
    tee(&mut build, Duration::from_secs(1200))?;
    let mut count = Count::default();
    for target in targets {
        let folder = workspace.root.join("fuzz/corpus").join(target);
        std::fs::create_dir_all(&folder)?;
        let mut command = fuzz("run");
        command.arg(target).arg(&folder);
        let seeds = workspace.root.join("fuzz/seeds").join(target);
        if seeds.is_dir() {
            command.arg(seeds);
        }
        command.arg("--").arg(format!("-max_total_time={seconds}"));
        command.args(["-print_final_stats=1", "-timeout=20", "-rss_limit_mb=1024"]);
        let done = output(&mut command, Duration::from_secs(seconds + 300))?;
        let words = String::from_utf8_lossy(&done.stderr);
        let executions = words
            .lines()
            .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
            .map_or("no", str::trim);
        println!("fuzz {target}: {executions} executions in {seconds} s");
        if !done.status.success() {
            println!("fuzz {target} FAILED: {}", tail(&words, 30));
        }
        count += Count::one(done.status.success());
    }
    Ok(count)
}
