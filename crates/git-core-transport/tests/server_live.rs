//! Real `git` clients against every driver: clone, fetch, push, delete, ls-remote, in each version and format.
#![cfg(all(feature = "server", unix))]
#![allow(clippy::unwrap_used)]

mod support;

use git_core_transport::server::{GitServer, HttpServer, ListenerHandle, ServerOptions};
use std::path::Path;
use std::sync::Arc;
use support::{GitBackend, commit, repository, run, try_run};
use tempfile::TempDir;
use tokio::runtime::Runtime;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

struct Fixture {
    root: TempDir,
}

impl Fixture {
    fn new(format: &str) -> Self {
        let root = TempDir::new().unwrap();
        let source = root.path().join("source");
        std::fs::create_dir(&source).unwrap();
        repository(&source, format);
        run(root.path(), &["clone", "-q", "--bare", "source", "served.git"]);
        run(root.path(), &["init", "-q", "--bare", &format!("--object-format={format}"), "empty.git"]);
        Fixture { root }
    }

    fn path(&self) -> &Path {
        self.root.path()
    }
}

fn ok(dir: &Path, version: u8, args: &[&str]) -> String {
    let output = try_run(dir, version, args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "v{version} git {args:?}: {said}");
    String::from_utf8(output.stdout).unwrap() + &said
}

/// Everything a client does, against a server of the fixture's folder at `base`.
fn exercise(fixture: &Fixture, base: &str, version: u8) {
    let root = fixture.path();
    let served = root.join("served.git");
    let source = root.join("source");
    let url = format!("{base}/served.git");
    let name = |what: &str| format!("{what}-{version}-{}", base.split(':').next().unwrap());

    let listed = ok(root, version, &["ls-remote", &url]);
    assert_eq!(listed, ok(root, version, &["ls-remote", "served.git"]));
    assert_eq!(ok(root, version, &["ls-remote", &format!("{base}/empty.git")]), "");

    let clone = name("clone");
    ok(root, version, &["clone", "-q", "--mirror", &url, &clone]);
    let clone = root.join(clone);
    assert_eq!(run(&clone, &["for-each-ref"]), run(&served, &["for-each-ref"]));
    run(&clone, &["fsck", "--full", "--strict"]);

    // An incremental fetch, with a history of the client's own that the server does not know.
    let work = name("work");
    ok(root, version, &["clone", "-q", &url, &work]);
    let work = root.join(work);
    commit(&work, "unknown to the server", 50);
    for round in 0..3 {
        commit(&source, &format!("new {round} {version} {base}"), 300 + round);
    }
    run(&source, &["push", "-q", "../served.git", "main"]);
    ok(&work, version, &["fetch", "-q"]);
    assert_eq!(run(&work, &["rev-parse", "origin/main"]), run(&served, &["rev-parse", "main"]));
    run(&work, &["fsck", "--full"]);

    // Pushing: something new, something refused, a deletion.
    let branch = name("refs/heads/pushed");
    let said = ok(&work, version, &["push", &url, &format!("HEAD:{branch}")]);
    assert!(said.contains("remote: received Some("), "{said}");
    assert_eq!(run(&served, &["rev-parse", &branch]), run(&work, &["rev-parse", "HEAD"]));
    run(&served, &["fsck", "--full"]);
    ok(&work, version, &["push", "-q", "--atomic", &url, &format!("HEAD~1:{branch}-b"), "HEAD:refs/heads/x"]);
    ok(
        &work,
        version,
        &["push", "-q", &url, &format!(":{branch}"), &format!(":{branch}-b"), ":refs/heads/x"],
    );
    let gone = try_run(&served, version, &["rev-parse", "-q", "--verify", &branch]);
    assert!(!gone.status.success());

    // A want that is not there, a repository that is not there.
    let missing = "1".repeat(run(&served, &["rev-parse", "HEAD"]).len());
    let output = try_run(&work, version, &["fetch", "-q", &url, &missing]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("not our ref") || said.contains("unadvertised object"), "{said}");
    let output = try_run(root, version, &["ls-remote", &format!("{base}/none.git")]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("not found"), "{output:?}");

    // Into an empty repository and out of it again.
    let empty = format!("{base}/empty.git");
    let into = root.join(name("from-empty"));
    ok(root, version, &["clone", "-q", &empty, into.to_str().unwrap()]);
    ok(&work, version, &["push", "-q", &empty, "HEAD:refs/heads/main"]);
    ok(&into, version, &["fetch", "-q"]);
    ok(&work, version, &["push", "-q", &empty, ":refs/heads/main"]);
}

fn over_git(runtime: &Runtime, backend: GitBackend, options: ServerOptions) -> ListenerHandle {
    runtime.block_on(GitServer::bind("127.0.0.1:0", Arc::new(backend), options)).unwrap()
}

fn over_http(runtime: &Runtime, backend: GitBackend, options: ServerOptions) -> ListenerHandle {
    runtime.block_on(HttpServer::bind("127.0.0.1:0", Arc::new(backend), options)).unwrap()
}

#[test]
fn git_clients_over_the_git_protocol() {
    for format in ["sha1", "sha256"] {
        let (fixture, runtime) = (Fixture::new(format), runtime());
        let server = over_git(&runtime, GitBackend::new(fixture.path()), ServerOptions::default());
        for version in [0, 1, 2] {
            exercise(&fixture, &format!("git://{}", server.local_addr()), version);
        }
        runtime.block_on(server.shutdown());
    }
}

#[test]
fn git_clients_over_http() {
    for format in ["sha1", "sha256"] {
        let (fixture, runtime) = (Fixture::new(format), runtime());
        let server = over_http(&runtime, GitBackend::new(fixture.path()), ServerOptions::default());
        for version in [0, 1, 2] {
            exercise(&fixture, &format!("http://{}", server.local_addr()), version);
        }
        runtime.block_on(server.shutdown());
    }
}

#[test]
fn pushing_over_http_with_a_password() {
    let (fixture, runtime) = (Fixture::new("sha1"), runtime());
    let backend = GitBackend { password: Some("secret".into()), ..GitBackend::new(fixture.path()) };
    let server = over_http(&runtime, backend, ServerOptions::default());
    let address = server.local_addr();
    let source = fixture.path().join("source");
    commit(&source, "large enough to be chunked", 200_000);
    let url = |user: &str| format!("http://{user}{address}/served.git");
    ok(&source, 2, &["ls-remote", &url("")]);
    let push = |url: &str| try_run(&source, 2, &["-c", "http.postBuffer=65536", "push", "-q", url, "main"]);
    assert!(!push(&url("")).status.success());
    let denied = push(&url("me:wrong@"));
    assert!(String::from_utf8_lossy(&denied.stderr).contains("403"), "{denied:?}");
    let pushed = push(&url("me:secret@"));
    assert!(pushed.status.success(), "{pushed:?}");
    let busy = try_run(&source, 2, &["ls-remote", &format!("http://{address}/busy")]);
    assert!(String::from_utf8_lossy(&busy.stderr).contains("503"), "{busy:?}");
}

#[test]
fn push_options_and_progress_reach_the_other_side() {
    let (fixture, runtime) = (Fixture::new("sha1"), runtime());
    let mut backend = GitBackend::new(fixture.path());
    backend.receive.push_options = true;
    let server = over_git(&runtime, backend, ServerOptions::default());
    let url = format!("git://{}/served.git", server.local_addr());
    let source = fixture.path().join("source");
    let said = ok(&source, 2, &["push", "-o", "ci.skip", "-o", "a=b c", &url, "HEAD:refs/heads/opt"]);
    assert!(said.contains("remote: option ci.skip") && said.contains("remote: option a=b c"), "{said}");
    let said = ok(fixture.path(), 2, &["clone", "--progress", &url, "with-progress"]);
    assert!(said.contains("remote: counted by git"), "{said}");
}

#[test]
fn a_push_that_loses_a_race_is_told_so() {
    let (fixture, runtime) = (Fixture::new("sha1"), runtime());
    let server = over_git(&runtime, GitBackend::new(fixture.path()), ServerOptions::default());
    let url = format!("git://{}/served.git", server.local_addr());
    let source = fixture.path().join("source");
    let lease = ["push", "--force", &url, "HEAD:refs/heads/topic"];
    std::fs::write(fixture.path().join("served.git/refs/heads/topic.lock"), "").unwrap();
    let output = try_run(&source, 2, &lease);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("[remote rejected]"), "{output:?}");
}

#[test]
fn a_listener_turns_away_what_is_too_much() {
    let (fixture, runtime) = (Fixture::new("sha1"), runtime());
    let mut options = ServerOptions::default();
    options.max_connections = 0;
    let server = over_git(&runtime, GitBackend::new(fixture.path()), options.clone());
    let output =
        try_run(fixture.path(), 2, &["ls-remote", &format!("git://{}/served.git", server.local_addr())]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("busy"), "{output:?}");
    let server = over_http(&runtime, GitBackend::new(fixture.path()), options);
    let output =
        try_run(fixture.path(), 2, &["ls-remote", &format!("http://{}/served.git", server.local_addr())]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("503"), "{output:?}");
}

#[test]
fn many_clones_at_once_with_one_worker() {
    let (fixture, runtime) = (Fixture::new("sha1"), runtime());
    let mut options = ServerOptions::default();
    (options.stream_workers, options.heavy_workers) = (1, 1);
    let server = over_http(&runtime, GitBackend::new(fixture.path()), options);
    let url = format!("http://{}/served.git", server.local_addr());
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (url, root) = (&url, fixture.path());
            scope.spawn(move || ok(root, 2, &["clone", "-q", url, &format!("many-{number}")]));
        }
    });
    runtime.block_on(server.shutdown());
}
