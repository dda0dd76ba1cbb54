//! v0 and v1: the negotiation. The client names what it has, batch by batch; the server acknowledges.
//!
//! The three ways of acknowledging are those of `gitprotocol-pack(5)`: one `ACK`, `multi_ack` and
//! `multi_ack_detailed`. Git's own server answers have by have; as a client does not read before it has sent a
//! flush packet or `done`, answering batch by batch says the same and asks the repository far less often.

use super::super::{Haves, HavesQuery, PackRequest, Question, ServerError};
use super::wants::split_id;
use super::{Mode, Outcome, Phase, Talk};
use crate::pkt_line::Packet;
use crate::sideband::PacketSize;
use git_core_object::ObjectId;
use std::sync::Arc;

/// The repository is asked about this many haves at once at most.
const BATCH: usize = 1024;

/// Which acknowledgements the client understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acks {
    /// The first common object only.
    Single,
    /// `ACK id continue` for each.
    Multi,
    /// `ACK id common`, and `ACK id ready` when it is enough.
    Detailed,
}

/// What ended the batch that the repository was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    More,
    Flush,
    Done,
    End,
}

#[derive(Debug)]
pub(super) struct Negotiation {
    wants: Arc<Vec<ObjectId>>,
    request: PackRequest,
    band: Option<PacketSize>,
    acks: Acks,
    no_done: bool,
    batch: Vec<ObjectId>,
    /// What the open question is followed by; none while reading.
    asked: Option<After>,
    common: Arc<Vec<ObjectId>>,
    haves: usize,
    /// Since the last flush packet: a have was common, a have was unknown.
    got_common: bool,
    got_other: bool,
    sent_ready: bool,
    ready: bool,
}

impl Negotiation {
    pub(super) fn new(
        wants: Vec<ObjectId>,
        request: PackRequest,
        band: Option<PacketSize>,
        acks: Acks,
        no_done: bool,
    ) -> Self {
        Negotiation {
            wants: Arc::new(wants),
            request,
            band,
            acks,
            no_done,
            batch: Vec::new(),
            asked: None,
            common: Arc::default(),
            haves: 0,
            got_common: false,
            got_other: false,
            sent_ready: false,
            ready: false,
        }
    }

    pub(super) fn is_reading(&self) -> bool {
        self.asked.is_none()
    }

    pub(super) fn packet(mut self, packet: Packet<'_>, talk: &mut Talk) -> Result<Phase, ServerError> {
        match packet {
            Packet::Flush => self.batch_ended(After::Flush, talk),
            Packet::Delim => Err(ServerError::UnexpectedPacket("delim")),
            Packet::ResponseEnd => Err(ServerError::UnexpectedPacket("response-end")),
            Packet::Data(_) => {
                let line = packet.text().unwrap_or_default();
                if line == "done" {
                    return self.batch_ended(After::Done, talk);
                }
                let Some(rest) = line.strip_prefix(b"have ") else { return Err(ServerError::line(line)) };
                let (id, _) = split_id(talk.options.object_format, rest, line)?;
                self.haves += 1;
                if self.haves > talk.options.limits.haves {
                    return Err(ServerError::Limit {
                        what: "haves",
                        bound: talk.options.limits.haves as u64,
                    });
                }
                self.batch.push(id);
                match self.batch.len() {
                    BATCH.. => self.batch_ended(After::More, talk),
                    _ => Ok(Phase::Haves(self)),
                }
            }
        }
    }

    /// A stateless request that ends without `done` or a flush packet.
    pub(super) fn input_ended(self, talk: &mut Talk) -> Result<Phase, ServerError> {
        self.batch_ended(After::End, talk)
    }

    fn batch_ended(mut self, after: After, talk: &mut Talk) -> Result<Phase, ServerError> {
        if self.batch.is_empty() {
            return self.go_on(after, talk);
        }
        talk.ask(Question::Haves(HavesQuery {
            wants: self.wants.clone(),
            common: self.common.clone(),
            haves: self.batch.clone(),
            readiness: self.acks != Acks::Single && after != After::Done && !self.ready,
        }));
        self.asked = Some(after);
        Ok(Phase::Haves(self))
    }

    pub(super) fn answered(mut self, answer: Haves, talk: &mut Talk) -> Result<Phase, ServerError> {
        let Some(after) = self.asked.take() else { return Err(ServerError::MismatchedAnswer) };
        if answer.common.len() != self.batch.len() {
            return Err(ServerError::MismatchedAnswer);
        }
        let mut unknown = None;
        for (id, common) in std::mem::take(&mut self.batch).into_iter().zip(answer.common) {
            if !common {
                unknown = Some(id);
                self.got_other = true;
                continue;
            }
            self.got_common = true;
            Arc::make_mut(&mut self.common).push(id);
            match self.acks {
                Acks::Detailed => ack(talk, &id, b" common"),
                Acks::Multi => ack(talk, &id, b" continue"),
                Acks::Single if self.common.len() == 1 => ack(talk, &id, b""),
                Acks::Single => {}
            }
        }
        self.ready = (self.ready || answer.ready) && !self.common.is_empty();
        // The client is told to stop by way of a have that is unknown here; without one, when it flushes.
        if let (Some(id), true) = (unknown, self.ready && after != After::Done) {
            match self.acks {
                Acks::Detailed => {
                    self.sent_ready = true;
                    ack(talk, &id, b" ready");
                }
                Acks::Multi => ack(talk, &id, b" continue"),
                Acks::Single => {}
            }
        }
        self.go_on(after, talk)
    }

    fn go_on(mut self, after: After, talk: &mut Talk) -> Result<Phase, ServerError> {
        let last = self.common.last().copied();
        match (after, last) {
            (After::More, _) => Ok(Phase::Haves(self)),
            (After::End, _) => Ok(Phase::End(Outcome::Complete)),
            (After::Done, last) => {
                match last {
                    Some(last) if self.acks != Acks::Single => ack(talk, &last, b""),
                    Some(_) => {}
                    None => talk.out.line(&[b"NAK"]),
                }
                Ok(self.send_pack(talk))
            }
            (After::Flush, last) => {
                if let Some(last) = last
                    && self.acks == Acks::Detailed
                    && self.ready
                    && self.got_common
                    && !self.got_other
                {
                    self.sent_ready = true;
                    ack(talk, &last, b" ready");
                }
                if last.is_none() || self.acks != Acks::Single {
                    talk.out.line(&[b"NAK"]);
                }
                if let Some(last) = last
                    && self.no_done
                    && self.sent_ready
                {
                    ack(talk, &last, b"");
                    return Ok(self.send_pack(talk));
                }
                if talk.mode == Mode::StatelessRpc {
                    return Ok(Phase::End(Outcome::Complete));
                }
                (self.got_common, self.got_other) = (false, false);
                Ok(Phase::Haves(self))
            }
        }
    }

    fn send_pack(self, talk: &mut Talk) -> Phase {
        let unshared = |ids: Arc<Vec<ObjectId>>| Arc::try_unwrap(ids).unwrap_or_else(|ids| (*ids).clone());
        let request =
            PackRequest { wants: unshared(self.wants), haves: unshared(self.common), ..self.request };
        talk.send_pack(request, self.band)
    }
}

fn ack(talk: &mut Talk, id: &ObjectId, status: &[u8]) {
    talk.out.line(&[b"ACK ", id.to_hex().as_bytes(), status]);
}
