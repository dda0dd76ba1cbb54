//! Object filters applied to trees.
//!
//! Most filters look at an object alone, and the walk through trees stays as it is: that is [`Rule`]. Where the
//! depth or the path counts, an object may be let through at one place and not at another, so trees are gone through
//! again wherever they may bring something: that is [`Sieve`].

use super::covered::has;
use super::trees::{MAX_DEPTH, Origin, Trees, Visit, entry_at};
use crate::filter::{ObjectFilter, SparsePatterns};
use git_core_config::ignore::PathKind;
use git_core_object::{EntryKind, Kind, ObjectId, Objects, ReadError};
use hashbrown::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

/// What is let through wherever it is met.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) trees: bool,
    pub(super) blobs: bool,
    /// What was named is let through in any case.
    pub(super) named: bool,
    below: Option<u64>,
}

impl Default for Rule {
    fn default() -> Self {
        Rule { trees: true, blobs: true, named: true, below: None }
    }
}

impl Rule {
    /// The part of a filter that does not look at the place.
    pub(super) fn new(filter: &ObjectFilter) -> Self {
        Rule {
            trees: filter.admits(Kind::Tree),
            blobs: filter.admits(Kind::Blob),
            named: filter.keeps_named(),
            below: filter.blobs_below(),
        }
    }

    /// Whether a blob is small enough.
    pub(super) fn weigh(&self, objects: &dyn Objects, id: &ObjectId) -> Result<bool, ReadError> {
        match self.below {
            None => Ok(true),
            Some(0) => Ok(false),
            Some(below) => Ok(objects.header(id)?.ok_or(ReadError::Missing { id: *id })?.size < below),
        }
    }

    /// Whether an object that was met by name is let through. `path` is that of a blob, as far as it is known.
    pub(super) fn takes_named(
        &self,
        objects: &dyn Objects,
        filter: &ObjectFilter,
        (id, kind): (&ObjectId, Kind),
        path: &[u8],
    ) -> Result<bool, ReadError> {
        if self.named || kind != Kind::Blob {
            return Ok(self.named || filter.admits(kind));
        }
        let sparse = filter.sparse().iter().all(|patterns| patterns.includes(path, PathKind::File, false));
        Ok(sparse && filter.admits(kind) && self.weigh(objects, id)?)
    }
}

/// What is let through depends on where it is met.
pub(super) struct Sieve<'a> {
    filter: &'a ObjectFilter,
    rule: Rule,
    /// What is left out wherever it is met.
    hidden: Vec<u64>,
    /// At which depth the content of a tree was met at least, by its number and, where paths count, a hash of its
    /// path.
    met: HashMap<(u32, u64), u64>,
    keys: RandomState,
    /// Whether what is left out is told of.
    tells: bool,
}

/// A tree that is being gone through.
struct Frame {
    id: ObjectId,
    content: Vec<u8>,
    at: usize,
    /// How deep its entries lie.
    depth: u64,
    path_len: usize,
    /// What each of the sparse checkouts says of it.
    within: Vec<bool>,
}

impl<'a> Sieve<'a> {
    /// A sieve, if the filter needs one. `hidden` are the numbers that are left out in any case.
    pub(super) fn new(filter: &'a ObjectFilter, hidden: impl FnOnce() -> Vec<u64>) -> Option<Self> {
        filter.asks_for_place().then(|| Self::telling(filter, hidden, false))
    }

    /// A sieve; with `tells`, the visitor hears of what is left out.
    pub(super) fn telling(filter: &'a ObjectFilter, hidden: impl FnOnce() -> Vec<u64>, tells: bool) -> Self {
        let rule = Rule::new(filter);
        Sieve { filter, rule, hidden: hidden(), met: HashMap::new(), keys: RandomState::new(), tells }
    }

    /// As [`Trees::walk`].
    pub(super) fn walk(
        &mut self,
        trees: &Trees<'a>,
        root: &ObjectId,
        path: &[u8],
        origin: Origin,
        visit: &mut dyn Visit,
    ) -> Result<(), ReadError> {
        let number = trees.numbers.number(root);
        if has(&self.hidden, number) {
            return Ok(());
        }
        // What was named does not count as a level of its own.
        let named = origin == Origin::Named && self.rule.named;
        let depth = u64::from(!named);
        let outside = vec![false; self.filter.sparse().len()];
        let within = match path.is_empty() || named {
            true => outside,
            false => decide(self.filter.sparse(), path, PathKind::Directory, &outside),
        };
        let mut stack = Vec::new();
        match self.open(trees, root, number, path, depth, within) {
            Err(ReadError::Missing { id }) if id == *root => return visit.missing(root, Kind::Tree),
            opened => stack.extend(opened?),
        }
        if named || self.rule.trees {
            if trees.marks.insert(number) {
                visit.object(root, number, Kind::Tree, path)?;
            }
        } else if self.tells && self.filter.omits(Kind::Tree) && !self.is_within(0) {
            visit.omitted(root, number)?;
        }
        let mut path = path.to_vec();
        while let Some(frame) = stack.last_mut() {
            if frame.at >= frame.content.len() {
                path.truncate(frame.path_len);
                stack.pop();
                continue;
            }
            let (entry, end) = entry_at(trees.format, &frame.id, &frame.content, frame.at)?;
            frame.at = end;
            let kind = match entry.mode.kind() {
                EntryKind::Commit => continue,
                EntryKind::Tree => Kind::Tree,
                _ => Kind::Blob,
            };
            let (id, number) = (entry.id, trees.numbers.number(&entry.id));
            if has(&self.hidden, number) || !trees.is_within(&path, entry.name, kind) {
                continue;
            }
            let path_len = path.len();
            if path_len > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(entry.name);
            if kind == Kind::Blob {
                self.blob(trees, &id, number, &path, frame, visit)?;
                path.truncate(path_len);
                continue;
            }
            let depth = frame.depth;
            let within = decide(self.filter.sparse(), &path, PathKind::Directory, &frame.within);
            let opened = match self.open(trees, &id, number, &path, depth.saturating_add(1), within) {
                Err(ReadError::Missing { id: gone }) if gone == id => {
                    visit.missing(&id, Kind::Tree)?;
                    path.truncate(path_len);
                    continue;
                }
                opened => opened?,
            };
            if !self.is_within(depth) {
                if self.tells {
                    visit.omitted(&id, number)?;
                }
            } else if self.rule.trees && trees.marks.insert(number) {
                visit.object(&id, number, kind, &path)?;
            }
            match opened {
                Some(child) => {
                    if stack.len() >= MAX_DEPTH {
                        let detail = "trees lie too deep in one another";
                        return Err(ReadError::corrupt(format_args!("tree {id}"), detail));
                    }
                    stack.push(Frame { path_len, ..child });
                }
                None => path.truncate(path_len),
            }
        }
        Ok(())
    }

    fn blob(
        &self,
        trees: &Trees<'a>,
        id: &ObjectId,
        number: u32,
        path: &[u8],
        frame: &Frame,
        visit: &mut dyn Visit,
    ) -> Result<(), ReadError> {
        if !(self.rule.blobs || self.tells) || trees.marks.contains(number) {
            return Ok(());
        }
        let placed = self.is_within(frame.depth)
            && decide(self.filter.sparse(), path, PathKind::File, &frame.within).iter().all(|within| *within);
        let weighed = match placed {
            true => self.rule.weigh(trees.objects, id),
            false => Ok(false),
        };
        match weighed {
            Ok(true) => {}
            Ok(false) => return if self.tells { visit.omitted(id, number) } else { Ok(()) },
            Err(ReadError::Missing { .. }) => return visit.missing(id, Kind::Blob),
            Err(error) => return Err(error),
        }
        if self.rule.blobs && trees.marks.insert(number) {
            if number >= trees.numbers.packed() && !trees.objects.contains(id)? {
                return visit.missing(id, Kind::Blob);
            }
            visit.object(id, number, Kind::Blob, path)?;
        }
        Ok(())
    }

    fn is_within(&self, depth: u64) -> bool {
        self.filter.depth_below().is_none_or(|below| depth < below)
    }

    /// Reads a tree, unless it cannot bring anything that it has not brought before.
    fn open(
        &mut self,
        trees: &Trees<'a>,
        id: &ObjectId,
        number: u32,
        path: &[u8],
        depth: u64,
        within: Vec<bool>,
    ) -> Result<Option<Frame>, ReadError> {
        if !(self.tells || self.is_within(depth) && (self.rule.trees || self.rule.blobs)) {
            return Ok(None);
        }
        let place = if self.filter.sparse().is_empty() { 0 } else { self.keys.hash_one(path) };
        let known = self.met.entry((number, place)).or_insert(u64::MAX);
        // Without a limit to the depth, once is enough.
        let deeper = if self.filter.depth_below().is_some() { depth } else { 0 };
        if *known <= deeper {
            return Ok(None);
        }
        *known = deeper;
        let mut content = Vec::new();
        let actual = trees.objects.require(id, &mut content)?;
        if actual != Kind::Tree {
            return Err(ReadError::WrongKind { id: *id, expected: Kind::Tree, actual });
        }
        Ok(Some(Frame { id: *id, content, at: 0, depth, path_len: 0, within }))
    }
}

/// What each of the sparse checkouts says of a path, where its directory is as `parent` says.
fn decide(sparse: &[Arc<SparsePatterns>], path: &[u8], kind: PathKind, parent: &[bool]) -> Vec<bool> {
    sparse.iter().zip(parent).map(|(patterns, parent)| patterns.includes(path, kind, *parent)).collect()
}
