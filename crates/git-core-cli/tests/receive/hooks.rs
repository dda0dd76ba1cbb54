//! Hooks of the server: what they are told, where they run, what becomes of what they print and refuse.

use super::common::{Program, Repo, command, git};
use super::sides::{Kind, each};

pub(super) const TELL: &str = r#"echo "$(basename $0) [$*] in $(pwd)"
env | grep -E '^GIT_(DIR|QUARANTINE_PATH|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|PUSH_OPTION_.*|WORK_TREE)=' | sort
case $(basename $0) in update|post-update) ;; *) cat ;; esac"#;

pub(super) const LOG: &str = r#"{ echo "$*"; cat; } >>tx.log"#;

#[test]
fn s05_hooks_are_told_what_git_tells_them() {
    each(Kind::Bare, |sides| {
        for hook in ["pre-receive", "update", "post-receive", "post-update"] {
            sides.hook(hook, TELL);
        }
        sides.hook("reference-transaction", LOG);
        sides.at_server(&["config", "receive.advertisePushOptions", "true"]);
        let said = sides.push(&["-o", "one=1", "-o", "two words", "../dst", "main", "c2:refs/heads/new"]);
        for line in [
            "remote: pre-receive [] in <top>/dst",
            "remote: GIT_QUARANTINE_PATH=<top>/dst/objects/tmp_objdir-incoming-",
            "remote: GIT_PUSH_OPTION_1=two words",
            "remote: update [refs/heads/new ",
            "remote: post-update [refs/heads/main refs/heads/new]",
        ] {
            assert!(said.contains(line), "{line} in {said}");
        }
        sides.push(&["../dst", ":other", "c1:refs/tags/t"]);
        sides.push(&["--atomic", "-f", "../dst", "c1:main", "main:a/b"]);
        sides.push(&["../dst", ":refs/heads/absent", "main:c"]);
        let log = sides.same_file_without_aborted("tx.log");
        assert!(log.contains("refs/heads/main\n") && log.contains(" HEAD\n"), "{log}");
    });
}

#[test]
fn s05_hooks_refuse_as_in_git() {
    each(Kind::Bare, |sides| {
        sides.hook("pre-receive", "echo no; echo so >&2; exit 1");
        let said = sides.push(&["../dst", "main", "main:b"]);
        assert!(said.contains("(pre-receive hook declined)"), "{said}");
        sides.push(&["--porcelain", "../dst", "main", "main:b"]);
        sides.no_hook("pre-receive");

        sides.hook("update", r#"case "$1" in *main) exit 1;; esac"#);
        let said = sides.push(&["../dst", "main", "main:b"]);
        assert!(said.contains("remote: error: hook declined to update refs/heads/main"), "{said}");
        let said = sides.push(&["--atomic", "../dst", "main", "main:c"]);
        assert!(said.contains("(atomic push failure)"), "{said}");
        sides.no_hook("update");

        // A status for each ref, where git gives up in the middle.
        sides.hook("reference-transaction", r#"! grep -q refs/heads/c"#);
        let said = sides.push_ours(&["../dst", "main:c", "main:d"]);
        assert!(said.contains("remote: error: ref updates aborted by hook"), "{said}");
        assert!(said.contains("main -> c (failed to update ref)") && said.contains("main -> d\n"), "{said}");
        let said = sides.push_ours(&["--atomic", "../dst", "main:c", "main:e"]);
        assert!(said.contains("main -> e (atomic transaction failed)"), "{said}");
        sides.no_hook("reference-transaction");

        for dst in sides.servers() {
            let _ = command(Program::Git, &dst).args(["update-ref", "-d", "refs/heads/d"]).status();
        }
        sides.hook("post-receive", "cat; exit 3");
        sides.hook("post-update", "exit 3");
        sides.push(&["../dst", "main"]);
    });
}

#[test]
fn s05_hooks_see_what_git_lets_them_see() {
    each(Kind::Bare, |sides| {
        sides.hook(
            "pre-receive",
            "while read old new ref; do git cat-file -t $new; git rev-parse -q --verify $ref; done",
        );
        // In its quarantine a hook may not change refs; later it may.
        sides.hook("update", "git log --format=%s $3; git rev-parse refs/heads/first 2>/dev/null; :");
        sides.hook(
            "post-receive",
            "while read old new ref; do git update-ref refs/seen/$ref $new; git log --format=%s $ref; done",
        );
        sides.push(&["../dst", "main", "main:first", "main:second"]);
        sides.hook("pre-receive", "git update-ref refs/heads/sly $(cut -d' ' -f2)");
        let said = sides.push(&["../dst", "c2:third"]);
        assert!(said.contains("(pre-receive hook declined)"), "{said}");
    });
}

#[test]
fn s05_hooks_lie_where_git_looks_for_them() {
    each(Kind::WithTree, |sides| {
        sides.hook("post-update", r#"echo "$0 $(pwd) $GIT_DIR""#);
        sides.push(&["../dst", "main:x"]);
        sides.script("elsewhere/post-update", r#"echo "there $0 $(pwd)""#, 0o755);
        sides.at_server(&["config", "core.hooksPath", "elsewhere"]);
        let said = sides.push(&["../dst", "main:y"]);
        assert!(said.contains("there elsewhere/post-update"), "{said}");
        // One that may not be executed is told of, and not run.
        sides.script("elsewhere/pre-receive", "exit 1", 0o644);
        let said = sides.push(&["../dst", "main:z"]);
        assert!(said.contains("hint: The 'elsewhere/pre-receive' hook was ignored"), "{said}");
        sides.at_server(&["config", "advice.ignoredHook", "false"]);
        let said = sides.push(&["../dst", "c1:refs/heads/v"]);
        assert!(!said.contains("hint"), "{said}");
        // A script need not say what runs it.
        for dst in sides.servers() {
            std::fs::write(dst.join(".git/elsewhere/post-update"), "echo plain $1\n").unwrap();
        }
        let said = sides.push(&["../dst", "c1:refs/heads/w"]);
        assert!(said.contains("remote: plain refs/heads/w"), "{said}");
    });
}

#[test]
fn s05_nothing_that_a_hook_says_is_lost() {
    each(Kind::Bare, |sides| {
        sides.hook("pre-receive", "i=0; while [ $i -lt 20000 ]; do echo line $i of many; i=$((i+1)); done");
        let said = sides.push(&["../dst", "main"]);
        assert!(said.contains("remote: line 19999 of many"), "the end of it is missing");
    });
}

#[test]
fn s05_local_transactions_run_the_hook_too() {
    for format in super::common::FORMATS {
        let mut logs = Vec::new();
        for program in [Program::Git, Program::Ours] {
            let repo = Repo::small(format);
            let run = |args: &[&str], input: &str| {
                use std::io::Write as _;
                let mut child = command(program, &repo.path)
                    .args(args)
                    .stdin(std::process::Stdio::piped())
                    .stdout(std::process::Stdio::piped())
                    .stderr(std::process::Stdio::piped())
                    .spawn()
                    .unwrap();
                child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
                let output = child.wait_with_output().unwrap();
                format!(
                    "{:?} {}{}",
                    output.status.code(),
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr)
                )
            };
            let hook = repo.path.join(".git/hooks/reference-transaction");
            std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
            let script = format!(
                "#!/bin/sh\n{LOG}\ngrep -q refs/never tx.log && [ $1 = prepared ] && exit 1\nexit 0\n"
            );
            std::fs::write(&hook, script).unwrap();
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
            let mut said = String::new();
            for args in [
                &["update-ref", "refs/heads/b1", "HEAD~1"][..],
                &["update-ref", "refs/heads/b1", "HEAD", "HEAD~1"],
                &["update-ref", "refs/heads/b1", "HEAD", "HEAD~1"],
                &["update-ref", "HEAD", "HEAD~1"],
                &["symbolic-ref", "HEAD", "refs/heads/b1"],
                &["update-ref", "-d", "refs/heads/b1"],
            ] {
                said += &run(args, "");
            }
            let batch = "start\ncreate refs/x/1 refs/heads/side\nverify refs/heads/side refs/heads/side\n";
            said += &run(&["update-ref", "--stdin"], &format!("{batch}prepare\nabort\n"));
            said += &run(&["update-ref", "--stdin"], &format!("{batch}prepare\ncommit\n"));
            said += &run(&["update-ref", "refs/never/1", "refs/heads/side"], "");
            let log = std::fs::read_to_string(repo.path.join("tx.log")).unwrap();
            logs.push(without_packing(&log) + &said + &git(&repo.path, &["for-each-ref"]));
        }
        assert_eq!(logs[0], logs[1], "{format}: left git's, right ours");
    }
}

/// git tells the hook of the part of a deletion that concerns `packed-refs` alone, too: with ids of zeros.
pub(super) fn without_packing(log: &str) -> String {
    let (mut out, mut block) = (String::new(), String::new());
    for line in log.lines().chain(["end"]) {
        if matches!(line, "prepared" | "committed" | "aborted" | "end") {
            let zeros = |line: &str| line.split(' ').take(2).all(|id| id.bytes().all(|b| b == b'0'));
            let told = block.lines().skip(1).any(|line| !zeros(line));
            if told {
                out += &block;
            }
            block.clear();
        }
        block += line;
        block.push('\n');
    }
    out
}

impl super::sides::Sides {
    /// As [`same_file`](super::sides::Sides::same_file), without what git says of `packed-refs`.
    pub(super) fn same_file_without_aborted(&self, path: &str) -> String {
        let texts: Vec<_> = self
            .servers()
            .iter()
            .map(|dst| without_packing(&std::fs::read_to_string(dst.join(path)).unwrap()))
            .collect();
        assert_eq!(texts[0], texts[1], "{}: {path}: left git's, right ours", self.format);
        texts[0].clone()
    }
}

/// Reads what it is told into a log, and answers what the file `answer` says.
pub(super) const PROC: &str = r#"rd() {
  n=$(head -c 4)
  [ "$n" = 0000 ] && { echo flush >>proc.log; return 1; }
  [ -n "$n" ] || exit 1
  head -c $((0x$n - 4)) | tr '\000' '@' >>proc.log; echo >>proc.log
}
wr() { printf '%04x%s' $((${#1} + 4)) "$1"; }
while rd; do :; done
wr version=1; printf 0000
while rd; do :; done
echo proc says hello >&2
while read -r line; do wr "$line"; done <answer
printf 0000"#;

#[test]
fn s05_proc_receive_takes_commands_over_as_in_git() {
    each(Kind::Bare, |sides| {
        let id = git(&sides.servers()[0], &["rev-parse", "refs/heads/other"]);
        let answer = |text: &str| {
            for dst in sides.servers() {
                std::fs::write(dst.join("answer"), text).unwrap();
            }
        };
        sides.at_server(&["config", "receive.procReceiveRefs", "refs/for"]);
        sides.at_server(&["config", "receive.advertisePushOptions", "true"]);
        let said = sides.push(&["../dst", "main:refs/for/main/topic", "main:free"]);
        assert!(said.contains("(fail to run proc-receive hook)"), "{said}");
        sides.hook("proc-receive", PROC);
        sides.hook("update", "echo update $*");
        sides.hook("post-receive", "cat");
        answer(&format!("ok refs/for/main/topic\noption refname refs/pull/1\noption new-oid {id}\n"));
        sides.push(&["../dst", "main:refs/for/main/topic", "c2:more"]);
        answer("ok refs/for/main/topic\n");
        sides.push(&["-o", "opt", "../dst", "main:refs/for/main/topic"]);
        answer("ok refs/for/main/topic\noption fall-through\n");
        sides.push(&["../dst", "main:refs/for/main/topic"]);
        answer("ng refs/for/main/two not so\n");
        sides.push(&["../dst", "main:refs/for/main/two"]);
        sides.push(&["--atomic", "../dst", "main:refs/for/main/two", "main:never"]);
        answer("");
        sides.push(&["../dst", "main:refs/for/main/two"]);
        answer(&format!(
            "ok refs/for/main/two\noption refname refs/pull/1\noption old-oid {id}\nok refs/for/main/two\n\
             option refname refs/pull/2\noption forced-update\noption old-oid {id}\n"
        ));
        sides.push(&["../dst", "main:refs/for/main/two"]);
        sides.push(&["--atomic", "../dst", "main:refs/for/main/two", "main:zz"]);
        answer("ok refs/for/x\nbad\n");
        sides.push(&["../dst", "main:refs/for/main/two"]);
        sides.at_server(&["config", "receive.procReceiveRefs", "a:refs/for"]);
        sides.push(&["-f", "../dst", "c1:refs/for/main/topic"]);
        let log = sides.same_file("proc.log");
        assert!(log.contains("refs/for/main/topic"), "{log}");
    });
}
