//! `pack-objects`: its options, beside git's.

use super::common::{FORMATS, Program, Repo, git, output, run};
use super::text;
use Program::{Git, Ours};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A history of files that change a little each time, everything loose.
fn history(format: &'static str, commits: usize) -> Repo {
    history_of(format, commits, "")
}

/// The same, with more text in each line that a commit changes. Where files grow, older versions are deltas of newer ones.
fn history_of(format: &'static str, commits: usize, more: &str) -> Repo {
    let repo = Repo::empty(format);
    let mut stream = String::new();
    let mut lines: Vec<String> = (0..150).map(|n| format!("line {n} of a file, {}", n * 7919)).collect();
    for n in 0..commits {
        lines[n * 31 % 150] = format!("changed by commit {n}{more}");
        let (all, half) = (lines.join("\n") + "\n", lines[..70].join("\n") + "\n");
        stream += &format!(
            "commit refs/heads/master\ncommitter C <c@example.com> {} +0000\ndata 2\nm\n",
            1_700_000_000 + n
        );
        stream += &format!("M 100644 inline dir/file.txt\ndata {}\n{all}\n", all.len());
        stream += &format!("M 100644 inline half.txt\ndata {}\n{half}\n", half.len());
    }
    output(
        Git,
        &repo.path,
        &["-c", "fastimport.unpackLimit=100000", "fast-import", "--quiet"],
        stream.as_bytes(),
    );
    repo
}

fn packs(repo: &Repo) -> Vec<PathBuf> {
    let mut packs: Vec<PathBuf> = std::fs::read_dir(repo.path.join(".git/objects/pack"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pack"))
        .collect();
    packs.sort();
    packs
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// The ids of a pack, sorted, after git has verified it.
fn verified(directory: &Path, pack: &Path) -> Vec<String> {
    let listing = git(directory, &["verify-pack", "-v", pack.to_str().unwrap()]);
    let mut ids: Vec<String> = listing
        .lines()
        .filter(|line| line.split(' ').next().is_some_and(|id| id.len() >= 40))
        .filter(|line| line.as_bytes()[..40].iter().all(u8::is_ascii_hexdigit))
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

/// Packs into files; gives the packs' paths.
fn to_files(program: Program, repo: &Repo, dir: &str, args: &[&str], input: &[u8]) -> Vec<PathBuf> {
    let dir = repo.path.parent().unwrap().join(dir);
    std::fs::create_dir_all(&dir).unwrap();
    let base = dir.join("p");
    let all = [&["pack-objects", "-q"], args, &[base.to_str().unwrap()]].concat();
    let names = text(output(program, &repo.path, &all, input));
    names.lines().map(|name| dir.join(format!("p-{name}.pack"))).collect()
}

#[test]
fn s04_deltas_are_found_as_well_as_git_finds_them() {
    for format in FORMATS {
        let repo = history(format, 60);
        let size = |path: &Path| std::fs::metadata(path).unwrap().len();
        for (number, args) in [
            &["--all"][..],
            &["--all", "--delta-base-offset", "--window=20", "--depth=10"],
            &["--all", "--no-reuse-object", "--compression=9", "--threads=1", "--window-memory=1m"],
        ]
        .into_iter()
        .enumerate()
        {
            let ours = to_files(Ours, &repo, &format!("ours-{number}"), args, b"");
            let theirs = to_files(Git, &repo, &format!("git-{number}"), args, b"");
            assert_eq!(verified(&repo.path, &ours[0]), verified(&repo.path, &theirs[0]));
            let (ours, theirs) = (size(&ours[0]), size(&theirs[0]));
            // With chains of ten at most it is 2% at most; with fifty, ours is smaller.
            assert!(ours * 50 <= theirs * 51, "{args:?}: {ours} bytes, git has {theirs}");
        }
    }
}

#[test]
fn s04_packs_do_not_depend_on_how_threads_take_turns() {
    for format in FORMATS {
        let few = history(format, 90);
        let many = history(format, 1100);
        let tip = git(&many.path, &["rev-parse", "master~1080"]);
        let some = format!("master\n^{}", tip.trim());
        for (number, (repo, args, input)) in [
            (&few, &["--all"][..], ""),
            (&few, &["--all", "--no-reuse-object"], ""),
            (&few, &["--all", "--indexed-objects", "--window=0"], ""),
            (&many, &["--revs", "--window=0"], &*some),
            (&many, &["--all", "--window=0"], ""),
        ]
        .into_iter()
        .enumerate()
        {
            let pack = |threads: &str, dir: String| {
                let args = [args, &[threads]].concat();
                let files = to_files(Ours, repo, &dir, &args, input.as_bytes());
                assert_eq!(files.len(), 1);
                files[0].file_name().unwrap().to_owned()
            };
            let one = pack("--threads=1", format!("one-{number}"));
            for round in 0..3 {
                assert_eq!(pack("--threads=4", format!("four-{number}-{round}")), one, "{args:?}");
            }
        }
    }
}

#[test]
fn s04_what_indexes_hold_is_packed() {
    for format in FORMATS {
        let repo = history(format, 3);
        let linked = repo.path.parent().unwrap().join("linked");
        git(&repo.path, &["reset", "-q", "--hard"]);
        git(&repo.path, &["worktree", "add", "-q", "-b", "side", linked.to_str().unwrap()]);
        for (dir, content) in [(&repo.path, "staged here"), (&linked, "staged there")] {
            std::fs::write(dir.join("new.txt"), content).unwrap();
            git(dir, &["add", "new.txt"]);
        }
        // Meant to be added, and never stored.
        std::fs::write(repo.path.join("later.txt"), "later").unwrap();
        git(&repo.path, &["add", "-N", "later.txt"]);
        for (number, args) in
            [&["--indexed-objects"][..], &["--all", "--indexed-objects"], &["--all", "--uri-protocol=https"]]
                .into_iter()
                .enumerate()
        {
            let [ours, theirs] = [(Ours, "ours"), (Git, "git")].map(|(program, name)| {
                let pack = to_files(program, &repo, &format!("{name}-{number}"), args, b"");
                verified(&repo.path, &pack[0])
            });
            assert_eq!(ours, theirs, "{args:?}");
        }
    }
}

#[test]
fn s04_blobs_may_be_missing() {
    for format in FORMATS {
        let repo = history(format, 6);
        let at = |name: &str| git(&repo.path, &["rev-parse", name]).trim().to_owned();
        let path = |id: &str| repo.path.join(".git/objects").join(&id[..2]).join(&id[2..]);
        let held = repo.path.join("held");
        let compare = |number: usize, args: &[&str], input: &[u8]| {
            let all = [&["pack-objects", "-q", "--revs", "--stdout"], args].concat();
            let [theirs, ours] = [Git, Ours].map(|program| run(program, &repo.path, &all, input));
            assert_eq!(ours.status.code(), theirs.status.code(), "{number} {args:?}");
            let said = [&theirs, &ours].map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
            // Of trees git also says what referred to them.
            if number != 1 {
                assert_eq!(said[0].lines().last(), said[1].lines().last(), "{number} {args:?}");
            }
            // The number of objects.
            assert_eq!(ours.stdout.get(..12), theirs.stdout.get(..12), "{number} {args:?}");
            ours.status.success()
        };
        let exclude = format!("master\n^{}\n", at("master~4"));
        for (number, id) in [at("master~2:half.txt"), at("master~2:dir")].into_iter().enumerate() {
            std::fs::rename(path(&id), &held).unwrap();
            for how in ["--missing=error", "--missing=allow-any", "--missing=allow-promisor"] {
                let packed = compare(number, &["--all", how], b"");
                assert_eq!(packed, number == 0 && how == "--missing=allow-any");
                compare(number, &[how], exclude.as_bytes());
            }
            std::fs::rename(&held, path(&id)).unwrap();
        }
        // Promised by the pack that refers to it, once git knows that somebody promises.
        let id = at("master:half.txt");
        let objects = git(&repo.path, &["rev-list", "--objects", "--no-object-names", "--all"]);
        let others: Vec<&str> = objects.lines().filter(|other| *other != id).collect();
        let base = repo.path.join(".git/objects/pack/pack");
        let args = ["pack-objects", "-q", base.to_str().unwrap()];
        let name = text(output(Git, &repo.path, &args, (others.join("\n") + "\n").as_bytes()));
        std::fs::write(repo.path.join(format!(".git/objects/pack/pack-{name}.promisor")), "").unwrap();
        std::fs::remove_file(path(&id)).unwrap();
        git(&repo.path, &["config", "core.repositoryFormatVersion", "1"]);
        git(&repo.path, &["config", "extensions.partialClone", "origin"]);
        assert!(compare(9, &["--all", "--missing=allow-promisor"], b""));
        assert!(compare(9, &["--all", "--missing=allow-any"], b""));
    }
}

#[test]
fn s04_a_pack_that_is_too_large_is_split() {
    let repo = Repo::empty("sha1");
    let mut noise = 1u32;
    for n in 0..5 {
        let content: Vec<u8> = (0..700_000)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 24) as u8
            })
            .collect();
        std::fs::write(repo.path.join(format!("f{n}")), content).unwrap();
    }
    git(&repo.path, &["add", "."]);
    git(&repo.path, &["commit", "-q", "-m", "large"]);
    let split = |program, dir| to_files(program, &repo, dir, &["--all", "--max-pack-size=1m"], b"");
    let (ours, theirs) = (split(Ours, "ours"), split(Git, "git"));
    assert_eq!(ours.len(), theirs.len());
    let mut ids: Vec<String> = ours.iter().flat_map(|pack| verified(&repo.path, pack)).collect();
    ids.sort();
    let mut expected: Vec<String> = theirs.iter().flat_map(|pack| verified(&repo.path, pack)).collect();
    expected.sort();
    assert_eq!(ids, expected);
    assert!(ours.iter().all(|pack| std::fs::metadata(pack).unwrap().len() <= 1 << 20));
    let args = ["pack-objects", "-q", "--all", "--max-pack-size=1m", "--write-bitmap-index"];
    let [theirs, ours] = [Git, Ours].map(|program| packed(program, &repo, &args, ""));
    assert_eq!(theirs, ours, "packs that are split have no bitmap");
}

#[test]
fn s04_what_goes_into_a_pack_is_what_git_takes() {
    for format in FORMATS {
        let repo = history(format, 12);
        git(&repo.path, &["config", "gc.auto", "0"]);
        git(&repo.path, &["repack", "-q", "-a", "-d"]);
        let first = file_name(&packs(&repo)[0]);
        // Packed and loose objects that nothing reaches, and loose ones that something reaches.
        let lost = text(output(Git, &repo.path, &["hash-object", "-w", "--stdin"], b"packed and lost\n"));
        to_files(Git, &repo, "repo/.git/objects/pack", &[], format!("{lost}\n").as_bytes());
        for path in packs(&repo).iter().filter(|path| file_name(path).starts_with("p-")) {
            for extension in ["pack", "idx", "rev"] {
                let from = path.with_extension(extension);
                let to = from.with_file_name(file_name(&from).replacen("p-", "pack-", 1));
                std::fs::rename(from, to).unwrap();
            }
        }
        git(&repo.path, &["prune-packed", "-q"]);
        output(Git, &repo.path, &["hash-object", "-w", "--stdin"], b"loose and lost\n");
        git(&repo.path, &["commit", "-q", "--allow-empty", "-m", "loose"]);
        let second = packs(&repo).iter().map(|path| file_name(path)).find(|name| *name != first).unwrap();
        let keep = format!("--keep-pack={first}");
        let cases: &[(&[&str], String)] = &[
            (&["--all", &keep], String::new()),
            (&["--all", "--keep-unreachable"], String::new()),
            (&["--all", "--keep-unreachable", "--pack-loose-unreachable"], String::new()),
            (&["--all", "--reflog", "--unpacked"], String::new()),
            (&["--all", "--filter=blob:none"], String::new()),
            (&["--all", "--filter=blob:limit=3k"], String::new()),
            (&["--all", "--filter=tree:0"], String::new()),
            (&["--all", "--filter=object:type=tree"], String::new()),
            (&["--all", "--filter=blob:none", "--no-filter"], String::new()),
            (&["--stdin-packs"], format!("{first}\n{second}\n")),
            (&["--stdin-packs"], format!("{first}\n^{second}\n")),
            (&["--cruft"], format!("{first}\n-{second}\n")),
            (&["--cruft", "--cruft-expiration=2001-01-01"], format!("{first}\n-{second}\n")),
            (&["--cruft", "--cruft-expiration=now"], format!("{first}\n-{second}\n")),
        ];
        for (number, (args, input)) in cases.iter().enumerate() {
            let ours = to_files(Ours, &repo, &format!("ours-{number}"), args, input.as_bytes());
            let theirs = to_files(Git, &repo, &format!("git-{number}"), args, input.as_bytes());
            assert_eq!(
                verified(&repo.path, &ours[0]),
                verified(&repo.path, &theirs[0]),
                "{args:?} {input:?}"
            );
            let times = ours[0].with_extension("mtimes");
            assert_eq!(times.exists(), args.contains(&"--cruft"));
            if times.exists() {
                let len = |path: &Path| std::fs::metadata(path).unwrap().len();
                assert_eq!(len(&times), len(&theirs[0].with_extension("mtimes")));
            }
        }
    }
}

#[test]
fn s04_islands_keep_deltas_apart() {
    let repo = history("sha1", 30);
    let at = |args: &[&str]| git(&repo.path, args);
    // Two forks, each with a version of the same file that the other one does not have.
    for (fork, start) in [("a", "master~20"), ("b", "master")] {
        at(&["update-ref", &format!("refs/virtual/{fork}/heads/main"), start]);
    }
    at(&["update-ref", "-d", "refs/heads/master"]);
    at(&["config", "pack.island", "refs/virtual/([a-z]+)/"]);
    let deltas = |program, islands: bool, dir: &str| {
        let more: &[&str] = if islands { &["--delta-islands"] } else { &[] };
        let pack = to_files(program, &repo, dir, &[&["--all"], more].concat(), b"");
        let old: Vec<String> =
            at(&["rev-list", "--objects", "--no-object-names", "refs/virtual/a/heads/main"])
                .lines()
                .map(str::to_owned)
                .collect();
        let listing = at(&["verify-pack", "-v", pack[0].to_str().unwrap()]);
        listing
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|words| words.len() == 7)
            .filter(|words| old.iter().any(|id| id == words[0]) && old.iter().all(|id| id != words[6]))
            .count()
    };
    assert!(deltas(Ours, false, "free") > 0, "the newer versions are the bases of the older");
    assert_eq!(deltas(Ours, true, "ours"), 0);
    assert_eq!(deltas(Git, true, "git"), 0);
}

#[test]
fn s04_many_islands_keep_deltas_apart() {
    for format in FORMATS {
        let repo = history_of(format, 40, ", and longer than it was before that commit");
        let at = |args: &[&str]| git(&repo.path, args);
        // Forks that branched off here and there, some of them from the same commit.
        for fork in 0..60 {
            let start = format!("master~{}", fork * 7 % 40);
            at(&["update-ref", &format!("refs/virtual/{fork}/heads/main"), &start]);
            if fork % 3 == 0 {
                let tag = format!("virtual-{fork}");
                at(&["tag", "-a", "-m", "a tag", &tag, &start]);
                at(&["update-ref", &format!("refs/virtual/{fork}/tags/t"), &tag]);
                at(&["tag", "-d", &tag]);
            }
        }
        at(&["update-ref", "-d", "refs/heads/master"]);
        at(&["config", "pack.island", "refs/virtual/([0-9]+)/"]);
        let reached: Vec<BTreeSet<String>> = (0..60)
            .map(|fork| {
                let glob = format!("--glob=refs/virtual/{fork}/*");
                let ids = at(&["rev-list", "--objects", "--no-object-names", &glob]);
                ids.lines().map(str::to_owned).collect()
            })
            .collect();
        // Deltas that somebody gets without their base.
        let apart = |pack: &Path| {
            let listing = at(&["verify-pack", "-v", pack.to_str().unwrap()]);
            let deltas: Vec<(String, String)> = listing
                .lines()
                .map(|line| line.split_whitespace().collect::<Vec<_>>())
                .filter(|words| words.len() == 7)
                .map(|words| (words[0].to_owned(), words[6].to_owned()))
                .collect();
            assert!(!deltas.is_empty());
            let torn = |(id, base): &&(String, String)| {
                reached.iter().any(|fork| fork.contains(id) && !fork.contains(base))
            };
            deltas.iter().filter(torn).count()
        };
        let free = to_files(Ours, &repo, "free", &["--all"], b"");
        assert!(apart(&free[0]) > 0, "the newer versions are the bases of the older");
        for (program, name) in [(Ours, "ours"), (Git, "git")] {
            let pack = to_files(program, &repo, name, &["--all", "--delta-islands"], b"");
            assert_eq!(apart(&pack[0]), 0, "{name}");
        }
        // Stored deltas across islands are given up when all is packed again.
        output(Ours, &repo.path, &["repack", "-a", "-d", "-q"], b"");
        assert!(apart(&packs(&repo)[0]) > 0);
        output(Ours, &repo.path, &["repack", "-a", "-d", "-q", "-i"], b"");
        assert_eq!(apart(&packs(&repo)[0]), 0);
        at(&["config", "repack.useDeltaIslands", "true"]);
        output(Ours, &repo.path, &["repack", "-a", "-d", "-q", "-f"], b"");
        assert_eq!(apart(&packs(&repo)[0]), 0);
        output(Ours, &repo.path, &["repack", "-a", "-d", "-q", "-f", "--no-delta-islands"], b"");
        assert!(apart(&packs(&repo)[0]) > 0);
        git(&repo.path, &["fsck", "--full"]);
    }
}

#[test]
fn s04_arguments_and_configuration_are_taken_as_git_takes_them() {
    let repo = history("sha1", 4);
    let base = repo.path.parent().unwrap().join("x");
    let base = base.to_str().unwrap();
    for args in [
        &["--stdout", "--max-pack-size=1m"][..],
        &["--thin", base],
        &["--cruft", "--revs", base],
        &["--cruft", "--stdin-packs", base],
        &["--stdin-packs", "--revs", base],
        &["--stdin-packs", "--filter=blob:none", "--stdout"],
        &["--keep-unreachable", "--unpack-unreachable", "--stdout"],
        &["--filter=bad", "--stdout"],
        &["--missing=foo", "--stdout"],
        &["--compression=11", "--stdout"],
        &["--compression=-2", "--stdout"],
        &["--index-version=3", base],
        &["--index-version=2,x", base],
        &["--compression=x", "--stdout"],
        &["--window=x", "--stdout"],
        &["--window-memory=-1", "--stdout"],
        &["--window-memory=x", "--stdout"],
        &["--window=-3", "--stdout", "-q"],
        &["--depth=-1", "--stdout", "-q"],
        &["--depth=5000", "--stdout", "-q"],
        &["--stdin-packs=follow", "--stdout"],
        &["--stdout", base],
        &[base, base],
        &["--no-such"],
    ] {
        let args = [&["pack-objects"], args].concat();
        let [theirs, ours] = [Git, Ours].map(|program| run(program, &repo.path, &args, b""));
        assert_eq!(theirs.status.code(), ours.status.code(), "{args:?}");
        let said = |output: &std::process::Output| {
            String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned()
        };
        if !said(&theirs).starts_with("usage") {
            assert_eq!(said(&theirs), said(&ours), "{args:?}");
        }
    }
    for (input, args) in
        [("garbage\n", &[][..]), ("nope\n", &["--revs"]), ("pack-x.pack\n", &["--stdin-packs"])]
    {
        let args = [&["pack-objects", "--stdout"], args].concat();
        let [theirs, ours] = [Git, Ours].map(|program| run(program, &repo.path, &args, input.as_bytes()));
        assert_eq!(theirs.status.code(), ours.status.code());
        assert_eq!(String::from_utf8_lossy(&theirs.stderr), String::from_utf8_lossy(&ours.stderr));
    }
    let missing = format!("{}\n", "deadbeef".repeat(5));
    let [theirs, ours] = [Git, Ours]
        .map(|program| run(program, &repo.path, &["pack-objects", "--stdout"], missing.as_bytes()));
    assert_eq!(theirs.status.code(), ours.status.code());
    assert_eq!(String::from_utf8_lossy(&theirs.stderr), String::from_utf8_lossy(&ours.stderr));
    assert!(ours.stdout.is_empty(), "nothing of the pack is written");
    // The configuration says what the arguments do not.
    let depth = |settings: &[&str], args: &[&str], dir: &str| {
        settings.iter().for_each(|pair| {
            let (key, value) = pair.split_once('=').unwrap();
            git(&repo.path, &["config", key, value]);
        });
        let pack = to_files(Ours, &repo, dir, &[&["--all"], args].concat(), b"");
        settings
            .iter()
            .for_each(|pair| drop(git(&repo.path, &["config", "--unset", pair.split_once('=').unwrap().0])));
        assert_eq!(
            pack[0].with_extension("rev").exists(),
            !settings.contains(&"pack.writeReverseIndex=false")
        );
        git(&repo.path, &["verify-pack", "-v", pack[0].to_str().unwrap()]).matches("chain length").count()
    };
    assert_eq!(depth(&["pack.depth=0"], &[], "none"), 0);
    assert_eq!(depth(&["pack.window=0", "pack.writeReverseIndex=false"], &[], "window"), 0);
    assert_eq!(depth(&["core.bigFileThreshold=1", "pack.indexVersion=1"], &[], "big"), 0);
    assert!(depth(&["pack.depth=0"], &["--depth=3"], "three") > 0);
}

/// Packs into the files of a directory that is empty before; gives what the program did and the files' names,
/// those of the pack without its checksum.
fn packed(program: Program, repo: &Repo, args: &[&str], input: &str) -> (Option<i32>, String, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("p");
    let args = [args, &[base.to_str().unwrap()]].concat();
    let done = run(program, &repo.path, &args, input.as_bytes());
    let mut files: Vec<String> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| path.extension().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    (done.status.code(), text(done.stderr), files)
}

#[test]
fn s04_bitmaps_are_written_where_git_writes_them() {
    for format in FORMATS {
        let repo = history(format, 20);
        let at = |args: &[&str]| git(&repo.path, args);
        at(&["tag", "-a", "-m", "old", "old", "master~12"]);
        at(&["tag", "-a", "-m", "blob", "of-blob", "master:half.txt"]);
        // Git accepts the bitmap for all that it holds.
        let dir = repo.path.join(".git/objects/pack");
        let base = dir.join("pack");
        for settings in [
            &[][..],
            &["pack.writeBitmapLookupTable=true", "pack.writeBitmapHashCache=false"],
            &["pack.preferBitmapTips=refs/tags"],
        ] {
            let mut args: Vec<&str> = settings.iter().flat_map(|pair| ["-c", *pair]).collect();
            args.extend(["pack-objects", "-q", "--all", "--write-bitmap-index", base.to_str().unwrap()]);
            let name = text(output(Ours, &repo.path, &args, b""));
            assert!(dir.join(format!("pack-{}.bitmap", name.trim_end())).exists());
            for tip in ["master", "old^{commit}"] {
                let tested = run(Git, &repo.path, &["rev-list", "--test-bitmap", tip], b"");
                assert!(tested.status.success(), "{settings:?}: {}", text(tested.stderr));
            }
            // What we say of it is what git says, of what has no bitmap too.
            for args in [&["master"][..], &["old"], &["master:"], &["master", "old^{commit}"], &[]] {
                let args = [&["rev-list", "--test-bitmap"], args].concat();
                let [theirs, ours] = [Git, Ours].map(|program| run(program, &repo.path, &args, b""));
                assert_eq!(theirs.status.code(), ours.status.code(), "{args:?}");
                let [theirs, ours] = [theirs, ours].map(|done| text(done.stderr));
                assert_eq!(theirs.lines().next(), ours.lines().next(), "{args:?}");
                assert_eq!(theirs.lines().last(), ours.lines().last(), "{args:?}");
            }
            let count = |how| at(&["rev-list", "--objects", "--count", "--all", how]);
            assert_eq!(count("--use-bitmap-index"), count("--no-object-names"));
            at(&["fsck", "--strict"]);
        }

        // Where there is to be none, with the same words.
        at(&["commit", "-q", "--allow-empty", "-m", "loose"]);
        let pack = file_name(&packs(&repo)[0]);
        let keep = format!("--keep-pack={pack}");
        let cases: &[(&[&str], &str)] = &[
            (&["--write-bitmap-index", "--all"], ""),
            (&["--write-bitmap-index", "--no-write-bitmap-index", "--all"], ""),
            (&["--write-bitmap-index", "--revs"], "master\n"),
            (&["--write-bitmap-index", "--reflog"], ""),
            (&["--write-bitmap-index", "--stdin-packs"], &pack),
            (&["--write-bitmap-index", "--all", "--incremental"], ""),
            (&["--write-bitmap-index", "--all", &keep], ""),
            (&["--write-bitmap-index-quiet", "--all", &keep], ""),
        ];
        for (args, input) in cases {
            let args = [&["pack-objects", "-q"], *args].concat();
            let [theirs, ours] = [Git, Ours].map(|program| packed(program, &repo, &args, input));
            assert_eq!(theirs, ours, "{args:?}");
        }
        // A pack that lacks something: git leaves a part of it behind, we do not.
        for args in [&["--unpacked"][..], &["--filter=blob:none"]] {
            let args = [&["pack-objects", "-q", "--all", "--write-bitmap-index"], args].concat();
            let [theirs, ours] = [Git, Ours].map(|program| packed(program, &repo, &args, ""));
            assert_eq!((theirs.0, ours.0), (Some(128), Some(128)), "{args:?}");
            let said = |error: &str| {
                let (before, after) = error.split_once("(object ").unwrap();
                format!("{before}{}", after.split_once(' ').unwrap().1)
            };
            assert_eq!(said(&theirs.1), said(&ours.1), "{args:?}");
            assert!(ours.2.is_empty(), "{:?}", ours.2);
        }
    }
}
