//! A connection to a remote, wherever it is: over the network by the drivers, on the same machine by serving it
//! from a thread of this process.

use super::RemoteError;
use crate::Repository;
use crate::repository::Environment;
use crate::server::{SessionOptions, StorageSession, session_options};
use git_core_object::Context;
use git_core_protocol::Service;
use git_core_protocol::trace::PacketObserver;
use git_core_store::fs::layout::Strictness;
use git_core_transport::client::{ConnectOptions, Connection, Duplex, connect};
use git_core_transport::server::{StdioOptions, TracedRead, TracedWrite, serve_stdio};
use git_core_transport::url::{GitUrl, Scheme};
use std::io::pipe;
use std::path::PathBuf;
use std::sync::Arc;

/// How a remote is reached.
#[derive(Default)]
#[non_exhaustive]
pub struct Link {
    /// How connections are made.
    pub options: ConnectOptions,
    /// What opening a repository on the same machine has to know.
    pub environment: Environment,
    /// Is shown every packet of the server's side, where a repository on the same machine is served by this process.
    pub server_observer: Option<Arc<dyn PacketObserver>>,
}

impl Link {
    /// Connects, and reads the greeting.
    pub(super) fn open(self, url: &[u8], service: Service, cx: &Context) -> Result<Connection, RemoteError> {
        let url = GitUrl::parse(url)?;
        if url.scheme() != Scheme::File {
            return Ok(connect(&url, service, self.options, cx)?);
        }
        let path = PathBuf::from(os_string(url.path()));
        let mut environment = self.environment;
        // What was said about the repository here does not hold for the other one.
        environment.open.overrides = Default::default();
        environment.shallow_file = None;
        let repository = Repository::enter(&path, Strictness::default(), &environment)?;
        let options = session_options(&repository)?;
        serve_locally(&repository, options, service, &self.options, self.server_observer, cx)
    }
}

/// Serves a repository from a thread, over two pipes.
pub(super) fn serve_locally(
    repository: &Repository,
    options: SessionOptions,
    service: Service,
    connect: &ConnectOptions,
    observer: Option<Arc<dyn PacketObserver>>,
    cx: &Context,
) -> Result<Connection, RemoteError> {
    let failed = |error: std::io::Error| RemoteError::unavailable("a pipe to the server", error);
    let (server_reads, client_writes) = pipe().map_err(failed)?;
    let (client_reads, server_writes) = pipe().map_err(failed)?;
    let mut session = StorageSession::new(repository.storage().clone(), options)?;
    let mut stdio = StdioOptions::default();
    stdio.version = connect.version;
    let server = move || {
        let cx = Context::new();
        let served = match observer {
            None => serve_stdio(&mut session, service, &stdio, server_reads, server_writes, &cx),
            Some(observer) => {
                let reads = TracedRead::new(server_reads, observer.clone());
                let writes = TracedWrite::new(server_writes, observer);
                serve_stdio(&mut session, service, &stdio, reads, writes, &cx)
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "serving a local repository ended early");
        }
    };
    std::thread::Builder::new().name("git-core-local".to_owned()).spawn(server).map_err(failed)?;
    let duplex = Duplex { reader: Box::new(client_reads), writer: Box::new(client_writes) };
    Ok(Connection::over(duplex, service, connect, cx)?)
}

/// Bytes as the operating system would give them.
fn os_string(bytes: &[u8]) -> std::ffi::OsString {
    #[cfg(unix)]
    {
        std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
    }
    #[cfg(not(unix))]
    {
        String::from_utf8_lossy(bytes).into_owned().into()
    }
}
