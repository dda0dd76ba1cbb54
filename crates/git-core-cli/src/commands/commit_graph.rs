//! `commit-graph`: writes and verifies the commit-graph.

use super::Command;
use crate::args::{Arg, Args};
use crate::fail::{Failure, chain};
use crate::globals::Globals;
use crate::input::{lines, stdin};
use crate::reach::context;
use crate::{progress, repo, when};
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::object::ObjectId;
use git_core::repository::GraphError;
use git_core::store::fs::commit_graph::{
    ChangedPaths, FindingClass, GraphSource, GraphWriteError, GraphWriteOptions, SplitOptions, SplitStrategy,
    VerifyDepth,
};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

pub(crate) const COMMAND: Command = Command {
    name: "commit-graph",
    summary: "Write and verify Git commit-graph files",
    usage: "git-core commit-graph verify [--object-dir <dir>] [--shallow] [--[no-]progress]
   or: git-core commit-graph write [--object-dir <dir>] [--append]
                              [--split[=<strategy>]] [--reachable | --stdin-packs | --stdin-commits]
                              [--changed-paths] [--[no-]max-new-filters <n>] [--[no-]progress]
                              <split-options>

    --[no-]object-dir <dir>       the object directory to store the graph
    --[no-]max-commits <n>        maximum number of commits in a non-base split commit-graph
    --[no-]size-multiple <n>      maximum ratio between two levels of a split commit-graph
    --[no-]expire-time <date>     only expire files older than a given date-time",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let mut directory = None;
    // Options common to both may stand before the word.
    let verb = loop {
        match args.next()? {
            None => return Err(Failure::usage("need a subcommand", usage)),
            Some(Arg::Long("object-dir")) => directory = Some(PathBuf::from(args.value()?)),
            Some(Arg::Long("no-object-dir")) => directory = None,
            Some(Arg::Value(verb)) => break verb,
            Some(other) => return Err(Args::unknown(usage, &other)),
        }
    };
    match verb.to_str() {
        Some("write") => write(globals, &mut args, directory),
        Some("verify") => verify(globals, &mut args, directory),
        _ => Err(Failure::usage(format_args!("unknown subcommand: `{}'", verb.to_string_lossy()), usage)),
    }
}

/// Where `write` takes commits from; more than one is an error.
#[derive(Default)]
struct Sources {
    reachable: bool,
    packs: bool,
    commits: bool,
}

fn write(globals: &Globals, args: &mut Args, mut directory: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let repository = repo::open(globals)?;
    let mut options = GraphWriteOptions::configured(repository.config())?;
    let (mut sources, mut split, mut limits) = (Sources::default(), None, SplitOptions::default());
    let mut shown = None;
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("object-dir") => directory = Some(PathBuf::from(args.value()?)),
            Arg::Long("no-object-dir") => directory = None,
            Arg::Long("reachable") => sources.reachable = true,
            Arg::Long("no-reachable") => sources.reachable = false,
            Arg::Long("stdin-packs") => sources.packs = true,
            Arg::Long("no-stdin-packs") => sources.packs = false,
            Arg::Long("stdin-commits") => sources.commits = true,
            Arg::Long("no-stdin-commits") => sources.commits = false,
            Arg::Long("append") => options.append = true,
            Arg::Long("no-append") => options.append = false,
            Arg::Long("changed-paths") => options.changed_paths = ChangedPaths::Store,
            Arg::Long("no-changed-paths") => options.changed_paths = ChangedPaths::Omit,
            Arg::Long("progress") => shown = Some(true),
            Arg::Long("no-progress") => shown = Some(false),
            Arg::Long("split") => {
                split = Some(match args.optional_value() {
                    None => SplitStrategy::Merge,
                    Some(name) if name == "no-merge" => SplitStrategy::NoMerge,
                    Some(name) if name == "replace" => SplitStrategy::Replace,
                    Some(name) => {
                        let name = name.to_string_lossy();
                        return Err(Failure::fatal(format_args!("unrecognized --split argument, {name}")));
                    }
                });
            }
            Arg::Long(name @ ("max-commits" | "size-multiple" | "max-new-filters")) => {
                let name = name.to_owned();
                let text = args.text()?;
                let number: i64 = text.parse().map_err(|_| {
                    Failure::plain(129, format!("error: option `{name}' expects a numerical value"))
                })?;
                match name.as_str() {
                    "max-commits" => limits.max_commits = u64::try_from(number).unwrap_or(0),
                    "size-multiple" => limits.size_multiple = u64::try_from(number).unwrap_or(0),
                    _ => options.max_new_filters = u64::try_from(number).ok(),
                }
            }
            Arg::Long("no-max-commits") => limits.max_commits = 0,
            Arg::Long("no-size-multiple") => limits.size_multiple = 2,
            Arg::Long("no-max-new-filters") => options.max_new_filters = None,
            Arg::Long("no-expire-time") => limits.expire_before = None,
            Arg::Long("expire-time") => {
                let text = args.text()?;
                let seconds = when::parse(&text)
                    .map_err(|_| Failure::fatal(format_args!("malformed expiration date '{text}'")))?;
                let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
                limits.expire_before = Some(SystemTime::UNIX_EPOCH + since);
            }
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    if [sources.reachable, sources.packs, sources.commits].into_iter().filter(|one| *one).count() > 1 {
        return Err(Failure::fatal("use at most one of --reachable, --stdin-commits, or --stdin-packs"));
    }
    if let Some(strategy) = split {
        limits.strategy = strategy;
        options.split = Some(limits);
    }
    if repository.config().bool("core.commitGraph")? == Some(false) {
        eprintln!("warning: attempting to write a commit-graph, but 'core.commitGraph' is disabled");
        return Ok(ExitCode::SUCCESS);
    }
    options.source = source(&repository, &sources)?;
    let cx = context(progress::wanted(shown, false));
    match repository.write_commit_graph(directory.as_deref(), &options, &cx) {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(GraphError::Write(GraphWriteError::NoSuchPack(name))) => {
            let objects = repository.layout().map(|layout| layout.objects_dir.join("pack").join(&name));
            let shown = objects.map_or(name, |path| path.display().to_string());
            Err(Failure::error(1, format_args!("error adding pack {shown}")))
        }
        Err(GraphError::Write(error @ GraphWriteError::NoSuchCommit(_))) => Err(Failure::error(1, error)),
        Err(error) => Err(Failure::fatal(chain(&error))),
    }
}

fn source(repository: &Repository, sources: &Sources) -> Result<GraphSource, Failure> {
    let unreadable = |error| Failure::fatal(format_args!("cannot read standard input: {error}"));
    if sources.reachable {
        return Ok(GraphSource::Reachable);
    }
    if sources.packs {
        let mut names = BTreeSet::new();
        for line in lines(stdin()) {
            names.insert(line.map_err(unreadable)?.to_str_lossy().into_owned());
        }
        return Ok(GraphSource::NamedPacks(names.into_iter().collect()));
    }
    if sources.commits {
        let mut ids = Vec::new();
        for line in lines(stdin()) {
            let line = line.map_err(unreadable)?;
            ids.push(ObjectId::from_hex_of(repository.format(), &line).map_err(|_| {
                Failure::error(1, format_args!("unexpected non-hex object ID: {}", line.as_bstr()))
            })?);
        }
        return Ok(GraphSource::Commits(ids));
    }
    Ok(GraphSource::Packs)
}

fn verify(globals: &Globals, args: &mut Args, mut directory: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let repository = repo::open(globals)?;
    let (mut depth, mut shown) = (VerifyDepth::Chain, None);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("object-dir") => directory = Some(PathBuf::from(args.value()?)),
            Arg::Long("no-object-dir") => directory = None,
            Arg::Long("shallow") => depth = VerifyDepth::Tip,
            Arg::Long("no-shallow") => depth = VerifyDepth::Chain,
            Arg::Long("progress") => shown = Some(true),
            Arg::Long("no-progress") => shown = Some(false),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let cx = context(progress::wanted(shown, false));
    let findings = repository
        .verify_commit_graph(directory.as_deref(), depth, &cx)
        .map_err(|error| Failure::fatal(chain(&error)))?;
    for finding in &findings {
        let prefix = if finding.class == FindingClass::Open { "error: " } else { "" };
        eprintln!("{prefix}{}", finding.text);
    }
    Ok(ExitCode::from(match &findings[..] {
        [] => 0,
        all if all.iter().all(|finding| finding.class == FindingClass::Checksum) => 2,
        _ => 1,
    }))
}
