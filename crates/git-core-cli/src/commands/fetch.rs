//! `fetch`: brings what another repository has, and lets refs follow. Fetching from several remotes is in `fetch_many`,
//! the table in `fetch_table`.

use super::Command;
use super::fetch_many::{all, fetch_many, remote_or_group};
use super::fetch_options::{Chosen, Talk, USAGE, parse, read};
pub(super) use super::fetch_table::pretty;
use super::fetch_table::{Screen, Table, advised, columns, dangling};
use super::{fetch_head, fetch_upstream, gc};
use crate::args::Args;
use crate::fail::Failure;
use crate::globals::Globals;
use crate::{input, progress, reach, repo};
use bstr::{BStr, BString, ByteSlice as _};
use git_core::Repository;
use git_core::config::{WildOptions, wildmatch};
use git_core::object::{ObjectId, Objects as _};
use git_core::refs::Refspec;
use git_core::remote::{
    Atomic, DryRun, Fetched, ForcedUpdates, Prune, PruneTags, Remote, RemoteError, UpdateStatus,
};
use git_core::transport::client::{ClientError, TransportError};
use std::io::Write as _;
use std::ops::ControlFlow;
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "fetch",
    summary: "Download objects and refs from another repository",
    usage: USAGE,
    run,
};

fn run(globals: &Globals, args: Args) -> Result<ExitCode, Failure> {
    let repository = repo::open(globals)?;
    let config = repository.config();
    let mut chosen = read(args, config)?;
    if let Some(action) = globals.text("GIT_REFLOG_ACTION") {
        action.clone_into(&mut chosen.action);
    }
    let mut operands = std::mem::take(&mut chosen.operands).into_iter();
    let count = operands.len();
    let every = match chosen.all {
        Some(every) => every,
        None => count == 0 && config.bool("fetch.all")? == Some(true),
    };
    let mut names: Vec<BString> = Vec::new();
    let mut one: Option<BString> = None;
    if every {
        match count {
            0 => {}
            1 => return Err(Failure::fatal("fetch --all does not take a repository argument")),
            _ => return Err(Failure::fatal("fetch --all does not make sense with refspecs")),
        }
        names = all(config)?;
        if let [only] = names.as_slice() {
            one = Some(only.clone());
        }
    } else if count == 0 {
        one = Some(default_remote(&repository)?);
    } else if chosen.multiple {
        for name in operands.by_ref() {
            let found = remote_or_group(config, &name)?;
            if found.is_empty() {
                let name = name.as_bstr();
                return Err(Failure::fatal(format_args!("no such remote or remote group: {name}")));
            }
            names.extend(found);
        }
    } else if let Some(name) = operands.next() {
        names = remote_or_group(config, &name)?;
        match names.len() {
            0 | 1 => one = Some(names.pop().unwrap_or_else(|| name.into())),
            _ if count > 1 => {
                return Err(Failure::fatal("fetching a group and specifying refspecs does not make sense"));
            }
            _ => {}
        }
    }
    names.dedup();
    if chosen.negotiate_only {
        return negotiate_only(globals, &repository, one, &chosen);
    }
    let fine = match one {
        Some(name) => fetch_one(globals, &repository, &name, &chosen, operands.collect(), &Screen::Live)?,
        None => fetch_many(globals, &repository, &names, &chosen)?,
    };
    finish(&repository, &chosen)?;
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What follows a fetch, whatever became of it.
fn finish(repository: &Repository, chosen: &Chosen) -> Result<(), Failure> {
    let graph = match chosen.write_commit_graph {
        Some(wanted) => wanted,
        None => repository.config().bool("fetch.writeCommitGraph")?.unwrap_or(false),
    };
    let cx = reach::context(progress::wanted(chosen.progress, chosen.talk == Talk::Quiet));
    if graph && let Err(error) = repository.extend_commit_graph(&cx) {
        eprintln!("warning: cannot write the commit-graph: {}", crate::fail::chain(&error));
    }
    if chosen.auto_gc {
        let talk = if chosen.talk == Talk::Quiet { gc::Talk::Quiet } else { gc::Talk::Usual };
        gc::after_fetching(repository, talk)?;
    }
    Ok(())
}

/// Fetches from one remote, or from a repository by its URL; whether all refs followed.
pub(super) fn fetch_one(
    globals: &Globals,
    repository: &Repository,
    named: &BString,
    chosen: &Chosen,
    operands: Vec<Vec<u8>>,
    screen: &Screen,
) -> Result<bool, Failure> {
    let remote = repository.remote(named)?;
    reach::check_credentials(repository.config(), remote.url())?;
    let mut options = chosen.options.clone();
    options.deepen = chosen.depths.clone().deepen(repository.snapshot()?.shallow().is_empty())?;
    let plain_tags = operands.is_empty();
    options.refspecs = refspecs(operands, chosen.stdin)?;
    let dry = options.dry_run == DryRun::Yes;
    options.negotiation_tips = tips(repository, &chosen.tips, screen)?;
    // Whatever happens from here on, what was fetched before is not what this fetch brought.
    if chosen.write_fetch_head && !dry && !chosen.append {
        repository.write_fetch_head(&[])?;
    }
    check_place(&remote)?;
    if options.refmap.is_some() && options.refspecs.is_empty() {
        return Err(Failure::fatal("--refmap option is only meaningful with command-line refspec(s)"));
    }
    let config = repository.config();
    let setting = |given: Option<bool>, own: &str, usual: &str| -> Result<bool, Failure> {
        if let Some(given) = given {
            return Ok(given);
        }
        let own = match remote.name() {
            Some(name) => config.bool(format!("remote.{name}.{own}"))?,
            None => None,
        };
        Ok(match own {
            Some(own) => own,
            None => config.bool(usual)?.unwrap_or(false),
        })
    };
    if setting(chosen.prune, "prune", "fetch.prune")? {
        options.prune = Prune::Remove;
    }
    if setting(chosen.prune_tags, "pruneTags", "fetch.pruneTags")? && plain_tags {
        options.prune_tags = PruneTags::Yes;
    }
    options.unpack_below = match config.int("fetch.unpackLimit")? {
        Some(limit) => u64::try_from(limit).unwrap_or(0),
        None => config.int("transfer.unpackLimit")?.map_or(100, |limit| u64::try_from(limit).unwrap_or(0)),
    };
    options.follow_head = fetch_head::follow(&remote, screen)?;
    options.reflog_message = Some(chosen.action.clone().into());
    let mut link = reach::link(globals)?;
    if let Some(program) = &chosen.upload_pack {
        link.options.upload_pack.clone_from(program);
    } else if let Some(name) = remote.name()
        && let Some(program) = config.text(format!("remote.{name}.uploadpack"))?
    {
        link.options.upload_pack = crate::globals::os_string(program.to_vec());
    }
    let cx = reach::context(progress::wanted(chosen.progress, chosen.talk == Talk::Quiet));
    if let Some(uri) = config.text("fetch.bundleURI")?
        && let Err(error) = repository.fetch_bundle_uri(uri, &link.options, &cx)
    {
        screen.say(format_args!("warning: {error}"));
        screen.say(format_args!("warning: failed to fetch bundles from '{uri}'"));
    }
    let fetched = remote.fetch(&options, link, &cx).map_err(|error| unreachable(&remote, error))?;
    drop(cx);
    if fetched.filter_ignored {
        screen.say("warning: filtering not recognized by server, ignoring");
    }
    for warning in &fetched.warnings {
        screen.say(format_args!("warning: {warning}"));
    }
    let rejected = fetched.updates.iter().any(|update| update.status.is_rejected());
    let fine = !rejected && fetched.aborted.is_none();
    if chosen.write_fetch_head && !dry {
        let kept = fine || options.atomic == Atomic::Each;
        if kept {
            repository.append_fetch_head(&fetched.fetch_head)?;
        }
    }
    report(globals, &remote, &fetched, chosen, screen)?;
    if let Some(aborted) = &fetched.aborted {
        screen.say(format_args!("error: {}", aborted.reason));
    }
    let in_the_way =
        |update: &UpdateStatus| matches!(update, UpdateStatus::Failed(failed) if failed.name_conflict);
    if fetched.updates.iter().any(|update| in_the_way(&update.status)) {
        screen.say(format_args!(
            "error: some local refs could not be updated; try running\n 'git remote prune {named}' to remove any old, \
             conflicting branches"
        ));
    }
    if options.forced_updates == ForcedUpdates::Unchecked
        && !fetched.updates.is_empty()
        && advised(repository, "fetchShowForcedUpdates")
    {
        screen.say(UNCHECKED);
    }
    if chosen.set_upstream && fine {
        fetch_upstream::set(&remote, &fetched, screen)?;
    }
    if let (Some(name), Some(head)) = (remote.name(), &fetched.head)
        && chosen.talk > Talk::Quiet
    {
        fetch_head::tell(repository, name, head, screen);
    }
    Ok(fine)
}

/// What `--negotiation-tip` names: refs by a pattern, or an object.
fn tips(
    repository: &Repository,
    given: &[Vec<u8>],
    screen: &Screen,
) -> Result<Option<Vec<ObjectId>>, Failure> {
    if given.is_empty() {
        return Ok(None);
    }
    let snapshot = repository.snapshot()?;
    let mut tips = Vec::new();
    for text in given {
        let shown = text.as_bstr();
        if !text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\')) {
            let id = repository
                .resolve(text)
                .map_err(|_| Failure::fatal(format_args!("{shown} is not a valid object")))?;
            if !snapshot.contains(&id)? {
                return Err(Failure::fatal(format_args!("the object {shown} does not exist")));
            }
            tips.push(id);
            continue;
        }
        let pattern =
            if text.starts_with(b"refs/") { text.clone() } else { [b"refs/", text.as_slice()].concat() };
        let before = tips.len();
        snapshot.for_each_ref(b"", &mut |found| {
            if wildmatch(&pattern, found.name.as_bytes(), WildOptions::default()) {
                tips.extend(
                    git_core::store::revision::follow(&*snapshot, &found.name).ok().and_then(|end| end.1),
                );
            }
            ControlFlow::Continue(())
        })?;
        if tips.len() == before {
            screen.say(format_args!(
                "warning: ignoring --negotiation-tip={shown} because it does not match any refs"
            ));
        }
    }
    Ok(Some(tips))
}

/// `--negotiate-only`: prints what both sides have.
fn negotiate_only(
    globals: &Globals,
    repository: &Repository,
    named: Option<BString>,
    chosen: &Chosen,
) -> Result<ExitCode, Failure> {
    if chosen.tips.is_empty() {
        return Err(Failure::fatal("--negotiate-only needs one or more --negotiation-tip=*"));
    }
    let Some(named) = named else {
        return Err(Failure::fatal("must supply remote when using --negotiate-only"));
    };
    let remote = repository.remote(&named)?;
    check_place(&remote)?;
    let mut options = chosen.options.clone();
    options.negotiation_tips = tips(repository, &chosen.tips, &Screen::Live)?;
    let link = reach::link(globals)?;
    let common = match remote.negotiate(&options, link, &reach::context(false)) {
        Ok(common) => common,
        Err(RemoteError::Transport(TransportError::Protocol(ClientError::Unsupported(what)))) => {
            match what {
                "wait-for-done" => eprintln!("warning: server does not support wait-for-done"),
                _ => eprintln!("warning: --negotiate-only requires protocol v2"),
            }
            return Ok(ExitCode::from(255));
        }
        Err(error) => return Err(unreachable(&remote, error)),
    };
    let mut out = crate::output::stdout();
    for id in common {
        crate::output::written(writeln!(out, "{id}"))?;
    }
    crate::output::finish(out)?;
    Ok(ExitCode::SUCCESS)
}

const UNCHECKED: &str = "\
warning: fetch normally indicates which branches had a forced update,
but that check has been disabled; to re-enable, use '--show-forced-updates'
flag or run 'git config fetch.showForcedUpdates true'";

/// The refspecs of the command line, and those of standard input if they are wanted.
fn refspecs(operands: Vec<Vec<u8>>, stdin: bool) -> Result<Vec<Refspec>, Failure> {
    let mut specs = Vec::new();
    let mut operands = operands.into_iter();
    while let Some(text) = operands.next() {
        let text = match text.as_slice() {
            b"tag" => {
                let name = operands.next().ok_or_else(|| Failure::fatal("you need to specify a tag name"))?;
                [b"refs/tags/", name.as_slice(), b":refs/tags/", name.as_slice()].concat()
            }
            _ => text,
        };
        specs.push(parse(&text)?);
    }
    if stdin {
        for line in input::lines(input::stdin()) {
            let line =
                line.map_err(|error| Failure::fatal(format_args!("cannot read standard input: {error}")))?;
            specs.push(parse(&line)?);
        }
    }
    Ok(specs)
}

/// The table of what changed, and what there is to be said between its lines.
fn report(
    globals: &Globals,
    remote: &Remote,
    fetched: &Fetched,
    chosen: &Chosen,
    screen: &Screen,
) -> Result<(), Failure> {
    let columns = columns(globals.text("COLUMNS"));
    for update in fetched.updates.iter().filter(|update| update.status == UpdateStatus::Shallow) {
        let name = match (&update.local, &update.source) {
            (Some(name), _) => name.to_string(),
            (None, Some(source)) => source.to_string(),
            (None, None) => continue,
        };
        screen.say(format_args!(
            "warning: rejected {name} because shallow roots are not allowed to be updated"
        ));
    }
    let dry = chosen.options.dry_run == DryRun::Yes;
    let mut table = Table::new(screen, (chosen.layout, chosen.talk), remote, fetched, columns)?;
    table.fetch_head = chosen.write_fetch_head || dry;
    for update in &fetched.updates {
        table.add(update);
        if chosen.talk > Talk::Quiet {
            dangling(screen, update, if dry { "will become" } else { "has become" });
        }
    }
    Ok(())
}

pub(super) fn check_place(remote: &Remote) -> Result<(), Failure> {
    let named = remote.label().to_owned();
    if remote.name().is_none()
        && !looks_like_url(&named)
        && !std::path::Path::new(&named.to_string()).exists()
    {
        return Err(no_repository(named.as_bstr()));
    }
    Ok(())
}

/// The failure in git's words where there is no repository at a path.
pub(super) fn unreachable(remote: &Remote, error: RemoteError) -> Failure {
    use git_core::repository::OpenError;
    use git_core::store::fs::layout::OpenError as Layout;
    match error {
        RemoteError::Open(OpenError::Layout(Layout::NotOurs { .. } | Layout::NotARepository { .. })) => {
            no_repository(remote.url())
        }
        error => Failure::from(error),
    }
}

fn no_repository(named: &BStr) -> Failure {
    Failure::fatal(format_args!(
        "'{named}' does not appear to be a git repository\nfatal: Could not read from remote repository.\n\n\
         Please make sure you have the correct access rights\nand the repository exists."
    ))
}

/// `branch.<current>.remote`, the only remote there is, or `origin`.
pub(super) fn default_remote(repository: &Repository) -> Result<BString, Failure> {
    let config = repository.config();
    if let Some(git_core::refs::Target::Symbolic(head)) = repository.refs().get("HEAD")?
        && let Some(branch) = head.as_bytes().strip_prefix(b"refs/heads/")
        && let Some(name) = config.text([b"branch.", branch, b".remote"].concat())?
    {
        return Ok(name.to_owned());
    }
    Ok(match config.subsections("remote")[..] {
        [only] => only.to_owned(),
        _ => "origin".into(),
    })
}

pub(super) fn looks_like_url(text: &BString) -> bool {
    text.contains_str("://") || text.find_byte(b':').is_some_and(|at| !text[..at].contains(&b'/'))
}

pub(super) fn short(id: &ObjectId) -> String {
    id.to_hex()[..7].to_owned()
}

/// The URL as tables show it.
pub(super) fn stem(url: &[u8]) -> String {
    let mut url = url;
    while let Some(rest) = url.strip_suffix(b"/") {
        url = rest;
    }
    String::from_utf8_lossy(url.strip_suffix(b".git").unwrap_or(url)).into_owned()
}
