//! The project's own chores, run as `cargo xtask <chore>`.
//!
//! This file holds the command line; each chore is a module of its own. Nothing here is part of the
//! product, and the product knows nothing of it.
#![forbid(unsafe_code)]

mod bench;
mod fuzz;
mod interop;
mod run;
mod summary;
mod test;
mod tidy;
mod tools;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// What every chore returns when it cannot go on: a message for the person who ran it.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own chores", version)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check the rules that no compiler checks: edges between crates, file headers, links.
    Tidy,
    /// Set up what is missing and run every test, interoperability included.
    Test(test::Options),
    /// Run our program against git, in all roles.
    Interop(interop::Options),
    /// Run the benchmarks and append their results to benches/history.csv.
    Bench(bench::Options),
    /// Run every fuzz target for a while.
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Tidy => tidy::main(),
        Chore::Test(options) => test::main(&options),
        Chore::Interop(options) => interop::main(&options),
        Chore::Bench(options) => bench::main(&options),
        Chore::Fuzz(options) => fuzz::main(&options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
