//! The fetching machines against `git upload-pack`: every version, connection, way of acknowledging and object
//! format, with the answers in large pieces and byte by byte.

#![allow(clippy::unwrap_used)]

mod client_support;

use client_support::{Fetched, Peer, add_commits, fetch, git, repository, rev, run, run_with};
use git_core_object::{ErrorKind, ObjectFormat, ObjectId};
use git_core_protocol::client::{
    AckStatus, Advertisement, ClientError, Connection, Fetch, FetchOptions, LsRefs, LsRefsOptions,
};
use git_core_protocol::{ProtocolVersion, Service};
use std::path::{Path, PathBuf};

const VERSIONS: [ProtocolVersion; 3] = [ProtocolVersion::V0, ProtocolVersion::V1, ProtocolVersion::V2];
const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];
const CONNECTIONS: [Connection; 2] = [Connection::Stateful, Connection::Stateless];

/// A server repository, and a client one that has what the server had before its last 25 commits, and 80
/// commits of its own.
struct Pair {
    _dir: tempfile::TempDir,
    server: PathBuf,
    client: PathBuf,
    tip: ObjectId,
}

fn pair(format: ObjectFormat) -> Pair {
    let dir = tempfile::tempdir().unwrap();
    let server = repository(dir.path(), "server", format, 60);
    let client = dir.path().join("client");
    run(dir.path(), &["clone", "-q", "--bare", "server", "client"]);
    add_commits(&client, "own", 80, Some("refs/heads/main^0"));
    add_commits(&server, "main", 25, Some("refs/heads/main^0"));
    let tip = rev(&server, "main");
    Pair { _dir: dir, server, client, tip }
}

fn haves(client: &Path) -> Vec<ObjectId> {
    run(client, &["rev-list", "own", "main"]).lines().map(|line| line.parse().unwrap()).collect()
}

fn options(connection: Connection) -> FetchOptions {
    let mut options = FetchOptions::default();
    options.connection = connection;
    options
}

/// Stores a fetched pack and checks that what was wanted is whole.
fn store(client: &Path, fetched: &Fetched, tip: ObjectId) {
    run_with(client, &["index-pack", "--stdin", "--fix-thin"], &fetched.pack);
    run(client, &["rev-list", "--objects", "--quiet", &tip.to_string()]);
}

#[test]
fn incremental_fetch_in_all_versions() {
    for format in FORMATS {
        let pair = pair(format);
        for version in VERSIONS {
            for connection in CONNECTIONS {
                for piece in [1, 65_536] {
                    let name = format!("{format} {version:?} {connection:?} {piece}");
                    let mut peer = Peer::new(&pair.server, Service::UploadPack, version, connection, piece);
                    let server = peer.handshake();
                    assert_eq!(server.format, format, "{name}");
                    let machine = Fetch::new(&server, [pair.tip], &options(connection)).unwrap();
                    let fetched = fetch(&mut peer, machine, &haves(&pair.client)).unwrap();
                    assert!(
                        fetched.acks.iter().any(|ack| ack.status == AckStatus::Common)
                            || version == ProtocolVersion::V2,
                        "{name}"
                    );
                    assert!(peer.requests > 2, "{name}: {}", peer.requests);
                    assert!(fetched.offered <= 140, "{name}: {} haves", fetched.offered);
                    assert!(fetched.pack.len() < 12_000, "{name}: {} bytes", fetched.pack.len());
                    let copy = pair.client.with_file_name("copy");
                    let _ = std::fs::remove_dir_all(&copy);
                    run(pair.client.parent().unwrap(), &["clone", "-q", "--bare", "client", "copy"]);
                    store(&copy, &fetched, pair.tip);
                }
            }
        }
    }
}

#[test]
fn clone_in_all_versions() {
    let pair = pair(ObjectFormat::Sha1);
    for version in VERSIONS {
        for connection in CONNECTIONS {
            let mut peer = Peer::new(&pair.server, Service::UploadPack, version, connection, 4096);
            let server = peer.handshake();
            let machine = Fetch::new(&server, [pair.tip], &options(connection)).unwrap();
            let fetched = fetch(&mut peer, machine, &[]).unwrap();
            assert_eq!(peer.requests, 1);
            assert!(!fetched.progress.is_empty());
            let fresh = tempfile::tempdir().unwrap();
            run(fresh.path(), &["init", "-q", "--bare"]);
            store(fresh.path(), &fetched, pair.tip);
        }
    }
}

/// Old servers are imitated by hiding capabilities of a new one.
#[test]
fn every_way_of_acknowledging_and_framing() {
    let pair = pair(ObjectFormat::Sha1);
    let haves = haves(&pair.client);
    for hidden in [
        &["no-done"][..],
        &["multi_ack_detailed"],
        &["multi_ack_detailed", "multi_ack"],
        &["side-band-64k"],
        &["side-band-64k", "side-band"],
        &["multi_ack_detailed", "multi_ack", "side-band-64k", "side-band", "thin-pack", "ofs-delta", "agent"],
    ] {
        for connection in CONNECTIONS {
            for piece in [1, 10_000] {
                let mut peer =
                    Peer::new(&pair.server, Service::UploadPack, ProtocolVersion::V0, connection, piece);
                let mut server = peer.handshake();
                for name in hidden {
                    server.capabilities.remove(name);
                }
                let machine = Fetch::new(&server, [pair.tip], &options(connection)).unwrap();
                let fetched = fetch(&mut peer, machine, &haves)
                    .unwrap_or_else(|e| panic!("{hidden:?} {connection:?}: {e}"));
                assert!(fetched.pack.len() < 20_000, "{hidden:?} {connection:?}: {}", fetched.pack.len());
                let copy = pair.client.with_file_name("copy");
                let _ = std::fs::remove_dir_all(&copy);
                run(pair.client.parent().unwrap(), &["clone", "-q", "--bare", "client", "copy"]);
                store(&copy, &fetched, pair.tip);
            }
        }
    }
}

/// Haves of which the server knows none: the negotiation goes on to their end, and a whole pack comes.
#[test]
fn nothing_in_common() {
    let dir = tempfile::tempdir().unwrap();
    let server = repository(dir.path(), "server", ObjectFormat::Sha1, 5);
    let client = repository(dir.path(), "client", ObjectFormat::Sha1, 0);
    add_commits(&client, "own", 700, None);
    let haves = run(&client, &["rev-list", "own"]).lines().map(|l| l.parse().unwrap()).collect::<Vec<_>>();
    let tip = rev(&server, "main");
    for version in VERSIONS {
        for connection in CONNECTIONS {
            let mut peer = Peer::new(&server, Service::UploadPack, version, connection, 65_536);
            let advertisement = peer.handshake();
            let machine = Fetch::new(&advertisement, [tip], &options(connection)).unwrap();
            let fetched = fetch(&mut peer, machine, &haves).unwrap();
            assert_eq!((fetched.offered, fetched.acks.len()), (700, 0));
            store(&client, &fetched, tip);
        }
    }
}

fn refs(path: &Path, version: ProtocolVersion, piece: usize) -> (Advertisement, Vec<String>) {
    let mut peer = Peer::new(path, Service::UploadPack, version, Connection::Stateful, piece);
    let server = peer.handshake();
    let mut list = server.refs.clone();
    if version == ProtocolVersion::V2 {
        let mut machine = LsRefs::new(&server, &LsRefsOptions::default()).unwrap();
        peer.drive(&mut machine, |_, event| panic!("{event:?}")).unwrap();
        list = machine.finish();
    }
    let lines = list
        .iter()
        .map(|r| {
            let id = r.id.map_or("unborn".to_owned(), |id| id.to_string());
            let peeled = r.peeled.map_or(String::new(), |id| format!(" {id}"));
            let symref = r.symref.as_ref().map_or(String::new(), |name| format!(" {name}"));
            format!("{id} {}{peeled}{symref}", r.name)
        })
        .collect();
    (server, lines)
}

#[test]
fn refs_are_the_same_in_all_versions() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = repository(dir.path(), "server", format, 3);
        let (main, tag) = (rev(&path, "main"), rev(&path, "v1"));
        let expected = [
            format!("{main} HEAD refs/heads/main"),
            format!("{main} refs/heads/main"),
            format!("{tag} refs/tags/v1 {main}"),
        ];
        for version in VERSIONS {
            for piece in [1, 65_536] {
                assert_eq!(refs(&path, version, piece).1, expected, "{version:?}");
            }
        }
    }
}

#[test]
fn empty_repositories() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = repository(dir.path(), "server", format, 0);
        for version in VERSIONS {
            let (server, list) = refs(&path, version, 7);
            assert_eq!(server.format, format);
            match version {
                ProtocolVersion::V2 => assert_eq!(list, ["unborn HEAD refs/heads/main"]),
                _ => assert!(list.is_empty()),
            }
        }
    }
}

#[test]
fn prefixes_narrow_the_list() {
    let dir = tempfile::tempdir().unwrap();
    let path = repository(dir.path(), "server", ObjectFormat::Sha1, 3);
    let mut peer = Peer::new(&path, Service::UploadPack, ProtocolVersion::V2, Connection::Stateless, 100);
    let server = peer.handshake();
    let mut options = LsRefsOptions::default();
    options.prefixes = vec!["refs/tags/".into()];
    let mut machine = LsRefs::new(&server, &options).unwrap();
    peer.drive(&mut machine, |_, event| panic!("{event:?}")).unwrap();
    assert_eq!(machine.finish().len(), 1);
    options.server_options = vec!["a\nb".into()];
    assert!(matches!(LsRefs::new(&server, &options), Err(ClientError::Request(_))));
}

/// What is not there is refused by the server, and its words come back.
#[test]
fn unknown_wants_are_an_error() {
    let pair = pair(ObjectFormat::Sha1);
    let unknown = ObjectId::from_bytes(ObjectFormat::Sha1, &[7; 20]).unwrap();
    for version in VERSIONS {
        for connection in CONNECTIONS {
            let mut peer = Peer::new(&pair.server, Service::UploadPack, version, connection, 1);
            let server = peer.handshake();
            let machine = Fetch::new(&server, [unknown], &options(connection)).unwrap();
            match fetch(&mut peer, machine, &[]) {
                Err(ClientError::Remote(message)) => assert!(message.to_string().contains("not our ref")),
                Err(error) => panic!("{error}"),
                Ok(_) => panic!("fetched what is not there"),
            }
        }
    }
    let mut peer =
        Peer::new(&pair.server, Service::UploadPack, ProtocolVersion::V2, Connection::Stateful, 100);
    let server = peer.handshake();
    let sha256 = ObjectId::empty_tree(ObjectFormat::Sha256);
    assert_eq!(
        Fetch::new(&server, [sha256], &FetchOptions::default()).unwrap_err().kind(),
        ErrorKind::Invalid
    );
    assert!(Fetch::new(&server, [], &FetchOptions::default()).is_err());
}

/// A server that dies at any byte: an error, never a pack that seems to have ended well on side bands.
#[test]
fn every_truncation_is_noticed() {
    use git_core_protocol::client::{Action, ClientLimits, Handshake, Machine};
    let dir = tempfile::tempdir().unwrap();
    let path = repository(dir.path(), "server", ObjectFormat::Sha1, 2);
    let tip = rev(&path, "main");
    let greeting = git(&path)
        .args(["upload-pack", "--http-backend-info-refs", "."])
        .env("GIT_PROTOCOL", "version=2")
        .output()
        .unwrap()
        .stdout;
    for end in 0..greeting.len() {
        let mut machine = Handshake::new(Service::UploadPack, &ClientLimits::default());
        machine.feed(&greeting[..end]);
        machine.feed_end();
        assert!(machine.poll().is_err(), "{end}");
    }
    let mut machine = Handshake::new(Service::UploadPack, &ClientLimits::default());
    machine.feed(&greeting);
    assert!(matches!(machine.poll(), Ok(Action::Done)));
    let server = machine.finish().unwrap();

    let request = |machine: &mut Fetch| {
        let mut request = Vec::new();
        loop {
            match machine.poll().unwrap() {
                Action::NextHaves { .. } => machine.haves(&[]),
                Action::Send(bytes) => request.extend_from_slice(bytes),
                Action::EndRequest => return request,
                other => panic!("{other:?}"),
            }
        }
    };
    let mut first = Fetch::new(&server, [tip], &options(Connection::Stateless)).unwrap();
    let body = request(&mut first);
    let input = dir.path().join("request");
    std::fs::write(&input, &body).unwrap();
    let answer = git(&path)
        .args(["upload-pack", "--stateless-rpc", "."])
        .env("GIT_PROTOCOL", "version=2")
        .stdin(std::fs::File::open(&input).unwrap())
        .output()
        .unwrap()
        .stdout;
    for end in 0..answer.len() {
        let mut machine = Fetch::new(&server, [tip], &options(Connection::Stateless)).unwrap();
        request(&mut machine);
        machine.feed(&answer[..end]);
        machine.feed_end();
        let failed = loop {
            match machine.poll() {
                Err(error) => break error,
                Ok(Action::Done | Action::Read) => panic!("{end}"),
                Ok(_) => {}
            }
        };
        assert_eq!(failed, ClientError::HungUp, "{end}");
    }
}
