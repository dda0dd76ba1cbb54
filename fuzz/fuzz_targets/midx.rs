//! Multi-pack indexes of either format, and lists of the files of a chain: opened or refused; then no access
//! panics.
#![no_main]

use git_core_idx::midx::{MidxFile, MidxPosition, PackNumber, parse_chain};
use git_core_object::{IdPrefix, ObjectFormat};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        let _ = parse_chain(data, format);
        let Ok(midx) = MidxFile::open(data, format) else { continue };
        for position in (0..midx.count()).map(MidxPosition) {
            let id = midx.id_at(position);
            let _ = (midx.location_at(position), midx.lookup(&id));
            let _ = (midx.position(position.0), midx.rank_of(position));
            let prefix = IdPrefix::from_hex(format, &id.to_hex().as_bytes()[..3]).expect("three digits");
            let _ = midx.lookup_prefix(&prefix);
        }
        for pack in (0..midx.pack_count()).map(PackNumber) {
            let _ = (midx.pack_name(pack), midx.bitmapped_pack(pack));
        }
        let _ = (midx.preferred_pack(), midx.verify());
    }
});
