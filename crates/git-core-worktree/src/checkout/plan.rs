//! Reading the whole tree into index entries, and refusing what must not be checked out, before anything is
//! written.

use crate::IndexEntry;
use crate::checkout::{CheckoutError, CheckoutOptions};
use crate::index::{CachedTree, CachedTrees, EntryFlags, Stat};
use bstr::ByteSlice;
use git_core_object::path::check_component;
use git_core_object::tree::entry_order;
use git_core_object::{Context, EntryKind, Kind, ObjectId, Objects, ReadError, TreeRef};

/// What is to be written.
pub(crate) struct Plan {
    /// In order of path, each path once, none below another.
    pub(crate) entries: Vec<IndexEntry>,
    /// What is known of the directories; nothing if the tree is not one that git would have written.
    pub(crate) trees: Option<CachedTrees>,
}

pub(crate) fn plan(
    objects: &dyn Objects,
    tree: &ObjectId,
    options: &CheckoutOptions<'_>,
    context: &Context,
) -> Result<Plan, CheckoutError> {
    let mut walk = Walk {
        objects,
        options,
        path: Vec::new(),
        stack: Vec::new(),
        entries: Vec::new(),
        nodes: Vec::new(),
        is_ordered: true,
    };
    walk.enter(*tree, b"", 0)?;
    let mut steps = 0u32;
    while walk.step()? {
        steps += 1;
        if steps.is_multiple_of(1024) {
            context.check()?;
        }
    }
    let Walk { mut entries, nodes, is_ordered, .. } = walk;
    if !is_ordered {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
    }
    refuse_conflicts(&entries)?;
    let trees = if is_ordered { CachedTrees::new(nodes) } else { None };
    Ok(Plan { entries, trees })
}

/// Finds a path that is there twice, or is a file and a directory.
fn refuse_conflicts(entries: &[IndexEntry]) -> Result<(), CheckoutError> {
    let conflict = |entry: &IndexEntry| Err(CheckoutError::Conflict { path: entry.path.clone() });
    for (at, pair) in entries.windows(2).enumerate() {
        if pair[0].path == pair[1].path {
            return conflict(&pair[0]);
        }
        // Whatever is below a path stands behind it, but names that go on with a byte before '/' come between.
        if pair[1].path.starts_with(&pair[0].path) {
            let below = [&pair[0].path[..], b"/"].concat();
            let rest = &entries[at + 1..];
            let first = rest.partition_point(|entry| entry.path[..] < below[..]);
            if rest.get(first).is_some_and(|entry| entry.path.starts_with(&below)) {
                return conflict(&pair[0]);
            }
        }
    }
    Ok(())
}

struct Walk<'a> {
    objects: &'a dyn Objects,
    options: &'a CheckoutOptions<'a>,
    /// The path of the present directory, with a slash behind it unless it is the root.
    path: Vec<u8>,
    stack: Vec<Level>,
    entries: Vec<IndexEntry>,
    nodes: Vec<CachedTree>,
    /// Whether every tree so far was in order.
    is_ordered: bool,
}

/// A directory that is being read.
struct Level {
    id: ObjectId,
    content: Vec<u8>,
    at: usize,
    /// The last name, as a range of the content, and its kind.
    last: Option<(std::ops::Range<usize>, EntryKind)>,
    parent_len: usize,
    node: usize,
    first_entry: usize,
    /// Whether git would write the same tree from these entries.
    is_exact: bool,
}

impl Walk<'_> {
    fn enter(&mut self, id: ObjectId, name: &[u8], parent_len: usize) -> Result<(), CheckoutError> {
        let mut content = Vec::new();
        if id != ObjectId::empty_tree(id.format()) {
            let actual = self.objects.require(&id, &mut content)?;
            if actual != Kind::Tree {
                return Err(ReadError::WrongKind { id, expected: Kind::Tree, actual }.into());
            }
        }
        let (node, first_entry) = (self.nodes.len(), self.entries.len());
        self.nodes.push(CachedTree { name: name.into(), subtrees: 0, known: None });
        self.stack.push(Level {
            id,
            content,
            at: 0,
            last: None,
            parent_len,
            node,
            first_entry,
            is_exact: true,
        });
        Ok(())
    }

    /// Takes one entry; answers whether there may be more.
    fn step(&mut self) -> Result<bool, CheckoutError> {
        let depth = self.stack.len();
        let Some(level) = self.stack.last_mut() else { return Ok(false) };
        let mut rest = TreeRef::new(level.id.format(), &level.content[level.at..]).iter();
        let Some(entry) = rest.next() else {
            self.leave();
            return Ok(true);
        };
        let entry = entry.map_err(|source| CheckoutError::Tree { id: level.id, source })?;
        let kind = entry.mode.kind();
        let name_at = level.at + entry.mode_text.len() + 1;
        let last = level.last.replace((name_at..name_at + entry.name.len(), kind));
        level.at += rest.offset();
        level.is_exact &= entry.mode == kind.mode();
        if last
            .is_some_and(|(name, last)| entry_order((&level.content[name], last), (entry.name, kind)).is_ge())
        {
            self.is_ordered = false;
        }

        let dir_len = self.path.len();
        self.path.extend_from_slice(entry.name);
        if let Err(source) = check_component(entry.name, kind, &self.options.rules) {
            return Err(CheckoutError::Path { path: std::mem::take(&mut self.path).into(), source });
        }
        if kind == EntryKind::Tree {
            if depth > self.options.max_depth {
                let path = std::mem::take(&mut self.path).into();
                return Err(CheckoutError::TooDeep { path, bound: self.options.max_depth });
            }
            let (id, name) = (entry.id, entry.name.to_vec());
            self.path.push(b'/');
            self.enter(id, &name, dir_len)?;
        } else {
            self.entries.push(IndexEntry {
                path: self.path.as_bstr().to_owned(),
                mode: kind.mode(),
                id: entry.id,
                stat: Stat::default(),
                flags: EntryFlags::default(),
            });
            self.path.truncate(dir_len);
        }
        Ok(true)
    }

    /// Closes the directory on top, whose entries are all read.
    fn leave(&mut self) {
        let Some(level) = self.stack.pop() else { return };
        self.path.truncate(level.parent_len);
        let count = self.entries.len() - level.first_entry;
        let is_exact = level.is_exact && (count > 0 || self.stack.is_empty());
        if is_exact {
            self.nodes[level.node].known = Some((count as u32, level.id));
        }
        if let Some(parent) = self.stack.last_mut() {
            parent.is_exact &= is_exact;
            if count == 0 {
                // The index knows no empty directories.
                self.nodes.truncate(level.node);
            } else {
                self.nodes[parent.node].subtrees += 1;
            }
        }
    }
}
