//! `archive`: the files of a tree in one file, from here or from another repository.

use super::Command;
use crate::args::Args;
use crate::fail::{Failure, chain};
use crate::globals::{Globals, os_string};
use crate::{output, repo, when};
use bstr::{BString, ByteSlice as _};
use git_core::Repository;
use git_core::archive::{
    ArchiveArguments, ArgumentError, Asker, EntryListener, Formats, PrepareError, SourceError, USAGE,
};
use git_core::config::pathspec::PathspecDefaults;
use git_core::object::Context;
use git_core::worktree::archive::ArchiveError;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "archive",
    summary: "Create an archive of files from a named tree",
    usage: "git-core archive [<options>] <tree-ish> [<path>...]",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let all: Vec<BString> = args.rest()?.into_iter().map(|one| one.into_encoded_bytes().into()).collect();
    if all == ["-h"] {
        println!("{}", shown_usage());
        return Ok(ExitCode::from(129));
    }
    if let Some((ours, passed)) = super::archive_remote::split(&all).map_err(misused)? {
        let mut out = target(&ours)?;
        return super::archive_remote::run(globals, &ours, passed, &mut out);
    }
    let arguments = ArchiveArguments::parse(&all).map_err(misused)?;
    let mut out = target(&arguments)?;
    if arguments.list {
        return list(globals, &arguments);
    }
    if arguments.operands.is_empty() {
        return Err(misused(ArgumentError::Usage(String::new())));
    }
    let repository = repo::open(globals)?;
    let arguments = with_format(arguments, &Formats::of(repository.config())?);
    let asker = asker(globals, &repository, &arguments)?;
    let cx = Context::new();
    let mut source = repository.archive(&arguments, asker, &cx).map_err(unprepared)?;
    let mut piece = Vec::new();
    loop {
        piece.clear();
        let flow = source.fill(&mut piece, &cx).map_err(broken)?;
        output::written(out.write_all(&piece))?;
        if flow.is_break() {
            break;
        }
    }
    output::finish(out)?;
    Ok(ExitCode::SUCCESS)
}

fn shown_usage() -> String {
    USAGE.replace("git archive", "git-core archive")
}

/// Arguments that make no sense.
fn misused(error: ArgumentError) -> Failure {
    match error {
        ArgumentError::Usage(text) => {
            let text = if text.is_empty() { text } else { format!("error: {text}\n") };
            Failure::plain(129, format!("{text}{}", shown_usage()))
        }
        error => Failure::fatal(error),
    }
}

fn unprepared(error: PrepareError) -> Failure {
    match error {
        PrepareError::NoTree => misused(ArgumentError::Usage(String::new())),
        PrepareError::Archive(error) => broken(SourceError::Archive(error)),
        PrepareError::Source(error) => broken(error),
        error => error.into(),
    }
}

fn broken(error: SourceError) -> Failure {
    if let SourceError::Archive(ArchiveError::Convert { source, .. }) = &error {
        return Failure::fatal(chain(&**source));
    }
    error.into()
}

/// Where the archive goes.
fn target(arguments: &ArchiveArguments) -> Result<Box<dyn Write>, Failure> {
    let Some(name) = &arguments.output else { return Ok(Box::new(output::stdout())) };
    let path = PathBuf::from(os_string(name.to_vec()));
    let file = File::create(&path).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.split(" (os error").next().unwrap_or(&reason).to_owned();
        Failure::fatal(format_args!("could not open '{name}' for writing: {reason}"))
    })?;
    Ok(Box::new(io::BufWriter::with_capacity(64 << 10, file)))
}

fn list(globals: &Globals, arguments: &ArchiveArguments) -> Result<ExitCode, Failure> {
    if let Some(first) = arguments.operands.first() {
        return Err(Failure::fatal(format_args!("extra command line parameter '{first}'")));
    }
    let here = crate::reach::open_if_any(globals)?;
    let mut out = output::stdout();
    for format in Formats::of(here.config())?.iter() {
        output::written(writeln!(out, "{}", format.name))?;
    }
    output::finish(out)?;
    Ok(ExitCode::SUCCESS)
}

/// The format that the name of the output suggests, where none is named.
fn with_format(mut arguments: ArchiveArguments, formats: &Formats) -> ArchiveArguments {
    if arguments.format.is_none() {
        let suggested = arguments.output.as_ref().and_then(|name| formats.for_file(name.as_bstr()));
        arguments.format = suggested.map(|format| format.name.clone());
    }
    arguments
}

fn asker(globals: &Globals, repository: &Repository, arguments: &ArchiveArguments) -> Result<Asker, Failure> {
    let mut asker = Asker::default();
    asker.prefix = prefix(repository)?;
    asker.pathspecs = pathspecs(globals);
    asker.mtime = arguments.mtime.as_ref().map(|text| mtime(text));
    if repository.config().text("tar.umask")?.is_some_and(|text| text == "user") {
        asker.umask = umask();
    }
    let shared = crate::undeltified::shared_attributes(globals);
    (asker.system_attributes, asker.user_attributes) = (shared.system, shared.user);
    asker.on_entry = Some(EntryListener::new(|path| {
        let _ = io::stderr().write_all(&[path.as_bytes(), b"\n"].concat());
    }));
    Ok(asker)
}

/// A date, or now where it is none, as git takes it.
pub(super) fn mtime(text: &[u8]) -> i64 {
    let text = text.to_str_lossy();
    let seconds = text.strip_prefix('@').unwrap_or(&text);
    when::parse(seconds).or_else(|_| when::parse("now")).unwrap_or(0)
}

/// The directory of the working tree that the command is in, with a `/` at its end.
/// The directory of the working tree that the caller is in, with a `/` at its end.
pub(super) fn prefix(repository: &Repository) -> Result<BString, Failure> {
    let here = repo::current_dir()?;
    let Some(top) = repository.work_tree() else { return Ok(BString::default()) };
    let top = top.canonicalize().unwrap_or_else(|_| top.to_path_buf());
    let here = here.canonicalize().unwrap_or(here);
    let Ok(inside) = here.strip_prefix(&top) else { return Ok(BString::default()) };
    let mut prefix = BString::from(inside.as_os_str().as_encoded_bytes());
    if !prefix.is_empty() {
        prefix.push(b'/');
    }
    Ok(prefix)
}

/// What the environment says of all pathspecs.
fn pathspecs(globals: &Globals) -> PathspecDefaults {
    let on =
        |name: &str| globals.text(name).is_some_and(|text| !matches!(text, "0" | "false" | "no" | "off"));
    let mut defaults = PathspecDefaults::default();
    defaults.literal = on("GIT_LITERAL_PATHSPECS");
    defaults.glob = on("GIT_GLOB_PATHSPECS");
    defaults.no_glob = on("GIT_NOGLOB_PATHSPECS");
    defaults.ignore_case = on("GIT_ICASE_PATHSPECS");
    defaults
}

/// The permissions that new files do not have.
fn umask() -> u32 {
    // Only a shell tells it without changing it.
    let told = std::process::Command::new("sh").args(["-c", "umask"]).output();
    let text = told.map(|output| output.stdout).unwrap_or_default();
    text.to_str().ok().and_then(|text| u32::from_str_radix(text.trim(), 8).ok()).unwrap_or(0o022)
}
