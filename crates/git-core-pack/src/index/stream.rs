//! The machine that takes a pack as it comes in: header, entries, trailer.
//!
//! Nothing is allocated because the pack says so: the tables grow as entries arrive, and memory for content
//! grows as it is inflated.

use crate::entry::{MAX_ENTRY_HEADER_LEN, PACK_HEADER_LEN, parse_pack_header};
use crate::index::burst::{self, Input, Name, Part};
use crate::index::{IndexError, IndexOptions, Spool};
use crate::inflate::{InflateError, Pieces};
use crate::resolve::{Kept, NO_BASE, Table};
use crate::{EntryHeader, EntryKind, HeaderError};
use crc32fast::Hasher as Crc;
use git_core_hash::{Checksum, Digest, Hasher};
use git_core_idx::PackOffset;
use git_core_object::{Context, Kind, ObjectFormat, ObjectId, Phase, Task};

/// Indexes a pack that is received piece by piece.
///
/// ```
/// # use git_core_pack::{Indexer, IndexOptions};
/// # use git_core_object::{Context, ObjectFormat};
/// # fn index(pack: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
/// let cx = Context::new();
/// let mut indexer = Indexer::new(ObjectFormat::Sha1, Vec::new(), IndexOptions::default());
/// for piece in pack.chunks(64 << 10) {
///     indexer.feed(piece, &cx)?;
/// }
/// let (indexed, spool) = indexer.finish(None, &cx)?;
/// println!("{} objects in {} bytes", indexed.count(), spool.len());
/// # Ok(indexed.idx()?)
/// # }
/// ```
pub struct Indexer<S> {
    pub(super) format: ObjectFormat,
    pub(super) spool: S,
    pub(super) options: IndexOptions,
    pub(super) table: Table,
    /// Entries of large blobs whose content has yet to be compared with an existing object.
    pub(super) to_compare: Vec<u32>,
    pub(super) trailer: Option<Digest>,
    declared: u32,
    stage: Stage,
    /// Bytes of a header or trailer that came in part.
    partial: Vec<u8>,
    /// Bytes taken, which the spool may not have got yet.
    offset: u64,
    checksum: Checksum,
    pieces: Pieces,
    pub(super) kept: Kept,
    /// Memory for entries that are taken many at once.
    parts: Vec<Part>,
    task: Option<Task>,
}

/// With less input than this at hand, entries are taken one by one.
const MIN_BURST: usize = 2 << 10;
/// The most input that is taken at once.
const MAX_BURST: usize = 8 << 20;

enum Stage {
    PackHeader,
    EntryHeader,
    Body(Body),
    Trailer,
    Complete,
    Failed,
}

/// An entry whose compressed data is coming in.
struct Body {
    offset: u64,
    size: u64,
    given: u64,
    crc: Crc,
    what: What,
}

enum What {
    /// A delta: only its length is of interest now.
    Delta,
    /// A whole object that is kept until it ends.
    Held(Kind, Vec<u8>),
    /// A blob too large to be kept.
    Hashed(Hasher),
}

impl<S: Spool> Indexer<S> {
    /// Begins to index a pack of this format into an empty spool.
    pub fn new(format: ObjectFormat, spool: S, options: IndexOptions) -> Self {
        Indexer {
            format,
            spool,
            options,
            table: Table::new(format),
            to_compare: Vec::new(),
            trailer: None,
            declared: 0,
            stage: Stage::PackHeader,
            partial: Vec::new(),
            offset: 0,
            checksum: Checksum::new(format),
            pieces: Pieces::new(),
            kept: Kept::default(),
            parts: Vec::new(),
            task: None,
        }
    }

    /// Takes the next bytes and says how many it took: all of them, until the trailer was seen.
    ///
    /// # Errors
    /// [`IndexError`] when the pack is refused; nothing more can be fed then.
    pub fn feed(&mut self, bytes: &[u8], cx: &Context) -> Result<usize, IndexError> {
        cx.check()?;
        let mut used = 0;
        let result = self.take(bytes, &mut used, cx);
        let stored = self.spool.append(&bytes[..used]).map_err(IndexError::Spool);
        if let Err(error) = result.and(stored) {
            self.stage = Stage::Failed;
            return Err(error);
        }
        if let Some(task) = &mut self.task {
            task.set(self.table.len().into(), self.offset);
        }
        Ok(used)
    }

    /// Whether the trailer was seen; bytes after it are not taken.
    pub fn is_complete(&self) -> bool {
        matches!(self.stage, Stage::Complete)
    }

    /// The number of objects that the pack declares; 0 before its header was seen.
    pub fn declared(&self) -> u32 {
        self.declared
    }

    /// The number of objects that have come in whole.
    pub fn received(&self) -> u32 {
        self.table.len()
    }

    /// The bytes taken so far.
    pub fn bytes(&self) -> u64 {
        self.offset
    }

    /// Gives back what the pack is kept in, to remove it after an error, say.
    pub fn into_spool(self) -> S {
        self.spool
    }

    pub(super) fn require_complete(&mut self) -> Result<Digest, IndexError> {
        self.task = None;
        self.parts = Vec::new();
        self.trailer.ok_or(IndexError::Truncated {
            at: self.offset,
            objects: self.table.len(),
            declared: self.declared,
        })
    }

    fn take(&mut self, bytes: &[u8], used: &mut usize, cx: &Context) -> Result<(), IndexError> {
        let mut since_check = 0;
        // How far the checksum has come: it follows behind, so that it can be computed on the side.
        let mut summed = 0;
        loop {
            let rest = &bytes[*used..];
            let before = *used;
            match &mut self.stage {
                Stage::PackHeader => {
                    let Some(header) = self.gather(rest, PACK_HEADER_LEN, used) else { break };
                    self.begin(&header, cx)?;
                }
                Stage::EntryHeader => {
                    if rest.is_empty() {
                        break;
                    }
                    if self.partial.is_empty() && rest.len() >= MIN_BURST {
                        let behind = &bytes[summed..*used];
                        let ahead = &rest[..rest.len().min(MAX_BURST)];
                        summed = *used;
                        self.burst(behind, ahead, used, cx)?;
                    }
                    if *used == before {
                        self.entry_header(rest, used, cx)?;
                    }
                }
                Stage::Body(_) => {
                    if rest.is_empty() && !self.pieces.is_full() {
                        break;
                    }
                    self.body(rest, used, cx)?;
                }
                Stage::Trailer => {
                    if summed < before && self.partial.is_empty() {
                        self.checksum.update(&bytes[summed..before]);
                        summed = before;
                    }
                    let len = self.format.raw_len();
                    let Some(trailer) = self.gather(rest, len, used) else { break };
                    let computed = std::mem::replace(&mut self.checksum, Checksum::new(self.format)).finish();
                    if computed.as_bytes() != trailer {
                        return Err(IndexError::Checksum);
                    }
                    self.trailer = Some(computed);
                    self.stage = Stage::Complete;
                }
                Stage::Complete => break,
                Stage::Failed => return Err(IndexError::Spool("the pack was refused before".into())),
            }
            since_check += *used - before + 64;
            if since_check > 64 << 10 {
                since_check = 0;
                cx.check()?;
            }
            let bound = cx.limits().pack_bytes;
            if self.offset > bound {
                return Err(IndexError::PackTooLarge { bound });
            }
        }
        if !matches!(self.stage, Stage::Trailer | Stage::Complete) {
            self.checksum.update(&bytes[summed..*used]);
        }
        Ok(())
    }

    /// Collects a part of fixed length that may come in pieces.
    fn gather(&mut self, rest: &[u8], len: usize, used: &mut usize) -> Option<Vec<u8>> {
        let missing = len - self.partial.len();
        let now = &rest[..rest.len().min(missing)];
        self.partial.extend_from_slice(now);
        *used += now.len();
        self.offset += now.len() as u64;
        (now.len() == missing).then(|| std::mem::take(&mut self.partial))
    }

    fn begin(&mut self, header: &[u8], cx: &Context) -> Result<(), IndexError> {
        let header = header.first_chunk().copied().unwrap_or_default();
        self.declared = parse_pack_header(&header).map_err(IndexError::PackHeader)?;
        let bound = cx.limits().pack_objects;
        if u64::from(self.declared) > bound {
            return Err(IndexError::TooManyObjects { declared: self.declared, bound });
        }
        self.task = Some(cx.task(Phase::Receiving, Some(self.declared.into())));
        // Half of the memory for resolving; the other half is for the bases.
        self.kept.set_budget(usize::try_from(cx.limits().delta_cache_bytes / 2).unwrap_or(usize::MAX));
        self.next_entry();
        Ok(())
    }

    fn next_entry(&mut self) {
        self.stage = if self.table.len() == self.declared { Stage::Trailer } else { Stage::EntryHeader };
    }

    /// Takes whole entries, as many as are at hand; none when the next one is not for this way.
    /// Meanwhile the bytes `behind` join the checksum.
    fn burst(
        &mut self,
        behind: &[u8],
        ahead: &[u8],
        used: &mut usize,
        cx: &Context,
    ) -> Result<(), IndexError> {
        let entries = (self.declared - self.table.len()) as usize;
        let largest = self.large_blob(cx).min(burst::MAX_ENTRY);
        let memory = usize::try_from(cx.limits().delta_cache_bytes / 4).unwrap_or(usize::MAX);
        let input =
            Input { format: self.format, bytes: ahead, offset: self.offset, entries, largest, memory };
        let mut parts = std::mem::take(&mut self.parts);
        let threads = cx.limits().thread_count();
        let good = burst::take(input, threads, &mut parts, || self.checksum.update(behind));
        let result = self.accept(input, &mut parts[..good], cx);
        self.parts = parts;
        let end = result?;
        *used += end;
        self.offset += end as u64;
        self.next_entry();
        Ok(())
    }

    /// Enters what was taken into the table; gives where it ends.
    fn accept(&mut self, input: Input<'_>, parts: &mut [Part], cx: &Context) -> Result<usize, IndexError> {
        let mut end = 0;
        for part in &mut *parts {
            // What comes after the last entry may look like another one.
            part.entries.truncate((self.declared - self.table.len()) as usize);
            for taken in &part.entries {
                let offset = input.offset + taken.at as u64;
                self.check_size(offset, &taken.header, cx)?;
                self.note_base(offset, &taken.header.kind)?;
                self.table.set_crc(taken.crc);
                let entry = self.table.len() - 1;
                match taken.name {
                    Name::Object(id) => self.table.set_id(entry, &id),
                    Name::Attack => return Err(IndexError::Attack { offset: PackOffset(offset) }),
                    Name::Unknown => {
                        self.kept.keep(entry, part.content(taken), self.declared - self.table.len());
                    }
                }
                end = taken.end;
            }
        }
        self.options.check_parts(parts)?;
        Ok(end)
    }

    fn entry_header(&mut self, rest: &[u8], used: &mut usize, cx: &Context) -> Result<(), IndexError> {
        let offset = self.offset - self.partial.len() as u64;
        let bad = |source| IndexError::EntryHeader { offset: PackOffset(offset), source };
        // Mostly the whole header is there; otherwise as much as there is joins what came before.
        let before = self.partial.len();
        let mut joined = std::mem::take(&mut self.partial);
        let parsed = if before == 0 {
            EntryHeader::parse(self.format, rest)
        } else {
            joined.extend_from_slice(&rest[..rest.len().min(MAX_ENTRY_HEADER_LEN)]);
            EntryHeader::parse(self.format, &joined)
        };
        let (header, len) = match parsed {
            Ok(parsed) => parsed,
            Err(HeaderError::Truncated) => {
                // Whatever is there belongs to the header: it is shorter than the longest one.
                if before == 0 {
                    joined.extend_from_slice(rest);
                }
                self.partial = joined;
                *used += rest.len();
                self.offset += rest.len() as u64;
                return Ok(());
            }
            Err(error) => return Err(bad(error)),
        };
        let mut crc = Crc::new();
        let raw = if before == 0 { &rest[..len] } else { &joined[..len] };
        crc.update(raw);
        *used += len - before;
        self.offset += (len - before) as u64;
        joined.clear();
        self.partial = joined;
        self.check_size(offset, &header, cx)?;
        let what = match header.kind {
            EntryKind::Whole(Kind::Blob) if header.size > self.large_blob(cx) => {
                What::Hashed(ObjectId::hasher(self.format, Kind::Blob, header.size))
            }
            EntryKind::Whole(kind) => What::Held(kind, Vec::new()),
            EntryKind::OfsDelta { .. } | EntryKind::RefDelta { .. } => What::Delta,
        };
        self.note_base(offset, &header.kind)?;
        self.pieces.reset();
        self.stage = Stage::Body(Body { offset, size: header.size, given: 0, crc, what });
        Ok(())
    }

    /// Remembers the entry's kind and base; the rest follows when it is complete.
    fn note_base(&mut self, offset: u64, kind: &EntryKind) -> Result<(), IndexError> {
        let base = match kind {
            EntryKind::OfsDelta { .. } => {
                let base = kind.base_offset(PackOffset(offset)).and_then(|base| self.table.entry_at(base.0));
                base.ok_or(IndexError::BaseOffset { offset: PackOffset(offset) })?
            }
            EntryKind::RefDelta { base } => {
                self.table.push_ref(*base);
                NO_BASE
            }
            EntryKind::Whole(_) => NO_BASE,
        };
        self.table.push_entry(offset, kind, base);
        Ok(())
    }

    fn check_size(&self, offset: u64, header: &EntryHeader, cx: &Context) -> Result<(), IndexError> {
        let bound = cx.limits().object_bytes;
        let streamed = matches!(header.kind, EntryKind::Whole(Kind::Blob));
        if header.size > bound && !streamed {
            return Err(IndexError::ObjectTooLarge { offset: PackOffset(offset), size: header.size, bound });
        }
        Ok(())
    }

    fn large_blob(&self, cx: &Context) -> u64 {
        self.options.large_blob.min(cx.limits().object_bytes)
    }

    fn body(&mut self, rest: &[u8], used: &mut usize, cx: &Context) -> Result<(), IndexError> {
        let Stage::Body(body) = &mut self.stage else { return Ok(()) };
        let bad = |source| IndexError::Inflate { offset: PackOffset(body.offset), source };
        // Steps of bounded length keep the checks for cancellation frequent.
        let piece = self.pieces.step(&rest[..rest.len().min(64 << 10)]).map_err(bad)?;
        let raw = &rest[..piece.used];
        body.crc.update(raw);
        *used += raw.len();
        self.offset += raw.len() as u64;
        if piece.output.len() as u64 > body.size - body.given {
            return Err(bad(InflateError::Long { declared: body.size }));
        }
        body.given += piece.output.len() as u64;
        if !piece.done {
            match &mut body.what {
                What::Delta => {}
                What::Held(_, content) => content.extend_from_slice(piece.output),
                What::Hashed(hasher) => hasher.update(piece.output),
            }
            return Ok(());
        }
        if body.given != body.size {
            return Err(bad(InflateError::Short { declared: body.size }));
        }
        self.table.set_crc(body.crc.clone().finalize());
        let offset = PackOffset(body.offset);
        match std::mem::replace(&mut body.what, What::Delta) {
            What::Delta => {}
            What::Held(kind, mut content) => {
                // Most objects come in one piece and are used where they lie.
                let content = if content.is_empty() {
                    piece.output
                } else {
                    content.extend_from_slice(piece.output);
                    &content
                };
                let id =
                    ObjectId::hash(self.format, kind, content).map_err(|_| IndexError::Attack { offset })?;
                self.table.set_id(self.table.len() - 1, &id);
                self.options.check_object(&id, kind, content)?;
            }
            What::Hashed(mut hasher) => {
                hasher.update(piece.output);
                let id = hasher.finish().map_err(|_| IndexError::Attack { offset })?.into();
                self.table.set_id(self.table.len() - 1, &id);
                self.finish_large(id, cx)?;
            }
        }
        self.next_entry();
        Ok(())
    }

    fn finish_large(&mut self, id: ObjectId, _cx: &Context) -> Result<(), IndexError> {
        let Stage::Body(body) = &self.stage else { return Ok(()) };
        if let Some(observer) = &self.options.observer {
            observer.large_blob(&id, body.size).map_err(|source| IndexError::Observer { id, source })?;
        }
        if let Some(existing) = &self.options.existing
            && existing.contains(&id)?
        {
            self.to_compare.push(self.table.len() - 1);
        }
        Ok(())
    }
}

impl IndexOptions {
    /// Checks the whole objects of some parts, side by side.
    fn check_parts(&self, parts: &[Part]) -> Result<(), IndexError> {
        if self.existing.is_none() && self.observer.is_none() {
            return Ok(());
        }
        let check = |part: &Part| {
            part.objects().try_for_each(|(id, kind, content)| self.check_object(&id, kind, content))
        };
        let Some((first, others)) = parts.split_first() else { return Ok(()) };
        std::thread::scope(|scope| {
            let others: Vec<_> = others.iter().map(|part| scope.spawn(move || check(part))).collect();
            let mut result = check(first);
            for other in others {
                let other = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                result = result.and(other);
            }
            result
        })
    }

    /// Shows an object to the observer and compares it with an existing one of the same id.
    pub(super) fn check_object(&self, id: &ObjectId, kind: Kind, content: &[u8]) -> Result<(), IndexError> {
        if let Some(existing) = &self.existing
            && existing.contains(id)?
        {
            let mut other = Vec::new();
            match existing.read(id, &mut other)? {
                Some(other_kind) if other_kind != kind || other != content => {
                    return Err(IndexError::Collision { id: *id });
                }
                _ => {}
            }
        }
        if let Some(observer) = &self.observer {
            observer.object(id, kind, content).map_err(|source| IndexError::Observer { id: *id, source })?;
        }
        Ok(())
    }
}
