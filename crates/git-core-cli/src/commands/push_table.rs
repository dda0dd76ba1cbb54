//! What a push did, as git prints it: the table of refs, and advice where something was refused.

use super::fetch::{pretty, short};
use crate::progress;
use git_core::object::ObjectId;
use git_core::refs::RefName;
use git_core::refs::refspec::PushSource;
use git_core::remote::{PushStatus, Pushed, PushedRef};
use git_core::store::config::Config;
use std::io::Write as _;

/// How the table is printed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Table {
    /// What did not change is shown, too.
    pub(super) verbose: bool,
    /// For programs, on standard output.
    pub(super) porcelain: bool,
}

impl Table {
    /// Prints the table: what did not change, what did, what was refused.
    pub(super) fn print(self, url: &str, pushed: &Pushed) {
        if let Some(reason) = &pushed.unpack_error {
            eprintln!("error: remote unpack failed: {}", progress::masked(reason));
        }
        let class = |one: &PushedRef| match one.status {
            PushStatus::UpToDate => 0,
            PushStatus::Ok => 1,
            _ => 2,
        };
        let mut shown: Vec<_> =
            pushed.refs.iter().filter(|one| self.verbose || self.porcelain || class(one) > 0).collect();
        shown.sort_by_key(|one| class(one));
        let mut lines = Vec::new();
        if !shown.is_empty() {
            lines.push(format!("To {url}"));
        }
        for one in shown {
            lines.push(self.line(one));
            for further in one.otherwise.iter().flat_map(|said| &said.further) {
                let one = PushedRef { otherwise: Some(further.clone()), ..one.clone() };
                lines.push(self.line(&one));
            }
        }
        for line in lines {
            match self.porcelain {
                true => println!("{line}"),
                false => eprintln!("{line}"),
            }
        }
        let _ = std::io::stdout().flush();
    }

    fn line(self, one: &PushedRef) -> String {
        let told = one.otherwise.as_ref();
        let remote = told.and_then(|told| told.name.as_ref()).unwrap_or(&one.remote);
        let (flag, what, why) = columns(one, remote);
        let why = why.map_or_else(String::new, |why| format!(" ({why})"));
        if self.porcelain {
            return match full_source(one) {
                Some(from) => format!("{flag}\t{from}:{}\t{what}{why}", remote),
                None => format!("{flag}\t:{}\t{what}{why}", remote),
            };
        }
        let to = pretty(remote.as_bytes());
        match source(one) {
            Some(from) => format!(" {flag} {what:<17} {from} -> {to}{why}"),
            None => format!(" {flag} {what:<17} {to}{why}"),
        }
    }
}

fn full_source(one: &PushedRef) -> Option<String> {
    match &one.source {
        PushSource::Ref(name) => Some(name.to_string()),
        PushSource::Revision(text) => Some(text.to_string()),
        PushSource::Nothing => None,
    }
}

fn source(one: &PushedRef) -> Option<String> {
    match &one.source {
        PushSource::Ref(name) => Some(pretty(name.as_bytes())),
        PushSource::Revision(text) => Some(text.to_string()),
        PushSource::Nothing => None,
    }
}

fn columns(one: &PushedRef, remote: &RefName) -> (char, String, Option<String>) {
    let rejected = |why: &str| ('!', "[rejected]".to_owned(), Some(why.to_owned()));
    match &one.status {
        PushStatus::UpToDate => ('=', "[up to date]".to_owned(), None),
        PushStatus::Ok => changed(one, remote),
        PushStatus::NonFastForward => rejected("non-fast-forward"),
        PushStatus::FetchFirst => rejected("fetch first"),
        PushStatus::AlreadyExists => rejected("already exists"),
        PushStatus::NeedsForce => rejected("needs force"),
        PushStatus::StaleInfo => rejected("stale info"),
        PushStatus::RemoteUpdated => rejected("remote ref updated since checkout"),
        PushStatus::DeletionUnsupported => rejected("remote does not support deleting refs"),
        PushStatus::AtomicFailed => rejected("atomic push failed"),
        PushStatus::RemoteRejected(why) => ('!', "[remote rejected]".to_owned(), Some(progress::masked(why))),
        _ => ('!', "[remote failure]".to_owned(), Some("remote failed to report status".to_owned())),
    }
}

fn changed(one: &PushedRef, remote: &RefName) -> (char, String, Option<String>) {
    let told = one.otherwise.clone().unwrap_or_default();
    let (old, new): (Option<ObjectId>, Option<ObjectId>) = (told.old.or(one.old), told.new.or(one.new));
    match (old, new) {
        (_, None) => ('-', "[deleted]".to_owned(), None),
        (None, Some(_)) => {
            let what = match remote {
                name if name.is_tag() => "[new tag]",
                name if name.is_branch() => "[new branch]",
                _ => "[new reference]",
            };
            ('*', what.to_owned(), None)
        }
        (Some(old), Some(new)) if one.forced || told.forced => {
            ('+', format!("{}...{}", short(&old), short(&new)), Some("forced update".to_owned()))
        }
        (Some(old), Some(new)) => (' ', format!("{}..{}", short(&old), short(&new)), None),
    }
}

/// What git advises where updates were refused, unless the configuration says that nobody wants to hear it.
/// `head` is the branch that is checked out.
pub(super) fn advice(config: &Config, pushed: &Pushed, head: Option<&RefName>) -> Option<&'static str> {
    let any = |status: &PushStatus| pushed.refs.iter().any(|one| one.status == *status);
    let is_head = |one: &PushedRef| one.status == PushStatus::NonFastForward && Some(&one.remote) == head;
    let (key, text) = if pushed.refs.iter().any(is_head) {
        ("advice.pushNonFFCurrent", CURRENT)
    } else if any(&PushStatus::NonFastForward) {
        ("advice.pushNonFFMatching", MATCHING)
    } else if any(&PushStatus::AlreadyExists) {
        ("advice.pushAlreadyExists", EXISTS)
    } else if any(&PushStatus::FetchFirst) {
        ("advice.pushFetchFirst", FETCH_FIRST)
    } else if any(&PushStatus::NeedsForce) {
        ("advice.pushNeedsForce", NEEDS_FORCE)
    } else if any(&PushStatus::RemoteUpdated) {
        ("advice.pushRefNeedsUpdate", NEEDS_UPDATE)
    } else {
        return None;
    };
    let wanted = |key: &str| config.bool(key).ok().flatten() != Some(false);
    (wanted(key) && wanted("advice.pushUpdateRejected")).then_some(text)
}

const CURRENT: &str = "\
hint: Updates were rejected because the tip of your current branch is behind
hint: its remote counterpart. If you want to integrate the remote changes,
hint: use 'git pull' before pushing again.
hint: See the 'Note about fast-forwards' in 'git push --help' for details.";
const MATCHING: &str = "\
hint: Updates were rejected because a pushed branch tip is behind its remote
hint: counterpart. If you want to integrate the remote changes, use 'git pull'
hint: before pushing again.
hint: See the 'Note about fast-forwards' in 'git push --help' for details.";
const EXISTS: &str = "hint: Updates were rejected because the tag already exists in the remote.";
const FETCH_FIRST: &str = "\
hint: Updates were rejected because the remote contains work that you do not
hint: have locally. This is usually caused by another repository pushing to
hint: the same ref. If you want to integrate the remote changes, use
hint: 'git pull' before pushing again.
hint: See the 'Note about fast-forwards' in 'git push --help' for details.";
const NEEDS_FORCE: &str = "\
hint: You cannot update a remote ref that points at a non-commit object,
hint: or update a remote ref to make it point at a non-commit object,
hint: without using the '--force' option.";
const NEEDS_UPDATE: &str = "\
hint: Updates were rejected because the tip of the remote-tracking branch has
hint: been updated since the last checkout. If you want to integrate the
hint: remote changes, use 'git pull' before pushing again.
hint: See the 'Note about fast-forwards' in 'git push --help' for details.";
