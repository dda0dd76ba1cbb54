//! `remote rename` and `remote remove`: a remote with everything that refers to it.

use super::Command;
use super::remote::{Work, check_name, edit, is_configured, key, operands, require};
use crate::args::{Arg, Args, bytes};
use crate::fail::Failure;
use bstr::{BString, ByteSlice as _};
use git_core::config::{Key, SectionName};
use git_core::refs::{Change, Deref, Expected, RefEdit, RefName, RefTransaction, refspec};
use git_core::store::config::{Config, Scope};
use std::ops::ControlFlow;
use std::process::ExitCode;

pub(super) const RENAME: Command = Command {
    name: "rename",
    summary: "",
    usage: "git-core remote rename [--[no-]progress] <old> <new>

    --[no-]progress       force progress reporting",
    run: super::remote::COMMAND.run,
};

pub(super) const REMOVE: Command = Command {
    name: "remove",
    summary: "",
    usage: "git-core remote remove <name>",
    run: super::remote::COMMAND.run,
};

/// The branches for which a variable is this remote, sorted.
fn branches_of(config: &Config, variable: &str, remote: &BString) -> Result<Vec<BString>, Failure> {
    let mut found = Vec::new();
    for branch in config.subsections("branch") {
        if config.text([b"branch.", branch.as_bytes(), b".", variable.as_bytes()].concat())?
            == Some(remote.as_bstr())
        {
            found.push(branch.to_owned());
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn branch_key(branch: &BString, variable: &str) -> Result<Key, Failure> {
    Ok(Key::new("branch", Some(branch.as_slice()), variable)?)
}

pub(super) fn rename(work: &Work<'_>, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let mut operands = Vec::<BString>::new();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("progress" | "no-progress") => {}
            Arg::Value(value) => operands.push(bytes(&value).into()),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let [old, new] = operands.as_slice() else { return Err(Failure::usage("", usage)) };
    let config = work.repository.config();
    require(config, old, ":")?;
    if is_configured(config, new) {
        return Err(Failure::error(3, format_args!("remote {new} already exists.")));
    }
    check_name(new)?;
    let mut lines = Vec::new();
    for entry in config.get_all([b"remote.", old.as_slice(), b".fetch"].concat()) {
        lines.push(entry.to_text()?.to_owned());
    }
    let (from, to) = (
        [b":refs/remotes/", old.as_slice(), b"/"].concat(),
        [b":refs/remotes/", new.as_slice(), b"/"].concat(),
    );
    let mut usual = false;
    for line in &mut lines {
        if line.contains_str(&from) {
            *line = line.replacen(&from, &to, 1).into();
            usual = true;
        } else {
            eprintln!(
                "warning: Not updating non-default fetch refspec\n\t{line}\n\t\
                 Please update the configuration manually if necessary."
            );
        }
    }
    let section = |name: &BString| SectionName::parse([b"remote.", name.as_slice()].concat());
    let (old_section, new_section) = (section(old)?, section(new)?);
    let fetch_key = key(new, "fetch")?;
    let mut keys = Vec::new();
    for variable in ["remote", "pushRemote"] {
        for branch in branches_of(config, variable, old)? {
            keys.push((branch.clone(), branch_key(&branch, variable)?));
        }
    }
    keys.sort_by(|a, b| a.0.cmp(&b.0));
    edit(&work.repository, |document| {
        document.rename_section(&old_section, &new_section)?;
        if document.get_all(fetch_key.to_string()).next().is_some() {
            document.unset_all(&fetch_key)?;
        }
        lines.iter().try_for_each(|line| document.add(&fetch_key, line))?;
        keys.iter().try_for_each(|(_, key)| document.replace_all(key, new))
    })?;
    if usual {
        move_refs(work, old, new)?;
    }
    push_default(work, old, Some(new))?;
    Ok(ExitCode::SUCCESS)
}

/// Moves the remote-tracking branches, with their reflogs.
fn move_refs(work: &Work<'_>, old: &BString, new: &BString) -> Result<(), Failure> {
    let (from, to) = (
        [b"refs/remotes/", old.as_slice(), b"/"].concat(),
        [b"refs/remotes/", new.as_slice(), b"/"].concat(),
    );
    let mut moves = Vec::new();
    work.repository.snapshot()?.for_each_ref(&from, &mut |found| {
        if let Ok(renamed) = RefName::new([to.as_slice(), &found.name.as_bytes()[from.len()..]].concat()) {
            moves.push((found.name, renamed));
        }
        ControlFlow::Continue(())
    })?;
    let reason = |old: &RefName, new: &RefName| format!("remote: renamed {old} to {new}");
    Ok(work.repository.refs().rename(&moves, reason)?)
}

/// Lets `remote.pushDefault` follow, where it is the repository's own.
fn push_default(work: &Work<'_>, old: &BString, new: Option<&BString>) -> Result<(), Failure> {
    let config = work.repository.config();
    let Some(entry) = config.get("remote.pushDefault") else { return Ok(()) };
    if entry.to_text()? != old.as_bstr() {
        return Ok(());
    }
    if !matches!(entry.scope(), Scope::Local | Scope::Worktree) {
        let origin = entry.origin().to_string();
        let (place, line) = (origin.strip_prefix("file:").unwrap_or(&origin), entry.line());
        eprintln!(
            "warning: The {} configuration remote.pushDefault in:\n\t{place}:{line}\n\
             now names the non-existent remote '{old}'",
            entry.scope().name()
        );
        return Ok(());
    }
    let key = Key::new("remote", None::<&[u8]>, "pushDefault")?;
    edit(&work.repository, |document| match new {
        Some(new) => document.replace_all(&key, new),
        None => document.unset_all(&key),
    })
}

pub(super) fn remove(work: &Work<'_>, args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let operands = operands(args)?;
    let [name] = operands.as_slice() else { return Err(Failure::usage("", usage)) };
    let config = work.repository.config();
    require(config, name, ":")?;
    let (doomed, skipped) = tracked(work, name)?;
    let mut keys = Vec::new();
    for branch in branches_of(config, "remote", name)? {
        for variable in ["remote", "merge"] {
            keys.push(branch_key(&branch, variable)?);
        }
    }
    for branch in branches_of(config, "pushRemote", name)? {
        keys.push(branch_key(&branch, "pushRemote")?);
    }
    let section = SectionName::parse([b"remote.", name.as_slice()].concat())?;
    edit(&work.repository, |document| {
        for key in &keys {
            if document.get_all(key.to_string()).next().is_some() {
                document.unset_all(key)?;
            }
        }
        Ok(())
    })?;
    push_default(work, name, None)?;
    work.repository.refs().edit(&doomed)?;
    if let [first, rest @ ..] = skipped.as_slice() {
        match rest.is_empty() {
            true => eprintln!(
                "Note: A branch outside the refs/remotes/ hierarchy was not removed;\nto delete it, use:"
            ),
            false => eprintln!(
                "Note: Some branches outside the refs/remotes/ hierarchy were not removed;\nto delete them, use:"
            ),
        }
        for branch in std::iter::once(first).chain(rest) {
            eprintln!("  git branch -d {branch}");
        }
    }
    edit(&work.repository, |document| document.remove_section(&section))?;
    Ok(ExitCode::SUCCESS)
}

/// The refs that go with a remote, and the branches that stay although they follow it.
fn tracked(work: &Work<'_>, name: &BString) -> Result<(RefTransaction, Vec<BString>), Failure> {
    let remote = work.repository.remote(name)?;
    let mut others = Vec::new();
    for other in work.repository.config().subsections("remote") {
        if other != name.as_bstr() {
            others.push(work.repository.remote(other)?);
        }
    }
    let (mut doomed, mut skipped) = (RefTransaction::new(), Vec::new());
    work.repository.snapshot()?.for_each_ref(b"", &mut |found| {
        let stores = |specs| !refspec::sources(specs, &found.name).is_empty();
        if !stores(remote.fetch_specs()) || others.iter().any(|other| stores(other.fetch_specs())) {
            return ControlFlow::Continue(());
        }
        if found.name.is_branch() {
            skipped.push(found.name.short().to_owned());
        } else if found.name.is_remote() {
            doomed.push(RefEdit {
                name: found.name,
                expected: Expected::Any,
                change: Change::Delete { log: None },
                deref: Deref::Direct,
            });
        }
        ControlFlow::Continue(())
    })?;
    Ok((doomed, skipped))
}
