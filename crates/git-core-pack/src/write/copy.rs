//! A pack given out as it lies, piece by piece, and checked on the way.
//!
//! Whether a receiver may have it as it lies is the caller's to decide.

use super::WriteError;
use crate::entry::{PACK_HEADER_LEN, pack_header};
use crate::{MAX_READ, Pack};
use git_core_hash::Checksum;
use git_core_object::{Context, Phase, ReadError, Task};
use std::ops::ControlFlow;
use std::sync::Arc;

/// The first piece leaves at once.
const FIRST_PIECE: u64 = 32 << 10;
const PIECE: u64 = 512 << 10;
const _: () = assert!(PIECE <= MAX_READ);

/// The bytes of one pack. Its trailer comes only behind bytes that it is the checksum of: what was damaged in the
/// storage never looks complete to a receiver.
pub struct PackCopy {
    pack: Arc<Pack>,
    sent: u64,
    checksum: Checksum,
    task: Option<Task>,
}

impl PackCopy {
    /// A copy from the pack's beginning. `None` when its header is not the one that is written today: every
    /// receiver reads version 2.
    ///
    /// # Errors
    /// [`ReadError`] when the header cannot be read.
    pub fn new(pack: Arc<Pack>) -> Result<Option<Self>, ReadError> {
        let usual = *pack.data().read(0..PACK_HEADER_LEN as u64)? == pack_header(pack.count());
        let checksum = Checksum::new(pack.format());
        Ok(usual.then_some(PackCopy { pack, sent: 0, checksum, task: None }))
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
            self.checksum.update(&bytes);
            out.extend_from_slice(&bytes);
            self.sent = end;
            // Where entries begin is not looked at: their number grows with the bytes.
            task.set((u128::from(objects) * u128::from(end) / u128::from(content)) as u64, end);
            if end < content {
                return Ok(ControlFlow::Continue(()));
            }
        }
        let trailer = self.pack.checksum();
        if std::mem::replace(&mut self.checksum, Checksum::new(self.pack.format())).finish() != trailer {
            return Err(ReadError::corrupt(self.pack.name(), "checksum mismatch").into());
        }
        out.extend_from_slice(trailer.as_bytes());
        task.report(size);
        self.task = None;
        self.sent = size;
        Ok(ControlFlow::Break(()))
    }
}
