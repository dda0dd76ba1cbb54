//! Going through trees so that each object is met once, and the unchanged part of a tree not at all.
//!
//! Of two versions of a directory most entries are equal, and those of the earlier one have been met. So each
//! worker keeps the last version of every path, and looks only at the entries in which the two differ.

use super::fresh::Version;
use super::history::PathSpec;
use super::marks::Marks;
use super::numbers::Numbers;
use super::sieve::{Rule, Sieve};
use git_core_object::{EntryKind, Kind, ObjectFormat, ObjectId, Objects, ReadError, TreeEntryRef, TreeRef};
use hashbrown::HashMap;

/// How deep directories may lie in one another. Git refuses deeper trees too (`core.maxTreeDepth`).
pub(super) const MAX_DEPTH: usize = 4096;

/// Bytes of old versions that a worker keeps.
const KEPT_BYTES: usize = 12 << 20;

/// What is told of each tree and blob that is met for the first time.
pub(super) trait Visit {
    fn object(&mut self, id: &ObjectId, number: u32, kind: Kind, path: &[u8]) -> Result<(), ReadError>;

    /// A filter leaves this one out where it was met just now; only with [`Sieve::telling`], and perhaps more than
    /// once.
    fn omitted(&mut self, _: &ObjectId, _: u32) -> Result<(), ReadError> {
        Ok(())
    }

    /// A tree or blob is not there.
    fn missing(&mut self, id: &ObjectId, _: Kind) -> Result<(), ReadError> {
        Err(ReadError::Missing { id: *id })
    }

    /// Whether nothing more needs to be told.
    fn is_over(&self) -> bool {
        false
    }
}

/// How a walk came to a tree that it starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is that of a commit.
    Commit,
    /// It was named.
    Named,
}

/// Walks trees on behalf of one thread.
pub(super) struct Trees<'a> {
    pub(super) objects: &'a dyn Objects,
    pub(super) format: ObjectFormat,
    pub(super) numbers: &'a Numbers,
    pub(super) marks: &'a Marks,
    /// What is passed over although it is not marked; others may add to it meanwhile.
    passed: Option<&'a Marks>,
    /// Only what these name is gone into, if there are any.
    paths: &'a [PathSpec],
    /// What is let through wherever it is met.
    rule: Rule,
    /// The filter, where it depends on the place.
    sieve: Option<Sieve<'a>>,
    /// By a hash of the path. Two paths of one hash do no harm: all entries of either have been met.
    last: HashMap<u64, Version>,
    kept: usize,
    spare: Vec<Version>,
    /// Emptied lists of entries, as many as a walk was deep.
    lists: Vec<Vec<u32>>,
    met: Met,
    path: Vec<u8>,
}

/// A tree that is being gone through.
struct Frame {
    id: ObjectId,
    key: u64,
    path_len: usize,
    now: Version,
    /// Where the entries begin that have not been met.
    fresh: Vec<u32>,
    /// The next of them.
    next: usize,
}

impl<'a> Trees<'a> {
    pub(super) fn new(objects: &'a dyn Objects, numbers: &'a Numbers, marks: &'a Marks) -> Self {
        Trees {
            objects,
            format: objects.format(),
            numbers,
            marks,
            passed: None,
            paths: &[],
            rule: Rule::default(),
            sieve: None,
            last: HashMap::new(),
            kept: 0,
            spare: Vec::new(),
            lists: Vec::new(),
            met: Met::default(),
            path: Vec::new(),
        }
    }

    /// From here on, a filter says what is told of. `Some` where it depends on the place.
    pub(super) fn set_filter(&mut self, rule: Rule, sieve: Option<Sieve<'a>>) {
        (self.rule, self.sieve) = (rule, sieve);
    }

    /// From here on, what is marked here is passed over, with all that is in it.
    pub(super) fn pass_over(&mut self, passed: &'a Marks) {
        self.passed = Some(passed);
    }

    /// From here on, only what lies in these paths is gone into; root trees always are.
    pub(super) fn keep_to(&mut self, paths: &'a [PathSpec]) {
        self.paths = paths;
    }

    /// Whether an entry of the directory that the walk is in lies in the paths that it keeps to.
    pub(super) fn is_within(&self, directory: &[u8], name: &[u8], kind: Kind) -> bool {
        if self.paths.is_empty() {
            return true;
        }
        let mut path = directory.to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        if self.paths.iter().any(|spec| spec.matches(&path)) {
            return true;
        }
        path.push(b'/');
        kind == Kind::Tree && self.paths.iter().any(|spec| spec.may_be_in(&path))
    }

    fn is_passed(&self, number: u32) -> bool {
        self.passed.is_some_and(|passed| passed.contains(number))
    }

    /// Goes through a tree and everything in it that has not been marked, depth first and in order. `path` is
    /// where the tree itself lies.
    pub(super) fn walk(
        &mut self,
        root: &ObjectId,
        path: &[u8],
        origin: Origin,
        visit: &mut dyn Visit,
    ) -> Result<(), ReadError> {
        if let Some(mut sieve) = self.sieve.take() {
            let result = sieve.walk(self, root, path, origin, visit);
            self.sieve = Some(sieve);
            return result;
        }
        let shown = self.rule.trees || origin == Origin::Named && self.rule.named;
        if !(shown || self.rule.blobs) {
            return Ok(());
        }
        let number = self.numbers.number(root);
        if self.is_passed(number) || !self.marks.insert(number) {
            return Ok(());
        }
        let mut stack = Vec::new();
        if self.rule.trees || self.rule.blobs {
            match self.open(root, path_key(path)) {
                Ok(frame) => stack.push(frame),
                Err(ReadError::Missing { id }) if id == *root => return visit.missing(root, Kind::Tree),
                Err(error) => return Err(error),
            }
        }
        if shown {
            visit.object(root, number, Kind::Tree, path)?;
        }
        self.path.clear();
        self.path.extend_from_slice(path);
        while let Some(frame) = stack.last_mut() {
            let Some(start) = frame.fresh.get(frame.next) else {
                let frame = stack.pop().expect("the loop has just looked at it");
                self.path.truncate(frame.path_len);
                self.keep(frame.key, frame.now);
                self.lists.push(frame.fresh);
                continue;
            };
            frame.next += 1;
            let (entry, _) = entry_at(self.format, &frame.id, &frame.now.content, *start as usize)?;
            let kind = match entry.mode.kind() {
                EntryKind::Commit => continue,
                EntryKind::Tree => Kind::Tree,
                _ if !self.rule.blobs => continue,
                _ => Kind::Blob,
            };
            if !self.is_within(&self.path, entry.name, kind) {
                continue;
            }
            let id = entry.id;
            if self.met.remember(&id) {
                continue;
            }
            let number = self.numbers.number(&id);
            if self.is_passed(number) || !self.marks.insert(number) {
                continue;
            }
            if kind == Kind::Blob {
                match self.rule.weigh(self.objects, &id) {
                    Ok(true) if number >= self.numbers.packed() && !self.objects.contains(&id)? => {
                        visit.missing(&id, kind)?;
                        continue;
                    }
                    Ok(true) => {}
                    Ok(false) => continue,
                    Err(ReadError::Missing { .. }) => {
                        visit.missing(&id, kind)?;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            let parent_len = self.path.len();
            if parent_len > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(entry.name);
            if kind == Kind::Tree {
                if stack.len() >= MAX_DEPTH {
                    return Err(ReadError::corrupt(
                        format_args!("tree {id}"),
                        "trees lie too deep in one another",
                    ));
                }
                match self.open(&id, path_key(&self.path)) {
                    Ok(child) => {
                        if self.rule.trees {
                            visit.object(&id, number, kind, &self.path)?;
                        }
                        stack.push(Frame { path_len: parent_len, ..child });
                    }
                    Err(ReadError::Missing { id: gone }) if gone == id => {
                        visit.missing(&id, kind)?;
                        self.path.truncate(parent_len);
                    }
                    Err(error) => return Err(error),
                }
            } else {
                visit.object(&id, number, kind, &self.path)?;
                self.path.truncate(parent_len);
            }
        }
        Ok(())
    }

    /// Reads a tree and finds the entries of it that the last version of the same path does not have.
    fn open(&mut self, id: &ObjectId, key: u64) -> Result<Frame, ReadError> {
        let mut now = self.spare.pop().unwrap_or_default();
        let actual = self.objects.require(id, &mut now.content)?;
        if actual != Kind::Tree {
            return Err(ReadError::WrongKind { id: *id, expected: Kind::Tree, actual });
        }
        let old = self.last.remove(&key).unwrap_or_default();
        self.kept -= old.bytes().min(self.kept);
        let mut fresh = self.lists.pop().unwrap_or_default();
        fresh.clear();
        now.compare(&old, self.format, id, &mut fresh)?;
        self.recycle(old);
        Ok(Frame { id: *id, key, path_len: 0, now, fresh, next: 0 })
    }

    fn keep(&mut self, key: u64, version: Version) {
        if self.kept + version.bytes() > KEPT_BYTES {
            self.last.clear();
            self.kept = 0;
        }
        self.kept += version.bytes();
        if let Some(old) = self.last.insert(key, version) {
            self.kept -= old.bytes().min(self.kept);
            self.recycle(old);
        }
    }

    fn recycle(&mut self, version: Version) {
        if self.spare.len() < 16 && version.bytes() < 1 << 20 {
            self.spare.push(version);
        }
    }
}

/// Ids that were met lately, each in the one place that its bytes say: where branches take turns in a walk, the same few
/// versions are met again and again, and looking an id up in an index costs more than all else about it.
#[derive(Default)]
struct Met(Vec<Option<ObjectId>>);

impl Met {
    const PLACES: usize = 1 << 15;

    /// Whether it is known to have been met; from now on it is.
    fn remember(&mut self, id: &ObjectId) -> bool {
        if self.0.is_empty() {
            self.0.resize(Self::PLACES, None);
        }
        // Ids are digests: some of their bytes are as good as a hash.
        let bytes = id.as_bytes();
        let place = &mut self.0[usize::from(u16::from_le_bytes([bytes[4], bytes[5]])) % Self::PLACES];
        place.replace(*id) == Some(*id)
    }
}

/// The entry that begins at an offset, and where it ends.
pub(super) fn entry_at<'c>(
    format: ObjectFormat,
    tree: &ObjectId,
    content: &'c [u8],
    at: usize,
) -> Result<(TreeEntryRef<'c>, usize), ReadError> {
    let mut entries = TreeRef::new(format, &content[at..]).iter();
    match entries.next() {
        Some(Ok(entry)) => Ok((entry, at + entries.offset())),
        Some(Err(error)) => Err(ReadError::corrupt(format_args!("tree {tree}"), error)),
        None => Err(ReadError::corrupt(format_args!("tree {tree}"), "an entry is cut off")),
    }
}

fn path_key(path: &[u8]) -> u64 {
    use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
    BuildHasherDefault::<DefaultHasher>::default().hash_one(path)
}
