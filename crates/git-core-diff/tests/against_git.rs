//! Raw lines and patches, compared with `git diff-tree` byte for byte, in both object formats.

#![allow(clippy::unwrap_used)]

mod support;

use bstr::ByteSlice;
use git_core_diff::{
    Abbreviation, DiffError, PatchOptions, PatchWriter, PathStyle, Recursion, TreeOptions, diff_trees,
    write_name, write_name_status, write_raw,
};
use git_core_object::{Context, ErrorKind, Kind, ObjectFormat, ObjectId};
use proptest::prelude::*;
use std::ops::ControlFlow;
use support::{Memory, Repo};

const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];

fn patch(objects: &Memory, old: Option<ObjectId>, new: Option<ObjectId>, options: &PatchOptions) -> Vec<u8> {
    let context = Context::new();
    let mut out = Vec::new();
    let mut writer = PatchWriter::new(objects, options.clone());
    diff_trees(objects, old.as_ref(), new.as_ref(), &TreeOptions::recursive(), &context, &mut |change| {
        writer.write(change, &context, &mut out)?;
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    out
}

fn lines(objects: &Memory, old: ObjectId, new: ObjectId, recursion: Recursion, style: Print) -> Vec<u8> {
    let mut options = TreeOptions::default();
    options.recursion = recursion;
    let mut out = Vec::new();
    diff_trees(objects, Some(&old), Some(&new), &options, &Context::new(), &mut |change| {
        match style {
            Print::Raw(paths) => write_raw(change, paths, &mut out),
            Print::Name(paths) => write_name(change, paths, &mut out),
            Print::NameStatus(paths) => write_name_status(change, paths, &mut out),
        }
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    out
}

#[derive(Clone, Copy)]
enum Print {
    Raw(PathStyle),
    Name(PathStyle),
    NameStatus(PathStyle),
}

#[track_caller]
fn assert_same(ours: &[u8], theirs: &[u8], what: &str) {
    assert!(ours == theirs, "{what}\nours:\n{}\ngit:\n{}", ours.escape_ascii(), theirs.escape_ascii());
}

/// Compares everything we print about two trees, in both directions, with what git prints.
#[track_caller]
fn compare(repo: &Repo, a: ObjectId, b: ObjectId) {
    let objects = repo.objects();
    for (old, new) in [(a, b), (b, a)] {
        let (o, n) = (old.to_hex(), new.to_hex());
        let mut options = PatchOptions::default();
        assert_same(
            &patch(&objects, Some(old), Some(new), &options),
            &repo.git(&["diff-tree", "-p", &o, &n]),
            "-p",
        );
        options.abbreviation = Abbreviation::Full;
        for context in [0, 1, 10] {
            options.hunks.context_lines = context;
            let theirs = repo.git(&["diff-tree", "-p", "--full-index", &format!("-U{context}"), &o, &n]);
            assert_same(&patch(&objects, Some(old), Some(new), &options), &theirs, "-U");
        }
        options.paths = PathStyle::QuotedKeepingHighBytes;
        options.hunks.context_lines = 3;
        let theirs = repo.git(&["-c", "core.quotePath=false", "diff-tree", "-p", "--full-index", &o, &n]);
        assert_same(&patch(&objects, Some(old), Some(new), &options), &theirs, "core.quotePath=false");
        for (flag, recursion) in [
            (None, Recursion::TopLevel),
            (Some("-r"), Recursion::Files),
            (Some("-t"), Recursion::FilesAndDirectories),
        ] {
            for (style, z) in [(PathStyle::Quoted, None), (PathStyle::NulTerminated, Some("-z"))] {
                for (print, name) in [
                    (Print::Raw(style), "--raw"),
                    (Print::Name(style), "--name-only"),
                    (Print::NameStatus(style), "--name-status"),
                ] {
                    let args: Vec<&str> =
                        ["diff-tree", name].into_iter().chain(flag).chain(z).chain([&*o, &*n]).collect();
                    let ours = lines(&objects, old, new, recursion, print);
                    assert_same(&ours, &repo.git(&args), &format!("{args:?}"));
                }
            }
        }
    }
}

fn numbered(lines: impl IntoIterator<Item = u32>) -> String {
    lines.into_iter().map(|n| format!("line {n}\n")).collect()
}

#[test]
fn added_removed_changed_and_nested() {
    for format in FORMATS {
        let repo = Repo::new(format);
        repo.write("one", "1\n");
        repo.write("gone", "bye\n");
        repo.write("a/b/c/deep", numbered(0..40));
        repo.write("a/b/same", "same\n");
        repo.write("a-b", "sorts before a/\n");
        repo.write("empty-gone", "");
        let old = repo.tree();
        repo.write("one", "1\n2\n");
        std::fs::remove_file(repo.path().join("gone")).unwrap();
        std::fs::remove_file(repo.path().join("empty-gone")).unwrap();
        repo.write("a/b/c/deep", numbered((0..5).chain(6..30).chain(50..52).chain(30..41)));
        repo.write("a/b/x/y/new", "new\n");
        repo.write("a.b", "new\n");
        repo.write("empty", "");
        let new = repo.tree();
        compare(&repo, old, new);
        let objects = repo.objects();
        let root = repo.git(&["diff-tree", "-p", &ObjectId::empty_tree(format).to_hex(), &new.to_hex()]);
        assert_same(&patch(&objects, None, Some(new), &PatchOptions::default()), &root, "root");
        let gone = repo.git(&["diff-tree", "-p", &new.to_hex(), &ObjectId::empty_tree(format).to_hex()]);
        assert_same(&patch(&objects, Some(new), None, &PatchOptions::default()), &gone, "all gone");
    }
}

#[test]
fn last_lines_without_a_line_break() {
    for format in FORMATS {
        let repo = Repo::new(format);
        let texts = ["", "a", "a\n", "a\nb", "a\nb\n", "b", "\n", "a\n\n", "x\na\nb"];
        let trees: Vec<_> = texts
            .iter()
            .map(|text| {
                repo.write("file", text);
                repo.tree()
            })
            .collect();
        let objects = repo.objects();
        for old in &trees {
            for new in &trees {
                let theirs = repo.git(&["diff-tree", "-p", &old.to_hex(), &new.to_hex()]);
                assert_same(&patch(&objects, Some(*old), Some(*new), &PatchOptions::default()), &theirs, "");
            }
        }
    }
}

#[test]
fn binary_files() {
    for format in FORMATS {
        let repo = Repo::new(format);
        repo.write("b in", b"x\0y");
        repo.write("gone", b"\0");
        repo.write("at-the-edge", [b"x".repeat(7999), b"\0".to_vec()].concat());
        repo.write("behind-it", [b"x\n".repeat(4000), b"\0".to_vec()].concat());
        repo.write("text-to-binary", "text\n");
        let old = repo.tree();
        repo.write("b in", b"x\0z");
        std::fs::remove_file(repo.path().join("gone")).unwrap();
        repo.write("at-the-edge", "now text\n");
        repo.write("behind-it", [b"x\n".repeat(4000), b"\0\0".to_vec()].concat());
        repo.write("text-to-binary", "text\0\n");
        repo.write("born", b"\0\0");
        let new = repo.tree();
        compare(&repo, old, new);
        let mut options = PatchOptions::default();
        options.big_file_bytes = 4;
        let theirs =
            repo.git(&["-c", "core.bigFileThreshold=4", "diff-tree", "-p", &old.to_hex(), &new.to_hex()]);
        assert_same(&patch(&repo.objects(), Some(old), Some(new), &options), &theirs, "big files");
    }
}

#[cfg(unix)]
#[test]
fn modes_types_and_submodules() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    for format in FORMATS {
        let repo = Repo::new(format);
        let executable = |name: &str| {
            std::fs::set_permissions(repo.path().join(name), PermissionsExt::from_mode(0o755)).unwrap();
        };
        repo.write("mode-only", "same\n");
        repo.write("mode-and-text", "one\n");
        repo.write("to-link", "text\n");
        symlink("target", repo.path().join("link")).unwrap();
        symlink("target", repo.path().join("link-to-text")).unwrap();
        repo.write("file-to-dir", "file\n");
        repo.write("dir-to-file/x", "x\n");
        repo.write("dir-to-file/y", "y\n");
        repo.write("to-module", "text\n");
        repo.tree();
        let commit = |n: u8| ObjectId::from_bytes(format, &vec![n; format.raw_len()]).unwrap();
        let module = |name: &str, n| {
            repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{},{name}", commit(n))]);
        };
        module("module", 1);
        module("module-to-text", 1);
        let old = repo.index_tree();

        executable("mode-only");
        repo.write("mode-and-text", "two\n");
        executable("mode-and-text");
        std::fs::remove_file(repo.path().join("to-link")).unwrap();
        symlink("else where", repo.path().join("to-link")).unwrap();
        std::fs::remove_file(repo.path().join("link")).unwrap();
        symlink("other", repo.path().join("link")).unwrap();
        std::fs::remove_file(repo.path().join("link-to-text")).unwrap();
        repo.write("link-to-text", "text\n");
        std::fs::remove_file(repo.path().join("file-to-dir")).unwrap();
        repo.write("file-to-dir/inside", "file\n");
        std::fs::remove_dir_all(repo.path().join("dir-to-file")).unwrap();
        repo.write("dir-to-file", "x\n");
        std::fs::remove_file(repo.path().join("to-module")).unwrap();
        repo.tree();
        module("module", 2);
        module("to-module", 2);
        repo.git(&["rm", "-q", "--cached", "--ignore-unmatch", "module-to-text"]);
        repo.write("module-to-text", "text\n");
        repo.git(&["add", "module-to-text"]);
        let new = repo.index_tree();
        compare(&repo, old, new);
    }
}

#[test]
fn unusual_names() {
    for format in FORMATS {
        let repo = Repo::new(format);
        let names = [
            "a b",
            "a\tb",
            "a\nb",
            "q\"u",
            "back\\slash",
            "é ü",
            "dir with space/é",
            "\x07\x08\x0b\x0c\r\x7f\x1b",
        ];
        names.iter().for_each(|name| repo.write(name, "1\n"));
        let old = repo.tree();
        names.iter().for_each(|name| repo.write(name, "2\n"));
        compare(&repo, old, repo.tree());
        compare(
            &repo,
            old,
            ObjectId::from_hex(repo.git_with(&["mktree"], b"").unwrap().trim_ascii()).unwrap(),
        );
    }
}

#[test]
fn hunk_headers_show_functions() {
    let repo = Repo::new(ObjectFormat::Sha1);
    let heads = [
        "int main(void) {   \t ",
        "_under",
        "$dollar",
        " indented",
        "9digit",
        "Ünicode",
        "x\x0c\x0b",
        "trailing form feed\x0c",
        "label:",
    ];
    let long = format!("l{}", "é".repeat(60));
    let late = format!("{} é", "l".repeat(78));
    let emoji = format!("{}\u{1f600}\u{1f600}", "l".repeat(76));
    let edge = format!("{} {}", "e".repeat(78), "tail");
    let crlf = "crlf line\r";
    let mut text = Vec::new();
    let invalid =
        [&b"latin \xe9 one"[..], b"over\xc0\x80long", b"surrogate\xed\xa0\x80", b"big\xf4\x90\x80\x80"];
    let valid = [&*long, &*late, &*emoji, &*edge, crlf, "last\u{ffff}b"];
    for head in heads.into_iter().chain(valid).map(str::as_bytes).chain(invalid) {
        text.extend(head.iter().chain(b"\n"));
        (0..16).for_each(|n| text.extend(format!(" {n}\n").bytes()));
    }
    repo.write("text", &text);
    let old = repo.tree();
    repo.write("text", text.replace(" 5\n", " five\n").replace(" 9\n", ""));
    compare(&repo, old, repo.tree());
}

#[test]
fn hunks_merge_when_their_contexts_touch() {
    let repo = Repo::new(ObjectFormat::Sha1);
    repo.write("text", numbered(0..200));
    let old = repo.tree();
    let mut at = 0;
    let changed: std::collections::HashSet<u32> = (1..18)
        .map(|gap| {
            at += gap;
            at
        })
        .collect();
    repo.write("text", numbered((0..200).map(|n| if changed.contains(&n) { n + 1000 } else { n })));
    let replaced = repo.tree();
    compare(&repo, old, replaced);
    repo.write("text", numbered((0..200).filter(|n| !changed.contains(n))));
    compare(&repo, old, repo.tree());
}

#[test]
fn damaged_trees_are_errors() {
    for format in FORMATS {
        let id = |n: u8| ObjectId::from_bytes(format, &vec![n; format.raw_len()]).unwrap();
        let raw = |n: u8| id(n).as_bytes().to_vec();
        let bad: [Vec<u8>; 7] = [
            b"100644".to_vec(),
            b"100644 name".to_vec(),
            [b"100644 name\0".to_vec(), raw(1)[1..].to_vec()].concat(),
            [b"100644 \0".to_vec(), raw(1)].concat(),
            [b"1006x4 a\0".to_vec(), raw(1)].concat(),
            [b" a\0".to_vec(), raw(1)].concat(),
            [b"100644 a\0".to_vec(), raw(1), b"junk".to_vec()].concat(),
        ];
        for content in bad {
            let objects = Memory { format, objects: [(id(9), (Kind::Tree, content.clone()))].into() };
            let mut sink = |_: &git_core_diff::Change<'_>| Ok(ControlFlow::Continue(()));
            let got = diff_trees(
                &objects,
                None,
                Some(&id(9)),
                &TreeOptions::recursive(),
                &Context::new(),
                &mut sink,
            );
            let error = got.expect_err(&content.escape_ascii().to_string());
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(matches!(error, DiffError::CorruptTree { .. }));
        }
        // A tree that is its own child ends at the bound, and one that is missing is named.
        let own = [b"40000 a\0".to_vec(), raw(9), b"40000 b\0".to_vec(), raw(8)].concat();
        let objects = Memory { format, objects: [(id(9), (Kind::Tree, own))].into() };
        let mut sink = |_: &git_core_diff::Change<'_>| Ok(ControlFlow::Continue(()));
        let got =
            diff_trees(&objects, Some(&id(9)), None, &TreeOptions::recursive(), &Context::new(), &mut sink);
        assert!(matches!(got, Err(DiffError::TooDeep { bound: 2048, .. })));
        let got =
            diff_trees(&objects, Some(&id(7)), None, &TreeOptions::recursive(), &Context::new(), &mut sink);
        assert_eq!(got.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

/// A text of few different lines, so that there is much to mistake for one another.
fn text() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("\n".to_owned()),
        Just("}\n".to_owned()),
        Just("  }\n".to_owned()),
        (0..6u8).prop_map(|n| format!("fn f{n}() {{\n")),
        (0..9u8).prop_map(|n| format!("  call{n}();\n")),
        (0..9u8).prop_map(|n| format!("\t\tdeep{n}();\n")),
    ];
    (prop::collection::vec(line, 0..60), any::<bool>()).prop_map(|(lines, whole)| {
        let mut text = lines.concat();
        if !whole {
            text.pop();
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    #[test]
    fn random_texts_equal_git_and_apply(texts in prop::collection::vec((text(), text()), 24)) {
        let repo = Repo::new(ObjectFormat::Sha1);
        for (n, (old, _)) in texts.iter().enumerate() {
            repo.write(&format!("t/{n:02}"), old);
        }
        let old = repo.tree();
        for (n, (_, new)) in texts.iter().enumerate() {
            repo.write(&format!("t/{n:02}"), new);
        }
        let new = repo.tree();
        let mut options = PatchOptions::default();
        options.abbreviation = Abbreviation::Full;
        let ours = patch(&repo.objects(), Some(old), Some(new), &options);
        let theirs = repo.git(&["diff-tree", "-p", "--full-index", &old.to_hex(), &new.to_hex()]);
        assert_same(&ours, &theirs, "random texts");
        if !ours.is_empty() {
            repo.git(&["read-tree", &old.to_hex()]);
            repo.git_with(&["apply", "--cached", "--whitespace=nowarn", "-"], &ours).unwrap();
            prop_assert_eq!(repo.index_tree(), new);
        }
    }
}
