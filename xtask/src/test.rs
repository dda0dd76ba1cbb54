//! `cargo xtask test`: everything that has to hold, on a machine that has only Rust.
//!
//! Each step is timed and ends up in a table. What could not be had is named and what depends on it counts as
//! skipped, never as passed. The last line counts the tests; a step without tests of its own counts as one.

use crate::run::{Clean, shown, tail, tee};
use crate::summary::{Count, Ending, Steps};
use crate::workspace::{Workspace, cargo, root};
use crate::{Outcome, fuzz, interop, tidy, tools};
use std::process::Command;
use std::time::{Duration, Instant};

/// The steps, in their order.
const STEPS: [&str; 14] = [
    "git",
    "fmt",
    "clippy",
    "tidy",
    "tests",
    "doc tests",
    "doc",
    "wasm",
    "interop",
    "other clients",
    "fuzz",
    "benches build",
    "dependencies",
    "advisories",
];

/// The longest that one step may take.
const PATIENCE: Duration = Duration::from_secs(3600);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Everything: ignored tests, the whole interoperability matrix, longer fuzzing, benchmarks built, the
    /// dependencies checked.
    #[arg(long)]
    full: bool,
    /// Only these steps, such as git,interop, and the others not at all. The git to test against is always made ready.
    #[arg(long, value_delimiter = ',', value_name = "STEP")]
    only: Vec<String>,
}

struct Run {
    /// All when empty.
    only: Vec<String>,
    clean: Clean,
    steps: Steps,
    total: Count,
}

/// Runs all steps; true when all of them passed.
pub(crate) fn main(options: &Options) -> Outcome<bool> {
    if let Some(unknown) = options.only.iter().find(|name| !STEPS.contains(&&name[..])) {
        return Err(format!("there is no step {unknown:?}; there are {}", STEPS.join(", ")).into());
    }
    let workspace = Workspace::load()?;
    let home = tempfile::tempdir()?;
    let mut run = Run {
        only: options.only.clone(),
        clean: Clean::new(home.path(), None)?,
        steps: Steps::default(),
        total: Count::default(),
    };

    let mut git_version = String::new();
    run.always("git", |clean| {
        let git = tools::git(&workspace.target)?;
        *clean = Clean::new(home.path(), git.folder.as_deref())?;
        git_version = git.version;
        Ok(Count::default())
    });
    let has_git = run.steps.all_passed();

    for (name, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        let mut command = cargo();
        match name {
            "fmt" => command.args(["fmt", "--all", "--check"]),
            _ => command.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        };
        if run.wanted(name) && !tools::has(name) {
            // A failure shows in the step itself.
            let _ = tee(
                Command::new("rustup").args(["component", "add", component]).current_dir(root()),
                PATIENCE,
            );
        }
        run.cargo(name, command);
    }
    run.step("tidy", |_| Ok(Count::one(tidy::main()?)));

    run.cargo("tests", tests(options));
    let mut documented = cargo();
    documented.args(["test", "--workspace", "--doc", "--no-fail-fast"]);
    run.cargo("doc tests", documented);
    let mut pages = cargo();
    pages.args(["doc", "--workspace", "--lib", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings");
    run.cargo("doc", pages);
    run.wasm();

    if has_git {
        run.step("interop", |clean| interop::matrix(&workspace, clean, options.full));
        run.step("other clients", |clean| interop::others(&workspace, clean));
    } else {
        run.skip("interop", "no git", 1);
        run.skip("other clients", "no git", 1);
    }
    run.fuzz(&workspace, if options.full { 30 } else { 5 });
    if options.full || options.only.iter().any(|name| name == "benches build") {
        let mut benches = cargo();
        benches.args(["bench", "--workspace", "--benches", "--no-run"]);
        run.cargo("benches build", benches);
    }
    run.deny(options);

    println!("\n{}", run.steps);
    if has_git {
        println!("git on the other side: {git_version}");
    }
    println!("{}", run.total);
    Ok(run.steps.all_passed())
}

fn tests(options: &Options) -> Command {
    let mut command = cargo();
    if tools::has("nextest") {
        command.args([
            "nextest",
            "run",
            "--workspace",
            "--no-fail-fast",
            "--no-tests=pass",
            "--status-level=fail",
        ]);
        if options.full {
            command.args(["--run-ignored", "all"]);
        }
    } else {
        command.args(["test", "--workspace", "--lib", "--bins", "--tests", "--examples", "--no-fail-fast"]);
        if options.full {
            command.args(["--", "--include-ignored"]);
        }
    }
    command
}

impl Run {
    fn wanted(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// One step, if it is wanted; an error is a failed test.
    fn step(&mut self, name: &str, body: impl FnOnce(&mut Clean) -> Outcome<Count>) {
        if self.wanted(name) {
            self.always(name, body);
        }
    }

    fn always(&mut self, name: &str, body: impl FnOnce(&mut Clean) -> Outcome<Count>) {
        println!("\n── {name}");
        let start = Instant::now();
        let ending = match body(&mut self.clean) {
            Ok(count) => {
                self.total += count;
                if count.failed == 0 { Ending::Passed } else { Ending::Failed(format!("{count}")) }
            }
            Err(error) => {
                println!("{error}");
                self.total.failed += 1;
                Ending::Failed(tail(&error.to_string(), 3))
            }
        };
        self.steps.push(name, ending, start.elapsed());
    }

    /// One step that is a cargo command; what it does not count itself is one test.
    fn cargo(&mut self, name: &str, mut command: Command) {
        self.step(name, |clean| {
            println!("{}", shown(&command));
            let (passed, output) = tee(clean.calm(&mut command), PATIENCE)?;
            let mut count = Count::parse(&output);
            if count == Count::default() || (!passed && count.failed == 0) {
                count += Count::one(passed);
            }
            Ok(count)
        });
    }

    fn skip(&mut self, name: &str, why: &str, tests: usize) {
        if !self.wanted(name) {
            return;
        }
        println!("\n── {name}\nskipped: {why}");
        self.total.skipped += tests;
        self.steps.push(name, Ending::Skipped(why.to_owned()), Duration::ZERO);
    }

    /// The crates that do no I/O build where there is none.
    fn wasm(&mut self) {
        if !self.wanted("wasm") {
            return;
        }
        let target = "wasm32-unknown-unknown";
        let mut add = Command::new("rustup");
        if !tee(add.args(["target", "add", target]).current_dir(root()), PATIENCE)
            .is_ok_and(|(added, _)| added)
        {
            return self.skip("wasm", "rustup has no such target", 1);
        }
        let mut command = cargo();
        command.args(["check", "--quiet", "--target", target]);
        for name in ["hash", "config", "object", "idx", "pack", "ref", "diff", "protocol"] {
            command.args(["--package", &format!("git-core-{name}")]);
        }
        self.cargo("wasm", command);
    }

    fn fuzz(&mut self, workspace: &Workspace, seconds: u64) {
        let targets = match fuzz::targets() {
            Ok(targets) if targets.is_empty() => return self.skip("fuzz", "no targets in fuzz/", 0),
            Ok(targets) => targets,
            Err(error) => return self.step("fuzz", |_| Err(error)),
        };
        match fuzz::ready() {
            Ok(()) => self.step("fuzz", |_| fuzz::run(workspace, &targets, seconds)),
            Err(error) => self.skip("fuzz", &error.to_string(), targets.len()),
        }
    }

    /// Building cargo-deny takes minutes, so only a full run installs it, or one that asks for nothing else.
    fn deny(&mut self, options: &Options) {
        let asked = ["dependencies", "advisories"].map(|name| self.wanted(name));
        if asked == [false; 2] {
            return;
        }
        let install = options.full || !self.only.is_empty();
        let there = if install { tools::subcommand("deny") } else { Ok(()) };
        match there {
            Ok(()) if tools::has("deny") => {
                let mut command = cargo();
                command.args(["deny", "--workspace", "check", "licenses", "bans", "sources"]);
                self.cargo("dependencies", command);
                self.advisories();
            }
            Ok(()) => self.skip("dependencies", "no cargo-deny; --full installs it", 1),
            Err(error) => self.skip("dependencies", &error.to_string(), 1),
        }
    }

    /// Known holes in dependencies. Their list lives on the network, so not having it is no failure of ours.
    fn advisories(&mut self) {
        if !self.wanted("advisories") {
            return;
        }
        let mut fetch = cargo();
        let fetched = tee(fetch.args(["deny", "fetch", "db"]), PATIENCE);
        if !fetched.is_ok_and(|(fetched, _)| fetched) {
            return self.skip("advisories", "their database could not be fetched", 1);
        }
        let mut command = cargo();
        command.args(["deny", "--offline", "--workspace", "check", "advisories"]);
        self.cargo("advisories", command);
    }
}
