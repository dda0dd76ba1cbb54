//! Refspecs as `git fetch` and `git push` apply them.

#![allow(clippy::unwrap_used)]

use git_core_object::ObjectFormat;
use git_core_ref::refspec::{self, Direction, FetchSource, PushSource, Refspec};
use git_core_ref::{RefName, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

fn git(dir: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .current_dir(dir)
        .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
        .args(args)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
}

fn names(dir: &Path) -> BTreeSet<String> {
    let list = git(dir, &["for-each-ref", "--format=%(refname)"]).unwrap();
    list.lines().map(str::to_owned).collect()
}

fn repository(dir: &Path, name: &str, refs: &[&str]) -> std::path::PathBuf {
    git(dir, &["init", "-q", "--bare", "-b", "main", name]).unwrap();
    let path = dir.join(name);
    let tree = git(&path, &["hash-object", "-w", "-t", "tree", "/dev/null"]).unwrap();
    let commit = Command::new("git")
        .current_dir(&path)
        .args(["commit-tree", "-m", "x", &tree])
        .envs([("GIT_AUTHOR_DATE", "1112911993 +0000"), ("GIT_COMMITTER_DATE", "1112911993 +0000")])
        .envs([
            ("GIT_AUTHOR_NAME", "a"),
            ("GIT_AUTHOR_EMAIL", "a"),
            ("GIT_COMMITTER_NAME", "a"),
            ("GIT_COMMITTER_EMAIL", "a"),
        ])
        .output()
        .unwrap();
    let commit = String::from_utf8(commit.stdout).unwrap().trim().to_owned();
    for name in refs {
        git(&path, &["update-ref", name, &commit]).unwrap();
    }
    path
}

fn ref_names(list: &[&str]) -> Vec<RefName> {
    list.iter().map(|name| RefName::new(name).unwrap()).collect()
}

#[test]
fn fetches_store_what_git_stores() {
    let refs = [
        "refs/heads/main",
        "refs/heads/a",
        "refs/heads/a-x/b",
        "refs/heads/qa/one",
        "refs/tags/a",
        "refs/tags/t",
        "refs/notes/n",
        "refs/remotes/r/HEAD",
    ];
    let dir = tempfile::tempdir().unwrap();
    repository(dir.path(), "server", &refs);
    let mut remote = vec![RefName::head()];
    remote.extend(ref_names(&refs));
    for (at, specs) in [
        &["+refs/heads/*:refs/remotes/o/*"][..],
        &["refs/heads/qa/*:refs/heads/*"],
        &["refs/heads/a*:refs/got/*"],
        &["refs/heads/a*b:refs/got/x-*"],
        &["refs/*:refs/*", "^refs/heads/a*", "^refs/tags/t"],
        &["main:x"],
        &["a:x", "heads/a:y", "tags/a:tags/z"],
        &["r:heads/r"],
        &["n:x"],
        &["HEAD:refs/q", "@:refs/p", ":refs/o"],
        &["main:refs/x", "a:refs/x"],
        &["main:refs/x", "refs/heads/main:refs/x"],
        &["nothing:x"],
        &["refs/heads/none/*:refs/none/*"],
        &["main:a..b"],
        &["refs/heads/*:refs/one"],
    ]
    .into_iter()
    .enumerate()
    {
        let client = format!("client{at}");
        git(dir.path(), &["init", "-q", "--bare", "-b", "other", &client]).unwrap();
        let client = dir.path().join(client);
        let mut args = vec!["fetch", "-q", "--no-tags", "../server"];
        args.extend(specs);
        let theirs = git(&client, &args).map(|_| names(&client));
        let parsed = specs.iter().map(|s| Refspec::parse(Direction::Fetch, s)).collect::<Result<Vec<_>, _>>();
        let ours = parsed.ok().and_then(|specs| refspec::fetch(&specs, &remote).ok()).map(|mappings| {
            assert!(mappings.iter().all(|m| matches!(m.src, FetchSource::Ref(_))));
            mappings.into_iter().filter_map(|m| m.dst).map(|dst| dst.to_string()).collect::<BTreeSet<_>>()
        });
        assert_eq!(ours, theirs, "{specs:?}");
    }
}

#[test]
fn pushes_update_what_git_updates() {
    let local_refs = ["refs/heads/main", "refs/heads/a", "refs/tags/a-tag", "refs/tags/a", "refs/x/y"];
    let remote_refs =
        ["refs/heads/old", "refs/heads/a", "refs/tags/old-tag", "refs/heads/both", "refs/tags/both"];
    let dir = tempfile::tempdir().unwrap();
    let client = repository(dir.path(), "client", &local_refs);
    let id = git_core_object::ObjectId::empty_tree(ObjectFormat::Sha1);
    let mut local: BTreeMap<_, _> =
        ref_names(&local_refs).into_iter().map(|name| (name, Target::Id(id))).collect();
    local.insert(RefName::head(), Target::Symbolic(RefName::branch("main").unwrap()));
    for (at, specs) in [
        &["main"][..],
        &["HEAD"],
        &["@:refs/heads/at"],
        &["main:new"],
        &["main:old"],
        &["main:old-tag"],
        &["main:both"],
        &["refs/tags/a:new-tag"],
        &["a-tag:x"],
        &["a-tag"],
        &["refs/x/y:z"],
        &["refs/x/y"],
        &["HEAD^{}:refs/heads/z"],
        &["HEAD^{}:z"],
        &[":old"],
        &[":nothing"],
        &[":refs/heads/nothing", "main"],
        &[":"],
        &["refs/heads/*"],
        &["refs/heads/*:refs/heads/qa/*"],
        &["refs/heads/*", "^refs/heads/main"],
        &["main:one", "refs/heads/a:one"],
        &["nothing"],
        &["main:"],
    ]
    .into_iter()
    .enumerate()
    {
        let server = format!("server{at}");
        repository(dir.path(), &server, &remote_refs);
        let before = names(&dir.path().join(&server));
        let url = format!("../{server}");
        let mut args = vec!["push", "-q", &url];
        args.extend(specs);
        let theirs = git(&client, &args).map(|_| names(&dir.path().join(&server)));
        let parsed = specs.iter().map(|s| Refspec::parse(Direction::Push, s)).collect::<Result<Vec<_>, _>>();
        let remote = ref_names(&remote_refs);
        let ours =
            parsed.ok().and_then(|specs| refspec::push(&specs, &local, &remote).ok()).map(|mappings| {
                let mut after = before.clone();
                for mapping in mappings {
                    match mapping.src {
                        PushSource::Nothing => after.remove(&mapping.dst.to_string()),
                        PushSource::Ref(_) | PushSource::Revision(_) => after.insert(mapping.dst.to_string()),
                    };
                }
                after
            });
        assert_eq!(ours, theirs, "{specs:?}");
    }
}
