//! Smart HTTP behind a web server: one request by the rules of CGI (RFC 3875), as `git http-backend` serves it.
//!
//! The environment is read by the program; here it is a struct.

use super::super::log::log;
use super::super::{Backend, Carrier, Refusal, Request, ServeError, Served, StdioOptions, serve_stdio};
use super::inflate::Inflater;
use super::route::{Head, NO_CACHE, Unroutable, reason, route};
use git_core_object::Context;
use std::future::Future;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// What the web server says about a request, by the names of the environment variables it says it with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CgiRequest {
    /// `REQUEST_METHOD`.
    pub method: String,
    /// `PATH_INFO`: the path behind the script's own, decoded.
    pub path_info: Vec<u8>,
    /// `QUERY_STRING`.
    pub query_string: String,
    /// `CONTENT_TYPE`.
    pub content_type: Option<String>,
    /// `CONTENT_LENGTH`; without one the input is read to its end.
    pub content_length: Option<u64>,
    /// `HTTP_CONTENT_ENCODING`.
    pub content_encoding: Option<String>,
    /// `GIT_PROTOCOL`, or else `HTTP_GIT_PROTOCOL`.
    pub git_protocol: Option<String>,
    /// `HTTP_HOST`.
    pub host: Option<String>,
    /// `REMOTE_USER`: who the web server has made sure it is.
    pub remote_user: Option<String>,
}

/// How a CGI request is served.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CgiOptions {
    /// The most bytes that a compressed request body may inflate to. 64 MiB.
    pub inflated_bytes: u64,
    /// The realm of `WWW-Authenticate`. `Git`.
    pub realm: String,
    /// While the repository side works, something is sent this often. 5 seconds.
    pub keep_alive: Duration,
}

impl Default for CgiOptions {
    fn default() -> Self {
        CgiOptions { inflated_bytes: 64 << 20, realm: "Git".to_owned(), keep_alive: Duration::from_secs(5) }
    }
}

/// Serves one request: reads its body, writes the header and the body of the response.
///
/// # Errors
/// [`ServeError`]; the response says what the client may know of it.
pub fn serve_cgi(
    backend: &dyn Backend,
    cgi: &CgiRequest,
    options: &CgiOptions,
    read: impl Read,
    mut write: impl Write,
    cx: &Context,
) -> Result<Served, ServeError> {
    let start = Instant::now();
    let head = Head {
        method: &cgi.method,
        path: &cgi.path_info,
        encoded: false,
        query: &cgi.query_string,
        content_type: cgi.content_type.as_deref(),
    };
    let route = match route(head) {
        Ok(route) => route,
        Err(unroutable) => {
            write_unroutable(&mut write, &unroutable).map_err(ServeError::Write)?;
            return Ok(Served::default());
        }
    };
    let mut request = Request::new(route.service, route.path.clone(), Carrier::Http);
    request.version = route.version(cgi.git_protocol.as_deref().unwrap_or_default().as_bytes());
    request.host.clone_from(&cgi.host);
    request.user.clone_from(&cgi.remote_user);
    let mut session = match block_on(backend.open(&request)) {
        Ok(session) => session,
        Err(refusal) => {
            write_refusal(&mut write, &refusal, options).map_err(ServeError::Write)?;
            let result = Err(refusal.into());
            log(&request, Served::default(), &result, start);
            return result;
        }
    };
    let encoding = cgi.content_encoding.as_deref().unwrap_or("identity");
    let inflater = match encoding {
        "gzip" | "x-gzip" => Some(Inflater::new(options.inflated_bytes)),
        "identity" | "" => None,
        _ => {
            let unroutable =
                Unroutable { status: 415, message: "unsupported content encoding".to_owned(), allow: None };
            write_unroutable(&mut write, &unroutable).map_err(ServeError::Write)?;
            return Ok(Served::default());
        }
    };
    let read = read.take(cgi.content_length.unwrap_or(u64::MAX));
    let read =
        Body { read, inflater, packed: Vec::new(), used: 0, plain: io::Cursor::default(), ended: false };
    let mut header = header(&[("Content-Type", &route.content_type())]);
    header.extend_from_slice(&route.prelude(request.version));
    write.write_all(&header).map_err(ServeError::Write)?;
    let stdio = StdioOptions {
        version: request.version,
        mode: route.mode,
        keep_alive: options.keep_alive,
        ..StdioOptions::default()
    };
    let result = serve_stdio(session.as_mut(), route.service, &stdio, read, write, cx);
    log(&request, result.as_ref().copied().unwrap_or_default(), &result, start);
    result
}

/// Header lines, those against caches among them, and the empty line behind them.
fn header(lines: &[(&str, &str)]) -> Vec<u8> {
    let lines = lines.iter().chain(&NO_CACHE);
    let mut out: Vec<u8> =
        lines.flat_map(|(name, value)| format!("{name}: {value}\r\n").into_bytes()).collect();
    out.extend_from_slice(b"\r\n");
    out
}

fn write_unroutable(write: &mut impl Write, unroutable: &Unroutable) -> io::Result<()> {
    let status = format!("{} {}", unroutable.status, reason(unroutable.status));
    let mut lines = vec![("Status", status.as_str()), ("Content-Type", "text/plain")];
    if let Some(allow) = unroutable.allow {
        lines.push(("Allow", allow));
    }
    write.write_all(&header(&lines))?;
    writeln!(write, "{}", unroutable.message)?;
    write.flush()
}

fn write_refusal(write: &mut impl Write, refusal: &Refusal, options: &CgiOptions) -> io::Result<()> {
    let status = format!("{} {}", refusal.http_status(), reason(refusal.http_status()));
    let challenge = challenge(&options.realm);
    let seconds = refusal.retry_after().map(|after| after.as_secs().max(1).to_string());
    let mut lines = vec![("Status", status.as_str()), ("Content-Type", "text/plain")];
    if refusal.http_status() == 401 {
        lines.push(("WWW-Authenticate", &challenge));
    }
    if let Some(seconds) = &seconds {
        lines.push(("Retry-After", seconds));
    }
    write.write_all(&header(&lines))?;
    writeln!(write, "{}", refusal.message())?;
    write.flush()
}

/// The value of `WWW-Authenticate`.
pub(crate) fn challenge(realm: &str) -> String {
    let realm: String = realm.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect();
    format!("Basic realm=\"{realm}\"")
}

/// A request body, inflated where it is compressed.
struct Body<R> {
    read: R,
    inflater: Option<Inflater>,
    packed: Vec<u8>,
    used: usize,
    plain: io::Cursor<Vec<u8>>,
    ended: bool,
}

impl<R: Read> Read for Body<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(inflater) = &mut self.inflater else { return self.read.read(into) };
        loop {
            let count = self.plain.read(into)?;
            if count > 0 || into.is_empty() || self.ended {
                return Ok(count);
            }
            self.plain.set_position(0);
            self.plain.get_mut().clear();
            if self.used == self.packed.len() {
                self.packed.resize(16 << 10, 0);
                self.used = 0;
                let count = self.read.read(&mut self.packed);
                self.packed.truncate(*count.as_ref().unwrap_or(&0));
                if count? == 0 {
                    self.ended = true;
                    inflater.finish(self.plain.get_mut())?;
                    let count = self.plain.read(into)?;
                    return Ok(count);
                }
            }
            self.used += inflater.inflate(&self.packed[self.used..], self.plain.get_mut())?;
        }
    }
}

/// Waits for a future on this thread.
fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut task = std::task::Context::from_waker(&waker);
    loop {
        match std::pin::Pin::new(&mut future).poll(&mut task) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
