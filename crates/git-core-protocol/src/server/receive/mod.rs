//! `git-receive-pack`: the machine, from the advertisement to the report.
//!
//! The command list is in `commands`, the report in `report`. The pack between them never passes through here.

mod commands;
mod report;

use self::commands::{CommandList, Push};
use self::report::Report;
use super::input::Input;
use super::mux::Out;
use super::refs::{Listing, Step, Style};
use super::{
    Answer, Conversation, Mode, Outcome, Output, Question, ReceivePackOptions, RefsPurpose, RefsQuery,
    ServerError, UpdateReport,
};
use crate::capability::sanitize;
use crate::pkt_line::Packet;
use crate::sideband::PacketSize;
use crate::{Capabilities, ProtocolVersion};
use bstr::BString;

/// The serving side of a push. There is no v2 of it: a client that asks for that is answered in v0, as git
/// does.
#[derive(Debug)]
pub struct ReceivePack {
    input: Input,
    talk: Talk,
    phase: Phase,
}

#[derive(Debug)]
struct Talk {
    options: ReceivePackOptions,
    mode: Mode,
    out: Out,
    todo: Option<Output>,
}

#[derive(Debug)]
enum Phase {
    /// Asking for the refs of the advertisement and writing them.
    List(Listing),
    /// Reading commands.
    Commands(Box<CommandList>),
    /// Reading push options.
    PushOptions(Box<Push>, Vec<BString>),
    /// The driver takes the pack in.
    Receiving(Box<Push>),
    /// The driver carries the commands out.
    Updating(Box<Push>),
    /// Writing the report.
    Reporting(Report),
    /// Over.
    End(Outcome),
}

impl ReceivePack {
    /// A conversation in this version. In [`Mode::Stateful`] and [`Mode::Advertise`] the server speaks first.
    pub fn new(version: ProtocolVersion, mode: Mode, options: ReceivePackOptions) -> Self {
        let mut talk = Talk { options, mode, out: Out::default(), todo: None };
        let phase = match mode {
            Mode::StatelessRpc => Phase::Commands(Box::default()),
            _ => {
                if version == ProtocolVersion::V1 {
                    talk.out.line(&[b"version 1"]);
                }
                let query = RefsQuery::all(RefsPurpose::Push);
                talk.todo = Some(Output::Ask(Question::Refs(query.clone())));
                let style = Style::Advertisement { capabilities: talk.capabilities() };
                Phase::List(
                    Listing::new(query, style, talk.options.object_format)
                        .with_shallow(&talk.options.shallow),
                )
            }
        };
        ReceivePack { input: Input::default(), talk, phase }
    }

    fn is_reading(&self) -> bool {
        matches!(self.phase, Phase::Commands(_) | Phase::PushOptions(..))
    }

    fn fail(&mut self, error: ServerError) {
        self.talk.todo = None;
        if error != ServerError::UnexpectedEnd {
            self.talk.out.error(&error.to_string());
        }
        self.phase = Phase::End(Outcome::Failed(error));
    }

    fn set(&mut self, next: Result<Phase, ServerError>) {
        match next {
            Ok(phase) => self.phase = phase,
            Err(error) => self.fail(error),
        }
    }

    fn take(&mut self) -> Phase {
        std::mem::replace(&mut self.phase, Phase::End(Outcome::Complete))
    }
}

impl Conversation for ReceivePack {
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
            let next = phase.packet(packet, &mut self.talk).and_then(|phase| {
                match self.input.request_bytes() > self.talk.options.limits.request_bytes {
                    true => Err(ServerError::Limit {
                        what: "request bytes",
                        bound: self.talk.options.limits.request_bytes,
                    }),
                    false => Ok(phase),
                }
            });
            self.set(next);
        }
        input.len() - rest.len()
    }

    fn feed_end(&mut self) {
        let leaving = matches!(&self.phase, Phase::Commands(list) if list.is_empty());
        if leaving && self.input.is_between_packets() {
            self.phase = Phase::End(Outcome::Complete);
        } else if self.is_reading() {
            self.fail(ServerError::UnexpectedEnd);
        }
    }

    fn poll(&mut self) -> Output {
        while self.talk.out.is_empty() {
            let more = match &mut self.phase {
                Phase::List(listing) => match listing.step(&mut self.talk.out) {
                    Step::Written => true,
                    Step::Asked => break,
                    Step::Next(query) => {
                        self.talk.todo = Some(Output::Ask(Question::Refs(query)));
                        break;
                    }
                    Step::Ended => false,
                },
                Phase::Reporting(report) => report.step(&mut self.talk.out),
                _ => break,
            };
            if !more {
                let commands = matches!(self.phase, Phase::List(_)) && self.talk.mode == Mode::Stateful;
                self.phase = match commands {
                    true => Phase::Commands(Box::default()),
                    false => Phase::End(Outcome::Complete),
                };
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
        match (self.take(), answer) {
            (Phase::List(mut listing), Answer::Refs(refs)) => {
                let taken = listing.page(refs).map(|()| Phase::List(listing));
                self.set(taken);
            }
            (Phase::List(_), _) => self.fail(ServerError::MismatchedAnswer),
            (phase, _) => self.phase = phase,
        }
    }

    fn refuse(&mut self, message: &str) {
        match self.take() {
            Phase::Updating(push) => {
                let report = UpdateReport::rejected(push.commands(), message);
                let next = (*push).report(report, &mut self.talk);
                self.set(next);
            }
            Phase::Receiving(push) => {
                self.phase = (*push).pack_failed(message, &mut self.talk);
            }
            phase @ Phase::End(_) => self.phase = phase,
            _ => self.fail(ServerError::Refused(message.to_owned())),
        }
    }

    fn pack_received(&mut self) {
        match self.take() {
            Phase::Receiving(push) => {
                let next = push.update(&mut self.talk);
                self.set(next);
            }
            phase => self.phase = phase,
        }
    }

    fn pack_failed(&mut self, reason: &str) {
        match self.take() {
            Phase::Receiving(push) => self.phase = (*push).pack_failed(reason, &mut self.talk),
            phase => self.phase = phase,
        }
    }

    fn updated(&mut self, report: UpdateReport) {
        match self.take() {
            Phase::Updating(push) => {
                let next = (*push).report(report, &mut self.talk);
                self.set(next);
            }
            phase => self.phase = phase,
        }
    }

    fn progress(&mut self, text: &[u8]) {
        if self.talk.out.has_band() && matches!(self.phase, Phase::Receiving(_) | Phase::Updating(_)) {
            self.talk.out.progress(text);
        }
    }

    fn keep_alive(&mut self) {
        if matches!(self.phase, Phase::Receiving(_) | Phase::Updating(_)) {
            self.talk.out.keep_alive();
        }
    }

    fn wants_progress(&self) -> bool {
        match &self.phase {
            Phase::Receiving(push) | Phase::Updating(push) => self.talk.out.has_band() && !push.is_quiet(),
            _ => false,
        }
    }

    fn reuse(&mut self, buffer: Vec<u8>) {
        self.talk.out.reuse(buffer);
    }
}

impl Phase {
    fn packet(self, packet: Packet<'_>, talk: &mut Talk) -> Result<Phase, ServerError> {
        match self {
            Phase::Commands(list) => list.packet(packet, talk),
            Phase::PushOptions(push, options) => push.option(options, packet, talk),
            other => Ok(other),
        }
    }
}

impl Talk {
    fn capabilities(&self) -> Capabilities {
        let mut list = Capabilities::new();
        list.add("report-status")
            .add("report-status-v2")
            .add("delete-refs")
            .add("side-band-64k")
            .add("quiet");
        if self.options.atomic {
            list.add("atomic");
        }
        if self.options.ofs_delta {
            list.add("ofs-delta");
        }
        if let Some(nonce) = &self.options.push_cert_nonce {
            list.add_value("push-cert", sanitize(nonce.as_bytes()));
        }
        if self.options.push_options {
            list.add("push-options");
        }
        list.add_value("object-format", self.options.object_format.name());
        if let Some(id) = &self.options.session_id {
            list.add_value("session-id", sanitize(id.as_bytes()));
        }
        if let Some(agent) = &self.options.agent {
            list.add_value("agent", sanitize(agent.as_bytes()));
        }
        list
    }

    fn open_band(&mut self, capabilities: &Capabilities) {
        let band = capabilities.has("side-band-64k").then_some(PacketSize::Large);
        self.out.open_band(band);
    }
}
