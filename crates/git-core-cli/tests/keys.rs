//! Keys of git's `uploadpack.*`, `receive.*` and `transfer.*` that no other test is about: what they change is the same
//! with git's programs and with ours, on either side.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "keys/wanting.rs"]
mod wanting;
#[path = "common/web.rs"]
mod web;

use common::{FORMATS, Program, command, git};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const OURS: &str = env!("CARGO_BIN_EXE_git-core");
const PROGRAMS: [Program; 2] = [Program::Git, Program::Ours];

/// A repository `remote` with some commits, and what stands for ssh.
struct World {
    scratch: tempfile::TempDir,
}

impl World {
    fn new(format: &str) -> Self {
        let world = World { scratch: tempfile::tempdir().unwrap() };
        let top = world.top();
        executable(&top.join("ssh"), "#!/bin/sh\nfor last; do :; done\nexec sh -c \"$last\"\n");
        git(&top, &["init", "-q", "-b", "main", &format!("--object-format={format}"), "remote"]);
        for n in 1..=3 {
            std::fs::write(world.remote().join("f"), format!("{n}\n")).unwrap();
            git(&world.remote(), &["add", "f"]);
            git(&world.remote(), &["commit", "-q", "-m", &n.to_string()]);
            git(&world.remote(), &["tag", "-a", "-m", "tag", &format!("t{n}")]);
        }
        world
    }

    fn top(&self) -> PathBuf {
        self.scratch.path().canonicalize().unwrap()
    }

    fn remote(&self) -> PathBuf {
        self.top().join("remote")
    }

    fn url(&self) -> String {
        format!("ssh://host{}", self.remote().display())
    }

    /// A command of the client against a server, with variables of its own.
    fn run(
        &self,
        (client, server): (Program, Program),
        dir: &Path,
        args: &[&str],
        with: &dyn Fn(&mut Command),
    ) -> Output {
        let mut run = command(client, dir);
        run.env("GIT_SSH_COMMAND", self.top().join("ssh")).env("GIT_SSH_VARIANT", "ssh").stdin(Stdio::null());
        let server = if server == Program::Git { "git" } else { OURS };
        let at =
            args.iter().position(|arg| matches!(*arg, "clone" | "fetch" | "push" | "ls-remote")).unwrap();
        run.args(&args[..=at]);
        run.arg(match args[at] {
            "push" => format!("--receive-pack={server} receive-pack"),
            _ => format!("--upload-pack={server} upload-pack"),
        });
        run.args(&args[at + 1..]);
        with(&mut run);
        run.output().unwrap()
    }

    /// As [`run`](Self::run), and it must succeed.
    fn done(&self, pairing: (Program, Program), dir: &Path, args: &[&str], with: &dyn Fn(&mut Command)) {
        let output = self.run(pairing, dir, args, with);
        assert!(output.status.success(), "{pairing:?} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn executable(path: &Path, content: &str) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn pairings() -> impl Iterator<Item = (Program, Program)> {
    PROGRAMS.into_iter().flat_map(|client| PROGRAMS.map(|server| (client, server)))
}

#[test]
fn uploadpack_pack_objects_hook_makes_the_packs_if_the_configuration_is_protected() {
    for format in FORMATS {
        let world = World::new(format);
        let (top, remote) = (world.top(), world.remote());
        git(&remote, &["config", "uploadpack.allowFilter", "true"]);
        let hook = top.join("hook");
        executable(
            &hook,
            &format!(
                "#!/bin/sh\n{{ echo \"$*\"; tee {0}/input; }} >>{0}/log && exec \"$@\" <{0}/input\n",
                top.display()
            ),
        );
        std::fs::write(top.join("config"), format!("[uploadpack]\n packObjectsHook = {}\n", hook.display()))
            .unwrap();
        let logs = PROGRAMS.map(|server| {
            let global = |run: &mut Command| _ = run.env("GIT_CONFIG_GLOBAL", top.join("config"));
            let _ = std::fs::remove_dir_all(top.join("clone"));
            let clone = top.join("clone");
            let url = world.url();
            let with = (Program::Git, server);
            world.done(
                with,
                &top,
                &["clone", "-q", "--bare", "--depth=1", "--no-tags", &url, "clone"],
                &global,
            );
            world.done(with, &clone, &["fetch", "-q", "--unshallow", "origin", "main:m"], &global);
            git(&clone, &["fsck", "--full"]);
            std::fs::remove_dir_all(&clone).unwrap();
            world.done(
                with,
                &top,
                &["clone", "-q", "--bare", "--filter=blob:none", "--progress", &url, "clone"],
                &global,
            );
            std::fs::remove_dir_all(&clone).unwrap();
            world.done(
                with,
                &top,
                &["-c", "protocol.version=0", "clone", "-q", "--bare", &url, "clone"],
                &global,
            );
            git(&clone, &["fsck", "--full"]);
            // What the repository says of itself is not heeded.
            std::fs::remove_dir_all(&clone).unwrap();
            git(&remote, &["config", "uploadpack.packObjectsHook", "echo no >>../log; false"]);
            world.done(with, &top, &["clone", "-q", "--bare", &url, "clone"], &|_| {});
            git(&remote, &["config", "--unset", "uploadpack.packObjectsHook"]);
            std::fs::remove_dir_all(&clone).unwrap();
            // One that fails lets the fetch fail.
            std::fs::write(top.join("fails"), "[uploadpack]\n packObjectsHook = \"exit 3;\"\n").unwrap();
            let fails = |run: &mut Command| _ = run.env("GIT_CONFIG_GLOBAL", top.join("fails"));
            assert!(
                !world.run(with, &top, &["clone", "-q", "--bare", &url, "clone"], &fails).status.success()
            );
            let log = std::fs::read_to_string(top.join("log")).unwrap();
            std::fs::remove_file(top.join("log")).unwrap();
            log
        });
        assert_eq!(logs[0], logs[1], "{format}: left git's, right ours");
        assert!(
            logs[0].contains("git --shallow-file  pack-objects --revs --thin --stdout --shallow"),
            "{}",
            logs[0]
        );
    }
}

#[test]
fn transfer_credentials_in_url_is_heeded() {
    let world = World::new("sha1");
    let top = world.top();
    let url = "http://me:secret@127.0.0.1:1/x";
    git(&world.remote(), &["remote", "add", "there", url]);
    let commands = [
        &["fetch", "there"][..],
        &["push", "there", "main"],
        &["ls-remote", "there"],
        &["ls-remote", url],
        &["clone", url, "no"],
    ];
    for (value, args) in ["die", "bogus"].into_iter().flat_map(|value| commands.map(|args| (value, args))) {
        let said = PROGRAMS.map(|program| {
            let dir = if args[0] == "clone" { top.clone() } else { world.remote() };
            let setting = format!("transfer.credentialsInUrl={value}");
            let output = command(program, &dir).args(["-c", &setting]).args(args).output().unwrap();
            format!("{:?} {}", output.status.code(), String::from_utf8_lossy(&output.stderr))
        });
        // The line of a clone says where it is going; who removes what is not there does not matter.
        assert_eq!(said[0], said[1], "{value} {args:?}");
        assert!(!said[1].contains("secret"));
    }
    let output = command(Program::Ours, &world.remote())
        .args(["-c", "transfer.credentialsInUrl=warn", "ls-remote", "there"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.starts_with("warning: URL 'http://me:<redacted>@127.0.0.1:1/x' uses plaintext credentials\n"),
        "{said}"
    );
}

#[test]
fn transfer_advertise_sid_tells_both_sides() {
    let world = World::new("sha256");
    let top = world.top();
    git(&world.remote(), &["config", "transfer.advertiseSID", "true"]);
    for pairing in pairings() {
        for version in ["0", "2"] {
            let log = top.join("packets");
            let clone = top.join("clone");
            let version = format!("protocol.version={version}");
            let trace = |run: &mut Command| _ = run.env("GIT_TRACE_PACKET", &log);
            let settings = ["-c", &version, "-c", "transfer.advertiseSID=true"];
            let url = world.url();
            let args = [&settings[..], &["clone", "-q", "--bare", &url, "clone"]].concat();
            world.done(pairing, &top, &args, &trace);
            let args = [&settings[..], &["push", "-q", &url, "HEAD:refs/heads/new"]].concat();
            world.done(pairing, &clone, &args, &trace);
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            if pairing != (Program::Ours, Program::Ours) {
                let told =
                    |who: &str| log.lines().any(|line| line.contains(who) && line.contains("session-id="));
                // What git says, and what git hears.
                assert!(told("upload-pack>") || told("clone<") || told("fetch-pack<"), "{pairing:?} {log}");
                assert!(told("upload-pack<") || told("clone>") || told("fetch-pack>"), "{pairing:?} {log}");
                assert!(told("receive-pack>") || told("push<"), "{pairing:?} {log}");
                assert!(told("receive-pack<") || told("push>"), "{pairing:?} {log}");
            }
            git(&world.remote(), &["update-ref", "-d", "refs/heads/new"]);
            std::fs::remove_dir_all(&clone).unwrap();
            let _ = std::fs::remove_file(top.join("packets"));
        }
    }
}

#[test]
fn uploadpack_allow_sideband_all_is_used_by_who_knows_it() {
    for format in FORMATS {
        let world = World::new(format);
        let top = world.top();
        git(&world.remote(), &["config", "uploadpack.allowSidebandAll", "true"]);
        for pairing in pairings() {
            let clone = top.join("clone");
            let log = top.join("packets");
            let trace = |run: &mut Command| _ = run.env("GIT_TRACE_PACKET", &log);
            let url = world.url();
            world.done(
                pairing,
                &top,
                &["clone", "-q", "--bare", "--depth=1", "--no-tags", &url, "clone"],
                &trace,
            );
            world.done(pairing, &clone, &["fetch", "-q", "--depth=2", "origin", "main:m"], &trace);
            git(&world.remote(), &["commit", "-q", "--allow-empty", "-m", "more"]);
            world.done(pairing, &clone, &["fetch", "-q", "origin", "+main:m"], &trace);
            git(&clone, &["fsck", "--full"]);
            assert_eq!(git(&clone, &["rev-parse", "m"]), git(&world.remote(), &["rev-parse", "main"]));
            if pairing != (Program::Ours, Program::Ours) {
                let log = std::fs::read_to_string(&log).unwrap();
                assert!(log.lines().any(|line| line.ends_with(" sideband-all")), "{pairing:?} {log}");
            }
            let _ = std::fs::remove_file(&log);
            std::fs::remove_dir_all(&clone).unwrap();
        }
    }
}

#[test]
fn transfer_advertise_object_info_answers_as_git_does() {
    for format in FORMATS {
        let world = World::new(format);
        let remote = world.remote();
        git(&remote, &["config", "transfer.advertiseObjectInfo", "true"]);
        let blob = git(&remote, &["rev-parse", "HEAD:f"]);
        let tag = git(&remote, &["rev-parse", "t1"]);
        let none = "1".repeat(blob.len());
        for arguments in [
            vec!["size".to_owned(), format!("oid {blob}"), format!("oid {none}"), format!("oid {tag}")],
            vec![format!("oid {blob}")],
            vec!["size".to_owned()],
            vec![],
        ] {
            let packet = |line: &str| format!("{:04x}{line}\n", line.len() + 5);
            let mut input =
                packet("command=object-info") + &packet(&format!("object-format={format}")) + "0001";
            arguments.iter().for_each(|line| input += &packet(line));
            input += "0000";
            let said = PROGRAMS.map(|program| {
                let mut server = command(program, &remote);
                server.args(["upload-pack", "--stateless-rpc", "."]).env("GIT_PROTOCOL", "version=2");
                let mut child = server.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
                std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
                String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
            });
            assert_eq!(said[0], said[1], "{arguments:?}");
        }
    }
}

#[test]
fn uploadpack_wants_beyond_the_advertised_are_granted_as_by_git() {
    for format in FORMATS {
        let world = World::new(format);
        let (top, remote) = (world.top(), world.remote());
        let hidden = git(&remote, &["commit-tree", "-m", "hidden", "HEAD^{tree}"]);
        git(&remote, &["update-ref", "refs/hidden/one", &hidden]);
        git(&remote, &["config", "uploadpack.hideRefs", "refs/hidden"]);
        let old = git(&remote, &["rev-parse", "HEAD~1"]);
        let loose = git(&remote, &["commit-tree", "-m", "nowhere", "HEAD^{tree}"]);
        let cases: [&[(&str, &str)]; 6] = [
            &[],
            &[("allowTipSHA1InWant", "true")],
            &[("allowReachableSHA1InWant", "true")],
            &[("allowTipSHA1InWant", "true"), ("allowReachableSHA1InWant", "true")],
            &[("allowAnySHA1InWant", "true")],
            &[("allowAnySHA1InWant", "false"), ("allowTipSHA1InWant", "true")],
        ];
        for settings in cases {
            for (key, value) in settings {
                git(&remote, &["config", &format!("uploadpack.{key}"), value]);
            }
            for id in [&hidden, &old, &loose] {
                for version in ["0", "2"] {
                    let had = PROGRAMS.map(|server| {
                        let _ = std::fs::remove_dir_all(top.join("into"));
                        git(&top, &["init", "-q", "--bare", &format!("--object-format={format}"), "into"]);
                        let version = format!("protocol.version={version}");
                        let args = ["-c", &version, "fetch", "-q", &world.url(), id];
                        world.run((Program::Git, server), &top.join("into"), &args, &|_| {}).status.code()
                    });
                    assert_eq!(had[0], had[1], "{settings:?} {id} v{version}");
                }
            }
            for (key, _) in settings {
                git(&remote, &["config", "--unset", &format!("uploadpack.{key}")]);
            }
        }
    }
}

#[test]
fn receive_and_transfer_keys_of_checks_and_offers() {
    for format in FORMATS {
        let run = PROGRAMS.map(|server| {
            let world = World::new(format);
            let (top, src) = (world.top(), world.remote());
            git(&top, &["init", "-q", "--bare", &format!("--object-format={format}"), "dst"]);
            let dst = top.join("dst");
            let tree = git(&src, &["rev-parse", "HEAD^{tree}"]);
            let mut bad = Vec::new();
            for at in ["x", "y"] {
                let text =
                    format!("tree {tree}\nauthor a <a@b> 1 +0000\ncommitter a <a@b> {at} +0000\n\nm\n");
                let args = ["hash-object", "--literally", "-t", "commit", "-w", "--stdin"];
                let id = common::output(Program::Git, &src, &args, text.as_bytes());
                bad.push(String::from_utf8(id).unwrap().trim().to_owned());
            }
            let mut said = Vec::new();
            let mut push = |args: &[&str]| {
                let mut push = command(Program::Git, &src);
                let server = if server == Program::Git { "git" } else { OURS };
                push.args([
                    "push",
                    "--no-progress",
                    &format!("--receive-pack={server} receive-pack"),
                    "../dst",
                ]);
                let output = push.args(args).output().unwrap();
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                // Said by the server when the client is gone.
                let text = text.replace("fatal: the remote end hung up unexpectedly\n", "");
                said.push(format!("{:?} {}", output.status.code(), text));
            };
            let first = format!("{}:refs/heads/first", bad[0]);
            let second = format!("{}:refs/heads/second", bad[1]);
            git(&dst, &["config", "transfer.fsckObjects", "true"]);
            push(&[&first]);
            std::fs::write(top.join("skip"), format!("# known\n{} # of old\n", bad[0])).unwrap();
            git(&dst, &["config", "receive.fsck.skipList", top.join("skip").to_str().unwrap()]);
            push(&[&first]);
            push(&[&second]);
            git(&dst, &["config", "receive.fsckObjects", "false"]);
            push(&[&second]);
            git(&dst, &["config", "receive.advertiseAtomic", "false"]);
            push(&["--atomic", "main", "main:b"]);
            push(&["-o", "x", "main"]);
            git(&dst, &["config", "receive.hideRefs", "refs/heads/first"]);
            push(&[":first"]);
            git(&dst, &["config", "receive.keepAlive", "1"]);
            git(&dst, &["config", "transfer.unpackLimit", "1"]);
            push(&["main"]);
            let packs = std::fs::read_dir(dst.join("objects/pack")).unwrap().count();
            git(&dst, &["config", "receive.unpackLimit", "100"]);
            push(&["main~1:one", "t1", "t2"]);
            assert_eq!(std::fs::read_dir(dst.join("objects/pack")).unwrap().count(), packs);
            said.push(format!("{packs} {}", git(&dst, &["for-each-ref"])));
            said.into_iter().map(|text| text.replace(top.to_str().unwrap(), "<top>")).collect::<Vec<_>>()
        });
        for (theirs, ours) in run[0].iter().zip(&run[1]) {
            assert_eq!(theirs, ours, "{format}: left git's, right ours");
        }
    }
}
