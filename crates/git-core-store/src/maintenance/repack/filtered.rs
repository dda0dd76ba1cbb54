//! Dividing a repository into two packs by a filter: what it lets through, and the rest.

use super::write::Target;
use super::{FilterOptions, KeptObjects, RepackOptions, RepackReport, Survey, Unreachable, cruft, holds};
use crate::fs::FsStorage;
use crate::maintenance::{MaintenanceError, reachable, roots};
use crate::walk::ObjectSet;
use git_core_object::{Context, ObjectId, Objects as _};

/// What the filter has left out of a set.
pub(super) struct Divided<'o> {
    rest: ObjectSet,
    how: &'o FilterOptions,
}

impl<'o> Divided<'o> {
    /// Takes out of `set`, which has all that is needed, what the filter does not let through.
    pub(super) fn off(
        storage: &FsStorage,
        survey: &Survey<'_>,
        set: &mut ObjectSet,
        how: &'o FilterOptions,
        options: &RepackOptions,
        cx: &Context,
    ) -> Result<Self, MaintenanceError> {
        let snapshot = &*survey.snapshot;
        let roots = roots(storage, snapshot, cx)?;
        let through = reachable::named(snapshot, &roots, &options.keep, Some(how.filter.clone()), cx)?;
        let mut rest = cruft::empty(snapshot, cx)?;
        set.retain(|numbers, number| {
            let id = numbers.id(number);
            let stays = through.contains(&id);
            if !stays {
                rest.insert(&id);
            }
            stays
        });
        Ok(Divided { rest, how })
    }

    /// Writes the pack of the rest: what old packs hold of it. Where unreachable objects would go with these packs, they
    /// are in it too, as with git. Gives what it holds.
    #[expect(clippy::too_many_arguments, reason = "what a repack knows at this point")]
    pub(super) fn write(
        mut self,
        survey: &Survey<'_>,
        target: &Target<'_>,
        packed: &ObjectSet,
        promised: &dyn Fn(&ObjectId) -> bool,
        options: &RepackOptions,
        report: &mut RepackReport,
        cx: &Context,
    ) -> Result<ObjectSet, MaintenanceError> {
        let kept = if options.kept == KeptObjects::Leave { &survey.kept[..] } else { &[] };
        if options.unreachable == Unreachable::Drop {
            for pack in &survey.old {
                pack.pack.idx().ids().for_each(|id| {
                    self.rest.insert(&id);
                });
            }
        }
        self.rest.retain(|numbers, number| {
            let id = numbers.id(number);
            numbers.position(number).is_some() && !packed.contains(&id) && !promised(&id) && !holds(kept, &id)
        });
        let plan = self.rest.plan(survey.snapshot.format())?;
        let objects = survey.snapshot.clone();
        match &self.how.to {
            None => {
                target.write(plan, objects, &mut |_| Ok(Vec::new()), report, cx)?;
            }
            Some(base) => {
                let elsewhere = Target { base: base.clone(), ..target.clone() };
                // What lies elsewhere is no pack of this repository.
                let mut report = RepackReport::default();
                elsewhere.write(plan, objects, &mut |_| Ok(Vec::new()), &mut report, cx)?;
            }
        }
        Ok(self.rest)
    }
}
