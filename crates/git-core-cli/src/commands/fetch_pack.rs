//! `fetch-pack`: brings objects from another repository, and touches no ref.

use super::Command;
use super::fetch::unreachable;
use crate::args::{Arg, Args, bytes};
use crate::depths::Depths;
use crate::fail::Failure;
use crate::globals::Globals;
use crate::{input, output, reach, repo};
use bstr::{BString, ByteSlice as _};
use git_core::refs::Refspec;
use git_core::refs::refspec::Direction;
use git_core::remote::{FetchOptions, FilterChoice, KeepPack, Refetch, Remote, RemoteEnds, Tags};
use git_core::transport::client::AdvertisedRef;
use git_core::transport::url::{GitUrl, Scheme};
use std::collections::HashMap;
use std::io::Write as _;
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "fetch-pack",
    summary: "Receive missing objects from another repository",
    usage: "git-core fetch-pack [--all] [--stdin] [--quiet | -q] [--keep | -k] [--thin] [--include-tag] \
            [--upload-pack=<git-upload-pack>] [--depth=<n>] [--no-progress] [--diag-url] [-v] \
            [<host>:]<directory> [<refs>...]",
    run,
};

/// What is fetched: the name that was given, and the object if that was, too.
struct Sought {
    id: Option<String>,
    name: BString,
}

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (mut all, mut stdin, mut diag, mut verbose, mut progress) = (false, false, false, false, true);
    let (mut options, mut depths, mut operands) = (FetchOptions::default(), Depths::default(), Vec::new());
    let mut link = reach::link(globals)?;
    options.tags = Some(Tags::None);
    options.refmap = Some(Vec::new());
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("all") => all = true,
            Arg::Long("stdin") => stdin = true,
            Arg::Long("diag-url") => diag = true,
            Arg::Short('v') => verbose = true,
            Arg::Long("no-progress") => progress = false,
            Arg::Short('k') | Arg::Long("keep") => options.keep_pack = KeepPack::Locked,
            Arg::Long("upload-pack" | "exec") => link.options.upload_pack = args.value()?,
            Arg::Long("refetch") => options.refetch = Refetch::All,
            Arg::Long("update-shallow") => options.remote_ends = RemoteEnds::Accept,
            Arg::Long("filter") => options.filter = FilterChoice::By(crate::filters::spec(&args.value()?)?),
            Arg::Long("no-filter") => options.filter = FilterChoice::None,
            // The progress of the other side is shown all the same.
            Arg::Short('q') | Arg::Long("quiet") => {}
            Arg::Long(
                "thin" | "no-thin" | "include-tag" | "check-self-contained-and-connected" | "cloning",
            ) => {}
            Arg::Long(name @ ("depth" | "shallow-since" | "shallow-exclude")) => {
                let name = name.to_owned();
                depths.option(&name, &mut args)?;
            }
            Arg::Value(value) => operands.push(bytes(&value)),
            _ => return Err(Failure::usage("", usage)),
        }
    }
    let mut operands = operands.into_iter();
    let Some(url) = operands.next() else { return Err(Failure::usage("", usage)) };
    if diag {
        return diagnose(&url);
    }
    let repository = repo::open(globals)?;
    let mut sought: Vec<Sought> = operands.map(|text| asked(&text)).collect();
    if stdin {
        for line in input::lines(input::stdin()) {
            let line =
                line.map_err(|error| Failure::fatal(format_args!("cannot read standard input: {error}")))?;
            sought.push(asked(&line));
        }
    }
    let config = repository.config();
    options.negotiator = super::fetch_options::negotiator(config)?;
    options.unpack_below = match config.int("fetch.unpackLimit")? {
        Some(limit) => u64::try_from(limit).unwrap_or(0),
        None => config.int("transfer.unpackLimit")?.map_or(100, |limit| u64::try_from(limit).unwrap_or(0)),
    };
    options.deepen = depths.deepen(repository.snapshot()?.shallow().is_empty())?;
    // What is named need not be a name that the configuration knows: a path or a URL, as it is.
    let remote = repository.remote(&url)?;
    super::fetch::check_place(&remote)?;
    let listed = list(globals, &remote)?;
    let (found, missing) = choose(&listed, &sought, all);
    if verbose {
        found.iter().for_each(|(id, name)| eprintln!("want {id} ({name})"));
    }
    for spec in found.iter().map(|(id, _)| id) {
        options.refspecs.push(Refspec::parse(Direction::Fetch, spec)?);
    }
    let cx = reach::context(progress);
    let mut out = output::stdout();
    if !options.refspecs.is_empty() {
        let fetched = remote.fetch(&options, link, &cx).map_err(|error| unreachable(&remote, error))?;
        if options.keep_pack == KeepPack::Locked
            && let Some(pack) = &fetched.pack
        {
            output::written(writeln!(out, "keep\t{pack}"))?;
        }
    }
    for (id, name) in &found {
        output::written(writeln!(out, "{id} {name}"))?;
    }
    output::finish(out)?;
    missing.iter().for_each(|name| eprintln!("error: no such remote ref {name}"));
    let fine = missing.is_empty() && !found.is_empty();
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn asked(text: &[u8]) -> Sought {
    let (first, rest) = text.split_once_str(" ").map_or((text, None), |(first, rest)| (first, Some(rest)));
    match git_core::object::ObjectId::from_hex(first) {
        Ok(id) => Sought { id: Some(id.to_hex()), name: rest.unwrap_or(first).into() },
        Err(_) => Sought { id: None, name: text.into() },
    }
}

/// The refs of the other side.
fn list(globals: &Globals, remote: &Remote) -> Result<Vec<AdvertisedRef>, Failure> {
    let cx = git_core::object::Context::new();
    remote.list(&[], reach::link(globals)?, &cx).map_err(|error| unreachable(remote, error))
}

/// What of it is wanted, in its order, objects that were named by their ids behind it; and what is not there.
fn choose(listed: &[AdvertisedRef], sought: &[Sought], all: bool) -> (Vec<(String, BString)>, Vec<BString>) {
    let mut wanted: HashMap<&[u8], bool> = HashMap::new();
    for one in sought.iter().filter(|one| one.id.is_none()) {
        wanted.insert(&one.name, false);
    }
    let mut found = Vec::new();
    for one in listed {
        let Some(id) = one.id else { continue };
        let named = wanted.get_mut(one.name.as_bytes()).map(|seen| *seen = true).is_some();
        if named || all {
            found.push((id.to_hex(), BString::from(one.name.as_bytes())));
        }
    }
    for one in sought {
        if let Some(id) = &one.id {
            found.push((id.clone(), one.name.clone()));
        }
    }
    let missing = sought.iter().filter(|one| wanted.get(one.name.as_slice()) == Some(&false));
    (found, missing.map(|one| one.name.clone()).collect())
}

/// What a URL is taken for.
fn diagnose(url: &[u8]) -> Result<ExitCode, Failure> {
    let parsed = GitUrl::parse(url)?;
    println!("Diag: url={}", url.as_bstr());
    println!("Diag: protocol={}", parsed.scheme().name());
    match parsed.scheme() {
        Scheme::Ssh => {
            let user = parsed.user().map_or_else(String::new, |user| format!("{user}@"));
            println!("Diag: userandhost={user}{}", parsed.host());
            match parsed.port() {
                Some(port) => println!("Diag: port={port}"),
                None => println!("Diag: port=NONE"),
            }
        }
        Scheme::File => println!("Diag: hostandport="),
        _ => println!("Diag: hostandport={}", parsed.authority()),
    }
    println!("Diag: path={}", parsed.path());
    Ok(ExitCode::SUCCESS)
}
