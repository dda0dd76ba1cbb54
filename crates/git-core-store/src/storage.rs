//! The seam between the engine and whatever keeps a repository: a disk, memory, a bucket.
//!
//! [`Storage`] hands out [`Snapshot`]s to read from and [`Quarantine`]s to receive into, and makes what was
//! received visible together with the refs that need it, in one call. All three are object-safe and blocking.
//! Every implementation passes the suite in [`conformance`](crate::conformance).

use crate::object_reader::{HeldObject, ObjectReader};
use crate::{CommitError, ReceiveError, StoredBitmap};
use git_core_idx::SharedBytes;
use git_core_idx::graph::CommitGraph;
use git_core_idx::midx::MidxFile;
use git_core_object::{
    BoxError, Context, Header, IdPrefix, Kind, ObjectFormat, ObjectId, Objects, ReadError,
};
use git_core_pack::Pack;
use git_core_ref::{RefName, RefTransaction, ReflogLine, Target};
use std::any::Any;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// A repository's objects and refs, wherever they are kept.
pub trait Storage: Send + Sync {
    /// The hash function that names the repository's objects.
    fn format(&self) -> ObjectFormat;

    /// The present state, packs and refs together. Later changes do not show in it, except that objects which
    /// arrive later may be found.
    ///
    /// # Errors
    /// [`ReadError`] when the storage cannot be read.
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, ReadError>;

    /// Opens a place for objects that nobody sees until they are committed. Dropping it discards them.
    ///
    /// # Errors
    /// [`ReceiveError`] when the place cannot be made.
    fn receive(&self, base: &Arc<dyn Snapshot>) -> Result<Box<dyn Quarantine>, ReceiveError>;

    /// Publishes what the quarantines hold, flushes it, then edits the refs.
    ///
    /// A transaction that is atomic happens whole or not at all. One that is not is a list of edits that each
    /// happen or are listed in [`Committed::rejected`]. Objects are published when at least one edit happened
    /// or when there are no edits.
    ///
    /// # Errors
    /// [`CommitError`]; nothing is visible then, except as [`CommitError::OutcomeUnknown`] says.
    fn commit(
        &self,
        received: Vec<Box<dyn Quarantine>>,
        refs: &RefTransaction,
        cx: &Context,
    ) -> Result<Committed, CommitError>;
}

/// What a commit left behind.
pub struct Committed {
    /// The state after it.
    pub snapshot: Arc<dyn Snapshot>,
    /// The edits of a transaction that was not atomic which did not happen: index of the edit, and why.
    pub rejected: Vec<(usize, CommitError)>,
}

/// One state of a repository.
pub trait Snapshot: Objects {
    /// The raw value of a ref: an id, or the name of another ref. `HEAD` and other pseudo-refs included.
    ///
    /// # Errors
    /// [`ReadError`] when it is there and cannot be read.
    fn find_ref(&self, name: &RefName) -> Result<Option<Reference>, ReadError>;

    /// Visits every ref below `refs/` whose name begins with `prefix` (`b"refs/heads/"`, or `b""` for all), in
    /// the order of the names' bytes.
    ///
    /// # Errors
    /// [`ReadError`] when a ref cannot be read.
    fn for_each_ref(
        &self,
        prefix: &[u8],
        visit: &mut dyn FnMut(Reference) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.for_each_ref_after(prefix, None, visit)
    }

    /// As [`for_each_ref`](Self::for_each_ref), but only those whose names sort behind `after`: so a long list is
    /// gone through in pieces, each of which is found without visiting what comes before it.
    ///
    /// # Errors
    /// [`ReadError`] when a ref cannot be read.
    fn for_each_ref_after(
        &self,
        prefix: &[u8],
        after: Option<&RefName>,
        visit: &mut dyn FnMut(Reference) -> ControlFlow<()>,
    ) -> Result<(), ReadError>;

    /// Visits the reflog of a ref from the newest entry to the oldest; visits nothing when there is none.
    ///
    /// # Errors
    /// [`ReadError`] when the log cannot be read.
    fn for_each_reflog_entry(
        &self,
        name: &RefName,
        visit: &mut dyn FnMut(ReflogLine<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError>;

    /// The packs, for whoever copies entries from them. Their order is the order of search.
    fn packs(&self) -> &[Arc<StoredPack>];

    /// The multi-pack indexes that are in use, for whoever needs their order of objects. Lookups use them without
    /// being asked.
    fn multi_pack_indexes(&self) -> &[Arc<StoredMidx>] {
        &[]
    }

    /// Where the object is packed: an index into [`packs`](Self::packs), and its offset there. `None` for
    /// loose objects and those that come from elsewhere.
    ///
    /// # Errors
    /// [`ReadError`] when an index is damaged.
    fn locate(&self, id: &ObjectId) -> Result<Option<Location>, ReadError>;

    /// Appends the ids that begin with `prefix`, each once, sorted; stops after `limit` of them.
    ///
    /// # Errors
    /// [`ReadError`] when the storage cannot be read.
    fn find_prefix(
        &self,
        prefix: &IdPrefix,
        limit: usize,
        found: &mut Vec<ObjectId>,
    ) -> Result<(), ReadError>;

    /// Visits the id of every object that is stored, in no order; an id may come more than once.
    ///
    /// # Errors
    /// [`ReadError`] when the storage cannot be read.
    fn for_each_id(&self, visit: &mut dyn FnMut(ObjectId) -> ControlFlow<()>) -> Result<(), ReadError>;

    /// Hands out the content of an object piece by piece, with its kind and size, until `sink` breaks: for
    /// objects that should not be held in memory. An empty object may come as one empty piece or none.
    ///
    /// # Errors
    /// [`ReadError`] when the object is there and cannot be read, which may show after some pieces.
    fn stream(
        &self,
        id: &ObjectId,
        sink: &mut dyn FnMut(Header, &[u8]) -> ControlFlow<()>,
    ) -> Result<Option<Header>, ReadError> {
        let mut content = Vec::new();
        let Some(kind) = self.read(id, &mut content)? else { return Ok(None) };
        let header = Header { kind, size: content.len() as u64 };
        let _ = sink(header, &content);
        Ok(Some(header))
    }

    /// Opens an object to be read piece by piece as the reader asks for it; `None` when it is not there. What the
    /// storage cannot read so is held in memory.
    ///
    /// # Errors
    /// [`ReadError`] when the object is there and cannot be read.
    fn open_object(&self, id: &ObjectId) -> Result<Option<Box<dyn ObjectReader>>, ReadError> {
        let mut content = Vec::new();
        Ok(self.read(id, &mut content)?.map(|kind| HeldObject::boxed(kind, content)))
    }

    /// The commit-graph, if there is one that tells of the history as it is to be seen: what it says of a commit
    /// is what the commit says. Commits that came later are not in it.
    fn commit_graph(&self) -> Option<Arc<CommitGraph<SharedBytes>>> {
        None
    }

    /// Whether some objects are to be read as others: there are grafts or replacements.
    fn alters_history(&self) -> bool {
        false
    }

    /// The reachability bitmap, where there is one. Its packs are among [`packs`](Self::packs), and it holds for
    /// the history as this snapshot shows it.
    fn bitmap(&self) -> Option<Arc<StoredBitmap>> {
        None
    }

    /// The commits whose parents the repository does not have, sorted; empty unless it is shallow.
    fn shallow(&self) -> &[ObjectId];
}

/// A ref as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its full name.
    pub name: RefName,
    /// What it holds.
    pub target: Target,
    /// What the annotated tag it points to peels to, where the storage happens to know: `None` means unknown,
    /// `Some(None)` that its object is no tag.
    pub peeled: Option<Option<ObjectId>>,
}

/// A pack of a snapshot.
pub struct StoredPack {
    /// The pack, ready to be read.
    pub pack: Arc<Pack>,
    /// What it is called, for messages: a path on a disk.
    pub name: String,
    /// Whether a `.keep` file asks maintenance to leave it alone.
    pub kept: bool,
    /// Whether it came from a promisor remote.
    pub promisor: bool,
    /// Whether it belongs to the repository itself rather than to an alternate.
    pub local: bool,
}

/// The multi-pack index of some packs of a snapshot.
#[derive(Debug)]
pub struct StoredMidx {
    /// The index, ready to be searched.
    pub midx: MidxFile<SharedBytes>,
    /// For each of its packs an index into [`Snapshot::packs`]; `None` for one that is not there or has other
    /// content by now.
    pub packs: Vec<Option<u32>>,
    /// What it is called, for messages: a path on a disk.
    pub name: String,
    /// Whether it belongs to the repository itself rather than to an alternate.
    pub local: bool,
}

/// Where an object is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Index into [`Snapshot::packs`].
    pub pack: u32,
    /// Offset of the entry in that pack.
    pub offset: git_core_idx::PackOffset,
}

/// Objects on their way in, seen by nobody else.
pub trait Quarantine: Send {
    /// Adds one object and gives its id. One that the repository has already is not stored again.
    ///
    /// # Errors
    /// [`ReceiveError`] when it cannot be stored, or bears the marks of a collision attack.
    fn write(&mut self, kind: Kind, content: &[u8]) -> Result<ObjectId, ReceiveError>;

    /// Announces a pack; its bytes follow through [`feed`](Self::feed). Its
    /// [`observer`](PackOptions::observer) sees the content of every object of the pack.
    ///
    /// # Errors
    /// [`ReceiveError`] when one is being received already, or it cannot be stored.
    fn begin_pack(&mut self, options: &PackOptions) -> Result<(), ReceiveError>;

    /// Takes the next bytes of the pack and says how many of them belong to it: fewer than given means that
    /// the pack has ended.
    ///
    /// # Errors
    /// [`ReceiveError`] when they are not a pack, or a limit is met.
    fn feed(&mut self, bytes: &[u8], cx: &Context) -> Result<usize, ReceiveError>;

    /// Whether the trailer of the pack has been fed, so that nothing more belongs to it.
    fn is_complete(&self) -> bool;

    /// Resolves the deltas of the pack and indexes it.
    ///
    /// # Errors
    /// [`ReceiveError`] when the pack is incomplete or damaged, or the observer refuses an object; nothing of
    /// the pack is left then.
    fn finish_pack(&mut self, cx: &Context) -> Result<PackReceived, ReceiveError>;

    /// Says at which commits the history ends once this is committed, in the place of those at which it ended when
    /// this was opened. The commit is refused when others have been there first.
    fn set_shallow(&mut self, shallow: Vec<ObjectId>);

    /// What the repository will hold: its packs and those received, its other objects and those received;
    /// the refs are still those of the snapshot that this was opened with.
    ///
    /// # Errors
    /// [`ReadError`] when what was received cannot be read back.
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, ReadError>;

    /// The directory the objects wait in, where there is one: what `GIT_QUARANTINE_PATH` tells hooks.
    fn path(&self) -> Option<&Path>;

    /// Itself, for the storage that made it and takes it back in [`Storage::commit`].
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

/// Sees every object of a received pack while it comes in and its deltas are resolved, from any thread and in
/// any order.
///
/// Blobs of more than a few MiB are hashed while they stream in and shown without content.
pub trait ObjectObserver: Send + Sync {
    /// An object was received.
    ///
    /// # Errors
    /// Any error refuses the pack.
    fn object(&self, id: &ObjectId, kind: Kind, content: Option<&[u8]>) -> Result<(), BoxError>;
}

/// How a pack is taken in.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct PackOptions {
    /// Packs of fewer objects than this are stored object by object (`transfer.unpackLimit`); 0 keeps all packs.
    pub unpack_below: u64,
    /// Whether bases that a thin pack leaves out are taken from the repository and added to the pack.
    pub thin: Thin,
    /// The text of a `.keep` file to store beside the pack, which protects it from maintenance until somebody
    /// removes it. Until its refs are there, a pack is protected without it.
    pub keep: Option<String>,
    /// Whether the pack comes from a promisor remote; the text goes into its `.promisor` file.
    pub promisor: Option<String>,
    /// Sees every object, and may refuse it.
    pub observer: Option<Arc<dyn ObjectObserver>>,
}

impl std::fmt::Debug for PackOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackOptions")
            .field("unpack_below", &self.unpack_below)
            .field("thin", &self.thin)
            .field("keep", &self.keep)
            .field("promisor", &self.promisor)
            .field("observer", &self.observer.is_some())
            .finish()
    }
}

/// What happens to deltas whose base is not in the pack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Thin {
    /// Their bases are added from the repository.
    #[default]
    Complete,
    /// They are an error.
    Refuse,
}

/// A pack that was taken in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PackReceived {
    /// The checksum that the pack ends in, after it was completed: packs are named by it.
    pub checksum: ObjectId,
    /// Objects in it, without those added to complete it.
    pub objects: u64,
    /// Bytes in it.
    pub bytes: u64,
    /// Where it lies now, if it was stored as a pack on a disk.
    pub path: Option<std::path::PathBuf>,
}

impl PackReceived {
    /// A pack of so many objects and bytes that now ends in this checksum.
    pub fn new(checksum: ObjectId, objects: u64, bytes: u64) -> Self {
        PackReceived { checksum, objects, bytes, path: None }
    }
}
