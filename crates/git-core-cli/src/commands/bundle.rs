//! `bundle`: refs and their history in a file.

use super::Command;
use super::rev_list_history::{HistoryOptions, is_history_option, max_count};
use crate::args::{Arg, Args};
use crate::fail::{Failure, chain};
use crate::globals::Globals;
use crate::input::{lines, stdin};
use crate::output;
use crate::revisions::{RefSelection, Revisions};
use crate::{progress, reach, repo};
use git_core::bundle::{
    BundleFile, BundleFileError, BundleOptions, BundlePlan, BundleVersion, BundleWriteError, BundledRef,
};
use git_core::object::Context;
use git_core::refs::RefName;
use git_core::repository::Seen;
use git_core::store::Snapshot;
use git_core::store::filter::FilterSpec;
use git_core::store::fs::sys::{Disk, RealDisk};
use git_core::store::lock::{LockError, LockFile};
use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const COMMAND: Command = Command {
    name: "bundle",
    summary: "Move objects and refs by archive",
    usage: "git-core bundle create [-q | --quiet | --progress]
                         [--version=<version>] <file> <git-rev-list-args>
   or: git-core bundle verify [-q | --quiet] <file>
   or: git-core bundle list-heads <file> [<refname>...]
   or: git-core bundle unbundle [--progress] <file> [<refname>...]",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let verb = match args.next()? {
        None => return Err(Failure::usage("need a subcommand", usage)),
        Some(Arg::Value(verb)) => verb,
        Some(other) => return Err(Args::unknown(usage, &other)),
    };
    match verb.to_str() {
        Some("create") => create(globals, args),
        Some("verify") => verify(globals, args),
        Some("list-heads") => list_heads(args),
        Some("unbundle") => unbundle(globals, args),
        _ => Err(Failure::usage(format_args!("unknown subcommand: `{}'", verb.to_string_lossy()), usage)),
    }
}

fn need_file(usage: &str) -> Failure {
    Failure::plain(129, format!("fatal: need a <file> argument\n\nusage: {}", usage.trim_end()))
}

fn create(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let paths = args.split_paths()?;
    let (mut quiet, mut asked, mut version, mut file) = (false, None, None, None);
    // What stands before the file are options of the bundle, what stands behind it those of the history.
    while file.is_none() {
        match args.next()? {
            Some(Arg::Short('q') | Arg::Long("quiet")) => quiet = true,
            Some(Arg::Long("progress" | "all-progress" | "all-progress-implied")) => asked = Some(true),
            Some(Arg::Long("no-progress")) => asked = Some(false),
            Some(Arg::Long("version")) => version = Some(args.number()?),
            Some(Arg::Value(value)) => file = Some(value),
            Some(other) => return Err(Args::unknown(usage, &other)),
            None => return Err(need_file(usage)),
        }
    }
    let file = PathBuf::from(file.ok_or_else(|| need_file(usage))?);
    let repository = repo::open(globals)?;
    let snapshot = repository.seen(Seen::History)?;
    let (mut revisions, mut history, mut not) = (Revisions::default(), HistoryOptions::default(), false);
    let mut filter: Option<FilterSpec> = None;
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("not") => not = !not,
            Arg::Long("stdin") => revisions.add_lines(&*snapshot, &mut lines(stdin()))?,
            Arg::Long("reflog") => revisions.add_reflogs(&*snapshot, not)?,
            Arg::Long("exclude") => revisions.exclude(&repo::operand(args.value()?)),
            Arg::Long(name @ ("all" | "branches" | "tags" | "remotes" | "glob")) => {
                let name = name.to_owned();
                let value = match name.as_str() {
                    "glob" => Some(repo::operand(args.value()?)),
                    _ => args.optional_value().map(repo::operand),
                };
                if let Some(selection) = RefSelection::of_option(&name, value.as_deref()) {
                    revisions.add_refs(&*snapshot, &selection, not)?;
                }
            }
            Arg::Long("filter") => {
                let spec = FilterSpec::parse(&repo::operand(args.value()?)).map_err(Failure::fatal)?;
                filter = Some(match filter.take() {
                    Some(before) => FilterSpec::and(before, spec),
                    None => spec,
                });
            }
            Arg::Long("no-filter") => filter = None,
            Arg::Long(name) if is_history_option(name) => {
                let name = name.to_owned();
                history.take(&name, &mut args)?;
            }
            Arg::Short('n') => history.query.max_count = max_count(&args.text()?)?,
            Arg::Short(first) if first.is_ascii_digit() => {
                let mut text = first.to_string();
                text.push_str(&args.attached().unwrap_or_default());
                history.query.max_count = max_count(&text)?;
            }
            Arg::Value(text) => revisions.add(&*snapshot, &repo::operand(text), not)?,
            Arg::Long(name) => {
                return Err(Failure::error(128, format_args!("unrecognized argument: --{name}")));
            }
            Arg::Short(name) => {
                return Err(Failure::error(128, format_args!("unrecognized argument: -{name}")));
            }
        }
    }
    history.take_paths(&repository, &paths)?;

    let mut options = BundleOptions::default();
    options.version = match version {
        None => None,
        Some(2) => Some(BundleVersion::V2),
        Some(3) => Some(BundleVersion::V3),
        Some(other) => return Err(Failure::fatal(format_args!("unsupported bundle version {other}"))),
    };
    let mut shown_as = Vec::new();
    for tip in &revisions.tips {
        match tip.hidden {
            true => options.exclude.push(tip.id),
            false => {
                options.include.push(tip.id);
                if let Some(name) = full_name(&*snapshot, &tip.name)? {
                    shown_as.push((name.clone(), tip.name.clone()));
                    options.references.push(BundledRef { id: tip.id, name });
                }
            }
        }
    }
    options.filter = filter;
    options.history = history.query(&*snapshot, &revisions)?;
    let cx = reach::context(progress::wanted(asked, quiet));
    let plan = BundlePlan::new(&*snapshot, &options, &cx).map_err(|error| cannot_write(&error))?;
    for name in plan.left_out() {
        let text = shown_as.iter().find(|(full, _)| full == name).map_or(name.as_bytes(), |(_, text)| text);
        eprintln!("warning: ref '{}' is excluded by the rev-list options", String::from_utf8_lossy(text));
    }
    // Replaced objects are for reading; what is sent is what is there.
    let snapshot = repository.snapshot()?;
    if file.as_os_str() == "-" {
        let mut out = output::stdout();
        plan.write(snapshot, &mut out, &cx).map_err(|error| cannot_write(&error))?;
        output::finish(out)?;
    } else {
        write_file(&plan, snapshot, &file, &cx)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes to `<file>.lock` first, so that there is a whole bundle or none.
fn write_file(
    plan: &BundlePlan,
    snapshot: Arc<dyn Snapshot>,
    file: &Path,
    cx: &Context,
) -> Result<(), Failure> {
    if plan.header().references.is_empty() {
        return Err(cannot_write(&BundleWriteError::Empty));
    }
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::default());
    let file = &std::path::absolute(file)?;
    let mut lock = LockFile::acquire(&disk, file, Duration::ZERO).map_err(|error| match &error {
        LockError::Unavailable { lock, source, .. } => {
            Failure::fatal(format_args!("Unable to create '{}': {}", lock.display(), reason(&**source)))
        }
        _ => Failure::fatal(&error),
    })?;
    plan.write(snapshot, &mut lock, cx).map_err(|error| cannot_write(&error))?;
    lock.commit().map_err(|error| Failure::fatal(format_args!("cannot create '{}': {error}", file.display())))
}

/// What the system said, without the number that Rust adds.
fn reason(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

fn cannot_write(error: &BundleWriteError) -> Failure {
    Failure::fatal(chain(error))
}

/// The ref that a text names; `None` when it names an object otherwise.
fn full_name(snapshot: &dyn Snapshot, text: &[u8]) -> Result<Option<RefName>, Failure> {
    if text == b"@" {
        // Git writes the branch that `HEAD` is on.
        let (name, _) = git_core::store::revision::follow(snapshot, &RefName::head())?;
        return Ok(Some(name));
    }
    for (before, after) in [
        ("", ""),
        ("refs/", ""),
        ("refs/tags/", ""),
        ("refs/heads/", ""),
        ("refs/remotes/", ""),
        ("refs/remotes/", "/HEAD"),
    ] {
        if let Ok(name) = RefName::new([before.as_bytes(), text, after.as_bytes()].concat())
            && snapshot.find_ref(&name)?.is_some()
        {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn verify(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (mut quiet, mut file) = (false, None);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('q') | Arg::Long("quiet") => quiet = true,
            Arg::Long("no-quiet") => quiet = false,
            Arg::Value(value) => file = Some(file.unwrap_or(value)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let file = PathBuf::from(file.ok_or_else(|| need_file(usage))?);
    let bundle = BundleFile::open(&file).map_err(|error| refused(&error))?;
    let Some(repository) = repo::open_optional(globals)? else {
        return Err(Failure::error(1, "need a repository to verify a bundle"));
    };
    bundle.check(&*repository.snapshot()?, &Context::new()).map_err(|error| refused(&error))?;
    if !quiet {
        let header = bundle.header();
        let mut out = output::stdout();
        let mut text = Vec::new();
        let refs = header.references.len();
        match refs {
            1 => text.extend_from_slice(b"The bundle contains this ref:\n"),
            _ => writeln!(text, "The bundle contains these {refs} refs:")?,
        }
        for one in &header.references {
            writeln!(text, "{} {}", one.id, one.name)?;
        }
        match header.prerequisites.len() {
            0 => text.extend_from_slice(b"The bundle records a complete history.\n"),
            1 => text.extend_from_slice(b"The bundle requires this ref:\n"),
            many => writeln!(text, "The bundle requires these {many} refs:")?,
        }
        for one in &header.prerequisites {
            writeln!(text, "{} ", one.id)?;
        }
        writeln!(text, "The bundle uses this hash algorithm: {}", header.format)?;
        if let Some(filter) = &header.filter {
            writeln!(text, "The bundle uses this filter: {filter}")?;
        }
        output::written(out.write_all(&text))?;
        output::finish(out)?;
    }
    eprintln!("{} is okay", file.display());
    Ok(ExitCode::SUCCESS)
}

/// What git says of a bundle that it does not take.
fn refused(error: &BundleFileError) -> Failure {
    match error {
        BundleFileError::Receive(_) | BundleFileError::Junk => Failure::fatal(chain(error)),
        BundleFileError::Open { .. } | BundleFileError::Invalid { .. } => Failure::error(1, error),
        other => Failure::error(1, chain(other)),
    }
}

fn list_heads(mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (mut file, mut names) = (None, Vec::new());
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Value(value) if file.is_none() => file = Some(PathBuf::from(value)),
            Arg::Value(value) => names.push(repo::operand(value)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let file = file.ok_or_else(|| need_file(usage))?;
    let bundle = BundleFile::open(&file).map_err(|error| refused(&error))?;
    print_heads(&bundle.header().references, &names)
}

fn unbundle(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (mut file, mut names, mut asked) = (None, Vec::new(), None);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("progress") => asked = Some(true),
            Arg::Long("no-progress") => asked = Some(false),
            Arg::Value(value) if file.is_none() => file = Some(PathBuf::from(value)),
            Arg::Value(value) => names.push(repo::operand(value)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let file = file.ok_or_else(|| need_file(usage))?;
    let bundle = BundleFile::open(&file).map_err(|error| refused(&error))?;
    let Some(repository) = repo::open_optional(globals)? else {
        return Err(Failure::fatal("Need a repository to unbundle."));
    };
    let cx = reach::context(progress::wanted(asked, false));
    let header = bundle.unbundle(&repository, &cx).map_err(|error| match error {
        // As git does when its index-pack has failed.
        BundleFileError::Receive(_) | BundleFileError::Junk => {
            Failure::plain(1, format!("fatal: {}\nerror: index-pack died", chain(&error)))
        }
        other => refused(&other),
    })?;
    print_heads(&header.references, &names)
}

/// Prints refs, those of these names only if there are names.
fn print_heads(references: &[BundledRef], names: &[Vec<u8>]) -> Result<ExitCode, Failure> {
    let wanted: HashSet<&[u8]> = names.iter().map(Vec::as_slice).collect();
    let mut out = output::stdout();
    for one in references {
        if wanted.is_empty() || wanted.contains(one.name.as_bytes()) {
            output::written(writeln!(out, "{} {}", one.id, one.name))?;
        }
    }
    output::finish(out)?;
    Ok(ExitCode::SUCCESS)
}
