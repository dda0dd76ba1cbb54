//! `bundle` beside git's, and bundles as remotes: what either of the two writes, the other one reads.

#![allow(clippy::unwrap_used)]

mod common;

use common::{FORMATS, Program, Repo, git, output, run, same};
use std::path::Path;

/// Histories with two branches, a merge, an annotated and a light tag.
fn history(format: &'static str) -> Repo {
    let repo = Repo::empty(format);
    let path = &repo.path;
    git(path, &["checkout", "-q", "-b", "main"]);
    for number in 1..=6 {
        std::fs::write(path.join(format!("f{number}")), format!("{number}\n").repeat(number * 40)).unwrap();
        git(path, &["add", "."]);
        let subject = format!("c {number}\nsecond line\n\nbody");
        git(path, &["commit", "-q", "-m", &subject]);
        if number == 3 {
            git(path, &["branch", "topic"]);
        }
    }
    git(path, &["checkout", "-q", "topic"]);
    std::fs::write(path.join("side"), "side\n").unwrap();
    git(path, &["add", "."]);
    git(path, &["commit", "-q", "-m", "side"]);
    git(path, &["checkout", "-q", "main"]);
    git(path, &["merge", "-q", "-m", "merge", "topic"]);
    git(path, &["tag", "-a", "v1", "-m", "one", "HEAD~3"]);
    git(path, &["tag", "light", "HEAD~1"]);
    git(path, &["branch", "old", "HEAD~1"]);
    repo
}

/// What stands before the pack.
fn head(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").expect("an empty line");
    bytes[..end].to_vec()
}

/// How many objects the pack holds.
fn objects(path: &Path) -> u32 {
    let bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(6).position(|window| window == b"\n\nPACK").expect("a pack") + 10;
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

#[test]
fn bundles_say_what_those_of_git_say() {
    for format in FORMATS {
        let repo = history(format);
        let path = &repo.path;
        let target = Repo::empty(format);
        git(&target.path, &["fetch", "-q", &path.display().to_string(), "+refs/*:refs/x/*"]);
        for arguments in [
            "main",
            "--all",
            "HEAD main",
            "main main",
            "--branches",
            "--tags ^main",
            "main~1..main v1",
            "main ^topic light",
            "main...topic",
            "-2 main topic",
            "-1 main",
            "--all --not main~3",
            "heads/main",
            "@",
            "main HEAD~2",
            "v1 ^main",
            "v1 main~2..main",
            "main ^v1",
            "topic -- side",
            "--version=3 main~1..main",
        ] {
            let mut heads = Vec::new();
            for (program, name) in [(Program::Git, "theirs"), (Program::Ours, "ours")] {
                let mut words: Vec<&str> = arguments.split(' ').collect();
                let at = usize::from(words[0].starts_with("--version"));
                words.insert(at, name);
                let words = [&["bundle", "create", "-q"], &words[..]].concat();
                output(program, path, &words, b"");
                heads.push(head(&path.join(name)));
                same(path, &["bundle", "verify", name], b"");
                same(path, &["bundle", "list-heads", name], b"");
            }
            assert_eq!(
                String::from_utf8_lossy(&heads[1]),
                String::from_utf8_lossy(&heads[0]),
                "{format}: {arguments}"
            );
            let [theirs, ours] = ["theirs", "ours"].map(|name| objects(&path.join(name)));
            assert_eq!(ours, theirs, "{format}: objects of {arguments}");
            git(&target.path, &["bundle", "unbundle", &path.join("ours").display().to_string()]);
        }
        git(&target.path, &["fsck", "--full", "--no-dangling"]);
        same(path, &["bundle", "list-heads", "ours", "refs/heads/main", "HEAD"], b"");
    }
}

#[test]
fn what_makes_no_bundle_is_refused_as_git_refuses_it() {
    let repo = history("sha1");
    let path = &repo.path;
    output(Program::Git, path, &["bundle", "create", "-q", "whole", "main"], b"");
    output(Program::Git, path, &["bundle", "create", "-q", "part", "main~1..main"], b"");
    std::fs::write(path.join("cut"), &std::fs::read(path.join("whole")).unwrap()[..300]).unwrap();
    let mut junk = std::fs::read(path.join("whole")).unwrap();
    junk.extend_from_slice(b"junk");
    std::fs::write(path.join("junk"), junk).unwrap();
    let empty = Repo::empty("sha1");
    let file = |name: &str| path.join(name).display().to_string();
    for (directory, arguments) in [
        (path, vec!["create", "x", "main..main"]),
        (path, vec!["create", "x", "HEAD~1"]),
        (path, vec!["create", "x", "--since=2030-01-01", "main"]),
        (path, vec!["create", "x", "nosuch"]),
        (path, vec!["create", "x"]),
        (path, vec!["create", "--version=4", "x", "main"]),
        (path, vec!["create", "no/such/directory/x", "main"]),
        (path, vec!["verify", "f1"]),
        (path, vec!["verify", "nosuch"]),
        (path, vec!["list-heads", "f1"]),
        (path, vec!["list-heads", "nosuch"]),
        (&empty.path, vec!["verify", &file("part")]),
        (&empty.path, vec!["unbundle", &file("part")]),
    ] {
        let arguments = [&["bundle"][..], &arguments].concat();
        let (theirs, ours) =
            (run(Program::Git, directory, &arguments, b""), run(Program::Ours, directory, &arguments, b""));
        assert_eq!(ours.status.code(), theirs.status.code(), "{arguments:?}");
        assert_eq!(
            String::from_utf8_lossy(&ours.stderr),
            String::from_utf8_lossy(&theirs.stderr),
            "{arguments:?}"
        );
        assert_eq!(ours.stdout, theirs.stdout, "{arguments:?}");
        assert!(!path.join("x").exists() && !path.join("x.lock").exists(), "{arguments:?}");
    }
    for damaged in ["cut", "junk"] {
        let refused = run(Program::Ours, &empty.path, &["bundle", "unbundle", &file(damaged)], b"");
        assert_eq!(refused.status.code(), Some(1), "{damaged}");
        let files = git(&empty.path, &["count-objects", "-v"]);
        assert!(files.contains("count: 0") && files.contains("packs: 0"), "{files}");
    }
}

#[test]
fn a_prerequisite_that_is_there_without_its_history_is_not_enough() {
    let repo = history("sha1");
    output(Program::Ours, &repo.path, &["bundle", "create", "-q", "part", "topic~1..topic"], b"");
    let other = Repo::empty("sha1");
    let id = git(&repo.path, &["rev-parse", "topic~1"]);
    let commit = output(Program::Git, &repo.path, &["cat-file", "commit", &id], b"");
    output(Program::Git, &other.path, &["hash-object", "-t", "commit", "-w", "--stdin"], &commit);
    let file = repo.path.join("part").display().to_string();
    let refused = run(Program::Ours, &other.path, &["bundle", "unbundle", &file], b"");
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("not connected to the repository's history"), "{text}");
}

#[test]
fn bundles_are_cloned_fetched_and_listed_like_other_remotes() {
    for format in FORMATS {
        let repo = history(format);
        let scratch = tempfile::tempdir().unwrap();
        let here = scratch.path();
        for (maker, reader) in
            [(Program::Git, Program::Ours), (Program::Ours, Program::Git), (Program::Ours, Program::Ours)]
        {
            let whole = here.join("whole.bundle").display().to_string();
            let part = here.join("part.bundle").display().to_string();
            output(
                maker,
                &repo.path,
                &["bundle", "create", "-q", &whole, "main~2", "topic", "HEAD", "--all"],
                b"",
            );
            output(maker, &repo.path, &["bundle", "create", "-q", &part, "main~1..main"], b"");
            same(here, &["ls-remote", &whole], b"");
            same(&repo.path, &["ls-remote", &part, "main"], b"");
            output(reader, here, &["clone", "-q", "whole.bundle"], b"");
            let clone = here.join("whole");
            assert_eq!(git(&clone, &["status", "--porcelain"]), "");
            assert_eq!(git(&clone, &["rev-parse", "HEAD"]), git(&repo.path, &["rev-parse", "main"]));
            assert_eq!(git(&clone, &["symbolic-ref", "HEAD"]), "refs/heads/main");
            assert_eq!(git(&clone, &["config", "remote.origin.url"]), whole);
            assert_eq!(
                git(&clone, &["rev-parse", "v1", "light"]),
                git(&repo.path, &["rev-parse", "v1", "light"])
            );
            git(&clone, &["fsck", "--full"]);
            // Once more without the suffix, bare.
            output(reader, here, &["clone", "-q", "--bare", "whole", "again.git"], b"");
            std::fs::remove_dir_all(here.join("again.git")).unwrap();

            let older = Repo::empty(format);
            git(&older.path, &["fetch", "-q", &repo.path.display().to_string(), "old:refs/heads/old"]);
            output(reader, &older.path, &["fetch", "-q", &part, "main:refs/heads/new"], b"");
            assert_eq!(git(&older.path, &["rev-parse", "new"]), git(&repo.path, &["rev-parse", "main"]));
            git(&older.path, &["fsck", "--full"]);
            let empty = Repo::empty(format);
            let refused = run(reader, &empty.path, &["fetch", "-q", &part, "main:refs/heads/new"], b"");
            assert!(!refused.status.success());
            let text = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(text.contains("Repository lacks these prerequisite commits:"), "{text}");
            assert_eq!(git(&empty.path, &["for-each-ref"]), "");
            std::fs::remove_dir_all(clone).unwrap();
        }
    }
}
