//! Refs and reflogs in a map, and transactions on it, which give another map.

use crate::CommitError;
use crate::fs::refs::{LogUpdates, SYMREF_DEPTH};
use git_core_object::{Kind, ObjectFormat, ObjectId, Objects, ReadError};
use git_core_ref::{
    Atomicity, Change, Deref, Expected, LogMessage, RefEdit, RefName, RefTransaction, ReflogLine, Target,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// All refs and reflogs.
#[derive(Clone, Default)]
pub(super) struct Refs {
    targets: BTreeMap<RefName, Target>,
    logs: BTreeMap<RefName, Log>,
}

/// A reflog: the newest entry, which leads to the ones before it.
#[derive(Clone, Default)]
struct Log(Option<Arc<LogEntry>>);

struct LogEntry {
    old: ObjectId,
    new: ObjectId,
    message: LogMessage,
    older: Log,
}

/// A long log must not be dropped by recursion.
impl Drop for LogEntry {
    fn drop(&mut self) {
        let mut next = self.older.0.take();
        while let Some(mut entry) = next.and_then(Arc::into_inner) {
            next = entry.older.0.take();
        }
    }
}

/// Edits that did not happen, with [`Atomicity::Each`]: index, and why.
type Rejected = Vec<(usize, CommitError)>;

impl Refs {
    pub(super) fn insert(&mut self, name: RefName, target: Target) {
        self.targets.insert(name, target);
    }

    pub(super) fn get(&self, name: &RefName) -> Option<&Target> {
        self.targets.get(name)
    }

    /// The refs below `refs/` whose names begin with `prefix`, sorted.
    pub(super) fn below(
        &self,
        prefix: &[u8],
        after: Option<&RefName>,
    ) -> impl Iterator<Item = (&RefName, &Target)> {
        let start: &[u8] = if prefix.starts_with(b"refs/") { prefix } else { b"refs/" };
        let start = match after {
            Some(after) if after.as_bytes() >= start => Bound::Excluded(after.as_bytes()),
            _ => Bound::Included(start),
        };
        self.targets
            .range::<[u8], _>((start, Bound::Unbounded))
            .take_while(|(name, _)| name.as_bytes().starts_with(b"refs/"))
            .take_while(move |(name, _)| name.as_bytes().starts_with(prefix))
    }

    /// The reflog of a ref, newest entry first.
    pub(super) fn log(&self, name: &RefName) -> impl Iterator<Item = ReflogLine<'_>> {
        let mut next = self.logs.get(name).and_then(|log| log.0.as_deref());
        std::iter::from_fn(move || {
            let entry = next?;
            next = entry.older.0.as_deref();
            Some(ReflogLine::of_change(entry.old, entry.new, &entry.message))
        })
    }

    /// What the refs are after the transaction.
    ///
    /// # Errors
    /// [`CommitError`] when the transaction stands together and an edit cannot be made.
    pub(super) fn apply(
        &self,
        transaction: &RefTransaction,
        objects: &dyn Objects,
        logs: LogUpdates,
    ) -> Result<(Refs, Rejected), CommitError> {
        let mut new = self.clone();
        let mut rejected = Vec::new();
        match transaction.atomicity() {
            Atomicity::Whole => {
                let mut batch = Batch::new(self, objects);
                for edit in transaction.edits() {
                    batch.add(edit)?;
                }
                let steps = batch.steps;
                new.carry_out(steps, logs, objects.format());
            }
            Atomicity::Each => {
                for (index, edit) in transaction.edits().iter().enumerate() {
                    let mut batch = Batch::new(&new, objects);
                    match batch.add(edit) {
                        Ok(()) => {
                            let steps = batch.steps;
                            new.carry_out(steps, logs, objects.format());
                        }
                        Err(error) => rejected.push((index, error)),
                    }
                }
            }
        }
        Ok((new, rejected))
    }

    fn carry_out(&mut self, steps: Vec<Step<'_>>, logs: LogUpdates, format: ObjectFormat) {
        let old_ids: Vec<ObjectId> = steps
            .iter()
            .map(|step| self.resolve(&step.name).ok().flatten().unwrap_or(ObjectId::null(format)))
            .collect();
        for step in &steps {
            match step.change {
                Change::Verify => {}
                Change::Delete { .. } => {
                    self.targets.remove(&step.name);
                }
                Change::Update { target, .. } => {
                    self.targets.insert(step.name.clone(), target.clone());
                }
            }
        }
        for (step, old) in steps.iter().zip(old_ids) {
            let new = self.resolve(&step.name).ok().flatten();
            match (step.change, new) {
                (Change::Delete { log }, _) if step.changes => {
                    self.logs.remove(&step.name);
                    if let Some(log) = log {
                        step.passed
                            .iter()
                            .for_each(|name| self.note(name, old, ObjectId::null(format), log, logs));
                    }
                }
                // A symbolic ref to nothing has no value to log.
                (Change::Update { log: Some(log), .. }, Some(new)) => {
                    let landing = step.changes.then_some(&step.name);
                    landing
                        .into_iter()
                        .chain(&step.passed)
                        .for_each(|name| self.note(name, old, new, log, logs));
                }
                _ => {}
            }
        }
    }

    fn note(&mut self, name: &RefName, old: ObjectId, new: ObjectId, message: &LogMessage, logs: LogUpdates) {
        const USUAL: [&[u8]; 3] = [b"refs/heads/", b"refs/remotes/", b"refs/notes/"];
        let begun = match logs {
            LogUpdates::Existing => false,
            LogUpdates::Usual => {
                name.is_head() || USUAL.iter().any(|prefix| name.as_bytes().starts_with(prefix))
            }
            LogUpdates::Always => name.is_head() || !name.is_root(),
        };
        if begun || self.logs.contains_key(name) {
            let log = self.logs.entry(name.clone()).or_default();
            let older = std::mem::take(log);
            log.0 = Some(Arc::new(LogEntry { old, new, message: message.clone(), older }));
        }
    }

    /// The id at the end of the chain that begins with `name`.
    fn resolve(&self, name: &RefName) -> Result<Option<ObjectId>, ReadError> {
        let mut at = name;
        for _ in 0..=SYMREF_DEPTH {
            match self.targets.get(at) {
                None => return Ok(None),
                Some(Target::Id(id)) => return Ok(Some(*id)),
                Some(Target::Symbolic(next)) => at = next,
            }
        }
        Err(too_deep(name))
    }
}

fn too_deep(name: &RefName) -> ReadError {
    ReadError::corrupt(format_args!("ref '{name}'"), "too many symbolic refs follow one another")
}

/// Edits that can be made together.
struct Batch<'r, 'e> {
    refs: &'r Refs,
    objects: &'r dyn Objects,
    steps: Vec<Step<'e>>,
    names: BTreeSet<RefName>,
    passed: BTreeSet<RefName>,
}

/// One edit that can be made.
struct Step<'e> {
    /// The ref that changes.
    name: RefName,
    change: &'e Change,
    /// Whether it does not hold the new value already.
    changes: bool,
    /// The symbolic refs that led there, and `HEAD` if it points there.
    passed: Vec<RefName>,
}

impl<'r, 'e> Batch<'r, 'e> {
    fn new(refs: &'r Refs, objects: &'r dyn Objects) -> Self {
        Batch { refs, objects, steps: Vec::new(), names: BTreeSet::new(), passed: BTreeSet::new() }
    }

    fn add(&mut self, edit: &'e RefEdit) -> Result<(), CommitError> {
        let mut name = &edit.name;
        let mut passed: Vec<RefName> = Vec::new();
        while edit.deref == Deref::Follow
            && let Some(Target::Symbolic(next)) = self.refs.get(name)
        {
            if passed.len() > SYMREF_DEPTH {
                return Err(too_deep(&edit.name).into());
            }
            passed.push(name.clone());
            name = next;
        }
        self.check_clash(edit, name, &passed)?;
        self.check_expected(edit, name)?;
        self.check_value(edit, name)?;
        let old = self.refs.get(name);
        let unchanged = matches!(&edit.change, Change::Update { target, .. } if old == Some(target))
            || matches!(&edit.change, Change::Delete { .. } if old.is_none());
        if old.is_none() && matches!(edit.change, Change::Update { .. }) {
            self.check_available(name)?;
        }
        let head = RefName::head();
        if *name != head
            && !passed.contains(&head)
            && self.refs.get(&head).and_then(Target::symbolic) == Some(name)
        {
            passed.push(head);
        }
        self.names.insert(name.clone());
        self.passed.extend(passed.iter().filter(|passed| !passed.is_head()).cloned());
        self.steps.push(Step { name: name.clone(), change: &edit.change, changes: !unchanged, passed });
        Ok(())
    }

    fn check_clash(&self, edit: &RefEdit, name: &RefName, passed: &[RefName]) -> Result<(), CommitError> {
        let invalid = |reason: String| Err(CommitError::Invalid { name: edit.name.clone(), reason });
        if self.names.contains(name) || self.passed.contains(name) {
            return invalid(format!("multiple updates for ref '{name}' not allowed"));
        }
        if let Some(symbolic) = passed.iter().find(|passed| self.names.contains(*passed)) {
            return invalid(format!("multiple updates for ref '{symbolic}' not allowed"));
        }
        if let Some(outer) = name.parents().find(|parent| self.names.contains::<[u8]>(parent.as_ref())) {
            return invalid(format!("cannot process '{outer}' and '{name}' at the same time"));
        }
        match first_below(name, |from| {
            self.names.range::<[u8], _>((Bound::Included(from), Bound::Unbounded)).next()
        }) {
            Some(inner) => invalid(format!("cannot process '{name}' and '{inner}' at the same time")),
            None => Ok(()),
        }
    }

    fn check_available(&self, name: &RefName) -> Result<(), CommitError> {
        let parent = name.parents().find_map(|parent| {
            self.refs.targets.get_key_value::<[u8]>(parent.as_ref()).map(|(other, _)| other)
        });
        let child = || {
            first_below(name, |from| {
                self.refs
                    .targets
                    .range::<[u8], _>((Bound::Included(from), Bound::Unbounded))
                    .next()
                    .map(|(other, _)| other)
            })
        };
        match parent.or_else(child) {
            Some(other) => Err(CommitError::NameConflict { name: name.clone(), other: other.clone() }),
            None => Ok(()),
        }
    }

    fn check_expected(&self, edit: &RefEdit, landing: &RefName) -> Result<(), CommitError> {
        let actual = self.refs.get(landing);
        let existence = |reason| Err(CommitError::Existence { name: edit.name.clone(), reason });
        let lost = |actual: Option<String>, expected: &Target| {
            Err(CommitError::Lost {
                name: edit.name.clone(),
                actual: actual.unwrap_or_else(|| "nothing".to_owned()),
                expected: expected.to_string(),
            })
        };
        match &edit.expected {
            Expected::Any => Ok(()),
            Expected::MustExist if actual.is_some() => Ok(()),
            Expected::MustExist => existence("reference is missing"),
            Expected::MustNotExist if actual.is_none() => Ok(()),
            Expected::MustNotExist => existence("reference already exists"),
            Expected::Is(Target::Id(id)) if id.is_null() && actual.is_none() => Ok(()),
            Expected::Is(Target::Id(id)) if id.is_null() => existence("reference already exists"),
            Expected::Is(expected @ Target::Id(id)) => match self.refs.resolve(landing)? {
                Some(actual) if actual == *id => Ok(()),
                actual => lost(actual.map(|id| id.to_hex()), expected),
            },
            // The ref that was named, not the one it leads to.
            Expected::Is(expected) => match self.refs.get(&edit.name) {
                Some(actual) if actual == expected => Ok(()),
                actual => lost(actual.map(ToString::to_string), expected),
            },
        }
    }

    fn check_value(&self, edit: &RefEdit, landing: &RefName) -> Result<(), CommitError> {
        let invalid = |reason: String| Err(CommitError::Invalid { name: edit.name.clone(), reason });
        match &edit.change {
            Change::Update { target: Target::Id(id), .. } => {
                if id.is_null() {
                    return invalid("the null id is no value".to_owned());
                }
                if id.format() != self.objects.format() {
                    return invalid(format!("{id} is not an id of format {}", self.objects.format()));
                }
                match self.objects.header(id)? {
                    None => invalid(format!("trying to write ref '{landing}' with nonexistent object {id}")),
                    Some(header) if landing.is_branch() && header.kind != Kind::Commit => {
                        invalid(format!("trying to write non-commit object {id} to branch '{landing}'"))
                    }
                    Some(_) => Ok(()),
                }
            }
            Change::Update { target: Target::Symbolic(to), .. }
                if to == landing || (landing.is_head() && to.is_root()) =>
            {
                invalid(format!("refusing to point '{landing}' at '{to}'"))
            }
            _ => Ok(()),
        }
    }
}

/// The first name for which `name` would have to be a directory, given a look-up of the first name from some
/// bytes on.
fn first_below<'a>(
    name: &RefName,
    first_from: impl FnOnce(&[u8]) -> Option<&'a RefName>,
) -> Option<&'a RefName> {
    let mut inner = name.as_bytes().to_vec();
    inner.push(b'/');
    first_from(&inner).filter(|found| found.as_bytes().starts_with(&inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_is_dropped_without_recursion() {
        let mut refs = Refs::default();
        let id = ObjectId::empty_tree(ObjectFormat::Sha1);
        let message = LogMessage::new("A <a@b> 1 +0000", "again");
        for _ in 0..500_000 {
            refs.note(&RefName::head(), id, id, &message, LogUpdates::Usual);
        }
        let shared = refs.clone();
        drop(refs);
        assert_eq!(shared.log(&RefName::head()).count(), 500_000);
    }
}
