//! One worker: walks trees of deltas depth first, with an explicit stack and a budget for what it keeps.
//!
//! A base whose last child is being resolved leaves the stack first, so that a chain of any length holds two
//! objects at a time. When the bases on the stack exceed the budget, the lowest ones are dropped; whoever
//! comes back to them derives them again.

use super::children::Waiting;
use super::pool::{Job, Pool};
use super::{Forest, ResolveError, Roots, Sink};
use crate::delta;
use crate::inflate::{InflateError, Inflater, Pieces};
use crate::{EntryHeader, EntryKind};
use git_core_idx::PackOffset;
use git_core_object::{Kind, ObjectId, ReadError, Task};
use std::sync::{Arc, Mutex};

/// A base with deltas that wait for it.
pub(super) struct Frame {
    entry: u32,
    kind: Kind,
    content: Option<Arc<Vec<u8>>>,
    waiting: Waiting,
}

pub(super) struct Worker<'a, 'f, S: Sink> {
    forest: &'a Forest<'f, S>,
    pool: &'a Pool<'a, S::Error>,
    progress: &'a Mutex<Task>,
    budget: usize,
    stack: Vec<Frame>,
    /// Bytes held by the frames of the stack, and the lowest of them that holds any.
    held: usize,
    first_held: usize,
    inflater: Inflater,
    raw: Vec<u8>,
    delta: Vec<u8>,
    spare: Vec<u8>,
    found: Vec<(u32, ObjectId)>,
    steps: u32,
    bytes: usize,
}

/// Ids are stored in batches of so many.
const BATCH: usize = 512;
/// Whole objects larger than this are hashed piece by piece, if nothing needs their content.
const LARGE: u64 = 16 << 20;

impl<'a, 'f, S: Sink> Worker<'a, 'f, S> {
    pub(super) fn new(
        forest: &'a Forest<'f, S>,
        pool: &'a Pool<'a, S::Error>,
        budget: usize,
        progress: &'a Mutex<Task>,
    ) -> Self {
        Worker {
            forest,
            pool,
            progress,
            budget,
            stack: Vec::new(),
            held: 0,
            first_held: 0,
            inflater: Inflater::default(),
            raw: Vec::new(),
            delta: Vec::new(),
            spare: Vec::new(),
            found: Vec::with_capacity(BATCH),
            steps: 0,
            bytes: 0,
        }
    }

    pub(super) fn run(mut self) -> Result<(), S::Error> {
        while let Some(job) = self.pool.next() {
            match job {
                Job::Root(root) => self.begin(root)?,
                Job::Frame(frame) => self.push(frame),
            }
            while !self.stack.is_empty() && !self.pool.is_stopped() {
                self.check()?;
                self.step()?;
                if self.pool.is_hungry() {
                    self.share();
                }
            }
        }
        self.forest.store(&mut self.found, self.progress);
        Ok(())
    }

    /// Looks for cancellation, once per so many objects or bytes.
    fn check(&mut self) -> Result<(), ResolveError> {
        self.steps += 1;
        if self.steps >= 256 || self.bytes > 1 << 20 {
            self.steps = 0;
            self.bytes = 0;
            self.forest.cx.check()?;
        }
        Ok(())
    }

    fn begin(&mut self, root: u32) -> Result<(), S::Error> {
        self.check()?;
        let Forest { table, children, .. } = self.forest;
        if root >= table.len() {
            return Ok(self.begin_outside(root)?);
        }
        let mut waiting = children.of_entry(root);
        let Some(kind) = table.kind(root) else { return Ok(()) };
        if self.forest.roots == Roots::Known {
            if children.has_refs() {
                let len = table.format.raw_len();
                let ids = self.forest.ids.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let id = ObjectId::from_bytes(table.format, &ids[root as usize * len..][..len]);
                drop(ids);
                children.claim(&id.expect("every entry has a whole id"), &mut waiting);
            }
            if waiting.is_empty() {
                return Ok(());
            }
            let mut content = std::mem::take(&mut self.spare);
            self.inflate_whole(root, &mut content)?;
            self.push(Frame { entry: root, kind, content: Some(Arc::new(content)), waiting });
            return Ok(());
        }
        if waiting.is_empty() && kind == Kind::Blob && self.hash_large(root)? {
            return Ok(());
        }
        let mut content = std::mem::take(&mut self.spare);
        self.inflate_whole(root, &mut content)?;
        self.settle(root, kind, content)
    }

    /// An object of the repository that deltas of a thin pack are based on.
    fn begin_outside(&mut self, root: u32) -> Result<(), ResolveError> {
        let Some((objects, ids)) = self.forest.outside else { return Ok(()) };
        let Some(id) = ids.get((root - self.forest.table.len()) as usize) else { return Ok(()) };
        let mut content = Vec::new();
        let Some(kind) = objects.read(id, &mut content)? else { return Ok(()) };
        match ObjectId::hash(id.format(), kind, &content) {
            Ok(computed) if computed == *id => {}
            _ => return Err(ReadError::corrupt(format_args!("local object {id}"), "its hash differs").into()),
        }
        let mut waiting = Waiting::default();
        self.forest.children.claim(id, &mut waiting);
        self.push(Frame { entry: root, kind, content: Some(Arc::new(content)), waiting });
        Ok(())
    }

    /// Resolves the next delta that waits for the topmost base.
    fn step(&mut self) -> Result<(), S::Error> {
        let Some(top) = self.stack.last_mut() else { return Ok(()) };
        let Some(child) = self.forest.children.next(&mut top.waiting) else {
            self.pop();
            return Ok(());
        };
        let (entry, kind) = (top.entry, top.kind);
        if top.content.is_none() {
            self.rederive()?;
        }
        let Some(Frame { content: Some(base), waiting, .. }) = self.stack.last() else { return Ok(()) };
        let base = base.clone();
        if waiting.is_empty() {
            self.pop();
        }
        let mut content = std::mem::take(&mut self.spare);
        self.derive(child, &base, &mut content)?;
        self.recycle(base);
        self.forest.table.set_base(child, entry);
        self.settle(child, kind, content)
    }

    /// Names an object that was derived, shows it, and waits for its deltas if it has any.
    fn settle(&mut self, entry: u32, kind: Kind, content: Vec<u8>) -> Result<(), S::Error> {
        let Forest { table, children, sink, .. } = self.forest;
        self.bytes += content.len();
        let id = ObjectId::hash(table.format, kind, &content)
            .map_err(|_| ResolveError::Attack { offset: self.offset(entry) })?;
        sink.object(entry, &id, kind, Some(&content))?;
        table.set_kind(entry, kind);
        self.found.push((entry, id));
        if self.found.len() >= BATCH {
            self.forest.store(&mut self.found, self.progress);
        }
        let mut waiting = children.of_entry(entry);
        children.claim(&id, &mut waiting);
        if waiting.is_empty() {
            self.keep_spare(content);
        } else {
            let mut content = content;
            if content.capacity() > content.len() + content.len() / 4 + 4096 {
                content.shrink_to_fit();
            }
            self.push(Frame { entry, kind, content: Some(Arc::new(content)), waiting });
        }
        Ok(())
    }

    fn push(&mut self, frame: Frame) {
        self.held += size(&frame);
        self.stack.push(frame);
        self.drop_lowest();
    }

    fn pop(&mut self) {
        if let Some(frame) = self.stack.pop() {
            self.held -= size(&frame);
            if let Some(content) = frame.content {
                self.recycle(content);
            }
            self.first_held = self.first_held.min(self.stack.len());
        }
    }

    /// Keeps to the budget; the topmost base is never dropped.
    fn drop_lowest(&mut self) {
        while self.held > self.budget && self.first_held + 1 < self.stack.len() {
            let frame = &mut self.stack[self.first_held];
            self.held -= size(frame);
            frame.content = None;
            self.first_held += 1;
        }
    }

    /// Derives the topmost base again, and keeps those below it as far as the budget allows.
    fn rederive(&mut self) -> Result<(), ResolveError> {
        let Some(top) = self.stack.last() else { return Ok(()) };
        let mut path = Vec::new();
        let mut at = top.entry;
        while at < self.forest.table.len()
            && let Some(base) = self.forest.table.base(at)
        {
            path.push(at);
            at = base;
        }
        let mut content = Vec::new();
        self.load_root(at, &mut content)?;
        let mut content = Arc::new(content);
        // Frames of the stack are on the path, in the same order.
        let mut frame_at = 0;
        self.first_held = self.stack.len();
        for frame in &mut self.stack {
            frame.content = None;
        }
        self.held = 0;
        loop {
            if let Some(frame) = self.stack.get_mut(frame_at)
                && frame.entry == at
            {
                frame.content = Some(content.clone());
                self.held += content.capacity();
                self.first_held = self.first_held.min(frame_at);
                frame_at += 1;
                while self.held > self.budget && self.first_held + 1 < frame_at {
                    let frame = &mut self.stack[self.first_held];
                    self.held -= size(frame);
                    frame.content = None;
                    self.first_held += 1;
                }
            }
            let Some(next) = path.pop() else { break };
            let mut result = Vec::new();
            self.derive(next, &content, &mut result)?;
            self.forest.cx.check()?;
            content = Arc::new(result);
            at = next;
        }
        Ok(())
    }

    fn load_root(&mut self, root: u32, out: &mut Vec<u8>) -> Result<(), ResolveError> {
        match self.forest.outside {
            Some((objects, ids)) if root >= self.forest.table.len() => {
                let id = ids[(root - self.forest.table.len()) as usize];
                objects.require(&id, out)?;
                Ok(())
            }
            _ => self.inflate_whole(root, out),
        }
    }

    fn inflate_whole(&mut self, entry: u32, out: &mut Vec<u8>) -> Result<(), ResolveError> {
        let offset = self.offset(entry);
        let raw =
            self.forest.source.raw(self.forest.table.range(entry, self.forest.trailer_at), &mut self.raw)?;
        let (header, len) = EntryHeader::parse(self.forest.table.format, raw)
            .map_err(|source| ResolveError::Header { offset, source })?;
        let bound = self.forest.cx.limits().object_bytes;
        if header.size > bound {
            return Err(ResolveError::TooLarge { offset, size: header.size, bound });
        }
        self.inflater
            .whole(&raw[len..], header.size, out)
            .map_err(|source| ResolveError::Inflate { offset, source })?;
        Ok(())
    }

    /// Replaces `out` with the object that a delta makes of its base.
    fn derive(&mut self, entry: u32, base: &[u8], out: &mut Vec<u8>) -> Result<(), ResolveError> {
        let mut delta = std::mem::take(&mut self.delta);
        self.inflate_whole(entry, &mut delta)?;
        let bound = self.forest.cx.limits().object_bytes;
        delta::apply(base, &delta, bound, out)
            .map_err(|source| ResolveError::Delta { offset: self.offset(entry), source })?;
        self.delta = delta;
        Ok(())
    }

    /// Hashes a large blob without holding it; `false` when it is not large.
    fn hash_large(&mut self, entry: u32) -> Result<bool, S::Error> {
        let offset = self.offset(entry);
        let Forest { table, source, trailer_at, .. } = self.forest;
        let range = table.range(entry, *trailer_at);
        let start = range.start..range.end.min(range.start + crate::MAX_ENTRY_HEADER_LEN as u64);
        let (header, len) = EntryHeader::parse(table.format, source.raw(start, &mut self.raw)?)
            .map_err(|source| ResolveError::Header { offset, source })?;
        if header.size <= LARGE || header.kind != EntryKind::Whole(Kind::Blob) {
            return Ok(false);
        }
        let bad = |source| ResolveError::Inflate { offset, source };
        let mut hasher = ObjectId::hasher(table.format, Kind::Blob, header.size);
        let mut pieces = Pieces::new();
        let (mut at, mut given) = (range.start + len as u64, 0u64);
        while at < range.end || pieces.is_full() {
            self.forest.cx.check().map_err(ResolveError::from)?;
            let raw = source.raw(at..range.end.min(at + (64 << 10)), &mut self.raw)?;
            let piece = pieces.step(raw).map_err(bad)?;
            at += piece.used as u64;
            given += piece.output.len() as u64;
            hasher.update(piece.output);
            if given > header.size {
                return Err(bad(InflateError::Long { declared: header.size }).into());
            }
            if piece.done {
                break;
            }
        }
        if given != header.size {
            return Err(bad(InflateError::Short { declared: header.size }).into());
        }
        let id = hasher.finish().map_err(|_| ResolveError::Attack { offset })?.into();
        self.forest.sink.object(entry, &id, Kind::Blob, None)?;
        self.found.push((entry, id));
        Ok(true)
    }

    /// Gives away half of the lowest base's deltas: the largest piece of work that is left.
    fn share(&mut self) {
        let top = self.stack.len().saturating_sub(1);
        let low = self
            .stack
            .iter_mut()
            .enumerate()
            .find(|(at, frame)| frame.waiting.len() > if *at == top { 1 } else { 0 });
        if let Some((_, frame)) = low {
            let waiting = frame.waiting.split();
            let (entry, kind, content) = (frame.entry, frame.kind, frame.content.clone());
            self.pool.give(Frame { entry, kind, content, waiting });
        }
    }

    fn recycle(&mut self, content: Arc<Vec<u8>>) {
        if let Ok(content) = Arc::try_unwrap(content) {
            self.keep_spare(content);
        }
    }

    /// Keeps one buffer for the next object, unless it is very large.
    fn keep_spare(&mut self, content: Vec<u8>) {
        if content.capacity() > self.spare.capacity() && content.capacity() <= 4 << 20 {
            self.spare = content;
        }
    }

    fn offset(&self, entry: u32) -> PackOffset {
        PackOffset(self.forest.table.offsets[entry as usize])
    }
}

fn size(frame: &Frame) -> usize {
    frame.content.as_ref().map_or(0, |content| content.capacity())
}
