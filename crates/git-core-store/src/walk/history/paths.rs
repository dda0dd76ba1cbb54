//! Histories of some paths: which commits change them, and which parents brought them.

use super::{HIDDEN, History, Node, PULL, SAME, Simplification};
use crate::Snapshot;
use crate::walk::changed::{Compare, TreeCompare};
use git_core_config::WildOptions;
use git_core_config::wildmatch::Pattern;
use git_core_idx::SharedBytes;
use git_core_idx::graph::{CommitGraph, FilterKey, FilterSettings, GraphPosition};
use git_core_object::{ObjectId, ReadError};
use std::sync::Arc;

/// A path, a directory, or a pattern of paths.
#[derive(Clone, Debug)]
pub struct PathSpec {
    /// Without a slash at its end; empty for everything.
    text: Vec<u8>,
    pattern: Option<Arc<Pattern>>,
    /// How much of the text is before the first wildcard.
    literal: usize,
}

impl PathSpec {
    /// The paths that this text means; `*`, `?` and `[` are wildcards.
    pub fn new(text: &[u8]) -> Self {
        let mut text = text;
        while let Some(rest) = text.strip_prefix(b"./") {
            text = rest;
        }
        let text = if text == b"." { b"" } else { text };
        let text = text.strip_suffix(b"/").unwrap_or(text);
        let wild = text.iter().position(|byte| b"*?[\\".contains(byte));
        let pattern = wild.map(|_| Arc::new(Pattern::new(text, WildOptions::default())));
        PathSpec { text: text.to_vec(), pattern, literal: wild.unwrap_or(text.len()) }
    }

    /// Whether this is one of the paths, or lies below one.
    pub fn matches(&self, path: &[u8]) -> bool {
        let below = |path: &[u8]| {
            self.text.is_empty()
                || path.strip_prefix(&self.text[..]).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        below(path) || self.pattern.as_ref().is_some_and(|pattern| pattern.matches(path))
    }

    /// Whether something in a directory, whose path ends in a slash, may match.
    pub fn may_be_in(&self, dir: &[u8]) -> bool {
        let literal = &self.text[..self.literal];
        let common = literal.len().min(dir.len());
        literal[..common] == dir[..common] || dir.strip_suffix(b"/").is_some_and(|dir| dir == literal)
    }
}

/// Looks for differences in some paths.
pub(super) struct Paths<'a> {
    specs: Vec<PathSpec>,
    compare: TreeCompare<'a>,
    stored: Option<Arc<CommitGraph<SharedBytes>>>,
    /// What filters are asked for; empty when a spec has wildcards.
    keys: Vec<FilterKey>,
    settings: Option<FilterSettings>,
}

impl<'a> Paths<'a> {
    pub(super) fn new(snapshot: &'a dyn Snapshot, specs: &[PathSpec]) -> Self {
        let stored =
            if specs.is_empty() || !snapshot.shallow().is_empty() { None } else { snapshot.commit_graph() };
        let settings = stored.as_ref().and_then(|graph| graph.filter_settings());
        let literal = specs.iter().all(|spec| spec.pattern.is_none() && !spec.text.is_empty());
        let keys = match settings {
            Some(settings) if literal => specs.iter().map(|spec| settings.key(&spec.text)).collect(),
            _ => Vec::new(),
        };
        Paths { specs: specs.to_vec(), compare: TreeCompare::new(snapshot), stored, keys, settings }
    }

    /// Whether a filter says for certain that a commit and its first parent agree.
    fn certainly_same(&self, node: Node) -> bool {
        let Some(graph) = self.stored.as_ref().filter(|graph| !self.keys.is_empty() && node < graph.count())
        else {
            return false;
        };
        match graph.filter(GraphPosition(node)) {
            Some((settings, filter)) if Some(settings) == self.settings => {
                self.keys.iter().all(|key| !filter.may_contain(key))
            }
            _ => false,
        }
    }

    /// Whether there is anything in a tree.
    fn brings_anything(&mut self, tree: Option<ObjectId>) -> Result<bool, ReadError> {
        let mut found = false;
        self.compare.compare(None, tree, &mut |_| true, &mut |_| {
            found = true;
            Compare::Stop
        })?;
        Ok(found)
    }

    fn differ(&mut self, old: Option<ObjectId>, new: Option<ObjectId>) -> Result<bool, ReadError> {
        let (specs, mut found) = (&self.specs, false);
        self.compare.compare(
            old,
            new,
            &mut |dir| specs.iter().any(|spec| spec.may_be_in(dir) || spec.matches(&dir[..dir.len() - 1])),
            &mut |path| {
                found |= specs.iter().any(|spec| spec.matches(path));
                if found { Compare::Stop } else { Compare::On }
            },
        )?;
        Ok(found)
    }
}

impl History<'_> {
    /// Finds out whether a commit changes the paths. One that has them from a parent keeps that parent alone, unless all
    /// are to be followed.
    pub(super) fn simplify(&mut self, node: Node) -> Result<(), ReadError> {
        if !self.prunes() {
            return Ok(());
        }
        let parents = self.parents(node);
        if parents.is_empty() {
            if self.is_same(node, None)? {
                self.flags.set(node, SAME);
            }
            return Ok(());
        }
        if self.query.sparse && parents.len() == 1 {
            return Ok(());
        }
        // What lies between commits is not left out for being brought by one parent alone.
        let follows_one =
            self.query.simplification == Simplification::One && self.query.ancestry_path.is_none();
        let most = if self.query.first_parent { 1 } else { usize::MAX };
        let mut same = Vec::new();
        for (at, parent) in parents.iter().enumerate().take(most) {
            let matters = self.is_relevant(*parent);
            self.graph.require(*parent)?;
            let is_same = self.is_same(node, Some((at, *parent)))?;
            same.push(is_same);
            if is_same && matters && follows_one {
                self.rewritten.insert(node, vec![*parent]);
                // A merge that turns to a later parent is one of the pulls.
                if at == 0 || !self.query.show_pulls {
                    self.flags.set(node, SAME);
                }
                return Ok(());
            }
            if !is_same {
                if at == 0 {
                    self.flags.set(node, PULL);
                }
                if self.query.remove_empty
                    && !self.query.paths.is_empty()
                    && !self.paths.differ(None, self.graph.tree(*parent))?
                {
                    // Its own parents do not matter any more.
                    self.rewritten.insert(*parent, Vec::new());
                }
            }
        }
        if self.changes_nothing(&parents, &same) {
            self.flags.set(node, SAME);
        }
        if parents.len() > 1 && !follows_one && !self.query.first_parent {
            self.same.insert(node, same);
        }
        Ok(())
    }

    /// Looks at merges again after parents of theirs have turned out not to matter.
    pub(super) fn reconsider(&mut self, node: Node) {
        if let Some(same) = self.same.get(&node)
            && !self.query.sparse
        {
            match self.changes_nothing(&self.parents(node), same) {
                true => drop(self.flags.set(node, SAME)),
                false => self.flags.clear(node, SAME),
            }
        }
    }

    /// Whether a commit with these parents, which agree with it or do not, has nothing of its own.
    pub(super) fn changes_nothing(&self, parents: &[Node], same: &[bool]) -> bool {
        let (mut relevant, mut relevant_change, mut other_change) = (false, false, false);
        for (parent, same) in parents.iter().zip(same) {
            if self.is_relevant(*parent) {
                (relevant, relevant_change) = (true, relevant_change | !same);
            } else {
                other_change |= !same;
            }
        }
        !(if relevant { relevant_change } else { other_change })
    }

    /// Whether a commit has the same paths as one of its parents, or as no commit at all.
    pub(super) fn is_same(&mut self, node: Node, parent: Option<(usize, Node)>) -> Result<bool, ReadError> {
        if let Some(decorated) = &self.query.decorated {
            if decorated.contains(&self.graph.id(node)) {
                return Ok(false);
            }
            if self.query.paths.is_empty() {
                // A first commit that brings nothing is as none.
                return match parent {
                    Some(_) => Ok(true),
                    None => Ok(!self.paths.brings_anything(self.graph.tree(node))?),
                };
            }
        }
        let first = parent.is_none_or(|(at, _)| at == 0);
        if first && self.paths.certainly_same(node) {
            return Ok(true);
        }
        let old = parent.and_then(|(_, parent)| self.graph.tree(parent));
        Ok(!self.paths.differ(old, self.graph.tree(node))?)
    }

    /// Replaces parents by the nearest ancestors that are listed.
    pub(super) fn rewrite(&mut self, node: Node) -> Result<(), ReadError> {
        let mut parents: Vec<Node> = Vec::new();
        for parent in self.parents(node) {
            if let Some(parent) = self.nearest(parent)?
                && !parents.contains(&parent)
            {
                parents.push(parent);
            }
        }
        self.rewritten.insert(node, parents);
        Ok(())
    }

    fn nearest(&mut self, mut node: Node) -> Result<Option<Node>, ReadError> {
        loop {
            if self.list.is_none() {
                self.expand(node)?;
            }
            if self.flags.has(node, HIDDEN) || !self.flags.has(node, SAME) {
                return Ok(Some(node));
            }
            let parents = self.parents(node);
            match parents[..] {
                [] => return Ok(None),
                [only] => node = only,
                [first, ..] if self.query.first_parent => node = first,
                _ => {
                    let mut relevant = parents.iter().copied().filter(|parent| self.is_relevant(*parent));
                    match (relevant.next(), relevant.next()) {
                        (Some(only), None) => node = only,
                        _ => return Ok(Some(node)),
                    }
                }
            }
        }
    }
}
