//! `multi-pack-index write` and `verify` beside those of git.

use super::common::{FORMATS, Program, Repo, git, output, run};
use Program::{Git, Ours};
use std::path::{Path, PathBuf};

/// A repository of several packs that share objects, each of another age.
fn many_packs(format: &'static str) -> Repo {
    let repo = Repo::small(format);
    for (age, revs) in ["v1^{}\n", "side\n", "HEAD\n", "HEAD\nv2\n"].into_iter().enumerate() {
        let args = ["pack-objects", "-q", "--revs", ".git/objects/pack/pack"];
        let name = String::from_utf8(output(Git, &repo.path, &args, revs.as_bytes())).unwrap();
        let path = packs(&repo.path).join(format!("pack-{}.pack", name.trim()));
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
        let time = time - std::time::Duration::from_secs(age as u64 * 1000);
        std::fs::File::open(path).unwrap().set_modified(time).unwrap();
    }
    repo
}

fn packs(repo: &Path) -> PathBuf {
    repo.join(".git/objects/pack")
}

fn names(repo: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(packs(repo))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".idx"))
        .collect();
    names.sort();
    names
}

/// Runs both where no multi-pack index is; they say the same, end the same, and leave the same file.
fn same_file(repo: &Repo, args: &[&str], input: &str) {
    let file = packs(&repo.path).join("multi-pack-index");
    let [theirs, ours] = [Git, Ours].map(|program| {
        let _ = std::fs::remove_file(&file);
        let said = run(program, &repo.path, args, input.as_bytes());
        (said.status.code(), said.stdout, lossy(&said.stderr), std::fs::read(&file).ok())
    });
    assert!(theirs == ours, "{args:?}: {:?} {}\n{:?} {}", theirs.0, theirs.2, ours.0, ours.2);
    if ours.3.is_some() {
        git(&repo.path, &["multi-pack-index", "verify"]);
        git(&repo.path, &["fsck", "--full"]);
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn s04_multi_pack_indexes_are_written_as_git_does() {
    for format in FORMATS {
        let empty = Repo::empty(format);
        same_file(&empty, &["multi-pack-index", "write"], "");
        let repo = many_packs(format);
        let names = names(&repo.path);
        assert!(names.len() > 3);
        same_file(&repo, &["multi-pack-index", "write", "--no-progress"], "");
        for name in &names {
            same_file(&repo, &["multi-pack-index", "write", &format!("--preferred-pack={name}")], "");
        }
        same_file(&repo, &["multi-pack-index", "write", "--preferred-pack=pack-none.idx"], "");
        let two = format!("{}\n{}\n", names[0], names[2]);
        same_file(&repo, &["multi-pack-index", "write", "--stdin-packs"], &two);
        same_file(&repo, &["multi-pack-index", "write", "--stdin-packs"], "pack-none.idx\n");
        same_file(&repo, &["multi-pack-index", "--object-dir", ".git/objects", "write", "--no-bitmap"], "");
        same_file(&repo, &["multi-pack-index", "write", "--object-dir=."], "");

        let file = packs(&repo.path).join("multi-pack-index");
        output(Git, &repo.path, &["multi-pack-index", "write"], b"");
        let before = std::fs::read(&file).unwrap();
        same_file(&repo, &["multi-pack-index", "write", "--incremental", "--bitmap"], "");
        std::fs::write(&file, &before).unwrap();

        // Of an alternate, for the repository that borrows from it.
        let borrower = repo.path.parent().unwrap().join("borrower");
        git(&repo.path, &["clone", "-q", "-s", ".", borrower.to_str().unwrap()]);
        std::fs::remove_file(&file).unwrap();
        let objects = repo.path.join(".git/objects");
        output(
            Ours,
            &borrower,
            &["multi-pack-index", "write", "--object-dir", objects.to_str().unwrap()],
            b"",
        );
        assert_eq!(std::fs::read(&file).unwrap(), before);
    }
    let repo = Repo::empty("sha1");
    for args in [
        &["multi-pack-index"][..],
        &["multi-pack-index", "other"],
        &["multi-pack-index", "write", "operand"],
        &["multi-pack-index", "verify", "--other"],
        &["multi-pack-index", "verify", "operand"],
        &["multi-pack-index", "--object-dir"],
        &["multi-pack-index", "-h"],
    ] {
        let codes = [Git, Ours].map(|program| run(program, &repo.path, args, b"").status.code());
        assert_eq!(codes[0], codes[1], "{args:?}");
    }
}

/// The bitmap of the multi-pack index, if there is one.
fn bitmap(repo: &Path) -> Option<PathBuf> {
    let mut files = std::fs::read_dir(packs(repo)).unwrap().map(|entry| entry.unwrap().path());
    let found = files.find(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("multi-pack-index-") && name.ends_with(".bitmap")
    });
    let checksum = || {
        let file = std::fs::read(packs(repo).join("multi-pack-index")).unwrap();
        let hash = if file[5] == 1 { 20 } else { 32 };
        file[file.len() - hash..].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert!(found.as_ref().is_none_or(|path| path.to_str().unwrap().contains(&checksum())), "a stale bitmap");
    found
}

/// Both take the bitmap for right and count with it as they do without.
fn both_count(repo: &Path) {
    git(repo, &["multi-pack-index", "verify"]);
    git(repo, &["fsck", "--full"]);
    let count = ["rev-list", "--objects", "--all", "--count", "--use-bitmap-index"];
    let plain = git(repo, &count[..4]);
    for program in [Git, Ours] {
        assert_eq!(lossy(&output(program, repo, &count, b"")).trim(), plain, "{program:?}");
        let said = run(program, repo, &["rev-list", "--test-bitmap", "HEAD"], b"");
        assert!(said.status.success() && lossy(&said.stderr).contains("OK!"), "{}", lossy(&said.stderr));
    }
}

#[test]
fn s04_bitmaps_of_multi_pack_indexes_are_written_and_read_as_git_does() {
    for format in FORMATS {
        let repo = many_packs(format);
        let names = names(&repo.path);
        let write = ["multi-pack-index", "write", "--bitmap", "--no-progress"];
        for name in [None, Some(&names[1]), Some(&names[3])] {
            let wish = name.map(|name| format!("--preferred-pack={name}"));
            let args: Vec<&str> = write.iter().copied().chain(wish.as_deref()).collect();
            same_file(&repo, &args, "");
            for program in [Ours, Git] {
                std::fs::remove_file(packs(&repo.path).join("multi-pack-index")).unwrap();
                std::fs::remove_file(bitmap_or(&repo.path)).unwrap();
                output(program, &repo.path, &args, b"");
                assert!(bitmap(&repo.path).is_some());
                both_count(&repo.path);
            }
            // One more time.
            output(Ours, &repo.path, &args, b"");
            both_count(&repo.path);
        }
        // A full clone of it, served by ours.
        let clone = repo.path.parent().unwrap().join("clone");
        let server = format!("--upload-pack={} upload-pack", env!("CARGO_BIN_EXE_git-core"));
        git(&repo.path, &["clone", "-q", "--bare", "--no-local", &server, ".", clone.to_str().unwrap()]);
        git(&clone, &["fsck", "--full", "--strict"]);
        let revs = ["rev-list", "--objects", "--all", "--count"];
        assert_eq!(git(&clone, &revs), git(&repo.path, &revs));

        // The refs of another time.
        let file = repo.path.join("snapshot");
        let tip = git(&repo.path, &["rev-parse", "HEAD~1"]);
        let other = git(&repo.path, &["rev-parse", "side"]);
        std::fs::write(&file, format!("{tip}\n+{other}\n{tip}\n")).unwrap();
        let from_file = [&write[..], &["--refs-snapshot=snapshot"]].concat();
        for program in [Git, Ours] {
            let _ = std::fs::remove_file(packs(&repo.path).join("multi-pack-index"));
            std::fs::remove_file(bitmap_or(&repo.path)).unwrap();
            output(program, &repo.path, &from_file, b"");
            for (name, has) in [("HEAD", false), ("HEAD~1", true), ("side", true)] {
                for reader in [Git, Ours] {
                    let said = run(reader, &repo.path, &["rev-list", "--test-bitmap", name], b"");
                    assert_eq!(said.status.success(), has, "{program:?} {reader:?} {name}");
                }
            }
        }
        std::fs::write(&file, "garbage\n").unwrap();
        same_file(&repo, &from_file, "");
        output(Ours, &repo.path, &write, b"");

        // A pack that lacks something.
        let before = std::fs::read(packs(&repo.path).join("multi-pack-index")).unwrap();
        git(&repo.path, &["commit", "-q", "--allow-empty", "-m", "more"]);
        git(&repo.path, &["repack", "-dq"]);
        let lacking = self::names(&repo.path).into_iter().find(|name| !names.contains(name)).unwrap();
        let some = [&write[..], &["--stdin-packs"]].concat();
        let [theirs, ours] =
            [Git, Ours].map(|program| run(program, &repo.path, &some, format!("{lacking}\n").as_bytes()));
        assert_eq!(ours.status.code(), Some(1));
        assert_eq!(theirs.status.code(), ours.status.code());
        assert!(lossy(&ours.stderr).ends_with("error: could not write multi-pack bitmap\n"));
        assert_eq!(lossy(&theirs.stderr).lines().last(), lossy(&ours.stderr).lines().last());
        assert_eq!(std::fs::read(packs(&repo.path).join("multi-pack-index")).unwrap(), before);
        // Without the wish it goes.
        output(Ours, &repo.path, &["multi-pack-index", "write"], b"");
        assert_eq!(bitmap(&repo.path), None);
    }
}

fn bitmap_or(repo: &Path) -> PathBuf {
    let mut files = std::fs::read_dir(packs(repo)).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|found| found == "bitmap")).unwrap()
}

#[test]
fn s03_repack_writes_bitmaps_of_multi_pack_indexes() {
    /// The stems of pack bitmaps, and whether there is one of the index.
    fn state(repo: &Path) -> (usize, usize, bool) {
        let files = std::fs::read_dir(packs(repo)).unwrap().map(|entry| entry.unwrap().path());
        let of_packs = files.filter(|path| {
            path.extension().is_some_and(|found| found == "bitmap")
                && path.file_name().unwrap().to_str().unwrap().starts_with("pack-")
        });
        let file = std::fs::read(packs(repo).join("multi-pack-index")).unwrap();
        let listed = u32::from_be_bytes(file[8..12].try_into().unwrap());
        (usize::try_from(listed).unwrap(), of_packs.count(), bitmap(repo).is_some())
    }
    for format in FORMATS {
        let states = [Git, Ours].map(|program| {
            let repo = Repo::small(format);
            let mut states = Vec::new();
            for (step, args) in [
                &["repack", "-adbmq"][..],
                &["repack", "-dqm", "--write-bitmap-index"],
                &["-c", "repack.writeBitmaps=true", "repack", "-dqm", "--geometric=2"],
                &["repack", "-dqm", "--geometric=2"],
                &["repack", "-adbq"],
                &["repack", "-dbqm"],
                &["repack", "-adqbm", "--cruft"],
            ]
            .into_iter()
            .enumerate()
            {
                if step > 0 && step != 5 {
                    std::fs::write(repo.path.join("f"), format!("step {step}\n")).unwrap();
                    git(&repo.path, &["commit", "-qam", &format!("step {step}")]);
                }
                output(program, &repo.path, args, b"");
                if step == 4 {
                    // There is no index of many packs any more.
                    continue;
                }
                states.push(state(&repo.path));
                if states.last().unwrap().2 {
                    both_count(&repo.path);
                }
            }
            states
        });
        assert_eq!(states[0], states[1]);
    }
}

#[test]
fn s04_multi_pack_indexes_grow_as_those_of_git_do() {
    /// Every file of the index by its path in the directory of the packs.
    fn files(repo: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        for dir in [packs(repo), packs(repo).join("multi-pack-index.d")] {
            for entry in std::fs::read_dir(&dir).into_iter().flatten() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                if name.starts_with("multi-pack-index") && path.is_file() {
                    files.push((path.strip_prefix(repo).unwrap().to_owned(), std::fs::read(&path).unwrap()));
                }
            }
        }
        files.sort();
        files
    }
    let write = ["multi-pack-index", "write", "--incremental"];
    for format in FORMATS {
        // From nothing, and from an index of one file.
        for from_one in [false, true] {
            let repo = many_packs(format);
            if from_one {
                git(&repo.path, &["multi-pack-index", "write"]);
            }
            let copies = [(Git, repo.copy()), (Ours, repo.copy())];
            for step in 0..3 {
                let mut seen = Vec::new();
                for (program, copy) in &copies {
                    if step > 0 {
                        std::fs::write(copy.path.join("f"), format!("step {step}\n")).unwrap();
                        git(&copy.path, &["commit", "-qam", "more"]);
                        git(&copy.path, &["repack", "-dq"]);
                    }
                    // One more time without anything new.
                    output(*program, &copy.path, &write, b"");
                    output(*program, &copy.path, &write, b"");
                    git(&copy.path, &["multi-pack-index", "verify"]);
                    output(Ours, &copy.path, &["multi-pack-index", "verify"], b"");
                    git(&copy.path, &["fsck", "--full"]);
                    let counted =
                        output(Ours, &copy.path, &["rev-list", "--objects", "--all", "--count"], b"");
                    assert_eq!(
                        lossy(&counted).trim(),
                        git(&copy.path, &["rev-list", "--objects", "--all", "--count"])
                    );
                    seen.push(files(&copy.path));
                }
                assert!(
                    seen[0] == seen[1],
                    "step {step}: {:?}",
                    seen.iter().map(Vec::len).collect::<Vec<_>>()
                );
                assert_eq!(seen[1].len(), if from_one && step == 0 { 1 } else { step + 2 });
            }
            // One file takes the place of all.
            let ours = &copies[1].1.path;
            output(Ours, ours, &["multi-pack-index", "write"], b"");
            assert_eq!(files(ours).len(), 1);
            git(ours, &["multi-pack-index", "verify"]);

            // What is built on packs that are gone is of no use.
            output(Ours, ours, &write, b"");
            git(ours, &["repack", "-adq"]);
            output(Ours, ours, &write, b"");
            git(ours, &["multi-pack-index", "verify"]);
            assert_eq!(files(ours).len(), 2);
            // Nor is a file that has nothing new.
            let id = git(ours, &["rev-parse", "HEAD"]);
            output(
                Git,
                ours,
                &["pack-objects", "-q", ".git/objects/pack/pack"],
                format!("{id}\n").as_bytes(),
            );
            output(Ours, ours, &write, b"");
            git(ours, &["multi-pack-index", "verify"]);
            assert_eq!(files(ours).len(), 2);
        }
        let empty = Repo::empty(format);
        assert!(run(Ours, &empty.path, &write, b"").status.success());
        assert!(files(&empty.path).is_empty());
    }
}

#[test]
fn s04_multi_pack_indexes_are_verified_as_git_does() {
    /// Both say the same of it.
    fn compare(repo: &Repo, what: &str) {
        let args = ["multi-pack-index", "verify", "--no-progress"];
        let [theirs, ours] = [Git, Ours].map(|program| run(program, &repo.path, &args, b""));
        assert_eq!(
            (theirs.status.code(), lossy(&theirs.stderr)),
            (ours.status.code(), lossy(&ours.stderr)),
            "{what}"
        );
    }
    for format in FORMATS {
        let repo = many_packs(format);
        compare(&repo, "none");
        output(Ours, &repo.path, &["multi-pack-index", "write"], b"");
        compare(&repo, "sound");
        let file = packs(&repo.path).join("multi-pack-index");
        let good = std::fs::read(&file).unwrap();
        let chunk = |id: &[u8; 4]| {
            let row = good[12..].chunks(12).find(|row| row.starts_with(id)).unwrap();
            usize::try_from(u64::from_be_bytes(row[4..12].try_into().unwrap())).unwrap()
        };
        let (fanout, ids, offsets) = (chunk(b"OIDF"), chunk(b"OIDL"), chunk(b"OOFF"));
        for (what, at, bytes) in [
            ("checksum", good.len() - 1, [!good[good.len() - 1]].as_slice()),
            ("signature", 0, b"m"),
            ("version", 4, &[7]),
            ("an id behind the next", ids, &[0xff]),
            ("an id that is in no pack", ids + 3, &[!good[ids + 3]]),
            ("an offset", offsets + 4, &[0, 0, 0, 1]),
        ] {
            let mut bad = good.clone();
            bad[at..at + bytes.len()].copy_from_slice(bytes);
            std::fs::write(&file, bad).unwrap();
            compare(&repo, what);
        }
        // Git tells of these in other words.
        let mut fan = good.clone();
        fan[fanout] = 0xff;
        let mut pack = good.clone();
        pack[offsets] = 0xff;
        for (what, bad) in [
            ("fanout", &fan[..]),
            ("pack", &pack),
            ("table", &good[..100]),
            ("short", &good[..10]),
            ("empty", &[]),
        ] {
            std::fs::write(&file, bad).unwrap();
            let codes = [Git, Ours]
                .map(|program| run(program, &repo.path, &["multi-pack-index", "verify"], b"").status.code());
            assert_eq!(codes[0], codes[1], "{what}");
            assert_ne!(codes[1], Some(0), "{what}");
        }
        // A pack that is gone.
        std::fs::write(&file, &good).unwrap();
        let gone = packs(&repo.path).join(&names(&repo.path)[1]);
        std::fs::rename(&gone, gone.with_extension("away")).unwrap();
        std::fs::rename(gone.with_extension("pack"), gone.with_extension("away2")).unwrap();
        compare(&repo, "a pack is gone");
    }
}
