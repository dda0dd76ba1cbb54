//! S11: the smart protocol over HTTP in both directions, with `report-status`.
#![allow(clippy::unwrap_used)]

mod support;

use git_core::Repository;
use git_core::object::Context;
use git_core::remote::PushStatus;
use git_core::server::{Backing, DeleteCurrent, PushAccess, ReceivePolicy, Server, SessionOptions, Terms};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::Path;
use support::{FORMATS, Serving, VERSIONS, bare, history, link, output, push_specs, refs, rev, run, sound};

/// One request, raw: the status line, the headers and what is behind them.
fn request(url: &str, head: &str, body: &[u8]) -> (String, Vec<u8>) {
    let rest = url.strip_prefix("http://").unwrap();
    let (address, path) = rest.split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head = head.replacen(" /", &format!(" /{path}/"), 1);
    let length = body.len();
    write!(stream, "{head}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n")
        .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let split = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let body = answer.split_off(split + 4);
    (String::from_utf8(answer).unwrap().to_ascii_lowercase(), body)
}

#[test]
fn s11_the_advertisement() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        let serving = Serving::paths([("project", path.as_path())]);
        let url = serving.url("http", "project");
        for service in ["git-upload-pack", "git-receive-pack"] {
            let (head, body) = request(&url, &format!("GET /info/refs?service={service} HTTP/1.1"), b"");
            assert!(head.starts_with("http/1.1 200"), "{head}");
            assert!(head.contains(&format!("content-type: application/x-{service}-advertisement")), "{head}");
            assert!(head.contains("cache-control: no-cache"), "{head}");
            let text = String::from_utf8_lossy(&body).into_owned();
            assert!(text.contains(&format!("# service={service}\n0000")), "{text}");
            assert!(text.contains(&format!("{} refs/heads/master", rev(&path, "master"))), "{text}");
            assert_eq!(text.contains("report-status"), service == "git-receive-pack");
            assert!(text.contains(&format!("object-format={}", format.name())), "{text}");
        }
        let head = "GET /info/refs?service=git-upload-pack HTTP/1.1\r\nGit-Protocol: version=2";
        let (_, body) = request(&url, head, b"");
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains("000eversion 2\n") && !text.contains("refs/heads"), "{text}");
        for bad in ["GET /info/refs?service=git-upload-archive HTTP/1.1", "POST /git-nothing HTTP/1.1"] {
            let (head, _) = request(&url, bad, b"");
            assert!(head.starts_with("http/1.1 4"), "{head}");
        }
    }
}

#[test]
fn s11_git_gets_a_report_for_each_ref() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let here = history::source(dir.path(), "here", format);
        let there = bare(dir.path(), "there", format);
        let serving = Serving::paths([("there", there.as_path())]);
        let url = serving.url("http", "there");
        let push = |specs: &[&str]| {
            let output = output(&here, &[&["push", "--porcelain", &url], specs].concat());
            (output.status.success(), String::from_utf8(output.stdout).unwrap())
        };
        let (ok, report) = push(&["master", "topic"]);
        assert!(ok, "{report}");
        assert!(report.contains("*\trefs/heads/master:refs/heads/master\t[new branch]"), "{report}");
        // The branch that HEAD points to is not deleted; the other one is.
        let (ok, report) = push(&[":master", ":topic"]);
        assert!(!ok);
        assert!(
            report.contains(
                "!\t:refs/heads/master\t[remote rejected] (deletion of the current branch prohibited)"
            ),
            "{report}"
        );
        assert!(report.contains("-\t:refs/heads/topic\t[deleted]"), "{report}");
        // Large pushes come in chunks, after a probe.
        history::grow_with(&here, "large", Some("refs/heads/master"), 0..40, 6000);
        let (ok, report) = push(&["large"]);
        assert!(ok, "{report}");
        assert_eq!(rev(&there, "large"), rev(&here, "large"));
        support::tidy(&there);
        sound(&there);
    }
}

#[test]
fn s11_our_push_gets_a_report_for_each_ref() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let here = history::source(dir.path(), "here", format);
        let repository = Repository::open(&here).unwrap();
        let cx = Context::new();
        let ours = bare(dir.path(), "ours", format);
        let serving = Serving::paths([("ours", ours.as_path())]);
        let mut places = vec![(serving.url("http", "ours"), ours)];
        #[cfg(unix)]
        {
            let theirs = bare(dir.path(), "theirs", format);
            run(&theirs, &["config", "http.receivepack", "true"]);
            places.push((format!("http://{}/theirs", support::real::http_backend(dir.path())), theirs));
        }
        for (url, there) in places {
            let remote = repository.remote(&url).unwrap();
            let push = |specs: &[&str]| remote.push(&push_specs(specs), link(VERSIONS[2]), &cx).unwrap();
            assert!(push(&["master", "topic", "v1"]).is_ok());
            let report = push(&[":master", ":topic", "light"]);
            let PushStatus::RemoteRejected(reason) = &report.refs[0].status else { panic!("{report:?}") };
            assert_eq!(reason, "deletion of the current branch prohibited");
            assert_eq!(report.refs[1].status, PushStatus::Ok);
            assert_eq!(report.refs[2].status, PushStatus::Ok);
            history::grow_with(
                &here,
                &format!("large{}", there.as_os_str().len()),
                Some("refs/heads/master"),
                0..40,
                6000,
            );
            let large = format!("large{}", there.as_os_str().len());
            assert!(push(&[&large]).is_ok());
            assert_eq!(rev(&there, &large), rev(&here, &large));
            support::tidy(&there);
            sound(&there);
        }
    }
}

/// Serves `path` for who knows a password, on terms that allow what is forbidden elsewhere.
fn guarded(path: &Path) -> git_core::server::Running {
    let names = BTreeMap::from([("project".to_owned(), Repository::open(path).unwrap())]);
    let users = BTreeMap::from([("ann".to_owned(), "secret".to_owned())]);
    let mut policy = ReceivePolicy::default();
    policy.delete_current = DeleteCurrent::Allow;
    let mut options = SessionOptions::default();
    options.policy = policy;
    let backing =
        Backing::new(names).with_access(PushAccess::Users(users)).with_terms(Terms::Same(Box::new(options)));
    Server::new(backing).listen_http("127.0.0.1:0".parse().unwrap()).unwrap()
}

#[test]
fn s11_pushing_takes_a_password() {
    let dir = tempfile::tempdir().unwrap();
    let here = history::source(dir.path(), "here", FORMATS[0]);
    let there = bare(dir.path(), "there", FORMATS[0]);
    let running = guarded(&there);
    let url = |login: &str| format!("http://{login}{}/project", running.local_addr());
    let repository = Repository::open(&here).unwrap();
    for (login, works) in [("", false), ("ann:wrong@", false), ("bob:secret@", false), ("ann:secret@", true)]
    {
        let theirs = output(&here, &["push", "-q", &url(login), "master:refs/heads/git"]);
        assert_eq!(theirs.status.success(), works, "{login}");
        let remote = repository.remote(url(login)).unwrap();
        let ours = remote.push(&push_specs(&["master:refs/heads/ours"]), link(VERSIONS[2]), &Context::new());
        assert_eq!(ours.is_ok(), works, "{login}");
        if let Err(error) = ours {
            assert!(!error.to_string().contains("secret") && !error.to_string().contains("wrong"), "{error}");
        }
        assert_eq!(refs(&there).lines().count(), if works { 2 } else { 0 });
        // Everybody may fetch.
        assert!(output(&here, &["ls-remote", &url("")]).status.success());
    }
    run(&here, &["push", "-q", &url("ann:secret@"), "master"]);
    run(&here, &["push", "-q", &url("ann:secret@"), ":master"]);
}
