//! What every storage must do, as a suite that any implementation can run.
//!
//! [`run`] goes through all cases with a fresh storage each, in both object formats. A case that fails panics;
//! its name and the object format are printed first.
#![expect(clippy::unwrap_used, reason = "a case that fails is a panic")]

mod build;
mod objects;
mod packs;
mod races;
mod refs;

use crate::{Quarantine, Snapshot, Storage};
use git_core_object::{Context, Kind, ObjectFormat, ObjectId};
use git_core_ref::{LogMessage, RefName, RefTransaction};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Makes an empty storage of a format, whose `HEAD` points at the branch `main`, which is not there yet, and
/// which keeps reflogs of `HEAD` and branches. Every call makes another one.
pub type Make<'a> = &'a dyn Fn(ObjectFormat) -> Arc<dyn Storage>;

type Case = fn(&dyn Fn() -> Arc<dyn Storage>, ObjectFormat);

const CASES: &[(&str, Case)] = &[
    ("objects come back", objects::come_back),
    ("ids are found by prefix", objects::prefixes),
    ("a dropped quarantine leaves nothing", objects::dropped_quarantine),
    ("an object is stored once", objects::stored_once),
    ("a foreign quarantine is refused", objects::foreign_quarantine),
    ("packs are received", packs::received),
    ("a pack is received byte by byte", packs::byte_by_byte),
    ("a small pack is unpacked", packs::unpacked),
    ("a thin pack is completed", packs::thin),
    ("a thin pack is refused", packs::thin_refused),
    ("a damaged pack leaves nothing", packs::damaged),
    ("an observer sees everything", packs::observed),
    ("the same pack twice is one pack", packs::twice),
    ("refs are set, compared and deleted", refs::compare_and_swap),
    ("a transaction is whole", refs::whole),
    ("a transaction of single edits", refs::each),
    ("names do not contain one another", refs::name_conflicts),
    ("symbolic refs are followed", refs::symbolic),
    ("values must make sense", refs::values),
    ("refs are listed in order", refs::listing),
    ("reflogs are kept", refs::reflogs),
    ("a snapshot stays as it is", refs::isolation),
    ("refs and objects are committed together", refs::together),
    ("where the history ends is committed with the objects", objects::shallow),
    ("one of many committers wins", races::one_wins),
    ("committers of different refs all win", races::all_win),
    ("readers run beside committers", races::readers),
];

/// Runs every case in both object formats.
///
/// # Panics
/// When the storage fails one.
pub fn run(make: Make<'_>) {
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        for (name, case) in CASES {
            // Shown by a test runner only when the case fails.
            println!("{format}: {name}");
            case(&|| make(format), format);
        }
    }
}

fn cx() -> Context {
    Context::new()
}

fn branch(name: &str) -> RefName {
    RefName::branch(name).unwrap()
}

fn log(message: &str) -> Option<LogMessage> {
    Some(LogMessage::new("A U Thor <author@example.com> 1112911993 -0700", message))
}

/// Stores a blob, the tree that holds it and a commit of that tree; gives the three ids.
fn write_commit(into: &mut dyn Quarantine, format: ObjectFormat, text: &str) -> [ObjectId; 3] {
    let [blob, tree, commit] = build::commit(format, text);
    [blob, tree, commit].map(|(kind, content)| into.write(kind, &content).unwrap())
}

/// Stores a commit and makes it part of the repository.
fn add_commit(storage: &dyn Storage, text: &str) -> ObjectId {
    let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
    let [_, _, commit] = write_commit(&mut *quarantine, storage.format(), text);
    storage.commit(vec![quarantine], &RefTransaction::new(), &cx()).unwrap();
    commit
}

fn content_of(snapshot: &dyn Snapshot, id: &ObjectId) -> Option<(Kind, Vec<u8>)> {
    let mut content = vec![1, 2, 3];
    let kind = snapshot.read(id, &mut content).unwrap()?;
    assert_eq!(ObjectId::hash(snapshot.format(), kind, &content).unwrap(), *id);
    Some((kind, content))
}

/// All ids, sorted, each once.
fn all_ids(snapshot: &dyn Snapshot) -> Vec<ObjectId> {
    let mut ids = Vec::new();
    snapshot
        .for_each_id(&mut |id| {
            ids.push(id);
            ControlFlow::Continue(())
        })
        .unwrap();
    ids.sort();
    ids.dedup();
    ids
}

fn id_of(snapshot: &dyn Snapshot, name: &RefName) -> Option<ObjectId> {
    snapshot.find_ref(name).unwrap().and_then(|found| found.target.id())
}
