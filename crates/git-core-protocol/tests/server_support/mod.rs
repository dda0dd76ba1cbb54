//! A made-up repository that answers a server machine, and a driver that feeds it pieces of any size.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use git_core_object::{ObjectFormat, ObjectId};
use git_core_protocol::ShallowUpdate;
use git_core_protocol::server::{
    AdvertisedRef, Answer, Conversation, Haves, Outcome, Output, PackRequest, Question, Refs, UpdateReport,
    UpdateRequest, Wants,
};
use git_core_ref::RefName;
use std::collections::VecDeque;
use std::sync::Arc;

/// An id of one digit over and over.
pub fn id(format: ObjectFormat, digit: char) -> ObjectId {
    ObjectId::from_hex(digit.to_string().repeat(format.hex_len()).as_bytes()).unwrap()
}

pub fn advertised(name: &str, id: Option<ObjectId>) -> AdvertisedRef {
    AdvertisedRef { name: RefName::new(name).unwrap(), id, peeled: None, symref: None }
}

/// Objects `a` to `f` are here; `HEAD` and `main` are at `a`, the tag `v1` is `b` and peels to `a`.
pub struct Fake {
    pub format: ObjectFormat,
    pub refs: Refs,
    pub objects: Vec<ObjectId>,
    /// What is sent as a pack, in these pieces; a failure after them.
    pub pack: Vec<Vec<u8>>,
    pub pack_failure: Option<&'static str>,
    pub progress: Option<&'static str>,
    /// What a received pack must be; anything else fails.
    pub expected: Vec<u8>,
    pub report: Option<UpdateReport>,
    /// What is answered about depths, and where the history here ends.
    pub bounds: ShallowUpdate,
    pub shallow: Vec<ObjectId>,
    pub filter: bool,
    /// What push certificates have to contain, if pushes may be signed.
    pub nonce: Option<&'static str>,
    /// What upload-pack offers beyond the usual.
    pub object_info: bool,
    pub sideband_all: bool,
    pub ref_in_want: bool,
    pub session_id: Option<&'static str>,
    /// What happened.
    pub requests: Vec<PackRequest>,
    pub updates: Vec<UpdateRequest>,
    pub received: Vec<u8>,
    pub questions: Vec<Question>,
}

impl Fake {
    pub fn new(format: ObjectFormat) -> Self {
        let head = AdvertisedRef {
            symref: Some(RefName::new("refs/heads/main").unwrap()),
            ..advertised("HEAD", Some(id(format, 'a')))
        };
        let tag = AdvertisedRef {
            peeled: Some(id(format, 'a')),
            ..advertised("refs/tags/v1", Some(id(format, 'b')))
        };
        let refs = vec![head, advertised("refs/heads/main", Some(id(format, 'a'))), tag];
        Fake {
            format,
            refs: Refs { refs: Arc::new(refs), ..Refs::default() },
            objects: ('a'..='f').map(|digit| id(format, digit)).collect(),
            pack: vec![b"PACK".to_vec(), b"data".to_vec()],
            pack_failure: None,
            progress: None,
            expected: Vec::new(),
            report: None,
            bounds: ShallowUpdate::default(),
            shallow: Vec::new(),
            filter: false,
            nonce: None,
            object_info: false,
            sideband_all: false,
            ref_in_want: false,
            session_id: None,
            requests: Vec::new(),
            updates: Vec::new(),
            received: Vec::new(),
            questions: Vec::new(),
        }
    }

    pub fn empty(format: ObjectFormat) -> Self {
        let mut fake = Self::new(format);
        let head = AdvertisedRef {
            symref: Some(RefName::new("refs/heads/main").unwrap()),
            ..advertised("HEAD", None)
        };
        fake.refs = Refs { refs: Arc::new(vec![head]), ..Refs::default() };
        fake.objects.clear();
        fake
    }

    /// The refs behind this one, two at a time.
    fn page(&self, after: Option<&RefName>) -> Refs {
        let all = &self.refs.refs;
        let from = after.map_or(0, |name| all.iter().position(|one| one.name == *name).unwrap() + 1);
        let refs: Vec<_> = all[from..].iter().take(2).cloned().collect();
        match from + refs.len() < all.len() {
            true => Refs {
                more: refs.last().map(|one| one.name.clone()),
                refs: Arc::new(refs),
                haves: Vec::new(),
            },
            false => Refs { refs: Arc::new(refs), more: None, haves: self.refs.haves.clone() },
        }
    }

    fn answer(&mut self, question: Question) -> Answer {
        self.questions.push(question.clone());
        match question {
            Question::Refs(query) => Answer::Refs(self.page(query.after.as_ref())),
            Question::WantRefs(query) => {
                let all = &self.refs.refs;
                let id = |name: &RefName| all.iter().find(|one| one.name == *name).and_then(|one| one.id);
                Answer::WantRefs(query.names.iter().map(id).collect())
            }
            Question::Wants(query) => {
                let unknown = query.wants.iter().find(|id| !self.objects.contains(id));
                Answer::Wants(unknown.map_or(Wants::Accepted, |id| Wants::NotOurRef(*id)))
            }
            Question::Haves(query) => {
                let common: Vec<bool> = query.haves.iter().map(|id| self.objects.contains(id)).collect();
                let ready = common.contains(&true) || !query.common.is_empty();
                Answer::Haves(Haves { common, ready })
            }
            // Each is as large as its first byte says.
            Question::ObjectInfo(query) => {
                let size = |id: &ObjectId| self.objects.contains(id).then(|| u64::from(id.as_bytes()[0]));
                Answer::ObjectInfo(query.ids.iter().map(size).collect())
            }
            Question::Shallow(_) => Answer::Shallow(self.bounds.clone()),
            other => panic!("{other:?}"),
        }
    }

    /// Feeds `input` in pieces, then its end; everything the machine said, and how it ended.
    pub fn converse(
        &mut self,
        machine: &mut dyn Conversation,
        input: &[u8],
        piece: usize,
    ) -> (Vec<u8>, Outcome) {
        let mut pieces: VecDeque<&[u8]> = input.chunks(piece.max(1)).collect();
        let mut said = Vec::new();
        loop {
            match self.turn(machine, &mut said) {
                Turn::Read => {
                    let Some(front) = pieces.pop_front() else {
                        machine.feed_end();
                        continue;
                    };
                    let taken = machine.feed(front);
                    if taken < front.len() {
                        pieces.push_front(&front[taken..]);
                    }
                }
                Turn::Receive => {
                    for bytes in pieces.drain(..) {
                        self.received.extend_from_slice(bytes);
                    }
                    match self.received == self.expected {
                        true => machine.pack_received(),
                        false => machine.pack_failed("bad pack"),
                    }
                }
                Turn::Done(outcome) => return (said, outcome),
            }
        }
    }

    /// Does everything that needs no input.
    pub fn turn(&mut self, machine: &mut dyn Conversation, said: &mut Vec<u8>) -> Turn {
        loop {
            match machine.poll() {
                Output::Send(bytes) => {
                    said.extend_from_slice(&bytes);
                    machine.reuse(bytes);
                }
                Output::Read => return Turn::Read,
                Output::Ask(question) => {
                    let answer = self.answer(question);
                    machine.answer(answer);
                }
                Output::SendPack(request) => {
                    self.requests.push(request);
                    if let Some(text) = self.progress {
                        machine.progress(text.as_bytes());
                    }
                    for piece in &self.pack {
                        machine.pack_bytes(piece);
                        while let Output::Send(bytes) = machine.poll() {
                            said.extend_from_slice(&bytes);
                        }
                    }
                    match self.pack_failure {
                        Some(message) => machine.refuse(message),
                        None => machine.pack_end(),
                    }
                }
                Output::SendArchive(request) => panic!("no archive is asked for: {request:?}"),
                Output::ReceivePack => return Turn::Receive,
                Output::Update(request) => {
                    let count = request.commands.len();
                    self.updates.push(request);
                    machine.updated(self.report.clone().unwrap_or_else(|| UpdateReport::ok(count)));
                }
                Output::Waiting => panic!("the machine waits for nothing"),
                Output::Done(outcome) => return Turn::Done(outcome),
            }
        }
    }
}

pub enum Turn {
    Read,
    Receive,
    Done(Outcome),
}

/// Packets of these texts: `0000` and `0001` stand for themselves.
pub fn packets(lines: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        match *line {
            "0000" | "0001" | "0002" => out.extend_from_slice(line.as_bytes()),
            text => out.extend(format!("{:04x}{text}\n", text.len() + 5).into_bytes()),
        }
    }
    out
}

/// What was said, packet by packet, without line ends; what is no packet as it is.
pub fn unpack(mut said: &[u8]) -> Vec<String> {
    use git_core_protocol::pkt_line::{Packet, decode};
    let mut out = Vec::new();
    while !said.is_empty() {
        let Ok(Some((packet, length))) = decode(said) else {
            out.push(String::from_utf8_lossy(said).into_owned());
            break;
        };
        out.push(match packet {
            Packet::Flush => "0000".to_owned(),
            Packet::Delim => "0001".to_owned(),
            Packet::ResponseEnd => "0002".to_owned(),
            Packet::Data(payload) => {
                String::from_utf8_lossy(payload.strip_suffix(b"\n").unwrap_or(payload)).into_owned()
            }
        });
        said = &said[length..];
    }
    out
}
