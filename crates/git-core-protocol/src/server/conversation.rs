//! What a server machine looks like from outside: what it takes, and what it wants next.
//!
//! The phases behind it are in `upload` and `receive`; doing what it wants is left to a driver.

use super::{Answer, ArchiveRequest, PackRequest, Question, ServerError, UpdateReport, UpdateRequest};

/// Which part of a conversation a machine holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// All of it over one connection: git://, ssh, a pipe.
    #[default]
    Stateful,
    /// Only what the server says first: `GET …/info/refs` of smart HTTP, `--http-backend-info-refs`.
    Advertise,
    /// One request and its response, the advertisement having been sent elsewhere: `POST …/git-upload-pack` of
    /// smart HTTP, `--stateless-rpc`.
    StatelessRpc,
}

/// What a machine wants its driver to do next.
#[derive(Debug)]
#[must_use]
pub enum Output {
    /// Write these bytes to the peer. The empty buffer may be handed back with [`Conversation::reuse`].
    Send(Vec<u8>),
    /// Read from the peer and [`feed`](Conversation::feed) it, or say [`feed_end`](Conversation::feed_end).
    /// Nothing is left to be sent, so this is the moment to flush.
    Read,
    /// [`answer`](Conversation::answer) this question, or [`refuse`](Conversation::refuse).
    Ask(Question),
    /// Open this pack and pass it on with [`pack_bytes`](Conversation::pack_bytes), polling in between, then
    /// [`pack_end`](Conversation::pack_end); or [`refuse`](Conversation::refuse) at any point.
    SendPack(PackRequest),
    /// Make this archive and pass it on as if it were a pack; or [`refuse`](Conversation::refuse) at any point.
    SendArchive(ArchiveRequest),
    /// What was not consumed yet, and all input after it, is a pack, up to the end that the pack itself shows.
    /// Give it to whoever indexes it, not to [`feed`](Conversation::feed); then say
    /// [`pack_received`](Conversation::pack_received), or [`pack_failed`](Conversation::pack_failed).
    ReceivePack,
    /// Carry out these ref updates, then say [`updated`](Conversation::updated).
    Update(UpdateRequest),
    /// The driver owes what an earlier output asked for.
    Waiting,
    /// All is said; everything that was to be sent has been handed out.
    Done(Outcome),
}

/// How a conversation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As the protocol foresees, which includes a peer that left where it may.
    Complete,
    /// By a violation, an overrun or a refusal; the peer has been told where the protocol has room for it.
    Failed(ServerError),
}

/// A server machine: [`UploadPack`](super::UploadPack), [`ReceivePack`](super::ReceivePack) or
/// [`UploadArchive`](super::UploadArchive).
///
/// A method that replies to an output is ignored when that output was not given.
pub trait Conversation: Send {
    /// Takes input, and returns how many bytes were consumed. The rest must be offered again when
    /// [`Output::Read`] comes up next, or belongs to the pack after [`Output::ReceivePack`]; nothing is
    /// consumed while a question is open, so a peer that talks on only fills its own buffers.
    fn feed(&mut self, input: &[u8]) -> usize;

    /// The peer will send nothing more.
    fn feed_end(&mut self);

    /// What is to be done next.
    fn poll(&mut self) -> Output;

    /// Replies to [`Output::Ask`]. An answer of another kind than the question ends the conversation with
    /// [`ServerError::MismatchedAnswer`].
    fn answer(&mut self, answer: Answer);

    /// Ends the conversation where [`Output::Ask`], [`Output::SendPack`] or [`Output::Update`] cannot be
    /// satisfied. `message` is for the peer: it is sent as an `ERR` packet, or on side-band 3 when a pack is
    /// on its way.
    fn refuse(&mut self, message: &str);

    /// The next bytes of the pack that [`Output::SendPack`] asked for. They are framed into the output at once;
    /// poll it empty before the next call to keep memory bounded.
    fn pack_bytes(&mut self, _bytes: &[u8]) {}

    /// The pack is complete.
    fn pack_end(&mut self) {}

    /// The sink has the whole pack, and it is sound.
    fn pack_received(&mut self) {}

    /// The pack could not be taken; `reason` is what the status report says after `unpack`.
    fn pack_failed(&mut self, _reason: &str) {}

    /// Replies to [`Output::Update`].
    fn updated(&mut self, _report: UpdateReport) {}

    /// Text for the person at the other end, sent on side-band 2 where a side-band is open, dropped elsewhere.
    fn progress(&mut self, text: &[u8]);

    /// Keeps an idle connection open while the server works: an empty side-band packet, where there can be one.
    fn keep_alive(&mut self);

    /// Whether [`progress`](Self::progress) would reach anybody who wants to see it.
    fn wants_progress(&self) -> bool;

    /// Gives back a buffer that [`Output::Send`] handed out, so that the next one need not be allocated.
    fn reuse(&mut self, buffer: Vec<u8>);
}
