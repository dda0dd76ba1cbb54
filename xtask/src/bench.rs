//! `cargo xtask bench`: runs the criterion benchmarks and appends what they measured to `benches/history.csv`.
//!
//! What is measured is the business of `crates/*/benches/`.

use crate::Outcome;
use crate::run::{read, tee};
use crate::workspace::{Workspace, cargo};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The first line of the history.
const HEADER: &str = "date,commit,bench,median_ns,throughput,unit";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// A repository whose objects the benchmarks take instead of made-up ones, as `GIT_CORE_BENCH_REPO`.
    #[arg(long)]
    repo: Option<PathBuf>,
    /// Only the benchmarks of this crate.
    #[arg(long, short)]
    package: Option<String>,
    /// Only benchmarks whose name contains this.
    #[arg(long)]
    filter: Option<String>,
    /// Print the results without appending them.
    #[arg(long)]
    dry_run: bool,
}

/// One result.
#[derive(Debug, PartialEq)]
struct Measured {
    name: String,
    median: f64,
    /// Per second.
    throughput: Option<(f64, &'static str)>,
}

/// Runs and records; true when all benchmarks ran.
pub(crate) fn main(options: &Options) -> Outcome<bool> {
    let workspace = Workspace::load()?;
    let started = SystemTime::now();
    let mut passed = true;
    let mut ran = 0;
    for package in &workspace.packages {
        if options.package.as_ref().is_some_and(|wanted| *wanted != package.name) {
            continue;
        }
        for bench in &package.benches {
            let mut command = cargo();
            command.args(["bench", "--package", &package.name, "--bench", bench, "--", "--noplot"]);
            command.args(&options.filter);
            if let Some(repo) = &options.repo {
                command.env("GIT_CORE_BENCH_REPO", std::path::absolute(repo)?);
            }
            passed &= tee(&mut command, Duration::from_secs(3600))?.0;
            ran += 1;
        }
    }
    if ran == 0 {
        return Err("no benchmark has this name".into());
    }
    let mut results = Vec::new();
    collect(&workspace.target.join("criterion"), started, &mut results)?;
    results.sort_by(|a, b| a.name.cmp(&b.name));
    let lines = rows(&results, &date(started), &commit(&workspace.root)?);
    print!("{lines}");
    if !options.dry_run {
        let history = workspace.root.join("benches/history.csv");
        let mut text = std::fs::read_to_string(&history).unwrap_or_else(|_| format!("{HEADER}\n"));
        text.push_str(&lines);
        std::fs::write(&history, text)?;
        println!("{} results appended to benches/history.csv", results.len());
    }
    Ok(passed)
}

/// Everything below `folder` that criterion has written since `started`.
fn collect(folder: &Path, started: SystemTime, results: &mut Vec<Measured>) -> Outcome {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        let estimates = path.join("estimates.json");
        if path.ends_with("new") && estimates.exists() {
            if estimates.metadata()?.modified()? >= started {
                let value = |name: &str| -> Outcome<Value> {
                    Ok(serde_json::from_str(&std::fs::read_to_string(path.join(name))?)?)
                };
                results.push(measured(&value("benchmark.json")?, &value("estimates.json")?)?);
            }
        } else {
            collect(&path, started, results)?;
        }
    }
    Ok(())
}

fn measured(benchmark: &Value, estimates: &Value) -> Outcome<Measured> {
    let name = benchmark["full_id"].as_str().ok_or("criterion names no full_id")?.to_owned();
    let median = estimates["median"]["point_estimate"].as_f64().ok_or("criterion gives no median")?;
    let per_second = |key: &str, unit| {
        let amount = benchmark["throughput"][key].as_f64()?;
        Some((amount * 1e9 / median, unit))
    };
    let throughput = per_second("Bytes", "B/s")
        .or_else(|| per_second("BytesDecimal", "B/s"))
        .or_else(|| per_second("Elements", "elements/s"));
    Ok(Measured { name, median, throughput })
}

fn rows(results: &[Measured], date: &str, commit: &str) -> String {
    let mut text = String::new();
    for Measured { name, median, throughput } in results {
        let name = name.replace([',', '"', '\n'], "_");
        let (amount, unit) =
            throughput.map_or((String::new(), ""), |(amount, unit)| (format!("{amount:.0}"), unit));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{date},{commit},{name},{median:.1},{amount},{unit}");
    }
    text
}

/// The commit measured, with a `+` when there are changes on top of it.
fn commit(root: &Path) -> Outcome<String> {
    let git = |arguments: &[&str]| read(Command::new("git").current_dir(root).args(arguments));
    let id = git(&["rev-parse", "--short=10", "HEAD"])?;
    let dirty = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Ok(format!("{}{}", id.trim(), if dirty { "+" } else { "" }))
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

    #[test]
    fn a_result_becomes_a_row() {
        let benchmark = serde_json::json!({"full_id": "pack/entry,decode", "throughput": {"Bytes": 1000}});
        let estimates = serde_json::json!({"median": {"point_estimate": 500.25}});
        let result = measured(&benchmark, &estimates).unwrap();
        let text = rows(&[result], "2026-11-20", "abc");
        assert_eq!(text, "2026-11-20,abc,pack/entry_decode,500.2,1999000500,B/s\n");
        assert_eq!(text.split(',').count(), HEADER.split(',').count());
    }

    #[test]
    fn days_are_named() {
        let day = |days: u64| date(UNIX_EPOCH + Duration::from_secs(days * 86_400 + 5));
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(19_782), "2024-02-29");
        assert_eq!(day(19_783), "2024-03-01");
        assert_eq!(day(20_453), "2025-12-31");
    }
}
