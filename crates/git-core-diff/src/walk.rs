//! Two trees walked side by side: what was added, removed or changed, in Git's order.
//!
//! Subtrees with equal ids are never read. The walk keeps an explicit stack, two trees per level, so its
//! memory is bounded by depth and never by the number of changes.

use crate::DiffError;
use crate::entries::{Entries, NamedEntry};
use bstr::{BStr, ByteSlice};
use git_core_object::tree::entry_order;
use git_core_object::{Context, EntryKind, Kind, ObjectId, Objects, ReadError};
use std::cmp::Ordering;
use std::ops::ControlFlow;

/// One side of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is. Historic modes count as the kind that Git takes them for.
    pub kind: EntryKind,
    /// Its object.
    pub id: ObjectId,
}

/// A path that differs. At least one side is there, and the sides are not equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// From the root of the tree, with slashes.
    pub path: &'a BStr,
    /// What stood there before.
    pub old: Option<Entry>,
    /// What stands there now.
    pub new: Option<Entry>,
}

/// What happened to a path; see `--diff-filter` in `git-diff-tree(1)` for the letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// `A`
    Added,
    /// `D`
    Deleted,
    /// `M`
    Modified,
    /// `T`: a file became a link or a submodule, or the other way round.
    TypeChanged,
}

impl Status {
    /// The letter that Git prints.
    pub const fn letter(self) -> char {
        match self {
            Status::Added => 'A',
            Status::Deleted => 'D',
            Status::Modified => 'M',
            Status::TypeChanged => 'T',
        }
    }
}

impl Change<'_> {
    /// What happened to the path.
    pub fn status(&self) -> Status {
        match (&self.old, &self.new) {
            (None, _) => Status::Added,
            (_, None) => Status::Deleted,
            (Some(old), Some(new))
                if is_file(old.kind) != is_file(new.kind) || !is_file(old.kind) && old.kind != new.kind =>
            {
                Status::TypeChanged
            }
            _ => Status::Modified,
        }
    }
}

fn is_file(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::Blob | EntryKind::Executable)
}

/// Whether directories are entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Recursion {
    /// Only the entries of the two trees themselves, directories among them: `git diff-tree` as it is.
    #[default]
    TopLevel,
    /// Files at any depth, no directories: `-r`, and what a patch is made from.
    Files,
    /// Files at any depth, and each directory before what is in it: `-t`.
    FilesAndDirectories,
}

/// How two trees are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeOptions {
    /// Whether directories are entered.
    pub recursion: Recursion,
    /// The most directories within one another; `core.maxTreeDepth`, 2048.
    pub max_depth: usize,
}

impl Default for TreeOptions {
    fn default() -> Self {
        TreeOptions { recursion: Recursion::default(), max_depth: 2048 }
    }
}

impl TreeOptions {
    /// Files at any depth.
    pub fn recursive() -> Self {
        TreeOptions { recursion: Recursion::Files, ..Self::default() }
    }
}

/// Yields what differs between two trees, in the order of `git diff-tree`. No tree is an empty tree: with
/// `old: None` everything in `new` is added, which is how a root commit is shown.
///
/// The sink ends the walk early by [`ControlFlow::Break`]; that is not an error.
///
/// # Errors
/// [`DiffError`] when a tree is missing, is something else, is damaged or nested too deep; what the sink
/// answers otherwise.
pub fn diff_trees(
    objects: &dyn Objects,
    old: Option<&ObjectId>,
    new: Option<&ObjectId>,
    options: &TreeOptions,
    context: &Context,
    sink: &mut dyn FnMut(&Change<'_>) -> Result<ControlFlow<()>, DiffError>,
) -> Result<(), DiffError> {
    if old == new {
        return Ok(());
    }
    let mut walk = Walk {
        objects,
        options,
        context,
        path: Vec::new(),
        stack: Vec::new(),
        buffers: Vec::new(),
        steps: 0,
    };
    walk.enter(old, new, 0)?;
    walk.run(sink)
}

struct Walk<'a> {
    objects: &'a dyn Objects,
    options: &'a TreeOptions,
    context: &'a Context,
    /// The path of the present directory, with a slash behind it unless it is the root.
    path: Vec<u8>,
    stack: Vec<Level>,
    /// Buffers of trees that are done with.
    buffers: Vec<Vec<u8>>,
    steps: u32,
}

/// One directory that is being walked.
struct Level {
    old: Option<Entries>,
    new: Option<Entries>,
    /// What [`Walk::path`] is cut to when the level is done.
    parent_len: usize,
}

/// What the two sides say about one name.
struct Pair {
    old: Option<Entry>,
    new: Option<Entry>,
}

impl Walk<'_> {
    fn run(
        &mut self,
        sink: &mut dyn FnMut(&Change<'_>) -> Result<ControlFlow<()>, DiffError>,
    ) -> Result<(), DiffError> {
        while !self.stack.is_empty() {
            self.steps += 1;
            if self.steps.is_multiple_of(1024) {
                self.context.check()?;
            }
            let dir_len = self.path.len();
            let Some(pair) = self.next_pair()? else {
                self.leave();
                continue;
            };
            if pair.old == pair.new {
                self.path.truncate(dir_len);
                continue;
            }
            let tree = |entry: &Option<Entry>| entry.filter(|e| e.kind == EntryKind::Tree).map(|e| e.id);
            let (old_tree, new_tree) = (tree(&pair.old), tree(&pair.new));
            let is_tree = old_tree.is_some() || new_tree.is_some();
            if !is_tree || self.options.recursion != Recursion::Files {
                let change = Change { path: self.path.as_bstr(), old: pair.old, new: pair.new };
                if sink(&change)?.is_break() {
                    return Ok(());
                }
            }
            if is_tree && self.options.recursion != Recursion::TopLevel {
                if self.stack.len() > self.options.max_depth {
                    let path = std::mem::take(&mut self.path).into();
                    return Err(DiffError::TooDeep { path, bound: self.options.max_depth });
                }
                self.path.push(b'/');
                self.enter(old_tree.as_ref(), new_tree.as_ref(), dir_len)?;
            } else {
                self.path.truncate(dir_len);
            }
        }
        Ok(())
    }

    /// The next name of the directory on top, appended to the path, and what both sides say about it.
    fn next_pair(&mut self) -> Result<Option<Pair>, DiffError> {
        let Some(level) = self.stack.last_mut() else { return Ok(None) };
        let old = level.old.as_ref().and_then(Entries::current);
        let new = level.new.as_ref().and_then(Entries::current);
        let order = match (&old, &new) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => entry_order((old.name, old.kind), (new.name, new.kind)),
        };
        let old = old.filter(|_| order.is_le());
        let new = new.filter(|_| order.is_ge());
        self.path.extend_from_slice(old.or(new).map_or(&[], |entry| entry.name));
        let entry = |e: NamedEntry<'_>| Entry { kind: e.kind, id: e.id };
        let pair = Pair { old: old.map(entry), new: new.map(entry) };
        if let Some(entries) = &mut level.old
            && order.is_le()
        {
            entries.advance()?;
        }
        if let Some(entries) = &mut level.new
            && order.is_ge()
        {
            entries.advance()?;
        }
        Ok(Some(pair))
    }

    fn enter(
        &mut self,
        old: Option<&ObjectId>,
        new: Option<&ObjectId>,
        parent_len: usize,
    ) -> Result<(), DiffError> {
        let old = old.map(|id| self.read(id)).transpose()?;
        let new = new.map(|id| self.read(id)).transpose()?;
        self.stack.push(Level { old, new, parent_len });
        Ok(())
    }

    fn leave(&mut self) {
        if let Some(level) = self.stack.pop() {
            self.path.truncate(level.parent_len);
            self.buffers.extend(level.old.into_iter().chain(level.new).map(Entries::into_buffer));
        }
    }

    fn read(&mut self, id: &ObjectId) -> Result<Entries, DiffError> {
        let mut content = self.buffers.pop().unwrap_or_default();
        content.clear();
        if *id == ObjectId::empty_tree(id.format()) {
            return Entries::new(*id, content);
        }
        match self.objects.require(id, &mut content)? {
            Kind::Tree => Entries::new(*id, content),
            actual => Err(ReadError::WrongKind { id: *id, expected: Kind::Tree, actual }.into()),
        }
    }
}
