//! The set of everything that some objects reach and others do not, in no order, on several threads.

use super::commits::{CommitWalk, MissingExcludes, Query};
use super::covered::Cover;
use super::marks::{Marks, Sighting, Sightings};
use super::numbers::Numbers;
use super::object_set::{ObjectSet, bits};
use super::peel;
use super::promised::{PromisedObjects, PromisorPacks, check_promised};
use super::sieve::{Rule, Sieve};
use super::trees::{Origin, Trees, Visit};
use crate::filter::ObjectFilter;
use crate::{Snapshot, StoredBitmap};
use git_core_idx::bitmap::ObjectType;
use git_core_object::{Context, Kind, ObjectId, Phase, ReadError, Task};
use git_core_pack::name_hash;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many root trees a thread takes at a time. Neighbours in history share most of their trees.
const CHUNK: usize = 64;
/// Where it counts how objects are met, each so many root trees at least are gone through for themselves, and all of
/// them in so many parts at most: each part costs what lies in one root tree once more.
const APART: usize = 512;
const PARTS: usize = 32;

/// Everything that `query.include` reaches and `query.exclude` does not, the named objects too; they may be of
/// any kind.
///
/// As with git, what an excluded commit reaches is known to be excluded only at the edge: objects that come
/// back in a later commit after an edge had dropped them are in the set.
///
/// # Errors
/// [`ReadError`] when something on the way is missing or damaged, or the walk was cancelled. Every blob that
/// is in no pack is looked for too; a pack's index is believed. What `query.promised` lets be missing must have been
/// promised.
pub fn reachable(snapshot: &dyn Snapshot, query: &Query, cx: &Context) -> Result<ObjectSet, ReadError> {
    walk(snapshot, query, None, cx)
}

/// How objects are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CountOptions {
    /// Whether a bitmap is asked before trees are walked.
    pub bitmap: UseBitmap,
}

impl CountOptions {
    /// Counting with a bitmap where there is one.
    pub const fn with_bitmap() -> Self {
        CountOptions { bitmap: UseBitmap::IfThere }
    }
}

/// Whether a count asks a bitmap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UseBitmap {
    /// It walks.
    #[default]
    Never,
    /// It walks only what the bitmap, if there is one, does not cover. What an excluded commit reaches is then
    /// known exactly.
    IfThere,
}

/// As [`reachable`], on terms of the caller's.
///
/// # Errors
/// As [`reachable`]. A bitmap that turns out to be damaged is no error: it is not used.
pub fn reachable_with(
    snapshot: &dyn Snapshot,
    query: &Query,
    options: &CountOptions,
    cx: &Context,
) -> Result<ObjectSet, ReadError> {
    // A bitmap does not know where objects lie, nor which are promised.
    if options.bitmap == UseBitmap::IfThere
        && query.promised == PromisedObjects::Required
        && !query.filter.as_ref().is_some_and(|filter| filter.asks_for_place())
        && let Some(bitmap) = snapshot.bitmap()
        && let Some(set) = with_bitmap(snapshot, &bitmap, query, cx)?
    {
        return Ok(set);
    }
    walk(snapshot, query, None, cx)
}

/// Visits what [`reachable_with`] finds with the bitmap of the repository, in the order of git: commits, trees, blobs and
/// tags, each in the order of the bitmap, then what it does not know of. `false` when there is no bitmap that can be used, or
/// the query has a filter that no bitmap can answer.
///
/// # Errors
/// As [`reachable`].
pub fn list_with_bitmap(
    snapshot: &dyn Snapshot,
    query: &Query,
    cx: &Context,
    visit: &mut dyn FnMut(ObjectId) -> ControlFlow<()>,
) -> Result<bool, ReadError> {
    if query.filter.as_ref().is_some_and(|filter| filter.asks_for_place()) {
        return Ok(false);
    }
    let Some(bitmap) = snapshot.bitmap() else { return Ok(false) };
    // With several threads, the order of what the bitmap does not know of would depend on chance.
    let mut limits = cx.limits().clone();
    limits.threads = 1;
    let cx = cx.clone().with_limits(limits);
    let Some(set) = with_bitmap(snapshot, &bitmap, query, &cx)? else { return Ok(false) };
    let Some(order) = bitmap.order() else { return Ok(false) };
    let (rows, numbers) = (bitmap.rows(), set.numbers());
    // The pack of a bitmap is the first that has numbers.
    let direct = rows.is_pack();
    for kind in [ObjectType::Commit, ObjectType::Tree, ObjectType::Blob, ObjectType::Tag] {
        for bit in bits(bitmap.of_type(kind).unwrap_or_default()) {
            let row = order.row(bit);
            if direct && !set.has(row) {
                continue;
            }
            let id = rows.id_at(row);
            let found = direct || numbers.lookup(&id).is_some_and(|number| set.has(number));
            if found && visit(id).is_break() {
                return Ok(true);
            }
        }
    }
    let known = if direct { rows.count() } else { 0 };
    let mut rest = Vec::new();
    for number in bits(&set.words).filter(|number| *number >= known) {
        let id = numbers.id(number);
        if direct || bitmap.bit(&id).is_none() {
            let kind = snapshot.header(&id)?.ok_or(ReadError::Missing { id })?.kind;
            let rank = match kind {
                Kind::Commit => 0,
                Kind::Tag => 1,
                Kind::Tree | Kind::Blob => 2,
            };
            rest.push((rank, id));
        }
    }
    rest.sort_by_key(|(rank, _)| *rank);
    for (_, id) in rest {
        if visit(id).is_break() {
            break;
        }
    }
    Ok(true)
}

/// Like [`reachable`], and records under which names and in which order objects were met: eight bytes for each,
/// which a search for deltas wants.
///
/// # Errors
/// As [`reachable`].
pub fn reachable_named(snapshot: &dyn Snapshot, query: &Query, cx: &Context) -> Result<ObjectSet, ReadError> {
    // What is left after something was excluded is mostly little.
    let packed: u64 = match query.exclude.is_empty() {
        true => snapshot.packs().iter().map(|stored| u64::from(stored.pack.idx().count())).sum(),
        false => 0,
    };
    walk(snapshot, query, Some(Sightings::new(packed.min(u64::from(u32::MAX / 2)) as u32)), cx)
}

fn walk(
    snapshot: &dyn Snapshot,
    query: &Query,
    seen: Option<Sightings>,
    cx: &Context,
) -> Result<ObjectSet, ReadError> {
    let numbers = Numbers::new(snapshot);
    let marks = Marks::new(numbers.packed());
    let progress = Mutex::new(cx.task(Phase::Counting, None));
    let lacking = (query.promised != PromisedObjects::Required).then(Mutex::default);

    let excluded = Tips::sort(snapshot, &query.exclude, query.ignore_missing)?;
    let mut gone = Vec::new();
    let included = match &lacking {
        None => Tips::sort(snapshot, &query.include, MissingExcludes::Refuse)?,
        Some(_) => Tips::there(snapshot, &query.include, &mut gone)?,
    };
    if query.promised == PromisedObjects::LeftOut {
        PromisorPacks::of(snapshot).mark(&numbers, &marks);
    }
    let commits = Query {
        include: included.commits.clone(),
        exclude: excluded.commits.clone(),
        ignore_missing: query.ignore_missing,
        exclusion: query.exclusion,
        filter: None,
        promised: query.promised,
    };
    let mut walk = CommitWalk::new(snapshot, snapshot.shallow(), &commits, cx)?;
    let (mut walked, mut roots) = (Vec::new(), Vec::new());
    while let Some(node) = walk.next_node()? {
        walked.push(numbers.number(&walk.graph().id(node)));
        roots.push(walk.graph().tree(node).expect("what is walked has been read"));
    }
    let mut hidden_roots = excluded.trees;
    let mut buf = Vec::new();
    for edge in walk.edges() {
        snapshot.require(&edge, &mut buf)?;
        let links = git_core_object::commit::links(edge.format(), &buf)
            .map_err(|e| ReadError::corrupt(format_args!("commit {edge}"), e))?;
        hidden_roots.push(links.tree);
    }
    gone.extend_from_slice(walk.lacking());
    drop(walk);

    let mut all = Walk {
        snapshot,
        numbers: &numbers,
        marks: &marks,
        seen: seen.as_ref(),
        sifted: None,
        lacking: lacking.as_ref(),
        progress: &progress,
        cx,
    };
    for id in excluded.tags.iter().chain(&excluded.blobs) {
        marks.insert(numbers.number(id));
    }
    all.trees(&hidden_roots, Side::Hidden, 0)?;
    let hidden = marks.words();

    let sifted = Sifted::new(query, &numbers, &hidden);
    all.sifted = sifted.as_ref();
    let mut rank = 0;
    let mut meet = |number, shown| {
        marks.insert(number);
        if let (Some(sifted), true) = (&sifted, shown) {
            sifted.shown.insert(number);
        }
        if let Some(seen) = &seen {
            seen.set(number, Sighting { name_hash: 0, rank });
        }
        rank += 1;
    };
    match &sifted {
        Some(sifted) => {
            let commits = sifted.filter.admits(Kind::Commit);
            walked.into_iter().for_each(|number| meet(number, commits));
            let named = [
                (Kind::Commit, &included.commits),
                (Kind::Tag, &included.tags),
                (Kind::Blob, &included.blobs),
            ];
            for (kind, ids) in named {
                for id in ids {
                    let shown = sifted.rule.takes_named(snapshot, sifted.filter, (id, kind), b"")?;
                    meet(numbers.number(id), shown);
                }
            }
        }
        None => {
            walked.into_iter().for_each(|number| meet(number, true));
            included.tags.iter().chain(&included.blobs).for_each(|id| meet(numbers.number(id), true));
        }
    }
    all.trees(&included.trees, Side::Named, rank)?;
    all.trees(&roots, Side::Wanted, rank.saturating_add(included.trees.len() as u32))?;

    let marks = sifted.map_or(marks, |sifted| sifted.shown);
    let Some(lacking) = lacking else { return Ok(finish(numbers, &marks, hidden, seen, progress)) };
    let lacking = lacking.into_inner().unwrap_or_else(PoisonError::into_inner);
    let absent: Vec<u32> = lacking.iter().map(|id| numbers.number(id)).collect();
    let mut set = finish(numbers, &marks, hidden, seen, progress);
    set.take_out(&absent);
    gone.extend(lacking);
    check_promised(snapshot, gone, cx)?;
    Ok(set)
}

/// What a filter lets through.
struct Sifted<'a> {
    filter: &'a ObjectFilter,
    rule: Rule,
    shown: Marks,
    hidden: &'a [u64],
}

impl<'a> Sifted<'a> {
    fn new(query: &'a Query, numbers: &Numbers, hidden: &'a [u64]) -> Option<Self> {
        let filter = query.filter.as_deref()?;
        Some(Sifted { filter, rule: Rule::new(filter), shown: Marks::new(numbers.packed()), hidden })
    }
}

/// The count with a bitmap; `None` when that is damaged.
fn with_bitmap(
    snapshot: &dyn Snapshot,
    bitmap: &StoredBitmap,
    query: &Query,
    cx: &Context,
) -> Result<Option<ObjectSet>, ReadError> {
    let Some(mut cover) = Cover::open(snapshot, bitmap) else { return Ok(None) };
    let mut sides = || {
        use MissingExcludes::{Ignore, Refuse};
        // What the hidden side lacks does not matter to anybody.
        let hidden = cover.side(&query.exclude, [query.ignore_missing, Ignore], &[], cx)?;
        let wanted = cover.side(&query.include, [Refuse, Refuse], &hidden.bits, cx)?;
        Ok((hidden, wanted))
    };
    let (hidden, wanted) = match sides() {
        Ok(sides) => sides,
        Err(error) => {
            return match cover.damage.take() {
                Some(why) => {
                    tracing::warn!(bitmap = bitmap.name(), %why, "a bitmap is not used");
                    Ok(None)
                }
                None => Err(error),
            };
        }
    };
    let order = cover.order;
    drop(cover);
    let numbers = Numbers::beginning_with(bitmap.rows().packs(), snapshot);
    let marks = Marks::new(numbers.packed());
    let progress = Mutex::new(cx.task(Phase::Counting, None));
    let mut all = Walk {
        snapshot,
        numbers: &numbers,
        marks: &marks,
        seen: None,
        sifted: None,
        lacking: None,
        progress: &progress,
        cx,
    };
    hidden.mark(bitmap, order, &numbers, &marks);
    all.trees(&hidden.roots, Side::Hidden, 0)?;
    let hidden = marks.words();
    wanted.mark(bitmap, order, &numbers, &marks);
    let sifted = Sifted::new(query, &numbers, &hidden);
    if let Some(sifted) = &sifted {
        wanted.sift(snapshot, bitmap, order, sifted.filter)?.mark(bitmap, order, &numbers, &sifted.shown);
    }
    all.sifted = sifted.as_ref();
    all.trees(&wanted.roots, Side::Wanted, 0)?;
    let marks = sifted.map_or(marks, |sifted| sifted.shown);
    Ok(Some(finish(numbers, &marks, hidden, None, progress)))
}

fn finish(
    numbers: Numbers,
    marks: &Marks,
    hidden: Vec<u64>,
    seen: Option<Sightings>,
    progress: Mutex<Task>,
) -> ObjectSet {
    let mut words = marks.words();
    words.iter_mut().zip(&hidden).for_each(|(word, hidden)| *word &= !hidden);
    let len = words.iter().map(|word| u64::from(word.count_ones())).sum();
    let mut progress = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
    progress.set(len, 0);
    progress.report(0);
    drop(progress);
    ObjectSet { numbers, words, excluded: hidden, beyond: Vec::new(), len, seen }
}

/// The objects a query names, by kind.
#[derive(Default)]
pub(super) struct Tips {
    pub(super) commits: Vec<ObjectId>,
    pub(super) trees: Vec<ObjectId>,
    pub(super) blobs: Vec<ObjectId>,
    pub(super) tags: Vec<ObjectId>,
}

impl Tips {
    pub(super) fn sort(
        snapshot: &dyn Snapshot,
        ids: &[ObjectId],
        missing: MissingExcludes,
    ) -> Result<Self, ReadError> {
        let mut gone = Vec::new();
        let tips = Self::there(snapshot, ids, &mut gone)?;
        match gone.first() {
            Some(id) if missing == MissingExcludes::Refuse => Err(ReadError::Missing { id: *id }),
            _ => Ok(tips),
        }
    }

    /// As far as they are there; what is not is added to `gone`.
    fn there(snapshot: &dyn Snapshot, ids: &[ObjectId], gone: &mut Vec<ObjectId>) -> Result<Self, ReadError> {
        let (mut tips, mut buf) = (Tips::default(), Vec::new());
        for id in ids {
            let (id, kind) = match peel(snapshot, *id, &mut buf, &mut tips.tags) {
                Ok(found) => found,
                Err(ReadError::Missing { id }) => {
                    gone.push(id);
                    continue;
                }
                Err(error) => return Err(error),
            };
            match kind {
                Kind::Commit => tips.commits.push(id),
                Kind::Tree => tips.trees.push(id),
                _ => tips.blobs.push(id),
            }
        }
        Ok(tips)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// What is missing does not matter: then less is hidden.
    Hidden,
    Wanted,
    /// As wanted, and by name.
    Named,
}

struct Walk<'a> {
    snapshot: &'a dyn Snapshot,
    numbers: &'a Numbers,
    marks: &'a Marks,
    seen: Option<&'a Sightings>,
    sifted: Option<&'a Sifted<'a>>,
    /// What is met and not there, where it may be missing.
    lacking: Option<&'a Mutex<Vec<ObjectId>>>,
    progress: &'a Mutex<Task>,
    cx: &'a Context,
}

impl Walk<'_> {
    /// Marks everything below these trees. What the first one brings has this rank, what the next one brings the
    /// next.
    fn trees(&self, roots: &[ObjectId], side: Side, rank: u32) -> Result<(), ReadError> {
        let size = match self.seen {
            Some(_) => APART.max(roots.len().div_ceil(PARTS)),
            None => CHUNK,
        };
        let chunks: Vec<_> = (rank..).step_by(size).zip(roots.chunks(size)).collect();
        if chunks.is_empty() {
            return Ok(());
        }
        let sifted = self.sifted.filter(|_| side != Side::Hidden);
        // Which place of an object is the first that lets it through is known to one thread only.
        let threads = match sifted {
            Some(sifted) if sifted.filter.asks_for_place() => 1,
            _ => self.cx.limits().thread_count().min(chunks.len()),
        };
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        // What another thread has met must not hide how an object is met here: the first sighting counts, not that of
        // whoever comes first.
        let before = (self.seen.is_some() && threads > 1).then(|| self.marks.words());
        let work = || {
            let mut shared = self.walker(self.marks, sifted);
            while !failed.load(Ordering::Relaxed)
                && let Some((rank, chunk)) = chunks.get(next.fetch_add(1, Ordering::Relaxed))
            {
                let own = before.as_ref().map(|words| Marks::of_words(self.numbers.packed(), words));
                match &own {
                    Some(own) => self.chunk(&mut self.walker(own, sifted), chunk, side, *rank),
                    None => self.chunk(&mut shared, chunk, side, *rank),
                }
                .inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            }
            Ok(())
        };
        if threads <= 1 {
            return work();
        }
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let ours = work();
            others.into_iter().fold(ours, |result, thread| {
                result.and(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            })
        })
    }

    fn walker<'t>(&'t self, marks: &'t Marks, sifted: Option<&'t Sifted<'t>>) -> Trees<'t> {
        let mut trees = Trees::new(self.snapshot, self.numbers, marks);
        if let Some(sifted) = sifted {
            trees.set_filter(sifted.rule, Sieve::new(sifted.filter, || sifted.hidden.to_vec()));
        }
        trees
    }

    fn chunk(
        &self,
        trees: &mut Trees<'_>,
        roots: &[ObjectId],
        side: Side,
        rank: u32,
    ) -> Result<(), ReadError> {
        let shown = self.sifted.map(|sifted| &sifted.shown);
        let lacking = self.lacking.filter(|_| side != Side::Hidden);
        let mut count =
            Count { met: 0, rank, seen: self.seen, marks: self.marks, shown, lacking, cx: self.cx };
        let origin = if side == Side::Named { Origin::Named } else { Origin::Commit };
        for (rank, root) in (rank..).zip(roots) {
            count.rank = rank;
            match trees.walk(root, b"", origin, &mut count) {
                Err(ReadError::Missing { .. }) if side == Side::Hidden => {}
                result => result?,
            }
        }
        self.cx.check()?;
        if side != Side::Hidden {
            self.progress.lock().unwrap_or_else(PoisonError::into_inner).add(count.met + roots.len() as u64);
        }
        Ok(())
    }
}

struct Count<'a> {
    met: u64,
    rank: u32,
    seen: Option<&'a Sightings>,
    marks: &'a Marks,
    shown: Option<&'a Marks>,
    lacking: Option<&'a Mutex<Vec<ObjectId>>>,
    cx: &'a Context,
}

impl Visit for Count<'_> {
    fn missing(&mut self, id: &ObjectId, _: Kind) -> Result<(), ReadError> {
        let Some(lacking) = self.lacking else { return Err(ReadError::Missing { id: *id }) };
        lacking.lock().unwrap_or_else(PoisonError::into_inner).push(*id);
        Ok(())
    }

    fn object(&mut self, _: &ObjectId, number: u32, _: Kind, path: &[u8]) -> Result<(), ReadError> {
        self.met += 1;
        if let Some(shown) = self.shown {
            shown.insert(number);
        }
        if let Some(seen) = self.seen {
            self.marks.insert(number);
            seen.note(number, Sighting { name_hash: name_hash(path), rank: self.rank });
        }
        if self.met.is_multiple_of(1024) {
            self.cx.check()?;
        }
        Ok(())
    }
}
