//! The list of refs, as an advertisement of v0 and v1 and as the answer to `ls-refs` of v2, written in steps.

use super::mux::{Out, STEP};
use super::{Refs, RefsPurpose, RefsQuery};
use crate::Capabilities;
use bstr::BString;
use git_core_object::{ObjectFormat, ObjectId};
use std::sync::Arc;

/// How the list is written.
#[derive(Debug)]
pub(super) enum Style {
    /// With the capabilities on the first line.
    Advertisement { purpose: RefsPurpose, capabilities: Capabilities },
    /// One line for each ref with attributes.
    LsRefs { prefixes: Prefixes, symrefs: bool, peel: bool, unborn: bool },
}

/// A list of refs of which some lines were written.
#[derive(Debug)]
pub(super) struct Listing {
    refs: Refs,
    style: Style,
    format: ObjectFormat,
    next_ref: usize,
    next_have: usize,
    /// Commits at which the history ends, said behind the refs of an advertisement.
    shallow: Arc<Vec<ObjectId>>,
    next_shallow: usize,
    /// The capabilities, until a line bore them.
    greeting: Option<Vec<u8>>,
    ended: bool,
}

impl Listing {
    pub(super) fn new(refs: Refs, style: Style, format: ObjectFormat) -> Self {
        let greeting = match &style {
            Style::Advertisement { purpose, capabilities } => {
                let mut capabilities = capabilities.clone();
                if *purpose == RefsPurpose::Fetch {
                    add_symrefs(&refs, &mut capabilities);
                }
                let mut list = vec![0];
                // Git's own order has the object format and the agent last; clients do not mind either way.
                capabilities.write_list(&mut list);
                Some(list)
            }
            Style::LsRefs { .. } => None,
        };
        Listing {
            refs,
            style,
            format,
            next_ref: 0,
            next_have: 0,
            shallow: Arc::default(),
            next_shallow: 0,
            greeting,
            ended: false,
        }
    }

    /// Behind the refs, these commits are said to have no parents here.
    pub(super) fn with_shallow(mut self, shallow: &Arc<Vec<ObjectId>>) -> Self {
        self.shallow = shallow.clone();
        self
    }

    /// Writes about [`STEP`] bytes more; `false` once the list is complete.
    pub(super) fn step(&mut self, out: &mut Out) -> bool {
        if self.ended {
            return false;
        }
        let start = out.buffer().len();
        let mut hex = Vec::with_capacity(ObjectFormat::MAX_LEN * 2);
        while out.buffer().len() - start < STEP {
            if let Some(entry) = self.refs.refs.get(self.next_ref) {
                self.next_ref += 1;
                let name = entry.name.as_bytes();
                match &self.style {
                    Style::Advertisement { purpose, .. } => {
                        let Some(id) = &entry.id else { continue };
                        if *purpose == RefsPurpose::Push && !name.starts_with(b"refs/") {
                            continue;
                        }
                        write_hex(&mut hex, id);
                        let greeting = self.greeting.take().unwrap_or_default();
                        out.line(&[&hex, b" ", name, &greeting]);
                        if *purpose == RefsPurpose::Fetch
                            && let Some(peeled) = &entry.peeled
                        {
                            write_hex(&mut hex, peeled);
                            out.line(&[&hex, b" ", name, b"^{}"]);
                        }
                    }
                    Style::LsRefs { prefixes, symrefs, peel, unborn } => {
                        if !prefixes.matches(name) {
                            continue;
                        }
                        let symref = entry.symref.as_ref().filter(|_| *symrefs);
                        hex.clear();
                        match &entry.id {
                            Some(id) => id.write_hex(&mut hex),
                            None if *unborn && symref.is_some() => hex.extend_from_slice(b"unborn"),
                            None => continue,
                        }
                        let mut attributes = Vec::new();
                        if let Some(target) = symref {
                            attributes.extend_from_slice(b" symref-target:");
                            attributes.extend_from_slice(target.as_bytes());
                        }
                        if let (Some(peeled), true) = (&entry.peeled, *peel) {
                            attributes.extend_from_slice(b" peeled:");
                            peeled.write_hex(&mut attributes);
                        }
                        out.line(&[&hex, b" ", name, &attributes]);
                    }
                }
            } else if let Some(id) = self.refs.haves.get(self.next_have) {
                self.next_have += 1;
                write_hex(&mut hex, id);
                let greeting = self.greeting.take().unwrap_or_default();
                out.line(&[&hex, b" .have", &greeting]);
            } else if let Some(greeting) = self.greeting.take() {
                write_hex(&mut hex, &ObjectId::null(self.format));
                out.line(&[&hex, b" capabilities^{}", &greeting]);
            } else if let Some(id) = self.shallow.get(self.next_shallow) {
                self.next_shallow += 1;
                write_hex(&mut hex, id);
                out.line(&[b"shallow ", &hex]);
            } else {
                out.flush();
                self.ended = true;
                break;
            }
        }
        true
    }
}

fn write_hex(hex: &mut Vec<u8>, id: &ObjectId) {
    hex.clear();
    id.write_hex(hex);
}

fn add_symrefs(refs: &Refs, capabilities: &mut Capabilities) {
    for entry in refs.refs.iter().take_while(|entry| entry.name.is_head()) {
        if let (Some(target), Some(_)) = (&entry.symref, &entry.id) {
            capabilities.add_value("symref", [b"HEAD:", target.as_bytes()].concat());
        }
    }
}

/// Ref prefixes, none of which begins with another, in order: one look-up tells whether any matches.
#[derive(Debug, Default)]
pub(super) struct Prefixes(Vec<BString>);

impl Prefixes {
    pub(super) fn of(query: &RefsQuery) -> Self {
        let mut all = query.prefixes.clone();
        all.sort_unstable();
        all.dedup_by(|later, earlier| later.starts_with(earlier.as_slice()));
        Prefixes(all)
    }

    /// Whether a name begins with one of them; all names do when there are none.
    fn matches(&self, name: &[u8]) -> bool {
        let below = self.0.partition_point(|prefix| prefix.as_slice() <= name);
        self.0.is_empty() || below > 0 && name.starts_with(&self.0[below - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_match_as_each_alone_would() {
        let prefixes = ["refs/heads/", "refs/heads/main", "HEAD", "refs/tags/v1", "refs/tags/v", "z"];
        let query = RefsQuery {
            purpose: RefsPurpose::Fetch,
            prefixes: prefixes.iter().map(|p| BString::from(*p)).collect(),
            symrefs: false,
            peel: false,
            unborn: false,
            server_options: Vec::new(),
        };
        let set = Prefixes::of(&query);
        for name in
            ["HEAD", "HEA", "refs/heads/x", "refs/heads", "refs/tags/v2", "refs/tags/a", "refs/z", "a"]
        {
            let expected = prefixes.iter().any(|p| name.starts_with(p));
            assert_eq!(set.matches(name.as_bytes()), expected, "{name}");
        }
        assert!(Prefixes::default().matches(b"anything"));
    }
}
