//! A damaged pack: read entry by entry to its end, within the memory that its content takes.
#![no_main]

use git_core_object::ObjectFormat;
use git_core_pack::Salvage;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, u32, Vec<u8>)| {
    let (sha256, objects, pack) = input;
    let format = if sha256 { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
    let mut salvage = Salvage::behind_header(&pack[..], format, u64::MAX, objects);
    for _ in 0..objects {
        let Ok(entry) = salvage.entry() else { return };
        if let (Ok(header), Ok(content)) = (entry.header, entry.content) {
            assert_eq!(header.size, content.len() as u64);
        }
    }
    let _ = salvage.finish();
});
