//! Our client machines joined to our server machines in memory: whole, a byte at a time, and cut at packets.
#![allow(clippy::unwrap_used)]

#[path = "joined/link.rs"]
mod link;
mod server_support;

use git_core_object::{ObjectFormat, ObjectId};
use git_core_protocol::certificate::{PushCertificate, SignedCertificate};
use git_core_protocol::client::{
    Action, ClientError, Command, Connection, Fetch, FetchOptions, LsRefs, LsRefsOptions, Machine, Negotiate,
    NegotiateOptions, ObjectInfo, ObjectInfoOptions, Push, PushOptions, RefStatus,
};
use git_core_protocol::server::{CommandStatus, Mode, Outcome, Question, UpdateReport};
use git_core_protocol::{Deepen, ProtocolVersion, Service, ShallowUpdate};
use git_core_ref::RefName;
use link::{Event, Link, everywhere};
use server_support::{Fake, id};

fn fetch(link: &mut Link, haves: &[ObjectId]) -> (Vec<u8>, Vec<ObjectId>, String) {
    let (fetched, _) = fetch_as(link, haves, &FetchOptions::default());
    fetched
}

fn fetch_as(
    link: &mut Link,
    haves: &[ObjectId],
    options: &FetchOptions,
) -> ((Vec<u8>, Vec<ObjectId>, String), ShallowUpdate) {
    let greeting = link.handshake();
    assert_eq!((greeting.version, greeting.format), (link.version, link.fake.format));
    if link.version == ProtocolVersion::V2 {
        let mut client = LsRefs::new(&greeting, &LsRefsOptions::default()).unwrap();
        link.drive(&mut client, |_, event| panic!("{event:?}")).unwrap();
        assert_eq!(client.finish().len(), link.fake.refs.refs.len());
    }
    let mut options = options.clone();
    options.connection = link.connection;
    let mut client = Fetch::new(&greeting, [id(link.fake.format, 'a')], &options).unwrap();
    let (mut pack, mut acks, mut progress, mut offered) = (Vec::new(), Vec::new(), Vec::new(), 0);
    link.drive(&mut client, |client, event| match event {
        Event::Haves(count) => {
            let batch = &haves[offered..haves.len().min(offered + count)];
            offered += batch.len();
            client.haves(batch);
        }
        Event::Ack(id) => acks.push(id),
        Event::Pack(bytes) => pack.extend(bytes),
        Event::Progress(text) => progress.extend(text),
        Event::NeedPack => panic!("nothing is pushed"),
    })
    .unwrap();
    ((pack, acks, String::from_utf8(progress).unwrap()), client.shallow_update().clone())
}

#[test]
fn clones() {
    everywhere(|format, version, connection, cut| {
        let mut fake = Fake::new(format);
        fake.progress = Some("Counting objects: 1, done.\n");
        fake.pack = vec![vec![b'x'; 100_000], b"y".to_vec()];
        let mut link = Link::new(fake, Service::UploadPack, version, connection, cut);
        let (pack, acks, progress) = fetch(&mut link, &[]);
        assert_eq!(pack.len(), 100_001, "{version:?} {connection:?} {cut:?}");
        assert!(acks.is_empty());
        assert_eq!(progress, "Counting objects: 1, done.\n");
        let request = link.fake.requests.last().unwrap();
        assert!(request.haves.is_empty() && request.ofs_delta && request.include_tag);
    });
}

#[test]
fn fetches_negotiate() {
    everywhere(|format, version, connection, cut| {
        // The client knows a hundred commits that the server does not, then one that it does, then more.
        let mut haves = unknown(format, 0..100);
        haves.push(id(format, 'c'));
        haves.extend(unknown(format, 100..250));
        let mut link = Link::new(Fake::new(format), Service::UploadPack, version, connection, cut);
        let (pack, acks, _) = fetch(&mut link, &haves);
        assert_eq!(pack, b"PACKdata", "{version:?} {connection:?} {cut:?}");
        assert!(acks.contains(&id(format, 'c')), "{version:?} {connection:?} {cut:?} {acks:?}");
        let request = link.fake.requests.last().unwrap();
        assert_eq!(request.haves, [id(format, 'c')], "{version:?} {connection:?} {cut:?}");
        assert!(request.thin);
    });
}

/// Commits that only the client has.
fn unknown(format: ObjectFormat, numbers: std::ops::Range<u32>) -> Vec<ObjectId> {
    let one = |n: u32| {
        let mut raw = vec![0x11; format.raw_len()];
        raw[..4].copy_from_slice(&n.to_be_bytes());
        ObjectId::from_bytes(format, &raw).unwrap()
    };
    numbers.map(one).collect()
}

#[test]
fn negotiations_without_a_fetch() {
    everywhere(|format, version, connection, cut| {
        let mut link = Link::new(Fake::new(format), Service::UploadPack, version, connection, cut);
        let greeting = link.handshake();
        let options = NegotiateOptions::default();
        if version != ProtocolVersion::V2 {
            assert!(matches!(Negotiate::new(&greeting, &options), Err(ClientError::Unsupported(_))));
            return;
        }
        let what = format!("{connection:?} {cut:?}");
        let at = |digit| id(format, digit);
        let mut mixed = unknown(format, 0..100);
        mixed.push(at('c'));
        mixed.extend(unknown(format, 100..200));
        mixed.extend([at('d'), at('1'), at('a')]);
        mixed.extend(unknown(format, 200..230));
        // The server has seen enough when so many more are in vain.
        let mut long = vec![at('e')];
        long.extend(unknown(format, 0..2000));
        let none = unknown(format, 0..300);
        for (haves, common, requests) in [
            (&mixed[..], &[at('c'), at('d'), at('a')][..], 4),
            (&long, &[at('e')], 5),
            (&none, &[], 5),
            (&[at('b')], &[at('b')], 1),
            (&[], &[], 0),
        ] {
            link.fake.questions.clear();
            let mut client = Negotiate::new(&greeting, &options).unwrap();
            let (mut offered, mut acks) = (0, Vec::new());
            link.drive(&mut client, |client, event| match event {
                Event::Haves(count) => {
                    let batch = &haves[offered..haves.len().min(offered + count)];
                    offered += batch.len();
                    client.haves(batch);
                }
                Event::Ack(id) => acks.push(id),
                other => panic!("{other:?}"),
            })
            .unwrap();
            assert_eq!((client.common(), &acks[..]), (common, common), "{what}");
            assert_eq!(link.fake.questions.len(), requests, "{what}");
            let mut heard = Vec::new();
            for question in &link.fake.questions {
                let Question::Haves(query) = question else { panic!("{question:?}") };
                assert!(query.wants.is_empty() && !query.readiness, "{what}");
                heard.extend_from_slice(&query.haves);
            }
            assert_eq!(heard, haves[..offered], "{what}");
        }
        assert!(link.fake.requests.is_empty(), "{what}");
    });
}

#[test]
fn depths() {
    everywhere(|format, version, connection, cut| {
        let at = |digit| id(format, digit);
        for deepen in [
            Deepen::Depth(3),
            Deepen::Depth(Deepen::INFINITE),
            Deepen::Further(1),
            Deepen::Limits { since: Some(1_112_911_993), not: vec!["v1".into(), "refs/heads/a b".into()] },
            Deepen::Limits { since: None, not: vec!["HEAD".into()] },
        ] {
            // With and without haves, so that the answer comes in the first and in a later round.
            for haves in [vec![], vec![at('c')]] {
                let mut fake = Fake::new(format);
                fake.bounds = ShallowUpdate { shallow: vec![at('d'), at('e')], unshallow: vec![at('f')] };
                fake.progress = Some("Counting\n");
                let mut link = Link::new(fake, Service::UploadPack, version, connection, cut);
                let mut options = FetchOptions::default();
                options.shallow = vec![at('9'), at('f')];
                options.deepen = deepen.clone();
                let ((pack, ..), update) = fetch_as(&mut link, &haves, &options);
                let what = format!("{version:?} {connection:?} {cut:?} {deepen:?}");
                assert_eq!(pack, b"PACKdata", "{what}");
                assert_eq!(update, link.fake.bounds, "{what}");
                let request = link.fake.requests.last().unwrap();
                assert_eq!(request.client_shallow, options.shallow, "{what}");
                assert_eq!(request.shallow, update, "{what}");
                assert_eq!(request.haves, haves, "{what}");
                let asked = link.fake.questions.iter().rev().find_map(|question| match question {
                    Question::Shallow(query) => Some(query.clone()),
                    _ => None,
                });
                let asked = asked.unwrap();
                assert_eq!((asked.deepen, asked.client), (deepen.clone(), options.shallow.clone()), "{what}");
                assert_eq!(*asked.wants, [at('a')], "{what}");
            }
        }
    });
}

#[test]
fn shallow_on_either_side_without_a_depth() {
    everywhere(|format, version, connection, cut| {
        let at = |digit| id(format, digit);
        let mut fake = Fake::new(format);
        fake.shallow = vec![at('d')];
        fake.bounds = ShallowUpdate { shallow: fake.shallow.clone(), unshallow: Vec::new() };
        let mut link = Link::new(fake, Service::UploadPack, version, connection, cut);
        let ((pack, ..), update) = fetch_as(&mut link, &[at('c')], &FetchOptions::default());
        assert_eq!(pack, b"PACKdata");
        assert_eq!(update, link.fake.bounds, "{version:?} {connection:?} {cut:?}");

        let mut link = Link::new(Fake::new(format), Service::UploadPack, version, connection, cut);
        let mut options = FetchOptions::default();
        options.shallow = vec![at('e')];
        let (_, update) = fetch_as(&mut link, &[at('c')], &options);
        assert!(update.is_empty());
        let request = link.fake.requests.last().unwrap();
        assert_eq!(request.client_shallow, options.shallow, "{version:?} {connection:?} {cut:?}");
    });
}

#[test]
fn filters() {
    everywhere(|format, version, connection, cut| {
        let mut options = FetchOptions::default();
        options.filter = Some("combine:blob:none+tree:3".into());
        for offered in [true, false] {
            let mut fake = Fake::new(format);
            fake.filter = offered;
            let mut link = Link::new(fake, Service::UploadPack, version, connection, cut);
            let ((pack, ..), _) = fetch_as(&mut link, &[], &options);
            assert_eq!(pack, b"PACKdata");
            let request = link.fake.requests.last().unwrap();
            assert_eq!(request.filter, options.filter.clone().filter(|_| offered));
        }
    });
}

#[test]
fn pushes() {
    everywhere(|format, version, connection, cut| {
        let mut fake = Fake::new(format);
        fake.shallow = vec![id(format, 'd')];
        fake.expected = b"0000 looks like packets 0005".repeat(100);
        fake.report = Some(UpdateReport {
            statuses: vec![
                CommandStatus::Ok(Default::default()),
                CommandStatus::Rejected("hook declined".into()),
            ],
        });
        let mut link = Link::new(fake, Service::ReceivePack, version, connection, cut);
        let greeting = link.handshake();
        assert_eq!(greeting.shallow, link.fake.shallow);
        let name = |name: &str| RefName::new(name).unwrap();
        let commands = [
            Command { name: name("refs/heads/new"), old: None, new: Some(id(format, 'e')) },
            Command { name: name("refs/heads/main"), old: Some(id(format, 'a')), new: Some(id(format, 'e')) },
        ];
        let mut options = PushOptions::default();
        options.push_options = vec!["ci.skip".into()];
        options.shallow = vec![id(format, 'b'), id(format, 'c')];
        let mut client = Push::new(&greeting, &commands, &options).unwrap();
        let bytes = link.fake.expected.clone();
        let mut pieces = bytes.chunks(1000);
        let pushed = link.drive(&mut client, |client, event| match event {
            Event::NeedPack => match pieces.next() {
                Some(piece) => client.pack(piece),
                None => client.pack_end(),
            },
            other => panic!("{other:?}"),
        });
        pushed.unwrap();
        let report = client.finish();
        assert_eq!(report.unpack_error, None);
        assert!(matches!(&report.statuses[0], RefStatus::Ok { .. }), "{report:?}");
        assert!(
            matches!(&report.statuses[1], RefStatus::Rejected(why) if why.to_string() == "hook declined")
        );
        let update = link.fake.updates.last().unwrap();
        assert_eq!(update.commands, commands);
        assert_eq!(update.shallow, options.shallow);
        assert_eq!(update.push_options.as_deref().unwrap(), ["ci.skip"]);
        assert_eq!(link.outcome, Some(Outcome::Complete));
    });
}

#[test]
fn signed_pushes() {
    everywhere(|format, version, connection, cut| {
        let mut fake = Fake::new(format);
        fake.expected = b"0000 looks like packets 0005".repeat(10);
        fake.nonce = Some("1112912053-abc");
        let mut link = Link::new(fake, Service::ReceivePack, version, connection, cut);
        let greeting = link.handshake();
        let name = |name: &str| RefName::new(name).unwrap();
        let commands = [
            Command { name: name("refs/heads/new"), old: None, new: Some(id(format, 'e')) },
            Command { name: name("refs/heads/main"), old: Some(id(format, 'a')), new: None },
        ];
        let mut options = PushOptions::default();
        options.push_options = vec!["ci.skip".into(), "two words".into()];
        let certificate = PushCertificate {
            pusher: b"A <a@b> 1 +0000",
            pushee: b"somewhere",
            nonce: greeting.capabilities.get("push-cert").unwrap(),
            push_options: &options.push_options,
            commands: &commands,
        };
        let mut bytes = certificate.to_text(format);
        bytes.extend(b"-----BEGIN SSH SIGNATURE-----\n\nxyz\n-----END SSH SIGNATURE-----\n");
        let signed = SignedCertificate::parse(bytes).unwrap();
        options.certificate = Some(signed.clone());
        let mut client = Push::new(&greeting, &commands, &options).unwrap();
        let bytes = link.fake.expected.clone();
        let mut pieces = bytes.chunks(100);
        link.drive(&mut client, |client, event| match event {
            Event::NeedPack => match pieces.next() {
                Some(piece) => client.pack(piece),
                None => client.pack_end(),
            },
            other => panic!("{other:?}"),
        })
        .unwrap();
        assert!(client.finish().is_ok());
        let update = link.fake.updates.last().unwrap();
        assert_eq!(update.commands, commands);
        assert_eq!(update.certificate.as_ref(), Some(&signed));
        assert_eq!(signed.nonce().unwrap(), "1112912053-abc");
        assert_eq!(update.mode == Mode::StatelessRpc, connection == Connection::Stateless);
        assert_eq!(update.push_options.as_deref(), Some(&options.push_options[..]));

        // A server that takes no certificates.
        let mut link = Link::new(Fake::new(format), Service::ReceivePack, version, connection, cut);
        let greeting = link.handshake();
        let refused = Push::new(&greeting, &commands, &options).unwrap_err();
        assert_eq!(refused, ClientError::Unsupported("--signed push"));
    });
}

#[test]
fn object_sizes() {
    everywhere(|format, version, connection, cut| {
        let mut fake = Fake::new(format);
        fake.object_info = true;
        let mut link = Link::new(fake, Service::UploadPack, version, connection, cut);
        let greeting = link.handshake();
        let ids = [id(format, 'c'), id(format, '1'), id(format, 'a'), id(format, 'c')];
        let asked = ObjectInfo::new(&greeting, ids, &ObjectInfoOptions::default());
        if version != ProtocolVersion::V2 {
            assert_eq!(asked.unwrap_err(), ClientError::Unsupported("object-info"));
            return;
        }
        let mut client = asked.unwrap();
        link.drive(&mut client, |_, event| panic!("{event:?}")).unwrap();
        assert_eq!(client.finish(), [Some(0xcc), None, Some(0xaa), Some(0xcc)], "{connection:?} {cut:?}");
        // Another request may follow, as about many more.
        let many: Vec<_> = (0..5000).map(|n| ids[n % 4]).collect();
        let mut client = ObjectInfo::new(&greeting, many, &ObjectInfoOptions::default()).unwrap();
        link.drive(&mut client, |_, event| panic!("{event:?}")).unwrap();
        assert_eq!(client.finish().len(), 5000);
        let none = ObjectInfo::new(&greeting, [], &ObjectInfoOptions::default());
        assert!(matches!(none.unwrap_err(), ClientError::Request(_)));
        let other = if format == ObjectFormat::Sha1 { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
        assert!(ObjectInfo::new(&greeting, [id(other, 'a')], &ObjectInfoOptions::default()).is_err());

        // A server that does not offer it.
        let mut link = Link::new(Fake::new(format), Service::UploadPack, version, connection, cut);
        let greeting = link.handshake();
        let asked = ObjectInfo::new(&greeting, ids, &ObjectInfoOptions::default());
        assert_eq!(asked.unwrap_err(), ClientError::Unsupported("object-info"));
    });
}

#[test]
fn everything_on_side_bands() {
    everywhere(|format, version, connection, cut| {
        for haves in [vec![], vec![id(format, '1'), id(format, 'c')]] {
            let mut fake = Fake::new(format);
            fake.sideband_all = true;
            fake.progress = Some("Counting\n");
            fake.bounds = ShallowUpdate { shallow: vec![id(format, 'd')], unshallow: Vec::new() };
            let mut link = Link::new(fake, Service::UploadPack, version, connection, cut);
            let mut options = FetchOptions::default();
            options.deepen = Deepen::Depth(2);
            let ((pack, _, progress), update) = fetch_as(&mut link, &haves, &options);
            let what = format!("{version:?} {connection:?} {cut:?}");
            assert_eq!((&pack[..], &progress[..]), (&b"PACKdata"[..], "Counting\n"), "{what}");
            assert_eq!(update, link.fake.bounds, "{what}");
            let request = link.fake.requests.last().unwrap();
            assert_eq!(request.haves.len(), haves.len().min(1), "{what}");
        }
        // What goes wrong is told on a band, too.
        let mut fake = Fake::new(format);
        fake.sideband_all = true;
        fake.objects.clear();
        let mut link = Link::new(fake, Service::UploadPack, version, connection, cut);
        let greeting = link.handshake();
        let mut options = FetchOptions::default();
        options.connection = connection;
        let mut client = Fetch::new(&greeting, [id(format, 'a')], &options).unwrap();
        let failed = link.drive(&mut client, |client, event| match event {
            Event::Haves(_) => client.haves(&[]),
            other => panic!("{other:?}"),
        });
        let text = failed.unwrap_err().to_string();
        assert!(text.contains("not our ref"), "{text}");
    });
}

#[test]
fn refs_are_wanted_by_name() {
    everywhere(|format, version, connection, cut| {
        let what = format!("{version:?} {connection:?} {cut:?}");
        for (haves, sideband_all, deep) in [
            (vec![], false, false),
            (vec![id(format, '1'), id(format, 'c')], false, true),
            (vec![id(format, 'c')], true, true),
        ] {
            let mut fake = Fake::new(format);
            (fake.ref_in_want, fake.sideband_all) = (true, sideband_all);
            fake.bounds = ShallowUpdate { shallow: vec![id(format, 'd')], unshallow: Vec::new() };
            let mut link = Link::new(fake, Service::UploadPack, version, connection, cut);
            let greeting = link.handshake();
            assert_eq!(greeting.takes_want_refs(), version == ProtocolVersion::V2, "{what}");
            let name = |name: &str| RefName::new(name).unwrap();
            let mut options = FetchOptions::default();
            options.connection = connection;
            options.want_refs = vec![name("refs/tags/v1"), name("HEAD"), name("refs/tags/v1")];
            if deep {
                options.deepen = Deepen::Depth(1);
            }
            let client = Fetch::new(&greeting, [id(format, 'd')], &options);
            if version != ProtocolVersion::V2 {
                assert_eq!(client.unwrap_err(), ClientError::Unsupported("want-ref"));
                return;
            }
            let mut client = client.unwrap();
            let (mut pack, mut offered) = (Vec::new(), 0);
            let event = |client: &mut Fetch, event| match event {
                Event::Haves(count) => {
                    let batch = &haves[offered..haves.len().min(offered + count)];
                    offered += batch.len();
                    client.haves(batch);
                }
                Event::Pack(bytes) => pack.extend(bytes),
                _ => {}
            };
            link.drive(&mut client, event).unwrap();
            assert_eq!(pack, b"PACKdata", "{what}");
            let told: Vec<_> =
                client.wanted_refs().iter().map(|one| (one.name.to_string(), one.id)).collect();
            let expected =
                [("refs/tags/v1".to_owned(), id(format, 'b')), ("HEAD".to_owned(), id(format, 'a'))];
            assert_eq!(told, expected, "{what}");
            assert_eq!(client.shallow_update().shallow.len(), usize::from(deep), "{what}");
            let request = link.fake.requests.last().unwrap();
            assert_eq!(request.wants, [id(format, 'd'), id(format, 'b'), id(format, 'a')], "{what}");
        }

        // One that is not there; a server that takes no names.
        for ref_in_want in [true, false] {
            let mut fake = Fake::new(format);
            fake.ref_in_want = ref_in_want;
            let mut link = Link::new(fake, Service::UploadPack, version, connection, cut);
            let greeting = link.handshake();
            let mut options = FetchOptions::default();
            options.connection = connection;
            options.want_refs = vec![RefName::new("refs/heads/none").unwrap()];
            let client = Fetch::new(&greeting, [], &options);
            if !greeting.takes_want_refs() {
                assert_eq!(client.unwrap_err(), ClientError::Unsupported("want-ref"), "{what}");
                continue;
            }
            let failed = link.drive(&mut client.unwrap(), |client, event| match event {
                Event::Haves(_) => client.haves(&[]),
                other => panic!("{other:?}"),
            });
            let text = failed.unwrap_err().to_string();
            assert!(text.contains("unknown ref refs/heads/none"), "{text}");
        }
    });
}

#[test]
fn session_ids_are_told_to_who_tells_theirs() {
    everywhere(|format, version, connection, cut| {
        for (theirs, told) in [(Some("their session"), true), (None, false)] {
            let mut fake = Fake::new(format);
            fake.session_id = theirs;
            let mut link = Link::new(fake, Service::UploadPack, version, connection, cut);
            let greeting = link.handshake();
            assert_eq!(
                greeting.capabilities.session_id().map(|id| id.to_string()),
                theirs.map(|_| "their.session".to_owned())
            );
            let mut options = FetchOptions::default();
            options.connection = connection;
            options.session_id = Some("our session".into());
            let mut client = Fetch::new(&greeting, [id(format, 'a')], &options).unwrap();
            let mut sent = Vec::new();
            while let Ok(action) = client.poll() {
                match action {
                    Action::Send(bytes) => sent.extend_from_slice(bytes),
                    Action::NextHaves { .. } => client.haves(&[]),
                    _ => break,
                }
            }
            let sent = String::from_utf8_lossy(&sent).into_owned();
            assert_eq!(sent.contains("session-id=our.session"), told, "{sent}");
        }
    });
}
