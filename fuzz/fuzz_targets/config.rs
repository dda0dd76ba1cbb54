//! Configuration and its relatives: what parses is written again byte by byte, and edits can be read back.
#![no_main]

use git_core_config::{Document, Key, SectionName, WildOptions, attributes, ignore, params, wildmatch};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Ok(document) = Document::parse(text) {
        assert_eq!(document.to_bytes(), text);
        for entry in document.entries() {
            let _ = (entry.value().to_bool(), entry.value().to_bool_or_int(), entry.value().to_path(None));
        }
        let key = Key::parse("core.bare").expect("sound");
        let mut edited = document.clone();
        edited.replace_all(&key, text.split(|b| *b == 0).next().unwrap_or_default()).expect("no NUL");
        let again = Document::parse(&edited.to_bytes()).expect("what is written can be read");
        assert_eq!(again.get_all(&key).count(), 1);
        edited.unset_all(&key).expect("it is there");
        let again = Document::parse(&edited.to_bytes()).expect("what is written can be read");
        assert!(again.get(&key).is_none());
        let name = SectionName::parse("core").expect("sound");
        let _ = edited.rename_section(&name, &SectionName::parse("x.y").expect("sound"));
        Document::parse(&edited.to_bytes()).expect("what is written can be read");
    }
    if let Ok(list) = params::parse(text) {
        assert_eq!(params::parse(params::format(&list)).expect("what is written can be read"), list);
    }
    attributes::parse(text, WildOptions::default());
    ignore::parse(text, ignore::IgnoreOptions::default());
    let (pattern, subject) = text.split_at(text.len() / 2);
    wildmatch(pattern, subject, WildOptions { pathname: true, ignore_case: true });
});
