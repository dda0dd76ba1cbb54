//! `ls-remote`: the refs of another repository.

use super::Command;
use crate::args::{Arg, Args, bytes};
use crate::fail::Failure;
use crate::globals::Globals;
use crate::output;
use crate::reach;
use git_core::config::{WildOptions, wildmatch};
use git_core::object::Context;
use git_core::transport::client::AdvertisedRef;
use std::io::Write as _;
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "ls-remote",
    summary: "List references in a remote repository",
    usage: "git-core ls-remote [--branches] [--tags] [--refs] [--upload-pack=<exec>]
                   [-q | --quiet] [--exit-code] [--get-url] [--symref]
                   [<repository> [<patterns>...]]",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let (mut branches, mut tags, mut refs_only) = (false, false, false);
    let (mut exit_code, mut get_url, mut symref, mut quiet) = (false, false, false, false);
    let (mut repository, mut patterns) = (None, Vec::new());
    let mut link = reach::link(globals)?;
    let usage = args.usage();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('b' | 'h') | Arg::Long("branches" | "heads") => branches = true,
            Arg::Short('t') | Arg::Long("tags") => tags = true,
            Arg::Long("refs") => refs_only = true,
            Arg::Long("upload-pack" | "exec") => link.options.upload_pack = args.value()?,
            Arg::Short('q') | Arg::Long("quiet") => quiet = true,
            Arg::Long("exit-code") => exit_code = true,
            Arg::Long("get-url") => get_url = true,
            Arg::Long("symref") => symref = true,
            Arg::Short('o') | Arg::Long("server-option") => drop(args.value()?),
            Arg::Value(value) if repository.is_none() => repository = Some(bytes(&value)),
            Arg::Value(value) => patterns.push(bytes(&value)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let here = reach::open_if_any(globals)?;
    let named = repository.unwrap_or_else(|| b"origin".to_vec());
    let remote = here.remote(&named)?;
    crate::reach::check_credentials(here.config(), remote.url())?;
    if get_url {
        println!("{}", remote.shown_url());
        return Ok(ExitCode::SUCCESS);
    }
    let mut prefixes = Vec::new();
    if branches && patterns.is_empty() {
        prefixes.push("refs/heads/".into());
    }
    if tags && patterns.is_empty() {
        prefixes.push("refs/tags/".into());
    }
    let listed = remote.list(&prefixes, link, &Context::new())?;
    if !quiet && remote.name().is_some() {
        eprintln!("From {}", remote.shown_url());
    }
    let wanted = |one: &AdvertisedRef| {
        let name = one.name.as_bytes();
        let of_kind = !(branches || tags)
            || branches && name.starts_with(b"refs/heads/")
            || tags && name.starts_with(b"refs/tags/");
        let full = [b"/", name].concat();
        let fits = |pattern: &Vec<u8>| {
            let anchored = [b"*/", pattern.as_slice()].concat();
            wildmatch(&anchored, &full, WildOptions::default())
        };
        of_kind
            && (!refs_only || name.starts_with(b"refs/"))
            && (patterns.is_empty() || patterns.iter().any(fits))
    };
    let mut out = output::stdout();
    let mut any = false;
    for one in listed.iter().filter(|one| wanted(one)) {
        let Some(id) = one.id else { continue };
        any = true;
        if symref && let Some(target) = &one.symref {
            output::written(writeln!(out, "ref: {target}\t{}", one.name))?;
        }
        output::written(writeln!(out, "{id}\t{}", one.name))?;
        if !refs_only && let Some(peeled) = one.peeled {
            output::written(writeln!(out, "{peeled}\t{}^{{}}", one.name))?;
        }
    }
    output::finish(out)?;
    Ok(if exit_code && !any { ExitCode::from(2) } else { ExitCode::SUCCESS })
}
