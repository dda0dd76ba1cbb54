//! Commands that change refs leave a repository as git leaves it.

#![allow(clippy::unwrap_used)]

mod common;

use common::{FORMATS, Program, Repo, command, git, run};
use std::path::Path;

/// Everything there is to know of the refs of a repository.
fn state(directory: &Path) -> String {
    let mut text = git(directory, &["for-each-ref", "--format=%(refname) %(objectname) %(symref)"]);
    text.push_str(&std::fs::read_to_string(directory.join(".git/HEAD")).unwrap());
    for log in ["HEAD", "refs/heads/master", "refs/heads/new", "refs/odd/logged"] {
        if let Ok(log) = std::fs::read_to_string(directory.join(".git/logs").join(log)) {
            text.push_str(&log);
        }
    }
    text
}

/// Does the same in two repositories, one with each program; they must stay alike.
fn both(steps: &[(&[&str], &str)]) {
    for format in FORMATS {
        let (theirs, ours) = (Repo::small(format), Repo::small(format));
        for (args, input) in steps {
            let input = input.replace('|', "\0");
            let theirs_said = run(Program::Git, &theirs.path, args, input.as_bytes());
            let ours_said = run(Program::Ours, &ours.path, args, input.as_bytes());
            let shown = format!(
                "{args:?} {input:?}\n{}\n{}",
                String::from_utf8_lossy(&theirs_said.stderr),
                String::from_utf8_lossy(&ours_said.stderr)
            );
            assert_eq!(theirs_said.status.code(), ours_said.status.code(), "{shown}");
            assert_eq!(theirs_said.stdout, ours_said.stdout, "{shown}");
            assert_eq!(state(&theirs.path), state(&ours.path), "{shown}");
        }
        assert_eq!(git(&ours.path, &["fsck", "--strict"]), "");
    }
}

#[test]
fn s05_update_ref() {
    both(&[
        (&["update-ref", "refs/heads/new", "HEAD"], ""),
        (&["update-ref", "-m", "a reason", "refs/heads/new", "HEAD~1"], ""),
        (&["update-ref", "refs/heads/new", "HEAD", "HEAD~2"], ""),
        (&["update-ref", "refs/heads/new", "HEAD", "HEAD~1"], ""),
        (&["update-ref", "refs/heads/new", "HEAD", ""], ""),
        (&["update-ref", "refs/heads/other", "HEAD", ""], ""),
        (&["update-ref", "-m", "through", "HEAD", "HEAD~1"], ""),
        (&["update-ref", "refs/heads/sym", "HEAD~1"], ""),
        (&["update-ref", "--no-deref", "refs/heads/sym", "HEAD"], ""),
        (&["update-ref", "--create-reflog", "-m", "log it", "refs/odd/logged", "HEAD"], ""),
        (&["update-ref", "refs/heads/new/below", "HEAD"], ""),
        (&["update-ref", "refs/heads/x", "nope"], ""),
        (&["update-ref", "bad..name", "HEAD"], ""),
        (&["update-ref", "-m", "", "refs/heads/x", "HEAD"], ""),
        (&["update-ref", "-d", "refs/heads/new", "HEAD~2"], ""),
        (&["update-ref", "-d", "refs/heads/new"], ""),
        (&["update-ref", "-d", "refs/heads/nope"], ""),
        (&["update-ref", "refs/heads/only"], ""),
        (&["update-ref", "refs/heads/master", "HEAD:f"], ""),
    ]);
}

#[test]
fn s05_update_ref_from_standard_input() {
    both(&[
        (
            &["update-ref", "--stdin"],
            "create refs/heads/a HEAD\nupdate refs/heads/b HEAD~1\nverify refs/heads/c\n",
        ),
        (&["update-ref", "--stdin"], "create refs/heads/d HEAD\ncreate refs/heads/a HEAD\n"),
        (&["update-ref", "--stdin"], "update refs/heads/a HEAD~1 HEAD~2\n"),
        (&["update-ref", "--stdin"], "update refs/heads/a HEAD~1 HEAD\ndelete refs/heads/b HEAD~1\n"),
        (&["update-ref", "--stdin"], "option no-deref\nupdate refs/heads/sym HEAD\n"),
        (&["update-ref", "--stdin"], "update \"refs/heads/q\\303\\251\" HEAD\n"),
        (&["update-ref", "--stdin"], "start\ncreate refs/heads/e HEAD\nprepare\ncommit\n"),
        (
            &["update-ref", "--stdin"],
            "start\ncreate refs/heads/e2 HEAD\nabort\nstart\ncreate refs/heads/e3 HEAD\ncommit\n",
        ),
        (&["update-ref", "--stdin"], "start\ncreate refs/heads/f HEAD\n"),
        (&["update-ref", "--stdin"], "start\ncreate refs/heads/a HEAD\nprepare\n"),
        (&["update-ref", "--stdin"], "commit\ncreate refs/heads/g HEAD\n"),
        (&["update-ref", "--stdin"], "frob refs/heads/a\n"),
        (&["update-ref", "--stdin"], "update refs/heads/a..b HEAD\n"),
        (&["update-ref", "--stdin"], "create refs/heads/h\n"),
        (&["update-ref", "--stdin"], "delete refs/heads/a HEAD extra\n"),
        (&["update-ref", "--stdin"], "\n"),
        (&["update-ref", "--stdin"], "create refs/heads/m HEAD\ncreate refs/heads/m HEAD\n"),
        (&["update-ref", "-z", "--stdin"], "create refs/heads/z|HEAD|update refs/heads/y|HEAD~1||"),
        (&["update-ref", "-z", "--stdin"], "update refs/heads/z|HEAD~1|HEAD|delete refs/heads/y||"),
        (&["update-ref", "-z", "--stdin"], "update refs/heads/z|HEAD~1|"),
        (&["update-ref", "--no-deref", "--stdin"], "symref-create refs/heads/s1 refs/heads/master\n"),
        (
            &["update-ref", "--no-deref", "--stdin"],
            "symref-update refs/heads/s1 refs/heads/side ref refs/heads/master\n",
        ),
        (&["update-ref", "--no-deref", "--stdin"], "symref-verify refs/heads/s1 refs/heads/side\n"),
        (&["update-ref", "--no-deref", "--stdin"], "symref-delete refs/heads/s1 refs/heads/side\n"),
        (&["update-ref", "-m", "in a batch", "--stdin"], "update refs/heads/master HEAD~1\n"),
    ]);
}

#[test]
fn s05_symbolic_ref() {
    both(&[
        (&["symbolic-ref", "HEAD"], ""),
        (&["symbolic-ref", "--short", "HEAD"], ""),
        (&["symbolic-ref", "-m", "over there", "HEAD", "refs/heads/side"], ""),
        (&["symbolic-ref", "refs/heads/chain", "refs/heads/sym"], ""),
        (&["symbolic-ref", "refs/heads/chain"], ""),
        (&["symbolic-ref", "--no-recurse", "refs/heads/chain"], ""),
        (&["symbolic-ref", "-d", "refs/heads/chain"], ""),
        (&["symbolic-ref", "refs/heads/master"], ""),
        (&["symbolic-ref", "-q", "refs/heads/master"], ""),
        (&["symbolic-ref", "-q", "refs/heads/nope"], ""),
        (&["symbolic-ref", "-d", "HEAD"], ""),
        (&["symbolic-ref", "-d", "refs/heads/master"], ""),
        (&["symbolic-ref", "-d", "-q", "refs/heads/master"], ""),
        (&["symbolic-ref", "HEAD", "elsewhere"], ""),
        (&["symbolic-ref", "refs/heads/x", "refs/heads/a..b"], ""),
        (&["symbolic-ref", "HEAD", "refs/heads/unborn"], ""),
        (&["symbolic-ref"], ""),
    ]);
}

#[test]
fn the_surroundings_of_a_command_count() {
    let repo = Repo::small("sha1");
    let outside = repo.path.parent().unwrap();
    for program in [Program::Git, Program::Ours] {
        let with = |name: &str, value: &str| {
            let mut command = command(program, outside);
            command.env(name, value).args(["rev-parse", "--short=10", "HEAD"]);
            command.output().unwrap()
        };
        let found = with("GIT_DIR", repo.path.join(".git").to_str().unwrap());
        assert_eq!(
            found.stdout,
            format!("{}\n", git(&repo.path, &["rev-parse", "--short=10", "HEAD"])).as_bytes()
        );
        let lost = with("GIT_DIR", "nowhere");
        assert_eq!((lost.status.code(), &lost.stdout[..]), (Some(128), &b""[..]));
        assert_eq!(String::from_utf8_lossy(&lost.stderr), "fatal: not a git repository: 'nowhere'\n");
    }
}
