//! Compressed bytes of loose objects: memory stays bounded, and pieces give what the whole gives.
#![no_main]

use git_core_object::loose::{LooseDecoder, decode, decode_header};
use libfuzzer_sys::fuzz_target;

const LIMIT: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let mut whole = Vec::new();
    let header = decode(bytes, LIMIT, &mut whole);
    assert!(whole.capacity() as u64 <= 4 * LIMIT);
    let Ok(header) = header else { return };
    assert_eq!(decode_header(bytes).expect("it has one"), header);

    let (mut decoder, mut pieces, mut at) = (LooseDecoder::new(), Vec::new(), 0);
    loop {
        let mut out = [0; 7];
        let step =
            decoder.inflate(&bytes[at..bytes.len().min(at + 3)], &mut out).expect("it was sound before");
        pieces.extend_from_slice(&out[..step.written]);
        at += step.consumed;
        if step.done {
            break;
        }
        assert!(step.consumed + step.written > 0, "it does not stand still");
    }
    assert_eq!(pieces, whole);
});
