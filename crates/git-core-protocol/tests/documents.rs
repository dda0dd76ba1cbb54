//! What Git's protocol documents say, rule by rule and example by example, in conversations of their own. Each test is
//! named after the document and the section: `pack_…` for gitprotocol-pack(5), `v2_…` for gitprotocol-v2(5),
//! `common_…` for gitprotocol-common(5), `capabilities_…` for gitprotocol-capabilities(5).
#![allow(clippy::unwrap_used)]

mod server_support;
#[path = "documents/v2.rs"]
mod v2;

use git_core_object::{ObjectFormat, ObjectId};
use git_core_protocol::advertisement::Reader;
use git_core_protocol::client::{ClientError, Command, Push, PushOptions};
use git_core_protocol::pkt_line::{self, MAX_PACKET};
use git_core_protocol::server::{
    CommandStatus, Mode, Outcome, ReceivePack, ReceivePackOptions, UpdateReport, UploadPack,
    UploadPackOptions,
};
use git_core_protocol::{Packet, ProtocolVersion, Service, ShallowUpdate};
use git_core_ref::RefName;
use server_support::{Fake, advertised, id, packets, unpack};
use std::sync::Arc;

const SHA1: ObjectFormat = ObjectFormat::Sha1;
use ProtocolVersion::{V0, V1, V2};

fn upload_options() -> UploadPackOptions {
    let mut options = UploadPackOptions::default();
    options.agent = Some("git/test".to_owned());
    options
}

/// What upload-pack says to these lines, and how it ends.
fn upload(fake: &mut Fake, version: ProtocolVersion, mode: Mode, lines: &[&str]) -> (Vec<String>, Outcome) {
    let mut options = upload_options();
    options.filter = fake.filter;
    options.object_info = fake.object_info;
    let mut machine = UploadPack::new(version, mode, options);
    let (said, outcome) = fake.converse(&mut machine, &packets(lines), 5);
    (unpack(&said), outcome)
}

fn rpc(version: ProtocolVersion, lines: &[&str]) -> Vec<String> {
    upload(&mut Fake::new(SHA1), version, Mode::StatelessRpc, lines).0
}

fn receive(fake: &mut Fake, mode: Mode, lines: &[&str], pack: &[u8]) -> (Vec<String>, Outcome) {
    let mut options = ReceivePackOptions::default();
    options.agent = Some("git/test".to_owned());
    let mut machine = ReceivePack::new(V0, mode, options);
    let input = [&packets(lines), pack].concat();
    let (said, outcome) = fake.converse(&mut machine, &input, 5);
    (unpack(&said), outcome)
}

fn of(word: &str, digit: char) -> String {
    format!("{word} {}", id(SHA1, digit))
}

#[test]
fn common_pkt_line_examples() {
    for (wire, payload) in [("0006a\n", "a\n"), ("0005a", "a"), ("000bfoobar\n", "foobar\n"), ("0004", "")] {
        let (packet, length) = pkt_line::decode(wire.as_bytes()).unwrap().unwrap();
        assert_eq!((packet, length), (Packet::Data(payload.as_bytes()), wire.len()));
        let mut written = Vec::new();
        pkt_line::write_data(&mut written, payload.as_bytes()).unwrap();
        assert_eq!(written, wire.as_bytes());
    }
    // A flush packet is something else than an empty one.
    assert_eq!(pkt_line::decode(b"0000").unwrap().unwrap().0, Packet::Flush);
}

#[test]
fn common_pkt_line_length_is_bounded() {
    assert_eq!(MAX_PACKET, 65_520);
    let mut out = Vec::new();
    assert!(pkt_line::write_data(&mut out, &vec![0; 65_516]).is_ok());
    assert_eq!(&out[..4], b"fff0");
    assert!(pkt_line::write_data(&mut out, &vec![0; 65_517]).is_err());
    assert!(pkt_line::decode(b"fff1").is_err());
}

#[test]
fn common_pkt_line_text_is_the_same_with_and_without_a_line_end() {
    let lines = [of("want", 'a'), "done".to_owned()];
    let request = |end: &str| {
        let line = |text: &str| format!("{:04x}{text}{end}", text.len() + 4 + end.len());
        let input = line(&lines[0]) + "0000" + &line(&lines[1]);
        let mut fake = Fake::new(SHA1);
        let mut machine = UploadPack::new(V0, Mode::StatelessRpc, upload_options());
        fake.converse(&mut machine, input.as_bytes(), 3)
    };
    assert_eq!(request("\n"), request(""));
    assert_eq!(request("").1, Outcome::Complete);
}

#[test]
fn common_refnames() {
    for good in ["HEAD", "refs/heads/main", "refs/heads/a/b.c", "refs/x/\u{fc}"] {
        assert!(RefName::new(good).is_ok(), "{good}");
    }
    for bad in [
        "refs/heads/.hidden",
        "refs/heads/a..b",
        "refs/heads/a b",
        "refs/heads/a~",
        "refs/heads/a^",
        "refs/heads/a:b",
        "refs/heads/a?",
        "refs/heads/a*",
        "refs/heads/a[",
        "refs/heads/a/",
        "refs/heads/a.",
        "refs/heads/a.lock",
        "refs/heads/a@{b",
        "refs/heads/a\\b",
        "refs/heads/a\x7f",
        "refs/heads/\x01",
    ] {
        assert!(RefName::new(bad).is_err(), "{bad}");
    }
}

#[test]
fn pack_extra_parameters_that_are_unknown_are_ignored() {
    assert_eq!(ProtocolVersion::from_request(b"unknown:version=1:key=value"), V1);
    assert_eq!(ProtocolVersion::from_request(b"unknown"), V0);
}

#[test]
fn pack_reference_discovery_example() {
    let mut fake = Fake::new(SHA1);
    let tag = server_support::advertised("refs/tags/v1.0", Some(id(SHA1, 'b')));
    let refs = vec![
        advertised("HEAD", Some(id(SHA1, 'a'))),
        advertised("refs/heads/integration", Some(id(SHA1, 'c'))),
        advertised("refs/heads/master", Some(id(SHA1, 'a'))),
        advertised("refs/tags/v0.9", Some(id(SHA1, 'd'))),
        git_core_protocol::server::AdvertisedRef { peeled: Some(id(SHA1, 'e')), ..tag },
    ];
    fake.refs.refs = Arc::new(refs);
    let (said, _) = upload(&mut fake, V1, Mode::Stateful, &["0000"]);
    assert_eq!(said[0], "version 1");
    // HEAD comes first, and what the server can do behind a NUL on that line and no other.
    let (first, capabilities) = said[1].split_once('\0').unwrap();
    assert_eq!(first, format!("{} HEAD", id(SHA1, 'a')));
    for name in [
        "multi_ack",
        "thin-pack",
        "side-band",
        "side-band-64k",
        "ofs-delta",
        "shallow",
        "no-progress",
        "include-tag",
    ] {
        assert!(capabilities.split(' ').any(|word| word == name), "{name}");
    }
    let rest: Vec<_> = [
        "refs/heads/integration",
        "refs/heads/master",
        "refs/tags/v0.9",
        "refs/tags/v1.0",
        "refs/tags/v1.0^{}",
    ]
    .into_iter()
    .zip(['c', 'a', 'd', 'b', 'e'])
    .map(|(name, digit)| format!("{} {name}", id(SHA1, digit)))
    .collect();
    assert_eq!(said[2..7], rest[..]);
    assert_eq!(said[7], "0000");
}

#[test]
fn pack_reference_discovery_leaves_out_a_head_that_is_not_valid() {
    let mut fake = Fake::new(SHA1);
    fake.refs.refs =
        Arc::new(vec![advertised("HEAD", None), advertised("refs/heads/x", Some(id(SHA1, 'a')))]);
    let (said, _) = upload(&mut fake, V0, Mode::Stateful, &["0000"]);
    assert!(said[0].starts_with(&format!("{} refs/heads/x\0", id(SHA1, 'a'))), "{said:?}");
    assert!(!said.iter().any(|line| line.contains("HEAD") && !line.contains('\0')));
}

#[test]
fn pack_reference_discovery_without_refs() {
    let (said, outcome) = upload(&mut Fake::empty(SHA1), V0, Mode::Stateful, &["0000"]);
    assert!(said[0].starts_with(&format!("{} capabilities^{{}}\0", "0".repeat(40))), "{said:?}");
    assert_eq!((said.len(), outcome), (2, Outcome::Complete));
}

#[test]
fn pack_reference_discovery_lists_where_the_history_ends_after_the_refs() {
    let mut options = upload_options();
    options.shallow = Arc::new(vec![id(SHA1, 'c')]);
    let mut machine = UploadPack::new(V0, Mode::Advertise, options);
    let (said, _) = Fake::new(SHA1).converse(&mut machine, b"", 1);
    let said = unpack(&said);
    assert_eq!(said[said.len() - 2..], [of("shallow", 'c'), "0000".to_owned()]);
}

#[test]
fn pack_reference_discovery_takes_ids_in_either_case() {
    let upper = of("want", 'a').to_uppercase().replace("WANT", "want");
    assert_eq!(rpc(V0, &[&upper, "0000", "done"]), rpc(V0, &[&of("want", 'a'), "0000", "done"]));
    let mut reader = Reader::new(Service::UploadPack, 1000);
    reader.packet(Packet::Data(format!("{} HEAD\0", "A".repeat(40)).as_bytes())).unwrap();
    reader.packet(Packet::Flush).unwrap();
    assert_eq!(reader.finish().refs[0].id, Some(id(SHA1, 'a')));
}

#[test]
fn pack_packfile_negotiation_ends_where_nothing_is_wanted() {
    let (said, outcome) = upload(&mut Fake::new(SHA1), V0, Mode::Stateful, &["0000"]);
    assert_eq!((said.last().unwrap().as_str(), outcome), ("0000", Outcome::Complete));
}

#[test]
fn pack_packfile_negotiation_clone_example() {
    // want … and capabilities, more wants, flush, done: a NAK, and the pack.
    let first = format!("{} multi_ack_detailed side-band-64k thin-pack ofs-delta", of("want", 'a'));
    let mut fake = Fake::new(SHA1);
    let (said, outcome) =
        upload(&mut fake, V0, Mode::StatelessRpc, &[&first, &of("want", 'b'), "0000", "done"]);
    assert_eq!(said[0], "NAK");
    assert_eq!(said[1..], ["\u{1}PACK", "\u{1}data", "0000"]);
    assert_eq!(outcome, Outcome::Complete);
    assert_eq!(fake.requests[0].wants, [id(SHA1, 'a'), id(SHA1, 'b')]);
}

#[test]
fn pack_packfile_negotiation_fetch_example() {
    // Two of three haves are common: each is acknowledged, and once again before the pack.
    let first = format!("{} multi_ack_detailed ofs-delta", of("want", 'a'));
    let lines = [&first[..], "0000", &of("have", '1'), &of("have", 'c'), &of("have", 'd'), "0000", "done"];
    let mut fake = Fake::new(SHA1);
    let (said, _) = upload(&mut fake, V0, Mode::Stateful, &lines);
    let acks: Vec<_> = said.iter().filter(|line| line.starts_with("ACK") || *line == "NAK").collect();
    let c = id(SHA1, 'c');
    let d = id(SHA1, 'd');
    assert!(
        acks.iter().any(|line| **line == format!("ACK {c} common") || **line == format!("ACK {c} ready")),
        "{said:?}"
    );
    assert_eq!(**acks.last().unwrap(), format!("ACK {d}"), "{said:?}");
    assert_eq!(fake.requests[0].haves, [c, d]);
}

#[test]
fn pack_packfile_negotiation_without_multi_ack_tells_of_the_first_common_only() {
    let lines = [&of("want", 'a')[..], "0000", &of("have", 'c'), &of("have", 'd'), "0000", "done"];
    let (said, _) = upload(&mut Fake::new(SHA1), V0, Mode::StatelessRpc, &lines);
    let c = format!("ACK {}", id(SHA1, 'c'));
    assert_eq!(said.iter().find(|line| line.starts_with("ACK")).unwrap(), &c, "{said:?}");
    assert!(!said.iter().any(|line| line.contains("common") || line.contains("continue")), "{said:?}");
}

#[test]
fn pack_packfile_negotiation_with_multi_ack_continues() {
    let first = format!("{} multi_ack", of("want", 'a'));
    let lines = [&first[..], "0000", &of("have", 'c'), "0000", "done"];
    let (said, _) = upload(&mut Fake::new(SHA1), V0, Mode::StatelessRpc, &lines);
    assert_eq!(said[0], format!("ACK {} continue", id(SHA1, 'c')), "{said:?}");
}

#[test]
fn pack_packfile_negotiation_after_done_without_anything_in_common() {
    let lines = [&of("want", 'a')[..], "0000", &of("have", '1'), "0000", "done"];
    let (said, _) = upload(&mut Fake::new(SHA1), V0, Mode::Stateful, &lines);
    assert_eq!(said.iter().filter(|line| *line == "NAK").count(), 2, "{said:?}");
    assert!(!said.iter().any(|line| line.starts_with("ACK")));
}

#[test]
fn pack_packfile_negotiation_depth_comes_before_the_haves() {
    let mut fake = Fake::new(SHA1);
    fake.bounds = ShallowUpdate { shallow: vec![id(SHA1, 'd')], unshallow: vec![id(SHA1, 'e')] };
    let lines = [&of("want", 'a')[..], &of("shallow", 'e'), "deepen 2", "0000", "done"];
    let (said, _) = upload(&mut fake, V0, Mode::StatelessRpc, &lines);
    assert_eq!(said[..4], [of("shallow", 'd'), of("unshallow", 'e'), "0000".to_owned(), "NAK".to_owned()]);
    assert_eq!(fake.requests[0].client_shallow, [id(SHA1, 'e')]);
}

#[test]
fn pack_packfile_negotiation_wants_nothing_that_was_not_shown() {
    let (said, outcome) =
        upload(&mut Fake::new(SHA1), V0, Mode::StatelessRpc, &[&of("want", '1'), "0000", "done"]);
    assert_eq!(said, [format!("ERR upload-pack: not our ref {}", id(SHA1, '1'))]);
    assert!(matches!(outcome, Outcome::Failed(_)));
}

#[test]
fn pack_packfile_data_in_side_bands_of_two_sizes() {
    for (capability, most) in [("side-band", 1000), ("side-band-64k", 65_520)] {
        let mut fake = Fake::new(SHA1);
        fake.pack = vec![vec![b'x'; 100_000]];
        fake.progress = Some("one\n");
        let first = format!("{} {capability}", of("want", 'a'));
        let mut machine = UploadPack::new(V0, Mode::StatelessRpc, upload_options());
        let (said, _) = fake.converse(&mut machine, &packets(&[&first, "0000", "done"]), 7);
        let (mut rest, mut pack, mut progress) = (&said[..], 0, false);
        while let Some((packet, length)) = pkt_line::decode(rest).unwrap_or_default() {
            assert!(length <= most, "{capability}: {length}");
            match packet {
                Packet::Data([1, content @ ..]) => pack += content.len(),
                Packet::Data([2, text @ ..]) => progress |= text == b"one\n",
                _ => {}
            }
            rest = &rest[length..];
        }
        assert!(pack == 100_000 && progress, "{capability}");
    }
}

#[test]
fn pack_packfile_data_without_side_bands_follows_as_it_is() {
    let mut fake = Fake::new(SHA1);
    let mut machine = UploadPack::new(V0, Mode::StatelessRpc, upload_options());
    let (said, _) = fake.converse(&mut machine, &packets(&[&of("want", 'a'), "0000", "done"]), 7);
    assert_eq!(said, b"0008NAK\nPACKdata");
}

#[test]
fn pack_pushing_reference_discovery_shows_no_peeled_tags() {
    let (said, _) = receive(&mut Fake::new(SHA1), Mode::Stateful, &["0000"], b"");
    assert!(!said.iter().any(|line| line.contains("^{}")), "{said:?}");
    for name in ["report-status", "delete-refs", "ofs-delta"] {
        assert!(said[0].split(['\0', ' ']).any(|word| word == name), "{name}");
    }
}

#[test]
fn pack_pushing_report_status_example() {
    let mut fake = Fake::new(SHA1);
    fake.report = Some(UpdateReport {
        statuses: vec![
            CommandStatus::Ok(Default::default()),
            CommandStatus::Rejected("non-fast-forward".into()),
        ],
    });
    let debug = format!("{} {} refs/heads/debug\0 report-status", id(SHA1, 'a'), id(SHA1, 'b'));
    let master = format!("{} {} refs/heads/master", id(SHA1, 'c'), id(SHA1, 'd'));
    fake.expected = b"PACK".to_vec();
    let (said, _) = receive(&mut fake, Mode::StatelessRpc, &[&debug, &master, "0000"], b"PACK");
    assert_eq!(said, ["unpack ok", "ok refs/heads/debug", "ng refs/heads/master non-fast-forward", "0000"]);
}

#[test]
fn pack_pushing_is_followed_by_no_pack_where_all_is_deleted() {
    let zero = "0".repeat(40);
    let delete = format!("{} {zero} refs/heads/old\0 report-status", id(SHA1, 'a'));
    let mut fake = Fake::new(SHA1);
    let (said, outcome) = receive(&mut fake, Mode::StatelessRpc, &[&delete, "0000"], b"");
    assert_eq!(
        (said, outcome),
        (vec!["unpack ok".into(), "ok refs/heads/old".into(), "0000".into()], Outcome::Complete)
    );
    let command = Command { name: RefName::branch("old").unwrap(), old: Some(id(SHA1, 'a')), new: None };
    let server = |capabilities: &str| {
        let mut reader = Reader::new(Service::ReceivePack, 1000);
        reader
            .packet(Packet::Data(format!("{} refs/heads/old\0{capabilities}", id(SHA1, 'a')).as_bytes()))
            .unwrap();
        reader.packet(Packet::Flush).unwrap();
        reader.finish()
    };
    // Nothing is deleted where the server deletes nothing.
    let push = |capabilities| {
        Push::new(&server(capabilities), std::slice::from_ref(&command), &PushOptions::default())
    };
    assert!(!push("delete-refs report-status").unwrap().needs_pack());
    assert_eq!(push("report-status").unwrap_err(), ClientError::Unsupported("deleting refs"));
}

#[test]
fn pack_pushing_a_new_ref_takes_a_pack_even_if_all_is_there() {
    let create = format!("{} {} refs/heads/new\0 report-status", "0".repeat(40), id(SHA1, 'a'));
    let mut fake = Fake::new(SHA1);
    fake.expected = b"PACK with nothing in it".to_vec();
    let (said, _) = receive(&mut fake, Mode::StatelessRpc, &[&create, "0000"], b"PACK with nothing in it");
    assert_eq!(said, ["unpack ok", "ok refs/heads/new", "0000"]);
}

#[test]
fn capabilities_are_asked_for_only_when_they_were_offered() {
    let mut reader = Reader::new(Service::ReceivePack, 1000);
    reader
        .packet(Packet::Data(format!("{} refs/heads/main\0report-status", id(SHA1, 'a')).as_bytes()))
        .unwrap();
    reader.packet(Packet::Flush).unwrap();
    let server = reader.finish();
    let command = Command { name: RefName::branch("new").unwrap(), old: None, new: Some(id(SHA1, 'b')) };
    let mut options = PushOptions::default();
    options.quiet = true;
    options.session_id = Some("me".into());
    let mut push = Push::new(&server, std::slice::from_ref(&command), &options).unwrap();
    use git_core_protocol::client::{Action, Machine as _};
    let Ok(Action::Send(bytes)) = push.poll() else { panic!("it begins with the commands") };
    let said = unpack(bytes);
    assert_eq!(said[0], format!("{} {} refs/heads/new\0 report-status", ObjectId::null(SHA1), id(SHA1, 'b')));
    // What must be so and cannot is refused before anything is sent.
    options.atomic = true;
    let refused = Push::new(&server, std::slice::from_ref(&command), &options);
    assert_eq!(refused.unwrap_err(), ClientError::Unsupported("atomic pushes"));
}

#[test]
fn capabilities_object_format_must_be_that_of_the_server() {
    let first = format!("{} object-format=sha256", of("want", 'a'));
    let (said, outcome) = upload(&mut Fake::new(SHA1), V0, Mode::StatelessRpc, &[&first, "0000", "done"]);
    assert!(said[0].contains("mismatched object format: server sha1; client sha256"), "{said:?}");
    assert!(matches!(outcome, Outcome::Failed(_)));
}

#[test]
fn capabilities_push_cert_names_a_nonce() {
    let mut options = ReceivePackOptions::default();
    options.push_cert_nonce = Some("1400000000-abcdef".to_owned());
    let mut machine = ReceivePack::new(V0, Mode::Advertise, options);
    let (said, _) = Fake::new(SHA1).converse(&mut machine, b"", 1);
    assert!(unpack(&said)[0].contains(" push-cert=1400000000-abcdef "));
}
