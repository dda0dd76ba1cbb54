//! `pack-refs`: writes loose refs into `packed-refs`.

use super::Command;
use crate::args::{Arg, Args};
use crate::fail::{Failure, chain};
use crate::globals::Globals;
use crate::repo;
use git_core::config::WildOptions;
use git_core::config::wildmatch::Pattern;
use git_core::object::Context;
use git_core::store::fs::refs::{PackRefsOptions, PackSelect, PackWhen, PackedFiles};
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "pack-refs",
    summary: "Pack heads and tags for efficient repository access",
    usage: "git-core pack-refs [--all] [--no-prune] [--auto] [--include <pattern>] [--exclude <pattern>]

    --all                 pack everything
    --no-prune            do not remove loose refs
    --auto                pack refs only if they are many
    --include <pattern>   references to include
    --exclude <pattern>   references to exclude",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let mut options = PackRefsOptions::default();
    let (mut all, mut included) = (false, Vec::new());
    let pattern = |text: std::ffi::OsString| Pattern::new(&repo::operand(text), WildOptions::default());
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("all") => all = true,
            Arg::Long("no-all") => all = false,
            Arg::Long("prune") => options.files = PackedFiles::Remove,
            Arg::Long("no-prune") => options.files = PackedFiles::Keep,
            Arg::Long("auto") => options.when = PackWhen::Needed,
            Arg::Long("no-auto") => options.when = PackWhen::Always,
            Arg::Long("include") => included.push(pattern(args.value()?)),
            Arg::Long("no-include") => included.clear(),
            Arg::Long("exclude") => options.exclude.push(pattern(args.value()?)),
            Arg::Long("no-exclude") => options.exclude.clear(),
            Arg::Value(_) => return Err(Failure::usage("", usage)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    options.select = match (all, included.is_empty()) {
        (true, _) => PackSelect::All,
        (false, true) => PackSelect::Tags,
        (false, false) => PackSelect::Matching(included),
    };
    let repository = repo::open(globals)?;
    let storage = repo::on_disk(&repository)?;
    let report = storage.refs().pack(&**storage.objects(), &options, &Context::new())?;
    for name in &report.dangling {
        eprintln!("error: {name} does not point to a valid object!");
    }
    for (_, error) in &report.left {
        eprintln!("error: {}", chain(error));
    }
    Ok(ExitCode::SUCCESS)
}
