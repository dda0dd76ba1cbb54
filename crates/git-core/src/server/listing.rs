//! Which refs a peer is shown: read page by page, so that a list of any length costs one page of memory.

use super::HiddenRefs;
use super::haves::AlternateTips;
use bstr::BString;
use git_core_object::{Kind, ObjectId, ReadError};
use git_core_protocol::server::{AdvertisedRef, Refs, RefsPurpose, RefsQuery};
use git_core_ref::{RefName, Target};
use git_core_store::{Reference, Snapshot, revision, walk};
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// What is kept between the pages of a list.
#[derive(Default)]
pub(super) struct Listing {
    seen: SeenObjects,
    /// Tips of other repositories that no ref of the list has shown yet, in their order.
    elsewhere: Vec<ObjectId>,
}

impl Listing {
    /// The page that is asked for.
    pub(super) fn page(
        &mut self,
        snapshot: &Arc<dyn Snapshot>,
        hidden: &HiddenRefs,
        alternates: Option<&AlternateTips>,
        query: &RefsQuery,
    ) -> Result<Refs, ReadError> {
        let mut page = Page { snapshot: &**snapshot, query, seen: &mut self.seen, refs: Vec::new() };
        let wanted = |name: &RefName| {
            let named = || query.prefixes.iter().any(|prefix| name.as_bytes().starts_with(prefix));
            (query.prefixes.is_empty() || named()) && !hidden.hides(name)
        };
        if query.after.is_none() {
            *page.seen = SeenObjects::default();
            if query.purpose == RefsPurpose::Fetch && wanted(&RefName::head()) {
                page.add_head()?;
            }
            self.elsewhere = match (query.purpose, alternates) {
                (RefsPurpose::Push, Some(alternates)) => alternates.find(snapshot),
                _ => Vec::new(),
            };
        }
        let mut more = None;
        let mut failed = None;
        snapshot.for_each_ref_after(common_prefix(&query.prefixes), query.after.as_ref(), &mut |found| {
            if !wanted(&found.name) {
                return ControlFlow::Continue(());
            }
            let full = page.refs.len() + 1 >= query.limit;
            more = full.then(|| found.name.clone());
            match page.add(found) {
                Ok(()) if !full => ControlFlow::Continue(()),
                Ok(()) => ControlFlow::Break(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        let refs = page.refs;
        if !self.elsewhere.is_empty() {
            let shown: HashSet<ObjectId> = refs.iter().filter_map(|one| one.id).collect();
            self.elsewhere.retain(|id| !shown.contains(id));
        }
        let haves = if more.is_none() { std::mem::take(&mut self.elsewhere) } else { Vec::new() };
        Ok(Refs { refs: Arc::new(refs), more, haves })
    }
}

/// A page that is being filled.
struct Page<'a> {
    snapshot: &'a dyn Snapshot,
    query: &'a RefsQuery,
    seen: &'a mut SeenObjects,
    refs: Vec<AdvertisedRef>,
}

impl Page<'_> {
    fn add_head(&mut self) -> Result<(), ReadError> {
        let head = RefName::head();
        let Some(found) = self.snapshot.find_ref(&head)? else { return Ok(()) };
        match revision::follow(self.snapshot, &head)?.1 {
            None if self.query.unborn => {
                let symref = found.target.symbolic().cloned();
                self.refs.push(AdvertisedRef { name: found.name, id: None, peeled: None, symref });
                Ok(())
            }
            None => Ok(()),
            Some(id) => self.show(found, id),
        }
    }

    /// Adds a ref, if there is anything at its end.
    fn add(&mut self, found: Reference) -> Result<(), ReadError> {
        let id = match &found.target {
            Target::Id(id) => Some(*id),
            Target::Symbolic(_) => revision::follow(self.snapshot, &found.name)?.1,
        };
        id.map_or(Ok(()), |id| self.show(found, id))
    }

    /// Adds a ref that leads to `id`; one that points to an object that is not there is not shown, as in git.
    fn show(&mut self, found: Reference, id: ObjectId) -> Result<(), ReadError> {
        let seen = match self.seen.get(&id) {
            Some(seen) => seen,
            None => {
                let seen = self.look(id, found.peeled)?;
                self.seen.put(id, seen);
                seen
            }
        };
        if seen.is_there {
            let symref = found.target.symbolic().cloned();
            self.refs.push(AdvertisedRef { name: found.name, id: Some(id), peeled: seen.peeled, symref });
        }
        Ok(())
    }

    /// Whether an object is there, and what it leads to if it is a tag, which the storage may have `said`.
    fn look(&self, id: ObjectId, said: Option<Option<ObjectId>>) -> Result<Seen, ReadError> {
        if let Some(peeled) = said {
            let peeled = peeled.filter(|_| self.query.peel);
            return Ok(Seen { is_there: self.snapshot.contains(&id)?, peeled });
        }
        let Some(header) = self.snapshot.header(&id)? else {
            return Ok(Seen { is_there: false, peeled: None });
        };
        let peeled = match header.kind {
            Kind::Tag if self.query.peel => {
                Some(walk::peel(self.snapshot, id, &mut Vec::new(), &mut Vec::new())?.0)
            }
            _ => None,
        };
        Ok(Seen { is_there: true, peeled })
    }
}

/// What is known of an object that a ref holds.
#[derive(Clone, Copy)]
struct Seen {
    is_there: bool,
    /// What it leads to, if it is a tag.
    peeled: Option<ObjectId>,
}

/// The objects that were looked at last: many refs may hold one id.
#[derive(Default)]
struct SeenObjects(HashMap<ObjectId, Seen>);

impl SeenObjects {
    /// How many are kept, so that memory does not grow with the list.
    const KEPT: usize = 1 << 13;

    fn get(&self, id: &ObjectId) -> Option<Seen> {
        self.0.get(id).copied()
    }

    fn put(&mut self, id: ObjectId, seen: Seen) {
        if self.0.len() >= Self::KEPT {
            self.0.clear();
        }
        self.0.insert(id, seen);
    }
}

/// What all prefixes begin with.
fn common_prefix(prefixes: &[BString]) -> &[u8] {
    let Some((first, rest)) = prefixes.split_first() else {
        return b"";
    };
    let len = rest.iter().fold(first.len(), |len, other| {
        first[..len].iter().zip(other.iter()).take_while(|(a, b)| a == b).count()
    });
    &first[..len]
}
