//! Deltas that are made apply and give back what they were made from, within the bound that was asked for.
#![no_main]

use git_core_pack::delta::{DeltaIndex, apply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, Vec<u8>, u8, u16)| {
    let (base, more, times, max) = input;
    let index = DeltaIndex::new(&base);
    let mut result = base.repeat(usize::from(times % 4));
    result.extend_from_slice(&more);
    let (mut delta, mut back) = (Vec::new(), Vec::new());
    assert!(index.delta(&base, &result, usize::MAX, &mut delta));
    assert_eq!(apply(&base, &delta, u64::MAX, &mut back), Ok(()));
    assert_eq!(back, result);
    let (whole, max) = (delta.clone(), usize::from(max));
    assert_eq!(index.delta(&base, &result, max, &mut delta), whole.len() <= max);
    if whole.len() <= max {
        assert_eq!(delta, whole);
    }
});
