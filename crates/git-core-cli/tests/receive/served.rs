//! Hooks and rules of a repository that is served over the network: by `http-backend` and `daemon` beside git's, and
//! by `serve --hooks`.

use super::common::{Program, command, git};
use super::hooks::{LOG, PROC, TELL};
use super::sides::{Kind, Sides, each};
use super::web::{Daemon, Web};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

/// What listens, twice: git's and ours.
#[allow(dead_code, reason = "they serve as long as they are held")]
enum Servers {
    Web([Web; 2]),
    Daemon([Daemon; 2]),
}

impl Servers {
    fn url(&self, name: &str) -> [String; 2] {
        match self {
            Servers::Web([a, b]) => [a.url(name), b.url(name)],
            Servers::Daemon([a, b]) => [a.url(name), b.url(name)],
        }
    }
}

/// Runs a test in both formats, behind each kind of server.
fn everywhere(kind: Kind, test: impl Fn(&Sides, &Servers)) {
    each(kind, |sides| {
        let [git, own] = sides.tops();
        test(sides, &Servers::Web([Web::new(Program::Git, &git), Web::new(Program::Ours, &own)]));
    });
    each(kind, |sides| {
        let [git, own] = sides.tops();
        let daemon = |program, top: &Path| Daemon::new(program, top, &[]);
        test(sides, &Servers::Daemon([daemon(Program::Git, &git), daemon(Program::Ours, &own)]));
    });
}

#[test]
fn s05_hooks_of_a_served_repository_are_told_what_git_tells_them() {
    everywhere(Kind::Bare, |sides, servers| {
        let url = servers.url("dst");
        for hook in ["pre-receive", "update", "post-receive", "post-update"] {
            sides.hook(hook, TELL);
        }
        sides.hook("reference-transaction", LOG);
        sides.at_server(&["config", "receive.advertisePushOptions", "true"]);
        let said = sides.push_over(&url, &["-o", "one=1", "<url>", "main", "c2:refs/heads/new"]);
        for line in [
            "remote: pre-receive [] in <top>/dst",
            "remote: GIT_QUARANTINE_PATH=<top>/dst/objects/tmp_objdir-incoming-",
            "remote: GIT_PUSH_OPTION_0=one=1",
            "remote: update [refs/heads/new ",
            "remote: post-update [refs/heads/main refs/heads/new]",
        ] {
            assert!(said.contains(line), "{line} in {said}");
        }
        sides.push_over(&url, &["--atomic", "-f", "<url>", "c1:main", ":other", "main:a/b"]);
        let log = sides.same_file_without_aborted("tx.log");
        assert!(log.contains("refs/heads/main\n") && log.contains(" HEAD\n"), "{log}");
    });
}

#[test]
fn s05_hooks_of_a_served_repository_refuse_as_in_git() {
    everywhere(Kind::Bare, |sides, servers| {
        let url = servers.url("dst");
        sides.hook("pre-receive", "echo no; exit 1");
        let said = sides.push_over(&url, &["<url>", "main", "main:b"]);
        assert!(said.contains("(pre-receive hook declined)"), "{said}");
        sides.no_hook("pre-receive");
        sides.hook("update", r#"case "$1" in *main) exit 1;; esac"#);
        let said = sides.push_over(&url, &["<url>", "main", "main:b"]);
        assert!(said.contains("main -> main (hook declined)"), "{said}");
        let said = sides.push_over(&url, &["--atomic", "<url>", "main", "main:c"]);
        assert!(said.contains("(atomic push failure)"), "{said}");
        sides.no_hook("update");
        sides.at_server(&["config", "receive.denyNonFastForwards", "true"]);
        sides.push_over(&url, &["<url>", "main"]);
        let said = sides.push_over(&url, &["-f", "<url>", "c1:main"]);
        assert!(said.contains("denying non-fast-forward"), "{said}");
        sides.at_server(&["config", "receive.denyDeletes", "true"]);
        sides.push_over(&url, &["<url>", ":other"]);
        sides.at_server(&["config", "receive.fsckObjects", "true"]);
        sides.push_over(&url, &["<url>", "refs/tags/bad"]);
    });
}

#[test]
fn s05_proc_receive_of_a_served_repository_takes_commands_over() {
    everywhere(Kind::Bare, |sides, servers| {
        let url = servers.url("dst");
        let id = git(&sides.servers()[0], &["rev-parse", "refs/heads/other"]);
        let answer = |text: &str| {
            for dst in sides.servers() {
                std::fs::write(dst.join("answer"), text).unwrap();
            }
        };
        sides.at_server(&["config", "receive.procReceiveRefs", "refs/for"]);
        sides.hook("proc-receive", PROC);
        answer(&format!("ok refs/for/main/topic\noption refname refs/pull/1\noption new-oid {id}\n"));
        let said = sides.push_over(&url, &["<url>", "main:refs/for/main/topic", "c2:more"]);
        assert!(said.contains("main -> refs/pull/1"), "{said}");
        answer("ng refs/for/main/two not so\n");
        sides.push_over(&url, &["<url>", "main:refs/for/main/two"]);
        sides.same_file("proc.log");
    });
}

#[test]
fn s09_a_served_working_tree_is_brought_along() {
    everywhere(Kind::WithTree, |sides, servers| {
        let url = servers.url("dst/.git");
        let said = sides.push_over(&url, &["<url>", "main"]);
        assert!(said.contains("(branch is currently checked out)"), "{said}");
        sides.at_server(&["config", "receive.denyCurrentBranch", "updateInstead"]);
        sides.push_over(&url, &["<url>", "c2:main"]);
        sides.hook(
            "push-to-checkout",
            r#"echo "$1 $GIT_WORK_TREE $(cd "$GIT_DIR" && pwd)" >"$GIT_DIR/told"; git read-tree -u -m HEAD $1"#,
        );
        sides.push_over(&url, &["<url>", "main"]);
        sides.same_file("told");
        sides.hook("push-to-checkout", "exit 1");
        let said = sides.push_over(&url, &["-f", "<url>", "c1:main"]);
        assert!(said.contains("(push-to-checkout hook declined)"), "{said}");
    });
}

/// Our own server of folders, which runs hooks when it is told to.
struct Serve {
    child: std::process::Child,
    urls: Vec<String>,
    /// It goes on printing.
    _output: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Serve {
    fn new(folder: &Path, more: &[&str]) -> Self {
        let mut serve = command(Program::Ours, folder);
        serve.args(["serve", "--http", "127.0.0.1:0", "--git", "127.0.0.1:0"]).args(more).arg(".");
        let mut child = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let urls = lines.by_ref().skip(1).take(2).map(|line| line.unwrap().trim().to_owned()).collect();
        Serve { child, urls, _output: lines }
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn s05_serve_runs_hooks_when_it_is_told_to() {
    each(Kind::Bare, |sides| {
        let top = &sides.tops()[1];
        for hook in ["pre-receive", "update", "post-receive", "post-update"] {
            sides.hook(hook, TELL);
        }
        sides.hook("reference-transaction", LOG);
        sides.hook("proc-receive", PROC);
        let push = |serve: &Serve, which: usize, args: &[&str]| {
            let url = format!("{}dst", serve.urls[which]);
            let output = command(Program::Git, &top.join("src"))
                .args(["push", "--no-progress", &url])
                .args(args)
                .output()
                .unwrap();
            format!("{:?}\n{}", output.status.code(), String::from_utf8_lossy(&output.stderr))
        };
        let serve = Serve::new(top, &[]);
        let said = push(&serve, 0, &["c2:quiet"]);
        assert!(said.contains("Some(0)") && !said.contains("pre-receive"), "{said}");
        drop(serve);
        let serve = Serve::new(top, &["--hooks"]);
        for (which, branch) in [(0, "over-http"), (1, "over-git")] {
            let said = push(&serve, which, &[&format!("main:{branch}")]);
            let hooks = [
                "pre-receive [] in ",
                "update [refs/heads/",
                "post-receive [] in ",
                "post-update [refs/heads/",
            ];
            for text in hooks.into_iter().chain(["GIT_DIR=.", "GIT_QUARANTINE_PATH="]) {
                assert!(said.contains(&format!("remote: {text}")), "{text} in {said}");
            }
            let log = std::fs::read_to_string(top.join("dst/tx.log")).unwrap();
            assert!(log.contains(&format!("refs/heads/{branch}\n")), "{log}");
        }
        sides.hook("pre-receive", "exit 1");
        let said = push(&serve, 0, &["main:never"]);
        assert!(said.contains("(pre-receive hook declined)"), "{said}");
        assert!(
            command(Program::Git, &top.join("dst"))
                .args(["rev-parse", "-q", "--verify", "never"])
                .output()
                .unwrap()
                .stdout
                .is_empty()
        );
    });
}
