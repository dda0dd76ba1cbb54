//! Which updates of a push are allowed: the rules of `receive.deny…`, and the words they refuse in.

use super::policy::{CurrentBranch, DeleteCurrent, Permission, Words};
use super::receive::Push;
use super::trees;
use bstr::BString;
use git_core_object::{Kind, ObjectId, Objects as _, ReadError};
use git_core_protocol::server::Command;
use git_core_ref::RefName;
use git_core_store::{revision, walk};

/// The rules, with what they have to know of the repository.
pub(super) struct Rules {
    /// The branch that `HEAD` points to.
    current: RefName,
}

impl Rules {
    pub(super) fn of(push: &Push<'_>) -> Result<Self, ReadError> {
        let (current, _) = revision::follow(&**push.base, &RefName::head())?;
        Ok(Rules { current })
    }

    /// Whether carrying out a command may change files of a working tree.
    pub(super) fn touches_files(&self, push: &Push<'_>) -> bool {
        push.policy.current_branch == CurrentBranch::UpdateInstead
    }

    /// Whether a working tree shows the branch.
    fn is_checked_out(&self, push: &Push<'_>, name: &RefName) -> bool {
        match &push.policy.work_trees {
            Some(trees) => trees.iter().any(|tree| tree.branch == *name),
            None => *name == self.current,
        }
    }

    /// Why a command is refused, if it is.
    pub(super) fn check(&self, push: &Push<'_>, command: &Command) -> Result<Option<BString>, ReadError> {
        let checked_out = self.is_checked_out(push, &command.name);
        let rest = command.name.as_bytes().strip_prefix(b"refs/").unwrap_or_default();
        if !rest.contains(&b'/') {
            push.say(format_args!("error: refusing to update funny ref '{}' remotely", command.name));
            return Ok(Some("funny refname".into()));
        }
        let mut refused = if checked_out { update_current(push, command) } else { None };
        if refused.is_none() && command.new.is_none() && command.old.is_some() {
            refused = self.delete(push, command, checked_out);
        }
        if refused.is_some() {
            return Ok(refused.map(BString::from));
        }
        let Some(new) = command.new else { return Ok(None) };
        let Some(header) = push.view.header(&new)? else {
            return Ok(Some("bad pack".into()));
        };
        if !command.name.is_branch() {
            return Ok(None);
        }
        if header.kind != Kind::Commit && push.policy.words == Words::Telling {
            return Ok(Some(format!("cannot update ref: {new} is not a commit").into()));
        }
        if let Some(old) = command.old
            && push.policy.non_fast_forwards == Permission::Deny
            && !is_fast_forward(push, &old, &new)?
        {
            push.say(format_args!(
                "error: denying non-fast-forward {} (you should pull first)",
                command.name
            ));
            return Ok(Some("non-fast-forward".into()));
        }
        Ok(None)
    }

    /// What has to happen beside the ref; why it could not, if so.
    pub(super) fn update_files(
        &self,
        push: &Push<'_>,
        command: &Command,
    ) -> Result<Option<BString>, ReadError> {
        if push.policy.current_branch != CurrentBranch::UpdateInstead {
            return Ok(None);
        }
        for tree in push.policy.work_trees.iter().flatten().filter(|tree| tree.branch == command.name) {
            if let Some(reason) = trees::update(push, tree, command)? {
                return Ok(Some(reason));
            }
        }
        Ok(None)
    }

    fn delete(&self, push: &Push<'_>, command: &Command, checked_out: bool) -> Option<&'static str> {
        let name = &command.name;
        if name.is_branch() && push.policy.deletes == Permission::Deny {
            push.say(format_args!("error: denying ref deletion for {name}"));
            return Some("deletion prohibited");
        }
        if *name != self.current && !checked_out {
            return None;
        }
        match push.policy.delete_current {
            DeleteCurrent::Allow => return None,
            DeleteCurrent::Warn => {
                push.say("warning: deleting the current branch");
                return None;
            }
            DeleteCurrent::RefuseAndAdvise => push.say(ADVICE_ON_DELETION),
            DeleteCurrent::Refuse => {}
        }
        push.say(format_args!("error: refusing to delete the current branch: {name}"));
        Some("deletion of the current branch prohibited")
    }
}

fn update_current(push: &Push<'_>, command: &Command) -> Option<&'static str> {
    match push.policy.current_branch {
        CurrentBranch::Allow | CurrentBranch::UpdateInstead => None,
        CurrentBranch::Warn => {
            push.say("warning: updating the current branch");
            None
        }
        how @ (CurrentBranch::Refuse | CurrentBranch::RefuseAndAdvise) => {
            push.say(format_args!("error: refusing to update checked out branch: {}", command.name));
            if how == CurrentBranch::RefuseAndAdvise {
                push.say(ADVICE_ON_UPDATE);
            }
            Some("branch is currently checked out")
        }
    }
}

fn is_fast_forward(push: &Push<'_>, old: &ObjectId, new: &ObjectId) -> Result<bool, ReadError> {
    match walk::is_ancestor(&*push.view, push.view.shallow(), old, new, push.cx) {
        Err(ReadError::Missing { .. } | ReadError::WrongKind { .. }) => Ok(false),
        result => result,
    }
}

const ADVICE_ON_UPDATE: &str = "\
error: By default, updating the current branch in a non-bare repository
is denied, because it will make the index and work tree inconsistent
with what you pushed, and will require 'git reset --hard' to match
the work tree to HEAD.

You can set the 'receive.denyCurrentBranch' configuration variable
to 'ignore' or 'warn' in the remote repository to allow pushing into
its current branch; however, this is not recommended unless you
arranged to update its work tree to match what you pushed in some
other way.

To squelch this message and still keep the default behaviour, set
'receive.denyCurrentBranch' configuration variable to 'refuse'.";

const ADVICE_ON_DELETION: &str = "\
error: By default, deleting the current branch is denied, because the next
'git clone' won't result in any file checked out, causing confusion.

You can set 'receive.denyDeleteCurrent' configuration variable to
'warn' or 'ignore' in the remote repository to allow deleting the
current branch, with or without a warning message.

To squelch this message, you can set it to 'refuse'.";
