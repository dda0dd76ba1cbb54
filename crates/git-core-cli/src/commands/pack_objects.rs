//! `pack-objects`: makes a pack of what standard input names or reaches.
//!
//! Entries are copied from the packs they lie in; what is loose is compressed whole.

use super::Command;
use super::pack_objects_write as write;
use crate::args::{Arg, Args};
use crate::fail::{Failure, chain};
use crate::globals::Globals;
use crate::input::{lines, stdin};
use crate::progress;
use crate::repo;
use crate::revisions::{RefSelection, Revisions, bad_object};
use crate::shallowed::Shallowed;
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::object::{ObjectId, ReadError};
use git_core::pack::{Reuse, SearchOptions};
use git_core::send::add_tags;
use git_core::store::Snapshot;
use git_core::store::walk::{self, MissingExcludes, ObjectSet, Query};
use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) const COMMAND: Command = Command {
    name: "pack-objects",
    summary: "Create a packed archive of objects",
    usage: "git-core pack-objects [-q | --progress | --all-progress] [--all-progress-implied]
                   [--no-reuse-delta] [--delta-base-offset] [--non-empty] [--local] [--incremental]
                   [--window=<n>] [--depth=<n>] [--revs [--unpacked | --all]] [--stdin-packs]
                   [--honor-pack-keep] [--include-tag] [--shallow] [--thin] [--threads=<n>]
                   [--compression=<n>] (--stdout | <base-name>) < <object-list>",
    run,
};

/// Where the objects come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Source {
    /// Each line names one.
    #[default]
    List,
    /// Lines are revisions; what they reach.
    Revisions,
    /// Lines are packs; what is in them.
    Packs,
}

/// What the arguments ask for.
#[derive(Default)]
pub(super) struct Request {
    source: Source,
    all_refs: bool,
    include_tag: bool,
    unpacked_only: bool,
    honor_keep: bool,
    local: bool,
    pub(super) non_empty: bool,
    pub(super) thin: bool,
    pub(super) ofs_delta: bool,
    pub(super) reuse: Reuse,
    pub(super) search: SearchOptions,
    pub(super) compression: Option<u8>,
    pub(super) stdout: bool,
    pub(super) base: Option<PathBuf>,
    pub(super) report: bool,
}

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let mut request = Request::default();
    let (mut quiet, mut asked, mut limits) = (false, None, git_core::object::Limits::default());
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('q') | Arg::Long("quiet") => (quiet, asked) = (true, None),
            Arg::Long("progress" | "all-progress") => asked = Some(true),
            Arg::Long("no-progress") => asked = Some(false),
            Arg::Long("all-progress-implied") => {}
            Arg::Long("stdout") => request.stdout = true,
            Arg::Long("revs") => request.source = Source::Revisions,
            Arg::Long("all") => (request.source, request.all_refs) = (Source::Revisions, true),
            Arg::Long("unpacked") => {
                (request.source, request.unpacked_only) = (Source::Revisions, true);
            }
            Arg::Long("stdin-packs") => request.source = Source::Packs,
            Arg::Long("thin") => (request.source, request.thin) = (Source::Revisions, true),
            Arg::Long("no-thin") => request.thin = false,
            Arg::Long("include-tag") => request.include_tag = true,
            Arg::Long("honor-pack-keep") => request.honor_keep = true,
            Arg::Long("incremental") => request.unpacked_only = true,
            Arg::Long("local") => request.local = true,
            Arg::Long("non-empty") => request.non_empty = true,
            Arg::Long("delta-base-offset") => request.ofs_delta = true,
            Arg::Long("no-reuse-delta") => request.reuse = request.reuse.max(Reuse::Whole),
            Arg::Long("no-reuse-object") => request.reuse = Reuse::Nothing,
            Arg::Long("compression") => {
                let level = args.number()?;
                if level > 9 {
                    return Err(Failure::fatal(format_args!("bad pack compression level {level}")));
                }
                request.compression = Some(level as u8);
            }
            Arg::Long("threads") => limits.threads = usize::try_from(args.number()?).unwrap_or(0),
            Arg::Long("window") => request.search.window = args.number()? as usize,
            Arg::Long("depth") => request.search.depth = args.number()? as u32,
            Arg::Long("window-memory") => request.search.window_bytes = args.number()?,
            Arg::Long("index-version") => {
                let text = args.text()?;
                if !text.starts_with('2') {
                    return Err(Failure::fatal(format_args!("unsupported index version {text}")));
                }
            }
            Arg::Long(
                "shallow"
                | "keep-true-parents"
                | "sparse"
                | "no-sparse"
                | "use-bitmap-index"
                | "no-use-bitmap-index"
                | "no-write-bitmap-index"
                | "no-include-tag",
            ) => {}
            Arg::Value(base) if request.base.is_none() => request.base = Some(base.into()),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    if request.stdout == request.base.is_some() {
        return Err(Failure::usage("", usage));
    }
    if request.thin && !request.stdout {
        return Err(Failure::fatal("--thin cannot be used to build an indexable pack"));
    }
    let repository = repo::open(globals)?;
    request.report = progress::wanted(asked, quiet);
    let cx = crate::reach::context(request.report).with_limits(limits);
    let mut snapshot = repository.snapshot()?;
    let mut shallow = Vec::new();
    let query = match request.source {
        Source::Revisions => revisions(&*snapshot, request.all_refs, &mut shallow)?,
        Source::List | Source::Packs => Query::default(),
    };
    if !shallow.is_empty() {
        snapshot = Arc::new(Shallowed::new(snapshot, shallow));
    }
    let mut set = walk::reachable_named(&*snapshot, &query, &cx).map_err(|error| bad_object(&error))?;
    match request.source {
        Source::Revisions => {}
        Source::List => add_listed(&*snapshot, &mut set)?,
        Source::Packs => add_packs(&*snapshot, &mut set)?,
    }
    if request.include_tag {
        add_tags(&*snapshot, &mut set)?;
    }
    drop_unwanted(&repository, &*snapshot, &request, &mut set);
    write::write(snapshot, set, &query, &request, &cx)
}

/// Reads revisions as `--revs` takes them, with `--not` and `--shallow <id>` lines.
fn revisions(snapshot: &dyn Snapshot, all_refs: bool, shallow: &mut Vec<ObjectId>) -> Result<Query, Failure> {
    let (mut revisions, mut not) = (Revisions::default(), false);
    if all_refs {
        revisions.add_refs(snapshot, &RefSelection::below(b""), false)?;
    }
    for line in lines(stdin()) {
        let line = line?;
        match line.as_slice() {
            b"" => break,
            b"--not" => not = !not,
            line if line.starts_with(b"--shallow ") => {
                let hex = &line[b"--shallow ".len()..];
                let id = ObjectId::from_hex_of(snapshot.format(), hex)
                    .map_err(|_| Failure::fatal(format_args!("not an object name '{}'", hex.as_bstr())))?;
                shallow.push(id);
            }
            line if line.starts_with(b"-") => {
                return Err(Failure::fatal(format_args!("not a rev '{}'", line.as_bstr())));
            }
            line => revisions.add(snapshot, line, not)?,
        }
    }
    Ok(Query { ignore_missing: MissingExcludes::Ignore, ..revisions.query() })
}

/// Reads ids, each with a name behind it that would help a delta search. Those after a `-` are only bases.
fn add_listed(snapshot: &dyn Snapshot, set: &mut ObjectSet) -> Result<(), Failure> {
    let hex_len = snapshot.format().hex_len();
    for line in lines(stdin()) {
        let line = line?;
        if line.starts_with(b"-") {
            continue;
        }
        let hex = line.get(..hex_len).filter(|_| line.get(hex_len).is_none_or(|byte| *byte == b' '));
        let id = hex.and_then(|hex| ObjectId::from_hex(hex).ok()).ok_or_else(|| {
            Failure::fatal(format_args!("expected object ID, got garbage:\n {}", line.as_bstr()))
        })?;
        if !snapshot.contains(&id)? {
            return Err(Failure::fatal(format_args!("unable to get type of object {id}")));
        }
        set.insert(&id);
    }
    Ok(())
}

/// Reads names of packs; `^` before one leaves out what is in it.
fn add_packs(snapshot: &dyn Snapshot, set: &mut ObjectSet) -> Result<(), Failure> {
    let (mut wanted, mut left_out) = (HashSet::new(), HashSet::new());
    for line in lines(stdin()) {
        let line = line?;
        let (names, name) = match line.strip_prefix(b"^") {
            Some(name) => (&mut left_out, name),
            None => (&mut wanted, line.as_slice()),
        };
        let number = snapshot.packs().iter().position(|stored| {
            let file = stored.name.rsplit(['/', '\\']).next().unwrap_or(&stored.name);
            file.as_bytes() == name
        });
        let number =
            number.ok_or_else(|| Failure::fatal(format_args!("could not find pack '{}'", name.as_bstr())))?;
        names.insert(number);
    }
    let packs = snapshot.packs();
    for number in &wanted {
        for id in packs[*number].pack.idx().ids() {
            if !left_out.iter().any(|other| packs[*other].pack.idx().lookup(&id).is_some()) {
                set.insert(&id);
            }
        }
    }
    Ok(())
}

/// Takes out what the arguments say is stored well enough where it is.
fn drop_unwanted(repository: &Repository, snapshot: &dyn Snapshot, request: &Request, set: &mut ObjectSet) {
    if !(request.unpacked_only || request.honor_keep || request.local) {
        return;
    }
    let packs = snapshot.packs();
    let own = repository.layout().map(|layout| layout.objects_dir.clone());
    set.retain(|numbers, number| {
        let id = numbers.id(number);
        let packed = numbers.position(number).is_some();
        if request.unpacked_only && packed {
            return false;
        }
        let within = |wanted: &dyn Fn(&git_core::store::StoredPack) -> bool| {
            packed && packs.iter().any(|stored| wanted(stored) && stored.pack.idx().lookup(&id).is_some())
        };
        if request.honor_keep && within(&|stored| stored.kept && stored.local) {
            return false;
        }
        if request.local {
            let loose_elsewhere = || {
                let hex = id.to_hex();
                own.as_ref().is_some_and(|own| !own.join(&hex[..2]).join(&hex[2..]).exists())
            };
            return if packed { !within(&|stored| !stored.local) } else { !loose_elsewhere() };
        }
        true
    });
}

/// A damaged or missing object met while a pack is written.
pub(super) fn cannot_write(error: &git_core::pack::WriteError) -> Failure {
    match error {
        git_core::pack::WriteError::Read(ReadError::Missing { id }) => {
            Failure::fatal(format_args!("unable to read {id}"))
        }
        error => Failure::fatal(chain(error)),
    }
}
