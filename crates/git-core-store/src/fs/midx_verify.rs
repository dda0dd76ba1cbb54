//! Comparing a multi-pack index with the indexes of the packs it names.
//!
//! What the file must be in itself, `git_core_idx::midx` knows; here it is held against what lies beside it.

use super::map::Mapped;
use super::midx::{MidxFileError, open_midx};
use git_core_idx::midx::{MidxError, MidxFile, MidxLocation, MidxPosition, PackNumber};
use git_core_idx::{IdxFile, PackOffset, SharedBytes};
use git_core_object::{Context, ObjectFormat, ObjectId};
use std::path::Path;

/// Something that is wrong with a multi-pack index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MidxFinding {
    /// The checksum is not that of the content.
    #[error("incorrect checksum")]
    Checksum,
    /// A pack that it names, or the index of this pack, is missing or cannot be used.
    #[error("failed to load pack in position {}", .pack.0)]
    Pack {
        /// The pack.
        pack: PackNumber,
    },
    /// It holds no objects.
    #[error("the midx contains no oid")]
    Empty,
    /// Two ids are not in their order.
    #[error("oid lookup out of order: oid[{}] = {id} >= {next} = oid[{}]", .position.0, .position.0.saturating_add(1))]
    Unsorted {
        /// The row of the first.
        position: MidxPosition,
        /// The first.
        id: ObjectId,
        /// The one behind it.
        next: ObjectId,
    },
    /// The pack of an object cannot be looked into, or the fan-out table hides the object.
    #[error("failed to load pack entry for oid[{}] = {id}", .position.0)]
    Entry {
        /// The row of the object.
        position: MidxPosition,
        /// The object.
        id: ObjectId,
    },
    /// The object is in another place of its pack.
    #[error("incorrect object offset for oid[{}] = {id}: {:x} != {:x}", .position.0, .said.0, .found.map_or(0, |at| at.0))]
    Offset {
        /// The row of the object.
        position: MidxPosition,
        /// The object.
        id: ObjectId,
        /// Where it is said to be.
        said: PackOffset,
        /// Where the index of the pack has it, if it has it.
        found: Option<PackOffset>,
    },
    /// The order of the pseudo-pack is not as the objects lie.
    #[error(transparent)]
    Order(MidxError),
}

/// Reads the multi-pack index of the directory `objects/pack`, all files of a chain, and looks every object up in the
/// index of its pack. `report` is told what is wrong; nothing is, where there is no multi-pack index.
///
/// # Errors
/// [`MidxFileError`] when a file cannot be opened, or points outside of itself.
pub fn verify_multi_pack_index(
    pack_dir: &Path,
    format: ObjectFormat,
    cx: &Context,
    report: &mut dyn FnMut(MidxFinding),
) -> Result<(), MidxFileError> {
    for (path, midx) in open_midx(pack_dir, format)? {
        verify(pack_dir, &midx, cx, report).map_err(|problem| match problem {
            Problem::Midx(source) => MidxFileError::Midx { path: path.clone(), source },
            Problem::Other(error) => error,
        })?;
    }
    Ok(())
}

enum Problem {
    Midx(MidxError),
    Other(MidxFileError),
}

impl From<MidxError> for Problem {
    fn from(error: MidxError) -> Self {
        Problem::Midx(error)
    }
}

impl From<MidxFileError> for Problem {
    fn from(error: MidxFileError) -> Self {
        Problem::Other(error)
    }
}

fn verify(
    pack_dir: &Path,
    midx: &MidxFile<SharedBytes>,
    cx: &Context,
    report: &mut dyn FnMut(MidxFinding),
) -> Result<(), Problem> {
    let check = || cx.check().map_err(MidxFileError::from);
    if !midx.checksum_matches() {
        report(MidxFinding::Checksum);
    }
    let mut packs = Vec::new();
    for (pack, name) in (0..).map(PackNumber).zip(midx.pack_names()) {
        let idx = open_idx(pack_dir, name, midx.format());
        if idx.is_none() {
            report(MidxFinding::Pack { pack });
        }
        packs.push(idx);
    }
    if midx.count() == 0 {
        report(MidxFinding::Empty);
    }
    let mut rows = Vec::new();
    let mut last = None;
    for (position, id) in (0..).map(MidxPosition).zip(midx.ids()) {
        if position.0 % 4096 == 0 {
            check()?;
        }
        if let Some(last) = last.filter(|last| *last >= id) {
            let position = MidxPosition(position.0 - 1);
            report(MidxFinding::Unsorted { position, id: last, next: id });
        }
        last = Some(id);
        rows.push((midx.location_at(position)?.pack, position));
    }
    // One index after the other is read.
    rows.sort_unstable();
    for (done, (pack, position)) in rows.into_iter().enumerate() {
        if done % 4096 == 0 {
            check()?;
        }
        let id = midx.id_at(position);
        let (MidxLocation { offset, .. }, seen) = (midx.location_at(position)?, midx.lookup(&id).is_some());
        let Some(idx) = packs[pack.0 as usize].as_ref().filter(|_| seen) else {
            report(MidxFinding::Entry { position, id });
            continue;
        };
        // A damaged index says nothing of the place.
        let found = idx.lookup(&id).and_then(|row| idx.offset_at(row).ok());
        if found != Some(offset) {
            report(MidxFinding::Offset { position, id, said: offset, found });
        }
    }
    if midx.has_order()
        && let Err(error @ (MidxError::Order { .. } | MidxError::Bitmapped { .. })) = midx.verify()
    {
        report(MidxFinding::Order(error));
    }
    Ok(())
}

/// The index of a pack that is there.
pub(crate) fn open_idx(pack_dir: &Path, name: &str, format: ObjectFormat) -> Option<IdxFile<SharedBytes>> {
    let path = pack_dir.join(name);
    path.with_extension("pack").is_file().then_some(())?;
    IdxFile::open(SharedBytes::new(Mapped::open(&path).ok()?), format).ok()
}
