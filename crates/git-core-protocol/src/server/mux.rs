//! What a machine has to say, collected until the driver takes it: packets, and a pack with or without bands.

use crate::pkt_line;
use crate::sideband::{self, Band, PacketSize};

/// Lists are written in steps of about this many bytes.
pub(super) const STEP: usize = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct Out {
    buffer: Vec<u8>,
    spare: Vec<u8>,
    /// How large the packets of the open side-band may be; none when there is no side-band.
    band: Option<PacketSize>,
    /// Whether lines, too, go on side-band 1.
    all_bands: bool,
}

impl Out {
    /// What is to be sent, if anything.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        (!self.buffer.is_empty())
            .then(|| std::mem::replace(&mut self.buffer, std::mem::take(&mut self.spare)))
    }

    /// Keeps an emptied buffer for later.
    pub(super) fn reuse(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        if buffer.capacity() > self.spare.capacity() && buffer.capacity() <= 4 << 20 {
            self.spare = buffer;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// A packet of these parts and a line end. What is too long for a packet is cut, which only names and
    /// messages that a client could not have sent either come near.
    pub(super) fn line(&mut self, parts: &[&[u8]]) {
        match self.all_bands {
            true => write_line(&mut self.buffer, &[&[&b"\x01"[..]], parts].concat()),
            false => write_line(&mut self.buffer, parts),
        }
    }

    /// Whether lines, too, go on side-band 1.
    pub(super) fn set_all_bands(&mut self, all: bool) {
        self.all_bands = all;
    }

    /// A packet of these few bytes, without a line end.
    pub(super) fn bare_line(&mut self, parts: &[&[u8]]) {
        let band: &[u8] = if self.all_bands { b"\x01" } else { b"" };
        pkt_line::write_data(&mut self.buffer, &[band, &parts.concat()].concat())
            .expect("a word and an id fit into a packet");
    }

    pub(super) fn flush(&mut self) {
        pkt_line::write_flush(&mut self.buffer);
    }

    pub(super) fn delim(&mut self) {
        pkt_line::write_delim(&mut self.buffer);
    }

    /// `ERR message`, or the message on band 3 when a side-band is open.
    pub(super) fn error(&mut self, message: &str) {
        match self.band.or(self.all_bands.then_some(PacketSize::Large)) {
            Some(size) => {
                sideband::write(&mut self.buffer, size, Band::Error(format!("{message}\n").as_bytes()));
            }
            None => pkt_line::write_error(&mut self.buffer, message.as_bytes()),
        }
    }

    pub(super) fn open_band(&mut self, size: Option<PacketSize>) {
        self.band = size;
    }

    pub(super) fn has_band(&self) -> bool {
        self.band.is_some()
    }

    /// Content: on band 1, or as it is when there is no side-band.
    pub(super) fn content(&mut self, bytes: &[u8]) {
        match self.band {
            Some(size) => {
                self.buffer.reserve(bytes.len() + 5 * (bytes.len() / size.content() + 1));
                sideband::write(&mut self.buffer, size, Band::Data(bytes));
            }
            None => self.buffer.extend_from_slice(bytes),
        }
    }

    /// Text for the person at the other end, dropped when there is no side-band.
    pub(super) fn progress(&mut self, text: &[u8]) {
        if let Some(size) = self.band {
            sideband::write(&mut self.buffer, size, Band::Progress(text));
        }
    }

    pub(super) fn keep_alive(&mut self) {
        if self.band.is_some() {
            sideband::write_keep_alive(&mut self.buffer);
        }
    }

    /// The flush packet that ends a side-band.
    pub(super) fn close_band(&mut self) {
        if self.band.take().is_some() {
            self.flush();
        }
    }
}

/// Appends a packet of these parts and a line end, cut to what a packet holds.
pub(super) fn write_line(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    if length < pkt_line::MAX_PAYLOAD {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        parts.iter().for_each(|part| out.extend_from_slice(part));
        out.push(b'\n');
        let length = out.len() - start;
        for (at, shift) in (start..).zip([12, 8, 4, 0]) {
            out[at] = b"0123456789abcdef"[length >> shift & 15];
        }
    } else {
        let mut line = parts.concat();
        line.truncate(pkt_line::MAX_PAYLOAD);
        pkt_line::write_data(out, &line).expect("the line was cut to fit");
    }
}
