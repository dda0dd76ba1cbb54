//! Fetching from several remotes: all of them, those of a group, or those that are named; one after the other or at
//! the same time.

use super::fetch::fetch_one;
use super::fetch_options::{Chosen, Layout, Talk};
use super::fetch_table::Screen;
use crate::fail::Failure;
use crate::globals::Globals;
use bstr::{BString, ByteSlice as _};
use git_core::Repository;
use git_core::remote::{Atomic, DryRun, FilterChoice, Force, KeepPack, Tags, UpdateHead};
use git_core::store::config::Config;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The remotes that `--all` means: those that the configuration does not leave out.
pub(super) fn all(config: &Config) -> Result<Vec<BString>, Failure> {
    let mut names = Vec::new();
    for name in config.subsections("remote") {
        if !is_skipped(config, name)? {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Whether the last of `skipFetchAll` and `skipDefaultUpdate` leaves a remote out.
pub(super) fn is_skipped(config: &Config, name: &[u8]) -> Result<bool, Failure> {
    let skip = [&b"remote."[..], name, b".skipfetchall"].concat();
    let old = [&b"remote."[..], name, b".skipdefaultupdate"].concat();
    let last = config.entries().iter().rfind(|entry| *entry.key() == *skip || *entry.key() == *old);
    Ok(last.map(|entry| entry.to_bool()).transpose()?.unwrap_or(false))
}

/// The remotes of a group, or the remote of this name; none if it is neither.
pub(super) fn remote_or_group(config: &Config, name: &[u8]) -> Result<Vec<BString>, Failure> {
    let mut found: Vec<BString> = Vec::new();
    for entry in config.get_all([&b"remotes."[..], name].concat()) {
        let words = entry.to_text()?.fields_with(|c| matches!(c, ' ' | '\t' | '\n'));
        found.extend(words.filter(|word| !word.is_empty()).map(BString::from));
    }
    if found.is_empty() && config.subsections("remote").contains(&name.as_bstr()) {
        found.push(name.into());
    }
    Ok(found)
}

/// Fetches from all of them; whether all went well.
pub(super) fn fetch_many(
    globals: &Globals,
    repository: &Repository,
    names: &[BString],
    chosen: &Chosen,
) -> Result<bool, Failure> {
    if matches!(chosen.options.filter, FilterChoice::By(_)) {
        return Err(Failure::fatal(
            "--filter can only be used with the remote configured in extensions.partialclone",
        ));
    }
    if chosen.options.atomic == Atomic::Whole {
        return Err(Failure::fatal("--atomic can only be used when fetching from one remote"));
    }
    if chosen.stdin {
        return Err(Failure::fatal("--stdin can only be used when fetching from one remote"));
    }
    let jobs = chosen.jobs.unwrap_or(chosen.parallel);
    let jobs = match jobs {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        jobs => jobs,
    };
    if !chosen.append && chosen.write_fetch_head && chosen.options.dry_run == DryRun::No {
        repository.write_fetch_head(&[])?;
    }
    let announce = |name: &BString| {
        if chosen.talk > Talk::Quiet && chosen.layout != Layout::Porcelain {
            println!("Fetching {name}");
            let _ = std::io::stdout().flush();
        }
    };
    if jobs == 1 || names.len() == 1 {
        let mut fine = true;
        for name in names {
            announce(name);
            let child = child(chosen, name, "");
            let done = fetch_one(globals, repository, name, &child, Vec::new(), &Screen::Live);
            if code(done, &Screen::Live) != 0 {
                eprintln!("error: could not fetch {name}");
                fine = false;
            }
        }
        return Ok(fine);
    }
    let (next, fine) = (AtomicUsize::new(0), AtomicBool::new(true));
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(names.len()) {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    announce(name);
                    let screen = Screen::Held(Default::default());
                    let mut child = child(chosen, name, " --end-of-options");
                    child.progress = Some(false);
                    let done = fetch_one(globals, repository, name, &child, Vec::new(), &screen);
                    let code = code(done, &screen);
                    if code != 0 {
                        screen.say(format_args!("could not fetch '{name}' (exit code: {code})"));
                        fine.store(false, Ordering::Relaxed);
                    }
                    // One write, so that what two remotes say does not mix.
                    let _ = std::io::stderr().lock().write_all(screen.text().as_bytes());
                }
            });
        }
    });
    Ok(fine.into_inner())
}

/// The exit code that a fetch would have by itself; says why it failed.
fn code(done: Result<bool, Failure>, screen: &Screen) -> u8 {
    match done {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(failure) => {
            if let Some(text) = failure.shown() {
                screen.say(text);
            }
            failure.code()
        }
    }
}

/// The same fetch for one of many remotes, with what reflogs say of it.
fn child(chosen: &Chosen, name: &BString, end: &str) -> Chosen {
    let mut child = chosen.clone();
    child.append = true;
    let mut words = vec!["fetch", "--append", "--no-auto-gc", "--no-write-commit-graph"];
    let options = &chosen.options;
    let mut add = |given: bool, word: &'static str| {
        if given {
            words.push(word);
        }
    };
    add(options.dry_run == DryRun::Yes, "--dry-run");
    add(chosen.prune == Some(true), "--prune");
    add(chosen.prune == Some(false), "--no-prune");
    add(chosen.prune_tags == Some(true), "--prune-tags");
    add(chosen.prune_tags == Some(false), "--no-prune-tags");
    add(options.update_head_ok == UpdateHead::Allow, "--update-head-ok");
    add(options.force == Force::All, "--force");
    add(options.keep_pack == KeepPack::Always, "--keep");
    add(options.tags == Some(Tags::All), "--tags");
    add(options.tags == Some(Tags::None), "--no-tags");
    add(chosen.talk == Talk::VeryVerbose, "-v");
    add(chosen.talk >= Talk::Verbose, "-v");
    add(chosen.talk == Talk::Quiet, "-q");
    add(!chosen.write_fetch_head, "--no-write-fetch-head");
    add(chosen.layout == Layout::Porcelain, "--porcelain");
    child.action = format!("{}{end} {name}", words.join(" "));
    child
}
