//! S6: a raw pack, fetched with a closure for the wants, a walker for the haves and a sink for the bytes.
#![allow(clippy::unwrap_used)]

#[path = "s06_raw_pack/counted.rs"]
mod counted;
mod support;
#[path = "s06_raw_pack/whole.rs"]
mod whole;

use git_core::Repository;
use git_core::object::{BoxError, Context, ErrorKind, ObjectId};
use git_core::remote::fetch_pack;
use git_core::transport::client::{Ack, AdvertisedRef, GraphWalker, NoHistory};
use std::path::Path;
use support::{FORMATS, SCHEMES, Serving, VERSIONS, bare, feed, history, link, rev, run};

fn branches(refs: &[AdvertisedRef]) -> Vec<ObjectId> {
    refs.iter().filter(|one| one.name.is_branch()).filter_map(|one| one.id).collect()
}

/// Lets git index the pack in an empty repository; how many objects it holds.
fn index(dir: &Path, into: &Path, pack: &[u8]) -> u32 {
    assert_eq!(&pack[..4], b"PACK");
    feed(dir, &["-C", into.to_str().unwrap(), "index-pack", "--stdin", "--strict"], pack);
    u32::from_be_bytes(pack[8..12].try_into().unwrap())
}

#[test]
fn s06_closure_walker_and_sink() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        let serving = Serving::paths([("project", path.as_path())]);
        let expected = run(&path, &["rev-list", "--objects", "--branches"]).lines().count();
        let mut urls: Vec<String> = SCHEMES.iter().map(|scheme| serving.url(scheme, "project")).collect();
        urls.push(path.to_str().unwrap().to_owned());
        urls.push(format!("file://{}", path.display()));
        #[cfg(unix)]
        {
            urls.push(format!("git://{}/source", support::real::git_daemon(dir.path())));
            urls.push(format!("http://{}/source", support::real::http_backend(dir.path())));
        }
        for url in &urls {
            for version in VERSIONS {
                let mut pack = Vec::new();
                let mut sink = |bytes: &[u8]| {
                    pack.extend_from_slice(bytes);
                    Ok(())
                };
                let refs =
                    fetch_pack(url, branches, &mut NoHistory, &mut sink, link(version), &Context::new())
                        .unwrap();
                assert_eq!(refs[0].name.to_string(), "HEAD");
                assert_eq!(refs[0].id, Some(rev(&path, "master")));
                let _ = std::fs::remove_dir_all(dir.path().join("into"));
                let into = bare(dir.path(), "into", format);
                assert_eq!(index(dir.path(), &into, &pack) as usize, expected, "{url} {version:?}");
            }
        }
    }
}

/// Offers a line of commits, newest first.
struct Line {
    haves: Vec<ObjectId>,
    acked: Vec<ObjectId>,
}

impl GraphWalker for Line {
    fn next_have(&mut self) -> Result<Option<ObjectId>, BoxError> {
        Ok(self.haves.pop())
    }
    fn ack(&mut self, ack: &Ack) -> Result<(), BoxError> {
        self.acked.push(ack.id);
        Ok(())
    }
}

#[test]
fn s06_what_the_walker_has_is_not_sent() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        let serving = Serving::paths([("project", path.as_path())]);
        let (tip, old) = (rev(&path, "master"), rev(&path, "master~2"));
        let missing = run(&path, &["rev-list", "--objects", "master", "^master~2"]).lines().count();
        for scheme in SCHEMES {
            for version in VERSIONS {
                // More than go into the first round, so that the server says what it thinks of that.
                let strange = (0..40u8).map(|n| ObjectId::from_bytes(format, &[n; 32][..format.raw_len()]));
                let mut haves: Vec<ObjectId> = strange.map(Result::unwrap).collect();
                haves.extend([rev(&path, "master~3"), old]);
                let mut walker = Line { haves, acked: Vec::new() };
                let mut pack = Vec::new();
                let mut sink = |bytes: &[u8]| {
                    pack.extend_from_slice(bytes);
                    Ok(())
                };
                fetch_pack(
                    serving.url(scheme, "project"),
                    |_| vec![tip],
                    &mut walker,
                    &mut sink,
                    link(version),
                    &Context::new(),
                )
                .unwrap();
                assert_eq!(u32::from_be_bytes(pack[8..12].try_into().unwrap()) as usize, missing);
                assert!(walker.acked.contains(&old), "{scheme} {version:?} {:?}", walker.acked);
            }
        }
    }
}

#[test]
fn s06_nothing_wanted_and_errors_of_the_caller() {
    let dir = tempfile::tempdir().unwrap();
    let path = history::source(dir.path(), "source", FORMATS[0]);
    let serving = Serving::all([("project", Repository::open(&path).unwrap())]);
    for scheme in SCHEMES {
        let url = serving.url(scheme, "project");
        let cx = Context::new();
        let mut nothing = |_: &[u8]| panic!("no pack was wanted");
        let refs = fetch_pack(&url, |_| vec![], &mut NoHistory, &mut nothing, link(VERSIONS[2]), &cx);
        assert_eq!(refs.unwrap().len(), 6);
        let mut full = |_: &[u8]| Err("the disk is full".into());
        let error =
            fetch_pack(&url, branches, &mut NoHistory, &mut full, link(VERSIONS[2]), &cx).unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
        let mut sink = |_: &[u8]| Ok(());
        let strange = ObjectId::empty_tree(FORMATS[0]);
        for version in VERSIONS {
            let error = fetch_pack(&url, |_| vec![strange], &mut NoHistory, &mut sink, link(version), &cx)
                .unwrap_err();
            assert!(error.to_string().contains(&strange.to_hex()), "{error}");
        }
        cx.cancel().cancel();
        let error =
            fetch_pack(&url, branches, &mut NoHistory, &mut sink, link(VERSIONS[2]), &cx).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
}
