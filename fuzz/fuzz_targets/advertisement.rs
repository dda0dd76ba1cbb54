//! A server's greeting, its answers to every client machine, and addresses: no bytes panic.
#![no_main]

use git_core_object::ObjectId;
use git_core_protocol::Service;
use git_core_protocol::client::{
    Action, ClientLimits, Command, Connection, Fetch, FetchOptions, Handshake, LsRefs, LsRefsOptions,
    Machine, Push, PushOptions,
};
use git_core_ref::RefName;
use libfuzzer_sys::fuzz_target;

/// Feeds the machine all bytes, then their end; replies to what it asks without end only so often.
fn drive<M: Machine>(machine: &mut M, mut bytes: &[u8], mut reply: impl FnMut(&mut M)) {
    for _ in 0..10_000 {
        match machine.poll() {
            Err(_) | Ok(Action::Done) => return,
            Ok(Action::Read) if bytes.is_empty() => machine.feed_end(),
            Ok(Action::Read) => {
                let taken = machine.feed(bytes);
                assert!(taken > 0);
                bytes = &bytes[taken..];
            }
            Ok(Action::NextHaves { .. } | Action::NeedPack) => reply(machine),
            Ok(_) => {}
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let service = if choice & 1 == 0 { Service::UploadPack } else { Service::ReceivePack };
    // The greeting ends where its length says, and what follows answers the request.
    let split = bytes.len() * usize::from(choice >> 3) / 31;
    let (greeting, answer) = bytes.split_at(split.min(bytes.len()));
    let mut handshake = Handshake::new(service, &ClientLimits::default());
    drive(&mut handshake, greeting, |_| {});
    let Ok(server) = handshake.finish() else { return };
    let id =
        ObjectId::from_bytes(server.format, &[1; 32][..server.format.raw_len()]).expect("as long as an id");
    if let Ok(mut machine) = LsRefs::new(&server, &LsRefsOptions::default()) {
        drive(&mut machine, answer, |_| {});
    }
    let mut options = FetchOptions::default();
    options.connection = if choice & 2 == 0 { Connection::Stateful } else { Connection::Stateless };
    if let Ok(mut machine) = Fetch::new(&server, [id], &options) {
        let mut left = 40;
        drive(&mut machine, answer, |machine| {
            left -= 1;
            machine.haves(&[id; 16][..if left > 0 { 16 } else { 0 }]);
        });
    }
    let name = RefName::branch("main").expect("a valid name");
    let command = Command { name, old: None, new: (choice & 4 == 0).then_some(id) };
    if let Ok(mut machine) = Push::new(&server, &[command], &PushOptions::default()) {
        drive(&mut machine, answer, |machine| machine.pack_end());
    }
});
