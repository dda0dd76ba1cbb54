//! One thread's part of the search: each object against the few before it.

use super::Shared;
use super::candidates::{Candidate, NO_PACK};
use super::found::{Held, Made};
use crate::Reader;
use crate::delta::{DeltaIndex, Ends};
use crate::inflate::Deflater;
use crate::write::{Reuse, WriteError};
use git_core_object::Kind;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;

/// Searches stretches of the list.
pub(super) struct Worker<'a> {
    shared: &'a Shared<'a>,
    tails: &'a HashMap<u32, u32>,
    reader: Reader,
    deflater: Deflater,
    /// What is compared with, the most promising first.
    window: VecDeque<Slot>,
    /// Memory of objects that have left the window.
    spare: Vec<Slot>,
    /// The best delta so far, and one that is being tried.
    best: Vec<u8>,
    trial: Vec<u8>,
    no_index: DeltaIndex,
}

/// An object in the window. It is read when it is first compared, and indexed when it is first a base.
struct Slot {
    one: Candidate,
    depth: u32,
    content: Vec<u8>,
    loaded: bool,
    index: DeltaIndex,
    indexed: bool,
}

impl Slot {
    fn bytes(&self) -> u64 {
        (self.content.capacity() + self.index.bytes()) as u64
    }
}

/// The base of the best delta so far.
struct Best {
    at: usize,
    depth: u32,
}

impl<'a> Worker<'a> {
    pub(super) fn new(shared: &'a Shared<'a>, tails: &'a HashMap<u32, u32>) -> Self {
        Worker {
            shared,
            tails,
            reader: Reader::new(),
            deflater: Deflater::new(shared.options.compression),
            window: VecDeque::new(),
            spare: Vec::new(),
            best: Vec::new(),
            trial: Vec::new(),
            no_index: DeltaIndex::default(),
        }
    }

    /// Searches one stretch.
    pub(super) fn run(&mut self, chunk: &[Candidate]) -> Result<Vec<Made>, WriteError> {
        self.forget();
        let mut made = Vec::new();
        let mut told = 0;
        for (at, one) in chunk.iter().enumerate() {
            made.extend(self.place(one)?);
            if at - told >= 256 {
                self.shared.cx.check()?;
                self.shared.task().add((at - told) as u64);
                told = at;
            }
        }
        self.shared.task().add((chunk.len() - told) as u64);
        self.forget();
        Ok(made)
    }

    /// Finds the best base of an object, and takes it into the window.
    fn place(&mut self, one: &Candidate) -> Result<Option<Made>, WriteError> {
        let mut slot = self.spare.pop().unwrap_or_else(|| Slot {
            one: *one,
            depth: 0,
            content: Vec::new(),
            loaded: false,
            index: DeltaIndex::default(),
            indexed: false,
        });
        (slot.one, slot.depth, slot.loaded, slot.indexed) = (*one, 0, false, false);
        let mut made = None;
        if !one.outer {
            let best = self.compare(&mut slot)?;
            let base = best.as_ref().map(|best| self.window[best.at].one.item);
            if let Some(Best { at, depth }) = best {
                slot.depth = depth;
                // What was a good base is likely to be one again. It is tried before the object that it was the base of:
                // that one's chain is longer, so it has to be the better base.
                if let Some(base) = self.window.remove(at) {
                    self.window.push_front(base);
                }
            }
            let held = match base {
                Some(_) => {
                    let delta = std::mem::take(&mut self.best);
                    let held = self.hold(one.kind, &delta);
                    self.best = delta;
                    held
                }
                None if slot.loaded && one.pack == NO_PACK => self.hold(one.kind, &slot.content),
                None => None,
            };
            if base.is_some() || held.is_some() {
                made = Some(Made { item: one.item, base, held });
            }
        }
        if slot.depth < self.shared.options.depth {
            let behind = usize::from(slot.depth > 0).min(self.window.len());
            self.window.insert(behind, slot);
            self.narrow();
        } else {
            self.drop_slot(slot);
        }
        Ok(made)
    }

    /// Tries the objects of the window as bases; the delta is left in `self.best`.
    fn compare(&mut self, slot: &mut Slot) -> Result<Option<Best>, WriteError> {
        let one = slot.one;
        let tail = self.tails.get(&one.item).copied().unwrap_or(0);
        let max_depth = self.shared.options.depth.saturating_sub(tail);
        let id_len = self.shared.plan.format.raw_len() as u64;
        let reuse = self.shared.plan.reuse;
        let mut best: Option<Best> = None;
        for at in 0..self.window.len() {
            let base = &mut self.window[at];
            // Whoever stored both of them whole has found nothing.
            let tried = reuse == Reuse::All && one.pack != NO_PACK && one.pack == base.one.pack;
            if base.one.kind != one.kind || base.depth >= max_depth || tried {
                continue;
            }
            // A delta has to spare half of the object; a longer chain has to be worth it.
            let (so_far, depth) = match &best {
                Some(best) => (self.best.len() as u64, best.depth),
                None => ((one.size / 2).saturating_sub(id_len), 1),
            };
            let bound = so_far * u64::from(max_depth - base.depth) / u64::from(max_depth - depth + 1);
            let longer = one.size.saturating_sub(base.one.size);
            if bound == 0 || longer >= bound || one.size < base.one.size / 32 {
                continue;
            }
            if !self.shared.plan.may_use(one.item, base.one.item) {
                continue;
            }
            if !slot.loaded {
                self.shared.plan.read(one.item, &mut self.reader, self.shared.objects, &mut slot.content)?;
                slot.loaded = true;
            }
            if !base.loaded {
                let item = base.one.item;
                self.shared.plan.read(item, &mut self.reader, self.shared.objects, &mut base.content)?;
                base.loaded = true;
            }
            let ends = Ends::of(&base.content, &slot.content);
            let index = if ends.settle(&slot.content) {
                &self.no_index
            } else {
                if !base.indexed {
                    base.index.rebuild(&base.content);
                    base.indexed = true;
                }
                &base.index
            };
            let max = usize::try_from(bound).unwrap_or(usize::MAX);
            if !ends.delta(index, &base.content, &slot.content, max, &mut self.trial) {
                continue;
            }
            // What is within the bound is worth its depth: a shorter chain may cost some bytes, since it leaves more room for
            // the objects that come after.
            let better = best
                .as_ref()
                .is_none_or(|best| self.trial.len() != self.best.len() || base.depth + 1 < best.depth);
            if better {
                std::mem::swap(&mut self.best, &mut self.trial);
                best = Some(Best { at, depth: base.depth + 1 });
            }
        }
        Ok(best)
    }

    /// Deflates a result and keeps it, if there is room.
    fn hold(&mut self, kind: Kind, content: &[u8]) -> Option<Held> {
        let options = self.shared.options;
        let used = self.shared.kept.load(Ordering::Relaxed);
        if used >= options.kept_bytes || content.len() / 16 > options.kept_result {
            return None;
        }
        let mut deflated = Vec::with_capacity(content.len() / 2 + 64);
        self.deflater.whole(content, &mut deflated);
        if deflated.len() > options.kept_result {
            return None;
        }
        let cost = deflated.len() as u64 + 64;
        if self.shared.kept.fetch_add(cost, Ordering::Relaxed) + cost > options.kept_bytes {
            self.shared.kept.fetch_sub(cost, Ordering::Relaxed);
            return None;
        }
        Some(Held { kind, size: content.len() as u64, deflated: deflated.into_boxed_slice() })
    }

    /// Lets the last objects of the window go until it is within its bounds; one always stays.
    fn narrow(&mut self) {
        let options = self.shared.options;
        while self.window.len() > options.window {
            self.drop_last();
        }
        let bound = match options.window_bytes {
            0 => super::SearchOptions::DEFAULT_WINDOW_BYTES,
            bytes => bytes,
        };
        while self.window.len() > 1 && self.window.iter().map(Slot::bytes).sum::<u64>() > bound {
            self.drop_last();
        }
    }

    fn forget(&mut self) {
        while !self.window.is_empty() {
            self.drop_last();
        }
    }

    fn drop_last(&mut self) {
        if let Some(slot) = self.window.pop_back() {
            self.drop_slot(slot);
        }
    }

    fn drop_slot(&mut self, slot: Slot) {
        const KEPT: u64 = 1 << 20;
        if slot.bytes() <= KEPT {
            self.spare.push(slot);
        }
    }
}
