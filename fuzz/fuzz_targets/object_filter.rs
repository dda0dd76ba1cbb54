//! Object filters: read or refused, and what is read is written in a way that reads the same.
#![no_main]

use git_core_store::filter::FilterSpec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Ok(spec) = FilterSpec::parse(text) {
        assert_eq!(FilterSpec::parse(&spec.to_bytes()), Ok(spec));
    }
});
