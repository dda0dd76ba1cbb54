//! Finding the repository that a directory is in.

use super::{
    Boundary, Found, Layout, OpenError, OpenOptions, assemble, found, is_git_dir, read_git_file,
    resolve_dot_git,
};
use std::path::{Path, PathBuf};

pub(super) fn discover(start: &Path, options: &OpenOptions) -> Result<Layout, OpenError> {
    if let Some(git_dir) = &options.overrides.git_dir {
        return explicit(start, git_dir, options);
    }
    let ceiling = ceiling(start, &options.ceilings);
    let device = device(start);
    let mut dir = start;
    loop {
        let dot_git = dir.join(".git");
        if let Some(git_dir) = resolve_dot_git(&dot_git)? {
            let work_tree = Some(dir.to_path_buf());
            return found(Found { git_dir, work_tree, link: Some(dot_git) }, &absolute(start, options));
        }
        if is_git_dir(dir) {
            options.trust.check_bare(dir)?;
            let inside = Found { git_dir: dir.to_path_buf(), work_tree: None, link: None };
            return found(inside, &absolute(start, options));
        }
        let Some(parent) = dir.parent() else {
            return Err(OpenError::NotFound { start: start.to_path_buf() });
        };
        if ceiling.as_deref() == Some(parent) {
            return Err(OpenError::NotFound { start: start.to_path_buf() });
        }
        if options.boundary == Boundary::Stop && self::device(parent) != device {
            return Err(OpenError::Boundary { mount: dir.to_path_buf() });
        }
        dir = parent;
    }
}

/// `GIT_DIR` says where it is; the working tree is the directory one is in, unless it is bare. Nobody's
/// ownership is checked, since it was named.
fn explicit(start: &Path, git_dir: &Path, options: &OpenOptions) -> Result<Layout, OpenError> {
    let options = &absolute(start, options);
    let path = start.join(git_dir);
    let resolved = if path.is_file() { read_git_file(&path)? } else { path };
    if !is_git_dir_with(&resolved, options) {
        return Err(OpenError::NotARepository { path: git_dir.to_path_buf() });
    }
    assemble(resolved, Some(start.to_path_buf()), options)
}

/// With other common or object directories given, those have to be there.
fn is_git_dir_with(git_dir: &Path, options: &OpenOptions) -> bool {
    let overrides = &options.overrides;
    if overrides.common_dir.is_none() && overrides.object_directory.is_none() {
        return is_git_dir(git_dir);
    }
    let common = overrides.common_dir.clone().or_else(|| super::common_dir(git_dir).ok());
    let Some(common) = common else { return false };
    let objects = overrides.object_directory.clone().unwrap_or_else(|| common.join("objects"));
    super::has_head(git_dir) && common.join("refs").is_dir() && objects.is_dir()
}

/// The options with all paths made absolute.
fn absolute(start: &Path, options: &OpenOptions) -> OpenOptions {
    let mut options = options.clone();
    let overrides = &mut options.overrides;
    let given = [&mut overrides.work_tree, &mut overrides.common_dir, &mut overrides.object_directory];
    for path in given.into_iter().flatten().chain(&mut overrides.alternate_object_directories) {
        *path = start.join(&*path);
    }
    options
}

/// The nearest ceiling strictly above `start`.
fn ceiling(start: &Path, ceilings: &[PathBuf]) -> Option<PathBuf> {
    let above = |path: &PathBuf| start != path && start.starts_with(path);
    let candidates = ceilings.iter().flat_map(|path| [Some(path.clone()), path.canonicalize().ok()]);
    candidates.flatten().filter(above).max_by_key(|path| path.components().count())
}

#[cfg(unix)]
fn device(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    path.metadata().ok().map(|metadata| metadata.dev())
}

#[cfg(not(unix))]
fn device(_path: &Path) -> Option<u64> {
    None
}
