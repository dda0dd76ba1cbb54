//! How objects lie in a repository: the bytes they take there, and what their deltas are based on.

use git_core::Repository;
use git_core::object::{ObjectId, ReadError};
use git_core::pack::EntryKind;
use git_core::store::Snapshot;

/// How one object is stored.
pub(crate) struct Stored {
    /// The bytes it takes.
    pub(crate) size: u64,
    /// What it is a delta on.
    pub(crate) base: Option<ObjectId>,
}

/// How an object is stored; of something that is neither packed nor a loose object, the size is not known and
/// taken to be nothing.
pub(crate) fn stored(
    repository: &Repository,
    snapshot: &dyn Snapshot,
    id: &ObjectId,
) -> Result<Stored, ReadError> {
    let Some(location) = snapshot.locate(id)? else {
        let path = repository.layout().map(|layout| {
            let hex = id.to_hex();
            layout.objects_dir.join(&hex[..2]).join(&hex[2..])
        });
        let size = path.and_then(|path| path.metadata().ok()).map_or(0, |found| found.len());
        return Ok(Stored { size, base: None });
    };
    let pack = &snapshot.packs()[location.pack as usize].pack;
    let entry = pack.raw_entry(location.offset)?;
    let base = match entry.header.kind {
        EntryKind::RefDelta { base } => Some(base),
        kind => match kind.base_offset(location.offset) {
            Some(offset) => pack.position_of(offset)?.map(|position| pack.idx().id_at(position)),
            None => None,
        },
    };
    Ok(Stored { size: entry.range.end - entry.range.start, base })
}
