//! Blobs for whose paths the attribute `delta` is unset are stored whole.

use crate::common::Program::{Git, Ours};
use crate::common::{FORMATS, Program, Repo, git, run};
use std::collections::BTreeMap;
use std::path::Path;

/// Four versions of files that are much alike.
fn history(format: &'static str) -> Repo {
    let repo = Repo::empty(format);
    std::fs::create_dir(repo.path.join("d")).unwrap();
    for version in 0..4 {
        for name in ["a.bin", "b.txt", "d/c.bin", "d/e.txt"] {
            let text: String = (0..900)
                .map(
                    |line| {
                        if line == 400 { format!("{version}{name}\n") } else { format!("{name} {line}\n") }
                    },
                )
                .collect();
            std::fs::write(repo.path.join(name), text).unwrap();
        }
        git(&repo.path, &["add", "."]);
        git(&repo.path, &["commit", "-q", "-m", "more"]);
    }
    repo
}

/// How many versions of each file a pack has as deltas.
fn deltas(repo: &Path, pack: &Path) -> BTreeMap<String, usize> {
    let objects = git(repo, &["rev-list", "--objects", "--all"]);
    let names: BTreeMap<_, _> = objects.lines().filter_map(|line| line.split_once(' ')).collect();
    let mut found = BTreeMap::new();
    for line in git(repo, &["verify-pack", "-v", pack.to_str().unwrap()]).lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.len() == 7 && words[1] == "blob" {
            *found.entry(names[words[0]].to_owned()).or_default() += 1;
        }
    }
    found
}

fn pack(dir: &Path) -> std::path::PathBuf {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().find(|path| path.extension().is_some_and(|end| end == "idx")).unwrap()
}

#[test]
fn s04_paths_without_the_attribute_delta_are_stored_whole() {
    for format in FORMATS {
        let repo = history(format);
        let list = git(&repo.path, &["rev-list", "--objects", "--all"]) + "\n";
        type Prepare = fn(&Path);
        let write = |path: &Path, text: &str| std::fs::write(path, text).unwrap();
        let cases: &[(&str, Prepare)] = &[
            ("nothing", |_| {}),
            ("top", |at| std::fs::write(at.join(".gitattributes"), "*.bin -delta\n").unwrap()),
            ("below", |at| {
                std::fs::write(at.join(".gitattributes"), "*.bin -delta\n").unwrap();
                std::fs::write(at.join("d/.gitattributes"), "*.bin delta\n*.txt -delta").unwrap();
            }),
            ("a value", |at| std::fs::write(at.join(".gitattributes"), "*.bin delta=x\n").unwrap()),
            ("a tree", |at| std::fs::write(at.join(".gitattributes"), "d -delta\n").unwrap()),
            ("info", |at| std::fs::write(at.join(".git/info/attributes"), "*.bin -delta\n").unwrap()),
            ("all", |at| std::fs::write(at.join(".git/info/attributes"), "* -delta\n").unwrap()),
            ("user's", |at| {
                std::fs::write(at.join(".git/user"), "*.txt -delta\n").unwrap();
                git(at, &["config", "core.attributesFile", at.join(".git/user").to_str().unwrap()]);
            }),
        ];
        let commands: &[&[&str]] = &[
            &["pack-objects", "-q", "--all", "out/p"],
            &["pack-objects", "-q", "out/p"],
            &["repack", "-q", "-a", "-d", "-f"],
            &["repack", "-q", "-a", "-d"],
            &["gc", "-q"],
        ];
        for (what, prepare) in cases {
            for args in commands {
                let [theirs, ours] = [Git, Ours].map(|program: Program| {
                    let copy = repo.copy();
                    prepare(&copy.path);
                    std::fs::create_dir(copy.path.join("out")).unwrap();
                    let listed = args.len() == 3 && args[0] == "pack-objects";
                    let done = run(program, &copy.path, args, if listed { list.as_bytes() } else { b"" });
                    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
                    let made = if args[0] == "pack-objects" { "out" } else { ".git/objects/pack" };
                    let found = deltas(&copy.path, &pack(&copy.path.join(made)));
                    // Which version of a file is whole, and of which of two files alike, is each one's own choice.
                    found.into_keys().collect::<Vec<_>>()
                });
                assert_eq!(ours, theirs, "{format} {what} {args:?}");
            }
        }
        // Without a working tree only what lies outside of the tree counts.
        let bare = repo.path.parent().unwrap().join("bare.git");
        git(&repo.path, &["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
        for place in ["nothing", ".gitattributes", "info/attributes"] {
            write(&bare.join(place), "*.bin -delta\n");
            let found = [Git, Ours].map(|program| {
                let done = run(program, &bare, &["repack", "-q", "-a", "-d", "-F"], b"");
                assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
                deltas(&bare, &pack(&bare.join("objects/pack"))).into_keys().collect::<Vec<_>>()
            });
            assert_eq!(found[1], found[0], "{format} {place}");
            assert_eq!(found[1].len(), if place == "info/attributes" { 2 } else { 4 }, "{place}");
        }
    }
}
