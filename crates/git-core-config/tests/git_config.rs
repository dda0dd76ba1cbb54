//! Our reading and editing of configuration beside that of `git config`.
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]

use git_core_config::{Document, EditError, Key, SectionName, WildOptions, wildmatch};
use proptest::collection::vec;
use proptest::prelude::*;
use std::path::Path;
use std::process::{Command, Output};

fn git(dir: &Path, args: &[&str]) -> Output {
    Command::new("git")
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap()
}

/// What `git config --list -z` shows, from our reading.
fn listed(document: &Document) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in document.entries() {
        out.extend_from_slice(&entry.key());
        if let Some(text) = entry.value().text() {
            out.push(b'\n');
            out.extend_from_slice(text);
        }
        out.push(0);
    }
    out
}

/// Pieces of files: sound ones, odd ones, broken ones.
fn file() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "[a]\n", "[a]", "[b]\n", "[A \"x\"]\n", "[a.X]\n", "[a \"y\\\"\\\\\"] ", "[b]\r\n", "[c] # why\n", "[a] \n",
        ]),
        12 => prop::sample::select(vec![
            "\tk = 1\n", "k=2", " l = two words  \n", "K\n", "\tl = \"  q ; \" # c\n", "l = a\\\n  b\n", "k = 3 ; no\r\n", "k=\n", "\tm = \\t\\n\\\"x\n",
        ]),
        4 => prop::sample::select(vec!["# about\n", "\n", "  \n", "; x\n", "\t", "\n\n", "\r\n"]),
        1 => prop::sample::select(vec!["k = \"open\n", "[", "1 = 2\n", "k = \\q\n", "k x\n", "]\n", "[a b]\n", "\\\n", "\u{feff}"]),
    ];
    vec(piece, 0..9).prop_map(|pieces| pieces.concat())
}

#[derive(Clone, Debug)]
enum Edit {
    Set(&'static str, &'static str),
    Add(&'static str, &'static str),
    ReplaceAll(&'static str, &'static str),
    Unset(&'static str),
    UnsetAll(&'static str),
    Rename(&'static str, &'static str),
    Remove(&'static str),
}

fn edit() -> impl Strategy<Value = Edit> {
    // Not `a.X.k`: git puts it below `[a.X]`, where it is read as `a.x.k`; we do not.
    let key = || prop::sample::select(vec!["a.k", "A.L", "b.k", "a.x.k", "a.y\"\\.l", "new.k"]);
    let value = || prop::sample::select(vec!["v", "", " lead", "t\tab", "a;b", "q\"\\\n", "trail ", "x\ry"]);
    let section = || prop::sample::select(vec!["a", "b", "a.x", "c", "d.New Name"]);
    prop_oneof![
        (key(), value()).prop_map(|(k, v)| Edit::Set(k, v)),
        (key(), value()).prop_map(|(k, v)| Edit::Add(k, v)),
        (key(), value()).prop_map(|(k, v)| Edit::ReplaceAll(k, v)),
        key().prop_map(Edit::Unset),
        key().prop_map(Edit::UnsetAll),
        (section(), section()).prop_map(|(from, to)| Edit::Rename(from, to)),
        section().prop_map(Edit::Remove),
    ]
}

fn by_us(document: &mut Document, edit: &Edit) -> Result<(), EditError> {
    let key = |text| Key::parse(text).unwrap();
    let name = |text| SectionName::parse(text).unwrap();
    match edit {
        Edit::Set(k, v) => document.set(&key(k), v),
        Edit::Add(k, v) => document.add(&key(k), v),
        Edit::ReplaceAll(k, v) => document.replace_all(&key(k), v),
        Edit::Unset(k) => document.unset(&key(k)),
        Edit::UnsetAll(k) => document.unset_all(&key(k)),
        Edit::Rename(from, to) => document.rename_section(&name(from), &name(to)),
        Edit::Remove(from) => document.remove_section(&name(from)),
    }
}

fn by_git(dir: &Path, edit: &Edit) -> bool {
    let args = match edit {
        Edit::Set(k, v) => vec![*k, *v],
        Edit::Add(k, v) => vec!["--add", *k, *v],
        Edit::ReplaceAll(k, v) => vec!["--replace-all", *k, *v],
        Edit::Unset(k) => vec!["--unset", *k],
        Edit::UnsetAll(k) => vec!["--unset-all", *k],
        Edit::Rename(from, to) => vec!["--rename-section", *from, *to],
        Edit::Remove(from) => vec!["--remove-section", *from],
    };
    git(dir, &[&["config", "-f", "f"][..], &args].concat()).status.success()
}

proptest! {
    // Each case runs git, so there are few, and always the same ones.
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(7),
        ..ProptestConfig::default()
    })]

    #[test]
    fn files_are_read_as_git_reads_them(text in file()) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), &text).unwrap();
        let theirs = git(dir.path(), &["config", "-f", "f", "--list", "-z"]);
        match Document::parse(text.as_bytes()) {
            Ok(document) => {
                prop_assert!(theirs.status.success(), "{text:?}: {}", String::from_utf8_lossy(&theirs.stderr));
                prop_assert_eq!(document.to_bytes(), text.as_bytes());
                prop_assert_eq!(String::from_utf8(listed(&document)), String::from_utf8(theirs.stdout), "{:?}", text);
            }
            Err(err) => {
                let said = format!("{err} in file f");
                let stderr = String::from_utf8_lossy(&theirs.stderr).into_owned();
                prop_assert!(stderr.contains(&said), "{text:?}: {said} / {stderr}");
            }
        }
    }

    #[test]
    fn edits_give_what_git_config_gives(text in file(), edit in edit()) {
        // Here git's new line becomes a part of the value before it; ours does not.
        prop_assume!(!text.ends_with("\\\n"));
        // Here git compares the case of section names, as it does nowhere else; we do not.
        let by_section = matches!(edit, Edit::Rename(..) | Edit::Remove(..));
        prop_assume!(!(by_section && text.contains(['A', 'X'])));
        // Nor does it see a header that stands behind something else on its line.
        prop_assume!(!(by_section && text.lines().any(|line| line.trim_start().rfind('[') > Some(0))));
        let Ok(mut document) = Document::parse(text.as_bytes()) else { return Ok(()) };
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), &text).unwrap();
        let done = by_git(dir.path(), &edit);
        let ours = by_us(&mut document, &edit);
        prop_assert_eq!(ours.is_ok(), done, "{:?} {:?} {:?}", text, edit, ours);
        let theirs = String::from_utf8(std::fs::read(dir.path().join("f")).unwrap()).unwrap();
        prop_assert_eq!(document.to_string(), theirs, "{:?} {:?}", text, edit);
    }

    #[test]
    fn what_is_set_is_read_back(text in file(), key in "[a-c]{1,2}\\.([ -~]{0,4}\\.)?[a-z][a-z0-9-]{0,3}", value in "[ -~\\n\\t\\réü]{0,12}") {
        let Ok(mut document) = Document::parse(text.as_bytes()) else { return Ok(()) };
        let key = Key::parse(key).unwrap();
        document.replace_all(&key, &value).unwrap();
        let again = Document::parse(&document.to_bytes()).unwrap();
        prop_assert_eq!(again.get_all(&key).map(|v| v.text().unwrap().to_string()).collect::<Vec<_>>(), [value]);
    }

    #[test]
    fn globs_match_what_a_plain_search_matches(pattern in "[ab*?/\\[\\]!-]{0,9}", text in "[ab/]{0,7}") {
        for pathname in [false, true] {
            let options = WildOptions { pathname, ..WildOptions::default() };
            wildmatch(pattern.as_bytes(), text.as_bytes(), options);
        }
        // Without sets, the free form is simple enough to say twice.
        if !pattern.contains(['[', '\\']) {
            let free = wildmatch(pattern.as_bytes(), text.as_bytes(), WildOptions::default());
            prop_assert_eq!(free, plain(pattern.as_bytes(), text.as_bytes()));
        }
    }
}

fn plain(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], _) => text.is_empty(),
        ([b'*', rest @ ..], _) => plain(rest, text) || (!text.is_empty() && plain(pattern, &text[1..])),
        ([b'?', rest @ ..], [_, text @ ..]) => plain(rest, text),
        ([byte, rest @ ..], [first, text @ ..]) => byte == first && plain(rest, text),
        _ => false,
    }
}

/// A value that is continued where the file ends does not swallow what is added behind it.
#[test]
fn a_value_that_goes_on_at_the_end_is_ended_by_what_follows() {
    for end in ["\\", "\\\n", "\\\r\n"] {
        let mut document = Document::parse(format!("[a]\n\tb = c{end}").as_bytes()).unwrap();
        let key = Key::parse("core.bare").unwrap();
        document.set(&key, "true").unwrap();
        let again = Document::parse(&document.to_bytes()).unwrap();
        assert_eq!(again.get(&key).unwrap().to_bool(), Ok(true), "{end:?}");
    }
}

#[test]
fn globs_match_what_git_matches() {
    let dir = tempfile::tempdir().unwrap();
    assert!(git(dir.path(), &["init", "-q", "."]).status.success());
    let paths = ["a", "b", "ab", "a/b", "a/x/b", "x/a", "a/b/c", "aXb", "A", "a]b", "a-b", "[x]", "x/y/z/b"];
    for path in paths {
        let file = dir.path().join(path);
        let _ = std::fs::create_dir_all(file.parent().unwrap());
        // Some names are directories already.
        let _ = std::fs::write(file, "");
    }
    assert!(git(dir.path(), &["add", "."]).status.success());
    let present = git(dir.path(), &["ls-files", "-z"]).stdout;
    let present: Vec<&[u8]> = present.split(|b| *b == 0).filter(|p| !p.is_empty()).collect();
    for pattern in [
        "*",
        "**",
        "**/b",
        "a/**",
        "a/**/b",
        "a*b",
        "a**b",
        "?",
        "[ab]",
        "[!a]",
        "[[:upper:]]",
        "a[]]b",
        "a[-x]b",
        "\\[x\\]",
        "*/b",
        "**/**/b",
        "x/**/b",
        "**/*",
        "a?b",
        "a[^-]b",
        "[A-Z]",
        "a[[:alpha:]]b",
    ] {
        for ignore_case in [false, true] {
            let magic = if ignore_case { ":(glob,icase)" } else { ":(glob)" };
            let theirs = git(dir.path(), &["ls-files", "-z", "--", &format!("{magic}{pattern}")]).stdout;
            let options = WildOptions { pathname: true, ignore_case };
            let ours: Vec<u8> = present
                .iter()
                .filter(|path| wildmatch(pattern.as_bytes(), path, options))
                .flat_map(|path| [path, &b"\0"[..]].concat())
                .collect();
            assert_eq!(
                String::from_utf8_lossy(&ours),
                String::from_utf8_lossy(&theirs),
                "{pattern} {ignore_case}"
            );
        }
    }
}

#[test]
fn values_are_chosen_by_what_they_say() {
    use git_core_config::{Document, EditError, Key};
    let key = Key::parse("remote.o.url").unwrap();
    let text = b"[remote \"o\"]\n\turl = a\n\tfetch = x\n\turl = b ; kept\n\turl = ab\n";
    let has = |part: &'static [u8]| move |value: &[u8]| value.windows(part.len()).any(|at| at == part);
    let mut document = Document::parse(text).unwrap();
    assert!(matches!(document.set_where(&key, "c", has(b"a")), Err(EditError::MultipleValues { .. })));
    assert_eq!(document.to_bytes(), text);
    document.set_where(&key, "c", has(b"ab")).unwrap();
    document.unset_where(&key, has(b"a")).unwrap();
    assert!(matches!(document.unset_where(&key, has(b"a")), Err(EditError::NotFound { .. })));
    let left = "[remote \"o\"]\n\tfetch = x\n\turl = b ; kept\n\turl = c\n";
    assert_eq!(document.to_string(), left);
    document.set_where(&key, "d", has(b"z")).unwrap();
    document.unset_where(&key, |_| true).unwrap();
    assert_eq!(document.to_string(), "[remote \"o\"]\n\tfetch = x\n");
}
