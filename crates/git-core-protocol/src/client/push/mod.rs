//! Pushing: commands and a pack out, a report in (`gitprotocol-pack(5)`).
//!
//! What goes into the pack is the owner's business; the lines of the report are read in `report`.

mod report;

pub use report::{PushReport, RefStatus};

use super::incoming::{Incoming, Span};
use super::{Action, Advertisement, ClientError, ClientLimits, Command, DEFAULT_AGENT, Machine};
use crate::ProtocolVersion;
use crate::capability::{Capabilities, sanitize};
use crate::certificate::SignedCertificate;
use crate::error::Excerpt;
use crate::pkt_line::{self, Decoder, Packet};
use crate::sideband::Band;
use bstr::BString;
use git_core_object::ObjectId;
use report::ReportReader;
use std::ops::Range;

/// How a push is made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PushOptions {
    /// All refs are updated, or none; refused when the server cannot.
    pub atomic: bool,
    /// Have the server be quiet, if it can.
    pub quiet: bool,
    /// Told to the server's hooks; refused when the server does not take any.
    pub push_options: Vec<BString>,
    /// The certificate of these commands and options, with its signature; refused when the server takes none.
    pub certificate: Option<SignedCertificate>,
    /// The commits at which the history here ends.
    pub shallow: Vec<ObjectId>,
    /// What this program calls itself.
    pub agent: BString,
    /// What it calls this session in its logs, told to servers that tell theirs (`transfer.advertiseSID`).
    pub session_id: Option<BString>,
    /// How much is taken from the server.
    pub limits: ClientLimits,
}

impl Default for PushOptions {
    fn default() -> Self {
        PushOptions {
            atomic: false,
            quiet: false,
            push_options: Vec::new(),
            certificate: None,
            shallow: Vec::new(),
            agent: DEFAULT_AGENT.into(),
            session_id: None,
            limits: ClientLimits::default(),
        }
    }
}

/// Pushes.
///
/// After [`Action::NeedPack`] the owner calls [`pack`](Self::pack) or [`pack_end`](Self::pack_end); a push that
/// only deletes has no pack. [`finish`](Self::finish) gives the report.
#[derive(Clone, Debug)]
pub struct Push {
    incoming: Incoming,
    /// The report inside of side band 1.
    inner: Decoder,
    outgoing: Vec<u8>,
    state: State,
    banded: bool,
    reports: bool,
    needs_pack: bool,
    ofs_delta: bool,
    report: ReportReader,
    bytes: u64,
    bound: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Commands,
    NeedPack,
    Pack,
    EndRequest,
    Report,
    /// The report is whole; only the end of the side bands is left.
    Trailer,
    Done,
}

impl Push {
    /// Prepares to push to a server that has introduced itself as git-receive-pack.
    ///
    /// # Errors
    /// [`ClientError::Request`] for commands that make no sense, [`ClientError::Unsupported`] for what the
    /// server cannot do: deleting, all or nothing, push options.
    pub fn new(
        server: &Advertisement,
        commands: &[Command],
        options: &PushOptions,
    ) -> Result<Self, ClientError> {
        let offered = &server.capabilities;
        if server.version == ProtocolVersion::V2 {
            return Err(ClientError::Unsupported("pushing in protocol version 2"));
        }
        if commands.is_empty() {
            return Err(ClientError::Request("a push without commands"));
        }
        if commands.iter().flat_map(|c| c.old.iter().chain(&c.new)).any(|id| id.format() != server.format) {
            return Err(ClientError::Request(
                "what is pushed is named in another object format than the server's",
            ));
        }
        let mut names = commands.iter().map(|c| &c.name).collect::<Vec<_>>();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(ClientError::Request("two commands for one ref"));
        }
        for (wanted, name, what) in [
            (commands.iter().any(|c| c.new.is_none()), "delete-refs", "deleting refs"),
            (options.certificate.is_some(), "push-cert", "--signed push"),
            (options.atomic, "atomic", "atomic pushes"),
            (!options.push_options.is_empty(), "push-options", "push options"),
        ] {
            if wanted && !offered.has(name) {
                return Err(ClientError::Unsupported(what));
            }
        }
        let banded = offered.has("side-band-64k");
        let reports = offered.has("report-status") || offered.has("report-status-v2");
        let needs_pack = commands.iter().any(|c| c.new.is_some());
        Ok(Push {
            incoming: Incoming::default(),
            inner: Decoder::new(),
            outgoing: request(server, commands, options)?,
            state: State::Commands,
            banded,
            reports,
            needs_pack,
            ofs_delta: offered.has("ofs-delta"),
            report: ReportReader::new(server.format, commands),
            bytes: 0,
            bound: options.limits.report_bytes,
        })
    }

    /// Whether a pack will be asked for: some ref gets a value.
    pub const fn needs_pack(&self) -> bool {
        self.needs_pack
    }

    /// Whether the pack's deltas may name their base by offset.
    pub const fn ofs_delta(&self) -> bool {
        self.ofs_delta
    }

    /// Replies to [`Action::NeedPack`] with the next bytes of the pack. Ignored at any other time.
    pub fn pack(&mut self, bytes: &[u8]) {
        if self.state == State::NeedPack {
            self.outgoing.clear();
            self.outgoing.extend_from_slice(bytes);
            self.state = State::Pack;
        }
    }

    /// Replies to [`Action::NeedPack`]: the pack is whole. Ignored at any other time.
    pub fn pack_end(&mut self) {
        if self.state == State::NeedPack {
            self.state = State::EndRequest;
        }
    }

    /// What became of the push, once the machine is done.
    pub fn finish(self) -> PushReport {
        self.report.finish()
    }

    fn count(&mut self, bytes: usize) -> Result<(), ClientError> {
        self.bytes += bytes as u64;
        match self.bytes > self.bound {
            true => Err(ClientError::Limit { name: "report_bytes", bound: self.bound }),
            false => Ok(()),
        }
    }

    /// Reads on in the report. `Some` is a range of text to be shown, or `Read`, or the end.
    fn read_report(&mut self) -> Result<Option<Step>, ClientError> {
        if !self.banded {
            let Some(span) = self.incoming.span()? else { return Ok(Some(Step::Read)) };
            let Span::Data(range) = span else { return end(&span) };
            self.count(range.len())?;
            let line = pkt_line::text(self.incoming.slice(&range));
            self.report.line(line)?;
            return Ok(None);
        }
        let Some(span) = self.incoming.band_span()? else { return Ok(Some(Step::Read)) };
        let Span::Data(range) = span else {
            // Some servers leave out the flush packet inside when they end the side bands.
            return end(&span);
        };
        let payload = self.incoming.slice(&range);
        match Band::demux(payload) {
            Ok(Band::Data(bytes)) => {
                let mut bytes = bytes.to_vec();
                self.count(bytes.len())?;
                loop {
                    let taken = self.inner.feed(&bytes);
                    bytes.drain(..taken);
                    if self.inner_lines()? {
                        self.state = State::Trailer;
                    }
                    if bytes.is_empty() {
                        return Ok(None);
                    }
                }
            }
            Ok(Band::Progress([])) => Ok(None),
            Ok(Band::Progress(_)) => Ok(Some(Step::Progress(range.start + 1..range.end))),
            Ok(Band::Error(message)) => Err(ClientError::Remote(Excerpt::new(message))),
            Err(error) => match Packet::Data(payload).error() {
                Some(message) => Err(ClientError::Remote(Excerpt::new(message))),
                None => Err(error.into()),
            },
        }
    }

    /// Reads the lines inside of side band 1; whether their end was met.
    fn inner_lines(&mut self) -> Result<bool, ClientError> {
        while let Some(packet) = self.inner.packet()? {
            match packet.text() {
                _ if packet.error().is_some() => {
                    let message = packet.error().unwrap_or_default();
                    return Err(ClientError::Remote(Excerpt::new(message)));
                }
                Some(line) => self.report.line(line)?,
                None => return Ok(true),
            }
        }
        Ok(false)
    }
}

enum Step {
    Read,
    Progress(Range<usize>),
    End,
}

fn end(span: &Span) -> Result<Option<Step>, ClientError> {
    match span {
        Span::Flush => Ok(Some(Step::End)),
        _ => Err(ClientError::Unexpected { expected: "the push report", got: Excerpt::new(b"") }),
    }
}

impl Machine for Push {
    fn feed(&mut self, bytes: &[u8]) -> usize {
        self.incoming.feed(bytes)
    }

    fn feed_end(&mut self) {
        self.incoming.feed_end();
    }

    fn poll(&mut self) -> Result<Action<'_>, ClientError> {
        loop {
            match self.state {
                State::Commands => {
                    self.state = if self.needs_pack { State::NeedPack } else { State::EndRequest };
                    return Ok(Action::Send(&self.outgoing));
                }
                State::NeedPack => return Ok(Action::NeedPack),
                State::Pack => {
                    self.state = State::NeedPack;
                    return Ok(Action::Send(&self.outgoing));
                }
                State::EndRequest => {
                    self.state = match self.reports || self.banded {
                        true => State::Report,
                        false => State::Done,
                    };
                    return Ok(Action::EndRequest);
                }
                State::Report | State::Trailer => match self.read_report() {
                    Ok(None) => {}
                    Ok(Some(Step::Read)) => return Ok(Action::Read),
                    Ok(Some(Step::Progress(range))) => {
                        return Ok(Action::Progress(self.incoming.slice(&range)));
                    }
                    Ok(Some(Step::End)) if self.reports && !self.report.is_begun() => {
                        return Err(ClientError::HungUp);
                    }
                    Ok(Some(Step::End)) => self.state = State::Done,
                    // What counts has been said.
                    Err(ClientError::HungUp) if self.state == State::Trailer || !self.reports => {
                        self.state = State::Done;
                    }
                    Err(error) => return Err(error),
                },
                State::Done => return Ok(Action::Done),
            }
        }
    }
}

fn request(
    server: &Advertisement,
    commands: &[Command],
    options: &PushOptions,
) -> Result<Vec<u8>, ClientError> {
    let offered = &server.capabilities;
    let mut caps = Capabilities::new();
    match () {
        () if offered.has("report-status-v2") => _ = caps.add("report-status-v2"),
        () if offered.has("report-status") => _ = caps.add("report-status"),
        () => {}
    }
    for (wanted, name) in [
        (true, "side-band-64k"),
        (options.quiet, "quiet"),
        (options.atomic, "atomic"),
        (!options.push_options.is_empty(), "push-options"),
    ] {
        if wanted && offered.has(name) {
            caps.add(name);
        }
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
    let mut list = b"\0 ".to_vec();
    caps.write_list(&mut list);
    let null = ObjectId::null(server.format);
    let mut out = Vec::new();
    if commands.iter().any(|command| command.new.is_some()) {
        let mut hex = Vec::new();
        for id in &options.shallow {
            hex.clear();
            id.write_hex(&mut hex);
            pkt_line::write_parts(&mut out, &[b"shallow ", &hex, b"\n"])?;
        }
    }
    if let Some(certificate) = &options.certificate {
        pkt_line::write_parts(&mut out, &[b"push-cert", &list, b"\n"])?;
        for line in certificate.as_bytes().split_inclusive(|byte| *byte == b'\n') {
            pkt_line::write_data(&mut out, line)?;
        }
        pkt_line::write_data(&mut out, b"push-cert-end\n")?;
    }
    for command in commands.iter().filter(|_| options.certificate.is_none()) {
        let mut ids = Vec::new();
        command.old.unwrap_or(null).write_hex(&mut ids);
        ids.push(b' ');
        command.new.unwrap_or(null).write_hex(&mut ids);
        pkt_line::write_parts(&mut out, &[&ids, b" ", command.name.as_bytes(), &list])?;
        list.clear();
    }
    pkt_line::write_flush(&mut out);
    if !options.push_options.is_empty() {
        for option in &options.push_options {
            if option.iter().any(|b| matches!(b, b'\n' | b'\r' | 0)) {
                return Err(ClientError::Request("a push option contains line ends"));
            }
            pkt_line::write_data(&mut out, option)?;
        }
        pkt_line::write_flush(&mut out);
    }
    Ok(out)
}
