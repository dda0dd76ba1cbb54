//! What a repack is asked to do, and what it did.

use crate::filter::ObjectFilter;
use crate::walk::BitmapOptions;
use git_core_idx::Version;
use git_core_object::ObjectId;
use git_core_pack::{DeltaForm, Islands, Reuse, SearchOptions};
use std::path::PathBuf;
use std::sync::Arc;

/// How a repository is repacked. [`Default`] packs the reachable objects that are in no pack, and removes nothing.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RepackOptions {
    /// Which objects go into the new pack.
    pub scope: Scope,
    /// What becomes of objects of old packs that nothing reaches, with [`Scope::All`].
    pub unreachable: Unreachable,
    /// Whether packs and loose objects whose content is in a new pack are removed.
    pub redundant: Redundant,
    /// Whether objects that are borrowed from alternates are packed too.
    pub borrowed: Borrowed,
    /// Whether objects of packs with a `.keep` file are packed again.
    pub kept: KeptObjects,
    /// Packs that are treated as if they had a `.keep` file, by their file name (`pack-….pack`).
    pub keep_packs: Vec<String>,
    /// Objects that are alive beside those that refs and reflogs reach, with all they reach.
    pub keep: Vec<ObjectId>,
    /// Whether the files that dumb transports read are brought up to date.
    pub server_info: ServerInfo,
    /// How a bitmap is written: of the multi-pack index, if one is written, else of the new pack, with [`Scope::All`]
    /// and if it is one pack; `None` writes none.
    pub bitmap: Option<BitmapOptions>,
    /// Whether a multi-pack index of the packs is written.
    pub midx: MultiPackIndex,
    /// How deltas on objects of the same pack are written.
    pub delta_form: DeltaForm,
    /// How many bytes a pack may have, if there is a limit; it is 1 MiB at least. What exceeds it goes into further
    /// packs.
    pub max_size: Option<u64>,
    /// The limit for packs of unreachable objects, if it is another.
    pub max_cruft_size: Option<u64>,
    /// Which entries of old packs are copied as they stand.
    pub reuse: Reuse,
    /// How deltas are searched for objects that are not stored as deltas; `None` leaves them whole.
    pub search: Option<SearchOptions>,
    /// Which deltas are ruled out, stored ones too, since who fetches one object may not get the other
    /// (`pack.island`).
    pub islands: Option<Arc<dyn Islands>>,
    /// Which objects go into a pack of their own, with [`Scope::All`]; `None` divides none off.
    pub filter: Option<FilterOptions>,
    /// How deltas are searched for packs of unreachable objects, if otherwise.
    pub cruft_search: Option<SearchOptions>,
    /// Unreachable objects that count as just needed, whatever their age (`gc.recentObjectsHook`).
    pub recent: Vec<ObjectId>,
    /// The version of pack indexes.
    pub idx_version: Version,
    /// Whether reverse indexes are written beside packs.
    pub reverse: ReverseFiles,
    /// How hard objects are compressed that are not copied, 0 to 9; the default of the pack writer without.
    pub compression: Option<u8>,
}

/// Whether `.rev` files are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReverseFiles {
    /// They are.
    #[default]
    Write,
    /// Whoever needs them works them out.
    Leave,
}

/// Which objects are divided off, and where they go. What is loose and divided off stays loose.
#[derive(Clone, Debug)]
pub struct FilterOptions {
    /// What it lets through goes into the usual pack.
    pub filter: Arc<ObjectFilter>,
    /// Where the pack of the others is written: the path of a pack without `-<checksum>.pack`. Without one it lies
    /// beside the usual one.
    pub to: Option<PathBuf>,
}

/// Which objects go into the new pack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// Reachable ones that are in no pack.
    #[default]
    Unpacked,
    /// Everything reachable.
    All,
    /// All loose ones and those of small packs, so many that each of the packs that stay has at least so many times
    /// the objects of the next smaller one.
    Geometric(u32),
}

/// What becomes of objects of old packs that nothing reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreachable {
    /// They go with the old packs.
    #[default]
    Drop,
    /// They become loose, unless their pack was last changed at `expire` or before, in seconds since 1970.
    Loosen {
        /// The time at which they are too old.
        expire: i64,
    },
    /// They are packed with the others, loose ones too.
    Keep,
    /// They get a pack of their own, loose ones too, which remembers how old each is.
    Cruft(CruftOptions),
}

/// How unreachable objects are packed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CruftOptions {
    /// What was last needed at this time or before, in seconds since 1970, goes, unless something younger needs
    /// it. [`i64::MIN`] lets everything stay.
    pub expire: i64,
    /// Where a pack of those that go is written: the path of a pack without `-<checksum>.pack`.
    pub expire_to: Option<PathBuf>,
}

impl Default for CruftOptions {
    fn default() -> Self {
        CruftOptions { expire: i64::MIN, expire_to: None }
    }
}

/// Whether what is stored twice is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redundant {
    /// It stays.
    #[default]
    Leave,
    /// It is removed.
    Remove,
}

/// Whether objects of alternates are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Borrowed {
    /// They are.
    #[default]
    Pack,
    /// They stay where they are.
    Leave,
}

/// Whether objects of kept packs are packed again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeptObjects {
    /// They stay where they are.
    #[default]
    Leave,
    /// They are.
    Pack,
}

/// Whether `info/refs` and `objects/info/packs` are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerInfo {
    /// They stay as they are.
    #[default]
    Leave,
    /// They are.
    Update,
}

/// Whether a multi-pack index is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MultiPackIndex {
    /// None is. One that names a pack which goes is removed.
    #[default]
    Leave,
    /// One of all packs that stay is.
    Write,
}

/// What a repack has done.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RepackReport {
    /// The packs that were written: their paths.
    pub written: Vec<PathBuf>,
    /// The objects in them.
    pub objects: u64,
    /// How many of these are stored as deltas.
    pub deltas: u64,
    /// How many entries were copied from old packs.
    pub reused: u64,
    /// The packs that were removed: their paths.
    pub removed: Vec<PathBuf>,
    /// Objects that became loose.
    pub loosened: u64,
    /// Unreachable objects that are gone.
    pub expired: u64,
}
