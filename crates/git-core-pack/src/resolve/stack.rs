//! The bases on the way from a root to where a worker is, within a budget.
//!
//! When the bases exceed the budget, the lowest ones are dropped; whoever comes back to them derives them
//! again.

use super::children::Waiting;
use git_core_object::Kind;
use std::sync::Arc;

/// A base with deltas that wait for it.
pub(super) struct Frame {
    pub(super) entry: u32,
    pub(super) kind: Kind,
    pub(super) content: Option<Arc<Vec<u8>>>,
    pub(super) waiting: Waiting,
}

impl Frame {
    fn size(&self) -> usize {
        self.content.as_ref().map_or(0, |content| content.capacity())
    }
}

/// Frames that are all on one path, the root's lowest; and frames with which other paths begin.
pub(super) struct Stack {
    frames: Vec<Frame>,
    /// Found when the object was named, while its place on the path was given up already.
    later: Vec<Frame>,
    budget: usize,
    /// Bytes held by the frames, and the lowest of them that holds any.
    held: usize,
    first_held: usize,
    held_later: usize,
}

impl Stack {
    pub(super) fn new(budget: usize) -> Self {
        Stack { frames: Vec::new(), later: Vec::new(), budget, held: 0, first_held: 0, held_later: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn top(&self) -> Option<&Frame> {
        self.frames.last()
    }

    pub(super) fn top_mut(&mut self) -> Option<&mut Frame> {
        self.frames.last_mut()
    }

    pub(super) fn push(&mut self, frame: Frame) {
        self.held += frame.size();
        self.frames.push(frame);
        self.drop_lowest(self.frames.len());
    }

    pub(super) fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames.pop()?;
        self.held -= frame.size();
        self.first_held = self.first_held.min(self.frames.len());
        Some(frame)
    }

    /// Keeps a frame for when the path that is walked now has ended.
    pub(super) fn push_later(&mut self, mut frame: Frame) {
        if self.held + self.held_later + frame.size() > self.budget {
            frame.content = None;
        }
        self.held_later += frame.size();
        self.later.push(frame);
    }

    pub(super) fn pop_later(&mut self) -> Option<Frame> {
        let frame = self.later.pop()?;
        self.held_later -= frame.size();
        Some(frame)
    }

    /// Begins to put contents back: afterwards no frame holds any.
    pub(super) fn empty(&mut self) {
        for frame in &mut self.frames {
            frame.content = None;
        }
        self.held = 0;
        self.first_held = self.frames.len();
    }

    /// Puts back the content of a frame, counted from the lowest, in that order; says whether it is of this
    /// entry.
    pub(super) fn put_back(&mut self, at: usize, entry: u32, content: &Arc<Vec<u8>>) -> bool {
        let Some(frame) = self.frames.get_mut(at).filter(|frame| frame.entry == entry) else { return false };
        frame.content = Some(content.clone());
        self.held += content.capacity();
        self.first_held = self.first_held.min(at);
        self.drop_lowest(at + 1);
        true
    }

    /// Keeps the frames below `end` to the budget; the topmost of them is never dropped.
    fn drop_lowest(&mut self, end: usize) {
        while self.held > self.budget && self.first_held + 1 < end {
            let frame = &mut self.frames[self.first_held];
            self.held -= frame.size();
            frame.content = None;
            self.first_held += 1;
        }
    }

    /// Gives away the largest piece of work that is left: half of the lowest base's deltas, or a path that has
    /// yet to begin.
    pub(super) fn share(&mut self) -> Option<Frame> {
        let top = self.frames.len().saturating_sub(1);
        let mut low = self
            .frames
            .iter_mut()
            .enumerate()
            .filter(|(at, frame)| frame.waiting.len() > u32::from(*at == top));
        if let Some((_, frame)) = low.next() {
            let waiting = frame.waiting.split();
            return Some(Frame {
                entry: frame.entry,
                kind: frame.kind,
                content: frame.content.clone(),
                waiting,
            });
        }
        self.pop_later()
    }
}
