//! Repositories that several users of a machine write to: `core.sharedRepository` (`git-config(1)`).
//!
//! [`SharedDisk`] goes round a [`Disk`] and opens up what is made through it. On platforms without permission
//! bits it changes nothing.

use super::sys::{Access, Disk, DiskFile};
use bstr::ByteSlice as _;
use git_core_config::{InvalidValue, Value};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Who may read and write what is made in a repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// Whom the process's umask lets.
    #[default]
    Umask,
    /// The group too.
    Group,
    /// The group too, and everybody may read.
    Everybody,
    /// Exactly who has these permission bits of a file, such as `0o640`.
    Mode(u32),
}

impl Sharing {
    /// Reads the value of `core.sharedRepository`, or of `git init --shared=`.
    ///
    /// # Errors
    /// [`InvalidValue`] for anything git does not know either.
    pub fn from_value(value: Value<'_>) -> Result<Self, InvalidValue> {
        let Some(text) = value.text() else { return Ok(Sharing::Group) };
        match text.as_bytes() {
            b"umask" => return Ok(Sharing::Umask),
            b"group" => return Ok(Sharing::Group),
            b"all" | b"world" | b"everybody" => return Ok(Sharing::Everybody),
            _ => {}
        }
        let octal = text.to_str().ok().and_then(|text| u32::from_str_radix(text, 8).ok());
        match octal {
            Some(0) => Ok(Sharing::Umask),
            Some(1) => Ok(Sharing::Group),
            Some(2) => Ok(Sharing::Everybody),
            // The owner has to be able to read and write.
            Some(mode) if mode & 0o600 == 0o600 => Ok(Sharing::Mode(mode & 0o666)),
            Some(_) => Err(InvalidValue::Range(text.into())),
            None => Ok(if value.to_bool()? { Sharing::Group } else { Sharing::Umask }),
        }
    }

    /// What `git init` writes into the configuration; nothing for [`Umask`](Self::Umask).
    pub fn to_value(self) -> Option<String> {
        match self {
            Sharing::Umask => None,
            Sharing::Group => Some("1".to_owned()),
            Sharing::Everybody => Some("2".to_owned()),
            Sharing::Mode(mode) => Some(format!("0{mode:o}")),
        }
    }

    /// The permission bits for something that has `mode` so far.
    #[cfg(unix)]
    fn adjust(self, mode: u32, is_dir: bool) -> u32 {
        const GROUP_STAYS: u32 = 0o2000;
        let mut bits = match self {
            Sharing::Umask => return mode,
            Sharing::Group => 0o660,
            Sharing::Everybody => 0o664,
            Sharing::Mode(bits) => bits,
        };
        if mode & 0o200 == 0 {
            bits &= !0o222;
        }
        if is_dir || mode & 0o100 != 0 {
            bits |= (bits & 0o444) >> 2;
        }
        let kept = if matches!(self, Sharing::Mode(_)) { mode & !0o777 } else { mode };
        let new = kept | bits;
        if is_dir && new & 0o060 != 0 { new | GROUP_STAYS } else { new }
    }

    /// Opens up one file or directory.
    ///
    /// # Errors
    /// As the system says.
    #[cfg(unix)]
    pub fn apply(self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        if self == Sharing::Umask {
            return Ok(());
        }
        let metadata = std::fs::metadata(path)?;
        let mode = metadata.permissions().mode() & 0o7777;
        let new = self.adjust(mode, metadata.is_dir());
        if new == mode {
            Ok(())
        } else {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(new))
        }
    }

    /// Nothing to open up on this platform.
    ///
    /// # Errors
    /// None.
    #[cfg(not(unix))]
    pub fn apply(self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// A disk on which everything new is shared.
#[derive(Clone, Debug)]
pub struct SharedDisk {
    inner: Arc<dyn Disk>,
    sharing: Sharing,
}

impl SharedDisk {
    /// The same disk, shared; as it is when there is nobody to share it with.
    pub fn wrap(disk: &Arc<dyn Disk>, sharing: Sharing) -> Arc<dyn Disk> {
        match sharing {
            Sharing::Umask => disk.clone(),
            _ => Arc::new(SharedDisk { inner: disk.clone(), sharing }),
        }
    }
}

impl Disk for SharedDisk {
    fn create_new(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let file = self.inner.create_new(path, access)?;
        self.sharing.apply(path)?;
        Ok(file)
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let is_new = !path.exists();
        let file = self.inner.append(path)?;
        // A file of somebody else is shared already, and cannot be changed.
        if is_new {
            self.sharing.apply(path)?;
        }
        Ok(file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn publish(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.publish(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)?;
        self.sharing.apply(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.sync_dir(path)
    }

    fn sync_files(&self, paths: &[PathBuf]) -> io::Result<()> {
        self.inner.sync_files(paths)
    }

    fn sync_dirs(&self, paths: &[PathBuf]) -> io::Result<()> {
        self.inner.sync_dirs(paths)
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        self.inner.touch(path)
    }

    fn set_modified(&self, path: &Path, seconds: i64) -> io::Result<()> {
        self.inner.set_modified(path, seconds)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.link(from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_git_reads_them() {
        for (text, expected) in [
            ("umask", Some(Sharing::Umask)),
            ("false", Some(Sharing::Umask)),
            ("0", Some(Sharing::Umask)),
            ("true", Some(Sharing::Group)),
            ("1", Some(Sharing::Group)),
            ("group", Some(Sharing::Group)),
            ("2", Some(Sharing::Everybody)),
            ("world", Some(Sharing::Everybody)),
            ("0640", Some(Sharing::Mode(0o640))),
            ("0660", Some(Sharing::Mode(0o660))),
            ("0444", None),
            ("what", None),
        ] {
            assert_eq!(Sharing::from_value(Value::new(text)).ok(), expected, "{text}");
        }
        assert_eq!(Sharing::Mode(0o640).to_value().as_deref(), Some("0640"));
    }

    #[cfg(unix)]
    #[test]
    fn modes_as_git_makes_them() {
        assert_eq!(Sharing::Group.adjust(0o644, false), 0o664);
        assert_eq!(Sharing::Group.adjust(0o444, false), 0o444);
        assert_eq!(Sharing::Group.adjust(0o755, true), 0o2775);
        assert_eq!(Sharing::Mode(0o640).adjust(0o644, false), 0o640);
        assert_eq!(Sharing::Mode(0o640).adjust(0o755, true), 0o2750);
        assert_eq!(Sharing::Everybody.adjust(0o600, false), 0o664);
    }
}
