//! What each commit's tree has that its first parent's has not: the entries that differ, and all below them.
//!
//! The lists are the same whoever makes them and in whatever order: what is derived from them does not depend on how
//! threads take turns.

use super::fresh::{common_prefix, common_suffix};
use crate::Snapshot;
use bstr::ByteSlice as _;
use git_core_object::tree::entry_order;
use git_core_object::{Context, EntryKind, Kind, ObjectFormat, ObjectId, ReadError, Task, TreeRef};
use hashbrown::{HashMap, HashSet};
use std::cmp::Ordering;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering as Order};
use std::sync::{Mutex, PoisonError};

/// How many commits a thread takes at a time; neighbours share most of their trees.
const CHUNK: usize = 512;
/// Bytes of trees that a thread keeps, twice.
const KEPT_BYTES: usize = 8 << 20;
/// As for other walks of trees.
const MAX_DEPTH: usize = 4096;

/// Is told of every tree and blob that a commit introduces.
pub(super) trait Meet: Sync {
    /// Why an object cannot be taken.
    type Error: From<ReadError> + Send;

    /// Takes an object that a commit introduces at a path; gives the number that stands for it in the lists.
    fn met(&self, id: &ObjectId, kind: EntryKind, path: &[u8], commit: u32) -> Result<u32, Self::Error>;
}

/// The numbers of the trees and blobs that each commit introduces; some may come with more than one commit.
pub(super) struct Introduced {
    chunks: Vec<Lists>,
}

/// The lists of [`CHUNK`] commits.
#[derive(Default)]
struct Lists {
    numbers: Vec<u32>,
    /// Where the list of each commit ends.
    ends: Vec<u32>,
}

impl Introduced {
    /// Compares the tree of every commit with that of its first parent, on several threads.
    pub(super) fn find<M: Meet>(
        snapshot: &dyn Snapshot,
        trees: &[ObjectId],
        first_parents: &[Option<u32>],
        meet: &M,
        task: Task,
        cx: &Context,
    ) -> Result<Self, M::Error> {
        let count = trees.len().div_ceil(CHUNK);
        let threads = cx.limits().thread_count().min(count).max(1);
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let done = Mutex::new(Vec::with_capacity(count));
        let task = Mutex::new(task);
        let work = || -> Result<(), M::Error> {
            let mut compare = Compare::new(snapshot, meet);
            while !failed.load(Order::Relaxed) {
                let chunk = next.fetch_add(1, Order::Relaxed);
                if chunk >= count {
                    break;
                }
                let from = chunk * CHUNK;
                let mut lists = Lists::default();
                for at in from..trees.len().min(from + CHUNK) {
                    let parent = first_parents[at].map(|parent| trees[parent as usize]);
                    compare
                        .commit(at as u32, &trees[at], parent, &mut lists.numbers)
                        .inspect_err(|_| failed.store(true, Order::Relaxed))?;
                    lists.ends.push(lists.numbers.len() as u32);
                }
                cx.check().map_err(ReadError::from)?;
                let met = lists.numbers.len() as u64;
                done.lock().unwrap_or_else(PoisonError::into_inner).push((chunk, lists));
                task.lock().unwrap_or_else(PoisonError::into_inner).add(met);
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let ours = work();
            others.into_iter().fold(ours, |result, thread| {
                result.and(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            })
        })?;
        let mut chunks = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        chunks.sort_unstable_by_key(|(chunk, _)| *chunk);
        Ok(Introduced { chunks: chunks.into_iter().map(|(_, lists)| lists).collect() })
    }

    /// Puts other numbers in the place of all.
    pub(super) fn renumber<E>(&mut self, mut to: impl FnMut(u32) -> Result<u32, E>) -> Result<(), E> {
        for number in self.chunks.iter_mut().flat_map(|lists| &mut lists.numbers) {
            *number = to(*number)?;
        }
        Ok(())
    }

    /// The numbers of the trees and blobs that a commit introduces.
    pub(super) fn of(&self, commit: usize) -> &[u32] {
        let lists = &self.chunks[commit / CHUNK];
        let within = commit % CHUNK;
        let start = within.checked_sub(1).map_or(0, |before| lists.ends[before]);
        &lists.numbers[start as usize..lists.ends[within] as usize]
    }
}

/// Compares trees on behalf of one thread.
struct Compare<'a, M> {
    snapshot: &'a dyn Snapshot,
    format: ObjectFormat,
    meet: &'a M,
    /// Trees that were read lately, and those before them.
    kept: HashMap<ObjectId, Rc<Vec<u8>>>,
    older: HashMap<ObjectId, Rc<Vec<u8>>>,
    bytes: usize,
    /// Where the entry lies that is looked at.
    path: Vec<u8>,
    stack: Vec<Pair>,
    /// The trees that the commit was seen to introduce.
    visited: HashSet<u32>,
}

impl<'a, M: Meet> Compare<'a, M> {
    fn new(snapshot: &'a dyn Snapshot, meet: &'a M) -> Self {
        Compare {
            snapshot,
            format: snapshot.format(),
            meet,
            kept: HashMap::new(),
            older: HashMap::new(),
            bytes: 0,
            path: Vec::new(),
            stack: Vec::new(),
            visited: HashSet::new(),
        }
    }

    /// Appends what `new` has and `old` has not.
    fn commit(
        &mut self,
        commit: u32,
        new: &ObjectId,
        old: Option<ObjectId>,
        list: &mut Vec<u32>,
    ) -> Result<(), M::Error> {
        if old == Some(*new) {
            return Ok(());
        }
        self.path.clear();
        list.push(self.meet.met(new, EntryKind::Tree, b"", commit)?);
        // Every level goes through a pair of trees of its own.
        let root = self.open(new, old)?;
        self.stack.clear();
        self.stack.push(root);
        self.visited.clear();
        while let Some(pair) = self.stack.last_mut() {
            let Some(entry) = pair.next(&mut self.path)? else {
                self.stack.pop();
                continue;
            };
            let number = self.meet.met(&entry.id, entry.kind, &self.path, commit)?;
            list.push(number);
            // What a tree holds is in the list, or was there before, after the first time: trees may lie in one
            // another so often that nobody could go through all of their paths.
            if entry.kind == EntryKind::Tree && self.visited.insert(number) {
                if self.stack.len() >= MAX_DEPTH {
                    let what = format_args!("tree {}", entry.id);
                    return Err(ReadError::corrupt(what, "trees lie too deep in one another").into());
                }
                let pair = self.open(&entry.id, entry.old)?;
                self.stack.push(pair);
            }
        }
        Ok(())
    }

    /// Sets out to compare two trees at the path.
    fn open(&mut self, new: &ObjectId, old: Option<ObjectId>) -> Result<Pair, ReadError> {
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        let old = match old {
            Some(old) => self.read(&old)?,
            None => Rc::default(),
        };
        let now = self.read(new)?;
        // What both begin with need not be looked at.
        let same = common_prefix(&old, &now);
        let mut at = 0;
        while let Some(end) = entry_end(self.format, &now, at).filter(|end| *end <= same) {
            at = end;
        }
        let tail = common_suffix(&old[at..], &now[at..]);
        Ok(Pair { id: *new, path_len: self.path.len(), new: now, old, new_at: at, old_at: at, tail })
    }

    fn read(&mut self, id: &ObjectId) -> Result<Rc<Vec<u8>>, ReadError> {
        if let Some(content) = self.kept.get(id) {
            return Ok(content.clone());
        }
        let content = match self.older.remove(id) {
            Some(content) => content,
            None => {
                let mut content = Vec::new();
                let actual = self.snapshot.require(id, &mut content)?;
                if actual != Kind::Tree {
                    return Err(ReadError::WrongKind { id: *id, expected: Kind::Tree, actual });
                }
                Rc::new(content)
            }
        };
        if self.bytes + content.len() > KEPT_BYTES {
            self.older = std::mem::take(&mut self.kept);
            self.bytes = 0;
        }
        self.bytes += content.len();
        self.kept.insert(*id, content.clone());
        Ok(content)
    }
}

/// Where the entry that begins at an offset ends, if it does.
fn entry_end(format: ObjectFormat, content: &[u8], at: usize) -> Option<usize> {
    let name_end = at + content.get(at..)?.find_byte(0)?;
    let end = name_end + 1 + format.raw_len();
    (end <= content.len()).then_some(end)
}

/// An entry that is new.
struct New {
    id: ObjectId,
    kind: EntryKind,
    /// The tree that bore its name before.
    old: Option<ObjectId>,
}

/// A tree that is compared with an earlier one.
struct Pair {
    id: ObjectId,
    /// How much of the path is that of the tree, its last `/` included.
    path_len: usize,
    new: Rc<Vec<u8>>,
    old: Rc<Vec<u8>>,
    new_at: usize,
    old_at: usize,
    /// How many bytes both end with.
    tail: usize,
}

impl Pair {
    /// The next entry that is new here; the path is then that of it.
    fn next(&mut self, path: &mut Vec<u8>) -> Result<Option<New>, ReadError> {
        let format = self.id.format();
        let damaged = |error| ReadError::corrupt(format_args!("tree {}", self.id), error);
        loop {
            let left = self.new.len() - self.new_at;
            if left <= self.tail && left == self.old.len() - self.old_at {
                return Ok(None);
            }
            // Most entries between two that differ are the same in both.
            if let Some(end) = entry_end(format, &self.new, self.new_at) {
                let entry = &self.new[self.new_at..end];
                if self.old[self.old_at..].starts_with(entry) {
                    self.old_at += entry.len();
                    self.new_at = end;
                    continue;
                }
            }
            let mut entries = TreeRef::new(format, &self.new[self.new_at..]).iter();
            let Some(entry) = entries.next().transpose().map_err(damaged)? else { return Ok(None) };
            self.new_at += entries.offset();
            if entry.mode.kind() == EntryKind::Commit {
                continue;
            }
            // The entry of the same name in the old tree, whose entries are in the same order. One that is
            // missed since a file became a directory only makes the list longer.
            let mut before = None;
            loop {
                let mut entries = TreeRef::new(format, &self.old[self.old_at..]).iter();
                let Some(old) = entries.next().transpose().map_err(damaged)? else { break };
                match entry_order((old.name, old.mode.kind()), (entry.name, entry.mode.kind())) {
                    Ordering::Greater => break,
                    found => {
                        self.old_at += entries.offset();
                        if found.is_eq() {
                            before = Some(old);
                            break;
                        }
                    }
                }
            }
            if before.as_ref().is_some_and(|old| old.id == entry.id) {
                continue;
            }
            path.truncate(self.path_len);
            path.extend_from_slice(entry.name);
            let old = before.filter(|old| old.mode.kind() == EntryKind::Tree).map(|old| old.id);
            return Ok(Some(New { id: entry.id, kind: entry.mode.kind(), old }));
        }
    }
}
