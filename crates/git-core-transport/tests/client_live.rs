//! The client's drivers against `git`: child processes, ssh's way of starting them, `git daemon`, and
//! `git http-backend`; every version, both object formats.

#![allow(clippy::unwrap_used)]

mod client_support;

use client_support::{Behaviour, HttpServer, git, repository, rev, run, run_with};
use git_core_object::{BoxError, Context, ErrorKind, ObjectFormat, ObjectId};
use git_core_protocol::{ProtocolVersion, Service};
use git_core_ref_names::name;
use git_core_transport::client::{
    Ack, Command, ConnectOptions, Connection, Credential, CredentialRequest, CredentialSource, FetchOptions,
    GraphWalker, LsRefsOptions, NoHistory, PushOptions, SshProgram, TransportError, connect, fetch, ls_refs,
    push,
};
use git_core_transport::url::GitUrl;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};

mod git_core_ref_names {
    pub(crate) fn name(text: &str) -> git_core_ref::RefName {
        git_core_ref::RefName::new(text).unwrap()
    }
}

const VERSIONS: [ProtocolVersion; 3] = [ProtocolVersion::V0, ProtocolVersion::V1, ProtocolVersion::V2];
const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];

fn options(version: ProtocolVersion) -> ConnectOptions {
    let mut options = ConnectOptions::default();
    options.version = version;
    options
}

struct Walk {
    haves: std::vec::IntoIter<ObjectId>,
    acks: usize,
}

impl GraphWalker for Walk {
    fn next_have(&mut self) -> Result<Option<ObjectId>, BoxError> {
        Ok(self.haves.next())
    }
    fn ack(&mut self, _ack: &Ack) -> Result<(), BoxError> {
        self.acks += 1;
        Ok(())
    }
}

/// Lists, clones half, then fetches the rest, each over a new connection; then pushes, updates and deletes.
fn whole_conversation(
    server: &Path,
    format: ObjectFormat,
    mut open: impl FnMut(Service) -> Result<Connection, TransportError>,
) {
    let cx = Context::new();
    let (tip, half) = (rev(server, "main"), rev(server, "main~20"));
    let client = tempfile::tempdir().unwrap();
    run(client.path(), &["init", "-q", "--bare", &format!("--object-format={format}")]);

    let mut connection = open(Service::UploadPack).unwrap();
    assert_eq!(connection.advertisement().format, format);
    let refs = ls_refs(&mut connection, &LsRefsOptions::default(), &cx).unwrap();
    assert_eq!(
        refs.iter().map(|r| r.name.to_string()).collect::<Vec<_>>(),
        ["HEAD", "refs/heads/half", "refs/heads/main"]
    );
    assert_eq!(refs[0].symref, Some(name("refs/heads/main")));
    let mut pack = Vec::new();
    let mut sink = |bytes: &[u8]| {
        pack.extend_from_slice(bytes);
        Ok(())
    };
    fetch(&mut connection, [half], &FetchOptions::default(), &mut NoHistory, &mut sink, &cx).unwrap();
    drop(connection);
    run_with(client.path(), &["index-pack", "--stdin"], &pack);

    let haves = run(client.path(), &["rev-list", &half.to_string()]);
    let haves = haves.lines().map(|line| line.parse().unwrap()).collect::<Vec<ObjectId>>();
    let mut walk = Walk { haves: haves.into_iter(), acks: 0 };
    let mut connection = open(Service::UploadPack).unwrap();
    let mut rest = Vec::new();
    let mut sink = |bytes: &[u8]| {
        rest.extend_from_slice(bytes);
        Ok(())
    };
    fetch(&mut connection, [tip], &FetchOptions::default(), &mut walk, &mut sink, &cx).unwrap();
    assert!(walk.acks > 0);
    assert!(rest.len() < pack.len() * 2, "{} and {}", rest.len(), pack.len());
    run_with(client.path(), &["index-pack", "--stdin", "--fix-thin"], &rest);
    run(client.path(), &["rev-list", "--objects", "--quiet", &tip.to_string()]);

    let new = run_with(
        client.path(),
        &["commit-tree", "-m", "new", "-p", &tip.to_string(), &format!("{tip}^{{tree}}")],
        b"",
    );
    let new: ObjectId = std::str::from_utf8(&new).unwrap().trim().parse().unwrap();
    let packed =
        run_with(client.path(), &["pack-objects", "--revs", "--stdout", "-q"], format!("{new}\n").as_bytes());
    let commands = [
        Command { name: name("refs/heads/new"), old: None, new: Some(new) },
        Command { name: name("refs/heads/half"), old: Some(half), new: None },
        Command { name: name("refs/heads/main"), old: Some(half), new: Some(new) },
    ];
    let mut pieces = packed.chunks(100_000);
    let mut source = |out: &mut Vec<u8>| {
        let Some(piece) = pieces.next() else { return Ok(ControlFlow::Break(())) };
        out.extend_from_slice(piece);
        Ok(ControlFlow::Continue(()))
    };
    let mut connection = open(Service::ReceivePack).unwrap();
    let report = push(&mut connection, &commands, &PushOptions::default(), &mut source, &cx).unwrap();
    drop(connection);
    use git_core_transport::client::RefStatus;
    assert!(
        matches!(report.statuses[..], [RefStatus::Ok { .. }, RefStatus::Ok { .. }, RefStatus::Rejected(_)]),
        "{report:?}"
    );
    assert_eq!(rev(server, "new"), new);
    assert_eq!(rev(server, "main"), tip);
    run(server, &["fsck", "--full", "--strict"]);
    run(server, &["update-ref", "refs/heads/half", &half.to_string()]);
    run(server, &["update-ref", "-d", "refs/heads/new"]);
}

fn server(dir: &Path, format: ObjectFormat) -> std::path::PathBuf {
    // Large enough that a push of all of it exceeds the buffer of 1 MiB.
    let path = repository(dir, "server", format, 60, 24_000);
    run(&path, &["branch", "half", "main~20"]);
    path
}

#[test]
fn child_processes() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = server(dir.path(), format);
        for version in VERSIONS {
            whole_conversation(&path, format, |service| {
                let mut command = git(&path);
                command.arg(service.short_name()).arg(".");
                Connection::to_program(command, service, &options(version), &Context::new())
            });
        }
    }
}

#[test]
fn ssh() {
    let dir = tempfile::tempdir().unwrap();
    let path = server(dir.path(), ObjectFormat::Sha1);
    // Logs its arguments and runs the last one, as the other end of ssh would.
    let script = dir.path().join("ssh.sh");
    let body = "#!/bin/sh\nfor last; do echo \"$last\" >>\"$0.log\"; done\neval \"exec $last\"\n";
    std::fs::write(&script, body).unwrap();
    let url = GitUrl::parse(format!("ssh://me@example.com:99{}", path.display())).unwrap();
    for version in VERSIONS {
        whole_conversation(&path, ObjectFormat::Sha1, |service| {
            let mut options = options(version);
            options.ssh = SshProgram::Shell(format!("sh {}", script.display()).into());
            connect(&url, service, options, &Context::new())
        });
    }
    let log = std::fs::read_to_string(dir.path().join("ssh.sh.log")).unwrap();
    assert!(log.contains("-p\n99\nme@example.com\ngit-upload-pack '"), "{log}");

    let mut options = options(ProtocolVersion::V2);
    options.ssh = SshProgram::Shell("echo cannot resolve >&2; false".into());
    match connect(&url, Service::UploadPack, options, &Context::new()) {
        Err(TransportError::Program { message, .. }) => assert_eq!(message.to_string(), "cannot resolve"),
        other => panic!("{:?}", other.err()),
    }
}

/// A daemon on a free port, ended with its process group's leader.
struct Daemon(std::process::Child, u16);

impl Daemon {
    fn start(root: &Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = std::process::Command::new(run(root, &["--exec-path"]) + "/git-daemon")
            .args(["--listen=127.0.0.1", &format!("--port={port}"), "--export-all", "--enable=receive-pack"])
            .arg(format!("--base-path={}", root.display()))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        Daemon(child, port)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn git_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let path = server(dir.path(), ObjectFormat::Sha1);
    let daemon = Daemon::start(dir.path());
    let url = GitUrl::parse(format!("git://127.0.0.1:{}/server", daemon.1)).unwrap();
    for version in VERSIONS {
        whole_conversation(&path, ObjectFormat::Sha1, |service| {
            connect(&url, service, options(version), &Context::new())
        });
    }
    let url = GitUrl::parse(format!("git://127.0.0.1:{}/nothing", daemon.1)).unwrap();
    let error =
        connect(&url, Service::UploadPack, options(ProtocolVersion::V2), &Context::new()).err().unwrap();
    assert!(error.to_string().contains("access denied or repository not exported"), "{error}");
}

#[cfg(feature = "http")]
#[test]
fn http() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = server(dir.path(), format);
        let http = HttpServer::start(dir.path(), Behaviour::default());
        let url = GitUrl::parse(format!("http://{}/server/", http.address)).unwrap();
        for version in VERSIONS {
            whole_conversation(&path, format, |service| {
                connect(&url, service, options(version), &Context::new())
            });
        }
        // Many haves make a request that is worth compressing.
        let cx = Context::new();
        let strange = (0..500u64).map(|n| {
            let raw = [n.to_be_bytes(); 4].concat();
            ObjectId::from_bytes(format, &[raw.as_slice(), &raw].concat()[..format.raw_len()]).unwrap()
        });
        let mut walk = Walk { haves: strange.collect::<Vec<_>>().into_iter(), acks: 0 };
        let mut connection = connect(&url, Service::UploadPack, ConnectOptions::default(), &cx).unwrap();
        let mut bytes = 0;
        let mut sink = |piece: &[u8]| {
            bytes += piece.len();
            Ok(())
        };
        let wants = [rev(&path, "main")];
        fetch(&mut connection, wants, &FetchOptions::default(), &mut walk, &mut sink, &cx).unwrap();
        assert!(bytes > 1 << 20);
        let seen = http.seen.lock().unwrap();
        assert!(seen.iter().any(|s| s.headers.get("content-encoding").is_some_and(|e| e == "gzip")));
        // The large push was probed for, then sent in chunks.
        let chunked = seen.iter().position(|s| s.headers.contains_key("transfer-encoding"));
        let chunked = chunked.unwrap_or_else(|| panic!("{seen:#?}"));
        assert!(seen[chunked].body > 1 << 20);
        assert_eq!(
            (seen[chunked - 1].body, seen[chunked - 1].line.as_str()),
            (4, "POST /server/git-receive-pack HTTP/1.1\r\n")
        );
    }
}

#[derive(Clone, Default)]
struct Passwords {
    known: Vec<&'static str>,
    log: Arc<Mutex<Vec<String>>>,
}

impl CredentialSource for Passwords {
    fn get(&mut self, request: &CredentialRequest) -> Result<Option<Credential>, BoxError> {
        self.log.lock().unwrap().push(format!("get {} {}", request.protocol, request.path));
        Ok(self.known.pop().map(|password| Credential { username: "me".into(), password: password.into() }))
    }
    fn approve(&mut self, _request: &CredentialRequest, credential: &Credential) {
        self.log.lock().unwrap().push(format!("approve {}", credential.password));
    }
    fn reject(&mut self, _request: &CredentialRequest, credential: &Credential) {
        self.log.lock().unwrap().push(format!("reject {}", credential.password));
    }
}

/// `me:secret`
const BASIC: &str = "Basic bWU6c2VjcmV0";

#[cfg(feature = "http")]
#[test]
fn http_authentication_and_redirects() {
    let dir = tempfile::tempdir().unwrap();
    let path = server(dir.path(), ObjectFormat::Sha1);
    let behaviour = Behaviour { password: Some(("/server/", BASIC.to_owned())), ..Behaviour::default() };
    let http = HttpServer::start(dir.path(), behaviour);
    let url = GitUrl::parse(format!("http://{}/server", http.address)).unwrap();
    let cx = Context::new();

    let error = connect(&url, Service::UploadPack, ConnectOptions::default(), &cx).err().unwrap();
    assert!(matches!(error, TransportError::Unauthorized { .. }) && error.kind() == ErrorKind::Denied);

    let passwords = Passwords { known: vec!["secret", "wrong"], ..Passwords::default() };
    let mut options = ConnectOptions::default();
    options.credentials = Some(Box::new(passwords.clone()));
    let mut connection = connect(&url, Service::UploadPack, options, &cx).unwrap();
    assert_eq!(ls_refs(&mut connection, &LsRefsOptions::default(), &cx).unwrap().len(), 3);
    assert_eq!(
        *passwords.log.lock().unwrap(),
        ["get http server", "reject wrong", "get http server", "approve secret"]
    );

    let with_password = GitUrl::parse(format!("http://me:secret@{}/server", http.address)).unwrap();
    whole_conversation(&path, ObjectFormat::Sha1, |service| {
        connect(&with_password, service, ConnectOptions::default(), &cx)
    });

    // A redirect on the same host keeps the password; to another one (by port) it does not go along.
    let to = format!("http://{}/server", http.address);
    let redirecting = Behaviour { redirect: Some(("/moved", to)), ..Behaviour::default() };
    let other = HttpServer::start(dir.path(), redirecting);
    let url = GitUrl::parse(format!("http://me:secret@{}/moved", other.address)).unwrap();
    let error = connect(&url, Service::UploadPack, ConnectOptions::default(), &cx).err().unwrap();
    assert!(matches!(error, TransportError::Unauthorized { .. }), "{error}");
    let last = http.seen.lock().unwrap().last().unwrap().clone();
    assert!(!last.headers.contains_key("authorization"));

    let same = Behaviour { redirect: Some(("/moved", "/server".to_owned())), ..Behaviour::default() };
    let http = HttpServer::start(dir.path(), same);
    let url = GitUrl::parse(format!("http://{}/moved", http.address)).unwrap();
    whole_conversation(&path, ObjectFormat::Sha1, |service| {
        connect(&url, service, ConnectOptions::default(), &cx)
    });
    assert!(
        http.seen.lock().unwrap().iter().all(|s| s.line.starts_with("GET") || !s.line.contains("/moved"))
    );
}

#[cfg(feature = "http")]
#[test]
fn http_errors() {
    let dir = tempfile::tempdir().unwrap();
    let attempt = |answer: Option<&'static str>| {
        let http = HttpServer::start(dir.path(), Behaviour { answer, ..Behaviour::default() });
        let url = GitUrl::parse(format!("http://{}/nothing", http.address)).unwrap();
        connect(&url, Service::UploadPack, ConnectOptions::default(), &Context::new()).err().unwrap()
    };
    assert!(matches!(attempt(None), TransportError::NotFound { .. }));
    let answer = "HTTP/1.1 403 No\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\ngo \x1baway";
    let error = attempt(Some(answer));
    assert!(matches!(error, TransportError::Forbidden { .. }));
    assert!(error.to_string().ends_with("is forbidden: go ?away"), "{error}");
    let error =
        attempt(Some("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"));
    assert!(matches!(error, TransportError::NotSmart { .. }), "{error}");
    let error = attempt(Some("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let error = attempt(Some(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/login\r\nContent-Length: 0\r\n\r\n",
    ));
    assert!(matches!(error, TransportError::Redirect { .. }), "{error}");
    let error = attempt(Some(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nContent-Length: 9000\r\n\r\n001e# service=",
    ));
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for scheme in ["http", "git"] {
        let url = GitUrl::parse(format!("{scheme}://127.0.0.1:{port}/x")).unwrap();
        let error =
            connect(&url, Service::UploadPack, ConnectOptions::default(), &Context::new()).err().unwrap();
        assert!(matches!(error, TransportError::Connect { .. }), "{error:?}");
    }
}

#[test]
fn silence_and_cancelling_end_a_conversation() {
    use git_core_object::Cancel;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for scheme in ["git", "http"] {
        if scheme == "http" && !cfg!(feature = "http") {
            continue;
        }
        let url = GitUrl::parse(format!("{scheme}://{address}/x")).unwrap();
        let mut options = ConnectOptions::default();
        options.idle_timeout = std::time::Duration::from_millis(150);
        let error = connect(&url, Service::UploadPack, options, &Context::new()).err().unwrap();
        assert!(matches!(error, TransportError::Silent { .. }), "{error:?}");

        let cancel = Cancel::new();
        let cx = Context::new().with_cancel(cancel.clone());
        let stopper = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(50));
            cancel.cancel();
        });
        let error = connect(&url, Service::UploadPack, ConnectOptions::default(), &cx).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        stopper.join().unwrap();
    }
}
