//! The refs of a repository as a map from names to values.

use super::Repository;
use git_core_object::{Context, ErrorKind, ObjectId, ReadError};
use git_core_ref::{
    Change, Deref, Expected, InvalidRefName, LogMessage, RefEdit, RefName, RefTransaction, Target,
};
use git_core_store::{CommitError, Reference, revision};
use std::ops::ControlFlow;

/// Why a ref could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefError {
    /// The name cannot be that of a ref.
    #[error(transparent)]
    Name(#[from] InvalidRefName),
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It could not be changed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl RefError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            RefError::Name(_) => ErrorKind::Invalid,
            RefError::Read(error) => error.kind(),
            RefError::Commit(error) => error.kind(),
        }
    }
}

/// The refs of a repository. Names are full: `refs/heads/main`, `HEAD`.
pub struct Refs<'a> {
    repository: &'a Repository,
}

impl Repository {
    /// The refs as a map.
    pub fn refs(&self) -> Refs<'_> {
        Refs { repository: self }
    }
}

impl Refs<'_> {
    /// The raw value: an id, or the name of another ref.
    ///
    /// # Errors
    /// [`RefError`].
    pub fn get(&self, name: impl AsRef<[u8]>) -> Result<Option<Target>, RefError> {
        let name = RefName::new(name)?;
        Ok(self.repository.snapshot()?.find_ref(&name)?.map(|found| found.target))
    }

    /// The id at the end of all symbolic refs; `None` when the ref, or the branch it points to, is not there.
    ///
    /// # Errors
    /// [`RefError`].
    pub fn id(&self, name: impl AsRef<[u8]>) -> Result<Option<ObjectId>, RefError> {
        let name = RefName::new(name)?;
        Ok(revision::follow(&*self.repository.snapshot()?, &name)?.1)
    }

    /// Whether there is a ref of this name.
    ///
    /// # Errors
    /// [`RefError`].
    pub fn contains(&self, name: impl AsRef<[u8]>) -> Result<bool, RefError> {
        Ok(self.get(name)?.is_some())
    }

    /// All refs whose names begin with `prefix`, by name; `""` gives all below `refs/`.
    ///
    /// # Errors
    /// [`RefError`].
    pub fn list(&self, prefix: impl AsRef<[u8]>) -> Result<Vec<Reference>, RefError> {
        let mut out = Vec::new();
        self.repository.snapshot()?.for_each_ref(prefix.as_ref(), &mut |found| {
            out.push(found);
            ControlFlow::Continue(())
        })?;
        Ok(out)
    }

    /// Sets a ref to an object, whatever it was before; a symbolic ref is followed.
    ///
    /// # Errors
    /// [`RefError`].
    pub fn set(&self, name: impl AsRef<[u8]>, id: ObjectId) -> Result<(), RefError> {
        let mut edit = RefTransaction::new();
        edit.set(RefName::new(name)?, id, self.log("update"));
        self.edit(&edit)
    }

    /// Points a ref at another one, which need not be there.
    ///
    /// # Errors
    /// [`RefError`].
    pub fn set_symbolic(&self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Result<(), RefError> {
        let mut edit = RefTransaction::new();
        edit.set_symbolic(RefName::new(name)?, RefName::new(target)?, None);
        self.edit(&edit)
    }

    /// Deletes a ref. It is no error when there is none.
    ///
    /// # Errors
    /// [`RefError`].
    pub fn delete(&self, name: impl AsRef<[u8]>) -> Result<(), RefError> {
        let mut edit = RefTransaction::new();
        edit.delete(RefName::new(name)?, Expected::Any);
        self.edit(&edit)
    }

    /// Carries out edits that each may expect an old value, all or none of them.
    ///
    /// # Errors
    /// [`RefError::Commit`] names the ref that was in the way.
    pub fn edit(&self, edits: &RefTransaction) -> Result<(), RefError> {
        self.repository.storage().commit(Vec::new(), edits, &Context::new())?;
        Ok(())
    }

    /// Gives each ref of `moves` its second name, which no ref may have yet; reflogs go along, where refs have some, and
    /// get an entry with the reason.
    ///
    /// # Errors
    /// [`RefError::Commit`] names the ref that was in the way.
    pub fn rename(
        &self,
        moves: &[(RefName, RefName)],
        reason: impl Fn(&RefName, &RefName) -> String,
    ) -> Result<(), RefError> {
        let cx = Context::new();
        let log = |old: &RefName, new: &RefName| self.log(&reason(old, new));
        if let Some(storage) = self.repository.on_disk() {
            return Ok(storage.refs().rename(moves, &log, &cx)?);
        }
        let snapshot = self.repository.snapshot()?;
        let (mut made, mut gone) = (RefTransaction::new(), RefTransaction::new());
        for (old, new) in moves {
            let Some(found) = snapshot.find_ref(old)? else { continue };
            let follow = |to: &RefName| moves.iter().find(|(old, _)| old == to).map(|(_, new)| new.clone());
            let target = match found.target {
                Target::Symbolic(to) => Target::Symbolic(follow(&to).unwrap_or(to)),
                id => id,
            };
            let change = Change::Update { target, log: log(old, new) };
            let (name, expected) = (new.clone(), Expected::MustNotExist);
            made.push(RefEdit { name, expected, change, deref: Deref::Direct });
            let (name, change) = (old.clone(), Change::Delete { log: None });
            gone.push(RefEdit { name, expected: Expected::MustExist, change, deref: Deref::Direct });
        }
        self.edit(&made)?;
        self.edit(&gone)
    }

    fn log(&self, message: &str) -> Option<LogMessage> {
        self.repository.committer_line().map(|committer| LogMessage::new(committer, message))
    }
}
