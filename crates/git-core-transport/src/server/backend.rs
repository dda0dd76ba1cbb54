//! What a server must answer: the traits between a driver and the repositories behind it.
//!
//! Sending is pulled and receiving is pushed, piece by piece, so a slow peer holds a buffer and never a thread.
//! Drivers call [`Backend::open`] where they run and everything else on threads that may block; the repository
//! side of these traits is in `git-core`.

use super::Refusal;
use git_core_object::Context;
use git_core_protocol::server::{
    Answer, ArchiveRequest, PackRequest, Question, ReceivePackOptions, UpdateReport, UpdateRequest,
    UploadPackOptions,
};
use git_core_protocol::{ProtocolVersion, Service};
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::Pin;

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How a request arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Carrier {
    /// Over standard input and output: a child process, ssh, inetd.
    Stdio,
    /// Over git://.
    Git,
    /// Over smart HTTP.
    Http,
}

impl Carrier {
    /// The carrier's name in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Carrier::Stdio => "stdio",
            Carrier::Git => "git",
            Carrier::Http => "http",
        }
    }
}

/// What a peer asks for: the input of [`Backend::open`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// To fetch, to push, or to get an archive.
    pub service: Service,
    /// The repository as the peer names it, percent-decoded where the carrier encodes. Bytes from outside:
    /// whoever resolves it keeps it below the root it serves.
    pub path: Vec<u8>,
    /// The version that the conversation will be held in.
    pub version: ProtocolVersion,
    /// How it arrived.
    pub carrier: Carrier,
    /// The host the peer believes it speaks to (with the port when it gave one), for virtual hosting.
    pub host: Option<String>,
    /// Where the peer is.
    pub peer: Option<SocketAddr>,
    /// Who the peer claims to be, to be checked.
    pub credentials: Option<Credentials>,
    /// Who the peer is, as something in front of this server has made sure (`REMOTE_USER`).
    pub user: Option<String>,
}

impl Request {
    /// A request with nothing known of the peer.
    pub fn new(service: Service, path: impl Into<Vec<u8>>, carrier: Carrier) -> Self {
        Request {
            service,
            path: path.into(),
            version: ProtocolVersion::V0,
            carrier,
            host: None,
            peer: None,
            credentials: None,
            user: None,
        }
    }
}

/// A name and a password from an `Authorization: Basic` header.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub user: String,
    /// The password, or a token in its place.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Finds repositories and decides who may do what with them.
pub trait Backend: Send + Sync + 'static {
    /// Opens what the request names, for the service it names, or says why not. One answer,
    /// [`Refusal::not_found`], is right for "not there" and "not yours".
    ///
    /// Called once for each connection, and over HTTP for each request.
    fn open<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Box<dyn Session>, Refusal>>;
}

/// One repository, open for one peer. Every method may block and may take long; all of them watch the context
/// for cancellation, and report progress to it where there is some.
pub trait Session: Send {
    /// What upload-pack offers here.
    fn upload_pack(&self) -> UploadPackOptions;

    /// What receive-pack offers here.
    fn receive_pack(&self) -> ReceivePackOptions;

    /// Answers a question of upload-pack or of an advertisement with the [`Answer`] of the same name.
    fn answer(&mut self, question: Question, cx: &Context) -> Result<Answer, Refusal>;

    /// Finds out what goes into a pack: counting and delta search happen here, so that the stream that is
    /// returned only has to be written.
    fn send(&mut self, request: PackRequest, cx: &Context) -> Result<Box<dyn PackStream>, Refusal>;

    /// Begins an archive. A refusal is said to the client as it is, over several lines if need be.
    fn archive(&mut self, _request: ArchiveRequest, _cx: &Context) -> Result<Box<dyn PackStream>, Refusal> {
        Err(Refusal::forbidden("fatal: no archives are made here"))
    }

    /// Opens the place where the pack of a push is taken in.
    fn receive(&mut self, cx: &Context) -> Result<Box<dyn PackSink>, Refusal>;

    /// Checks the commands of a push and carries them out. `received` is what the sink made of the pack; a push
    /// that only deletes has none. One status for each command, in their order. Texts for the person at the
    /// other end (hooks, refusals) go to [`Context::remote_message`].
    fn update(
        &mut self,
        request: UpdateRequest,
        received: Option<Received>,
        cx: &Context,
    ) -> Result<UpdateReport, Refusal>;
}

/// A pack, or an archive, on its way out, pulled.
pub trait PackStream: Send {
    /// Appends the next piece to `out`, as much as its capacity suggests (about 256 KiB, the first time less).
    /// `Break` with the last piece, which may be empty.
    fn fill(&mut self, out: &mut Vec<u8>, cx: &Context) -> Result<ControlFlow<()>, Refusal>;
}

/// A pack on its way in, pushed.
pub trait PackSink: Send {
    /// Takes a piece and returns how many of its bytes belong to the pack: all of them until the pack's trailer
    /// has been seen, fewer (none, even) afterwards.
    fn feed(&mut self, bytes: &[u8], cx: &Context) -> Result<usize, Refusal>;

    /// Whether the pack's trailer has been seen, so that no more need be read.
    fn is_complete(&self) -> bool;

    /// Completes and checks what was received; an error when its end is missing. Nothing of it is visible yet.
    fn finish(self: Box<Self>, cx: &Context) -> Result<Received, Refusal>;
}

/// What a [`PackSink`] made of a pack.
pub struct Received {
    /// How many objects the pack holds.
    pub objects: u64,
    /// What the sink hands over to [`Session::update`], such as a quarantine: only these two know its type.
    pub state: Box<dyn Any + Send>,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received").field("objects", &self.objects).finish_non_exhaustive()
    }
}
