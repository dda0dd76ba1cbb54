//! What is known of the entries of a pack while their deltas are resolved: 41 bytes each with SHA-1, and
//! 8 more for a delta while it is resolved.

use crate::EntryKind;
use git_core_object::{Kind, ObjectFormat, ObjectId};
use std::ops::Range;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// Stands for "no base" or "base not known yet" where the number of an entry is expected.
pub(crate) const NO_BASE: u32 = u32::MAX;
/// Stands for a delta whose kind is not known yet.
const UNRESOLVED: u8 = 0xff;

/// The entries in pack order, numbered from 0.
pub(crate) struct Table {
    pub(crate) format: ObjectFormat,
    pub(crate) offsets: Vec<u64>,
    pub(crate) crcs: Vec<u32>,
    /// Raw ids, all zero until known.
    pub(crate) ids: Vec<u8>,
    kinds: Vec<AtomicU8>,
    /// The entry that each delta is based on; of ref-deltas known only once resolved.
    pub(crate) bases: Vec<AtomicU32>,
    /// Base ids of ref-deltas, with the number of the entry.
    pub(crate) refs: Vec<(ObjectId, u32)>,
}

impl Table {
    pub(crate) fn new(format: ObjectFormat) -> Self {
        Table {
            format,
            offsets: Vec::new(),
            crcs: Vec::new(),
            ids: Vec::new(),
            kinds: Vec::new(),
            bases: Vec::new(),
            refs: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> u32 {
        self.crcs.len() as u32
    }

    /// Adds an entry that begins at `offset`, beyond all others. Its CRC follows when it is complete, and
    /// only then it counts.
    pub(crate) fn push_entry(&mut self, offset: u64, kind: &EntryKind, base: u32) {
        self.offsets.push(offset);
        self.kinds.push(AtomicU8::new(match kind {
            EntryKind::Whole(kind) => code(*kind),
            EntryKind::OfsDelta { .. } | EntryKind::RefDelta { .. } => UNRESOLVED,
        }));
        self.ids.resize(self.ids.len() + self.format.raw_len(), 0);
        self.bases.push(AtomicU32::new(base));
    }

    /// Completes the last entry.
    pub(crate) fn set_crc(&mut self, crc: u32) {
        self.crcs.push(crc);
    }

    /// To be called before the entry itself is added.
    pub(crate) fn push_ref(&mut self, base: ObjectId) {
        self.refs.push((base, self.offsets.len() as u32));
    }

    /// The entry that begins at `offset`.
    pub(crate) fn entry_at(&self, offset: u64) -> Option<u32> {
        self.offsets.binary_search(&offset).ok().map(|entry| entry as u32)
    }

    pub(crate) fn set_id(&mut self, entry: u32, id: &ObjectId) {
        let len = self.format.raw_len();
        let at = entry as usize * len;
        self.ids[at..at + len].copy_from_slice(id.as_bytes());
    }

    pub(crate) fn id(&self, entry: u32) -> ObjectId {
        ObjectId::from_bytes(self.format, self.raw_id(entry)).expect("every entry has a whole id")
    }

    /// The kind of an object, if known.
    pub(crate) fn kind(&self, entry: u32) -> Option<Kind> {
        match self.kinds[entry as usize].load(Ordering::Relaxed) {
            0 => Some(Kind::Commit),
            1 => Some(Kind::Tree),
            2 => Some(Kind::Blob),
            3 => Some(Kind::Tag),
            _ => None,
        }
    }

    pub(crate) fn set_kind(&self, entry: u32, kind: Kind) {
        self.kinds[entry as usize].store(code(kind), Ordering::Relaxed);
    }

    /// The base of a delta, if known.
    pub(crate) fn base(&self, entry: u32) -> Option<u32> {
        match self.bases[entry as usize].load(Ordering::Relaxed) {
            NO_BASE => None,
            base => Some(base),
        }
    }

    pub(crate) fn set_base(&self, entry: u32, base: u32) {
        self.bases[entry as usize].store(base, Ordering::Relaxed);
    }

    /// The bytes of an entry, given where the pack's trailer begins.
    pub(crate) fn range(&self, entry: u32, trailer_at: u64) -> Range<u64> {
        let entry = entry as usize;
        self.offsets[entry]..self.offsets.get(entry + 1).copied().unwrap_or(trailer_at)
    }

    /// The entries in the order of their ids, equal ids in the order of their offsets.
    pub(crate) fn sorted(&self) -> Vec<u32> {
        let len = self.format.raw_len();
        let head = |entry: u32| {
            let at = entry as usize * len;
            self.ids[at..].first_chunk::<8>().map_or(0, |head| u64::from_be_bytes(*head))
        };
        let mut order: Vec<(u64, u32)> = (0..self.len()).map(|entry| (head(entry), entry)).collect();
        order.sort_unstable_by(|(a_head, a), (b_head, b)| {
            a_head.cmp(b_head).then_with(|| self.raw_id(*a).cmp(self.raw_id(*b))).then(a.cmp(b))
        });
        order.into_iter().map(|(_, entry)| entry).collect()
    }

    pub(crate) fn raw_id(&self, entry: u32) -> &[u8] {
        let len = self.format.raw_len();
        &self.ids[entry as usize * len..][..len]
    }
}

fn code(kind: Kind) -> u8 {
    match kind {
        Kind::Commit => 0,
        Kind::Tree => 1,
        Kind::Blob => 2,
        Kind::Tag => 3,
    }
}
