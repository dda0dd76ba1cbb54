//! The blocking drivers: real `git` clients over pipes, CGI responses beside those of `git http-backend`, and a
//! peer that does not read.
#![cfg(all(feature = "server", unix))]
#![allow(clippy::unwrap_used)]

mod support;

use git_core_object::{Context, ObjectFormat, ObjectId};
use git_core_protocol::server::{
    Answer, Mode, PackRequest, Question, ReceivePackOptions, UpdateReport, UpdateRequest, UploadPackOptions,
    Wants,
};
use git_core_protocol::{ProtocolVersion, Service};
use git_core_transport::server::{
    Backend, BoxFuture, CgiOptions, CgiRequest, GitServer, PackSink, PackStream, Received, Refusal, Request,
    ServerOptions, Session, StdioOptions, serve_cgi, serve_stdio,
};
use std::fs::File;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use support::{GitBackend, commit, git, repository, run, try_run};
use tempfile::TempDir;

/// Serves one conversation over two named pipes, to which `git` is joined by a script that takes the place of
/// its `upload-pack` or `receive-pack`.
fn over_pipes(root: &Path, service: Service, version: u8, args: &[&str]) -> std::process::Output {
    let dir = TempDir::new().unwrap();
    let (to, from) = (dir.path().join("to"), dir.path().join("from"));
    assert!(Command::new("mkfifo").args([&to, &from]).status().unwrap().success());
    let script = dir.path().join("serve");
    let text = format!("#!/bin/sh\ncat <'{}' &\ncat >'{}'\nwait\n", from.display(), to.display());
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = std::thread::spawn({
        let backend = GitBackend::new(root);
        move || {
            let mut session = backend.session(b"/served.git").unwrap();
            let write = File::options().write(true).open(&from).unwrap();
            let read = File::open(&to).unwrap();
            let mut options = StdioOptions::default();
            options.version = ProtocolVersion::from_request(format!("version={version}").as_bytes());
            serve_stdio(&mut session, service, &options, read, write, &Context::new())
        }
    });
    let program = format!("--{}={}", service.short_name(), script.display());
    let args: Vec<&str> =
        args.iter().map(|arg| if *arg == "PROGRAM" { program.as_str() } else { *arg }).collect();
    let output = try_run(root, version, &args);
    server.join().unwrap().unwrap();
    output
}

#[test]
fn git_clients_over_pipes() {
    for format in ["sha1", "sha256"] {
        let root = TempDir::new().unwrap();
        let source = root.path().join("source");
        std::fs::create_dir(&source).unwrap();
        repository(&source, format);
        run(root.path(), &["clone", "-q", "--bare", "source", "served.git"]);
        let url = format!("file://{}", root.path().join("served.git").display());
        for version in [0, 1, 2] {
            let clone = format!("clone-{version}");
            let fetch = |args: &[&str]| {
                let output = over_pipes(root.path(), Service::UploadPack, version, args);
                assert!(output.status.success(), "v{version} {args:?} {output:?}");
                String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr)
            };
            let said = fetch(&["clone", "--mirror", "--progress", "PROGRAM", &url, &clone]);
            assert!(said.contains("remote: counted by git"), "{said}");
            let clone = root.path().join(clone);
            assert_eq!(run(&clone, &["for-each-ref"]), run(&source, &["for-each-ref"]));
            run(&clone, &["fsck", "--full"]);
            fetch(&["ls-remote", "PROGRAM", &url]);

            let new = commit(&source, &format!("pushed {version}"), 100);
            let output = over_pipes(
                root.path(),
                Service::ReceivePack,
                version,
                &["-C", "source", "push", "PROGRAM", &url, "main"],
            );
            assert!(output.status.success(), "{output:?}");
            assert_eq!(run(&root.path().join("served.git"), &["rev-parse", "main"]), new);
            fetch(&["-C", clone.to_str().unwrap(), "fetch", "-q", "PROGRAM", &url, "+refs/*:refs/*"]);
            assert_eq!(run(&clone, &["rev-parse", "main"]), new);
        }
    }
}

fn cgi(backend: &GitBackend, method: &str, path: &str, query: &str, body: &[u8]) -> String {
    let mut request = CgiRequest::default();
    request.method = method.to_owned();
    request.path_info = path.as_bytes().to_vec();
    request.query_string = query.to_owned();
    let service = path.rsplit('/').next().unwrap();
    request.content_type = Some(format!("application/x-{service}-request"));
    request.content_length = Some(body.len() as u64);
    if body.starts_with(b"\x1f\x8b") {
        request.content_encoding = Some("gzip".to_owned());
    }
    let mut out = Vec::new();
    let _ = serve_cgi(backend, &request, &CgiOptions::default(), body, &mut out, &Context::new());
    String::from_utf8_lossy(&out).into_owned()
}

/// What `git http-backend` says to the same request.
fn http_backend(root: &Path, method: &str, path: &str, query: &str) -> String {
    let mut command = git(root, &["http-backend"]);
    command
        .env("SERVER_PROTOCOL", "HTTP/1.1")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method);
    command.env("PATH_INFO", path).env("QUERY_STRING", query);
    String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
}

#[test]
fn cgi_responses_are_those_of_http_backend() {
    let root = TempDir::new().unwrap();
    let source = root.path().join("source");
    std::fs::create_dir(&source).unwrap();
    repository(&source, "sha1");
    run(root.path(), &["clone", "-q", "--bare", "source", "served.git"]);
    let backend = GitBackend::new(root.path());
    let header = |response: &str| {
        let (header, body) = response.split_once("\r\n\r\n").unwrap();
        let mut lines: Vec<String> = header.lines().map(str::to_owned).collect();
        lines.sort();
        (lines, body.to_owned())
    };
    let (query, path) = ("service=git-upload-pack", "/served.git/info/refs");
    let (ours, theirs) =
        (cgi(&backend, "GET", path, query, b""), http_backend(root.path(), "GET", path, query));
    let ((our_lines, our_body), (their_lines, their_body)) = (header(&ours), header(&theirs));
    assert_eq!(our_lines, their_lines);
    // The refs are the same; what stands on the line with the capabilities is each server's own.
    let refs = |body: &str| body.lines().skip(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(our_body.lines().next(), their_body.lines().next());
    assert_eq!(refs(&our_body), refs(&their_body));

    for (method, path, query) in [
        ("GET", "/none.git/info/refs", query),
        ("GET", "/served.git/git-upload-pack", ""),
        ("GET", "/served.git/info/refs", "service=git-foo"),
    ] {
        let status =
            |response: &str| response.lines().find(|line| line.starts_with("Status:")).map(str::to_owned);
        let ours = cgi(&backend, method, path, query, b"");
        assert_eq!(status(&ours), status(&http_backend(root.path(), method, path, query)), "{path}");
    }

    let head = run(&source, &["rev-parse", "HEAD"]);
    let body = format!("0032want {head}\n00000009done\n");
    let plain = cgi(&backend, "POST", "/served.git/git-upload-pack", "", body.as_bytes());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(body.as_bytes()).unwrap();
    let packed = cgi(&backend, "POST", "/served.git/git-upload-pack", "", &packed.finish().unwrap());
    assert!(plain.contains("0008NAK\nPACK") && plain.contains("x-git-upload-pack-result"), "{plain}");
    assert_eq!(plain.len(), packed.len());
    let busy = cgi(&backend, "GET", "/busy/info/refs", query, b"");
    assert!(busy.starts_with("Status: 503 Service Unavailable\r\n") && busy.contains("Retry-After: 7\r\n"));
}

/// A session with a pack of this many bytes, which counts what has been made of it.
struct Endless {
    left: u64,
    made: Arc<AtomicU64>,
}

impl Session for Endless {
    fn upload_pack(&self) -> UploadPackOptions {
        UploadPackOptions::default()
    }
    fn receive_pack(&self) -> ReceivePackOptions {
        ReceivePackOptions::default()
    }
    fn answer(&mut self, question: Question, _: &Context) -> Result<Answer, Refusal> {
        match question {
            Question::Refs(_) => Ok(Answer::Refs(Default::default())),
            _ => Ok(Answer::Wants(Wants::Accepted)),
        }
    }
    fn send(&mut self, _: PackRequest, _: &Context) -> Result<Box<dyn PackStream>, Refusal> {
        Ok(Box::new(Endless { left: self.left, made: self.made.clone() }))
    }
    fn receive(&mut self, _: &Context) -> Result<Box<dyn PackSink>, Refusal> {
        Err(Refusal::forbidden("read only"))
    }
    fn update(
        &mut self,
        _: UpdateRequest,
        _: Option<Received>,
        _: &Context,
    ) -> Result<UpdateReport, Refusal> {
        Err(Refusal::forbidden("read only"))
    }
}

impl PackStream for Endless {
    fn fill(&mut self, out: &mut Vec<u8>, _: &Context) -> Result<ControlFlow<()>, Refusal> {
        let count = self.left.min((out.capacity() - out.len()) as u64);
        out.resize(out.len() + count as usize, 0);
        self.left -= count;
        self.made.fetch_add(count, Ordering::SeqCst);
        Ok(if self.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

struct EndlessBackend(u64, Arc<AtomicU64>);

impl Backend for EndlessBackend {
    fn open<'a>(&'a self, _: &'a Request) -> BoxFuture<'a, Result<Box<dyn Session>, Refusal>> {
        let session = Endless { left: self.0, made: self.1.clone() };
        Box::pin(async move { Ok(Box::new(session) as Box<dyn Session>) })
    }
}

#[test]
fn a_peer_that_does_not_read_holds_buffers_and_no_thread() {
    const SIZE: u64 = 128 << 20;
    let made = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut options = ServerOptions::default();
    // With one place for workers, a thread that waited for a peer would stop everybody.
    (options.stream_workers, options.heavy_workers) = (1, 1);
    let backend = Arc::new(EndlessBackend(SIZE, made.clone()));
    let server = runtime.block_on(GitServer::bind("127.0.0.1:0", backend, options)).unwrap();
    let id = ObjectId::null(ObjectFormat::Sha1);
    let request = format!("0022git-upload-pack /x\0host=local\00032want {id}\n00000009done\n");
    assert_eq!(&request[..4], "0022");
    let mut slow: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(server.local_addr()).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    // Until the server waits for all four.
    let mut last = 0;
    loop {
        std::thread::sleep(Duration::from_millis(400));
        let now = made.load(Ordering::SeqCst);
        if now > 0 && now == last {
            break;
        }
        last = now;
    }
    // Most of this is the kernel's: what a connection holds itself is less than 2 MiB.
    assert!(last < 4 * (24 << 20), "{last} bytes were made for peers that read nothing");
    let mut stream = slow.pop().unwrap();
    let total = std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    assert!(total > SIZE, "{total}");
    drop(slow);
    runtime.block_on(server.shutdown());
}

#[test]
fn an_advertisement_alone_needs_no_input() {
    let mut session = Endless { left: 0, made: Arc::default() };
    let mut options = StdioOptions::default();
    options.mode = Mode::Advertise;
    let mut out = Vec::new();
    let served =
        serve_stdio(&mut session, Service::UploadPack, &options, Broken, &mut out, &Context::new()).unwrap();
    assert_eq!(served.sent, out.len() as u64);
    assert!(out.ends_with(b"0000"));
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::Other.into())
    }
}
