//! The loop that carries a machine over a connection, and the three conversations as functions.

use super::{
    AdvertisedRef, Command, Connection, FetchOptions, GraphWalker, LsRefsOptions, ObjectInfoOptions,
    PushOptions, PushReport, TransportError,
};
use bstr::BString;
use bytes::{Buf as _, Bytes};
use git_core_object::{BoxError, Context, ObjectId};
use git_core_protocol::client::{
    Ack, Action, BundleUris, ClientError, Fetch, FetchArchive, LsRefs, Machine, Negotiate, NegotiateOptions,
    ObjectInfo, PackUri, Push, WantedRef,
};
use git_core_protocol::{ProtocolVersion, ShallowUpdate};
use std::ops::ControlFlow;

/// What only the owner of a conversation can do.
pub(super) trait Owner<M> {
    fn haves(&mut self, _machine: &mut M, _count: usize) -> Result<(), BoxError> {
        Ok(())
    }
    fn ack(&mut self, _ack: &Ack) -> Result<(), BoxError> {
        Ok(())
    }
    fn pack(&mut self, _bytes: &[u8]) -> Result<(), BoxError> {
        Ok(())
    }
    fn need_pack(&mut self, _machine: &mut M) -> Result<(), BoxError> {
        Ok(())
    }
}

/// The owner of a conversation that asks nothing.
pub(super) struct NoOwner;

impl<M> Owner<M> for NoOwner {}

pub(super) fn drive<M: Machine>(
    connection: &mut Connection,
    machine: &mut M,
    owner: &mut dyn Owner<M>,
    cx: &Context,
) -> Result<(), TransportError> {
    let mut unread = Bytes::new();
    loop {
        match machine.poll().map_err(|error| connection.blame(error, None))? {
            Action::Send(bytes) => connection.send(bytes, cx)?,
            Action::EndRequest => {
                unread.clear();
                connection.end_request(cx)?;
            }
            Action::Read => {
                if unread.is_empty() {
                    match connection.read(cx)? {
                        Some(bytes) => unread = bytes,
                        None => machine.feed_end(),
                    }
                }
                let taken = if unread.is_empty() { 0 } else { machine.feed(&unread) };
                unread.advance(taken);
            }
            Action::NextHaves { count } => owner.haves(machine, count).map_err(TransportError::Caller)?,
            Action::Ack(ack) => owner.ack(&ack).map_err(TransportError::Caller)?,
            Action::Pack(bytes) => {
                cx.check()?;
                owner.pack(bytes).map_err(TransportError::Caller)?;
            }
            Action::Progress(text) => cx.remote_message(text),
            Action::NeedPack => owner.need_pack(machine).map_err(TransportError::Caller)?,
            Action::Done => return Ok(()),
            _ => return Err(ClientError::Request("an action this driver does not know").into()),
        }
    }
}

/// The refs of the server, as far as they match the options; in versions 0 and 1 those of its greeting.
///
/// # Errors
/// [`TransportError`].
pub fn ls_refs(
    connection: &mut Connection,
    options: &LsRefsOptions,
    cx: &Context,
) -> Result<Vec<AdvertisedRef>, TransportError> {
    let wanted = |entry: &AdvertisedRef| {
        options.prefixes.is_empty()
            || options.prefixes.iter().any(|prefix| entry.name.as_bytes().starts_with(prefix))
    };
    if connection.advertisement().version != ProtocolVersion::V2 {
        return Ok(connection.advertisement().refs.iter().filter(|entry| wanted(entry)).cloned().collect());
    }
    let mut options = options.clone();
    options.session_id = connection.session_id().cloned();
    let mut machine = LsRefs::new(connection.advertisement(), &options)?;
    drive(connection, &mut machine, &mut NoOwner, cx)?;
    let mut refs = machine.finish();
    refs.retain(wanted);
    Ok(refs)
}

/// The sizes in bytes of these objects of the server, in their order; none for one that it does not have.
///
/// # Errors
/// [`TransportError`], also when the server does not tell sizes.
pub fn object_info(
    connection: &mut Connection,
    ids: impl IntoIterator<Item = ObjectId>,
    options: &ObjectInfoOptions,
    cx: &Context,
) -> Result<Vec<Option<u64>>, TransportError> {
    let mut options = options.clone();
    options.session_id = connection.session_id().cloned();
    let mut machine = ObjectInfo::new(connection.advertisement(), ids, &options)?;
    drive(connection, &mut machine, &mut NoOwner, cx)?;
    Ok(machine.finish())
}

/// Fetches a pack that has what `wants` reach and `walker` does not offer. The pack's bytes go to `sink` as
/// they come, and the server's progress to `cx`; checking the pack is left to whoever is behind the sink.
///
/// `options.connection` is set from the connection. Gives what changes about where the history ends:
/// [`Fetch::shallow_update`].
///
/// # Errors
/// [`TransportError`]; [`TransportError::Caller`] when the walker or the sink failed.
pub fn fetch(
    connection: &mut Connection,
    wants: impl IntoIterator<Item = ObjectId>,
    options: &FetchOptions,
    walker: &mut dyn GraphWalker,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), BoxError>,
    cx: &Context,
) -> Result<ShallowUpdate, TransportError> {
    let mut options = options.clone();
    options.uri_protocols.clear();
    options.want_refs.clear();
    fetch_parts(connection, wants, &options, walker, sink, cx).map(|fetched| fetched.shallow)
}

/// What a server says of the pack that it has sent.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FetchedPack {
    /// What changes about where the history ends.
    pub shallow: ShallowUpdate,
    /// Packs that belong to it and are to be fetched from elsewhere.
    pub parts: Vec<PackUri>,
    /// What the refs are that were wanted by name.
    pub wanted_refs: Vec<WantedRef>,
}

/// As [`fetch`], from a server that may leave parts of the pack to be fetched from elsewhere, by one of the
/// [protocols](FetchOptions::uri_protocols) that are named, or be asked for
/// [refs by name](FetchOptions::want_refs). Fetching the parts, with [`download`](super::download) if they are on the
/// web, is left to the caller.
///
/// # Errors
/// As [`fetch`].
pub fn fetch_parts(
    connection: &mut Connection,
    wants: impl IntoIterator<Item = ObjectId>,
    options: &FetchOptions,
    walker: &mut dyn GraphWalker,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), BoxError>,
    cx: &Context,
) -> Result<FetchedPack, TransportError> {
    let mut options = options.clone();
    options.connection = connection.kind();
    options.session_id = connection.session_id().cloned();
    let mut machine = Fetch::new(connection.advertisement(), wants, &options)?;
    drive(connection, &mut machine, &mut Fetcher { walker, sink, batch: Vec::new() }, cx)?;
    Ok(FetchedPack {
        shallow: machine.shallow_update().clone(),
        parts: machine.pack_uris().to_vec(),
        wanted_refs: machine.wanted_refs().to_vec(),
    })
}

struct Fetcher<'a> {
    walker: &'a mut dyn GraphWalker,
    sink: &'a mut dyn FnMut(&[u8]) -> Result<(), BoxError>,
    batch: Vec<ObjectId>,
}

impl Owner<Fetch> for Fetcher<'_> {
    fn haves(&mut self, machine: &mut Fetch, count: usize) -> Result<(), BoxError> {
        take(self.walker, count, &mut self.batch)?;
        machine.haves(&self.batch);
        Ok(())
    }

    fn ack(&mut self, ack: &Ack) -> Result<(), BoxError> {
        self.walker.ack(ack)
    }

    fn pack(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        (self.sink)(bytes)
    }
}

/// The bundles that the server says may be had elsewhere, `key=value` a line; `None` where it cannot be asked.
///
/// # Errors
/// [`TransportError`].
pub fn bundle_uris(
    connection: &mut Connection,
    cx: &Context,
) -> Result<Option<Vec<BString>>, TransportError> {
    if !BundleUris::is_offered(connection.advertisement()) {
        return Ok(None);
    }
    let mut machine = BundleUris::new(connection.advertisement(), connection.session_id())?;
    drive(connection, &mut machine, &mut NoOwner, cx)?;
    Ok(Some(machine.finish()))
}

/// Fetches the archive that these arguments of `git archive` ask for; its bytes go to `sink` as they come, and
/// what the server says of it to `cx`.
///
/// # Errors
/// [`TransportError`]; [`TransportError::Caller`] when the sink failed.
pub fn fetch_archive(
    connection: &mut Connection,
    arguments: &[impl AsRef<[u8]>],
    sink: &mut dyn FnMut(&[u8]) -> Result<(), BoxError>,
    cx: &Context,
) -> Result<(), TransportError> {
    let mut machine = FetchArchive::new(arguments)?;
    drive(connection, &mut machine, &mut Taker { sink }, cx)
}

struct Taker<'a> {
    sink: &'a mut dyn FnMut(&[u8]) -> Result<(), BoxError>,
}

impl Owner<FetchArchive> for Taker<'_> {
    fn pack(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        (self.sink)(bytes)
    }
}

/// Finds out what of that which `walker` offers the server has, without fetching anything.
///
/// # Errors
/// [`TransportError`]; [`TransportError::Caller`] when the walker failed.
pub fn negotiate(
    connection: &mut Connection,
    options: &NegotiateOptions,
    walker: &mut dyn GraphWalker,
    cx: &Context,
) -> Result<Vec<ObjectId>, TransportError> {
    let mut options = options.clone();
    options.session_id = connection.session_id().cloned();
    let mut machine = Negotiate::new(connection.advertisement(), &options)?;
    drive(connection, &mut machine, &mut Negotiator { walker, batch: Vec::new() }, cx)?;
    Ok(machine.common().to_vec())
}

struct Negotiator<'a> {
    walker: &'a mut dyn GraphWalker,
    batch: Vec<ObjectId>,
}

impl Owner<Negotiate> for Negotiator<'_> {
    fn haves(&mut self, machine: &mut Negotiate, count: usize) -> Result<(), BoxError> {
        take(self.walker, count, &mut self.batch)?;
        machine.haves(&self.batch);
        Ok(())
    }

    fn ack(&mut self, ack: &Ack) -> Result<(), BoxError> {
        self.walker.ack(ack)
    }
}

/// The next commits that a walker offers.
fn take(walker: &mut dyn GraphWalker, count: usize, batch: &mut Vec<ObjectId>) -> Result<(), BoxError> {
    batch.clear();
    while batch.len() < count
        && let Some(id) = walker.next_have()?
    {
        batch.push(id);
    }
    Ok(())
}

/// What the source of a pack says after each piece: whether there is more.
pub type SourceStep = Result<ControlFlow<()>, BoxError>;

/// Sends `commands` and the pack that `source` appends to the buffer, piece by piece, until it breaks; it is
/// not asked when all commands delete. What became of each command is in the report, not in the error.
///
/// # Errors
/// [`TransportError`]; [`TransportError::Caller`] when the source failed.
pub fn push(
    connection: &mut Connection,
    commands: &[Command],
    options: &PushOptions,
    source: &mut (dyn FnMut(&mut Vec<u8>) -> SourceStep + '_),
    cx: &Context,
) -> Result<PushReport, TransportError> {
    let mut options = options.clone();
    options.session_id = connection.session_id().cloned();
    let mut machine = Push::new(connection.advertisement(), commands, &options)?;
    drive(connection, &mut machine, &mut Pusher { source, piece: Vec::new(), ended: false }, cx)?;
    Ok(machine.finish())
}

struct Pusher<'a> {
    source: &'a mut (dyn FnMut(&mut Vec<u8>) -> SourceStep + 'a),
    piece: Vec<u8>,
    ended: bool,
}

impl Owner<Push> for Pusher<'_> {
    fn need_pack(&mut self, machine: &mut Push) -> Result<(), BoxError> {
        self.piece.clear();
        if !self.ended {
            self.ended = (self.source)(&mut self.piece)?.is_break();
        }
        match self.piece.is_empty() {
            true if self.ended => machine.pack_end(),
            true => {}
            false => machine.pack(&self.piece),
        }
        Ok(())
    }
}
