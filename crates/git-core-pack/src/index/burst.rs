//! Taking many entries at once, on all processors, when many came in at once.
//!
//! Where an entry ends is known only once it was inflated, so that a pack seems to be readable from its front
//! alone. But a place where an entry begins can be *guessed*: a header that is followed by a zlib stream of
//! just the size it says. Each thread begins at such a place and goes on from there. When the thread before it
//! arrives exactly there, the guess was right, since what follows from a place does not depend on how it was
//! found; otherwise the work was in vain, and the part is read again from where the entries really are.
//!
//! What is not the usual case (entries cut off, large ones, damage) is left to [`stream`](super::stream).

use crate::entry::{EntryHeader, EntryKind, MAX_ENTRY_HEADER_LEN};
use crate::inflate::Inflater;
use crate::name::name_all;
use git_core_idx::PackOffset;
use git_core_object::{Kind, ObjectFormat, ObjectId};
use std::ops::Range;

/// Larger entries are not for us.
pub(super) const MAX_ENTRY: u64 = 1 << 20;
/// A part ends early when its entries have inflated to so many bytes, at the latest.
const MAX_INFLATED: usize = 8 << 20;
/// And with so many it is worth its while, however little memory there is.
const MIN_INFLATED: usize = 256 << 10;
/// The least input that is worth a thread.
const MIN_PART: usize = 64 << 10;
/// The most input that one thread takes at once.
const MAX_PART: usize = 512 << 10;
/// How far from where a part should begin a place is looked for.
const SEARCH: usize = 32 << 10;
/// Objects are hashed in groups of so many bytes, which should stay in the processor's cache.
const GROUP: usize = 512 << 10;

/// An entry that was taken.
#[derive(Clone, Copy)]
pub(super) struct Taken {
    /// Where it begins, from the beginning of the input.
    pub(super) at: usize,
    /// Where it ends.
    pub(super) end: usize,
    pub(super) header: EntryHeader,
    pub(super) crc: u32,
    pub(super) name: Name,
    /// Its content in [`Part::data`].
    data: (usize, usize),
}

/// What the object of an entry is called.
#[derive(Clone, Copy)]
pub(super) enum Name {
    /// That is not known yet.
    Unknown,
    Object(ObjectId),
    /// Its content bears the marks of an attack on SHA-1.
    Attack,
}

/// Consecutive entries that one thread took. Kept from one burst to the next for its memory.
#[derive(Default)]
pub(super) struct Part {
    inflater: Inflater,
    /// Where the first entry begins and where the last one ends, from the beginning of the input.
    pub(super) span: Range<usize>,
    pub(super) entries: Vec<Taken>,
    /// As long as the most that was ever needed, so that it is not filled with zeroes again and again.
    data: Vec<u8>,
    filled: usize,
}

/// What all parts of a burst have in common.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) format: ObjectFormat,
    pub(super) bytes: &'a [u8],
    /// Where in the pack `bytes` begin.
    pub(super) offset: u64,
    /// The most entries that there can be.
    pub(super) entries: usize,
    /// Larger entries are not taken; never more than [`MAX_ENTRY`].
    pub(super) largest: u64,
    /// The memory, in bytes, that all parts together should use.
    pub(super) memory: usize,
}

/// Takes entries from the beginning of the input; gives how many of the parts hold them. Each of these parts
/// begins where the one before it ends; the last of them may end before the input does. `aside` is done
/// meanwhile.
pub(super) fn take(
    input: Input<'_>,
    threads: usize,
    parts: &mut Vec<Part>,
    aside: impl FnOnce() + Send,
) -> usize {
    let threads = threads.clamp(1, (input.bytes.len() / MIN_PART).max(1));
    let len = (input.bytes.len() / threads).min(MAX_PART);
    let input = Input { memory: input.memory / threads, ..input };
    if parts.len() < threads {
        parts.resize_with(threads, Part::default);
    }
    let parts = &mut parts[..threads];
    if let [only] = parts {
        aside();
        only.take(input, 0..len);
        return 1;
    }
    std::thread::scope(|scope| {
        let (first, others) = parts.split_at_mut(1);
        for (number, part) in others.iter_mut().enumerate() {
            let from = len * (number + 1);
            scope.spawn(move || {
                match part.guess(input, from) {
                    Some(start) => part.take(input, start..from + len),
                    None => part.clear(from),
                };
            });
        }
        scope.spawn(aside);
        first[0].take(input, 0..len);
    });
    // A part stops at the first entry that begins beyond its own end; the guess of the next one may lie
    // somewhat farther on.
    let mut good = 1;
    while good < parts.len() {
        let (before, after) = parts.split_at_mut(good);
        let (before, after) = (&mut before[good - 1], &after[0]);
        if before.span.end < after.span.start {
            before.go_on(input, after.span.start);
        }
        if before.span.end != after.span.start || after.entries.is_empty() {
            break;
        }
        good += 1;
    }
    good
}

impl Part {
    /// The content of an entry of this part.
    pub(super) fn content(&self, taken: &Taken) -> &[u8] {
        &self.data[taken.data.0..taken.data.1]
    }

    /// The whole objects of this part.
    pub(super) fn objects(&self) -> impl Iterator<Item = (ObjectId, Kind, &[u8])> {
        self.entries.iter().filter_map(|taken| match (taken.header.kind, taken.name) {
            (EntryKind::Whole(kind), Name::Object(id)) => Some((id, kind, self.content(taken))),
            _ => None,
        })
    }

    fn clear(&mut self, at: usize) {
        self.span = at..at;
        self.entries.clear();
        self.filled = 0;
    }

    fn take(&mut self, input: Input<'_>, range: Range<usize>) {
        self.clear(range.start);
        self.go_on(input, range.end);
    }

    /// Takes entries until one begins at `until` or beyond, or is not for us.
    fn go_on(&mut self, input: Input<'_>, until: usize) {
        let first = self.entries.len();
        let max = input.memory.clamp(MIN_INFLATED, MAX_INFLATED);
        while self.span.end < until && self.entries.len() < input.entries && self.filled < max {
            let Some(end) = self.entry(input, self.span.end) else { break };
            self.span.end = end;
        }
        self.name(input.format, first);
    }

    /// Takes the entry at a place; gives where it ends.
    fn entry(&mut self, input: Input<'_>, at: usize) -> Option<usize> {
        let bytes = input.bytes.get(at..)?;
        let (header, len) = EntryHeader::parse(input.format, bytes).ok()?;
        if header.size > input.largest {
            return None;
        }
        let (start, end) = (self.filled, self.filled + header.size as usize);
        if self.data.len() < end {
            self.data.resize(end.next_multiple_of(64 << 10), 0);
        }
        let used = self.inflater.exact(&bytes[len..], &mut self.data[start..end]).ok()?;
        self.filled = end;
        let crc = crc32fast::hash(&bytes[..len + used]);
        let after = at + len + used;
        self.entries.push(Taken { at, end: after, header, crc, name: Name::Unknown, data: (start, end) });
        Some(after)
    }

    /// Hashes the whole objects from the given entry on.
    fn name(&mut self, format: ObjectFormat, first: usize) {
        let Part { entries, data, .. } = self;
        let mut from = first;
        while from < entries.len() {
            let begin = entries[from].data.0;
            let beyond = |taken: &Taken| taken.data.1 - begin > GROUP;
            let to = entries[from..].iter().position(beyond).map_or(entries.len(), |n| from + n.max(1));
            let group = &mut entries[from..to];
            let whole: Vec<(usize, Kind, (usize, usize))> = group
                .iter()
                .enumerate()
                .filter_map(|(at, taken)| match taken.header.kind {
                    EntryKind::Whole(kind) => Some((at, kind, taken.data)),
                    _ => None,
                })
                .collect();
            let objects = whole.iter().map(|(_, kind, (start, end))| (*kind, &data[*start..*end]));
            name_all(format, objects, &mut |number, id| {
                group[whole[number].0].name = id.map_or(Name::Attack, Name::Object);
            });
            from = to;
        }
    }

    /// Looks for a place at `from` or beyond where an entry seems to begin.
    fn guess(&mut self, input: Input<'_>, from: usize) -> Option<usize> {
        let end = input.bytes.len().min(from + SEARCH);
        // Nearly every zlib stream in a pack begins with a method and window of 0x78.
        for at in from + 1..end.saturating_sub(1) {
            let [method, flags] = [input.bytes[at], input.bytes[at + 1]];
            if method != 0x78 || !u16::from_be_bytes([method, flags]).is_multiple_of(31) || flags & 0x20 != 0
            {
                continue;
            }
            for start in (at.saturating_sub(MAX_ENTRY_HEADER_LEN).max(from)..at).rev() {
                let Ok((header, len)) = EntryHeader::parse(input.format, &input.bytes[start..at]) else {
                    continue;
                };
                let inside = match header.kind {
                    EntryKind::OfsDelta { .. } => {
                        header.kind.base_offset(PackOffset(input.offset + start as u64)).is_some()
                    }
                    _ => true,
                };
                if start + len != at || header.size > input.largest || !inside {
                    continue;
                }
                self.clear(start);
                if self.entry(input, start).is_some() {
                    return Some(start);
                }
            }
        }
        None
    }
}
