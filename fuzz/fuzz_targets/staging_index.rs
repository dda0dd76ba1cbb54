//! The staging index, versions 2 to 4, both hash sizes: no input may panic or take memory beyond its bound, and
//! what was read is written and read again unchanged.
#![no_main]

use git_core_object::ObjectFormat;
use git_core_worktree::Index;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        // A checksum of zeros is not looked at: index.skipHash.
        let bytes = [data, &vec![0; format.raw_len()]].concat();
        let Ok(index) = Index::parse(format, &bytes) else { continue };
        let mut written = Vec::new();
        index.encode(&mut written);
        assert_eq!(Index::parse(format, &written).expect("what we write can be read"), index);
    }
});
