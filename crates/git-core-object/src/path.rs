//! Which names a path in a working tree may be made of.
//!
//! [`check_component`] is the one check that everything written below a working tree goes through. What objects
//! may hold is another question, answered by [`check`](crate::check).

use crate::{EntryKind, ErrorKind};
use bstr::{BString, ByteSlice};

/// For which systems names are checked. The default guards against all that could read the working tree later,
/// and applies Windows' own rules where it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRules {
    /// Refuse names that HFS+ takes for `.git` because it ignores some code points; git's `core.protectHFS`.
    pub protect_hfs: bool,
    /// Refuse names that NTFS takes for `.git`, such as `git~1`; git's `core.protectNTFS`.
    pub protect_ntfs: bool,
    /// Refuse what Windows cannot store or gives a meaning of its own: `\`, `:`, `aux.c`, `name.`, ….
    pub windows: bool,
}

impl Default for PathRules {
    fn default() -> Self {
        PathRules { protect_hfs: true, protect_ntfs: true, windows: cfg!(windows) }
    }
}

/// Why a name must not be written to a working tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid path component '{}': {reason}", .name.escape_ascii())]
pub struct PathError {
    /// The name.
    pub name: BString,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl PathError {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Denied
    }
}

/// Whether an entry of this name and kind may be written to a working tree.
///
/// # Errors
/// [`PathError`] when it is empty, `.`, `..`, any form of `.git`, has a `/` or NUL inside, is a symbolic link in
/// the place of `.gitmodules`, or breaks one of the `rules`.
pub fn check_component(name: impl AsRef<[u8]>, kind: EntryKind, rules: &PathRules) -> Result<(), PathError> {
    let name = name.as_ref();
    match objection(name, kind, rules) {
        None => Ok(()),
        Some(reason) => Err(PathError { name: name.into(), reason }),
    }
}

/// [`check_component`] for every component of a path parted by `/`; all but the last are directories.
///
/// # Errors
/// [`PathError`] for the first component that may not be.
pub fn check_path(path: impl AsRef<[u8]>, kind: EntryKind, rules: &PathRules) -> Result<(), PathError> {
    let mut components = path.as_ref().split(|b| *b == b'/').peekable();
    while let Some(component) = components.next() {
        let kind = if components.peek().is_some() { EntryKind::Tree } else { kind };
        check_component(component, kind, rules)?;
    }
    Ok(())
}

fn objection(name: &[u8], kind: EntryKind, rules: &PathRules) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name == b"." || name == b".." {
        return Some("it names another directory");
    }
    if name.contains(&b'/') || name.contains(&0) {
        return Some("it has a slash or NUL inside");
    }
    if name.eq_ignore_ascii_case(b".git") {
        return Some("it names the repository");
    }
    if rules.protect_hfs && is_hfs_dot(name, b".git") {
        return Some("HFS+ takes it for the repository");
    }
    if (rules.protect_ntfs || rules.windows) && is_ntfs_dotgit(name) {
        return Some("NTFS takes it for the repository");
    }
    if kind == EntryKind::Link
        && (name.eq_ignore_ascii_case(b".gitmodules")
            || rules.protect_hfs && is_hfs_dot(name, b".gitmodules")
            || rules.protect_ntfs && is_ntfs_dot(name, &GITMODULES))
    {
        return Some("it is a symbolic link in the place of .gitmodules");
    }
    if rules.windows { windows_objection(name) } else { None }
}

/// Whether HFS+ takes `name` for `target`, which is lower-case ASCII: it ignores case and some code points.
pub(crate) fn is_hfs_dot(name: &[u8], target: &[u8]) -> bool {
    let mut seen = name
        .chars()
        .filter(|c| !matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}'))
        .map(|c| c.to_ascii_lowercase());
    target.iter().all(|b| seen.next() == Some(char::from(*b))) && seen.next().is_none()
}

/// Whether NTFS takes `name`, or what stands before a `\` or `:` in it, for `.git`.
pub(crate) fn is_ntfs_dotgit(name: &[u8]) -> bool {
    let end = name.iter().position(|b| matches!(b, b'\\' | b'/' | b':')).unwrap_or(name.len());
    let trimmed = name[..end].trim_end_with(|c| c == ' ' || c == '.');
    trimmed.eq_ignore_ascii_case(b".git") || trimmed.eq_ignore_ascii_case(b"git~1")
}

/// A file whose name git gives a meaning, and what NTFS may shorten that name to.
pub(crate) struct DotFile {
    /// The name, in lower case.
    pub(crate) name: &'static [u8],
    /// The first six characters of its hashed short name.
    pub(crate) hashed: &'static [u8; 6],
}

pub(crate) const GITMODULES: DotFile = DotFile { name: b".gitmodules", hashed: b"gi7eba" };
pub(crate) const GITATTRIBUTES: DotFile = DotFile { name: b".gitattributes", hashed: b"gi7d29" };
pub(crate) const GITIGNORE: DotFile = DotFile { name: b".gitignore", hashed: b"gi250a" };
pub(crate) const MAILMAP: DotFile = DotFile { name: b".mailmap", hashed: b"maba30" };

/// Whether NTFS takes `name` for the file: itself, with blanks and dots behind it or a stream name, or one of the
/// short names it may have been given.
pub(crate) fn is_ntfs_dot(name: &[u8], file: &DotFile) -> bool {
    let end = name.iter().position(|b| *b == b':').unwrap_or(name.len());
    let name = name[..end].trim_end_with(|c| c == ' ' || c == '.');
    if name.eq_ignore_ascii_case(file.name) {
        return true;
    }
    let Some(tilde) = name.iter().position(|b| *b == b'~') else { return false };
    let (stem, number) = (&name[..tilde], &name[tilde + 1..]);
    let plain = &file.name[1..file.name.len().min(7)];
    if stem.eq_ignore_ascii_case(plain) && matches!(number, [b'1'..=b'4']) {
        return true;
    }
    name.len() == 8
        && tilde <= 6
        && stem.eq_ignore_ascii_case(&file.hashed[..tilde])
        && matches!(number, [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit))
}

fn windows_objection(name: &[u8]) -> Option<&'static str> {
    if name.iter().any(|b| *b < b' ' || b"\\:<>\"|?*".contains(b)) {
        return Some("Windows cannot store one of its characters");
    }
    if matches!(name.last(), Some(b' ' | b'.')) {
        return Some("Windows drops the blank or dot at its end");
    }
    let stem = name.split(|b| *b == b'.').next().unwrap_or_default().trim_ascii_end();
    let stem = stem.to_ascii_lowercase();
    let numbered = |prefix: &[u8]| matches!(stem.strip_prefix(prefix), Some([b'1'..=b'9']));
    let device = matches!(&stem[..], b"con" | b"prn" | b"aux" | b"nul" | b"conin$" | b"conout$")
        || numbered(b"com")
        || numbered(b"lpt");
    device.then_some("Windows takes it for a device")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, kind: EntryKind, rules: &PathRules) -> bool {
        check_component(name, kind, rules).is_err()
    }

    const LAX: PathRules = PathRules { protect_hfs: false, protect_ntfs: false, windows: false };

    #[test]
    fn forms_of_the_repository_are_refused() {
        for name in ["", ".", "..", ".git", ".GIT", ".gIt", "a/b", "a\0"] {
            assert!(refused(name, EntryKind::Blob, &LAX), "{name:?}");
        }
        for name in [".g\u{200c}it", "\u{feff}.Git", ".git\u{206f}"] {
            assert!(refused(name, EntryKind::Blob, &PathRules { protect_hfs: true, ..LAX }), "{name:?}");
            assert!(!refused(name, EntryKind::Blob, &LAX), "{name:?}");
        }
        for name in
            ["git~1", "GIT~1", ".git ", ".git.", ".git . .", ".git::$INDEX_ALLOCATION", "git~1:x", ".git\\x"]
        {
            assert!(refused(name, EntryKind::Blob, &PathRules { protect_ntfs: true, ..LAX }), "{name:?}");
            assert!(!refused(name, EntryKind::Blob, &LAX), "{name:?}");
        }
    }

    #[test]
    fn what_real_histories_contain_is_accepted() {
        let rules = PathRules { protect_hfs: true, protect_ntfs: true, windows: false };
        for name in [
            "aux.c",
            "a:b",
            "a\\b",
            "...",
            ".gitignore",
            ".git2",
            "git~2",
            "é\u{200c}",
            "\u{fffd}",
            " ",
            "con",
        ] {
            assert!(!refused(name, EntryKind::Blob, &rules), "{name:?}");
        }
        assert!(check_path("a/b/c.rs", EntryKind::Blob, &rules).is_ok());
        for path in ["a/../b", "/a", "a//b", "a/", ".git/config", "a/.GIT/x"] {
            assert!(check_path(path, EntryKind::Blob, &rules).is_err(), "{path}");
        }
    }

    #[test]
    fn gitmodules_must_not_be_a_link() {
        let rules = PathRules::default();
        for name in [
            ".gitmodules",
            ".GitModules",
            ".gitmodules ",
            "gitmod~4",
            "GI7EBA~1",
            "gi7~1234",
            ".gitmod\u{200d}ules",
        ] {
            assert!(refused(name, EntryKind::Link, &rules), "{name:?}");
            assert!(!refused(name, EntryKind::Blob, &rules), "{name:?}");
        }
        for name in ["gitmod~5", "gi7eba~0", "gi7ebb~1", ".gitmodulesx", "gi7~123"] {
            assert!(!refused(name, EntryKind::Link, &rules), "{name:?}");
        }
    }

    #[test]
    fn windows_has_rules_of_its_own() {
        let rules = PathRules { windows: true, ..PathRules::default() };
        for name in
            ["aux", "AUX.c", "com1.txt", "lpt9", "a:b", "a\\b", "a.", "a ", "nul .x", "a?", "\u{1}", "CONIN$"]
        {
            assert!(refused(name, EntryKind::Blob, &rules), "{name:?}");
        }
        for name in ["auxiliary", "com0", "com10", "console", ".x"] {
            assert!(!refused(name, EntryKind::Blob, &rules), "{name:?}");
        }
    }
}
