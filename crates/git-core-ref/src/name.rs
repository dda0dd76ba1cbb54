//! Names of refs, checked once, at construction.
//!
//! The rules are those of `git-check-ref-format(1)`. Which of the names exist is left to the storage.

use bstr::{BStr, ByteSlice as _};
use git_core_object::ErrorKind;
use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The full name of a ref: `refs/…`, or a root ref such as `HEAD` or `FETCH_HEAD`.
///
/// Not necessarily UTF-8, ordered as bytes, cheap to clone. There is no other way to make one than through
/// the check, so a storage may use it as a path below the repository.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefName(Arc<[u8]>);

/// A name that no ref can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not a valid ref name: {problem}", .name.escape_ascii())]
pub struct InvalidRefName {
    /// The first bytes of the name, at most [`SHOWN`](Self::SHOWN).
    pub name: Vec<u8>,
    /// The rule it breaks.
    pub problem: RefNameProblem,
}

impl InvalidRefName {
    /// How many bytes of a refused name are kept for the message.
    pub const SHOWN: usize = 256;

    fn new(name: &[u8], problem: RefNameProblem) -> Self {
        InvalidRefName { name: name[..name.len().min(Self::SHOWN)].to_vec(), problem }
    }

    /// The class of the error: always [`ErrorKind::Invalid`].
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// A rule of `git-check-ref-format(1)`, or of where refs may live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefNameProblem {
    /// It has no bytes.
    #[error("it is empty")]
    Empty,
    /// It begins or ends with a slash, or has two in a row.
    #[error("a component is empty")]
    EmptyComponent,
    /// A component begins with a dot.
    #[error("a component begins with '.'")]
    LeadingDot,
    /// A component ends with `.lock`, the names of lock files.
    #[error("a component ends with '.lock'")]
    Lock,
    /// Two dots in a row, which is a range of revisions.
    #[error("it contains '..'")]
    DoubleDot,
    /// It ends with a dot.
    #[error("it ends with '.'")]
    TrailingDot,
    /// `@{`, which selects a reflog entry.
    #[error("it contains '@{{'")]
    AtBrace,
    /// The single character `@`, which is short for `HEAD`.
    #[error("it is '@'")]
    At,
    /// A control byte, a space, or one of `~ ^ : ? * [ \`.
    #[error("the byte '{}' is not allowed", .0.escape_ascii())]
    Byte(u8),
    /// More than one `*` in a pattern.
    #[error("a pattern has one '*' only")]
    Asterisks,
    /// Neither below `refs/` nor a root ref.
    #[error("it is neither below 'refs/' nor of capital letters, like HEAD")]
    Outside,
    /// Longer than any file system or peer would take.
    #[error("it is longer than {} bytes", RefName::MAX_LEN)]
    Length,
}

impl RefName {
    /// The longest name taken, in bytes.
    pub const MAX_LEN: usize = 4096;

    /// Checks a full name.
    ///
    /// Below `refs/` the rules are exactly those of `git check-ref-format`. Outside of it only root refs are
    /// taken: `A`–`Z` first, then `A`–`Z`, `_` and `-` (`HEAD`, `ORIG_HEAD`, `FETCH_HEAD`).
    ///
    /// # Errors
    /// [`InvalidRefName`] with the rule that is broken.
    pub fn new(name: impl AsRef<[u8]>) -> Result<Self, InvalidRefName> {
        let name = name.as_ref();
        let verdict = if is_root(name) {
            Ok(())
        } else if !name.starts_with(b"refs/") {
            check(name, 0).and(Err(RefNameProblem::Outside))
        } else {
            check(name, 0)
        };
        match verdict {
            Ok(()) if name.len() > Self::MAX_LEN => Err(InvalidRefName::new(name, RefNameProblem::Length)),
            Ok(()) => Ok(RefName(name.into())),
            Err(problem) => Err(InvalidRefName::new(name, problem)),
        }
    }

    /// The name of a branch: `refs/heads/` and `short`.
    ///
    /// # Errors
    /// [`InvalidRefName`]; also for the names that `git branch` refuses, those with a leading `-` and `HEAD`.
    pub fn branch(short: impl AsRef<[u8]>) -> Result<Self, InvalidRefName> {
        let short = short.as_ref();
        if short.first() == Some(&b'-') {
            return Err(InvalidRefName::new(short, RefNameProblem::Byte(b'-')));
        }
        if short == b"HEAD" {
            return Err(InvalidRefName::new(short, RefNameProblem::Outside));
        }
        Self::new([b"refs/heads/", short].concat())
    }

    /// The name of a tag: `refs/tags/` and `short`.
    ///
    /// # Errors
    /// [`InvalidRefName`].
    pub fn tag(short: impl AsRef<[u8]>) -> Result<Self, InvalidRefName> {
        Self::new([b"refs/tags/", short.as_ref()].concat())
    }

    /// `HEAD`.
    pub fn head() -> Self {
        RefName(Arc::from(&b"HEAD"[..]))
    }

    /// The name's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name for display.
    pub fn as_bstr(&self) -> &BStr {
        self.0.as_bstr()
    }

    /// The name without `refs/heads/`, `refs/tags/`, `refs/remotes/` or `refs/`, whichever it begins with.
    pub fn short(&self) -> &BStr {
        [&b"refs/heads/"[..], b"refs/tags/", b"refs/remotes/", b"refs/"]
            .iter()
            .find_map(|prefix| self.0.strip_prefix(*prefix))
            .unwrap_or(&self.0)
            .as_bstr()
    }

    /// Whether this is `HEAD`.
    pub fn is_head(&self) -> bool {
        *self.0 == *b"HEAD"
    }

    /// Whether it lives outside of `refs/`, as `HEAD` does.
    pub fn is_root(&self) -> bool {
        !self.0.starts_with(b"refs/")
    }

    /// Whether it is below `refs/heads/`.
    pub fn is_branch(&self) -> bool {
        self.0.starts_with(b"refs/heads/")
    }

    /// Whether it is below `refs/tags/`.
    pub fn is_tag(&self) -> bool {
        self.0.starts_with(b"refs/tags/")
    }

    /// Whether it is below `refs/remotes/`.
    pub fn is_remote(&self) -> bool {
        self.0.starts_with(b"refs/remotes/")
    }

    /// The names that would have to be directories if this ref were a file: `refs/heads/a/b` gives
    /// `refs/heads/a`, `refs/heads` and `refs`, in this order.
    pub fn parents(&self) -> impl Iterator<Item = &BStr> {
        let name = self.as_bytes();
        name.iter().enumerate().rev().filter(|(_, b)| **b == b'/').map(|(at, _)| name[..at].as_bstr())
    }
}

/// The verdict of `git check-ref-format <name>`: at least two components, and the rules for all names.
///
/// Such a name is not yet a [`RefName`], which lives below `refs/`.
///
/// # Errors
/// [`InvalidRefName`] with the rule that is broken.
pub fn check_format(name: &[u8]) -> Result<(), InvalidRefName> {
    check(name, 0)
        .and_then(|()| if name.contains(&b'/') { Ok(()) } else { Err(RefNameProblem::Outside) })
        .map_err(|problem| InvalidRefName::new(name, problem))
}

/// The verdict of `git check-ref-format --refspec-pattern --allow-onelevel <pattern>`: one `*` is allowed.
///
/// # Errors
/// [`InvalidRefName`] with the rule that is broken.
pub fn check_pattern(pattern: &[u8]) -> Result<(), InvalidRefName> {
    check(pattern, 1).map_err(|problem| InvalidRefName::new(pattern, problem))
}

fn is_root(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_uppercase)
        && name.iter().all(|b| b.is_ascii_uppercase() || matches!(b, b'_' | b'-'))
}

/// All rules but the one on the number of components.
fn check(name: &[u8], mut asterisks: usize) -> Result<(), RefNameProblem> {
    if name.is_empty() {
        return Err(RefNameProblem::Empty);
    }
    if name == b"@" {
        return Err(RefNameProblem::At);
    }
    // Where the component begins that is being looked at.
    let mut start = 0;
    for (at, &byte) in name.iter().enumerate() {
        if !MATTERS[usize::from(byte)] {
            continue;
        }
        let last = if at > start { name[at - 1] } else { b'/' };
        match byte {
            b'/' => {
                check_end(&name[start..at])?;
                start = at + 1;
            }
            b'.' if last == b'/' => return Err(RefNameProblem::LeadingDot),
            b'.' if last == b'.' => return Err(RefNameProblem::DoubleDot),
            b'.' => {}
            b'{' if last == b'@' => return Err(RefNameProblem::AtBrace),
            b'{' => {}
            b'*' if asterisks > 0 => asterisks -= 1,
            _ => return Err(RefNameProblem::Byte(byte)),
        }
    }
    check_end(&name[start..])?;
    if name.ends_with(b".") {
        return Err(RefNameProblem::TrailingDot);
    }
    Ok(())
}

/// The bytes that [`check`] looks at more closely: most names have few of them.
const MATTERS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(
            byte as u8,
            0..=b' ' | 0x7f | b'~' | b'^' | b':' | b'?' | b'*' | b'[' | b'\\' | b'/' | b'.' | b'{'
        );
        byte += 1;
    }
    table
};

/// What shows when a component has ended.
fn check_end(component: &[u8]) -> Result<(), RefNameProblem> {
    if component.is_empty() {
        return Err(RefNameProblem::EmptyComponent);
    }
    if component.ends_with(b".lock") {
        return Err(RefNameProblem::Lock);
    }
    Ok(())
}

impl AsRef<[u8]> for RefName {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for RefName {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for RefName {
    type Err = InvalidRefName;

    fn from_str(name: &str) -> Result<Self, InvalidRefName> {
        Self::new(name)
    }
}

impl TryFrom<&[u8]> for RefName {
    type Error = InvalidRefName;

    fn try_from(name: &[u8]) -> Result<Self, InvalidRefName> {
        Self::new(name)
    }
}

impl TryFrom<&str> for RefName {
    type Error = InvalidRefName;

    fn try_from(name: &str) -> Result<Self, InvalidRefName> {
        Self::new(name)
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_bstr(), f)
    }
}

impl fmt::Debug for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_bstr(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_root_refs() {
        for good in
            ["HEAD", "ORIG_HEAD", "refs/heads/main", "refs/stash", "refs/heads/@", "refs/heads/ö", "refs/x/-"]
        {
            assert!(RefName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "@",
            "head",
            "main",
            "heads/main",
            "refs",
            "refs/",
            "/refs/a",
            "refs//a",
            "refs/a/",
            "refs/.a",
            "refs/a.lock",
            "refs/a.lock/b",
            "refs/a..b",
            "refs/a.",
            "refs/a@{b",
            "refs/a b",
            "refs/a\n",
            "refs/*",
            "refs/a\\b",
            "refs/../config",
            "_HEAD",
            "HEAD1",
            "-A",
            "objects/pack/x",
        ] {
            assert!(RefName::new(bad).is_err(), "{bad}");
        }
        assert!(RefName::branch("-x").is_err());
        assert!(RefName::branch("HEAD").is_err());
        assert!(RefName::new([b"refs/heads/".as_slice(), &vec![b'a'; 5000]].concat()).is_err());
    }

    #[test]
    fn parts_of_a_name() {
        let name = RefName::branch("a/b").unwrap();
        assert!(name.is_branch() && !name.is_tag() && !name.is_root());
        assert_eq!(name.short(), "a/b");
        assert_eq!(name.parents().collect::<Vec<_>>(), ["refs/heads/a", "refs/heads", "refs"]);
        assert_eq!(RefName::head().short(), "HEAD");
        assert_eq!(RefName::head().parents().count(), 0);
    }

    #[test]
    fn patterns() {
        for good in ["refs/heads/*", "*", "refs/*/x", "refs/a*b/c", "main"] {
            assert!(check_pattern(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in ["refs/*/*", "", "refs/heads/", "a b*"] {
            assert!(check_pattern(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
