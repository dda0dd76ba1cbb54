//! The serving side: what a server must answer, and the drivers that carry conversations.
//!
//! [`Backend`] and [`Session`] are what the owner of repositories implements. The machines of
//! `git_core_protocol::server` say what is spoken; the drivers here own the sockets, the clocks, the limits and
//! the threads:
//!
//! - [`serve_stdio`]: a reader and a writer, blocking;
//! - [`serve_cgi`]: one HTTP request by the rules of CGI, blocking;
//! - `GitServer`: git://, on tokio;
//! - `HttpService` and `HttpServer`: smart HTTP, as a `tower` service and as a listener on hyper.

mod backend;
#[cfg(feature = "server")]
mod connection;
mod error;
#[cfg(feature = "server")]
mod git;
mod http;
#[cfg(feature = "server")]
mod listen;
mod log;
#[cfg(feature = "server")]
mod options;
#[cfg(feature = "server")]
mod patience;
mod progress;
mod refusal;
mod stdio;
mod traced;
#[cfg(feature = "server")]
mod workers;

pub use backend::{
    Backend, BoxFuture, Carrier, Credentials, PackSink, PackStream, Received, Request, Session,
};
pub use error::{ServeError, Served};
#[cfg(feature = "server")]
pub use git::GitServer;
#[cfg(feature = "server")]
pub use http::body::ResponseBody;
pub use http::cgi::{CgiOptions, CgiRequest, serve_cgi};
#[cfg(feature = "server")]
pub use http::server::HttpServer;
#[cfg(feature = "server")]
pub use http::service::{HttpService, PeerAddr, RemoteUser};
#[cfg(feature = "server")]
pub use listen::ListenerHandle;
#[cfg(feature = "server")]
pub use options::ServerOptions;
pub use refusal::{Refusal, RefusalKind};
pub use stdio::{StdioOptions, serve_stdio};
pub use traced::{TracedRead, TracedWrite};
