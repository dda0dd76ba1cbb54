//! Partial clones: what is left out, how that is written down, and that it is fetched when it is needed, in one request
//! where many objects are.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;
#[path = "partial/engine.rs"]
mod engine;

use common::{FORMATS, Program, command, git, output};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;

struct World {
    scratch: tempfile::TempDir,
    server: Program,
}

impl World {
    fn new(format: &str, server: Program) -> Self {
        let world = World { scratch: tempfile::tempdir().unwrap(), server };
        let dir = world.dir();
        git(&dir, &["init", "-q", "-b", "main", &format!("--object-format={format}"), "remote"]);
        let remote = world.remote();
        for n in 1..=4 {
            std::fs::create_dir_all(remote.join("d/e")).unwrap();
            std::fs::write(remote.join("small"), format!("{n}\n")).unwrap();
            std::fs::write(remote.join("large"), format!("{n}\n").repeat(2000)).unwrap();
            std::fs::write(remote.join("d/e/deep"), format!("deep {n}\n")).unwrap();
            git(&remote, &["add", "."]);
            git(&remote, &["commit", "-q", "-m", &format!("commit {n}")]);
        }
        git(&remote, &["tag", "-a", "-m", "tag", "v1"]);
        git(&remote, &["config", "uploadpack.allowFilter", "true"]);
        git(&remote, &["config", "uploadpack.allowAnySHA1InWant", "true"]);
        world
    }

    fn dir(&self) -> PathBuf {
        self.scratch.path().canonicalize().unwrap()
    }

    fn remote(&self) -> PathBuf {
        self.dir().join("remote")
    }

    /// A server at the end of ssh.
    fn attempt(&self, client: Program, version: u8, dir: &Path, args: &[&str]) -> Output {
        use std::os::unix::fs::PermissionsExt as _;
        let ssh = self.dir().join("ssh");
        if !ssh.exists() {
            let script = "#!/bin/sh\necho >>\"$REQUESTS\"\nfor last; do :; done\nexec sh -c \"$SERVER ${last#git-}\"\n";
            std::fs::write(&ssh, script).unwrap();
            std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let requests = self.dir().join("requests");
        let _ = std::fs::remove_file(&requests);
        command(client, dir)
            .env("GIT_SSH_COMMAND", ssh)
            .env("GIT_SSH_VARIANT", "ssh")
            .env("REQUESTS", requests)
            .env("SERVER", if self.server == Program::Git { "git" } else { env!("CARGO_BIN_EXE_git-core") })
            .args(["-c", &format!("protocol.version={version}")])
            .args(args)
            .output()
            .unwrap()
    }

    fn run(&self, client: Program, version: u8, dir: &Path, args: &[&str]) -> String {
        let done = self.attempt(client, version, dir, args);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{client:?} {version} {args:?}: {said}");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// How many connections the last command made.
    fn requests(&self) -> usize {
        std::fs::read_to_string(self.dir().join("requests")).unwrap_or_default().lines().count()
    }

    fn clone(&self, client: Program, version: u8, name: &str, args: &[&str]) -> PathBuf {
        let url = format!("ssh://host{}", self.remote().display());
        self.run(client, version, &self.dir(), &[&["clone", "-q"], args, &[&url, name]].concat());
        self.dir().join(name)
    }
}

fn everywhere() -> impl Iterator<Item = (&'static str, Program)> {
    FORMATS.into_iter().flat_map(|format| [Program::Git, Program::Ours].map(|server| (format, server)))
}

/// What is there without fetching anything.
fn objects(dir: &Path) -> BTreeSet<String> {
    let listed = command(Program::Git, dir)
        .env("GIT_NO_LAZY_FETCH", "1")
        .args(["cat-file", "--batch-all-objects", "--batch-check"])
        .output()
        .unwrap();
    assert!(listed.status.success());
    String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn promises(dir: &Path) -> Vec<String> {
    let pack = dir.join(git(dir, &["rev-parse", "--git-dir"])).join("objects/pack");
    let mut texts: Vec<_> = pack
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "promisor"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .map(|text| {
            let mut lines: Vec<_> = text.lines().collect();
            lines.sort_unstable();
            lines.join("\n")
        })
        .collect();
    texts.sort();
    texts
}

fn settings(dir: &Path) -> Vec<String> {
    let names = "core.repositoryformatversion|remote..*.promisor|remote..*.partialclonefilter";
    let mut lines: Vec<_> =
        git(dir, &["config", "--local", "--get-regexp", names]).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn partial_clones_lack_what_is_left_out() {
    for (format, server) in everywhere() {
        let world = World::new(format, server);
        for version in [0, 2] {
            for filter in [
                "blob:none",
                "blob:limit=1k",
                "tree:1",
                "combine:blob:limit=100+tree:3",
                "object:type=commit",
            ] {
                let option = format!("--filter={filter}");
                let args = [option.as_str(), "--bare"];
                let [theirs, ours] = [Program::Git, Program::Ours].map(|client| {
                    world.clone(
                        client,
                        version,
                        &format!("{client:?}-{version}-{}", filter.replace(':', "")),
                        &args,
                    )
                });
                assert_eq!(objects(&ours), objects(&theirs), "{format} {server:?} {version} {filter}");
                assert_eq!(promises(&ours), promises(&theirs), "{format} {version} {filter}");
                assert_eq!(settings(&ours), settings(&theirs), "{format} {version} {filter}");
                git(&ours, &["fsck", "--full", "--no-progress"]);
            }
        }
    }
}

#[test]
fn partial_clones_fetch_what_is_needed_in_batches() {
    for (format, server) in everywhere() {
        let world = World::new(format, server);
        for version in [0, 2] {
            let here =
                world.clone(Program::Ours, version, &format!("work-{version}"), &["--filter=blob:none"]);
            // One connection for the history, one for all files.
            assert_eq!(world.requests(), 2);
            assert_eq!(git(&here, &["status", "--porcelain"]), "");
            let theirs =
                world.clone(Program::Git, version, &format!("theirs-{version}"), &["--filter=blob:none"]);
            assert_eq!(objects(&here), objects(&theirs));

            // A single object that is not there.
            let shown = world.run(Program::Ours, version, &here, &["cat-file", "-p", "HEAD~2:large"]);
            assert_eq!(shown, git(&world.remote(), &["cat-file", "-p", "HEAD~2:large"]) + "\n");
            assert_eq!(world.requests(), 1);
            world.run(Program::Ours, version, &here, &["cat-file", "-p", "HEAD~2:large"]);
            assert_eq!(world.requests(), 0);

            // None is fetched where that is forbidden, or only asked about.
            for args in [
                &["--no-lazy-fetch", "cat-file", "-p", "HEAD~3:large"][..],
                &["rev-list", "--all"],
                &["for-each-ref"],
            ] {
                let done = world.attempt(Program::Ours, version, &here, args);
                assert_eq!(done.status.success(), args[0] != "--no-lazy-fetch", "{args:?}");
                assert_eq!(world.requests(), 0, "{args:?}");
            }

            // What comes later is left out, too.
            std::fs::write(world.remote().join("small"), format!("later {version}\n")).unwrap();
            git(&world.remote(), &["commit", "-q", "-a", "-m", "later"]);
            world.run(Program::Ours, version, &here, &["fetch", "-q"]);
            let blob = git(&world.remote(), &["rev-parse", "HEAD:small"]);
            assert!(!objects(&here).iter().any(|line| line.starts_with(&blob)));
            git(&here, &["fsck", "--full", "--no-progress"]);
            world.run(Program::Ours, version, &here, &["fetch", "-q", "--refetch", "--no-filter"]);
            assert!(objects(&here).iter().any(|line| line.starts_with(&blob)));
            git(&here, &["fsck", "--full", "--no-progress"]);
        }
    }
}

#[test]
fn partial_clones_need_a_server_that_filters() {
    let world = World::new("sha1", Program::Git);
    git(&world.remote(), &["config", "uploadpack.allowFilter", "false"]);
    let url = format!("ssh://host{}", world.remote().display());
    for program in [Program::Git, Program::Ours] {
        let name = format!("{program:?}");
        let done = world.attempt(program, 2, &world.dir(), &["clone", "--filter=blob:none", &url, &name]);
        assert!(done.status.success());
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(said.contains("warning: filtering not recognized by server, ignoring"), "{said}");
        let all = output(Program::Git, &world.dir().join(&name), &["rev-list", "--all", "--objects"], b"");
        assert_eq!(
            all.iter().filter(|byte| **byte == b'\n').count(),
            objects(&world.dir().join(&name)).len()
        );
    }
}

#[test]
fn partial_clones_are_refused_as_configured() {
    for server in [Program::Git, Program::Ours] {
        let world = World::new("sha1", server);
        let url = format!("ssh://host{}", world.remote().display());
        for (key, value, filter, said) in [
            ("uploadpackfilter.allow", "false", "tree:5", "filter 'tree' not supported"),
            (
                "uploadpackfilter.blob:none.allow",
                "false",
                "combine:blob:none+tree:0",
                "filter 'blob:none' not supported",
            ),
            (
                "uploadpackfilter.combine.allow",
                "false",
                "combine:blob:none+tree:0",
                "filter 'combine' not supported",
            ),
            ("uploadpackfilter.tree.maxDepth", "1", "tree:5", "tree filter allows max depth 1, but got 5"),
            ("uploadpackfilter.tree.maxDepth", "1", "bogus", "invalid filter-spec 'bogus'"),
        ] {
            git(&world.remote(), &["config", key, value]);
            for (client, version) in
                [(Program::Git, 0), (Program::Git, 2), (Program::Ours, 0), (Program::Ours, 2)]
            {
                let option = format!("--filter={filter}");
                let done =
                    world.attempt(client, version, &world.dir(), &["clone", "--bare", &option, &url, "none"]);
                let text = String::from_utf8_lossy(&done.stderr).into_owned();
                // Git may be ended by the pipe that the server has closed, and then leaves what it has made.
                let code = done.status.code();
                let ended = client == Program::Git && code.is_none();
                assert!(code == Some(128) || ended, "{server:?} {client:?} {version}: {text}");
                assert!(text.contains(said), "{server:?} {client:?} {version}: {text}");
                let rest = world.dir().join("none");
                if ended && rest.exists() {
                    std::fs::remove_dir_all(&rest).unwrap();
                }
                assert!(!rest.exists());
            }
            git(&world.remote(), &["config", "--unset", key]);
        }
    }
}
