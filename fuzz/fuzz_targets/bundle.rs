//! The head of a bundle: no bytes panic, the cut does not matter, and what was read is written so that it reads the same.
#![no_main]

use git_core_protocol::bundle::BundleReader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut whole = BundleReader::with_limit(1 << 16);
    let taken = whole.feed(bytes);
    let mut piecewise = BundleReader::with_limit(1 << 16);
    let one_by_one = bytes.iter().try_fold(0, |sum, byte| Ok(sum + piecewise.feed(&[*byte])?));
    assert_eq!(taken, one_by_one);
    assert_eq!(whole.is_complete(), piecewise.is_complete());
    let Some(head) = whole.finish() else { return };
    assert_eq!(piecewise.finish().as_ref(), Some(&head));
    let mut written = Vec::new();
    head.encode(&mut written);
    let mut again = BundleReader::default();
    assert_eq!(again.feed(&written), Ok(written.len()));
    assert_eq!(again.finish(), Some(head));
});
