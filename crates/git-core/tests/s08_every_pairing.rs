//! S8: upload-pack and receive-pack, each as client and as server, over git://, HTTP and a local path; ours on
//! both sides, and ours against git's.
#![allow(clippy::unwrap_used)]

mod support;

use git_core::Repository;
use git_core::object::Context;
use git_core::remote::PushStatus;
use std::path::{Path, PathBuf};
use support::{
    FORMATS, Serving, VERSIONS, bare, fetch_specs, history, link, push_specs, refs, rev, run, sound,
};

/// Fetches everything from `url`, pushes to it, deletes; `there` is where it really lies.
fn fetch_and_push(to: &Path, there: &Path, url: &str, version: git_core::protocol::ProtocolVersion) {
    let cx = Context::new();
    let repository = Repository::open(to).unwrap();
    let remote = repository.remote(url).unwrap();
    let shown: Vec<String> = remote
        .list(&[], link(version), &cx)
        .unwrap()
        .iter()
        .flat_map(|one| {
            let peeled = one.peeled.map(|id| format!("{id}\t{}^{{}}", one.name));
            [Some(format!("{}\t{}", one.id.unwrap(), one.name)), peeled]
        })
        .flatten()
        .collect();
    let theirs = run(there, &["ls-remote", there.to_str().unwrap()]);
    assert_eq!(shown.join("\n"), theirs, "{url} {version:?}");

    remote.fetch(&fetch_specs(&["+refs/*:refs/*"]), link(version), &cx).unwrap();
    assert_eq!(refs(to), refs(there), "{url} {version:?}");
    sound(to);

    let number = 1000 + version.number() as u32 * 10;
    history::grow(to, "pushed", Some("refs/heads/topic"), number..number + 3);
    let pushed = remote.push(&push_specs(&["refs/heads/pushed"]), link(version), &cx).unwrap();
    assert_eq!(pushed.refs[0].status, PushStatus::Ok, "{url} {version:?} {:?}", pushed.unpack_error);
    assert!(pushed.is_ok());
    assert_eq!(rev(there, "pushed"), rev(to, "pushed"));
    sound(there);
    let pushed = remote.push(&push_specs(&[":refs/heads/pushed"]), link(version), &cx).unwrap();
    assert!(pushed.is_ok(), "{pushed:?}");
    assert!(!refs(there).contains("refs/heads/pushed"));
    // The objects of the deleted branch are of no more use.
    support::tidy(there);
}

fn each(way: impl Fn(&Path, &Path) -> String) {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path: PathBuf = history::source(dir.path(), "source", format);
        for version in VERSIONS {
            let to = bare(dir.path(), &format!("to{}", version.number()), format);
            fetch_and_push(&to, &path, &way(dir.path(), &path), version);
        }
    }
}

#[test]
fn s08_local_path() {
    each(|_, path| path.to_str().unwrap().to_owned());
}

#[test]
fn s08_file_url() {
    each(|_, path| format!("file://{}", path.display()));
}

#[test]
fn s08_our_git_server() {
    // The server lives as long as the test.
    each(|_, path| Box::leak(Box::new(Serving::paths([("source", path)]))).url("git", "source"));
}

#[test]
fn s08_our_http_server() {
    each(|_, path| Box::leak(Box::new(Serving::paths([("source", path)]))).url("http", "source"));
}

#[cfg(unix)]
#[test]
fn s08_git_daemon() {
    each(|dir, _| format!("git://{}/source", support::real::git_daemon(dir)));
}

#[cfg(unix)]
#[test]
fn s08_git_http_backend() {
    each(|dir, path| {
        run(path, &["config", "http.receivepack", "true"]);
        format!("http://{}/source", support::real::http_backend(dir))
    });
}

#[test]
fn s08_git_to_a_local_repository_of_ours() {
    // git needs no server for a path; what we have written is what it serves.
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        let to = bare(dir.path(), "to", format);
        let repository = Repository::open(&to).unwrap();
        let remote = repository.remote(path.to_str().unwrap()).unwrap();
        remote.fetch(&fetch_specs(&["+refs/*:refs/*"]), link(VERSIONS[2]), &Context::new()).unwrap();
        run(dir.path(), &["clone", "-q", "--mirror", "--no-local", to.to_str().unwrap(), "again"]);
        assert_eq!(refs(&dir.path().join("again")), refs(&path));
    }
}
