//! The options of `fetch`, from its arguments and the configuration.

use crate::args::{Arg, Args, bytes};
use crate::depths::Depths;
use crate::fail::Failure;
use git_core::refs::Refspec;
use git_core::refs::refspec::Direction;
use git_core::remote::{
    Atomic, DryRun, FetchOptions, FilterChoice, Force, ForcedUpdates, KeepPack, Negotiator, Refetch,
    RemoteEnds, Tags, UpdateHead,
};
use git_core::store::config::Config;
use std::ffi::OsString;

pub(super) const USAGE: &str = "git-core fetch [<options>] [<repository> [<refspec>...]]
   or: git-core fetch [<options>] <group>
   or: git-core fetch --multiple [<options>] [(<repository> | <group>)...]
   or: git-core fetch --all [<options>]

    -v, --[no-]verbose    be more verbose
    -q, --[no-]quiet      be more quiet
    --[no-]all            fetch from all remotes
    --[no-]set-upstream   set upstream for git pull/fetch
    -a, --[no-]append     append to .git/FETCH_HEAD instead of overwriting
    --[no-]atomic         use atomic transaction to update references
    --[no-]upload-pack <path>
                          path to upload pack on remote end
    -f, --[no-]force      force overwrite of local reference
    -m, --[no-]multiple   fetch from multiple remotes
    -t, --[no-]tags       fetch all tags and associated objects
    -n                    do not fetch all tags (--no-tags)
    -j, --[no-]jobs <n>   number of remotes fetched in parallel
    -p, --[no-]prune      prune remote-tracking branches no longer on remote
    -P, --[no-]prune-tags prune local tags no longer on remote and clobber changed tags
    --[no-]dry-run        dry run
    --[no-]porcelain      machine-readable output
    --[no-]write-fetch-head
                          write fetched references to the FETCH_HEAD file
    -k, --[no-]keep       keep downloaded pack
    -u, --[no-]update-head-ok
                          allow updating of HEAD ref
    --[no-]progress       force progress reporting
    --[no-]depth <depth>  deepen history of shallow clone
    --[no-]shallow-since <time>
                          deepen history of shallow repository based on time
    --[no-]shallow-exclude <revision>
                          deepen history of shallow clone, excluding rev
    --[no-]deepen <n>     deepen history of shallow clone
    --unshallow           convert to a complete repository
    --refetch             re-fetch without negotiating common commits
    --[no-]update-shallow accept refs that update .git/shallow
    --refmap <refmap>     specify fetch refmap
    -o, --[no-]server-option <server-specific>
                          option to transmit
    -4, --ipv4            use IPv4 addresses only
    -6, --ipv6            use IPv6 addresses only
    --[no-]negotiation-tip <revision>
                          report that we have only objects reachable from this object
    --[no-]negotiate-only do not fetch a packfile; instead, print ancestors of negotiation tips
    --[no-]filter <args>  object filtering
    --[no-]auto-maintenance
                          run 'maintenance --auto' after fetching
    --[no-]auto-gc        run 'maintenance --auto' after fetching
    --[no-]show-forced-updates
                          check for forced-updates on all updated branches
    --[no-]write-commit-graph
                          write the commit-graph after fetching
    --[no-]stdin          accept refspecs from stdin
";

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Talk {
    /// Errors only.
    Quiet,
    /// What has changed.
    Usual,
    /// What has not changed, too.
    Verbose,
    /// Everything.
    VeryVerbose,
}

/// How the table of refs is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Full,
    Compact,
    Porcelain,
}

/// What was asked for.
#[derive(Clone)]
pub(super) struct Chosen {
    pub(super) options: FetchOptions,
    pub(super) operands: Vec<Vec<u8>>,
    pub(super) all: Option<bool>,
    pub(super) multiple: bool,
    pub(super) jobs: Option<usize>,
    /// `fetch.parallel`.
    pub(super) parallel: usize,
    pub(super) talk: Talk,
    pub(super) layout: Layout,
    pub(super) prune: Option<bool>,
    pub(super) prune_tags: Option<bool>,
    pub(super) append: bool,
    pub(super) write_fetch_head: bool,
    pub(super) progress: Option<bool>,
    pub(super) upload_pack: Option<OsString>,
    pub(super) set_upstream: bool,
    pub(super) write_commit_graph: Option<bool>,
    pub(super) auto_gc: bool,
    pub(super) stdin: bool,
    pub(super) negotiate_only: bool,
    pub(super) tips: Vec<Vec<u8>>,
    pub(super) depths: Depths,
    /// What reflogs say.
    pub(super) action: String,
}

/// Reads the arguments, and what of the configuration they may override.
pub(super) fn read(mut args: Args, config: &Config) -> Result<Chosen, Failure> {
    let mut chosen = Chosen {
        options: FetchOptions::default(),
        operands: Vec::new(),
        all: None,
        multiple: false,
        jobs: None,
        parallel: match config.int("fetch.parallel")? {
            Some(jobs) => {
                usize::try_from(jobs).map_err(|_| Failure::fatal("fetch.parallel cannot be negative"))?
            }
            None => 1,
        },
        talk: Talk::Usual,
        layout: Layout::Full,
        prune: None,
        prune_tags: None,
        append: false,
        write_fetch_head: true,
        progress: None,
        upload_pack: None,
        set_upstream: false,
        write_commit_graph: None,
        auto_gc: true,
        stdin: false,
        negotiate_only: false,
        tips: Vec::new(),
        depths: Depths::default(),
        action: action(args.given()),
    };
    if config.bool("fetch.showForcedUpdates")? == Some(false) {
        chosen.options.forced_updates = ForcedUpdates::Unchecked;
    }
    chosen.options.negotiator = negotiator(config)?;
    match config.get("fetch.output").map(|entry| entry.to_text()).transpose()? {
        None => {}
        Some(text) if text.eq_ignore_ascii_case(b"full") => {}
        Some(text) if text.eq_ignore_ascii_case(b"compact") => chosen.layout = Layout::Compact,
        Some(text) => {
            return Err(Failure::fatal(format_args!("invalid value for 'fetch.output': '{text}'")));
        }
    }
    let configured = chosen.layout;
    let usage = args.usage();
    while let Some(arg) = args.next()? {
        let (name, yes) = match &arg {
            Arg::Long(name) => match name.strip_prefix("no-") {
                Some(name) => (name.to_owned(), false),
                None => ((*name).to_owned(), true),
            },
            Arg::Short(c) => match long_of(*c) {
                Some(name) => (name.to_owned(), *c != 'n'),
                None => return Err(Args::unknown(usage, &arg)),
            },
            Arg::Value(value) => {
                chosen.operands.push(bytes(value));
                continue;
            }
        };
        if !chosen.flag(&name, yes, configured) && !chosen.valued(&name, yes, &mut args)? {
            let whole = if yes { name } else { format!("no-{name}") };
            return Err(Failure::usage(format!("unknown option `{whole}'"), usage));
        }
    }
    Ok(chosen)
}

/// `fetch.negotiationAlgorithm`.
pub(super) fn negotiator(config: &Config) -> Result<Negotiator, Failure> {
    let usual = match config.bool("feature.experimental")? {
        Some(true) => Negotiator::Skipping,
        _ => Negotiator::Consecutive,
    };
    let Some(text) = config.text("fetch.negotiationAlgorithm")? else { return Ok(usual) };
    match text.to_ascii_lowercase().as_slice() {
        b"default" => Ok(usual),
        b"consecutive" => Ok(Negotiator::Consecutive),
        b"skipping" => Ok(Negotiator::Skipping),
        b"noop" => Ok(Negotiator::Noop),
        _ => Err(Failure::fatal(format_args!("unknown fetch negotiation algorithm '{text}'"))),
    }
}

/// What reflogs say of a fetch: its command line, without what is secret in it.
fn action(given: &[OsString]) -> String {
    let mut text = "fetch".to_owned();
    for arg in given {
        let arg = arg.to_string_lossy();
        let plain = match git_core::transport::url::GitUrl::parse(arg.as_bytes()) {
            Ok(url) if arg.contains("://") && arg.contains('@') => url.without_credentials().to_string(),
            _ => arg.into_owned(),
        };
        text.push(' ');
        text.push_str(&plain);
    }
    text
}

fn long_of(short: char) -> Option<&'static str> {
    Some(match short {
        'v' => "verbose",
        'q' => "quiet",
        'a' => "append",
        'f' => "force",
        'm' => "multiple",
        't' | 'n' => "tags",
        'j' => "jobs",
        'p' => "prune",
        'P' => "prune-tags",
        'k' => "keep",
        'u' => "update-head-ok",
        'o' => "server-option",
        '4' => "ipv4",
        '6' => "ipv6",
        _ => return None,
    })
}

impl Chosen {
    /// Takes an option without value; whether it is one.
    fn flag(&mut self, name: &str, yes: bool, configured: Layout) -> bool {
        let options = &mut self.options;
        match name {
            "verbose" => {
                self.talk = match (yes, self.talk) {
                    (false, _) => Talk::Usual,
                    (true, Talk::Verbose | Talk::VeryVerbose) => Talk::VeryVerbose,
                    _ => Talk::Verbose,
                }
            }
            "quiet" => self.talk = if yes { Talk::Quiet } else { Talk::Usual },
            "all" => self.all = Some(yes),
            "set-upstream" => self.set_upstream = yes,
            "append" => self.append = yes,
            "atomic" => options.atomic = if yes { Atomic::Whole } else { Atomic::Each },
            "force" => options.force = if yes { Force::All } else { Force::AsSpecified },
            "multiple" => self.multiple = yes,
            "tags" => options.tags = Some(if yes { Tags::All } else { Tags::None }),
            "prune" => self.prune = Some(yes),
            "prune-tags" => self.prune_tags = Some(yes),
            "dry-run" => options.dry_run = if yes { DryRun::Yes } else { DryRun::No },
            "porcelain" => self.layout = if yes { Layout::Porcelain } else { configured },
            "write-fetch-head" => self.write_fetch_head = yes,
            "keep" => options.keep_pack = if yes { KeepPack::Always } else { KeepPack::IfLarge },
            "update-head-ok" => {
                options.update_head_ok = if yes { UpdateHead::Allow } else { UpdateHead::Refuse };
            }
            "progress" => self.progress = Some(yes),
            "refetch" if yes => options.refetch = Refetch::All,
            "update-shallow" => {
                options.remote_ends = if yes { RemoteEnds::Accept } else { RemoteEnds::Refuse };
            }
            "auto-maintenance" | "auto-gc" => self.auto_gc = yes,
            "show-forced-updates" => {
                options.forced_updates = if yes { ForcedUpdates::Checked } else { ForcedUpdates::Unchecked };
            }
            "write-commit-graph" => self.write_commit_graph = Some(yes),
            "stdin" => self.stdin = yes,
            "negotiate-only" => self.negotiate_only = yes,
            "negotiation-tip" if !yes => self.tips.clear(),
            "ipv4" | "ipv6" => {}
            "filter" if !yes => options.filter = FilterChoice::None,
            "upload-pack" if !yes => self.upload_pack = None,
            "jobs" if !yes => self.jobs = None,
            "server-option" if !yes => options.server_options.clear(),
            "recurse-submodules" if !yes => {}
            _ => return false,
        }
        true
    }

    /// Takes an option with a value; whether it is one.
    fn valued(&mut self, name: &str, yes: bool, args: &mut Args) -> Result<bool, Failure> {
        match name {
            _ if !yes => return Ok(false),
            "upload-pack" => self.upload_pack = Some(args.value()?),
            "jobs" => {
                let text = args.text()?;
                let jobs: i64 = text.parse().map_err(|_| {
                    Failure::usage(
                        "option `jobs' expects an integer value with an optional k/m/g suffix",
                        args.usage(),
                    )
                })?;
                self.jobs = usize::try_from(jobs).ok();
            }
            "refmap" => {
                let text = bytes(&args.value()?);
                let refmap = self.options.refmap.get_or_insert_default();
                // An empty one stands for "nowhere".
                if !text.is_empty() {
                    refmap.push(parse(&text)?);
                }
            }
            "negotiation-tip" => self.tips.push(bytes(&args.value()?)),
            "server-option" => self.options.server_options.push(bytes(&args.value()?).into()),
            "filter" => {
                let text = args.value()?;
                self.options.filter = FilterChoice::By(crate::filters::spec(&text)?);
            }
            "recurse-submodules" => drop(args.optional_value()),
            "recurse-submodules-default" | "submodule-prefix" => drop(args.value()?),
            "depth" | "deepen" | "shallow-since" | "shallow-exclude" | "unshallow" => {
                return self.depths.fetch_option(name, args);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// A refspec of a fetch, or git's complaint about it.
pub(super) fn parse(text: &[u8]) -> Result<Refspec, Failure> {
    Refspec::parse(Direction::Fetch, text)
        .map_err(|_| Failure::fatal(format_args!("invalid refspec '{}'", String::from_utf8_lossy(text))))
}
