//! Working trees that show a branch which is pushed to: finding them, and bringing their files along
//! (`receive.denyCurrentBranch=updateInstead`).

use super::receive::Push;
use crate::Repository;
use bstr::{BString, ByteSlice as _};
use git_core_object::{ObjectId, Objects as _, ReadError};
use git_core_protocol::server::Command;
use git_core_ref::{RefName, Target};
use git_core_store::{Snapshot, revision};
use git_core_worktree::{CheckoutOptions, Index, IndexLock, Symlinks, Unclean, update_clean};
use std::path::{Path, PathBuf};

/// A working tree and the branch that it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkTree {
    /// The branch; it need not exist yet.
    pub branch: RefName,
    /// The directory of its `HEAD` and its staging index.
    pub git_dir: PathBuf,
    /// Where its files are.
    pub top: PathBuf,
}

/// The working trees of a repository that show a branch, the linked ones among them.
pub(crate) fn work_trees(repository: &Repository) -> Vec<WorkTree> {
    let Some(layout) = repository.layout() else { return Vec::new() };
    let mut found = Vec::new();
    if let (Some(top), Some(branch)) = (&layout.work_tree, branch_of(repository, &layout.git_dir)) {
        found.push(WorkTree { branch, git_dir: layout.git_dir.clone(), top: top.clone() });
    }
    for entry in std::fs::read_dir(layout.common_dir.join("worktrees")).into_iter().flatten().flatten() {
        let git_dir = entry.path();
        let Ok(link) = std::fs::read(git_dir.join("gitdir")) else { continue };
        let link = git_dir.join(crate::hooks::os_string(link.trim_ascii_end()));
        if let (Some(branch), Some(top)) = (branch_of(repository, &git_dir), link.parent()) {
            found.push(WorkTree { branch, git_dir, top: top.to_path_buf() });
        }
    }
    found
}

fn branch_of(repository: &Repository, git_dir: &Path) -> Option<RefName> {
    let content = std::fs::read(git_dir.join("HEAD")).ok()?;
    match Target::parse_loose(repository.format(), &content).ok()? {
        Target::Symbolic(branch) => Some(branch),
        Target::Id(_) => None,
    }
}

/// Brings the files of a working tree to the commit of a command; says why that could not be, if so.
pub(super) fn update(
    push: &Push<'_>,
    tree: &WorkTree,
    command: &Command,
) -> Result<Option<BString>, ReadError> {
    let Some(new) = command.new else { return Ok(None) };
    if let Some(hooks) = &push.policy.hooks
        && let Some(said) = hooks.push_to_checkout(&push.hooked(None), tree, &new)
    {
        let declined =
            |no: crate::hooks::Declined| no.reason.unwrap_or_else(|| "push-to-checkout hook declined".into());
        return Ok(said.err().map(declined));
    }
    let (current, _) = revision::follow(&**push.base, &tree.branch)?;
    let old = push.base.find_ref(&current)?.and_then(|found| found.target.id());
    let old = old.map(|old| tree_of(&*push.view, &old)).transpose()?;
    let new = tree_of(&*push.view, &new)?;
    let failed = |error: &dyn std::error::Error| {
        push.policy.notice.say(&format!("error: {error}"));
        Some("Could not update working tree to new HEAD".into())
    };
    let path = tree.git_dir.join("index");
    let locked =
        IndexLock::acquire(&path).and_then(|lock| Ok((lock, Index::open(push.view.format(), &path)?)));
    let (lock, index) = match locked {
        Ok(locked) => locked,
        Err(error) => {
            push.policy.notice.say(&format!("fatal: {error}"));
            return Ok(Some("Up-to-date check failed".into()));
        }
    };
    let mut options = CheckoutOptions::default();
    if push.policy.plain_links {
        options.symlinks = Symlinks::PlainFiles;
    }
    let trees = (old.as_ref(), &new);
    let done = match update_clean(&*push.view, trees, &tree.top, &index, &options, push.cx) {
        Ok(Ok(done)) => done,
        Ok(Err(unclean)) => {
            return Ok(Some(match unclean {
                Unclean::Unstaged { .. } => "Working directory has unstaged changes".into(),
                Unclean::Staged => "Working directory has staged changes".into(),
                Unclean::Untracked { path } => {
                    let text = "would be overwritten by merge.";
                    push.policy.notice.say(&format!("error: Untracked working tree file '{path}' {text}"));
                    "Could not update working tree to new HEAD".into()
                }
                _ => "Could not update working tree to new HEAD".into(),
            }));
        }
        Err(error) => return Ok(failed(&error)),
    };
    Ok(lock.commit(&done.index).err().and_then(|error| failed(&error)))
}

fn tree_of(view: &dyn Snapshot, commit: &ObjectId) -> Result<ObjectId, ReadError> {
    let mut content = Vec::new();
    view.require(commit, &mut content)?;
    let line = content.lines().next().and_then(|line| line.strip_prefix(b"tree "));
    let id = line.and_then(|hex| ObjectId::from_hex_of(view.format(), hex).ok());
    id.ok_or_else(|| ReadError::corrupt(format_args!("object {commit}"), "a commit without a tree"))
}
