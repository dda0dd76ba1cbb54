//! One worker: walks trees of deltas depth first, with an explicit stack and a budget for what it keeps.
//!
//! A base whose last child is being resolved leaves the stack first, so that a chain of any length holds two
//! objects at a time. Objects are hashed in batches: nothing but a ref-delta needs the name of its base to go
//! on, and such deltas wait until the batch has been hashed.

use super::batch::{Batch, Nameless};
use super::load::{LARGE, Loader};
use super::pool::{Job, Pool};
use super::stack::{Frame, Stack};
use super::{Forest, ResolveError, Roots, Sink, Waiting};
use git_core_hash::CollisionDetected;
use git_core_object::{Kind, ObjectId, Task};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) struct Worker<'a, 'f, S: Sink> {
    forest: &'a Forest<'f, S>,
    pool: &'a Pool<'a, S::Error>,
    progress: &'a Mutex<Task>,
    stack: Stack,
    batch: Batch,
    loader: Loader<'a, 'f, S>,
    names: Vec<Option<Result<ObjectId, CollisionDetected>>>,
    found: Vec<(u32, ObjectId)>,
    steps: u32,
    bytes: usize,
}

/// Ids are stored in batches of so many.
const BATCH: usize = 512;

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
            stack: Stack::new(budget - budget / 4),
            batch: Batch::new(budget / 8),
            loader: Loader::new(forest, budget / 8),
            names: Vec::new(),
            found: Vec::with_capacity(BATCH),
            steps: 0,
            bytes: 0,
        }
    }

    pub(super) fn run(mut self) -> Result<(), S::Error> {
        while let Some(job) = self.next()? {
            match job {
                Job::Root(root) => self.begin(root)?,
                Job::Frame(frame) => self.stack.push(frame),
            }
            while !self.stack.is_empty() && !self.pool.is_stopped() {
                self.check()?;
                self.step()?;
                if self.pool.is_hungry()
                    && let Some(frame) = self.stack.share()
                {
                    self.pool.give(frame);
                }
            }
        }
        self.forest.store(&mut self.found, self.progress);
        Ok(())
    }

    /// The next piece of work. Before this waits for others, everything is named.
    fn next(&mut self) -> Result<Option<Job>, S::Error> {
        if let Some(frame) = self.stack.pop_later() {
            return Ok(Some(Job::Frame(frame)));
        }
        if !self.batch.is_empty() {
            // Trees that have only begun fill the batch.
            if let Some(root) = self.pool.root() {
                return Ok(Some(Job::Root(root)));
            }
            self.name_batch()?;
            if let Some(frame) = self.stack.pop_later() {
                return Ok(Some(Job::Frame(frame)));
            }
        }
        Ok(self.pool.next())
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
            if let Some((id, kind, content)) = self.loader.outside(root)? {
                let mut waiting = Waiting::default();
                children.claim(&id, &mut waiting);
                self.stack.push(Frame { entry: root, kind, content: Some(Arc::new(content)), waiting });
            }
            return Ok(());
        }
        let Some(kind) = table.kind(root) else { return Ok(()) };
        let mut waiting = children.of_entry(root);
        if self.forest.roots == Roots::Known {
            if children.has_refs() {
                let len = table.format.raw_len();
                let ids = self.forest.ids.lock().unwrap_or_else(PoisonError::into_inner);
                let id = ObjectId::from_bytes(table.format, &ids[root as usize * len..][..len]);
                drop(ids);
                children.claim(&id.expect("every entry has a whole id"), &mut waiting);
            }
            if !waiting.is_empty() {
                let content = Some(Arc::new(self.loader.whole(root)?));
                self.stack.push(Frame { entry: root, kind, content, waiting });
            }
            return Ok(());
        }
        if waiting.is_empty()
            && kind == Kind::Blob
            && let Some((id, size)) = self.loader.hash_large(root)?
        {
            self.forest.sink.large_blob(root, &id, size)?;
            self.found.push((root, id));
            return Ok(());
        }
        let content = self.loader.whole(root)?;
        self.settle(root, kind, content)
    }

    /// Resolves the next delta that waits for the topmost base.
    fn step(&mut self) -> Result<(), S::Error> {
        let Some(top) = self.stack.top_mut() else { return Ok(()) };
        let Some(child) = self.forest.children.next(&mut top.waiting) else {
            self.pop();
            return Ok(());
        };
        let (entry, kind) = (top.entry, top.kind);
        if top.content.is_none() {
            self.rederive()?;
        }
        let Some(Frame { content: Some(base), waiting, .. }) = self.stack.top() else { return Ok(()) };
        let base = base.clone();
        if waiting.is_empty() {
            self.pop();
        }
        self.forest.table.set_base(child, entry);
        if !self.derive_large(child, kind, &base)? {
            let content = self.loader.derive(child, &base)?;
            self.settle(child, kind, content)?;
        }
        self.loader.recycle(base);
        Ok(())
    }

    /// Names a large blob that a delta makes, without holding it; `false` when it has to be held.
    fn derive_large(&mut self, child: u32, kind: Kind, base: &[u8]) -> Result<bool, S::Error> {
        let Forest { table, children, sink, .. } = self.forest;
        // A much smaller base seldom has a large child, and is small enough to be held beside it.
        if kind != Kind::Blob
            || (base.len() as u64) < LARGE / 2
            || children.has_refs()
            || !children.of_entry(child).is_empty()
            || self.loader.result_size(child)? <= LARGE
        {
            return Ok(false);
        }
        let (id, size) = self.loader.hash_derived(child, base)?;
        if sink.wants_content(&id)? {
            return Ok(false);
        }
        sink.large_blob(child, &id, size)?;
        table.set_kind(child, kind);
        self.found.push((child, id));
        Ok(true)
    }

    /// Takes an object that was derived: its deltas can go on, and it waits to be named.
    fn settle(&mut self, entry: u32, kind: Kind, content: Vec<u8>) -> Result<(), S::Error> {
        let Forest { table, children, .. } = self.forest;
        self.bytes += content.len();
        table.set_kind(entry, kind);
        let content = Arc::new(content);
        let waiting = children.of_entry(entry);
        if !waiting.is_empty() {
            self.stack.push(Frame { entry, kind, content: Some(content.clone()), waiting });
        }
        self.batch.push(Nameless { entry, kind, content });
        if self.batch.is_full() { self.name_batch() } else { Ok(()) }
    }

    /// Names the objects of the batch, shows them, and finds the ref-deltas that wait for them.
    fn name_batch(&mut self) -> Result<(), S::Error> {
        let Forest { table, children, sink, .. } = self.forest;
        let mut objects = self.batch.name(table.format, &mut self.names);
        for (object, name) in objects.drain(..).zip(&self.names) {
            let Nameless { entry, kind, content } = object;
            let Some(Ok(id)) = name else {
                return Err(ResolveError::Attack { offset: self.loader.offset(entry) }.into());
            };
            sink.object(entry, id, kind, &content)?;
            self.found.push((entry, *id));
            let mut waiting = Waiting::default();
            children.claim(id, &mut waiting);
            if waiting.is_empty() {
                self.loader.recycle(content);
            } else {
                self.stack.push_later(Frame { entry, kind, content: Some(content), waiting });
            }
        }
        self.batch.reuse(objects);
        if self.found.len() >= BATCH {
            self.forest.store(&mut self.found, self.progress);
        }
        Ok(())
    }

    fn pop(&mut self) {
        if let Some(Frame { content: Some(content), .. }) = self.stack.pop() {
            self.loader.recycle(content);
        }
    }

    /// Derives the topmost base again, and keeps those below it as far as the budget allows.
    fn rederive(&mut self) -> Result<(), ResolveError> {
        let Some(top) = self.stack.top() else { return Ok(()) };
        let table = self.forest.table;
        let mut path = Vec::new();
        let mut at = top.entry;
        while at < table.len()
            && let Some(base) = table.base(at)
        {
            path.push(at);
            at = base;
        }
        self.stack.empty();
        let mut content = Arc::new(self.loader.root(at)?);
        // Frames of the stack are on the path, in the same order.
        let mut frame = 0;
        loop {
            if self.stack.put_back(frame, at, &content) {
                frame += 1;
            }
            let Some(next) = path.pop() else { break };
            let result = Arc::new(self.loader.derive(next, &content)?);
            self.forest.cx.check()?;
            self.loader.recycle(std::mem::replace(&mut content, result));
            at = next;
        }
        Ok(())
    }
}
