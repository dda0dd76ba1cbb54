//! Smart HTTP, `gitprotocol-http(5)`: what requests mean and how responses look, for every way of serving it.
//!
//! `route` and `cgi` know no sockets; `service`, `body` and `server` are for tokio and hyper.

#[cfg(feature = "server")]
pub(super) mod auth;
#[cfg(feature = "server")]
pub(super) mod body;
pub(super) mod cgi;
pub(super) mod inflate;
pub(super) mod route;
#[cfg(feature = "server")]
pub(super) mod server;
#[cfg(feature = "server")]
pub(super) mod service;
