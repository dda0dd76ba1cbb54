//! v0 and v1: the wants of a client, the first of them with the capabilities it chose, and how deep it wants them.

use super::super::error::shown;
use super::super::{PackRequest, Question, ServerError, Wants, WantsQuery};
use super::haves::{Acks, Negotiation};
use super::shallow::{self, Scope};
use super::{Mode, Outcome, Phase, Talk};
use crate::pkt_line::Packet;
use crate::sideband::PacketSize;
use crate::{Capabilities, ShallowUpdate};
use git_core_object::{ObjectFormat, ObjectId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The wants so far.
#[derive(Debug, Default)]
pub(super) struct WantLines {
    wants: Vec<ObjectId>,
    seen: BTreeSet<ObjectId>,
    capabilities: Capabilities,
    scope: Scope,
    started: bool,
}

impl WantLines {
    pub(super) fn is_empty(&self) -> bool {
        !self.started
    }

    pub(super) fn packet(mut self, packet: Packet<'_>, talk: &mut Talk) -> Result<Phase, ServerError> {
        match packet {
            // A client that has seen the refs and wants nothing takes its leave.
            Packet::Flush if !self.started => Ok(Phase::End(Outcome::Complete)),
            Packet::Flush => {
                self.seen.clear();
                self.scope.check()?;
                talk.ask(Question::Wants(WantsQuery {
                    wants: self.wants.clone(),
                    policy: talk.options.wants,
                    filter: self.scope.filter.clone(),
                }));
                Ok(Phase::Granting(self))
            }
            Packet::Delim => Err(ServerError::UnexpectedPacket("delim")),
            Packet::ResponseEnd => Err(ServerError::UnexpectedPacket("response-end")),
            Packet::Data(_) => {
                let line = packet.text().unwrap_or_default();
                if self.scope.line(line, talk)? {
                    return Ok(Phase::Wants(self));
                }
                let Some(rest) = line.strip_prefix(b"want ") else { return Err(ServerError::line(line)) };
                let (id, list) = split_id(talk.options.object_format, rest, line)?;
                if !self.started {
                    self.capabilities =
                        Capabilities::parse_list(list).map_err(|_| ServerError::line(line))?;
                    if let Some(format) = self.capabilities.get("object-format") {
                        talk.check_format(format)?;
                    }
                    self.started = true;
                }
                add_want(&mut self.wants, &mut self.seen, id, talk)?;
                Ok(Phase::Wants(self))
            }
        }
    }

    pub(super) fn granted(mut self, verdict: Wants, talk: &mut Talk) -> Result<Phase, ServerError> {
        if let Wants::NotOurRef(id) = verdict {
            return Err(ServerError::NotOurRef(id));
        }
        if !self.scope.deepens() {
            return Ok(self.negotiate(ShallowUpdate::default(), talk));
        }
        if self.capabilities.has("deepen-relative") {
            self.scope.relative();
        }
        talk.ask(self.scope.question(Arc::new(self.wants.clone())));
        Ok(Phase::Bounding(self))
    }

    /// The client hears where its history will end before it says what it has.
    pub(super) fn bounded(self, update: ShallowUpdate, talk: &mut Talk) -> Phase {
        shallow::write(&update, talk);
        talk.out.flush();
        self.negotiate(update, talk)
    }

    fn negotiate(self, update: ShallowUpdate, talk: &Talk) -> Phase {
        let has = |name| self.capabilities.has(name);
        let band = match (has("side-band-64k"), has("side-band")) {
            (true, _) => Some(PacketSize::Large),
            (_, true) => Some(PacketSize::Small),
            _ => None,
        };
        let acks = match (has("multi_ack_detailed"), has("multi_ack")) {
            (true, _) => Acks::Detailed,
            (_, true) => Acks::Multi,
            _ => Acks::Single,
        };
        let request = PackRequest {
            wants: Vec::new(),
            haves: Vec::new(),
            thin: has("thin-pack"),
            ofs_delta: has("ofs-delta"),
            include_tag: has("include-tag"),
            progress: band.is_some() && !has("no-progress"),
            client_shallow: self.scope.client,
            shallow: update,
            filter: self.scope.filter,
        };
        let no_done = has("no-done") && talk.mode == Mode::StatelessRpc;
        Phase::Haves(Negotiation::new(self.wants, request, band, acks, no_done))
    }
}

/// Adds a want that is new, within the limit.
pub(super) fn add_want(
    wants: &mut Vec<ObjectId>,
    seen: &mut BTreeSet<ObjectId>,
    id: ObjectId,
    talk: &Talk,
) -> Result<(), ServerError> {
    if seen.insert(id) {
        if wants.len() >= talk.options.limits.wants {
            return Err(ServerError::Limit { what: "wants", bound: talk.options.limits.wants as u64 });
        }
        wants.push(id);
    }
    Ok(())
}

/// The id at the front of `rest`, and what follows it after a space.
pub(super) fn split_id<'a>(
    format: ObjectFormat,
    rest: &'a [u8],
    line: &[u8],
) -> Result<(ObjectId, &'a [u8]), ServerError> {
    let (hex, list) = match rest.iter().position(|byte| *byte == b' ') {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (rest, &rest[rest.len()..]),
    };
    match ObjectId::from_hex_of(format, hex) {
        Ok(id) => Ok((id, list)),
        Err(source) => Err(ServerError::ObjectId { line: shown(line), source }),
    }
}
