//! Transcripts of receive-pack: what git's own server answers to the same input, recorded.
#![allow(clippy::unwrap_used)]

mod server_support;

use git_core_object::{ObjectFormat, ObjectId};
use git_core_protocol::ProtocolVersion;
use git_core_protocol::server::{
    CommandStatus, Mode, Outcome, ReceivePack, ReceivePackOptions, ServerError, UpdateReport, Updated,
};
use git_core_ref::RefName;
use server_support::{Fake, id, packets, unpack};

const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];

fn options(format: ObjectFormat) -> ReceivePackOptions {
    let mut options = ReceivePackOptions::default();
    options.object_format = format;
    options.agent = Some("git/test".to_owned());
    options.push_options = true;
    options
}

/// One request with the bytes behind it, in pieces of several sizes.
fn rpc(fake: &mut Fake, lines: &[&str], pack: &[u8]) -> (Vec<u8>, Outcome) {
    let input = [&packets(lines), pack].concat();
    let results = [1, 5, input.len().max(1)].map(|piece| {
        fake.received.clear();
        let mut machine = ReceivePack::new(ProtocolVersion::V0, Mode::StatelessRpc, options(fake.format));
        fake.converse(&mut machine, &input, piece)
    });
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{results:?}");
    results.into_iter().next().unwrap()
}

fn create(format: ObjectFormat, name: &str, caps: &str) -> String {
    format!("{} {} {name}\0{caps}", ObjectId::null(format), id(format, 'a'))
}

fn delete(format: ObjectFormat, name: &str, caps: &str) -> String {
    format!("{} {} {name}\0{caps}", id(format, 'a'), ObjectId::null(format))
}

/// The report inside side-band 1, and the packets round it.
fn banded(said: &[u8]) -> Vec<String> {
    let outer = unpack(said);
    assert_eq!(outer.last().unwrap(), "0000");
    let inner: String = outer.iter().filter_map(|packet| packet.strip_prefix('\u{1}')).collect();
    unpack(inner.as_bytes())
}

#[test]
fn advertisements() {
    for format in FORMATS {
        let said = |version, fake: &mut Fake| {
            let mut machine = ReceivePack::new(version, Mode::Stateful, options(format));
            let (said, outcome) = fake.converse(&mut machine, b"0000", 1);
            assert_eq!(outcome, Outcome::Complete);
            unpack(&said)
        };
        let caps = format!(
            "report-status report-status-v2 delete-refs side-band-64k quiet atomic ofs-delta push-options \
             object-format={format} agent=git/test"
        );
        let (a, b, null) = (id(format, 'a'), id(format, 'b'), ObjectId::null(format));
        let mut fake = Fake::new(format);
        fake.refs.haves = vec![id(format, 'd')];
        let lines = said(ProtocolVersion::V2, &mut fake);
        let have = format!("{} .have", id(format, 'd'));
        let first = format!("{a} refs/heads/main\0{caps}");
        assert_eq!(lines, [&first, &format!("{b} refs/tags/v1"), &have, "0000"]);
        assert_eq!(said(ProtocolVersion::V1, &mut fake)[0], "version 1");
        let lines = said(ProtocolVersion::V0, &mut Fake::empty(format));
        assert_eq!(lines, [format!("{null} capabilities^{{}}\0{caps}"), "0000".to_owned()]);
        let mut borrowing = Fake::empty(format);
        borrowing.refs.haves = vec![a];
        assert_eq!(said(ProtocolVersion::V0, &mut borrowing)[0], format!("{a} .have\0{caps}"));
    }
}

#[test]
fn a_push_and_its_report() {
    for format in FORMATS {
        let mut fake = Fake::new(format);
        // The pack may look like packets: not a byte of it is consumed.
        fake.expected = b"0000PACK0005x".to_vec();
        let second = format!("{} {} refs/heads/b", id(format, 'a'), id(format, 'c'));
        let lines =
            [&create(format, "refs/heads/a", " report-status-v2 side-band-64k"), second.as_str(), "0000"];
        fake.report = Some(UpdateReport {
            statuses: vec![
                CommandStatus::Ok(Updated {
                    name: Some(RefName::new("refs/heads/z").unwrap()),
                    old: Some(id(format, 'b')),
                    new: None,
                    forced: true,
                    further: vec![Updated {
                        name: Some(RefName::new("refs/heads/y").unwrap()),
                        ..Updated::default()
                    }],
                }),
                CommandStatus::Rejected("non-fast-forward\nok refs/heads/c".into()),
            ],
        });
        let (said, outcome) = rpc(&mut fake, &lines, b"0000PACK0005x");
        assert_eq!(outcome, Outcome::Complete);
        let old = format!("option old-oid {}", id(format, 'b'));
        assert_eq!(
            banded(&said),
            [
                "unpack ok",
                "ok refs/heads/a",
                &old,
                "option refname refs/heads/z",
                "option forced-update",
                "ok refs/heads/a",
                "option refname refs/heads/y",
                "ng refs/heads/b non-fast-forward ok refs/heads/c",
                "0000"
            ]
        );
        assert_eq!(fake.received, fake.expected);
        let update = &fake.updates[0];
        assert_eq!((update.commands[0].old, update.commands[0].new), (None, Some(id(format, 'a'))));
        assert_eq!(update.commands[1].name.as_bytes(), b"refs/heads/b");
        assert!(!update.atomic && !update.quiet && update.push_options.is_none());

        let plain = [&create(format, "refs/heads/a", " report-status"), second.as_str(), "0000"];
        let (said, _) = rpc(&mut fake, &plain, b"0000PACK0005x");
        let lines = unpack(&said);
        assert_eq!(lines[..2], ["unpack ok", "ok refs/heads/a"]);
        assert_eq!(lines.len(), 4, "several reports are for who knows them");

        let (said, _) = rpc(&mut fake, &plain, b"something else");
        assert_eq!(
            unpack(&said),
            ["unpack bad pack", "ng refs/heads/a unpacker error", "ng refs/heads/b unpacker error", "0000"]
        );
        let (said, outcome) = rpc(&mut fake, &[&create(format, "refs/heads/a", ""), "0000"], b"no report");
        assert_eq!((said.len(), outcome), (0, Outcome::Complete));
    }
}

#[test]
fn deletions_names_and_options() {
    for format in FORMATS {
        let mut fake = Fake::new(format);
        let caps = " report-status side-band-64k atomic quiet push-options";
        let lines = [&delete(format, "refs/heads/a", caps), "0000", "one", "two=2", "0000"];
        let (said, outcome) = rpc(&mut fake, &lines, b"");
        assert_eq!(outcome, Outcome::Complete);
        assert_eq!(banded(&said), ["unpack ok", "ok refs/heads/a", "0000"]);
        let update = fake.updates.last().unwrap();
        assert!(update.atomic && update.quiet);
        assert_eq!(update.push_options.as_deref().unwrap(), ["one", "two=2"]);
        assert_eq!((update.commands[0].old, update.commands[0].new), (Some(id(format, 'a')), None));

        fake.updates.clear();
        for name in ["refs/heads/no..pe", "bad", "HEAD", "refs/heads/x.lock"] {
            let (said, _) = rpc(&mut fake, &[&delete(format, name, " report-status"), "0000"], b"");
            assert_eq!(unpack(&said), ["unpack ok", &format!("ng {name} funny refname"), "0000"]);
        }
        assert!(fake.updates.is_empty());
        let good = format!("{} {} refs/heads/a", id(format, 'a'), ObjectId::null(format));
        let (said, _) =
            rpc(&mut fake, &[&delete(format, "bad", " report-status atomic"), &good, "0000"], b"");
        assert_eq!(
            unpack(&said),
            ["unpack ok", "ng bad funny refname", "ng refs/heads/a atomic push failure", "0000"]
        );
        let (said, outcome) = rpc(&mut fake, &["0000"], b"");
        assert_eq!((said.len(), outcome), (0, Outcome::Complete));
        // A shallow client's boundary is read and left to the connectivity check.
        let shallow = format!("shallow {}", id(format, 'c'));
        let (said, _) =
            rpc(&mut fake, &[&shallow, &delete(format, "refs/heads/a", " report-status"), "0000"], b"");
        assert_eq!(unpack(&said), ["unpack ok", "ok refs/heads/a", "0000"]);
    }
}

#[test]
fn violations_are_told() {
    let format = ObjectFormat::Sha1;
    let mut fake = Fake::new(format);
    let other = create(format, "refs/heads/a", " object-format=sha256");
    let push = delete(format, "refs/heads/a", " push-options");
    for (lines, message) in [
        (vec!["foo"], "expected old/new/ref, got 'foo'"),
        (vec!["push-cert x"], "expected old/new/ref"),
        (vec![&other], "mismatched object format"),
        (vec![&push, "0000", "a\rb"], "control character in push option"),
        (vec![&push, "0001"], "unexpected delim packet"),
    ] {
        let (said, outcome) = rpc(&mut fake, &lines, b"");
        assert!(matches!(outcome, Outcome::Failed(_)), "{lines:?}");
        let said = unpack(&said);
        assert!(said[0].starts_with("ERR ") && said[0].contains(message), "{lines:?}: {said:?}");
    }
    let (_, outcome) = rpc(&mut fake, &[&push], b"");
    assert_eq!(outcome, Outcome::Failed(ServerError::UnexpectedEnd));
    assert!(fake.updates.is_empty());

    let mut options = options(format);
    options.limits.commands = 1;
    let line = delete(format, "refs/heads/a", "");
    let mut machine = ReceivePack::new(ProtocolVersion::V0, Mode::StatelessRpc, options);
    let (_, outcome) = fake.converse(&mut machine, &packets(&[&line, &line]), 4);
    assert_eq!(outcome, Outcome::Failed(ServerError::Limit { what: "commands", bound: 1 }));
}

/// A push certificate with these headers and commands, line by line.
fn certificate(headers: &[&str], commands: &[&str]) -> Vec<u8> {
    let lines = [
        &["push-cert\0 report-status push-options", "certificate version 0.1"][..],
        headers,
        &[""],
        commands,
        &["-----BEGIN PGP SIGNATURE-----", "", "x", "-----END PGP SIGNATURE-----", "push-cert-end"],
    ];
    packets(&lines.concat())
}

#[test]
fn commands_come_from_a_certificate_and_from_nothing_beside_it() {
    let format = ObjectFormat::Sha1;
    let mut fake = Fake::new(format);
    fake.nonce = Some("1-a");
    let plain = format!("{} {} refs/heads/a", id(format, 'a'), ObjectId::null(format));
    let other = format!("{} {} refs/heads/b", id(format, 'a'), ObjectId::null(format));
    let mut rpc = |input: &[u8]| {
        let mut results = [1, 7, input.len()].map(|piece| {
            let mut machine = ReceivePack::new(ProtocolVersion::V0, Mode::StatelessRpc, options(format));
            let (said, outcome) = fake.converse(&mut machine, input, piece);
            (unpack(&said), outcome, fake.updates.pop())
        });
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
        std::mem::replace(&mut results[0], (Vec::new(), Outcome::Complete, None))
    };
    let good = certificate(&["pusher K 1 +0000", "nonce 1-a", "push-option one"], &[&plain, &other]);
    let end = packets(&["0000", "one", "0000"]);
    let (said, _, update) = rpc(&[&good[..], &end].concat());
    assert_eq!(said, ["unpack ok", "ok refs/heads/a", "ok refs/heads/b", "0000"]);
    let update = update.unwrap();
    let certificate_text = update.certificate.unwrap();
    assert_eq!(certificate_text.headers("pusher").next().unwrap(), "K 1 +0000");
    assert!(certificate_text.signature().starts_with(b"-----BEGIN PGP"));

    // Options that were signed, and others that were not.
    for options in [&["two"][..], &[], &["one", "one"]] {
        let tail = packets(&[&["0000"], options, &["0000"]].concat());
        let (said, _, update) = rpc(&[&good[..], &tail].concat());
        assert_eq!(said[1], "ng refs/heads/a inconsistent push options");
        assert!(update.is_none());
    }
    let unsigned = packets(&[&plain]);
    let first = packets(&[&format!("{plain}\0 report-status")]);
    let open = packets(&["push-cert\0 report-status", "certificate version 0.1"]);
    let odd = certificate(&["nonce 1-a"], &["hello"]);
    let malformed = packets(&["push-cert\0 report-status", "certificate", "push-cert-end", "0000"]);
    for (input, message) in [
        ([&good[..], &unsigned, &end].concat(), "both push certificate and unsigned commands"),
        ([&first[..], &good, &end].concat(), "both push certificate and unsigned commands"),
        ([&good[..], &good, &end].concat(), "both push certificate and unsigned commands"),
        ([&open[..], &end].concat(), "unexpected flush packet"),
        ([&odd[..], &end].concat(), "expected old/new/ref, got 'hello'"),
        (malformed, "malformed push certificate certificate"),
    ] {
        let (said, outcome, update) = rpc(&input);
        assert!(matches!(outcome, Outcome::Failed(_)) && update.is_none(), "{said:?}");
        assert!(said[0].starts_with("ERR ") && said[0].contains(message), "{said:?}");
    }
    let (_, outcome, _) = rpc(&good[..good.len() - 20]);
    assert_eq!(outcome, Outcome::Failed(ServerError::UnexpectedEnd));
    // No commands, nothing to do.
    let (said, outcome, _) = rpc(&[certificate(&["nonce 1-a"], &[]), packets(&["0000"])].concat());
    assert_eq!((said.len(), outcome), (0, Outcome::Complete));
}

#[test]
fn a_long_report_comes_in_steps() {
    let format = ObjectFormat::Sha1;
    let mut fake = Fake::new(format);
    let mut lines = vec![delete(format, "refs/heads/0", " report-status-v2 side-band-64k")];
    let null = ObjectId::null(format);
    lines.extend((1..20_000).map(|n| format!("{} {null} refs/heads/{n}", id(format, 'a'))));
    lines.push("0000".to_owned());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut machine = ReceivePack::new(ProtocolVersion::V0, Mode::StatelessRpc, options(format));
    let (said, outcome) = fake.converse(&mut machine, &packets(&lines), 1 << 16);
    assert_eq!(outcome, Outcome::Complete);
    // The packets of the report are cut anywhere by those of the side-band.
    let mut inner = Vec::new();
    let mut rest = &said[..];
    while let Ok(Some((packet, length))) = git_core_protocol::pkt_line::decode(rest) {
        if let git_core_protocol::Packet::Data(payload) = packet {
            inner.extend_from_slice(payload.strip_prefix(b"\x01").unwrap());
        }
        rest = &rest[length..];
    }
    assert_eq!(unpack(&inner).len(), 20_002);
}
