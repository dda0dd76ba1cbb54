//! S7: fetching into a repository, whose own history says what need not be sent.
#![allow(clippy::unwrap_used)]

mod support;

use git_core::Repository;
use git_core::object::{Context, ErrorKind};
use git_core::remote::{Prune, Tags, UpdateStatus};
use std::path::Path;
use support::{FORMATS, SCHEMES, Serving, VERSIONS, bare, fetch_specs, history, link, refs, rev, run, sound};

const ALL: &str = "+refs/heads/*:refs/remotes/origin/*";

/// How many objects git counts between two histories.
fn between(path: &Path, range: &[&str]) -> u64 {
    run(path, &[&["rev-list", "--objects"], range].concat()).lines().count() as u64
}

/// Every way to the repository `name` below `dir`, which `serving` serves, too.
fn ways(dir: &Path, serving: &Serving, name: &str) -> Vec<String> {
    let mut urls: Vec<String> = SCHEMES.iter().map(|scheme| serving.url(scheme, name)).collect();
    urls.push(dir.join(name).to_str().unwrap().to_owned());
    #[cfg(unix)]
    {
        urls.push(format!("git://{}/{name}", support::real::git_daemon(dir)));
        urls.push(format!("http://{}/{name}", support::real::http_backend(dir)));
    }
    urls
}

#[test]
fn s07_fetches_are_incremental() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        let serving = Serving::paths([("source", path.as_path())]);
        let urls = ways(dir.path(), &serving, "source");
        let cx = Context::new();
        for (at, (url, version)) in
            urls.iter().flat_map(|url| VERSIONS.map(|version| (url, version))).enumerate()
        {
            let to = bare(dir.path(), &format!("to{at}"), format);
            let repository = Repository::open(&to).unwrap();
            let remote = repository.remote(url).unwrap();
            let first = remote.fetch(&fetch_specs(&[ALL]), link(version), &cx).unwrap();
            // Annotated tags into the history came along by themselves.
            assert_eq!(first.objects, Some(between(&path, &["--branches", "--tags"])), "{url} {version:?}");
            let listed = run(&to, &["for-each-ref", "--format=%(refname)"]);
            let tags: Vec<&str> = listed.lines().filter(|name| name.starts_with("refs/tags/")).collect();
            assert_eq!(tags, ["refs/tags/light", "refs/tags/v1", "refs/tags/v2"]);
            assert_eq!(rev(&to, "origin/topic"), rev(&path, "topic"));
            sound(&to);

            // Nothing new: nothing is sent, and no ref changes.
            let again = remote.fetch(&fetch_specs(&[ALL]), link(version), &cx).unwrap();
            assert_eq!(again.objects, None);
            assert!(again.updates.iter().all(|update| update.status == UpdateStatus::UpToDate));

            // A few commits on one branch: just what they brought is sent.
            let old = rev(&path, "master").to_hex();
            let base = 300 + at as u32 * 10;
            let new = history::grow(&path, "master", None, base..base + 3);
            let fetched = remote.fetch(&fetch_specs(&[ALL]), link(version), &cx).unwrap();
            assert_eq!(
                fetched.objects,
                Some(between(&path, &["master", &format!("^{old}")])),
                "{url} {version:?}"
            );
            let moved: Vec<_> =
                fetched.updates.iter().filter(|one| one.status == UpdateStatus::FastForward).collect();
            assert_eq!(moved.len(), 1);
            assert_eq!(moved[0].new, Some(new));
            assert_eq!(rev(&to, "origin/master"), new);
            sound(&to);
        }
    }
}

#[test]
fn s07_a_long_history_of_ones_own_is_no_hindrance() {
    // Both sides have gone on for longer than the first rounds of a negotiation reach.
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        run(dir.path(), &["clone", "-q", "--bare", path.to_str().unwrap(), "to"]);
        let to = dir.path().join("to");
        let common = rev(&path, "master").to_hex();
        history::grow_with(&path, "master", None, 100..400, 1);
        history::grow_with(&to, "own", Some("refs/heads/master"), 100..500, 1);
        let serving = Serving::paths([("source", path.as_path())]);
        let expected = between(&path, &["master", &format!("^{common}")]);
        let urls = ways(dir.path(), &serving, "source");
        for (at, (url, version)) in
            urls.iter().flat_map(|url| VERSIONS.map(|version| (url, version))).enumerate()
        {
            // A copy each time: whatever has once been fetched would be known.
            let copy = dir.path().join(format!("copy{at}"));
            run(dir.path(), &["clone", "-q", "--bare", to.to_str().unwrap(), copy.to_str().unwrap()]);
            let repository = Repository::open(&copy).unwrap();
            let remote = repository.remote(url).unwrap();
            let options = fetch_specs(&["refs/heads/master:refs/got/master"]);
            let fetched = remote.fetch(&options, link(version), &Context::new()).unwrap();
            assert_eq!(fetched.objects, Some(expected), "{url} {version:?}");
            assert_eq!(rev(&copy, "refs/got/master"), rev(&path, "master"));
        }
    }
}

#[test]
fn s07_tags_follow_or_not() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        // A tag on something that no branch reaches.
        history::grow(&path, "aside", Some("refs/heads/master~2"), 700..701);
        run(&path, &["tag", "-a", "-m", "beside all branches", "beside", "aside"]);
        run(&path, &["branch", "-D", "-q", "aside"]);
        let serving = Serving::paths([("source", path.as_path())]);
        let cx = Context::new();
        for (tags, expected) in
            [(Tags::Follow, "light v1"), (Tags::None, ""), (Tags::All, "beside light v1 v2")]
        {
            for url in ways(dir.path(), &serving, "source") {
                let _ = std::fs::remove_dir_all(dir.path().join("to"));
                let to = bare(dir.path(), "to", format);
                let repository = Repository::open(&to).unwrap();
                let mut options = fetch_specs(&["refs/heads/topic:refs/heads/topic"]);
                options.tags = Some(tags);
                repository.remote(&url).unwrap().fetch(&options, link(VERSIONS[2]), &cx).unwrap();
                let have = run(&to, &["tag", "--list"]);
                assert_eq!(have.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{tags:?}");
                // The rest of the history brings the rest of the tags.
                options.refspecs = fetch_specs(&["refs/heads/master:refs/heads/master"]).refspecs;
                repository.remote(&url).unwrap().fetch(&options, link(VERSIONS[2]), &cx).unwrap();
                assert_eq!(run(&to, &["tag", "--list"]).contains("v2"), tags != Tags::None);
                sound(&to);
            }
        }
    }
}

#[test]
fn s07_prune_takes_away_what_is_gone() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        let serving = Serving::paths([("source", path.as_path())]);
        let to = bare(dir.path(), "to", format);
        let repository = Repository::open(&to).unwrap();
        let remote = repository.remote(serving.url("git", "source")).unwrap();
        let cx = Context::new();
        remote.fetch(&fetch_specs(&[ALL]), link(VERSIONS[2]), &cx).unwrap();
        run(&path, &["branch", "-D", "-q", "topic"]);
        run(&path, &["branch", "topic/below", "master"]);
        run(&to, &["update-ref", "refs/heads/own", "refs/tags/light"]);
        // The name of the old ref is in the way of the new one, unless it goes.
        let kept = remote.fetch(&fetch_specs(&[ALL]), link(VERSIONS[2]), &cx).unwrap();
        assert!(kept.updates.iter().any(|one| matches!(one.status, UpdateStatus::Failed(_))));
        assert!(refs(&to).contains("refs/remotes/origin/topic"));
        let mut options = fetch_specs(&[ALL]);
        options.prune = Prune::Remove;
        let pruned = remote.fetch(&options, link(VERSIONS[2]), &cx).unwrap();
        let gone: Vec<_> = pruned.updates.iter().filter(|one| one.status == UpdateStatus::Pruned).collect();
        assert_eq!(gone.len(), 1);
        assert_eq!(gone[0].local.as_ref().unwrap().to_string(), "refs/remotes/origin/topic");
        let left = refs(&to);
        assert!(
            left.contains("refs/remotes/origin/topic/below") && left.contains("refs/heads/own"),
            "{left}"
        );
        assert!(left.contains("refs/tags/v1"));
        support::tidy(&to);
        sound(&to);
    }
}

#[test]
fn s07_what_does_not_move_forward_stays() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        let to = bare(dir.path(), "to", format);
        let repository = Repository::open(&to).unwrap();
        let remote = repository.remote(path.to_str().unwrap()).unwrap();
        let cx = Context::new();
        let plain = fetch_specs(&["refs/heads/*:refs/heads/*"]);
        remote.fetch(&plain, link(VERSIONS[2]), &cx).unwrap();
        let tip = rev(&to, "master");
        run(&path, &["update-ref", "refs/heads/master", "refs/heads/master~3"]);
        run(&path, &["tag", "-f", "light", "master"]);
        let mut tagged = fetch_specs(&["refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*"]);
        let fetched = remote.fetch(&tagged, link(VERSIONS[2]), &cx).unwrap();
        let status = |name: &str| {
            fetched
                .updates
                .iter()
                .find(|one| one.local.as_ref().unwrap().to_string() == name)
                .unwrap()
                .status
                .clone()
        };
        assert_eq!(status("refs/heads/master"), UpdateStatus::NonFastForward);
        assert_eq!(status("refs/tags/light"), UpdateStatus::TagClobbered);
        assert_eq!(rev(&to, "master"), tip);
        tagged.force = git_core::remote::Force::All;
        let fetched = remote.fetch(&tagged, link(VERSIONS[2]), &cx).unwrap();
        assert!(fetched.updates.iter().all(|one| !one.status.is_rejected()));
        assert_eq!(rev(&to, "master"), rev(&path, "master"));
        assert_eq!(rev(&to, "light"), rev(&path, "light"));
    }
}

#[test]
fn s07_formats_do_not_mix() {
    let dir = tempfile::tempdir().unwrap();
    let path = history::source(dir.path(), "source", FORMATS[1]);
    let serving = Serving::paths([("source", path.as_path())]);
    let to = bare(dir.path(), "to", FORMATS[0]);
    let repository = Repository::open(&to).unwrap();
    for url in ways(dir.path(), &serving, "source") {
        let remote = repository.remote(&url).unwrap();
        let error = remote.fetch(&fetch_specs(&[ALL]), link(VERSIONS[2]), &Context::new()).unwrap_err();
        assert_eq!(error.to_string(), "mismatched algorithms: client sha1; server sha256");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    assert_eq!(refs(&to), "");
    sound(&to);
}
