//! What each commit's tree has that its first parent's has not: the entries that differ, and all below them.

use super::bitmap_write::BitmapWriteError;
use super::covered::for_each_bit;
use super::marks::Marks;
use crate::{BitmapRows, Snapshot};
use git_core_idx::bitmap::{BitOrder, name_hash};
use git_core_object::tree::entry_order;
use git_core_object::{Context, EntryKind, Kind, ObjectId, Phase, ReadError, TreeRef};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How many commits a thread takes at a time; neighbours share most of their trees.
const CHUNK: usize = 512;
/// Bytes of trees that a thread keeps.
const KEPT_BYTES: usize = 16 << 20;
/// As for other walks of trees.
const MAX_DEPTH: usize = 4096;

/// What is learned of objects on the way, by bit.
pub(super) struct Recorder<'a> {
    rows: &'a dyn BitmapRows,
    order: &'a BitOrder,
    trees: Marks,
    blobs: Marks,
    /// By row.
    hashes: Option<Vec<AtomicU32>>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(rows: &'a dyn BitmapRows, order: &'a BitOrder, hashes: bool) -> Self {
        let count = order.count();
        let hashes = hashes.then(|| (0..count).map(|_| AtomicU32::new(0)).collect());
        Recorder { rows, order, trees: Marks::new(count), blobs: Marks::new(count), hashes }
    }

    /// Notes an object that was met at a path; gives its bit.
    fn met(&self, id: &ObjectId, kind: EntryKind, path: &[u8]) -> Result<u32, BitmapWriteError> {
        let row = self.rows.lookup(id).ok_or(BitmapWriteError::NotClosed { id: *id })?;
        let bit = self.order.bit(row);
        let new = if kind == EntryKind::Tree { self.trees.insert(bit) } else { self.blobs.insert(bit) };
        if let Some(hashes) = &self.hashes
            && new
        {
            hashes[row as usize].store(name_hash(path), Ordering::Relaxed);
        }
        Ok(bit)
    }

    pub(super) fn for_each_tree(&self, visit: impl FnMut(u32)) {
        for_each_bit(&self.trees.words(), visit);
    }

    pub(super) fn for_each_blob(&self, visit: impl FnMut(u32)) {
        for_each_bit(&self.blobs.words(), visit);
    }

    /// The hashes of the paths, by row.
    pub(super) fn into_hashes(self) -> Option<Vec<u32>> {
        Some(self.hashes?.into_iter().map(AtomicU32::into_inner).collect())
    }
}

/// The bits of the objects that each commit introduces; some may come with more than one commit.
pub(super) struct Introduced {
    chunks: Vec<Lists>,
}

/// The lists of [`CHUNK`] commits.
#[derive(Default)]
struct Lists {
    bits: Vec<u32>,
    /// Where the list of each commit ends.
    ends: Vec<u32>,
}

impl Introduced {
    /// Compares the tree of every commit with that of its first parent.
    pub(super) fn find(
        snapshot: &dyn Snapshot,
        trees: &[ObjectId],
        first_parents: &[Option<u32>],
        recorder: &Recorder<'_>,
        cx: &Context,
    ) -> Result<Self, BitmapWriteError> {
        let count = trees.len().div_ceil(CHUNK);
        let threads = cx.limits().thread_count().min(count).max(1);
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let done = Mutex::new(Vec::with_capacity(count));
        let progress = Mutex::new(cx.task(Phase::Counting, Some(trees.len() as u64)));
        let work = || -> Result<(), BitmapWriteError> {
            let mut compare = Compare::new(snapshot, recorder);
            while !failed.load(Ordering::Relaxed) {
                // The oldest chunk first.
                let taken = next.fetch_add(1, Ordering::Relaxed);
                let Some(chunk) = count.checked_sub(taken + 1) else { break };
                let from = chunk * CHUNK;
                let to = trees.len().min(from + CHUNK);
                let mut lists = Vec::with_capacity(to - from);
                for at in (from..to).rev() {
                    let parent = first_parents[at].map(|parent| trees[parent as usize]);
                    let mut list = Vec::new();
                    compare
                        .commit(&trees[at], parent, &mut list)
                        .inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
                    lists.push(list);
                }
                cx.check().map_err(ReadError::from)?;
                let mut joined = Lists::default();
                for list in lists.iter().rev() {
                    joined.bits.extend_from_slice(list);
                    joined.ends.push(joined.bits.len() as u32);
                }
                done.lock().unwrap_or_else(PoisonError::into_inner).push((chunk, joined));
                progress.lock().unwrap_or_else(PoisonError::into_inner).add((to - from) as u64);
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

    /// The bits of the trees and blobs that a commit introduces.
    pub(super) fn of(&self, commit: usize) -> &[u32] {
        let lists = &self.chunks[commit / CHUNK];
        let within = commit % CHUNK;
        let start = within.checked_sub(1).map_or(0, |before| lists.ends[before]);
        &lists.bits[start as usize..lists.ends[within] as usize]
    }
}

/// Compares trees on behalf of one thread.
struct Compare<'a> {
    snapshot: &'a dyn Snapshot,
    recorder: &'a Recorder<'a>,
    kept: HashMap<ObjectId, Arc<[u8]>>,
    bytes: usize,
    buf: Vec<u8>,
}

impl<'a> Compare<'a> {
    fn new(snapshot: &'a dyn Snapshot, recorder: &'a Recorder<'a>) -> Self {
        Compare { snapshot, recorder, kept: HashMap::new(), bytes: 0, buf: Vec::new() }
    }

    /// Appends what `new` has and `old` has not.
    fn commit(
        &mut self,
        new: &ObjectId,
        old: Option<ObjectId>,
        list: &mut Vec<u32>,
    ) -> Result<(), BitmapWriteError> {
        if old == Some(*new) {
            return Ok(());
        }
        list.push(self.recorder.met(new, EntryKind::Tree, b"")?);
        // Every level goes through a pair of trees of its own.
        let mut stack = vec![Pair::open(self, new, old, Vec::new())?];
        while let Some(pair) = stack.last_mut() {
            let Some(entry) = pair.next()? else {
                stack.pop();
                continue;
            };
            list.push(self.recorder.met(&entry.id, entry.kind, &pair.path)?);
            if entry.kind == EntryKind::Tree {
                let path = pair.path.clone();
                if stack.len() >= MAX_DEPTH {
                    let what = format_args!("tree {}", entry.id);
                    return Err(ReadError::corrupt(what, "trees lie too deep in one another").into());
                }
                stack.push(Pair::open(self, &entry.id, entry.old, path)?);
            }
        }
        Ok(())
    }

    fn read(&mut self, id: &ObjectId) -> Result<Arc<[u8]>, ReadError> {
        if let Some(content) = self.kept.get(id) {
            return Ok(content.clone());
        }
        let actual = self.snapshot.require(id, &mut self.buf)?;
        if actual != Kind::Tree {
            return Err(ReadError::WrongKind { id: *id, expected: Kind::Tree, actual });
        }
        let content: Arc<[u8]> = self.buf.as_slice().into();
        if self.bytes + content.len() > KEPT_BYTES {
            self.kept.clear();
            self.bytes = 0;
        }
        self.bytes += content.len();
        self.kept.insert(*id, content.clone());
        Ok(content)
    }
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
    /// Where the entry lies that was given last.
    path: Vec<u8>,
    /// How much of the path is that of the tree, its last `/` included.
    path_len: usize,
    new: Arc<[u8]>,
    old: Arc<[u8]>,
    new_at: usize,
    old_at: usize,
}

impl Pair {
    fn open(
        compare: &mut Compare<'_>,
        new: &ObjectId,
        old: Option<ObjectId>,
        mut path: Vec<u8>,
    ) -> Result<Self, ReadError> {
        if !path.is_empty() {
            path.push(b'/');
        }
        let path_len = path.len();
        let old = match old {
            Some(old) => compare.read(&old)?,
            None => Arc::default(),
        };
        Ok(Pair { id: *new, path, path_len, new: compare.read(new)?, old, new_at: 0, old_at: 0 })
    }

    /// The next entry that is new here.
    fn next(&mut self) -> Result<Option<New>, ReadError> {
        let format = self.id.format();
        let damaged = |error| ReadError::corrupt(format_args!("tree {}", self.id), error);
        loop {
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
                    std::cmp::Ordering::Greater => break,
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
            self.path.truncate(self.path_len);
            self.path.extend_from_slice(entry.name);
            let old = before.filter(|old| old.mode.kind() == EntryKind::Tree).map(|old| old.id);
            return Ok(Some(New { id: entry.id, kind: entry.mode.kind(), old }));
        }
    }
}
