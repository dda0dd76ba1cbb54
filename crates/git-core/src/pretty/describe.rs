//! The tag that is nearest to a commit: `%(describe)`, as `git-describe(1)` finds it.

use super::peel;
use crate::abbrev;
use bstr::{BString, ByteSlice as _};
use git_core_config::{WildOptions, wildmatch};
use git_core_object::{CommitRef, Kind, ObjectId, ReadError};
use git_core_ref::Target;
use git_core_store::Snapshot;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::ops::ControlFlow;

/// How many tags are weighed against one another.
const CANDIDATES: usize = 10;

/// Which tags count, and how the commit is shown.
#[derive(Default)]
pub(super) struct Options {
    /// Tags that are no objects, too.
    tags: bool,
    digits: Option<usize>,
    matches: Vec<BString>,
    excludes: Vec<BString>,
}

impl Options {
    /// Reads `tags=true,abbrev=8,match=…,exclude=…`; `None` when there is something else.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut options = Options::default();
        for option in text.split(|b| *b == b',').filter(|option| !option.is_empty()) {
            let (name, value) = match option.find_byte(b'=') {
                Some(at) => (&option[..at], Some(&option[at + 1..])),
                None => (option, None),
            };
            match (name, value) {
                (b"tags", value) => {
                    options.tags = match value {
                        None | Some(b"true" | b"yes" | b"on" | b"1") => true,
                        Some(b"false" | b"no" | b"off" | b"0" | b"") => false,
                        Some(_) => return None,
                    }
                }
                (b"abbrev", Some(value)) => options.digits = Some(value.to_str().ok()?.parse().ok()?),
                (b"match", Some(pattern)) if !pattern.is_empty() => options.matches.push(pattern.into()),
                (b"exclude", Some(pattern)) if !pattern.is_empty() => options.excludes.push(pattern.into()),
                _ => return None,
            }
        }
        Some(options)
    }

    fn takes(&self, name: &[u8]) -> bool {
        let fits = |pattern: &BString| wildmatch(pattern, name, WildOptions::default());
        (self.matches.is_empty() || self.matches.iter().any(fits)) && !self.excludes.iter().any(fits)
    }
}

/// A name of a commit. One that is an object comes before one that is not, a newer one before an older.
struct Name {
    text: BString,
    made: Option<i64>,
}

struct Candidate {
    name: BString,
    depth: u64,
    /// Its own mark on what it reaches.
    flag: u16,
}

/// Appends the description; nothing when no tag is reached.
pub(super) fn describe(
    snapshot: &dyn Snapshot,
    id: &ObjectId,
    options: &Options,
    digits: usize,
    out: &mut Vec<u8>,
) -> Result<(), ReadError> {
    let names = names(snapshot, options)?;
    if let Some(name) = names.get(id) {
        out.extend_from_slice(&name.text);
        return Ok(());
    }
    let Some(best) = nearest(snapshot, id, &names)? else { return Ok(()) };
    out.extend_from_slice(&best.name);
    let digits = options.digits.unwrap_or(digits);
    if digits > 0 {
        let short = abbrev::abbreviate(snapshot, id, digits.clamp(abbrev::LEAST, id.format().hex_len()))?;
        out.extend_from_slice(format!("-{}-g{short}", best.depth).as_bytes());
    }
    Ok(())
}

fn names(snapshot: &dyn Snapshot, options: &Options) -> Result<HashMap<ObjectId, Name>, ReadError> {
    let (mut names, mut failed) = (HashMap::<ObjectId, Name>::new(), None);
    snapshot.for_each_ref(b"refs/tags/", &mut |one| {
        let Target::Id(id) = one.target else { return ControlFlow::Continue(()) };
        let Some(short) = one.name.as_bytes().strip_prefix(b"refs/tags/") else {
            return ControlFlow::Continue(());
        };
        if !options.takes(short) {
            return ControlFlow::Continue(());
        }
        match peel(snapshot, id) {
            Ok(Some((commit, made))) if made.is_some() || options.tags => {
                let better = names.get(&commit).is_none_or(|known| known.made < made);
                if better {
                    names.insert(commit, Name { text: short.into(), made });
                }
            }
            Ok(_) => {}
            Err(error) => failed = Some(error),
        }
        if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    failed.map_or(Ok(names), Err)
}

/// Walks from new to old until enough tags were met, and takes the one with the fewest commits that it lacks.
fn nearest(
    snapshot: &dyn Snapshot,
    from: &ObjectId,
    names: &HashMap<ObjectId, Name>,
) -> Result<Option<Candidate>, ReadError> {
    let mut walk = Walk::new(snapshot, from)?;
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut seen = 0;
    while let Some((id, marks)) = walk.next() {
        seen += 1;
        let mut marks = marks;
        if let Some(name) = names.get(&id) {
            if candidates.len() == CANDIDATES {
                walk.put_back(id);
                break;
            }
            let flag = 1 << candidates.len();
            candidates.push(Candidate { name: name.text.clone(), depth: seen - 1, flag });
            marks |= flag;
        }
        for candidate in &mut candidates {
            candidate.depth += u64::from(marks & candidate.flag == 0);
        }
        walk.expand(&id, marks)?;
    }
    let best = candidates.into_iter().enumerate().min_by_key(|(order, one)| (one.depth, *order));
    let Some((_, mut best)) = best else { return Ok(None) };
    // What is left to be seen may be out of its reach, too.
    while walk.any_without(best.flag)
        && let Some((id, marks)) = walk.next()
    {
        best.depth += u64::from(marks & best.flag == 0);
        walk.expand(&id, marks)?;
    }
    Ok(Some(best))
}

/// Commits from new to old, and which candidates reach them.
struct Walk<'a> {
    snapshot: &'a dyn Snapshot,
    queue: BinaryHeap<(i64, Reverse<u64>, ObjectId)>,
    marks: HashMap<ObjectId, u16>,
    entered: u64,
    content: Vec<u8>,
}

impl<'a> Walk<'a> {
    fn new(snapshot: &'a dyn Snapshot, from: &ObjectId) -> Result<Self, ReadError> {
        let queue = BinaryHeap::new();
        let mut walk = Walk { snapshot, queue, marks: HashMap::new(), entered: 0, content: Vec::new() };
        walk.enter(*from, 0)?;
        Ok(walk)
    }

    fn next(&mut self) -> Option<(ObjectId, u16)> {
        let (_, _, id) = self.queue.pop()?;
        Some((id, self.marks.get(&id).copied().unwrap_or(0)))
    }

    fn put_back(&mut self, id: ObjectId) {
        self.queue.push((i64::MAX, Reverse(0), id));
    }

    fn any_without(&self, flag: u16) -> bool {
        self.queue.iter().any(|(_, _, id)| self.marks.get(id).is_none_or(|marks| marks & flag == 0))
    }

    fn expand(&mut self, id: &ObjectId, marks: u16) -> Result<(), ReadError> {
        self.marks.insert(*id, marks);
        if self.snapshot.shallow().contains(id) {
            return Ok(());
        }
        let parents = self.read(id)?.0;
        for parent in parents {
            self.enter(parent, marks)?;
        }
        Ok(())
    }

    fn enter(&mut self, id: ObjectId, marks: u16) -> Result<(), ReadError> {
        if let Some(known) = self.marks.get_mut(&id) {
            *known |= marks;
            return Ok(());
        }
        self.marks.insert(id, marks);
        let date = self.read(&id)?.1;
        self.entered += 1;
        self.queue.push((date, Reverse(self.entered), id));
        Ok(())
    }

    fn read(&mut self, id: &ObjectId) -> Result<(Vec<ObjectId>, i64), ReadError> {
        let actual = self.snapshot.require(id, &mut self.content)?;
        if actual != Kind::Commit {
            return Err(ReadError::WrongKind { id: *id, expected: Kind::Commit, actual });
        }
        let commit = CommitRef::parse(id.format(), &self.content)
            .map_err(|error| ReadError::corrupt(format_args!("commit {id}"), error))?;
        let date = commit.committer().time().map_or(0, |time| time.seconds);
        Ok((commit.parents().to_vec(), date))
    }
}
