//! `push` beside git's, into repositories that git serves: the same is printed and the same is there afterwards.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{FORMATS, Program, command, git};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const NAMES: [(Program, &str); 2] = [(Program::Git, "git"), (Program::Ours, "own")];

/// Two equal worlds of a repository that pushes and one that is pushed to; in one git pushes, in the other we.
struct Worlds {
    scratch: tempfile::TempDir,
}

fn each(test: impl Fn(&Worlds)) {
    for format in FORMATS {
        test(&Worlds::new(format));
    }
}

impl Worlds {
    fn new(format: &str) -> Self {
        let worlds = Worlds { scratch: tempfile::tempdir().unwrap() };
        for top in worlds.tops() {
            std::fs::create_dir(&top).unwrap();
            let format = format!("--object-format={format}");
            git(&top, &["init", "-q", "-b", "main", &format, "src"]);
            git(&top, &["init", "-q", "-b", "main", "--bare", &format, "dst.git"]);
            let src = top.join("src");
            for n in 1..=3 {
                std::fs::write(src.join("f"), format!("{n}\n")).unwrap();
                git(&src, &["add", "f"]);
                git(&src, &["commit", "-q", "-m", &n.to_string()]);
                git(&src, &["tag", &format!("c{n}")]);
            }
            git(&src, &["branch", "b1", "c1"]);
            git(&src, &["remote", "add", "origin", "../dst.git"]);
            git(&src, &["push", "-q", "origin", "c2:refs/heads/main", "c2:refs/heads/other", "b1"]);
            git(&src, &["fetch", "-q"]);
        }
        worlds
    }

    fn tops(&self) -> Vec<PathBuf> {
        let root = self.scratch.path().canonicalize().unwrap();
        NAMES.iter().map(|(_, name)| root.join(name)).collect()
    }

    /// Runs git in both worlds, in the repository that pushes.
    fn at(&self, args: &[&str]) {
        for top in self.tops() {
            git(&top.join("src"), args);
        }
    }

    /// Somebody else pushes a commit that nobody here has.
    fn elsewhere(&self, branch: &str) {
        for top in self.tops() {
            git(&top, &["clone", "-q", "dst.git", "third"]);
            let third = top.join("third");
            git(&third, &["checkout", "-q", branch]);
            git(&third, &["commit", "-q", "--allow-empty", "-m", "elsewhere"]);
            git(&third, &["push", "-q", "origin", branch]);
            std::fs::remove_dir_all(third).unwrap();
        }
    }

    /// Pushes in both worlds, compares what is printed on either stream, the exit code and the refs on both sides.
    fn push(&self, args: &[&str]) -> String {
        self.run("push", args)
    }

    /// As [`push`](Self::push), by another command.
    fn run(&self, name: &str, args: &[&str]) -> String {
        let said: Vec<_> = NAMES
            .iter()
            .zip(self.tops())
            .map(|((program, _), top)| {
                let mut push = command(*program, &top.join("src"));
                let output = push.arg(name).args(args).output().unwrap();
                let refs = |dir: &Path| {
                    git(dir, &["for-each-ref"]) + "\n" + &git(dir, &["config", "--list", "--local"])
                };
                let streams = [&output.stdout, &output.stderr].map(|text| {
                    let text = String::from_utf8_lossy(text).replace(top.to_str().unwrap(), "<top>");
                    // The other side is a process of its own for git, which complains when it is left.
                    let kept =
                        text.lines().filter(|line| *line != "fatal: the remote end hung up unexpectedly");
                    kept.map(|line| format!("{line}\n"))
                        .take_while(|line| !line.starts_with("usage:"))
                        .collect::<String>()
                });
                format!(
                    "exit {:?}\n--- stdout\n{}--- stderr\n{}--- here\n{}\n--- there\n{}",
                    output.status.code(),
                    streams[0],
                    streams[1],
                    refs(&top.join("src")),
                    refs(&top.join("dst.git")),
                )
            })
            .collect();
        assert!(said[0] == said[1], "{name} {args:?}\n=== git\n{}\n=== ours\n{}", said[0], said[1]);
        said[0].clone()
    }
}

#[test]
fn s09_what_is_refused_here_is_told_with_advice() {
    each(|worlds| {
        worlds.push(&["origin", "c1:main"]);
        worlds.push(&["origin", "main", "c1:other"]);
        worlds.push(&["--porcelain", "origin", "c1:main", "b1"]);
        worlds.push(&["-v", "origin", "main", "c1:refs/tags/t", "c1:other"]);
        worlds.push(&["origin", "c2:refs/tags/t"]);
        worlds.push(&["-q", "origin", "c1:other"]);
        worlds.push(&["-f", "origin", "c2:refs/tags/t"]);
        worlds.elsewhere("b1");
        worlds.push(&["origin", "c3:b1", "main:new"]);
        worlds.push(&["--atomic", "origin", "c3:b1", "main:newer"]);
        worlds.push(&["--atomic", "--porcelain", "origin", "c3:b1", "main"]);
        worlds.at(&["config", "advice.pushUpdateRejected", "false"]);
        worlds.push(&["origin", "c3:b1"]);
        worlds.at(&["tag", "file", "HEAD:f"]);
        worlds.at(&["config", "--unset", "advice.pushUpdateRejected"]);
        worlds.push(&["origin", "file:refs/x/y"]);
        worlds.push(&["origin", "main:refs/x/y"]);
    });
}

#[test]
fn s09_deletions_dry_runs_and_names_that_are_not_there() {
    each(|worlds| {
        worlds.push(&["-n", "origin", "main:xx"]);
        worlds.push(&["--porcelain", "-n", "origin", "main:xx", "b1"]);
        worlds.push(&["--delete", "origin", "nope"]);
        worlds.push(&["--delete", "origin"]);
        worlds.push(&["--delete", "origin", ":other"]);
        worlds.push(&["origin", ":refs/heads/absent", ":other"]);
        worlds.push(&["origin", ":main"]);
        worlds.push(&["origin", "nothere"]);
        worlds.push(&["origin", "main:main", "c1:main"]);
        worlds.push(&["../nowhere", "main"]);
        worlds.push(&["nowhere", "main"]);
        for pair in
            [["--delete", "--all"], ["--all", "--mirror"], ["--tags", "--all"], ["--tags", "--mirror"]]
        {
            worlds.push(&[pair[0], pair[1], "origin"]);
        }
        worlds.push(&["--all", "origin", "x"]);
        worlds.push(&["--mirror", "origin", "x"]);
    });
}

#[test]
fn s09_leases_hold() {
    each(|worlds| {
        worlds.at(&["reset", "-q", "--hard", "c1"]);
        worlds.push(&["--force-with-lease", "origin", "main"]);
        worlds.push(&["--force-with-lease=main:c2", "origin", "c1:main", "c3:other"]);
        worlds.push(&["--force-with-lease=main:c2", "origin", "c3:main"]);
        worlds.elsewhere("main");
        worlds.push(&["--force-with-lease", "origin", "main"]);
        worlds.push(&["--force-with-lease", "--porcelain", "origin", "main"]);
        worlds.push(&["--force-with-lease=main", "origin", "main", "b1"]);
        worlds.push(&["--force-with-lease=nope", "origin", "main"]);
        worlds.push(&["--force-with-lease=main:", "origin", "main"]);
        worlds.push(&["--force-with-lease=new:", "origin", "main:refs/heads/new"]);
        worlds.push(&["--force-with-lease", "../dst.git", "main"]);
        worlds.push(&["--force-with-lease", "--no-force-with-lease", "origin", "main"]);
        worlds.at(&["fetch", "-q"]);
        worlds.push(&["--force-with-lease", "--force-if-includes", "origin", "main"]);
        worlds.push(&["--atomic", "--force-with-lease", "--force-if-includes", "origin", "main"]);
        worlds.at(&["reset", "-q", "--hard", "origin/main"]);
        worlds.at(&["reset", "-q", "--hard", "c1"]);
        worlds.push(&["--force-with-lease", "--force-if-includes", "origin", "main"]);
        worlds.push(&["--force-with-lease=main:nothing", "origin", "main"]);
    });
}

#[test]
fn s09_many_refs_at_once() {
    each(|worlds| {
        worlds.push(&["--all", "origin"]);
        worlds.push(&["--tags", "origin"]);
        worlds.push(&["--prune", "-n", "origin", "refs/heads/*:refs/heads/*"]);
        worlds.push(&["--all", "--prune", "origin"]);
        worlds.at(&["tag", "-a", "-m", "annotated", "ann", "c2"]);
        worlds.push(&["--follow-tags", "origin", "b1"]);
        worlds.push(&["--follow-tags", "origin", "main"]);
        worlds.at(&["config", "remote.origin.push", "refs/heads/b1:refs/heads/bb"]);
        worlds.push(&[]);
        worlds.at(&["config", "--unset", "remote.origin.push"]);
        worlds.push(&["--mirror", "-n", "origin"]);
        worlds.push(&["--mirror", "origin"]);
        worlds.at(&["config", "remote.origin.mirror", "true"]);
        worlds.at(&["branch", "-D", "-q", "b1"]);
        worlds.push(&["origin"]);
        worlds.push(&["origin", "main"]);
    });
}

#[test]
fn s09_defaults_say_where_and_what() {
    each(|worlds| {
        worlds.push(&[]);
        for default in ["nothing", "upstream", "matching", "current", "simple"] {
            worlds.at(&["config", "push.default", default]);
            worlds.push(&["-n"]);
        }
        worlds.at(&["branch", "-q", "--set-upstream-to", "origin/other"]);
        for default in ["upstream", "simple"] {
            worlds.at(&["config", "push.default", default]);
            worlds.push(&[]);
        }
        worlds.at(&["config", "--unset", "push.default"]);
        worlds.push(&[]);
        worlds.at(&["checkout", "-q", "--detach"]);
        worlds.push(&[]);
        worlds.at(&["checkout", "-q", "-b", "fresh"]);
        worlds.push(&["-u", "-n", "origin", "fresh"]);
        worlds.push(&["-u", "origin", "fresh", "b1:bb", ":other"]);
        worlds.push(&["-u", "origin", "HEAD:again"]);
        worlds.push(&[]);
        worlds.at(&["checkout", "-q", "-b", "fresher"]);
        worlds.at(&["config", "push.autoSetupRemote", "true"]);
        worlds.push(&[]);
        worlds.at(&["config", "remote.pushDefault", "../dst.git"]);
        worlds.push(&["-v"]);
        worlds.at(&["config", "push.default", "upstream"]);
        worlds.push(&[]);
        worlds.at(&["config", "branch.fresher.pushRemote", "origin"]);
        worlds.push(&["-v"]);
    });
}

#[test]
fn s09_pre_push_is_asked_and_several_places_are_pushed_to() {
    each(|worlds| {
        for top in worlds.tops() {
            let hook = top.join("src/.git/hooks/pre-push");
            std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
            std::fs::write(&hook, "#!/bin/sh\necho \"$0 $*\"; cat; ! grep -q refuse .git/mood 2>/dev/null\n")
                .unwrap();
            std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
            git(&top, &["clone", "-q", "--mirror", "dst.git", "second.git"]);
        }
        worlds.push(&["origin", "c3:main", ":other", "main:n2", "c1:b1", "HEAD~1:refs/heads/n3"]);
        worlds.push(&["-n", "origin", "c3:n6"]);
        worlds.push(&["../dst.git", "c3:n7"]);
        for top in worlds.tops() {
            std::fs::write(top.join("src/.git/mood"), "refuse").unwrap();
        }
        worlds.push(&["origin", "c3:n8"]);
        worlds.push(&["--no-verify", "origin", "c3:n8"]);
        for top in worlds.tops() {
            let hook = top.join("src/.git/hooks/pre-push");
            std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o644)).unwrap();
        }
        worlds.push(&["origin", "c3:n9"]);
        worlds.at(&["config", "advice.ignoredHook", "false"]);
        worlds.at(&["config", "remote.origin.pushurl", "../dst.git"]);
        worlds.at(&["config", "--add", "remote.origin.pushurl", "../second.git"]);
        worlds.push(&["origin", "main:two"]);
        worlds.push(&["-v", "origin", "main:two"]);
    });
}

#[test]
fn s09_options_and_words_reach_the_other_side() {
    each(|worlds| {
        worlds.push(&["-o", "x", "origin", "main"]);
        for top in worlds.tops() {
            let dst = top.join("dst.git");
            git(&dst, &["config", "receive.advertisePushOptions", "true"]);
            let hook = dst.join("hooks/pre-receive");
            std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
            std::fs::write(&hook, "#!/bin/sh\nenv | grep ^GIT_PUSH_OPTION | sort; echo; echo last\n")
                .unwrap();
            std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        worlds.push(&["-o", "x", "-o", "y z", "origin", "main"]);
        worlds.at(&["config", "push.pushOption", "configured"]);
        worlds.push(&["origin", "main:a"]);
        worlds.push(&["-o", "given", "origin", "main:b"]);
        worlds.push(&["-q", "origin", "main:c"]);
    });
}

#[test]
fn s09_send_pack_pushes_without_the_configuration() {
    each(|worlds| {
        for args in [
            &["--verbose", "../dst.git", "b1"][..],
            &["../dst.git", "c1:refs/heads/main", "c3:refs/heads/sp"],
            &["--dry-run", "--all", "../dst.git"],
            &["../dst.git", "main", "c1:refs/heads/other"],
            &["--atomic", "../dst.git", "c3:refs/heads/x", "c1:refs/heads/main"],
            &["--force", "../dst.git", "c1:main"],
            &["../dst.git"],
            &["../dst.git", "nothere"],
            &["--mirror", "--dry-run", "../dst.git"],
            &["--mirror", "../dst.git"],
            &["--all", "../dst.git", "main"],
            &["../nowhere", "main"],
        ] {
            worlds.run("send-pack", args);
        }
    });
}
