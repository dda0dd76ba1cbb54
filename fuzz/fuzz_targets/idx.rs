//! Pack indexes and reverse indexes of either format: opened or refused; then no access panics.
#![no_main]

use git_core_idx::{IdxFile, IdxPosition, RevFile, ReverseIndex};
use git_core_object::{IdPrefix, ObjectFormat};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        for count in [0, 1, 3] {
            if let Ok(rev) = RevFile::open(data, format, count) {
                let _ = rev.verify();
            }
        }
        let Ok(idx) = IdxFile::open(data, format) else { continue };
        for row in (0..idx.count()).map(IdxPosition) {
            let id = idx.id_at(row);
            let _ = (idx.offset_at(row), idx.crc_at(row), idx.lookup(&id));
            let prefix = IdPrefix::from_hex(format, &id.to_hex().as_bytes()[..3]).expect("three digits");
            let _ = idx.lookup_prefix(&prefix);
        }
        let _ = idx.verify();
        if let Ok(reverse) = ReverseIndex::build(&idx) {
            for rank in 0..reverse.count() {
                let _ = reverse.entry_range(&idx, rank, 1 << 30);
            }
        }
    }
});
