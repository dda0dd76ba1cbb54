//! Histories that are cut off: clones, fetches and pushes between git and the program, on either side, leave what git
//! leaves with itself.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use common::{FORMATS, Program, command, git};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};

const OURS: &str = env!("CARGO_BIN_EXE_git-core");

/// Who talks to whom, in which version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pairing {
    client: Program,
    server: Program,
    version: u8,
}

impl Pairing {
    /// All but git with itself, which is what the others are compared with.
    fn all() -> impl Iterator<Item = Pairing> {
        use Program::{Git, Ours};
        [(Git, Ours), (Ours, Git), (Ours, Ours)]
            .into_iter()
            .flat_map(|(client, server)| [0, 2].map(|version| Pairing { client, server, version }))
    }
}

/// A directory with a remote that has some history, and what a pairing makes of it.
struct World {
    scratch: tempfile::TempDir,
    pairing: Pairing,
}

impl World {
    fn new(format: &str, pairing: Pairing) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let world = World { scratch, pairing };
        let dir = world.dir();
        // Stands for ssh: runs what is to be run at the other end.
        let ssh = dir.join("ssh");
        std::fs::write(&ssh, "#!/bin/sh\nfor last; do :; done\nexec sh -c \"$last\"\n").unwrap();
        std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
        git(&dir, &["init", "-q", "-b", "main", &format!("--object-format={format}"), "remote"]);
        let remote = dir.join("remote");
        for n in 1..=8 {
            commit(&remote, n);
            if n == 3 {
                git(&remote, &["tag", "-a", "-m", "old", "old"]);
                git(&remote, &["branch", "side"]);
            }
        }
        git(&remote, &["checkout", "-q", "side"]);
        commit(&remote, 21);
        commit(&remote, 22);
        git(&remote, &["checkout", "-q", "main"]);
        git(&remote, &["merge", "-q", "-m", "merged", "side"]);
        git(&remote, &["tag", "light", "HEAD~1"]);
        commit(&remote, 30);
        git(&remote, &["tag", "-a", "-m", "new", "new"]);
        git(&remote, &["config", "uploadpack.allowAnySHA1InWant", "true"]);
        git(&remote, &["config", "receive.denyCurrentBranch", "ignore"]);
        world
    }

    fn dir(&self) -> PathBuf {
        self.scratch.path().canonicalize().unwrap()
    }

    fn url(&self, name: &str) -> String {
        format!("ssh://host{}", self.dir().join(name).display())
    }

    /// Runs the client's program, whatever comes of it.
    fn attempt(&self, dir: &Path, args: &[&str]) -> Output {
        let version = format!("protocol.version={}", self.pairing.version);
        let server = match self.pairing.server {
            Program::Git => "git".to_owned(),
            Program::Ours => OURS.to_owned(),
        };
        let option = match args[0] {
            "push" => format!("--receive-pack={server} receive-pack"),
            _ => format!("--upload-pack={server} upload-pack"),
        };
        command(self.pairing.client, dir)
            .env("GIT_SSH_COMMAND", self.dir().join("ssh"))
            .env("GIT_SSH_VARIANT", "ssh")
            .args(["-c", &version, args[0], &option])
            .args(&args[1..])
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn run(&self, dir: &Path, args: &[&str]) {
        let output = self.attempt(dir, args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{:?} {args:?}: {said}", self.pairing);
    }

    fn clone(&self, name: &str, args: &[&str]) -> PathBuf {
        self.clone_of("remote", name, args)
    }

    fn clone_of(&self, remote: &str, name: &str, args: &[&str]) -> PathBuf {
        let url = self.url(remote);
        self.run(&self.dir(), &[&["clone", "-q"], args, &[&url, name]].concat());
        self.dir().join(name)
    }
}

/// A commit of its own date.
fn commit(dir: &Path, n: u32) {
    if !(20..30).contains(&n) {
        std::fs::write(dir.join("file"), format!("content {n}\n")).unwrap();
    }
    std::fs::write(dir.join(format!("f{n}")), format!("{n}\n")).unwrap();
    git(dir, &["add", "."]);
    let date = format!("{} +0000", 1_200_000_000 + n * 86_400);
    let done = command(Program::Git, dir)
        .args(["commit", "-q", "-m", &format!("commit {n}")])
        .env("GIT_AUTHOR_DATE", &date)
        .env("GIT_COMMITTER_DATE", &date)
        .status()
        .unwrap();
    assert!(done.success());
}

/// What there is to compare of a repository, as git sees it; git finds nothing wrong with it.
fn state(dir: &Path) -> String {
    git(dir, &["fsck", "--full", "--strict", "--no-progress"]);
    let git_dir = dir.join(git(dir, &["rev-parse", "--git-dir"]));
    let mut text = String::new();
    let shallow = std::fs::read_to_string(git_dir.join("shallow")).unwrap_or_default();
    // Git does not always write them in the same order, and sometimes one twice.
    let shallow: std::collections::BTreeSet<_> = shallow.lines().collect();
    writeln!(text, "shallow: {shallow:?}").unwrap();
    writeln!(text, "refs:\n{}", git(dir, &["for-each-ref"])).unwrap();
    writeln!(text, "commits:\n{}", git(dir, &["rev-list", "--all", "--parents"])).unwrap();
    let mut objects: Vec<_> =
        git(dir, &["rev-list", "--all", "--objects"]).lines().map(str::to_owned).collect();
    objects.sort();
    writeln!(text, "objects:\n{}", objects.join("\n")).unwrap();
    let ours = common::output(Program::Ours, dir, &["rev-list", "--all", "--parents"], b"");
    assert_eq!(String::from_utf8_lossy(&ours).trim_end(), git(dir, &["rev-list", "--all", "--parents"]));
    assert!(!git_dir.join("shallow.lock").exists());
    text
}

/// Does the same with every pairing; each must leave what git leaves with itself.
fn alike(story: impl Fn(&World) -> Vec<String> + Sync) {
    for format in FORMATS {
        for version in [0, 2] {
            let own = Pairing { client: Program::Git, server: Program::Git, version };
            let expected = story(&World::new(format, own));
            for pairing in Pairing::all().filter(|pairing| pairing.version == version) {
                let found = story(&World::new(format, pairing));
                assert_eq!(found.len(), expected.len());
                for (step, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    assert_eq!(found, expected, "{format} {pairing:?} step {step}");
                }
            }
        }
    }
}

#[test]
fn shallow_by_depth() {
    alike(|world| {
        let mut seen = Vec::new();
        let one = world.clone("one", &["--depth=1"]);
        seen.push(state(&one));
        for args in [
            &["fetch", "-q", "--depth=3"][..],
            &["fetch", "-q", "--deepen=1"],
            &["fetch", "-q", "--deepen=2", "origin"],
            &["fetch", "-q", "--depth=2"],
            &["fetch", "-q", "origin", "side:refs/heads/side"],
            &["fetch", "-q", "--unshallow"],
            &["fetch", "-q", "--depth=4", "origin", "main"],
            &["fetch", "-q", "--depth=2147483647"],
        ] {
            world.run(&one, args);
            seen.push(state(&one));
        }
        seen.push(state(&world.clone("two", &["--depth=2", "--no-single-branch"])));
        seen.push(state(&world.clone("bare", &["--depth=3", "--bare"])));
        seen.push(state(&world.clone("tag", &["--depth=2", "--branch=old"])));
        seen
    });
}

#[test]
fn shallow_by_date_and_refs() {
    alike(|world| {
        let mut seen = Vec::new();
        let since = world.clone("since", &["--shallow-since=1200500000"]);
        seen.push(state(&since));
        let not = world.clone("not", &["--shallow-exclude=old", "--no-single-branch"]);
        seen.push(state(&not));
        for (dir, args) in [
            (&since, &["fetch", "-q", "--shallow-since=1200300000"][..]),
            (&since, &["fetch", "-q", "--shallow-exclude=old", "--shallow-since=1200300000"]),
            (&not, &["fetch", "-q", "--shallow-exclude=side"]),
            (&not, &["fetch", "-q", "--unshallow"]),
        ] {
            world.run(dir, args);
            seen.push(state(dir));
        }
        for args in [
            &["fetch", "-q", "--shallow-since=2030-01-01"][..],
            &["fetch", "-q", "--shallow-exclude=nothing"],
            &["fetch", "-q", "--depth=0"],
            &["fetch", "-q", "--deepen=-1"],
            &["fetch", "-q", "--depth=1", "--deepen=1"],
        ] {
            let failed = world.attempt(&since, args);
            assert_eq!(failed.status.code(), Some(128), "{args:?}");
            seen.push(state(&since));
        }
        seen
    });
}

#[test]
fn shallow_history_grows() {
    alike(|world| {
        let mut seen = Vec::new();
        let here = world.clone("here", &["--depth=2", "--no-single-branch"]);
        let remote = world.dir().join("remote");
        commit(&remote, 40);
        git(&remote, &["checkout", "-q", "-b", "late", "old^{}"]);
        commit(&remote, 41);
        git(&remote, &["checkout", "-q", "main"]);
        // Something that begins behind the end of the history here.
        world.run(&here, &["fetch", "-q"]);
        seen.push(state(&here));
        // A push of something new on top of it.
        commit(&here, 50);
        world.run(&here, &["push", "-q", "origin", "HEAD:refs/heads/pushed"]);
        seen.push(state(&here));
        seen.push(state(&remote));
        seen
    });
}

#[test]
fn shallow_remote() {
    alike(|world| {
        let mut seen = Vec::new();
        let dir = world.dir();
        let path = dir.join("remote");
        let full = dir.join("full");
        git(&dir, &["clone", "-q", "--bare", path.to_str().unwrap(), "full"]);
        let url = format!("file://{}", path.display());
        git(&dir, &["clone", "-q", "--depth=3", "--no-single-branch", &url, "shallow"]);
        let copy = world.clone_of("shallow", "copy", &[]);
        seen.push(state(&copy));
        let refused =
            world.attempt(&dir, &["clone", "-q", "--reject-shallow", &world.url("shallow"), "none"]);
        assert_eq!(refused.status.code(), Some(128));
        assert!(!dir.join("none").exists());
        seen.push(state(&world.clone_of("shallow", "short", &["--depth=2"])));
        seen.push(state(&world.clone_of("shallow", "long", &["--depth=20"])));

        // Without common history, what ends where the remote does is taken only when it is asked for.
        let other = dir.join("other");
        git(&dir, &["init", "-q", &format!("--object-format={}", format_of(&full)), "other"]);
        git(&other, &["remote", "add", "origin", &world.url("shallow")]);
        let rejected = world.attempt(&other, &["fetch", "--no-tags", "origin"]);
        let said = String::from_utf8_lossy(&rejected.stderr).into_owned();
        assert!(rejected.status.success(), "{said}");
        let warning =
            "warning: rejected refs/remotes/origin/main because shallow roots are not allowed to be updated";
        assert!(said.contains(warning), "{said}");
        seen.push(git(&other, &["for-each-ref", "refs/remotes"]));
        world.run(&other, &["fetch", "-q", "--no-tags", "--update-shallow", "origin"]);
        seen.push(state(&other));

        // Where all of it is known, nothing becomes shallow.
        git(&full, &["remote", "add", "shallow", &world.url("shallow")]);
        git(&dir.join("shallow"), &["branch", "more"]);
        git(&full, &["config", "remote.shallow.fetch", "+refs/heads/*:refs/remotes/shallow/*"]);
        world.run(&full, &["fetch", "-q", "shallow"]);
        seen.push(state(&full));
        seen
    });
}

#[test]
fn shallow_push() {
    alike(|world| {
        let mut seen = Vec::new();
        let dir = world.dir();
        let here = world.clone("here", &["--depth=2"]);
        commit(&here, 60);
        let format = format!("--object-format={}", format_of(&here));
        git(&dir, &["init", "-q", "--bare", "-b", "main", &format, "bare"]);
        let bare = dir.join("bare");
        let url = world.url("bare");
        let refused = world.attempt(&here, &["push", &url, "main"]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("[remote rejected] main -> main (shallow update not allowed)"), "{said}");
        assert!(!bare.join("shallow").exists());
        seen.push(state(&bare));
        git(&bare, &["config", "receive.shallowUpdate", "true"]);
        world.run(&here, &["push", "-q", &url, "main"]);
        seen.push(state(&bare));
        // To a repository that ends where this one does, and back.
        commit(&here, 61);
        world.run(&here, &["push", "-q", &url, "main:refs/heads/main", "main:refs/heads/again"]);
        seen.push(state(&bare));
        let back = world.clone_of("bare", "back", &[]);
        seen.push(state(&back));
        commit(&back, 62);
        world.run(&back, &["push", "-q", "origin", "HEAD:refs/heads/main"]);
        seen.push(state(&bare));
        seen
    });
}

fn format_of(dir: &Path) -> String {
    git(dir, &["rev-parse", "--show-object-format"])
}

/// A server of the program over HTTP, where every request stands for itself.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(dir: &Path) -> Self {
        let mut child = command(Program::Ours, dir)
            .args(["serve", "--http", "127.0.0.1:0", "--git", "127.0.0.1:0", "."])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().unwrap().unwrap();
            if let Some(at) = line.find("http://127.0.0.1:") {
                let rest = &line[at + 7..];
                let end = rest.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(rest.len());
                break format!("http://{}", &rest[..end]);
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        Serving { child, address }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn shallow_over_http() {
    let plain = |client, version| Pairing { client, server: Program::Git, version };
    for format in FORMATS {
        let world = World::new(format, plain(Program::Git, 2));
        let serving = Serving::start(&world.dir());
        let url = format!("{}/remote", serving.address);
        let file = format!("file://{}", world.dir().join("remote").display());
        for version in [0, 2] {
            let story = |client: Program, url: &str, name: &str| {
                let here = world.dir().join(format!("{name}-{version}"));
                let run = |dir: &Path, args: &[&str]| {
                    let version = format!("protocol.version={version}");
                    common::output(client, dir, &[&["-c", &version], args].concat(), b"");
                };
                let mut seen = Vec::new();
                run(&world.dir(), &["clone", "-q", "--depth=2", url, here.to_str().unwrap()]);
                seen.push(state(&here));
                for args in [
                    &["fetch", "-q", "--depth=4"][..],
                    &["fetch", "-q", "--deepen=1"],
                    &["fetch", "-q", "--shallow-exclude=side"],
                    &["fetch", "-q", "--unshallow"],
                ] {
                    run(&here, args);
                    seen.push(state(&here));
                }
                seen
            };
            let expected = story(Program::Git, &file, "file");
            assert_eq!(story(Program::Git, &url, "git"), expected, "{format} {version}");
            assert_eq!(story(Program::Ours, &url, "ours"), expected, "{format} {version}");
            assert_eq!(story(Program::Ours, &file, "local"), expected, "{format} {version}");
        }
    }
}

#[test]
fn shallow_clones_of_a_path() {
    let world = World::new("sha1", Pairing { client: Program::Git, server: Program::Git, version: 2 });
    let dir = world.dir();
    for program in [Program::Git, Program::Ours] {
        let name = format!("{program:?}");
        let said = common::run(
            program,
            &dir,
            &["clone", "--depth=1", "--shallow-since=yesterday", "remote", &name],
            b"",
        );
        assert!(said.status.success());
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        for option in ["--depth", "--shallow-since"] {
            let warning = format!("warning: {option} is ignored in local clones; use file:// instead.");
            assert!(said.contains(&warning), "{said}");
        }
        assert!(!dir.join(&name).join(".git/shallow").exists());
        let other = format!("{program:?}-no-local");
        common::output(program, &dir, &["clone", "-q", "--no-local", "--depth=1", "remote", &other], b"");
        let lines = std::fs::read_to_string(dir.join(other).join(".git/shallow")).unwrap();
        assert_eq!(lines.lines().count(), 1);
    }
}

#[test]
fn shallow_files_of_other_names() {
    let world = World::new("sha1", Pairing { client: Program::Git, server: Program::Git, version: 2 });
    let here = world.clone("here", &[]);
    std::fs::write(here.join("ends"), format!("{}\n", git(&here, &["rev-parse", "HEAD~2"]))).unwrap();
    for program in [Program::Git, Program::Ours] {
        let listed = |args: &[&str], file: Option<&str>| {
            let mut command = command(program, &here);
            if let Some(file) = file {
                command.env("GIT_SHALLOW_FILE", file);
            }
            let output = command.args(args).output().unwrap();
            assert!(output.status.success(), "{program:?} {args:?}");
            String::from_utf8(output.stdout).unwrap().lines().count()
        };
        let all = listed(&["rev-list", "HEAD"], None);
        let few = listed(&["rev-list", "HEAD"], Some("ends"));
        assert!(few < all, "{program:?}");
        assert_eq!(listed(&["--shallow-file", "ends", "rev-list", "HEAD"], None), few, "{program:?}");
    }
}
