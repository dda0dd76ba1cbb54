//! Our verdicts on objects beside those of `git fsck`.
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]

mod common;

use common::Repo;
use git_core_object::check::{CheckOptions, check};
use git_core_object::{Kind, ObjectFormat, ObjectId};
use std::collections::HashMap;

const AUTHOR: &str = "author A <a@b> 1 +0000\n";
const COMMITTER: &str = "committer A <a@b> 1 +0000\n";
const TAGGER: &str = "tagger A <a@b> 1 +0000\n";

type Case = (Kind, Vec<u8>);

fn commits(id: &str) -> Vec<Case> {
    let head = format!("tree {id}\n{AUTHOR}{COMMITTER}");
    let mut cases = vec![
        String::new(),
        "x".into(),
        format!("tree {id}\n"),
        format!("tree {id}\n{AUTHOR}"),
        head.clone(),
        format!("{head}\nx\0y\n"),
        "tre\n\n".into(),
        format!("tree {}\n{AUTHOR}{COMMITTER}\n", &id[1..]),
        format!("tree {id}x\n{AUTHOR}{COMMITTER}\n"),
        format!("tree {id}\nparent x\n{AUTHOR}{COMMITTER}\n"),
        format!("tree {id}\n{AUTHOR}{AUTHOR}{COMMITTER}\n"),
        format!("tree {id}\n{COMMITTER}\n"),
        format!("tree {id}\n{AUTHOR}\n"),
        format!("{head}a\0b\n\n"),
        format!("{head}enc"),
        format!("tree {id}\n{AUTHOR}x y\n{COMMITTER}\n"),
        format!("tree {}\n{AUTHOR}{COMMITTER}\n", id.to_uppercase()),
    ];
    for ident in [
        "<a> 1 +0000",
        " <a> 1 +0000",
        "A> <a> 1 +0000",
        "A",
        "A<a> 1 +0000",
        "A <a",
        "A <a<b> 1 +0000",
        "A <a>1 +0000",
        "A <a>  1 +0000",
        "A <a> x +0000",
        "A <a> 01 +0000",
        "A <a> 0 +0000",
        "A <a> 99999999999999999999999 +0000",
        "A <a> 18446744073709551615 +0000",
        "A <a> 9223372036854775808 +0000",
        "A <a> 1",
        "A <a> 1 ",
        "A <a> 1 0000",
        "A <a> 1 +000",
        "A <a> 1 +00000",
        "A <a> 1 +0000 ",
        "A <a> ",
        "A <a>",
        "",
        "A <a> 1\t+0000",
        "A <a> -1 +0000",
        "A <a> \t1 +0000",
        "A <> 1 +0000",
        "A <a> 00 +0000",
    ] {
        cases.push(format!("tree {id}\nauthor {ident}\n{COMMITTER}\nm\n"));
        cases.push(format!("tree {id}\n{AUTHOR}committer {ident}\n\nm\n"));
    }
    cases.into_iter().map(|text| (Kind::Commit, text.into_bytes())).collect()
}

fn tags(id: &str) -> Vec<Case> {
    let head = format!("object {id}\ntype tree\n");
    let mut cases = vec![
        String::new(),
        "\n".into(),
        format!("object {id}\n"),
        "object x\n\n".into(),
        format!("object {id}x\n\n"),
        format!("object {id}\ntyp\n\n"),
        format!("object {id}\ntype\n\n"),
        format!("object {id}\ntype x\n\n"),
        head.clone(),
        format!("{head}\n"),
        format!("{head}tag\n\n"),
        format!("{head}tag x"),
        format!("{head}tag x\n"),
        format!("{head}tag x\n{TAGGER}"),
        format!("{head}tag x\n{TAGGER}foo\n\n"),
        format!("{head}tag x\n{TAGGER}\nm"),
        format!("{head}tag x\ntagger A\n\nm"),
        format!("{head}tag .x\n\nm"),
        format!("{head}tag x\n{TAGGER}gpgsig foo\n bar\n\n"),
        format!("{head}tag x\n{TAGGER}gpgsig foo\n bar"),
        format!("{head}tag x\0\n{TAGGER}\n"),
        format!("{head}tag x\nfoo\n{TAGGER}\n"),
    ];
    for name in [
        "a", "a/b", "a//b", "a.lock", "a.lock/b", "a..b", "a@{b", "@", "a.", "/a", "a/", "a~", "a\x7f",
        "a\\", "a b", "-a", "a/.b", "", "a*", "a[", "é",
    ] {
        cases.push(format!("{head}tag {name}\n{TAGGER}\n"));
    }
    cases.into_iter().map(|text| (Kind::Tag, text.into_bytes())).collect()
}

fn trees(format: ObjectFormat) -> Vec<Case> {
    let entry = |(mode, name): &(&str, &str)| {
        [mode.as_bytes(), b" ", name.as_bytes(), b"\0", &vec![0x11; format.raw_len()][..]].concat()
    };
    let (file, link, tree) = ("100644", "120000", "40000");
    let long = "n".repeat(4096);
    let longer = "n".repeat(4097);
    let mut lists: Vec<Vec<(&str, &str)>> = vec![
        vec![(file, "b"), (file, "a")],
        vec![(file, "a"), (file, "a")],
        vec![(file, "a"), (tree, "a")],
        vec![(file, "a"), (file, "a.b"), (tree, "a")],
        vec![(tree, "a"), (file, "a.b")],
        vec![(file, "b"), (file, "a"), (file, "b")],
        vec![(file, ".GIT."), (file, ".."), (file, "."), (file, "x/y")],
        vec![(file, "foo"), (file, "foo.bar"), (file, "foo.bar.baz"), (tree, "foo.bar"), (tree, "foo")],
        vec![(file, "foo"), (file, "foo.b"), (file, "foo.c"), (tree, "foo")],
        vec![(file, "foo"), (file, "foo0"), (tree, "foo")],
    ];
    lists.extend(
        ["0100644", "040000", "100664", "100600", "100777", "777", "8", "", "7777777", "160000", "140000"]
            .map(|m| vec![(m, "a")]),
    );
    for name in [
        "",
        ".",
        "..",
        ".git",
        ".GiT",
        "a/b",
        "/a",
        &long,
        &longer,
        "a\\.git",
        "a\\git~1\\b",
        "git~1",
        ".git ",
        ".git::$DATA",
        ".g\u{200c}it",
        ".git\\foo",
        "git~2",
        ".git\\",
        "a:.git",
        "a\\b",
        "aux.c",
        ".git.x",
        "\u{feff}.git",
    ] {
        lists.push(vec![(file, name)]);
    }
    for name in [
        ".gitmodules",
        ".gitattributes",
        ".gitignore",
        ".mailmap",
        "gitmod~1",
        "gitmod~5",
        "a\\.gitmodules",
        "gitatt~1",
        "mailma~1",
        "gi250a~1",
        "gi7d29~1",
        "maba30~1",
        "gi7eba~1",
        "gi7eb~10",
        "gi7e~123",
        "~1234567",
        "gi7eba~0",
        ".GITMODULES . :x",
        "a\\.GITATTRIBUTES",
        ".git\u{200d}modules",
        "gitign~4",
        "gi7eba~1x",
    ] {
        lists.push(vec![(link, name)]);
    }
    let mut cases: Vec<Vec<u8>> = lists.iter().map(|list| list.iter().flat_map(entry).collect()).collect();
    cases.push(b"x".to_vec());
    cases.push([&entry(&(file, "a"))[..], b"x"].concat());
    cases.push(entry(&(file, "a"))[..20].to_vec());
    cases.push([&b"100644 a\0"[..], &vec![0; format.raw_len()]].concat());
    cases.into_iter().map(|content| (Kind::Tree, content)).collect()
}

/// What `git fsck` says of each object, as `error id` and `warning id`.
fn fsck(repo: &Repo) -> HashMap<String, Vec<String>> {
    let out = repo.git(&["fsck", "--no-dangling"], b"");
    let mut verdicts: HashMap<_, Vec<_>> = HashMap::new();
    for line in String::from_utf8_lossy(&[out.stderr, out.stdout].concat()).lines() {
        let words: Vec<_> = line.split(' ').collect();
        if let [severity @ ("error" | "warning"), "in", _, id, message, ..] = words[..]
            && let (Some(id), true) = (id.strip_suffix(':'), message.ends_with(':'))
        {
            verdicts
                .entry(id.to_owned())
                .or_default()
                .push(format!("{severity} {}", &line[line.find(message).unwrap()..]));
        }
    }
    verdicts
}

#[test]
fn verdicts_are_those_of_git() {
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        let repo = Repo::new(format);
        let tree = repo.ok(&["hash-object", "-t", "tree", "-w", "--stdin"], b"");
        let cases = [commits(&tree), tags(&tree), trees(format)].concat();
        for (kind, content) in &cases {
            repo.ok(&["hash-object", "-t", kind.name(), "--literally", "-w", "--stdin"], content);
        }
        let theirs = fsck(&repo);
        let mut by_fsck = 0;
        for (kind, content) in &cases {
            let id = ObjectId::hash(format, *kind, content).unwrap().to_hex();
            let shown = content.escape_ascii().to_string();
            match theirs.get(&id) {
                Some(theirs) => {
                    by_fsck += 1;
                    let ours = check(format, *kind, content, &CheckOptions::default());
                    let severity = |is_error| if is_error { "error" } else { "warning" };
                    let ours: Vec<_> =
                        ours.iter().map(|f| format!("{} {f}", severity(f.severity.is_error()))).collect();
                    assert_eq!(&ours, theirs, "{kind} {}", &shown[..shown.len().min(300)]);
                }
                None => {
                    // What fsck cannot even parse it does not judge; `hash-object` does, strictly.
                    let out = repo.git(&["hash-object", "-t", kind.name(), "--stdin"], content);
                    let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
                    let ours = check(format, *kind, content, &CheckOptions::strict());
                    // It refuses whatever is found at all.
                    let first = ours.first();
                    assert_eq!(first.is_none(), out.status.success(), "{kind} {shown}: {stderr} {ours:?}");
                    if let Some(first) = first {
                        let wanted = format!("object fails fsck: {first}");
                        assert!(stderr.contains(&wanted), "{kind} {shown}: {stderr} {ours:?}");
                    }
                }
            }
        }
        assert!(by_fsck > 80, "{by_fsck}");
    }
}

#[test]
fn the_content_of_gitmodules_is_judged_as_git_judges_it() {
    use git_core_object::check::{SpecialFile, check_special, special_files};
    let format = ObjectFormat::Sha1;
    let repo = Repo::new(format);
    let mut cases = vec![
        "[submodule \"x\"]\n\turl = a\n\tpath = \"\n".to_owned(),
        String::new(),
        "[submodule]\n url = -x\n".into(),
    ];
    for name in ["x", "../x", "a/../b", "a/..", "..", "a..b", "a\\\\..\\\\b", ""] {
        cases.push(format!("[submodule \"{name}\"]\n\turl = a\n"));
    }
    for url in [
        "-x",
        "./-x",
        "../x",
        "https://example.com/x",
        "https://example.com/%0ax",
        "https:///x",
        "https://",
        "http::https:///x",
        "./%0a",
        "../../:x",
        "..//x",
        "../:/x",
        "git://%0a/",
        "ssh://-x",
        "http://u@/x",
        "http://:80/x",
        "/x",
        "./../../x",
        "https::https://a/%0a",
        "..\\\\../:x",
        "a%0ab",
        "http://h?%0a",
    ] {
        cases.push(format!("[submodule \"x\"]\n\turl = \"{url}\"\n"));
    }
    for line in ["path = -x", "path = a", "update = !x", "update = rebase", "url", "path"] {
        cases.push(format!("[submodule \"x\"]\n\t{line}\n"));
    }
    let mut blobs = Vec::new();
    for text in &cases {
        let blob = repo.ok(&["hash-object", "-w", "--stdin"], text.as_bytes());
        let tree = repo.ok(&["mktree"], format!("100644 blob {blob}\t.gitmodules\n").as_bytes());
        let raw = repo.git(&["cat-file", "tree", &tree], b"").stdout;
        assert_eq!(special_files(format, &raw), [(SpecialFile::Modules, blob.parse().unwrap())]);
        blobs.push(blob);
    }
    let theirs = fsck(&repo);
    for (text, blob) in cases.iter().zip(&blobs) {
        let ours = check_special(SpecialFile::Modules, text.as_bytes(), &CheckOptions::default());
        let ours: Vec<_> = ours
            .iter()
            .map(|f| format!("{} {f}", if f.severity.is_error() { "error" } else { "warning" }))
            .collect();
        assert_eq!(&ours, theirs.get(blob).unwrap_or(&Vec::new()), "{text}");
    }
}
