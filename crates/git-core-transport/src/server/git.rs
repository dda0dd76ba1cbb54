//! git://: a listener that speaks what `git daemon` speaks.
//!
//! One request line, `git-upload-pack /path\0host=…\0\0version=2\0`, then the conversation. There is no
//! encryption and nobody says who they are; whether pushes are taken is the backend's to decide.

use super::connection::{Connection, Inflow, Outflow};
use super::listen::{ListenerHandle, linger, listen};
use super::log::log;
use super::stdio::machine;
use super::workers::Workers;
use super::{Backend, Carrier, Request, Served, ServerOptions};
use bstr::ByteSlice as _;
use git_core_object::Context;
use git_core_protocol::server::Mode;
use git_core_protocol::{Packet, ProtocolVersion, Service, pkt_line};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::watch;

/// The longest request line taken, as in `git daemon`: a path and a host name fit many times over.
const REQUEST: usize = 4096 + 1024;

/// A server for git://.
#[derive(Debug)]
pub struct GitServer;

impl GitServer {
    /// Listens on an address; port 0 picks one. Must be called within a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn bind(
        address: impl ToSocketAddrs,
        backend: Arc<dyn Backend>,
        options: ServerOptions,
    ) -> io::Result<ListenerHandle> {
        Self::serve(TcpListener::bind(address).await?, backend, options)
    }

    /// Listens on a socket that is bound already.
    ///
    /// # Errors
    /// The socket's own address cannot be found out.
    pub fn serve(
        listener: TcpListener,
        backend: Arc<dyn Backend>,
        options: ServerOptions,
    ) -> io::Result<ListenerHandle> {
        let mut overloaded = Vec::new();
        pkt_line::write_error(&mut overloaded, b"the server is busy, please try again later");
        let options = Arc::new(options);
        let workers = Workers::new(&options);
        listen(listener, options.clone(), overloaded, move |stream, peer, _: watch::Receiver<bool>| {
            let daemon =
                Daemon { backend: backend.clone(), options: options.clone(), workers: workers.clone() };
            daemon.connection(stream, peer)
        })
    }
}

struct Daemon {
    backend: Arc<dyn Backend>,
    options: Arc<ServerOptions>,
    workers: Workers,
}

impl Daemon {
    async fn connection(self, stream: TcpStream, peer: SocketAddr) {
        let start = Instant::now();
        let (reader, writer) = stream.into_split();
        let (mut reader, mut writer) = (Reader(reader), Writer(writer));
        let greeting = tokio::time::timeout(self.options.init_timeout, request_line(&mut reader.0)).await;
        let line = match greeting {
            Ok(Ok(line)) => line,
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "no git:// request");
                return;
            }
            Err(_) => {
                tracing::info!(%peer, "no git:// request in time");
                return;
            }
        };
        let Some(mut request) = parse(&line) else {
            tracing::info!(%peer, "a git:// request that is none");
            refuse(writer, reader, "invalid request").await;
            return;
        };
        request.peer = Some(peer);
        let (served, result) = match self.backend.open(&request).await {
            Ok(session) => {
                let machine = machine(session.as_ref(), request.service, request.version, Mode::Stateful);
                let io = (reader, writer);
                let connection =
                    Connection::new(machine, session, io, self.workers, self.options, Context::new());
                let (back, forth, served, result) = connection.run().await;
                (reader, writer) = (back, forth);
                if writer.0.shutdown().await.is_ok() && result.is_err() {
                    linger(&mut reader.0).await;
                }
                (served, result)
            }
            Err(refusal) => {
                refuse(writer, reader, refusal.message()).await;
                (Served::default(), Err(refusal.into()))
            }
        };
        log(&request, served, &result, start);
    }
}

async fn refuse(mut writer: Writer, mut reader: Reader, message: &str) {
    let mut bytes = Vec::new();
    pkt_line::write_error(&mut bytes, message.as_bytes());
    let say = async { writer.0.write_all(&bytes).await.is_ok() && writer.0.shutdown().await.is_ok() };
    if tokio::time::timeout(std::time::Duration::from_secs(5), say).await.unwrap_or(false) {
        linger(&mut reader.0).await;
    }
}

/// Reads exactly the first packet.
async fn request_line(reader: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    reader.read_exact(&mut bytes).await?;
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, "not a git:// request");
    let length = std::str::from_utf8(&bytes).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
    let length = length.filter(|length| (5..=REQUEST).contains(length)).ok_or_else(invalid)?;
    bytes.resize(length, 0);
    reader.read_exact(&mut bytes[4..]).await?;
    match pkt_line::decode(&bytes) {
        Ok(Some((Packet::Data(payload), _))) => Ok(payload.to_vec()),
        _ => Err(invalid()),
    }
}

/// `git-upload-pack /path\0host=example.org:9418\0\0version=2\0`, as `gitprotocol-pack(5)` has it.
fn parse(line: &[u8]) -> Option<Request> {
    let (command, rest) = line.split_once_str("\0").unwrap_or((line, b""));
    let command = command.strip_suffix(b"\n").unwrap_or(command);
    let (service, path) = command.split_once_str(" ")?;
    if path.is_empty() {
        return None;
    }
    let mut request = Request::new(Service::from_name(service)?, path, Carrier::Git);
    let mut parameters = rest.split(|byte| *byte == 0);
    for parameter in parameters.by_ref() {
        match parameter.split_once_str("=") {
            Some((b"host", host)) => request.host = host.to_str().ok().map(str::to_owned),
            Some(_) => {}
            // The empty parameter: those that follow are keys of the protocol itself.
            None => break,
        }
    }
    request.version = parameters.map(ProtocolVersion::from_request).max().unwrap_or(ProtocolVersion::V0);
    Some(request)
}

struct Reader(OwnedReadHalf);

impl Inflow for Reader {
    async fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        into.reserve(64 << 10);
        self.0.read_buf(into).await
    }
}

struct Writer(OwnedWriteHalf);

impl Outflow for Writer {
    async fn write(&mut self, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        self.0.write_all(&bytes).await?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_lines() {
        let request =
            parse(b"git-upload-pack /a b.git\0host=example.org:9418\0\0version=1\0version=2\0").unwrap();
        assert_eq!(request.service, Service::UploadPack);
        assert_eq!(request.path, b"/a b.git");
        assert_eq!(request.host.as_deref(), Some("example.org:9418"));
        assert_eq!(request.version, ProtocolVersion::V2);
        let old = parse(b"git-receive-pack /x\0host=h\0").unwrap();
        assert_eq!((old.service, old.version), (Service::ReceivePack, ProtocolVersion::V0));
        assert_eq!(parse(b"git-upload-pack /x").unwrap().path, b"/x");
        assert_eq!(parse(b"git-upload-pack /x\0\0version=1\0").unwrap().version, ProtocolVersion::V1);
        for bad in ["", "git-upload-pack", "git-upload-pack ", "GET / HTTP/1.1"] {
            assert!(parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
