//! Edits that are locked and checked together: the part of a transaction before anything is visible.
//!
//! The order is git's: each ref is locked, read and compared; then values are written into the lock files, or,
//! for many new refs at once, into the lock of `packed-refs`. [`finish`](super::finish) does the rest.

use super::edit::{Held, Hold, Refusal};
use super::{Shared, loose, packed};
use crate::CommitError;
use crate::lock::{LockError, LockFile};
use git_core_object::{Kind, ObjectId, Objects};
use git_core_ref::{Change, Expected, RefEdit, RefName, Target};
use std::cell::Cell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::io::Write as _;
use std::ops::Bound;
use std::path::{Path, PathBuf};

/// New refs go into `packed-refs` only if they are worth rewriting it: one for so many bytes of it.
const PACKED_BYTES_PER_REF: usize = 32 << 10;

/// Edits whose locks are held.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub(super) shared: &'a Shared,
    pub(super) steps: Vec<Step<'a>>,
    /// The refs of the steps.
    names: BTreeSet<RefName>,
    /// The locks of symbolic refs that were passed, and that of `HEAD` where its log will be written.
    pub(super) passed: BTreeMap<RefName, Option<LockFile>>,
    /// What `HEAD` points at, once it was needed.
    head: Option<Option<RefName>>,
    /// The lock of `packed-refs`, with the new content if there is one.
    pub(super) packed: Option<LockFile>,
    /// Whether `packed` holds new content.
    pub(super) packed_changes: bool,
    /// Whether refs are created without locks of their own.
    initial: bool,
    /// An empty lock that others can be names of.
    anchor: Option<PathBuf>,
    /// What kind of object was looked at last.
    last: Cell<Option<(ObjectId, Option<Kind>)>>,
}

/// One edit, ready to be made.
#[derive(Debug)]
pub(super) struct Step<'a> {
    /// Which edit of the transaction it is.
    pub(super) index: usize,
    /// The ref that changes.
    pub(super) name: RefName,
    pub(super) change: &'a Change,
    pub(super) lock: Option<LockFile>,
    /// Whether directories were made for the lock.
    pub(super) made: bool,
    /// What the ref holds.
    pub(super) old: Option<Target>,
    /// The id it leads to.
    pub(super) old_id: Option<ObjectId>,
    /// Whether a loose file holds it.
    pub(super) loose: bool,
    /// The symbolic refs that led here, and `HEAD` if it points here: their logs tell of the change.
    pub(super) logged_too: Vec<RefName>,
    pub(super) action: Action,
    /// Whether the value is in the lock file already.
    written: bool,
}

/// What is to be done to the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing: the ref holds the value, or is only checked.
    Keep,
    /// The lock file takes the place of the loose ref.
    Loose,
    /// The value is written to `packed-refs`.
    Packed,
    /// The ref is removed from both.
    Delete,
}

impl<'a> Batch<'a> {
    pub(super) fn new(shared: &'a Shared) -> Self {
        Batch {
            shared,
            steps: Vec::new(),
            names: BTreeSet::new(),
            passed: BTreeMap::new(),
            head: None,
            packed: None,
            packed_changes: false,
            initial: false,
            anchor: None,
            last: Cell::new(None),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Tries the way of a new repository: the lock of `packed-refs` alone, if no ref is there.
    pub(super) fn begin_initial(
        &mut self,
        edits: &[RefEdit],
        objects: Option<&dyn Objects>,
    ) -> Result<(), CommitError> {
        let Some(first) = edits.iter().find(|edit| goes_unlocked(edit)) else { return Ok(()) };
        if objects.is_none() {
            return Ok(());
        }
        let lock = self.lock_packed(&first.name)?;
        let empty = self.shared.packed.current()?.with_prefix(b"")?.next().is_none()
            && loose::collect(&self.shared.places, b"refs/", self.shared.format)?.is_empty();
        if empty {
            self.packed = Some(lock);
            self.initial = true;
        }
        Ok(())
    }

    /// Locks and checks one edit. In a `crowded` transaction nothing is written to the lock files of new refs
    /// yet, since they may all go into `packed-refs`.
    pub(super) fn add(
        &mut self,
        index: usize,
        edit: &'a RefEdit,
        objects: Option<&dyn Objects>,
        crowded: bool,
    ) -> Result<(), Refusal> {
        if self.initial && goes_unlocked(edit) {
            self.clash(&edit.name).map_err(Refusal::Clash)?;
            self.shared.check_value(edit, &edit.name, objects, &self.last)?;
            self.names.insert(edit.name.clone());
            self.steps.push(Step {
                index,
                name: edit.name.clone(),
                change: &edit.change,
                lock: None,
                made: false,
                old: None,
                old_id: None,
                loose: false,
                logged_too: Vec::new(),
                action: Action::Packed,
                written: false,
            });
            return Ok(());
        }
        let shared = self.shared;
        let hold = match crowded && needs_no_content(edit) && objects.is_some() {
            true => Hold::Empty(self.anchor.as_deref()),
            false => Hold::ToWrite,
        };
        let mut landing = shared.land(edit, &|name| self.clash(name), hold)?;
        let result = self.check(edit, &landing, objects);
        let (action, old_id) = match result {
            Ok(verdict) => verdict,
            Err(refusal) => {
                // The directories that were made for it are of no use.
                drop(landing.lock);
                if landing.made {
                    super::reflog::remove_empty_parents(
                        &*shared.disk,
                        shared.places.root(landing.name.as_bytes()),
                        &landing.name,
                    );
                }
                return Err(refusal);
            }
        };
        let mut logged_too = Vec::with_capacity(landing.passed.len());
        for (name, lock) in landing.passed {
            if let Some(mut lock) = lock {
                lock.close_unwritten();
                self.passed.insert(name.clone(), Some(lock));
            }
            logged_too.push(name);
        }
        if self.logs_head(edit, &landing.name, &logged_too)? {
            logged_too.push(RefName::head());
        }
        let packable = !landing.present.loose && packable(&landing.name, &edit.change) && objects.is_some();
        let mut written = false;
        if action == Action::Loose && !(crowded && packable) {
            landing
                .lock
                .make_writable()
                .and_then(|()| write_value(&mut landing.lock, &edit.change))
                .map_err(|error| CommitError::unavailable(landing.lock.path().display(), error))?;
            written = true;
        }
        if landing.lock.can_be_linked() {
            self.anchor = Some(landing.lock.path().to_path_buf());
        }
        landing.lock.close_unwritten();
        self.names.insert(landing.name.clone());
        self.steps.push(Step {
            index,
            name: landing.name,
            change: &edit.change,
            lock: Some(landing.lock),
            made: landing.made,
            old: landing.present.target,
            old_id,
            loose: landing.present.loose,
            logged_too,
            action,
            written,
        });
        Ok(())
    }

    /// What is to be done for an edit that is locked, and the id that the ref holds now.
    fn check(
        &self,
        edit: &RefEdit,
        landing: &super::edit::Landing,
        objects: Option<&dyn Objects>,
    ) -> Result<(Action, Option<ObjectId>), Refusal> {
        let shared = self.shared;
        shared.check_expected(edit, landing)?;
        shared.check_value(edit, &landing.name, objects, &self.last)?;
        let old = &landing.present.target;
        let action = match &edit.change {
            Change::Verify => Action::Keep,
            Change::Delete { .. } if old.is_none() => Action::Keep,
            Change::Delete { .. } => Action::Delete,
            Change::Update { target, .. } if old.as_ref() == Some(target) => Action::Keep,
            Change::Update { .. } => {
                if landing.present.directory {
                    shared.clear_directory(&landing.name)?;
                }
                if old.is_none() {
                    shared.available(&landing.name, &landing.present)?;
                }
                Action::Loose
            }
        };
        let old_id = match old {
            // A symbolic ref to nothing, or to something damaged, may well be replaced.
            Some(target) => shared.resolve_id(target).unwrap_or(None),
            None => None,
        };
        Ok((action, old_id))
    }

    /// Whether the batch holds the ref already; an error if it holds another edit that contradicts one of it.
    fn clash(&self, name: &RefName) -> Result<Held, CommitError> {
        let invalid = |reason| Err(CommitError::Invalid { name: name.clone(), reason });
        if self.passed.contains_key(name) {
            return Ok(Held::Passed);
        }
        if self.names.contains(name) {
            return invalid(format!("multiple updates for ref '{name}' not allowed"));
        }
        let both = |outer: &dyn std::fmt::Display, inner: &dyn std::fmt::Display| {
            invalid(format!("cannot process '{outer}' and '{inner}' at the same time"))
        };
        for parent in name.parents() {
            if self.names.contains(parent.as_ref() as &[u8]) {
                return both(&parent, name);
            }
        }
        let mut inner = name.as_bytes().to_vec();
        inner.push(b'/');
        let after = self.names.range::<[u8], _>((Bound::Excluded(inner.as_slice()), Bound::Unbounded)).next();
        match after {
            Some(other) if other.as_bytes().starts_with(&inner) => both(name, other),
            _ => Ok(Held::No),
        }
    }

    /// Whether the log of `HEAD` tells of a change of this ref, because it points at it; takes its lock then.
    fn logs_head(
        &mut self,
        edit: &RefEdit,
        landing: &RefName,
        passed: &[RefName],
    ) -> Result<bool, CommitError> {
        let head = RefName::head();
        let log = match &edit.change {
            Change::Update { log, .. } | Change::Delete { log } => log,
            Change::Verify => return Ok(false),
        };
        if log.is_none() || landing.is_root() || passed.contains(&head) || self.names.contains(&head) {
            return Ok(false);
        }
        let shared = self.shared;
        let points_at = self.head.get_or_insert_with(|| match shared.find_target(&head) {
            Ok(Some(Target::Symbolic(name))) => Some(name),
            _ => None,
        });
        if points_at.as_ref() != Some(landing)
            || !super::reflog::wanted(&shared.places, &head, shared.options.logs)
        {
            return Ok(false);
        }
        if let Entry::Vacant(place) = self.passed.entry(head) {
            let (mut lock, _) = shared.lock_ref(place.key(), Hold::ToWrite)?;
            lock.close_unwritten();
            place.insert(Some(lock));
        }
        Ok(true)
    }

    /// Writes and flushes everything that can be before it is visible, and takes the lock of `packed-refs` if
    /// the edits need it.
    pub(super) fn seal(&mut self, objects: Option<&dyn Objects>) -> Result<(), CommitError> {
        let shared = self.shared;
        self.choose_packed()?;
        let needs_packed = |step: &&Step<'_>| match step.action {
            Action::Packed => true,
            Action::Delete => !step.name.is_root(),
            Action::Keep | Action::Loose => false,
        };
        if self.packed.is_none()
            && let Some(step) = self.steps.iter().find(needs_packed)
        {
            let name = step.name.clone();
            self.packed = Some(self.lock_packed(&name)?);
        }
        if let Some(lock) = &mut self.packed {
            let old = shared.packed.current()?;
            let mut changes = packed::Changes::new();
            let mut directories = Directories::default();
            for step in &self.steps {
                match (step.action, step.change) {
                    (Action::Packed, Change::Update { target: Target::Id(id), .. }) => {
                        // Somebody may have made one since the ref was locked.
                        if step.lock.is_some() && directories.contains(&shared.places.loose(&step.name)) {
                            shared.clear_directory(&step.name)?;
                        }
                        changes.insert(step.name.clone(), Some(*id));
                    }
                    (Action::Delete, _) if old.contains(step.name.as_bytes())? => {
                        changes.insert(step.name.clone(), None);
                    }
                    _ => {}
                }
            }
            if !changes.is_empty() {
                let location = lock.path().display().to_string();
                packed::rewrite(&old, &changes, objects, lock).map_err(|error| match error {
                    packed::RewriteError::Read(error) => CommitError::Read(error),
                    packed::RewriteError::Write(error) => CommitError::unavailable(&location, error),
                })?;
                lock.close().map_err(|error| CommitError::unavailable(&location, error))?;
                self.packed_changes = true;
            }
        }
        let mut to_flush = Vec::new();
        for step in &mut self.steps {
            let (Action::Loose, Some(lock)) = (step.action, &mut step.lock) else { continue };
            if !step.written {
                lock.make_writable()
                    .and_then(|()| write_value(lock, step.change))
                    .map_err(|error| CommitError::unavailable(lock.path().display(), error))?;
                lock.close_unwritten();
                step.written = true;
            }
            to_flush.push(lock.path().to_path_buf());
        }
        shared
            .disk
            .sync_files(&to_flush)
            .map_err(|error| CommitError::unavailable(shared.places.common_dir.join("refs").display(), error))
    }

    /// Sends new refs to `packed-refs` if they are many.
    fn choose_packed(&mut self) -> Result<(), CommitError> {
        let shared = self.shared;
        let candidates =
            self.steps.iter().filter(|step| step.action == Action::Loose && !step.written).count();
        if candidates < shared.options.pack_from.max(1)
            || shared.packed.current()?.len() / PACKED_BYTES_PER_REF > candidates
        {
            return Ok(());
        }
        for step in &mut self.steps {
            if step.action == Action::Loose && !step.written {
                step.action = Action::Packed;
            }
        }
        Ok(())
    }

    fn lock_packed(&self, name: &RefName) -> Result<LockFile, CommitError> {
        let shared = self.shared;
        match LockFile::acquire(&shared.disk, &shared.places.packed(), shared.options.packed_lock_wait) {
            Ok(lock) => Ok(lock),
            Err(LockError::Held { lock }) => {
                Err(CommitError::Locked { name: name.clone(), lock: lock.display().to_string() })
            }
            Err(error) => Err(CommitError::unavailable(shared.places.packed().display(), error)),
        }
    }
}

/// Whether a new repository may take the edit without a lock of its own.
fn goes_unlocked(edit: &RefEdit) -> bool {
    matches!(&edit.change, Change::Update { target: Target::Id(_), .. })
        && matches!(&edit.expected, Expected::Any | Expected::MustNotExist)
        && !super::place::is_private(edit.name.as_bytes())
}

/// Whether an edit of a crowded transaction most likely writes nothing to its lock: what it creates goes into
/// `packed-refs`.
fn needs_no_content(edit: &RefEdit) -> bool {
    match &edit.change {
        Change::Update { target, .. } => {
            let creates = match &edit.expected {
                Expected::MustNotExist => true,
                Expected::Is(Target::Id(id)) => id.is_null(),
                _ => false,
            };
            creates && matches!(target, Target::Id(_)) && !super::place::is_private(edit.name.as_bytes())
        }
        Change::Delete { .. } | Change::Verify => true,
    }
}

/// The directories among the entries of directories, each of which is read once.
#[derive(Default)]
struct Directories {
    below: HashMap<PathBuf, HashSet<OsString>>,
}

impl Directories {
    fn contains(&mut self, path: &Path) -> bool {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return false };
        if !self.below.contains_key(parent) {
            let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
            let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_file()));
            let names = directories.map(|entry| entry.file_name()).collect();
            self.below.insert(parent.to_path_buf(), names);
        }
        self.below.get(parent).is_some_and(|names| names.contains(name)) && path.is_dir()
    }
}

/// Whether the change can stand in `packed-refs`.
fn packable(name: &RefName, change: &Change) -> bool {
    matches!(change, Change::Update { target: Target::Id(_), .. })
        && !super::place::is_private(name.as_bytes())
}

fn write_value(lock: &mut LockFile, change: &Change) -> std::io::Result<()> {
    lock.write_all(&content(change))
}

/// The content of the loose ref.
fn content(change: &Change) -> Vec<u8> {
    match change {
        Change::Update { target, .. } => target.format_loose(),
        Change::Delete { .. } | Change::Verify => Vec::new(),
    }
}
