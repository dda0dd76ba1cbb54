//! Formats of commits, and the commits themselves: nothing panics, and what has no `%` in it stays.
#![no_main]

use git_core::Repository;
use git_core::object::ObjectFormat;
use git_core::object::{Kind, Object, ObjectRef};
use git_core::pretty::PrettyCommit;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(at) = bytes.iter().position(|b| *b == 0) else { return };
    let (format, message) = (&bytes[..at], &bytes[at + 1..]);
    let repository = Repository::in_memory(ObjectFormat::Sha1);
    let head = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor a <b@c> 1 +0000\ncommitter ";
    let content = [&head[..], message].concat();
    let Ok(commit) = ObjectRef::parse(ObjectFormat::Sha1, Kind::Commit, &content) else { return };
    let Ok(commit) = commit.to_owned() else { return };
    assert!(matches!(commit, Object::Commit(_)));
    let Ok(id) = repository.write(&commit) else { return };
    let snapshot = repository.snapshot().expect("in memory");
    let pretty = PrettyCommit::new(&repository, &*snapshot, &id, 1).expect("it was written");
    let mut out = Vec::new();
    pretty.expand(format, &mut out).expect("nothing is looked up that is not there");
    if !format.contains(&b'%') {
        assert_eq!(out, format);
    }
});
