//! Which objects of a plan are searched, in which order, and which deltas stay as they are.

use super::found::Found;
use super::{SearchOptions, parallel};
use crate::write::{Finder, PackPlan, Reuse, Source, WriteError};
use crate::{EntryKind, Pack, Reader};
use git_core_idx::PackOffset;
use git_core_object::{Context, Header, Kind, ObjectId, Objects, ReadError};
use hashbrown::HashMap;
use std::cmp::Reverse;
use std::sync::{Mutex, PoisonError};

/// An object that may become a delta or the base of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) item: u32,
    pub(super) name_hash: u32,
    pub(super) size: u64,
    pub(super) kind: Kind,
    /// It is not part of the pack: the receiver has it.
    pub(super) outer: bool,
    /// Its entry is whole and will be copied from this pack, unless it becomes a delta; else [`NO_PACK`].
    pub(super) pack: u32,
}

pub(super) const NO_PACK: u32 = u32::MAX;

/// What is to be searched.
pub(super) struct Sorted {
    pub(super) found: Found,
    pub(super) list: Vec<Candidate>,
    /// By item: how many deltas that stay as they are hang below it, one on the other. 0 where it is absent.
    pub(super) tails: HashMap<u32, u32>,
}

/// Smaller objects gain nothing.
const MIN_SIZE: u64 = 50;
/// Objects looked at by a thread at a time.
const BATCH: usize = 1024;

pub(super) fn sort(
    plan: &PackPlan,
    objects: &dyn Objects,
    options: &SearchOptions,
    cx: &Context,
) -> Result<Sorted, WriteError> {
    let looker = Looker { plan, objects, options, finder: Finder::new(plan) };
    let mut looks = vec![Look::Other; plan.len()];
    let batches = Mutex::new(looks.chunks_mut(BATCH).enumerate());
    parallel(cx.limits().thread_count().min(plan.len().div_ceil(BATCH)), &|| {
        let mut reader = Reader::new();
        loop {
            let batch = batches.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((number, batch)) = batch else { return Ok(()) };
            cx.check()?;
            for (at, look) in batch.iter_mut().enumerate() {
                *look = looker.look((number * BATCH + at) as u32, &mut reader)?;
            }
        }
    })?;
    let tails = looker.keep_chains(&mut looks)?;
    let mut found = Found::new(plan.len());
    let mut list = Vec::new();
    for (item, look) in (0u32..).zip(&looks) {
        let Look::Candidate { kind, size, pack } = *look else { continue };
        if pack == NO_PACK && matches!(plan.source(item), Source::Reuse { .. }) {
            found.set_whole(item);
        }
        if (MIN_SIZE..options.big_object).contains(&size) && !looker.is_whole(item) {
            let name_hash = plan.name_hash(item);
            list.push(Candidate { item, name_hash, size, kind, outer: false, pack });
        }
    }
    for (item, base) in (plan.len() as u32..).zip(&plan.outer) {
        // It would only have helped.
        let Some(Header { kind, size }) = objects.header(&base.id)? else { continue };
        if (MIN_SIZE..options.big_object).contains(&size) {
            let name_hash = base.name_hash;
            list.push(Candidate { item, name_hash, size, kind, outer: true, pack: NO_PACK });
        }
    }
    list.sort_unstable_by_key(|one| {
        (one.kind as u8, one.name_hash, Reverse(one.outer), Reverse(one.size), one.item)
    });
    Ok(Sorted { found, list, tails })
}

/// What is known of an item before the search.
#[derive(Clone, Copy)]
enum Look {
    /// It is copied whatever happens; nothing need be known of it.
    Other,
    /// It is a delta that stays one, on this item or on something outside ([`OUTSIDE`]).
    Stored {
        base: u32,
    },
    Candidate {
        kind: Kind,
        size: u64,
        pack: u32,
    },
}

const OUTSIDE: u32 = u32::MAX;

struct Looker<'a> {
    plan: &'a PackPlan,
    objects: &'a dyn Objects,
    options: &'a SearchOptions,
    finder: Finder,
}

impl Looker<'_> {
    /// Whether the object is not to be a delta.
    fn is_whole(&self, item: u32) -> bool {
        self.options.whole.as_ref().is_some_and(|whole| whole(&self.plan.id(item)))
    }

    fn look(&self, item: u32, reader: &mut Reader) -> Result<Look, WriteError> {
        let (number, position) = match self.plan.source(item) {
            Source::Reuse { pack, position } => (pack, position),
            Source::Fresh { row } => {
                let id = self.plan.fresh[row as usize];
                let Header { kind, size } = self.objects.header(&id)?.ok_or(ReadError::Missing { id })?;
                return Ok(Look::Candidate { kind, size, pack: NO_PACK });
            }
        };
        let pack = &self.plan.packs[number as usize];
        let at = pack.offset(position)?;
        let (header, _) = pack.entry_header(at)?;
        if let EntryKind::Whole(kind) = header.kind {
            let pack = if self.plan.reuse == Reuse::Nothing { NO_PACK } else { number };
            return Ok(Look::Candidate { kind, size: header.size, pack });
        }
        if self.plan.reuse == Reuse::All
            && let Some(base) = self.stored_base(number, pack, at, header.kind)?
            && self.plan.may_use(item, base)
            && !self.is_whole(item)
        {
            return Ok(Look::Stored { base });
        }
        self.loose_delta(item, reader)
    }

    /// A delta that is not kept.
    fn loose_delta(&self, item: u32, reader: &mut Reader) -> Result<Look, WriteError> {
        let Source::Reuse { pack, position } = self.plan.source(item) else { return Ok(Look::Other) };
        let pack = &self.plan.packs[pack as usize];
        let header = reader.header(pack, pack.offset(position)?, Some(self.objects))?;
        Ok(Look::Candidate { kind: header.kind, size: header.size, pack: NO_PACK })
    }

    /// The base of an entry that is a delta, if it will be there for the receiver.
    fn stored_base(
        &self,
        number: u32,
        pack: &Pack,
        at: PackOffset,
        kind: EntryKind,
    ) -> Result<Option<u32>, ReadError> {
        let (position, id) = match kind {
            EntryKind::Whole(_) => return Ok(None),
            EntryKind::OfsDelta { .. } => {
                let offset = kind
                    .base_offset(at)
                    .ok_or_else(|| pack.corrupt(at, "the delta base is outside of the pack"))?;
                let position = pack.position_of(offset)?;
                (
                    Some(position.ok_or_else(|| pack.corrupt(at, "no entry begins where its base should"))?),
                    None,
                )
            }
            EntryKind::RefDelta { base } => (pack.idx().lookup(&base), Some(base)),
        };
        if let Some(base) = position.and_then(|position| self.finder.by_row(number, position)) {
            return Ok(Some(base));
        }
        let id: ObjectId = match (id, position) {
            (Some(id), _) => id,
            (None, Some(position)) => pack.idx().id_at(position),
            (None, None) => return Ok(None),
        };
        let outside = || self.options.thin.as_ref().is_some_and(|has| has(&id)).then_some(OUTSIDE);
        Ok(self.finder.by_id(self.plan, &id).or_else(outside))
    }

    /// Gives up stored deltas that lead in a circle, as those of several packs may, and those at the end of
    /// chains that are too long. Gives how much hangs below each root.
    fn keep_chains(&self, looks: &mut [Look]) -> Result<HashMap<u32, u32>, WriteError> {
        const UNKNOWN: u32 = u32::MAX;
        const ON_THE_WAY: u32 = u32::MAX - 1;
        let stored = looks.iter().any(|look| matches!(look, Look::Stored { .. }));
        let mut tails = HashMap::new();
        if !stored {
            return Ok(tails);
        }
        // By item: the length of its chain, and what it ends in.
        let mut depths = vec![(UNKNOWN, UNKNOWN); looks.len()];
        let (mut chain, mut reader) = (Vec::new(), Reader::new());
        for item in 0..looks.len() as u32 {
            let mut at = item;
            let (mut depth, mut root) = loop {
                if at == OUTSIDE {
                    break (0, OUTSIDE);
                }
                match (depths[at as usize], looks[at as usize]) {
                    ((ON_THE_WAY, _), _) => {
                        // The last one of the chain closes the circle.
                        let last = chain.pop().unwrap_or(at);
                        looks[last as usize] = self.loose_delta(last, &mut reader)?;
                        depths[last as usize] = (0, last);
                        break (0, last);
                    }
                    ((UNKNOWN, _), Look::Stored { base }) => {
                        depths[at as usize].0 = ON_THE_WAY;
                        chain.push(at);
                        at = base;
                    }
                    ((UNKNOWN, _), _) => {
                        depths[at as usize] = (0, at);
                        break (0, at);
                    }
                    (known, _) => break known,
                }
            };
            while let Some(last) = chain.pop() {
                depth += 1;
                if depth > self.options.depth {
                    looks[last as usize] = self.loose_delta(last, &mut reader)?;
                    (depth, root) = (0, last);
                }
                depths[last as usize] = (depth, root);
                if depth > 0 && root != OUTSIDE {
                    let tail = tails.entry(root).or_insert(0);
                    *tail = depth.max(*tail);
                }
            }
        }
        Ok(tails)
    }
}
