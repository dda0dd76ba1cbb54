//! packed-refs files, loose refs and reflogs: no bytes panic, and a sorted file finds what it lists.
#![no_main]

use git_core_object::ObjectFormat;
use git_core_ref::{PackedRefs, Target, reflog};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        let _ = (Target::parse_loose(format, bytes), reflog::lines(format, bytes).count());
        let Ok(packed) = PackedRefs::parse(format, bytes) else { continue };
        let entries = packed.iter().take(200).map_while(Result::ok).collect::<Vec<_>>();
        let _ = packed.with_prefix(b"refs/heads/").map(|found| found.count());
        let sorted = entries.windows(2).all(|pair| pair[0].name < pair[1].name);
        let whole = packed.iter().count() == entries.len();
        for entry in &entries {
            let found = packed.find(entry.name);
            if packed.is_sorted() && sorted && whole {
                assert_eq!(found, Ok(Some(*entry)));
            }
        }
    }
});
