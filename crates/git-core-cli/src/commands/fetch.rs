//! `fetch`: brings what another repository has, and lets refs follow.

use super::Command;
use crate::args::{Arg, Args, bytes};
use crate::depths::Depths;
use crate::fail::Failure;
use crate::globals::Globals;
use crate::{progress, reach, repo};
use bstr::{BString, ByteSlice as _};
use git_core::Repository;
use git_core::object::ObjectId;
use git_core::refs::Refspec;
use git_core::refs::refspec::{Direction, FetchSource};
use git_core::remote::{
    Atomic, FetchOptions, Fetched, FilterChoice, Force, Prune, RefUpdate, Refetch, Remote, RemoteEnds, Tags,
    UpdateStatus,
};
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "fetch",
    summary: "Download objects and refs from another repository",
    usage: "git-core fetch [<options>] [<repository> [<refspec>...]]

    -q, --quiet           say nothing
    -v, --verbose         say what did not change, too
    -f, --force           update refs even when that is no fast-forward
    -p, --prune           remove refs that the remote does not have any more
    -t, --tags            fetch all tags
    -n, --no-tags         fetch no tags beside what refspecs name
    -a, --append          add to .git/FETCH_HEAD instead of replacing it
    --[no-]write-fetch-head
    --atomic              update all refs or none
    --depth <depth>       limit the history to so many commits
    --deepen <depth>      make the history longer by so many commits
    --shallow-since <time>, --shallow-exclude <ref>
                          limit the history to what is newer, or not reached by a ref
    --unshallow           fetch all of the history
    --filter <spec>       leave objects out until they are needed
    --refetch             fetch everything anew
    --update-shallow      accept refs whose history ends where that of the remote does
    --[no-]progress       show progress
    --upload-pack <path>  the program on the other side",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let mut options = FetchOptions::default();
    let (mut quiet, mut verbose, mut asked, mut append, mut write) = (false, false, None, false, true);
    let mut prune = None;
    let mut operands: Vec<Vec<u8>> = Vec::new();
    let mut link = reach::link(globals)?;
    let mut depths = Depths::default();
    let usage = args.usage();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("filter") => {
                let text = args.value()?;
                options.filter = FilterChoice::By(crate::filters::spec(&text)?);
            }
            Arg::Long("no-filter") => options.filter = FilterChoice::None,
            Arg::Long("refetch") => options.refetch = Refetch::All,
            Arg::Long("update-shallow") => options.remote_ends = RemoteEnds::Accept,
            Arg::Long("no-update-shallow") => options.remote_ends = RemoteEnds::Refuse,
            Arg::Long(name @ ("depth" | "deepen" | "shallow-since" | "shallow-exclude" | "unshallow")) => {
                let name = name.to_owned();
                depths.fetch_option(&name, &mut args)?;
            }
            Arg::Short('q') | Arg::Long("quiet") => quiet = true,
            Arg::Short('v') | Arg::Long("verbose") => verbose = true,
            Arg::Short('f') | Arg::Long("force") => options.force = Force::All,
            Arg::Short('p') | Arg::Long("prune") => prune = Some(true),
            Arg::Long("no-prune") => prune = Some(false),
            Arg::Short('t') | Arg::Long("tags") => options.tags = Some(Tags::All),
            Arg::Short('n') | Arg::Long("no-tags") => options.tags = Some(Tags::None),
            Arg::Short('a') | Arg::Long("append") => append = true,
            Arg::Long("write-fetch-head") => write = true,
            Arg::Long("no-write-fetch-head") => write = false,
            Arg::Long("atomic") => options.atomic = Atomic::Whole,
            Arg::Long("progress") => asked = Some(true),
            Arg::Long("no-progress") => asked = Some(false),
            Arg::Long("upload-pack") => link.options.upload_pack = args.value()?,
            Arg::Short('u') | Arg::Long("update-head-ok") => {
                options.update_head_ok = git_core::remote::UpdateHead::Allow
            }
            Arg::Long(
                "no-auto-gc"
                | "no-auto-maintenance"
                | "auto-gc"
                | "no-recurse-submodules"
                | "no-show-forced-updates"
                | "show-forced-updates",
            ) => {}
            Arg::Value(value) => operands.push(bytes(&value)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let repository = repo::open(globals)?;
    options.deepen = depths.deepen(repository.snapshot()?.shallow().is_empty())?;
    let mut operands = operands.into_iter();
    let named = match operands.next() {
        Some(named) => BString::from(named),
        None => default_remote(&repository)?,
    };
    let remote = repository.remote(&named)?;
    if remote.name().is_none()
        && !looks_like_url(&named)
        && !std::path::Path::new(&named.to_string()).exists()
    {
        return Err(Failure::fatal(format_args!(
            "'{named}' does not appear to be a git repository\nfatal: Could not read from remote repository.\n\n\
             Please make sure you have the correct access rights\nand the repository exists."
        )));
    }
    let mut specs = Vec::new();
    while let Some(text) = operands.next() {
        let text = match text.as_slice() {
            b"tag" => {
                let name =
                    operands.next().ok_or_else(|| Failure::fatal("You need to specify a tag name."))?;
                [b"refs/tags/", name.as_slice(), b":refs/tags/", name.as_slice()].concat()
            }
            _ => text,
        };
        specs.push(Refspec::parse(Direction::Fetch, text)?);
    }
    options.refspecs = specs;
    let config = repository.config();
    let configured = |key: String| config.bool(key);
    let prune = match (prune, remote.name()) {
        (Some(prune), _) => prune,
        (None, Some(name)) => match configured(format!("remote.{name}.prune"))? {
            Some(prune) => prune,
            None => configured("fetch.prune".to_owned())?.unwrap_or(false),
        },
        (None, None) => false,
    };
    options.prune = if prune { Prune::Remove } else { Prune::Keep };
    options.unpack_below = match config.int("fetch.unpackLimit")? {
        Some(limit) => u64::try_from(limit).unwrap_or(0),
        None => config.int("transfer.unpackLimit")?.map_or(100, |limit| u64::try_from(limit).unwrap_or(0)),
    };
    options.reflog_message = Some(format!("fetch {}", reflog_arguments(&named, &options)).trim().into());

    let cx = reach::context(progress::wanted(asked, quiet));
    let fetched = remote.fetch(&options, link, &cx)?;
    if fetched.filter_ignored {
        eprintln!("warning: filtering not recognized by server, ignoring");
    }
    if write {
        let mut entries = fetched.fetch_head.clone();
        if append {
            repository.append_fetch_head(&entries)?;
        } else {
            entries.shrink_to_fit();
            repository.write_fetch_head(&entries)?;
        }
    }
    for update in &fetched.updates {
        if let (UpdateStatus::Shallow, Some(name)) = (&update.status, &update.local) {
            eprintln!("warning: rejected {name} because shallow roots are not allowed to be updated");
        }
    }
    let rejected = fetched.updates.iter().any(|update| update.status.is_rejected());
    if !quiet {
        report(&remote, &fetched, verbose);
    }
    // As in git, what has been fetched is there whatever becomes of this.
    if config.bool("fetch.writeCommitGraph")? == Some(true)
        && let Err(error) = repository.extend_commit_graph(&cx)
    {
        eprintln!("warning: cannot write the commit-graph: {}", crate::fail::chain(&error));
    }
    Ok(if rejected { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn reflog_arguments(named: &BString, options: &FetchOptions) -> String {
    let specs: Vec<String> = options.refspecs.iter().map(|spec| spec.to_string()).collect();
    format!("{named} {}", specs.join(" "))
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

/// The table of what changed, as git prints it.
fn report(remote: &Remote, fetched: &Fetched, verbose: bool) {
    let shown: Vec<_> = fetched
        .updates
        .iter()
        .filter(|update| verbose || update.status != UpdateStatus::UpToDate)
        .filter(|update| update.status != UpdateStatus::Shallow)
        .filter(|update| update.local.is_some() || update.source.is_some())
        .collect();
    if shown.is_empty() {
        return;
    }
    let width = shown.iter().map(|update| source(update).chars().count()).max().unwrap_or(0).max(10);
    eprintln!("From {}", stem(&remote.shown_url()));
    for update in shown {
        let (flag, what, note) = columns(update);
        let to =
            update.local.as_ref().map_or_else(|| "FETCH_HEAD".to_owned(), |name| pretty(name.as_bytes()));
        eprintln!(" {flag} {what:<17} {:<width$} -> {to}{note}", source(update));
    }
}

fn columns(update: &RefUpdate) -> (char, String, String) {
    let range = |dots: &str| match (update.old, update.new) {
        (Some(old), Some(new)) => format!("{}{dots}{}", short(&old), short(&new)),
        _ => String::new(),
    };
    let kind = update.local.as_ref().or(match &update.source {
        Some(FetchSource::Ref(name)) => Some(name),
        _ => None,
    });
    let created = match kind {
        Some(name) if name.is_tag() => "[new tag]",
        Some(name) if name.is_branch() || name.is_remote() => "[new branch]",
        _ => "[new ref]",
    };
    match &update.status {
        UpdateStatus::UpToDate => ('=', "[up to date]".to_owned(), String::new()),
        UpdateStatus::Created if update.local.is_none() => {
            let what = match &update.source {
                Some(FetchSource::Ref(name)) if name.is_tag() => "tag",
                Some(FetchSource::Ref(name)) if name.is_branch() || name.is_head() => "branch",
                _ => "ref",
            };
            ('*', what.to_owned(), String::new())
        }
        UpdateStatus::Created => ('*', created.to_owned(), String::new()),
        UpdateStatus::FastForward => (' ', range(".."), String::new()),
        UpdateStatus::Forced => {
            let tag = update.local.as_ref().is_some_and(|name| name.is_tag());
            if tag {
                ('t', "[tag update]".to_owned(), String::new())
            } else {
                ('+', range("..."), "  (forced update)".to_owned())
            }
        }
        UpdateStatus::Pruned => ('-', "[deleted]".to_owned(), String::new()),
        UpdateStatus::NonFastForward => ('!', "[rejected]".to_owned(), "  (non-fast-forward)".to_owned()),
        UpdateStatus::TagClobbered => {
            ('!', "[rejected]".to_owned(), "  (would clobber existing tag)".to_owned())
        }
        UpdateStatus::CheckedOut => {
            ('!', "[rejected]".to_owned(), "  (can't fetch into checked-out branch)".to_owned())
        }
        UpdateStatus::Failed(reason) => {
            ('!', "[rejected]".to_owned(), format!("  (unable to update local ref: {reason})"))
        }
        _ => ('?', String::new(), String::new()),
    }
}

fn source(update: &RefUpdate) -> String {
    match &update.source {
        Some(FetchSource::Ref(name)) => pretty(name.as_bytes()),
        Some(FetchSource::Id(id)) => id.to_string(),
        None => "(none)".to_owned(),
    }
}

/// A ref without the part that goes without saying.
pub(super) fn pretty(name: &[u8]) -> String {
    let short = [&b"refs/heads/"[..], b"refs/tags/", b"refs/remotes/"]
        .iter()
        .find_map(|prefix| name.strip_prefix(*prefix))
        .unwrap_or(name);
    String::from_utf8_lossy(short).into_owned()
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
