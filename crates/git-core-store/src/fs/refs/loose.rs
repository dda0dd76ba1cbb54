//! Loose refs: one file each, read with one open and one read.
//!
//! Names that cannot be refs and files that hold no value are passed over with a warning, as git does it, when
//! all refs are listed; asked for by name, a damaged ref is an error.

use super::place::{self, Places};
use bstr::ByteSlice as _;
use git_core_object::{ObjectFormat, ReadError};
use git_core_ref::{RefName, Target};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
#[cfg(not(unix))]
use std::path::PathBuf;

/// The most that is read of a file which should hold one ref; `FETCH_HEAD` goes on after its first id.
const READ_AT_MOST: usize = 8 << 10;

/// What lies where a loose ref would be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Loose {
    /// Nothing; also when a file stands where one of its directories would be.
    Missing,
    /// A directory.
    Directory,
    /// A ref.
    Found(Target),
    /// A file that is no ref, and why.
    Broken(String),
}

/// Reads the file at `path`.
pub(super) fn read(path: &Path, format: ObjectFormat) -> Result<Loose, ReadError> {
    match open(path) {
        Ok(Opened::File(file)) => {
            content(file, format).map_err(|error| ReadError::unavailable(path.display(), error))
        }
        Ok(Opened::Link) => {
            read_link(path, format).map_err(|error| ReadError::unavailable(path.display(), error))
        }
        Err(error) => absent(path, error).map_err(|error| ReadError::unavailable(path.display(), error)),
    }
}

enum Opened {
    File(File),
    Link,
}

/// Opens without following a link, since a link may itself be a symbolic ref.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<Opened> {
    use rustix::fs::{Mode, OFlags};
    match rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty()) {
        Ok(file) => Ok(Opened::File(file.into())),
        Err(rustix::io::Errno::LOOP) => Ok(Opened::Link),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<Opened> {
    File::open(path).map(Opened::File)
}

fn absent(path: &Path, error: io::Error) -> io::Result<Loose> {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(Loose::Missing),
        _ if path.is_dir() => Ok(Loose::Directory),
        // Names longer than the file system takes cannot be there.
        io::ErrorKind::InvalidFilename => Ok(Loose::Missing),
        _ => Err(error),
    }
}

fn content(mut file: File, format: ObjectFormat) -> io::Result<Loose> {
    let mut short = [0_u8; 256];
    let mut got = match file.read(&mut short) {
        Ok(got) => got,
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => return Ok(Loose::Directory),
        Err(error) => return Err(error),
    };
    if got < short.len() {
        return Ok(parse(format, &short[..got]));
    }
    let mut long = vec![0_u8; READ_AT_MOST];
    long[..got].copy_from_slice(&short);
    loop {
        match file.read(&mut long[got..])? {
            0 => return Ok(parse(format, &long[..got])),
            more => got += more,
        }
    }
}

fn parse(format: ObjectFormat, content: &[u8]) -> Loose {
    match Target::parse_loose(format, content) {
        Ok(Target::Id(id)) if id.is_null() => Loose::Broken("a ref file that holds the null id".to_owned()),
        Ok(target) => Loose::Found(target),
        Err(error) => Loose::Broken(error.to_string()),
    }
}

/// A symbolic link to `refs/…` is a symbolic ref; any other link is followed.
fn read_link(path: &Path, format: ObjectFormat) -> io::Result<Loose> {
    if let Ok(to) = std::fs::read_link(path)
        && let Some(to) = <[u8]>::from_os_str(to.as_os_str())
        && to.starts_with(b"refs/")
        && let Ok(name) = RefName::new(to)
    {
        return Ok(Loose::Found(Target::Symbolic(name)));
    }
    match File::open(path) {
        Ok(file) => content(file, format),
        Err(error) => absent(path, error),
    }
}

/// All loose refs whose names begin with `prefix`, sorted by the bytes of their names.
pub(super) fn collect(
    places: &Places,
    prefix: &[u8],
    format: ObjectFormat,
) -> Result<Vec<(RefName, Target)>, ReadError> {
    let mut found = Vec::new();
    let Some(start) = start_of(prefix) else { return Ok(found) };
    if places.is_linked() {
        walk(&places.common_dir, start, prefix, format, &mut |name| !place::is_private(name), &mut found)?;
        for private in place::PRIVATE {
            if start.starts_with(private) {
                walk(&places.git_dir, start, prefix, format, &mut |_| true, &mut found)?;
            } else if private.starts_with(start) {
                walk(&places.git_dir, private, prefix, format, &mut |_| true, &mut found)?;
            }
        }
    } else {
        walk(&places.git_dir, start, prefix, format, &mut |_| true, &mut found)?;
    }
    found.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

/// Whether any loose ref lies below the directory `name/`. Lock files do not count.
pub(super) fn first_below(
    places: &Places,
    name: &RefName,
    format: ObjectFormat,
) -> Result<Option<RefName>, ReadError> {
    let mut prefix = name.as_bytes().to_vec();
    prefix.push(b'/');
    Ok(collect(places, &prefix, format)?.into_iter().next().map(|(name, _)| name))
}

/// The deepest directory, with its final slash, that holds all refs with this prefix.
fn start_of(prefix: &[u8]) -> Option<&[u8]> {
    if b"refs/".starts_with(prefix) {
        return Some(b"refs/");
    }
    let end = prefix.iter().rposition(|byte| *byte == b'/')? + 1;
    let dir = &prefix[..end];
    // The check keeps `..` and the like from becoming a path.
    (dir == b"refs/" || RefName::new(&dir[..end - 1]).is_ok_and(|name| !name.is_root())).then_some(dir)
}

fn walk(
    root: &Path,
    start: &[u8],
    prefix: &[u8],
    format: ObjectFormat,
    wanted: &mut dyn FnMut(&[u8]) -> bool,
    found: &mut Vec<(RefName, Target)>,
) -> Result<(), ReadError> {
    let mut pending = vec![start.to_vec()];
    let mut name = Vec::new();
    while let Some(dir_name) = pending.pop() {
        // Bounds the depth, whatever links there are.
        if dir_name.len() > RefName::MAX_LEN {
            continue;
        }
        let path = place::join(root, &dir_name);
        let Some(dir) = Dir::open(&path).map_err(|error| ReadError::unavailable(path.display(), error))?
        else {
            continue;
        };
        for entry in dir.entries() {
            let entry = entry.map_err(|error| ReadError::unavailable(path.display(), error))?;
            let file_name = entry.file_name();
            let Some(last) = <[u8]>::from_os_str(&file_name) else { continue };
            if last.starts_with(b".") || last.ends_with(b".lock") {
                continue;
            }
            name.clear();
            name.extend_from_slice(&dir_name);
            name.extend_from_slice(last);
            let kind = entry.file_type().map_err(|error| ReadError::unavailable(path.display(), error))?;
            if kind.is_dir() || (kind.is_symlink() && entry.path().is_dir()) {
                name.push(b'/');
                if name.starts_with(prefix) || prefix.starts_with(&name) {
                    pending.push(name.clone());
                }
                continue;
            }
            if !name.starts_with(prefix) || !wanted(&name) {
                continue;
            }
            let Ok(ref_name) = RefName::new(&name) else {
                tracing::warn!(name = %name.as_bstr(), "ignoring ref with broken name");
                continue;
            };
            match dir.read(&file_name, format) {
                Ok(Loose::Found(target)) => found.push((ref_name, target)),
                // Packed, deleted or replaced by a directory since it was listed.
                Ok(Loose::Missing | Loose::Directory) => {}
                Ok(Loose::Broken(why)) => tracing::warn!(name = %ref_name, why, "ignoring broken ref"),
                Err(error) => return Err(ReadError::unavailable(entry.path().display(), error)),
            }
        }
    }
    Ok(())
}

/// A directory whose files are opened relative to it, which saves resolving its path for each.
struct Dir {
    entries: std::cell::Cell<Option<std::fs::ReadDir>>,
    #[cfg(unix)]
    handle: File,
    #[cfg(not(unix))]
    path: PathBuf,
}

impl Dir {
    /// `None` when it is not there, or is no directory.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let listing = || -> io::Result<Self> {
            Ok(Dir {
                #[cfg(unix)]
                handle: File::open(path)?,
                #[cfg(not(unix))]
                path: path.to_path_buf(),
                entries: std::cell::Cell::new(Some(std::fs::read_dir(path)?)),
            })
        };
        match listing() {
            Ok(dir) => Ok(Some(dir)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn entries(&self) -> impl Iterator<Item = io::Result<std::fs::DirEntry>> {
        self.entries.take().into_iter().flatten()
    }

    #[cfg(unix)]
    fn read(&self, name: &std::ffi::OsStr, format: ObjectFormat) -> io::Result<Loose> {
        use rustix::fs::{Mode, OFlags};
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        match rustix::fs::openat(&self.handle, name, flags, Mode::empty()) {
            Ok(file) => content(file.into(), format),
            Err(rustix::io::Errno::NOENT) => Ok(Loose::Missing),
            Err(rustix::io::Errno::LOOP) => {
                let to = rustix::fs::readlinkat(&self.handle, name, Vec::new())?;
                if to.as_bytes().starts_with(b"refs/")
                    && let Ok(name) = RefName::new(to.as_bytes())
                {
                    return Ok(Loose::Found(Target::Symbolic(name)));
                }
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                match rustix::fs::openat(&self.handle, name, flags, Mode::empty()) {
                    Ok(file) => content(file.into(), format),
                    Err(rustix::io::Errno::NOENT | rustix::io::Errno::LOOP) => Ok(Loose::Missing),
                    Err(error) => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(not(unix))]
    fn read(&self, name: &std::ffi::OsStr, format: ObjectFormat) -> io::Result<Loose> {
        let path = self.path.join(name);
        match File::open(&path) {
            Ok(file) => content(file, format),
            Err(error) => absent(&path, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use git_core_object::ObjectId;

    fn put(root: &Path, name: &str, content: &[u8]) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    #[test]
    fn listing_is_sorted_by_bytes_and_passes_over_what_is_no_ref() {
        let dir = tempfile::tempdir().unwrap();
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            let id = format!("{}\n", ObjectId::empty_tree(format));
            for name in ["refs/heads/a/b", "refs/heads/a-b", "refs/heads/a0", "refs/tags/t", "refs/stash"] {
                put(dir.path(), name, id.as_bytes());
            }
            put(dir.path(), "refs/heads/x.lock", id.as_bytes());
            put(dir.path(), "refs/heads/.hidden", id.as_bytes());
            put(dir.path(), "refs/heads/sp ace", id.as_bytes());
            put(dir.path(), "refs/heads/empty", b"");
            put(dir.path(), "refs/heads/null", format!("{}\n", ObjectId::null(format)).as_bytes());
            let places = Places { git_dir: dir.path().into(), common_dir: dir.path().into() };
            let names = |prefix: &str| {
                let all = collect(&places, prefix.as_bytes(), format).unwrap();
                all.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>()
            };
            assert_eq!(
                names(""),
                ["refs/heads/a-b", "refs/heads/a/b", "refs/heads/a0", "refs/stash", "refs/tags/t"]
            );
            assert_eq!(names("refs/heads/a/"), ["refs/heads/a/b"]);
            assert_eq!(names("refs/heads/a"), ["refs/heads/a-b", "refs/heads/a/b", "refs/heads/a0"]);
            assert_eq!(names("refs/heads/../tags/"), [""; 0]);
            assert_eq!(names("HEAD"), [""; 0]);
            assert_eq!(
                first_below(&places, &RefName::branch("a").unwrap(), format).unwrap(),
                Some(RefName::branch("a/b").unwrap())
            );
            let read = |name: &str| read(&dir.path().join(name), format).unwrap();
            assert_eq!(read("refs/heads"), Loose::Directory);
            assert_eq!(read("refs/heads/a-b/x"), Loose::Missing);
            assert!(matches!(read("refs/heads/empty"), Loose::Broken(_)));
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_symbolic_refs() {
        let dir = tempfile::tempdir().unwrap();
        let format = ObjectFormat::Sha1;
        put(dir.path(), "refs/heads/main", ObjectId::empty_tree(format).to_hex().as_bytes());
        std::os::unix::fs::symlink("refs/heads/main", dir.path().join("HEAD")).unwrap();
        std::os::unix::fs::symlink("main", dir.path().join("refs/heads/alias")).unwrap();
        let main = RefName::branch("main").unwrap();
        assert_eq!(read(&dir.path().join("HEAD"), format).unwrap(), Loose::Found(Target::Symbolic(main)));
        let places = Places { git_dir: dir.path().into(), common_dir: dir.path().into() };
        assert_eq!(collect(&places, b"refs/", format).unwrap().len(), 2);
    }
}
