//! Packets out of input that arrives in pieces of any size, without consuming a byte beyond the packet asked for.
//!
//! That exactness is what a buffering decoder cannot give: after the commands of a push the very next
//! byte belongs to a pack, and must be left to whoever reads that.

use super::ServerError;
use crate::pkt_line::{self, Packet};

/// The start of a packet, kept until the rest of it arrives.
#[derive(Debug, Default)]
pub(super) struct Input {
    partial: Vec<u8>,
    /// Whether `partial` holds a packet that was handed out already.
    used: bool,
    /// Bytes consumed since the last [`restart`](Self::restart).
    request: u64,
    /// Bytes consumed in all.
    total: u64,
}

impl Input {
    /// Takes the next packet from the front of `input`, or as much of it as there is: the number of bytes taken,
    /// and the packet when it is whole.
    pub(super) fn packet<'a>(
        &'a mut self,
        input: &'a [u8],
    ) -> Result<(usize, Option<Packet<'a>>), ServerError> {
        if self.used {
            self.partial.clear();
            self.used = false;
        }
        if self.partial.is_empty() {
            return match decode(input)? {
                Some((packet, length)) => {
                    self.count(length);
                    Ok((length, Some(packet)))
                }
                None => Ok((self.keep(input, input.len()), None)),
            };
        }
        let mut taken = self.keep(input, 4usize.saturating_sub(self.partial.len()));
        if decode(&self.partial)?.is_none()
            && let Some(digits) = self.partial.get(..4)
        {
            let digits = std::str::from_utf8(digits).unwrap_or_default();
            let length = usize::from_str_radix(digits, 16).unwrap_or_default();
            taken += self.keep(&input[taken..], length.saturating_sub(self.partial.len()));
        }
        let packet = decode(&self.partial)?.map(|(packet, _)| packet);
        self.used = packet.is_some();
        Ok((taken, packet))
    }

    /// Whether the input may end here: not in the middle of a packet.
    pub(super) fn is_between_packets(&self) -> bool {
        self.used || self.partial.is_empty()
    }

    /// Bytes of the current request.
    pub(super) fn request_bytes(&self) -> u64 {
        self.request
    }

    /// Bytes of all requests.
    pub(super) fn total_bytes(&self) -> u64 {
        self.total
    }

    /// The next request begins.
    pub(super) fn restart(&mut self) {
        self.request = 0;
    }

    fn keep(&mut self, input: &[u8], wanted: usize) -> usize {
        let now = &input[..wanted.min(input.len())];
        self.partial.extend_from_slice(now);
        self.count(now.len());
        now.len()
    }

    fn count(&mut self, bytes: usize) {
        self.request += bytes as u64;
        self.total += bytes as u64;
    }
}

/// Judges a length only once all of its digits are there, so that an error reads the same however input is cut.
fn decode(input: &[u8]) -> Result<Option<(Packet<'_>, usize)>, ServerError> {
    if input.len() < 4 {
        return Ok(None);
    }
    pkt_line::decode(input).map_err(|error| ServerError::Packet(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_beyond_a_packet_is_consumed() {
        let wire = b"0009hello0000PACK and more";
        for cut in 0..=13 {
            let mut input = Input::default();
            let mut seen = Vec::new();
            let mut left = Vec::new();
            for mut rest in [&wire[..cut], &wire[cut..]] {
                while seen.len() < 2 {
                    let (taken, packet) = input.packet(rest).unwrap();
                    rest = &rest[taken..];
                    match packet {
                        Some(packet) => seen.push(format!("{packet:?}")),
                        None => break,
                    }
                }
                left.extend_from_slice(rest);
            }
            assert_eq!(seen.len(), 2, "cut at {cut}");
            assert_eq!(left, b"PACK and more", "cut at {cut}");
            assert!(input.is_between_packets());
            assert_eq!(input.request_bytes(), 13);
        }
    }

    #[test]
    fn a_byte_at_a_time() {
        let mut input = Input::default();
        let mut seen = Vec::new();
        for byte in b"0006a\n00010004" {
            if let (1, Some(packet)) = input.packet(&[*byte]).unwrap() {
                seen.push(format!("{:?}", packet.text()));
            }
        }
        assert_eq!(seen, ["Some(\"a\")", "None", "Some(\"\")"]);
    }

    #[test]
    fn what_is_no_packet_is_an_error_at_once() {
        for wire in ["xxxx", "00-1", "0003", "fff1", "ffff"] {
            assert!(Input::default().packet(wire.as_bytes()).is_err(), "{wire}");
        }
        let mut input = Input::default();
        assert_eq!(input.packet(b"00"), Ok((2, None)));
        assert!(input.packet(b"0zrest").is_err());
    }
}
