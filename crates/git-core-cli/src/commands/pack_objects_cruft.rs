//! `pack-objects --cruft`: what is in none of the packs that stay, with the time at which each object was last
//! needed.

use super::pack_objects::find_pack;
use super::pack_objects_options::Request;
use super::repack::recent_objects;
use crate::fail::Failure;
use crate::input::{lines, stdin};
use git_core::Repository;
use git_core::idx::{IdxPosition, MtimesFile};
use git_core::object::{Context, ObjectId, ReadError};
use git_core::store::walk::{self, MissingExcludes, ObjectSet, Query};
use git_core::store::{Snapshot, StoredPack};
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The time of each object, in seconds since 1970.
pub(super) type Times = HashMap<ObjectId, u32>;

/// Reads the names of packs: those with a `-` will go, the others stay. Puts into the set what is in no pack that
/// stays and is young enough, and what the young ones reach.
pub(super) fn collect(
    repository: &Repository,
    snapshot: &dyn Snapshot,
    request: &Request,
    set: &mut ObjectSet,
    cx: &Context,
) -> Result<Times, Failure> {
    let (mut stay, mut go) = (HashSet::new(), HashSet::new());
    for line in lines(stdin()) {
        let line = line?;
        match line.strip_prefix(b"-") {
            Some(name) => go.insert(find_pack(snapshot, name)?),
            None => stay.insert(find_pack(snapshot, &line)?),
        };
    }
    let packs = snapshot.packs();
    // Packs that nobody has named appeared since; they stay.
    let stays = |number: usize| stay.contains(&number) || !go.contains(&number);
    let staying: Vec<&StoredPack> =
        packs.iter().enumerate().filter(|(number, _)| stays(*number)).map(|(_, pack)| &**pack).collect();
    let kept = |id: &ObjectId| staying.iter().any(|stored| stored.pack.idx().lookup(id).is_some());
    let mut times = Times::new();
    for number in go.iter().filter(|number| !stays(**number)) {
        let stored = &packs[*number];
        let path = Path::new(&stored.name);
        let own = std::fs::read(path.with_extension("mtimes")).ok();
        let format = stored.pack.format();
        let own = own.map(|bytes| MtimesFile::open(bytes, format, stored.pack.count()));
        let own = own.transpose().map_err(|error| ReadError::corrupt(&stored.name, error))?;
        let whole = modified(path);
        for (row, id) in (0u32..).zip(stored.pack.idx().ids()).filter(|(_, id)| !kept(id)) {
            note(&mut times, id, own.as_ref().map_or(whole, |own| own.mtime(IdxPosition(row))));
        }
    }
    if let Some(layout) = repository.layout() {
        let mut loose = Vec::new();
        snapshot.for_each_id(&mut |id| {
            loose.push(id);
            ControlFlow::Continue(())
        })?;
        for id in loose.into_iter().filter(|id| !kept(id)) {
            let hex = id.to_hex();
            let path: PathBuf = layout.objects_dir.join(&hex[..2]).join(&hex[2..]);
            if path.exists() {
                note(&mut times, id, modified(&path));
            }
        }
    }
    if let Some(expiration) = request.cruft_expiration {
        let recent: HashSet<ObjectId> = recent_objects(repository)?.into_iter().collect();
        let is_young = |id: &ObjectId, time: u32| i64::from(time) > expiration || recent.contains(id);
        let young: Vec<ObjectId> =
            times.iter().filter(|(id, time)| is_young(id, **time)).map(|(id, _)| *id).collect();
        let rescued = rescued(snapshot, young, cx)?;
        times.retain(|id, time| i64::from(*time) > expiration || rescued.contains(id));
    }
    let mut ids: Vec<_> = times.iter().map(|(id, time)| (std::cmp::Reverse(*time), *id)).collect();
    ids.sort_unstable();
    for (rank, (_, id)) in (0u32..).zip(ids) {
        set.insert(&id);
        set.set_name(&id, b"", rank);
    }
    Ok(times)
}

/// Everything that these reach, as far as it is there: unreachable history may have holes.
fn rescued(
    snapshot: &dyn Snapshot,
    young: Vec<ObjectId>,
    cx: &Context,
) -> Result<HashSet<ObjectId>, Failure> {
    let mut found = HashSet::new();
    let query = Query { include: young.clone(), ignore_missing: MissingExcludes::Ignore, ..Query::default() };
    match walk::reachable(snapshot, &query, cx) {
        Ok(set) => found.extend(set.ids()),
        Err(ReadError::Missing { .. }) => {
            for id in young {
                let query = Query { include: vec![id], ..Query::default() };
                match walk::reachable(snapshot, &query, cx) {
                    Ok(set) => found.extend(set.ids()),
                    Err(ReadError::Missing { .. }) => drop(found.insert(id)),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(found)
}

fn note(times: &mut Times, id: ObjectId, time: u32) {
    let newest = times.entry(id).or_insert(time);
    *newest = time.max(*newest);
}

fn modified(path: &Path) -> u32 {
    let time = std::fs::metadata(path).and_then(|found| found.modified()).ok();
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| u32::try_from(since.as_secs()).unwrap_or(u32::MAX))
}
