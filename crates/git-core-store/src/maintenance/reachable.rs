//! What is reachable from roots, and what is not reachable but recent.

use super::{MaintenanceError, Roots};
use crate::filter::ObjectFilter;
use crate::walk::{
    Counted, ObjectSet, PackOrder, PromisedObjects, Query, count_for_pack, has_promises, reachable,
    reachable_named,
};
use crate::{Snapshot, Trusting};
use git_core_object::{Context, Kind, ObjectId, ReadError, TagRef, TreeRef};
use std::sync::Arc;

/// Everything that refs, reflogs and `extra` reach. All of it has to be there, but for what `extra` names itself, blobs,
/// and what a remote has promised to have.
pub(super) fn from_roots(
    snapshot: &Arc<dyn Snapshot>,
    roots: &Roots,
    extra: &[ObjectId],
    cx: &Context,
) -> Result<ObjectSet, MaintenanceError> {
    Ok(reachable(&Trusting::new(snapshot.clone()), &query(&**snapshot, roots, extra)?, cx)?)
}

/// As [`from_roots`], where blobs have to be there, with the names of objects, and without those that a filter leaves out.
pub(super) fn named(
    snapshot: &dyn Snapshot,
    roots: &Roots,
    extra: &[ObjectId],
    filter: Option<Arc<ObjectFilter>>,
    cx: &Context,
) -> Result<ObjectSet, MaintenanceError> {
    let query = Query { filter, ..query(snapshot, roots, extra)? };
    Ok(reachable_named(snapshot, &query, cx)?)
}

fn query(snapshot: &dyn Snapshot, roots: &Roots, extra: &[ObjectId]) -> Result<Query, MaintenanceError> {
    let mut query = Query { include: all_of(snapshot, roots, extra)?, ..Query::default() };
    if has_promises(snapshot) {
        query.promised = PromisedObjects::MayLack;
    }
    Ok(query)
}

/// As [`from_roots`], for packing it, where nothing was promised; blobs too have to be there if `walked`, which is
/// what the snapshot is seen through, says so.
pub(super) fn for_pack(
    snapshot: &dyn Snapshot,
    walked: &dyn Snapshot,
    roots: &Roots,
    extra: &[ObjectId],
    order: PackOrder,
    cx: &Context,
) -> Result<Counted, MaintenanceError> {
    Ok(count_for_pack(walked, &all_of(snapshot, roots, extra)?, order, cx)?)
}

fn all_of(
    snapshot: &dyn Snapshot,
    roots: &Roots,
    extra: &[ObjectId],
) -> Result<Vec<ObjectId>, MaintenanceError> {
    let mut all: Vec<ObjectId> = roots.refs.iter().chain(&roots.reflogs).copied().collect();
    for id in extra {
        // An index may hold what was never stored, such as a file that is only intended to be added.
        if snapshot.contains(id)? {
            all.push(*id);
        }
    }
    Ok(all)
}

/// Adds objects with all they reach. What is missing on the way does not matter, since nothing depends on it.
pub(super) fn add_with_history(
    snapshot: &dyn Snapshot,
    set: &mut ObjectSet,
    seeds: impl IntoIterator<Item = ObjectId>,
    cx: &Context,
) -> Result<(), MaintenanceError> {
    let format = snapshot.format();
    let (mut pending, mut content, mut met) = (Vec::new(), Vec::new(), 0u64);
    for seed in seeds {
        pending.push(seed);
        while let Some(id) = pending.pop() {
            met += 1;
            if met.is_multiple_of(1 << 10) {
                cx.check()?;
            }
            if set.contains(&id) {
                continue;
            }
            let kind = match snapshot.header(&id) {
                Ok(Some(header)) => header.kind,
                Ok(None) | Err(ReadError::Missing { .. } | ReadError::Corrupt { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            set.insert(&id);
            if kind == Kind::Blob {
                continue;
            }
            match snapshot.read(&id, &mut content) {
                Ok(Some(_)) => {}
                // What is damaged keeps nothing alive.
                Ok(None) | Err(ReadError::Missing { .. } | ReadError::Corrupt { .. }) => continue,
                Err(error) => return Err(error.into()),
            }
            match kind {
                Kind::Commit => {
                    if let Ok(links) = git_core_object::commit::links(format, &content) {
                        pending.push(links.tree);
                        pending.extend(links.parents());
                    }
                }
                Kind::Tag => pending.extend(TagRef::parse(format, &content).map(|tag| tag.target())),
                _ => {
                    let entries = TreeRef::new(format, &content).iter().map_while(Result::ok);
                    let own = entries.filter(|entry| !entry.mode.is_submodule());
                    pending.extend(own.map(|entry| entry.id));
                }
            }
        }
    }
    Ok(())
}
