//! A pack on its way out: what a peer lacks is counted, planned, and written piece by piece. Deltas are searched
//! where it is worth it.
//!
//! Where the count shows that a peer wants exactly what one pack holds, that pack is sent as it lies there.

use git_core_object::{Context, Kind, ObjectId, Objects as _, ReadError};
use git_core_pack::{DeltaForm, PackCopy, PackWriter, SearchOptions, WriteError, WriteOptions};
use git_core_store::Snapshot;
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

/// A pack that is being written for a peer.
pub struct PackFeed(Source);

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
        let query = Query {
            include: wish.wants.clone(),
            exclude: wish.haves.clone(),
            ignore_missing: MissingExcludes::Ignore,
            // Sending a little too much does no harm; what the other side has can be all of many refs.
            exclusion: Exclusion::ByDate,
            filter: None,
        };
        let packed: u64 = snapshot.packs().iter().map(|stored| u64::from(stored.pack.count())).sum();
        let mut set = match wish.haves.is_empty() && packed > SEARCHED_OBJECTS {
            true => walk::reachable_with(&*snapshot, &query, &wish.options.count, cx)?,
            false => walk::reachable_named(&*snapshot, &query, cx)?,
        };
        if wish.include_tag {
            add_tags(&*snapshot, &mut set)?;
        }
        if wish.options.whole == WholePacks::Copy
            && wish.ofs_delta
            && let Some(copy) = copy_of(&*snapshot, &set)?
        {
            return Ok(PackFeed(Source::Copy(Box::new(copy))));
        }
        let mut plan = set.plan(snapshot.format())?;
        let delta_form = if wish.ofs_delta { DeltaForm::Ofs } else { DeltaForm::Ref };
        let mut options = WriteOptions { delta_form, ..WriteOptions::default() };
        let big = snapshot.clone();
        options.stream = Some(Arc::new(move |id, sink| big.stream(id, sink)));
        let mut search = SearchOptions { compression: options.compression, ..SearchOptions::default() };
        if wish.thin && !wish.haves.is_empty() {
            set.add_outer_bases(&mut plan);
            options.thin = Some(Arc::new(move |id| set.is_excluded(id)));
            search.thin.clone_from(&options.thin);
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
        Ok(PackFeed(Source::Writer(Box::new(writer))))
    }

    /// How many objects the pack holds.
    pub fn objects(&self) -> u32 {
        match &self.0 {
            Source::Writer(writer) => writer.objects(),
            Source::Copy(copy) => copy.objects(),
        }
    }

    /// Whether a pack of the repository is sent as it lies there.
    pub fn is_copy(&self) -> bool {
        matches!(self.0, Source::Copy(_))
    }

    /// Appends the next piece; `Break` with the last one.
    ///
    /// # Errors
    /// [`WriteError`] when an object cannot be read; the pack cannot be completed then.
    pub fn fill(&mut self, out: &mut Vec<u8>, cx: &Context) -> Result<ControlFlow<()>, WriteError> {
        match &mut self.0 {
            Source::Writer(writer) => writer.fill(out, cx),
            Source::Copy(copy) => copy.fill(out, cx),
        }
    }
}

/// The pack to be sent as it lies, if one holds these objects and nothing else.
///
/// Every object of it was reached and nothing else was: it holds nothing that the peer is not to see. A pack in a
/// repository has the bases of all its deltas, so what the peer has does not matter. Where history is altered, what
/// is reached is not what the objects say: then none is taken.
fn copy_of(snapshot: &dyn Snapshot, set: &ObjectSet) -> Result<Option<PackCopy>, ReadError> {
    if snapshot.alters_history() {
        return Ok(None);
    }
    match set.whole_pack() {
        Some(pack) => PackCopy::new(set.numbers().packs()[pack].pack.clone()),
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
    let mut tagged = Vec::new();
    snapshot.for_each_ref(b"refs/tags/", &mut |found| {
        if let Some(id) = found.target.id()
            && found.peeled != Some(None)
        {
            tagged.push(id);
        }
        ControlFlow::Continue(())
    })?;
    let (mut buf, mut tags) = (Vec::new(), Vec::new());
    for id in tagged {
        if snapshot.header(&id)?.is_none_or(|header| header.kind != Kind::Tag) {
            continue;
        }
        tags.clear();
        let (target, _) = walk::peel(snapshot, id, &mut buf, &mut tags)?;
        if set.contains(&target) {
            for tag in &tags {
                set.insert(tag);
            }
        }
    }
    Ok(())
}
