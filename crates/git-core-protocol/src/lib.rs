//! Git's wire protocol as state machines without I/O: pkt-line, sideband, v0, v1 and v2, both sides.
//!
//! Bytes and answers go in, bytes and questions come out. No sockets, no clock, no threads; pack data is
//! opaque. Drivers are in `git-core-transport`, storage is joined to them by `git-core`.
#![forbid(unsafe_code)]

pub mod advertisement;
pub mod bundle;
pub mod capability;
pub mod certificate;
pub mod client;
pub mod error;
pub mod pkt_line;
pub mod server;
mod service;
mod shallow;
pub mod sideband;
pub mod trace;

pub use capability::Capabilities;
pub use pkt_line::Packet;
pub use service::{ProtocolVersion, Service};
pub use shallow::{Deepen, ShallowUpdate};
