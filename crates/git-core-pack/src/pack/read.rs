//! Reading objects: inflating entries and applying chains of deltas of any length, one link at a time.

use crate::cache::{CacheKey, Keep};
use crate::data::MAX_READ;
use crate::delta::{self, DeltaHeader};
use crate::entry::MAX_ENTRY_HEADER_LEN;
use crate::inflate::{InflateError, Inflater, Pieces};
use crate::{EntryHeader, EntryKind, Pack, PackBytes};
use git_core_idx::PackOffset;
use git_core_object::{Header, Kind, ObjectFormat, ObjectId, Objects, ReadError, Stopped};
use std::ops::Deref;
use std::sync::Arc;

/// Scratch space for reading objects out of packs. One per thread; serves any number of packs.
#[derive(Default)]
pub struct Reader {
    inflater: Inflater,
    pieces: Option<Pieces>,
    delta: Vec<u8>,
    spare: Vec<u8>,
    chain: Vec<Link>,
}

/// A delta on the way from an object to its base.
#[derive(Clone, Copy)]
struct Link {
    offset: PackOffset,
    header_len: usize,
    size: u64,
}

/// Where the deltas of a chain end.
enum Root {
    /// At an object that is in hand.
    Held(Kind, Arc<Vec<u8>>),
    /// At a whole entry.
    Whole(Kind, Link),
    /// At an object of another pack or storage.
    Outside(ObjectId),
}

impl Reader {
    /// A reader that holds no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces `out` with the content of the object whose entry begins at `offset`.
    ///
    /// Bases that the pack does not have are asked of `outside`.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] when the entry or one of its bases is damaged, [`ReadError::Missing`] when a
    /// base is neither in the pack nor outside, [`ReadError::Stopped`] for an object larger than the pack's
    /// limit.
    pub fn read(
        &mut self,
        pack: &Pack,
        offset: PackOffset,
        outside: Option<&dyn Objects>,
        out: &mut Vec<u8>,
    ) -> Result<Kind, ReadError> {
        let root = self.walk(pack, offset, outside)?;
        if self.chain.is_empty() {
            return match root {
                Root::Held(kind, content) => {
                    out.clear();
                    out.extend_from_slice(&content);
                    Ok(kind)
                }
                Root::Whole(kind, link) => self.inflate(pack, link, out).map(|()| kind),
                Root::Outside(id) => outside.ok_or(ReadError::Missing { id })?.require(&id, out),
            };
        }
        // The chain is resolved in two buffers that change places; what is worth keeping is copied out.
        let (kind, mut base) = match root {
            Root::Held(kind, content) => (kind, Base::Shared(content)),
            Root::Whole(kind, link) => {
                let mut content = std::mem::take(&mut self.spare);
                self.inflate(pack, link, &mut content)?;
                (kind, self.keep(pack, link.offset, kind, content))
            }
            Root::Outside(id) => {
                let mut content = std::mem::take(&mut self.spare);
                let kind = outside.ok_or(ReadError::Missing { id })?.require(&id, &mut content)?;
                (kind, Base::Own(content))
            }
        };
        let mut delta = std::mem::take(&mut self.delta);
        while let Some(link) = self.chain.pop() {
            self.inflate(pack, link, &mut delta)?;
            let last = self.chain.is_empty();
            let mut result = std::mem::take(if last { &mut *out } else { &mut self.spare });
            delta::apply(&base, &delta, pack.object_bytes, &mut result)
                .map_err(|error| pack.corrupt(link.offset, error))?;
            let next = if last {
                *out = result;
                Base::Own(Vec::new())
            } else {
                self.keep(pack, link.offset, kind, result)
            };
            let used = std::mem::replace(&mut base, next);
            if let Base::Own(buffer) = used
                && buffer.capacity() <= MAX_SPARE
            {
                self.spare = buffer;
            }
        }
        self.delta = delta;
        Ok(kind)
    }

    /// Puts an object that is the base of the next link into the cache, if it should be there.
    fn keep(&self, pack: &Pack, offset: PackOffset, kind: Kind, content: Vec<u8>) -> Base {
        // Which bases are landmarks depends on where they stand only, so that all chains agree on them.
        let landmark = offset.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61 == 0;
        let keep = match landmark {
            true => Keep::Landmark,
            false if self.chain.len() == 1 => Keep::Recent,
            false => return Base::Own(content),
        };
        if !pack.cache.takes(keep, content.len()) {
            return Base::Own(content);
        }
        // A copy of the right size, so that the cache holds no more than it books; the buffer stays in use.
        let mut kept = Vec::with_capacity(content.len());
        kept.extend_from_slice(&content);
        pack.cache.put(cache_key(pack, offset), keep, kind, &Arc::new(kept));
        Base::Own(content)
    }

    /// Kind and size of the object whose entry begins at `offset`, without inflating more than the first
    /// bytes of a delta.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn header(
        &mut self,
        pack: &Pack,
        offset: PackOffset,
        outside: Option<&dyn Objects>,
    ) -> Result<Header, ReadError> {
        let root = self.walk(pack, offset, outside)?;
        let (kind, root_size) = match root {
            Root::Held(kind, content) => (kind, content.len() as u64),
            Root::Whole(kind, link) => (kind, link.size),
            Root::Outside(id) => {
                let found = outside.map(|objects| objects.header(&id)).transpose()?.flatten();
                let header = found.ok_or(ReadError::Missing { id })?;
                (header.kind, header.size)
            }
        };
        let size = match self.chain.first() {
            None => root_size,
            Some(link) => self.delta_header(pack, *link)?.result_size,
        };
        Ok(Header { kind, size })
    }

    /// Follows the chain of deltas from `offset` to where it ends; the links are left in `self.chain`.
    fn walk(
        &mut self,
        pack: &Pack,
        offset: PackOffset,
        outside: Option<&dyn Objects>,
    ) -> Result<Root, ReadError> {
        self.chain.clear();
        let mut at = offset;
        loop {
            if let Some((kind, content)) = pack.cache.get(cache_key(pack, at)) {
                return Ok(Root::Held(kind, content));
            }
            let (header, header_len) = pack.entry_header(at)?;
            let link = Link { offset: at, header_len, size: header.size };
            at = match header.kind {
                EntryKind::Whole(kind) => return Ok(Root::Whole(kind, link)),
                EntryKind::OfsDelta { .. } => header
                    .kind
                    .base_offset(at)
                    .ok_or_else(|| pack.corrupt(at, "the delta base is outside of the pack"))?,
                EntryKind::RefDelta { base } => match pack.find(&base)? {
                    Some(offset) => offset,
                    None if outside.is_some() || self.chain.is_empty() => {
                        self.chain.push(link);
                        return Ok(Root::Outside(base));
                    }
                    None => return Err(ReadError::Missing { id: base }),
                },
            };
            if self.chain.len() >= pack.count() as usize {
                return Err(pack.corrupt(offset, "its chain of deltas is a cycle"));
            }
            self.chain.push(link);
        }
    }

    fn delta_header(&mut self, pack: &Pack, link: Link) -> Result<DeltaHeader, ReadError> {
        let mut start = [0; DeltaHeader::MAX_LEN];
        // The first bytes of a delta may lie behind the code tables of its first block.
        let mut window = 512;
        loop {
            let (bytes, cut) = pack.window(link.offset, window)?;
            let got = self
                .inflater
                .prefix(bytes.get(link.header_len..).unwrap_or_default(), &mut start)
                .map_err(|error| pack.corrupt(link.offset, error))?;
            match DeltaHeader::parse(&start[..got]) {
                Ok((header, _)) => return Ok(header),
                Err(_) if cut && window < MAX_READ => window = MAX_READ,
                Err(error) => return Err(pack.corrupt(link.offset, error)),
            }
        }
    }

    /// Replaces `out` with what the entry inflates to.
    fn inflate(&mut self, pack: &Pack, link: Link, out: &mut Vec<u8>) -> Result<(), ReadError> {
        if link.size > pack.object_bytes {
            return Err(Stopped::Limit { name: "object_bytes", bound: pack.object_bytes }.into());
        }
        // Deflated data is hardly ever longer than what it stands for; where it is, go window by window.
        let likely = link.size.saturating_add(link.size / 8).saturating_add(1024);
        if likely < MAX_READ {
            let window = if pack.data.is_resident() { MAX_READ } else { likely };
            let (bytes, cut) = pack.window(link.offset, window)?;
            let input = bytes.get(link.header_len..).unwrap_or_default();
            match self.inflater.whole(input, link.size, out) {
                Ok(_) => return Ok(()),
                Err(_) if cut => {}
                Err(error) => return Err(pack.corrupt(link.offset, error)),
            }
        }
        self.inflate_windows(pack, link, out)
    }

    fn inflate_windows(&mut self, pack: &Pack, link: Link, out: &mut Vec<u8>) -> Result<(), ReadError> {
        let corrupt = |error: InflateError| pack.corrupt(link.offset, error);
        let declared = link.size;
        let end = pack.entry_range(link.offset)?.end;
        let mut at = link.offset.0 + link.header_len as u64;
        let pieces = self.pieces.get_or_insert_with(Pieces::new);
        pieces.reset();
        out.clear();
        while at < end {
            let bytes = pack.data.read(at..end.min(at + MAX_READ))?;
            let mut rest: &[u8] = &bytes;
            while !rest.is_empty() || pieces.is_full() {
                let piece = pieces.step(rest).map_err(corrupt)?;
                rest = &rest[piece.used..];
                if piece.output.len() as u64 > declared - out.len() as u64 {
                    return Err(corrupt(InflateError::Long { declared }));
                }
                out.extend_from_slice(piece.output);
                if piece.done {
                    return match out.len() as u64 == declared {
                        true => Ok(()),
                        false => Err(corrupt(InflateError::Short { declared })),
                    };
                }
            }
            at += bytes.len() as u64;
        }
        Err(corrupt(InflateError::Short { declared }))
    }
}

fn cache_key(pack: &Pack, offset: PackOffset) -> CacheKey {
    CacheKey { pack: pack.cache_number, offset: offset.0 }
}

/// An object that the next delta is applied to.
enum Base {
    Own(Vec<u8>),
    Shared(Arc<Vec<u8>>),
}

impl Deref for Base {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Base::Own(content) => content,
            Base::Shared(content) => content,
        }
    }
}

/// A reader keeps no buffer larger than this.
const MAX_SPARE: usize = 8 << 20;

impl Pack {
    /// The header of the entry at `offset`, and its length.
    pub(crate) fn entry_header(&self, offset: PackOffset) -> Result<(EntryHeader, usize), ReadError> {
        let (bytes, _) = self.window(offset, MAX_ENTRY_HEADER_LEN as u64)?;
        EntryHeader::parse(self.format(), &bytes).map_err(|error| self.corrupt(offset, error))
    }

    /// Bytes from `offset` on, at most so many, and whether the pack goes on behind them.
    fn window(&self, offset: PackOffset, len: u64) -> Result<(PackBytes<'_>, bool), ReadError> {
        if offset.0 >= self.trailer_at() {
            return Err(self.corrupt(offset, "it lies outside of the pack"));
        }
        let end = self.trailer_at().min(offset.0.saturating_add(len));
        Ok((self.data.read(offset.0..end)?, end < self.trailer_at()))
    }
}

/// A pack by itself; ref-deltas on objects outside of it are errors.
impl Objects for Pack {
    fn format(&self) -> ObjectFormat {
        self.idx.format()
    }

    fn read(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Option<Kind>, ReadError> {
        let Some(offset) = self.find(id)? else { return Ok(None) };
        self.with_reader(|reader| reader.read(self, offset, None, out)).map(Some)
    }

    fn header(&self, id: &ObjectId) -> Result<Option<Header>, ReadError> {
        let Some(offset) = self.find(id)? else { return Ok(None) };
        self.with_reader(|reader| reader.header(self, offset, None)).map(Some)
    }

    fn contains(&self, id: &ObjectId) -> Result<bool, ReadError> {
        Ok(Pack::contains(self, id))
    }
}
