//! `symbolic-ref`: reads, sets and deletes symbolic refs.

use super::Command;
use crate::args::{Arg, Args};
use crate::fail::{Failure, chain};
use crate::globals::Globals;
use crate::names::{Ambiguity, shorten};
use crate::repo;
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::object::Context;
use git_core::refs::{Change, Deref, Expected, LogMessage, RefEdit, RefName, RefTransaction, Target};
use git_core::store::Snapshot;
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "symbolic-ref",
    summary: "Read, modify and delete symbolic refs",
    usage: "git-core symbolic-ref [-m <reason>] <name> <ref>
   or: git-core symbolic-ref [-q] [--short] [--no-recurse] <name>
   or: git-core symbolic-ref --delete [-q] <name>",
    run,
};

/// How many symbolic refs may follow one another.
const MOST: usize = 5;

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (mut quiet, mut short, mut delete, mut recurse, mut reason) = (false, false, false, true, None);
    let mut operands = Vec::new();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('q') | Arg::Long("quiet") => quiet = true,
            Arg::Short('d') | Arg::Long("delete") => delete = true,
            Arg::Long("short") => short = true,
            Arg::Long("recurse") => recurse = true,
            Arg::Long("no-recurse") => recurse = false,
            Arg::Short('m') => reason = Some(repo::operand(args.value()?)),
            Arg::Value(value) => operands.push(repo::operand(value)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    if reason.as_ref().is_some_and(Vec::is_empty) {
        return Err(Failure::fatal("Refusing to perform update with empty message"));
    }
    let repository = repo::open(globals)?;
    match (&operands[..], delete) {
        ([name], true) => remove(&repository, name),
        ([name], false) => read(&*repository.snapshot()?, name, quiet, short, recurse),
        ([name, target], false) => set(&repository, name, target, reason),
        _ => Err(Failure::usage("", usage)),
    }
}

/// The name that a symbolic ref holds; followed to the end when asked.
fn target(snapshot: &dyn Snapshot, name: &[u8], recurse: bool) -> Result<Option<RefName>, Failure> {
    let Ok(mut at) = RefName::new(name) else {
        return Err(Failure::fatal(format_args!("No such ref: {}", name.as_bstr())));
    };
    let mut found = None;
    for _ in 0..=MOST {
        match snapshot.find_ref(&at)?.map(|reference| reference.target) {
            Some(Target::Symbolic(next)) => at = next,
            _ => return Ok(found),
        }
        found = Some(at.clone());
        if !recurse {
            return Ok(found);
        }
    }
    Err(Failure::fatal(format_args!("No such ref: {}", name.as_bstr())))
}

fn read(
    snapshot: &dyn Snapshot,
    name: &[u8],
    quiet: bool,
    short: bool,
    recurse: bool,
) -> Result<ExitCode, Failure> {
    match target(snapshot, name, recurse)? {
        Some(found) if short => {
            println!("{}", shorten(snapshot, found.as_bytes(), Ambiguity::Loose)?.as_bstr());
        }
        Some(found) => println!("{found}"),
        None if quiet => return Err(Failure::silent(1)),
        None => {
            return Err(Failure::fatal(format_args!("ref {} is not a symbolic ref", name.as_bstr())));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn set(
    repository: &Repository,
    name: &[u8],
    target: &[u8],
    reason: Option<Vec<u8>>,
) -> Result<ExitCode, Failure> {
    if name == b"HEAD" && !target.starts_with(b"refs/") {
        return Err(Failure::fatal("Refusing to point HEAD outside of refs/"));
    }
    let checked = |text: &[u8]| RefName::new(text);
    let to = checked(target).map_err(|_| {
        Failure::fatal(format_args!(
            "Refusing to set '{}' to invalid ref '{}'",
            name.as_bstr(),
            target.as_bstr()
        ))
    })?;
    let from = checked(name).map_err(|_| {
        Failure::fatal(format_args!("refusing to update ref with bad name '{}'", name.as_bstr()))
    })?;
    let log = reason.and_then(|reason| Some(LogMessage::new(repository.committer_line()?, reason)));
    let mut edit = RefTransaction::new();
    edit.set_symbolic(from, to, log);
    repository.storage().commit(Vec::new(), &edit, &Context::new())?;
    Ok(ExitCode::SUCCESS)
}

fn remove(repository: &Repository, name: &[u8]) -> Result<ExitCode, Failure> {
    let snapshot = repository.snapshot()?;
    if target(&*snapshot, name, false)?.is_none() {
        return Err(Failure::fatal(format_args!("Cannot delete {}, not a symbolic ref", name.as_bstr())));
    }
    if name == b"HEAD" {
        return Err(Failure::fatal("deleting 'HEAD' is not allowed"));
    }
    let mut edit = RefTransaction::new();
    edit.push(RefEdit {
        name: RefName::new(name)?,
        expected: Expected::Any,
        change: Change::Delete { log: None },
        deref: Deref::Direct,
    });
    repository
        .storage()
        .commit(Vec::new(), &edit, &Context::new())
        .map_err(|error| Failure::error(1, chain(&error)))?;
    Ok(ExitCode::SUCCESS)
}
