//! What goes into a pack, in which order: 8 bytes per object, and an id for each that is not reused.

use crate::Pack;
use git_core_idx::IdxPosition;
use git_core_object::{ObjectFormat, ObjectId};
use std::sync::Arc;

/// The objects of a pack to be written, in order. No object may be added twice.
///
/// An entry that is a delta is copied as a delta when its base is in the plan too; the base then is written
/// first, whatever the order says.
#[derive(Debug)]
pub struct PackPlan {
    pub(super) format: ObjectFormat,
    pub(super) packs: Vec<Arc<Pack>>,
    pub(super) items: Vec<Item>,
    pub(super) fresh: Vec<ObjectId>,
}

/// One object: a row of a pack's index, or a row of the list of others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pack: u32,
    row: u32,
}

const FRESH: u32 = u32::MAX;

/// Where an object comes from.
pub(super) enum Source {
    Reuse { pack: u32, position: IdxPosition },
    Fresh { row: u32 },
}

impl PackPlan {
    /// A plan without objects.
    pub fn new(format: ObjectFormat) -> Self {
        PackPlan { format, packs: Vec::new(), items: Vec::new(), fresh: Vec::new() }
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

    /// The number of objects.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are no objects.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn source(&self, item: u32) -> Source {
        match self.items[item as usize] {
            Item { pack: FRESH, row } => Source::Fresh { row },
            Item { pack, row } => Source::Reuse { pack, position: IdxPosition(row) },
        }
    }

    pub(super) fn id(&self, item: u32) -> ObjectId {
        match self.source(item) {
            Source::Fresh { row } => self.fresh[row as usize],
            Source::Reuse { pack, position } => self.packs[pack as usize].idx().id_at(position),
        }
    }
}

/// Finds items again by where they come from.
pub(super) struct Finder {
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
    pub(super) fn new(plan: &PackPlan) -> Self {
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
    pub(super) fn by_row(&self, pack: u32, position: IdxPosition) -> Option<u32> {
        match &self.packs[pack as usize] {
            Rows::Dense(rows) => rows.get(position.0 as usize).copied().filter(|item| *item != ABSENT),
            Rows::Sparse(rows) => {
                let at = rows.binary_search_by_key(&position.0, |(row, _)| *row).ok()?;
                Some(rows[at].1)
            }
        }
    }

    /// The item of this id, wherever it comes from.
    pub(super) fn by_id(&self, plan: &PackPlan, id: &ObjectId) -> Option<u32> {
        let reused = (0u32..).zip(&plan.packs).find_map(|(number, pack)| {
            pack.idx().lookup(id).and_then(|position| self.by_row(number, position))
        });
        reused.or_else(|| {
            let at = self.fresh.binary_search_by_key(id, |item| plan.id(*item)).ok()?;
            Some(self.fresh[at])
        })
    }
}
