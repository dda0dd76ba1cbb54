//! `merge-base`: where histories meet.

use super::Command;
use crate::args::{Arg, Args};
use crate::fail::Failure;
use crate::globals::Globals;
use crate::output::{finish, stdout, written};
use crate::repo;
use crate::revisions::{bad_object, not_an_object};
use git_core::object::{Context, Kind, ObjectId};
use git_core::repository::Seen;
use git_core::store::walk::{MergeBases, is_ancestor, peel};
use git_core::store::{Snapshot, revision};
use std::collections::HashSet;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "merge-base",
    summary: "Find as good common ancestors as possible for a merge",
    usage: "git-core merge-base [-a | --all] <commit> <commit>...
   or: git-core merge-base [-a | --all] --octopus <commit>...
   or: git-core merge-base --is-ancestor <commit> <commit>
   or: git-core merge-base --independent <commit>...
   or: git-core merge-base --fork-point <ref> [<commit>]",
    run,
};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Octopus,
    Independent,
    IsAncestor,
    ForkPoint,
}

impl Mode {
    const fn option(self) -> &'static str {
        match self {
            Mode::Octopus => "--octopus",
            Mode::Independent => "--independent",
            Mode::IsAncestor => "--is-ancestor",
            Mode::ForkPoint => "--fork-point",
        }
    }
}

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (mut all, mut mode, mut names) = (false, None, Vec::new());
    while let Some(arg) = args.next()? {
        let chosen = match arg {
            Arg::Short('a') | Arg::Long("all") => {
                all = true;
                continue;
            }
            Arg::Long("no-all") => {
                all = false;
                continue;
            }
            Arg::Value(text) => {
                names.push(repo::operand(text));
                continue;
            }
            Arg::Long("octopus") => Mode::Octopus,
            Arg::Long("independent") => Mode::Independent,
            Arg::Long("is-ancestor") => Mode::IsAncestor,
            Arg::Long("fork-point") => Mode::ForkPoint,
            other => return Err(Args::unknown(usage, &other)),
        };
        if let Some(before) = mode.replace(chosen)
            && before != chosen
        {
            return Err(Failure::plain(
                129,
                format!(
                    "error: options '{}' and '{}' cannot be used together",
                    chosen.option(),
                    before.option()
                ),
            ));
        }
    }
    let least = match mode {
        None | Some(Mode::IsAncestor) => 2,
        Some(_) => 1,
    };
    if names.len() < least {
        return Err(Failure::usage("", usage));
    }
    if all && let Some(mode @ (Mode::Independent | Mode::IsAncestor)) = mode {
        let option = mode.option();
        return Err(Failure::fatal(format_args!("options '{option}' and '--all' cannot be used together")));
    }
    let repository = repo::open(globals)?;
    let snapshot = repository.seen(Seen::History)?;
    let cx = Context::new();
    let found = match mode {
        Some(Mode::IsAncestor) => {
            let [from, to] = &names[..] else {
                return Err(Failure::fatal("--is-ancestor takes exactly two commits"));
            };
            let (from, to) = (commit(&*snapshot, from)?, commit(&*snapshot, to)?);
            let yes = is_ancestor(&*snapshot, snapshot.shallow(), &from, &to, &cx)
                .map_err(|error| bad_object(&error))?;
            return Ok(ExitCode::from(u8::from(!yes)));
        }
        Some(Mode::ForkPoint) => {
            if names.len() > 2 {
                return Err(Failure::usage("", usage));
            }
            let other: &[u8] = names.get(1).map_or(&b"HEAD"[..], |name| &name[..]);
            fork_point(&*snapshot, &names[0], other, &cx)?
        }
        mode => {
            let commits = names.iter().map(|name| commit(&*snapshot, name)).collect::<Result<Vec<_>, _>>()?;
            let mut bases = MergeBases::new(&*snapshot, &cx);
            match mode {
                None => bases.of(commits[0], &commits[1..]),
                Some(Mode::Octopus) => bases.of_all(&commits),
                Some(_) => bases.independent(&commits),
            }
            .map_err(|error| bad_object(&error))?
        }
    };
    if found.is_empty() {
        return Ok(ExitCode::from(1));
    }
    let shown = if all || mode == Some(Mode::Independent) { found.len() } else { 1 };
    let mut out = stdout();
    for id in &found[..shown] {
        written(writeln!(out, "{id}"))?;
    }
    finish(out)?;
    Ok(ExitCode::SUCCESS)
}

/// The commit that a text names.
fn commit(snapshot: &dyn Snapshot, text: &[u8]) -> Result<ObjectId, Failure> {
    let id = revision::resolve(snapshot, text).map_err(|error| not_an_object(text, &error))?;
    match peel(snapshot, id, &mut Vec::new(), &mut Vec::new()) {
        Ok((id, Kind::Commit)) => Ok(id),
        Ok((_, kind)) => {
            eprintln!("error: object {id} is a {kind}, not a commit");
            Err(Failure::fatal(format_args!("Not a valid commit name {}", String::from_utf8_lossy(text))))
        }
        Err(error) => Err(bad_object(&error)),
    }
}

/// Where a branch left another: the one best common ancestor with everything that the other has been, if it has
/// been that.
fn fork_point(
    snapshot: &dyn Snapshot,
    name: &[u8],
    other: &[u8],
    cx: &Context,
) -> Result<Vec<ObjectId>, Failure> {
    let Some((name, now)) = revision::find_short(snapshot, name)? else {
        return Err(Failure::fatal(format_args!("No such ref: '{}'", String::from_utf8_lossy(name))));
    };
    let derived = commit(snapshot, other)?;
    // From the oldest on.
    let mut entries = Vec::new();
    snapshot.for_each_reflog_entry(&name, &mut |entry| {
        entries.push((entry.old, entry.new));
        ControlFlow::Continue(())
    })?;
    let mut values: Vec<ObjectId> = entries.last().map(|(old, _)| *old).into_iter().collect();
    values.extend(entries.iter().rev().map(|(_, new)| *new));
    if entries.is_empty() {
        values.push(now);
    }
    let (mut been, mut seen) = (Vec::new(), HashSet::new());
    for id in values {
        if !id.is_null()
            && let Ok((id, Kind::Commit)) = peel(snapshot, id, &mut Vec::new(), &mut Vec::new())
            && seen.insert(id)
        {
            been.push(id);
        }
    }
    let found = MergeBases::new(snapshot, cx).of(derived, &been).map_err(|error| bad_object(&error))?;
    Ok(match found[..] {
        [base] if seen.contains(&base) => vec![base],
        _ => Vec::new(),
    })
}
