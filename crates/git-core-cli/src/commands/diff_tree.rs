//! `diff-tree`: what differs between two trees, or between commits and their parents.

use super::Command;
use crate::abbrev;
use crate::args::{Arg, Args, parse_number};
use crate::fail::{Failure, chain};
use crate::globals::Globals;
use crate::input::{lines, stdin};
use crate::output::{finish, stdout, written};
use crate::repo;
use crate::revisions::{bad_object, bad_revision, expand, parents};
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::diff::{
    Abbreviation, Change, DiffError, Entry, PatchOptions, PatchWriter, PathStyle, Recursion, TreeOptions,
    diff_trees, write_name, write_name_status, write_raw,
};
use git_core::object::{Context, EntryMode, Kind, ObjectId, ReadError};
use git_core::repository::Seen;
use git_core::store::walk::peel;
use git_core::store::{Snapshot, revision};
use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "diff-tree",
    summary: "Compares the content and mode of blobs found via two tree objects",
    usage: "git-core diff-tree [--stdin] [-m] [-s] [--no-commit-id] [-t] [-r] [--root] [-R] [-z]
                [-p | -u | --patch] [--raw] [--name-only] [--name-status] [-U<n>]
                [--abbrev[=<n>]] [--full-index] [--exit-code] [--quiet]
                <tree-ish> [<tree-ish>] [[--] <path>...]",
    run,
};

/// What is printed of each change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// The raw line.
    Raw,
    Only,
    Status,
}

struct Request {
    tree: TreeOptions,
    names: Option<Names>,
    patch: bool,
    silent: bool,
    root: bool,
    merges: bool,
    commit_id: bool,
    swap: bool,
    style: PathStyle,
    abbreviate: Option<usize>,
    patch_options: PatchOptions,
    patch_digits: Option<usize>,
    paths: Vec<Vec<u8>>,
}

impl Request {
    /// Enters directories, and shows them still if that was asked for.
    fn recurse(&mut self) {
        if self.tree.recursion == Recursion::TopLevel {
            self.tree.recursion = Recursion::Files;
        }
    }
}

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let mut paths = args.split_paths()?.into_iter().map(repo::operand).collect::<Vec<_>>();
    let repository = repo::open(globals)?;
    let snapshot = repository.seen(Seen::History)?;
    let mut request = Request {
        tree: TreeOptions::default(),
        names: None,
        patch: false,
        silent: false,
        root: false,
        merges: false,
        commit_id: true,
        swap: false,
        style: PathStyle::default(),
        abbreviate: None,
        patch_options: PatchOptions::default(),
        patch_digits: None,
        paths: Vec::new(),
    };
    let (mut from_stdin, mut exit_code, mut nul, mut full_index) = (false, false, false, false);
    let (mut raw, mut operands, mut abbreviated, mut digits) = (false, Vec::new(), false, None);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('r') => request.recurse(),
            Arg::Short('t') => request.tree.recursion = Recursion::FilesAndDirectories,
            Arg::Short('p' | 'u') | Arg::Long("patch") => request.patch = true,
            Arg::Long("patch-with-raw") => (request.patch, raw) = (true, true),
            Arg::Short('s') | Arg::Long("no-patch") => request.silent = true,
            Arg::Short('U') | Arg::Long("unified") => {
                let text = args.text()?;
                let count = parse_number(&text).and_then(|count| u32::try_from(count).ok());
                request.patch_options.hunks.context_lines = count
                    .ok_or_else(|| args.bad(format_args!("option `unified' expects a number, not {text}")))?;
                request.patch = true;
            }
            Arg::Long("raw") => raw = true,
            Arg::Long("name-only") => request.names = Some(Names::Only),
            Arg::Long("name-status") => request.names = Some(Names::Status),
            Arg::Long("root") => request.root = true,
            Arg::Short('m') => request.merges = true,
            Arg::Long("no-commit-id") => request.commit_id = false,
            Arg::Short('R') => request.swap = true,
            Arg::Short('z') => nul = true,
            Arg::Long("stdin") => from_stdin = true,
            Arg::Long("full-index") => full_index = true,
            Arg::Long("abbrev") => (abbreviated, digits) = (true, args.optional_value()),
            Arg::Long("no-abbrev") => abbreviated = false,
            Arg::Long("exit-code") => exit_code = true,
            Arg::Long("quiet") => (exit_code, request.silent) = (true, true),
            Arg::Long("no-prefix") => {
                request.patch_options.old_prefix.clear();
                request.patch_options.new_prefix.clear();
            }
            Arg::Long("src-prefix") => request.patch_options.old_prefix = repo::operand(args.value()?),
            Arg::Long("dst-prefix") => request.patch_options.new_prefix = repo::operand(args.value()?),
            Arg::Long("default-prefix") => {
                request.patch_options.old_prefix = b"a/".to_vec();
                request.patch_options.new_prefix = b"b/".to_vec();
            }
            Arg::Long("no-renames" | "no-ext-diff" | "no-textconv" | "no-color" | "no-indent-heuristic") => {}
            Arg::Value(value) => operands.push(repo::operand(value)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    if repository.config().bool("core.quotePath")? == Some(false) {
        request.style = PathStyle::QuotedKeepingHighBytes;
    }
    // In a patch, names are quoted whatever ends the other lines.
    request.patch_options.paths = request.style;
    if nul {
        request.style = PathStyle::NulTerminated;
    }
    if request.swap {
        let options = &mut request.patch_options;
        std::mem::swap(&mut options.old_prefix, &mut options.new_prefix);
    }
    // Names alone take the place of all else.
    if request.names.is_some() {
        request.patch = false;
    } else if raw || !request.patch {
        request.names = Some(Names::Raw);
    }
    if request.patch {
        request.recurse();
    }
    let usual = abbrev::default_digits(&repository, &*snapshot)?;
    let asked = digits.and_then(|text| abbrev::asked_digits(text.to_str()?, repository.format()));
    if abbreviated {
        request.abbreviate = Some(asked.filter(|digits| *digits > 0).unwrap_or(usual));
    }
    match full_index {
        true => request.patch_options.abbreviation = Abbreviation::Full,
        false => request.patch_digits = Some(request.abbreviate.unwrap_or(usual)),
    }
    let mut trees = Vec::new();
    for (at, text) in operands.iter().enumerate() {
        if trees.len() >= 2 {
            paths.extend_from_slice(&operands[at..]);
            break;
        }
        match expand(&*snapshot, text) {
            Ok(tips) => trees.extend(tips),
            Err(_) if at > 0 && std::path::Path::new(&crate::globals::os_string(text.clone())).exists() => {
                paths.extend_from_slice(&operands[at..]);
                break;
            }
            Err(error) => return Err(bad_revision(text, &error)),
        }
    }
    request.paths = places(&repository, paths)?;
    if trees.is_empty() && !from_stdin {
        return Err(Failure::usage("", usage));
    }
    let mut differ = Differ {
        snapshot: &*snapshot,
        request: &request,
        cx: Context::new(),
        out: stdout(),
        found: false,
        heading: Vec::new(),
    };
    match &trees[..] {
        [] => {}
        [one] => differ.commit(one.id, None)?,
        [first, second, ..] => {
            // `a..b` names the later one first.
            let (old, new) =
                if !second.hidden || first.hidden { (first.id, second.id) } else { (second.id, first.id) };
            let (old, new) = (differ.tree(old)?, differ.tree(new)?);
            differ.diff(Some(old), Some(new))?;
        }
    }
    if from_stdin {
        for line in lines(stdin()) {
            differ.line(&line?)?;
        }
    }
    let found = differ.found;
    finish(differ.out)?;
    Ok(ExitCode::from(u8::from(found && exit_code)))
}

/// Paths as they stand in trees: from the top of the working tree, without dots and slashes at the end.
fn places(repository: &Repository, paths: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Failure> {
    let here = repo::current_dir()?;
    let here = here.canonicalize().unwrap_or(here);
    let top = repository.work_tree().map(|top| top.canonicalize().unwrap_or_else(|_| top.to_owned()));
    let prefix =
        top.and_then(|top| Some(here.strip_prefix(top).ok()?.as_os_str().as_encoded_bytes().to_vec()));
    let prefix = prefix.unwrap_or_default();
    let mut out = Vec::new();
    for path in paths {
        let mut parts: Vec<&[u8]> = prefix.split_str("/").filter(|part| !part.is_empty()).collect();
        for part in path.split_str("/") {
            match part {
                b"" | b"." => {}
                b".." => {
                    if parts.pop().is_none() {
                        return Err(Failure::fatal(format_args!(
                            "{0}: '{0}' is outside repository",
                            path.as_bstr()
                        )));
                    }
                }
                part => parts.push(part),
            }
        }
        out.push(parts.join(&b'/'));
    }
    Ok(out)
}

/// Appends what is to be printed of a change.
type Print<'p> = &'p mut dyn FnMut(&Change<'_>, &mut Vec<u8>) -> Result<(), DiffError>;

struct Differ<'a, W> {
    snapshot: &'a dyn Snapshot,
    request: &'a Request,
    cx: Context,
    out: W,
    found: bool,
    /// What is printed before the first change.
    heading: Vec<u8>,
}

impl<W: Write> Differ<'_, W> {
    /// The tree that an object leads to.
    fn tree(&self, id: ObjectId) -> Result<ObjectId, Failure> {
        revision::resolve(self.snapshot, format!("{id}^{{tree}}").as_bytes())
            .map_err(|error| Failure::fatal(chain(&error)))
    }

    /// A commit against its parents, or those given.
    fn commit(&mut self, id: ObjectId, others: Option<Vec<ObjectId>>) -> Result<(), Failure> {
        let (id, kind) =
            peel(self.snapshot, id, &mut Vec::new(), &mut Vec::new()).map_err(|error| bad_object(&error))?;
        if kind != Kind::Commit {
            return Err(Failure::error(128, format_args!("Object {id} is a {kind}, not a commit")));
        }
        let parents = match others {
            Some(parents) => parents,
            None => parents(self.snapshot, &id)?,
        };
        let tree = self.tree(id)?;
        match &parents[..] {
            [] if self.request.root => self.against(id, None, tree),
            [] => Ok(()),
            [parent] => self.against(id, Some(*parent), tree),
            parents if self.request.merges => {
                parents.iter().try_for_each(|parent| self.against(id, Some(*parent), tree))
            }
            _ => Ok(()),
        }
    }

    fn against(&mut self, id: ObjectId, parent: Option<ObjectId>, tree: ObjectId) -> Result<(), Failure> {
        if self.request.commit_id {
            self.heading.clear();
            id.write_hex(&mut self.heading);
            self.heading.push(if self.request.style == PathStyle::NulTerminated { 0 } else { b'\n' });
        }
        let old = parent.map(|parent| self.tree(parent)).transpose()?;
        self.diff(old, Some(tree))
    }

    /// One line of `--stdin`: a commit, with other parents if they follow, or two trees.
    fn line(&mut self, line: &[u8]) -> Result<(), Failure> {
        let ids = line.split_str(" ").map(|hex| ObjectId::from_hex_of(self.snapshot.format(), hex).ok());
        let Some(ids) = ids.collect::<Option<Vec<_>>>().filter(|ids| !ids.is_empty()) else {
            // What is not for us is passed on.
            return written(self.out.write_all(line).and_then(|()| self.out.write_all(b"\n")));
        };
        let header = self.snapshot.header(&ids[0])?;
        match (header.map(|header| header.kind), &ids[..]) {
            (Some(Kind::Tree), [old, new]) => {
                self.heading.clear();
                let (old, new) = (self.tree(*old)?, self.tree(*new)?);
                written(writeln!(self.out, "{old} {new}"))?;
                self.diff(Some(old), Some(new))?;
            }
            (Some(Kind::Tree), _) => {
                return Err(Failure::error(128, "Need exactly two trees, separated by a space"));
            }
            (Some(_), [commit]) => self.commit(*commit, None)?,
            (Some(_), [commit, parents @ ..]) => self.commit(*commit, Some(parents.to_vec()))?,
            (None, _) => return Err(Failure::fatal(format_args!("bad object {}", ids[0]))),
            (_, []) => {}
        }
        // Whoever feeds us may wait for the answer.
        written(self.out.flush())
    }

    fn diff(&mut self, old: Option<ObjectId>, new: Option<ObjectId>) -> Result<(), Failure> {
        let (old, new) = if self.request.swap { (new, old) } else { (old, new) };
        let request = self.request;
        let both = request.names.is_some() && request.patch;
        if !request.silent
            && let Some(names) = request.names
        {
            let snapshot = self.snapshot;
            self.each(old, new, &mut |change, out| {
                match names {
                    Names::Raw => match request.abbreviate {
                        None => write_raw(change, request.style, out),
                        Some(digits) => write_short_raw(snapshot, change, digits, request.style, out)?,
                    },
                    Names::Only => write_name(change, request.style, out),
                    Names::Status => write_name_status(change, request.style, out),
                }
                Ok(())
            })?;
        }
        if !request.silent && request.patch {
            let snapshot = self.snapshot;
            let mut writer = PatchWriter::new(snapshot, request.patch_options.clone());
            if let Some(digits) = request.patch_digits {
                writer = writer.abbreviate_with(move |id| abbrev::unique_digits(snapshot, id, digits));
            }
            let (cx, mut first) = (Context::new(), both);
            self.each(old, new, &mut |change, out| {
                if std::mem::take(&mut first) {
                    out.push(if request.style == PathStyle::NulTerminated { 0 } else { b'\n' });
                }
                writer.write(change, &cx, out)
            })?;
        }
        if request.silent {
            self.each(old, new, &mut |_, _| Ok(()))?;
        }
        Ok(())
    }

    /// Prints something of each change that is asked for, after the heading.
    fn each(
        &mut self,
        old: Option<ObjectId>,
        new: Option<ObjectId>,
        print: Print<'_>,
    ) -> Result<(), Failure> {
        let (mut piece, mut stopped) = (Vec::new(), Ok(()));
        let paths = &self.request.paths;
        let (heading, found, out) = (&mut self.heading, &mut self.found, &mut self.out);
        let result = diff_trees(
            self.snapshot,
            old.as_ref(),
            new.as_ref(),
            &self.request.tree,
            &self.cx,
            &mut |change| {
                if !is_wanted(paths, change.path) {
                    return Ok(ControlFlow::Continue(()));
                }
                *found = true;
                piece.clear();
                piece.append(heading);
                print(change, &mut piece)?;
                stopped = out.write_all(&piece);
                Ok(if stopped.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            },
        );
        written(stopped)?;
        self.heading.clear();
        result.map_err(|error| match error {
            DiffError::Read(error) => bad_object(&error),
            error => Failure::fatal(chain(&error)),
        })
    }
}

/// Whether a path is one of those asked for, below one of them, or a directory on the way to one.
fn is_wanted(paths: &[Vec<u8>], path: &[u8]) -> bool {
    let within = |inner: &[u8], outer: &[u8]| {
        outer.is_empty() || inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    };
    paths.is_empty() || paths.iter().any(|wanted| within(path, wanted) || within(wanted, path))
}

/// As [`write_raw`], with ids abbreviated.
fn write_short_raw(
    snapshot: &dyn Snapshot,
    change: &Change<'_>,
    digits: usize,
    style: PathStyle,
    out: &mut Vec<u8>,
) -> Result<(), ReadError> {
    let mode = |entry: &Option<Entry>| entry.map_or(EntryMode::from_raw(0), |entry| entry.kind.mode());
    out.extend_from_slice(
        format!(":{:06o} {:06o} ", mode(&change.old).raw(), mode(&change.new).raw()).as_bytes(),
    );
    for side in [&change.old, &change.new] {
        let id = side.map_or_else(|| ObjectId::null(snapshot.format()), |entry| entry.id);
        out.extend_from_slice(abbrev::abbreviate(snapshot, &id, digits)?.as_bytes());
        out.push(b' ');
    }
    write_name_status(change, style, out);
    Ok(())
}
