//! `rev-list`: commits, and with `--objects` everything they reach.

use super::Command;
use crate::abbrev;
use crate::args::{Arg, Args};
use crate::fail::Failure;
use crate::globals::Globals;
use crate::input::{lines, stdin};
use crate::ondisk;
use crate::output::{finish, stdout, written};
use crate::repo;
use crate::revisions::{RefSelection, Revisions, Tip, bad_object};
use crate::when;
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::object::{Context, Kind, ObjectId, ReadError, TagRef};
use git_core::store::Snapshot;
use git_core::store::walk::{
    self, CommitWalk, Listed, MissingExcludes, Query, WalkedCommit, list_objects, peel,
};
use std::collections::HashSet;
use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "rev-list",
    summary: "List commit objects in reverse chronological order",
    usage: "git-core rev-list [<options>] <commit>... [--]

    limiting output
        --max-count=<n>, -n <n>, -<n>   --skip=<n>
        --since=<date>, --after=<date>  --until=<date>, --before=<date>
        --no-merges, --merges           --no-walk
        --all  --branches  --tags  --remotes  --glob=<pattern>
        --stdin  --not  --ignore-missing  --quiet
    ordering output
        --reverse
    formatting output
        --parents  --timestamp  --header  --objects  --abbrev-commit  --abbrev=<n>
        --count  --disk-usage",
    run,
};

/// What is listed and how.
#[derive(Default)]
struct Request {
    objects: bool,
    count: bool,
    disk_usage: bool,
    quiet: bool,
    parents: bool,
    timestamp: bool,
    header: bool,
    reverse: bool,
    no_walk: bool,
    ignore_missing: bool,
    max_count: Option<u64>,
    skip: u64,
    since: Option<i64>,
    until: Option<i64>,
    /// `Some(true)`: merges only; `Some(false)`: none.
    merges: Option<bool>,
    abbreviate: Option<usize>,
}

impl Request {
    /// Whether some commits that are walked are not listed, or not in the order of the walk.
    fn selects(&self) -> bool {
        self.reverse
            || self.no_walk
            || self.skip > 0
            || self.max_count.is_some()
            || self.since.is_some()
            || self.until.is_some()
            || self.merges.is_some()
    }
}

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let repository = repo::open(globals)?;
    let snapshot = repository.snapshot()?;
    let (mut request, mut revisions, mut not) = (Request::default(), Revisions::default(), false);
    let (mut abbreviated, mut digits) = (false, None);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("objects") => request.objects = true,
            Arg::Long("count") => request.count = true,
            Arg::Long("disk-usage") => request.disk_usage = true,
            Arg::Long("quiet") => request.quiet = true,
            Arg::Long("parents") => request.parents = true,
            Arg::Long("timestamp") => request.timestamp = true,
            Arg::Long("header") => request.header = true,
            Arg::Long("reverse") => request.reverse = !request.reverse,
            Arg::Long("no-walk") => {
                drop(args.optional_value());
                request.no_walk = true;
            }
            Arg::Long("do-walk") => request.no_walk = false,
            Arg::Long("ignore-missing") => request.ignore_missing = true,
            Arg::Long("merges") => request.merges = Some(true),
            Arg::Long("no-merges") => request.merges = Some(false),
            Arg::Long("max-count") | Arg::Short('n') => {
                let text = args.text()?;
                request.max_count = max_count(&text)?;
            }
            Arg::Short(first) if first.is_ascii_digit() => {
                let mut text = first.to_string();
                if let Some(rest) = args.attached() {
                    text.push_str(&rest);
                }
                request.max_count = max_count(&text)?;
            }
            Arg::Long("skip") => request.skip = args.number()?,
            Arg::Long("since" | "after" | "max-age") => request.since = Some(when::parse(&args.text()?)?),
            Arg::Long("until" | "before" | "min-age") => request.until = Some(when::parse(&args.text()?)?),
            Arg::Long("abbrev-commit") => abbreviated = true,
            Arg::Long("no-abbrev-commit" | "no-abbrev") => abbreviated = false,
            Arg::Long("abbrev") => digits = args.optional_value(),
            Arg::Long("stdin") => revisions.add_lines(&*snapshot, &mut lines(stdin()))?,
            Arg::Long("not") => not = !not,
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
            Arg::Long("date-order" | "use-bitmap-index" | "no-object-names" | "object-names") => {}
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
    if !revisions.given {
        return Err(Failure::usage("", usage));
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
    let mut lister = Lister {
        repository: &repository,
        snapshot: &*snapshot,
        request: &request,
        out: stdout(),
        line: Vec::new(),
        content: Vec::new(),
        count: 0,
        bytes: 0,
        failed: None,
    };
    lister.run(&revisions)?;
    if request.count && request.disk_usage {
        return Err(Failure::usage("--count and --disk-usage cannot be used together", usage));
    }
    if request.count {
        written(writeln!(lister.out, "{}", lister.count))?;
    } else if request.disk_usage {
        written(writeln!(lister.out, "{}", lister.bytes))?;
    }
    finish(lister.out)?;
    Ok(ExitCode::SUCCESS)
}

/// `--max-count`: a negative number is no limit.
fn max_count(text: &str) -> Result<Option<u64>, Failure> {
    let number: i64 = text.parse().map_err(|_| Failure::fatal(format_args!("'{text}': not an integer")))?;
    Ok(u64::try_from(number).ok())
}

struct Lister<'a, W> {
    repository: &'a Repository,
    snapshot: &'a dyn Snapshot,
    request: &'a Request,
    out: W,
    line: Vec<u8>,
    content: Vec<u8>,
    count: u64,
    bytes: u64,
    /// Why a listing that could not end with an error of its own was broken off.
    failed: Option<Failure>,
}

impl<W: Write> Lister<'_, W> {
    fn run(&mut self, revisions: &Revisions) -> Result<(), Failure> {
        let request = self.request;
        let silent = request.quiet || request.count;
        if request.objects && silent && !request.selects() && !request.disk_usage {
            let cx = Context::new();
            let set = walk::reachable(self.snapshot, &revisions.query(), &cx).map_err(|e| bad_object(&e))?;
            self.count = set.len();
            return Ok(());
        }
        let (roots, edges) = self.commits(revisions)?;
        if request.objects { self.objects(revisions, roots, edges) } else { Ok(()) }
    }

    /// Lists commits; gives their trees, and the commits where the walk ended.
    fn commits(&mut self, revisions: &Revisions) -> Result<(Vec<ObjectId>, Vec<ObjectId>), Failure> {
        let request = self.request;
        let query = revisions.commits(self.snapshot)?;
        let cx = Context::new();
        let (mut roots, mut edges, mut chosen) = (Vec::new(), Vec::new(), Vec::new());
        let mut left = request.max_count.unwrap_or(u64::MAX);
        let mut skip = request.skip;
        let mut take = |this: &mut Self, commit: WalkedCommit| -> Result<ControlFlow<()>, Failure> {
            if request.until.is_some_and(|until| commit.time > until)
                || request.merges.is_some_and(|merges| merges != (commit.parents.len() > 1))
            {
                return Ok(ControlFlow::Continue(()));
            }
            if skip > 0 {
                skip -= 1;
                return Ok(ControlFlow::Continue(()));
            }
            if left == 0 {
                return Ok(ControlFlow::Break(()));
            }
            left -= 1;
            if request.objects {
                roots.push(commit.tree);
            }
            if request.reverse {
                chosen.push(commit)
            } else {
                this.commit(&commit)?
            }
            Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        if request.no_walk {
            let mut seen = HashSet::new();
            let mut commits = Vec::new();
            for id in query.include.iter().filter(|id| seen.insert(**id)) {
                let one = Query { include: vec![*id], ..Query::default() };
                commits.extend(
                    CommitWalk::new(self.snapshot, self.snapshot.shallow(), &one, &cx)?.next_commit()?,
                );
            }
            commits.sort_by_key(|commit| std::cmp::Reverse(commit.time));
            for commit in commits {
                if take(self, commit)?.is_break() {
                    break;
                }
            }
        } else {
            let mut walk = CommitWalk::new(self.snapshot, self.snapshot.shallow(), &query, &cx)
                .map_err(|error| bad_object(&error))?;
            // As with git, what is older hides what it reaches, however young that may be.
            let (mut hidden, mut old) = (HashSet::new(), 0);
            while let Some(commit) = walk.next_commit().map_err(|error| bad_object(&error))? {
                if let Some(since) = request.since
                    && (hidden.remove(&commit.id) || commit.time < since)
                {
                    hidden.extend(commit.parents);
                    old += 1;
                    // Younger ones may follow where clocks were wrong, but not for ever.
                    if old > 64 {
                        break;
                    }
                    continue;
                }
                if take(self, commit)?.is_break() {
                    break;
                }
            }
            edges = walk.edges();
        }
        if request.reverse {
            for commit in chosen.iter().rev() {
                self.commit(commit)?;
            }
            roots.reverse();
        }
        Ok((roots, edges))
    }

    /// Lists tags, trees and blobs: those that were named, then those of the commits.
    fn objects(
        &mut self,
        revisions: &Revisions,
        roots: Vec<ObjectId>,
        edges: Vec<ObjectId>,
    ) -> Result<(), Failure> {
        let (mut buf, mut tags, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        let mut hidden = Vec::new();
        for edge in edges {
            // A tree is hidden, not the history of the commit.
            self.snapshot.require(&edge, &mut buf)?;
            let links = git_core::object::commit::links(edge.format(), &buf)
                .map_err(|error| ReadError::corrupt(format_args!("commit {edge}"), error))?;
            hidden.push(links.tree);
        }
        for tip in revisions.tips.iter().filter(|tip| tip.hidden) {
            tags.clear();
            let (id, kind) = peel(self.snapshot, tip.id, &mut buf, &mut tags)?;
            seen.extend(tags.iter().copied());
            if kind != Kind::Commit {
                hidden.push(id);
            }
        }
        for tip in revisions.tips.iter().filter(|tip| !tip.hidden) {
            tags.clear();
            let (id, kind) = peel(self.snapshot, tip.id, &mut buf, &mut tags)?;
            for tag in &tags {
                if seen.insert(*tag) {
                    self.snapshot.require(tag, &mut buf)?;
                    let parsed = TagRef::parse(tag.format(), &buf)
                        .map_err(|error| ReadError::corrupt(format_args!("tag {tag}"), error))?;
                    let name = parsed.name().to_vec();
                    self.object(tag, &name)?;
                }
            }
            if kind != Kind::Commit {
                let path = tip.name.find_byte(b':').map_or(&b""[..], |at| &tip.name[at + 1..]);
                let path = path.trim_end_with(|c| c == '/');
                self.below(vec![id], path, &hidden)?;
                // What is below it is not listed again.
                hidden.push(id);
            }
        }
        self.below(roots, b"", &hidden)
    }

    /// Lists what these trees hold, themselves included, with `prefix` before the paths.
    fn below(&mut self, include: Vec<ObjectId>, prefix: &[u8], hidden: &[ObjectId]) -> Result<(), Failure> {
        let query = Query { include, exclude: hidden.to_vec(), ignore_missing: MissingExcludes::Ignore };
        let (snapshot, mut path_buf) = (self.snapshot, Vec::new());
        list_objects(snapshot, &query, &Context::new(), &mut |listed| {
            let Listed::Object { id, path, .. } = listed else { return ControlFlow::Continue(()) };
            let path = if prefix.is_empty() {
                path
            } else {
                path_buf.clear();
                path_buf.extend_from_slice(prefix);
                if !path.is_empty() {
                    path_buf.push(b'/');
                    path_buf.extend_from_slice(path);
                }
                &path_buf
            };
            match self.object(&id, path) {
                Ok(()) => ControlFlow::Continue(()),
                Err(failure) => {
                    self.failed = Some(failure);
                    ControlFlow::Break(())
                }
            }
        })
        .map_err(|error| bad_object(&error))?;
        self.failed.take().map_or(Ok(()), Err)
    }

    fn counted(&mut self, id: &ObjectId) -> Result<bool, Failure> {
        self.count += 1;
        if self.request.disk_usage {
            self.bytes += ondisk::stored(self.repository, self.snapshot, id)?.size;
        }
        Ok(self.request.count || self.request.disk_usage || self.request.quiet)
    }

    fn object(&mut self, id: &ObjectId, path: &[u8]) -> Result<(), Failure> {
        if self.counted(id)? {
            return Ok(());
        }
        self.line.clear();
        id.write_hex(&mut self.line);
        self.line.push(b' ');
        // A path that has a line break in it ends there, as in git.
        let end = path.find_byte(b'\n').unwrap_or(path.len());
        self.line.extend_from_slice(&path[..end]);
        self.line.push(b'\n');
        written(self.out.write_all(&self.line))
    }

    fn commit(&mut self, commit: &WalkedCommit) -> Result<(), Failure> {
        if self.counted(&commit.id)? {
            return Ok(());
        }
        self.line.clear();
        if self.request.timestamp {
            self.line.extend_from_slice(format!("{} ", commit.time).as_bytes());
        }
        self.id(&commit.id)?;
        if self.request.parents {
            for parent in &commit.parents {
                self.line.push(b' ');
                parent.write_hex(&mut self.line);
            }
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
