//! A reachability bitmap together with the packs whose objects it counts.
//!
//! The format is in `git-core-idx`; where the file lies is the storages' matter, counting with it that of
//! [`walk`](crate::walk).

use crate::{StoredMidx, StoredPack};
use git_core_idx::bitmap::{BitOrder, BitmapError, BitmapFile, ObjectType};
use git_core_idx::midx::{MidxFile, MidxPosition};
use git_core_idx::{Digest, IdxPosition, RevFile, SharedBytes};
use git_core_object::{ObjectId, ReadError};
use git_core_pack::Written;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The index whose rows a bitmap speaks of: that of a pack, or a multi-pack index.
pub trait BitmapRows: Send + Sync {
    /// The packs whose objects are counted.
    fn packs(&self) -> &[Arc<StoredPack>];

    /// The number of objects.
    fn count(&self) -> u32;

    /// The row of an object, if it has one.
    fn lookup(&self, id: &ObjectId) -> Option<u32>;

    /// The object of a row, which is below [`count`](Self::count).
    fn id_at(&self, row: u32) -> ObjectId;

    /// The rows in the order of the bits.
    ///
    /// # Errors
    /// [`ReadError`] when the order cannot be read.
    fn order(&self) -> Result<Vec<u32>, ReadError>;

    /// The checksum that says which index a bitmap belongs to: that of the pack, or of the multi-pack index.
    fn checksum(&self) -> Digest;

    /// Whether the rows are those of the index of the first and only pack.
    fn is_pack(&self) -> bool;
}

/// The rows of one pack.
pub struct PackRows([Arc<StoredPack>; 1]);

impl PackRows {
    /// The rows of this pack.
    pub fn new(pack: Arc<StoredPack>) -> Self {
        PackRows([pack])
    }
}

impl BitmapRows for PackRows {
    fn packs(&self) -> &[Arc<StoredPack>] {
        &self.0
    }

    fn count(&self) -> u32 {
        self.0[0].pack.count()
    }

    fn lookup(&self, id: &ObjectId) -> Option<u32> {
        self.0[0].pack.idx().lookup(id).map(|position| position.0)
    }

    fn id_at(&self, row: u32) -> ObjectId {
        self.0[0].pack.idx().id_at(IdxPosition(row))
    }

    fn order(&self) -> Result<Vec<u32>, ReadError> {
        let reverse = self.0[0].pack.reverse()?;
        (0..reverse.count())
            .map(|rank| reverse.position(rank).map(|position| position.0))
            .collect::<Result<_, _>>()
            .map_err(|error| ReadError::corrupt(&self.0[0].name, error))
    }

    fn checksum(&self) -> Digest {
        self.0[0].pack.checksum()
    }

    fn is_pack(&self) -> bool {
        true
    }
}

/// The rows of a multi-pack index. The bits of its bitmap are in the order of the pseudo-pack.
pub struct MidxRows {
    midx: MidxFile<SharedBytes>,
    name: String,
    packs: Vec<Arc<StoredPack>>,
    /// The order, where the index itself does not hold it.
    rev: Option<RevFile<SharedBytes>>,
}

impl MidxRows {
    /// The rows of a multi-pack index whose packs nobody needs; `name` is for messages.
    pub fn new(midx: MidxFile<SharedBytes>, name: String) -> Self {
        MidxRows { midx, name, packs: Vec::new(), rev: None }
    }

    /// The rows of a multi-pack index of a snapshot with these packs; `None` when one of its packs is not there. `rev`
    /// is the file that holds the order, where the index does not.
    pub fn of_stored(
        stored: &StoredMidx,
        packs: &[Arc<StoredPack>],
        rev: Option<RevFile<SharedBytes>>,
    ) -> Option<Self> {
        let there = |at: &Option<u32>| packs.get((*at)? as usize).cloned();
        let mut packs: Vec<Arc<StoredPack>> = stored.packs.iter().map(there).collect::<Option<_>>()?;
        // Whoever looks for an object finds most in the first.
        packs.sort_by_key(|pack| std::cmp::Reverse(pack.pack.count()));
        Some(MidxRows { midx: stored.midx.clone(), name: stored.name.clone(), packs, rev })
    }
}

impl BitmapRows for MidxRows {
    fn packs(&self) -> &[Arc<StoredPack>] {
        &self.packs
    }

    fn count(&self) -> u32 {
        self.midx.count()
    }

    fn lookup(&self, id: &ObjectId) -> Option<u32> {
        self.midx.lookup(id).map(|position| position.0)
    }

    fn id_at(&self, row: u32) -> ObjectId {
        self.midx.id_at(MidxPosition(row))
    }

    fn order(&self) -> Result<Vec<u32>, ReadError> {
        if let Some(rev) = self.rev.as_ref().filter(|_| !self.midx.has_order()) {
            return (0..rev.count())
                .map(|rank| rev.position(rank).map(|position| position.0))
                .collect::<Result<_, _>>()
                .map_err(|error| ReadError::corrupt(&self.name, error));
        }
        let row = |rank| match self.midx.position(rank) {
            Ok(Some(position)) => Ok(position.0),
            Ok(None) => Err(ReadError::corrupt(&self.name, "it does not say the order of the pseudo-pack")),
            Err(error) => Err(ReadError::corrupt(&self.name, error)),
        };
        (0..self.midx.count()).map(row).collect()
    }

    fn checksum(&self) -> Digest {
        self.midx.checksum()
    }

    fn is_pack(&self) -> bool {
        false
    }
}

/// The rows of the index that a pack will have which has just been written, with
/// [`record`](git_core_pack::WriteOptions::record).
pub struct WrittenRows<'a>(&'a Written);

impl<'a> WrittenRows<'a> {
    /// The rows of this pack.
    pub const fn new(written: &'a Written) -> Self {
        WrittenRows(written)
    }
}

impl BitmapRows for WrittenRows<'_> {
    fn packs(&self) -> &[Arc<StoredPack>] {
        // It is not stored yet.
        &[]
    }

    fn count(&self) -> u32 {
        self.0.objects
    }

    fn lookup(&self, id: &ObjectId) -> Option<u32> {
        let row = self.0.entries.binary_search_by(|entry| entry.id.cmp(id)).ok()?;
        u32::try_from(row).ok()
    }

    fn id_at(&self, row: u32) -> ObjectId {
        self.0.entries[row as usize].id
    }

    fn order(&self) -> Result<Vec<u32>, ReadError> {
        Ok(self.0.order())
    }

    fn checksum(&self) -> Digest {
        self.0.checksum
    }

    fn is_pack(&self) -> bool {
        true
    }
}

/// A bitmap of a repository.
pub struct StoredBitmap {
    name: String,
    file: BitmapFile<SharedBytes>,
    rows: Box<dyn BitmapRows>,
    ready: OnceLock<Option<Ready>>,
}

/// What is worked out when the bitmap is first used.
struct Ready {
    order: BitOrder,
    /// Which objects are of which kind, by bit.
    types: [Vec<u64>; 4],
}

impl StoredBitmap {
    /// The bitmap of a pack; `name` is for messages.
    ///
    /// # Errors
    /// [`BitmapError`] when the bytes are no bitmap of the pack.
    pub fn of_pack(name: String, bytes: SharedBytes, pack: Arc<StoredPack>) -> Result<Self, BitmapError> {
        let file = BitmapFile::open(bytes, pack.pack.count(), &pack.pack.checksum())?;
        Ok(StoredBitmap { name, file, rows: Box::new(PackRows([pack])), ready: OnceLock::new() })
    }

    /// The bitmap of a multi-pack index; `name` is for messages.
    ///
    /// # Errors
    /// [`BitmapError`] when the bytes are no bitmap of this index.
    pub fn of_midx(name: String, bytes: SharedBytes, rows: MidxRows) -> Result<Self, BitmapError> {
        let file = BitmapFile::open(bytes, rows.count(), &rows.checksum())?;
        Ok(StoredBitmap { name, file, rows: Box::new(rows), ready: OnceLock::new() })
    }

    /// The bitmap of something else that has rows.
    pub fn new(name: String, file: BitmapFile<SharedBytes>, rows: Box<dyn BitmapRows>) -> Self {
        StoredBitmap { name, file, rows, ready: OnceLock::new() }
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file.
    pub fn file(&self) -> &BitmapFile<SharedBytes> {
        &self.file
    }

    /// What its rows are.
    pub fn rows(&self) -> &dyn BitmapRows {
        &*self.rows
    }

    /// The order of its bits; `None` when it, or what says of which kind the objects are, is damaged, which is
    /// said once.
    pub fn order(&self) -> Option<&BitOrder> {
        self.ready().map(|ready| &ready.order)
    }

    /// Which objects are of a kind, by bit; `None` as for [`order`](Self::order).
    pub fn of_type(&self, kind: ObjectType) -> Option<&[u64]> {
        self.ready().map(|ready| &ready.types[kind as usize][..])
    }

    /// The bit of an object.
    pub fn bit(&self, id: &ObjectId) -> Option<u32> {
        let order = self.order()?;
        self.rows.lookup(id).map(|row| order.bit(row))
    }

    fn ready(&self) -> Option<&Ready> {
        self.ready
            .get_or_init(|| {
                self.make_ready()
                    .inspect_err(|why| tracing::warn!(bitmap = self.name, %why, "a bitmap is not used"))
                    .ok()
            })
            .as_ref()
    }

    fn make_ready(&self) -> Result<Ready, ReadError> {
        let damaged = |error: BitmapError| ReadError::corrupt(&self.name, error);
        // A bit that is not what it was would let a clone lack an object, and nobody would notice here. The whole
        // file is small beside what it saves.
        self.file.verify_checksum().map_err(damaged)?;
        let order = BitOrder::new(self.rows.order()?).map_err(damaged)?;
        if order.count() != self.file.objects() {
            return Err(ReadError::corrupt(&self.name, "it counts other objects than its index"));
        }
        let mut types = [const { Vec::new() }; 4];
        for kind in ObjectType::ALL {
            types[kind as usize] = self
                .file
                .of_type(kind)
                .map_err(damaged)?
                .to_words(order.count())
                .map_err(|error| ReadError::corrupt(&self.name, error))?;
        }
        // Every object is of exactly one kind; bits beyond the objects are of none.
        let [a, b, c, d] = &types;
        let maps = a.iter().zip(b).zip(c).zip(d).map(|(((a, b), c), d)| (a ^ b ^ c ^ d, a | b | c | d));
        let mut left = order.count();
        for (odd, any) in maps {
            let expected = if left < 64 { (1 << left) - 1 } else { u64::MAX };
            if odd != expected || any != expected {
                return Err(ReadError::corrupt(&self.name, "it does not know the kinds of all objects"));
            }
            left = left.saturating_sub(64);
        }
        Ok(Ready { order, types })
    }
}

impl fmt::Debug for StoredBitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredBitmap").field("name", &self.name).finish_non_exhaustive()
    }
}
