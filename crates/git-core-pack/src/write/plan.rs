//! What goes into a pack, in which order: 8 bytes per object, an id for each that is not reused, and what is
//! known of its name.

use crate::search::{Form, Found, Held, SearchOptions, search};
use crate::write::WriteError;
use crate::{Pack, Reader};
use git_core_idx::IdxPosition;
use git_core_object::{Context, Kind, ObjectFormat, ObjectId, Objects, ReadError};
use std::fmt;
use std::sync::Arc;

/// Which entries of other packs are copied as they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reuse {
    /// All that can be.
    #[default]
    All,
    /// Those that are no deltas (`--no-reuse-delta`).
    Whole,
    /// None (`--no-reuse-object`).
    Nothing,
}

/// Says which deltas `pack.island` rules out.
pub trait Islands: Send + Sync + fmt::Debug {
    /// Whether whoever fetches `object` is sure to fetch `base` too. A base that is not in the pack is not asked
    /// about.
    fn may_use(&self, object: &ObjectId, base: &ObjectId) -> bool;

    /// Whether an object belongs to those that come first in a pack (`pack.islandCore`).
    fn is_core(&self, _object: &ObjectId) -> bool {
        false
    }
}

impl fmt::Debug for PackPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackPlan")
            .field("format", &self.format)
            .field("packs", &self.packs.len())
            .field("objects", &self.items.len())
            .field("reuse", &self.reuse)
            .field("found", &self.found.is_some())
            .finish_non_exhaustive()
    }
}

/// The objects of a pack to be written, in order. No object may be added twice.
///
/// An entry that is a delta is copied as a delta when its base is in the plan too; the base then is written
/// first, whatever the order says. [`find_deltas`](Self::find_deltas) makes deltas of others.
pub struct PackPlan {
    pub(crate) format: ObjectFormat,
    pub(crate) packs: Vec<Arc<Pack>>,
    pub(super) items: Vec<Item>,
    pub(crate) fresh: Vec<ObjectId>,
    pub(crate) reuse: Reuse,
    /// Objects that the receiver has and that help as bases.
    pub(crate) outer: Vec<Outer>,
    /// By item; shorter than the items where nothing is known of the last ones.
    names: Vec<u32>,
    pub(super) found: Option<Found>,
    islands: Option<Arc<dyn Islands>>,
}

/// An object that is not in the pack and may be a base of objects in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outer {
    pub(crate) id: ObjectId,
    pub(crate) name_hash: u32,
}

/// One object: a row of a pack's index, or a row of the list of others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pack: u32,
    row: u32,
}

const FRESH: u32 = u32::MAX;

/// Where an object comes from.
pub(crate) enum Source {
    Reuse { pack: u32, position: IdxPosition },
    Fresh { row: u32 },
}

impl PackPlan {
    /// A plan without objects.
    pub fn new(format: ObjectFormat) -> Self {
        PackPlan {
            format,
            packs: Vec::new(),
            items: Vec::new(),
            fresh: Vec::new(),
            reuse: Reuse::All,
            outer: Vec::new(),
            names: Vec::new(),
            found: None,
            islands: None,
        }
    }

    /// Says which entries of the known packs may be copied.
    pub fn set_reuse(&mut self, reuse: Reuse) {
        self.reuse = reuse;
    }

    /// Rules out deltas across islands, stored ones too, and puts the objects of the core, of those that were added
    /// so far, before the others.
    pub fn set_islands(&mut self, islands: Arc<dyn Islands>) {
        let order: Vec<u32> = {
            let (core, others): (Vec<u32>, Vec<u32>) =
                (0..self.items.len() as u32).partition(|item| islands.is_core(&self.id(*item)));
            if core.is_empty() { Vec::new() } else { core.into_iter().chain(others).collect() }
        };
        if !order.is_empty() {
            self.items = order.iter().map(|item| self.items[*item as usize]).collect();
            self.names = order.iter().map(|item| self.name_hash(*item)).collect();
        }
        self.islands = Some(islands);
    }

    /// Makes a pack known whose entries may be reused; gives the number to name it by.
    pub fn add_pack(&mut self, pack: Arc<Pack>) -> u32 {
        self.packs.push(pack);
        (self.packs.len() - 1) as u32
    }

    /// Adds an object whose entry is copied from a pack, if its form allows it.
    ///
    /// # Panics
    /// When the number names no pack, or the pack's index has no such row.
    pub fn reuse(&mut self, pack: u32, position: IdxPosition) {
        assert!(position.0 < self.packs[pack as usize].count(), "no row {} in the pack's index", position.0);
        self.items.push(Item { pack, row: position.0 });
    }

    /// Adds an object that is read and compressed anew.
    pub fn fresh(&mut self, id: ObjectId) {
        self.items.push(Item { pack: FRESH, row: self.fresh.len() as u32 });
        self.fresh.push(id);
    }

    /// Says under which name the object that was added last was met, as [`name_hash`](crate::name_hash) gives it:
    /// objects of one name are compared with one another first.
    pub fn named(&mut self, name_hash: u32) {
        if name_hash != 0
            && let Some(last) = self.items.len().checked_sub(1)
        {
            self.names.resize(last, 0);
            self.names.push(name_hash);
        }
    }

    /// Adds an object that the receiver has, as a base for deltas of a thin pack.
    pub fn add_outer_base(&mut self, id: ObjectId, name_hash: u32) {
        self.outer.push(Outer { id, name_hash });
    }

    /// Searches deltas for all objects that are not stored as deltas which can be copied. What is found is
    /// written by a [`PackWriter`](crate::PackWriter) that gets this plan; nothing may be added to it afterwards.
    /// Gives the number of new deltas. The number of threads is that of the context's limits.
    ///
    /// # Errors
    /// [`WriteError`] when an object is missing or damaged, or the search was cancelled.
    pub fn find_deltas(
        &mut self,
        objects: &dyn Objects,
        options: &SearchOptions,
        cx: &Context,
    ) -> Result<usize, WriteError> {
        let found = search(self, objects, options, cx)?;
        let deltas = found.deltas();
        self.found = Some(found);
        Ok(deltas)
    }

    /// The name that was given for an item.
    pub(crate) fn name_hash(&self, item: u32) -> u32 {
        self.names.get(item as usize).copied().unwrap_or(0)
    }

    /// What becomes of an item.
    pub(super) fn form(&self, item: u32) -> Form {
        match (self.found.as_ref().map(|found| found.form(item)), self.reuse) {
            (None | Some(Form::AsStored), Reuse::Nothing) => Form::Whole,
            (found, _) => found.unwrap_or(Form::AsStored),
        }
    }

    /// The deflated result that the search has kept for an item.
    pub(super) fn release(&mut self, item: u32) -> Option<Held> {
        self.found.as_mut().and_then(|found| found.release(item))
    }

    /// Whether islands allow a delta.
    pub(crate) fn may_use(&self, item: u32, base: u32) -> bool {
        match &self.islands {
            Some(islands) if (base as usize) < self.items.len() => {
                islands.may_use(&self.id(item), &self.id(base))
            }
            _ => true,
        }
    }

    /// Reads the content of an item or an outer base.
    pub(crate) fn read(
        &self,
        item: u32,
        reader: &mut Reader,
        objects: &dyn Objects,
        out: &mut Vec<u8>,
    ) -> Result<Kind, ReadError> {
        if item as usize >= self.items.len() {
            return objects.require(&self.id(item), out);
        }
        match self.source(item) {
            Source::Fresh { row } => objects.require(&self.fresh[row as usize], out),
            Source::Reuse { pack, position } => {
                let pack = &self.packs[pack as usize];
                reader.read(pack, pack.offset(position)?, Some(objects), out)
            }
        }
    }

    /// The number of objects.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// How many of them come from no pack.
    pub fn fresh_len(&self) -> usize {
        self.fresh.len()
    }

    /// Whether there are no objects.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn source(&self, item: u32) -> Source {
        match self.items[item as usize] {
            Item { pack: FRESH, row } => Source::Fresh { row },
            Item { pack, row } => Source::Reuse { pack, position: IdxPosition(row) },
        }
    }

    /// The id of an item or an outer base.
    pub(crate) fn id(&self, item: u32) -> ObjectId {
        if let Some(outer) = (item as usize).checked_sub(self.items.len()) {
            return self.outer[outer].id;
        }
        match self.source(item) {
            Source::Fresh { row } => self.fresh[row as usize],
            Source::Reuse { pack, position } => self.packs[pack as usize].idx().id_at(position),
        }
    }
}

/// Finds items again by where they come from.
pub(crate) struct Finder {
    packs: Vec<Rows>,
    /// Items that are not reused, in the order of their ids.
    fresh: Vec<u32>,
}

/// The items that reuse entries of one pack, by row.
enum Rows {
    /// One number for each row, [`ABSENT`] where there is none.
    Dense(Vec<u32>),
    /// Sorted pairs of row and item, where few rows are used.
    Sparse(Vec<(u32, u32)>),
}

const ABSENT: u32 = u32::MAX;

impl Finder {
    pub(crate) fn new(plan: &PackPlan) -> Self {
        let mut used = vec![0usize; plan.packs.len()];
        for item in plan.items.iter().filter(|item| item.pack != FRESH) {
            used[item.pack as usize] += 1;
        }
        let rows = |(pack, used): (&Arc<Pack>, &usize)| {
            let count = pack.count() as usize;
            match count / 2 <= *used {
                true => Rows::Dense(vec![ABSENT; count]),
                false => Rows::Sparse(Vec::with_capacity(*used)),
            }
        };
        let mut packs: Vec<Rows> = plan.packs.iter().zip(&used).map(rows).collect();
        let mut fresh = Vec::with_capacity(plan.fresh.len());
        for (at, item) in (0u32..).zip(&plan.items) {
            match packs.get_mut(item.pack as usize) {
                Some(Rows::Dense(rows)) => rows[item.row as usize] = at,
                Some(Rows::Sparse(rows)) => rows.push((item.row, at)),
                None => fresh.push(at),
            }
        }
        for rows in &mut packs {
            if let Rows::Sparse(rows) = rows {
                rows.sort_unstable();
            }
        }
        fresh.sort_unstable_by_key(|item| plan.id(*item));
        Finder { packs, fresh }
    }

    /// The item that reuses this row of this pack.
    pub(crate) fn by_row(&self, pack: u32, position: IdxPosition) -> Option<u32> {
        match &self.packs[pack as usize] {
            Rows::Dense(rows) => rows.get(position.0 as usize).copied().filter(|item| *item != ABSENT),
            Rows::Sparse(rows) => {
                let at = rows.binary_search_by_key(&position.0, |(row, _)| *row).ok()?;
                Some(rows[at].1)
            }
        }
    }

    /// The item of this id, wherever it comes from.
    pub(crate) fn by_id(&self, plan: &PackPlan, id: &ObjectId) -> Option<u32> {
        let reused = (0u32..).zip(&plan.packs).find_map(|(number, pack)| {
            pack.idx().lookup(id).and_then(|position| self.by_row(number, position))
        });
        reused.or_else(|| {
            let at = self.fresh.binary_search_by_key(id, |item| plan.id(*item)).ok()?;
            Some(self.fresh[at])
        })
    }
}
