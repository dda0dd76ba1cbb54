//! Fetching: wants and haves out, acknowledgements and a pack in.
//!
//! The versions differ in how they ask and how they are answered, which is in `v0` and `v2`; what follows once
//! the pack begins is the same for all, and is here. What all say of depths is in `scope`.

mod scope;
mod v0;
mod v2;

use super::incoming::{Incoming, Span};
use super::negotiation::Negotiation;
use super::{Ack, Action, Advertisement, ClientError, ClientLimits, Connection, DEFAULT_AGENT, Machine};
use crate::error::Excerpt;
use crate::pkt_line::{self, Packet};
use crate::sideband::Band;
use crate::{Deepen, ProtocolVersion, ShallowUpdate};
use bstr::BString;
use git_core_object::{ObjectFormat, ObjectId};
use git_core_ref::RefName;
use std::collections::{HashSet, VecDeque};
use std::ops::Range;

/// How a fetch is made; what the server cannot do of it is left out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FetchOptions {
    /// Whether the server remembers what was said before.
    pub connection: Connection,
    /// Take packs whose deltas have bases that are not in the pack but here.
    pub thin_pack: bool,
    /// Take deltas that name their base by offset.
    pub ofs_delta: bool,
    /// Take annotated tags of objects that are sent, without asking for them.
    pub include_tag: bool,
    /// Have the server tell of its progress.
    pub progress: bool,
    /// What is said to the server beside the request (`--server-option`); version 2 only.
    pub server_options: Vec<BString>,
    /// The commits at which the history here ends.
    pub shallow: Vec<ObjectId>,
    /// How deep the history is to be.
    pub deepen: Deepen,
    /// Which objects are to be left out, as `git-rev-list(1)` spells `--filter`. A server that knows no filters
    /// sends all.
    pub filter: Option<BString>,
    /// The protocols by which parts of the pack may be fetched from elsewhere, such as `https`
    /// (`fetch.uriProtocols`): whoever names some has to fetch what [`Fetch::pack_uris`] gives.
    pub uri_protocols: Vec<BString>,
    /// What is wanted by name, whatever it is by the time the server answers: only of a server that
    /// [takes names](Advertisement::takes_want_refs). What they are is in [`Fetch::wanted_refs`].
    pub want_refs: Vec<RefName>,
    /// What this program calls itself.
    pub agent: BString,
    /// What it calls this session in its logs, told to servers that tell theirs (`transfer.advertiseSID`).
    pub session_id: Option<BString>,
    /// How much is taken from the server.
    pub limits: ClientLimits,
}

impl Default for FetchOptions {
    fn default() -> Self {
        FetchOptions {
            connection: Connection::Stateful,
            thin_pack: true,
            ofs_delta: true,
            include_tag: true,
            progress: true,
            server_options: Vec::new(),
            shallow: Vec::new(),
            deepen: Deepen::No,
            filter: None,
            uri_protocols: Vec::new(),
            want_refs: Vec::new(),
            agent: DEFAULT_AGENT.into(),
            session_id: None,
            limits: ClientLimits::default(),
        }
    }
}

/// Fetches a pack.
///
/// After [`Action::NextHaves`] the owner calls [`haves`](Self::haves). The pack comes in pieces of any size
/// with [`Action::Pack`]; whether it is whole is for its receiver to see, from its trailer.
#[derive(Clone, Debug)]
pub struct Fetch {
    incoming: Incoming,
    outgoing: Vec<u8>,
    state: State,
    negotiation: Negotiation,
    dialect: Dialect,
    acks: VecDeque<Ack>,
    connection: Connection,
    format: ObjectFormat,
    shallow: ShallowUpdate,
    uris: Vec<PackUri>,
    wanted_refs: Vec<WantedRef>,
    limits: ClientLimits,
}

/// A pack that a server leaves to be fetched from elsewhere (`packfile-uris`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackUri {
    /// The checksum of the pack.
    pub checksum: ObjectId,
    /// Where it is.
    pub uri: BString,
}

/// A ref that was wanted by name, and what it is (`wanted-refs`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedRef {
    /// Its name.
    pub name: RefName,
    /// The object that was sent for it.
    pub id: ObjectId,
}

#[derive(Clone, Debug)]
enum Dialect {
    V0(v0::Dialect),
    V2(v2::Dialect),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The owner owes haves.
    Haves,
    /// A request is to be sent.
    Request {
        done: bool,
    },
    EndRequest {
        done: bool,
    },
    /// The answer to a request that was not the last.
    Acks,
    /// Version 0: what is left to be said before the pack, `plain` lines or up to the final one.
    FinalAck,
    /// Versions 0 and 1 without multi_ack: acknowledgements that are repeated before the pack.
    Settling,
    /// Versions 0 and 1: where the history will end, before the answer proper.
    Bounds {
        done: bool,
    },
    /// Version 2: the header of a section.
    Section,
    /// Version 2: where the history will end.
    ShallowInfo,
    /// Version 2: what the refs are that were wanted by name.
    WantedRefs,
    /// Version 2: where parts of the pack are.
    PackUris,
    /// The pack, on side bands.
    Banded,
    /// The pack, as it is.
    Raw,
    Done,
}

impl Fetch {
    /// Prepares to fetch `wants` from a server that has introduced itself.
    ///
    /// # Errors
    /// [`ClientError::Request`] when nothing is wanted, or an id is of another object format than the
    /// server's; [`ClientError::Unsupported`] when the server cannot fetch.
    pub fn new(
        server: &Advertisement,
        wants: impl IntoIterator<Item = ObjectId>,
        options: &FetchOptions,
    ) -> Result<Self, ClientError> {
        let mut seen = HashSet::new();
        let wants = wants.into_iter().filter(|id| seen.insert(*id)).collect::<Vec<_>>();
        if wants.is_empty() && options.want_refs.is_empty() {
            return Err(ClientError::Request("a fetch without anything wanted"));
        }
        if wants.iter().any(|id| id.format() != server.format) {
            return Err(ClientError::Request(
                "what is wanted is named in another object format than the server's",
            ));
        }
        if !options.want_refs.is_empty() && !server.takes_want_refs() {
            return Err(ClientError::Unsupported("want-ref"));
        }
        let dialect = match server.version {
            ProtocolVersion::V2 => Dialect::V2(v2::Dialect::new(server, &wants, options)?),
            ProtocolVersion::V0 | ProtocolVersion::V1 => {
                Dialect::V0(v0::Dialect::new(server, &wants, options)?)
            }
        };
        let negotiation = match dialect {
            Dialect::V0(_) => Negotiation::new(options.connection),
            Dialect::V2(_) => Negotiation::of_version_2(),
        };
        Ok(Fetch {
            incoming: Incoming::default(),
            outgoing: Vec::new(),
            state: State::Haves,
            negotiation,
            dialect,
            acks: VecDeque::new(),
            connection: options.connection,
            format: server.format,
            shallow: ShallowUpdate { shallow: server.shallow.clone(), unshallow: Vec::new() },
            uris: Vec::new(),
            wanted_refs: Vec::new(),
            limits: options.limits.clone(),
        })
    }

    /// What changes about the commits at which the history here ends, once the pack has begun. Without a depth these
    /// are the ones at which the server's own history ends: then some may not be in the pack.
    pub fn shallow_update(&self) -> &ShallowUpdate {
        &self.shallow
    }

    /// Packs that belong to what was wanted and are to be fetched from elsewhere, once the pack has begun. None unless
    /// [`FetchOptions::uri_protocols`] named protocols.
    pub fn pack_uris(&self) -> &[PackUri] {
        &self.uris
    }

    /// What the refs are that were wanted by name, once the pack has begun.
    pub fn wanted_refs(&self) -> &[WantedRef] {
        &self.wanted_refs
    }

    fn bound(&mut self, line: scope::Line) -> Result<(), ClientError> {
        let bound = self.limits.shallow;
        if self.shallow.shallow.len() + self.shallow.unshallow.len() >= bound {
            return Err(ClientError::Limit { name: "shallow", bound: bound as u64 });
        }
        match line {
            scope::Line::Shallow(id) => self.shallow.shallow.push(id),
            scope::Line::Unshallow(id) => self.shallow.unshallow.push(id),
        }
        Ok(())
    }

    fn answer(&self, done: bool) -> State {
        match &self.dialect {
            _ if !done => State::Acks,
            Dialect::V0(v0) => v0.after_done(),
            Dialect::V2(_) => State::Section,
        }
    }

    /// Replies to [`Action::NextHaves`] with commits that are here, children before parents. Fewer than were
    /// asked for mean that there are no more, and more are passed over. Ignored at any other time.
    pub fn haves(&mut self, haves: &[ObjectId]) {
        if self.state == State::Haves {
            self.negotiation.offer(haves);
            self.state = State::Request { done: self.negotiation.is_over() };
        }
    }

    /// What follows the answer to one round of haves.
    fn next_round(&mut self) {
        self.state = match self.negotiation.is_over() {
            true => {
                self.negotiation.batch.clear();
                State::Request { done: true }
            }
            false => State::Haves,
        };
    }

    fn acknowledged(&mut self, ack: Ack) {
        self.negotiation.ready |= ack.status == super::AckStatus::Ready;
        if self.negotiation.acknowledge(ack.id) || ack.status == super::AckStatus::Ready {
            self.acks.push_back(ack);
        }
    }

    /// Passes over acknowledgements until the pack begins; whether there was anything to be read.
    fn settle(&mut self) -> Result<bool, ClientError> {
        let Dialect::V0(dialect) = &self.dialect else { return Err(unexpected("a pack", b"")) };
        let pack = dialect.pack();
        if pack == State::Raw {
            match self.incoming.begins_pack() {
                None => return Ok(false),
                Some(true) => {
                    self.state = pack;
                    return Ok(true);
                }
                Some(false) => {}
            }
        }
        let Some(span) = self.incoming.span()? else { return Ok(false) };
        let line = self.incoming.packet(&span).text().unwrap_or_default();
        if !line.starts_with(b"ACK ") && *line != *b"NAK" {
            if pack == State::Raw {
                return Err(unexpected("a pack", line));
            }
            self.incoming.unread(&span);
            self.state = pack;
        }
        Ok(true)
    }

    /// The next piece of a banded pack: a range of the input, or nothing when the band carried none.
    fn band(&mut self) -> Result<Option<Piece>, ClientError> {
        let Some(span) = self.incoming.band_span()? else { return Ok(Some(Piece::Read)) };
        let Span::Data(range) = span else {
            return match span {
                Span::Flush => Ok(Some(Piece::End)),
                _ => Err(unexpected("pack data", b"")),
            };
        };
        let content = range.start + 1..range.end;
        match Band::demux(self.incoming.slice(&range)) {
            Ok(Band::Data([]) | Band::Progress([])) => Ok(None),
            Ok(Band::Data(_)) => Ok(Some(Piece::Pack(content))),
            Ok(Band::Progress(_)) => Ok(Some(Piece::Progress(content))),
            Ok(Band::Error(message)) => Err(ClientError::Remote(Excerpt::new(message))),
            // A server that fails before its first band says so in a plain packet.
            Err(error) => match Packet::Data(self.incoming.slice(&range)).error() {
                Some(message) => Err(ClientError::Remote(Excerpt::new(message))),
                None => Err(error.into()),
            },
        }
    }
}

enum Piece {
    Read,
    Pack(Range<usize>),
    Progress(Range<usize>),
    End,
}

impl Machine for Fetch {
    fn feed(&mut self, bytes: &[u8]) -> usize {
        self.incoming.feed(bytes)
    }

    fn feed_end(&mut self) {
        self.incoming.feed_end();
    }

    fn poll(&mut self) -> Result<Action<'_>, ClientError> {
        loop {
            if let Some(ack) = self.acks.pop_front() {
                return Ok(Action::Ack(ack));
            }
            match self.state {
                State::Haves => return Ok(Action::NextHaves { count: self.negotiation.wanted() }),
                State::Request { done } => {
                    self.outgoing.clear();
                    match &mut self.dialect {
                        Dialect::V0(v0) => v0.request(&mut self.outgoing, &self.negotiation, done)?,
                        Dialect::V2(v2) => v2.request(&mut self.outgoing, &self.negotiation, done)?,
                    }
                    if let Dialect::V0(v0) = &self.dialect
                        && v0.is_bounding()
                    {
                        self.shallow = ShallowUpdate::default();
                    }
                    self.negotiation.sending();
                    self.incoming.restart(self.connection);
                    self.state = State::EndRequest { done };
                    return Ok(Action::Send(&self.outgoing));
                }
                State::EndRequest { done } => {
                    self.state = match &self.dialect {
                        Dialect::V0(v0) if v0.is_bounding() => State::Bounds { done },
                        _ => self.answer(done),
                    };
                    return Ok(Action::EndRequest);
                }
                State::Bounds { done } => {
                    let Some(span) = self.incoming.span()? else { return Ok(Action::Read) };
                    match self.incoming.packet(&span) {
                        Packet::Flush => self.state = self.answer(done),
                        packet => {
                            let line = scope::Line::parse(packet, self.format)?;
                            self.bound(line)?;
                        }
                    }
                }
                State::Acks
                | State::FinalAck
                | State::Section
                | State::ShallowInfo
                | State::WantedRefs
                | State::PackUris => {
                    let Some(span) = self.incoming.span()? else { return Ok(Action::Read) };
                    let mut packet = self.incoming.packet(&span);
                    if let Dialect::V2(v2::Dialect { all_bands: true, .. }) = &self.dialect
                        && let (Span::Data(range), Packet::Data(payload)) = (&span, packet)
                    {
                        match Band::demux(payload)? {
                            Band::Data(line) => packet = Packet::Data(line),
                            Band::Progress([]) => continue,
                            Band::Progress(_) => {
                                let text = range.start + 1..range.end;
                                return Ok(Action::Progress(self.incoming.slice(&text)));
                            }
                            Band::Error(message) => return Err(ClientError::Remote(Excerpt::new(message))),
                        }
                    }
                    let step = match &mut self.dialect {
                        Dialect::V0(v0) => v0.packet(self.state, packet)?,
                        Dialect::V2(v2) => v2.packet(self.state, packet)?,
                    };
                    match step {
                        Step::Stay => {}
                        Step::Ack(ack) => self.acknowledged(ack),
                        Step::AckAndRound(ack) => {
                            self.acknowledged(ack);
                            self.negotiation.ready = true;
                            self.next_round();
                        }
                        Step::Ready => self.negotiation.ready = true,
                        Step::Round => match &self.dialect {
                            Dialect::V0(v0) if self.negotiation.ready && v0.no_done() => {
                                self.state = State::FinalAck;
                            }
                            _ => self.next_round(),
                        },
                        Step::Bound(line) => self.bound(line)?,
                        Step::Wanted(one) => self.wanted_refs.push(one),
                        Step::Uri(uri) => {
                            let bound = self.limits.pack_uris;
                            if self.uris.len() >= bound {
                                return Err(ClientError::Limit { name: "pack_uris", bound: bound as u64 });
                            }
                            self.uris.push(uri);
                        }
                        Step::To(state) => {
                            if state == State::ShallowInfo {
                                self.shallow = ShallowUpdate::default();
                            }
                            self.state = state;
                        }
                    }
                }
                State::Settling => match self.settle()? {
                    true => {}
                    false => return Ok(Action::Read),
                },
                State::Banded => match self.band()? {
                    None => {}
                    Some(Piece::Read) => return Ok(Action::Read),
                    Some(Piece::End) => self.state = State::Done,
                    Some(Piece::Pack(range)) => return Ok(Action::Pack(self.incoming.slice(&range))),
                    Some(Piece::Progress(range)) => return Ok(Action::Progress(self.incoming.slice(&range))),
                },
                State::Raw => match self.incoming.raw() {
                    None => self.state = State::Done,
                    Some(range) if range.is_empty() => return Ok(Action::Read),
                    Some(range) => return Ok(Action::Pack(self.incoming.slice(&range))),
                },
                State::Done => return Ok(Action::Done),
            }
        }
    }
}

/// What a packet before the pack means.
enum Step {
    Stay,
    Ack(Ack),
    /// An acknowledgement after which haves are of no more use.
    AckAndRound(Ack),
    Ready,
    /// A commit at which the history will end, or will not.
    Bound(scope::Line),
    /// What a ref is that was wanted by name.
    Wanted(WantedRef),
    /// A pack that is elsewhere.
    Uri(PackUri),
    /// The answer to this round is over.
    Round,
    To(State),
}

fn unexpected(expected: &'static str, got: &[u8]) -> ClientError {
    ClientError::Unexpected { expected, got: Excerpt::new(got) }
}

pub(super) fn write_ids(out: &mut Vec<u8>, word: &[u8], ids: &[ObjectId]) -> Result<(), ClientError> {
    let mut hex = Vec::new();
    for id in ids {
        hex.clear();
        id.write_hex(&mut hex);
        pkt_line::write_parts(out, &[word, &hex, b"\n"])?;
    }
    Ok(())
}
