//! `update-ref`: changes refs, one by its arguments or many from standard input.

use super::Command;
use super::update_ref_stdin as script;
use crate::args::{Arg, Args};
use crate::fail::{Failure, chain};
use crate::globals::Globals;
use crate::repo;
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::object::{Context, ObjectId};
use git_core::refs::{Change, Deref, Expected, LogMessage, RefEdit, RefName, RefTransaction, Target};
use git_core::store::revision;
use git_core::store::{CommitError, Snapshot};
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "update-ref",
    summary: "Update the object name stored in a ref safely",
    usage: "git-core update-ref [<options>] -d <refname> [<old-oid>]
   or: git-core update-ref [<options>]    <refname> <new-oid> [<old-oid>]
   or: git-core update-ref [<options>] --stdin [-z]

    -m <reason>           reason of the update
    -d                    delete the reference
    --no-deref            update <refname> not the one it points to
    -z                    stdin has NUL-terminated arguments
    --stdin               read updates from stdin
    --create-reflog       create a reflog",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (mut delete, mut from_stdin, mut nul, mut create_log) = (false, false, false, false);
    let (mut deref, mut reason, mut operands) = (Deref::Follow, None, Vec::new());
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('m') => reason = Some(repo::operand(args.value()?)),
            Arg::Short('d') => delete = true,
            Arg::Short('z') => nul = true,
            Arg::Long("stdin") => from_stdin = true,
            Arg::Long("deref") => deref = Deref::Follow,
            Arg::Long("no-deref") => deref = Deref::Direct,
            Arg::Long("create-reflog") => create_log = true,
            Arg::Long("no-create-reflog") => create_log = false,
            Arg::Value(value) => operands.push(repo::operand(value)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    if reason.as_ref().is_some_and(Vec::is_empty) {
        return Err(Failure::fatal("Refusing to perform update with empty message."));
    }
    if from_stdin && (delete || !operands.is_empty()) || nul && !from_stdin {
        return Err(Failure::usage("", usage));
    }
    let overrides: &[&str] = if create_log { &["core.logAllRefUpdates=always"] } else { &[] };
    let repository = repo::open_under(globals, overrides)?;
    let log =
        repository.committer_line().map(|committer| LogMessage::new(committer, reason.unwrap_or_default()));
    if from_stdin {
        return script::run(&repository, log, deref, if nul { 0 } else { b'\n' });
    }
    let (name, new, old) = match (&operands[..], delete) {
        ([name], true) => (name, None, None),
        ([name, old], true) => (name, None, Some(old)),
        ([name, new], false) => (name, Some(new), None),
        ([name, new, old], false) => (name, Some(new), Some(old)),
        _ => return Err(Failure::usage("", usage)),
    };
    let snapshot = repository.snapshot()?;
    let expected = match old {
        None => Expected::Any,
        Some(old) => expectation(value(&*snapshot, old)?),
    };
    let new = new.map(|new| value(&*snapshot, new)).transpose()?.flatten();
    let change = match new {
        Some(id) => Change::Update { target: Target::Id(id), log },
        None => Change::Delete { log },
    };
    let deletes = matches!(change, Change::Delete { .. });
    let fail = |why: &str| {
        if deletes {
            Failure::error(1, why)
        } else {
            Failure::fatal(format_args!("update_ref failed for ref '{}': {why}", name.as_bstr()))
        }
    };
    let ref_name = RefName::new(name)
        .map_err(|_| fail(&format!("refusing to update ref with bad name '{}'", name.as_bstr())))?;
    let mut edits = RefTransaction::new();
    edits.push(RefEdit { name: ref_name, expected, change, deref });
    commit(&repository, &edits, fail)?;
    Ok(ExitCode::SUCCESS)
}

/// The id that an argument names; `None` for the zero id and an empty argument.
fn value(snapshot: &dyn Snapshot, text: &[u8]) -> Result<Option<ObjectId>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let id = revision::resolve(snapshot, text)
        .map_err(|_| Failure::fatal(format_args!("{}: not a valid SHA1", text.as_bstr())))?;
    Ok(Some(id).filter(|id| !id.is_null()))
}

/// What an old value asks for: no id means that there must be no ref.
pub(super) fn expectation(old: Option<ObjectId>) -> Expected {
    old.map_or(Expected::MustNotExist, |id| Expected::Is(Target::Id(id)))
}

/// Carries edits out; what hinders that, in git's words.
pub(super) fn commit(
    repository: &Repository,
    edits: &RefTransaction,
    fail: impl FnOnce(&str) -> Failure,
) -> Result<(), Failure> {
    match repository.storage().commit(Vec::new(), edits, &Context::new()) {
        Ok(_) => Ok(()),
        Err(error) => Err(hindered(&error, fail)),
    }
}

/// What to say of edits that were hindered; of a hook git says nothing more.
pub(super) fn hindered(error: &CommitError, fail: impl FnOnce(&str) -> Failure) -> Failure {
    match error {
        CommitError::Hook { .. } => Failure::fatal(error),
        error => fail(&chain(error)),
    }
}
