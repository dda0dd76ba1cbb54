//! Changing a configuration file under its lock.

use super::ConfigError;
use crate::fs::sys::Disk;
use crate::lock::{LockError, LockFile};
use git_core_config::{Document, EditError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How a configuration file is changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EditOptions {
    /// How long to wait for the lock. Git does not wait.
    pub lock_wait: Duration,
}

impl Default for EditOptions {
    fn default() -> Self {
        EditOptions { lock_wait: Duration::from_secs(1) }
    }
}

/// Changes a file under its lock, with everything else in it left as it stands: what `change` makes of it is
/// flushed and takes its place, or nothing happens. A file that is not there is made; a link is followed.
///
/// # Errors
/// [`ConfigError`]; the file is unchanged then.
pub fn edit_file(
    disk: &Arc<dyn Disk>,
    path: &Path,
    options: &EditOptions,
    change: impl FnOnce(&mut Document) -> Result<(), EditError>,
) -> Result<(), ConfigError> {
    let path = &behind_links(path).map_err(|error| ConfigError::unavailable(path, error))?;
    let unavailable = |error: io::Error| ConfigError::unavailable(path, error);
    let mut lock = LockFile::acquire(disk, path, options.lock_wait).map_err(|error| match error {
        LockError::Held { .. } => ConfigError::Locked { path: path.clone() },
        error => ConfigError::unavailable(path, error),
    })?;
    let (text, permissions) = match std::fs::read(path) {
        Ok(text) => (text, Some(std::fs::metadata(path).map_err(unavailable)?.permissions())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (Vec::new(), None),
        Err(error) => return Err(unavailable(error)),
    };
    let mut document = Document::parse(&text)
        .map_err(|error| ConfigError::Syntax { path: path.clone(), line: error.line })?;
    change(&mut document).map_err(|reason| ConfigError::Edit { path: path.clone(), reason })?;
    lock.write_all(&document.to_bytes()).map_err(unavailable)?;
    if let Some(permissions) = permissions {
        std::fs::set_permissions(lock.path(), permissions).map_err(unavailable)?;
    }
    lock.commit().map_err(unavailable)?;
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => disk.sync_dir(dir).map_err(unavailable),
        _ => Ok(()),
    }
}

/// The file that a path leads to, which may not be there.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    const MOST: usize = 16;
    let mut at = path.to_path_buf();
    for _ in 0..MOST {
        match std::fs::read_link(&at) {
            Ok(to) => at = at.parent().unwrap_or(Path::new("")).join(to),
            Err(_) => return Ok(at),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::sys::RealDisk;
    use git_core_config::Key;

    #[test]
    fn edits_keep_the_rest_and_respect_locks() {
        let dir = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::default());
        let path = dir.path().join("config");
        let key = Key::parse("a.b").unwrap();
        let options = EditOptions { lock_wait: Duration::ZERO };
        edit_file(&disk, &path, &options, |document| document.set(&key, "1")).unwrap();
        std::fs::write(&path, "; first\n[a]\n\tb = 1 ; one\n").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            std::os::unix::fs::symlink("config", dir.path().join("link")).unwrap();
        }
        edit_file(&disk, &path, &options, |document| document.add(&key, "2")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "; first\n[a]\n\tb = 1 ; one\n\tb = 2\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            edit_file(&disk, &dir.path().join("link"), &options, |document| document.unset_all(&key))
                .unwrap();
            assert!(dir.path().join("link").is_symlink());
        }
        std::fs::write(dir.path().join("config.lock"), "").unwrap();
        let error = edit_file(&disk, &path, &options, |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("could not lock config file"), "{error}");
        let error = edit_file(&disk, &dir.path().join("none"), &options, |d| d.unset(&key)).unwrap_err();
        assert!(matches!(error, ConfigError::Edit { .. }));
        assert!(!dir.path().join("none").exists());
    }
}
