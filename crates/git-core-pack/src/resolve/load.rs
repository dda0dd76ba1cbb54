//! Getting at the content of entries: inflating whole objects, applying deltas.

use super::{Forest, ResolveError};
use crate::delta::{self, DeltaHeader};
use crate::inflate::{InflateError, Inflater, Pieces};
use crate::{EntryHeader, EntryKind};
use git_core_hash::Hasher;
use git_core_idx::PackOffset;
use git_core_object::{Kind, ObjectId, ReadError};
use std::sync::Arc;

/// Blobs larger than this are hashed piece by piece, if nothing needs their content.
pub(super) const LARGE: u64 = 16 << 20;

/// Derives objects; keeps its buffers from one to the next.
pub(super) struct Loader<'a, 'f, S> {
    forest: &'a Forest<'f, S>,
    inflater: Inflater,
    raw: Vec<u8>,
    delta: Vec<u8>,
    spares: Spares,
}

impl<'a, 'f, S> Loader<'a, 'f, S> {
    pub(super) fn new(forest: &'a Forest<'f, S>, budget: usize) -> Self {
        Loader {
            forest,
            inflater: Inflater::default(),
            raw: Vec::new(),
            delta: Vec::new(),
            spares: Spares { buffers: Vec::new(), bytes: 0, max: budget.min(Spares::MAX) },
        }
    }

    /// The whole object that is stored in an entry.
    pub(super) fn whole(&mut self, entry: u32) -> Result<Vec<u8>, ResolveError> {
        let mut out = self.spares.take(0);
        self.inflate(entry, &mut out)?;
        Ok(out)
    }

    /// What a root is: an entry, or an object outside of the pack.
    pub(super) fn root(&mut self, root: u32) -> Result<Vec<u8>, ResolveError> {
        match self.forest.outside {
            Some((objects, ids)) if root >= self.forest.table.len() => {
                let id = ids[(root - self.forest.table.len()) as usize];
                let mut out = Vec::new();
                objects.require(&id, &mut out)?;
                Ok(out)
            }
            _ => self.whole(root),
        }
    }

    /// An object of the repository that deltas of a thin pack are based on, with its id; `None` when there is
    /// no such object.
    pub(super) fn outside(&mut self, root: u32) -> Result<Option<(ObjectId, Kind, Vec<u8>)>, ResolveError> {
        let Some((objects, ids)) = self.forest.outside else { return Ok(None) };
        let Some(id) = ids.get((root - self.forest.table.len()) as usize) else { return Ok(None) };
        let mut content = Vec::new();
        let Some(kind) = objects.read(id, &mut content)? else { return Ok(None) };
        match ObjectId::hash(id.format(), kind, &content) {
            Ok(computed) if computed == *id => Ok(Some((*id, kind, content))),
            _ => Err(ReadError::corrupt(format_args!("local object {id}"), "its hash differs").into()),
        }
    }

    /// What a delta makes of its base.
    pub(super) fn derive(&mut self, entry: u32, base: &[u8]) -> Result<Vec<u8>, ResolveError> {
        let delta = self.take_delta(entry)?;
        let bytes = self.delta_bytes(entry, &delta);
        let bound = self.forest.cx.limits().object_bytes;
        // About as long as the result, as far as that can be believed.
        let room = base.len().min(usize::try_from(bound).unwrap_or(usize::MAX)) + bytes.len();
        let result = DeltaHeader::parse(bytes).map_or(0, |(header, _)| header.result_size);
        let mut out = self.spares.take(usize::try_from(result).unwrap_or(usize::MAX).min(room));
        let bytes = self.delta_bytes(entry, &delta);
        delta::apply(base, bytes, bound, &mut out)
            .map_err(|source| ResolveError::Delta { offset: self.offset(entry), source })?;
        self.delta = delta;
        Ok(out)
    }

    /// How long an object is that a delta makes, according to the delta.
    pub(super) fn result_size(&mut self, entry: u32) -> Result<u64, ResolveError> {
        let delta = self.take_delta(entry)?;
        let header = DeltaHeader::parse(self.delta_bytes(entry, &delta));
        self.delta = delta;
        let (header, _) =
            header.map_err(|source| ResolveError::Delta { offset: self.offset(entry), source })?;
        Ok(header.result_size)
    }

    /// Hashes what a delta makes of its base, without holding it.
    pub(super) fn hash_derived(&mut self, entry: u32, base: &[u8]) -> Result<(ObjectId, u64), ResolveError> {
        let offset = self.offset(entry);
        let size = self.result_size(entry)?;
        let bound = self.forest.cx.limits().object_bytes;
        let delta = self.take_delta(entry)?;
        let mut hasher = ObjectId::hasher(self.forest.table.format, Kind::Blob, size);
        delta::each_piece(base, self.delta_bytes(entry, &delta), bound, |piece| hasher.update(piece))
            .map_err(|source| ResolveError::Delta { offset, source })?;
        self.delta = delta;
        Ok((finish(hasher, offset)?, size))
    }

    /// Hashes a large blob without holding it; `None` when it is not large.
    pub(super) fn hash_large(&mut self, entry: u32) -> Result<Option<(ObjectId, u64)>, ResolveError> {
        let offset = self.offset(entry);
        let Forest { table, source, trailer_at, cx, .. } = self.forest;
        let range = table.range(entry, *trailer_at);
        let start = range.start..range.end.min(range.start + crate::MAX_ENTRY_HEADER_LEN as u64);
        let (header, len) = EntryHeader::parse(table.format, source.raw(start, &mut self.raw)?)
            .map_err(|source| ResolveError::Header { offset, source })?;
        if header.size <= LARGE || header.kind != EntryKind::Whole(Kind::Blob) {
            return Ok(None);
        }
        let bad = |source| ResolveError::Inflate { offset, source };
        let mut hasher = ObjectId::hasher(table.format, Kind::Blob, header.size);
        let mut pieces = Pieces::new();
        let (mut at, mut given) = (range.start + len as u64, 0u64);
        while at < range.end || pieces.is_full() {
            cx.check()?;
            let raw = source.raw(at..range.end.min(at + (64 << 10)), &mut self.raw)?;
            let piece = pieces.step(raw).map_err(bad)?;
            at += piece.used as u64;
            given += piece.output.len() as u64;
            hasher.update(piece.output);
            if given > header.size {
                return Err(bad(InflateError::Long { declared: header.size }));
            }
            if piece.done {
                break;
            }
        }
        if given != header.size {
            return Err(bad(InflateError::Short { declared: header.size }));
        }
        Ok(Some((finish(hasher, offset)?, header.size)))
    }

    /// Keeps a buffer for the next object, if nobody else uses it.
    pub(super) fn recycle(&mut self, content: Arc<Vec<u8>>) {
        if let Ok(content) = Arc::try_unwrap(content) {
            self.spares.put(content);
        }
    }

    pub(super) fn offset(&self, entry: u32) -> PackOffset {
        PackOffset(self.forest.table.offsets[entry as usize])
    }

    /// Inflates a delta, unless it was kept; the buffer has to be put back.
    fn take_delta(&mut self, entry: u32) -> Result<Vec<u8>, ResolveError> {
        let mut delta = std::mem::take(&mut self.delta);
        if self.forest.kept.and_then(|kept| kept.get(entry)).is_none() {
            self.inflate(entry, &mut delta)?;
        }
        Ok(delta)
    }

    fn delta_bytes<'d>(&self, entry: u32, delta: &'d [u8]) -> &'d [u8]
    where
        'f: 'd,
        'a: 'd,
    {
        self.forest.kept.and_then(|kept| kept.get(entry)).unwrap_or(delta)
    }

    fn inflate(&mut self, entry: u32, out: &mut Vec<u8>) -> Result<(), ResolveError> {
        let offset = self.offset(entry);
        let Forest { table, source, trailer_at, cx, .. } = self.forest;
        let raw = source.raw(table.range(entry, *trailer_at), &mut self.raw)?;
        let (header, len) = EntryHeader::parse(table.format, raw)
            .map_err(|source| ResolveError::Header { offset, source })?;
        let bound = cx.limits().object_bytes;
        if header.size > bound {
            return Err(ResolveError::TooLarge { offset, size: header.size, bound });
        }
        self.inflater
            .whole(&raw[len..], header.size, out)
            .map_err(|source| ResolveError::Inflate { offset, source })?;
        Ok(())
    }
}

fn finish(hasher: Hasher, offset: PackOffset) -> Result<ObjectId, ResolveError> {
    hasher.finish().map(ObjectId::from).map_err(|_| ResolveError::Attack { offset })
}

/// Buffers that were given back. Neighbours are about equally long, so that one of the last mostly fits.
struct Spares {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
    max: usize,
}

impl Spares {
    const MAX: usize = 2 << 20;
    /// How many of the last buffers are looked at.
    const LOOK: usize = 8;

    /// An empty buffer with room for `size` bytes and not much more.
    fn take(&mut self, size: usize) -> Vec<u8> {
        let fits = |buffer: &Vec<u8>| (size..=size + size / 4 + 4096).contains(&buffer.capacity());
        let first = self.buffers.len().saturating_sub(Self::LOOK);
        let Some(found) = self.buffers[first..].iter().rposition(fits) else {
            return Vec::with_capacity(size);
        };
        let mut buffer = self.buffers.swap_remove(first + found);
        self.bytes -= buffer.capacity();
        buffer.clear();
        buffer
    }

    fn put(&mut self, buffer: Vec<u8>) {
        let size = buffer.capacity();
        if size > self.max {
            return;
        }
        if self.bytes + size > self.max {
            self.buffers.clear();
            self.bytes = 0;
        }
        self.bytes += size;
        self.buffers.push(buffer);
    }
}
