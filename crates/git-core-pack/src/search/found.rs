//! What a search has found: the base of each delta, and as many results as may be held.

use git_core_object::Kind;
use hashbrown::HashMap;

/// The outcome of a search for deltas: 4 bytes per object, and the results that are held.
#[derive(Debug)]
pub struct Found {
    /// By item: its base, or one of the values below.
    bases: Vec<u32>,
    held: HashMap<u32, Held>,
}

/// The entry of the plan is copied as it stands, delta or not.
const AS_STORED: u32 = u32::MAX;
/// The object is stored whole.
const WHOLE: u32 = u32::MAX - 1;

/// What becomes of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// What the plan says: the entry of another pack is copied.
    AsStored,
    /// It is stored whole.
    Whole,
    /// It is stored as a delta on this item; a number beyond the items names one of the plan's outer bases.
    Delta(u32),
}

/// A deflated result.
#[derive(Debug)]
pub(crate) struct Held {
    /// What the object is, delta or not.
    pub(crate) kind: Kind,
    /// The length of what it inflates to.
    pub(crate) size: u64,
    pub(crate) deflated: Box<[u8]>,
}

/// The result for one item, on its way from a thread.
pub(crate) struct Made {
    pub(crate) item: u32,
    pub(crate) base: Option<u32>,
    pub(crate) held: Option<Held>,
}

impl Found {
    /// Nothing was found yet for so many items: all stay as they are.
    pub(crate) fn new(items: usize) -> Self {
        Found { bases: vec![AS_STORED; items], held: HashMap::new() }
    }

    pub(crate) fn set_whole(&mut self, item: u32) {
        self.bases[item as usize] = WHOLE;
    }

    pub(super) fn take(&mut self, made: Vec<Made>) {
        for Made { item, base, held } in made {
            if let Some(base) = base {
                self.bases[item as usize] = base;
            }
            if let Some(held) = held {
                self.held.insert(item, held);
            }
        }
    }

    pub(crate) fn form(&self, item: u32) -> Form {
        match self.bases[item as usize] {
            AS_STORED => Form::AsStored,
            WHOLE => Form::Whole,
            base => Form::Delta(base),
        }
    }

    /// Keeps the result for an item.
    pub(crate) fn hold(&mut self, item: u32, held: Held) {
        self.held.insert(item, held);
    }

    /// The result that is held for an item.
    pub(crate) fn held(&self, item: u32) -> Option<&Held> {
        self.held.get(&item)
    }

    /// Takes out the result that is held for an item.
    pub(crate) fn release(&mut self, item: u32) -> Option<Held> {
        self.held.remove(&item)
    }

    /// How many deltas were found.
    pub fn deltas(&self) -> usize {
        self.bases.iter().filter(|base| **base < WHOLE).count()
    }
}
