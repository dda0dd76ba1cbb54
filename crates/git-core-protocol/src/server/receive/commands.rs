//! The command list of a push and its push options; then the turns between pack, update and report.

use super::super::error::shown;
use super::super::{
    Command, CommandStatus, Outcome, Output, ReceivePackOptions, ServerError, UpdateReport, UpdateRequest,
};
use super::report::{Report, ReportStyle, Unpacked};
use super::{Phase, Talk};
use crate::Capabilities;
use crate::certificate::SignedCertificate;
use crate::pkt_line::Packet;
use bstr::{BString, ByteSlice as _};
use git_core_object::{ObjectFormat, ObjectId};
use git_core_ref::RefName;

/// One command as it was sent: with a ref name that may be none.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) name: Result<RefName, BString>,
    old: Option<ObjectId>,
    new: Option<ObjectId>,
}

/// The commands so far.
#[derive(Debug, Default)]
pub(super) struct CommandList {
    commands: Vec<Asked>,
    shallow: Vec<ObjectId>,
    capabilities: Capabilities,
    started: bool,
    greeted: bool,
    certificate: Certificate,
}

/// A push certificate on its way.
#[derive(Debug, Default)]
enum Certificate {
    /// None has come.
    #[default]
    None,
    /// So much of it.
    Open(Vec<u8>),
    /// All of it.
    Whole(SignedCertificate),
}

/// A push whose commands are read.
#[derive(Debug)]
pub(super) struct Push {
    commands: Vec<Asked>,
    shallow: Vec<ObjectId>,
    capabilities: Capabilities,
    push_options: Option<Vec<BString>>,
    certificate: Option<SignedCertificate>,
}

impl CommandList {
    pub(super) fn is_empty(&self) -> bool {
        !self.started
    }

    pub(super) fn packet(
        mut self: Box<Self>,
        packet: Packet<'_>,
        talk: &mut Talk,
    ) -> Result<Phase, ServerError> {
        if let Certificate::Open(bytes) = &mut self.certificate {
            match packet {
                Packet::Data(b"push-cert-end\n") => {
                    let certificate = SignedCertificate::parse(std::mem::take(bytes))?;
                    for line in certificate.command_lines() {
                        self.command(line, &talk.options)?;
                    }
                    self.certificate = Certificate::Whole(certificate);
                }
                Packet::Data(line) => bytes.extend_from_slice(line),
                Packet::Flush => return Err(ServerError::UnexpectedPacket("flush")),
                Packet::Delim => return Err(ServerError::UnexpectedPacket("delim")),
                Packet::ResponseEnd => return Err(ServerError::UnexpectedPacket("response-end")),
            }
            return Ok(Phase::Commands(self));
        }
        let line = match packet {
            Packet::Flush if self.commands.is_empty() => return Ok(Phase::End(Outcome::Complete)),
            Packet::Flush => {
                let push = Push {
                    commands: self.commands,
                    shallow: self.shallow,
                    capabilities: self.capabilities,
                    push_options: None,
                    certificate: match self.certificate {
                        Certificate::Whole(certificate) => Some(certificate),
                        _ => None,
                    },
                };
                return push.commands_ended(talk);
            }
            Packet::Delim => return Err(ServerError::UnexpectedPacket("delim")),
            Packet::ResponseEnd => return Err(ServerError::UnexpectedPacket("response-end")),
            Packet::Data(payload) => payload,
        };
        let (line, list) = match line.split_once_str("\0") {
            Some((line, list)) => (line, Some(list.strip_suffix(b"\n").unwrap_or(list))),
            None => (line.strip_suffix(b"\n").unwrap_or(line), None),
        };
        self.started = true;
        // A shallow client says where its history ends.
        if let Some(hex) = line.strip_prefix(b"shallow ") {
            let bound = talk.options.limits.shallow;
            if self.shallow.len() >= bound {
                return Err(ServerError::Limit { what: "shallow lines", bound: bound as u64 });
            }
            self.shallow.extend(parse_id(talk.options.object_format, hex, line)?);
            return Ok(Phase::Commands(self));
        }
        if let (Some(list), false) = (list, self.greeted) {
            self.greeted = true;
            self.capabilities = Capabilities::parse_list(list).map_err(|_| ServerError::line(list))?;
            if let Some(format) = self.capabilities.get("object-format")
                && format != talk.options.object_format.name()
            {
                let server = talk.options.object_format;
                return Err(ServerError::ObjectFormat { server, client: shown(format) });
            }
        }
        if !matches!(self.certificate, Certificate::None) {
            return Err(ServerError::Unsigned);
        }
        if line == b"push-cert" {
            if !self.commands.is_empty() {
                return Err(ServerError::Unsigned);
            }
            self.certificate = Certificate::Open(Vec::new());
            return Ok(Phase::Commands(self));
        }
        self.command(line, &talk.options)?;
        Ok(Phase::Commands(self))
    }

    fn command(&mut self, line: &[u8], options: &ReceivePackOptions) -> Result<(), ServerError> {
        let digits = options.object_format.hex_len();
        let (Some(old), Some(b' '), Some(new), Some(b' '), Some(name @ [_, ..])) = (
            line.get(..digits),
            line.get(digits),
            line.get(digits + 1..2 * digits + 1),
            line.get(2 * digits + 1),
            line.get(2 * digits + 2..),
        ) else {
            return Err(ServerError::Command(shown(line)));
        };
        if self.commands.len() >= options.limits.commands {
            return Err(ServerError::Limit { what: "commands", bound: options.limits.commands as u64 });
        }
        let old = parse_id(options.object_format, old, line)?;
        let new = parse_id(options.object_format, new, line)?;
        let name = match RefName::new(name) {
            Ok(name) if name.as_bytes().starts_with(b"refs/") => Ok(name),
            _ => Err(BString::from(name)),
        };
        self.commands.push(Asked { name, old, new });
        Ok(())
    }
}

/// An id, or none for the id of zeros.
fn parse_id(format: ObjectFormat, hex: &[u8], line: &[u8]) -> Result<Option<ObjectId>, ServerError> {
    match ObjectId::from_hex_of(format, hex) {
        Ok(id) => Ok((!id.is_null()).then_some(id)),
        Err(_) => Err(ServerError::Command(shown(line))),
    }
}

impl Push {
    fn commands_ended(self, talk: &mut Talk) -> Result<Phase, ServerError> {
        let push = Box::new(self);
        if push.capabilities.has("push-options") {
            return Ok(Phase::PushOptions(push, Vec::new()));
        }
        push.options_ended(talk)
    }

    pub(super) fn option(
        mut self: Box<Self>,
        mut options: Vec<BString>,
        packet: Packet<'_>,
        talk: &mut Talk,
    ) -> Result<Phase, ServerError> {
        match packet {
            Packet::Data(_) => {
                let option = packet.text().unwrap_or_default();
                let bound = talk.options.limits.capabilities;
                if options.len() >= bound {
                    return Err(ServerError::Limit { what: "push options", bound: bound as u64 });
                }
                if option.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
                    return Err(ServerError::PushOption);
                }
                options.push(option.into());
                Ok(Phase::PushOptions(self, options))
            }
            Packet::Flush => {
                self.push_options = Some(options);
                self.options_ended(talk)
            }
            Packet::Delim => Err(ServerError::UnexpectedPacket("delim")),
            Packet::ResponseEnd => Err(ServerError::UnexpectedPacket("response-end")),
        }
    }

    fn options_ended(self: Box<Self>, talk: &mut Talk) -> Result<Phase, ServerError> {
        talk.open_band(&self.capabilities);
        // A push that only deletes is followed by no pack.
        if self.commands.iter().all(|command| command.new.is_none()) {
            return self.update(talk);
        }
        talk.todo = Some(Output::ReceivePack);
        Ok(Phase::Receiving(self))
    }

    /// How many commands the driver is asked to carry out.
    pub(super) fn commands(&self) -> usize {
        self.commands.iter().filter(|command| command.name.is_ok()).count()
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.capabilities.has("quiet")
    }

    /// The objects are there: asks for the refs to be updated.
    pub(super) fn update(self: Box<Self>, talk: &mut Talk) -> Result<Phase, ServerError> {
        let atomic = self.capabilities.has("atomic");
        if let Some(certificate) = &self.certificate
            && !certificate.headers("push-option").eq(self.push_options.iter().flatten())
        {
            let report = UpdateReport::rejected(self.commands(), "inconsistent push options");
            return (*self).report(report, talk);
        }
        let valid = self.commands();
        if valid == 0 || atomic && valid < self.commands.len() {
            let report = UpdateReport::rejected(valid, "atomic push failure");
            return (*self).report(report, talk);
        }
        let command = |asked: &Asked| {
            let name = asked.name.as_ref().ok()?.clone();
            Some(Command { name, old: asked.old, new: asked.new })
        };
        talk.todo = Some(Output::Update(UpdateRequest {
            commands: self.commands.iter().filter_map(command).collect(),
            atomic,
            push_options: self.push_options.clone(),
            quiet: self.is_quiet(),
            shallow: self.shallow.clone(),
            certificate: self.certificate.clone(),
            mode: talk.mode,
        }));
        Ok(Phase::Updating(self))
    }

    pub(super) fn report(self, report: UpdateReport, talk: &mut Talk) -> Result<Phase, ServerError> {
        if report.statuses.len() != self.commands() {
            return Err(ServerError::MismatchedAnswer);
        }
        let mut statuses = report.statuses.into_iter();
        let lines = self.commands.into_iter().map(|asked| match asked.name {
            Ok(name) => (name.as_bytes().into(), statuses.next()),
            Err(name) => (name, Some(CommandStatus::Rejected("funny refname".into()))),
        });
        let lines = lines
            .map(|(name, status)| {
                (name, status.unwrap_or_else(|| CommandStatus::Rejected("internal error".into())))
            })
            .collect();
        Ok(Phase::Reporting(Report::new(Unpacked::Ok, lines, style(&self.capabilities), talk)))
    }

    pub(super) fn pack_failed(self, reason: &str, talk: &mut Talk) -> Phase {
        let lines = self
            .commands
            .into_iter()
            .map(|asked| {
                let name = asked.name.map_or_else(|name| name, |name| name.as_bytes().into());
                (name, CommandStatus::Rejected("unpacker error".into()))
            })
            .collect();
        let unpacked = Unpacked::Failed(reason.to_owned());
        Phase::Reporting(Report::new(unpacked, lines, style(&self.capabilities), talk))
    }
}

fn style(capabilities: &Capabilities) -> ReportStyle {
    match (capabilities.has("report-status-v2"), capabilities.has("report-status")) {
        (true, _) => ReportStyle::V2,
        (_, true) => ReportStyle::V1,
        _ => ReportStyle::Silent,
    }
}
