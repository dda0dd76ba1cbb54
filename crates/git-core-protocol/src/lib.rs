//! Git's wire protocol as state machines without I/O: pkt-line, sideband, v0, v1 and v2, both sides.
#![forbid(unsafe_code)]

mod service;

pub use service::{ProtocolVersion, Service};
