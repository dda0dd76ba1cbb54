//! Refs that peers are not shown: `transfer.hideRefs` and its like.

use bstr::BString;
use git_core_ref::RefName;
use git_core_store::config::{Config, ConfigError};

/// Which refs are hidden (`git-config(1)`, transfer.hideRefs). The default hides none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HiddenRefs {
    rules: Vec<Rule>,
    /// What stands before the names that peers see.
    namespace: BString,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    prefix: BString,
    shows: bool,
    /// Whether the whole name counts, rather than what a peer sees of it.
    whole: bool,
}

impl HiddenRefs {
    /// Adds a rule, which wins over those before it: names that are `pattern` or lie below it are hidden, or with
    /// `!` before it shown; with `^` before it the namespace is part of the name.
    pub fn add(&mut self, pattern: &[u8]) -> &mut Self {
        let (pattern, shows) = match pattern.strip_prefix(b"!") {
            Some(rest) => (rest, true),
            None => (pattern, false),
        };
        let (pattern, whole) = match pattern.strip_prefix(b"^") {
            Some(rest) => (rest, true),
            None => (pattern, false),
        };
        let end = pattern.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
        self.rules.push(Rule { prefix: pattern[..end].into(), shows, whole });
        self
    }

    /// The rules of `transfer.hideRefs` and another variable, in the order in which they were configured.
    pub(super) fn configured(config: &Config, variable: &str, namespace: &[u8]) -> Result<Self, ConfigError> {
        let mut hidden = HiddenRefs { rules: Vec::new(), namespace: namespace.into() };
        for entry in config.entries() {
            let is_one = |name: &str| entry.key().eq_ignore_ascii_case(name.as_bytes());
            if is_one("transfer.hiderefs") || is_one(variable) {
                hidden.add(entry.to_text()?);
            }
        }
        Ok(hidden)
    }

    /// Whether none is hidden.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a ref is hidden, by the name that peers know it by.
    pub fn hides(&self, name: &RefName) -> bool {
        let name = name.as_bytes();
        let below = |prefix: &[u8], name: &[u8]| {
            name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        let decides = |rule: &&Rule| match rule.whole && !self.namespace.is_empty() {
            true => below(&rule.prefix, &[self.namespace.as_slice(), name].concat()),
            false => below(&rule.prefix, name),
        };
        self.rules.iter().rev().find(decides).is_some_and(|rule| !rule.shows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_fits_decides() {
        let mut hidden = HiddenRefs { namespace: "refs/namespaces/n/".into(), ..HiddenRefs::default() };
        for pattern in
            ["refs/heads/a/", "refs/tags", "!refs/tags/v1", "refs/tags/v1/x", "^refs/namespaces/n/refs/n"]
        {
            hidden.add(pattern.as_bytes());
        }
        for (name, hides) in [
            ("refs/heads/a", true),
            ("refs/heads/a/b", true),
            ("refs/heads/ab", false),
            ("refs/tags/v2", true),
            ("refs/tags/v1", false),
            ("refs/tags/v1/y", false),
            ("refs/tags/v1/x", true),
            ("refs/n/1", true),
            ("refs/notes/1", false),
        ] {
            assert_eq!(hidden.hides(&RefName::new(name).unwrap()), hides, "{name}");
        }
    }
}
