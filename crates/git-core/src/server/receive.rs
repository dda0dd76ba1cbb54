//! What a push does to the refs: which updates are allowed, whether everything they need has come, and the
//! compare-and-swap of each.

use super::certificate::PushedCertificate;
use super::policy::{ReceivePolicy, ShallowPush, UnbornHead, Words};
use super::rules::Rules;
use crate::hooks::{Declined, HookedPush, Processed, PushHook, Timing};
use bstr::{BString, ByteSlice as _};
use git_core_object::{BoxError, Context, ErrorKind, Kind, ObjectId, ReadError};
use git_core_protocol::server::{Command, CommandStatus, UpdateReport, UpdateRequest, Updated};
use git_core_ref::{Expected, LogMessage, RefEdit, RefName, RefTransaction, Target};
use git_core_store::walk;
use git_core_store::{CommitError, Quarantine, ReceiveError, Snapshot, Storage, revision};
use git_core_transport::server::{Refusal, RefusalKind};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// What has come.
pub(super) struct Pushing<'a> {
    pub(super) request: &'a UpdateRequest,
    pub(super) certificate: Option<PushedCertificate>,
    pub(super) quarantine: Option<Box<dyn Quarantine>>,
}

/// Checks the commands of a push and carries out those that pass; one status for each.
pub(super) fn update(
    storage: &Arc<dyn Storage>,
    base: &Arc<dyn Snapshot>,
    policy: &ReceivePolicy,
    pushing: Pushing<'_>,
    cx: &Context,
) -> Result<UpdateReport, ReadError> {
    let Pushing { request, certificate, mut quarantine } = pushing;
    let cut = bound(base, policy, request, &mut quarantine, cx)?;
    let received = quarantine.as_ref().map(|quarantine| quarantine.snapshot()).transpose()?;
    let place = quarantine.as_ref().and_then(|quarantine| quarantine.path().map(Path::to_path_buf));
    let mut push = Push {
        storage,
        base,
        certificate,
        view: received.unwrap_or_else(|| base.clone()),
        policy,
        request,
        verdicts: vec![None; request.commands.len()],
        absent: vec![false; request.commands.len()],
        processed: vec![None; request.commands.len()],
        quarantines: quarantine.into_iter().collect(),
        cx,
    };
    push.check_names();
    push.refuse_shallow(&cut);
    push.check_connected()?;
    push.check_hidden();
    push.keep_certificate();
    push.ask_pre_receive(place.as_deref());
    if push.verdicts.iter().any(Option::is_none) {
        push.publish_early();
        push.hand_over();
        match request.atomic {
            true => push.carry_out_whole()?,
            false => push.carry_out_each()?,
        }
        if policy.unborn_head == UnbornHead::Follow {
            adopt_head(storage, request, &push.verdicts, cx);
        }
        push.tell_hooks();
        if push.verdicts.iter().any(Option::is_none)
            && let Some(afterwards) = &policy.afterwards
        {
            afterwards();
        }
    }
    let status = |(verdict, processed): (Option<BString>, Option<Updated>)| match verdict {
        None => CommandStatus::Ok(processed.unwrap_or_default()),
        Some(reason) => CommandStatus::Rejected(reason),
    };
    Ok(UpdateReport { statuses: push.verdicts.into_iter().zip(push.processed).map(status).collect() })
}

/// Lets the history of the repository end where that of the client does, if it may; gives what cannot be taken if
/// it may not.
fn bound(
    base: &Arc<dyn Snapshot>,
    policy: &ReceivePolicy,
    request: &UpdateRequest,
    quarantine: &mut Option<Box<dyn Quarantine>>,
    cx: &Context,
) -> Result<HashSet<ObjectId>, ReadError> {
    let mut cut = HashSet::new();
    let Some(quarantine) = quarantine.as_mut().filter(|_| !request.shallow.is_empty()) else {
        return Ok(cut);
    };
    let view = quarantine.snapshot()?;
    let mut ends = Vec::new();
    for id in &request.shallow {
        if base.shallow().binary_search(id).is_err() && view.contains(id)? {
            ends.push(*id);
        }
    }
    ends.sort_unstable();
    let mut known = Vec::new();
    base.for_each_ref(b"", &mut |found| {
        known.extend(found.target.id());
        ControlFlow::Continue(())
    })?;
    let mut all = Vec::new();
    for new in request.commands.iter().filter_map(|command| command.new) {
        let met = walk::ends_met(&*view, &[new], &known, &ends, cx)?;
        match policy.shallow_update {
            _ if met.is_empty() => {}
            ShallowPush::Refuse => drop(cut.insert(new)),
            ShallowPush::Accept => all.extend(met),
        }
    }
    if !all.is_empty() {
        quarantine.set_shallow([base.shallow(), &all].concat());
    }
    Ok(cut)
}

/// A push on its way.
pub(super) struct Push<'a> {
    pub(super) storage: &'a Arc<dyn Storage>,
    /// The repository before the push.
    pub(super) base: &'a Arc<dyn Snapshot>,
    /// The same with what was received.
    pub(super) view: Arc<dyn Snapshot>,
    pub(super) policy: &'a ReceivePolicy,
    pub(super) request: &'a UpdateRequest,
    /// What the client has signed.
    certificate: Option<PushedCertificate>,
    /// Why a command is refused.
    verdicts: Vec<Option<BString>>,
    /// Whether a command deletes what is not there, which is well, and nothing to tell of.
    absent: Vec<bool>,
    /// What a hook did in the place of a command.
    processed: Vec<Option<Updated>>,
    /// What was received, until it is published.
    quarantines: Vec<Box<dyn Quarantine>>,
    pub(super) cx: &'a Context,
}

impl Push<'_> {
    /// Says something to the person who pushes, in a line of its own.
    pub(super) fn say(&self, line: impl std::fmt::Display) {
        self.cx.remote_message(format!("{line}\n").as_bytes());
    }

    fn check_names(&mut self) {
        let mut seen = HashSet::new();
        for (command, verdict) in self.request.commands.iter().zip(&mut self.verdicts) {
            if !command.name.as_bytes().starts_with(b"refs/") {
                *verdict = Some("funny refname".into());
            } else if !seen.insert(&command.name) {
                *verdict = Some("multiple updates for ref not allowed".into());
            }
        }
    }

    fn refuse_shallow(&mut self, cut: &HashSet<ObjectId>) {
        for (command, verdict) in self.request.commands.iter().zip(&mut self.verdicts) {
            if verdict.is_none() && command.new.is_some_and(|new| cut.contains(&new)) {
                *verdict = Some("shallow update not allowed".into());
            }
        }
    }

    /// The commands that nothing was found against, with their places.
    fn open(&self) -> impl Iterator<Item = (usize, &Command)> {
        let all = self.request.commands.iter().enumerate().zip(&self.verdicts);
        all.filter(|(_, verdict)| verdict.is_none()).map(|(command, _)| command)
    }

    /// Refuses each command whose object needs another one that is not there.
    fn check_connected(&mut self) -> Result<(), ReadError> {
        let mut known = Vec::new();
        self.base.for_each_ref(b"", &mut |found| {
            known.extend(found.target.id());
            ControlFlow::Continue(())
        })?;
        let tips: Vec<_> = self.open().filter_map(|(_, command)| command.new).collect();
        match walk::check_received(&*self.view, &**self.base, &tips, &known, self.cx) {
            Ok(()) => return Ok(()),
            Err(ReadError::Stopped(stopped)) => return Err(stopped.into()),
            Err(_) if tips.len() > 1 => {}
            Err(error) => tracing::info!(%error, "a push is incomplete"),
        }
        // Something is missing: find out for whom.
        let each: Vec<_> = self.open().filter_map(|(at, command)| Some((at, command.new?))).collect();
        for (at, tip) in each {
            if let Err(error) = walk::check_received(&*self.view, &**self.base, &[tip], &known, self.cx) {
                if let ReadError::Stopped(stopped) = error {
                    return Err(stopped.into());
                }
                tracing::info!(%error, "a push is incomplete");
                // git does not tell the one from the other.
                let is_there = self.policy.words == Words::OfGit || self.view.contains(&tip)?;
                let reason = if is_there { "missing necessary objects" } else { "bad pack" };
                self.verdicts[at] = Some(reason.into());
            }
        }
        Ok(())
    }

    fn check_hidden(&mut self) {
        for (command, verdict) in self.request.commands.iter().zip(&mut self.verdicts) {
            if verdict.is_none() && self.policy.hidden.hides(&command.name) {
                let deletes = command.new.is_none();
                let what = if deletes { "deny deleting a hidden ref" } else { "deny updating a hidden ref" };
                *verdict = Some(what.into());
            }
        }
    }

    pub(super) fn hooked<'h>(&'h self, quarantine: Option<&'h Path>) -> HookedPush<'h> {
        let mut push = HookedPush::new(&self.view, quarantine, self.request.push_options.as_deref(), self.cx);
        push.certificate = self.certificate.as_ref();
        push
    }

    /// Stores the certificate, so that hooks find it, and finds out whether its signature is good; where no hook asks
    /// for it, neither is of use.
    fn keep_certificate(&mut self) {
        let Some(hooks) = &self.policy.hooks else { return };
        let asked = hooks.has(PushHook::PreReceive) || hooks.has(PushHook::PostReceive);
        let any = self.open().next().is_some();
        let Some(certificate) = self.certificate.as_mut().filter(|_| asked && any) else { return };
        let store = || -> Result<ObjectId, BoxError> {
            let mut quarantine = self.storage.receive(self.base)?;
            let id = quarantine.write(Kind::Blob, certificate.certificate.as_bytes())?;
            self.storage.commit(vec![quarantine], &RefTransaction::new(), self.cx)?;
            Ok(id)
        };
        match store() {
            Ok(id) => certificate.id = Some(id),
            Err(error) => tracing::error!(%error, "a push certificate could not be stored"),
        }
        if let Some(programs) = &self.policy.signatures {
            certificate.verify(programs);
        }
    }

    fn ask_pre_receive(&mut self, quarantine: Option<&Path>) {
        let Some(hooks) = &self.policy.hooks else { return };
        let commands: Vec<_> = self.open().map(|(_, command)| command.clone()).collect();
        if commands.is_empty() {
            return;
        }
        if let Err(declined) = hooks.pre_receive(&self.hooked(quarantine), &commands) {
            self.refuse_open(declined.reason.unwrap_or_else(|| "pre-receive hook declined".into()));
        }
    }

    fn refuse_open(&mut self, reason: BString) {
        for verdict in &mut self.verdicts {
            verdict.get_or_insert_with(|| reason.clone());
        }
    }

    /// Lets hooks that are programs find what was received where all objects are.
    fn publish_early(&mut self) {
        let early = self.policy.hooks.as_ref().is_some_and(|hooks| hooks.timing() == Timing::AfterPreReceive);
        if !early || self.quarantines.is_empty() {
            return;
        }
        let received = std::mem::take(&mut self.quarantines);
        match self.storage.commit(received, &RefTransaction::new(), self.cx) {
            Ok(committed) => self.view = committed.snapshot,
            Err(error) => {
                tracing::error!(%error, "a push could not be stored");
                self.refuse_open("unable to migrate objects to permanent storage".into());
            }
        }
    }

    /// Lets a hook carry out the commands that are for it.
    fn hand_over(&mut self) {
        let places: Vec<_> = self
            .open()
            .filter(|(_, command)| self.policy.proc_receive.covers(command))
            .map(|(at, _)| at)
            .collect();
        if places.is_empty() {
            return;
        }
        let commands: Vec<_> = places.iter().map(|at| self.request.commands[*at].clone()).collect();
        let said = match &self.policy.hooks {
            Some(hooks) => hooks.proc_receive(&self.hooked(None), &commands, self.request.atomic),
            None => Err(Declined::default()),
        };
        let failed = BString::from("fail to run proc-receive hook");
        let refused = match said {
            Ok(said) if said.len() == places.len() => {
                let mut refused = false;
                for (at, said) in places.into_iter().zip(said) {
                    match said {
                        Processed::Done(reports) => {
                            let mut reports = reports.into_iter();
                            let mut first = reports.next().unwrap_or_default();
                            first.further = reports.collect();
                            self.processed[at] = Some(first);
                        }
                        Processed::Refused(reason) => self.verdicts[at] = Some(reason),
                        Processed::FallThrough => {}
                        Processed::Unreported => {
                            self.verdicts[at] = Some("proc-receive failed to report status".into());
                        }
                    }
                    refused |= self.verdicts[at].is_some();
                }
                refused
            }
            other => {
                let reason =
                    other.err().and_then(|declined| declined.reason).unwrap_or_else(|| failed.clone());
                for at in places {
                    self.verdicts[at] = Some(reason.clone());
                }
                true
            }
        };
        if refused && self.request.atomic {
            self.refuse_open(failed);
        }
    }

    /// All or nothing.
    fn carry_out_whole(&mut self) -> Result<(), ReadError> {
        let rules = Rules::of(self)?;
        for at in 0..self.request.commands.len() {
            if self.verdicts[at].is_none() && self.processed[at].is_none() {
                self.verdicts[at] = self.judge(&rules, at)?;
            }
            if self.verdicts[at].is_some() {
                self.refuse_open("atomic push failure".into());
                return Ok(());
            }
        }
        let places = (0..self.request.commands.len())
            .filter(|at| !self.absent[*at] && self.processed[*at].is_none())
            .collect();
        self.commit(places);
        Ok(())
    }

    /// Each for itself: one after the other where a hook may look at what became of the one before, at once
    /// otherwise.
    fn carry_out_each(&mut self) -> Result<(), ReadError> {
        let rules = Rules::of(self)?;
        let one_by_one =
            rules.touches_files(self) || self.policy.hooks.as_ref().is_some_and(|h| h.has(PushHook::Update));
        let mut places = Vec::new();
        for at in 0..self.request.commands.len() {
            if self.verdicts[at].is_some() || self.processed[at].is_some() {
                continue;
            }
            self.verdicts[at] = self.judge(&rules, at)?;
            if self.verdicts[at].is_none() && !self.absent[at] {
                places.push(at);
                if one_by_one {
                    self.commit(std::mem::take(&mut places));
                }
            }
        }
        self.commit(places);
        Ok(())
    }

    /// The verdict of the rules and of the hook about one command.
    fn judge(&mut self, rules: &Rules, at: usize) -> Result<Option<BString>, ReadError> {
        let command = &self.request.commands[at];
        if let Some(reason) = rules.check(self, command)? {
            return Ok(Some(reason));
        }
        if let Some(hooks) = &self.policy.hooks
            && let Err(declined) = hooks.update(&self.hooked(None), command)
        {
            self.say(format_args!("error: hook declined to update {}", command.name));
            return Ok(Some(declined.reason.unwrap_or_else(|| "hook declined".into())));
        }
        if command.new.is_none() && self.is_absent(command)? {
            self.say("warning: deleting a non-existent ref");
            self.absent[at] = true;
        }
        rules.update_files(self, command)
    }

    fn is_absent(&self, command: &Command) -> Result<bool, ReadError> {
        Ok(command.old.is_none() && self.base.find_ref(&command.name)?.is_none())
    }

    /// Publishes what was received and changes the refs of these commands.
    fn commit(&mut self, places: Vec<usize>) {
        if places.is_empty() {
            return;
        }
        let commands = &self.request.commands;
        let transaction: RefTransaction = places.iter().map(|at| edit(&commands[*at], self.policy)).collect();
        let transaction = if self.request.atomic { transaction } else { transaction.each() };
        let received = std::mem::take(&mut self.quarantines);
        match self.storage.commit(received, &transaction, self.cx) {
            Ok(committed) => {
                self.view = committed.snapshot;
                for (edit, error) in committed.rejected {
                    let at = places[edit];
                    self.verdicts[at] = Some(self.failed(&error, &commands[at]));
                }
            }
            Err(error) => {
                let blamed = error.ref_name().cloned();
                for at in places {
                    let own = blamed.is_none() || blamed.as_ref() == Some(&commands[at].name);
                    self.verdicts[at] = Some(match own && self.policy.words == Words::Telling {
                        true => reason(&error),
                        false => "atomic transaction failed".into(),
                    });
                }
                if self.policy.words == Words::OfGit {
                    self.say(format_args!("error: {}", reason(&error)));
                }
            }
        }
    }

    /// Why a ref of its own could not be changed.
    fn failed(&self, error: &CommitError, command: &Command) -> BString {
        if self.policy.words == Words::Telling {
            return reason(error);
        }
        self.say(format_args!("error: {}", reason(error)));
        if command.new.is_none() { "failed to delete".into() } else { "failed to update ref".into() }
    }

    /// Tells the hooks what was carried out.
    fn tell_hooks(&self) {
        let Some(hooks) = &self.policy.hooks else { return };
        let done: Vec<_> = self
            .open()
            .filter(|(at, _)| !self.absent[*at])
            .flat_map(|(at, command)| outcome(command, self.processed[at].as_ref()))
            .collect();
        if done.is_empty() {
            return;
        }
        let push = self.hooked(None);
        hooks.post_receive(&push, &done);
        let names: Vec<_> = done.into_iter().map(|command| command.name).collect();
        hooks.post_update(&push, &names);
    }
}

/// What was done for a command, as if it had been asked for.
fn outcome(command: &Command, processed: Option<&Updated>) -> Vec<Command> {
    let Some(first) = processed else { return vec![command.clone()] };
    let done = |updated: &Updated| Command {
        name: updated.name.clone().unwrap_or_else(|| command.name.clone()),
        old: updated.old.or(command.old),
        new: updated.new.or(command.new),
    };
    std::iter::once(first).chain(&first.further).map(done).collect()
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
        None if command.old.is_none() => one.delete(command.name.clone(), Expected::Any),
        None => one.delete(command.name.clone(), expected),
    };
    one.into_edits().pop().expect("it has just been added")
}

/// Points a `HEAD` without a branch to one that has come.
fn adopt_head(
    storage: &Arc<dyn Storage>,
    request: &UpdateRequest,
    verdicts: &[Option<BString>],
    cx: &Context,
) {
    if verdicts.iter().all(Option::is_some) {
        return;
    }
    let adopt = || -> Result<(), CommitError> {
        let now = &*storage.snapshot()?;
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
