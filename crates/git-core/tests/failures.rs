//! What goes wrong in a clone, a fetch or a push ends with a clear message on the other side, leaves nothing to
//! be seen in the repository, and git finds nothing wrong with it.
#![allow(clippy::unwrap_used)]

mod support;

use git_core::Repository;
use git_core::object::{Context, ErrorKind, ObjectFormat, ObjectId};
use git_core::remote::{CheckoutMode, CloneOptions, PushStatus, clone};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::Duration;
use support::raw::{self, Fault, wire};
use support::{
    FORMATS, SCHEMES, Serving, VERSIONS, bare, count_objects, fetch_specs, history, link, push_specs, refs,
    rev, run, sound,
};

struct Setting {
    dir: tempfile::TempDir,
    /// Has more than the other one.
    here: PathBuf,
    there: PathBuf,
    serving: Serving,
    old: ObjectId,
    new: ObjectId,
    refs: String,
    objects: usize,
}

impl Setting {
    fn new(format: ObjectFormat) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let here = history::source(dir.path(), "here", format);
        run(dir.path(), &["clone", "-q", "--mirror", here.to_str().unwrap(), "there"]);
        let there = dir.path().join("there");
        let old = rev(&here, "master");
        let new = history::grow_with(&here, "master", None, 20..40, 3000);
        let serving = Serving::paths([("here", here.as_path()), ("there", there.as_path())]);
        let (refs, objects) = (refs(&there), count_objects(&there));
        Setting { dir, here, there, serving, old, new, refs, objects }
    }

    fn url(&self, scheme: &str) -> String {
        self.serving.url(scheme, "there")
    }

    /// The objects that the other side lacks.
    fn pack(&self) -> Vec<u8> {
        raw::pack(&self.here, &["master", &format!("^{}", self.old)])
    }

    fn request(&self, pack: &[u8]) -> Vec<u8> {
        raw::push_request("refs/heads/master", &self.old, &self.new, pack)
    }

    /// Nothing has happened to the other side, and it still works.
    fn untouched(&self) {
        sound(&self.there);
        assert_eq!(refs(&self.there), self.refs);
        assert_eq!(count_objects(&self.there), self.objects);
    }
}

/// The same URL by way of a faulty wire.
fn faulty(url: &str, fault: Fault) -> String {
    let (address, name) = raw::parts(url);
    let scheme = url.split(':').next().unwrap();
    format!("{scheme}://{}/{name}", wire(address, fault))
}

#[test]
fn a_client_killed_in_a_clone() {
    for format in FORMATS {
        let set = Setting::new(format);
        let url = set.serving.url("git", "here");
        for _ in 0..4 {
            let mut stream = raw::greet(&url, "git-upload-pack");
            let want = format!("want {} ofs-delta side-band-64k object-format={}\n", set.new, format.name());
            let request = [raw::pkt(want.as_bytes()).as_slice(), b"0000", &raw::pkt(b"done\n")].concat();
            stream.write_all(&request).unwrap();
            stream.read_exact(&mut [0; 5000]).unwrap();
        }
        let http = set.serving.url("http", "here");
        let (address, name) = raw::parts(&http);
        for _ in 0..4 {
            let want = format!("want {} side-band-64k object-format={}\n", set.new, format.name());
            let body = [raw::pkt(want.as_bytes()).as_slice(), b"0000", &raw::pkt(b"done\n")].concat();
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            write!(
                stream,
                "POST /{name}/git-upload-pack HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\
                 Content-Type: application/x-git-upload-pack-request\r\n\r\n",
                body.len()
            )
            .unwrap();
            stream.write_all(&body).unwrap();
            stream.read_exact(&mut [0; 5000]).unwrap();
        }
        // The server goes on as if nothing had been.
        run(set.dir.path(), &["clone", "-q", "--bare", &url, "after"]);
        assert_eq!(rev(&set.dir.path().join("after"), "master"), set.new);
        sound(&set.here);
    }
}

#[test]
fn a_client_killed_in_a_push() {
    for format in FORMATS {
        let set = Setting::new(format);
        let request = set.request(&set.pack());
        for scheme in SCHEMES {
            for part in [request.len() / 2, request.len() - 1] {
                let url = set.url(scheme);
                let stream = if scheme == "git" {
                    let mut stream = raw::greet(&url, "git-receive-pack");
                    stream.write_all(&request[..part]).unwrap();
                    stream
                } else {
                    raw::begin_post(&url, &request[..part], request.len())
                };
                // Something has arrived by the time the client goes.
                for _ in 0..200 {
                    if std::fs::read_dir(set.there.join("objects"))
                        .unwrap()
                        .flatten()
                        .any(|entry| entry.file_name().to_string_lossy().contains("incoming"))
                    {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
                drop(stream);
                set.untouched();
            }
        }
        run(&set.here, &["push", "-q", &set.url("git"), "master"]);
        assert_eq!(rev(&set.there, "master"), set.new);
    }
}

#[test]
fn a_server_killed_in_a_clone() {
    for format in FORMATS {
        let set = Setting::new(format);
        for scheme in SCHEMES {
            let url = set.serving.url(scheme, "here");
            for cut in [0, 7, 300, 2_000, 60_000, 400_000] {
                let url = faulty(&url, Fault::CutDownstream(cut));
                let to = set.dir.path().join("clone");
                let cloned = clone(&url, &to, &CloneOptions::default(), link(VERSIONS[2]), &Context::new());
                let error = cloned.err().unwrap_or_else(|| panic!("{url} cut at {cut}"));
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{scheme} {cut}: {error}");
                assert!(!to.exists(), "{scheme} {cut}");
            }
        }
    }
}

#[test]
fn a_server_killed_in_a_fetch() {
    for format in FORMATS {
        let set = Setting::new(format);
        let repository = Repository::open(&set.there).unwrap();
        for scheme in SCHEMES {
            let url = set.serving.url(scheme, "here");
            for version in VERSIONS {
                for cut in [100, 3_000, 200_000] {
                    let remote = repository.remote(faulty(&url, Fault::CutDownstream(cut))).unwrap();
                    let options = fetch_specs(&["+refs/heads/*:refs/heads/*"]);
                    let error = remote.fetch(&options, link(version), &Context::new()).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{scheme} {version:?} {cut}: {error}");
                }
            }
        }
        set.untouched();
    }
}

#[test]
fn a_server_killed_in_a_push() {
    for format in FORMATS {
        let set = Setting::new(format);
        let repository = Repository::open(&set.here).unwrap();
        for scheme in SCHEMES {
            for cut in [150, 1_000, 100_000] {
                let remote = repository.remote(faulty(&set.url(scheme), Fault::CutUpstream(cut))).unwrap();
                let pushed = remote.push(&push_specs(&["master"]), link(VERSIONS[2]), &Context::new());
                let error = pushed.expect_err("half a push");
                let kind = error.kind();
                assert!(
                    matches!(kind, ErrorKind::Unavailable | ErrorKind::OutcomeUnknown),
                    "{scheme} {cut}: {kind:?} {error}"
                );
            }
        }
        set.untouched();
    }
}

#[test]
fn a_pack_damaged_on_its_way_to_the_client() {
    for format in FORMATS {
        let set = Setting::new(format);
        let repository = Repository::open(&set.there).unwrap();
        for scheme in SCHEMES {
            let url = set.serving.url(scheme, "here");
            for flip in [3, 9, 12, 40, 5_000, 300_000] {
                let url = faulty(&url, Fault::FlipInPack(flip));
                let remote = repository.remote(&url).unwrap();
                let options = fetch_specs(&["+refs/heads/*:refs/heads/*"]);
                let error = remote.fetch(&options, link(VERSIONS[2]), &Context::new()).unwrap_err();
                assert!(!error.to_string().is_empty());
                let to = set.dir.path().join("clone");
                let mut options = CloneOptions::default();
                options.checkout = CheckoutMode::Bare;
                assert!(clone(&url, &to, &options, link(VERSIONS[0]), &Context::new()).is_err());
                assert!(!to.exists());
            }
        }
        set.untouched();
    }
}

#[test]
fn a_truncated_pack_is_refused() {
    for format in FORMATS {
        let set = Setting::new(format);
        let pack = set.pack();
        for scheme in SCHEMES {
            for end in [0, 3, 11, 12, 60, pack.len() / 2, pack.len() - 20, pack.len() - 1] {
                let report = raw::push(&set.url(scheme), &set.request(&pack[..end]));
                assert!(!report.contains("unpack ok"), "{scheme} {end}: {report}");
                assert!(
                    report.contains("ng refs/heads/master") || report.contains("ERR "),
                    "{scheme} {end}: {report}"
                );
            }
        }
        set.untouched();
    }
}

#[test]
fn a_pack_with_one_flipped_byte_is_refused() {
    for format in FORMATS {
        let set = Setting::new(format);
        let pack = set.pack();
        let places = [0, 7, 11, 12, 13, 30, pack.len() / 3, pack.len() / 2, pack.len() - 40, pack.len() - 1];
        for scheme in SCHEMES {
            for at in places {
                let mut pack = pack.clone();
                pack[at] ^= 0x20;
                let report = raw::push(&set.url(scheme), &set.request(&pack));
                assert!(!report.contains("unpack ok"), "{scheme} {at}: {report}");
                assert!(report.contains("unpack ") || report.contains("ERR "), "{scheme} {at}: {report}");
            }
        }
        set.untouched();
        // git says it in its own words.
        let report = raw::push(&set.url("git"), &set.request(&pack));
        assert!(report.contains("unpack ok") && report.contains("ok refs/heads/master"), "{report}");
        assert_eq!(rev(&set.there, "master"), set.new);
        sound(&set.there);
    }
}

#[test]
fn an_incomplete_push_is_refused() {
    for format in FORMATS {
        let set = Setting::new(format);
        let list = run(&set.here, &["rev-list", "--objects", "master", &format!("^{}", set.old)]);
        let ids: Vec<&str> = list.lines().map(|line| line.split(' ').next().unwrap()).collect();
        let kind = |id: &str| run(&set.here, &["cat-file", "-t", id]);
        // One commit, one tree, one blob less; and the tip alone.
        let mut packs = vec![(set.new.to_hex() + "\n", "all but the tip")];
        for missing in ["commit", "tree", "blob"] {
            let gap = ids.iter().rev().find(|id| kind(id) == missing && **id != set.new.to_hex()).unwrap();
            packs.push((ids.iter().filter(|id| *id != gap).map(|id| format!("{id}\n")).collect(), missing));
        }
        for scheme in SCHEMES {
            for (list, missing) in &packs {
                let pack = raw::pack_of(&set.here, list);
                let report = raw::push(&set.url(scheme), &set.request(&pack));
                assert!(report.contains("unpack ok"), "{missing}: {report}");
                assert!(
                    report.contains("ng refs/heads/master missing necessary objects"),
                    "{missing}: {report}"
                );
            }
            // A pack of other objects than those that are asked for.
            let pack = raw::pack_of(&set.here, &format!("{}\n", ids[1]));
            let report = raw::push(&set.url(scheme), &set.request(&pack));
            assert!(report.contains("ng refs/heads/master bad pack"), "{report}");
        }
        set.untouched();
    }
}

/// A commit on `old` for each racer, and the request that pushes it.
fn racers(set: &Setting, count: u32) -> Vec<(ObjectId, Vec<u8>)> {
    (0..count)
        .map(|number| {
            let branch = format!("racer{number}");
            let new = history::grow(&set.here, &branch, Some(&set.old.to_hex()), 50 + number..51 + number);
            let pack = raw::pack(&set.here, &[&branch, &format!("^{}", set.old)]);
            (new, raw::push_request("refs/heads/master", &set.old, &new, &pack))
        })
        .collect()
}

fn race(url: &str, racers: &[(ObjectId, Vec<u8>)]) -> ObjectId {
    let barrier = Barrier::new(racers.len());
    let reports: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = racers
            .iter()
            .map(|(_, request)| {
                scope.spawn(|| {
                    let mut stream = raw::greet(url, "git-receive-pack");
                    barrier.wait();
                    String::from_utf8_lossy(&raw::finish_push(&mut stream, request)).into_owned()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let won: Vec<_> =
        (0..racers.len()).filter(|at| reports[*at].contains("ok refs/heads/master\n")).collect();
    assert_eq!(won.len(), 1, "{reports:#?}");
    for (at, report) in reports.iter().enumerate().filter(|(at, _)| *at != won[0]) {
        assert!(report.contains("unpack ok"), "{at}: {report}");
        assert!(report.contains("ng refs/heads/master cannot lock ref 'refs/heads/master'"), "{report}");
    }
    racers[won[0]].0
}

#[test]
fn of_pushes_from_one_old_value_exactly_one_wins() {
    for format in FORMATS {
        let set = Setting::new(format);
        let racers = racers(&set, 6);
        for _ in 0..3 {
            let winner = race(&set.url("git"), &racers);
            assert_eq!(rev(&set.there, "master"), winner);
            sound(&set.there);
            run(&set.there, &["update-ref", "refs/heads/master", &set.old.to_hex()]);
            run(&set.there, &["prune", "--expire=now"]);
            run(&set.there, &["repack", "-adq"]);
        }
        set.untouched();

        // In memory, too.
        let memory = Repository::in_memory(format);
        let serving = Serving::all([("memory", memory.clone())]);
        run(&set.there, &["push", "-q", "--mirror", &serving.url("git", "memory")]);
        for _ in 0..3 {
            let winner = race(&serving.url("git", "memory"), &racers);
            assert_eq!(memory.refs().id("refs/heads/master").unwrap(), Some(winner));
            memory.refs().set("refs/heads/master", set.old).unwrap();
        }
    }
}

#[test]
fn a_push_that_loses_gets_a_clean_rejection() {
    // Our own client, against a ref that moves between its look at it and its push.
    for format in FORMATS {
        let set = Setting::new(format);
        let repository = Repository::open(&set.here).unwrap();
        let lock = set.there.join("refs/heads/master.lock");
        std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
        std::fs::write(&lock, "").unwrap();
        let remote = repository.remote(set.url("git")).unwrap();
        let pushed = remote.push(
            &push_specs(&["master", "topic:refs/heads/other"]),
            link(VERSIONS[2]),
            &Context::new(),
        );
        let pushed = pushed.unwrap();
        let PushStatus::RemoteRejected(reason) = &pushed.refs[0].status else { panic!("{pushed:?}") };
        assert!(reason.to_string().contains("cannot lock ref 'refs/heads/master'"), "{reason}");
        assert!(!reason.to_string().contains(set.dir.path().to_str().unwrap()), "no paths: {reason}");
        assert_eq!(pushed.refs[1].status, PushStatus::Ok);
        std::fs::remove_file(&lock).unwrap();
        assert_eq!(rev(&set.there, "master"), set.old);
        assert_eq!(rev(&set.there, "other"), rev(&set.here, "topic"));
    }
}

fn eight_at_once(set: &Setting, url: &str) {
    let pushers: Vec<(String, PathBuf)> = (0..8)
        .map(|number| {
            let path = set.dir.path().join(format!("pusher{number}"));
            if !path.exists() {
                run(
                    set.dir.path(),
                    &["clone", "-q", "--mirror", set.there.to_str().unwrap(), path.to_str().unwrap()],
                );
                history::grow(&path, &format!("own{number}"), Some(&set.old.to_hex()), number..number + 4);
            }
            (format!("own{number}"), path)
        })
        .collect();
    let barrier = Barrier::new(pushers.len());
    std::thread::scope(|scope| {
        for (branch, path) in &pushers {
            let barrier = &barrier;
            scope.spawn(move || {
                let repository = Repository::open(path).unwrap();
                let remote = repository.remote(url).unwrap();
                barrier.wait();
                let pushed = remote.push(&push_specs(&[branch]), link(VERSIONS[2]), &Context::new()).unwrap();
                assert_eq!(pushed.refs[0].status, PushStatus::Ok, "{branch} {:?}", pushed.unpack_error);
            });
        }
    });
}

#[test]
fn eight_pushes_to_distinct_refs_all_land() {
    for format in FORMATS {
        let set = Setting::new(format);
        for scheme in SCHEMES {
            eight_at_once(&set, &set.url(scheme));
            for number in 0..8 {
                let branch = format!("own{number}");
                assert_eq!(
                    rev(&set.there, &branch),
                    rev(&set.dir.path().join(format!("pusher{number}")), &branch)
                );
            }
            sound(&set.there);
            delete_branches(&set.there);
        }
        set.untouched();
        let memory = Repository::in_memory(format);
        let serving = Serving::all([("memory", memory.clone())]);
        eight_at_once(&set, &serving.url("git", "memory"));
        assert_eq!(memory.refs().list("refs/heads/own").unwrap().len(), 8);
    }
}

fn delete_branches(path: &Path) {
    let branches = run(path, &["for-each-ref", "--format=%(refname:short)", "refs/heads/own*"]);
    run(path, &[&["branch", "-q", "-D"], &branches.lines().collect::<Vec<_>>()[..]].concat());
    run(path, &["repack", "-adq"]);
    run(path, &["prune", "--expire=now"]);
}

#[test]
fn a_repository_that_lacks_an_object_says_which() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        let blob = run(&path, &["rev-parse", "master:README"]);
        let file = path.join("objects").join(&blob[..2]).join(&blob[2..]);
        std::fs::remove_file(file).unwrap();
        let serving = Serving::paths([("source", path.as_path())]);
        for scheme in SCHEMES {
            for version in VERSIONS {
                let to = bare(dir.path(), "to", format);
                let repository = Repository::open(&to).unwrap();
                let remote = repository.remote(serving.url(scheme, "source")).unwrap();
                let options = fetch_specs(&["+refs/heads/*:refs/heads/*"]);
                let error = remote.fetch(&options, link(version), &Context::new()).unwrap_err();
                assert!(error.to_string().contains(&blob), "{scheme} {version:?}: {error}");
                assert_eq!(refs(&to), "");
                sound(&to);
                std::fs::remove_dir_all(&to).unwrap();
            }
        }
    }
}
