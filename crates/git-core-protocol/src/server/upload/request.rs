//! v2: reading a request: a command, capabilities, and the arguments of the command.

use super::super::ServerError;
use super::super::error::shown;
use super::fetch::FetchArguments;
use super::ls_refs::LsRefs;
use super::object_info::ObjectInfo;
use super::{Outcome, Phase, Talk};
use crate::pkt_line::Packet;
use bstr::{BStr, BString, ByteSlice as _};

/// As much of a request as has been read.
#[derive(Debug, Default)]
pub(super) struct Request {
    command: Option<Command>,
    lines: usize,
    server_options: Vec<BString>,
    in_arguments: bool,
}

#[derive(Debug)]
enum Command {
    LsRefs(LsRefs),
    Fetch(Box<FetchArguments>),
    ObjectInfo(ObjectInfo),
    BundleUri,
}

impl Request {
    pub(super) fn is_empty(&self) -> bool {
        self.lines == 0
    }

    pub(super) fn packet(mut self, packet: Packet<'_>, talk: &mut Talk) -> Result<Phase, ServerError> {
        match packet {
            // A client that has what it came for takes its leave.
            Packet::Flush if self.is_empty() => Ok(Phase::End(Outcome::Complete)),
            Packet::Flush => match self.command {
                None => Err(ServerError::NoCommand),
                Some(Command::LsRefs(query)) => query.ask(self.server_options, talk),
                Some(Command::Fetch(arguments)) => arguments.ask(talk),
                Some(Command::ObjectInfo(info)) => info.ask(talk),
                Some(Command::BundleUri) => Ok(talk.tell_bundle_uris()),
            },
            Packet::Delim if self.in_arguments => Err(ServerError::UnexpectedPacket("delim")),
            Packet::Delim if self.command.is_none() => Err(ServerError::NoCommand),
            Packet::Delim => {
                self.in_arguments = true;
                Ok(Phase::Request(self))
            }
            Packet::ResponseEnd => Err(ServerError::UnexpectedPacket("response-end")),
            Packet::Data(_) => {
                let line = packet.text().unwrap_or_default();
                match (&mut self.command, self.in_arguments) {
                    (Some(Command::LsRefs(query)), true) => query.argument(line, talk)?,
                    (Some(Command::Fetch(arguments)), true) => arguments.argument(line, talk)?,
                    (Some(Command::ObjectInfo(info)), true) => info.argument(line, talk)?,
                    (Some(Command::BundleUri), true) => return Err(ServerError::line(line)),
                    _ => self.capability(line, talk)?,
                }
                Ok(Phase::Request(self))
            }
        }
    }

    fn capability(&mut self, line: &BStr, talk: &mut Talk) -> Result<(), ServerError> {
        self.lines += 1;
        let bound = talk.options.limits.capabilities;
        if self.lines > bound {
            return Err(ServerError::Limit { what: "capability lines", bound: bound as u64 });
        }
        let (name, value) = match line.split_once_str("=") {
            Some((name, value)) => (name, Some(value)),
            None => (line.as_bytes(), None),
        };
        match (name, value) {
            (b"command", Some(command)) => {
                if self.command.is_some() {
                    return Err(ServerError::line(line));
                }
                self.command = Some(match command {
                    b"ls-refs" => Command::LsRefs(LsRefs::default()),
                    b"fetch" => Command::Fetch(Box::default()),
                    b"object-info" if talk.options.object_info => Command::ObjectInfo(ObjectInfo::default()),
                    b"bundle-uri" if talk.options.bundle_uris.is_some() => Command::BundleUri,
                    _ => return Err(ServerError::UnknownCommand(shown(command))),
                });
            }
            (b"object-format", Some(format)) => talk.check_format(format)?,
            (b"server-option", Some(option)) => self.server_options.push(option.into()),
            (b"agent" | b"session-id", _) => {}
            _ => return Err(ServerError::UnknownCapability(shown(line))),
        }
        Ok(())
    }
}
