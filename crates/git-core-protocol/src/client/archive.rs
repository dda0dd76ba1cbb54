//! `git archive --remote`: the arguments are sent, the archive comes on side bands.

use super::incoming::{Incoming, Span};
use super::{Action, ClientError, Machine};
use crate::error::Excerpt;
use crate::pkt_line::{self, Packet};
use crate::sideband::Band;
use std::ops::Range;

/// Asks a server for an archive. [`Action::Pack`] gives its bytes. It is the same over a connection and in one
/// request; the server does not introduce itself.
#[derive(Clone, Debug)]
pub struct FetchArchive {
    incoming: Incoming,
    request: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Request,
    EndRequest,
    /// Waiting for `ACK`.
    Reply,
    /// Waiting for the flush behind it.
    Flush,
    Banded,
    Done,
}

enum Piece {
    Read,
    Nothing,
    Content(Range<usize>),
    Progress(Range<usize>),
    End,
}

impl FetchArchive {
    /// Prepares to send arguments of `git archive`.
    ///
    /// # Errors
    /// [`ClientError::PktLine`] for an argument that fits no packet.
    pub fn new<T: AsRef<[u8]>>(arguments: impl IntoIterator<Item = T>) -> Result<Self, ClientError> {
        let mut request = Vec::new();
        for argument in arguments {
            pkt_line::write_parts(&mut request, &[b"argument ", argument.as_ref(), b"\n"])?;
        }
        pkt_line::write_flush(&mut request);
        Ok(FetchArchive { incoming: Incoming::default(), request, state: State::Request })
    }

    /// What the server says first.
    fn reply(&self, span: &Span) -> Result<(), ClientError> {
        let packet = self.incoming.packet(span);
        match packet.text() {
            Some(text) if text == "ACK" => Ok(()),
            Some(text) => Err(match text.strip_prefix(b"NACK ") {
                Some(reason) => ClientError::Remote(Excerpt::new(&[b"NACK ", reason].concat())),
                None => ClientError::Unexpected { expected: "ACK", got: Excerpt::new(text) },
            }),
            None => Err(ClientError::Unexpected { expected: "ACK", got: Excerpt::new(b"a flush packet") }),
        }
    }

    fn band(&mut self) -> Result<Piece, ClientError> {
        let Some(span) = self.incoming.band_span()? else { return Ok(Piece::Read) };
        let Span::Data(range) = span else {
            return match self.incoming.packet(&span) {
                Packet::Flush => Ok(Piece::End),
                _ => Err(ClientError::Unexpected { expected: "an archive", got: Excerpt::new(b"") }),
            };
        };
        let content = range.start + 1..range.end;
        match Band::demux(self.incoming.slice(&range)) {
            Ok(Band::Data([]) | Band::Progress([])) => Ok(Piece::Nothing),
            Ok(Band::Data(_)) => Ok(Piece::Content(content)),
            Ok(Band::Progress(_)) => Ok(Piece::Progress(content)),
            Ok(Band::Error(message)) => Err(ClientError::Remote(Excerpt::new(message))),
            Err(error) => Err(error.into()),
        }
    }
}

impl Machine for FetchArchive {
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
                    self.state = State::Reply;
                    return Ok(Action::EndRequest);
                }
                State::Reply => {
                    let Some(span) = self.incoming.span()? else { return Ok(Action::Read) };
                    self.reply(&span)?;
                    self.state = State::Flush;
                }
                State::Flush => match self.incoming.span()? {
                    None => return Ok(Action::Read),
                    Some(Span::Flush) => self.state = State::Banded,
                    Some(span) => {
                        let got = Excerpt::new(self.incoming.packet(&span).text().unwrap_or_default());
                        return Err(ClientError::Unexpected { expected: "a flush packet", got });
                    }
                },
                State::Banded => match self.band()? {
                    Piece::Nothing => {}
                    Piece::Read => return Ok(Action::Read),
                    Piece::End => self.state = State::Done,
                    Piece::Content(range) => return Ok(Action::Pack(self.incoming.slice(&range))),
                    Piece::Progress(range) => return Ok(Action::Progress(self.incoming.slice(&range))),
                },
                State::Done => return Ok(Action::Done),
            }
        }
    }
}
