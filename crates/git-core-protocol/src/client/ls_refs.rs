//! `ls-refs`: the refs of a server that speaks version 2.

use super::incoming::{Incoming, Span};
use super::{Action, AdvertisedRef, Advertisement, ClientError, ClientLimits, DEFAULT_AGENT, Machine};
use crate::advertisement::parse_ls_refs_line;
use crate::capability::sanitize;
use crate::error::Excerpt;
use crate::{ProtocolVersion, pkt_line};
use bstr::BString;
use git_core_object::ObjectFormat;

/// What [`LsRefs`] asks for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LsRefsOptions {
    /// Only refs whose full names begin with one of these; all when there are none. The server may show more.
    pub prefixes: Vec<BString>,
    /// Whether the targets of symbolic refs are of use.
    pub symrefs: bool,
    /// Whether the peeled ids of tags are of use.
    pub peel: bool,
    /// Whether a `HEAD` that points at no existing branch is of use.
    pub unborn: bool,
    /// What is said to the server beside the request (`--server-option`).
    pub server_options: Vec<BString>,
    /// What this program calls itself.
    pub agent: BString,
    /// What it calls this session in its logs, told to servers that tell theirs (`transfer.advertiseSID`).
    pub session_id: Option<BString>,
    /// How much is taken from the server.
    pub limits: ClientLimits,
}

impl Default for LsRefsOptions {
    fn default() -> Self {
        LsRefsOptions {
            prefixes: Vec::new(),
            symrefs: true,
            peel: true,
            unborn: true,
            server_options: Vec::new(),
            agent: DEFAULT_AGENT.into(),
            session_id: None,
            limits: ClientLimits::default(),
        }
    }
}

/// More prefixes than this make a request larger than the answer they would save: none are sent then.
const MAX_PREFIXES: usize = 65_536 / 256;

/// Asks a server of version 2 for its refs.
#[derive(Clone, Debug)]
pub struct LsRefs {
    incoming: Incoming,
    request: Vec<u8>,
    state: State,
    format: ObjectFormat,
    refs: Vec<AdvertisedRef>,
    bytes: u64,
    bound: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Request,
    EndRequest,
    Refs,
    Done,
}

impl LsRefs {
    /// Prepares the request.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] when the server speaks another version, where the refs have come with the
    /// greeting, or cannot list refs; [`ClientError::PktLine`] for an argument that fits no packet.
    pub fn new(server: &Advertisement, options: &LsRefsOptions) -> Result<Self, ClientError> {
        let caps = &server.capabilities;
        if server.version != ProtocolVersion::V2 || !caps.has("ls-refs") {
            return Err(ClientError::Unsupported("ls-refs"));
        }
        let mut request = Vec::new();
        let about = About { agent: &options.agent, session_id: options.session_id.as_ref() };
        write_command(&mut request, "ls-refs", server, &about, &options.server_options)?;
        for (wanted, argument) in [
            (options.peel, "peel"),
            (options.symrefs, "symrefs"),
            (options.unborn && caps.has_feature("ls-refs", "unborn"), "unborn"),
        ] {
            if wanted {
                pkt_line::write_text(&mut request, argument.as_bytes())?;
            }
        }
        if options.prefixes.len() <= MAX_PREFIXES {
            for prefix in &options.prefixes {
                pkt_line::write_parts(&mut request, &[b"ref-prefix ", prefix, b"\n"])?;
            }
        }
        pkt_line::write_flush(&mut request);
        Ok(LsRefs {
            incoming: Incoming::default(),
            request,
            state: State::Request,
            format: server.format,
            refs: Vec::new(),
            bytes: 0,
            bound: options.limits.ref_bytes,
        })
    }

    /// The refs, once the machine is done; before that, those that have come.
    pub fn finish(self) -> Vec<AdvertisedRef> {
        self.refs
    }
}

/// What a client says of itself.
pub(super) struct About<'a> {
    pub(super) agent: &'a [u8],
    pub(super) session_id: Option<&'a BString>,
}

/// The lines that begin each request of version 2, up to the delimiter.
pub(super) fn write_command(
    out: &mut Vec<u8>,
    command: &str,
    server: &Advertisement,
    about: &About<'_>,
    server_options: &[BString],
) -> Result<(), ClientError> {
    pkt_line::write_parts(out, &[b"command=", command.as_bytes(), b"\n"])?;
    if server.capabilities.has("agent") {
        pkt_line::write_parts(out, &[b"agent=", &sanitize(about.agent), b"\n"])?;
    }
    if server.capabilities.has("session-id")
        && let Some(id) = about.session_id
    {
        pkt_line::write_parts(out, &[b"session-id=", &sanitize(id), b"\n"])?;
    }
    if server.capabilities.has("object-format") {
        pkt_line::write_parts(out, &[b"object-format=", server.format.name().as_bytes(), b"\n"])?;
    }
    if !server_options.is_empty() && !server.capabilities.has("server-option") {
        return Err(ClientError::Unsupported("server options"));
    }
    for option in server_options {
        if option.iter().any(u8::is_ascii_control) {
            return Err(ClientError::Request("a server option contains control characters"));
        }
        pkt_line::write_parts(out, &[b"server-option=", option, b"\n"])?;
    }
    pkt_line::write_delim(out);
    Ok(())
}

impl Machine for LsRefs {
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
                self.state = State::Refs;
                return Ok(Action::EndRequest);
            }
            State::Refs => {}
            State::Done => return Ok(Action::Done),
        }
        loop {
            let Some(span) = self.incoming.span()? else { return Ok(Action::Read) };
            match self.incoming.packet(&span) {
                packet @ pkt_line::Packet::Data(payload) => {
                    self.bytes += payload.len() as u64;
                    if self.bytes > self.bound {
                        return Err(ClientError::Limit { name: "ref_bytes", bound: self.bound });
                    }
                    let line = packet.text().unwrap_or_default();
                    self.refs.extend(parse_ls_refs_line(self.format, line)?);
                }
                _ if span == Span::Flush => break,
                _ => return Err(ClientError::Unexpected { expected: "a ref", got: Excerpt::new(b"") }),
            }
        }
        self.state = State::Done;
        Ok(Action::Done)
    }
}
