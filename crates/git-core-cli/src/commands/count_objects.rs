//! `count-objects`: how many objects there are and what room they take.

use super::Command;
use crate::args::{Arg, Args};
use crate::fail::Failure;
use crate::globals::Globals;
use crate::output::{finish, stdout, written};
use crate::progress::human;
use crate::repo;
use git_core::object::Context;
use git_core::store::maintenance::{GarbageKind, count_objects};
use std::io::Write as _;
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "count-objects",
    summary: "Count unpacked number of objects and their disk consumption",
    usage: "git-core count-objects [-v] [-H | --human-readable]

    -v, --verbose         be verbose
    -H, --human-readable  print sizes in human readable format",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (mut verbose, mut readable) = (false, false);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('v') | Arg::Long("verbose") => verbose = true,
            Arg::Long("no-verbose") => verbose = false,
            Arg::Short('H') | Arg::Long("human-readable") => readable = true,
            Arg::Long("no-human-readable") => readable = false,
            Arg::Value(_) => return Err(Failure::usage("", usage)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let repository = repo::open(globals)?;
    let counts = count_objects(repo::on_disk(&repository)?.objects(), &Context::new())?;
    let size = |bytes: u64| if readable { human(bytes) } else { (bytes / 1024).to_string() };
    let mut out = stdout();
    if !verbose {
        let unit = if readable { "" } else { " kilobytes" };
        written(writeln!(out, "{} objects, {}{unit}", counts.loose, size(counts.loose_bytes)))?;
        finish(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    for garbage in &counts.garbage {
        let what = match garbage.kind {
            GarbageKind::NoIdx => "no corresponding .idx",
            GarbageKind::NoPack => "no corresponding .pack",
            GarbageKind::NoIdxOrPack => "no corresponding .idx or .pack",
            _ => "garbage found",
        };
        eprintln!("warning: {what}: {}", repo::shown_path(globals, &repository, &garbage.path).display());
    }
    let garbage_bytes = counts.garbage.iter().map(|garbage| garbage.bytes).sum();
    for (name, value) in [
        ("count", counts.loose.to_string()),
        ("size", size(counts.loose_bytes)),
        ("in-pack", counts.packed.to_string()),
        ("packs", counts.packs.to_string()),
        ("size-pack", size(counts.pack_bytes)),
        ("prune-packable", counts.prune_packable.to_string()),
        ("garbage", counts.garbage.len().to_string()),
        ("size-garbage", size(garbage_bytes)),
    ] {
        written(writeln!(out, "{name}: {value}"))?;
    }
    for path in &counts.alternates {
        written(writeln!(out, "alternate: {}", path.display()))?;
    }
    finish(out)?;
    Ok(ExitCode::SUCCESS)
}
