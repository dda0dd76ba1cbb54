//! The part of a transaction that others see: logs, `packed-refs`, loose refs, deletions, and flushing.

use super::batch::{Action, Batch, Step};
use super::{LogUpdates, Shared, place, reflog};
use crate::CommitError;
use bstr::BStr;
use git_core_object::{BoxError, ObjectId};
use git_core_ref::{Change, LogMessage, RefName, ReflogLine, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

/// What failed on the way.
struct Failure {
    /// The step it happened in; none if it concerns all.
    step: Option<usize>,
    location: String,
    source: BoxError,
}

impl Batch<'_> {
    /// Makes all edits; on failure none, or it is unknown.
    pub(super) fn commit(mut self) -> Result<(), CommitError> {
        let mut changed = false;
        let failure = match self.run(&mut changed, &mut |failure| Some(failure)) {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        if changed {
            Err(CommitError::OutcomeUnknown { location: failure.location, source: failure.source })
        } else {
            Err(CommitError::Unavailable { location: failure.location, source: failure.source })
        }
    }

    /// Makes each edit that can be made, and lists the others.
    pub(super) fn commit_each(mut self, rejected: &mut Vec<(usize, CommitError)>) {
        let indexes = self.steps.iter().map(|step| step.index).collect::<Vec<_>>();
        let mut changed = false;
        let mut failed = BTreeSet::new();
        let result = self.run(&mut changed, &mut |failure| {
            let Some(step) = failure.step else { return Some(failure) };
            failed.insert(step);
            let error = CommitError::Unavailable { location: failure.location, source: failure.source };
            rejected.push((indexes[step], error));
            None
        });
        if let Err(failure) = result {
            let (location, text) = (failure.location, failure.source.to_string());
            for (step, index) in indexes.iter().enumerate().filter(|(step, _)| !failed.contains(step)) {
                let source = BoxError::from(text.clone());
                let location = location.clone();
                let unknown = changed && self.steps[step].action != Action::Keep;
                rejected.push((
                    *index,
                    if unknown {
                        CommitError::OutcomeUnknown { location, source }
                    } else {
                        CommitError::Unavailable { location, source }
                    },
                ));
            }
        }
    }

    /// Goes through all steps. `failed` decides whether a failure ends it, by giving it back.
    fn run(
        &mut self,
        changed: &mut bool,
        failed: &mut dyn FnMut(Failure) -> Option<Failure>,
    ) -> Result<(), Failure> {
        let shared = self.shared;
        let mut skip = BTreeSet::new();
        let mut fail = |step: usize, location: String, error: io::Error, skip: &mut BTreeSet<usize>| {
            skip.insert(step);
            failed(Failure { step: Some(step), location, source: error.into() }).map_or(Ok(()), Err)
        };
        // Logs first, as git does it: what is not logged does not happen.
        let unlogged = self.unlogged();
        for at in 0..self.steps.len() {
            if let Err((path, error)) = self.log(&self.steps[at], &unlogged) {
                fail(at, path.display().to_string(), error, &mut skip)?;
            }
        }
        let mut touched = BTreeSet::new();
        if self.packed_changes
            && let Some(lock) = self.packed.take()
        {
            let location = shared.places.packed().display().to_string();
            let all =
                |error: io::Error| Failure { step: None, location: location.clone(), source: error.into() };
            lock.commit().map_err(all)?;
            *changed = true;
            // A loose ref must not be gone before it is certain that the packed one is.
            shared.disk.sync_dir(&shared.places.common_dir).map_err(all)?;
        }
        for at in 0..self.steps.len() {
            if skip.contains(&at) {
                continue;
            }
            let step = &mut self.steps[at];
            let path = shared.places.loose(&step.name);
            match (step.action, step.lock.take()) {
                (Action::Loose, Some(lock)) => {
                    if step.old.is_none() && path.is_dir() {
                        let _ = reflog::remove_empty_tree(&*shared.disk, &path);
                    }
                    match lock.commit() {
                        Ok(()) => {
                            *changed = true;
                            touch(shared, step, &mut touched);
                        }
                        Err(error) => fail(at, path.display().to_string(), error, &mut skip)?,
                    }
                }
                (Action::Delete, Some(lock)) => {
                    let removed = if step.loose { shared.disk.remove_file(&path) } else { Ok(()) };
                    match removed {
                        Ok(()) => *changed = true,
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                        Err(error) => {
                            fail(at, path.display().to_string(), error, &mut skip)?;
                            continue;
                        }
                    }
                    if step.loose {
                        touch(shared, step, &mut touched);
                    }
                    if let Err(error) = reflog::remove(&*shared.disk, &shared.places, &step.name) {
                        tracing::warn!(name = %step.name, %error, "cannot remove the reflog of a deleted ref");
                    }
                    step.lock = Some(lock);
                }
                (_, lock) => step.lock = lock,
            }
        }
        self.unlock();
        let touched = touched.into_iter().filter(|dir: &PathBuf| dir.is_dir()).collect::<Vec<_>>();
        let flushed = match shared.disk.sync_dirs(&touched) {
            // One of them was removed meanwhile, since it is empty, and needs no flush.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                touched.iter().try_for_each(|dir| match shared.disk.sync_dir(dir) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                    other => other,
                })
            }
            other => other,
        };
        flushed.map_err(|error| Failure {
            step: None,
            location: shared.places.common_dir.join("refs").display().to_string(),
            source: error.into(),
        })?;
        Ok(())
    }

    /// Gives up the locks that are left, then the directories that only they needed.
    fn unlock(&mut self) {
        let shared = self.shared;
        self.packed = None;
        self.passed.clear();
        let mut empty = BTreeSet::new();
        for step in &mut self.steps {
            step.lock = None;
            let useless = step.action == Action::Delete || (step.made && step.action != Action::Loose);
            // Refs of one directory need it removed once.
            if useless
                && let Some(parent) = step.name.parents().next()
                && empty.insert(parent.to_owned())
            {
                reflog::remove_empty_parents(
                    &*shared.disk,
                    shared.places.root(step.name.as_bytes()),
                    &step.name,
                );
            }
        }
    }

    /// The directories of refs, by name, below which no ref has a log. Refs of one directory need one look.
    fn unlogged(&self) -> BTreeSet<&BStr> {
        let mut looked = BTreeMap::new();
        for step in &self.steps {
            if let Some(parent) = step.name.parents().next() {
                looked.entry(parent).or_insert_with(|| {
                    RefName::new(parent).is_ok_and(|name| !self.shared.places.log(&name).is_dir())
                });
            }
        }
        looked.into_iter().filter_map(|(parent, unlogged)| unlogged.then_some(parent)).collect()
    }

    /// Writes the log entries of one step.
    fn log(&self, step: &Step<'_>, unlogged: &BTreeSet<&BStr>) -> Result<(), (PathBuf, io::Error)> {
        let shared = self.shared;
        let null = ObjectId::null(shared.format);
        let old = step.old_id.unwrap_or(null);
        match step.change {
            Change::Update { target, log: Some(log) } => {
                // A symbolic ref to nothing has no value to log.
                let Some(new) = self.new_id(target) else { return Ok(()) };
                let none = self.shared.options.logs == LogUpdates::Existing
                    && step.name.parents().next().is_some_and(|parent| unlogged.contains(parent));
                if step.action != Action::Keep && step.lock.is_some() && !none {
                    self.log_one(&step.name, old, new, log)?;
                }
                step.logged_too.iter().try_for_each(|name| self.log_one(name, old, new, log))
            }
            Change::Delete { log: Some(log) } if step.action == Action::Delete => {
                step.logged_too.iter().try_for_each(|name| self.log_one(name, old, null, log))
            }
            _ => Ok(()),
        }
    }

    fn log_one(
        &self,
        name: &RefName,
        old: ObjectId,
        new: ObjectId,
        log: &LogMessage,
    ) -> Result<(), (PathBuf, io::Error)> {
        let shared = self.shared;
        if !reflog::wanted(&shared.places, name, shared.options.logs) {
            return Ok(());
        }
        let path = shared.places.log(name);
        reflog::append(&*shared.disk, &path, &ReflogLine::of_change(old, new, log))
            .map_err(|error| (path, error))
    }

    /// The id that a new value leads to, other edits of the batch included.
    fn new_id(&self, target: &Target) -> Option<ObjectId> {
        match target {
            Target::Id(id) => Some(*id),
            Target::Symbolic(name) => {
                let step = self.steps.iter().find(|step| step.name == *name);
                match step.map(|step| (step.action, step.change)) {
                    Some((Action::Loose | Action::Packed, Change::Update { target: Target::Id(id), .. })) => {
                        Some(*id)
                    }
                    Some((Action::Delete, _)) => None,
                    _ => self.shared.resolve_id(target).ok().flatten(),
                }
            }
        }
    }
}

/// Remembers the directories whose names changed.
fn touch(shared: &Shared, step: &Step<'_>, touched: &mut BTreeSet<PathBuf>) {
    let root = shared.places.root(step.name.as_bytes());
    match step.name.parents().next() {
        None => {
            touched.insert(root.to_path_buf());
        }
        Some(_) if step.made => touched.extend(step.name.parents().map(|parent| place::join(root, parent))),
        Some(parent) => {
            touched.insert(place::join(root, parent));
        }
    }
}
