//! Packing small packs of a multi-pack index together (`multi-pack-index repack`).
//!
//! What the packs of a batch hold that the index finds there goes into one new pack, which the index that is written
//! anew leads to. The old packs stay: they are of no use from then on, and [`expire_packs`](super::expire_packs)
//! removes them.

use super::listed::{Listed, ListedPack};
use super::write::Target;
use super::{KeptObjects, RepackReport};
use crate::Storage as _;
use crate::fs::midx::{WriteMidx, write_multi_pack_index};
use crate::fs::{FsStorage, open_pack};
use crate::maintenance::MaintenanceError;
use git_core_idx::PackOffset;
use git_core_idx::midx::{MidxPosition, PackNumber};
use git_core_object::{Context, Objects};
use git_core_pack::{DeltaForm, Islands, Pack, PackPlan, SearchOptions, WriteOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// Which packs of a multi-pack index are packed together, and how.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct BatchOptions {
    /// Packs whose part that is in use is smaller than so many bytes are taken, the oldest first, until their parts
    /// have so many together; 0 takes all packs.
    pub size: u64,
    /// Whether packs with a `.keep` file are taken.
    pub kept: KeptObjects,
    /// How deltas on objects of the same pack are written.
    pub delta_form: DeltaForm,
    /// How deltas are searched for objects that are not stored as deltas; `None` leaves them whole.
    pub search: Option<SearchOptions>,
    /// What must not be a delta of what.
    pub islands: Option<Arc<dyn Islands>>,
    /// How many bytes a pack may have, if there is a limit; it is 1 MiB at least.
    pub max_size: Option<u64>,
}

impl std::fmt::Debug for BatchOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchOptions")
            .field("size", &self.size)
            .field("kept", &self.kept)
            .field("delta_form", &self.delta_form)
            .field("search", &self.search)
            .field("islands", &self.islands.is_some())
            .field("max_size", &self.max_size)
            .finish()
    }
}

/// Packs small packs of `objects/pack` in the object directory `directory`, that of the repository or one that it
/// borrows from, together, and writes the multi-pack index anew. Nothing is done without such an index, or when
/// fewer than two packs are to be taken. Cruft packs and those of a promisor are left alone.
///
/// # Errors
/// [`MaintenanceError`]: everything that was there is there.
pub fn repack_batch(
    storage: &FsStorage,
    directory: &Path,
    options: &BatchOptions,
    cx: &Context,
) -> Result<RepackReport, MaintenanceError> {
    let objects = storage.objects();
    let (format, dir) = (objects.format(), directory.join("pack"));
    let mut report = RepackReport::default();
    let refusal = "cannot repack an incremental multi-pack-index";
    let Some(listed) = Listed::read(&dir, format, refusal, cx)? else { return Ok(report) };
    let mut packs: Vec<Option<Arc<Pack>>> = Vec::with_capacity(listed.packs.len());
    for pack in &listed.packs {
        let skipped = ["mtimes", "promisor"].iter().any(|extension| pack.has(extension))
            || (options.kept == KeptObjects::Leave && pack.has("keep"));
        // One that is gone or damaged has nothing to give.
        let opened = if skipped { None } else { open_pack(&pack.path, format).ok() };
        packs.push(opened.filter(|pack| pack.count() > 0).map(Arc::new));
    }
    let chosen = choose(&listed.packs, &packs, options.size);
    if chosen.len() < 2 {
        return Ok(report);
    }
    let snapshot: Arc<dyn Objects> = storage.snapshot()?;
    let mut plan = plan(&listed, &packs, &chosen, cx)?;
    if let Some(islands) = &options.islands {
        plan.set_islands(islands.clone());
    }
    let write_options = WriteOptions {
        delta_form: options.delta_form,
        max_size: options.max_size.map(|size| size.max(super::MIN_PACK_SIZE)),
        ..WriteOptions::default()
    };
    let mut target = Target::in_repository(objects, write_options);
    target.base = dir.join("pack");
    target.search.clone_from(&options.search);
    let stems = target.write(plan, snapshot, &mut |_| Ok(Vec::new()), &mut report, cx)?;
    let mut wanted = WriteMidx::default();
    if let [stem] = &stems[..] {
        // It may be as old as one of those it replaces, in whole seconds.
        let name =
            stem.with_added_extension("idx").file_name().map(|name| name.to_string_lossy().into_owned());
        wanted.preferred = name;
    }
    write_multi_pack_index(&dir, format, objects.disk(), &wanted)?;
    Ok(report)
}

/// The numbers of the packs that make up the batch, ascending.
fn choose(listed: &[ListedPack], packs: &[Option<Arc<Pack>>], size: u64) -> Vec<usize> {
    let there = (0..packs.len()).filter(|at| packs[*at].is_some());
    if size == 0 {
        return there.collect();
    }
    // Whole seconds, as git compares them; of equally old ones the first by name comes first.
    let seconds = |at: usize| {
        let modified = listed[at].path.metadata().and_then(|metadata| metadata.modified()).ok()?;
        modified.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
    };
    let mut by_age: Vec<(Option<u64>, usize)> = there.map(|at| (seconds(at), at)).collect();
    by_age.sort_unstable();
    let (mut chosen, mut total) = (Vec::new(), 0u64);
    for (_, at) in by_age {
        let Some(pack) = packs[at].as_ref().filter(|_| total < size) else { break };
        let part = u128::from(pack.data().size()) * u128::from(listed[at].referenced);
        let expected = u64::try_from(part / u128::from(pack.count())).unwrap_or(u64::MAX);
        if expected < size {
            total = total.saturating_add(expected);
            chosen.push(at);
        }
    }
    chosen.sort_unstable();
    chosen
}

/// The objects that the index finds in the chosen packs, in the order of these.
fn plan(
    listed: &Listed,
    packs: &[Option<Arc<Pack>>],
    chosen: &[usize],
    cx: &Context,
) -> Result<PackPlan, MaintenanceError> {
    let midx = &listed.midx;
    let mut plan = PackPlan::new(midx.format());
    let mut numbers: Vec<Option<u32>> = vec![None; packs.len()];
    for at in chosen {
        numbers[*at] = packs[*at].clone().map(|pack| plan.add_pack(pack));
    }
    let mut found: Vec<(PackNumber, PackOffset, MidxPosition)> = Vec::new();
    for position in (0..midx.count()).map(MidxPosition) {
        if let Ok(location) = midx.location_at(position)
            && numbers[location.pack.0 as usize].is_some()
        {
            found.push((location.pack, location.offset, position));
        }
    }
    found.sort_unstable();
    for (done, (pack, _, position)) in found.into_iter().enumerate() {
        if done % 4096 == 0 {
            cx.check()?;
        }
        let (at, id) = (pack.0 as usize, midx.id_at(position));
        let row = packs[at].as_ref().and_then(|pack| pack.idx().lookup(&id));
        match (numbers[at], row) {
            (Some(number), Some(row)) => plan.reuse(number, row),
            // The pack was written again under its name since it was indexed.
            _ => plan.fresh(id),
        }
    }
    Ok(plan)
}
