//! `rev-list --walk-reflogs`: what refs have held, the latest first.

use super::rev_list_grep::any;
use crate::fail::Failure;
use crate::revisions::{Revisions, Tip};
use bstr::ByteSlice as _;
use git_core::object::{IdentRef, Kind, ObjectId};
use git_core::store::walk::{HistoryTip, TipRole, peel};
use git_core::store::{Snapshot, revision};
use regex::bytes::Regex;
use std::ops::ControlFlow;

/// The entries of one log that are left, the latest last.
struct Log {
    entries: Vec<(i64, ObjectId)>,
}

/// The commits that the logs of the named refs tell of, the latest first. Only names of refs, with or without
/// `@{<n>}`, have logs; of other revisions there is nothing to tell.
pub(super) fn tips(
    snapshot: &dyn Snapshot,
    revisions: &Revisions,
    messages: Option<&[Regex]>,
) -> Result<Vec<HistoryTip>, Failure> {
    let mut logs = Vec::new();
    for tip in &revisions.tips {
        if tip.hidden || tip.left {
            return Err(Failure::fatal(format_args!("cannot walk reflogs for {}", tip.name.as_bstr())));
        }
        logs.extend(log(snapshot, tip, messages)?);
    }
    let (mut tips, mut buf) = (Vec::new(), Vec::new());
    while let Some(log) = latest(&mut logs) {
        let Some((_, id)) = log.entries.pop() else { break };
        // What has been pruned, or is no commit, is passed over.
        if let Ok((id, Kind::Commit)) = peel(snapshot, id, &mut buf, &mut Vec::new()) {
            tips.push(HistoryTip { id, role: TipRole::Shown });
        }
    }
    Ok(tips)
}

/// The log whose next entry is the youngest; of equally young ones the first.
fn latest(logs: &mut [Log]) -> Option<&mut Log> {
    let time = |log: &Log| log.entries.last().map(|(time, _)| *time);
    let mut best: Option<(usize, i64)> = None;
    for (at, log) in logs.iter().enumerate() {
        if let Some(time) = time(log)
            && best.is_none_or(|(_, other)| time > other)
        {
            best = Some((at, time));
        }
    }
    best.map(|(at, _)| &mut logs[at])
}

fn log(snapshot: &dyn Snapshot, tip: &Tip, messages: Option<&[Regex]>) -> Result<Option<Log>, Failure> {
    let (name, from) = match tip.name.find(b"@{") {
        Some(at) => {
            let inside = tip.name[at + 2..].strip_suffix(b"}").unwrap_or_default();
            let number = inside.to_str().ok().and_then(|text| text.parse::<usize>().ok());
            (&tip.name[..at], number.ok_or(inside.to_vec()))
        }
        None => (&tip.name[..], Ok(0)),
    };
    let name = if name.is_empty() || name == b"@" { b"HEAD" } else { name };
    let Some((name, _)) = revision::find_short(snapshot, name)? else { return Ok(None) };
    let (mut entries, mut at) = (Vec::new(), 0usize);
    // A time stands for the entry that was the latest then.
    let until = match &from {
        Ok(_) => i64::MAX,
        Err(text) => crate::when::parse(&text.to_str_lossy())?,
    };
    let first = from.unwrap_or(0);
    snapshot.for_each_reflog_entry(&name, &mut |entry| {
        let time = IdentRef::parse(entry.committer).time().map_or(0, |time| time.seconds);
        let said = messages.is_none_or(|patterns| any(patterns, entry.message));
        if at >= first && time <= until && said && !entry.new.is_null() {
            entries.push((time, entry.new));
        }
        at += 1;
        ControlFlow::Continue(())
    })?;
    entries.reverse();
    Ok(Some(Log { entries }))
}
