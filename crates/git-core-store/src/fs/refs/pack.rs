//! Packing refs: loose refs are written into `packed-refs`, then their files are removed (`git-pack-refs(1)`).
//!
//! The lock of `packed-refs` is held while the loose refs are read and the new file is written, flushed and put
//! in place. Only then a loose ref goes, under its own lock and only while it still holds what was packed; a ref
//! that changed meanwhile stays. A reader therefore finds each ref at every moment: it looks for the loose one
//! first.

use super::loose::{self, Loose};
use super::{FilesRefs, Shared, packed, place, reflog};
use crate::CommitError;
use crate::fs::sys::{Access, scratch_name};
use crate::lock::{LockError, LockFile};
use bstr::BString;
use git_core_config::wildmatch::Pattern;
use git_core_object::{BoxError, Context, ErrorKind, ObjectId, Objects, ReadError, Stopped};
use git_core_ref::{RefName, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The fewest loose refs that are worth packing with [`PackWhen::Needed`].
const AUTO_LEAST: usize = 16;

/// Which refs are packed, and what becomes of their files.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PackRefsOptions {
    /// Which loose refs are packed.
    pub select: PackSelect,
    /// Those that match one of these are not, whatever `select` says.
    pub exclude: Vec<Pattern>,
    /// What becomes of the files.
    pub files: PackedFiles,
    /// Whether the number of loose refs decides.
    pub when: PackWhen,
}

/// Which loose refs are packed. Symbolic refs, damaged ones and those of one working tree never are.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum PackSelect {
    /// Tags.
    #[default]
    Tags,
    /// All.
    All,
    /// Those that match one of the patterns; a `*` goes across slashes.
    Matching(Vec<Pattern>),
}

/// What becomes of the files of refs that were packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PackedFiles {
    /// They are removed.
    #[default]
    Remove,
    /// They stay.
    Keep,
}

/// Whether the number of loose refs decides that there is something to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PackWhen {
    /// It does not.
    #[default]
    Always,
    /// They are packed only when they are many, measured by the size of `packed-refs` as git does it.
    Needed,
}

/// What packing refs has done.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PackRefsReport {
    /// How many loose refs stand in `packed-refs` now.
    pub packed: u64,
    /// How many files were removed.
    pub removed: u64,
    /// Refs that lead to no object: they stay as they are.
    pub dangling: Vec<RefName>,
    /// Refs that were packed and whose file could not be removed, and why.
    pub left: Vec<(RefName, CommitError)>,
}

/// Why refs cannot be packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackRefsError {
    /// The lock of `packed-refs` cannot be taken.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A ref, `packed-refs` or an object cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file system refused.
    #[error("cannot write {location}")]
    Unavailable {
        /// What was written.
        location: String,
        /// What the system said.
        #[source]
        source: BoxError,
    },
    /// The operation was cancelled. `packed-refs` is whole, and some loose refs may be left.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl PackRefsError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            PackRefsError::Lock(error) => error.kind(),
            PackRefsError::Read(error) => error.kind(),
            PackRefsError::Unavailable { .. } => ErrorKind::Unavailable,
            PackRefsError::Stopped(stopped) => stopped.kind(),
        }
    }
}

impl FilesRefs {
    /// Packs loose refs. `objects` tells what annotated tags lead to, and whether a ref leads anywhere.
    ///
    /// # Errors
    /// [`PackRefsError`]; every ref is there and holds what it held whatever happens.
    pub fn pack(
        &self,
        objects: &dyn Objects,
        options: &PackRefsOptions,
        cx: &Context,
    ) -> Result<PackRefsReport, PackRefsError> {
        let shared = &*self.shared;
        let mut report = PackRefsReport::default();
        let mut lock =
            LockFile::acquire(&shared.disk, &shared.places.packed(), shared.options.packed_lock_wait)?;
        // Under the lock: nobody else moves a ref from its file to the packed ones now.
        let loose = loose::collect(&shared.places, b"refs/", shared.format)?;
        let old = shared.packed.current()?;
        let mut chosen = choose(loose, options);
        if options.when == PackWhen::Needed && chosen.len() < needed(old.len()) {
            return Ok(report);
        }
        drop_dangling(&mut chosen, objects, &mut report, cx)?;
        if !chosen.is_empty() {
            let location = shared.places.packed().display().to_string();
            let failed = |source: io::Error| PackRefsError::Unavailable {
                location: location.clone(),
                source: source.into(),
            };
            packed::rewrite(&old, &chosen, Some(objects), &mut lock).map_err(|error| match error {
                packed::RewriteError::Read(error) => PackRefsError::Read(error),
                packed::RewriteError::Write(error) => failed(error),
            })?;
            lock.commit().map_err(failed)?;
            // A loose ref must not be gone before it is certain that the packed one is there.
            shared.disk.sync_dir(&shared.places.common_dir).map_err(failed)?;
        }
        report.packed = chosen.len() as u64;
        if options.files == PackedFiles::Remove {
            remove(shared, &chosen, &mut report, cx)?;
        }
        Ok(report)
    }
}

/// How many loose refs are worth packing beside a `packed-refs` of this many bytes.
fn needed(packed_bytes: usize) -> usize {
    (packed_bytes / 100).checked_ilog2().map_or(0, |log| log as usize * 5).max(AUTO_LEAST)
}

fn choose(loose: Vec<(RefName, Target)>, options: &PackRefsOptions) -> packed::Changes {
    let matches = |patterns: &[Pattern], name: &RefName| {
        patterns.iter().any(|pattern| pattern.matches(name.as_bytes()))
    };
    loose
        .into_iter()
        .filter_map(|(name, target)| match target {
            Target::Id(id) => Some((name, Some(id))),
            Target::Symbolic(_) => None,
        })
        .filter(|(name, _)| {
            let selected = match &options.select {
                PackSelect::Tags => name.as_bytes().starts_with(b"refs/tags/"),
                PackSelect::All => true,
                PackSelect::Matching(patterns) => matches(patterns, name),
            };
            selected && !place::is_private(name.as_bytes()) && !matches(&options.exclude, name)
        })
        .collect()
}

/// Takes out refs whose object is not there.
fn drop_dangling(
    chosen: &mut packed::Changes,
    objects: &dyn Objects,
    report: &mut PackRefsReport,
    cx: &Context,
) -> Result<(), PackRefsError> {
    const CHECK_EVERY: usize = 1 << 10;
    // Many refs may hold one id.
    let mut last: Option<(ObjectId, bool)> = None;
    for (at, (name, id)) in chosen.iter().enumerate() {
        if at.is_multiple_of(CHECK_EVERY) {
            cx.check()?;
        }
        let Some(id) = id else { continue };
        let there = match last {
            Some((known, there)) if known == *id => there,
            _ => objects.contains(id)?,
        };
        last = Some((*id, there));
        if !there {
            report.dangling.push(name.clone());
        }
    }
    for name in &report.dangling {
        chosen.remove(name);
    }
    Ok(())
}

/// So many refs and more are removed by several threads: the system works at several directories at once.
const SHARED_FROM: usize = 1 << 10;
/// About how many refs a thread takes at a time. Those of one directory stay together, as nobody else can change it
/// meanwhile.
const SHARE: usize = 256;

/// Removes the files of refs that hold what was packed.
fn remove(
    shared: &Shared,
    packed: &BTreeMap<RefName, Option<ObjectId>>,
    report: &mut PackRefsReport,
    cx: &Context,
) -> Result<(), PackRefsError> {
    let refs: Vec<_> = packed.iter().filter_map(|(name, id)| Some((name, id.as_ref()?))).collect();
    let shares: Vec<_> = match refs.len() < SHARED_FROM {
        true => vec![&refs[..]],
        false => by_directory(&refs),
    };
    let threads = cx.limits().thread_count().min(shares.len());
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Removed::default();
        // Empty, and held to the end: the locks of the refs are further names of it.
        let anchor = Anchor::new(shared);
        while let Some(share) = shares.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.stopped = done.stopped.or(cx.check().err());
            if done.stopped.is_some() {
                break;
            }
            done.remove(shared, share, anchor.path());
        }
        done
    };
    let mut all = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut all = vec![work()];
        for other in others {
            all.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        all
    });
    for done in &mut all {
        report.removed += done.count;
        report.left.append(&mut done.left);
    }
    report.left.sort_by(|(a, _), (b, _)| a.cmp(b));
    // Directories below others come first.
    let names: BTreeSet<_> = all.iter().flat_map(|done| done.emptied.values().copied()).collect();
    for name in names.into_iter().rev() {
        reflog::remove_empty_parents(&*shared.disk, &shared.places.common_dir, name);
    }
    match all.into_iter().find_map(|done| done.stopped) {
        Some(stopped) => Err(stopped.into()),
        None => Ok(()),
    }
}

/// Cuts refs, which are sorted, where the directory changes.
fn by_directory<'r, 'a>(refs: &'r [(&'a RefName, &'a ObjectId)]) -> Vec<&'r [(&'a RefName, &'a ObjectId)]> {
    let directory = |at: usize| refs[at].0.parents().next();
    let (mut shares, mut start) = (Vec::new(), 0);
    for at in 1..refs.len() {
        if at - start >= SHARE && directory(at) != directory(at - 1) {
            shares.push(&refs[start..at]);
            start = at;
        }
    }
    shares.push(&refs[start..]);
    shares
}

/// What one thread has done.
#[derive(Default)]
struct Removed<'a> {
    count: u64,
    left: Vec<(RefName, CommitError)>,
    /// One name of each directory that may be empty now.
    emptied: BTreeMap<BString, &'a RefName>,
    stopped: Option<Stopped>,
}

impl<'a> Removed<'a> {
    fn remove(&mut self, shared: &Shared, refs: &[(&'a RefName, &ObjectId)], anchor: Option<&Path>) {
        for (name, id) in refs {
            match remove_one(shared, name, id, anchor) {
                Ok(true) => {
                    self.count += 1;
                    if let Some(parent) = name.parents().next()
                        && !self.emptied.contains_key(parent)
                    {
                        self.emptied.insert(parent.to_owned(), name);
                    }
                }
                Ok(false) => {}
                Err(error) => self.left.push(((*name).clone(), error)),
            }
        }
    }
}

/// An empty file beside the refs that locks can be names of. Without it, locks are files.
struct Anchor<'a> {
    shared: &'a Shared,
    path: Option<PathBuf>,
}

impl<'a> Anchor<'a> {
    fn new(shared: &'a Shared) -> Self {
        let path = scratch_name(&shared.places.common_dir.join("refs"), ".tmp-lock-");
        let made = shared.disk.create_new(&path, Access::Writable).is_ok();
        Anchor { shared, path: made.then_some(path) }
    }

    fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

impl Drop for Anchor<'_> {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = self.shared.disk.remove_file(path);
        }
    }
}

/// Removes one file; not if it holds something else by now, or is gone.
fn remove_one(
    shared: &Shared,
    name: &RefName,
    packed: &ObjectId,
    anchor: Option<&Path>,
) -> Result<bool, CommitError> {
    let path = shared.places.loose(name);
    let lock = match LockFile::acquire_empty(&shared.disk, &path, shared.options.lock_wait, anchor) {
        Ok(lock) => lock,
        Err(LockError::Held { lock }) => {
            return Err(CommitError::Locked { name: name.clone(), lock: lock.display().to_string() });
        }
        // Deleted with its directory.
        Err(error) if error.io_kind() == Some(io::ErrorKind::NotFound) => return Ok(false),
        Err(error) => return Err(CommitError::unavailable(path.display(), error)),
    };
    let unchanged = matches!(shared.read_loose(name)?, Loose::Found(Target::Id(found)) if found == *packed);
    let removed = if unchanged {
        match shared.disk.remove_file(&path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(CommitError::unavailable(path.display(), error)),
        }
    } else {
        false
    };
    drop(lock);
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_measured_by_the_size_of_the_packed_ones() {
        // What git was seen to need.
        for (bytes, refs) in
            [(0, 16), (597, 16), (2837, 20), (11338, 30), (56939, 45), (288_939, 55), (1_168_940, 65)]
        {
            assert_eq!(needed(bytes), refs, "{bytes}");
        }
    }
}
