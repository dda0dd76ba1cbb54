//! A whole upload session in every version and mode: no input panics, hangs, or is answered out of turn, and how
//! it is cut makes no difference to what is said.
#![no_main]

use git_core_object::{ObjectFormat, ObjectId};
use git_core_protocol::server::{
    Answer, Conversation, Haves, Mode, Outcome, Output, Question, Refs, UploadPack, UploadPackOptions, Wants,
};
use git_core_protocol::{ProtocolVersion, ShallowUpdate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, input)) = bytes.split_first() else { return };
    let version = [ProtocolVersion::V0, ProtocolVersion::V1, ProtocolVersion::V2][usize::from(first & 3) % 3];
    let mode = if first & 4 == 0 { Mode::Stateful } else { Mode::StatelessRpc };
    let format = if first & 8 == 0 { ObjectFormat::Sha1 } else { ObjectFormat::Sha256 };
    let whole = session(version, mode, format, input, input.len().max(1));
    let pieces = session(version, mode, format, input, 3);
    assert_eq!(whole, pieces);
});

fn session(
    version: ProtocolVersion,
    mode: Mode,
    format: ObjectFormat,
    input: &[u8],
    piece: usize,
) -> (Vec<u8>, Outcome) {
    let mut options = UploadPackOptions::default();
    options.object_format = format;
    (options.limits.wants, options.limits.haves, options.limits.shallow) = (100, 2000, 100);
    options.filter = format == ObjectFormat::Sha256;
    options.shallow = [ObjectId::empty_tree(format)]
        .into_iter()
        .filter(|_| version == ProtocolVersion::V1)
        .collect::<Vec<_>>()
        .into();
    let mut machine = UploadPack::new(version, mode, options);
    let (mut said, mut fed) = (Vec::new(), 0);
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
            Output::Ask(question) => machine.answer(answer(question)),
            Output::SendPack(request) => {
                assert!(request.wants.len() <= 100 && request.haves.len() <= 2000);
                assert!(request.client_shallow.len() <= 100);
                machine.progress(b"progress\r");
                machine.pack_bytes(b"PACK");
                machine.pack_end();
            }
            Output::Done(outcome) => return (said, outcome),
            other => panic!("{other:?}"),
        }
    }
}

/// Objects whose ids end in an even byte are here.
fn answer(question: Question) -> Answer {
    let known = |id: &ObjectId| id.as_bytes().last().is_some_and(|byte| byte % 2 == 0);
    match question {
        Question::Refs(_) => Answer::Refs(Refs::default()),
        Question::Wants(query) => Answer::Wants(
            query.wants.iter().find(|id| !known(id)).map_or(Wants::Accepted, |id| Wants::NotOurRef(*id)),
        ),
        Question::Haves(query) => {
            let common: Vec<bool> = query.haves.iter().map(known).collect();
            let ready = query.common.len() + common.iter().filter(|common| **common).count() > 2;
            Answer::Haves(Haves { common, ready })
        }
        Question::Shallow(query) => {
            let (unshallow, shallow) = query.client.into_iter().partition(known);
            Answer::Shallow(ShallowUpdate { shallow, unshallow })
        }
        other => panic!("{other:?}"),
    }
}
