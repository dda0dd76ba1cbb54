//! `object-info`: how large objects are that a server of version 2 has.

use super::incoming::{Incoming, Span};
use super::ls_refs::{About, write_command};
use super::{Action, Advertisement, ClientError, DEFAULT_AGENT, Machine};
use crate::ProtocolVersion;
use crate::error::Excerpt;
use crate::pkt_line::{self, Packet};
use bstr::{BString, ByteSlice as _};
use git_core_object::{ObjectFormat, ObjectId};

/// How [`ObjectInfo`] asks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ObjectInfoOptions {
    /// What is said to the server beside the request (`--server-option`).
    pub server_options: Vec<BString>,
    /// What this program calls itself.
    pub agent: BString,
    /// What it calls this session in its logs, told to servers that tell theirs (`transfer.advertiseSID`).
    pub session_id: Option<BString>,
}

impl Default for ObjectInfoOptions {
    fn default() -> Self {
        ObjectInfoOptions { server_options: Vec::new(), agent: DEFAULT_AGENT.into(), session_id: None }
    }
}

/// Asks a server for the sizes of objects, none of which is sent.
#[derive(Clone, Debug)]
pub struct ObjectInfo {
    incoming: Incoming,
    request: Vec<u8>,
    state: State,
    format: ObjectFormat,
    ids: Vec<ObjectId>,
    sizes: Vec<Option<u64>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Request,
    EndRequest,
    /// The line that names what is told.
    Head,
    Sizes,
    Done,
}

impl ObjectInfo {
    /// Prepares the request about these objects.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] when the server does not tell; [`ClientError::Request`] when nothing is asked, or
    /// an id is of another object format than the server's.
    pub fn new(
        server: &Advertisement,
        ids: impl IntoIterator<Item = ObjectId>,
        options: &ObjectInfoOptions,
    ) -> Result<Self, ClientError> {
        if server.version != ProtocolVersion::V2 || !server.capabilities.has("object-info") {
            return Err(ClientError::Unsupported("object-info"));
        }
        let ids: Vec<ObjectId> = ids.into_iter().collect();
        if ids.is_empty() {
            return Err(ClientError::Request("a question about no object"));
        }
        if ids.iter().any(|id| id.format() != server.format) {
            return Err(ClientError::Request(
                "an object is named in another object format than the server's",
            ));
        }
        let mut request = Vec::new();
        let about = About { agent: &options.agent, session_id: options.session_id.as_ref() };
        write_command(&mut request, "object-info", server, &about, &options.server_options)?;
        pkt_line::write_text(&mut request, b"size")?;
        super::fetch::write_ids(&mut request, b"oid ", &ids)?;
        pkt_line::write_flush(&mut request);
        let (incoming, state, sizes) = (Incoming::default(), State::Request, Vec::new());
        Ok(ObjectInfo { incoming, request, state, format: server.format, ids, sizes })
    }

    /// The sizes in bytes, in the order of the question, once the machine is done; none for an object that the server
    /// does not have.
    pub fn finish(self) -> Vec<Option<u64>> {
        self.sizes
    }

    fn line(&mut self, line: &[u8]) -> Result<(), ClientError> {
        let unexpected =
            || ClientError::Unexpected { expected: "the size of an object", got: Excerpt::new(line) };
        let (hex, size) = line.split_once_str(" ").unwrap_or((line, b""));
        let id = ObjectId::from_hex_of(self.format, hex).map_err(|_| unexpected())?;
        // What is told must be what was asked, in that order.
        if self.ids.get(self.sizes.len()) != Some(&id) {
            return Err(unexpected());
        }
        let digits = !size.is_empty() && size.iter().all(u8::is_ascii_digit);
        self.sizes.push(match (size, digits) {
            (b"", _) => None,
            (size, true) => {
                Some(size.to_str().ok().and_then(|size| size.parse().ok()).ok_or_else(unexpected)?)
            }
            _ => return Err(unexpected()),
        });
        Ok(())
    }
}

impl Machine for ObjectInfo {
    fn feed(&mut self, bytes: &[u8]) -> usize {
        self.incoming.feed(bytes)
    }

    fn feed_end(&mut self) {
        self.incoming.feed_end();
    }

    fn poll(&mut self) -> Result<Action<'_>, ClientError> {
        loop {
            match self.state {
                State::Request => {
                    self.state = State::EndRequest;
                    return Ok(Action::Send(&self.request));
                }
                State::EndRequest => {
                    self.state = State::Head;
                    return Ok(Action::EndRequest);
                }
                State::Done => return Ok(Action::Done),
                State::Head | State::Sizes => {}
            }
            let Some(span) = self.incoming.span()? else { return Ok(Action::Read) };
            let packet = self.incoming.packet(&span);
            match (self.state, packet) {
                (State::Head, Packet::Data(_)) if packet.text().is_some_and(|line| line == "size") => {
                    self.state = State::Sizes;
                }
                (State::Sizes, Packet::Data(_)) => {
                    let line = packet.text().unwrap_or_default().to_vec();
                    self.line(&line)?;
                }
                (State::Sizes, _) if span == Span::Flush && self.sizes.len() == self.ids.len() => {
                    self.state = State::Done;
                }
                (_, packet) => {
                    let got = Excerpt::new(packet.text().unwrap_or_default());
                    return Err(ClientError::Unexpected { expected: "the sizes of objects", got });
                }
            }
        }
    }
}
