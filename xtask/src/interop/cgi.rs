//! The smallest web server that can run a `git http-backend`: a test tool, on loopback, one thread and one
//! request per connection.

use crate::Outcome;
use crate::run::Running;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A running server; dropping it stops it.
pub(super) struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Server {
    /// `backend` makes the command to run for a request, with everything set but the request itself.
    pub(super) fn start(backend: impl Fn() -> Command + Send + Sync + 'static) -> Outcome<Server> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, backend) = (Arc::clone(&stop), Arc::new(backend));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let backend = Arc::clone(&backend);
                std::thread::spawn(move || {
                    if let Err(error) = answer(&stream, backend()) {
                        // The client may have gone; then nobody reads this.
                        let _ = write!(&stream, "HTTP/1.1 500 broken\r\nContent-Length: 0\r\n\r\n");
                        eprintln!("cgi: {error}");
                    }
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Ok(Server { address, stop })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

/// What of the request a backend is told.
#[derive(Default)]
struct Head {
    method: String,
    path: String,
    query: String,
    kind: String,
    encoding: String,
    protocol: String,
    length: Option<u64>,
    chunked: bool,
    waits: bool,
}

fn answer(stream: &TcpStream, mut command: Command) -> io::Result<()> {
    let mut input = BufReader::new(stream.try_clone()?);
    let Some(head) = head(&mut input)? else { return Ok(()) };
    if head.waits {
        write!(&*stream, "HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    command
        .env("GATEWAY_INTERFACE", "CGI/1.1")
        .env("REQUEST_METHOD", &head.method)
        .env("PATH_INFO", &head.path)
        .env("QUERY_STRING", &head.query)
        .env("CONTENT_TYPE", &head.kind)
        .env("SERVER_PROTOCOL", "HTTP/1.1")
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("REMOTE_USER", "tester");
    if !head.encoding.is_empty() {
        command.env("HTTP_CONTENT_ENCODING", &head.encoding);
    }
    if !head.protocol.is_empty() {
        command.env("GIT_PROTOCOL", &head.protocol).env("HTTP_GIT_PROTOCOL", &head.protocol);
    }
    if let Some(length) = head.length {
        command.env("CONTENT_LENGTH", length.to_string());
    }
    let mut child = Running(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    let missing = || io::Error::other("no pipe to the backend");
    let mut to = child.0.stdin.take().ok_or_else(missing)?;
    let from = child.0.stdout.take().ok_or_else(missing)?;
    let feeder = std::thread::spawn(move || -> io::Result<()> {
        if head.chunked {
            unchunk(&mut input, &mut to)
        } else {
            io::copy(&mut input.take(head.length.unwrap_or(0)), &mut to).map(|_| ())
        }
    });
    reply(BufReader::new(from), stream)?;
    child.0.wait()?;
    // A backend may refuse before it has read everything; then the pipe breaks, and that is fine.
    let _ = stream.shutdown(Shutdown::Both);
    let _ = feeder.join();
    Ok(())
}

/// The request line and the headers; nothing when the peer has closed without a request.
fn head(input: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let mut head = Head { method: words.next().unwrap_or_default().to_owned(), ..Head::default() };
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    (head.path, head.query) = (path.to_owned(), query.to_owned());
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(Some(head));
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match &name.to_ascii_lowercase()[..] {
            "content-type" => head.kind = value.to_owned(),
            "content-encoding" => head.encoding = value.to_owned(),
            "git-protocol" => head.protocol = value.to_owned(),
            "content-length" => head.length = value.parse().ok(),
            "transfer-encoding" => head.chunked = value.eq_ignore_ascii_case("chunked"),
            "expect" => head.waits = value.eq_ignore_ascii_case("100-continue"),
            _ => {}
        }
    }
}

/// Takes the body of a chunked request apart.
fn unchunk(input: &mut impl BufRead, to: &mut impl Write) -> io::Result<()> {
    let mut line = String::new();
    loop {
        line.clear();
        input.read_line(&mut line)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
        if io::copy(&mut input.take(size), to)? < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.clear();
        input.read_line(&mut line)?;
        if size == 0 {
            return to.flush();
        }
    }
}

/// Turns the answer of a CGI program into one of HTTP that ends with the connection.
fn reply(mut from: impl BufRead, mut to: impl Write) -> io::Result<()> {
    let mut status = "200 OK".to_owned();
    let mut headers = String::new();
    let mut line = String::new();
    loop {
        line.clear();
        if from.read_line(&mut line)? == 0 {
            return Err(io::Error::other("the backend ended before its headers did"));
        }
        let text = line.trim_end();
        if text.is_empty() {
            break;
        }
        match text.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("status") => status = value.trim().to_owned(),
            _ => headers.push_str(&format!("{text}\r\n")),
        }
    }
    write!(to, "HTTP/1.1 {status}\r\n{headers}Connection: close\r\n\r\n")?;
    let mut buffer = [0; 65536];
    loop {
        match from.read(&mut buffer)? {
            0 => return to.flush(),
            count => to.write_all(&buffer[..count])?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_apart() {
        let text = "POST /a.git/git-upload-pack?x=y HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\
            Git-Protocol: version=2\r\nExpect: 100-continue\r\n\r\n3\r\nabc\r\nA;x\r\n0123456789\r\n0\r\n\r\n";
        let mut input = text.as_bytes();
        let head = head(&mut input).unwrap().unwrap();
        assert_eq!((&head.path[..], &head.query[..]), ("/a.git/git-upload-pack", "x=y"));
        assert!(head.chunked && head.waits && head.protocol == "version=2");
        let mut body = Vec::new();
        unchunk(&mut input, &mut body).unwrap();
        assert_eq!(body, b"abc0123456789");
    }

    #[test]
    fn an_answer_is_translated() {
        let mut out = Vec::new();
        reply(&b"Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nno"[..], &mut out).unwrap();
        let expected = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nno";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
