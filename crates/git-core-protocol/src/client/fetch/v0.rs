//! The negotiation of versions 0 and 1 (`gitprotocol-pack(5)`), in the three ways a server acknowledges, over
//! a connection or by requests that stand for themselves.
//!
//! Each batch of haves is answered before the next goes out.

use super::super::negotiation::Negotiation;
use super::super::{Ack, AckStatus, Advertisement, ClientError, Connection, FetchOptions};
use super::{State, Step, scope, unexpected, write_ids};
use crate::capability::{Capabilities, sanitize};
use crate::pkt_line::{self, Packet};
use git_core_object::{ObjectFormat, ObjectId};

#[derive(Clone, Debug)]
pub(super) struct Dialect {
    format: ObjectFormat,
    connection: Connection,
    mode: AckMode,
    no_done: bool,
    banded: bool,
    /// Wants and what goes with them, up to the flush packet.
    prefix: Vec<u8>,
    /// Whether the prefix has been sent.
    begun: bool,
    /// Whether a depth is asked for, which the server answers before anything else.
    deepens: bool,
    /// Whether the request that is under way asks for it.
    bounding: bool,
    /// Without multi_ack: the server has acknowledged, and will say nothing more before the pack.
    settled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AckMode {
    /// `ACK id` once.
    Single,
    /// `ACK id continue`.
    Multi,
    /// `ACK id common` and `ACK id ready`.
    Detailed,
}

impl Dialect {
    pub(super) fn new(
        server: &Advertisement,
        wants: &[ObjectId],
        options: &FetchOptions,
    ) -> Result<Self, ClientError> {
        let offered = &server.capabilities;
        if !options.server_options.is_empty() {
            return Err(ClientError::Unsupported("server options"));
        }
        scope::check(server, options)?;
        let mut caps = Capabilities::new();
        let mode = if offered.has("multi_ack_detailed") {
            caps.add("multi_ack_detailed");
            AckMode::Detailed
        } else if offered.has("multi_ack") {
            caps.add("multi_ack");
            AckMode::Multi
        } else {
            AckMode::Single
        };
        let stateless = options.connection == Connection::Stateless;
        let no_done = stateless && mode == AckMode::Detailed && offered.has("no-done");
        let band = ["side-band-64k", "side-band"].into_iter().find(|name| offered.has(name));
        for (wanted, name) in [
            (no_done, "no-done"),
            (band == Some("side-band-64k"), "side-band-64k"),
            (band == Some("side-band"), "side-band"),
            (options.thin_pack, "thin-pack"),
            (!options.progress, "no-progress"),
            (options.include_tag, "include-tag"),
            (options.ofs_delta, "ofs-delta"),
        ] {
            if wanted && offered.has(name) {
                caps.add(name);
            }
        }
        scope::words(&options.deepen).for_each(|name| _ = caps.add(name));
        if options.filter.is_some() && server.can_filter() {
            caps.add("filter");
        }
        if offered.has("object-format") {
            caps.add_value("object-format", server.format.name());
        }
        if offered.has("agent") {
            caps.add_value("agent", sanitize(&options.agent));
        }
        if offered.has("session-id")
            && let Some(id) = &options.session_id
        {
            caps.add_value("session-id", sanitize(id));
        }
        let mut prefix = Vec::new();
        let (mut hex, mut list) = (Vec::new(), Vec::new());
        wants[0].write_hex(&mut hex);
        caps.write_list(&mut list);
        pkt_line::write_parts(&mut prefix, &[b"want ", &hex, b" ", &list, b"\n"])?;
        write_ids(&mut prefix, b"want ", &wants[1..])?;
        scope::write(&mut prefix, server, options)?;
        pkt_line::write_flush(&mut prefix);
        Ok(Dialect {
            format: server.format,
            connection: options.connection,
            mode,
            no_done,
            banded: band.is_some(),
            prefix,
            begun: false,
            deepens: options.deepen.is_asked(),
            bounding: false,
            settled: false,
        })
    }

    /// Whether the answer to the present request begins with where the history will end.
    pub(super) const fn is_bounding(&self) -> bool {
        self.bounding
    }

    pub(super) const fn no_done(&self) -> bool {
        self.no_done
    }

    pub(super) fn request(
        &mut self,
        out: &mut Vec<u8>,
        negotiation: &Negotiation,
        done: bool,
    ) -> Result<(), ClientError> {
        self.bounding = self.deepens && (self.connection == Connection::Stateless || !self.begun);
        if self.connection == Connection::Stateless {
            out.extend_from_slice(&self.prefix);
            write_ids(out, b"have ", negotiation.common())?;
            // Nothing is remembered, so the answer will begin anew as well.
            self.settled = false;
        } else if !self.begun {
            out.append(&mut self.prefix);
        }
        self.begun = true;
        // Once the server has acknowledged, it is waiting for `done` only.
        if !self.settled {
            write_ids(out, b"have ", &negotiation.batch)?;
        }
        match done {
            true => pkt_line::write_text(out, b"done")?,
            false => pkt_line::write_flush(out),
        }
        Ok(())
    }

    pub(super) const fn after_done(&self) -> State {
        match self.settled {
            true => State::Settling,
            false => State::FinalAck,
        }
    }

    pub(super) const fn pack(&self) -> State {
        match self.banded {
            true => State::Banded,
            false => State::Raw,
        }
    }

    pub(super) fn packet(&mut self, state: State, packet: Packet<'_>) -> Result<Step, ClientError> {
        let Some(line) = packet.text() else { return Err(unexpected("ACK or NAK", b"")) };
        let last = state == State::FinalAck;
        if *line == *b"NAK" {
            return Ok(if last { Step::To(self.pack()) } else { Step::Round });
        }
        let Some(rest) = line.strip_prefix(b"ACK ") else { return Err(unexpected("ACK or NAK", line)) };
        let (hex, status) = rest.split_at(rest.len().min(self.format.hex_len()));
        let id = ObjectId::from_hex_of(self.format, hex).map_err(|_| unexpected("ACK or NAK", line))?;
        let ack = |status| Step::Ack(Ack { id, status });
        match (status, self.mode) {
            (b"", _) if last => Ok(Step::To(self.pack())),
            (b"", AckMode::Single) => {
                self.settled = true;
                Ok(Step::AckAndRound(Ack { id, status: AckStatus::Common }))
            }
            // The repetition of what is common, in a request that stands for itself.
            (b" continue", AckMode::Multi) | (b" common" | b" ready", AckMode::Detailed) if last => {
                Ok(Step::Stay)
            }
            (b" continue", AckMode::Multi) | (b" common", AckMode::Detailed) => Ok(ack(AckStatus::Common)),
            (b" ready", AckMode::Detailed) => Ok(ack(AckStatus::Ready)),
            _ => Err(unexpected("ACK or NAK", line)),
        }
    }
}
