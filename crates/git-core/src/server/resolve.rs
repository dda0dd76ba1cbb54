//! From the path a peer names to a repository: a map, a folder, or whatever implements [`Resolver`].

use crate::hooks::HookUse;
use crate::{Environment, InitOptions, Repository};
use git_core_config::params::Parameter;
use git_core_protocol::Service;
use git_core_transport::server::{BoxFuture, Refusal, Request};
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

/// Finds the repository that a request names.
///
/// A repository that is not there and one that this peer may not know of are both
/// [`Refusal::not_found`].
pub trait Resolver: Send + Sync + 'static {
    /// The repository, or why there is none for this request.
    fn resolve<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Repository, Refusal>>;
}

/// Repositories by name: the path of a URL without its slashes at either end, with or without `.git`.
impl Resolver for BTreeMap<String, Repository> {
    fn resolve<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Repository, Refusal>> {
        let found = std::str::from_utf8(&request.path).ok().and_then(|path| {
            let name = path.trim_matches('/');
            self.get(name).or_else(|| self.get(name.strip_suffix(".git")?))
        });
        let found = found.cloned().ok_or_else(Refusal::not_found);
        Box::pin(async move { found })
    }
}

/// The repositories below a folder, opened when they are first asked for.
///
/// `/a/b` is looked for as `a/b`, `a/b.git`, `a/b/.git`; links are not followed out of the folder.
pub struct Folder {
    root: PathBuf,
    create: CreateOnPush,
    environment: Environment,
    open: RwLock<HashMap<PathBuf, Repository>>,
    /// Held while a repository is made, so that two first pushes make one.
    making: Mutex<()>,
}

/// Whether a push to a name that is not there makes a repository of that name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CreateOnPush {
    /// No: the name is not found.
    #[default]
    Never,
    /// Yes: a bare repository, in the object format given.
    Bare(git_core_object::ObjectFormat),
}

/// Repositories kept open at most; beyond them all are closed and opened again as needed.
const KEPT_OPEN: usize = 64;

/// Memory for bases of deltas, in each repository that is open.
const DELTA_CACHE: &str = "core.deltaBaseCacheLimit=24m";

impl Folder {
    /// Serves what is below `root`.
    pub fn new(root: impl Into<PathBuf>, create: CreateOnPush) -> Self {
        let mut environment = Environment::default();
        environment.config.parameters.extend(Parameter::parse(DELTA_CACHE).ok());
        Folder { root: root.into(), create, environment, open: RwLock::default(), making: Mutex::new(()) }
    }

    /// Runs the executables below each repository's `hooks` or not. By default they are not run.
    #[must_use]
    pub fn with_hooks(mut self, hooks: HookUse) -> Self {
        self.environment.hooks = hooks;
        self
    }

    fn find(&self, request: &Request) -> Result<Repository, Refusal> {
        let relative = relative_path(&request.path).ok_or_else(Refusal::not_found)?;
        if let Some(path) = self.existing(&relative)? {
            return self.opened(path);
        }
        let CreateOnPush::Bare(format) = self.create else {
            return Err(Refusal::not_found());
        };
        if request.service != Service::ReceivePack {
            return Err(Refusal::not_found());
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = self.existing(&relative)? {
            return self.opened(path);
        }
        let mut name = relative.into_os_string();
        if Path::new(&name).extension() != Some(OsStr::new("git")) {
            name.push(".git");
        }
        let path = self.root.join(name);
        self.check_parents(&path)?;
        let mut options = InitOptions::bare();
        options.object_format = format;
        Repository::init(&path, &options).map_err(Refusal::internal)?;
        tracing::info!(path = %path.display(), "made a repository");
        self.opened(path)
    }

    /// The first of git's candidates that is a repository and lies below the root.
    fn existing(&self, relative: &Path) -> Result<Option<PathBuf>, Refusal> {
        let mut suffixed = relative.as_os_str().to_owned();
        suffixed.push(".git");
        let candidates = [relative.to_owned(), suffixed.into(), relative.join(".git")];
        let root = self.root.canonicalize().map_err(Refusal::internal)?;
        for candidate in candidates {
            let Ok(path) = root.join(candidate).canonicalize() else {
                continue;
            };
            if path.starts_with(&root)
                && path != root
                && path.join("HEAD").exists()
                && path.join("objects").is_dir()
            {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// A new repository must not lie inside another one, nor behind a link.
    fn check_parents(&self, path: &Path) -> Result<(), Refusal> {
        let mut parent = path.parent();
        while let Some(dir) = parent.filter(|dir| *dir != self.root) {
            let metadata = std::fs::symlink_metadata(dir);
            if dir.join("HEAD").exists() || metadata.is_ok_and(|m| !m.is_dir()) {
                return Err(Refusal::not_found());
            }
            parent = dir.parent();
        }
        Ok(())
    }

    fn opened(&self, path: PathBuf) -> Result<Repository, Refusal> {
        let kept = self.open.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(repository) = kept.get(&path) {
            return Ok(repository.clone());
        }
        drop(kept);
        let repository = Repository::open_with(&path, &self.environment).map_err(Refusal::internal)?;
        let mut kept = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_OPEN {
            kept.clear();
        }
        Ok(kept.entry(path).or_insert(repository).clone())
    }
}

impl Resolver for Folder {
    fn resolve<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Repository, Refusal>> {
        let found = self.find(request);
        Box::pin(async move { found })
    }
}

/// The path of a request as components below a root: no `..`, no `.git`, nothing odd, at most 4096 bytes.
fn relative_path(path: &[u8]) -> Option<PathBuf> {
    let text = std::str::from_utf8(path).ok().filter(|text| text.len() <= 4096)?;
    let mut out = PathBuf::new();
    for component in text.split('/').filter(|component| !component.is_empty()) {
        let odd = component.chars().any(|c| c.is_control() || matches!(c, '\\' | ':'));
        let inner = matches!(component, "." | "..") || component.eq_ignore_ascii_case(".git");
        if inner || component.starts_with('-') || odd {
            return None;
        }
        out.push(component);
    }
    (!out.as_os_str().is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_root() {
        assert_eq!(relative_path(b"/a//b.git/"), Some("a/b.git".into()));
        for bad in [
            &b"/"[..],
            b"",
            b"/../x",
            b"/a/..",
            b"/a/./b",
            b"/a\0b",
            b"/.git",
            b"/-x",
            b"/a\\b",
            b"/c:/x",
            b"\xff",
        ] {
            assert_eq!(relative_path(bad), None, "{}", bad.escape_ascii());
        }
        assert_eq!(relative_path("a/".repeat(3000).as_bytes()), None);
    }
}
