//! Deltas: applied within the bound or refused; the walk over the instructions agrees with applying them.
#![no_main]

use git_core_pack::delta::{DeltaHeader, Instruction, Instructions, apply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (base, delta) = input;
    let mut out = Vec::new();
    if apply(&base, &delta, 1 << 16, &mut out).is_err() {
        return;
    }
    assert!(out.len() <= 1 << 16);
    let (header, used) = DeltaHeader::parse(&delta).expect("it was applied");
    assert_eq!(header.result_size, out.len() as u64);
    let mut again = Vec::new();
    for instruction in Instructions::new(&delta, used) {
        match instruction.expect("it was applied") {
            Instruction::Copy(range) => {
                again.extend_from_slice(&base[range.start as usize..range.end as usize])
            }
            Instruction::Insert(bytes) => again.extend_from_slice(bytes),
        }
    }
    assert_eq!(again, out);
});
