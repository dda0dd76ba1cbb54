//! The client of each conversation: bytes and answers in, bytes and questions out.
//!
//! [`Handshake`] learns what the server is, [`LsRefs`] asks for its refs in version 2, [`Fetch`] negotiates and
//! takes a pack, [`Negotiate`] only negotiates, [`ObjectInfo`] asks how large objects are, [`Push`] sends commands and
//! a pack and takes the report. All are a [`Machine`]: a driver polls
//! it, does what the [`Action`] says, and polls again. Which objects are there is left to a [`GraphWalker`].

mod archive;
mod bundle_uris;
mod error;
mod fetch;
mod handshake;
mod incoming;
mod ls_refs;
mod negotiate;
mod negotiation;
mod object_info;
mod push;

pub use crate::advertisement::{AdvertisedRef, Advertisement};
pub use crate::server::Command;
pub use archive::FetchArchive;
pub use bundle_uris::BundleUris;
pub use error::ClientError;
pub use fetch::{Fetch, FetchOptions, PackUri, WantedRef};
pub use handshake::Handshake;
pub(crate) use incoming::Span;
pub use ls_refs::{LsRefs, LsRefsOptions};
pub use negotiate::{Negotiate, NegotiateOptions};
pub use negotiation::{Ack, AckStatus, GraphWalker, NoHistory};
pub use object_info::{ObjectInfo, ObjectInfoOptions};
pub use push::{Push, PushOptions, PushReport, RefStatus};

/// Whether the server remembers what was said before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Connection {
    /// One connection for all of the conversation: git://, ssh, a pipe.
    #[default]
    Stateful,
    /// Each request stands for itself and is answered once: smart HTTP.
    Stateless,
}

/// What a machine wants done next.
#[derive(Debug)]
#[non_exhaustive]
pub enum Action<'a> {
    /// Send these bytes; they belong to the current request.
    Send(&'a [u8]),
    /// The request is whole: post it, or flush the connection.
    EndRequest,
    /// Give it bytes of the answer with [`Machine::feed`], or say [`Machine::feed_end`].
    Read,
    /// Tell it with [`Fetch::haves`] or [`Negotiate::haves`] what is here, up to `count` ids.
    NextHaves {
        /// How many ids are of use; fewer mean that there are no more.
        count: usize,
    },
    /// The server has this object too.
    Ack(Ack),
    /// The next bytes of the pack, or of the archive.
    Pack(&'a [u8]),
    /// A piece of text for the person waiting, as it came, escape sequences included.
    Progress(&'a [u8]),
    /// Give it bytes of the pack with [`Push::pack`], or say [`Push::pack_end`].
    NeedPack,
    /// The conversation is over.
    Done,
}

/// What all client machines have in common.
pub trait Machine {
    /// Takes bytes of the server's answer and gives how many were consumed; the rest is to be offered again
    /// when [`Action::Read`] comes up next. At least one is consumed after [`Action::Read`].
    fn feed(&mut self, bytes: &[u8]) -> usize;

    /// The answer, or the connection, has ended.
    fn feed_end(&mut self);

    /// What is to be done next.
    ///
    /// # Errors
    /// [`ClientError`]: the conversation has failed.
    fn poll(&mut self) -> Result<Action<'_>, ClientError>;
}

/// How much of a server's talk is kept in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientLimits {
    /// The most bytes that a list of refs may have.
    pub ref_bytes: u64,
    /// The most bytes that the report of a push may have.
    pub report_bytes: u64,
    /// The most commits at which a history may end or no longer end, as the answer to a fetch tells.
    pub shallow: usize,
    /// The most packs that a server may leave to be fetched from elsewhere.
    pub pack_uris: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        ClientLimits { ref_bytes: 1 << 30, report_bytes: 64 << 20, shallow: 16 << 20, pack_uris: 1 << 16 }
    }
}

/// The `agent` that is sent when nothing else is asked for.
pub const DEFAULT_AGENT: &str = concat!("git-core/", env!("CARGO_PKG_VERSION"));
