//! Whoever is told of every transaction of refs, and may refuse it: what git's `reference-transaction` hook sees.
//!
//! Running a program for it is left to `git-core`; here is only what is told, and when.

use super::batch::Batch;
use super::{Mode, Shared};
use crate::CommitError;
use git_core_object::BoxError;
use git_core_ref::{Change, Deref, Expected, RefEdit, RefName, Target};
use std::fmt;

/// Is told of transactions (`githooks(5)`, reference-transaction).
///
/// Edits that each stand for themselves are transactions of their own for it.
pub trait RefsHook: fmt::Debug + Send + Sync {
    /// A transaction has come to this phase.
    ///
    /// # Errors
    /// In [`TransactionPhase::Prepared`] any error refuses the transaction, and the hook is told that it was
    /// aborted. Elsewhere errors change nothing.
    fn transaction(&self, phase: TransactionPhase, edits: &[HookedEdit]) -> Result<(), BoxError>;

    /// Whether it has anything to say at present. While it has not, transactions need not be told one by one.
    fn is_there(&self) -> bool {
        true
    }
}

/// How far a transaction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionPhase {
    /// All refs are locked and hold what is expected.
    Prepared,
    /// All refs hold their new values.
    Committed,
    /// It was given up after it had been prepared.
    Aborted,
}

impl TransactionPhase {
    /// What git calls it.
    pub const fn name(self) -> &'static str {
        match self {
            TransactionPhase::Prepared => "prepared",
            TransactionPhase::Committed => "committed",
            TransactionPhase::Aborted => "aborted",
        }
    }
}

/// One ref of a transaction.
///
/// An edit of a symbolic ref comes twice: as it was asked for, and, after all others, for the ref it leads to;
/// an edit of the ref that `HEAD` points at comes again for `HEAD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookedEdit {
    /// The value that the edit insists on; none where it does not, and for a ref that must not be there.
    pub old: Option<Target>,
    /// The value that the ref gets; none where it is deleted or only checked.
    pub new: Option<Target>,
    /// The ref.
    pub name: RefName,
}

/// The edits of a batch that the hook was told of, to be told of their end.
#[derive(Debug, Default)]
pub(super) struct Told {
    edits: Vec<HookedEdit>,
}

impl Told {
    /// Tells the hook, if there is one, that these edits are prepared.
    pub(super) fn prepared(
        shared: &Shared,
        edits: &[RefEdit],
        batch: &Batch<'_>,
    ) -> Result<Self, CommitError> {
        let Some(hook) = shared.options.hook.as_ref().filter(|hook| hook.is_there() && !batch.is_empty())
        else {
            return Ok(Told::default());
        };
        let mut told = Told { edits: lines(shared, edits, batch)? };
        match hook.transaction(TransactionPhase::Prepared, &told.edits) {
            Ok(()) => Ok(told),
            Err(cause) => {
                let name = batch.steps.first().map(|step| step.name.clone());
                told.end(shared, TransactionPhase::Aborted);
                Err(CommitError::Hook { name: name.unwrap_or_else(RefName::head), cause })
            }
        }
    }

    /// Tells the hook how it ended.
    pub(super) fn end(&mut self, shared: &Shared, phase: TransactionPhase) {
        let edits = std::mem::take(&mut self.edits);
        if let (Some(hook), false) = (&shared.options.hook, edits.is_empty())
            && let Err(error) = hook.transaction(phase, &edits)
        {
            tracing::debug!(%error, phase = phase.name(), "a hook complains of a transaction that is over");
        }
    }
}

impl Shared {
    /// Whether each edit of a transaction in this mode has to be told of by itself.
    pub(super) fn tells_each(&self, mode: Mode) -> bool {
        mode == Mode::Each && self.options.hook.as_ref().is_some_and(|hook| hook.is_there())
    }
}

fn lines(shared: &Shared, edits: &[RefEdit], batch: &Batch<'_>) -> Result<Vec<HookedEdit>, CommitError> {
    let head = RefName::head();
    let points_at = match shared.find_target(&head) {
        Ok(Some(Target::Symbolic(name))) => Some(name),
        _ => None,
    };
    let (mut asked, mut led) = (Vec::with_capacity(batch.steps.len()), Vec::new());
    for step in &batch.steps {
        let edit = &edits[step.index];
        let of = |name: &RefName| HookedEdit { old: old(edit), new: new(edit), name: name.clone() };
        asked.push(of(&edit.name));
        if edit.deref == Deref::Follow && edit.name != step.name {
            // What lies between the two is passed through; few chains are longer.
            let mut at = edit.name.clone();
            while let Some(Target::Symbolic(next)) = shared.find_target(&at)? {
                led.push(of(&next));
                if next == step.name {
                    break;
                }
                at = next;
            }
        } else if points_at.as_ref() == Some(&step.name) {
            led.push(of(&head));
        }
    }
    asked.append(&mut led);
    Ok(asked)
}

fn old(edit: &RefEdit) -> Option<Target> {
    match &edit.expected {
        Expected::Is(target) => Some(target.clone()),
        Expected::Any | Expected::MustExist | Expected::MustNotExist => None,
    }
}

fn new(edit: &RefEdit) -> Option<Target> {
    match &edit.change {
        Change::Update { target, .. } => Some(target.clone()),
        Change::Delete { .. } | Change::Verify => None,
    }
}
