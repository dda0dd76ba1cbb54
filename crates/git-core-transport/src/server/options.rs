//! What a listener grants its peers: how many, how long, how slow.

use std::time::Duration;

/// How a listener treats its peers. The defaults are for strangers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerOptions {
    /// Connections at the same time. 1,024.
    pub max_connections: usize,
    /// Connections at the same time from one address (IPv6: one /64 network). 256.
    pub max_connections_per_address: usize,
    /// Until a git:// request, or the header of an HTTP request, must have arrived. 30 seconds.
    pub init_timeout: Duration,
    /// How long a peer may say nothing when it is its turn, or take nothing. 5 minutes, since a client is
    /// silent while it compresses what it is about to push.
    pub idle_timeout: Duration,
    /// Bytes per second that a peer must read or write on the average, counted while the server waits for it
    /// and after `idle_timeout` of such waiting. 1,024.
    pub min_rate: u64,
    /// While the repository side works, something is sent this often. 5 seconds.
    pub keep_alive: Duration,
    /// How much of a pack is produced, or taken in, at once. 256 KiB.
    pub chunk: usize,
    /// How many connections may be producing or taking in a piece of a pack, or answering a question, at the
    /// same moment; 0 is twice the number of processors.
    pub stream_workers: usize,
    /// How many connections may be counting, searching deltas, checking a received pack or updating refs at
    /// the same moment; 0 is the number of processors.
    pub heavy_workers: usize,
    /// How long `shutdown` waits for conversations under way before it cuts them off. 30 seconds.
    pub grace: Duration,
    /// The most bytes that a compressed HTTP request body may inflate to. 64 MiB.
    pub inflated_bytes: u64,
    /// The realm of `WWW-Authenticate`. `Git`.
    pub realm: String,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions {
            max_connections: 1024,
            max_connections_per_address: 256,
            init_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(300),
            min_rate: 1024,
            keep_alive: Duration::from_secs(5),
            chunk: 256 << 10,
            stream_workers: 0,
            heavy_workers: 0,
            grace: Duration::from_secs(30),
            inflated_bytes: 64 << 20,
            realm: "Git".to_owned(),
        }
    }
}
