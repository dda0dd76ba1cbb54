//! A whole receive session: no input panics or hangs, a command that is carried out has a sound name, and not a
//! byte of the pack is consumed.
#![no_main]

use git_core_object::ObjectFormat;
use git_core_protocol::ProtocolVersion;
use git_core_protocol::server::{
    Answer, Conversation, Mode, Outcome, Output, ReceivePack, ReceivePackOptions, Refs, UpdateReport,
};
use git_core_ref::RefName;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, input)) = bytes.split_first() else { return };
    let mode = if first & 1 == 0 { Mode::Stateful } else { Mode::StatelessRpc };
    let format = if first & 2 == 0 { ObjectFormat::Sha1 } else { ObjectFormat::Sha256 };
    let fails = first & 4 != 0;
    let whole = session(mode, format, fails, input, input.len().max(1));
    let pieces = session(mode, format, fails, input, 3);
    assert_eq!(whole, pieces);
});

/// What was said, how it ended, and how much was consumed before the pack.
fn session(
    mode: Mode,
    format: ObjectFormat,
    fails: bool,
    input: &[u8],
    piece: usize,
) -> (Vec<u8>, Outcome, Option<usize>) {
    let mut options = ReceivePackOptions::default();
    (options.object_format, options.push_options, options.limits.commands) = (format, true, 100);
    let mut machine = ReceivePack::new(ProtocolVersion::V0, mode, options);
    let (mut said, mut fed, mut pack) = (Vec::new(), 0, None);
    loop {
        match machine.poll() {
            Output::Send(bytes) => said.extend_from_slice(&bytes),
            Output::Read if fed == input.len() => machine.feed_end(),
            Output::Read => {
                let end = input.len().min(fed + piece);
                let taken = machine.feed(&input[fed..end]);
                assert!(taken <= end - fed);
                fed += taken;
            }
            Output::Ask(_) => machine.answer(Answer::Refs(Refs::default())),
            Output::ReceivePack => {
                pack = Some(fed);
                assert_eq!(&input[fed - 4..fed], b"0000");
                match fails {
                    true => machine.pack_failed("no\nok refs/heads/x"),
                    false => machine.pack_received(),
                }
            }
            Output::Update(request) => {
                assert!(request.commands.len() <= 100);
                for command in &request.commands {
                    RefName::new(command.name.as_bytes()).expect("a sound name");
                }
                machine.updated(UpdateReport::ok(request.commands.len()));
            }
            Output::Done(outcome) => return (said, outcome, pack),
            other => panic!("{other:?}"),
        }
    }
}
