//! Watching a conversation go by: the packets of a stream of bytes, as `GIT_TRACE_PACKET` shows them.
//!
//! A [`Tap`] is held to one direction of a connection. It changes nothing and fails at nothing: bytes that are no packets
//! are passed over.

use crate::pkt_line::{Packet, decode};
use std::fmt;
use std::sync::Arc;

/// Whether a packet came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// It came from the other side.
    Received,
    /// It went to the other side.
    Sent,
}

/// Whose packets a [`Tap`] sees: the two sides know different things of side bands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seat {
    /// The client takes side bands apart, and sees both what is in them and that.
    Client,
    /// The server sees what it puts into them.
    Server,
}

/// Where a packet was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// In the conversation itself.
    Conversation,
    /// Among the packets that make up side bands.
    SideBand,
}

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// Its payload.
    Line(&'a [u8]),
    /// `0000`.
    Flush,
    /// `0001`.
    Delim,
    /// `0002`.
    ResponseEnd,
    /// A pack begins, of which no more is shown.
    Pack,
}

/// Is shown the packets of a conversation.
pub trait PacketObserver: Send + Sync {
    /// A packet went by.
    fn packet(&self, way: Way, place: Place, content: Content<'_>);
}

/// Takes the packets out of one direction of a connection.
pub struct Tap {
    observer: Arc<dyn PacketObserver>,
    seat: Seat,
    way: Way,
    buffer: Vec<u8>,
    /// What is no packet has begun.
    raw: bool,
    banded: bool,
    in_pack: bool,
    /// The packets inside of band 1, where that is no pack.
    inner: Option<Box<Tap>>,
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").field("seat", &self.seat).field("way", &self.way).finish_non_exhaustive()
    }
}

impl Tap {
    /// Shows `observer` what goes this way.
    pub fn new(observer: Arc<dyn PacketObserver>, seat: Seat, way: Way) -> Self {
        let (buffer, raw, banded, in_pack) = (Vec::new(), false, false, false);
        Tap { observer, seat, way, buffer, raw, banded, in_pack, inner: None }
    }

    /// The next bytes, in pieces of any size.
    pub fn bytes(&mut self, bytes: &[u8]) {
        if self.raw {
            return;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            match decode(&buffer[at..]) {
                Ok(Some((packet, length))) => {
                    self.packet(packet);
                    at += length;
                }
                Ok(None) => break,
                // A pack that is on no band, or nonsense.
                Err(_) => {
                    self.raw = true;
                    return;
                }
            }
        }
        buffer.drain(..at);
        self.buffer = buffer;
    }

    /// What comes next is a message of its own, whatever came before.
    pub fn restart(&mut self) {
        let fresh = Tap::new(self.observer.clone(), self.seat, self.way);
        *self = fresh;
    }

    fn show(&self, place: Place, content: Content<'_>) {
        self.observer.packet(self.way, place, content);
    }

    fn packet(&mut self, packet: Packet<'_>) {
        match packet {
            Packet::Data([band @ 1..=3, content @ ..]) => self.band(*band, content, &packet),
            Packet::Data(line) => self.show(Place::Conversation, Content::Line(line)),
            Packet::Flush => {
                let outside = self.banded && self.seat == Seat::Client;
                self.show(if outside { Place::SideBand } else { Place::Conversation }, Content::Flush);
                (self.banded, self.in_pack, self.inner) = (false, false, None);
            }
            Packet::Delim => self.show(Place::Conversation, Content::Delim),
            Packet::ResponseEnd => self.show(Place::Conversation, Content::ResponseEnd),
        }
    }

    fn band(&mut self, band: u8, content: &[u8], packet: &Packet<'_>) {
        let begins = band == 1 && self.inner.is_none() && content.starts_with(b"PACK");
        let client = self.seat == Seat::Client;
        self.banded = true;
        if band == 1 && self.in_pack {
            return;
        }
        if begins {
            self.in_pack = true;
            if client {
                self.show(Place::SideBand, Content::Pack);
            }
            return;
        }
        if client && let Packet::Data(whole) = packet {
            self.show(Place::SideBand, Content::Line(whole));
        }
        if band == 1 && !content.is_empty() {
            let inner = || Box::new(Tap::new(self.observer.clone(), self.seat, self.way));
            let mut tap = self.inner.take().unwrap_or_else(inner);
            tap.bytes_inside(content);
            self.inner = Some(tap);
        }
    }

    /// As [`bytes`](Self::bytes), where no further side bands are looked for.
    fn bytes_inside(&mut self, bytes: &[u8]) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.extend_from_slice(bytes);
        let mut at = 0;
        while let Ok(Some((packet, length))) = decode(&buffer[at..]) {
            match packet {
                Packet::Data(line) => self.show(Place::Conversation, Content::Line(line)),
                Packet::Flush => self.show(Place::Conversation, Content::Flush),
                Packet::Delim => self.show(Place::Conversation, Content::Delim),
                Packet::ResponseEnd => self.show(Place::Conversation, Content::ResponseEnd),
            }
            at += length;
        }
        buffer.drain(..at);
        // What is no packet stays behind; a little of it is enough to know that.
        buffer.truncate(crate::pkt_line::MAX_PACKET);
        self.buffer = buffer;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Seen(Mutex<Vec<String>>);

    impl PacketObserver for Seen {
        fn packet(&self, _way: Way, place: Place, content: Content<'_>) {
            let content = match content {
                Content::Line(line) => String::from_utf8_lossy(line).into_owned(),
                other => format!("{other:?}"),
            };
            self.0.lock().unwrap().push(format!("{place:?} {content}"));
        }
    }

    fn seen(seat: Seat, pieces: &[&[u8]]) -> Vec<String> {
        let observer = Arc::new(Seen::default());
        let mut tap = Tap::new(observer.clone(), seat, Way::Received);
        pieces.iter().for_each(|piece| tap.bytes(piece));
        let lines = observer.0.lock().unwrap();
        lines.clone()
    }

    const FETCHED: &[u8] = b"000dpackfile\n000a\x02hello000b\x01PACK\x00\x00000a\x01more!0009\x02done0000";
    const PUSHED: &[u8] = b"001d\x01000eunpack ok\n0006a\n00000000";

    #[test]
    fn packs_are_left_out_and_reports_taken_apart() {
        assert_eq!(
            seen(Seat::Client, &[FETCHED]),
            [
                "Conversation packfile\n",
                "SideBand \u{2}hello",
                "SideBand Pack",
                "SideBand \u{2}done",
                "SideBand Flush"
            ]
        );
        assert_eq!(seen(Seat::Server, &[FETCHED]), ["Conversation packfile\n", "Conversation Flush"]);
        let pushed = seen(Seat::Client, &[PUSHED]);
        assert_eq!(pushed.len(), 5, "{pushed:?}");
        assert_eq!(pushed[1..4], ["Conversation unpack ok\n", "Conversation a\n", "Conversation Flush"]);
        assert_eq!(seen(Seat::Client, &[b"0000PACK\0\0\0\x02", b"0004"]), ["Conversation Flush"]);
    }

    proptest! {
        #[test]
        fn pieces_and_nonsense_make_no_difference(cut in 0..FETCHED.len(), noise: Vec<u8>) {
            prop_assert_eq!(
                seen(Seat::Client, &[&FETCHED[..cut], &FETCHED[cut..]]),
                seen(Seat::Client, &[FETCHED])
            );
            let cut = cut.min(PUSHED.len());
            prop_assert_eq!(
                seen(Seat::Server, &[&PUSHED[..cut], &PUSHED[cut..]]),
                seen(Seat::Server, &[PUSHED])
            );
            seen(Seat::Client, &[&noise, PUSHED]);
            let banded = [format!("{:04x}\x01", noise.len() + 5).as_bytes(), &noise].concat();
            seen(Seat::Client, &[&banded]);
        }
    }
}
