//! What gitprotocol-http(5) says of servers, rule by rule, as requests by the rules of CGI. Each test is named after the
//! section.
#![cfg(all(feature = "server", unix))]
#![allow(clippy::unwrap_used)]

mod support;

use git_core_object::Context;
use git_core_transport::server::{CgiOptions, CgiRequest, serve_cgi};
use std::path::Path;
use support::{GitBackend, repository, run};
use tempfile::TempDir;

struct Server {
    root: TempDir,
    backend: GitBackend,
}

/// What came back: the status, the lines of the header, the body.
struct Response {
    status: u16,
    header: Vec<String>,
    body: Vec<u8>,
}

impl Response {
    fn has(&self, line: &str) -> bool {
        self.header.iter().any(|one| one.eq_ignore_ascii_case(line))
    }
}

impl Server {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let source = root.path().join("source");
        std::fs::create_dir(&source).unwrap();
        repository(&source, "sha1");
        run(root.path(), &["clone", "-q", "--bare", "source", "repo.git"]);
        run(root.path(), &["init", "-q", "--bare", "empty.git"]);
        let backend = GitBackend::new(root.path());
        Server { root, backend }
    }

    fn path(&self) -> &Path {
        self.root.path()
    }

    fn ask(&self, change: impl FnOnce(&mut CgiRequest), body: &[u8]) -> Response {
        let mut request = CgiRequest::default();
        request.method = "GET".to_owned();
        request.path_info = b"/repo.git/info/refs".to_vec();
        change(&mut request);
        if !body.is_empty() {
            request.content_length = Some(body.len() as u64);
        }
        let mut out = Vec::new();
        let _ = serve_cgi(&self.backend, &request, &CgiOptions::default(), body, &mut out, &Context::new());
        let end = out.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let header: Vec<String> = String::from_utf8_lossy(&out[..end]).lines().map(str::to_owned).collect();
        let status = header.iter().find_map(|line| line.strip_prefix("Status: "));
        let status = status.map_or(200, |status| status[..3].parse().unwrap());
        Response { status, header, body: out[end + 4..].to_vec() }
    }

    fn discover(&self, service: &str) -> Response {
        self.ask(|request| request.query_string = format!("service={service}"), b"")
    }

    fn post(&self, service: &str, body: &[u8]) -> Response {
        let change = |request: &mut CgiRequest| {
            request.method = "POST".to_owned();
            request.path_info = format!("/repo.git/{service}").into_bytes();
            request.content_type = Some(format!("application/x-{service}-request"));
        };
        self.ask(change, body)
    }
}

#[test]
fn http_general_request_processing_a_repository_that_is_not_there() {
    let server = Server::new();
    let found = server.ask(
        |request| {
            request.path_info = b"/none.git/info/refs".to_vec();
            request.query_string = "service=git-upload-pack".to_owned();
        },
        b"",
    );
    assert_eq!(found.status, 404);
}

#[test]
fn http_discovering_references_smart_server_response() {
    let server = Server::new();
    for service in ["git-upload-pack", "git-receive-pack"] {
        let found = server.discover(service);
        assert_eq!(found.status, 200);
        assert!(
            found.has(&format!("Content-Type: application/x-{service}-advertisement")),
            "{:?}",
            found.header
        );
        assert!(
            found.header.iter().any(|line| line.starts_with("Cache-Control: no-cache")),
            "{:?}",
            found.header
        );
        let line = format!("# service={service}\n");
        let begin = format!("{:04x}{line}0000", line.len() + 4);
        assert!(found.body.starts_with(begin.as_bytes()), "{service}");
        assert!(found.body.ends_with(b"0000"));
        // The default ref first, for who fetches, and what the server can do behind a NUL.
        let first = &found.body[begin.len() + 4..];
        let name = first[41..].split(|byte| *byte == 0).next().unwrap();
        assert_eq!(name, if service == "git-upload-pack" { &b"HEAD"[..] } else { b"refs/heads/main" });
    }
}

#[test]
fn http_discovering_references_says_the_version_that_was_asked_for() {
    let server = Server::new();
    let found = server.ask(
        |request| {
            request.query_string = "service=git-upload-pack".to_owned();
            request.git_protocol = Some("what:version=1".to_owned());
        },
        b"",
    );
    assert!(found.body.starts_with(b"001e# service=git-upload-pack\n0000000eversion 1\n"));
}

#[test]
fn http_discovering_references_of_an_empty_repository() {
    let server = Server::new();
    let found = server.ask(
        |request| {
            request.path_info = b"/empty.git/info/refs".to_vec();
            request.query_string = "service=git-receive-pack".to_owned();
        },
        b"",
    );
    let line = format!("{} capabilities^{{}}\0", "0".repeat(40));
    assert!(found.body.windows(line.len()).any(|window| window == line.as_bytes()));
}

#[test]
fn http_discovering_references_of_a_service_that_is_unknown() {
    let server = Server::new();
    assert_eq!(server.discover("git-something").status, 403);
}

#[test]
fn http_session_state_is_with_the_client_alone() {
    // Each request is answered by a server that knows nothing of the ones before.
    let head = {
        let server = Server::new();
        run(&server.path().join("repo.git"), &["rev-parse", "main"])
    };
    let body = format!("0032want {head}\n00000009done\n");
    let answers = [(); 2].map(|()| Server::new().post("git-upload-pack", body.as_bytes()).body);
    assert!(answers[0].starts_with(b"0008NAK\nPACK"));
    assert_eq!(answers[0].len(), answers[1].len());
}

#[test]
fn http_smart_service_git_upload_pack() {
    let server = Server::new();
    let head = run(&server.path().join("repo.git"), &["rev-parse", "main"]);
    let parent = run(&server.path().join("repo.git"), &["rev-parse", "main~1"]);
    let found = server
        .post("git-upload-pack", format!("0032want {head}\n00000032have {parent}\n0009done\n").as_bytes());
    assert_eq!(found.status, 200);
    assert!(found.has("Content-Type: application/x-git-upload-pack-result"), "{:?}", found.header);
    assert!(found.header.iter().any(|line| line.starts_with("Cache-Control: no-cache")));
    assert!(found.body.starts_with(format!("0031ACK {parent}\n").as_bytes()));
    assert!(found.body.windows(4).any(|window| window == b"PACK"));
    // A round without `done` ends with what is common, and without a pack.
    let found = server.post(
        "git-upload-pack",
        format!("0032want {head}\n00000032have {}\n0000", "1".repeat(40)).as_bytes(),
    );
    assert_eq!(found.body, b"0008NAK\n");
}

#[test]
fn http_smart_service_git_upload_pack_grants_what_was_shown() {
    let server = Server::new();
    let found =
        server.post("git-upload-pack", format!("0032want {}\n00000009done\n", "1".repeat(40)).as_bytes());
    assert!(found.body.starts_with(b"0048ERR ") || found.body.windows(4).any(|window| window == b"ERR "));
    assert!(!found.body.windows(4).any(|window| window == b"PACK"));
}

#[test]
fn http_smart_service_git_receive_pack() {
    let server = Server::new();
    let topic = run(&server.path().join("repo.git"), &["rev-parse", "topic"]);
    let command = format!("{topic} {} refs/heads/topic\0report-status", "0".repeat(40));
    let found = server.post("git-receive-pack", format!("{:04x}{command}0000", command.len() + 4).as_bytes());
    assert_eq!(found.status, 200);
    assert!(found.has("Content-Type: application/x-git-receive-pack-result"), "{:?}", found.header);
    assert_eq!(found.body, b"000eunpack ok\n0018ok refs/heads/topic\n0000");
    assert_eq!(run(&server.path().join("repo.git"), &["branch", "--list", "topic"]), "");
}

#[test]
fn http_smart_services_take_posts_of_their_own_content_type() {
    let server = Server::new();
    let found = server.ask(
        |request| {
            request.method = "POST".to_owned();
            request.path_info = b"/repo.git/git-upload-pack".to_vec();
            request.content_type = Some("text/plain".to_owned());
        },
        b"0000",
    );
    assert_eq!(found.status, 415);
    let found = server.ask(|request| request.path_info = b"/repo.git/git-upload-pack".to_vec(), b"");
    assert_ne!(found.status, 200);
}
