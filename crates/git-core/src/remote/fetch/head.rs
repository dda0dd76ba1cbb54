//! The symbolic ref `refs/remotes/<name>/HEAD`, which stands for the branch that a remote's `HEAD` is on, and how it
//! follows that when something is fetched (`fetch.followRemoteHEAD` in `git-config(1)`).

use super::run::Run;
use super::{Fetched, FollowHead};
use crate::remote::{DryRun, Remote, RemoteError};
use bstr::{BString, ByteSlice as _};
use git_core_object::ObjectId;
use git_core_ref::{Change, Deref, Expected, LogMessage, RefEdit, RefName, RefTransaction, Target};
use git_core_transport::client::AdvertisedRef;

/// A remote's `HEAD` that is on another branch than the ref here says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadDiffers {
    /// The branch that the remote's `HEAD` is on, without `refs/heads/`.
    pub there: BString,
    /// What the ref here says.
    pub here: HeadHere,
}

/// What `refs/remotes/<name>/HEAD` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadHere {
    /// A symbolic ref to this branch of the remote, without `refs/remotes/<name>/`.
    Branch(BString),
    /// A ref to an object.
    Detached(ObjectId),
}

impl FollowHead {
    /// Whether what is asked of the remote with `asked` refspecs has to include its `HEAD`.
    pub(super) fn concerns(&self, remote: &Remote, asked: &super::FetchOptions) -> bool {
        *self != FollowHead::Never
            && asked.refspecs.is_empty()
            && asked.dry_run == DryRun::No
            && remote.name.is_some()
            && !remote.fetch.is_empty()
            && !remote.mirror
    }
}

/// The branches that the `HEAD` among these refs may stand for: one if the server says which.
pub fn head_branches(shown: &[AdvertisedRef]) -> Vec<BString> {
    let short = |name: &RefName| {
        let full = name.as_bytes();
        full.strip_prefix(b"refs/heads/").unwrap_or(full).as_bstr().to_owned()
    };
    let Some(head) = shown.iter().find(|one| one.name.is_head()) else { return Vec::new() };
    if let Some(target) = &head.symref {
        let there = shown.iter().any(|one| one.name == *target && one.id.is_some());
        return if there { vec![short(target)] } else { Vec::new() };
    }
    let same = |one: &&AdvertisedRef| one.name.is_branch() && one.id.is_some() && one.id == head.id;
    shown.iter().filter(same).map(|one| short(&one.name)).collect()
}

impl Run<'_> {
    /// Lets `refs/remotes/<name>/HEAD` follow after the other refs have. What hinders it is no failure of the fetch.
    pub(super) fn follow_head(&self, fetched: &Fetched) -> Result<Option<HeadDiffers>, RemoteError> {
        let follow = &self.options.follow_head;
        if !follow.concerns(self.remote, self.options) || fetched.aborted.is_some() {
            return Ok(None);
        }
        let Some(remote) = &self.remote.name else { return Ok(None) };
        let branches = head_branches(&fetched.advertised);
        let [branch] = branches.as_slice() else { return Ok(None) };
        let below = [b"refs/remotes/", remote.as_slice(), b"/"].concat();
        let (Ok(name), Ok(target)) =
            (RefName::new([&below[..], b"HEAD"].concat()), RefName::new([&below[..], branch].concat()))
        else {
            return Ok(None);
        };
        // As it is after the fetch.
        let refs = self.repository.snapshot()?;
        if refs.find_ref(&target)?.is_none() {
            return Ok(None);
        }
        let here = match refs.find_ref(&name)?.map(|found| found.target) {
            None => {
                self.point(name, target, Expected::MustNotExist);
                return Ok(None);
            }
            Some(Target::Symbolic(now)) if now == target => return Ok(None),
            Some(Target::Symbolic(now)) => {
                let full = now.as_bytes();
                HeadHere::Branch(full.strip_prefix(&below[..]).unwrap_or(full).into())
            }
            Some(Target::Id(id)) => HeadHere::Detached(id),
        };
        match follow {
            FollowHead::Always => self.point(name, target, Expected::Any),
            FollowHead::WarnIfNot(usual) if usual == branch => {}
            FollowHead::Warn | FollowHead::WarnIfNot(_) => {
                return Ok(Some(HeadDiffers { there: branch.clone(), here }));
            }
            FollowHead::Never | FollowHead::Create => {}
        }
        Ok(None)
    }

    /// Makes `name` a symbolic ref to `target`.
    fn point(&self, name: RefName, target: RefName, expected: Expected) {
        let log = self.repository.committer_line().map(|who| LogMessage::new(who, "fetch"));
        let change = Change::Update { target: Target::Symbolic(target), log };
        let mut edit = RefTransaction::new();
        edit.push(RefEdit { name, expected, change, deref: Deref::Direct });
        if let Err(error) = self.repository.refs().edit(&edit) {
            tracing::debug!(%error, "the ref that stands for a remote could not follow");
        }
    }
}
