//! What a short name stands for, by git's rules (`gitrevisions(7)`).

use crate::RefName;

/// The rules in order, each what stands before and after the short name.
pub const SHORT_NAME_RULES: [(&str, &str); 6] = [
    ("", ""),
    ("refs/", ""),
    ("refs/tags/", ""),
    ("refs/heads/", ""),
    ("refs/remotes/", ""),
    ("refs/remotes/", "/HEAD"),
];

/// The full names that `short` may stand for, the most preferred first; those that cannot be are left out.
pub fn expand(short: &[u8]) -> impl Iterator<Item = RefName> {
    SHORT_NAME_RULES.iter().filter_map(move |(before, after)| {
        RefName::new([before.as_bytes(), short, after.as_bytes()].concat()).ok()
    })
}

/// The most preferred full name that exists.
pub fn resolve(short: &[u8], mut exists: impl FnMut(&RefName) -> bool) -> Option<RefName> {
    expand(short).find(|name| exists(name))
}
