//! Edits of refs as plain data, each with the old value it expects.
//!
//! A storage carries out a [`RefTransaction`] as a whole or not at all. Here are only its parts, how they are
//! put together, and the contradictions that show without looking at a repository.

use crate::{RefName, Target};
use bstr::{BString, ByteSlice as _};
use git_core_object::{ErrorKind, ObjectId};
use std::collections::BTreeMap;

/// Edits that are carried out in one go, in the order they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefTransaction {
    edits: Vec<RefEdit>,
    atomicity: Atomicity,
}

/// What happens to the other edits of a transaction when one of them cannot be carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Atomicity {
    /// None of them takes effect.
    #[default]
    Whole,
    /// They take effect all the same: each edit stands for itself.
    Each,
}

/// One edit: which ref, what it must be before, what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefEdit {
    /// The ref that is named. With [`Deref::Follow`] the edit lands on what it points at.
    pub name: RefName,
    /// What must be there when the transaction commits; otherwise nothing of it happens.
    pub expected: Expected,
    /// What becomes of it.
    pub change: Change,
    /// What happens when the name is that of a symbolic ref.
    pub deref: Deref,
}

/// The old value that an edit insists on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there, or nothing.
    #[default]
    Any,
    /// No ref of this name.
    MustNotExist,
    /// A ref of this name, whatever its value.
    MustExist,
    /// A ref with exactly this value. For an id with [`Deref::Follow`]: the value after following.
    Is(Target),
}

/// What becomes of a ref.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It gets this value, and its reflog an entry if there is a message.
    Update {
        /// The new value.
        target: Target,
        /// The reflog entry; the storage decides by configuration which refs have a reflog.
        log: Option<LogMessage>,
    },
    /// It goes away, and its reflog with it.
    Delete {
        /// The entry for the reflog of a symbolic ref that led here (`HEAD` when its branch is deleted).
        log: Option<LogMessage>,
    },
    /// It stays; only the expected value is checked.
    Verify,
}

/// What an edit of a symbolic ref is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deref {
    /// The ref at the end of the chain; each symbolic ref passed gets the reflog entry too.
    #[default]
    Follow,
    /// The symbolic ref itself.
    Direct,
}

/// Who changed a ref, and why: the part of a reflog line that storage cannot know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogMessage {
    committer: BString,
    message: BString,
}

impl LogMessage {
    /// `committer` as commits spell it (`A U Thor <author@example.com> 1112911993 -0700`).
    ///
    /// Line ends and NUL in either are replaced by spaces, and runs of white space in the message become one
    /// space, as git does it, so that the entry is one line.
    pub fn new(committer: impl AsRef<[u8]>, message: impl AsRef<[u8]>) -> Self {
        let committer = committer.as_ref().trim_ascii();
        let committer = committer
            .iter()
            .map(|b| if matches!(b, b'\n' | 0 | b'\t') { b' ' } else { *b })
            .collect::<Vec<_>>();
        LogMessage { committer: committer.into(), message: one_line(message.as_ref()).into() }
    }

    /// The committer with time and zone.
    pub fn committer(&self) -> &[u8] {
        &self.committer
    }

    /// The message, one line without its end; possibly empty.
    pub fn message(&self) -> &[u8] {
        &self.message
    }
}

fn one_line(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    for word in message.split(|b| b.is_ascii_whitespace() || matches!(b, 0 | 0x0b)).filter(|w| !w.is_empty())
    {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
    out
}

impl RefTransaction {
    /// A transaction without edits.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same edits, each standing for itself: see [`Atomicity::Each`].
    #[must_use]
    pub fn each(self) -> Self {
        RefTransaction { atomicity: Atomicity::Each, ..self }
    }

    /// What happens to the other edits when one cannot be carried out.
    pub const fn atomicity(&self) -> Atomicity {
        self.atomicity
    }

    /// Adds an edit.
    pub fn push(&mut self, edit: RefEdit) -> &mut Self {
        self.edits.push(edit);
        self
    }

    /// Sets a ref to a value, whatever it was before.
    pub fn set(&mut self, name: RefName, target: impl Into<Target>, log: Option<LogMessage>) -> &mut Self {
        self.update(name, Expected::Any, target, log)
    }

    /// Creates a ref that must not be there yet.
    pub fn create(&mut self, name: RefName, target: impl Into<Target>, log: Option<LogMessage>) -> &mut Self {
        self.update(name, Expected::MustNotExist, target, log)
    }

    /// Sets a ref that must have the expected value before.
    pub fn update(
        &mut self,
        name: RefName,
        expected: Expected,
        target: impl Into<Target>,
        log: Option<LogMessage>,
    ) -> &mut Self {
        let change = Change::Update { target: target.into(), log };
        self.push(RefEdit { name, expected, change, deref: Deref::Follow })
    }

    /// Points a symbolic ref (`HEAD`, say) at another ref, without following it.
    pub fn set_symbolic(&mut self, name: RefName, target: RefName, log: Option<LogMessage>) -> &mut Self {
        let change = Change::Update { target: Target::Symbolic(target), log };
        self.push(RefEdit { name, expected: Expected::Any, change, deref: Deref::Direct })
    }

    /// Deletes a ref that must have the expected value before.
    pub fn delete(&mut self, name: RefName, expected: Expected) -> &mut Self {
        self.push(RefEdit { name, expected, change: Change::Delete { log: None }, deref: Deref::Follow })
    }

    /// Checks the expected value only.
    pub fn verify(&mut self, name: RefName, expected: Expected) -> &mut Self {
        self.push(RefEdit { name, expected, change: Change::Verify, deref: Deref::Follow })
    }

    /// The edits, in order.
    pub fn edits(&self) -> &[RefEdit] {
        &self.edits
    }

    /// The edits, in order, for whoever carries them out.
    pub fn into_edits(self) -> Vec<RefEdit> {
        self.edits
    }

    /// How many edits there are.
    pub fn len(&self) -> usize {
        self.edits.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Looks for contradictions that show without a repository.
    ///
    /// A storage calls this again after it has replaced symbolic refs by what they point at, since then two
    /// names may have become one.
    ///
    /// # Errors
    /// [`InvalidTransaction`] when a name occurs twice, when one name would be a directory of another (git
    /// refuses that even when one of the two is deleted), or when a symbolic ref would point at itself or
    /// `HEAD` outside of `refs/`.
    pub fn validate(&self) -> Result<(), InvalidTransaction> {
        let mut names = BTreeMap::<&[u8], &RefName>::new();
        for edit in &self.edits {
            if names.insert(edit.name.as_bytes(), &edit.name).is_some() {
                return Err(InvalidTransaction::Duplicate { name: edit.name.clone() });
            }
            if let Change::Update { target: Target::Symbolic(target), .. } = &edit.change {
                let outside = edit.name.is_head() && target.is_root();
                if *target == edit.name || outside {
                    return Err(InvalidTransaction::Symbolic {
                        name: edit.name.clone(),
                        target: target.clone(),
                    });
                }
            }
        }
        for edit in &self.edits {
            for parent in edit.name.parents() {
                if let Some(outer) = names.get(parent.as_bytes()) {
                    return Err(InvalidTransaction::DirectoryFile {
                        outer: RefName::clone(*outer),
                        inner: edit.name.clone(),
                    });
                }
            }
        }
        Ok(())
    }
}

impl RefEdit {
    /// The id that the ref will have, if it gets one.
    pub fn new_id(&self) -> Option<ObjectId> {
        match &self.change {
            Change::Update { target, .. } => target.id(),
            Change::Delete { .. } | Change::Verify => None,
        }
    }
}

impl Extend<RefEdit> for RefTransaction {
    fn extend<T: IntoIterator<Item = RefEdit>>(&mut self, edits: T) {
        self.edits.extend(edits);
    }
}

impl FromIterator<RefEdit> for RefTransaction {
    fn from_iter<T: IntoIterator<Item = RefEdit>>(edits: T) -> Self {
        RefTransaction { edits: edits.into_iter().collect(), ..RefTransaction::default() }
    }
}

/// A transaction that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTransaction {
    /// Two edits of one ref.
    #[error("multiple updates for ref '{name}' not allowed")]
    Duplicate {
        /// The ref.
        name: RefName,
    },
    /// One ref would be a directory of the other.
    #[error("cannot process '{outer}' and '{inner}' at the same time")]
    DirectoryFile {
        /// The shorter name.
        outer: RefName,
        /// The name that has the other as its directory.
        inner: RefName,
    },
    /// A symbolic ref to itself, or a `HEAD` that points outside of `refs/`.
    #[error("refusing to point '{name}' at '{target}'")]
    Symbolic {
        /// The symbolic ref.
        name: RefName,
        /// What it would have pointed at.
        target: RefName,
    },
}

impl InvalidTransaction {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            InvalidTransaction::DirectoryFile { .. } => ErrorKind::Conflict,
            InvalidTransaction::Duplicate { .. } | InvalidTransaction::Symbolic { .. } => ErrorKind::Invalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use git_core_object::ObjectFormat;

    fn branch(name: &str) -> RefName {
        RefName::branch(name).unwrap()
    }

    #[test]
    fn contradictions_are_found() {
        let id = ObjectId::empty_tree(ObjectFormat::Sha1);
        let mut tx = RefTransaction::new();
        tx.create(branch("a"), id, None)
            .set(branch("ab/c"), id, None)
            .delete(branch("b"), Expected::MustExist);
        assert_eq!(tx.validate(), Ok(()));

        let mut twice = tx.clone();
        twice.verify(branch("a"), Expected::Any);
        assert_eq!(twice.validate(), Err(InvalidTransaction::Duplicate { name: branch("a") }));

        let mut nested = tx.clone();
        nested.set(branch("b/c/d"), id, None);
        assert_eq!(
            nested.validate(),
            Err(InvalidTransaction::DirectoryFile { outer: branch("b"), inner: branch("b/c/d") })
        );

        let mut outside = RefTransaction::new();
        outside.set_symbolic(RefName::head(), RefName::new("ORIG_HEAD").unwrap(), None);
        assert!(outside.validate().is_err());
        let mut looping = RefTransaction::new();
        looping.set_symbolic(branch("a"), branch("a"), None);
        assert!(looping.validate().is_err());
    }

    #[test]
    fn log_messages_are_one_line() {
        let log = LogMessage::new("A <a@b> 1 +0000\n", " first\n\nsecond\tthird ");
        assert_eq!(log.committer(), b"A <a@b> 1 +0000");
        assert_eq!(log.message(), b"first second third");
    }
}
