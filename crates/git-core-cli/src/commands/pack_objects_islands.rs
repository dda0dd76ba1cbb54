//! `pack-objects --delta-islands`: groups of refs that are fetched apart from one another (`pack.island`).

use crate::fail::Failure;
use git_core::Repository;
use git_core::object::{Context, ObjectId};
use git_core::pack::Islands;
use git_core::store::Snapshot;
use git_core::store::walk::{self, Query};
use regex::bytes::Regex;
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Which islands each object belongs to: objects of the same islands are of one class.
struct Marks {
    classes: HashMap<ObjectId, u32>,
    /// By class: its islands, ascending.
    islands: Vec<Vec<u32>>,
}

impl Islands for Marks {
    fn may_use(&self, object: &ObjectId, base: &ObjectId) -> bool {
        let Some(object) = self.classes.get(object) else { return true };
        let Some(base) = self.classes.get(base) else { return false };
        if object == base {
            return true;
        }
        let base = &self.islands[*base as usize];
        self.islands[*object as usize].iter().all(|island| base.binary_search(island).is_ok())
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
    let mut marks = Marks { classes: HashMap::new(), islands: vec![Vec::new()] };
    for (island, include) in (0u32..).zip(tips.into_values()) {
        let query = Query { include, ..Query::default() };
        let set = walk::reachable(snapshot, &query, &cx.clone().quiet())?;
        // Of each class, the part that this island reaches becomes a class of its own.
        let mut moved: HashMap<u32, u32> = HashMap::new();
        for id in set.ids() {
            let class = marks.classes.entry(id).or_insert(0);
            let islands = &mut marks.islands;
            *class = *moved.entry(*class).or_insert_with(|| {
                let mut more = islands[*class as usize].clone();
                more.push(island);
                islands.push(more);
                (islands.len() - 1) as u32
            });
        }
    }
    Ok(Some(Arc::new(marks)))
}
