//! The serving side: what a server must answer, and the drivers that carry conversations.
//!
//! [`Backend`] and [`Session`] are what the owner of repositories implements. The machines of
//! `git_core_protocol::server` say what is spoken; the drivers here own the sockets, the clocks, the limits and
//! the threads.

mod backend;
mod refusal;

pub use backend::{
    Backend, BoxFuture, Carrier, Credentials, PackSink, PackStream, Received, Request, Session,
};
pub use refusal::{Refusal, RefusalKind};
