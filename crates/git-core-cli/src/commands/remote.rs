//! `remote`: the repositories that are fetched from and pushed to. Each group of subcommands has a file beside this one.

use super::remote_add::{ADD, SET_BRANCHES, add, set_branches};
use super::remote_branches::{PRUNE, SET_HEAD, prune, set_head};
use super::remote_change::{REMOVE, RENAME, remove, rename};
use super::remote_show::{SHOW, show};
use super::remote_urls::{GET_URL, SET_URL, get_url, set_url};
use super::{Command, fetch};
use crate::args::{Arg, Args, bytes};
use crate::fail::Failure;
use crate::globals::Globals;
use crate::repo;
use bstr::{BStr, BString, ByteSlice as _};
use git_core::Repository;
use git_core::config::{Document, EditError, Key};
use git_core::store::config::{Config, EditOptions, Scope, edit_file};
use git_core::store::fs::sys::{Disk, RealDisk};
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) const COMMAND: Command = Command {
    name: "remote",
    summary: "Manage set of tracked repositories",
    usage: "git-core remote [-v | --verbose]
   or: git-core remote add [-t <branch>] [-m <master>] [-f] [--tags | --no-tags] [--mirror=<fetch|push>] <name> <url>
   or: git-core remote rename [--[no-]progress] <old> <new>
   or: git-core remote remove <name>
   or: git-core remote set-head <name> (-a | --auto | -d | --delete | <branch>)
   or: git-core remote [-v | --verbose] show [-n] <name>
   or: git-core remote prune [-n | --dry-run] <name>
   or: git-core remote [-v | --verbose] update [-p | --prune] [(<group> | <remote>)...]
   or: git-core remote set-branches [--add] <name> <branch>...
   or: git-core remote get-url [--push] [--all] <name>
   or: git-core remote set-url [--push] <name> <newurl> [<oldurl>]
   or: git-core remote set-url --add <name> <newurl>
   or: git-core remote set-url --delete <name> <url>

    -v, --[no-]verbose    be verbose; must be placed before a subcommand",
    run,
};

/// `update` as a command of its own, for its arguments.
const UPDATE: Command = Command {
    name: "update",
    summary: "",
    usage: "git-core remote update [<options>] [<group> | <remote>]...

    -p, --[no-]prune      prune remotes after fetching",
    run,
};

/// What all subcommands work with.
pub(super) struct Work<'a> {
    pub(super) globals: &'a Globals,
    pub(super) repository: Repository,
    pub(super) verbose: bool,
}

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let mut verbose = false;
    let verb = loop {
        match args.next()? {
            None => break None,
            Some(Arg::Short('v') | Arg::Long("verbose")) => verbose = true,
            Some(Arg::Long("no-verbose")) => verbose = false,
            Some(Arg::Value(verb)) => break Some(verb),
            Some(other) => return Err(Args::unknown(usage, &other)),
        }
    };
    let verb = verb.map(|verb| verb.to_string_lossy().into_owned());
    let rest = args.rest()?;
    let of = |command: &Command| Args::new(command, rest.clone());
    let work = |globals| Ok::<_, Failure>(Work { globals, repository: repo::open(globals)?, verbose });
    match verb.as_deref() {
        None => list(&work(globals)?),
        Some("add") => add(&work(globals)?, of(&ADD)),
        Some("rename") => rename(&work(globals)?, of(&RENAME)),
        Some("rm" | "remove") => remove(&work(globals)?, of(&REMOVE)),
        Some("set-head") => set_head(&work(globals)?, of(&SET_HEAD)),
        Some("set-branches") => set_branches(&work(globals)?, of(&SET_BRANCHES)),
        Some("get-url") => get_url(&work(globals)?, of(&GET_URL)),
        Some("set-url") => set_url(&work(globals)?, of(&SET_URL)),
        Some("show") => show(&work(globals)?, of(&SHOW)),
        Some("prune") => prune(&work(globals)?, of(&PRUNE)),
        Some("update") => update(&work(globals)?, of(&UPDATE)),
        Some(other) => Err(Failure::usage(format_args!("unknown subcommand: `{other}'"), usage)),
    }
}

/// The names of all remotes, sorted.
pub(super) fn names(config: &Config) -> Vec<BString> {
    let mut names: Vec<BString> = config.subsections("remote").into_iter().map(BStr::to_owned).collect();
    names.sort_unstable();
    names
}

/// All remotes, with their URLs if wanted.
pub(super) fn list(work: &Work<'_>) -> Result<ExitCode, Failure> {
    let mut out = crate::output::stdout();
    let config = work.repository.config();
    for name in names(config) {
        let lines = match work.verbose {
            false => vec![name],
            true => urls(work, &name)?,
        };
        for line in lines {
            crate::output::written(out.write_all(&[line.as_slice(), b"\n"].concat()))?;
        }
    }
    crate::output::finish(out)?;
    Ok(ExitCode::SUCCESS)
}

fn urls(work: &Work<'_>, name: &BString) -> Result<Vec<BString>, Failure> {
    let config = work.repository.config();
    let key = |variable: &str| [b"remote.", name.as_slice(), b".", variable.as_bytes()].concat();
    let remote = work.repository.remote(name)?;
    let mut lines = Vec::new();
    if config.get(key("url")).is_none() {
        lines.push([name.as_slice(), b"\t"].concat().into());
    } else {
        let filter = config.text(key("partialclonefilter"))?;
        let filter = filter.map_or_else(String::new, |filter| format!(" [{filter}]"));
        lines.push([name, &b"\t"[..], remote.url(), b" (fetch)", filter.as_bytes()].concat().into());
    }
    if config.get(key("url")).is_some() || config.get(key("pushurl")).is_some() {
        for url in remote.push_urls() {
            lines.push([name.as_slice(), b"\t", &url, b" (push)"].concat().into());
        }
    }
    Ok(lines)
}

/// `remote update`: a fetch from several.
fn update(work: &Work<'_>, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (mut prune, mut groups) = (None, Vec::new());
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('p') | Arg::Long("prune") => prune = Some(true),
            Arg::Long("no-prune") => prune = Some(false),
            Arg::Value(name) => groups.push(name),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let mut words: Vec<OsString> = Vec::new();
    words.extend(prune.map(|prune| if prune { "--prune" } else { "--no-prune" }.into()));
    words.extend(work.verbose.then(|| "-v".into()));
    words.push("--multiple".into());
    if groups.is_empty() {
        groups.push("default".into());
    }
    if groups.last().is_some_and(|name| name == "default")
        && work.repository.config().get("remotes.default").is_none()
    {
        groups.pop();
        words.push("--all".into());
    }
    words.extend(groups);
    Ok(if fetches(work.globals, words) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Fetches with these arguments; says what was wrong, and whether all was well.
pub(super) fn fetches(globals: &Globals, words: Vec<OsString>) -> bool {
    let done = (fetch::COMMAND.run)(globals, Args::new(&fetch::COMMAND, words));
    match done {
        Ok(code) => code == ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            false
        }
    }
}

/// Whether the configuration of the repository itself has a remote of this name.
pub(super) fn is_configured(config: &Config, name: &[u8]) -> bool {
    let prefix = [b"remote.", name, b"."].concat();
    let mut entries = config.entries().iter();
    entries.any(|entry| {
        matches!(entry.scope(), Scope::Local | Scope::Worktree)
            && entry.key().strip_prefix(prefix.as_slice()).is_some_and(|rest| !rest.contains(&b'.'))
    })
}

/// Refuses a name that no remote has.
pub(super) fn require(config: &Config, name: &BString, colon: &str) -> Result<(), Failure> {
    match is_configured(config, name) {
        true => Ok(()),
        false => Err(Failure::error(2, format_args!("No such remote{colon} '{name}'"))),
    }
}

/// Refuses a name that would make strange refs.
pub(super) fn check_name(name: &[u8]) -> Result<(), Failure> {
    let probe = [b"refs/remotes/", name, b"/test"].concat();
    match git_core::refs::RefName::new(probe) {
        Ok(_) if !name.is_empty() => Ok(()),
        _ => Err(Failure::fatal(format_args!("'{}' is not a valid remote name", name.as_bstr()))),
    }
}

/// The key of a variable of a remote.
pub(super) fn key(name: &[u8], variable: &str) -> Result<Key, Failure> {
    Ok(Key::new("remote", Some(name), variable)?)
}

/// Changes the configuration of the repository.
pub(super) fn edit(
    repository: &Repository,
    change: impl FnOnce(&mut Document) -> Result<(), EditError>,
) -> Result<(), Failure> {
    let Some(layout) = repository.layout() else { return Ok(()) };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::default());
    Ok(edit_file(&disk, &layout.common_dir.join("config"), &EditOptions::default(), change)?)
}

/// All operands and nothing but them.
pub(super) fn operands(mut args: Args) -> Result<Vec<BString>, Failure> {
    let usage = args.usage();
    let mut operands = Vec::new();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(value) => operands.push(bytes(&value).into()),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    Ok(operands)
}
