//! Entry headers: read or refused; what is read is written again and read as the same.
#![no_main]

use git_core_object::ObjectFormat;
use git_core_pack::EntryHeader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        if let Ok((header, used)) = EntryHeader::parse(format, data) {
            assert!(used <= data.len());
            let mut bytes = Vec::new();
            header.write(&mut bytes);
            assert!(bytes.len() <= used);
            assert_eq!(EntryHeader::parse(format, &bytes), Ok((header, bytes.len())));
        }
    }
});
