//! `remote add` and `remote set-branches`: which repository, and what of it is fetched.

use super::Command;
use super::remote::{Work, check_name, edit, fetches, is_configured, key, require};
use crate::args::{Arg, Args, bytes};
use crate::fail::Failure;
use bstr::BString;
use std::io::Write as _;
use std::process::ExitCode;

pub(super) const ADD: Command = Command {
    name: "add",
    summary: "",
    usage: "git-core remote add [<options>] <name> <url>

    -f, --[no-]fetch      fetch the remote branches
    --[no-]tags           import all tags and associated objects when fetching
                          or do not fetch any tag at all (--no-tags)
    -t, --[no-]track <branch>
                          branch(es) to track
    -m, --[no-]master <branch>
                          master branch
    --[no-]mirror[=(push|fetch)]
                          set up remote as a mirror to push to or fetch from",
    run: super::remote::COMMAND.run,
};

pub(super) const SET_BRANCHES: Command = Command {
    name: "set-branches",
    summary: "",
    usage: "git-core remote set-branches <name> <branch>...
   or: git-core remote set-branches --add <name> <branch>...

    --[no-]add            add branch",
    run: super::remote::COMMAND.run,
};

/// Which way a remote is a mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mirror {
    No,
    Fetch,
    Push,
    Both,
}

impl Mirror {
    const fn fetches(self) -> bool {
        matches!(self, Mirror::Fetch | Mirror::Both)
    }

    const fn pushes(self) -> bool {
        matches!(self, Mirror::Push | Mirror::Both)
    }
}

pub(super) fn add(work: &Work<'_>, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (mut fetch, mut tags, mut mirror) = (false, None, Mirror::No);
    let (mut tracked, mut master, mut operands) = (Vec::<BString>::new(), None, Vec::<BString>::new());
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('f') | Arg::Long("fetch") => fetch = true,
            Arg::Long("no-fetch") => fetch = false,
            Arg::Long("tags") => tags = Some("--tags"),
            Arg::Long("no-tags") => tags = Some("--no-tags"),
            Arg::Short('t') | Arg::Long("track") => tracked.push(bytes(&args.value()?).into()),
            Arg::Long("no-track") => tracked.clear(),
            Arg::Short('m') | Arg::Long("master") => master = Some(BString::from(bytes(&args.value()?))),
            Arg::Long("no-master") => master = None,
            Arg::Long("no-mirror") => mirror = Mirror::No,
            Arg::Long("mirror") => {
                mirror = match args.optional_value() {
                    None => {
                        eprintln!(
                            "warning: --mirror is dangerous and deprecated; please\n\
                             \t use --mirror=fetch or --mirror=push instead"
                        );
                        Mirror::Both
                    }
                    Some(way) if way == "fetch" => Mirror::Fetch,
                    Some(way) if way == "push" => Mirror::Push,
                    Some(way) => {
                        let way = way.to_string_lossy();
                        return Err(Failure::error(129, format_args!("unknown --mirror argument: {way}")));
                    }
                }
            }
            Arg::Value(value) => operands.push(bytes(&value).into()),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let [name, url] = operands.as_slice() else { return Err(Failure::usage("", usage)) };
    if mirror != Mirror::No && master.is_some() {
        return Err(Failure::fatal("specifying a master branch makes no sense with --mirror"));
    }
    if mirror != Mirror::No && !mirror.fetches() && !tracked.is_empty() {
        return Err(Failure::fatal("specifying branches to track makes sense only with fetch mirrors"));
    }
    if is_configured(work.repository.config(), name) {
        return Err(Failure::error(3, format_args!("remote {name} already exists.")));
    }
    check_name(name)?;
    let keys = [key(name, "url")?, key(name, "fetch")?, key(name, "mirror")?, key(name, "tagOpt")?];
    let [url_key, fetch_key, mirror_key, tags_key] = &keys;
    edit(&work.repository, |document| {
        document.replace_all(url_key, url)?;
        if mirror == Mirror::No || mirror.fetches() {
            if tracked.is_empty() {
                tracked.push("*".into());
            }
            for branch in &tracked {
                document.add(fetch_key, spec(name, branch, mirror))?;
            }
        }
        if mirror.pushes() {
            document.replace_all(mirror_key, "true")?;
        }
        if let Some(tags) = tags {
            document.replace_all(tags_key, tags)?;
        }
        Ok(())
    })?;
    if fetch {
        println!("Updating {name}");
        let _ = std::io::stdout().flush();
        let mut words = vec![crate::globals::os_string(name.to_vec())];
        if work.verbose {
            words.insert(0, "-v".into());
        }
        if !fetches(work.globals, words) {
            return Err(Failure::error(1, format_args!("Could not fetch {name}")));
        }
    }
    if let Some(master) = master {
        let below = [b"refs/remotes/", name.as_slice(), b"/"].concat();
        let (from, to) = ([&below[..], b"HEAD"].concat(), [&below[..], &master].concat());
        if work.repository.refs().set_symbolic(from, to).is_err() {
            return Err(Failure::error(1, format_args!("Could not setup master '{master}'")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The line that fetches a branch.
fn spec(name: &BString, branch: &BString, mirror: Mirror) -> Vec<u8> {
    match mirror {
        Mirror::No => [b"+refs/heads/", branch.as_slice(), b":refs/remotes/", name, b"/", branch].concat(),
        _ => [b"+refs/", branch.as_slice(), b":refs/", branch].concat(),
    }
}

pub(super) fn set_branches(work: &Work<'_>, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (mut adds, mut operands) = (false, Vec::<BString>::new());
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("add") => adds = true,
            Arg::Long("no-add") => adds = false,
            Arg::Value(value) => operands.push(bytes(&value).into()),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let Some((name, branches)) = operands.split_first() else {
        return Err(Failure::usage("no remote specified", usage));
    };
    let config = work.repository.config();
    require(config, name, "")?;
    let fetch_key = key(name, "fetch")?;
    let mirrors = config.bool([b"remote.", name.as_slice(), b".mirror"].concat())? == Some(true);
    let mirror = if mirrors { Mirror::Both } else { Mirror::No };
    edit(&work.repository, |document| {
        if !adds && document.get_all(fetch_key.to_string()).next().is_some() {
            document.unset_all(&fetch_key)?;
        }
        branches.iter().try_for_each(|branch| document.add(&fetch_key, spec(name, branch, mirror)))
    })?;
    Ok(ExitCode::SUCCESS)
}
