//! `pack-objects --delta-islands`: groups of refs that are fetched apart from one another (`pack.island`).

use crate::fail::Failure;
use git_core::Repository;
use git_core::object::{Context, ObjectId};
use git_core::pack::Islands;
use git_core::store::Snapshot;
use git_core::store::walk::{self, Groups, ObjectSet, PackOrder};
use regex::bytes::Regex;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Which islands each object belongs to.
struct Marks {
    set: ObjectSet,
    groups: Groups,
    /// The island whose objects come first.
    core: Option<u32>,
}

impl Marks {
    fn class(&self, id: &ObjectId) -> Option<u32> {
        self.groups.class(self.set.numbers().lookup(id)?)
    }
}

impl fmt::Debug for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Marks").finish_non_exhaustive()
    }
}

impl Islands for Marks {
    fn may_use(&self, object: &ObjectId, base: &ObjectId) -> bool {
        let Some(object) = self.class(object) else { return true };
        let Some(base) = self.class(base) else { return false };
        if object == base {
            return true;
        }
        let base = self.groups.of_class(base);
        self.groups.of_class(object).iter().all(|island| base.binary_search(island).is_ok())
    }

    fn is_core(&self, object: &ObjectId) -> bool {
        self.core.is_some_and(|core| {
            self.class(object).is_some_and(|class| self.groups.of_class(class).binary_search(&core).is_ok())
        })
    }
}

/// Sorts the refs into islands and finds what each of them reaches; `None` when no island is configured.
pub(super) fn find(
    repository: &Repository,
    snapshot: &dyn Snapshot,
    cx: &Context,
) -> Result<Option<Arc<dyn Islands>>, Failure> {
    let mut patterns = Vec::new();
    for entry in repository.config().get_all("pack.island") {
        let text = entry.to_text()?.to_string();
        let anchored = if text.starts_with('^') { text.clone() } else { format!("^{text}") };
        let pattern = Regex::new(&anchored).map_err(|_| {
            Failure::fatal(format_args!("failed to load island regex for 'pack.island': {text}"))
        })?;
        patterns.push(pattern);
    }
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut tips: BTreeMap<Vec<u8>, Vec<ObjectId>> = BTreeMap::new();
    let mut names = Vec::new();
    snapshot.for_each_ref(b"", &mut |found| {
        names.push((found.name, found.target.id()));
        ControlFlow::Continue(())
    })?;
    for (name, id) in names {
        // The last one that matches decides.
        let found = patterns.iter().rev().find_map(|pattern| pattern.captures(name.as_bytes()));
        let (Some(captures), Some(id)) = (found, id) else { continue };
        let groups: Vec<&[u8]> = captures.iter().skip(1).flatten().map(|group| group.as_bytes()).collect();
        tips.entry(groups.join(&b"-"[..])).or_default().push(id);
    }
    let core = match repository.config().text("pack.islandCore")? {
        Some(name) => (0u32..).zip(tips.keys()).find(|(_, island)| name == *island).map(|(number, _)| number),
        None => None,
    };
    let tips: Vec<(u32, ObjectId)> = (0..)
        .zip(tips.into_values())
        .flat_map(|(island, ids)| ids.into_iter().map(move |id| (island, id)))
        .collect();
    let roots: Vec<ObjectId> = tips.iter().map(|(_, id)| *id).collect();
    let counted = walk::count_for_pack(snapshot, &roots, PackOrder::default(), &cx.clone().quiet())?;
    let (set, story) = counted.into_parts();
    let groups = story.groups(snapshot, &set, &tips, cx)?;
    Ok(Some(Arc::new(Marks { set, groups, core })))
}
