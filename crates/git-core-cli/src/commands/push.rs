//! `push`: lets refs of another repository follow those here. The table is printed by `push_table`; what is pushed
//! when nobody says so is found in `push_default`.

use super::Command;
use super::fetch_options;
use super::push_default::Here;
use super::push_options::{Chosen, Selection, read};
use super::push_table::{Table, advice};
use crate::args::Args;
use crate::fail::{Failure, chain};
use crate::globals::Globals;
use crate::{progress, reach, repo};
use bstr::{BString, ByteSlice as _};
use git_core::Repository;
use git_core::config::Key;
use git_core::object::ObjectId;
use git_core::refs::refspec::{Direction, MappingError, PushSource};
use git_core::refs::{RefName, Refspec};
use git_core::remote::{
    Atomic, BeforePush, DryRun, FetchOptions, NegotiatePush, PushOptions, PushStatus, Pushed, PushedRef,
    Quiet, Remote, RemoteError,
};
use git_core::store::config::{EditOptions, edit_file};
use git_core::store::fs::sys::{Disk, RealDisk};
use git_core::transport::client::{ClientError, TransportError};
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) const COMMAND: Command = Command {
    name: "push",
    summary: "Update remote refs along with associated objects",
    usage: super::push_options::USAGE,
    run,
};

fn run(globals: &Globals, args: Args) -> Result<ExitCode, Failure> {
    let repository = repo::open(globals)?;
    let mut chosen = read(args, &repository)?;
    let here = Here::of(&repository)?;
    let named = match chosen.repository.take() {
        Some(named) => named,
        None => here.remote()?,
    };
    let remote = repository.remote(&named)?;
    reach::check_credentials(repository.config(), remote.url())?;
    check_place(&remote, &named)?;
    let mut texts = std::mem::take(&mut chosen.specs);
    let selection = match (chosen.selection, remote.is_mirror()) {
        (Selection::Specs, true) => Selection::Mirror,
        (selection, _) => selection,
    };
    match selection {
        Selection::Mirror if !texts.is_empty() => {
            return Err(Failure::fatal("--mirror can't be combined with refspecs"));
        }
        Selection::All if !texts.is_empty() => {
            return Err(Failure::fatal("--all can't be combined with refspecs"));
        }
        Selection::Mirror => {
            texts.push(b"+refs/*:refs/*".to_vec());
            chosen.options.absent = git_core::remote::Absent::Delete;
        }
        Selection::All => texts.push(b"refs/heads/*:refs/heads/*".to_vec()),
        Selection::Specs => {
            if texts.is_empty() && remote.push_specs().is_empty() && !chosen.tags {
                let usual = here.usual(&named)?;
                chosen.upstream |= usual.sets_upstream;
                texts = usual.specs;
            }
            if chosen.tags {
                texts.push(b"refs/tags/*:refs/tags/*".to_vec());
            }
        }
    }
    let mut options = chosen.options.clone();
    // Who shows no progress is sent none.
    if !progress::wanted(chosen.progress, chosen.quiet) {
        options.quiet = Quiet::Yes;
    }
    options.refspecs = texts
        .iter()
        .map(|text| {
            Refspec::parse(Direction::Push, text)
                .map_err(|_| Failure::fatal(format_args!("invalid refspec '{}'", text.as_bstr())))
        })
        .collect::<Result<_, _>>()?;
    let mut code = ExitCode::SUCCESS;
    for url in remote.push_urls() {
        let mut options = options.clone();
        if chosen.verify
            && let Some(hooks) = repository.hooks()
        {
            let (hooks, format) = (hooks.clone(), repository.format());
            let (name, url) = (named.clone(), url.clone());
            options.before =
                Some(BeforePush::new(move |refs| hooks.pre_push(&name, &url, &told(refs, format))));
        }
        if !push_to(globals, &remote.with_push_url(url), &named, &chosen, &options, &here)? {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

/// How it is found out what the remote has, if `push.negotiate` says so. git has this done by `git fetch`.
pub(super) fn negotiating(
    globals: &Globals,
    repository: &Repository,
) -> Result<Option<NegotiatePush>, Failure> {
    let config = repository.config();
    if config.bool("push.negotiate")? != Some(true) {
        return Ok(None);
    }
    let mut link = reach::link(globals)?;
    link.options.observer = crate::trace::packets(globals, "fetch");
    link.server_observer = crate::trace::packets(globals, "upload-pack");
    let mut options = FetchOptions::default();
    options.negotiator = fetch_options::negotiator(config)?;
    Ok(Some(NegotiatePush::new(link, options, |error| {
        match error {
            RemoteError::Transport(TransportError::Protocol(ClientError::Unsupported("wait-for-done"))) => {
                eprintln!("warning: server does not support wait-for-done");
            }
            RemoteError::Transport(TransportError::Protocol(ClientError::Unsupported(_))) => {
                eprintln!("warning: --negotiate-only requires protocol v2");
            }
            other => eprintln!("fatal: {other}"),
        }
        eprintln!("warning: push negotiation failed; proceeding anyway with push");
    })))
}

/// Pushes to one address; whether all of it went well.
fn push_to(
    globals: &Globals,
    remote: &Remote,
    named: &BString,
    chosen: &Chosen,
    options: &PushOptions,
    here: &Here<'_>,
) -> Result<bool, Failure> {
    let repository = remote.repository();
    let url = remote.shown_push_url().to_string();
    if chosen.verbose {
        eprintln!("Pushing to {url}");
    }
    let mut link = reach::link(globals)?;
    if let Some(program) = &chosen.receive_pack {
        link.options.receive_pack.clone_from(program);
    }
    let mut options = options.clone();
    options.negotiate = negotiating(globals, repository)?;
    let options = &options;
    let cx = reach::context_with_messages(progress::wanted(chosen.progress, chosen.quiet));
    let failed = || eprintln!("error: failed to push some refs to '{url}'");
    let pushed = match remote.push(options, link, &cx) {
        Ok(pushed) => pushed,
        Err(RemoteError::Declined) => {
            failed();
            return Ok(false);
        }
        Err(RemoteError::Mapping(error)) => {
            eprintln!("error: {}", unmatched(&error));
            failed();
            return Ok(false);
        }
        Err(error) => return Err(unsupported(&error)),
    };
    drop(cx);
    blocked(options, &pushed);
    let fine = pushed.is_ok();
    if !chosen.quiet || !fine {
        Table { verbose: chosen.verbose, porcelain: chosen.porcelain }.print(&url, &pushed);
    }
    if chosen.verbose && options.dry_run == DryRun::No {
        for one in
            pushed.refs.iter().filter(|one| matches!(one.status, PushStatus::Ok | PushStatus::UpToDate))
        {
            if let Some(tracking) = remote.tracking(&one.remote) {
                eprintln!("updating local tracking ref '{tracking}'");
            }
        }
    }
    if chosen.upstream {
        set_upstream(repository, named, &pushed, chosen, here)?;
    }
    if chosen.porcelain {
        println!("Done");
    } else if fine && !chosen.quiet && pushed.refs.iter().all(|one| one.status == PushStatus::UpToDate) {
        eprintln!("Everything up-to-date");
    }
    if !fine {
        failed();
        if let Some(text) = advice(repository.config(), &pushed, here.branch.as_ref()) {
            eprintln!("{text}");
        }
    }
    Ok(fine)
}

/// Whether what is to be pushed to can be a repository.
pub(super) fn check_place(remote: &Remote, named: &BString) -> Result<(), Failure> {
    if remote.name().is_none()
        && !super::fetch::looks_like_url(named)
        && !std::path::Path::new(&named.to_string()).exists()
    {
        return Err(Failure::fatal(format_args!(
            "'{named}' does not appear to be a git repository\nfatal: Could not read from remote repository.\n\n\
             Please make sure you have the correct access rights\nand the repository exists."
        )));
    }
    Ok(())
}

/// Says which ref kept an atomic push from being sent, if one did.
pub(super) fn blocked(options: &PushOptions, pushed: &Pushed) {
    if options.atomic == Atomic::Whole
        && let Some((name, status)) = blocker(pushed)
    {
        eprintln!("error: atomic push failed for ref {name}. status: {status}");
    }
}

/// The ref that kept an atomic push from being sent, and the number that git has for the reason.
fn blocker(pushed: &Pushed) -> Option<(&RefName, u32)> {
    pushed.refs.iter().find_map(|one| {
        let number = match one.status {
            PushStatus::NonFastForward => 2,
            PushStatus::AlreadyExists => 3,
            PushStatus::DeletionUnsupported => 4,
            PushStatus::FetchFirst => 5,
            PushStatus::NeedsForce => 6,
            PushStatus::StaleInfo => 7,
            PushStatus::RemoteUpdated => 9,
            _ => return None,
        };
        Some((&one.remote, number))
    })
}

pub(super) fn unmatched(error: &MappingError) -> String {
    match error {
        MappingError::NoRemoteRef { name } => format!("unable to delete '{name}': remote ref does not exist"),
        MappingError::Collision { dst, .. } => format!("dst ref {dst} receives from more than one src"),
        MappingError::Ambiguous { name } => format!("dst refspec {name} matches more than one"),
        other => other.to_string(),
    }
}

/// What the other side cannot do, in git's words.
pub(super) fn unsupported(error: &RemoteError) -> Failure {
    if let RemoteError::Sign(cause) = error {
        return super::signing::failed(cause);
    }
    let text = chain(error);
    match text.split("the server does not support ").nth(1) {
        Some("atomic pushes") => Failure::fatal("the receiving end does not support --atomic push"),
        Some(what) => Failure::fatal(format_args!("the receiving end does not support {what}")),
        None => Failure::fatal(text),
    }
}

/// What `pre-push` reads: what is pushed and what it is there.
fn told(refs: &[PushedRef], format: git_core::object::ObjectFormat) -> Vec<u8> {
    let hex = |id: Option<ObjectId>| id.unwrap_or_else(|| ObjectId::null(format)).to_hex();
    let passed = |one: &&PushedRef| {
        !matches!(
            one.status,
            PushStatus::UpToDate
                | PushStatus::NonFastForward
                | PushStatus::StaleInfo
                | PushStatus::RemoteUpdated
        )
    };
    let mut lines = Vec::new();
    for one in refs.iter().filter(passed) {
        match &one.source {
            PushSource::Ref(name) => lines.extend_from_slice(name.as_bytes()),
            PushSource::Revision(text) => lines.extend_from_slice(text),
            PushSource::Nothing => lines.extend_from_slice(b"(delete)"),
        }
        lines.extend_from_slice(format!(" {} ", hex(one.new)).as_bytes());
        lines.extend_from_slice(one.remote.as_bytes());
        lines.extend_from_slice(format!(" {}\n", hex(one.old)).as_bytes());
    }
    lines
}

/// Lets branches follow what they were pushed to.
fn set_upstream(
    repository: &Repository,
    named: &BString,
    pushed: &Pushed,
    chosen: &Chosen,
    here: &Here<'_>,
) -> Result<(), Failure> {
    for one in &pushed.refs {
        let local = match &one.source {
            PushSource::Ref(name) if name.is_head() => here.branch.clone(),
            PushSource::Ref(name) => Some(name.clone()),
            _ => None,
        };
        let Some(local) = local.filter(|local| local.is_branch() && one.remote.is_branch()) else { continue };
        if !matches!(one.status, PushStatus::Ok | PushStatus::UpToDate) || one.new.is_none() {
            continue;
        }
        let (short, there) = (local.short(), one.remote.short());
        if chosen.options.dry_run == DryRun::Yes {
            println!("Would set upstream of '{short}' to '{there}' of '{named}'");
            continue;
        }
        let Some(layout) = repository.layout() else { continue };
        let key = |name: &str| Key::new("branch", Some(short.as_bytes()), name);
        let (remote_key, merge_key) = (key("remote")?, key("merge")?);
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::default());
        edit_file(&disk, &layout.common_dir.join("config"), &EditOptions::default(), |document| {
            document.replace_all(&remote_key, named)?;
            document.replace_all(&merge_key, one.remote.as_bytes())
        })?;
        if !chosen.quiet {
            println!("branch '{short}' set up to track '{named}/{there}'.");
        }
    }
    Ok(())
}
