//! Drivers that carry the protocol over pipes, git:// and HTTP, client and server.
#![forbid(unsafe_code)]

pub mod client;
pub mod server;
pub mod url;
