//! Transcripts of upload-pack: what git's own server answers to the same input, recorded.
#![allow(clippy::unwrap_used)]

mod server_support;

use git_core_object::{ErrorKind, ObjectFormat};
use git_core_protocol::ProtocolVersion;
use git_core_protocol::server::{
    Mode, Outcome, Question, ServerError, UploadPack, UploadPackOptions, WantPolicy,
};
use server_support::{Fake, id, packets, unpack};

const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];

fn options(format: ObjectFormat) -> UploadPackOptions {
    let mut options = UploadPackOptions::default();
    options.object_format = format;
    options.agent = Some("git/test".to_owned());
    options
}

/// One request, whole and byte by byte; what the server says and how it ends.
fn rpc(fake: &mut Fake, version: ProtocolVersion, lines: &[&str]) -> (Vec<String>, Outcome) {
    let input = packets(lines);
    let mut results = [1, 3, input.len().max(1)].map(|piece| {
        let mut machine = UploadPack::new(version, Mode::StatelessRpc, options(fake.format));
        fake.converse(&mut machine, &input, piece)
    });
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{results:?}");
    let (said, outcome) = std::mem::replace(&mut results[0], (Vec::new(), Outcome::Complete));
    (unpack(&said), outcome)
}

fn v0(fake: &mut Fake, lines: &[&str]) -> Vec<String> {
    rpc(fake, ProtocolVersion::V0, lines).0
}

fn v2(fake: &mut Fake, lines: &[&str]) -> Vec<String> {
    rpc(fake, ProtocolVersion::V2, lines).0
}

/// `word` and the id of one digit.
fn of(format: ObjectFormat, word: &str, digit: char) -> String {
    format!("{word} {}", id(format, digit))
}

#[test]
fn advertisements() {
    for format in FORMATS {
        let a = id(format, 'a');
        let said = |version, mode, fake: &mut Fake| {
            let mut machine = UploadPack::new(version, mode, options(format));
            let (said, outcome) = fake.converse(&mut machine, b"", 1);
            assert_eq!(outcome, Outcome::Complete);
            unpack(&said)
        };
        let base = "multi_ack thin-pack side-band side-band-64k ofs-delta shallow deepen-since \
                    deepen-not deepen-relative no-progress include-tag multi_ack_detailed";
        let tail = format!("object-format={format} agent=git/test");
        for (version, mode, no_done) in [
            (ProtocolVersion::V0, Mode::Stateful, ""),
            (ProtocolVersion::V1, Mode::Stateful, ""),
            (ProtocolVersion::V0, Mode::Advertise, " no-done"),
        ] {
            let mut lines = said(version, mode, &mut Fake::new(format));
            if version == ProtocolVersion::V1 {
                assert_eq!(lines.remove(0), "version 1");
            }
            assert_eq!(
                lines,
                [
                    format!("{a} HEAD\0{base}{no_done} {tail} symref=HEAD:refs/heads/main"),
                    format!("{a} refs/heads/main"),
                    format!("{} refs/tags/v1", id(format, 'b')),
                    format!("{a} refs/tags/v1^{{}}"),
                    "0000".to_owned(),
                ]
            );
            let lines = said(ProtocolVersion::V0, mode, &mut Fake::empty(format));
            let null = git_core_object::ObjectId::null(format);
            assert_eq!(
                lines,
                [format!("{null} capabilities^{{}}\0{base}{no_done} {tail}"), "0000".to_owned()]
            );
        }
        let v2 = said(ProtocolVersion::V2, Mode::Advertise, &mut Fake::new(format));
        let object_format = format!("object-format={format}");
        assert_eq!(
            v2,
            [
                "version 2",
                "agent=git/test",
                "ls-refs=unborn",
                "fetch=shallow wait-for-done",
                "server-option",
                &object_format,
                "0000"
            ]
        );
    }
    let mut options = options(ObjectFormat::Sha1);
    options.wants = WantPolicy::Any;
    let mut machine = UploadPack::new(ProtocolVersion::V0, Mode::Advertise, options);
    let (said, _) = Fake::new(ObjectFormat::Sha1).converse(&mut machine, b"", 1);
    let first = &unpack(&said)[0];
    assert!(first.contains(" allow-tip-sha1-in-want allow-reachable-sha1-in-want "), "{first}");
}

#[test]
fn a_clone_in_v0() {
    for format in FORMATS {
        let mut fake = Fake::new(format);
        let want =
            of(format, "want", 'a') + " multi_ack_detailed side-band-64k thin-pack ofs-delta include-tag";
        fake.progress = Some("Counting\r");
        let said =
            v0(&mut fake, &[&want, &of(format, "want", 'b'), &of(format, "want", 'a'), "0000", "done"]);
        assert_eq!(said, ["NAK", "\u{2}Counting\r", "\u{1}PACK", "\u{1}data", "0000"]);
        let request = &fake.requests[0];
        assert_eq!(request.wants, [id(format, 'a'), id(format, 'b')]);
        assert!(request.thin && request.ofs_delta && request.include_tag && request.progress);

        // Without side-bands there is no progress, and nothing but the pack.
        let said = v0(&mut fake, &[&of(format, "want", 'a'), "0000", "done"]);
        assert_eq!(said, ["NAK", "PACKdata"]);
        let request = fake.requests.last().unwrap();
        assert!(!request.thin && !request.ofs_delta && !request.include_tag && !request.progress);

        let quiet = of(format, "want", 'a') + " side-band no-progress";
        let said = v0(&mut fake, &[&quiet, "0000", "done"]);
        assert_eq!(said, ["NAK", "\u{1}PACK", "\u{1}data", "0000"]);
    }
}

#[test]
fn acknowledgements_in_v0() {
    let format = ObjectFormat::Sha1;
    let mut fake = Fake::new(format);
    let (have, unknown) = (of(format, "have", 'c'), of(format, "have", '1'));
    let (c, one) = (id(format, 'c'), id(format, '1'));
    let want = |caps: &str| of(format, "want", 'a') + " side-band-64k " + caps;
    let pack = ["\u{1}PACK", "\u{1}data", "0000"];
    let with_pack = |acks: &[String]| [acks, &pack.map(str::to_owned)].concat();
    let (common, ready) = (format!("ACK {c} common"), format!("ACK {c} ready"));
    let (ack, nak) = (format!("ACK {c}"), "NAK".to_owned());

    let detailed = want("multi_ack_detailed");
    let said = v0(&mut fake, &[&detailed, "0000", &have, "0000"]);
    assert_eq!(said, [common.as_str(), &ready, &nak]);
    let said = v0(&mut fake, &[&want("multi_ack_detailed no-done"), "0000", &have, "0000"]);
    assert_eq!(said, with_pack(&[common.clone(), ready.clone(), nak.clone(), ack.clone()]));
    let said = v0(&mut fake, &[&detailed, "0000", &have, "done"]);
    assert_eq!(said, with_pack(&[common.clone(), ack.clone()]));
    assert_eq!(fake.requests.last().unwrap().haves, [c]);
    let said = v0(&mut fake, &[&detailed, "0000", &have, &unknown, "0000"]);
    assert_eq!(said, [common.as_str(), &format!("ACK {one} ready"), &nak]);
    let said = v0(&mut fake, &[&detailed, "0000", &unknown, "0000"]);
    assert_eq!(said, [nak.as_str()]);

    let multi = want("multi_ack");
    let said = v0(&mut fake, &[&multi, "0000", &have, &have, "done"]);
    let go_on = format!("ACK {c} continue");
    assert_eq!(said, with_pack(&[go_on.clone(), go_on.clone(), ack.clone()]));

    let single = want("");
    let said = v0(&mut fake, &[&single, "0000", &unknown, &have, &have, "done"]);
    assert_eq!(said, with_pack(std::slice::from_ref(&ack)));
    let said = v0(&mut fake, &[&single, "0000", &unknown, "done"]);
    assert_eq!(said, with_pack(std::slice::from_ref(&nak)));

    // A request that says neither is answered with nothing; so is a client that wants nothing.
    assert_eq!(v0(&mut fake, &[&single, "0000"]), [""; 0]);
    assert_eq!(v0(&mut fake, &["0000"]), [""; 0]);
}

#[test]
fn a_stateful_negotiation_asks_in_batches() {
    let format = ObjectFormat::Sha1;
    let mut fake = Fake::new(format);
    let want = of(format, "want", 'a') + " multi_ack_detailed side-band-64k";
    let unknown = of(format, "have", '1');
    let mut lines = vec![want.as_str(), "0000"];
    lines.extend(vec![unknown.as_str(); 2500]);
    let have = of(format, "have", 'c');
    lines.extend(["0000", &have, "0000", "done"]);
    let mut machine = UploadPack::new(ProtocolVersion::V0, Mode::Stateful, options(format));
    let (said, outcome) = fake.converse(&mut machine, &packets(&lines), 1 << 20);
    assert_eq!(outcome, Outcome::Complete);
    let c = id(format, 'c');
    assert_eq!(
        unpack(&said)[5..10],
        ["NAK", &format!("ACK {c} common"), &format!("ACK {c} ready"), "NAK", &format!("ACK {c}")]
    );
    let asked = fake.questions.iter().filter_map(|question| match question {
        Question::Haves(query) => Some((query.haves.len(), query.common.len())),
        _ => None,
    });
    assert_eq!(asked.collect::<Vec<_>>(), [(1024, 0), (1024, 0), (452, 0), (1, 0)]);
}

#[test]
fn ls_refs() {
    for format in FORMATS {
        let a = id(format, 'a');
        let object_format = format!("object-format={format}");
        let mut fake = Fake::new(format);
        let all =
            v2(&mut fake, &["command=ls-refs", "agent=x", &object_format, "0001", "peel", "symrefs", "0000"]);
        let tag = format!("{} refs/tags/v1 peeled:{a}", id(format, 'b'));
        let head = format!("{a} HEAD symref-target:refs/heads/main");
        assert_eq!(all, [&head, &format!("{a} refs/heads/main"), &tag, "0000"]);
        let some =
            v2(&mut fake, &["command=ls-refs", "0001", "ref-prefix refs/heads/", "ref-prefix HEAD", "0000"]);
        assert_eq!(some, [&format!("{a} HEAD"), &format!("{a} refs/heads/main"), "0000"]);
        assert_eq!(v2(&mut fake, &["command=ls-refs", "0000"]).len(), 4);
        let mut empty = Fake::empty(format);
        let unborn = v2(&mut empty, &["command=ls-refs", "0001", "symrefs", "unborn", "0000"]);
        assert_eq!(unborn, ["unborn HEAD symref-target:refs/heads/main", "0000"]);
        for arguments in [["unborn", "peel"], ["symrefs", "peel"]] {
            let lines = [&["command=ls-refs", "0001"][..], &arguments, &["0000"]].concat();
            assert_eq!(v2(&mut empty, &lines), ["0000"]);
        }
        let options = ["command=ls-refs", "server-option=a=b", "server-option=c", "0001", "0000"];
        v2(&mut fake, &options);
        let Some(Question::Refs(query)) = fake.questions.last() else { panic!() };
        assert_eq!(query.server_options, ["a=b", "c"]);
    }
}

#[test]
fn fetch_in_v2() {
    for format in FORMATS {
        let mut fake = Fake::new(format);
        let (want, have, unknown) =
            (of(format, "want", 'a'), of(format, "have", 'c'), of(format, "have", '1'));
        let ack = of(format, "ACK", 'c');
        let pack = ["packfile", "\u{1}PACK", "\u{1}data", "0000"];
        let object_format = format!("object-format={format}");
        let fetch = |fake: &mut Fake, arguments: &[&str]| {
            v2(fake, &[&["command=fetch", &object_format, "0001"][..], arguments, &["0000"]].concat())
        };
        assert_eq!(fetch(&mut fake, &[&want, "done"]), pack);
        assert_eq!(fetch(&mut fake, &[&want]), pack);
        let said = fetch(&mut fake, &[&want, &have, &unknown]);
        assert_eq!(said, [&["acknowledgments", &ack, "ready", "0001"][..], &pack].concat());
        assert_eq!(fetch(&mut fake, &[&want, &unknown]), ["acknowledgments", "NAK", "0000"]);
        assert_eq!(fetch(&mut fake, &[&want, &have, "wait-for-done"]), ["acknowledgments", &ack, "0000"]);
        assert_eq!(fetch(&mut fake, &[&have, "wait-for-done"]), ["acknowledgments", &ack, "0000"]);
        let said = fetch(
            &mut fake,
            &["thin-pack", "no-progress", "include-tag", "ofs-delta", &want, &have, &unknown, "done"],
        );
        assert_eq!(said, pack);
        let request = fake.requests.last().unwrap();
        assert_eq!(
            (&request.wants[..], &request.haves[..]),
            (&[id(format, 'a')][..], &[id(format, 'c')][..])
        );
        assert!(request.thin && request.ofs_delta && request.include_tag && !request.progress);
        assert_eq!(fetch(&mut fake, &[]), [""; 0]);

        fake.pack_failure = Some("disk on fire");
        let said = fetch(&mut fake, &[&want, "done"]);
        assert_eq!(said.last().unwrap(), "\u{3}disk on fire");
    }
}

#[test]
fn requests_follow_one_another_in_a_stateful_v2() {
    let format = ObjectFormat::Sha256;
    let mut fake = Fake::new(format);
    let want = of(format, "want", 'a');
    let (have, unknown) = (of(format, "have", 'c'), of(format, "have", '1'));
    let lines = [
        "command=ls-refs",
        "0000",
        "command=fetch",
        "0001",
        &want,
        &unknown,
        "0000",
        "command=fetch",
        "0001",
        &want,
        &have,
        "0000",
        "0000",
        "never read",
    ];
    let mut machine = UploadPack::new(ProtocolVersion::V2, Mode::Stateful, options(format));
    let (said, outcome) = fake.converse(&mut machine, &packets(&lines), 7);
    assert_eq!(outcome, Outcome::Complete);
    let said = unpack(&said);
    assert_eq!(
        said[10..],
        [
            "0000",
            "acknowledgments",
            "NAK",
            "0000",
            "acknowledgments",
            &of(format, "ACK", 'c'),
            "ready",
            "0001",
            "packfile",
            "\u{1}PACK",
            "\u{1}data",
            "0000"
        ]
    );
}

#[test]
fn violations_are_told() {
    let format = ObjectFormat::Sha1;
    let mut fake = Fake::new(format);
    let want = of(format, "want", 'a');
    let zzz = format!("want {}", "z".repeat(40));
    for (version, lines, message) in [
        (ProtocolVersion::V0, vec!["want 12"], "expected to get object ID, not 'want 12'"),
        (ProtocolVersion::V0, vec![&zzz], "expected to get object ID"),
        (ProtocolVersion::V0, vec!["have x"], "unexpected line: 'have x'"),
        (ProtocolVersion::V0, vec![&want, "depth 1"], "unexpected line: 'depth 1'"),
        (ProtocolVersion::V0, vec![&want, "0000", "foo"], "unexpected line: 'foo'"),
        (ProtocolVersion::V0, vec![&want, "0001"], "unexpected delim packet"),
        (ProtocolVersion::V2, vec!["command=foo", "0000"], "invalid command 'foo'"),
        (ProtocolVersion::V2, vec!["command=ls-refs", "command=fetch"], "unexpected line"),
        (ProtocolVersion::V2, vec!["command=ls-refs", "bogus"], "unknown capability 'bogus'"),
        (ProtocolVersion::V2, vec!["agent=x", "0000"], "no command requested"),
        (ProtocolVersion::V2, vec!["command=fetch", "object-format=sha256"], "server sha1; client sha256"),
        (ProtocolVersion::V2, vec!["command=fetch", "0001", "depth 1"], "unexpected line: 'depth 1'"),
        (ProtocolVersion::V2, vec!["command=ls-refs", "0001", "x"], "unexpected line: 'x'"),
        (ProtocolVersion::V2, vec!["command=ls-refs", "0002"], "unexpected response-end packet"),
    ] {
        let (said, outcome) = rpc(&mut fake, version, &lines);
        assert!(said[0].starts_with("ERR ") && said[0].contains(message), "{lines:?}: {said:?}");
        let Outcome::Failed(error) = outcome else { panic!("{lines:?}") };
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    let missing = of(format, "want", '1');
    let message = format!("ERR upload-pack: not our ref {}", id(format, '1'));
    assert_eq!(v0(&mut fake, &[&missing, "0000", "done"]), [message.as_str()]);
    assert_eq!(v2(&mut fake, &["command=fetch", "0001", &missing, "done", "0000"]), [message.as_str()]);
    // A connection that breaks off in the middle: there is nobody to be told.
    let cut = rpc(&mut fake, ProtocolVersion::V0, &[&want]);
    assert_eq!(cut, (Vec::new(), Outcome::Failed(ServerError::UnexpectedEnd)));
}

#[test]
fn limits() {
    let format = ObjectFormat::Sha1;
    let mut fake = Fake::new(format);
    let mut options = options(format);
    (options.limits.wants, options.limits.haves, options.limits.capabilities) = (1, 2, 3);
    options.limits.request_bytes = 400;
    let (a, b, have) = (of(format, "want", 'a'), of(format, "want", 'b'), of(format, "have", 'a'));
    let mut fails = |version, lines: &[&str]| {
        let mut machine = UploadPack::new(version, Mode::StatelessRpc, options.clone());
        let (said, outcome) = fake.converse(&mut machine, &packets(lines), 1000);
        let Outcome::Failed(error @ ServerError::Limit { .. }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.kind(), ErrorKind::Limit);
        unpack(&said).pop().unwrap()
    };
    let v2 = ProtocolVersion::V2;
    assert_eq!(fails(ProtocolVersion::V0, &[&a, &b]), "ERR too many wants: at most 1 are accepted");
    assert!(fails(ProtocolVersion::V0, &[&a, "0000", &have, &have, &have]).contains("haves"));
    assert!(fails(v2, &["command=fetch", "0001", &a, &b]).contains("wants"));
    assert!(fails(v2, &["command=fetch", "0001", &have, &have, &have]).contains("haves"));
    assert!(fails(v2, &["agent=1", "agent=2", "agent=3", "agent=4"]).contains("capability lines"));
    let long = format!("ref-prefix {}", "x".repeat(400));
    assert!(fails(v2, &["command=ls-refs", "0001", &long]).contains("request bytes"));
}

#[test]
fn depths_that_cannot_be() {
    let format = ObjectFormat::Sha1;
    let want = of(format, "want", 'a');
    let fetch = |fake: &mut Fake, arguments: &[&str]| {
        v2(fake, &[&["command=fetch", "object-format=sha1", "0001"][..], arguments, &["0000"]].concat())
    };
    for (line, said) in [
        ("deepen 0", "ERR Invalid deepen: deepen 0"),
        ("deepen -1", "ERR Invalid deepen: deepen -1"),
        ("deepen x", "ERR Invalid deepen: deepen x"),
        ("deepen-since 0", "ERR Invalid deepen-since: deepen-since 0"),
        ("filter blob:none", "ERR unexpected line: 'filter blob:none'"),
    ] {
        assert_eq!(v0(&mut Fake::new(format), &[&want, line, "0000", "done"]), [said], "{line}");
        assert_eq!(fetch(&mut Fake::new(format), &[&want, line, "done"]), [said], "{line}");
    }
    let both = [want.as_str(), "deepen 1", "deepen-not main", "done"];
    let said = "ERR git upload-pack: deepen and deepen-since (or deepen-not) cannot be used together";
    assert_eq!(fetch(&mut Fake::new(format), &both), [said]);
}

#[test]
fn refs_wanted_by_name_are_refused_as_git_does() {
    for format in FORMATS {
        let said = |lines: &[&str], offered: bool| {
            let mut options = options(format);
            options.ref_in_want = offered;
            let mut machine = UploadPack::new(ProtocolVersion::V2, Mode::StatelessRpc, options);
            let lines = [&["command=fetch", "0001"], lines, &["done", "0000"]].concat();
            let (said, outcome) = Fake::new(format).converse(&mut machine, &packets(&lines), 3);
            assert!(matches!(outcome, Outcome::Failed(_)), "{lines:?}");
            String::from_utf8(said).unwrap()
        };
        for (lines, message) in [
            (&["want-ref refs/heads/nope"][..], "unknown ref refs/heads/nope"),
            (&["want-ref main"], "unknown ref main"),
            (&["want-ref ORIG_HEAD"], "unknown ref ORIG_HEAD"),
            (&["want-ref refs/heads/..x"], "unknown ref refs/heads/..x"),
            (&["want-ref "], "unknown ref "),
            (&["want-ref refs/heads/main", "want-ref refs/heads/main"], "duplicate want-ref refs/heads/main"),
        ] {
            let expected = format!("{:04x}ERR {message}\n", message.len() + 9);
            assert_eq!(said(lines, true), expected, "{lines:?}");
        }
        // git says nothing to the client there.
        let text = said(&["want-ref refs/heads/main"], false);
        assert!(text.contains("unexpected line: 'want-ref refs/heads/main'"), "{text}");
    }
}

#[test]
fn object_info_as_git_answers_it() {
    for format in FORMATS {
        let (a, none) = (id(format, 'a'), id(format, '1'));
        let (oid, gone) = (format!("oid {a}"), format!("oid {none}"));
        let said = |lines: &[&str]| {
            let mut fake = Fake::new(format);
            let mut options = options(format);
            options.object_info = true;
            let mut machine = UploadPack::new(ProtocolVersion::V2, Mode::StatelessRpc, options);
            let (said, outcome) = fake.converse(&mut machine, &packets(lines), 3);
            (String::from_utf8(said).unwrap(), outcome)
        };
        let packet = |text: &str| format!("{:04x}{text}", text.len() + 4);
        let command = "command=object-info";
        for (arguments, expected) in [
            (&["size", &oid, &gone][..], vec!["size".to_owned(), format!("{a} 170"), format!("{none} ")]),
            (&[&oid[..], "size", &oid], vec!["size".to_owned(), format!("{a} 170"), format!("{a} 170")]),
            (&[&oid], vec![a.to_string()]),
            (&["size"], vec![]),
            (&[], vec![]),
        ] {
            let (text, outcome) = said(&[&[command, "0001"], arguments, &["0000"]].concat());
            let expected: String = expected.iter().map(|line| packet(line)).collect();
            assert_eq!((text, outcome), (expected + "0000", Outcome::Complete), "{arguments:?}");
        }
        for (argument, message) in
            [("type", "unexpected line: 'type'"), ("oid xyz", "expected to get object ID, not 'xyz'")]
        {
            let (text, outcome) = said(&[command, "0001", "size", argument, "0000"]);
            assert!(text.contains("ERR ") && text.contains(message), "{text}");
            assert!(matches!(outcome, Outcome::Failed(_)));
        }
        // Not offered, not known.
        let (_, outcome) =
            rpc(&mut Fake::new(format), ProtocolVersion::V2, &[command, "0001", "size", "0000"]);
        assert_eq!(outcome, Outcome::Failed(ServerError::UnknownCommand(b"object-info".to_vec())));
    }
}
