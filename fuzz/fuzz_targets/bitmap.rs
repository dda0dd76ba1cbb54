//! Bitmap files of either format: opened or refused; then every map is expanded or refused.
#![no_main]

use git_core_idx::Digest;
use git_core_idx::bitmap::{BitmapFile, Expander, ObjectType};
use git_core_idx::ewah::Ewah;
use git_core_object::ObjectFormat;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(map) = Ewah::parse(data) {
        let _ = map.to_words(1 << 12);
    }
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        // The checksum is taken from the file: what belongs to another pack would be refused at once.
        let Some(checksum) = data.get(12..12 + format.raw_len()) else { continue };
        let checksum = Digest::from_bytes(format, checksum).expect("as many bytes as the format has");
        for objects in [0, 1, 70, 1000] {
            let Ok(file) = BitmapFile::open(data, objects, &checksum) else { continue };
            let _ = file.verify_checksum();
            for kind in ObjectType::ALL {
                let _ = file.of_type(kind).map(|map| map.to_words(objects));
            }
            let mut expander = Expander::new(&file);
            for entry in 0..file.entries().len() as u32 {
                let _ = expander.words(entry);
                let _ = file.entry_of(file.entries()[entry as usize].position);
            }
            for merge in file.pseudo_merges().unwrap_or_default() {
                let _ = (merge.commits.to_words(objects), merge.objects.to_words(objects));
            }
            let _ = file.name_hash(objects.saturating_sub(1));
        }
    }
});
