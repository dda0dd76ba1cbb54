//! A transaction of refs from outside: prepared, then committed, whole or edit by edit.

use super::Shared;
use super::batch::Batch;
use super::edit::Refusal;
use super::hook::{Told, TransactionPhase};
use crate::CommitError;
use git_core_object::{Context, Objects};
use git_core_ref::{RefEdit, RefTransaction};

/// How a transaction is carried out.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RefsCommit {
    /// Whole, or edit by edit.
    pub mode: Mode,
    /// Who else may be at work.
    pub occasion: Occasion,
}

impl RefsCommit {
    /// All edits or none.
    pub fn atomic() -> Self {
        Self::default()
    }

    /// Each edit on its own, in order.
    pub fn each() -> Self {
        RefsCommit { mode: Mode::Each, ..Self::default() }
    }

    /// The same for a repository that nobody else uses yet.
    pub fn initial(self) -> Self {
        RefsCommit { occasion: Occasion::Initial, ..self }
    }
}

/// What happens to the others when one edit cannot be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// None of them is made.
    #[default]
    Atomic,
    /// They are made in their order, as if each were a transaction of its own.
    Each,
}

/// Who else may be at work in the repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Occasion {
    /// Anybody: every ref is locked.
    #[default]
    Shared,
    /// Nobody, since the repository was just made: if it has no refs yet, the new ones go into `packed-refs`
    /// under the lock of that file alone, and without reflogs, as when git clones.
    Initial,
}

/// A transaction whose locks are held and whose expectations were met. Dropping it changes nothing.
#[derive(Debug)]
pub struct PreparedRefs<'a> {
    shared: &'a Shared,
    edits: &'a [RefEdit],
    objects: Option<ObjectsRef<'a>>,
    how: RefsCommit,
    cx: &'a Context,
    batch: Batch<'a>,
    /// The first edit that is not part of the batch.
    next: usize,
    rejected: Vec<(usize, CommitError)>,
    /// What the hook knows of.
    told: Told,
}

/// A transaction that was prepared and is given up.
impl Drop for PreparedRefs<'_> {
    fn drop(&mut self) {
        self.told.end(self.shared, TransactionPhase::Aborted);
    }
}

#[derive(Clone, Copy)]
struct ObjectsRef<'a>(&'a dyn Objects);

impl std::fmt::Debug for ObjectsRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Objects")
    }
}

impl<'a> PreparedRefs<'a> {
    pub(super) fn prepare(
        shared: &'a Shared,
        transaction: &'a RefTransaction,
        objects: Option<&'a dyn Objects>,
        how: &RefsCommit,
        cx: &'a Context,
    ) -> Result<Self, CommitError> {
        let mut prepared = PreparedRefs {
            shared,
            edits: transaction.edits(),
            objects: objects.map(ObjectsRef),
            how: how.clone(),
            cx,
            batch: Batch::new(shared),
            next: 0,
            rejected: Vec::new(),
            told: Told::default(),
        };
        prepared.fill()?;
        Ok(prepared)
    }

    /// The edits that are known to fail already; with [`Mode::Each`] only.
    pub fn rejected(&self) -> &[(usize, CommitError)] {
        &self.rejected
    }

    /// Whether an edit is left that may happen.
    pub fn has_edits(&self) -> bool {
        !self.batch.is_empty() || self.next < self.edits.len()
    }

    /// Makes the edits, and flushes them. Gives those that did not happen, with [`Mode::Each`] only: index of
    /// the edit, and why.
    ///
    /// # Errors
    /// [`CommitError`]; nothing has changed then, except as [`CommitError::OutcomeUnknown`] says.
    pub fn commit(mut self) -> Result<Vec<(usize, CommitError)>, CommitError> {
        loop {
            let batch = std::mem::replace(&mut self.batch, Batch::new(self.shared));
            match self.how.mode {
                Mode::Atomic => batch.commit()?,
                Mode::Each => {
                    let before = self.rejected.len();
                    batch.commit_each(&mut self.rejected);
                    if self.rejected.len() > before && self.shared.tells_each(Mode::Each) {
                        self.told.end(self.shared, TransactionPhase::Aborted);
                    }
                }
            }
            self.told.end(self.shared, TransactionPhase::Committed);
            if self.next >= self.edits.len() {
                self.rejected.sort_by_key(|(index, _)| *index);
                return Ok(std::mem::take(&mut self.rejected));
            }
            // Earlier batches are committed: what fails now is told per edit.
            let from = self.next;
            if let Err(error) = self.fill() {
                let text = error.to_string();
                self.batch = Batch::new(self.shared);
                self.rejected.retain(|(index, _)| *index < from);
                self.rejected.push((from, error));
                let rest = (from + 1..self.edits.len())
                    .map(|index| (index, CommitError::unavailable(&self.edits[index].name, text.clone())));
                self.rejected.extend(rest);
                self.next = self.edits.len();
            }
        }
    }

    /// Takes as many edits into the batch as can be made at once: all, unless one builds on another.
    fn fill(&mut self) -> Result<(), CommitError> {
        const CHECK_EVERY: usize = 1 << 10;
        let objects = self.objects.map(|objects| objects.0);
        let rest = &self.edits[self.next..];
        if self.how.occasion == Occasion::Initial && self.next == 0 {
            self.batch.begin_initial(rest, objects)?;
        }
        let alone = self.shared.tells_each(self.how.mode);
        let crowded = !alone && rest.len() >= self.shared.options.pack_from;
        while let Some(edit) = self.edits.get(self.next) {
            if self.next.is_multiple_of(CHECK_EVERY) {
                self.cx.check()?;
            }
            match (self.batch.add(self.next, edit, objects, crowded), self.how.mode) {
                (Ok(()), _) => {}
                (Err(Refusal::Clash(_)), Mode::Each) if !self.batch.is_empty() => break,
                (Err(Refusal::Clash(error) | Refusal::Edit(error)), Mode::Each) => {
                    self.rejected.push((self.next, error));
                }
                (Err(Refusal::Clash(error) | Refusal::Edit(error)), Mode::Atomic) => return Err(error),
            }
            self.next += 1;
            if !alone || self.batch.is_empty() {
                continue;
            }
            // The hook may refuse this one edit, and the others go on.
            let told = self.batch.seal(objects);
            let told = told.and_then(|()| Told::prepared(self.shared, self.edits, &self.batch));
            match told {
                Ok(told) => {
                    self.told = told;
                    return Ok(());
                }
                Err(error @ CommitError::Hook { .. }) => {
                    self.batch = Batch::new(self.shared);
                    self.rejected.push((self.next - 1, error));
                }
                Err(error) => return Err(error),
            }
        }
        self.cx.check()?;
        self.batch.seal(objects)?;
        self.told = Told::prepared(self.shared, self.edits, &self.batch)?;
        Ok(())
    }
}
