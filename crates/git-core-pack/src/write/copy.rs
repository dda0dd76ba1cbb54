//! A pack given out as it lies, piece by piece, and checked on the way.
//!
//! Whether a receiver may have it as it lies is the caller's to decide.

use super::WriteError;
use crate::entry::{PACK_HEADER_LEN, pack_header};
use crate::{MAX_READ, Pack};
use git_core_hash::Checksum;
use git_core_idx::{IdxPosition, PackOffset};
use git_core_object::{Context, Phase, ReadError, Task};
use std::ops::ControlFlow;
use std::sync::Arc;

/// The first piece leaves at once.
const FIRST_PIECE: u64 = 32 << 10;
const PIECE: u64 = 512 << 10;
const _: () = assert!(PIECE <= MAX_READ);

/// The bytes of one pack. Its trailer comes only behind bytes that have been checked, entry by entry against the CRCs
/// of the index, or all of them against the trailer where the index has none: what was damaged in the storage never
/// looks complete to a receiver.
pub struct PackCopy {
    pack: Arc<Pack>,
    sent: u64,
    check: Check,
    task: Option<Task>,
}

/// How the bytes are checked. A receiver checks the trailer in any case: what counts here is that damage is found, and
/// a CRC takes a small part of the time of a digest.
enum Check {
    Entries(Entries),
    Trailer(Checksum),
}

impl PackCopy {
    /// A copy from the pack's beginning. `None` when its header is not the one that is written today: every
    /// receiver reads version 2.
    ///
    /// # Errors
    /// [`ReadError`] when the header cannot be read.
    pub fn new(pack: Arc<Pack>) -> Result<Option<Self>, ReadError> {
        if *pack.data().read(0..PACK_HEADER_LEN as u64)? != pack_header(pack.count()) {
            return Ok(None);
        }
        let first = (pack.count() > 0).then(|| pack.idx().crc_at(IdxPosition(0)));
        let check = match first {
            Some(None) => Check::Trailer(Checksum::new(pack.format())),
            _ => Check::Entries(Entries { rank: 0, at: PACK_HEADER_LEN as u64, open: None }),
        };
        Ok(Some(PackCopy { pack, sent: 0, check, task: None }))
    }

    /// The number of objects that the pack declares.
    pub fn objects(&self) -> u32 {
        self.pack.count()
    }

    /// Appends the next bytes of the pack to `out`; [`ControlFlow::Break`] says that these were the last.
    ///
    /// # Errors
    /// [`WriteError`] when the pack cannot be read, or turns out to be damaged.
    pub fn fill(&mut self, out: &mut Vec<u8>, cx: &Context) -> Result<ControlFlow<()>, WriteError> {
        cx.check()?;
        let size = self.pack.data().size();
        if self.sent == size {
            return Ok(ControlFlow::Break(()));
        }
        let (content, objects) = (self.pack.trailer_at(), u64::from(self.pack.count()));
        let task = self.task.get_or_insert_with(|| cx.task(Phase::Writing, Some(objects)));
        if self.sent < content {
            let most = if self.sent == 0 { FIRST_PIECE } else { PIECE };
            let end = content.min(self.sent + most);
            let bytes = self.pack.data().read(self.sent..end)?;
            match &mut self.check {
                Check::Entries(entries) => entries.take(&self.pack, self.sent, &bytes)?,
                Check::Trailer(checksum) => checksum.update(&bytes),
            }
            out.extend_from_slice(&bytes);
            self.sent = end;
            // Where entries begin is not looked at: their number grows with the bytes.
            task.set((u128::from(objects) * u128::from(end) / u128::from(content)) as u64, end);
            if end < content {
                return Ok(ControlFlow::Continue(()));
            }
        }
        let trailer = self.pack.checksum();
        let sound = match &mut self.check {
            Check::Entries(entries) => entries.are_all(&self.pack),
            Check::Trailer(checksum) => {
                std::mem::replace(checksum, Checksum::new(self.pack.format())).finish() == trailer
            }
        };
        if !sound {
            return Err(ReadError::corrupt(self.pack.name(), "checksum mismatch").into());
        }
        out.extend_from_slice(trailer.as_bytes());
        task.report(size);
        self.task = None;
        self.sent = size;
        Ok(ControlFlow::Break(()))
    }
}

/// Checks entry by entry.
struct Entries {
    /// The entries before this one, in the order of the pack, have been begun.
    rank: u32,
    /// Where they end.
    at: u64,
    /// The one that has come in part.
    open: Option<Open>,
}

struct Open {
    position: IdxPosition,
    start: u64,
    crc: crc32fast::Hasher,
}

impl Entries {
    /// Takes the bytes that lie from `from` on. What ends in them is checked before they leave.
    fn take(&mut self, pack: &Pack, from: u64, bytes: &[u8]) -> Result<(), WriteError> {
        let end = from + bytes.len() as u64;
        let part =
            |range: std::ops::Range<u64>| &bytes[(range.start - from) as usize..(range.end - from) as usize];
        let reverse = pack.reverse()?;
        let mut done = from.max(PACK_HEADER_LEN as u64);
        while done < end {
            let open = match self.open.take() {
                Some(open) => open,
                None => {
                    let damaged = |error| pack.damaged_idx(&error);
                    if self.rank >= reverse.count() {
                        return Err(pack.corrupt(PackOffset(done), "the index does not have it").into());
                    }
                    let position = reverse.position(self.rank).map_err(damaged)?;
                    let range =
                        reverse.entry_range(pack.idx(), self.rank, pack.trailer_at()).map_err(damaged)?;
                    if range.start != done || range.is_empty() {
                        return Err(pack.corrupt(PackOffset(done), "the index does not have it").into());
                    }
                    (self.rank, self.at) = (self.rank + 1, range.end);
                    if range.end <= end {
                        check(pack, position, range.start, crc32fast::hash(part(range.clone())))?;
                        done = range.end;
                        continue;
                    }
                    Open { position, start: range.start, crc: crc32fast::Hasher::new() }
                }
            };
            let Open { position, start, mut crc } = open;
            let to = end.min(self.at);
            crc.update(part(done..to));
            done = to;
            if to < self.at {
                self.open = Some(Open { position, start, crc });
            } else {
                check(pack, position, start, crc.finalize())?;
            }
        }
        Ok(())
    }

    fn are_all(&self, pack: &Pack) -> bool {
        self.rank == pack.count() && self.open.is_none() && self.at == pack.trailer_at()
    }
}

fn check(pack: &Pack, position: IdxPosition, start: u64, crc: u32) -> Result<(), WriteError> {
    match pack.idx().crc_at(position) {
        Some(expected) if expected == crc => Ok(()),
        _ => Err(WriteError::Crc {
            pack: pack.name().to_owned(),
            id: pack.idx().id_at(position),
            offset: PackOffset(start),
        }),
    }
}
