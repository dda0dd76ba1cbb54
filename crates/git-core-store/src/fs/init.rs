//! Creating repositories as `git init` does, and completing ones that are there.
//!
//! What the default template holds is the smallest part of git's: a description and `info/exclude`. `HEAD` is
//! written last, so that what a crash leaves behind is no repository yet.

use super::layout::{OpenError, RepositoryFormat, is_git_dir};
use super::sharing::{SharedDisk, Sharing};
use super::sys::{Access, Disk};
use git_core_config::{Document, EditError, Key};
use git_core_object::{BoxError, ErrorKind, ObjectFormat};
use git_core_ref::{RefName, Target};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a repository is created.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InitOptions {
    /// Whether it has a working tree.
    pub kind: Kind,
    /// The hash function that names its objects.
    pub object_format: ObjectFormat,
    /// What `HEAD` points at; `refs/heads/master` by default, as in git.
    pub head: RefName,
    /// The files it begins with.
    pub template: Template,
    /// Who may write to it (`--shared`).
    pub sharing: Sharing,
}

/// Whether a repository has a working tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// It has one, and lies in `.git` there.
    #[default]
    WorkTree,
    /// It has none.
    Bare,
}

/// The files a repository begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Template {
    /// A description, `info/exclude`, and an empty `hooks`.
    #[default]
    Default,
    /// None.
    Empty,
    /// A copy of what is in this directory (`--template`), without what begins with a dot.
    Directory(PathBuf),
}

impl Default for InitOptions {
    fn default() -> Self {
        InitOptions {
            kind: Kind::default(),
            object_format: ObjectFormat::default(),
            head: RefName::branch("master").expect("a valid name"),
            template: Template::default(),
            sharing: Sharing::default(),
        }
    }
}

impl InitOptions {
    /// The options for a bare repository.
    pub fn bare() -> Self {
        InitOptions { kind: Kind::Bare, ..Self::default() }
    }

    /// The options for a repository with a working tree.
    pub fn work_tree() -> Self {
        Self::default()
    }
}

/// What [`init`] found and left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Initialized {
    /// The git directory.
    pub git_dir: PathBuf,
    /// Whether there was a repository before, which was kept as it was.
    pub existed: bool,
}

/// Why a repository was not created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// There is a repository of another object format.
    #[error("attempt to reinitialize repository with different hash")]
    OtherFormat,
    /// `HEAD` would not point at a branch.
    #[error("invalid initial branch name: '{head}'")]
    Head {
        /// What it would point at.
        head: RefName,
    },
    /// There is a repository, and it cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The template's configuration is damaged.
    #[error("bad config line {line} in file {}", .path.display())]
    Template {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// The template's configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] EditError),
    /// The file system failed.
    #[error("cannot create {}", .path.display())]
    Unavailable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: BoxError,
    },
}

impl InitError {
    fn unavailable(path: &Path, source: impl Into<BoxError>) -> Self {
        InitError::Unavailable { path: path.to_path_buf(), source: source.into() }
    }

    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            InitError::OtherFormat | InitError::Head { .. } | InitError::Config(_) => ErrorKind::Invalid,
            InitError::Open(error) => error.kind(),
            InitError::Template { .. } => ErrorKind::Corrupt,
            InitError::Unavailable { .. } => ErrorKind::Unavailable,
        }
    }
}

/// Creates a repository at `path`, or in `.git` below it if it has a working tree. Missing directories are made.
/// A repository that is there keeps everything, and gets what it lacks.
///
/// # Errors
/// [`InitError`]; what was made so far stays, and a second try completes it.
pub fn init(path: &Path, options: &InitOptions, disk: &Arc<dyn Disk>) -> Result<Initialized, InitError> {
    if !options.head.is_branch() {
        return Err(InitError::Head { head: options.head.clone() });
    }
    let git_dir = match options.kind {
        Kind::Bare => path.to_path_buf(),
        Kind::WorkTree => path.join(".git"),
    };
    let existed = is_git_dir(&git_dir);
    if existed {
        let format = RepositoryFormat::read(&git_dir, &git_dir)?;
        if format.object_format != options.object_format && options.object_format != ObjectFormat::default() {
            return Err(InitError::OtherFormat);
        }
    }
    let parent = git_dir.parent().filter(|parent| !parent.as_os_str().is_empty()).map(Path::to_path_buf);
    if let Some(parent) = &parent {
        disk.create_dir_all(parent).map_err(|error| InitError::unavailable(parent, error))?;
    }
    let mut init = Init { disk: SharedDisk::wrap(disk, options.sharing), git_dir, made: Vec::new() };
    init.run(options, existed)?;
    init.made.extend(parent);
    disk.sync_dirs(&init.made).map_err(|error| InitError::unavailable(&init.git_dir, error))?;
    Ok(Initialized { git_dir: init.git_dir, existed })
}

struct Init {
    disk: Arc<dyn Disk>,
    git_dir: PathBuf,
    /// Directories whose names are to be flushed.
    made: Vec<PathBuf>,
}

impl Init {
    fn run(&mut self, options: &InitOptions, existed: bool) -> Result<(), InitError> {
        self.directory("")?;
        match &options.template {
            Template::Default => {
                self.directory("hooks")?;
                self.directory("info")?;
                self.file("description", DESCRIPTION)?;
                self.file("info/exclude", EXCLUDE)?;
            }
            Template::Empty => {}
            Template::Directory(from) => self.copy(from)?,
        }
        for dir in ["objects", "objects/info", "objects/pack", "refs", "refs/heads", "refs/tags"] {
            self.directory(dir)?;
        }
        if existed {
            return Ok(());
        }
        self.config(options)?;
        self.file("HEAD", &Target::Symbolic(options.head.clone()).format_loose())
    }

    /// Writes `config`; one that the template brought is completed.
    fn config(&self, options: &InitOptions) -> Result<(), InitError> {
        let path = self.git_dir.join("config");
        let before = match std::fs::read(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(InitError::unavailable(&path, error)),
        };
        let mut config = Document::parse(before.as_deref().unwrap_or_default())
            .map_err(|error| InitError::Template { path: path.clone(), line: error.line })?;
        let mut set = |key: &str, value: &str| {
            config
                .replace_all(&Key::parse(key).expect("a key of this file"), value)
                .map_err(InitError::Config)
        };
        let bare = options.kind == Kind::Bare;
        let other_format = options.object_format != ObjectFormat::Sha1;
        set("core.repositoryformatversion", if other_format { "1" } else { "0" })?;
        set("core.filemode", if cfg!(unix) { "true" } else { "false" })?;
        set("core.bare", if bare { "true" } else { "false" })?;
        if !bare {
            set("core.logallrefupdates", "true")?;
        }
        if cfg!(windows) {
            set("core.symlinks", "false")?;
        }
        if self.ignores_case() {
            set("core.ignorecase", "true")?;
        }
        if other_format {
            set("extensions.objectformat", options.object_format.name())?;
        }
        if let Some(sharing) = options.sharing.to_value() {
            set("core.sharedrepository", &sharing)?;
            set("receive.denyNonFastforwards", "true")?;
        }
        match before {
            None => self.file("config", &config.to_bytes()),
            Some(_) => {
                let next = self.git_dir.join("config.lock");
                self.file("config.lock", &config.to_bytes())?;
                self.disk.rename(&next, &path).map_err(|error| InitError::unavailable(&path, error))
            }
        }
    }

    /// Whether the file system takes `REFS` for `refs`.
    fn ignores_case(&self) -> bool {
        self.git_dir.join("REFS").exists()
    }

    fn directory(&mut self, name: &str) -> Result<(), InitError> {
        let path = if name.is_empty() { self.git_dir.clone() } else { self.git_dir.join(name) };
        match self.disk.create_dir(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            Err(error) => return Err(InitError::unavailable(&path, error)),
        }
        self.made.push(path);
        Ok(())
    }

    /// Writes a file that is not there; one that is stays.
    fn file(&self, name: &str, content: &[u8]) -> Result<(), InitError> {
        self.write(&self.git_dir.join(name), content)
    }

    fn write(&self, path: &Path, content: &[u8]) -> Result<(), InitError> {
        let write = || -> io::Result<()> {
            let mut file = match self.disk.create_new(path, Access::Writable) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
                other => other?,
            };
            file.write_all(content)?;
            file.sync()
        };
        write().map_err(|error| InitError::unavailable(path, error))
    }

    /// Copies a template.
    fn copy(&mut self, from: &Path) -> Result<(), InitError> {
        let mut pending = vec![PathBuf::new()];
        while let Some(dir) = pending.pop() {
            let source = from.join(&dir);
            let unavailable = |error| InitError::unavailable(&source, error);
            for entry in std::fs::read_dir(&source).map_err(unavailable)? {
                let entry = entry.map_err(unavailable)?;
                let name = entry.file_name();
                if name.as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                let relative = dir.join(&name);
                let target = self.git_dir.join(&relative);
                let kind = entry.file_type().map_err(unavailable)?;
                if kind.is_dir() {
                    match self.disk.create_dir(&target) {
                        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                            return Err(InitError::unavailable(&target, error));
                        }
                        _ => self.made.push(target),
                    }
                    pending.push(relative);
                } else if kind.is_file() {
                    let content = std::fs::read(entry.path()).map_err(unavailable)?;
                    if !target.exists() {
                        self.write(&target, &content)?;
                        copy_executable(&entry.path(), &target)
                            .map_err(|error| InitError::unavailable(&target, error))?;
                    }
                } else {
                    copy_link(&entry.path(), &target)
                        .map_err(|error| InitError::unavailable(&target, error))?;
                }
            }
        }
        Ok(())
    }
}

/// Hooks have to stay executable.
#[cfg(unix)]
fn copy_executable(from: &Path, to: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let executable = std::fs::metadata(from)?.permissions().mode() & 0o111;
    let mode = std::fs::metadata(to)?.permissions().mode();
    let readable_by = (mode & 0o444) >> 2;
    if executable & readable_by == 0 {
        return Ok(());
    }
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(mode | executable & readable_by))
}

#[cfg(not(unix))]
fn copy_executable(_from: &Path, _to: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn copy_link(from: &Path, to: &Path) -> io::Result<()> {
    match std::os::unix::fs::symlink(std::fs::read_link(from)?, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Links need rights there that users do not have: what they lead to is copied.
#[cfg(not(unix))]
fn copy_link(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() { Ok(()) } else { std::fs::copy(from, to).map(|_| ()) }
}

const DESCRIPTION: &[u8] = b"Unnamed repository; edit this file 'description' to name the repository.\n";
const EXCLUDE: &[u8] =
    b"# Patterns of files that only this working tree ignores; gitignore(5) has the rules.\n\
    # What others should ignore too belongs into a file .gitignore.\n";
