//! `push`: lets refs of another repository follow those here.

use super::Command;
use super::fetch::{default_remote, pretty, short};
use crate::args::{Arg, Args, bytes};
use crate::fail::Failure;
use crate::globals::Globals;
use crate::{progress, reach, repo};
use bstr::BString;
use git_core::Repository;
use git_core::refs::refspec::{Direction, PushSource};
use git_core::refs::{Refspec, Target};
use git_core::remote::{Atomic, DryRun, Force, PushOptions, PushStatus, Pushed, PushedRef, Quiet, Remote};
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "push",
    summary: "Update remote refs along with associated objects",
    usage: "git-core push [<options>] [<repository> [<refspec>...]]

    -q, --quiet           say nothing
    -v, --verbose         say what did not change, too
    -f, --force           update refs even when that is no fast-forward
    -n, --dry-run         do everything but the update
    -d, --delete          delete the refs that are named
    --all, --branches     push all branches
    --mirror              make the remote's refs those that are here
    --tags                push all tags, too
    --atomic              update all refs or none
    -o, --push-option <text>
    --[no-]progress       show progress
    --receive-pack <path> the program on the other side",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let mut options = PushOptions::default();
    let (mut quiet, mut verbose, mut asked) = (false, false, None);
    let (mut delete, mut all, mut mirror, mut tags) = (false, false, false, false);
    let mut operands: Vec<Vec<u8>> = Vec::new();
    let mut link = reach::link(globals)?;
    let usage = args.usage();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('q') | Arg::Long("quiet") => quiet = true,
            Arg::Short('v') | Arg::Long("verbose") => verbose = true,
            Arg::Short('f') | Arg::Long("force") => options.force = Force::All,
            Arg::Short('n') | Arg::Long("dry-run") => options.dry_run = DryRun::Yes,
            Arg::Short('d') | Arg::Long("delete") => delete = true,
            Arg::Long("all" | "branches") => all = true,
            Arg::Long("mirror") => mirror = true,
            Arg::Long("tags") => tags = true,
            Arg::Long("atomic") => options.atomic = Atomic::Whole,
            Arg::Long("no-atomic") => options.atomic = Atomic::Each,
            Arg::Short('o') | Arg::Long("push-option") => {
                options.push_options.push(bytes(&args.value()?).into())
            }
            Arg::Long("progress") => asked = Some(true),
            Arg::Long("no-progress") => asked = Some(false),
            Arg::Long("thin" | "no-thin" | "no-verify" | "no-recurse-submodules") => {}
            Arg::Long("receive-pack" | "exec") => link.options.receive_pack = args.value()?,
            Arg::Value(value) => operands.push(bytes(&value)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let repository = repo::open(globals)?;
    let mut operands = operands.into_iter();
    let named = match operands.next() {
        Some(named) => BString::from(named),
        None => default_remote(&repository)?,
    };
    let remote = repository.remote(&named)?;
    let mut specs = Vec::new();
    while let Some(text) = operands.next() {
        let text = match (delete, text.as_slice()) {
            (true, name) => [b":", name].concat(),
            (false, b"tag") => {
                let name = operands.next().ok_or_else(|| Failure::fatal("tag shorthand without <tag>"))?;
                [b"refs/tags/", name.as_slice()].concat()
            }
            _ => text,
        };
        specs.push(text);
    }
    if delete && specs.is_empty() {
        return Err(Failure::fatal("--delete doesn't make sense without any refs"));
    }
    if mirror || remote.is_mirror() {
        if !specs.is_empty() {
            return Err(Failure::fatal("--mirror can't be combined with refspecs"));
        }
        specs.extend(mirror_specs(&repository, &remote, globals)?);
    } else if all {
        specs.push(b"refs/heads/*:refs/heads/*".to_vec());
    }
    if tags {
        specs.push(b"refs/tags/*:refs/tags/*".to_vec());
    }
    if specs.is_empty() && remote.push_specs().is_empty() {
        specs.push(default_spec(&repository)?);
    }
    options.refspecs =
        specs.iter().map(|spec| Refspec::parse(Direction::Push, spec)).collect::<Result<_, _>>()?;
    options.quiet = if quiet { Quiet::Yes } else { Quiet::No };

    let cx = reach::context(progress::wanted(asked, quiet));
    let pushed = remote.push(&options, link, &cx)?;
    report(&remote, &pushed, quiet, verbose);
    if pushed.is_ok() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("error: failed to push some refs to '{}'", remote.shown_push_url());
    Ok(ExitCode::FAILURE)
}

/// All refs here, forced, and the deletion of what is only there.
fn mirror_specs(
    repository: &Repository,
    remote: &Remote,
    globals: &Globals,
) -> Result<Vec<Vec<u8>>, Failure> {
    let mut specs = vec![b"+refs/*:refs/*".to_vec()];
    for one in remote.list_for_push(reach::link(globals)?, &git_core::object::Context::new())? {
        if one.name.as_bytes().starts_with(b"refs/") && !repository.refs().contains(one.name.as_bytes())? {
            specs.push([b":", one.name.as_bytes()].concat());
        }
    }
    Ok(specs)
}

/// `push.default=simple` and its like: the current branch, under its own name.
fn default_spec(repository: &Repository) -> Result<Vec<u8>, Failure> {
    let default =
        repository.config().text("push.default")?.map_or_else(|| "simple".into(), |text| text.to_owned());
    match default.as_slice() {
        b"nothing" => {
            return Err(Failure::fatal(
                "You didn't specify any refspecs to push, and push.default is \"nothing\".",
            ));
        }
        b"matching" => return Ok(b":".to_vec()),
        _ => {}
    }
    match repository.refs().get("HEAD")? {
        Some(Target::Symbolic(branch)) if branch.is_branch() => {
            Ok([branch.as_bytes(), b":", branch.as_bytes()].concat())
        }
        _ => Err(Failure::fatal(
            "You are not currently on a branch.\nTo push the history leading to the current (detached HEAD)\n\
             state now, use\n\n    git push <remote> HEAD:<name-of-remote-branch>\n",
        )),
    }
}

/// The table of what changed, as git prints it.
fn report(remote: &Remote, pushed: &Pushed, quiet: bool, verbose: bool) {
    if let Some(reason) = &pushed.unpack_error {
        eprintln!("error: remote unpack failed: {}", progress::masked(reason));
    }
    let shown: Vec<_> = pushed
        .refs
        .iter()
        .filter(|one| verbose || one.status != PushStatus::UpToDate)
        .filter(|one| !quiet || one.status.is_rejected())
        .collect();
    if shown.is_empty() {
        if !quiet && pushed.refs.iter().all(|one| one.status == PushStatus::UpToDate) {
            eprintln!("Everything up-to-date");
        }
        return;
    }
    eprintln!("To {}", remote.shown_push_url());
    for one in shown {
        let (flag, what, note) = columns(one);
        let to = pretty(one.remote.as_bytes());
        match source(one) {
            Some(from) => eprintln!(" {flag} {what:<17} {from} -> {to}{note}"),
            None => eprintln!(" {flag} {what:<17} {to}{note}"),
        }
    }
}

fn source(one: &PushedRef) -> Option<String> {
    match &one.source {
        PushSource::Ref(name) => Some(pretty(name.as_bytes())),
        PushSource::Revision(text) => Some(text.to_string()),
        PushSource::Nothing => None,
    }
}

fn columns(one: &PushedRef) -> (char, String, String) {
    let rejected = |reason: &str| ('!', "[rejected]".to_owned(), format!(" ({reason})"));
    match (&one.status, one.old, one.new) {
        (PushStatus::UpToDate, ..) => ('=', "[up to date]".to_owned(), String::new()),
        (PushStatus::Ok, _, None) => ('-', "[deleted]".to_owned(), String::new()),
        (PushStatus::Ok, None, Some(_)) => {
            let what = match &one.remote {
                name if name.is_tag() => "[new tag]",
                name if name.is_branch() => "[new branch]",
                _ => "[new reference]",
            };
            ('*', what.to_owned(), String::new())
        }
        (PushStatus::Ok, Some(old), Some(new)) if one.forced => {
            ('+', format!("{}...{}", short(&old), short(&new)), " (forced update)".to_owned())
        }
        (PushStatus::Ok, Some(old), Some(new)) => {
            (' ', format!("{}..{}", short(&old), short(&new)), String::new())
        }
        (PushStatus::NonFastForward, ..) => rejected("non-fast-forward"),
        (PushStatus::FetchFirst, ..) => rejected("fetch first"),
        (PushStatus::AlreadyExists, ..) => rejected("already exists"),
        (PushStatus::AtomicFailed, ..) => rejected("atomic push failed"),
        (PushStatus::NothingToDelete, ..) => rejected("remote ref does not exist"),
        (PushStatus::RemoteRejected(reason), ..) => {
            ('!', "[remote rejected]".to_owned(), format!(" ({})", progress::masked(reason)))
        }
        (PushStatus::Unreported, ..) => {
            ('!', "[remote failure]".to_owned(), " (remote failed to report status)".to_owned())
        }
        _ => ('?', String::new(), String::new()),
    }
}
