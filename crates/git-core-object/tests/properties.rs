//! Encoders and decoders against each other, and decoders against anything.
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]

use git_core_object::check::{CheckOptions, check};
use git_core_object::loose::{self, Level};
use git_core_object::{
    CommitRef, EntryMode, Ident, IdentRef, Kind, ObjectFormat, ObjectId, ObjectRef, TagRef, Time, Tree,
    TreeEntry, TreeRef, Zone, commit, parse_date,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn format() -> impl Strategy<Value = ObjectFormat> {
    prop_oneof![Just(ObjectFormat::Sha1), Just(ObjectFormat::Sha256)]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Commit), Just(Kind::Tree), Just(Kind::Blob), Just(Kind::Tag)]
}

/// Lines that are often, not always, headers.
fn header_lines() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("author A <a> 1 +0000".to_owned()),
        Just("committer C <c> 2 -0100".to_owned()),
        Just("parent x".to_owned()),
        Just(String::new()),
        "[a-z]{0,5} [ -~]{0,9}",
        " [ -~\\x00]{0,9}",
    ];
    vec(line, 0..8).prop_map(|lines| lines.join("\n").into_bytes())
}

proptest! {
    #[test]
    fn commits_and_tags_that_parse_are_written_again_byte_by_byte(format in format(), rest in header_lines()) {
        let id = "ab".repeat(format.raw_len());
        let content = [format!("tree {id}\nparent {id}\n").as_bytes(), &rest].concat();
        if let Ok(commit) = CommitRef::parse(format, &content) {
            prop_assert_eq!(commit.to_owned().to_bytes(), &content[..]);
            prop_assert!(commit::links(format, &content).is_ok());
        }
        let content = [format!("object {id}\ntype tag\ntag x\n").as_bytes(), &rest].concat();
        if let Ok(tag) = TagRef::parse(format, &content) {
            prop_assert_eq!(tag.to_owned().to_bytes(), &content[..]);
        }
    }

    #[test]
    fn anything_is_read_without_a_panic(format in format(), kind in kind(), content in vec(any::<u8>(), 0..200)) {
        if let Ok(object) = ObjectRef::parse(format, kind, &content) {
            let _ = object.to_owned();
        }
        check(format, kind, &content, &CheckOptions::strict());
        let _ = IdentRef::parse(&content).to_owned();
        let _ = parse_date(&String::from_utf8_lossy(&content), Zone::utc());
        let _ = loose::decode(&content, 1000, &mut Vec::new());
    }

    #[test]
    fn trees_come_back_whatever_order_they_were_built_in(
        format in format(),
        entries in vec(("[a-c.~\\-0]{1,4}", prop_oneof![Just(EntryMode::TREE), Just(EntryMode::BLOB), Just(EntryMode::from_raw(0o100_664))]), 0..20),
    ) {
        let mut tree = Tree::new(format);
        for (name, mode) in entries {
            let entry = TreeEntry { mode, name: name.into(), id: ObjectId::empty_blob(format) };
            tree.replace(entry).unwrap();
        }
        let content = tree.to_bytes();
        prop_assert_eq!(TreeRef::new(format, &content).to_owned().unwrap(), tree);
        let findings = check(format, Kind::Tree, &content, &CheckOptions::default());
        prop_assert!(findings.iter().all(|f| !f.severity.is_error()), "{:?}", findings);
    }

    #[test]
    fn identities_come_back(name in "[ -~]{0,20}", email in "[ -~]{0,20}", seconds in 0i64..1 << 40, zone in -5999i32..5999) {
        if let Ok(ident) = Ident::new(&name, &email, Time::new(seconds, zone)) {
            let line = ident.to_line();
            prop_assert_eq!(IdentRef::parse(&line).to_owned().unwrap(), ident);
        }
    }

    #[test]
    fn loose_objects_come_back(format in format(), kind in kind(), content in vec(any::<u8>(), 0..5000), level in 0u32..10) {
        let (bytes, id) = loose::encode(format, kind, &content, Level::new(level)).unwrap();
        let mut out = Vec::new();
        let header = loose::decode(&bytes, u64::MAX, &mut out).unwrap();
        prop_assert_eq!((header.kind, &out), (kind, &content));
        prop_assert_eq!(id, ObjectId::hash(format, kind, &content).unwrap());
    }

    #[test]
    fn a_flipped_bit_never_gives_another_object(content in vec(any::<u8>(), 1..300), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (mut bytes, _) = loose::encode(ObjectFormat::Sha1, Kind::Blob, &content, Level::default()).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1u8 << bit;
        let mut out = Vec::new();
        if loose::decode(&bytes, 1 << 20, &mut out).is_ok() {
            prop_assert_eq!(out, content);
        }
    }
}
