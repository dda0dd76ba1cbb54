//! The client's drivers: they carry the machines of [`git_core_protocol::client`] over connections, blocking.
//!
//! [`Connection`] is one conversation with one server, however it is reached; [`ls_refs`], [`fetch`],
//! [`push`] and [`fetch_archive`] hold it. Which refs and objects are there, and where a pack goes, is the caller's business.

mod child;
mod connection;
mod credentials;
mod drive;
mod error;
mod git;
#[cfg(feature = "http")]
mod http;
mod options;
mod ssh;
mod stateful;

pub use connection::{Connection, connect};
pub use credentials::{Credential, CredentialRequest, CredentialSource};
pub use drive::{
    FetchedPack, SourceStep, bundle_uris, fetch, fetch_archive, fetch_parts, ls_refs, negotiate, object_info,
    push,
};
pub use error::TransportError;
pub use git_core_protocol::client::{
    Ack, AckStatus, AdvertisedRef, Advertisement, ClientError, Command, FetchOptions, GraphWalker,
    LsRefsOptions, NegotiateOptions, NoHistory, ObjectInfoOptions, PackUri, PushOptions, PushReport,
    RefStatus, WantedRef,
};
#[cfg(feature = "http")]
pub use http::download;
pub use options::{ConnectOptions, SshProgram};
pub use stateful::Duplex;
