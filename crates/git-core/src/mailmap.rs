//! Whose name and address stand for which others (`gitmailmap(5)`).

use bstr::{BString, ByteSlice as _};
use std::collections::HashMap;

/// What files of mappings say.
#[derive(Clone, Debug, Default)]
pub struct Mailmap {
    /// By address, in lower case.
    by_email: HashMap<Vec<u8>, Entry>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    any: Proper,
    /// By name, in lower case.
    by_name: HashMap<Vec<u8>, Proper>,
}

#[derive(Clone, Debug, Default)]
struct Proper {
    name: Option<BString>,
    email: Option<BString>,
}

impl Mailmap {
    /// Adds the lines of a file; they override those that were added before.
    pub fn add(&mut self, text: &[u8]) {
        for line in text.lines().filter(|line| !line.starts_with(b"#")) {
            let Some((name, email, rest)) = person(line) else { continue };
            if email.is_empty() {
                continue;
            }
            let (proper, old_name, old_email) = match person(rest) {
                Some((old_name, old_email, _)) => {
                    (Proper { name: name.map(Into::into), email: Some(email.into()) }, old_name, old_email)
                }
                None => (Proper { name: name.map(Into::into), email: None }, None, email),
            };
            let entry = self.by_email.entry(old_email.to_ascii_lowercase()).or_default();
            let slot = match old_name {
                None => &mut entry.any,
                Some(old) => entry.by_name.entry(old.to_ascii_lowercase()).or_default(),
            };
            slot.name = proper.name.or(slot.name.take());
            slot.email = proper.email.or(slot.email.take());
        }
    }

    /// Whether nobody stands for anybody else.
    pub fn is_empty(&self) -> bool {
        self.by_email.is_empty()
    }

    /// The proper name and address of somebody.
    pub fn proper<'a>(&'a self, name: &'a [u8], email: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        let Some(entry) = self.by_email.get(&email.to_ascii_lowercase()) else { return (name, email) };
        let found = entry.by_name.get(&name.to_ascii_lowercase()).unwrap_or(&entry.any);
        (found.name.as_ref().map_or(name, |name| name), found.email.as_ref().map_or(email, |email| email))
    }

    /// A commit or tag with the proper names and addresses of its author, committer or tagger.
    pub fn rewrite(&self, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(content.len());
        let mut rest = content;
        while let Some(end) = rest.find_byte(b'\n') {
            let (line, behind) = rest.split_at(end + 1);
            if line == b"\n" {
                break;
            }
            let start = [&b"author "[..], b"committer ", b"tagger "]
                .into_iter()
                .find(|start| line.starts_with(start));
            match start.and_then(|start| Some((start, person(&line[start.len()..end])?))) {
                Some((start, (name, email, date))) => {
                    let (name, email) = self.proper(name.unwrap_or_default(), email);
                    out.extend_from_slice(&[start, name, b" <", email, b">", date, b"\n"].concat());
                }
                None => out.extend_from_slice(line),
            }
            rest = behind;
        }
        out.extend_from_slice(rest);
        out
    }
}

/// The name, if there is one, the address, and what follows.
type Person<'a> = (Option<&'a [u8]>, &'a [u8], &'a [u8]);

/// Takes `Name <address>` from the beginning: the name if there is one, the address, and what follows.
fn person(text: &[u8]) -> Option<Person<'_>> {
    let open = text.find_byte(b'<')?;
    let close = open + text[open..].find_byte(b'>')?;
    let name = text[..open].trim_ascii();
    Some(((!name.is_empty()).then_some(name), &text[open + 1..close], &text[close + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_lines_are_known() {
        let mut map = Mailmap::default();
        map.add(b"# <no@x> <one@x>\nProper One <one@x>\n<two@x> <Two@Old>\nThree <three@x> <old@x>\n");
        map.add(b"Four <four@x> Old Four <old@x>\nno address\n<> <>\n");
        let proper = |name: &'static str, email: &'static str| {
            let (name, email) = map.proper(name.as_bytes(), email.as_bytes());
            format!("{} <{}>", name.as_bstr(), email.as_bstr())
        };
        assert_eq!(proper("x", "ONE@x"), "Proper One <ONE@x>");
        assert_eq!(proper("x", "two@old"), "x <two@x>");
        assert_eq!(proper("x", "old@x"), "Three <three@x>");
        assert_eq!(proper("old four", "old@x"), "Four <four@x>");
        assert_eq!(proper("x", "y"), "x <y>");
        let commit = b"tree 1\nauthor x <two@old> 1 +0000\n\nauthor x <two@old> 1 +0000\n";
        let wanted = b"tree 1\nauthor x <two@x> 1 +0000\n\nauthor x <two@old> 1 +0000\n";
        assert_eq!(map.rewrite(commit).as_bstr(), wanted.as_bstr());
    }
}
