//! Commands that keep a repository small leave it as git does, in both object formats.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "maintenance/settings.rs"]
mod settings;

use common::{FORMATS, Program, Repo, git, output, run, same, same_lines};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// All files below a directory, without what differs between any two runs.
fn files(root: &Path) -> BTreeSet<String> {
    let (mut found, mut pending) = (BTreeSet::new(), vec![root.to_path_buf()]);
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(&dir).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                pending.push(entry.path());
            } else {
                found.insert(entry.path().strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    found
}

fn write_object(repo: &Repo, content: &str) -> String {
    let id = output(Program::Git, &repo.path, &["hash-object", "-w", "--stdin"], content.as_bytes());
    String::from_utf8(id).unwrap().trim().to_owned()
}

fn loose_path(repo: &Repo, id: &str) -> PathBuf {
    repo.path.join(".git/objects").join(&id[..2]).join(&id[2..])
}

fn make_old(path: &Path) {
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(40 * 86_400);
    std::fs::File::open(path).unwrap().set_modified(old).unwrap();
}

/// Sorted lines of what both programs print, in two repositories that are alike.
fn lines(output: &[u8]) -> Vec<String> {
    let mut lines: Vec<_> = String::from_utf8_lossy(output).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Runs a command with git in one repository and with ours in the other; what they print and leave is the same.
fn alike(theirs: &Repo, ours: &Repo, args: &[&str]) {
    let said = [(Program::Git, theirs), (Program::Ours, ours)]
        .map(|(program, repo)| run(program, &repo.path, args, b""));
    let shown = format!(
        "{args:?}\n{}\n{}",
        String::from_utf8_lossy(&said[0].stderr),
        String::from_utf8_lossy(&said[1].stderr)
    );
    assert_eq!(said[0].status.code(), said[1].status.code(), "{shown}");
    assert_eq!(lines(&said[0].stdout), lines(&said[1].stdout), "{shown}");
    for part in ["refs", "objects"] {
        let named = |repo: &Repo| {
            let all = files(&repo.path.join(".git").join(part));
            // Packs of the same objects may be named differently, since they are written differently.
            all.into_iter().filter(|name| !name.contains("pack/pack-")).collect::<Vec<_>>()
        };
        assert_eq!(named(theirs), named(ours), "{shown}");
    }
    let packed = |repo: &Repo| std::fs::read_to_string(repo.path.join(".git/packed-refs")).ok();
    assert_eq!(packed(theirs), packed(ours), "{shown}");
}

/// git finds nothing wrong.
fn sound(repo: &Repo) {
    git(&repo.path, &["fsck", "--full", "--strict"]);
    for name in files(&repo.path.join(".git/objects/pack")) {
        if name.ends_with(".idx") {
            git(&repo.path, &["verify-pack", &format!(".git/objects/pack/{name}")]);
        }
    }
    if files(&repo.path.join(".git/objects/pack")).iter().any(|name| name.ends_with(".bitmap")) {
        git(&repo.path, &["rev-list", "--test-bitmap", "HEAD"]);
    }
    if repo.path.join(".git/objects/pack/multi-pack-index").exists() {
        git(&repo.path, &["multi-pack-index", "verify"]);
    }
}

fn all_objects(repo: &Repo) -> Vec<String> {
    let all = output(
        Program::Git,
        &repo.path,
        &["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"],
        b"",
    );
    lines(&all)
}

#[test]
fn s03_count_objects() {
    for format in FORMATS {
        let repo = Repo::small(format);
        let objects = repo.path.join(".git/objects");
        write_object(&repo, "loose\n");
        same_lines(
            &repo.path,
            "count-objects\ncount-objects -v\ncount-objects -H\ncount-objects -v -H\ncount-objects x",
        );
        git(&repo.path, &["repack", "-q"]);
        for (name, content) in [
            ("pack/garbage.txt", "hello\n"),
            ("pack/pack-1.idx", "1"),
            ("pack/pack-2.pack", "22"),
            ("pack/pack-3.keep", ""),
            ("pack/tmp_pack_x", "abc"),
            ("12/junk", "junk"),
        ] {
            std::fs::create_dir_all(objects.join("12")).unwrap();
            std::fs::write(objects.join(name), content).unwrap();
        }
        same_lines(&repo.path, "count-objects -v\ncount-objects -vH\ncount-objects");
        let borrower = repo.path.parent().unwrap().join("borrower");
        git(&repo.path, &["clone", "-q", "-s", ".", borrower.to_str().unwrap()]);
        same(&borrower, &["count-objects", "-v"], b"");
    }
}

#[test]
fn s03_show_index() {
    for format in FORMATS {
        let repo = Repo::small(format);
        git(&repo.path, &["repack", "-adq"]);
        let dir = repo.path.join(".git/objects/pack");
        let pack = files(&dir).into_iter().find(|name| name.ends_with(".pack")).unwrap();
        let v2 = std::fs::read(dir.join(&pack).with_extension("idx")).unwrap();
        let v1_path = dir.join("v1.idx");
        git(&dir, &["index-pack", "--index-version=1", "-o", v1_path.to_str().unwrap(), &pack]);
        let v1 = std::fs::read(v1_path).unwrap();
        let option = format!("--object-format={format}");
        for args in [&["show-index"][..], &["show-index", &option], &["show-index", "--object-format=x"]] {
            same(&repo.path, args, &v2);
            same(&repo.path, args, &v1);
            same(&repo.path, args, b"");
        }
        same(&repo.path, &["show-index"], &v2[..v2.len() / 2]);
    }
}

#[test]
fn s03_pack_refs() {
    for format in FORMATS {
        let pair = [Repo::small(format), Repo::small(format)];
        for repo in &pair {
            let at = |args: &[&str]| git(&repo.path, args);
            at(&["pack-refs", "--all"]);
            at(&["branch", "n/b/c"]);
            at(&["branch", "n/b/d"]);
            at(&["branch", "other"]);
            at(&["tag", "one-more"]);
            at(&["tag", "-a", "-m", "x", "deep/annotated"]);
            at(&["update-ref", "refs/bisect/bad", "HEAD"]);
            at(&["symbolic-ref", "refs/heads/pointer", "refs/heads/other"]);
            let broken = "12".repeat(if format == "sha1" { 20 } else { 32 });
            std::fs::write(repo.path.join(".git/refs/heads/broken"), format!("{broken}\n")).unwrap();
        }
        let [theirs, ours] = &pair;
        for args in [
            &["pack-refs", "--auto"][..],
            &["pack-refs"],
            &["pack-refs", "--include", "refs/heads/n/*", "--exclude", "*/d"],
            &["pack-refs", "--all", "--no-prune"],
            &["pack-refs", "x"],
            &["pack-refs", "--all", "--exclude", "refs/heads/n/*"],
        ] {
            let said = [(Program::Git, theirs), (Program::Ours, ours)]
                .map(|(program, repo)| run(program, &repo.path, args, b""));
            assert_eq!(said[0].status.code(), said[1].status.code(), "{args:?}");
            for part in ["refs", "packed-refs"] {
                let state = |repo: &Repo| {
                    let path = repo.path.join(".git").join(part);
                    if path.is_dir() {
                        format!("{:?}", files(&path))
                    } else {
                        std::fs::read_to_string(path).unwrap()
                    }
                };
                assert_eq!(state(theirs), state(ours), "{args:?}");
            }
        }
        // A ref that is locked stays loose, and is packed all the same.
        git(&ours.path, &["branch", "locked"]);
        let lock = ours.path.join(".git/refs/heads/locked.lock");
        std::fs::write(&lock, "").unwrap();
        assert!(run(Program::Ours, &ours.path, &["pack-refs", "--all"], b"").status.success());
        assert!(lock.with_extension("").exists());
        std::fs::remove_file(&lock).unwrap();
        std::fs::write(ours.path.join(".git/packed-refs.lock"), "").unwrap();
        assert_eq!(run(Program::Ours, &ours.path, &["pack-refs"], b"").status.code(), Some(128));
    }
}

/// Objects that nothing reaches, old and young, and files that were left behind.
fn litter(repo: &Repo) {
    write_object(repo, "unreachable and young\n");
    let old = write_object(repo, "unreachable and old\n");
    let needed = write_object(repo, "old, and needed by a young tree\n");
    for id in [&old, &needed] {
        make_old(&loose_path(repo, id));
    }
    let tree = output(Program::Git, &repo.path, &["mktree"], format!("100644 blob {needed}\tf\n").as_bytes());
    let tree = String::from_utf8(tree).unwrap();
    git(&repo.path, &["commit-tree", "-m", "lost", tree.trim()]);
    std::fs::write(repo.path.join("staged"), "only in the index\n").unwrap();
    git(&repo.path, &["add", "staged"]);
    let objects = repo.path.join(".git/objects");
    std::fs::create_dir_all(objects.join("12")).unwrap();
    std::fs::create_dir_all(objects.join("tmp_objdir-incoming-1")).unwrap();
    for name in ["12/tmp_obj_1", "tmp_obj_2", "pack/tmp_pack_1", "tmp_objdir-incoming-1/x", "pack/tmp_idx_2"]
    {
        std::fs::write(objects.join(name), "").unwrap();
    }
    make_old(&objects.join("pack/tmp_pack_1"));
}

#[test]
fn s03_prune() {
    for format in FORMATS {
        let pair = [Repo::small(format), Repo::small(format)];
        pair.iter().for_each(litter);
        let [theirs, ours] = &pair;
        for args in [
            &["prune-packed", "-n"][..],
            &["prune", "-n"],
            &["prune", "-n", "--expire=2.weeks.ago"],
            &["prune", "-n", "--expire=never"],
            &["prune", "-n", "nope"],
            &["prune", "--expire=nonsense"],
            &["prune", "-n", "HEAD"],
            &["prune", "-v", "--expire=2.weeks.ago"],
            &["prune-packed"],
            &["prune", "-v"],
            &["prune"],
        ] {
            alike(theirs, ours, args);
        }
        for args in [
            &["config", "extensions.preciousObjects", "true"],
            &["config", "core.repositoryformatversion", "1"],
        ] {
            pair.iter().for_each(|repo| drop(git(&repo.path, args)));
        }
        for args in [&["prune"][..], &["prune-packed"], &["repack", "-ad"]] {
            alike(theirs, ours, args);
        }
        sound(ours);
    }
}

#[test]
fn s03_repack() {
    for format in FORMATS {
        let template = Repo::small(format);
        litter(&template);
        for steps in [
            &[&["repack"][..], &["repack"], &["repack", "-a", "-d"]][..],
            &[&["repack", "-d", "-q"], &["repack", "-ad", "-q"], &["prune"]],
            &[&["repack", "-A", "-d"], &["repack", "-adk"]],
            &[&["repack", "-adk"], &["repack", "-A", "-d", "--unpack-unreachable=now"]],
            &[&["repack", "--cruft", "-d"], &["repack", "--cruft", "-d", "--cruft-expiration=2.weeks.ago"]],
            &[&["repack", "--cruft", "-d", "--cruft-expiration=now"]],
            &[
                &["repack", "-g", "2", "-d"],
                &["repack", "-g", "2", "-d"],
                &["repack", "-A", "-k"],
                &["repack", "-g2", "-a"],
            ],
            &[
                &["repack", "-m"],
                &["repack", "-g2", "-d", "-m"],
                &["repack", "-g2", "-dm"],
                &["repack", "-a"],
            ],
            &[&["repack", "-adb", "-q"], &["repack", "-b"], &["repack", "-ad", "-q"]],
            &[&["repack", "-m", "-ad"], &["repack", "-q"], &["repack", "-ad"]],
            &[&["repack", "--cruft", "-d", "--expire-to=pruned", "--cruft-expiration=2.weeks.ago"]],
        ] {
            let pair = [template.copy(), template.copy()];
            let [theirs, ours] = &pair;
            for args in steps {
                alike(theirs, ours, args);
                let kinds = |repo: &Repo| {
                    let all = files(&repo.path.join(".git/objects/pack"));
                    let mut kinds: Vec<_> = all
                        .iter()
                        .filter_map(|name| name.rsplit_once('.').map(|(_, kind)| kind.to_owned()))
                        .collect();
                    kinds.sort();
                    kinds
                };
                assert_eq!(kinds(theirs), kinds(ours), "{args:?}");
                assert_eq!(all_objects(theirs), all_objects(ours), "{args:?}");
                if kinds(ours).iter().any(|kind| kind == "bitmap") {
                    git(&ours.path, &["rev-list", "--test-bitmap", "HEAD"]);
                }
            }
            sound(ours);
        }
    }
}

#[test]
fn s03_an_object_of_a_cruft_pack_that_is_needed_again_is_young() {
    for format in FORMATS {
        let repo = Repo::small(format);
        let id = write_object(&repo, "lost and found\n");
        make_old(&loose_path(&repo, &id));
        output(Program::Ours, &repo.path, &["repack", "--cruft", "-dq"], b"");
        assert!(!loose_path(&repo, &id).exists());
        let again = output(Program::Ours, &repo.path, &["hash-object", "-w", "--stdin"], b"lost and found\n");
        assert_eq!(String::from_utf8(again).unwrap().trim(), id);
        output(Program::Ours, &repo.path, &["gc", "-q"], b"");
        assert_eq!(git(&repo.path, &["cat-file", "-p", &id]), "lost and found");
        sound(&repo);
    }
}

#[test]
fn s03_repack_leaves_kept_and_borrowed_packs_alone() {
    for format in FORMATS {
        let pair = [Repo::small(format), Repo::small(format)];
        for repo in &pair {
            git(&repo.path, &["repack", "-adq"]);
            let dir = repo.path.join(".git/objects/pack");
            let pack = files(&dir).into_iter().find(|name| name.ends_with(".pack")).unwrap();
            std::fs::write(dir.join(pack).with_extension("keep"), "").unwrap();
            git(&repo.path, &["commit", "-q", "--allow-empty", "-m", "more"]);
        }
        let counted = |repo: &Repo| lines(&output(Program::Git, &repo.path, &["count-objects", "-v"], b""));
        let [theirs, ours] = &pair;
        for args in [&["repack", "-ad", "-q"][..], &["repack", "-ad", "-q", "--pack-kept-objects"]] {
            alike(theirs, ours, args);
            let sizes = |all: Vec<String>| {
                all.into_iter().filter(|line| !line.starts_with("size")).collect::<Vec<_>>()
            };
            assert_eq!(sizes(counted(theirs)), sizes(counted(ours)), "{args:?}");
        }
        sound(ours);
        let borrowers = [theirs, ours].map(|repo| {
            let path = repo.path.parent().unwrap().join("borrower");
            git(&repo.path, &["clone", "-q", "-s", ".", path.to_str().unwrap()]);
            path
        });
        for args in [&["repack", "-ad", "-l"][..], &["repack", "-ad", "-q"]] {
            let said = [(Program::Git, &borrowers[0]), (Program::Ours, &borrowers[1])]
                .map(|(program, path)| lines(&run(program, path, args, b"").stdout));
            assert_eq!(said[0], said[1]);
            let kinds = |path: &Path| {
                let packs = files(&path.join(".git/objects/pack"));
                packs.iter().filter(|name| name.ends_with(".pack")).count()
            };
            assert_eq!(kinds(&borrowers[0]), kinds(&borrowers[1]), "{args:?}");
        }
    }
}

#[test]
fn s03_gc() {
    for format in FORMATS {
        let template = Repo::small(format);
        litter(&template);
        // What is only in a reflog is alive until the entry expires.
        git(&template.path, &["commit", "-q", "--allow-empty", "-m", "amended away"]);
        git(&template.path, &["reset", "-q", "--hard", "HEAD~1"]);
        for steps in [
            &[&["gc", "-q"][..], &["gc", "-q"]][..],
            &[&["gc", "-q", "--prune=now"]],
            &[&["gc", "-q", "--no-cruft"], &["gc", "-q", "--prune=now"]],
            &[&["-c", "gc.packRefs=false", "gc", "-q", "--no-prune"]],
            &[&["gc", "--prune=nonsense"], &["gc", "x"]],
            &[&["gc", "--auto"], &["-c", "gc.auto=0", "gc", "--auto"]],
            &[&["-c", "gc.reflogExpire=now", "-c", "gc.pruneExpire=now", "gc", "-q"]],
            &[&["repack", "-q"], &["-c", "gc.autoPackLimit=1", "gc", "--auto", "-q", "--no-detach"]],
            &[&["repack", "-q"], &["gc", "-q", "--keep-largest-pack"]],
        ] {
            let pair = [template.copy(), template.copy()];
            let [theirs, ours] = &pair;
            for args in steps {
                alike(theirs, ours, args);
                assert_eq!(all_objects(theirs), all_objects(ours), "{args:?}");
                let logs = |repo: &Repo| std::fs::read_to_string(repo.path.join(".git/logs/HEAD")).unwrap();
                assert_eq!(logs(theirs), logs(ours), "{args:?}");
                assert!(!ours.path.join(".git/gc.pid").exists());
            }
            sound(ours);
        }
    }
}

#[test]
fn s03_gc_runs_once_at_a_time() {
    let repo = Repo::small("sha1");
    let lock = repo.path.join(".git/gc.pid");
    for (holder, code) in [("1 elsewhere", 128), ("999999999 elsewhere", 128)] {
        std::fs::write(&lock, holder).unwrap();
        let theirs = run(Program::Git, &repo.path, &["gc", "-q"], b"");
        let ours = run(Program::Ours, &repo.path, &["gc", "-q"], b"");
        assert_eq!((theirs.status.code(), ours.status.code()), (Some(code), Some(code)));
        assert_eq!(String::from_utf8_lossy(&theirs.stderr), String::from_utf8_lossy(&ours.stderr));
        assert_eq!(std::fs::read_to_string(&lock).unwrap(), holder);
    }
    make_old(&lock);
    assert!(run(Program::Ours, &repo.path, &["gc", "-q"], b"").status.success());
    std::fs::write(&lock, "1 elsewhere").unwrap();
    assert!(run(Program::Ours, &repo.path, &["gc", "-q", "--force"], b"").status.success());
    assert!(!lock.exists());
}

#[test]
fn s03_readers_and_writers_notice_nothing_of_maintenance() {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    for format in FORMATS {
        let repo = Repo::small(format);
        for n in 0..40 {
            git(&repo.path, &["update-ref", &format!("refs/heads/many/{n}"), "HEAD"]);
        }
        let expected = git(&repo.path, &["for-each-ref", "--exclude=refs/heads/pushed"]);
        let everything = git(&repo.path, &["rev-list", "--objects", "--all"]).lines().count();
        let (done, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
        // Whoever makes a fan-out directory that somebody else removes before it is used has to try again; git
        // leaves that to its callers.
        let retried = |args: &[&str], input: &[u8]| {
            let mut tries = 0;
            loop {
                let said = run(Program::Git, &repo.path, args, input);
                let text = String::from_utf8_lossy(&said.stderr).into_owned();
                if said.status.success() {
                    return String::from_utf8(said.stdout).unwrap().trim().to_owned();
                }
                tries += 1;
                assert!(text.contains("unable to create temporary file") && tries < 20, "{args:?}: {text}");
            }
        };
        std::thread::scope(|scope| {
            for program in [Program::Git, Program::Ours] {
                let (repo, expected, done, reads) = (&repo, &expected, &done, &reads);
                scope.spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        let refs = output(
                            program,
                            &repo.path,
                            &["for-each-ref", "--exclude=refs/heads/pushed"],
                            b"",
                        );
                        assert_eq!(String::from_utf8_lossy(&refs).trim_end(), expected, "{program:?}");
                        let objects = output(program, &repo.path, &["rev-list", "--objects", "--all"], b"");
                        assert!(
                            String::from_utf8_lossy(&objects).lines().count() >= everything,
                            "{program:?}"
                        );
                        reads.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            // Somebody commits meanwhile: none of it may be lost.
            let (repo, finished, retried) = (&repo, &done, &retried);
            let writer = scope.spawn(move || {
                let tree = git(&repo.path, &["rev-parse", "HEAD^{tree}"]);
                let mut tip = git(&repo.path, &["rev-parse", "HEAD"]);
                while !finished.load(Ordering::Relaxed) {
                    let content = format!("content of {tip}\n");
                    let blob = retried(&["hash-object", "-w", "--stdin"], content.as_bytes());
                    let line = format!("100644 blob {blob}\tnew\n");
                    let with = retried(&["mktree"], line.as_bytes());
                    assert_ne!(with, tree);
                    tip = retried(&["commit-tree", "-p", &tip, "-m", "pushed", &with], b"");
                    git(&repo.path, &["update-ref", "refs/heads/pushed", &tip]);
                }
                tip
            });
            for args in [
                &["repack", "-q"][..],
                &["pack-refs", "--all"],
                &["repack", "-adq"],
                &["gc", "-q"],
                &["repack", "-g", "2", "-dq"],
                &["repack", "-Adq"],
                &["pack-refs", "--all"],
                &["gc", "-q", "--no-cruft"],
                &["repack", "--cruft", "-dq"],
            ] {
                let said = run(Program::Ours, &repo.path, args, b"");
                let text = String::from_utf8_lossy(&said.stderr).into_owned();
                assert!(said.status.success(), "{args:?}: {text}");
                let before = reads.load(Ordering::Relaxed);
                let patience = std::time::Instant::now();
                while reads.load(Ordering::Relaxed) < before + 1 && patience.elapsed().as_secs() < 20 {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
            }
            done.store(true, Ordering::Relaxed);
            let tip = writer.join().unwrap();
            assert_eq!(git(&repo.path, &["rev-parse", "refs/heads/pushed"]), tip);
        });
        sound(&repo);
    }
}

#[test]
fn s03_repack_in_packs_of_bounded_size() {
    for format in FORMATS {
        let repo = Repo::small(format);
        let mut state = 1u64;
        for n in 0..6 {
            let noise: Vec<u8> = std::iter::repeat_with(|| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .take(600 << 10)
            .collect();
            std::fs::write(repo.path.join(format!("noise{n}")), noise).unwrap();
        }
        git(&repo.path, &["add", "."]);
        git(&repo.path, &["commit", "-q", "-m", "noise"]);
        let before = all_objects(&repo);
        let dir = repo.path.join(".git/objects/pack");
        let packs = || {
            let all = files(&dir).into_iter().filter(|name| name.ends_with(".pack"));
            all.map(|name| dir.join(name).metadata().unwrap().len()).collect::<Vec<_>>()
        };
        for (args, several) in [
            (&["repack", "-adq", "--max-pack-size=1m"][..], true),
            (&["repack", "-adqf", "--max-pack-size=1m"], true),
            (&["repack", "-adqf", "--window=5", "--depth=3", "--threads=2"], false),
            (&["repack", "-adqF", "--window-memory=1m"], false),
        ] {
            output(Program::Ours, &repo.path, args, b"");
            sound(&repo);
            assert_eq!(all_objects(&repo), before, "{args:?}");
            assert_eq!(packs().len() > 1, several, "{args:?}");
            assert!(!several || packs().iter().all(|size| *size <= 1 << 20), "{args:?}: {:?}", packs());
        }
    }
}
