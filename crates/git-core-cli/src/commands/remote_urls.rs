//! `remote get-url` and `remote set-url`.

use super::Command;
use super::remote::{Work, edit, key, require};
use crate::args::{Arg, Args, bytes};
use crate::fail::Failure;
use bstr::BString;
use regex::bytes::Regex;
use std::process::ExitCode;

pub(super) const GET_URL: Command = Command {
    name: "get-url",
    summary: "",
    usage: "git-core remote get-url [--push] [--all] <name>

    --[no-]push           query push URLs rather than fetch URLs
    --[no-]all            return all URLs",
    run: super::remote::COMMAND.run,
};

pub(super) const SET_URL: Command = Command {
    name: "set-url",
    summary: "",
    usage: "git-core remote set-url [--push] <name> <newurl> [<oldurl>]
   or: git-core remote set-url --add <name> <newurl>
   or: git-core remote set-url --delete <name> <url>

    --[no-]push           manipulate push URLs
    --[no-]add            add URL
    --[no-]delete         delete URLs",
    run: super::remote::COMMAND.run,
};

/// The flags that are known, and the operands.
fn read(mut args: Args, known: &[&str]) -> Result<(Vec<String>, Vec<BString>), Failure> {
    let usage = args.usage();
    let (mut flags, mut operands) = (Vec::<String>::new(), Vec::new());
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long(name) if known.contains(&name) => flags.push(name.to_owned()),
            Arg::Long(name) if name.strip_prefix("no-").is_some_and(|name| known.contains(&name)) => {
                flags.retain(|flag| Some(flag.as_str()) != name.strip_prefix("no-"));
            }
            Arg::Value(value) => operands.push(bytes(&value).into()),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    Ok((flags, operands))
}

pub(super) fn get_url(work: &Work<'_>, args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (flags, operands) = read(args, &["push", "all"])?;
    let [name] = operands.as_slice() else { return Err(Failure::usage("", usage)) };
    let flag = |name: &str| flags.iter().any(|flag| flag == name);
    require(work.repository.config(), name, "")?;
    let remote = work.repository.remote(name)?;
    let mut urls = if flag("push") { remote.push_urls() } else { remote.urls()? };
    if !flag("all") {
        urls.truncate(1);
    }
    urls.iter().for_each(|url| println!("{url}"));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn set_url(work: &Work<'_>, args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (flags, operands) = read(args, &["push", "add", "delete"])?;
    let flag = |name: &str| flags.iter().any(|flag| flag == name);
    if flag("add") && flag("delete") {
        return Err(Failure::fatal("--add --delete doesn't make sense"));
    }
    let (name, new, old) = match operands.as_slice() {
        [name, new] if flag("delete") => (name, None, Some(new)),
        [name, new] => (name, Some(new), None),
        [name, new, old] if !flag("add") && !flag("delete") => (name, Some(new), Some(old)),
        _ => return Err(Failure::usage("", usage)),
    };
    let config = work.repository.config();
    require(config, name, "")?;
    let variable = if flag("push") { "pushurl" } else { "url" };
    let key = key(name, variable)?;
    let Some(old) = old else {
        let new = new.map_or(&[][..], |new| new.as_slice());
        if flag("add") {
            edit(&work.repository, |document| document.add(&key, new))?;
            return Ok(ExitCode::SUCCESS);
        }
        return set(work, &key, new, |_| true);
    };
    let pattern = Regex::new(&old.to_string())
        .map_err(|_| Failure::fatal(format_args!("Invalid old URL pattern: {old}")))?;
    let (mut taken, mut left) = (0, 0);
    for entry in config.get_all(key.to_string()) {
        match pattern.is_match(entry.to_text()?) {
            true => taken += 1,
            false => left += 1,
        }
    }
    match new {
        Some(_) if taken == 0 => Err(Failure::fatal(format_args!("No such URL found: {old}"))),
        Some(new) => set(work, &key, new, |value| pattern.is_match(value)),
        None if left == 0 && !flag("push") => Err(Failure::fatal("Will not delete all non-push URLs")),
        None if taken == 0 => Err(Failure::fatal(format_args!("could not unset '{key}'"))),
        None => {
            edit(&work.repository, |document| document.unset_where(&key, |value| pattern.is_match(value)))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn set(
    work: &Work<'_>,
    key: &git_core::config::Key,
    new: &[u8],
    wanted: impl Fn(&[u8]) -> bool,
) -> Result<ExitCode, Failure> {
    use git_core::config::EditError;
    let mut several = false;
    let done = edit(&work.repository, |document| {
        let done = document.set_where(key, new, wanted);
        several = matches!(done, Err(EditError::MultipleValues { .. }));
        done
    });
    if several {
        eprintln!("warning: {key} has multiple values");
        let new = String::from_utf8_lossy(new);
        return Err(Failure::fatal(format_args!("could not set '{key}' to '{new}'")));
    }
    done.map(|()| ExitCode::SUCCESS)
}
