//! `show-index`: what a pack index on standard input says, line by line.

use super::Command;
use crate::args::{Arg, Args};
use crate::fail::{Failure, chain};
use crate::globals::Globals;
use crate::output::{finish, stdout, written};
use crate::repo;
use git_core::idx::{IdxFile, IdxPosition};
use git_core::object::ObjectFormat;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "show-index",
    summary: "Show packed archive index",
    usage: "git-core show-index [--object-format=<hash-algorithm>] < <pack-idx-file>

    --object-format <hash-algorithm>
                          specify the hash algorithm to use",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let mut format = None;
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("object-format") => {
                let name = args.text()?;
                let known = name.parse::<ObjectFormat>();
                format = Some(known.map_err(|_| Failure::fatal("Unknown hash algorithm"))?);
            }
            // As git does it.
            Arg::Value(_) => {}
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let format = match format {
        Some(format) => format,
        None => repo::open_optional(globals)?.map_or_else(ObjectFormat::default, |found| found.format()),
    };
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    if bytes.len() < 8 {
        return Err(Failure::fatal("unable to read header"));
    }
    if bytes.starts_with(b"\xfftOc") && bytes[4..8] != 2u32.to_be_bytes() {
        return Err(Failure::fatal("unknown index version"));
    }
    let idx = IdxFile::open(bytes, format)
        .map_err(|error| Failure::fatal(format_args!("unable to read index: {}", chain(&error))))?;
    let mut out = stdout();
    for (row, id) in (0..).map(IdxPosition).zip(idx.ids()) {
        let offset = idx.offset_at(row)?;
        written(match idx.crc_at(row) {
            Some(crc) => writeln!(out, "{offset} {id} ({crc:08x})"),
            None => writeln!(out, "{offset} {id}"),
        })?;
    }
    finish(out)?;
    Ok(ExitCode::SUCCESS)
}
