//! The server's bytes on their way to a machine: packets, and where they end.

use super::{ClientError, Connection};
use crate::error::Excerpt;
use crate::pkt_line::{Decoder, Packet};
use std::ops::Range;

#[derive(Clone, Debug, Default)]
pub(super) struct Incoming {
    decoder: Decoder,
    ended: bool,
}

/// A packet whose payload is still in the decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Data(Range<usize>),
    Flush,
    Delim,
    ResponseEnd,
}

impl Incoming {
    pub(super) fn feed(&mut self, bytes: &[u8]) -> usize {
        self.ended = false;
        self.decoder.feed(bytes)
    }

    pub(super) fn feed_end(&mut self) {
        self.ended = true;
    }

    /// A new request goes out: its answer has not ended. Over a stateless connection that answer begins anew,
    /// and what is left of the one before is of no interest.
    pub(super) fn restart(&mut self, connection: Connection) {
        self.ended = false;
        if connection == Connection::Stateless {
            self.decoder = Decoder::new();
        }
    }

    /// Whether raw pack data begins here: `None` when more has to be read to tell.
    pub(super) fn begins_pack(&self) -> Option<bool> {
        let rest = self.decoder.rest();
        match rest.len() {
            0..4 if b"PACK".starts_with(rest) && !self.ended => None,
            _ => Some(rest.starts_with(b"PACK")),
        }
    }

    /// Puts back the packet taken last.
    pub(super) fn unread(&mut self, span: &Span) {
        let start = match span {
            Span::Data(range) => range.start,
            _ => return,
        };
        self.decoder.rewind(start - 4);
    }

    /// The next packet, or `None` when more has to be read.
    pub(super) fn span(&mut self) -> Result<Option<Span>, ClientError> {
        match self.decoder.span()? {
            Some(span) => {
                if let Span::Data(range) = &span
                    && let Some(message) = Packet::Data(self.slice(range)).error()
                {
                    return Err(ClientError::Remote(Excerpt::new(message)));
                }
                Ok(Some(span))
            }
            None if self.ended => Err(ClientError::HungUp),
            None => Ok(None),
        }
    }

    /// Like [`span`](Self::span), for packets in which `ERR` is nothing special: those on a side band.
    pub(super) fn band_span(&mut self) -> Result<Option<Span>, ClientError> {
        match self.decoder.span()? {
            None if self.ended => Err(ClientError::HungUp),
            span => Ok(span),
        }
    }

    pub(super) fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.decoder.slice(range)
    }

    pub(super) fn packet(&self, span: &Span) -> Packet<'_> {
        match span {
            Span::Data(range) => Packet::Data(self.slice(range)),
            Span::Flush => Packet::Flush,
            Span::Delim => Packet::Delim,
            Span::ResponseEnd => Packet::ResponseEnd,
        }
    }

    /// Everything that has arrived, unframed: the range, which is taken by asking; `None` when the end was
    /// reached, an empty range when more has to be read.
    pub(super) fn raw(&mut self) -> Option<Range<usize>> {
        let range = self.decoder.take_rest();
        (!range.is_empty() || !self.ended).then_some(range)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.decoder.is_empty()
    }
}
