//! The machine that gives a pack piece by piece: header, entries, trailer.
//!
//! Memory does not grow with the pack: an entry that is reused is copied in pieces, and one object at a time
//! is held while it is compressed.

use crate::data::MAX_READ;
use crate::delta::DeltaIndex;
use crate::inflate::Deflater;
use crate::search::{Form, Held};
use crate::write::plan::{Finder, Reuse, Source};
use crate::write::run::Moves;
use crate::write::stream::{Incoming, StreamObject};
use crate::write::{DeltaForm, PackPlan, WriteError};
use crate::{EntryHeader, EntryKind, Pack, RawEntry, Reader, pack_header};
use git_core_hash::{Checksum, Digest};
use git_core_idx::{IdxEntry, IdxError, IdxPosition, PackOffset, Version, pack_order, write_idx, write_rev};
use git_core_object::{Context, Header, ObjectId, Objects, Phase, ReadError, Task};
use std::fmt;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

/// Says which objects the receiver has.
pub type HasObject = Arc<dyn Fn(&ObjectId) -> bool + Send + Sync>;

/// How a pack is written.
#[derive(Clone)]
pub struct WriteOptions {
    /// How deltas on objects of the same pack are written.
    pub delta_form: DeltaForm,
    /// For a thin pack: which objects the receiver has, so that deltas on them may be sent. Without it, the
    /// pack depends on nothing outside.
    pub thin: Option<HasObject>,
    /// How hard objects are compressed that are not copied, 0 to 9.
    pub compression: u8,
    /// About how many bytes one [`PackWriter::fill`] appends.
    pub piece: usize,
    /// Whether [`PackWriter::finish`] is to give what an index needs: about 48 bytes for each object.
    pub record: bool,
    /// How many bytes one pack may have; what exceeds it goes into [further](PackWriter::next_pack) ones. The
    /// number of objects in the header is then known too late: see [`Written::declared`].
    pub max_size: Option<u64>,
    /// Reads objects of at least [`big_object`](Self::big_object) bytes piece by piece; without it they are held in
    /// memory while they are compressed.
    pub stream: Option<StreamObject>,
    /// The least size of objects that are streamed (`core.bigFileThreshold`).
    pub big_object: u64,
}

impl Default for WriteOptions {
    fn default() -> Self {
        WriteOptions {
            delta_form: DeltaForm::default(),
            thin: None,
            compression: 6,
            piece: 256 << 10,
            record: false,
            max_size: None,
            stream: None,
            big_object: 512 << 20,
        }
    }
}

impl fmt::Debug for WriteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteOptions")
            .field("delta_form", &self.delta_form)
            .field("thin", &self.thin.is_some())
            .field("compression", &self.compression)
            .field("piece", &self.piece)
            .field("record", &self.record)
            .field("max_size", &self.max_size)
            .field("stream", &self.stream.is_some())
            .field("big_object", &self.big_object)
            .finish()
    }
}

/// A pack that was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// The checksum that it ends in; packs are named by it.
    pub checksum: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// The number of objects.
    pub objects: u32,
    /// The number of objects that its header declares. Where it is not [`objects`](Self::objects), the writer has
    /// run out of room: the header has to be written anew, and the checksum with it.
    pub declared: u32,
    /// How many are stored as deltas.
    pub deltas: u32,
    /// How many entries were copied from other packs.
    pub reused: u32,
    /// How many of these are deltas.
    pub reused_deltas: u32,
    /// What the index says of each object, ascending by id; empty unless [`WriteOptions::record`] is set.
    pub entries: Vec<IdxEntry>,
}

impl Written {
    /// The bytes of the `.idx` file, version 2.
    ///
    /// # Errors
    /// [`IdxError::TooLarge`] beyond what the format can hold.
    pub fn idx(&self) -> Result<Vec<u8>, IdxError> {
        write_idx(Version::V2, self.entries.iter().copied(), &self.checksum)
    }

    /// The bytes of the `.rev` file.
    pub fn rev(&self) -> Vec<u8> {
        write_rev(self.order().into_iter(), &self.checksum)
    }

    /// The rows of [`entries`](Self::entries), and so of the index, in the order of the pack.
    pub fn order(&self) -> Vec<u32> {
        pack_order(self.entries.iter().map(|entry| entry.offset))
    }
}

/// Gives a pack piece by piece.
pub struct PackWriter {
    pub(super) plan: PackPlan,
    pub(super) objects: Arc<dyn Objects>,
    pub(super) options: WriteOptions,
    finder: Finder,
    /// Where each item was written, or one of the values below.
    pub(super) offsets: Vec<u64>,
    pub(super) next: u32,
    /// Items that wait for their bases, which stand above them.
    pub(super) pending: Vec<u32>,
    current: Option<Current>,
    crc: crc32fast::Hasher,
    pub(super) offset: u64,
    checksum: Checksum,
    pub(super) deflater: Deflater,
    pub(super) reader: Reader,
    content: Vec<u8>,
    /// The rank of the entry last copied from each pack: the next one mostly follows it.
    pub(super) ranks: Vec<u32>,
    /// By pack: where its entries went together.
    pub(super) moves: Vec<Moves>,
    written: Option<Written>,
    /// Objects that are not in an earlier pack, and those written into this one.
    left: u32,
    pub(super) here: u32,
    pub(super) deltas: u32,
    pub(super) reused: u32,
    pub(super) reused_deltas: u32,
    pub(super) entries: Vec<IdxEntry>,
    task: Option<Task>,
}

/// No entry begins in the first twelve bytes.
pub(super) const TODO: u64 = 0;
pub(super) const PENDING: u64 = 1;
/// Written, into an earlier one of several packs.
pub(super) const ELSEWHERE: u64 = 2;

/// An entry that is being written.
enum Current {
    /// The rest of it is copied; `check` is what its bytes so far and the expected CRC give.
    Copy { item: u32, pack: u32, rest: Range<u64>, check: Option<(crc32fast::Hasher, u32)>, at: PackOffset },
    /// `content` is being compressed.
    Deflate { item: u32 },
    /// An object that is not held is being compressed.
    Stream { item: u32, incoming: Incoming },
    /// What the search has compressed is given out.
    Held { item: u32, deflated: Box<[u8]>, at: usize },
}

/// What a delta that is copied says of its base.
enum Base {
    Written(u64, ObjectId),
    Thin(ObjectId),
    Wait(u32),
    Unusable,
}

impl PackWriter {
    /// Prepares to write what the plan says; objects that are not copied are read from `objects`.
    ///
    /// # Errors
    /// [`WriteError::TooMany`] for 2^32 objects or more.
    pub fn new(plan: PackPlan, objects: Arc<dyn Objects>, options: WriteOptions) -> Result<Self, WriteError> {
        let count = plan.len();
        if u32::try_from(count).is_err() {
            return Err(WriteError::TooMany { count: count as u64 });
        }
        Ok(PackWriter {
            finder: Finder::new(&plan),
            offsets: vec![TODO; count],
            next: 0,
            pending: Vec::new(),
            current: None,
            crc: crc32fast::Hasher::new(),
            offset: 0,
            checksum: Checksum::new(plan.format),
            deflater: Deflater::new(options.compression),
            reader: Reader::new(),
            content: Vec::new(),
            ranks: vec![0; plan.packs.len()],
            moves: std::iter::repeat_with(Moves::default).take(plan.packs.len()).collect(),
            written: None,
            left: count as u32,
            here: 0,
            deltas: 0,
            reused: 0,
            reused_deltas: 0,
            entries: Vec::new(),
            task: None,
            plan,
            objects,
            options,
        })
    }

    /// Appends the next bytes of the pack to `out`; [`ControlFlow::Break`] says that these were the last.
    ///
    /// # Errors
    /// [`WriteError`] when an object cannot be read; the pack cannot be completed then.
    pub fn fill(&mut self, out: &mut Vec<u8>, cx: &Context) -> Result<ControlFlow<()>, WriteError> {
        cx.check()?;
        if self.written.is_some() {
            return Ok(ControlFlow::Break(()));
        }
        let start = out.len();
        if self.offset == 0 {
            out.extend_from_slice(&pack_header(self.left));
            self.offset = out.len() as u64 - start as u64;
            self.task = Some(cx.task(Phase::Writing, Some(self.left.into())));
        }
        let target = start.saturating_add(self.options.piece.max(1));
        let mut more = true;
        while more && out.len() < target {
            more = self.advance(out, target)?;
        }
        self.checksum.update(&out[start..]);
        if let Some(task) = &mut self.task {
            task.set(self.here.into(), self.offset);
        }
        if more {
            return Ok(ControlFlow::Continue(()));
        }
        self.task = None;
        let checksum = std::mem::replace(&mut self.checksum, Checksum::new(self.plan.format)).finish();
        out.extend_from_slice(checksum.as_bytes());
        self.offset += checksum.as_bytes().len() as u64;
        let mut entries = std::mem::take(&mut self.entries);
        entries.sort_unstable_by_key(|entry| entry.id);
        self.written = Some(Written {
            checksum,
            size: self.offset,
            objects: self.here,
            declared: self.left,
            deltas: self.deltas,
            reused: self.reused,
            reused_deltas: self.reused_deltas,
            entries,
        });
        Ok(ControlFlow::Break(()))
    }

    /// The number of objects that the pack declares.
    pub fn objects(&self) -> u32 {
        self.plan.len() as u32
    }

    /// Begins the next pack, once [`fill`](Self::fill) has given the last bytes of one; gives what was written, and
    /// whether anything is left to be written. For [`WriteOptions::max_size`].
    pub fn next_pack(&mut self) -> Option<(Written, ControlFlow<()>)> {
        let written = self.written.take()?;
        self.left -= written.objects;
        self.turn_over();
        (self.here, self.deltas, self.reused, self.reused_deltas, self.offset) = (0, 0, 0, 0, 0);
        let more = if self.left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
        Some((written, more))
    }

    /// What was written, once [`fill`](Self::fill) has given the last bytes.
    pub fn finish(self) -> Option<Written> {
        self.written
    }

    /// Does one piece of work; `false` when all items are written.
    fn advance(&mut self, out: &mut Vec<u8>, target: usize) -> Result<bool, WriteError> {
        if self.current.is_none() && self.pending.is_empty() && self.copy_run(out, target)? {
            return Ok(true);
        }
        let before = out.len();
        let ended = match self.current.take() {
            None => {
                let Some(item) = self.choose() else { return Ok(false) };
                if self.overflows(item)? {
                    return Ok(false);
                }
                self.begin(item, out)?
            }
            Some(Current::Deflate { item }) => {
                let done = self.deflater.step(&self.content, out);
                if !done {
                    self.current = Some(Current::Deflate { item });
                }
                done.then_some(item)
            }
            Some(Current::Stream { item, mut incoming }) => match incoming.next()? {
                Some(piece) => {
                    self.deflater.feed(&piece, out);
                    self.current = Some(Current::Stream { item, incoming });
                    None
                }
                None => {
                    self.deflater.end(out);
                    Some(item)
                }
            },
            Some(Current::Held { item, deflated, at }) => {
                let end = deflated.len().min(at + (target - out.len()).max(4096));
                out.extend_from_slice(&deflated[at..end]);
                let done = end == deflated.len();
                if !done {
                    self.current = Some(Current::Held { item, deflated, at: end });
                }
                done.then_some(item)
            }
            Some(Current::Copy { item, pack, mut rest, mut check, at }) => {
                let source = &self.plan.packs[pack as usize];
                let room = (target - out.len()).max(4096) as u64;
                let end = rest.end.min(rest.start + room.min(MAX_READ));
                let bytes = source.data().read(rest.start..end)?;
                out.extend_from_slice(&bytes);
                if let Some((crc, _)) = &mut check {
                    crc.update(&bytes);
                }
                rest.start = end;
                if rest.start < rest.end {
                    self.current = Some(Current::Copy { item, pack, rest, check, at });
                    None
                } else {
                    if let Some((crc, expected)) = check
                        && crc.finalize() != expected
                    {
                        return Err(self.wrong_crc(pack, item, at));
                    }
                    Some(item)
                }
            }
        };
        if self.options.record {
            self.crc.update(&out[before..]);
        }
        self.offset += (out.len() - before) as u64;
        if let Some(item) = ended {
            self.end(item);
        }
        Ok(true)
    }

    /// The item that is written next: the base that others wait for, or the next in order.
    fn choose(&mut self) -> Option<u32> {
        if let Some(item) = self.pending.pop() {
            return Some(item);
        }
        while self.offsets.get(self.next as usize).is_some_and(|offset| *offset != TODO) {
            self.next += 1;
        }
        ((self.next as usize) < self.offsets.len()).then_some(self.next)
    }

    fn end(&mut self, item: u32) {
        let crc = std::mem::take(&mut self.crc).finalize();
        self.here += 1;
        if self.options.record {
            let offset = PackOffset(self.offsets[item as usize]);
            self.entries.push(IdxEntry { id: self.plan.id(item), offset, crc });
        }
    }

    /// Begins an item, and ends it if it is small; gives it if it is ended.
    fn begin(&mut self, item: u32, out: &mut Vec<u8>) -> Result<Option<u32>, WriteError> {
        match (self.plan.form(item), self.plan.source(item)) {
            (Form::Delta(base), _) => self.delta(item, base, out),
            (Form::AsStored, Source::Reuse { pack, position }) => self.reuse(item, pack, position, out),
            _ => self.whole(item, out),
        }
    }

    /// Begins an object that is stored whole.
    fn whole(&mut self, item: u32, out: &mut Vec<u8>) -> Result<Option<u32>, WriteError> {
        self.offsets[item as usize] = self.offset;
        if let Some(held) = self.plan.release(item) {
            return Ok(self.held(item, EntryKind::Whole(held.kind), held, out));
        }
        if let Some(stream) = self.options.stream.clone() {
            let id = self.plan.id(item);
            let Header { kind, size } = self.objects.header(&id)?.ok_or(ReadError::Missing { id })?;
            if size >= self.options.big_object {
                EntryHeader { kind: EntryKind::Whole(kind), size }.write(out);
                self.deflater.reset();
                self.current = Some(Current::Stream { item, incoming: Incoming::new(&stream, id, size) });
                return Ok(None);
            }
        }
        let kind = self.plan.read(item, &mut self.reader, &*self.objects, &mut self.content)?;
        self.deflate(item, EntryKind::Whole(kind), out);
        Ok(None)
    }

    /// Begins a delta that the search has found, once its base is there.
    fn delta(&mut self, item: u32, base: u32, out: &mut Vec<u8>) -> Result<Option<u32>, WriteError> {
        let id = self.plan.id(base);
        let kind = match self.offsets.get(base as usize) {
            Some(&TODO) => {
                self.offsets[item as usize] = PENDING;
                self.pending.push(item);
                self.pending.push(base);
                return Ok(None);
            }
            // The bases that are found never lead in a circle; if a base had to be given up, so is this delta.
            Some(&(PENDING | ELSEWHERE)) => {
                self.plan.release(item);
                return self.whole(item, out);
            }
            Some(offset) => match self.options.delta_form {
                DeltaForm::Ofs => EntryKind::OfsDelta { distance: self.offset - offset },
                DeltaForm::Ref => EntryKind::RefDelta { base: id },
            },
            None => EntryKind::RefDelta { base: id },
        };
        self.offsets[item as usize] = self.offset;
        self.deltas += 1;
        if let Some(held) = self.plan.release(item) {
            return Ok(self.held(item, kind, held, out));
        }
        // There was no room to keep it: it is made once more.
        let (mut from, mut to) = (Vec::new(), Vec::new());
        self.plan.read(base, &mut self.reader, &*self.objects, &mut from)?;
        self.plan.read(item, &mut self.reader, &*self.objects, &mut to)?;
        DeltaIndex::new(&from).delta(&from, &to, usize::MAX, &mut self.content);
        self.deflate(item, kind, out);
        Ok(None)
    }

    fn held(&mut self, item: u32, kind: EntryKind, held: Held, out: &mut Vec<u8>) -> Option<u32> {
        EntryHeader { kind, size: held.size }.write(out);
        if held.deflated.len() <= (64 << 10) {
            out.extend_from_slice(&held.deflated);
            return Some(item);
        }
        self.current = Some(Current::Held { item, deflated: held.deflated, at: 0 });
        None
    }

    fn deflate(&mut self, item: u32, kind: EntryKind, out: &mut Vec<u8>) {
        EntryHeader { kind, size: self.content.len() as u64 }.write(out);
        self.deflater.reset();
        self.current = Some(Current::Deflate { item });
    }

    fn reuse(
        &mut self,
        item: u32,
        pack_number: u32,
        position: IdxPosition,
        out: &mut Vec<u8>,
    ) -> Result<Option<u32>, WriteError> {
        let pack = self.plan.packs[pack_number as usize].clone();
        let entry = pack.raw_entry_near(position, &mut self.ranks[pack_number as usize])?;
        let at = PackOffset(entry.range.start);
        if self.plan.reuse == Reuse::Whole && entry.header.kind.is_delta() {
            return self.whole(item, out);
        }
        let kind = match self.base(pack_number, &pack, &entry)? {
            None => entry.header.kind,
            Some(Base::Wait(base)) => {
                self.offsets[item as usize] = PENDING;
                self.pending.push(item);
                self.pending.push(base);
                return Ok(None);
            }
            Some(Base::Written(offset, base)) => match self.options.delta_form {
                DeltaForm::Ofs => EntryKind::OfsDelta { distance: self.offset - offset },
                DeltaForm::Ref => EntryKind::RefDelta { base },
            },
            Some(Base::Thin(base)) => EntryKind::RefDelta { base },
            Some(Base::Unusable) => {
                let objects = Some(&*self.objects);
                let kind = self.reader.read(&pack, at, objects, &mut self.content)?;
                self.offsets[item as usize] = self.offset;
                self.deflate(item, EntryKind::Whole(kind), out);
                return Ok(None);
            }
        };
        self.offsets[item as usize] = self.offset;
        let shift = self.offset.wrapping_sub(entry.range.start);
        self.moves[pack_number as usize].note(entry.range.start, entry.range.end, shift);
        self.deltas += u32::from(kind.is_delta());
        self.reused_deltas += u32::from(kind.is_delta());
        self.reused += 1;
        self.copy(item, pack_number, &pack, entry, kind, out)
    }

    fn copy(
        &mut self,
        item: u32,
        pack_number: u32,
        pack: &Pack,
        entry: RawEntry,
        kind: EntryKind,
        out: &mut Vec<u8>,
    ) -> Result<Option<u32>, WriteError> {
        let at = PackOffset(entry.range.start);
        EntryHeader { kind, size: entry.header.size }.write(out);
        // A small entry is checked before any of it leaves.
        let small = entry.range.end - entry.range.start <= (64 << 10);
        let end = if small { entry.range.end } else { entry.body().start };
        let bytes = pack.data().read(entry.range.start..end)?;
        let mut crc = crc32fast::Hasher::new();
        crc.update(&bytes);
        if !small {
            let (rest, check) = (entry.body(), entry.crc.map(|expected| (crc, expected)));
            self.current = Some(Current::Copy { item, pack: pack_number, rest, check, at });
            return Ok(None);
        }
        if entry.crc.is_some_and(|expected| crc.finalize() != expected) {
            return Err(self.wrong_crc(pack_number, item, at));
        }
        out.extend_from_slice(&bytes[entry.header_len..]);
        Ok(Some(item))
    }

    /// What becomes of the base of an entry, if it is a delta.
    fn base(&self, number: u32, pack: &Pack, entry: &RawEntry) -> Result<Option<Base>, WriteError> {
        let at = PackOffset(entry.range.start);
        let (position, id) = match entry.header.kind {
            EntryKind::Whole(_) => return Ok(None),
            EntryKind::OfsDelta { .. } => {
                let offset = entry.header.kind.base_offset(at);
                let offset =
                    offset.ok_or_else(|| pack.corrupt(at, "the delta base is outside of the pack"))?;
                let position = pack.position_of(offset)?;
                (position, None)
            }
            EntryKind::RefDelta { base } => (pack.idx().lookup(&base), Some(base)),
        };
        let same_pack = position.and_then(|position| self.finder.by_row(number, position));
        let id = match (position, id) {
            (_, Some(id)) => id,
            (Some(position), None) => pack.idx().id_at(position),
            (None, None) => return Err(pack.corrupt(at, "no entry begins where its base should").into()),
        };
        let base = match same_pack {
            Some(item) => match self.offsets[item as usize] {
                TODO => Base::Wait(item),
                PENDING | ELSEWHERE => Base::Unusable,
                offset => Base::Written(offset, id),
            },
            // In another pack or none. Several packs may lead in a circle: it ends at what waits already.
            None => {
                match self.finder.by_id(&self.plan, &id).map(|item| (item, self.offsets[item as usize])) {
                    Some((item, TODO)) => Base::Wait(item),
                    Some((_, PENDING | ELSEWHERE)) => Base::Unusable,
                    Some((_, offset)) => Base::Written(offset, id),
                    None if self.options.thin.as_ref().is_some_and(|has| has(&id)) => Base::Thin(id),
                    None => Base::Unusable,
                }
            }
        };
        Ok(Some(base))
    }

    /// Whether an entry that is a delta can be copied as one.
    pub(super) fn base_is_usable(
        &self,
        number: u32,
        pack: &Pack,
        entry: &RawEntry,
    ) -> Result<bool, WriteError> {
        Ok(!matches!(self.base(number, pack, entry)?, Some(Base::Unusable)))
    }

    fn wrong_crc(&self, pack: u32, item: u32, offset: PackOffset) -> WriteError {
        let pack = self.plan.packs[pack as usize].name().to_owned();
        WriteError::Crc { pack, id: self.plan.id(item), offset }
    }
}
