//! A client machine and a server machine that talk in memory, however the bytes between them are cut.

use super::server_support::{Fake, Turn};
use git_core_object::{ObjectFormat, ObjectId};
use git_core_protocol::client::{
    Action, Advertisement, ClientError, ClientLimits, Connection, Handshake, Machine,
};
use git_core_protocol::server::{
    Conversation, Mode, Outcome, ReceivePack, ReceivePackOptions, UploadPack, UploadPackOptions,
};
use git_core_protocol::{ProtocolVersion, Service, pkt_line};
use std::sync::Arc;

/// How bytes are cut on their way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    Whole,
    Bytes(usize),
    Packets,
}

const CUTS: [Cut; 4] = [Cut::Whole, Cut::Bytes(1), Cut::Bytes(7), Cut::Packets];

fn cut(bytes: &[u8], cut: Cut) -> usize {
    match cut {
        Cut::Whole => bytes.len(),
        Cut::Bytes(count) => count.min(bytes.len()),
        Cut::Packets => pkt_line::decode(bytes).ok().flatten().map_or(bytes.len(), |(_, length)| length),
    }
}

/// The serving side of a link: over one connection, or a machine for each request.
pub(super) struct Link {
    pub(super) fake: Fake,
    pub(super) service: Service,
    pub(super) version: ProtocolVersion,
    pub(super) connection: Connection,
    cut: Cut,
    machine: Box<dyn Conversation>,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    pub(super) outcome: Option<Outcome>,
}

impl Link {
    pub(super) fn new(
        fake: Fake,
        service: Service,
        version: ProtocolVersion,
        connection: Connection,
        cut: Cut,
    ) -> Self {
        let mode = match connection {
            Connection::Stateful => Mode::Stateful,
            Connection::Stateless => Mode::Advertise,
        };
        let machine = machine(&fake, service, version, mode);
        let (to_server, to_client) = (Vec::new(), Vec::new());
        Link { fake, service, version, connection, cut, machine, to_server, to_client, outcome: None }
    }

    /// Lets the server go on as far as it can.
    fn serve(&mut self, ended: bool) {
        loop {
            match self.fake.turn(self.machine.as_mut(), &mut self.to_client) {
                Turn::Read if self.to_server.is_empty() => {
                    if !ended {
                        return;
                    }
                    self.machine.feed_end();
                }
                Turn::Read => {
                    let length = cut(&self.to_server, self.cut);
                    let taken = self.machine.feed(&self.to_server[..length]);
                    self.to_server.drain(..taken);
                }
                Turn::Receive => {
                    self.fake.received.append(&mut self.to_server);
                    match self.fake.received == self.fake.expected {
                        true => self.machine.pack_received(),
                        false => self.machine.pack_failed("bad pack"),
                    }
                }
                Turn::Done(outcome) => {
                    self.outcome = Some(outcome);
                    return;
                }
            }
        }
    }

    pub(super) fn handshake(&mut self) -> Advertisement {
        let mut client = Handshake::new(self.service, &ClientLimits::default());
        self.drive(&mut client, |_, action| panic!("{action:?}")).unwrap();
        client.finish().unwrap()
    }

    pub(super) fn drive<M: Machine>(
        &mut self,
        client: &mut M,
        mut event: impl FnMut(&mut M, Event),
    ) -> Result<(), ClientError> {
        let mut answer_ended = false;
        loop {
            let found = match client.poll()? {
                Action::Send(bytes) => {
                    self.to_server.extend_from_slice(bytes);
                    continue;
                }
                Action::EndRequest => {
                    if self.connection == Connection::Stateless {
                        self.machine = machine(&self.fake, self.service, self.version, Mode::StatelessRpc);
                        self.to_client.clear();
                        self.serve(true);
                    }
                    answer_ended = false;
                    continue;
                }
                Action::Read => {
                    if self.to_client.is_empty() {
                        self.serve(false);
                    }
                    if self.to_client.is_empty() {
                        assert!(!answer_ended, "the client waits for ever");
                        answer_ended = true;
                        client.feed_end();
                        continue;
                    }
                    let length = cut(&self.to_client, self.cut);
                    let taken = client.feed(&self.to_client[..length]);
                    self.to_client.drain(..taken);
                    continue;
                }
                Action::Done => return Ok(()),
                Action::NextHaves { count } => Event::Haves(count),
                Action::Ack(ack) => Event::Ack(ack.id),
                Action::Pack(bytes) => Event::Pack(bytes.to_vec()),
                Action::Progress(text) => Event::Progress(text.to_vec()),
                Action::NeedPack => Event::NeedPack,
                other => panic!("{other:?}"),
            };
            event(client, found);
        }
    }
}

#[derive(Debug)]
pub(super) enum Event {
    Haves(usize),
    Ack(ObjectId),
    Pack(Vec<u8>),
    Progress(Vec<u8>),
    NeedPack,
}

fn machine(fake: &Fake, service: Service, version: ProtocolVersion, mode: Mode) -> Box<dyn Conversation> {
    match service {
        Service::UploadPack => {
            let mut options = UploadPackOptions::default();
            options.object_format = fake.format;
            options.shallow = Arc::new(fake.shallow.clone());
            options.filter = fake.filter;
            options.object_info = fake.object_info;
            options.sideband_all = fake.sideband_all;
            options.ref_in_want = fake.ref_in_want;
            options.session_id = fake.session_id.map(str::to_owned);
            Box::new(UploadPack::new(version, mode, options))
        }
        Service::ReceivePack => {
            let mut options = ReceivePackOptions::default();
            options.object_format = fake.format;
            options.push_options = true;
            options.session_id = fake.session_id.map(str::to_owned);
            options.push_cert_nonce = fake.nonce.map(str::to_owned);
            options.shallow = Arc::new(fake.shallow.clone());
            Box::new(ReceivePack::new(version, mode, options))
        }
        Service::UploadArchive => unreachable!("archives have tests of their own"),
    }
}

/// Every combination of format, version, connection and cut.
pub(super) fn everywhere(mut test: impl FnMut(ObjectFormat, ProtocolVersion, Connection, Cut)) {
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        for version in [ProtocolVersion::V0, ProtocolVersion::V1, ProtocolVersion::V2] {
            for connection in [Connection::Stateful, Connection::Stateless] {
                for cut in CUTS {
                    test(format, version, connection, cut);
                }
            }
        }
    }
}
