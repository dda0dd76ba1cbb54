//! Where the parts of a repository lie: opening one at a path, finding one above a directory, finding one for a
//! server (`gitrepository-layout(5)`, `git(1)` on `GIT_DIR` and its like).
//!
//! Nothing of the environment is read here; what it says is given in [`OpenOptions`]. Reading objects and refs is
//! left to their storages, configuration with all its scopes to [`config`](crate::config).

mod discover;
mod enter;
mod error;
mod format;
mod owner;

pub use enter::Strictness;
pub use error::OpenError;
pub use format::RepositoryFormat;
pub use owner::{BareRepositories, Owner, Trust};

use git_core_object::ObjectFormat;
use git_core_ref::{RefName, Target};
use std::io;
use std::path::{Path, PathBuf};

/// What the environment and the protected configuration say about opening repositories.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Paths given instead of those that would be found.
    pub overrides: Overrides,
    /// Directories that discovery does not go up into (`GIT_CEILING_DIRECTORIES`), absolute.
    pub ceilings: Vec<PathBuf>,
    /// Whether discovery leaves the file system it began in (`GIT_DISCOVERY_ACROSS_FILESYSTEM`).
    pub boundary: Boundary,
    /// Whose repositories are opened.
    pub trust: Trust,
}

/// Paths from the environment. Relative ones are relative to the directory where discovery starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `GIT_DIR`: no discovery takes place.
    pub git_dir: Option<PathBuf>,
    /// `GIT_WORK_TREE`; counts only together with a `git_dir`, or for the repository that is found.
    pub work_tree: Option<PathBuf>,
    /// `GIT_COMMON_DIR`.
    pub common_dir: Option<PathBuf>,
    /// `GIT_OBJECT_DIRECTORY`.
    pub object_directory: Option<PathBuf>,
    /// `GIT_ALTERNATE_OBJECT_DIRECTORIES`, split.
    pub alternate_object_directories: Vec<PathBuf>,
}

/// What discovery does where a file system ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Boundary {
    /// It stops.
    #[default]
    Stop,
    /// It goes on.
    Cross,
}

/// Where the parts of one repository lie. All paths are absolute if the path it was opened by was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layout {
    /// `HEAD`, the index and what else belongs to one working tree.
    pub git_dir: PathBuf,
    /// Refs, objects, configuration: what linked working trees share.
    pub common_dir: PathBuf,
    /// The object directory.
    pub objects_dir: PathBuf,
    /// Object directories that the caller added; those of `objects/info/alternates` are not in here.
    pub alternates: Vec<PathBuf>,
    /// The working tree, if there is one.
    pub work_tree: Option<PathBuf>,
    /// What the repository's own configuration says about its format.
    pub format: RepositoryFormat,
}

impl Layout {
    /// Opens the repository at exactly this path: a git directory, a directory with `.git` in it, or a
    /// `.git` file.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, OpenError> {
        let dot_git = path.join(".git");
        if let Some(git_dir) = resolve_dot_git(&dot_git)? {
            return found(
                Found { git_dir, work_tree: Some(path.to_path_buf()), link: Some(dot_git) },
                options,
            );
        }
        let git_dir = if path.is_file() { read_git_file(path)? } else { path.to_path_buf() };
        if !is_git_dir(&git_dir) {
            return Err(OpenError::NotARepository { path: path.to_path_buf() });
        }
        let work_tree = match (path.is_file(), git_dir.file_name()) {
            (true, _) => path.parent().map(Path::to_path_buf),
            (false, Some(name)) if name == ".git" => git_dir.parent().map(Path::to_path_buf),
            _ => None,
        };
        found(Found { git_dir, work_tree, link: None }, options)
    }

    /// Finds the repository that `start`, an absolute path, is in; or opens the one that
    /// [`Overrides::git_dir`] names.
    ///
    /// # Errors
    /// [`OpenError::NotFound`] when there is none.
    pub fn discover(start: &Path, options: &OpenOptions) -> Result<Self, OpenError> {
        discover::discover(start, options)
    }

    /// Finds the repository that a client of a server means by `path`: in the order of git, `path/.git`,
    /// `path`, `path.git/.git`, `path.git`; or `path` only.
    ///
    /// # Errors
    /// [`OpenError::NotOurs`] when there is none.
    pub fn enter(path: &Path, strictness: Strictness, options: &OpenOptions) -> Result<Self, OpenError> {
        enter::enter(path, strictness, options)
    }

    /// The hash function of the repository.
    pub fn object_format(&self) -> ObjectFormat {
        self.format.object_format
    }

    /// Whether it is bare: `core.bare`, or without a working tree if that is not set.
    pub fn is_bare(&self) -> bool {
        self.work_tree.is_none() && self.format.bare.unwrap_or(true)
    }
}

/// A git directory that was found, and how.
struct Found {
    git_dir: PathBuf,
    /// The working tree that goes with it, if the configuration does not say otherwise.
    work_tree: Option<PathBuf>,
    /// The `.git` that led there.
    link: Option<PathBuf>,
}

/// Checks owner and format, and puts the paths together.
fn found(found: Found, options: &OpenOptions) -> Result<Layout, OpenError> {
    options.trust.check(&found)?;
    assemble(found.git_dir, found.work_tree, options)
}

fn assemble(
    git_dir: PathBuf,
    work_tree: Option<PathBuf>,
    options: &OpenOptions,
) -> Result<Layout, OpenError> {
    let overrides = &options.overrides;
    let common_dir = match &overrides.common_dir {
        Some(dir) => dir.clone(),
        None => common_dir(&git_dir)?,
    };
    let format = RepositoryFormat::read(&git_dir, &common_dir)?;
    let work_tree = match (&overrides.work_tree, &format.work_tree, format.bare) {
        (Some(path), _, _) => Some(path.clone()),
        (None, Some(_), Some(true)) => return Err(OpenError::BareWithWorkTree { path: git_dir }),
        (None, Some(path), _) => Some(git_dir.join(path)),
        (None, None, Some(true)) => None,
        (None, None, _) => work_tree,
    };
    Ok(Layout {
        objects_dir: overrides.object_directory.clone().unwrap_or_else(|| common_dir.join("objects")),
        alternates: overrides.alternate_object_directories.clone(),
        work_tree,
        format,
        git_dir,
        common_dir,
    })
}

/// Where a `.git` leads: `None` when there is none or it is a directory without a repository.
fn resolve_dot_git(dot_git: &Path) -> Result<Option<PathBuf>, OpenError> {
    match std::fs::metadata(dot_git) {
        Ok(metadata) if metadata.is_file() => {
            let git_dir = read_git_file(dot_git)?;
            if is_git_dir(&git_dir) {
                Ok(Some(git_dir))
            } else {
                Err(OpenError::NotARepository { path: git_dir })
            }
        }
        Ok(_) if is_git_dir(dot_git) => Ok(Some(dot_git.to_path_buf())),
        Ok(_) => Ok(None),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(OpenError::unavailable(dot_git, error)),
    }
}

/// Reads a `.git` file: `gitdir: ` and a path, relative to the file's directory.
fn read_git_file(path: &Path) -> Result<PathBuf, OpenError> {
    let text = read_small(path).map_err(|error| OpenError::unavailable(path, error))?;
    let invalid = || OpenError::InvalidGitFile { path: path.to_path_buf() };
    let text = text.ok_or_else(invalid)?;
    let target = text.strip_prefix(b"gitdir: ").ok_or_else(invalid)?;
    let target = path_of(target).ok_or_else(invalid)?;
    Ok(normalize(&path.parent().unwrap_or(Path::new("")).join(target)))
}

/// The directory that linked working trees share, from the file `commondir`.
fn common_dir(git_dir: &Path) -> Result<PathBuf, OpenError> {
    let file = git_dir.join("commondir");
    let invalid = || OpenError::InvalidGitFile { path: file.clone() };
    match read_small(&file) {
        Ok(text) => {
            let text = text.ok_or_else(invalid)?;
            Ok(normalize(&git_dir.join(path_of(&text).ok_or_else(invalid)?)))
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(git_dir.to_path_buf())
        }
        Err(error) => Err(OpenError::unavailable(&file, error)),
    }
}

/// The content of a file that holds a path; `None` when it is far too long for one.
fn read_small(path: &Path) -> io::Result<Option<Vec<u8>>> {
    use std::io::Read as _;
    const MOST: u64 = 64 << 10;
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(MOST + 1).read_to_end(&mut text)?;
    Ok((text.len() as u64 <= MOST).then_some(text))
}

/// The path in a one-line file; `None` when there is none.
fn path_of(text: &[u8]) -> Option<PathBuf> {
    use bstr::ByteSlice as _;
    let end = text.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r'))?;
    text[..=end].to_path().ok().map(Path::to_path_buf)
}

/// Takes `.` and, where the directory before it is no link, `..` out of a path.
fn normalize(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(out.components().next_back(), Some(Component::Normal(_)))
                    && !out.is_symlink() =>
            {
                out.pop();
            }
            other => out.push(other),
        }
    }
    if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
}

/// Whether a directory looks like a repository to git: a valid `HEAD`, `objects` and `refs`.
pub fn is_git_dir(path: &Path) -> bool {
    let Ok(common) = common_dir(path) else { return false };
    has_head(path) && common.join("refs").is_dir() && common.join("objects").is_dir()
}

/// Whether there is a `HEAD` that points below `refs/`, even at nothing, or holds an id.
fn has_head(git_dir: &Path) -> bool {
    let head = git_dir.join("HEAD");
    if let Ok(to) = std::fs::read_link(&head) {
        return to.starts_with("refs") || head.is_file();
    }
    let Ok(Some(text)) = read_small(&head) else { return false };
    [ObjectFormat::Sha1, ObjectFormat::Sha256].into_iter().any(|format| {
        match Target::parse_loose(format, &text) {
            Ok(Target::Id(_)) => true,
            Ok(Target::Symbolic(name)) => !name.is_root(),
            // What a repository with reftables has there is refused by its format, with a better message.
            Err(_) => text.starts_with(b"ref: refs/heads/.invalid"),
        }
    })
}

/// The branch that `HEAD` points at, read without regard to anything else.
pub(crate) fn head_branch(git_dir: &Path) -> Option<RefName> {
    let text = read_small(&git_dir.join("HEAD")).ok()??;
    match Target::parse_loose(ObjectFormat::Sha1, &text) {
        Ok(Target::Symbolic(name)) => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalized_without_a_look_at_the_disk_where_possible() {
        for (path, expected) in
            [("/a/b/../c", "/a/c"), ("/a/./b/", "/a/b"), ("../x", "../x"), ("a/..", "."), ("/..", "/..")]
        {
            assert_eq!(normalize(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn one_line_paths() {
        assert_eq!(path_of(b"../x\n"), Some("../x".into()));
        assert_eq!(path_of(b"a b \r\n"), Some("a b ".into()));
        assert_eq!(path_of(b"\n"), None);
    }
}
