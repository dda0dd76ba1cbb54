//! Taking objects that nothing reaches out of packs that are about to go.

use super::{RepackReport, Survey, cruft, holds, is_borrowed};
use crate::fs::FsStorage;
use crate::maintenance::files::{FanOutFile, fan_out, modified};
use crate::maintenance::{MaintenanceError, mtimes, reachable};
use crate::walk::ObjectSet;
use crate::{Storage as _, StoredPack};
use git_core_object::{Context, ObjectId, Objects as _};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Writes the objects of the repository's own packs as loose ones, as old as their pack, but for those that are about
/// to be packed, and those that lie in a pack that stays: one with a `.keep` file, one that `stays` names by its file
/// name, one that is borrowed. Those of packs that were last changed at `expire` or before, in seconds since 1970, are
/// passed over, unless a younger one or one of `recent` needs them. Gives how many became loose.
///
/// # Errors
/// [`MaintenanceError`] when an object cannot be read or written.
pub fn loosen_unreachable(
    storage: &FsStorage,
    packed: &ObjectSet,
    stays: &dyn Fn(&str) -> bool,
    expire: i64,
    recent: &[ObjectId],
    cx: &Context,
) -> Result<u64, MaintenanceError> {
    let snapshot = storage.snapshot()?;
    let is_kept = |pack: &Arc<StoredPack>| {
        let name = Path::new(&pack.name).file_name().map(|name| name.to_string_lossy());
        pack.kept || name.is_some_and(|name| stays(&name))
    };
    let own = snapshot.packs().iter().filter(|pack| pack.local).cloned();
    let (kept, old): (Vec<_>, Vec<_>) = own.partition(is_kept);
    let survey = Survey { objects: storage.objects(), snapshot, kept, old };
    let is_safe =
        |id: &ObjectId| Ok(packed.contains(id) || holds(&survey.kept, id) || is_borrowed(&survey, id)?);
    let mut report = RepackReport::default();
    loosen(&survey, expire, recent, &is_safe, &mut report, cx)?;
    Ok(report.loosened)
}

/// Writes the objects of old packs that nothing needs as loose ones, as old as their pack. Those that were last changed
/// at `expire` or before are passed over, unless a younger one or one of `recent` needs them.
pub(super) fn loosen(
    survey: &Survey<'_>,
    expire: i64,
    recent: &[ObjectId],
    is_safe: &dyn Fn(&ObjectId) -> Result<bool, MaintenanceError>,
    report: &mut RepackReport,
    cx: &Context,
) -> Result<(), MaintenanceError> {
    let mut ages: BTreeMap<ObjectId, i64> = BTreeMap::new();
    for pack in &survey.old {
        let times = mtimes::of_pack(pack, survey.snapshot.format())?;
        let own = Path::new(&pack.name).metadata().map_or(i64::MAX, |metadata| modified(&metadata));
        for (row, id) in (0u32..).zip(pack.pack.idx().ids()) {
            if row % 1024 == 0 {
                cx.check()?;
            }
            if !is_safe(&id)? {
                let time = times.as_ref().map_or(own, |times| times.at(row));
                let age = ages.entry(id).or_insert(time);
                *age = time.max(*age);
            }
        }
    }
    let mut needed = cruft::empty(&*survey.snapshot, cx)?;
    if ages.values().any(|age| *age <= expire) {
        let mut young: Vec<ObjectId> =
            ages.iter().filter(|(_, age)| **age > expire).map(|(id, _)| *id).collect();
        young.extend_from_slice(recent);
        let mut note = |file: FanOutFile| {
            let times = file.path.symlink_metadata().map(|metadata| modified(&metadata));
            young.extend(file.id.filter(|_| times.is_ok_and(|time| time > expire)));
            Ok(())
        };
        fan_out(survey.objects.dir(), survey.objects.format(), &mut note, &mut |_| {})?;
        reachable::add_with_history(&*survey.snapshot, &mut needed, young, cx)?;
    }
    let (mut content, mut files, mut directories) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (at, (id, age)) in ages.into_iter().enumerate() {
        if at.is_multiple_of(256) {
            cx.check()?;
        }
        if age <= expire && !needed.contains(&id) {
            report.expired += 1;
            continue;
        }
        let kind = survey.snapshot.require(&id, &mut content)?;
        if let Some(path) = survey.objects.loosen(&id, kind, &content, age)? {
            directories.extend(path.parent().map(Path::to_path_buf));
            files.push(path);
            report.loosened += 1;
        }
    }
    let disk = survey.objects.disk();
    directories.insert(survey.objects.dir().to_path_buf());
    let directories: Vec<PathBuf> = directories.into_iter().collect();
    disk.sync_files(&files)
        .and_then(|()| disk.sync_dirs(&directories))
        .map_err(|error| MaintenanceError::unavailable(survey.objects.dir(), error))
}
