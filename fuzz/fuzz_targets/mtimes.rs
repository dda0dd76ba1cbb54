//! Times of cruft packs: opened for any number of rows or refused, and then all readable.
#![no_main]

use git_core_idx::{IdxPosition, MtimesFile};
use git_core_object::ObjectFormat;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, u8)| {
    let (bytes, count) = input;
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        let Ok(file) = MtimesFile::open(&bytes[..], format, count.into()) else { continue };
        let _ = file.verify();
        for row in 0..file.count() {
            let _ = file.mtime(IdxPosition(row));
        }
    }
});
