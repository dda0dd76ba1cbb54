//! Commands that make, take and check packs, with git on the other side.

#![allow(clippy::unwrap_used)]

#[path = "packs/attributes.rs"]
mod attributes;
mod common;
#[path = "packs/damaged.rs"]
mod damaged;
#[path = "packs/many.rs"]
mod many;
#[path = "packs/multi_pack_index.rs"]
mod multi_pack_index;
#[path = "packs/multi_pack_repack.rs"]
mod multi_pack_repack;
#[path = "packs/pack_objects.rs"]
mod pack_objects;

use common::{FORMATS, Program, Repo, git, output, run, same};
use std::path::{Path, PathBuf};

use Program::{Git, Ours};

/// A bare repository without objects, beside another one.
fn receiver(repo: &Repo, name: &str) -> PathBuf {
    let path = repo.path.parent().unwrap().join(name);
    let format = format!("--object-format={}", repo.format);
    git(repo.path.parent().unwrap(), &["init", "-q", "--bare", &format, path.to_str().unwrap()]);
    path
}

fn ids(directory: &Path) -> String {
    git(directory, &["cat-file", "--batch-all-objects", "--batch-check"])
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap().trim_end().to_owned()
}

#[test]
fn s04_packs_of_either_are_taken_by_the_other() {
    for format in FORMATS {
        let repo = Repo::small(format);
        for (number, (packer, taker)) in [(Git, Ours), (Ours, Git), (Ours, Ours)].into_iter().enumerate() {
            for (variant, more) in
                [&["--all"][..], &["--all", "--delta-base-offset"], &["--all", "--no-reuse-delta"]]
                    .into_iter()
                    .enumerate()
            {
                let args = [&["pack-objects", "--revs", "--stdout", "-q"], more].concat();
                let pack = output(packer, &repo.path, &args, b"");
                let there = receiver(&repo, &format!("all-{number}-{variant}"));
                let said = text(output(taker, &there, &["index-pack", "--stdin"], &pack));
                assert!(said.starts_with("pack\t"), "{said}");
                assert_eq!(git(&there, &["fsck", "--full", "--no-dangling"]), "");
                let unpacked = receiver(&repo, &format!("loose-{number}-{variant}"));
                output(taker, &unpacked, &["unpack-objects", "-q"], &pack);
                assert_eq!(ids(&there), ids(&unpacked));
                assert_eq!(ids(&there), ids(&repo.path));
            }
        }
    }
}

#[test]
fn s04_thin_packs_are_completed() {
    for format in FORMATS {
        let repo = Repo::small(format);
        git(&repo.path, &["repack", "-q", "-a", "-d", "-f"]);
        for (number, (packer, taker)) in [(Git, Ours), (Ours, Git), (Ours, Ours)].into_iter().enumerate() {
            let there = receiver(&repo, &format!("thin-{number}"));
            let first = output(Git, &repo.path, &["pack-objects", "--revs", "--stdout", "-q"], b"HEAD~3\n");
            output(taker, &there, &["index-pack", "--stdin"], &first);
            let args = ["pack-objects", "--revs", "--thin", "--stdout", "-q", "--delta-base-offset"];
            let second = output(packer, &repo.path, &args, b"HEAD\n--not\nHEAD~3\n");
            if number == 0 {
                // The delta has its base elsewhere; without --fix-thin that is an error.
                let refused = run(taker, &there, &["index-pack", "--stdin"], &second);
                assert_eq!(refused.status.code(), Some(128));
            }
            output(taker, &there, &["index-pack", "--stdin", "--fix-thin"], &second);
            let want = git(&repo.path, &["rev-list", "--objects", "HEAD"]);
            assert_eq!(
                git(&there, &["rev-list", "--objects", &git(&repo.path, &["rev-parse", "HEAD"])]),
                want
            );
        }
    }
}

#[test]
fn s04_files_that_are_written_are_those_of_git() {
    for format in FORMATS {
        let repo = Repo::small(format);
        let dir = repo.path.parent().unwrap();
        let (a, b) = (dir.join("a"), dir.join("b"));
        [&a, &b].iter().for_each(|dir| std::fs::create_dir(dir).unwrap());
        let list = git(&repo.path, &["rev-list", "--objects", "--all"]) + "\n";
        let base = |dir: &Path| dir.join("x").to_str().unwrap().to_owned();
        let name = text(output(Ours, &repo.path, &["pack-objects", "-q", &base(&a)], list.as_bytes()));
        let file = |dir: &Path, extension: &str| dir.join(format!("x-{name}.{extension}"));
        std::fs::copy(file(&a, "pack"), file(&b, "pack")).unwrap();
        let (pack_a, pack_b) = (file(&a, "pack"), file(&b, "pack"));
        assert_eq!(git(&repo.path, &["index-pack", pack_b.to_str().unwrap()]), name);
        for extension in ["idx", "rev"] {
            let read = |dir: &Path| std::fs::read(file(dir, extension)).unwrap();
            assert!(read(&a) == read(&b), "{extension} of pack-objects");
            std::fs::remove_file(file(&a, extension)).unwrap();
        }
        let said = text(output(Ours, &repo.path, &["index-pack", pack_a.to_str().unwrap()], b""));
        assert_eq!(said, name);
        for extension in ["idx", "rev"] {
            let read = |dir: &Path| std::fs::read(file(dir, extension)).unwrap();
            assert!(read(&a) == read(&b), "{extension} of index-pack");
        }
        let pack = pack_a.to_str().unwrap();
        for args in [
            &["verify-pack", "-v", pack][..],
            &["verify-pack", "-s", pack],
            &["verify-pack", "-s", "-v", pack],
            &["verify-pack", "-v", "-s", pack],
            &["verify-pack", pack],
            &["verify-pack", "-v", "nowhere"],
            &["index-pack", "--verify", pack],
            &["index-pack", "--verify-stat", pack],
        ] {
            same(&repo.path, args, b"");
        }
        // An index of version 1 and in another place, and no reverse index.
        let other = dir.join("other.idx");
        let args = ["index-pack", "--index-version=1", "--no-rev-index", "-o", other.to_str().unwrap(), pack];
        output(Ours, &repo.path, &args, b"");
        let ours = std::fs::read(&other).unwrap();
        std::fs::remove_file(&other).unwrap();
        output(Git, &repo.path, &args, b"");
        assert!(std::fs::read(&other).unwrap() == ours);
        assert!(!dir.join("other.rev").exists());
    }
}

#[test]
fn s04_what_is_wrong_with_a_pack_is_said_and_nothing_is_left() {
    for format in FORMATS {
        let repo = Repo::small(format);
        let pack = output(Git, &repo.path, &["pack-objects", "--all", "--stdout", "-q"], b"");
        let there = receiver(&repo, "there");
        let mut flipped = pack.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0x10;
        for (bad, args) in [
            (&pack[..pack.len() / 2], &["index-pack", "--stdin"][..]),
            (&flipped[..], &["index-pack", "--stdin"]),
            (b"no pack at all", &["index-pack", "--stdin"]),
            (b"", &["index-pack", "--stdin"]),
            (&pack[..], &["index-pack", "--stdin", "--max-input-size=100"]),
            (&flipped[..], &["unpack-objects", "-q"]),
            (&pack[..], &["unpack-objects", "-q", "--max-input-size=100"]),
        ] {
            let said = run(Ours, &there, args, bad);
            assert_eq!(said.status.code(), Some(128), "{args:?}");
            assert!(said.stderr.starts_with(b"fatal: "), "{}", String::from_utf8_lossy(&said.stderr));
            assert_eq!(ids(&there), "");
            let left = std::fs::read_dir(there.join("objects")).unwrap().count();
            let packs = std::fs::read_dir(there.join("objects/pack")).unwrap().count();
            assert_eq!((left, packs), (2, 0), "info and pack");
        }
        output(Ours, &there, &["unpack-objects", "-n", "-q"], &pack);
        assert_eq!(ids(&there), "");
        // A bad object is refused when it is to be looked for.
        let bad =
            text(output(Git, &repo.path, &["hash-object", "-t", "commit", "--literally", "-w", "f"], b""));
        let pack =
            output(Git, &repo.path, &["pack-objects", "--stdout", "-q"], format!("{bad}\n").as_bytes());
        assert_eq!(
            run(Ours, &there, &["index-pack", "--stdin", "--fsck-objects"], &pack).status.code(),
            Some(128)
        );
        assert_eq!(run(Ours, &there, &["unpack-objects", "-q", "--strict"], &pack).status.code(), Some(128));
        output(Ours, &there, &["index-pack", "--stdin"], &pack);
        // Links that lead nowhere likewise.
        let head = git(&repo.path, &["rev-parse", "HEAD"]);
        let pack =
            output(Git, &repo.path, &["pack-objects", "--stdout", "-q"], format!("{head}\n").as_bytes());
        for args in [&["index-pack", "--stdin", "--strict"][..], &["unpack-objects", "-q", "--strict"]] {
            let said = run(Ours, &there, args, &pack);
            assert_eq!(said.status.code(), Some(128), "{}", String::from_utf8_lossy(&said.stdout));
        }
        let damaged = repo.path.parent().unwrap().join("damaged.pack");
        std::fs::write(&damaged, &flipped).unwrap();
        assert_eq!(
            run(Ours, &repo.path, &["index-pack", damaged.to_str().unwrap()], b"").status.code(),
            Some(128)
        );
        assert!(!damaged.with_extension("idx").exists());
    }
}

#[test]
fn s04_keep_and_pack_header() {
    for format in FORMATS {
        let repo = Repo::small(format);
        let pack = output(Git, &repo.path, &["pack-objects", "--all", "--stdout", "-q"], b"");
        let objects = u32::from_be_bytes(pack[8..12].try_into().unwrap());
        let there = receiver(&repo, "there");
        let header = format!("--pack_header=2,{objects}");
        let said =
            text(output(Ours, &there, &["index-pack", "--stdin", "--keep=a reason", &header], &pack[12..]));
        let name = said.strip_prefix("keep\t").unwrap();
        let keep = std::fs::read_to_string(there.join(format!("objects/pack/pack-{name}.keep"))).unwrap();
        assert_eq!(keep, "a reason\n");
        assert_eq!(ids(&there), ids(&repo.path));
        let again = text(output(Ours, &there, &["index-pack", "--stdin", "--keep"], &pack));
        assert_eq!(again, format!("pack\t{name}"));
        let loose = receiver(&repo, "loose");
        output(Ours, &loose, &["unpack-objects", "-q", &header], &pack[12..]);
        assert_eq!(ids(&loose), ids(&repo.path));
        // Outside of a repository, and under a name of its own.
        let dir = repo.path.parent().unwrap();
        let object_format = format!("--object-format={format}");
        let args = ["index-pack", &object_format, "--stdin", "named.pack"];
        assert_eq!(text(output(Ours, dir, &args, &pack)), format!("pack\t{name}"));
        git(dir, &["verify-pack", &object_format, "named.pack"]);
        assert_eq!(run(Ours, dir, &["index-pack", "--stdin"], &pack).status.code(), Some(128));
    }
}

#[test]
fn s04_pack_objects_chooses_as_git_does() {
    let count = |pack: &[u8]| u32::from_be_bytes(pack[8..12].try_into().unwrap());
    for format in FORMATS {
        let repo = Repo::small(format);
        let all = git(&repo.path, &["rev-list", "--objects", "--all"]) + "\n";
        let cases: &[(&[&str], &str)] = &[
            (&["--revs"], "HEAD\n"),
            (&["--revs"], "HEAD\n^HEAD~2\n"),
            (&["--revs"], "HEAD\n--not\nside\n"),
            (&["--revs", "--include-tag"], "v1^{}\n"),
            (&["--revs"], "v1^{}\n"),
            (&["--all"], ""),
            (&["--all", "--unpacked"], ""),
            (&["--all", "--incremental"], ""),
            (&["--all", "--local"], ""),
            (&["--all", "--honor-pack-keep"], ""),
            (&[], &all),
            (&["--incremental"], &all),
            (&["--revs", "--non-empty"], "HEAD\n^HEAD\n"),
            (&["--revs"], "HEAD\n^HEAD\n"),
        ];
        let [pack] = &std::fs::read_dir(repo.path.join(".git/objects/pack"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "pack"))
            .collect::<Vec<_>>()[..]
        else {
            panic!("one pack")
        };
        for kept in [false, true] {
            if kept {
                std::fs::write(pack.with_extension("keep"), "").unwrap();
            }
            for (more, input) in cases {
                let args = [&["pack-objects", "--stdout", "-q"], *more].concat();
                let packs = [Git, Ours].map(|program| output(program, &repo.path, &args, input.as_bytes()));
                if packs.iter().any(Vec::is_empty) {
                    assert_eq!(packs[0], packs[1], "{more:?}");
                } else {
                    assert_eq!(count(&packs[0]), count(&packs[1]), "{more:?} {input:?}");
                }
            }
        }
        let name = pack.file_name().unwrap().to_str().unwrap();
        let packs = [Git, Ours].map(|program| {
            output(
                program,
                &repo.path,
                &["pack-objects", "--stdin-packs", "--stdout", "-q"],
                format!("{name}\n").as_bytes(),
            )
        });
        assert_eq!(count(&packs[0]), count(&packs[1]));
        // A shallow boundary is one for the pack too.
        let head = git(&repo.path, &["rev-parse", "HEAD"]);
        let lines = format!("--shallow {head}\n{head}\n");
        let shallow = output(
            Ours,
            &repo.path,
            &["pack-objects", "--revs", "--shallow", "--stdout", "-q"],
            lines.as_bytes(),
        );
        let one = git(&repo.path, &["rev-list", "--objects", "--no-walk", "HEAD"]).lines().count();
        assert_eq!(count(&shallow) as usize, one);
        for args in [
            &["pack-objects", "--stdout", "x"][..],
            &["pack-objects"],
            &["pack-objects", "--thin", "x"],
            &["pack-objects", "--stdout", "--revs", "-q"],
        ] {
            let codes = [Git, Ours].map(|program| run(program, &repo.path, args, b"nope\n").status.code());
            assert_eq!(codes[0], codes[1], "{args:?}");
        }
        let garbage = [Git, Ours].map(|program| {
            run(program, &repo.path, &["pack-objects", "--stdout", "-q"], b"garbage\n").status.code()
        });
        assert_eq!(garbage[0], garbage[1]);
    }
}

#[test]
fn s04_broken_objects_are_told_of_as_git_does() {
    for format in FORMATS {
        let repo = Repo::small(format);
        let path = &repo.path;
        let blob = |content: &[u8]| text(output(Git, path, &["hash-object", "-w", "--stdin"], content));
        let tree = |line: String| text(output(Git, path, &["mktree", "--missing"], line.as_bytes()));
        let empty = tree(String::new());
        let commit = format!("tree {empty}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 x\n\nm\n");
        let args = ["hash-object", "-t", "commit", "-w", "--literally", "--stdin"];
        let commit = text(output(Git, path, &args, commit.as_bytes()));
        let bad = blob(b"[submodule \"x\"]\n\turl = -bad\n");
        let odd = blob(b"[a");
        let nowhere = "1".repeat(empty.len());
        let file = |name: &str, id: &str| tree(format!("100644 blob {id}\t{name}\n"));
        let packs = [
            vec![commit, empty],
            vec![file(".gitmodules", &bad), bad],
            vec![file(".gitmodules", &odd), odd],
            vec![file(".gitmodules", &nowhere)],
            vec![file(".gitattributes", &nowhere)],
            vec![file("file", &nowhere)],
        ];
        let options = [
            "--strict",
            "--fsck-objects",
            "--check-self-contained-and-connected",
            "--strict=badTimezone=ignore,gitmodulesUrl=warn",
            "--fsck-objects=badTimezone=warn",
            "--strict=nosuchid=warn",
            "--strict=badTimezone",
            "--strict=badTimezone=perhaps",
            "--strict=nulInHeader=warn",
        ];
        for (number, objects) in packs.iter().enumerate() {
            let list = objects.join("\n") + "\n";
            let pack = output(Git, path, &["pack-objects", "--stdout", "-q"], list.as_bytes());
            for (at, option) in options.iter().enumerate() {
                let said = [Git, Ours].map(|program| {
                    let there = receiver(&repo, &format!("told-{number}-{at}-{}", program == Ours));
                    let said = run(program, &there, &["index-pack", "--stdin", option], &pack);
                    let out = if said.status.success() { said.stdout } else { Vec::new() };
                    // Where its blob comes later, git finds a bad file only when all is there, and says so.
                    let told = String::from_utf8(said.stderr).unwrap();
                    (said.status.code(), text(out), told.replace("in pack objects", "in packed object"))
                });
                assert_eq!(said[0], said[1], "pack {number}, {option}");
            }
        }
    }
}

#[test]
fn s04_index_pack_has_the_options_of_git() {
    let repo = Repo::small(FORMATS[0]);
    let pack = output(Git, &repo.path, &["pack-objects", "--all", "--stdout", "-q"], b"");
    let cases: &[&[&str]] = &[
        &["--stdin", "--report-end-of-input"],
        &["--stdin", "--pack_header=2,x"],
        &["--stdin", "--index-version=3"],
        &["--stdin", "--index-version=2,5x"],
        &["-o", "wide.idx", "--index-version=2,0x70", "x.pack"],
        &["-o", "wide.idx", "--index-version=2,500", "x.pack"],
        &["--stdin", "--object-format=sha1"],
        &["--stdin", "--object-format=sha3"],
        &["--stdin", "--rev-index", "--no-rev-index"],
        &["--stdin", "--threads=2", "--promisor=why"],
        &["--stdin", "named"],
        &["--fix-thin", "x.pack"],
        &["-o", "index", "x.pack"],
    ];
    for (number, args) in cases.iter().enumerate() {
        let args = [&["index-pack"], *args].concat();
        let said = [Git, Ours].map(|program| {
            let there = receiver(&repo, &format!("options-{number}-{}", program == Ours));
            std::fs::write(there.join("x.pack"), &pack).unwrap();
            let said = run(program, &there, &args, &pack);
            let mut files: Vec<_> = std::fs::read_dir(there.join("objects/pack"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            files.sort();
            let wide = std::fs::read(there.join("wide.idx")).ok();
            (said.status.code(), said.stdout, text(said.stderr), files, wide)
        });
        assert_eq!(said[0], said[1], "{args:?}");
    }
}
