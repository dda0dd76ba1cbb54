//! What the configuration says of packing and collecting, beside git: `pack.*`, `repack.*`, `gc.*`.

use super::common::{FORMATS, Program, Repo, git, output, run};
use super::{all_objects, files, loose_path, make_old, sound, write_object};
use std::collections::BTreeSet;
use std::path::Path;

/// Runs both, each in a copy; gives the copies after they have said the same, and ended in the same way.
fn both(repo: &Repo, args: &[&str], prepare: &dyn Fn(&Repo)) -> [Repo; 2] {
    let mut said = Vec::new();
    let repos = [Program::Git, Program::Ours].map(|program| {
        let copy = repo.copy();
        prepare(&copy);
        let done = run(program, &copy.path, args, b"");
        said.push((done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned()));
        copy
    });
    assert_eq!(said[1], said[0], "{args:?}");
    repos
}

/// How many files of each kind lie beside packs.
fn kinds(repo: &Repo) -> Vec<String> {
    let mut kinds: Vec<String> = files(&repo.path.join(".git/objects/pack"))
        .iter()
        .filter_map(|name| Some(Path::new(name).extension()?.to_str()?.to_owned()))
        .collect();
    kinds.sort();
    kinds
}

#[test]
fn s03_packs_are_written_as_the_configuration_says() {
    for format in FORMATS {
        let repo = Repo::small(format);
        for args in [
            "-c pack.writeReverseIndex=false repack -q -a -d",
            "-c pack.writeReverseIndex=true repack -q -a -d",
            "-c pack.indexVersion=1 repack -q -a -d",
            "-c pack.indexVersion=3 repack -q -a -d",
            "-c pack.indexVersion=1 gc -q",
            "-c pack.threads=1 repack -q -a -d",
            "-c pack.threads=-1 repack -q -a -d",
            "-c pack.compression=0 repack -q -a -d -F",
            "-c core.compression=9 -c pack.compression=1 repack -q -a -d -F",
            "-c pack.compression=10 repack -q -a -d -F",
            "-c repack.useDeltaBaseOffset=false repack -q -a -d -F",
            "-c pack.deltaCacheSize=1 -c pack.deltaCacheLimit=1 repack -q -a -d -F",
            "-c repack.writeBitmaps=true repack -q -a -d",
            "-c repack.writeBitmaps=true -c pack.writeBitmapHashCache=false repack -q -a -d",
            "-c repack.writeBitmaps=true -c pack.writeBitmapLookupTable=true repack -q -a -d",
            "-c repack.writeBitmaps=true gc -q",
            "-c repack.updateServerInfo=false repack -q -a -d",
            "-c repack.cruftWindow=0 -c repack.cruftDepth=1 repack -q -d --cruft",
            "-c gc.cruftPacks=false gc -q",
            "-c gc.packRefs=false gc -q",
            "-c gc.packRefs=notbare gc -q",
            "-c gc.writeCommitGraph=false gc -q",
            "-c gc.aggressiveWindow=2 -c gc.aggressiveDepth=1 gc -q --aggressive",
            "-c gc.bigPackThreshold=1 gc -q",
            "-c gc.auto=0 gc -q --auto",
            "-c gc.auto=1 -c gc.autoDetach=false gc -q --auto",
            "-c gc.autoPackLimit=1 -c maintenance.autoDetach=false gc -q --auto",
        ] {
            let args: Vec<&str> = args.split(' ').collect();
            let prepare = |repo: &Repo| drop(write_object(repo, "unreachable\n"));
            let [theirs, ours] = both(&repo, &args, &prepare);
            assert_eq!(kinds(&ours), kinds(&theirs), "{format} {args:?}");
            assert_eq!(all_objects(&ours), all_objects(&theirs), "{format} {args:?}");
            let refs = |repo: &Repo| repo.path.join(".git/packed-refs").metadata().unwrap().len();
            assert_eq!(refs(&ours), refs(&theirs), "{format} {args:?}");
            let others = |repo: &Repo| {
                let all = files(&repo.path.join(".git/objects"));
                all.into_iter().filter(|name| !name.starts_with("pack/")).collect::<BTreeSet<_>>()
            };
            assert_eq!(others(&ours), others(&theirs), "{format} {args:?}");
            sound(&ours);
            let version = |repo: &Repo| {
                let dir = repo.path.join(".git/objects/pack");
                let idx = files(&dir).into_iter().find(|name| name.ends_with(".idx")).unwrap();
                std::fs::read(dir.join(idx)).unwrap()[..4].to_vec()
            };
            let is_old = |repo: &Repo| version(repo) != b"\xfftOc";
            assert_eq!(is_old(&ours), is_old(&theirs), "{format} {args:?}");
        }
    }
}

#[test]
fn s03_hooks_say_what_is_recent() {
    for format in FORMATS {
        let repo = Repo::small(format);
        let (a, b) = (write_object(&repo, "a\n"), write_object(&repo, "b\n"));
        for id in [&a, &b] {
            make_old(&loose_path(&repo, id));
        }
        let gone = "12".repeat(if format == "sha1" { 20 } else { 32 });
        for hook in [
            format!("echo {a}"),
            format!("echo {b}; echo {a}"),
            format!("echo {gone}"),
            "true".to_owned(),
            "exit 3".to_owned(),
            "echo xyz".to_owned(),
            format!("echo {a} x"),
        ] {
            for args in [
                &["repack", "-q", "-d", "--cruft", "--cruft-expiration=1.day.ago"][..],
                &["repack", "-q", "-d", "--cruft"],
                &["prune", "--expire=1.day.ago"],
                &["prune"],
                &["gc", "-q", "--prune=1.day.ago"],
                &["gc", "-q", "--prune=never"],
                &["gc", "-q", "--no-cruft", "--prune=1.day.ago"],
                &["repack", "-q", "-A", "-d", "--unpack-unreachable=1.day.ago"],
                &["pack-objects", "-q", "--cruft", "--cruft-expiration=1.day.ago", ".git/p"],
                &[
                    "pack-objects",
                    "-q",
                    "--all",
                    "--reflog",
                    "--indexed-objects",
                    "--unpack-unreachable=1.day.ago",
                    ".git/p",
                ],
            ] {
                let setting = format!("gc.recentObjectsHook={hook}");
                let args = [&["-c", setting.as_str()], args].concat();
                let [theirs, ours] = both(&repo, &args, &|_| {});
                assert_eq!(all_objects(&ours), all_objects(&theirs), "{format} {args:?}");
                // What a pack elsewhere holds.
                let elsewhere = |repo: &Repo| {
                    let dir = repo.path.join(".git");
                    let idx = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
                    let idx =
                        idx.into_iter().find(|path| path.extension().is_some_and(|end| end == "idx"))?;
                    let option = format!("--object-format={format}");
                    let listed =
                        output(Program::Git, &dir, &["show-index", &option], &std::fs::read(idx).unwrap());
                    let lines = String::from_utf8(listed).unwrap();
                    Some(
                        lines
                            .lines()
                            .map(|line| line.split(' ').nth(1).unwrap().to_owned())
                            .collect::<Vec<_>>(),
                    )
                };
                assert_eq!(elsewhere(&ours), elsewhere(&theirs), "{format} {args:?}");
            }
        }
    }
}

#[test]
fn s03_working_trees_that_are_gone_are_forgotten() {
    let repo = Repo::small("sha1");
    for setting in [None, Some("now"), Some("never"), Some("1.day.ago"), Some("nonsense")] {
        let prepare = |repo: &Repo| {
            let dir = repo.path.parent().unwrap();
            for name in ["gone", "locked", "here", "young", "nothing", "empty", "blank", "moved"] {
                git(&repo.path, &["worktree", "add", "-q", "--detach", dir.join(name).to_str().unwrap()]);
            }
            for name in ["gone", "locked", "young"] {
                std::fs::remove_dir_all(dir.join(name)).unwrap();
            }
            let own = repo.path.join(".git/worktrees");
            std::fs::write(own.join("locked/locked"), "").unwrap();
            std::fs::remove_file(own.join("nothing/gitdir")).unwrap();
            std::fs::write(own.join("empty/gitdir"), "").unwrap();
            std::fs::write(own.join("blank/gitdir"), "\n").unwrap();
            std::fs::copy(own.join("here/gitdir"), own.join("moved/gitdir")).unwrap();
            std::fs::write(own.join("file"), "x").unwrap();
            for name in ["gone", "locked", "here", "moved"] {
                make_old_by(&own.join(name).join("index"), 200);
            }
        };
        let mut args = vec!["gc", "-q"];
        let text = setting.map(|setting| format!("gc.worktreePruneExpire={setting}"));
        if let Some(text) = &text {
            args.splice(0..0, ["-c", text]);
        }
        let [theirs, ours] = both_quietly(&repo, &args, &prepare);
        let left = |repo: &Repo| {
            let dir = repo.path.join(".git/worktrees");
            let mut names: Vec<_> = std::fs::read_dir(dir)
                .into_iter()
                .flatten()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            names.sort();
            names
        };
        assert_eq!(left(&ours), left(&theirs), "{setting:?}");
    }
}

fn make_old_by(path: &Path, days: u64) {
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(days * 86_400);
    std::fs::File::open(path).unwrap().set_modified(old).unwrap();
}

/// As [`both`], where paths in what is said differ.
fn both_quietly(repo: &Repo, args: &[&str], prepare: &dyn Fn(&Repo)) -> [Repo; 2] {
    let mut codes = Vec::new();
    let repos = [Program::Git, Program::Ours].map(|program| {
        let copy = repo.copy();
        prepare(&copy);
        codes.push(run(program, &copy.path, args, b"").status.code());
        copy
    });
    assert_eq!(codes[1], codes[0], "{args:?}");
    repos
}

#[test]
fn s04_objects_of_the_core_island_come_first() {
    for format in FORMATS {
        let repo = Repo::small(format);
        for n in 0..12 {
            let text: String =
                (0..200).map(|line| format!("{} {line}\n", if line % 12 == n { n } else { 0 })).collect();
            std::fs::write(repo.path.join("f"), text).unwrap();
            git(&repo.path, &["commit", "-q", "-a", "-m", "more"]);
            git(&repo.path, &["update-ref", &format!("refs/forks/{}/main", n % 3), "HEAD"]);
        }
        git(&repo.path, &["update-ref", "refs/forks/1/main", "HEAD~9"]);
        let settings = ["-c", "pack.island=refs/forks/([0-9]+)/", "-c", "pack.islandCore=1"];
        let wanted: BTreeSet<String> = git(&repo.path, &["rev-list", "--objects", "refs/forks/1/main"])
            .lines()
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect();
        for program in [Program::Git, Program::Ours] {
            for more in [&["repack", "-q", "-a", "-d", "-i"][..], &["repack", "-q", "-a", "-d", "-i", "-F"]] {
                let copy = repo.copy();
                output(program, &copy.path, &[&settings[..], more].concat(), b"");
                sound(&copy);
                let dir = copy.path.join(".git/objects/pack");
                let idx = files(&dir).into_iter().find(|name| name.ends_with(".idx")).unwrap();
                let option = format!("--object-format={format}");
                let listed = output(
                    Program::Git,
                    &copy.path,
                    &["show-index", &option],
                    &std::fs::read(dir.join(idx)).unwrap(),
                );
                let mut rows: Vec<(u64, String)> = String::from_utf8(listed)
                    .unwrap()
                    .lines()
                    .map(|line| {
                        let mut words = line.split(' ');
                        (words.next().unwrap().parse().unwrap(), words.next().unwrap().to_owned())
                    })
                    .collect();
                rows.sort();
                let first: BTreeSet<String> = rows.into_iter().take(wanted.len()).map(|(_, id)| id).collect();
                assert_eq!(first, wanted, "{format} {program:?} {more:?}");
            }
        }
    }
}

#[test]
fn s03_hooks_are_asked_as_often_as_by_git() {
    let repo = Repo::small("sha1");
    for args in [
        &["gc", "-q", "--prune=1.day.ago"][..],
        &["gc", "-q", "--prune=never"],
        &["gc", "-q", "--prune=now"],
        &["gc", "-q"],
    ] {
        for hook in ["echo x >>.git/asked", "echo x >>.git/asked; test $(wc -l <.git/asked) -lt 2"] {
            let setting = format!("gc.recentObjectsHook={hook}");
            let args = [&["-c", setting.as_str()], args].concat();
            let prepare = |repo: &Repo| {
                let id = write_object(repo, "unreachable\n");
                make_old(&loose_path(repo, &id));
            };
            let [theirs, ours] = both(&repo, &args, &prepare);
            let asked =
                |repo: &Repo| std::fs::read_to_string(repo.path.join(".git/asked")).unwrap_or_default();
            assert_eq!(asked(&ours), asked(&theirs), "{args:?}");
            assert_eq!(all_objects(&ours), all_objects(&theirs), "{args:?}");
        }
    }
}

#[test]
fn s03_what_a_filter_has_put_elsewhere_is_not_missed() {
    for format in FORMATS {
        let repo = Repo::small(format);
        std::fs::remove_file(repo.path.join(".git/index")).unwrap();
        git(&repo.path, &["config", "repack.writeBitmaps", "false"]);
        let elsewhere = repo.path.join("elsewhere");
        let to = format!("--filter-to={}", elsewhere.display());
        git(&repo.path, &["repack", "-q", "-a", "-d", "--filter=blob:none", &to]);
        let blob = git(&repo.path, &["rev-parse", "HEAD:d-x"]);
        for args in [
            &["prune"][..],
            &["prune", "--expire=1.day.ago"],
            &["-c", "gc.repackFilter=blob:none", "gc", "-q"],
            &["-c", "gc.repackFilter=blob:none", "gc", "-q", "--prune=now"],
            &["repack", "-q", "-a", "-d", "--filter=blob:none"],
            &["repack", "-q", "-a", "-d", "--filter=tree:0"],
            &["gc", "-q"],
            &["repack", "-q", "-a", "-d"],
            &["repack", "-q", "-d", "--cruft"],
        ] {
            let [theirs, ours] = both_quietly(&repo, args, &|repo| drop(write_object(repo, "unreachable\n")));
            assert_eq!(all_objects(&ours), all_objects(&theirs), "{format} {args:?}");
            let said = run(Program::Ours, &repo.copy().path, args, b"");
            if !said.status.success() {
                assert!(said.stderr.starts_with(b"fatal: unable to read "), "{args:?}");
            }
        }
        let tree = git(&repo.path, &["rev-parse", "HEAD:"]);
        for args in [
            &["rev-list", "--objects", "HEAD"][..],
            &["rev-list", "--objects", "--in-commit-order", "HEAD"],
            &["rev-list", "--objects", "--no-walk", "HEAD"],
            &["rev-list", "--objects", "--missing=error", &tree],
            &["rev-list", "--objects", "--filter=blob:none", "HEAD"],
            &["rev-list", "--objects", &blob],
        ] {
            let [theirs, ours] =
                [Program::Git, Program::Ours].map(|program| run(program, &repo.path, args, b""));
            assert_eq!(ours.status.code(), theirs.status.code(), "{format} {args:?}");
            assert_eq!(ours.stdout, theirs.stdout, "{format} {args:?}");
            assert_eq!(
                String::from_utf8_lossy(&ours.stderr),
                String::from_utf8_lossy(&theirs.stderr),
                "{format} {args:?}"
            );
        }
    }
}

#[test]
fn s03_what_only_makes_git_quicker_changes_nothing() {
    for format in FORMATS {
        let repo = Repo::small(format);
        for args in [
            "-c pack.readReverseIndex=false repack -q -a -d -F",
            "-c pack.readReverseIndex=false gc -q",
            "-c pack.useBitmapBoundaryTraversal=true -c repack.writeBitmaps=true repack -q -a -d",
            "-c repack.cruftWindowMemory=1m -c repack.cruftThreads=1 repack -q -d --cruft",
            "-c gc.maxCruftSize=2m gc -q",
            "-c gc.maxCruftSize=1k gc -q --max-cruft-size=3m",
        ] {
            let args: Vec<&str> = args.split(' ').collect();
            let [theirs, ours] = both(&repo, &args, &|repo| drop(write_object(repo, "unreachable\n")));
            assert_eq!(kinds(&ours), kinds(&theirs), "{format} {args:?}");
            assert_eq!(all_objects(&ours), all_objects(&theirs), "{format} {args:?}");
            sound(&ours);
        }
        git(&repo.path, &["repack", "-q", "-a", "-d", "-b"]);
        for args in [
            "-c pack.readReverseIndex=false rev-list --objects --use-bitmap-index --count --all",
            "-c pack.useBitmapBoundaryTraversal=true rev-list --use-bitmap-index --count HEAD ^HEAD~2",
            "-c pack.useBitmapBoundaryTraversal=true rev-list --use-bitmap-index --count --objects HEAD ^side",
            "-c pack.readReverseIndex=false cat-file --batch-all-objects --batch-check=%(objectname)%(objectsize:disk)",
        ] {
            super::common::same(&repo.path, &args.split(' ').collect::<Vec<_>>(), b"");
        }
    }
}

/// Runs `gc --auto` and waits until what it has left in the background is done.
fn gc_auto(program: Program, repo: &Repo, args: &[&str]) -> (Option<i32>, String, usize) {
    let done = run(program, &repo.path, &[args, &["gc", "--auto"]].concat(), b"");
    let busy = ["gc.pid", "gc.log.lock"].map(|name| repo.path.join(".git").join(name));
    let packs = || kinds(repo).iter().filter(|kind| *kind == "pack").count();
    // Long enough for a slow machine; what is waited for ends it.
    for _ in 0..600 {
        let log = std::fs::metadata(repo.path.join(".git/gc.log")).map_or(0, |log| log.len());
        let left = log == 0 && repo.path.join(".git/gc.log").exists();
        if packs() <= 1 && !left && !busy.iter().any(|path| path.exists()) || log > 0 {
            break;
        }
        if args.contains(&"gc.autoDetach=false") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let said = String::from_utf8(done.stderr).unwrap();
    (done.status.code(), said.replace(repo.path.to_str().unwrap(), "HERE"), packs())
}

#[cfg(unix)]
#[test]
fn s03_gc_runs_by_itself_in_the_background() {
    use std::os::unix::fs::PermissionsExt as _;
    let repo = Repo::small("sha1");
    // A second pack.
    std::fs::write(repo.path.join("f"), "more\n").unwrap();
    git(&repo.path, &["commit", "-q", "-a", "-m", "more"]);
    git(&repo.path, &["repack", "-q", "-d"]);
    git(&repo.path, &["config", "gc.autoPackLimit", "1"]);
    let hook = |repo: &Repo, text: &str| {
        let path = repo.path.join(".git/hooks/pre-auto-gc");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    let log = |repo: &Repo, days: u64| {
        let path = repo.path.join(".git/gc.log");
        std::fs::write(&path, "it went wrong\n").unwrap();
        make_old_by(&path, days);
    };
    type Prepare<'a> = Box<dyn Fn(&Repo) + 'a>;
    let cases: Vec<(&str, Prepare<'_>, Vec<&str>)> = vec![
        ("in the background", Box::new(|_| {}), vec![]),
        ("not there", Box::new(|_| {}), vec!["-c", "gc.autoDetach=false"]),
        (
            "hook agrees",
            Box::new(|repo| hook(repo, "echo asked >>.git/asked")),
            vec!["-c", "gc.autoDetach=false"],
        ),
        (
            "hook does not",
            Box::new(|repo| hook(repo, "echo no >&2; exit 1")),
            vec!["-c", "gc.autoDetach=false"],
        ),
        ("young log", Box::new(|repo| log(repo, 0)), vec![]),
        ("old log", Box::new(|repo| log(repo, 3)), vec!["-c", "gc.autoDetach=false"]),
        ("expiry", Box::new(|repo| log(repo, 3)), vec!["-c", "gc.logExpiry=5.days.ago"]),
    ];
    for (what, prepare, args) in &cases {
        let [theirs, ours] = [Program::Git, Program::Ours].map(|program| {
            let copy = repo.copy();
            prepare(&copy);
            let said = gc_auto(program, &copy, args);
            let asked = std::fs::read_to_string(copy.path.join(".git/asked")).unwrap_or_default();
            (said, asked, all_objects(&copy))
        });
        assert_eq!(ours, theirs, "{what}");
    }
}
