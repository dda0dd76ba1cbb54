//! The rules of gitprotocol-v2(5).

use super::*;

#[test]
fn v2_capability_advertisement() {
    let (said, outcome) = upload(&mut Fake::new(SHA1), V2, Mode::Stateful, &["0000"]);
    assert_eq!(said[0], "version 2");
    assert_eq!(said.last().unwrap(), "0000");
    for line in &said[1..said.len() - 1] {
        let name = line.split('=').next().unwrap();
        assert!(
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
            "{line}"
        );
    }
    // An empty request says that no more will come.
    assert_eq!(outcome, Outcome::Complete);
}

#[test]
fn v2_command_request_of_each_kind() {
    // With and without a delimiter before arguments that there are none of.
    assert_eq!(rpc(V2, &["command=ls-refs", "0000"]), rpc(V2, &["command=ls-refs", "0001", "0000"]));
    for (lines, message) in [
        (&["0001", "0000"][..], "ERR no command requested"),
        (&["agent=x", "0000"], "ERR no command requested"),
        (&["command=what", "0000"], "ERR invalid command 'what'"),
        (&["command=ls-refs", "what=x", "0000"], "ERR unknown capability 'what=x'"),
        (&["command=ls-refs", "object-format=sha256", "0000"], "ERR mismatched object format"),
        (&["command=ls-refs", "0001", "what", "0000"], "ERR unexpected line: 'what'"),
        (&["command=fetch", "0001", "filter blob:none", "0000"], "ERR unexpected line: 'filter blob:none'"),
    ] {
        let said = rpc(V2, lines);
        assert!(said.len() == 1 && said[0].starts_with(message), "{lines:?}: {said:?}");
    }
}

#[test]
fn v2_stateful_connections_take_one_command_after_the_other() {
    let lines = [
        "command=ls-refs",
        "0001",
        "ref-prefix HEAD",
        "0000",
        "command=ls-refs",
        "0001",
        "ref-prefix refs/tags/",
        "0000",
        "0000",
    ];
    let (said, outcome) = upload(&mut Fake::new(SHA1), V2, Mode::Stateful, &lines);
    let answers = said.iter().position(|line| line == "0000").unwrap() + 1;
    assert_eq!(
        said[answers..],
        [
            format!("{} HEAD", id(SHA1, 'a')),
            "0000".into(),
            format!("{} refs/tags/v1", id(SHA1, 'b')),
            "0000".into()
        ]
    );
    assert_eq!(outcome, Outcome::Complete);
}

#[test]
fn v2_ls_refs_tells_what_is_asked_of_each_ref() {
    let a = id(SHA1, 'a');
    let said = rpc(V2, &["command=ls-refs", "0001", "symrefs", "peel", "0000"]);
    let expected = [
        format!("{a} HEAD symref-target:refs/heads/main"),
        format!("{a} refs/heads/main"),
        format!("{} refs/tags/v1 peeled:{a}", id(SHA1, 'b')),
        "0000".to_owned(),
    ];
    assert_eq!(said, expected);
    let plain = rpc(V2, &["command=ls-refs", "0000"]);
    assert!(!plain.iter().any(|line| line.contains("symref-target") || line.contains("peeled")));
    // Several prefixes, of which one is enough.
    let said =
        rpc(V2, &["command=ls-refs", "0001", "ref-prefix refs/heads/", "ref-prefix refs/tags/", "0000"]);
    assert_eq!(said.len(), 3);
    // A HEAD that is yet to be born is told of to who asks.
    let (said, _) = upload(
        &mut Fake::empty(SHA1),
        V2,
        Mode::StatelessRpc,
        &["command=ls-refs", "0001", "unborn", "symrefs", "0000"],
    );
    assert_eq!(said, ["unborn HEAD symref-target:refs/heads/main", "0000"]);
}

#[test]
fn v2_fetch_acknowledgments_are_left_out_after_done() {
    let lines = ["command=fetch", "0001", &of("want", 'a'), &of("have", 'c'), "done", "0000"];
    let said = rpc(V2, &lines);
    assert_eq!(said[0], "packfile", "{said:?}");
    assert_eq!(said.last().unwrap(), "0000");
}

#[test]
fn v2_fetch_acknowledgments_say_nak_or_what_is_common() {
    let said = rpc(V2, &["command=fetch", "0001", &of("want", 'a'), &of("have", '1'), "0000"]);
    assert_eq!(said, ["acknowledgments", "NAK", "0000"]);
    // Ready: the pack follows in the same answer, behind a delimiter.
    let said = rpc(V2, &["command=fetch", "0001", &of("want", 'a'), &of("have", 'c'), "0000"]);
    assert_eq!(said[..5], ["acknowledgments", &of("ACK", 'c'), "ready", "0001", "packfile"]);
}

#[test]
fn v2_fetch_wait_for_done_sends_no_pack_before_it_hears_done() {
    let said =
        rpc(V2, &["command=fetch", "0001", "wait-for-done", &of("want", 'a'), &of("have", 'c'), "0000"]);
    assert_eq!(said, ["acknowledgments", &of("ACK", 'c'), "0000"]);
    // What is common can be asked for alone.
    let said =
        rpc(V2, &["command=fetch", "0001", "wait-for-done", &of("have", 'c'), &of("have", '1'), "0000"]);
    assert_eq!(said, ["acknowledgments", &of("ACK", 'c'), "0000"]);
}

#[test]
fn v2_fetch_shallow_info_stands_before_the_pack() {
    let mut fake = Fake::new(SHA1);
    fake.bounds = ShallowUpdate { shallow: vec![id(SHA1, 'd')], unshallow: vec![id(SHA1, 'e')] };
    let lines = ["command=fetch", "0001", &of("want", 'a'), &of("shallow", 'e'), "deepen 1", "done", "0000"];
    let (said, _) = upload(&mut fake, V2, Mode::StatelessRpc, &lines);
    assert_eq!(said[..5], ["shallow-info", &of("shallow", 'd'), &of("unshallow", 'e'), "0001", "packfile"]);
}

#[test]
fn v2_fetch_knows_filters_where_they_are_offered() {
    let mut fake = Fake::new(SHA1);
    fake.filter = true;
    let lines = ["command=fetch", "0001", &of("want", 'a'), "filter blob:limit=1k", "done", "0000"];
    let (said, _) = upload(&mut fake, V2, Mode::StatelessRpc, &lines);
    assert_eq!(said[0], "packfile");
    assert_eq!(fake.requests[0].filter.as_deref().unwrap(), b"blob:limit=1k".as_slice());
}

#[test]
fn v2_fetch_packfile_is_multiplexed() {
    let mut fake = Fake::new(SHA1);
    fake.progress = Some("text\n");
    let said = upload(
        &mut fake,
        V2,
        Mode::StatelessRpc,
        &["command=fetch", "0001", &of("want", 'a'), "done", "0000"],
    )
    .0;
    assert_eq!(said, ["packfile", "\u{2}text", "\u{1}PACK", "\u{1}data", "0000"]);
    let mut fake = Fake::new(SHA1);
    fake.pack_failure = Some("disk on fire");
    let said = upload(
        &mut fake,
        V2,
        Mode::StatelessRpc,
        &["command=fetch", "0001", &of("want", 'a'), "done", "0000"],
    )
    .0;
    assert_eq!(said.last().unwrap(), "\u{3}disk on fire");
}

#[test]
fn v2_server_options_are_told_to_who_answers() {
    use git_core_protocol::server::Question;
    let mut fake = Fake::new(SHA1);
    upload(
        &mut fake,
        V2,
        Mode::StatelessRpc,
        &["command=ls-refs", "server-option=one", "server-option=two=2", "0000"],
    );
    let Question::Refs(query) = &fake.questions[0] else { panic!("{:?}", fake.questions) };
    assert_eq!(query.server_options, ["one", "two=2"]);
}

#[test]
fn v2_object_info_tells_sizes() {
    let mut fake = Fake::new(SHA1);
    fake.object_info = true;
    let lines = ["command=object-info", "0001", "size", &of("oid", 'a'), &of("oid", '1'), "0000"];
    let (said, _) = upload(&mut fake, V2, Mode::StatelessRpc, &lines);
    assert_eq!(said, ["size", &format!("{} 170", id(SHA1, 'a')), &format!("{} ", id(SHA1, '1')), "0000"]);
}

#[test]
fn v2_fetch_packfile_uris_stand_before_the_pack() {
    use git_core_protocol::client::{Action, Fetch, FetchOptions, Machine as _};
    let greeting = |feature: &str| {
        let mut reader = Reader::new(Service::UploadPack, 1000);
        for line in ["version 2", &format!("fetch=shallow{feature}")] {
            reader.packet(Packet::Data(line.as_bytes())).unwrap();
        }
        reader.packet(Packet::Flush).unwrap();
        reader.finish()
    };
    let mut options = FetchOptions::default();
    options.uri_protocols = vec!["https".into(), "http".into()];
    // What comes of an answer: what was asked, the addresses, the pack.
    let fetch = |feature: &str, answer: &[&str], piece: usize| {
        let mut machine = Fetch::new(&greeting(feature), [id(SHA1, 'a')], &options).unwrap();
        let input = packets(answer);
        let (mut asked, mut pack, mut fed) = (Vec::new(), Vec::new(), 0);
        loop {
            match machine.poll()? {
                Action::Send(bytes) => asked.extend_from_slice(bytes),
                Action::NextHaves { .. } => machine.haves(&[]),
                Action::Read if fed == input.len() => machine.feed_end(),
                Action::Read => fed += machine.feed(&input[fed..input.len().min(fed + piece)]),
                Action::Pack(bytes) => pack.extend_from_slice(bytes),
                Action::Done => break,
                _ => {}
            }
        }
        Ok::<_, ClientError>((unpack(&asked), machine.pack_uris().to_vec(), pack))
    };
    let line = format!("{} https://host/a pack", "b".repeat(40));
    for piece in [1, 7, 10_000] {
        let answer = ["packfile-uris", &line, "0001", "packfile", "\u{1}PACK", "0000"];
        let (asked, uris, pack) = fetch(" packfile-uris", &answer, piece).unwrap();
        assert!(asked.contains(&"packfile-uris https,http".to_owned()), "{asked:?}");
        assert_eq!((uris[0].checksum, uris[0].uri.as_slice()), (id(SHA1, 'b'), &b"https://host/a pack"[..]));
        assert_eq!((uris.len(), &pack[..]), (1, &b"PACK\n"[..]));
    }
    // Not offered, so not asked for, and no surprise is welcome.
    let (asked, uris, _) = fetch("", &["packfile", "\u{1}PACK", "0000"], 9).unwrap();
    assert!(!asked.iter().any(|line| line.contains("packfile-uris")) && uris.is_empty());
    assert!(fetch("", &["packfile-uris", &line, "0001", "packfile", "\u{1}PACK", "0000"], 9).is_err());
    for bad in [
        "nonsense",
        &"b".repeat(40),
        &format!("{} ", "b".repeat(40)),
        &format!("{} https://x", "b".repeat(39)),
    ] {
        assert!(
            fetch(" packfile-uris", &["packfile-uris", bad, "0001", "packfile", "\u{1}P", "0000"], 9)
                .is_err(),
            "{bad}"
        );
    }
}
