//! Removing loose objects that are packed too (`git-prune-packed(1)`).

use super::MaintenanceError;
use super::files::{DryRun, fan_out};
use crate::fs::FsObjects;
use git_core_object::{Context, Objects as _};
use std::cell::Cell;
use std::io;
use std::path::Path;

/// Removes the loose objects that a pack holds too, and fan-out directories that are empty then; gives their
/// number. `shown` sees each file before it goes, or would go.
///
/// # Errors
/// [`MaintenanceError`] when a directory cannot be read. A file that cannot be removed is left.
pub fn prune_packed(
    objects: &FsObjects,
    dry_run: DryRun,
    cx: &Context,
    shown: &mut dyn FnMut(&Path),
) -> Result<u64, MaintenanceError> {
    let packs = objects.pack_snapshot()?;
    let disk = &**objects.disk();
    let (mut removed, mut at) = (0, 0u64);
    // A directory that was empty before may just have been made by somebody who is about to write to it.
    let emptied = Cell::new(false);
    fan_out(
        objects.dir(),
        objects.format(),
        &mut |file| {
            at += 1;
            if at.is_multiple_of(1 << 10) {
                cx.check()?;
            }
            let Some(id) = file.id else { return Ok(()) };
            if !packs.iter().any(|pack| pack.pack.idx().lookup(&id).is_some()) {
                return Ok(());
            }
            shown(&file.path);
            if dry_run == DryRun::No {
                match disk.remove_file(&file.path) {
                    Ok(()) => emptied.set(true),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => {
                        tracing::warn!(path = %file.path.display(), %error, "cannot remove a loose object");
                        return Ok(());
                    }
                }
            }
            removed += 1;
            Ok(())
        },
        &mut |dir| {
            if emptied.take() {
                // Stays while anything is in it.
                let _ = disk.remove_dir(dir);
            }
        },
    )?;
    Ok(removed)
}
