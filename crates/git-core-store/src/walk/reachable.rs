//! The set of everything that some objects reach and others do not, in no order, on several threads.

use super::commits::{CommitWalk, MissingExcludes, Query};
use super::covered::{Cover, has};
use super::marks::{Marks, Sighting, Sightings};
use super::numbers::Numbers;
use super::peel;
use super::sieve::{Rule, Sieve};
use super::trees::{Origin, Trees, Visit};
use crate::filter::ObjectFilter;
use crate::{Snapshot, StoredBitmap};
use git_core_idx::{IdxPosition, PackOffset};
use git_core_object::{Context, Kind, ObjectFormat, ObjectId, Phase, ReadError, Task};
use git_core_pack::{PackPlan, name_hash};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many root trees a thread takes at a time. Neighbours in history share most of their trees.
const CHUNK: usize = 64;
/// Where it counts how objects are met, each so many root trees at least are gone through for themselves, and all of
/// them in so many parts at most: each part costs what lies in one root tree once more.
const APART: usize = 512;
const PARTS: usize = 32;

/// Objects of one snapshot.
pub struct ObjectSet {
    numbers: Numbers,
    words: Vec<u64>,
    /// What was met on the excluded side.
    excluded: Vec<u64>,
    /// What is known to be on it from elsewhere; empty where nothing is.
    beyond: Vec<u64>,
    len: u64,
    seen: Option<Sightings>,
}

impl ObjectSet {
    /// The objects whose numbers have their bits set, and how they were met.
    pub(super) fn of_numbers(numbers: Numbers, words: Vec<u64>, seen: Sightings) -> Self {
        let len = words.iter().map(|word| u64::from(word.count_ones())).sum();
        ObjectSet { numbers, words, excluded: Vec::new(), len, seen: Some(seen) }
    }

    /// How many objects are in it.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether none is.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether an object is in it.
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.numbers.lookup(id).is_some_and(|number| self.has(number))
    }

    /// Whether an object is known to be on the excluded side: the trees and blobs at its edge, and what was
    /// excluded by name; all that a bitmap knows to be. A thin pack may have deltas on these.
    pub fn is_excluded(&self, id: &ObjectId) -> bool {
        let known = |number| has(&self.excluded, number) || has(&self.beyond, number);
        self.numbers.lookup(id).is_some_and(known)
    }

    /// Adds an object; says whether it was new.
    pub fn insert(&mut self, id: &ObjectId) -> bool {
        let number = self.numbers.number(id);
        let (word, bit) = (number as usize / 64, 1u64 << (number % 64));
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.len += u64::from(new);
        new
    }

    /// Takes out what is known to be on the excluded side.
    pub(super) fn leave_out(&mut self, beyond: Vec<u64>) {
        self.words.iter_mut().zip(&beyond).for_each(|(word, beyond)| *word &= !beyond);
        self.len = self.words.iter().map(|word| u64::from(word.count_ones())).sum();
        self.beyond = beyond;
    }

    /// Takes out every object that `keep` does not want.
    pub fn retain(&mut self, mut keep: impl FnMut(&Numbers, u32) -> bool) {
        for word in 0..self.words.len() {
            let mut left = self.words[word];
            while left != 0 {
                let bit = left.trailing_zeros();
                left &= left - 1;
                if !keep(&self.numbers, word as u32 * 64 + bit) {
                    self.words[word] &= !(1 << bit);
                    self.len -= 1;
                }
            }
        }
    }

    /// The numbers that stand for the objects.
    pub const fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// Whether the object with this number is in it.
    pub fn has(&self, number: u32) -> bool {
        has(&self.words, number)
    }

    /// The objects of one pack of [`numbers`](Self::numbers), by their place in the pack.
    ///
    /// # Errors
    /// [`ReadError`] when the pack's index is damaged.
    pub fn in_pack(&self, pack: usize) -> Result<Vec<(PackOffset, IdxPosition)>, ReadError> {
        let range = self.numbers.range(pack);
        let stored = &self.numbers.packs()[pack];
        let offset = |position| stored.pack.idx().offset_at(position);
        let damaged = |error| ReadError::corrupt(&stored.name, error);
        let count = range.clone().filter(|number| self.has(*number)).count();
        let mut out = Vec::with_capacity(count);
        // Going through the pack costs less than sorting a good part of it.
        if count > range.len() / 16 {
            let reverse = stored.pack.reverse()?;
            for rank in 0..reverse.count() {
                let position = reverse.position(rank).map_err(damaged)?;
                if self.has(range.start + position.0) {
                    out.push((offset(position).map_err(damaged)?, position));
                }
            }
        } else {
            for number in range.clone().filter(|number| self.has(*number)) {
                let position = IdxPosition(number - range.start);
                out.push((offset(position).map_err(damaged)?, position));
            }
            out.sort_unstable();
        }
        Ok(out)
    }

    /// The pack that holds these objects, all of them, each once, and nothing else.
    pub fn whole_pack(&self) -> Option<usize> {
        (0..self.numbers.packs().len()).find(|pack| {
            let mut range = self.numbers.range(*pack);
            !range.is_empty()
                && range.len() as u64 == self.len
                && range.all(|number| self.has(number))
                && self.holds_each_once(*pack)
        })
    }

    /// Whether no two rows of a pack's index are of the same object. A bitmap may count both, a walk one.
    fn holds_each_once(&self, pack: usize) -> bool {
        let idx = self.numbers.packs()[pack].pack.idx();
        (1..idx.count()).all(|row| idx.id_at(IdxPosition(row - 1)) < idx.id_at(IdxPosition(row)))
    }

    /// The hash of the name under which an object was met; 0 for commits, root trees, and where names were not
    /// recorded.
    pub fn name_hash(&self, number: u32) -> u32 {
        self.seen.as_ref().map_or(0, |seen| seen.get(number).name_hash)
    }

    /// Records the name of an object that [`insert`](Self::insert) has added, as a help for finding deltas, and its
    /// place among the others: [`plan`](Self::plan) puts those of a low rank first.
    pub fn set_name(&mut self, id: &ObjectId, name: &[u8], rank: u32) {
        let number = self.numbers.number(id);
        let sighting = Sighting { name_hash: name_hash(name), rank };
        self.seen.get_or_insert_with(|| Sightings::new(0)).set(number, sighting);
    }

    /// A pack of these objects.
    ///
    /// Where names were recorded, in the order in which they were met: commits, the newest first, tags, then what
    /// each commit brings. Otherwise those that are in no pack, which are the newest, come first, then the others in
    /// the order of their packs.
    ///
    /// # Errors
    /// [`ReadError`] when the index of a pack is damaged.
    pub fn plan(&self, format: ObjectFormat) -> Result<PackPlan, ReadError> {
        let mut plan = PackPlan::new(format);
        let mut places: Vec<Place> =
            self.unpacked_numbers().map(|number| Place { rank: 0, pack: None, number }).collect();
        let unpacked = places.len();
        for (at, stored) in self.numbers.packs().iter().enumerate() {
            let entries = self.in_pack(at)?;
            if entries.is_empty() {
                continue;
            }
            let pack = plan.add_pack(stored.pack.clone());
            let first = self.numbers.range(at).start;
            places.extend(entries.iter().map(|(_, row)| Place {
                rank: 0,
                pack: Some(pack),
                number: first + row.0,
            }));
        }
        if let Some(seen) = &self.seen {
            // Numbers are given out as objects are met, by whichever thread meets them first.
            places[..unpacked].sort_by_cached_key(|place| self.numbers.id(place.number));
            places.iter_mut().for_each(|place| place.rank = seen.get(place.number).rank);
            places.sort_by_key(|place| place.rank);
        }
        for Place { pack, number, .. } in places {
            match (pack, self.numbers.position(number)) {
                (Some(pack), Some((_, row))) => plan.reuse(pack, row),
                _ => plan.fresh(self.numbers.id(number)),
            }
            plan.named(self.name_hash(number));
        }
        Ok(plan)
    }

    /// Adds what the receiver of a thin pack has as bases for deltas: of the trees and blobs at the edge of what is
    /// excluded those whose names are among the names in the set. Names must have been recorded.
    pub fn add_outer_bases(&self, plan: &mut PackPlan) {
        let Some(seen) = &self.seen else { return };
        let wanted: HashSet<u32> = bits(&self.words).map(|number| seen.get(number).name_hash).collect();
        for number in bits(&self.excluded) {
            let name = seen.get(number).name_hash;
            if wanted.contains(&name) {
                plan.add_outer_base(self.numbers.id(number), name);
            }
        }
    }

    fn unpacked_numbers(&self) -> impl Iterator<Item = u32> + '_ {
        let first = self.numbers.packed();
        let end = (self.words.len() as u32).saturating_mul(64).max(first);
        (first..end).filter(|number| self.has(*number))
    }

    /// The objects that are in no pack, in the order they were met.
    pub fn unpacked(&self) -> impl Iterator<Item = ObjectId> + '_ {
        self.unpacked_numbers().map(|number| self.numbers.id(number))
    }

    /// All ids, in no useful order.
    pub fn ids(&self) -> impl Iterator<Item = ObjectId> + '_ {
        self.words.iter().enumerate().flat_map(move |(at, word)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 != 0)
                .map(move |bit| self.numbers.id(at as u32 * 64 + bit))
        })
    }
}

/// Where an object goes in a plan.
struct Place {
    rank: u32,
    /// The number of its pack in the plan.
    pack: Option<u32>,
    number: u32,
}

/// The numbers whose bits are set.
fn bits(words: &[u64]) -> impl Iterator<Item = u32> + '_ {
    (0u32..)
        .step_by(64)
        .zip(words)
        .flat_map(|(first, word)| (0..64).filter(move |bit| word >> bit & 1 != 0).map(move |bit| first + bit))
}

/// Everything that `query.include` reaches and `query.exclude` does not, the named objects too; they may be of
/// any kind.
///
/// As with git, what an excluded commit reaches is known to be excluded only at the edge: objects that come
/// back in a later commit after an edge had dropped them are in the set.
///
/// # Errors
/// [`ReadError`] when something on the way is missing or damaged, or the walk was cancelled. Every blob that
/// is in no pack is looked for too; a pack's index is believed.
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
    // A bitmap does not know where objects lie.
    if options.bitmap == UseBitmap::IfThere
        && !query.filter.as_ref().is_some_and(|filter| filter.asks_for_place())
        && let Some(bitmap) = snapshot.bitmap()
        && let Some(set) = with_bitmap(snapshot, &bitmap, query, cx)?
    {
        return Ok(set);
    }
    walk(snapshot, query, None, cx)
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

    let excluded = Tips::sort(snapshot, &query.exclude, query.ignore_missing)?;
    let included = Tips::sort(snapshot, &query.include, MissingExcludes::Refuse)?;
    let commits = Query {
        include: included.commits.clone(),
        exclude: excluded.commits.clone(),
        ignore_missing: query.ignore_missing,
        exclusion: query.exclusion,
        filter: None,
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
    drop(walk);

    let mut all = Walk {
        snapshot,
        numbers: &numbers,
        marks: &marks,
        seen: seen.as_ref(),
        sifted: None,
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
    Ok(finish(numbers, &marks, hidden, seen, progress))
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
        let (mut tips, mut buf) = (Tips::default(), Vec::new());
        for id in ids {
            let (id, kind) = match peel(snapshot, *id, &mut buf, &mut tips.tags) {
                Ok(found) => found,
                Err(ReadError::Missing { .. }) if missing == MissingExcludes::Ignore => continue,
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
        let mut count = Count { met: 0, rank, seen: self.seen, marks: self.marks, shown, cx: self.cx };
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
    cx: &'a Context,
}

impl Visit for Count<'_> {
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
