//! Every change that this crate makes to a file system, behind one small trait.
//!
//! [`Disk`] is what the storage writes through: [`RealDisk`] for use, a wrapper of it for tests that fail the
//! Nth operation or lose what was not flushed. What differs between platforms (permissions, flushing of
//! directories) is here and nowhere else. Reading goes past it, through `std::fs` and memory maps.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Changes files. Object-safe, blocking, shared by all threads that write to a repository.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Creates a file that must not be there yet and opens it for reading and writing.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when it is there.
    fn create_new(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file to add to its end; creates it when it is not there.
    ///
    /// # Errors
    /// As the system says.
    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Puts a file in the place of another, which may be there, in one step.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Moves a file to a name that must not be taken; an existing file is never replaced.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when the name is taken; `from` stays where it is then.
    fn publish(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the system says.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Makes one directory, whose parent is there.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when something of that name is there.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// As the system says; a directory that is not empty stays.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Flushes the names in a directory, so that files created, renamed or removed there stay so.
    ///
    /// # Errors
    /// As the system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Flushes the content of many files at once, with fewer waits than one flush each where possible.
    ///
    /// # Errors
    /// As the system says.
    fn sync_files(&self, paths: &[PathBuf]) -> io::Result<()>;

    /// As [`sync_dir`](Self::sync_dir), for many directories at once.
    ///
    /// # Errors
    /// As the system says.
    fn sync_dirs(&self, paths: &[PathBuf]) -> io::Result<()> {
        paths.iter().try_for_each(|path| self.sync_dir(path))
    }

    /// Marks a file as changed now, so that maintenance takes it for recent.
    ///
    /// # Errors
    /// As the system says.
    fn touch(&self, path: &Path) -> io::Result<()>;

    /// Marks a file as last changed at a time in seconds since 1970. Where that is not possible it stays as young as
    /// it is.
    ///
    /// # Errors
    /// As the system says.
    fn set_modified(&self, _path: &Path, _seconds: i64) -> io::Result<()> {
        Ok(())
    }

    /// Gives a file a second name, which must not be taken.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when it is; [`io::ErrorKind::Unsupported`] where files have one name only.
    fn link(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Makes a directory and those above it that are missing.
    ///
    /// # Errors
    /// As the system says; a directory that is there already is none.
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        match self.create_dir(path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let Some(parent) = path.parent() else { return Err(error) };
                self.create_dir_all(parent)?;
                match self.create_dir(path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
                    other => other,
                }
            }
            Err(error) => Err(error),
        }
    }
}

/// A file that is being written.
pub trait DiskFile: Read + Write + Seek + Send + Sync + fmt::Debug {
    /// Fills `out` from what stands at `offset`, wherever reading and writing goes on.
    ///
    /// # Errors
    /// As the system says; [`io::ErrorKind::UnexpectedEof`] when the file ends before.
    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Flushes content and length to the device.
    ///
    /// # Errors
    /// As the system says.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file off at `length` bytes, or extends it with zeros.
    ///
    /// # Errors
    /// As the system says.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// Who may do what with a new file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Written again later: refs, logs, configuration (0666 less the umask).
    #[default]
    Writable,
    /// Never changed once it is there: objects and packs (0444 less the umask).
    ReadOnly,
}

/// Whether changes are flushed to the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flush {
    /// Everything is, before a call that publishes it returns.
    #[default]
    Full,
    /// Nothing is: after a power cut a repository may be damaged. For scratch repositories and tests.
    Never,
}

/// The file system of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk {
    /// Whether to flush.
    pub flush: Flush,
}

impl Disk for RealDisk {
    fn create_new(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(match access {
                Access::Writable => 0o666,
                Access::ReadOnly => 0o444,
            });
        }
        #[cfg(not(unix))]
        let _ = access;
        Ok(Box::new(RealFile { file: options.open(path)?, flush: self.flush }))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        Ok(Box::new(RealFile { file, flush: self.flush }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn publish(&self, from: &Path, to: &Path) -> io::Result<()> {
        match std::fs::hard_link(from, to) {
            // The second name is the one that counts; a first one that cannot be removed is only litter.
            Ok(()) => {
                let _ = std::fs::remove_file(from);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // File systems without links. Between the look and the renaming somebody may create the same
            // file; objects and packs are named after their content, so it would be replaced by its equal.
            Err(_) if to.symlink_metadata().is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => std::fs::rename(from, to),
        }
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        #[cfg(windows)]
        clear_read_only(path);
        std::fs::remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir(path)
    }

    #[cfg(unix)]
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        match self.flush {
            Flush::Full => File::open(path)?.sync_all(),
            Flush::Never => Ok(()),
        }
    }

    /// The names in a directory cannot be flushed here; the file system journals them.
    #[cfg(not(unix))]
    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_files(&self, paths: &[PathBuf]) -> io::Result<()> {
        match self.flush {
            Flush::Never => Ok(()),
            Flush::Full => sync_many(paths),
        }
    }

    #[cfg(unix)]
    fn sync_dirs(&self, paths: &[PathBuf]) -> io::Result<()> {
        self.sync_files(paths)
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.set_modified(std::time::SystemTime::now())
    }

    fn set_modified(&self, path: &Path, seconds: i64) -> io::Result<()> {
        use std::time::{Duration, UNIX_EPOCH};
        let span = Duration::from_secs(seconds.unsigned_abs());
        let time = if seconds < 0 { UNIX_EPOCH.checked_sub(span) } else { UNIX_EPOCH.checked_add(span) };
        // A time that the system cannot hold leaves the file young.
        time.map_or(Ok(()), |time| File::open(path)?.set_modified(time))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::hard_link(from, to)
    }
}

/// From this many files on, one flush of the whole file system is cheaper than one of each.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FLUSH_ALL_FROM: usize = 64;

#[cfg(any(target_os = "linux", target_os = "android"))]
fn sync_many(paths: &[PathBuf]) -> io::Result<()> {
    // Linux reports write-back errors to syncfs(2) since 5.8, and waits for the device.
    if paths.len() >= FLUSH_ALL_FROM
        && let Some(first) = paths.first()
        && rustix::fs::syncfs(File::open(first)?).is_ok()
    {
        return Ok(());
    }
    sync_each(paths)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn sync_many(paths: &[PathBuf]) -> io::Result<()> {
    sync_each(paths)
}

fn sync_each(paths: &[PathBuf]) -> io::Result<()> {
    for path in paths {
        open_to_sync(path)?.sync_all()?;
    }
    Ok(())
}

#[cfg(not(windows))]
fn open_to_sync(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Flushing needs a handle that may write there.
#[cfg(windows)]
fn open_to_sync(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

#[cfg(windows)]
fn clear_read_only(path: &Path) {
    if let Ok(metadata) = path.metadata() {
        let mut permissions = metadata.permissions();
        if permissions.readonly() {
            permissions.set_readonly(false);
            let _ = std::fs::set_permissions(path, permissions);
        }
    }
}

#[derive(Debug)]
struct RealFile {
    file: File,
    flush: Flush,
}

impl Read for RealFile {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.file.read(out)
    }
}

impl Write for RealFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for RealFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl DiskFile for RealFile {
    #[cfg(unix)]
    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, out, offset)
    }

    #[cfg(windows)]
    fn read_exact_at(&self, mut offset: u64, mut out: &mut [u8]) -> io::Result<()> {
        while !out.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(&self.file, out, offset)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => {
                    out = &mut out[n..];
                    offset += n as u64;
                }
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        match self.flush {
            Flush::Full => self.file.sync_all(),
            Flush::Never => Ok(()),
        }
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }
}

/// A name no other file of `dir` has: `prefix`, then digits that differ between processes and calls.
///
/// The caller creates the file or directory exclusively, and asks for another name if it exists.
pub fn scratch_name(dir: &Path, prefix: &str) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    let time = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64);
    // splitmix64 spreads process, time and count over all digits.
    let mut mixed = time ^ (u64::from(std::process::id()) << 32) ^ count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    let mut name = String::with_capacity(prefix.len() + 10);
    name.push_str(prefix);
    for _ in 0..10 {
        name.push(char::from(LETTERS[(mixed % 36) as usize]));
        mixed /= 36;
    }
    dir.join(name)
}

/// What this machine calls itself.
#[cfg(unix)]
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// What this machine calls itself.
#[cfg(not(unix))]
pub(crate) fn host_name() -> String {
    "localhost".to_owned()
}

/// Whether a process of this machine may be alive.
#[cfg(unix)]
pub(crate) fn is_running(pid: u64) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Whether a process of this machine may be alive: nobody can tell here.
#[cfg(not(unix))]
pub(crate) fn is_running(_pid: u64) -> bool {
    true
}

/// Removes a directory and what is in it; as much as is possible, and never through a link.
pub(crate) fn remove_tree(disk: &dyn Disk, dir: &Path) {
    let mut pending = vec![(dir.to_path_buf(), false)];
    while let Some((path, visited)) = pending.pop() {
        if visited {
            let _ = disk.remove_dir(&path);
            continue;
        }
        pending.push((path.clone(), true));
        let Ok(entries) = std::fs::read_dir(&path) else { continue };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                pending.push((entry.path(), false));
            } else {
                let _ = disk.remove_file(&entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_file_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::default();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        for (path, text) in [(&a, "first"), (&b, "second")] {
            let mut file = disk.create_new(path, Access::ReadOnly).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file.sync().unwrap();
        }
        assert_eq!(disk.publish(&a, &b).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&b).unwrap(), b"second");
        let c = dir.path().join("c");
        disk.publish(&a, &c).unwrap();
        assert!(!a.exists());
        assert_eq!(std::fs::read(&c).unwrap(), b"first");
        disk.sync_files(&[b, c]).unwrap();
        disk.sync_dir(dir.path()).unwrap();
    }

    #[test]
    fn directories_are_made_and_removed_in_depth() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::default();
        let deep = dir.path().join("x/y/z");
        disk.create_dir_all(&deep).unwrap();
        disk.create_dir_all(&deep).unwrap();
        disk.append(&deep.join("log")).unwrap().write_all(b"one").unwrap();
        disk.append(&deep.join("log")).unwrap().write_all(b"two").unwrap();
        assert_eq!(std::fs::read(deep.join("log")).unwrap(), b"onetwo");
        remove_tree(&disk, &dir.path().join("x"));
        assert!(!dir.path().join("x").exists());
    }

    #[test]
    fn scratch_names_differ() {
        let names =
            (0..1000).map(|_| scratch_name(Path::new("d"), "tmp_")).collect::<std::collections::HashSet<_>>();
        assert_eq!(names.len(), 1000);
    }
}
