//! Several packs that are searched together, wherever they lie.
//!
//! Which packs these are is decided by the storages; the objects they hold beside packs are theirs too.

use crate::{Location, ObjectReader, StoredMidx, StoredPack};
use git_core_idx::midx::MidxPosition;
use git_core_idx::{IdxPosition, PackOffset};
use git_core_object::{Header, IdPrefix, Kind, ObjectId, ReadError};
use git_core_pack::{BlobStream, Pack, Reader};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Takes the content of an object piece by piece, until it breaks.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(Header, &[u8]) -> ControlFlow<()>;

/// Objects from this size on are handed out piece by piece, if they can be.
const PIECEWISE: u64 = 512 << 10;

/// Packs in the order in which they are searched.
pub(crate) struct PackSet {
    packs: Vec<Arc<StoredPack>>,
    indexes: Vec<Arc<StoredMidx>>,
    /// The packs that no multi-pack index speaks for.
    others: Vec<u32>,
    /// Whether an index names a pack that is not here, so that an object it leads there for may still be in
    /// another pack.
    is_stale: bool,
    readers: Arc<Readers>,
    /// The packs in which objects were found last: four numbers of 16 bits, each one more than an index into
    /// `others`.
    recent: AtomicU64,
}

impl PackSet {
    pub(crate) fn new(packs: Vec<Arc<StoredPack>>, readers: Arc<Readers>) -> Self {
        PackSet::with_indexes(packs, Vec::new(), readers)
    }

    /// Packs, some of which multi-pack indexes speak for.
    pub(crate) fn with_indexes(
        packs: Vec<Arc<StoredPack>>,
        indexes: Vec<Arc<StoredMidx>>,
        readers: Arc<Readers>,
    ) -> Self {
        let mut covered = vec![false; packs.len()];
        let mut is_stale = false;
        for pack in indexes.iter().flat_map(|index| &index.packs) {
            match pack {
                Some(at) => covered[*at as usize] = true,
                None => is_stale = true,
            }
        }
        let others = (0..).zip(covered).filter(|(_, covered)| !covered).map(|(at, _)| at).collect();
        PackSet { packs, indexes, others, is_stale, readers, recent: AtomicU64::new(0) }
    }

    pub(crate) fn indexes(&self) -> &[Arc<StoredMidx>] {
        &self.indexes
    }

    pub(crate) fn packs(&self) -> &[Arc<StoredPack>] {
        &self.packs
    }

    pub(crate) fn readers(&self) -> &Arc<Readers> {
        &self.readers
    }

    pub(crate) fn contains(&self, id: &ObjectId) -> bool {
        // Where exactly does not matter, so a damaged offset does not either.
        !matches!(self.find(id), Ok(None))
    }

    pub(crate) fn locate(&self, id: &ObjectId) -> Result<Option<Location>, ReadError> {
        Ok(self.find(id)?.map(|(at, offset)| Location { pack: at as u32, offset }))
    }

    /// Replaces `out` with the content of the object. An entry that is damaged is passed over if another pack
    /// has the object too.
    pub(crate) fn read(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Option<Kind>, ReadError> {
        self.with_entry(id, &mut |stored, offset| {
            self.readers.with(|reader| (reader.read(&stored.pack, offset, None, out), out.len()))
        })
    }

    pub(crate) fn header(&self, id: &ObjectId) -> Result<Option<Header>, ReadError> {
        self.with_entry(id, &mut |stored, offset| {
            self.readers.with(|reader| (reader.header(&stored.pack, offset, None), 0))
        })
    }

    /// Hands out the content: that of a large object which is no delta piece by piece, any other at once.
    pub(crate) fn stream(&self, id: &ObjectId, sink: Sink<'_>) -> Result<Option<Header>, ReadError> {
        let Some((at, offset)) = self.find(id)? else { return Ok(None) };
        let pack = &self.packs[at].pack;
        let name_it = |error| of_object(id, error);
        // A header that cannot be read is met again below, where other copies are tried.
        if let Ok(Some(Header { size: PIECEWISE.., .. })) = pack.whole(offset)
            && let Some(mut stream) = pack.stream(offset).map_err(name_it)?
        {
            let mut piece = Vec::new();
            let header = stream.header();
            loop {
                piece.clear();
                let more = stream.fill(&mut piece).map_err(name_it)?;
                if sink(header, &piece).is_break() || !more {
                    return Ok(Some(header));
                }
            }
        }
        let mut content = self.readers.buffer();
        let found = self.with_entry_at(id, (at, offset), &mut |stored, offset| {
            self.readers.with(|reader| (reader.read(&stored.pack, offset, None, &mut content), content.len()))
        });
        let result = found.map(|kind| {
            let header = Header { kind, size: content.len() as u64 };
            let _ = sink(header, &content);
            Some(header)
        });
        self.readers.put_back(content);
        result
    }

    /// Opens a large object that is no delta for reading piece by piece; `None` for any other.
    pub(crate) fn open_large(&self, id: &ObjectId) -> Result<Option<Box<dyn ObjectReader>>, ReadError> {
        let Some((at, offset)) = self.find(id)? else { return Ok(None) };
        let pack = &self.packs[at].pack;
        if let Ok(Some(Header { size: PIECEWISE.., .. })) = pack.whole(offset)
            && let Some(stream) =
                BlobStream::open(pack.clone(), offset).map_err(|error| of_object(id, error))?
        {
            return Ok(Some(Box::new(PackedObject { id: *id, stream })));
        }
        Ok(None)
    }

    pub(crate) fn find_prefix(&self, prefix: &IdPrefix, limit: usize, found: &mut Vec<ObjectId>) {
        // The least ids of each index are enough to know the least of all.
        for index in &self.indexes {
            let rows = index.midx.lookup_prefix(prefix).take(limit);
            found.extend(rows.map(|row| index.midx.id_at(MidxPosition(row))).filter(|id| self.is_there(id)));
        }
        for stored in self.searched() {
            found.extend(stored.pack.find_prefix(prefix).take(limit));
        }
    }

    pub(crate) fn for_each_id(&self, visit: &mut dyn FnMut(ObjectId) -> ControlFlow<()>) -> ControlFlow<()> {
        if !self.is_stale {
            self.indexes.iter().flat_map(|index| index.midx.ids()).try_for_each(&mut *visit)?;
        }
        self.searched().flat_map(|stored| stored.pack.idx().ids()).try_for_each(visit)
    }

    /// The packs whose own indexes have to be asked.
    fn searched(&self) -> impl Iterator<Item = &Arc<StoredPack>> {
        let all = if self.is_stale { &self.packs[..] } else { &[] };
        let others = if self.is_stale { &[] } else { &self.others[..] };
        all.iter().chain(others.iter().map(|at| &self.packs[*at as usize]))
    }

    /// What a stale index says need not be so.
    fn is_there(&self, id: &ObjectId) -> bool {
        !self.is_stale || self.contains(id)
    }

    /// The pack that holds the object, and where.
    pub(crate) fn find(&self, id: &ObjectId) -> Result<Option<(usize, PackOffset)>, ReadError> {
        for index in &self.indexes {
            if let Some(position) = index.midx.lookup(id)
                && let Ok(found) = index.midx.location_at(position)
                && let Some(Some(at)) = index.packs.get(found.pack.0 as usize)
                && found.offset.0 < self.packs[*at as usize].pack.data().size()
            {
                return Ok(Some((*at as usize, found.offset)));
            }
        }
        if let Some((at, row)) = self.position(id) {
            return Ok(Some((at, self.packs[at].pack.offset(row)?)));
        }
        if !self.indexes.is_empty() {
            // An index that names a pack that is gone, or is damaged, hides other copies.
            return self.find_beside(id, None);
        }
        Ok(None)
    }

    /// As [`find`](Self::find), by the packs' own indexes, in any pack of an index that cannot be relied on.
    fn find_beside(
        &self,
        id: &ObjectId,
        but: Option<usize>,
    ) -> Result<Option<(usize, PackOffset)>, ReadError> {
        let listed = self.indexes.iter().any(|index| index.midx.lookup(id).is_some());
        if !listed {
            return Ok(None);
        }
        for (at, stored) in self.packs.iter().enumerate().filter(|(at, _)| Some(*at) != but) {
            if let Some(row) = stored.pack.idx().lookup(id) {
                return Ok(Some((at, stored.pack.offset(row)?)));
            }
        }
        Ok(None)
    }

    /// The pack among those without a multi-pack index that holds the object, and its row there: the packs in
    /// which something was found last are asked first.
    fn position(&self, id: &ObjectId) -> Option<(usize, IdxPosition)> {
        let recent = self.recent.load(Ordering::Relaxed);
        let hints = [recent & 0xffff, recent >> 16 & 0xffff, recent >> 32 & 0xffff, recent >> 48];
        let look = |other: usize| {
            let at = *self.others.get(other)? as usize;
            Some((at, self.packs[at].pack.idx().lookup(id)?))
        };
        for (rank, hint) in hints.into_iter().enumerate() {
            let Some(other) = (hint as usize).checked_sub(1) else { break };
            if let Some(found) = look(other) {
                if rank > 0 {
                    self.remember(other, hints);
                }
                return Some(found);
            }
        }
        for other in 0..self.others.len() {
            if hints.contains(&(other as u64 + 1)) {
                continue;
            }
            if let Some(found) = look(other) {
                self.remember(other, hints);
                return Some(found);
            }
        }
        None
    }

    /// Puts a pack before those that were hit earlier. Of two threads that do so at once one is forgotten; the
    /// hints only save time.
    fn remember(&self, at: usize, hints: [u64; 4]) {
        let new = at as u64 + 1;
        if new > 0xffff {
            return;
        }
        let mut packed = new;
        let mut shift = 16;
        for hint in hints.into_iter().filter(|hint| *hint != new && *hint != 0).take(3) {
            packed |= hint << shift;
            shift += 16;
        }
        self.recent.store(packed, Ordering::Relaxed);
    }

    fn with_entry<T>(
        &self,
        id: &ObjectId,
        work: &mut dyn FnMut(&StoredPack, PackOffset) -> Result<T, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        let Some(found) = self.find(id)? else { return Ok(None) };
        self.with_entry_at(id, found, work).map(Some)
    }

    fn with_entry_at<T>(
        &self,
        id: &ObjectId,
        (at, offset): (usize, PackOffset),
        work: &mut dyn FnMut(&StoredPack, PackOffset) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let damage = match work(&self.packs[at], offset) {
            Ok(done) => return Ok(done),
            Err(error @ (ReadError::Corrupt { .. } | ReadError::Missing { .. })) => of_object(id, error),
            Err(error) => return Err(error),
        };
        for (other, stored) in self.packs.iter().enumerate() {
            // In the same pack too, where its own index leads elsewhere.
            if let Ok(Some(other_offset)) = stored.pack.find(id)
                && (other, other_offset) != (at, offset)
                && let Ok(done) = work(stored, other_offset)
            {
                tracing::warn!(%id, %damage, "an entry is damaged; another pack has the object too");
                return Ok(done);
            }
        }
        Err(damage)
    }
}

/// Damage of a pack says where; which object was asked for belongs to the message.
fn of_object(id: &ObjectId, error: ReadError) -> ReadError {
    match error {
        ReadError::Corrupt { location, detail } => {
            ReadError::corrupt(format_args!("packed object {id} (stored in {location})"), detail)
        }
        ReadError::Missing { id: base } => ReadError::corrupt(
            format_args!("packed object {id}"),
            format_args!("its delta base {base} is missing"),
        ),
        other => other,
    }
}

/// Scratch space for reading, lent to one thread at a time.
#[derive(Default)]
pub(crate) struct Readers {
    idle: Mutex<Vec<Reader>>,
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl Readers {
    /// What is kept for later use: a reader that has put together a larger object is dropped.
    const KEPT_OBJECT: usize = 4 << 20;
    const KEPT_READERS: usize = 64;

    /// Memory for the content of an object.
    fn buffer(&self) -> Vec<u8> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn put_back(&self, buffer: Vec<u8>) {
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.capacity() <= Self::KEPT_OBJECT && buffers.len() < Self::KEPT_READERS {
            buffers.push(buffer);
        }
    }

    /// `work` gives its result and the size of the object it has put together.
    fn with<T>(&self, work: impl FnOnce(&mut Reader) -> (T, usize)) -> T {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reader = idle().pop().unwrap_or_default();
        let (result, size) = work(&mut reader);
        if size <= Self::KEPT_OBJECT {
            let mut idle = idle();
            if idle.len() < Self::KEPT_READERS {
                idle.push(reader);
            }
        }
        result
    }
}

/// A large object in a pack.
struct PackedObject {
    id: ObjectId,
    stream: BlobStream<Arc<Pack>>,
}

impl ObjectReader for PackedObject {
    fn header(&self) -> Header {
        self.stream.header()
    }

    fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, ReadError> {
        self.stream.fill(out).map_err(|error| of_object(&self.id, error))
    }
}
