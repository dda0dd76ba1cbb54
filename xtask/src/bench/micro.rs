//! Runs the criterion benchmarks and appends what they measured to `benches/history.csv`.
//!
//! What is measured is the business of `crates/*/benches/`.

use super::{commit, date};
use crate::Outcome;
use crate::run::tee;
use crate::workspace::{Workspace, cargo};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The first line of the history.
const HEADER: &str = "date,commit,bench,median_ns,throughput,unit";

#[derive(clap::Args)]
pub(super) struct Chosen {
    /// Only the criterion benchmarks of these crates.
    #[arg(long, short, value_delimiter = ',')]
    package: Vec<String>,
    /// Only criterion benchmarks whose name contains this.
    #[arg(long)]
    filter: Option<String>,
    /// Seconds for which criterion measures each.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Print the results without writing them down.
    #[arg(long)]
    pub(super) dry_run: bool,
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
pub(super) fn run(options: &Chosen) -> Outcome<bool> {
    let workspace = Workspace::load()?;
    let started = SystemTime::now();
    let mut passed = true;
    let mut ran = 0;
    for package in &workspace.packages {
        if !options.package.is_empty() && !options.package.contains(&package.name) {
            continue;
        }
        for bench in &package.benches {
            let mut command = cargo();
            command.args(["bench", "--package", &package.name, "--bench", bench, "--", "--noplot"]);
            command.args(["--warm-up-time", "0.5", "--measurement-time", &options.seconds.to_string()]);
            command.args(&options.filter);
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
}
