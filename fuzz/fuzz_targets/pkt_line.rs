//! pkt-lines and side bands: no bytes panic, and what is decoded encodes to the same packets.
#![no_main]

use git_core_protocol::pkt_line::{Decoder, Packet, decode, write_data};
use git_core_protocol::sideband::Band;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut whole = Vec::new();
    let mut rest = bytes;
    while let Ok(Some((packet, length))) = decode(rest) {
        if let Packet::Data(payload) = packet {
            let mut out = Vec::new();
            write_data(&mut out, payload).expect("what fitted a packet fits one again");
            assert!(out.eq_ignore_ascii_case(&rest[..length]) || out[4..] == rest[4..length]);
            let _ = (Band::demux(payload), packet.error());
            whole.push(payload.to_vec());
        }
        rest = &rest[length..];
    }
    // In small pieces the same comes out.
    let (mut decoder, mut pieces) = (Decoder::new(), Vec::new());
    'all: for mut piece in bytes.chunks(3) {
        while !piece.is_empty() {
            piece = &piece[decoder.feed(piece)..];
            loop {
                match decoder.packet() {
                    Ok(Some(Packet::Data(payload))) => pieces.push(payload.to_vec()),
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => break 'all,
                }
            }
        }
    }
    assert_eq!(whole, pieces);
});
