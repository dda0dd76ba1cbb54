//! `for-each-ref`: refs, chosen, sorted and printed in a format.

use super::Command;
use crate::args::{Arg, Args};
use crate::fail::Failure;
use crate::globals::Globals;
use crate::input::{lines, stdin};
use crate::output::{finish, stdout, written};
use crate::ref_fields::{Fields, Shown, as_sort_key};
use crate::ref_format::{Atom, Field, NameForm, Piece, parse, parse_atom};
use crate::repo;
use bstr::ByteSlice as _;
use git_core::config::WildOptions;
use git_core::config::wildmatch::Pattern;
use git_core::object::{Context, Kind, ObjectId};
use git_core::refs::{RefName, Target};
use git_core::repository::Seen;
use git_core::store::walk::{is_ancestor, peel};
use git_core::store::{Snapshot, revision};
use std::cmp::Ordering;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "for-each-ref",
    summary: "Output information on each ref",
    usage: "git-core for-each-ref [--count=<count>] [(--sort=<key>)...] [--format=<format>]
                [--include-root-refs] [--ignore-case] [--omit-empty]
                [--points-at=<object>] [--merged[=<object>]] [--no-merged[=<object>]]
                [--contains[=<object>]] [--no-contains[=<object>]]
                [--exclude=<pattern>...] [--stdin | <pattern>...]",
    run,
};

/// The refs outside of `refs/`, by name (`gitglossary(7)`, "pseudoref").
const ROOT_REFS: [&str; 11] = [
    "AUTO_MERGE",
    "BISECT_EXPECTED_REV",
    "BISECT_HEAD",
    "CHERRY_PICK_HEAD",
    "HEAD",
    "MERGE_AUTOSTASH",
    "NOTES_MERGE_PARTIAL",
    "NOTES_MERGE_REF",
    "ORIG_HEAD",
    "REBASE_HEAD",
    "REVERT_HEAD",
];

/// What a commit that was named has to do with a ref for it to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Merged,
    NotMerged,
    Contains,
    NotContains,
}

#[derive(Default)]
struct Request {
    count: usize,
    omit_empty: bool,
    ignore_case: bool,
    root_refs: bool,
    points_at: Vec<ObjectId>,
    relations: Vec<(Relation, ObjectId)>,
    patterns: Vec<Vec<u8>>,
    excluded: Vec<Vec<u8>>,
}

/// A key that refs are sorted by.
struct SortKey {
    atom: Atom,
    descending: bool,
}

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let repository = repo::open(globals)?;
    let snapshot = repository.seen(Seen::History)?;
    let hex_len = repository.format().hex_len();
    let mut request = Request { count: usize::MAX, ..Request::default() };
    let mut format = b"%(objectname) %(objecttype)\t%(refname)".to_vec();
    let (mut keys, mut from_stdin) = (Vec::new(), false);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("count") => {
                let text = args.text()?;
                request.count = match text.parse() {
                    Ok(0) => usize::MAX,
                    Ok(count) => count,
                    Err(_) => return Err(args.bad(format_args!("invalid --count argument: `{text}'"))),
                };
            }
            Arg::Long("format") => format = repo::operand(args.value()?),
            Arg::Long("sort") => {
                let text = repo::operand(args.value()?);
                let (descending, name) = match text.strip_prefix(b"-") {
                    Some(name) => (true, name),
                    None => (false, &text[..]),
                };
                keys.push(SortKey { atom: as_sort_key(&parse_atom(name, hex_len)?), descending });
            }
            Arg::Long("omit-empty") => request.omit_empty = true,
            Arg::Long("ignore-case") => request.ignore_case = true,
            Arg::Long("include-root-refs") => request.root_refs = true,
            Arg::Long("color") => drop(args.optional_value()),
            Arg::Long("no-color") => {}
            Arg::Long("stdin") => from_stdin = true,
            Arg::Long("exclude") => request.excluded.push(repo::operand(args.value()?)),
            Arg::Long("points-at") => {
                let text = repo::operand(args.value()?);
                request.points_at.push(named(&*snapshot, &text)?);
            }
            Arg::Long(name @ ("merged" | "no-merged" | "contains" | "no-contains")) => {
                let relation = match name {
                    "merged" => Relation::Merged,
                    "no-merged" => Relation::NotMerged,
                    "contains" => Relation::Contains,
                    _ => Relation::NotContains,
                };
                let text = args.detached_value().map_or_else(|| b"HEAD".to_vec(), repo::operand);
                let commit = peel(&*snapshot, named(&*snapshot, &text)?, &mut Vec::new(), &mut Vec::new())?;
                if commit.1 != Kind::Commit {
                    return Err(Failure::fatal(format_args!("no such commit {}", text.as_bstr())));
                }
                request.relations.push((relation, commit.0));
            }
            Arg::Value(pattern) => request.patterns.push(repo::operand(pattern)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    if from_stdin {
        if !request.patterns.is_empty() {
            return Err(Failure::fatal("unknown arguments supplied with --stdin"));
        }
        for line in lines(stdin()) {
            request.patterns.push(line?);
        }
    }
    let pieces = parse(&format, hex_len)?;
    let mut shown = select(&*snapshot, &request)?;
    let head = snapshot.find_ref(&RefName::head())?.and_then(|head| head.target.symbolic().cloned());
    let mut fields = Fields::new(&repository, &*snapshot, head)?;
    sort(&mut shown, &keys, request.ignore_case, &mut fields)?;
    let (mut out, mut line) = (stdout(), Vec::new());
    for reference in shown.iter().take(request.count) {
        line.clear();
        for piece in &pieces {
            match piece {
                Piece::Text(text) => line.extend_from_slice(text),
                Piece::Atom(atom) => fields.write(atom, reference, &mut line)?,
            }
        }
        if !(line.is_empty() && request.omit_empty) {
            line.push(b'\n');
            written(out.write_all(&line))?;
        }
    }
    finish(out)?;
    Ok(ExitCode::SUCCESS)
}

fn named(snapshot: &dyn Snapshot, text: &[u8]) -> Result<ObjectId, Failure> {
    revision::resolve(snapshot, text)
        .map_err(|_| Failure::fatal(format_args!("malformed object name {}", text.as_bstr())))
}

/// A pattern: a glob, or the beginning of a name up to a slash. Only globs may ignore case.
struct Wanted {
    literal: Vec<u8>,
    glob: Pattern,
}

impl Wanted {
    fn new(text: &[u8], ignore_case: bool) -> Self {
        let options = WildOptions { pathname: true, ignore_case };
        Wanted { literal: text.to_vec(), glob: Pattern::new(text, options) }
    }

    fn matches(&self, name: &[u8]) -> bool {
        let below = |rest: &[u8]| rest.is_empty() || rest.starts_with(b"/") || self.literal.ends_with(b"/");
        name.strip_prefix(&self.literal[..]).is_some_and(below) || self.glob.matches(name)
    }
}

/// The refs that are asked for, by name.
fn select(snapshot: &dyn Snapshot, request: &Request) -> Result<Vec<Shown>, Failure> {
    let compile = |texts: &[Vec<u8>]| -> Vec<Wanted> {
        texts.iter().map(|text| Wanted::new(text, request.ignore_case)).collect()
    };
    let (wanted, excluded) = (compile(&request.patterns), compile(&request.excluded));
    let prefix = common_prefix(request);
    let mut found = Vec::new();
    if request.root_refs {
        for name in ROOT_REFS {
            found.extend(snapshot.find_ref(&RefName::new(name)?)?);
        }
    }
    snapshot.for_each_ref(&prefix, &mut |reference| {
        let name = reference.name.as_bytes();
        if (wanted.is_empty() || wanted.iter().any(|pattern| pattern.matches(name)))
            && !excluded.iter().any(|pattern| pattern.matches(name))
        {
            found.push(reference);
        }
        ControlFlow::Continue(())
    })?;
    let mut shown = Vec::with_capacity(found.len());
    for reference in found {
        let (id, symref) = match reference.target {
            Target::Id(id) => (id, None),
            Target::Symbolic(target) => match revision::follow(snapshot, &reference.name)? {
                (_, Some(id)) => (id, Some(target)),
                (_, None) => {
                    eprintln!("warning: ignoring dangling symref {}", reference.name);
                    continue;
                }
            },
        };
        if passes(snapshot, request, id)? {
            shown.push(Shown { name: reference.name, id, symref });
        }
    }
    Ok(shown)
}

/// What every name that matches begins with.
fn common_prefix(request: &Request) -> Vec<u8> {
    match &request.patterns[..] {
        [pattern] if !request.ignore_case => {
            let fixed = pattern.find_byteset(b"*?[\\").unwrap_or(pattern.len());
            pattern[..fixed].to_vec()
        }
        _ => Vec::new(),
    }
}

fn passes(snapshot: &dyn Snapshot, request: &Request, id: ObjectId) -> Result<bool, Failure> {
    if !request.points_at.is_empty() && !request.points_at.contains(&id) {
        let mut tags = Vec::new();
        let (target, _) = peel(snapshot, id, &mut Vec::new(), &mut tags)?;
        if !request.points_at.iter().any(|wanted| *wanted == target || tags.contains(wanted)) {
            return Ok(false);
        }
    }
    if request.relations.is_empty() {
        return Ok(true);
    }
    let (commit, kind) = peel(snapshot, id, &mut Vec::new(), &mut Vec::new())?;
    if kind != Kind::Commit {
        return Ok(false);
    }
    let cx = Context::new();
    let reaches = |from: &ObjectId, to: &ObjectId| is_ancestor(snapshot, snapshot.shallow(), to, from, &cx);
    // Of several commits for one relation, one is enough; for its opposite, none may be.
    let any = |relation: Relation| request.relations.iter().filter(move |(found, _)| *found == relation);
    let mut holds = [true; 2];
    for (at, (relation, forward)) in
        [(Relation::Merged, false), (Relation::Contains, true)].iter().enumerate()
    {
        let mut commits = any(*relation).peekable();
        if commits.peek().is_some() {
            holds[at] = false;
            for (_, other) in commits {
                holds[at] |= if *forward { reaches(&commit, other)? } else { reaches(other, &commit)? };
            }
        }
    }
    if holds != [true, true] {
        return Ok(false);
    }
    for (_, other) in any(Relation::NotMerged) {
        if reaches(other, &commit)? {
            return Ok(false);
        }
    }
    for (_, other) in any(Relation::NotContains) {
        if reaches(&commit, other)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Sorts by the last key first; names decide where all keys are equal.
fn sort(
    shown: &mut [Shown],
    keys: &[SortKey],
    ignore_case: bool,
    fields: &mut Fields<'_>,
) -> Result<(), Failure> {
    let by_name = |key: &SortKey| key.atom.field == Field::RefName(NameForm::Full) && !key.descending;
    if keys.iter().all(by_name) && !ignore_case {
        // As the storage gives them.
        return Ok(());
    }
    let mut keyed = Vec::with_capacity(shown.len());
    for reference in shown.iter() {
        let mut values = Vec::with_capacity(keys.len());
        for key in keys.iter().rev() {
            let mut value = Vec::new();
            fields.write(&key.atom, reference, &mut value)?;
            if ignore_case {
                value.make_ascii_lowercase();
            }
            values.push(value);
        }
        keyed.push((values, reference.clone()));
    }
    keyed.sort_by(|(left, left_ref), (right, right_ref)| {
        for ((left, right), key) in left.iter().zip(right).zip(keys.iter().rev()) {
            let order =
                if key.atom.field.is_number() { number(left).cmp(&number(right)) } else { left.cmp(right) };
            let order = if key.descending { order.reverse() } else { order };
            if order != Ordering::Equal {
                return order;
            }
        }
        left_ref.name.as_bytes().cmp(right_ref.name.as_bytes())
    });
    for (place, (_, reference)) in shown.iter_mut().zip(keyed) {
        *place = reference;
    }
    Ok(())
}

fn number(text: &[u8]) -> i64 {
    text.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}
