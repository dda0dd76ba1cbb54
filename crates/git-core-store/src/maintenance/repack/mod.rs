//! Packing a repository anew (`git-repack(1)`).
//!
//! The order in which files come and go keeps readers safe, whoever they are: a new pack is flushed and published
//! (pack, reverse index, index) before anything it replaces is removed; of what is removed, the index goes first. Who
//! still reads an old pack has it open; who opens one in between finds the new one instead.

mod batch;
mod cruft;
mod expire;
mod filtered;
mod geometric;
mod listed;
mod loosen;
mod options;
mod promisor;
mod remove;
mod write;

pub use batch::{BatchOptions, repack_batch};
pub use expire::expire_packs;
pub use loosen::loosen_unreachable;
pub use options::{
    Borrowed, CruftOptions, FilterOptions, KeptObjects, MultiPackIndex, Redundant, RepackOptions,
    RepackReport, ReverseFiles, Scope, ServerInfo, Unreachable,
};

use super::files::fan_out;
use super::{DryRun, MaintenanceError, mtimes, prune_packed, reachable, roots, server_info};
use crate::fs::midx::{
    MidxBitmap, MidxFileError, WriteMidx, write_multi_pack_bitmap, write_multi_pack_index,
};
use crate::fs::sys::Access;
use crate::fs::{FsObjects, FsStorage, bitmap_of_pack, bitmap_tips};
use crate::walk::{BitmapOptions, BitmapWriteError, ObjectSet, PackOrder, Story, has_promises};
use crate::{Snapshot, Storage as _, StoredPack, Trusting, WrittenRows};
use cruft::Cruft;
use filtered::Divided;
use git_core_object::{Context, ObjectId, Objects};
use git_core_pack::{Reuse, WriteOptions, Written};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use write::Target;

/// No limit on the size of packs is below this, as with git.
const MIN_PACK_SIZE: u64 = 1 << 20;

/// What there is before anything changes.
struct Survey<'a> {
    objects: &'a FsObjects,
    snapshot: Arc<dyn Snapshot>,
    /// Packs that stay whatever happens.
    kept: Vec<Arc<StoredPack>>,
    /// The repository's own packs that may be replaced.
    old: Vec<Arc<StoredPack>>,
}

/// Packs the objects of a repository anew.
///
/// # Errors
/// [`MaintenanceError`]: nothing that was there is gone, unless all that replaces it is there.
pub fn repack(
    storage: &FsStorage,
    options: &RepackOptions,
    cx: &Context,
) -> Result<RepackReport, MaintenanceError> {
    let objects = storage.objects();
    let snapshot = storage.snapshot()?;
    let is_kept = |pack: &StoredPack| {
        let name = Path::new(&pack.name).file_name().map(|name| name.to_string_lossy());
        pack.kept || options.keep_packs.iter().any(|keep| name.as_deref() == Some(&**keep))
    };
    let own = snapshot.packs().iter().filter(|pack| pack.local).cloned();
    let (kept, old): (Vec<_>, Vec<_>) = own.partition(|pack| is_kept(pack));
    let survey = Survey { objects, snapshot, kept, old };
    let mut write_options = WriteOptions::default();
    write_options.delta_form = options.delta_form;
    write_options.compression = options.compression.unwrap_or(write_options.compression);
    write_options.max_size = options.max_size.map(|size| size.max(MIN_PACK_SIZE));
    let mut target = Target::in_repository(objects, write_options);
    target.reuse = options.reuse;
    target.search.clone_from(&options.search);
    target.islands.clone_from(&options.islands);
    (target.idx_version, target.reverse) = (options.idx_version, options.reverse);

    let mut report = RepackReport::default();
    let replaced = match options.scope {
        Scope::Unpacked => unpacked(storage, &survey, &target, options, &mut report, cx)?,
        Scope::All => all(storage, &survey, &target, options, &mut report, cx)?,
        Scope::Geometric(factor) => roll_up(&survey, &target, factor, &mut report, cx)?,
    };
    let (replaced, going) = match options.redundant {
        Redundant::Leave => Default::default(),
        Redundant::Remove => {
            let going = remove::going(&replaced, &report);
            (replaced, going)
        }
    };
    // A multi-pack index must not name packs that are gone.
    match options.midx {
        MultiPackIndex::Write => write_midx(&survey, &going, options, cx)?,
        MultiPackIndex::Leave => remove::midx_of(objects, &replaced)?,
    }
    if options.redundant == Redundant::Remove {
        remove::packs(objects, going, &mut report)?;
        prune_packed(objects, DryRun::No, cx, &mut |_| {})?;
    }
    if options.server_info == ServerInfo::Update {
        server_info::update(storage)?;
    }
    Ok(report)
}

/// Writes a multi-pack index of all packs but those that are about to go, with a bitmap if it is to have one. One of
/// packs that lack something which they refer to cannot.
fn write_midx(
    survey: &Survey<'_>,
    going: &[PathBuf],
    options: &RepackOptions,
    cx: &Context,
) -> Result<(), MaintenanceError> {
    let objects = survey.objects;
    let (dir, format, disk) = (objects.dir().join("pack"), objects.format(), objects.disk());
    let mut wanted = WriteMidx::default();
    let name =
        |path: &Path| path.with_extension("idx").file_name().map(|name| name.to_string_lossy().into_owned());
    wanted.without = going.iter().filter_map(|path| name(path)).collect();
    if matches!(options.scope, Scope::Geometric(_)) {
        // The largest pack holds most of what is asked for.
        let packs = objects.pack_snapshot()?;
        let staying = packs.iter().filter(|pack| pack.local && !going.contains(&PathBuf::from(&pack.name)));
        let largest = staying.max_by_key(|pack| pack.pack.count());
        wanted.preferred = largest.and_then(|pack| name(Path::new(&pack.name)));
    }
    if let Some(how) = &options.bitmap {
        let tips = bitmap_tips(&*survey.snapshot)?;
        let bitmap = MidxBitmap { snapshot: &*survey.snapshot, tips: &tips, options: how };
        match write_multi_pack_bitmap(&dir, format, disk, &wanted, bitmap, cx) {
            Ok(written) => return remove::bitmaps_of(&written, &**disk),
            Err(MidxFileError::NoPacks) => return Ok(()),
            Err(MidxFileError::Bitmap(error @ BitmapWriteError::NotClosed { .. })) => {
                tracing::warn!(%error, "no bitmap is written");
            }
            Err(error) => return Err(error.into()),
        }
    }
    match write_multi_pack_index(&dir, format, disk, &wanted) {
        Ok(_) | Err(MidxFileError::NoPacks) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Packs reachable objects that are in no pack. Replaces none.
fn unpacked(
    storage: &FsStorage,
    survey: &Survey<'_>,
    target: &Target<'_>,
    options: &RepackOptions,
    report: &mut RepackReport,
    cx: &Context,
) -> Result<Vec<Arc<StoredPack>>, MaintenanceError> {
    let (mut set, _) = alive(storage, survey, options, cx)?;
    set.retain(|numbers, number| numbers.position(number).is_none());
    leave_borrowed(survey, &mut set, options)?;
    write(survey, target, &set, report, cx)?;
    Ok(Vec::new())
}

/// Packs everything reachable; replaces all packs that are not kept.
fn all(
    storage: &FsStorage,
    survey: &Survey<'_>,
    target: &Target<'_>,
    options: &RepackOptions,
    report: &mut RepackReport,
    cx: &Context,
) -> Result<Vec<Arc<StoredPack>>, MaintenanceError> {
    let (mut set, story) = alive(storage, survey, options, cx)?;
    // It is of use for the bitmap of a pack only.
    let story = story.filter(|_| options.bitmap.is_some() && options.midx == MultiPackIndex::Leave);
    let divided = match &options.filter {
        Some(filter) => Some(Divided::off(storage, survey, &mut set, filter, options, cx)?),
        None => None,
    };
    if options.unreachable == Unreachable::Keep {
        for pack in &survey.old {
            pack.pack.idx().ids().for_each(|id| {
                set.insert(&id);
            });
        }
        add_loose(survey.objects, &mut set)?;
    }
    let wanted = set.len();
    // Promised objects are packed apart from others, so that it stays known who has promised them.
    let promisors = promisor::packs(survey, options.kept);
    let promised = |id: &ObjectId| holds(&promisors, id);
    if !promisors.is_empty() {
        promisor::write(survey, target, &promisors, report, cx)?;
        set.retain(|numbers, number| !promised(&numbers.id(number)));
    }
    if options.kept == KeptObjects::Leave && !survey.kept.is_empty() {
        set.retain(|numbers, number| !holds(&survey.kept, &numbers.id(number)));
    }
    leave_borrowed(survey, &mut set, options)?;
    // What the walk has found need not be found again, if the pack has all of it.
    let mut story = story.filter(|_| set.len() == wanted && divided.is_none());
    let told = story.is_some();
    let mut beside = |written: &Written| {
        let whole = u64::from(written.objects) == set.len();
        match (story.take(), &options.bitmap) {
            (Some(story), Some(how)) if whole => bitmap_of(survey, story, &set, written, how, cx),
            _ => Ok(Vec::new()),
        }
    };
    let plan = set.plan(survey.snapshot.format())?;
    let stems = target.write(plan, survey.snapshot.clone(), &mut beside, report, cx)?;
    if let ([stem], Some(how), MultiPackIndex::Leave, false) =
        (&stems[..], &options.bitmap, options.midx, told)
    {
        add_bitmap(survey, stem, how, cx)?;
    }

    let apart = match divided {
        Some(divided) => Some(divided.write(survey, target, &set, &promised, options, report, cx)?),
        None => None,
    };
    let is_safe = |id: &ObjectId| -> Result<bool, MaintenanceError> {
        Ok(set.contains(id)
            || apart.as_ref().is_some_and(|apart| apart.contains(id))
            || holds(&survey.kept, id)
            || promised(id)
            || (options.borrowed == Borrowed::Leave && is_borrowed(survey, id)?))
    };
    match &options.unreachable {
        Unreachable::Cruft(cruft) => {
            let mut target = target.clone();
            let max = options.max_cruft_size.map(|size| size.max(MIN_PACK_SIZE));
            target.options.max_size = max.or(target.options.max_size);
            target.search = options.cruft_search.clone().or(target.search);
            let collected = Cruft::collect(survey, &is_safe, cx)?;
            collected.write(&target, &survey.snapshot, cruft, &options.recent, report, cx)?;
        }
        Unreachable::Loosen { expire } if options.redundant == Redundant::Remove => {
            loosen::loosen(survey, *expire, &options.recent, &is_safe, report, cx)?;
        }
        Unreachable::Drop | Unreachable::Keep | Unreachable::Loosen { .. } => {}
    }
    Ok(survey.old.clone())
}

/// The bitmap of a new pack that has all that was counted.
fn bitmap_of(
    survey: &Survey<'_>,
    story: Story,
    set: &ObjectSet,
    written: &Written,
    how: &BitmapOptions,
    cx: &Context,
) -> Result<Vec<write::Companion>, MaintenanceError> {
    let tips = bitmap_tips(&*survey.snapshot)?;
    let bytes = story.bitmap(&*survey.snapshot, set, &WrittenRows::new(written), &tips, how, cx)?;
    Ok(bytes.map(|bytes| ("bitmap", bytes)).into_iter().collect())
}

/// Writes the bitmap of a new pack. A pack that lacks something which it refers to cannot have one.
fn add_bitmap(
    survey: &Survey<'_>,
    stem: &Path,
    how: &BitmapOptions,
    cx: &Context,
) -> Result<(), MaintenanceError> {
    let bytes = match bitmap_of_pack(&*survey.snapshot, &stem.with_added_extension("pack"), how, cx) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(()),
        Err(error @ BitmapWriteError::NotClosed { .. }) => {
            tracing::warn!(%error, "no bitmap is written");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let (disk, dir) = (survey.objects.disk(), survey.objects.dir().join("pack"));
    let (scratch, mut file) = crate::fs::create_scratch(&**disk, &dir, "tmp_bitmap_", Access::ReadOnly)?;
    file.write_all(&bytes)
        .and_then(|()| file.sync())
        .and_then(|()| disk.rename(&scratch, &stem.with_added_extension("bitmap")))
        .map_err(|error| {
            let _ = disk.remove_file(&scratch);
            MaintenanceError::unavailable(&scratch, error)
        })
}

/// Packs loose objects and those of small packs; replaces these.
fn roll_up(
    survey: &Survey<'_>,
    target: &Target<'_>,
    factor: u32,
    report: &mut RepackReport,
    cx: &Context,
) -> Result<Vec<Arc<StoredPack>>, MaintenanceError> {
    let usual = |pack: &&Arc<StoredPack>| !pack.promisor && !mtimes::is_cruft(pack);
    let mut packs: Vec<_> = survey.old.iter().filter(usual).cloned().collect();
    packs.sort_by_key(|pack| pack.pack.count());
    let counts: Vec<u64> = packs.iter().map(|pack| pack.pack.count().into()).collect();
    let rolled = geometric::rolled_up(&counts, factor);
    let mut set = cruft::empty(&*survey.snapshot, cx)?;
    for pack in &packs[..rolled] {
        cx.check()?;
        pack.pack.idx().ids().for_each(|id| {
            set.insert(&id);
        });
    }
    add_loose(survey.objects, &mut set)?;
    // What stays has its objects already.
    let staying: Vec<_> = survey.kept.iter().chain(&packs[rolled..]).cloned().collect();
    set.retain(|numbers, number| !holds(&staying, &numbers.id(number)));
    write(survey, target, &set, report, cx)?;
    packs.truncate(rolled);
    Ok(packs)
}

/// Everything that is needed, and how history brought it about, unless some of it may be missing.
fn alive(
    storage: &FsStorage,
    survey: &Survey<'_>,
    options: &RepackOptions,
    cx: &Context,
) -> Result<(ObjectSet, Option<Story>), MaintenanceError> {
    let roots = roots(storage, &*survey.snapshot, cx)?;
    if !has_promises(&*survey.snapshot) {
        // Who makes all deltas anew wants the best order, others keep what they have together.
        let order = if options.reuse == Reuse::All { PackOrder::Stored } else { PackOrder::History };
        let (snapshot, keep) = (&*survey.snapshot, &options.keep);
        if options.filter.is_none() {
            let counted = reachable::for_pack(snapshot, snapshot, &roots, keep, order, cx)?;
            let (set, story) = counted.into_parts();
            return Ok((set, Some(story)));
        }
        // What an earlier division has put elsewhere is not missed.
        let trusting = Trusting::new(survey.snapshot.clone());
        let counted = reachable::for_pack(snapshot, &trusting, &roots, keep, order, cx)?;
        let (mut set, _) = counted.into_parts();
        let mut failed = None;
        set.retain(|numbers, number| {
            numbers.position(number).is_some()
                || snapshot.contains(&numbers.id(number)).unwrap_or_else(|error| {
                    failed = Some(error);
                    true
                })
        });
        return match failed {
            Some(error) => Err(error.into()),
            None => Ok((set, None)),
        };
    }
    // What was promised may be missing.
    Ok((reachable::named(&*survey.snapshot, &roots, &options.keep, None, cx)?, None))
}

fn write(
    survey: &Survey<'_>,
    target: &Target<'_>,
    set: &ObjectSet,
    report: &mut RepackReport,
    cx: &Context,
) -> Result<Vec<PathBuf>, MaintenanceError> {
    let plan = set.plan(survey.snapshot.format())?;
    let objects: Arc<dyn Objects> = survey.snapshot.clone();
    target.write(plan, objects, &mut |_| Ok(Vec::new()), report, cx)
}

fn holds(packs: &[Arc<StoredPack>], id: &ObjectId) -> bool {
    packs.iter().any(|pack| pack.pack.idx().lookup(id).is_some())
}

/// Whether an alternate has the object.
fn is_borrowed(survey: &Survey<'_>, id: &ObjectId) -> Result<bool, MaintenanceError> {
    let others = survey.snapshot.packs().iter().filter(|pack| !pack.local);
    if others.clone().any(|pack| pack.pack.idx().lookup(id).is_some()) {
        return Ok(true);
    }
    let hex = id.to_hex();
    let loose = |dir: &PathBuf| dir.join(&hex[..2]).join(&hex[2..]).exists();
    Ok(survey.objects.alternates().iter().any(loose))
}

fn leave_borrowed(
    survey: &Survey<'_>,
    set: &mut ObjectSet,
    options: &RepackOptions,
) -> Result<(), MaintenanceError> {
    if options.borrowed == Borrowed::Pack || survey.objects.alternates().is_empty() {
        return Ok(());
    }
    let mut result = Ok(());
    set.retain(|numbers, number| match is_borrowed(survey, &numbers.id(number)) {
        Ok(borrowed) => !borrowed,
        Err(error) => {
            result = Err(error);
            true
        }
    });
    result
}

/// Adds the loose objects of the repository itself.
fn add_loose(objects: &FsObjects, set: &mut ObjectSet) -> Result<(), MaintenanceError> {
    fan_out(
        objects.dir(),
        objects.format(),
        &mut |file| {
            if let Some(id) = file.id {
                set.insert(&id);
            }
            Ok(())
        },
        &mut |_| {},
    )
}
