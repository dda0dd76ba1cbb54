//! Packs of bounded size: one plan written as several packs (`--max-pack-size`).

use super::fill::{ELSEWHERE, PENDING, PackWriter, TODO};
use super::run::Moves;
use crate::delta::DeltaIndex;
use crate::search::{Form, Found, Held};
use crate::write::plan::Source;
use crate::write::{Reuse, WriteError};
use crate::{MAX_ENTRY_HEADER_LEN, PACK_HEADER_LEN};
use git_core_object::Kind;

impl PackWriter {
    /// Whether this item has to wait for the next pack: there is an object in this one, and no room for it. What
    /// it takes is made now, so that its length is known.
    pub(super) fn overflows(&mut self, item: u32) -> Result<bool, WriteError> {
        let Some(max) = self.options.max_size else { return Ok(false) };
        let len = self.measure(item)?;
        if self.offset <= PACK_HEADER_LEN as u64 {
            return Ok(false);
        }
        let trailer = self.plan.format.raw_len() as u64;
        Ok(self.offset + len + MAX_ENTRY_HEADER_LEN as u64 + trailer > max)
    }

    /// The length of the entry, without its header.
    fn measure(&mut self, item: u32) -> Result<u64, WriteError> {
        let base_is_elsewhere = match self.plan.form(item) {
            Form::Delta(base) => self.offsets.get(base as usize) == Some(&ELSEWHERE),
            Form::Whole => false,
            Form::AsStored => match self.plan.source(item) {
                Source::Fresh { .. } => false,
                Source::Reuse { pack, position } => {
                    let source = self.plan.packs[pack as usize].clone();
                    let entry = source.raw_entry_near(position, &mut self.ranks[pack as usize])?;
                    let usable = !entry.header.kind.is_delta()
                        || self.plan.reuse == Reuse::All && self.base_is_usable(pack, &source, &entry)?;
                    if usable {
                        return Ok(entry.range.end - entry.range.start);
                    }
                    true
                }
            },
        };
        let items = self.plan.len();
        if base_is_elsewhere {
            let found = self.plan.found.get_or_insert_with(|| Found::new(items));
            found.set_whole(item);
            found.release(item);
        }
        if let Some(held) = self.plan.found.as_ref().and_then(|found| found.held(item)) {
            return Ok(held.deflated.len() as u64);
        }
        let (mut content, kind) = (Vec::new(), self.plan.form(item));
        let object = self.plan.read(item, &mut self.reader, &*self.objects, &mut content)?;
        if let Form::Delta(base) = kind {
            let mut from = Vec::new();
            self.plan.read(base, &mut self.reader, &*self.objects, &mut from)?;
            DeltaIndex::new(&from).delta(&from, &content.clone(), usize::MAX, &mut content);
        }
        Ok(self.keep(item, object, &content))
    }

    fn keep(&mut self, item: u32, kind: Kind, content: &[u8]) -> u64 {
        let mut deflated = Vec::new();
        self.deflater.whole(content, &mut deflated);
        let held = Held { kind, size: content.len() as u64, deflated: deflated.into_boxed_slice() };
        let (items, len) = (self.plan.len(), held.deflated.len() as u64);
        self.plan.found.get_or_insert_with(|| Found::new(items)).hold(item, held);
        len
    }

    /// Forgets what was put off; what has been written is now in another pack.
    pub(super) fn turn_over(&mut self) {
        for offset in &mut self.offsets {
            *offset = match *offset {
                TODO | PENDING => TODO,
                _ => ELSEWHERE,
            };
        }
        self.pending.clear();
        self.moves.iter_mut().for_each(Moves::clear);
        self.next = 0;
    }
}
