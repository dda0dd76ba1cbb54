//! Finding out what is common without fetching: the `fetch` command of version 2 with `wait-for-done`
//! (`gitprotocol-v2(5)`), which never gets to a pack.

use super::incoming::{Incoming, Span};
use super::ls_refs::{About, write_command};
use super::negotiation::Negotiation;
use super::{Ack, AckStatus, Action, Advertisement, ClientError, Connection, DEFAULT_AGENT, Machine};
use crate::error::Excerpt;
use crate::{ProtocolVersion, pkt_line};
use bstr::BString;
use git_core_object::{ObjectFormat, ObjectId};
use std::collections::VecDeque;

/// How [`Negotiate`] talks to the server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NegotiateOptions {
    /// What is said to the server beside the request (`--server-option`).
    pub server_options: Vec<BString>,
    /// What this program calls itself.
    pub agent: BString,
    /// What it calls this session in its logs, told to servers that tell theirs.
    pub session_id: Option<BString>,
}

impl Default for NegotiateOptions {
    fn default() -> Self {
        NegotiateOptions { server_options: Vec::new(), agent: DEFAULT_AGENT.into(), session_id: None }
    }
}

/// Offers commits until the server has seen enough of them, and hears which it has.
///
/// After [`Action::NextHaves`] the owner calls [`haves`](Self::haves). What both sides have is in
/// [`common`](Self::common) when the machine is done.
#[derive(Clone, Debug)]
pub struct Negotiate {
    incoming: Incoming,
    outgoing: Vec<u8>,
    /// The beginning of each request.
    prefix: Vec<u8>,
    state: State,
    negotiation: Negotiation,
    acks: VecDeque<Ack>,
    format: ObjectFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The owner owes haves.
    Haves,
    Request,
    EndRequest,
    /// The header of the answer is to come.
    Header,
    Acks,
    Done,
}

impl Negotiate {
    /// Prepares the first request.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] when the server speaks another version than 2, or would send a pack before it is
    /// asked for one.
    pub fn new(server: &Advertisement, options: &NegotiateOptions) -> Result<Self, ClientError> {
        if server.version != ProtocolVersion::V2 {
            return Err(ClientError::Unsupported("negotiation by itself: it needs protocol version 2"));
        }
        if !server.capabilities.has_feature("fetch", "wait-for-done") {
            return Err(ClientError::Unsupported("wait-for-done"));
        }
        let mut prefix = Vec::new();
        let about = About { agent: &options.agent, session_id: options.session_id.as_ref() };
        write_command(&mut prefix, "fetch", server, &about, &options.server_options)?;
        pkt_line::write_text(&mut prefix, b"wait-for-done")?;
        Ok(Negotiate {
            incoming: Incoming::default(),
            outgoing: Vec::new(),
            prefix,
            state: State::Haves,
            negotiation: Negotiation::of_version_2(),
            acks: VecDeque::new(),
            format: server.format,
        })
    }

    /// Replies to [`Action::NextHaves`], as [`Fetch::haves`](super::Fetch::haves) does.
    pub fn haves(&mut self, haves: &[ObjectId]) {
        if self.state == State::Haves {
            self.negotiation.offer(haves);
            self.state = State::Request;
        }
    }

    /// What the server has of what was offered, in the order of its answers.
    pub fn common(&self) -> &[ObjectId] {
        self.negotiation.common()
    }

    fn request(&mut self) -> Result<(), ClientError> {
        self.outgoing.clear();
        self.outgoing.extend_from_slice(&self.prefix);
        let mut hex = Vec::new();
        for id in &self.negotiation.batch {
            hex.clear();
            id.write_hex(&mut hex);
            pkt_line::write_parts(&mut self.outgoing, &[b"have ", &hex, b"\n"])?;
        }
        pkt_line::write_flush(&mut self.outgoing);
        Ok(())
    }

    /// One line of the answer.
    fn line(&mut self, span: &Span) -> Result<(), ClientError> {
        let unexpected =
            |line: &[u8]| ClientError::Unexpected { expected: "an acknowledgement", got: Excerpt::new(line) };
        let Span::Data(_) = span else { return Err(unexpected(b"")) };
        let line = self.incoming.packet(span).text().unwrap_or_default().to_vec();
        match (self.state, line.as_slice()) {
            (State::Header, b"acknowledgments") => self.state = State::Acks,
            (State::Acks, b"NAK") => {}
            (State::Acks, b"ready") => self.negotiation.ready = true,
            (State::Acks, line) => {
                let hex = line.strip_prefix(b"ACK ").ok_or_else(|| unexpected(line))?;
                let id = ObjectId::from_hex_of(self.format, hex).map_err(|_| unexpected(line))?;
                if self.negotiation.acknowledge(id) {
                    self.acks.push_back(Ack { id, status: AckStatus::Common });
                }
            }
            (_, line) => return Err(unexpected(line)),
        }
        Ok(())
    }
}

impl Machine for Negotiate {
    fn feed(&mut self, bytes: &[u8]) -> usize {
        self.incoming.feed(bytes)
    }

    fn feed_end(&mut self) {
        self.incoming.feed_end();
    }

    fn poll(&mut self) -> Result<Action<'_>, ClientError> {
        loop {
            if let Some(ack) = self.acks.pop_front() {
                return Ok(Action::Ack(ack));
            }
            match self.state {
                State::Haves => return Ok(Action::NextHaves { count: self.negotiation.wanted() }),
                // A server that is offered nothing has nothing to answer.
                State::Request if self.negotiation.batch.is_empty() => self.state = State::Done,
                State::Request => {
                    self.request()?;
                    self.negotiation.sending();
                    self.incoming.restart(Connection::Stateless);
                    self.state = State::EndRequest;
                    return Ok(Action::Send(&self.outgoing));
                }
                State::EndRequest => {
                    self.state = State::Header;
                    return Ok(Action::EndRequest);
                }
                State::Header | State::Acks => {
                    let Some(span) = self.incoming.span()? else { return Ok(Action::Read) };
                    if span == Span::Flush && self.state == State::Acks {
                        self.negotiation.batch.clear();
                        self.state = if self.negotiation.is_over() { State::Done } else { State::Haves };
                        continue;
                    }
                    self.line(&span)?;
                }
                State::Done => return Ok(Action::Done),
            }
        }
    }
}
