//! The two files that dumb transports read: `info/refs` and `objects/info/packs` (`git-update-server-info(1)`,
//! `gitrepository-layout(5)`).

use super::MaintenanceError;
use crate::fs::FsStorage;
use crate::lock::LockFile;
use crate::walk::peel;
use crate::{Snapshot, Storage as _};
use git_core_object::Kind;
use git_core_ref::Target;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

/// Writes both files as the repository is now.
///
/// # Errors
/// [`MaintenanceError`] when a ref cannot be read or a file cannot be written.
pub fn update(storage: &FsStorage) -> Result<(), MaintenanceError> {
    let snapshot = storage.snapshot()?;
    replace(storage, &storage.common_dir().join("info/refs"), &refs(&*snapshot)?)?;
    let mut packs = Vec::new();
    for pack in snapshot.packs().iter().filter(|pack| pack.local) {
        if let Some(name) = Path::new(&pack.name).file_name() {
            packs.extend_from_slice(b"P ");
            packs.extend_from_slice(name.as_encoded_bytes());
            packs.push(b'\n');
        }
    }
    packs.push(b'\n');
    replace(storage, &storage.objects().dir().join("info/packs"), &packs)
}

/// Each ref with its id, and below a tag what it leads to. Refs to nothing are left out.
fn refs(snapshot: &dyn Snapshot) -> Result<Vec<u8>, MaintenanceError> {
    let (mut text, mut found) = (Vec::new(), Vec::new());
    snapshot.for_each_ref(b"", &mut |reference| {
        found.push(reference);
        ControlFlow::Continue(())
    })?;
    for reference in found {
        let id = match reference.target {
            Target::Id(id) => id,
            Target::Symbolic(_) => match crate::revision::follow(snapshot, &reference.name)? {
                (_, Some(id)) => id,
                (_, None) => continue,
            },
        };
        let Some(header) = snapshot.header(&id)? else { continue };
        let _ = writeln!(text, "{id}\t{}", reference.name);
        if header.kind == Kind::Tag {
            let (peeled, _) = peel(snapshot, id, &mut Vec::new(), &mut Vec::new())?;
            let _ = writeln!(text, "{peeled}\t{}^{{}}", reference.name);
        }
    }
    Ok(text)
}

/// Puts new content in place, unless the file has it already.
fn replace(storage: &FsStorage, path: &Path, content: &[u8]) -> Result<(), MaintenanceError> {
    let failed = |error: std::io::Error| MaintenanceError::unavailable(path, error);
    if std::fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let disk = storage.objects().disk();
    if let Some(parent) = path.parent() {
        disk.create_dir_all(parent).map_err(failed)?;
    }
    let mut lock = LockFile::acquire(disk, path, Duration::from_secs(1))?;
    lock.write_all(content).map_err(failed)?;
    lock.commit().map_err(failed)
}
