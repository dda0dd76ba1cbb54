//! What a push does to the refs: which updates are allowed, whether everything they need has come, and the
//! compare-and-swap of each.

use super::SharedObserver;
use bstr::{BString, ByteSlice as _};
use git_core_object::{Context, ErrorKind, ObjectId, Objects as _, ReadError};
use git_core_protocol::server::{Command, CommandStatus, UpdateReport, UpdateRequest, Updated};
use git_core_ref::{Expected, LogMessage, RefEdit, RefName, RefTransaction, Target};
use git_core_store::walk;
use git_core_store::{CommitError, Quarantine, ReceiveError, Snapshot, Storage, revision};
use git_core_transport::server::{Refusal, RefusalKind};
use std::collections::HashSet;
use std::ops::ControlFlow;
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
    /// Packs of fewer objects are stored object by object (`receive.unpackLimit`).
    pub unpack_below: u64,
    /// The largest pack in bytes (`receive.maxInputSize`).
    pub max_input_bytes: Option<u64>,
    /// Sees every object of a push before any of it becomes visible.
    pub observer: Option<SharedObserver>,
    /// Who reflogs say has pushed, as commits spell it with time and zone.
    pub committer: Option<Arc<dyn Fn() -> BString + Send + Sync>>,
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

/// What happens to a `HEAD` that points to no branch yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnbornHead {
    /// It stays, as git has it: a clone then finds nothing to check out.
    #[default]
    Keep,
    /// It is pointed to a branch that was pushed: `main` or `master` if they are among them, else the first.
    Follow,
}

/// What happens to a push to the branch that `HEAD` points to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CurrentBranch {
    /// It is updated like any other; right for bare repositories.
    #[default]
    Allow,
    /// It is refused, since the working tree would no longer match.
    Refuse,
}

/// What happens to a push that deletes the branch that `HEAD` points to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeleteCurrent {
    /// It is refused, so that the next clone finds something to check out.
    #[default]
    Refuse,
    /// It is deleted like any other.
    Allow,
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

/// Checks the commands of a push and carries out those that pass; one status for each.
pub(super) fn update(
    storage: &Arc<dyn Storage>,
    base: &Arc<dyn Snapshot>,
    policy: &ReceivePolicy,
    request: &UpdateRequest,
    quarantine: Option<Box<dyn Quarantine>>,
    cx: &Context,
) -> Result<UpdateReport, ReadError> {
    let received = quarantine.as_ref().map(|quarantine| quarantine.snapshot()).transpose()?;
    let view = received.as_ref().unwrap_or(base);
    let mut push = Push {
        base,
        view,
        policy,
        commands: &request.commands,
        verdicts: vec![None; request.commands.len()],
    };
    push.check_names()?;
    push.check_rules(cx)?;
    push.check_connected(cx)?;
    if request.atomic && push.verdicts.iter().any(Option::is_some) {
        push.verdicts.iter_mut().for_each(|verdict| {
            verdict.get_or_insert_with(|| "atomic push failure".into());
        });
    }
    let mut verdicts = push.verdicts;

    let mut transaction = RefTransaction::new();
    let mut places = Vec::new();
    for (at, command) in request.commands.iter().enumerate() {
        if verdicts[at].is_none() {
            transaction.push(edit(command, policy));
            places.push(at);
        }
    }
    if !places.is_empty() {
        let transaction = if request.atomic { transaction } else { transaction.each() };
        match storage.commit(quarantine.into_iter().collect(), &transaction, cx) {
            Ok(committed) => {
                if policy.unborn_head == UnbornHead::Follow {
                    adopt_head(storage, &*committed.snapshot, request, cx);
                }
                for (edit, error) in committed.rejected {
                    verdicts[places[edit]] = Some(reason(&error));
                }
            }
            Err(error) => {
                let blamed = error.ref_name().cloned();
                for at in places {
                    let own = blamed.is_none() || blamed.as_ref() == Some(&request.commands[at].name);
                    verdicts[at] =
                        Some(if own { reason(&error) } else { "atomic transaction failed".into() });
                }
            }
        }
    }
    let status = |verdict: Option<BString>| match verdict {
        None => CommandStatus::Ok(Updated::default()),
        Some(reason) => CommandStatus::Rejected(reason),
    };
    Ok(UpdateReport { statuses: verdicts.into_iter().map(status).collect() })
}

struct Push<'a> {
    /// The repository before the push.
    base: &'a Arc<dyn Snapshot>,
    /// The same with what was received.
    view: &'a Arc<dyn Snapshot>,
    policy: &'a ReceivePolicy,
    commands: &'a [Command],
    /// Why a command is refused.
    verdicts: Vec<Option<BString>>,
}

impl Push<'_> {
    fn check_names(&mut self) -> Result<(), ReadError> {
        let mut seen = HashSet::new();
        for (command, verdict) in self.commands.iter().zip(&mut self.verdicts) {
            if !command.name.as_bytes().starts_with(b"refs/") {
                *verdict = Some("funny refname".into());
            } else if !seen.insert(&command.name) {
                *verdict = Some("multiple updates for ref not allowed".into());
            } else if command.old.is_none() && command.new.is_none() {
                *verdict = Some("nothing to do".into());
            }
        }
        Ok(())
    }

    fn check_rules(&mut self, cx: &Context) -> Result<(), ReadError> {
        let (current, _) = revision::follow(&**self.base, &RefName::head())?;
        let mut verdicts = std::mem::take(&mut self.verdicts);
        for (command, verdict) in self.commands.iter().zip(&mut verdicts) {
            if verdict.is_some() {
                continue;
            }
            let is_current = command.name == current;
            let policy = self.policy;
            if is_current && command.new.is_some() && policy.current_branch == CurrentBranch::Refuse {
                *verdict = Some("branch is currently checked out".into());
                continue;
            }
            let Some(new) = command.new else {
                let of_branch = command.name.is_branch();
                if is_current && policy.delete_current == DeleteCurrent::Refuse {
                    *verdict = Some("deletion of the current branch prohibited".into());
                } else if of_branch && policy.deletes == Permission::Deny {
                    *verdict = Some("deletion prohibited".into());
                }
                continue;
            };
            if !self.view.contains(&new)? {
                *verdict = Some("bad pack".into());
                continue;
            }
            if command.name.is_branch() {
                let header = self.view.header(&new)?.ok_or(ReadError::Missing { id: new })?;
                if header.kind != git_core_object::Kind::Commit {
                    *verdict = Some(format!("cannot update ref: {new} is not a commit").into());
                    continue;
                }
                if let Some(old) = command.old
                    && policy.non_fast_forwards == Permission::Deny
                    && !self.is_fast_forward(&old, &new, cx)?
                {
                    *verdict = Some("non-fast-forward".into());
                }
            }
        }
        self.verdicts = verdicts;
        Ok(())
    }

    fn is_fast_forward(&self, old: &ObjectId, new: &ObjectId, cx: &Context) -> Result<bool, ReadError> {
        match walk::is_ancestor(&**self.view, self.view.shallow(), old, new, cx) {
            Err(ReadError::Missing { .. } | ReadError::WrongKind { .. }) => Ok(false),
            result => result,
        }
    }

    /// Refuses each command whose object needs another one that is not there.
    fn check_connected(&mut self, cx: &Context) -> Result<(), ReadError> {
        let mut known = Vec::new();
        self.base.for_each_ref(b"", &mut |found| {
            known.extend(found.target.id());
            ControlFlow::Continue(())
        })?;
        let open = || self.commands.iter().zip(&self.verdicts).enumerate().filter(|(_, (_, v))| v.is_none());
        let tips: Vec<_> = open().filter_map(|(_, (command, _))| command.new).collect();
        match walk::check_connected(&**self.view, &tips, &known, cx) {
            Ok(()) => return Ok(()),
            Err(ReadError::Stopped(stopped)) => return Err(stopped.into()),
            Err(_) if tips.len() > 1 => {}
            Err(error) => tracing::info!(%error, "a push is incomplete"),
        }
        // Something is missing: find out for whom.
        let each: Vec<_> = open().filter_map(|(at, (command, _))| Some((at, command.new?))).collect();
        for (at, tip) in each {
            if let Err(error) = walk::check_connected(&**self.view, &[tip], &known, cx) {
                if let ReadError::Stopped(stopped) = error {
                    return Err(stopped.into());
                }
                tracing::info!(%error, "a push is incomplete");
                self.verdicts[at] = Some("missing necessary objects".into());
            }
        }
        Ok(())
    }
}

fn edit(command: &Command, policy: &ReceivePolicy) -> RefEdit {
    let expected = match command.old {
        Some(old) => Expected::Is(Target::Id(old)),
        None => Expected::MustNotExist,
    };
    let log = policy.committer.as_ref().map(|committer| LogMessage::new(committer(), "push"));
    let mut one = RefTransaction::new();
    match command.new {
        Some(new) => one.update(command.name.clone(), expected, new, log),
        None => one.delete(command.name.clone(), expected),
    };
    one.into_edits().pop().expect("it has just been added")
}

/// Points a `HEAD` without a branch to one that has come.
fn adopt_head(storage: &Arc<dyn Storage>, now: &dyn Snapshot, request: &UpdateRequest, cx: &Context) {
    let adopt = || -> Result<(), CommitError> {
        let (current, id) = revision::follow(now, &RefName::head())?;
        if id.is_some() || current.is_head() {
            return Ok(());
        }
        let mut pushed = Vec::new();
        for command in &request.commands {
            if command.name.is_branch() && now.find_ref(&command.name)?.is_some() {
                pushed.push(&command.name);
            }
        }
        let usual = pushed.iter().find(|name| matches!(name.short().as_bytes(), b"main" | b"master"));
        let Some(branch) = usual.or(pushed.first()) else { return Ok(()) };
        let mut edits = RefTransaction::new();
        edits.set_symbolic(RefName::head(), (*branch).clone(), None);
        storage.commit(Vec::new(), &edits, cx).map(drop)
    };
    // What was pushed is in place all the same.
    if let Err(error) = adopt() {
        tracing::warn!(%error, "HEAD could not be pointed to a branch");
    }
}

/// One line for the client.
fn reason(error: &CommitError) -> BString {
    let text = match error {
        CommitError::Unavailable { .. } | CommitError::Read(_) | CommitError::Receive(_) => {
            tracing::error!(%error, "a push could not be stored");
            "failed to update ref".to_owned()
        }
        // The path of the lock is nothing for a peer.
        CommitError::Locked { name, .. } => {
            tracing::info!(%error, "an update was refused");
            format!("cannot lock ref '{name}': another process holds its lock")
        }
        CommitError::OutcomeUnknown { .. } => {
            tracing::error!(%error, "the outcome of a push is unknown");
            "outcome unknown: fetch before trying again".to_owned()
        }
        _ => {
            tracing::info!(%error, "an update was refused");
            error.to_string()
        }
    };
    text.as_bytes().as_bstr().to_owned()
}

/// What a peer is told when its pack is refused.
pub(super) fn refused(error: ReceiveError) -> Refusal {
    match &error {
        ReceiveError::Unavailable { .. } | ReceiveError::Read(_) | ReceiveError::Misuse(_) => {
            Refusal::internal(error)
        }
        ReceiveError::Stopped(stopped) => Refusal::from(stopped.clone()),
        _ if error.kind() == ErrorKind::Limit => Refusal::new(RefusalKind::Limit, error.to_string()),
        _ => Refusal::new(RefusalKind::Invalid, error.to_string()),
    }
}
