//! A push certificate: no bytes panic, and its parts are all of it.
#![no_main]

use git_core_protocol::certificate::SignedCertificate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(found) = SignedCertificate::parse(bytes) else { return };
    assert_eq!([found.signed(), found.signature()].concat(), bytes);
    assert!(found.headers("push-option").all(|value| !value.contains(&b'\n')));
    let _ = found.nonce();
});
