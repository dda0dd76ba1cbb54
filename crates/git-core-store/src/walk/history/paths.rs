//! Histories of some paths: which commits change them, and which parents brought them.

use super::{HIDDEN, History, Node, SAME};
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

    fn matches(&self, path: &[u8]) -> bool {
        let below = |path: &[u8]| {
            self.text.is_empty()
                || path.strip_prefix(&self.text[..]).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        below(path) || self.pattern.as_ref().is_some_and(|pattern| pattern.matches(path))
    }

    /// Whether something in a directory, whose path ends in a slash, may match.
    fn may_be_in(&self, dir: &[u8]) -> bool {
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
    /// Finds out whether a commit changes the paths. One that has them from a parent keeps that parent alone.
    pub(super) fn simplify(&mut self, node: Node) -> Result<(), ReadError> {
        if self.query.paths.is_empty() {
            return Ok(());
        }
        let parents = self.parents(node);
        let tree = self.graph.tree(node);
        if parents.is_empty() {
            if self.paths.certainly_same(node) || !self.paths.differ(None, tree)? {
                self.flags.set(node, SAME);
            }
            return Ok(());
        }
        let (mut relevant, mut relevant_change, mut other_change) = (0, false, false);
        for (at, parent) in parents.iter().enumerate() {
            if at > 0 && self.query.first_parent {
                break;
            }
            let matters = self.is_relevant(*parent);
            relevant += usize::from(matters);
            self.graph.require(*parent)?;
            let same = at == 0 && self.paths.certainly_same(node)
                || !self.paths.differ(self.graph.tree(*parent), tree)?;
            // What lies between commits is not left out for being brought by one parent alone.
            match (same, matters) {
                (true, true) if self.query.ancestry_path.is_none() => {
                    self.rewritten.insert(node, vec![*parent]);
                    self.flags.set(node, SAME);
                    return Ok(());
                }
                (true, _) => {}
                (false, true) => relevant_change = true,
                (false, false) => other_change = true,
            }
        }
        let changed = if relevant > 0 { relevant_change } else { other_change };
        if !changed {
            self.flags.set(node, SAME);
        }
        Ok(())
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
