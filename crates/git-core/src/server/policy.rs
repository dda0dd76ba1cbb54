//! What a repository lets pushes do, as data: [`ReceivePolicy`].

use super::fsck::FsckChecks;
use super::{HiddenRefs, ProcRefs, SharedObserver, WorkTree};
use crate::hooks::{HookNotice, PushHooks};
use crate::signing::SigningPrograms;
use bstr::BString;
use std::sync::Arc;

/// Which updates of refs a push may make, and how its pack is taken in.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct ReceivePolicy {
    /// Whether the branch that `HEAD` points to may be updated: a repository with a working tree says no
    /// (`receive.denyCurrentBranch`).
    pub current_branch: CurrentBranch,
    /// Whether refs may be deleted (`receive.denyDeletes`).
    pub deletes: Permission,
    /// Whether the branch that `HEAD` points to may be deleted (`receive.denyDeleteCurrent`).
    pub delete_current: DeleteCurrent,
    /// Whether branches may go back or aside (`receive.denyNonFastForwards`).
    pub non_fast_forwards: Permission,
    /// What happens to a `HEAD` that points to no branch yet when other branches are pushed.
    pub unborn_head: UnbornHead,
    /// What happens to refs whose history ends where that of the client does (`receive.shallowUpdate`).
    pub shallow_update: ShallowPush,
    /// Packs of fewer objects are stored object by object (`receive.unpackLimit`).
    pub unpack_below: u64,
    /// The largest pack in bytes (`receive.maxInputSize`).
    pub max_input_bytes: Option<u64>,
    /// Sees every object of a push before any of it becomes visible.
    pub observer: Option<SharedObserver>,
    /// Who reflogs say has pushed, as commits spell it with time and zone.
    pub committer: Option<Arc<dyn Fn() -> BString + Send + Sync>>,
    /// Are asked and told about pushes.
    pub hooks: Option<Arc<dyn PushHooks>>,
    /// Finds out whether push certificates are signed well.
    pub signatures: Option<SigningPrograms>,
    /// In which words a ref that could not be changed is reported.
    pub words: Words,
    /// Refs that may not be pushed to.
    pub hidden: HiddenRefs,
    /// Which commands [`PushHooks::proc_receive`] carries out.
    pub proc_receive: ProcRefs,
    /// The working trees whose branches are checked out; without it the branch that `HEAD` points to counts as
    /// checked out.
    pub work_trees: Option<Vec<WorkTree>>,
    /// Whether links are plain files in working trees (`core.symlinks`).
    pub plain_links: bool,
    /// Takes what is to be said to whoever runs the server.
    pub notice: HookNotice,
    /// Is done when refs were changed.
    pub afterwards: Option<Arc<dyn Fn() + Send + Sync>>,
    /// The checks that git is configured to make on objects.
    pub(super) fsck: Option<Arc<FsckChecks>>,
}

/// In which words a ref that could not be changed is reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Words {
    /// The status of the ref says why.
    #[default]
    Telling,
    /// As in git: the status says that it failed, and a message beside it why.
    OfGit,
}

/// Whether something may be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Permission {
    /// It may.
    #[default]
    Allow,
    /// It may not.
    Deny,
}

/// What happens to refs whose history ends where that of the client does, and not where it ends here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShallowPush {
    /// They are refused.
    #[default]
    Refuse,
    /// They are taken, and the repository becomes shallow, or shallower.
    Accept,
}

/// What happens to a `HEAD` that points to no branch yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnbornHead {
    /// It stays, as git has it: a clone then finds nothing to check out.
    #[default]
    Keep,
    /// It is pointed to a branch that was pushed: `main` or `master` if they are among them, else the first.
    Follow,
}

/// What happens to a push to the branch that `HEAD` points to (`receive.denyCurrentBranch`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CurrentBranch {
    /// It is updated like any other; right for bare repositories.
    #[default]
    Allow,
    /// The same, and the person who pushes is warned.
    Warn,
    /// It is refused, since the working tree would no longer match.
    Refuse,
    /// The same, with advice about the variable that decides it.
    RefuseAndAdvise,
    /// The working tree is updated with it, if it holds no changes.
    UpdateInstead,
}

/// What happens to a push that deletes the branch that `HEAD` points to (`receive.denyDeleteCurrent`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeleteCurrent {
    /// It is refused, so that the next clone finds something to check out.
    #[default]
    Refuse,
    /// The same, with advice about the variable that decides it.
    RefuseAndAdvise,
    /// It is deleted like any other.
    Allow,
    /// The same, and the person who pushes is warned.
    Warn,
}

impl std::fmt::Debug for ReceivePolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceivePolicy")
            .field("current_branch", &self.current_branch)
            .field("deletes", &self.deletes)
            .field("delete_current", &self.delete_current)
            .field("non_fast_forwards", &self.non_fast_forwards)
            .field("unborn_head", &self.unborn_head)
            .field("unpack_below", &self.unpack_below)
            .field("max_input_bytes", &self.max_input_bytes)
            .finish_non_exhaustive()
    }
}
