//! `rev-parse` about places: where the repository, its working tree and the current directory lie.

use crate::fail::Failure;
use crate::globals::Globals;
use crate::repo::current_dir;
use git_core::Repository;
use git_core::store::fs::layout::Layout;
use std::path::{Component, Path, PathBuf};

/// The answer to an option such as `--git-dir`, or `None` if there is no such option.
pub(super) fn fact(
    globals: &Globals,
    repository: &Repository,
    name: &[u8],
) -> Result<Option<Vec<u8>>, Failure> {
    let layout = layout(repository)?;
    let here = real(&current_dir()?);
    let git_dir = real(&layout.git_dir);
    let top = layout.work_tree.as_deref().map(real);
    let inside_tree = top.as_ref().is_some_and(|top| here.starts_with(top)) && !here.starts_with(&git_dir);
    let truth = |value: bool| value.to_string().into_bytes();
    let prefix = || match &top {
        Some(top) if inside_tree => here.strip_prefix(top).unwrap_or(Path::new("")).to_path_buf(),
        _ => PathBuf::new(),
    };
    Ok(Some(match name {
        b"--git-dir" => match &globals.git_dir {
            Some(given) => bytes(given),
            None => bytes(&shown_git_dir(&git_dir, &here)),
        },
        b"--absolute-git-dir" => bytes(&git_dir),
        b"--git-common-dir" => bytes(&relative(&real(&layout.common_dir), &git_dir, &here)),
        b"--show-toplevel" => match &top {
            Some(top) if !here.starts_with(&git_dir) || globals.work_tree.is_some() => bytes(top),
            _ => return Err(Failure::fatal("this operation must be run in a work tree")),
        },
        b"--show-prefix" => {
            let prefix = prefix();
            let mut text = bytes(&prefix);
            if !text.is_empty() {
                text.push(b'/');
            }
            text
        }
        b"--show-cdup" => {
            let depth = prefix().components().count();
            "../".repeat(depth).into_bytes()
        }
        b"--is-inside-git-dir" => truth(here.starts_with(&git_dir)),
        b"--is-inside-work-tree" => truth(inside_tree),
        b"--is-bare-repository" => truth(globals.bare || layout.is_bare()),
        _ => return Ok(None),
    }))
}

/// `--git-path`: where a file of the repository lies.
pub(super) fn git_path(repository: &Repository, path: &[u8]) -> Result<Vec<u8>, Failure> {
    let layout = layout(repository)?;
    let here = real(&current_dir()?);
    let git_dir = real(&layout.git_dir);
    let relative_path = PathBuf::from(crate::globals::os_string(path.to_vec()));
    let first = relative_path.components().next();
    let is_first = |name: &str| first == Some(Component::Normal(name.as_ref()));
    if is_first("objects") && layout.objects_dir != layout.common_dir.join("objects") {
        let rest = relative_path.strip_prefix("objects").unwrap_or(Path::new(""));
        return Ok(bytes(&layout.objects_dir.join(rest)));
    }
    // What working trees share lies in the common directory.
    const SHARED: [&str; 11] = [
        "branches",
        "config",
        "description",
        "hooks",
        "info",
        "logs",
        "lost-found",
        "objects",
        "packed-refs",
        "refs",
        "shallow",
    ];
    const OWN: [&str; 6] = [
        "info/sparse-checkout",
        "logs/HEAD",
        "refs/bisect",
        "refs/rewritten",
        "refs/worktree",
        "logs/refs/bisect",
    ];
    let shared =
        SHARED.iter().any(|name| is_first(name)) && !OWN.iter().any(|own| relative_path.starts_with(own));
    let base = if shared { real(&layout.common_dir) } else { git_dir.clone() };
    let base = relative(&base, &git_dir, &here);
    if base == Path::new(".") {
        return Ok(bytes(&relative_path));
    }
    let mut text = bytes(&base);
    text.push(b'/');
    text.extend_from_slice(path);
    Ok(text)
}

fn layout(repository: &Repository) -> Result<&Layout, Failure> {
    repository.layout().ok_or_else(|| Failure::fatal("the repository is not on a disk"))
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}

/// The git directory as git finds it: relative from where it begins or from above, absolute otherwise.
fn shown_git_dir(git_dir: &Path, here: &Path) -> PathBuf {
    if git_dir == here {
        return PathBuf::from(".");
    }
    if git_dir.parent() == Some(here) && git_dir.file_name().is_some_and(|name| name == ".git") {
        return PathBuf::from(".git");
    }
    git_dir.to_owned()
}

/// A directory as seen from below the working tree that it belongs to.
fn relative(path: &Path, git_dir: &Path, here: &Path) -> PathBuf {
    if path != git_dir {
        return path.to_owned();
    }
    if let Some(above) = git_dir.parent()
        && git_dir.file_name().is_some_and(|name| name == ".git")
        && let Ok(below) = here.strip_prefix(above)
        && !here.starts_with(git_dir)
    {
        let mut text = PathBuf::new();
        below.components().for_each(|_| text.push(".."));
        return text.join(".git");
    }
    shown_git_dir(git_dir, here)
}
