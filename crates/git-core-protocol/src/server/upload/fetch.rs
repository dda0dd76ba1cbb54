//! v2: `fetch`, from its arguments to the sections of its response.

use super::super::{Haves, HavesQuery, PackRequest, Question, ServerError, WantPolicy, Wants, WantsQuery};
use super::shallow::{self, Scope};
use super::wants::{add_want, split_id};
use super::{Outcome, Phase, Talk};
use crate::ShallowUpdate;
use crate::sideband::PacketSize;
use bstr::{BStr, ByteSlice as _};
use git_core_object::ObjectId;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The arguments of `fetch` that are served here.
#[derive(Debug, Default)]
pub(super) struct FetchArguments {
    wants: Vec<ObjectId>,
    seen: BTreeSet<ObjectId>,
    haves: Vec<ObjectId>,
    done: bool,
    wait_for_done: bool,
    thin: bool,
    ofs_delta: bool,
    include_tag: bool,
    no_progress: bool,
    sideband_all: bool,
    scope: Scope,
}

impl FetchArguments {
    pub(super) fn argument(&mut self, line: &BStr, talk: &Talk) -> Result<(), ServerError> {
        match line.as_bytes() {
            b"done" => self.done = true,
            b"wait-for-done" => self.wait_for_done = true,
            b"thin-pack" => self.thin = true,
            b"ofs-delta" => self.ofs_delta = true,
            b"include-tag" => self.include_tag = true,
            b"no-progress" => self.no_progress = true,
            b"sideband-all" if talk.options.sideband_all => self.sideband_all = true,
            b"deepen-relative" => self.scope.relative(),
            _ if self.scope.line(line, talk)? => {}
            other => {
                let format = talk.options.object_format;
                if let Some(rest) = other.strip_prefix(b"want ") {
                    add_want(&mut self.wants, &mut self.seen, split_id(format, rest, line)?.0, talk)?;
                } else if let Some(rest) = other.strip_prefix(b"have ") {
                    if self.haves.len() >= talk.options.limits.haves {
                        let bound = talk.options.limits.haves as u64;
                        return Err(ServerError::Limit { what: "haves", bound });
                    }
                    self.haves.push(split_id(format, rest, line)?.0);
                } else {
                    return Err(ServerError::line(line));
                }
            }
        }
        Ok(())
    }

    /// All arguments are read: asks whether the wants are granted.
    pub(super) fn ask(mut self: Box<Self>, talk: &mut Talk) -> Result<Phase, ServerError> {
        self.seen = BTreeSet::new();
        self.scope.check()?;
        talk.out.set_all_bands(self.sideband_all);
        if self.wants.is_empty() && (self.haves.is_empty() || !self.wait_for_done) {
            // Nothing is wanted: the client takes its leave.
            return Ok(Phase::End(Outcome::Complete));
        }
        let wants = std::mem::take(&mut self.wants);
        let fetch = Fetch { wants: Arc::new(wants), arguments: self, common: Vec::new() };
        if fetch.wants.is_empty() {
            return fetch.negotiate(talk);
        }
        let filter = fetch.arguments.scope.filter.clone();
        let wants = fetch.wants.to_vec();
        talk.ask(Question::Wants(WantsQuery { wants, policy: WantPolicy::Any, filter }));
        Ok(Phase::Fetch(fetch))
    }
}

/// A `fetch` whose arguments are read.
#[derive(Debug)]
pub(super) struct Fetch {
    wants: Arc<Vec<ObjectId>>,
    arguments: Box<FetchArguments>,
    /// What both sides have, once that is known.
    common: Vec<ObjectId>,
}

impl Fetch {
    pub(super) fn granted(self, verdict: Wants, talk: &mut Talk) -> Result<Phase, ServerError> {
        match verdict {
            Wants::NotOurRef(id) => Err(ServerError::NotOurRef(id)),
            // Without haves there is nothing to acknowledge: this is a clone, `done` or not.
            Wants::Accepted if self.arguments.haves.is_empty() => Ok(self.send_pack(Vec::new(), talk)),
            Wants::Accepted => self.negotiate(talk),
        }
    }

    fn negotiate(self, talk: &mut Talk) -> Result<Phase, ServerError> {
        talk.ask(Question::Haves(HavesQuery {
            wants: self.wants.clone(),
            common: Arc::default(),
            haves: self.arguments.haves.clone(),
            readiness: !self.arguments.done && !self.arguments.wait_for_done,
        }));
        Ok(Phase::Fetch(self))
    }

    pub(super) fn answered(mut self, answer: Haves, talk: &mut Talk) -> Result<Phase, ServerError> {
        let haves = std::mem::take(&mut self.arguments.haves);
        if answer.common.len() != haves.len() {
            return Err(ServerError::MismatchedAnswer);
        }
        let common: Vec<_> =
            haves.into_iter().zip(answer.common).filter_map(|(id, common)| common.then_some(id)).collect();
        if !self.arguments.done {
            talk.out.line(&[b"acknowledgments"]);
            if common.is_empty() {
                talk.out.line(&[b"NAK"]);
            }
            for id in &common {
                talk.out.line(&[b"ACK ", id.to_hex().as_bytes()]);
            }
            if !answer.ready || self.arguments.wait_for_done || common.is_empty() {
                talk.out.flush();
                return Ok(talk.next_request());
            }
            talk.out.line(&[b"ready"]);
            talk.out.delim();
        }
        Ok(self.send_pack(common, talk))
    }

    fn send_pack(mut self, common: Vec<ObjectId>, talk: &mut Talk) -> Phase {
        self.common = common;
        let scope = &self.arguments.scope;
        // A client hears of shallow commits when it has or wants some, or when there are some here.
        if scope.deepens() || !scope.client.is_empty() || !talk.options.shallow.is_empty() {
            talk.ask(scope.question(self.wants.clone()));
            return Phase::Fetch(self);
        }
        self.pack(ShallowUpdate::default(), talk)
    }

    pub(super) fn bounded(self, update: ShallowUpdate, talk: &mut Talk) -> Phase {
        talk.out.line(&[b"shallow-info"]);
        shallow::write(&update, talk);
        talk.out.delim();
        self.pack(update, talk)
    }

    fn pack(self, update: ShallowUpdate, talk: &mut Talk) -> Phase {
        talk.out.line(&[b"packfile"]);
        let request = PackRequest {
            wants: Arc::try_unwrap(self.wants).unwrap_or_else(|wants| (*wants).clone()),
            haves: self.common,
            thin: self.arguments.thin,
            ofs_delta: self.arguments.ofs_delta,
            include_tag: self.arguments.include_tag,
            progress: !self.arguments.no_progress,
            client_shallow: self.arguments.scope.client,
            shallow: update,
            filter: self.arguments.scope.filter,
        };
        talk.send_pack(request, Some(PacketSize::Large))
    }
}
