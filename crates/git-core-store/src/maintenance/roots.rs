//! What keeps objects alive: refs, the `HEAD` of every working tree, and reflogs.

use super::MaintenanceError;
use super::files::names_if_any;
use crate::fs::FsStorage;
use crate::fs::refs::FilesRefs;
use git_core_object::{Context, ObjectId, Objects};
use git_core_ref::{RefName, Target};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Where reachability begins.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Roots {
    /// What refs and the `HEAD`s of working trees hold. It has to be there.
    pub refs: BTreeSet<ObjectId>,
    /// What reflogs tell of. Only what is still there is listed.
    pub reflogs: BTreeSet<ObjectId>,
}

/// Collects what refs, all working trees' own refs and all reflogs hold.
///
/// # Errors
/// [`MaintenanceError`] when a ref or a log cannot be read.
pub fn roots(storage: &FsStorage, objects: &dyn Objects, cx: &Context) -> Result<Roots, MaintenanceError> {
    let mut roots = Roots::default();
    let mut logged = BTreeSet::new();
    for refs in working_trees(storage)? {
        cx.check()?;
        refs.for_each(b"", &mut |reference| {
            if let Target::Id(id) = reference.target {
                roots.refs.insert(id);
            }
            ControlFlow::Continue(())
        })?;
        // An unborn or damaged HEAD keeps nothing alive.
        if let Ok((_, Some(id))) = refs.resolve(&RefName::head()) {
            roots.refs.insert(id);
        }
        for name in refs.reflogs()? {
            refs.for_each_reflog_entry(&name, &mut |entry| {
                logged.insert(entry.old);
                logged.insert(entry.new);
                ControlFlow::Continue(())
            })?;
        }
    }
    for (at, id) in logged.into_iter().enumerate() {
        if at.is_multiple_of(1 << 10) {
            cx.check()?;
        }
        if !id.is_null() && !roots.refs.contains(&id) && objects.contains(&id)? {
            roots.reflogs.insert(id);
        }
    }
    Ok(roots)
}

/// The refs as the main working tree sees them, and as each linked one does.
pub(super) fn working_trees(storage: &FsStorage) -> Result<Vec<FilesRefs>, MaintenanceError> {
    let refs = storage.refs();
    let common = refs.common_dir().to_path_buf();
    let at = |git_dir: PathBuf| {
        FilesRefs::new(
            git_dir,
            common.clone(),
            refs.format(),
            storage.objects().disk().clone(),
            refs.options().clone(),
        )
    };
    let mut all = vec![at(common.clone())];
    let linked = common.join("worktrees");
    for name in names_if_any(&linked)? {
        let git_dir = linked.join(name);
        if git_dir.join("HEAD").symlink_metadata().is_ok() {
            all.push(at(git_dir));
        }
    }
    Ok(all)
}
