//! `send-pack`: the push below `push`, without its configuration.

use super::Command;
use super::push::{blocked, check_place, negotiating, unmatched, unsupported};
use super::push_table::Table;
use super::signing::{self, Signed};
use crate::args::{Arg, Args, bytes};
use crate::fail::Failure;
use crate::globals::Globals;
use crate::input::{read_record, stdin};
use crate::{progress, reach, repo};
use bstr::{BString, ByteSlice as _};
use git_core::refs::Refspec;
use git_core::refs::refspec::Direction;
use git_core::remote::{
    Absent, Atomic, DryRun, Force, IfIncludes, LeaseAll, PushOptions, PushStatus, Quiet, RemoteError,
};
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "send-pack",
    summary: "Push objects over Git protocol to another repository",
    usage: "git-core send-pack [--mirror] [--dry-run] [--force]
                     [--receive-pack=<git-receive-pack>]
                     [--verbose] [--thin] [--atomic]
                     [--[no-]signed | --signed=(true|false|if-asked)]
                     [<host>:]<directory> (--all | <ref>...)

    -v, --[no-]verbose    be more verbose
    -q, --[no-]quiet      be more quiet
    --[no-]receive-pack <receive-pack>
                          receive pack program
    --[no-]exec <receive-pack>
                          receive pack program
    --[no-]remote <remote>
                          remote name
    --[no-]all            push all refs
    -n, --[no-]dry-run    dry run
    --[no-]mirror         mirror all refs
    -f, --[no-]force      force updates
    --[no-]signed[=(yes|no|if-asked)]
                          GPG sign the push
    --[no-]push-option <server-specific>
                          option to transmit
    --[no-]progress       force progress reporting
    --[no-]thin           use thin pack
    --[no-]atomic         request atomic transaction on remote side
    --[no-]stdin          read refs from stdin
    --[no-]force-with-lease[=<refname>:<expect>]
                          require old value of ref to be at this value
    --[no-]force-if-includes
                          require remote updates to be integrated locally
",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let repository = repo::open(globals)?;
    let mut options = PushOptions::default();
    let (mut all, mut mirror, mut quiet, mut verbose) = (false, false, false, false);
    let (mut from_stdin, mut named, mut asked) = (false, None, None);
    let mut operands: Vec<BString> = Vec::new();
    let mut link = reach::link(globals)?;
    let mut signed = signing::configured(repository.config())?;
    let usage = args.usage();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('v') | Arg::Long("verbose") => verbose = true,
            Arg::Long("no-verbose") => verbose = false,
            Arg::Short('q') | Arg::Long("quiet") => quiet = true,
            Arg::Long("no-quiet") => quiet = false,
            Arg::Long("receive-pack" | "exec") => link.options.receive_pack = args.value()?,
            Arg::Long("remote") => named = Some(BString::from(bytes(&args.value()?))),
            Arg::Long("all") => all = true,
            Arg::Long("no-all") => all = false,
            Arg::Short('n') | Arg::Long("dry-run") => options.dry_run = DryRun::Yes,
            Arg::Long("no-dry-run") => options.dry_run = DryRun::No,
            Arg::Long("mirror") => mirror = true,
            Arg::Long("no-mirror") => mirror = false,
            Arg::Short('f') | Arg::Long("force") => options.force = Force::All,
            Arg::Long("no-force") => options.force = Force::AsSpecified,
            Arg::Long("push-option") => options.push_options.push(bytes(&args.value()?).into()),
            Arg::Long("progress") => asked = Some(true),
            Arg::Long("no-progress") => asked = Some(false),
            Arg::Long("atomic") => options.atomic = Atomic::Whole,
            Arg::Long("no-atomic") => options.atomic = Atomic::Each,
            Arg::Long("stdin") => from_stdin = true,
            Arg::Long("no-stdin") => from_stdin = false,
            Arg::Long("force-with-lease") => match args.optional_value() {
                None => options.leases.all = LeaseAll::Tracking,
                Some(text) => {
                    let lease = super::push_options::lease(&repository, &bytes(&text))?;
                    options.leases.each.push(lease);
                }
            },
            Arg::Long("no-force-with-lease") => options.leases = Default::default(),
            Arg::Long("force-if-includes") => options.if_includes = IfIncludes::Yes,
            Arg::Long("no-force-if-includes") => options.if_includes = IfIncludes::No,
            Arg::Long("signed") => signed = signing::asked(args.optional_value().as_deref())?,
            Arg::Long("no-signed") => signed = Signed::No,
            Arg::Long("thin" | "no-thin") => {}
            Arg::Value(value) => operands.push(bytes(&value).into()),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    options.sign = signed.by(repository.config())?;
    let mut operands = operands.into_iter();
    let destination = operands.next().ok_or_else(|| Failure::usage("", usage))?;
    let mut texts: Vec<BString> = operands.collect();
    if from_stdin {
        let (mut input, mut record) = (stdin(), Vec::new());
        while read_record(&mut input, b'\n', &mut record)? {
            texts.push(record.as_slice().into());
        }
    }
    if !texts.is_empty() && (all || mirror) || all && mirror {
        return Err(Failure::usage("", usage));
    }
    match (all, mirror) {
        (true, _) => texts.push("refs/heads/*:refs/heads/*".into()),
        (_, true) => {
            texts.push("+refs/*:refs/*".into());
            options.absent = Absent::Delete;
        }
        _ if texts.is_empty() => texts.push(":".into()),
        _ => {}
    }
    let parse = |text: &BString| {
        Refspec::parse(Direction::Push, text)
            .map_err(|_| Failure::fatal(format_args!("invalid refspec '{}'", text.as_bstr())))
    };
    options.refspecs = texts.iter().map(parse).collect::<Result<_, _>>()?;
    options.quiet = if quiet || !progress::wanted(asked, quiet) { Quiet::Yes } else { Quiet::No };
    let remote = match &named {
        Some(name) => repository.remote(name)?.with_push_url(destination),
        None => {
            let remote = repository.remote(&destination)?;
            check_place(&remote, &destination)?;
            remote
        }
    };
    let cx = reach::context_with_messages(progress::wanted(asked, quiet));
    options.negotiate = negotiating(globals, &repository)?;
    let pushed = match remote.push(&options, link, &cx) {
        Ok(pushed) => pushed,
        Err(RemoteError::Mapping(error)) => {
            eprintln!("error: {}", unmatched(&error));
            return Ok(ExitCode::from(255));
        }
        Err(error) => return Err(unsupported(&error)),
    };
    drop(cx);
    blocked(&options, &pushed);
    Table { verbose, porcelain: false }.print(&remote.shown_push_url().to_string(), &pushed);
    if !pushed.is_ok() {
        return Ok(ExitCode::from(255));
    }
    if pushed.refs.iter().all(|one| one.status == PushStatus::UpToDate) {
        eprintln!("Everything up-to-date");
    }
    Ok(ExitCode::SUCCESS)
}
