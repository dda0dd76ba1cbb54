//! Objects of a repository: written one by one or many at once, read whole.

use super::Repository;
use git_core_diff as diff;
use git_core_object::{
    Blob, Commit, Context, DecodeError, ErrorKind, Kind, Object, ObjectId, ObjectRef, Objects as _,
    ReadError, Tag, Tree,
};
use git_core_ref::RefTransaction;
use git_core_store::revision::{self, RevisionError};
use git_core_store::{CommitError, Quarantine, ReceiveError};
use std::ops::ControlFlow;

/// Something that can be stored as an object.
pub trait Storable {
    /// What it is stored as.
    fn kind(&self) -> Kind;
    /// Appends the content of the object to `out`.
    fn encode(&self, out: &mut Vec<u8>);
}

macro_rules! storable {
    ($($ty:ty => $kind:expr, |$this:ident, $out:ident| $encode:expr;)*) => {$(
        impl Storable for $ty {
            fn kind(&self) -> Kind {
                let $this = self;
                let _ = $this;
                $kind
            }
            fn encode(&self, $out: &mut Vec<u8>) {
                let $this = self;
                $encode
            }
        }
    )*};
}

storable! {
    Blob => Kind::Blob, |this, out| out.extend_from_slice(&this.data);
    Tree => Kind::Tree, |this, out| this.encode(out);
    Commit => Kind::Commit, |this, out| this.encode(out);
    Tag => Kind::Tag, |this, out| this.encode(out);
    Object => this.kind(), |this, out| this.encode(out);
}

/// Why an object could not be taken from a repository as what it was expected to be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// Nothing of that name, or several things.
    #[error(transparent)]
    Revision(#[from] RevisionError),
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its content is not what its kind demands.
    #[error("object {id} is malformed")]
    Decode {
        /// The object.
        id: ObjectId,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
}

impl FindError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            FindError::Revision(error) => error.kind(),
            FindError::Read(error) => error.kind(),
            FindError::Decode { .. } => ErrorKind::Corrupt,
        }
    }
}

impl Repository {
    /// Stores one object and gives its id. For more than a few, [`writer`](Self::writer) is faster.
    ///
    /// # Errors
    /// [`CommitError`] when it could not be stored.
    pub fn write(&self, object: &(impl Storable + ?Sized)) -> Result<ObjectId, CommitError> {
        let mut writer = self.writer()?;
        let id = writer.add(object)?;
        writer.finish()?;
        Ok(id)
    }

    /// Begins to store many objects; they are there, all at once, when it is [finished](ObjectWriter::finish).
    ///
    /// # Errors
    /// [`CommitError`] when the storage takes none.
    pub fn writer(&self) -> Result<ObjectWriter, CommitError> {
        let quarantine = self.storage().receive(&self.snapshot()?)?;
        Ok(ObjectWriter { repository: self.clone(), quarantine, buf: Vec::new() })
    }

    /// The object of this id, taken apart by its kind.
    ///
    /// # Errors
    /// [`FindError`] when it is not there or damaged.
    pub fn object(&self, id: &ObjectId) -> Result<Object, FindError> {
        let mut content = Vec::new();
        let kind = self.snapshot()?.require(id, &mut content)?;
        ObjectRef::parse(id.format(), kind, &content)
            .and_then(|object| object.to_owned())
            .map_err(|source| FindError::Decode { id: *id, source })
    }

    /// The id that a revision such as `HEAD~2`, `v1.0^{commit}` or `main:src/lib.rs` names.
    ///
    /// # Errors
    /// [`RevisionError`] when it names nothing.
    pub fn resolve(&self, revision: impl AsRef<[u8]>) -> Result<ObjectId, RevisionError> {
        revision::resolve(&*self.snapshot()?, revision.as_ref())
    }

    /// The difference of two trees (or of a tree and none) as a patch, as `git diff-tree -r -p` prints it.
    ///
    /// # Errors
    /// [`diff::DiffError`] when an object cannot be read.
    pub fn patch(&self, old: Option<ObjectId>, new: Option<ObjectId>) -> Result<Vec<u8>, diff::DiffError> {
        let snapshot = self.snapshot()?;
        let (cx, mut out) = (Context::new(), Vec::new());
        let mut writer = diff::PatchWriter::new(&*snapshot, diff::PatchOptions::default());
        let options = diff::TreeOptions::recursive();
        diff::diff_trees(&*snapshot, old.as_ref(), new.as_ref(), &options, &cx, &mut |change| {
            writer.write(change, &cx, &mut out)?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(out)
    }
}

/// Stores many objects at once.
pub struct ObjectWriter {
    repository: Repository,
    quarantine: Box<dyn Quarantine>,
    buf: Vec<u8>,
}

impl ObjectWriter {
    /// Adds an object and gives its id.
    ///
    /// # Errors
    /// [`ReceiveError`] when it could not be stored.
    pub fn add(&mut self, object: &(impl Storable + ?Sized)) -> Result<ObjectId, ReceiveError> {
        self.buf.clear();
        object.encode(&mut self.buf);
        self.quarantine.write(object.kind(), &self.buf)
    }

    /// Makes the objects visible, and safe on the disk.
    ///
    /// # Errors
    /// [`CommitError`] when they could not be; then none is visible.
    pub fn finish(self) -> Result<(), CommitError> {
        self.finish_with(&RefTransaction::new())
    }

    /// Makes the objects visible together with an edit of refs.
    ///
    /// # Errors
    /// [`CommitError`] when either could not be done.
    pub fn finish_with(self, refs: &RefTransaction) -> Result<(), CommitError> {
        self.repository.storage().commit(vec![self.quarantine], refs, &Context::new()).map(drop)
    }
}
