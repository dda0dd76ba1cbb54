//! The conditions of `includeIf.<condition>.path` (`git-config(1)`, "Conditional includes").

use bstr::{BStr, BString, ByteSlice as _};
use git_core_config::{WildOptions, wildmatch};
use git_core_ref::RefName;
use std::path::Path;

/// A condition, by its keyword.
pub(super) enum Condition<'a> {
    GitDir {
        pattern: &'a BStr,
        ignore_case: bool,
    },
    OnBranch(&'a BStr),
    RemoteUrl(&'a BStr),
    /// One that newer versions may know; it does not hold.
    Unknown,
}

/// What conditions are about.
pub(super) struct Facts<'a> {
    pub(super) git_dir: Option<&'a Path>,
    pub(super) head: Option<&'a RefName>,
    pub(super) home: Option<&'a Path>,
    /// The file that the condition is in.
    pub(super) file: Option<&'a Path>,
    pub(super) urls: &'a [BString],
}

impl<'a> Condition<'a> {
    pub(super) fn parse(text: &'a BStr) -> Self {
        let after = |keyword: &str| text.strip_prefix(keyword.as_bytes()).map(BStr::new);
        if let Some(pattern) = after("gitdir:") {
            Condition::GitDir { pattern, ignore_case: false }
        } else if let Some(pattern) = after("gitdir/i:") {
            Condition::GitDir { pattern, ignore_case: true }
        } else if let Some(pattern) = after("onbranch:") {
            Condition::OnBranch(pattern)
        } else if let Some(pattern) = after("hasconfig:remote.*.url:") {
            Condition::RemoteUrl(pattern)
        } else {
            Condition::Unknown
        }
    }

    pub(super) fn holds(&self, facts: &Facts<'_>) -> bool {
        match self {
            Condition::GitDir { pattern, ignore_case } => {
                let Some(git_dir) = facts.git_dir else { return false };
                // Both the real path and the path as it was given.
                let real = git_dir.canonicalize().ok();
                [real.as_deref(), Some(git_dir)].into_iter().flatten().any(|git_dir| {
                    let (Some(prefix), rest) = literal_prefix(pattern, facts) else { return false };
                    matches_dir(&prefix, rest, git_dir, *ignore_case)
                })
            }
            Condition::OnBranch(pattern) => facts
                .head
                .and_then(|head| head.as_bytes().strip_prefix(b"refs/heads/"))
                .is_some_and(|branch| glob(&with_stars(pattern), branch, false)),
            Condition::RemoteUrl(pattern) => facts.urls.iter().any(|url| glob(pattern, url, false)),
            Condition::Unknown => false,
        }
    }
}

/// The part of a pattern that stands for a directory, with its slash and taken literally, and the glob after it.
/// No prefix at all when that directory is not known.
fn literal_prefix<'a>(pattern: &'a BStr, facts: &Facts<'_>) -> (Option<Vec<u8>>, &'a [u8]) {
    let dir = |path: Option<&Path>| {
        let path = path?;
        let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let mut bytes = path_bytes(&real);
        if !bytes.ends_with(b"/") {
            bytes.push(b'/');
        }
        Some(bytes)
    };
    if let Some(rest) = pattern.strip_prefix(b"~/") {
        (dir(facts.home), rest)
    } else if let Some(rest) = pattern.strip_prefix(b"./") {
        (dir(facts.file.and_then(Path::parent)), rest)
    } else {
        (Some(Vec::new()), pattern)
    }
}

fn matches_dir(prefix: &[u8], pattern: &[u8], git_dir: &Path, ignore_case: bool) -> bool {
    let text = path_bytes(git_dir);
    let Some(head) = text.get(..prefix.len()) else { return false };
    if !(head == prefix || ignore_case && head.eq_ignore_ascii_case(prefix)) {
        return false;
    }
    let mut pattern = with_stars(pattern);
    if prefix.is_empty() && !Path::new(&*pattern.to_path_lossy()).is_absolute() {
        pattern.splice(..0, *b"**/");
    }
    glob(&pattern, &text[prefix.len()..], ignore_case)
}

/// A slash at the end means everything below.
fn with_stars(pattern: &[u8]) -> Vec<u8> {
    let mut pattern = pattern.to_vec();
    if pattern.ends_with(b"/") {
        pattern.extend_from_slice(b"**");
    }
    pattern
}

fn glob(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
    wildmatch(pattern, text, WildOptions { pathname: true, ignore_case })
}

/// The path with forward slashes.
fn path_bytes(path: &Path) -> Vec<u8> {
    let bytes = <[u8]>::from_path(path)
        .map_or_else(|| path.to_string_lossy().into_owned().into_bytes(), <[u8]>::to_vec);
    if cfg!(windows) { bytes.replace("\\", "/") } else { bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        let head = RefName::branch("feature/x").unwrap();
        let urls = [BString::from("https://example.com/a/b.git")];
        let facts = Facts {
            git_dir: Some(Path::new("/nowhere/Work/x/.git")),
            head: Some(&head),
            home: Some(Path::new("/nowhere")),
            file: Some(Path::new("/nowhere/Work/config")),
            urls: &urls,
        };
        for (condition, expected) in [
            ("gitdir:/nowhere/Work/", true),
            ("gitdir:/nowhere/work/", false),
            ("gitdir/i:/nowhere/work/", true),
            ("gitdir:~/Work/", true),
            ("gitdir:./x/.git", true),
            ("gitdir:Work/", true),
            ("gitdir:x/.git", true),
            ("gitdir:/nowhere/*/.git", false),
            ("gitdir:/nowhere/**/.git", true),
            ("onbranch:feature/", true),
            ("onbranch:feature/*", true),
            ("onbranch:feature", false),
            ("hasconfig:remote.*.url:https://example.com/**", true),
            ("hasconfig:remote.*.url:https://example.com/*", false),
            ("what:ever", false),
        ] {
            assert_eq!(Condition::parse(condition.into()).holds(&facts), expected, "{condition}");
        }
    }
}
