//! The options of `push`, from its arguments and the configuration.

use super::signing::{self, Signed};
use crate::args::{Arg, Args, bytes};
use crate::fail::Failure;
use bstr::{BString, ByteSlice as _};
use git_core::Repository;
use git_core::remote::{
    Absent, Atomic, DryRun, FollowTags, Force, IfIncludes, Lease, LeaseAll, LeaseValue, PushOptions, Quiet,
};
use std::ffi::OsString;

pub(super) const USAGE: &str = "git-core push [<options>] [<repository> [<refspec>...]]

    -v, --[no-]verbose    be more verbose
    -q, --[no-]quiet      be more quiet
    --[no-]repo <repository>
                          repository
    --[no-]all            push all branches
    --[no-]branches       alias of --all
    --[no-]mirror         mirror all refs
    -d, --[no-]delete     delete refs
    --[no-]tags           push tags (can't be used with --all or --branches or --mirror)
    -n, --[no-]dry-run    dry run
    --[no-]porcelain      machine-readable output
    -f, --[no-]force      force updates
    --[no-]force-with-lease[=<refname>:<expect>]
                          require old value of ref to be at this value
    --[no-]force-if-includes
                          require remote updates to be integrated locally
    --[no-]thin           use thin pack
    --[no-]receive-pack <receive-pack>
                          receive pack program
    -u, --[no-]set-upstream
                          set upstream for git pull/status
    --[no-]progress       force progress reporting
    --[no-]prune          prune locally removed refs
    --no-verify           bypass pre-push hook
    --[no-]follow-tags    push missing but relevant tags
    --[no-]signed[=(yes|no|if-asked)]
                          GPG sign the push
    --[no-]atomic         request atomic transaction on remote side
    -o, --[no-]push-option <server-specific>
                          option to transmit
";

/// Which refs are pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// Those of the refspecs.
    Specs,
    /// All branches.
    All,
    /// All refs, and what is not here is removed.
    Mirror,
}

/// What was asked for.
pub(super) struct Chosen {
    pub(super) options: PushOptions,
    pub(super) repository: Option<BString>,
    pub(super) specs: Vec<Vec<u8>>,
    pub(super) selection: Selection,
    pub(super) tags: bool,
    pub(super) upstream: bool,
    pub(super) verify: bool,
    pub(super) quiet: bool,
    pub(super) verbose: bool,
    pub(super) porcelain: bool,
    pub(super) progress: Option<bool>,
    pub(super) receive_pack: Option<OsString>,
}

/// Reads arguments and configuration, and refuses what does not go together.
pub(super) fn read(mut args: Args, repository: &Repository) -> Result<Chosen, Failure> {
    let config = repository.config();
    let mut options = PushOptions::default();
    let usage = args.usage();
    let mut chosen = Chosen {
        options: PushOptions::default(),
        repository: None,
        specs: Vec::new(),
        selection: Selection::Specs,
        tags: false,
        upstream: false,
        verify: true,
        quiet: false,
        verbose: false,
        porcelain: false,
        progress: None,
        receive_pack: None,
    };
    if config.bool("push.followTags")? == Some(true) {
        options.follow_tags = FollowTags::Yes;
    }
    if config.bool("push.useForceIfIncludes")? == Some(true) {
        options.if_includes = IfIncludes::Yes;
    }
    let mut signed = signing::configured(config)?;
    let (mut delete, mut all, mut mirror) = (false, false, false);
    let (mut named, mut operands, mut given) = (None, Vec::new(), None::<Vec<BString>>);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('q') | Arg::Long("quiet") => (chosen.quiet, chosen.verbose) = (true, false),
            Arg::Short('v') | Arg::Long("verbose") => (chosen.verbose, chosen.quiet) = (true, false),
            Arg::Long("no-quiet") => chosen.quiet = false,
            Arg::Long("no-verbose") => chosen.verbose = false,
            Arg::Short('f') | Arg::Long("force") => options.force = Force::All,
            Arg::Long("no-force") => options.force = Force::AsSpecified,
            Arg::Long("force-with-lease") => match args.optional_value() {
                None => options.leases.all = LeaseAll::Tracking,
                Some(text) => options.leases.each.push(lease(repository, &bytes(&text))?),
            },
            Arg::Long("no-force-with-lease") => options.leases = Default::default(),
            Arg::Long("force-if-includes") => options.if_includes = IfIncludes::Yes,
            Arg::Long("no-force-if-includes") => options.if_includes = IfIncludes::No,
            Arg::Short('n') | Arg::Long("dry-run") => options.dry_run = DryRun::Yes,
            Arg::Long("no-dry-run") => options.dry_run = DryRun::No,
            Arg::Short('d') | Arg::Long("delete") => delete = true,
            Arg::Long("no-delete") => delete = false,
            Arg::Long("all" | "branches") => all = true,
            Arg::Long("no-all" | "no-branches") => all = false,
            Arg::Long("mirror") => mirror = true,
            Arg::Long("no-mirror") => mirror = false,
            Arg::Long("tags") => chosen.tags = true,
            Arg::Long("no-tags") => chosen.tags = false,
            Arg::Long("prune") => options.absent = Absent::Delete,
            Arg::Long("no-prune") => options.absent = Absent::Keep,
            Arg::Long("follow-tags") => options.follow_tags = FollowTags::Yes,
            Arg::Long("no-follow-tags") => options.follow_tags = FollowTags::No,
            Arg::Long("porcelain") => chosen.porcelain = true,
            Arg::Long("no-porcelain") => chosen.porcelain = false,
            Arg::Long("atomic") => options.atomic = Atomic::Whole,
            Arg::Long("no-atomic") => options.atomic = Atomic::Each,
            Arg::Short('u') | Arg::Long("set-upstream") => chosen.upstream = true,
            Arg::Long("no-set-upstream") => chosen.upstream = false,
            Arg::Long("no-verify") => chosen.verify = false,
            Arg::Long("verify") => chosen.verify = true,
            Arg::Short('o') | Arg::Long("push-option") => {
                given.get_or_insert_default().push(bytes(&args.value()?).into());
            }
            Arg::Long("no-push-option") => given = Some(Vec::new()),
            Arg::Long("progress") => chosen.progress = Some(true),
            Arg::Long("no-progress") => chosen.progress = Some(false),
            Arg::Long("repo") => named = Some(BString::from(bytes(&args.value()?))),
            Arg::Long("receive-pack" | "exec") => chosen.receive_pack = Some(args.value()?),
            Arg::Long("thin" | "no-thin" | "no-recurse-submodules" | "ipv4" | "ipv6")
            | Arg::Short('4' | '6') => {}
            Arg::Long("signed") => signed = signing::asked(args.optional_value().as_deref())?,
            Arg::Long("no-signed") => signed = Signed::No,
            Arg::Long("recurse-submodules") => drop(args.optional_value()),
            Arg::Value(value) => operands.push(bytes(&value)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let together = |a: &str, b: &str| {
        Err(Failure::fatal(format_args!("options '{a}' and '{b}' cannot be used together")))
    };
    let all_name = "--all/--branches";
    match (delete, all, mirror, chosen.tags) {
        (true, true, ..) => return together("--delete", all_name),
        (true, _, true, _) => return together("--delete", "--mirror"),
        (true, _, _, true) => return together("--delete", "--tags"),
        (_, true, true, _) => return together(all_name, "--mirror"),
        (_, true, _, true) => return together("--tags", all_name),
        (_, _, true, true) => return together("--tags", "--mirror"),
        _ => {}
    }
    chosen.selection = match (all, mirror) {
        (true, _) => Selection::All,
        (_, true) => Selection::Mirror,
        _ => Selection::Specs,
    };
    let mut operands = operands.into_iter();
    chosen.repository = operands.next().map(BString::from).or(named);
    while let Some(text) = operands.next() {
        let text = match (delete, text.as_slice()) {
            (true, name) if name.contains(&b':') || name.is_empty() => {
                return Err(Failure::fatal("--delete only accepts plain target ref names"));
            }
            (true, name) => [b":", name].concat(),
            (false, b"tag") => {
                let name = operands.next().ok_or_else(|| Failure::fatal("tag shorthand without <tag>"))?;
                [b"refs/tags/", name.as_slice()].concat()
            }
            _ => text,
        };
        chosen.specs.push(text);
    }
    if delete && chosen.specs.is_empty() {
        return Err(Failure::fatal("--delete doesn't make sense without any refs"));
    }
    options.push_options = match given {
        Some(given) => given,
        None => configured_options(repository)?,
    };
    if options.push_options.iter().any(|option| option.contains(&b'\n')) {
        return Err(Failure::fatal("push options must not have new line characters"));
    }
    options.sign = signed.by(config)?;
    options.quiet = if chosen.quiet { Quiet::Yes } else { Quiet::No };
    chosen.options = options;
    Ok(chosen)
}

/// `push.pushOption`, of which an empty one takes those before it away.
fn configured_options(repository: &Repository) -> Result<Vec<BString>, Failure> {
    let mut options = Vec::new();
    for entry in repository.config().get_all("push.pushOption") {
        match entry.to_text()? {
            text if text.is_empty() => options.clear(),
            text => options.push(text.to_owned()),
        }
    }
    Ok(options)
}

/// `<refname>` or `<refname>:<expect>`.
pub(super) fn lease(repository: &Repository, text: &[u8]) -> Result<Lease, Failure> {
    let Some((name, expect)) = text.split_once_str(":") else {
        return Ok(Lease { name: text.into(), value: LeaseValue::Tracking });
    };
    let value = match expect {
        b"" => LeaseValue::Absent,
        expect => match repository.resolve(expect) {
            Ok(id) if id.is_null() => LeaseValue::Absent,
            Ok(id) => LeaseValue::Id(id),
            Err(_) => {
                let text = format!("cannot parse expected object name '{}'", expect.as_bstr());
                return Err(Failure::error(129, text));
            }
        },
    };
    Ok(Lease { name: name.into(), value })
}
