//! Listening: one server on any number of addresses, on a runtime of its own or on the caller's.

use super::backend::Backing;
use git_core_transport::server::{
    Backend, GitServer, HttpServer, HttpService, ListenerHandle, ServerOptions,
};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// A server: what it serves, to whom, and within which limits.
///
/// ```no_run
/// use git_core::Repository;
/// use git_core::server::{Backing, PushAccess, Server};
/// use std::collections::BTreeMap;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let repositories = BTreeMap::from([("project".to_owned(), Repository::open("project.git")?)]);
/// let server = Server::new(Backing::new(repositories).with_access(PushAccess::Everybody));
/// let running = server.listen_http("127.0.0.1:0".parse()?)?;
/// println!("git clone http://{}/project", running.local_addr());
/// running.shutdown();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Server {
    backend: Arc<dyn Backend>,
    options: ServerOptions,
}

impl Server {
    /// A server with the limits that suit strangers.
    pub fn new(backend: Backing) -> Self {
        Server { backend: Arc::new(backend), options: ServerOptions::default() }
    }

    /// Serves within other limits.
    #[must_use]
    pub fn with_options(self, options: ServerOptions) -> Self {
        Server { options, ..self }
    }

    /// What the drivers of the transports ask, for drivers of one's own.
    pub fn backend(&self) -> Arc<dyn Backend> {
        self.backend.clone()
    }

    /// Smart HTTP as a `tower` service, to be mounted wherever such services are.
    pub fn http_service(&self) -> HttpService {
        HttpService::new(self.backend.clone(), self.options.clone())
    }

    /// Listens for smart HTTP, on threads of its own. Port 0 picks a port.
    ///
    /// # Errors
    /// The address cannot be listened on, or threads cannot be had.
    pub fn listen_http(&self, address: SocketAddr) -> io::Result<Running> {
        let (backend, options) = (self.backend.clone(), self.options.clone());
        Running::start(async move { HttpServer::bind(address, backend, options).await })
    }

    /// Listens for git://, on threads of its own. Port 0 picks a port.
    ///
    /// # Errors
    /// The address cannot be listened on, or threads cannot be had.
    pub fn listen_git(&self, address: SocketAddr) -> io::Result<Running> {
        let (backend, options) = (self.backend.clone(), self.options.clone());
        Running::start(async move { GitServer::bind(address, backend, options).await })
    }
}

/// A server that listens. Dropping it stops it at once.
pub struct Running {
    // The order matters: the listener goes before the runtime that it runs on.
    listener: ListenerHandle,
    runtime: tokio::runtime::Runtime,
}

impl Running {
    fn start(bind: impl Future<Output = io::Result<ListenerHandle>>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8))
            .thread_name("git-core-server")
            .enable_all()
            .build()?;
        let listener = runtime.block_on(bind)?;
        Ok(Running { listener, runtime })
    }

    /// Where it listens, with the port that was picked when 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Accepts nothing more, lets what is under way come to its end within the limits, and returns then.
    pub fn shutdown(self) {
        self.runtime.block_on(self.listener.shutdown());
    }
}
