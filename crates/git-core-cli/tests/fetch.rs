//! `fetch` beside git's, from repositories that git made: the same is printed and the same is there afterwards.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
mod remotes;

use common::{Program, git, run};
use remotes::{Worlds, each};

#[test]
fn s07_what_is_fetched_is_stored_and_told_as_in_git() {
    each(|worlds| {
        worlds.fetch(&[]);
        worlds.fetch(&["-v"]);
        worlds.fetch(&["origin", "main"]);
        worlds.fetch(&["origin", "main", "b1:x"]);
        worlds.fetch(&["origin", "main", "main"]);
        worlds.fetch(&["origin", "refs/heads/*:refs/x/*"]);
        worlds.fetch(&["origin", "main:x2", "+main:x2"]);
        worlds.fetch(&["origin", "main", "b1", "main:yy", "HEAD"]);
        worlds.fetch(&["origin", "tag", "c1"]);
        worlds.fetch(&["origin", "c1", "ann"]);
        worlds.fetch(&["origin", "c1:refs/heads/of-tag", "ann:refs/zz/ann"]);
        worlds.fetch(&["../two"]);
        worlds.fetch(&["-q", "../two", "main:quiet"]);
        let id = git(&worlds.tops()[0].join("src"), &["rev-parse", "b2"]);
        worlds.fetch(&["origin", &id]);
        worlds.fetch(&["--no-tags", "origin", &id]);
        worlds.fetch(&["origin", &format!("{id}:refs/heads/id")]);
        worlds.fetch(&["origin", "main:x3", "b1:x3"]);
        worlds.fetch(&["origin", "b1:refs/remotes/origin/main"]);
        worlds.fetch(&["origin", "b1:refs/remotes/origin/a/long/name"]);
        worlds.fetch(&["origin", "nope"]);
        worlds.fetch(&["nope"]);
        worlds.fetch(&["origin", "main:x..y"]);
        worlds.fetch(&["-a", "origin", "b1"]);
        worlds.fetch(&["--no-write-fetch-head", "origin", "b1"]);
        worlds.fetch(&["--dry-run", "origin", "b2:foo", "main"]);
        worlds.fetch_with(&["--stdin", "origin"], b"main:qq\nb2\n");
        worlds.fetch_with(&["--stdin", "origin", "b1"], b"");
        worlds.fetch(&["origin", "tag"]);
        worlds.fetch(&["--bogus"]);
    });
}

#[test]
fn s07_branches_that_are_checked_out_stay() {
    each(|worlds| {
        worlds.fetch(&["origin", "main:main"]);
        worlds.fetch(&["-u", "origin", "main:main"]);
        worlds.here(&["reset", "-q", "--hard"]);
        worlds.here(&["worktree", "add", "-q", "-b", "linked", "../linked"]);
        worlds.fetch(&["origin", "main:linked"]);
        worlds.fetch(&["origin", "b1:main"]);
        worlds.fetch(&["-u", "origin", "b1:main"]);
        worlds.fetch(&["-u", "-f", "origin", "b1:main"]);
        worlds.fetch(&["origin", "b1:main", "main:linked"]);
    });
}

#[test]
fn s07_what_moves_elsewhere_is_told_as_in_git() {
    each(|worlds| {
        worlds.fetch(&["-q"]);
        worlds.there(&["tag", "-f", "c1", "c3"]);
        worlds.there(&["branch", "-f", "b2", "c1"]);
        worlds.there(&["branch", "-f", "a/long/name", "c1~2"]);
        worlds.fetch(&["--dry-run"]);
        worlds.fetch(&["--porcelain", "--dry-run"]);
        worlds.fetch(&["origin", "refs/heads/*:refs/remotes/origin/*"]);
        worlds.fetch(&["--porcelain"]);
        worlds.there(&["branch", "-f", "b2", "c2"]);
        worlds.fetch(&["--no-show-forced-updates"]);
        worlds.there(&["branch", "-f", "b2", "c1"]);
        worlds.here(&["config", "fetch.showForcedUpdates", "false"]);
        worlds.fetch(&[]);
        worlds.here(&["config", "advice.fetchShowForcedUpdates", "false"]);
        worlds.fetch(&["origin", "b1"]);
        worlds.there(&["branch", "-f", "b2", "c3"]);
        worlds.fetch(&["--show-forced-updates"]);
        worlds.fetch(&["--tags"]);
        worlds.fetch(&["--tags", "--force"]);
        worlds.there(&["tag", "-f", "c2", "c3"]);
        worlds.fetch(&["origin", "refs/tags/*:refs/tags/*"]);
        worlds.fetch(&["origin", "+refs/tags/*:refs/tags/*"]);
        worlds.there(&["tag", "file", "c3:f"]);
        worlds.fetch(&["--tags"]);
        worlds.fetch(&["origin", "file", "tag", "file"]);
        worlds.there(&["branch", "-D", "-q", "b1"]);
        worlds.there(&["branch", "b1/sub"]);
        worlds.fetch(&[]);
        worlds.fetch(&["--porcelain"]);
        worlds.fetch(&["-q"]);
        worlds.fetch(&["-p"]);
    });
}

#[test]
fn s07_layouts_of_the_table() {
    each(|worlds| {
        worlds.here(&["config", "fetch.output", "compact"]);
        worlds.fetch(&[]);
        worlds.fetch(&["-v", "origin", "main", "a/long/name:name", "b1:b1/x", "c1:refs/tags/c1"]);
        worlds.fetch(&["--porcelain", "-v"]);
        worlds.fetch(&["--porcelain", "--no-porcelain", "-v"]);
        worlds.here(&["config", "fetch.output", "FULL"]);
        worlds.fetch(&["-v"]);
        worlds.here(&["config", "fetch.output", "bad"]);
        worlds.fetch(&[]);
        worlds.here(&["config", "--unset", "fetch.output"]);
        let long = "long/".repeat(12);
        worlds.there(&["branch", &format!("{long}branch")]);
        worlds.fetch(&[]);
        worlds.here(&["config", "core.abbrev", "12"]);
        worlds.there(&["branch", "-f", "b1", "c3"]);
        worlds.fetch(&["-v"]);
    });
}

#[test]
fn s07_pruning() {
    each(|worlds| {
        worlds.fetch(&["-q"]);
        worlds.there(&["branch", "-D", "-q", "b1"]);
        worlds.there(&["branch", "b1/sub"]);
        worlds.there(&["symbolic-ref", "HEAD", "refs/heads/b2"]);
        worlds.here(&["remote", "set-head", "origin", "-a"]);
        worlds.there(&["symbolic-ref", "HEAD", "refs/heads/main"]);
        worlds.there(&["branch", "-m", "b2", "b3"]);
        worlds.fetch(&["-p", "--dry-run"]);
        worlds.fetch(&["-p", "--porcelain", "--dry-run"]);
        worlds.here(&["config", "fetch.prune", "true"]);
        worlds.here(&["config", "remote.origin.prune", "false"]);
        worlds.fetch(&["--dry-run"]);
        worlds.here(&["config", "--unset", "remote.origin.prune"]);
        worlds.fetch(&["--no-prune", "--dry-run"]);
        worlds.fetch(&[]);
        worlds.here(&["tag", "mine", "origin/main"]);
        worlds.fetch(&["-P", "--no-prune"]);
        worlds.fetch(&["-P", "--dry-run", "origin"]);
        worlds.fetch(&["-P", "origin", "main"]);
        worlds.here(&["config", "fetch.pruneTags", "true"]);
        worlds.here(&["config", "remote.origin.pruneTags", "false"]);
        worlds.fetch(&[]);
        worlds.fetch(&["../src"]);
        worlds.here(&["tag", "mine2", "origin/main"]);
        worlds.fetch(&["--no-prune-tags", "--tags"]);
        worlds.fetch(&["--no-tags", "--prune-tags", "origin"]);
        worlds.fetch(&["origin", "refs/tags/*:refs/tags/*"]);
        worlds.here(&["update-ref", "refs/remotes/origin/gone", "origin/main"]);
        worlds.here(&["config", "--add", "remote.origin.fetch", "^refs/heads/gone"]);
        worlds.here(&["config", "--add", "remote.origin.fetch", "^refs/heads/b3"]);
        worlds.fetch(&["-v"]);
        worlds.fetch(&["-p", "origin", "refs/heads/*:refs/remotes/origin/*"]);
        worlds.fetch(&["-p", "origin", "refs/heads/*:refs/other/*", "^refs/heads/main"]);
    });
}

#[test]
fn s07_where_refs_are_stored_besides() {
    each(|worlds| {
        worlds.fetch(&["--refmap=", "origin", "main"]);
        worlds.fetch(&["--refmap=refs/heads/*:refs/zz/*", "origin", "main", "b1:x"]);
        worlds.fetch(&[
            "--refmap",
            "refs/heads/*:refs/zz/*",
            "--refmap=refs/heads/*:refs/yy/*",
            "origin",
            "b1",
        ]);
        worlds.fetch(&["--refmap=refs/heads/*:refs/zz/*"]);
        worlds.fetch(&["origin", "main"]);
        worlds.fetch(&["origin", "b2:refs/remotes/origin/main"]);
        worlds.here(&["config", "--add", "remote.origin.fetch", "refs/heads/main:refs/also/main"]);
        worlds.fetch(&["origin", "main"]);
        worlds.fetch(&["-v", "--porcelain", "origin", "b2", "b1:xx"]);
    });
}

#[test]
fn s07_what_is_to_be_merged_is_marked() {
    each(|worlds| {
        worlds.fetch(&["-q"]);
        worlds.here(&["checkout", "-q", "-b", "topic", "origin/b2"]);
        for merge in ["refs/heads/main", "b1", "refs/heads/nope", "refs/tags/c1"] {
            worlds.here(&["config", "branch.topic.merge", merge]);
            worlds.fetch(&["-v"]);
        }
        worlds.here(&["config", "branch.topic.merge", "refs/heads/b1"]);
        worlds.here(&["config", "--add", "branch.topic.merge", "refs/heads/main"]);
        worlds.fetch(&["-v", "origin"]);
        worlds.fetch(&["two"]);
        worlds.fetch(&["origin", "b2"]);
        worlds.here(&["config", "branch.topic.remote", "../two"]);
        worlds.fetch(&[]);
        worlds.here(&["config", "branch.topic.merge", "refs/heads/main", "b1"]);
        worlds.here(&["config", "--replace-all", "branch.topic.merge", "refs/heads/main"]);
        worlds.fetch(&[]);
        worlds.here(&["config", "branch.topic.remote", "."]);
        worlds.here(&["config", "branch.topic.merge", "refs/heads/topic"]);
        worlds.fetch(&[]);
        worlds.here(&["config", "--remove-section", "branch.topic"]);
        worlds.here(&["config", "remote.origin.fetch", "refs/heads/main"]);
        worlds.fetch(&[]);
        worlds.here(&["config", "--unset", "remote.origin.fetch"]);
        worlds.fetch(&[]);
    });
}

#[test]
fn s07_upstream_is_set() {
    each(|worlds| {
        worlds.fetch(&["-q"]);
        worlds.here(&["checkout", "-q", "-b", "topic", "--no-track", "origin/b2"]);
        worlds.fetch(&["--set-upstream", "origin", "main", "b1"]);
        worlds.fetch(&["--set-upstream", "origin"]);
        worlds.fetch(&["--set-upstream", "origin", "c1"]);
        worlds.fetch(&["--set-upstream", "origin", "nope"]);
        worlds.fetch(&["--set-upstream", "origin", "main"]);
        worlds.fetch(&["--set-upstream", "origin", "HEAD"]);
        worlds.fetch(&["--set-upstream", "../src", "b1"]);
        worlds.here(&["checkout", "-q", "--detach"]);
        worlds.fetch(&["--set-upstream", "origin", "main"]);
    });
}

#[test]
fn s07_several_remotes() {
    each(|worlds| {
        worlds.fetch(&["--all"]);
        worlds.fetch(&["--all", "-v"]);
        worlds.fetch(&["--all", "--porcelain", "-v"]);
        worlds.fetch(&["--all", "origin"]);
        worlds.fetch(&["--all", "origin", "main"]);
        worlds.fetch(&["--multiple"]);
        worlds.fetch(&["--multiple", "two", "origin"]);
        worlds.fetch(&["--multiple", "origin", "nope"]);
        worlds.here(&["config", "remotes.group", "origin two"]);
        worlds.fetch(&["group"]);
        worlds.fetch(&["group", "main"]);
        worlds.fetch(&["--multiple", "group", "origin", "origin"]);
        worlds.here(&["config", "fetch.all", "true"]);
        worlds.fetch(&[]);
        worlds.fetch(&["--no-all"]);
        worlds.fetch(&["two"]);
        worlds.here(&["config", "remote.two.skipFetchAll", "true"]);
        worlds.fetch(&[]);
        worlds.here(&["config", "remote.two.skipDefaultUpdate", "false"]);
        worlds.fetch(&["-v"]);
        worlds.here(&["config", "remote.two.skipFetchAll", "yes"]);
        worlds.here(&["config", "--unset", "remote.two.skipDefaultUpdate"]);
        worlds.here(&["remote", "add", "bad", "../nothing"]);
        worlds.fetch(&["bad"]);
        worlds.fetch(&["--all"]);
        worlds.there(&["branch", "new1"]);
        worlds.fetch(&["--all", "-j", "2", "-q"]);
        worlds.fetch(&["--multiple", "-j3", "bad"]);
        worlds.here(&["config", "fetch.parallel", "0"]);
        worlds.fetch(&["--multiple", "-q", "two", "bad"]);
        worlds.here(&["config", "fetch.parallel", "-1"]);
        worlds.fetch(&["--multiple", "two", "bad"]);
        worlds.fetch(&["--atomic", "--multiple", "two", "bad"]);
        worlds.fetch(&["--stdin", "--multiple", "two", "bad"]);
        worlds.fetch(&["--filter=blob:none", "--multiple", "two", "bad"]);
        worlds.fetch(&["--jobs=x"]);
    });
}

#[test]
fn s07_remotes_at_the_same_time() {
    each(|worlds| {
        // What two say comes in any order.
        let said = worlds.fetch_sorted(&["--all", "-j", "2", "-v", "--no-tags"]);
        assert!(said.contains("From ../two") && said.contains("From ../src"), "{said}");
        worlds.here(&["remote", "add", "bad", "../nothing"]);
        worlds.fetch_sorted(&["--all", "-j", "3", "-v", "-p", "--no-tags"]);
    });
}

#[test]
fn s07_all_or_none() {
    each(|worlds| {
        worlds.fetch(&["--atomic"]);
        worlds.there(&["branch", "-f", "b2", "c1"]);
        worlds.there(&["branch", "new"]);
        worlds.fetch(&["--atomic", "origin", "refs/heads/*:refs/remotes/origin/*"]);
        worlds.fetch(&["--atomic", "--append", "origin", "refs/heads/*:refs/remotes/origin/*"]);
        worlds.there(&["branch", "-D", "-q", "a/long/name"]);
        worlds.fetch(&["--atomic", "-p", "origin"]);
        worlds.fetch(&["--atomic", "origin", "main:new", "b1:newer"]);
    });
}

#[test]
fn s07_packs_and_graphs_that_are_left() {
    each(|worlds| {
        let left = |worlds: &Worlds, below: &str, end: &str| {
            let count = |top: &std::path::PathBuf| {
                let found =
                    std::fs::read_dir(top.join("here/.git/objects").join(below)).into_iter().flatten();
                found
                    .filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().ends_with(end))
                    .count()
            };
            let counts: Vec<_> = worlds.tops().iter().map(count).collect();
            assert_eq!(counts[0], counts[1], "{below}/*{end}");
            counts[0]
        };
        worlds.fetch(&["origin", "b1"]);
        assert_eq!(left(worlds, "pack", ".pack"), 0);
        worlds.fetch(&["-k", "origin", "b2"]);
        assert_eq!((left(worlds, "pack", ".pack"), left(worlds, "pack", ".keep")), (1, 0));
        worlds.here(&["config", "fetch.unpackLimit", "1"]);
        worlds.fetch(&["--write-commit-graph"]);
        assert_eq!(left(worlds, "pack", ".pack"), 2);
        assert_eq!(left(worlds, "info/commit-graphs", ".graph"), 1);
        worlds.fetch(&["--no-auto-gc", "--no-auto-maintenance", "--no-write-commit-graph", "-4", "-6"]);
        worlds.here(&["config", "gc.autoPackLimit", "1"]);
        worlds.here(&["config", "gc.autoDetach", "false"]);
        worlds.fetch(&["-q"]);
        left(worlds, "pack", ".pack");
    });
}

/// Git 2.47 knows nothing of this, so that there is nothing to be beside; 2.48 and later do the same.
#[test]
fn s07_what_stands_for_the_remote_follows_its_head_where_it_shall() {
    each(|worlds| {
        let here = worlds.tops()[1].join("here");
        let src = worlds.tops()[1].join("src");
        let fetch = |args: &[&str]| {
            let output = run(Program::Ours, &here, &[&["fetch"], args].concat(), b"");
            assert!(output.status.success(), "{output:?}");
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap())
        };
        let head = || {
            let found = git(&here, &["for-each-ref", "--format=%(symref)", "refs/remotes/origin/HEAD"]);
            found.strip_prefix("refs/remotes/origin/").unwrap_or(&found).to_owned()
        };
        let set = |key: &str, value: &str| git(&here, &["config", key, value]);
        let own = "remote.origin.followRemoteHEAD";
        // Nothing is said of it: as in 2.47.
        fetch(&[]);
        assert_eq!(head(), "");
        set(own, "never");
        fetch(&[]);
        assert_eq!(head(), "");
        // Only what is usually fetched concerns it.
        set(own, "create");
        fetch(&["origin", "main"]);
        fetch(&["origin", "refs/heads/*:refs/remotes/origin/*"]);
        fetch(&["--dry-run"]);
        fetch(&["../src"]);
        assert_eq!(head(), "");
        assert_eq!(fetch(&[]), ["", ""]);
        assert_eq!(head(), "main");
        let log = std::fs::read_to_string(here.join(".git/logs/refs/remotes/origin/HEAD")).unwrap();
        assert!(log.ends_with("\tfetch\n") && log.lines().count() == 1, "{log}");

        git(&src, &["symbolic-ref", "HEAD", "refs/heads/b2"]);
        assert_eq!(fetch(&[]), ["", ""]);
        assert_eq!(head(), "main");
        let differs = "'HEAD' at 'origin' is 'b2', but we have 'main' locally.\n";
        for value in ["warn", "warn-if-not-b1"] {
            set(own, value);
            let [stdout, stderr] = fetch(&[]);
            assert_eq!(stdout, differs);
            assert!(stderr.starts_with("hint: Run 'git remote set-head origin b2'"), "{stderr}");
            assert!(
                stderr.contains("\nhint: 'git config set remote.origin.followRemoteHEAD warn-if-not-b2'\n")
            );
            assert_eq!(fetch(&["-q"]), ["", ""]);
            assert_eq!(head(), "main");
        }
        set("advice.fetchRemoteHEADWarn", "false");
        assert_eq!(fetch(&["-j", "2"]), [differs, ""]);
        set(own, "warn-if-not-b2");
        assert_eq!(fetch(&[]), ["", ""]);

        // The remote's own setting counts more than that of all.
        set("fetch.followRemoteHEAD", "always");
        assert_eq!(fetch(&[]), ["", ""]);
        assert_eq!(head(), "main");
        git(&here, &["config", "--unset", own]);
        assert_eq!(fetch(&[]), ["", ""]);
        assert_eq!(head(), "b2");
        git(&src, &["symbolic-ref", "HEAD", "refs/heads/a/long/name"]);
        fetch(&["--all"]);
        assert_eq!(head(), "a/long/name");

        // A ref that is not symbolic.
        git(&here, &["remote", "set-head", "-d", "origin"]);
        let id = git(&here, &["rev-parse", "c1"]);
        git(&here, &["update-ref", "refs/remotes/origin/HEAD", &id]);
        set("fetch.followRemoteHEAD", "warn");
        let detached = format!(
            "'HEAD' at 'origin' is 'a/long/name', but we have a detached HEAD pointing to '{id}' locally.\n"
        );
        assert_eq!(fetch(&[]), [&detached, ""]);
        set("fetch.followRemoteHEAD", "always");
        fetch(&[]);
        assert_eq!(head(), "a/long/name");

        // What the remote's HEAD is on may not be fetched, or not exist.
        git(&src, &["symbolic-ref", "HEAD", "refs/heads/unborn"]);
        assert_eq!(fetch(&[]), ["", ""]);
        git(&src, &["symbolic-ref", "HEAD", "refs/heads/b1"]);
        set("remote.origin.fetch", "refs/heads/b2:refs/remotes/origin/b2");
        git(&here, &["update-ref", "-d", "refs/remotes/origin/b1"]);
        assert_eq!(fetch(&[]), ["", ""]);
        assert_eq!(head(), "a/long/name");

        set("fetch.followRemoteHEAD", "warn-if-not-b1");
        let [_, stderr] = fetch(&[]);
        assert_eq!(stderr, "warning: unrecognized followRemoteHEAD value 'warn-if-not-b1' ignored\n");
    });
}
