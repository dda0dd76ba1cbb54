//! A repository: a handle on its storage, with what its configuration says.

mod graph;
mod maintenance;
mod objects;
mod open;
mod promised;
mod refs;
mod seen;

pub use graph::GraphError;
pub use objects::{FindError, ObjectWriter, Storable};
pub(crate) use open::now;
pub use open::{Environment, InitKind, InitOptions, OpenError, Template};
pub use promised::Links;
pub use refs::{RefError, Refs};
pub use seen::{ReplaceRefs, Seen};

use crate::hooks::HookPrograms;
use crate::server::Namespace;
use bstr::BString;
use git_core_object::{Ident, ObjectFormat, ReadError};
use git_core_store::config::Config;
use git_core_store::fs::FsStorage;
use git_core_store::fs::layout::Layout;
use git_core_store::memory::{MemoryOptions, MemoryStorage};
use git_core_store::{Promisor, Snapshot, Storage};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A repository on a disk, in memory, or wherever a [`Storage`] keeps it. Cheap to clone; clones are the same
/// repository.
#[derive(Clone)]
pub struct Repository {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    storage: Arc<dyn Storage>,
    /// The same storage, where it is files.
    files: Option<FsStorage>,
    layout: Option<Layout>,
    config: Config,
    committer: Option<Ident>,
    replace: ReplaceRefs,
    hooks: Option<HookPrograms>,
    namespace: Namespace,
    /// Who is asked for what a partial clone lacks.
    promisor: Option<Arc<dyn Promisor>>,
}

const _: () = {
    const fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<Repository>();
};

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository").field("git_dir", &self.git_dir()).finish_non_exhaustive()
    }
}

impl Repository {
    /// An empty repository in memory, with `HEAD` on `master`, which is yet to be born, as on a disk.
    pub fn in_memory(format: ObjectFormat) -> Self {
        let mut options = MemoryOptions::default();
        options.format = format;
        options.head = InitOptions::default().head;
        Self::from_storage(Arc::new(MemoryStorage::new(options)))
    }

    /// A repository over any storage, without configuration.
    pub fn from_storage(storage: Arc<dyn Storage>) -> Self {
        Self::assemble(storage, Config::default())
    }

    fn assemble(storage: Arc<dyn Storage>, config: Config) -> Self {
        Self::of(Inner {
            storage,
            files: None,
            layout: None,
            config,
            committer: None,
            replace: ReplaceRefs::default(),
            hooks: None,
            namespace: Namespace::default(),
            promisor: None,
        })
    }

    fn on_files(storage: FsStorage, layout: Layout, config: Config, hooks: Option<HookPrograms>) -> Self {
        let files = Some(storage.clone());
        let repository = Self::assemble(Arc::new(storage), config);
        repository.changed(|inner| (inner.files, inner.layout, inner.hooks) = (files, Some(layout), hooks))
    }

    fn of(inner: Inner) -> Self {
        Repository { inner: Arc::new(inner) }
    }

    /// The same repository with something about this handle changed.
    fn changed(&self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = (*self.inner).clone();
        change(&mut inner);
        Self::of(inner)
    }

    /// The same repository, with somebody who stands in reflogs for what is done through this handle.
    #[must_use]
    pub fn with_committer(&self, committer: Ident) -> Self {
        self.changed(|inner| inner.committer = Some(committer))
    }

    /// The same repository under another configuration.
    #[must_use]
    pub fn with_config(&self, config: Config) -> Self {
        self.changed(|inner| inner.config = config)
    }

    /// The hash function that names its objects.
    pub fn format(&self) -> ObjectFormat {
        self.inner.storage.format()
    }

    /// What keeps it.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.inner.storage
    }

    /// Its present state.
    ///
    /// # Errors
    /// [`ReadError`] when the storage cannot be read.
    pub fn snapshot(&self) -> Result<Arc<dyn Snapshot>, ReadError> {
        self.inner.storage.snapshot()
    }

    /// Where its parts lie, if it is on a disk.
    pub fn layout(&self) -> Option<&Layout> {
        self.inner.layout.as_ref()
    }

    /// The directory that holds `HEAD`, if it is on a disk.
    pub fn git_dir(&self) -> Option<&Path> {
        self.layout().map(|layout| layout.git_dir.as_path())
    }

    /// The working tree, if it has one.
    pub fn work_tree(&self) -> Option<&Path> {
        self.layout().and_then(|layout| layout.work_tree.as_deref())
    }

    /// The same repository, of which this part is served.
    #[must_use]
    pub fn with_namespace(&self, namespace: Namespace) -> Self {
        self.changed(|inner| inner.namespace = namespace)
    }

    /// The part of it that is served; everything, unless a namespace was given.
    pub fn namespace(&self) -> &Namespace {
        &self.inner.namespace
    }

    /// Its hooks that are programs, if it was opened to run them.
    pub fn hooks(&self) -> Option<&HookPrograms> {
        self.inner.hooks.as_ref()
    }

    /// Its configuration, over all scopes that were read when it was opened.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Who stands in reflogs, with the present time: what [`with_committer`](Self::with_committer) said, or
    /// `user.name` and `user.email`; `None` when neither says it.
    pub fn committer_line(&self) -> Option<BString> {
        let committer = match &self.inner.committer {
            Some(committer) => committer.at(committer.time()),
            None => open::configured_committer(&self.inner.config)?,
        };
        Some(committer.to_line())
    }
}
