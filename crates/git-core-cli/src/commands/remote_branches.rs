//! `remote set-head` and `remote prune`: the remote-tracking branches, and the one that stands for the remote.

use super::Command;
use super::fetch::unreachable;
use super::remote::Work;
use crate::args::{Arg, Args, bytes};
use crate::fail::Failure;
use crate::reach;
use bstr::{BString, ByteSlice as _};
use git_core::object::Context;
use git_core::refs::{Change, Deref, Expected, LogMessage, RefEdit, RefName, RefTransaction, Target};
use git_core::remote::{Remote, head_branches};
use git_core::transport::client::AdvertisedRef;
use std::process::ExitCode;

pub(super) const SET_HEAD: Command = Command {
    name: "set-head",
    summary: "",
    usage: "git-core remote set-head <name> (-a | --auto | -d | --delete | <branch>)

    -a, --[no-]auto       set refs/remotes/<name>/HEAD according to remote
    -d, --[no-]delete     delete refs/remotes/<name>/HEAD",
    run: super::remote::COMMAND.run,
};

pub(super) const PRUNE: Command = Command {
    name: "prune",
    summary: "",
    usage: "git-core remote prune [<options>] <name>

    -n, --[no-]dry-run    dry run",
    run: super::remote::COMMAND.run,
};

/// The remote's refs, all of them.
pub(super) fn listed(work: &Work<'_>, remote: &Remote) -> Result<Vec<AdvertisedRef>, Failure> {
    super::fetch::check_place(remote)?;
    let link = reach::link(work.globals)?;
    remote.list(&[], link, &Context::new()).map_err(|error| unreachable(remote, error))
}

pub(super) fn set_head(work: &Work<'_>, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (mut auto, mut delete, mut operands) = (false, false, Vec::<BString>::new());
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('a') | Arg::Long("auto") => auto = true,
            Arg::Long("no-auto") => auto = false,
            Arg::Short('d') | Arg::Long("delete") => delete = true,
            Arg::Long("no-delete") => delete = false,
            Arg::Value(value) => operands.push(bytes(&value).into()),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let (name, branch) = match (auto, delete, operands.as_slice()) {
        (false, false, [name, branch]) => (name, branch.clone()),
        (true, false, [name]) => {
            let remote = work.repository.remote(name)?;
            let mut heads = head_branches(&listed(work, &remote)?);
            match heads.len() {
                0 => return Err(Failure::error(1, "Cannot determine remote HEAD")),
                1 => (name, heads.remove(0)),
                _ => {
                    let lines: String =
                        heads.iter().map(|head| format!("\n  git remote set-head {name} {head}")).collect();
                    return Err(Failure::error(
                        1,
                        format_args!(
                            "Multiple remote HEAD branches. Please choose one explicitly with:{lines}"
                        ),
                    ));
                }
            }
        }
        (false, true, [name]) => {
            let head = RefName::new([b"refs/remotes/", name.as_slice(), b"/HEAD"].concat())?;
            let mut edit = RefTransaction::new();
            let (expected, change) = (Expected::Any, Change::Delete { log: None });
            edit.push(RefEdit { name: head.clone(), expected, change, deref: Deref::Direct });
            return match work.repository.refs().edit(&edit) {
                Ok(()) => Ok(ExitCode::SUCCESS),
                Err(_) => Err(Failure::error(1, format_args!("Could not delete {head}"))),
            };
        }
        _ => return Err(Failure::usage("", usage)),
    };
    let below = [b"refs/remotes/", name.as_slice(), b"/"].concat();
    let full = [below.as_slice(), &branch].concat();
    let target = RefName::new(&full).ok();
    let there = match &target {
        Some(target) => work.repository.refs().contains(target.as_bytes())?,
        None => false,
    };
    let Some(target) = target.filter(|_| there) else {
        return Err(Failure::error(1, format_args!("Not a valid ref: {}", full.as_bstr())));
    };
    let head = RefName::new([below.as_slice(), b"HEAD"].concat())?;
    let log = work.repository.committer_line().map(|who| LogMessage::new(who, "remote set-head"));
    let mut edit = RefTransaction::new();
    let change = Change::Update { target: Target::Symbolic(target), log };
    edit.push(RefEdit { name: head.clone(), expected: Expected::Any, change, deref: Deref::Direct });
    if work.repository.refs().edit(&edit).is_err() {
        return Err(Failure::error(1, format_args!("Could not setup {head}")));
    }
    if auto {
        println!("{name}/HEAD set to {branch}");
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn prune(work: &Work<'_>, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (mut dry, mut operands) = (false, Vec::<BString>::new());
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('n') | Arg::Long("dry-run") => dry = true,
            Arg::Long("no-dry-run") => dry = false,
            Arg::Value(value) => operands.push(bytes(&value).into()),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    if operands.is_empty() {
        return Err(Failure::usage("", usage));
    }
    for name in operands {
        let remote = work.repository.remote(&name)?;
        let stale = remote.stale(&listed(work, &remote)?)?;
        if stale.is_empty() {
            continue;
        }
        println!("Pruning {name}\nURL: {}", remote.shown_url());
        let mut edits = RefTransaction::new();
        for name in stale.iter().filter_map(|update| update.local.clone()) {
            edits.delete(name, Expected::Any);
        }
        if !dry {
            work.repository.refs().edit(&edits)?;
        }
        let what = if dry { "would prune" } else { "pruned" };
        for update in &stale {
            let full = update.local.as_ref().map_or(&b""[..], RefName::as_bytes);
            let short = full.strip_prefix(b"refs/remotes/").unwrap_or(full).as_bstr();
            println!(" * [{what}] {short}");
        }
        let has = if dry { "will become" } else { "has become" };
        let mut dangling: Vec<_> = stale.iter().flat_map(|update| &update.dangling).collect();
        dangling.sort_unstable();
        dangling.iter().for_each(|name| println!(" {name} {has} dangling!"));
    }
    Ok(ExitCode::SUCCESS)
}
