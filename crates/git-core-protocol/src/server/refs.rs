//! The list of refs, as an advertisement of v0 and v1 and as the answer to `ls-refs` of v2, written in steps.

use super::mux::{Out, STEP};
use super::{Refs, RefsPurpose, RefsQuery, ServerError};
use crate::Capabilities;
use bstr::BString;
use git_core_object::{ObjectFormat, ObjectId};
use std::sync::Arc;

/// How the list is written.
#[derive(Debug)]
pub(super) enum Style {
    /// With the capabilities on the first line.
    Advertisement { capabilities: Capabilities },
    /// One line for each ref with attributes.
    LsRefs { prefixes: Prefixes },
}

/// A list of refs that is asked for page by page, of which some lines were written.
#[derive(Debug)]
pub(super) struct Listing {
    query: RefsQuery,
    style: Style,
    format: ObjectFormat,
    /// The page at hand; none while it is being asked for.
    page: Option<Refs>,
    next_ref: usize,
    next_have: usize,
    /// Commits at which the history ends, said behind the refs of an advertisement.
    shallow: Arc<Vec<ObjectId>>,
    next_shallow: usize,
    /// What stands behind the first line, until there was one.
    greeting: Option<Vec<u8>>,
    greeted: bool,
    ended: bool,
}

/// What a step came to.
#[derive(Debug)]
pub(super) enum Step {
    /// Bytes were written.
    Written,
    /// Nothing: a page is awaited.
    Asked,
    /// Nothing: this is to be asked.
    Next(RefsQuery),
    /// The list is complete.
    Ended,
}

impl Listing {
    /// A list whose first page is being asked for with this query.
    pub(super) fn new(query: RefsQuery, style: Style, format: ObjectFormat) -> Self {
        Listing {
            query,
            style,
            format,
            page: None,
            next_ref: 0,
            next_have: 0,
            shallow: Arc::default(),
            next_shallow: 0,
            greeting: None,
            greeted: false,
            ended: false,
        }
    }

    /// Behind the refs, these commits are said to have no parents here.
    pub(super) fn with_shallow(mut self, shallow: &Arc<Vec<ObjectId>>) -> Self {
        self.shallow = shallow.clone();
        self
    }

    /// Takes the page that was asked for.
    pub(super) fn page(&mut self, refs: Refs) -> Result<(), ServerError> {
        if self.page.is_some() {
            return Err(ServerError::MismatchedAnswer);
        }
        if !std::mem::replace(&mut self.greeted, true)
            && let Style::Advertisement { capabilities } = &mut self.style
        {
            if self.query.purpose == RefsPurpose::Fetch {
                add_symrefs(&refs, capabilities);
            }
            let mut list = vec![0];
            // Git's own order has the object format and the agent last; clients do not mind either way.
            capabilities.write_list(&mut list);
            self.greeting = Some(list);
        }
        (self.next_ref, self.next_have) = (0, 0);
        self.page = Some(refs);
        Ok(())
    }

    /// Writes about [`STEP`] bytes more.
    pub(super) fn step(&mut self, out: &mut Out) -> Step {
        if self.ended {
            return Step::Ended;
        }
        let Some(page) = &mut self.page else { return Step::Asked };
        let start = out.buffer().len();
        let mut hex = Vec::with_capacity(ObjectFormat::MAX_LEN * 2);
        let mut attributes = Vec::new();
        while out.buffer().len() - start < STEP {
            if let Some(entry) = page.refs.get(self.next_ref) {
                self.next_ref += 1;
                let name = entry.name.as_bytes();
                match &self.style {
                    Style::Advertisement { .. } => {
                        let Some(id) = &entry.id else { continue };
                        let fetch = self.query.purpose == RefsPurpose::Fetch;
                        if !fetch && !name.starts_with(b"refs/") {
                            continue;
                        }
                        write_hex(&mut hex, id);
                        let greeting = self.greeting.take().unwrap_or_default();
                        out.line(&[&hex, b" ", name, &greeting]);
                        if fetch && let Some(peeled) = &entry.peeled {
                            write_hex(&mut hex, peeled);
                            out.line(&[&hex, b" ", name, b"^{}"]);
                        }
                    }
                    Style::LsRefs { prefixes } => {
                        if !prefixes.matches(name) {
                            continue;
                        }
                        let symref = entry.symref.as_ref().filter(|_| self.query.symrefs);
                        hex.clear();
                        match &entry.id {
                            Some(id) => id.write_hex(&mut hex),
                            None if self.query.unborn && symref.is_some() => hex.extend_from_slice(b"unborn"),
                            None => continue,
                        }
                        attributes.clear();
                        if let Some(target) = symref {
                            attributes.extend_from_slice(b" symref-target:");
                            attributes.extend_from_slice(target.as_bytes());
                        }
                        if let (Some(peeled), true) = (&entry.peeled, self.query.peel) {
                            attributes.extend_from_slice(b" peeled:");
                            peeled.write_hex(&mut attributes);
                        }
                        out.line(&[&hex, b" ", name, &attributes]);
                    }
                }
            } else if page.more.is_some() {
                if out.buffer().len() > start {
                    break;
                }
                self.query.after = page.more.take();
                self.page = None;
                return Step::Next(self.query.clone());
            } else if let Some(id) = page.haves.get(self.next_have) {
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
        Step::Written
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
            prefixes: prefixes.iter().map(|p| BString::from(*p)).collect(),
            ..RefsQuery::all(RefsPurpose::Fetch)
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
