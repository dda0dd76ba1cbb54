//! Which paths differ between two trees: no more than their names.

use git_core_object::{EntryKind, Kind, ObjectId, Objects, ReadError, TreeEntryRef, TreeRef};
use std::cmp::Ordering;

/// How deep directories may lie in one another. Git refuses deeper trees too (`core.maxTreeDepth`).
const MAX_DEPTH: usize = 4096;

/// Compares trees; keeps its buffers from one pair to the next.
pub(crate) struct TreeCompare<'a> {
    objects: &'a dyn Objects,
    pending: Vec<Pair>,
    old: Vec<u8>,
    new: Vec<u8>,
}

/// Two versions of a directory.
struct Pair {
    old: Option<ObjectId>,
    new: Option<ObjectId>,
    /// Empty, or ends in a slash.
    path: Vec<u8>,
    depth: usize,
}

/// Whether to go on comparing.
pub(crate) enum Compare {
    /// With everything that is left.
    On,
    /// No more.
    Stop,
}

impl<'a> TreeCompare<'a> {
    pub(crate) fn new(objects: &'a dyn Objects) -> Self {
        TreeCompare { objects, pending: Vec::new(), old: Vec::new(), new: Vec::new() }
    }

    /// Tells the path of each entry that is no directory and only on one side, or not the same on both, in no
    /// order. `enter` says of a directory that differs whether what is in it matters; its path ends in a slash.
    pub(crate) fn compare(
        &mut self,
        old: Option<ObjectId>,
        new: Option<ObjectId>,
        enter: &mut dyn FnMut(&[u8]) -> bool,
        changed: &mut dyn FnMut(&[u8]) -> Compare,
    ) -> Result<(), ReadError> {
        self.pending.clear();
        if old != new {
            self.pending.push(Pair { old, new, path: Vec::new(), depth: 0 });
        }
        while let Some(pair) = self.pending.pop() {
            if let Compare::Stop = self.level(pair, enter, changed)? {
                break;
            }
        }
        Ok(())
    }

    fn level(
        &mut self,
        pair: Pair,
        enter: &mut dyn FnMut(&[u8]) -> bool,
        changed: &mut dyn FnMut(&[u8]) -> Compare,
    ) -> Result<Compare, ReadError> {
        read_tree(self.objects, pair.old, &mut self.old)?;
        read_tree(self.objects, pair.new, &mut self.new)?;
        let format = self.objects.format();
        let (mut olds, mut news) =
            (TreeRef::new(format, &self.old).iter(), TreeRef::new(format, &self.new).iter());
        let mut path = pair.path;
        let parent_len = path.len();
        let (mut old, mut new) = (entry(&mut olds, pair.old)?, entry(&mut news, pair.new)?);
        loop {
            let order = match (&old, &new) {
                (None, None) => return Ok(Compare::On),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => in_tree_order(a, b),
            };
            let (a, b) = (old.filter(|_| order.is_le()), new.filter(|_| order.is_ge()));
            // Old trees have permissions in their modes that mean nothing.
            let same =
                matches!((&a, &b), (Some(a), Some(b)) if a.id == b.id && a.mode.kind() == b.mode.kind());
            if !same && let Some(one) = a.or(b) {
                path.truncate(parent_len);
                path.extend_from_slice(one.name);
                if one.mode.kind() == EntryKind::Tree {
                    path.push(b'/');
                    if enter(&path) {
                        if pair.depth >= MAX_DEPTH {
                            let what = "trees lie too deep in one another";
                            return Err(ReadError::corrupt(format_args!("tree {}", one.id), what));
                        }
                        let (old, new) = (a.map(|a| a.id), b.map(|b| b.id));
                        self.pending.push(Pair { old, new, path: path.clone(), depth: pair.depth + 1 });
                    }
                } else if let Compare::Stop = changed(&path) {
                    return Ok(Compare::Stop);
                }
            }
            if order.is_le() {
                old = entry(&mut olds, pair.old)?;
            }
            if order.is_ge() {
                new = entry(&mut news, pair.new)?;
            }
        }
    }
}

fn read_tree(objects: &dyn Objects, id: Option<ObjectId>, out: &mut Vec<u8>) -> Result<(), ReadError> {
    out.clear();
    let Some(id) = id else { return Ok(()) };
    match objects.require(&id, out)? {
        Kind::Tree => Ok(()),
        actual => Err(ReadError::WrongKind { id, expected: Kind::Tree, actual }),
    }
}

fn entry<'t, E: std::fmt::Display>(
    entries: &mut impl Iterator<Item = Result<TreeEntryRef<'t>, E>>,
    tree: Option<ObjectId>,
) -> Result<Option<TreeEntryRef<'t>>, ReadError> {
    let damaged = |error: E| {
        let tree = tree.map(|id| id.to_string()).unwrap_or_default();
        ReadError::corrupt(format_args!("tree {tree}"), error)
    };
    entries.next().transpose().map_err(damaged)
}

/// The order of entries in a tree: a directory stands where its name would with a slash behind it.
fn in_tree_order(a: &TreeEntryRef<'_>, b: &TreeEntryRef<'_>) -> Ordering {
    let slash = |entry: &TreeEntryRef<'_>| (entry.mode.kind() == EntryKind::Tree).then_some(b'/');
    let common = a.name.len().min(b.name.len());
    a.name[..common].cmp(&b.name[..common]).then_with(|| {
        let after = |entry: &TreeEntryRef<'_>| entry.name.get(common).copied().or(slash(entry));
        // Of names that are equal so far, what follows decides; nothing comes first.
        after(a).cmp(&after(b)).then_with(|| a.name.len().cmp(&b.name.len()))
    })
}
