//! Keeping a repository on disk small and quick: packing, pruning, collecting garbage.
//!
//! [`count_objects`] looks only; [`prune_packed`], [`prune`] and [`repack`] change object directories, and
//! [`FilesRefs::pack`](crate::fs::refs::FilesRefs::pack) the refs; [`gc`] does all of it as the configuration
//! says. Others may read and write beside them: what is reachable, or was made lately, is never gone in between.
//! What keeps an object alive that is not a ref or reflog, such as the staging index, is told by the caller.

mod count;
mod error;
mod files;
mod gc;
mod mtimes;
mod prune;
mod prune_packed;
mod reachable;
mod reflog;
mod repack;
mod roots;
mod server_info;
mod worktrees;

pub use count::{Garbage, GarbageKind, ObjectCounts, count_objects};
pub use error::MaintenanceError;
pub use files::DryRun;
pub use gc::{GcLock, GcNeed, GcOptions, GcRefs, GcReport, RecentObjects, gc, needs_gc};
pub use prune::{PruneOptions, Pruned, prune};
pub use prune_packed::prune_packed;
pub use reflog::{ReflogAges, ReflogExpiry, expire_reflogs};
pub use repack::{
    BatchOptions, Borrowed, CruftOptions, FilterOptions, KeptObjects, MultiPackIndex, Redundant,
    RepackOptions, RepackReport, ReverseFiles, Scope, ServerInfo, Unreachable, expire_packs,
    loosen_unreachable, repack, repack_batch,
};
pub use roots::{Roots, roots};
pub use server_info::update as update_server_info;
pub use worktrees::prune_worktrees;
