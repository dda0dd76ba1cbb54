//! `bundle-uri`: the bundles that a server of version 2 says may be had elsewhere (`gitprotocol-v2(5)`).

use super::incoming::{Incoming, Span};
use super::ls_refs::{About, write_command};
use super::{Action, Advertisement, ClientError, DEFAULT_AGENT, Machine};
use crate::error::Excerpt;
use crate::{ProtocolVersion, pkt_line};
use bstr::BString;

/// The most bytes that such a list may have.
const BOUND: u64 = 4 << 20;

/// Asks a server of version 2 for its bundles.
#[derive(Clone, Debug)]
pub struct BundleUris {
    incoming: Incoming,
    request: Vec<u8>,
    state: State,
    lines: Vec<BString>,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Request,
    EndRequest,
    Lines,
    Done,
}

impl BundleUris {
    /// Whether a server can be asked.
    pub fn is_offered(server: &Advertisement) -> bool {
        server.version == ProtocolVersion::V2 && server.capabilities.has("bundle-uri")
    }

    /// Prepares the request; `session_id` is told to servers that tell theirs.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] when the server cannot be asked.
    pub fn new(server: &Advertisement, session_id: Option<&BString>) -> Result<Self, ClientError> {
        if !Self::is_offered(server) {
            return Err(ClientError::Unsupported("bundle-uri"));
        }
        let mut request = Vec::new();
        let about = About { agent: DEFAULT_AGENT.as_bytes(), session_id };
        write_command(&mut request, "bundle-uri", server, &about, &[])?;
        pkt_line::write_flush(&mut request);
        Ok(BundleUris {
            incoming: Incoming::default(),
            request,
            state: State::Request,
            lines: Vec::new(),
            bytes: 0,
        })
    }

    /// The lines, `key=value` each, once the machine is done.
    pub fn finish(self) -> Vec<BString> {
        self.lines
    }
}

impl Machine for BundleUris {
    fn feed(&mut self, bytes: &[u8]) -> usize {
        self.incoming.feed(bytes)
    }

    fn feed_end(&mut self) {
        self.incoming.feed_end();
    }

    fn poll(&mut self) -> Result<Action<'_>, ClientError> {
        match self.state {
            State::Request => {
                self.state = State::EndRequest;
                return Ok(Action::Send(&self.request));
            }
            State::EndRequest => {
                self.state = State::Lines;
                return Ok(Action::EndRequest);
            }
            State::Lines => {}
            State::Done => return Ok(Action::Done),
        }
        loop {
            let Some(span) = self.incoming.span()? else { return Ok(Action::Read) };
            match self.incoming.packet(&span) {
                packet @ pkt_line::Packet::Data(payload) => {
                    self.bytes += payload.len() as u64;
                    if self.bytes > BOUND {
                        return Err(ClientError::Limit { name: "bundle_uri_bytes", bound: BOUND });
                    }
                    self.lines.push(packet.text().unwrap_or_default().into());
                }
                _ if span == Span::Flush => break,
                _ => return Err(ClientError::Unexpected { expected: "a bundle", got: Excerpt::new(b"") }),
            }
        }
        self.state = State::Done;
        Ok(Action::Done)
    }
}
