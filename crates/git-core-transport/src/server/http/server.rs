//! A listener for smart HTTP, on hyper: HTTP/1.1 and HTTP/2 without TLS.

use super::super::listen::{ListenerHandle, listen};
use super::super::patience::Patience;
use super::super::{Backend, ServerOptions};
use super::service::{HttpService, PeerAddr};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};
use tower_service::Service as _;

/// A server for smart HTTP.
#[derive(Debug)]
pub struct HttpServer;

impl HttpServer {
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
        let service = HttpService::new(backend, options.clone());
        let options = Arc::new(options);
        let overloaded = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\nConnection: close\r\n\
            Content-Length: 0\r\n\r\n";
        listen(listener, options.clone(), overloaded.to_vec(), move |stream, peer, stop| {
            connection(service.clone(), options.clone(), stream, peer, stop)
        })
    }
}

async fn connection(
    service: HttpService,
    options: Arc<ServerOptions>,
    stream: TcpStream,
    peer: SocketAddr,
    mut stop: watch::Receiver<bool>,
) {
    let handler = hyper::service::service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(PeerAddr(peer));
        service.clone().call(request)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(options.init_timeout)
        .max_buf_size(128 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(options.idle_timeout)
        .max_concurrent_streams(16)
        .max_send_buf_size(256 << 10);
    let io = TokioIo::new(PatientIo { stream, patience: Patience::new(&options), blocked: None });
    let mut serving = pin!(builder.serve_connection(io, handler));
    let result = tokio::select! {
        result = serving.as_mut() => result,
        () = async { drop(stop.wait_for(|stop| *stop).await) } => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%peer, error, "an HTTP connection broke");
    }
}

/// A connection whose peer must take what it is sent: hyper itself would wait for ever.
struct PatientIo {
    stream: TcpStream,
    patience: Patience,
    /// Since when a write waits, and until when it may.
    blocked: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl PatientIo {
    fn judge<T>(
        &mut self,
        task: &mut Context<'_>,
        written: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(Ok(value)) => {
                let start = self.blocked.take().map_or_else(Instant::now, |(start, _)| start);
                let slow = self.patience.waited(start, bytes(&value) as u64).is_err();
                Poll::Ready(if slow { Err(io::ErrorKind::TimedOut.into()) } else { Ok(value) })
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let (_, sleep) = self.blocked.get_or_insert_with(|| {
                    let start = Instant::now();
                    (start, Box::pin(tokio::time::sleep_until(self.patience.deadline(start, 0))))
                });
                std::task::ready!(sleep.as_mut().poll(task));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncRead for PatientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(task, into)
    }
}

impl AsyncWrite for PatientIo {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(task, bytes);
        self.judge(task, written, |count| *count)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(task, slices);
        self.judge(task, written, |count| *count)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}
