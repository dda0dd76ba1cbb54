//! Which commands of a push are for the hook `proc-receive` (`receive.procReceiveRefs`).

use bstr::BString;
use git_core_protocol::server::Command;

/// Prefixes of names, each for some kinds of commands. The default names none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcRefs {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    prefix: BString,
    /// Creations, modifications, deletions.
    kinds: [bool; 3],
    /// Whether all names but those below the prefix are meant.
    others: bool,
}

impl ProcRefs {
    /// Adds one: `refs/for` for all commands on refs below it, `ad:refs/for` for additions and deletions (`m` are
    /// modifications), `!:refs/for` for those on all other refs.
    pub fn add(&mut self, text: &[u8]) -> &mut Self {
        let (flags, prefix) = match text.iter().position(|byte| *byte == b':') {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (&b""[..], text),
        };
        let mut kinds = [b'a', b'm', b'd'].map(|kind| flags.contains(&kind));
        if kinds == [false; 3] {
            kinds = [true; 3];
        }
        let end = prefix.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
        self.patterns.push(Pattern { prefix: prefix[..end].into(), kinds, others: flags.contains(&b'!') });
        self
    }

    /// Whether a command is for the hook.
    pub fn covers(&self, command: &Command) -> bool {
        let name = command.name.as_bytes();
        let kind = match (command.old, command.new) {
            (None, _) => 0,
            (_, Some(_)) => 1,
            (_, None) => 2,
        };
        self.patterns.iter().any(|pattern| {
            let rest = name.strip_prefix(pattern.prefix.as_slice());
            let below = rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
            pattern.kinds[kind] && below != pattern.others
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use git_core_object::{ObjectFormat, ObjectId};
    use git_core_ref::RefName;

    #[test]
    fn kinds_and_prefixes_decide() {
        let id = Some(ObjectId::empty_tree(ObjectFormat::Sha1));
        let command = |name: &str, old, new| Command { name: RefName::new(name).unwrap(), old, new };
        let mut refs = ProcRefs::default();
        refs.add(b"refs/for/").add(b"d:refs/heads/x").add(b"am!:refs/heads");
        assert!(refs.covers(&command("refs/for/main", None, id)));
        assert!(refs.covers(&command("refs/heads/x", id, None)));
        assert!(!refs.covers(&command("refs/heads/x", id, id)));
        assert!(refs.covers(&command("refs/tags/x", id, id)));
        assert!(!refs.covers(&command("refs/tags/x", id, None)));
        assert!(!refs.covers(&command("refs/heads/xy", id, None)));
        assert!(!ProcRefs::default().covers(&command("refs/for/x", None, id)));
    }
}
