//! Reading objects: inflating entries and applying chains of deltas of any length, one link at a time.

use crate::cache::{CacheKey, Form, Keep, Node};
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
    passed: Vec<PackOffset>,
}

/// A delta on the way from an object to its base.
struct Link {
    offset: PackOffset,
    header_len: usize,
    size: u64,
    /// Where its base is, in the same pack.
    base: Option<PackOffset>,
    /// The delta, if it is in hand.
    held: Option<Arc<Node>>,
}

/// Where the deltas of a chain end.
enum Root {
    /// At an object that is in hand.
    Held(Kind, Arc<Node>),
    /// At a whole entry.
    Whole(Kind, Link),
    /// At an object of another pack or storage.
    Outside(ObjectId),
}

/// So many bytes are put together before an object in the middle of a chain is kept.
const DEAR: usize = 128 << 10;

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
                Root::Held(kind, node) => {
                    out.clear();
                    out.extend_from_slice(&node.content);
                    Ok(kind)
                }
                Root::Whole(kind, link) => self.inflate(pack, &link, out).map(|()| kind),
                Root::Outside(id) => outside.ok_or(ReadError::Missing { id })?.require(&id, out),
            };
        }
        let (kind, mut base) = match root {
            Root::Held(kind, node) => (kind, Base::Held(node)),
            Root::Whole(kind, link) => (kind, self.entry(pack, &link, Form::Object(kind))?),
            Root::Outside(id) => {
                let mut content = std::mem::take(&mut self.spare);
                let kind = outside.ok_or(ReadError::Missing { id })?.require(&id, &mut content)?;
                (kind, Base::Own(content))
            }
        };
        // The chain is resolved in two buffers that change places; what is worth keeping is copied out.
        let mut copied = 0;
        while let Some(link) = self.chain.pop() {
            let last = self.chain.is_empty();
            let delta = match (&link.held, link.base) {
                (Some(node), _) => Base::Held(node.clone()),
                // A delta that is itself a base will be wanted again.
                (None, Some(base)) if !last => self.entry(pack, &link, Form::Delta { base: base.0 })?,
                (None, _) => {
                    let mut delta = std::mem::take(&mut self.delta);
                    self.inflate(pack, &link, &mut delta)?;
                    Base::Own(delta)
                }
            };
            let mut result = std::mem::take(if last { &mut *out } else { &mut self.spare });
            let applied = delta::apply(&base, &delta, pack.object_bytes, &mut result);
            if let Base::Own(buffer) = delta {
                self.delta = buffer;
            }
            if last {
                *out = result;
                applied.map_err(|error| pack.corrupt(link.offset, error))?;
                break;
            }
            applied.map_err(|error| pack.corrupt(link.offset, error))?;
            copied += result.len();
            let key = cache_key(pack, link.offset);
            if self.chain.len() == 1 || copied > DEAR && key.is_landmark() {
                copied = 0;
                if pack.cache.takes(Keep::Object, result.len()) {
                    // A copy of the right size, so that the cache holds no more than it books.
                    let content = result.as_slice().to_vec();
                    pack.cache.put(Keep::Object, key, Form::Object(kind), content);
                }
            }
            if let Base::Own(buffer) = std::mem::replace(&mut base, Base::Own(result))
                && buffer.capacity() <= MAX_SPARE
            {
                self.spare = buffer;
            }
        }
        if let Base::Own(buffer) = base
            && buffer.capacity() <= MAX_SPARE
        {
            self.spare = buffer;
        }
        Ok(kind)
    }

    /// What an entry that is a base inflates to, from now on in the cache if it fits.
    fn entry(&mut self, pack: &Pack, link: &Link, form: Form) -> Result<Base, ReadError> {
        let fits = usize::try_from(link.size).is_ok_and(|size| pack.cache.takes(Keep::Entry, size));
        let mut content = match (fits, form) {
            (true, _) => Vec::new(),
            (false, Form::Object(_)) => std::mem::take(&mut self.spare),
            (false, Form::Delta { .. }) => std::mem::take(&mut self.delta),
        };
        self.inflate(pack, link, &mut content)?;
        Ok(match fits {
            true => Base::Held(pack.cache.put(Keep::Entry, cache_key(pack, link.offset), form, content)),
            false => Base::Own(content),
        })
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
        self.passed.clear();
        let mut at = offset;
        let mut first = None;
        let (kind, root_size) = loop {
            let key = cache_key(pack, at);
            // What is behind the first entry is only asked for its kind.
            if first.is_some()
                && let Some(kind) = pack.cache.kind(key)
            {
                break (kind, 0);
            }
            let (header, header_len) = pack.entry_header(at)?;
            let link = Link { offset: at, header_len, size: header.size, base: None, held: None };
            let next = match header.kind {
                EntryKind::Whole(kind) => break (kind, header.size),
                other => match base_of(pack, at, other)? {
                    Ok(next) => next,
                    Err(id) => {
                        let found = outside.map(|objects| objects.header(&id)).transpose()?.flatten();
                        let found = found.ok_or(ReadError::Missing { id })?;
                        first.get_or_insert(link);
                        break (found.kind, found.size);
                    }
                },
            };
            first.get_or_insert(link);
            self.passed.push(at);
            if self.passed.len() > pack.count() as usize {
                return Err(pack.corrupt(offset, "its chain of deltas is a cycle"));
            }
            at = next;
        };
        if first.is_some() {
            self.passed.push(at);
        }
        for passed in self.passed.drain(..).skip(1) {
            pack.cache.remember_kind(cache_key(pack, passed), kind);
        }
        let size = match first {
            None => root_size,
            Some(link) => self.delta_header(pack, &link)?.result_size,
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
            let key = cache_key(pack, at);
            if (self.chain.len() <= 2 || key.is_landmark())
                && let Some(node) = pack.cache.get(Keep::Object, key)
                && let Form::Object(kind) = node.form
            {
                return Ok(Root::Held(kind, node));
            }
            if self.chain.len() >= pack.count() as usize {
                return Err(pack.corrupt(offset, "its chain of deltas is a cycle"));
            }
            if let Some(node) = pack.cache.get(Keep::Entry, key) {
                let next = match node.form {
                    Form::Object(kind) => return Ok(Root::Held(kind, node)),
                    Form::Delta { base } => PackOffset(base),
                };
                let size = node.content.len() as u64;
                self.chain.push(Link { offset: at, header_len: 0, size, base: Some(next), held: Some(node) });
                at = next;
                continue;
            }
            let (header, header_len) = pack.entry_header(at)?;
            let mut link = Link { offset: at, header_len, size: header.size, base: None, held: None };
            at = match header.kind {
                EntryKind::Whole(kind) => return Ok(Root::Whole(kind, link)),
                other => match base_of(pack, at, other)? {
                    Ok(next) => next,
                    Err(id) if outside.is_some() || self.chain.is_empty() => {
                        self.chain.push(link);
                        return Ok(Root::Outside(id));
                    }
                    Err(id) => return Err(ReadError::Missing { id }),
                },
            };
            link.base = Some(at);
            self.chain.push(link);
        }
    }

    fn delta_header(&mut self, pack: &Pack, link: &Link) -> Result<DeltaHeader, ReadError> {
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
    fn inflate(&mut self, pack: &Pack, link: &Link, out: &mut Vec<u8>) -> Result<(), ReadError> {
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

    fn inflate_windows(&mut self, pack: &Pack, link: &Link, out: &mut Vec<u8>) -> Result<(), ReadError> {
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

/// Where the base of a delta is: at an offset of the pack, or an object that the pack does not have.
fn base_of(pack: &Pack, at: PackOffset, kind: EntryKind) -> Result<Result<PackOffset, ObjectId>, ReadError> {
    match kind {
        EntryKind::RefDelta { base } => Ok(pack.find(&base)?.ok_or(base)),
        kind => {
            let base = kind.base_offset(at);
            base.map(Ok).ok_or_else(|| pack.corrupt(at, "the delta base is outside of the pack"))
        }
    }
}

fn cache_key(pack: &Pack, offset: PackOffset) -> CacheKey {
    CacheKey { pack: pack.cache_number, offset: offset.0 }
}

/// An object that the next delta is applied to, or the delta.
enum Base {
    Own(Vec<u8>),
    Held(Arc<Node>),
}

impl Deref for Base {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Base::Own(content) => content,
            Base::Held(node) => &node.content,
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
