//! Cloning: a new repository, with a remote that says where it came from, and a working tree if one is wanted.

use super::fetch::{Deepen, FetchOptions, FilterChoice, RemoteEnds, UpdateStatus};
use super::peer::{Peer, bundle_beside};
use super::{Link, RemoteError, Tags};
use crate::Repository;
use crate::bundle::{BundleList, BundleSource, BundleUriError, remember};
use crate::repository::{Environment, InitOptions, Links};
use bstr::{BStr, BString, ByteSlice as _};
use git_core_config::{InvalidKey, Key};
use git_core_object::{Context, Kind, ObjectId};
use git_core_ref::refspec::Direction;
use git_core_ref::{Deref, Expected, LogMessage, RefEdit, RefName, RefTransaction, Refspec, Target};
use git_core_store::config::{EditOptions, edit_file};
use git_core_store::fs::sys::{Disk, RealDisk};
use git_core_store::{revision, walk};
use git_core_transport::client::{AdvertisedRef, LsRefsOptions};
use git_core_worktree::{CheckoutOptions, IndexLock, checkout};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a repository is cloned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CloneOptions {
    /// Whether there is a working tree, and whether it is filled.
    pub checkout: CheckoutMode,
    /// Whether all refs are taken as they are (`--mirror`), which makes sense for bare repositories only.
    pub mirror: bool,
    /// The branch or tag to be on instead of what the remote's `HEAD` says.
    pub branch: Option<BString>,
    /// Whether only that branch is fetched, now and later.
    pub single_branch: bool,
    /// What the remote is called.
    pub origin: BString,
    /// How deep the history is to be.
    pub deepen: Deepen,
    /// Which objects are left out, as `git-rev-list(1)` spells `--filter`, until they are needed.
    pub filter: Option<BString>,
    /// How the remote is reached again for what was left out and is needed at once, to fill the working tree.
    pub links: Option<Links>,
    /// A bundle, or a list of bundles, to take in first (`--bundle-uri`).
    pub bundle_uri: Option<BString>,
    /// Whether a remote is asked for bundles that may be had elsewhere (`transfer.bundleURI`).
    pub ask_for_bundles: bool,
    /// Whether a remote that is shallow itself is refused.
    pub reject_shallow: RejectShallow,
    /// Which tags come along; none also means none later.
    pub tags: Tags,
    /// Variables of configuration for the new repository: key and value.
    pub config: Vec<(String, BString)>,
    /// The branch to be on when the remote is empty and does not say.
    pub initial_branch: Option<BString>,
    /// The URL as the configuration keeps it, if not as it was given.
    pub stored_url: Option<BString>,
}

/// What a clone makes of a remote that has not all of its history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RejectShallow {
    /// A repository that ends where the remote does.
    #[default]
    No,
    /// Nothing: it is refused (`--reject-shallow`).
    Yes,
}

/// What of a working tree a clone makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CheckoutMode {
    /// A working tree with the files of `HEAD`.
    #[default]
    Files,
    /// A working tree that is empty (`--no-checkout`).
    Empty,
    /// None: a bare repository.
    Bare,
}

impl Default for CloneOptions {
    fn default() -> Self {
        CloneOptions {
            checkout: CheckoutMode::Files,
            mirror: false,
            branch: None,
            single_branch: false,
            deepen: Deepen::No,
            filter: None,
            links: None,
            bundle_uri: None,
            ask_for_bundles: false,
            reject_shallow: RejectShallow::No,
            origin: "origin".into(),
            tags: Tags::Follow,
            config: Vec::new(),
            initial_branch: None,
            stored_url: None,
        }
    }
}

/// A finished clone.
#[non_exhaustive]
pub struct Cloned {
    /// The new repository.
    pub repository: Repository,
    /// Whether the remote had nothing.
    pub empty: bool,
    /// Where `HEAD` is when that is no branch.
    pub detached: Option<ObjectId>,
    /// Whether the remote's `HEAD` names a ref that is not there, so that nothing was checked out.
    pub dangling_head: bool,
    /// Paths that the file system takes for others that were written.
    pub collisions: Vec<BString>,
    /// Why bundles that were to be taken in first were not.
    pub bundle_failure: Option<BundleUriError>,
    /// Whether a filter was asked for that the server does not know, so that nothing was left out.
    pub filter_ignored: bool,
}

/// Clones what is at `url` into `directory`, which is made; when the clone fails, what was made is removed.
///
/// # Errors
/// [`RemoteError`].
pub fn clone(
    url: impl AsRef<[u8]>,
    directory: impl AsRef<Path>,
    options: &CloneOptions,
    link: Link,
    cx: &Context,
) -> Result<Cloned, RemoteError> {
    let directory = directory.as_ref();
    let existed = match std::fs::read_dir(directory) {
        Ok(mut entries) => match entries.next() {
            Some(_) => return Err(RemoteError::Occupied { path: directory.to_owned() }),
            None => true,
        },
        Err(_) if directory.exists() => return Err(RemoteError::Occupied { path: directory.to_owned() }),
        Err(_) => false,
    };
    let mut leftovers = Leftovers { path: directory.to_owned(), existed, armed: true };
    let cloned = Cloning { url: url.as_ref().as_bstr(), directory, options, cx }.run(link)?;
    leftovers.armed = false;
    Ok(cloned)
}

/// Removes a clone that did not come to its end.
struct Leftovers {
    path: PathBuf,
    existed: bool,
    armed: bool,
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        if self.existed {
            for entry in std::fs::read_dir(&self.path).into_iter().flatten().flatten() {
                let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
                let path = entry.path();
                let _ = if is_dir { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
            }
        } else {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

struct Cloning<'a> {
    url: &'a BStr,
    directory: &'a Path,
    options: &'a CloneOptions,
    cx: &'a Context,
}

impl Cloning<'_> {
    fn run(&self, link: Link) -> Result<Cloned, RemoteError> {
        let options = self.options;
        let environment = link.environment.clone();
        let plain = rewriting(&environment, self.url)?;
        let beside = bundle_beside(&plain).map(|path| path.into_os_string().into_encoded_bytes());
        let mut peer = Peer::open(link, beside.as_deref().unwrap_or(&plain), self.cx)?;
        let format = peer.format();
        let mut list = LsRefsOptions::default();
        list.peel = true;
        list.symrefs = true;
        list.unborn = true;
        let advertised = peer.list(&list, self.cx)?;

        let bare = options.checkout == CheckoutMode::Bare;
        let mut init = if bare { InitOptions::bare() } else { InitOptions::work_tree() };
        init.object_format = format;
        if let Some(branch) = self.unborn_branch(&advertised)? {
            init.head = branch;
        }
        let made = Repository::init(self.directory, &init)?;
        let git_dir = made.git_dir().expect("it has been made on a disk").to_owned();
        let target = self.target(&advertised)?;
        self.configure(&git_dir, target.as_ref())?;
        let repository = Repository::open_with(self.directory, &environment)?;

        let empty = advertised.iter().all(|one| one.id.is_none());
        let mut cloned = Cloned {
            repository,
            empty,
            detached: None,
            dangling_head: false,
            collisions: Vec::new(),
            bundle_failure: None,
            filter_ignored: false,
        };
        if empty {
            peer.hang_up();
            self.track_unborn(&git_dir, &advertised)?;
            return Ok(cloned);
        }
        if peer.is_filtered_bundle() {
            return Err(RemoteError::FilteredBundle);
        }
        cloned.bundle_failure = self.bundles(&cloned.repository, &mut peer)?;
        let remote = cloned.repository.remote(&options.origin)?;
        let fetch = FetchOptions {
            refspecs: self.first_specs(target.as_ref())?,
            tags: Some(self.tags()),
            deepen: options.deepen.clone(),
            remote_ends: RemoteEnds::Accept,
            filter: options.filter.clone().map_or(FilterChoice::Configured, FilterChoice::By),
            ..FetchOptions::default()
        };
        let fetched = remote.fetch_over(peer, advertised, &fetch, self.cx)?;
        if let Some(failed) = fetched.updates.iter().find(|update| update.status.is_rejected())
            && let UpdateStatus::Failed(failed) = &failed.status
        {
            return Err(RemoteError::unavailable("the refs of the clone", failed.reason.clone()));
        }
        cloned.filter_ignored = fetched.filter_ignored;
        let shallow = !cloned.repository.snapshot()?.shallow().is_empty();
        if shallow && !options.deepen.is_asked() && options.reject_shallow == RejectShallow::Yes {
            return Err(RemoteError::ShallowSource);
        }
        // It may have moved since it was listed.
        let target = target.map(|one| {
            let now = fetched.advertised.iter().find(|now| now.name == one.name);
            now.cloned().unwrap_or(one)
        });
        self.set_head(&mut cloned, &fetched.advertised, target)?;
        if cloned.dangling_head {
            self.track_unborn(&git_dir, &fetched.advertised)?;
        }
        if options.checkout == CheckoutMode::Files && !cloned.dangling_head {
            self.check_out(&mut cloned)?;
        }
        Ok(cloned)
    }

    /// Takes in bundles, so that less is to be fetched; gives why that failed.
    fn bundles(
        &self,
        repository: &Repository,
        peer: &mut Peer,
    ) -> Result<Option<BundleUriError>, RemoteError> {
        let connect = self.options.links.as_ref().map(|links| links.link().options).unwrap_or_default();
        if let Some(uri) = &self.options.bundle_uri {
            return match repository.fetch_bundle_uri(uri.as_bstr(), &connect, self.cx) {
                Ok(BundleSource::Incremental) => {
                    if let Some(layout) = repository.layout() {
                        remember(&layout.common_dir, "fetch.bundleuri", uri)?;
                    }
                    Ok(None)
                }
                Ok(_) => Ok(None),
                Err(error) => Ok(Some(error)),
            };
        }
        if !self.options.ask_for_bundles {
            return Ok(None);
        }
        let Some(lines) = peer.bundle_uris(self.cx)? else { return Ok(None) };
        if lines.is_empty() {
            return Ok(None);
        }
        let fetched = match BundleList::of_lines(&lines) {
            Ok(list) => repository.fetch_bundle_list(&list, self.url, &connect, self.cx),
            Err(source) => Err(BundleUriError::List { uri: self.url.to_owned(), source }),
        };
        Ok(fetched.err())
    }

    /// What the clone is to be on.
    fn target(&self, advertised: &[AdvertisedRef]) -> Result<Option<AdvertisedRef>, RemoteError> {
        let named =
            |name: &[u8]| advertised.iter().find(|one| one.name.as_bytes() == name && one.id.is_some());
        if let Some(branch) = &self.options.branch {
            let found = [&b"refs/heads/"[..], b"refs/tags/"]
                .iter()
                .find_map(|kind| named(&[kind, branch.as_bytes()].concat()));
            return match found {
                Some(found) => Ok(Some(found.clone())),
                None => {
                    Err(RemoteError::NoBranch { branch: branch.clone(), remote: self.options.origin.clone() })
                }
            };
        }
        let Some(head) = named(b"HEAD") else {
            // Where HEAD is not shown, the branch that would be made here may be there.
            let usual = self.unborn_branch(advertised)?.unwrap_or_else(|| InitOptions::default().head);
            return Ok(named(usual.as_bytes()).cloned());
        };
        let pointed = match &head.symref {
            Some(name) => named(name.as_bytes()),
            // Old servers do not say: the branch with the same commit is taken, the usual names first.
            None => [&b"refs/heads/main"[..], b"refs/heads/master"]
                .iter()
                .filter_map(|name| named(name))
                .chain(advertised.iter().filter(|one| one.name.is_branch()))
                .find(|one| one.id == head.id && self.options.branch.is_none())
                .filter(|_| !advertised.iter().any(|one| one.symref.is_some())),
        };
        Ok(Some(pointed.unwrap_or(head).clone()))
    }

    fn unborn_branch(&self, advertised: &[AdvertisedRef]) -> Result<Option<RefName>, RemoteError> {
        let head = advertised.iter().find(|one| one.name.is_head());
        if let Some(name) = head.and_then(|head| head.symref.clone()).filter(RefName::is_branch) {
            return Ok(Some(name));
        }
        Ok(self.options.initial_branch.as_ref().and_then(|short| RefName::branch(short).ok()))
    }

    fn tags(&self) -> Tags {
        match (self.options.mirror, self.options.tags, self.options.single_branch) {
            (true, _, _) | (_, Tags::None, _) => Tags::None,
            (_, _, true) => Tags::Follow,
            (_, tags, _) => {
                if tags == Tags::Follow {
                    Tags::All
                } else {
                    tags
                }
            }
        }
    }

    fn stored_url(&self) -> BString {
        self.options.stored_url.clone().unwrap_or_else(|| self.url.to_owned())
    }

    /// The `fetch` lines of the new remote.
    fn configured_specs(&self, target: Option<&AdvertisedRef>) -> Vec<BString> {
        let origin = self.options.origin.as_bytes();
        if self.options.mirror {
            return vec!["+refs/*:refs/*".into()];
        }
        let bare = self.options.checkout == CheckoutMode::Bare;
        if self.options.single_branch {
            let Some(target) = target else { return Vec::new() };
            let full = target.name.as_bytes();
            return match full.strip_prefix(b"refs/heads/") {
                Some(short) if !bare => {
                    vec![[b"+", full, b":refs/remotes/", origin, b"/", short].concat().into()]
                }
                _ if target.name.is_tag() && !bare => vec![[b"+", full, b":", full].concat().into()],
                _ => Vec::new(),
            };
        }
        if bare { Vec::new() } else { vec![[b"+refs/heads/*:refs/remotes/", origin, b"/*"].concat().into()] }
    }

    /// What is fetched this first time: a bare clone takes branches as they are, and remembers no `fetch`.
    fn first_specs(&self, target: Option<&AdvertisedRef>) -> Result<Vec<Refspec>, RemoteError> {
        let mut specs = self.configured_specs(target);
        if specs.is_empty() {
            specs = match target {
                Some(target) if self.options.single_branch => {
                    vec![[b"+", target.name.as_bytes(), b":", target.name.as_bytes()].concat().into()]
                }
                _ => vec!["+refs/heads/*:refs/heads/*".into()],
            };
        }
        if let Some(target) = target
            && target.name.is_head()
        {
            // A detached HEAD may be reached by no branch.
            specs.push("HEAD".into());
        }
        Ok(specs.iter().map(|spec| Refspec::parse(Direction::Fetch, spec)).collect::<Result<_, _>>()?)
    }

    fn configure(&self, git_dir: &Path, target: Option<&AdvertisedRef>) -> Result<(), RemoteError> {
        let origin = &self.options.origin;
        let key = |variable: &str| [b"remote.", origin.as_bytes(), b".", variable.as_bytes()].concat();
        let mut lines: Vec<(Vec<u8>, BString)> = Vec::new();
        for (name, value) in &self.options.config {
            lines.push((name.clone().into_bytes(), value.clone()));
        }
        lines.push((key("url"), self.stored_url()));
        if let Some(filter) = &self.options.filter {
            lines.push((key("promisor"), "true".into()));
            lines.push((key("partialclonefilter"), filter.clone()));
        }
        lines.extend(self.configured_specs(target).into_iter().map(|spec| (key("fetch"), spec)));
        if self.options.mirror {
            lines.push((key("mirror"), "true".into()));
        }
        if self.options.tags == Tags::None {
            lines.push((key("tagOpt"), "--no-tags".into()));
        }
        if self.options.checkout != CheckoutMode::Bare
            && let Some(branch) = target.filter(|target| target.name.is_branch())
        {
            lines.extend(self.branch_lines(&branch.name));
        }
        self.write_config(git_dir, &lines)
    }

    fn branch_lines(&self, branch: &RefName) -> [(Vec<u8>, BString); 2] {
        let short = branch.short();
        let key = |variable: &str| [b"branch.", short.as_bytes(), b".", variable.as_bytes()].concat();
        [(key("remote"), self.options.origin.clone()), (key("merge"), branch.as_bytes().into())]
    }

    /// The branch that is yet to be born follows the remote's, or the one of its name if the remote does not say.
    fn track_unborn(&self, git_dir: &Path, advertised: &[AdvertisedRef]) -> Result<(), RemoteError> {
        if self.options.checkout == CheckoutMode::Bare {
            return Ok(());
        }
        let branch = self.unborn_branch(advertised)?.unwrap_or_else(|| InitOptions::default().head);
        self.write_config(git_dir, &self.branch_lines(&branch))
    }

    fn write_config(&self, git_dir: &Path, lines: &[(Vec<u8>, BString)]) -> Result<(), RemoteError> {
        let path = git_dir.join("config");
        let keys = lines.iter().map(|(key, value)| Ok((Key::parse(key)?, value)));
        let keys = keys.collect::<Result<Vec<_>, InvalidKey>>()?;
        let version = Key::parse("core.repositoryformatversion")?;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::default());
        edit_file(&disk, &path, &EditOptions::default(), |document| {
            if self.options.filter.is_some() {
                document.set(&version, "1")?;
            }
            keys.iter().try_for_each(|(key, value)| document.add(key, value))
        })?;
        Ok(())
    }

    fn set_head(
        &self,
        cloned: &mut Cloned,
        advertised: &[AdvertisedRef],
        target: Option<AdvertisedRef>,
    ) -> Result<(), RemoteError> {
        let log = self.log(cloned);
        let mut edits = RefTransaction::new();
        let head = RefName::head();
        match &target {
            None => {
                cloned.dangling_head = true;
                return Ok(());
            }
            Some(target) if target.name.is_branch() => {
                // First where HEAD points, then the branch: so the branch's reflog entry is HEAD's as well.
                let mut head_edit = RefTransaction::new();
                head_edit.set_symbolic(head, target.name.clone(), None);
                cloned.repository.storage().commit(Vec::new(), &head_edit, self.cx)?;
                if self.options.checkout != CheckoutMode::Bare
                    && let Some(id) = target.id
                {
                    edits.update(target.name.clone(), Expected::Any, id, log);
                }
            }
            Some(target) => {
                let Some(id) = target.peeled.or(target.id) else { return Ok(()) };
                cloned.detached = Some(id);
                edits.push(RefEdit {
                    name: head,
                    expected: Expected::Any,
                    change: git_core_ref::Change::Update { target: Target::Id(id), log },
                    deref: Deref::Direct,
                });
            }
        }
        if !edits.is_empty() {
            cloned.repository.storage().commit(Vec::new(), &edits, self.cx)?;
        }
        if self.options.checkout != CheckoutMode::Bare {
            self.set_remote_head(cloned, advertised)?;
        }
        Ok(())
    }

    fn log(&self, cloned: &Cloned) -> Option<LogMessage> {
        let who = cloned.repository.committer_line()?;
        Some(LogMessage::new(who, [b"clone: from ", self.stored_url().as_bytes()].concat()))
    }

    /// `refs/remotes/<origin>/HEAD`.
    fn set_remote_head(&self, cloned: &Cloned, advertised: &[AdvertisedRef]) -> Result<(), RemoteError> {
        let head = advertised.iter().find(|one| one.name.is_head());
        let Some(pointed) = head.and_then(|head| head.symref.as_ref()).filter(|name| name.is_branch()) else {
            return Ok(());
        };
        let below = [b"refs/remotes/", self.options.origin.as_bytes(), b"/"].concat();
        let name = |short: &[u8]| RefName::new([below.as_slice(), short].concat());
        let (Ok(from), Ok(to)) = (name(b"HEAD"), name(pointed.short())) else { return Ok(()) };
        if cloned.repository.snapshot()?.find_ref(&to)?.is_some() {
            let mut edits = RefTransaction::new();
            edits.set_symbolic(from, to, self.log(cloned));
            cloned.repository.storage().commit(Vec::new(), &edits, self.cx)?;
        }
        Ok(())
    }

    fn check_out(&self, cloned: &mut Cloned) -> Result<(), RemoteError> {
        let repository = match &self.options.links {
            Some(links) => cloned.repository.fetching_lazily(links.clone())?,
            None => cloned.repository.clone(),
        };
        let snapshot = repository.whole()?;
        let Some(id) = revision::resolve(&*snapshot, b"HEAD").ok() else { return Ok(()) };
        let (commit, kind) = walk::peel(&*snapshot, id, &mut Vec::new(), &mut Vec::new())?;
        let tree = if kind == Kind::Tree { commit } else { revision::resolve(&*snapshot, b"HEAD^{tree}")? };
        let (Some(git_dir), Some(work_tree)) = (repository.git_dir(), repository.work_tree()) else {
            return Ok(());
        };
        let lock = IndexLock::acquire(&git_dir.join("index"))?;
        let mut options = CheckoutOptions::default();
        if repository.config().bool("core.symlinks")? == Some(false) {
            options.symlinks = git_core_worktree::Symlinks::PlainFiles;
        }
        let done = checkout(&*snapshot, &tree, work_tree, &options, self.cx)?;
        lock.commit(&done.index)?;
        cloned.collisions = done.collisions;
        Ok(())
    }
}

/// The URL with what the user's configuration puts in its place.
fn rewriting(environment: &Environment, url: &[u8]) -> Result<BString, RemoteError> {
    let config = git_core_store::config::Config::load(&environment.config, None)?;
    super::rewritten(&config, url, "insteadOf")
}
