//! `rev-list`: commits, and with `--objects` everything they reach.

use super::Command;
use super::rev_list_bitmap as bitmap_test;
use super::rev_list_cherry::{self as cherry, Cherry};
use super::rev_list_grep::{GrepOptions, is_grep_option};
use super::rev_list_history::{HistoryOptions, is_history_option, max_count};
use super::rev_list_reflog as reflog;
use super::rev_list_show::Lister;
use crate::abbrev;
use crate::args::{Arg, Args};
use crate::fail::{Failure, chain};
use crate::globals::Globals;
use crate::input::{lines, stdin};
use crate::output::{finish, stdout, written};
use crate::progress::human;
use crate::repo;
use crate::revisions::{RefSelection, Revisions, Tip};
use git_core::object::{Kind, ObjectId};
use git_core::refs::RefName;
use git_core::repository::Seen;
use git_core::store::filter::{FilterSpec, Named, ObjectFilter};
use git_core::store::walk::{
    CountOptions, HistoryOrder, MissingExcludes, MissingObjects, NoWalk, PromisedObjects, peel,
};
use git_core::store::{Snapshot, revision};
use std::collections::HashSet;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) const COMMAND: Command = Command {
    name: "rev-list",
    summary: "List commit objects in reverse chronological order",
    usage: "git-core rev-list [<options>] <commit>... [--] [<path>...]

    limiting output
        --max-count=<n>, -n <n>, -<n>   --skip=<n>
        --since=<date>, --after=<date>  --until=<date>, --before=<date>
        --merges  --no-merges  --min-parents=<n>  --max-parents=<n>
        --first-parent  --exclude-first-parent-only  --no-walk[=(sorted|unsorted)]
        --boundary  --ancestry-path[=<commit>]  --left-only  --right-only
        --cherry  --cherry-pick  --cherry-mark  --walk-reflogs
        --grep=<pattern>  --author=<pattern>  --committer=<pattern>  --grep-reflog=<pattern>
        --all-match  --invert-grep  -i  -E  -F  -P
        --full-history  --dense  --sparse  --simplify-merges  --show-pulls  --simplify-by-decoration
        --remove-empty
        --all  --branches  --tags  --remotes  --glob=<pattern>  --exclude=<pattern>  --exclude-hidden=<section>
        --reflog  --stdin  --not  --ignore-missing  --quiet
    ordering output
        --topo-order  --date-order  --author-date-order  --reverse
    formatting output
        --parents  --children  --timestamp  --header  --objects  --objects-edge[-aggressive]  --left-right
        --abbrev-commit  --abbrev=<n>  --count  --disk-usage[=human]
        --[no-]object-names  --in-commit-order
        --unpacked  --missing=(error|allow-any|allow-promisor|print)  --exclude-promisor-objects
        --filter=<filter-spec>  --no-filter  --filter-provided-objects  --filter-print-omitted
    special purposes
        --use-bitmap-index  --test-bitmap",
    run,
};

/// What is listed and how.
#[derive(Default)]
pub(super) struct Request {
    pub(super) objects: bool,
    pub(super) edges: Edges,
    /// What is left out of the objects.
    pub(super) filter: Option<FilterSpec>,
    pub(super) filter_named: bool,
    /// Whether what the filter leaves out is printed with a mark.
    pub(super) print_omitted: bool,
    pub(super) in_commit_order: bool,
    /// What is in a pack is not listed.
    pub(super) unpacked: bool,
    pub(super) missing: Missing,
    /// What promisors' packs hold is not listed, and what else was promised may be missing.
    pub(super) without_promised: bool,
    pub(super) count: bool,
    pub(super) disk_usage: bool,
    /// Whether bytes are shown with a unit.
    human: bool,
    /// Whether objects are shown without the paths they were met at.
    pub(super) nameless: bool,
    /// Whether the bitmap of the one commit that was named is put to the test.
    test_bitmap: bool,
    pub(super) quiet: bool,
    pub(super) timestamp: bool,
    pub(super) header: bool,
    ignore_missing: bool,
    pub(super) abbreviate: Option<usize>,
    pub(super) history: HistoryOptions,
    pub(super) count_options: CountOptions,
}

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let fetches =
        !args.mention(|text| text.starts_with(b"--missing") || text == b"--exclude-promisor-objects");
    let repository = if fetches { repo::open(globals)? } else { repo::open_as_it_is(globals)? };
    let snapshot = repository.seen(Seen::History)?;
    let paths = args.split_paths()?;
    let (mut request, mut revisions, mut not) = (Request::default(), Revisions::default(), false);
    let (mut abbreviated, mut digits, mut missing_told) = (false, None, false);
    let mut grep = GrepOptions::default();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("objects") => request.objects = true,
            Arg::Long("in-commit-order") => request.in_commit_order = true,
            Arg::Long("filter") => {
                let spec = filter_spec(&repo::operand(args.value()?))?;
                request.filter = Some(match request.filter.take() {
                    Some(before) => before.and(spec),
                    None => spec,
                });
            }
            Arg::Long("unpacked") => request.unpacked = true,
            Arg::Long("missing") => {
                missing_told = true;
                request.missing = match args.text()?.as_str() {
                    "allow-any" => Missing::Ignored,
                    "print" => Missing::Printed,
                    "allow-promisor" => Missing::Promised,
                    _ => Missing::Refused,
                };
            }
            Arg::Long("exclude-promisor-objects") => request.without_promised = true,
            Arg::Long("no-filter") => request.filter = None,
            Arg::Long("filter-provided-objects") => request.filter_named = true,
            Arg::Long("filter-print-omitted") => request.print_omitted = true,
            Arg::Long("count") => request.count = true,
            Arg::Long("disk-usage") => {
                request.disk_usage = true;
                if let Some(style) = args.optional_value() {
                    if style != "human" {
                        return Err(Failure::fatal(format_args!(
                            "invalid value for '--disk-usage=<format>': '{}', the only allowed format is 'human",
                            style.display()
                        )));
                    }
                    request.human = true;
                }
            }
            Arg::Long("test-bitmap") => request.test_bitmap = true,
            Arg::Long("quiet") => request.quiet = true,
            Arg::Long("timestamp") => request.timestamp = true,
            Arg::Long("header") => request.header = true,
            Arg::Long("ignore-missing") => request.ignore_missing = true,
            Arg::Long(name) if is_history_option(name) => {
                let name = name.to_owned();
                request.history.take(&name, &mut args)?;
            }
            Arg::Long(name) if is_grep_option(name) => {
                let name = name.to_owned();
                grep.take(&name, &mut args)?;
            }
            Arg::Short(letter @ ('i' | 'E' | 'F' | 'P')) => {
                let name = match letter {
                    'i' => "regexp-ignore-case",
                    'E' => "extended-regexp",
                    'F' => "fixed-strings",
                    _ => "perl-regexp",
                };
                grep.take(name, &mut args)?;
            }
            Arg::Short('g') => request.history.walks_reflogs = true,
            Arg::Long("objects-edge") => (request.objects, request.edges) = (true, Edges::Parents),
            Arg::Long("objects-edge-aggressive") => {
                (request.objects, request.edges) = (true, Edges::Aggressive);
            }
            Arg::Short('n') => request.history.query.max_count = max_count(&args.text()?)?,
            Arg::Short(first) if first.is_ascii_digit() => {
                let mut text = first.to_string();
                if let Some(rest) = args.attached() {
                    text.push_str(&rest);
                }
                request.history.query.max_count = max_count(&text)?;
            }
            Arg::Long("abbrev-commit") => abbreviated = true,
            Arg::Long("no-abbrev-commit" | "no-abbrev") => abbreviated = false,
            Arg::Long("abbrev") => digits = args.optional_value(),
            Arg::Long("stdin") => revisions.add_lines(&*snapshot, &mut lines(stdin()))?,
            Arg::Long("not") => not = !not,
            Arg::Long("reflog") => revisions.add_reflogs(&*snapshot, not)?,
            Arg::Long("exclude-hidden") => revisions.exclude_hidden(repository.config(), &args.text()?)?,
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
            Arg::Long("use-bitmap-index") => request.count_options = CountOptions::with_bitmap(),
            Arg::Long("no-object-names") => request.nameless = true,
            Arg::Long("object-names") => request.nameless = false,
            Arg::Long("progress") => drop(args.optional_value()),
            Arg::Value(text) => {
                let text = repo::operand(text);
                match revisions.add(&*snapshot, &text, not) {
                    Err(_) if request.ignore_missing => {}
                    result => result?,
                }
            }
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    request.history.take_paths(&repository, &paths)?;
    request.history.query.test = grep.test()?;
    if request.history.by_decoration {
        request.history.query.decorated = Some(Arc::new(decorated(&*snapshot)?));
    }
    if request.test_bitmap {
        return bitmap_test::run(&*snapshot, &revisions);
    }
    if !revisions.given {
        return Err(Failure::usage("", usage));
    }
    if request.without_promised && missing_told {
        let text = "options '--exclude-promisor-objects' and '--missing' cannot be used together";
        return Err(Failure::fatal(text));
    }
    let messages = grep.reflog()?;
    if request.history.walks_reflogs {
        let query = &mut request.history.query;
        if query.reverse {
            return Err(Failure::fatal("options '--reverse' and '--walk-reflogs' cannot be used together"));
        }
        if query.order != HistoryOrder::Met || query.children || query.ancestry_path.is_some() {
            return Err(Failure::fatal("cannot combine --walk-reflogs with history-limiting options"));
        }
        query.no_walk = Some(NoWalk::Repeated);
        query.tips = reflog::tips(&*snapshot, &revisions, messages.as_deref())?;
    } else if messages.is_some() {
        return Err(Failure::fatal("the option '--grep-reflog' requires '--walk-reflogs'"));
    }
    let mut missing_tips = Vec::new();
    if request.may_lack() {
        request.history.query.missing_reached = MissingObjects::Tell;
        request.history.query.missing = MissingExcludes::Ignore;
        if request.without_promised {
            request.history.query.promised = PromisedObjects::LeftOut;
        }
        for tip in &revisions.tips {
            if !snapshot.contains(&tip.id)? {
                missing_tips.push(tip.id);
            }
        }
        revisions.tips.retain(|tip| !missing_tips.contains(&tip.id));
    }
    if request.ignore_missing {
        let there = |tip: &Tip| snapshot.contains(&tip.id);
        let mut kept = Vec::new();
        for tip in revisions.tips {
            if there(&tip)? {
                kept.push(tip);
            }
        }
        revisions.tips = kept;
    }
    if abbreviated {
        let asked = digits.and_then(|text| abbrev::asked_digits(text.to_str()?, repository.format()));
        request.abbreviate = Some(match asked {
            Some(digits) => digits,
            None => abbrev::default_digits(&repository, &*snapshot)?,
        });
    }
    let filter = match &request.filter {
        Some(_) if !request.objects => {
            return Err(Failure::fatal("object filtering requires --objects"));
        }
        Some(spec) => {
            let filter =
                ObjectFilter::new(&*snapshot, spec).map_err(|error| Failure::fatal(chain(&error)))?;
            let named = if request.filter_named { Named::Filtered } else { Named::Kept };
            Some(Arc::new(filter.with_named(named)))
        }
        None => None,
    };
    let mut equivalent = HashSet::new();
    if let Some(cherry) = request.history.cherry {
        let found = cherry::equivalent(&*snapshot, request.history.query(&*snapshot, &revisions)?)?;
        match cherry {
            Cherry::Pick => request.history.query.passed_over = Some(Arc::new(found)),
            Cherry::Mark => equivalent = found,
        }
    }
    let mut lister = Lister {
        repository: &repository,
        snapshot: &*snapshot,
        request: &request,
        filter,
        kept: HashSet::new(),
        equivalent,
        same: 0,
        missing: missing_tips.iter().copied().collect(),
        promised: None,
        out: stdout(),
        line: Vec::new(),
        content: Vec::new(),
        count: 0,
        left: 0,
        bytes: 0,
    };
    if lister.request.without_promised {
        for id in missing_tips {
            if !lister.is_promised(&id)? {
                return Err(Failure::fatal(format_args!("bad object {id}")));
            }
        }
    }
    lister.run(&revisions)?;
    lister.tell_missing()?;
    if request.count && request.disk_usage {
        return Err(Failure::usage("--count and --disk-usage cannot be used together", usage));
    }
    if request.count {
        let (left, right) = (lister.left, lister.count);
        let mut counts = match request.history.left_right {
            true => format!("{left}\t{right}"),
            false => (left + right).to_string(),
        };
        if request.history.cherry == Some(Cherry::Mark) {
            counts += &format!("\t{}", lister.same);
        }
        written(writeln!(lister.out, "{counts}"))?;
    } else if request.disk_usage {
        match request.human {
            true => written(writeln!(lister.out, "{}", human(lister.bytes)))?,
            false => written(writeln!(lister.out, "{}", lister.bytes))?,
        }
    }
    finish(lister.out)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether the edge of what is listed is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Edges {
    #[default]
    None,
    /// The parents of what is listed that are not.
    Parents,
    /// Also what was named to be left out.
    Aggressive,
}

/// What happens when something that is reached is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Missing {
    #[default]
    Refused,
    Ignored,
    /// It is printed with a mark.
    Printed,
    /// It must have been promised.
    Promised,
}

impl Request {
    /// Whether something that is reached may be missing.
    pub(super) fn may_lack(&self) -> bool {
        self.missing != Missing::Refused || self.without_promised
    }
}

/// The commits that refs lead to.
fn decorated(snapshot: &dyn Snapshot) -> Result<HashSet<ObjectId>, Failure> {
    let (mut found, mut buf) = (HashSet::new(), Vec::new());
    let head = revision::follow(snapshot, &RefName::head())?.1;
    let refs = RefSelection::below(b"").tips(snapshot)?.into_iter().map(|(_, id)| id);
    for id in refs.chain(head) {
        if let Ok((id, Kind::Commit)) = peel(snapshot, id, &mut buf, &mut Vec::new()) {
            found.insert(id);
        }
    }
    Ok(found)
}

/// Reads a filter as `--filter` takes it.
pub(super) fn filter_spec(text: &[u8]) -> Result<FilterSpec, Failure> {
    FilterSpec::parse(text).map_err(Failure::fatal)
}
