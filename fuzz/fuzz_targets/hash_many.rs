//! Many messages at once, with every back end, give what one at a time gives.
#![no_main]

use git_core_hash::{Backend, Hasher, ManyHasher, Message, ObjectFormat};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: Vec<(Vec<u8>, Vec<u8>)>| {
    let messages: Vec<_> = input.iter().map(|(head, body)| Message { head, body }).collect();
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        for mut hasher in Backend::ALL.into_iter().filter_map(|backend| ManyHasher::with(format, backend)) {
            let mut given = 0;
            hasher.hash(&messages, &mut |index, result| {
                let mut one = Hasher::new(format);
                one.update(messages[index].head);
                one.update(messages[index].body);
                assert_eq!(result, one.finish());
                given += 1;
            });
            assert_eq!(given, messages.len());
        }
    }
});
