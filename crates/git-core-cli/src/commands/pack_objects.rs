//! `pack-objects`: makes a pack of what standard input names or reaches.
//!
//! Entries are copied from the packs they lie in; for what is no delta yet a base is searched.

use super::Command;
use super::pack_objects_bitmap::Bitmap;
use super::pack_objects_cruft as cruft;
use super::pack_objects_islands as islands;
use super::pack_objects_missing::{self as missing, Missing};
use super::pack_objects_options::{self as options, Request, Source};
use super::pack_objects_write as write;
use super::repack::recent_objects;
use crate::args::Args;
use crate::fail::{Failure, chain};
use crate::globals::Globals;
use crate::input::{lines, stdin};
use crate::repo;
use crate::revisions::{RefSelection, Revisions, bad_object};
use crate::undeltified;
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::attributes::PathAttributes;
use git_core::object::{Context, ObjectId, ReadError};
use git_core::pack::{HasObject, Reuse};
use git_core::refs::RefName;
use git_core::send::add_tags;
use git_core::store::filter::ObjectFilter;
use git_core::store::maintenance::loosen_unreachable;
use git_core::store::walk::{self, MissingExcludes, ObjectSet, PackOrder, PromisedObjects, Query};
use git_core::store::{Altered, Snapshot, StoredPack, Trusting};
use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) const COMMAND: Command = Command {
    name: "pack-objects",
    summary: "Create a packed archive of objects",
    usage: "git-core pack-objects [-q | --progress | --all-progress] [--all-progress-implied]
                   [--no-reuse-delta] [--no-reuse-object] [--delta-base-offset] [--non-empty] [--local]
                   [--incremental] [--window=<n>] [--window-memory=<n>] [--depth=<n>] [--threads=<n>]
                   [--compression=<n>] [--index-version=<n>] [--max-pack-size=<n>] [--delta-islands]
                   [--revs [--unpacked | --all | --reflog]] [--keep-unreachable] [--pack-loose-unreachable]
                   [--stdin-packs] [--cruft] [--cruft-expiration=<time>] [--honor-pack-keep]
                   [--keep-pack=<pack-name>] [--include-tag] [--shallow] [--thin] [--filter=<filter-spec>]
                   [--write-bitmap-index] (--stdout | <base-name>) < <object-list>",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let repository = repo::open(globals)?;
    let mut request = options::parse(repository.config(), &mut args)?;
    let cx = crate::reach::context(request.report).with_limits(request.limits.clone());
    let mut snapshot = repository.snapshot()?;
    let mut bitmap = Bitmap::new(&repository, &snapshot, request.bitmap)?;
    let mut shallow = Vec::new();
    let mut query = match request.source {
        Source::Revisions => revisions(&*snapshot, &request, &mut shallow)?,
        Source::List | Source::Packs | Source::Cruft => Query::default(),
    };
    if !shallow.is_empty() {
        shallow.extend_from_slice(snapshot.shallow());
        snapshot = Altered::ending_at(snapshot, shallow);
    }
    if let Some(spec) = &request.filter {
        let filter = ObjectFilter::new(&*snapshot, spec).map_err(|error| Failure::fatal(chain(&error)))?;
        query.filter = Some(Arc::new(filter));
    }
    query.promised = request.promised;
    if request.indexed {
        query.include.extend(indexed(&repository, &*snapshot)?);
    }
    let mut listed = None;
    if request.source == Source::Revisions {
        request.search.whole = undeltified::find(globals, &repository, &*snapshot, &query, &cx)?;
    } else if request.source == Source::List {
        listed = undeltified::asker(globals, &repository)?;
    } else {
        request.search.whole = undeltified::find_in_all(globals, &repository, &cx)?;
    }
    let mut set = match request.missing {
        Missing::Refuse => count(&*snapshot, &query, &request, &cx)?,
        _ => count(&Trusting::new(snapshot.clone()), &query, &request, &cx)?,
    };
    missing::leave_out(&*snapshot, request.missing, &mut set, &cx)?;
    let mut times = None;
    match request.source {
        Source::Revisions => {
            add_unreachable(&*snapshot, &request, &mut set)?;
        }
        Source::List => request.search.whole = add_listed(&*snapshot, &mut set, listed)?,
        Source::Packs => add_packs(&*snapshot, &request, &mut set)?,
        Source::Cruft => times = Some(cruft::collect(&repository, &*snapshot, &request, &mut set, &cx)?),
    }
    if request.include_tag {
        add_tags(&*snapshot, &mut set)?;
    }
    if request.source != Source::Cruft {
        let before = set.len();
        drop_unwanted(&repository, &*snapshot, &request, &mut set);
        // What `--unpacked` leaves out was not asked for in the first place.
        if set.len() < before
            && !request.unpacked
            && let Some(bitmap) = bitmap.take()
        {
            bitmap.give_up("as some objects are not being packed");
        }
    }
    if let Some(expire) = request.unreachable.loosen {
        let stays = |name: &str| request.keep_packs.contains(name);
        let recent = if expire == i64::MIN { Vec::new() } else { recent_objects(&repository)? };
        loosen_unreachable(repo::on_disk(&repository)?, &set, &stays, expire, &recent, &cx)?;
    }
    if request.islands {
        request.marks = islands::find(&repository, &*snapshot, &cx)?;
    }
    write::write(snapshot, set, &query, &request, write::Beside { times, bitmap }, &cx)
}

/// Reads revisions as `--revs` takes them, with `--not` and `--shallow <id>` lines.
fn revisions(
    snapshot: &dyn Snapshot,
    request: &Request,
    shallow: &mut Vec<ObjectId>,
) -> Result<Query, Failure> {
    let (mut revisions, mut not) = (Revisions::default(), false);
    if request.all_refs {
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
            line => revisions
                .add(snapshot, line, not)
                .map_err(|_| Failure::fatal(format_args!("bad revision '{}'", line.as_bstr())))?,
        }
    }
    let mut query = Query { ignore_missing: MissingExcludes::Ignore, ..revisions.query() };
    if request.reflogs {
        query.include.extend(logged(snapshot)?);
    }
    Ok(query)
}

/// What is to be packed, and in which order. Where nothing is left out, that depends on the repository only.
fn count(
    snapshot: &dyn Snapshot,
    query: &Query,
    request: &Request,
    cx: &Context,
) -> Result<ObjectSet, Failure> {
    let plain = query.filter.is_none() && query.promised == PromisedObjects::Required;
    let counted = if query.exclude.is_empty() && plain && request.source == Source::Revisions {
        let order = if request.reuse == Reuse::All { PackOrder::Stored } else { PackOrder::History };
        walk::count_for_pack(snapshot, &query.include, order, cx).map(|counted| counted.set)
    } else {
        walk::reachable_named(snapshot, query, cx)
    };
    counted.map_err(|error| match error {
        ReadError::Missing { id } => Failure::fatal(format_args!("unable to read {id}")),
        error => bad_object(&error),
    })
}

/// What the index of the working tree names and is there.
fn indexed(repository: &Repository, snapshot: &dyn Snapshot) -> Result<Vec<ObjectId>, Failure> {
    let mut there = Vec::new();
    for id in repository.indexed_objects()? {
        if snapshot.contains(&id)? {
            there.push(id);
        }
    }
    Ok(there)
}

/// What the reflogs name and is there.
fn logged(snapshot: &dyn Snapshot) -> Result<Vec<ObjectId>, Failure> {
    let mut names = vec![RefName::head()];
    snapshot.for_each_ref(b"", &mut |found| {
        names.push(found.name);
        ControlFlow::Continue(())
    })?;
    let mut ids = BTreeSet::new();
    for name in names {
        snapshot.for_each_reflog_entry(&name, &mut |line| {
            ids.extend([line.old, line.new]);
            ControlFlow::Continue(())
        })?;
    }
    let mut there = Vec::new();
    for id in ids {
        if snapshot.contains(&id)? {
            there.push(id);
        }
    }
    Ok(there)
}

/// Adds packed and loose objects that nothing reaches, as far as they are asked for.
fn add_unreachable(snapshot: &dyn Snapshot, request: &Request, set: &mut ObjectSet) -> Result<(), Failure> {
    if request.unreachable.keep {
        for stored in snapshot.packs().iter().filter(|stored| !stored.kept && stored.local) {
            for id in stored.pack.idx().ids() {
                set.insert(&id);
            }
        }
    }
    if request.unreachable.pack_loose {
        add_loose(snapshot, set)?;
    }
    Ok(())
}

/// Adds every object that is in no pack.
fn add_loose(snapshot: &dyn Snapshot, set: &mut ObjectSet) -> Result<(), Failure> {
    let mut loose = Vec::new();
    snapshot.for_each_id(&mut |id| {
        loose.push(id);
        ControlFlow::Continue(())
    })?;
    for id in loose {
        if !snapshot.packs().iter().any(|stored| stored.pack.idx().lookup(&id).is_some()) {
            set.insert(&id);
        }
    }
    Ok(())
}

/// Reads ids, each with a name behind it that helps to find deltas, and gives those that are to be none. Those after a `-` are only bases.
fn add_listed(
    snapshot: &dyn Snapshot,
    set: &mut ObjectSet,
    mut paths: Option<PathAttributes>,
) -> Result<Option<HasObject>, Failure> {
    let mut whole = HashSet::new();
    let hex_len = snapshot.format().hex_len();
    for (rank, line) in (0u32..).zip(lines(stdin())) {
        let line = line?;
        if line.starts_with(b"-") {
            continue;
        }
        let hex = line.get(..hex_len).filter(|_| line.get(hex_len).is_none_or(|byte| *byte == b' '));
        let id = hex.and_then(|hex| ObjectId::from_hex(hex).ok()).ok_or_else(|| {
            Failure::fatal(format_args!("expected object ID, got garbage:\n {}\n", line.as_bstr()))
        })?;
        if !snapshot.contains(&id)? {
            return Err(Failure::fatal(format_args!("unable to read {id}")));
        }
        set.insert(&id);
        let name = line.get(hex_len + 1..).unwrap_or_default();
        set.set_name(&id, name, rank);
        // git asks with the line break, so that patterns for the end of a name do not speak of it.
        if let Some(paths) = &mut paths
            && !name.is_empty()
            && undeltified::is_whole(paths, &[name, b"\n"].concat())
        {
            whole.insert(id);
        }
    }
    Ok(undeltified::of_ids(whole))
}

/// Reads names of packs; `^` before one leaves out what is in it.
fn add_packs(snapshot: &dyn Snapshot, request: &Request, set: &mut ObjectSet) -> Result<(), Failure> {
    let (mut wanted, mut left_out) = (HashSet::new(), HashSet::new());
    for line in lines(stdin()) {
        let line = line?;
        let (names, name) = match line.strip_prefix(b"^") {
            Some(name) => (&mut left_out, name),
            None => (&mut wanted, line.as_slice()),
        };
        names.insert(find_pack(snapshot, name)?);
    }
    let packs = snapshot.packs();
    for number in &wanted {
        for id in packs[*number].pack.idx().ids() {
            if !left_out.iter().any(|other| packs[*other].pack.idx().lookup(&id).is_some()) {
                set.insert(&id);
            }
        }
    }
    if request.unpacked {
        add_loose(snapshot, set)?;
    }
    Ok(())
}

/// The pack whose file is called so.
pub(super) fn find_pack(snapshot: &dyn Snapshot, name: &[u8]) -> Result<usize, Failure> {
    let number = snapshot.packs().iter().position(|stored| file_name(stored).as_bytes() == name);
    number.ok_or_else(|| Failure::fatal(format_args!("could not find pack '{}'", name.as_bstr())))
}

fn file_name(stored: &StoredPack) -> &str {
    stored.name.rsplit(['/', '\\']).next().unwrap_or(&stored.name)
}

/// Takes out what the arguments say is stored well enough where it is.
fn drop_unwanted(repository: &Repository, snapshot: &dyn Snapshot, request: &Request, set: &mut ObjectSet) {
    let unpacked = request.unpacked && request.source == Source::Revisions || request.incremental;
    if !(unpacked || request.honor_keep || request.local || !request.keep_packs.is_empty()) {
        return;
    }
    let packs = snapshot.packs();
    let own = repository.layout().map(|layout| layout.objects_dir.clone());
    set.retain(|numbers, number| {
        let id = numbers.id(number);
        let packed = numbers.position(number).is_some();
        if unpacked && packed {
            return false;
        }
        let within = |wanted: &dyn Fn(&StoredPack) -> bool| {
            packed && packs.iter().any(|stored| wanted(stored) && stored.pack.idx().lookup(&id).is_some())
        };
        if request.honor_keep && within(&|stored| stored.kept && stored.local) {
            return false;
        }
        if !request.keep_packs.is_empty()
            && within(&|stored| stored.local && request.keep_packs.contains(file_name(stored)))
        {
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
