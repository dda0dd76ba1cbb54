//! Packing what nothing reaches, with the age of each object (`gitformat-pack(5)`, "cruft packs").

use super::write::Target;
use super::{CruftOptions, RepackReport, Survey};
use crate::Snapshot;
use crate::maintenance::files::{fan_out, modified};
use crate::maintenance::{MaintenanceError, mtimes, reachable};
use crate::walk::{ObjectSet, Query};
use git_core_idx::write_mtimes;
use git_core_object::{Context, ObjectId, Objects};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Unreachable objects, and when each was last needed.
pub(super) struct Cruft {
    ages: HashMap<ObjectId, i64>,
}

impl Cruft {
    /// Collects the objects of packs that will go, and the loose ones, as far as nothing keeps them: `is_safe`.
    pub(super) fn collect(
        survey: &Survey<'_>,
        is_safe: &dyn Fn(&ObjectId) -> Result<bool, MaintenanceError>,
        cx: &Context,
    ) -> Result<Self, MaintenanceError> {
        let mut ages = HashMap::new();
        let mut note = |id: ObjectId, time: i64| {
            let age = ages.entry(id).or_insert(time);
            *age = (*age).max(time);
        };
        let format = survey.snapshot.format();
        for pack in &survey.old {
            let times = mtimes::of_pack(pack, format)?;
            let own = Path::new(&pack.name).metadata().map_or(i64::MAX, |metadata| modified(&metadata));
            for (row, id) in (0u32..).zip(pack.pack.idx().ids()) {
                if row % 1024 == 0 {
                    cx.check()?;
                }
                if !is_safe(&id)? {
                    note(id, times.as_ref().map_or(own, |times| times.at(row)));
                }
            }
        }
        fan_out(
            survey.objects.dir(),
            format,
            &mut |file| {
                if let Some(id) = file.id
                    && let Ok(metadata) = file.path.symlink_metadata()
                    && !is_safe(&id)?
                {
                    note(id, modified(&metadata));
                }
                Ok(())
            },
            &mut |_| {},
        )?;
        Ok(Cruft { ages })
    }

    /// Writes those that stay, and elsewhere those that go if that was asked for.
    pub(super) fn write(
        self,
        target: &Target<'_>,
        snapshot: &Arc<dyn Snapshot>,
        options: &CruftOptions,
        recent: &[ObjectId],
        report: &mut RepackReport,
        cx: &Context,
    ) -> Result<(), MaintenanceError> {
        // In an order that the objects alone decide: that of the pack follows it.
        let mut all: Vec<ObjectId> = self.ages.keys().copied().collect();
        all.sort_unstable();
        let is_young = |id: &&ObjectId| self.ages[*id] > options.expire || recent.contains(*id);
        let young: Vec<ObjectId> = all.iter().filter(is_young).copied().collect();
        let mut staying = empty(&**snapshot, cx)?;
        let mut going = empty(&**snapshot, cx)?;
        if young.len() == self.ages.len() {
            for id in &young {
                staying.insert(id);
            }
        } else {
            let mut needed = empty(&**snapshot, cx)?;
            reachable::add_with_history(&**snapshot, &mut needed, young, cx)?;
            for id in &all {
                if needed.contains(id) {
                    staying.insert(id)
                } else {
                    going.insert(id)
                };
            }
        }
        report.expired += going.len();
        self.write_set(target, snapshot, &staying, report, cx)?;
        if let Some(base) = &options.expire_to {
            let elsewhere = Target { base: PathBuf::from(base), ..target.clone() };
            // What lies elsewhere is no pack of this repository.
            self.write_set(&elsewhere, snapshot, &going, &mut RepackReport::default(), cx)?;
        }
        Ok(())
    }

    fn write_set(
        &self,
        target: &Target<'_>,
        snapshot: &Arc<dyn Snapshot>,
        set: &ObjectSet,
        report: &mut RepackReport,
        cx: &Context,
    ) -> Result<(), MaintenanceError> {
        let plan = set.plan(snapshot.format())?;
        let objects: Arc<dyn Objects> = snapshot.clone();
        target.write(
            plan,
            objects,
            &mut |written| {
                let times = written.entries.iter().map(|entry| {
                    let age = self.ages.get(&entry.id).copied().unwrap_or(i64::MAX);
                    u32::try_from(age.max(0)).unwrap_or(u32::MAX)
                });
                Ok(vec![("mtimes", write_mtimes(times, &written.checksum))])
            },
            report,
            cx,
        )?;
        Ok(())
    }
}

/// A set of no objects.
pub(super) fn empty(snapshot: &dyn Snapshot, cx: &Context) -> Result<ObjectSet, MaintenanceError> {
    Ok(crate::walk::reachable(snapshot, &Query::default(), &cx.clone().quiet())?)
}
