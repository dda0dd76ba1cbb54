//! Which other object directories a repository borrows from: `objects/info/alternates`
//! (`gitrepository-layout(5)`) and what a caller adds (`GIT_ALTERNATE_OBJECT_DIRECTORIES`, `git(1)`).

use git_core_object::ReadError;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

/// An alternate of an alternate of … this many levels is the last that is followed, as in git.
pub(crate) const MAX_DEPTH: usize = 5;

/// The object directories to search after `own`, in order and each once: those in `extra`, then those that
/// `own` names, each followed by the ones it names itself.
///
/// Directories that are not there are left out, as are cycles.
///
/// # Errors
/// [`ReadError::Unavailable`] when an `alternates` file is there and cannot be read.
pub fn alternates(own: &Path, extra: &[PathBuf]) -> Result<Vec<PathBuf>, ReadError> {
    let mut seen = HashSet::new();
    seen.extend(own.canonicalize());
    let mut found = Vec::new();
    // A stack whose top is the next directory to look at: depth first, in the order of the lines.
    let mut pending: Vec<(PathBuf, usize)> = extra.iter().rev().map(|path| (path.clone(), 0)).collect();
    let mut from_own = read_alternates(own)?;
    from_own.reverse();
    pending.splice(0..0, from_own.into_iter().map(|path| (path, 0)));
    while let Some((path, depth)) = pending.pop() {
        let Ok(real) = path.canonicalize() else {
            tracing::warn!(directory = %path.display(), "an alternate object directory is not there");
            continue;
        };
        if !real.is_dir() || !seen.insert(real) {
            continue;
        }
        if depth < MAX_DEPTH {
            let nested = read_alternates(&path)?;
            pending.extend(nested.into_iter().rev().map(|path| (path, depth + 1)));
        } else if path.join("info/alternates").exists() {
            tracing::warn!(directory = %path.display(), "alternates are nested too deep");
        }
        found.push(path);
    }
    Ok(found)
}

fn read_alternates(dir: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let file = dir.join("info/alternates");
    match std::fs::read(&file) {
        Ok(content) => Ok(parse(&content, dir)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(ReadError::unavailable(file.display(), error)),
    }
}

/// One path per line; relative ones are below `dir`. Lines that begin with `#` are comments, and one that
/// begins with a quote is quoted as in C.
fn parse(content: &[u8], dir: &Path) -> Vec<PathBuf> {
    content
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty() && line[0] != b'#')
        .filter_map(|line| {
            let path = match line[0] {
                b'"' => unquote(line).unwrap_or_else(|| line.to_vec()),
                _ => line.to_vec(),
            };
            to_path(path).map(|path| dir.join(path))
        })
        .collect()
}

#[cfg(unix)]
fn to_path(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    Some(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn to_path(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

/// Undoes the quoting that `git-config(1)` describes under `core.quotePath`; the whole line is one such string.
fn unquote(line: &[u8]) -> Option<Vec<u8>> {
    let inner = line.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        let plain = match byte {
            b'"' => return None,
            b'\\' => match bytes.next()? {
                b'a' => 7,
                b'b' => 8,
                b't' => b'\t',
                b'n' => b'\n',
                b'v' => 11,
                b'f' => 12,
                b'r' => b'\r',
                quoted @ (b'"' | b'\\') => quoted,
                high @ b'0'..=b'3' => {
                    let mut value = high - b'0';
                    for _ in 0..2 {
                        let digit = bytes.next().filter(|b| (b'0'..=b'7').contains(b))? - b'0';
                        value = (value << 3) | digit;
                    }
                    value
                }
                _ => return None,
            },
            other => other,
        };
        out.push(plain);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(root: &Path, name: &str, alternates: &[&str]) -> PathBuf {
        let dir = root.join(name);
        std::fs::create_dir_all(dir.join("info")).unwrap();
        std::fs::write(dir.join("info/alternates"), alternates.join("\n")).unwrap();
        dir
    }

    #[test]
    fn nested_relative_quoted_and_cyclic() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let a = objects(root, "a", &["# comment", "", "../b", "../missing", "\"../\\150 h\""]);
        objects(root, "b", &["../c"]);
        objects(root, "c", &["../a", "../b", "."]);
        objects(root, "h h", &[]);
        objects(root, "x", &[]);
        let found = alternates(&a, &[root.join("x")]).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|path| path.canonicalize().unwrap().file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["x", "b", "c", "h h"]);
    }

    #[test]
    fn a_chain_ends_at_the_limit() {
        let root = tempfile::tempdir().unwrap();
        for n in 0..10 {
            objects(root.path(), &n.to_string(), &[&format!("../{}", n + 1)]);
        }
        objects(root.path(), "10", &[]);
        assert_eq!(alternates(&root.path().join("0"), &[]).unwrap().len(), 1 + MAX_DEPTH);
    }

    #[test]
    fn quoting() {
        assert_eq!(unquote(b"\"a\\\"b\\\\c\\n\\303\\266\""), Some("a\"b\\c\nö".as_bytes().to_vec()));
        for bad in [&b"\"a"[..], b"\"a\\\"", b"\"a\"b\"", b"\"\\400\"", b"\"\\x\""] {
            assert_eq!(unquote(bad), None, "{}", bad.escape_ascii());
        }
    }
}
