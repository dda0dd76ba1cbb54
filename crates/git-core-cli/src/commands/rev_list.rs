//! `rev-list`: commits, and with `--objects` everything they reach.

use super::Command;
use super::rev_list_bitmap as bitmap_test;
use super::rev_list_history::{HistoryOptions, is_history_option, max_count, walked};
use crate::abbrev;
use crate::args::{Arg, Args};
use crate::fail::{Failure, chain};
use crate::globals::Globals;
use crate::input::{lines, stdin};
use crate::ondisk;
use crate::output::{finish, stdout, written};
use crate::progress::human;
use crate::repo;
use crate::revisions::{RefSelection, Revisions, Tip, bad_object};
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::object::{Context, Kind, ObjectId};
use git_core::repository::Seen;
use git_core::store::Snapshot;
use git_core::store::filter::{FilterSpec, Named, ObjectFilter};
use git_core::store::walk::{
    self, CountOptions, History, HistoryCommit, HistoryMark, HistoryQuery, MissingExcludes, MissingObjects,
    Promised, PromisedObjects, Query, UseBitmap,
};
use std::collections::{BTreeSet, HashSet};
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
        --all  --branches  --tags  --remotes  --glob=<pattern>  --exclude=<pattern>
        --reflog  --stdin  --not  --ignore-missing  --quiet
    ordering output
        --topo-order  --date-order  --author-date-order  --reverse
    formatting output
        --parents  --children  --timestamp  --header  --objects  --left-right
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
    /// What is left out of the objects.
    filter: Option<FilterSpec>,
    filter_named: bool,
    /// Whether what the filter leaves out is printed with a mark.
    pub(super) print_omitted: bool,
    in_commit_order: bool,
    /// What is in a pack is not listed.
    unpacked: bool,
    pub(super) missing: Missing,
    /// What promisors' packs hold is not listed, and what else was promised may be missing.
    pub(super) without_promised: bool,
    count: bool,
    disk_usage: bool,
    /// Whether bytes are shown with a unit.
    human: bool,
    /// Whether objects are shown without the paths they were met at.
    pub(super) nameless: bool,
    /// Whether the bitmap of the one commit that was named is put to the test.
    test_bitmap: bool,
    quiet: bool,
    timestamp: bool,
    header: bool,
    ignore_missing: bool,
    abbreviate: Option<usize>,
    history: HistoryOptions,
    count_options: CountOptions,
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
    let mut lister = Lister {
        repository: &repository,
        snapshot: &*snapshot,
        request: &request,
        filter,
        kept: HashSet::new(),
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
        match request.history.left_right {
            true => written(writeln!(lister.out, "{left}\t{right}"))?,
            false => written(writeln!(lister.out, "{}", left + right))?,
        }
    } else if request.disk_usage {
        match request.human {
            true => written(writeln!(lister.out, "{}", human(lister.bytes)))?,
            false => written(writeln!(lister.out, "{}", lister.bytes))?,
        }
    }
    finish(lister.out)?;
    Ok(ExitCode::SUCCESS)
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

pub(super) struct Lister<'a, W> {
    repository: &'a Repository,
    pub(super) snapshot: &'a dyn Snapshot,
    pub(super) request: &'a Request,
    pub(super) filter: Option<Arc<ObjectFilter>>,
    /// The commits that no filter leaves out.
    kept: HashSet<ObjectId>,
    /// What is not there.
    pub(super) missing: BTreeSet<ObjectId>,
    /// What is missing and was promised, once somebody has asked.
    promised: Option<Promised>,
    pub(super) out: W,
    pub(super) line: Vec<u8>,
    content: Vec<u8>,
    /// Without those of the left side.
    pub(super) count: u64,
    left: u64,
    bytes: u64,
}

impl<W: Write> Lister<'_, W> {
    fn run(&mut self, revisions: &Revisions) -> Result<(), Failure> {
        let request = self.request;
        let silent = request.quiet || request.count;
        let tells = request.print_omitted && request.filter.is_some();
        let simple = !(request.history.selects() || tells || request.unpacked || request.disk_usage)
            && !request.may_lack();
        if request.objects && silent && simple {
            let cx = Context::new();
            let query = Query { filter: self.filter.clone(), ..revisions.query() };
            let set = walk::reachable_with(self.snapshot, &query, &request.count_options, &cx)
                .map_err(|e| bad_object(&e))?;
            self.count = set.len();
            return Ok(());
        }
        if request.count_options.bitmap == UseBitmap::IfThere
            && (simple || request.disk_usage && !request.history.selects())
            && !(request.history.left_right && request.count)
            && self.with_bitmap(revisions)?
        {
            return Ok(());
        }
        if request.objects && request.in_commit_order {
            let query = request.history.query(self.snapshot, revisions)?;
            self.keep(&query);
            let cx = Context::new();
            let history = walked(History::new(self.snapshot, query, &cx))?;
            let missing = self.in_commit_order(revisions, history)?;
            return self.note_missing(&missing);
        }
        let (roots, edges) = self.commits(revisions)?;
        if request.objects { self.objects(revisions, roots, edges) } else { Ok(()) }
    }

    /// Lists commits; gives their trees, and the commits where the walk ended.
    fn commits(&mut self, revisions: &Revisions) -> Result<(Vec<ObjectId>, Vec<ObjectId>), Failure> {
        let request = self.request;
        let query = request.history.query(self.snapshot, revisions)?;
        self.keep(&query);
        let cx = Context::new();
        let mut roots = Vec::new();
        let mut history = walked(History::new(self.snapshot, query, &cx))?;
        let plain = !(request.objects || request.disk_usage || request.unpacked);
        if (request.count || request.quiet) && plain {
            (self.left, self.count) = walked(history.count())?;
            self.note_missing(history.missing())?;
            return Ok((roots, Vec::new()));
        }
        while let Some(commit) = walked(history.next_commit())? {
            if self.is_stored_away(&commit.id)? {
                continue;
            }
            if request.objects && commit.mark != HistoryMark::Boundary {
                roots.push(commit.tree);
            }
            self.commit(&commit)?;
        }
        self.note_missing(history.missing())?;
        Ok((roots, history.edges()))
    }

    /// Takes down commits that are not there.
    fn note_missing(&mut self, commits: &[ObjectId]) -> Result<(), Failure> {
        commits.iter().try_for_each(|id| self.lacks(id, Kind::Commit))
    }

    /// Takes down what is not there, unless that is an error.
    pub(super) fn lacks(&mut self, id: &ObjectId, kind: Kind) -> Result<(), Failure> {
        let without = self.request.without_promised;
        if (without || self.request.missing == Missing::Promised) && !self.is_promised(id)? {
            return Err(match kind {
                _ if !without => Failure::fatal(format_args!("unexpected missing {kind} object '{id}'")),
                Kind::Blob => Failure::fatal(format_args!("missing blob object '{id}'")),
                Kind::Tree => Failure::fatal(format_args!("bad tree object {id}")),
                _ => Failure::fatal(format_args!("bad object {id}")),
            });
        }
        self.missing.insert(*id);
        Ok(())
    }

    /// Whether a remote has promised to have this object, which is not there.
    fn is_promised(&mut self, id: &ObjectId) -> Result<bool, Failure> {
        let promised = match self.promised.take() {
            Some(promised) => promised,
            None => Promised::find(self.snapshot, &Context::new())?,
        };
        Ok(self.promised.insert(promised).contains(id))
    }

    /// Notes the commits that are listed whatever the filter says.
    fn keep(&mut self, query: &HistoryQuery) {
        if self.filter.is_some() && !self.request.filter_named {
            self.kept = query.tips.iter().map(|tip| tip.id).collect();
        }
    }

    /// Whether an object is in a pack and only others are to be listed.
    pub(super) fn is_stored_away(&self, id: &ObjectId) -> Result<bool, Failure> {
        Ok(self.request.unpacked && self.snapshot.locate(id)?.is_some())
    }

    /// Prints what is not there, if that was asked for.
    fn tell_missing(&mut self) -> Result<(), Failure> {
        if self.request.missing == Missing::Printed {
            for id in std::mem::take(&mut self.missing) {
                self.marked(b'?', &id)?;
            }
        }
        Ok(())
    }

    fn is_let_through(&self, id: &ObjectId) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.admits(Kind::Commit)) || self.kept.contains(id)
    }

    /// Adds up what the object takes, when asked to; whether it is not to be printed.
    pub(super) fn is_silent(&mut self, id: &ObjectId) -> Result<bool, Failure> {
        if self.request.disk_usage {
            self.bytes += ondisk::stored(self.repository, self.snapshot, id)?.size;
        }
        Ok(self.request.count || self.request.disk_usage || self.request.quiet)
    }

    pub(super) fn commit(&mut self, commit: &HistoryCommit) -> Result<(), Failure> {
        if commit.mark != HistoryMark::Boundary && !self.is_let_through(&commit.id) {
            return Ok(());
        }
        match commit.mark {
            HistoryMark::Left => self.left += 1,
            _ => self.count += 1,
        }
        if self.is_silent(&commit.id)? {
            return Ok(());
        }
        self.line.clear();
        if self.request.timestamp {
            self.line.extend_from_slice(format!("{} ", commit.time).as_bytes());
        }
        match commit.mark {
            HistoryMark::Boundary => self.line.push(b'-'),
            HistoryMark::Left if self.request.history.left_right => self.line.push(b'<'),
            HistoryMark::Right if self.request.history.left_right => self.line.push(b'>'),
            _ => {}
        }
        self.id(&commit.id)?;
        let parents = if self.request.history.query.rewrite_parents { &commit.parents[..] } else { &[] };
        for id in parents.iter().chain(&commit.children) {
            self.line.push(b' ');
            id.write_hex(&mut self.line);
        }
        self.line.push(b'\n');
        if self.request.header {
            self.snapshot.require(&commit.id, &mut self.content)?;
            let (head, message) = match self.content.find(b"\n\n") {
                Some(at) => (&self.content[..=at], Some(&self.content[at + 2..])),
                None => (&self.content[..], None),
            };
            self.line.extend_from_slice(head);
            if let Some(message) = message {
                // The raw format indents the message.
                for line in message.trim_end_with(|c| c == '\n').lines() {
                    self.line.extend_from_slice(b"\n    ");
                    self.line.extend_from_slice(line);
                }
                self.line.push(b'\n');
            }
            self.line.push(0);
        }
        written(self.out.write_all(&self.line))
    }

    fn id(&mut self, id: &ObjectId) -> Result<(), Failure> {
        match self.request.abbreviate {
            None => id.write_hex(&mut self.line),
            Some(least) => {
                self.line.extend_from_slice(abbrev::abbreviate(self.snapshot, id, least)?.as_bytes());
            }
        }
        Ok(())
    }
}

/// Reads a filter as `--filter` takes it.
pub(super) fn filter_spec(text: &[u8]) -> Result<FilterSpec, Failure> {
    FilterSpec::parse(text).map_err(Failure::fatal)
}
