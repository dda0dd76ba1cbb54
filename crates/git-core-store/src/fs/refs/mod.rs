//! Refs as files: loose refs, `packed-refs`, reflogs, and transactions under git's own locks.
//!
//! [`FilesRefs`] is the live state: every call looks at the disk. [`RefsSnapshot`] is one state of it, all loose
//! refs read once. What refs and packed-refs look like in bytes is `git-core-ref`'s; which objects exist is
//! asked of an [`Objects`].

mod batch;
mod edit;
mod expire;
mod finish;
mod hook;
mod loose;
mod pack;
mod packed;
mod place;
mod reflog;
mod rename;
mod snapshot;
mod transaction;

pub use hook::{HookedEdit, RefsHook, TransactionPhase};
pub use pack::{PackRefsError, PackRefsOptions, PackRefsReport, PackSelect, PackWhen, PackedFiles};
pub use snapshot::RefsSnapshot;
pub use transaction::{Mode, Occasion, PreparedRefs, RefsCommit};

use crate::Reference;
use crate::config::{Config, ConfigError};
use crate::fs::sys::Disk;
use git_core_object::{Context, ObjectFormat, ObjectId, Objects, ReadError};
use git_core_ref::{RefName, RefTransaction, ReflogLine, Target};
use loose::Loose;
use packed::PackedCache;
use place::Places;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How many symbolic refs may follow one another.
pub const SYMREF_DEPTH: usize = 5;

/// How refs are written. [`Default`] is what git does in a bare repository without configuration.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RefsOptions {
    /// How long to wait for the lock of one ref (`core.filesRefLockTimeout`, 100 ms).
    pub lock_wait: Duration,
    /// How long to wait for the lock of `packed-refs` (`core.packedRefsTimeout`, 1 s).
    pub packed_lock_wait: Duration,
    /// Which refs get a reflog (`core.logAllRefUpdates`).
    pub logs: LogUpdates,
    /// From this many new refs in one transaction on, they go straight into `packed-refs`: one file is written
    /// and flushed instead of thousands.
    pub pack_from: usize,
    /// Is told of every transaction, and may refuse it.
    pub hook: Option<Arc<dyn RefsHook>>,
}

impl Default for RefsOptions {
    fn default() -> Self {
        RefsOptions {
            lock_wait: Duration::from_millis(100),
            packed_lock_wait: Duration::from_secs(1),
            logs: LogUpdates::Existing,
            pack_from: 256,
            hook: None,
        }
    }
}

impl RefsOptions {
    /// What the configuration says; `bare` repositories log nothing by default.
    ///
    /// # Errors
    /// [`ConfigError`] when a variable has a value that makes no sense.
    pub fn from_config(config: &Config, kind: crate::fs::init::Kind) -> Result<Self, ConfigError> {
        let defaults = Self::default();
        let wait = |key: &str, default: Duration| {
            Ok::<_, ConfigError>(match config.int(key)? {
                None => default,
                // As good as without an end.
                Some(..0) => Duration::from_secs(1 << 30),
                Some(millis) => {
                    Duration::from_millis(millis.unsigned_abs()).min(Duration::from_secs(1 << 30))
                }
            })
        };
        let logs = match config.get("core.logAllRefUpdates") {
            None if kind == crate::fs::init::Kind::Bare => LogUpdates::Existing,
            None => LogUpdates::Usual,
            Some(entry) if entry.value().text().is_some_and(|text| text.eq_ignore_ascii_case(b"always")) => {
                LogUpdates::Always
            }
            Some(entry) if entry.to_bool()? => LogUpdates::Usual,
            Some(_) => LogUpdates::Existing,
        };
        Ok(RefsOptions {
            lock_wait: wait("core.filesRefLockTimeout", defaults.lock_wait)?,
            packed_lock_wait: wait("core.packedRefsTimeout", defaults.packed_lock_wait)?,
            logs,
            ..defaults
        })
    }
}

/// Which refs get a reflog (`core.logAllRefUpdates`). A reflog that is there is always continued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogUpdates {
    /// No new reflogs: `false`, and the default of a bare repository.
    #[default]
    Existing,
    /// `HEAD`, branches, remote-tracking refs and notes: `true`, and the default with a working tree.
    Usual,
    /// `HEAD` and everything below `refs/`: `always`.
    Always,
}

/// The refs of one repository, kept as files. Cheap to clone; clones share what they remember.
#[derive(Clone, Debug)]
pub struct FilesRefs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    places: Places,
    format: ObjectFormat,
    disk: Arc<dyn Disk>,
    options: RefsOptions,
    packed: PackedCache,
}

impl FilesRefs {
    /// The refs of the repository at `git_dir`, whose shared files lie in `common_dir`: the same directory
    /// unless it is a linked working tree. Nothing is read yet.
    pub fn new(
        git_dir: impl Into<PathBuf>,
        common_dir: impl Into<PathBuf>,
        format: ObjectFormat,
        disk: Arc<dyn Disk>,
        options: RefsOptions,
    ) -> Self {
        let places = Places { git_dir: git_dir.into(), common_dir: common_dir.into() };
        let packed = PackedCache::new(places.packed(), format);
        FilesRefs { shared: Arc::new(Shared { places, format, disk, options, packed }) }
    }

    /// The hash function of the ids that the refs hold.
    pub fn format(&self) -> ObjectFormat {
        self.shared.format
    }

    /// The directory of `HEAD` and of what else belongs to one working tree.
    pub fn git_dir(&self) -> &Path {
        &self.shared.places.git_dir
    }

    /// The directory of everything shared.
    pub fn common_dir(&self) -> &Path {
        &self.shared.places.common_dir
    }

    /// How refs are written.
    pub fn options(&self) -> &RefsOptions {
        &self.shared.options
    }

    /// The raw value of a ref at this moment: the loose one, otherwise the packed one. Root refs included.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] when the ref's file holds no value, [`ReadError::Unavailable`] when it cannot be
    /// read.
    pub fn find(&self, name: &RefName) -> Result<Option<Reference>, ReadError> {
        match self.shared.read_loose(name)? {
            Loose::Found(target) => Ok(Some(Reference { name: name.clone(), target, peeled: None })),
            Loose::Broken(why) => Err(broken(name, &why)),
            Loose::Missing | Loose::Directory if name.is_root() => Ok(None),
            // Asked for after the loose one: whoever packs a ref writes it there before removing the file.
            Loose::Missing | Loose::Directory => self.shared.packed.current()?.find(name),
        }
    }

    /// Follows symbolic refs from `name` to the end: the last name, and its id if there is such a ref.
    ///
    /// # Errors
    /// As [`find`](Self::find); [`ReadError::Corrupt`] when more than [`SYMREF_DEPTH`] follow one another.
    pub fn resolve(&self, name: &RefName) -> Result<(RefName, Option<ObjectId>), ReadError> {
        resolve(name, &mut |name| Ok(self.find(name)?.map(|found| found.target)))
    }

    /// All refs as they are now: every loose ref is read, `packed-refs` after them.
    ///
    /// # Errors
    /// As [`find`](Self::find), except that broken refs are left out with a warning, as git does it.
    pub fn snapshot(&self) -> Result<RefsSnapshot, ReadError> {
        RefsSnapshot::take(self.clone())
    }

    /// Visits every ref below `refs/` whose name begins with `prefix`, in the order of the names' bytes, as
    /// they are now. Broken refs are left out with a warning.
    ///
    /// # Errors
    /// [`ReadError`] when a directory, a file or `packed-refs` cannot be read.
    pub fn for_each(
        &self,
        prefix: &[u8],
        visit: &mut dyn FnMut(Reference) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let loose = loose::collect(&self.shared.places, prefix, self.shared.format)?;
        let packed = self.shared.packed.current()?;
        snapshot::merge(&loose, &packed, prefix, None, visit)
    }

    /// Visits the reflog of a ref from the newest entry to the oldest, in memory that does not grow with it;
    /// visits nothing when there is none.
    ///
    /// # Errors
    /// [`ReadError`] when the log cannot be read.
    pub fn for_each_reflog_entry(
        &self,
        name: &RefName,
        visit: &mut dyn FnMut(ReflogLine<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        reflog::read_backwards(&self.shared.places.log(name), self.shared.format, visit)
    }

    /// The names of all refs that have a reflog, in no order; refs that are gone may have left theirs.
    ///
    /// # Errors
    /// [`ReadError`] when a directory cannot be read.
    pub fn reflogs(&self) -> Result<Vec<RefName>, ReadError> {
        reflog::list(&self.shared.places)
    }

    /// Takes the locks that a transaction needs and checks what it expects; nothing is visible yet. Dropping
    /// the result gives everything up.
    ///
    /// With `objects`, new values must be objects that exist, and commits for branches. Without, nothing is
    /// known of them.
    ///
    /// # Errors
    /// [`CommitError`](crate::CommitError) when nothing of the transaction can happen.
    pub fn prepare<'a>(
        &'a self,
        transaction: &'a RefTransaction,
        objects: Option<&'a dyn Objects>,
        how: &RefsCommit,
        cx: &'a Context,
    ) -> Result<PreparedRefs<'a>, crate::CommitError> {
        PreparedRefs::prepare(&self.shared, transaction, objects, how, cx)
    }

    /// [`prepare`](Self::prepare) and commit at once. Gives the edits that did not happen, with
    /// [`Mode::Each`] only: index of the edit, and why.
    ///
    /// # Errors
    /// [`CommitError`](crate::CommitError); nothing has changed then, except as
    /// [`OutcomeUnknown`](crate::CommitError::OutcomeUnknown) says.
    pub fn commit(
        &self,
        transaction: &RefTransaction,
        objects: Option<&dyn Objects>,
        how: &RefsCommit,
        cx: &Context,
    ) -> Result<Vec<(usize, crate::CommitError)>, crate::CommitError> {
        PreparedRefs::prepare(&self.shared, transaction, objects, how, cx)?.commit()
    }
}

impl Shared {
    fn read_loose(&self, name: &RefName) -> Result<Loose, ReadError> {
        loose::read(&self.places.loose(name), self.format)
    }

    /// The raw value, with `packed` in place of a look at the file.
    fn find_target(&self, name: &RefName) -> Result<Option<Target>, ReadError> {
        match self.read_loose(name)? {
            Loose::Found(target) => Ok(Some(target)),
            Loose::Broken(why) => Err(broken(name, &why)),
            Loose::Missing | Loose::Directory if name.is_root() => Ok(None),
            Loose::Missing | Loose::Directory => {
                Ok(self.packed.current()?.find(name)?.map(|found| found.target))
            }
        }
    }

    fn resolve_id(&self, target: &Target) -> Result<Option<ObjectId>, ReadError> {
        match target {
            Target::Id(id) => Ok(Some(*id)),
            Target::Symbolic(name) => Ok(resolve(name, &mut |name| self.find_target(name))?.1),
        }
    }
}

fn resolve(
    name: &RefName,
    find: &mut dyn FnMut(&RefName) -> Result<Option<Target>, ReadError>,
) -> Result<(RefName, Option<ObjectId>), ReadError> {
    let mut at = name.clone();
    for _ in 0..=SYMREF_DEPTH {
        match find(&at)? {
            None => return Ok((at, None)),
            Some(Target::Id(id)) => return Ok((at, Some(id))),
            Some(Target::Symbolic(next)) => at = next,
        }
    }
    Err(ReadError::corrupt(format_args!("ref '{name}'"), "too many symbolic refs follow one another"))
}

fn broken(name: &RefName, why: &str) -> ReadError {
    ReadError::corrupt(format_args!("ref '{name}'"), why)
}
