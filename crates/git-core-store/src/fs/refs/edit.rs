//! What one edit needs: its lock, its old value, and the checks that git makes before a ref is written.

use super::loose::{self, Loose};
use super::packed::PackedFile;
use super::{SYMREF_DEPTH, Shared, broken, reflog};
use crate::CommitError;
use crate::lock::{LockError, LockFile};
use git_core_object::{Kind, ObjectId, Objects};
use git_core_ref::{Change, Deref, Expected, RefEdit, RefName, Target};
use std::cell::Cell;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// How often directories are made again that somebody else removes because they are empty.
const TRIES: usize = 16;

/// What stands where a ref is kept.
#[derive(Debug)]
pub(super) struct Present {
    /// The value.
    pub(super) target: Option<Target>,
    /// Whether a loose file holds it.
    pub(super) loose: bool,
    /// Whether there is a directory in its place.
    pub(super) directory: bool,
    /// The packed refs, if they were looked at.
    pub(super) packed: Option<Arc<PackedFile>>,
}

/// What the lock of a ref is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hold<'a> {
    /// The new value is written to it.
    ToWrite,
    /// Most likely nothing is. It may be another name of this lock file.
    Empty(Option<&'a Path>),
}

impl Shared {
    /// Takes the lock of a ref; makes the directories it needs. Says whether some had to be made.
    pub(super) fn lock_ref(&self, name: &RefName, hold: Hold<'_>) -> Result<(LockFile, bool), CommitError> {
        let path = self.places.loose(name);
        let wait = self.options.lock_wait;
        let mut made = false;
        for _ in 0..TRIES {
            let taken = match hold {
                Hold::ToWrite => LockFile::acquire(&self.disk, &path, wait),
                Hold::Empty(other) => LockFile::acquire_empty(&self.disk, &path, wait, other),
            };
            let error = match taken {
                Ok(lock) => return Ok((lock, made)),
                Err(LockError::Held { lock }) => {
                    return Err(CommitError::Locked { name: name.clone(), lock: lock.display().to_string() });
                }
                Err(error) => error,
            };
            match (error.io_kind(), path.parent()) {
                (Some(io::ErrorKind::NotFound), Some(parent)) => match self.disk.create_dir_all(parent) {
                    Ok(()) => made = true,
                    // Somebody removed a directory in between.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(self.in_the_way(name, error)),
                },
                (Some(io::ErrorKind::NotADirectory), _) => {
                    return Err(self.in_the_way(name, io::ErrorKind::NotADirectory.into()));
                }
                _ => return Err(CommitError::unavailable(path.display(), error)),
            }
        }
        Err(CommitError::unavailable(path.display(), "its directory is removed again and again"))
    }

    /// Names the ref whose file stands where a directory of `name` has to be.
    fn in_the_way(&self, name: &RefName, error: io::Error) -> CommitError {
        for parent in name.parents() {
            if let Ok(other) = RefName::new(parent)
                && self.places.loose(&other).symlink_metadata().is_ok_and(|metadata| !metadata.is_dir())
            {
                return CommitError::NameConflict { name: name.clone(), other };
            }
        }
        CommitError::unavailable(self.places.loose(name).display(), error)
    }

    /// What a ref holds while its lock is held.
    pub(super) fn present(&self, name: &RefName) -> Result<Present, CommitError> {
        let loose = self.read_loose(name)?;
        let directory = loose == Loose::Directory;
        match loose {
            Loose::Found(target) => {
                Ok(Present { target: Some(target), loose: true, directory, packed: None })
            }
            Loose::Broken(why) => Err(broken(name, &why).into()),
            Loose::Missing | Loose::Directory if name.is_root() => {
                Ok(Present { target: None, loose: false, directory, packed: None })
            }
            Loose::Missing | Loose::Directory => {
                let packed = self.packed.current()?;
                let target = packed.find(name)?.map(|found| found.target);
                Ok(Present { target, loose: false, directory, packed: Some(packed) })
            }
        }
    }

    /// Whether a ref of this name can be created beside those that are there.
    pub(super) fn available(&self, name: &RefName, present: &Present) -> Result<(), CommitError> {
        let conflict = |other| Err(CommitError::NameConflict { name: name.clone(), other });
        let packed = match &present.packed {
            Some(packed) => packed.clone(),
            None => self.packed.current()?,
        };
        for parent in name.parents() {
            if packed.contains(parent)?
                && let Ok(other) = RefName::new(parent)
            {
                return conflict(other);
            }
        }
        packed.first_below(name)?.map_or(Ok(()), conflict)
    }

    /// Removes the directory in the place of a ref, if it holds no ref.
    pub(super) fn clear_directory(&self, name: &RefName) -> Result<(), CommitError> {
        let path = self.places.loose(name);
        match reflog::remove_empty_tree(&*self.disk, &path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(match loose::first_below(&self.places, name, self.format)? {
                Some(other) => CommitError::NameConflict { name: name.clone(), other },
                None => CommitError::unavailable(path.display(), error),
            }),
        }
    }
}

/// Why an edit cannot be part of a batch.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It builds on another edit of the batch, or contradicts it.
    Clash(CommitError),
    /// It cannot be made.
    Edit(CommitError),
}

impl From<CommitError> for Refusal {
    fn from(error: CommitError) -> Self {
        Refusal::Edit(error)
    }
}

/// Whether a batch has locked a ref already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// It has not.
    No,
    /// It has, as a symbolic ref on the way to another.
    Passed,
}

/// Where an edit lands.
#[derive(Debug)]
pub(super) struct Landing {
    /// The ref that is changed.
    pub(super) name: RefName,
    /// Its lock.
    pub(super) lock: LockFile,
    /// Whether directories were made for it.
    pub(super) made: bool,
    /// What it holds.
    pub(super) present: Present,
    /// The symbolic refs passed on the way, locked; without those that were locked already.
    pub(super) passed: Vec<(RefName, Option<LockFile>)>,
}

impl Shared {
    /// Locks the ref of an edit and, if it follows, all it leads to. `held` knows the refs that other edits of the
    /// same batch have locked.
    pub(super) fn land(
        &self,
        edit: &RefEdit,
        held: &dyn Fn(&RefName) -> Result<Held, CommitError>,
        hold: Hold<'_>,
    ) -> Result<Landing, Refusal> {
        let mut name = edit.name.clone();
        let mut passed = Vec::new();
        loop {
            if passed.len() > SYMREF_DEPTH || passed.iter().any(|(before, _)| *before == name) {
                let why = "too many symbolic refs follow one another";
                return Err(CommitError::from(broken(&edit.name, why)).into());
            }
            let (lock, made) = match held(&name).map_err(Refusal::Clash)? {
                Held::Passed => (None, false),
                Held::No => self.lock_ref(&name, hold).map(|(lock, made)| (Some(lock), made))?,
            };
            // A damaged ref can be deleted, but neither checked nor replaced.
            let present = match self.present(&name) {
                Err(CommitError::Read(_))
                    if matches!((&edit.change, &edit.expected), (Change::Delete { .. }, Expected::Any)) =>
                {
                    Present {
                        target: Some(Target::Id(ObjectId::null(self.format))),
                        loose: true,
                        directory: false,
                        packed: None,
                    }
                }
                other => other?,
            };
            match (&present.target, edit.deref, lock) {
                (Some(Target::Symbolic(next)), Deref::Follow, lock) => {
                    let next = next.clone();
                    passed.push((std::mem::replace(&mut name, next), lock));
                }
                (_, _, Some(lock)) => return Ok(Landing { name, lock, made, present, passed }),
                (_, _, None) => {
                    let reason = format!(
                        "multiple updates for '{name}' (including one via symref '{name}') are not allowed"
                    );
                    return Err(Refusal::Clash(CommitError::Invalid { name: edit.name.clone(), reason }));
                }
            }
        }
    }

    /// Compares what is there with what the edit expects.
    pub(super) fn check_expected(&self, edit: &RefEdit, landing: &Landing) -> Result<(), CommitError> {
        let name = || edit.name.clone();
        let actual = &landing.present.target;
        let lost = |actual: Option<String>, expected: &Target| {
            Err(CommitError::Lost {
                name: name(),
                actual: actual.unwrap_or_else(|| "nothing".to_owned()),
                expected: expected.to_string(),
            })
        };
        match &edit.expected {
            Expected::Any => Ok(()),
            Expected::Is(Target::Id(id)) if id.is_null() && actual.is_none() => Ok(()),
            Expected::MustNotExist if actual.is_none() => Ok(()),
            Expected::MustExist if actual.is_some() => Ok(()),
            Expected::MustNotExist => {
                Err(CommitError::Existence { name: name(), reason: "reference already exists" })
            }
            Expected::Is(Target::Id(id)) if id.is_null() => {
                Err(CommitError::Existence { name: name(), reason: "reference already exists" })
            }
            Expected::MustExist => {
                Err(CommitError::Existence { name: name(), reason: "reference is missing" })
            }
            Expected::Is(Target::Id(expected)) => {
                let id = actual.as_ref().map(|target| self.resolve_id(target)).transpose()?.flatten();
                if id == Some(*expected) {
                    Ok(())
                } else {
                    lost(id.map(|id| id.to_hex()), &(*expected).into())
                }
            }
            Expected::Is(expected) => {
                // The name as it was given, not where it leads.
                let first = landing.passed.first().map(|_| self.find_target(&edit.name)).transpose()?;
                let actual = first.as_ref().unwrap_or(actual);
                if actual.as_ref() == Some(expected) {
                    Ok(())
                } else {
                    lost(actual.as_ref().map(ToString::to_string), expected)
                }
            }
        }
    }

    /// Whether the new value may stand there: an object that exists, a commit for a branch. `last` remembers what was
    /// found out of an object.
    pub(super) fn check_value(
        &self,
        edit: &RefEdit,
        landing: &RefName,
        objects: Option<&dyn Objects>,
        last: &Cell<Option<(ObjectId, Option<Kind>)>>,
    ) -> Result<(), CommitError> {
        let invalid = |reason: String| Err(CommitError::Invalid { name: edit.name.clone(), reason });
        match &edit.change {
            Change::Update { target: Target::Id(id), .. } => {
                if id.is_null() {
                    return invalid("the null id is no value".to_owned());
                }
                if id.format() != self.format {
                    return invalid(format!("{id} is not an id of format {}", self.format));
                }
                let Some(objects) = objects else { return Ok(()) };
                // Many refs may get one value.
                let kind = match last.get() {
                    Some((known, kind)) if known == *id => kind,
                    _ => objects.header(id)?.map(|header| header.kind),
                };
                last.set(Some((*id, kind)));
                match kind {
                    None => invalid(format!("trying to write ref '{landing}' with nonexistent object {id}")),
                    Some(kind) if landing.is_branch() && kind != Kind::Commit => {
                        invalid(format!("trying to write non-commit object {id} to branch '{landing}'"))
                    }
                    Some(_) => Ok(()),
                }
            }
            Change::Update { target: Target::Symbolic(to), .. } => {
                if *to == *landing || (landing.is_head() && to.is_root()) {
                    return invalid(format!("refusing to point '{landing}' at '{to}'"));
                }
                Ok(())
            }
            Change::Delete { .. } | Change::Verify => Ok(()),
        }
    }
}
