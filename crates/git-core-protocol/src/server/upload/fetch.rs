//! v2: `fetch`, from its arguments to the sections of its response.

use super::super::error::shown;
use super::super::{
    Haves, HavesQuery, PackRequest, Question, ServerError, WantPolicy, WantRefsQuery, Wants, WantsQuery,
};
use super::shallow::{self, Scope};
use super::wants::{add_want, split_id};
use super::{Outcome, Phase, Talk};
use crate::ShallowUpdate;
use crate::sideband::PacketSize;
use bstr::{BStr, ByteSlice as _};
use git_core_object::ObjectId;
use git_core_ref::RefName;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The arguments of `fetch` that are served here.
#[derive(Debug, Default)]
pub(super) struct FetchArguments {
    wants: Vec<ObjectId>,
    seen: BTreeSet<ObjectId>,
    want_refs: Vec<RefName>,
    seen_refs: BTreeSet<RefName>,
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
                } else if let Some(name) = other.strip_prefix(b"want-ref ")
                    && talk.options.ref_in_want
                {
                    self.want_ref(name, talk)?;
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

    fn want_ref(&mut self, name: &[u8], talk: &Talk) -> Result<(), ServerError> {
        let unknown = || ServerError::UnknownRef(shown(name));
        let ref_name = RefName::new(name).map_err(|_| unknown())?;
        // Other files of the repository that look like refs are none to a client.
        if name != b"HEAD" && !name.starts_with(b"refs/") {
            return Err(unknown());
        }
        if self.want_refs.len() >= talk.options.limits.wants {
            return Err(ServerError::Limit { what: "wants", bound: talk.options.limits.wants as u64 });
        }
        if !self.seen_refs.insert(ref_name.clone()) {
            return Err(ServerError::DuplicateWantRef(shown(name)));
        }
        self.want_refs.push(ref_name);
        Ok(())
    }

    /// All arguments are read: asks what the refs are that are wanted by name, and whether the wants are granted.
    pub(super) fn ask(mut self: Box<Self>, talk: &mut Talk) -> Result<Phase, ServerError> {
        self.seen_refs = BTreeSet::new();
        self.scope.check()?;
        talk.out.set_all_bands(self.sideband_all);
        let nothing = self.wants.is_empty() && self.want_refs.is_empty();
        if nothing && (self.haves.is_empty() || !self.wait_for_done) {
            // Nothing is wanted: the client takes its leave.
            return Ok(Phase::End(Outcome::Complete));
        }
        let wants = std::mem::take(&mut self.wants);
        let fetch = Fetch { wants: Arc::new(wants), refs: Vec::new(), arguments: self, common: Vec::new() };
        if nothing {
            return fetch.negotiate(talk);
        }
        if fetch.arguments.want_refs.is_empty() {
            return Ok(fetch.grant(talk));
        }
        let names = fetch.arguments.want_refs.clone();
        talk.ask(Question::WantRefs(WantRefsQuery { names }));
        Ok(Phase::Fetch(fetch))
    }
}

/// A `fetch` whose arguments are read.
#[derive(Debug)]
pub(super) struct Fetch {
    wants: Arc<Vec<ObjectId>>,
    /// What the refs are that are wanted by name; their ids are among the wants.
    refs: Vec<(RefName, ObjectId)>,
    arguments: Box<FetchArguments>,
    /// What both sides have, once that is known.
    common: Vec<ObjectId>,
}

impl Fetch {
    /// The refs that are wanted by name are these.
    pub(super) fn named(mut self, ids: &[Option<ObjectId>], talk: &mut Talk) -> Result<Phase, ServerError> {
        let names = std::mem::take(&mut self.arguments.want_refs);
        if ids.len() != names.len() {
            return Err(ServerError::MismatchedAnswer);
        }
        let mut wants = self.wants.to_vec();
        for (name, id) in names.into_iter().zip(ids) {
            let Some(id) = *id else { return Err(ServerError::UnknownRef(shown(name.as_bytes()))) };
            if self.arguments.seen.insert(id) {
                wants.push(id);
            }
            self.refs.push((name, id));
        }
        self.wants = Arc::new(wants);
        Ok(self.grant(talk))
    }

    /// Asks whether the wants are granted.
    fn grant(mut self, talk: &mut Talk) -> Phase {
        self.arguments.seen = BTreeSet::new();
        let filter = self.arguments.scope.filter.clone();
        let wants = self.wants.to_vec();
        talk.ask(Question::Wants(WantsQuery { wants, policy: WantPolicy::Any, filter }));
        Phase::Fetch(self)
    }

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
        if !self.refs.is_empty() {
            talk.out.line(&[b"wanted-refs"]);
            for (name, id) in &self.refs {
                talk.out.line(&[id.to_hex().as_bytes(), b" ", name.as_bytes()]);
            }
            talk.out.delim();
        }
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
