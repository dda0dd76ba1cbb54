//! `rev-list --test-bitmap`: whether the bitmap of a commit says what a walk finds.

use crate::fail::{Failure, chain};
use crate::revisions::{Revisions, bad_object};
use git_core::idx::bitmap::{Expander, Flags};
use git_core::object::Context;
use git_core::store::Snapshot;
use git_core::store::walk::{self, Query};
use std::process::ExitCode;

/// Compares the stored bitmap of the one commit that was named with what it reaches. Everything that is said goes
/// to standard error; the exit code tells.
pub(super) fn run(snapshot: &dyn Snapshot, revisions: &Revisions) -> Result<ExitCode, Failure> {
    let bitmap = snapshot.bitmap().ok_or_else(|| Failure::fatal("failed to load bitmap indexes"))?;
    let [tip] = &revisions.tips[..] else {
        return Err(Failure::fatal("you must specify exactly one commit to test"));
    };
    let (file, id) = (bitmap.file(), tip.id);
    // With a lookup table, entries are read when they are asked for.
    let loaded = if file.flags().has(Flags::LOOKUP_TABLE) { "" } else { " loaded" };
    eprintln!("Bitmap v1 test ({} entries{loaded})", file.entries().len());
    let entry = bitmap.rows().lookup(&id).and_then(|row| file.entry_of(row));
    let entry =
        entry.ok_or_else(|| Failure::fatal(format_args!("commit '{id}' doesn't have an indexed bitmap")))?;
    eprintln!("Found bitmap for '{id}'. {} objects are counted", file.objects());
    let damaged = |error: &dyn std::error::Error| {
        Failure::fatal(format_args!("bitmap {}: {}", bitmap.name(), chain(error)))
    };
    file.verify_checksum().map_err(|error| damaged(&error))?;
    let set = Expander::new(file).words(entry).map_err(|error| damaged(&error))?;

    let query = Query { include: vec![id], ..Query::default() };
    let reached = walk::reachable(snapshot, &query, &Context::new()).map_err(|error| bad_object(&error))?;
    for id in reached.ids() {
        let bit =
            bitmap.bit(&id).ok_or_else(|| Failure::fatal(format_args!("object not in bitmap: '{id}'")))?;
        if set.get(bit as usize / 64).is_none_or(|word| word & (1 << (bit % 64)) == 0) {
            return Err(Failure::fatal(format_args!("mismatch in bitmap results: '{id}' is not in it")));
        }
    }
    let counted: u64 = set.iter().map(|word| u64::from(word.count_ones())).sum();
    if counted != reached.len() {
        return Err(Failure::fatal(format_args!(
            "mismatch in bitmap results: {counted} objects, of which {} are reached",
            reached.len()
        )));
    }
    eprintln!("OK!");
    Ok(ExitCode::SUCCESS)
}
