//! `cargo xtask fuzz`: every fuzz target for a while.
//!
//! The targets are the programs of `fuzz/Cargo.toml`; their corpus grows in `fuzz/corpus/`, and seeds that are
//! kept lie in `fuzz/seeds/<target>/`. The crates hold next to no unsafe code of their own, so the targets are built
//! without a sanitizer, which makes them several times faster, and lets the compiler that builds everything else build
//! them, too: neither nightly nor cargo-fuzz is needed. `cargo +nightly fuzz run <target>` works as well.

use crate::Outcome;
use crate::run::{output, read, tail, tee};
use crate::summary::Count;
use crate::workspace::{Workspace, cargo, root};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How libFuzzer sees which branches an input takes, as `cargo fuzz` asks for it, with all checks on.
const INSTRUMENTED: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks \
    --cfg fuzzing";

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

/// Fails where libFuzzer, which is C++, cannot be built.
pub(crate) fn ready() -> Outcome {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
    match read(Command::new(&compiler).arg("--version")) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("libFuzzer needs a C++ compiler: {error}").into()),
    }
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

/// Builds all, then runs as many at a time as there are processors, and prints the executions of each.
pub(crate) fn run(workspace: &Workspace, targets: &[String], seconds: u64) -> Outcome<Count> {
    let host = host()?;
    let programs = workspace.target.join("fuzz").join(&host).join("release");
    let mut build = cargo();
    build
        .args(["build", "--release", "--quiet", "--manifest-path", "fuzz/Cargo.toml", "--target", &host])
        .env("CARGO_TARGET_DIR", workspace.target.join("fuzz"))
        .env("CARGO_INCREMENTAL", "0")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", INSTRUMENTED);
    for target in targets {
        build.args(["--bin", target]);
    }
    if !tee(&mut build, Duration::from_secs(1200))?.0 {
        return Err("the fuzz targets do not build; see the messages above".into());
    }
    let next = AtomicUsize::new(0);
    let total = Mutex::new(Count::default());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let passed = match one(workspace, &programs.join(target), target, seconds) {
                        Ok(executions) => {
                            println!("fuzz {target}: {executions} executions in {seconds} s");
                            true
                        }
                        Err(error) => {
                            println!("fuzz {target} FAILED: {error}");
                            false
                        }
                    };
                    if let Ok(mut total) = total.lock() {
                        *total += Count::one(passed);
                    }
                }
            });
        }
    });
    total.into_inner().map_err(|_| "a fuzz run panicked".into())
}

/// One target; the number of its executions, or its last words.
fn one(workspace: &Workspace, program: &Path, target: &str, seconds: u64) -> Outcome<String> {
    let folder = |name: &str| workspace.root.join("fuzz").join(name).join(target);
    let (corpus, artifacts) = (folder("corpus"), folder("artifacts"));
    std::fs::create_dir_all(&corpus)?;
    std::fs::create_dir_all(&artifacts)?;
    let mut command = Command::new(program);
    command.arg(corpus);
    let seeds = folder("seeds");
    if seeds.is_dir() {
        command.arg(seeds);
    }
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.args(["-print_final_stats=1", "-timeout=20", "-rss_limit_mb=1024"]);
    let done = output(&mut command, Duration::from_secs(seconds + 300))?;
    let words = String::from_utf8_lossy(&done.stderr);
    if !done.status.success() {
        return Err(tail(&words, 30).into());
    }
    let executions =
        words.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:")).map(str::trim);
    Ok(executions.ok_or("it tells no number of executions")?.to_owned())
}

/// The triple of this machine. Building for it by name keeps build scripts free of the instrumentation.
fn host() -> Outcome<String> {
    let text = read(Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("-vV"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc does not tell its host")?.to_owned())
}
