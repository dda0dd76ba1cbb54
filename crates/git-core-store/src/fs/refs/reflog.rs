//! Reflog files: read from their end, appended to, removed with their refs.

use super::LogUpdates;
use super::place::Places;
use crate::fs::sys::Disk;
use bstr::ByteSlice as _;
use git_core_object::{ObjectFormat, ReadError, Stopped};
use git_core_ref::{RefName, ReflogLine};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::Path;

/// How much of a log is read at a time.
const BLOCK: u64 = 8 << 10;
/// The longest line that is taken.
const MAX_LINE: usize = 1 << 20;

/// Visits the entries from the newest to the oldest, block by block; no file has none. Lines that are no entries
/// are passed over, as git does it.
pub(super) fn read_backwards(
    path: &Path,
    format: ObjectFormat,
    visit: &mut dyn FnMut(ReflogLine<'_>) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let unavailable = |error| ReadError::unavailable(path.display(), error);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(error) => return Err(unavailable(error)),
    };
    let metadata = file.metadata().map_err(unavailable)?;
    if metadata.is_dir() {
        return Ok(());
    }
    let mut end = metadata.len();
    // The bytes from `end` on that were read and not yet shown: never more than a block and a line.
    let mut pending: Vec<u8> = Vec::new();
    let mut show = |line: &[u8]| {
        if line.is_empty() {
            return ControlFlow::Continue(());
        }
        match ReflogLine::parse(format, line) {
            Ok(entry) => visit(entry),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "ignoring a reflog entry");
                ControlFlow::Continue(())
            }
        }
    };
    while end > 0 {
        let size = BLOCK.min(end);
        end -= size;
        let mut block = vec![0; size as usize];
        file.seek(SeekFrom::Start(end)).map_err(unavailable)?;
        file.read_exact(&mut block).map_err(unavailable)?;
        block.append(&mut pending);
        pending = block;
        while let Some(at) = pending.rfind_byte(b'\n') {
            if show(&pending[at + 1..]).is_break() {
                return Ok(());
            }
            pending.truncate(at);
        }
        if pending.len() > MAX_LINE {
            return Err(ReadError::Stopped(Stopped::Limit { name: "reflog line", bound: MAX_LINE as u64 }));
        }
    }
    let _ = show(&pending);
    Ok(())
}

/// The names of all refs that have a log.
pub(super) fn list(places: &Places) -> Result<Vec<RefName>, ReadError> {
    let mut found = Vec::new();
    list_below(
        &places.common_dir,
        &mut |name| !places.is_linked() || !super::place::is_private(name),
        &mut found,
    )?;
    if places.is_linked() {
        list_below(&places.git_dir, &mut super::place::is_private, &mut found)?;
    }
    Ok(found)
}

fn list_below(
    root: &Path,
    wanted: &mut dyn FnMut(&[u8]) -> bool,
    found: &mut Vec<RefName>,
) -> Result<(), ReadError> {
    let logs = root.join("logs");
    let mut pending = vec![Vec::new()];
    while let Some(dir_name) = pending.pop() {
        // Bounds the depth, whatever links there are.
        if dir_name.len() > RefName::MAX_LEN {
            continue;
        }
        let dir = super::place::join(&logs, &dir_name);
        let unavailable = |error| ReadError::unavailable(dir.display(), error);
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                continue;
            }
            Err(error) => return Err(unavailable(error)),
        };
        for entry in entries {
            let entry = entry.map_err(unavailable)?;
            let mut name: Vec<u8> = dir_name.clone();
            name.extend_from_slice(entry.file_name().as_encoded_bytes());
            if entry.file_type().map_err(unavailable)?.is_dir() {
                name.push(b'/');
                pending.push(name);
            } else if let Ok(ref_name) = RefName::new(&name)
                && wanted(&name)
            {
                found.push(ref_name);
            }
        }
    }
    Ok(())
}

/// Whether a change of the ref is to be logged: its log is there, or it is one of those that get one.
pub(super) fn wanted(places: &Places, name: &RefName, updates: LogUpdates) -> bool {
    const USUAL: [&[u8]; 3] = [b"refs/heads/", b"refs/remotes/", b"refs/notes/"];
    let created = match updates {
        LogUpdates::Existing => false,
        LogUpdates::Usual => name.is_head() || USUAL.iter().any(|prefix| name.as_bytes().starts_with(prefix)),
        LogUpdates::Always => name.is_head() || !name.is_root(),
    };
    created || places.log(name).is_file()
}

/// Adds a line to the log of a ref, which is made if it is not there.
pub(super) fn append(disk: &dyn Disk, path: &Path, line: &ReflogLine<'_>) -> io::Result<()> {
    let mut text = Vec::with_capacity(256);
    line.write(&mut text);
    let mut file = match disk.append(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().ok_or(error)?;
            disk.create_dir_all(parent)?;
            disk.append(path)?
        }
        // Empty directories are left behind by the logs of refs that are gone.
        Err(_) if path.is_dir() => {
            remove_empty_tree(disk, path)?;
            disk.append(path)?
        }
        Err(error) => return Err(error),
    };
    // One write, so that lines of two writers do not mix.
    file.write_all(&text)
}

/// Removes directories that hold nothing but directories.
pub(super) fn remove_empty_tree(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    let mut pending = vec![(dir.to_path_buf(), false)];
    while let Some((path, visited)) = pending.pop() {
        if visited {
            match disk.remove_dir(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => continue,
            }
        }
        pending.push((path.clone(), true));
        for entry in std::fs::read_dir(&path)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            pending.push((entry.path(), false));
        }
    }
    Ok(())
}

/// Removes the directories above a file that is gone, as far as they are empty, up to `keep` components of the
/// name below `root`: git keeps `refs/heads` and its like.
pub(super) fn remove_empty_parents(disk: &dyn Disk, root: &Path, name: &RefName) {
    const KEEP: usize = 2;
    for parent in name.parents() {
        if parent.find_iter("/").count() < KEEP || disk.remove_dir(&super::place::join(root, parent)).is_err()
        {
            break;
        }
    }
}

/// Removes the log of a ref that was deleted, and directories that became empty.
pub(super) fn remove(disk: &dyn Disk, places: &Places, name: &RefName) -> io::Result<()> {
    match disk.remove_file(&places.log(name)) {
        Ok(()) => {
            remove_empty_parents(disk, &places.root(name.as_bytes()).join("logs"), name);
            Ok(())
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(())
        }
        // Left behind by the logs of refs below it.
        Err(_) if places.log(name).is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::sys::RealDisk;
    use git_core_object::ObjectId;
    use git_core_ref::LogMessage;

    #[test]
    fn a_long_log_comes_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            let path = dir.path().join(format!("logs/{format}/x"));
            let disk = RealDisk::default();
            let id = ObjectId::empty_tree(format);
            for count in 0..300 {
                let log = LogMessage::new("A <a@b> 1112911993 -0700", format!("change {count}"));
                append(&disk, &path, &ReflogLine::of_change(id, id, &log)).unwrap();
            }
            let mut seen = Vec::new();
            read_backwards(&path, format, &mut |entry| {
                seen.push(entry.message.to_string());
                ControlFlow::Continue(())
            })
            .unwrap();
            assert_eq!(seen.len(), 300);
            assert!(seen.iter().rev().enumerate().all(|(count, text)| *text == format!("change {count}")));
            let mut first = None;
            read_backwards(&path, format, &mut |entry| {
                first = Some(entry.message.to_string());
                ControlFlow::Break(())
            })
            .unwrap();
            assert_eq!(first.as_deref(), Some("change 299"));
        }
        read_backwards(&dir.path().join("none"), ObjectFormat::Sha1, &mut |_| unreachable!()).unwrap();
    }

    #[test]
    fn empty_directories_make_room() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::default();
        std::fs::create_dir_all(dir.path().join("logs/refs/heads/a/b/c")).unwrap();
        let id = ObjectId::empty_tree(ObjectFormat::Sha1);
        let log = LogMessage::new("A <a@b> 1 +0000", "");
        append(&disk, &dir.path().join("logs/refs/heads/a"), &ReflogLine::of_change(id, id, &log)).unwrap();
        assert!(dir.path().join("logs/refs/heads/a").is_file());
    }
}
