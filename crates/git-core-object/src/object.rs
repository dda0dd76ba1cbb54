//! Any of the four kinds of object, borrowed or owned.

use crate::{
    Blob, CollisionDetected, Commit, CommitRef, DecodeError, Kind, ObjectFormat, ObjectId, Tag, TagRef, Tree,
    TreeRef,
};

/// An object as it stands, taken apart according to its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectRef<'a> {
    /// A commit.
    Commit(CommitRef<'a>),
    /// A tree; its entries are read when they are asked for.
    Tree(TreeRef<'a>),
    /// A blob.
    Blob(&'a [u8]),
    /// A tag.
    Tag(TagRef<'a>),
}

/// An object to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A commit.
    Commit(Commit),
    /// A tree.
    Tree(Tree),
    /// A blob.
    Blob(Blob),
    /// A tag.
    Tag(Tag),
}

impl<'a> ObjectRef<'a> {
    /// Takes the content of an object apart.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not content of that kind.
    pub fn parse(format: ObjectFormat, kind: Kind, content: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(match kind {
            Kind::Commit => ObjectRef::Commit(CommitRef::parse(format, content)?),
            Kind::Tree => ObjectRef::Tree(TreeRef::new(format, content)),
            Kind::Blob => ObjectRef::Blob(content),
            Kind::Tag => ObjectRef::Tag(TagRef::parse(format, content)?),
        })
    }

    /// What the object is.
    pub const fn kind(&self) -> Kind {
        match self {
            ObjectRef::Commit(_) => Kind::Commit,
            ObjectRef::Tree(_) => Kind::Tree,
            ObjectRef::Blob(_) => Kind::Blob,
            ObjectRef::Tag(_) => Kind::Tag,
        }
    }

    /// The content it was read from.
    pub fn raw(&self) -> &'a [u8] {
        match self {
            ObjectRef::Commit(commit) => commit.raw(),
            ObjectRef::Tree(tree) => tree.raw(),
            ObjectRef::Blob(data) => data,
            ObjectRef::Tag(tag) => tag.raw(),
        }
    }

    /// The same, owned.
    ///
    /// # Errors
    /// [`DecodeError`] when it is a tree whose entries cannot be read.
    pub fn to_owned(&self) -> Result<Object, DecodeError> {
        Ok(match self {
            ObjectRef::Commit(commit) => Object::Commit(commit.to_owned()),
            ObjectRef::Tree(tree) => Object::Tree(tree.to_owned()?),
            ObjectRef::Blob(data) => Object::Blob(Blob::from_bytes(*data)),
            ObjectRef::Tag(tag) => Object::Tag(tag.to_owned()),
        })
    }
}

impl Object {
    /// What the object is.
    pub const fn kind(&self) -> Kind {
        match self {
            Object::Commit(_) => Kind::Commit,
            Object::Tree(_) => Kind::Tree,
            Object::Blob(_) => Kind::Blob,
            Object::Tag(_) => Kind::Tag,
        }
    }

    /// Appends the content of the object to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Object::Commit(commit) => commit.encode(out),
            Object::Tree(tree) => tree.encode(out),
            Object::Blob(blob) => out.extend_from_slice(&blob.data),
            Object::Tag(tag) => tag.encode(out),
        }
    }

    /// The content of the object.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }

    /// The id of the object as it is now. Objects other than blobs hold ids, and must be asked for the format
    /// of those.
    ///
    /// # Errors
    /// [`CollisionDetected`] when the content bears the marks of a SHA-1 collision attack.
    pub fn id(&self, format: ObjectFormat) -> Result<ObjectId, CollisionDetected> {
        ObjectId::hash(format, self.kind(), &self.to_bytes())
    }
}

impl From<Commit> for Object {
    fn from(commit: Commit) -> Self {
        Object::Commit(commit)
    }
}

impl From<Tree> for Object {
    fn from(tree: Tree) -> Self {
        Object::Tree(tree)
    }
}

impl From<Blob> for Object {
    fn from(blob: Blob) -> Self {
        Object::Blob(blob)
    }
}

impl From<Tag> for Object {
    fn from(tag: Tag) -> Self {
        Object::Tag(tag)
    }
}
