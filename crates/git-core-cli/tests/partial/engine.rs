//! Listing, packing and collecting in a partial clone: what was promised stays apart, and may be missing.

use super::common::{FORMATS, Program, command, git, output, run};
use super::{World, objects};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A partial clone with commits of its own: one tree that lacks a promised file, a tag, something unreachable.
fn grown(format: &str) -> (World, PathBuf) {
    let world = World::new(format, Program::Git);
    let here = world.clone(Program::Git, 2, "here.git", &["--bare", "--filter=blob:none"]);
    git(&here, &["config", "repack.writeBitmaps", "false"]);
    let line = |args: &[&str], input: &str| {
        String::from_utf8(output(Program::Git, &here, args, input.as_bytes())).unwrap().trim().to_owned()
    };
    let tree = line(&["rev-parse", "main^{tree}"], "");
    let one = line(&["commit-tree", "-p", "main", &tree], "one");
    git(&here, &["update-ref", "refs/heads/one", &one]);
    let blob = line(&["hash-object", "-w", "--stdin"], "own\n");
    let large = line(&["rev-parse", "main:large"], "");
    let entries = format!("100644 blob {blob}\tx\n100644 blob {large}\tz\n");
    let tree = line(&["mktree", "--missing"], &entries);
    let two = line(&["commit-tree", "-p", "one", &tree], "two");
    git(&here, &["update-ref", "refs/heads/two", &two]);
    git(&here, &["tag", "-a", "-m", "t", "own", "two"]);
    line(&["hash-object", "-w", "--stdin"], "unreachable\n");
    (world, here)
}

/// Refs to a blob, a tree and a commit that nobody has promised.
fn broken(here: &Path, format: &str) {
    let gone = "12".repeat(if format == "sha1" { 20 } else { 32 });
    for (name, entry) in [("blob", "100644 blob"), ("tree", "40000 tree")] {
        let tree = output(
            Program::Git,
            here,
            &["mktree", "--missing"],
            format!("{entry} {gone}\tgone\n").as_bytes(),
        );
        let tree = String::from_utf8(tree).unwrap();
        let commit = git(here, &["commit-tree", "-m", "x", "-p", "one", tree.trim()]);
        git(here, &["update-ref", &format!("refs/gone/{name}"), &commit]);
    }
    let tree = git(here, &["rev-parse", "main^{tree}"]);
    let commit = format!("tree {tree}\nparent {gone}\nauthor a <a> 1 +0000\ncommitter a <a> 1 +0000\n\nx\n");
    let id = output(Program::Git, here, &["hash-object", "-t", "commit", "-w", "--stdin"], commit.as_bytes());
    std::fs::write(here.join("refs/gone/commit"), id).unwrap();
}

fn offline(program: Program, here: &Path, args: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    let mut child = command(program, here)
        .env("GIT_NO_LAZY_FETCH", "1")
        .args(args)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input);
    let done = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

#[test]
fn s04_what_was_promised_is_left_out_of_lists() {
    for format in FORMATS {
        let (_world, here) = grown(format);
        for args in [
            "--exclude-promisor-objects --all",
            "--exclude-promisor-objects --objects --all",
            "--exclude-promisor-objects --objects --in-commit-order --all",
            "--exclude-promisor-objects --objects --count --all",
            "--exclude-promisor-objects --count --all",
            "--exclude-promisor-objects main",
            "--exclude-promisor-objects --objects main two",
            "--exclude-promisor-objects --objects two ^one",
            "--exclude-promisor-objects --objects --boundary --all",
            "--exclude-promisor-objects --max-count=1 main two",
            "--exclude-promisor-objects --no-walk main one",
            "--exclude-promisor-objects --objects main^{tree} two^{tree}",
            "--exclude-promisor-objects --topo-order --reverse --all",
            "--exclude-promisor-objects --parents one two",
            "--exclude-promisor-objects one -- small",
            "--exclude-promisor-objects --objects --filter=tree:1 --all",
            "--missing=allow-promisor --objects --all",
            "--missing=allow-promisor --objects --count --all",
            "--missing=allow-promisor --objects two ^main",
            "--missing=allow-promisor two:z",
            "--missing=allow-promisor --objects two:z",
            "--missing=allow-promisor --objects main^{tree} two^{tree}",
            "--missing=print --objects --all",
            "--missing=allow-any --exclude-promisor-objects --all",
            "--exclude-promisor-objects --missing=error --all",
        ] {
            let args: Vec<&str> = std::iter::once("rev-list").chain(args.split(' ')).collect();
            let [theirs, ours] = [Program::Git, Program::Ours].map(|program| {
                let (code, out, err) = offline(program, &here, &args, b"");
                let mut lines: Vec<String> = out.lines().map(str::to_owned).collect();
                if args.contains(&"--missing=print") {
                    // Git prints what is missing in the order of a hash table.
                    lines.sort();
                }
                (code, lines, err)
            });
            assert_eq!(ours, theirs, "{format} {args:?}");
        }
        // What nobody has promised has to be there.
        broken(&here, format);
        for args in [
            "--exclude-promisor-objects --objects refs/gone/blob",
            "--exclude-promisor-objects --objects refs/gone/tree",
            "--missing=allow-promisor --objects refs/gone/blob",
            "--missing=allow-promisor --objects refs/gone/tree",
            "--missing=allow-promisor refs/gone/commit",
        ] {
            let args: Vec<&str> = std::iter::once("rev-list").chain(args.split(' ')).collect();
            let (theirs, ours) =
                (offline(Program::Git, &here, &args, b""), offline(Program::Ours, &here, &args, b""));
            assert_eq!((ours.0, &ours.2), (theirs.0, &theirs.2), "{format} {args:?}");
            assert_eq!(ours.0, Some(128));
        }
        let gone = offline(
            Program::Ours,
            &here,
            &["rev-list", "--exclude-promisor-objects", "refs/gone/commit"],
            b"",
        );
        assert_eq!(gone.0, Some(128));
    }
}

/// The ids in a pack that standard output has brought.
fn ids_of(here: &Path, pack: &[u8]) -> BTreeSet<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.pack");
    std::fs::write(&path, pack).unwrap();
    git(here, &["index-pack", path.to_str().unwrap()]);
    let idx = std::fs::read(path.with_extension("idx")).unwrap();
    let format = git(here, &["rev-parse", "--show-object-format"]);
    let listed = output(Program::Git, here, &["show-index", &format!("--object-format={format}")], &idx);
    String::from_utf8(listed)
        .unwrap()
        .lines()
        .map(|line| line.split(' ').nth(1).unwrap().to_owned())
        .collect()
}

#[test]
fn s04_what_was_promised_is_left_out_of_packs() {
    for format in FORMATS {
        let (_world, here) = grown(format);
        for (args, input) in [
            ("--exclude-promisor-objects --all", ""),
            ("--exclude-promisor-objects", "two\n"),
            ("--exclude-promisor-objects --revs", "main\n"),
            ("--exclude-promisor-objects --revs --missing=allow-promisor", "two\n--not\none\n"),
            ("--exclude-promisor-objects --revs --thin", "two\n"),
            ("--exclude-promisor-objects --all --unpacked", ""),
            ("--missing=allow-promisor --all", ""),
        ] {
            let args: Vec<&str> =
                ["pack-objects", "-q", "--stdout"].into_iter().chain(args.split(' ')).collect();
            let [theirs, ours] = [Program::Git, Program::Ours].map(|program| {
                let mut command = command(program, &here);
                command.env("GIT_NO_LAZY_FETCH", "1").args(&args).stdin(std::process::Stdio::piped());
                let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
                std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
                let done = child.wait_with_output().unwrap();
                assert!(done.status.success(), "{program:?} {args:?}");
                ids_of(&here, &done.stdout)
            });
            assert_eq!(ours, theirs, "{format} {args:?}");
        }
        broken(&here, format);
        for (args, input) in [
            ("--exclude-promisor-objects --revs", "refs/gone/blob\n"),
            ("--exclude-promisor-objects --revs", "refs/gone/tree\n"),
            ("--missing=allow-promisor --revs", "refs/gone/blob\n"),
        ] {
            let args: Vec<&str> =
                ["pack-objects", "-q", "--stdout"].into_iter().chain(args.split(' ')).collect();
            for program in [Program::Git, Program::Ours] {
                let done = offline(program, &here, &args, input.as_bytes());
                assert_eq!(done.0, Some(128), "{program:?} {args:?}");
                assert!(done.2.contains("1212121212"), "{program:?} {args:?}: {}", done.2);
            }
        }
    }
}

/// What lies in which kind of pack: promised, cruft or usual; and what is loose.
fn places(here: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let pack = here.join("objects/pack");
    let format = git(here, &["rev-parse", "--show-object-format"]);
    for entry in std::fs::read_dir(&pack).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "idx") {
            continue;
        }
        let kind = ["promisor", "mtimes"].into_iter().find(|kind| path.with_extension(kind).exists());
        let kind = kind.unwrap_or("usual");
        let idx = std::fs::read(&path).unwrap();
        let option = format!("--object-format={format}");
        for line in
            String::from_utf8(output(Program::Git, here, &["show-index", &option], &idx)).unwrap().lines()
        {
            found.insert(format!("{kind} {}", line.split(' ').nth(1).unwrap()));
        }
    }
    for entry in std::fs::read_dir(here.join("objects")).unwrap() {
        let dir = entry.unwrap().path();
        let name = dir.file_name().unwrap().to_str().unwrap().to_owned();
        if name.len() == 2 {
            for file in std::fs::read_dir(dir).unwrap() {
                found.insert(format!("loose {name}{}", file.unwrap().file_name().to_str().unwrap()));
            }
        }
    }
    found
}

fn copied(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copied(&entry.path(), &to)
        } else {
            drop(std::fs::copy(entry.path(), to))
        }
    }
}

#[test]
fn s03_promised_objects_stay_in_packs_of_their_own() {
    for format in FORMATS {
        let (world, here) = grown(format);
        let before = objects(&here);
        for (at, args) in [
            "repack -a -d",
            "repack -A -d",
            "repack -d",
            "repack -a",
            "repack -a -d -f",
            "repack -a -d -k",
            "repack -a -d --cruft",
            "repack -d --cruft --cruft-expiration=now",
            "repack -a -d -l",
            "repack -a -d --pack-kept-objects",
            "gc -q",
            "gc -q --prune=now",
            "gc -q --no-cruft",
            "prune",
            "prune -n",
            "prune-packed",
        ]
        .into_iter()
        .enumerate()
        {
            let [theirs, ours] = [Program::Git, Program::Ours].map(|program| {
                let there = world.dir().join(format!("{program:?}-{at}"));
                copied(&here, &there);
                if args.contains("kept") {
                    let dir = there.join("objects/pack");
                    for entry in std::fs::read_dir(&dir).unwrap() {
                        let path = entry.unwrap().path();
                        if path.extension().is_some_and(|extension| extension == "pack") {
                            std::fs::write(path.with_extension("keep"), "").unwrap();
                        }
                    }
                }
                let args: Vec<&str> = args.split(' ').collect();
                // Twice, since the second time the packs are its own.
                for _ in 0..2 {
                    let done = offline(program, &there, &args, b"");
                    assert_eq!(done.0, Some(0), "{format} {program:?} {args:?}: {}", done.2);
                }
                let fsck = offline(Program::Git, &there, &["fsck", "--full"], b"");
                assert_eq!(fsck.0, Some(0), "{format} {program:?} {args:?}: {}", fsck.2);
                there
            });
            assert_eq!(places(&ours), places(&theirs), "{format} {args}");
            let kept = objects(&ours);
            assert!(before.difference(&kept).count() <= 1, "{args}");
        }
        // Nothing goes where something is missing that nobody has promised.
        broken(&here, format);
        let before = objects(&here);
        for args in ["repack -a -d", "gc -q --prune=now", "prune"] {
            let args: Vec<&str> = args.split(' ').collect();
            let done = run(Program::Ours, &here, &args, b"");
            assert_eq!(done.status.code(), Some(128), "{args:?}");
            assert_eq!(objects(&here), before);
        }
    }
}

#[test]
fn s03_local_commits_stay_below_promised_ones() {
    // git 2.47 drops a commit that was made here once its child comes from the promisor: it could be fetched again.
    for format in FORMATS {
        let world = World::new(format, Program::Git);
        let here = world.clone(Program::Git, 2, "here.git", &["--bare", "--filter=blob:none"]);
        let tree = git(&here, &["rev-parse", "main^{tree}"]);
        let one = git(&here, &["commit-tree", "-m", "one", "-p", "main", &tree]);
        let remote = world.remote();
        git(&here, &["push", "-q", remote.to_str().unwrap(), &format!("{one}:refs/heads/one")]);
        let two = git(&remote, &["commit-tree", "-m", "two", "-p", "one", &tree]);
        git(&remote, &["update-ref", "refs/heads/one", &two]);
        world.run(Program::Git, 2, &here, &["fetch", "-q", "origin", "+refs/heads/*:refs/heads/*"]);
        git(&here, &["config", "repack.writeBitmaps", "false"]);
        output(Program::Ours, &here, &["gc", "-q", "--prune=now"], b"");
        assert!(objects(&here).iter().any(|line| line.starts_with(&one)), "{format}");
        git(&here, &["fsck", "--full"]);
    }
}

#[test]
fn s03_repack_divides_by_a_filter() {
    for format in FORMATS {
        let world = World::new(format, Program::Git);
        let here = world.dir().join("whole.git");
        let url = format!("file://{}", world.remote().display());
        git(&world.dir(), &["clone", "-q", "--bare", &url, here.to_str().unwrap()]);
        git(&here, &["config", "repack.writeBitmaps", "false"]);
        output(Program::Git, &here, &["hash-object", "-w", "--stdin"], b"unreachable\n");
        let before = objects(&here);
        for (at, args) in [
            "repack -a -d --filter=blob:none",
            "repack -a --filter=blob:limit=100",
            "repack -d --filter=blob:none",
            "repack -A -d --filter=tree:1",
            "repack -a -d --filter=tree:0 --filter=blob:limit=4",
            "repack -a -d -k --filter=blob:none",
            "repack -a -d -m --filter=object:type=tree",
            "repack -a -d --filter=blob:none --filter-to=TO",
            "repack -a -d --filter-to=TO",
            "repack -a -d --filter=bogus",
            "repack -d --geometric=2 --filter=blob:none",
            "-c gc.repackFilter=blob:none gc -q --prune=now",
            "-c gc.repackFilter=blob:none -c gc.repackFilterTo=TO gc -q --prune=now",
            "-c gc.repackFilterTo=TO gc -q",
            "-c gc.repackFilter=bogus gc -q",
        ]
        .into_iter()
        .enumerate()
        {
            let [theirs, ours] = [Program::Git, Program::Ours].map(|program| {
                let there = world.dir().join(format!("{program:?}-{at}"));
                let beside = world.dir().join(format!("beside-{program:?}-{at}"));
                copied(&here, &there);
                std::fs::create_dir_all(beside.join("pack")).unwrap();
                let args = args.replace("TO", beside.join("pack/pack").to_str().unwrap());
                // What went elsewhere is found there.
                std::fs::write(there.join("objects/info/alternates"), format!("{}\n", beside.display()))
                    .unwrap();
                let done = offline(program, &there, &args.split(' ').collect::<Vec<_>>(), b"");
                if done.0 == Some(0) {
                    git(&there, &["fsck", "--full"]);
                    let gone = if args.contains("prune=now") { 1 } else { 0 };
                    assert_eq!(objects(&there).len() + gone, before.len(), "{program:?} {args}");
                }
                let packs = |dir: &Path| {
                    let mut packs: Vec<BTreeSet<String>> = Vec::new();
                    for entry in std::fs::read_dir(dir).unwrap() {
                        let path = entry.unwrap().path();
                        if path.extension().is_some_and(|extension| extension == "pack") {
                            packs.push(ids_of(&here, &std::fs::read(&path).unwrap()));
                        }
                    }
                    packs.retain(|pack| !pack.is_empty());
                    packs.sort();
                    packs
                };
                // git may be stopped by the pipe to a child that has already refused.
                let code = done.0.unwrap_or(128);
                (code, done.2, packs(&there.join("objects/pack")), packs(&beside.join("pack")))
            });
            assert_eq!(ours, theirs, "{format} {args}");
        }
    }
}
