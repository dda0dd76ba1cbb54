//! S4: the difference of two trees as a patch, byte for byte as `git diff-tree -r -p` prints it.
#![allow(clippy::unwrap_used)]

mod support;

use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::object::ObjectId;
use std::path::Path;
use support::{FORMATS, bytes, feed, history, rev};

fn same_patch(path: &Path, repository: &Repository, old: &ObjectId, new: &ObjectId) {
    let ours = repository.patch(Some(*old), Some(*new)).unwrap();
    let theirs = bytes(path, &["diff-tree", "-r", "-p", &old.to_hex(), &new.to_hex()]);
    assert_eq!(ours.as_bstr(), theirs.as_bstr());
}

#[test]
fn s04_patches_are_those_of_git() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        let repository = Repository::open(&path).unwrap();
        let tree = |name: &str| rev(&path, &format!("{name}^{{tree}}"));
        for (old, new) in [
            ("master~1", "master"),
            ("master~11", "master"),
            ("master", "master~11"),
            ("topic", "master"),
            ("v1", "v2"),
        ] {
            same_patch(&path, &repository, &tree(old), &tree(new));
        }
        // Against nothing, in both directions.
        let (empty, full) = (ObjectId::empty_tree(format), tree("master~11"));
        feed(&path, &["hash-object", "-w", "-t", "tree", "--stdin"], b"");
        same_patch(&path, &repository, &empty, &full);
        same_patch(&path, &repository, &full, &empty);
        let ours = repository.patch(None, Some(full)).unwrap();
        let theirs = bytes(&path, &["diff-tree", "-r", "-p", &empty.to_hex(), &full.to_hex()]);
        assert_eq!(ours.as_bstr(), theirs.as_bstr());
        assert_eq!(repository.patch(Some(full), Some(full)).unwrap(), b"");
    }
}

#[test]
fn s04_what_is_odd_in_patches() {
    let versions: [&[(&str, &[u8])]; 7] = [
        &[("a", b"1\n2\n3\n"), ("x", b"#!/bin/sh\n"), ("bin", b"\0\x01")],
        &[("a", b"1\n2\n3"), ("+x", b"#!/bin/sh\n"), ("bin", b"\0\x02")],
        &[("a", b"one line\n"), ("x/y", b"was a file\n"), ("b c\"d", b"quoted\n")],
        &[("a", b""), ("@x", b"a"), ("t\u{e4}", b"\t\ttabs\n")],
        &[("a", b"int f(void)\n{\n\tint a;\n\tint b;\n\tint c;\n\tint d;\n\treturn 1;\n}\n")],
        &[("a", b"int f(void)\n{\n\tint a;\n\tint b;\n\tint c;\n\tint d;\n\treturn 2;\n}\n")],
        &[("a", b"\r\ncarriage\r\n")],
    ];
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = support::bare(dir.path(), "odd", format);
        let mut stream = Vec::new();
        for (number, files) in versions.iter().enumerate() {
            let head =
                format!("commit refs/heads/b{number}\ncommitter C <c@x> {number} +0000\ndata 0\ndeleteall\n");
            stream.extend(head.bytes());
            for (name, content) in *files {
                let (mode, name) = match name.as_bytes()[0] {
                    b'+' => ("100755", &name[1..]),
                    b'@' => ("120000", &name[1..]),
                    _ => ("100644", *name),
                };
                let name = name.replace('"', "\\\"");
                stream.extend(format!("M {mode} inline \"{name}\"\ndata {}\n", content.len()).bytes());
                stream.extend(*content);
                stream.push(b'\n');
            }
        }
        feed(&path, &["fast-import", "--quiet"], &stream);
        let repository = Repository::open(&path).unwrap();
        let (mut pairs, mut ours) = (String::new(), Vec::new());
        let trees: Vec<_> = (0..versions.len())
            .map(|number| repository.resolve(format!("b{number}^{{tree}}")).unwrap())
            .collect();
        for old in &trees {
            for new in trees.iter().filter(|new| *new != old) {
                pairs.push_str(&format!("{old} {new}\n"));
                ours.extend(format!("{old} {new}\n").bytes());
                ours.extend(repository.patch(Some(*old), Some(*new)).unwrap());
            }
        }
        let theirs = feed(&path, &["diff-tree", "-r", "-p", "--stdin"], pairs.as_bytes());
        assert_eq!(ours.as_bstr(), theirs.as_bstr());
    }
}
