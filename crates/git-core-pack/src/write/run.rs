//! Copying entry after entry of a pack where the order of the plan is that of the pack: then nothing has to be looked
//! up but where the base of a delta went, and that is remembered by stretches.

use super::fill::{PackWriter, TODO};
use super::plan::{Reuse, Source};
use super::{DeltaForm, WriteError};
use crate::search::Form;
use crate::{EntryHeader, EntryKind, PackBytes};
use git_core_idx::{IdxEntry, IdxPosition, PackOffset};
use std::collections::BTreeMap;

/// Longer entries are copied one by one, piece by piece.
const LONGEST: u64 = 64 << 10;
/// How many bytes are read at a time at least, and at most.
const WINDOW: std::ops::Range<u64> = 4 << 10..256 << 10;

/// Where the entries of one pack went.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// By where a stretch of entries began: where it ended, and how far all of them went, which wraps around.
    stretches: BTreeMap<u64, (u64, u64)>,
}

/// More stretches of a pack are not remembered: a plan that takes a pack apart so much gains little here.
const STRETCHES: usize = 1 << 18;

impl Moves {
    /// Where the entry that began at an offset begins now.
    fn of(&self, offset: u64) -> Option<u64> {
        let (_, (end, shift)) = self.stretches.range(..=offset).next_back()?;
        (offset < *end).then(|| offset.wrapping_add(*shift))
    }

    /// Remembers that the entries between two offsets went so far.
    pub(super) fn note(&mut self, start: u64, end: u64, shift: u64) {
        if let Some((_, last)) = self.stretches.range_mut(..=start).next_back()
            && *last == (start, shift)
        {
            last.0 = end;
        } else if start < end && self.stretches.len() < STRETCHES {
            self.stretches.insert(start, (end, shift));
        }
    }

    /// Nothing went anywhere in the next pack.
    pub(super) fn clear(&mut self) {
        self.stretches.clear();
    }
}

impl PackWriter {
    /// Copies the next items if they are neighbours in a pack, up to a length of `out`; says whether it did so with
    /// one at least. What cannot be copied so is left to who copies one by one; damage too, who tells of it.
    pub(super) fn copy_run(&mut self, out: &mut Vec<u8>, target: usize) -> Result<bool, WriteError> {
        let plain = self.options.delta_form == DeltaForm::Ofs && self.options.max_size.is_none();
        if !plain || self.plan.reuse != Reuse::All {
            return Ok(false);
        }
        while self.offsets.get(self.next as usize).is_some_and(|offset| *offset != TODO) {
            self.next += 1;
        }
        let first = self.next;
        if !self.may_follow(first, None) {
            return Ok(false);
        }
        let Source::Reuse { pack: number, mut position } = self.plan.source(first) else { return Ok(false) };
        let pack = self.plan.packs[number as usize].clone();
        let (reverse, resident) = (pack.reverse()?, pack.data().is_resident());
        let damaged = |error| pack.damaged_idx(&error);
        let mut rank = pack.rank_near(position, self.ranks[number as usize])?;
        let mut at = pack.offset(position)?.0;
        let (mut window, mut window_at, mut window_len) = (PackBytes::Mapped(&[]), at, WINDOW.start);
        loop {
            // Where the entry ends, and which one follows.
            let next = match rank + 1 < reverse.count() {
                true => Some(reverse.position(rank + 1).map_err(damaged)?),
                false => None,
            };
            let end = match next {
                Some(next) => pack.offset(next)?.0,
                None => pack.trailer_at(),
            };
            if end <= at || end - at > LONGEST || end > pack.trailer_at() {
                break;
            }
            if end > window_at + window.len() as u64 {
                let most = if resident { WINDOW.end } else { window_len };
                window = pack.data().read(at..pack.trailer_at().min(at + most.max(end - at)))?;
                (window_at, window_len) = (at, (window_len * 2).min(WINDOW.end));
            }
            let entry = &window[(at - window_at) as usize..(end - window_at) as usize];
            let Some(crc) = pack.idx().crc_at(position).filter(|crc| crc32fast::hash(entry) == *crc) else {
                break;
            };
            let Ok((header, header_len)) = EntryHeader::parse(self.plan.format, entry) else { break };
            let begin = out.len();
            let mut crc = crc;
            match header.kind {
                EntryKind::RefDelta { .. } => break,
                EntryKind::Whole(_) => out.extend_from_slice(entry),
                EntryKind::OfsDelta { .. } => {
                    let base = header.kind.base_offset(PackOffset(at));
                    let Some(base) = base.and_then(|base| self.moves[number as usize].of(base.0)) else {
                        break;
                    };
                    let kind = EntryKind::OfsDelta { distance: self.offset - base };
                    if kind == header.kind {
                        out.extend_from_slice(entry);
                    } else {
                        EntryHeader { kind, size: header.size }.write(out);
                        out.extend_from_slice(&entry[header_len..]);
                        crc = crc32fast::hash(&out[begin..]);
                    }
                    self.deltas += 1;
                    self.reused_deltas += 1;
                }
            }
            if self.options.record {
                let offset = PackOffset(self.offset);
                self.entries.push(IdxEntry { id: pack.idx().id_at(position), offset, crc });
            }
            self.offsets[self.next as usize] = self.offset;
            self.moves[number as usize].note(at, end, self.offset.wrapping_sub(at));
            self.offset += (out.len() - begin) as u64;
            self.here += 1;
            self.reused += 1;
            (rank, at, self.next) = (rank + 1, end, self.next + 1);
            match next {
                Some(next) if out.len() < target && self.may_follow(self.next, Some((number, next))) => {
                    position = next;
                }
                _ => break,
            }
        }
        self.ranks[number as usize] = rank;
        Ok(self.next > first)
    }

    /// Whether an item is to be copied as it stands, from this row of this pack if one is named.
    fn may_follow(&self, item: u32, from: Option<(u32, IdxPosition)>) -> bool {
        if self.offsets.get(item as usize) != Some(&TODO) || self.plan.form(item) != Form::AsStored {
            return false;
        }
        match (self.plan.source(item), from) {
            (Source::Reuse { pack, position }, Some(from)) => (pack, position) == from,
            (Source::Reuse { .. }, None) => true,
            (Source::Fresh { .. }, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_that_went_as_far_are_one() {
        let mut moves = Moves::default();
        moves.note(100, 120, 5);
        moves.note(120, 150, 5);
        moves.note(150, 160, 7);
        moves.note(12, 20, 900);
        assert_eq!(moves.stretches.len(), 3);
        for (offset, now) in
            [(11, None), (12, Some(912)), (20, None), (149, Some(154)), (150, Some(157)), (160, None)]
        {
            assert_eq!(moves.of(offset), now, "{offset}");
        }
        // Back to the front.
        moves.note(200, 210, 100u64.wrapping_sub(200));
        assert_eq!(moves.of(203), Some(103));
        moves.clear();
        assert_eq!(moves.of(12), None);
    }
}
