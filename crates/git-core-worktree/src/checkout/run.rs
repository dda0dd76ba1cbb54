//! Writing what was planned: files side by side, links afterwards.

use crate::checkout::stale::parent;
use crate::checkout::{CheckoutError, CheckoutOptions, Existing, Symlinks};
use crate::index::{EntryFlags, Stat};
use crate::sys::{Blocked, Dirs, Enter, FileKey, Found, Root, Runnable};
use crate::{Index, IndexEntry};
use bstr::{BStr, ByteSlice};
use git_core_object::{Context, EntryKind, Kind, ObjectId, Objects, Phase, ReadError, Task};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Entries that a thread takes at a time; neighbours share directories.
const BATCH: usize = 64;
/// Objects that are announced at a time.
const PREFETCH: usize = 1 << 14;
/// A buffer that has grown beyond this is not kept for the next file.
const KEPT_BUFFER: usize = 16 << 20;

/// What was written.
#[derive(Default)]
pub(crate) struct Outcome {
    /// What the files of these entries look like.
    pub(crate) stats: Vec<(usize, Stat)>,
    /// Entries that the file system takes for others.
    pub(crate) collisions: Vec<usize>,
    pub(crate) written: u64,
}

pub(crate) fn run(
    objects: &dyn Objects,
    root: &Root,
    entries: &[IndexEntry],
    options: &CheckoutOptions<'_>,
    context: &Context,
) -> Result<Outcome, CheckoutError> {
    let blobs: Vec<ObjectId> =
        entries.iter().filter(|entry| !entry.mode.is_submodule()).map(|entry| entry.id).collect();
    for ids in blobs.chunks(PREFETCH) {
        context.check()?;
        objects.prefetch(ids)?;
    }
    drop(blobs);
    let job = Job {
        objects,
        root,
        entries,
        options,
        context,
        task: Mutex::new(context.task(Phase::Checkout, Some(entries.len() as u64))),
        made: Mutex::new(HashSet::new()),
        is_stopped: AtomicBool::new(false),
    };
    let mut done = job.pass(Pass::Files)?;
    if entries.iter().any(|entry| Pass::Links.takes(entry, options)) {
        done.append(job.pass(Pass::Links)?);
    }
    let mut outcome = done.outcome;
    outcome.collisions.extend(job.explain(&done.blocked)?);
    outcome.collisions.sort_unstable();
    Ok(outcome)
}

/// Links are made when everything else is there, so that no path of the tree leads through one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Files,
    Links,
}

impl Pass {
    fn takes(self, entry: &IndexEntry, options: &CheckoutOptions<'_>) -> bool {
        let is_link = entry.mode.kind() == EntryKind::Link && options.symlinks == Symlinks::Native;
        is_link == (self == Pass::Links)
    }
}

struct Job<'a> {
    objects: &'a dyn Objects,
    root: &'a Root,
    entries: &'a [IndexEntry],
    options: &'a CheckoutOptions<'a>,
    context: &'a Context,
    task: Mutex<Task>,
    /// Every file and directory that was made here.
    made: Mutex<HashSet<FileKey>>,
    is_stopped: AtomicBool,
}

/// What one thread did.
#[derive(Default)]
struct Done {
    outcome: Outcome,
    /// Entries in whose place something else is.
    blocked: Vec<usize>,
}

impl Done {
    fn append(&mut self, mut other: Done) {
        self.outcome.stats.append(&mut other.outcome.stats);
        self.outcome.collisions.append(&mut other.outcome.collisions);
        self.outcome.written += other.outcome.written;
        self.blocked.append(&mut other.blocked);
    }
}

impl Job<'_> {
    fn pass(&self, pass: Pass) -> Result<Done, CheckoutError> {
        let next = AtomicUsize::new(0);
        let threads = match pass {
            Pass::Files => {
                self.context.limits().thread_count().min(self.entries.len().div_ceil(BATCH)).max(1)
            }
            Pass::Links => 1,
        };
        let mut all = Done::default();
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| self.work(pass, &next))).collect();
            let mut result = self.work(pass, &next).map(|done| all.append(done));
            for other in others {
                let theirs = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                result = result.and_then(|()| theirs.map(|done| all.append(done)));
            }
            result
        })?;
        Ok(all)
    }

    /// Takes batches until there are none left.
    fn work(&self, pass: Pass, next: &AtomicUsize) -> Result<Done, CheckoutError> {
        let mut worker =
            Worker { job: self, dirs: Dirs::new(self.root), content: Vec::new(), done: Done::default() };
        loop {
            let start = next.fetch_add(BATCH, Ordering::Relaxed).min(self.entries.len());
            let end = (start + BATCH).min(self.entries.len());
            if start == end || self.is_stopped.load(Ordering::Relaxed) {
                return Ok(worker.done);
            }
            let mut steps = 0;
            for (at, entry) in self.entries[start..end].iter().enumerate() {
                if pass.takes(entry, self.options) {
                    steps += 1;
                    let result = self.context.check().map_err(Into::into);
                    if let Err(error) = result.and_then(|()| worker.write(start + at, entry)) {
                        self.is_stopped.store(true, Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
            lock(&self.task).add(steps);
        }
    }

    /// Tells entries that collide with others of the tree from those in whose place something else was before.
    fn explain(&self, blocked: &[usize]) -> Result<Vec<usize>, CheckoutError> {
        let mut dirs = Dirs::new(self.root);
        for at in blocked {
            let path = self.entries[*at].path.as_bstr();
            let is_ours = obstacle(&mut dirs, path)?.is_some_and(|key| lock(&self.made).contains(&key));
            if !is_ours {
                return Err(CheckoutError::Exists { path: path.to_owned() });
            }
        }
        Ok(blocked.to_vec())
    }
}

/// What stands on the way to `path`, or in its place.
fn obstacle(dirs: &mut Dirs<'_>, path: &BStr) -> Result<Option<FileKey>, CheckoutError> {
    let ends = path.find_iter("/").chain([path.len()]);
    for end in ends {
        let name = &path[path[..end].rfind_byte(b'/').map_or(0, |slash| slash + 1)..end];
        let found = dirs.enter(parent(&path[..end]), Enter::Existing).and_then(|()| dirs.stat(name));
        match found {
            Ok(Some(found)) if found.is_directory && end < path.len() => {}
            Ok(found) => return Ok(found.map(|found| found.key)),
            Err(Blocked::Failed(source)) => return Err(failure("look at", path, source)),
            Err(Blocked::InTheWay | Blocked::Missing) => return Ok(None),
        }
    }
    Ok(None)
}

/// One thread's tools.
struct Worker<'a> {
    job: &'a Job<'a>,
    dirs: Dirs<'a>,
    content: Vec<u8>,
    done: Done,
}

impl Worker<'_> {
    fn write(&mut self, at: usize, entry: &IndexEntry) -> Result<(), CheckoutError> {
        let path = entry.path.as_bstr();
        match self.try_write(entry)? {
            Ok(Written::New(found)) => {
                lock(&self.job.made).insert(found.key);
                self.done.outcome.written += 1;
                self.done.outcome.stats.push((at, found.stat));
            }
            Ok(Written::Kept(stat)) => self.done.outcome.stats.push((at, stat)),
            Err(Blocked::InTheWay) => self.done.blocked.push(at),
            Err(Blocked::Missing) => {
                return Err(failure("write", path, std::io::ErrorKind::NotFound.into()));
            }
            Err(Blocked::Failed(source)) => return Err(failure("write", path, source)),
        }
        Ok(())
    }

    fn try_write(&mut self, entry: &IndexEntry) -> Result<Result<Written, Blocked>, CheckoutError> {
        let job = self.job;
        let name = &entry.path[entry.path.rfind_byte(b'/').map_or(0, |slash| slash + 1)..];
        let is_foreign = |key| !lock(&job.made).contains(&key);
        let how = match job.options.existing {
            Existing::Refuse => Enter::Create,
            Existing::Replace => Enter::Replace(&is_foreign),
        };
        let entered = self.dirs.enter(parent(&entry.path), how);
        lock(&job.made).extend(self.dirs.take_made());
        if let Err(blocked) = entered {
            return Ok(Err(blocked));
        }
        if job.options.existing == Existing::Replace {
            match self.dirs.stat(name) {
                Ok(None) => {}
                Ok(Some(found)) if entry.mode.is_submodule() && found.is_directory => {
                    return Ok(Ok(Written::Kept(found.stat)));
                }
                Ok(Some(found)) => {
                    if job.options.previous.is_some_and(|previous| is_unchanged(previous, entry, &found.stat))
                    {
                        return Ok(Ok(Written::Kept(found.stat)));
                    }
                    if !is_foreign(found.key) {
                        return Ok(Err(Blocked::InTheWay));
                    }
                    if let Err(blocked) = self.dirs.remove(name) {
                        return Ok(Err(blocked));
                    }
                }
                Err(blocked) => return Ok(Err(blocked)),
            }
        }
        self.create(entry, name).map(|created| created.map(Written::New))
    }

    fn create(&mut self, entry: &IndexEntry, name: &[u8]) -> Result<Result<Found, Blocked>, CheckoutError> {
        let kind = entry.mode.kind();
        if kind == EntryKind::Commit {
            return Ok(self.dirs.create_directory(name));
        }
        let actual = self.job.objects.require(&entry.id, &mut self.content)?;
        if actual != Kind::Blob {
            return Err(ReadError::WrongKind { id: entry.id, expected: Kind::Blob, actual }.into());
        }
        let created = match kind {
            EntryKind::Link if self.job.options.symlinks == Symlinks::Native => {
                self.dirs.create_link(name, &self.content)
            }
            EntryKind::Link => self.dirs.create_file(name, Runnable::No, &self.content),
            _ => {
                let runnable = if kind == EntryKind::Executable { Runnable::Yes } else { Runnable::No };
                let converter = self.job.options.converter;
                let content = converter
                    .to_worktree(entry.path.as_ref(), &self.content)
                    .map_err(|source| CheckoutError::Convert { path: entry.path.clone(), source })?;
                self.dirs.create_file(name, runnable, &content)
            }
        };
        if self.content.capacity() > KEPT_BUFFER {
            self.content = Vec::new();
        }
        Ok(created)
    }
}

enum Written {
    New(Found),
    /// It was there and is what it has to be.
    Kept(Stat),
}

/// Whether the file is still what the previous index says, and that is what the new one will say.
fn is_unchanged(previous: &Index, entry: &IndexEntry, now: &Stat) -> bool {
    let Some(before) = previous.get(&entry.path) else { return false };
    // A file that is not older than the index may have changed within the same tick of the clock.
    let is_racy = previous.timestamp().is_none_or(|written| before.stat.mtime >= written);
    before.flags == EntryFlags::default()
        && before.id == entry.id
        && before.mode == entry.mode
        && !is_racy
        && Stat { dev: now.dev, ..before.stat } == *now
}

fn failure(action: &'static str, path: &BStr, source: std::io::Error) -> CheckoutError {
    CheckoutError::Io { action, path: path.to_owned(), source }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
