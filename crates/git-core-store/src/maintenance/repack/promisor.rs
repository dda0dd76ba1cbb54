//! Packing what a remote has promised to have: apart from all else, in a pack that says so.

use super::write::Target;
use super::{KeptObjects, RepackReport, Survey, cruft};
use crate::StoredPack;
use crate::maintenance::MaintenanceError;
use git_core_object::{Context, Objects as _};
use std::sync::Arc;

/// The promisors' packs of which a new one is made.
pub(super) fn packs(survey: &Survey<'_>, kept: KeptObjects) -> Vec<Arc<StoredPack>> {
    let kept = if kept == KeptObjects::Pack { &survey.kept[..] } else { &[] };
    survey.old.iter().chain(kept).filter(|pack| pack.promisor).cloned().collect()
}

/// Writes a pack of all that these packs hold, reachable or not: what was promised may be needed to tell what else
/// was.
pub(super) fn write(
    survey: &Survey<'_>,
    target: &Target<'_>,
    packs: &[Arc<StoredPack>],
    report: &mut RepackReport,
    cx: &Context,
) -> Result<(), MaintenanceError> {
    let mut set = cruft::empty(&*survey.snapshot, cx)?;
    for pack in packs {
        cx.check()?;
        pack.pack.idx().ids().for_each(|id| {
            set.insert(&id);
        });
    }
    let plan = set.plan(survey.snapshot.format())?;
    let objects = survey.snapshot.clone();
    target.write(plan, objects, &mut |_| Ok(vec![("promisor", Vec::new())]), report, cx).map(drop)
}
