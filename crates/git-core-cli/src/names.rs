//! Names of refs as people see them: shortened as far as they stay clear, or by parts of their paths.

use bstr::ByteSlice as _;
use git_core::object::ReadError;
use git_core::refs::RefName;
use git_core::store::Snapshot;

/// Which other refs a short name must not be mistaken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ambiguity {
    /// Those that git would find first.
    Loose,
    /// Any.
    Strict,
}

/// Where git looks for a short name, in order.
const RULES: [(&[u8], &[u8]); 6] = [
    (b"", b""),
    (b"refs/", b""),
    (b"refs/tags/", b""),
    (b"refs/heads/", b""),
    (b"refs/remotes/", b""),
    (b"refs/remotes/", b"/HEAD"),
];

/// The shortest name that means the ref.
pub(crate) fn shorten(
    snapshot: &dyn Snapshot,
    name: &[u8],
    ambiguity: Ambiguity,
) -> Result<Vec<u8>, ReadError> {
    for (at, (before, after)) in RULES.iter().enumerate().skip(1).rev() {
        let Some(short) = name.strip_prefix(*before).and_then(|rest| rest.strip_suffix(*after)) else {
            continue;
        };
        if short.is_empty() {
            continue;
        }
        let rivals = if ambiguity == Ambiguity::Strict { RULES.len() } else { at };
        let mut clear = true;
        for (_, (before, after)) in RULES.iter().enumerate().take(rivals).filter(|(other, _)| *other != at) {
            let Ok(other) = RefName::new([before, short, after].concat()) else { continue };
            // What a rule makes of the name is the same ref when a remote has a `HEAD`.
            if other.as_bytes() != name && snapshot.find_ref(&other)?.is_some() {
                clear = false;
                break;
            }
        }
        if clear {
            return Ok(short.to_vec());
        }
    }
    Ok(name.to_vec())
}

/// Takes `count` parts away from the left; a negative count says how many are left.
pub(crate) fn strip_left(name: &[u8], count: i64) -> &[u8] {
    let parts = name.split_str("/").count() as i64;
    let take = if count < 0 { (parts + count).max(0) } else { count };
    if take >= parts {
        return b"";
    }
    let mut rest = name;
    for _ in 0..take {
        rest = rest.find_byte(b'/').map_or(&b""[..], |at| &rest[at + 1..]);
    }
    rest
}

/// Takes `count` parts away from the right; a negative count says how many are left.
pub(crate) fn strip_right(name: &[u8], count: i64) -> &[u8] {
    let parts = name.split_str("/").count() as i64;
    let take = if count < 0 { (parts + count).max(0) } else { count };
    if take >= parts {
        return b"";
    }
    let mut rest = name;
    for _ in 0..take {
        rest = rest.rfind_byte(b'/').map_or(&b""[..], |at| &rest[..at]);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_taken_away() {
        assert_eq!(strip_left(b"refs/heads/a/b", 2), b"a/b");
        assert_eq!(strip_left(b"refs/heads/a/b", -1), b"b");
        assert_eq!(strip_left(b"refs/heads/a/b", 4), b"");
        assert_eq!(strip_right(b"refs/heads/a/b", 1), b"refs/heads/a");
        assert_eq!(strip_right(b"refs/heads/a/b", -1), b"refs");
    }
}
