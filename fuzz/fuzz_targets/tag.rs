//! Content of tags: what parses is written again byte by byte.
#![no_main]

use git_core_object::check::{CheckOptions, check};
use git_core_object::{Kind, ObjectFormat, TagRef};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        check(format, Kind::Tag, content, &CheckOptions::strict());
        if let Ok(tag) = TagRef::parse(format, content) {
            assert_eq!(tag.body().len() + tag.signature().map_or(0, |s| s.len()), tag.message().len());
            let _ = tag.tagger().map(|tagger| tagger.to_owned());
            assert_eq!(tag.to_owned().to_bytes(), content);
        }
    }
});
