//! `remote` beside git's: the same is printed and the same is there afterwards.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
mod remotes;

use remotes::{Worlds, each};

fn remote(worlds: &Worlds, args: &[&str]) -> String {
    worlds.same(&[&["remote"], args].concat())
}

#[test]
fn s07_remotes_are_added_and_listed() {
    each(|worlds| {
        let run = |args: &[&str]| remote(worlds, args);
        run(&[]);
        run(&["-v"]);
        run(&["add"]);
        run(&["add", "x"]);
        run(&["add", "-x"]);
        run(&["add", "origin", "y"]);
        run(&["add", "a b", "y"]);
        run(&["add", "", "y"]);
        run(&["add", "-t", "b1", "-t", "b2", "-m", "b1", "-f", "third", "../src"]);
        run(&["add", "-m", "nope", "--tags", "fourth", "../src"]);
        run(&["add", "--no-tags", "fifth", "../src"]);
        run(&["add", "-f", "bad", "../nothing"]);
        run(&["add", "--mirror=fetch", "mf", "../src"]);
        run(&["add", "--mirror=push", "mp", "../src"]);
        run(&["add", "--mirror", "mb", "../src"]);
        run(&["add", "--mirror=bad", "mm", "../src"]);
        run(&["add", "--mirror=push", "-t", "x", "mm", "../src"]);
        run(&["add", "--mirror=fetch", "-m", "x", "mm", "../src"]);
        run(&["add", "--mirror=fetch", "-t", "heads/*", "mt", "../src"]);
        worlds.here(&["config", "remote.two.partialclonefilter", "blob:none"]);
        worlds.here(&["config", "remote.two.promisor", "true"]);
        worlds.here(&["config", "remote.only.pushurl", "../p"]);
        worlds.here(&["config", "remote.nothing.fetch", "+refs/heads/*:refs/remotes/nothing/*"]);
        run(&["-v"]);
        run(&["show"]);
        worlds.same(&["-c", "url.aa/.insteadOf=../", "-c", "url.bb/.pushInsteadOf=../", "remote", "-v"]);
        run(&["bogus"]);
        run(&["--bogus"]);
    });
}

#[test]
fn s07_remotes_are_renamed_and_removed() {
    each(|worlds| {
        let run = |args: &[&str]| remote(worlds, args);
        worlds.fetch(&["-q"]);
        worlds.fetch(&["-q", "two"]);
        worlds.here(&["checkout", "-q", "-b", "main", "origin/main"]);
        worlds.here(&["remote", "set-head", "origin", "-a"]);
        worlds.here(&["pack-refs", "--all"]);
        worlds.here(&["config", "remote.origin.tagOpt", "--no-tags"]);
        worlds.here(&["config", "branch.main.pushRemote", "origin"]);
        worlds.here(&["config", "branch.other.remote", "two"]);
        worlds.here(&["config", "branch.other.merge", "refs/heads/main"]);
        worlds.here(&["config", "remote.pushDefault", "origin"]);
        for bad in
            [&["rename"][..], &["rename", "origin"], &["rename", "nope", "x"], &["rename", "origin", "two"]]
        {
            run(bad);
        }
        run(&["rename", "origin", "b b"]);
        run(&["rename", "origin", "upstream"]);
        for top in worlds.tops() {
            let log = std::fs::read_to_string(top.join("here/.git/logs/refs/remotes/upstream/b2")).unwrap();
            assert!(log.contains("remote: renamed refs/remotes/origin/b2"), "{log}");
            assert!(!top.join("here/.git/logs/refs/remotes/origin").exists());
        }
        run(&["rename", "upstream", "origin"]);
        worlds.here(&["config", "--add", "remote.two.fetch", "refs/heads/main:refs/other/main"]);
        run(&["rename", "two", "second"]);
        worlds.here(&["config", "remote.second.fetch", "refs/heads/*:refs/second/*", "remotes"]);
        run(&["rename", "second", "zwei"]);
        run(&["rm"]);
        run(&["rm", "nope"]);
        run(&["rm", "zwei", "origin"]);
        run(&["rm", "zwei"]);
        // What another remote stores to as well stays.
        worlds.here(&["remote", "add", "--mirror=fetch", "mirror", "../src"]);
        worlds.here(&["config", "--add", "remote.mirror.fetch", "^refs/heads/x"]);
        run(&["remove", "mirror"]);
        worlds.here(&["config", "remote.heads.url", "../src"]);
        worlds.here(&["config", "remote.heads.fetch", "+refs/heads/*:refs/heads/*"]);
        run(&["remove", "heads"]);
        run(&["remove", "origin"]);
        worlds.here(&["for-each-ref"]);
    });
}

#[test]
fn s07_urls_and_branches_of_remotes() {
    each(|worlds| {
        let run = |args: &[&str]| remote(worlds, args);
        for args in [
            "get-url",
            "get-url nope",
            "get-url origin",
            "get-url --push origin",
            "get-url --all origin",
            "set-url",
            "set-url nope x",
            "set-url origin ../new",
            "set-url --push origin ../pp",
            "set-url --add --push origin ../pp2",
            "get-url --push --all origin",
            "get-url --push origin",
            "set-url --add origin ../new2",
            "get-url --all origin",
            "set-url origin ../x",
            "set-url --delete origin new2",
            "set-url --delete origin .*",
            "set-url origin ../x nomatch",
            "set-url origin ../x new",
            "set-url --push origin ../qq pp2",
            "set-url --delete --push origin pp",
            "set-url --delete --push origin nothing",
            "set-url --add --delete origin x",
            "set-url origin x (",
            "set-url --add origin ../zz",
            "set-url --add origin ../zz",
            "set-url origin ../q zz",
            "get-url --all origin",
            "set-branches",
            "set-branches nope x",
            "set-branches origin b1 b2",
            "set-branches --add origin x*",
            "set-branches origin",
            "set-branches --add origin main",
        ] {
            run(&args.split(' ').collect::<Vec<_>>());
        }
    });
}

#[test]
fn s07_heads_of_remotes_and_pruning() {
    each(|worlds| {
        let run = |args: &[&str]| remote(worlds, args);
        worlds.fetch(&["-q"]);
        run(&["set-head"]);
        run(&["set-head", "origin"]);
        run(&["set-head", "origin", "-a"]);
        run(&["set-head", "origin", "b1"]);
        run(&["set-head", "origin", "nope"]);
        run(&["set-head", "origin", "--auto"]);
        run(&["set-head", "origin", "-a", "b1"]);
        run(&["set-head", "nope", "-a"]);
        worlds.there(&["checkout", "-q", "--detach"]);
        run(&["set-head", "origin", "-a"]);
        run(&["set-head", "origin", "-d"]);
        run(&["set-head", "origin", "-d"]);
        worlds.there(&["checkout", "-q", "main"]);
        run(&["set-head", "origin", "b1"]);
        worlds.there(&["branch", "-D", "-q", "b1"]);
        worlds.there(&["branch", "-D", "-q", "b2"]);
        run(&["prune"]);
        run(&["prune", "nope"]);
        run(&["prune", "-n", "origin"]);
        run(&["prune", "origin", "two"]);
        run(&["prune", "origin"]);
    });
}

#[test]
fn s07_remotes_are_shown() {
    each(|worlds| {
        let run = |args: &[&str]| remote(worlds, args);
        run(&["show", "origin"]);
        worlds.fetch(&["-q"]);
        worlds.here(&["checkout", "-q", "-b", "main", "origin/main"]);
        run(&["show", "origin"]);
        run(&["show", "-n", "origin"]);
        run(&["show", "origin", "two"]);
        run(&["show", "nope"]);
        run(&["show", "../two"]);
        worlds.there(&["branch", "-D", "-q", "b1"]);
        worlds.there(&["branch", "fresh"]);
        worlds.there(&["branch", "hidden"]);
        worlds.here(&["config", "--add", "remote.origin.fetch", "^refs/heads/hidden"]);
        for rebase in ["true", "interactive", "i", "merges", "m", "false"] {
            let branch = format!("branch.t{rebase}");
            worlds.here(&["config", &format!("{branch}.remote"), "origin"]);
            worlds.here(&["config", &format!("{branch}.merge"), "refs/heads/main"]);
            worlds.here(&["config", &format!("{branch}.rebase"), rebase]);
        }
        worlds.here(&["config", "branch.two.remote", "origin"]);
        worlds.here(&["config", "branch.two.merge", "refs/heads/main"]);
        worlds.here(&["config", "--add", "branch.two.merge", "refs/heads/b2"]);
        run(&["show", "origin"]);
        worlds.here(&["config", "branch.tmerges.merge", "refs/heads/b2"]);
        worlds.here(&["config", "--add", "branch.tmerges.merge", "refs/heads/main"]);
        worlds.here(&["commit", "-q", "--allow-empty", "-m", "ahead"]);
        worlds.here(&["branch", "b2", "HEAD~2"]);
        run(&["show", "origin"]);
        worlds.here(&["reset", "-q", "--hard", "HEAD~2"]);
        worlds.here(&["config", "remote.origin.push", "refs/heads/main:refs/heads/foo"]);
        worlds.here(&["config", "--add", "remote.origin.push", "+refs/heads/b*:refs/heads/b*"]);
        run(&["show", "origin"]);
        worlds.here(&["config", "--add", "remote.origin.push", ":"]);
        worlds.here(&["config", "--add", "remote.origin.push", ":gone"]);
        run(&["show", "-n", "origin"]);
        worlds.here(&["config", "remote.origin.mirror", "true"]);
        run(&["-v", "show", "-n", "origin"]);
        worlds.there(&["checkout", "-q", "--detach"]);
        run(&["show", "origin"]);
        worlds.here(&["config", "remote.origin.pushurl", "../elsewhere"]);
        worlds.here(&["config", "--add", "remote.origin.pushurl", "../elsewhere2"]);
        run(&["show", "-n", "origin"]);
        for top in worlds.tops() {
            common::git(&top, &["init", "-q", "--bare", "empty"]);
        }
        worlds.here(&["remote", "add", "e", "../empty"]);
        worlds.here(&["config", "--unset", "remote.e.fetch"]);
        worlds.here(&["remote", "add", "bad", "../nothing"]);
        run(&["show", "bad"]);
        run(&["show", "-x"]);
    });
}

#[test]
fn s07_remotes_are_updated() {
    each(|worlds| {
        let run = |args: &[&str]| remote(worlds, args);
        run(&["update"]);
        run(&["update", "-p", "origin", "two"]);
        worlds.here(&["config", "remotes.default", "origin"]);
        run(&["update"]);
        worlds.here(&["config", "remotes.group", "two origin"]);
        run(&["update", "group"]);
        run(&["update", "nope"]);
        run(&["-v", "update"]);
        worlds.there(&["branch", "-D", "-q", "b1"]);
        run(&["update", "--prune"]);
        worlds.here(&["config", "--unset", "remotes.default"]);
        worlds.here(&["config", "remote.two.skipFetchAll", "true"]);
        run(&["update"]);
        run(&["update", "--no-prune", "default"]);
    });
}
