//! `git-upload-archive`: the machine. The client sends arguments, one a packet, and a flush; it is told `ACK`, and
//! gets the archive on side bands.
//!
//! What the arguments mean, and making the archive, is left to the repository behind the driver.

use super::input::Input;
use super::mux::Out;
use super::{Answer, Conversation, Outcome, Output, ServerError};
use crate::pkt_line::Packet;
use crate::sideband::{self, Band, PacketSize};
use bstr::BString;

/// The most arguments that are taken, as in git.
const ARGUMENTS: usize = 63;

/// What the last side band says when there is no archive; why is said before, as progress.
const DIED: &str = "git upload-archive: archiver died with error";

/// The archive that a client is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArchiveRequest {
    /// The arguments of `git archive`, as the client has put them.
    pub arguments: Vec<BString>,
}

/// The serving side of `git archive --remote`.
#[derive(Debug)]
pub struct UploadArchive {
    input: Input,
    out: Out,
    arguments: Vec<BString>,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Arguments,
    /// All arguments are there; the driver has not been asked yet.
    Asked,
    Sending,
    End(Outcome),
}

impl Default for UploadArchive {
    fn default() -> Self {
        Self::new()
    }
}

impl UploadArchive {
    /// A conversation, in which the client speaks first. It is the same over a connection and in one request.
    pub fn new() -> Self {
        UploadArchive {
            input: Input::default(),
            out: Out::default(),
            arguments: Vec::new(),
            phase: Phase::Arguments,
        }
    }

    fn fail(&mut self, error: ServerError) {
        if error != ServerError::UnexpectedEnd {
            self.out.error(&error.to_string());
        }
        self.phase = Phase::End(Outcome::Failed(error));
    }

    /// Takes an argument, or the end of them.
    fn packet(&mut self, packet: Option<Vec<u8>>) -> Result<(), ServerError> {
        let Some(line) = packet else {
            self.out.line(&[b"ACK"]);
            self.out.flush();
            self.out.open_band(Some(PacketSize::Large));
            self.phase = Phase::Asked;
            return Ok(());
        };
        let Some(argument) = line.strip_prefix(b"argument ") else { return Err(ServerError::line(&line)) };
        if self.arguments.len() == ARGUMENTS {
            return Err(ServerError::Limit { what: "options", bound: ARGUMENTS as u64 });
        }
        self.arguments.push(argument.into());
        Ok(())
    }
}

impl Conversation for UploadArchive {
    fn feed(&mut self, input: &[u8]) -> usize {
        let mut rest = input;
        while matches!(self.phase, Phase::Arguments) {
            let taken = match self.input.packet(rest) {
                Ok((taken, None)) => {
                    rest = &rest[taken..];
                    break;
                }
                Ok((taken, Some(packet))) => {
                    let packet = match packet {
                        Packet::Flush => Ok(None),
                        Packet::Data(_) => Ok(packet.text().map(|text| text.to_vec())),
                        Packet::Delim => Err(ServerError::UnexpectedPacket("delim")),
                        Packet::ResponseEnd => Err(ServerError::UnexpectedPacket("response-end")),
                    };
                    if let Err(error) = packet.and_then(|packet| self.packet(packet)) {
                        self.fail(error);
                    }
                    taken
                }
                Err(error) => {
                    self.fail(error);
                    0
                }
            };
            rest = &rest[taken..];
        }
        input.len() - rest.len()
    }

    fn feed_end(&mut self) {
        if matches!(self.phase, Phase::Arguments) {
            self.fail(ServerError::UnexpectedEnd);
        }
    }

    fn poll(&mut self) -> Output {
        if let Some(bytes) = self.out.take() {
            return Output::Send(bytes);
        }
        match &self.phase {
            Phase::Arguments => Output::Read,
            Phase::Asked => {
                self.phase = Phase::Sending;
                Output::SendArchive(ArchiveRequest { arguments: std::mem::take(&mut self.arguments) })
            }
            Phase::Sending => Output::Waiting,
            Phase::End(outcome) => Output::Done(outcome.clone()),
        }
    }

    fn answer(&mut self, _answer: Answer) {}

    fn refuse(&mut self, message: &str) {
        if !matches!(self.phase, Phase::Asked | Phase::Sending) {
            return;
        }
        self.out.progress(format!("{message}\n").as_bytes());
        sideband::write(self.out.buffer(), PacketSize::Large, Band::Error(DIED.as_bytes()));
        self.phase = Phase::End(Outcome::Failed(ServerError::Refused(message.to_owned())));
    }

    fn pack_bytes(&mut self, bytes: &[u8]) {
        if matches!(self.phase, Phase::Sending) {
            self.out.content(bytes);
        }
    }

    fn pack_end(&mut self) {
        if matches!(self.phase, Phase::Sending) {
            self.out.close_band();
            self.phase = Phase::End(Outcome::Complete);
        }
    }

    fn progress(&mut self, text: &[u8]) {
        self.out.progress(text);
    }

    fn keep_alive(&mut self) {
        self.out.keep_alive();
    }

    fn wants_progress(&self) -> bool {
        false
    }

    fn reuse(&mut self, buffer: Vec<u8>) {
        self.out.reuse(buffer);
    }
}
