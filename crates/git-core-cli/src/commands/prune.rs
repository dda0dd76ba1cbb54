//! `prune`: removes loose objects that nothing reaches.

use super::Command;
use crate::args::{Arg, Args};
use crate::fail::Failure;
use crate::globals::Globals;
use crate::output::{finish, stdout, written};
use crate::repo;
use crate::when;
use bstr::ByteSlice as _;
use git_core::store::maintenance::{DryRun, PruneOptions, Pruned, prune};
use git_core::store::revision;
use std::io::Write as _;
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "prune",
    summary: "Prune all unreachable objects from the object database",
    usage: "git-core prune [-n] [-v] [--progress] [--expire <time>] [--] [<head>...]

    -n, --dry-run         do not remove, show only
    -v, --verbose         report pruned objects
    --progress            show progress
    --expire <expiry-date>
                          expire objects older than <time>",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let mut options = PruneOptions::default();
    let (mut verbose, mut progress, mut heads) = (false, None, Vec::new());
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('n') | Arg::Long("dry-run") => options.dry_run = DryRun::Yes,
            Arg::Long("no-dry-run") => options.dry_run = DryRun::No,
            Arg::Short('v') | Arg::Long("verbose") => verbose = true,
            Arg::Long("no-verbose") => verbose = false,
            Arg::Long("progress") => progress = Some(true),
            Arg::Long("no-progress") => progress = Some(false),
            Arg::Long("expire") => options.expire = when::expiry(&args.text()?)?,
            Arg::Long("no-expire") => options.expire = i64::MAX,
            Arg::Value(head) => heads.push(repo::operand(head)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let repository = repo::open(globals)?;
    if repo::is_precious(&repository)? {
        return Err(Failure::fatal("cannot prune in a precious-objects repo"));
    }
    options.keep = repository.indexed_objects()?;
    options.recent = super::repack::recent_objects(&repository)?;
    let snapshot = repository.snapshot()?;
    for head in heads {
        let id = revision::resolve(&*snapshot, &head)
            .map_err(|_| Failure::fatal(format_args!("unrecognized argument: {}", head.as_bstr())))?;
        options.keep.push(id);
    }
    drop(snapshot);
    let cx = crate::reach::context(crate::progress::wanted(progress, progress.is_none()));
    let tell = verbose || options.dry_run == DryRun::Yes;
    let (mut out, mut said) = (stdout(), Ok(()));
    prune(repo::on_disk(&repository)?, &options, &cx, &mut |pruned| {
        if said.is_err() {
            return;
        }
        said = written(match pruned {
            Pruned::Object(id, kind) if tell => match kind {
                Some(kind) => writeln!(out, "{id} {kind}"),
                None => writeln!(out, "{id} unknown"),
            },
            Pruned::TemporaryFile(path) if tell => {
                let path = repo::shown_path(globals, &repository, path);
                writeln!(out, "Removing stale temporary file {}", path.display())
            }
            Pruned::TemporaryDirectory(path) if tell => {
                let path = repo::shown_path(globals, &repository, path);
                writeln!(out, "Removing stale temporary directory {}", path.display())
            }
            _ => Ok(()),
        });
    })?;
    said?;
    finish(out)?;
    Ok(ExitCode::SUCCESS)
}
