//! `clone`: a new repository with the history of another one.

use super::Command;
use crate::args::{Arg, Args, bytes};
use crate::depths::Depths;
use crate::fail::Failure;
use crate::globals::{Globals, os_string};
use crate::{progress, reach};
use git_core::remote::{CheckoutMode, CloneOptions, RejectShallow, Tags, clone};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "clone",
    summary: "Clone a repository into a new directory",
    usage: "git-core clone [-q | --quiet] [--[no-]progress] [-n | --no-checkout] [--bare] [--mirror]
               [-o <name> | --origin <name>] [-b <name> | --branch <name>] [--[no-]single-branch]
               [--depth <depth>] [--shallow-since <time>] [--shallow-exclude <ref>] [--[no-]reject-shallow]
               [--filter=<filter-spec>] [--bundle-uri=<uri>]
               [--no-tags] [-c <key>=<value> | --config <key>=<value>] [-u <upload-pack>]
               [--] <repository> [<directory>]",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let mut options = CloneOptions::default();
    let (mut quiet, mut asked, mut bare, mut empty) = (false, None, globals.bare, false);
    let mut operands = Vec::new();
    let mut link = reach::link(globals)?;
    let (mut depths, mut single, mut local) = (Depths::default(), None, true);
    let mut reject = reach::outer_config(globals)?.bool("clone.rejectShallow")?;
    let usage = args.usage();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long(name @ ("depth" | "shallow-since" | "shallow-exclude")) => {
                let name = name.to_owned();
                depths.option(&name, &mut args)?;
            }
            Arg::Long("filter") => options.filter = Some(crate::filters::spec(&args.value()?)?),
            Arg::Long("no-filter") => options.filter = None,
            Arg::Long("bundle-uri") => options.bundle_uri = Some(bytes(&args.value()?).into()),
            Arg::Long("no-bundle-uri") => options.bundle_uri = None,
            Arg::Long("also-filter-submodules") => {
                return Err(Failure::fatal(
                    "the option '--also-filter-submodules' requires '--recurse-submodules'",
                ));
            }
            Arg::Long("reject-shallow") => reject = Some(true),
            Arg::Long("no-reject-shallow") => reject = Some(false),
            Arg::Long("no-local") => local = false,
            Arg::Short('q') | Arg::Long("quiet") => quiet = true,
            Arg::Short('v') | Arg::Long("verbose") => {}
            Arg::Long("progress") => asked = Some(true),
            Arg::Long("no-progress") => asked = Some(false),
            Arg::Short('n') | Arg::Long("no-checkout") => empty = true,
            Arg::Long("bare") => bare = true,
            Arg::Long("mirror") => {
                options.mirror = true;
                bare = true;
            }
            Arg::Short('o') | Arg::Long("origin") => options.origin = bytes(&args.value()?).into(),
            Arg::Short('b') | Arg::Long("branch") => options.branch = Some(bytes(&args.value()?).into()),
            Arg::Long("single-branch") => single = Some(true),
            Arg::Long("no-single-branch") => single = Some(false),
            Arg::Long("no-tags") => options.tags = Tags::None,
            Arg::Long("tags") => options.tags = Tags::Follow,
            Arg::Short('c') | Arg::Long("config") => {
                let text = bytes(&args.value()?);
                let (key, value) = match text.iter().position(|b| *b == b'=') {
                    Some(at) => (&text[..at], &text[at + 1..]),
                    None => (&text[..], &b"true"[..]),
                };
                options.config.push((String::from_utf8_lossy(key).into_owned(), value.into()));
            }
            Arg::Short('u') | Arg::Long("upload-pack") => link.options.upload_pack = args.value()?,
            Arg::Short('l' | 's')
            | Arg::Long("local" | "no-hardlinks" | "no-shallow-submodules" | "no-recurse-submodules") => {}
            Arg::Value(value) => operands.push(value),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    if options.bundle_uri.is_some() && depths.is_asked() {
        return Err(Failure::fatal(
            "options '--bundle-uri' and '--depth/--shallow-since/--shallow-exclude' cannot be used together",
        ));
    }
    let mut operands = operands.into_iter();
    let Some(url) = operands.next() else {
        return Err(Failure::fatal("You must specify a repository to clone."));
    };
    let directory = operands.next().map(PathBuf::from);
    if operands.next().is_some() {
        return Err(Failure::usage("Too many arguments.", usage));
    }
    let url = bytes(&url);
    let directory = match directory {
        Some(directory) => directory,
        None => PathBuf::from(os_string(humanish(&url, bare).ok_or_else(|| {
            Failure::fatal(format_args!(
                "could not guess a directory from '{}'",
                String::from_utf8_lossy(&url)
            ))
        })?)),
    };
    options.checkout = match (bare, empty) {
        (true, _) => CheckoutMode::Bare,
        (false, true) => CheckoutMode::Empty,
        (false, false) => CheckoutMode::Files,
    };
    let configured = reach::outer_config(globals)?;
    options.initial_branch = configured.text("init.defaultBranch")?.map(|text| text.to_owned());
    options.single_branch = single.unwrap_or(depths.is_asked());
    options.reject_shallow = if reject == Some(true) { RejectShallow::Yes } else { RejectShallow::No };
    let path = Path::new(&os_string(url.clone())).to_owned();
    let mut copies = local && path.is_dir();
    if copies {
        depths.given().for_each(|name| {
            eprintln!("warning: {name} is ignored in local clones; use file:// instead.");
        });
        if options.filter.is_some() {
            eprintln!("warning: --filter is ignored in local clones; use file:// instead.");
        }
        // What is shallow is fetched as from anywhere.
        copies = !path.join(".git/shallow").exists() && !path.join("shallow").exists();
    }
    if copies {
        options.filter = None;
    } else {
        options.deepen = depths.deepen(false)?;
    }
    let mut local = path;
    if !local.exists() {
        let mut bundle = local.clone().into_os_string();
        bundle.push(".bundle");
        if Path::new(&bundle).is_file() {
            local = bundle.into();
        }
    }
    if local.exists() {
        // The clone lies elsewhere, so a relative path would lead nowhere.
        let absolute = std::path::absolute(&local).unwrap_or(local);
        options.stored_url = Some(absolute.into_os_string().into_encoded_bytes().into());
    }
    if !quiet {
        match bare {
            true => eprintln!("Cloning into bare repository '{}'...", directory.display()),
            false => eprintln!("Cloning into '{}'...", directory.display()),
        }
    }
    reach::check_credentials(&reach::outer_config(globals)?, &url)?;
    let cx = reach::context(progress::wanted(asked, quiet));
    options.links = Some(crate::repo::links(globals));
    options.ask_for_bundles = configured.bool("transfer.bundleURI")?.unwrap_or(false);
    let done = clone(&url, &directory, &options, link, &cx)?;
    if let Some(error) = &done.bundle_failure {
        eprintln!("warning: {error}");
        match &options.bundle_uri {
            Some(uri) => eprintln!("warning: failed to fetch objects from bundle URI '{uri}'"),
            None => eprintln!("warning: failed to fetch advertised bundles"),
        }
    }
    if done.filter_ignored {
        eprintln!("warning: filtering not recognized by server, ignoring");
    }
    if done.empty && !quiet {
        eprintln!("warning: You appear to have cloned an empty repository.");
    }
    if done.dangling_head && !done.empty {
        eprintln!("warning: remote HEAD refers to nonexistent ref, unable to checkout");
    }
    if let Some(id) = done.detached
        && !quiet
        && !bare
    {
        eprintln!("Note: switching to '{id}'.");
    }
    if !done.collisions.is_empty() {
        eprintln!(
            "warning: the following paths have collided (e.g. case-sensitive paths\n\
             on a case-insensitive filesystem) and only one from the same\n\
             colliding group is in the working tree:\n"
        );
        for path in &done.collisions {
            eprintln!("  '{path}'");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The directory that git would choose for a URL: its last component, without `.git` or `.bundle`; with `.git` when bare.
fn humanish(url: &[u8], bare: bool) -> Option<Vec<u8>> {
    let mut path = url;
    if let Some(at) = path.windows(3).position(|w| w == b"://") {
        path = &path[at + 3..];
    }
    loop {
        let before = path;
        while let Some(rest) = path.strip_suffix(b"/") {
            path = rest;
        }
        path = path.strip_suffix(b"/.git").unwrap_or(path);
        if path == before {
            break;
        }
    }
    let last = path.rsplit(|b| matches!(b, b'/' | b':')).next()?;
    // A file that ends so is a bundle; of another URL, the suffix belongs to the name.
    let suffix: &[u8] = if Path::new(&os_string(url.to_vec())).is_file() { b".bundle" } else { b".git" };
    let stem = last.strip_suffix(suffix).unwrap_or(last);
    if stem.is_empty() {
        return None;
    }
    let clean: Vec<u8> = stem.iter().map(|b| if b.is_ascii_control() { b' ' } else { *b }).collect();
    Some(if bare { [clean.as_slice(), b".git"].concat() } else { clean })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_guessed_as_git_does() {
        for (url, expected) in [
            ("https://example.com/a/project.git", "project"),
            ("git@example.com:project.git/", "project"),
            ("/srv/repos/x/.git", "x"),
            ("../other//", "other"),
            ("host:x", "x"),
        ] {
            assert_eq!(humanish(url.as_bytes(), false).unwrap(), expected.as_bytes(), "{url}");
        }
        assert_eq!(humanish(b"a/b", true).unwrap(), b"b.git");
        assert_eq!(humanish(b"/", false), None);
    }
}
