//! Repositories of a thousand packs, and what becomes of objects that nothing reaches.

use super::common::{FORMATS, Program, Repo, git, output, run};
use Program::{Git, Ours};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// A thousand commits, each in a pack of its own.
fn thousand_packs(format: &'static str) -> Repo {
    let repo = Repo::empty(format);
    let mut stream = String::new();
    for n in 0..1000 {
        stream += &format!(
            "commit refs/heads/master\ncommitter C <c@example.com> {} +0000\ndata 2\nm\n",
            1_700_000_000 + n
        );
        stream += &format!("M 100644 inline f{}\ndata {}\n{n}\ncheckpoint\n\n", n % 40, n.to_string().len());
    }
    let args = ["-c", "fastimport.unpackLimit=0", "fast-import", "--quiet"];
    output(Git, &repo.path, &args, stream.as_bytes());
    repo
}

fn packs(repo: &Repo) -> usize {
    let files = std::fs::read_dir(repo.path.join(".git/objects/pack")).unwrap();
    files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "idx")).count()
}

/// Runs our program where a process may have few files open.
#[cfg(unix)]
fn with_few_files(repo: &Repo, args: &str) -> Vec<u8> {
    let program = env!("CARGO_BIN_EXE_git-core");
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n 48 && exec '{program}' {args}")]).current_dir(&repo.path);
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[cfg(unix)]
#[test]
fn s03_a_thousand_packs_need_few_files() {
    for format in FORMATS {
        let repo = thousand_packs(format);
        assert_eq!(packs(&repo), 1000);
        for args in ["rev-list --objects --all", "cat-file --batch-check --batch-all-objects"] {
            let theirs = git(&repo.path, &args.split(' ').collect::<Vec<_>>());
            let ours = String::from_utf8(with_few_files(&repo, args)).unwrap();
            assert_eq!(ours.trim_end_matches('\n'), theirs, "{args}");
        }
        with_few_files(&repo, "repack -a -d -q -b");
        assert_eq!(packs(&repo), 1);
        git(&repo.path, &["fsck", "--full"]);
    }
}

#[test]
fn s03_who_reads_does_not_notice_that_a_thousand_packs_become_one() {
    let repo = thousand_packs("sha1");
    let all = git(&repo.path, &["rev-list", "--objects", "--all", "--no-object-names"]);
    let expected = git(&repo.path, &["cat-file", "--batch-check", "--batch-all-objects"]);
    let (done, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let readers = [Git, Ours].map(|program| {
            let (repo, all, expected, done, rounds) = (&repo, &all, &expected, &done, &rounds);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let listed = output(
                        program,
                        &repo.path,
                        &["rev-list", "--objects", "--all", "--no-object-names"],
                        b"",
                    );
                    assert_eq!(std::str::from_utf8(&listed).unwrap().trim_end_matches('\n'), all);
                    let read = output(program, &repo.path, &["cat-file", "--batch-check"], all.as_bytes());
                    let mut lines: Vec<&str> = std::str::from_utf8(&read).unwrap().lines().collect();
                    lines.sort_unstable();
                    assert_eq!(lines, expected.lines().collect::<Vec<_>>());
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        // Whatever happens here, the others have to be told.
        struct Tell<'a>(&'a AtomicBool);
        impl Drop for Tell<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let tell = Tell(&done);
        let wait = |more: usize| {
            let until = rounds.load(Ordering::Relaxed) + more;
            // One that has failed makes no more rounds.
            while rounds.load(Ordering::Relaxed) < until && !readers.iter().any(|reader| reader.is_finished())
            {
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        wait(2);
        output(Ours, &repo.path, &["repack", "-d", "-q", "--geometric=2"], b"");
        output(Ours, &repo.path, &["gc", "-q"], b"");
        wait(2);
        drop(tell);
    });
    assert_eq!(packs(&repo), 1);
    git(&repo.path, &["fsck", "--full"]);
}

/// The loose objects, and how old they are in days.
fn loose(repo: &Repo) -> BTreeSet<(String, u64)> {
    let mut found = BTreeSet::new();
    for dir in std::fs::read_dir(repo.path.join(".git/objects")).unwrap().flatten() {
        let name = dir.file_name().into_string().unwrap();
        if name.len() != 2 {
            continue;
        }
        for file in std::fs::read_dir(dir.path()).unwrap().flatten() {
            let age = SystemTime::now().duration_since(file.metadata().unwrap().modified().unwrap());
            let days = age.map_or(0, |age| age.as_secs() / 86_400);
            found.insert((format!("{name}{}", file.file_name().into_string().unwrap()), days));
        }
    }
    found
}

fn make_old(path: &Path, days: u64) {
    let old = SystemTime::now() - Duration::from_secs(days * 86_400);
    std::fs::File::open(path).unwrap().set_modified(old).unwrap();
}

#[test]
fn s04_what_nothing_reaches_becomes_loose() {
    for format in FORMATS {
        let made = || {
            let repo = Repo::small(format);
            let at = |args: &[&str]| git(&repo.path, args).trim().to_owned();
            let pack = |id: &str, keep: bool, days: u64| {
                let dir = repo.path.join(".git/objects/pack");
                let base = dir.join("pack");
                let args = ["pack-objects", "-q", "--revs", base.to_str().unwrap()];
                let name = String::from_utf8(output(Git, &repo.path, &args, id.as_bytes())).unwrap();
                let pack = dir.join(format!("pack-{}.pack", name.trim()));
                if keep {
                    std::fs::write(pack.with_extension("keep"), "").unwrap();
                }
                make_old(&pack, days);
            };
            let commit = |n: u32, parent: &str| {
                at(&["commit-tree", "-m", &format!("lost {n}"), "-p", parent, "HEAD^{tree}"])
            };
            // Old and needed by something young, old and not, kept, young.
            let head = at(&["rev-parse", "HEAD"]);
            let [old, older, kept] = [1, 2, 3].map(|n| commit(n, &head));
            let young = commit(4, &old);
            pack(&old, false, 40);
            pack(&older, false, 50);
            pack(&kept, true, 50);
            pack(&young, false, 3);
            at(&["prune-packed", "-q"]);
            repo
        };
        for time in
            ["--unpack-unreachable", "--unpack-unreachable=2.weeks.ago", "--unpack-unreachable=2.days.ago"]
        {
            let [theirs, ours] = [Git, Ours].map(|program| {
                let repo = made();
                let args = ["pack-objects", "-q", "--all", "--keep-true-parents", time, "--stdout"];
                let pack = output(program, &repo.path, &args, b"");
                assert!(pack.starts_with(b"PACK"));
                loose(&repo)
            });
            assert_eq!(ours, theirs, "{time}");
            // Only with all three is the age looked at.
            let [theirs, ours] = [Git, Ours].map(|program| {
                let repo = made();
                let args = ["pack-objects", "-q", "--all", "--reflog", "--indexed-objects", time, "--stdout"];
                output(program, &repo.path, &args, b"");
                loose(&repo)
            });
            assert_eq!(ours, theirs, "{time}, with all that may need something");
        }
        // The same by way of repack.
        let [theirs, ours] = [Git, Ours].map(|program| {
            let repo = made();
            let args = ["repack", "-q", "-A", "-d", "--unpack-unreachable=2.weeks.ago"];
            assert!(run(program, &repo.path, &args, b"").status.success());
            git(&repo.path, &["fsck", "--full"]);
            loose(&repo)
        });
        assert_eq!(ours, theirs);
    }
}
