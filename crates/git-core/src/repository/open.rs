//! Opening, finding and making repositories on a disk, with what the environment of a program says.

use super::{ReplaceRefs, Repository};
use crate::hooks::{HookPrograms, HookUse};
use crate::server::Namespace;
use bstr::ByteSlice as _;
use git_core_object::{ErrorKind, Ident, ReadError, Time, parse_date};
use git_core_store::config::{Config, ConfigError, Environment as ConfigEnvironment, Place};
use git_core_store::fs::commit_graph::GraphUse;
use git_core_store::fs::layout::{self, BareRepositories, Boundary, Layout, Overrides, Owner, Strictness};
use git_core_store::fs::refs::{LogUpdates, RefsHook};
use git_core_store::fs::sys::{Disk, RealDisk};
use git_core_store::fs::{FsOptions, FsStorage, init};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub use git_core_store::fs::init::{InitOptions, Kind as InitKind, Template};

/// What the environment of a program says about repositories and who uses them: plain data.
///
/// The default says nothing: no configuration outside of the repository, no paths, nobody's name. That is what
/// a server wants. A program for people takes [`of_process`](Self::of_process).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Environment {
    /// Files and variables of configuration outside of a repository.
    pub config: ConfigEnvironment,
    /// Where repositories are looked for, and whose are opened.
    pub open: layout::OpenOptions,
    /// Who commits, where the environment says it: name and e-mail address.
    pub committer: (Option<String>, Option<String>),
    /// When, in one of the forms of `GIT_COMMITTER_DATE`.
    pub committer_date: Option<Time>,
    /// The name of the user and of the machine, for reflogs when nothing else is known.
    pub fallback: Option<(String, String)>,
    /// Which file lists the commits at which the history ends (`GIT_SHALLOW_FILE`); the empty path is none.
    pub shallow_file: Option<PathBuf>,
    /// Which refs replace objects (`GIT_NO_REPLACE_OBJECTS`, `GIT_REPLACE_REF_BASE`).
    pub replace: ReplaceRefs,
    /// Whether the executables below `hooks` are run.
    pub hooks: HookUse,
    /// Which part of a repository is served (`GIT_NAMESPACE`).
    pub namespace: Namespace,
}

impl Environment {
    /// What the environment variables of this process say (`git(1)`, "Environment Variables").
    ///
    /// # Errors
    /// [`ConfigError`] when a variable is malformed.
    pub fn of_process() -> Result<Self, ConfigError> {
        Self::from_variables(&|name| std::env::var_os(name))
    }

    /// What the variables that the function gives say.
    ///
    /// # Errors
    /// As [`of_process`](Self::of_process).
    pub fn from_variables(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let paths = |name: &str| -> Vec<PathBuf> {
            variable(name).map(|value| std::env::split_paths(&value).collect()).unwrap_or_default()
        };
        let text =
            |name: &str| variable(name).and_then(|value| value.into_string().ok()).filter(|v| !v.is_empty());
        let config = ConfigEnvironment::from_variables(variable)?;
        let mut open = layout::OpenOptions::default();
        open.overrides = Overrides {
            git_dir: path("GIT_DIR"),
            work_tree: path("GIT_WORK_TREE"),
            common_dir: path("GIT_COMMON_DIR"),
            object_directory: path("GIT_OBJECT_DIRECTORY"),
            alternate_object_directories: paths("GIT_ALTERNATE_OBJECT_DIRECTORIES"),
        };
        open.ceilings = paths("GIT_CEILING_DIRECTORIES");
        if text("GIT_DISCOVERY_ACROSS_FILESYSTEM").is_some_and(|value| value != "0" && value != "false") {
            open.boundary = Boundary::Cross;
        }
        if let Some(uid) = text("SUDO_UID").and_then(|uid| uid.parse().ok()) {
            open.trust.owner = Owner::ProcessOrSudo(uid);
        }
        let user = text("LOGNAME").or_else(|| text("USER")).unwrap_or_else(|| "unknown".to_owned());
        Ok(Environment {
            config,
            open,
            committer: (text("GIT_COMMITTER_NAME"), text("GIT_COMMITTER_EMAIL").or_else(|| text("EMAIL"))),
            committer_date: text("GIT_COMMITTER_DATE").and_then(|date| parse_date(&date, now().zone).ok()),
            shallow_file: variable("GIT_SHALLOW_FILE").map(PathBuf::from),
            replace: match (variable("GIT_NO_REPLACE_OBJECTS"), text("GIT_REPLACE_REF_BASE")) {
                (Some(_), _) => ReplaceRefs::Ignored,
                (None, Some(base)) => ReplaceRefs::below(&base),
                (None, None) => ReplaceRefs::default(),
            },
            hooks: HookUse::default(),
            namespace: text("GIT_NAMESPACE")
                .and_then(|name| Namespace::new(name.as_bytes()))
                .unwrap_or_default(),
            fallback: Some((user, text("HOSTNAME").unwrap_or_else(|| "localhost".to_owned()))),
        })
    }

    /// Who stands in reflogs, by this environment and a configuration.
    fn ident(&self, config: &Config) -> Option<Ident> {
        let configured =
            |key: &str| config.text(key).ok().flatten().map(|text| text.to_str_lossy().into_owned());
        let name = self
            .committer
            .0
            .clone()
            .or_else(|| configured("committer.name"))
            .or_else(|| configured("user.name"));
        let email = self
            .committer
            .1
            .clone()
            .or_else(|| configured("committer.email"))
            .or_else(|| configured("user.email"));
        let (user, host) = self.fallback.clone().unzip();
        let name = name.or_else(|| user.clone())?;
        let email = email.or_else(|| Some(format!("{}@{}", user?, host?)))?;
        Ident::new(name, email, self.committer_date.unwrap_or_else(now)).ok()
    }
}

/// The present time in the local zone.
pub(crate) fn now() -> Time {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    let minutes = jiff::Zoned::now().offset().seconds() / 60;
    Time::new(seconds, minutes)
}

/// Why a repository could not be opened or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is none, or not one that may be opened.
    #[error(transparent)]
    Layout(#[from] layout::OpenError),
    /// Its configuration cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its storage cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It could not be made.
    #[error(transparent)]
    Init(#[from] init::InitError),
}

impl OpenError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            OpenError::Layout(error) => error.kind(),
            OpenError::Config(error) => error.kind(),
            OpenError::Read(error) => error.kind(),
            OpenError::Init(error) => error.kind(),
        }
    }
}

impl Repository {
    /// Opens the repository at exactly this path: a git directory, or a working tree with one in it. Nothing
    /// outside of it is asked: see [`open_with`](Self::open_with).
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(path, &Environment::default())
    }

    /// Opens the repository at exactly this path.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_with(path: impl AsRef<Path>, environment: &Environment) -> Result<Self, OpenError> {
        let options = trusting(environment)?;
        Self::at(Layout::open(&absolute(path.as_ref()), &options)?, environment, Way::Entered)
    }

    /// Finds the repository that a directory is in, or the one that the environment names.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn discover(start: impl AsRef<Path>, environment: &Environment) -> Result<Self, OpenError> {
        let options = trusting(environment)?;
        Self::at(Layout::discover(&absolute(start.as_ref()), &options)?, environment, Way::Found)
    }

    /// Opens the repository that a peer names to `upload-pack` and its like: the path itself, with `.git` after
    /// it, or with `/.git`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn enter(
        path: impl AsRef<Path>,
        strictness: Strictness,
        environment: &Environment,
    ) -> Result<Self, OpenError> {
        let options = trusting(environment)?;
        Self::at(Layout::enter(path.as_ref(), strictness, &options)?, environment, Way::Entered)
    }

    /// Makes a repository, or adds what is missing to one that is there.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn init(path: impl AsRef<Path>, options: &InitOptions) -> Result<Self, OpenError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::default());
        let made = init::init(&absolute(path.as_ref()), options, &disk)?;
        Self::open(&made.git_dir)
    }

    fn at(layout: Layout, environment: &Environment, way: Way) -> Result<Self, OpenError> {
        let config = Config::load(&environment.config, Some(&Place::of(&layout)))?;
        let hooks = match &environment.hooks {
            HookUse::Ignored => None,
            HookUse::Run(notice) => {
                let hooks = HookPrograms::new(&layout, &config, notice.clone())?;
                Some(if way == Way::Entered { hooks.served() } else { hooks })
            }
        };
        let mut options = FsOptions::default();
        options.format = layout.object_format();
        options.objects_dir = Some(layout.objects_dir.clone());
        options.shallow_file.clone_from(&environment.shallow_file);
        options.objects.alternates = layout.alternates.clone();
        options.refs.logs = logs(&config, &layout)?;
        if let Some(bytes) = config.int("core.deltaBaseCacheLimit")? {
            options.objects.delta_cache_bytes = usize::try_from(bytes).unwrap_or(0);
        }
        if let Some(used) = config.bool("core.multiPackIndex")? {
            options.objects.multi_pack_index = used;
        }
        options.objects.commit_graph = graph_use(&config)?;
        options.refs.hook = hooks.clone().map(|hooks| Arc::new(hooks) as Arc<dyn RefsHook>);
        let storage = FsStorage::open(&layout.git_dir, &layout.common_dir, options)?;
        let committer = environment.ident(&config);
        let replace = match config.bool("core.useReplaceRefs")? {
            Some(false) => ReplaceRefs::Ignored,
            _ => environment.replace.clone(),
        };
        let repository = Self::on_files(storage, layout, config, hooks)
            .with_replace_refs(replace)
            .with_namespace(environment.namespace.clone());
        Ok(match committer {
            Some(committer) => repository.with_committer(committer),
            None => repository,
        })
    }
}

/// How a repository was come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By its path.
    Entered,
    /// From a directory inside of it.
    Found,
}

/// What is read of the commit-graph: `core.commitGraph` and `commitGraph.generationVersion`.
fn graph_use(config: &Config) -> Result<GraphUse, ConfigError> {
    if config.bool("core.commitGraph")? == Some(false) {
        return Ok(GraphUse::Off);
    }
    Ok(match config.int("commitGraph.generationVersion")? {
        Some(1) => GraphUse::Levels,
        _ => GraphUse::Full,
    })
}

/// `core.logAllRefUpdates`.
fn logs(config: &Config, layout: &Layout) -> Result<LogUpdates, ConfigError> {
    let Some(entry) = config.get("core.logAllRefUpdates") else {
        return Ok(if layout.is_bare() { LogUpdates::Existing } else { LogUpdates::Usual });
    };
    if entry.to_text().is_ok_and(|text| text.eq_ignore_ascii_case(b"always")) {
        return Ok(LogUpdates::Always);
    }
    Ok(if entry.to_bool()? { LogUpdates::Usual } else { LogUpdates::Existing })
}

/// The options of an environment with what the protected configuration says about trust.
fn trusting(environment: &Environment) -> Result<layout::OpenOptions, ConfigError> {
    let mut options = environment.open.clone();
    let protected = Config::load(&environment.config, None)?;
    options.trust.home.clone_from(&environment.config.home);
    for entry in protected.get_protected("safe.directory") {
        options.trust.safe_directories.push(entry.to_text()?.to_owned());
    }
    if let Some(text) = protected.text("safe.bareRepository")?
        && text == "explicit"
    {
        options.trust.bare = BareRepositories::Explicit;
    }
    Ok(options)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// `user.name` and `user.email`, at the present time.
pub(super) fn configured_committer(config: &Config) -> Option<Ident> {
    Environment::default().ident(config)
}
