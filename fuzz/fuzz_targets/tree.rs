//! Content of trees: what is sound comes back byte by byte, and its names may be judged for a working tree.
#![no_main]

use git_core_object::check::{CheckOptions, check, special_files};
use git_core_object::path::{PathRules, check_component};
use git_core_object::{Kind, ObjectFormat, TreeRef};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let rules = PathRules { windows: true, ..PathRules::default() };
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        let findings = check(format, Kind::Tree, content, &CheckOptions::strict());
        special_files(format, content);
        let tree = TreeRef::new(format, content);
        for entry in tree.iter().map_while(Result::ok) {
            let _ = check_component(entry.name, entry.mode.kind(), &rules);
        }
        if findings.is_empty() {
            let owned = tree.to_owned().expect("a sound tree can be built");
            assert_eq!(owned.to_bytes(), content);
        }
    }
});
