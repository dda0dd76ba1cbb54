//! The pkt-line framing (`gitprotocol-common(5)`): decoding one packet, a stream of them, and encoding.
//!
//! What the packets mean is left to the modules that read them.

use crate::client::Span;
use crate::error::PktLineError;
use bstr::{BStr, ByteSlice as _};

/// The longest packet on the wire, in bytes, its four digits included.
pub const MAX_PACKET: usize = 65_520;
/// The longest payload of a packet, in bytes.
pub const MAX_PAYLOAD: usize = MAX_PACKET - 4;

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A payload, possibly empty.
    Data(&'a [u8]),
    /// `0000`: the end of a list or message.
    Flush,
    /// `0001`: between the sections of a message; version 2 only.
    Delim,
    /// `0002`: the end of a response over a stateless connection; version 2 only.
    ResponseEnd,
}

impl<'a> Packet<'a> {
    /// The payload without its optional line end, or `None` for a special packet.
    pub fn text(&self) -> Option<&'a BStr> {
        match self {
            Packet::Data(payload) => Some(text(payload)),
            Packet::Flush | Packet::Delim | Packet::ResponseEnd => None,
        }
    }

    /// The message of an `ERR` packet, without its line end.
    pub fn error(&self) -> Option<&'a BStr> {
        self.text()?.strip_prefix(b"ERR ").map(|message| message.as_bstr())
    }
}

/// A text payload without its optional line end.
pub fn text(payload: &[u8]) -> &BStr {
    payload.strip_suffix(b"\n").unwrap_or(payload).as_bstr()
}

/// Takes the first packet of `input`: the packet, and the number of bytes it takes up; `None` when more bytes
/// are needed to tell.
///
/// # Errors
/// [`PktLineError`] for a length that is not four hexadecimal digits, is 3, or exceeds [`MAX_PACKET`].
pub fn decode(input: &[u8]) -> Result<Option<(Packet<'_>, usize)>, PktLineError> {
    let Some(digits) = input.first_chunk::<4>() else {
        return match input.iter().all(u8::is_ascii_hexdigit) {
            true => Ok(None),
            false => Err(PktLineError::digits(input)),
        };
    };
    let length = match length(digits) {
        Ok((_, length)) => length,
        Err(_) => return Err(PktLineError::digits(digits)),
    };
    match length {
        0 => Ok(Some((Packet::Flush, 4))),
        1 => Ok(Some((Packet::Delim, 4))),
        2 => Ok(Some((Packet::ResponseEnd, 4))),
        3 => Err(PktLineError::Reserved),
        4..=MAX_PACKET => Ok(input.get(4..length).map(|payload| (Packet::Data(payload), length))),
        length => Err(PktLineError::Length { length }),
    }
}

/// Four hexadecimal digits, of either case, and nothing else: no sign, no white space.
fn length(input: &[u8]) -> nom::IResult<&[u8], usize> {
    use nom::Parser as _;
    let digit = nom::bytes::complete::take_while_m_n(4, 4, |b: u8| b.is_ascii_hexdigit());
    digit.map(|digits: &[u8]| digits.iter().fold(0, |sum, d| sum << 4 | hex_value(*d))).parse(input)
}

fn hex_value(digit: u8) -> usize {
    usize::from(match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.to_ascii_lowercase() - b'a' + 10,
    })
}

/// Decodes a stream that arrives in pieces of any size, with memory for two packets at most.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Where the first byte not yet decoded stands in `buffer`.
    start: usize,
}

impl Decoder {
    /// The most bytes that wait inside: two packets.
    pub const CAPACITY: usize = 2 * MAX_PACKET;

    /// A decoder that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes as many of `bytes` as there is room for and gives their number; at least one, unless `bytes` is
    /// empty or a whole packet waits to be taken.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        if self.start > 0 && (self.start == self.buffer.len() || self.start >= MAX_PACKET) {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let room = Self::CAPACITY.saturating_sub(self.buffer.len() - self.start);
        let taken = &bytes[..bytes.len().min(room)];
        self.buffer.extend_from_slice(taken);
        taken.len()
    }

    /// The next packet, or `None` when it has not arrived as a whole. Not an iterator: the packet borrows
    /// from the decoder.
    ///
    /// # Errors
    /// [`PktLineError`]; the same again at the next call.
    pub fn packet(&mut self) -> Result<Option<Packet<'_>>, PktLineError> {
        match decode(&self.buffer[self.start..])? {
            Some((packet, length)) => {
                self.start += length;
                Ok(Some(packet))
            }
            None => Ok(None),
        }
    }

    /// Like [`packet`](Self::packet), for those who have to keep the packet while they change.
    pub(crate) fn span(&mut self) -> Result<Option<Span>, PktLineError> {
        let start = self.start;
        Ok(self.packet()?.map(|packet| match packet {
            Packet::Data(payload) => Span::Data(start + 4..start + 4 + payload.len()),
            Packet::Flush => Span::Flush,
            Packet::Delim => Span::Delim,
            Packet::ResponseEnd => Span::ResponseEnd,
        }))
    }

    /// The bytes of a [`Span`], which stay until the next call of [`feed`](Self::feed).
    pub(crate) fn slice(&self, range: &std::ops::Range<usize>) -> &[u8] {
        &self.buffer[range.clone()]
    }

    /// Goes back to where a packet began; only until the next call of [`feed`](Self::feed).
    pub(crate) fn rewind(&mut self, start: usize) {
        self.start = start.min(self.start);
    }

    /// Takes all of [`rest`](Self::rest).
    pub(crate) fn take_rest(&mut self) -> std::ops::Range<usize> {
        let start = std::mem::replace(&mut self.start, self.buffer.len());
        start..self.buffer.len()
    }

    /// The bytes that have arrived but were not decoded: the start of a packet, or what follows the last
    /// packet of a conversation (pack data, say).
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Drops the first `count` bytes of [`rest`](Self::rest), or all there are if there are fewer.
    pub fn skip(&mut self, count: usize) {
        self.start = (self.start + count).min(self.buffer.len());
    }

    /// Whether nothing waits: the stream may end here.
    pub fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }
}

/// Appends a packet with this payload.
///
/// # Errors
/// [`PktLineError::Length`] when it is longer than [`MAX_PAYLOAD`]; nothing is appended then.
pub fn write_data(out: &mut Vec<u8>, payload: &[u8]) -> Result<(), PktLineError> {
    write_parts(out, &[payload])
}

/// Appends a packet with this text and a line end.
///
/// # Errors
/// [`PktLineError::Length`] when it is too long; nothing is appended then.
pub fn write_text(out: &mut Vec<u8>, text: &[u8]) -> Result<(), PktLineError> {
    write_parts(out, &[text, b"\n"])
}

/// Appends one packet whose payload is these parts in a row.
///
/// # Errors
/// [`PktLineError::Length`] when they are too long together; nothing is appended then.
pub fn write_parts(out: &mut Vec<u8>, parts: &[&[u8]]) -> Result<(), PktLineError> {
    let length = 4 + parts.iter().map(|part| part.len()).sum::<usize>();
    if length > MAX_PACKET {
        return Err(PktLineError::Length { length });
    }
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(length);
    out.extend([12, 8, 4, 0].map(|shift| DIGITS[length >> shift & 15]));
    for part in parts {
        out.extend_from_slice(part);
    }
    Ok(())
}

/// Appends an `ERR` packet; a message that would not fit is cut.
pub fn write_error(out: &mut Vec<u8>, message: &[u8]) {
    let message = &message[..message.len().min(MAX_PAYLOAD - b"ERR \n".len())];
    write_parts(out, &[b"ERR ", message, b"\n"]).expect("the message was cut to fit");
}

/// Appends `0000`.
pub fn write_flush(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0000");
}

/// Appends `0001`.
pub fn write_delim(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0001");
}

/// Appends `0002`.
pub fn write_response_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0002");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_the_specification() {
        for (wire, payload) in
            [(&b"0006a\n"[..], &b"a\n"[..]), (b"0005a", b"a"), (b"000bfoobar\n", b"foobar\n"), (b"0004", b"")]
        {
            assert_eq!(decode(wire), Ok(Some((Packet::Data(payload), wire.len()))));
            let mut out = Vec::new();
            write_data(&mut out, payload).unwrap();
            assert_eq!(out, wire);
        }
        assert_eq!(decode(b"000Bfoobar\n").unwrap().unwrap().1, 11);
    }

    #[test]
    fn lengths_are_strict() {
        for bad in ["0003", "000g", "-001", "+005a", " 005a", "0x05", "fff1", "ffff", "z", "00 "] {
            assert!(decode(bad.as_bytes()).is_err(), "{bad}");
        }
        for short in ["", "0", "000", "0005", "fff0", "000bfooba"] {
            assert_eq!(decode(short.as_bytes()), Ok(None), "{short}");
        }
        let mut out = Vec::new();
        assert!(write_data(&mut out, &vec![0; MAX_PAYLOAD + 1]).is_err());
        assert!(out.is_empty());
        write_data(&mut out, &vec![0; MAX_PAYLOAD]).unwrap();
        assert_eq!(decode(&out).unwrap().unwrap().1, MAX_PACKET);
        out.clear();
        write_error(&mut out, &vec![b'x'; 1 << 20]);
        assert_eq!(out.len(), MAX_PACKET);
    }

    #[test]
    fn text_and_errors() {
        assert_eq!(Packet::Data(b"a\n").text().unwrap(), "a");
        assert_eq!(Packet::Data(b"a\n\n").text().unwrap(), "a\n");
        assert_eq!(Packet::Data(b"ERR no\n").error().unwrap(), "no");
        assert_eq!(Packet::Data(b"ERROR").error(), None);
        assert_eq!(Packet::Flush.text(), None);
    }

    proptest::proptest! {
        #[test]
        fn a_stream_in_pieces(payloads in proptest::collection::vec(proptest::option::of(
            proptest::collection::vec(proptest::prelude::any::<u8>(), 0..3000)), 0..60), piece in 1usize..5000)
        {
            let mut wire = Vec::new();
            for payload in &payloads {
                match payload {
                    Some(payload) => write_data(&mut wire, payload).unwrap(),
                    None => write_flush(&mut wire),
                }
            }
            let (mut decoder, mut got) = (Decoder::new(), Vec::new());
            for mut piece in wire.chunks(piece) {
                while !piece.is_empty() {
                    let taken = decoder.feed(piece);
                    piece = &piece[taken..];
                    while let Some(packet) = decoder.packet().unwrap() {
                        got.push(match packet { Packet::Data(p) => Some(p.to_vec()), _ => None });
                    }
                    assert!(decoder.buffer.len() <= Decoder::CAPACITY + MAX_PACKET);
                }
            }
            assert!(decoder.is_empty());
            assert_eq!(got, payloads);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let mut decoder = Decoder::new();
            decoder.feed(&bytes);
            while let Ok(Some(_)) = decoder.packet() {}
        }
    }
}
