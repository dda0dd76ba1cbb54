//! The pushing machine against `git receive-pack`, over a connection and by single requests.

#![allow(clippy::unwrap_used)]

mod client_support;

use client_support::{Peer, add_commits, git, push, repository, rev, run};
use git_core_object::{ObjectFormat, ObjectId};
use git_core_protocol::client::{ClientError, Command, Connection, Push, PushOptions, RefStatus};
use git_core_protocol::{ProtocolVersion, Service};
use git_core_ref::RefName;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

const CONNECTIONS: [Connection; 2] = [Connection::Stateful, Connection::Stateless];

fn pack(dir: &Path, revs: &str) -> Vec<u8> {
    let mut child = git(dir)
        .args(["pack-objects", "--revs", "--stdout", "--thin", "--delta-base-offset", "-q"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(revs.as_bytes()).unwrap();
    child.wait_with_output().unwrap().stdout
}

fn command(name: &str, old: Option<ObjectId>, new: Option<ObjectId>) -> Command {
    Command { name: RefName::new(name).unwrap(), old, new }
}

fn is_ok(status: &RefStatus) -> bool {
    matches!(status, RefStatus::Ok { .. })
}

#[test]
fn create_update_and_delete() {
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        for version in [ProtocolVersion::V0, ProtocolVersion::V1, ProtocolVersion::V2] {
            for connection in CONNECTIONS {
                {
                    let piece = [1, 65_536][(version as usize + connection as usize) % 2];
                    let dir = tempfile::tempdir().unwrap();
                    let server = repository(dir.path(), "server", format, 0);
                    let client = repository(dir.path(), "client", format, 5);
                    let (old, new) = (rev(&client, "main~2"), rev(&client, "main"));
                    let peer = || Peer::new(&server, Service::ReceivePack, version, connection, piece);

                    let mut to = peer();
                    let greeting = to.handshake();
                    let commands = [
                        command("refs/heads/main", None, Some(old)),
                        command("refs/heads/x", None, Some(old)),
                    ];
                    let mut machine = Push::new(&greeting, &commands, &PushOptions::default()).unwrap();
                    assert!(machine.needs_pack() && machine.ofs_delta());
                    push(&mut to, &mut machine, &pack(&client, &format!("{old}\n"))).unwrap();
                    let report = machine.finish();
                    assert!(report.is_ok(), "{report:?}");
                    to.hang_up();

                    let mut to = peer();
                    let greeting = to.handshake();
                    assert_eq!(greeting.refs.len(), 2);
                    let commands = [
                        command("refs/heads/main", Some(old), Some(new)),
                        command("refs/heads/x", Some(old), None),
                        command("refs/heads/y", Some(new), Some(old)),
                    ];
                    let mut machine = Push::new(&greeting, &commands, &PushOptions::default()).unwrap();
                    push(&mut to, &mut machine, &pack(&client, &format!("{new}\n^{old}\n"))).unwrap();
                    let report = machine.finish();
                    assert!(is_ok(&report.statuses[0]) && is_ok(&report.statuses[1]), "{report:?}");
                    assert!(matches!(report.statuses[2], RefStatus::Rejected(_)), "{report:?}");
                    to.hang_up();
                    assert_eq!(
                        run(&server, &["for-each-ref", "--format=%(objectname) %(refname)"]),
                        format!("{new} refs/heads/main")
                    );
                    run(&server, &["fsck", "--full", "--strict"]);

                    run(&server, &["config", "receive.denyDeleteCurrent", "ignore"]);
                    let mut to = peer();
                    let greeting = to.handshake();
                    let commands = [command("refs/heads/main", Some(new), None)];
                    let mut machine = Push::new(&greeting, &commands, &PushOptions::default()).unwrap();
                    assert!(!machine.needs_pack());
                    push(&mut to, &mut machine, b"").unwrap();
                    assert!(machine.finish().is_ok());
                }
            }
        }
    }
}

#[test]
fn atomic_options_hooks_and_refusals() {
    let dir = tempfile::tempdir().unwrap();
    let server = repository(dir.path(), "server", ObjectFormat::Sha1, 0);
    let client = repository(dir.path(), "client", ObjectFormat::Sha1, 3);
    run(&server, &["config", "receive.advertisePushOptions", "true"]);
    let hook = server.join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\necho \"got $GIT_PUSH_OPTION_COUNT $GIT_PUSH_OPTION_0\" >&2\n").unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let new = rev(&client, "main");
    for connection in CONNECTIONS {
        for piece in [1, 5000] {
            let mut to = Peer::new(&server, Service::ReceivePack, ProtocolVersion::V0, connection, piece);
            let greeting = to.handshake();
            let mut options = PushOptions::default();
            options.atomic = true;
            options.push_options = vec!["ci.skip".into()];
            // The second command expects a ref that is not there, so that neither is carried out.
            let commands =
                [command("refs/heads/main", None, Some(new)), command("refs/heads/x", Some(new), Some(new))];
            let mut machine = Push::new(&greeting, &commands, &options).unwrap();
            let progress = push(&mut to, &mut machine, &pack(&client, &format!("{new}\n"))).unwrap();
            assert!(String::from_utf8_lossy(&progress).contains("got 1 ci.skip"));
            let report = machine.finish();
            assert!(report.statuses.iter().all(|s| matches!(s, RefStatus::Rejected(_))), "{report:?}");
            to.hang_up();
            assert_eq!(run(&server, &["for-each-ref"]), "");
        }
    }
    let mut to = Peer::new(&server, Service::ReceivePack, ProtocolVersion::V0, Connection::Stateful, 100);
    let mut greeting = to.handshake();
    let create = [command("refs/heads/main", None, Some(new))];
    let mut options = PushOptions::default();
    options.push_options = vec!["a\nb".into()];
    assert!(matches!(Push::new(&greeting, &create, &options), Err(ClientError::Request(_))));
    assert!(matches!(Push::new(&greeting, &[], &PushOptions::default()), Err(ClientError::Request(_))));
    let twice = [create[0].clone(), create[0].clone()];
    assert!(matches!(Push::new(&greeting, &twice, &PushOptions::default()), Err(ClientError::Request(_))));
    for name in ["atomic", "push-options", "delete-refs"] {
        greeting.capabilities.remove(name);
    }
    let mut atomic = PushOptions::default();
    atomic.atomic = true;
    let delete = [command("refs/heads/main", Some(new), None)];
    assert!(matches!(Push::new(&greeting, &create, &atomic), Err(ClientError::Unsupported(_))));
    assert!(matches!(
        Push::new(&greeting, &delete, &PushOptions::default()),
        Err(ClientError::Unsupported(_))
    ));
}

/// A broken pack: the report says so, and nothing has changed.
#[test]
fn a_flipped_byte_is_reported() {
    for hidden in [&[][..], &["side-band-64k"], &["side-band-64k", "report-status-v2"], &["report-status-v2"]]
    {
        let dir = tempfile::tempdir().unwrap();
        let server = repository(dir.path(), "server", ObjectFormat::Sha1, 0);
        let client = repository(dir.path(), "client", ObjectFormat::Sha1, 3);
        add_commits(&client, "own", 3, None);
        let new = rev(&client, "own");
        let mut pack = pack(&client, &format!("{new}\n"));
        let middle = pack.len() / 2;
        pack[middle] ^= 4;
        let mut to = Peer::new(&server, Service::ReceivePack, ProtocolVersion::V0, Connection::Stateful, 1);
        let mut greeting = to.handshake();
        for name in hidden {
            greeting.capabilities.remove(name);
        }
        let commands = [command("refs/heads/own", None, Some(new))];
        let mut machine = Push::new(&greeting, &commands, &PushOptions::default()).unwrap();
        push(&mut to, &mut machine, &pack).unwrap();
        let report = machine.finish();
        assert!(report.unpack_error.is_some() && !report.is_ok(), "{report:?}");
        assert!(matches!(report.statuses[0], RefStatus::Rejected(_)));
        to.hang_up();
        assert_eq!(run(&server, &["for-each-ref"]), "");
    }
}
