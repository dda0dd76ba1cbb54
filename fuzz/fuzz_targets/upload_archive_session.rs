//! A client of `upload-archive`: no input panics or hangs, it is understood alike however it is cut, and its arguments
//! are read without harm.
#![no_main]

use git_core::archive::ArchiveArguments;
use git_core_protocol::server::{Conversation, Outcome, Output, UploadArchive};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = session(bytes, bytes.len().max(1));
    assert_eq!(whole, session(bytes, 3));
    let (arguments, ..) = whole;
    if let Ok(read) = ArchiveArguments::parse(&arguments) {
        assert!(read.operands.len() <= arguments.len());
    }
});

fn session(input: &[u8], piece: usize) -> (Vec<Vec<u8>>, Vec<u8>, Outcome) {
    let mut machine = UploadArchive::new();
    let (mut arguments, mut said, mut fed) = (Vec::new(), Vec::new(), 0);
    loop {
        match machine.poll() {
            Output::Send(bytes) => said.extend_from_slice(&bytes),
            Output::Read if fed == input.len() => machine.feed_end(),
            Output::Read => {
                let end = input.len().min(fed + piece);
                fed += machine.feed(&input[fed..end]);
            }
            Output::SendArchive(request) => {
                assert!(request.arguments.len() < 64);
                arguments = request.arguments.into_iter().map(Vec::from).collect();
                machine.pack_end();
            }
            Output::Done(outcome) => return (arguments, said, outcome),
            other => panic!("{other:?}"),
        }
    }
}
