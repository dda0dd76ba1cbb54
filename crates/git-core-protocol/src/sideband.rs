//! The side bands that pack data, progress and a fatal message share one stream by (`gitprotocol-pack(5)`).
//!
//! Packets are framed by [`pkt_line`]; masking what a terminal would act on is left to
//! whoever shows the text.

use crate::error::SidebandError;
use crate::pkt_line::{self, MAX_PACKET};

/// What one packet of a multiplexed stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Band<'a> {
    /// Band 1: pack data, or the report of a push.
    Data(&'a [u8]),
    /// Band 2: text for the person waiting, in pieces that need not be whole lines.
    Progress(&'a [u8]),
    /// Band 3: the other side failed, and this is why.
    Error(&'a [u8]),
}

impl<'a> Band<'a> {
    /// Reads the payload of a packet.
    ///
    /// # Errors
    /// [`SidebandError`] for an empty payload or an unknown band.
    pub fn demux(payload: &'a [u8]) -> Result<Self, SidebandError> {
        match payload.split_first() {
            Some((1, data)) => Ok(Band::Data(data)),
            Some((2, text)) => Ok(Band::Progress(text)),
            Some((3, text)) => Ok(Band::Error(text)),
            Some((band, _)) => Err(SidebandError::Band(*band)),
            None => Err(SidebandError::Empty),
        }
    }

    /// The number of the band: 1, 2 or 3.
    pub const fn number(&self) -> u8 {
        match self {
            Band::Data(_) => 1,
            Band::Progress(_) => 2,
            Band::Error(_) => 3,
        }
    }

    /// What it carries.
    pub const fn bytes(&self) -> &'a [u8] {
        match self {
            Band::Data(bytes) | Band::Progress(bytes) | Band::Error(bytes) => bytes,
        }
    }
}

/// How long the packets of a multiplexed stream may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PacketSize {
    /// `side-band`: 1,000 bytes.
    Small,
    /// `side-band-64k`, and always in version 2: 65,520 bytes.
    #[default]
    Large,
}

impl PacketSize {
    /// The most bytes of content that one packet carries.
    pub const fn content(self) -> usize {
        match self {
            PacketSize::Small => 1000 - 5,
            PacketSize::Large => MAX_PACKET - 5,
        }
    }
}

/// Appends `band` in as many packets as it takes; none for no bytes.
pub fn write(out: &mut Vec<u8>, size: PacketSize, band: Band<'_>) {
    let number = band.number();
    for piece in band.bytes().chunks(size.content()) {
        pkt_line::write_parts(out, &[&[number], piece]).expect("a piece fits a packet");
    }
}

/// Appends the empty packet on band 2 that keeps an idle connection open (`0005\2`).
pub fn write_keep_alive(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0005\x02");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pkt_line::{Decoder, Packet};

    #[test]
    fn bands() {
        assert_eq!(Band::demux(b"\x01PACK"), Ok(Band::Data(b"PACK")));
        assert_eq!(Band::demux(b"\x02"), Ok(Band::Progress(b"")));
        assert_eq!(Band::demux(b"\x03no"), Ok(Band::Error(b"no")));
        assert_eq!(Band::demux(b""), Err(SidebandError::Empty));
        assert_eq!(Band::demux(b"\x04"), Err(SidebandError::Band(4)));
        assert_eq!(Band::demux(b"PACK"), Err(SidebandError::Band(b'P')));
    }

    proptest::proptest! {
        #[test]
        fn round_trip(data in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200_000), small: bool) {
            let size = if small { PacketSize::Small } else { PacketSize::Large };
            let mut wire = Vec::new();
            write(&mut wire, size, Band::Data(&data));
            let (mut decoder, mut got, mut fed) = (Decoder::new(), Vec::new(), 0);
            loop {
                fed += decoder.feed(&wire[fed..]);
                match decoder.packet().unwrap() {
                    Some(Packet::Data(payload)) => {
                        assert!(payload.len() < if small { 997 } else { 65_517 });
                        got.extend_from_slice(Band::demux(payload).unwrap().bytes());
                    }
                    Some(_) => unreachable!(),
                    None => break,
                }
            }
            assert_eq!(got, data);
        }
    }
}
