//! `prune-packed`: removes loose objects that are packed too.

use super::Command;
use crate::args::{Arg, Args};
use crate::fail::Failure;
use crate::globals::Globals;
use crate::output::{finish, stdout, written};
use crate::repo;
use git_core::object::Context;
use git_core::store::maintenance::{DryRun, prune_packed};
use std::io::Write as _;
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "prune-packed",
    summary: "Remove extra objects that are already in pack files",
    usage: "git-core prune-packed [-n | --dry-run] [-q | --quiet]

    -n, --dry-run         dry run
    -q, --quiet           be quiet",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let mut dry_run = DryRun::No;
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('n') | Arg::Long("dry-run") => dry_run = DryRun::Yes,
            Arg::Long("no-dry-run") => dry_run = DryRun::No,
            Arg::Short('q') | Arg::Long("quiet" | "no-quiet") => {}
            Arg::Value(_) => return Err(Failure::usage("too many arguments", usage)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let repository = repo::open(globals)?;
    let (mut out, mut said) = (stdout(), Ok(()));
    prune_packed(repo::on_disk(&repository)?.objects(), dry_run, &Context::new(), &mut |path| {
        if dry_run == DryRun::Yes && said.is_ok() {
            let path = repo::shown_path(globals, &repository, path);
            said = written(writeln!(out, "rm -f {}", path.display()));
        }
    })?;
    said?;
    finish(out)?;
    Ok(ExitCode::SUCCESS)
}
