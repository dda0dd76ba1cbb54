//! `unpack-objects`: takes a pack in and stores its objects one by one.

use super::Command;
use super::index_pack::{parse_header, receive};
use super::unpack_objects_salvage::{Stored, salvage};
use crate::args::{Arg, Args};
use crate::fail::Failure;
use crate::globals::Globals;
use crate::pack_checks::{Checks, verdict};
use crate::repo;
use git_core::object::Limits;
use git_core::refs::RefTransaction;
use git_core::store::{ObjectObserver, PackOptions};
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) const COMMAND: Command = Command {
    name: "unpack-objects",
    summary: "Unpack objects from a packed archive",
    usage: "git-core unpack-objects [-n] [-q] [-r] [--strict] [--max-input-size=<size>]",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (mut dry_run, mut quiet, mut recover, mut checks) = (false, false, false, Checks::default());
    let (mut limits, mut header) = (Limits::default(), None);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('n') => dry_run = true,
            Arg::Short('q') => quiet = true,
            Arg::Short('r') => recover = true,
            Arg::Long("strict") => {
                (checks.form, checks.links) = (true, true);
                let severities = args.optional_value().unwrap_or_default();
                checks.set_severities(&severities.to_string_lossy())?;
            }
            Arg::Long("pack_header") => header = Some(parse_header(&args.text()?)?),
            Arg::Long("max-input-size") => {
                limits.pack_bytes = match args.number()? {
                    0 => u64::MAX,
                    n => n,
                }
            }
            _ => return Err(Failure::usage("", usage)),
        }
    }
    let repository = repo::open(globals)?;
    let cx = crate::reach::context(crate::progress::wanted(None, quiet)).with_limits(limits);
    if recover {
        let stored = if dry_run { Stored::Nothing } else { Stored::Whole };
        return salvage(&repository, stored, header, &checks, &cx);
    }
    let storage = repository.storage();
    let snapshot = repository.snapshot()?;
    let mut quarantine = storage.receive(&snapshot)?;
    let mut options = PackOptions::default();
    options.unpack_below = u64::MAX;
    let checks = checks.observer(repository.format())?;
    options.observer = checks.clone().map(|checks| -> Arc<dyn ObjectObserver> { checks });
    receive(&mut *quarantine, &options, header, || {}, &cx)
        .map_err(|failure| verdict(checks.as_ref(), failure))?;
    if let Some(checks) = checks {
        let snapshot = quarantine.snapshot()?;
        let missing = checks.finish(&*snapshot, &*snapshot)?;
        if let Some(id) = missing.first() {
            return Err(Failure::fatal(format_args!("did not receive expected object {id}")));
        }
    }
    if !dry_run {
        storage.commit(vec![quarantine], &RefTransaction::new(), &cx)?;
    }
    Ok(ExitCode::SUCCESS)
}
