//! `verify-pack`: checks packs against their indexes, and lists what is in them.

use super::Command;
use crate::args::{Arg, Args};
use crate::fail::{Failure, chain};
use crate::globals::Globals;
use crate::output::{finish, stdout, written};
use crate::repo;
use git_core::object::{Context, ObjectFormat, ReadError};
use git_core::pack::{Verified, verify};
use git_core::store::fs::open_pack;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "verify-pack",
    summary: "Validate packed Git archive files",
    usage: "git-core verify-pack [-v | --verbose] [-s | --stat-only] [--object-format=<format>]
                   [--] <pack>.idx...",
    run,
};

/// What is printed of a pack that is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    Nothing,
    /// Each object, then how long the chains are.
    Objects,
    /// How long the chains are.
    Chains,
}

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (mut detail, mut format, mut packs) = (Detail::Nothing, None, Vec::new());
    while let Some(arg) = args.next()? {
        match arg {
            // Chains alone are shown as soon as anybody asks for that.
            Arg::Short('v') | Arg::Long("verbose") if detail == Detail::Chains => {}
            Arg::Short('v') | Arg::Long("verbose") => detail = Detail::Objects,
            Arg::Short('s') | Arg::Long("stat-only") => detail = Detail::Chains,
            Arg::Long("object-format") => {
                let name = args.text()?;
                format = Some(
                    name.parse::<ObjectFormat>()
                        .map_err(|_| Failure::fatal(format_args!("unknown hash algorithm '{name}'")))?,
                );
            }
            Arg::Value(path) => packs.push(PathBuf::from(path)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    if packs.is_empty() {
        return Err(Failure::usage("", usage));
    }
    let format = match format {
        Some(format) => format,
        None => repo::open_optional(globals)?.map_or_else(ObjectFormat::default, |found| found.format()),
    };
    let (mut out, mut failed) = (stdout(), false);
    for path in &packs {
        let pack = pack_path(path);
        match check(&pack, format) {
            Ok(verified) => {
                print(&verified, detail, &mut out)?;
                if detail == Detail::Objects {
                    written(writeln!(out, "{}: ok", pack.display()))?;
                }
            }
            Err(why) => {
                failed = true;
                eprintln!("{why}");
                if detail != Detail::Nothing {
                    written(writeln!(out, "{}: bad", pack.display()))?;
                }
            }
        }
    }
    finish(out)?;
    Ok(ExitCode::from(u8::from(failed)))
}

/// The pack that an argument means: `x.idx`, `x.pack` and `x` are the same.
fn pack_path(path: &Path) -> PathBuf {
    match path.extension() {
        Some(extension) if extension == "idx" || extension == "pack" => path.with_extension("pack"),
        _ => path.with_added_extension("pack"),
    }
}

/// Checks a pack; what is wrong with it is said in git's words where git has some.
pub(super) fn check(path: &Path, format: ObjectFormat) -> Result<Verified, String> {
    let pack = open_pack(path, format).map_err(|error| match &error {
        ReadError::Unavailable { .. } => {
            let missing = if path.with_extension("idx").exists() { "pack" } else { "idx" };
            let name = path.with_extension(missing);
            format!("fatal: Cannot open existing pack file '{}'", name.display())
        }
        error => format!("error: {}", chain(error)),
    })?;
    verify(&pack, None, &Context::new()).map_err(|error| format!("error: {}", chain(&error)))
}

/// Lists a pack as `-v` and `-s` do.
pub(super) fn print(verified: &Verified, detail: Detail, out: &mut impl Write) -> Result<(), Failure> {
    if detail == Detail::Nothing {
        return Ok(());
    }
    if detail == Detail::Objects {
        for entry in verified.entries() {
            written(write!(
                out,
                "{} {:<6} {} {} {}",
                entry.id,
                entry.kind.name(),
                entry.size,
                entry.size_in_pack,
                entry.offset.0
            ))?;
            written(match entry.base {
                Some(base) => writeln!(out, " {} {base}", entry.depth),
                None => writeln!(out),
            })?;
        }
    }
    let objects = |count: u64| if count == 1 { "object" } else { "objects" };
    for (length, count) in verified.chain_lengths().into_iter().enumerate() {
        match (length, count) {
            (_, 0) => {}
            (0, count) => written(writeln!(out, "non delta: {count} {}", objects(count)))?,
            (length, count) => written(writeln!(out, "chain length = {length}: {count} {}", objects(count)))?,
        }
    }
    Ok(())
}
