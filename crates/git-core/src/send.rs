//! A pack on its way out: what a peer lacks is counted, planned, and written piece by piece. Deltas are searched
//! where it is worth it.
//!
//! Where the count shows that a peer wants exactly what one pack holds, that pack is sent as it lies there.

use crate::counts::{CountKey, Counted, SharedCounts};
use git_core_object::{Context, Kind, ObjectId, Objects as _, ReadError};
use git_core_pack::{DeltaForm, PackCopy, PackWriter, SearchOptions, WriteError, WriteOptions};
use git_core_store::Snapshot;
use git_core_store::filter::ObjectFilter;
use git_core_store::walk::{self, CountOptions, Exclusion, MissingExcludes, ObjectSet, Query};
use git_core_transport::server::{PackStream, Refusal};
use std::ops::ControlFlow;
use std::sync::Arc;

/// What a pack is to hold, and in which form.
#[derive(Clone, Debug, Default)]
pub struct PackWish {
    /// Everything these reach …
    pub wants: Vec<ObjectId>,
    /// … and these do not. Ones that are not there exclude nothing.
    pub haves: Vec<ObjectId>,
    /// Deltas may be on objects that only the receiver has.
    pub thin: bool,
    /// Deltas may name their base by offset.
    pub ofs_delta: bool,
    /// Annotated tags come with what they point to.
    pub include_tag: bool,
    /// What else of it is left out.
    pub filter: Option<Arc<ObjectFilter>>,
    /// How it is made.
    pub options: SendOptions,
}

/// How packs for peers are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendOptions {
    /// How objects are counted.
    pub count: CountOptions,
    /// Whether a pack may be sent as it lies in the repository.
    pub whole: WholePacks,
}

/// Whether a pack that holds exactly what is wanted is sent as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WholePacks {
    /// It is.
    #[default]
    Copy,
    /// It is put together anew.
    Rewrite,
}

/// Up to so many objects, deltas are searched for all that are none yet …
const SEARCHED_OBJECTS: u64 = 20_000;
/// … and in larger packs when at least one in so many objects is in no pack.
const SEARCHED_SHARE: usize = 64;

/// How many objects each one is compared with, where most come from packs. Whoever packed them has looked for deltas
/// far and wide: those that cannot be sent as they are find another base among their nearest neighbours, and looking
/// at more of them takes twice the time for less than one part in a hundred.
const REPACKED_WINDOW: usize = 3;

/// A pack that is being written for a peer.
pub struct PackFeed {
    source: Source,
    /// As long as this is sent, others may use what was counted for it.
    _counted: Arc<Counted>,
}

enum Source {
    Writer(Box<PackWriter>),
    Copy(Box<PackCopy>),
}

impl PackFeed {
    /// Counts what goes into the pack; the stream then only has to be written.
    ///
    /// # Errors
    /// [`ReadError`] when something that is wanted, or that it needs, is missing or damaged.
    pub fn prepare(snapshot: Arc<dyn Snapshot>, wish: &PackWish, cx: &Context) -> Result<Self, ReadError> {
        let tags = tags_to_add(&*snapshot, wish)?;
        let counted = Arc::new(Counted::new(count(&*snapshot, wish, &tags, cx)?));
        PackFeed::of(snapshot, wish, counted, cx)
    }

    /// As [`prepare`](Self::prepare); what an equal request that is being served has counted is not counted again.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn prepare_shared(
        snapshot: Arc<dyn Snapshot>,
        wish: &PackWish,
        counts: &SharedCounts,
        cx: &Context,
    ) -> Result<Self, ReadError> {
        let tags = tags_to_add(&*snapshot, wish)?;
        // A wish with more to it has to say so here.
        let PackWish { wants, haves, thin: _, ofs_delta: _, include_tag: _, filter, options } = wish;
        let key = match filter {
            None => CountKey::new(&*snapshot, [wants, haves, &tags], &format!("{:?}", options.count)),
            Some(_) => None,
        };
        let counted = counts.get(key, cx, || count(&*snapshot, wish, &tags, cx))?;
        PackFeed::of(snapshot, wish, counted, cx)
    }

    fn of(
        snapshot: Arc<dyn Snapshot>,
        wish: &PackWish,
        counted: Arc<Counted>,
        cx: &Context,
    ) -> Result<Self, ReadError> {
        if wish.options.whole == WholePacks::Copy
            && wish.ofs_delta
            && let Some(copy) = copy_of(&*snapshot, &counted)?
        {
            return Ok(PackFeed { source: Source::Copy(Box::new(copy)), _counted: counted });
        }
        let mut plan = counted.set.plan(snapshot.format())?;
        let delta_form = if wish.ofs_delta { DeltaForm::Ofs } else { DeltaForm::Ref };
        let mut options = WriteOptions { delta_form, ..WriteOptions::default() };
        let big = snapshot.clone();
        options.stream = Some(Arc::new(move |id, sink| big.stream(id, sink)));
        let mut search = SearchOptions { compression: options.compression, ..SearchOptions::default() };
        if wish.thin && !wish.haves.is_empty() {
            counted.set.add_outer_bases(&mut plan);
            let there = counted.clone();
            options.thin = Some(Arc::new(move |id| there.set.is_excluded(id)));
            search.thin.clone_from(&options.thin);
        }
        if plan.fresh_len() < plan.len() / 2 {
            search.window = REPACKED_WINDOW;
        }
        // Of a large pack nearly all is copied; a few objects more or less that are no deltas do not matter there.
        if plan.len() as u64 <= SEARCHED_OBJECTS || plan.fresh_len() >= plan.len() / SEARCHED_SHARE {
            plan.find_deltas(&*snapshot, &search, cx).map_err(|error| match error {
                WriteError::Read(error) => error,
                WriteError::Stopped(stopped) => stopped.into(),
                other => ReadError::corrupt("the pack to be sent", other),
            })?;
        }
        let objects: Arc<dyn git_core_object::Objects> = snapshot;
        let writer = PackWriter::new(plan, objects, options)
            .map_err(|error| ReadError::corrupt("the pack to be sent", error))?;
        Ok(PackFeed { source: Source::Writer(Box::new(writer)), _counted: counted })
    }

    /// How many objects the pack holds.
    pub fn objects(&self) -> u32 {
        match &self.source {
            Source::Writer(writer) => writer.objects(),
            Source::Copy(copy) => copy.objects(),
        }
    }

    /// Whether a pack of the repository is sent as it lies there.
    pub fn is_copy(&self) -> bool {
        matches!(self.source, Source::Copy(_))
    }

    /// Appends the next piece; `Break` with the last one.
    ///
    /// # Errors
    /// [`WriteError`] when an object cannot be read; the pack cannot be completed then.
    pub fn fill(&mut self, out: &mut Vec<u8>, cx: &Context) -> Result<ControlFlow<()>, WriteError> {
        let flow = match &mut self.source {
            Source::Writer(writer) => writer.fill(out, cx)?,
            Source::Copy(copy) => copy.fill(out, cx)?,
        };
        if flow == ControlFlow::Break(()) {
            cx.note(&self.total());
        }
        Ok(flow)
    }

    /// What the pack that was written is made of, in git's words.
    fn total(&mut self) -> String {
        let ([deltas, reused, reused_deltas], copied, packs) = match &mut self.source {
            Source::Writer(writer) => match writer.next_pack() {
                Some((done, _)) => ([done.deltas, done.reused, done.reused_deltas], 0, 0),
                None => ([0; 3], 0, 0),
            },
            Source::Copy(copy) => ([0; 3], copy.objects(), 1),
        };
        let objects = self.objects();
        format!(
            "Total {objects} (delta {deltas}), reused {reused} (delta {reused_deltas}), \
             pack-reused {copied} (from {packs})"
        )
    }
}

/// The objects of the pack.
fn count(
    snapshot: &dyn Snapshot,
    wish: &PackWish,
    tags: &[ObjectId],
    cx: &Context,
) -> Result<ObjectSet, ReadError> {
    let query = Query {
        include: wish.wants.clone(),
        exclude: wish.haves.clone(),
        ignore_missing: MissingExcludes::Ignore,
        // Sending a little too much does no harm; what the other side has can be all of many refs.
        exclusion: Exclusion::ByDate,
        filter: wish.filter.clone(),
        ..Query::default()
    };
    let packed: u64 = snapshot.packs().iter().map(|stored| u64::from(stored.pack.count())).sum();
    let mut set = match wish.haves.is_empty() && packed > SEARCHED_OBJECTS {
        true => walk::reachable_with(snapshot, &query, &wish.options.count, cx)?,
        // Who filters may have a commit without all that it reaches.
        false if wish.filter.is_some() => walk::reachable_named(snapshot, &query, cx)?,
        false => walk::reachable_named_with(snapshot, &query, &wish.options.count, cx)?,
    };
    add_pointing(snapshot, tags, &mut set)?;
    Ok(set)
}

/// The tags that go along with what they point to.
fn tags_to_add(snapshot: &dyn Snapshot, wish: &PackWish) -> Result<Vec<ObjectId>, ReadError> {
    if wish.include_tag { tags(snapshot) } else { Ok(Vec::new()) }
}

/// The pack to be sent as it lies, if one holds these objects and nothing else.
///
/// Every object of it was reached and nothing else was: it holds nothing that the peer is not to see. A pack in a
/// repository has the bases of all its deltas, so what the peer has does not matter. Where history is altered, what
/// is reached is not what the objects say: then none is taken.
fn copy_of(snapshot: &dyn Snapshot, counted: &Counted) -> Result<Option<PackCopy>, ReadError> {
    if snapshot.alters_history() {
        return Ok(None);
    }
    match counted.whole_pack() {
        Some(pack) => PackCopy::new(counted.set.numbers().packs()[pack].pack.clone()),
        None => Ok(None),
    }
}

impl PackStream for PackFeed {
    fn fill(&mut self, out: &mut Vec<u8>, cx: &Context) -> Result<ControlFlow<()>, Refusal> {
        PackFeed::fill(self, out, cx).map_err(|error| match error {
            WriteError::Stopped(stopped) => Refusal::from(stopped),
            other => Refusal::internal(other),
        })
    }
}

/// Adds every annotated tag that a ref names and whose object is in the set.
///
/// # Errors
/// [`ReadError`] when a ref or a tag cannot be read.
pub fn add_tags(snapshot: &dyn Snapshot, set: &mut ObjectSet) -> Result<(), ReadError> {
    add_pointing(snapshot, &tags(snapshot)?, set)
}

/// What refs of tags hold, unless it is known not to be an annotated tag.
fn tags(snapshot: &dyn Snapshot) -> Result<Vec<ObjectId>, ReadError> {
    let mut tagged = Vec::new();
    snapshot.for_each_ref(b"refs/tags/", &mut |found| {
        if let Some(id) = found.target.id()
            && found.peeled != Some(None)
        {
            tagged.push(id);
        }
        ControlFlow::Continue(())
    })?;
    Ok(tagged)
}

/// Adds those of them that are annotated tags and whose objects are in the set.
fn add_pointing(snapshot: &dyn Snapshot, tagged: &[ObjectId], set: &mut ObjectSet) -> Result<(), ReadError> {
    let (mut buf, mut tags) = (Vec::new(), Vec::new());
    for id in tagged {
        if snapshot.header(id)?.is_none_or(|header| header.kind != Kind::Tag) {
            continue;
        }
        tags.clear();
        let (target, _) = walk::peel(snapshot, *id, &mut buf, &mut tags)?;
        if set.contains(&target) {
            for tag in &tags {
                set.insert(tag);
            }
        }
    }
    Ok(())
}
