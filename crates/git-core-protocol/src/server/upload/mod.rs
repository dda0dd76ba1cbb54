//! `git-upload-pack`: the machine, and what its phases share.
//!
//! The phases themselves are in the files beside this one: `wants` and `haves` for v0 and v1, `request`, `ls_refs`
//! and `fetch` for v2, and in `shallow` what both have of depths.

mod fetch;
mod haves;
mod ls_refs;
mod object_info;
mod request;
mod shallow;
mod wants;

use super::input::Input;
use super::mux::Out;
use super::refs::{Listing, Step, Style};
use super::{
    Answer, Conversation, Mode, Outcome, Output, PackRequest, Question, RefsPurpose, RefsQuery, ServerError,
    UploadPackOptions, WantPolicy,
};
use crate::capability::sanitize;
use crate::pkt_line::Packet;
use crate::sideband::PacketSize;
use crate::{Capabilities, ProtocolVersion};

/// The serving side of a fetch, in every version of the protocol.
///
/// ```
/// use git_core_protocol::ProtocolVersion;
/// use git_core_protocol::server::{Conversation, Mode, Output, UploadPack, UploadPackOptions};
///
/// let mut machine = UploadPack::new(ProtocolVersion::V2, Mode::Stateful, UploadPackOptions::default());
/// let Output::Send(greeting) = machine.poll() else { panic!() };
/// assert!(greeting.starts_with(b"000eversion 2\n"));
/// assert!(matches!(machine.poll(), Output::Read));
/// ```
#[derive(Debug)]
pub struct UploadPack {
    input: Input,
    talk: Talk,
    phase: Phase,
}

/// What all phases share.
#[derive(Debug)]
struct Talk {
    options: UploadPackOptions,
    version: ProtocolVersion,
    mode: Mode,
    out: Out,
    /// What the driver is to do once `out` is sent.
    todo: Option<Output>,
    /// Whether the client shows the progress of the pack on its way.
    progress: bool,
}

/// Where the conversation stands. A phase that has asked something waits for the answer.
#[derive(Debug)]
enum Phase {
    /// Asking for refs and writing them; then, in a stateful conversation, reading what the client wants.
    List(Listing),
    /// v0: reading wants.
    Wants(wants::WantLines),
    /// v0: asked whether they are granted.
    Granting(wants::WantLines),
    /// v0: asked where the history ends.
    Bounding(wants::WantLines),
    /// v0: reading haves, or having asked about some.
    Haves(haves::Negotiation),
    /// v2: reading a request.
    Request(request::Request),
    /// v2: asked about the wants or haves of `fetch`.
    Fetch(fetch::Fetch),
    /// v2: asked how large objects are.
    ObjectInfo(object_info::ObjectInfo),
    /// v2: writing how large they are.
    Sizes(object_info::Sizes),
    /// Sending a pack.
    Pack,
    /// Over.
    End(Outcome),
}

impl UploadPack {
    /// A conversation in this version. In [`Mode::Stateful`] and [`Mode::Advertise`] the server speaks first.
    pub fn new(version: ProtocolVersion, mode: Mode, options: UploadPackOptions) -> Self {
        let mut talk = Talk { options, version, mode, out: Out::default(), todo: None, progress: false };
        let phase = match (version, mode) {
            (ProtocolVersion::V2, Mode::StatelessRpc) => Phase::Request(request::Request::default()),
            (ProtocolVersion::V2, _) => talk.greet_v2(),
            (_, Mode::StatelessRpc) => Phase::Wants(wants::WantLines::default()),
            _ => talk.greet_v0(),
        };
        UploadPack { input: Input::default(), talk, phase }
    }

    fn is_reading(&self) -> bool {
        match &self.phase {
            Phase::Wants(_) | Phase::Request(_) => true,
            Phase::Haves(negotiation) => negotiation.is_reading(),
            _ => false,
        }
    }

    fn fail(&mut self, error: ServerError) {
        self.talk.todo = None;
        // A pack without side-bands has no room for a message.
        let in_raw_pack = matches!(self.phase, Phase::Pack) && !self.talk.out.has_band();
        if error != ServerError::UnexpectedEnd && !in_raw_pack {
            self.talk.out.error(&error.to_string());
        }
        self.phase = Phase::End(Outcome::Failed(error));
    }

    /// Runs one step of a phase.
    fn turn(&mut self, step: impl FnOnce(Phase, &mut Talk) -> Result<Phase, ServerError>) {
        let phase = std::mem::replace(&mut self.phase, Phase::End(Outcome::Complete));
        match step(phase, &mut self.talk) {
            Ok(phase) => self.phase = phase,
            Err(error) => self.fail(error),
        }
    }

    fn over(&self) -> bool {
        matches!(self.phase, Phase::End(_))
    }
}

impl Conversation for UploadPack {
    fn feed(&mut self, input: &[u8]) -> usize {
        let mut rest = input;
        while self.is_reading() {
            let packet = match self.input.packet(rest) {
                Ok((taken, packet)) => {
                    rest = &rest[taken..];
                    match packet {
                        Some(packet) => packet,
                        None => break,
                    }
                }
                Err(error) => {
                    self.fail(error);
                    break;
                }
            };
            let phase = std::mem::replace(&mut self.phase, Phase::End(Outcome::Complete));
            let next = phase.packet(packet, &mut self.talk);
            let limits = &self.talk.options.limits;
            let next = next.and_then(|phase| {
                if self.input.request_bytes() > limits.request_bytes {
                    return Err(ServerError::Limit { what: "request bytes", bound: limits.request_bytes });
                }
                if self.input.total_bytes() > limits.conversation_bytes {
                    return Err(ServerError::Limit { what: "bytes", bound: limits.conversation_bytes });
                }
                Ok(phase)
            });
            match next {
                Ok(phase) => self.phase = phase,
                Err(error) => self.fail(error),
            }
        }
        input.len() - rest.len()
    }

    fn feed_end(&mut self) {
        if !self.is_reading() {
            return;
        }
        let between = self.input.is_between_packets();
        self.turn(|phase, talk| match phase {
            Phase::Wants(lines) if between && lines.is_empty() => Ok(Phase::End(Outcome::Complete)),
            Phase::Request(request) if between && request.is_empty() => Ok(Phase::End(Outcome::Complete)),
            Phase::Haves(negotiation) if between && talk.mode == Mode::StatelessRpc => {
                negotiation.input_ended(talk)
            }
            _ => Err(ServerError::UnexpectedEnd),
        });
    }

    fn poll(&mut self) -> Output {
        while self.talk.out.is_empty() {
            let more = match &mut self.phase {
                Phase::List(listing) => match listing.step(&mut self.talk.out) {
                    Step::Written => true,
                    Step::Asked => break,
                    Step::Next(query) => {
                        self.talk.ask(Question::Refs(query));
                        break;
                    }
                    Step::Ended => false,
                },
                Phase::Sizes(sizes) => sizes.step(&mut self.talk.out),
                _ => break,
            };
            if !more {
                self.phase = self.talk.after_list();
                self.input.restart();
            }
        }
        if let Some(bytes) = self.talk.out.take() {
            return Output::Send(bytes);
        }
        if let Some(todo) = self.talk.todo.take() {
            return todo;
        }
        match &self.phase {
            Phase::End(outcome) => Output::Done(outcome.clone()),
            _ if self.is_reading() => Output::Read,
            _ => Output::Waiting,
        }
    }

    fn answer(&mut self, answer: Answer) {
        if self.is_reading() || self.over() {
            return;
        }
        self.turn(|phase, talk| phase.answer(answer, talk));
        if matches!(self.phase, Phase::Request(_)) {
            self.input.restart();
        }
    }

    fn refuse(&mut self, message: &str) {
        if !self.over() {
            self.fail(ServerError::Refused(message.to_owned()));
        }
    }

    fn pack_bytes(&mut self, bytes: &[u8]) {
        if matches!(self.phase, Phase::Pack) {
            self.talk.out.content(bytes);
        }
    }

    fn pack_end(&mut self) {
        if !matches!(self.phase, Phase::Pack) {
            return;
        }
        self.talk.out.close_band();
        self.phase = self.talk.next_request();
        self.input.restart();
    }

    fn progress(&mut self, text: &[u8]) {
        if self.wants_progress() {
            self.talk.out.progress(text);
        }
    }

    fn keep_alive(&mut self) {
        if matches!(self.phase, Phase::Pack) {
            self.talk.out.keep_alive();
        }
    }

    fn wants_progress(&self) -> bool {
        matches!(self.phase, Phase::Pack) && self.talk.progress && self.talk.out.has_band()
    }

    fn reuse(&mut self, buffer: Vec<u8>) {
        self.talk.out.reuse(buffer);
    }
}

impl Phase {
    fn packet(self, packet: Packet<'_>, talk: &mut Talk) -> Result<Phase, ServerError> {
        match self {
            Phase::Wants(lines) => lines.packet(packet, talk),
            Phase::Haves(negotiation) => negotiation.packet(packet, talk),
            Phase::Request(request) => request.packet(packet, talk),
            other => Ok(other),
        }
    }

    fn answer(self, answer: Answer, talk: &mut Talk) -> Result<Phase, ServerError> {
        match (self, answer) {
            (Phase::List(mut listing), Answer::Refs(refs)) => {
                listing.page(refs)?;
                Ok(Phase::List(listing))
            }
            (Phase::ObjectInfo(info), Answer::ObjectInfo(sizes)) => info.answered(sizes),
            (Phase::Granting(lines), Answer::Wants(verdict)) => lines.granted(verdict, talk),
            (Phase::Bounding(lines), Answer::Shallow(update)) => Ok(lines.bounded(update, talk)),
            (Phase::Haves(negotiation), Answer::Haves(haves)) => negotiation.answered(haves, talk),
            (Phase::Fetch(fetch), Answer::WantRefs(ids)) => fetch.named(&ids, talk),
            (Phase::Fetch(fetch), Answer::Wants(verdict)) => fetch.granted(verdict, talk),
            (Phase::Fetch(fetch), Answer::Haves(haves)) => fetch.answered(haves, talk),
            (Phase::Fetch(fetch), Answer::Shallow(update)) => Ok(fetch.bounded(update, talk)),
            _ => Err(ServerError::MismatchedAnswer),
        }
    }
}

impl Talk {
    /// What v0 and v1 say first: the refs, with the capabilities on the first line.
    fn greet_v0(&mut self) -> Phase {
        if self.version == ProtocolVersion::V1 {
            self.out.line(&[b"version 1"]);
        }
        let query = RefsQuery::all(RefsPurpose::Fetch);
        self.ask(Question::Refs(query.clone()));
        let style = Style::Advertisement { capabilities: self.capabilities_v0() };
        Phase::List(
            Listing::new(query, style, self.options.object_format).with_shallow(&self.options.shallow),
        )
    }

    fn capabilities_v0(&self) -> Capabilities {
        let mut list = Capabilities::new();
        for name in ["multi_ack", "thin-pack", "side-band", "side-band-64k", "ofs-delta", "shallow"] {
            list.add(name);
        }
        for name in ["deepen-since", "deepen-not", "deepen-relative", "no-progress"] {
            list.add(name);
        }
        list.add("include-tag").add("multi_ack_detailed");
        if self.options.wants == WantPolicy::Tip || self.options.wants == WantPolicy::Any {
            list.add("allow-tip-sha1-in-want");
        }
        if self.options.wants == WantPolicy::Reachable || self.options.wants == WantPolicy::Any {
            list.add("allow-reachable-sha1-in-want");
        }
        if self.mode == Mode::Advertise {
            list.add("no-done");
        }
        if self.options.filter {
            list.add("filter");
        }
        list.add_value("object-format", self.options.object_format.name());
        self.add_identity(&mut list);
        list
    }

    /// What v2 says first: its capabilities.
    fn greet_v2(&mut self) -> Phase {
        let mut list = Capabilities::new();
        self.add_identity(&mut list);
        match self.options.unborn {
            true => list.add_value("ls-refs", "unborn"),
            false => list.add("ls-refs"),
        };
        let mut fetch = "shallow wait-for-done".to_owned();
        for (offered, name) in [
            (self.options.filter, " filter"),
            (self.options.ref_in_want, " ref-in-want"),
            (self.options.sideband_all, " sideband-all"),
        ] {
            if offered {
                fetch.push_str(name);
            }
        }
        list.add_value("fetch", fetch);
        list.add("server-option");
        list.add_value("object-format", self.options.object_format.name());
        if self.options.object_info {
            list.add("object-info");
        }
        if self.options.bundle_uris.is_some() {
            list.add("bundle-uri");
        }
        self.out.line(&[b"version 2"]);
        for line in list.lines() {
            self.out.line(&[&line]);
        }
        self.out.flush();
        match self.mode {
            Mode::Advertise => Phase::End(Outcome::Complete),
            _ => Phase::Request(request::Request::default()),
        }
    }

    fn add_identity(&self, list: &mut Capabilities) {
        if let Some(agent) = &self.options.agent {
            list.add_value("agent", sanitize(agent.as_bytes()));
        }
        if let Some(id) = &self.options.session_id {
            list.add_value("session-id", sanitize(id.as_bytes()));
        }
    }

    fn ask(&mut self, question: Question) {
        self.todo = Some(Output::Ask(question));
    }

    fn send_pack(&mut self, request: PackRequest, band: Option<PacketSize>) -> Phase {
        self.progress = request.progress;
        self.out.open_band(band);
        self.todo = Some(Output::SendPack(request));
        Phase::Pack
    }

    /// Where a list of refs leads to.
    fn after_list(&mut self) -> Phase {
        match (self.mode, self.version) {
            (Mode::Advertise, _) => Phase::End(Outcome::Complete),
            (_, ProtocolVersion::V2) => self.next_request(),
            _ => Phase::Wants(wants::WantLines::default()),
        }
    }

    /// Says which bundles may be had elsewhere.
    fn tell_bundle_uris(&mut self) -> Phase {
        if let Some(lines) = self.options.bundle_uris.clone() {
            for line in lines.iter() {
                self.out.line(&[line]);
            }
        }
        self.out.flush();
        self.next_request()
    }

    /// Where a satisfied request leads to: to the next one, where there may be one.
    fn next_request(&mut self) -> Phase {
        self.out.set_all_bands(false);
        match (self.mode, self.version) {
            (Mode::Stateful, ProtocolVersion::V2) => Phase::Request(request::Request::default()),
            _ => Phase::End(Outcome::Complete),
        }
    }

    fn check_format(&self, named: &[u8]) -> Result<(), ServerError> {
        match named == self.options.object_format.name().as_bytes() {
            true => Ok(()),
            false => {
                let server = self.options.object_format;
                Err(ServerError::ObjectFormat { server, client: super::error::shown(named) })
            }
        }
    }
}
