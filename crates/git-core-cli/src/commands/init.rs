//! `init`: makes a repository.

use super::Command;
use crate::args::{Arg, Args};
use crate::fail::Failure;
use crate::globals::Globals;
use crate::reach;
use git_core::object::ObjectFormat;
use git_core::refs::RefName;
use git_core::repository::Template;
use git_core::{InitOptions, Repository};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "init",
    summary: "Create an empty Git repository or reinitialize an existing one",
    usage: "git-core init [-q | --quiet] [--bare] [--template=<template-directory>]
              [--object-format=<format>] [--ref-format=<format>]
              [-b <branch-name> | --initial-branch=<branch-name>] [<directory>]",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let (mut quiet, mut bare, mut directory) = (false, globals.bare, None);
    let (mut template, mut format, mut branch) = (None, None, None);
    let usage = args.usage();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('q') | Arg::Long("quiet") => quiet = true,
            Arg::Long("bare") => bare = true,
            Arg::Long("template") => template = Some(PathBuf::from(args.value()?)),
            Arg::Long("object-format") => {
                let name = args.text()?;
                format = Some(
                    name.parse::<ObjectFormat>()
                        .map_err(|_| Failure::fatal(format_args!("unknown hash algorithm '{name}'")))?,
                );
            }
            Arg::Long("ref-format") => {
                let name = args.text()?;
                if name != "files" {
                    return Err(Failure::fatal(format_args!("unknown ref storage format '{name}'")));
                }
            }
            Arg::Short('b') | Arg::Long("initial-branch") => branch = Some(args.text()?),
            Arg::Long("shared") => drop(args.optional_value()),
            Arg::Value(value) if directory.is_none() => directory = Some(PathBuf::from(value)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let format = match (format, globals.text("GIT_DEFAULT_HASH")) {
        (Some(format), _) => format,
        (None, Some(name)) => {
            name.parse().map_err(|_| Failure::fatal(format_args!("unknown hash algorithm '{name}'")))?
        }
        (None, None) => ObjectFormat::default(),
    };
    let mut options = if bare { InitOptions::bare() } else { InitOptions::work_tree() };
    options.object_format = format;
    if let Some(template) = template {
        options.template =
            if template.as_os_str().is_empty() { Template::Empty } else { Template::Directory(template) };
    }
    let configured = reach::outer_config(globals)?;
    let branch = match branch {
        Some(branch) => Some(branch),
        None => configured.text("init.defaultBranch")?.map(|text| text.to_string()),
    };
    if let Some(branch) = branch {
        options.head = RefName::branch(&branch)
            .map_err(|_| Failure::fatal(format_args!("invalid initial branch name: '{branch}'")))?;
    }
    let directory = directory.unwrap_or_else(|| PathBuf::from("."));
    let git_dir = if bare { directory.clone() } else { directory.join(".git") };
    let existed = git_core::store::fs::layout::is_git_dir(&git_dir);
    Repository::init(&directory, &options)?;
    if !quiet {
        let shown = shown(&git_dir);
        match existed {
            true => println!("Reinitialized existing Git repository in {shown}"),
            false => println!("Initialized empty Git repository in {shown}"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The path as git shows it: absolute, with a slash at its end.
fn shown(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    format!("{}/", path.display())
}
